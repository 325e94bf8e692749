#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-machine in its full form, by this program and, where it is installed, by the reference, run as a black box: what qom-get
then says of it, and what both refuse. Usage: test_machine_options.py BUILD-DIR"""
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [f"{HERE}/../acpi", f"{HERE}/../guest"]
import tap  # noqa: E402

import box  # noqa: E402

PROGRAM = f"{sys.argv[1]}/dimmable"
REFERENCE = shutil.which("qemu-system-x86_64")
RAM = "-object memory-backend-ram,id=r,size=256M"
HOLES = ("pci-hole-start", "pci-hole-end", "pci-hole64-start", "pci-hole64-end", "pci-hole64-size")

# Words after the board; properties of /machine that are then the same.
SAME = [
    ("", "nvdimm hmat acpi graphics dump-guest-core mem-merge usb hpet memory smp memory-backend pcspk-audiodev pic pit i8042 "
     "max-ram-below-4g device-memory-region-size"),
    (",nvdimm=on,hmat=on,acpi=off,graphics=off", "nvdimm hmat acpi graphics"),
    (",dump-guest-core=off,mem-merge=off,usb=off", "dump-guest-core mem-merge usb"),
    (",vmport=off,smm=off,smbus=off", "vmport smm smbus"),
    (",smbus=on", "smbus"),
    (",i8042=on,pic=auto,pit=auto,hpet=off", "i8042 pic pit hpet"),
    (",pcspk-audiodev=a -audiodev none,id=a", "pcspk-audiodev"),
    (",max-ram-below-4g=1G", "max-ram-below-4g"),
    (",sata=off,suppress-vmdesc=off,smbios-entry-point-type=32,max-fw-size=4M,default-bus-bypass-iommu=on",
     "sata suppress-vmdesc smbios-entry-point-type max-fw-size default-bus-bypass-iommu"),
    (",smbios-entry-point-type=64", "smbios-entry-point-type sata suppress-vmdesc default-bus-bypass-iommu bus-lock-ratelimit"),
    (",smp.cpus=4,smp.sockets=2", "smp"), (",smp.cpus=2,smp.maxcpus=8,smp.threads=2", "smp"),
    (",memory.size=256M", "memory device-memory-region-size"),
    (",memory.size=256M,memory.slots=2,memory.max-size=1G", "memory device-memory-region-size"),
    (",memory.size=256M,memory.slots=2,memory.max-size=1G -m 512M", "memory"),
    (f",memory-backend=r {RAM}", "memory-backend memory"),
    (f",memory-backend=r {RAM} -m 256M,slots=2,maxmem=1G", "memory-backend memory"),
]

REFUSED = [
    ",nvdimm=perhaps", ",acpi=maybe", ",graphics=x", ",hmat=1x", ",memory.foo=1", ",memory.size=1x",
    ",memory.size=256M,memory.slots=2", ",memory.size=256M,memory.max-size=128M", ",smp.cpus=4,smp.maxcpus=2",
    ",memory-backend=x", ",memory-backend=", f",memory-backend=r {RAM} -m 128M",
    f",memory-backend=r {RAM} -m 256M -mem-path /tmp", f",memory-backend=r {RAM} -numa node,memdev=r",
    f",memory-backend=r {RAM} -m 256M,slots=1,maxmem=1G -device pc-dimm,memdev=r", ",max-ram-below-4g=8G",
]

HOLE_WORDS = ["-m 2G", "-m 6G", "-m 2G,slots=2,maxmem=8G", "-m 2G -global {host}.pci-hole64-size=4G",
              "-m 2G -global {host}.pci-hole64-size=0"]


def programs():
    return ((PROGRAM, "qtest"), (REFERENCE, "tcg"))


def asked(program, accel, words, path, names):
    with box.Box(program, accel=accel, extra=words.split(), memory=None, cpus=None) as m:
        return {name: m.qmp.command("qom-get", path=path, property=name) for name in names}


def same(board, words, names):
    found = [asked(program, accel, f"-M {board}{words}", "/machine", names.split()) for program, accel in programs()]
    tap.equal(found[0], found[1])


def both_refuse(board, words):
    for program, accel in programs():
        try:
            with box.Box(program, accel=accel, extra=f"-M {board}{words}".split(), memory=None, cpus=None):
                pass
        except RuntimeError:
            continue
        raise AssertionError(f"{program} has taken {words}")


def holes(board, words):
    host = {"pc": "i440FX-pcihost", "q35": "q35-pcihost"}[board]
    path = {"pc": "/machine/i440fx", "q35": "/machine/q35"}[board]
    line = f"-M {board} -cpu Haswell {words}".format(host=host)
    found = [asked(program, accel, line, path, HOLES) for program, accel in programs()]
    tap.equal(found[0], found[1])


if not REFERENCE:
    print("1..0 # SKIP there is no qemu-system-x86_64")
else:
    tap.run([*[(f"{board}{words}: {names}", lambda b=board, w=words, n=names: same(b, w, n))
               for board in ("pc", "q35") for words, names in SAME],
             *[(f"refused: pc{words}", lambda w=words: both_refuse("pc", w)) for words in REFUSED],
             *[(f"PCI memory, {board} {words}", lambda b=board, w=words: holes(b, w))
               for board in ("pc", "q35") for words in HOLE_WORDS]])

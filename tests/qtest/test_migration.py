#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine is saved and loaded: every device in every machine, every way, and what is refused."""
import ctypes
import json
import mmap
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

import machine
import tap
import vm

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
DIMM = ["-object", "memory-backend-ram,id=m0,size=128M", "-device", "pc-dimm,id=d0,memdev=m0"]
SMALL = "4M,slots=2,maxmem=1G"

ADAPTERS = ["pvscsi", "lsi53c895a", "lsi53c810", "am53c974", "dc390", "megasas", "megasas-gen2", "mptsas1068"]

# What there is in the way of devices. FLASH, VARIABLES, EXPANSION (a ROM): files that the test makes.
MACHINES = {
    "pc": ["-machine", "pc"],
    "q35": ["-machine", "q35"],
    "pc-no-hpet": ["-machine", "pc,hpet=off"],
    "pc-4-cpus": ["-machine", "pc", "-smp", "4"],
    "q35-ports": ["-machine", "q35", "-device", "pcie-root-port,id=p1,chassis=1,addr=3",
                  "-device", "pcie-root-port,id=p2,chassis=2,addr=4"],
    "q35-bridges": ["-machine", "q35", "-device", "ioh3420,id=p1,power_controller_present=off",
                    "-device", "x3130-upstream,id=up,bus=p1", "-device", "xio3130-downstream,id=down,bus=up,chassis=1",
                    "-device", "pcie-pci-bridge,id=b0,bus=down", "-device", "virtio-rng-pci,bus=b0",
                    "-device", "i82801b11-bridge,id=b1", "-device", "virtio-rng-pci,bus=b1"],
    "q35-pxb": ["-machine", "q35", "-device", "pxb-pcie,id=x0,bus_nr=80", "-device", "pcie-root-port,id=p1,bus=x0",
                "-device", "virtio-rng-pci,bus=p1"],
    "q35-cxl": ["-machine", "q35,cxl=on,cxl-fmw.0.targets.0=x0,cxl-fmw.0.size=1G", "-device", "pxb-cxl,id=x0,bus_nr=80",
                "-device", "cxl-rp,id=p1,bus=x0", "-device", "cxl-upstream,id=up,bus=p1", "-device", "cxl-downstream,id=down,bus=up,slot=1",
                "-object", "memory-backend-ram,id=m0,size=256M", "-object", "memory-backend-ram,id=l0,size=1M",
                "-device", "cxl-type3,bus=down,memdev=m0,lsa=l0"],
    "pc-pxb": ["-machine", "pc", "-device", "pxb,id=x0,bus_nr=80", "-device", "virtio-rng-pci,bus=x0"],
    "pc-hyperv": ["-machine", "pc", "-cpu", "qemu64,hv-time,hv-relaxed", "-smp", "2"],
    "pc-serial": ["-machine", "pc", "-serial", "null", "-serial", "null"],
    "pc-debug": ["-machine", "pc", "-debugcon", "null", "-device", "isa-debug-exit"],
    "pc-misc": ["-machine", "pc", "-action", "panic=none", "-device", "pvpanic", "-device", "pvpanic-pci", "-device", "i6300esb", "-device", "ib700", "-device", "pci-serial", "-device", "pc-testdev",
                "-device", "vmcoreinfo", "-device", "vmgenid,guid=324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"],
    "pc-ports": ["-machine", "pc", "-device", "pci-serial-2x", "-device", "pci-serial-4x", "-chardev", "null,id=lp",
                 "-device", "isa-parallel,chardev=lp", "-object", "memory-backend-ram,id=shm,size=1M",
                 "-device", "ivshmem-plain,memdev=shm,master=on"],
    "pc-floppy": ["-machine", "pc", "-device", "floppy", "-drive", "if=none,id=d0,format=raw,file.driver=null-co,file.size=1440k",
                  "-device", "floppy,drive=d0"],
    "q35-floppy": ["-machine", "q35", "-device", "isa-fdc", "-device", "floppy"],
    "pc-erst": ["-machine", "pc", "-object", "memory-backend-ram,id=m,size=64K", "-device", "acpi-erst,memdev=m"],
    "pc-ipmi": ["-machine", "pc", "-chardev", "null,id=c", "-device", "ipmi-bmc-extern,id=b0,chardev=c", "-device", "isa-ipmi-kcs,bmc=b0",
                *[word for n, device in enumerate(("isa-ipmi-bt,irq=0", "pci-ipmi-kcs", "pci-ipmi-bt"), 1) for word in (
                    "-device", f"ipmi-bmc-sim,id=b{n}", "-device", f"{device},bmc=b{n}")]],
    "pc-usb-net": ["-machine", "pc", "-device", "qemu-xhci", "-device", "usb-net"],
    "pc-edu": ["-machine", "pc", "-device", "edu", "-device", "loader,addr=0x10000,data=1,data-len=8"],
    "pc-testdev-of-pci": ["-machine", "pc", "-device", "pci-testdev,membar=64K"],
    "pc-virtio-crypto": ["-machine", "pc", "-object", "cryptodev-backend-builtin,id=c,queues=2", "-device", "virtio-crypto-pci,cryptodev=c"],
    "pc-dimm": ["-machine", "pc", *DIMM],
    "pc-nvdimm": ["-machine", "pc,nvdimm=on", "-object", "memory-backend-ram,id=m0,size=4M",
                  "-device", "nvdimm,id=d0,memdev=m0,label-size=128K"],
    "pc-flash": ["-machine", "pc", "-drive", "if=pflash,format=raw,file=FLASH"],
    "q35-code-and-variables": ["-machine", "q35", "-drive", "if=pflash,format=raw,unit=0,readonly=on,file=FLASH",
                               "-drive", "if=pflash,format=raw,unit=1,file=VARIABLES"],
    "pc-rom": ["-machine", "pc", "-device", "virtio-net-pci,romfile=EXPANSION"],
    "q35-nodes": ["-machine", "q35", "-numa", "node,mem=2M", "-numa", "node,mem=2M", *DIMM],
    "pc-virtio": ["-machine", "pc", "-device", "virtio-rng-pci", "-device", "virtio-rng-pci-transitional",
                  "-device", "virtio-rng-pci-non-transitional", "-device", "pci-bridge,id=b0",
                  "-device", "virtio-rng-pci,bus=b0"],
    "pc-virtio-net": ["-machine", "pc", "-device", "virtio-net-pci", "-device", "virtio-net-pci-transitional",
                      "-device", "virtio-net-pci-non-transitional"],
    **{f"pc-virtio-balloon{name}": ["-machine", "pc", "-device", f"virtio-balloon-pci{name}"]  # one a machine
       for name in ("", "-transitional", "-non-transitional")},
    "pc-virtio-mem": ["-machine", "pc", "-object", "memory-backend-ram,id=v0,size=64M",
                      "-device", "virtio-mem-pci,memdev=v0,requested-size=32M",
                      "-object", "memory-backend-ram,id=v1,size=16M", "-device", "virtio-pmem-pci,memdev=v1"],
    "pc-e1000": ["-machine", "pc", "-device", "e1000", "-device", "e1000-82544gc", "-device", "e1000-82545em", "-device", "rtl8139"],
    "pc-nics": ["-machine", "pc", "-device", "vmxnet3", "-device", "pcnet", "-device", "ne2k_pci", "-device", "ne2k_isa", "-device", "tulip"],
    "pc-intel-nics": ["-machine", "pc", *[word for name in (
        "i82550", "i82551", "i82557a", "i82557b", "i82557c", "i82558a", "i82558b", "i82559a", "i82559b", "i82559c", "i82559er", "i82562", "i82801")
        for word in ("-device", name)]],
    "q35-vmxnet3": ["-machine", "q35", "-device", "pcie-root-port,id=p0", "-device", "vmxnet3,bus=p0"],
    "q35-e1000e": ["-machine", "q35", "-device", "e1000e"],
    "pc-virtio-input": ["-machine", "pc", "-device", "virtio-keyboard-pci", "-device", "virtio-mouse-pci", "-device", "virtio-tablet-pci"],
    "pc-virtio-vga": ["-machine", "pc", "-device", "virtio-vga"],
    "pc-virtio-gpu": ["-machine", "pc", "-device", "virtio-gpu-pci,max_outputs=2"],
    "pc-virtio-serial": ["-machine", "pc", "-device", "virtio-serial-pci,id=s0",
                         "-device", "virtio-serial-pci-transitional", "-device", "virtio-serial-pci-non-transitional",
                         "-chardev", "null,id=c0", "-device", "virtconsole,chardev=c0",
                         "-device", "virtserialport,bus=s0.0,name=org.test.0"],
    "pc-virtio-blk": ["-machine", "pc", *[word for name in ("", "-transitional", "-non-transitional") for word in (
        "-drive", f"if=none,id=d{name},format=raw,file.driver=null-co", "-device", f"virtio-blk-pci{name},drive=d{name}")]],
    "pc-virtio-9p": ["-machine", "pc", "-fsdev", "local,id=f0,path=/,readonly=on,security_model=none",
                     *[word for name in ("", "-transitional", "-non-transitional") for word in (
                         "-device", f"virtio-9p-pci{name},fsdev=f0,mount_tag=x{name[:4]}")]],
    "pc-virtio-scsi": ["-machine", "pc", "-device", "virtio-scsi-pci,num_queues=2",
                       "-device", "virtio-scsi-pci-transitional", "-device", "virtio-scsi-pci-non-transitional",
                       "-drive", "if=none,id=d0,format=raw,file.driver=null-co", "-device", "scsi-hd,drive=d0",
                       "-device", "scsi-cd"],
    "pc-ide": ["-machine", "pc", "-drive", "if=none,id=d0,format=raw,file.driver=null-co", "-device", "ide-hd,drive=d0",
               "-device", "ide-cd"],
    "q35-ahci": ["-machine", "q35", "-drive", "if=none,id=d0,format=raw,file.driver=null-co", "-device", "ide-hd,drive=d0",
                 "-device", "ahci,id=more", "-device", "ide-cd,bus=more.2"],
    "q35-nvme": ["-machine", "q35", "-device", "nvme-subsys,id=s0", "-device", "nvme,id=n0,serial=x,subsys=s0", "-device",
                 "nvme,id=n1,serial=x,subsys=s0", "-blockdev", "null-co,node-name=d0", "-blockdev", "null-co,node-name=d1", "-device",
                 "nvme-ns,bus=n0,drive=d0", "-device", "nvme-ns,bus=n1,drive=d1,shared=off"],
    "q35-nvme-zones": ["-machine", "q35", "-device", "nvme,serial=x", "-blockdev", "null-co,node-name=d0", "-device",
                       "nvme-ns,drive=d0,zoned=on,zoned.zone_size=1M,zoned.descr_ext_size=64"],
    "pc-nvme": ["-machine", "pc", "-drive", "if=none,id=d0,format=raw,file.driver=null-co", "-device",
                "nvme,id=n0,serial=x,drive=d0,cmb_size_mb=1", "-blockdev", "null-co,node-name=d1", "-device", "nvme-ns,drive=d1"],
    "pc-adapters": ["-machine", "pc", *[word for name in ADAPTERS for word in ("-device", f"{name},id={name}")],
                    "-blockdev", "null-co,node-name=d0", "-device", f"scsi-hd,bus={ADAPTERS[0]}.0,drive=d0"],
    "q35-xhci": ["-machine", "q35", "-device", "pcie-root-port,id=p1,chassis=1,addr=3", "-device", "qemu-xhci,p2=15,p3=15,bus=p1"],
    "pc-usb": ["-machine", "pc", "-device", "qemu-xhci,id=x", "-device", "nec-usb-xhci,id=n", "-device", "usb-kbd,bus=x.0",
               "-device", "usb-mouse,bus=x.0,port=4", "-device", "usb-tablet,bus=n.0", "-chardev", "null,id=us", "-device", "usb-serial,bus=n.0,chardev=us", "-device", "usb-hub,bus=n.0,port=3", "-device", "usb-kbd,bus=n.0,port=3.8", "-device", "piix3-usb-uhci,id=u",
               "-device", "usb-kbd,bus=u.0", "-device", "usb-mouse,bus=u.0", "-device", "piix4-usb-uhci",
               "-blockdev", "null-co,node-name=d1", "-device", "usb-storage,bus=x.0,drive=d1,serial=S",
               *[word for kind in ("bot", "uas") for word in ("-device", f"usb-{kind},bus=n.0,id={kind}", "-blockdev", f"null-co,node-name=d{kind}",
                                                              "-device", f"scsi-hd,bus={kind}.0,drive=d{kind}")],
               *[word for n in range(1, 7) for word in ("-device", f"ich9-usb-uhci{n}")]],
    "pc-sd": ["-machine", "pc", "-device", "sdhci-pci", "-blockdev", "null-co,node-name=d0,size=1048576", "-device", "sd-card,drive=d0"],
    "pc-hda": ["-machine", "pc", "-audiodev", "none,id=a", "-device", "intel-hda,id=h6", "-device", "ich9-intel-hda,id=h9",
               "-device", "hda-duplex,bus=h9.0,audiodev=a", "-device", "hda-micro,bus=h9.0", "-device", "hda-output,bus=h6.0",
               "-device", "piix3-usb-uhci,id=u", "-device", "usb-audio,audiodev=a,bus=u.0"],
    "pc-sound": ["-machine", "pc,pcspk-audiodev=a", "-audiodev", "none,id=a", "-device", "AC97,audiodev=a", "-device", "ES1370,audiodev=a",
                 "-device", "sb16,audiodev=a"],
    "pc-ehci": ["-machine", "pc", "-device", "usb-ehci,id=e", "-device", "ich9-usb-ehci1,id=m", "-device", "ich9-usb-ehci2",
                "-device", "pci-ohci,id=o,num-ports=15", "-device", "usb-kbd,bus=o.0,port=15", "-device", "pci-ohci,masterbus=e.0",
                "-device", "ich9-usb-uhci1,masterbus=m.0,firstport=2", "-device", "usb-tablet,bus=e.0", "-device", "usb-kbd,bus=m.0,port=3",
                "-device", "usb-hub,bus=m.0,port=4", "-device", "usb-mouse,bus=m.0,port=4.1", "-device", "usb-tablet,bus=m.0,port=1",
                "-chardev", "null,id=ur", "-device", "usb-redir,chardev=ur,bus=m.0,port=2", "-device", "usb-host,bus=m.0,port=5,vendorid=0xdead",
                "-device", "usb-ccid,id=c,bus=o.0", "-chardev", "null,id=uc", "-device", "ccid-card-passthru,chardev=uc,bus=c.0"],
    "pc-screens": ["-machine", "pc", "-vga", "std", "-device", "secondary-vga,vgamem_mb=1", "-device", "ramfb"],
    "q35-screens": ["-machine", "q35", "-device", "VGA,vgamem_mb=1", "-device", "bochs-display,vgamem=1M"],
    "pc-cirrus": ["-machine", "pc", "-vga", "cirrus"],
    "q35-vmware": ["-machine", "q35", "-device", "vmware-svga,vgamem_mb=4"],
    "pc-qxl": ["-machine", "pc", "-device", "qxl-vga,ram_size_mb=16,vgamem_mb=8,vram_size_mb=1",
               "-device", "qxl,ram_size_mb=16,vgamem_mb=8,vram_size_mb=1"],
    "q35-virtio": ["-machine", "q35", "-device", "pcie-root-port,id=p1,chassis=1,addr=3",
                   "-device", "virtio-rng-pci,bus=p1", "-device", "virtio-rng-pci,packed=on"],
    "q35-amd-iommu": ["-machine", "q35", "-device", "amd-iommu,intremap=on", "-device", "virtio-rng-pci,disable-legacy=on,iommu_platform=on"],
    "q35-iommu": ["-machine", "q35", "-device", "intel-iommu,device-iotlb=on,aw-bits=48,caching-mode=on",
                  "-device", "virtio-rng-pci,disable-legacy=on,iommu_platform=on"],
    "pc-virtio-iommu": ["-machine", "pc", "-device", "virtio-iommu-pci",
                        "-device", "virtio-rng-pci,disable-legacy=on,iommu_platform=on"],
    "none": ["-machine", "none"],
}
# Device types that are in none of them, and why.
ELSEWHERE = {**{name: "its emulator is another program: test_tpm.py has one" for name in ("tpm-crb", "tpm-tis")},
             **{name: "refused: it cannot be moved (qtest-virtio-gpu-gl.c)" for name in (
                 "virtio-gpu-gl-device", "virtio-gpu-gl-pci", "virtio-vga-gl")},
             "kvm-pit": "no machine has it; it is for -global",
             "ivshmem-doorbell": "its server is another program: qtest-ivshmem.c has one",
             **{f"vhost-user-blk{name}": "its back-end is another program: test_vhost_user.py has one" for name in (
                 "", "-pci", "-pci-transitional", "-pci-non-transitional")},
             **{f"vhost-user-{name}": "its back-end is another program: test_vhost_user_parts.py has one" for name in (
                 "gpio-device", "gpio-pci", "i2c-device", "i2c-pci", "input", "input-pci", "rng", "rng-pci", "scsi", "scsi-pci",
                 "scsi-pci-transitional", "scsi-pci-non-transitional", "vsock-device", "vsock-pci", "vsock-pci-non-transitional")},
             **{f"vhost-user-fs-{name}": "refused: it cannot be moved (linux-vhost-user-folder)" for name in ("device", "pci")},
             **{name: "refused: it cannot be moved (test_vhost_gpu.py)" for name in (
                 "vhost-user-gpu", "vhost-user-gpu-pci", "vhost-user-vga")},
             "scsi-block": "it needs a SCSI disk of the host: tests/nested has one",
             "smbus-eeprom": "these machines have too little memory for one: test_smbus.py has one",
             "ccid-card-emulated": "refused: its card stays at the host (qtest-ccid.c)",
             **{f"virtio-input-host-{name}": "refused: its device stays at the host (test-evdev.c)" for name in ("device", "pci")},
             "vfio-pci": "it needs a device of the host: tests/nested has one",
             **{f"vhost-scsi{name}": "refused: it cannot be moved (tests/nested has one)" for name in (
                 "", "-pci", "-pci-transitional", "-pci-non-transitional")},
             **{f"vhost-vsock-{name}": "it needs the host's kernel: tests/nested has one" for name in (
                 "device", "pci", "pci-non-transitional")}}

# Registers that firmware has not put anywhere yet, as port ranges.
PORTS = [(0x600, 4), (0x620, 16), (0xa00, 0x18), (0xafe0, 4)]
# Writes there would reset the machine, or eject a DIMM or a PCI device; and none goes to what ends the program.
NOT = {0x64: 0xfe, 0x92: 1, 0xcf9: 6, 0x604: 0x20, 0x605: 0x20, 0xa14: 8,
       **dict.fromkeys([*range(0xae08, 0xae0c), *range(0xcc8, 0xccc)], 0xff)}
ENDS = "isa-debug-exit"


def registers(m):
    """[(is a port, first, size)] of what is mapped and is no RAM: each device's, whichever there are."""
    text = m.qmp.command("human-monitor-command", **{"command-line": "info mtree"})
    memory, io = text.split("address-space: I/O")
    found = [(port, int(first, 16), int(last, 16) + 1 - int(first, 16))
             for port, part in ((False, memory), (True, io)) for first, last, name in re.findall(
                 r"^ +(\w+)-(\w+) \(prio -?\d+, (?:i/o|romd)\): (\S+)$", part, re.M) if name != ENDS]
    return found + [(True, first, size) for first, size in PORTS]


def poke_pci(m, rng):
    """A register of configuration space of a function on bus 0 that is there, or might be."""
    slot, function = rng.choice([(0, 0), (1, 0), (1, 1), (1, 3), (2, 0), (3, 0), (4, 0), (31, 0), (31, 2)])
    m.write("l", 0xcf8, 0x80000000 | slot << 11 | function << 8 | rng.randrange(0x40) << 2)
    m.write("b", 0xcfc + rng.randrange(4), rng.getrandbits(8))


def poke(m, seed, rounds=600):
    rng = random.Random(seed)
    where = registers(m)
    for _ in range(rounds):
        port, first, size = rng.choice(where)
        at = first + rng.randrange(size)
        if rng.random() < 0.1:
            poke_pci(m, rng)
        elif port:
            m.write("b", at, rng.getrandbits(8) & ~NOT.get(at, 0))
        else:
            m(f"writel {at & ~3:#x} {rng.getrandbits(32):#x}")
        if rng.random() < 0.1:
            m(f"clock_step {rng.randrange(1000, 50_000_000)}")


def start(extra, memory=SMALL, **options):
    if "none" in extra:
        memory = "1M"
    return machine.Machine(memory=memory, extra=["-S", *extra], **options)


def wait(m, *states):
    def info():
        found = m.qmp.command("query-migrate")
        return found.get("status") in states and found
    return machine.vm.wait_until(info, f"the migration is {' or '.join(states)}")


def save(m, uri):
    m.qmp.command("migrate", uri=uri)
    info = wait(m, "completed", "failed")
    tap.equal(info["status"], "completed", str(info))
    tap.equal(m.qmp.command("query-status")["status"], "postmigrate")
    return info


def arrived(m):
    wait(m, "completed")
    tap.equal(m.qmp.command("query-status")["status"], "paused")


def contents(path):
    with open(path, "rb") as file:
        return file.read()


class Folder(tempfile.TemporaryDirectory):
    def __enter__(self):
        path = super().__enter__()
        return lambda name: f"{path}/{name}"


def records(path):
    """[(kind, name, contents)] of a saved machine (docs/state.md)."""
    stream, at, found = contents(path), 16, []
    while at < len(stream):
        kind, name, _, size, _ = struct.unpack_from("<BBHII", stream, at)
        at += 12 + name
        found.append((kind, stream[at - name:at].decode(), stream[at:at + size]))
        at += size
    return found


def devices_in(path):
    """{path: what both ends must agree on} of a saved machine's devices."""
    return json.loads(records(path)[0][2])["devices"]


def types_in(path):
    """The types of the devices in a saved machine. A processor's is "cpu"."""
    return {device.get("type", "cpu") for device in devices_in(path).values()}


seen = set()  # what types_in() told of all machines


def same_again(extra, seed):
    """What is loaded and saved again is the same, to the byte."""
    with Folder() as at:
        for name, start_of in ("flash", b"flash"), ("variables", b"variables"), ("expansion", b"\x55\xaa"):
            with open(at(name), "wb") as file:
                file.write(start_of.ljust(128 << 10, b"\0"))
            extra = [word.replace(name.upper(), at(name)) for word in extra]
        with start(extra) as m:
            if "none" not in extra:
                poke(m, seed)
            save(m, f"file:{at('one')}")
        with start([*extra, "-incoming", f"file:{at('one')}"]) as m:
            arrived(m)
            save(m, f"file:{at('two')}")
        seen.update(types_in(at("one")))
        one, two = (subprocess.run([f"{ROOT}/scripts/state-dump.py", at(name)], capture_output=True, check=True,
                                   text=True).stdout for name in ("one", "two"))
        tap.equal(one.split("\n"), two.split("\n"))
        tap.equal(contents(at("one")) == contents(at("two")), True, "the streams")


def every_type():
    """Each type of device that the program has was in one of them, some processor among them."""
    with start(MACHINES["none"]) as m:
        def types(implements):
            return {info["name"] for info in m.qmp.command("qom-list-types", implements=implements)}
        tap.equal(types("device") - types("cpu") - seen, set(ELSEWHERE), "types that no machine here has")
        tap.equal("cpu" in seen, True)


# ---- ways ----

def by_file_offset():
    with Folder() as at:
        with open(at("state"), "wb") as file:
            file.write(b"x" * 10000)
        with start(MACHINES["pc"]) as m:
            save(m, f"file:{at('state')},offset=4k")
        tap.equal(contents(at("state"))[:4096], b"x" * 4096)
        tap.equal(contents(at("state"))[4096:4104], b"DIMMABLE")
        tap.equal(os.stat(at("new") if os.path.exists(at("new")) else at("state")).st_size > 10000, True)
        with start([*MACHINES["pc"], "-incoming", f"file:{at('state')},offset=4096"]) as m:
            arrived(m)


def by_exec():
    with Folder() as at:
        with start(MACHINES["pc"]) as m:
            save(m, f"exec:gzip > {at('state.gz')}")
        with start([*MACHINES["pc"], "-incoming", f"exec:gzip -d < {at('state.gz')}"]) as m:
            arrived(m)


def by_socket(uri):
    with start([*MACHINES["q35"], "-incoming", uri]) as there, start(MACHINES["q35"]) as here:
        tap.equal(there.qmp.command("query-status")["status"], "inmigrate")
        save(here, uri)
        arrived(there)


def by_unix():
    with Folder() as at:
        by_socket(f"unix:{at('sock')}")
        tap.equal(os.path.exists(at("sock")), False, "the socket")


def by_tcp():
    """The port is ours all the time: nobody else gets one that is bound, but a program that says so
    too (SO_REUSEADDR) can listen there."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        by_socket(f"tcp:127.0.0.1:{sock.getsockname()[1]}")


def by_fd_and_defer():
    with Folder() as at, start([*MACHINES["pc"], "-incoming", "defer"]) as there, start(MACHINES["pc"]) as here:
        file = os.open(at("state"), os.O_RDWR | os.O_CREAT)
        socket.send_fds(here.qmp.sock, [b'{"execute":"getfd","arguments":{"fdname":"f"}}\n'], [file])
        here.qmp.receive()
        save(here, "fd:f")
        os.lseek(file, 0, os.SEEK_SET)
        socket.send_fds(there.qmp.sock, [b'{"execute":"getfd","arguments":{"fdname":"g"}}\n'], [file])
        there.qmp.receive()
        there.qmp.command("migrate-incoming", uri="fd:g")
        arrived(there)
        os.close(file)


# ---- DIMMs ----

def slots(m):
    """Each slot: the state of its DIMM, and how far the last unplug came, with times."""
    path, = [f"/machine/unattached/{child['name']}" for child in m.qmp.command("qom-list", path="/machine/unattached")
             if child["type"] == "child<acpi-memory-hotplug>"]
    return m.qmp.command("qom-get", path=path, property="slots")


def pending_unplug():
    """A request to unplug, with its time-out, goes with the machine."""
    extra = [*MACHINES["pc-dimm"]]
    with Folder() as at:
        with start(extra) as m:
            m("clock_step 1000000")
            m.qmp.execute({"execute": "device_del", "arguments": {"id": "d0", "timeout": 5}})
            before = slots(m)
            save(m, f"file:{at('state')}")
        with start([*extra, "-incoming", f"file:{at('state')}"]) as m:
            arrived(m)
            tap.equal(slots(m), before)
            tap.equal(m.read("b", 0xa14), 5, "enabled, and a remove event")
            m("clock_step 4900000000")
            tap.equal(slots(m), before)
            m("clock_step 200000000")
            m.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="d0")


# ---- refused ----

def incoming_fails(extra, path, *words):
    status, text = machine.run_program("-accel", "qtest", "-m", SMALL, "-display", "none", "-nodefaults", *extra,
                                       "-incoming", f"file:{path}")
    tap.equal((status, [word for word in words if word not in text]), (1, []), text)


def other_machine():
    with Folder() as at:
        with start(MACHINES["pc-dimm"]) as m:
            save(m, f"file:{at('state')}")
        for extra, *words in (
                (MACHINES["pc"], "/machine/peripheral/d0"),
                ([*MACHINES["pc"], *[a.replace("128M", "256M") for a in DIMM]], "m0", "268435456"),
                (["-machine", "q35", *DIMM], "machine = \"pc-i440fx-7.2\"", "machine = \"pc-q35-7.2\""),
                ([*MACHINES["pc-dimm"], "-smp", "2"], "cpus = 1", "cpus = 2"),
                ([*MACHINES["pc-dimm"], "-m", "8M,slots=2,maxmem=1G"], "memory size = 4194304"),
                ([*MACHINES["pc-dimm"], "-m", "4M,slots=3,maxmem=1G"], "memory slots = 2"),
                ([*MACHINES["pc-dimm"], "-cpu", "qemu64,-sse3"], "pni"),
                (["-machine", "pc,hpet=off", *DIMM], "hpet"),
                ([*MACHINES["pc"], *[f"{a},slot=1" if "pc-dimm" in a else a for a in DIMM]], "slot = 0")):
            incoming_fails(extra, at("state"), *words)


def backends_of(*names):
    return [word for name in names for word in ("-object", f"memory-backend-ram,id={name},size=128M")]


def dimms(*backends):
    return [word for number, name in enumerate(backends)
            for word in ("-device", f"pc-dimm,id=d{number},memdev={name},slot={number},addr={0x100000000 + (number << 27):#x}")]


def other_places():
    """Contents go by the backend's name: who maps which has to be the same."""
    with Folder() as at:
        with start([*MACHINES["pc"], *backends_of("m0", "m1"), *dimms("m0", "m1")]) as m:
            save(m, f"file:{at('dimms')}")
        incoming_fails([*MACHINES["pc"], *backends_of("m0", "m1"), *dimms("m1", "m0")], at("dimms"), "memdev = \"m0\"",
                       "memdev = \"m1\"")
        boot = ["-machine", "q35", "-m", "256M", *backends_of("m0", "m1")]
        with start([*boot, "-numa", "node,memdev=m0", "-numa", "node,memdev=m1"]) as m:
            save(m, f"file:{at('boot')}")
        incoming_fails([*boot, "-numa", "node,memdev=m1", "-numa", "node,memdev=m0"], at("boot"), "memory backends",
                       "\"m0\"", "\"m1\"")


def other_windows():
    """Where CXL memory may be seen has to be the same."""
    bridges, others = ([word for n in order for word in ("-device", f"pxb-cxl,id=x{n},bus_nr={32 + 32 * n},addr={5 + n}")]
                       for order in ((0, 1), (1, 0)))
    fmw = "cxl-fmw.0.targets.0=x0,cxl-fmw.0.size=1G"
    with Folder() as at:
        with start(["-machine", f"q35,cxl=on,{fmw}", *bridges]) as m:
            save(m, f"file:{at('state')}")
        with start(["-machine", f"q35,cxl=on,{fmw}", *bridges, "-incoming", f"file:{at('state')}"]) as m:
            arrived(m)
        for options, *words in (
                (f"cxl=on,{fmw.replace('1G', '2G')}", "cxl-fmw 0 size = 1073741824", "2147483648"),
                (f"cxl=on,{fmw.replace('=x0', '=x1')}", "cxl-fmw 0 targets", "x1"),
                (f"cxl=on,{fmw},cxl-fmw.0.interleave-granularity=4k", "cxl-fmw 0 interleave-granularity = 256"),
                ("cxl=on", "cxl-fmw 0")):
            incoming_fails(["-machine", f"q35,{options}", *bridges], at("state"), *words)
        incoming_fails(["-machine", f"q35,cxl=on,{fmw}", *others], at("state"), "cxl-registers x0")


def unused_backends():
    """What nothing has mapped is not part of the machine: it does not go along, and need not be there."""
    extra = [*MACHINES["pc"], *backends_of("m0")]
    with Folder() as at:
        for number, options in enumerate(([*extra, *dimms("m0")], extra, MACHINES["pc"])):
            with start(options) as m:
                if number == 1:  # it was a DIMM's
                    m.qmp.execute({"execute": "device_add", "arguments": {"driver": "pc-dimm", "id": "d0", "memdev": "m0"}})
                    m.write("l", 0xa00, 0)
                    m.write("b", 0xa14, 8)
                    m.qmp.event("DEVICE_DELETED", device="d0")
                info = save(m, f"file:{at(str(number))}")
            tap.equal(info["ram"]["total"] >= 128 << 20, number == 0, str(info))
        for number, options in ((1, MACHINES["pc"]), (2, extra)):
            with start([*options, "-incoming", f"file:{at(str(number))}"]) as m:
                arrived(m)
        incoming_fails(extra, at("0"), "/machine/peripheral/d0")


def damaged():
    """Cut off at any byte, or any byte changed: an error that says where, never a machine."""
    rng = random.Random(5)
    with Folder() as at:
        with start(MACHINES["pc"]) as m:
            save(m, f"file:{at('state')}")
        good = contents(at("state"))
        places = {0, 1, 8, 12, 15, 16, 17, 20, 24, len(good) - 1, len(good) - 9}
        places |= {rng.randrange(len(good)) for _ in range(30)}
        for place in sorted(places):
            with open(at("cut"), "wb") as file:
                file.write(good[:place])
            incoming_fails(MACHINES["pc"], at("cut"), "at byte")
            with open(at("changed"), "wb") as file:
                file.write(good[:place] + bytes([good[place] ^ 1 << rng.randrange(8)]) + good[place + 1:])
            incoming_fails(MACHINES["pc"], at("changed"), "at byte")


def bad_uris():
    with Folder() as at, start(MACHINES["pc"]) as m:
        for uri, word in (("nosuch:x", "tcp:HOST:PORT"), ("fd:nosuch", "nosuch"), ("file:/nosuch/x", "/nosuch/x"),
                          (f"file:{at('x')},offset=q", "offset"), ("tcp:nowhere", "HOST:PORT")):
            try:
                m.qmp.command("migrate", uri=uri)
                info = wait(m, "failed")
                tap.equal(word in info["error-desc"], True, str(info))
            except machine.vm.QmpError as err:
                tap.equal(word in err.desc, True, err.desc)
        tap.equal(m.qmp.command("query-status")["status"], "prelaunch")


def other_end_dies():
    """The other end ends in the middle: the machine goes on here."""
    with Folder() as at, start(MACHINES["pc"], memory="64M") as m:
        m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
        m.qmp.command("cont")
        m("memset 0x100000 0x3000000 0x5a")
        m.qmp.command("migrate", uri=f"exec:head -c 1000000 > {at('x')}")
        info = wait(m, "failed")
        tap.equal("takes no more" in info["error-desc"], True, str(info))
        tap.equal(m.qmp.command("query-status")["status"], "running")
        for status in ("setup", "active", "failed"):
            m.qmp.event("MIGRATION", status=status)


def cancelled():
    with start(MACHINES["pc"], memory="64M") as m:
        m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 100000})
        m.qmp.command("cont")
        m("memset 0x100000 0x3000000 0x5a")
        m.qmp.command("migrate", uri="exec:cat > /dev/null")
        wait(m, "active")
        m.qmp.command("migrate_cancel")
        wait(m, "cancelled")
        tap.equal(m.qmp.command("query-status")["status"], "running")
        m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0})
        save(m, "exec:cat > /dev/null")
        m.qmp.command("cont")
        tap.equal(m.qmp.command("query-status")["status"], "running")


def answered():
    """With return-path a machine is gone when the other end says that it is there. Else it goes on here."""
    with Folder() as at, start(MACHINES["pc"]) as here, socket.socket(socket.AF_UNIX) as listener:
        here.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "return-path", "state": True}])
        here.qmp.command("cont")
        listener.bind(at("fake"))
        listener.listen()
        listener.settimeout(machine.vm.LONG)
        for reply, words in ((b"", "did not say ends.here"), (b"x" * 16, "did not say damaged"), (None, "cancelled")):
            here.qmp.command("migrate", uri=f"unix:{at('fake')}")
            with listener.accept()[0] as other:
                stream = b""
                while stream[-14:-8] != b"answer":  # the name of its last record, of 8 bytes
                    stream += other.recv(1 << 16)
                tap.equal(here.qmp.command("query-migrate")["status"], "active", "it waits")
                if reply is None:
                    here.qmp.command("migrate_cancel")
                else:
                    other.sendall(reply)
            info = wait(here, "failed", "cancelled")
            text = info["status"] + info.get("error-desc", "")
            tap.equal([word for word in words.split() if word.replace(".", " ") not in text], [], text)
            tap.equal(here.qmp.command("query-status")["status"], "running")
        here.qmp.command("migrate", uri="exec:cat > /dev/null")
        tap.equal("return-path" in wait(here, "failed")["error-desc"], True, "nobody can answer")
        here.qmp.command("stop")
        with start([*MACHINES["pc"], "-incoming", f"unix:{at('real')}"]) as there:
            save(here, f"unix:{at('real')}")
            arrived(there)


class Relay:
    """Between two machines, and it passes on only what it is told to: who does not, knows that a round
    of more than a socket holds has not ended."""

    def __init__(self, path, target):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.listener.settimeout(machine.vm.LONG)
        self.out = socket.socket(socket.AF_UNIX)
        self.out.connect(target)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.out.close()
        self.listener.close()

    def accept(self):
        self.source = self.listener.accept()[0]

    def pass_on(self, done):
        """Until @done() gives something, or the source has closed: that."""
        deadline = time.monotonic() + machine.vm.LONG
        while not (found := done()):
            if time.monotonic() > deadline:
                raise machine.vm.Timeout("what is waited for while a stream is passed on")
            if select.select([self.source], [], [], 0.01)[0]:
                data = self.source.recv(65536)
                if not data:
                    self.source.close()
                    self.out.shutdown(socket.SHUT_WR)
                    return None
                self.out.sendall(data)
        return found


def rounds():
    """RAM goes while the machine runs; what is written meanwhile goes again; a machine that writes faster
    than it goes is slowed down; the last of it arrives."""
    page, big, base = 4096, 2 << 20, 1 << 20
    with Folder() as at, start([*MACHINES["pc"], "-incoming", f"unix:{at('t')}"], memory="64M") as there, \
            start(MACHINES["pc"], memory="64M") as here, Relay(at("s"), at("t")) as relay:
        here.qmp.command("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": True} for name in ("events", "auto-converge")])
        here.qmp.command("migrate-set-parameters", **{
            "max-bandwidth": big // 2, "downtime-limit": 10, "cpu-throttle-initial": 30, "cpu-throttle-increment": 30,
            "max-cpu-throttle": 40})
        here.qmp.command("cont")
        here(f"memset {base:#x} {big:#x} 0x11")
        here.qmp.command("migrate", uri=f"unix:{at('s')}")
        relay.accept()
        wait(here, "active")
        # No round ends before it is passed on: what is written now is found at its end.
        for number, throttle in ((1, None), (2, 30), (3, 30), (4, 40)):
            here(f"memset {base:#x} {big:#x} {number:#x}")
            relay.pass_on(lambda n=number: [e for e in here.qmp.drain() if e.get("data", {}).get("pass") == n])
            info = here.qmp.command("query-migrate")
            tap.equal(info["status"], "active")
            tap.equal(info.get("cpu-throttle-percentage"), throttle, str(info))
            tap.equal(info["ram"]["dirty-sync-count"], number)
            tap.equal(info["ram"]["dirty-pages-rate"] > 0, True, str(info))
            tap.equal(info["expected-downtime"] > 10, True, str(info))
            tap.equal(0 < info["ram"]["remaining"] <= big + 64 * page, True, str(info))
        tap.equal(here.qmp.command("query-status")["status"], "running")
        here(f"writel {base + big - 4:#x} 0x12345678")
        here.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0, "downtime-limit": 2000000})
        relay.pass_on(lambda: False)
        info = wait(here, "completed", "failed")
        tap.equal(info["status"], "completed", str(info))
        tap.equal(info["ram"]["remaining"], 0)
        tap.equal(info["ram"]["total"] > 64 << 20, True)
        tap.equal(info["ram"]["precopy-bytes"] + info["ram"]["downtime-bytes"], info["ram"]["transferred"])
        tap.equal(info["ram"]["normal"] >= 4 * big // page, True, str(info))
        tap.equal("cpu-throttle-percentage" in info, False, str(info))
        tap.equal({"total-time", "downtime", "setup-time"} <= info.keys(), True, str(info))
        arrived(there)
        tap.equal(int(there(f"readl {base + big - 4:#x}")[0], 0), 0x12345678)
        tap.equal(int(there(f"readl {base + big - 8:#x}")[0], 0), 0x04040404)
        tap.equal(int(there(f"readl {base:#x}")[0], 0), 0x04040404)


def ejected_meanwhile():
    """The guest ejects a DIMM that the other end was told of: the machine goes on here, without it."""
    with start(MACHINES["pc-dimm"], memory="64M,slots=2,maxmem=1G") as m:
        m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
        m.qmp.command("cont")
        m.qmp.command("device_del", id="d0")
        m.qmp.command("migrate-set-parameters", **{"downtime-limit": 0, "max-bandwidth": 10000})
        m("memset 0x100000 0x1000000 0x5a")
        m.qmp.command("migrate", uri="exec:cat > /dev/null")
        wait(m, "active")
        m.write("l", 0xa00, 0)
        m.write("b", 0xa14, 8)
        m.qmp.event("DEVICE_DELETED", device="d0")
        m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0})
        info = wait(m, "failed")
        tap.equal("ejected" in info["error-desc"], True, str(info))
        tap.equal(m.qmp.command("query-status")["status"], "running")
        save(m, "exec:cat > /dev/null")


def cpu_ejected_meanwhile():
    """The same of a CPU."""
    with start(MACHINES["pc"], memory="64M", cpus="1,maxcpus=2,cores=2") as m:
        m.qmp.command("device_add", **CPU)
        m.qmp.command("cont")
        m.qmp.command("device_del", id="c1")
        m.qmp.command("migrate-set-parameters", **{"downtime-limit": 0, "max-bandwidth": 10000})
        m("memset 0x100000 0x1000000 0x5a")
        m.qmp.command("migrate", uri="exec:cat > /dev/null")
        wait(m, "active")
        m.write("l", 0xaf00, 0)
        m.write("l", 0xaf00, 1)
        m.write("b", 0xaf04, 8)
        m.qmp.event("DEVICE_DELETED", device="c1")
        m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0})
        info = wait(m, "failed")
        tap.equal("ejected" in info["error-desc"], True, str(info))
        tap.equal(m.qmp.command("query-status")["status"], "running")
        save(m, "exec:cat > /dev/null")


def beside_a_dump():
    """A dump and a migration both stop the machine: one at a time."""
    with Folder() as at, start(MACHINES["pc"], memory="64M") as m:
        m("memset 0x100000 0x1000000 0x5a")
        m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 100000})
        m.qmp.command("migrate", uri="exec:cat > /dev/null")
        wait(m, "active")
        try:
            m.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{at('dump')}")
        except machine.vm.QmpError as err:
            tap.equal("being migrated" in err.desc, True, err.desc)
        else:
            raise AssertionError("the dump was made")
        m.qmp.command("migrate_cancel")
        wait(m, "cancelled")


def bad_parameters():
    with start(MACHINES["pc"]) as m:
        before = m.qmp.command("query-migrate-parameters")
        tap.equal(before, {"max-bandwidth": 128 << 20, "max-postcopy-bandwidth": 0, "downtime-limit": 300, "cpu-throttle-initial": 20,
                           "cpu-throttle-increment": 10, "cpu-throttle-tailslow": False, "max-cpu-throttle": 99, "throttle-trigger-threshold": 50,
                           "xbzrle-cache-size": 64 << 20, "x-vcpu-dirty-limit-period": 1000, "vcpu-dirty-limit": 1,
                           "announce-initial": 50, "announce-max": 550, "announce-rounds": 5, "announce-step": 100, "tls-creds": "", "tls-hostname": "", "tls-authz": "",
                           "multifd-channels": 2, "multifd-compression": "none", "multifd-zlib-level": 1, "multifd-zstd-level": 1})
        for name, value in (("downtime-limit", 2000001), ("cpu-throttle-initial", 0), ("cpu-throttle-initial", 100),
                            ("cpu-throttle-increment", 0), ("max-cpu-throttle", 100), ("max-cpu-throttle", 19)):
            try:
                m.qmp.command("migrate-set-parameters", **{name: value, "max-bandwidth": 5})
            except machine.vm.QmpError as err:
                tap.equal(name in err.desc, True, err.desc)
            else:
                raise AssertionError(f"{name} = {value} was taken")
        tap.equal(m.qmp.command("query-migrate-parameters"), before)


CPU = {"driver": "qemu64-x86_64-cpu", "id": "c1", "socket-id": 0, "core-id": 1, "thread-id": 0}


def plug(m):
    m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m1", "size": 128 << 20})
    m.qmp.command("device_add", driver="pc-dimm", id="d1", memdev="m1")
    m.qmp.command("device_add", **CPU)


def plugged_before_it_comes():
    """What was plugged while the machine ran is plugged into the one that waits with -incoming defer."""
    extra = [*MACHINES["pc-dimm"], "-smp", "1,maxcpus=2"]
    with Folder() as at:
        with start(extra) as m:
            plug(m)
            m.write("l", 0xa00, 1)
            m.write("b", 0xa14, 2)  # the guest has seen it
            before = slots(m)
            tap.equal([slot["state"] for slot in before], ["inserted", "noticed"])
            save(m, f"file:{at('state')}")
        with start([*extra, "-incoming", "defer"]) as m:
            plug(m)
            m.qmp.command("migrate-incoming", uri=f"file:{at('state')}")
            arrived(m)
            tap.equal(slots(m), before)
            tap.equal(len(m.qmp.command("query-cpus-fast")), 2)
            save(m, f"file:{at('again')}")
        tap.equal(contents(at("state")) == contents(at("again")), True, "the streams")


def nothing_is_plugged():
    """While a machine goes or comes, its devices stay what they are."""
    with Folder() as at, start([*MACHINES["pc-dimm"], "-incoming", "defer"]) as there, \
         start(MACHINES["pc-dimm"], memory="64M,slots=2,maxmem=1G") as here:
        here("memset 0x100000 0x3000000 0x5a")
        here.qmp.command("migrate-set-parameters", **{"max-bandwidth": 100000})
        here.qmp.command("migrate", uri="exec:cat > /dev/null")
        wait(here, "active")
        there.qmp.command("migrate-incoming", uri=f"unix:{at('nobody-comes')}")
        for m in there, here:
            answer = m.qmp.command("human-monitor-command", **{"command-line": "device_add virtio-rng-pci"})
            tap.equal("being migrated" in answer, True, answer)
            m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m1", "size": 128 << 20})
            for command, arguments in (("device_add", {"driver": "pc-dimm", "memdev": "m1"}), ("device_del", {"id": "d0"})):
                try:
                    m.qmp.command(command, **arguments)
                except machine.vm.QmpError as err:
                    tap.equal("being migrated" in err.desc, True, err.desc)
                else:
                    raise AssertionError(f"{command} was carried out")
        here.qmp.command("migrate_cancel")
        wait(here, "cancelled")
        here.qmp.command("device_del", id="d0")


def features(path):
    cpu, = [device for device in devices_in(path).values() if "apic-id" in device]
    return {name for name, value in cpu.items() if value is True}


def chips_in(path):
    paths = [where for where, device in devices_in(path).items() if device.get("type") in ("isa-i8259", "ioapic")]
    return [(name, data.hex()) for _, name, data in records(path) if name in paths]


def poke_chips(m, seed):
    """The 8259s and the I/O APIC. The kernel knows neither a single 8259 nor one whose inputs are all levels."""
    rng = random.Random(seed)
    for _ in range(300):
        port, value = rng.choice([0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1]), rng.getrandbits(8)
        m.write("b", port, value & ~0xa if port in (0x20, 0xa0) and value & 0x10 else value)
        m(f"writel 0xfec00000 {rng.randrange(0x40)}")
        m(f"writel 0xfec00010 {rng.getrandbits(32):#x}")


def quits(m):
    """The program ends at once, by itself, and has nothing to say."""
    m.qmp.send(b'{"execute":"quit"}\n')
    tap.equal(m.process.wait(machine.vm.LONG), 0)
    tap.equal([line for line in m.errors().split("\n") if "warning" not in line and line], [])


def quit_meanwhile():
    """The program ends while a machine goes or comes: to a command or a socket that takes no more, from one that gives
    nothing, or part of it."""
    with Folder() as at:
        with start(MACHINES["pc"]) as m:
            save(m, f"file:{at('whole')}")
        with open(at("half"), "wb") as file:
            file.write(contents(at("whole"))[:-100])
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(at("listener"))
            listener.listen()
            for uri in "exec:sleep 1000", f"unix:{at('listener')}":
                with start(MACHINES["pc"], memory="64M") as m:
                    m("memset 0x100000 0x3000000 0x5a")
                    m.qmp.command("migrate", uri=uri)
                    machine.vm.wait_until(lambda m=m: m.qmp.command("query-migrate").get("ram", {}).get("transferred"),
                                          f"bytes go to {uri}")
                    quits(m)
        for uri in f"unix:{at('s')}", "exec:sleep 1000", f"exec:cat {at('half')}; exec sleep 1000":
            with start([*MACHINES["pc"], "-incoming", uri]) as m:
                quits(m)
        tap.equal(os.path.exists(at("s")), False, "the socket")


def ended_command(end):
    """A command that takes nothing, and what it has started, are ended by @end; nobody waits for them."""
    with Folder() as at, start(MACHINES["pc"], memory="64M") as m:
        m("memset 0x100000 0x3000000 0x5a")
        os.mkfifo(at("fifo"))
        with open(os.open(at("fifo"), os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as fifo:
            m.qmp.command("migrate", uri=f"exec:exec 3> {at('fifo')}; echo >&3; sleep 1000; sleep 1000")
            machine.vm.wait_until(lambda: fifo.read(1), "the command begins")
            end(m)
            machine.vm.wait_until(lambda: fifo.read(1) == b"", "the command and its children end")


def command_cancelled():
    def cancel(m):
        m.qmp.command("migrate_cancel")
        wait(m, "cancelled")
    ended_command(cancel)


def command_and_quit():
    ended_command(quits)


def by_engine(engine, cpu, incoming=None):
    """A machine that stands: with KVM the registers of its chips are not ours to write."""
    extra = ["-machine", "pc,firmware=off", *cpu, "-S", *(["-incoming", f"file:{incoming}"] if incoming else [])]
    if engine == "qtest":
        return machine.Machine(memory="1M", extra=extra)
    return machine.vm.Vm(machine.PROGRAM, accel=engine, serial=False, memory="1M", extra=extra)


# KVM has the host's vendor where none is said.
QEMU64 = "qemu64,vendor=AuthenticAMD,-kvm"


def kernel_chips():
    """With kernel_irqchip=on the kernel has the 8259s and the I/O APIC: what is loaded into them is what is saved again,
    also by a machine that has its own again."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise tap.Skip("no /dev/kvm")
    with Folder() as at:
        for engine in "qtest", "kvm":
            with by_engine(engine, ["-cpu", QEMU64]) as m:
                save(m, f"file:{at(engine)}")
        differ = features(at("qtest")) ^ features(at("kvm"))
        cpu = ["-cpu", ",".join([QEMU64, *(f"-{name}" for name in sorted(differ))])]
        for seed in range(5):
            with by_engine("qtest", cpu) as m:
                poke_chips(m, seed)
                save(m, f"file:{at('0')}")
            tap.equal(len(chips_in(at("0"))), 2)
            for number, engine in enumerate(("kvm,kernel_irqchip=on", "kvm,kernel_irqchip=on", "kvm", "qtest")):
                with by_engine(engine, cpu, at(str(number))) as m:
                    arrived(m)
                    save(m, f"file:{at(str(number + 1))}")
                tap.equal(chips_in(at(str(number + 1))), chips_in(at("0")), f"seed {seed}, {engine}")


def private():
    with Folder() as at, start(MACHINES["pc"]) as m:
        save(m, f"file:{at('state')}")
        tap.equal(os.stat(at("state")).st_mode & 0o777, 0o600)


def images_after_it():
    """A machine whose memory was saved, as a snapshot's: its disk gets a new image before it goes on."""
    with Folder() as at:
        drive = ["-machine", "pc", "-blockdev", f"qcow2,node-name=d0,file.driver=file,file.filename={at('disk')}",
                 "-device", "virtio-blk-pci,drive=d0,id=disk"]
        subprocess.run([f"{sys.argv[1]}/tools/img/dimmable-img", "create", "-q", "-f", "qcow2", at("disk"), "16M"], check=True)
        with start(drive) as m:
            save(m, f"file:{at('state')}")
            m.qmp.command("blockdev-snapshot-sync", **{"node-name": "d0", "snapshot-file": at("next"),
                                                       "snapshot-node-name": "d1"})
            m.qmp.command("blockdev-create", **{"job-id": "j", "options": {"driver": "file", "filename": at("new"), "size": 65536}})
            tap.equal(m.qmp.command("query-status")["status"], "postmigrate")
            m.qmp.command("cont")
        # Another program has the disk: it is not taken from it.
        with start(drive) as m:
            save(m, f"file:{at('state')}")
            with start(drive):
                try:
                    m.qmp.command("blockdev-snapshot-sync", **{"node-name": "d0", "snapshot-file": at("other"),
                                                               "snapshot-node-name": "d2"})
                except vm.QmpError as error:
                    tap.equal("lock" in error.desc or "another" in error.desc, True, error.desc)
                else:
                    raise AssertionError("it was taken")


def companions():
    """Who has a USB port, and so the speed of what is there, is known again."""
    ehci = ["-machine", "pc", "-device", "ich9-usb-ehci1,id=e,addr=5", "-device", "ich9-usb-uhci1,masterbus=e.0,addr=6",
            "-device", "usb-tablet,bus=e.0,port=1", "-device", "usb-mouse,bus=e.0,port=2"]

    def ports(m):
        return m("readl 0xe0000064"), m("readl 0xe0000068"), m("inl 0xc010"), m.qmp.command(
            "human-monitor-command", **{"command-line": "info usb"})

    with Folder() as at:
        with start(ehci) as m:
            for devfn, bar, address in ((0x28, 0x10, 0xe0000000), (0x30, 0x20, 0xc000)):
                for register, value in (bar, address), (4, 7):
                    m.write("l", 0xcf8, 0x80000000 | devfn << 8 | register)
                    m.write("l", 0xcfc, value)
            m("writel 0xe0000060 1")
            m("writel 0xe0000068 0x3000")
            before = ports(m)
            tap.equal([line.split(",")[2].split()[1] for line in before[-1].splitlines()], ["480", "12"], before)
            save(m, f"file:{at('state')}")
        with start([*ehci, "-incoming", f"file:{at('state')}"]) as m:
            arrived(m)
            tap.equal(ports(m), before)


def cached_pages(path):
    """Pages of the file that the host's page cache has."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as pages:
        place = (ctypes.c_char * len(pages)).from_buffer(pages)
        found = ctypes.create_string_buffer(len(pages) // mmap.PAGESIZE)
        failed = libc.mincore(ctypes.c_void_p(ctypes.addressof(place)), ctypes.c_size_t(len(pages)), found)
        del place
    tap.equal(failed, 0, os.strerror(ctypes.get_errno()))
    return sum(byte & 1 for byte in found.raw)


def caches_dropped():
    """What the page cache has of an image is stale if the machine comes from another host."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1]) as folder:
        path = f"{folder}/disk"
        with open(path, "wb") as file:
            file.write(bytes(16 << 20))
            os.fsync(file.fileno())
        with start(MACHINES["pc"]) as m:
            save(m, f"file:{folder}/state")
        for option, left in ("", False), (",drop-cache=off", True), (",drop-cache=on", False):
            contents(path)
            if cached_pages(path) < 4096:
                raise tap.Skip("this filesystem does not keep what was read")
            with start([*MACHINES["pc"], "-blockdev", f"file,node-name=d0,filename={path}{option}", "-incoming", f"file:{folder}/state"]) as m:
                arrived(m)
                m.qmp.command("cont")
                tap.equal(cached_pages(path) > 2048, left, option)


def zeros_cost_nothing():
    with start(["-machine", "pc"], memory="1G,slots=2,maxmem=900G") as m:
        info = save(m, "exec:cat > /dev/null")
        tap.equal(info["ram"]["transferred"] < 1_000_000, True, str(info))


def main():
    tests = [(f"same_again {name}", lambda e=extra, n=number: same_again(e, n))
             for number, (name, extra) in enumerate(MACHINES.items())]
    tests += [("same_again every_type", every_type)]
    tests += [(function.__name__, function) for function in (
        by_file_offset, by_exec, by_unix, by_tcp, by_fd_and_defer, pending_unplug, other_machine, other_places, other_windows, unused_backends, damaged, bad_uris,
        other_end_dies, cancelled, answered, rounds, ejected_meanwhile, cpu_ejected_meanwhile, beside_a_dump, bad_parameters,
        plugged_before_it_comes, nothing_is_plugged, quit_meanwhile, command_cancelled, command_and_quit, kernel_chips, private, images_after_it,
        caches_dropped, zeros_cost_nothing, companions)]
    tap.run([test for test in tests if len(sys.argv) < 3 or sys.argv[2] in test[0]])


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""NVDIMMs in Debian's kernel: test_nvdimm.py BUILD-DIR. One is there from the start, one is plugged; a file system
is in the first (DAX), a namespace with a label on the second. Then the program is killed, and a new one has it all."""
import os
import struct
import sys
import tempfile
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
from nvdimm import DAX, MODULES, initrd, mount_dax, ready, wait_for  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MIB = 1 << 20
# May be changed by who imports this: tests/nested.
SETUP = {"accel": "soft", "kernel": "vmlinuz", "place": vm.Here}
SIZE, LABELS = 64 * MIB, 128 << 10
ND = "/sys/bus/nd/devices"
UUIDS = ("5a4f1e9c-8c1f-4a0e-9d43-0f5b9f3c1a01", "5a4f1e9c-8c1f-4a0e-9d43-0f5b9f3c1a02")


def backend(folder, n):
    return {"id": f"m{n}", "mem-path": f"{folder}/nvdimm{n}", "size": SIZE, "share": True}


def index_block(own, seq):
    """An empty index of labels (UEFI 2.10, 13.19.5), one of two: 510 labels of 256 bytes."""
    free = bytes([0xff] * 63 + [0x3f])
    block = struct.pack("<16s3sBIQQQQIHHQ", b"NAMESPACE_INDEX", b"", 1, seq, 256 * own, 256, 256 * (1 - own), 512,
                        510, 1, 2, 0) + free
    block += bytes(256 - len(block))
    low = high = 0
    for word in struct.unpack("<64I", block):  # Fletcher's sum
        low = low + word & 0xffffffff
        high = high + low & 0xffffffff
    return block[:64] + struct.pack("<II", low, high) + block[72:]


def make_labels(path):
    """As `ndctl init-labels` does."""
    with open(path, "wb") as file:
        file.truncate(SIZE)
        file.seek(SIZE - LABELS)
        file.write(index_block(0, 3) + index_block(1, 2))


def start(folder, machine, count):
    extra = ["-M", f"{machine},nvdimm=on,nvdimm-persistence=cpu", "-initrd", f"{folder}/initrd/initrd"]
    for n in range(count):
        extra += ["-object", f"memory-backend-file,id=m{n},mem-path={folder}/nvdimm{n},size={SIZE},share=on",
                  "-device", f"nvdimm,id=nv{n},memdev=m{n},label-size={LABELS * n}"]
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M,slots=4,maxmem=4G", extra=extra)


def make_fsdax(guest):
    """As `ndctl create-namespace --mode=fsdax` does: with pages, whose place is in the namespace."""
    wait_for(guest, "/dev/pmem0")
    guest.run("echo namespace0.0 > /sys/bus/nd/drivers/nd_pmem/unbind")
    wait_for(guest, f"{ND}/pfn0.0/mode")
    for name, value in (("mode", "pmem"), ("uuid", UUIDS[0]), ("namespace", "namespace0.0")):
        guest.run(f"echo {value} > {ND}/pfn0.0/{name}")
    guest.run("echo pfn0.0 > /sys/bus/nd/drivers/nd_pmem/bind")
    wait_for(guest, "/dev/pmem0")


def make_labelled(guest):
    """As `ndctl create-namespace --mode=raw` does."""
    wait_for(guest, f"{ND}/namespace1.0")
    size = int(guest.run(f"cat {ND}/region1/available_size"))
    for name, value in (("uuid", UUIDS[1]), ("size", size)):
        guest.run(f"echo {value} > {ND}/namespace1.0/{name}")
    guest.run("echo namespace1.0 > /sys/bus/nd/drivers/nd_pmem/bind")
    wait_for(guest, "/dev/pmem1")
    return size


def first_run(folder, machine):
    with start(folder, machine, 1) as guest:
        ready(guest)
        tap.equal(guest.run(f"cat {ND}/region0/size"), str(SIZE))
        tap.equal(guest.run(f"cat {ND}/region0/persistence_domain"), "cpu_cache")
        make_fsdax(guest)
        mount_dax(guest, "/dev/pmem0")
        guest.run("echo what lasts > /mnt/file; sync")

        make_labels(f"{folder}/nvdimm1")
        guest.qmp.command("object-add", **{"qom-type": "memory-backend-file", **backend(folder, 1)})
        guest.qmp.command("device_add", driver="nvdimm", id="nv1", memdev="m1", **{"label-size": LABELS})
        size = make_labelled(guest)
        tap.equal(size, 48 * MIB, "whole multiples of 16 MiB of the 62")
        guest.run("echo also lasts > /tmp/block; dd if=/tmp/block of=/dev/pmem1 bs=512 conv=sync 2>/dev/null; sync")
        tap.equal(guest.run("dmesg | grep -iE 'ACPI.*(error|exception)|nfit.*fail' || true"), "")
        guest.process.kill()
        guest.process.wait()
    with open(f"{folder}/nvdimm1", "rb") as file:
        file.seek(SIZE - LABELS + 512)
        tap.equal(uuid.UUID(UUIDS[1]).bytes in file.read(LABELS), True, "the guest's label is at the end of the file")


def second_run(folder, machine):
    with start(folder, machine, 2) as guest:
        ready(guest)
        wait_for(guest, "/dev/pmem0")
        wait_for(guest, "/dev/pmem1")
        tap.equal(guest.run("mkdir -p /mnt && mount -t ext4 -o dax /dev/pmem0 /mnt && cat /mnt/file"), "what lasts")
        tap.equal(guest.run(f"cat {ND}/namespace1.0/uuid"), UUIDS[1])
        tap.equal(guest.run("head -n 1 /dev/pmem1"), "also lasts")


def as_ram(machine, made=None):
    """As `ndctl create-namespace --mode=devdax` and `daxctl reconfigure-device --mode=system-ram` do. @made: the initrd."""
    with tempfile.TemporaryDirectory() as folder:
        extra = ["-M", f"{machine},nvdimm=on", "-initrd", made or initrd(BUILD, folder),
                 "-object", "memory-backend-ram,id=m0,size=512M", "-device", "nvdimm,id=nv0,memdev=m0"]
        with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", memory="256M,slots=1,maxmem=4G", extra=extra, **SETUP) as guest:
            ready(guest, (*MODULES, *DAX))
            wait_for(guest, "/dev/pmem0")
            before = guest.mem_total()
            guest.run("echo namespace0.0 > /sys/bus/nd/drivers/nd_pmem/unbind")
            wait_for(guest, f"{ND}/dax0.0/mode")
            for name, value in (("mode", "pmem"), ("uuid", UUIDS[0]), ("namespace", "namespace0.0")):
                guest.run(f"echo {value} > {ND}/dax0.0/{name}")
            guest.run("echo dax0.0 > /sys/bus/nd/drivers/dax_pmem/bind")
            wait_for(guest, "/sys/bus/dax/devices/dax0.0")
            guest.run("echo online > /sys/devices/system/memory/auto_online_blocks")
            # By the name of the device, which the second driver does not take before it is given to it.
            guest.run("echo dax0.0 > /sys/bus/dax/drivers/device_dax/unbind; echo dax0.0 > /sys/bus/dax/drivers/kmem/new_id")
            tap.equal(guest.mem_total() - before, 384 * MIB, "whole blocks of 128 MiB")
            guest.run("mkdir -p /mnt && mount -t tmpfs -o size=400M none /mnt")
            guest.run("dd if=/dev/zero of=/mnt/much bs=1M count=300 2>/dev/null", timeout=180)


def lasts(machine):
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/initrd")
        initrd(BUILD, f"{folder}/initrd")
        first_run(folder, machine)
        second_run(folder, machine)


if __name__ == "__main__":
    tap.run([
        ("what is in NVDIMMs lasts, pc", lambda: lasts("pc")),
        ("what is in NVDIMMs lasts, q35", lambda: lasts("q35")),
        ("an NVDIMM as memory", lambda: as_ram("pc")),
    ])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio-pmem as Debian's kernel sees it: test_virtio_pmem.py BUILD-DIR."""
import hashlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
SIZE = 64 << 20
# May be changed by who imports this: tests/nested.
SETUP = {"accel": "soft", "kernel": "vmlinuz", "place": vm.Here}
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
           "libnvdimm", "nd_btt", "nd_pmem", "nd_virtio", "virtio_pmem"]


def load(guest):
    for module in MODULES:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
    guest.run("until (: < /dev/pmem0) 2> /dev/null; do sleep 0.1; done", timeout=120)


def contents(path, start, size):
    return hashlib.md5(SETUP["place"].read(path, start, size)).hexdigest()


def persistent(machine):
    """What the guest writes and flushes is in the file; a file system is there again after a reset that the guest
    did not expect."""
    with SETUP["place"].folder() as folder:
        path = f"{folder}/pmem"
        with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", initrd="initrd-more", memory="256M,maxmem=1G", **SETUP, extra=[
                "-M", machine, "-object", f"memory-backend-file,id=m0,size={SIZE},share=on,mem-path={path}",
                "-device", "virtio-pmem-pci,id=p0,memdev=m0"]) as guest:
            guest.wait_ready()
            load(guest)
            tap.equal(guest.run("cat /sys/block/pmem0/size"), str(SIZE // 512))
            guest.run("dd if=/dev/urandom of=/tmp/data bs=64k count=16 2>/dev/null")
            wanted = guest.run("md5sum < /tmp/data").split()[0]
            guest.run("dd if=/tmp/data of=/dev/pmem0 bs=64k seek=16 conv=fsync 2>/dev/null")
            tap.equal(contents(path, 1 << 20, 1 << 20), wanted, "the file")
            guest.run("mke2fs -F /dev/pmem0 >/dev/null 2>&1 && mkdir -p /mnt && mount -t ext4 /dev/pmem0 /mnt")
            guest.run("cp /tmp/data /mnt/one && sync")
            guest.qmp.command("system_reset")
            guest.qmp.event("RESET")
            guest.wait_ready()
            load(guest)
            guest.run("mkdir -p /mnt && mount -t ext4 /dev/pmem0 /mnt")
            tap.equal(guest.run("md5sum < /mnt/one").split()[0], wanted, "the file system's file after the reset")


if __name__ == "__main__":
    tap.run([(f"{machine}: persistent", lambda machine=machine: persistent(machine)) for machine in ("pc", "q35")])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SCSI, IDE and NVMe disks, and CDs, as Debian's kernel drives them: test_disks.py BUILD-DIR. virtio_scsi, ata_piix and
ahci with sd and sr, and nvme; what the guest writes is in the files of the host."""
import hashlib
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MIB = 1 << 20
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "scsi_common",
           "scsi_mod", "cdrom", "sd_mod", "sr_mod", "virtio_scsi", "libata", "ata_piix"]
SATA_MODULES = ["crct10dif_common", "crct10dif_generic", "crc-t10dif", "crc64", "crc64_rocksoft_generic", "crc64-rocksoft",
                "t10-pi", "scsi_common", "scsi_mod", "cdrom", "sd_mod", "sr_mod", "libata", "libahci", "ahci"]
ROUNDS = int(os.environ.get("ROUNDS", "5"))


class Image:
    """A raw image of so many MiB, and the -drive= of it."""

    def __init__(self, folder, name, mib, content=b""):
        self.path = f"{folder}/{name}"
        with open(self.path, "wb") as file:
            file.write(content)
            file.truncate(mib * MIB)

    def bytes(self, size):
        with open(self.path, "rb") as file:
            return file.read(size)

    def kib(self):
        """What the host has of it."""
        return os.stat(self.path).st_blocks // 2


def load(guest, modules=MODULES):
    for module in modules:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)


def wait_for(guest, condition):
    """A condition of the guest's shell."""
    guest.run(f"until {condition}; do sleep 0.1; done", timeout=120)


def disk_of(guest, target):
    """The name of the block device of SCSI address @target, when it is there."""
    place = f"/sys/bus/scsi/devices/{target}/block"
    wait_for(guest, f"[ -n \"$(ls {place} 2>/dev/null)\" ]")
    return guest.run(f"ls {place}").strip()


def write_and_read(guest, disk, image):
    """8,000,000 bytes of no whole number of pieces, written, flushed, and read by the guest and by the host."""
    guest.run("head -c 8000000 /dev/urandom > /tmp/pattern", timeout=120)
    guest.run(f"dd if=/tmp/pattern of=/dev/{disk} bs=64k conv=fsync 2>&1", timeout=120)
    guest.run(f"echo 3 > /proc/sys/vm/drop_caches; head -c 8000000 /dev/{disk} | cmp - /tmp/pattern", timeout=120)
    expected = guest.run("md5sum < /tmp/pattern").split()[0]
    tap.equal(hashlib.md5(image.bytes(8000000)).hexdigest(), expected, "the host's file")


def discard(guest, disk, image):
    before = image.kib()
    guest.run(f"blkdiscard -o 0 -l {4 * MIB} /dev/{disk}")
    tap.equal(image.bytes(4 * MIB).strip(b"\0"), b"", "what was discarded")
    tap.equal(before - image.kib() >= 4096, True, f"{before} and {image.kib()} KiB on the host")


def complaints(guest):
    return guest.run("dmesg | grep -i -E 'i/o error|timed? ?out|failed command|exception Emask|hard resetting' || true").strip()


def scsi(machine_type, *bridge):
    """A disk with its identity, flushes, discards; disks that come and go; a CD whose medium comes and is changed."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = Image(folder, "first", 64), Image(folder, "second", 16)
        discs = [Image(folder, name, 1, name.encode()) for name in ("disc-a", "disc-b")]
        with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", initrd="initrd-more", accel="soft", memory="256M", cpus=2, extra=[
                "-M", machine_type, *bridge, "-device", f"virtio-scsi-pci,id=s0{',bus=rp' if bridge else ''}",
                "-drive", f"if=none,id=d0,file={first.path},format=raw,discard=unmap",
                "-device", "scsi-hd,drive=d0,serial=serial-1,wwn=0x5000c50015ea71aa",
                "-blockdev", f"file,node-name=d1,filename={second.path}", "-device", "scsi-cd,id=cd,scsi-id=5"]) as guest:
            guest.wait_ready()
            load(guest)
            disk = disk_of(guest, "0:0:0:0")
            tap.equal(guest.run(f"cat /sys/block/{disk}/size").strip(), str(64 * MIB // 512))
            tap.equal(guest.run("cat /sys/bus/scsi/devices/0:0:0:0/wwid").strip(), "naa.5000c50015ea71aa")
            write_and_read(guest, disk, first)
            discard(guest, disk, first)
            for _ in range(ROUNDS):
                guest.qmp.command("device_add", driver="scsi-hd", id="more", drive="d1", **{"scsi-id": 9, "lun": 1})
                more = disk_of(guest, "0:0:9:1")
                guest.run(f"dd if=/tmp/pattern of=/dev/{more} bs=64k count=32 conv=fsync 2>&1", timeout=120)
                guest.qmp.command("device_del", id="more")
                guest.qmp.event("DEVICE_DELETED", device="more")
                wait_for(guest, "[ ! -e /sys/bus/scsi/devices/0:0:9:1 ]")
            tap.equal(second.bytes(2 * MIB) != bytes(2 * MIB), True, "the disk that came and went was written")
            cd = disk_of(guest, "0:0:5:0")
            change_discs(guest, cd, {"id": "cd"}, discs)
            tap.equal(complaints(guest), "")


def change_discs(guest, cd, drive, discs):
    """Each of them is put into it and read."""
    for disc in discs:
        guest.qmp.command("blockdev-change-medium", **drive, filename=disc.path, format="raw")
        guest.run(f"until head -c 2048 /dev/{cd} > /tmp/disc 2> /dev/null && [ $(head -c 6 /tmp/disc) = "
                  f"{os.path.basename(disc.path)} ]; do sleep 0.1; done", timeout=120)


def ata(machine_type, drive, said, *more, modules=MODULES, **options):
    """The first disk and the fourth of the board, and the CD drive between, whose medium is changed."""
    with tempfile.TemporaryDirectory() as folder:
        first, last = Image(folder, "first", 64), Image(folder, "last", 32)
        discs = [Image(folder, name, 1, name.encode()) for name in ("disc-a", "disc-b")]
        with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M", **options, extra=[
                "-M", machine_type, *more, "-drive", f"file={first.path},format=raw,discard=unmap",
                "-drive", f"file={last.path},format=raw,index=3", "-cdrom", discs[0].path]) as guest:
            guest.wait_ready()
            load(guest, modules)
            wait_for(guest, "(: < /dev/sda && : < /dev/sdb && : < /dev/sr0) 2> /dev/null")
            for disk, image, mib in (("sda", first, 64), ("sdb", last, 32)):
                tap.equal(guest.run(f"cat /sys/block/{disk}/size").strip(), str(mib * MIB // 512))
                write_and_read(guest, disk, image)
            discard(guest, "sda", first)
            tap.equal(complaints(guest), "")
            change_discs(guest, "sr0", {"device": drive}, discs)
            tap.equal(int(guest.run(f"dmesg | grep -c -E '{said}'")) > 0, True, said)
            if modules == SATA_MODULES:
                tap.equal(guest.run("grep -c 'MSI.*ahci' /proc/interrupts").strip(), "1", "interrupts are messages")


def nvme(machine_type, *bridge):
    """A controller with a namespace of its own and another of 4 KiB blocks, and one that comes and goes."""
    with tempfile.TemporaryDirectory() as folder:
        first, second, third = (Image(folder, name, 64) for name in ("first", "second", "third"))
        with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M", cpus=2, extra=[
                "-M", machine_type, *bridge, "-drive", f"if=none,id=d0,file={first.path},format=raw,discard=unmap",
                "-device", f"nvme,id=n0,serial=serial-1,drive=d0{',bus=rp' if bridge else ''}",
                "-drive", f"if=none,id=d1,file={second.path},format=raw",
                "-device", "nvme-ns,bus=n0,drive=d1,logical_block_size=4096",
                "-blockdev", f"file,node-name=d2,filename={third.path}"]) as guest:
            guest.wait_ready()
            wait_for(guest, "(: < /dev/nvme0n1 && : < /dev/nvme0n2) 2> /dev/null")
            tap.equal(guest.run("cat /sys/class/nvme/nvme0/serial").strip(), "serial-1")
            tap.equal(guest.run("cat /sys/block/nvme0n1/size /sys/block/nvme0n2/queue/logical_block_size").split(),
                      [str(64 * MIB // 512), "4096"])
            tap.equal(guest.run("cat /sys/class/nvme/nvme0/queue_count").strip(), "3", "a pair of queues for each CPU")
            for disk, image in (("nvme0n1", first), ("nvme0n2", second)):
                write_and_read(guest, disk, image)
            discard(guest, "nvme0n1", first)
            for _ in range(ROUNDS):
                guest.qmp.command("device_add", driver="nvme", id="more", drive="d2", serial="more",
                                  **({"bus": "rp2"} if bridge else {}))
                wait_for(guest, "(: < /dev/nvme1n1) 2> /dev/null")
                guest.run("dd if=/tmp/pattern of=/dev/nvme1n1 bs=64k count=32 conv=fsync 2>&1", timeout=120)
                guest.qmp.command("device_del", id="more")
                guest.qmp.event("DEVICE_DELETED", device="more")
                wait_for(guest, "[ ! -e /sys/class/nvme/nvme1 ]")
            tap.equal(third.bytes(2 * MIB) != bytes(2 * MIB), True, "the disk that came and went was written")
            tap.equal(complaints(guest), "")


def two_ways():
    """Two controllers of a subsystem: one disk with two paths, and one with one."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (Image(folder, name, 64) for name in ("first", "second"))
        with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M", cpus=2, extra=[
                "-M", "q35", "-device", "pcie-root-port,id=rp,chassis=1,addr=3", "-device", "pcie-root-port,id=rp2,chassis=2,addr=4",
                "-device", "nvme-subsys,id=s0,nqn=both", "-device", "nvme,id=n0,serial=x,subsys=s0,bus=rp", "-device", "nvme,id=n1,serial=x,subsys=s0,bus=rp2",
                "-drive", f"if=none,id=d0,file={first.path},format=raw", "-device", "nvme-ns,bus=n0,drive=d0",
                "-drive", f"if=none,id=d1,file={second.path},format=raw", "-device", "nvme-ns,bus=n1,drive=d1,shared=off"]) as guest:
            guest.wait_ready()
            # Linux calls the subsystem and its disks by the controller that it has set up first.
            paths = "ls -d /sys/class/nvme-subsystem/nvme-subsys*/nvme[01] 2>/dev/null | wc -l"
            wait_for(guest, f"[ $(ls /sys/block | grep -c -E '^nvme[01]n[12]$') = 2 -a $({paths}) = 2 ]")
            tap.equal(guest.run("cat /sys/class/nvme-subsystem/*/subsysnqn").strip(), "nqn.2019-08.org.qemu:both")
            tap.equal(guest.run("ls /sys/block | grep -c -E '^nvme[01]c'").strip(), "3", "two paths to the disk that is shared, and one to the other")


def zoned():
    """A namespace with zones, as blkzone and plain writes see it: in order all is well, elsewhere it is an error."""
    with tempfile.TemporaryDirectory() as folder:
        image = Image(folder, "image", 16)
        with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M", initrd="initrd-more", extra=[
                "-device", "nvme,id=n0,serial=x,zoned.zasl=3", "-drive", f"if=none,id=d0,file={image.path},format=raw", "-device",
                "nvme-ns,drive=d0,zoned=on,zoned.zone_size=2M,zoned.zone_capacity=1M,zoned.max_open=4,zoned.max_active=6"]) as guest:
            guest.wait_ready()
            wait_for(guest, "(: < /dev/nvme0n1) 2> /dev/null")
            queue = "/sys/block/nvme0n1/queue"
            tap.equal(guest.run(f"cd {queue}; cat zoned nr_zones chunk_sectors max_open_zones max_active_zones zone_append_max_bytes").split(),
                      ["host-managed", "8", "4096", "4", "6", "32768"])

            def zones():
                return re.findall(r"len (\S+), cap (\S+), wptr (\S+) .*zcond: ?([0-9]+)", guest.run("blkzone report /dev/nvme0n1"))
            empty = ("0x001000", "0x000800", "0x000000", "1")
            tap.equal(zones(), [empty] * 8)

            def write(seek, count=1):
                """Whether so many pieces of 64 KiB can be written from there on."""
                return guest.run(f"dd if=/tmp/pattern of=/dev/nvme0n1 bs=64k seek={seek} count={count} oflag=direct conv=notrunc 2>/dev/null && echo yes || echo no").strip()
            guest.run("head -c 1048576 /dev/urandom > /tmp/pattern", timeout=120)
            tap.equal([write(0, 2), write(32, 16), write(2), write(4), write(0), write(64 + 1)], ["yes", "yes", "yes", "no", "no", "no"])
            found = zones()
            tap.equal((found[0], found[1][3], found[2:]), ((*empty[:2], "0x000180", "2"), "14", [empty] * 6))
            with open(image.path, "rb") as file:
                file.seek(2 * MIB)
                tap.equal(hashlib.sha256(file.read(MIB)).hexdigest(), guest.run("sha256sum < /tmp/pattern").split()[0])
            guest.run("blkzone open -o 0x2000 -l 0x1000 /dev/nvme0n1; blkzone close -o 0 -l 0x1000 /dev/nvme0n1; blkzone finish -o 0x3000 -l 0x1000 /dev/nvme0n1")
            tap.equal([zone[3] for zone in zones()], ["4", "14", "3", "14", "1", "1", "1", "1"])
            guest.run("blkzone reset -o 0x1000 -l 0x1000 /dev/nvme0n1")
            tap.equal((zones()[1], write(32)), (empty, "yes"))
            guest.run("blkzone reset /dev/nvme0n1")
            tap.equal(zones(), [empty] * 8)


tap.run([
    ("NVMe zones", zoned),
    ("NVMe by two ways", two_ways),
    ("virtio-scsi on pc", lambda: scsi("pc")),
    ("virtio-scsi on q35, in a root port", lambda: scsi("q35", "-device", "pcie-root-port,id=rp,chassis=1,addr=3")),
    ("NVMe on pc", lambda: nvme("pc")),
    ("NVMe on q35, in a root port", lambda: nvme("q35", "-device", "pcie-root-port,id=rp,chassis=1,addr=3",
                                                 "-device", "pcie-root-port,id=rp2,chassis=2,addr=4")),
    ("IDE on pc", lambda: ata("pc", "ide1-cd0", "ata1.00: .*UDMA", initrd="initrd-more")),
    ("SATA on q35", lambda: ata("q35", "ide2-cd0", "NCQ .depth 32.", modules=SATA_MODULES, kernel="vmlinuz-generic",
                                initrd="initrd-generic")),
])

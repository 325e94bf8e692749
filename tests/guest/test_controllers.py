#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks and CDs of each controller that work hard in Linux while the machine is moved, while the host's disk fails, and
when the program is killed: test_controllers.py BUILD-DIR ide|ahci|scsi|nvme [NAME...]. $MOVES (3): how often it is moved."""
import dataclasses
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402
from test_moves import move  # noqa: E402

BUILD = sys.argv[1]
MOVES = int(os.environ.get("MOVES", "3"))
MIB = 1 << 20
BLOCK = 64 << 10
SCSI = ("scsi_common", "scsi_mod", "cdrom", "sd_mod", "sr_mod")
VIRTIO = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci")
CRC = ("crct10dif_common", "crct10dif_generic", "crc-t10dif", "crc64", "crc64_rocksoft_generic", "crc64-rocksoft", "t10-pi")


@dataclasses.dataclass
class Controller:
    """A machine with a disk whose drive is d0, and, if it has any, a CD whose drive is c0."""
    words: list
    modules: tuple
    disk: str
    disc: str = "sr0"
    kernel: str = "vmlinuz"
    initrd: str = "initrd-more"


KINDS = {
    "ide": Controller(["-M", "pc", "-device", "ide-hd,drive=d0,bus=ide.0", "-device", "ide-cd,drive=c0,bus=ide.1"],
                      (*SCSI, "libata", "ata_piix"), "sda"),
    "ahci": Controller(["-M", "q35", "-device", "ide-hd,drive=d0,bus=ide.0", "-device", "ide-cd,drive=c0,bus=ide.1"],
                       (*CRC, *SCSI, "libata", "libahci", "ahci"), "sda", kernel="vmlinuz-generic", initrd="initrd-generic"),
    "scsi": Controller(["-M", "q35", "-device", "pcie-root-port,id=rp,chassis=1", "-device", "virtio-scsi-pci,id=s0,bus=rp",
                        "-device", "scsi-hd,drive=d0", "-device", "scsi-cd,drive=c0"],
                       (*VIRTIO, *SCSI, "virtio_scsi"), "sda"),
    "nvme": Controller(["-M", "q35", "-device", "nvme,id=n0,serial=x", "-device", "nvme-ns,bus=n0,drive=d0",
                        "-device", "nvme-ns,bus=n0,drive=c0"], (), "nvme0n1", "nvme0n2"),
}
HERE = KINDS[sys.argv[2]]


def machine(folder, drive, *words):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", kernel=HERE.kernel, initrd=HERE.initrd, accel="soft", memory="256M",
                 extra=["-drive", f"if=none,id=d0,{drive}", "-drive", f"if=none,id=c0,file={folder}/disc,format=raw,readonly=on",
                        *HERE.words, *words])


def qcow2(folder):
    path = f"{folder}/disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"], check=True)
    return path


def begin(guest):
    guest.wait_ready()
    for module in HERE.modules:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
    guest.run(f"until (: < /dev/{HERE.disk} && : < /dev/{HERE.disc}) 2> /dev/null; do sleep 0.1; done", timeout=120)
    guest.run("head -c 2000896 /dev/urandom > /tmp/pattern")


# Each goes round and round, and notes it: writes past the cache, which are read again; writes by the cache, with flushes;
# and the disc.
LOADS = (f"(while dd if=/tmp/pattern of=/dev/{HERE.disk} bs=16k oflag=direct seek=1024 2>/dev/null && "
         f"dd if=/dev/{HERE.disk} bs=512 skip=32768 count=3908 iflag=direct 2>/dev/null | cmp - /tmp/pattern; do "
         "echo >> /tmp/rounds0; done; touch /tmp/differs) &",
         f"(while dd if=/tmp/pattern of=/dev/{HERE.disk} bs=512 seek=65536 conv=fsync 2>/dev/null && "
         "echo 1 > /proc/sys/vm/drop_caches && "
         f"dd if=/dev/{HERE.disk} bs=512 skip=65536 count=3908 2>/dev/null | cmp - /tmp/pattern; do "
         "echo >> /tmp/rounds1; done; touch /tmp/differs) &",
         f"(while dd if=/dev/{HERE.disc} bs=32k count=32 iflag=direct 2>/dev/null | md5sum >> /tmp/rounds2; do :; done; "
         "touch /tmp/differs) &")


def rounds(guest):
    return [int(guest.run(f"cat /tmp/rounds{n} 2>/dev/null | wc -l")) for n in range(len(LOADS))]


def all_go_on(guest):
    went = rounds(guest)
    vm.wait_until(lambda: all(now > then for now, then in zip(rounds(guest), went)), "all loads go on", 300)


def start(guest):
    for load in LOADS:
        guest.run(load)
    all_go_on(guest)


def complaints(guest):
    return guest.run("dmesg | grep -i -E 'i/o error|timed? ?out|failed command|exception Emask|resetting|bug:|oops|call trace' "
                     "|| true")


def sane(guest):
    """What is read is what was written."""
    tap.equal(guest.run("ls /tmp | grep -c differs", check=False), "0", "copies that differ")
    tap.equal(guest.run("sort -u /tmp/rounds2 | wc -l"), "1", "contents of the disc")


def disc(folder):
    with open(f"{folder}/disc", "wb") as file:
        file.write(os.urandom(MIB))


def moves():
    """It is moved to and fro, with requests under way, which go on at the other end."""
    with tempfile.TemporaryDirectory() as folder:
        disc(folder)
        drive = f"file={qcow2(folder)},format=qcow2"
        here, downtimes = machine(folder, drive), []
        try:
            begin(here)
            start(here)
            for number in range(MOVES):
                uri = f"unix:{folder}/{number}"
                there = machine(folder, drive, "-incoming", uri)
                try:
                    downtimes.append(move(here, there, uri)[1]["downtime"])
                except BaseException:
                    there.close()
                    raise
                here.close()
                here = there
                all_go_on(here)
                sane(here)
            tap.equal(complaints(here), "")
        finally:
            here.close()
        print(f"# downtimes in ms: {' '.join(str(t) for t in downtimes)}")
        subprocess.run(["qemu-img", "check", "-q", f"{folder}/disk.qcow2"], check=True)


def rules(folder, count):
    """So many reads, and so many writes, fail where each of the loads works, and are done right later."""
    text = "".join(f'[inject-error]\nevent = "{event}"\nerrno = "{errno}"\nsector = "{sector}"\nonce = "on"\n'
                   for event in ("read_aio", "write_aio") for errno in (5, 28) for sector in (32800, 65600) for _ in range(count))
    with open(f"{folder}/rules", "w", encoding="ascii") as file:
        file.write(text)
    with open(f"{folder}/disk", "wb") as file:
        file.truncate(64 * MIB)
    return f"file=blkdebug:{folder}/rules:{folder}/disk,format=raw"


def stopped():
    """The machine stops at each error of the host's disk, and goes on: Linux has seen nothing of it."""
    with tempfile.TemporaryDirectory() as folder:
        disc(folder)
        with machine(folder, f"{rules(folder, 3)},rerror=stop,werror=stop") as guest:
            begin(guest)
            for load in LOADS:
                guest.serial.send(f"{load}\n".encode())
            failed = 0
            while failed < 8 * 3:
                guest.qmp.event("STOP")
                tap.equal(guest.qmp.command("query-status")["status"], "io-error")
                failed += len([e for e in guest.qmp.drain() if e["event"] == "BLOCK_IO_ERROR" and e["data"]["action"] == "stop"])
                guest.qmp.events.clear()
                guest.qmp.command("cont")
            all_go_on(guest)
            sane(guest)
            tap.equal(complaints(guest), "")


def reported():
    """Linux is told of each error, and uses the disk as before when they are over."""
    with tempfile.TemporaryDirectory() as folder:
        disc(folder)
        with machine(folder, f"{rules(folder, 10)},rerror=report,werror=report") as guest:
            begin(guest)
            failed = 0
            while failed < 80:
                for way in (f"if=/tmp/pattern of=/dev/{HERE.disk} oflag=direct seek={{}}",
                            f"if=/dev/{HERE.disk} of=/dev/null count=20 iflag=direct skip={{}}"):
                    for where in (1024, 2048):
                        guest.run(f"dd bs=16k {way.format(where)}", timeout=300, check=False)
                failed += len([e for e in guest.qmp.drain() if e["event"] == "BLOCK_IO_ERROR" and e["data"]["action"] == "report"])
                guest.qmp.events.clear()
            tap.equal("error" in guest.run("dmesg").lower(), True, "it is told")
            start(guest)
            sane(guest)


def killed():
    """Each block that Linux has flushed is in the image when the program is killed, which is in order."""
    with tempfile.TemporaryDirectory() as folder:
        disc(folder)
        path = qcow2(folder)
        with machine(folder, f"file={path},format=qcow2") as guest:
            begin(guest)
            start(guest)
            guest.serial.send(f"(n=0; while n=$((n + 1)); yes block $n | head -c {BLOCK} > /tmp/block && dd if=/tmp/block of=/dev/{HERE.disk} "
                              f"bs=64k seek=$n conv=fsync 2>/dev/null; do echo FLUSHED $n; done) &\n".encode())
            guest.wait_for(r"FLUSHED 60\r\n", 300)
            guest.kill()
            last = int(re.findall(rb"FLUSHED (\d+)\r\n", guest.log + guest.serial.buffer)[-1])
        # Clusters that nobody uses may be left (3), but none that are used twice.
        tap.equal(subprocess.run(["qemu-img", "check", "-q", path], check=False).returncode in (0, 3), True)
        subprocess.run(["qemu-img", "convert", "-O", "raw", path, f"{path}.raw"], check=True)
        with open(f"{path}.raw", "rb") as image:
            for number in range(1, last + 1):
                image.seek(number * BLOCK)
                line = f"block {number}\n".encode()
                tap.equal(image.read(BLOCK) == (line * (BLOCK // len(line) + 1))[:BLOCK], True, f"block {number}")


TESTS = [(f"{MOVES} moves", moves), ("stops at errors", stopped), ("errors that are told", reported), ("killed", killed)]
tap.run([(name, test) for name, test in TESTS if name in sys.argv[3:] or not sys.argv[3:]])

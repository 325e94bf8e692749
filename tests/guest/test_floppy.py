#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Floppy disks: SeaBIOS boots from one, and Debian's kernel reads, writes and formats them. Usage: test_floppy.py BUILD-DIR"""
import hashlib
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
KIB = 1024
SECTOR = 512


def image(folder, name, kib):
    """Each sector has its number, again and again."""
    path = f"{folder}/{name}"
    with open(path, "wb") as file:
        file.write(b"".join(b"%8d" % n * (SECTOR // 8) for n in range(kib * KIB // SECTOR)))
    return path


def read(path, sector, count=1):
    with open(path, "rb") as file:
        file.seek(sector * SECTOR)
        return file.read(count * SECTOR)


# A boot sector: read cylinder 1, head 1, sector 2 by the BIOS; write its first byte, or E, and the drive's number to port 0x402; end by 0xf4.
BOOT = bytes.fromhex("31c08ed88ec088162f7cbb007eb80102b90201b601cd13b0457203a0007eba0204eea02f7c0430eebaf400eef4ebfd")


def bios(*options):
    """What the boot sector has written."""
    with tempfile.TemporaryDirectory() as folder:
        path = image(folder, "a", 1440)
        with open(path, "r+b") as file:
            file.write(BOOT.ljust(510, b"\0") + b"\x55\xaa")
            file.seek((36 + 18 + 1) * SECTOR)
            file.write(b"Y")
        subprocess.run([f"{BUILD}/dimmable", "-accel", vm.engine("soft"), "-m", "32", "-display", "none", "-nodefaults", "-chardev", f"file,id=c,path={folder}/out",
                        "-device", "isa-debugcon,iobase=0x402,chardev=c", "-device", "isa-debug-exit,iobase=0xf4",
                        *[word.replace("IMAGE", path) for word in options]], check=False, timeout=120, stdin=subprocess.DEVNULL)
        with open(f"{folder}/out", "rb") as file:
            return file.read()[-2:]


def boots():
    tap.equal(bios("-drive", "if=floppy,format=raw,file=IMAGE", "-boot", "a"), b"Y0")
    tap.equal(bios("-M", "q35", "-device", "isa-fdc", "-blockdev", "raw,node-name=d,file.driver=file,file.filename=IMAGE", "-device", "floppy,drive=d,bootindex=0"), b"Y0")


def linux():
    with tempfile.TemporaryDirectory() as folder:
        first, second, small = image(folder, "a", 1440), image(folder, "b", 1440), image(folder, "c", 720)
        with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", kernel="vmlinuz-generic", initrd="initrd-generic", accel=vm.engine("soft"),
                   memory="256M", extra=("-M", "pc", "-drive", f"if=floppy,format=raw,file={first}",
                                         "-drive", f"if=floppy,format=raw,readonly=on,file={small}")) as guest:
            guest.wait_ready()
            guest.run("insmod /lib/modules/floppy.ko", timeout=120)
            vm.wait_until(lambda: "fd0" in guest.run("echo /dev/fd*"), "drives")
            tap.equal(guest.run("cat /sys/block/fd0/size /sys/block/fd0/device/cmos").split()[-1], "4")
            sums = guest.run("cat /dev/fd0 | md5sum; cat /dev/fd1 | md5sum", timeout=120).split()[::2]
            tap.equal(sums, [hashlib.md5(open(path, "rb").read()).hexdigest() for path in (first, small)])
            guest.run("printf %512s x | tr ' ' y | dd of=/dev/fd0 bs=512 seek=1000 conv=fsync 2>/dev/null; sync", timeout=60)
            tap.equal((read(first, 1000), read(first, 1001)), (b"y" * 511 + b"x", b"%8d" % 1001 * 64))
            tap.equal("1" in guest.run("dd if=/dev/zero of=/dev/fd1 bs=512 count=1 conv=fsync 2>/dev/null; echo $?"), True)
            tap.equal(read(small, 0), b"%8d" % 0 * 64)
            guest.qmp.command("blockdev-change-medium", device="floppy0", filename=second, format="raw")
            tap.equal(guest.run("dd if=/dev/fd0 bs=512 skip=1000 count=1 2>/dev/null", timeout=60).strip()[:8].strip(), "1000")
            guest.run("printf Z | dd of=/dev/fd0 bs=512 seek=7 conv=fsync 2>/dev/null; sync", timeout=60)
            tap.equal((read(second, 7)[:1], read(first, 7)[:1]), (b"Z", b" "))
            guest.qmp.command("eject", device="floppy0")
            tap.equal(guest.run("dd if=/dev/fd0 bs=512 count=1 >/dev/null 2>&1; echo $?", timeout=60).strip(), "1")


if __name__ == "__main__":
    tap.run([("SeaBIOS", boots), ("Linux", linux)])

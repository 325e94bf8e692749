#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian is installed from a CD (scripts/make-iso.py) to a disk of each kind, and boots from there:
test_install.py BUILD-DIR [NAME...]"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import debian  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402
from test_firmware import firmware  # noqa: E402

BUILD = sys.argv[1]
ISO = f"{BUILD}/guest/debian.iso"
SIZE = 2 << 30
INSTALL = 1800  # seconds, on hosts under load; an installation that takes longer hangs


def uefi(folder):
    shutil.copy(firmware("OVMF_VARS_4M.fd", "ovmf"), f"{folder}/vars")
    return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={firmware('OVMF_CODE_4M.fd', 'ovmf')}",
            "-drive", f"if=pflash,format=raw,unit=1,file={folder}/vars"]


class Installer(vm.Vm):
    """A machine with an empty disk that boots from the CD."""

    def __init__(self, path, machine, disk, cd, extra):
        super().__init__(f"{BUILD}/dimmable", accel="soft", memory="512M",
                         extra=["-machine", machine, "-no-reboot", *extra,
                                "-drive", f"if=none,id=cd,media=cdrom,readonly=on,format=raw,file={ISO}",
                                "-drive", f"if=none,id=system,format=qcow2,file={path}",
                                "-device", f"{cd},drive=cd,bootindex=0", "-device", f"{disk},drive=system"])


def install(machine, disk, cd, by_uefi, name, controller=()):
    """From the CD to the disk, and from there to a login."""
    if not os.path.exists(ISO):
        raise tap.Skip(f"there is no {ISO}: scripts/make-iso.py makes it")
    with tempfile.TemporaryDirectory(dir=f"{BUILD}/guest") as folder:
        path = f"{folder}/disk.qcow2"
        subprocess.run([f"{BUILD}/tools/img/dimmable-img", "create", "-q", "-f", "qcow2", path, str(SIZE)], check=True)
        extra = uefi(folder) if by_uefi else []
        with Installer(path, machine, disk, cd, [*extra, *controller]) as guest:
            guest.wait_for("GNU GRUB +version 2", debian.BOOT)
            found = guest.wait_for(r"installation: to (\S+),", INSTALL)
            tap.equal(found.group(1).decode(), f"/dev/{name}")
            tap.equal(guest.wait_for(r"installation: (\w+)\r", INSTALL).group(1), b"done")
            tap.equal(guest.process.wait(vm.LONG * guest.place.patience), 0)
        with debian.Debian(BUILD, path, *extra, machine=machine, disk=disk, controller=controller) as guest:
            guest.login()
            guest.check_up()
            tap.equal(guest.run("findmnt -no SOURCE /"), f"/dev/{name}{'p' if name[-1].isdigit() else ''}3")
            tap.equal(guest.run("[ -d /sys/firmware/efi ]; echo $?"), "0" if by_uefi else "1")
            guest.check_kernel()
            guest.qmp.command("system_powerdown")
            guest.wait_end()
        subprocess.run([f"{BUILD}/tools/img/dimmable-img", "check", "-q", path], check=True)


TESTS = [
    ("IDE, SeaBIOS", lambda: install("pc", "ide-hd,bus=ide.0", "ide-cd,bus=ide.1", False, "sda")),
    ("AHCI, OVMF", lambda: install("q35", "ide-hd,bus=ide.0", "ide-cd,bus=ide.1", True, "sda")),
    ("SCSI, SeaBIOS", lambda: install("pc", "scsi-hd", "scsi-cd", False, "sda", ["-device", "virtio-scsi-pci"])),
    ("NVMe, OVMF", lambda: install("q35", "nvme,serial=1", "ide-cd,bus=ide.0", True, "nvme0n1")),
]
tap.run([(name, function) for name, function in TESTS if not sys.argv[2:] or any(word in name for word in sys.argv[2:])])

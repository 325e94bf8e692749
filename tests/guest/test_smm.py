#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""OVMF with secure boot, which needs system management mode: test_smm.py BUILD-DIR. What is not installed is skipped."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
OVMF = "/usr/share/OVMF"
SHIM = "/usr/lib/shim/shimx64.efi.signed"
GRUB = "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
SECURE = ["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
CONFIG = """serial --unit=0 --speed=115200
terminal_output serial
linux /vmlinuz console=ttyS0 driver=1
initrd /initrd
boot
"""


def need(path, package):
    if not os.path.exists(path):
        raise tap.Skip(f"there is no {path}: Debian's package {package} is not installed")
    return path


def start(folder, code, variables, *extra, **options):
    """A machine with that firmware and a copy of those variables."""
    shutil.copy(need(f"{OVMF}/{variables}", "ovmf"), f"{folder}/vars")
    drives = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={need(f'{OVMF}/{code}', 'ovmf')}",
              "-drive", f"if=pflash,format=raw,unit=1,file={folder}/vars"]
    return vm.Vm(f"{BUILD}/dimmable", accel="soft", memory=options.pop("memory", "1G"),
                 extra=["-machine", "q35,smm=on", *SECURE, *drives, *extra], **options)


def smi(guest):
    """An SMI for all CPUs, as the chipset's command port gives one; each of them then goes on."""
    guest.run("printf '\\000' | dd of=/dev/port bs=1 seek=178 count=1 2>/dev/null")
    for cpu in range(int(guest.run("nproc"))):
        tap.equal(guest.run(f"taskset -c {cpu} echo here"), "here", f"CPU {cpu}")


def linux():
    """Without keys, so whatever comes is booted: variables are read and written by the handler of SMIs, on two CPUs."""
    with tempfile.TemporaryDirectory() as folder:
        with start(folder, "OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.fd", guest_dir=f"{BUILD}/guest", cpus=2) as guest:
            guest.wait_ready(400)
            tap.equal(guest.run("nproc"), "2")
            tap.equal(re.findall("secureboot: Secure boot (.*)", guest.run("dmesg")), ["disabled"])
        with open(f"{folder}/vars", "rb") as new, open(f"{OVMF}/OVMF_VARS_4M.fd", "rb") as old:
            tap.equal(new.read() == old.read(), False, "no variable reached the file")


def unsigned():
    """With Microsoft's keys firmware does not start its own shell, which nobody has signed."""
    with tempfile.TemporaryDirectory() as folder:
        with start(folder, "OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd", memory="256M") as guest:
            guest.wait_for(r"failed to start \S+ .EFI Internal Shell.*Security Violation", 300)


def chain(folder):
    """A disk with shim, GRUB and the kernel, each signed, or not."""
    disk = f"{folder}/disk"
    for tool in "mformat", "mmd", "mcopy":
        if not shutil.which(tool):
            raise tap.Skip("Debian's package mtools is not installed")
    with open(disk, "wb") as file:
        file.truncate(64 << 20)
    with open(f"{folder}/grub.cfg", "w", encoding="ascii") as file:
        file.write(CONFIG)
    for command in (["mformat", "-i", disk, "-F", "::"], ["mmd", "-i", disk, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"],
                    ["mcopy", "-i", disk, need(SHIM, "shim-signed"), "::/EFI/BOOT/BOOTX64.EFI"],
                    ["mcopy", "-i", disk, need(GRUB, "grub-efi-amd64-signed"), "::/EFI/BOOT/grubx64.efi"],
                    ["mcopy", "-i", disk, f"{folder}/grub.cfg", "::/EFI/debian/grub.cfg"],
                    ["mcopy", "-i", disk, f"{BUILD}/guest/vmlinuz", "::/vmlinuz"],
                    ["mcopy", "-i", disk, f"{BUILD}/guest/initrd", "::/initrd"]):
        subprocess.run(command, check=True, timeout=60)
    return ["-drive", f"file={disk},format=raw,if=virtio"]


def signed():
    """Shim by Microsoft's key, GRUB and the kernel by Debian's: Linux knows that it was booted so."""
    with tempfile.TemporaryDirectory() as folder:
        with start(folder, "OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd", *chain(folder)) as guest:
            guest.wait_ready(400)
            tap.equal(re.findall("secureboot: Secure boot (.*)", guest.run("dmesg")), ["enabled"])


def processors():
    """A CPU comes and goes: firmware takes it into its handler first, and ejects it. SMIs that are for all go on to work."""
    with tempfile.TemporaryDirectory() as folder:
        with start(folder, "OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.fd", guest_dir=f"{BUILD}/guest", cpus="1,maxcpus=2,sockets=2") as guest:
            guest.wait_ready(400)
            place = next(p for p in guest.qmp.command("query-hotpluggable-cpus") if p["props"]["socket-id"] == 1)
            guest.qmp.command("device_add", driver=place["type"], id="c1", **place["props"])
            info = guest.qmp.event("ACPI_DEVICE_OST", device="c1", source=1)["data"]["info"]
            tap.equal((info["slot-type"], info["slot"], info["status"]), ("CPU", "1", 0))
            guest.run("test $(cat /sys/devices/system/cpu/cpu1/online) = 1 || echo 1 > /sys/devices/system/cpu/cpu1/online")
            tap.equal(guest.run("nproc"), "2")
            smi(guest)
            guest.qmp.command("device_del", id="c1")
            guest.qmp.event("DEVICE_DELETED", device="c1")
            tap.equal(guest.run("nproc"), "1")
            smi(guest)


if __name__ == "__main__":
    tap.run([("Linux by OVMF that has no keys", linux), ("a program without signature is refused", unsigned),
             ("Linux by shim and GRUB", signed), ("CPU hot-plug", processors)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Make a Debian system, as a user's machine would have it, by mmdebstrap: make-image.py DIR

    ->  DIR/debian.raw  DIR/debian.qcow2    the same; a GPT with GRUB for BIOS and for UEFI, and ext4

Debian's cloud kernel, systemd, a getty on ttyS0 (root, password "dimmable"), DHCP on each network card, the guest
agent, fio, xfsprogs. Needs root, but neither loop devices nor a boot: the file system is made of a folder, and
GRUB's sectors are put where its boot sector looks for them. Does nothing while what is here is unchanged."""
import os
import struct
import sys

from mmdebstrap import RELEASE, Work, run, sources, write

PACKAGES = """systemd-sysv udev dbus linux-image-cloud-amd64 initramfs-tools zstd login passwd e2fsprogs xfsprogs
iproute2 kmod qemu-guest-agent fio cloud-guest-utils grub2-common grub-pc-bin grub-efi-amd64-bin netcat-openbsd
wget procps iputils-ping numactl""".split()

MIB = 1 << 20
SECTOR = 512
# Partitions: (name, type, start, size) in MiB. BIOS GRUB's rest, UEFI's files, the system.
CORE, ESP, ROOT = range(3)
PARTITIONS = [("grub", "21686148-6449-6E6F-744E-656564454649", 1, 1),
              ("esp", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", 2, 62),
              ("root", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", 64, 1535)]
SIZE = 1600

# What is in the system beside packages.
FILES = {
    "etc/hostname": "debian\n",
    "etc/hosts": "127.0.0.1 localhost debian\n",
    # An empty one: it is made at each boot of a fresh image, and nobody is asked for anything.
    "etc/machine-id": "",
    "etc/fstab": "LABEL=root / ext4 errors=remount-ro 0 1\nLABEL=ESP /boot/efi vfat umask=0077 0 0\n",
    "etc/resolv.conf": "nameserver 10.0.2.3\n",
    # Where packages come from, its user says.
    "etc/apt/sources.list": "",
    # A host under load is slow: nothing is given up that only takes long.
    "etc/systemd/system.conf.d/slow.conf": "[Manager]\nDefaultTimeoutStartSec=30min\nDefaultDeviceTimeoutSec=30min\n",
    "etc/systemd/network/all.network": "[Match]\nType=ether\n[Network]\nDHCP=yes\n",
    "boot/grub/grub.cfg": """serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=1
menuentry "Debian" {
    search --no-floppy --label --set=root root
    linux /vmlinuz root=LABEL=root ro console=ttyS0
    initrd /initrd.img
}
""",
}
# Debian's GRUB for UEFI looks for this file on its own partition.
ESP_CONFIG = """search --no-floppy --label --set=root root
set prefix=($root)/boot/grub
configfile $prefix/grub.cfg
"""
# Jobs that would run at some time after the start, and take the CPU or apt's lock.
MASKED = ["apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer"]
# Only these drivers are in the initrd: it is small, and unpacked soon.
MODULES = ["virtio_pci", "virtio_blk", "ext4"]
BIOS_MODULES = ["biosdisk", "part_gpt", "ext2", "search", "search_label", "configfile", "normal", "serial", "terminal",
                "linux", "echo", "minicmd", "boot", "reboot", "halt", "test"]


def make_root(root, lines):
    """The system in a folder."""
    listed = f"printf '%s\\n' {' '.join(MODULES)} > \"$1/etc/initramfs-tools/modules\""
    run("mmdebstrap", "--mode=root", "--variant=apt", "--format=directory", f"--include={','.join(PACKAGES)}",
        "--aptopt=Acquire::Languages \"none\"", "--dpkgopt=force-unsafe-io",
        *[f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale", "info", "bash-completion")],
        "--essential-hook=mkdir -p \"$1/etc/initramfs-tools/conf.d\"",
        f"--essential-hook={listed}",
        "--essential-hook=echo MODULES=list > \"$1/etc/initramfs-tools/conf.d/small\"",
        "--customize-hook=echo root:dimmable | chroot \"$1\" chpasswd",
        f"--customize-hook=chroot \"$1\" systemctl mask {' '.join(MASKED)}",
        "--customize-hook=chroot \"$1\" systemctl enable systemd-networkd",
        RELEASE, root, "-", input="\n".join(lines).encode())
    for path, text in FILES.items():
        write(f"{root}/{path}", text)
    os.makedirs(f"{root}/boot/efi", exist_ok=True)


def make_core(root):
    """BIOS GRUB: its boot sector, and the rest of it, which knows where it is."""
    write(f"{root}/tmp/core.cfg", ESP_CONFIG)
    run("chroot", root, "grub-mkimage", "-O", "i386-pc", "-o", "/tmp/core.img", "-p", "/boot/grub", "-c",
        "/tmp/core.cfg", *BIOS_MODULES)
    with open(f"{root}/usr/lib/grub/i386-pc/boot.img", "rb") as file:
        boot = bytearray(file.read())
    with open(f"{root}/tmp/core.img", "rb") as file:
        core = bytearray(file.read())
    os.remove(f"{root}/tmp/core.img")
    os.remove(f"{root}/tmp/core.cfg")
    first = PARTITIONS[CORE][2] * MIB // SECTOR
    # The boot sector has the first sector's number, and that one, at its end, where the others begin.
    struct.pack_into("<Q", boot, 0x5c, first)
    struct.pack_into("<Q", core, SECTOR - 12, first + 1)
    return boot[:440], core


def make_image(root, path):
    """The folder becomes a disk."""
    _, _, start, size = PARTITIONS[ROOT]
    with open(path, "wb") as file:
        file.truncate(SIZE * MIB)
    run("sfdisk", "--quiet", path, input=("label: gpt\n" + "".join(
        f"start={start * MIB // SECTOR}, size={size * MIB // SECTOR}, type={kind}, name={name}\n"
        for name, kind, start, size in PARTITIONS)).encode())
    boot, core = make_core(root)
    with open(path, "r+b") as file:
        file.write(boot)
        file.seek(PARTITIONS[CORE][2] * MIB)
        file.write(core)
    esp = f"{path}.esp"
    with open(esp, "wb") as file:
        file.truncate(PARTITIONS[ESP][3] * MIB)
    run("mkfs.vfat", "-n", "ESP", esp)
    write(f"{esp}.cfg", ESP_CONFIG)
    run("mmd", "-i", esp, "::EFI", "::EFI/BOOT", "::EFI/debian")
    run("mcopy", "-i", esp, f"{root}/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi", "::EFI/BOOT/BOOTX64.EFI")
    run("mcopy", "-i", esp, f"{esp}.cfg", "::EFI/debian/grub.cfg")
    run("dd", f"if={esp}", f"of={path}", "bs=1M", f"seek={PARTITIONS[ESP][2]}", "conv=notrunc,sparse")
    os.remove(esp)
    os.remove(f"{esp}.cfg")
    run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-N", "65536", "-d", root, "-E",
        f"offset={start * MIB},lazy_itable_init=0,lazy_journal_init=0", path, f"{size}M")


def main():
    with Work(sys.argv[1], "debian", [__file__], ["debian.raw", "debian.qcow2"]) as work:
        if work.is_wanted:
            make_root(f"{work.path}/root", sources())
            make_image(f"{work.path}/root", f"{work.path}/debian.raw")
            run("qemu-img", "convert", "-O", "qcow2", f"{work.path}/debian.raw", f"{work.path}/debian.qcow2")


main()

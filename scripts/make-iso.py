#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Make a CD that installs Debian, by mmdebstrap and xorriso: make-iso.py DIR -> DIR/debian.iso

It boots by BIOS and by UEFI: GRUB, Debian's generic kernel, and a system in a squashfs, whose first program copies
it to the machine's only disk, makes that bootable for both by grub-install, and powers off. Needs root. Does nothing
while what is here is unchanged."""
import os
import sys

from mmdebstrap import RELEASE, Work, run, sources, write

PACKAGES = """systemd-sysv udev dbus linux-image-amd64 initramfs-tools busybox zstd login passwd e2fsprogs dosfstools fdisk kmod
grub2-common grub-pc-bin grub-efi-amd64-bin procps""".split()
# What no virtual machine has: most of the kernel's drivers.
NO_DRIVERS = ["gpu", "media", "net", "infiniband", "staging", "iio", "hwmon", "usb", "mtd", "isdn", "bluetooth"]
MODULES = """ahci ata_piix sd_mod sr_mod nvme virtio_pci virtio_scsi virtio_blk ext4 isofs squashfs overlay
loop""".split()
LABEL = "DEBIAN"
SEARCH = f"search --no-floppy --label --set=root {LABEL}\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"
SERIAL = "serial --unit=0 --speed=115200\nterminal_input serial\nterminal_output serial\nset timeout=1\n"

# For initramfs-tools: `boot=cd` is this.
CD_SCRIPT = f"""mountroot()
{{
    for name in {' '.join(MODULES)}; do modprobe $name; done
    mkdir -p /cd /system /changes
    until mount -t iso9660 -o ro /dev/sr0 /cd 2> /dev/null; do sleep 1; done
    mount -t squashfs -o ro,loop /cd/system.squashfs /system
    mount -t tmpfs tmpfs /changes
    mkdir /changes/upper /changes/work
    mount -t overlay -o lowerdir=/system,upperdir=/changes/upper,workdir=/changes/work overlay $rootmnt
    mkdir -p $rootmnt/system
    mount -o move /system $rootmnt/system
}}
"""

INSTALL = """#!/bin/sh
# Copy the system to the disk, and power off.
set -eu
trap 'echo "installation: failed"; poweroff -f' EXIT
/lib/systemd/systemd-udevd --daemon
udevadm trigger
udevadm settle
disk=$(lsblk -dpno NAME,TYPE | awk '$2 == "disk" { print $1 }')
echo "installation: to $disk, of $(lsblk -dno SIZE,TRAN,MODEL $disk)"
printf '%s\\n' 'label: gpt' 'size=1M, type=21686148-6449-6E6F-744E-656564454649' 'size=62M, type=U' 'type=L' |
    sfdisk --quiet $disk
udevadm settle
case $disk in *[0-9]) part=${disk}p ;; *) part=$disk ;; esac
mkfs.vfat -n ESP ${part}2 > /dev/null
mke2fs -q -t ext4 -L installed ${part}3
mount ${part}3 /mnt
cp -a /system/. /mnt/
mkdir -p /mnt/boot/efi
mount ${part}2 /mnt/boot/efi
printf '%s\\n' 'LABEL=installed / ext4 errors=remount-ro 0 1' 'LABEL=ESP /boot/efi vfat umask=0077 0 0' > /mnt/etc/fstab
for name in dev proc sys run; do mount --bind /$name /mnt/$name; done
chroot /mnt grub-install --target=i386-pc $disk
chroot /mnt grub-install --target=x86_64-efi --removable --no-nvram
cat > /mnt/boot/grub/grub.cfg << EOF
""" + SERIAL + """menuentry Debian {
    search --no-floppy --label --set=root installed
    linux /vmlinuz root=LABEL=installed ro console=ttyS0
    initrd /initrd.img
}
EOF
umount /mnt/boot/efi /mnt/dev /mnt/proc /mnt/sys /mnt/run /mnt
trap - EXIT
echo "installation: done"
poweroff -f
"""

FILES = {
    "etc/hostname": "debian\n",
    "etc/hosts": "127.0.0.1 localhost debian\n",
    "etc/machine-id": "",
    "etc/fstab": "",
    "etc/systemd/system.conf.d/slow.conf": "[Manager]\nDefaultTimeoutStartSec=30min\nDefaultDeviceTimeoutSec=30min\n",
    "sbin/install-debian": INSTALL,
}
CD_CONFIG = SERIAL + """menuentry "Install Debian" {
    linux /boot/vmlinuz boot=cd init=/sbin/install-debian console=ttyS0
    initrd /boot/initrd.img
}
"""
MODULES_OF_GRUB = ["iso9660", "search", "search_label", "configfile", "normal", "serial", "terminal", "linux", "echo",
                   "minicmd", "boot", "part_gpt", "test"]


def make_root(root):
    lists = f"{' '.join(MODULES)}"
    folder = "$1/etc/initramfs-tools"
    run("mmdebstrap", "--mode=root", "--variant=apt", "--format=directory", f"--include={','.join(PACKAGES)}",
        "--aptopt=Acquire::Languages \"none\"", "--dpkgopt=force-unsafe-io",
        *[f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale", "info", "bash-completion")],
        *[f"--dpkgopt=path-exclude=/lib/modules/*/kernel/drivers/{name}/*" for name in NO_DRIVERS],
        "--dpkgopt=path-exclude=/lib/modules/*/kernel/sound/*",
        f"--essential-hook=mkdir -p {folder}/conf.d {folder}/scripts",
        f"--essential-hook=printf '%s\\n' {lists} > {folder}/modules",
        f"--essential-hook=echo MODULES=list > {folder}/conf.d/small",
        f"--essential-hook=cat > {folder}/scripts/cd << 'END'\n{CD_SCRIPT}END",
        "--customize-hook=echo root:dimmable | chroot \"$1\" chpasswd",
        RELEASE, root, "-", input="\n".join(sources()).encode())
    for path, text in FILES.items():
        write(f"{root}/{path}", text)
    os.chmod(f"{root}/sbin/install-debian", 0o755)


def make_loader(root, target, path, *modules):
    write(f"{root}/tmp/search.cfg", SEARCH)
    run("chroot", root, "grub-mkimage", "-O", target, "-o", "/tmp/image", "-p", "/boot/grub", "-c", "/tmp/search.cfg",
        *MODULES_OF_GRUB, *modules)
    os.replace(f"{root}/tmp/image", path)
    os.remove(f"{root}/tmp/search.cfg")


def make_iso(root, tree, path):
    grub = f"{tree}/boot/grub"
    os.makedirs(grub)
    for name in ("vmlinuz", "initrd.img"):
        run("cp", "-L", f"{root}/{name}", f"{tree}/boot/{name}")
    write(f"{grub}/grub.cfg", CD_CONFIG)
    make_loader(root, "i386-pc-eltorito", f"{grub}/eltorito.img", "biosdisk")
    make_loader(root, "x86_64-efi", f"{tree}/../bootx64.efi", "fat")
    with open(f"{grub}/efi.img", "wb") as file:
        file.truncate(4 << 20)
    run("mkfs.vfat", f"{grub}/efi.img")
    run("mmd", "-i", f"{grub}/efi.img", "::EFI", "::EFI/BOOT")
    run("mcopy", "-i", f"{grub}/efi.img", f"{tree}/../bootx64.efi", "::EFI/BOOT/BOOTX64.EFI")
    run("mksquashfs", root, f"{tree}/system.squashfs", "-comp", "lz4", "-quiet", "-no-progress")
    run("xorriso", "-as", "mkisofs", "-quiet", "-o", path, "-V", LABEL, "-J", "-R",
        "-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info",
        "-eltorito-alt-boot", "-e", "boot/grub/efi.img", "-no-emul-boot", tree)


def main():
    with Work(sys.argv[1], "debian-iso", [__file__], ["debian.iso"]) as work:
        if work.is_wanted:
            make_root(f"{work.path}/root")
            make_iso(f"{work.path}/root", f"{work.path}/cd", f"{work.path}/debian.iso")


main()

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Download and unpack (not install) Debian's cloud kernel and static busybox into a folder, and make
# an initramfs of them. Does nothing for what is there already.
#   make-guest.sh DIR  ->  DIR/vmlinuz  DIR/vmlinux  DIR/initrd
set -eu
src=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
cd "$1"

kernel_package() { # the versioned package that linux-image-cloud-amd64 stands for
    apt-cache depends linux-image-cloud-amd64 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

unpack() { # package: download and unpack into root/
    echo "Downloading $1"
    if ! apt-get download "$1" >download.log 2>&1; then
        cat download.log >&2
        echo "could not download the package $1" >&2
        exit 1
    fi
    dpkg-deb -x "$1"_*.deb root
    rm "$1"_*.deb
}

if [ ! -f vmlinuz ]; then
    kernel=$(kernel_package)
    if [ -z "$kernel" ]; then # no package lists yet
        if [ "$(id -u)" -eq 0 ]; then apt-get update; else sudo apt-get update; fi >download.log 2>&1
        kernel=$(kernel_package)
    fi
    if [ -z "$kernel" ]; then
        echo "apt knows no linux-image-cloud-amd64: is this a Debian machine with Debian's packages?" >&2
        exit 1
    fi
    unpack "$kernel"
    cp root/boot/vmlinuz-* vmlinuz.tmp
    mv vmlinuz.tmp vmlinuz
fi
[ -x root/bin/busybox ] || unpack busybox-static
if [ ! -f vmlinux ]; then
    python3 "$src/scripts/extract-vmlinux.py" vmlinuz vmlinux
fi
if [ ! -f initrd ] || [ "$src/tests/guest/init" -nt initrd ]; then
    rm -rf initramfs
    mkdir -p initramfs/bin initramfs/proc initramfs/sys initramfs/dev initramfs/tmp
    cp root/bin/busybox initramfs/bin/busybox
    cp "$src/tests/guest/init" initramfs/init
    chmod 755 initramfs/init
    (cd initramfs && find . | LC_ALL=C sort | cpio -o -H newc --quiet --owner=0:0) >initrd.tmp
    mv initrd.tmp initrd
fi

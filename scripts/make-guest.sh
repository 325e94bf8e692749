#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Download and unpack (not install) Debian's cloud kernel, static busybox, dmidecode, and numactl
# with its libraries into a folder, and make an initramfs of them. Does nothing for what is there already.
#   make-guest.sh DIR          ->  DIR/vmlinuz  DIR/vmlinux  DIR/initrd
#   make-guest.sh DIR generic  ->  these, and DIR/vmlinuz-generic, the kernel for all machines (70 MB to download)
set -eu
src=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
cd "$1"

kernel_package() { # the versioned package that $1, linux-image-..., stands for
    apt-cache depends "$1" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

unpack_kernel() { # package: into root/
    kernel=$(kernel_package "$1")
    if [ -z "$kernel" ]; then # no package lists yet
        if [ "$(id -u)" -eq 0 ]; then apt-get update; else sudo apt-get update; fi >download.log 2>&1
        kernel=$(kernel_package "$1")
    fi
    if [ -z "$kernel" ]; then
        echo "apt knows no $1: is this a Debian machine with Debian's packages?" >&2
        exit 1
    fi
    unpack "$kernel"
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
    unpack_kernel linux-image-cloud-amd64
    cp root/boot/vmlinuz-*-cloud-amd64 vmlinuz.tmp
    mv vmlinuz.tmp vmlinuz
fi
if [ "${2:-}" = generic ] && [ ! -f vmlinuz-generic ]; then
    unpack_kernel linux-image-amd64
    generic=${kernel#linux-image-}
    cp "root/boot/vmlinuz-$generic" vmlinuz-generic.tmp
    mv vmlinuz-generic.tmp vmlinuz-generic
    rm -rf "root/lib/modules/$generic" root/boot/*"-$generic"
fi
[ -x root/bin/busybox ] || unpack busybox-static
for package in numactl libnuma1 libc6 dmidecode; do
    [ -d "root/usr/share/doc/$package" ] || unpack "$package"
done
if [ ! -f vmlinux ]; then
    python3 "$src/scripts/extract-vmlinux.py" vmlinuz vmlinux
fi
if [ ! -f initrd ] || [ "$src/tests/guest/init" -nt initrd ] || [ "$src/scripts/make-guest.sh" -nt initrd ]; then
    rm -rf initramfs
    mkdir -p initramfs/bin initramfs/lib64 initramfs/lib initramfs/proc initramfs/sys initramfs/dev initramfs/tmp
    cp root/bin/busybox initramfs/bin/busybox
    cp root/usr/bin/numactl root/usr/sbin/dmidecode initramfs/bin/
    for library in ld-linux-x86-64.so.2 libc.so.6 libnuma.so.1; do
        cp -L "$(find root -name "$library" -path '*x86_64-linux-gnu*' | head -n 1)" "initramfs/lib/$library"
    done
    ln -s ../lib/ld-linux-x86-64.so.2 initramfs/lib64/ld-linux-x86-64.so.2
    cp "$src/tests/guest/init" initramfs/init
    chmod 755 initramfs/init
    (cd initramfs && find . | LC_ALL=C sort | cpio -o -H newc --quiet --owner=0:0) >initrd.tmp
    mv initrd.tmp initrd
fi

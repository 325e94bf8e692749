#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Download the debug symbols of the kernel that scripts/make-guest.sh has unpacked: nearly 300 MB, 600 MB when unpacked. Only
# tests/guest/test_crash_program.py wants them. Does nothing if they are there.
#   debug-kernel.sh DIR  ->  DIR/vmlinux-debug
set -eu
cd "$1"
[ ! -f vmlinux-debug ] || exit 0
version=$(cd root/lib/modules && ls -d *-cloud-amd64 | head -n 1)
package=linux-image-$version-dbg
echo "Downloading $package"
if ! apt-get download "$package" >download.log 2>&1; then
    cat download.log >&2
    echo "could not download the package $package" >&2
    exit 1
fi
dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x -O "./usr/lib/debug/boot/vmlinux-$version" >vmlinux-debug.tmp
rm "$package"_*.deb
mv vmlinux-debug.tmp vmlinux-debug

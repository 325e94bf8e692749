#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Install the Debian packages that building and testing need. Says which; does nothing where all are
# there. Further package names may be given as arguments.
set -eu
packages="gcc meson ninja-build pkg-config python3 libglib2.0-dev libjson-c-dev libzydis-dev
libnuma-dev libreadline-dev libseccomp-dev libslirp-dev nettle-dev zlib1g-dev libzstd-dev liblzo2-dev libsnappy-dev liburing-dev libaio-dev libnbd-dev libgnutls28-dev libpixman-1-dev libpng-dev libvncserver-dev libspice-server-dev libsdl2-dev xvfb libxtst6 dbus-daemon gir1.2-spiceclientglib-2.0 python3-gi libusbredirparser-dev libvirglrenderer-dev libegl1 libgl1-mesa-dri libusb-1.0-0-dev libcacard-dev libnss3-tools acpica-tools cpio gdb lz4 qemu-utils seabios ovmf ipxe-qemu
makedumpfile python3-libkdumpfile mmdebstrap fdisk dosfstools mtools e2fsprogs
libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients libnbd-bin nbdkit gnutls-bin passt iproute2 tcpdump ndctl daxctl
stress-ng stress numactl crash swtpm swtpm-tools $*"

missing=
for package in $packages; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "These packages are missing, and there is no sudo to install them with:$missing" >&2
        exit 1
    }
    as_root=sudo
fi
echo "Installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    echo "apt-get could not install:$missing" >&2
    exit 1
fi

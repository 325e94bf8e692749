#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What 'make install' gives runs, by both of its names and under a DESTDIR.
# Usage: install.sh BUILD-DIR BINDIR LIBEXECDIR (both absolute)
dest=$(mktemp -d) || exit 1
trap 'rm -rf "$dest"' EXIT

echo 1..5
meson install -C "$1" --no-rebuild --quiet --destdir "$dest" >&2
n=0
for program in "$2/dimmable" "$3/dimmable/qemu-system-x86_64"; do
    n=$((n + 1))
    case $("$dest$program" -version) in
    "QEMU emulator version 7.2.0 (dimmable "*) echo "ok $n - $program" ;;
    *) echo "not ok $n - $program" ;;
    esac
done
# It finds its modules and programs, which are in a folder of their own.
if "$dest$2/dimmable-memhp-check" --list >&2 && [ -x "$dest$3/dimmable/memhp/holder" ]; then
    echo "ok 3 - $2/dimmable-memhp-check"
else
    echo "not ok 3 - $2/dimmable-memhp-check"
fi
case $("$dest$2/dimmable-img" --version) in
"qemu-img version 7.2.0 (dimmable-img "*) echo "ok 4 - $2/dimmable-img" ;;
*) echo "not ok 4 - $2/dimmable-img" ;;
esac
case $("$dest$2/dimmable-nbd" --version) in
"qemu-nbd 7.2.0 (dimmable-nbd "*) echo "ok 5 - $2/dimmable-nbd" ;;
*) echo "not ok 5 - $2/dimmable-nbd" ;;
esac

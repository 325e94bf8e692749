#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures beside those of the reference, run as a black box: a boot sector sets a mode by the VGA's ROM and fills the
window with a pattern; both show the same, but for how six bits of a colour become eight.
Usage: test_screens.py BUILD-DIR"""
import os
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402
import vm  # noqa: E402

PROGRAM = f"{sys.argv[1]}/dimmable"
REFERENCE = shutil.which("qemu-system-x86_64")
# The VBE's modes of four planes are black there.
TEXT, CGA, PLANAR, PACKED = [3], [4, 6], [0xd, 0xe, 0x10, 0x11, 0x12], [0x13, 0x101, 0x110, 0x111, 0x112, 0x115]
MODES = {"std": TEXT + CGA + PLANAR + PACKED, "cirrus": [3, 0x12, 0x13, 0x101, 0x103, 0x110, 0x111, 0x112, 0x114], "vmware": [3, 0x12, 0x101, 0x112]}


def boot_sector(mode):
    if mode >= 0x100:
        code = b"\xb8\x02\x4f\xbb" + struct.pack("<H", mode) + b"\xcd\x10"  # VBE, by banks
    else:
        code = b"\xb8" + struct.pack("<H", mode) + b"\xcd\x10"
    legacy = mode in TEXT + CGA
    code += b"\xb8\0" + (b"\xb8" if legacy else b"\xa0") + b"\x8e\xc0\x31\xff\xba\xc4\x03"  # es, di, dx
    fill = b"\x89\xf8\x30\xe0"  # al: the low byte of the offset, xor the high one
    if mode in PLANAR:
        fill = b"\x89\xfb\xc1\xeb\x0a\x88\xdc\xb0\x02\xef" + fill  # the map mask: bits 10 to 13
    if mode in TEXT:
        fill += b"\x24\x7f"  # nothing blinks
    fill += b"\xaa" + (b"\x81\xff\0\x40" if legacy else b"\x85\xff")  # 16 KiB or 64
    code += fill + b"\x75" + bytes([-len(fill) - 2 & 255])
    if mode in TEXT:
        code += b"\xb4\x01\xb9\0\x20\xcd\x10"  # no cursor
    code += b"\xb0\x21\xe6\xe9\xf4\xeb\xfd"  # "!" to port 0xe9; halt
    return code.ljust(510, b"\0") + b"\x55\xaa"


def picture(program, folder, card, mode):
    """(width, height, bytes)"""
    with open(f"{folder}/disk", "wb") as file:
        file.write(boot_sector(mode).ljust(1 << 20, b"\0"))
    said = f"{folder}/said"
    if os.path.exists(said):
        os.unlink(said)
    with vm.Vm(program, memory="64M", accel="soft" if program == PROGRAM else "tcg", serial=False, extra=[
            "-M", "pc", "-vga", card, "-debugcon", f"file:{said}", "-drive", f"if=ide,format=raw,file={folder}/disk"]) as guest:
        vm.wait_until(lambda: os.path.exists(said) and os.path.getsize(said), "the pattern is there")
        guest.qmp.command("screendump", filename=f"{folder}/picture")
    with open(f"{folder}/picture", "rb") as file:
        _, size, _, pixels = file.read().split(b"\n", 3)
    return (*map(int, size.split()), pixels)


def same(card, mode):
    if not REFERENCE:
        raise tap.Skip("no reference here")
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = (picture(program, folder, card, mode) for program in (PROGRAM, REFERENCE))
    tap.equal(ours[:2], theirs[:2], "sizes")
    pairs = {(ours[2][n:n + 3], theirs[2][n:n + 3]) for n in range(0, len(ours[2]), 3)}
    tap.equal(len({one for one, _ in pairs}), len(pairs), "each of our colours is one there")
    tap.equal(max(abs(x - y) for one, other in pairs for x, y in zip(one, other)) < 8, True, "almost the same one")


TESTS = [(f"{card}, mode {mode:#x}", lambda c=card, m=mode: same(c, m)) for card, modes in MODES.items() for mode in sorted(modes)]
tap.run([test for test in TESTS if not sys.argv[2:] or test[0].split(",")[0] in sys.argv[2:]])

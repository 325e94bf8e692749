#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Take the ELF vmlinux out of a bzImage: extract-vmlinux.py BZIMAGE OUTPUT.

The payload's place and length are in the setup header (Linux boot protocol 2.08 and later,
fields payload_offset at 0x248 and payload_length at 0x24c)."""
import lzma
import struct
import subprocess
import sys
import zlib


def decompress(data):
    if data[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(data)
    if data[:2] == b"\x1f\x8b":
        return zlib.decompressobj(31).decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dc"], input=data[:-4], stdout=subprocess.PIPE, check=True).stdout
    sys.exit(f"unknown compression of the kernel: magic {data[:6].hex()}")


def main():
    image = open(sys.argv[1], "rb").read()
    setup_sects = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sects + 1) * 512 + offset
    vmlinux = decompress(image[start : start + length])
    if vmlinux[:4] != b"\x7fELF":
        sys.exit("the kernel's payload is no ELF file")
    with open(sys.argv[2], "wb") as out:
        out.write(vmlinux)


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Take the ELF vmlinux out of a bzImage: extract-vmlinux.py BZIMAGE OUTPUT.

The payload's place and length are in the setup header (Linux boot protocol 2.08 and later,
fields payload_offset at 0x248 and payload_length at 0x24c)."""
import struct
import subprocess
import sys


# The payload's magic and the program that unpacks it. Its last 4 bytes are the unpacked size, not
# part of the compressed stream.
FILTERS = {
    b"\x02\x21\x4c\x18": ["lz4", "-dc"],
}


def decompress(data):
    command = FILTERS.get(data[:4])
    if not command:
        sys.exit(f"unknown compression of the kernel: magic {data[:4].hex()}")
    result = subprocess.run(command, input=data[:-4], stdout=subprocess.PIPE, check=True)
    return result.stdout


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

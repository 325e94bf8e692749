#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Make an option ROM of a flat binary: length, checksums; and C source of it.

finish.py IN.bin OUT.c NAME
"""
import sys

UNIT = 512  # bytes that the length counts
PNP_POINTER, PNP_CHECKSUM = 0x1A, 9


def checksum(data):
    return -sum(data) & 0xFF


def finish(rom):
    assert rom[:2] == b"\x55\xaa", "an option ROM begins with 55 aa"
    rom = bytearray(rom) + bytearray(-(len(rom) + 1) % UNIT + 1)
    rom[2] = len(rom) // UNIT
    pnp = int.from_bytes(rom[PNP_POINTER:PNP_POINTER + 2], "little")
    assert rom[pnp:pnp + 4] == b"$PnP"
    rom[pnp + PNP_CHECKSUM] = checksum(rom[pnp:pnp + 16 * rom[pnp + 5]])
    rom[-1] = checksum(rom)
    return bytes(rom)


def main(source, out, name):
    with open(source, "rb") as file:
        rom = finish(file.read())
    lines = [", ".join(f"0x{byte:02x}" for byte in rom[at:at + 12]) for at in range(0, len(rom), 12)]
    with open(out, "w", encoding="ascii") as file:
        file.write("/* Made by hw/i386/optionrom/finish.py. */\n"
                   '#include "hw/i386/optionrom/optionrom.h"\n\n'
                   f"const uint8_t {name}[] = {{\n    " + ",\n    ".join(lines) + "\n};\n"
                   f"const size_t {name}_size = sizeof({name});\n")


main(*sys.argv[1:])

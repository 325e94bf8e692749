# SPDX-License-Identifier: GPL-2.0-or-later
"""A CD that boots: ISO 9660 (ECMA-119) with a boot record of El Torito 1.0, for a BIOS and for UEFI."""
import struct

BLOCK = 2048
PVD, RECORD, END, PATHS_L, PATHS_M, ROOT, CATALOG, FILE = range(16, 24)


def both(number, size):
    """A number in both byte orders."""
    return number.to_bytes(size, "little") + number.to_bytes(size, "big")


def directory_record(name, block, size, folder):
    record = (bytes([0, 0]) + both(block, 4) + both(size, 4) + bytes([126, 11, 29, 0, 0, 0, 0]) + bytes([2 * folder, 0, 0])
              + both(1, 2) + bytes([len(name)]) + name + bytes(1 - len(name) % 2))
    return bytes([len(record)]) + record[1:]


def descriptor(kind, rest):
    return (bytes([kind]) + b"CD001\1" + rest).ljust(BLOCK, b"\0")


def primary(blocks):
    root = directory_record(b"\0", ROOT, BLOCK, True)
    head = b"\0" + bytes(32).replace(b"\0", b" ") + b"TEST".ljust(32) + bytes(8) + both(blocks, 4) + bytes(32)
    paths = struct.pack("<I", PATHS_L) + bytes(4) + struct.pack(">I", PATHS_M) + bytes(4)
    texts = b" " * (128 * 4 + 37 * 3) + (b"0" * 16 + b"\0") * 4 + b"\1"
    return descriptor(1, head + both(1, 2) + both(1, 2) + both(BLOCK, 2) + both(10, 4) + paths + root + texts)


def catalog(bios, efi):
    """Where the images are: (block, sectors) each."""
    check = bytearray(struct.pack("<BBH24sHBB", 1, 0, 0, b"", 0, 0x55, 0xaa))
    struct.pack_into("<H", check, 28, -sum(struct.unpack("<16H", check)) & 0xffff)
    section = struct.pack("<BBH28s", 0x91, 0xef, 1, b"")
    return (bytes(check) + entry(bios) + section + entry(efi)).ljust(BLOCK, b"\0")


def entry(image):
    """It boots, emulates no disk, and is loaded where BIOSes load."""
    block, sectors = image
    return struct.pack("<BBHBBHI20x", 0x88, 0, 0, 0, 0, sectors, block)


def make(name, contents, bios, efi):
    """A CD with one file, and two images; each in bytes."""
    images, places = b"", []
    for image in contents, bios, efi:
        places.append((FILE + len(images) // BLOCK, min(-(-len(image) // 512), 0xffff)))
        images += image.ljust(-(-len(image) // BLOCK) * BLOCK, b"\0")
    (block, _), bios_place, efi_place = places
    root = (directory_record(b"\0", ROOT, BLOCK, True) + directory_record(b"\1", ROOT, BLOCK, True)
            + directory_record(name.upper().encode() + b";1", block, len(contents), False)).ljust(BLOCK, b"\0")
    paths = [(struct.pack(f"{order}BBIH", 1, 0, ROOT, 1) + b"\0\0").ljust(BLOCK, b"\0") for order in "<>"]
    record = descriptor(0, b"EL TORITO SPECIFICATION".ljust(32, b"\0") + bytes(32) + struct.pack("<I", CATALOG))
    return (bytes(PVD * BLOCK) + primary(FILE + len(images) // BLOCK) + record + descriptor(255, b"") + b"".join(paths)
            + root + catalog(bios_place, efi_place) + images)

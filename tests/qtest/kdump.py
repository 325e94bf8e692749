# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads dumps in makedumpfile's kdump-compressed format, flattened."""
import ctypes
import struct
import zlib

PAGE = 4096
HEADER = struct.Struct("<8si65s65s65s65s65s65s6xqqIiiIIIIIIi")
SUB = struct.Struct("<QiiQQQQQQQQQQQ")


def lzo(data):
    library = ctypes.CDLL("liblzo2.so.2")
    out, size = ctypes.create_string_buffer(PAGE), ctypes.c_size_t(PAGE)
    if library.lzo1x_decompress_safe(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size), None) != 0:
        raise ValueError("no LZO")
    return out.raw[:size.value]


def snappy(data):
    library = ctypes.CDLL("libsnappy.so.1")
    out, size = ctypes.create_string_buffer(PAGE), ctypes.c_size_t(PAGE)
    if library.snappy_uncompress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size)) != 0:
        raise ValueError("no Snappy")
    return out.raw[:size.value]


METHODS = {0: bytes, 1: zlib.decompress, 2: lzo, 4: snappy}


def unflatten(data):
    """The file that the records make."""
    if data[:16] != b"makedumpfile\0\0\0\0" or struct.unpack_from(">QQ", data, 16) != (1, 1):
        raise ValueError("not flattened")
    out, at = bytearray(), PAGE
    while True:
        offset, size = struct.unpack_from(">qq", data, at)
        at += 16
        if offset == size == -1:
            break
        if len(data) - at < size:
            raise ValueError("cut off")
        out.extend(bytes(max(0, offset + size - len(out))))
        out[offset:offset + size] = data[at:at + size]
        at += size
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes are left")
    return bytes(out)


class Kdump:
    """`pages`: page number -> its bytes; `flags`: page number -> its method; `notes`: bytes."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = unflatten(file.read())
        head = HEADER.unpack_from(self.data)
        if head[:2] != (b"KDUMP   ", 6) or head[11] != PAGE:
            raise ValueError(f"a header of {head}")
        self.machine, self.method, self.cpus = head[6].rstrip(b"\0"), head[10], head[19]
        sub = SUB.unpack_from(self.data, PAGE)
        self.phys_base, self.max_mapnr = sub[0], sub[13]
        self.vmcoreinfo = self.data[sub[5]:sub[5] + sub[6]] if sub[5] else b""
        self.notes = self.data[sub[7]:sub[7] + sub[8]]
        bitmap_at, bitmaps = PAGE * (1 + head[12]), PAGE * head[13]
        first = self.data[bitmap_at:bitmap_at + bitmaps // 2]
        if self.data[bitmap_at + bitmaps // 2:bitmap_at + bitmaps] != first:
            raise ValueError("the bitmaps differ")
        numbers = [8 * i + bit for i, byte in enumerate(first) if byte for bit in range(8) if byte >> bit & 1]
        self.pages, self.flags, self.places = {}, {}, {}
        for i, number in enumerate(numbers):
            offset, size, flags, page_flags = struct.unpack_from("<QIIQ", self.data, bitmap_at + bitmaps + 24 * i)
            if page_flags or offset + size > len(self.data):
                raise ValueError(f"page {number}: {offset}, {size}, {page_flags}")
            self.places[number], self.flags[number] = offset, flags
            self.pages[number] = METHODS[flags](self.data[offset:offset + size])

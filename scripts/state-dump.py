#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Print a saved machine, every record and field: state-dump.py FILE [OFFSET]. docs/state.md is the format."""
import json
import struct
import sys
import zlib

KINDS = {1: "config", 2: "ram", 3: "device", 4: "run", 5: "end", 7: "limits", 8: "bitmap"}
RUNS = {0: "zero", 1: "data", 2: "left out"}


class Damaged(Exception):
    pass


class Bytes:
    """Bytes that are taken from the front."""

    def __init__(self, data, what, at=0):
        self.data, self.what, self.at = data, what, at

    def take(self, size):
        if self.at + size > len(self.data):
            raise Damaged(f"{self.what} ends at byte {len(self.data)}, before {size} bytes at {self.at}")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size, signed=False):
        return int.from_bytes(self.take(size), "little", signed=signed)

    def left(self):
        return len(self.data) - self.at


def shown(values):
    if len(values) == 1:
        return f"{values[0]:#x}" if values[0] > 9 else str(values[0])
    return " ".join(f"{value:x}" for value in values)


def print_field(data, indent):
    name = data.take(data.number(1)).decode()
    kind, width, count = data.number(1), data.number(1), data.number(4)
    if kind == 6:
        for i in range(count):
            print(f"{indent}{name}{f'[{i}]' if count > 1 else ''}:")
            print_structure(Bytes(data.take(data.number(4)), name), indent + "  ")
    elif kind == 5:
        print(f"{indent}{name} = {'none' if count == 0xffffffff else data.take(count).hex() or 'empty'}")
    elif kind in (1, 2, 3, 4):
        print(f"{indent}{name} = {shown([data.number(width, kind in (2, 4)) for _ in range(count)])}")
    else:
        raise Damaged(f"field '{name}' has the unknown kind {kind}")


def print_structure(data, indent):
    print(f"{indent}version {data.number(4)}")
    for _ in range(data.number(2)):
        print_field(data, indent)
    if data.left():
        raise Damaged(f"{data.what} goes on for {data.left()} bytes after its last field")


def print_pages(data):
    offset = data.number(8)
    while data.left():
        pages, kind = data.number(4), data.number(4)
        if kind not in RUNS:
            raise Damaged(f"{data.what}: a run of pages has the unknown kind {kind}")
        print(f"  {offset:#x} to {offset + pages * 4096 - 1:#x}: {RUNS[kind]}")
        offset += pages * 4096
        if RUNS[kind] == "data":
            data.take(pages * 4096)


def print_record(kind, data):
    if kind in (1, 7):
        print(json.dumps(json.loads(data.take(data.left())), indent=2))
    elif kind == 2:
        print_pages(data)
    elif kind == 8:
        print(f"  {data.take(data.number(4)).decode()}, {len(data.take(data.left()))} bytes")
    elif kind == 9:
        lengths = data.number(1), data.number(1)
        names = [data.take(length).decode() for length in lengths]
        print(f"  {names[0]}: '{names[1]}', {len(data.take(data.left()))} bytes")
    elif kind in (3, 4):
        print_structure(data, "  ")
    elif kind == 5:
        print(f"  {data.number(8)} records")
    else:
        raise Damaged(f"the kind {kind} is unknown")


def dump(stream):
    magic, version, total = struct.unpack("<8sII", stream.take(16))
    if magic != b"DIMMABLE" or zlib.crc32(stream.data[stream.at - 16:stream.at - 4]) != total:
        raise Damaged("this is no saved machine")
    print(f"format {version}")
    kind = 0
    while kind != 5:
        start = stream.at
        head = stream.take(8)
        kind, name_len, _, size = struct.unpack("<BBHI", head)
        total = stream.number(4)
        name, data = stream.take(name_len), stream.take(size)
        if zlib.crc32(head + name + data) != total:
            raise Damaged(f"the sum of the record at byte {start} is wrong")
        print(f"{start}: {KINDS.get(kind, kind)} {name.decode()}, {size} bytes")
        print_record(kind, Bytes(data, name.decode()))


def main():
    offset = int(sys.argv[2], 0) if len(sys.argv) > 2 else 0
    with open(sys.argv[1], "rb") as file:
        file.seek(offset)
        try:
            dump(Bytes(file.read(), sys.argv[1]))
        except Damaged as err:
            sys.exit(f"{sys.argv[1]}: {err}")


main()

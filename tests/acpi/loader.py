# SPDX-License-Identifier: GPL-2.0-or-later
"""What a firmware does with the tables: take them through the firmware configuration device and run
the script that links them. Here it is done from outside, by qtest, in a machine whose CPUs do not run;
the tables are laid out in a memory of the test's own. Works with the reference as well."""
import struct

SELECTOR, DMA = 0x510, 0x514
DIRECTORY = 0x19
BUFFER, DESCRIPTOR = 0x200000, 0x1000
ALLOCATE, POINTER, CHECKSUM, TELL = 1, 2, 3, 4
HIGH, FSEG = 1, 2


class FwCfg:
    """@box: calls with a line of qtest return the words of the answer."""

    def __init__(self, box):
        self.box = box
        count = struct.unpack(">I", self.read(DIRECTORY, 4))[0]
        text = self.read(DIRECTORY, 4 + 64 * count)[4:]
        self.files = {}
        for size, select, name in struct.iter_unpack(">IHxx56s", text):
            self.files[name.rstrip(b"\0").decode("ascii")] = (select, size)

    def read(self, select, size):
        """By DMA: a descriptor in guest memory, its address to the port."""
        descriptor = struct.pack(">IIQ", select << 16 | 1 << 3 | 1 << 1, size, BUFFER)
        self.box(f"write {DESCRIPTOR:#x} 16 0x{descriptor.hex()}")
        self.box(f"outl {DMA:#x} 0")
        self.box(f"outl {DMA + 4:#x} {int.from_bytes(DESCRIPTOR.to_bytes(4, 'little'), 'big'):#x}")
        status = int(self.box(f"readl {DESCRIPTOR:#x}")[0], 0)
        if status:
            raise AssertionError(f"fw_cfg: DMA of entry {select:#x} ended with {status:#x}")
        return bytes.fromhex(self.box(f"read {BUFFER:#x} {size:#x}")[0][2:])

    def file(self, name):
        return self.read(*self.files[name])


class Memory:
    """Blocks of bytes by address."""

    def __init__(self):
        self.blocks = []

    def add(self, address, data):
        self.blocks.append((address, data))

    def __call__(self, address, size):
        """What is not there reads as zeros."""
        found = bytearray(size)
        for base, data in self.blocks:
            first, last = max(base, address), min(base + len(data), address + size)
            if first < last:
                found[first - address:last - address] = data[first - base:last - base]
        return bytes(found)


def name_of(field):
    return field.rstrip(b"\0").decode("ascii")


def load(box):
    """A Memory with the tables as a firmware would have placed them."""
    fw = FwCfg(box)
    places, data = {}, {}
    free = {HIGH: 0x7F000000, FSEG: 0xF0000}
    script = fw.file("etc/table-loader")
    for at in range(0, len(script), 128):
        command, rest = struct.unpack_from("<I", script, at)[0], script[at + 4:at + 128]
        if command == ALLOCATE:
            name, align, zone = struct.unpack_from("<56sIB", rest)
            name = name_of(name)
            data[name] = bytearray(fw.file(name))
            places[name] = (free[zone] + align - 1) & -align
            free[zone] = places[name] + len(data[name])
        elif command == POINTER:
            name, target, offset, size = struct.unpack_from("<56s56sIB", rest)
            field = data[name_of(name)]
            value = int.from_bytes(field[offset:offset + size], "little")
            if value >= len(data[name_of(target)]):
                raise AssertionError(f"a pointer {value:#x} behind the end of {name_of(target)}")
            field[offset:offset + size] = (value + places[name_of(target)]).to_bytes(size, "little")
        elif command == CHECKSUM:
            name, offset, start, length = struct.unpack_from("<56sIII", rest)
            field = data[name_of(name)]
            if not start <= offset < start + length <= len(field):
                raise AssertionError(f"a checksum at {offset:#x} of {start:#x}, {length:#x} bytes")
            field[offset] = 0
            field[offset] = -sum(field[start:start + length]) & 0xFF
        elif command == TELL:
            name, target, offset, offset_there, size = struct.unpack_from("<56s56sIIB", rest)
            room, there = fw.files[name_of(name)][1], len(data[name_of(target)])
            if offset + size > room or offset_there >= there:
                raise AssertionError(f"an address at {offset} of {room} bytes, that of {offset_there} of {there}")
        elif command:
            raise AssertionError(f"command {command} in the script for firmware")
    memory = Memory()
    for name, contents in data.items():
        memory.add(places[name], contents)
    return memory

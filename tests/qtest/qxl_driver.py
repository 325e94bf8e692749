# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver of QXL cards (spice/qxl_dev.h), over the qtest protocol."""
import base64
import struct

from machine import tap, vm

SLOT = 4
RAM, VRAM, ROM, PORTS = 0xe0000000, 0xe8000000, 0xf0000000, 0xc000
CARD = "ram_size_mb=16,vgamem_mb=8,vram_size_mb=4"
# Ports, by spice/qxl_dev.h
(NOTIFY_CMD, NOTIFY_CURSOR, UPDATE_AREA, UPDATE_IRQ, NOTIFY_OOM, RESET, SET_MODE, LOG, MEMSLOT_ADD, MEMSLOT_DEL, _, _,
 CREATE_PRIMARY, DESTROY_PRIMARY, DESTROY_SURFACE, DESTROY_ALL, UPDATE_AREA_ASYNC, MEMSLOT_ADD_ASYNC, CREATE_PRIMARY_ASYNC,
 DESTROY_PRIMARY_ASYNC, DESTROY_SURFACE_ASYNC, DESTROY_ALL_ASYNC, FLUSH_ASYNC, FLUSH_RELEASE, MONITORS_ASYNC) = range(25)
DISPLAY, CURSOR, IO_CMD, ERROR, CLIENT, MONITORS = (1 << n for n in range(6))
# The header at the end of the RAM
PENDING, MASK, CMD, CURSORS, RELEASE, AREA, SURFACE, MEM_SLOT, CREATE, HEADS = 4, 8, 4108, 4640, 5172, 5256, 5272, 5276, 5292, 5340
WIDTH, HEIGHT = 64, 48
PICTURE, COMMANDS = 0, 0x100000  # in the RAM


class Card:
    def __init__(self, m):
        self.m = m
        for at, value in ((0x10, RAM), (0x14, VRAM), (0x18, ROM), (0x1c, PORTS), (0x04, 7)):
            m.write("l", 0xcf8, 0x80000000 | SLOT << 11 | at)
            m.write("l", 0xcfc, value)
        self.header = RAM + self.rom(44)
        self.next, self.count = COMMANDS, 0

    def put(self, at, data):
        self.m(f"b64write {at:#x} {len(data):#x} {base64.b64encode(data).decode()}")

    def take(self, at, size):
        return base64.b64decode(self.m(f"b64read {at:#x} {size:#x}")[0])

    def rom(self, at, form="<I"):
        """A number of the ROM, or some."""
        found = struct.unpack(form, self.take(ROM + at, struct.calcsize(form)))
        return found if len(found) > 1 else found[0]

    def word(self, at):
        return struct.unpack("<I", self.take(self.header + at, 4))[0]

    def set(self, at, form, *values):
        self.put(self.header + at, struct.pack(form, *values))

    def io(self, port, value=0):
        self.m.write("b", PORTS + port, value)

    def async_io(self, port, value=0):
        self.set(PENDING, "<I", 0)
        self.io(port, value)
        vm.wait_until(lambda: self.word(PENDING) & IO_CMD, "it is through")

    def line(self):
        """Of the interrupt, as the function says it is."""
        self.m.write("l", 0xcf8, 0x80000000 | SLOT << 11 | 4)
        return self.m.read("l", 0xcfc) >> 19 & 1

    def is_broken(self):
        return self.word(PENDING) & ERROR != 0

    def address(self, offset, slot=1):
        return slot << 56 | offset

    def slots(self):
        """1: all of the RAM; 2: the video memory."""
        for n, (start, size) in enumerate(((RAM, 16 << 20), (VRAM, 4 << 20)), 1):
            self.set(MEM_SLOT, "<QQ", start, start + size)
            self.io(MEMSLOT_ADD, n)

    def primary(self, width=WIDTH, height=HEIGHT, stride=None, form=32, mem=None, port=CREATE_PRIMARY, flags=0):
        self.set(CREATE, "<IIiIIIIIQ", width, height, 4 * width if stride is None else stride, form, 0, 0, flags, 0,
                 self.address(PICTURE) if mem is None else mem)
        self.io(port)

    def begin(self, **options):
        self.io(RESET)
        self.next = COMMANDS
        self.slots()
        self.primary(**options)
        tap.equal(self.is_broken(), False)

    def room(self, data):
        at = self.next
        self.next += len(data) + 15 & ~15
        self.put(RAM + at, data)
        return self.address(at)

    def ring(self, ring, kind, addr):
        """A command goes into @ring; nobody hears of it."""
        prod = self.word(ring + 4)
        self.set(ring + 20 + prod % 32 * 16, "<QII", addr, kind, 0)
        self.set(ring + 4, "<I", prod + 1)

    def command(self, kind, body, ring=CMD):
        self.count += 1
        addr = self.room(struct.pack("<Q", self.count) + body)
        self.ring(ring, kind, addr)
        self.io(NOTIFY_CMD if ring == CMD else NOTIFY_CURSOR)
        return addr

    def drawable(self, kind, box, body, surface=0, clip=(0, 0), effect=1, source=-1):
        """@source: a surface that it takes something from, 16 by 16 pixels of it."""
        left, top, right, bottom = box
        return struct.pack("<IBBB4i4iIQI3i", surface, effect, kind, 0, 0, 0, 0, 0, top, left, bottom, right, *clip, 0, source, -1, -1) + \
            struct.pack("<12i", 0, 0, 16, 16, *8 * [0]) + body

    def draw(self, *args, **options):
        return self.command(1, self.drawable(*args, **options))

    def fill(self, box, colour, **options):
        return self.draw(1, box, struct.pack("<IIQHBiiQ", 1, colour, 0, 8, 0, 0, 0, 0)[:4 + 4] + bytes(12) +
                         struct.pack("<HBiiQ", 8, 0, 0, 0, 0), **options)

    def bitmap(self, width, height, pixels, kind=8, flags=5, stride=None, data=None):
        data = self.room(pixels) if data is None else data
        return self.room(struct.pack("<QBBIIBBIIIQQ", 7, 0, 0, width, height, kind, flags, width, height,
                                     4 * width if stride is None else stride, 0, data))

    def copy(self, box, image, area=None, **options):
        left, top, right, bottom = area or (0, 0, box[2] - box[0], box[3] - box[1])
        return self.draw(3, box, struct.pack("<Q4iHBBiiQ", image, top, left, bottom, right, 8, 0, 0, 0, 0, 0), **options)

    def released(self):
        """What comes back."""
        found = []
        prod, cons = self.word(RELEASE + 4), self.word(RELEASE + 12)
        while cons != prod:
            number = struct.unpack("<Q", self.take(self.header + RELEASE + 20 + cons % 8 * 8, 8))[0]
            while number:
                found.append(number)
                number = struct.unpack("<Q", self.take(RAM + self.places[number], 8))[0] if number in self.places else 0
            cons += 1
        self.set(RELEASE + 12, "<I", cons)
        return found

    places = {}

# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver of virtio functions by the modern interface, over the qtest protocol: split rings, INTx."""
import base64
import struct

import machine

BAR = 0xf0000000  # of slot 0; a MiB for each
COMMON, ISR, DEVICE, NOTIFY = 0, 0x1000, 0x2000, 0x3000  # the structures' places in BAR 4


class Driver:
    """The function in slot @slot of bus 0, whose rings and buffers are at @ram."""

    def __init__(self, m, slot, ram=0x100000):
        self.m, self.slot, self.ram = m, slot, ram
        self.bar = BAR + (slot << 20)
        self.config(0x20, self.bar | 0xc)
        self.config(0x24, 0)
        self.config(0x04, 6)  # memory, bus master
        self.queues = {}

    def config(self, at, value):
        self.m.write("l", 0xcf8, 0x80000000 | self.slot << 11 | at)
        self.m.write("l", 0xcfc, value)

    def get(self, at, width="l"):
        return int(self.m(f"read{width} {self.bar + at:#x}")[0], 0)

    def set(self, at, value, width="l"):
        self.m(f"write{width} {self.bar + at:#x} {value:#x}")

    def offered(self):
        found = 0
        for half in range(2):
            self.set(0, half)
            found |= self.get(4) << 32 * half
        return found

    def begin(self, features=1 << 32):
        """Reset, and accept @features of those that are offered."""
        self.set(20, 0, "b")
        self.set(20, 3, "b")
        features &= self.offered()
        for half in range(2):
            self.set(8, half)
            self.set(12, features >> 32 * half & 0xffffffff)
        self.set(20, 11, "b")
        assert self.get(20, "b") == 11, "features are not taken"

    def ready(self):
        self.set(20, 15, "b")

    def queue(self, n, size=8):
        """Set up queue @n; where it is."""
        at = self.ram + 0x4000 * n
        self.m(f"memset {at:#x} 0x4000 0")
        self.set(22, n, "w")
        self.set(24, size, "w")
        for register, value in ((32, at), (40, at + 0x1000), (48, at + 0x2000)):
            self.set(register, value)
            self.set(register + 4, 0)
        self.set(28, 1, "w")
        self.queues[n] = [at, size, 0, 0]
        return at

    def put(self, addr, data):
        self.m(f"b64write {addr:#x} {len(data):#x} {base64.b64encode(data).decode()}")

    def fetch(self, addr, size):
        return base64.b64decode(self.m(f"b64read {addr:#x} {size:#x}")[0])

    def ask(self, n, data, room=64, buffers=None):
        """Put what is asked into queue @n, with @room for the answer; do not wait."""
        at, size, count, _ = self.queues[n]
        buffers = buffers or at + 0x3000 + 0x200 * (count % 4)
        head = 2 * (count % 4)
        self.put(buffers, data)
        self.put(at + 16 * head, struct.pack("<QIHHQIHH", buffers, len(data), 1, head + 1, buffers + 0x100, room, 2, 0))
        self.put(at + 0x1004 + 2 * (count % size), struct.pack("<H", head))
        self.queues[n][2] = count = (count + 1) & 0xffff
        self.put(at + 0x1002, struct.pack("<H", count))
        self.set(NOTIFY + 4 * n, n, "w")
        return buffers + 0x100

    def used(self, n):
        return struct.unpack("<H", self.fetch(self.queues[n][0] + 0x2002, 2))[0]

    def talk(self, n, data, room=64, buffers=None):
        """The same, and wait for the answer."""
        where = self.ask(n, data, room, buffers)
        count = self.queues[n][2]
        machine.vm.wait_until(lambda: self.used(n) == count, "the answer")
        at, size = self.queues[n][:2]
        length = struct.unpack("<I", self.fetch(at + 0x2004 + 8 * ((count - 1) % size) + 4, 4))[0]
        return self.fetch(where, length) if length else b""

    def isr(self):
        return self.get(ISR, "b")


class Port(Driver):
    """Port 1 of a virtio-serial device."""

    def begin_port(self):
        self.begin(1 << 32 | 2)
        for n in (2, 3, 4, 5):  # what it tells, and is told; the port's input and output
            self.queue(n, size=16)
        self.ready()
        self.tell(0, 1)  # the driver is ready
        self.tell(3, 1)  # so is the port

    def tell(self, what, value):
        self.talk(3, struct.pack("<IHH", 1, what, value), room=1)

    def write(self, text):
        self.talk(5, text, room=1)


class Gpu(Driver):
    """A picture of @width times @height, whose pixels are a number that is the place's."""
    PIXELS = 0x1000000

    def begin_screen(self, features=1 << 32):
        self.begin(features)
        self.queue(0)
        self.queue(1)
        self.ready()

    def request(self, kind, form, *words, more=b""):
        body = struct.pack("<IIQII", kind, 0, 0, 0, 0) + struct.pack(form, *words) + more
        return struct.unpack("<I", self.talk(0, body, room=24)[:4])[0]

    def picture(self, number, width, height, colour):
        self.put(self.PIXELS, b"".join(struct.pack("<I", colour + y * width + x) for y in range(height) for x in range(width)))
        for kind, form, words in (
                (0x101, "<4I", (number, 2, width, height)), (0x106, "<IIQII", (number, 1, self.PIXELS, 4 * width * height, 0)),
                (0x105, "<4IQII", (0, 0, width, height, 0, number, 0)), (0x103, "<6I", (0, 0, width, height, 0, number)),
                (0x104, "<6I", (0, 0, width, height, number, 0))):
            machine.tap.equal(self.request(kind, form, *words), 0x1100, hex(kind))

    def cursor(self, number, x, y, colour):
        """A pointer of one colour at a place, whose hot spot is 1, 2."""
        self.put(self.PIXELS, struct.pack("<I", colour) * 64 * 64)
        for kind, form, words in ((0x101, "<4I", (number, 1, 64, 64)), (0x106, "<IIQII", (number, 1, self.PIXELS, 4 * 64 * 64, 0)),
                                  (0x105, "<4IQII", (0, 0, 64, 64, 0, number, 0))):
            machine.tap.equal(self.request(kind, form, *words), 0x1100, hex(kind))
        self.talk(1, struct.pack("<IIQII8I", 0x300, 0, 0, 0, 0, 0, x, y, 0, number, 1, 2, 0), room=24)

    def texture(self, number, width, height, colour):
        """The same of 3D: the renderer has it."""
        self.put(self.PIXELS, b"".join(struct.pack("<I", colour + y * width + x) for y in range(height) for x in range(width)))
        for kind, form, words in (
                (0x204, "<12I", (number, 2, 2, 1 << 1 | 1 << 18, width, height, 1, 1, 0, 0, 0, 0)),
                (0x106, "<IIQII", (number, 1, self.PIXELS, 4 * width * height, 0)),
                (0x205, "<6IQ4I", (0, 0, 0, width, height, 1, 0, number, 0, 0, 0)), (0x103, "<6I", (0, 0, width, height, 0, number)),
                (0x104, "<6I", (0, 0, width, height, number, 0))):
            machine.tap.equal(self.request(kind, form, *words), 0x1100, hex(kind))

    def change(self, number, width, x, y, colour):
        """One pixel."""
        at = 4 * (y * width + x)
        self.put(self.PIXELS + at, struct.pack("<I", colour))
        machine.tap.equal(self.request(0x105, "<4IQII", x, y, 1, 1, at, number, 0), 0x1100)
        machine.tap.equal(self.request(0x104, "<6I", x, y, 1, 1, number, 0), 0x1100)

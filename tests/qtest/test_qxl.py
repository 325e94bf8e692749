#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""QXL: a driver of ours, by qtest, draws, and does what makes no sense. test_qxl.py BUILD-DIR"""
import struct
import subprocess
import sys
import tempfile

import machine
from machine import tap, vm
from qxl_driver import (AREA, CARD, CMD, CREATE_PRIMARY_ASYNC, CURSORS, DESTROY_ALL_ASYNC, DESTROY_PRIMARY, DESTROY_PRIMARY_ASYNC, DESTROY_SURFACE, DESTROY_SURFACE_ASYNC,
                        DISPLAY, FLUSH_ASYNC, FLUSH_RELEASE, HEADS, HEIGHT, IO_CMD, MASK, MEM_SLOT, MEMSLOT_ADD, MEMSLOT_DEL,
                        MONITORS_ASYNC, NOTIFY_CMD, PENDING, PORTS, RAM, RESET, ROM, SET_MODE, SLOT, UPDATE_AREA,
                        UPDATE_AREA_ASYNC, UPDATE_IRQ, VRAM, WIDTH, Card)

def start(*extra, card=f"qxl-vga,{CARD}", options=""):
    return machine.Machine(memory="64M", extra=["-M", "pc", "-device", f"{card},id=q0,addr={SLOT}{options}", *extra])


def dump(m):
    with tempfile.NamedTemporaryFile() as file:
        m.qmp.command("screendump", filename=file.name)
        _, size, _, pixels = file.read().split(b"\n", 3)
    width, height = map(int, size.split())
    return width, height, pixels


def pixel(m, x, y):
    width, _, pixels = dump(m)
    at = 3 * (y * width + x)
    return int.from_bytes(pixels[at:at + 3], "big")


def shows(m, x, y, colour):
    vm.wait_until(lambda: pixel(m, x, y) == colour, f"{colour:#x} at {x},{y}")


def rom():
    """What the card tells: sizes, modes."""
    with start() as m:
        c = Card(m)
        tap.equal([c.rom(n) for n in (0, 24, 28, 32, 40, 44, 52)],
                  [0x4f525851, 0x488, 0x800 - 2, 8 << 20, 8 << 20, (16 << 20) - 0x2000, 1024])
        tap.equal(list(c.take(ROM + 64, 5)), [1, 7, 8, 8, 0])
        count = c.rom(0x488)
        modes = [struct.unpack("<8I", c.take(ROM + 0x48c + 32 * n, 32)) for n in range(count)]
        tap.equal((modes[0], modes[3]), ((0, 640, 480, 16, 1280, 187, 140, 0), (3, 640, 480, 32, 2560, 187, 140, 1)))
        tap.equal(all(mode[4] * mode[2] <= 8 << 20 for mode in modes), True)
        c.put(ROM, b"abcd")
        tap.equal(c.rom(0), 0x4f525851, "it is read only")


def draws():
    with start() as m:
        c = Card(m)
        c.begin()
        tap.equal(dump(m)[:2], (WIDTH, HEIGHT))
        c.fill((0, 0, WIDTH, HEIGHT), 0x102030)
        shows(m, WIDTH - 1, HEIGHT - 1, 0x102030)
        image = c.bitmap(4, 2, b"".join(struct.pack("<I", 0x400000 + n) for n in range(8)))
        c.copy((8, 8, 12, 10), image)
        shows(m, 11, 9, 0x400007)
        tap.equal([pixel(m, x, y) for x, y in ((8, 8), (7, 8), (12, 9))], [0x400000, 0x102030, 0x102030])
        c.draw(4, (20, 20, 24, 22), struct.pack("<ii", 8, 8))
        shows(m, 23, 21, 0x400007)
        second = c.room(struct.pack("<IQQ", 16, 0, 0) + b"".join(struct.pack("<I", 0x500004 + n) for n in range(4)))
        first = c.room(struct.pack("<IQQ", 16, 0, second) + b"".join(struct.pack("<I", 0x500000 + n) for n in range(4)))
        clip = c.room(struct.pack("<I", 1) + struct.pack("<IQQ", 16, 0, 0) + struct.pack("<4i", 0, 2, 2, 4))
        c.copy((0, 0, 4, 2), c.bitmap(4, 2, b"", data=first, flags=4), clip=(1, clip))
        shows(m, 3, 1, 0x500007)
        tap.equal([pixel(m, 2, 0), pixel(m, 0, 0)], [0x500002, 0x102030])
        c.io(DESTROY_PRIMARY)
        tap.equal(pixel(m, 3, 1), 0x500007, "the last picture stays")
        c.primary(stride=-4 * WIDTH, flags=1, port=CREATE_PRIMARY_ASYNC)
        shows(m, 3, HEIGHT - 2, 0x500007)
        tap.equal(c.is_broken(), False)


def surfaces():
    """Off the screen, in the video memory; areas that are drawn now."""
    with start() as m:
        c = Card(m)
        c.begin()
        c.command(5, struct.pack("<IBIIIIiQ", 3, 0, 0, 32, 16, 16, 64, c.address(0x1000, 2)))
        c.fill((0, 0, 16, 16), 0xabcdef, surface=3)
        c.set(AREA, "<4iI", 0, 0, 16, 16, 3)
        c.io(UPDATE_AREA)
        tap.equal(c.take(VRAM + 0x1000 + 1020, 4)[:3], b"\xef\xcd\xab")
        c.fill((0, 0, 8, 16), 0x123456, surface=3)
        c.set(AREA, "<4iI", 0, 0, 16, 16, 3)
        c.async_io(UPDATE_AREA_ASYNC)
        vm.wait_until(lambda: (c.io(UPDATE_AREA), c.take(VRAM + 0x1000, 3))[1] == b"\x56\x34\x12", "it is drawn")
        c.copy((0, 0, 16, 16), c.room(struct.pack("<QBBIII", 9, 104, 0, 16, 16, 3)), source=3)
        shows(m, 15, 15, 0xabcdef)
        shows(m, 7, 15, 0x123456)
        for port in (DESTROY_SURFACE, DESTROY_SURFACE_ASYNC):
            (c.async_io if port == DESTROY_SURFACE_ASYNC else c.io)(port, 3)
            c.io(port, 3)  # there is none any more
            c.command(5, struct.pack("<IBIIIIiQ", 3, 0, 0, 32, 8, 8, 32, c.address(0x1000, 2)))
            c.fill((0, 0, 8, 8), 0x654321, surface=3)
            c.set(AREA, "<4iI", 0, 0, 8, 8, 3)
            c.io(UPDATE_AREA)
            tap.equal(c.take(VRAM + 0x1000 + 252, 3), b"\x21\x43\x65")
        c.command(5, struct.pack("<IBIIIIiQ", 3, 1, 0, 0, 0, 0, 0, 0))
        for port in (FLUSH_ASYNC, DESTROY_SURFACE_ASYNC, DESTROY_ALL_ASYNC):
            c.async_io(port)
        tap.equal(c.is_broken(), False)


def released():
    """Commands come back, each once, in the order in which they went."""
    with start() as m:
        c = Card(m)
        c.begin()
        wanted, got = [], []
        for n in range(100):
            addr = c.fill((0, 0, 1, 1), n)
            c.places = {**c.places, c.count: addr & 0xffffffff}
            wanted.append(c.count)
            if n % 20 == 19:
                vm.wait_until(lambda: c.word(CMD + 4) == c.word(CMD + 12), "all are fetched")
                got += c.released()
                c.io(FLUSH_RELEASE)
        vm.wait_until(lambda: got.extend(c.released()) or len(got) == len(wanted), "all are back")
        tap.equal(got, wanted)


def interrupts():
    with start() as m:
        c = Card(m)
        c.begin()
        tap.equal(c.line(), 0)
        c.set(MASK, "<I", IO_CMD)
        c.io(DESTROY_PRIMARY)
        c.primary(port=CREATE_PRIMARY_ASYNC)
        vm.wait_until(lambda: c.line() == 1, "the line goes up")
        c.set(PENDING, "<I", 0)
        c.io(UPDATE_IRQ)
        tap.equal(c.line(), 0)
        c.set(MASK, "<I", DISPLAY)
        c.set(CMD + 16, "<I", c.word(CMD + 12) + 1)  # it is to tell when it has the next one
        c.fill((0, 0, 1, 1), 1)
        vm.wait_until(lambda: c.line() == 1, "it has it")
        c.io(RESET)
        tap.equal((c.line(), c.word(PENDING)), (0, 0))


def pointers():
    with start() as m:
        c = Card(m)
        c.begin()
        for kind, data in ((0, bytes(16 * 16 * 4)), (1, bytes(2 * 16 * 2))):
            shape = c.room(struct.pack("<QHHHHHIIQQ", 5, kind, 16, 16, 1, 1, len(data), len(data), 0, 0) + data)
            c.command(3, struct.pack("<BhhBQ", 0, 5, 6, 1, shape).ljust(150, b"\0"), ring=CURSORS)
            c.command(3, struct.pack("<Bhh", 1, 7, 8).ljust(150, b"\0"), ring=CURSORS)
            c.command(3, b"\2".ljust(150, b"\0"), ring=CURSORS)
        vm.wait_until(lambda: c.word(CURSORS + 4) == c.word(CURSORS + 12), "all are fetched")
        tap.equal(c.is_broken(), False)


def heads():
    """What the guest tells of its heads, and what viewers would like."""
    with start(options=",max_outputs=2") as m:
        c = Card(m)
        c.begin()
        one = struct.pack("<7I", 0, 0, WIDTH, HEIGHT, 0, 0, 0)
        c.set(HEADS, "<Q", c.room(struct.pack("<HH", 1, 4) + one))
        c.async_io(MONITORS_ASYNC)
        c.set(HEADS, "<Q", c.room(struct.pack("<HH", 0xffff, 4) + 5 * struct.pack("<7I", *7 * [0xffffffff])))
        c.async_io(MONITORS_ASYNC)
        c.set(HEADS, "<Q", c.room(struct.pack("<HH", 0, 4)))
        c.async_io(MONITORS_ASYNC)
        tap.equal(c.is_broken(), False)
        c.set(HEADS, "<Q", c.address(0xffffffffff))
        c.async_io(MONITORS_ASYNC)
        tap.equal(c.is_broken(), True)


def vga():
    """A VGA until it is told otherwise, and after a reset."""
    def mode():
        for index, value in ((4, 0), (1, 64), (2, 2), (3, 32), (4, 0x41)):
            m.write("w", 0x1ce, index)
            m.write("w", 0x1d0, value)
        m.write("b", 0x3c0, 0x20)
        m(f"writel {RAM:#x} 0xff0000")
    with start() as m:
        c = Card(m)
        mode()
        tap.equal((dump(m)[:2], pixel(m, 0, 0)), ((64, 2), 0xff0000))
        m.write("w", 0x1ce, 10)
        tap.equal(m.read("w", 0x1d0), (8 << 20) >> 16, "its memory is not all of the RAM")
        c.begin(mem=c.address(0x80000))
        c.fill((0, 0, WIDTH, HEIGHT), 0x123456)
        shows(m, 0, 0, 0x123456)
        c.io(RESET)
        tap.equal((dump(m)[:2], pixel(m, 0, 0)), ((64, 2), 0xff0000))
        c.begin(mem=c.address(0x80000))
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(dump(m)[:2], (640, 480))
        tap.equal(Card(m).rom(0), 0x4f525851)


def compat():
    """The first revision's way: a mode by its number, and addresses of the bus."""
    with start() as m:
        c = Card(m)
        c.io(RESET)
        c.io(SET_MODE, 1)
        tap.equal((dump(m)[:2], c.rom(20)), ((640, 480), 1))
        c.address = lambda offset, slot=0: RAM + offset
        body = struct.pack("<BBH4i4iIQI", 1, 1, 0, 0, 0, 0, 0, 0, 0, 480, 640, 0, 0, 0) + \
            struct.pack("<II", 1, 0x345678) + bytes(12) + struct.pack("<HBiiQ", 8, 0, 0, 0, 0)
        c.command(1, body.ljust(400, b"\0"))
        shows(m, 639, 479, 0x345678)
        c.io(SET_MODE, 255)
        tap.equal(c.is_broken(), True)


def linux():
    """Linux's driver begins with a surface of 64 by 64 pixels, on which it draws a whole screen, and a head that is larger."""
    with start() as m:
        c = Card(m)
        c.begin(width=64, height=64)
        width, height = 256, 200
        image = c.bitmap(width, height, b"", flags=4, stride=4 * width, data=c.room(
            struct.pack("<IQQ", 4 * width * height, 0, 0) + b"".join(struct.pack("<I", n) for n in range(width * height))))
        c.copy((0, 0, width, height), image)
        wanted, back = c.count, []
        vm.wait_until(lambda: back.extend(c.released()) or wanted in back, "it comes back")
        c.set(HEADS, "<Q", c.room(struct.pack("<HH", 1, 4) + struct.pack("<7I", 0, 0, width, height, 0, 0, 0)))
        c.async_io(MONITORS_ASYNC)
        c.async_io(DESTROY_PRIMARY_ASYNC)
        c.set(PENDING, "<I", 0)
        c.primary(width=width, height=height, port=CREATE_PRIMARY_ASYNC)
        vm.wait_until(lambda: c.word(PENDING) & IO_CMD, "it is through")
        c.async_io(MONITORS_ASYNC)
        c.copy((0, 0, width, height), image)
        shows(m, width - 1, height - 1, width * height - 1)
        tap.equal((dump(m)[:2], pixel(m, 5, 7), c.is_broken()), ((width, height), 7 * width + 5, False))


def secondary():
    with start(card=f"qxl,{CARD}") as m:
        c = Card(m)
        tap.equal(dump(m)[:2], (640, 480))
        c.begin()
        c.fill((0, 0, WIDTH, HEIGHT), 0x778899)
        shows(m, 5, 5, 0x778899)
        c.io(RESET)
        tap.equal(dump(m)[:2], (640, 480))


def refused(c, what, do):
    """The guest is told, and nothing more happens before a reset."""
    c.begin()
    do()
    vm.wait_until(c.is_broken, what)


def dropped(c, what, do):
    """The command comes back, and nothing else happens."""
    c.begin()
    do()
    back = []
    vm.wait_until(lambda: back.extend(c.released()) or c.count in back, what)
    tap.equal(c.is_broken(), False, what)


def hostile_slots():
    with start() as m:
        c = Card(m)

        def slot(n, start, end):
            c.set(MEM_SLOT, "<QQ", start, end)
            c.io(MEMSLOT_ADD, n)
        for what, n, begin, end in (("slot 0", 0, RAM, RAM + 4096), ("slot 8", 8, RAM, RAM + 4096), ("none", 255, RAM, RAM + 4096),
                                    ("RAM of the machine", 1, 0, 4096), ("more than the RAM", 1, RAM, RAM + (16 << 20) + 1),
                                    ("before it", 1, RAM - 1, RAM + 4096), ("the ROM", 1, ROM, ROM + 4096), ("empty", 1, RAM, RAM),
                                    ("backwards", 1, RAM + 4096, RAM), ("around", 1, RAM, 2**64 - 1)):
            refused(c, what, lambda n=n, begin=begin, end=end: slot(n, begin, end))
        c.begin()
        c.io(MEMSLOT_DEL, 1)
        c.io(MEMSLOT_DEL, 200)
        c.fill((0, 0, 1, 1), 1)
        vm.wait_until(c.is_broken, "the slot is gone")


def hostile_surfaces():
    with start() as m:
        c = Card(m)
        for what, options in (("no slot", {"mem": 5 << 56}), ("beyond", {"mem": c.address(16 << 20)}), ("a generation", {"mem": 1 << 56 | 1 << 48}),
                              ("slot 200", {"mem": 200 << 56}), ("too large", {"width": 1 << 14, "height": 1 << 14}), ("no width", {"width": 0}),
                              ("no height", {"height": 0}), ("stride", {"stride": 4 * WIDTH - 4}), ("odd stride", {"stride": 4 * WIDTH + 2}),
                              ("least stride", {"stride": -0x80000000}), ("format", {"form": 77}), ("565", {"form": 80}), ("mask", {"form": 1}),
                              ("large", {"width": 0xffffffff, "height": 0xffffffff, "stride": 0x7ffffffc})):
            c.io(RESET)
            c.slots()
            c.primary(**options)
            tap.equal(c.is_broken(), True, what)
        refused(c, "a second one", c.primary)
        make = "<IBIIIIiQ"
        for what, words in (("number 0", (0, 0, 0, 32, 16, 16, 64, c.address(0, 2))), ("number 1024", (1024, 0, 0, 32, 16, 16, 64, c.address(0, 2))),
                            ("no memory", (3, 0, 0, 32, 16, 16, 64, 0)), ("large", (3, 0, 0, 32, 4096, 4096, 16384, c.address(0, 2))),
                            ("no command", (3, 9, 0, 0, 0, 0, 0, 0)), ("none to destroy", (3, 1, 0, 0, 0, 0, 0, 0))):
            dropped(c, what, lambda words=words: c.command(5, struct.pack(make, *words)))
        for words in ((0, 0, HEIGHT + 1, 1, 0), (-1, 0, 1, 1, 0), (5, 5, 5, 5, 0), (0, 0, 1, 1, 7), (0, 0, 1, 1, 0xffffffff)):
            def area(words=words):
                c.set(AREA, "<4iI", *words)
                c.io(UPDATE_AREA)
            refused(c, words, area)


FATAL = ("no slot", "the end of the RAM", "no command", "a pointer in the wrong ring", "a picture in the wrong ring", "a full ring")


def hostile_commands():
    with start() as m:
        c = Card(m)
        box = (0, 0, 4, 2)
        far = c.address(0xfffffffffff)

        def image(*words, data=b""):
            return c.room(struct.pack("<QBBIIBBIIIQQ", *words) + data)

        def loop():
            at = c.address(c.next)
            return c.room(struct.pack("<IQQ", 0, 0, at))

        def piece(data):
            return struct.pack("<IQQ", len(data), 0, 0) + data

        def stroke(*pieces):
            data = b"".join(struct.pack("<II", flags, count) + struct.pack(f"<{2 * count}i", *[16] * count, *range(16, 16 + 16 * count, 16)) for flags, count in pieces)
            return struct.pack("<Q", c.room(struct.pack("<I", len(data)) + piece(data))) + bytes(20) + SOLID + 2 * PUT

        def text(length, data):
            return struct.pack("<Q4i", c.room(struct.pack("<IHH", len(data), length, 1) + piece(data)), 0, 0, 2, 4) + 2 * SOLID + 2 * PUT
        good = (7, 0, 0, 4, 2, 8, 5, 4, 2, 16, 0)
        cases = {
            "no slot": lambda: c.ring(CMD, 1, 0) or c.io(NOTIFY_CMD),
            "the end of the RAM": lambda: c.ring(CMD, 1, c.address((16 << 20) - 4)) or c.io(NOTIFY_CMD),
            "no command": lambda: c.command(77, bytes(64)),
            "a pointer in the wrong ring": lambda: c.command(3, bytes(200)),
            "a picture in the wrong ring": lambda: c.command(1, bytes(400), ring=CURSORS),
            "no drawing": lambda: c.draw(99, box, bytes(100)),
            "no effect": lambda: c.fill(box, 1, effect=200),
            "beyond the surface": lambda: c.fill((0, 0, WIDTH + 1, 1), 1),
            "before it": lambda: c.fill((-1, 0, 1, 1), 1),
            "backwards": lambda: c.fill((4, 0, 1, 1), 1),
            "no surface": lambda: c.fill(box, 1, surface=5),
            "surface 0xffffffff": lambda: c.fill(box, 1, surface=0xffffffff),
            "no clip": lambda: c.fill(box, 1, clip=(1, far)),
            "a kind of clip": lambda: c.fill(box, 1, clip=(9, 0)),
            "short clip": lambda: c.fill(box, 1, clip=(1, c.room(struct.pack("<IIQQ", 1000, 16, 0, 0) + bytes(16)))),
            "no image": lambda: c.copy(box, far),
            "a kind of image": lambda: c.copy(box, image(7, 50, *good[2:], far)),
            "no pixels": lambda: c.copy(box, image(*good, far)),
            "pixels in a loop": lambda: c.copy(box, image(*good[:6], 4, *good[7:], loop())),
            "too few pixels": lambda: c.copy(box, image(*good[:6], 4, *good[7:], c.room(struct.pack("<IQQ", 4, 0, 0) + bytes(4)))),
            "a format": lambda: c.copy(box, image(*good[:5], 99, *good[6:], c.address(0))),
            "no palette": lambda: c.copy(box, image(*good[:5], 5, *good[6:], c.address(0))),
            "a palette": lambda: c.copy(box, image(*good[:5], 5, *good[6:10], far, c.address(0))),
            "an operation of two": lambda: c.draw(9, box, struct.pack("<Q4iII", image(*good, c.address(0)), 0, 0, 2, 4, 1, 0) + bytes(12) +
                                                  struct.pack("<BBBiiQ", 0xcc, 0, 0, 0, 0, 0)),
            "bits from the other end": lambda: c.copy(box, image(*good[:5], 1, *good[6:], c.address(0))),
            "an empty area": lambda: c.command(2, struct.pack("<4iII", 0, 0, 0, 0, 1, 0)),
            "stride": lambda: c.copy(box, image(*good[:9], 15, 0, c.address(0))),
            "sizes that differ": lambda: c.copy(box, image(*good[:7], 5, *good[8:], c.address(0))),
            "a large image": lambda: c.copy(box, image(7, 0, 0, 1 << 20, 2, 8, 5, 1 << 20, 2, 1 << 22, 0, c.address(0))),
            "an area that it has not": lambda: c.copy(box, image(*good, c.address(0)), area=(0, 0, 5, 2)),
            "an image of no surface": lambda: c.copy(box, c.room(struct.pack("<QBBIII", 9, 104, 0, 16, 16, 3)), source=3),
            "a surface that is not named": lambda: c.command(5, struct.pack("<IBIIIIiQ", 3, 0, 0, 32, 16, 16, 64, c.address(0, 2))) and c.copy(
                box, c.room(struct.pack("<QBBIII", 9, 104, 0, 16, 16, 3))),
            "bits from outside": lambda: c.draw(4, box, struct.pack("<ii", WIDTH - 1, 0)),
            "no path": lambda: c.draw(10, box, struct.pack("<Q", far) + bytes(100)),
            "short path": lambda: c.draw(10, box, struct.pack("<Q", c.room(struct.pack("<IIQQII", 8, 8, 0, 0, 0, 1000))) + bytes(100)),
            "no text": lambda: c.draw(11, box, struct.pack("<Q", far) + bytes(100)),
            "a path that begins with no point": lambda: c.draw(10, box, stroke((1, 0), (2, 1))),
            "a curve that never ends": lambda: c.draw(10, box, stroke((0x13, 4))),
            "no line to close": lambda: c.draw(10, box, stroke((3, 2), (10, 0), (3, 2))),
            "fewer glyphs than it says": lambda: c.draw(11, box, text(0, bytes(4))),
            "more glyphs than it says": lambda: c.draw(11, box, text(1, 2 * bytes(20))),
            "a text that is not put": lambda: c.draw(11, box, text(1, bytes(20))[:-4] + bytes(4)),
            "the end of a glyph": lambda: c.draw(11, box, text(1, bytes(24))),
            "pixels that cannot be decoded": lambda: c.copy(box, c.room(struct.pack("<QBBIIIIQQ", 7, 1, 0, 4, 2, 4, 4, 0, 0) + bytes(4))),
            "no glyphs": lambda: c.draw(11, box, struct.pack("<Q", c.room(struct.pack("<IHHIQQ", 0, 5, 1, 0, 0, 0))) + bytes(100)),
            "an operator": lambda: c.draw(14, box, struct.pack("<IQQQQ", 0x77, image(*good, c.address(0)), 0, 0, 0) + bytes(8)),
            "a brush": lambda: c.draw(1, box, struct.pack("<I", 55) + bytes(100)),
            "a pointer's shape": lambda: c.command(3, struct.pack("<BhhBQ", 0, 0, 0, 1, far).ljust(150, b"\0"), ring=CURSORS),
            "a large pointer": lambda: c.command(3, struct.pack("<BhhBQ", 0, 0, 0, 1, c.room(
                struct.pack("<QHHHHHIIQQ", 1, 0, 0xffff, 0xffff, 0, 0, 4, 4, 0, 0) + bytes(4))).ljust(150, b"\0"), ring=CURSORS),
            "a full ring": lambda: c.set(CMD + 4, "<I", c.word(CMD + 4) + 1000) or c.io(NOTIFY_CMD),
        }
        for what, do in cases.items():
            (refused if what in FATAL else dropped)(c, what, do)
        c.begin()
        c.fill((0, 0, WIDTH, HEIGHT), 0x998877)
        c.draw(10, (0, 0, 4, 4), stroke((1, 1), (2, 3), (3, 2), (11, 3)))  # good ones are drawn
        shows(m, 1, 1, 5)
        tap.equal(pixel(m, 0, 0), 0x998877)


def much():
    """More than the library is to have at once: it draws some, and the others follow."""
    with start(card="qxl-vga,ram_size_mb=64,vgamem_mb=8,vram_size_mb=4") as m:
        c = Card(m)
        c.set(MEM_SLOT, "<QQ", RAM, RAM + (64 << 20))
        c.io(MEMSLOT_ADD, 1)
        c.primary(width=2048, height=2048, mem=c.address(32 << 20))
        for _ in range(101):
            c.draw(8, (0, 0, 2048, 2048), NO_MASK, effect=0)
            vm.wait_until(lambda: c.word(CMD + 4) == c.word(CMD + 12), "it is fetched")
        c.set(AREA, "<4iI", 0, 0, 1, 1, 0)
        c.io(UPDATE_AREA)
        tap.equal((c.take(RAM + (32 << 20), 3), c.is_broken()), (b"\xff\xff\xff", False))


FORMS = ((32, 4), (96, 4), (16, 2), (8, 1))  # of surfaces: their bytes of a pixel
AT = struct.pack("<4i", 0, 0, 16, 16)
SOLID, NO_MASK, PUT = struct.pack("<II", 1, 5) + bytes(12), bytes(17), struct.pack("<H", 8)


def four_surfaces(c):
    c.begin()
    for number, (form, size) in enumerate(FORMS[1:], 1):
        c.command(5, struct.pack("<IBIIIIiQ", number, 0, 0, form, 16, 16, 16 * size, c.address(0x1000 * number, 2)))


def drawn(c):
    """The library carries out what it has."""
    for number in range(4):
        c.set(AREA, "<4iI", 0, 0, 16, 16, number)
        c.io(UPDATE_AREA)
    tap.equal(c.is_broken(), False)


def bodies(pattern, image):
    """Of each kind of drawing, with an image; some with a pattern as well."""
    source, brush = struct.pack("<Q", image) + AT, struct.pack("<IQii", 2, pattern, 3, 5)
    return ((1, brush + PUT + NO_MASK), (2, source + brush + b"\x48\0\0" + NO_MASK), (3, source + PUT + b"\0" + NO_MASK),
            (5, source + b"\x40\0\1" + NO_MASK), (9, source + SOLID + b"\xca\0" + NO_MASK), (9, source + brush + b"\xca\0" + NO_MASK),
            (12, source + bytes(8)), (13, b"\0\0\x80" + source), (14, struct.pack("<5Q", 3, image, 0, image, 0)[4:] + bytes(8)))


def hostile_pixels():
    """Each kind of drawing on each kind of surface, with each kind of pixels; those that the library cannot do are dropped."""
    with start() as m:
        c = Card(m)
        for on in range(4):
            four_surfaces(c)
            images = [(c.room(struct.pack("<QBBIII", 9, 104, 0, 16, 16, number)), number) for number in range(4)]
            for kind, size in ((2, 2), (5, 16), (7, 48), (8, 64), (9, 64), (10, 16)):
                images.append((c.bitmap(16, 16, bytes(16 * size), kind=kind, stride=size), -1))
            for image, source in images:
                for kind, body in bodies(image, image):
                    c.draw(kind, (0, 0, 16, 16), body, surface=on, source=source)
                    vm.wait_until(lambda: c.word(CMD + 4) == c.word(CMD + 12), "it is fetched")
                c.released()
            drawn(c)


def hostile_places():
    """Of masks, patterns, glyphs; images of a number that others have; flags that say what is not there."""
    def cached(size, area):
        image = c.room(struct.pack("<QBBIIBBIIIQQ", 77, 0, 1, size, size, 8, 5, size, size, 4 * size, 0, c.address(0)))
        c.copy((0, 0, 16, 16), image, area=area)

    def mask(x, y):
        image = c.bitmap(16, 16, bytes(64), kind=1, stride=4)
        c.draw(6, (0, 0, 16, 16), struct.pack("<BiiQ", 0, x, y, image))

    def pattern(x, y):
        image = c.bitmap(3, 2, bytes(24))
        c.draw(9, (0, 0, 16, 16), struct.pack("<Q", c.bitmap(16, 16, bytes(1024))) + AT + struct.pack("<IQii", 2, image, x, y) + b"\xca\0" + NO_MASK)

    def text(places, area=(0, 0, 9, 9)):
        data = b"".join(struct.pack("<4iHH", x, y, x, y, 1, 1) + b"\xff" for x, y in places)
        string = c.room(struct.pack("<IHHIQQ", len(data), len(places), 4, len(data), 0, 0) + data)
        c.draw(11, (0, 0, 16, 16), struct.pack("<Q4i", string, *area) + 2 * SOLID + 2 * PUT)
    with start() as m:
        c = Card(m)
        image = c.bitmap(16, 16, bytes(1024))
        for what in ([lambda x=x: mask(x, x) for x in (32768, -32768, 16, -1, 0)] +
                     [lambda x=x: pattern(x, -x) for x in (0x7fffffff, -0x7fffffff, 100, -100, 2, 1)] +
                     [lambda bit=bit: c.draw(14, (0, 0, 16, 16), struct.pack("<I4Q", 3 | 1 << bit, image, 0, 0, 0) + bytes(8)) for bit in range(14, 32)] +
                     [lambda: text([(-16384, -16384), (16384, 16384)]), lambda: text([(0, 0)], (9, 9, 0, 0)), lambda: text([(0, 0)]),
                      lambda: (cached(1, (0, 0, 1, 1)), shows(m, 0, 0, 0), cached(1000, (900, 900, 916, 916)))]):
            c.begin()
            image = c.bitmap(16, 16, bytes(1024))
            what()
            vm.wait_until(lambda: c.word(CMD + 4) == c.word(CMD + 12), "it is fetched")
            c.set(AREA, "<4iI", 0, 0, 16, 16, 0)
            c.io(UPDATE_AREA)


def hostile_ports():
    """Each port with each byte, at each time: no answer is wrong, if there is one."""
    with start() as m:
        c = Card(m)
        for prepare in (lambda: c.io(RESET), c.begin):
            for port in range(32):
                prepare()
                for value in (0, 1, 3, 255):
                    c.io(port, value)
                m(f"outl {PORTS + port & ~3:#x} 0xffffffff")
        c.begin()
        for _ in range(3):  # the second comes while the first is under way, or not
            c.io(FLUSH_ASYNC)
        c.put(c.header, bytes(range(256)) * 32)
        for port in range(32):
            c.io(port, 1)
        c.begin()
        c.fill((0, 0, WIDTH, HEIGHT), 0x998877)
        shows(m, 0, 0, 0x998877)


def snapshots():
    """Surfaces, what is on them, and what is given back, go with the machine."""
    with tempfile.NamedTemporaryFile(suffix=".qcow2") as image:
        subprocess.run([f"{sys.argv[1]}/tools/img/dimmable-img", "create", "-q", "-f", "qcow2", image.name, "1M"], check=True)
        with start("-drive", f"if=none,id=d0,format=qcow2,file={image.name}") as m:
            def hmp(line):
                return m.qmp.command("human-monitor-command", **{"command-line": line})
            c = Card(m)
            tap.equal(hmp("savevm vga"), "")
            c.begin()
            c.command(5, struct.pack("<IBIIIIiQ", 3, 0, 0, 32, 16, 16, 64, c.address(0x1000, 2)))
            c.fill((0, 0, 16, 16), 0xabcdef, surface=3)
            shape = c.room(struct.pack("<QHHHHHIIQQ", 5, 0, 16, 16, 1, 1, 1024, 1024, 0, 0) + bytes(1024))
            c.command(3, struct.pack("<BhhBQ", 0, 5, 6, 1, shape).ljust(150, b"\0"), ring=CURSORS)
            c.fill((0, 0, WIDTH, HEIGHT), 0x102030)
            vm.wait_until(lambda: all(c.word(ring + 4) == c.word(ring + 12) for ring in (CMD, CURSORS)), "all are fetched")
            tap.equal(hmp("savevm s"), "")
            c.fill((0, 0, WIDTH, HEIGHT), 0)
            c.fill((0, 0, 16, 16), 0, surface=3)
            shows(m, 0, 0, 0)
            tap.equal(hmp("loadvm s"), "")
            shows(m, 0, 0, 0x102030)
            c.copy((0, 0, 16, 16), c.room(struct.pack("<QBBIII", 9, 104, 0, 16, 16, 3)), source=3)
            shows(m, 15, 15, 0xabcdef)
            tap.equal((c.is_broken(), pixel(m, 16, 16)), (False, 0x102030))
            tap.equal(hmp("loadvm vga"), "")
            tap.equal((dump(m)[:2], c.rom(0)), ((640, 480), 0x4f525851))
            tap.equal(hmp("loadvm s"), "")
            shows(m, 0, 0, 0x102030)


def stopped():
    """Nothing is fetched while the machine stands."""
    with start() as m:
        c = Card(m)
        c.begin()
        m.qmp.command("stop")
        c.fill((0, 0, WIDTH, HEIGHT), 0x102030)
        tap.equal((pixel(m, 0, 0), c.word(CMD + 12)), (0, 0))
        m.qmp.command("cont")
        shows(m, 0, 0, 0x102030)


def sizes():
    for options, word in (("surfaces=0", "from 1 to 1024"), ("surfaces=1025", "from 1 to 1024"), ("revision=6", "from 1 to 5"), ("revision=0", "from 1 to 5"),
                          ("max_outputs=17", "from 0 to 16"), ("ram_size_mb=4096", "up to 2048"), ("vram_size_mb=4096", "up to 2048"),
                          ("vram64_size_mb=1000000000", "up to")):
        status, text = machine.run_program("-M", "pc", "-accel", "qtest", "-display", "none", "-device", f"qxl-vga,{options}")
        tap.equal((status != 0, word in text), (True, True), text)
    status, text = machine.run_program("-M", "pc", "-accel", "qtest", "-display", "none", "-vga", "std", "-device", "qxl-vga")
    tap.equal((status != 0, "one VGA" in text), (True, True), text)
    for options, wanted in (("", [64 << 20, 64 << 20, 0]), (",ram_size=1,vram_size=1", [32 << 20, 4096, 0]),
                            (",vgamem_mb=3,ram_size_mb=20,vram_size_mb=10,vram64_size_mb=100", [32 << 20, 16 << 20, 128 << 20]),
                            (",ram_size=67108864,vram_size=67108864,vram64_size_mb=0,vgamem_mb=16,max_outputs=1", [64 << 20, 64 << 20, 0])):
        with start(card="qxl-vga", options=options) as m:
            got = []
            for at in (0x10, 0x14, 0x20):
                m.write("l", 0xcf8, 0x80000000 | SLOT << 11 | at)
                m.write("l", 0xcfc, 0xffffffff)
                got.append(-(m.read("l", 0xcfc) & ~15) & 0xffffffff)
            tap.equal(got, wanted, options)


tap.run([("ROM", rom), ("drawing", draws), ("surfaces", surfaces), ("given back", released), ("interrupts", interrupts), ("pointers", pointers),
         ("heads", heads), ("VGA", vga), ("compat", compat), ("secondary", secondary), ("as Linux", linux), ("hostile slots", hostile_slots),
         ("hostile surfaces", hostile_surfaces), ("hostile commands", hostile_commands),
         ("much", much), ("hostile pixels", hostile_pixels), ("hostile places", hostile_places), ("hostile ports", hostile_ports),
         ("snapshots", snapshots), ("stopped", stopped), ("sizes", sizes)])

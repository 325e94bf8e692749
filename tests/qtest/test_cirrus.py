#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""cirrus-vga: its registers, what its engine does to the memory, held against a model, its pictures and its pointer."""
import random
import subprocess
import sys
import tempfile

import machine
import tap
from cirrus_blt import BACKWARDS, EXPAND, FROM_CPU, KINDS, PATTERN, TRANSPARENT, Blt

SLOT = 5
VRAM, REGISTERS = 0xe0000000, 0xe8000000
APERTURE, BLT = VRAM + 0x1000000, REGISTERS + 0x100
SIZE = 0x3000  # bytes of memory that are looked at


def start(words="", extra=()):
    m = machine.Machine("16M", extra=[*extra, "-device", f"cirrus-vga,id=v0,addr={SLOT}{words}"])
    for offset, value in ((0x10, VRAM), (0x14, REGISTERS), (0x04, 3)):
        m.write("l", 0xcf8, 0x80000000 | SLOT << 11 | offset)
        m.write("l", 0xcfc, value)
    m.write("b", 0x3c2, 1)
    seq(m, 6, 0x12)
    seq(m, 7, 0x11)
    return m


def seq(m, reg, value):
    m.write("w", 0x3c4, value << 8 | reg)


def gfx(m, reg, value):
    m.write("w", 0x3ce, value << 8 | reg)


def crtc(m, reg, value):
    m.write("w", 0x3d4, value << 8 | reg)


def get(m, port, reg):
    m.write("b", port, reg)
    return m.read("b", port + 1)


def load(m, at, size):
    return bytes.fromhex(m(f"read {at:#x} {size:#x}")[0][2:])


def store(m, at, data):
    m(f"write {at:#x} {len(data):#x} 0x{data.hex()}")


def registers():
    """What tells the chip; locks and masks; the hidden register; the same in memory."""
    with start() as m:
        tap.equal((get(m, 0x3d4, 0x27), get(m, 0x3c4, 6), get(m, 0x3c4, 0xf), get(m, 0x3c4, 0x15)), (0xb8, 0x12, 0x98, 4))
        seq(m, 6, 0)
        tap.equal(get(m, 0x3c4, 6), 0xf)
        gfx(m, 0x2a, 0xff)
        seq(m, 0x17, 0xff)
        crtc(m, 0x1d, 0xff)
        tap.equal((get(m, 0x3ce, 0x2a), get(m, 0x3c4, 0x17), get(m, 0x3d4, 0x1d)), (0x3f, 0xe7, 0xff))
        tap.equal((get(m, 0x3ce, 0x3f), get(m, 0x3c4, 0x40), get(m, 0x3d4, 0x40)), (255, 255, 255), "there are none")
        tap.equal([m.read("b", 0x3c6) for _ in range(6)], [255, 255, 255, 255, 0, 255])
        m.read("b", 0x3c8)
        for _ in range(4):
            m.read("b", 0x3c6)
        m.write("b", 0x3c6, 0xc5)
        tap.equal([m.read("b", 0x3c6) for _ in range(5)], [255, 255, 255, 255, 0xc5])
        m(f"writew {REGISTERS + 0x14:#x} 0x5a0c")  # the CRTC, whatever bit 0 of 0x3c2 says
        tap.equal(get(m, 0x3d4, 0xc), 0x5a)
        m.write("b", 0x3c2, 0)
        m(f"writew {REGISTERS + 0x14:#x} 0xa50c")
        tap.equal(int(m(f"readb {REGISTERS + 0x15:#x}")[0], 0), 0xa5)
        m(f"writel {BLT + 0x10:#x} 0x00123456")
        tap.equal((get(m, 0x3ce, 0x28), get(m, 0x3ce, 0x29), get(m, 0x3ce, 0x2a)), (0x56, 0x34, 0x12))
    for size in (3, 2, 32):
        status, text = machine.run_program("-accel", "qtest", "-display", "none", "-nodefaults", "-m", "16M", "-device",
                                           f"cirrus-vga,vgamem_mb={size}")
        tap.equal((status, "4, 8 or 16" in text), (1, True), text)


def engine():
    """Each kind of BLT, with sizes, colours and raster operations as they come."""
    rand = random.Random(5446)
    with start() as m:
        for kind in KINDS:
            for n in range(4):
                blt = Blt(rand, kind)
                memory = bytearray(rand.choice([rand.randrange(256), 0x55]) for _ in range(SIZE))
                if kind & TRANSPARENT:
                    blt.key = bytes(memory[blt.dest:blt.dest + 4])
                store(m, VRAM, bytes(memory))
                for line in blt.lines():
                    m(line)
                if blt.data:
                    tap.equal(get(m, 0x3ce, 0x31) & 1, 1, "it waits")
                    m.write("b", 0x3ce, 0x31)
                    store(m, (APERTURE, VRAM, 0xa0000)[n % 3], blt.data)
                tap.equal(get(m, 0x3ce, 0x31), 0, "it is done")
                blt.do(memory)
                found = load(m, VRAM, SIZE)
                differ = [at for at in range(SIZE) if found[at] != memory[at]]
                tap.equal(differ, [], f"{kind:#x} {n}: {vars(blt)}")


def autostart():
    """By its registers in memory; one starts when the destination is there."""
    with start() as m:
        store(m, VRAM, bytes(range(64)))
        for at, value in ((0x08, 15), (0x0a, 1), (0x0c, 32), (0x0e, 16), (0x14, 0)):
            m(f"writew {BLT + at:#x} {value:#x}")
        m(f"writew {BLT + 0x16:#x} 0")
        m(f"writeb {BLT + 0x18:#x} 0")
        m(f"writeb {BLT + 0x1a:#x} 0x0d")
        m(f"writeb {BLT + 0x40:#x} 0x80")
        m(f"writel {BLT + 0x10:#x} 0x1000")
        tap.equal(load(m, VRAM + 0x1000, 48), bytes(range(16)) + bytes(16) + bytes(range(16, 32)))
        seq(m, 0x17, 0x04)  # the same registers below 1 MiB, and at the end of the memory
        tap.equal(int(m("readb 0xb801a")[0], 0), 0x0d)
        seq(m, 0x17, 0x44)
        tap.equal((int(m("readb 0xb801a")[0], 0), int(m(f"readb {VRAM + 0x3fff1a:#x}")[0], 0)), (255, 0x0d))
    with start(",blitter=off") as m:
        store(m, VRAM, bytes(range(64)))
        for reg, value in ((0x20, 7), (0x29, 1), (0x32, 0x0d), (0x31, 2)):
            gfx(m, reg, value)
        tap.equal(load(m, VRAM + 0x100, 8), bytes(8), "there is no engine")


def hostile():
    """What reaches beyond the memory does nothing; what waits is given up; the longest ends."""
    with start() as m:
        store(m, VRAM, b"\x11" * 64)

        def blt(width=0, height=0, dest=0, source=0, mode=0, pitches=(0, 0), more=0):
            for reg, value, size in ((0x20, width, 2), (0x22, height, 2), (0x24, pitches[0], 2), (0x26, pitches[1], 2), (0x28, dest, 3),
                                     (0x2c, source, 3), (0x30, mode, 1), (0x32, 0x0d, 1), (0x33, more, 1)):
                for i in range(size):
                    gfx(m, reg + i, value >> 8 * i & 255)
            gfx(m, 0x31, 2)
            return get(m, 0x3ce, 0x31)

        end = 0x3fffff
        for arguments in ({"dest": end, "width": 1}, {"source": end, "width": 1}, {"dest": end - 15, "height": 1, "pitches": (16, 0)},
                          {"dest": 0, "width": 1, "mode": BACKWARDS, "source": 8}, {"source": 0, "width": 1, "mode": BACKWARDS, "dest": 8},
                          {"source": 0x3fffe0, "mode": PATTERN | 0x30}, {"source": end, "width": 15, "mode": EXPAND},
                          {"dest": 0x3ffff0, "width": 8191, "height": 2047, "pitches": (8191, 8191)},
                          {"dest": end, "width": 1, "mode": FROM_CPU}, {"mode": 2}):
            tap.equal(blt(**arguments), 0, arguments)
            tap.equal(load(m, VRAM, 64), b"\x11" * 64, arguments)
            tap.equal(load(m, VRAM + 0x3fffc0, 64), bytes(64), arguments)
        for mode in (0, 8, PATTERN, EXPAND, PATTERN | EXPAND | TRANSPARENT):
            tap.equal(blt(width=8191, height=2047, mode=mode), 0, "all of it is in one line")
        tap.equal(blt(width=99, height=9, mode=FROM_CPU) & 1, 1)
        m(f"writeb {APERTURE:#x} 1")
        gfx(m, 0x20, 3)  # it changes meanwhile: what comes is taken, and does nothing
        store(m, APERTURE, bytes(2000))
        tap.equal(get(m, 0x3ce, 0x31), 0)
        tap.equal(blt(width=63, mode=FROM_CPU) & 1, 1)
        for reg, value in ((0x30, BACKWARDS), (0x28, 0xff), (0x29, 0xff), (0x2a, 0x3f)):
            gfx(m, reg, value)  # backwards it would be inside, but data comes forwards
        store(m, APERTURE, b"\x22" * 64)
        tap.equal((get(m, 0x3ce, 0x31), load(m, VRAM + 0x3fffc0, 64)), (0, bytes(64)))
        tap.equal(blt(width=8191, height=2047, mode=FROM_CPU) & 1, 1)
        gfx(m, 0x31, 4)
        gfx(m, 0x31, 0)
        tap.equal(get(m, 0x3ce, 0x31) & 1, 0, "given up")
        tap.equal(blt(width=7, mode=FROM_CPU) & 1, 1)
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(get(m, 0x3ce, 0x31), 0)


def window():
    """Banks, and eight pixels by a write."""
    with start() as m:
        store(m, VRAM, bytes(range(256)) * 0x200)
        m(f"writel {VRAM + 0x12000:#x} 0x44332211")
        gfx(m, 9, 0x12)
        tap.equal(int(m("readl 0xa0000")[0], 0), 0x44332211)
        gfx(m, 0xb, 0x21)  # two, of 16 KiB
        gfx(m, 9, 0)
        gfx(m, 0xa, 4)
        m("writeb 0xa8001 0x99")
        tap.equal(load(m, VRAM + 0x10000, 3), b"\0\x99\2")
        gfx(m, 0xa, 0xff)
        gfx(m, 0xb, 0x20)
        tap.equal(int(m("readl 0xa8000")[0], 0), 0x03020100)
        for reg, value in ((1, 0xf1), (0x11, 0xf2), (0, 0xb1), (0x10, 0xb2), (0xb, 6), (5, 4)):
            gfx(m, reg, value)
        store(m, VRAM, b"\xa0")
        tap.equal(load(m, 0xa0000, 1), b"\xf1", "by addresses of eight")
        gfx(m, 5, 5)
        store(m, 0xa0001, b"\xa0")
        gfx(m, 0xb, 0)
        gfx(m, 5, 0x40)
        tap.equal(load(m, VRAM, 16), bytes.fromhex("f101f10304050607f1b1f1b1b1b1b1b1"))
        gfx(m, 0xb, 0x14)
        gfx(m, 5, 5)
        store(m, VRAM + 1, b"\x80")
        gfx(m, 0xb, 0)
        tap.equal(load(m, VRAM + 16, 16), bytes.fromhex("f1f2" + "b1b2" * 7), "of two bytes each")


def set_mode(m, kind, width=64, height=4, pitch=None):
    """@width times @height pixels, as SR7 says."""
    crtc(m, 0x11, 0)
    for reg, value in ((1, width // 8 - 1), (7, 0), (0x12, height - 1), (0x13, (pitch or width) // 8), (0x1b, 0x22), (0xc, 0), (0xd, 0)):
        crtc(m, reg, value)
    seq(m, 7, kind)
    m.read("b", 0x3da)
    m.write("b", 0x3c0, 0x20)


def hidden(m, value):
    m.read("b", 0x3c8)
    for _ in range(4):
        m.read("b", 0x3c6)
    m.write("b", 0x3c6, value)


def dump(m):
    m.qmp.command("screendump", filename=f"{m.dir}/picture")
    with open(f"{m.dir}/picture", "rb") as file:
        _, size, _, pixels = file.read().split(b"\n", 3)
    return (*map(int, size.split()), pixels)


def colour(m, index, rgb):
    m.write("b", 0x3c8, index)
    for part in rgb:
        m.write("b", 0x3c9, part >> 2)


def pictures():
    """Each kind of pixels, from any address; and the pointer, of both sizes."""
    with start() as m:
        for kind, dac, size, data, wanted in ((0x11, 0, 1, b"\7", (0, 255, 0)), (0x17, 0xc0, 2, b"\0\x7c", (255, 0, 0)),
                                              (0x17, 0xc1, 2, b"\xe0\7", (0, 255, 0)), (0x15, 0xc5, 3, b"\x33\x22\x11", (0x11, 0x22, 0x33)),
                                              (0x19, 0xc5, 4, b"\x66\x55\x44\x99", (0x44, 0x55, 0x66))):
            set_mode(m, kind, pitch=64 * size)
            hidden(m, dac)
            colour(m, 7, (0, 255, 0))
            store(m, VRAM, bytes(64 * 16))
            store(m, VRAM + 64 * size * 2 + 5 * size, data)
            width, height, pixels = dump(m)
            tap.equal((width, height), (64, 4))
            tap.equal(pixels, bytes(3 * (64 * 2 + 5)) + bytes(wanted) + bytes(3 * (64 * 2 - 6)), hex(kind))
        crtc(m, 0xd, 64)  # a line further
        tap.equal(dump(m)[2][3 * 64 + 15:3 * 64 + 18], b"\x44\x55\x66")
        crtc(m, 0x1d, 0x80)  # and 2 MiB
        store(m, VRAM + 0x200100, b"\1\2\3\4")
        tap.equal(dump(m)[2][:3], b"\3\2\1")
        for reg, value in ((0x1d, 0), (0xd, 0)):
            crtc(m, reg, value)
        seq(m, 0x12, 2)
        colour(m, 0, (255, 0, 0))
        colour(m, 15, (0, 0, 255))
        store(m, VRAM, bytes(0x1000))
        seq(m, 0x13, 1)
        for large, at in ((0, 0x3fc100), (4, 0x3fc000)):
            second = 8 if large else 128
            store(m, VRAM + 0x3fc000, bytes(0x500))
            store(m, VRAM + at, b"\x50")
            store(m, VRAM + at + second, b"\x30")
            seq(m, 0x12, 1 | large)
            seq(m, 0x10 | 3 << 5, 1)  # 11, 1
            seq(m, 0x11 | 1 << 5, 0)
            wanted = bytearray(3 * 64 * 4)
            wanted[3 * (64 + 11):3 * (64 + 15)] = b"\0\0\0" + b"\xff\xff\xff" + b"\xff\0\0" + b"\0\0\xff"
            tap.equal(dump(m)[2], bytes(wanted), f"the pointer {large}")
        seq(m, 0x10 | 7 << 5, 0xff)  # beyond the picture
        tap.equal(dump(m)[2], bytes(3 * 64 * 4))
        store(m, VRAM, b"\xff" * 16)
        seq(m, 1, 0x20)  # as SeaBIOS has it
        tap.equal(dump(m)[2][:12], b"\xff" * 12)
        m.read("b", 0x3da)
        m.write("b", 0x3c0, 0)
        tap.equal(dump(m)[2], bytes(3 * 64 * 4), "no picture")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(dump(m)[:2], (640, 480), "as at first")


def snapshots():
    """In the midst of a BLT whose data the CPU sends."""
    with tempfile.NamedTemporaryFile(suffix=".qcow2") as image:
        subprocess.run([f"{sys.argv[1]}/tools/img/dimmable-img", "create", "-q", "-f", "qcow2", image.name, "1M"], check=True)
        with start(extra=["-drive", f"if=none,id=d0,format=qcow2,file={image.name}"]) as m:
            for reg, value in ((0x20, 7), (0x22, 1), (0x24, 16), (0x29, 1), (0x30, 4), (0x32, 0x0d), (0x31, 2)):
                gfx(m, reg, value)
            store(m, APERTURE, b"0123456789")
            tap.equal(m.qmp.command("human-monitor-command", **{"command-line": "savevm s"}), "")
            store(m, APERTURE, b"abcdef")
            store(m, VRAM + 0x100, bytes(32))
            tap.equal(get(m, 0x3ce, 0x31), 0)
            tap.equal(m.qmp.command("human-monitor-command", **{"command-line": "loadvm s"}), "")
            tap.equal(get(m, 0x3ce, 0x31) & 1, 1)
            store(m, VRAM, b"abcdef")
            tap.equal(load(m, VRAM + 0x100, 24), b"01234567" + bytes(8) + b"89abcdef")
            tap.equal(get(m, 0x3ce, 0x31), 0)


tap.run([(function.__name__, function) for function in (registers, engine, autostart, hostile, window, pictures, snapshots)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vmware-svga: its registers, its FIFO, and its pictures."""
import random
import subprocess
import sys
import tempfile

import machine
import tap

SLOT = 5
PORTS, VRAM, FIFO = 0xc000, 0xe0000000, 0xe8000000
MEMORY = 0x1000000
(ID, ENABLE, WIDTH, HEIGHT, CAPABILITIES, CONFIG_DONE, SYNC, BUSY, CURSOR_ID, PITCHLOCK) = (0, 1, 2, 3, 17, 20, 21, 22, 24, 32)
FILL, COPY, FENCE = 2, 3, 30
FIRST = 0x1000  # bytes: where commands begin


def start(words="", extra=()):
    m = machine.Machine("16M", extra=[*extra, "-device", f"vmware-svga,id=v0,addr={SLOT}{words}"])
    place(m)
    return m


def place(m):
    for offset, value in ((0x10, PORTS | 1), (0x14, VRAM), (0x18, FIFO), (0x04, 3)):
        m.write("l", 0xcf8, 0x80000000 | SLOT << 11 | offset)
        m.write("l", 0xcfc, value)


def get(m, reg):
    m.write("l", PORTS, reg)
    return m.read("l", PORTS + 1)


def put(m, reg, value):
    m.write("l", PORTS, reg)
    m.write("l", PORTS + 1, value)


def load(m, at, size):
    return bytes.fromhex(m(f"read {at:#x} {size:#x}")[0][2:])


def store(m, at, data):
    m(f"write {at:#x} {len(data):#x} 0x{data.hex()}")


def word(m, n, value=None):
    if value is None:
        return int(m(f"readl {FIFO + 4 * n:#x}")[0], 0)
    return m(f"writel {FIFO + 4 * n:#x} {value:#x}")


def begin(m, width=64, height=32, last=0x10000):
    put(m, WIDTH, width)
    put(m, HEIGHT, height)
    put(m, ENABLE, 1)
    for n, value in enumerate((FIRST, last, FIRST, FIRST)):
        word(m, n, value)
    put(m, CONFIG_DONE, 1)


def add(m, *words):
    """Words behind those that are in the FIFO."""
    first, last, at = (word(m, n) for n in range(3))
    for value in words:
        m(f"writel {FIFO + at:#x} {value & 0xffffffff:#x}")
        at = at + 4 if at + 4 < last else first
    word(m, 2, at)


def sync(m):
    put(m, SYNC, 1)
    for _ in range(1000):
        if not get(m, BUSY):
            return
    raise AssertionError("it is busy for ever")


def dump(m):
    m.qmp.command("screendump", filename=f"{m.dir}/picture")
    with open(f"{m.dir}/picture", "rb") as file:
        _, size, _, pixels = file.read().split(b"\n", 3)
    return (*map(int, size.split()), pixels)


def registers():
    """What a driver asks for first, and what it may set."""
    with start() as m:
        tap.equal([get(m, reg) for reg in (ID, 6, 7, 9, 10, 11, 13, 15, 18, 19, 28)],
                  [0x90000002, 24, 32, 0xff0000, 0xff00, 0xff, VRAM, MEMORY, FIFO, 0x10000, 32])
        for value, wanted in ((0x90000000, 0x90000000), (0x90000003, 0x90000000), (0x90000002, 0x90000002), (7, 0x90000002)):
            put(m, ID, value)
            tap.equal(get(m, ID), wanted)
        tap.equal(get(m, CAPABILITIES), 0x282e3)
        put(m, WIDTH, 800)
        put(m, HEIGHT, 600)
        tap.equal((get(m, 12), get(m, WIDTH), get(m, HEIGHT)), (3200, 800, 600))
        for reg in (WIDTH, HEIGHT):
            for value in (0, 8193, 0xffffffff):
                put(m, reg, value)
        tap.equal((get(m, WIDTH), get(m, HEIGHT)), (800, 600), "there are no such sizes")
        put(m, PITCHLOCK, 4096)
        tap.equal((get(m, 12), get(m, PITCHLOCK)), (4096, 4096))
        put(m, PITCHLOCK, 0)
        tap.equal(get(m, 12), 3200)
        for reg in (CAPABILITIES, 13, 15, 1000, 0xffffffff):
            old = get(m, reg)
            put(m, reg, 5)
            tap.equal(get(m, reg), old)
        tap.equal(word(m, 4), 0x31, "what the FIFO can do")
    with start(",vgamem_mb=4") as m:
        tap.equal(get(m, 15), 4 << 20)


def pictures():
    """Its own when it is switched on, and that of the VGA when not."""
    with start() as m:
        tap.equal(dump(m)[:2], (640, 480))
        begin(m, 64, 2)
        for n, pixel in enumerate((0xff0000, 0xff00, 0xff)):
            m(f"writel {VRAM + 4 * n:#x} {pixel:#x}")
        wanted = (64, 2, bytes.fromhex("ff000000ff000000ff").ljust(3 * 128, b"\0"))
        tap.equal(dump(m), wanted)
        put(m, PITCHLOCK, 8)
        tap.equal(dump(m)[2][3 * 64:3 * 65], b"\0\0\xff", "the second line begins there")
        put(m, PITCHLOCK, 0)
        put(m, ENABLE, 3)
        tap.equal(dump(m)[:2], (640, 480), "hidden")
        put(m, ENABLE, 1)
        tap.equal(dump(m), wanted)
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        place(m)
        tap.equal((dump(m)[:2], get(m, ENABLE), get(m, WIDTH)), ((640, 480), 0, 640))
        put(m, PITCHLOCK, 0xfffc)
        begin(m, 8192, 260)
        store(m, VRAM + 256 * 0xfffc, b"\xff" * 1024)
        width, height, pixels = dump(m)
        tap.equal((width, height, pixels[3 * 8192 * 256:]), (8192, 260, (b"\xff" * 768).ljust(3 * 8192 * 4, b"\0")), "which the memory ends in")
        put(m, HEIGHT, 8192)
        tap.equal(dump(m)[:2], (8192, 512), "no more than the memory has")


def rectangles():
    """Those that the FIFO fills and copies, held against a model, while it goes round."""
    rand, width, height = random.Random(405), 24, 16
    with start() as m:
        begin(m, width, height, FIRST + 4 * 64)
        model = [rand.randrange(1 << 32) for _ in range(width * height)]
        store(m, VRAM, b"".join(pixel.to_bytes(4, "little") for pixel in model))
        for n in range(60):
            (x, w), (y, h) = ((at, rand.randrange(1, most - at + 1)) for most in (width, height) for at in [rand.randrange(most)])
            if rand.random() < 0.4:
                pixel = rand.randrange(1 << 32)
                add(m, FILL, pixel, x, y, w, h)
                pixels = {(i, j): pixel for i in range(w) for j in range(h)}
            else:
                from_x, from_y = rand.randrange(width - w + 1), rand.randrange(height - h + 1)
                add(m, COPY, from_x, from_y, x, y, w, h)
                pixels = {(i, j): model[(from_y + j) * width + from_x + i] for i in range(w) for j in range(h)}
            for (i, j), pixel in pixels.items():
                model[(y + j) * width + x + i] = pixel
            add(m, 1, 0, 0, width, height)
            sync(m)
            found = load(m, VRAM, 4 * width * height)
            tap.equal([int.from_bytes(found[at:at + 4], "little") for at in range(0, len(found), 4)], model, n)
            tap.equal(word(m, 3), word(m, 2), "the FIFO is empty")
        add(m, FILL, 0x112233, 0, 0, width, height)
        m.qmp.command("stop")
        tap.equal((dump(m)[2][:3] == b"\x11\x22\x33", word(m, 3) == word(m, 2)), (False, False), "not while the machine stands")
        m.qmp.command("cont")
        tap.equal(dump(m)[2], b"\x11\x22\x33" * width * height, "who looks has it carried out, too")


def fences():
    """What has been done; where the guest has put commands over the word, nothing is written there."""
    with start() as m:
        begin(m)
        add(m, FENCE, 77)
        tap.equal(word(m, 6), 0, "not before somebody asks")
        word(m, 290, 1)
        sync(m)
        tap.equal((word(m, 6), word(m, 290)), (77, 0))
        put(m, CONFIG_DONE, 0)
        for n, value in enumerate((16, 0x10000, 16, 16)):
            word(m, n, value)
        put(m, CONFIG_DONE, 1)
        add(m, 1, 1, 2, 3, 4, FENCE, 78)
        sync(m)
        tap.equal((word(m, 6), word(m, 3)), (2, 44))


def hostile():
    """Places and sizes that there are not; commands that end nowhere; so much work that it takes turns."""
    with start() as m:
        begin(m)
        store(m, VRAM, b"\x11" * 256)
        most = 0xffffffff
        for words in ((FILL, 5, 0, 0, 65, 1), (FILL, 5, 0, 0, 1, 33), (FILL, 5, most, 0, 2, 1), (FILL, 5, 0, most, 1, 2),
                      (FILL, 5, 0, 0, 0, 1), (FILL, 5, 0, 0, most, most), (COPY, 0, 0, 60, 0, 5, 1), (COPY, 60, 0, 0, 0, 5, 1),
                      (COPY, 0, 31, 0, 0, 1, 2), (COPY, most, most, 0, 0, 2, 2), (COPY, 0, 0, 1, 1, 0, 0)):
            add(m, *words)
            sync(m)
            tap.equal((load(m, VRAM, 256), word(m, 3)), (b"\x11" * 256, word(m, 2)), words)
        for words in ((99, 1, 2), (0,), (19, 0, 0, 0, most, most, 32, 32), (22, 0, 0, 0, 0x10000, 0x10000), (33, 0, most),
                      (19, 0, 0, 0, 100, 1000, most, most)):
            add(m, *words, FENCE, 1)
            sync(m)
            tap.equal(word(m, 3), word(m, 2), f"{words}: dropped")
        add(m, FILL, 5, 0)
        sync(m)
        tap.equal(load(m, VRAM, 4), b"\x11" * 4, "it is not all there")
        add(m, 0, 1, 1)
        sync(m)
        tap.equal(load(m, VRAM, 8), b"\5\0\0\0" + b"\x11" * 4)
        for wrong in ((0, most), (1, 4), (1, 0x10004), (0, 0x10000), (2, 0), (3, 0xffff), (2, 0x1001), (0, 2), (3, most)):
            old = word(m, wrong[0])
            word(m, *wrong)
            sync(m)
            word(m, wrong[0], old)
            dump(m)
        put(m, ENABLE, 0)
        add(m, FILL, 6, 0, 0, 1, 1)
        sync(m)
        tap.equal((load(m, VRAM, 1), get(m, CONFIG_DONE)), (b"\5", 0), "it is off")
        begin(m, 2048, 2048)
        add(m, *[value for n in range(20) for value in (COPY, 0, 0, 0, 0, 2048, 2048)], FILL, 7, 0, 0, 1, 1)
        put(m, SYNC, 1)
        tap.equal(load(m, VRAM, 1), b"\5", "it goes on later")
        for _ in range(20):
            m(f"clock_step {1000000}")
        tap.equal((load(m, VRAM, 1), get(m, BUSY)), (b"\7", 0))
        begin(m, 512, 8192)
        add(m, *[value for n in range(40) for value in (FILL, 3, 0, 0, 1, 8192)], FILL, 9, 0, 0, 1, 1)
        put(m, SYNC, 1)
        tap.equal(load(m, VRAM, 1), b"\3", "lines cost something, however short they are")
        sync(m)
        tap.equal(load(m, VRAM, 1), b"\x09")
        begin(m, 2048, 2048)
        put(m, PITCHLOCK, 0xffff)
        add(m, FILL, 9, 2047, 255, 1, 1, FILL, 8, 2047, 256, 1, 1)
        sync(m)
        tap.equal(load(m, VRAM + 255 * 0xfffc + 2047 * 4, 1), b"\x09")


def snapshots():
    """While the FIFO is at work."""
    with tempfile.NamedTemporaryFile(suffix=".qcow2") as image:
        subprocess.run([f"{sys.argv[1]}/tools/img/dimmable-img", "create", "-q", "-f", "qcow2", image.name, "1M"], check=True)
        with start(",vgamem_mb=4", extra=["-drive", f"if=none,id=d0,format=qcow2,file={image.name}"]) as m:
            begin(m, 1024, 1024)
            add(m, *[value for n in range(20) for value in (COPY, 0, 0, 0, 0, 1024, 1024)], FILL, 7, 0, 0, 1, 1)
            put(m, SYNC, 1)
            tap.equal(m.qmp.command("human-monitor-command", **{"command-line": "savevm s"}), "")
            sync(m)
            tap.equal(load(m, VRAM, 4), b"\7\0\0\0")
            tap.equal(m.qmp.command("human-monitor-command", **{"command-line": "loadvm s"}), "")
            tap.equal((load(m, VRAM, 4), get(m, WIDTH)), (bytes(4), 1024))
            for _ in range(20):
                m("clock_step 1000000")
            tap.equal((load(m, VRAM, 4), get(m, BUSY)), (b"\7\0\0\0", 0))
            tap.equal(dump(m)[2][:6], b"\0\0\7\0\0\0")


tap.run([(function.__name__, function) for function in (registers, pictures, rectangles, fences, hostile, snapshots)])

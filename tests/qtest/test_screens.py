#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Screens: which there are, their registers as a guest reaches them, and their pictures as files."""
import os
import struct
import subprocess
import sys
import tempfile
import zlib

import machine
import tap
import vm

SLOT = 5
VRAM, REGISTERS = 0xe0000000, 0xe8000000
RED, GREEN, BLUE = b"\xff\0\0", b"\0\xff\0", b"\0\0\xff"


def start(*devices, extra=()):
    return machine.Machine("16M", extra=[*extra, *[word for device in devices for word in ("-device", device)]])


def config(m, offset, value, slot=SLOT):
    m.write("l", 0xcf8, 0x80000000 | slot << 11 | offset)
    m.write("l", 0xcfc, value)


def place(m, slot=SLOT, vram=VRAM, registers=REGISTERS):
    config(m, 0x10, vram, slot)
    config(m, 0x18, registers, slot)
    config(m, 0x04, 3, slot)


def dispi(m, reg, value, registers=REGISTERS):
    m(f"writew {registers + 0x500 + 2 * reg:#x} {value:#x}")


def set_mode(m, width, height, bpp=32, registers=REGISTERS):
    for reg, value in ((4, 0), (1, width), (2, height), (3, bpp), (4, 0x41)):
        dispi(m, reg, value, registers)


def hmp(m, line):
    return m.qmp.command("human-monitor-command", **{"command-line": line})


def error(m, **arguments):
    try:
        m.qmp.command("screendump", **arguments)
    except vm.QmpError as failure:
        return str(failure)
    raise AssertionError(f"screendump {arguments} went well")


def ppm(path):
    """(width, height, bytes)"""
    with open(path, "rb") as file:
        kind, size, most, pixels = file.read().split(b"\n", 3)
    tap.equal((kind, most), (b"P6", b"255"))
    width, height = map(int, size.split())
    tap.equal(len(pixels), 3 * width * height)
    return width, height, pixels


def png(path):
    """The same of a PNG of three bytes a pixel, whose lines have filters."""
    with open(path, "rb") as file:
        data = file.read()
    tap.equal(data[:8], b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        chunks[kind] = chunks.get(kind, b"") + data[at + 8:at + 8 + length]
        tap.equal(struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0], zlib.crc32(data[at + 4:at + 8 + length]))
        at += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    tap.equal((depth, colour), (8, 2))
    raw, stride, lines, last = zlib.decompress(chunks[b"IDAT"]), 3 * width, [], bytes(3 * width)
    for y in range(height):
        how, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            left, up, corner = (line[x - 3] if x > 2 else 0), last[x], (last[x - 3] if x > 2 else 0)
            paeth = min((abs(up - corner), 0, left), (abs(left - corner), 1, up),
                        (abs(left + up - 2 * corner), 2, corner))[2]
            line[x] = (line[x] + (0, left, up, (left + up) // 2, paeth)[how]) & 255
        lines.append(bytes(line))
        last = line
    return width, height, b"".join(lines)


def dump(m, read=ppm, **arguments):
    path = f"{m.dir}/picture"
    m.qmp.command("screendump", filename=path, **arguments)
    return read(path)


def pictures():
    """Three pixels, in each format, and by HMP; before a mode is set it is black."""
    with start(f"VGA,id=v0,addr={SLOT}") as m:
        tap.equal(dump(m), (640, 480, bytes(3 * 640 * 480)), "nothing yet")
        place(m)
        set_mode(m, 64, 2)
        m(f"writeb {REGISTERS + 0x400:#x} 0x20")
        for n, pixel in enumerate((0xff0000, 0xff00, 0xff)):
            m(f"writel {VRAM + 4 * n:#x} {pixel:#x}")
        wanted = (64, 2, (RED + GREEN + BLUE).ljust(3 * 64 * 2, b"\0"))
        tap.equal(dump(m), wanted)
        tap.equal(dump(m, format="ppm", device="v0", head=0), wanted)
        tap.equal(dump(m, device="/machine/peripheral/v0"), wanted)
        tap.equal(dump(m, read=png, format="png"), wanted, "PNG")
        for words, read in (("{}", ppm), ("{} v0 0", ppm), ("{} -f png v0", png), ("{} -f ppm", ppm)):
            tap.equal(hmp(m, "screendump " + words.format(f"{m.dir}/hmp")), "")
            tap.equal(read(f"{m.dir}/hmp"), wanted, words)
        tap.equal("ppm or png" in hmp(m, "screendump x -f gif"), True)
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(dump(m)[:2], (640, 480), "as at first")


def refused():
    with start() as m:
        tap.equal("no display device" in error(m, filename=f"{m.dir}/x"), True)
        tap.equal(os.path.exists(f"{m.dir}/x"), False)
    with start("VGA,id=v0", "virtio-rng-pci,id=r0") as m:
        for arguments, text in (({"device": "v1"}, "no device 'v1'"), ({"device": "r0"}, "'r0' has no screen"),
                                ({"device": "v0", "head": 1}, "no head 1"), ({"device": "v0", "head": -1}, "no head -1"),
                                ({"head": 0}, "give 'device'"), ({"filename": f"{m.dir}/no/x"}, "cannot write")):
            found = error(m, **{"filename": f"{m.dir}/x", **arguments})
            tap.equal(text in found, True, found)
        tap.equal(os.path.exists(f"{m.dir}/x"), False)
    for args, text in ((["-device", "VGA,vgamem_mb=3"], "power of 2"), (["-device", "VGA,vgamem_mb=512"], "power of 2"),
                       (["-device", "bochs-display,vgamem=3M"], "power of 2"), (["-vga", "std", "-device", "VGA"], "one VGA"),
                       (["-vga", "cirrus", "-device", "vmware-svga"], "one VGA"), (["-device", "vmware-svga,vgamem_mb=3"], "power of 2"),
                       (["-device", "ramfb", "-device", "ramfb"], "already"), (["-vga", "x"], "none, std")):
        status, found = machine.run_program("-accel", "qtest", "-display", "none", "-nodefaults", "-m", "16M", *args)
        tap.equal((status, text in found), (1, True), found)


def plugged():
    """They come and go, and so do their pictures; two have their own."""
    with start() as m:
        m.qmp.command("device_add", driver="bochs-display", id="b0", addr="5", vgamem=1 << 20)
        m.qmp.command("device_add", driver="secondary-vga", id="s0", addr="6", vgamem_mb=1)
        place(m)
        place(m, 6, VRAM + 0x4000000, REGISTERS + 0x4000000)
        set_mode(m, 64, 2)
        m(f"writel {VRAM:#x} 0xff0000")
        set_mode(m, 32, 3, 32, REGISTERS + 0x4000000)
        m(f"writeb {REGISTERS + 0x4000400:#x} 0x20")
        m(f"writel {VRAM + 0x4000000:#x} 0xff")
        tap.equal(hmp(m, "info pci").count("Display controller: PCI device 1234:1111"), 2)
        tap.equal(dump(m, device="b0"), (64, 2, RED.ljust(3 * 128, b"\0")))
        tap.equal(dump(m, device="s0"), (32, 3, BLUE.ljust(3 * 96, b"\0")))
        for n in (5, 6):
            m.qmp.command("device_del", id={5: "b0", 6: "s0"}[n])
            m.write("l", 0xae08, 1 << n)
            m.qmp.event("DEVICE_DELETED")
        tap.equal("no display device" in error(m, filename=f"{m.dir}/x"), True)
        m.qmp.command("device_add", driver="bochs-display", id="b0", vgamem=1 << 20)
        tap.equal(dump(m)[:2], (640, 480))
        tap.equal("cannot be plugged" in str(fails(m, driver="VGA")), True, str(fails(m, driver="VGA")))


def fails(m, **arguments):
    try:
        m.qmp.command("device_add", **arguments)
    except vm.QmpError as failure:
        return failure
    raise AssertionError(f"device_add {arguments} went well")


def registers():
    """Ports, BAR and EDID: what a driver asks first."""
    with start(f"VGA,addr={SLOT},xres=1024,yres=768") as m:
        m.write("w", 0x1ce, 0)
        tap.equal(m.read("w", 0x1cf), 0xb0c5)
        m.write("w", 0x1ce, 10)
        tap.equal((m.read("w", 0x1d0), m.read("w", 0x1cf)), (256, 256), "64 KiB each")
        m.write("w", 0x1ce, 1)
        m.write("w", 0x1cf, 800)
        place(m)
        tap.equal(int(m(f"readw {REGISTERS + 0x502:#x}")[0], 0), 800)
        tap.equal(int(m(f"readl {REGISTERS + 0x604:#x}")[0], 0), 0x1e1e1e1e)
        edid = bytes.fromhex(m(f"read {REGISTERS:#x} 0x80")[0][2:])
        tap.equal(edid[:8], b"\0\xff\xff\xff\xff\xff\xff\0")
        tap.equal((edid[56] | (edid[58] & 0xf0) << 4, edid[59] | (edid[61] & 0xf0) << 4), (1024, 768))
        m.write("b", 0x3c2, 1)
        m.write("b", 0x3d4, 0xc)
        m.write("b", 0x3d5, 0x12)
        tap.equal((m.read("b", 0x3d5), int(m(f"readb {REGISTERS + 0x415:#x}")[0], 0)), (0x12, 0x12))
        tap.equal(m.read("b", 0x3b5), 0xff, "it is a colour screen")
        m.write("w", 0x3ce, 0x0406)  # the window, at 0xa0000
        m.write("w", 0x3ce, 0xff08)
        m.write("w", 0x3c4, 0x0e04)
        m.write("w", 0x3c4, 0x0f02)
        m("writel 0xa0010 0x12345678")
        tap.equal((int(m("readl 0xa0010")[0], 0), int(m(f"readl {VRAM + 16:#x}")[0], 0)), (0x12345678, 0x12345678))
    with start(f"VGA,addr={SLOT},edid=off,qemu-extended-regs=off") as m:
        place(m)
        tap.equal(m(f"read {REGISTERS:#x} 8")[0], "0x" + "ff" * 8)
        tap.equal(int(m(f"readl {REGISTERS + 0x600:#x}")[0], 0), 0xffffffff)


def ramfb():
    """A picture in RAM, of which firmware tells by fw_cfg; nonsense is no picture."""
    with start("ramfb,id=f0") as m:
        def tell(data):
            m.write("w", 0x510, 0x19)
            names = bytes(m.read("b", 0x511) for _ in range(4 + 64 * 30))
            at = names.index(b"etc/ramfb\0")
            key = struct.unpack(">H", names[at - 4:at - 2])[0]
            m(f"write 0x8000 {len(data)} 0x{data.hex()}")
            m(f"write 0x9000 16 0x{struct.pack('>IIQ', key << 16 | 0x18, len(data), 0x8000).hex()}")
            m.write("l", 0x514, 0)
            m.write("l", 0x518, int.from_bytes((0x9000).to_bytes(4, "big"), "little"))
            tap.equal(m("read 0x9000 4")[0], "0x00000000", "it is written")

        tap.equal(dump(m)[:2], (640, 480))
        m("writel 0x100000 0xff0000")
        m("writel 0x100110 0xff")
        tell(struct.pack(">QIIIII", 0x100000, 0x34325258, 0, 64, 16, 0x110))
        width, height, pixels = dump(m, device="f0")
        tap.equal((width, height, pixels[:3], pixels[3 * 64:3 * 65]), (64, 16, RED, BLUE))
        m("writel 0x100000 0xff00")
        tap.equal(dump(m)[2][:3], GREEN, "it goes on")
        for wrong in ((0x20000000, 0x34325258, 0, 64, 16, 0), (0x100000, 1, 0, 64, 16, 0), (0x100000, 0x34325258, 0, 64, 16, 1),
                      (0x100000, 0x34325258, 0, 0xffffffff, 16, 0), (2**64 - 4, 0x34325258, 0, 64, 64, 0xffffffff)):
            tell(struct.pack(">QIIIII", *wrong))
            tap.equal(dump(m)[:2], (640, 480), wrong)


def snapshots():
    """A picture that comes with a snapshot is drawn anew."""
    with tempfile.NamedTemporaryFile(suffix=".qcow2") as image:
        subprocess.run([f"{sys.argv[1]}/tools/img/dimmable-img", "create", "-q", "-f", "qcow2", image.name, "1M"], check=True)
        for card in ("VGA,vgamem_mb=1", "bochs-display,vgamem=1M"):
            with start(f"{card},addr={SLOT}", extra=["-drive", f"if=none,id=d0,format=qcow2,file={image.name}"]) as m:
                place(m)
                set_mode(m, 64, 2)
                m(f"writeb {REGISTERS + 0x400:#x} 0x20")
                m(f"writel {VRAM:#x} 0xff0000")
                tap.equal(dump(m)[2][:6], RED + b"\0\0\0")
                tap.equal(hmp(m, "savevm s"), "")
                m(f"writel {VRAM + 4:#x} 0xff")
                tap.equal(dump(m)[2][:6], RED + BLUE)
                tap.equal(hmp(m, "loadvm s"), "")
                tap.equal(dump(m)[2][:6], RED + b"\0\0\0", card)


def egl_headless():
    """No window, but GL: pictures are seen as ever."""
    if "virtio-gpu-gl-pci" not in machine.run_program("-device", "help")[1]:
        raise tap.Skip("the program was built without virglrenderer")
    for display in "none", "egl-headless":
        with start(f"VGA,id=v0,addr={SLOT}", extra=["-display", display]) as m:
            tap.equal(m.qmp.command("query-display-options"), {"type": display})
            place(m)
            set_mode(m, 64, 2)
            m(f"writeb {REGISTERS + 0x400:#x} 0x20")
            m(f"writel {VRAM:#x} 0xff0000")
            tap.equal(dump(m), (64, 2, RED.ljust(3 * 64 * 2, b"\0")), display)


def option():
    """-vga: the card is the first one; there is none where nobody asks."""
    for args, wanted in ((["-vga", "std"], "1234:1111"), (["-vga", "cirrus"], "1013:00b8"), (["-vga", "vmware"], "15ad:0405"),
                         (["-vga", "none"], None), ([], None)):
        with start(extra=args) as m:
            found = hmp(m, "info pci")
            tap.equal(("VGA controller" in found, (wanted or "") in found), (bool(wanted), True), args)


tap.run([("pictures", pictures), ("refused", refused), ("plugged", plugged), ("registers", registers), ("ramfb", ramfb), ("snapshots", snapshots),
         ("-vga", option), ("-display egl-headless", egl_headless)])

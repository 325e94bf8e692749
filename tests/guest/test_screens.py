#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What firmware and Linux write is on the screen: each character that they have in memory looks the same wherever it
is, and no two look alike. test_screens.py BUILD-DIR"""
import base64
import os
import re
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
TEXT = "Dimmable: what you see is what is there. 0123456789"


BOCHS = ("drm", "drm_kms_helper", "ttm", "drm_ttm_helper", "drm_vram_helper", "bochs")
CIRRUS = ("drm", "drm_kms_helper", "drm_shmem_helper", "cirrus")
VMWGFX = ("drm", "drm_kms_helper", "ttm", "drm_ttm_helper", "vmwgfx")
QXL = ("drm", "drm_kms_helper", "ttm", "drm_ttm_helper", "qxl")


def machine(*extra, kernel=True, memory="512M", vmlinuz="vmlinuz", initrd="initrd", accel="soft"):
    guest = vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest" if kernel else None, accel=accel, memory=memory,
                  append=vm.APPEND + " vt.global_cursor_default=0", extra=list(extra), serial=kernel,
                  kernel=vmlinuz, initrd=initrd)
    if kernel:
        guest.wait_ready(240)
    return guest


def firmware(name):
    for place in ("/usr/share/seabios", "/usr/share/ovmf", "/usr/share/qemu"):
        if os.path.exists(f"{place}/{name}"):
            return f"{place}/{name}"
    raise tap.Skip(f"there is no {name}")


def picture(guest):
    """(width, height, bytes)"""
    path = f"{guest.dir}/picture"
    guest.qmp.command("screendump", filename=path)
    with open(path, "rb") as file:
        _, size, _, pixels = file.read().split(b"\n", 3)
    return (*map(int, size.split()), pixels)


def compare(cells, columns, rows, image):
    """@cells: what is in each place, as a byte and an attribute."""
    width, height, pixels = image
    across, down = width // columns, height // rows
    looks, meanings = {}, {}
    for n, cell in enumerate(cells):
        x, y = n % columns * across, n // columns * down
        look = b"".join(pixels[3 * (width * line + x):3 * (width * line + x + across)] for line in range(y, y + down))
        cell = (b" ", cell[1] & 0x70) if cell[0] in b"\0 " else (bytes(cell[:1]), cell[1])
        tap.equal(looks.setdefault(cell, look), look, f"cell {n}: {cell} looks as others do")
        tap.equal(meanings.setdefault(look, cell), cell, f"cell {n}: only that looks so")


def shows(guest, size):
    """What Linux has in its virtual terminal, after a text. DRM's driver draws it later."""
    guest.run(f"printf '\\033[2J\\033[H\\033[?25l{TEXT}\\r\\n\\n\\033[31mRED\\033[0m {TEXT}' > /dev/tty1")
    data = base64.b64decode(guest.run("base64 /dev/vcsa1"))
    rows, columns = data[:2]
    cells = [data[4 + 2 * n:6 + 2 * n] for n in range(rows * columns)]
    tap.equal(bytes(cell[0] for cell in cells[:len(TEXT)]).decode(), TEXT)
    problem = []

    def same():
        image = picture(guest)
        try:
            tap.equal(image[:2], size)
            compare(cells, columns, rows, image)
        except AssertionError as difference:
            problem[:] = [str(difference)[:300]]
            return False
        return True
    try:
        vm.wait_until(same, "the text is on the screen", 30)
    except vm.Timeout as late:
        raise AssertionError(problem) from late


def hmp(guest, line):
    return guest.qmp.command("human-monitor-command", **{"command-line": line})


def planes(guest, bar):
    """80 by 25 characters and attributes, of each four bytes of the video memory the first two; nothing yet."""
    place = re.search(rf"VGA controller(?s:.*?)BAR{bar}: .* at (0x[0-9a-f]+) ", hmp(guest, "info pci"))
    text = hmp(guest, f"xp /8000xb {place.group(1)}") if place else "cannot"
    if "cannot" in text:
        return []
    data = bytes(int(word, 16) for line in text.splitlines() for word in line.split(":")[1].split())
    return [data[n:n + 2] for n in range(0, 8000, 4)]


def seabios(card="std", bar=0):
    """Its text, from the video memory, which is BAR @bar."""
    with machine("-bios", firmware("bios-256k.bin"), "-vga", card, kernel=False, memory="64M") as guest:
        vm.wait_until(lambda: b"No bootable device" in b"".join(cell[:1] for cell in planes(guest, bar)), "SeaBIOS has looked everywhere")
        guest.qmp.command("stop")
        cells = planes(guest, bar)
        tap.equal(b"".join(cell[:1] for cell in cells)[:7], b"SeaBIOS")
        image = picture(guest)
        tap.equal(image[:2], (720, 400))
        end = b"".join(cell[:1] for cell in cells).index(b"No bootable") // 80 * 80 + 80  # the cursor is below
        compare(cells[:end], 80, 25, image)


def painter():
    """A boot sector: 640 by 480 of 24 bits; "!" to port 0xe9; with the first key, line 100 begins white; "!" again."""
    code = bytearray(b"\xfa\xb8\x02\x4f\xbb\x12\x41\xcd\x10\x31\xc0\x8e\xd8")  # the mode by VBE; ds = 0
    code += b"\x66\xb8\x10\x10\0\x80\xba\xf8\x0c\x66\xef\xba\xfc\x0c\x66\xed\x24\xf0\x66\x89\xc3"  # ebx: BAR 0 of 2.0
    lgdt = len(code)
    code += b"\x0f\x01\x16\0\0\x0f\x20\xc0\x0c\x01\x0f\x22\xc0"  # the GDT is put in below; protected mode
    code += b"\xea" + struct.pack("<HH", 0x7c00 + len(code) + 5, 8) + b"\x66\xb8\x10\0\x8e\xd8"
    code += b"\xb0\x21\xe6\xe9" + b"\xe4\x64\xa8\x01\x74\xfa" + b"\x81\xc3" + struct.pack("<I", 1920 * 100)
    code += b"\xc7\x03\xff\xff\xff\0" + b"\xb0\x21\xe6\xe9\xf4\xeb\xfd"
    code += bytes(-len(code) % 8)
    code[lgdt + 3:lgdt + 5] = struct.pack("<H", 0x7c00 + len(code) + 24)
    code += struct.pack("<QQQHI", 0, 0xcf9a000000ffff, 0xcf92000000ffff, 23, 0x7c00 + len(code))
    return bytes(code).ljust(510, b"\0") + b"\x55\xaa"


def written(engine):
    """What a guest writes to the video memory between two pictures is in the second."""
    if engine == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise tap.Skip("no KVM here")
    with tempfile.TemporaryDirectory() as folder:
        said = f"{folder}/said"
        with open(f"{folder}/disk", "wb") as file:
            file.write(painter().ljust(1 << 20, b"\0"))
        with machine("-bios", firmware("bios-256k.bin"), "-device", "VGA,addr=2", "-drive", f"if=ide,format=raw,file={folder}/disk",
                     "-debugcon", f"file:{said}", kernel=False, memory="64M", accel=engine) as guest:
            def begins():
                width, height, pixels = picture(guest)
                tap.equal((width, height), (640, 480))
                return pixels[1920 * 100:1920 * 100 + 3]
            vm.wait_until(lambda: os.path.exists(said) and os.path.getsize(said) == 1, "the mode is set")
            tap.equal(begins(), b"\0\0\0")
            guest.qmp.command("send-key", keys=[{"type": "qcode", "data": "a"}])
            vm.wait_until(lambda: os.path.getsize(said) == 2, "it is written")
            tap.equal(begins(), b"\xff\xff\xff")


def vgacon():
    """Text mode, which SeaBIOS has set up."""
    with machine("-bios", firmware("bios-256k.bin"), "-vga", "std") as guest:
        shows(guest, (720, 400))


def efifb(card, size):
    """A linear picture, of which OVMF has told Linux."""
    with machine("-bios", firmware("OVMF.fd"), *card) as guest:
        shows(guest, size)


def start(card, modules, size, memory):
    """Linux's own driver sets the mode that EDID prefers, or, of QXL, its own."""
    with machine(*card, vmlinuz="vmlinuz-generic", initrd="initrd-generic", memory=memory) as guest:
        for module in modules:
            guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
        vm.wait_until(lambda: "fb0" in guest.run("ls /dev", check=False), "there is a framebuffer")
        shows(guest, size)
        yield guest


def driver(card, modules=BOCHS, size=(1024, 600), memory="512M"):
    for _ in start(card, modules, size, memory):
        pass


def qxl(card):
    """It draws by commands, and goes on after the machine stood."""
    for guest in start(card, QXL, (1024, 768), "512M"):
        tap.equal("bug mode" in guest.run("dmesg"), False)
        guest.qmp.command("stop")
        guest.qmp.command("cont")
        shows(guest, (1024, 768))


TESTS = [("SeaBIOS", seabios), ("SeaBIOS, cirrus-vga", lambda: seabios("cirrus")), ("SeaBIOS, vmware-svga", lambda: seabios("vmware", 1)),
         ("SeaBIOS, QXL", lambda: seabios("qxl")),
         ("between pictures", lambda: written("soft")), ("between pictures, KVM", lambda: written("kvm")),
         ("Linux, text mode", vgacon),
         ("Linux by OVMF, VGA", lambda: efifb(["-vga", "std"], (1280, 800))),
         ("Linux's driver, VGA", lambda: driver(["-device", "VGA,xres=1024,yres=600"])),
         ("Linux's driver, bochs-display", lambda: driver(["-M", "q35", "-device", "bochs-display,xres=1024,yres=600"])),
         ("Linux's driver, cirrus-vga", lambda: driver(["-vga", "cirrus"], CIRRUS, (1024, 768))),
         ("Linux's driver, vmware-svga", lambda: driver(["-vga", "vmware"], VMWGFX, (1280, 800))),
         ("Linux's driver, QXL", lambda: qxl(["-vga", "qxl"])),
         ("Linux's driver, QXL without a VGA", lambda: qxl(["-M", "q35", "-device", "qxl,vram64_size_mb=128"])),
         ("Linux by OVMF, ramfb", lambda: efifb(["-device", "ramfb"], (800, 600)))]
tap.run([test for test in TESTS if not sys.argv[2:] or test[0] in sys.argv[2:]])

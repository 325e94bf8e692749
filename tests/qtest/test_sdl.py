#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-display sdl, in an X server of the test's own (Xvfb): the window shows what the guest draws, keys and the pointer, pressed and moved
by the extension XTEST, come to the guest, and the keys for the window work."""
import contextlib
import ctypes
import ctypes.util
import mmap
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import machine
from machine import tap, vm
from virtio_driver import Driver, Gpu

# X's keysyms.
CTRL, ALT, RIGHT_CTRL = 0xffe3, 0xffe9, 0xffe4


class Screen:
    """An X server of 800 times 600, whose pixels are in a file, and a client of it."""

    def __init__(self, folder):
        names = [ctypes.util.find_library(name) for name in ("X11", "Xtst", "SDL2-2.0")]
        if not shutil.which("Xvfb") or None in names:
            raise tap.Skip("no Xvfb, libX11, libXtst or libSDL2 here (packages xvfb, libxtst6, libsdl2-2.0-0)")
        read, write = os.pipe()
        with open(f"{folder}/xvfb", "wb") as log:
            self.process = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24", "-fbdir", folder, "-nolisten", "tcp",
                                             "-noreset"], pass_fds=[write], stdout=log, stderr=log)
        os.close(write)
        with os.fdopen(read) as file:
            self.name = f":{file.readline().strip()}"
        self.x, self.test = (ctypes.CDLL(name) for name in names[:2])
        self.x.XOpenDisplay.restype = self.x.XDefaultRootWindow.restype = ctypes.c_void_p
        self.x.XKeysymToKeycode.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
        self.display = ctypes.c_void_p(self.x.XOpenDisplay(self.name.encode()))
        self.be_manager()
        with open(f"{folder}/Xvfb_screen0", "r+b") as file:
            self.pixels = mmap.mmap(file.fileno(), 0)
        head = struct.unpack_from(">25I", self.pixels)  # of the format XWD
        self.start, self.stride = head[0] + 12 * head[19], head[12]

    def close(self):
        self.process.kill()
        self.process.wait()

    def pixel(self, x, y):
        return struct.unpack_from("<I", self.pixels, self.start + self.stride * y + 4 * x)[0] & 0xffffff

    def key(self, keysym, down):
        self.test.XTestFakeKeyEvent(self.display, self.x.XKeysymToKeycode(self.display, keysym), down, 0)
        self.x.XSync(self.display, 0)

    def keys(self, *keysyms):
        for keysym in keysyms:
            self.key(keysym, 1)
        for keysym in reversed(keysyms):
            self.key(keysym, 0)

    def move(self, x, y):
        self.test.XTestFakeMotionEvent(self.display, 0, x, y, 0)
        self.x.XSync(self.display, 0)

    def move_by(self, x, y):
        self.test.XTestFakeRelativeMotionEvent(self.display, x, y, 0)
        self.x.XSync(self.display, 0)

    def button(self, number, down):
        self.test.XTestFakeButtonEvent(self.display, number, down, 0)
        self.x.XSync(self.display, 0)

    def windows(self):
        """The places and sizes of the windows that are to be seen, but for the root."""
        root, parent, children, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.POINTER(ctypes.c_ulong)(), ctypes.c_uint()
        self.x.XQueryTree(self.display, ctypes.c_ulong(self.x.XDefaultRootWindow(self.display)), *map(ctypes.byref, (root, parent, children, count)))
        found = []
        for n in range(count.value):
            x, y = ctypes.c_int(), ctypes.c_int()
            sizes = [ctypes.c_uint() for _ in range(4)]
            if self.x.XGetGeometry(self.display, ctypes.c_ulong(children[n]), *map(ctypes.byref, (root, x, y, *sizes))) and sizes[0].value > 10:
                found.append((children[n], x.value, y.value, sizes[0].value, sizes[1].value))
        return found

    def title(self, window):
        name = ctypes.c_char_p()
        self.x.XFetchName(self.display, ctypes.c_ulong(window), ctypes.byref(name))
        return (name.value or b"").decode()

    def be_manager(self):
        """Hear what window managers are asked for."""
        self.x.XSelectInput(self.display, ctypes.c_ulong(self.x.XDefaultRootWindow(self.display)), ctypes.c_long(1 << 19))

    def asked_for_all(self):
        """1: a window wants all of the screen; 0: not any more; None: neither."""
        event = ctypes.create_string_buffer(192)
        if not self.x.XCheckTypedEvent(self.display, 33, event):
            return None
        kind, _, add, what = struct.unpack_from("@LlLL", event, 40)
        names = [self.x.XInternAtom(self.display, name, 0) for name in (b"_NET_WM_STATE", b"_NET_WM_STATE_FULLSCREEN")]
        return add if [kind, what] == names else None

    def ask_to_close(self, window):
        """As a window manager does."""
        atoms = [self.x.XInternAtom(self.display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")]
        event = struct.pack("@iLiPLLi5l24x", 33, 0, 1, self.display.value, window, atoms[0], 32, atoms[1], 0, 0, 0, 0).ljust(192, b"\0")
        self.x.XSendEvent(self.display, ctypes.c_ulong(window), 0, ctypes.c_long(0), event)
        self.x.XSync(self.display, 0)


class Window:
    """A machine with a virtio GPU, a keyboard and a pointer, and its window."""

    def __init__(self, options="", pointer="virtio-tablet-pci", extra=(), size=(640, 480)):
        self.folder = tempfile.TemporaryDirectory()
        self.screen = Screen(self.folder.name)
        os.environ.update(DISPLAY=self.screen.name, SDL_VIDEODRIVER="x11")
        try:
            self.m = machine.Machine(memory="64M", extra=[
                "-M", "pc", "-vga", "none", "-name", "box", "-device", "virtio-gpu-pci,addr=4", "-device", "virtio-keyboard-pci,addr=5",
                "-device", f"{pointer},addr=6", "-display", f"sdl{options}", *extra])
        except BaseException:
            self.screen.close()
            raise
        self.gpu = Gpu(self.m, 4)
        self.gpu.begin_screen()
        self.keyboard, self.pointer = (self.input(slot) for slot in (5, 6))
        self.expect_size(*size)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.m.__exit__(*exc)
        self.screen.close()
        self.folder.cleanup()

    def input(self, slot):
        device = Driver(self.m, slot, ram=0x100000 + slot * 0x10000)
        device.begin()
        device.queue(0, size=64)
        device.ready()
        return device

    def at(self):
        window, = self.screen.windows()
        return window

    def expect_size(self, width, height):
        vm.wait_until(lambda: [window[3:] for window in self.screen.windows()] == [(width, height)], f"a window of {width} times {height}")

    def picture(self, width=320, height=200, colour=0x102030):
        self.gpu.picture(1, width, height, colour)

    def expect_pixel(self, x, y, colour):
        vm.wait_until(lambda: self.screen.pixel(self.at()[1] + x, self.at()[2] + y) == colour, f"{colour:#x} at {x}, {y}")

    def focus(self):
        """There is no window manager that would do it."""
        _, x, y, width, height = self.at()
        self.screen.move(x + width // 2, y + height // 2)
        self.screen.x.XSetInputFocus(self.screen.display, ctypes.c_ulong(self.at()[0]), 1, ctypes.c_ulong(0))
        self.screen.x.XSync(self.screen.display, 0)

    def events(self, device, count):
        found = []
        for _ in range(count):
            where = device.ask(0, b"", room=8)
            total = device.queues[0][2]
            vm.wait_until(lambda total=total: device.used(0) == total, "an event")
            found.append(struct.unpack("<HHi", device.fetch(where, 8)))
        return found


def shows():
    with Window() as w:
        tap.equal(w.m.qmp.command("query-display-options"), {"type": "sdl"})
        tap.equal(w.screen.title(w.at()[0]), "Dimmable (box)")
        w.picture()
        w.expect_size(320, 200)
        w.expect_pixel(319, 199, 0x102030 + 320 * 200 - 1)
        w.expect_pixel(0, 1, 0x102030 + 320)
        w.gpu.change(1, 320, 7, 9, 0xabcdef)
        w.expect_pixel(7, 9, 0xabcdef)
        w.expect_pixel(8, 9, 0x102030 + 9 * 320 + 8)
        w.gpu.cursor(9, 100, 50, 0xff445566)
        w.expect_pixel(99, 48, 0x445566)
        w.expect_pixel(98, 48, 0x102030 + 48 * 320 + 98)
        # A user gives the window another size: the guest is told.
        w.screen.x.XResizeWindow(w.screen.display, ctypes.c_ulong(w.at()[0]), 500, 400)
        w.screen.x.XSync(w.screen.display, 0)
        w.expect_size(500, 400)
        vm.wait_until(lambda: struct.unpack_from("<4I", w.gpu.talk(0, struct.pack("<IIQII", 0x100, 0, 0, 0, 0), room=408), 24) == (0, 0, 500, 400),
                      "the size that the guest is to have")


def people():
    with Window() as w:
        w.picture()
        w.expect_size(320, 200)
        w.focus()
        # The place of the pointer until the window had the focus may be told, too.
        w.screen.keys(ord("a"))
        tap.equal(w.events(w.keyboard, 4), [(1, 30, 1), (0, 0, 0), (1, 30, 0), (0, 0, 0)])
        _, x, y, _, _ = w.at()
        w.screen.move(x + 319, y + 0)
        found = []
        while found[-3:] != [(3, 0, 32767), (3, 1, 0), (0, 0, 0)]:
            found += w.events(w.pointer, 1)
        w.screen.button(3, 1)
        tap.equal(w.events(w.pointer, 2), [(1, 273, 1), (0, 0, 0)])
        w.screen.button(3, 0)
        tap.equal(w.events(w.pointer, 2), [(1, 273, 0), (0, 0, 0)])
        # A key that is held is released when the window loses the focus.
        w.screen.key(ord("b"), 1)
        tap.equal(w.events(w.keyboard, 2), [(1, 48, 1), (0, 0, 0)])
        w.screen.x.XSetInputFocus(w.screen.display, ctypes.c_ulong(0), 0, ctypes.c_ulong(0))
        w.screen.x.XSync(w.screen.display, 0)
        tap.equal(w.events(w.keyboard, 2), [(1, 48, 0), (0, 0, 0)])
        w.screen.key(ord("b"), 0)


def commands():
    """Zoom, its end, all of the screen, and back; another console."""
    with Window(extra=["-device", "bochs-display,addr=8"]) as w:
        w.picture(400, 300)
        w.expect_size(400, 300)
        w.focus()
        w.screen.keys(CTRL, ALT, ord("="))
        w.expect_size(500, 375)
        w.expect_pixel(499, 374, 0x102030 + 400 * 300 - 1)
        w.screen.keys(CTRL, ALT, ord("-"))
        w.expect_size(400, 300)
        w.screen.keys(CTRL, ALT, ord("-"))
        w.expect_size(300, 225)
        w.screen.keys(CTRL, ALT, ord("u"))
        w.expect_size(400, 300)
        for wanted in (1, 0):
            w.screen.keys(CTRL, ALT, ord("f"))
            vm.wait_until(lambda wanted=wanted: w.screen.asked_for_all() == wanted, "the window manager is asked for it")
        w.screen.keys(CTRL, ALT, ord("2"))
        w.expect_size(640, 480)
        w.screen.keys(CTRL, ALT, ord("1"))
        w.expect_size(400, 300)


def grab():
    """A mouse gets moves while the window has the pointer."""
    with Window(",grab-mod=rctrl", pointer="virtio-mouse-pci") as w:
        w.picture(400, 300)
        w.expect_size(400, 300)
        w.focus()
        w.screen.button(1, 1)
        w.screen.button(1, 0)
        vm.wait_until(lambda: "press Right-Ctrl+G" in w.screen.title(w.at()[0]), "the title says so")
        w.screen.move_by(5, 0)
        found = w.events(w.pointer, 1)
        while found[-1] != (2, 0, 5):
            found += w.events(w.pointer, 1)
        w.screen.keys(RIGHT_CTRL, ord("g"))
        vm.wait_until(lambda: w.screen.title(w.at()[0]) == "Dimmable (box)", "it is released")


def closes():
    with Window(",window-close=off") as w:
        w.focus()
        w.screen.ask_to_close(w.at()[0])
        w.screen.keys(ord("a"))
        w.events(w.keyboard, 2)
        tap.equal(w.m.qmp.command("query-status")["running"], True)
    with Window(extra=["-full-screen"]) as w:
        vm.wait_until(lambda: "press Ctrl+Alt+G" in w.screen.title(w.at()[0]), "it has all of the screen, and the pointer")
        w.focus()
        w.screen.keys(CTRL, ALT, ord("f"))
        vm.wait_until(lambda: w.screen.asked_for_all() == 0, "and leaves it")
        w.screen.ask_to_close(w.at()[0])
        tap.equal(w.m.qmp.event("SHUTDOWN")["data"]["reason"], "host-ui")
        w.m.process.wait(vm.LONG)


def server_hangs():
    """An X server that does not answer: the machine goes on, draws in other sizes, and ends."""
    with Window() as w:
        w.picture(400, 300)
        w.expect_size(400, 300)
        w.expect_pixel(399, 299, 0x102030 + 400 * 300 - 1)
        time.sleep(0.2)  # nothing is left to draw: what hangs is what changes the window
        w.screen.process.send_signal(signal.SIGSTOP)
        for n in range(40):
            w.gpu.picture(100 + n, 320 + n, 200, 0x102030)
            tap.equal(w.m.qmp.command("query-status")["running"], True)
        w.m.qmp.command("quit")
        tap.equal(w.m.process.wait(vm.LONG), 0)


def threads(pid):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            yield (task / "comm").read_text(encoding="ascii").strip()


def server_is_silent():
    """One that takes the connection, and says nothing: a signal ends that."""
    with tempfile.TemporaryDirectory() as folder:
        screen = Screen(folder)
        screen.process.send_signal(signal.SIGSTOP)
        try:
            environment = {**os.environ, "DISPLAY": screen.name, "SDL_VIDEODRIVER": "x11"}
            with subprocess.Popen([machine.PROGRAM, "-accel", "qtest", "-nodefaults", "-M", "none", "-display", "sdl"],
                                  env=environment, stderr=subprocess.PIPE) as process:
                vm.wait_until(lambda: "sdl" in threads(process.pid), "the window's thread")
                process.terminate()
                text = process.communicate(timeout=vm.LONG)[1].decode()
                tap.equal((process.returncode, "-display sdl" in text), (1, True), text)
        finally:
            screen.close()


def refused():
    base = ["-accel", "qtest", "-nodefaults", "-M", "none"]
    os.environ.update(DISPLAY=":nowhere", SDL_VIDEODRIVER="x11")
    for options, words in (("sdl", "there is no screen for a window"), ("sdl,gl=on", "not drawn by OpenGL"), ("sdl,grab-mod=x", "grab-mod"),
                           ("sdl,addr=x", "addr")):
        status, text = machine.run_program(*base, "-display", options)
        tap.equal((status, words in text), (1, True), f"{options}: {text}")


# libdbus, which SDL loads, leaves memory behind.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
tap.run([(function.__name__, function) for function in (shows, people, commands, grab, closes, server_hangs, server_is_silent, refused)])

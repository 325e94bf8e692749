#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Graphics cards that another program is, with a back-end of our own (vhost_backend.py) that shows pictures, and one that
says what makes no sense."""
import contextlib
import mmap
import os
import socket
import struct
import tempfile
import threading

import machine
import tap
import vm
import vhost_backend as vhost
import virtio_driver

RAM = ["-object", "memory-backend-memfd,id=ram,size=16M", "-machine", "pc,memory-backend=ram"]
SLOT = 4
(GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_DISPLAY_INFO, CURSOR_POS, CURSOR_POS_HIDE, CURSOR_UPDATE, SCANOUT, UPDATE,
 DMABUF_SCANOUT, DMABUF_UPDATE) = range(1, 11)
XR24 = 0x34325258


class Card:
    def __init__(self, end, m):
        self.end, self.m = end, m
        self.connect()

    def connect(self):
        self.end.wait(lambda: self.end.pictures, "the socket for pictures")
        self.sock, self.end.pictures = self.end.pictures, None

    def send(self, request, payload=b"", fds=(), size=None):
        data = struct.pack("<III", request, 0, len(payload) if size is None else size) + payload
        if fds:
            socket.send_fds(self.sock, [data], fds)
        else:
            self.sock.sendall(data)

    def ask(self, request, payload=b""):
        self.send(request, payload)
        return self.answer(request)

    def answer(self, request):
        header = self.sock.recv(12, socket.MSG_WAITALL)
        number, flags, size = struct.unpack("<III", header)
        tap.equal((number, flags), (request, 4))
        return self.sock.recv(size, socket.MSG_WAITALL) if size else b""

    def picture(self):
        """What is shown when the card has looked at all that was said."""
        self.ask(GET_PROTOCOL_FEATURES)
        path = f"{self.m.dir}/picture"
        self.m.qmp.command("screendump", filename=path, device="g0")
        with open(path, "rb") as file:
            _, size, _, pixels = file.read().split(b"\n", 3)
        width, height = map(int, size.split())
        return width, height, lambda x, y: pixels[3 * (width * y + x):][:3].hex()

    def ended(self):
        """The machine has hung up, and lives."""
        self.sock.settimeout(60)
        with contextlib.suppress(ConnectionError):
            while self.sock.recv(4096):
                pass
        tap.equal(self.m.qmp.command("query-status")["status"], "running")


@contextlib.contextmanager
def card(kind="vhost-user-gpu-pci", more="", chardev="reconnect=1"):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/backend"
        end = vhost.Backend(path, protocol=vhost.REPLY_ACK)
        try:
            with machine.Machine(memory="16M", extra=[*RAM, "-chardev", f"socket,id=c0,path={path},{chardev}", "-device",
                                                      f"{kind},id=g0,chardev=c0,addr={SLOT}{more}"]) as m:
                yield Card(end, m)
        finally:
            end.close()


def display():
    with card(more=",max_outputs=2,xres=1024,yres=768") as c:
        tap.equal(c.ask(GET_PROTOCOL_FEATURES), bytes(8))
        c.send(SET_PROTOCOL_FEATURES, bytes(8))
        info = c.ask(GET_DISPLAY_INFO)
        tap.equal(len(info), 24 + 16 * 24)
        tap.equal(struct.unpack_from("<I", info)[0], 0x1101)
        tap.equal(struct.unpack_from("<IIIIII", info, 24), (0, 0, 1024, 768, 1, 0))
        tap.equal(struct.unpack_from("<IIIIII", info, 48), (0, 0, 0, 0, 0, 0))


def pixels(colour, count):
    return struct.pack("<I", colour) * count


def pictures():
    with card() as c:
        tap.equal(c.picture()[:2], (640, 480))
        c.send(SCANOUT, struct.pack("<III", 0, 320, 200))
        c.send(UPDATE, struct.pack("<IIIII", 0, 0, 0, 320, 200) + pixels(0x112233, 320 * 200))
        c.send(UPDATE, struct.pack("<IIIII", 0, 300, 190, 20, 10) + pixels(0xff445566, 200))
        width, height, pixel = c.picture()
        tap.equal((width, height), (320, 200))
        tap.equal([pixel(0, 0), pixel(299, 199), pixel(300, 189), pixel(300, 190), pixel(319, 199)],
                  ["112233"] * 3 + ["445566"] * 2)
        # A pointer; then nothing is shown.
        c.send(CURSOR_UPDATE, struct.pack("<IIIII", 0, 5, 6, 1, 2) + pixels(0xffffffff, 64 * 64))
        c.send(CURSOR_POS, struct.pack("<III", 0, 7, 8))
        c.send(CURSOR_POS_HIDE, struct.pack("<III", 0, 7, 8))
        c.send(SCANOUT, struct.pack("<III", 0, 0, 0))
        tap.equal(c.picture()[:2], (640, 480))
        # What comes in pieces.
        c.send(SCANOUT, struct.pack("<III", 0, 64, 2))
        data = struct.pack("<IIIIIIII", UPDATE, 0, 20 + 512, 0, 0, 0, 64, 2) + pixels(0x0a0b0c, 128)
        for n in range(0, len(data), 7):
            c.sock.sendall(data[n:n + 7])
            if n % 70 == 0:
                c.m.qmp.command("query-status")
        tap.equal(c.picture()[2](63, 1), "0a0b0c")
        # A reset of the machine has it show nothing.
        c.m.qmp.command("system_reset")  # which asks the back-end first, and is not waited for
        vm.wait_until(lambda: c.picture()[:2] == (640, 480), "nothing is shown")


def memory(size):
    fd = os.memfd_create("picture")
    os.truncate(fd, size)
    return fd, mmap.mmap(fd, size)


def descriptors(m):
    """Those of memory() that the machine has."""
    folder = f"/proc/{m.process.pid}/fd"
    return sum("memfd:picture" in os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder))


def shared():
    """A picture in memory of the other program, which is cut off then."""
    with card() as c:
        fd, data = memory(64 * 1024)
        data[:] = pixels(0x123456, 16 * 1024)
        c.send(DMABUF_SCANOUT, struct.pack("<10I", 0, 8, 4, 100, 60, 128, 64, 1024, 0, XR24), [fd])
        data[5 * 1024 + 9 * 4:5 * 1024 + 10 * 4] = pixels(0xabcdef, 1)
        tap.equal(c.ask(DMABUF_UPDATE, struct.pack("<IIIII", 0, 0, 0, 100, 60)), b"")
        width, height, pixel = c.picture()
        tap.equal((width, height, pixel(0, 0), pixel(1, 1), pixel(99, 59)), (100, 60, "123456", "abcdef", "123456"))
        # More descriptors than a message has are closed.
        c.send(DMABUF_SCANOUT, struct.pack("<10I", 0, 8, 4, 100, 60, 128, 64, 1024, 0, XR24), [fd, fd])
        c.ask(GET_PROTOCOL_FEATURES)
        tap.equal(descriptors(c.m), 0, "descriptors")
        data.close()
        os.truncate(fd, 4096)
        c.send(DMABUF_UPDATE, struct.pack("<IIIII", 0, 0, 0, 100, 60))
        c.ended()
        os.close(fd)


def hostile():
    """Each ends the connection; the next one works."""
    senseless = [
        lambda c: c.send(77),
        lambda c: c.send(0),
        lambda c: c.send(SCANOUT, bytes(8)),
        lambda c: c.send(SCANOUT, struct.pack("<III", 1, 64, 64)),
        lambda c: c.send(SCANOUT, struct.pack("<III", 0, 20000, 64)),
        lambda c: c.send(SCANOUT, struct.pack("<III", 0, 16384, 16384)),
        lambda c: (c.send(SCANOUT, bytes(12)), c.send(UPDATE, struct.pack("<IIIII", 0, 0, 0, 1, 1) + bytes(4))),
        lambda c: c.send(UPDATE, bytes(20), size=0xffffffff),
        lambda c: c.send(CURSOR_POS, struct.pack("<III", 16, 0, 0)),
        lambda c: c.send(CURSOR_UPDATE, struct.pack("<IIIII", 0xffffffff, 0, 0, 0, 0) + bytes(64 * 64 * 4)),
        lambda c: c.send(DMABUF_SCANOUT, struct.pack("<10I", 0, 0, 0, 64, 64, 64, 64, 256, 0, XR24)),
        lambda c: c.send(DMABUF_UPDATE, struct.pack("<IIIII", 0, 0, 0, 1, 1)),
        lambda c: c.sock.close(),
    ]
    for x, y, width, height, data in ((0, 0, 65, 1, 65), (60, 0, 5, 1, 5), (0, 64, 1, 1, 1), (0xffffffff, 0, 2, 1, 2), (0, 0, 0, 0, 0),
                                      (0, 0, 2, 2, 3), (0, 0, 2, 2, 5), (0, 0, 0x80000001, 2, 2)):
        def send(c, where=(x, y, width, height), data=data):
            c.send(SCANOUT, struct.pack("<III", 0, 64, 64))
            c.send(UPDATE, struct.pack("<IIIII", 0, *where) + pixels(1, data))
        senseless.append(send)
    for words in ((0, 1, 0, 64, 64, 64, 64, 256, 0, XR24), (0, 0, 0, 64, 64, 64, 64, 255, 0, XR24), (0, 0, 0, 64, 64, 64, 64, 256, 0, 1),
                  (0, 0, 0xfffffff0, 64, 64, 64, 64, 256, 0, XR24)):
        def send_memory(c, words=words):
            fd = memory(65536)[0]
            c.send(DMABUF_SCANOUT, struct.pack("<10I", *words), [fd])
            os.close(fd)
        senseless.append(send_memory)

    def send_file(c):
        with open(__file__, "rb") as file:
            c.send(DMABUF_SCANOUT, struct.pack("<10I", 0, 0, 0, 8, 8, 8, 8, 32, 0, XR24), [file.fileno()])
    senseless.append(send_file)
    with tempfile.TemporaryDirectory() as folder:
        path, ends = f"{folder}/s", []

        def connect():
            machine.vm.wait_until(lambda: os.path.exists(path), path)
            ends.append(vhost.Backend(path, listen=False, protocol=vhost.REPLY_ACK))

        thread = threading.Thread(target=connect)
        thread.start()
        with machine.Machine(memory="16M", extra=[*RAM, "-chardev", f"socket,id=c0,path={path},server=on,wait=off", "-device",
                                                  f"vhost-user-gpu-pci,id=g0,chardev=c0,addr={SLOT}"]) as m:
            thread.join()
            c = Card(ends[0], m)
            for n, say in enumerate(senseless):
                with contextlib.suppress(ConnectionError):
                    say(c)
                if c.sock.fileno() >= 0:
                    c.ended()
                ends.pop().close()
                connect()
                c = Card(ends[0], m)
                c.send(SCANOUT, struct.pack("<III", 0, 64 + n, 64))
                tap.equal(c.picture()[0], 64 + n)
                tap.equal(descriptors(m), 0, "descriptors")
        ends[0].close()


def held_up():
    """A back-end that does not answer before its pixels were taken: the machine takes them meanwhile."""
    with card() as c:
        driver = virtio_driver.Driver(c.m, SLOT)
        driver.begin(1 << 32)
        driver.queue(0)
        driver.ready()
        c.send(SCANOUT, struct.pack("<III", 0, 1024, 1024))

        def slow(request, flags, payload):
            for _ in range(4):
                c.send(UPDATE, struct.pack("<IIIII", 0, 0, 0, 1024, 1024) + pixels(0x778899, 1 << 20))
            return request, flags, payload
        c.end.wrong = {vhost.GET_VRING_BASE: slow}
        c.m.qmp.command("stop")
        c.end.wrong = {}
        c.m.qmp.command("cont")
        tap.equal(c.picture()[2](1023, 1023), "778899", "and has not hung up")


def floods():
    """One that always has something to be copied: others have their turn."""
    with card() as c:
        fd = memory(4 << 20)[0]
        c.send(DMABUF_SCANOUT, struct.pack("<10I", 0, 0, 0, 1024, 1024, 1024, 1024, 4096, 0, XR24), [fd])
        os.close(fd)
        ending = threading.Event()
        update = struct.pack("<IIIIIIII", DMABUF_UPDATE, 0, 20, 0, 0, 0, 1024, 1024)

        def flood():
            c.sock.sendall(16 * update)
            while not ending.is_set():
                c.sock.sendall(16 * update)
                c.sock.recv(16 * 12, socket.MSG_WAITALL)

        thread = threading.Thread(target=flood, daemon=True)
        thread.start()
        for _ in range(5):
            tap.equal(c.m.qmp.command("query-status")["status"], "running")
        ending.set()
        thread.join()
        c.sock.recv(16 * 12, socket.MSG_WAITALL)
        tap.equal(c.picture()[:2], (1024, 1024))


def stays():
    """It is a VGA as well, whose picture is there while the other program shows nothing; and it is not moved."""
    with card("vhost-user-vga") as c:
        c.send(SCANOUT, struct.pack("<III", 0, 100, 50))
        tap.equal(c.picture()[:2], (100, 50))
        c.send(SCANOUT, struct.pack("<III", 0, 0, 0))
        tap.equal(c.picture()[:2] != (100, 50), True)
        try:
            c.m.qmp.command("migrate", uri=f"file:{c.m.dir}/state")
            raise AssertionError("it was moved")
        except machine.vm.QmpError as err:
            tap.equal("pictures are in its back-end" in err.desc, True, err.desc)


tap.run([("display information", display), ("pictures", pictures), ("shared memory", shared), ("hostile", hostile),
         ("held up", held_up), ("floods", floods),
         ("VGA, and stays", stays)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usb-redir at an EHCI, by a driver of our own and a program that plays a device: test_usb_redir.py BUILD-DIR."""
import os
import random
import select
import socket
import struct
import tempfile

import machine
import usbredir
from machine import tap, vm

BAR, FRAMES, QUEUE, TDS, DATA = 0xe0000000, 0x200000, 0x202000, 0x203000, 0x204000
OUT, IN, SETUP = range(3)
ACTIVE, HALTED = 0x80, 0x40


class Played(usbredir.Device):
    speed = usbredir.HIGH
    endpoints = {0x81: (usbredir.TYPE_BULK, 512), 0x02: (usbredir.TYPE_BULK, 512), 0x83: (usbredir.TYPE_INTERRUPT, 8),
                 0x84: (usbredir.TYPE_ISO, 64), 0x05: (usbredir.TYPE_ISO, 64)}

    def __init__(self):
        self.descriptors = usbredir.descriptors(self)
        self.came, self.have = {}, []

    def out(self, endpoint, data):
        self.came[endpoint] = self.came.get(endpoint, b"") + data

    def take(self, endpoint, size):
        return self.have.pop(0)[:size] if self.have else None


class Driver:
    def __init__(self, m, fresh=True):
        self.m = m
        if not fresh:
            return
        for register, value in (0x10, BAR), (4, 6):
            m.write("l", 0xcf8, 0x80002000 | register)
            m.write("l", 0xcfc, value)
        self.put(BAR + 0x34, FRAMES)
        self.put(BAR + 0x38, QUEUE)
        self.put(BAR + 0x60, 1)

    def put(self, at, *words):
        for n, word in enumerate(words):
            self.m(f"writel {at + 4 * n:#x} {word & 0xffffffff:#x}")

    def get(self, at):
        return int(self.m(f"readl {at:#x}")[0], 0)

    def bytes_at(self, at, size):
        return bytes.fromhex(self.m(f"read {at:#x} {size:#x}")[0][2:]) if size else b""

    def write(self, at, data):
        self.m(f"write {at:#x} {len(data):#x} 0x{data.hex()}")

    def port(self):
        return self.get(BAR + 0x64)

    def reset_port(self):
        vm.wait_until(lambda: self.port() & 1, "a device")
        self.put(BAR + 0x64, 0x1102)
        self.put(BAR + 0x64, 0x1000)
        tap.equal(self.port() & 0xf, 5)

    def begin(self, endpoint, tds, periodic=False):
        """[(token, size, place)] for the endpoint."""
        for n, (pid, size, at) in enumerate(tds):
            last = n == len(tds) - 1
            self.put(TDS + 64 * n, 1 if last else TDS + 64 * (n + 1), 1, ACTIVE | pid << 8 | size << 16, at, (at & ~0xfff) + 4096, 0, 0, 0)
        self.put(QUEUE, 1 if periodic else QUEUE | 2, endpoint << 8 | 2 << 12 | (0 if endpoint else 1 << 14) | (8 if periodic else 512 if endpoint else 64) << 16,
                 1 << 30 | 1, 0, TDS, 1, 0)
        if periodic:
            for n in range(0, 1024, 8):
                self.put(FRAMES + 4 * n, QUEUE | 2)
                for other in range(1, 8):
                    self.put(FRAMES + 4 * (n + other), 1)
        self.put(BAR + 0x20, 0x11 if periodic else 0x21)
        self.last = TDS + 64 * (len(tds) - 1) + 8

    def end(self):
        """(HALTED or 0, bytes that were not moved) of the last one."""
        def ended():
            self.m("clock_step 1000000")
            token = self.get(self.last)
            return (not token & ACTIVE or self.get(QUEUE + 0x18) & HALTED) and (token, self.get(QUEUE + 0x18))
        token, overlay = vm.wait_until(ended, "the transfer has ended")
        return overlay & HALTED, token >> 16 & 0x7fff

    def control(self, setup, size):
        self.write(DATA, bytes.fromhex(setup))
        data = [(IN, size, DATA + 0x100)] if size else []
        self.begin(0, [(SETUP, 8, DATA), *data, (OUT if size else IN, 0, 0)])
        return self.end()[0] or self.bytes_at(DATA + 0x100, size)


class Place:
    def __init__(self, options="", incoming=False):
        self.options, self.incoming = options, incoming

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        path = f"{self.folder.name}/redir"
        self.m = machine.Machine(memory="64M", extra=["-machine", "pc", "-device", "ich9-usb-ehci1,id=e,addr=4", "-chardev",
                                                      f"socket,id=r,server=on,wait=off,path={path}", "-device",
                                                      f"usb-redir,id=d,chardev=r,bus=e.0{self.options}",
                                                      *["-incoming", "defer"] * self.incoming])
        self.driver, self.path, self.peers = Driver(self.m, not self.incoming), path, []
        return self

    def peer(self, device):
        self.peers.append(usbredir.Peer(self.path, device))
        return self.peers[-1]

    def __exit__(self, *what):
        self.m.__exit__(*what)
        for peer in self.peers:
            peer.thread.join()
        self.folder.cleanup()


def transfers():
    with Place() as at:
        d, device = at.driver, Played()
        tap.equal(d.port(), 0x1000)
        peer = at.peer(device)
        d.reset_port()
        tap.equal(d.control("8006000100001200", 18), device.descriptors[1, 0])
        tap.equal(d.control("0005070000000000", 0), b"")
        d.put(QUEUE + 4, 0)
        tap.equal(b"USB Redirection Device" in at.m.qmp.command("human-monitor-command", **{"command-line": "info usb"}).encode(), True)
    with Place() as at:
        d, device = at.driver, Played()
        peer = at.peer(device)
        d.reset_port()
        tap.equal(d.control("0009010000000000", 0), b"")
        tap.equal(usbredir.SET_CONFIGURATION in peer.seen, True)
        tap.equal(d.control("c001000000000800", 8), HALTED)  # no such request
        text = random.Random(1).randbytes(3000)
        d.write(DATA, text)
        d.begin(2, [(OUT, 3000, DATA)])
        tap.equal(d.end(), (0, 0))
        vm.wait_until(lambda: device.came.get(2) == text, "what was sent")
        # Less than was asked, as much as packets have, and nothing.
        for size in 700, 1024, 0:
            device.have.append(text[:size])
            d.begin(1, [(IN, 2048, DATA)])
            tap.equal(d.end(), (0, 2048 - size))
            tap.equal(d.bytes_at(DATA, size), text[:size])
        d.begin(3, [(IN, 8, DATA)], periodic=True)
        at.m("clock_step 20000000")
        tap.equal(d.get(d.last) & ACTIVE, ACTIVE)
        vm.wait_until(lambda: usbredir.START_INTERRUPT in peer.seen, "it is to send")
        peer.interrupt(0x83, b"abcdefgh")
        tap.equal(d.end(), (0, 0))
        tap.equal(d.bytes_at(DATA, 8), b"abcdefgh")
        d.begin(9, [(OUT, 8, DATA)])  # no such endpoint
        tap.equal(d.end()[0], HALTED)


def isochronous():
    with Place() as at:
        d, device = at.driver, Played()
        peer = at.peer(device)
        d.reset_port()
        d.write(DATA, bytes(range(64)))
        d.put(BAR + 0x20, 1)
        for n in range(1024):
            d.put(FRAMES + 4 * n, 1)

        def frame(endpoint, into):
            d.put(TDS, 1, 1 << 31 | 64 << 16, *[0] * 7, DATA | endpoint << 8, DATA | into << 11 | 64, 1)
            d.put(FRAMES, TDS)
            d.put(BAR + 0x20, 0x11)

            def ended():
                at.m("clock_step 10000000")
                return not d.get(TDS + 4) >> 31
            vm.wait_until(ended, "the packet")
            d.put(FRAMES, 1)
            return d.get(TDS + 4)
        frame(5, 0)
        vm.wait_until(lambda: device.came.get(5) == bytes(range(64)), "a packet")
        tap.equal(frame(4, 1) >> 16, 0)
        vm.wait_until(lambda: peer.seen.count(usbredir.START_ISO) == 2, "two streams")
        peer.interrupt(0x84, b"sound", usbredir.ISO)
        vm.wait_until(lambda: frame(4, 1) >> 16 == 5, "a packet that came")
        tap.equal(d.bytes_at(DATA, 5), b"sound")


def coming_and_going():
    with Place() as at:
        d = at.driver
        for n in range(3):
            peer = at.peer(Played())
            vm.wait_until(lambda: d.port() & 1, "a device")
            tap.equal(d.port() & 1, 1)
            if n == 0:
                peer.disconnect()
            elif n == 1:
                d.reset_port()
                vm.wait_until(lambda: usbredir.RESET in peer.seen, "the reset")
            if n < 2:
                if n == 1:
                    peer.close()
                vm.wait_until(lambda: not d.port() & 1, "nothing")
                if n == 0:
                    peer.close()
        at.m.qmp.command("device_del", id="d")
        vm.wait_until(lambda: not d.port() & 1, "nothing")


def filters():
    for rules, allowed in (("-1:0x1209:0x0001:-1:0", False), ("-1:0x1209:0x0002:-1:0", True), ("0xff:-1:-1:-1:1|-1:-1:-1:-1:0", True),
                           ("0x03:-1:-1:-1:1|-1:-1:-1:-1:0", False)):
        with Place(f",filter={rules}") as at:
            peer = at.peer(Played())
            vm.wait_until(lambda: usbredir.FILTER in peer.seen, "the rules")
            if allowed:
                vm.wait_until(lambda: at.driver.port() & 1, "a device")
            else:
                vm.wait_until(lambda: usbredir.REJECT in peer.seen, "it is refused")
                tap.equal(at.driver.port() & 1, 0)


def other_speeds():
    """The EHCI has no companion."""
    for speed in usbredir.LOW, usbredir.FULL, 3, 9:
        with Place() as at:
            device = Played()
            device.speed = speed
            peer = at.peer(device)
            vm.wait_until(lambda: usbredir.REJECT in peer.seen, "it is refused")
            tap.equal(at.driver.port() & 1, 0)


def saving():
    with Place() as at:
        peer = at.peer(Played())
        vm.wait_until(lambda: at.driver.port() & 1, "a device")
        try:
            at.m.qmp.command("migrate", uri=f"file:{at.folder.name}/state")
        except vm.QmpError as error:
            tap.equal("has a device of another program" in error.desc, True, error.desc)
        else:
            raise AssertionError("it was saved")
        peer.disconnect()
        vm.wait_until(lambda: not at.driver.port() & 1, "nothing")
        at.m.qmp.command("migrate", uri=f"file:{at.folder.name}/state")
        vm.wait_until(lambda: at.m.qmp.command("query-migrate").get("status") == "completed", "saved")


def there_before_the_state():
    """The device that a program brings to a machine that is still to be loaded."""
    with Place() as at, Place(incoming=True) as to:
        at.m.qmp.command("migrate", uri=f"file:{at.folder.name}/state")
        vm.wait_until(lambda: at.m.qmp.command("query-migrate").get("status") == "completed", "saved")
        device = Played()
        to.peer(device)
        vm.wait_until(lambda: "another program" in str(to.m.qmp.command("query-migrate").get("blocked-reasons")), "a device")
        to.m.qmp.command("migrate-incoming", uri=f"file:{at.folder.name}/state")
        vm.wait_until(lambda: to.m.qmp.command("query-status")["status"] == "running", "it runs")
        tap.equal(to.driver.port() & 3, 3)
        to.driver.reset_port()
        tap.equal(to.driver.control("8006000100001200", 18), device.descriptors[1, 0])


def nonsense():
    """What is no message, and what answers nothing."""
    with Place() as at:
        for seed in range(60):
            rng = random.Random(seed)
            peer = usbredir.Peer(at.path, Played())
            vm.wait_until(lambda p=peer: at.driver.port() & 1 or not p.thread.is_alive(), "a device")
            for _ in range(20):
                body = rng.randbytes(rng.choice([0, 1, 2, 4, 10, 160, 300]))
                kind = rng.choice([*range(28), *range(100, 105), 77])
                try:
                    peer.send(kind, rng.choice([0, 1, 2, 1 << 40]), body)
                except OSError:
                    break
            if seed % 3 == 0:
                try:
                    peer.sock.sendall(rng.randbytes(50))
                except OSError:
                    pass
            peer.close()
            vm.wait_until(lambda: not at.driver.port() & 1, "nothing")
        tap.equal(at.m.qmp.command("query-status")["status"], "running")


def every_kind():
    """Messages of each kind and length, for either side."""
    with Place() as at:
        for kind in *range(1, 28), *range(100, 105):
            peer = at.peer(Played())
            vm.wait_until(lambda: at.driver.port() & 1, "a device")
            for body in *[bytes(size) for size in range(24)], b"-1:-1:-1:-1:1\0":
                peer.send(kind, 0, body)
            peer.close()
            vm.wait_until(lambda: not at.driver.port() & 1, "nothing")


def deaf():
    """A program that takes no answers is not heard until it does."""
    most, message = 8 << 20, struct.pack("<IIQ", usbredir.DISCONNECT, 0, 0)
    with Place() as at, socket.socket(socket.AF_UNIX) as sock:
        sock.connect(at.path)
        sock.sendall(struct.pack("<III64sI", usbredir.HELLO, 68, 0, b"deaf", usbredir.CAPS))
        head = sock.recv(12, socket.MSG_WAITALL)
        sock.recv(struct.unpack("<III", head)[1], socket.MSG_WAITALL)
        sock.setblocking(False)

        def is_put_off():
            for _ in range(500):
                at.m(f"readl {DATA:#x}")
                if select.select([], [sock], [], 0)[1]:
                    return False
            return True
        sent = 0
        while sent < most:
            try:
                sent += sock.send((message * 256)[sent % 16:])
            except BlockingIOError:
                if is_put_off():
                    break
        tap.equal(sent < most, True)
        sock.setblocking(True)
        heard = 0
        while heard < sent // 16 * 16:
            heard += len(sock.recv(65536))


def refused():
    with Place() as at:
        for options, wanted in (({}, "needs one"), ({"chardev": "x"}, "not found"), ({"chardev": "r"}, "r"),
                                ({"chardev": "q", "filter": "1:2"}, "CLASS:VENDOR")):
            if "filter" in options:
                at.m.qmp.command("chardev-add", id="q", backend={"type": "null", "data": {}})
            try:
                at.m.qmp.command("device_add", driver="usb-redir", **options)
            except vm.QmpError as error:
                tap.equal(wanted in error.desc, True, error.desc)
            else:
                raise AssertionError(options)


assert os.path.exists(machine.PROGRAM)
tap.run([(f.__name__, f) for f in (transfers, isochronous, coming_and_going, filters, other_speeds, saving, there_before_the_state,
                                      nonsense, every_kind, deaf, refused)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters of netdevs, with the other program's side on sockets: test_filters.py BUILD-DIR. The packets of two netdevs on a cable, a hub's port
and a `stream`, are mirrored, redirected and held."""
import contextlib
import socket
import struct
import tempfile

import machine
import tap

PACKET = bytes(range(2, 14)) + b"\x88\xb5" + bytes(range(100))


def framed(packet, header=None):
    """As chardevs of filters have it, with the @header of virtio or without."""
    if header is None:
        return struct.pack(">I", len(packet)) + packet
    return struct.pack(">II", len(header) + len(packet), len(header)) + header + packet


def packet(number, size=114):
    return PACKET[:14] + bytes([number]) + bytes(size - 15)


class End:
    """One end of a socket: packets with their length before each."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.settimeout(60)

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            tap.equal(piece != b"", True, "the connection")
            data += piece
        return data

    def expect(self, data):
        tap.equal(self.read(len(data)), data)

    def send(self, data):
        self.sock.sendall(data)


@contextlib.contextmanager
def wires(*words):
    """A machine in which n1 and n2 are at the ends of a hub; the function that connects to the socket of that name, and to chardevs."""
    with tempfile.TemporaryDirectory() as folder:
        extra = []
        for n in (1, 2):
            extra += ["-netdev", f"stream,id=n{n},server=on,addr.type=unix,addr.path={folder}/n{n}",
                      "-netdev", f"hubport,id=h{n},hubid=0,netdev=n{n}"]
        for name in ("c0", "c1", "c2"):
            extra += ["-chardev", f"socket,id={name},server=on,wait=off,path={folder}/{name}"]
        with machine.Machine("64M", [*extra, *words]) as m:
            def connect(name):
                end = End(f"{folder}/{name}")
                if name.startswith("n"):
                    m.qmp.event("NETDEV_STREAM_CONNECTED")
                return end
            yield m, connect


def opened(m, name):
    while True:
        info = next(c for c in m.qmp.command("query-chardev") if c["label"] == name)
        if "disconnected" not in info["filename"]:
            return


def mirror():
    """What goes to n1, what comes from it, and all; with headers and without; it goes on meanwhile."""
    with wires("-object", "filter-mirror,id=f0,netdev=n1,queue=rx,outdev=c0",
               "-object", "filter-mirror,id=f1,netdev=n1,queue=tx,outdev=c1,vnet_hdr_support=on") as (m, connect):
        n1, n2, c0, c1 = connect("n1"), connect("n2"), connect("c0"), connect("c1")
        for name in ("c0", "c1"):
            opened(m, name)
        n2.send(framed(packet(1)))
        n1.expect(framed(packet(1)))
        c0.expect(framed(packet(1)))
        n1.send(framed(packet(2)))
        n2.expect(framed(packet(2)))
        c1.expect(framed(packet(2), bytes(12)))
        m.qmp.command("qom-set", path="/objects/f0", property="status", value="off")
        n2.send(framed(packet(3)))
        n1.expect(framed(packet(3)))
        m.qmp.command("qom-set", path="/objects/f0", property="status", value="on")
        n2.send(framed(packet(4)))
        c0.expect(framed(packet(4)))
        m.qmp.command("object-del", id="f0")
        n2.send(framed(packet(5)))
        n1.expect(framed(packet(4)) + framed(packet(5)))
        m.qmp.command("object-add", **{"qom-type": "filter-mirror", "id": "f0", "netdev": "n1", "outdev": "c0"})
        n1.send(framed(packet(6)))
        c0.expect(framed(packet(6)))


def redirect():
    """What goes to n1 goes to another program, and what that sends goes on, in pieces, by another filter with headers, too."""
    with wires("-object", "filter-redirector,id=f0,netdev=n1,queue=rx,outdev=c0,indev=c1",
               "-object", "filter-redirector,id=f1,netdev=n1,queue=tx,indev=c2,vnet_hdr_support=on") as (m, connect):
        n1, n2, c0, c1, c2 = (connect(name) for name in ("n1", "n2", "c0", "c1", "c2"))
        for name in ("c0", "c1", "c2"):
            opened(m, name)
        n2.send(framed(packet(1)))
        c0.expect(framed(packet(1)))
        for byte in framed(packet(2, 60)):
            c1.send(bytes([byte]))
        n1.expect(framed(packet(2, 60)))
        c1.send(framed(packet(3)) + framed(packet(4)))
        n1.expect(framed(packet(3)) + framed(packet(4)))
        n1.send(framed(packet(5)))  # that way nothing is taken away
        n2.expect(framed(packet(5)))
        c2.send(framed(packet(6), bytes(12)) + framed(packet(7), bytes(10)))
        n2.expect(framed(packet(6)) + framed(packet(7)))
        # A sum that is left to do is done.
        udp = packet(8)[:12] + b"\x08\x00" + bytes.fromhex("4500002400000000401100000a0000010a000002") + bytes.fromhex("0001000200100000") + b"12345678"
        c2.send(framed(udp, struct.pack("<BBHHHH", 1, 0, 0, 0, 34, 6)))
        got = n2.read(4 + len(udp))[4:]
        words = struct.unpack(">8H", got[34:50])
        tap.equal(got[:40] + got[42:] == udp[:40] + udp[42:] and sum(words) % 0xffff == 0, True, got.hex())


def chains():
    """Several filters: the order is another in each direction, and where one is added is said."""
    with wires("-object", "filter-redirector,id=f0,netdev=n1,outdev=c0", "-object", "filter-mirror,id=f1,netdev=n1,outdev=c1") as (m, connect):
        n1, n2, c0, c1 = (connect(name) for name in ("n1", "n2", "c0", "c1"))
        for name in ("c0", "c1"):
            opened(m, name)
        n1.send(framed(packet(1)))  # f0 comes first, and takes it
        c0.expect(framed(packet(1)))
        n2.send(framed(packet(2)))  # f1 comes first
        c1.expect(framed(packet(2)))
        c0.expect(framed(packet(2)))
        c2 = connect("c2")
        opened(m, "c2")
        m.qmp.command("object-add", **{"qom-type": "filter-mirror", "id": "f2", "netdev": "n1", "outdev": "c2", "position": "id=f0",
                                       "insert": "before"})
        n1.send(framed(packet(3)))
        c2.expect(framed(packet(3)))
        c0.expect(framed(packet(3)))


def senseless():
    """Lengths that cannot be: nothing more of that connection is read; those who come later begin anew. The netdev goes before its filter."""
    with wires("-object", "filter-redirector,id=f0,netdev=n1,queue=rx,indev=c1,vnet_hdr_support=on") as (m, connect):
        n1 = connect("n1")
        connect("n2")
        for wrong in (bytes(8), struct.pack(">II", 0xffffffff, 12), struct.pack(">II", 12, 12), struct.pack(">II", 70, 3),
                      struct.pack(">II", 4000, 0xfffffff0), framed(PACKET, bytes(4))):
            c1 = connect("c1")
            opened(m, "c1")
            c1.send(wrong + framed(packet(9), bytes(12)) * 10)
            c1.sock.close()
            while "disconnected" not in next(c for c in m.qmp.command("query-chardev") if c["label"] == "c1")["filename"]:
                pass
        c1 = connect("c1")
        opened(m, "c1")
        c1.send(framed(packet(1), bytes(12)))
        n1.expect(framed(packet(1)))
        tap.equal(m.errors().count("cannot be"), 6, m.errors())
        m.qmp.command("netdev_del", id="n1")
        c1.send(framed(packet(1), bytes(12)))
        m.qmp.command("object-del", id="f0")


def buffer():
    """Nothing goes before the time is over; then all does, in order; and at the end of the filter."""
    with wires("-object", "filter-buffer,id=f0,netdev=n1,interval=1000000",
               "-object", "filter-mirror,id=f1,netdev=n1,queue=tx,outdev=c0,position=head") as (m, connect):
        n1, n2, c0 = connect("n1"), connect("n2"), connect("c0")
        opened(m, "c0")
        for number in range(3):
            n1.send(framed(packet(number)))
            c0.expect(framed(packet(number)))  # it has come so far
        n2.sock.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            tap.equal(n2.sock.recv(1), None, "what was held")
        n2.sock.settimeout(60)
        m("clock_step 1000000000")
        n2.expect(b"".join(framed(packet(number)) for number in range(3)))
        n1.send(framed(packet(7)))
        c0.expect(framed(packet(7)))
        m.qmp.command("object-del", id="f0")
        n2.expect(framed(packet(7)))


tap.run([("mirror", mirror), ("redirector", redirect), ("several filters", chains), ("senseless", senseless), ("buffer", buffer)])

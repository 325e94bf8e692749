# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets from and to a machine's networks without a card: a stream is one port of a hub, the netdev
that is tested is another."""
import contextlib
import select
import socket
import struct
import tempfile
import time

import machine
import vm

MAC = bytes.fromhex("525400123456")
BROADCAST = b"\xff" * 6
EXPERIMENT = 0x88b5  # a type for experiments


def frame(text, to=BROADCAST, kind=EXPERIMENT, source=MAC):
    """An Ethernet frame, long enough for one."""
    return (to + source + struct.pack(">H", kind) + text).ljust(60, b"\0")


def text_of(packet):
    """What frame() was given."""
    return packet[14:].rstrip(b"\0")


class Wire:
    """The other end of a netdev stream."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(vm.LONG)
        self.buffer = b""

    def send(self, packet):
        self.sock.sendall(struct.pack(">I", len(packet)) + packet)

    def take(self):
        """A packet that has come, or None."""
        if len(self.buffer) < 4 or len(self.buffer) < 4 + (size := struct.unpack(">I", self.buffer[:4])[0]):
            return None
        packet, self.buffer = self.buffer[4:4 + size], self.buffer[4 + size:]
        return packet

    def fill(self):
        data = self.sock.recv(1 << 17)
        if not data:
            raise EOFError("the machine closed the stream")
        self.buffer += data

    def receive(self):
        while (packet := self.take()) is None:
            self.fill()
        return packet

    def receive_until(self, deadline):
        """The next packet, or None if none comes until @deadline."""
        while (packet := self.take()) is None:
            if not select.select([self.sock], [], [], max(deadline - time.monotonic(), 0))[0]:
                return None
            self.fill()
        return packet


def listen(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    listener.settimeout(vm.LONG)
    return listener


@contextlib.contextmanager
def wired(*extra, hub=0, netdev=None):
    """A machine with a Wire in @hub: both. @netdev, "KIND,..." without an id, is n1, in that hub too."""
    with tempfile.TemporaryDirectory() as folder, listen(f"{folder}/wire") as listener:
        words = ["-netdev", f"stream,id=wire,addr.type=unix,addr.path={folder}/wire",
                 "-netdev", f"hubport,id=port,hubid={hub},netdev=wire"]
        if netdev:
            words += plugged(netdev, "n1", hub)
        with machine.Machine(extra=[*words, *extra]) as m, listener.accept()[0] as sock:
            yield m, Wire(sock)


def plugged(netdev, ident, hub=0):
    """Options for the netdev @ident, "KIND,..." without an id, in a port of @hub."""
    kind, _, options = netdev.partition(",")
    return ["-netdev", ",".join(filter(None, [kind, f"id={ident}", options])),
            "-netdev", f"hubport,id={ident}port,hubid={hub},netdev={ident}"]


def plug(m, ident, hub=0):
    """Put the netdev @ident, which is there, into a port of @hub."""
    m.qmp.command("netdev_add", type="hubport", id=f"{ident}port", hubid=hub, netdev=ident)


# ---- protocols ----

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(source, target, protocol, payload, to=BROADCAST):
    """A frame with an IPv4 packet; addresses as texts."""
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + addresses
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return frame(header + payload, to=to, kind=0x800)


def udp(source, target, source_port, target_port, payload, to=BROADCAST):
    header = struct.pack(">HHHH", source_port, target_port, 8 + len(payload), 0)  # 0: no checksum
    return ipv4(source, target, 17, header + payload, to)


def arp_request(source, target):
    """Who has @target? tell @source (RFC 826)."""
    return frame(struct.pack(">HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, MAC, socket.inet_aton(source), bytes(6),
                             socket.inet_aton(target)), kind=0x806)


def udp_checksum_is_right(packet):
    """Of a frame with a UDP packet."""
    at = 14 + (packet[14] & 15) * 4
    length = struct.unpack(">H", packet[at + 4:at + 6])[0]
    return checksum(packet[26:34] + struct.pack(">HH", 17, length) + packet[at:at + length]) == 0


def udp_payload(packet):
    """(source port, target port, payload) of a frame that udp() could have made, or None."""
    if packet[12:14] != b"\x08\x00" or packet[23] != 17:
        return None
    at = 14 + (packet[14] & 15) * 4
    source, target, length = struct.unpack(">HHH", packet[at:at + 6])
    return source, target, packet[at + 8:at + length]


def dhcp(kind, *options):
    """What a client says: @kind 1 is DISCOVER, 3 REQUEST (RFC 2131). @options: as bytes."""
    header = struct.pack(">BBBBIHH16s6s10s192s", 1, 1, 6, 0, 0x1234, 0, 0x8000, b"", MAC, b"", b"")
    body = header + bytes.fromhex("63825363") + bytes([53, 1, kind]) + b"".join(options) + b"\xff"
    return udp("0.0.0.0", "255.255.255.255", 68, 67, body.ljust(300, b"\0"))


def dhcp_discover():
    return dhcp(1)


def offered(packet):
    """The address in a reply of a DHCP server."""
    return socket.inet_ntoa(udp_payload(packet)[2][16:20])


# ---- a guest that knows a little of IP ----

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Guest:
    """10.0.2.15 at @wire: answers to ARP, and takes the packets of one kind at a time. Nothing is repeated, as nothing
    is lost."""

    def __init__(self, wire, address="10.0.2.15"):
        self.wire = wire
        self.address = address

    def receive_ipv4(self):
        """The next frame with an IPv4 packet."""
        while True:
            packet = self.wire.receive()
            if packet[12:14] == b"\x08\x06" and packet[38:42] == socket.inet_aton(self.address):
                self.wire.send(frame(struct.pack(">HHBBH", 1, 0x800, 6, 4, 2) + MAC + packet[38:42] + packet[22:32],
                                     to=packet[6:12], kind=0x806))
            if packet[12:14] == b"\x08\x00":
                return packet

    def receive(self, protocol, port):
        """The next IPv4 packet of @protocol to @port: (source, source port, header and payload of that)."""
        while True:
            packet = self.receive_ipv4()
            if packet[23] != protocol:
                continue
            at = 14 + (packet[14] & 15) * 4
            source_port, target_port = struct.unpack(">HH", packet[at:at + 4])
            if target_port == port:
                total = struct.unpack(">H", packet[16:18])[0]
                return socket.inet_ntoa(packet[26:30]), source_port, packet[at:14 + total]

    def send_udp(self, target, source_port, target_port, payload):
        self.wire.send(udp(self.address, target, source_port, target_port, payload))

    def receive_udp(self, port):
        """(source, source port, payload)"""
        source, source_port, packet = self.receive(17, port)
        return source, source_port, packet[8:]


class Tcp:
    """A connection of @guest (RFC 9293), whose @port is its own."""

    def __init__(self, guest, port):
        self.guest, self.port = guest, port
        self.seq, self.ack = 1000, 0
        self.peer = None       # (address, port)
        self.ended = False     # the peer has sent FIN
        self.data = b""

    def send_segment(self, flags, data=b""):
        header = struct.pack(">HHIIBBHHH", self.port, self.peer[1], self.seq & 0xffffffff, self.ack & 0xffffffff, 0x50,
                             flags, 65535, 0, 0)
        pseudo = socket.inet_aton(self.guest.address) + socket.inet_aton(self.peer[0]) + \
            struct.pack(">HH", 6, len(header) + len(data))
        header = header[:16] + struct.pack(">H", checksum(pseudo + header + data)) + header[18:]
        self.guest.wire.send(ipv4(self.guest.address, self.peer[0], 6, header + data))
        self.seq += len(data) + bool(flags & (SYN | FIN))

    def take_segment(self):
        """Its flags; data in order is kept and acknowledged, what came already is not."""
        source, port, segment = self.guest.receive(6, self.port)
        seq, _, offset, flags = struct.unpack(">IIBB", segment[4:14])
        self.peer = self.peer or (source, port)
        data = segment[(offset >> 4) * 4:]
        if flags & SYN:
            self.ack = seq + 1
        elif seq == self.ack & 0xffffffff and (data or flags & FIN):
            self.data += data
            self.ack += len(data) + bool(flags & FIN)
            self.ended |= bool(flags & FIN)
            self.send_segment(ACK)
        return flags

    def connect(self, address, port):
        """False: it was refused."""
        self.peer = (address, port)
        self.send_segment(SYN)
        flags = self.take_segment()
        if flags & RST:
            return False
        self.send_segment(ACK)
        return True

    def accept(self):
        while not self.take_segment() & SYN:
            pass
        self.send_segment(SYN | ACK)

    def send(self, data):
        for at in range(0, len(data), 1400):
            self.send_segment(ACK | PSH, data[at:at + 1400])

    def receive(self, size):
        while len(self.data) < size:
            self.take_segment()
        data, self.data = self.data[:size], self.data[size:]
        return data

    def receive_all(self):
        """What comes until the peer has ended."""
        while not self.ended:
            self.take_segment()
        data, self.data = self.data, b""
        return data

    def close(self):
        self.send_segment(FIN | ACK)

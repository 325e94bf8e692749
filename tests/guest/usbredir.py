# SPDX-License-Identifier: GPL-2.0-or-later
"""The other side of a usb-redir: a program that has a USB device and plays it by itself, by the usbredir protocol as
its description has it (no library of it)."""
import socket
import struct
import threading

(HELLO, CONNECT, DISCONNECT, RESET, INTERFACES, ENDPOINTS, SET_CONFIGURATION, _, CONFIGURATION_STATUS, SET_ALTERNATE, _,
 ALTERNATE_STATUS, START_ISO, _, ISO_STATUS, START_INTERRUPT, _, INTERRUPT_STATUS, _, _, _, CANCEL, REJECT, FILTER) = range(24)
CONTROL, BULK, ISO, INTERRUPT = range(100, 104)
OK, STALLED = 0, 4
LOW, FULL, HIGH = range(3)
CAPS = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5
TYPE_BULK, TYPE_INTERRUPT, TYPE_ISO, NONE = 2, 3, 1, 255


class Device:
    """What it is: descriptors by (type, index), {endpoint: (kind, packet)}, and what it answers."""
    speed = FULL
    vendor, product = 0x1209, 0x0001
    descriptors = {}
    endpoints = {}
    interface_class = 0xff

    def control(self, kind, request, value, index, data):
        """The answer's bytes, or None: there is no such request."""
        if (kind, request) == (0x80, 6):
            return self.descriptors.get((value >> 8, value & 0xff))
        return b"" if kind in (0x02, 0x40, 0x21) else None

    def out(self, endpoint, data):
        """Bytes came for it."""

    def take(self, endpoint, size):
        """Bytes for the host, or None: not now."""


class Peer:
    """Connects to the chardev at @path, a socket, and plays @device until close()."""

    def __init__(self, path, device):
        self.device, self.seen, self.waiting, self.lock = device, [], [], threading.RLock()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.send(HELLO, 0, b"test".ljust(64, b"\0") + struct.pack("<I", CAPS), short=True)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def send(self, kind, number, body, short=False):
        head = struct.pack("<III" if short else "<IIQ", kind, len(body), number)
        with self.lock:
            self.sock.sendall(head + body)

    def read(self, size):
        found = b""
        while len(found) < size:
            more = self.sock.recv(size - len(found))
            if not more:
                raise EOFError
            found += more
        return found

    def run(self):
        try:
            kind, size, _ = struct.unpack("<III", self.read(12))
            assert kind == HELLO, kind
            self.read(size)
            self.connect()
            while True:
                kind, size, number = struct.unpack("<IIQ", self.read(16))
                body = self.read(size)
                with self.lock:
                    self.seen.append(kind)
                    self.handle(kind, number, body)
        except (EOFError, OSError):
            pass

    def connect(self):
        d = self.device
        at = {(n & 0xf) + (16 if n & 0x80 else 0): what for n, what in {0: (0, 64), 0x80: (0, 64), **d.endpoints}.items()}
        self.send(INTERFACES, 0, struct.pack("<I", 1) + bytes([0] * 32 + [d.interface_class] + [0] * 95))
        self.send(ENDPOINTS, 0, bytes(at.get(i, (NONE, 0))[0] for i in range(32)) + bytes(64) +
                  struct.pack("<32H", *[at.get(i, (NONE, 0))[1] for i in range(32)]))
        self.send(CONNECT, 0, struct.pack("<BBBBHHH", d.speed, 0, 0, 0, d.vendor, d.product, 0x100))

    def disconnect(self):
        self.send(DISCONNECT, 0, b"")

    def handle(self, kind, number, body):
        if kind == SET_CONFIGURATION:
            self.send(CONFIGURATION_STATUS, number, bytes([OK, body[0]]))
        elif kind == SET_ALTERNATE:
            self.send(ALTERNATE_STATUS, number, bytes([OK]) + body)
        elif kind == CONTROL:
            endpoint, request, what, _, value, index, length = struct.unpack("<BBBBHHH", body[:10])
            answer = self.device.control(what, request, value, index, body[10:])
            answer, status = (b"", STALLED) if answer is None else (answer[:length], OK)
            self.send(CONTROL, number, struct.pack("<BBBBHHH", endpoint, request, what, status, value, index,
                                                   len(answer) if endpoint else length) + (answer if endpoint else b""))
        elif kind == BULK:
            endpoint, _, length, stream = struct.unpack("<BBHI", body[:8])
            if endpoint & 0x80:
                self.waiting.append((number, endpoint, length))
            else:
                self.device.out(endpoint, body[8:])
                self.send(BULK, number, struct.pack("<BBHI", endpoint, OK, length, stream))
        elif kind == INTERRUPT:
            self.device.out(body[0], body[4:])
            self.send(INTERRUPT, number, struct.pack("<BBH", body[0], OK, len(body) - 4))
        elif kind == ISO:
            self.device.out(body[0], body[4:])
        elif kind == START_INTERRUPT:
            self.send(INTERRUPT_STATUS, number, bytes([OK, body[0]]))
        elif kind == START_ISO:
            self.send(ISO_STATUS, number, bytes([OK, body[0]]))
        elif kind == CANCEL:
            self.waiting = [one for one in self.waiting if one[0] != number]
        self.answer()

    def answer(self):
        """What the device has for the host goes there."""
        for one in list(self.waiting):
            number, endpoint, length = one
            data = self.device.take(endpoint, length)
            if data is not None:
                self.waiting.remove(one)
                self.send(BULK, number, struct.pack("<BBHI", endpoint, OK, len(data), 0) + data)

    def interrupt(self, endpoint, data, kind=INTERRUPT):
        """The device says something."""
        self.send(kind, 0, struct.pack("<BBH", endpoint, OK, len(data)) + data)

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.sock.close()


def descriptors(device, full=True, packet=64):
    """Those of a device with one interface of the vendor's class."""
    def endpoint(address, kind, size):
        return struct.pack("<BBBBHB", 7, 5, address, kind, size, 1)
    interface = struct.pack("<BBBBBBBBB", 9, 4, 0, 0, len(device.endpoints), device.interface_class, 0xff, 0xff, 2)
    rest = interface + b"".join(endpoint(n, kind, size) for n, (kind, size) in device.endpoints.items())
    texts = {0: b"\x04\x03\x09\x04", **{n: bytes([2 + 2 * len(text), 3]) + text.encode("utf-16-le") for n, text in ((1, "Test"), (2, "Played"))}}
    return {(1, 0): struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x200, 0, 0, 0, packet, device.vendor, device.product, 0x0400, 1, 2, 0, 1),
            (2, 0): struct.pack("<BBHBBBBB", 9, 2, 9 + len(rest), 1, 1, 0, 0x80, 50) + rest,
            **{(3, n): text for n, text in texts.items()}}


class Serial(Device):
    """FTDI's FT232BM, which gives back what it is given."""
    vendor, product = 0x0403, 0x6001
    endpoints = {0x81: (TYPE_BULK, 64), 0x02: (TYPE_BULK, 64)}

    def __init__(self):
        self.descriptors = descriptors(self)
        self.kept, self.came = b"", b""

    def control(self, kind, request, value, index, data):
        if kind == 0xc0:
            return b"\x01\x60" if request == 5 else b"\x10"
        return super().control(kind, request, value, index, data)

    def out(self, endpoint, data):
        self.kept += data
        self.came += data

    def take(self, endpoint, size):
        if not self.kept:
            return None
        data, self.kept = self.kept[:62], self.kept[62:]
        return b"\x01\x60" + data

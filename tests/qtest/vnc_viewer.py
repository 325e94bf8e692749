# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of VNC servers, byte by byte."""
import socket
import struct

import tap
import vm


def receive(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise EOFError(f"{len(data)} of {size} bytes: {data!r}")
        data += part
    return data


class Viewer:
    """A client: RFB 3.8, no password, until the server has told its size and name."""

    def __init__(self, sock, shared=1, tls=None):
        """@tls: what an offer of VeNCrypt has to be, and an SSLContext."""
        sock.settimeout(vm.LONG)
        tap.equal(receive(sock, 12), b"RFB 003.008\n")
        sock.sendall(b"RFB 003.008\n")
        if tls:
            sock = self.start_tls(sock, *tls)
        else:
            tap.equal(receive(sock, 2), b"\1\1", "ways in")
            sock.sendall(b"\1")
        self.sock = sock
        tap.equal(receive(sock, 4), bytes(4))
        sock.sendall(bytes([shared]))
        self.width, self.height = struct.unpack(">HH", receive(sock, 4))
        receive(sock, 16)
        self.name = receive(sock, struct.unpack(">I", receive(sock, 4))[0])

    @staticmethod
    def start_tls(sock, kind, context):
        tap.equal(receive(sock, 2), b"\1\x13", "ways in")
        sock.sendall(b"\x13")
        tap.equal(receive(sock, 2), b"\0\2", "version of VeNCrypt")
        sock.sendall(b"\0\2")
        tap.equal(receive(sock, 6), struct.pack(">BBI", 0, 1, kind), "kinds of VeNCrypt")
        sock.sendall(struct.pack(">I", kind))
        tap.equal(receive(sock, 1), b"\1")
        return context.wrap_socket(sock, server_hostname="localhost")

    @classmethod
    def at(cls, path, **more):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        return cls(sock, **more)

    def encodings(self, *numbers):
        self.sock.sendall(struct.pack(f">BxH{len(numbers)}i", 2, len(numbers), *numbers))

    def key(self, keysym, down):
        self.sock.sendall(struct.pack(">BBxxI", 4, down, keysym))

    def look(self):
        """The whole picture."""
        self.sock.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        picture = b""
        for _ in range(struct.unpack(">BxH", receive(self.sock, 4))[1]):
            _, _, width, height, encoding = struct.unpack(">HHHHi", receive(self.sock, 12))
            tap.equal(encoding, 0)
            picture += receive(self.sock, width * height * 4)
        return picture

    def update(self):
        """The next update that is asked for: a size (encoding -223, which is to be allowed), or rectangles and their pixels."""
        self.sock.sendall(struct.pack(">BBHHHH", 3, 1, 0, 0, self.width, self.height))
        found = []
        for _ in range(struct.unpack(">BxH", receive(self.sock, 4))[1]):
            x, y, width, height, encoding = struct.unpack(">HHHHi", receive(self.sock, 12))
            if encoding == -223:
                self.width, self.height = width, height
            else:
                found.append((x, y, width, height, receive(self.sock, width * height * 4)))
        return found

    def wait_end(self):
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionError:
            pass

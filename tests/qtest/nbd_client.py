# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of an NBD server, byte by byte: it can say what no client should."""
import socket
import struct

import vm

REQUEST, SIMPLE, STRUCTURED, REPLY = 0x25609513, 0x67446698, 0x668e33ef, 0x3e889045565a9
READ, WRITE, DISCONNECT, FLUSH, TRIM, CACHE, ZEROES, STATUS = range(8)
EXPORT_NAME, ABORT, LIST, TLS, INFO, GO, STRUCTURED_REPLY, LIST_CONTEXT, SET_CONTEXT = 1, 2, 3, 5, 6, 7, 8, 9, 10
ACK, SERVER, INFO_REPLY, CONTEXT = 1, 2, 3, 4
UNSUPPORTED, POLICY, INVALID, UNKNOWN, TOO_BIG = (1 << 31 | number for number in (1, 2, 3, 6, 9))


def dashed(arguments):
    """Of a command of QMP, where "_" stands for "-"."""
    return {name.replace("_", "-"): value for name, value in arguments.items()}


class Client:
    def __init__(self, path, flags=3):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)  # without a time-out it waits for a place in the queue
        self.sock.settimeout(vm.LONG)
        if flags is not None:
            if self.read(18) != b"NBDMAGICIHAVEOPT\0\3":
                raise AssertionError("no greeting")
            self.send(struct.pack(">I", flags))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.sock.recv(min(count - len(data), 1 << 20))
            if not piece:
                raise EOFError(f"after {len(data)} of {count} bytes")
            data += piece
        return data

    def is_closed(self):
        """The server has closed it, whatever it said before."""
        try:
            while self.sock.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        return True

    # ---- the handshake ----

    def option(self, number, data=b""):
        self.send(b"IHAVEOPT" + struct.pack(">II", number, len(data)) + data)

    def reply(self):
        """(option, type, data)"""
        magic, option, kind, length = struct.unpack(">QIII", self.read(20))
        if magic != REPLY:
            raise AssertionError(f"magic {magic:#x}")
        return option, kind, self.read(length)

    def answers(self, number, data=b""):
        """The replies to an option up to the last: [(type, data)]."""
        self.option(number, data)
        found = []
        while not found or found[-1][0] in (SERVER, INFO_REPLY, CONTEXT):
            found.append(self.reply()[1:])
        return found

    @staticmethod
    def name(text, *infos):
        text = text.encode()
        return struct.pack(">I", len(text)) + text + struct.pack(">H", len(infos)) + b"".join(struct.pack(">H", i) for i in infos)

    @staticmethod
    def contexts(export, *queries):
        words = [export.encode(), *(query.encode() for query in queries)]
        pieces = [struct.pack(">I", len(word)) + word for word in words]
        return pieces[0] + struct.pack(">I", len(queries)) + b"".join(pieces[1:])

    def go(self, export, structured=True, context=None):
        """(size, flags)"""
        if structured:
            self.answers(STRUCTURED_REPLY)
        if context:
            self.answers(SET_CONTEXT, self.contexts(export, context))
        found = self.answers(GO, self.name(export))
        if found[-1][0] != ACK:
            raise AssertionError(found)
        return next(struct.unpack(">QH", data[2:]) for kind, data in found if kind == INFO_REPLY and data[:2] == b"\0\0")

    # ---- requests ----

    def request(self, command, offset=0, length=0, data=b"", flags=0, cookie=1, magic=REQUEST):
        self.send(struct.pack(">IHHQQI", magic, flags, command, cookie, offset, length) + data)

    def chunk(self):
        """A structured chunk: (flags, type, cookie, data)"""
        magic, flags, kind, cookie, length = struct.unpack(">IHHQI", self.read(20))
        if magic != STRUCTURED:
            raise AssertionError(f"magic {magic:#x}")
        return flags, kind, cookie, self.read(length)

    def error(self, *words, **options):
        """Of a request that has one chunk: the number; 0: none."""
        self.request(*words, **options)
        _, kind, _, data = self.chunk()
        return struct.unpack(">I", data[:4])[0] if kind & 0x8000 else 0

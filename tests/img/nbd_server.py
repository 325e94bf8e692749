# SPDX-License-Identifier: GPL-2.0-or-later
"""A small NBD server that says wrong things where a test wants it."""
import socket
import struct
import threading

SIMPLE, STRUCTURED, OPTION = 0x67446698, 0x668e33ef, 0x3e889045565a9
READ, WRITE, DISCONNECT, FLUSH, STATUS = 0, 1, 2, 3, 7
ALL_FLAGS = 1 | 4 | 8 | 32 | 64  # flags are there, flush, FUA, trim, zeros


class Gone(Exception):
    pass


class Server:
    """One client at a time, each in the same way. Methods are overridden."""
    size, flags, structured = 1 << 20, ALL_FLAGS, True

    def __init__(self, path):
        self.path, self.clients = path, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(5)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def run(self):
        while True:
            try:
                self.client = self.listener.accept()[0]
            except OSError:
                return
            self.clients += 1
            with self.client:
                try:
                    self.talk()
                except (Gone, OSError):
                    pass

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.client.recv(count - len(data))
            if not piece:
                raise Gone
            data += piece
        return data

    def send(self, *pieces):
        self.client.sendall(b"".join(pieces))

    # ---- the beginning ----

    def greeting(self):
        self.send(b"NBDMAGIC", b"IHAVEOPT", struct.pack(">H", 3))
        self.read(4)

    def reply(self, option, kind, data=b""):
        self.send(struct.pack(">QIII", OPTION, option, kind, len(data)), data)

    def export(self, option):
        self.reply(option, 3, struct.pack(">HQH", 0, self.size, self.flags))

    def talk(self):
        self.greeting()
        while True:
            _, option, length = struct.unpack(">8sII", self.read(16))
            self.read(length)
            if option == 8 and self.structured:
                self.reply(option, 1)
            elif option == 10 and self.structured:
                self.reply(option, 4, struct.pack(">I", 1) + b"base:allocation")
                self.reply(option, 1)
            elif option == 7:
                self.export(option)
                self.reply(option, 1)
                break
            else:
                self.reply(option, 0x80000001)
        while self.request(*struct.unpack(">IHHQQI", self.read(28))):
            pass

    # ---- requests ----

    def request(self, _magic, flags, command, cookie, offset, length):
        if command == DISCONNECT:
            return False
        data = self.read(length) if command == WRITE else b""
        {READ: self.do_read, WRITE: self.do_write, STATUS: self.do_status}.get(command, self.do_other)(
            cookie, offset, length, data)
        return True

    def chunk(self, cookie, kind, data=b"", flags=1):
        self.send(struct.pack(">IHHQI", STRUCTURED, flags, kind, cookie, len(data)), data)

    def do_read(self, cookie, offset, length, _data):
        self.chunk(cookie, 1, struct.pack(">Q", offset) + bytes(length))

    def do_status(self, cookie, _offset, length, _data):
        self.chunk(cookie, 5, struct.pack(">III", 1, length, 0))

    def do_other(self, cookie, *_rest):
        self.chunk(cookie, 0)

    do_write = do_other

# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of the GDB server, for tests: packets over a unix socket."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import vm  # noqa: E402


def checksum(data):
    return b"%02x" % (sum(data) & 0xff)


def escape(data):
    return b"".join(bytes((0x7d, byte ^ 0x20)) if byte in b"#$}*" else bytes((byte,)) for byte in data)


class Client(vm.Stream):
    """With acknowledgements, until no_ack()."""

    def __init__(self, path, process=None, patience=1):
        super().__init__(path, process, patience=patience)
        self.acks = True

    def byte(self):
        deadline = self.deadline(vm.LONG)
        while not self.buffer:
            if not self.fill(deadline):
                raise vm.Timeout("GDB's server does not answer")
        byte, self.buffer = self.buffer[:1], self.buffer[1:]
        return byte

    def put(self, data):
        """A packet, without waiting for an answer to it."""
        data = escape(data.encode() if isinstance(data, str) else data)
        self.send(b"$" + data + b"#" + checksum(data))
        if self.acks:
            sign = self.byte()
            if sign != b"+":
                raise AssertionError(f"{data} was answered by {sign}, not by +")

    def get(self):
        """The next packet."""
        while (byte := self.byte()) != b"$":
            if byte not in b"+":
                raise AssertionError(f"{byte} between packets")
        data, raw = b"", b""
        while (byte := self.byte()) != b"#":
            raw += byte
            if byte == b"}":
                byte = self.byte()
                raw += byte
                byte = bytes((byte[0] ^ 0x20,))
            data += byte
        if self.byte() + self.byte() != checksum(raw):
            raise AssertionError(f"the checksum of {raw} is wrong")
        if self.acks:
            self.send(b"+")
        return data.decode("latin-1")

    def ask(self, data):
        self.put(data)
        return self.get()

    def no_ack(self):
        assert self.ask("QStartNoAckMode") == "OK"
        self.acks = False

    def monitor(self, command):
        """What HMP says."""
        reply, text = self.ask("qRcmd," + command.encode().hex()), ""
        while reply.startswith("O") and reply != "OK":
            text += bytes.fromhex(reply[1:]).decode()
            reply = self.get()
        assert reply == "OK", reply
        return text

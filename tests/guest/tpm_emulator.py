# SPDX-License-Identifier: GPL-2.0-or-later
"""TPM emulators for tests: Debian's swtpm, and one of our own, in a thread, that notes what it is told and can be told to
answer wrong."""
import os
import shutil
import socket
import struct
import subprocess
import threading
import tty

import tap
import vm

(GET_CAPABILITY, INIT, GET_ESTABLISHED, SET_LOCALITY, CANCEL, RESET_ESTABLISHED, GET_STATE, SET_STATE, STOP, SET_DATA_FD,
 SET_BUFFER_SIZE) = 1, 2, 4, 5, 9, 11, 12, 13, 14, 16, 17
FAILURE = bytes.fromhex("80010000000a00000101")


class Swtpm:
    """Its state is in @folder, where it listens, too."""

    def __init__(self, folder, version=2):
        if not shutil.which("swtpm"):
            raise tap.Skip("there is no swtpm (Debian's package swtpm)")
        self.path = f"{folder}/swtpm.sock"
        self.process = subprocess.Popen(["swtpm", "socket", *(["--tpm2"] if version == 2 else []), "--tpmstate",
                                         f"dir={folder}", "--ctrl", f"type=unixio,path={self.path}"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        vm.wait_until(lambda: os.path.exists(self.path), "swtpm listens")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()


class Emulator(threading.Thread):
    """@wrong: {control command: the bytes that are answered; none: the end of the connection}. @answers: one for each command of the TPM,
    after that FAILURE; None: nothing."""

    def __init__(self, folder, caps=0x3fff, wrong=None, answers=()):
        super().__init__(daemon=True)
        self.path = f"{folder}/emulator.sock"
        self.caps, self.wrong, self.answers = caps, wrong or {}, list(answers)
        self.seen, self.commands, self.data = [], [], None
        self.lock = threading.Condition()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen()
        self.sock = None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.drop()
        self.server.close()

    def drop(self):
        for sock in (self.sock, self.data):
            if sock:
                sock.close()

    def wait(self, condition, what):
        with self.lock:
            if not self.lock.wait_for(condition, 60):
                raise AssertionError(f"not in 60 s: {what}; seen: {self.seen}, {self.commands}")

    def note(self, to, what):
        with self.lock:
            to.append(what)
            self.lock.notify_all()

    def work(self, data):
        """The TPM's commands."""
        try:
            while head := data.recv(10, socket.MSG_WAITALL):
                size, = struct.unpack(">I", head[2:6])
                rest = data.recv(size - 10, socket.MSG_WAITALL) if size > 10 else b""
                first = not self.commands
                self.note(self.commands, head + rest)
                answer = FAILURE if first or not self.answers else self.answers.pop(0)
                if answer:
                    data.sendall(answer)
        except OSError:
            pass

    def run(self):
        """One front-end after another, until the server is closed."""
        try:
            while True:
                self.serve(self.server.accept()[0])
        except OSError:
            pass

    def serve(self, sock):
        self.sock = sock
        try:
            while True:
                message, fds, _, _ = socket.recv_fds(self.sock, 8192, 1)
                if not message:
                    return
                command, = struct.unpack(">I", message[:4])
                if command == SET_DATA_FD:
                    self.data = socket.socket(fileno=fds[0])
                    threading.Thread(target=self.work, args=(self.data,), daemon=True).start()
                reply = {GET_CAPABILITY: struct.pack(">Q", self.caps), GET_ESTABLISHED: bytes(8), GET_STATE: bytes(8) + struct.pack(">II", 4, 4) + b"fake",
                         SET_BUFFER_SIZE: struct.pack(">I", 0) + message[4:8] * 3}.get(command, bytes(4))
                reply = self.wrong.get(command, reply)
                self.sock.sendall(reply)
                if not reply:
                    self.sock.shutdown(socket.SHUT_RDWR)
                self.note(self.seen, (command, message[4:]))
        except OSError:
            pass


class HostTpm(threading.Thread):
    """What the kernel's file of a TPM is to a program: a command is written, and its answer read. @answers: one for each command
    after the first; after that FAILURE; None: nothing; empty: it goes."""

    def __init__(self, answers=(), first=FAILURE):
        super().__init__(daemon=True)
        self.ours, theirs = os.openpty()
        tty.setraw(theirs)
        self.path, self.theirs = os.ttyname(theirs), theirs
        self.answers, self.first, self.commands = list(answers), first, []
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        for fd in (self.ours, self.theirs):
            if fd >= 0:
                os.close(fd)
        self.ours = self.theirs = -1

    def take(self, count):
        data = b""
        while len(data) < count:
            data += os.read(self.ours, count - len(data)) or b""
        return data

    def run(self):
        try:
            while True:
                head = self.take(10)
                size, = struct.unpack(">I", head[2:6])
                self.commands.append(head + self.take(size - 10))
                answer = self.first if len(self.commands) == 1 else self.answers.pop(0) if self.answers else FAILURE
                if answer == b"":
                    self.close()
                elif answer:
                    os.write(self.ours, answer)
        except OSError:
            pass

# SPDX-License-Identifier: GPL-2.0-or-later
"""A program on a terminal of its own, as users have one; and the system whose console it shows."""
import os
import pty
import signal
import subprocess
import termios
import time

import debian
import vm


class Terminal:
    """The other end of a terminal, as vm.Stream uses a socket."""

    def __init__(self, args, env=None, cwd=None):
        self.master, slave = pty.openpty()
        # No further \r before each newline: a guest sends its own, on whatever terminal its serial line is shown.
        modes = termios.tcgetattr(slave)
        modes[1] &= ~termios.ONLCR
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        self.process = subprocess.Popen(args, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=cwd,
                                        start_new_session=True)
        os.close(slave)

    def connect(self):
        return self

    def fileno(self):
        return self.master

    def recv(self, size):
        try:
            return os.read(self.master, size)
        except OSError:  # the program has ended
            return b""

    def sendall(self, data):
        while data:
            data = data[os.write(self.master, data):]

    def close(self):
        """The program need not end by itself; what it has started ends with it."""
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        self.ended()

    def ended(self):
        """It ends by itself: its status."""
        status = self.process.wait(vm.LONG)
        os.close(self.master)
        return status


class Shown(debian.Debian):
    """A Debian system, whose machine some program has started, and whose serial line is a terminal's."""

    def __init__(self, terminal):  # pylint: disable=super-init-not-called
        self.log, self.marks = b"", 0
        self.started = time.monotonic()
        self.terminal = terminal
        self.serial = vm.Stream(terminal, terminal.process)

    def errors(self):
        return ""

    def shell(self, prompt):
        """At a prompt of root's: a shell that repeats nothing of what it reads, for run()."""
        self.wait_for(prompt, debian.BOOT)
        self.serial.send(b"stty -echo; exec env PS1= PS2= TERM=dumb sh\n")
        self.wait_for(r"TERM=dumb sh\r\n", vm.LONG)
        self.run("dmesg -n 1", check=False)

    def log_in(self, name="debian"):
        self.wait_for(f"{name} login: ", debian.BOOT)
        self.serial.send(b"root\n")
        self.wait_for("Password: ", vm.LONG)
        self.serial.send(f"{debian.PASSWORD}\n".encode())
        self.shell(f"root@{name}:~# ")

    def rest(self, timeout=debian.BOOT):
        """What else the program prints until it ends."""
        deadline = time.monotonic() + timeout
        try:
            while self.serial.fill(deadline):
                pass
        except EOFError:
            pass
        self.log += self.serial.buffer
        self.serial.buffer = b""
        return self.log.decode(errors="replace")

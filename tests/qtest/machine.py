# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with no CPU (-accel qtest), driven by port and memory accesses and QMP."""
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402
import vm  # noqa: E402

PROGRAM = os.path.abspath(f"{sys.argv[1]}/dimmable" if len(sys.argv) > 1 else "build/dimmable")


def sanitizer():
    """The sanitizer that the program was built with and that has memory of its own, or None."""
    with open(PROGRAM, "rb") as file:
        text = file.read()
    return next((name for mark, name in ((b"__asan_init", "AddressSanitizer"), (b"__tsan_init", "ThreadSanitizer"))
                 if mark in text), None)


class Machine(vm.Vm):
    def __init__(self, memory="2G,slots=8,maxmem=16G", extra=(), **options):
        extra = ["-qtest", "unix:QTEST,server=on,wait=off", *extra]
        super().__init__(PROGRAM, memory=memory, accel="qtest", serial=False, extra=extra, **options)
        try:
            self.qtest = vm.Stream(f"{self.dir}/qtest", self.process)
            self("endianness")  # it has taken us from its queue of clients
        except BaseException:
            self.close()
            raise

    def __call__(self, command):
        """One line of the qtest protocol; the words of the reply after OK."""
        self.qtest.send(command.encode() + b"\n")
        words = self.qtest.line().decode().split()
        if words[0] != "OK":
            raise RuntimeError(f"qtest: {command}: {' '.join(words)}")
        return words[1:]

    def read(self, width, port):
        return int(self(f"in{width} {port:#x}")[0], 0)

    def write(self, width, port, value):
        self(f"out{width} {port:#x} {value:#x}")

    def tree(self):
        """What a failed command must leave as it was: objects, devices, DIMMs, sizes."""
        return (self.qmp.command("qom-list", path="/objects"),
                self.qmp.command("qom-list", path="/machine/peripheral"),
                self.qmp.command("qom-list", path="/machine/peripheral-anon"),
                self.qmp.command("query-memory-devices"), self.qmp.command("query-memdev"),
                self.qmp.command("query-memory-size-summary"))


def does_not_spin(m):
    """A loop that spins can always run, whenever one looks; one that waits sleeps between its attempts,
    however busy the host is."""
    states = []
    for _ in range(100):
        with open(f"/proc/{m.process.pid}/stat", encoding="ascii") as file:
            states.append(file.read().rsplit(")", 1)[1].split()[0])
        time.sleep(0.01)
    tap.equal(states.count("S") >= 10, True, f"states of the main thread: {''.join(states)}")


def fd_command(m, name, fd, **arguments):
    """A QMP command that comes with a descriptor: the error, or None."""
    text = vm.json.dumps({"execute": name, "arguments": arguments}).encode()
    socket.send_fds(m.qmp.sock, [text], [fd])
    reply = m.qmp.receive()
    while "event" in reply:
        reply = m.qmp.receive()
    return reply.get("error", {}).get("desc")


def run_program(*args):
    """Start the program for a command line that must fail at once: (status, what it printed)."""
    result = subprocess.run([PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=vm.LONG, check=False)
    return result.returncode, result.stdout.decode(errors="replace")

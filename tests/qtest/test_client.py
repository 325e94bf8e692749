#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that knows nothing but the public protocol: it listens, gives the program the addresses
to connect to, and speaks. Then: the log, and clients that vanish."""
import json
import re
import select
import socket
import subprocess
import sys
import tempfile

import tap
import vm

PROGRAM = f"{sys.argv[1]}/dimmable"


class Lines:
    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile("rwb")

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise EOFError(f"after {line!r}")
        return line.decode().rstrip("\n")

    def command(self, text):
        self.file.write(text.encode() + b"\n")
        self.file.flush()
        irqs = []
        while (line := self.line()).startswith("IRQ "):
            irqs.append(line)
        return line, irqs

    def close(self):
        self.file.close()
        self.sock.close()


def listen(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen(1)
    sock.settimeout(vm.LONG)
    return sock


def accept(sock):
    client = sock.accept()[0]
    client.settimeout(vm.LONG)
    return Lines(client)


def connect(path, process):
    sock = vm.Stream(path, process).sock
    sock.settimeout(vm.LONG)
    return Lines(sock)


def end(process, status=0):
    tap.equal(process.wait(vm.LONG), status, "exit status")


def public_client():
    """The command line and the steps of any client of the protocol."""
    with tempfile.TemporaryDirectory() as folder:
        qtest_socket, qmp_socket = listen(f"{folder}/qtest"), listen(f"{folder}/qmp")
        with qtest_socket, qmp_socket, subprocess.Popen(
                [PROGRAM, "-qtest", f"unix:{folder}/qtest", "-qtest-log", "/dev/null", "-chardev",
                 f"socket,path={folder}/qmp,id=char0", "-mon", "chardev=char0,mode=control",
                 "-display", "none", "-machine", "pc", "-accel", "qtest"],
                stdin=subprocess.DEVNULL) as process:
            try:
                qtest, qmp = accept(qtest_socket), accept(qmp_socket)
                tap.equal("QMP" in json.loads(qmp.line()), True, "greeting")
                tap.equal(json.loads(qmp.command('{"execute": "qmp_capabilities"}')[0]),
                          {"return": {}})
                tap.equal(qtest.command("endianness"), ("OK little", []))
                # the real-time clock's periodic interrupt, as a driver sets it up
                tap.equal(qtest.command("irq_intercept_in ioapic"), ("OK", []))
                for line in ("outb 0x70 0x0a", "outb 0x71 0x26", "outb 0x70 0x0b", "outb 0x71 0x42"):
                    tap.equal(qtest.command(line), ("OK", []))
                reply, irqs = qtest.command("clock_step")
                while not irqs:
                    reply, irqs = qtest.command("clock_step")
                tap.equal(irqs, ["IRQ raise 8"])
                if not re.fullmatch(r"OK \d+", reply):
                    raise AssertionError(reply)
                qtest.command("outb 0x70 0x0c")
                reply, irqs = qtest.command("inb 0x71")
                tap.equal((int(reply.split()[1], 0) & 0xC0, irqs), (0xC0, ["IRQ lower 8"]))
                # memory, in both forms
                tap.equal(qtest.command("write 0x1000 0x4 0x00ff10a5"), ("OK", []))
                tap.equal(qtest.command("read 0x1000 0x4"), ("OK 0x00ff10a5", []))
                tap.equal(qtest.command("b64write 0x1000 0x3 AQID"), ("OK", []))
                tap.equal(qtest.command("b64read 0x1000 0x4"), ("OK AQIDpQ==", []))
                tap.equal(qtest.command("memset 0x1000 0x4 0x0"), ("OK", []))
                tap.equal(qtest.command("readl 0x1000"), ("OK 0x0000000000000000", []))
                tap.equal(qtest.command("inb 0x71")[0].startswith("OK 0x"), True)
                process.terminate()
                end(process)
            finally:
                process.kill()


def server_args(folder, *more):
    return [PROGRAM, "-accel", "qtest", "-nodefaults", "-display", "none", "-m", "16", "-qtest",
            f"unix:{folder}/qtest,server=on,wait=off", *more]


def log():
    with tempfile.TemporaryDirectory() as folder:
        with subprocess.Popen(server_args(folder, "-qtest-log", f"{folder}/log")) as process:
            try:
                qtest = connect(f"{folder}/qtest", process)
                qtest.command("irq_intercept_in ioapic")
                qtest.command("set_irq_in ioapic unnamed-gpio-in 5 1")
                qtest.command("nonsense")
                qtest.close()
                process.terminate()
                end(process)
            finally:
                process.kill()
        with open(f"{folder}/log", encoding="ascii") as file:
            lines = file.read().splitlines()
    wanted = ["[I", "[R irq_intercept_in ioapic", "[S OK",
              "[R set_irq_in ioapic unnamed-gpio-in 5 1", "[S IRQ raise 5", "[S OK", "[R nonsense",
              "[S FAIL"]
    tap.equal(lines[0], "[I 0.000000] OPENED")
    for line, want in zip(lines, wanted):
        direction, _, text = want.partition(" ")
        if not re.fullmatch(re.escape(direction) + r" \+?\d+\.\d{6}\] " + re.escape(text) + ".*", line):
            raise AssertionError(f"'{line}', not '{want}'")


def no_log_folder():
    result = subprocess.run([*server_args("/tmp"), "-qtest-log", "/nowhere/log"], timeout=vm.LONG,
                            capture_output=True, check=False)
    tap.equal(result.returncode, 1)
    tap.equal(b"/nowhere/log" in result.stderr, True, result.stderr)


def clients_vanish():
    """In the middle of a line, of an answer, and of nothing: the next one starts afresh."""
    with tempfile.TemporaryDirectory() as folder:
        with subprocess.Popen(server_args(folder)) as process:
            try:
                for rest in (b"", b"writeb 0x1000 0x5", b"read 0 0x1000000\n" * 3, b"\n\n\n", b"\0"):
                    qtest = connect(f"{folder}/qtest", process)
                    tap.equal(qtest.command("writeb 0x2000 7"), ("OK", []))
                    qtest.file.write(rest)
                    try:
                        qtest.close()
                    except OSError:
                        pass
                qtest = connect(f"{folder}/qtest", process)
                tap.equal(qtest.command("readb 0x1000"), ("OK 0x0000000000000000", []))
                tap.equal(qtest.command("readb 0x2000"), ("OK 0x0000000000000007", []))
                qtest.close()
                # interception goes on, and what is told starts from low
                qtest = connect(f"{folder}/qtest", process)
                qtest.command("irq_intercept_in ioapic")
                tap.equal(qtest.command("set_irq_in ioapic unnamed-gpio-in 5 1"),
                          ("OK", ["IRQ raise 5"]))
                qtest.close()
                qtest = connect(f"{folder}/qtest", process)
                tap.equal(qtest.command("set_irq_in ioapic unnamed-gpio-in 5 0"), ("OK", []))
                tap.equal(qtest.command("set_irq_in ioapic unnamed-gpio-in 5 1"),
                          ("OK", ["IRQ raise 5"]))
                process.terminate()
                end(process)
            finally:
                process.kill()


def odd_input():
    """Lines split and joined at any byte, NUL, and answers nobody takes for a while."""
    with tempfile.TemporaryDirectory() as folder:
        with subprocess.Popen(server_args(folder)) as process:
            try:
                qtest = connect(f"{folder}/qtest", process)
                text = b"writeb 0x1000 0x11\nreadb 0x1000\n\0\nab\0cd\nreadb 0x1000\r\n"
                for at in range(1, len(text)):
                    qtest.sock.sendall(text[:at])
                    qtest.sock.sendall(text[at:])
                    tap.equal([qtest.line()[:3] for _ in range(5)],
                              ["OK", "OK ", "ERR", "ERR", "OK "], f"split at {at}")
                # A client that takes no answers: the program does not pile them up, it takes no
                # more commands; and none is lost.
                line = b"read 0 256\n"
                sent = 0
                while select.select([], [qtest.sock], [], 0.2)[1]:
                    sent += qtest.sock.send(line * 256, socket.MSG_DONTWAIT)
                    if sent > 8 << 20:
                        raise AssertionError("the program takes any number of commands")
                count, rest = divmod(sent, len(line))
                for _ in range(count):
                    tap.equal(len(qtest.line()), len("OK 0x") + 512)
                qtest.sock.sendall(line[rest:] + b"readb 0x1000\n")
                tap.equal(len(qtest.line()), len("OK 0x") + 512)
                tap.equal(qtest.line(), "OK 0x0000000000000011")
                process.terminate()
                end(process)
            finally:
                process.kill()


def other_engine():
    """With a CPU the protocol works too, but time is not the client's."""
    args = ["-accel", "soft", "-S", "-nodefaults", "-display", "none", "-m", "16", "-qtest", "stdio"]
    with subprocess.Popen([PROGRAM, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            process.stdin.write(b"clock_step 5\nclock_set 7\nendianness\n")
            process.stdin.flush()
            tap.equal([process.stdout.readline()[:4] for _ in range(3)], [b"FAIL", b"FAIL", b"OK l"])
            process.stdin.close()
            process.terminate()
            end(process)
        finally:
            process.kill()

tap.run([
    ("a client of the public protocol", public_client),
    ("log", log),
    ("a log that cannot be", no_log_folder),
    ("clients that vanish", clients_vanish),
    ("odd input", odd_input),
    ("with another engine", other_engine),
])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptors: what happens when there are none left, how many a client may leave with the program, and
a start with standard input, output and error closed. And disks: output that waits for room."""
import os
import resource
import select
import socket
import subprocess
import tempfile

import machine
import vm

import tap

COM1 = 0x3f8


def limit_descriptors(m, count):
    hard = resource.prlimit(m.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(m.process.pid, resource.RLIMIT_NOFILE, (count, hard))


def connected(m, label):
    """Whether the socket chardev has its client."""
    names = [c["filename"] for c in m.qmp.command("query-chardev") if c["label"] == label]
    return not names[0].startswith("disconnected:")


def clients_wait():
    """Clients come while there is no descriptor for them: they are served later, and the loop does not
    spin meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        extra = ["-chardev", f"socket,id=c0,path={folder}/qmp,server=on,wait=off", "-mon", "chardev=c0,mode=control",
                 "-chardev", f"socket,id=c1,path={folder}/serial,server=on,wait=off", "-serial", "chardev:c1"]
        with machine.Machine(extra=extra) as m:
            limit_descriptors(m, open_descriptors(m))  # they have no gaps
            clients = []
            for name in ("qmp", "serial"):
                clients.append(socket.socket(socket.AF_UNIX))
                clients[-1].settimeout(vm.LONG)
                clients[-1].connect(f"{folder}/{name}")
            vm.wait_until(lambda: m.errors().count("has to wait") == 2, "both clients have to wait")
            machine.does_not_spin(m)
            tap.equal(m.qmp.command("query-status")["status"], "running")
            tap.equal([m.errors().count(f"chardev '{c}': a client has to wait: Too many open files")
                       for c in ("c0", "c1")], [1, 1], m.errors())
            limit_descriptors(m, 1024)
            with clients[0].makefile("rb") as reader:
                tap.equal(b'"QMP"' in reader.readline(), True, "the greeting")
            # What the guest writes before its client is there would be lost.
            vm.wait_until(lambda: connected(m, "c1"), "the client of the serial line")
            m.write("b", COM1, ord("x"))
            tap.equal(clients[1].recv(1), b"x", "what the guest wrote")
            for client in clients:
                client.close()


def open_descriptors(m):
    return len(os.listdir(f"/proc/{m.process.pid}/fd"))


def parked():
    """getfd and add-fd have a limit, which the error names; what is over it is not kept."""
    with machine.Machine() as m, open("/dev/null", "rb") as null:
        for name, limit, arguments in (("getfd", 64, lambda i: {"fdname": f"fd{i}"}), ("add-fd", 256, lambda i: {})):
            before = open_descriptors(m)
            for i in range(limit):
                tap.equal(machine.fd_command(m, name, null.fileno(), **arguments(i)), None, f"{name} {i}")
            for i in range(limit, limit + 5):
                error = machine.fd_command(m, name, null.fileno(), **arguments(i)) or ""
                tap.equal(f"{limit} " in error and "limit" in error, True, f"{name} {i}: {error}")
            tap.equal(open_descriptors(m) - before, limit, "descriptors kept")
        # A name that is there can be given anew, and there is room again when one was given back.
        tap.equal(machine.fd_command(m, "getfd", null.fileno(), fdname="fd3"), None)
        m.qmp.command("closefd", fdname="fd3")
        tap.equal(machine.fd_command(m, "getfd", null.fileno(), fdname="other"), None)
        m.qmp.command("remove-fd", **{"fdset-id": 0})
        tap.equal(machine.fd_command(m, "add-fd", null.fileno()), None)


def closed_at_start():
    """Each of the three, and all."""
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        with tempfile.TemporaryDirectory() as folder:
            # pylint: disable=consider-using-with
            process = subprocess.Popen(["sh", "-c", f"exec \"$@\" {closed}", "sh", machine.PROGRAM, "-accel", "qtest",
                                        "-nodefaults", "-display", "none", "-qmp",
                                        f"unix:{folder}/qmp,server=on,wait=off"])
            try:
                qmp = vm.Qmp(f"{folder}/qmp", process)
                for fd, word in ((0, "<&-"), (1, " >&-"), (2, "2>&-")):
                    where = os.readlink(f"/proc/{process.pid}/fd/{fd}")
                    if word in f" {closed}":
                        tap.equal(where, "/dev/null", f"descriptor {fd} after {closed}")
                qmp.command("quit")
                tap.equal(process.wait(vm.LONG), 0, "status")
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()


def full_disk():
    """A limit of the file's size stands for the disk's: writes fail, and later do not."""
    with tempfile.TemporaryDirectory() as folder:
        path, log = f"{folder}/serial", f"{folder}/log"
        extra = ["-chardev", f"file,id=c0,path={path},logfile={log}", "-serial", "chardev:c0"]
        with machine.Machine(extra=extra) as m:
            text = bytes(i % 251 for i in range(2500))
            room = 2048  # also for what the program says
            resource.prlimit(m.process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
            for byte in text:
                m.write("b", COM1, byte)
            machine.does_not_spin(m)
            tap.equal(m.errors().count("chardev 'c0': output waits: File too large"), 1, m.errors())
            tap.equal(m.errors().count(f"chardev 'c0': cannot write to '{log}'"), 1, m.errors())
            resource.prlimit(m.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            m.write("b", COM1, 255)
            vm.wait_until(lambda: os.path.getsize(path) > len(text), "the output goes on")
            with open(path, "rb") as file:
                tap.equal(file.read(), text + b"\xff", "what is in the file")
            with open(log, "rb") as file:
                tap.equal(file.read(), text[:room] + b"\xff", "what is in the log")


def read_some(fd):
    tap.equal(select.select([fd], [], [], vm.LONG)[0], [fd], "something comes")
    return os.read(fd, 10)


def reader_goes():
    """A FIFO that nobody reads any more: what is written is lost, until somebody reads it again."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/fifo"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with machine.Machine(extra=["-serial", f"file:{path}"]) as m:
            m.write("b", COM1, ord("a"))
            tap.equal(read_some(reader), b"a")
            os.close(reader)
            for byte in b"bcd":
                m.write("b", COM1, byte)
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            m.write("b", COM1, ord("e"))
            tap.equal(read_some(reader), b"e")
            os.close(reader)
            tap.equal(m.errors().count("output is lost: Broken pipe"), 1, m.errors())


def never_room():
    """A bounded part waits; the program ends all the same."""
    with machine.Machine(extra=["-serial", "file:/dev/full"]) as m:
        for byte in b"0123456789" * 20:
            m.write("b", COM1, byte)
        tap.equal(m.errors().count("output waits: No space left on device"), 1, m.errors())
        m.qmp.command("quit")
        tap.equal(m.process.wait(vm.LONG), 0, "status")


tap.run([("clients wait for a descriptor", clients_wait), ("descriptors that clients leave", parked),
         ("standard descriptors that are closed", closed_at_start), ("output waits for room", full_disk),
         ("output that waits for ever", never_room),
         ("output that nobody reads", reader_goes)])

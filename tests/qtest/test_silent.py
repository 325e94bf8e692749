#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers that say nothing, sockets that accept nobody, FIFOs that nobody reads or writes, files that never end: who asked
for them may wait, or is refused; the machine, and commands that overtake others, go on."""
import contextlib
import os
import signal
import socket
import sys
import tempfile

import machine
import tap
import vm
from test_vhost_silent import SECOND, Overtaker, reply_of, send


@contextlib.contextmanager
def watched(*extra):
    """A machine, a folder, and a second monitor whose commands overtake."""
    with tempfile.TemporaryDirectory() as folder:
        words = [word.replace("PATH", f"{folder}/m") for word in SECOND]
        with machine.Machine(extra=[*words, *extra]) as m:
            yield m, folder, Overtaker(f"{folder}/m.second")


def listener(path, backlog=4):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(backlog)
    return server


def lives(m, second, what):
    """A command waits; the machine does not, nor what overtakes it."""
    second.command("query-yank")
    m("memset 0x1000 0x1000 0x5a")
    tap.equal([e for e in m.qmp.drain() if "event" not in e], [], f"{what}: a reply of who waits")


def nbd(path, name="n", **options):
    return {"driver": "nbd", "node-name": name, "export": "e", "server": {"type": "unix", "path": path}, **options}


def said(m):
    return reply_of(m.qmp)["error"]["desc"]


# ---- NBD ----

def a_server_that_comes():
    """blockdev-add waits for the server as long as it is told; what is on top of it waits along."""
    with watched() as (m, folder, second):
        path = f"{folder}/nbd"
        server = listener(path)
        send(m.qmp, "blockdev-add", **{"driver": "raw", "node-name": "top",
                                       "file": nbd(path, **{"open-timeout": 100000, "read-only": True}), "read-only": True})
        client = server.accept()[0]
        lives(m, second, "a server that says nothing")
        client.close()
        client = server.accept()[0]  # again
        lives(m, second, "a server that comes again, and says nothing")
        server.close()
        client.close()
        os.unlink(path)
        with machine.Machine(extra=["-blockdev", "null-co,node-name=n0,size=1M"]) as other:
            other.qmp.command("nbd-server-start", addr={"type": "unix", "data": {"path": path}})
            other.qmp.execute({"execute": "block-export-add",
                               "arguments": {"type": "nbd", "id": "e", "name": "e", "node-name": "n0"}})
            tap.equal("return" in reply_of(m.qmp), True)
            tap.equal(sorted(n["node-name"] for n in m.qmp.command("query-named-block-nodes") if n["node-name"][0] != "#"),
                      ["n", "top"])


def a_signal():
    """The program ends, although a server is waited for; at its start, too."""
    with watched() as (m, folder, second):
        server = listener(f"{folder}/nbd")
        send(m.qmp, "blockdev-add", **nbd(f"{folder}/nbd", **{"open-timeout": 100000}))
        client = server.accept()[0]
        lives(m, second, "a server that says nothing")
        m.process.send_signal(signal.SIGTERM)
        tap.equal("signal" in said(m), True)
        m.process.wait(vm.LONG)
        client.close()


# ---- sockets ----

@contextlib.contextmanager
def full(path):
    """A socket that accepts nobody, and whose queue is full."""
    server = listener(path, 0)
    clients = []
    with contextlib.suppress(BlockingIOError):
        while True:
            clients.append(socket.socket(socket.AF_UNIX))
            clients[-1].setblocking(False)
            clients[-1].connect(path)
    yield server
    for client in clients:
        client.close()
    server.close()


def a_full_queue():
    """Who connects to a server whose queue is full waits; yank ends that, or the server when it accepts somebody."""
    with watched() as (m, folder, second), full(f"{folder}/s") as server:
        c = {"type": "chardev", "id": "c"}
        place = {"addr": {"type": "unix", "data": {"path": f"{folder}/s"}}, "server": False}
        send(m.qmp, "chardev-add", id="c", backend={"type": "socket", "data": place})
        vm.wait_until(lambda: c in second.command("query-yank"), "it can be yanked")
        lives(m, second, "chardev-add")
        second.command("yank", instances=[c])
        tap.equal("cannot connect" in said(m), True)
        tap.equal(c in second.command("query-yank"), False)
        send(m.qmp, "netdev_add", type="stream", id="n", addr={"type": "unix", "path": f"{folder}/s"}, server=False)
        lives(m, second, "netdev_add")
        server.accept()[0].close()
        tap.equal("return" in reply_of(m.qmp), True)
    with watched() as (m, folder, second), full(f"{folder}/s"):
        send(m.qmp, "blockdev-add", **nbd(f"{folder}/s", **{"open-timeout": 100000}))
        lives(m, second, "blockdev-add")
        m.process.send_signal(signal.SIGTERM)
        m.process.wait(vm.LONG)


# ---- FIFOs ----

def outputs():
    """Output goes to a FIFO that nobody reads, as much as there is room for, and nobody waits."""
    with tempfile.TemporaryDirectory() as folder:
        names = {name: f"{folder}/{name}" for name in ("log", "hmp", "serial", "copy", "pipe", "trace")}
        for name in names.values():
            os.mkfifo(name)
        with machine.Machine(extra=[
                "-D", names["log"], "-trace", f"enable=qmp_*,file={names['trace']}", "-chardev",
                f"file,id=f,path={names['serial']},logfile={names['copy']}", "-device", "isa-serial,chardev=f", "-serial",
                f"pipe:{names['pipe']}"]) as m:
            for n in range(1 << 17):
                if n % 4096 == 0:
                    m("endianness")
                m.qtest.send(b"outb 0x3f8 0x41\n")
                m.qtest.line()
            for line in f"logfile {names['hmp']}", "log guest_errors,unimp,int", "info version":
                m.qmp.command("human-monitor-command", **{"command-line": line})
            for name in names:
                fd = os.open(names[name], os.O_RDONLY | os.O_NONBLOCK)
                os.close(fd)
            m.qmp.command("query-status")


def inputs():
    """A FIFO that nobody has open for writing is refused, with its name, and nothing is left."""
    with watched("-object", "memory-backend-ram,id=r,size=16M") as (m, folder, _):
        fifo = f"{folder}/fifo"
        os.mkfifo(fifo)
        before = m.tree()
        for name, arguments in (
                ("object-add", {"qom-type": "secret", "id": "s", "file": fifo}),
                ("object-add", {"qom-type": "authz-list-file", "id": "a", "filename": fifo}),
                ("device_add", {"driver": "e1000", "id": "e", "romfile": fifo}),
                ("migrate", {"uri": f"file:{fifo}"})):
            send(m.qmp, name, **arguments)
            reply = reply_of(m.qmp)
            if name == "migrate" and "return" in reply:
                vm.wait_until(lambda: m.qmp.command("query-migrate").get("status") == "failed", "it fails")
            else:
                tap.equal(fifo in reply["error"]["desc"], True, (name, arguments, reply))
        tap.equal(m.tree(), before)


# ---- files that never end ----

def endless():
    """/dev/zero, directories, FIFOs and what is too large are refused before they are read."""
    with tempfile.TemporaryDirectory() as folder:
        fifo, huge = f"{folder}/fifo", f"{folder}/huge"
        os.mkfifo(fifo)
        with open(huge, "wb") as file:
            file.truncate(1 << 40)
        for words in (["-device", "loader,addr=0,file=%s"], ["-kernel", "%s"], ["-bios", "%s"], ["-smbios", "file=%s"],
                      ["-smbios", "type=11,path=%s"], ["-fw_cfg", "name=opt/a,file=%s"], ["-boot", "splash=%s"],
                      ["-device", "e1000,romfile=%s"], ["-drive", "if=pflash,format=raw,file=%s"],
                      ["-object", "secret,id=s,file=%s"], ["-readconfig", "%s"], ["-trace", "events=%s"],
                      ["-object", "authz-list-file,id=a,filename=%s"],
                      ["-device", "ipmi-bmc-sim,id=b,sdrfile=%s"], ["-device", "ipmi-bmc-sim,id=b,frudatafile=%s"]):
            for path in "/dev/zero", folder, fifo, huge:
                given = [word.replace("%s", path) for word in words]
                status, text = machine.run_program("-m", "16M", "-accel", "qtest", "-nodefaults", "-display", "none", *given)
                tap.equal((status, text.count("\n") <= 2), (1, True), (given, text))


def a_pipe():
    """While the program starts, a pipe is read to its end, as of a shell's <(...)."""
    there, here = os.pipe()
    os.write(here, b"x" * 1000)
    os.close(here)
    with machine.Machine(extra=["-fw_cfg", f"name=opt/a,file=/proc/{os.getpid()}/fd/{there}"]) as m:
        m.qmp.command("query-status")
    os.close(there)


if __name__ == "__main__":
    tap.run([(name, case) for name, case in [
        ("an NBD server that comes", a_server_that_comes),
        ("a signal meanwhile", a_signal),
        ("a full queue", a_full_queue),
        ("output to FIFOs", outputs),
        ("input from FIFOs", inputs),
        ("files that never end", endless),
        ("a pipe", a_pipe),
    ] if len(sys.argv) < 3 or sys.argv[2] in name])

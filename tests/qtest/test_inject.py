#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's errors, one call after another (inject.h): character devices and netdevs lose and double nothing that they
have taken, do not spin, tell the user, and go on when it is over."""
import contextlib
import errno
import os
import re
import socket
import subprocess
import sys
import tempfile
import tty

import inject
import machine
import own_network
import packets
import tap
import vm

from com1 import guest_reads, guest_writes
from packets import frame, wired

BUILD = sys.argv[1]
PID = os.getpid()
HOST = f"127.{PID >> 16 & 127}.{PID >> 8 & 255}.{PID & 255 or 1}"
TEXT = bytes(i % 251 for i in range(400))
# What a call gives when nothing is wrong but that it must be made again.
AGAIN = [("EAGAIN", 3), ("EINTR", 3)]
# No memory, for a while.
SCARCE = [("ENOMEM", 2), ("ENOBUFS", 2)]
ALL = inject.ALWAYS


def says(m, *texts):
    """Each of these is said once, and the loop does not spin."""
    for text in texts:
        vm.wait_until(lambda text=text: text in m.errors(), text)
    machine.does_not_spin(m)
    tap.equal([m.errors().count(text) for text in texts], [1] * len(texts), m.errors())


# ---- character devices ----

class End:
    """The other end of the guest's serial port: a descriptor to read from, one to write to."""

    def __init__(self, out, into=None):
        self.out, self.into = out, out if into is None else into

    def reads(self, count):
        data = b""
        while len(data) < count:
            piece = os.read(self.out, count - len(data))
            if not piece:
                raise EOFError(f"after {data!r}")
            data += piece
        return data

    def writes(self, data):
        os.write(self.into, data)


def client(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    return sock


def place_of(m, name):
    """Of the chardev, as query-chardev tells it."""
    return next(c["filename"] for c in m.qmp.command("query-chardev") if c["label"] == name)


def wait_for_client(m):
    vm.wait_until(lambda: "disconnected:" not in place_of(m, "c0"), "the client")


@contextlib.contextmanager
def socket_end(m, folder):
    with client(f"{folder}/c0") as sock:
        wait_for_client(m)
        yield End(sock.fileno())


@contextlib.contextmanager
def fifo_end(m, folder):
    out, into = os.open(f"{folder}/c0.out", os.O_RDWR), os.open(f"{folder}/c0.in", os.O_RDWR)
    yield End(out, into)
    os.close(out)
    os.close(into)


@contextlib.contextmanager
def pty_end(m, folder):
    """A new terminal is "connected" to once a second at most."""
    fd = os.open(place_of(m, "c0").removeprefix("pty:"), os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    # What comes from the guest before it was seen is lost; what comes from us is not.
    os.write(fd, b"!")
    tap.equal(guest_reads(m, 1), b"!")
    yield End(fd)
    os.close(fd)


@contextlib.contextmanager
def file_end(m, folder):
    fd = os.open(f"{folder}/c0", os.O_RDONLY)

    class FileEnd(End):
        def reads(self, count):
            vm.wait_until(lambda: os.fstat(fd).st_size >= count, "the text in the file")
            return os.read(fd, count + 1)

    yield FileEnd(fd)
    os.close(fd)


# Options, the other end, a part of the names of the descriptors, calls that write and read.
PORTS = {
    "socket": ("socket,path={}/c0,server=on,wait=off", socket_end, "/c0 ", "send", "recvmsg"),
    "pipe": ("pipe,path={}/c0", fifo_end, "/c0.", "write", "read"),
    "pty": ("pty", pty_end, "/dev/p", "write", "read"),
    "file": ("file,path={}/c0", file_end, "/c0", "write", None),
}


@contextlib.contextmanager
def port(kind):
    """A machine whose serial port is of this kind, and the injector."""
    with tempfile.TemporaryDirectory() as folder, inject.injecting(BUILD) as injector:
        for name in ("c0.in", "c0.out"):
            os.mkfifo(f"{folder}/{name}")
        options = PORTS[kind][0].format(folder)
        with machine.Machine(extra=["-chardev", f"{options},id=c0", "-serial", "chardev:c0"]) as m:
            yield m, folder, injector


def output(kind):
    """What the guest writes arrives once and in order, whatever the calls give."""
    _, end_of, name, call, _ = PORTS[kind]
    with port(kind) as (m, folder, injector), end_of(m, folder) as end:
        for error, count in AGAIN + SCARCE + [("ENOSPC", 2)]:
            rule = injector.fail(call, name, error, count=count)
            guest_writes(m, TEXT)
            rule.wait(count)
            # Of a file, where it is read from goes on.
            tap.equal(end.reads(len(TEXT)) if kind != "file" else None, TEXT if kind != "file" else None, error)
            injector.end()
        if kind == "file":
            tap.equal(end.reads(5 * len(TEXT)), 5 * TEXT)


def short_output(kind):
    """Pieces of a few bytes, with a call between them that fails."""
    _, end_of, name, call, _ = PORTS[kind]
    with port(kind) as (m, folder, injector), end_of(m, folder) as end:
        injector.fail(call, name, "EAGAIN", count=1)
        rule = injector.fail(call, name, limit=3)
        injector.fail(call, name, "ENOBUFS", skip=5, count=1)
        guest_writes(m, TEXT)
        tap.equal(end.reads(len(TEXT)), TEXT)
        tap.equal(rule.done > 1, True, f"{rule.done} short ones")


def input_(kind):
    _, end_of, name, _, call = PORTS[kind]
    with port(kind) as (m, folder, injector), end_of(m, folder) as end:
        for error, count in AGAIN + SCARCE:
            rule = injector.fail(call, name, error, count=count)
            end.writes(TEXT)
            rule.wait(count)
            tap.equal(guest_reads(m, len(TEXT)), TEXT, error)
            injector.end()
        rule = injector.fail(call, name, "ENOMEM")
        end.writes(TEXT)
        rule.wait()
        machine.does_not_spin(m)
        injector.end()
        tap.equal(guest_reads(m, len(TEXT)), TEXT)


def other_end_goes():
    """Errors that say so: the client sees the end, the next one is served from its first byte on."""
    for call, error in (("send", "EPIPE"), ("send", "ECONNRESET"), ("send", "ETIMEDOUT"), ("recvmsg", "ECONNRESET"),
                        ("recvmsg", "ETIMEDOUT"), ("recvmsg", "EIO")):
        with port("socket") as (m, folder, injector):
            with client(f"{folder}/c0") as sock:
                sock.settimeout(vm.LONG)
                wait_for_client(m)
                rule = injector.fail(call, "/c0 ", error, count=1)
                if call == "send":
                    guest_writes(m, b"lost")
                else:
                    sock.sendall(b"lost")
                rule.wait()
                try:
                    tap.equal(sock.recv(10), b"", error)
                except ConnectionResetError:
                    pass  # what it had sent was not read
            with socket_end(m, folder) as end:
                guest_writes(m, b"next")
                tap.equal(end.reads(4), b"next", error)
                end.writes(b"back")
                tap.equal(guest_reads(m, 4), b"back", error)


def terminal_goes():
    """A terminal that fails is looked at again, once a second."""
    for call in ("read", "write"):
        with port("pty") as (m, folder, injector), pty_end(m, folder) as end:
            rule = injector.fail(call, "/dev/p", "EIO", count=1)
            (end.writes if call == "read" else lambda text, m=m: guest_writes(m, text))(b"x")
            rule.wait()
            machine.does_not_spin(m)
            with contextlib.ExitStack() as stack:
                if call == "read":
                    tap.equal(guest_reads(m, 1), b"x")
                again = stack.enter_context(pty_end(m, folder))
                guest_writes(m, b"next")
                tap.equal(again.reads(4), b"next")


def input_ends():
    """A file that cannot be read any more: that is said, and output goes on."""
    with tempfile.TemporaryDirectory() as folder, inject.injecting(BUILD) as injector:
        with open(f"{folder}/in", "wb") as file:
            file.write(TEXT)
        injector.fail("read", "/in", limit=100)
        rule = injector.fail("read", "/in", "EIO", skip=1)
        with machine.Machine(extra=["-chardev", f"file,id=c0,path={folder}/out,input-path={folder}/in",
                                    "-serial", "chardev:c0"]) as m:
            got = guest_reads(m, 1)
            rule.wait()
            says(m, "chardev 'c0': nothing more can be read: Input/output error")
            guest_writes(m, b"out")
            vm.wait_until(lambda: os.path.getsize(f"{folder}/out") == 3, "the output")
            tap.equal(TEXT.startswith(got), True, got)


def datagrams():
    """A chardev of datagrams: those that cannot be sent are lost; those that come are not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer, inject.injecting(BUILD) as injector:
        peer.bind((HOST, 0))
        peer.settimeout(vm.LONG)
        with machine.Machine(extra=["-chardev", f"udp,id=c0,host={HOST},port={peer.getsockname()[1]}",
                                    "-serial", "chardev:c0"]) as m:
            name = f":{peer.getsockname()[1]} "
            guest_writes(m, b"a")
            data, address = peer.recvfrom(10)
            tap.equal(data, b"a")
            for error in ("EAGAIN", "ECONNREFUSED", "ENETUNREACH", "ENOBUFS", "EPERM"):
                rule = injector.fail("send", name, error, count=1)
                guest_writes(m, b"bc")
                tap.equal((rule.done, peer.recv(10)), (1, b"c"), error)
                injector.end()
            for error in ("EAGAIN", "EINTR", "ECONNREFUSED", "ENOMEM"):
                rule = injector.fail("recv", name, error, count=2)
                peer.sendto(b"datagram", address)
                tap.equal(guest_reads(m, 8), b"datagram", error)
                tap.equal(rule.done, 2, error)
                injector.end()
            rule = injector.fail("recv", name, "ENOMEM")
            peer.sendto(b"later", address)
            rule.wait()
            machine.does_not_spin(m)
            injector.end()
            tap.equal(guest_reads(m, 5), b"later")


def error_of(function):
    try:
        function()
    except vm.QmpError as error:
        return error.desc
    return None


# ---- those that wait for a client ----

def accepting():
    """accept() fails for reasons that last: it is said once, nothing spins, and the client is served afterwards."""
    for error in ("EMFILE", "ENOMEM", "EPERM"):
        with tempfile.TemporaryDirectory() as folder, inject.injecting(BUILD) as injector:
            words = ["-chardev", f"socket,id=c0,path={folder}/c0,server=on,wait=off", "-serial", "chardev:c0"]
            with wired(*words, netdev=f"stream,server=on,addr.type=unix,addr.path={folder}/n1") as (m, wire):
                rules = [injector.fail("accept4", f"/{name} ", error) for name in ("c0", "n1")]
                with client(f"{folder}/c0") as serial, client(f"{folder}/n1") as cable:
                    for rule in rules:
                        rule.wait()
                    says(m, f"chardev 'c0': a client has to wait: {os.strerror(getattr(errno, error))}",
                         f"netdev 'n1': a client has to wait: {os.strerror(getattr(errno, error))}")
                    injector.end()
                    m.qmp.event("NETDEV_STREAM_CONNECTED", **{"netdev-id": "n1"})
                    wire.send(frame(b"there"))
                    tap.equal(packets.Wire(cable).receive(), frame(b"there"))
                    wait_for_client(m)
                    guest_writes(m, b"x")
                    serial.settimeout(vm.LONG)
                    tap.equal(serial.recv(1), b"x")


def no_thread():
    """Connecting needs a thread: where there is none, that is an error like any other."""
    with socket.socket() as server, inject.injecting(BUILD) as injector:
        server.bind((HOST, 0))
        server.listen(4)
        server.settimeout(vm.LONG)
        port_number = server.getsockname()[1]
        with machine.Machine(extra=["-chardev", f"socket,id=c0,host={HOST},port={port_number},reconnect=1",
                                    "-serial", "chardev:c0"]) as m:
            server.accept()[0].close()
            rule = injector.fail("pthread_create", "", "EAGAIN")
            m.qmp.command("netdev_add", type="stream", id="n1",
                          addr={"type": "inet", "host": HOST, "port": str(port_number)})
            rule.wait(2)
            # Where the two share the server, which one came first is not known.
            vm.wait_until(lambda: "chardev 'c0': " in m.errors() and "netdev 'n1': " in m.errors(), "both are told of")
            tap.equal(m.errors().count("Resource temporarily unavailable"), 2, m.errors())
            injector.end()
            with server.accept()[0] as again:
                wait_for_client(m)
                guest_writes(m, b"x")
                tap.equal(again.recv(1), b"x")


def no_thread_to_migrate():
    """A machine that cannot begin to go, or to come, is as it was."""
    with tempfile.TemporaryDirectory() as folder, inject.injecting(BUILD) as injector, \
            machine.Machine(extra=["-incoming", "defer"]) as target, machine.Machine() as source:
        injector.fail("pthread_create", "", "EAGAIN")
        for m, command, uri in ((target, "migrate-incoming", f"unix:{folder}/there"),
                                (source, "migrate", f"exec:cat > {folder}/file")):
            error = error_of(lambda m=m, command=command, uri=uri: m.qmp.command(command, uri=uri))
            tap.equal("Resource temporarily unavailable" in (error or ""), True, error)
        tap.equal(source.qmp.command("query-migrate")["status"], "failed")
        tap.equal(os.path.exists(f"{folder}/there"), False, "the socket's file")
        injector.end()
        target.qmp.command("migrate-incoming", uri=f"unix:{folder}/there")
        source.qmp.command("migrate", uri=f"unix:{folder}/there")
        vm.wait_until(lambda: target.qmp.command("query-status")["status"] == "running", "the machine is there")


# ---- netdevs ----

FRAMES = [frame(b"%d" % n + os.urandom(n * 40)) for n in range(30)]


@contextlib.contextmanager
def cable(folder, netdev="stream,server=on,addr.type=unix,addr.path={}/n1"):
    with inject.injecting(BUILD) as injector, wired(netdev=netdev.format(folder)) as (m, wire):
        yield m, wire, injector


@contextlib.contextmanager
def peer_of(m, folder):
    with client(f"{folder}/n1") as sock:
        m.qmp.event("NETDEV_STREAM_CONNECTED", **{"netdev-id": "n1"})
        yield packets.Wire(sock)


def stream_rows(call, scarce, rows, ends):
    """Packets of the one of ends(peer, wire) come whole to the other one, with the errors of each row at @call; and after
    one that lasts, in which nothing spins."""
    with tempfile.TemporaryDirectory() as folder, cable(folder) as (m, wire, injector), peer_of(m, folder) as peer:
        sender, receiver = ends(peer, wire)
        for row in rows:
            rules = [injector.fail(call, "/n1 ", error, limit=limit, skip=skip, count=count)
                     for error, limit, skip, count in row]
            for packet in FRAMES:
                sender.send(packet)
            tap.equal([receiver.receive() for _ in FRAMES], FRAMES, row)
            tap.equal(all(rule.done for rule in rules), True, row)
            injector.end()
        rule = injector.fail(call, "/n1 ", scarce)
        sender.send(FRAMES[0])
        rule.wait()
        machine.does_not_spin(m)
        injector.end()
        tap.equal(receiver.receive(), FRAMES[0])


def stream_output():
    """Whatever send() gives; also where it fails in the middle of a packet."""
    rows = [[("", 7, 0, ALL)]]
    for error, _ in AGAIN + SCARCE:
        rows.append([(error, 0, 0, 5)])
        rows.append([("", 10, 3, 1), (error, 0, 4, 2)])
    stream_rows("send", "ENOBUFS", rows, lambda peer, wire: (wire, peer))


def stream_input():
    rows = [[("", 7, 0, ALL)]] + [[(error, 0, 0, count)] for error, count in AGAIN + SCARCE]
    stream_rows("read", "ENOMEM", rows, lambda peer, wire: (peer, wire))


def stream_ends():
    """The connection fails, also in the middle of a packet: that is told, and the next one begins with a whole one."""
    rows = [("read", "ECONNRESET", 0), ("read", "ETIMEDOUT", 0), ("send", "EPIPE", 0), ("send", "ECONNRESET", 10),
            ("send", "ETIMEDOUT", 10)]
    with tempfile.TemporaryDirectory() as folder, cable(folder) as (m, wire, injector):
        for call, error, part in rows:
            with peer_of(m, folder) as peer:
                if part:
                    injector.fail(call, "/n1 ", limit=part, count=1)
                rule = injector.fail(call, "/n1 ", error, skip=1 if part else 0, count=1)
                (peer if call == "read" else wire).send(FRAMES[9])
                rule.wait()
                m.qmp.event("NETDEV_STREAM_DISCONNECTED", **{"netdev-id": "n1"})
            injector.end()
            with peer_of(m, folder) as peer:
                wire.send(FRAMES[5])
                tap.equal(peer.receive(), FRAMES[5], error)
                peer.send(FRAMES[6])
                tap.equal(wire.receive(), FRAMES[6], error)
            m.qmp.event("NETDEV_STREAM_DISCONNECTED", **{"netdev-id": "n1"})


def dgram():
    """Those that the host cannot send now wait; those that it refuses are lost, and the user hears of it where he can do
    something; input waits out what passes."""
    options = "dgram,local.type=unix,local.path={0}/n1,remote.type=unix,remote.path={0}/here"
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"{folder}/here")
        sock.settimeout(vm.LONG)
        with cable(folder, options) as (m, wire, injector):
            for error, count in AGAIN:
                rule = injector.fail("sendto", "/n1 ", error, skip=2, count=count)
                for packet in FRAMES:
                    wire.send(packet)
                tap.equal([sock.recv(1 << 17) for _ in FRAMES], FRAMES, error)
                tap.equal(rule.done, count, error)
                injector.end()
            for error in ("ENOBUFS", "ECONNREFUSED", "ENETUNREACH", "EPERM", "EPERM", "EMSGSIZE"):
                rule = injector.fail("sendto", "/n1 ", error, count=1)
                wire.send(frame(b"lost"))
                wire.send(frame(b"next"))
                tap.equal(sock.recv(1 << 17), frame(b"next"), error)
                tap.equal(rule.done, 1, error)
                injector.end()
            said = re.findall("netdev 'n1': .*", m.errors())
            tap.equal(len(said) == 1 and "Operation not permitted" in said[0], True, said)
            for error in ("EAGAIN", "EINTR", "ECONNREFUSED", "ENOMEM", "ENOBUFS"):
                rule = injector.fail("recvfrom", "/n1 ", error, count=2)
                for packet in FRAMES:
                    sock.sendto(packet, f"{folder}/n1")
                tap.equal([wire.receive() for _ in FRAMES], FRAMES, error)
                tap.equal(rule.done, 2, error)
                injector.end()
            rule = injector.fail("recvfrom", "/n1 ", "ENOMEM")
            sock.sendto(FRAMES[0], f"{folder}/n1")
            rule.wait()
            machine.does_not_spin(m)
            injector.end()
            tap.equal(wire.receive(), FRAMES[0])


# ---- making one ----

def each_call(m, injector, calls, make, remove):
    """@make with each of its @calls failing, one after another: each time an error says why, and nothing is left; then it
    can be made. Returns how many there were."""
    count = 0
    for call, name in calls:
        for skip in range(20):
            rule = injector.fail(call, name, "ENOMEM", skip=skip, count=1)
            error = error_of(make)
            injector.end()
            if not rule.done:
                remove()
                break
            tap.equal("Cannot allocate memory" in (error or ""), True, f"{call} {skip}: {error}")
            count += 1
    make()
    remove()
    return count


def descriptors(m):
    return sorted(os.readlink(f"/proc/{m.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{m.process.pid}/fd"))


SOCKET_CALLS = [("socket", ""), ("bind", ""), ("listen", ""), ("connect", "")]


def chardevs_made():
    with tempfile.TemporaryDirectory() as folder, inject.injecting(BUILD) as injector, machine.Machine() as m, \
            packets.listen(f"{folder}/listener") as listener:
        listener.listen(64)  # nobody is taken
        for name in ("fifo.in", "fifo.out", "one"):
            os.mkfifo(f"{folder}/{name}")

        def unix(path, server):
            return {"addr": {"type": "unix", "data": {"path": f"{folder}/{path}"}}, "server": server, "wait": False}

        inet = {"type": "inet", "data": {"host": HOST, "port": "0"}}
        rows = [
            ("socket", unix("server", True), SOCKET_CALLS, 3),
            ("socket", unix("listener", False), SOCKET_CALLS, 2),
            ("socket", {"addr": inet, "server": True, "wait": False}, SOCKET_CALLS, 3),
            ("udp", {"remote": {"type": "inet", "data": {"host": HOST, "port": "7"}}, "local": inet}, SOCKET_CALLS, 3),
            ("file", {"out": f"{folder}/out"}, [("open", "/out")], 1),
            ("pipe", {"device": f"{folder}/fifo"}, [("open", "/fifo.in"), ("open", "/fifo.out")], 2),
            ("file", {"out": f"{folder}/out", "in": f"{folder}/one"}, [("open", "/one"), ("open", "/out")], 2),
            ("pipe", {"device": f"{folder}/one"}, [("open", "/one")], 2),
            ("pty", {}, [("posix_openpt", ""), ("open", "/dev/pts/")], 2),
        ]
        before = descriptors(m)
        for kind, data, calls, wanted in rows:
            count = each_call(m, injector, calls,
                              lambda: m.qmp.command("chardev-add", id="c9", backend={"type": kind, "data": data}),
                              lambda: m.qmp.command("chardev-remove", id="c9"))
            tap.equal(count >= wanted, True, f"{count} calls of {kind} {data}")
        tap.equal(descriptors(m), before, "descriptors")


def netdevs_made():
    with tempfile.TemporaryDirectory() as folder, inject.injecting(BUILD) as injector, machine.Machine() as m:
        path = {"type": "unix", "path": f"{folder}/n9"}
        inet = {"type": "inet", "host": HOST, "port": "0"}
        rows = [
            ({"type": "stream", "server": True, "addr": path}, 3),
            ({"type": "stream", "server": True, "addr": inet}, 3),
            ({"type": "dgram", "local": path}, 2),
            ({"type": "dgram", "local": inet}, 2),
            ({"type": "dgram", "local": {"type": "inet", "host": "127.0.0.1", "port": "0"},
              "remote": {"type": "inet", "host": "239.0.0.7", "port": "7777"}}, 5),
            ({"type": "user", "hostfwd": [{"str": f"tcp:{HOST}:0-:80"}]}, 3),
            ({"type": "user", "hostfwd": [{"str": f"udp:{HOST}:0-:80"}]}, 2),
        ]
        before = descriptors(m)
        for options, wanted in rows:
            count = each_call(m, injector, SOCKET_CALLS, lambda: m.qmp.command("netdev_add", id="n9", **options),
                              lambda: m.qmp.command("netdev_del", id="n9"))
            tap.equal(count, wanted, f"calls of {options}")
        tap.equal(descriptors(m), before, "descriptors")


def tap_made():
    """Inside of a network of its own."""
    with inject.injecting(BUILD) as injector, machine.Machine() as m:
        before = descriptors(m)
        count = each_call(m, injector, [("open", "/dev/net/tun")],
                          lambda: m.qmp.command("netdev_add", type="tap", id="n9", script="no", downscript="no"),
                          lambda: m.qmp.command("netdev_del", id="n9"))
        tap.equal(count, 1)
        # To make it, to ask what it is, to ask for its headers; what is only better with it may fail.
        for skip in range(3):
            rule = injector.fail("ioctl", "/dev/net/tun", "EPERM", skip=skip, count=1)
            error = error_of(lambda: m.qmp.command("netdev_add", type="tap", id="n9", script="no", downscript="no"))
            tap.equal((error is not None, rule.done), (True, 1), f"ioctl {skip}: {error}")
            injector.end()
        rule = injector.fail("ioctl", "/dev/net/tun", "EINVAL", skip=3)
        m.qmp.command("netdev_add", type="tap", id="n9", script="no", downscript="no")
        m.qmp.command("netdev_del", id="n9")
        tap.equal(rule.done > 0, True)
        tap.equal(descriptors(m), before, "descriptors")
    tap_packets()


def tap_packets():
    """Packets wait for calls that do not work now, and go on after others that fail."""
    kind = 0x88b5
    with inject.injecting(BUILD) as injector, wired(netdev="tap,ifname=card9,script=no,downscript=no") as (m, wire), \
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)) as card:
        subprocess.run(["ip", "link", "set", "card9", "up"], check=True)
        card.bind(("card9", kind))
        card.settimeout(vm.LONG)
        for error, count in AGAIN + SCARCE:
            rules = [injector.fail("readv", "/dev/net/tun", error, count=count)]
            if error in dict(AGAIN):
                rules.append(injector.fail("writev", "/dev/net/tun", error, skip=2, count=count))
            for packet in FRAMES[:9]:
                card.send(packet)
            tap.equal([next_of(wire, kind) for _ in range(9)], FRAMES[:9], error)
            for packet in FRAMES[:9]:
                wire.send(packet)
            tap.equal([card.recv(1 << 17) for _ in range(9)], FRAMES[:9], error)
            tap.equal([rule.done for rule in rules], [count] * len(rules), error)
            injector.end()
        for error in ("EIO", "ENOBUFS"):
            injector.fail("writev", "/dev/net/tun", error, count=1)
            wire.send(frame(b"lost"))
            wire.send(frame(b"next"))
            tap.equal(card.recv(1 << 17), frame(b"next"), error)
            injector.end()
        rule = injector.fail("readv", "/dev/net/tun", "EIO")
        card.send(FRAMES[0])
        rule.wait()
        machine.does_not_spin(m)
        injector.end()
        tap.equal(next_of(wire, kind), FRAMES[0])


def next_of(wire, kind):
    """The next packet of this type: the host's kernel has things to say about a new card, too."""
    while True:
        packet = wire.receive()
        if packet[12:14] == kind.to_bytes(2, "big"):
            return packet


if sys.argv[2:]:
    {"tap_made": tap_made}[sys.argv[2]]()
    sys.exit(0)

tap.run([
    *[(f"output of a {kind}", lambda kind=kind: output(kind)) for kind in PORTS],
    *[(f"output of a {kind} in pieces", lambda kind=kind: short_output(kind)) for kind in PORTS],
    *[(f"input of a {kind}", lambda kind=kind: input_(kind)) for kind in PORTS if PORTS[kind][4]],
    ("a chardev's other end goes", other_end_goes),
    ("a terminal goes", terminal_goes),
    ("input that ends", input_ends),
    ("a chardev of datagrams", datagrams),
    ("accept", accepting),
    ("no thread", no_thread),
    ("no thread to migrate", no_thread_to_migrate),
    ("stream, output", stream_output),
    ("stream, input", stream_input),
    ("stream, ends", stream_ends),
    ("dgram", dgram),
    ("chardevs are made", chardevs_made),
    ("netdevs are made", netdevs_made),
    ("a tap", lambda: own_network.call("tap_made")),
])

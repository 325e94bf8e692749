#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-netdev user, and filter-dump, when calls of the host fail (inject.h): the guest gets an answer, or every byte once."""
import os
import re
import socket
import sys
import tempfile

import inject
import machine
import packets
import tap
import vm

from com1 import receive
from packets import FIN, RST, SYN, Guest, Tcp, frame, wired

BUILD = sys.argv[1]
TEXT = os.urandom(3000)


def server():
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(8)
    sock.settimeout(vm.LONG)
    return sock


def answer(guest, port):
    """What comes to a SYN of @port: "RST", "SYN", or "unreachable"."""
    while True:
        packet = guest.receive_ipv4()
        at = 14 + (packet[14] & 15) * 4
        if packet[23] == 1 and packet[at] == 3:
            return "unreachable"
        if packet[23] == 6 and int.from_bytes(packet[at + 2:at + 4], "big") == port:
            return "RST" if packet[at + 13] & RST else "SYN"


def refused():
    """A connection that the host cannot make is refused, not forgotten; the next one can be made."""
    with inject.injecting(BUILD) as injector, server() as listener, wired(netdev="user") as (_, wire):
        guest = Guest(wire)
        rows = [("socket", "EMFILE", "unreachable"), ("socket", "ENOBUFS", "unreachable"),
                ("connect", "ECONNREFUSED", "RST"), ("connect", "ENETUNREACH", "unreachable"),
                ("connect", "EHOSTUNREACH", "unreachable"), ("connect", "EADDRNOTAVAIL", "unreachable"),
                ("connect", "EPERM", "unreachable")]
        for number, (call, error, wanted) in enumerate(rows):
            rule = injector.fail(call, "", error, count=1)
            tcp = Tcp(guest, 5000 + number)
            tcp.peer = ("10.0.2.2", listener.getsockname()[1])
            tcp.send_segment(SYN)
            tap.equal((answer(guest, tcp.port), rule.done), (wanted, 1), f"{call} {error}")
            injector.end()
            tcp = Tcp(guest, 6000 + number)
            tap.equal(tcp.connect("10.0.2.2", listener.getsockname()[1]), True, error)
            with listener.accept()[0] as there:
                there.settimeout(vm.LONG)
                tcp.send(b"hello")
                tap.equal(there.recv(10), b"hello")


def connection():
    """One that goes on, whatever its calls give in between; and one that fails, of which the guest hears."""
    with inject.injecting(BUILD) as injector, server() as listener, wired(netdev="user") as (_, wire):
        guest = Guest(wire)
        name = f":{listener.getsockname()[1]} "
        rows = [("recv", "EAGAIN", 0), ("recv", "EINTR", 0), ("recv", "", 7), ("send", "EAGAIN", 0),
                ("send", "EINTR", 0), ("send", "", 7)]
        for number, (call, error, limit) in enumerate(rows):
            tcp = Tcp(guest, 5000 + number)
            tap.equal(tcp.connect("10.0.2.2", listener.getsockname()[1]), True)
            with listener.accept()[0] as there:
                there.settimeout(vm.LONG)
                rule = injector.fail(call, name, error, limit=limit, count=3)
                there.sendall(TEXT)
                tap.equal(tcp.receive(len(TEXT)), TEXT, f"{call} {error}")
                tcp.send(TEXT)
                tap.equal(receive(there, len(TEXT)), TEXT, f"{call} {error}")
                tap.equal(rule.done > 0, True, f"{call} {error}")
                injector.end()
        for number, (call, error) in enumerate([("recv", "ECONNRESET"), ("recv", "ETIMEDOUT"), ("send", "ECONNRESET"),
                                                ("send", "EPIPE")]):
            tcp = Tcp(guest, 6000 + number)
            tap.equal(tcp.connect("10.0.2.2", listener.getsockname()[1]), True)
            with listener.accept()[0] as there:
                rule = injector.fail(call, name, error)
                if call == "recv":
                    there.sendall(b"lost")
                else:
                    tcp.send(b"lost")
                flags = 0
                while not flags & (RST | FIN):
                    flags = tcp.take_segment()
                tap.equal(rule.done > 0, True, error)
            injector.end()


def datagrams():
    """Of UDP: those that cannot be sent are lost, or answered by ICMP; the next ones go."""
    with inject.injecting(BUILD) as injector, wired(netdev="user") as (m, wire), \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(vm.LONG)
        guest = Guest(wire)
        port = sock.getsockname()[1]
        for number, (call, error) in enumerate([("socket", "EMFILE"), ("sendto", "ENETUNREACH"), ("sendto", "EPERM"),
                                                ("sendto", "ENOBUFS"), ("recvfrom", "ECONNREFUSED"),
                                                ("recvfrom", "ENOMEM"), ("recvfrom", "EAGAIN")]):
            rule = injector.fail(call, "", error, count=1)
            if call != "recvfrom":
                guest.send_udp("10.0.2.2", 3000 + number, port, b"lost")
                rule.wait()
            guest.send_udp("10.0.2.2", 3000 + number, port, b"next")
            data, address = sock.recvfrom(10)
            tap.equal(data, b"next", error)
            sock.sendto(b"back", address)
            tap.equal((guest.receive_udp(3000 + number)[2], rule.done), (b"back", 1), error)
            injector.end()


def forwarded(m):
    """The host's port that hostfwd has got."""
    text = m.qmp.command("human-monitor-command", **{"command-line": "info usernet"})
    return int(re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", text).group(1))


def accepting():
    """A forward whose clients cannot be taken: nothing spins, and they are served when they can be."""
    with inject.injecting(BUILD) as injector, wired(netdev="user,hostfwd=tcp:127.0.0.1:0-:80") as (m, wire):
        guest = Guest(wire)
        place = ("127.0.0.1", forwarded(m))
        with socket.create_connection(place, vm.LONG) as other:
            there = Tcp(guest, 80)
            there.accept()
            rule = injector.fail("accept", "", "EMFILE")
            with socket.create_connection(place, vm.LONG) as sock:
                rule.wait()
                message = "netdev 'n1': connections wait, or are refused: Too many open files"
                vm.wait_until(lambda: message in m.errors(), "the message")
                machine.does_not_spin(m)
                tap.equal(m.errors().count(message), 1, m.errors())
                # What is there goes on meanwhile.
                other.sendall(TEXT)
                tap.equal(there.receive(len(TEXT)), TEXT)
                injector.end()
                tcp = Tcp(guest, 80)
                tcp.accept()
                sock.sendall(TEXT)
                tap.equal(tcp.receive(len(TEXT)), TEXT)


def dump():
    """The file of a filter-dump takes no more: that is told, and the network goes on."""
    with tempfile.TemporaryDirectory() as folder, inject.injecting(BUILD) as injector, \
            wired(netdev="user") as (m, wire):

        def add(name):
            m.qmp.command("object-add", **{"qom-type": "filter-dump", "id": name, "netdev": "wire",
                                           "file": f"{folder}/{name}"})

        for call, error in (("open", "EMFILE"), ("write", "ENOSPC"), ("write", "EIO")):
            rule = injector.fail(call, f"{folder}/none", error, count=1)
            try:
                add("none")
            except vm.QmpError as found:
                tap.equal(os.strerror(getattr(inject.errno, error)) in found.desc, True, found.desc)
            else:
                raise AssertionError(f"{call} {error}: it was made")
            tap.equal(rule.done, 1)
            injector.end()
        for number, (error, limit) in enumerate([("ENOSPC", 0), ("EIO", 0), ("", 30)]):
            name = f"d{number}"
            add(name)
            rule = injector.fail("write", f"{folder}/{name}", error, limit=limit, skip=1, count=1)
            for text in (b"one", b"two", b"three"):
                wire.send(frame(text))
            rule.wait()
            vm.wait_until(lambda name=name: f"filter-dump '{name}': " in m.errors(), "the message")
            tap.equal(m.errors().count(f"filter-dump '{name}': {folder}/{name} takes no more"), 1, m.errors())
            tap.equal(b"three" in open(f"{folder}/{name}", "rb").read(), False)
            injector.end()
        add("whole")
        rule = injector.fail("write", f"{folder}/whole", "EINTR", count=2)
        wire.send(packets.dhcp_discover())
        wire.receive()
        with open(f"{folder}/whole", "rb") as file:
            tap.equal(packets.dhcp_discover() in file.read(), True)
        tap.equal(rule.done, 2)


tap.run([
    ("a connection that cannot be made", refused),
    ("a connection", connection),
    ("datagrams", datagrams),
    ("a forward", accepting),
    ("filter-dump", dump),
])

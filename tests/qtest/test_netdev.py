#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Netdevs, packet by packet: whatever goes in at one end comes out at the other, once and as it was."""
import fcntl
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import machine
import own_network
import packets
import tap
import vm

from packets import Wire, frame, wired


def hmp(m, line):
    return m.qmp.command("human-monitor-command", **{"command-line": line})


# Addresses that no other test has, so that ports which are free stay so.
PID = os.getpid()
HOST = f"127.{PID >> 16 & 127}.{PID >> 8 & 255}.{PID & 255 or 1}"
GROUP = f"239.{PID >> 16 & 127}.{PID >> 8 & 255}.{PID & 255}"


def udp_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((HOST, 0))
    sock.settimeout(vm.LONG)
    return sock


def free_port():
    """A port of HOST that is free."""
    with udp_socket() as sock:
        return sock.getsockname()[1]


def both_ways(wire, sock, to=None):
    """Packets of many lengths, from @wire to the socket of datagrams @sock and back."""
    for size in (60, 61, 1514, 9000, 65000):
        packet = frame(os.urandom(size - 14))
        wire.send(packet)
        tap.equal(sock.recv(1 << 17), packet)
        if to:
            sock.sendto(packet, to)
        else:
            sock.send(packet)
        tap.equal(wire.receive(), packet)


def dgram_inet():
    with udp_socket() as sock:
        port = free_port()
        options = (f"dgram,local.type=inet,local.host={HOST},local.port={port},remote.type=inet,"
                   f"remote.host={HOST},remote.port={sock.getsockname()[1]}")
        with wired(netdev=options) as (m, wire):
            both_ways(wire, sock, (HOST, port))
            text = hmp(m, "info network")
            tap.equal(f"n1: index=0,type=dgram,udp={HOST}:{port}/{HOST}:{sock.getsockname()[1]}\n" in text, True, text)


def dgram_unix():
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"{folder}/here")
        sock.settimeout(vm.LONG)
        # One that an earlier run has left.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as old:
            old.bind(f"{folder}/there")
        options = f"dgram,local.type=unix,local.path={folder}/there,remote.type=unix,remote.path={folder}/here"
        with packets.listen(f"{folder}/late") as listener, \
                wired(*packets.plugged(options, "n1"),
                      *packets.plugged(f"stream,addr.type=unix,addr.path={folder}/late", "late")) as (m, wire), \
                listener.accept()[0] as last:
            both_ways(wire, sock, f"{folder}/there")
            # To somebody who is not there any more: lost, and nothing else. The last port tells when.
            os.rename(f"{folder}/here", f"{folder}/away")
            wire.send(frame(b"lost"))
            late = Wire(last)
            while packets.text_of(late.receive()) != b"lost":
                pass
            os.rename(f"{folder}/away", f"{folder}/here")
            both_ways(wire, sock, f"{folder}/there")
            os.unlink(f"{folder}/late")
            m.qmp.command("netdev_del", id="n1")
            tap.equal(os.listdir(folder), ["here"])


def without_remote():
    """What nobody is named for is lost; what comes, comes."""
    port = free_port()
    with udp_socket() as sock, wired(netdev=f"dgram,local.type=inet,local.host={HOST},local.port={port}") \
            as (_, wire):
        wire.send(frame(b"to nobody"))
        sock.sendto(frame(b"in"), (HOST, port))
        tap.equal(wire.receive(), frame(b"in"))


def waits_for_room():
    """A reader that is slow: what it has no room for waits, in order, as far as a port of a hub lets it."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"{folder}/here")
        sock.settimeout(vm.LONG)
        options = f"dgram,local.type=unix,local.path={folder}/there,remote.type=unix,remote.path={folder}/here"
        with wired(netdev=options) as (m, wire):
            for n in range(400):  # more than a unix socket keeps
                wire.send(frame(b"%d" % n))
            m.qmp.command("query-status")
            tap.equal([packets.text_of(sock.recv(1 << 17)) for _ in range(400)], [b"%d" % n for n in range(400)])


def group_socket(group, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((group, port))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                    socket.inet_aton(group) + socket.inet_aton("127.0.0.1"))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    sock.settimeout(vm.LONG)
    return sock


def group(options):
    """Three machines of which one is us: each gets what the others send, and not what it has sent."""
    port = free_port()
    options = options.format(port=port, group=GROUP)
    with group_socket(GROUP, port) as sock, wired(netdev=options) as (_, one), wired(netdev=options) as (_, two):
        one.send(frame(b"from one"))
        tap.equal((sock.recv(2000), two.receive()), (frame(b"from one"),) * 2)
        two.send(frame(b"from two"))
        tap.equal((sock.recv(2000), one.receive()), (frame(b"from two"),) * 2)
        sock.sendto(frame(b"from us"), (GROUP, port))
        tap.equal((one.receive(), two.receive()), (frame(b"from us"),) * 2)


def socket_udp():
    with udp_socket() as sock:
        port = free_port()
        options = f"socket,udp={HOST}:{sock.getsockname()[1]},localaddr={HOST}:{port}"
        with wired(netdev=options) as (_, wire):
            both_ways(wire, sock, (HOST, port))


def stream_both_ways(wire, other):
    for size in (60, 1514, 65000):
        packet = frame(os.urandom(size - 14))
        wire.send(packet)
        tap.equal(other.receive(), packet)
        other.send(packet)
        tap.equal(wire.receive(), packet)


def add(m, options):
    """Make the netdev n1, now that events are seen, and plug it into the hub."""
    kind, _, options = options.partition(",")
    tap.equal(hmp(m, f"netdev_add {kind},id=n1,{options}"), "")
    packets.plug(m, "n1")


def connects(options):
    """The machine connects to us by TCP."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(1)
        listener.settimeout(vm.LONG)
        with wired() as (m, wire):
            add(m, options.format(port=listener.getsockname()[1], host=HOST))
            with listener.accept()[0] as sock:
                address = m.qmp.event("NETDEV_STREAM_CONNECTED", **{"netdev-id": "n1"})["data"]["addr"]
                tap.equal((address["type"], address["host"], address["port"]),
                          ("inet", HOST, str(listener.getsockname()[1])))
                stream_both_ways(wire, Wire(sock))
            m.qmp.event("NETDEV_STREAM_DISCONNECTED", **{"netdev-id": "n1"})


def listens(options):
    """We connect by TCP, three times."""
    port = free_port()
    with wired(netdev=options.format(port=port, host=HOST)) as (m, wire):
        for _ in range(3):
            with socket.create_connection((HOST, port), vm.LONG) as sock:
                m.qmp.event("NETDEV_STREAM_CONNECTED", **{"netdev-id": "n1"})
                stream_both_ways(wire, Wire(sock))
            m.qmp.event("NETDEV_STREAM_DISCONNECTED", **{"netdev-id": "n1"})


def passed(kind, **options):
    """A descriptor that QMP has passed, by its name, for each kind of netdev that takes one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    ours.settimeout(vm.LONG)
    with ours, theirs, wired() as (m, wire):
        tap.equal(machine.fd_command(m, "getfd", theirs.fileno(), fdname="cable"), None)
        m.qmp.command("netdev_add", id="n1", **options)
        packets.plug(m, "n1")
        if kind == socket.SOCK_STREAM:
            stream_both_ways(wire, Wire(ours))
        else:
            both_ways(wire, ours)
        m.qmp.command("netdev_del", id="n1")
        theirs.close()
        tap.equal(ours.recv(1) if kind == socket.SOCK_STREAM else b"", b"", "it is closed")
        try:
            m.qmp.command("netdev_add", id="n2", **options)
        except vm.QmpError as err:
            tap.equal("'cable'" in err.desc, True, err.desc)
        else:
            raise AssertionError("it is not there a second time")


def hubs():
    """A hub of three, another of two: everybody else of a hub hears what one says."""
    with tempfile.TemporaryDirectory() as folder, packets.listen(f"{folder}/a") as a, packets.listen(f"{folder}/b") as b:
        extra = packets.plugged(f"stream,addr.type=unix,addr.path={folder}/a", "a", 7) + \
            packets.plugged(f"stream,addr.type=unix,addr.path={folder}/b", "b", 7) + \
            packets.plugged("user", "u", 8)
        with wired(*extra, hub=7) as (m, one), a.accept()[0] as second, b.accept()[0] as third:
            two, three = Wire(second), Wire(third)
            for n, (says, hear) in enumerate(((one, (two, three)), (two, (one, three)), (three, (one, two)))):
                says.send(frame(b"%d" % n))
                tap.equal([packets.text_of(hears.receive()) for hears in hear], [b"%d" % n] * 2)
            tap.equal(hmp(m, "set_link a off"), "")
            one.send(frame(b"not for a"))
            tap.equal(packets.text_of(three.receive()), b"not for a")
            tap.equal(hmp(m, "set_link a on"), "")
            m.qmp.command("netdev_del", id="bport")
            one.send(frame(b"not for b"))
            tap.equal(packets.text_of(two.receive()), b"not for b")
            packets.plug(m, "b", 7)
            one.send(frame(b"for all"))
            tap.equal([packets.text_of(hears.receive()) for hears in (two, three)], [b"for all"] * 2)
            text = hmp(m, "info network")
            tap.equal("u: index=0,type=user,net=10.0.2.0,restrict=off\n \\ uport: index=0,type=hubport,hub=8\n" in text, True, text)


def net_option():
    """-net: a card and two netdevs in hub 0."""
    with tempfile.TemporaryDirectory() as folder, packets.listen(f"{folder}/a") as listener, \
            machine.Machine(extra=["-net", "nic,model=virtio,macaddr=52:54:00:00:00:09,name=card", "-net", "user",
                                   "-net", f"stream,name=s0,addr.type=unix,addr.path={folder}/a"]) as m, \
            listener.accept()[0] as sock:
        wire = Wire(sock)
        text = hmp(m, "info network")
        tap.equal("card: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:00:00:09\n \\ hub0port0: index=0,type=hubport,hub=0" in text, True, text)
        # The user network answers: who has 10.0.2.2?
        wire.send(packets.arp_request("10.0.2.15", "10.0.2.2"))
        tap.equal(wire.receive()[28:32], bytes([10, 0, 2, 2]))


def no_sense(options):
    """A peer of a stream that makes no sense is sent away, and the machine lives."""
    rubbish = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\1\x10\1" + b"x" * 70000, b"\0\0\0\x3c" + b"x" * 30, b"\0\0"]
    port = free_port()
    with wired(netdev=options.format(port=port, host=HOST)) as (m, wire):
        for data in rubbish:
            with socket.create_connection((HOST, port), vm.LONG) as sock:
                m.qmp.event("NETDEV_STREAM_CONNECTED", **{"netdev-id": "n1"})
                sock.sendall(data)
            m.qmp.event("NETDEV_STREAM_DISCONNECTED", **{"netdev-id": "n1"})
        with socket.create_connection((HOST, port), vm.LONG) as sock:
            m.qmp.event("NETDEV_STREAM_CONNECTED", **{"netdev-id": "n1"})
            other = Wire(sock)
            # A frame byte by byte, two in one, and half of one that waits while others talk.
            packet = struct.pack(">I", 60) + frame(b"slowly")
            for n in range(len(packet)):
                sock.sendall(packet[n:n + 1])
                if n % 16 == 0:
                    m.qmp.command("query-status")
            tap.equal(wire.receive(), frame(b"slowly"))
            sock.sendall(packet + packet + packet[:20])
            tap.equal([wire.receive(), wire.receive()], [frame(b"slowly")] * 2)
            wire.send(frame(b"the other way"))
            tap.equal(other.receive(), frame(b"the other way"))
            sock.sendall(packet[20:])
            tap.equal(wire.receive(), frame(b"slowly"))


def slow_reader():
    """Nobody reads at the other end: the rest of the hub goes on, memory does not grow, and what is read later are
    whole packets in order."""
    with tempfile.TemporaryDirectory() as folder, packets.listen(f"{folder}/slow") as listener:
        extra = packets.plugged(f"stream,addr.type=unix,addr.path={folder}/slow", "slow")
        with packets.listen(f"{folder}/quick") as second, vm.small_quarantine(), \
                wired(*extra, *packets.plugged(f"stream,addr.type=unix,addr.path={folder}/quick", "quick")) as (m, wire), \
                listener.accept()[0] as asleep, second.accept()[0] as awake:
            quick, slow = Wire(awake), Wire(asleep)
            sizes = []
            for n in range(6000):
                packet = frame(struct.pack(">I", n) + bytes(1400))
                wire.send(packet)
                tap.equal(quick.receive(), packet)
                if n in (2000, 5999):
                    sizes.append(vm.resident(m.process.pid))
            tap.equal(sizes[1] - sizes[0] < 1024, True, f"KiB, before and after: {sizes}")
            numbers = [struct.unpack(">I", slow.receive()[14:18])[0] for _ in range(500)]
            tap.equal(numbers, list(range(500)))


def read_pcap(path):
    """[(length kept, full length, bytes)] of a file of packets, by our own reader."""
    with open(path, "rb") as file:
        data = file.read()
    magic, major, minor, _, _, limit, link = struct.unpack("<IHHIIII", data[:24])
    tap.equal((magic, major, minor, link), (0xa1b2c3d4, 2, 4, 1))
    at, found = 24, []
    while at < len(data):
        seconds, micro, kept, full = struct.unpack("<IIII", data[at:at + 16])
        tap.equal(kept == min(full, limit) and micro < 1000000 and abs(seconds - time.time()) < 3600, True)
        found.append((kept, full, data[at + 16:at + 16 + kept]))
        at += 16 + kept
    tap.equal(at, len(data))
    return found


def dumps():
    """filter-dump: what goes to and from a netdev, in files; made and removed while packets go."""
    with tempfile.TemporaryDirectory() as folder, udp_socket() as sock:
        port = free_port()
        extra = packets.plugged(f"socket,udp={HOST}:{sock.getsockname()[1]},localaddr={HOST}:{port}", "n1")
        for queue in ("all", "rx", "tx"):
            extra += ["-object", f"filter-dump,id={queue},netdev=n1,file={folder}/{queue},queue={queue}"]
        with wired(*extra, "-object", f"filter-dump,id=short,netdev=n1,maxlen=20,file={folder}/short") as (m, wire):
            out, back = frame(b"out" * 100), frame(b"back")

            def ping():
                wire.send(out)
                tap.equal(sock.recv(2000), out)
                sock.sendto(back, (HOST, port))
                tap.equal(wire.receive(), back)

            ping()
            m.qmp.command("qom-set", path="/objects/all", property="status", value="off")
            ping()
            m.qmp.command("qom-set", path="/objects/all", property="status", value="on")
            m.qmp.command("object-del", id="rx")
            ping()
            m.qmp.command("object-add", **{"qom-type": "filter-dump", "id": "late", "netdev": "n1",
                                           "file": f"{folder}/late"})
            ping()
            m.qmp.command("netdev_del", id="n1")
            m.qmp.command("object-del", id="late")
            wants = {"all": [out, back] * 3, "rx": [out] * 2, "tx": [back] * 4, "late": [out, back]}
            for name, want in wants.items():
                tap.equal([packet for _, _, packet in read_pcap(f"{folder}/{name}")], want, name)
            tap.equal(read_pcap(f"{folder}/short"), [(20, len(out), out[:20]), (20, len(back), back[:20])] * 4)
            if shutil.which("tcpdump"):
                text = subprocess.run(["tcpdump", "-e", "-r", f"{folder}/late"], stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, check=True).stdout.decode()
                tap.equal([line.count("ethertype Unknown (0x88b5), length") for line in text.splitlines()
                           if "ethertype" in line], [1, 1], text)


def take_all(fd):
    """What is in the pipe @fd."""
    found = b""
    while True:
        try:
            data = os.read(fd, 1 << 17)
        except BlockingIOError:
            return found
        if not data:
            return found
        found += data


def dump_to_pipe():
    """A pipe whose reader is not there, or slow, stops nothing: it gets whole packets, as many as it has room for."""
    with tempfile.TemporaryDirectory() as folder, udp_socket() as sock:
        extra = packets.plugged(f"socket,udp={HOST}:{sock.getsockname()[1]},localaddr={HOST}:{free_port()}", "n1")
        os.mkfifo(f"{folder}/pipe")
        with wired(*extra) as (m, wire):
            words = {"qom-type": "filter-dump", "id": "d", "netdev": "n1", "file": f"{folder}/pipe"}
            try:
                m.qmp.command("object-add", **words)
                raise AssertionError("a pipe without a reader is taken")
            except vm.QmpError as err:
                tap.equal("nobody reads" in err.desc and f"{folder}/pipe" in err.desc, True, err.desc)
            reader = os.open(f"{folder}/pipe", os.O_RDONLY | os.O_NONBLOCK)
            m.qmp.command("object-add", **words)
            large, last = frame(os.urandom(9000)), frame(b"last")
            for _ in range(40):
                wire.send(large)
                tap.equal(sock.recv(1 << 17), large)
            data = take_all(reader)
            tap.equal(len(data) < 40 * len(large), True, "the pipe was full")
            wire.send(last)
            tap.equal(sock.recv(1 << 17), last)
            with open(f"{folder}/taken", "wb") as file:
                file.write(data + take_all(reader))
            found = [packet for _, _, packet in read_pcap(f"{folder}/taken")]
            tap.equal((set(found[:-1]), found[-1]), ({large}, last))
            os.close(reader)
            wire.send(last)
            tap.equal(sock.recv(1 << 17), last)
            vm.wait_until(lambda: "takes no more" in m.errors(), "the reader is missed")
            wire.send(last)
            tap.equal(sock.recv(1 << 17), last)


# ---- tap: in a network of its own, where we may make one ----

# Takes --fd=N and --br=NAME, as helpers do, and sends a tap over socket N.
HELPER = """#!{python}
import fcntl, os, socket, struct, sys
words = dict(word.split("=") for word in sys.argv[1:])
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", words["--br"].encode(), {flags:#x}))
socket.send_fds(socket.socket(fileno=int(words["--fd"])), [b"x"], [fd])
"""
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x2, 0x1000, 0x4000


def write_program(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, 0o755)


def make_tap(name, flags):
    """A tap of ours: its descriptor."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | flags))
    return fd


def set_up(name):
    subprocess.run(["ip", "addr", "add", "192.0.2.1/24", "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)


def card(name):
    """The address of the host's card @name, or None."""
    text = subprocess.run(["ip", "-o", "link", "show", "dev", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False).stdout.decode()
    return bytes.fromhex(text.split("link/ether ")[1].split()[0].replace(":", "")) if text else None


def talks(wire, name):
    """The host's kernel, through the tap @name: ARP, and UDP both ways."""
    def answer(kind):
        while (packet := wire.receive())[12:14] != kind:
            pass  # what the kernel says by itself
        return packet

    wire.send(packets.arp_request("192.0.2.9", "192.0.2.1"))
    reply = answer(b"\x08\x06")
    tap.equal((reply[20:22], reply[28:32]), (b"\0\2", socket.inet_aton("192.0.2.1")))
    mac = card(name)
    tap.equal(reply[6:12], mac)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("192.0.2.1", 0))
        sock.settimeout(vm.LONG)
        port = sock.getsockname()[1]
        for size in (1, 100, 1472):
            data = os.urandom(size)
            wire.send(packets.udp("192.0.2.9", "192.0.2.1", 7, port, data, to=mac))
            tap.equal(sock.recvfrom(2000), (data, ("192.0.2.9", 7)))
            sock.sendto(data, ("192.0.2.9", 7))
            packet = answer(b"\x08\x00")
            tap.equal(packets.udp_payload(packet), (port, 7, data))
            tap.equal(packets.udp_checksum_is_right(packet), True)


def tap_by_name(folder, more):
    write_program(f"{folder}/up", f"#!/bin/sh\necho $1 >> {folder}/said\n"
                  "ip addr add 192.0.2.1/24 dev $1 && ip link set $1 up\n")
    write_program(f"{folder}/down", f"#!/bin/sh\necho $1 gone >> {folder}/said\n")
    with wired(netdev=f"tap,ifname=card7,script={folder}/up,downscript={folder}/down{more}") as (m, wire):
        tap.equal("n1: index=0,type=tap,ifname=card7\n" in hmp(m, "info network"), True)
        talks(wire, "card7")
        m.qmp.command("netdev_del", id="n1")
        with open(f"{folder}/said", encoding="ascii") as file:
            tap.equal(file.read(), "card7\ncard7 gone\n")
        tap.equal(card("card7"), None)
        tap.equal(hmp(m, "netdev_add tap,id=n2,ifname=card8,script=/bin/false").startswith("Error: netdev 'n2': /bin/false"),
                  True)
        tap.equal(card("card8"), None)
    os.unlink(f"{folder}/said")


def tap_script_waits(folder):
    """While a script runs, the machine goes on, and so do its networks."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.mkfifo(f"{folder}/gate")
    write_program(f"{folder}/slow", f"#!/bin/sh\ntouch {folder}/begun\nread line < {folder}/gate\n")
    with udp_socket() as sock:
        netdev = f"socket,udp={HOST}:{sock.getsockname()[1]},localaddr={HOST}:{free_port()}"
        with wired(netdev=netdev) as (m, wire):
            for name, words in (("netdev_add", {"type": "tap", "ifname": "card7", "script": f"{folder}/slow",
                                                "downscript": f"{folder}/slow"}), ("netdev_del", {})):
                command = threading.Thread(target=m.qmp.command, args=(name,), kwargs={"id": "n2", **words}, daemon=True)
                command.start()
                vm.wait_until(lambda: os.path.exists(f"{folder}/begun"), "the script")
                wire.send(frame(b"meanwhile"))
                tap.equal(sock.recv(2000), frame(b"meanwhile"))
                os.unlink(f"{folder}/begun")
                with open(f"{folder}/gate", "w", encoding="ascii") as gate:
                    gate.write("\n")
                command.join(vm.LONG)
                tap.equal(command.is_alive(), False)
            tap.equal(card("card7"), None)


def tap_goes():
    """Somebody removes the host's card: said once, and the loop does not spin on what cannot be read."""
    with wired(netdev="tap,ifname=card7,script=no,downscript=no") as (m, wire):
        set_up("card7")
        talks(wire, "card7")
        subprocess.run(["ip", "link", "del", "card7"], check=True)
        vm.wait_until(lambda: "the host's card has gone" in m.errors(), "the card goes")
        wire.send(frame(b"lost"))
        machine.does_not_spin(m)
        tap.equal(m.errors().count("has gone"), 1)


def tap_by_fd(flags):
    fd = make_tap("card7", flags)
    with wired() as (m, wire):
        for key in ("fd", "fds"):
            tap.equal(machine.fd_command(m, "getfd", fd, fdname="t"), None)
            m.qmp.command("netdev_add", type="tap", id="n1", **{key: "t"})
            packets.plug(m, "n1")
            if key == "fd":
                set_up("card7")
            talks(wire, "card7")
            m.qmp.command("netdev_del", id="n1")
            m.qmp.command("netdev_del", id="n1port")
    os.close(fd)


def tap_by_helper(folder, kind):
    write_program(f"{folder}/helper", HELPER.format(python=sys.executable, flags=IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    with wired(netdev=f"{kind},helper={folder}/helper,br=card7") as (m, wire):
        set_up("card7")
        talks(wire, "card7")
        tap.equal(hmp(m, f"netdev_add {kind},id=n2,helper=/bin/true").strip(),
                  "Error: netdev 'n2': /bin/true has ended without sending a tap")


def tap_without_vhost():
    """Where the host's kernel has not loaded vhost_net: vhost=on warns, and packets go through the program; who insists has an
    error. Where it has, tests/nested does the rest."""
    if os.path.exists("/dev/vhost-net"):
        return
    with wired(netdev="tap,ifname=card7,script=no,downscript=no,vhost=on") as (m, wire):
        tap.equal("/dev/vhost-net" in m.errors() and "modprobe vhost_net" in m.errors(), True, m.errors())
        tap.equal("vhost=on" in hmp(m, "info network"), False)
        set_up("card7")
        talks(wire, "card7")
        for more in ("vhostforce=on", "vhost=on,vhostforce=on"):
            tap.equal("modprobe vhost_net" in hmp(m, f"netdev_add tap,id=n2,ifname=card8,script=no,downscript=no,{more}"), True)
        with open("/dev/null", "rb+") as null:
            tap.equal(machine.fd_command(m, "getfd", null.fileno(), fdname="v"), None)
        tap.equal(hmp(m, "netdev_add tap,id=n2,ifname=card8,script=no,downscript=no,vhostfd=v").strip(),
                  "Error: netdev 'n2': vhostfd=: the descriptor is no /dev/vhost-net")
        tap.equal(card("card8"), None)


def taps():
    with tempfile.TemporaryDirectory() as folder:
        for more in ("", ",vnet_hdr=on"):
            tap_by_name(folder, more)
        tap_goes()
        tap_without_vhost()
        tap_script_waits(folder)
        for flags in (0, IFF_VNET_HDR):
            tap_by_fd(flags)
        for kind in ("tap", "bridge"):
            tap_by_helper(folder, kind)


def with_passt():
    """Debian's passt: its DHCP server answers."""
    if not shutil.which("passt"):
        raise tap.Skip("passt is not installed")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # passt is nobody, if it was root
        # In a network of its own with an address: passt takes the guest's from there.
        script = ("ip link set lo up && ip tuntap add tap0 mode tap && "
                  "ip addr add 192.0.2.5/24 dev tap0 && ip link set tap0 up && ip route add default via 192.0.2.1 && "
                  f"exec passt -f -q -4 -s {folder}/passt --no-tcp --no-udp --no-icmp")
        words = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
        with open(f"{folder}/log", "wb+") as log, \
                subprocess.Popen([*words, "sh", "-c", script], stdout=log, stderr=log) as passt:
            try:
                with_running_passt(folder, passt, log)
            finally:
                passt.kill()


def with_running_passt(folder, passt, log):
    vm.wait_until(lambda: os.path.exists(f"{folder}/passt") or passt.poll() is not None, "passt")
    if passt.poll() is not None:
        log.seek(0)
        raise tap.Skip(f"passt cannot run here: {log.read().decode(errors='replace')}")
    with wired(netdev=f"stream,addr.type=unix,addr.path={folder}/passt") as (_, wire):
        wire.send(packets.dhcp_discover())
        offer = wire.receive()
        tap.equal(packets.offered(offer), "192.0.2.5")


if sys.argv[2:]:
    {"taps": taps}[sys.argv[2]]()
    sys.exit(0)

def cards(*words):
    """What `info network` tells of a machine that is started without -nodefaults."""
    done = subprocess.run([machine.PROGRAM, "-accel", "qtest", "-display", "none", "-serial", "none", "-S", "-monitor",
                           "stdio", *words], input="info network\nquit\n", capture_output=True, text=True, timeout=vm.LONG)
    tap.equal((done.returncode, done.stderr), (0, ""))
    return re.findall(r"^(?: \\ )?(\S+): index=0,type=(?:nic,)?(model=\S+?,|user)", done.stdout, re.MULTILINE)


def default_card():
    for name, model in (("pc", "e1000"), ("q35", "e1000e")):
        tap.equal(cards("-M", name), [(f"{model}.0", f"model={model},"), ("hub0net0", "user")], name)
        tap.equal(cards("-M", name, "-nic", "user,id=n0"), [(f"{model}.0", f"model={model},"), ("n0", "user")], f"{name}, -nic")
        tap.equal(cards("-M", name, "-net", "nic"), [(f"{model}.0", f"model={model},")], f"{name}, -net")
        for words in (["-nic", "none"], ["-net", "none"], ["-nodefaults"]):
            tap.equal(cards("-M", name, *words), [], f"{name} {words}")
    tap.equal(cards("-netdev", "user,id=n0"), [("n0", "user")], "-netdev")
    tap.equal(cards("-M", "none"), [])
    tap.equal(machine.run_program("-M", "none", "-nic", "user")[1].strip(),
              f"{os.path.basename(machine.PROGRAM)}: -nic user: the machine 'none' has no network cards")


def told():
    """What `info network` and the events say of streams, to the letter: suites compare it, with lines that end as on a terminal."""
    with tempfile.TemporaryDirectory() as folder, machine.Machine(extra=[
            "-netdev", f"stream,id=t0,server=on,addr.type=inet,addr.host={HOST},addr.port=0",
            "-netdev", f"stream,id=u0,server=on,addr.type=unix,addr.path={folder}/u",
            "-netdev", f"stream,id=a0,server=on,addr.type=unix,addr.path=dimmable-{PID},addr.abstract=on",
            "-netdev", f"dgram,id=d0,local.type=unix,local.path={folder}/here,remote.type=unix,remote.path={folder}/there"]) as m:
        def lines():
            m.qmp.send(json.dumps({"execute": "human-monitor-command", "arguments": {"command-line": "info network"}}).encode() + b"\n")
            reply = m.qmp.receive()
            while "event" in reply:
                m.qmp.events.append(reply)
                reply = m.qmp.receive()
            return reply["return"].split("\r\n")

        dgram = f"d0: index=0,type=dgram,udp={folder}/here:{folder}/there"
        tap.equal(lines(), ["t0: index=0,type=stream,", "u0: index=0,type=stream,", "a0: index=0,type=stream,", dgram, ""])
        with vm.connect_unix(f"{folder}/u"), vm.connect_unix(f"\0dimmable-{PID}"):
            tap.equal(m.qmp.event("NETDEV_STREAM_CONNECTED", **{"netdev-id": "u0"})["data"]["addr"],
                      {"type": "unix", "path": f"{folder}/u"})
            tap.equal(m.qmp.event("NETDEV_STREAM_CONNECTED", **{"netdev-id": "a0"})["data"]["addr"],
                      {"type": "unix", "path": f"dimmable-{PID}", "abstract": True, "tight": True})
            tap.equal(lines(), ["t0: index=0,type=stream,", f"u0: index=0,type=stream,unix:{folder}/u",
                                f"a0: index=0,type=stream,unix:dimmable-{PID}", dgram, ""])
        m.qmp.event("NETDEV_STREAM_DISCONNECTED", **{"netdev-id": "u0"})
        m.qmp.event("NETDEV_STREAM_DISCONNECTED", **{"netdev-id": "a0"})
        tap.equal(lines()[1:3], ["u0: index=0,type=stream,", "a0: index=0,type=stream,"])


tap.run([
    ("what is told of streams", told),
    ("dgram inet", dgram_inet),
    ("dgram unix", dgram_unix),
    ("dgram without a remote", without_remote),
    ("dgram waits for room", waits_for_room),
    ("dgram group", lambda: group("dgram,local.type=inet,local.host=127.0.0.1,local.port=0,remote.type=inet,"
                                  "remote.host={group},remote.port={port}")),
    ("socket mcast", lambda: group("socket,mcast={group}:{port},localaddr=127.0.0.1")),
    ("socket udp", socket_udp),
    ("stream connects", lambda: connects("stream,addr.type=inet,addr.host={host},addr.port={port}")),
    ("socket connects", lambda: connects("socket,connect={host}:{port}")),
    ("stream listens", lambda: listens("stream,server=on,addr.type=inet,addr.host={host},addr.port={port}")),
    ("socket listens", lambda: listens("socket,listen={host}:{port}")),
    ("stream fd", lambda: passed(socket.SOCK_STREAM, type="stream", addr={"type": "fd", "str": "cable"})),
    ("socket fd, stream", lambda: passed(socket.SOCK_STREAM, type="socket", fd="cable")),
    ("dgram fd", lambda: passed(socket.SOCK_DGRAM, type="dgram", local={"type": "fd", "str": "cable"})),
    ("socket fd, dgram", lambda: passed(socket.SOCK_DGRAM, type="socket", fd="cable")),
    ("hubs", hubs),
    ("-net", net_option),
    ("a card by default", default_card),
    ("rubbish", lambda: no_sense("stream,server=on,addr.type=inet,addr.host={host},addr.port={port}")),
    ("slow reader", slow_reader),
    ("filter-dump", dumps),
    ("filter-dump to a pipe", dump_to_pipe),
    ("tap", lambda: own_network.call("taps")),
    ("passt", with_passt),
])

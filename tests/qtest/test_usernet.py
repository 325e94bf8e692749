#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-netdev user, packet by packet: what DHCP, TFTP and IPv6 tell the guest, and where connections lead."""
import os
import re
import socket
import struct
import tempfile

import packets
import tap
import vm

from packets import Guest, Tcp, frame, wired

ROUTER6 = bytes.fromhex("333300000002")
LINK_LOCAL = socket.inet_pton(socket.AF_INET6, "fe80::5054:ff:fe12:3456")


def dhcp_options(packet):
    """{option: bytes} of a reply of a DHCP server (RFC 2132)."""
    body = packets.udp_payload(packet)[2]
    at, found = 240, {}
    while body[at] != 255:
        if body[at] == 0:
            at += 1
            continue
        length = body[at + 1]
        found[body[at]] = found.get(body[at], b"") + body[at + 2:at + 2 + length]
        at += 2 + length
    return found


def told():
    """All that DHCP can be made to tell."""
    options = ("user,ipv6=off,net=192.0.2.0/24,host=192.0.2.7,dns=192.0.2.8,dhcpstart=192.0.2.9,hostname=guest7,"
               "domainname=example.net,dnssearch=one.example,dnssearch=two.example,bootfile=boot/file,"
               "tftp-server-name=server.example,tftp=/none")
    with wired(netdev=options) as (_, wire):
        wire.send(packets.dhcp_discover())
        offer = wire.receive()
        tap.equal(packets.offered(offer), "192.0.2.9")
        wire.send(packets.dhcp(3, bytes([50, 4]) + socket.inet_aton("192.0.2.9")))
        reply = wire.receive()
        tap.equal(packets.offered(reply), "192.0.2.9")
        said = dhcp_options(reply)
        tap.equal(said[53], b"\5", "acknowledged")
        tap.equal((said[1], said[3], said[6]), (b"\xff\xff\xff\0", bytes([192, 0, 2, 7]), bytes([192, 0, 2, 8])))
        tap.equal((said[12], said[15], said[66]), (b"guest7", b"example.net", b"server.example"))
        # Names as labels, the end of the second one as a pointer to that of the first (RFC 3397).
        tap.equal(said[119].startswith(b"\3one\7example\0\3two"), True, said[119])
        tap.equal(packets.udp_payload(reply)[2][108:236].rstrip(b"\0"), b"boot/file")


def tftp():
    """A file, one that is not there, and one outside of the folder."""
    data = os.urandom(512 * 5 + 77)
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/served")
        for path in ("served/file", "secret"):
            with open(f"{folder}/{path}", "wb") as file:
                file.write(data)
        with wired(netdev=f"user,tftp={folder}/served") as (_, wire):
            guest = Guest(wire)

            def ask(name):
                guest.send_udp("10.0.2.2", 3000, 69, b"\0\1" + name.encode() + b"\0octet\0")

            ask("file")
            got, number = b"", 0
            while len(got) == number * 512:
                source, port, packet = guest.receive_udp(3000)
                number += 1
                tap.equal((source, packet[:4]), ("10.0.2.2", struct.pack(">HH", 3, number)))
                got += packet[4:]
                guest.send_udp("10.0.2.2", 3000, port, struct.pack(">HH", 4, number))
            tap.equal(got, data)
            for name in ("missing", "../secret"):
                ask(name)
                tap.equal(guest.receive_udp(3000)[2][:2], b"\0\5", name)


def icmp6(source, target, body, to):
    """A frame with an ICMPv6 packet; addresses as bytes."""
    pseudo = source + target + struct.pack(">II", len(body), 58)
    body = body[:2] + struct.pack(">H", packets.checksum(pseudo + body)) + body[4:]
    return frame(struct.pack(">IHBB", 6 << 28, len(body), 58, 255) + source + target + body, to=to, kind=0x86dd)


def receive_icmp6(wire, kind):
    while True:
        packet = wire.receive()
        if packet[12:14] == b"\x86\xdd" and packet[20] == 58 and packet[54] == kind:
            return packet


def ipv6():
    """A router tells the prefix, and answers for its address (RFC 4861); no IPv4."""
    with wired(netdev="user,ipv6=on,ipv6-prefix=2001:db8:7::,ipv6-host=2001:db8:7::99") as (_, wire):
        wire.send(packets.dhcp_discover())  # to nobody
        wire.send(icmp6(LINK_LOCAL, socket.inet_pton(socket.AF_INET6, "ff02::2"),
                        struct.pack(">BBHI", 133, 0, 0, 0), ROUTER6))
        advert = wire.receive()
        tap.equal((advert[12:14], advert[54]), (b"\x86\xdd", 134), "the first answer")
        prefix = advert.index(struct.pack(">BBB", 3, 4, 64), 70)
        tap.equal(advert[prefix + 16:prefix + 32], socket.inet_pton(socket.AF_INET6, "2001:db8:7::"))
        host = socket.inet_pton(socket.AF_INET6, "2001:db8:7::99")
        wire.send(icmp6(LINK_LOCAL, socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:99"),
                        struct.pack(">BBHI", 135, 0, 0, 0) + host + b"\1\1" + packets.MAC,
                        bytes.fromhex("3333ff000099")))
        tap.equal(receive_icmp6(wire, 136)[62:78], host)


def forwarded(m, protocol):
    """The host's port that hostfwd has got."""
    text = m.qmp.command("human-monitor-command", **{"command-line": "info usernet"})
    return int(re.search(rf"{protocol}\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", text).group(1))


def speak(tcp, sock):
    """Data both ways between the guest's end and the host's."""
    there, back = os.urandom(20000), os.urandom(20000)
    sock.sendall(there)
    tap.equal(tcp.receive(len(there)), there)
    for at in range(0, len(back), 4000):  # less than any window
        tcp.send(back[at:at + 4000])
        got = b""
        while len(got) < 4000:
            got += sock.recv(4000 - len(got))
        tap.equal(got, back[at:at + 4000])


def host_forwards():
    """TCP and UDP from the host, by the command line and while the machine runs."""
    with wired(netdev="user,hostfwd=tcp:127.0.0.1:0-:80,hostfwd=udp:127.0.0.1:0-10.0.2.15:53") as (m, wire):
        guest = Guest(wire)
        with socket.create_connection(("127.0.0.1", forwarded(m, "TCP")), vm.LONG) as sock:
            tcp = Tcp(guest, 80)
            tcp.accept()
            speak(tcp, sock)
            tcp.close()
            tap.equal(sock.recv(1), b"")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(vm.LONG)
            sock.sendto(b"question", ("127.0.0.1", forwarded(m, "UDP")))
            source, port, question = guest.receive_udp(53)
            tap.equal(question, b"question")
            guest.send_udp(source, 53, port, b"answer")
            tap.equal(sock.recv(100), b"answer")


def moves():
    """A connection does not go with the machine: the guest hears of it at its next packet, the host's side at once, and
    the next connection can be made. So it is for one that the host has begun."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(2)
        server.settimeout(vm.LONG)
        options = "user,hostfwd=tcp:127.0.0.1:0-:80"
        with wired(netdev=options) as (source, wire):
            guest = Guest(wire)
            out, into = Tcp(guest, 5000), Tcp(guest, 80)
            tap.equal(out.connect("10.0.2.2", server.getsockname()[1]), True)
            there = server.accept()[0]
            client = socket.create_connection(("127.0.0.1", forwarded(source, "TCP")), vm.LONG)
            into.accept()
            speak(out, there)
            speak(into, client)
            source.qmp.command("migrate", uri=f"exec:cat > {folder}/state")
            vm.wait_until(lambda: source.qmp.command("query-migrate").get("status") == "completed", "the state")
        for sock in (there, client):
            sock.settimeout(vm.LONG)
            tap.equal(sock.recv(1), b"", "the host's side")
            sock.close()
        with wired("-incoming", f"exec:cat {folder}/state", netdev=options) as (target, wire):
            vm.wait_until(lambda: target.qmp.command("query-status")["status"] == "running", "the machine is there")
            guest.wire = wire
            for tcp in (out, into):
                tcp.send(b"still there?")
                tap.equal(tcp.take_segment() & packets.RST, packets.RST, "the answer to the guest")
            again = Tcp(guest, 5001)
            tap.equal(again.connect("10.0.2.2", server.getsockname()[1]), True)
            with server.accept()[0] as sock:
                sock.settimeout(vm.LONG)
                speak(again, sock)


def guest_forwards(restrict):
    """To a character device, and to a command; and, beside that, to a server of the host."""
    with tempfile.TemporaryDirectory() as folder, packets.listen(f"{folder}/chardev") as listener, \
            socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        server.settimeout(vm.LONG)
        options = (f"user,restrict={restrict},guestfwd=tcp:10.0.2.100:7-unix:{folder}/chardev,"
                   "guestfwd=tcp:10.0.2.100:8-cmd:tr a-z A-Z")
        with wired(netdev=options) as (_, wire), listener.accept()[0] as sock:
            sock.settimeout(vm.LONG)
            guest = Guest(wire)
            tcp = Tcp(guest, 5000)
            tap.equal(tcp.connect("10.0.2.100", 7), True)
            tcp.send(b"to the device")
            tap.equal(sock.recv(100), b"to the device")
            sock.sendall(b"from the device")
            tap.equal(tcp.receive(15), b"from the device")
            tcp.close()
            tcp = Tcp(guest, 5001)
            tap.equal(tcp.connect("10.0.2.100", 8), True)
            tcp.send(b"a command\n")
            tcp.close()
            tap.equal(tcp.receive_all(), b"A COMMAND\n")
            tcp = Tcp(guest, 5002)
            if restrict == "on":
                tcp.peer = ("10.0.2.2", server.getsockname()[1])
                tcp.send_segment(packets.SYN)
                # Nothing comes of it: what is asked for later is answered, and nobody has connected.
                tcp = Tcp(guest, 5003)
                tap.equal(tcp.connect("10.0.2.100", 8), True)
                server.setblocking(False)
                try:
                    server.accept()
                except BlockingIOError:
                    return
                raise AssertionError("the guest has reached the host")
            tap.equal(tcp.connect("10.0.2.2", server.getsockname()[1]), True)
            with server.accept()[0] as there:
                there.settimeout(vm.LONG)
                speak(tcp, there)


tap.run([
    ("what DHCP tells", told),
    ("TFTP", tftp),
    ("IPv6", ipv6),
    ("hostfwd", host_forwards),
    ("connections of a machine that moves", moves),
    ("guestfwd", lambda: guest_forwards("off")),
    ("guestfwd, restricted", lambda: guest_forwards("on")),
])

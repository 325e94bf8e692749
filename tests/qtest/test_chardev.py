#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The way of a byte between a client and the guest's serial port: telnet, WebSocket, UDP, a ring
buffer, and from one to the other while the machine runs; QMP through a WebSocket."""
import json
import os
import re
import socket
import subprocess
import tempfile
import time

import machine
import tap
import vm

from com1 import LINE_STATUS, guest_reads, guest_writes, receive

REQUEST = (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(vm.LONG)
    sock.connect(path)
    return sock


def shake_hands(sock):
    sock.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += receive(sock, 1)
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise AssertionError(answer)


def frame(payload):
    """A masked binary message of less than 126 bytes."""
    mask = b"\x11\x22\x33\x44"
    return (bytes([0x82, 0x80 | len(payload)]) + mask +
            bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))


def change(m, kind, **data):
    m.qmp.command("chardev-change", id="serial0", backend={"type": kind, "data": data})


def unix_server(path, **options):
    return {"addr": {"type": "unix", "data": {"path": path}}, "wait": False, **options}


def printers(*words):
    """Index and character device of each parallel port, of a machine that is started without -nodefaults."""
    run = subprocess.run([machine.PROGRAM, "-accel", "qtest", "-display", "none", "-serial", "none", "-S", "-monitor", "stdio", *words],
                         input="info qtree\ninfo chardev\nquit\n", capture_output=True, text=True, timeout=vm.LONG)
    tap.equal((run.returncode, run.stderr), (0, ""), words)
    ports = re.findall(r"dev: isa-parallel, .*\s+index = (\d)\s+iobase = (\d+)", run.stdout)
    return [(int(n), int(base)) for n, base in sorted(ports)], re.findall(r"^(parallel\d): filename=(\S+)", run.stdout, re.MULTILINE)


def parallel_ports():
    """LPT1, unless a user says what parallel ports there are."""
    first, second, nowhere = (0, 0x378), (1, 0x278), ("parallel0", "null")
    own = ("-chardev", "null,id=c", "-device", "isa-parallel,chardev=c")
    for words, ports, names in (
            (["-M", "pc"], [first], [nowhere]), (["-M", "q35"], [first], [nowhere]), (["-M", "none"], [], []),
            (["-M", "pc", "-nodefaults"], [], []), (["-M", "pc", "-parallel", "none"], [], []),
            (["-M", "pc", "-nodefaults", "-parallel", "null"], [first], [nowhere]),
            (["-M", "pc", "-parallel", "null", "-parallel", "none", "-parallel", "null"], [first, second], [nowhere, ("parallel1", "null")]),
            (["-M", "pc", *own], [first], []), (["-M", "pc", "-parallel", "null", *own], [first, second], [nowhere])):
        tap.equal(printers(*words), (ports, names), words)


def named_before():
    """Ports and monitors name a character device that is further to the right on the command line."""
    words = ("-serial", "chardev:s", "-parallel", "chardev:p", "-monitor", "chardev:m")
    with machine.Machine(extra=[*words, *(word for name in "spm" for word in ("-chardev", f"ringbuf,id={name}"))]) as m:
        m.write("b", 0x3f8, ord("S"))
        m.write("b", 0x378, ord("P"))
        m.write("b", 0x37a, 0xd)
        for name, text in ("s", "S"), ("p", "P"):
            tap.equal(m.qmp.command("ringbuf-read", device=name, size=9), text)
        tap.equal("monitor" in m.qmp.command("ringbuf-read", device="m", size=999), True)


def serial_port():
    """The guest's port gets one backend after another; each is served, those before hang up."""
    with tempfile.TemporaryDirectory() as folder, machine.Machine(
            extra=["-serial", "null"]) as m:
        change(m, "socket", **unix_server(f"{folder}/telnet", telnet=True))
        with connect(f"{folder}/telnet") as client:
            tap.equal(receive(client, 12), b"\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00\xff\xfd\x00")
            guest_writes(m, b"a\xffb")
            tap.equal(receive(client, 4), b"a\xff\xffb")
            client.sendall(b"\xff\xf3")
            tap.equal(guest_reads(m, 7), b"[break]")
            client.sendall(b"c\xff\xff")
            tap.equal(guest_reads(m, 2), b"c\xff")
            change(m, "socket", **unix_server(f"{folder}/web", websocket=True))
            tap.equal(client.recv(1), b"")
        tap.equal(os.path.exists(f"{folder}/telnet"), False)
        with connect(f"{folder}/web") as client:
            shake_hands(client)
            guest_writes(m, b"x")
            tap.equal(receive(client, 3), b"\x82\x01x")
            client.sendall(frame(b"yz"))
            tap.equal(guest_reads(m, 2), b"yz")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(vm.LONG)
            peer.bind(("127.0.0.1", 0))
            change(m, "udp", remote={"type": "inet", "data": {
                "host": "127.0.0.1", "port": str(peer.getsockname()[1])}})
            guest_writes(m, b"u")
            data, address = peer.recvfrom(10)
            tap.equal(data, b"u")
            peer.sendto(b"dp", address)
            tap.equal(guest_reads(m, 2), b"dp")
        change(m, "ringbuf", size=4)
        tap.equal(m.qmp.command("ringbuf-read", device="serial0", size=9), "")
        guest_writes(m, b"123456")
        tap.equal(m.qmp.command("ringbuf-read", device="serial0", size=9), "3456")
        m.qmp.command("chardev-send-break", id="serial0")
        tap.equal(guest_reads(m, 7), b"[break]")
        tap.equal(len(m.qmp.command("query-chardev")), 3)


def wait_for_a_client():
    """The reply comes when a client has come; until then the machine goes on."""
    with tempfile.TemporaryDirectory() as folder, machine.Machine(
            extra=["-serial", "null"]) as m:
        m.qmp.send(json.dumps({"execute": "chardev-add", "arguments": {"id": "w", "backend": {
            "type": "socket", "data": {**unix_server(f"{folder}/w"), "wait": True}}}, "id": "w"}).encode())
        vm.wait_until(lambda: os.path.exists(f"{folder}/w"), "a socket")
        tap.equal(m.read("b", LINE_STATUS), 0x60)
        with vm.Stream(f"{folder}/w", m.process).sock:
            tap.equal(m.qmp.receive(), {"return": {}, "id": "w"})


def yank_wait():
    """Whoever waits for a client can be told that none will come."""
    with tempfile.TemporaryDirectory() as folder, machine.Machine(
            extra=["-qmp", f"unix:{folder}/qmp,server=on,wait=off"]) as m:
        other = vm.Stream(f"{folder}/qmp", m.process)
        reader = other.sock.makefile("rb")

        def ask(**message):
            other.send(json.dumps(message).encode())
            return json.loads(reader.readline())

        reader.readline()  # the greeting
        ask(execute="qmp_capabilities", arguments={"enable": ["oob"]})
        before = ask(execute="query-chardev")
        m.qmp.send(json.dumps({"execute": "chardev-add", "arguments": {"id": "w", "backend": {
            "type": "socket", "data": {**unix_server(f"{folder}/w"), "wait": True}}}}).encode())
        vm.wait_until(lambda: os.path.exists(f"{folder}/w"), "a socket")
        w = {"type": "chardev", "id": "w"}
        vm.wait_until(lambda: w in ask(**{"exec-oob": "query-yank"})["return"], "it can be yanked")
        tap.equal(ask(**{"exec-oob": "yank", "arguments": {"instances": [w]}}), {"return": {}})
        reply = m.qmp.receive()
        tap.equal("yank" in reply["error"]["desc"], True, reply)
        tap.equal(os.path.exists(f"{folder}/w"), False, "the socket's file")
        tap.equal(ask(execute="query-chardev"), before, "chardevs")
        tap.equal(w in ask(execute="query-yank")["return"], False, "query-yank")


def unchangeable():
    """A monitor keeps its own, and says why."""
    with machine.Machine() as m:
        try:
            m.qmp.command("chardev-change", id="compat_monitor0",
                          backend={"type": "null", "data": {}})
        except vm.QmpError as error:
            if "cannot be given another" not in str(error):
                raise
        else:
            raise AssertionError("it got another")


def qmp_in_websocket():
    with tempfile.TemporaryDirectory() as folder, machine.Machine(extra=[
            "-chardev", f"socket,id=w,path={folder}/web,server=on,wait=off,websocket=on",
            "-mon", "chardev=w,mode=control"]) as m:
        with connect(f"{folder}/web") as client:
            shake_hands(client)
            text = message(client)
            tap.equal(list(json.loads(text)), ["QMP"])
            client.sendall(frame(b'{"execute":"qmp_capabilities"}\n'))
            tap.equal(json.loads(message(client)), {"return": {}})
        tap.equal(m.qmp.command("query-status")["status"] != "", True)


def message(sock):
    """The text of binary messages up to the end of a line."""
    text = b""
    while not text.endswith(b"\n"):
        head = receive(sock, 2)
        tap.equal(head[0], 0x82)
        size = head[1] if head[1] < 126 else int.from_bytes(receive(sock, 2), "big")
        text += receive(sock, size)
    return text


def take_serial(m, count):
    """@count bytes; they come from the main loop."""
    found = bytearray()
    deadline = time.monotonic() + 30
    while len(found) < count and time.monotonic() < deadline:
        if m.read("b", 0x3fd) & 1:
            found.append(m.read("b", 0x3f8))
    tap.equal(m.read("b", 0x3fd) & 1, 0, "something follows")
    return bytes(found)


def serial_mouse():
    """chardev msmouse: what it says it is, and packets."""
    with machine.Machine(extra=["-chardev", "msmouse,id=mouse", "-serial", "chardev:mouse"]) as m:
        def send(*events):
            m.qmp.command("input-send-event", events=[{"type": kind, "data": dict(zip(names, values))} for kind, names, values in events])

        def take(count):
            return take_serial(m, count)

        def move(axis, value):
            return "rel", ("axis", "value"), (axis, value)

        def button(name, down):
            return "btn", ("button", "down"), (name, down)
        m.qmp.command("cont")
        m.write("b", 0x3fa, 7)
        send(move("x", 5))
        m.write("b", 0x3fc, 3)
        said = take(43)
        tap.equal(said[:2], b"M3")
        text = bytes(byte + 0x20 for byte in said[2:])
        tap.equal((text[:1], text[1:3], text[-1:]), (b"(", bytes((0x21, 0x44)), b")"))
        tap.equal(text[3:-3], b"DIM0001\\\\MOUSE\\PNP0F0C\\SERIAL MOUSE")
        tap.equal(int(text[-3:-1], 16), (sum(said[2:-3]) + said[-1]) & 0xff, "the sum")
        tap.equal([mouse["name"] for mouse in m.qmp.command("query-mice") if mouse["current"]], ["Serial Mouse"])
        for events, packet in (
                ([move("x", 5)], "40 05 00"), ([move("y", -3)], "4c 00 3d"), ([move("x", -70), move("y", 90)], "46 3a 1a"),
                ([button("left", True)], "60 00 00"), ([button("left", False)], "40 00 00"), ([button("right", True)], "50 00 00"),
                ([button("right", False)], "40 00 00"), ([button("middle", True)], "40 00 00 20"), ([button("middle", False)], "40 00 00 00"),
                ([button("left", True), button("left", False)], "60 00 00 40 00 00"), ([move("x", 130)], "41 3f 00 40 03 00")):
            send(*events)
            tap.equal(take(len(packet.split())).hex(" "), packet, str(events))
        for _ in range(100):
            send(move("x", 1), button("left", True), button("left", False))
        m.write("b", 0x3fc, 0)
        m.write("b", 0x3fa, 7)
        send(move("x", 5))
        m.write("b", 0x3fc, 2)
        tap.equal(take(43), said)
        tap.equal([mouse["name"] for mouse in m.qmp.command("query-mice") if mouse["current"]], ["Serial Mouse"])
        m.qmp.command("chardev-change", id="mouse", backend={"type": "null", "data": {}})
        tap.equal([mouse["name"] for mouse in m.qmp.command("query-mice")].count("Serial Mouse"), 0)
        m.qmp.command("chardev-change", id="mouse", backend={"type": "msmouse", "data": {}})
        tap.equal(take(43), said, "one that comes while the port is on")


def serial_mouse_moves():
    """A mouse that was on, in another process: it is on, and says nothing that nobody has asked for."""
    words = ["-device", "pci-serial,chardev=second", "-chardev", "msmouse,id=first", "-serial", "chardev:first", "-chardev", "null,id=second"]
    with tempfile.TemporaryDirectory() as folder:
        with machine.Machine(extra=words) as m:
            m.qmp.command("cont")
            m.write("b", 0x3fa, 7)
            m.write("b", 0x3fc, 3)
            take_serial(m, 43)
            m.qmp.command("migrate", uri=f"file:{folder}/saved")
            while m.qmp.command("query-migrate")["status"] != "completed":
                time.sleep(0.01)
        with machine.Machine(extra=[*words, "-S", "-incoming", f"file:{folder}/saved"]) as m:
            while m.qmp.command("query-status")["status"] == "inmigrate":
                time.sleep(0.01)
            m.qmp.command("cont")
            tap.equal([mouse["name"] for mouse in m.qmp.command("query-mice") if mouse["current"]], ["Serial Mouse"])
            m.qmp.command("input-send-event", events=[{"type": "rel", "data": {"axis": "x", "value": 5}}])
            tap.equal(take_serial(m, 3).hex(" "), "40 05 00")


def test_device():
    """chardev testdev: a number and q end the program."""
    for text, status in ((b"3q", 7), (b"x12q", 25), (b"3z4q", 9), (b"q", 1), (b"99999999999999999999q", None)):
        m = machine.Machine(extra=["-chardev", "testdev,id=t", "-serial", "chardev:t"])
        try:
            for byte in text[:-1]:
                m.write("b", 0x3f8, byte)
            try:
                m.write("b", 0x3f8, text[-1])
            except (OSError, RuntimeError, EOFError):
                pass
            found = m.process.wait(30)
            tap.equal(found if status is not None else found & 1, status if status is not None else 1, str(text))
        finally:
            m.close()


def refused_kinds():
    with machine.Machine() as m:
        for kind, words in (("vc", "font"), ("wctablet", "usb-tablet"), ("braille", "BRLTTY"), ("parallel", "/dev/lp0")):
            for line in (f"chardev-add {kind},id=c9", ):
                tap.equal(words in m.qmp.command("human-monitor-command", **{"command-line": line}), True, kind)
            try:
                m.qmp.command("chardev-add", id="c9", backend={"type": kind, "data": {}})
            except vm.QmpError as err:
                tap.equal(words in err.desc, True, err.desc)
            else:
                raise AssertionError(kind)


if __name__ == "__main__":
    tap.run([("a serial mouse", serial_mouse), ("a serial mouse in another process", serial_mouse_moves), ("testdev", test_device), ("kinds that are refused", refused_kinds),
             ("a serial port's backends", serial_port), ("parallel ports", parallel_ports), ("named before", named_before),
             ("wait=true", wait_for_a_client), ("yank while it waits", yank_wait),
             ("a monitor's backend", unchangeable),
             ("QMP in a WebSocket", qmp_in_websocket)])

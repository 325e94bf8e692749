#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-vnc: where it listens, what QMP and HMP tell of it, events, keys that come to the guest, power control, and options that
are refused. Pictures, passwords and hostile clients are in tests/unit/test-vnc.c."""
import os
import socket
import struct
import tempfile

import machine
import tap
import vm
from qxl_driver import CARD, CMD, HEIGHT, MASK, MONITORS, PENDING, ROM, SLOT, WIDTH, Card
from vnc_viewer import Viewer, receive

BASE = ["-accel", "qtest", "-nodefaults", "-display", "none", "-M", "none", "-S"]


def servers():
    with tempfile.TemporaryDirectory() as folder:
        first, second = f"{folder}/first", f"{folder}/second"
        with machine.Machine("64M", extra=["-name", "box", "-vnc", f"unix:{first},password=on", "-display", f"vnc=unix:{second},id=open"]) as m:
            tap.equal(m.qmp.command("query-vnc"), {"enabled": True, "host": "", "service": second, "family": "unix", "auth": "none",
                                                   "clients": []})
            shown = [(s["id"], s["auth"], [(e["service"], e["websocket"]) for e in s["server"]]) for s in m.qmp.command("query-vnc-servers")]
            tap.equal(shown, [("default", "vnc", [(first, False)]), ("open", "none", [(second, False)])])
            tap.equal(m.qmp.command("human-monitor-command", **{"command-line": "info vnc"}).replace("\r", ""),
                      f"default:\n  Server: :{first} (unix)\n    Auth: vnc (Sub: none)\n"
                      f"open:\n  Server: :{second} (unix)\n    Auth: none (Sub: none)\n")
            viewer = Viewer.at(second)
            tap.equal((viewer.width, viewer.height, viewer.name), (640, 480, b"Dimmable (box)"))
            tap.equal(set(viewer.look()), {0}, "the colours of a machine without a screen")
            server = {"host": "", "service": second, "family": "unix", "websocket": False, "auth": "none"}
            client = {"host": "", "service": "", "family": "unix", "websocket": False}
            for name in ("VNC_CONNECTED", "VNC_INITIALIZED"):
                tap.equal(m.qmp.event(name)["data"], {"server": server, "client": client})
            tap.equal(m.qmp.command("query-vnc")["clients"], [client])
            viewer.sock.close()
            tap.equal(m.qmp.event("VNC_DISCONNECTED")["data"], {"server": server, "client": client})
            tap.equal(m.qmp.command("query-vnc")["clients"], [])
            m.qmp.command("display-update", type="vnc", addresses=[{"type": "unix", "path": f"{folder}/third"}])
            tap.equal((os.path.exists(second), m.qmp.command("query-vnc")["service"]), (False, f"{folder}/third"))
            Viewer.at(f"{folder}/third").sock.close()
        tap.equal(os.listdir(folder), [], "sockets that are left")


def free_display():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1] - 5900


def tcp():
    display = next(n for n in iter(free_display, None) if n > 0)
    with machine.Machine("64M", extra=["-vnc", f"127.0.0.1:{display}"]) as m:
        viewer = Viewer(socket.create_connection(("127.0.0.1", 5900 + display)))
        host, port = viewer.sock.getsockname()
        tap.equal(m.qmp.event("VNC_CONNECTED")["data"]["client"], {"host": host, "service": str(port), "family": "ipv4", "websocket": False})
        status, text = machine.run_program(*BASE, "-vnc", f"127.0.0.1:{display}")
        tap.equal((status, "to=N" in text), (1, True), text)
        with machine.Machine("64M", extra=["-vnc", f"127.0.0.1:{display},to={min(display + 50, 59635)}"]) as other:
            tap.equal(int(other.qmp.command("query-vnc")["service"]) > 5900 + display, True, "another port")


def websocket():
    """The server says hello in a frame (RFC 6455); a client that says nonsense goes."""
    display = next(n for n in iter(free_display, None) if n > 0)
    port = free_display() + 5900
    with machine.Machine("64M", extra=["-vnc", f"127.0.0.1:{display},ipv6=off,websocket=127.0.0.1:{port}"]) as m:
        tap.equal([(s["service"], s["websocket"]) for s in m.qmp.command("query-vnc-servers")[0]["server"]],
                  [(str(port), True), (str(5900 + display), False)])
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.settimeout(vm.LONG)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: box\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://box\r\n"
                         b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: binary\r\n"
                         b"Sec-WebSocket-Version: 13\r\n\r\n")
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += receive(sock, 1)
            tap.equal((head.split()[1], b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head), (b"101", True), head)
            tap.equal(receive(sock, 14), b"\x82\x0cRFB 003.008\n")
            tap.equal(m.qmp.command("query-vnc")["clients"][0]["websocket"], True)
            for bytes_of_frame in (b"RFB 003.008\n", b"\1", b"\1"):
                mask = b"\1\2\3\4"
                sock.sendall(bytes([0x82, 0x80 | len(bytes_of_frame)]) + mask +
                             bytes(byte ^ mask[n % 4] for n, byte in enumerate(bytes_of_frame)))
            m.qmp.event("VNC_INITIALIZED")
            sock.sendall(b"\x82\xff" + b"\xff" * 40)
        m.qmp.event("VNC_DISCONNECTED")


def reverse():
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/viewer")
        listener.listen()
        with machine.Machine("64M", extra=["-vnc", f"unix:{folder}/viewer,reverse=on"]):
            tap.equal(Viewer(listener.accept()[0]).width, 640)


def keys():
    with tempfile.TemporaryDirectory() as folder, machine.Machine("64M", extra=["-M", "pc", "-vnc", f"unix:{folder}/vnc"]) as m:
        viewer = Viewer.at(f"{folder}/vnc")
        m.write("b", 0x64, 0x60)
        m.write("b", 0x60, 0x41)  # translated to set 1, with interrupts

        def code():
            vm.wait_until(lambda: m.read("b", 0x64) & 1, "a scan code")
            return m.read("b", 0x60)

        viewer.key(ord("Q"), 1)
        viewer.key(ord("q"), 0)
        tap.equal([code(), code()], [0x10, 0x90])
        viewer.key(0xff53, 1)  # right
        tap.equal([code(), code()], [0xe0, 0x4d])
        viewer.encodings(0, -258)
        tap.equal(receive(viewer.sock, 16)[-4:], struct.pack(">i", -258), "keys by number are known")
        viewer.sock.sendall(struct.pack(">BBHII", 255, 0, 1, 0, 0x1e))
        tap.equal(code(), 0x1e)
        viewer.sock.close()  # what it held is released
        tap.equal({code(), code(), code()}, {0xe0, 0xcd, 0x9e})


def refuse(m, name, arguments):
    """The class and the text of the error that a command ends with."""
    try:
        m.qmp.execute({"execute": name, "arguments": arguments})
    except vm.QmpError as error:
        return error.cls, error.desc
    raise AssertionError(f"{name} {arguments} was not refused")


def passwords():
    with tempfile.TemporaryDirectory() as folder, machine.Machine("64M", extra=["-vnc", f"unix:{folder}/vnc,password=on"]) as m:
        m.qmp.command("set_password", protocol="vnc", password="secret")
        m.qmp.command("change-vnc-password", password="secret")
        m.qmp.command("expire_password", protocol="vnc", time="+3600", display="default")
        for line in ("change vnc password x", "set_password vnc x", "expire_password vnc never"):
            tap.equal(m.qmp.command("human-monitor-command", **{"command-line": line}), "", line)
        for name, arguments, error_class, word in (
                ("set_password", {"protocol": "vnc", "password": "x", "connected": "disconnect"}, "GenericError", "keep"),
                ("set_password", {"protocol": "vnc", "password": "x", "display": "vnc2"}, "GenericError", "vnc2"),
                ("set_password", {"protocol": "spice", "password": "x"}, "DeviceNotActive", "SPICE"),
                ("expire_password", {"protocol": "spice", "time": "now"}, "DeviceNotActive", "SPICE"),
                ("expire_password", {"protocol": "vnc", "time": "soon"}, "GenericError", "+SECONDS"),
                ("add_client", {"protocol": "vnc", "fdname": "no"}, "GenericError", "'no'"),
                ("add_client", {"protocol": "spice", "fdname": "no"}, "DeviceNotActive", "SPICE"),
                ("add_client", {"protocol": "rdp", "fdname": "no"}, "GenericError", "vnc"),
                ("display-reload", {"type": "vnc", "tls-certs": True}, "GenericError", "certificates")):
            found, said = refuse(m, name, arguments)
            tap.equal((found, word in said), (error_class, True), said)
        m.qmp.command("display-reload", type="vnc")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(vm.LONG)
            sock.connect(f"{folder}/vnc")
            receive(sock, 12)
            sock.sendall(b"RFB 003.008\n")
            tap.equal(receive(sock, 2), b"\1\2", "ways in")
            sock.sendall(b"\2")
            receive(sock, 16)
            sock.sendall(bytes(16))
            tap.equal(struct.unpack(">I", receive(sock, 4))[0], 1)
            tap.equal(receive(sock, struct.unpack(">I", receive(sock, 4))[0]), b"Authentication failed")
        ours, theirs = socket.socketpair()
        tap.equal(machine.fd_command(m, "getfd", theirs.fileno(), fdname="client"), None)
        theirs.close()
        m.qmp.command("add_client", protocol="vnc", fdname="client", skipauth=True)
        tap.equal(Viewer(ours).width, 640)
        ours.close()
    with tempfile.TemporaryDirectory() as folder, machine.Machine("64M", extra=["-vnc", f"unix:{folder}/vnc"]) as m:
        _, said = refuse(m, "change-vnc-password", {"password": "x"})
        tap.equal("password=on" in said, True, said)


def share():
    with tempfile.TemporaryDirectory() as folder, machine.Machine("64M", extra=["-vnc", f"unix:{folder}/vnc"]):
        first = Viewer.at(f"{folder}/vnc")
        second = Viewer.at(f"{folder}/vnc")
        third = Viewer.at(f"{folder}/vnc", shared=0)
        first.wait_end()
        second.wait_end()
        third.look()
    for kind, alone in (("ignore", True), ("force-shared", False)):
        with tempfile.TemporaryDirectory() as folder, machine.Machine("64M", extra=["-vnc", f"unix:{folder}/vnc,share={kind}"]):
            first = Viewer.at(f"{folder}/vnc")
            try:
                Viewer.at(f"{folder}/vnc", shared=0)
                found = True
            except (EOFError, ConnectionError):
                found = False
            tap.equal(found, alone, kind)
            first.look()


def power():
    with tempfile.TemporaryDirectory() as folder, machine.Machine("64M", extra=["-vnc", f"unix:{folder}/vnc,power-control=on,audiodev=audio1"]) as m:
        viewer = Viewer.at(f"{folder}/vnc")
        viewer.encodings(0, -309)
        tap.equal(receive(viewer.sock, 4), b"\xfa\0\1\1")
        viewer.sock.sendall(b"\xfa\0\1\2")
        m.qmp.event("POWERDOWN")
        viewer.sock.sendall(b"\xfa\0\1\4")
        m.qmp.event("RESET")


def secret():
    with tempfile.TemporaryDirectory() as folder, machine.Machine("64M", extra=["-object", "secret,id=s,data=abc", "-vnc",
                                                                                f"unix:{folder}/vnc,password-secret=s"]) as m:
        tap.equal(m.qmp.command("query-vnc")["auth"], "vnc")


VRAM, REGISTERS = 0xe0000000, 0xe8000000


def screens():
    """Of two cards the one that is named is shown; its guest changes the size, and draws; it goes while somebody looks."""
    if "secondary-vga" not in machine.run_program("-device", "help")[1]:
        raise tap.Skip("there is no graphics card")
    with tempfile.TemporaryDirectory() as folder, machine.Machine("64M", extra=[
            "-M", "pc", "-device", "VGA,id=first,addr=5", "-device", "secondary-vga,id=second,addr=6",
            "-vnc", f"unix:{folder}/vnc,display=second"]) as m:
        tap.equal(m.qmp.command("query-vnc-servers")[0]["display"], "second")
        for offset, value in ((0x10, VRAM), (0x18, REGISTERS), (0x04, 3)):
            m.write("l", 0xcf8, 0x80000000 | 6 << 11 | offset)
            m.write("l", 0xcfc, value)
        for reg, value in ((4, 0), (1, 320), (2, 200), (3, 32), (4, 0x41)):
            m(f"writew {REGISTERS + 0x500 + 2 * reg:#x} {value:#x}")
        m(f"writeb {REGISTERS + 0x400:#x} 0x20")  # the screen is on
        viewer = Viewer.at(f"{folder}/vnc")
        viewer.encodings(0, -223)
        while (viewer.width, viewer.height) != (320, 200):
            viewer.update()
        tap.equal(set(viewer.look()), {0}, "colours")
        m(f"writel {VRAM + (320 * 100 + 7) * 4:#x} 0xaabbcc")
        picture = viewer.look()
        while not any(picture):
            viewer.update()
            picture = viewer.look()
        tap.equal([n for n in range(320 * 200) if any(picture[4 * n:4 * n + 3])], [320 * 100 + 7])
        tap.equal(picture[4 * (320 * 100 + 7):][:3], b"\xcc\xbb\xaa")
        m.qmp.command("device_del", id="second")
        m.write("l", 0xae08, 1 << 6)  # the guest gives it back
        m.qmp.event("DEVICE_DELETED", device="second")
        while (viewer.width, viewer.height) != (640, 480):
            viewer.update()
        tap.equal(set(viewer.look()), {0}, "colours without it")
        status, said = machine.run_program(*BASE, "-vnc", "none,display=third")
        tap.equal((status, "display=third" in said), (1, True), said)


REFUSED = [
    ("1", "unix:PATH"), (":-1", "unix:PATH"), (":99999", "59635"), (":1,share=x", "force-shared"), (":1,foo=1", "'foo'"),
    (":1,password=x", "password=x"), (":1,tls-creds=t", "'t'"), (":1,tls-authz=t", "needs tls-creds"), (":1,sasl=on", "password-secret"), (":1,display=d", "display=d"),
    (":1,password-secret=s", "'s'"), ("unix:/nonexistent/x", "/nonexistent/x"), (":1,websocket=x", "websocket=x"), (":2,to=1", "to=1"),
    (":1,ipv4=off,ipv6=off", "leave one out"), ("none,id=1x", "id=1x"), ("unix:/tmp/x,to=4", "no ports"),
    ("127.0.0.1:1,reverse=on,to=5", "reverse=on"),
]


def refused():
    for text, word in REFUSED:
        status, said = machine.run_program(*BASE, "-vnc", text)
        tap.equal((status, word in said), (1, True), f"{text}: {said}")
    status, said = machine.run_program(*BASE, "-vnc", "none,id=a", "-vnc", "none,id=a")
    tap.equal((status, "already" in said), (1, True), said)


def qxl():
    """What the driver of a QXL card draws by commands; its guest reads which size a viewer would like."""
    with tempfile.TemporaryDirectory() as folder, machine.Machine(
            "64M", extra=["-M", "pc", "-device", f"qxl-vga,{CARD},addr={SLOT}", "-vnc", f"unix:{folder}/s"]) as m:
        c = Card(m)
        c.begin()
        c.fill((0, 0, WIDTH, HEIGHT), 0x102030)
        vm.wait_until(lambda: c.word(CMD + 4) == c.word(CMD + 12), "it is fetched")
        m.qmp.command("screendump", filename=f"{folder}/picture")
        viewer = Viewer.at(f"{folder}/s")
        viewer.encodings(0, -223)
        while (viewer.width, viewer.height) != (WIDTH, HEIGHT):  # which the first viewer may hear a moment later
            viewer.update()
        viewer.encodings(0, -308)  # ExtendedDesktopSize
        c.set(MASK, "<I", MONITORS)
        viewer.sock.sendall(struct.pack(">BBHHBBIHHHHI", 251, 0, 800, 600, 1, 0, 0, 0, 0, 800, 600, 0))
        vm.wait_until(lambda: c.word(PENDING) & MONITORS, "the guest is told")
        tap.equal((c.rom(132, "<H"), c.rom(136, "<4I")), (1, (0, 0, 600, 800)))
        total = 0
        for byte in c.take(ROM + 132, 1028):
            total ^= byte
            for _ in range(8):
                total = total >> 1 ^ (0xedb88320 if total & 1 else 0)
        tap.equal(c.rom(128), total, "the sum")


tap.run([("servers, their clients and events", servers), ("TCP ports", tcp), ("WebSocket", websocket), ("a viewer that listens", reverse), ("keys come to the guest", keys),
         ("passwords", passwords), ("who may look at once", share), ("power control", power), ("a password that is a secret", secret),
         ("what a graphics card shows", screens), ("what a QXL card draws", qxl), ("options that are refused", refused)])

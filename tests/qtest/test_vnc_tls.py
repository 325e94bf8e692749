#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-vnc with tls-creds: certificates on both sides, WebSocket over TLS, clients that do not take part. Without certificates, by
LibVNCClient: tests/unit/test-vnc.c."""
import contextlib
import os
import socket
import ssl
import struct
import sys
import tempfile

import machine
import tap
import vm
from vnc_viewer import Viewer, receive

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../img"))
import certificates  # pylint: disable=wrong-import-position

X509_NONE, X509_VNC = 260, 261


def context(folder, client=True):
    made = ssl.create_default_context(cafile=f"{folder}/ca-cert.pem")
    if client:
        made.load_cert_chain(f"{folder}/client-cert.pem", f"{folder}/client-key.pem")
    return made


@contextlib.contextmanager
def server(more="", creds="verify-peer=on", objects=()):
    """A machine whose VNC server has certificates, and the folder with those of its clients, and its socket."""
    with tempfile.TemporaryDirectory() as folder:
        certificates.make(folder)
        certificates.client(folder, "other")
        with machine.Machine("64M", extra=["-object", f"tls-creds-x509,id=t,dir={folder},endpoint=server,{creds}", *objects,
                                           "-vnc", f"unix:{folder}/vnc,tls-creds=t{more}"]) as m:
            yield m, folder


def pictures():
    with server() as (m, folder):
        viewer = Viewer.at(f"{folder}/vnc", tls=(X509_NONE, context(folder)))
        tap.equal((viewer.width, viewer.height, set(viewer.look())), (640, 480, {0}))
        other = Viewer.at(f"{folder}/vnc", tls=(X509_NONE, context(folder)))
        for _ in range(20):
            tap.equal(len(other.look()), 640 * 480 * 4)
        shown = m.qmp.command("query-vnc-servers")[0]
        tap.equal((shown["auth"], shown["vencrypt"], shown["server"][0]["vencrypt"], len(shown["clients"])), ("vencrypt", "x509-none", "x509-none", 2))
        tap.equal(m.qmp.command("query-vnc")["auth"], "vencrypt+x509+none")
        tap.equal("Auth: vencrypt (Sub: x509-none)" in m.qmp.command("human-monitor-command", **{"command-line": "info vnc"}), True)
        viewer.sock.close()
        m.qmp.event("VNC_DISCONNECTED")
        try:
            m.qmp.command("object-del", id="t")
            tap.equal(True, False, "credentials that are in use went")
        except vm.QmpError as error:
            tap.equal("in use" in error.desc, True, error.desc)
        other.look()


def refused_clients():
    with server() as (m, folder):
        def gone(sock):
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                while sock.recv(4096):
                    pass
            sock.close()
            m.qmp.event("VNC_DISCONNECTED")

        def begin():
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(vm.LONG)
            sock.connect(f"{folder}/vnc")
            receive(sock, 12)
            return sock

        for said in (b"RFB 003.003\n", b"RFB 003.008\n\1", b"RFB 003.008\n\x13\0\1", b"RFB 003.008\n\x13\0\2\0\0\1\1",
                     b"RFB 003.008\n\x13\0\2" + struct.pack(">I", X509_NONE) + b"\1\1\1\1 no TLS at all",
                     b"RFB 003.008\n\x13\0\2" + struct.pack(">I", X509_NONE) + b"\x16\3\1\xff\xff" + bytes(70000)):
            sock = begin()
            with contextlib.suppress(ConnectionError):
                sock.sendall(said)
                sock.shutdown(socket.SHUT_WR)
            gone(sock)
        sock = begin()  # a client without a certificate
        sock.sendall(b"RFB 003.008\n")
        try:
            sock = Viewer.start_tls(sock, X509_NONE, context(folder, client=False))
        except (ssl.SSLError, ConnectionError):
            pass
        gone(sock)
        Viewer.at(f"{folder}/vnc", tls=(X509_NONE, context(folder))).look()


def who_may_come():
    with server(more=",tls-authz=a", objects=["-object", "authz-simple,id=a,identity=CN=client"]) as (m, folder):
        made = ssl.create_default_context(cafile=f"{folder}/ca-cert.pem")
        made.load_cert_chain(f"{folder}/other-cert.pem", f"{folder}/other-key.pem")
        try:
            Viewer.at(f"{folder}/vnc", tls=(X509_NONE, made)).look()
            raise AssertionError("a client that may not come was let in")
        except (ssl.SSLError, ConnectionError, EOFError):
            m.qmp.event("VNC_DISCONNECTED")
        Viewer.at(f"{folder}/vnc", tls=(X509_NONE, context(folder))).look()
        tap.equal("does not let 'CN=other' in" in m.errors(), True, m.errors())


def password():
    with server(more=",password=on", creds="verify-peer=off") as (m, folder), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(vm.LONG)
        sock.connect(f"{folder}/vnc")
        receive(sock, 12)
        sock.sendall(b"RFB 003.008\n")
        inside = Viewer.start_tls(sock, X509_VNC, context(folder, client=False))
        receive(inside, 16)
        inside.sendall(bytes(16))
        tap.equal(receive(inside, 4), struct.pack(">I", 1))
        tap.equal(receive(inside, struct.unpack(">I", receive(inside, 4))[0]), b"Authentication failed")
        inside.close()
        m.qmp.event("VNC_DISCONNECTED")


def reverse():
    """A viewer that listens is no exception."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as waits:
        certificates.make(folder)
        waits.bind(f"{folder}/viewer")
        waits.listen(1)
        waits.settimeout(vm.LONG)
        with machine.Machine("64M", extra=["-object", f"tls-creds-x509,id=t,dir={folder},endpoint=server",
                                           "-vnc", f"unix:{folder}/viewer,reverse=on,tls-creds=t,password=on"]):
            sock = waits.accept()[0]
            sock.settimeout(vm.LONG)
            receive(sock, 12)
            sock.sendall(b"RFB 003.008\n")
            with Viewer.start_tls(sock, X509_VNC, context(folder)) as inside:
                receive(inside, 16)  # what the password is to encrypt


def quit_amid():
    """Clients that take nothing do not hold up the end."""
    with server() as (m, folder):
        viewers = [Viewer.at(f"{folder}/vnc", tls=(X509_NONE, context(folder))) for _ in range(3)]
        for viewer in viewers:
            for _ in range(8):  # more than its sockets hold
                viewer.sock.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, 640, 480))
        m.qmp.command("quit")
        tap.equal(m.process.wait(vm.LONG), 0)


def websocket():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        certificates.make(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            display = free.getsockname()[1] - 5900
        with machine.Machine("64M", extra=["-object", f"tls-creds-x509,id=t,dir={folder},endpoint=server", "-vnc",
                                           f"127.0.0.1:{display},websocket=127.0.0.1:{port},tls-creds=t"]) as m:
            tap.equal(sorted((s["websocket"], s["auth"], s.get("vencrypt")) for s in m.qmp.command("query-vnc-servers")[0]["server"]),
                      [(False, "vencrypt", "x509-none"), (True, "none", None)])
            with context(folder).wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as sock:
                sock.settimeout(vm.LONG)
                sock.sendall(b"GET / HTTP/1.1\r\nHost: box\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: https://box\r\n"
                             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: binary\r\n"
                             b"Sec-WebSocket-Version: 13\r\n\r\n")
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += receive(sock, 1)
                tap.equal(head.split()[1], b"101", head)
                tap.equal(receive(sock, 14), b"\x82\x0cRFB 003.008\n")
            m.qmp.event("VNC_DISCONNECTED")
            with socket.create_connection(("127.0.0.1", port)) as sock:  # without TLS
                sock.settimeout(vm.LONG)
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
                m.qmp.event("VNC_DISCONNECTED")


def refused_options():
    with tempfile.TemporaryDirectory() as folder:
        certificates.make_keys(f"{folder}/keys.psk", "alice")
        base = ["-accel", "qtest", "-nodefaults", "-display", "none", "-M", "none", "-S"]
        for words, said in ((["-vnc", "none,tls-creds=t"], "'t'"),
                            (["-object", f"tls-creds-psk,id=t,dir={folder},endpoint=server", "-vnc", "none,tls-creds=t"], "tls-creds-x509"),
                            (["-vnc", "none,tls-authz=a"], "needs tls-creds"),
                            (["-object", "tls-creds-anon,id=t,endpoint=client", "-vnc", "none,tls-creds=t"], "endpoint=server")):
            status, text = machine.run_program(*base, *words)
            tap.equal((status, said in text), (1, True), text)


tap.run([("pictures by certificates", pictures), ("clients that do not take part", refused_clients), ("who may come", who_may_come), ("a password inside", password),
         ("a viewer that listens", reverse), ("the end comes amid pictures", quit_amid), ("WebSocket", websocket), ("options that are refused", refused_options)])

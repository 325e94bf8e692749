#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""<graphics type='vnc'>: test_libvirt_vnc.py BUILD-DIR. libvirt chooses a port or a socket, sets a password, changes it, and
hears of clients; TLS, which qemu.conf says."""
import os
import socket
import ssl
import sys
import tempfile

import libvirtd
from libvirtd import tap
import domains
from domains import NO_BALLOON, monitor
import vm

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), folder) for folder in ("../img", "../qtest")]
import certificates  # pylint: disable=wrong-import-position
import vnc_viewer  # pylint: disable=wrong-import-position

X509_NONE = 260
BUILD = os.path.abspath(sys.argv[1])
SESSION = None


def create(name, graphics):
    xml = domains.domain_xml(SESSION, name, "q35", changes={
        NO_BALLOON: f"{NO_BALLOON}{graphics}<video><model type='none'/></video>"})
    SESSION.virsh("create", "--paused", SESSION.write(f"{name}.xml", xml))


def ways_in(sock):
    """The ways of saying who one is that the server offers."""
    with sock, sock.makefile("rb") as file:
        sock.settimeout(vm.LONG)
        tap.equal(file.read(12), b"RFB 003.008\n")
        sock.sendall(b"RFB 003.008\n")
        return file.read(2)


def on_a_port():
    create("port", "<graphics type='vnc' autoport='yes' passwd='secret' powerControl='yes' sharePolicy='force-shared'>"
                   "<listen type='address' address='127.0.0.1'/></graphics>")
    host, display = SESSION.virsh("vncdisplay", "port").strip().split(":")
    tap.equal(host, "127.0.0.1")
    watched = SESSION.watch("event", "port", "graphics", "--loop")

    def is_heard():  # which it does not tell
        tap.equal(ways_in(socket.create_connection((host, 5900 + int(display)))), b"\1\2", "a password")
        return os.path.getsize(watched)
    vm.wait_until(is_heard, "libvirt hears of clients")
    SESSION.virsh("update-device", "port", SESSION.write("graphics.xml",
        "<graphics type='vnc' autoport='yes' passwd='other' passwdValidTo='2030-01-01T00:00:00' powerControl='yes' "
        "sharePolicy='force-shared'><listen type='address' address='127.0.0.1'/></graphics>"))
    tap.equal([server["id"] for server in monitor(SESSION, "port", "query-vnc-servers")], ["default"])
    SESSION.virsh("destroy", "port")


def on_a_socket():
    create("socket", "<graphics type='vnc'><listen type='socket'/></graphics>")
    path = SESSION.virsh("domdisplay", "socket").strip().removeprefix("vnc+unix://")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        tap.equal(ways_in(sock), b"\1\1", "no password")
    SESSION.virsh("destroy", "socket")
    tap.equal(os.path.exists(path), False, path)


def look_by_tls(pki):
    create("tls", "<graphics type='vnc' autoport='yes' listen='127.0.0.1'/>")
    _, display = SESSION.virsh("vncdisplay", "tls").strip().split(":")
    context = ssl.create_default_context(cafile=f"{pki}/ca-cert.pem")
    viewer = vnc_viewer.Viewer(socket.create_connection(("127.0.0.1", 5900 + int(display))), tls=(X509_NONE, context))
    tap.equal(len(viewer.look()), viewer.width * viewer.height * 4)
    SESSION.virsh("destroy", "tls")


def by_tls():
    """Of another daemon, in whose qemu.conf it is."""
    global SESSION  # pylint: disable=global-statement
    before = SESSION
    with tempfile.TemporaryDirectory() as pki:
        certificates.make(pki)
        for name in (".", *os.listdir(pki)):
            os.chmod(f"{pki}/{name}", 0o755)  # the daemon's user reads them
        with libvirtd.Libvirt(f"{BUILD}/dimmable", config=f'vnc_tls = 1\nvnc_tls_x509_cert_dir = "{pki}"\n') as SESSION:
            domains.make_guest(SESSION, BUILD)
            look_by_tls(pki)
    SESSION = before


def main():
    global SESSION  # pylint: disable=global-statement
    try:
        libvirtd.need_programs()
        with libvirtd.Libvirt(f"{BUILD}/dimmable") as SESSION:
            domains.make_guest(SESSION, BUILD)
            tap.run([("on a port", on_a_port), ("on a socket", on_a_socket), ("by TLS, as qemu.conf says", by_tls)])
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

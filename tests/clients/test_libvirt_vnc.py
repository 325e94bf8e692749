#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""<graphics type='vnc'>: test_libvirt_vnc.py BUILD-DIR. libvirt chooses a port or a socket, sets a password, changes it, and
hears of clients."""
import os
import socket
import sys

import libvirtd
from libvirtd import tap
import domains
from domains import NO_BALLOON, monitor
import vm

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


def main():
    global SESSION  # pylint: disable=global-statement
    try:
        libvirtd.need_programs()
        with libvirtd.Libvirt(f"{BUILD}/dimmable") as SESSION:
            domains.make_guest(SESSION, BUILD)
            tap.run([("on a port", on_a_port), ("on a socket", on_a_socket)])
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

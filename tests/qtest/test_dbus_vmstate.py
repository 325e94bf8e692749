#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-object dbus-vmstate: the states of programs on a bus go along with a machine, by a file and by a socket, and what is refused."""
import os
import subprocess
import sys
import tempfile

import machine
from machine import tap, vm

import dbus_bus
from dbus_bus import Bus, Gio, GLib

XML = """<interface name="org.qemu.VMState1"><property name="Id" type="s" access="read"/>
<method name="Load"><arg type="ay" direction="in"/></method><method name="Save"><arg type="ay" direction="out"/></method></interface>"""
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


class Helper:
    """A program whose state are bytes; or which does something else when it is asked."""

    def __init__(self, bus, ident, state=b"", save=None):
        self.state, self.save = state, save
        self.connection = bus.connect()
        dbus_bus.export(self.connection, "/org/qemu/VMState1", XML, self.called, {"Id": GLib.Variant("s", ident)})
        dbus_bus.own(self.connection, "org.qemu.VMState1")

    def called(self, method, arguments):
        if method == "Save":
            return GLib.Variant("(ay)", (self.save() if self.save else self.state,))
        self.state = bytes(arguments.unpack()[0])
        return None


def start(bus, *more, ids=None):
    helpers = f",id-list={ids.replace(',', ',,')}" if ids else ""
    return machine.Machine(memory="4M", extra=["-M", "pc", "-object", f"dbus-vmstate,id=programs,addr={bus.addr}{helpers}", *more])


def finish(m, wanted="completed"):
    vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] in ("completed", "failed"), "its end")
    info = m.qmp.command("query-migrate")
    tap.equal(info["status"], wanted)
    return info.get("error-desc")


def file_and_back():
    """Two programs, a state with all bytes and an empty one; a third is not of those that go along."""
    state = bytes(range(256)) * 40
    with tempfile.TemporaryDirectory() as folder, Bus() as here, Bus() as there:
        keep = [Helper(here, "one", state), Helper(here, "two"), Helper(here, "three", b"3")]
        with start(here, ids="one,two") as m:
            m.qmp.command("migrate", uri=f"file:{folder}/state")
            finish(m)
        shown = subprocess.run([sys.executable, f"{ROOT}/scripts/state-dump.py", f"{folder}/state"], stdout=subprocess.PIPE, check=True)
        tap.equal([line.strip() for line in shown.stdout.decode().splitlines() if "programs:" in line],
                  [f"programs: 'one', {len(state)} bytes", "programs: 'two', 0 bytes"])
        others = [Helper(there, name, b"old") for name in ("two", "one", "three")]
        with start(there, "-incoming", f"file:{folder}/state") as m:
            vm.wait_until(lambda: m.qmp.command("query-status")["status"] != "inmigrate", "the machine")
        tap.equal([helper.state for helper in others], [b"", state, b"old"])
        del keep


def socket_to_other():
    """All that there are, over a socket; one is on the bus of both machines."""
    with tempfile.TemporaryDirectory() as folder, Bus() as bus:
        helper = Helper(bus, "one", b"state")
        with start(bus, "-incoming", f"unix:{folder}/s") as there, start(bus) as here:
            here.qmp.command("migrate", uri=f"unix:{folder}/s")
            helper.save = lambda: b"as it is when the machine stands"
            finish(here)
            vm.wait_until(lambda: there.qmp.command("query-status")["status"] != "inmigrate", "the machine")
        tap.equal(helper.state, b"as it is when the machine stands")


def snapshot():
    """savevm and loadvm."""
    with tempfile.TemporaryDirectory() as folder, Bus() as bus:
        subprocess.run([f"{sys.argv[1]}/tools/img/dimmable-img", "create", "-q", "-f", "qcow2", f"{folder}/disk", "4M"], check=True)
        helper = Helper(bus, "one", b"then")
        with start(bus, "-drive", f"if=none,id=d0,format=qcow2,file={folder}/disk") as m:
            hmp = lambda line: m.qmp.command("human-monitor-command", **{"command-line": line})  # noqa: E731
            tap.equal(hmp("savevm s0"), "")
            helper.state = b"now"
            tap.equal(hmp("loadvm s0"), "")
            tap.equal(helper.state, b"then")


def say_no():
    raise dbus_bus.Refused("not now")


def refused():
    """The migration fails, the machine goes on, and can be saved when it is over."""
    with tempfile.TemporaryDirectory() as folder, Bus() as bus:
        helpers = [Helper(bus, "one", save=say_no)]
        with start(bus) as m:
            for change, words in ((lambda: None, "not now"), (lambda: setattr(helpers[0], "save", lambda: bytes(1 << 20 | 1)), "1048577 bytes"),
                                  (lambda: helpers.append(Helper(bus, "one")), "two programs have the Id 'one'")):
                change()
                m.qmp.command("migrate", uri=f"file:{folder}/state")
                text = finish(m, "failed")
                tap.equal(words in text, True, text)
                tap.equal(m.qmp.command("query-status")["running"], True, "it goes on")
            helpers.pop().connection.close_sync(None)
            helpers[0].save = lambda: b"good"
            m.qmp.command("migrate", uri=f"file:{folder}/state")
            finish(m)
        with start(bus, ids="one,four") as m:
            m.qmp.command("migrate", uri=f"file:{folder}/other")
            text = finish(m, "failed")
            tap.equal("'four' of id-list" in text, True, text)
        helpers[0].connection.close_sync(None)
        base = ["-accel", "qtest", "-m", "4M", "-display", "none", "-nodefaults", "-M", "pc", "-incoming", f"file:{folder}/state"]
        for options, words in ((["-object", f"dbus-vmstate,id=programs,addr={bus.addr}"], "no such program"),
                               (["-object", f"dbus-vmstate,id=others,addr={bus.addr}"], "no such object"),
                               (["-object", "dbus-vmstate,id=programs,addr=unix:path=/nowhere"], "/nowhere"),
                               (["-object", "dbus-vmstate,id=programs,addr=nonsense"], "nonsense"),
                               (["-object", "dbus-vmstate,id=programs"], "addr= is missing")):
            status, text = machine.run_program(*base, *options)
            tap.equal((status, words in text), (1, True), text)


def silent_bus():
    """One that takes connections and says nothing, is waited for no longer than 5 s; nobody sees when it came."""
    import socket  # pylint: disable=import-outside-toplevel
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/s")
        listener.listen()
        status, text = machine.run_program("-accel", "qtest", "-M", "none", "-display", "none", "-nodefaults",
                                           "-object", f"dbus-vmstate,id=a,addr=unix:path={folder}/s")
        tap.equal((status, "addr=unix:path" in text), (1, True), text)


BUS = """<interface name="org.freedesktop.DBus"><method name="Hello"><arg type="s" direction="out"/></method>
<method name="NameHasOwner"><arg type="s" direction="in"/><arg type="b" direction="out"/></method>
<method name="ListQueuedOwners"><arg type="s" direction="in"/><arg type="as" direction="out"/></method></interface>"""


def hostile_bus():
    """One that names owners that nobody can be."""
    answers = {"Hello": GLib.Variant("(s)", (":1.0",)), "NameHasOwner": GLib.Variant("(b)", (True,)),
               "ListQueuedOwners": GLib.Variant("(as)", (["no name"],))}
    keep = []

    def come(_, connection):
        keep.append(connection)
        dbus_bus.export(connection, "/org/freedesktop/DBus", BUS, lambda method, arguments: answers[method])
        return True

    with tempfile.TemporaryDirectory() as folder:
        flags = Gio.DBusServerFlags.NONE
        server = Gio.DBusServer.new_sync(f"unix:path={folder}/bus", flags, Gio.dbus_generate_guid(), None, None)
        server.connect("new-connection", come)
        server.start()
        with machine.Machine(memory="4M", extra=["-M", "pc", "-object", f"dbus-vmstate,id=programs,addr=unix:path={folder}/bus"]) as m:
            m.qmp.command("migrate", uri=f"file:{folder}/state")
            text = finish(m, "failed")
            tap.equal("'no name'" in text, True, text)
            tap.equal(m.qmp.command("query-status")["running"], True)
        server.stop()


def main():
    dbus_bus.start_loop()
    tap.run([("a file, and back", file_and_back), ("a socket", socket_to_other), ("a snapshot", snapshot), ("what is refused", refused),
             ("a silent bus", silent_bus), ("a hostile bus", hostile_bus)])


main()

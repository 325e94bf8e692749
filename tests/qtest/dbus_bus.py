# SPDX-License-Identifier: GPL-2.0-or-later
"""D-Bus for tests: a bus of their own, objects on it, and GLib's main loop on a thread."""
import shutil
import subprocess
import tempfile
import threading

import gi
import tap

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=PATH</listen>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
"""


def start_loop():
    """Callbacks come on this thread."""
    threading.Thread(target=GLib.MainLoop().run, daemon=True).start()


class Bus:
    """A dbus-daemon of its own."""

    def __init__(self):
        if not shutil.which("dbus-daemon"):
            raise tap.Skip("no dbus-daemon here (package dbus-daemon)")
        self.folder = tempfile.TemporaryDirectory()
        self.path = f"{self.folder.name}/bus"
        self.addr = f"unix:path={self.path}"
        with open(f"{self.folder.name}/conf", "w", encoding="ascii") as file:
            file.write(CONFIG.replace("PATH", self.path))
        with open(f"{self.folder.name}/log", "wb") as log:
            self.process = subprocess.Popen(["dbus-daemon", f"--config-file={self.folder.name}/conf", "--nofork", "--print-address=1"],
                                            stdout=subprocess.PIPE, stderr=log)
        tap.equal(self.process.stdout.readline().startswith(b"unix:path="), True, "the bus listens")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    def connect(self):
        flags = Gio.DBusConnectionFlags
        return Gio.DBusConnection.new_for_address_sync(
            self.addr, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)


def own(connection, name):
    """The name is the connection's, or will be when others have gone."""
    connection.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                         GLib.Variant("(su)", (name, 0)), None, Gio.DBusCallFlags.NONE, -1, None)


def export(connection, path, xml, called, properties=None):
    """@called(method, arguments) returns what is answered, a GLib.Variant or None, or raises an exception."""
    def on_call(_connection, _sender, _path, _interface, method, arguments, invocation):
        try:
            invocation.return_value(called(method, arguments))
        except Refused as reason:
            invocation.return_dbus_error("org.example.Refused", str(reason))
        except Silent:
            pass

    def on_get(_connection, _sender, _path, _interface, name):
        return (properties or {})[name]
    interface = Gio.DBusNodeInfo.new_for_xml(f"<node>{xml}</node>").interfaces[0]
    connection.register_object(path, interface, on_call, on_get, None)


class Refused(Exception):
    """What a method answers with."""


class Silent(Exception):
    """A method that answers nothing."""

# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of SPICE, by the library of another project, that keeps what it was told."""
import ctypes
import os
import sys

import vm

try:
    import gi
    gi.require_version("SpiceClientGLib", "2.0")
    from gi.repository import GLib, GObject, SpiceClientGLib as Spice
except (ImportError, ValueError):
    print("1..0 # SKIP SPICE's client library is not there (gir1.2-spiceclientglib-2.0, python3-gi)")
    sys.exit(0)

# libspice-server 0.15.1 reads what it has freed itself when a client leaves in a bad moment (docs/spice.md): that stays as it is.
os.environ["MALLOC_PERTURB_"] = "0"


class Client:
    """At the socket @path, or where @options say."""

    def __init__(self, path, password=None, **options):
        self.primary, self.channels, self.events = None, {}, []
        self.session = Spice.Session()
        for name, value in {"unix-path": path, "password": password, **options}.items():
            if value is not None:
                self.session.set_property(name, value)
        GObject.Object.connect(self.session, "channel-new", self.channel_new)
        Spice.Session.connect(self.session)

    def channel_new(self, _session, channel):
        kind = type(channel).__name__
        self.channels[kind] = channel
        GObject.Object.connect(channel, "channel-event", lambda _, event: self.events.append((kind, event.value_nick)))
        if kind == "DisplayChannel":
            GObject.Object.connect(channel, "display-primary-create", self.primary_create)
            GObject.Object.connect(channel, "display-primary-destroy", lambda _: setattr(self, "primary", None))
        if kind != "MainChannel":
            Spice.Channel.connect(channel)

    def primary_create(self, _channel, _format, width, height, stride, _shm, data):
        self.primary = (width, height, stride, data)

    def wait(self, condition, what):
        def turned():
            while GLib.MainContext.default().iteration(False):
                pass
            return condition()
        return vm.wait_until(turned, what)

    def size(self):
        return self.primary and self.primary[:2]

    def pixel(self, x, y):
        _, _, stride, data = self.primary
        return ctypes.c_uint32.from_address(data + y * stride + 4 * x).value & 0xffffff

    def works(self):
        """Its channels are there, and the display's has begun: who leaves before meets the library's fault (docs/spice.md)."""
        self.wait(lambda: {(kind, "opened") for kind in ("DisplayChannel", "InputsChannel", "CursorChannel")} <= set(self.events), "its channels")
        self.wait(lambda: self.primary, "a picture")

    def close(self):
        self.session.disconnect()
        self.wait(lambda: not Spice.Session.get_channels(self.session), "all has gone")

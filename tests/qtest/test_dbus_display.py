#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-display dbus: objects, pictures, keys and pointers, a clipboard and streams, on a bus of the test's own and peer to peer; clients
that say too much, or nothing."""
import os
import socket
import struct
import tempfile

import machine
from machine import tap, vm
from virtio_driver import Driver, Gpu, Port

import dbus_bus
from dbus_bus import Bus, Gio, GLib
from vnc_viewer import Viewer, receive

ROOT = "/org/qemu/Display1"
TEXT = "text/plain;charset=utf-8"
FORMAT = 0x20020888  # x8r8g8b8 of pixman
LISTENER = """<interface name="org.qemu.Display1.Listener">
<method name="Scanout"><arg type="u"/><arg type="u"/><arg type="u"/><arg type="u"/><arg type="ay"/></method>
<method name="Update"><arg type="i"/><arg type="i"/><arg type="i"/><arg type="i"/><arg type="u"/><arg type="u"/><arg type="ay"/></method>
<method name="Disable"/><method name="MouseSet"><arg type="i"/><arg type="i"/><arg type="i"/></method>
<method name="CursorDefine"><arg type="i"/><arg type="i"/><arg type="i"/><arg type="i"/><arg type="ay"/></method></interface>"""
CLIPBOARD = """<interface name="org.qemu.Display1.Clipboard"><method name="Grab"><arg type="u"/><arg type="u"/><arg type="as"/></method>
<method name="Release"><arg type="u"/></method><method name="Request"><arg type="u"/><arg type="as"/>
<arg type="s" direction="out"/><arg type="ay" direction="out"/></method></interface>"""


class Client:
    """Who looks at objects of @name on a connection; None: the other end is the machine."""

    def __init__(self, connection, name="org.qemu"):
        self.connection, self.name = connection, name

    def call(self, path, interface, method, arguments=None, fd=None, seconds=vm.LONG):
        fds = None
        if fd is not None:
            fds = Gio.UnixFDList.new()
            fds.append(fd)
        reply = self.connection.call_with_unix_fd_list_sync(self.name, f"{ROOT}{path}", interface, method, arguments, None,
                                                            Gio.DBusCallFlags.NONE, 1000 * seconds, fds, None)
        return (reply[0] if isinstance(reply, tuple) else reply).unpack()

    def ours(self, path, interface, method, arguments=None, fd=None):
        return self.call(path, f"org.qemu.Display1.{interface}", method, arguments, fd)

    def fails(self, words, *call):
        try:
            self.ours(*call)
        except GLib.Error as error:
            tap.equal(words in error.message, True, error.message)
        else:
            raise AssertionError(f"{call} must fail")

    def get(self, path, interface, name, **more):
        return self.call(path, "org.freedesktop.DBus.Properties", "Get", GLib.Variant("(ss)", (f"org.qemu.Display1.{interface}", name)), **more)[0]

    def objects(self):
        return self.call("", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")[0]


def client_of(bus):
    client = Client(bus.connect())
    vm.wait_until(lambda: client.connection.call_sync(
        "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", GLib.Variant("(s)", ("org.qemu",)), None,
        Gio.DBusCallFlags.NONE, -1, None).unpack()[0], "the machine on the bus")
    return client


def peer(sock):
    """A connection over a socket, of which the machine is the server."""
    flags = Gio.DBusConnectionFlags
    stream = Gio.Socket.new_from_fd(os.dup(sock.fileno())).connection_factory_create_connection()
    return Gio.DBusConnection.new_sync(stream, None, flags.AUTHENTICATION_CLIENT | flags.DELAY_MESSAGE_PROCESSING, None, None)


class Listener:
    def __init__(self, client, console=0, answers=True):
        self.picture, self.log, self.answers = (None, b""), [], answers
        ours, theirs = socket.socketpair()
        client.ours(f"/Console_{console}", "Console", "RegisterListener", GLib.Variant("(h)", (0,)), theirs.fileno())
        theirs.close()
        self.connection = peer(ours)
        ours.close()
        dbus_bus.export(self.connection, f"{ROOT}/Listener", LISTENER, self.called)
        self.connection.start_message_processing()

    def called(self, method, arguments):
        """The last argument of most are pixels, whose numbers Python would take long to list."""
        count = arguments.n_children()
        data = method in ("Scanout", "Update", "CursorDefine")
        values = tuple(arguments.get_child_value(n).unpack() for n in range(count - data))
        pixels = arguments.get_child_value(count - 1).get_data_as_bytes().get_data() if data else b""
        self.log.append((method, values))
        if method == "Scanout":
            tap.equal((values[2:], len(pixels)), ((4 * values[0], FORMAT), 4 * values[0] * values[1]))
            self.picture = values[:2], bytearray(pixels)
        elif method == "Update":
            self.take(*values, pixels)
        if not self.answers:
            raise dbus_bus.Silent()

    def take(self, x, y, width, height, stride, form, data):
        tap.equal((stride, form, len(data)), (4 * width, FORMAT, 4 * width * height))
        for row in range(height):
            at = 4 * ((y + row) * self.size[0] + x)
            self.picture[1][at:at + stride] = data[row * stride:(row + 1) * stride]

    def pixel(self, x, y):
        size, pixels = self.picture
        return struct.unpack_from("<I", pixels, 4 * (y * size[0] + x))[0] & 0xffffff

    @property
    def size(self):
        return self.picture[0]

    def wait(self, condition, what):
        vm.wait_until(condition, what)


def start(*more, gpu=True):
    devices = ["-device", "virtio-gpu-pci,id=gpu,addr=4", "-device", "virtio-keyboard-pci,addr=5", "-device", "virtio-tablet-pci,addr=6"]
    return machine.Machine(memory="64M", extra=["-M", "pc", "-vga", "none", *(devices if gpu else []), *more])


def on_bus(bus, *more, **options):
    return start("-display", f"dbus,addr={bus.addr}", *more, **options)


def objects():
    uuid = "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"
    with Bus() as bus, on_bus(bus, "-name", "box", "-uuid", uuid) as m:
        tap.equal(m.qmp.command("query-display-options"), {"type": "dbus", "addr": bus.addr})
        client, signals = client_of(bus), []
        client.connection.signal_subscribe(None, "org.freedesktop.DBus.ObjectManager", None, ROOT, None, Gio.DBusSignalFlags.NONE,
                                           lambda _c, _s, _p, _i, name, args: signals.append((name, args.unpack()[0])))
        client.connection.signal_subscribe(None, "org.freedesktop.DBus.Properties", None, f"{ROOT}/VM", None, Gio.DBusSignalFlags.NONE,
                                           lambda _c, _s, _p, _i, _n, args: signals.append(args.unpack()[1]))
        found = client.objects()
        tap.equal(sorted(found), [f"{ROOT}/{name}" for name in ("Clipboard", "Console_0", "VM")])
        tap.equal(found[f"{ROOT}/VM"]["org.qemu.Display1.VM"], {"Name": "box", "UUID": uuid, "ConsoleIDs": [0]})
        console = found[f"{ROOT}/Console_0"]
        tap.equal(console["org.qemu.Display1.Console"], {"Label": "virtio-gpu-pci", "Head": 0, "Type": "Graphic", "Width": 640, "Height": 480,
                                                         "DeviceAddress": "pci/0000/04.0"})
        tap.equal(sorted(console), [f"org.qemu.Display1.{name}" for name in ("Console", "Keyboard", "Mouse")])
        m.qmp.command("device_add", driver="bochs-display", id="b", addr="8")
        tap.equal(client.get("/VM", "VM", "ConsoleIDs"), [0, 1])
        vm.wait_until(lambda: ("InterfacesAdded", f"{ROOT}/Console_1") in signals, "the new one")
        vm.wait_until(lambda: {"ConsoleIDs": [0, 1]} in signals, "the list of them")
        tap.equal(client.get("/Console_1", "Console", "DeviceAddress"), "pci/0000/08.0")
        watcher = Listener(client, console=1)
        watcher.wait(lambda: watcher.size, "its picture")
        m.qmp.command("device_del", id="b")
        m("outl 0xae08 0x100")  # the guest ejects it
        vm.wait_until(lambda: ("InterfacesRemoved", f"{ROOT}/Console_1") in signals, "it has gone")
        watcher.wait(lambda: watcher.log[-1][0] == "Disable", "its listener knows")
        vm.wait_until(watcher.connection.is_closed, "the end")
        tap.equal(client.get("/VM", "VM", "ConsoleIDs"), [0])


def picture():
    with Bus() as bus, on_bus(bus) as m:
        gpu = Gpu(m, 4)
        gpu.begin_screen()
        client, sizes = client_of(bus), []
        listener = Listener(client)
        listener.wait(lambda: listener.size == (640, 480), "nothing yet")
        client.connection.signal_subscribe(None, "org.freedesktop.DBus.Properties", None, f"{ROOT}/Console_0", None, Gio.DBusSignalFlags.NONE,
                                           lambda _c, _s, _p, _i, _n, args: sizes.append(args.unpack()[1]))
        gpu.picture(1, 80, 60, 0x102030)
        listener.wait(lambda: listener.log and listener.size == (80, 60), "another size")
        listener.wait(lambda: listener.pixel(79, 59) == 0x102030 + 80 * 60 - 1, "the last pixel")
        vm.wait_until(lambda: {"Width": 80} in sizes and {"Height": 60} in sizes, "signals of it")
        tap.equal([listener.pixel(*at) for at in ((0, 0), (1, 0), (0, 1))], [0x102030, 0x102031, 0x102080])
        gpu.change(1, 80, 70, 9, 0xabcdef)
        listener.wait(lambda: listener.pixel(70, 9) == 0xabcdef, "one pixel, and what waited before it")
        gpu.change(1, 80, 7, 9, 0xabcdef)
        listener.wait(lambda: listener.pixel(7, 9) == 0xabcdef, "one pixel")
        tap.equal(listener.log[-1][1][:4], (7, 9, 1, 1), "nothing more was sent")
        gpu.cursor(9, 30, 40, 0xff445566)
        listener.wait(lambda: ("MouseSet", (30, 40, 1)) in listener.log and ("CursorDefine", (64, 64, 1, 2)) in listener.log, "the pointer")
        second = Listener(client)
        second.wait(lambda: second.size == (80, 60) and second.pixel(7, 9) == 0xabcdef, "the same")
        # One that never answers is told no more; others are.
        silent = Listener(client, answers=False)
        silent.wait(lambda: silent.log, "its picture")
        for n in range(20):
            gpu.change(1, 80, n, 20, n)
            listener.wait(lambda n=n: listener.pixel(n, 20) == n, "a pixel")
        tap.equal(len(silent.log), 1, "what it was told")
        client.ours("/Console_0", "Console", "SetUIInfo", GLib.Variant("(qqiiuu)", (0, 0, 0, 0, 1024, 768)))
        answer = gpu.talk(0, struct.pack("<IIQII", 0x100, 0, 0, 0, 0), room=408)
        tap.equal(struct.unpack_from("<4I", answer, 24), (0, 0, 1024, 768), "the size that the guest is to have")
        client.fails("from 1 to", "/Console_0", "Console", "SetUIInfo", GLib.Variant("(qqiiuu)", (0, 0, 0, 0, 0, 768)))


def events(device, count):
    found = []
    for _ in range(count):
        where = device.ask(0, b"", room=8)
        total = device.queues[0][2]
        vm.wait_until(lambda total=total: device.used(0) == total, "an event")
        found.append(struct.unpack("<HHi", device.fetch(where, 8)))
    return found


def people():
    with Bus() as bus, on_bus(bus) as m:
        client, changes = client_of(bus), []
        client.connection.signal_subscribe(None, "org.freedesktop.DBus.Properties", None, f"{ROOT}/Console_0", None, Gio.DBusSignalFlags.NONE,
                                           lambda _c, _s, _p, _i, _n, args: changes.append(args.unpack()[1]))

        def do(interface, method, form, *values):
            client.ours("/Console_0", interface, method, GLib.Variant(form, values))
        devices = []
        for slot in (5, 6):
            device = Driver(m, slot, ram=0x100000 + slot * 0x10000)
            device.begin()
            device.queue(0, size=64)
            device.ready()
            devices.append(device)
        keyboard, tablet = devices
        vm.wait_until(lambda: client.get("/Console_0", "Mouse", "IsAbsolute"), "the pointer takes places")
        listener = Listener(client)
        do("Keyboard", "Press", "(u)", 0x1e)
        do("Keyboard", "Release", "(u)", 0x1e)
        do("Keyboard", "Press", "(u)", 99999)
        tap.equal(events(keyboard, 4), [(1, 30, 1), (0, 0, 0), (1, 30, 0), (0, 0, 0)])
        do("Mouse", "SetAbsPosition", "(uu)", 639, 240)
        found = events(tablet, 3)
        tap.equal((found[0], found[1][:2], found[2]), ((3, 0, 32767), (3, 1), (0, 0, 0)))
        do("Mouse", "Press", "(u)", 2)
        tap.equal(events(tablet, 2), [(1, 273, 1), (0, 0, 0)])
        client.fails("outside", "/Console_0", "Mouse", "SetAbsPosition", GLib.Variant("(uu)", (640, 0)))
        client.fails("takes places", "/Console_0", "Mouse", "RelMotion", GLib.Variant("(ii)", (1, 1)))
        client.fails("no such button", "/Console_0", "Mouse", "Press", GLib.Variant("(u)", (77,)))
        # What is held is released when a viewer goes.
        do("Keyboard", "Press", "(u)", 0x9d)
        tap.equal(events(keyboard, 2), [(1, 97, 1), (0, 0, 0)])
        vm.wait_until(lambda: listener.size, "its picture")
        listener.connection.close_sync(None)
        tap.equal(events(keyboard, 2), [(1, 97, 0), (0, 0, 0)])
        tap.equal(events(tablet, 2), [(1, 273, 0), (0, 0, 0)])


def hostile():
    """Descriptors that are none, listeners that are too many or do not say who they are, and more calls than are answered."""
    with Bus() as bus, on_bus(bus) as m:
        client = client_of(bus)
        register = ("/Console_0", "Console", "RegisterListener", GLib.Variant("(h)", (0,)))
        client.fails("descriptor", *register)
        read, write = os.pipe()
        try:
            client.ours(*register, write)
        except GLib.Error:
            pass
        else:
            raise AssertionError("a pipe is no socket")
        keep = [socket.socketpair() for _ in range(5)]
        for ours, theirs in keep[:4]:
            client.ours(*register, theirs.fileno())
            theirs.close()
        try:
            client.ours(*register, keep[4][1].fileno())
        except GLib.Error as error:
            tap.equal("who they are" in error.message, True, error.message)
        keep[0][0].sendall(b"\0AUTH ANONYMOUS\r\n")
        keep[1][0].sendall(b"no D-Bus at all" * 1000)
        for ours, _ in keep:
            ours.close()
        os.close(read)
        os.close(write)
        watchers = []
        while len(watchers) < 20:
            try:
                watchers.append(Listener(client))
            except GLib.Error as error:
                tap.equal("may have no more" in error.message or "who they are" in error.message, True, error.message)
                break
        tap.equal(10 < len(watchers) < 20, True, f"{len(watchers)} listeners")
        before = vm.resident(m.process.pid)
        for _ in range(20000):
            client.connection.call("org.qemu", f"{ROOT}/Console_0", "org.qemu.Display1.Mouse", "Press", GLib.Variant("(u)", (0,)), None,
                                   Gio.DBusCallFlags.NONE, -1, None, None)
        client.connection.flush_sync(None)
        tap.equal(m.qmp.command("query-status")["running"], True)
        other = client_of(bus)

        def answers():
            """A call that comes among too many is dropped, whoever makes it."""
            try:
                return other.get("/VM", "VM", "ConsoleIDs", seconds=1) == [0]
            except GLib.Error:
                return False
        vm.wait_until(answers, "it answers")
        tap.equal(vm.resident(m.process.pid) - before < 64 << 20, True, "memory")


def clipboard():
    """With a client of VNC."""
    log = []

    def called(method, arguments):
        log.append((method, arguments.unpack()))
        return GLib.Variant("(say)", (TEXT, "naïve".encode())) if method == "Request" else None
    with tempfile.TemporaryDirectory() as folder, Bus() as bus, on_bus(bus, "-vnc", f"unix:{folder}/v") as m:
        tap.equal(m.qmp.command("query-status")["running"], True)
        client, viewer = client_of(bus), Viewer.at(f"{folder}/v").sock
        client.fails("not registered", "/Clipboard", "Clipboard", "Grab", GLib.Variant("(uuas)", (0, 0, [TEXT])))
        dbus_bus.export(client.connection, f"{ROOT}/Clipboard", CLIPBOARD, called)
        client.ours("/Clipboard", "Clipboard", "Register")
        viewer.sendall(struct.pack(">B3xI", 6, 5) + b"caf\xe9!")
        vm.wait_until(lambda: log, "what was copied there")
        tap.equal((log[0][0], log[0][1][0], log[0][1][2]), ("Grab", 0, [TEXT]))
        kind, data = client.ours("/Clipboard", "Clipboard", "Request", GLib.Variant("(uas)", (0, [TEXT])))
        tap.equal((kind, bytes(data).decode()), (TEXT, "café!"))
        client.fails("nobody has this", "/Clipboard", "Clipboard", "Request", GLib.Variant("(uas)", (1, [TEXT])))
        client.fails("nobody has this", "/Clipboard", "Clipboard", "Request", GLib.Variant("(uas)", (0, ["image/png"])))
        client.fails("a selection is", "/Clipboard", "Clipboard", "Release", GLib.Variant("(u)", (3,)))
        client.ours("/Clipboard", "Clipboard", "Grab", GLib.Variant("(uuas)", (0, 1, [TEXT])))
        tap.equal(receive(viewer, 8) + receive(viewer, 5), struct.pack(">B3xI", 3, 5) + b"na\xefve")
        client.ours("/Clipboard", "Clipboard", "Unregister")
        viewer.close()


def streams():
    with Bus() as bus, on_bus(bus, "-device", "virtio-serial-pci,id=vs,addr=7", "-chardev", "dbus,id=c.0,name=org.test.0",
                              "-device", "virtserialport,bus=vs.0,chardev=c.0,name=org.test.0,id=p0") as m:
        client, path = client_of(bus), "/Chardev_c_0"
        port = Port(m, 7, ram=0x200000)
        port.begin_port()
        tap.equal(client.objects()[ROOT + path]["org.qemu.Display1.Chardev"], {"Name": "org.test.0", "FEOpened": False, "Echo": False, "Owner": ""})
        port.tell(6, 1)
        tap.equal(client.get(path, "Chardev", "FEOpened"), True)
        with tempfile.TemporaryFile() as file:  # which may be of a file system that does not answer
            client.fails("socket", path, "Chardev", "Register", GLib.Variant("(h)", (0,)), file.fileno())
        ours, theirs = socket.socketpair()
        ours.settimeout(vm.LONG)
        client.ours(path, "Chardev", "Register", GLib.Variant("(h)", (0,)), theirs.fileno())
        theirs.close()
        tap.equal(client.get(path, "Chardev", "Owner"), client.connection.get_unique_name())
        port.write(b"to the client")
        tap.equal(receive(ours, 13), b"to the client")
        where = port.ask(4, b"", room=64)
        ours.sendall(b"to the guest")
        vm.wait_until(lambda: port.used(4) == 1, "bytes of the client")
        tap.equal(port.fetch(where, 12), b"to the guest")
        port.ask(4, b"", room=64)
        ours.close()
        vm.wait_until(lambda: client.get(path, "Chardev", "Owner") == "", "it has gone")
        m.qmp.command("chardev-add", id="more", backend={"type": "dbus", "data": {"name": "more"}})
        tap.equal(client.get("/Chardev_more", "Chardev", "Name"), "more")
        m.qmp.command("chardev-remove", id="more")
        tap.equal(ROOT + "/Chardev_more" in client.objects(), False)


def add_client(m):
    ours, theirs = socket.socketpair()
    tap.equal(machine.fd_command(m, "getfd", theirs.fileno(), fdname="c"), None)
    theirs.close()
    m.qmp.command("add_client", protocol="@dbus-display", fdname="c")
    connection = peer(ours)
    ours.close()
    connection.start_message_processing()
    return Client(connection, None)


def without_bus():
    with start("-display", "dbus,p2p=on") as m:
        client = add_client(m)
        vm.wait_until(lambda: f"{ROOT}/Console_0" in objects_of(client), "the objects")
        listener = Listener(client)
        listener.wait(lambda: listener.size == (640, 480), "a picture")
        message = Gio.DBusMessage.new_method_call(None, f"{ROOT}/Clipboard", "org.qemu.Display1.Clipboard", "Register")
        message.set_header(Gio.DBusMessageHeaderField.SENDER, GLib.Variant("s", ":1.7"))
        client.connection.send_message_with_reply_sync(message, Gio.DBusSendMessageFlags.NONE, 1000 * vm.LONG, None)
        client.ours("/Clipboard", "Clipboard", "Grab", GLib.Variant("(uuas)", (0, 0, [TEXT])))
        second = add_client(m)
        vm.wait_until(client.connection.is_closed, "the first one goes")
        vm.wait_until(lambda: f"{ROOT}/Console_0" in objects_of(second), "the objects")
        second.connection.close_sync(None)
        tap.equal(m.qmp.command("query-status")["running"], True)


def objects_of(client):
    try:
        return client.objects()
    except GLib.Error:
        return {}


def refused():
    base = ["-accel", "qtest", "-nodefaults", "-M", "none"]
    for options, words in (("dbus,addr=unix:path=/nowhere", "/nowhere"), ("dbus,p2p=on,addr=unix:path=/nowhere", "leave out one"),
                           ("dbus,gl=on", "not drawn by OpenGL"), ("gtk", "use sdl"), ("curses", "use -nographic"), ("nothing", "nothing")):
        status, text = machine.run_program(*base, "-display", options)
        tap.equal((status, words in text), (1, True), f"{options}: {text}")
    status, text = machine.run_program(*base, "-display", "none", "-chardev", "dbus,id=c")
    tap.equal((status, "name= is missing" in text), (1, True), text)
    with start(gpu=False) as m:
        ours, theirs = socket.socketpair()
        tap.equal(machine.fd_command(m, "getfd", theirs.fileno(), fdname="c"), None)
        try:
            m.qmp.command("add_client", protocol="@dbus-display", fdname="c")
        except vm.QmpError as error:
            tap.equal("p2p=on" in str(error), True, str(error))
        else:
            raise AssertionError("there is no display")
        theirs.close()
        tap.equal(ours.recv(1), b"", "it is closed")


def main():
    dbus_bus.start_loop()
    tap.run([(function.__name__, function) for function in (objects, picture, people, hostile, clipboard, streams, without_bus, refused)])


main()

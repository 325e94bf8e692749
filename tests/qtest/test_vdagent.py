#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-chardev qemu-vdagent: an agent in the guest, played by the test, and a VNC client share a clipboard; the pointer goes to the
agent while it is there. What a hostile agent says is in tests/unit/test-vdagent.c."""
import struct
import tempfile

import machine
from machine import tap, vm
from virtio_driver import Port
from vnc_viewer import Viewer, receive

CAPS = 1 << 0 | 1 << 5 | 1 << 6  # places of the pointer, a clipboard by demand, selections
MOUSE, TEXT, ANNOUNCE, GRAB, REQUEST = 1, 4, 6, 7, 8


class Agent(Port):
    def begin_agent(self):
        self.begin_port()
        self.taken, self.bytes = 0, b""
        self.places = [self.ask(4, b"", room=256) for _ in range(4)]
        self.tell(6, 1)

    def say(self, kind, body):
        self.write(struct.pack("<IIIIQI", 1, 20 + len(body), 1, kind, 0, len(body)) + body)

    def hear(self):
        """The next message: its kind, and what it has."""
        while len(self.bytes) < 28 or len(self.bytes) < 28 + struct.unpack_from("<I", self.bytes, 24)[0]:
            vm.wait_until(lambda: self.used(4) != self.taken, "bytes of the agent's other end")
            at, size = self.queues[4][:2]
            length = struct.unpack("<I", self.fetch(at + 0x2004 + 8 * (self.taken % size) + 4, 4))[0]
            self.bytes += self.fetch(self.places[self.taken % 4], length)
            self.taken += 1
            self.places[(self.taken - 1) % 4] = self.ask(4, b"", room=256)
        kind, _, size = struct.unpack_from("<IQI", self.bytes, 12)
        body, self.bytes = self.bytes[28:28 + size], self.bytes[28 + size:]
        return kind, body


def start(*extra, options="name=vdagent,clipboard=on"):
    return machine.Machine("64M", extra=["-M", "pc", "-device", "virtio-serial-pci,id=vs,addr=7", "-chardev", f"qemu-vdagent,id=a,{options}",
                                         "-device", "virtserialport,bus=vs.0,chardev=a,name=com.redhat.spice.0,id=p0", *extra])


def clipboard():
    with tempfile.TemporaryDirectory() as folder, start("-vnc", f"unix:{folder}/v") as m:
        agent = Agent(m, 7)
        agent.begin_agent()
        tap.equal(agent.hear(), (ANNOUNCE, struct.pack("<II", 1, CAPS)))
        agent.say(ANNOUNCE, struct.pack("<II", 1, CAPS))
        tap.equal(agent.hear(), (ANNOUNCE, struct.pack("<II", 0, CAPS)))
        client = Viewer.at(f"{folder}/v").sock
        client.sendall(struct.pack(">B3xI", 6, 5) + b"caf\xe9!")
        tap.equal(agent.hear(), (GRAB, struct.pack("<II", 0, 1)))
        agent.say(REQUEST, struct.pack("<II", 0, 1))
        tap.equal(agent.hear(), (TEXT, struct.pack("<II", 0, 1) + "café!".encode()))
        agent.say(GRAB, struct.pack("<II", 0, 1))
        tap.equal(agent.hear(), (REQUEST, struct.pack("<II", 0, 1)))
        agent.say(TEXT, struct.pack("<II", 0, 1) + "naïve".encode())
        tap.equal(receive(client, 8), struct.pack(">B3xI", 3, 5))
        tap.equal(receive(client, 5), b"na\xefve")
        client.close()


def pointer():
    """While the agent is there, it gets places in pixels, and buttons."""
    def send(m, *events):
        m.qmp.command("input-send-event", events=[{"type": kind, "data": data} for kind, data in events])

    with start(options="mouse=on") as m:
        def points():
            return [mouse["absolute"] for mouse in m.qmp.command("query-mice") if mouse["current"]]

        agent = Agent(m, 7)
        agent.begin_agent()
        tap.equal(agent.hear(), (ANNOUNCE, struct.pack("<II", 1, 1)))
        tap.equal(points(), [False])
        agent.say(ANNOUNCE, struct.pack("<II", 0, CAPS))
        tap.equal(points(), [True])
        send(m, ("abs", {"axis": "x", "value": 32767}), ("abs", {"axis": "y", "value": 16384}))
        tap.equal(agent.hear(), (MOUSE, struct.pack("<IIIB", 639, 239, 0, 0)))
        send(m, ("btn", {"button": "right", "down": True}))
        tap.equal(agent.hear(), (MOUSE, struct.pack("<IIIB", 639, 239, 8, 0)))
        agent.tell(6, 0)
        tap.equal(points(), [False])
        m.qmp.command("chardev-add", id="b", backend={"type": "qemu-vdagent", "data": {"mouse": False, "clipboard": True}})
        m.qmp.command("chardev-remove", id="b")


tap.run([(function.__name__, function) for function in (clipboard, pointer)])

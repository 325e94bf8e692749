#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The way of one request, as docs/architecture.md draws it: every arrow of the diagram is a line here,
with what can be seen of it from both ends. The test plays the guest with port accesses; the AML that
does the same is tested elsewhere."""
import machine
import vm

import tap

MIB, GIB = 1 << 20, 1 << 30
ADDRESS = 4 * GIB
SELECT, OST_EVENT, OST_STATUS, FLAGS, NEXT = 0xA00, 0xA04, 0xA08, 0xA14, 0xA18
ENABLED, INSERT, REMOVE, EJECT = 1, 2, 4, 8
NONE = 0xFFFFFFFF
GPE3 = 1 << 3
PIC_SLAVE, READ_IRR, ELCR, IRQ9 = 0xA0, 0x0A, 0x4D1, 1 << 1
# (name of a machine, port of its GPE block, bytes of that block)
MACHINES = [("pc", 0xAFE0, 4), ("q35", 0x620, 16)]


class Way:
    """One machine on which the way is walked: the guest's and management's view of it."""

    def __init__(self, m, gpe, gpe_length):
        self.m, self.qmp = m, m.qmp
        self.gpe_status, self.gpe_enable = gpe, gpe + gpe_length // 2
        m.write("b", self.gpe_enable, GPE3)
        m.write("b", ELCR, IRQ9)  # SCI is a level

    def events(self):
        """What management heard since the last call, in order: (name, data)."""
        self.qmp.command("query-status")
        found = [(e["event"], e["data"]) for e in self.qmp.events]
        self.qmp.events = []
        return found

    def change(self, previous, state, **more):
        data = {"device": "d0", "path": "/machine/peripheral/d0", "state": state, **more}
        if previous:
            data["previous"] = previous
        return "MEMORY_DEVICE_STATE_CHANGE", data

    def ost_event(self, source, status, device="d0"):
        info = {"slot": "2", "slot-type": "DIMM", "source": source, "status": status}
        if device:
            info["device"] = device
        return "ACPI_DEVICE_OST", {"info": info}

    def heard(self, *wanted):
        tap.equal(self.events(), list(wanted), "events")

    def state(self, wanted):
        tap.equal([d["data"]["state"] for d in self.qmp.command("query-memory-devices")], [wanted])

    def sci(self):
        self.m.write("b", PIC_SLAVE, READ_IRR)
        return bool(self.m.read("b", PIC_SLAVE) & IRQ9)

    def interrupted(self):
        """SCI is raised because of GPE 3, and the guest clears the status: both stay as long as there
        is an event. It disables GPE 3 until it has taken that."""
        tap.equal(self.sci(), True, "SCI")
        tap.equal(self.m.read("b", self.gpe_status) & GPE3, GPE3, "GPE 3")
        self.m.write("b", self.gpe_status, GPE3)
        tap.equal(self.m.read("b", self.gpe_status) & GPE3, GPE3, "GPE 3 after the guest cleared it")
        tap.equal(self.sci(), True, "SCI after the guest cleared GPE 3")
        self.m.write("b", self.gpe_enable, 0)
        tap.equal(self.sci(), False, "SCI while GPE 3 is disabled")

    def scan(self, wanted, clear):
        """_E03: the slot with an event; its flags; clears the event; nothing is left."""
        tap.equal(self.m.read("l", NEXT), 2, "the next slot with an event")
        self.m.write("l", SELECT, 2)
        tap.equal(self.m.read("b", FLAGS), wanted, "flags")
        self.m.write("b", FLAGS, clear)
        tap.equal(self.m.read("l", NEXT), NONE, "no more events")
        self.m.write("b", self.gpe_enable, GPE3)
        tap.equal(self.m.read("b", self.gpe_status) & GPE3, 0, "GPE 3 when there is no event")
        tap.equal(self.sci(), False, "SCI when there is no event")

    def ost(self, event, status):
        self.m.write("l", SELECT, 2)
        self.m.write("l", OST_EVENT, event)
        self.m.write("l", OST_STATUS, status)

    def memory(self, there):
        """Are the first and the last byte of the DIMM in the memory map?"""
        for address in (ADDRESS, ADDRESS + 256 * MIB - 1):
            self.m(f"write {address:#x} 1 0x5a")
            tap.equal(self.m(f"read {address:#x} 1"), ["0x5a" if there else "0xff"], f"{address:#x}")

    def peripheral(self):
        return [p["name"] for p in self.qmp.command("qom-list", path="/machine/peripheral")
                if p["name"] != "type"]


def refused_before_anything(way):
    """pre_plug: all checks, nothing changed."""
    before = way.m.tree()
    try:
        way.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m0", slot=2, addr=GIB)
    except vm.QmpError as err:
        tap.equal(err.cls, "GenericError")
    else:
        raise AssertionError("an address outside the window was accepted")
    tap.equal(way.m.tree(), before)
    tap.equal((way.sci(), way.m.read("l", NEXT)), (False, NONE), "what the guest sees of it")
    way.memory(there=False)
    way.heard()


def plug(way):
    reply = way.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m0", slot=2)
    tap.equal(reply, {})
    # object created, properties set, realized; region mapped; slot marked; GPE 3 -> SCI
    tap.equal(way.peripheral(), ["d0"])
    way.memory(there=True)
    way.heard(way.change(None, "inserted"))
    way.state("inserted")
    way.interrupted()
    # _E03
    way.scan(ENABLED | INSERT, INSERT)
    way.heard(way.change("inserted", "noticed"))
    # _STA, _CRS, _PXM
    tap.equal(way.m.read("b", FLAGS), ENABLED, "_STA")
    place = [way.m.read("l", SELECT + at) for at in range(0, 0x14, 4)]
    tap.equal(place, [0, ADDRESS >> 32, 256 * MIB, 0, 0], "_CRS and _PXM")
    # onlines; _OST
    way.ost(1, 0)
    way.heard(way.ost_event(1, 0), way.change("noticed", "online"))
    way.state("online")


def ask(way, previous):
    tap.equal(way.qmp.command("device_del", id="d0"), {})
    way.heard(way.change(previous, "unplug-requested"))
    way.state("unplug-requested")
    way.memory(there=True)
    way.interrupted()
    way.scan(ENABLED | REMOVE, REMOVE)
    way.heard(way.change("unplug-requested", "unplug-noticed"))
    way.ost(3, 0x84)
    way.heard(way.ost_event(3, 0x84), way.change("unplug-noticed", "unplug-in-progress"))
    way.state("unplug-in-progress")


def refusal(way):
    way.ost(3, 0x82)
    heard = way.events()
    tap.equal(heard[:2], [way.ost_event(3, 0x82),
                          way.change("unplug-in-progress", "unplug-refused", status=0x82,
                                     meaning="the device is busy in the guest")])
    tap.equal([name for name, _ in heard[2:]], ["MEM_UNPLUG_ERROR", "DEVICE_UNPLUG_GUEST_ERROR"])
    way.state("unplug-refused")
    way.memory(there=True)


def withdrawal(way):
    ask(way, "unplug-refused")
    way.qmp.execute({"execute": "device_del", "arguments": {"id": "d0", "cancel": True}})
    heard = way.events()
    tap.equal(heard[0], way.change("unplug-in-progress", "online"))
    tap.equal([name for name, _ in heard[1:]], ["MEM_UNPLUG_ERROR", "DEVICE_UNPLUG_GUEST_ERROR"])
    way.state("online")
    way.memory(there=True)


def ejection(way):
    ask(way, "online")
    way.m.write("l", SELECT, 2)
    way.m.write("b", FLAGS, EJECT)
    # unmapped, unparented, and then management hears of it
    way.heard(("DEVICE_DELETED", {"device": "d0", "path": "/machine/peripheral/d0"}))
    way.memory(there=False)
    tap.equal(way.peripheral(), [])
    tap.equal(way.qmp.command("query-memory-devices"), [])
    tap.equal(way.m.read("b", FLAGS), 0, "_STA")
    way.ost(3, 0)
    way.heard(way.ost_event(3, 0, device=None))
    tap.equal(way.sci(), False)
    # the backend is free again
    way.qmp.command("object-del", id="m0")


def walk(name, gpe, gpe_length):
    with machine.Machine(extra=["-M", name]) as m:
        way = Way(m, gpe, gpe_length)
        m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m0",
                                       "size": 256 * MIB})
        refused_before_anything(way)
        plug(way)
        ask(way, "online")
        refusal(way)
        withdrawal(way)
        ejection(way)


tap.run([(f"{entry[0]}: the whole way", lambda entry=entry: walk(*entry)) for entry in MACHINES])

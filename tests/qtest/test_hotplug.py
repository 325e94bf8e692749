#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory hot-plug with the guest's half played by the test: registers, GPE, events."""
import sys

import machine
import vm

import tap

MIB = 1 << 20
BLOCK = 0xA00   # the register block
SELECT, ADDR_LOW, ADDR_HIGH, SIZE_LOW, SIZE_HIGH, NODE = (BLOCK, BLOCK, BLOCK + 4, BLOCK + 8,
                                                         BLOCK + 12, BLOCK + 16)
OST_EVENT, OST_STATUS, FLAGS, NEXT = BLOCK + 4, BLOCK + 8, BLOCK + 0x14, BLOCK + 0x18
ENABLED, INSERT, REMOVE, EJECT = 1, 2, 4, 8
GPE_STS, GPE_EN = 0xAFE0, 0xAFE2
NONE = 0xFFFFFFFF


def plug(m, ident, size=256 * MIB, **props):
    m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": f"m-{ident}", "size": size})
    m.qmp.command("device_add", driver="pc-dimm", id=ident, memdev=f"m-{ident}", **props)


def ost(m, slot, event, status):
    m.write("l", SELECT, slot)
    m.write("l", OST_EVENT, event)
    m.write("l", OST_STATUS, status)


def flags(m, slot):
    m.write("l", SELECT, slot)
    return m.read("b", FLAGS)


def no_event(m, name):
    m.qmp.command("query-status")
    tap.equal([e for e in m.qmp.events if e["event"] == name], [], f"events {name}")


def insertion():
    with machine.Machine() as m:
        tap.equal(m.read("l", NEXT), NONE, "next slot with an event")
        plug(m, "d0", slot=5)
        tap.equal(m.read("b", GPE_STS) & 8, 8, "GPE 3")
        tap.equal(m.read("l", NEXT), 5)
        tap.equal(flags(m, 5), ENABLED | INSERT)
        tap.equal(m.read("l", ADDR_LOW) | m.read("l", ADDR_HIGH) << 32, 4 << 30, "address")
        tap.equal(m.read("l", SIZE_LOW) | m.read("l", SIZE_HIGH) << 32, 256 * MIB, "size")
        tap.equal(m.read("l", NODE), 0)
        m.write("b", FLAGS, INSERT)
        tap.equal(flags(m, 5), ENABLED)
        tap.equal(m.read("l", NEXT), NONE)
        ost(m, 5, 1, 0)
        event = m.qmp.event("ACPI_DEVICE_OST", device="d0")["data"]["info"]
        tap.equal(event, {"device": "d0", "slot": "5", "slot-type": "DIMM", "source": 1, "status": 0})
        # the memory is there
        m("write 0x100000000 0x4 0x01020304")
        tap.equal(m("read 0x100000000 0x4"), ["0x01020304"])


def removal():
    with machine.Machine() as m:
        plug(m, "d0")
        m.write("b", FLAGS, INSERT)
        m.write("w", GPE_STS, 0xFFFF)
        m.qmp.command("device_del", id="d0")
        tap.equal(m.read("b", GPE_STS) & 8, 8, "GPE 3")
        tap.equal(flags(m, 0) & REMOVE, REMOVE)
        tap.equal(m.read("l", NEXT), 0)
        m.qmp.command("device_del", id="d0")  # again: harmless
        m.write("b", FLAGS, REMOVE)
        tap.equal(flags(m, 0), ENABLED)
        ost(m, 0, 3, 0x84)
        m.qmp.event("ACPI_DEVICE_OST", device="d0", status=0x84)
        tap.equal(len(m.qmp.command("query-memory-devices")), 1, "nothing leaves before _EJ0")
        no_event(m, "MEM_UNPLUG_ERROR")
        m.write("b", FLAGS, EJECT)
        event = m.qmp.event("DEVICE_DELETED")["data"]
        tap.equal(event, {"device": "d0", "path": "/machine/peripheral/d0"})
        tap.equal(m.qmp.command("query-memory-devices"), [])
        tap.equal(m("read 0x100000000 0x4"), ["0xffffffff"], "where the DIMM was")
        ost(m, 0, 3, 0)
        info = m.qmp.event("ACPI_DEVICE_OST", source=3, status=0)["data"]["info"]
        tap.equal("device" in info, False, "no device in the last event")
        tap.equal(info["slot"], "0")
        m.qmp.command("object-del", id="m-d0")


def refusal(status):
    with machine.Machine() as m:
        plug(m, "d0")
        m.write("b", FLAGS, INSERT)
        m.qmp.command("device_del", id="d0")
        m.write("b", FLAGS, REMOVE)
        ost(m, 0, 3, status)
        tap.equal(m.qmp.event("MEM_UNPLUG_ERROR")["data"]["device"], "d0")
        tap.equal(m.qmp.event("DEVICE_UNPLUG_GUEST_ERROR")["data"],
                  {"device": "d0", "path": "/machine/peripheral/d0"})
        tap.equal(len(m.qmp.command("query-memory-devices")), 1)
        m("write 0x100000000 0x1 0x55")
        tap.equal(m("read 0x100000000 0x1"), ["0x55"], "the DIMM goes on working")
        m.qmp.command("device_del", id="d0")  # and it can be asked again
        tap.equal(flags(m, 0) & REMOVE, REMOVE)


def guest_ejects_unasked():
    with machine.Machine() as m:
        plug(m, "d0")
        m.write("l", SELECT, 0)
        m.write("b", FLAGS, INSERT)
        m.write("b", FLAGS, EJECT)
        m.qmp.event("DEVICE_DELETED", device="d0")
        m.write("b", FLAGS, EJECT)  # an empty slot: nothing
        tap.equal(m.qmp.command("query-memory-devices"), [])
        no_event(m, "DEVICE_DELETED")


def reset_forgets():
    with machine.Machine() as m:
        plug(m, "d0")
        m.write("b", FLAGS, INSERT)
        m.qmp.command("device_del", id="d0")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(flags(m, 0), ENABLED, "no event is pending after a reset")
        tap.equal(m.read("l", NEXT), NONE)
        tap.equal(len(m.qmp.command("query-memory-devices")), 1)


def selector_out_of_range():
    with machine.Machine() as m:
        plug(m, "d0")
        for slot in (8, 255, 256, 0x7FFFFFFF, NONE):
            m.write("l", SELECT, slot)
            for port in (ADDR_LOW, ADDR_HIGH, SIZE_LOW, SIZE_HIGH, NODE):
                tap.equal(m.read("l", port), NONE, f"slot {slot:#x} port {port:#x}")
            tap.equal(m.read("b", FLAGS), 0xFF)
            m.write("b", FLAGS, EJECT | INSERT | REMOVE)
            m.write("l", OST_EVENT, 3)
            m.write("l", OST_STATUS, 1)
        no_event(m, "ACPI_DEVICE_OST")
        tap.equal(len(m.qmp.command("query-memory-devices")), 1)
        tap.equal(flags(m, 0), ENABLED | INSERT)


def every_access():
    """All values at all offsets and widths: nothing may break, and QMP must go on answering."""
    with machine.Machine() as m:
        plug(m, "d0")
        for width, step in (("b", 1), ("w", 1), ("l", 1)):
            for port in range(BLOCK - 2, BLOCK + 0x24, step):
                for value in (0, 1, 7, 0x80, NONE):
                    m.read(width, port)
                    m.write(width, port, value & ((1 << {"b": 8, "w": 16, "l": 32}[width]) - 1))
        m.qmp.command("query-memory-devices")
        tap.equal(m.process.poll(), None)


def many_slots(slots):
    with machine.Machine(memory=f"2G,slots={slots},maxmem=16G") as m:
        last = slots - 1
        plug(m, "d0", size=128 * MIB, slot=last)
        tap.equal(m.read("l", NEXT), last)
        tap.equal(flags(m, last), ENABLED | INSERT)


def placement():
    """Slots and addresses are chosen in order, holes are used again."""
    with machine.Machine() as m:
        for n in range(3):
            plug(m, f"d{n}", size=(n + 1) * 128 * MIB)
        found = [(d["data"]["id"], d["data"]["slot"], d["data"]["addr"], d["data"]["size"])
                 for d in m.qmp.command("query-memory-devices")]
        gib4 = 4 << 30
        tap.equal(found, [("d0", 0, gib4, 128 * MIB), ("d1", 1, gib4 + 128 * MIB, 256 * MIB),
                          ("d2", 2, gib4 + 384 * MIB, 384 * MIB)])
        m.write("l", SELECT, 1)
        m.write("b", FLAGS, EJECT)
        m.qmp.event("DEVICE_DELETED", device="d1")
        plug(m, "d3", size=256 * MIB)
        device = [d["data"] for d in m.qmp.command("query-memory-devices") if d["data"]["id"] == "d3"][0]
        tap.equal((device["slot"], device["addr"]), (1, gib4 + 128 * MIB))
        summary = m.qmp.command("query-memory-size-summary")
        tap.equal(summary, {"base-memory": 2 << 30, "plugged-memory": 768 * MIB})


def ospm_status():
    with machine.Machine() as m:
        plug(m, "d0", slot=2)
        ost(m, 2, 1, 0)
        status = m.qmp.command("query-acpi-ospm-status")
        tap.equal(len(status), 8)
        tap.equal(status[2], {"device": "d0", "slot": "2", "slot-type": "DIMM", "source": 1, "status": 0})
        tap.equal(status[3], {"slot": "3", "slot-type": "DIMM", "source": 0, "status": 0})


def cold_plug():
    with machine.Machine(extra=["-object", "memory-backend-ram,id=m0,size=512M",
                                "-device", "pc-dimm,id=d0,memdev=m0,slot=4"]) as m:
        device = m.qmp.command("query-memory-devices")[0]
        tap.equal(device["type"], "dimm")
        since = device["data"].pop("state-since")
        tap.equal(device["data"], {"id": "d0", "addr": 4 << 30, "size": 512 * MIB, "slot": 4, "node": 0,
                                   "memdev": "/objects/m0", "hotplugged": False, "hotpluggable": True,
                                   "state": "inserted"})
        tap.equal(abs(since / 1e6 - vm.time.time()) < 60, True, "the time in state-since")
        tap.equal(flags(m, 4), ENABLED, "no event for a DIMM that was there from the start")


def loop(count):
    """Plug and eject again and again: no growth in file descriptors, mappings or memory."""
    with machine.Machine() as m:
        def turn():
            plug(m, "d0", size=128 * MIB)
            m.write("l", SELECT, 0)
            m.write("b", FLAGS, INSERT | EJECT)
            m.qmp.event("DEVICE_DELETED")
            m.qmp.command("object-del", id="m-d0")

        def usage():
            with open(f"/proc/{m.process.pid}/maps", encoding="ascii") as maps:
                return len(maps.readlines()), len(vm.os.listdir(f"/proc/{m.process.pid}/fd"))
        for _ in range(10):
            turn()
        before = usage()
        for _ in range(count):
            turn()
        after = usage()
        if after[0] > before[0] + 4 or after[1] > before[1]:
            raise AssertionError(f"(mappings, descriptors) went from {before} to {after}")


tap.run([
    ("insertion", insertion),
    ("removal", removal),
    ("refusal: device busy", lambda: refusal(0x82)),
    ("refusal: non-specific failure", lambda: refusal(1)),
    ("refusal: ejection failed", lambda: refusal(0x85)),
    ("refusal: nonsense status", lambda: refusal(0xDEADBEEF)),
    ("the guest ejects unasked", guest_ejects_unasked),
    ("a reset forgets a request", reset_forgets),
    ("selector out of range", selector_out_of_range),
    ("every access", every_access),
    ("1 slot", lambda: many_slots(1)),
    ("256 slots", lambda: many_slots(256)),
    ("placement", placement),
    ("query-acpi-ospm-status", ospm_status),
    ("cold plug", cold_plug),
    ("200 times in a loop", lambda: loop(200)),
])

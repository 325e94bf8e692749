#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-device vmgenid: where the GUID is, when it changes, and how the guest is told."""
import os
import tempfile
import uuid

import machine
import vm

import tap

ONE, OTHER = "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87", "00112233-4455-6677-8899-aabbccddeeff"
PAGE = 0xfef00000
STATUS, EVENT = 0xafe0, 1 << 5  # of general-purpose events on pc


def start(guid=None, *extra):
    return machine.Machine("16M", extra=["-device", "vmgenid" + (f",guid={guid}" if guid else ""), *extra])


def in_memory(m):
    return str(uuid.UUID(bytes_le=bytes.fromhex(m(f"read {PAGE:#x} 0x10")[0][2:])))


def asked(m):
    return m.qmp.command("query-vm-generation-id")["guid"]


def told(m):
    return bool(m.read("b", STATUS) & EVENT)


def given():
    with start(ONE) as m:
        tap.equal((in_memory(m), asked(m), told(m)), (ONE, ONE, False))
        tap.equal(m.qmp.command("human-monitor-command", **{"command-line": "info vm-generation-id"}), f"{ONE}\n")
        m(f"write {PAGE:#x} 0x1000 0x{'55' * 0x1000}")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal((in_memory(m), told(m)), (ONE, False), "after a reset")
        tap.equal(m(f"read {PAGE + 16:#x} 0xff0")[0], f"0x{'00' * 0xff0}")


def chosen():
    found = set()
    for guid in (None, "auto"):
        with start(guid) as m:
            tap.equal(in_memory(m), asked(m))
            found.add(asked(m))
    tap.equal((len(found), all(uuid.UUID(guid).version == 4 for guid in found)), (2, True), f"{found}")


def refused():
    tap.equal("8-4-4-4-12" in machine.run_program("-accel", "qtest", "-device", "vmgenid,guid=324e6eaf")[1], True)
    for words, text in ((["-device", "vmgenid", "-device", "vmgenid"], "already"),
                        (["-M", "pc,acpi=off", "-device", "vmgenid"], "by ACPI"),
                        (["-M", "none", "-device", "vmgenid"], "by ACPI")):
        status, said = machine.run_program("-accel", "qtest", "-display", "none", *words)
        tap.equal((status, text in said), (1, True), said)
    with machine.Machine("16M") as m:
        try:
            m.qmp.command("query-vm-generation-id")
        except vm.QmpError as error:
            tap.equal("no vmgenid" in error.desc, True, error.desc)
        else:
            raise AssertionError("there is a GUID without a device")


def moved(before, after, stands=False):
    """From a saved state: the GUID of the program that goes on, and an event if it is another one."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "state")
        with start(before) as m:
            was = asked(m)
            m.qmp.command("migrate", uri=f"file:{path}")
            vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "completed", "the end")
        with start(after, "-incoming", f"file:{path}", *(["-S"] if stands else [])) as m:
            vm.wait_until(lambda: m.qmp.command("query-status")["status"] in ("running", "paused"), "the state")
            guid = asked(m)
            tap.equal((in_memory(m), guid == was), (guid, after == was))
            if stands:
                tap.equal(told(m), False, "nobody is told while the machine stands")
                m.qmp.command("cont")
            tap.equal(told(m), after != was)
            m.write("b", STATUS, EVENT)
            tap.equal(told(m), False, "the event is taken")
            m.qmp.command("stop")
            m.qmp.command("cont")
            tap.equal(told(m), False, "and told once")


tap.run([
    ("a GUID that is given", given),
    ("a GUID that is chosen", chosen),
    ("what is refused", refused),
    ("a state goes on with the same GUID", lambda: moved(ONE, ONE)),
    ("a state goes on with another GUID", lambda: moved(ONE, OTHER)),
    ("a state goes on, later, with another GUID", lambda: moved(ONE, OTHER, stands=True)),
    ("a state goes on with a GUID that is chosen", lambda: moved("auto", "auto")),
])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-device vmgenid: where the GUID is, when it changes, and how the guest is told."""
import os
import struct
import tempfile
import uuid

import machine
import vm

import tap

ONE, OTHER = "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87", "00112233-4455-6677-8899-aabbccddeeff"
PAGE = 0xfef00000
STATUS, EVENT = 0xafe0, 1 << 5  # of general-purpose events on pc
FIRMWARE = ["-machine", "firmware=on"]
PLACED, DESCRIPTOR, BUFFER = 0x300000, 0x10000, 0x20000  # what firmware uses of the memory
READ, SELECT, WRITE = 1 << 1, 1 << 3, 1 << 4


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


# ---- with firmware: the test is it ----

def dma(m, control, length=0):
    m(f"write {DESCRIPTOR:#x} 16 0x{struct.pack('>IIQ', control, length, BUFFER).hex()}")
    m.write("l", 0x518, int.from_bytes(struct.pack(">I", DESCRIPTOR), "little"))
    tap.equal(m(f"read {DESCRIPTOR:#x} 4"), ["0x00000000"], "the answer of fw_cfg")
    return bytes.fromhex(m(f"read {BUFFER:#x} {length:#x}")[0][2:]) if length else b""


def files(m):
    """{name: (number, bytes)} of the directory."""
    count, = struct.unpack(">I", dma(m, SELECT | READ | 0x19 << 16, 4))
    entries = struct.iter_unpack(">IHH56s", dma(m, READ, 64 * count))
    return {name.rstrip(b"\0").decode(): (key, size) for size, key, _, name in entries}


def contents(m, name):
    key, size = files(m)[name]
    return dma(m, SELECT | READ | key << 16, size)


def place(m, addr):
    """What the loader's script asks for: the page somewhere, and where the GUID is told."""
    if addr < 16 << 20:
        m(f"write {addr:#x} 0x1000 0x{contents(m, 'etc/vmgenid_guid').hex()}")
    key, size = files(m)["etc/vmgenid_addr"]
    m(f"write {BUFFER:#x} {size} 0x{struct.pack('<Q', addr + 40).hex()}")
    dma(m, SELECT | WRITE | key << 16, size)


def at(m, addr):
    return str(uuid.UUID(bytes_le=bytes.fromhex(m(f"read {addr:#x} 0x10")[0][2:])))


def offered():
    """The page, the file for its address, and a script that says both; gone with a reset is only the address."""
    with start(ONE, *FIRMWARE) as m:
        page = contents(m, "etc/vmgenid_guid")
        tap.equal(page, bytes(40) + uuid.UUID(ONE).bytes_le + bytes(0x1000 - 56))
        script = contents(m, "etc/table-loader")
        commands = [script[i:i + 128] for i in range(0, len(script), 128)]

        def named(kind, *names):
            heads = [struct.pack("<I", kind) + b"".join(name.encode().ljust(56, b"\0") for name in names)]
            return [c[len(heads[0]):] for c in commands if c.startswith(heads[0])]

        tap.equal([struct.unpack_from("<IB", c) for c in named(1, "etc/vmgenid_guid")], [(0x1000, 1)])
        tap.equal(len(named(2, "etc/acpi/tables", "etc/vmgenid_guid")), 1)
        tap.equal([struct.unpack_from("<IIB", c) for c in named(4, "etc/vmgenid_addr", "etc/vmgenid_guid")], [(0, 40, 8)])
        place(m, PLACED)
        tap.equal(contents(m, "etc/vmgenid_addr"), struct.pack("<Q", PLACED + 40))
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(contents(m, "etc/vmgenid_addr"), bytes(8))
        tap.equal(contents(m, "etc/vmgenid_guid"), page)


def moved_there(where, answer):
    """A state goes on where firmware had put the GUID at @where: @answer is what is there then, None: nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "state")
        with start(ONE, *FIRMWARE) as m:
            place(m, where)
            m.qmp.command("migrate", uri=f"file:{path}")
            vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "completed", "the end")
        with start(OTHER, *FIRMWARE, "-incoming", f"file:{path}") as m:
            vm.wait_until(lambda: m.qmp.command("query-status")["status"] == "running", "the state")
            tap.equal((asked(m), told(m), in_memory(m)), (OTHER, True, OTHER))
            tap.equal(contents(m, "etc/vmgenid_addr"), struct.pack("<Q", where + 40))
            tap.equal(contents(m, "etc/vmgenid_guid")[40:56], uuid.UUID(OTHER).bytes_le)
            if answer:
                tap.equal(at(m, where + 40), answer)
                tap.equal(m(f"read {where:#x} 40"), [f"0x{'00' * 40}"], "before it")
                tap.equal(m(f"read {where + 56:#x} 0xfc8"), [f"0x{'00' * 0xfc8}"], "behind it")


tap.run([
    ("a GUID that is given", given),
    ("a GUID that is chosen", chosen),
    ("what is refused", refused),
    ("a state goes on with the same GUID", lambda: moved(ONE, ONE)),
    ("a state goes on with another GUID", lambda: moved(ONE, OTHER)),
    ("a state goes on, later, with another GUID", lambda: moved(ONE, OTHER, stands=True)),
    ("a state goes on with a GUID that is chosen", lambda: moved("auto", "auto")),
    ("what firmware is offered", offered),
    ("a state goes on with another GUID, where firmware has put it", lambda: moved_there(PLACED, OTHER)),
    ("... where no memory is", lambda: moved_there(0xfec00000 - 40, None)),
    ("... at the end of all addresses", lambda: moved_there((1 << 64) - 48, None)),
])

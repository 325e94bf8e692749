#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""All 256 slots at once with Debian's kernel: test_slots.py BUILD-DIR [MACHINE [NAME]]. They are filled, or asked to be
emptied, by commands between which nobody waits for the guest."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MACHINE = sys.argv[2] if len(sys.argv) > 2 else "pc"
MIB = 1 << 20
SLOTS = 256
SIZE = 128 * MIB  # a block of Linux
BASE = 4 << 30
HANGS = 1200  # seconds: a request that has not ended after that hangs
NAMES = [f"d{n}" for n in range(SLOTS)]
# Where and how the guests run.
SETUP = {"program": f"{BUILD}/dimmable", "guest_dir": f"{BUILD}/guest", "accel": "soft"}


def machine(*extra):
    """It can manage 32 GiB more: a page of 4 KiB takes 64 bytes."""
    return vm.Vm(memory=f"1G,slots={SLOTS},maxmem=40G", extra=["-M", MACHINE, *extra], **SETUP)


def devices(guest):
    return [entry["data"] for entry in guest.qmp.command("query-memory-devices")]


def check_full(guest, total, state):
    """Each slot has its DIMM, in a place of its own; the monitor, the kernel's counts and its blocks agree."""
    found = devices(guest)
    tap.equal([(dimm["id"], dimm["slot"], dimm["addr"], dimm["size"]) for dimm in found],
              [(name, n, BASE + n * SIZE, SIZE) for n, name in enumerate(NAMES)])
    tap.equal({dimm["state"] for dimm in found}, {state}, "states")
    tap.equal(guest.qmp.command("query-memory-size-summary")["plugged-memory"], SLOTS * SIZE)
    text = guest.qmp.command("human-monitor-command", **{"command-line": "info memory-devices"})
    tap.equal(text.count("Memory device [dimm]"), SLOTS)
    tap.equal(guest.mem_total() - total, SLOTS * SIZE, "MemTotal of the DIMMs")
    tap.equal({n: state for n, state in guest.memory_blocks().items() if n >= BASE // SIZE},
              {n + BASE // SIZE: "online" for n in range(SLOTS)})
    tap.equal(guest.zones().get((0, "Movable")), SLOTS * SIZE, "present in zone Movable")


def check_empty(guest, total):
    tap.equal(devices(guest), [])
    tap.equal(guest.mem_total(), total, "MemTotal afterwards")
    tap.equal([n for n in guest.memory_blocks() if n >= BASE // SIZE], [], "blocks afterwards")
    tap.equal(guest.run("dmesg | grep -iE 'bug:|oops|call trace|out of memory|killed process'", check=False), "")


def answers(guest, event, names, **data):
    """Until there is such an event of each device; in which order the guest takes them is its own affair."""
    for name in names:
        guest.qmp.event(event, HANGS, device=name, **data)


def fill(guest, names):
    for name in names:
        guest.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": f"m-{name}", "size": SIZE})
        guest.qmp.command("device_add", driver="pc-dimm", id=name, memdev=f"m-{name}")


def refuse_one_more(guest):
    guest.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m-more", "size": SIZE})
    try:
        guest.qmp.command("device_add", driver="pc-dimm", id="more", memdev="m-more")
    except vm.QmpError as err:
        tap.equal("slots" in err.desc, True, err.desc)
    else:
        raise AssertionError("a DIMM more than there are slots")
    guest.qmp.command("object-del", id="m-more")


def empty(guest, names):
    """All are asked for at once; nothing may be refused, as nobody uses them."""
    for name in names:
        guest.qmp.command("device_del", id=name)
    answers(guest, "DEVICE_DELETED", names)
    for name in names:
        guest.qmp.command("object-del", id=f"m-{name}")
    tap.equal([event for event in guest.qmp.drain() if event["event"] == "MEM_UNPLUG_ERROR"], [])


def live():
    """All in, and all out, while the guest runs."""
    with machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        fill(guest, NAMES)
        answers(guest, "ACPI_DEVICE_OST", NAMES, source=1, status=0)
        check_full(guest, total, "online")
        refuse_one_more(guest)
        empty(guest, NAMES)
        check_empty(guest, total)


def mixed():
    """The second half comes while the first one is asked to go."""
    first, second = NAMES[:SLOTS // 2], NAMES[SLOTS // 2:]
    with machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        fill(guest, first)
        answers(guest, "ACPI_DEVICE_OST", first, source=1, status=0)
        for leaves, comes in zip(first, second):
            guest.qmp.command("device_del", id=leaves)
            fill(guest, [comes])
        answers(guest, "DEVICE_DELETED", first)
        answers(guest, "ACPI_DEVICE_OST", second, source=1, status=0)
        tap.equal(sorted(dimm["id"] for dimm in devices(guest)), sorted(second))
        tap.equal({dimm["state"] for dimm in devices(guest)}, {"online"})
        tap.equal(guest.mem_total() - total, SIZE * len(second), "MemTotal of the second half")
        for name in first:
            guest.qmp.command("object-del", id=f"m-{name}")
        empty(guest, second)
        check_empty(guest, total)


def cold():
    """There from the start: the kernel finds them when it boots, again after a reset, and gives them back."""
    words = []
    for name in NAMES:
        words += ["-object", f"memory-backend-ram,id=m-{name},size={SIZE}", "-device", f"pc-dimm,id={name},memdev=m-{name}"]
    with machine(*words) as guest:
        guest.wait_ready(HANGS)
        total = guest.mem_total() - SLOTS * SIZE
        check_full(guest, total, "noticed")
        guest.qmp.command("system_reset")
        guest.wait_ready(HANGS)
        check_full(guest, total, "noticed")
        refuse_one_more(guest)
        empty(guest, NAMES)
        check_empty(guest, total)


TESTS = [("all come, and all go, while the guest runs", live), ("half come while the guest runs, and the others go", mixed),
         ("all are there from the start, and after a reset", cold)]
tap.run([(f"{MACHINE}, {SLOTS} slots: {name}", function) for name, function in TESTS
         if not sys.argv[3:] or any(word in name for word in sys.argv[3:])])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What suites of others do again and again: DIMMs with each kind of backend, each of its options and each policy, at
given addresses, in all slots, and empty again; and what everybody tells of them."""
import itertools
import os
import tempfile

import machine
import vm

import tap

MIB = 1 << 20
GIB = 1 << 30
SELECT, FLAGS, EJECT = 0xa00, 0xa14, 8
KINDS = ("ram", "file", "memfd")
OPTIONS = ("dump", "merge", "prealloc", "share", "discard-data")
# policy: how /proc/PID/numa_maps shows it
POLICIES = {"default": "default", "bind": "bind:0", "preferred": "prefer", "interleave": "interleave:0"}
BASES = (0x100000000, 0x11f000000, 0x140000000, 0x200000000, 0x400000000)


def plug(m, slot, size, props, **place):
    m.qmp.command("object-add", id="m0", size=size, **props)
    m.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m0", slot=slot, **place)


def eject(m, slot, ident="d0"):
    """As a guest does that was asked to."""
    m.qmp.command("device_del", id=ident)
    m.write("l", SELECT, slot)
    m.write("b", FLAGS, EJECT)
    m.qmp.event("DEVICE_DELETED", device=ident)


def check_told(m, props):
    """By the object's properties, and by query-memdev."""
    found = {name: m.qmp.command("qom-get", path="/objects/m0", property=name) for name in props if name != "qom-type"}
    tap.equal(found, {name: value for name, value in props.items() if name != "qom-type"})
    told = next(d for d in m.qmp.command("query-memdev") if d["id"] == "m0")
    known = {name: value for name, value in props.items() if name in told}
    tap.equal({name: told[name] for name in known}, known)


def matrix(kind):
    """Each option on and off, with all others."""
    with tempfile.TemporaryDirectory() as folder, machine.Machine() as m:
        files = {"mem-path": f"{folder}/m0"} if kind == "file" else {}
        names = [name for name in OPTIONS if kind == "file" or name != "discard-data"]
        empty = m.tree()
        for values in itertools.product((False, True), repeat=len(names)):
            props = {"qom-type": f"memory-backend-{kind}", **files, **dict(zip(names, values))}
            plug(m, 3, 2 * MIB, props)
            check_told(m, props)
            m(f"writeq {4 * GIB:#x} 0x1122334455667788")
            tap.equal(m(f"readq {4 * GIB:#x}"), ["0x1122334455667788"], str(props))
            tap.equal(m.qmp.command("query-memory-size-summary")["plugged-memory"], 2 * MIB)
            eject(m, 3)
            m.qmp.command("object-del", id="m0")
            tap.equal(m.tree(), empty, f"after {props}")
            if files and os.path.exists(files["mem-path"]):
                os.unlink(files["mem-path"])


def policies(kind):
    """A DIMM's memory has the policy on the host that was asked for, and says so."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, machine.Machine() as m:
        files = {"mem-path": f"{folder}/m0", "share": True} if kind == "file" else {}
        for policy, shown in POLICIES.items():
            nodes = {} if policy == "default" else {"host-nodes": [0]}
            props = {"qom-type": f"memory-backend-{kind}", "policy": policy, "prealloc": True, **files, **nodes}
            try:
                plug(m, 0, 6 * MIB, props)
            except vm.QmpError as err:
                if "cannot bind memory" not in err.desc:
                    raise
                raise tap.Skip(f"this host lets nobody choose nodes: {err.desc}") from err
            check_told(m, props)
            with open(f"/proc/{m.process.pid}/numa_maps", encoding="ascii") as maps:
                found = {line.split()[1] for line in maps if {f"anon={6 * MIB // 4096}", f"mapped={6 * MIB // 4096}",
                                                                     f"dirty={6 * MIB // 4096}"} & set(line.split())}
            tap.equal(any(text.startswith(shown) for text in found), True, f"{policy}: {found}")
            eject(m, 0)
            m.qmp.command("object-del", id="m0")


def bases():
    """At each address, in each order."""
    with machine.Machine(memory="512M,slots=8,maxmem=32G") as m:
        for order in (BASES, BASES[::-1]):
            for n, base in enumerate(order):
                m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": f"m{n}", "size": 128 * MIB})
                m.qmp.command("device_add", driver="pc-dimm", id=f"d{n}", memdev=f"m{n}", addr=base)
            found = m.qmp.command("query-memory-devices")
            tap.equal([d["data"]["addr"] for d in found], sorted(BASES))
            tap.equal({d["data"]["slot"] for d in found}, set(range(len(BASES))))
            for n in range(len(BASES)):
                eject(m, n, f"d{n}")
                m.qmp.command("object-del", id=f"m{n}")


def all_slots(together):
    """256 DIMMs of 128 MiB: one by one they come, or each goes before the next comes; one more is refused."""
    with machine.Machine(memory="512M,slots=256,maxmem=40G") as m:
        for n in range(256):
            m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": f"m{n}", "size": 128 * MIB})
            m.qmp.command("device_add", driver="pc-dimm", id=f"d{n}", memdev=f"m{n}")
            plugged = m.qmp.command("query-memory-size-summary")["plugged-memory"]
            tap.equal(plugged, 128 * MIB * (n + 1 if together else 1))
            if not together:
                eject(m, 0, f"d{n}")
                m.qmp.command("object-del", id=f"m{n}")
        if not together:
            return
        m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "more", "size": 128 * MIB})
        try:
            m.qmp.command("device_add", driver="pc-dimm", id="more", memdev="more")
        except vm.QmpError as err:
            tap.equal("all 256 are taken" in err.desc, True, err.desc)
        else:
            raise AssertionError("a DIMM without a slot")
        for n in range(256):
            eject(m, n, f"d{n}")
        tap.equal(m.qmp.command("query-memory-devices"), [])
        tap.equal(m.qmp.command("query-memory-size-summary")["plugged-memory"], 0)


tap.run([*[(f"each option of memory-backend-{kind}", lambda k=kind: matrix(k)) for kind in KINDS],
         *[(f"policies of memory-backend-{kind}", lambda k=kind: policies(k)) for kind in KINDS], ("addresses", bases),
         ("256 slots, all at once", lambda: all_slots(True)), ("256 slots, one by one", lambda: all_slots(False))])

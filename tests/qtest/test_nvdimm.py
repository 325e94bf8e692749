#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-device nvdimm: what is refused, what users are told, and the mailbox (docs/nvdimm.md), as its registers are."""
import os
import struct
import tempfile

import machine
import vm

import tap

MIB = 1 << 20
LABELS, DATA = 128 << 10, 2048
HANDLE, OFFSET, LENGTH, COMMAND, DATA_AT = (0xfef10000 + 4 * n for n in range(5))
INFO, READ, WRITE, FIT, TAKE, HEALTH = range(1, 7)
OK, UNKNOWN, NO_DEVICE, BAD, CHANGED = 0, 1, 2, 3, 0x100
STATUS, EVENT = 0xafe0, 1 << 4  # of general-purpose events on pc
BASE = ["-accel", "qtest", "-display", "none", "-m", "64M,slots=3,maxmem=4G"]
RAM = ["-object", "memory-backend-ram,id=m0,size=16M"]


def start(*options, memory="64M,slots=4,maxmem=4G", extra=()):
    words = ["-M", "pc,nvdimm=on"]
    for n, option in enumerate(options):
        words += ["-object", f"memory-backend-ram,id=m{n},size=16M", "-device", f"nvdimm,id=nv{n},memdev=m{n}{option}"]
    return machine.Machine(memory, extra=[*words, *extra])


def reg(m, place, value=None):
    if value is None:
        return int(m(f"readl {place:#x}")[0], 0)
    m(f"writel {place:#x} {value:#x}")
    return None


def run(m, command, handle=0, offset=0, length=0):
    for place, value in ((HANDLE, handle), (OFFSET, offset), (LENGTH, length), (COMMAND, command)):
        reg(m, place, value)
    return reg(m, COMMAND)


def data(m, length=DATA):
    return bytes.fromhex(m(f"read {DATA_AT:#x} {length:#x}")[0][2:])


def put(m, value):
    m(f"write {DATA_AT:#x} {len(value):#x} 0x{value.hex()}")


def told(m):
    return bool(m.read("b", STATUS) & EVENT)


def refused():
    on = ["-M", "pc,nvdimm=on", *RAM]
    for words, text in (
            ([*RAM, "-device", "nvdimm,memdev=m0"], "add 'nvdimm=on' to '-M'"),
            (["-M", "pc,nvdimm=on,acpi=off", *RAM, "-device", "nvdimm,memdev=m0"], "no ACPI"),
            (["-M", "pc,nvdimm=on,nvdimm-persistence=disk"], "'mem-ctrl'"),
            ([*on, "-device", "nvdimm"], "'memdev' is missing"),
            ([*on, "-device", "nvdimm,memdev=m0,label-size=64K"], "too small"),
            ([*on, "-device", "nvdimm,memdev=m0,label-size=15M"], "no room for label-size 0xf00000"),
            ([*on, "-device", "nvdimm,memdev=m0,label-size=16M"], "no room for label-size"),
            ([*on, "-device", "nvdimm,memdev=m0,label-size=17M"], "no room for label-size"),
            ([*on, "-device", "nvdimm,memdev=m0,boot=on"], "boot=on is for DIMMs"),
            ([*on, "-device", "nvdimm,memdev=m0,uuid=5"], "8-4-4-4-12"),
            ([*on, "-device", "nvdimm,memdev=m0,slot=3"], "slots 0 to 2"),
            ([*on, "-device", "nvdimm,memdev=m0,node=2"], "node 2 does not exist"),
            ([*on, "-device", "nvdimm,memdev=m0", "-device", "nvdimm,memdev=m0"], "already used")):
        status, said = machine.run_program(*BASE, *words)
        tap.equal((status, text in said), (1, True), f"{words}: {said}")


def told_to_users():
    with start(",label-size=128K,slot=2,uuid=324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87") as m:
        found = m.qmp.command("query-memory-devices")
        tap.equal([d["type"] for d in found], ["nvdimm"])
        wanted = {"id": "nv0", "addr": 1 << 32, "size": 14 * MIB, "slot": 2, "node": 0, "memdev": "/objects/m0",
                  "hotplugged": False, "hotpluggable": True}
        tap.equal({name: found[0]["data"][name] for name in wanted}, wanted)
        tap.equal("state" in found[0]["data"], False, "the slots' registers know nothing of it")
        said = m.qmp.command("human-monitor-command", **{"command-line": "info memory-devices"})
        tap.equal(said.startswith('Memory device [nvdimm]: "nv0"\n  addr: 0x100000000\n  slot: 2\n'), True, said)
        m.write("l", 0xa00, 2)
        tap.equal(m.read("b", 0xa14), 0, "the slot's registers")
        m("write 0x100000000 0x4 0x01020304")
        tap.equal(m("read 0x100dffffc 0x8")[0], "0x00000000ffffffff", "its end, and nothing behind it")
        try:
            m.qmp.command("device_del", id="nv0")
        except vm.QmpError as error:
            tap.equal("it stays" in error.desc, True, error.desc)
        else:
            raise AssertionError("an NVDIMM can be unplugged")
        m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m5", "size": 4 * MIB})
        try:
            m.qmp.command("device_add", driver="pc-dimm", memdev="m5", slot=2)
        except vm.QmpError as error:
            tap.equal("slot 2 is taken" in error.desc, True, error.desc)
        else:
            raise AssertionError("two in a slot")
        m.qmp.command("device_add", driver="pc-dimm", memdev="m5", slot=1, id="d5")
        tap.equal([d["type"] for d in m.qmp.command("query-memory-devices")], ["nvdimm", "dimm"])


def labels():
    with start(",label-size=128K", "") as m:
        for handle, size in ((1, LABELS), (2, 0)):
            tap.equal((run(m, INFO, handle), reg(m, OFFSET), reg(m, LENGTH)), (OK, size, DATA))
        block = bytes(range(256)) * 8
        put(m, block)
        tap.equal(run(m, WRITE, 1, LABELS - DATA, DATA), OK)
        put(m, bytes(DATA))
        tap.equal((run(m, READ, 1, LABELS - DATA + 1, 4), data(m, 4)), (OK, block[1:5]))
        tap.equal((run(m, READ, 1, LABELS - DATA, DATA), data(m)), (OK, block))
        tap.equal((run(m, WRITE, 1, 0, 4), run(m, READ, 1, 0, 8), data(m, 8)), (OK, OK, block[:4] + bytes(4)))
        tap.equal((run(m, READ, 1, LABELS, 0), run(m, READ, 2, 0, 0)), (OK, OK), "nothing at all")
        for command in (READ, WRITE):
            for handle, offset, length, status in (
                    (1, LABELS, 1, BAD), (1, LABELS - 3, 4, BAD), (1, 0, DATA + 1, BAD), (1, 0xffffffff, 2, BAD),
                    (1, 2, 0xffffffff, BAD), (2, 0, 1, BAD), (0, 0, 4, NO_DEVICE), (3, 0, 4, NO_DEVICE),
                    (0xffffffff, 0, 4, NO_DEVICE), (0x80000001, 0, 4, NO_DEVICE)):
                tap.equal((run(m, command, handle, offset, length), reg(m, LENGTH)), (status, 0),
                          f"{command}, {handle:#x}, {offset:#x}, {length:#x}")
        for command in (0, 7, 0xffffffff):
            tap.equal(run(m, command, 1, 0, 4), UNKNOWN, f"command {command}")
        tap.equal((run(m, READ, 1, LABELS - DATA, DATA), data(m)), (OK, block), "labels after all that")
        for width, place in (("b", HANDLE), ("w", COMMAND), ("q", DATA_AT), ("q", DATA_AT + DATA - 4), ("l", HANDLE + 0xffc)):
            m(f"write{width} {place:#x} 0x7f")
            m(f"read{width} {place:#x}")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal([reg(m, place) for place in (HANDLE, OFFSET, LENGTH, COMMAND, DATA_AT)], [0] * 5)
        tap.equal((run(m, READ, 1, LABELS - DATA, DATA), data(m)), (OK, block), "labels after a reset")


def health():
    """It is well, unless what is written is lost; and nothing else is told."""
    with start("", ",unarmed=on") as m:
        for handle, value in ((1, 0), (2, 4)):
            put(m, bytes([0xff] * DATA))
            tap.equal((run(m, HEALTH, handle), reg(m, LENGTH)), (OK, 128))
            tap.equal(data(m, 128), struct.pack("<IIB", 1, 0, value) + bytes(119), f"NVDIMM {handle}")
        tap.equal((run(m, HEALTH, 3), reg(m, LENGTH)), (NO_DEVICE, 0))


def fit_of(m):
    """The whole table."""
    found = b""
    while True:
        tap.equal(run(m, FIT, offset=len(found)), OK)
        length = reg(m, LENGTH)
        if not length:
            return found
        found += data(m, length)


def structures(fit):
    """[(type, address, size, handle)] of ranges and mappings."""
    found, at = [], 0
    while at < len(fit):
        kind, length = struct.unpack_from("<HH", fit, at)
        if kind == 0:
            found.append((kind, *struct.unpack_from("<QQ", fit, at + 32)))
        elif kind == 1:
            found.append((kind, *struct.unpack_from("<I", fit, at + 4)))
        at += length
    return found


def plug(m, ident, **options):
    m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": f"m-{ident}", "size": 2 * MIB})
    m.qmp.command("device_add", driver="nvdimm", id=ident, memdev=f"m-{ident}", **options)


def asleep():
    """One that comes while the guest sleeps is told when it is awake; labels are kept."""
    with start(",label-size=128K", "", memory="64M,slots=4,maxmem=4G") as m:
        put(m, b"kept")
        tap.equal(run(m, WRITE, 1, 0, 4), OK)
        m.write("w", 0x604, 1 << 13 | 1 << 10)
        m.qmp.event("SUSPEND")
        plug(m, "nv9", slot=3)
        m.qmp.command("system_wakeup")
        m.qmp.event("WAKEUP")
        tap.equal(told(m), True)
        tap.equal(run(m, TAKE), OK)
        m.write("b", STATUS, EVENT)
        tap.equal(told(m), False)
        tap.equal(len(structures(fit_of(m))), 6)
        tap.equal((run(m, READ, 1, 0, 4), data(m, 4)), (OK, b"kept"))


def table():
    with start(memory="64M,slots=30,maxmem=4G") as m:
        tap.equal((fit_of(m), told(m)), (b"", False))
        plug(m, "nv0", slot=7)
        tap.equal(told(m), True)
        m.write("b", STATUS, EVENT)
        tap.equal(told(m), True, "until it is taken")
        tap.equal(run(m, TAKE), OK)
        m.write("b", STATUS, EVENT)
        tap.equal(told(m), False)
        tap.equal(structures(fit_of(m)), [(0, 1 << 32, 2 * MIB), (1, 8)])
        for n in range(1, 20):
            plug(m, f"nv{n}")
        fit = fit_of(m)
        tap.equal((len(fit), sum(kind == 1 for kind, *_ in structures(fit))), (20 * (56 + 48 + 80), 20))
        # One comes between two parts.
        tap.equal((run(m, FIT), reg(m, LENGTH)), (OK, DATA))
        plug(m, "nv20")
        tap.equal((run(m, FIT, offset=DATA), reg(m, LENGTH)), (CHANGED, 0))
        tap.equal(run(m, FIT, offset=DATA), CHANGED, "until it is read from the beginning")
        tap.equal(len(fit_of(m)), 21 * (56 + 48 + 80))
        for offset in (len(fit_of(m)) + 1, 0xffffffff):
            tap.equal((run(m, FIT, offset=offset), reg(m, LENGTH)), (BAD, 0))
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal((told(m), len(fit_of(m))), (False, 21 * (56 + 48 + 80)))


def read_only():
    """The guest's writes are lost, and labels cannot be written."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "memory")
        with open(path, "wb") as file:
            file.write(b"here")
            file.truncate(4 * MIB)
        backend = ["-object", f"memory-backend-file,id=m0,size=4M,mem-path={path},share=on,readonly=on"]
        status, said = machine.run_program(*BASE, "-M", "pc,nvdimm=on", *backend, "-device", "nvdimm,memdev=m0")
        tap.equal((status, "unarmed=on" in said), (1, True), said)
        with machine.Machine("64M,slots=2,maxmem=4G", extra=[
                "-M", "pc,nvdimm=on", *backend, "-device", "nvdimm,memdev=m0,unarmed=on,label-size=128K"]) as m:
            m("write 0x100000000 0x4 0x01020304")
            tap.equal(m("read 0x100000000 0x4")[0], f"0x{b'here'.hex()}")
            tap.equal((run(m, WRITE, 1, 0, 4), run(m, READ, 1, 0, 4)), (BAD, OK))


def lasts():
    """What the guest wrote, and its labels, are in the file when the program is killed."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "memory")
        words = ["-M", "pc,nvdimm=on", "-object", f"memory-backend-file,id=m0,size=4M,mem-path={path},share=on",
                 "-device", "nvdimm,memdev=m0,label-size=128K"]
        with machine.Machine("64M,slots=2,maxmem=4G", extra=words) as m:
            m("write 0x100001000 0x4 0x01020304")
            put(m, b"a label.")
            tap.equal(run(m, WRITE, 1, 0, 8), OK)
            m.process.kill()
            m.process.wait()
        with open(path, "rb") as file:
            memory = file.read()
        tap.equal((memory[0x1000:0x1004], memory[-LABELS:][:8]), (b"\1\2\3\4", b"a label."))


tap.run([
    ("what is refused", refused),
    ("what users are told", told_to_users),
    ("labels", labels),
    ("health", health),
    ("the table, and those that are plugged", table),
    ("one that comes while the guest sleeps", asleep),
    ("a read-only backend", read_only),
    ("what is written lasts", lasts),
])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of a DIMM as management sees it: query-memory-devices, info memory-devices and the event
MEMORY_DEVICE_STATE_CHANGE; requests that time out or are cancelled; warnings. The guest's half is
played by the test."""
import os
import subprocess
import tempfile
import time

import machine
import vm

import tap

MIB, GIB, SECOND = 1 << 20, 1 << 30, 10 ** 9
SELECT, OST_EVENT, OST_STATUS, FLAGS = 0xA00, 0xA04, 0xA08, 0xA14
ADDRESSES = {"m0": 4 * GIB, "m1": 5 * GIB}
ENABLED, INSERT, REMOVE, EJECT = 1, 2, 4, 8


def add_backend(m, ident, size):
    m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": ident, "size": size,
                                   "reserve": False})


def plug(m, ident="d0", size=256 * MIB, online=True, **props):
    add_backend(m, f"m-{ident}", size)
    m.qmp.command("device_add", driver="pc-dimm", id=ident, memdev=f"m-{ident}", **props)
    if online:
        m.write("b", FLAGS, INSERT)
        ost(m, 1, 0)
        changes(m)


def ost(m, event, status):
    m.write("l", OST_EVENT, event)
    m.write("l", OST_STATUS, status)


def events(m, name):
    """The data of all events of that name so far, which are taken out."""
    m.qmp.command("query-status")
    found = [e["data"] for e in m.qmp.events if e["event"] == name]
    m.qmp.events = [e for e in m.qmp.events if e["event"] != name]
    return found


def changes(m):
    return [(e.get("previous"), e["state"]) for e in events(m, "MEMORY_DEVICE_STATE_CHANGE")]


def dimm(m, number=0):
    return m.qmp.command("query-memory-devices")[number]["data"]


def device_del(m, ident="d0", **arguments):
    m.qmp.execute({"execute": "device_del", "arguments": {"id": ident, **arguments}})


def refused(m, words, ident="d0", **arguments):
    """device_del fails; the class of the error."""
    try:
        device_del(m, ident, **arguments)
    except vm.QmpError as err:
        for word in words.split():
            if word not in err.desc:
                raise AssertionError(f"no '{word}' in: {err.desc}") from None
        return err.cls
    raise AssertionError(f"device_del {ident} {arguments} was accepted")


def withdrawn(m, why):
    """A request ended by being withdrawn: both errors, once, and nothing is pending."""
    errors = events(m, "MEM_UNPLUG_ERROR")
    tap.equal([e["device"] for e in errors], ["d0"], "MEM_UNPLUG_ERROR")
    tap.equal(why in errors[0]["msg"] and "withdrawn" in errors[0]["msg"], True, errors[0]["msg"])
    tap.equal(events(m, "DEVICE_UNPLUG_GUEST_ERROR"),
              [{"device": "d0", "path": "/machine/peripheral/d0"}])
    tap.equal(m.read("b", FLAGS) & REMOVE, 0, "the remove event")


def every_state():
    with machine.Machine() as m:
        start = time.time() * 1e6
        plug(m, online=False)

        def now(state, previous, **more):
            found = dimm(m)
            tap.equal(found["state"], state)
            tap.equal({k: found.get(k) for k in ("status", "meaning")},
                      {"status": more.get("status"), "meaning": more.get("meaning")}, state)
            tap.equal(start - 1e6 < found["state-since"] < time.time() * 1e6 + 1e6, True, "since")
            wanted = {"device": "d0", "path": "/machine/peripheral/d0", "state": state, **more}
            if previous:
                wanted["previous"] = previous
            tap.equal(events(m, "MEMORY_DEVICE_STATE_CHANGE"), [wanted])

        now("inserted", None)
        m.write("b", FLAGS, INSERT)
        now("noticed", "inserted")
        ost(m, 1, 0x81)
        now("rejected", "noticed", status=0x81,
            meaning="the guest's driver for the device could not be loaded")
        ost(m, 1, 0)
        now("online", "rejected")
        device_del(m)
        now("unplug-requested", "online")
        m.write("b", FLAGS, REMOVE)
        now("unplug-noticed", "unplug-requested")
        ost(m, 3, 0x84)
        now("unplug-in-progress", "unplug-noticed")
        ost(m, 3, 0x82)
        now("unplug-refused", "unplug-in-progress", status=0x82,
            meaning="the device is busy in the guest")
        device_del(m, "/machine/peripheral/d0")
        now("unplug-requested", "unplug-refused")
        m.write("b", FLAGS, EJECT)
        m.qmp.event("DEVICE_DELETED", device="d0")
        tap.equal(changes(m), [])


def cold():
    with machine.Machine(extra=["-object", "memory-backend-ram,id=m0,size=512M",
                                "-device", "pc-dimm,id=d0,memdev=m0"]) as m:
        tap.equal(dimm(m)["state"], "inserted")
        m.read("b", FLAGS)
        tap.equal(dimm(m)["state"], "inserted", "after _STA")
        m.read("l", 0xA00)
        tap.equal(dimm(m)["state"], "noticed", "after _CRS")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(dimm(m)["state"], "inserted", "after a reset")
        tap.equal(changes(m), [("inserted", "noticed"), ("noticed", "inserted")])


def resident():
    """What of a DIMM is there on the host: only what was written to, for each kind of backend."""
    backends = {"ram": [], "memfd": [], "file": ["mem-path=/dev/shm", "share=on"]}
    for kind, more in backends.items():
        backend = ",".join([f"memory-backend-{kind},id=m0,size=512M", *more])
        with machine.Machine(extra=["-object", backend, "-device", "pc-dimm,id=d0,memdev=m0"]) as m:
            tap.equal(dimm(m)["resident"], 0, kind)
            m(f"write {4 * GIB + 100 * MIB:#x} 1 0x55")
            m(f"write {4 * GIB + 512 * MIB - 1:#x} 1 0x55")
            there = dimm(m)["resident"]
            tap.equal(8192 <= there <= 4 * MIB, True, (kind, there))  # a host may always give 2 MiB
            text = m.qmp.command("human-monitor-command", **{"command-line": "info memory-devices"})
            tap.equal(f"  resident: {there}" in text.splitlines(), True, text)


def resident_nvdimm():
    """Labels are not the guest's memory."""
    with machine.Machine(extra=["-M", "nvdimm=on", "-object", "memory-backend-ram,id=m0,size=8M,prealloc=on",
                                "-device", "nvdimm,id=d0,memdev=m0,label-size=128K"]) as m:
        tap.equal(0 < dimm(m)["size"] <= 8 * MIB - 128 * 1024, True, dimm(m))
        tap.equal(dimm(m)["resident"], dimm(m)["size"])


def place():
    """Without addr= a DIMM goes to the lowest place, but not to one where Linux does not use it; and so does a virtio-mem."""
    with machine.Machine(memory="256M,slots=4,maxmem=4G",
                         extra=["-M", "nvdimm=on", "-object", "memory-backend-ram,id=n0,size=256M",
                                "-device", "nvdimm,id=n0,memdev=n0,label-size=128K"]) as m:
        for name, size, addr in ("d0", 256, 4 * GIB + 256 * MIB), ("d1", 2, 4 * GIB + 254 * MIB), ("d2", 64, 4 * GIB + 512 * MIB):
            m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": f"m{name}", "size": size << 20})
            m.qmp.command("device_add", driver="pc-dimm", id=name, memdev=f"m{name}")
            found, = [d["data"] for d in m.qmp.command("query-memory-devices") if d["data"].get("id") == name]
            tap.equal(found["addr"], addr, name)
            tap.equal("warnings" in found, size % 128 != 0, found)
        for name, size, addr in ("v0", 256, 4 * GIB + 640 * MIB), ("v1", 64, 4 * GIB + 576 * MIB):
            m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": f"m{name}", "size": size << 20})
            m.qmp.command("device_add", driver="virtio-mem-pci", id=name, memdev=f"m{name}")
            found, = [d["data"] for d in m.qmp.command("query-memory-devices") if d["data"].get("id") == name]
            tap.equal(found["memaddr"], addr, name)
        tap.equal(m.qmp.command("qom-get", path="/machine/peripheral/n0", property="uuid"), "00000000-0000-0000-0000-000000000000")


def timeout():
    with machine.Machine() as m:
        plug(m)
        device_del(m, timeout=2.5)
        m(f"clock_step {2 * SECOND}")
        tap.equal(events(m, "MEM_UNPLUG_ERROR"), [])
        tap.equal(m.read("b", FLAGS), ENABLED | REMOVE)
        m(f"clock_step {SECOND // 2}")
        withdrawn(m, "timed out after 2.5 s")
        tap.equal(changes(m), [("online", "unplug-requested"), ("unplug-requested", "online")])
        m("write 0x100000000 0x1 0x55")
        tap.equal(m("read 0x100000000 0x1"), ["0x55"], "the DIMM is usable")
        # and once more: integers are numbers too
        device_del(m, timeout=1)
        m.write("b", FLAGS, REMOVE)
        ost(m, 3, 0x84)
        m(f"clock_step {SECOND}")
        withdrawn(m, "still giving")
        device_del(m, timeout=1)
        m.write("b", FLAGS, EJECT)
        m.qmp.event("DEVICE_DELETED", device="d0")
        m(f"clock_step {2 * SECOND}")
        tap.equal(events(m, "MEM_UNPLUG_ERROR"), [], "after an ejection in time")


def cancel():
    with machine.Machine() as m:
        plug(m)
        device_del(m, cancel=False)
        tap.equal(dimm(m)["state"], "unplug-requested")
        device_del(m, cancel=True)
        withdrawn(m, "cancelled")
        tap.equal(dimm(m)["state"], "online")
        tap.equal(refused(m, "d0 no request online", cancel=True),
                  "GenericError")
        device_del(m, timeout=1)
        device_del(m, cancel=True)
        withdrawn(m, "cancelled")
        m(f"clock_step {2 * SECOND}")
        tap.equal(events(m, "MEM_UNPLUG_ERROR"), [], "the deadline went with the request")


def late_ejection():
    with machine.Machine() as m:
        plug(m)
        device_del(m)
        m.write("b", FLAGS, REMOVE)
        ost(m, 3, 0x84)
        device_del(m, cancel=True)
        m.write("b", FLAGS, EJECT)
        tap.equal(m.qmp.event("DEVICE_DELETED")["data"]["device"], "d0")
        tap.equal(m.qmp.command("query-memory-devices"), [])
        m.qmp.command("object-del", id="m-d0")


def reset():
    """A reset ends a request, and whoever waits for its end hears of it."""
    with machine.Machine() as m:
        plug(m)
        device_del(m, timeout=5)
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        withdrawn(m, "reset")
        tap.equal(changes(m), [("online", "unplug-requested"), ("unplug-requested", "inserted")])
        m(f"clock_step {9 * SECOND}")
        tap.equal(events(m, "MEM_UNPLUG_ERROR"), [])


def bad_arguments():
    with machine.Machine() as m:
        plug(m)
        for seconds in (0, -1, -0.5, 1e10, 1e300):
            refused(m, "timeout", timeout=seconds)
        refused(m, "timeout cancel", timeout=1, cancel=True)
        refused(m, "timeout", timeout="1")
        refused(m, "cancel", cancel=1)
        for arguments in ({"timeout": 1}, {"cancel": True}):
            tap.equal(refused(m, "nope", "nope", **arguments), "DeviceNotFound")
            refused(m, "unplug", "/machine/unattached/device[0]", **arguments)  # CPU 0
        tap.equal((dimm(m)["state"], m.read("b", FLAGS)), ("online", ENABLED))
        tap.equal(changes(m), [])


def misfits():
    """DIMMs that Linux would not use: a warning in query-memory-devices, in HMP and on stderr."""
    def warnings(memory, size, **props):
        with machine.Machine(memory=memory) as m:
            plug(m, size=size, online=False, **props)
            text = m.qmp.command("human-monitor-command", **{"command-line": "info memory-devices"})
            found = dimm(m).get("warnings", [])
            for warning in found:
                tap.equal(warning in m.errors(), True, f"on stderr: {warning}")
            tap.equal(text.count("  warning: "), len(found), text)
            return found

    def first(words, *args, **props):
        found = warnings(*args, **props)
        tap.equal([word for word in words.split() if word not in "".join(found[:1])], [], str(found))

    tap.equal(warnings("2G,slots=8,maxmem=16G", 256 * MIB), [])
    first("size 128", "2G,slots=8,maxmem=16G", 200 * MIB)
    first("address 128", "2G,slots=8,maxmem=16G", 128 * MIB, addr=4 * GIB + 64 * MIB)
    first("192 256", "256M,slots=8,maxmem=16G", 12 * GIB)


def misfits_at_the_start():
    """DIMMs that are there at the start are managed all at once, in what the guest boots with."""
    words = [word for n in range(3) for word in
             ("-object", f"memory-backend-ram,id=m{n},size=4G,reserve=off", "-device", f"pc-dimm,id=d{n},memdev=m{n}")]
    for memory, count in (("256M,slots=8,maxmem=16G", 3), ("512M,slots=8,maxmem=16G", 0)):
        with machine.Machine(memory=memory, extra=words) as m:
            found = [d["data"].get("warnings", []) for d in m.qmp.command("query-memory-devices")]
            tap.equal([len(f) for f in found], [1 if count else 0] * 3, str(found))
            tap.equal(m.errors().count("needs 192 MiB at once to manage all DIMMs of its start, and has 256 MiB"),
                      1 if count else 0, m.errors())
            m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m3", "size": 2 * GIB, "reserve": False})
            m.qmp.command("device_add", driver="pc-dimm", id="d3", memdev="m3")
            tap.equal(m.qmp.command("query-memory-devices")[3]["data"].get("warnings"), None)
    # A guest that has begun elsewhere has them already.
    with machine.Machine(memory="256M,slots=8,maxmem=16G", extra=[*words, "-incoming", "defer"]) as m:
        tap.equal([d["data"].get("warnings") for d in m.qmp.command("query-memory-devices")], [None] * 3)
        tap.equal(m.errors(), "")


def accepted():
    """What the guest says that it uses, and cannot, is never online."""
    for size, props in ((130 * MIB, {}), (100 * MIB, {}), (128 * MIB, {"addr": 4 * GIB + 2 * MIB}),
                        (256 * MIB, {})):
        with machine.Machine() as m:
            plug(m, size=size, **props)
            found = dimm(m)
            tap.equal(found["state"], "online" if size == 256 * MIB else "accepted")
            tap.equal("warnings" in found, size != 256 * MIB)
            tap.equal(found.get("status"), None if size == 256 * MIB else 0)
            if size != 256 * MIB:
                tap.equal("memory blocks" in found["meaning"], True, found["meaning"])
                device_del(m)
                device_del(m, cancel=True)
                tap.equal(dimm(m)["state"], "accepted", "after a request that was withdrawn")
    # In the memory map at boot, any size is used.
    with machine.Machine(extra=["-object", "memory-backend-ram,id=m0,size=130M", "-device",
                                "pc-dimm,id=d0,memdev=m0,boot=on"]) as m:
        ost(m, 1, 0)
        found = dimm(m)
        tap.equal((found["state"], found.get("warnings")), ("online", None))


def in_words():
    with machine.Machine() as m:
        plug(m)
        ost(m, 3, 0x82)
        text = m.qmp.command("human-monitor-command", **{"command-line": "info memory-devices"})
        for words in ("  state: unplug-refused since 20", "  status: 0x82 (the device is busy in"):
            tap.equal(words in text, True, text)


def hmp_warns():
    with machine.Machine() as m:
        add_backend(m, "m0", 200 * MIB)
        add_backend(m, "m1", 256 * MIB)
        for ident, warned in (("m0", True), ("m1", False)):
            reply = m.qmp.command("human-monitor-command", **{
                "command-line": f"device_add pc-dimm,id=d-{ident},memdev={ident},addr="
                                f"{ADDRESSES[ident]:#x}"})
            tap.equal(reply.startswith("warning: pc-dimm 'd-m0': its size"), warned, reply)
            tap.equal(reply.count("its size"), int(warned), reply)  # said once


def stopped():
    """While the machine stands still the guest cannot answer, and time does not run out."""
    with machine.Machine() as m:
        plug(m)
        m.qmp.command("stop")
        device_del(m, timeout=0.001)
        time.sleep(0.01)
        tap.equal(events(m, "MEM_UNPLUG_ERROR"), [])
        m.qmp.command("cont")
        m("clock_step 1000000")
        withdrawn(m, "timed out")


def flood():
    """A guest that reports without end, and a client that does not read: what waits is bounded."""
    with vm.small_quarantine(), machine.Machine() as m:
        def reports(count):
            lines = [f"outl {OST_STATUS:#x} {0x80 + n % 2:#x}\n" for n in range(count)]
            for at in range(0, count, 500):
                m.qtest.send("".join(lines[at:at + 500]).encode())
                for _ in range(500):
                    m.qtest.line()

        plug(m)
        m.write("l", OST_EVENT, 3)
        # Four events each, some 800 bytes: more than the 16 MiB that may wait for a client.
        reports(30000)
        tap.equal("events for it are dropped" in m.errors(), True, m.errors())
        before = vm.resident(m.process.pid)
        reports(10000)
        grown = (vm.resident(m.process.pid) - before) * 1024
        if grown > 2 * MIB:
            raise AssertionError(f"it grew by {grown} bytes")


def hmp(m, line):
    tap.equal(m.qmp.command("human-monitor-command", **{"command-line": line}).strip(), "", line)


def loaded():
    """What is loaded is told, too: the last event of a DIMM always says in which state it is."""
    with tempfile.TemporaryDirectory() as folder:
        disk = f"{folder}/disk"
        subprocess.run([f"{os.path.dirname(machine.PROGRAM)}/tools/img/dimmable-img", "create", "-q", "-f", "qcow2", disk, "1M"],
                       check=True)
        words = ["-drive", f"if=none,id=d,format=qcow2,file={disk}", "-device", "virtio-blk-pci,drive=d"]
        with machine.Machine(extra=words) as m:
            plug(m)
            hmp(m, "savevm online")
            device_del(m)
            hmp(m, "savevm asked")
            tap.equal(changes(m), [("online", "unplug-requested")])
            hmp(m, "loadvm online")
            tap.equal(changes(m), [("unplug-requested", "inserted"), ("inserted", "online")])
            tap.equal(dimm(m)["state"], "online")
            hmp(m, "loadvm online")
            tap.equal(changes(m), [("online", "inserted"), ("inserted", "online")])
            hmp(m, "loadvm asked")
            tap.equal(changes(m), [("online", "inserted"), ("inserted", "unplug-requested")])
            tap.equal(dimm(m)["state"], "unplug-requested")
        words += ["-object", f"memory-backend-ram,id=m-d0,size={256 * MIB}", "-device", "pc-dimm,id=d0,memdev=m-d0"]
        with machine.Machine(extra=[*words, "-S"]) as m:
            hmp(m, "loadvm asked")
            tap.equal(changes(m), [("inserted", "unplug-requested")])


tap.run([
    ("every state", every_state),
    ("a cold-plugged DIMM", cold),
    ("what of it exists on the host", resident),
    ("where one goes by itself", place),
    ("what of an NVDIMM exists on the host", resident_nvdimm),
    ("time-outs", timeout),
    ("cancelling", cancel),
    ("an ejection after the request was withdrawn", late_ejection),
    ("a reset ends a request", reset),
    ("bad arguments", bad_arguments),
    ("DIMMs that Linux would not use", misfits),
    ("DIMMs of the start that Linux would not use", misfits_at_the_start),
    ("info memory-devices", in_words),
    ("device_add in HMP prints warnings", hmp_warns),
    ("what a guest accepts and cannot use", accepted),
    ("a flood of reports", flood),
    ("a machine that stands still", stopped),
    ("a machine that is loaded", loaded),
])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Capabilities of migration: what differs of pages that change again, shared files that stay, UUIDs, and what the
machine was at one moment while it goes on. No CPU runs: qtest is who writes to memory."""
import socket
import sys
import tempfile

import machine
import tap
import vm

MIB = 1 << 20
AT, SIZE = 16 * MIB, 4 * MIB
MEMORY = "32M,slots=4,maxmem=1G"
SLOW = 2 * MIB  # bytes a second
VIRTIO_MEM = ["-object", "memory-backend-ram,id=v0,size=64M", "-device", "virtio-mem-pci,memdev=v0,id=vm0,requested-size=32M"]


class Folder(tempfile.TemporaryDirectory):
    def __enter__(self):
        path = super().__enter__()
        return lambda name: f"{path}/{name}"


def start(words=(), memory=MEMORY):
    return machine.Machine(memory, ["-machine", "pc", "-S", *words])


def switch(m, *names, state=True):
    m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": name, "state": state} for name in names])


def status(m):
    return m.qmp.command("query-migrate").get("status")


def ends(m, wanted):
    vm.wait_until(lambda: status(m) in ("completed", "failed", "cancelled"), f"the end: {m.errors()}")
    info = m.qmp.command("query-migrate")
    tap.equal(info["status"], wanted, f"{info} {m.errors()}")
    return info


def refused(m, words, name, **arguments):
    try:
        m.qmp.command(name, **arguments)
    except vm.QmpError as err:
        tap.equal(words in err.desc, True, err.desc)
    else:
        raise AssertionError(f"{name} {arguments}: not refused")


def fill(m, value, base=AT, size=SIZE):
    """Each page has its own number, and @value."""
    for at in range(base, base + size, 4096):
        m(f"memset {at:#x} 0x1000 {value:#x}")
        m(f"writeq {at:#x} {at + value:#x}")


def check(m, value, base=AT, size=SIZE):
    for at in range(base, base + size, 4096):
        tap.equal(int(m(f"readq {at:#x}")[0], 0), at + value, f"{at:#x}")
        tap.equal(int(m(f"readb {at + 4095:#x}")[0], 0), value, f"{at:#x}")


# ---- by name ----

def names():
    """What suites and libvirt switch on and set, and what is said to what cannot be."""
    with start() as m:
        for name in "xbzrle", "x-ignore-shared", "validate-uuid", "background-snapshot", "release-ram":
            switch(m, name)
            tap.equal({"capability": name, "state": True} in m.qmp.command("query-migrate-capabilities"), True, name)
            switch(m, name, state=False)
        refused(m, "qtest does not tell which CPU", "migrate-set-capabilities",
                capabilities=[{"capability": "dirty-limit", "state": True}])
        for one, other in (("xbzrle", "multifd"), ("postcopy-ram", "x-ignore-shared"), ("background-snapshot", "postcopy-ram"),
                           ("background-snapshot", "return-path"), ("background-snapshot", "multifd"),
                           ("background-snapshot", "x-ignore-shared"), ("background-snapshot", "release-ram")):
            refused(m, f"{one} and {other} cannot be had together", "migrate-set-capabilities",
                    capabilities=[{"capability": name, "state": True} for name in (other, one)])
            tap.equal(any(c["state"] for c in m.qmp.command("query-migrate-capabilities")), False, "nothing was switched on")
        good = {"xbzrle-cache-size": 32 * MIB, "throttle-trigger-threshold": 60, "vcpu-dirty-limit": 7, "x-vcpu-dirty-limit-period": 500,
                "announce-initial": 0, "announce-max": 100000, "announce-rounds": 0, "announce-step": 10000, "cpu-throttle-tailslow": True}
        m.qmp.command("migrate-set-parameters", **good)
        now = m.qmp.command("query-migrate-parameters")
        tap.equal({name: now[name] for name in good}, good)
        for bad, words in (({"xbzrle-cache-size": 3 * MIB}, "power of two"), ({"xbzrle-cache-size": 1024}, "power of two"),
                           ({"throttle-trigger-threshold": 0}, "1 to 100"), ({"throttle-trigger-threshold": 101}, "1 to 100"),
                           ({"vcpu-dirty-limit": 0}, "at least 1"), ({"x-vcpu-dirty-limit-period": 0}, "1 to 1000"),
                           ({"x-vcpu-dirty-limit-period": 1001}, "1 to 1000"), ({"announce-initial": 100001}, "at most 100000"),
                           ({"announce-max": 100001}, "at most 100000"), ({"announce-rounds": 1001}, "at most 1000"),
                           ({"announce-step": 0}, "1 to 10000"), ({"announce-step": 10001}, "1 to 10000")):
            refused(m, words, "migrate-set-parameters", **bad)
        tap.equal(m.qmp.command("query-migrate-parameters"), now, "what is refused changes nothing")


def no_limits():
    """No CPU changes memory here."""
    with start() as m:
        tap.equal(m.qmp.command("query-vcpu-dirty-limit"), [])
        refused(m, "does not tell which CPU", "set-vcpu-dirty-limit", **{"dirty-rate": 10})
        refused(m, "does not tell which CPU", "cancel-vcpu-dirty-limit")
        refused(m, "number of a CPU", "set-vcpu-dirty-limit", **{"cpu-index": -1, "dirty-rate": 10})
        for line, words in (("info vcpu_dirty_limit", "no CPU has a limit"), ("set_vcpu_dirty_limit x", "number of MiB"),
                            ("set_vcpu_dirty_limit 1 x", "number of a CPU"), ("cancel_vcpu_dirty_limit x", "number of a CPU")):
            answer = m.qmp.command("human-monitor-command", **{"command-line": line})
            tap.equal(words in answer, True, answer)


# ---- who says where it is ----

def announcements():
    """A card of a machine that has come says so in rounds, at the times of the parameters."""
    with Folder() as at, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind(at("wire"))
        wire.setblocking(False)
        card = ["-netdev", f"dgram,id=n0,local.type=unix,local.path={at('card')},remote.type=unix,remote.path={at('wire')}",
                "-device", "e1000,netdev=n0,id=c0"]

        def heard():
            packets = []
            while True:
                try:
                    packets.append(wire.recv(2000))
                except BlockingIOError:
                    tap.equal(all(packet[12:14] == b"\x80\x35" for packet in packets), True, str(packets))
                    return len(packets)
        with start(card) as here:
            here.qmp.command("migrate", uri=f"file:{at('state')}")
            ends(here, "completed")
        for rounds in 4, 0:
            with start([*card, "-incoming", "defer"]) as there:
                there.qmp.command("migrate-set-parameters", **{"announce-initial": 1000, "announce-step": 500, "announce-max": 1700,
                                                               "announce-rounds": rounds})
                there.qmp.command("migrate-incoming", uri=f"file:{at('state')}")
                ends(there, "completed")
                there.qmp.command("cont")
                there("clock_step 0")
                count = heard()
                for wait in (1000, 1500, 1700) if rounds else ():
                    tap.equal(count, 1)
                    there(f"clock_step {wait * 1000000 - 1}")
                    tap.equal(heard(), 0, f"{wait}")
                    there("clock_step 1")
                    count = heard()
                tap.equal(count, 1 if rounds else 0)
                there("clock_step 10000000000")
                tap.equal(heard(), 0, "after the last round")


# ---- what differs ----

def differences():
    """A page that changes a little goes as that, and arrives as it is. The migration waits before its end, which would
    be in the middle of what qtest writes: no CPU runs that it could stop. It is slow, so that pages change while they
    go as a whole."""
    with Folder() as at, start(["-incoming", f"unix:{at('meet')}"]) as there, start() as here:
        fill(here, 0x11)
        switch(here, "xbzrle", "events", "pause-before-switchover")
        here.qmp.command("migrate-set-parameters", **{"max-bandwidth": MIB, "downtime-limit": 0, "xbzrle-cache-size": 16 * MIB})
        here.qmp.command("migrate", uri=f"unix:{at('meet')}")
        number = 0

        def goes():
            info = here.qmp.command("query-migrate")
            return info["status"] == "setup" or (info["status"] == "active" and info["xbzrle-cache"]["pages"] < 2000)
        while goes():
            number += 1
            for page in range(256):  # a MiB
                here(f"writel {AT + page * 4096 + 64 + number % 100 * 8:#x} {number:#x}")
        here.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0, "downtime-limit": 60000})
        vm.wait_until(lambda: status(here) == "pre-switchover", "the end that waits")
        here.qmp.command("migrate-continue", state="pre-switchover")
        info = ends(here, "completed")["xbzrle-cache"]
        ends(there, "completed")
        tap.equal(info["cache-size"], 16 * MIB)
        tap.equal(there(f"read {AT:#x} {SIZE:#x}") == here(f"read {AT:#x} {SIZE:#x}"), True)
        print(f"# {info}")
        tap.equal(0 < info["bytes"] < info["pages"] * 2048, True, str(info))


# ---- shared files ----

def stays_shared():
    """The memory of a file that both have mapped does not go."""
    with Folder() as at:
        with open(at("ram"), "wb") as file:
            file.truncate(32 * MIB)
        words = ["-object", f"memory-backend-file,id=boot,size=32M,share=on,mem-path={at('ram')}", "-machine", "memory-backend=boot"]
        for shared in True, False:
            with start(words) as here:
                fill(here, 0x22 if shared else 0x33)
                with start([*words, "-incoming", f"unix:{at('meet')}"]) as there:
                    check(here, 0x22 if shared else 0x33)  # that the other one was started has changed nothing
                    for m in here, there:
                        switch(m, "x-ignore-shared", state=shared)
                    here.qmp.command("migrate", uri=f"unix:{at('meet')}")
                    info = ends(here, "completed")["ram"]
                    ends(there, "completed")
                    tap.equal(info["total"] < 32 * MIB, shared, str(info))
                    check(there, 0x22 if shared else 0x33)


# ---- UUIDs ----

def uuids():
    one, two = ("-uuid", "11111111-2222-3333-4444-555555555555"), ("-uuid", "11111111-2222-3333-4444-555555555556")
    for ours, theirs, on, wanted in ((one, one, True, "completed"), (one, two, True, "failed"), (one, two, False, "completed"),
                                     ((), two, True, "completed"), (one, (), True, "completed")):
        with Folder() as at, start([*theirs, "-incoming", f"unix:{at('meet')}"]) as there, start(ours) as here:
            switch(here, "return-path")
            switch(here, "validate-uuid", state=on)
            here.qmp.command("migrate", uri=f"unix:{at('meet')}")
            ends(here, wanted)
            if wanted == "failed":
                tap.equal(there.process.wait(vm.LONG), 1)
                tap.equal(one[1] in there.errors() and two[1] in there.errors(), True, there.errors())


# ---- the machine as it was at one moment ----

def cmos(m):
    m("outb 0x70 0x50")
    return int(m("inb 0x71")[0], 0)


def background(words, uri, more=""):
    """Memory, and a byte of the clock's, change while it is written; what was written is what was before."""
    with Folder() as at:
        path = at("state")
        dimm = any("pc-dimm" in word for word in words)
        places = [(AT, SIZE)] + ([(0x100000000, SIZE)] if dimm else [])
        with start(words) as here:
            for base, size in places:
                fill(here, 0x44, base, size)
            here("outb 0x70 0x50")
            here("outb 0x71 0x5a")
            switch(here, "background-snapshot", "events")
            here.qmp.command("cont")
            here.qmp.event("RESUME")
            here.qmp.command("migrate-set-parameters", **{"max-bandwidth": SLOW})
            here.qmp.command("migrate", uri=uri.format(path) + more)
            here.qmp.event("MIGRATION", status="active")
            here.qmp.event("RESUME")  # it has stood, and goes on
            tap.equal(status(here), "active")
            refused(here, "being migrated", "device_add", driver="virtio-rng-pci")
            here("outb 0x70 0x50")
            here("outb 0x71 0xa5")
            for base, size in places:
                fill(here, 0x55, base, size)
            tap.equal(status(here), "active", "it has written meanwhile")
            here.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0})
            info = ends(here, "completed")
            tap.equal(here.qmp.command("query-status")["status"], "running")
            tap.equal(info["ram"]["remaining"], 0, str(info))
            for base, size in places:
                check(here, 0x55, base, size)
            tap.equal(cmos(here), 0xa5)
            here.qmp.command("device_add", driver="virtio-rng-pci", id="r0")
        with start([*words, "-incoming", f"file:{path}"]) as there:
            ends(there, "completed")
            for base, size in places:
                check(there, 0x44, base, size)
            tap.equal(cmos(there), 0x5a)


def cancelled():
    """Whoever waits goes on, and nothing is protected any more."""
    with start() as here:
        fill(here, 0x66)
        switch(here, "background-snapshot")
        here.qmp.command("cont")
        here.qmp.event("RESUME")
        here.qmp.command("migrate-set-parameters", **{"max-bandwidth": 10000})
        here.qmp.command("migrate", uri="exec:cat > /dev/null")
        here.qmp.event("RESUME")
        fill(here, 0x67, size=MIB)
        here.qmp.command("migrate_cancel")
        ends(here, "cancelled")
        fill(here, 0x68)
        check(here, 0x68)
        here.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0})
        here.qmp.command("migrate", uri="exec:cat > /dev/null")
        ends(here, "completed")
        here.qmp.command("migrate", uri="exec:exit 3")
        ends(here, "failed")
        tap.equal(here.qmp.command("query-status")["status"], "running")
        # It ends in the midst of one.
        here.qmp.command("migrate-set-parameters", **{"max-bandwidth": 10000})
        here.qmp.command("migrate", uri="exec:cat > /dev/null")
        here.qmp.command("quit")
        tap.equal(here.process.wait(vm.LONG), 0, here.errors())


def cannot_be_protected():
    with Folder() as at, start(["-object", f"memory-backend-file,id=m0,size=4M,share=on,mem-path={at('file')}",
                                "-device", "pc-dimm,id=d0,memdev=m0"]) as m:
        switch(m, "background-snapshot")
        m.qmp.command("cont")
        m.qmp.command("migrate", uri=f"file:{at('state')}")
        info = ends(m, "failed")
        tap.equal("m0" in info["error-desc"] and "protected" in info["error-desc"], True, str(info))
        tap.equal(m.qmp.command("query-status")["status"], "running")
    with start(["-object", "memory-backend-ram,id=shm,size=1M,share=on", "-device", "ivshmem-plain,id=i0,memdev=shm,master=on"]) as m:
        switch(m, "background-snapshot")
        refused(m, "background-snapshot off", "migrate", uri="exec:cat > /dev/null")


def dimm(backend, **props):
    text = "".join(f",{name}={value}" for name, value in props.items())
    return ["-object", f"{backend},id=m0,size=4M{text}", "-device", "pc-dimm,id=d0,memdev=m0,addr=0x100000000"]


def main():
    tests = [
        ("by name", names), ("no limits without CPUs", no_limits), ("announcements", announcements), ("differences", differences),
        ("shared files", stays_shared), ("UUIDs", uuids),
    ]
    if vm.memory_may_follow():
        tests += [
            ("the moment: a file", lambda: background([], "file:{}")),
            ("the moment: a command", lambda: background([], "exec:cat > {}")),
            ("the moment: a DIMM", lambda: background(dimm("memory-backend-ram"), "file:{}")),
            ("the moment: shared memory", lambda: background(dimm("memory-backend-ram", share="on"), "file:{}")),
            ("the moment: a memfd", lambda: background(dimm("memory-backend-memfd"), "file:{}")),
            ("the moment: a virtio-mem", lambda: background(VIRTIO_MEM, "file:{}")),
            ("the moment: cancelled", cancelled),
            ("the moment: refused", cannot_be_protected),
        ]
    tap.run([test for test in tests if len(sys.argv) < 3 or sys.argv[2] in test[0]])


main()

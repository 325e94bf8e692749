#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel on two CPUs is moved again and again while it runs: test_moves.py BUILD-DIR [MACHINE]. Both CPUs
write to memory and look at it all the time, in a DIMM too, and the clock is held against the host's at each move.
Every other time it goes on before its memory is there.
$MOVES (10): how often."""
import os
import sys
import tempfile
import time

import tap
import test_linux as linux
import vm
from clock import Clock

MIB = 1 << 20
MOVES = int(os.environ.get("MOVES", "10"))
MEMORY = "256M,slots=2,maxmem=4G"
DIMM = ("-object", f"memory-backend-ram,id=m-d0,size={128 * MIB}", "-device", "pc-dimm,id=d0,memdev=m-d0,slot=0")

# On each CPU: a copy of a pattern is made and compared, over and over. Both are in memory.
LOAD = ("head -c 6000000 /dev/urandom > /tmp/pattern{n}; "
        "(while cat /tmp/pattern{n} > /tmp/copy{n} && cmp /tmp/pattern{n} /tmp/copy{n}; do echo >> /tmp/rounds{n}; done; "
        "touch /tmp/differs) & taskset -p {mask:x} $!")
# Connections for memory, and how it is packed; None: no multifd.
SEVERAL = (None, (2, "none"), (3, "zstd"), None, (1, "zlib"))


def stamp(event):
    return event["timestamp"]["seconds"] + event["timestamp"]["microseconds"] / 1e6


def machine(name, extra=()):
    return linux.machine(machine=name, cpus=2, memory=MEMORY, extra=extra)


def move(here, there, uri):
    """Until it runs at the other end; s that it stood at most, and how the migration went."""
    here.qmp.drain()
    here.qmp.events.clear()
    here.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
    here.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0})
    linux.migrated(here, uri)
    resumed = there.qmp.event("RESUME")
    # It was stopped after this one.
    last = [event for event in here.qmp.drain() if event["event"] == "MIGRATION_PASS"][-1]
    return stamp(resumed) - stamp(last), here.qmp.command("query-migrate")


def follow(here, there, uri):
    """The same with nearly all of its memory after it."""
    for m in here, there:
        m.qmp.drain()
        m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "postcopy-ram", "state": True}])
    here.qmp.command("migrate-set-parameters", **{"max-bandwidth": MIB})
    here.qmp.command("migrate", uri=uri)
    begun = time.time()  # it stops after this
    here.qmp.command("migrate-start-postcopy")
    resumed = there.qmp.event("RESUME")
    for m in here, there:
        vm.wait_until(lambda m=m: m.qmp.command("query-migrate")["status"] == "completed", f"{here.errors()} {there.errors()}")
    info = here.qmp.command("query-migrate")
    tap.equal(info["ram"]["postcopy-requests"] > 0, True, str(info))
    return stamp(resumed) - begun, info


def rounds(guest):
    """How often each load has gone round."""
    return [int(guest.run(f"wc -l < /tmp/rounds{n}")) for n in range(2)]


def begin(guest):
    guest.wait_ready()
    total = guest.mem_total()
    guest.plug("d0", 128 * MIB)
    for n in range(2):
        guest.run(LOAD.format(n=n, mask=1 << n))
    vm.wait_until(lambda: guest.run("ls /tmp/rounds* 2>/dev/null | wc -l") == "2", "the loads")
    sums = guest.run("md5sum /tmp/pattern0 /tmp/pattern1")
    return total, sums


def finish(guest, total, sums, went):
    """The memory is what it was, both CPUs have gone on, and the DIMM leaves."""
    vm.wait_until(lambda: all(now > then for now, then in zip(rounds(guest), went)), "both CPUs go on")
    tap.equal(guest.run("ls /tmp | grep -c differs", check=False), "0", "copies that differ")
    tap.equal(guest.run("md5sum /tmp/pattern0 /tmp/pattern1"), sums, "the patterns")
    linux.check_memory(guest, total, linux.dimms_of(guest))
    guest.run("kill %1 %2; wait; rm /tmp/*")
    guest.unplug("d0")
    linux.check_memory(guest, total, [])
    tap.equal(guest.run("dmesg | grep -iE 'bug:|oops|call trace|stall|clocksource.*unstable'", check=False), "",
              "kernel complaints")


def to_and_fro(name):
    with tempfile.TemporaryDirectory() as folder:
        here, downtimes, started = machine(name), [], 0
        try:
            total, sums = begin(here)
            clock = Clock(here)
            started = time.monotonic()
            for number in range(MOVES):
                uri = f"unix:{folder}/{number}"
                went = rounds(here)
                there = machine(name, [*DIMM, "-incoming", "defer"])
                try:
                    follows = number % 2 and vm.memory_may_follow()
                    vm.connections(here, there, uri, None if follows else SEVERAL[number // 2 % len(SEVERAL)])
                    stood, info = (follow if follows else move)(here, there, uri)
                except BaseException:
                    there.close()
                    raise
                here.close()
                here = there
                clock.check(here, stood)
                downtimes.append(info["downtime"])
            seconds = time.monotonic() - started
            finish(here, total, sums, went)
        finally:
            here.close()
        print(f"# {MOVES} moves in {seconds:.1f} s; downtimes in ms: {' '.join(str(t) for t in sorted(downtimes))}")


def refused_and_moved():
    """What the guest has refused is told at the other end, and may be asked for again there."""
    switch = "/sys/firmware/acpi/hotplug/memory/enabled"
    with tempfile.TemporaryDirectory() as folder, machine("pc") as here, \
            machine("pc", [*DIMM, "-incoming", f"unix:{folder}/s"]) as there:
        here.wait_ready()
        total = here.mem_total()
        here.plug("d0", 128 * MIB)
        here.run(f"echo 0 > {switch}")
        here.qmp.command("device_del", id="d0")
        here.qmp.event("MEM_UNPLUG_ERROR", device="d0")
        tap.equal(here.qmp.command("query-memory-devices")[0]["data"]["state"], "unplug-refused")
        move(here, there, f"unix:{folder}/s")
        tap.equal(there.qmp.command("query-memory-devices")[0]["data"]["state"], "unplug-refused")
        there.run(f"echo 1 > {switch}")
        there.unplug("d0")
        linux.check_memory(there, total, [])
        there.plug("d0", 128 * MIB)
        linux.check_memory(there, total, linux.dimms_of(there))


if __name__ == "__main__":
    NAME = sys.argv[2] if len(sys.argv) > 2 else "pc"
    TESTS = [(f"{MOVES} moves of two busy CPUs, {NAME}", lambda: to_and_fro(NAME))]
    if NAME == "pc":
        TESTS.append(("refused, moved, ejected there", refused_and_moved))
    tap.run(TESTS)

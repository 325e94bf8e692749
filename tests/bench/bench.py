#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure dimmable, and qemu-system-x86_64 (software CPU) in the same run where it is installed:
bench.py BUILD-DIR [RUNS] [--against OTHER-BUILD-DIR] [--plugs]. Each figure is the median over RUNS (default 3), the two
programs in turn. --against: the other program is that of another build, with the same kernel; --plugs: only what a DIMM takes, in guests of
both programs that run side by side."""
import argparse
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import vm  # noqa: E402

MIB = 1 << 20
GIB = 1 << 30
ROOMS = 16, 4096  # GiB
TURNS = 12
SETTLE = 0.05  # seconds
PLUGS = 15  # of a DIMM of 1 GiB
IDLE_SETTLE, IDLE = 3, 10  # seconds: a guest is at rest, and is watched
APPEND = vm.APPEND + " quiet"


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0


def start(program, accel, build):
    """Greeting in ms and resident size in MiB of a machine that is started paused, with its kernel."""
    with vm.Vm(program, f"{build}/guest", accel=accel, extra=["-S"]) as guest:
        yield "start to QMP greeting", "ms", (guest.qmp.greeted - guest.started) * 1000
        time.sleep(0.2)
        yield "resident size when paused", "MiB", resident(guest.process.pid)


def processor_seconds(pid):
    """By the clock of the process, which counts nanoseconds: /proc has hundredths of a second."""
    return time.clock_gettime(~pid << 3 | 2)


def idle(guest):
    """What a guest at its shell prompt takes, and how fast a DIMM comes into it when it has been left alone."""
    time.sleep(IDLE_SETTLE)
    before = processor_seconds(guest.process.pid)
    time.sleep(IDLE)
    yield "idle guest", "% CPU", (processor_seconds(guest.process.pid) - before) / IDLE * 100
    adds = []
    for _ in range(3):
        time.sleep(1)
        adds.append(guest.plug("d0", GIB) * 1000)
        guest.unplug("d0")
    yield "device_add to _OST, guest idle", "ms", statistics.median(adds)


def boot(program, accel, build, slots, label):
    with vm.Vm(program, f"{build}/guest", accel=accel, append=APPEND,
               memory=f"2G,slots={slots},maxmem=16G") as guest:
        ready = guest.wait_ready()
        if label == "":
            yield "start to the first user-space line", "s", ready
            yield from idle(guest)
        adds, removes = [], []
        for _ in range(PLUGS):
            adds.append(guest.plug("d0", GIB) * 1000)
            removes.append(guest.unplug("d0") * 1000)
        yield f"device_add to _OST{label}", "ms", statistics.median(adds)
        yield f"device_del to DEVICE_DELETED{label}", "ms", statistics.median(removes)


def copies(program, accel, build):
    """What a guest without an operating system takes to move memory (tests/guest/bare/copy.c)."""
    with tempfile.TemporaryDirectory() as directory:
        output = f"{directory}/output"
        subprocess.run([program, "-accel", accel, "-m", "256", "-nodefaults", "-display", "none", "-kernel",
                        f"{build}/tests/guest/bare/copy.elf", "-debugcon", f"file:{output}",
                        "-device", "isa-debug-exit,iobase=0xf4,iosize=4"], check=False, timeout=600)
        with open(output, encoding="ascii") as file:
            for time_taken, name in re.findall(r"^(\d+) ms, (.*)$", file.read(), re.M):
                yield name, "ms", int(time_taken)


def first_line(program, accel, build):
    """How long Debian's generic kernel, whose image unpacks itself, takes to its first line."""
    kernel = f"{build}/guest/vmlinuz-generic"
    process = subprocess.Popen([program, "-accel", accel, "-m", "1G", "-nodefaults", "-display", "none",
                                "-serial", "stdio", "-kernel", kernel, "-append", "console=ttyS0 earlyprintk=ttyS0"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    started = time.monotonic()
    try:
        for line in process.stdout:
            if b"Linux version" in line:
                yield "generic kernel to its first line", "s", time.monotonic() - started
                return
        raise AssertionError(f"{program}: no line of {kernel}")
    finally:
        process.kill()
        process.wait()


def room_vm(program, accel, build, maxmem, extra=()):
    return vm.Vm(program, f"{build}/guest", append=APPEND, accel=accel, memory=f"2G,slots=8,maxmem={maxmem}G",
                 extra=["-cpu", "qemu64,phys-bits=46", *extra])


def room(program, accel, build, figures):
    """What a machine that may grow a lot costs, started and when it grows, and one that may grow a
    little; with a DIMM where its window ends, which must cost no more than one where it begins. The two
    machines take turns, so that both have the same share of what else the host does."""

    def add(what, maxmem, unit, value):
        figures.setdefault((f"{what}, maxmem={maxmem}G", unit), []).append(value)

    for turn in range(TURNS):
        for maxmem in ROOMS[::1 if turn % 2 else -1]:
            with room_vm(program, accel, build, maxmem, ["-S"]) as guest:
                add("start to QMP greeting", maxmem, "ms", (guest.qmp.greeted - guest.started) * 1000)
                add("resident size when paused", maxmem, "MiB", resident(guest.process.pid))
    with room_vm(program, accel, build, ROOMS[0]) as small, room_vm(program, accel, build, ROOMS[1]) as large:
        guests = dict(zip(ROOMS, (small, large)))
        for guest in guests.values():
            guest.wait_ready()
        for turn in range(TURNS):
            # No case always follows the same other one, nor meets a guest that is still at work.
            cases = [(maxmem, top) for maxmem in ROOMS for top in (False, True)]
            for maxmem, top in cases[turn % 4:] + cases[:turn % 4]:
                guest, place = guests[maxmem], {"addr": 4 * GIB + (maxmem - 2 + 8) * GIB - 256 * MIB}
                time.sleep(SETTLE)
                add(f"device_add to _OST{' at the top' if top else ''}", maxmem, "ms",
                    guest.plug("d0", 256 * MIB, **(place if top else {})) * 1000)
                time.sleep(SETTLE)
                guest.unplug("d0")


def measure(figures, *sources):
    for source in sources:
        for name, unit, value in source:
            figures.setdefault((name, unit), []).append(value)


def measure_both(program, accel, build, figures):
    measure(figures, start(program, accel, build), boot(program, accel, build, 8, ""),
            boot(program, accel, build, 255, ", 255 slots"), copies(program, accel, build),
            first_line(program, accel, build))


def plugs(programs, build, slots, label):
    """A DIMM comes and goes in one guest and then in the other, so that both have the same share of what else the host does; and
    in the program's own processor time. @programs: [(program, accel, figures)], one or two."""
    with contextlib.ExitStack() as stack:
        guests = [stack.enter_context(vm.Vm(program, f"{build}/guest", accel=accel, append=APPEND,
                                            memory=f"2G,slots={slots},maxmem=16G")) for program, accel, _ in programs]
        for guest in guests:
            guest.wait_ready()
        for turn in range(2 * PLUGS):
            for guest, (_, _, figures) in list(zip(guests, programs))[::1 if turn % 2 else -1]:
                for what, step in (("device_add to _OST", lambda: guest.plug("d0", GIB)),
                                   ("device_del to DEVICE_DELETED", lambda: guest.unplug("d0"))):
                    before = processor_seconds(guest.process.pid)
                    figures.setdefault((what + label, "ms"), []).append(step() * 1000)
                    used = processor_seconds(guest.process.pid) - before
                    figures.setdefault((f"{what}{label}, processor", "ms"), []).append(used * 1000)


def compare_room(ours):
    """maxmem=4T against 16G: the quotient of the medians of each figure."""
    few, many = (f", maxmem={maxmem}G" for maxmem in ROOMS)
    for name, unit in ours:
        if name.endswith(few):
            what = name.removesuffix(few)
            quotient = statistics.median(ours[what + many, unit]) / statistics.median(ours[name, unit])
            print(f"{what}: maxmem=4T costs {quotient:.2f} times what 16G costs (of {len(ours[name, unit])} each)")


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("runs", type=int, nargs="?", default=3)
    parser.add_argument("--against", metavar="OTHER-BUILD-DIR")
    parser.add_argument("--plugs", action="store_true")
    return parser.parse_args()


def main():
    given = options()
    build, runs = given.build, given.runs
    ours, peers = {}, {}
    peer = [f"{given.against}/dimmable", "soft"] if given.against else [shutil.which("qemu-system-x86_64"), "tcg"]
    for _ in range(runs):
        if given.plugs:
            programs = [(f"{build}/dimmable", "soft", ours), *([(*peer, peers)] if peer[0] else [])]
            plugs(programs, build, 8, "")
            plugs(programs, build, 255, ", 255 slots")
            continue
        measure_both(f"{build}/dimmable", "soft", build, ours)
        room(f"{build}/dimmable", "soft", build, ours)
        if peer[0]:
            measure_both(*peer, build, peers)
    print(f"median of {runs} runs" + ("" if peer[0] else "; qemu-system-x86_64 is not installed: no comparison"))
    print(f"{'':58}{'dimmable':>12}{'other build' if given.against else 'QEMU TCG':>12}{'ratio':>8}")
    for key, values in ours.items():
        value = statistics.median(values)
        line = f"{key[0] + ' (' + key[1] + ')':58}{value:12.2f}"
        if key in peers:  # its software CPU has 40 address bits: no 4T there
            other = statistics.median(peers[key])
            line += f"{other:12.2f}{value / other:8.2f}"
        print(line)
    for what in ("device_add to _OST", "device_del to DEVICE_DELETED"):
        few = statistics.median(ours[what, "ms"])
        many = statistics.median(ours[f"{what}, 255 slots", "ms"])
        print(f"{what}: 255 slots cost {many / few:.2f} times what 8 slots cost")
    compare_room(ours)


main()

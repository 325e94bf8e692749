#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the software CPU tells of the code it translates: x-query-jit, info jit, perf-map=on, -d."""
import os
import re
import tempfile
import time

import machine
import vm

import tap

# At the reset vector: inc %ax; cpuid; jmp to the first. The interpreter does CPUID.
LOOP = b"\x40\x0f\xa2\xeb\xfb"
# cli; hlt.
HALT = b"\xfa\xf4"
# mov $0x8000, %sp; movw $0xffff, 0x84; mov %cs, 0x86; int $0x21; and there: hlt.
INTERRUPT = b"\xbc\x00\x80\xc7\x06\x84\x00\xff\xff\x8c\x0e\x86\x00\xcd\x21\xf4"


def rom(folder, code):
    path = f"{folder}/rom"
    with open(path, "wb") as file:
        file.write(code.rjust(65536 - 16 + len(code), b"\xf4").ljust(65536, b"\xf4"))
    return path


def running(folder, accel, *extra, code=LOOP):
    return vm.Vm(machine.PROGRAM, accel=accel, memory="64M", serial=False, extra=["-bios", rom(folder, code), *extra])


def until(what, found):
    """Ask until there is an answer."""
    deadline = time.monotonic() + vm.LONG
    while time.monotonic() < deadline:
        answer = found()
        if answer:
            return answer
        time.sleep(0.01)
    raise vm.Timeout(f"no {what}")


def value(text, name):
    return int(re.search(rf"(?m)^  {name} +(\d+)$", text)[1])


def query():
    with tempfile.TemporaryDirectory() as folder, running(folder, "soft,translate=all", "-smp", "2") as guest:
        def translated():
            text = guest.qmp.command("x-query-jit")["human-readable-text"]
            return text if re.search(r"(?m)^ +[1-9]\d*  cpuid *$", text) else None
        text = until("call of CPUID in x-query-jit", translated)
        tap.equal(re.findall(r"(?m)^CPU \d+:$", text), ["CPU 0:", "CPU 1:"])
        for name in "blocks decoded", "blocks translated", "their host bytes", "calls of the interpreter":
            if value(text, name) == 0:
                raise AssertionError(f"{name}: {text}")
        again = guest.qmp.command("human-monitor-command", **{"command-line": "info jit"})
        if not value(again, "calls of the interpreter") >= value(text, "calls of the interpreter"):
            raise AssertionError(again)


def looking_changes_nothing():
    """Commands that stop CPUs for a look, and a stop of the machine, leave translated code as it is."""
    with tempfile.TemporaryDirectory() as folder, running(folder, "soft,translate=all") as guest:
        def info():
            text = guest.qmp.command("x-query-jit")["human-readable-text"]
            return [value(text, name) for name in ("blocks decoded", "TLB flushes", "times the cache was dropped")]
        until("third turn of the loop", lambda: value(guest.qmp.command("x-query-jit")["human-readable-text"],
                                                      "calls of the interpreter") >= 3)
        before = info()
        guest.qmp.command("human-monitor-command", **{"command-line": "info registers"})
        guest.qmp.command("stop")
        guest.qmp.command("cont")
        tap.equal(info(), before)


def query_without():
    with tempfile.TemporaryDirectory() as folder, running(folder, "soft,translate=off") as guest:
        text = guest.qmp.command("x-query-jit")["human-readable-text"]
        if "nothing is translated" not in text:
            raise AssertionError(text)
    with machine.Machine() as box:
        try:
            box.qmp.command("x-query-jit")
        except vm.QmpError as err:
            tap.equal("-accel soft" in err.desc and "qtest" in err.desc, True, err.desc)
        else:
            raise AssertionError("x-query-jit with -accel qtest")


def perf_map():
    with tempfile.TemporaryDirectory() as folder, running(folder, "soft,translate=all,perf-map=on") as guest:
        path = f"/tmp/perf-{guest.process.pid}.map"

        def blocks():
            with open(path, encoding="ascii") as file:
                return re.findall(r"(?m)^([0-9a-f]+) ([0-9a-f]+) (guest-0x[0-9a-f]+|dimmable-thunks)$", file.read())
        try:
            names = until("block in the map", lambda: [b for b in blocks() if b[2] == "guest-0xfff0"] and blocks())
            tap.equal(names[0][2], "dimmable-thunks")
            tap.equal(all(int(start, 16) and int(size, 16) for start, size, _ in names), True)
        finally:
            os.unlink(path)


def logs():
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/log"
        with running(folder, "soft,translate=all", "-d", "in_asm,out_asm,op,exec", "-D", log):
            def read():
                with open(log, encoding="ascii") as file:
                    return file.read()
            for pattern in (r"(?m)^IN: 0x0000fff0\n0x0000fff0:  40 +inc.* %ax\n0x0000fff1:  0f a2 +cpuid",
                            r"(?m)^OP: 0x0000fff0\n0x0000fff0:  unary +flags (set|used) +dst 0 .*\n0x0000fff1:  called ",
                            r"(?m)^OUT: 0x0000fff0, \d+ bytes\n0x[0-9a-f]+:  ([0-9a-f]{2} )+ +\S",
                            r"(?m)^(EXEC: CPU 0, 0x0000fff0, physical 0xfffffff0\n(.*\n)*){3}"):
                until(pattern, lambda pattern=pattern: re.search(pattern, read()))


def logs_of_events():
    """An event, and the registers before each turn of the engine: at the reset, and at the handler."""
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/log"
        with running(folder, "soft", "-d", "int,cpu", "-D", log, code=INTERRUPT):
            def read():
                with open(log, encoding="ascii") as file:
                    return file.read()
            pattern = (r"(?s)IP=0*fff0 .*CPU 0: software interrupt 21 [^\n]* at f000:0*ffff SP 0000:0*8000 "
                       r".*IP=0*ffff ")
            until(pattern, lambda: re.search(pattern, read()))


def at_rest():
    """CPUs that are in HLT, or wait to be started, take at most 1 % of a processor."""
    with tempfile.TemporaryDirectory() as folder, running(folder, "soft", "-smp", "4", code=HALT) as guest:
        until("HLT", lambda: "HLT=1" in guest.qmp.command("human-monitor-command", **{"command-line": "info registers"}))
        clock = ~guest.process.pid << 3 | 2  # of the whole process, in ns
        start, before = time.monotonic(), time.clock_gettime(clock)
        time.sleep(2)
        used = time.clock_gettime(clock) - before
        tap.equal(used <= (time.monotonic() - start) / 100, True, f"{used} s")


tap.run([("x-query-jit and info jit", query), ("looking changes nothing", looking_changes_nothing), ("nothing to tell", query_without), ("perf-map", perf_map), ("-d", logs), ("-d int,cpu", logs_of_events), ("at rest", at_rest)])

# SPDX-License-Identifier: GPL-2.0-or-later
"""The server for GDB on a few instructions in a ROM: what is the same with each engine that runs them. test_gdb.py,
and tests/nested, which has them run elsewhere."""
import contextlib
import os
import struct
import tempfile

import gdb_client
import machine
import tap
import vm

# Real mode, at f000:e000. The loop counts in AX and at 0x500, and reads 0x600.
BEGIN, LOOP, STORE, LOAD, JUMP = range(5)
CODE = b"\x31\xc0\x8e\xd8" b"\x40" b"\xa3\x00\x05" b"\x8b\x1e\x00\x06" b"\xeb\xf6"
RIP = {LOOP: 0xe004, STORE: 0xe005, LOAD: 0xe008, JUMP: 0xe00c}
BASE = 0xf0000
# Where they run.
SETUP = {"place": vm.Here, "program": machine.PROGRAM, "rom": None}


def linear(place):
    return BASE + RIP[place]


def rom(folder):
    image = bytearray(b"\xf4" * 65536)
    image[0xe000:0xe000 + len(CODE)] = CODE
    image[0xfff0:0xfff5] = b"\xea\x00\xe0\x00\xf0"
    with open(f"{folder}/rom", "wb") as file:
        file.write(image)
    return f"{folder}/rom"


@contextlib.contextmanager
def running(accel="soft", *extra, cpus=1):
    """A machine, and the path of its server's socket."""
    place = SETUP["place"]
    if accel.startswith("kvm") and place is vm.Here:
        need_kvm()
    with tempfile.TemporaryDirectory() as here, place.folder() as folder:
        option, address = place.server(f"{folder}/gdb")
        options = ["-bios", SETUP["rom"] or rom(here), "-gdb", option, *extra]
        with vm.Vm(SETUP["program"], accel=accel, memory="64M", serial=False, cpus=cpus, extra=options, place=place) as guest:
            yield guest, address


def connect(guest, path):
    client = gdb_client.Client(path, guest.process, guest.place.patience)
    client.ask("qSupported:multiprocess+;swbreak+;hwbreak+")
    return client


def status(guest):
    return guest.qmp.command("query-status")["status"]


def number(client, register):
    return struct.unpack("<Q", bytes.fromhex(client.ask(f"p{register:x}")))[0]


RAX, RBX, PC = 0, 1, 16


def need_kvm():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as err:
        raise tap.Skip(f"/dev/kvm: {err.strerror}") from None


def breakpoints(accel):
    with running(accel, "-S") as (guest, path):
        client = connect(guest, path)
        tap.equal(client.ask("?"), "T05thread:p01.01;")
        for kind, tells in (0, "swbreak:;"), (1, "hwbreak:;"):
            for place in LOOP, JUMP, STORE:
                tap.equal(client.ask(f"Z{kind},{linear(place):x},1"), "OK")
                for _ in range(3):
                    tap.equal(client.ask("c"), "T05thread:p01.01;" + tells)
                    tap.equal(number(client, PC), RIP[place])
                    # As GDB does: without the breakpoint, one step.
                    tap.equal(client.ask(f"z{kind},{linear(place):x},1"), "OK")
                    tap.equal(client.ask("vCont;s:p1.1"), "T05thread:p01.01;")
                    assert number(client, PC) != RIP[place]
                    tap.equal(client.ask(f"Z{kind},{linear(place):x},1"), "OK")
                tap.equal(client.ask(f"z{kind},{linear(place):x},1"), "OK")
        # One that is not taken out is come to again at once, and nothing has run.
        tap.equal(client.ask(f"Z0,{linear(STORE):x},1"), "OK")
        client.ask("c")
        count = number(client, RAX)
        client.ask("c")
        tap.equal(number(client, RAX), count)
        tap.equal(status(guest), "debug")
        # The guest does not see it.
        tap.equal(client.ask(f"m{linear(STORE):x},3"), "a30005")


def steps(accel):
    with running(accel, "-S") as (guest, path):
        client = connect(guest, path)
        tap.equal(number(client, PC), 0xfff0)
        for rip in 0xe000, 0xe002, RIP[LOOP], RIP[STORE], RIP[LOAD], RIP[JUMP], RIP[LOOP], RIP[STORE]:
            tap.equal(client.ask("s"), "T05thread:p01.01;")
            tap.equal(number(client, PC), rip)
        tap.equal(number(client, RAX), 2)
        tap.equal(client.ask("m500,2"), "0100")


def debug_registers():
    """With KVM there are four, and none that only reads come to: a debugger takes one for both then."""
    with running("kvm", "-S") as (guest, path):
        client = connect(guest, path)
        tap.equal(client.ask("Z3,600,2"), "")
        tap.equal([client.ask(f"Z{kind},{addr:x},{length:x}") for kind, addr, length in
                   ((2, 0x4ff, 9), (2, 0x500, 9), (1, linear(LOAD), 1), (4, 0x600, 3), (0, linear(JUMP), 1), (4, 0x600, 4),
                    (1, linear(JUMP), 1), (2, 0x500, 1 << 40), (0, 0xfee00000, 1))],
                  ["OK", "OK"] + ["E22"] * 7, "1 and 8 bytes, 8 and 1 bytes; then there is no room")
        tap.equal([client.ask("z2,4ff,9"), client.ask(f"Z1,{linear(STORE):x},1"), client.ask("Z2,602,2"),
                   client.ask("Z2,700,1")], ["OK", "OK", "OK", "E22"])
        # The others take no room from the one that is come to.
        tap.equal(client.ask("c"), "T05thread:p01.01;hwbreak:;")
        tap.equal(number(client, PC), RIP[STORE])


def watchpoints(accel):
    with running(accel, "-S") as (guest, path):
        client = connect(guest, path)
        cases = [(2, 0x500, "watch", LOAD), (2, 0x600, None, None), (3, 0x600, "rwatch", JUMP),
                 (3, 0x500, None, None), (4, 0x500, "awatch", LOAD), (4, 0x601, "awatch", JUMP)]
        for kind, addr, name, place in cases:
            tap.equal(client.ask(f"Z{kind},{addr:x},1"), "OK")
            tap.equal(client.ask(f"Z0,{linear(LOOP):x},1"), "OK")
            if name:
                reply = client.ask("c")
                if reply.endswith("swbreak:;"):
                    client.ask(f"z0,{linear(LOOP):x},1")
                    reply = client.ask("c")
                tap.equal((reply, number(client, PC)), (f"T05thread:p01.01;{name}:{addr:x};", RIP[place]))
            else:
                # A whole round without it: a breakpoint behind both accesses is come to.
                client.ask(f"z0,{linear(LOOP):x},1")
                client.ask("s")
                client.ask(f"Z0,{linear(LOOP):x},1")
                tap.equal(client.ask("c"), "T05thread:p01.01;swbreak:;")
            client.ask(f"z0,{linear(LOOP):x},1")
            tap.equal(client.ask(f"z{kind},{addr:x},1"), "OK")
            tap.equal(client.ask(f"z{kind},{addr:x},1"), "E22", "taken out twice")
        # The value is there when the store has stopped the CPU.
        client.ask("Z2,500,2")
        client.ask("c")
        tap.equal(struct.unpack("<H", bytes.fromhex(client.ask("m500,2")))[0], number(client, RAX) & 0xffff)


def memory(accel):
    with running(accel, "-S") as (guest, path):
        client = connect(guest, path)
        tap.equal(client.ask("M600,4:01020304"), "OK")
        tap.equal(client.ask(b"X604,4:#$}*"), "OK")
        tap.equal(client.ask("m600,8"), "01020304" + b"#$}*".hex())
        tap.equal(guest.qmp.command("human-monitor-command", **{"command-line": "xp /1wx 0x600"}).strip()[-10:],
                  "0x04030201")
        tap.equal(client.ask("X600,0:"), "OK")
        tap.equal(client.ask(f"M{linear(LOOP):x},1:90"), "E14", "a ROM")
        tap.equal(client.ask("mfee00000,4"), "E14", "a device")
        tap.equal(len(client.ask("m3fffffe,10")), 4, "up to the end of RAM")
        tap.equal(client.ask("M3fffffe,4:00000000"), "E14")
        tap.equal([client.ask(bad) for bad in ("m", "m1", "m1,", "mx,1", "M600,2:01", "X600,3:ab", "m" + "1" * 17 + ",1")],
                  ["E22"] * 7)
        tap.equal((client.ask("qqemu.PhyMemMode"), client.ask("Qqemu.PhyMemMode:1"), client.ask("qqemu.PhyMemMode")),
                  ("0", "OK", "1"))
        tap.equal(client.ask("m600,4"), "01020304")
        tap.equal(client.ask("Qqemu.PhyMemMode:2"), "E22")

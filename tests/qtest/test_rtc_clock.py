#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-rtc clock=: what the real-time clock shows after its machine stood, or was saved, for three seconds."""
import calendar
import tempfile
import time

import machine
import vm

import tap

AWAY = 3
HALT = b"\xfa\xf4"  # cli; hlt, at the reset vector
SECONDS, SECONDS_ALARM, MINUTES_ALARM, HOURS_ALARM, REG_B, REG_C = 0, 1, 3, 5, 0x0b, 0x0c


def rom(folder):
    with open(f"{folder}/rom", "wb") as file:
        file.write(HALT.rjust(65536 - 16 + len(HALT), b"\xf4").ljust(65536, b"\xf4"))
    return f"{folder}/rom"


def running(folder, *extra):
    return vm.Vm(machine.PROGRAM, accel="soft", memory="16M", serial=False, extra=["-bios", rom(folder), *extra])


def hmp(guest, line):
    return guest.qmp.command("human-monitor-command", **{"command-line": line})


def get(guest, register):
    hmp(guest, f"o /b 0x70 {register}")
    return int(hmp(guest, "i /b 0x71").split("=")[1], 16)


def put(guest, register, value):
    hmp(guest, f"o /b 0x70 {register}")
    hmp(guest, f"o /b 0x71 {value}")


def bcd(value):
    return (value >> 4) * 10 + (value & 15)


def shown(guest):
    """Seconds since 1970 that the clock shows, all read in the same second."""
    while True:
        second = get(guest, SECONDS)
        minute, hour, day, month, year, century = (bcd(get(guest, register)) for register in (2, 4, 7, 8, 9, 0x32))
        if get(guest, SECONDS) == second:
            return calendar.timegm((century * 100 + year, month, day, hour, minute, bcd(second)))


def behind(guest):
    """Seconds that it is behind the host at least; below 0: it is not."""
    before = int(time.time())
    found = shown(guest)
    if found > time.time() + 1:
        raise AssertionError(f"it shows {found}, which is to come")
    return before - 1 - found


def stands(clock, late):
    with tempfile.TemporaryDirectory() as folder, running(folder, "-rtc", f"base=utc,clock={clock}") as guest:
        guest.qmp.command("stop")
        time.sleep(AWAY)
        guest.qmp.command("cont")
        tap.equal(behind(guest) > 0, late, clock)


def saved(clock, late):
    with tempfile.TemporaryDirectory() as folder:
        with running(folder, "-rtc", f"clock={clock}") as guest:
            guest.qmp.command("migrate", uri=f"file:{folder}/state")
            vm.wait_until(lambda: guest.qmp.command("query-migrate")["status"] == "completed", "it is saved")
        time.sleep(AWAY)
        with running(folder, "-rtc", f"clock={clock}", "-incoming", f"file:{folder}/state") as guest:
            vm.wait_until(lambda: guest.qmp.command("query-status")["running"], "it goes on")
            tap.equal(behind(guest) > 0, late, clock)


def default():
    """What was set by the guest, or by base=, stays set; the clock goes on by the host's."""
    with tempfile.TemporaryDirectory() as folder, running(folder, "-rtc", "base=2001-02-03T04:05:06") as guest:
        guest.qmp.command("stop")
        first = shown(guest)
        time.sleep(AWAY)
        guest.qmp.command("cont")
        passed = shown(guest) - first
        tap.equal(AWAY <= passed, True, f"{passed} s have passed")
        tap.equal(time.gmtime(first).tm_year, 2001)


def alarm():
    """One that was due meanwhile comes when the machine goes on."""
    with tempfile.TemporaryDirectory() as folder, running(folder) as guest:
        guest.qmp.command("stop")
        put(guest, MINUTES_ALARM, 0xff)
        put(guest, HOURS_ALARM, 0xff)
        put(guest, REG_B, 0x22)
        passed = True
        while passed:
            second = (bcd(get(guest, SECONDS)) + 2) % 60
            put(guest, SECONDS_ALARM, second // 10 << 4 | second % 10)
            passed = get(guest, REG_C) & 0x20
        time.sleep(AWAY)
        guest.qmp.command("cont")
        tap.equal(get(guest, REG_C) & 0xa0, 0xa0, "it came")


tap.run([(f"{what.__name__}, clock={clock}", lambda what=what, clock=clock, late=late: what(clock, late))
         for what, clocks in ((stands, (("host", False), ("rt", False), ("vm", True))),
                              (saved, (("host", False), ("rt", True), ("vm", True))))
         for clock, late in clocks] + [("the default", default), ("an alarm", alarm)])

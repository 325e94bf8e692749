#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot Debian's kernel, add a DIMM to it while it runs, and take it back: demo.py BUILD-DIR.

Every step is one line that says what happened and how long it took. Exit status 0 only if all of
it happened."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/guest"))
import vm  # noqa: E402

GIB = 1 << 30
MIB = 1 << 20


def say(seconds, text):
    print(f"{seconds:8.3f} s  {text}", flush=True)


def memory(guest):
    zones = ", ".join(f"node {node} {zone} {size // MIB} MiB"
                      for (node, zone), size in sorted(guest.zones().items()))
    return guest.mem_total(), zones


def expect(condition, text):
    if not condition:
        sys.exit(f"demo: {text}")


def demo(build):
    with vm.Vm(f"{build}/dimmable", f"{build}/guest", accel="soft") as guest:
        say(guest.qmp.greeted - guest.started, "dimmable started: -m 2G,slots=8,maxmem=16G; QMP greeted")
        say(guest.wait_ready(), "the guest's first user-space line: " +
            guest.run("uname -sr") + ", Debian's own kernel")

        start = time.monotonic()
        before, zones = memory(guest)
        say(time.monotonic() - start, f"before: MemTotal {before // MIB} MiB; {zones}")

        seconds = guest.plug("d0", GIB)
        say(seconds, "device_add pc-dimm,id=d0 (1 GiB): the guest took it (_OST success)")
        start = time.monotonic()
        added, zones = memory(guest)
        say(time.monotonic() - start, f"with d0: MemTotal {added // MIB} MiB; {zones}")
        expect(added - before == GIB, f"MemTotal grew by {added - before} bytes, not by 1 GiB")
        expect(guest.zones().get((0, "Movable")) == GIB, "the DIMM is not in zone Movable")

        seconds = guest.unplug("d0")
        say(seconds, "device_del d0: the guest gave it back (_EJ0), DEVICE_DELETED")
        start = time.monotonic()
        after, zones = memory(guest)
        say(time.monotonic() - start, f"after: MemTotal {after // MIB} MiB; {zones}")
        expect(after == before, f"MemTotal is {after}, before it was {before}")

        start = time.monotonic()
        status = guest.power_off()
        say(time.monotonic() - start, f"the guest powered off; exit status {status}")
        expect(status == 0, f"exit status {status}")


def main():
    try:
        demo(sys.argv[1])
    except (RuntimeError, vm.Timeout, vm.QmpError, AssertionError, EOFError) as err:
        sys.exit(f"demo: {err}")


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""CPUs come and go while Debian's kernel runs: test_cpus.py BUILD-DIR MACHINE [NAME]. $ROUNDS (3): how often."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402
from clock import Clock  # noqa: E402

BUILD = sys.argv[1]
# May be changed by who imports this: tests/nested.
SETUP = {"machine": sys.argv[2] if len(sys.argv) > 2 else "pc", "accel": "soft", "kernel": "vmlinuz", "place": vm.Here}
ROUNDS = int(os.environ.get("ROUNDS", "3"))
MIB = 1 << 20
CPUS = "/sys/devices/system/cpu"
SEABIOS = "/usr/share/seabios/bios-256k.bin"
OVMF = "/usr/share/ovmf/OVMF.fd"


def start(*extra, cpus="1,maxcpus=4,sockets=4", memory="256M,slots=2,maxmem=2G", append=""):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel=SETUP["accel"], cpus=cpus, memory=memory,
                 extra=["-M", SETUP["machine"], *extra], append=f"{vm.APPEND} {append}", kernel=SETUP["kernel"],
                 place=SETUP["place"])


def machine(*extra, **options):
    guest = start(*extra, **options)
    try:
        guest.wait_ready()
    except BaseException:
        guest.close()
        raise
    return guest


def online(guest):
    return guest.run(f"cat {CPUS}/online")


def plug(guest, n, **props):
    """CPU @n, as the list of places says."""
    place = next(p for p in guest.qmp.command("query-hotpluggable-cpus") if p["props"]["socket-id"] == n)
    ids = {name: value for name, value in place["props"].items() if name != "node-id"}
    guest.qmp.command("device_add", driver=place["type"], id=f"c{n}", **ids, **props)


def add(guest, n, **props):
    """The same, up to where the guest runs on it."""
    plug(guest, n, **props)
    event = guest.qmp.event("ACPI_DEVICE_OST", device=f"c{n}", source=1)
    info = event["data"]["info"]
    tap.equal((info["slot-type"], info["slot"], info["status"]), ("CPU", str(n), 0))
    own = number(guest, n)
    guest.run(f"test $(cat {CPUS}/cpu{own}/online) = 1 || echo 1 > {CPUS}/cpu{own}/online")


def number(guest, n):
    """The guest numbers them as they come. This is its number of CPU @n."""
    return int(re.search(r"/cpu(\d+)/", guest.run(f"grep -l 'CPUS.C{n:03X}' {CPUS}/cpu*/firmware_node/path")).group(1))


def wait_gone(guest, own):
    guest.run(f"until [ ! -e {CPUS}/cpu{own} ]; do sleep 0.02; done")


def remove(guest, n):
    own = number(guest, n)
    guest.qmp.command("device_del", id=f"c{n}")
    guest.qmp.event("DEVICE_DELETED", device=f"c{n}")
    guest.qmp.event("ACPI_DEVICE_OST", slot=str(n), source=3, status=0)
    wait_gone(guest, own)


def compute(guest, n):
    """On that CPU only: its own time is spent."""
    own = number(guest, n)
    before = int(guest.run(f"grep ^cpu{own} /proc/stat").split()[1])
    guest.run(f"taskset {1 << own:x} sh -c 'until [ $(grep ^cpu{own} /proc/stat | cut -d\" \" -f2) -gt {before + 3} ]; "
              "do i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; done'")


def no_complaint(guest):
    """Nothing of the kernel's that says that something is wrong; CPUs have one time."""
    tap.equal(guest.run("dmesg | grep -E 'BUG:|WARNING: CPU|Call Trace|TSC warp|not responding' || true"), "")


def come_and_go():
    with machine() as guest:
        tap.equal(guest.run(f"cat {CPUS}/possible {CPUS}/present {CPUS}/online").split(), ["0-3", "0", "0"])
        for _ in range(ROUNDS):
            for n in (2, 1, 3):
                add(guest, n)
            tap.equal(online(guest), "0-3")
            tap.equal(sorted(line.split()[-1] for line in guest.run("grep '^initial apicid' /proc/cpuinfo").splitlines()),
                      ["0", "1", "2", "3"])
            tap.equal([cpu["cpu-index"] for cpu in guest.qmp.command("query-cpus-fast")], [0, 1, 2, 3])
            compute(guest, 3)
            for n in (2, 3, 1):
                remove(guest, n)
            tap.equal(online(guest), "0")
            tap.equal(len(guest.qmp.command("query-cpus-fast")), 1)
        no_complaint(guest)


def off_and_on():
    """By the guest alone, a hundred times where $ROUNDS says so; and ejected by it. Its time goes on as the host's does."""
    with machine() as guest:
        clock = Clock(guest)
        add(guest, 1)
        clock.check(guest, 0)
        for _ in range(ROUNDS):
            guest.run(f"echo 0 > {CPUS}/cpu1/online && echo 1 > {CPUS}/cpu1/online")
            clock.check(guest, 0)
        compute(guest, 1)
        guest.run("for d in /sys/bus/acpi/devices/ACPI0007:*; do "
                  "if [ $(cat $d/path) = '\\_SB_.CPUS.C001' ]; then echo 1 > $d/eject; fi; done")
        guest.qmp.event("DEVICE_DELETED", device="c1")
        wait_gone(guest, 1)
        clock.check(guest, 0)
        add(guest, 1)
        clock.check(guest, 0)
        tap.equal(online(guest), "0-1")
        no_complaint(guest)


def refused():
    """A guest that does not do it; then one that does."""
    with machine() as guest:
        add(guest, 1)
        guest.run("echo 0 > /sys/firmware/acpi/hotplug/processor/enabled")
        guest.qmp.command("device_del", id="c1")
        guest.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="c1")
        tap.equal(online(guest), "0-1")
        guest.run("echo 1 > /sys/firmware/acpi/hotplug/processor/enabled")
        remove(guest, 1)


def load():
    """Removed while it, and the others, have all to do; what ran on it goes on elsewhere."""
    with machine(cpus="2,maxcpus=4,sockets=4") as guest:
        guest.run("for i in 1 2 3 4; do sh -c 'while :; do i=0; while [ $i -lt 500 ]; do i=$((i+1)); done; "
                  "echo >> /tmp/work'$i'; done' > /dev/null 2>&1 & done")
        for _ in range(ROUNDS):
            for n in (2, 3):
                add(guest, n)
            for n in (3, 2):
                remove(guest, n)
        guest.run("for i in 1 2 3 4; do n=$(wc -l < /tmp/work$i); until [ $(wc -l < /tmp/work$i) -gt $n ]; "
                  "do sleep 0.05; done; done")
        tap.equal(online(guest), "0-1")
        no_complaint(guest)


def reset(guest):
    guest.qmp.command("system_reset")
    guest.log = b""
    guest.wait_ready()


def reboot():
    """Those that were plugged are there at the next boot; what was asked for is not any more."""
    with machine() as guest:
        add(guest, 1)
        plug(guest, 3)
        reset(guest)
        tap.equal(online(guest), "0-2", "the kernel counts those that are there")
        tap.equal(guest.run("dmesg | grep -c 'hotplug CPUs'"), "1")
        guest.qmp.drain()
        guest.qmp.command("device_del", id="c1")
        guest.qmp.event("DEVICE_DELETED", device="c1")
        wait_gone(guest, 1)


def moved():
    """To another program that was given the same CPUs, where it runs on all of them, and they go. One comes there, too."""
    with tempfile.TemporaryDirectory() as folder:
        uri = f"file:{folder}/state"
        with machine(cpus="2,maxcpus=4,sockets=4") as guest:
            add(guest, 3)
            guest.run("while :; do :; done > /dev/null 2>&1 & taskset -p 4 $! > /dev/null")
            kind = guest.qmp.command("query-hotpluggable-cpus")[0]["type"]
            guest.qmp.command("migrate", uri=uri)
            vm.wait_until(lambda: guest.qmp.command("query-migrate")["status"] in ("completed", "failed"), "the end")
            tap.equal(guest.qmp.command("query-migrate")["status"], "completed")
        with start("-device", f"{kind},id=c3,socket-id=3,core-id=0,thread-id=0", "-incoming", uri,
                   cpus="2,maxcpus=4,sockets=4") as guest:
            vm.wait_until(lambda: guest.qmp.command("query-status")["status"] == "running", "the machine runs")
            tap.equal(online(guest), "0-2")
            compute(guest, 3)
            add(guest, 2)
            compute(guest, 2)
            for n in (3, 2):
                remove(guest, n)
            tap.equal(online(guest), "0-1")
            no_complaint(guest)


def node():
    """A node of one DIMM and one CPU comes, is used, and goes whole."""
    numa = ("-numa", "node,nodeid=0,mem=256M", "-numa", "node,nodeid=1", "-numa", "cpu,node-id=0,socket-id=0",
            "-numa", "cpu,node-id=1,socket-id=1", "-numa", "cpu,node-id=1,socket-id=2",
            "-numa", "cpu,node-id=1,socket-id=3")
    nodes = "/sys/devices/system/node"
    with machine(*numa, append="memhp_default_state=online_movable") as guest:
        tap.equal(guest.run(f"cat {nodes}/online"), "0")
        for _ in range(ROUNDS):
            guest.plug("d0", 128 * MIB, node=1)
            add(guest, 1, **{"node-id": 1})
            tap.equal(guest.run(f"cat {nodes}/online {nodes}/node1/cpulist").split(), ["0-1", "1"])
            compute(guest, 1)
            guest.run("taskset 2 sh -c 'mkdir -p /mnt && mount -t tmpfs -o mpol=bind:1 none /mnt && "
                      "dd if=/dev/zero of=/mnt/file bs=1M count=32 && umount /mnt'")
            remove(guest, 1)
            guest.unplug("d0")
            guest.run(f"until [ $(cat {nodes}/online) = 0 ]; do sleep 0.02; done")
        no_complaint(guest)


def firmware(path):
    """Firmware counts the CPUs that are there, at each start."""
    if not os.path.exists(path):
        raise tap.Skip(f"there is no {path}: Debian's packages seabios and ovmf have it")
    with machine("-bios", path) as guest:
        tap.equal(online(guest), "0")
        add(guest, 1)
        add(guest, 2)
        reset(guest)
        tap.equal(online(guest), "0-2")
        tap.equal(guest.run(f"cat {CPUS}/possible"), "0-3")
        guest.qmp.drain()
        remove(guest, 2)


TESTS = [("come and go", come_and_go), ("off and on", off_and_on), ("refused", refused), ("load", load),
         ("reboot", reboot), ("moved", moved), ("node", node), ("seabios", lambda: firmware(SEABIOS)),
         ("ovmf", lambda: firmware(OVMF))]

if __name__ == "__main__":
    tap.run([test for test in TESTS if test[0] in sys.argv[3:] or not sys.argv[3:]])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's stress-ng, and its stress under numactl, in the guest while memory comes and goes: test_stress.py BUILD-DIR
[MACHINE]. stress-ng looks at what it has written (--verify). STRESS_SECONDS=1200 in the environment: at least so long it
runs, by the guest's clock."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MACHINE = sys.argv[2] if len(sys.argv) > 2 else "pc"
SECONDS = int(os.environ.get("STRESS_SECONDS", "20"))
MIB = 1 << 20
HANGS = 600
DRIVERS = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_mem"]
# Two nodes, of which the second has what comes: a virtio-mem, and DIMMs. Those of node 0 are stress-ng's.
MEMORY = "1G,slots=8,maxmem=8G"
NODES = ["-object", "memory-backend-ram,id=ram0,size=1G", "-numa", "node,nodeid=0,memdev=ram0,cpus=0-1", "-numa", "node,nodeid=1",
         "-object", "memory-backend-ram,id=mv0,size=1G", "-device", "virtio-mem-pci,id=v0,memdev=mv0,node=0,requested-size=0"]
# --vm is in all 40 % of what is available. The others have as much as leaves room for it: nothing is to be killed.
LOADS = ("--vm 9 --vm-bytes 40% --page-in", "--malloc 2 --malloc-bytes 64K --malloc-max 1024", "--mmap 2 --mmap-bytes 32M")


class Guest(vm.Vm):
    """It knows what memory it should have."""

    def __init__(self, folder):
        super().__init__(f"{BUILD}/dimmable", folder, accel="soft", memory=MEMORY, cpus=2, extra=["-M", MACHINE, *NODES])
        self.dimms = {}
        self.wait_ready()
        for driver in DRIVERS:
            self.run(f"insmod /lib/modules/{driver}.ko")
        self.run("renice -n -20 $$")  # what looks does not wait for what it looks at, which has 0
        self.total = self.mem_total()

    def virtio_mem(self):
        return self.qmp.command("qom-get", path="/machine/peripheral/v0", property="size")

    def agree(self):
        """The kernel has the memory of the DIMMs, and what virtio-mem has at this time. It puts that online a little later."""
        return self.mem_total() == self.total + self.virtio_mem() + sum(self.dimms.values())

    def check(self):
        """The monitor and the kernel count the same."""
        vm.wait_until(self.agree, f"MemTotal of {self.total} and {self.dimms}", HANGS)
        found = {entry["data"]["id"]: entry["data"] for entry in self.qmp.command("query-memory-devices")}
        tap.equal({name: found[name]["size"] for name in found if name != "v0"}, self.dimms, "DIMMs")
        tap.equal({found[name]["state"] for name in self.dimms}, {"online"} if self.dimms else set(), "states of DIMMs")

    def dimm(self, name, size, node=0):
        self.plug(name, size, node=node)
        self.dimms[name] = size
        self.check()

    def take(self, name):
        self.unplug(name, HANGS)
        del self.dimms[name]
        self.check()

    def want(self, size):
        self.qmp.command("qom-set", path="/machine/peripheral/v0", property="requested-size", value=size)

    def has(self, size):
        vm.wait_until(lambda: self.virtio_mem() == size, f"{size} bytes of virtio-mem", HANGS)
        self.check()

    def used(self, node, zone):
        """Bytes of the zone that somebody uses."""
        text = self.run(f"grep -A12 'Node {node}, zone *{zone}' /proc/zoneinfo")
        managed, free = (int(re.search(rf"{word} +(\d+)", text).group(1)) for word in ("managed", "pages free"))
        return (managed - free) * 4096

    def hits(self, node):
        """Bytes that have ever been taken from the node by those that wanted them there."""
        return 4096 * int(re.search(r"numa_hit (\d+)", self.run(f"cat /sys/devices/system/node/node{node}/numastat")).group(1))

    def check_kernel(self):
        """No complaint, and nobody was killed for want of memory."""
        tap.equal(self.run("dmesg | grep -iE 'bug:|oops|call trace|out of memory|killed process|bad page'", check=False), "")


def start():
    """A context manager for the folder with the guest's files."""
    folder = tempfile.TemporaryDirectory(dir=f"{BUILD}/guest")
    try:
        programs.copy(("stress-ng", "stress", "numactl"), f"{folder.name}/programs")
        programs.initrd(f"{BUILD}/guest/initrd-more", f"{folder.name}/programs", f"{folder.name}/initrd")
        os.symlink(os.path.abspath(f"{BUILD}/guest/vmlinuz"), f"{folder.name}/vmlinuz")
    except BaseException:
        folder.cleanup()
        raise
    return folder


def round_of(guest, number):
    """DIMMs and virtio-mem come, stress-ng's pages are in them, and they go: virtio-mem in parts, as Linux finds the time."""
    size = (128, 256, 512)[number % 3] * MIB
    guest.dimm("d0", size)
    vm.wait_until(lambda: guest.used(0, "Movable") >= 32 * MIB, "stress-ng uses the DIMM", HANGS)
    guest.want(size)
    vm.wait_until(lambda: guest.virtio_mem() == size, "virtio-mem grows", HANGS)
    guest.dimm("d1", 128 * MIB)
    guest.take("d0")
    guest.want(0)
    guest.take("d1")


def uptime(guest):
    return float(guest.run("cat /proc/uptime").split()[0])


class Program:
    """One that goes on in the guest until it is told that its time is up."""

    def __init__(self, guest, command):
        self.guest = guest
        guest.run(f"rm -f /tmp/status; (sh -c 'echo $$ > /tmp/pid; renice -n 20 $$; exec {command}' > /tmp/said 2>&1; "
                  "echo $? > /tmp/status) < /dev/null & echo")
        vm.wait_until(lambda: self.status() or guest.run("grep -c dispatching /tmp/said", check=False) == "1", "it begins", HANGS)

    def status(self):
        return self.guest.run("cat /tmp/status 2>/dev/null", check=False)

    def end(self, kill):
        """It is still there; @kill: how its time-out would end it. What it has said, if it was content."""
        guest = self.guest
        tap.equal(self.status(), "", f"it has ended: {guest.run('cat /tmp/said')}")
        guest.run(kill)
        vm.wait_until(self.status, "it ends", HANGS)
        said = guest.run("cat /tmp/said")
        tap.equal((self.status(), "successful run completed" in said), ("0", True), said)
        return said


def stress_ng():
    """All the time memory comes and goes; what stress-ng has written is what it reads, and it ends as it should."""
    with start() as folder, Guest(folder) as guest:
        program = Program(guest, f"stress-ng {' '.join(LOADS)} --verify --metrics-brief --timeout 0")
        rounds, end = 0, uptime(guest) + SECONDS
        while rounds == 0 or uptime(guest) < end:
            round_of(guest, rounds)
            rounds += 1
        said = program.end("kill -INT $(cat /tmp/pid)")
        print("".join(f"# {line}\n" for line in (f"{rounds} rounds", *said.splitlines())), end="", flush=True)
        for size in (128 * MIB, 0):  # now it all goes
            guest.want(size)
            guest.has(size)
        guest.check_kernel()


def stress_in_node():
    """stress is bound to the memory of a node that has just come, and that goes when it has ended."""
    with start() as folder, Guest(folder) as guest:
        for size in (128, 256):
            guest.dimm("d0", size * MIB, node=1)
            tap.equal(re.search(r"node 1 size: (\d+) MB", guest.run("numactl -H")).group(1), str(size))
            before = guest.hits(1)
            program = Program(guest, "numactl --membind=1 stress --vm 2 --vm-bytes 32M")
            vm.wait_until(lambda least=before + 128 * MIB: guest.hits(1) >= least, "both use node 1 over and over", HANGS)
            program.end("p=$(cat /tmp/pid); kill -ALRM $(cat /proc/$p/task/$p/children)")
            guest.take("d0")
        tap.equal(guest.run("numactl --membind=1 true 2>&1 && echo bound", check=False).endswith("bound"), False)
        guest.check_kernel()


tap.run([(f"{MACHINE}: stress-ng while memory comes and goes", stress_ng),
         (f"{MACHINE}: stress in a node that has just come", stress_in_node)])

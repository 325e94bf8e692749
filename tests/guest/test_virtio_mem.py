#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio-mem as Debian's kernel sees it: test_virtio_mem.py BUILD-DIR [MACHINE [NAME]]. Its memory grows and shrinks as it
is asked to, in two nodes, over a reboot and over a migration."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
# May be changed by who imports this: tests/nested.
SETUP = {"machine": sys.argv[2] if len(sys.argv) > 2 else "pc", "accel": "soft", "kernel": "vmlinuz", "place": vm.Here}
MIB = 1 << 20
MOST = 512 * MIB
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_mem"]
MEMORY = ["-numa", "node,mem=192M,cpus=0", "-numa", "node,mem=192M"]
DEVICES = [word for n in range(2) for word in (
    "-object", f"memory-backend-memfd,id=m{n},size={MOST}",
    "-device", f"virtio-mem-pci,id=v{n},memdev=m{n},node={n},requested-size={128 * MIB * (1 - n)},"
               f"dynamic-memslots={('off', 'on')[n]}")]


def machine(*extra):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", initrd="initrd-more", accel=SETUP["accel"], memory="384M,slots=2,maxmem=4G",
                 kernel=SETUP["kernel"], place=SETUP["place"], extra=["-M", SETUP["machine"], *MEMORY, *extra])


def load(guest):
    for module in MODULES:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)


def sizes(guest):
    return {d["data"]["id"]: d["data"]["size"] for d in guest.qmp.command("query-memory-devices")}


def movable(guest):
    """{node: bytes} in zone Movable."""
    return {node: size for (node, zone), size in guest.zones().items() if zone == "Movable"}


def mapped(guest):
    """Bytes of the device with dynamic-memslots that are in the memory map, in whichever views: pieces of 128 MiB of which the guest has
    something."""
    text = guest.qmp.command("human-monitor-command", **{"command-line": "info mtree -f"})
    return sum(int(last, 16) + 1 - int(first, 16) for first, last in
               set(re.findall(r"^ *([0-9a-f]{16})-([0-9a-f]{16}) .*: m1\b", text, re.M)))


class Guest:
    """What the kernel has without virtio-mem, and that it has so much more."""

    def __init__(self, guest):
        self.guest = guest
        self.total = guest.mem_total()

    def has(self, *wanted):
        """Each device has @wanted bytes, as the device, the monitor and the kernel tell."""
        guest, expected = self.guest, {f"v{n}": size for n, size in enumerate(wanted)}
        vm.wait_until(lambda: sizes(guest) == expected, f"sizes {expected}, {sizes(guest)}", timeout=300)
        tap.equal(guest.qmp.command("query-memory-size-summary")["plugged-memory"], sum(wanted))
        # The kernel puts it online a little later.
        vm.wait_until(lambda: guest.mem_total() == self.total + sum(wanted), f"MemTotal with {wanted}", timeout=300)

    def want(self, ident, size):
        self.guest.qmp.command("qom-set", path=f"/machine/peripheral/{ident}", property="requested-size", value=size)


def up_and_down():
    """More, all, less, nothing: the zones of both nodes follow. A reboot begins with what is asked for then."""
    with machine(*DEVICES) as guest:
        guest.wait_ready()
        tap.equal(sizes(guest), {"v0": 0, "v1": 0})
        it = Guest(guest)
        load(guest)
        it.has(128 * MIB, 0)
        it.want("v1", MOST)
        it.has(128 * MIB, MOST)
        tap.equal(movable(guest), {0: 128 * MIB, 1: MOST})
        tap.equal(mapped(guest), MOST, "bytes in the memory map")
        it.want("v0", 258 * MIB)  # not whole blocks of Linux
        it.has(258 * MIB, MOST)
        it.want("v1", 64 * MIB)
        it.has(258 * MIB, 64 * MIB)
        tap.equal(64 * MIB <= mapped(guest) < MOST, True, f"{mapped(guest)} bytes in the memory map")
        guest.qmp.event("MEMORY_DEVICE_SIZE_CHANGE", id="v1", size=64 * MIB)
        it.want("v0", 0)
        it.has(0, 64 * MIB)
        guest.serial.send(b"reboot -f\n")
        guest.qmp.event("RESET")
        guest.wait_ready()
        tap.equal(sizes(guest), {"v0": 0, "v1": 0})
        it = Guest(guest)
        load(guest)
        it.has(0, 64 * MIB)
        it.want("v1", 0)
        it.has(0, 0)
        tap.equal(mapped(guest), 0, "bytes in the memory map")


def moved():
    """What is in it goes with the machine, and it shrinks and grows at the other end; one that came while the
    machine ran leaves when it is empty."""
    with tempfile.TemporaryDirectory() as folder:
        uri = f"unix:{folder}/s"
        with machine(*DEVICES) as here, machine(*DEVICES, "-incoming", uri) as there:
            here.wait_ready()
            it = Guest(here)
            load(here)
            it.want("v0", 256 * MIB)
            it.want("v1", 128 * MIB)
            it.has(256 * MIB, 128 * MIB)
            here.run("mkdir /tmp/far && mount -t tmpfs -o size=100M,mpol=bind:1 far /tmp/far && "
                     "head -c 60000000 /dev/urandom > /tmp/far/pattern", timeout=120)
            wanted = here.run("md5sum /tmp/far/pattern", timeout=120)
            here.qmp.command("migrate", uri=uri)
            there.qmp.event("RESUME", timeout=300)
            total = here.qmp.command("query-migrate")["ram"]["total"]
            tap.equal(total < (384 + 384 + 16) * MIB, True, f"{total} bytes of RAM, with what is not plugged")
            it.guest = there
            it.has(256 * MIB, 128 * MIB)
            tap.equal(there.run("md5sum /tmp/far/pattern", timeout=120), wanted, "the pattern")
            there.run("umount /tmp/far")
            it.want("v1", 0)
            it.want("v0", 384 * MIB)
            it.has(384 * MIB, 0)
            tap.equal(there.run("dmesg | grep -ciE 'bug:|oops|call trace|bad page'", check=False), "0", "complaints")


def moved_meanwhile():
    """It is asked for more, takes it, and gives some back, while the machine goes to another program: that has it so. DIMMs
    neither come nor go meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        uri = f"unix:{folder}/s"
        words = [*DEVICES, "-object", f"memory-backend-ram,id=d,size={128 * MIB}"]
        with machine(*words) as here, machine(*words, "-incoming", uri) as there:
            here.wait_ready()
            it = Guest(here)
            load(here)
            it.has(128 * MIB, 0)
            here.qmp.command("migrate-set-parameters", **{"max-bandwidth": 200000})
            here.qmp.command("migrate", uri=uri)
            vm.wait_until(lambda: here.qmp.command("query-migrate").get("status") == "active", "it goes")
            it.want("v1", 256 * MIB)
            it.has(128 * MIB, 256 * MIB)
            it.want("v0", 0)
            it.has(0, 256 * MIB)
            try:
                here.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="d")
            except vm.QmpError as error:
                tap.equal("the machine is being migrated" in error.desc, True, error.desc)
            else:
                raise AssertionError(f"a DIMM came: {here.qmp.command('query-migrate')}")
            here.run("mkdir /tmp/far && mount -t tmpfs -o size=100M,mpol=bind:1 far /tmp/far && "
                     "head -c 60000000 /dev/urandom > /tmp/far/pattern", timeout=120)
            wanted = here.run("md5sum /tmp/far/pattern", timeout=120)
            tap.equal(here.qmp.command("query-migrate")["status"], "active", "all of that while it goes")
            here.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0})
            there.qmp.event("RESUME", timeout=300)
            it.guest = there
            it.has(0, 256 * MIB)
            tap.equal(there.run("md5sum /tmp/far/pattern", timeout=120), wanted, "the pattern")
            there.run("umount /tmp/far")
            it.want("v0", 128 * MIB)
            it.want("v1", 0)
            it.has(128 * MIB, 0)
            tap.equal(there.run("dmesg | grep -ciE 'bug:|oops|call trace|bad page'", check=False), "0", "complaints")


if __name__ == "__main__":
    tap.run([(f"{SETUP['machine']}: {name}", test) for name, test in (
        ("up and down", up_and_down), ("moved", moved), ("moved meanwhile", moved_meanwhile))
        if name in sys.argv[3:] or not sys.argv[3:]])

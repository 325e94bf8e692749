#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory of every kind under libvirt: test_libvirt_memory.py BUILD-DIR GROUP. The groups are in the table at the
end."""
import concurrent.futures
import os
import sys

import libvirtd
from libvirtd import tap
import domains
from domains import BOOT, DIMM, MIB, Guest, memories, monitor, said, wait_text
import vm

BUILD = os.path.abspath(sys.argv[1])
SESSION = None
LABELS = 128 << 10
NVDIMM = 64 * MIB
VMEM, REQUESTED = 256 * MIB, 128 * MIB
MODULES = ("libnvdimm", "nd_btt", "nd_pmem", "nfit", "virtio_mem")


def dimm_xml(size=DIMM, address="", node=0):
    return (f"<memory model='dimm'><target><size unit='B'>{size}</size><node>{node}</node></target>"
            f"{address}</memory>\n")


def nvdimm_xml(name):
    with open(f"{SESSION.dir}/{name}", "ab") as file:
        file.truncate(NVDIMM)
    return (f"<memory model='nvdimm' access='shared'><source><path>{SESSION.dir}/{name}</path></source><target>"
            f"<size unit='B'>{NVDIMM}</size><node>0</node><label><size unit='B'>{LABELS}</size></label></target></memory>\n")


def vmem_xml(requested):
    return (f"<memory model='virtio-mem'><target><size unit='B'>{VMEM}</size><node>0</node>"
            f"<block unit='MiB'>2</block><requested unit='B'>{requested}</requested></target></memory>\n")


def attach(name, xml, *args):
    return SESSION.virsh("attach-device", name, SESSION.write("device.xml", xml), *args)


def detach(name, alias):
    """virsh waits for nobody then; an error that it has all the same."""
    return said(SESSION, "detach-device-alias", name, alias)


def detach_and_wait(name, alias):
    """virsh waits for the guest, five seconds and no longer: an error that it has heard until then."""
    memory, = [memory for memory in SESSION.dumpxml(name).findall("devices/memory") if memory.find("alias").get("name") == alias]
    xml = libvirtd.ElementTree.tostring(memory, encoding="unicode")
    return said(SESSION, "detach-device", name, SESSION.write(f"{alias}.xml", xml))


# ---- all kinds in one machine ----

class Mixed:
    """One domain with a DIMM, an NVDIMM and a virtio-mem from the start, and one more of each that come. Its parts
    are tests that build on each other."""
    NAME = "mixed"

    def __init__(self):
        self.guest, self.total, self.events = None, 0, None
        self.there = []   # memories() as they should be
        self.memory = 0   # what the kernel has of them

    def tests(self):
        return [(part.__name__.replace("_", " "), part) for part in (
            self.start, self.attach, self.grow, self.pause, self.daemon_restart, self.save_and_restore,
            self.managed_save, self.reboot, self.refused_removals, self.removals, self.destroy_and_start, self.log)]

    def check(self):
        """libvirt, the monitor and the kernel agree."""
        vm.wait_until(lambda: memories(SESSION, self.NAME) == self.there,
                      f"{self.there}; there is {memories(SESSION, self.NAME)}")
        found = {device["data"]["id"]: device["data"] for device in monitor(SESSION, self.NAME, "query-memory-devices")}
        tap.equal(set(found), {alias for _, alias, *_ in self.there}, "devices of the monitor")
        for model, alias, slot, base, size, current in self.there:
            if model == "virtio-mem":
                tap.equal((found[alias]["max-size"], found[alias]["size"]), (size, current), alias)
            else:
                tap.equal((found[alias]["slot"], found[alias]["addr"]), (int(slot), base), alias)
        vm.wait_until(lambda: self.guest.mem_total() == self.total + self.memory,
                      f"MemTotal with {self.memory} more, it is {self.guest.mem_total() - self.total}")
        tap.equal(int(self.guest.run("ls /dev | grep -c '^pmem'", check=False)),
                  sum(model == "nvdimm" for model, *_ in self.there), "NVDIMMs in the guest")

    def load(self):
        self.guest.wait_ready()
        for module in domains.VIRTIO:
            self.guest.run(f"insmod /lib/modules/{module}.ko")
        for module in MODULES:
            self.guest.run(f"insmod /{module}.ko")

    def xml(self):
        return domains.domain_xml(SESSION, self.NAME, "q35", changes={
            domains.NO_BALLOON: domains.NO_BALLOON + dimm_xml() + nvdimm_xml("cold") + vmem_xml(REQUESTED)})

    def start(self):
        domains.define(SESSION, self.NAME, self.xml())
        SESSION.virsh("start", self.NAME)
        self.guest = Guest(SESSION, self.NAME)
        self.load()
        self.there = [("dimm", "dimm0", "0", 4 << 30, DIMM, None),
                      ("nvdimm", "nvdimm1", "1", (4 << 30) + DIMM, NVDIMM, None),
                      ("virtio-mem", "virtiomem0", None, None, VMEM, REQUESTED)]
        self.memory = DIMM + REQUESTED
        vm.wait_until(lambda: memories(SESSION, self.NAME) == self.there, "the virtio-mem has what it is to have")
        vm.wait_until(lambda: self.guest.zones().get((0, "Movable")) == self.memory, "all is movable")
        self.total = self.guest.mem_total() - self.memory
        tap.equal(BOOT - 128 * MIB < self.total < BOOT, True, f"boot memory {self.total}")
        self.check()

    def attach(self):
        attach(self.NAME, dimm_xml())
        attach(self.NAME, nvdimm_xml("hot"))
        attach(self.NAME, vmem_xml(0))
        # Each at the lowest place that is free and aligned as its kind wants it.
        self.there = [*self.there[:3], ("dimm", "dimm2", "2", 0x128000000, DIMM, None),
                      ("nvdimm", "nvdimm3", "3", 0x113e00000, NVDIMM, None),
                      ("virtio-mem", "virtiomem1", None, None, VMEM, 0)]
        self.memory += DIMM
        self.check()

    def want(self, number, size):
        """Until libvirt has heard that the guest has it."""
        SESSION.virsh("update-memory-device", self.NAME, "--live", "--alias", f"virtiomem{number}",
                      "--requested-size", f"{size}B")
        place, = [n for n, memory in enumerate(self.there) if memory[1] == f"virtiomem{number}"]
        self.memory += size - self.there[place][5]
        self.there[place] = (*self.there[place][:5], size)
        self.check()

    def grow(self):
        """By update-memory-device; what is too much is refused."""
        self.events = SESSION.watch("event", self.NAME, "--all", "--loop", "--timestamp")
        self.want(1, 64 * MIB)
        self.want(0, VMEM)
        self.want(0, REQUESTED)
        for alias, size, words in (("virtiomem0", "512M", "requested size must be smaller"),
                                   ("virtiomem0", "3M", "requested size must be an integer multiple of block size"),
                                   ("dimm0", "128M", "virtio-mem device is missing")):
            SESSION.refused(words, "update-memory-device", self.NAME, "--live", "--alias", alias, "--requested-size", size)
        self.check()

    def pause(self):
        SESSION.virsh("suspend", self.NAME)
        tap.equal(SESSION.state(self.NAME), "paused")
        SESSION.virsh("resume", self.NAME)
        self.check()

    def daemon_restart(self):
        """While a virtio-mem changes: the next daemon knows what it has then."""
        SESSION.end_helpers()
        pids = SESSION.emulators()
        SESSION.virsh("update-memory-device", self.NAME, "--live", "--alias", "virtiomem1", "--requested-size", "0")
        SESSION.restart()
        tap.equal(SESSION.emulators(), pids)
        self.want(1, 0)

    def comes_back(self, *args):
        tap.equal(SESSION.state(self.NAME), "shut off")
        self.guest.close()
        SESSION.virsh(*args)
        tap.equal(SESSION.state(self.NAME), "running")
        self.guest = Guest(SESSION, self.NAME)
        self.check()

    def save_and_restore(self):
        SESSION.virsh("save", self.NAME, f"{SESSION.dir}/saved")
        self.comes_back("restore", f"{SESSION.dir}/saved")
        os.unlink(f"{SESSION.dir}/saved")

    def managed_save(self):
        SESSION.virsh("managedsave", self.NAME)
        self.comes_back("start", self.NAME)
        self.want(1, 64 * MIB)

    def reboot(self):
        """What came is there at the next boot; a virtio-mem has nothing until its driver runs."""
        self.guest.serial.send(b"reboot -f\n")
        total = self.total
        self.load()
        vm.wait_until(lambda: memories(SESSION, self.NAME) == self.there, "each virtio-mem has what it is to have")
        # Of the DIMM that had come the kernel keeps its account in boot memory now.
        def other():
            self.total = self.guest.mem_total() - self.memory
            return total - 16 * MIB < self.total <= total
        vm.wait_until(other, f"MemTotal with {self.memory}")
        self.check()

    def refused_removals(self):
        for alias, words in (("virtiomem0", "virtio-mem device cannot get unplugged while some of its memory is still plugged"),
                             ("nvdimm1", "nvdimm"), ("nvdimm3", "nvdimm"),
                             ("dimm7", "no device found")):
            SESSION.refused(words, "detach-device-alias", self.NAME, alias)
        SESSION.refused("device not found", "detach-device", self.NAME,
                        SESSION.write("device.xml", dimm_xml(2 * DIMM)))
        self.check()

    def goes(self, alias):
        tap.equal(detach(self.NAME, alias), None)
        memory, = [memory for memory in self.there if memory[1] == alias]
        self.there.remove(memory)
        self.memory -= memory[4] if memory[0] == "dimm" else 0
        self.check()

    def removals(self):
        self.want(0, 0)
        self.want(1, 0)
        for alias in "virtiomem1", "dimm2", "virtiomem0", "dimm0":
            self.goes(alias)

    def destroy_and_start(self):
        """What came and went did so live only: the domain is as it was defined."""
        SESSION.virsh("destroy", self.NAME)
        self.guest.close()
        attach(self.NAME, dimm_xml(), "--config")
        SESSION.virsh("start", self.NAME, "--paused")
        tap.equal([memory[0] for memory in memories(SESSION, self.NAME)], ["dimm", "nvdimm", "virtio-mem", "dimm"])
        SESSION.virsh("destroy", self.NAME)
        SESSION.virsh("undefine", self.NAME)

    def log(self):
        """libvirtd minded no answer but those that it was to."""
        tap.equal(SESSION.refusals(), {"device_del"})


# ---- places, slots and sizes, of domains that are paused ----

BASES = (0x100000000, 0x11f000000, 0x140000000, 0x200000000, 0x400000000)


def address(slot, base=None):
    return f"<address type='dimm' slot='{slot}'" + (f" base='{base:#x}'/>" if base else "/>")


def create(name, devices=""):
    xml = domains.domain_xml(SESSION, name, "q35", changes={domains.NO_BALLOON: domains.NO_BALLOON + devices})
    return "create", "--paused", SESSION.write(f"{name}.xml", xml)


def bases():
    """A DIMM at each, from the start and attached."""
    for base in BASES:
        dimm = dimm_xml(address=address(3, base))
        SESSION.virsh(*create("cold", dimm))
        SESSION.virsh(*create("hot"))
        attach("hot", dimm)
        for name in "cold", "hot":
            tap.equal(memories(SESSION, name), [("dimm", "dimm3", "3", base, DIMM, None)], name)
            SESSION.virsh("destroy", name)


ODD_SIZE = dimm_xml(3 * MIB)
# What is wrong with a DIMM beside one of 256 MiB in slot 3 at 0x140000000, and the words of the refusal.
REFUSED = [
    ("the same slot", dimm_xml(address=address(3)), "memory device slot '3' is already being used by another memory device"),
    ("the same address", dimm_xml(address=address(4, 0x140000000)), "memory device base '0x140000000' is already being used"),
    ("an address in it", dimm_xml(address=address(4, 0x148000000)), "address range conflicts"),
    ("a slot beyond the last", dimm_xml(address=address(8)), "memory device slot '8' exceeds slots count '8'"),
    ("an address that is odd", dimm_xml(address=address(4, 0x180000001)), "address must be aligned to"),
    ("an address below the window", dimm_xml(address=address(4, 0x10000000)), "can't add memory"),
    ("an address beyond it", dimm_xml(address=address(4, 0x4000000000)), "can't add memory"),
    ("no bytes", dimm_xml(0), "property 'size' of memory-backend-ram doesn't take value '0'"),
    ("a size that is no whole pages", ODD_SIZE, "memory size must be"),
    ("a node that there is not", dimm_xml(node=2), "can't add memory backend for guest node '2'"),
]
TOO_MUCH = dimm_xml(16 << 30)


def refused_attaches():
    SESSION.virsh(*create("hot", dimm_xml(address=address(3, 0x140000000))))
    for what, xml, words in REFUSED:
        print(f"# {what}")
        SESSION.refused(words, "attach-device", "hot", SESSION.write("device.xml", xml))
    SESSION.refused("would exceed domain's maxMemory config size", "attach-device", "hot",
                    SESSION.write("device.xml", TOO_MUCH))
    tap.equal(memories(SESSION, "hot"), [("dimm", "dimm3", "3", 0x140000000, DIMM, None)])
    tap.equal(len(monitor(SESSION, "hot", "query-memory-devices")), 1)
    tap.equal(len(monitor(SESSION, "hot", "query-memdev")), 2)
    SESSION.virsh("destroy", "hot")


def refused_starts():
    for what, xml, words in REFUSED:
        if xml == ODD_SIZE:
            continue  # libvirt makes whole pages of it
        print(f"# {what}")
        SESSION.refused(words, *create("cold", dimm_xml(address=address(3, 0x140000000)) + xml))
    SESSION.refused("maximum memory size must be equal or greater than the actual memory size", *create("cold", TOO_MUCH))
    tap.equal(SESSION.virsh("list", "--all", "--name"), "")


def slots():
    """256 slots: one DIMM from the start, 255 attached, and no one more, until one has gone."""
    xml = domains.domain_xml(SESSION, "slots", "q35", changes={
        domains.SLOTS: "<maxMemory slots='256' unit='GiB'>64</maxMemory>",
        domains.NO_BALLOON: domains.NO_BALLOON + dimm_xml(128 * MIB)})
    SESSION.virsh("create", "--paused", SESSION.write("slots.xml", xml))
    path = SESSION.write("device.xml", dimm_xml(128 * MIB))
    SESSION.virsh(";".join([f"attach-device slots {path}"] * 255), timeout=600)
    tap.equal(memories(SESSION, "slots"), [
        ("dimm", f"dimm{n}", str(n), (4 << 30) + n * 128 * MIB, 128 * MIB, None) for n in range(256)])
    SESSION.refused("memory device count '257' exceeds slots count '256'", "attach-device", "slots", path)
    tap.equal(len(monitor(SESSION, "slots", "query-memory-devices")), 256)
    SESSION.restart()
    tap.equal(len(memories(SESSION, "slots")), 256)
    SESSION.virsh("destroy", "slots")


def log():
    tap.equal(SESSION.refusals(), {"object-add", "device_add"})


# ---- DIMMs in a guest with two nodes ----

TWO_NODES = ("<cell id='0' cpus='0' memory='384' unit='MiB'/><cell id='1' cpus='1' memory='128' unit='MiB'/>")
SOURCE = "<source><pagesize unit='KiB'>4</pagesize><nodemask>0</nodemask></source>"


class Dimms:
    """What Linux has at places that are given, in both nodes; removals that it refuses and accepts, and their events."""
    NAME = "dimms"

    def __init__(self):
        self.guest, self.total, self.events = None, 0, None

    def tests(self):
        return [("DIMMs at places, in nodes", self.places), ("a removal that is refused", self.refusal),
                ("removals that are accepted", self.removals)]

    def has(self, *sizes):
        vm.wait_until(lambda: self.guest.mem_total() == self.total + sum(sizes), f"MemTotal with {sizes}")
        for node, size in enumerate(sizes):
            tap.equal(self.guest.zones().get((node, "Movable"), 0), size, f"node {node}")

    def places(self):
        name = self.NAME
        xml = domains.domain_xml(SESSION, name, "pc", changes={domains.CELL: TWO_NODES})
        SESSION.virsh("create", SESSION.write("dimms.xml", xml))
        self.guest = Guest(SESSION, name)
        self.guest.wait_ready()
        self.total = self.guest.mem_total()
        self.events = SESSION.watch("event", name, "--all", "--loop")
        for slot, base in enumerate(BASES[2:]):
            attach(name, dimm_xml(128 * MIB, address(slot, base), node=slot % 2))
        attach(name, dimm_xml().replace("<target>", SOURCE + "<target>", 1))
        self.has(128 * MIB + 128 * MIB + DIMM, 128 * MIB)
        tap.equal([memory[1:4] for memory in memories(SESSION, name)],
                  [(f"dimm{n}", str(n), base) for n, base in enumerate((*BASES[2:], BASES[0]))])
        tap.equal([memory.findtext("source/nodemask") for memory in SESSION.dumpxml(name).findall("devices/memory")],
                  [None, None, None, "0"])

    def event(self, name, alias):
        wait_text(self.events, [f"event '{name}' for domain '{self.NAME}': {alias}\n"])

    def refusal(self):
        """The kernel may use one for itself."""
        name = self.NAME
        self.guest.run("echo online_kernel > /sys/devices/system/memory/auto_online_blocks")
        attach(name, dimm_xml(128 * MIB, address(7, 0x180000000), node=1))
        vm.wait_until(lambda: self.guest.zones().get((1, "Normal")), "zone Normal of node 1")
        vm.wait_until(lambda: self.guest.run("numa=/sys/devices/system/node/node1; mount -t tmpfs -o mpol=bind:1 none /tmp; "
                                             "cd /tmp; i=0; while [ $i -lt 400 ]; do mkdir -p $i/a/b/c/d/e/f/g; "
                                             "i=$((i+1)); done; cd /; echo done", timeout=120) == "done", "files")
        heard = detach_and_wait(name, "dimm7")
        self.event("device-removal-failed", "dimm7")
        domains.check_refusal(SESSION, "dimm7", heard)
        tap.equal(detach(name, "dimm7"), None)
        self.event("device-removal-failed", "dimm7")
        tap.equal(memories(SESSION, name)[-1][1], "dimm7")

    def removals(self):
        for alias in "dimm1", "dimm3", "dimm0", "dimm2":
            tap.equal(detach(self.NAME, alias), None)
            self.event("device-removed", alias)
        vm.wait_until(lambda: len(memories(SESSION, self.NAME)) == 1, "one DIMM stays")
        SESSION.refused("no device found with alias dimm1", "detach-device-alias", self.NAME, "dimm1")
        SESSION.refused("device not found", "detach-device", self.NAME, SESSION.write("device.xml", dimm_xml()))
        SESSION.virsh("destroy", self.NAME)
        self.guest.close()


# ---- refusals, when virsh waits and when it does not any more ----

class Refusals:
    """A domain that is paused, whose requests another client of its monitor withdraws: for libvirt that is a guest that refuses."""
    NAME = "refusals"

    def __init__(self):
        self.qmp, self.events, self.failures = None, None, 0

    def tests(self):
        return [("a domain with another monitor", self.start), ("a refusal while virsh waits", self.soon),
                ("a refusal when virsh has gone", self.late), ("a reset when virsh has gone", self.reset)]

    def start(self):
        path = f"{SESSION.dir}/second.qmp"
        xml = domains.domain_xml(SESSION, self.NAME, "q35", changes={
            "<domain type='qemu'>": "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>",
            "</domain>": f"<qemu:commandline><qemu:arg value='-qmp'/><qemu:arg value='unix:{path},server=on,wait=off'/>"
                         "</qemu:commandline></domain>"})
        SESSION.virsh("create", "--paused", SESSION.write("refusals.xml", xml))
        self.qmp = vm.Qmp(path)
        self.events = SESSION.watch("event", self.NAME, "--all", "--loop")

        def listens():  # which it does not tell
            SESSION.virsh("desc", self.NAME, "--live", "what makes an event")
            return os.path.getsize(self.events)
        vm.wait_until(listens, "it listens")
        for _ in range(2):
            attach(self.NAME, dimm_xml(128 * MIB))

    def failed(self, alias):
        """One more event than before, of this DIMM; both stay."""
        self.failures += 1
        wait_text(self.events, [r"event 'device-removal-failed' for domain"] * (self.failures - 1) +
                  [f"event 'device-removal-failed' for domain '{self.NAME}': {alias}\n"])
        tap.equal([memory[1] for memory in memories(SESSION, self.NAME)], ["dimm0", "dimm1"])

    def soon(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            heard = pool.submit(detach_and_wait, self.NAME, "dimm0")
            self.qmp.event("MEMORY_DEVICE_STATE_CHANGE", device="dimm0", state="unplug-requested")
            self.qmp.command("device_del", id="dimm0", cancel=True)
            self.failed("dimm0")
            domains.check_refusal(SESSION, "dimm0", heard.result())

    def late(self):
        for way in (detach_and_wait, detach):
            tap.equal(way(self.NAME, "dimm1"), None)
            self.qmp.command("device_del", id="dimm1", cancel=True)
            self.failed("dimm1")

    def reset(self):
        """What was asked for is withdrawn by a reset."""
        tap.equal(detach(self.NAME, "dimm1"), None)
        self.qmp.command("system_reset")
        self.failed("dimm1")
        self.qmp.sock.close()
        SESSION.virsh("destroy", self.NAME)


GROUPS = {
    "refusals": Refusals().tests(),
    "mixed": Mixed().tests(),
    "dimms": [("bases", bases), ("attaches that are refused", refused_attaches),
              ("domains that are refused", refused_starts), ("256 slots", slots), ("log", log)] + Dimms().tests(),
}


def main():
    global SESSION  # pylint: disable=global-statement
    tests = GROUPS[sys.argv[2]]
    try:
        with libvirtd.Libvirt(f"{BUILD}/dimmable") as SESSION:
            domains.make_guest(SESSION, BUILD, MODULES)
            tap.run(tests)
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory of every kind under libvirt: test_libvirt_memory.py BUILD-DIR GROUP. The groups are in the table at the
end."""
import os
import sys

import libvirtd
from libvirtd import tap
import domains
from domains import BOOT, DIMM, MIB, Guest, memories, monitor
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
    """virsh waits for a guest no longer than five seconds, and does not tell how it goes on: an error it may have
    heard until then."""
    try:
        SESSION.virsh("detach-device-alias", name, alias)
    except libvirtd.VirshError as err:
        return str(err)
    return None


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
        for helper in SESSION.helpers:
            helper.terminate()
            helper.wait(60)
        SESSION.helpers.clear()
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


GROUPS = {"mixed": Mixed().tests()}


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

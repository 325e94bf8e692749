#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""CPUs that come and go, the balloon, sleep and dumps under libvirt: test_libvirt_devices.py BUILD-DIR."""
import json
import os
import re
import sys

import libvirtd
from libvirtd import tap
import domains
from domains import BOOT, MIB, Guest, wait_text
import vm

BUILD = os.path.abspath(sys.argv[1])
SESSION = None
NAME = "devices"
BALLOON = """<memballoon model='virtio' autodeflate='on' freePageReporting='on'><stats period='1'/></memballoon>"""
# A Debian system, of whose programs the agent is one, and the agent's port.
IMAGE = f"{BUILD}/guest/debian.raw"
AGENT = """<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>
    <target dev='vda' bus='virtio'/><readonly/></disk>
    <channel type='unix'><source mode='bind'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"""
LESS = 400 * MIB
# What virsh dommemstat tells of a guest with the driver; swap_in and the like are 0 there.
STATS = {"actual", "swap_in", "swap_out", "major_fault", "minor_fault", "unused", "available", "usable", "last_update",
         "disk_caches", "hugetlb_pgalloc", "hugetlb_pgfail", "rss"}


class Devices:
    """One domain. Its parts are tests that build on each other."""

    def __init__(self):
        self.guest, self.events = None, None

    def tests(self):
        return [(part.__name__.replace("_", " "), part) for part in (
            self.start, self.cpus, self.cpus_refused, self.daemon_restart, self.balloon, self.statistics,
            self.free_pages, self.autodeflate, self.sleep, self.agent, self.agent_sleep, self.dumps, self.log)]

    def start(self):
        xml = domains.domain_xml(SESSION, NAME, "q35", changes={
            domains.CPUS: "<vcpu current='2'>4</vcpu>", "cpus='0-1'": "cpus='0-3'",
            domains.PM: "<pm><suspend-to-mem enabled='yes'/><suspend-to-disk enabled='no'/></pm>",
            domains.NO_BALLOON: BALLOON + AGENT.format(IMAGE) * os.path.exists(IMAGE)})
        domains.define(SESSION, NAME, xml)
        SESSION.virsh("start", NAME)
        self.guest = Guest(SESSION, NAME)
        self.guest.wait_ready()
        for module in (*domains.VIRTIO, "virtio_balloon"):
            self.guest.run(f"insmod /lib/modules/{module}.ko")
        self.events = SESSION.watch("event", NAME, "--all", "--loop")

    # ---- CPUs ----

    def has(self, present):
        """The guest's CPUs; those that come are put online, and compute. And libvirt's."""
        def there():
            return self.guest.run("cat /sys/devices/system/cpu/present") == present
        vm.wait_until(there, f"CPUs {present}")
        self.guest.run("for cpu in /sys/devices/system/cpu/cpu[1-9]; do [ $(cat $cpu/online) = 1 ] || echo 1 > $cpu/online; "
                       "done; for n in $(tr , ' ' < /sys/devices/system/cpu/online); do echo $n; done")
        tap.equal(self.guest.run("cat /sys/devices/system/cpu/online"), present, "online")
        count = sum(int(last or first) + 1 - int(first) for first, last in re.findall(r"(\d+)(?:-(\d+))?", present))
        tap.equal(SESSION.virsh("vcpucount", NAME, "--current", "--live"), str(count))
        tap.equal(SESSION.virsh("vcpuinfo", NAME).count("VCPU:"), count)

    def cpus(self):
        """All come, two go; one comes by its number."""
        self.has("0-1")
        SESSION.virsh("setvcpus", NAME, "4", "--live")
        self.has("0-3")
        self.leave("setvcpus", NAME, "2", "--live")
        self.has("0-1")
        SESSION.virsh("setvcpu", NAME, "3", "--enable", "--live")
        self.has("0-1,3")

    def leave(self, *args):
        """virsh waits for a guest no longer than five seconds."""
        try:
            SESSION.virsh(*args)
        except libvirtd.VirshError as err:
            tap.equal("timed out" in str(err), True, str(err))

    def cpus_refused(self):
        SESSION.refused("requested vcpus is greater than max allowable vcpus", "setvcpus", NAME, "5", "--live")
        SESSION.refused("vcpu '0' can't be unplugged", "setvcpu", NAME, "0", "--disable", "--live")
        SESSION.refused("vcpu '3' is already in requested state", "setvcpu", NAME, "3", "--enable", "--live")
        self.has("0-1,3")

    def daemon_restart(self):
        SESSION.end_helpers()
        SESSION.restart()
        self.events = SESSION.watch("event", NAME, "--all", "--loop")
        self.has("0-1,3")
        self.leave("setvcpu", NAME, "3", "--disable", "--live")
        self.has("0-1")

    # ---- the balloon ----

    def stats(self):
        return {key: int(value) for key, value in (line.split() for line in SESSION.virsh("dommemstat", NAME).splitlines())}

    def actual(self, size):
        vm.wait_until(lambda: self.stats()["actual"] * 1024 == size, f"{size} bytes, {self.stats()}")
        # libvirt keeps what events tell, of which there is at most one a second.
        vm.wait_until(lambda: int(SESSION.dumpxml(NAME).findtext("currentMemory")) * 1024 == size, f"currentMemory {size}")

    def balloon(self):
        """Live: the guest's free memory; and what the domain begins with the next time."""
        free = self.guest.free()
        SESSION.virsh("setmem", NAME, f"{LESS}B", "--live")
        self.actual(LESS)
        tap.equal(free - self.guest.free() > (BOOT - LESS) // 2, True, f"free memory, {free} before")
        wait_text(self.events, [f"event 'balloon-change' for domain '{NAME}': {LESS // 1024}"])
        SESSION.virsh("setmem", NAME, f"{BOOT}B", "--live")
        self.actual(BOOT)
        SESSION.virsh("setmem", NAME, f"{LESS}B", "--config")
        tap.equal(int(SESSION.dumpxml(NAME, "--inactive").findtext("currentMemory")) * 1024, LESS)
        SESSION.refused("cannot set memory higher than max memory", "setmem", NAME, "1G", "--live")

    def statistics(self):
        """All figures; the period is changed while it runs: 0 is never."""
        vm.wait_until(lambda: set(self.stats()) >= STATS, f"{STATS - set(self.stats())}")
        stats = self.stats()
        tap.equal(stats["available"] * 1024, self.guest.mem_total())
        tap.equal(stats["unused"] <= stats["available"] and stats["usable"] <= stats["available"], True, stats)
        SESSION.virsh("dommemstat", NAME, "--period", "0", "--live")
        tap.equal(SESSION.dumpxml(NAME).find("devices/memballoon/stats"), None)
        SESSION.virsh("dommemstat", NAME, "--period", "2", "--live")
        tap.equal(SESSION.dumpxml(NAME).find("devices/memballoon/stats").get("period"), "2")
        before = self.stats()["last_update"]
        vm.wait_until(lambda: self.stats()["last_update"] > before, "figures go on")

    def free_pages(self):
        """What the guest frees the host gets back, by free page reporting."""
        self.guest.run("mount -t tmpfs none /tmp; head -c 200000000 /dev/urandom > /tmp/file", timeout=120)
        with_file = self.stats()["rss"]
        self.guest.run("rm /tmp/file")
        vm.wait_until(lambda: self.stats()["rss"] < with_file - 100000, f"rss falls from {with_file}")

    def autodeflate(self):
        """A guest without memory takes pages out of the balloon before it kills a program."""
        total = self.guest.mem_total()
        size = (BOOT - total * 7 // 10) // MIB * MIB
        SESSION.virsh("setmem", NAME, f"{size}B", "--live")
        self.actual(size)
        self.guest.run(f"head -c {total // 2} /dev/zero > /tmp/file && rm /tmp/file", timeout=120)
        tap.equal(self.stats()["actual"] * 1024 > size, True, self.stats())
        tap.equal(self.guest.run("dmesg | grep -ci 'killed process'", check=False), "0", "killed programs")
        SESSION.virsh("setmem", NAME, f"{BOOT}B", "--live")
        self.actual(BOOT)

    # ---- others ----

    def sleep(self):
        """The guest sleeps by itself; libvirt knows, and wakes it. Without an agent libvirt cannot tell it to."""
        SESSION.refused("agent not", "dompmsuspend", NAME, "mem")
        SESSION.refused("guest is not suspended", "dompmwakeup", NAME)
        self.guest.serial.send(b"echo mem > /sys/power/state; echo wok''en\n")
        SESSION.wait_state(NAME, "pmsuspended")
        SESSION.virsh("dompmwakeup", NAME)
        self.guest.wait_for("woken", 60)
        tap.equal(SESSION.state(NAME), "running")
        self.guest.run("echo goes on")

    def agent(self):
        """Debian's qemu-guest-agent, from its own system: libvirt hears when it comes, and what it tells."""
        if not os.path.exists(IMAGE):
            raise tap.Skip(f"there is no {IMAGE}: scripts/make-image.py makes it")
        for module in "virtio_blk", "virtio_console":
            self.guest.run(f"insmod /lib/modules/{module}.ko")
        self.guest.run("until [ -b /dev/vda3 ] && [ -c /dev/vport*p1 ]; do sleep 0.1; done; mkdir /debian && "
                       "mount -t ext4 -o ro,noload /dev/vda3 /debian && for folder in dev proc sys tmp; do "
                       "mount --bind /$folder /debian/$folder; done; mount -t tmpfs none /debian/run")
        self.guest.run("chroot /debian /usr/sbin/qemu-ga -d -t /tmp -f /tmp/agent.pid -m virtio-serial -p $(echo /dev/vport*p1)")
        self.wait_agent()
        tap.equal(SESSION.virsh("domhostname", NAME), self.guest.run("hostname"))
        told = int(re.search(r"Time: (\d+)", SESSION.virsh("domtime", NAME)).group(1))
        tap.equal(told <= int(self.guest.run("date +%s")), True, "the guest's time")
        tap.equal(re.search(r"online *: *(\S+)", SESSION.virsh("guestvcpus", NAME)).group(1), "0-1")
        SESSION.virsh("setvcpus", NAME, "1", "--guest")
        tap.equal(self.guest.run("cat /sys/devices/system/cpu/online"), "0")
        SESSION.virsh("setvcpus", NAME, "2", "--guest")
        tap.equal(self.guest.run("cat /sys/devices/system/cpu/online"), "0-1")

    def agent_answers(self):
        try:
            return json.loads(SESSION.virsh("qemu-agent-command", NAME, '{"execute": "guest-ping"}')) == {"return": {}}
        except libvirtd.VirshError as err:
            tap.equal("Guest agent is not responding" in str(err), True, str(err))
            return False

    def wait_agent(self):
        vm.wait_until(self.agent_answers, "the agent answers")
        tap.equal(SESSION.dumpxml(NAME).find("devices/channel/target").get("state"), "connected")

    def agent_sleep(self):
        """libvirt has the guest sleep, and wakes it."""
        if not os.path.exists(IMAGE):
            raise tap.Skip(f"there is no {IMAGE}: scripts/make-image.py makes it")
        SESSION.virsh("dompmsuspend", NAME, "mem")
        SESSION.wait_state(NAME, "pmsuspended")
        SESSION.virsh("dompmwakeup", NAME)
        tap.equal(SESSION.state(NAME), "running")
        # The guest's driver closes its ports before it sleeps. When the agent answers its devices are awake, of which
        # the serial port is one.
        self.wait_agent()
        self.guest.run("echo goes on")

    def dumps(self):
        """Of each format of the memory alone, and the machine as it is saved; the guest goes on."""
        for form, magic in (("elf", b"\x7fELF"), ("kdump-zlib", b"makedumpfile"), ("kdump-lzo", b"makedumpfile"),
                            ("kdump-snappy", b"makedumpfile")):
            path = f"{SESSION.dir}/core"
            SESSION.virsh("dump", NAME, path, "--memory-only", "--format", form)
            with open(path, "rb") as core:
                tap.equal(core.read(len(magic)), magic, form)
            tap.equal(os.path.getsize(path) > BOOT, form == "elf", f"bytes of {form}")
            os.unlink(path)
        SESSION.refused("unsupported dumpformat 'win-dmp'", "dump", NAME, path, "--memory-only", "--format", "win-dmp")
        SESSION.virsh("dump", NAME, path)
        os.unlink(path)
        self.guest.run("echo goes on")
        SESSION.virsh("destroy", NAME)
        SESSION.virsh("undefine", NAME)
        self.guest.close()

    def log(self):
        """libvirtd minded no answer but those that it was to."""
        tap.equal(SESSION.refusals(), {"system_wakeup"})


def main():
    global SESSION  # pylint: disable=global-statement
    try:
        with libvirtd.Libvirt(f"{BUILD}/dimmable") as SESSION:
            domains.make_guest(SESSION, BUILD)
            tap.run(Devices().tests())
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

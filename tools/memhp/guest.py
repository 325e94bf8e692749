# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest of a scenario: DIMMs that come and go, and what its kernel says to that."""
import dataclasses
import os
import re
import tempfile
import time

import root
import vm
from scenario import Failure, Skip, must

MIB = 1 << 20
DISK = 96 * MIB
HANGS = vm.LONG

# Lines of a kernel that has found a fault of its own.
COMPLAINT = re.compile(
    r"BUG:|BUG at|Oops|general protection|WARNING: |Call Trace|Kernel panic|possible (circular|recursive) locking|"
    r"inconsistent lock state|blocked for more than|soft lockup|hard LOCKUP|rcu.*(stall|starved)|Bad page|corrupted")
# What is not the kernel's fault: an emulator on a busy host is slow, and so are its clocks and CPUs; and firmware.
TOLERATED = re.compile(r"Firmware Bug|clocksource|perf: interrupt took too long|rcu.*(stall|starved)|soft lockup")
# Lines that tell why memory stays.
REASON = re.compile(r"page dumped because|^page:|flags: 0x|raw:|migrat|offlin|unmovable|memory hotplug|acpi PNP0C80|"
                    r"Memory block|hot-?(un)?plug|hot-?(add|remov)|memremap|isolat", re.I)

# Events of a request that was refused.
REFUSALS = ("DEVICE_UNPLUG_GUEST_ERROR", "MEM_UNPLUG_ERROR")
# _OST events of an ejection that was asked for, and of one that the kernel began; and status of these.
EJECTIONS = (3, 0x103)
STATUS = {0: "success", 1: "failed", 2: "not recognised", 0x80: "not supported", 0x81: "in use", 0x82: "busy",
          0x83: "a dependency is not met", 0x84: "in progress", 0x85: "ejection failed"}


class Panic(Failure):
    """The guest's kernel has ended."""


@dataclasses.dataclass
class Dimm:
    ident: str
    addr: int
    size: int
    node: int
    seconds: float  # from device_add to the guest's _OST

    def blocks(self, block_size):
        return range(self.addr // block_size, (self.addr + self.size) // block_size)


@dataclasses.dataclass
class Answer:
    """How a device_del ended."""
    removed: bool
    seconds: float
    text: str   # for a refusal
    lines: list


def status_text(status):
    return f"_OST status {status:#x}, {STATUS.get(status, 'unknown')}"


def must_not_overlap(ranges, dimm, what):
    inside = [f"{start:#x}-{end:#x}" for start, end in ranges if start < dimm.addr + dimm.size and end >= dimm.addr]
    must(not inside, f"{what} is in a DIMM that has to be able to go: {' '.join(inside)}")


class Guest(vm.Vm):
    """As @config of a scenario says, of @setup, which the command line says (main.Setup). @name: of the scenario that it is
    started for."""

    def __init__(self, setup, config, name):
        self.folder = tempfile.TemporaryDirectory(prefix="memhp-check-")
        self.config, self.setup, self.name = config, setup, name.replace("/", "-")
        self.may_panic = False  # while another kernel takes over from one that does
        memory = config.memory or setup.memory
        extra = ["-M", setup.machine, *config.extra]
        if config.nodes:
            extra += ["-object", f"memory-backend-ram,id=ram0,size={memory}", "-numa", "node,nodeid=0,memdev=ram0,cpus=0"]
            for node in range(1, config.nodes):
                extra += ["-numa", f"node,nodeid={node}"]
        if config.disk:
            with open(f"{self.folder.name}/disk", "wb") as file:
                file.truncate(DISK)
            extra += ["-drive", f"if=none,id=disk0,format=raw,file={self.folder.name}/disk",
                      "-device", "virtio-blk-pci,drive=disk0"]
        os.symlink(os.path.abspath(setup.kernel), f"{self.folder.name}/kernel")
        if config.kernel_inside:
            initrd = root.read(setup.initrd)
            root.append(f"{self.folder.name}/initrd", initrd, {"memhp/kernel": root.read(setup.kernel), "memhp/initrd": initrd})
        else:
            os.symlink(os.path.abspath(setup.initrd), f"{self.folder.name}/initrd")
        append = " ".join(filter(None, ["console=ttyS0 rdinit=/memhp/init printk.devkmsg=on", config.append, setup.append]))
        try:
            super().__init__(setup.emulator, self.folder.name, append=append, extra=extra, kernel="kernel",
                             memory=f"{memory},slots={config.slots},maxmem={config.maxmem}", accel=setup.accel,
                             place=setup.place)
        except vm.NotStarted as err:
            self.folder.cleanup()
            text = f"the emulator does not start such a machine: {': '.join(err.reason.rsplit(': ', maxsplit=2)[-2:])}"
            raise (Skip(text) if config.may_not_start else Failure(text)) from err
        try:
            self.wait_ready()
            self.block_size = int(self.read("/sys/devices/system/memory/block_size_bytes"), 16)
        except BaseException:
            self.close()
            raise

    def close(self):
        super().close()
        if self.setup.consoles and self.serial:
            with open(f"{self.setup.consoles}/{self.name}.log", "ab") as file:
                file.write(self.log + self.serial.buffer + b"\n")
        self.folder.cleanup()

    # ---- the kernel and its log ----

    def wait_for(self, pattern, timeout):
        if self.may_panic:
            return super().wait_for(pattern, timeout)
        match = super().wait_for(rf"{pattern}|Kernel panic - not syncing[^\r\n]*\r?\n", timeout)
        if match.group().startswith(b"Kernel panic"):
            raise Panic(match.group().decode(errors="replace").strip(), self.tail())
        return match

    def tail(self):
        """The last lines of the console."""
        return (self.log + self.serial.buffer).decode(errors="replace").replace("\r", "").splitlines()[-40:]

    def read(self, path):
        """A file of the guest; a scenario that needs one which is not there is skipped."""
        text = self.run(f"cat {path} 2>/dev/null || echo MISSING", check=False)
        if text.endswith("MISSING"):
            raise Skip(f"the kernel has no {path}")
        return text

    def write(self, path, text):
        """Write a setting into a file of sysfs or /proc; it is skipped where there is none."""
        said = self.run(f"if [ -e {path} ]; then echo '{text}' 2>&1 > {path} || echo FAILED; else echo MISSING; fi")
        if said.endswith("MISSING"):
            raise Skip(f"the kernel has no {path}")
        if said.endswith("FAILED"):
            raise Skip(f"the kernel does not take {text} in {path}")

    def mark(self):
        """From here on log_since() shows the kernel's log."""
        self.marks += 1
        mark = self.marks
        self.run(f"echo memhp-check mark {mark}. > /dev/kmsg")
        return mark

    def log_since(self, mark):
        """The kernel's log after a mark; all that is left of it if the mark is not."""
        text = self.run("dmesg")
        return text.split(f"memhp-check mark {mark}.", 1)[-1].splitlines()[1:]

    def complaints(self, lines):
        """Those of the kernel's lines that tell a fault of its own, with what follows."""
        for number, line in enumerate(lines):
            if COMPLAINT.search(line) and not TOLERATED.search(line):
                return lines[number:number + 40]
        return []

    def reasons(self, mark):
        """The lines that tell why memory stays."""
        plain = [re.sub(r"^\[ *[\d.]+\] ", "", line) for line in self.log_since(mark)]
        return [line for line in plain if REASON.search(line)][:12]

    # ---- memory ----

    def zone_of(self, dimm):
        """The zone that the DIMM's blocks are online in: {zone}."""
        return {self.read(f"/sys/devices/system/memory/memory{n}/valid_zones").split()[0]
                for n in dimm.blocks(self.block_size)}

    def states_of(self, dimm):
        """{state} of the blocks that it should have; "missing" for one that is not there."""
        numbers = " ".join(map(str, dimm.blocks(self.block_size)))
        text = self.run(f"for n in {numbers}; do cat /sys/devices/system/memory/memory$n/state 2>/dev/null || echo missing; done")
        return set(text.split())

    def look(self):
        """Take in what the monitor and the console say now."""
        self.qmp.drain()
        while self.serial.fill(time.monotonic() + 0.0005):
            pass
        panic = re.search(rb"Kernel panic - not syncing[^\r\n]*", self.serial.buffer)
        if panic:
            raise Panic(panic.group().decode(errors="replace"), self.tail())

    def until(self, condition, what, timeout=HANGS):
        """Ask again and again until @condition() gives something that is true; the guest's end ends it."""
        def ask():
            self.look()
            return condition()
        try:
            return vm.wait_until(ask, what, timeout * self.place.patience)
        except EOFError:
            raise Failure(f"the emulator has ended: {self.errors()}") from None

    def take(self, *names, **data):
        """The first event of one of the names that has come, with these data; None if there is none."""
        for event in self.qmp.events:
            found = event.get("data", {})
            found = found.get("info", found)
            if event["event"] in names and all(found.get(key) == value for key, value in data.items()):
                self.qmp.events.remove(event)
                return event
        return None

    def dimms(self):
        return {d["data"]["id"]: d["data"] for d in self.qmp.command("query-memory-devices")}

    def dimm_of(self, ident):
        """One that is there."""
        about = self.dimms()[ident]
        return Dimm(ident, about["addr"], about["size"], about["node"], 0)

    def begin_plug(self, ident, size, node=1, **props):
        """Add a DIMM; the time."""
        self.forget()
        self.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": f"m-{ident}", "size": size})
        start = time.monotonic()
        try:
            self.qmp.command("device_add", driver="pc-dimm", id=ident, memdev=f"m-{ident}",
                             **({"node": node} if self.config.nodes else {}), **props)
        except vm.QmpError as err:
            raise Failure(f"the emulator refuses a DIMM: {err}") from err
        must(ident in self.dimms(), f"the emulator has answered device_add with success, and has no DIMM {ident}")
        return start

    def plug(self, ident, size, node=1, whole=True, **props):  # pylint: disable=arguments-renamed
        """Add a DIMM, and wait until the kernel has answered; the blocks are there then, if it is of @whole ones."""
        mark = self.mark()
        start = self.begin_plug(ident, size, node, **props)
        dimm = self.dimm_of(ident)
        try:
            event = self.until(lambda: self.take("ACPI_DEVICE_OST", device=ident, source=1)
                               or self.take("ACPI_DEVICE_OST", device=ident, source=0), "the kernel's _OST")
        except vm.Timeout as err:
            raise Failure(f"the kernel does not answer that there is a DIMM: {err}", self.log_since(mark)) from err
        status = event["data"]["info"]["status"]
        must(status == 0, f"the kernel does not take the DIMM: {status_text(status)}", self.log_since(mark))
        dimm.seconds = event["arrived"] - start
        must(not whole or "missing" not in self.states_of(dimm), "the kernel has taken the DIMM, and has not all of its blocks",
             self.log_since(mark))
        return dimm

    def forget(self):
        """Events that have come so far tell of what is over."""
        self.look()
        self.qmp.events.clear()

    def request(self, ident):
        """device_del; the time."""
        self.forget()
        self.qmp.command("device_del", id=ident)
        return time.monotonic()

    def ended(self, ident):
        """The event that a request ended with, None before that. Not every emulator has one for a refusal beside _OST."""
        ends = [e for e in self.qmp.events if e["event"] in ("DEVICE_DELETED", *REFUSALS) and e["data"].get("device") == ident
                or e["event"] == "ACPI_DEVICE_OST" and e["data"]["info"].get("device") == ident
                and e["data"]["info"]["source"] in EJECTIONS and e["data"]["info"]["status"] not in (0, 0x84)]
        return ends[0] if ends else None

    def answer(self, dimm, start, mark):
        """Wait for the end of a request, and look whether all is as it has to be then."""
        try:
            event = self.until(lambda: self.ended(dimm.ident), "an answer")
        except vm.Timeout as err:
            raise Failure(f"the kernel does not answer the request to give the DIMM back: {err}", self.reasons(mark)) from err
        seconds = event["arrived"] - start
        if event["event"] == "DEVICE_DELETED":
            self.qmp.command("object-del", id=f"m-{dimm.ident}")
            self.check_gone(dimm)
            return Answer(True, seconds, "", [])
        self.check_refused(dimm)
        self.look()
        infos = [e["data"]["info"] for e in self.qmp.events if e["event"] == "ACPI_DEVICE_OST"]
        said = [status_text(info["status"]) for info in infos if info["source"] in EJECTIONS and info["status"] not in (0, 0x84)]
        said += sorted({e["event"] for e in self.qmp.events if e["event"] in REFUSALS})
        return Answer(False, seconds, ", ".join(said), self.reasons(mark))

    def unplug(self, dimm):  # pylint: disable=arguments-renamed
        """Ask for a DIMM, and wait for the answer."""
        mark = self.mark()
        return self.answer(dimm, self.request(dimm.ident), mark)

    def give_back(self, dimm):
        """As unplug(), of a DIMM that the kernel has to give back."""
        answer = self.unplug(dimm)
        must(answer.removed, f"the kernel does not give the DIMM back: {answer.text}", answer.lines)
        return answer

    def check_gone(self, dimm):
        must(self.states_of(dimm) == {"missing"}, "the DIMM is gone, and the kernel has blocks of it",
             self.tail())

    def check_refused(self, dimm):
        """A refusal is clean: the DIMM is there, and in use as before."""
        must(dimm.ident in self.dimms(), "the kernel has refused, and the DIMM is gone")
        try:
            self.until(lambda: self.states_of(dimm) == {"online"}, "the blocks online again")
        except vm.Timeout as err:
            raise Failure(f"after a refusal blocks of the DIMM are {self.states_of(dimm)}") from err

    # ---- programs ----

    def load_drivers(self):
        """All of root.DRIVERS that the kernel does not have built in."""
        if self.run("wc -l < /memhp/modules/order") != "0":
            self.run("for name in $(cat /memhp/modules/order); do [ -d /sys/module/$name ] || insmod /memhp/modules/$name.ko; done")
        else:
            self.run(f"for name in {' '.join(root.DRIVERS)}; do modprobe -q $name; done; :")

    def lacks(self, what):
        """Why a scenario is skipped that needs a driver or a file system."""
        given = self.run("cat /memhp/modules/order; ls -d /lib/modules/* 2>/dev/null", check=False)
        return f"the kernel and its modules have no {what}" if given else \
            f"the kernel has no {what} built in: give its modules with --modules"

    def need_disk(self, mount=True):
        """A disk; with a file system at /mnt if it is to be mounted."""
        self.load_drivers()
        if not self.run("ls -d /sys/bus/virtio/drivers/virtio_blk 2>/dev/null", check=False):
            raise Skip(self.lacks("driver virtio_blk"))
        self.until(lambda: self.run("[ -b /dev/vda ] && echo yes", check=False), "the disk /dev/vda")
        if not mount:
            return
        if not self.run("grep -w ext4 /proc/filesystems", check=False):
            raise Skip(self.lacks("file system ext4"))
        if not self.run("busybox --list | grep -w mke2fs", check=False):
            raise Skip("the busybox has no mke2fs")
        self.run("mkdir -p /mnt; grep -q ' /mnt ' /proc/mounts || { mke2fs -F /dev/vda && mount -t ext4 /dev/vda /mnt; }",
                 timeout=HANGS)

    def start(self, program):
        """A program of the guest in the background; what it says is in /tmp/said."""
        self.run(f"rm -f /tmp/said /tmp/stop; ({program} > /tmp/said 2>&1; echo status $? >> /tmp/said) < /dev/null &")

    def said(self, word):
        """Wait for the line that begins with @word; its other words."""
        def line():
            text = self.run("cat /tmp/said 2>/dev/null", check=False)
            for found in text.splitlines():
                if found.split(" ")[0] == word:
                    return found.split(" ")
            skip = re.search(r"^skip: (.*)", text, re.M)
            if skip:
                raise Skip(skip.group(1))
            must("status" not in text, f"the guest's program has ended: {text}")
            return None
        return self.until(line, f"the guest's program says {word}", 3 * HANGS)[1:]

    def stop(self):
        """End the program; Failure if it has found something wrong with its memory."""
        self.run("touch /tmp/stop; wait", timeout=3 * HANGS)
        text = self.run("cat /tmp/said")
        must(text.endswith("status 0"), f"the guest's program has found its memory changed: {text}")
        return text

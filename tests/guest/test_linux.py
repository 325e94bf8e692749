#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel in the machine: test_linux.py BUILD-DIR GROUP. The groups are in the table at the
end; each boots its own guests."""
import mmap
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

MIB = 1 << 20
GIB = 1 << 30
BLOCK = 128 * MIB  # what Linux adds and removes at a time in a guest of this size

BUILD = sys.argv[1]


def machine(**options):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", **options)


def movable(guest):
    return guest.zones().get((0, "Movable"), 0)


def check_memory(guest, total, dimms):
    """MemTotal, zone Movable and the memory blocks agree with @dimms, a list of (address, size)."""
    plugged = sum(size for _, size in dimms)
    tap.equal(guest.mem_total(), total + plugged, "MemTotal")
    tap.equal(movable(guest), plugged, "present in zone Movable")
    blocks = guest.memory_blocks()
    wanted = {n for addr, size in dimms for n in range(addr // BLOCK, (addr + size) // BLOCK)}
    found = {n for n in blocks if n >= 4 * GIB // BLOCK}
    tap.equal(found, wanted, "memory blocks above 4 GiB")
    tap.equal({blocks[n] for n in found}, {"online"} if wanted else set(), "block states")


def dimms_of(guest):
    return [(d["data"]["addr"], d["data"]["size"]) for d in guest.qmp.command("query-memory-devices")]


def check_boot(cpus):
    with machine(cpus=cpus) as guest:
        guest.wait_ready()
        tap.equal(guest.run("nproc"), str(cpus), "processors")
        tap.equal(guest.run("cat /sys/devices/system/cpu/online"), "0" if cpus == 1 else f"0-{cpus - 1}")
        tap.equal(guest.run("dmesg | grep -ciE 'bug:|oops|call trace|general protection'", check=False),
                  "0", "kernel complaints")
        tap.equal(guest.power_off(), 0, "exit status")


def boot_pvh():
    with machine(kernel="vmlinux") as guest:
        guest.wait_ready()
        tap.equal(guest.run("dmesg | grep -c 'Booting paravirtualized\\|Hypervisor detected'",
                            check=False) != "", True)
        total = guest.mem_total()
        guest.plug("d0", 256 * MIB)
        check_memory(guest, total, dimms_of(guest))


def busy_cpus():
    """Two CPUs that both write, fork and switch: atomics, IPIs and TLB shootdowns at work."""
    with machine(cpus=2) as guest:
        guest.wait_ready()
        guest.run("for i in 1 2 3 4; do (dd if=/dev/urandom bs=64k count=20 2>/dev/null | md5sum "
                  "> /tmp/$i) & done; wait", timeout=120)
        tap.equal(guest.run("cat /tmp/1 /tmp/2 /tmp/3 /tmp/4 | grep -cE '^[0-9a-f]{32} '"), "4")
        online = "/sys/devices/system/cpu/cpu1/online"
        guest.run(f"echo 0 > {online}; echo 1 > {online}")
        tap.equal(guest.run("nproc"), "2", "after CPU 1 was off and on")


def add_remove_ram():
    with machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        check_memory(guest, total, [])
        guest.plug("d0", GIB)
        check_memory(guest, total, dimms_of(guest))
        guest.unplug("d0")
        check_memory(guest, total, [])
        event = guest.qmp.event("ACPI_DEVICE_OST", source=3, status=0)
        tap.equal(event["data"]["info"]["slot"], "0")


def add_file():
    with tempfile.TemporaryDirectory() as folder, machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        path = f"{folder}/dimm"
        guest.plug("d0", 256 * MIB, backend="memory-backend-file",
                   backend_props={"mem-path": path, "share": True})
        check_memory(guest, total, dimms_of(guest))
        # User pages are taken from zone Movable first, and that is the DIMM.
        guest.run("mount -t tmpfs -o size=200M none /tmp")
        guest.run("dd if=/dev/zero bs=1M count=32 2>/dev/null | tr '\\000' D > /tmp/f", timeout=120)
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            written = b"D" * 4096
            pages = sum(data[i:i + 4096] == written for i in range(0, len(data), 4096))
        if pages < 30 * 256:
            raise AssertionError(f"{pages} pages of the guest's file are in the DIMM's, of 8192")
        guest.run("umount /tmp")
        guest.unplug("d0")
        check_memory(guest, total, [])


def same_slot_again():
    with machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        for _ in range(20):
            guest.plug("d0", 256 * MIB, slot=3)
            tap.equal(guest.qmp.command("query-memory-devices")[0]["data"]["slot"], 3)
            guest.unplug("d0")
        check_memory(guest, total, [])
        tap.equal(guest.qmp.command("query-memory-devices"), [])


def three_dimms():
    with machine(cpus=2) as guest:
        guest.wait_ready()
        total = guest.mem_total()
        for n, size in enumerate((256, 512, 128)):
            guest.plug(f"d{n}", size * MIB)
            check_memory(guest, total, dimms_of(guest))
        for n in (1, 0, 2):
            guest.unplug(f"d{n}")
            check_memory(guest, total, dimms_of(guest))
        tap.equal(dimms_of(guest), [])


def refusal():
    """Memory in the kernel's zone and in use: the guest refuses, says why, and goes on."""
    with machine(append="console=ttyS0 memhp_default_state=online_kernel") as guest:
        guest.wait_ready()
        total = guest.mem_total()
        guest.plug("d0", 256 * MIB)
        tap.equal(guest.mem_total(), total + 256 * MIB, "MemTotal")
        tap.equal(movable(guest), 0, "nothing is Movable")
        # Directories are kernel objects; the kernel takes them from the highest zone, the DIMM's.
        guest.run("mount -t tmpfs none /tmp; cd /tmp; i=0; while [ $i -lt 400 ]; do "
                  "mkdir -p $i/a/b/c/d/e/f/g; i=$((i+1)); done; cd /", timeout=120)
        guest.qmp.command("device_del", id="d0")
        refused = guest.qmp.event("MEM_UNPLUG_ERROR", device="d0")
        guest.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="d0")
        status = guest.qmp.event("ACPI_DEVICE_OST", device="d0", source=3)["data"]["info"]["status"]
        while status == 0x84:
            status = guest.qmp.event("ACPI_DEVICE_OST", device="d0", source=3)["data"]["info"]["status"]
        if status == 0 or not refused["data"]["msg"]:
            raise AssertionError(f"status {status}, {refused}")
        tap.equal(len(dimms_of(guest)), 1, "the DIMM is still there")
        tap.equal(guest.mem_total(), total + 256 * MIB, "MemTotal")
        tap.equal(guest.run("ls -d /tmp/399/a/b/c/d/e/f/g"), "/tmp/399/a/b/c/d/e/f/g")
        try:
            guest.qmp.command("object-del", id="m-d0")
            raise AssertionError("the backend of a DIMM in use was deleted")
        except vm.QmpError:
            pass


def reset_with_dimm():
    with machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        guest.plug("d0", 512 * MIB)
        guest.qmp.command("system_reset")
        guest.qmp.event("RESET")
        guest.wait_ready()
        # The kernel counts what it found at boot as boot memory: pages for its own tables are
        # gone from MemTotal, but the range is there and online.
        blocks = guest.memory_blocks()
        tap.equal(sum(n >= 4 * GIB // BLOCK for n in blocks), 4, "blocks of the DIMM after the reset")
        if guest.mem_total() <= total:
            raise AssertionError("the DIMM's memory is not in MemTotal after the reset")
        guest.unplug("d0")
        tap.equal(guest.mem_total(), total, "MemTotal after the DIMM was removed")


def reset_by_guest():
    with machine(cpus=2) as guest:
        guest.wait_ready()
        guest.serial.send(b"reboot -f\n")
        event = guest.qmp.event("RESET")
        tap.equal(event["data"]["guest"], True)
        guest.wait_ready()
        tap.equal(guest.run("nproc"), "2")


def pending_request_and_reset():
    """device_del while the guest is stopped, then a reset: the request is forgotten."""
    with machine() as guest:
        guest.wait_ready()
        guest.plug("d0", 256 * MIB)
        guest.qmp.command("stop")
        guest.qmp.command("device_del", id="d0")
        guest.qmp.command("device_del", id="d0")  # harmless
        guest.qmp.command("system_reset")
        guest.qmp.command("cont")
        guest.wait_ready()
        time.sleep(1)
        tap.equal(len(dimms_of(guest)), 1, "the DIMM is there")
        guest.unplug("d0")


def guest_ejects():
    """The guest gives a DIMM back that nobody asked for."""
    with machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        guest.plug("d0", 256 * MIB)
        guest.run("for d in /sys/bus/acpi/devices/PNP0C80:*; do "
                  "[ \"$(cat $d/status 2>/dev/null)\" = 15 ] && echo 1 > $d/eject; done; true")
        guest.qmp.event("DEVICE_DELETED", device="d0")
        tap.equal(dimms_of(guest), [])
        tap.equal(guest.mem_total(), total, "MemTotal")


GROUPS = {
    "boot": [("boot with 1 CPU", lambda: check_boot(1)), ("boot with 2 CPUs", lambda: check_boot(2)),
             ("boot an ELF vmlinux (PVH)", boot_pvh), ("two busy CPUs", busy_cpus)],
    "hotplug": [("add and remove, ram backend", add_remove_ram),
                ("add, file backend, bytes in the file", add_file),
                ("the same slot 20 times", same_slot_again),
                ("three DIMMs, removed in another order", three_dimms)],
    "refuse": [("memory in use by the kernel", refusal), ("the guest ejects by itself", guest_ejects)],
    "reset": [("reset with a DIMM plugged", reset_with_dimm), ("reset by the guest", reset_by_guest),
              ("a reset forgets a request", pending_request_and_reset)],
}

if __name__ == "__main__":
    tap.run(GROUPS[sys.argv[2]])

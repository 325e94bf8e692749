# SPDX-License-Identifier: GPL-2.0-or-later
"""Another kernel takes over while DIMMs are there, and the machine sleeps."""
import re
import struct
import time

from boot import iomem
from guest import HANGS, MIB
from removal import MOVABLE, SIZE, hold
from scenario import Config, Done, Failure, Skip, equal, must, scenario

APPEND = "console=ttyS0 rdinit=/memhp/init printk.devkmsg=on memhp_default_state=online_movable"
FIRST_WORD = 0x9e3779b97f4a7c15  # of the first page of holder


def kexec(guest, how, more=""):
    """Start another kernel, and wait for its shell; how many seconds that took."""
    start = time.monotonic()
    guest.serial.send(f"kexec {how} /memhp/kernel /memhp/initrd '{APPEND}{more} second=1' 2>&1 || echo KEXEC-FAILED\n".encode())
    found = guest.wait_for(r"GUEST-READY \d+\.\d\d|kexec(_file)?_load: [^\r\n]*|KEXEC-FAILED", 3 * HANGS).group().decode()
    if "GUEST-READY" not in found:
        raise Skip(f"the kernel loads no other: {found}")
    seconds = time.monotonic() - start
    guest.run(":")
    must("second=1" in guest.read("/proc/cmdline"), "the first kernel was started again")
    return seconds


@scenario("power/kexec", "another kernel is started by kexec_file_load, with a DIMM",
          Config("memhp_default_state=online_movable", kernel_inside=True))
def kexec_file_load(guest):
    dimm = guest.plug("d0", SIZE)
    seconds = kexec(guest, "now")
    must_not_be_inside(guest, dimm)
    guest.until(lambda: guest.states_of(dimm) == {"online"}, "the DIMM online in the second kernel")
    answer = guest.give_back(dimm)
    return Done(f"the second kernel has the DIMM after {seconds:.1f} s, and gives it back after {answer.seconds:.2f} s", seconds)


@scenario("power/kexec_load", "the same by kexec_load, where the second kernel is told of the DIMM in its map of memory",
          Config("memhp_default_state=online_movable movable_node", kernel_inside=True))
def kexec_load(guest):
    dimm = guest.plug("d0", SIZE)
    seconds = kexec(guest, "load", " movable_node")
    must(re.search(rf"BIOS-e820: \[mem {dimm.addr:#018x}-{dimm.addr + dimm.size - 1:#018x}\] usable", guest.run("dmesg")),
         "/sys/firmware/memmap of the first kernel does not have the DIMM")
    must_not_be_inside(guest, dimm)
    guest.until(lambda: guest.states_of(dimm) == {"online"}, "the DIMM online in the second kernel")
    equal(guest.zone_of(dimm), {"Movable"}, "the zone in the second kernel, which has movable_node")
    answer = guest.give_back(dimm)
    return Done(f"the second kernel has the DIMM after {seconds:.1f} s, Movable, and gives it back after {answer.seconds:.2f} s", seconds)


def must_not_be_inside(guest, dimm):
    """kexec_file_load may put the second kernel at the top of all memory, also where that is a DIMM. The map of memory that it
    gives to it has only what was there at boot: then all that the second has of the DIMM is the place where it is itself."""
    kernel = iomem(guest, "Kernel")
    inside = sum(end + 1 - start for start, end in kernel if dimm.addr <= start < dimm.addr + dimm.size)
    must(not inside, f"the kernel has put the second one into the DIMM, and tells it nothing of that memory: the second has "
         f"{inside >> 20} MiB of {dimm.size // MIB}, where it is itself, and cannot add the DIMM",
         guest.run("dmesg | grep -E 'BIOS-e820|E820_TYPE_RAM|e820: remove|RAMDISK'; cat /proc/iomem", check=False).splitlines())


def segments(guest):
    """(offset, physical address, size) of what /proc/vmcore has."""
    head = bytes.fromhex(guest.run("dd if=/proc/vmcore bs=4096 count=2 2>/dev/null | od -An -v -tx1", timeout=HANGS).replace("\n", " "))
    offset, = struct.unpack_from("<Q", head, 32)
    count, = struct.unpack_from("<H", head, 56)
    found = [struct.unpack_from("<IIQQQQQQ", head, offset + 56 * n) for n in range(count) if offset + 56 * (n + 1) <= len(head)]
    return [(entry[2], entry[4], entry[6]) for entry in found if entry[0] == 1]


@scenario("power/kdump", "a panic starts the crash kernel: what was in a DIMM is in /proc/vmcore",
          Config("memhp_default_state=online_movable crashkernel=224M", kernel_inside=True, memory="768M"))
def kdump(guest):
    dimm = guest.plug("d0", SIZE)
    hold(guest, dimm, "anon", 4)
    page = int(guest.said("holds")[2], 16)
    must(dimm.addr <= page < dimm.addr + SIZE, f"the program's first page is at {page:#x}, not in the DIMM")
    said = guest.run(f"kexec crash /memhp/kernel /memhp/initrd '{APPEND} nr_cpus=1 acpi_no_memhotplug second=1' 2>&1", timeout=HANGS,
                     check=False)
    if said:
        raise Skip(f"the kernel loads no crash kernel: {said}")
    start = time.monotonic()
    guest.may_panic = True
    guest.serial.send(b"echo c > /proc/sysrq-trigger\n")
    guest.wait_for(r"GUEST-READY \d+\.\d\d", 3 * HANGS)
    guest.may_panic = False
    guest.run(":")
    seconds = time.monotonic() - start
    must("second=1" in guest.read("/proc/cmdline"), "the first kernel was started again")
    must(guest.run("ls /proc/vmcore", check=False), "the crash kernel has no /proc/vmcore")
    for offset, addr, size in segments(guest):
        if addr <= page < addr + size:
            at = (offset + page - addr) // 4096
            word = guest.run(f"dd if=/proc/vmcore bs=4096 skip={at} count=1 2>/dev/null | od -An -tx8 -N8", timeout=HANGS)
            equal(int(word, 16), FIRST_WORD, "what /proc/vmcore has of the program's page in the DIMM")
            return Done(f"the crash kernel is there after {seconds:.1f} s, with the DIMM's contents in /proc/vmcore", seconds)
    raise Failure(f"/proc/vmcore does not have the page at {page:#x} in the DIMM", [f"{a:#x} {s // MIB} MiB" for _, a, s in segments(guest)])


@scenario("power/s2idle", "a DIMM is plugged while the machine sleeps (suspend to idle), and is there when it wakes up", MOVABLE)
def s2idle(guest):
    if "freeze" not in guest.read("/sys/power/state").split():
        raise Skip("the kernel has no suspend to idle")
    guest.load_drivers()
    if not guest.run("ls -d /sys/bus/acpi/drivers/button 2>/dev/null", check=False):
        raise Skip(guest.lacks("driver of the power button, which wakes it"))
    guest.run("dmesg -n 7")
    guest.serial.send(b"echo freeze > /sys/power/state; echo woke-$?\n")
    guest.wait_for(r"PM: suspend entry \(s2idle\)", HANGS)
    guest.begin_plug("d0", SIZE)
    start = time.monotonic()
    pressed = []

    def awake():
        # One that comes too early is not lost, and ends the sleep before it has begun; it is harmless to press again.
        if not pressed or time.monotonic() - pressed[-1] > 2:
            pressed.append(time.monotonic())
            guest.qmp.command("system_powerdown")
        return b"woke-" in guest.serial.buffer
    guest.until(awake, "the machine wakes up")
    guest.wait_for(r"woke-\d", HANGS)
    guest.run("dmesg -n 1")
    seconds = time.monotonic() - start
    dimm = guest.dimm_of("d0")
    guest.until(lambda: guest.states_of(dimm) == {"online"}, "the DIMM's blocks online")
    answer = guest.give_back(dimm)
    return Done(f"awake after {seconds:.2f} s, with the DIMM; gone after {answer.seconds:.2f} s", seconds)

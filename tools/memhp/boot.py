# SPDX-License-Identifier: GPL-2.0-or-later
"""DIMMs that are there at boot, and tables that lie in a DIMM itself."""
import re

from guest import must_not_overlap
from removal import SIZE
from scenario import Config, Done, Skip, equal, must, scenario

# Lines of memblock=debug: what is reserved, and of that what the allocator has chosen.
RESERVED = r"memblock_reserve: \[(?:mem )?0x([0-9a-f]+)-0x([0-9a-f]+)\]"
ALLOCATED = r" memblock_alloc"

BOOT_DIMM = ("-object", f"memory-backend-ram,id=m-d0,size={SIZE}", "-device")


def boot_config(more):
    """One DIMM is there at boot; what the kernel reserves before it has its allocator is in its log."""
    return Config("movable_node memhp_default_state=online memblock=debug log_buf_len=4M",
                  extra=(*BOOT_DIMM, f"pc-dimm,id=d0,memdev=m-d0,node=1{more}"), may_not_start="boot" in more)


def ranges(text, pattern):
    return [(int(start, 16), int(end, 16)) for start, end in re.findall(pattern, text, re.M)]


def iomem(guest, name):
    return ranges(guest.run("cat /proc/iomem"), rf"^ *([0-9a-f]+)-([0-9a-f]+) : {name}")


def there_at_boot(guest):
    dimm = guest.dimm_of("d0")
    guest.until(lambda: guest.states_of(dimm) == {"online"}, "the DIMM's blocks online")
    equal(guest.zone_of(dimm), {"Movable"}, "the zone")
    return dimm


@scenario("boot/movable_node", "movable_node, a DIMM in the memory map: nothing of the kernel is in it, before SRAT is read and after",
          boot_config(",boot=on"))
def in_the_map(guest):
    dimm = there_at_boot(guest)
    log = guest.run("dmesg")
    hotplug = ranges(log, r"SRAT: Node \d+ .*\[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] hotplug")
    must(hotplug, "the kernel has not read from SRAT that the DIMM can go")
    first = min(start for start, _ in hotplug)
    equal(first, dimm.addr, "the first hot-pluggable byte of SRAT")
    early = ranges(log, RESERVED)
    if not early:
        raise Skip("the kernel's log does not tell what it reserved early (memblock=debug)")
    kernel = iomem(guest, "Kernel")
    must(kernel, "/proc/iomem does not have the kernel")
    must_not_overlap(kernel, dimm, "the kernel's image")
    must_not_overlap(early, dimm, "what the kernel reserved early")
    # The kernel's own, and its first page tables, are in its image; others are allocated as all else is.
    top = max(end for _, end in kernel + early) + 1
    must(top <= first, f"the kernel's memory reaches to {top:#x}, and from {first:#x} on it can be asked for")
    before = [start for start, _ in ranges(log.split("SRAT: Node", 1)[0], RESERVED + ALLOCATED)]
    must(before, "the kernel's log has no allocation before SRAT is read")
    equal(before, sorted(before), "places of what is allocated before SRAT is read, which should go from the bottom up")
    answer = guest.give_back(dimm)
    return Done(f"{len(before)} allocations before SRAT is read, from the bottom up; of {len(early)} early ones, and the kernel, all below "
                f"{top:#x}; the DIMM at {dimm.addr:#x} is Movable; gone after {answer.seconds:.2f} s", answer.seconds)


@scenario("boot/cold", "movable_node, a DIMM that is found after SRAT has been read", boot_config(""))
def cold(guest):
    dimm = there_at_boot(guest)
    answer = guest.give_back(dimm)
    return Done(f"Movable; gone after {answer.seconds:.2f} s", answer.seconds)


@scenario("boot/memmap_on_memory", "memory_hotplug.memmap_on_memory: the DIMM has its own tables",
          Config("memory_hotplug.memmap_on_memory=1 memhp_default_state=online_movable"))
def memmap_on_memory(guest):
    if guest.read("/sys/module/memory_hotplug/parameters/memmap_on_memory")[0] not in "Yf":
        raise Skip("the kernel has not turned memmap_on_memory on")
    total = guest.mem_total()
    dimm = guest.plug("d0", guest.block_size)
    grown = guest.mem_total() - total
    tables = dimm.size // 4096 * 64
    must(dimm.size - grown in (0, tables), f"MemTotal has grown by {grown}, by a DIMM of {dimm.size}")
    answer = guest.give_back(dimm)
    equal(guest.mem_total(), total, "MemTotal afterwards")
    what = f"{tables // 1024} KiB of tables are in the DIMM" if grown < dimm.size else "the tables are elsewhere"
    return Done(f"there after {dimm.seconds:.2f} s, {what}; gone after {answer.seconds:.2f} s", dimm.seconds)

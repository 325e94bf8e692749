# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel shows of its memory, and programs that choose where theirs is."""
import re

from guest import MIB
from removal import MOVABLE, SIZE, hold, release
from scenario import Done, equal, must, scenario


@scenario("view/sysfs", "a DIMM in /proc/meminfo, /proc/zoneinfo, /proc/iomem and sysfs, as lsmem reads it", MOVABLE)
def sysfs(guest):
    total, before = guest.mem_total(), guest.memory_blocks()
    dimm = guest.plug("d0", SIZE)
    equal(guest.mem_total() - total, SIZE, "growth of MemTotal, in bytes")
    equal(guest.zones().get((1, "Movable")), SIZE, "present in zone Movable of node 1, of /proc/zoneinfo")
    equal(set(guest.memory_blocks()) - set(before), set(dimm.blocks(guest.block_size)), "new blocks")
    for n in dimm.blocks(guest.block_size):
        folder = f"/sys/devices/system/memory/memory{n}"
        equal(int(guest.read(f"{folder}/phys_index"), 16), n, f"phys_index of block {n}")
        equal((guest.read(f"{folder}/online"), guest.read(f"{folder}/removable")), ("1", "1"), f"online and removable of block {n}")
        equal(guest.run(f"ls -d {folder}/node*").rsplit("/", maxsplit=1)[-1], "node1", f"the node of block {n}")
    node = int(guest.run("grep MemTotal: /sys/devices/system/node/node1/meminfo").split()[-2])
    equal(node * 1024, SIZE, "MemTotal of node 1")
    must(re.search(rf"^ *{dimm.addr:08x}-{dimm.addr + SIZE - 1:08x} : System RAM", guest.run("cat /proc/iomem"), re.M),
         "/proc/iomem does not have the DIMM", guest.run("grep 'System RAM' /proc/iomem").splitlines())
    guest.give_back(dimm)
    equal((guest.mem_total(), guest.memory_blocks()), (total, before), "MemTotal and blocks afterwards")
    return Done("all of them agree", dimm.seconds)


@scenario("view/migrate_pages", "a program's memory is bound to the DIMM's node, and moved to and fro", MOVABLE)
def migrate_pages(guest):
    dimm = guest.plug("d0", SIZE)
    _, inside = hold(guest, dimm, "migrate", 16)
    found = [int(guest.said(word)[1]) for word in ("first", "away")] + [inside]
    equal(found, [16 * 256, 0, 16 * 256], "pages in the DIMM at first, after migrate_pages to node 0, and back")
    answer = guest.give_back(dimm)
    equal(release(guest), 0, "pages where the DIMM was")
    return Done(f"{16 * MIB // MIB} MiB bound, moved, moved back; gone after {answer.seconds:.2f} s", answer.seconds)

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel shows of its memory, and programs that choose where theirs is."""
import re

import time

import vm
from guest import MIB
from removal import MOVABLE, SIZE, hold, release
from scenario import Config, Done, Failure, equal, must, scenario

SLOTS = 256
NODES = "/sys/devices/system/node"


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
    program = lsmem(guest, dimm)
    answer = guest.give_back(dimm)
    equal((guest.mem_total(), guest.memory_blocks()), (total, before), "MemTotal and blocks afterwards")
    return Done(f"all of them agree{program}, {dimm.seconds:.2f} s after the DIMM was plugged; gone after {answer.seconds:.2f} s",
                dimm.seconds)


def lsmem(guest, dimm):
    """The program itself, of a root that has it; what to say of it."""
    if not guest.run("which lsmem", check=False):
        return ""
    lines = guest.run("lsmem --bytes --raw --noheadings --output RANGE,SIZE,STATE,NODE,ZONES").splitlines()
    line = f"0x{dimm.addr:016x}-0x{dimm.addr + dimm.size - 1:016x} {dimm.size} online {dimm.node} Movable"
    must(line in lines, f"lsmem does not print: {line}", lines)
    return ", and so does lsmem"


@scenario("view/migrate_pages", "a program's memory is bound to the DIMM's node, and moved to and fro", MOVABLE)
def migrate_pages(guest):
    dimm = guest.plug("d0", SIZE)
    _, inside = hold(guest, dimm, "migrate", 16)
    found = [int(guest.said(word)[1]) for word in ("first", "away")] + [inside]
    equal(found, [16 * 256, 0, 16 * 256], "pages in the DIMM at first, after migrate_pages to node 0, and back")
    answer = guest.give_back(dimm)
    equal(release(guest), 0, "pages where the DIMM was")
    return Done(f"16 MiB bound, moved, moved back; gone after {answer.seconds:.2f} s", answer.seconds)


@scenario("view/mbind", "mbind with MPOL_MF_MOVE takes a program's memory to the DIMM's node, back, and there again", MOVABLE)
def mbind(guest):
    dimm = guest.plug("d0", SIZE)
    _, inside = hold(guest, dimm, "mbind", 16)
    found = [int(guest.said(word)[1]) for word in ("first", "bound", "away")] + [inside]
    equal(found, [0, 16 * 256, 0, 16 * 256], "pages in the DIMM at first, bound to node 1, to node 0, and to node 1 again")
    answer = guest.give_back(dimm)
    equal(release(guest), 0, "pages where the DIMM was")
    return Done(f"16 MiB moved to the DIMM, back, and there again; gone after {answer.seconds:.2f} s", answer.seconds)


def hardware(guest):
    """What numactl -H reads, {node: (CPUs, distances, MiB)}, of sysfs."""
    nodes = guest.read(f"{NODES}/has_memory")
    equal(nodes, "0-1", "nodes with memory")
    return {node: (guest.read(f"{NODES}/node{node}/cpulist"), guest.read(f"{NODES}/node{node}/distance").split(),
                   int(guest.run(f"grep MemTotal: {NODES}/node{node}/meminfo").split()[-2]) // 1024) for node in (0, 1)}


@scenario("view/numactl", "what numactl -H reads of the nodes, and memory of both of them in turn; by numactl if the root has it",
          MOVABLE)
def numactl(guest):
    dimm = guest.plug("d0", SIZE)
    nodes = hardware(guest)
    equal((nodes[0][0], nodes[1]), ("0", ("", ["20", "10"], SIZE // MIB)), "node 0's CPUs; node 1's CPUs, distances and MiB")
    program = guest.run("which numactl", check=False)
    if program:
        text = guest.run("numactl -H")
        for line in (r"available: 2 nodes \(0-1\)", r"node 1 cpus:", rf"node 1 size: {SIZE // MIB} MB", r" *1: +20 +10"):
            must(re.search(rf"^{line} *$", text, re.M), f"numactl -H does not print /{line}/", text.splitlines())
    pages, inside = hold(guest, dimm, "interleave", 16, before="numactl --interleave=0,1" if program else "")
    equal(guest.said("policy")[0], "inherited" if program else "set", "the policy of the program")
    must(abs(inside - pages // 2) <= pages // 16, f"{inside} of {pages} pages are in the DIMM, where it should be half of them")
    answer = guest.give_back(dimm)
    equal(release(guest), 0, "pages where the DIMM was")
    return Done(f"sysfs agrees with the DIMM{', and so does numactl -H' if program else ''}; {inside} of {pages} pages were in it by "
                f"{'numactl --interleave' if program else 'set_mempolicy (the root has no numactl)'}; gone after {answer.seconds:.2f} s",
                answer.seconds)


@scenario("view/slots", f"{SLOTS} slots: all are filled, and emptied again one by one; the kernel counts its memory",
          Config("memhp_default_state=online_movable", slots=SLOTS, maxmem="40G", memory="1536M", may_not_start=True))
def slots(guest):
    size, start, dimms = guest.block_size, time.monotonic(), []
    must(size * SLOTS <= 32 << 30, f"{SLOTS} blocks of {size // MIB} MiB are more than the machine can have")
    total, blocks = guest.mem_total(), len(guest.memory_blocks())

    def count(what):
        equal((guest.mem_total() - total, len(guest.memory_blocks()) - blocks), (len(dimms) * size, len(dimms)),
              f"growth of MemTotal, and more blocks, {what} {len(dimms)} DIMMs are there")
    for n in range(SLOTS):
        dimms.append(guest.plug(f"d{n}", size))
        count("when")
    filled = time.monotonic()
    refused = one_more(guest, size)
    while dimms:
        guest.give_back(dimms.pop(0))
        count("when only")
    emptied = time.monotonic()
    return Done(f"{SLOTS} DIMMs of {size // MIB} MiB came in {filled - start:.0f} s and went in {emptied - filled:.0f} s; one more was "
                f"refused: {refused}", emptied - start)


def one_more(guest, size):
    """The emulator has to refuse a DIMM; why it does."""
    guest.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m-more", "size": size})
    try:
        guest.qmp.command("device_add", driver="pc-dimm", id="more", memdev="m-more", node=1)
    except vm.QmpError as err:
        guest.qmp.command("object-del", id="m-more")
        return err.desc
    raise Failure(f"there are {SLOTS} slots, and the emulator takes one DIMM more")

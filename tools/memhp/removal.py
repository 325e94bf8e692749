# SPDX-License-Identifier: GPL-2.0-or-later
"""A DIMM is asked for while its memory is used, in each of many ways."""
import time

from guest import HANGS, MIB
from scenario import Config, Done, Failure, Skip, must, scenario

SIZE = 256 * MIB
MOVABLE = Config("memhp_default_state=online_movable")
WITH_DISK = Config("memhp_default_state=online_movable", disk=True)


def hold(guest, dimm, kind, mib, file="", before=""):
    """Start the program that holds memory of the DIMM, by the words @before; how many of its pages are in there."""
    guest.start(f"{before} holder {kind} {mib} {dimm.node} {dimm.addr:#x} {dimm.addr + dimm.size:#x} {file}")
    pages, inside = map(int, guest.said("holds")[:2])
    return pages, inside


def release(guest):
    """End the program; how many of its pages are in the DIMM's place now."""
    guest.stop()
    return int(guest.said("ends")[1])


def moved(guest, dimm, inside, what):
    """The DIMM has to go while the program goes on, and its memory has to stay as it was."""
    answer = guest.unplug(dimm)
    if not answer.removed:
        release(guest)
        raise Failure(f"the kernel refuses to move {what}: {answer.text}", answer.lines)
    left = release(guest)
    must(left == 0, f"the DIMM is gone, and {left} pages are where it was")
    return Done(f"moved {inside * 4 // 1024} MiB of {what}; gone after {answer.seconds:.2f} s", answer.seconds)


@scenario("removal/empty", "a DIMM that nothing uses", MOVABLE)
def empty(guest):
    dimm = guest.plug("d0", SIZE)
    answer = guest.give_back(dimm)
    return Done(f"there after {dimm.seconds:.2f} s; gone after {answer.seconds:.2f} s", answer.seconds)


@scenario("removal/tmpfs", "a file of a tmpfs", MOVABLE, kind="file", what="a tmpfs", file="/tmp/held")
@scenario("removal/mlock", "memory that is locked by mlock", MOVABLE, kind="mlock", what="locked memory")
@scenario("removal/anonymous", "anonymous memory", MOVABLE, kind="anon", what="anonymous memory")
def movable(guest, kind, what, file=""):
    if guest.config.disk:
        guest.need_disk()
    dimm = guest.plug("d0", SIZE)
    _, inside = hold(guest, dimm, kind, 64, file)
    must(inside >= 32 * 256, f"{inside} pages of the program are in the DIMM, of {64 * 256} that are bound to its node")
    return moved(guest, dimm, inside, what)


scenario("removal/page-cache", "the page cache of a disk", WITH_DISK, kind="file", what="page cache", file="/mnt/held")(movable)


@scenario("removal/thp", "transparent huge pages", MOVABLE)
def thp(guest):
    guest.write("/sys/kernel/mm/transparent_hugepage/enabled", "always")
    return movable(guest, "thp", "transparent huge pages")


@scenario("removal/tmpfs-huge", "huge pages of a tmpfs (huge=always)", MOVABLE)
def tmpfs_huge(guest):
    guest.run("mkdir -p /tmp/huge")
    if guest.run("mount -t tmpfs -o huge=always,size=128m tmpfs /tmp/huge 2>&1", check=False):
        raise Skip("the kernel has no tmpfs of huge pages")
    dimm = guest.plug("d0", SIZE)
    _, inside = hold(guest, dimm, "file", 64, "/tmp/huge/held")
    huge = int(guest.run("grep -w ShmemHugePages: /sys/devices/system/node/node1/meminfo").split()[-2]) // 2048
    must(huge > 0, f"{inside} pages of the tmpfs are in the DIMM, and no huge one")
    done = moved(guest, dimm, inside, f"a tmpfs, of which {huge * 2} MiB were huge pages")
    guest.run("umount /tmp/huge")
    return done


@scenario("removal/longterm", "memory that is pinned for long (as by RDMA and vfio; here by io_uring): it leaves zone Movable",
          MOVABLE)
def longterm(guest):
    dimm = guest.plug("d0", SIZE)
    _, inside = hold(guest, dimm, "longterm", 4)
    first = int(guest.said("first")[1])
    must(first == 4 * 256, f"{first} pages are in the DIMM, of {4 * 256}")
    must(inside == 0, f"{inside} pages are pinned for long, and still in zone Movable")
    answer = guest.give_back(dimm)
    must(release(guest) == 0, "the DIMM is gone, and pages are where it was")
    return Done(f"{first} pages were taken out of it when they were pinned; gone after {answer.seconds:.2f} s", answer.seconds)


@scenario("removal/hugetlb", "huge pages of 2 MiB", MOVABLE)
def hugetlb(guest):
    dimm = guest.plug("d0", SIZE)
    pool = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages"
    guest.write(pool, "24")
    count = int(guest.read(pool))
    must(count == 24, f"{count} huge pages of an empty DIMM, of 24")
    _, inside = hold(guest, dimm, "hugetlb", 32)  # 16 are used; 8 are free, and may just go
    must(inside == 16 * 512, f"{inside // 512} huge pages are in the DIMM, of 16")
    return moved(guest, dimm, inside, "huge pages")


@scenario("removal/ksm", "pages that KSM has merged", MOVABLE)
def ksm(guest):
    guest.write("/sys/kernel/mm/ksm/pages_to_scan", "5000")
    guest.write("/sys/kernel/mm/ksm/run", "1")
    dimm = guest.plug("d0", SIZE)
    _, inside = hold(guest, dimm, "ksm", 16)
    must(inside == 16 * 256, f"{inside} pages are in the DIMM, of {16 * 256}")
    guest.until(lambda: int(guest.read("/sys/kernel/mm/ksm/pages_sharing")) > 15 * 256, "KSM merges the pages", 3 * HANGS)
    shared = int(guest.read("/sys/kernel/mm/ksm/pages_shared"))
    answer = guest.unplug(dimm)
    guest.write("/sys/kernel/mm/ksm/run", "2")  # and no longer
    left = release(guest)
    must(answer.removed, f"the kernel refuses to move merged pages: {answer.text}", answer.lines)
    must(left == 0, f"the DIMM is gone, and {left} pages are where it was")
    return Done(f"moved {shared} pages that {inside} had been merged into; gone after {answer.seconds:.2f} s", answer.seconds)


@scenario("removal/eject", "the kernel gives a DIMM back that nobody asked for: eject in sysfs", MOVABLE)
def eject(guest):
    dimm = guest.plug("d0", SIZE)
    there = guest.run("for d in /sys/bus/acpi/devices/PNP0C80:*; do [ \"$(cat $d/status)\" = 15 ] && [ -e $d/eject ] "
                      "&& echo $d; done; :").split()
    if not there:
        raise Skip("the kernel has no file eject of a memory device")
    must(len(there) == 1, f"there is one DIMM, and these say that they are one: {there}")
    mark, start = guest.mark(), time.monotonic()
    guest.forget()
    guest.run(f"echo 1 > {there[0]}/eject", timeout=HANGS)
    answer = guest.answer(dimm, start, mark)
    must(answer.removed, f"the kernel does not give the DIMM back: {answer.text}", answer.lines)
    return Done(f"gone after {answer.seconds:.2f} s", answer.seconds)


@scenario("removal/races", "blocks go offline and online while the DIMM is asked for", MOVABLE)
def races(guest):
    dimm = guest.plug("d0", SIZE)
    blocks = " ".join(f"/sys/devices/system/memory/memory{n}/state" for n in dimm.blocks(guest.block_size))
    guest.start("sh -c 'until [ -e /tmp/stop ]; do for b in " + blocks + "; do echo offline > $b; "
                "echo online_movable > $b && echo round; done; done 2> /dev/null; :'")
    guest.said("round")
    mark = guest.mark()
    start = guest.request("d0")
    event = guest.until(lambda: guest.ended("d0"), "an answer")
    guest.stop()
    if event["event"] == "DEVICE_DELETED":
        answer = guest.answer(dimm, start, mark)
        return Done(f"gone after {answer.seconds:.2f} s, while they did", answer.seconds)
    guest.run("for b in " + blocks + "; do grep -q online $b || echo online_movable > $b; done")
    refused = guest.answer(dimm, start, mark)
    answer = guest.give_back(dimm)
    return Done(f"{refused.text} after {refused.seconds:.2f} s, while they did; then gone after {answer.seconds:.2f} s",
                answer.seconds, True, refused.lines)


@scenario("removal/node", "all DIMMs of a node: the node comes, goes, and comes again", MOVABLE)
def whole_node(guest):
    nodes = "/sys/devices/system/node/online"
    before = guest.read(nodes)
    must(before == "0", f"nodes {before} are online, where node 1 has no memory")
    dimms = [guest.plug(f"d{n}", guest.block_size) for n in range(2)]
    must(guest.read(nodes) == "0-1", f"nodes {guest.read(nodes)} are online with DIMMs in node 1")
    guest.give_back(dimms[1])
    must(guest.read(nodes) == "0-1", "the node has gone with the first of its DIMMs")
    answer = guest.give_back(dimms[0])
    must(guest.read(nodes) == "0", "the DIMMs are gone, and their node is online")
    guest.give_back(guest.plug("d0", guest.block_size))
    return Done(f"the node is gone {answer.seconds:.2f} s after its last DIMM was asked for; then it was there again", answer.seconds)

# SPDX-License-Identifier: GPL-2.0-or-later
"""A DIMM is asked for whose memory may not be movable: the kernel may refuse, and has to go on well."""
import time

from removal import MOVABLE, SIZE, hold
from scenario import Config, Done, must, scenario

KERNEL = Config("memhp_default_state=online_kernel")
KERNEL_DISK = Config("memhp_default_state=online_kernel", disk=True)
FAILED = "page dumped because: migration failure"


def kept(guest, dimm, end, what):
    """Pages that something refers to: the kernel tries to move them for as long as it does, or refuses at once. Once @end() has
    made it let go, the DIMM has to go. Only the former is answered late."""
    mark = guest.mark()
    start = guest.request(dimm.ident)
    guest.until(lambda: guest.run(f"dmesg | sed -n '/memhp-check mark {mark}\\./,$p' | grep '{FAILED}'", check=False)
                or guest.ended(dimm.ident), "the kernel has tried to move them, or has answered")
    lines = guest.reasons(mark)
    event = guest.ended(dimm.ident)
    if event and event["event"] == "DEVICE_DELETED":
        answer = guest.answer(dimm, start, mark)
        end()
        return Done(f"moved {what}; gone after {answer.seconds:.2f} s", answer.seconds)
    if event:
        refused = guest.answer(dimm, start, mark)
        end()
        answer = guest.give_back(dimm)
        return Done(f"{what}: {refused.text} after {refused.seconds:.2f} s; when they were free, gone after {answer.seconds:.2f} s",
                    refused.seconds, True, refused.lines)
    tried = time.monotonic() - start
    end()
    answer = guest.answer(dimm, start, mark)
    must(answer.removed, f"{what} are free, and the kernel does not give the DIMM back: {answer.text}", answer.lines)
    return Done(f"{what}: the kernel tries again and again; after {tried:.2f} s they were freed, and it was gone "
                f"{answer.seconds - tried:.2f} s later", answer.seconds, True, lines)


@scenario("refusal/pinned", "pages that a pipe refers to (vmsplice), as a device that transfers to them", MOVABLE)
def pinned(guest):
    dimm = guest.plug("d0", SIZE)
    _, inside = hold(guest, dimm, "pinned", 4)
    must(inside == 4 * 256, f"{inside} pages are in the DIMM, of {4 * 256}")

    def end():
        guest.stop()
    return kept(guest, dimm, end, "pinned pages")


def asyncio(guest, kind):
    """Start the program whose asynchronous I/O lies in node 1, and plug that; the DIMM, and how many of its pages are there."""
    guest.need_disk(mount=False)
    guest.start(f"asyncio {kind} /dev/vda")
    guest.said("waits")
    dimm = guest.plug("d0", SIZE)
    pages = [int(word, 16) for word in guest.said("begins")[1:]]
    inside = sum(dimm.addr <= page < dimm.addr + dimm.size for page in pages)
    must(inside == len(pages), f"{inside} pages are in the DIMM, of {len(pages)}")
    return dimm


def end_asyncio(guest):
    guest.stop()
    must(not guest.run("ls /tmp/wrong 2>/dev/null", check=False), f"asynchronous I/O went wrong: {guest.run('cat /tmp/said')}")


@scenario("refusal/io_uring", "buffers that are registered with an io_uring, in the kernel's zone", KERNEL_DISK)
def io_uring(guest):
    dimm = asyncio(guest, "uring")
    return kept(guest, dimm, lambda: end_asyncio(guest), "registered buffers")


@scenario("refusal/aio", "rings of asynchronous I/O with requests under way, in the kernel's zone", KERNEL_DISK)
def aio(guest):
    dimm = asyncio(guest, "aio")
    answer = guest.unplug(dimm)
    end_asyncio(guest)
    if answer.removed:
        return Done(f"moved the rings; gone after {answer.seconds:.2f} s", answer.seconds)
    return Done(f"the rings: {answer.text} after {answer.seconds:.2f} s", answer.seconds, True, answer.lines)


@scenario("refusal/page-tables", "page tables, in the kernel's zone", KERNEL, kind="pagetables", field="PageTables")
@scenario("refusal/slabs", "objects of the kernel (directories), in the kernel's zone", KERNEL, kind="slabs", field="Slab")
def unmovable(guest, kind, field):
    dimm = guest.plug("d0", SIZE)
    guest.run("mkdir -p /tmp/slabs")
    hold(guest, dimm, kind, 4, "/tmp/slabs")
    inside = int(guest.run(f"grep -w {field}: /sys/devices/system/node/node1/meminfo").split()[-2])
    must(inside >= 1024, f"{inside} KiB of {field} are in the DIMM's node, which should have 4 MiB more")
    answer = guest.unplug(dimm)
    must(not answer.removed, f"the kernel has given a DIMM back in which were {inside} KiB of {field}")
    guest.stop()
    return Done(f"{inside} KiB of {field}: {answer.text} after {answer.seconds:.2f} s", answer.seconds, True, answer.lines)

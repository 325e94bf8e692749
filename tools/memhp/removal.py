# SPDX-License-Identifier: GPL-2.0-or-later
"""A DIMM is asked for while its memory is used, in each of many ways."""
from guest import MIB
from scenario import Config, Done, Failure, must, scenario

SIZE = 256 * MIB
MOVABLE = Config("memhp_default_state=online_movable")
WITH_DISK = Config("memhp_default_state=online_movable", disk=True)


def hold(guest, dimm, kind, mib, file=""):
    """Start the program that holds memory of the DIMM; how many of its pages are in there."""
    guest.start(f"holder {kind} {mib} {dimm.node} {dimm.addr:#x} {dimm.addr + dimm.size:#x} {file}")
    pages, inside = map(int, guest.said("holds"))
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


@scenario("removal/anonymous", "anonymous memory", MOVABLE, kind="anon", what="anonymous memory")
@scenario("removal/mlock", "memory that is locked by mlock", MOVABLE, kind="mlock", what="locked memory")
@scenario("removal/tmpfs", "a file of a tmpfs", MOVABLE, kind="file", what="a tmpfs", file="/tmp/held")
@scenario("removal/page-cache", "the page cache of a disk", WITH_DISK, kind="file", what="page cache", file="/mnt/held")
def movable(guest, kind, what, file=""):
    if guest.config.disk:
        guest.need_disk()
    dimm = guest.plug("d0", SIZE)
    _, inside = hold(guest, dimm, kind, 64, file)
    must(inside >= 32 * 256, f"{inside} pages of the program are in the DIMM, of {64 * 256} that are bound to its node")
    return moved(guest, dimm, inside, what)

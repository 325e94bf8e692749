#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A DIMM with the rings of Linux' asynchronous I/O, or with buffers that are registered with an io_uring (asyncio.c), is
asked for while they are in use: test_asyncio.py BUILD-DIR PROGRAM"""
import contextlib
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD, PROGRAM = sys.argv[1:]
MIB = 1 << 20
SIZE = 128 * MIB
HANGS = 3 * vm.LONG  # seconds
DRIVERS = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk"]


@contextlib.contextmanager
def machine(zone):
    """One with a disk, whose node 1 is a DIMM that the guest uses as @zone."""
    with tempfile.TemporaryDirectory() as folder:
        vm.with_program(f"{BUILD}/guest", PROGRAM, folder)
        with open(f"{folder}/disk", "wb") as file:
            file.truncate(MIB)
        with vm.Vm(f"{BUILD}/dimmable", folder, accel="soft", memory="256M,slots=2,maxmem=4G",
                   append=f"console=ttyS0 memhp_default_state={zone}",
                   extra=["-numa", "node,mem=256M,cpus=0", "-numa", "node",
                          "-drive", f"if=none,id=d0,format=raw,file={folder}/disk,cache=none",
                          "-device", "virtio-blk-pci,drive=d0"]) as guest:
            guest.wait_ready()
            for driver in DRIVERS:
                guest.run(f"insmod /lib/modules/{driver}.ko")
            guest.run("until (: < /dev/vda) 2> /dev/null; do sleep 0.1; done")
            yield guest


def places(guest, when):
    """Whether each page of the program that it prints when it @when ("begins", "ends") is in the DIMM."""
    vm.wait_until(lambda: guest.run(f"grep '^{when} ' /tmp/said", check=False), f"the program {when}", HANGS)
    words = guest.run(f"grep '^{when} ' /tmp/said").split()[2:]
    start = 4 << 30
    return [start <= int(word, 16) < start + SIZE for word in words]


def begin(guest, kind):
    guest.run(f"(/asyncio {kind} /dev/vda > /tmp/said 2>&1; echo status $? >> /tmp/said) < /dev/null &")
    vm.wait_until(lambda: guest.run("grep waits /tmp/said", check=False), "the program waits", HANGS)
    guest.plug("m0", SIZE, node=1)
    return places(guest, "begins")


def goes_on(guest):
    """It begins a round, and ends it, from now on."""
    def rounds():
        return int(guest.run("wc -c < /tmp/rounds"))
    before = rounds()
    vm.wait_until(lambda: rounds() > before + 1, "rounds", HANGS)


def end(guest):
    """Its pages at the end; all that it has read and heard was right."""
    guest.run("touch /tmp/stop; wait", timeout=HANGS)
    tap.equal(guest.run("grep status /tmp/said"), "status 0", guest.run("cat /tmp/said"))
    tap.equal(guest.run("ls /tmp/wrong 2>/dev/null | wc -l"), "0")
    tap.equal(guest.run("dmesg | grep -ciE 'bug:|oops|call trace|i/o error'", check=False), "0", "kernel complaints")
    return places(guest, "ends")


def rings():
    """Both rings leave the DIMM with the events that are in them, and so do the buffers."""
    with machine("online_kernel") as guest:
        found = begin(guest, "aio")
        tap.equal((all(found), len(found)), (True, 12), f"pages in the DIMM: {found}")
        goes_on(guest)
        guest.unplug("m0", HANGS)
        goes_on(guest)
        tap.equal(any(end(guest)), False, "pages where no DIMM is any more")


def registered():
    """Pages of the kernel's zone to which a device may write at any time stay. Linux tries to move them for as long as they
    are: it gives the DIMM back when they are free."""
    with machine("online_kernel") as guest:
        found = begin(guest, "uring")
        tap.equal((all(found), len(found)), (True, 8), f"pages in the DIMM: {found}")
        guest.qmp.command("device_del", id="m0")
        vm.wait_until(lambda: guest.run("dmesg | grep 'page dumped because: migration failure'", check=False),
                      "the guest has tried to move them", HANGS)
        goes_on(guest)
        tap.equal(guest.qmp.command("query-memory-devices")[0]["data"]["state"], "unplug-in-progress")
        tap.equal(all(end(guest)), True, "pages that stay")
        guest.qmp.event("DEVICE_DELETED", HANGS, device="m0")


def registered_movable():
    """Linux moves what is to be registered out of a DIMM that is to leave, so that it can leave at once."""
    with machine("online_movable") as guest:
        found = begin(guest, "uring")
        tap.equal((any(found), len(found)), (False, 8), f"pages in the DIMM: {found}")
        guest.unplug("m0", HANGS)
        goes_on(guest)
        end(guest)


tap.run([
    ("rings with events in them leave", rings),
    ("registered buffers of the kernel's zone stay, and leave later", registered),
    ("registered buffers are not in movable memory", registered_movable),
])

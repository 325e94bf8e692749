# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that is no DIMM: what firmware has reserved for a purpose becomes memory by the driver kmem."""
import time

from guest import HANGS, MIB
from scenario import Config, Done, Skip, equal, must, scenario

DRIVERS = "/sys/bus/dax/drivers"
DEVICE = "dax0.0"
START, SIZE = 1024 * MIB, 256 * MIB


def give_to_kmem(guest, blocks):
    """The device becomes memory; after how many seconds."""
    start = time.monotonic()
    guest.run(f"echo {DEVICE} > {DRIVERS}/kmem/new_id", timeout=HANGS)
    guest.until(lambda: {guest.memory_blocks().get(n) for n in blocks} == {"online"}, "the device's blocks online")
    return time.monotonic() - start


def take_from_kmem(guest, blocks):
    """It is memory no longer; after how many seconds."""
    guest.until(lambda: {guest.memory_blocks().get(n) for n in blocks} == {"online"}, "the device's blocks online")
    start = time.monotonic()
    for n in blocks:
        guest.run(f"echo offline > /sys/devices/system/memory/memory{n}/state", timeout=HANGS)
    guest.run(f"echo {DEVICE} > {DRIVERS}/kmem/unbind", timeout=HANGS)
    return time.monotonic() - start


@scenario("dax/kmem", "a DAX device becomes memory by the driver kmem, and is one again",
          Config(f"memhp_default_state=online_movable nokaslr memmap={SIZE // MIB}M%{START // MIB}M-1+0xefffffff",
                 memory="1536M"))
def kmem(guest):
    guest.load_drivers()
    if not guest.run(f"ls -d {DRIVERS}/kmem 2>/dev/null", check=False):
        raise Skip(guest.lacks("driver kmem"))
    driver = guest.run(f"readlink /sys/bus/dax/devices/{DEVICE}/driver", check=False).rsplit("/", maxsplit=1)[-1]
    if not driver:
        raise Skip("the kernel makes no DAX device of memory that is reserved for a purpose")
    blocks = range(START // guest.block_size, (START + SIZE) // guest.block_size)
    if driver == "kmem":  # since Linux 6.3 it is given to it at once
        take_from_kmem(guest, blocks)
    else:
        guest.run(f"echo {DEVICE} > {DRIVERS}/{driver}/unbind", timeout=HANGS)
    total, before = guest.mem_total(), guest.memory_blocks()
    came = give_to_kmem(guest, blocks)
    equal(guest.mem_total() - total, SIZE, "growth of MemTotal, in bytes")
    must("System RAM (kmem)" in guest.run("cat /proc/iomem"), "/proc/iomem does not have it")
    went = take_from_kmem(guest, blocks)
    equal((guest.mem_total(), guest.memory_blocks()), (total, before), "MemTotal and blocks afterwards")
    guest.run(f"echo {DEVICE} > {DRIVERS}/device_dax/new_id", timeout=HANGS)
    guest.until(lambda: guest.run(f"[ -c /dev/{DEVICE} ] && echo yes", check=False), f"/dev/{DEVICE}")
    first = "; the kernel had given it to kmem by itself" if driver == "kmem" else ""
    return Done(f"{SIZE // MIB} MiB came in {came:.2f} s and went in {went:.2f} s; then there is /dev/{DEVICE}{first}", came)

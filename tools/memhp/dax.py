# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that is no DIMM: what firmware has reserved for a purpose becomes memory by the driver kmem."""
from guest import HANGS, MIB
from scenario import Config, Done, Skip, equal, must, scenario

KMEM = "/sys/bus/dax/drivers/kmem"
DEVICE = "dax0.0"
START, SIZE = 1024 * MIB, 256 * MIB


@scenario("dax/kmem", "a DAX device becomes memory by the driver kmem, and is one again",
          Config(f"memhp_default_state=online_movable nokaslr memmap={SIZE // MIB}M%{START // MIB}M-1+0xefffffff",
                 memory="1536M"))
def kmem(guest):
    guest.load_drivers()
    if not guest.run(f"ls -d {KMEM} 2>/dev/null", check=False):
        raise Skip("there is no driver kmem: give the kernel's modules with --modules")
    if not guest.run(f"ls -d /sys/bus/dax/devices/{DEVICE} 2>/dev/null", check=False):
        raise Skip("the kernel makes no DAX device of memory that is reserved for a purpose")
    total, before = guest.mem_total(), guest.memory_blocks()
    guest.run(f"echo {DEVICE} > /sys/bus/dax/drivers/device_dax/unbind; echo {DEVICE} > {KMEM}/new_id", timeout=HANGS)
    blocks = set(range(START // guest.block_size, (START + SIZE) // guest.block_size))
    guest.until(lambda: {guest.memory_blocks().get(n) for n in blocks} == {"online"}, "the device's blocks online")
    equal(guest.mem_total() - total, SIZE, "growth of MemTotal, in bytes")
    must("System RAM (kmem)" in guest.run("cat /proc/iomem"), "/proc/iomem does not have it")
    for n in blocks:
        guest.run(f"echo offline > /sys/devices/system/memory/memory{n}/state", timeout=HANGS)
    guest.run(f"echo {DEVICE} > {KMEM}/unbind", timeout=HANGS)
    equal((guest.mem_total(), guest.memory_blocks()), (total, before), "MemTotal and blocks afterwards")
    return Done(f"{SIZE // MIB} MiB came and went")

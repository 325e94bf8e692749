# SPDX-License-Identifier: GPL-2.0-or-later
"""Which zone a DIMM becomes part of, as the kernel's policies say."""
from guest import MIB
from scenario import Config, Done, Skip, equal, scenario

AUTO = "/sys/devices/system/memory/auto_online_blocks"
POLICY = "/sys/module/memory_hotplug/parameters"
SIZE = 256 * MIB


def come_and_go(guest, zone):
    """A DIMM whose blocks have to be online in @zone ("" for offline), and which has to go again if that is Movable."""
    dimm = guest.plug("d0", SIZE)
    if not zone:
        equal(guest.states_of(dimm), {"offline"}, "the blocks' states")
        where = "offline"
    else:
        equal(guest.states_of(dimm), {"online"}, "the blocks' states")
        equal(guest.zone_of(dimm), {zone}, "the zone")
        equal(guest.zones().get((1, zone), 0), SIZE, f"present in zone {zone} of node 1, of /proc/zoneinfo")
        where = f"zone {zone}"
    text = f"{where} after {dimm.seconds:.2f} s"
    if zone == "Normal":
        answer = guest.unplug(dimm)  # either is right
        said = "gone" if answer.removed else f"it does not give it back: {answer.text}"
        return Done(f"{text}; {said} after {answer.seconds:.2f} s", dimm.seconds, lines=answer.lines)
    answer = guest.give_back(dimm)
    return Done(f"{text}; gone after {answer.seconds:.2f} s", dimm.seconds)


@scenario("zones/online_movable", "auto_online_blocks = online_movable", policy="online_movable", zone="Movable")
@scenario("zones/offline", "auto_online_blocks = offline", policy="offline", zone="")
@scenario("zones/online", "auto_online_blocks = online: next to other memory, so zone Normal", policy="online", zone="Normal")
@scenario("zones/online_kernel", "auto_online_blocks = online_kernel", policy="online_kernel", zone="Normal")
def by_policy(guest, policy, zone):
    guest.write(f"{POLICY}/online_policy", "contig-zones")
    guest.write(AUTO, policy)
    return come_and_go(guest, zone)


@scenario("zones/auto-movable", "memory_hotplug.online_policy = auto-movable: Movable while its share allows it",
          ratio=301, zone="Movable")
@scenario("zones/auto-movable-ratio", "auto-movable, with auto_movable_ratio = 10: more would be too much",
          ratio=10, zone="Normal")
def auto_movable(guest, ratio, zone):
    guest.write(f"{POLICY}/online_policy", "auto-movable")
    guest.write(f"{POLICY}/auto_movable_numa_aware", "N")
    guest.write(f"{POLICY}/auto_movable_ratio", str(ratio))
    guest.write(AUTO, "online")
    return come_and_go(guest, zone)


@scenario("zones/movable_node", "movable_node: what SRAT calls hot-pluggable is Movable",
          Config("movable_node memhp_default_state=online"))
def movable_node(guest):
    return come_and_go(guest, "Movable")


@scenario("zones/large-blocks", "the same with the large blocks of a machine whose memory reaches beyond 64 GiB",
          Config(maxmem="80G", may_not_start=True, extra=("-object", "memory-backend-ram,id=m-b0,size=256M", "-device",
                                                         f"pc-dimm,id=b0,memdev=m-b0,node=1,boot=on,addr={(66 << 30) - SIZE:#x}")))
def large_blocks(guest):
    if guest.block_size <= 128 * MIB:
        raise Skip(f"the kernel has blocks of {guest.block_size // MIB} MiB in such a machine, too")
    return blocks(guest)


@scenario("zones/blocks", "memory comes in whole blocks: a DIMM that is none is not used, and can go")
def blocks(guest):
    guest.write(AUTO, "online_movable")
    before = guest.memory_blocks()
    dimm = guest.plug("d0", guest.block_size * 2)
    equal(len(guest.memory_blocks()) - len(before), 2, "new blocks")
    guest.give_back(dimm)
    text = f"two blocks of {guest.block_size // MIB} MiB after {dimm.seconds:.2f} s"
    if guest.block_size == 2 * MIB:
        return Done(text, dimm.seconds)
    size = guest.block_size + 2 * MIB
    guest.give_back(guest.plug("d0", size, whole=False))
    equal(guest.memory_blocks(), before, "blocks of a DIMM that is no whole number of them")
    return Done(f"{text}; one of {size // MIB} MiB is not used, and goes", dimm.seconds)

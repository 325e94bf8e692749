# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tables of a machine must say, from its command line and from what QMP says of its objects;
and the comparison of the two."""
import re

import reader
from matrix import GIB, MIB
from reader import ENABLED, HOTPLUGGABLE, NON_VOLATILE, Nvdimm, Range, need

# (RAM below 4 GiB is at most this, if there is this much or more)
SPLITS = {"pc": (3 * GIB, 3584 * MIB), "q35": (2 * GIB, 2816 * MIB)}
PLACE = 2 * MIB  # what a node without memory has in SRAT


def size_of(text):
    match = re.fullmatch(r"(\d+)([MGT]?)", text)
    return int(match.group(1)) << {"": 20, "M": 20, "G": 30, "T": 40}[match.group(2)]


class Facts:
    """@box: the running machine of @config."""

    def __init__(self, config, box):
        size, *options = config.memory.split(",")
        options = dict(option.split("=") for option in options)
        self.config = config
        self.ram = size_of(size)
        self.slots = int(options.get("slots", 0))
        self.maxmem = size_of(options.get("maxmem", size))
        most, least = SPLITS[config.machine]
        self.below = most if self.ram >= least else self.ram
        self.above = self.ram - self.below
        self.dimms = [{**d["data"], "lasts": d["type"] == "nvdimm"} for d in box.qmp.command("query-memory-devices")]
        places = box.qmp.command("query-hotpluggable-cpus")
        self.cpus = self.apic_ids(places)  # those that are to come, too
        self.present = [ident for ident, place in zip(self.cpus, places) if "qom-path" in place]
        self.nodes = self.node_sizes(box)
        self.rows = self.distances()

    @staticmethod
    def apic_ids(cpus):
        """{APIC ID: node}: thread, core and socket, each in as many bits as its numbers need."""
        props = [cpu["props"] for cpu in cpus]
        width = {name: max(p.get(name, 0) for p in props).bit_length()
                 for name in ("thread-id", "core-id", "die-id")}
        found = {}
        for p in props:
            ident = p.get("socket-id", 0)
            for name in ("die-id", "core-id", "thread-id"):
                ident = ident << width[name] | p.get(name, 0)
            found[ident] = p.get("node-id", 0)
        return found

    def node_sizes(self, box):
        """Boot memory of each node: all that it has, without its DIMMs."""
        text = box.qmp.command("human-monitor-command", **{"command-line": "info numa"})
        sizes = [int(n) * MIB for n in re.findall(r"node \d+ size: (\d+) MB", text)]
        for dimm in self.dimms:
            if sizes:
                sizes[dimm["node"]] -= dimm["size"]
        return sizes or [self.ram]

    def distances(self):
        given = {}
        for word in self.config.args:
            match = re.fullmatch(r"dist,src=(\d+),dst=(\d+),val=(\d+)", word)
            if match:
                given[int(match.group(1)), int(match.group(2))] = int(match.group(3))
        count = len(self.nodes)
        return [[10 if a == b else given.get((a, b), given.get((b, a), 20)) for b in range(count)]
                for a in range(count)]

    def window(self):
        """(first address, end) of the memory for DIMMs; empty without slots and maxmem."""
        base = (4 * GIB + self.above + GIB - 1) // GIB * GIB
        if self.maxmem == self.ram:
            return base, base
        return base, base + self.maxmem - self.ram + self.slots * GIB

    def boot_memory(self):
        """Ranges: the nodes have RAM in their order, and the map has a hole at 640 KiB and one below
        4 GiB."""
        pieces = [(0, 0xA0000, 0), (MIB, self.below - MIB, MIB), (4 * GIB, self.above, self.below)]
        start = 0
        for node, size in enumerate(self.nodes):
            for base, length, ram in pieces:
                first, last = max(start, ram), min(start + size, ram + length)
                if first < last:
                    yield Range(node, base + first - ram, last - first, ENABLED)
            start += size

    # ---- comparison ----

    def check(self, found):
        """@found: reader.read_all() of the tables."""
        self.check_processors(found)
        self.check_memory(found["SRAT"].memory)
        need("SLIT" in found or len(self.nodes) == 1, "no SLIT")
        if "SLIT" in found:
            need(found["SLIT"] == self.rows, "SLIT", found["SLIT"], "and not", self.rows)
        need(("HMAT" in found) == ("hmat=on" in self.config.board), "HMAT")
        if "HMAT" in found:
            self.check_hmat(found["HMAT"])
        self.check_nvdimms(*found.get("NFIT", ([], None)))
        self.check_generation(found.get("SSDT"))
        need(("ERST" in found) == any("acpi-erst" in word for word in self.config.args), "ERST")
        if "ERST" in found:
            self.check_erst(found["ERST"])
        need(("CEDT" in found) == ("cxl=on" in self.config.board), "CEDT")
        if "CEDT" in found:
            self.check_cxl(*found["CEDT"])
        self.check_chips(found)

    def check_cxl(self, bridges, windows):
        """Behind the window for DIMMs: of 2 GiB, and 1 GiB a slot."""
        end = 8 * GIB
        need(bridges == {80: end, 16: end + 0x10000}, "CXL host bridges", bridges)
        need(windows == [(end + 256 * MIB, 4 * GIB, 256, [80]), (end + 256 * MIB + 4 * GIB, GIB, 8192, [80, 16])], "CXL windows", windows)

    def check_generation(self, page):
        need((page is not None) == ("vmgenid" in self.config.args), "SSDT with", page)
        if page is not None:
            need(page % 0x1000 == 0 and (page != 0xFEF00000) == self.config.firmware, "generation ID at", hex(page))

    def check_erst(self, base):
        """Below the part of an extra root, if there is one; the buffer is at the end."""
        end = 0xFEC00000 - (64 * MIB if "pxb" in self.config.name else 0)
        record = 65536 if "pxb" in self.config.name else 8192
        need(base == end - record - 4096, "ERST: registers at", hex(base))

    def check_nvdimms(self, nvdimms, capabilities):
        given = " ".join((self.config.board, *self.config.args))
        wanted = [Nvdimm(d["slot"] + 1, d["addr"], d["size"], d["node"], 8 if "unarmed=on" in given else 0)
                  for d in self.dimms if d["lasts"]]
        need(sorted(nvdimms) == sorted(wanted), "NVDIMMs", nvdimms, "and not", wanted)
        place = re.search(r"nvdimm-persistence=([\w-]+)", given)
        need(capabilities == ({"cpu": 3, "mem-ctrl": 2}[place.group(1)] if place and wanted else None),
             "platform capabilities", capabilities)

    def check_processors(self, found):
        madt = found["APIC"]
        listed = [cpu.apic_id for cpu in madt.cpus if cpu.enabled]
        need(listed == sorted(self.present), "MADT lists", listed, "and not", sorted(self.present))
        coming = [cpu.apic_id for cpu in madt.cpus if cpu.capable]
        need(coming == sorted(self.cpus.keys() - set(self.present)), "MADT says that these may come:", coming)
        need(found["SRAT"].cpus == self.cpus, "SRAT has", found["SRAT"].cpus, "and not", self.cpus)
        need(madt.apic_base == 0xFEE00000 and madt.pcat == 1, "MADT", madt)
        need(madt.io_apics == [(0, 0xFEC00000, 0)], "I/O APICs", madt.io_apics)
        need(madt.overrides == {0: (2, 0), 9: (9, 0xD)}, "overrides", madt.overrides)

    def check_memory(self, memory):
        boot = {r for r in memory if r.flags == ENABLED}
        rest = [r for r in memory if r.flags != ENABLED]
        need(boot == set(self.boot_memory()), "boot memory is", boot, "and not", set(self.boot_memory()))
        need(all(r.flags & ~NON_VOLATILE == ENABLED | HOTPLUGGABLE for r in rest), "flags of", rest)
        plugged = {Range(d["node"], d["addr"], d["size"], 7 if d["lasts"] else 3) for d in self.dimms}
        need({r for r in rest if r.flags & NON_VOLATILE} <= plugged, "non-volatile:", rest)
        need(plugged <= set(rest), "DIMMs", plugged, "are not all in", rest)
        at, end = self.window()
        for r in sorted(rest, key=lambda r: r.base):
            need(r.base == at, "the window at", hex(at), "and SRAT's next range at", hex(r.base))
            at += r.size
        need(at == end, "the window ends at", hex(end), "and in SRAT at", hex(at))
        self.check_places([r for r in rest if r not in plugged], end - self.window()[0])

    def check_places(self, free, window):
        """What is free belongs to the last node, but for a place for each node without memory."""
        last = len(self.nodes) - 1
        empty = {n for n in range(last) if not self.nodes[n]} - {d["node"] for d in self.dimms}
        places = [r for r in free if r.node != last]
        need({r.node for r in places} == (empty if window else set()), "places for", places, "wanted:", empty)
        need(len(places) == len({r.node for r in places}), "two places for a node:", places)
        need(all(r.size == PLACE for r in places), "sizes of", places)

    def check_hmat(self, hmat):
        need(set(hmat.domains) == set(range(len(self.nodes))), "HMAT's domains", hmat.domains)
        with_cpus = set(self.cpus.values())
        for memory, initiator in hmat.domains.items():
            if memory in with_cpus:
                need(initiator == memory, "domain", memory, "has initiator", initiator)
            need(initiator is None or initiator in with_cpus, "initiator", initiator, "has no CPUs")
        wanted = {self.figure(word) for word in self.config.args if word.startswith("hmat-lb")}
        need(hmat.figures == wanted, "HMAT has", hmat.figures, "and not", wanted)
        wanted = [self.cache(word) for word in self.config.args if word.startswith("hmat-cache")]
        need(hmat.caches == wanted, "HMAT has", hmat.caches, "and not", wanted)

    @staticmethod
    def figure(word):
        given = dict(option.split("=") for option in word.split(",")[1:])
        kinds = ["access-latency", "read-latency", "write-latency", "access-bandwidth", "read-bandwidth",
                 "write-bandwidth"]
        levels = ["memory", "first-level", "second-level", "third-level"]
        value = int(given["latency"]) * 1000 if "latency" in given else size_of(given["bandwidth"]) // MIB
        return reader.Figure(levels.index(given["hierarchy"]), kinds.index(given["data-type"]),
                             int(given["initiator"]), int(given["target"]), value)

    def cache(self, word):
        given = dict(option.split("=") for option in word.split(",")[1:])
        same_node = f"hmat-cache,node-id={given['node-id']},"
        scale = {"K": 10, "M": 20, "G": 30}[given["size"][-1]]
        return reader.Cache(int(given["node-id"]), int(given["size"][:-1]) << scale,
                            sum(other.startswith(same_node) for other in self.config.args),
                            int(given["level"]), ["none", "direct", "complex"].index(given["associativity"]),
                            ["none", "write-back", "write-through"].index(given["policy"]),
                            int(given["line"]))

    def check_chips(self, found):
        q35 = self.config.machine == "q35"
        fadt = found["FACP"]
        blocks = {"pm1a_evt": 0x600, "pm1a_cnt": 0x604, "pm_tmr": 0x608, "gpe0": 0x620 if q35 else 0xAFE0}
        need({name: at for name, at in fadt.blocks.items() if at} == blocks, "blocks", fadt.blocks)
        need(fadt.lengths["gpe0"] == (16 if q35 else 4), "length of GPE0", fadt.lengths)
        need((fadt.revision, fadt.minor, fadt.sci) == (6, 4, 9), "FADT", fadt)
        need(fadt.smi_cmd and fadt.enable and fadt.disable, "ACPI cannot be enabled")
        need(fadt.flags & 1 << 10 and fadt.reset.address == 0xCF9 and fadt.reset.space == 1, "reset", fadt)
        need(("MCFG" in found) == q35, "MCFG")
        if q35:
            need(found["MCFG"] == [(0xB0000000, 0, 0, 255)], "MCFG", found["MCFG"])
        need(("HPET" in found) == ("hpet=off" not in self.config.board), "HPET")
        if "HPET" in found:
            need(found["HPET"] == (0x8086A201, 0xFED00000, 0), "HPET", found["HPET"])
        need(found["WAET"] == 2, "WAET", found["WAET"])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ACPI tables of this program and of the reference, run as a black box, for the same command lines,
field by field. The reference's tables are linked outside it, as a firmware would (tests/acpi/loader.py),
and both are read by tests/acpi/reader.py; no CPU runs.

    compare_acpi.py PROGRAM             TAP: each difference must be one that is expected
    compare_acpi.py PROGRAM --report    all fields that differ, with the reasons, as text
"""
import os
import re
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [f"{HERE}/../acpi", f"{HERE}/../guest"]
import tap  # noqa: E402

import box  # noqa: E402
import loader  # noqa: E402
import reader  # noqa: E402
from matrix import GIB, MACHINES, MIB, Config, Dimm, lb, numa  # noqa: E402

REFERENCE = shutil.which("qemu-system-x86_64")


def nodes(*given):
    """(options of -numa node, MiB) for each: memory is given by memdev=, which both take."""
    words = []
    for n, (options, mib) in enumerate(given):
        if mib:
            words += ["-object", f"memory-backend-ram,id=ram{n},size={mib}M"]
        words += ["-numa", ",".join(filter(None, ["node", options, f"memdev=ram{n}" if mib else ""]))]
    return tuple(words)


def distances(count):
    return numa(*[f"dist,src={a},dst={b},val={20 + 10 * b + a}" for a in range(count) for b in range(a + 1, count)])


HMAT = nodes(("cpus=0-1", 1024), ("cpus=2-3", 1024)) + numa(
    *[lb(i, t, "access-latency", f"latency={10 + 7 * t + 3 * i}") for i in range(2) for t in range(2)],
    *[lb(i, t, "access-bandwidth", f"bandwidth={20 + t + i}G") for i in range(2) for t in range(2)],
    lb(0, 1, "read-latency", "latency=150000", "first-level"),
    "hmat-cache,node-id=0,size=64K,level=1,associativity=direct,policy=write-back,line=64",
    "hmat-cache,node-id=0,size=1G,level=2,associativity=complex,policy=write-through,line=128")
SHAPES = [
    Config("no-slots", memory="128M"),
    Config("8-slots", smp="2"),
    Config("256-slots", memory="2G,slots=256,maxmem=300G", smp="255"),
    Config("cpus-to-come", smp="2,maxcpus=12,sockets=2,cores=3,threads=2"),
    Config("threads", smp="12,sockets=2,cores=3,threads=2"),
    Config("split", memory="3584M,slots=2,maxmem=16G"),
    Config("unsplit", memory="2815M,slots=2,maxmem=16G"),
    Config("large", memory="6G,slots=4,maxmem=32G"),
    Config("no-hpet", board=",hpet=off"),
    Config("2-nodes", smp="2", args=nodes(("cpus=0", 1024), ("cpus=1", 1024))),
    Config("2-nodes-dimms", smp="2", args=nodes(("cpus=0", 1024), ("cpus=1", 1024)),
           dimms=(Dimm(node=1), Dimm(GIB), Dimm(512 * MIB, node=1))),
    Config("hot", smp="2", args=nodes(("cpus=0-1", 2048), ("", 0)), dimms=(Dimm(node=1, how="hot"),)),
    Config("4-nodes-far", smp="4", args=nodes(*[(f"cpus={n}", 1024) for n in range(4)]) + distances(4),
           memory="4G,slots=8,maxmem=16G"),
    Config("4-nodes-empty", smp="2", args=nodes(("cpus=0-1", 2048), ("", 0), ("", 0), ("", 0))),
    Config("hmat", smp="4", board=",hmat=on", args=HMAT),
    Config("cxl", memory="512M,slots=2,maxmem=2G", board=",cxl=on", only=("q35",), args=(
        "-M", "cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G,cxl-fmw.1.targets.0=cxl.1,cxl-fmw.1.targets.1=cxl.1,cxl-fmw.1.size=1G,"
        "cxl-fmw.1.interleave-granularity=8k", "-device", "pxb-cxl,id=cxl.1,bus_nr=12", "-device", "cxl-rp,bus=cxl.1,id=rp0,slot=2")),
]

# Differences that are meant: (field, of which configurations, reason).
EXPECTED = [
    (r"RSDP", "", "we give revision 2 and an XSDT, whose addresses have 64 bits; the reference an RSDT"),
    (r"FADT revision", "", "we describe ACPI 6.4, the reference 1.0 (pc) and 3.0 (q35)"),
    (r"FADT (reset|boot flags)", r"pc-", "revision 1 has no such fields"),
    (r"FADT (smi_cmd|enable|disable)", "", "commands of the SMI port are the machine's own choice"),
    (r"FADT boot flags", "q35-", "we say that there are ISA devices and no VGA"),
    (r"FADT flags", "", "our RTC wakes nobody (FIX_RTC, no RTC_S4), our PM timer has 32 bits, pc has a reset "
     "register too; the reference asks for its clock rather than the CPU's"),
    (r"MADT override of (5|10|11)", "", "ours are edges, as on an ISA bus: PCI pins are on 16 to 23 (q35) "
     "or not connected (pc)"),
    (r"SRAT present", "no-slots", "we always say where memory is; the reference only with -numa or "
     "slots"),
    (r"SLIT( present)?", r"2-nodes|hot|empty|hmat", "we always say how far nodes are apart; the reference only "
     "with -numa dist, and then operating systems take the same 10 and 20"),
    (r"SRAT (window|hot-pluggable)", "unsplit", "our window has whole pages of 2 MiB, as DIMMs have"),
    (r"SRAT hot-pluggable", r"nodes-empty|hot|dimms", "each DIMM has its own range with its node, and nodes "
     "without memory a place of 2 MiB, without which Linux refuses DIMMs there; the reference has one range "
     "in the last node"),
]


def set_up_chipset(running, machine):
    """As firmware does: the PM block at 0x600 and, on q35, configuration space."""
    slot = 0x1F << 11 if machine == "q35" else 1 << 11 | 3 << 8
    enable = (0x44, 0x80) if machine == "q35" else (0x80, 1)
    for register, value in ((0x40, 0x601), enable):
        running(f"outl 0xcf8 {0x80000000 | slot | register:#x}")
        running(f"outl 0xcfc {value:#x}")
    if machine == "q35":
        box.set_up_mch(running)


def tables_of(program, accel, config, rom):
    """{signature: bytes} after all hot DIMMs are plugged."""
    options = {"memory": config.memory, "cpus": config.smp}
    extra = config.arguments() + (["-bios", rom] if rom else [])
    with box.Box(program, accel=accel, extra=extra, **options) as running:
        set_up_chipset(running, config.machine)
        for n, dimm in enumerate(config.dimms):
            if dimm.how == "hot":
                running.plug(f"d{n}", dimm.size, online=False, node=dimm.node)
        return reader.read_tables(loader.load(running))[0]


def joined(ranges):
    """Sorted, with neighbours of one node as one: how memory is cut into ranges says nothing."""
    found = []
    for r in sorted(ranges, key=lambda r: r.base):
        last = found[-1] if found else None
        if last and last.node == r.node and last.flags == r.flags and last.base + last.size == r.base:
            found[-1] = last._replace(size=last.size + r.size)
        else:
            found.append(r)
    return [f"node {r.node}: {r.base:#x}-{r.base + r.size - 1:#x}" for r in found]


def fields(tables):
    """{name: value} of all that is compared."""
    found = reader.read_all(tables)
    fadt, madt = found["FACP"], found["APIC"]
    values = {"RSDP": "revision " + str(tables["RSDP"][15]), "FADT revision": fadt.revision,
              "FADT sci": fadt.sci, "FADT smi_cmd": fadt.smi_cmd, "FADT enable": fadt.enable,
              "FADT disable": fadt.disable, "FADT flags": hex(fadt.flags), "FADT century": fadt.century,
              "FADT boot flags": fadt.boot_flags, "FADT reset": (fadt.reset and fadt.reset.address,
                                                                fadt.reset_value)}
    for name, address in fadt.blocks.items():
        values[f"FADT {name}"] = (hex(address), fadt.lengths[name] if address else 0)
    for name in ("SRAT", "SLIT", "HMAT", "HPET", "MCFG", "WAET"):
        values[f"{name} present"] = name in found
    values |= {"MADT apic_base": hex(madt.apic_base), "MADT pcat": madt.pcat, "MADT nmis": madt.nmis,
               "MADT io_apics": madt.io_apics, "HPET": found.get("HPET"), "MCFG": found.get("MCFG"),
               "WAET": found.get("WAET"), "SLIT": found.get("SLIT"), "CEDT": found.get("CEDT")}
    values |= {f"MADT processor with APIC ID {cpu.apic_id}": (cpu.enabled, cpu.x2apic) for cpu in madt.cpus}
    values |= {f"MADT override of {irq}": value for irq, value in madt.overrides.items()}
    if "SRAT" in found:
        srat = found["SRAT"]
        values |= {f"SRAT node of APIC ID {ident}": node for ident, node in srat.cpus.items()}
        values["SRAT boot memory"] = joined(r for r in srat.memory if not r.flags & reader.HOTPLUGGABLE)
        window = [r for r in srat.memory if r.flags & reader.HOTPLUGGABLE]
        values["SRAT hot-pluggable"] = joined(window)
        values["SRAT window"] = joined(r._replace(node=0, flags=0) for r in window)
    if "HMAT" in found:
        hmat = found["HMAT"]
        values |= {"HMAT domains": hmat.domains, "HMAT figures": sorted(hmat.figures),
                   "HMAT caches": sorted(hmat.caches)}
    values["DSDT memory devices"] = tables["DSDT"].count(b"\x0c\x41\xd0\x0c\x80")
    return values


def differences(program, config, rom):
    """[(field, ours, theirs, reason or None)]. @rom: any firmware, so that our tables wait for it."""
    ours = fields(tables_of(program, "qtest", config, rom))
    theirs = fields(tables_of(REFERENCE, "tcg", config, None))
    found = []
    for name in sorted(set(ours) | set(theirs)):
        if name.startswith("SRAT ") and name != "SRAT present" and not theirs["SRAT present"]:
            continue
        if ours.get(name) != theirs.get(name):
            reasons = [reason for field, which, reason in EXPECTED
                       if re.fullmatch(field, name) and re.search(which, config.name)]
            found.append((name, ours.get(name), theirs.get(name), reasons[0] if reasons else None))
    return found


def configs():
    for shape in SHAPES:
        for kind in (kind for kind in MACHINES if kind in shape.only):
            yield Config(**{**shape.__dict__, "machine": kind, "name": f"{kind}-{shape.name}"})


def check(program, config, rom):
    if not REFERENCE:
        raise tap.Skip("qemu-system-x86_64 is not there")
    bad = [f"{name}: {ours} here, {theirs} in the reference"
           for name, ours, theirs, reason in differences(program, config, rom) if not reason]
    tap.equal(bad, [], "differences that are not expected")


def report(program, rom):
    for config in configs():
        print(f"\n{config.name}: -m {config.memory} -smp {config.smp} {' '.join(config.arguments())}")
        for name, ours, theirs, reason in differences(program, config, rom):
            print(f"  {name}: {ours} here, {theirs} in the reference\n    {reason or 'NOT EXPECTED'}")


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.NamedTemporaryFile(suffix=".rom") as rom:
        rom.write(bytes(64 << 10))
        rom.flush()
        if sys.argv[2:] == ["--report"]:
            report(program, rom.name)
        else:
            tap.run([(config.name, lambda config=config: check(program, config, rom.name))
                     for config in configs()])


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The q35 machine from outside: what its tables say, and that its chips are where they say."""
import pathlib
import struct
import subprocess
import tempfile

import machine
import vm

import tap

MIB, GIB = 1 << 20, 1 << 30
ECAM = 0xB0000000
HPET = 0xFED00000
LPC = 0x1F << 3
# The devices of libvirt's command line for a guest without USB.
ROOT_PORTS = ['{"driver":"pcie-root-port","port":8,"chassis":1,"id":"pci.1","bus":"pcie.0",'
              '"multifunction":true,"addr":"0x1"}',
              '{"driver":"pcie-root-port","port":9,"chassis":2,"id":"pci.2","bus":"pcie.0",'
              '"addr":"0x1.0x1"}']


def dump(name, *args):
    """{table: bytes} of a machine."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [machine.PROGRAM, "-accel", "qtest", "-nodefaults", "-display", "none", "-M",
             f"{name},dump-acpi={folder}", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=vm.LONG, check=False)
        tap.equal(done.returncode, 0, done.stdout)
        return {p.stem: p.read_bytes() for p in pathlib.Path(folder).glob("*.dat")}


def q35(**options):
    extra = ["-M", "q35", *options.pop("extra", ())]
    return machine.Machine(extra=extra, **options)


def config(m, devfn, offset, width="l", bus=0):
    m.write("l", 0xCF8, 0x80000000 | bus << 16 | devfn << 8 | offset & 0xFC)
    return m.read(width, 0xCFC + (offset & 3))


def set_config(m, devfn, offset, value, width="l"):
    m.write("l", 0xCF8, 0x80000000 | devfn << 8 | offset & 0xFC)
    m.write(width, 0xCFC + (offset & 3), value)


def readl(m, address):
    return int(m(f"readl {address:#x}")[0], 0)


def tables():
    found = dump("q35", "-m", "4G,slots=4,maxmem=16G")
    base, segment, first, last = struct.unpack_from("<QHBB", found["mcfg"], 44)
    tap.equal((base, segment, first, last, len(found["mcfg"])), (ECAM, 0, 0, 255, 60), "MCFG")
    block, space, _, _, _, address, number = struct.unpack_from("<IBBBBQB", found["hpet"], 36)
    tap.equal((block, space, address, number, len(found["hpet"])), (0x8086A201, 0, HPET, 0, 56), "HPET")
    tap.equal(struct.unpack_from("<I", found["waet"], 36), (2,), "WAET")
    fadt = found["facp"]
    tap.equal(struct.unpack_from("<IIIIIIII", fadt, 56), (0x600, 0, 0x604, 0, 0, 0x608, 0x620, 0),
              "the FADT's blocks")
    tap.equal((fadt[92], fadt[93]), (16, 0), "length of the GPE blocks")
    tap.equal(struct.unpack_from("<BBBBQ", fadt, 220), (1, 128, 0, 0, 0x620), "X_GPE0_BLK")
    tap.equal("mcfg" in dump("pc"), False, "MCFG of a pc")


def known_by_name():
    """Where programs look for the host bridge, and the subsystem that drivers know boards by."""
    for name, path, kind in ("pc", "/machine/i440fx", "i440FX-pcihost"), ("q35", "/machine/q35", "q35-pcihost"):
        with machine.Machine(extra=["-M", name]) as m:
            tap.equal(m.qmp.command("qom-get", path=path, property="type"), kind, name)
            for bus in m.qmp.command("query-pci"):
                for dev in bus["devices"]:
                    found = dev["id"].get("subsystem-vendor"), dev["id"].get("subsystem")
                    tap.equal(found, (0x1AF4, 0x1100), f"{name}: subsystem of {dev['slot']}.{dev['function']}")


def many_cpus():
    """255 on a pc, as the reference has it; 288 on a q35, those above with x2APIC entries."""
    for name, most in ("pc", 255), ("q35", 288):
        status, text = machine.run_program("-accel", "qtest", "-display", "none", "-M", name, "-smp", str(most + 1))
        tap.equal((status, str(most) in text), (1, True), text)
        found = dump(name, "-smp", f"{most},sockets={most}")["apic"]
        at, kinds = 44, []
        while at < len(found):
            kinds.append(found[at])
            at += found[at + 1]
        tap.equal((kinds.count(0), kinds.count(9)), (255, most - 255), f"local APICs of {name}")
    with q35(extra=["-smp", "288,sockets=288"]) as m:
        cpus = m.qmp.command("query-cpus-fast")
        tap.equal((len(cpus), cpus[-1]["props"]["socket-id"]), (288, 287))
        m.write("b", 0x70, 0x5F)
        tap.equal(m.read("b", 0x71), 0, "CMOS has no room for the number: firmware asks fw_cfg")
        m.write("w", 0x510, 5)
        tap.equal(m.read("b", 0x511) | m.read("b", 0x511) << 8, 288, "CPUs in fw_cfg")


def hpet_off():
    for name in ("pc", "q35"):
        for args, there in (((), True), (("-M", f"{name},hpet=off"), False), (("-no-hpet",), False)):
            found = dump(name, *args)
            tap.equal(("hpet" in found, b"HPET" in found["dsdt"]), (there, there), f"{name} {args}")
    with q35(extra=["-M", "q35,hpet=off"]) as m:
        tap.equal(readl(m, HPET), 0xFFFFFFFF)
    with q35() as m:
        tap.equal(readl(m, HPET), 0x8086A201)
        tap.equal(m.qmp.command("qom-get", path="/machine", property="hpet"), True)


def memory_map():
    """RAM is split at 2 GiB from 2.75 GiB on, and never reaches configuration space."""
    for memory, low in (("2816M", 2 * GIB), ("2815M", 2815 * MIB), ("8G", 2 * GIB)):
        with q35(memory=memory) as m:
            m(f"writel {low - 0x100000 - 4:#x} 0x12345678")
            tap.equal(readl(m, low - 0x100000 - 4), 0x12345678, memory)
            tap.equal(readl(m, low), 0xFFFFFFFF, memory)
            tap.equal(readl(m, ECAM), 0x29C08086, memory)
            m(f"writel {4 * GIB:#x} 0x12345678")
            tap.equal(readl(m, 4 * GIB), 0x12345678 if low == 2 * GIB else 0xFFFFFFFF, memory)


def configuration():
    with q35() as m:
        tap.equal(config(m, 0, 0), 0x29C08086, "MCH")
        tap.equal(config(m, LPC, 0), 0x29188086, "LPC")
        tap.equal(readl(m, ECAM + (LPC << 12)), 0x29188086, "by memory")
        # As firmware would have left it: there is none.
        tap.equal(config(m, LPC, 0x40), 0x601, "PMBASE")
        tap.equal(config(m, LPC, 0x44, "b"), 0x80, "ACPI_CNTL")
        tap.equal([config(m, LPC, at) for at in (0x60, 0x68)], [0x0B0B0A0A] * 2, "PIRQ routes")
        set_config(m, LPC, 0x40, 0xC00)
        set_config(m, 0, 0x60, 0)
        tap.equal(readl(m, ECAM), 0xFFFFFFFF, "PCIEXBAR off")
        tap.equal(m.read("l", 0x620), 0xFFFFFFFF, "the PM block moved")
        tap.equal(m.read("l", 0xC20), 0)
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(readl(m, ECAM), 0x29C08086, "after a reset")
        tap.equal(m.read("l", 0x620), 0)


def hotplug_after_garbage():
    """Whatever the guest did to its chips, a reset gives it a machine whose hot-plug works."""
    with q35() as m:
        for devfn in (0, LPC):
            for offset in range(0x40, 0x100, 4):
                set_config(m, devfn, offset, 0xFFFFFFFF)
        m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m0", "size": 256 * MIB})
        m.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m0")
        m(f"writel {4 * GIB:#x} 0x12345678")
        tap.equal(readl(m, 4 * GIB), 0x12345678, "nothing hides a DIMM")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(m.read("b", 0x620), 0)
        m.write("b", 0x628, 8)
        m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m1", "size": 256 * MIB})
        m.qmp.command("device_add", driver="pc-dimm", id="d1", memdev="m1")
        tap.equal(m.read("b", 0x620), 8, "GPE 3")


def names():
    with machine.Machine() as m:
        known = {entry["name"]: entry for entry in m.qmp.command("query-machines")}
        tap.equal(known["pc-q35-7.2"].get("alias"), "q35")
        tap.equal(known["pc-i440fx-7.2"].get("alias"), "pc")
        tap.equal([n for n, e in known.items() if e.get("is-default")], ["pc-i440fx-7.2"])
    _, text = machine.run_program("-machine", "help")
    tap.equal(all(f"\n{name} " in text for name in ("q35", "pc-q35-7.2")), True, text)


def libvirt():
    """libvirt's command line, but for what is not there (USB)."""
    args = [
        "-name", "guest=memvm,debug-threads=on", "-S", "-object",
        '{"qom-type":"secret","id":"masterKey0","format":"raw","data":"MDEyMzQ1Njc4OWFiY2RlZg=="}',
        "-machine", "pc-q35-7.2,usb=off,dump-guest-core=off", "-cpu", "qemu64",
        "-overcommit", "mem-lock=off", "-smp", "2,sockets=2,cores=1,threads=1", "-object",
        '{"qom-type":"memory-backend-ram","id":"ram-node0","size":2147483648}', "-numa",
        "node,nodeid=0,cpus=0-1,memdev=ram-node0", "-uuid", "0f0e0d0c-0b0a-4908-8706-050403020100",
        "-no-user-config", "-rtc", "base=utc", "-no-shutdown", "-boot", "strict=on",
        *[word for port in ROOT_PORTS for word in ("-device", port)],
        "-chardev", "null,id=charserial0", "-device",
        '{"driver":"isa-serial","chardev":"charserial0","id":"serial0","index":0}',
        "-audiodev", '{"id":"audio1","driver":"none"}', "-sandbox", "off", "-msg", "timestamp=on"]
    with machine.Machine(memory="size=2097152k,slots=8,maxmem=16777216k", extra=args) as m:
        tap.equal(m.qmp.command("query-status")["status"], "prelaunch")
        tap.equal([config(m, devfn, 0) for devfn in (8, 9)], [0x000C1B36] * 2, "root ports")
        found = {p["name"] for p in m.qmp.command("qom-list", path="/machine/peripheral")}
        tap.equal({"pci.1", "pci.2", "serial0"} - found, set(), "devices")


def refused():
    for args, words in ((["-M", "pc", "-device", "pcie-root-port,id=p"], ("pci.0", "Express")),
                        (["-M", "q35", "-device", "pcie-root-port,id=p,bus=nowhere"], ("nowhere", "pcie.0")),
                        (["-M", "q35", "-device", "pcie-root-port,id=p,addr=1f.0"], ("1f",)),
                        (["-M", "q35,hpet=perhaps"], ("hpet",))):
        status, text = machine.run_program("-accel", "qtest", "-display", "none", "-S", *args)
        tap.equal((status, [w for w in words if w not in text]), (1, []), text)
    with q35() as m:
        try:
            m.qmp.command("device_add", driver="pcie-root-port", id="p0", bus="pcie.0")
        except vm.QmpError as err:
            tap.equal(err.cls, "GenericError")
        else:
            raise AssertionError("a root port was plugged while the machine runs")


def tseg():
    """What firmware is told that asks for a TSEG of its own size; without system management mode it cannot be enabled."""
    for words, wanted in ((), 16), (("-global", "mch.extended-tseg-mbytes=48"), 48), (("-global", "mch.extended-tseg-mbytes=0"), 0xFFFF):
        with q35(extra=("-M", "smm=off", *words)) as m:
            tap.equal(config(m, 0, 0x50, "w"), 0)
            set_config(m, 0, 0x50, 0xFFFF, "w")
            tap.equal(config(m, 0, 0x50, "w"), wanted, words)
            set_config(m, 0, 0x9E, 7, "b")
            tap.equal(config(m, 0, 0x9E, "b") & 1, 0, "T_EN")
            m.qmp.command("system_reset")
            m.qmp.event("RESET")
            tap.equal(config(m, 0, 0x50, "w"), 0, "after a reset")
    status, text = machine.run_program("-accel", "qtest", "-display", "none", "-nodefaults", "-M", "q35", "-global",
                                       "mch.extended-tseg-mbytes=5000")
    tap.equal((status != 0, "is too much: it is 4095 at most" in text), (True, True), text)


def hidden(m, address):
    """Is there nothing? What is written is then not read back."""
    before = readl(m, address)
    m(f"writel {address:#x} {before ^ 0xA5A5A5A5:#x}")
    after = readl(m, address)
    m(f"writel {address:#x} {before:#x}")
    return (before, after) == (0xFFFFFFFF, 0xFFFFFFFF)


def tseg_sizes():
    """Memory of 256 MiB: its end is hidden as far as TSEG_SZ says while T_EN and G_SMRAME are set."""
    top = 256 * MIB
    with q35(memory="256M", extra=("-M", "smm=on", "-global", "mch.extended-tseg-mbytes=48")) as m:
        tap.equal(hidden(m, top - 4), False, "after the start")
        for esmramc, size in ((0x39, 1), (0x3B, 2), (0x3D, 8), (0x3F, 48)):
            set_config(m, 0, 0x9E, esmramc, "b")
            set_config(m, 0, 0x9D, 0x0A, "b")
            tap.equal((hidden(m, top - 4), hidden(m, top - size * MIB), hidden(m, top - size * MIB - 4)), (True, True, False), size)
            set_config(m, 0, 0x9D, 0x4A, "b")
            tap.equal(hidden(m, top - 4), False, "D_OPEN")
            set_config(m, 0, 0x9D, 0x02, "b")
            tap.equal(hidden(m, top - 4), False, "without G_SMRAME")
        set_config(m, 0, 0x9E, 0x38, "b")
        set_config(m, 0, 0x9D, 0x0A, "b")
        tap.equal(hidden(m, top - 4), False, "without T_EN")
    for words in (("-M", "smm=on", "-global", "mch.extended-tseg-mbytes=256"), ("-M", "smm=off")):
        with q35(memory="256M", extra=words) as m:
            set_config(m, 0, 0x9E, 0x3F, "b")
            set_config(m, 0, 0x9D, 0x0A, "b")
            tap.equal(hidden(m, top - 4), False, f"{words}: none that would leave no memory")


def smram_locked():
    """D_LCK: no register changes any more, D_OPEN goes, and a reset ends it."""
    division = [(0x52, "w", 0x0FF2), (0xA4, "l", 0x7F000000), (0xA8, "l", 0x7F100000), (0xAC, "l", 0x7F200000), (0xB0, "w", 0x8000)]
    with q35(memory="256M", extra=("-M", "smm=on")) as m:
        for offset, width, value in division:
            set_config(m, 0, offset, value, width)
            tap.equal(config(m, 0, offset, width), value, hex(offset))
        set_config(m, 0, 0x9D, 0x4A, "b")
        m("writel 0xa0000 0x12345678")
        tap.equal(readl(m, 0xA0000), 0x12345678, "open")
        set_config(m, 0, 0x9D, 0x0A, "b")
        tap.equal(readl(m, 0xA0000) == 0x12345678, False, "closed")
        set_config(m, 0, 0x9E, 0xBB, "b")
        set_config(m, 0, 0x9D, 0x4A, "b")
        tap.equal(readl(m, 0xFEDA0000), 0x12345678, "H_SMRAME")
        set_config(m, 0, 0x9E, 0x3B, "b")
        set_config(m, 0, 0x9D, 0x5A, "b")
        tap.equal(config(m, 0, 0x9D, "b"), 0x1A, "D_OPEN and D_LCK at once")
        for offset, width, value in [(0x9D, "b", 0x42), (0x9E, "b", 0x38), (0x50, "w", 0xFFFF),
                                     *((offset, width, 0) for offset, width, _ in division)]:
            before = config(m, 0, offset, width)
            set_config(m, 0, offset, value, width)
            tap.equal(config(m, 0, offset, width), before, hex(offset))
        tap.equal((hidden(m, 256 * MIB - 4), readl(m, 0xA0000) == 0x12345678), (True, False))
        set_config(m, 0, 0x9D, 0x3A, "b")
        tap.equal(config(m, 0, 0x9D, "b"), 0x3A, "D_CLS can be set still")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal((config(m, 0, 0x9D, "b"), config(m, 0, 0x9E, "b"), hidden(m, 256 * MIB - 4)), (0x02, 0x38, False), "reset")
        set_config(m, 0, 0x9D, 0x4A, "b")
        tap.equal(config(m, 0, 0x9D, "b"), 0x4A)


def smbase():
    """The memory around the first SMBASE: asked for, hidden, and hidden until a reset."""
    with q35(extra=("-M", "smm=on")) as m:
        set_config(m, 0, 0x9C, 0xFF, "b")
        tap.equal((config(m, 0, 0x9C, "b"), hidden(m, 0x30000)), (1, False))
        set_config(m, 0, 0x9C, 0x02, "b")
        tap.equal([hidden(m, at) for at in (0x2FFFC, 0x30000, 0x4FFFC, 0x50000)], [False, True, True, False])
        set_config(m, 0, 0x9C, 0x00, "b")
        tap.equal((config(m, 0, 0x9C, "b"), hidden(m, 0x30000)), (2, True))
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal((config(m, 0, 0x9C, "b"), hidden(m, 0x30000)), (0, False))
    with q35(extra=("-M", "smm=on", "-global", "mch.smbase-smram=off")) as m:
        set_config(m, 0, 0x9C, 0xFF, "b")
        tap.equal(config(m, 0, 0x9C, "b"), 0)


def smi_registers():
    """SMI_EN, SMI_STS and their lock."""
    with q35(extra=("-M", "smm=on")) as m:
        set_config(m, LPC, 0x40, 0x600)
        set_config(m, LPC, 0x44, 0x80, "b")
        tap.equal(m.read("l", 0x630), 0, "SMI_EN: firmware is to set it")
        m.write("b", 0xB2, 0x55)
        tap.equal(m.read("l", 0x634) & 0x20, 0, "APM_STS without APMC_EN")
        m.write("l", 0x630, 0x21)
        m.write("b", 0xB3, 0x77)
        m.write("b", 0xB2, 0x55)
        tap.equal((m.read("b", 0xB2), m.read("b", 0xB3), m.read("l", 0x634)), (0x55, 0x77, 0x20))
        m.write("l", 0x634, 0x20)
        tap.equal(m.read("l", 0x634), 0)
        set_config(m, LPC, 0xA0, 0x10, "w")
        m.write("l", 0x630, 0)
        tap.equal(m.read("l", 0x630), 1, "GBL_SMI_EN is locked")
        set_config(m, LPC, 0xA0, 0, "w")
        tap.equal(config(m, LPC, 0xA0, "w"), 0x10, "and so is the lock")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal((config(m, LPC, 0xA0, "w"), m.read("l", 0x630)), (0, 0))
    with q35(extra=("-M", "smm=off")) as m:
        set_config(m, LPC, 0x40, 0x600)
        set_config(m, LPC, 0x44, 0x80, "b")
        tap.equal(m.read("l", 0x630), 0x20, "SMI_EN: set up already")


def fw_cfg_files(m):
    """{name: (size, key)} of fw_cfg."""
    m.write("w", 0x510, 0x19)
    count = int.from_bytes(bytes(m.read("b", 0x511) for _ in range(4)), "big")
    entries = [bytes(m.read("b", 0x511) for _ in range(64)) for _ in range(count)]
    return {e[8:].split(b"\0")[0].decode(): struct.unpack(">IH", e[:6]) for e in entries}


def fw_cfg_read(m, key, size):
    m.write("w", 0x510, key)
    return int.from_bytes(bytes(m.read("b", 0x511) for _ in range(size)), "little")


def fw_cfg_write(m, key, value):
    """8 bytes, by DMA."""
    data = struct.pack("<Q", value) + struct.pack(">IIQ", key << 16 | 0x18, 8, 0x10000)
    for i, byte in enumerate(data):
        m(f"writeb {0x10000 + i:#x} {byte:#x}")
    m.write("l", 0x514, 0)
    m.write("l", 0x518, int.from_bytes(struct.pack(">I", 0x10008), "little"))


def smi_features():
    """What firmware and the ICH9 agree on."""
    with q35(extra=("-M", "smm=on")) as m:
        keys = {name: key for name, (_, key) in fw_cfg_files(m).items()}
        supported, asked, ok = [keys[f"etc/smi/{n}"] for n in ("supported-features", "requested-features", "features-ok")]
        tap.equal(fw_cfg_read(m, supported, 8), 7)
        for value in 2, 4, 5, 6, 8, 1 << 63:
            fw_cfg_write(m, asked, value)
            tap.equal((fw_cfg_read(m, asked, 8), fw_cfg_read(m, ok, 1)), (value, 0), value)
        fw_cfg_write(m, asked, 3)
        tap.equal(fw_cfg_read(m, ok, 1), 1)
        fw_cfg_write(m, asked, 8)
        tap.equal(fw_cfg_read(m, ok, 1), 1, "it holds")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(fw_cfg_read(m, asked, 8), 0, "until a reset")
        fw_cfg_write(m, asked, 8)
        tap.equal(fw_cfg_read(m, ok, 1), 0)
    with q35(extra=("-M", "smm=on", "-global", "ICH9-LPC.x-smi-cpu-hotunplug=off", "-global", "ICH9-LPC.x-smi-cpu-hotplug=off")) as m:
        tap.equal(fw_cfg_read(m, fw_cfg_files(m)["etc/smi/supported-features"][1], 8), 1)
    with q35(extra=("-M", "smm=off")) as m:
        tap.equal([name for name in fw_cfg_files(m) if "smi" in name], [])


def pc_smram():
    """The i440FX has the window at 0xa0000; the PIIX4 is to be told to give SMIs."""
    with machine.Machine(extra=["-M", "pc,smm=on"]) as m:
        set_config(m, 0, 0x72, 0x4A, "b")
        m("writel 0xa0000 0x12345678")
        tap.equal(readl(m, 0xA0000), 0x12345678, "open")
        set_config(m, 0, 0x72, 0x1A, "b")
        tap.equal(readl(m, 0xA0000) == 0x12345678, False, "closed")
        set_config(m, 0, 0x72, 0x4A, "b")
        tap.equal(config(m, 0, 0x72, "b"), 0x1A, "locked")
        tap.equal(config(m, 0x0B, 0x58), 0, "DEVACTB")
        set_config(m, 0x0B, 0x58, 0xFFFFFFFF)
        tap.equal(config(m, 0x0B, 0x58), 1 << 25)
    with machine.Machine(extra=["-M", "pc,smm=off"]) as m:
        tap.equal(config(m, 0x0B, 0x58), 1 << 25)


tap.run([(function.__name__.replace("_", " "), function)
         for function in (tables, known_by_name, many_cpus, hpet_off, memory_map, configuration, hotplug_after_garbage, names,
                          libvirt, refused, tseg, tseg_sizes, smram_locked, smbase, smi_registers, smi_features, pc_smram)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-machine in its full form: what is taken, what it then is for qom-get, what is refused; and properties of chips that come
with a machine."""
import machine
import vm

import tap

MIB, GIB = 1 << 20, 1 << 30
RAM = ["-object", "memory-backend-ram,id=r,size=256M"]


def start(*words, memory=None):
    return machine.Machine(memory, cpus=None, extra=words)


def get(m, name, path="/machine"):
    return m.qmp.command("qom-get", path=path, property=name)


# What is given, and what it then is.
TAKEN = [
    ("nvdimm=on", {"nvdimm": True}), ("nvdimm=off", {"nvdimm": False}), ("", {"nvdimm": False}),
    ("hmat=on", {"hmat": True}), ("", {"hmat": False}),
    ("acpi=off", {"acpi": "off"}), ("acpi=on", {"acpi": "on"}), ("acpi=auto", {"acpi": "auto"}), ("", {"acpi": "auto"}),
    ("graphics=off", {"graphics": False}), ("graphics=on", {"graphics": True}),
    ("dump-guest-core=off", {"dump-guest-core": False}), ("", {"dump-guest-core": True}),
    ("mem-merge=off", {"mem-merge": False}), ("", {"mem-merge": True}),
    ("usb=off", {"usb": False}), ("usb=on", {"usb": True}), ("", {"usb": False}),
    ("vmport=off", {"vmport": "off"}), ("vmport=auto", {"vmport": "on"}), ("vmport=on", {"vmport": "on"}), ("", {"vmport": "on"}),
    ("smm=off", {"smm": "off"}), ("smm=auto", {"smm": "auto"}), ("smm=on", {"smm": "on"}), ("", {"smm": "auto"}),
    ("i8042=on,pic=on,pit=auto,smbus=off", {"i8042": True, "pic": "auto", "pit": "auto", "smbus": False}),
    ("smbus=on", {"smbus": True}), ("", {"smbus": True}),
    ("pcspk-audiodev=a", {"pcspk-audiodev": "a"}),
    ("hpet=off", {"hpet": False}), ("", {"hpet": True}),
    ("sata=off", {"sata": False}), ("", {"sata": True}), ("suppress-vmdesc=off", {"suppress-vmdesc": False}),
    ("smbios-entry-point-type=32", {"smbios-entry-point-type": "32"}), ("", {"smbios-entry-point-type": "64"}),
    ("max-fw-size=4M", {"max-fw-size": 4 * MIB}), ("", {"max-fw-size": 16 * MIB}),
    ("default-bus-bypass-iommu=on,bus-lock-ratelimit=0", {"default-bus-bypass-iommu": True, "bus-lock-ratelimit": 0}),
    ("max-ram-below-4g=1G", {"max-ram-below-4g": GIB}),
    ("smp.cpus=4,smp.sockets=2", {"smp": {"cpus": 4, "maxcpus": 4, "sockets": 2, "dies": 1, "clusters": 1, "cores": 2,
                                          "threads": 1}}),
    ("memory.size=256M", {"memory": {"size": 256 * MIB}}),
    ("memory.size=256M,memory.slots=2,memory.max-size=1G",
     {"memory": {"size": 256 * MIB, "slots": 2, "max-size": GIB}, "device-memory-region-size": 768 * MIB + 2 * GIB}),
    ("", {"device-memory-region-size": 0}),
]

REFUSED = [
    (["pc,nvdimm=perhaps"], "nvdimm=perhaps on off"), (["pc,hmat=1x"], "hmat=1x on off"),
    (["pc,acpi=maybe"], "acpi=maybe auto on off"), (["pc,graphics=x"], "graphics=x on off"),
    (["pc,vmport=x"], "vmport=x auto on off"), (["pc,smm=1"], "smm=1 auto on off"),
    (["pc,i8042=off"], "i8042 on"), (["pc,pic=off"], "pic 8259 auto"), (["pc,pit=off"], "pit 8254 auto"),
    (["pc,smbus=maybe"], "smbus on off"), (["pc,suppress-vmdesc=on"], "suppress-vmdesc off"),
    (["pc,smbios-entry-point-type=16"], "smbios-entry-point-type=16 64 32"), (["pc,bus-lock-ratelimit=5"], "bus-lock-ratelimit 0"),
    (["pc,max-fw-size=17M"], "max-fw-size=17825792"), (["pc,max-fw-size=0"], "max-fw-size=0"),
    (["pc,max-fw-size=128K", "-bios", "/usr/share/seabios/bios-256k.bin"], "262144 128 KiB max-fw-size"),
    (["pc,memory.foo=1"], "memory.foo size slots max-size"), (["pc,memory.size=1x"], "memory.size 1x"),
    (["pc,memory.size=256M,memory.slots=2"], "slots=2 max-size"),
    (["pc,memory.size=256M,memory.max-size=128M"], "134217728 256"),
    (["pc,smp.cpus=4,smp.maxcpus=2"], "cpus=4 maxcpus=2"),
    (["pc,memory-backend=x"], "memory-backend=x -object"), (["pc,memory-backend="], "memory-backend= -object"),
    (["pc,memory-backend=r", *RAM, "-m", "128M"], "128 256 -m equal"),
    (["pc,memory-backend=r", *RAM, "-m", "256M", "-mem-path", "/tmp"], "-mem-path memory-backend-file"),
    (["pc,memory-backend=r", *RAM, "-numa", "node,memdev=r"], "memdev=r memory-backend=r exclude"),
    (["pc,memory-backend=r", *RAM, "-m", "256M,slots=1,maxmem=1G", "-device", "pc-dimm,memdev=r"], "'r' used own"),
    (["pc,memory-backend=r", *RAM, "-m", "256M,slots=1,maxmem=128M"], "maxmem 128 256"),
]


def taken():
    for board in "pc", "q35":
        for words, wanted in TAKEN:
            with start("-audiodev", "none,id=a", "-machine", f"{board},{words}".rstrip(",")) as m:
                tap.equal({name: get(m, name) for name in wanted}, wanted, f"{board},{words}")


def sata():
    """q35 has the controller unless it is switched off; pc has none either way."""
    for words, wanted in (("q35", True), ("q35,sata=off", False), ("pc", False), ("pc,sata=off", False)):
        with start("-machine", words) as m:
            names = {info["class_info"]["desc"] if "desc" in info["class_info"] else "" for bus in m.qmp.command("query-pci")
                     for info in bus["devices"]}
            tap.equal("SATA controller" in names, wanted, f"{words}: {names}")


def listed():
    """Each of them is a property of the type, in the help, and of the machine that runs."""
    names = {name for _, wanted in TAKEN for name in wanted} | {"memory-backend"}
    with start() as m:
        for board in "pc-i440fx-7.2", "pc-q35-7.2":
            known = {p["name"]: p["type"] for p in m.qmp.command("qom-list-properties", typename=f"{board}-machine")}
            tap.equal(names - set(known), set(), board)
            for name, kind in (("nvdimm", "bool"), ("hmat", "bool"), ("acpi", "OnOffAuto"), ("vmport", "OnOffAuto"),
                               ("smm", "OnOffAuto"), ("usb", "bool"), ("memory-backend", "link<memory-backend>"),
                               ("max-ram-below-4g", "size"), ("memory", "MemorySizeConfiguration")):
                tap.equal(known[name], kind, name)
        tap.equal(names - {p["name"] for p in m.qmp.command("qom-list", path="/machine")}, set())
    status, text = machine.run_program("-machine", "pc,help")
    settable = names - {"device-memory-region-size"}
    tap.equal((status, {name for name in settable if f"  {name}=" not in text}), (0, set()))


def refused():
    for (board, *words), said in REFUSED:
        machine_words = ["-accel", "qtest", "-display", "none", "-machine", board, *words]
        status, text = machine.run_program(*machine_words)
        tap.equal((status, [word for word in said.split() if word not in text]), (1, []), f"{machine_words}: {text}")


def as_json():
    with start("-machine", '{"type": "pc", "vmport": "off", "smm": "auto", "pit": true, "usb": false}') as m:
        tap.equal([get(m, name) for name in ("vmport", "smm", "pit", "usb")], ["off", "auto", "auto", False])


def backend():
    """It is read as the backend's path, as a link is; what is made for it without one, too."""
    with start("-machine", "pc,memory-backend=r", *RAM) as m:
        tap.equal(get(m, "memory-backend"), "/objects/r")
        tap.equal(get(m, "memory"), {"size": 256 * MIB})
    with start("-machine", "pc,memory-backend=r", *RAM, memory="256M,slots=2,maxmem=1G") as m:
        tap.equal(get(m, "memory"), {"size": 256 * MIB, "slots": 2, "max-size": GIB})
        try:
            m.qmp.command("object-del", id="r")
        except vm.QmpError as error:
            tap.equal("in use" in error.desc or "boot memory" in error.desc, True, error.desc)
        else:
            raise AssertionError("boot memory is gone")
    with start() as m:
        tap.equal(get(m, "memory-backend"), "/objects/pc.ram")


def later_wins():
    """-m says it anew, whichever comes first on the line."""
    for words in (["-machine", "pc,memory.size=256M,memory.slots=2,memory.max-size=1G", "-m", "512M"],
                  ["-m", "512M", "-machine", "pc,memory.size=256M,memory.slots=2,memory.max-size=1G"]):
        with start(*words) as m:
            tap.equal(get(m, "memory"), {"size": 512 * MIB, "slots": 2, "max-size": GIB}, words)


def holes():
    """Numbers of the reference, for the same words."""
    for board, host, kind in (("pc", "i440fx", "i440FX-pcihost"), ("q35", "q35", "q35-pcihost")):
        words = ["-machine", board, "-global", f"{kind}.pci-hole64-size=4G"]
        with start(*words, memory="2G,slots=2,maxmem=8G") as m:
            tap.equal([get(m, f"pci-hole{what}", f"/machine/{host}") for what in ("-start", "-end", "64-start", "64-end")],
                      [2 * GIB, 0xFEC00000, 12 * GIB, 16 * GIB], board)
            tap.equal(get(m, "pci-hole64-size", f"/machine/{host}"), 4 * GIB)
            try:
                m.qmp.command("qom-set", path=f"/machine/{host}", property="pci-hole-start", value=0)
            except vm.QmpError:
                pass
            else:
                raise AssertionError("pci-hole-start was set")
            known = {p["name"] for p in m.qmp.command("device-list-properties", typename=kind)}
            tap.equal("pci-hole64-size" in known, True)
        with start("-machine", board, "-global", f"{kind}.pci-hole64-size=0", memory="6G") as m:
            tap.equal([get(m, f"pci-hole64-{what}", f"/machine/{host}") for what in ("start", "end")],
                      [{"pc": 7, "q35": 8}[board] * GIB] * 2, board)


CHIPS = {
    "PIIX4_PM": {"disable_s3": 0, "disable_s4": 0, "s4_val": 2, "acpi-pci-hotplug-with-bridge-support": True,
                 "acpi-root-pci-hotplug": True, "memory-hotplug-support": True, "smm-enabled": True},
    "ICH9-LPC": {"disable_s3": 0, "disable_s4": 0, "s4_val": 2, "acpi-pci-hotplug-with-bridge-support": True,
                 "memory-hotplug-support": True, "noreboot": True, "enable_tco": True, "x-smi-broadcast": True,
                 "x-smi-cpu-hotplug": True, "x-smi-cpu-hotunplug": True},
}


def path_of(m, kind):
    for item in m.qmp.command("qom-list", path="/machine/unattached"):
        if item["type"] == f"child<{kind}>":
            return f"/machine/unattached/{item['name']}"
    raise AssertionError(f"no {kind}")


def chips():
    """What -global sets of the chip with the PM block: listed, read, and what cannot be is refused with a reason."""
    for board, kind in (("pc", "PIIX4_PM"), ("q35", "ICH9-LPC")):
        with start("-machine", board) as m:
            known = {p["name"]: p.get("default-value") for p in m.qmp.command("device-list-properties", typename=kind)}
            tap.equal({name: known.get(name) for name in CHIPS[kind]}, CHIPS[kind], kind)
            tap.equal({name: get(m, name, path_of(m, kind)) for name in CHIPS[kind]}, CHIPS[kind], kind)
        other = {"disable_s3": 1, "disable_s4": 1, "s4_val": 5, "acpi-pci-hotplug-with-bridge-support": False}
        words = [word for name, value in other.items() for word in ("-global", f"{kind}.{name}={str(value).lower()}")]
        with start("-machine", board, *words) as m:
            tap.equal({name: get(m, name, path_of(m, kind)) for name in other}, other, kind)
        for name, value in CHIPS[kind].items():
            if name in other or name in ("acpi-root-pci-hotplug", "noreboot", "enable_tco") or "smi" in name or "smm" in name:
                continue
            words = ["-accel", "qtest", "-display", "none", "-machine", board, "-global"]
            status, text = machine.run_program(*words, f"{kind}.{name}={'off' if value else 'on'}")
            tap.equal((status, name in text and f"only {'on' if value else 'off'} is" in text), (1, True), text)
            with start("-machine", board, "-global", f"{kind}.{name}={'on' if value else 'off'}"):
                pass


tap.run([
    ("what is taken", taken),
    ("what is listed", listed),
    ("what is refused", refused),
    ("SATA", sata),
    ("as JSON", as_json),
    ("memory-backend=", backend),
    ("-m and memory.size=", later_wins),
    ("where PCI memory is", holes),
    ("chips of the machine", chips),
])

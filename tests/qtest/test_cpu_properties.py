#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a CPU's object tells: each feature, what was asked for and is not there, family, model and the like, as programs that
manage machines ask for them."""
import struct
import tempfile

import machine
import vm

import tap

PLACE = "/machine/unattached/device[0]"


def start(cpu, *words):
    return machine.Machine("64M", extra=["-cpu", cpu, *words])


def get(m, name, path=PLACE):
    return m.qmp.command("qom-get", path=path, property=name)


def switches(m, path=PLACE):
    """All that is true or false, and is no property of devices as such."""
    return {p["name"] for p in m.qmp.command("qom-list", path=path) if p["type"] == "bool"} - {
        "realized", "hotplugged", "hotpluggable", "start-powered-off"}


def features():
    """They are those of the model as query-cpu-model-expansion has it, with what -cpu has changed, but for what cannot be
    had here."""
    for name in "qemu64", "Haswell-noTSX", "EPYC", "max":
        with start(f"{name},-sse4.2,+rdtscp,aes=off") as m:
            props = m.qmp.command("query-cpu-model-expansion", type="full",
                                  model={"name": name, "props": {"sse4.2": False, "rdtscp": True, "aes": False}})
            wanted = {k: v for k, v in props["model"]["props"].items() if isinstance(v, bool)}
            found = {feature: get(m, feature) for feature in switches(m)}
            tap.equal({k for k, on in found.items() if on and not wanted.get(k, on)}, set(), f"{name}: more than asked for")
            if name in ("qemu64", "Haswell-noTSX"):  # nothing of them needs something that is not there
                tap.equal({k for k, on in wanted.items() if on and not found.get(k, on)}, set(), f"{name}: less")
            tap.equal((found["sse4.2"], found["rdtscp"], found["aes"]), (False, True, False), name)
            tap.equal(len(found) > 200, True, f"{len(found)} features")


def numbers():
    with start("Haswell-noTSX,phys-bits=42,tsc-frequency=1000000000") as m:
        tap.equal([get(m, name) for name in ("family", "model", "stepping", "vendor", "level", "phys-bits", "tsc-frequency")],
                  [6, 60, 1, "GenuineIntel", 13, 42, 1000000000])
        tap.equal("Haswell" in get(m, "model-id"), True)
    with start("qemu64,family=15,model=7,stepping=3,model-id=One of ours,vendor=AuthenticAMD") as m:
        tap.equal([get(m, name) for name in ("family", "model", "stepping", "vendor", "model-id")],
                  [15, 7, 3, "AuthenticAMD", "One of ours"])


def words(m, name, path=PLACE):
    return {(w["cpuid-input-eax"], w.get("cpuid-input-ecx", 0), w["cpuid-register"]): w["features"]
            for w in get(m, name, path)}


def missing():
    """What the model should have and this engine has not: the bits that CPUID has not, and their names."""
    with start("qemu64,check=off,+vmx,+smx,+intel-pt") as m:
        tap.equal([get(m, name) for name in ("vmx", "smx", "intel-pt")], [False] * 3)
        tap.equal(sorted(get(m, "unavailable-features")), ["intel-pt", "smx", "vmx"])
        filtered = words(m, "filtered-features")
        tap.equal(filtered[1, 0, "ECX"], 1 << 5 | 1 << 6, "vmx, smx")
        tap.equal(filtered[7, 0, "EBX"], 1 << 25, "intel-pt")
    with start("qemu64") as m:
        tap.equal({w["features"] for w in get(m, "filtered-features")}, {0})
        tap.equal(get(m, "unavailable-features"), [])


def present():
    """By registers of CPUID, each bit as its feature has it."""
    with start("Nehalem,+rdtscp,-sse4.2") as m:
        found = words(m, "feature-words")
        tap.equal(set(found), set(words(m, "filtered-features")), "registers")
        for name, place, bit in (("sse4.1", (1, 0, "ECX"), 19), ("sse4.2", (1, 0, "ECX"), 20), ("rdtscp", (0x80000001, 0, "EDX"), 27),
                                 ("avx2", (7, 0, "EBX"), 5), ("fpu", (1, 0, "EDX"), 0), ("arat", (6, 0, "EAX"), 2)):
            tap.equal(bool(found[place] >> bit & 1), get(m, name), name)


def tsc():
    """No CPU has the invariant TSC unless it is asked for: what has it does not go to other hosts, say programs that
    manage machines. `migratable` is a word of the models that are made of what the host has."""
    for cpu, migratable, has in (("qemu64", None, False), ("Haswell", None, False), ("qemu64,+invtsc", None, True), ("max", True, False),
                                 ("max,migratable=on", True, False), ("max,migratable=off", False, True),
                                 ("max,+invtsc", True, True)):
        with start(cpu) as m:
            tap.equal(get(m, "invtsc"), has, cpu)
            names = {p["name"] for p in m.qmp.command("qom-list", path=PLACE)}
            tap.equal("migratable" in names, migratable is not None, cpu)
            if migratable is not None:
                tap.equal(get(m, "migratable"), migratable, cpu)


def said():
    """What -cpu says beside features, and what is so by itself."""
    with start("max") as m:
        tap.equal([get(m, name) for name in ("check", "enforce", "host-phys-bits", "host-phys-bits-limit", "l3-cache")],
                  [True, False, True, 0, True])
    with start("max,l3-cache=off,host-cache-info=off") as m:
        tap.equal(get(m, "l3-cache"), False)
    with start("qemu64,check=off,host-phys-bits,host-phys-bits-limit=37") as m:
        tap.equal([get(m, name) for name in ("check", "enforce", "host-phys-bits", "host-phys-bits-limit", "phys-bits")],
                  [False, False, True, 37, 37])


LEVELS = ["level", "min-level", "xlevel", "min-xlevel", "xlevel2", "min-xlevel2", "full-cpuid-auto-level"]


def levels():
    """Last leaves of CPUID: what features need, what the user wants, what old machines had, and what expansions tell."""
    for board, cpu, wanted in (
            ("pc", "qemu64", [13, 13, 0x8000000a, 0x8000000a, 0, 0, True]),
            ("pc", "486,+smep,level=5", [5, 7, 0, 0, 0, 0, True]),
            ("pc", "486,min-level=9,min-xlevel=0x80000004,xlevel2=0xc0000001", [9, 9, 0x80000004, 0x80000004, 0xc0000001, 0, True]),
            ("pc -smp 4,dies=2,cores=2", "Haswell,check=off", [0x1f, 0x1f, 0x80000008, 0x80000008, 0, 0, True]),
            ("pc-i440fx-2.7", "486,+arat", [1, 1, 0, 0, 0, 0, False]),
            ("pc-i440fx-2.7", "486,+arat,full-cpuid-auto-level=on", [6, 6, 0, 0, 0, 0, True]),
            ("pc-i440fx-2.12", "EPYC,check=off", [13, 13, 0x8000000a, 0x8000001e, 0, 0, True]),
            ("pc-i440fx-2.3", "Nehalem,check=off", [4, 4, 0x8000000a, 0x8000000a, 0, 0, False])):
        with start(cpu, "-M", *board.split()) as m:
            tap.equal([get(m, name) for name in LEVELS], wanted, f"{board} {cpu}")
    with start("max,host-cache-info=on") as m:
        tap.equal(get(m, "host-cache-info"), True)

        def expand(kind, name, **props):
            return m.qmp.command("query-cpu-model-expansion", type=kind, model={"name": name, "props": props})["model"]["props"]
        full = expand("full", "486", smep=True, xlevel=0x80000004)
        tap.equal([full[name] for name in LEVELS], [7, 7, 0x80000004, 0, 0, 0, True])
        tap.equal(("host-cache-info" in full, expand("full", "max")["host-cache-info"]), (False, False))
        static = expand("static", "486", smep=True, xlevel=0x80000004)
        tap.equal([static.get(name) for name in LEVELS], [None, 7, 0x80000004, 0, None, 0, True])


def of_one():
    """device_add's features are that CPU's alone, on top of what all have by -cpu and -global."""
    with start("qemu64,+rdtscp,check=off,+smx", "-global", "qemu64-x86_64-cpu.popcnt=off", "-smp", "1,maxcpus=4,sockets=4") as m:
        def come(number, **props):
            m.qmp.command("device_add", driver="qemu64-x86_64-cpu", id=f"c{number}",
                          **{"socket-id": number, "core-id": 0, "thread-id": 0}, **props)
            return f"/machine/peripheral/c{number}"
        names = ("popcnt", "rdtscp", "pni", "family", "model-id")
        first = [get(m, name) for name in names]
        path = come(1, popcnt=True, rdtscp="off", family=6, **{"model-id": "Another", "phys-bits": "38", "vmx": True})
        tap.equal([get(m, name, path) for name in names], [True, False, True, 6, "Another"])
        tap.equal((get(m, "phys-bits", path), get(m, "vmx", path)), (38, False))
        tap.equal(sorted(get(m, "unavailable-features", path)), ["smx", "vmx"])
        tap.equal([get(m, name) for name in names], first, "those of the others")
        path = come(2)
        tap.equal(([get(m, name, path) for name in names], get(m, "unavailable-features", path)), (first, ["smx"]))
        for props, text in (({"vmx": True, "enforce": True}, "cannot offer on this host: vmx, smx"), ({"phys-bits": 99}, "phys-bits"),
                            ({"vendor": "Us"}, "vendor"), ({"avx": "perhaps"}, "avx"), ({"migratable": True}, "migratable"),
                            ({"tsc-frequency": 5000000}, "tsc-frequency"), ({"feature-words": []}, "read-only")):
            try:
                come(3, **props)
            except vm.QmpError as error:
                tap.equal(text in error.desc, True, error.desc)
            else:
                raise AssertionError(f"{props} was taken")
        tap.equal(len(m.qmp.command("query-cpus-fast")), 3)
        come(3)


def listed():
    """By the type, too, where there is no CPU of it; and each CPU has its own."""
    with start("qemu64", "-smp", "2,maxcpus=3") as m:
        for typename in "qemu64-x86_64-cpu", "max-x86_64-cpu", "Nehalem-x86_64-cpu":
            for command in "qom-list-properties", "device-list-properties":
                known = {p["name"]: p["type"] for p in m.qmp.command(command, typename=typename)}
                tap.equal([known.get(name) for name in ("avx", "sse4.1", "family", "filtered-features", "unavailable-features")],
                          ["bool", "bool", "int", "X86CPUFeatureWordInfo", "strList"], f"{command} {typename}")
                tap.equal("migratable" in known, typename == "max-x86_64-cpu")
        free = next(p for p in m.qmp.command("query-hotpluggable-cpus") if "qom-path" not in p)
        m.qmp.command("device_add", driver=free["type"], id="c2", **free["props"])
        paths = [cpu["qom-path"] for cpu in m.qmp.command("query-cpus-fast")]
        tap.equal(len(paths), 3)
        tap.equal([get(m, "pni", path) for path in paths], [True] * 3)
        tap.equal({tuple(sorted(switches(m, path))) for path in paths}, {tuple(sorted(switches(m)))})


def refused():
    """Not to be set any more; -global is for them, too; those of Hyper-V's that are not there, which is said."""
    with start("qemu64", "-global", "qemu64-x86_64-cpu.popcnt=off", "-smp", "1,maxcpus=2") as m:
        tap.equal(get(m, "popcnt"), False, "-global")
        for name, value in (("avx", True), ("family", 6), ("filtered-features", [])):
            try:
                m.qmp.command("qom-set", path=PLACE, property=name, value=value)
            except vm.QmpError as error:
                tap.equal(name in error.desc, True, error.desc)
            else:
                raise AssertionError(f"{name} was set")
    status, text = machine.run_program("-accel", "qtest", "-display", "none", "-cpu", "qemu64,host-cache-info=on")
    tap.equal((status, "host-cache-info=on" in text and "max" in text), (1, True), text)
    status, text = machine.run_program("-accel", "qtest", "-display", "none", "-cpu", "qemu64,hv-synic=on")
    tap.equal((status, "there is no 'hv-synic'" in text), (1, True), text)


def hyperv():
    """Enlightenments are properties; a machine with some can be told from others by what it has for them."""
    with start("qemu64,hv-time,hv_relaxed,hv-spinlocks=0x1fff,hv-vendor-id=Us") as m:
        tap.equal([get(m, name) for name in ("hv-time", "hv-relaxed", "hv-crash", "hv-spinlocks", "hv-vendor-id")],
                  [True, True, False, 0x1fff, "Us"])
        model = m.qmp.command("query-cpu-model-expansion", type="full", model={"name": "qemu64", "props": {"hv-time": True}})["model"]
        tap.equal((model["props"]["hv-time"], model["props"]["hv-vapic"]), (True, False))
        tap.equal("hv-spinlocks" in model["props"], False, "not asked for")
        given = {"hv-spinlocks": 0x1fff, "hv-vendor-id": "Us"}
        model = m.qmp.command("query-cpu-model-expansion", type="static", model={"name": "qemu64", "props": given})["model"]
        tap.equal({name: model["props"].get(name) for name in given}, given, "as a base")
        tap.equal(any(p["type"] == "child<hyperv-partition>" for p in m.qmp.command("qom-list", path="/machine")), True)
    with start("max", "-smp", "1,maxcpus=2") as m:
        tap.equal([get(m, name) for name in ("hv-time", "hv-spinlocks", "hv-vendor-id")], [False, 0xffffffff, ""], "max asks for none")
        free = next(p for p in m.qmp.command("query-hotpluggable-cpus") if "qom-path" not in p)
        for props in {"hv-time": True}, {"hv-spinlocks": 9999}:
            m.qmp.refused("with -cpu, too", "device_add", driver=free["type"], id="c1", **free["props"], **props)
        m.qmp.command("device_add", driver=free["type"], id="c1", **free["props"], **{"hv-vendor-id": "Us"})
        tap.equal(any(p["type"] == "child<hyperv-partition>" for p in m.qmp.command("qom-list", path="/machine")), False)


def elsewhere():
    """What a guest is told of Hyper-V, of the host's caches and of Centaur's leaves is the same where it is moved to, or that is an
    error; a CPU that tells of none of it is saved as ever."""
    with tempfile.NamedTemporaryFile() as state:
        for here, there, words in [
                ("qemu64,hv-spinlocks=0x1fff", "qemu64,hv-spinlocks=0x2fff", "hv-spinlocks = 8191"),
                ("qemu64,hv-time", "qemu64,hv-time,hv-vendor-id=Us", "no devices /machine/unattached/device[0] hv-vendor-id"),
                ("qemu64,hv-time", "qemu64", "devices /machine/hyperv"),
                ("qemu64", "qemu64,hv-time", "hv-time"),
                ("qemu64,min-xlevel2=0xc0000004", "qemu64", "xlevel2 = 3221225476"),
                ("max,host-cache-info=on", "max", "host-cache-info = true")]:
            with start(here, "-S") as m:
                m.qmp.command("migrate", uri=f"file:{state.name}")
                vm.wait_until(lambda m=m: m.qmp.command("query-migrate").get("status") == "completed", "it is saved")
            status, text = machine.run_program("-accel", "qtest", "-display", "none", "-m", "64M", "-cpu", there,
                                               "-incoming", f"file:{state.name}")
            tap.equal((status, words in text and "start this one with the same options" in text), (1, True), text)


def wrmsr(msr, value):
    """In 16-bit code."""
    return struct.pack("<2sI2sI2sI2s", b"\x66\xb9", msr, b"\x66\xb8", value & 0xffffffff, b"\x66\xba", value >> 32, b"\x0f\x30")


def hyperv_tells(code, *words):
    """What runs on the software CPU writes those MSRs at its start."""
    with tempfile.NamedTemporaryFile() as rom:
        rom.write((code + b"\xf4").ljust(0xfff0, b"\0") + b"\xe9\x0d\x00".ljust(16, b"\0"))
        rom.flush()
        with vm.Vm(machine.PROGRAM, memory="64M", accel="soft", serial=False,
                   extra=["-cpu", "qemu64,hv-crash,hv-reset", "-bios", rom.name, *words, "-S"]) as m:
            m.qmp.command("cont")
            yield m


def hyperv_crash():
    """Hyper-V's crash registers come with GUEST_PANICKED."""
    code = b"".join(wrmsr(0x40000100 + i, 0x1122334400000000 + i) for i in range(5)) + wrmsr(0x40000105, 1 << 63)
    for m in hyperv_tells(code, "-action", "panic=pause"):
        tap.equal(m.qmp.event("GUEST_PANICKED")["data"],
                  {"action": "pause", "info": {"type": "hyper-v", **{f"arg{i + 1}": 0x1122334400000000 + i for i in range(5)}}})
        tap.equal(m.qmp.command("query-status")["status"], "guest-panicked")


def hyperv_reset():
    """Its RESET resets the machine."""
    for m in hyperv_tells(wrmsr(0x40000003, 1), "-action", "reboot=shutdown,shutdown=pause"):
        tap.equal(m.qmp.event("SHUTDOWN")["data"], {"guest": True, "reason": "guest-reset"})


tap.run([
    ("features", features),
    ("numbers and names", numbers),
    ("what is missing", missing),
    ("what is there", present),
    ("the invariant TSC", tsc),
    ("what is said", said),
    ("last leaves", levels),
    ("features of one CPU", of_one),
    ("what is listed", listed),
    ("what is refused", refused),
    ("Hyper-V's enlightenments", hyperv),
    ("what is not the same elsewhere", elsewhere),
    ("Hyper-V's crash registers", hyperv_crash),
    ("Hyper-V's reset", hyperv_reset),
])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""CPU models against those of the reference, run as a black box: names, other names, features, and
the CPUID leaves that a guest reads, as far as both software CPUs can offer them.
Usage: test_cpu_models.py BUILD-DIR ROM"""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402

PROGRAM, ROM = f"{sys.argv[1]}/dimmable", sys.argv[2]
REFERENCE = shutil.which("qemu-system-x86_64")
# Models that the level does not have.
OURS_ALONE = {"SapphireRapids", "SapphireRapids-v1"}
# What the software CPU always has, or never, whatever the model (docs/software-cpu.md).
OF_THE_ENGINE = {"x2apic", "arat", "tsc-deadline", "vme", "vgif", "monitor", "acpi", "hypervisor"}
FEATURES_OF_LEAVES = {(0x1, 0): "cd", (0x6, 0): "a", (0x7, 0): "bcd", (0x7, 1): "a", (0x80000001, 0): "cd",
                      (0x80000007, 0): "d"}
EXACT = {(0x0, 0): "abcd", (0x1, 0): "a", (0x80000000, 0): "abcd", (0x80000002, 0): "abcd",
         (0x80000003, 0): "abcd", (0x80000004, 0): "abcd"}
ARAT = 1 << 2
REPEATED = 0x183f3ff  # features of leaf 1 that AMD's leaf 0x80000001 has again


def ask(program, *commands, words=("-M", "pc")):
    script = "".join(json.dumps(c) for c in ({"execute": "qmp_capabilities"}, *commands, {"execute": "quit"}))
    accel = "soft" if program == PROGRAM else "tcg"
    output = subprocess.run([program, "-accel", accel, *words, "-S", "-nodefaults", "-display", "none",
                             "-qmp", "stdio"], input=script.encode(), stdout=subprocess.PIPE, timeout=60,
                            check=True).stdout
    replies = [json.loads(line) for line in output.splitlines()]
    return [r["return"] for r in replies if "return" in r][1:-1]


def definitions(program):
    return {d["name"]: d for d in ask(program, {"execute": "query-cpu-definitions"})[0]}


def names():
    ours, theirs = definitions(PROGRAM), definitions(REFERENCE)
    tap.equal(sorted(set(ours) ^ set(theirs)), sorted(OURS_ALONE), "models that one of both has")
    for name, wanted in theirs.items():
        found = dict(ours[name])
        for each in (found, wanted):
            each.pop("unavailable-features", None)
        tap.equal(found, wanted, name)


def listed(program):
    """{name: what -cpu help says of it}."""
    text = subprocess.run([program, "-cpu", "help"], stdout=subprocess.PIPE, timeout=60, check=True, text=True).stdout
    return dict(re.findall(r"(?m)^x86 (\S+) *(.*)$", text))


def help_text():
    ours, theirs = listed(PROGRAM), listed(REFERENCE)
    tap.equal(sorted(set(ours) ^ set(theirs)), sorted(OURS_ALONE), "models that one of both lists")
    tap.equal(sorted(set(definitions(PROGRAM)) - set(ours)), [], "models that are not listed")
    for name, text in theirs.items():
        alias = re.fullmatch(r"\(alias of (\S+)\)", text)
        if alias:
            tap.equal(ours[name], f"the same as {alias[1]}", name)


def expansions(program, models):
    replies = ask(program, *[{"execute": "query-cpu-model-expansion",
                              "arguments": {"type": "full", "model": {"name": m}}} for m in models])
    return {m: reply["model"]["props"] for m, reply in zip(models, replies)}


def features():
    models = sorted(set(definitions(PROGRAM)) - OURS_ALONE - {"max", "host", "base"})
    ours, theirs = expansions(PROGRAM, models), expansions(REFERENCE, models)
    for model in models:
        common = (set(ours[model]) & set(theirs[model])) - OF_THE_ENGINE
        common = {p for p in common if not p.startswith("kvm")} - {"phys-bits", "pmu"}
        if len(common) < 150:
            raise AssertionError(f"only {len(common)} properties in common")
        for each in sorted(common):
            tap.equal((each, ours[model][each]), (each, theirs[model][each]), model)
        lacking = {p for p, on in theirs[model].items() if on is True and p.replace("_", "-") not in ours[model]}
        tap.equal(sorted(lacking - NO_FEATURES), [], f"{model}: features without a name here")


# Switches of the reference's that are no features of a processor.
NO_FEATURES = {"check", "cpuid-0xb", "fill-mtrr-mask", "full-cpuid-auto-level", "legacy-cache",
               "tcg-cpuid", "vmware-cpuid-freq", "x-intel-pt-auto-level", "x-migrate-smi-count",
               "x-vendor-cpuid-only"}


def leaves(program, model):
    """{(leaf, subleaf): {"a": EAX, ...}} as a guest finds them."""
    with tempfile.NamedTemporaryFile() as output:
        accel = "soft" if program == PROGRAM else "tcg"
        result = subprocess.run([program, "-accel", accel, "-M", "pc", "-m", "64", "-cpu", f"{model},check=off",
                                 "-nodefaults", "-display", "none", "-bios", ROM, "-debugcon", f"file:{output.name}",
                                 "-device", "isa-debug-exit,iobase=0xf4,iosize=4"], timeout=60, check=False)
        tap.equal(result.returncode, 1, f"{program}: {model}")
        records = list(struct.iter_unpack("<6I", output.read()))
    tap.equal(len(records), 16, "leaves")
    return {r[:2]: dict(zip("abcd", r[2:])) for r in records}


MOST = {}  # what both software CPUs can offer


def guest_leaves(model):
    if not MOST:
        MOST.update({program: leaves(program, "max") for program in (PROGRAM, REFERENCE)})
    ours, theirs = leaves(PROGRAM, model), leaves(REFERENCE, model)
    extended = theirs[0x80000000, 0]["a"] >> 31  # else the reference answers with its last leaf
    for leaf, regs in EXACT.items():
        for reg in regs if extended or leaf[0] < 0x80000000 else "":
            tap.equal(hex(ours[leaf][reg]), hex(theirs[leaf][reg]), f"leaf {leaf[0]:#x} E{reg.upper()}X")
    for leaf, regs in FEATURES_OF_LEAVES.items():
        last = theirs[leaf[0] & 0x80000000, 0]["a"] if extended or leaf[0] < 0x80000000 else 0
        if leaf[0] > last:
            continue  # what is beyond the last leaf is not the model's
        for reg in regs:
            both = MOST[PROGRAM][leaf][reg] & MOST[REFERENCE][leaf][reg]
            both &= ~ARAT if leaf[0] == 6 else ~0
            if model.startswith("Dhyana") and leaf[0] == 0x80000001:
                both &= ~REPEATED  # as AMD's do; the reference has them with AMD's name only
            tap.equal(hex(ours[leaf][reg] & both), hex(theirs[leaf][reg] & both),
                      f"leaf {leaf[0]:#x}.{leaf[1]} E{reg.upper()}X")
    if extended and theirs[0x80000001, 0]["d"] >> 29 & 1:
        tap.equal(ours[0x80000008, 0]["a"] & 0xff, theirs[0x80000008, 0]["a"] & 0xff, "physical address bits")


LEVELS = ["level", "min-level", "xlevel", "min-xlevel", "xlevel2", "min-xlevel2", "full-cpuid-auto-level"]
NOW = ["qemu64", "qemu32", "486", "base", "Haswell,-xsave", "EPYC", "phenom", "Opteron_G1,+svm", "qemu32,min-level=0", "pentium,+smep",
       "pentium,+arat", "pentium,+svm", "pentium,+lm", "pentium,+invtsc", "pentium,+clzero", "pentium,+intel-pt", "pentium,+sgx",
       "pentium,+umip", "pentium,+xsaveopt", "pentium,+umip,full-cpuid-auto-level=off", "pentium,+smep,full-cpuid-auto-level=off",
       "base,+fpu", "base,+lm", "base,+smep,full-cpuid-auto-level=off", "qemu64,level=3", "qemu64,level=0", "qemu64,min-level=2,+smep",
       "qemu64,min-level=0x14,level=5", "qemu64,xlevel=0", "qemu64,min-xlevel=0x80000020", "pentium,min-xlevel2=0xc0000004",
       "pentium,xlevel2=0xc0000001", "pentium,level=1,+smep", "pentium,level=4294967295", "EPYC,xlevel=0x80000008", "athlon,min-xlevel=0"]
OLD = ["qemu64", "qemu64,+smep", "pentium,+smep", "pentium,+arat", "pentium,+svm", "Haswell", "Conroe", "Penryn", "Nehalem", "Westmere",
       "n270", "kvm64", "pentium3", "Opteron_G3", "EPYC", "EPYC-IBPB", "pentium,+arat,full-cpuid-auto-level=on", "qemu64,min-level=2,+smep"]
OLD_MACHINES = ["pc-i440fx-1.4", "pc-i440fx-1.5", "pc-i440fx-1.6", "pc-i440fx-2.3", "pc-i440fx-2.4", "pc-q35-2.7", "pc-q35-2.8",
                "pc-i440fx-2.12", "pc-q35-3.0"]


def levels(board, models):
    """The last leaves of CPUID, as a CPU's object tells them."""
    queries = [{"execute": "qom-get", "arguments": {"path": "/machine/unattached/device[0]", "property": name}} for name in LEVELS]
    for model in models:
        ours, theirs = (ask(program, *queries, words=["-M", *board.split(), "-cpu", f"{model},check=off"])
                        for program in (PROGRAM, REFERENCE))
        tap.equal(dict(zip(LEVELS, ours)), dict(zip(LEVELS, theirs)), f"{board}: {model}")


def skip():
    raise tap.Skip("qemu-system-x86_64 is not there")


def main():
    if not REFERENCE:
        tap.run([("CPU models", skip)])
        return
    versions = [name for name in definitions(REFERENCE) if name.rpartition("-v")[2].isdigit()]
    tap.run([("names", names), ("-cpu help", help_text), ("features", features),
             ("last leaves", lambda: levels("pc", NOW)),
             ("last leaves with dies", lambda: levels("pc -smp 4,dies=2,cores=2", ["Haswell", "EPYC", "Haswell,level=5"])),
             *[(f"last leaves of {m}", lambda m=m: levels(m, OLD)) for m in OLD_MACHINES],
             *[(f"leaves of {name}", lambda n=name: guest_leaves(n)) for name in versions]])


main()

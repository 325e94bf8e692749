#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The versions of pc and q35 against those of the reference, run as a black box: which there are, and what
an old one has otherwise than the newest. Usage: test_machines.py BUILD-DIR"""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402

PROGRAM = f"{sys.argv[1]}/dimmable"
REFERENCE = shutil.which("qemu-system-x86_64")
OLDEST = (1, 4)
# That the reference names beside their alias.
ENTRY = ("cpu-max", "default-ram-id", "numa-mem-supported", "default-cpu-type")
DEVICES = ["-device", "virtio-blk-pci,drive=d,id=blk", "-blockdev", "null-co,node-name=d,read-zeroes=on",
           "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,id=net", "-device", "virtio-rng-pci,id=random",
           "-device", "virtio-serial-pci,id=serial", "-device", "virtio-balloon-pci,id=balloon",
           "-device", "pvpanic,id=panic"]
CPU = "/machine/unattached/device[0]"
PROPERTIES = [("blk", "num-queues"), ("blk", "queue-size"), ("blk", "discard"), ("blk", "write-zeroes"),
              ("blk", "queue_reset"), ("net", "queue_reset"), ("net", "vectors"), ("random", "vectors"),
              ("random", "queue_reset"), ("serial", "queue_reset"), ("balloon", "queue_reset"), ("panic", "events"),
              ("blk", "page-per-vq"), ("blk", "disable-modern"), ("blk", "any_layout"), (CPU, "model-id"),
              (CPU, "abm"), (CPU, "family"), (CPU, "model"), (CPU, "stepping"),
              (CPU, "popcnt"), (CPU, "l3-cache"),
              (CPU, "check")]
# What changed before there was a q35.
OF_PC = [("random", "any_layout"), ("serial", "any_layout"), ("balloon", "any_layout"), ("net", "any_layout"), ("net", "guest_announce"),
         ("net", "ctrl_guest_offloads"), ("serial", "vectors"), (CPU, "level")]


def ask(program, machine, commands, devices=()):
    accel = "soft" if program == PROGRAM else "tcg"
    script = "".join(json.dumps(c) for c in ({"execute": "qmp_capabilities"}, *commands, {"execute": "quit"}))
    done = subprocess.run([program, "-accel", accel, "-M", machine, "-S", "-nodefaults", "-display", "none", "-m", "128",
                           "-smp", "2,maxcpus=4", "-qmp", "stdio", *devices],
                          input=script.encode(), stdout=subprocess.PIPE, timeout=120, check=True)
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    return [r.get("return") for r in replies if "return" in r or "error" in r][1:-1]


def versions(program):
    """Those of pc and q35 from the oldest of ours on, by name."""
    known = ask(program, "pc", [{"execute": "query-machines"}])[0]
    return {m["name"]: m for m in known if m["name"].startswith(("pc-i440fx-", "pc-q35-")) and
            tuple(int(n) for n in m["name"].split("-")[2].split(".")) >= OLDEST}


def names():
    ours, theirs = versions(PROGRAM), versions(REFERENCE)
    tap.equal(sorted(ours), sorted(theirs))
    for name, wanted in theirs.items():
        tap.equal({k: ours[name].get(k) for k in ENTRY}, {k: wanted.get(k) for k in ENTRY}, name)


def facts(program, machine):
    """What a machine has: (-smp's topology, each property)."""
    gets = [{"execute": "qom-get", "arguments": {"path": path, "property": name}}
            for path, name in (("/machine", "smp"), *PROPERTIES, *OF_PC)]
    smp, *values = ask(program, machine, gets, DEVICES)
    return {"smp": smp, **dict(zip(PROPERTIES + OF_PC, values))}


def bridge(program, machine):
    """Does the ICH9 say that PCI devices behind bridges come and go by ACPI?"""
    listed = ask(program, machine, [{"execute": "qom-list", "arguments": {"path": "/machine/unattached"}}])[0]
    name = next(c["name"] for c in listed if c["type"] == "child<ICH9-LPC>")
    return ask(program, machine, [{"execute": "qom-get", "arguments": {
        "path": f"/machine/unattached/{name}", "property": "acpi-pci-hotplug-with-bridge-support"}}])[0]


def differences(board):
    """Where an old one of the reference is otherwise than its newest, ours is as it."""
    newest = facts(REFERENCE, f"{board}-7.2")
    same = ("smp", ("blk", "num-queues"), ("blk", "queue-size"), ("panic", "events"))
    ours = facts(PROGRAM, f"{board}-7.2")
    tap.equal({fact: ours[fact] for fact in same}, {fact: newest[fact] for fact in same}, f"{board}-7.2")
    changed = set()
    for name in sorted(n for n in versions(REFERENCE) if n.startswith(board + "-")):
        theirs, ours = facts(REFERENCE, name), facts(PROGRAM, name)
        for fact, value in theirs.items():
            if value != newest[fact]:
                changed.add(fact)
                tap.equal(ours[fact], value, f"{name} {fact}")
    tap.equal(changed, {"smp", *PROPERTIES, *(OF_PC if "i440fx" in board else ())}, "what some version has otherwise")


def bridges():
    for name in sorted(n for n in versions(REFERENCE) if n.startswith("pc-q35-")):
        tap.equal(bridge(PROGRAM, name), bridge(REFERENCE, name), name)


def skip():
    raise tap.Skip("qemu-system-x86_64 is not there")


def main():
    if not REFERENCE:
        tap.run([("versions of machines", skip)])
        return
    tap.run([("the versions of the level are there", names),
             ("an old pc has what it had", lambda: differences("pc-i440fx")),
             ("an old q35 has what it had", lambda: differences("pc-q35")),
             ("PCI hot-plug behind bridges of old q35s", bridges)])


main()

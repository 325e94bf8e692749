#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt knows of a domain's CPU, and that a domain whose CPU it has checked is saved and restored:
test_libvirt_cpus.py BUILD-DIR"""
import os
import re
import sys

import libvirtd
from libvirtd import tap
import domains

BUILD = os.path.abspath(sys.argv[1])
SESSION = None
CPU = r"(?s)<cpu .*</cpu>"
CELL = domains.CELL
# What the software CPU has beside libvirt's qemu64.
MORE = ("arat", "hypervisor", "lahf_lm", "tsc-deadline", "x2apic")


def cpu_xml(inside, words="mode='custom' match='exact'"):
    return f"<cpu {words}>{inside}<numa>{CELL}</numa></cpu>"


def model(name, *required, check="full", disabled=()):
    features = "".join(f"<feature policy='{policy}' name='{each}'/>" for policy, names in
                       (("require", required), ("disable", disabled)) for each in names)
    return cpu_xml(f"<model>{name}</model>{features}", f"mode='custom' match='exact' check='{check}'")


def write(name, cpu):
    xml = domains.domain_xml(SESSION, name, "q35")
    return SESSION.write(f"{name}.xml", re.sub(CPU, lambda _: cpu, xml))


def live(name):
    """(how libvirt checks it, {feature: policy})."""
    cpu = SESSION.dumpxml(name).find("cpu")
    return cpu.get("check"), {each.get("name"): each.get("policy") for each in cpu.iter("feature")}


def start(name, cpu):
    SESSION.virsh("create", "--paused", write(name, cpu))
    return live(name)


def save_and_restore(name):
    before = live(name)
    SESSION.virsh("save", name, f"{SESSION.dir}/{name}.save")
    SESSION.virsh("restore", f"{SESSION.dir}/{name}.save", "--paused")
    tap.equal(live(name), before, "after restore")


def whole_life(cpu, wanted):
    """It starts, and libvirt then knows all of its features."""
    check, features = start("cpu", cpu)
    try:
        tap.equal(check, "full")
        tap.equal({name: features.get(name) for name in wanted}, wanted)
        save_and_restore("cpu")
    finally:
        SESSION.virsh("destroy", "cpu")
    return features


def partial():
    wanted = dict.fromkeys(MORE, "require")
    whole_life(model("qemu64", check="partial", disabled=["svm"]), {**wanted, "svm": "disable"})
    features = whole_life(model("Nehalem", check="partial"), {name: "require" for name in MORE if name != "lahf_lm"})
    tap.equal("invtsc" in features, False)


def full():
    """Exactly what is named."""
    whole_life(model("qemu64", *MORE), dict.fromkeys(MORE, "require"))
    whole_life(model("qemu64", *MORE, disabled=["svm"]), dict.fromkeys(MORE, "require"))
    SESSION.refused("doesn't match specification extra features: x2apic,tsc-deadline,hypervisor,arat,lahf_lm",
                    "create", "--paused", write("cpu", model("qemu64", disabled=["svm"])))
    SESSION.refused("missing features: vmx", "create", "--paused", write("cpu", model("qemu64", *MORE, "vmx")))


def host_model():
    """It says all of the software CPU's features, and restores as what it was."""
    features = whole_life(cpu_xml("", "mode='host-model' check='partial'"), {"hypervisor": "require"})
    tap.equal("invtsc" in features, False)


def maximum():
    tap.equal(start("cpu", cpu_xml("", "mode='maximum'")), ("none", {}))
    save_and_restore("cpu")
    tap.equal(domains.monitor(SESSION, "cpu", "qom-get", path="/machine/unattached/device[0]", property="migratable"), True)
    SESSION.virsh("destroy", "cpu")


def invariant_tsc():
    """Is there where it is asked for; libvirt does not save such a domain."""
    tap.equal(start("cpu", model("qemu64", "invtsc", check="partial", disabled=["svm"]))[1]["invtsc"], "require")
    SESSION.refused("'invtsc' TSC frequency", "save", "cpu", f"{SESSION.dir}/cpu.save")
    SESSION.virsh("destroy", "cpu")


def main():
    global SESSION  # pylint: disable=global-statement
    try:
        with libvirtd.Libvirt(f"{BUILD}/dimmable") as SESSION:
            domains.make_guest(SESSION, BUILD)
            tap.run([
                ("check='partial'", partial),
                ("check='full'", full),
                ("host-model", host_model),
                ("maximum", maximum),
                ("the invariant TSC", invariant_tsc),
            ])
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel has nothing to say against our tables: test_bootlog.py BUILD-DIR. What it logs about
ACPI, NUMA, PCI and the memory map at warning level and above must be what the reference, with the same
command line, causes as well; where that is not installed, what the file allowed-boot-lines has."""
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
REFERENCE = shutil.which("qemu-system-x86_64")
SEABIOS = ["/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin"]
ALLOWED = f"{HERE}/allowed-boot-lines"
SUBJECT = re.compile(r"acpi|srat|slit|hmat|numa|node|pci|mmconfig|mcfg|hpet|e820|memory|firmware|bios",
                     re.IGNORECASE)
# Not about the tables: clocks, which depend on the host's load, and what a call trace is headed with.
OTHER = re.compile(r"clocksource|tsc:|RTC interrupts|Hardware name:")
# libvirt's way to write them; the second is function 1 of the first's slot.
ROOT_PORTS = ["-device", '{"driver":"pcie-root-port","port":8,"chassis":1,"id":"pci.1","bus":"pcie.0",'
              '"multifunction":true,"addr":"0x1"}',
              "-device", '{"driver":"pcie-root-port","port":9,"chassis":2,"id":"pci.2","bus":"pcie.0",'
              '"addr":"0x1.0x1"}']


def node(number, size, options=""):
    """A node with memory, as both programs take it."""
    return ["-object", f"memory-backend-ram,id=ram{number},size={size}",
            "-numa", f"node,memdev=ram{number}{options}"]


def dimm(number, size, options=""):
    return ["-object", f"memory-backend-ram,id=m{number},size={size}",
            "-device", f"pc-dimm,id=d{number},memdev=m{number}{options}"]


def figure(target, kind):
    return ["-numa", f"hmat-lb,initiator=0,target={target},hierarchy=memory,data-type=access-{kind}"]


# What the reference does not know, or does anyway.
OUR_OWN = re.compile(",boot=on|,firmware=on")
TWO_NODES = [*node(0, "1G", ",cpus=0"), *node(1, "1G", ",cpus=1")]
CASES = {
    "pc, two nodes with DIMMs": {
        "extra": ["-M", "pc", *TWO_NODES, *dimm(0, "256M"), *dimm(1, "512M", ",node=1")], "cpus": "2,sockets=2"},
    "pc, nodes without memory, distances": {
        "extra": ["-M", "pc", *node(0, "2G", ",cpus=0-1"), "-numa", "node", "-numa", "node",
                  "-numa", "dist,src=0,dst=1,val=21", "-numa", "dist,src=0,dst=2,val=31",
                  "-numa", "dist,src=1,dst=2,val=41"], "cpus": "2,sockets=2"},
    "pc, a node of boot DIMMs, 256 slots": {
        "extra": ["-M", "pc", *node(0, "1G", ",cpus=0-1"), "-numa", "node",
                  *dimm(0, "256M", ",node=1,boot=on"), *dimm(1, "512M", ",node=1,boot=on")],
        "cpus": "2,sockets=2", "memory": "1G,slots=256,maxmem=300G"},
    "q35, root ports, two nodes": {"extra": ["-M", "q35", *TWO_NODES, *ROOT_PORTS], "cpus": "2,sockets=2"},
    "q35, 6 GiB, HMAT, no HPET": {
        "extra": ["-M", "q35,hpet=off,hmat=on", *node(0, "3G", ",cpus=0"), *node(1, "3G", ",initiator=0"),
                  *[word for target in (0, 1) for kind in ("latency,latency=5", "bandwidth,bandwidth=5G")
                    for word in figure(target, kind)]], "memory": "6G,slots=4,maxmem=32G"},
    "q35, by SeaBIOS": {"extra": ["-M", "q35,firmware=on"], "memory": "512M"},
}


def complaints(program, accel, options):
    """The kernel's warnings about the subject, without times and numbers."""
    with vm.Vm(program, f"{BUILD}/guest", accel=accel, **options) as guest:
        guest.wait_ready(240)
        lines = guest.run("dmesg -r | sed -n 's/^<[0-4]>\\[[^]]*\\] //p'").splitlines()
    return {re.sub(r"0x[0-9a-f]+|\d+", "#", line.strip()) for line in lines
            if SUBJECT.search(line) and not OTHER.search(line)}


def allowed():
    with open(ALLOWED, encoding="utf-8") as file:
        return {line.strip() for line in file if line.strip() and not line.startswith("//")}


def compare(options):
    if "firmware=on" in str(options) and not any(os.path.exists(place) for place in SEABIOS):
        raise tap.Skip("Debian's package seabios is not installed")
    ours = complaints(f"{BUILD}/dimmable", "soft", options)
    if not ours:
        return
    if REFERENCE:
        extra = [OUR_OWN.sub("", word) for word in options["extra"]]
        theirs = complaints(REFERENCE, "tcg", {**options, "extra": extra})
    else:
        theirs = allowed()
    tap.equal(ours - theirs, set(), "complaints that the reference does not cause")


if __name__ == "__main__":
    tap.run([(name, lambda options=options: compare(options)) for name, options in CASES.items()])

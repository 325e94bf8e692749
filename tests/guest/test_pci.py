#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI and ACPI as Debian's kernel sees them: test_pci.py BUILD-DIR. No machine makes it complain where
the reference, with the same command line, does not; root ports enumerate and get interrupts."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

MIB = 1 << 20
BUILD = sys.argv[1]
REFERENCE = shutil.which("qemu-system-x86_64")
# libvirt's way to write them; the second is function 1 of the first's slot.
ROOT_PORTS = ["-device", '{"driver":"pcie-root-port","port":8,"chassis":1,"id":"pci.1","bus":"pcie.0",'
              '"multifunction":true,"addr":"0x1"}',
              "-device", '{"driver":"pcie-root-port","port":9,"chassis":2,"id":"pci.2","bus":"pcie.0",'
              '"addr":"0x1.0x1"}']
NODES = [word for n in (0, 1) for word in
         ("-object", f"memory-backend-ram,id=n{n},size=1G", "-numa", f"node,cpus={n},memdev=n{n}")]
# Whose lines count, of the kernel's levels 0 (emergency) to 4 (warning).
SUBJECT = re.compile(r"acpi|srat|slit|numa|pci|mmconfig|mcfg|hpet|e820", re.IGNORECASE)
# What the reference causes on every machine here, for places where it is not installed.
ALLOWED = set()
CASES = {
    "pc": {"extra": ["-M", "pc"]},
    "pc with two nodes": {"extra": ["-M", "pc", *NODES], "cpus": "2,sockets=2"},
    "q35": {"extra": ["-M", "q35", *ROOT_PORTS]},
    "q35 with two nodes": {"extra": ["-M", "q35", *NODES, *ROOT_PORTS], "cpus": "2,sockets=2"},
    "q35 with 6 GiB": {"extra": ["-M", "q35"], "memory": "6G,slots=4,maxmem=32G"},
    "q35 without HPET": {"extra": ["-M", "q35,hpet=off"]},
}


def machine(program=None, accel="soft", **options):
    return vm.Vm(program or f"{BUILD}/dimmable", f"{BUILD}/guest", accel=accel, **options)


def complaints(guest):
    """The kernel's warnings about the subject, without times and numbers."""
    guest.wait_ready(240)
    lines = guest.run("dmesg -r | sed -n 's/^<[0-4]>\\[[^]]*\\] //p'").splitlines()
    return {re.sub(r"0x[0-9a-f]+|\d+", "#", line.strip()) for line in lines if SUBJECT.search(line)}


def compare(options):
    with machine(**options) as guest:
        ours = complaints(guest)
    allowed = ALLOWED
    if ours and REFERENCE:
        with machine(REFERENCE, "tcg", **options) as guest:
            allowed = allowed | complaints(guest)
    tap.equal(ours - allowed, set(), "complaints that the reference does not cause")


def root_ports():
    with machine(extra=["-M", "q35", *ROOT_PORTS]) as guest:
        guest.wait_ready()
        tap.equal(guest.run("ls /sys/bus/pci/devices").split(),
                  ["0000:00:00.0", "0000:00:01.0", "0000:00:01.1", "0000:00:1f.0"])
        tap.equal(guest.run("cd /sys/bus/pci/devices; cat 0000:00:01.*/secondary_bus_number; cd /").split(),
                  ["1", "2"])
        tap.equal(guest.run("ls /sys/bus/pci/drivers/pcieport | grep -c :"), "2", "bound to pcieport")
        # All of the extended configuration space: it is read through memory.
        tap.equal(guest.run("wc -c < /sys/bus/pci/devices/0000:00:01.0/config"), "4096")
        guest.run("grep -q 'b0000000-bfffffff : PCI MMCONFIG' /proc/iomem")
        guest.run("dmesg | grep -q 'MMCONFIG at .*reserved in E820'")
        guest.run("grep -q 'MSI.*PCIe' /proc/interrupts")


def pins(append, wanted):
    """Without MSI the ports are on pins: INTA# of slot 1 is on PIRQF#. Hot-plug works as ever."""
    with machine(extra=["-M", "q35", *ROOT_PORTS], append=f"{vm.APPEND} pci=nomsi {append}") as guest:
        guest.wait_ready()
        tap.equal(guest.run("cd /sys/bus/pci/devices; cat 0000:00:01.*/irq; cd /").split(), [wanted] * 2)
        guest.plug("d0", 256 * MIB)
        guest.unplug("d0")


tap.run([(f"complaints: {name}", lambda options=options: compare(options))
         for name, options in CASES.items()] +
        [("root ports", root_ports),
         ("pins with the I/O APIC", lambda: pins("", "21")),
         ("pins with the 8259s", lambda: pins("noapic", "10"))])

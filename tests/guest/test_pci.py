#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI as Debian's kernel sees it: test_pci.py BUILD-DIR. Root ports enumerate and get interrupts."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

MIB = 1 << 20
BUILD = sys.argv[1]
# libvirt's way to write them; the second is function 1 of the first's slot.
ROOT_PORTS = ["-device", '{"driver":"pcie-root-port","port":8,"chassis":1,"id":"pci.1","bus":"pcie.0",'
              '"multifunction":true,"addr":"0x1"}',
              "-device", '{"driver":"pcie-root-port","port":9,"chassis":2,"id":"pci.2","bus":"pcie.0",'
              '"addr":"0x1.0x1"}']


def machine(**options):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", **options)


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


tap.run([("root ports", root_ports),
         ("pins with the I/O APIC", lambda: pins("", "21")),
         ("pins with the 8259s", lambda: pins("noapic", "10"))])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI as Debian's kernel sees it: test_pci.py BUILD-DIR. Root ports enumerate, pins interrupt."""
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
SEABIOS = "/usr/share/seabios/bios-256k.bin"


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


def device_pin(append, wanted, *options):
    """The interrupt of a device without MSI-X, in slot 5 of a pc: PIRQA#."""
    extra = ["-device", "virtio-rng-pci,vectors=0,addr=5", *options]
    with machine(extra=extra, append=f"{vm.APPEND} {append}") as guest:
        guest.wait_ready()
        for module in ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
                       "virtio-rng"):
            guest.run(f"insmod /lib/modules/{module}.ko")
        guest.run("dd if=/dev/hwrng of=/tmp/bytes bs=4096 count=1")
        line = guest.run("grep virtio0 /proc/interrupts").split()
        tap.equal((line[0], line[2], int(line[1]) > 8), (*wanted, True), str(line))


def by_firmware():
    """The routes that SeaBIOS has found, without those of ACPI."""
    if not os.path.exists(SEABIOS):
        raise tap.Skip(f"there is no {SEABIOS}: Debian's package seabios is not installed")
    device_pin("pci=noacpi", ("10:", "XT-PIC"), "-bios", SEABIOS)


tap.run([("root ports", root_ports),
         ("pins with the I/O APIC", lambda: pins("", "21")),
         ("pins with the 8259s", lambda: pins("noapic", "10")),
         ("a device's pin with the I/O APIC", lambda: device_pin("", ("10:", "IO-APIC"))),
         ("a device's pin with the 8259s", lambda: device_pin("noapic", ("10:", "XT-PIC"))),
         ("a device's pin by firmware's tables", by_firmware)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""acpi-index: the number by which ACPI names a PCI device to the guest; in the registers of PCI hot-plug, and what is refused.
What Linux makes of it is in tests/guest/test_pci_hotplug.py."""
import machine

import tap

PORT, SELECT, INDEX = 0xae00, 0x10, 0x14


def read(m, slots, bus=0):
    m.write("l", PORT + SELECT, bus)
    m.write("l", PORT + INDEX, slots)
    return m.read("l", PORT + INDEX)


def registers():
    """Of function 0 of the lowest slot that was written, on the selected bus."""
    with machine.Machine("64M", extra=["-M", "pc", "-device", "virtio-rng-pci,addr=4,acpi-index=16383",
                                       "-device", "virtio-rng-pci,addr=5", "-device", "pci-bridge,id=b0,addr=6,chassis_nr=1",
                                       "-device", "virtio-rng-pci,bus=b0,addr=1,acpi-index=2"]) as m:
        tap.equal([read(m, slots) for slots in (0, 1 << 4, 1 << 5, 3 << 4, 1 << 7, 1 << 31, 0xffffffff)],
                  [0, 16383, 0, 16383, 0, 0, 0])
        tap.equal([read(m, 2, bus) for bus in (0, 1, 2, 255, 0xffffffff)], [0, 2, 0, 0, 0])
        m.qmp.command("device_add", driver="virtio-rng-pci", id="r0", addr="7", **{"acpi-index": 7})
        tap.equal(read(m, 1 << 7), 7)
        m.write("l", PORT + 8, 1 << 7)  # eject
        m.qmp.event("DEVICE_DELETED", device="r0")
        tap.equal(read(m, 1 << 7), 0)
        m.write("l", PORT + SELECT, 0)
        m.write("l", PORT + INDEX, 1 << 4)
        m.qmp.command("system_reset")
        tap.equal(m.read("l", PORT + INDEX), 0, "after a reset")


def numbers():
    """Each is of one device at a time."""
    with machine.Machine("64M", extra=["-M", "pc", "-device", "virtio-rng-pci,id=r0,acpi-index=3"]) as m:
        m.qmp.refused("acpi-index=3 is another PCI device's", "device_add", driver="virtio-rng-pci", **{"acpi-index": 3})
        m.qmp.refused("acpi-index=16384 is not right: it must be a number from 1 to 16383", "device_add", driver="virtio-rng-pci", **{"acpi-index": 16384})
        m.qmp.command("device_add", driver="virtio-rng-pci", id="r1", addr="9", **{"acpi-index": 4})
        m.write("l", PORT + 8, 1 << 9)
        m.qmp.event("DEVICE_DELETED", device="r1")
        m.qmp.command("device_add", driver="virtio-rng-pci", id="r1", **{"acpi-index": 4})
        tap.equal(m.qmp.command("qom-get", path="/machine/peripheral/r1", property="acpi-index"), 4)
    status, text = machine.run_program("-accel", "qtest", "-display", "none", "-M", "q35", "-device", "e1000e,acpi-index=1",
                                       "-device", "e1000e,acpi-index=1")
    tap.equal((status, "acpi-index=1 is another" in text), (1, True), text)


tap.run([("registers", registers), ("numbers", numbers)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines of older versions: which there are, what they have otherwise, and what users say of it.
Usage: test_versions.py BUILD-DIR"""
import machine
import tap

DISK = ["-blockdev", "null-co,node-name=d,read-zeroes=on"]


def known():
    with machine.Machine() as m:
        found = {entry["name"]: entry for entry in m.qmp.command("query-machines")}
    for board, count in (("pc-i440fx-", 31), ("pc-q35-", 24)):
        versions = [entry for name, entry in found.items() if name.startswith(board)]
        tap.equal(len(versions), count, board)
        tap.equal([entry["name"] for entry in versions if "alias" in entry], [f"{board}7.2"], "alias")
        for entry in versions:
            old = tuple(int(n) for n in entry["name"].split("-")[2].split(".")) <= (5, 0)
            tap.equal(entry["numa-mem-supported"], old, entry["name"])


def newest_first():
    _, text = machine.run_program("-machine", "help")
    names = [line.split()[0] for line in text.splitlines()]
    boards = [name for name in names if name.startswith("pc-q35-")]
    tap.equal(boards[:4] + boards[-2:], [f"pc-q35-{v}" for v in ("7.2", "7.1", "7.0", "6.2", "2.5", "2.4")])
    tap.equal(names.index("q35") + 1, names.index("pc-q35-7.2"), "the alias before what it is of")


def topology():
    for version, sockets in (("6.2", 1), ("6.1", 4)):
        with machine.Machine(extra=["-M", f"pc-q35-{version}", "-smp", "4"]) as m:
            smp = m.qmp.command("qom-get", path="/machine", property="smp")
            tap.equal((smp["sockets"], smp["cores"]), (sockets, 4 // sockets), version)
    with machine.Machine(extra=["-M", "pc-i440fx-6.1", "-smp", "4,sockets=2"]) as m:
        smp = m.qmp.command("qom-get", path="/machine", property="smp")
        tap.equal((smp["sockets"], smp["cores"], smp["threads"]), (2, 2, 1), "cores before threads")


def queue_size(version, *options):
    with machine.Machine(extra=["-M", f"pc-i440fx-{version}", *DISK, *options]) as m:
        return m.qmp.command("qom-get", path="blk", property="queue-size")


def who_wins():
    device = "virtio-blk-pci,drive=d,id=blk"
    tap.equal(queue_size("5.0", "-device", device), 256, "5.0")
    tap.equal(queue_size("4.2", "-device", device), 128, "4.2")
    tap.equal(queue_size("4.0", "-device", device), 128, "and older")
    tap.equal(queue_size("4.0", "-global", "virtio-blk-device.queue-size=64", "-device", device), 64, "-global")
    tap.equal(queue_size("4.0", "-device", device + ",queue-size=32"), 32, "-device")


def oldest():
    """What users and guests see of versions before 2.8: each of them starts."""
    devices = [*DISK, "-device", "virtio-blk-pci,drive=d,id=blk", "-device", "virtio-gpu-pci", "-device", "virtio-scsi-pci,id=s", "-device", "scsi-hd,drive=d2,bus=s.0,id=hd",
               "-blockdev", "null-co,node-name=d2,read-zeroes=on"]

    def get(m, path, name):
        return m.qmp.command("qom-get", path=path, property=name)
    for version, legacy, hardware in (("2.7", False, ""), ("2.6", True, ""), ("2.5", True, ""), ("2.4", True, "2.4."), ("2.3", True, "2.3."), ("2.2", True, "2.2."),
                                      ("2.1", True, "2.1."), ("2.0", True, "2.0."), ("1.7", True, "1.7."), ("1.6", True, "1.6."), ("1.5", True, "1.5."),
                                      ("1.4", True, "1.4.")):
        with machine.Machine(extra=["-M", f"pc-i440fx-{version}", *devices]) as m:
            tap.equal(m.errors(), "", version)
            tap.equal((get(m, "blk", "disable-modern"), get(m, "blk", "page-per-vq"), get(m, "hd", "ver")), (legacy, True, hardware), version)
    with machine.Machine() as m:
        most = {entry["name"]: entry["cpu-max"] for entry in m.qmp.command("query-machines")}
    tap.equal([most[f"pc-q35-{v}"] for v in ("2.8", "2.7", "2.4")], [288, 255, 255])


def transitional():
    """Both other types of a virtio device have the default, too."""
    devices = [f"virtio-rng-pci{kind},id=r{i}" for i, kind in enumerate(("", "-transitional", "-non-transitional"))]
    with machine.Machine(extra=["-M", "pc-i440fx-7.1", *[w for d in devices for w in ("-device", d)]]) as m:
        for i in range(3):
            tap.equal(m.qmp.command("qom-get", path=f"r{i}", property="vectors"), 0, devices[i])


def hotplug_of_old_q35():
    """Until 6.0 a device behind a root port comes by the port's own button."""
    for version, slots in (("6.1", 1), ("6.0", 0xffffffff)):  # nobody answers
        with machine.Machine(extra=["-M", f"pc-q35-{version}", "-device", "pcie-root-port,id=rp,chassis=1"]) as m:
            m.qmp.command("device_add", driver="virtio-rng-pci", id="r", bus="rp")
            m.write("l", 0xcc0 + 0x10, 0)  # the port's bus is the first that ACPI's registers know
            tap.equal(m.read("l", 0xcc0), slots, version)


tap.run([("which there are", known), ("the newest first", newest_first), ("-smp", topology),
         ("a default of a version, and users", who_wins), ("all types of a device", transitional), ("versions before 2.8", oldest),
         ("hot-plug behind ports of old q35s", hotplug_of_old_q35)])

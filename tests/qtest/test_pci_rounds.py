#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI devices of each kind come and go many times: test_pci_rounds.py BUILD-DIR. The program does not grow."""
import os
import tempfile

import machine  # noqa: F401  (finds the modules below)
import tap
import vm

ROUNDS = 400
GROWTH = 256  # KiB that are no growth over half of them, 1000 devices: their configuration spaces alone would be 4000
KINDS = [{"driver": "virtio-blk-pci", "drive": "d0"}, {"driver": "virtio-net-pci", "netdev": "u0"},
         {"driver": "virtio-rng-pci"}, {"driver": "virtio-balloon-pci"}, {"driver": "virtio-serial-pci"}]
# The registers of docs/pci-hotplug.md, and slots.
INSERTED, ASKED, EJECT, FIRST = 0xae00, 0xae04, 0xae08, 4
SLOTS = sum(1 << (FIRST + n) for n in range(len(KINDS)))


def one_round(m):
    for n, kind in enumerate(KINDS):
        m.qmp.execute({"execute": "device_add", "arguments": {**kind, "id": f"v{n}", "addr": str(FIRST + n)}})
    tap.equal(m.read("l", INSERTED), SLOTS)
    for n in range(len(KINDS)):
        m.qmp.command("device_del", id=f"v{n}")
    tap.equal(m.read("l", ASKED), SLOTS)
    m.write("l", EJECT, SLOTS)
    for n in range(len(KINDS)):
        m.qmp.event("DEVICE_DELETED", device=f"v{n}")
    m.qmp.drain().clear()


def taken(m):
    return len(os.listdir(f"/proc/{m.process.pid}/fd")), vm.resident(m.process.pid)


def no_growth():
    with tempfile.NamedTemporaryFile() as image, vm.small_quarantine():
        image.truncate(1 << 20)
        with machine.Machine("64M", ["-M", "pc", "-drive", f"if=none,id=d0,file={image.name},format=raw", "-netdev",
                                     "user,id=u0"]) as m:
            for number in range(ROUNDS):
                if number == ROUNDS // 2:
                    half = taken(m)
                one_round(m)
            files, memory = taken(m)
    tap.equal(files, half[0], "open files")
    if not machine.sanitizer():  # which keeps what is freed for some time
        tap.equal(memory - half[1] < GROWTH, True, f"{half[1]} KiB, then {memory}")


tap.run([(f"{ROUNDS} rounds of each kind", no_growth)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Virtio devices as Debian's kernel sees them: test_virtio.py BUILD-DIR."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
BUS = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"]


def machine(*devices, machine_type="pc", **options):
    extra = ["-M", machine_type] + [word for device in devices for word in ("-device", device)]
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", extra=extra, **options)


def load(guest, *modules):
    for module in [*BUS, *modules]:
        guest.run(f"insmod /lib/modules/{module}.ko")


def features(guest):
    """Numbers of the bits that the driver has accepted."""
    text = guest.run("cat /sys/bus/virtio/devices/virtio0/features").strip()
    return {bit for bit, char in enumerate(text) if char == "1"}


def check_random(guest):
    tap.equal(guest.run("cat /sys/class/misc/hw_random/rng_current").strip(), "virtio_rng.0")
    guest.run("dd if=/dev/hwrng of=/tmp/bytes bs=4096 count=16 2>/dev/null")
    tap.equal(guest.run("wc -c < /tmp/bytes").strip(), "65536")
    # 64 KiB of random bytes do not become less.
    packed = int(guest.run("gzip -c /tmp/bytes | wc -c"))
    if packed < 65536:
        raise AssertionError(f"what came can be packed into {packed} bytes")


def rng(machine_type, device, wanted, absent):
    with machine(device, machine_type=machine_type) as guest:
        guest.wait_ready()
        load(guest, "virtio-rng")
        there = features(guest)
        if not wanted <= there or there & absent:
            raise AssertionError(f"features {there}")
        check_random(guest)
        guest.run("grep -q 'virtio0-' /proc/interrupts")  # MSI-X
        # The driver goes and comes again.
        guest.run("rmmod virtio_rng && insmod /lib/modules/virtio-rng.ko")
        check_random(guest)


VERSION_1, EVENT_IDX, INDIRECT, PACKED = 32, 29, 28, 34

tap.run([
    ("rng on pc", lambda: rng("pc", "virtio-rng-pci", {VERSION_1, EVENT_IDX, INDIRECT}, {PACKED})),
    ("rng on q35, packed", lambda: rng("q35", "virtio-rng-pci-non-transitional,packed=on",
                                       {VERSION_1, PACKED, EVENT_IDX}, set())),
    ("rng, legacy", lambda: rng("pc", "virtio-rng-pci,disable-modern=on,event_idx=off",
                                set(), {VERSION_1, EVENT_IDX})),
])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of a machine that runs Linux, with a disk and a DIMM: test_snapshots.py BUILD-DIR."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
DIMM = 128 << 20
DRIVERS = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk"]


def machine(machine_type, image, *words):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M,slots=4,maxmem=4G", cpus=2,
                 extra=["-M", machine_type, "-drive", f"if=none,id=d0,format=qcow2,file={image}",
                        "-device", "virtio-blk-pci,drive=d0", *words])


def hmp(guest, line, wanted=""):
    tap.equal(guest.qmp.command("human-monitor-command", **{"command-line": line}).strip(), wanted, line)


def disk(guest):
    """What is on it, past the guest's cache."""
    guest.run("echo 3 >/proc/sys/vm/drop_caches")
    return guest.run("dd if=/dev/vda bs=1M count=8 2>/dev/null | sha256sum").split()[0]


def forth_and_back(machine_type):
    with tempfile.TemporaryDirectory() as folder:
        image = f"{folder}/disk.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
        with machine(machine_type, image) as guest:
            guest.wait_ready()
            for driver in DRIVERS:
                guest.run(f"insmod /lib/modules/{driver}.ko")
            guest.run("(while :; do :; done) &")
            guest.run("dd if=/dev/urandom of=/dev/vda bs=1M count=8 conv=fsync 2>/dev/null; echo one >/tmp/state")
            wanted = disk(guest)
            guest.plug("m0", DIMM)
            hmp(guest, "savevm first")
            guest.run("echo two >/tmp/state; dd if=/dev/zero of=/dev/vda bs=1M count=8 conv=fsync 2>/dev/null")
            guest.unplug("m0")
            # The snapshot has a DIMM that this machine has no more.
            refused = guest.qmp.command("human-monitor-command", **{"command-line": "loadvm first"})
            if "m0" not in refused:
                raise AssertionError(f"loadvm without the DIMM: {refused!r}")
            tap.equal(guest.run("cat /tmp/state"), "two")
            guest.plug("m0", DIMM)
            hmp(guest, "loadvm first")
            tap.equal(guest.run("cat /tmp/state"), "one")
            tap.equal(disk(guest), wanted)
            guest.unplug("m0")
            hmp(guest, "savevm second")
        with machine(machine_type, image, "-loadvm", "second") as guest:
            tap.equal(guest.run("cat /tmp/state"), "one")
            tap.equal(disk(guest), wanted)
            guest.plug("m1", DIMM)
            guest.unplug("m1")
        subprocess.run(["qemu-img", "check", "-q", image], check=True)


tap.run([
    ("pc", lambda: forth_and_back("pc")),
    ("q35", lambda: forth_and_back("q35")),
])

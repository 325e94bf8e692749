#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The VM generation ID in Linux: test_vmgenid.py BUILD-DIR. Debian's cloud kernel has no driver for it; the kernel for all
machines has."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
WORDS = {"direct": [], "seabios": ["-machine", "firmware=on"], "ovmf": ["-bios", "/usr/share/ovmf/OVMF.fd"]}
DEVICE = "/sys/bus/acpi/devices/QEMUVGID:00"


def machine(board, firmware, *words, kernel="vmlinuz"):
    for path in [f"{BUILD}/guest/{kernel}", *WORDS[firmware]]:
        if path.startswith("/") and not os.path.exists(path):
            raise tap.Skip(f"no {path}")
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M", kernel=kernel,
                 extra=["-M", board, *WORDS[firmware], "-device", "vmgenid", *words])


def device(board, firmware):
    with machine(board, firmware) as guest:
        guest.wait_ready()
        tap.equal(guest.run(f"cat {DEVICE}/hid {DEVICE}/path; echo; cat {DEVICE}/status").split(),
                  ["QEMUVGID", "\\_SB_.VGEN", "15"])


def driver(board, firmware):
    """The driver is there, and makes the random numbers anew when the machine goes on from a state."""
    with tempfile.TemporaryDirectory() as folder:
        with machine(board, firmware, kernel="vmlinuz-generic") as guest:
            guest.wait_ready()
            tap.equal(os.path.basename(guest.run(f"readlink {DEVICE}/driver")), "vmgenid")
            guest.run("dd if=/dev/random of=/dev/null bs=1 count=1 2>/dev/null")  # waits until there are any
            tap.equal("virtual machine fork" in guest.run("dmesg"), False)
            guest.qmp.command("migrate", uri=f"file:{folder}/state")
            vm.wait_until(lambda: guest.qmp.command("query-migrate")["status"] == "completed", "the state is saved")
        with machine(board, firmware, "-incoming", f"file:{folder}/state", kernel="vmlinuz-generic") as guest:
            vm.wait_until(lambda: guest.qmp.command("query-status")["status"] == "running", "the state is loaded")
            vm.wait_until(lambda: "crng reseeded due to virtual machine fork" in guest.run("dmesg"), "the driver was told")


PLACES = [("pc", "direct"), ("q35", "direct"), ("pc", "seabios"), ("q35", "ovmf")]
tap.run([(f"{board}, {firmware}: {what}", lambda case=case, place=(board, firmware): case(*place))
         for what, case in (("the device", device), ("its driver", driver)) for board, firmware in PLACES])

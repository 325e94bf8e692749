#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel sleeps and wakes, with its DIMMs: test_sleep.py BUILD-DIR pc|q35 seabios|direct|ovmf."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD, BOARD, FIRMWARE = sys.argv[1:]
WORDS = {"direct": [], "seabios": ["-machine", "firmware=on"], "ovmf": ["-bios", "/usr/share/ovmf/OVMF.fd"]}
DIMM = 128 << 20


def machine(*words):
    for path in WORDS[FIRMWARE]:
        if path.startswith("/") and not os.path.exists(path):
            raise tap.Skip(f"no {path}")
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M,slots=4,maxmem=1G", cpus=2,
                 extra=["-M", BOARD, *WORDS[FIRMWARE], *words])


def fall_asleep(guest, state="mem", before=""):
    """Let it go to sleep; the shell says when it is awake again."""
    guest.serial.send(f"{before}echo {state} >/sys/power/state; echo \"woken with $?\"\n".encode())


def sleep(guest, before=""):
    fall_asleep(guest, before=before)
    guest.qmp.event("SUSPEND", 60)
    tap.equal(guest.qmp.command("query-status")["status"], "suspended")


def awake(guest):
    tap.equal(guest.wait_for(r"woken with (\d+)\r?\n", 60).group(1), b"0")


def memory():
    """What is plugged, and asked for, while it sleeps is seen when it wakes; what is in a DIMM stays."""
    with machine() as guest:
        guest.wait_ready()
        tap.equal("[deep]" in guest.run("cat /sys/power/mem_sleep"), True, "S3")
        guest.run("echo online_movable >/sys/devices/system/memory/auto_online_blocks")
        guest.plug("d0", DIMM)
        # More than boot memory has room for: part of it is in the DIMM.
        guest.run("mount -t tmpfs -o size=300M none /tmp; dd if=/dev/urandom of=/tmp/f bs=1M count=200 2>/dev/null")
        total, summed = guest.mem_total(), guest.run("md5sum /tmp/f")
        sleep(guest)
        guest.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m-d1", "size": DIMM})
        guest.qmp.command("device_add", driver="pc-dimm", id="d1", memdev="m-d1")
        tap.equal(guest.qmp.command("query-status")["status"], "suspended")
        guest.qmp.command("system_wakeup")
        guest.qmp.event("WAKEUP")
        awake(guest)
        tap.equal(guest.qmp.event("ACPI_DEVICE_OST", 60, device="d1", source=1)["data"]["info"]["status"], 0)
        tap.equal(guest.mem_total() - total, DIMM)
        tap.equal(guest.run("md5sum /tmp/f"), summed, "what was in memory")
        tap.equal(guest.run("nproc"), "2")
        guest.run("rm /tmp/f")
        sleep(guest)
        guest.qmp.command("device_del", id="d1")
        guest.qmp.command("system_wakeup")
        awake(guest)
        guest.qmp.event("DEVICE_DELETED", 120, device="d1")
        tap.equal(guest.mem_total(), total)
        tap.equal(re.findall(r"(?:BUG|Oops|WARNING|Call Trace):.*", guest.run("dmesg")), [])


def wakers():
    """The clock's alarm and the power button wake it, from S3 and from the kernel's own idle."""
    alarm = "echo 0 >/sys/class/rtc/rtc0/wakealarm; echo +3 >/sys/class/rtc/rtc0/wakealarm; "
    with machine() as guest:
        guest.wait_ready()
        sleep(guest, alarm)
        guest.qmp.event("WAKEUP", 60)
        awake(guest)
        sleep(guest)
        guest.qmp.command("system_powerdown")
        guest.qmp.event("WAKEUP")
        awake(guest)
        fall_asleep(guest, "freeze", alarm)
        awake(guest)
        tap.equal([e["event"] for e in guest.qmp.drain() if e["event"] in ("SUSPEND", "WAKEUP")], [], "idle is no S3")


tap.run([("memory", memory), ("wakers", wakers)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel panics, and tells where its notes are: test_crash.py BUILD-DIR."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]


def machine(machine_type, *words):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="512M", extra=["-M", machine_type, *words])


def load(guest, *modules):
    for module in modules:
        guest.run(f"insmod /lib/modules/{module}.ko")


def panic(machine_type, device, driver):
    with machine(machine_type, "-device", device, "-action", "panic=pause") as guest:
        guest.wait_ready()
        load(guest, "pvpanic", driver)
        guest.serial.send(b"echo c >/proc/sysrq-trigger\n")
        event = guest.qmp.event("GUEST_PANICKED")
        tap.equal(event["data"], {"action": "pause"})
        guest.qmp.event("STOP")
        tap.equal(guest.qmp.command("query-status")["status"], "guest-panicked")


def note(path):
    """The text of the note VMCOREINFO of a dump; "" if it has none."""
    text = subprocess.run(["readelf", "--notes", "--wide", path], capture_output=True, text=True, check=True).stdout
    if "VMCOREINFO" not in text:
        return ""
    with open(path, "rb") as file:
        head = file.read(1 << 20)
    start = head.index(b"VMCOREINFO\0")
    return head[start:start + 8192].split(b"\0", 2)[2].decode("ascii", "replace")


def log_of_dumps(guest, folder):
    """makedumpfile finds the kernel's log in dumps of the whole memory."""
    if not shutil.which("makedumpfile"):
        return
    guest.run("echo it is in the log >/dev/kmsg")
    for name in ("kdump-zlib", "kdump-lzo"):  # Debian's has no Snappy
        guest.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{folder}/flat", format=name)
        with open(f"{folder}/flat", "rb") as file:
            subprocess.run(["makedumpfile", "-R", f"{folder}/plain"], stdin=file, stdout=subprocess.DEVNULL, check=True)
        done = subprocess.run(["makedumpfile", "--dump-dmesg", f"{folder}/plain", f"{folder}/log"], capture_output=True)
        if done.returncode:
            raise AssertionError(f"{name}: {done.stderr or done.stdout}")
        with open(f"{folder}/log", "rb") as file:
            log = file.read()
        for text in (b"Linux version", b"it is in the log"):
            if text not in log:
                raise AssertionError(f"{name}: the log has no {text!r}")
        for made in ("flat", "plain", "log"):
            os.unlink(f"{folder}/{made}")


def notes():
    with machine("q35", "-device", "vmcoreinfo") as guest, tempfile.TemporaryDirectory() as folder:
        guest.wait_ready()
        guest.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{folder}/before", begin=0, length=1 << 20)
        tap.equal(note(f"{folder}/before"), "")
        load(guest, "qemu_fw_cfg")
        release = guest.run("uname -r").strip()
        guest.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{folder}/after", begin=0, length=1 << 20)
        log_of_dumps(guest, folder)
        found = note(f"{folder}/after")
        if f"OSRELEASE={release}\n" not in found or "SYMBOL(init_uts_ns)=" not in found:
            raise AssertionError(f"the note is {found[:400]!r}")


def store_of(path, firmware):
    return machine("q35", *firmware, "-object", f"memory-backend-file,id=m,size=256K,share=on,mem-path={path}",
                   "-device", "acpi-erst,memdev=m")


def records_in(path):
    with open(path, "rb") as file:
        return int.from_bytes(file.read(24)[20:], "little")


def pstore():
    """The log of a panic is in the store, and found by the kernel of another program, where firmware has placed it."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/store"
        with store_of(path, []) as guest:
            guest.wait_ready()
            guest.run("echo it was here >/dev/kmsg")
            guest.serial.send(b"echo c >/proc/sysrq-trigger\n")
            guest.wait_for("end Kernel panic", 60)
        tap.equal(records_in(path) > 0, True, "records")
        with store_of(path, ["-machine", "firmware=on"]) as guest:
            guest.wait_ready()
            guest.run("mount -t pstore pstore /sys/fs/pstore")
            log = guest.run("cat /sys/fs/pstore/dmesg-erst-*")
            for text in ("Panic#", "it was here", "sysrq: Trigger a crash", "Kernel panic - not syncing"):
                tap.equal(text in log, True, f"{text!r} in {log}")
            guest.run("rm /sys/fs/pstore/*")
            tap.equal(records_in(path), 0, "records")


tap.run([
    ("a panic's log is in the store of error records", pstore),
    ("a panic by a port", lambda: panic("pc", "pvpanic", "pvpanic-mmio")),
    ("a panic by a PCI function", lambda: panic("q35", "pvpanic-pci", "pvpanic-pci")),
    ("the kernel's note in a dump", notes),
])

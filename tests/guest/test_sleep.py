#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel sleeps and wakes, with its DIMMs: test_sleep.py BUILD-DIR pc|q35 seabios|direct|ovmf [NAME]."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
BOARD, FIRMWARE = sys.argv[2:4] if len(sys.argv) > 3 else ("pc", "direct")
# May be changed by who imports this: tests/nested.
SETUP = {"machine": BOARD, "accel": "soft", "kernel": "vmlinuz", "place": vm.Here}
WORDS = {"direct": [], "seabios": ["-machine", "firmware=on"], "ovmf": ["-bios", "/usr/share/ovmf/OVMF.fd"]}
DIMM = 128 << 20


def machine(*words, cpus="2"):
    for path in WORDS[FIRMWARE]:
        if path.startswith("/") and not os.path.exists(path):
            raise tap.Skip(f"no {path}")
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel=SETUP["accel"], memory="256M,slots=4,maxmem=1G", cpus=cpus,
                 kernel=SETUP["kernel"], place=SETUP["place"], extra=["-M", SETUP["machine"], *WORDS[FIRMWARE], *words])


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
        tap.equal(re.findall(r"(?:BUG:|Oops:|WARNING: CPU|Call Trace:).*", guest.run("dmesg")), [])


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


CPUS = "2,maxcpus=4,sockets=4"
CPU = "qemu64-x86_64-cpu,id=c{0},socket-id={0},core-id=0,thread-id=0"
DIMM_WORDS = ["-object", f"memory-backend-ram,id=m-{{0}},size={DIMM}", "-device", "pc-dimm,id={0},memdev=m-{0}"]


def plug_cpu(guest, number):
    guest.qmp.command("device_add", driver="qemu64-x86_64-cpu", id=f"c{number}",
                      **{"socket-id": number, "core-id": 0, "thread-id": 0})


def answered(guest, device):
    tap.equal(guest.qmp.event("ACPI_DEVICE_OST", device=device, source=1)["data"]["info"]["status"], 0)


# SeaBIOS counts CPUs on and on, and when they are not as many as at the start it waits for ever when the guest is woken.
WITH_CPUS = FIRMWARE != "seabios"


def cpu_goes(guest):
    """Linux starts and stops no CPU before all of it is awake: until then it refuses."""
    ends = ("DEVICE_DELETED", "DEVICE_UNPLUG_GUEST_ERROR")
    end = vm.wait_until(lambda: next((e for e in guest.qmp.drain() if e["event"] in ends and e["data"].get("device") == "c2"), None),
                        "the guest's answer")
    if end["event"] != "DEVICE_DELETED":
        guest.qmp.command("device_del", id="c2")
    guest.qmp.event("DEVICE_DELETED", device="c2")


def wakes(guest, total, summed):
    """It finds its memory, one DIMM and one CPU more, and gives back the CPU that was asked for."""
    tap.equal(guest.qmp.command("query-status")["status"], "suspended")
    guest.qmp.drain().clear()
    guest.qmp.command("system_wakeup")
    awake(guest)
    answered(guest, "d1")
    tap.equal(guest.mem_total() - total, DIMM)
    tap.equal(guest.run("md5sum /tmp/f"), summed, "what was in memory")
    if WITH_CPUS:
        answered(guest, "c3")
        cpu_goes(guest)
        guest.run("for cpu in /sys/devices/system/cpu/cpu*/online; do echo 1 >$cpu; done")
        tap.equal(guest.run("nproc; grep '^initial apicid' /proc/cpuinfo | cut -d: -f2").split(), ["3", "0", "1", "3"])
    guest.qmp.command("device_del", id="d1")
    guest.qmp.event("DEVICE_DELETED", 120, device="d1")
    tap.equal(guest.mem_total(), total)
    tap.equal(re.findall(r"(?:BUG:|Oops:|WARNING: CPU|Call Trace:).*", guest.run("dmesg")), [])


def saved():
    """What was plugged, and asked for, while it sleeps is seen when it wakes: also where a snapshot of it is loaded, and where
    it was migrated to."""
    with tempfile.TemporaryDirectory(prefix="dimmable-sleep-") as folder:
        disk, stream = f"{folder}/disk", f"file:{folder}/stream"
        subprocess.run([f"{BUILD}/tools/img/dimmable-img", "create", "-q", "-f", "qcow2", disk, "1M"], check=True)
        words = ["-drive", f"if=none,id=d,format=qcow2,file={disk}", "-device", "virtio-blk-pci,drive=d"]
        with machine(*words, cpus=CPUS) as guest:
            guest.wait_ready()
            guest.run("echo online_movable >/sys/devices/system/memory/auto_online_blocks")
            guest.plug("d0", DIMM)
            if WITH_CPUS:
                plug_cpu(guest, 2)
                answered(guest, "c2")
                guest.run("echo 1 >/sys/devices/system/cpu/cpu2/online")
            guest.run("mount -t tmpfs -o size=300M none /tmp; dd if=/dev/urandom of=/tmp/f bs=1M count=150 2>/dev/null")
            total, summed = guest.mem_total(), guest.run("md5sum /tmp/f")
            sleep(guest)
            guest.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m-d1", "size": DIMM})
            guest.qmp.command("device_add", driver="pc-dimm", id="d1", memdev="m-d1")
            if WITH_CPUS:
                plug_cpu(guest, 3)
                guest.qmp.command("device_del", id="c2")
            for line in ("savevm s", "loadvm s"):
                tap.equal(guest.qmp.command("human-monitor-command", **{"command-line": line}), "", line)
            guest.qmp.command("migrate", uri=stream)
            vm.wait_until(lambda: guest.qmp.command("query-migrate")["status"] in ("completed", "failed"), "the end")
            tap.equal(guest.qmp.command("query-migrate")["status"], "completed")
            guest.qmp.command("cont")
            wakes(guest, total, summed)
        words += [word.format(ident) for ident in ("d0", "d1") for word in DIMM_WORDS]
        words += [word for n in (2, 3) if WITH_CPUS for word in ("-device", CPU.format(n))]
        with machine(*words, "-loadvm", "s", cpus=CPUS) as guest:
            wakes(guest, total, summed)
        with machine(*words, "-incoming", stream, cpus=CPUS) as guest:
            vm.wait_until(lambda: guest.qmp.command("query-status")["status"] != "inmigrate", "the state")
            wakes(guest, total, summed)


if __name__ == "__main__":
    tap.run([test for test in (("memory", memory), ("wakers", wakers), ("saved", saved)) if test[0] in sys.argv[4:] or not sys.argv[4:]])

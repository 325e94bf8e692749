#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The sleep states S3 and S4: how a guest goes to sleep, what wakes it, and what it finds then."""
import os
import subprocess
import tempfile

import machine
import vm

import tap

PM = 0x600
STS, EN, CNT = PM, PM + 2, PM + 4
PWRBTN, RTC, WAK = 1 << 8, 1 << 10, 1 << 15
SCI_EN, SLP_EN = 1, 1 << 13
SMI_CMD, ACPI_ENABLE = 0xb2, 0xf1
GPE = {"pc": 0xafe0, "q35": PM + 0x20}
MEMORY = 1 << 3   # the event of DIMMs
SLOTS = 0xa00     # docs/memory-hotplug-registers.md
SLOT_FLAGS, INSERTED, REMOVED = SLOTS + 0x14, 1 << 1, 1 << 2
BOTH = ("pc", "q35")


def start(kind="pc", *extra, memory="64M,slots=4,maxmem=1G", **options):
    return machine.Machine(memory, extra=["-M", kind, *extra], **options)


def status(m):
    return m.qmp.command("query-status")["status"]


def ask(m, sleep_type):
    m.write("w", CNT, SLP_EN | sleep_type << 10)


def sleep(m):
    ask(m, 1)
    m.qmp.event("SUSPEND")
    tap.equal(m.qmp.command("query-status"), {"running": False, "singlestep": False, "status": "suspended"})


def wake(m):
    m.qmp.command("system_wakeup")
    woken(m)


def woken(m):
    m.qmp.event("WAKEUP")
    tap.equal(status(m), "running")
    tap.equal(bool(m.read("w", STS) & WAK), True, "the wake status")


def kept(kind):
    """Memory is kept, and so is what the guest had enabled; other devices are reset."""
    with start(kind) as m:
        tap.equal(m.qmp.command("query-current-machine"), {"wakeup-suspend-support": True})
        m.qmp.refused("not suspended", "system_wakeup")
        m("write 0x100000 0x4 0x12345678")
        m.write("b", SMI_CMD, ACPI_ENABLE)
        m.write("w", EN, RTC)
        m.write("b", GPE[kind] + (8 if kind == "q35" else 2), MEMORY)
        m.write("b", 0x21, 0xa5)  # the 8259's mask
        sleep(m)
        wake(m)
        tap.equal(m("read 0x100000 0x4")[0], "0x12345678")
        tap.equal((m.read("w", CNT) & SCI_EN, m.read("w", EN)), (SCI_EN, RTC))
        tap.equal(m.read("b", GPE[kind] + (8 if kind == "q35" else 2)), MEMORY)
        tap.equal(m.read("b", 0x21), 0, "the mask of a chip that had no power")
        m.write("w", STS, WAK)
        tap.equal(m.read("w", STS) & WAK, 0)
        m.qmp.refused("not suspended", "system_wakeup")
        sleep(m)  # and once more
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal((status(m), m.read("w", STS) & WAK, m.read("w", EN)), ("running", 0, 0))


def stopped():
    """It sleeps over a stop, and does not wake in it."""
    with start() as m:
        m.write("w", EN, PWRBTN)
        sleep(m)
        m.qmp.command("stop")
        m.qmp.event("STOP")
        tap.equal(status(m), "paused")
        m.qmp.refused("cont", "system_wakeup")
        m.qmp.command("system_powerdown")
        m.qmp.event("POWERDOWN")
        tap.equal(status(m), "paused")
        m.qmp.command("cont")
        m.qmp.event("RESUME")
        woken(m)
        m.write("w", STS, PWRBTN)
        sleep(m)
        m.qmp.command("stop")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        m.qmp.command("cont")
        tap.equal(status(m), "running")


def button(kind):
    """The power button wakes a guest that has enabled it, and no other."""
    with start(kind) as m:
        sleep(m)
        m.qmp.command("system_powerdown")
        m.qmp.event("POWERDOWN")
        tap.equal(status(m), "suspended")
        wake(m)
        tap.equal(m.read("w", STS) & PWRBTN, PWRBTN)
        m.write("w", STS, PWRBTN)
        m.write("w", EN, PWRBTN)
        sleep(m)
        m.qmp.command("system_powerdown")
        woken(m)
        tap.equal(m.read("w", STS) & PWRBTN, PWRBTN)
        ask(m, 1)  # what is there already wakes at once
        m.qmp.event("SUSPEND")
        woken(m)


def cmos(m, index, value=None):
    m.write("b", 0x70, index)
    if value is not None:
        m.write("b", 0x71, value)
    return m.read("b", 0x71)


def alarm(kind):
    """So does the clock's alarm; also if an interrupt of the clock's that nobody took is pending."""
    with start(kind) as m:
        for index in (1, 3, 5):
            cmos(m, index, 0xc0)  # every second
        for other in (0, 0x40):   # and the periodic interrupt
            for enabled in (0, RTC):
                m.write("w", EN, enabled)
                cmos(m, 0xc)
                cmos(m, 0xb, 0x22 | other)
                m.write("w", STS, RTC)
                sleep(m)
                m("clock_step 2000000000")
                if enabled:
                    woken(m)
                else:
                    tap.equal(status(m), "suspended")
                    wake(m)
                tap.equal(m.read("w", STS) & RTC, RTC)


def line():
    """A byte on a serial port wakes where the port was made so."""
    for wakes in ("off", "on"):
        path = f"{FOLDER}/line-{wakes}"
        with start("pc", "-chardev", f"socket,id=c,path={path},server=on,wait=off",
                   "-device", f"isa-serial,chardev=c,wakeup={wakes}") as m:
            sleep(m)
            end = vm.Stream(path, m.process)
            end.send(b"x")
            if wakes == "on":
                woken(m)
            else:
                vm.wait_until(lambda m=m: m.read("b", 0x3fd) & 1, "the byte")
                tap.equal(status(m), "suspended")
            end.sock.close()


def dimms(kind):
    """What was plugged, or asked for, while it slept, is told at the end."""
    with start(kind) as m:
        m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m0", "size": 128 << 20})
        m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m1", "size": 128 << 20})
        m.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m0")
        m.write("l", SLOTS, 0)
        m.write("b", SLOT_FLAGS, INSERTED)  # the guest has taken it
        m.write("b", GPE[kind], MEMORY)
        tap.equal(m.read("b", GPE[kind]) & MEMORY, 0)
        at = m.qmp.command("query-memory-devices")[0]["data"]["addr"]
        m(f"write {at:#x} 0x4 0xcafebabe")
        sleep(m)
        m.qmp.command("device_add", driver="pc-dimm", id="d1", memdev="m1")
        m.qmp.command("device_del", id="d0")
        tap.equal(status(m), "suspended")
        wake(m)
        tap.equal(m.read("b", GPE[kind]) & MEMORY, MEMORY, "the event")
        tap.equal(m(f"read {at:#x} 0x4")[0], "0xcafebabe")
        flags = []
        for slot in (0, 1):
            m.write("l", SLOTS, slot)
            flags.append(m.read("b", SLOT_FLAGS) & (INSERTED | REMOVED))
        tap.equal(flags, [REMOVED, INSERTED])


def states(kind):
    """What there is goes by the properties; what there is not, a guest cannot have."""
    chip = {"pc": "PIIX4_PM", "q35": "ICH9-LPC"}[kind]
    for words, told in (([], "80000081 8280"), (["disable_s3=1"], "80000001 8280"),
                        (["disable_s4=1", "s4_val=5"], "80000081 0580")):
        with start(kind, *[word for value in words for word in ("-global", f"{chip}.{value}")]) as m:
            entry = next(key for name, key in files(m) if name == "etc/system-states")
            m.write("w", 0x510, entry)
            tap.equal(bytes(m.read("b", 0x511) for _ in range(6)).hex(), told.replace(" ", ""))
            offered = "disable_s3=1" not in words
            tap.equal(m.qmp.command("query-current-machine"), {"wakeup-suspend-support": offered})
            if not offered:
                ask(m, 1)
                tap.equal(status(m), "running")
            for number in (3, 5, 7) if words else ():  # no such states
                ask(m, number)
                tap.equal(status(m), "running")
            if words != ["disable_s4=1", "s4_val=5"]:
                ask(m, 2)
                m.qmp.event("SUSPEND_DISK")
                tap.equal(m.qmp.event("SHUTDOWN")["data"], {"guest": True, "reason": "guest-shutdown"})
                tap.equal(m.process.wait(vm.LONG), 0)


def files(m):
    m.write("w", 0x510, 0x19)

    def take(size):
        return bytes(m.read("b", 0x511) for _ in range(size))

    for _ in range(int.from_bytes(take(4), "big")):
        entry = take(64)
        yield entry[8:].split(b"\0")[0].decode(), int.from_bytes(entry[4:6], "big")


def moved():
    """It sleeps on where it was migrated to, or loaded, and wakes there."""
    path = os.path.join(FOLDER, "state")
    with start() as m:
        m("write 0x100000 0x4 0x12345678")
        sleep(m)
        m.qmp.command("migrate", uri=f"file:{path}")
        vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "completed", "the end")
        tap.equal(status(m), "postmigrate")
        m.qmp.command("cont")  # it may go on here as well
        tap.equal(status(m), "suspended")
        wake(m)
    with start("pc", "-incoming", f"file:{path}") as m:
        vm.wait_until(lambda: status(m) != "inmigrate", "the state")
        tap.equal(status(m), "suspended")
        wake(m)
        tap.equal(m("read 0x100000 0x4")[0], "0x12345678")
    with start("pc", "-incoming", f"file:{path}", "-S") as m:
        vm.wait_until(lambda: status(m) != "inmigrate", "the state")
        m.qmp.refused("cont", "system_wakeup")
        m.qmp.command("cont")
        wake(m)


def moved_live():
    """It falls asleep, and is woken, while it is migrated: so it is at the other end."""
    for sleeps in (True, False):
        path = f"{FOLDER}/live-{sleeps}"
        with start("pc", "-incoming", f"unix:{path}") as there, start() as m:
            m("memset 0x100000 0x1000000 0x5a")
            m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 10000, "downtime-limit": 0})
            if not sleeps:
                sleep(m)
            m.qmp.command("migrate", uri=f"unix:{path}")
            vm.wait_until(lambda m=m: m.qmp.command("query-migrate").get("status") == "active", "it goes")
            if sleeps:
                sleep(m)
            else:
                wake(m)
            tap.equal(m.qmp.command("query-migrate")["status"], "active")
            m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0})
            there.qmp.event("RESUME")
            tap.equal(status(there), "suspended" if sleeps else "running")
            tap.equal(there("read 0x100000 0x4")[0], "0x5a5a5a5a")
            if sleeps:
                wake(there)


def hmp(m, line, wanted=""):
    tap.equal(m.qmp.command("human-monitor-command", **{"command-line": line}).strip(), wanted, line)


def snapshots(kind):
    """One of a guest that sleeps is of a guest that sleeps, wherever it is loaded; and one of a guest that is awake, of one that is."""
    disk = os.path.join(FOLDER, f"disk-{kind}")
    subprocess.run([f"{os.path.dirname(machine.PROGRAM)}/tools/img/dimmable-img", "create", "-q", "-f", "qcow2", disk, "1M"], check=True)
    words = ("-drive", f"if=none,id=d,format=qcow2,file={disk}", "-device", "virtio-blk-pci,drive=d")
    with start(kind, *words) as m:
        m("write 0x100000 0x4 0x11111111")
        hmp(m, "savevm awake")
        m("write 0x100000 0x4 0x22222222")
        sleep(m)
        hmp(m, "savevm asleep")
        tap.equal(status(m), "suspended")
        m.qmp.command("stop")
        hmp(m, "savevm stopped")
        tap.equal(status(m), "paused")
        m.qmp.command("cont")
        tap.equal(status(m), "suspended")
        hmp(m, "loadvm awake")  # while it sleeps
        tap.equal(status(m), "running")
        tap.equal(m("read 0x100000 0x4")[0], "0x11111111")
        m.qmp.refused("not suspended", "system_wakeup")
        for name in ("asleep", "stopped"):
            hmp(m, f"loadvm {name}")  # while it is awake
            tap.equal(status(m), "suspended")
            hmp(m, f"loadvm {name}")  # and while it sleeps
            tap.equal(status(m), "suspended")
            m.qmp.command("stop")
            hmp(m, f"loadvm {name}")
            tap.equal(status(m), "paused")
            m.qmp.command("cont")
            m.qmp.drain()
            m.qmp.events.clear()
            wake(m)
            tap.equal(m("read 0x100000 0x4")[0], "0x22222222")
            tap.equal(m.read("w", STS) & WAK, WAK)
            tap.equal([e["event"] for e in m.qmp.drain()], [])
    with start(kind, *words, "-loadvm", "asleep") as m:
        tap.equal(status(m), "suspended")
        wake(m)
        tap.equal(m("read 0x100000 0x4")[0], "0x22222222")


CPU_PORT = {"pc": 0xaf00, "q35": 0xcd8}  # docs/cpu-hotplug.md
CPU_EVENT = 1 << 2                        # the event of CPUs
CPU_THERE, CPU_INSERTED, CPU_REMOVED, CPU_EJECT = 1, 1 << 1, 1 << 2, 1 << 3


def cpu_flags(m, kind, number, value=None):
    m.write("l", CPU_PORT[kind], number)
    if value is not None:
        m.write("b", CPU_PORT[kind] + 4, value)
    return m.read("b", CPU_PORT[kind] + 4)


def cpus(kind):
    """A CPU that came, and one that was asked for, while it slept: told when it is awake, also by a program that it was moved to."""
    path = os.path.join(FOLDER, f"cpus-{kind}")
    model = "qemu64-x86_64-cpu,id=c{0},socket-id={0},core-id=0,thread-id=0"
    with start(kind, "-device", model.format(1), "-device", model.format(3), cpus="1,maxcpus=4,sockets=4") as m:
        cpu_flags(m, kind, 0)
        m.write("b", GPE[kind], CPU_EVENT)
        tap.equal(m.read("b", GPE[kind]) & CPU_EVENT, 0)
        sleep(m)
        m.qmp.command("device_add", driver="qemu64-x86_64-cpu", id="c2", **{"socket-id": 2, "core-id": 0, "thread-id": 0})
        m.qmp.command("device_del", id="c1")
        m.qmp.execute({"execute": "device_del", "arguments": {"id": "c3", "timeout": 5}})
        m("clock_step 5000000000")  # time goes on while it sleeps
        m.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="c3")
        tap.equal(status(m), "suspended")
        m.qmp.command("migrate", uri=f"file:{path}")
        vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "completed", "the end")
        m.qmp.command("cont")
        wake(m)
        wakes_with_cpus(m, kind)
    with start(kind, *[word for n in (1, 3, 2) for word in ("-device", model.format(n))], "-incoming", f"file:{path}",
               cpus="1,maxcpus=4,sockets=4") as m:
        vm.wait_until(lambda: status(m) != "inmigrate", "the state")
        wake(m)
        wakes_with_cpus(m, kind)


def wakes_with_cpus(m, kind):
    tap.equal(m.read("b", GPE[kind]) & CPU_EVENT, CPU_EVENT, "the event")
    tap.equal([cpu_flags(m, kind, n) for n in range(4)],
              [CPU_THERE, CPU_THERE | CPU_REMOVED, CPU_THERE | CPU_INSERTED, CPU_THERE])
    cpu_flags(m, kind, 2, CPU_INSERTED)
    cpu_flags(m, kind, 1, CPU_REMOVED)
    cpu_flags(m, kind, 1, CPU_EJECT)
    m.qmp.event("DEVICE_DELETED", device="c1")
    tap.equal([cpu_flags(m, kind, n) for n in range(4)], [CPU_THERE, 0, CPU_THERE, CPU_THERE])


with tempfile.TemporaryDirectory(prefix="dimmable-sleep-") as FOLDER:
    tap.run([(f"{name} {kind}", lambda test=test, kind=kind: test(kind))
             for name, test in (("memory is kept", kept), ("power button", button), ("alarm", alarm), ("DIMMs", dimms),
                                ("CPUs", cpus), ("states", states), ("snapshots", snapshots)) for kind in BOTH] +
            [("stop and reset", stopped), ("a byte", line), ("moved", moved), ("moved live", moved_live)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The bare-metal guests (docs/bare-guests.md) on one engine; what they print must be the same as on
the software CPU. Usage: test_bare.py PROGRAM DIRECTORY soft|soft,translate=all|kvm all|ipi. tests/nested
runs some of them in another place."""
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time

import tap
from vm import Here, Vm, resident, small_quarantine, wait_until

PROGRAM, GUESTS, ENGINE, GROUP = sys.argv[1:] if __name__ == "__main__" else ("", "", "", "")
PLACE = Here
MIB = 1 << 20
EXIT_OK = 1  # isa-debug-exit turns a 0 into this
MACHINES = ["pc", "q35"]
CYCLES = 1000
LAST_SLOT = 3


def arguments(guest, output, machine, options):
    rom = f"{GUESTS}/{guest}.rom"
    start = (["-bios", rom] if os.path.exists(rom) else
             ["-kernel", f"{GUESTS}/{guest}.elf", "-append", options])
    return ["-machine", machine, *start, "-debugcon", f"file:{output}",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]


def read(path):
    return PLACE.read(path).decode("ascii", errors="replace")


def run(guest, engine, machine, cpus=1, options="", extra=()):
    """What the guest printed, the program's exit status, and what it said."""
    with PLACE.folder() as directory, tempfile.TemporaryFile() as messages:
        output = f"{directory}/output"
        process = PLACE.start(
            [PROGRAM, "-accel", engine, "-m", "64", "-smp", str(cpus), "-nodefaults", "-display",
             "none", "-monitor", "none", *extra, *arguments(guest, output, machine, options)], messages)
        try:
            status = process.wait(60 * PLACE.patience)
        except subprocess.TimeoutExpired as err:
            process.kill()
            process.wait()
            raise AssertionError(f"it did not end; so far:\n{read(output)}") from err
        messages.seek(0)
        return read(output), status, messages.read().decode(errors="replace")


def check_guest(guest, machine, cpus=1, options="", extra=()):
    output, status, messages = run(guest, ENGINE, machine, cpus, options, extra)
    if status != EXIT_OK or "FAILED" in output or "end, 0 failures" not in output:
        raise AssertionError(f"status {status}\n{output}\n{messages}")
    if ENGINE != "soft":
        tap.equal(output, run(guest, "soft", machine, cpus, options, extra)[0], "output, compared with soft")


def need_engine():
    if ENGINE.startswith("soft"):
        return
    if PLACE is not Here:
        return
    if not os.path.exists("/dev/kvm"):
        raise tap.Skip("no /dev/kvm")
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as err:
        raise tap.Skip(f"/dev/kvm: {err.strerror}") from None


def need_soft(why="this is an option of the software CPU"):
    if not ENGINE.startswith("soft"):
        raise tap.Skip(why)


def emulating():
    """This is KVM on a processor without vmx or svm: another kind than people run."""
    return ENGINE == "kvm" and not re.search(r"^flags.*\b(vmx|svm)\b", read("/proc/cpuinfo"), re.M)


def can_page():
    """Whether the engine runs guests with paging: only a KVM that emulates may say no."""
    return not emulating() or run("paging", ENGINE, "pc")[1] == EXIT_OK


def guest_test(guest, machine, cpus=1):
    def test():
        need_engine()
        check_guest(guest, machine, cpus)
    return f"{guest} on {machine}", test


def fpu(machine):
    def test():
        need_engine()
        if emulating():
            raise tap.Skip("a KVM that emulates knows next to no x87 instruction")
        check_guest("fpu", machine)
    return f"fpu on {machine}", test


def ferr(machine):
    def test():
        need_soft("with KVM the host's processor has CR0.NE set, and raises #MF")
        check_guest("ferr", machine, 2, "two")
    return f"ferr on {machine}", test


def vmport(machine):
    def test():
        need_engine()
        check_guest("vmport", machine, extra=["-uuid", "00112233-4455-6677-8899-aabbccddeeff"])
    return f"vmport on {machine}", test


def turns():
    """With thread=single no processor comes between what another one loads and stores."""
    need_soft()
    output, status, messages = run("turns", f"{ENGINE},thread=single", "pc", 2)
    tap.equal((status, "FAILED" in output), (EXIT_OK, False), output + messages)


def turns_and_interrupts():
    need_soft()
    output, status, messages = run("smp", f"{ENGINE},thread=single", "pc", 2)
    tap.equal((status, "FAILED" in output), (EXIT_OK, False), output + messages)


def turns_and_monitor():
    """Processors that wait for their turn can be stopped like the one that runs."""
    need_soft()
    with tempfile.TemporaryDirectory() as directory:
        with Vm(PROGRAM, accel=f"{ENGINE},thread=single", serial=False, memory="64M", cpus=2,
                extra=arguments("churn", f"{directory}/output", "pc", "two")) as vm:
            wait_output(vm, directory, "alive")
            for _ in range(20):
                vm.qmp.command("stop")
                vm.qmp.command("cont")
            seen = read(f"{directory}/output").count("alive")
            wait_until(lambda: read(f"{directory}/output").count("alive") > seen, "alive")
            tap.equal("FAILED" in read(f"{directory}/output"), False)


def in_service():
    need_engine()
    if emulating():
        raise tap.Skip("the local APIC of this host's KVM forgets what is in service, for every program")
    check_guest("irq", "pc", options="in-service")


def start_handshake(directory, machine, options):
    return Vm(PROGRAM, accel=ENGINE, place=PLACE, serial=False, memory="64M,slots=4,maxmem=2G",
              extra=["-no-reboot",
                     *arguments("handshake", f"{directory}/output", machine, f"{machine} {options}")])


def finished(vm, directory):
    """What a machine that ended too early had to say."""
    return f"status {vm.process.wait(20 * PLACE.patience)}\n{read(f'{directory}/output')}\n{vm.errors()}"


def wait_output(vm, directory, text):
    deadline = time.monotonic() + 20 * PLACE.patience
    while text not in read(f"{directory}/output"):
        if time.monotonic() > deadline or vm.process.poll() is not None:
            raise AssertionError(f"no '{text}': {read(f'{directory}/output')}\n{vm.errors()}")
        time.sleep(0.002)


def plug(vm, slot, backend):
    vm.qmp.command("object-add", id="mem", **backend)
    vm.qmp.command("device_add", driver="pc-dimm", id="dimm", memdev="mem", slot=slot)
    vm.qmp.event("ACPI_DEVICE_OST", device="dimm", source=1, status=0)


def unplug(vm):
    """The guest looks at what is left before it reports success: another DIMM must not come until
    then. It ends the machine when the last slot was emptied: nothing may be asked after that."""
    slot = vm.qmp.command("query-memory-devices")[0]["data"]["slot"]
    vm.qmp.command("device_del", id="dimm")
    vm.qmp.event("DEVICE_DELETED", device="dimm")
    if slot != LAST_SLOT:
        vm.qmp.event("ACPI_DEVICE_OST", slot=str(slot), source=3, status=0)
        vm.qmp.command("object-del", id="mem")


def end_of(vm, directory):
    tap.equal(vm.process.wait(20 * PLACE.patience), EXIT_OK, f"exit status after:\n{read(f'{directory}/output')}")
    output = read(f"{directory}/output")
    if "FAILED" in output:
        raise AssertionError(output)


def handshake(machine, touch):
    def test():
        need_engine()
        if touch and not can_page():
            raise tap.Skip("this engine runs no guest with PAE paging, and DIMMs lie above 4 GiB "
                           "(qtest-kvm touches one in long mode)")
        with PLACE.folder() as directory:
            backing = f"{directory}/dimm"
            backend = {"qom-type": "memory-backend-file", "size": 128 * MIB, "mem-path": backing,
                       "share": True}
            with start_handshake(directory, machine, "touch" if touch else "") as vm:
                wait_output(vm, directory, "ready\n")
                try:
                    for slot in (1, LAST_SLOT):
                        plug(vm, slot, backend)
                        state = vm.qmp.command("query-memory-devices")[0]["data"]
                        tap.equal((state["slot"], state["state"]), (slot, "online"))
                        unplug(vm)
                except EOFError:
                    raise AssertionError(finished(vm, directory)) from None
                end_of(vm, directory)
            if touch:
                tap.equal(PLACE.read(backing, 0, 4), b"\x11" * 4, "first page, in the backing file")
                tap.equal(PLACE.read(backing, 128 * MIB - 4096, 4), b"\x22" * 4,
                          "last page, in the backing file")
    return f"hot-add and eject by the guest on {machine}{', memory touched' if touch else ''}", test


def checks_threads(program):
    """Is it built with ThreadSanitizer? That keeps some 1.2 KiB of its own for each DIMM that came and went."""
    with open(program, "rb") as file:
        return b"__tsan_init" in file.read()


def usage(vm):
    """File descriptors, mappings, and resident KiB of the program (vm.resident())."""
    base = f"/proc/{vm.process.pid}"
    with open(f"{base}/maps", encoding="ascii") as file:
        mappings = len(file.readlines())
    return len(os.listdir(f"{base}/fd")), mappings, resident(vm.process.pid)


def many(machine):
    def test():
        need_engine()
        backend = {"qom-type": "memory-backend-ram", "size": 128 * MIB}
        with tempfile.TemporaryDirectory() as directory:
            with small_quarantine(), start_handshake(directory, machine, "quiet") as vm:
                wait_output(vm, directory, "ready\n")
                for cycle in range(CYCLES):
                    if cycle == CYCLES // 10:
                        before = usage(vm)  # what is allocated once is there by now
                    plug(vm, cycle % 3, backend)
                    unplug(vm)
                    vm.qmp.events.clear()
                after = usage(vm)
                print(f"# fds, mappings, KiB: {before} after {CYCLES // 10}, {after} after {CYCLES}")
                tap.equal(after[0], before[0], "file descriptors")
                tap.equal(after[1], before[1], "mappings")
                if after[2] > before[2] + (2048 if checks_threads(PROGRAM) else 1024):
                    raise AssertionError(f"resident size grew from {before[2]} to {after[2]} KiB")
                plug(vm, LAST_SLOT, backend)
                unplug(vm)
                end_of(vm, directory)
    return f"{CYCLES} DIMMs plugged and ejected on {machine}", test


@contextlib.contextmanager
def busy_host():
    """Two processes for each processor of the host that do nothing but run."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
               for _ in range(2 * len(os.sched_getaffinity(0)))]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def ipi(cpus, *options):
    def test():
        need_engine()
        if emulating():
            raise tap.Skip("this host's KVM emulates no IRET of protected mode, which ends an NMI")
        with busy_host():
            check_guest("ipi", "pc", cpus, " ".join([f"cpus={cpus}", *options]),
                        ["-cpu", "qemu64,x2apic=on"] if "x2apic" in options else [])
    return ", ".join([f"interrupts between {cpus} processors on a busy host", *options]), test


def code_written(how, cpus):
    """What others write where a vCPU that sleeps has run code takes no memory."""
    def test():
        need_engine()
        with tempfile.TemporaryDirectory() as directory, small_quarantine():
            with Vm(PROGRAM, accel=ENGINE, serial=False, memory="64M",
                    cpus=cpus, extra=arguments("codewrite", f"{directory}/output", "pc", how)) as vm:
                wait_output(vm, directory, "writing\n")
                # What grew by each write would grow in every second.
                sizes = [usage(vm)[2]]

                def stands_still():
                    time.sleep(1)
                    sizes.append(usage(vm)[2])
                    return sizes[-1] <= sizes[-2] + 512
                try:
                    wait_until(stands_still, "a second in which it does not grow")
                finally:
                    print(f"# resident KiB, a second apart: {sizes}")
    return f"writes to a sleeping processor's code: {how}, {cpus} processors", test


TESTS = [guest_test(guest, machine) for guest in ("reset-state", "io", "irq", "timing", "reset")
         for machine in MACHINES]
TESTS += [make(machine) for make in (fpu, ferr, vmport) for machine in MACHINES]
TESTS += [("irq on pc: in service until EOI", in_service)]
TESTS += [("turns: one processor at a time", turns), ("turns: interrupts between processors", turns_and_interrupts),
          ("turns: stopped and continued", turns_and_monitor)]
TESTS += [guest_test("smp", machine, cpus=2) for machine in MACHINES]
TESTS += [code_written(how, cpus) for how in ("store", "dma") for cpus in (2, 16)]
TESTS += [handshake(machine, touch) for machine in MACHINES for touch in (False, True)]
TESTS += [many("pc")]
IPI_TESTS = [ipi(2), ipi(2, "beside-code"), ipi(4), ipi(4, "x2apic")]
if __name__ == "__main__":
    tap.run(IPI_TESTS if GROUP == "ipi" else TESTS)

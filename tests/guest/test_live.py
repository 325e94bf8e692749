#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines are moved while they run: the bare guest churn changes its memory all the time, and finds a
page that did not come along. Usage: test_live.py PROGRAM DIRECTORY soft|kvm [TIMES]: so often to and fro."""
import json
import os
import signal
import socket
import struct
import sys
import tempfile
import time

import tap
import test_bare
import vm

PROGRAM, GUESTS, ENGINE = sys.argv[1:4]
test_bare.PROGRAM, test_bare.GUESTS, test_bare.ENGINE = PROGRAM, GUESTS, ENGINE
TIMES = int(sys.argv[4]) if len(sys.argv) > 4 else 5
SECONDS = 60
SEVERAL = (None, (2, "none"), (4, "zlib"), (3, "zstd"))  # connections for memory, and how it is packed; None: no multifd


# KVM has the host's vendor where none is said.
QEMU64 = "qemu64,vendor=AuthenticAMD,-kvm"


def features(engine, cpu, path):
    """What the processor has, as a saved machine says it (docs/state.md): the first record is JSON."""
    with vm.Vm(PROGRAM, accel=engine, serial=False, memory="1M", extra=["-S", "-cpu", cpu]) as m:
        m.qmp.command("migrate", uri=f"file:{path}")
        while m.qmp.command("query-migrate")["status"] != "completed":
            time.sleep(0.005)
    with open(path, "rb") as file:
        file.seek(16)
        _, name_len, _, size, _ = struct.unpack("<BBHII", file.read(12))
        file.seek(name_len, os.SEEK_CUR)
        devices = json.loads(file.read(size))["devices"]
    cpus = [device for device in devices.values() if "apic-id" in device]
    tap.equal(len(cpus), 1)
    return {name for name, value in cpus[0].items() if value is True}


def shared_cpu(engines, model=QEMU64):
    """A model that is the same with all of them."""
    if len(engines) < 2:
        return ["-cpu", model]
    with tempfile.TemporaryDirectory() as folder:
        found = [features(engine, model, f"{folder}/state") for engine in engines]
    differ = set.union(*found) - set.intersection(*found)
    return ["-cpu", ",".join([model, *[f"-{name}" for name in sorted(differ)]])]


class Machine(vm.Vm):
    """One with the guest churn; @folder: of its output."""

    number = 0

    def __init__(self, folder, incoming=None, engine=ENGINE, machine="pc", cpus=2, words=(), extra=()):
        Machine.number += 1
        self.output = f"{folder}/output{Machine.number}"
        options = " ".join([*words, *(["two"] if cpus == 2 else []), *(["few"] if "kvm" in (engine, ENGINE) else [])])
        super().__init__(PROGRAM, accel=engine, serial=False, memory="64M", cpus=cpus,
                         extra=[*test_bare.arguments("churn", self.output, machine, options), *extra,
                                *(["-incoming", incoming] if incoming else [])])

    def said(self):
        with open(self.output, encoding="ascii", errors="replace") as file:
            return file.read()

    def wait(self, what, condition):
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not {what}: {self.said()}\n{self.info()}")
            time.sleep(0.005)

    def alive(self, more=2):
        """It goes on, and nothing of its memory was lost."""
        wanted = self.said().count("alive") + more
        self.wait("alive", lambda: "FAILED" in self.said() or self.said().count("alive") >= wanted)
        tap.equal("FAILED" in self.said(), False, self.said())

    def info(self):
        return self.qmp.command("query-migrate")

    def migrate(self, uri, **parameters):
        if parameters:
            self.qmp.command("migrate-set-parameters", **parameters)
        self.qmp.command("migrate", uri=uri)

    def ended(self, *states):
        self.wait(f"in {states}", lambda: self.info().get("status") in ("completed", "failed", "cancelled"))
        tap.equal(self.info()["status"] in states, True, str(self.info()))
        return self.info()


def moved(source, destination, uri):
    source.migrate(uri)
    info = source.ended("completed", "failed")
    tap.equal(info["status"], "completed", f"{info}\n{destination.errors()}")
    destination.qmp.event("RESUME", timeout=SECONDS)
    tap.equal(source.qmp.command("query-status")["status"], "postmigrate")
    return info


def to_and_fro(machine, engines, words=(), model=QEMU64):
    def test():
        cpu = shared_cpu(engines, model)
        with tempfile.TemporaryDirectory() as folder:
            here = Machine(folder, machine=machine, engine=engines[0], words=words, extra=cpu)
            downtimes = []
            try:
                here.alive()
                for time_ in range(TIMES):
                    uri = f"unix:{folder}/socket{time_}"
                    there = Machine(folder, incoming="defer", machine=machine, engine=engines[(time_ + 1) % len(engines)],
                                    words=words, extra=cpu)
                    try:
                        vm.connections(here, there, uri, SEVERAL[time_ % len(SEVERAL)])
                        info = moved(here, there, uri)
                        there.alive()
                    except BaseException:
                        there.close()
                        raise
                    downtimes.append(info["downtime"])
                    tap.equal(info["ram"]["dirty-sync-count"] >= 2, True, str(info))
                    here.close()
                    here = there
            finally:
                here.close()
            print(f"# {TIMES} times; downtimes in ms: {' '.join(str(t) for t in downtimes)}")
    return " ".join([f"{TIMES} times to and fro under load, {machine}, {' and '.join(engines)}", *words]), test


def with_deadline(engines):
    """The timer of the local APIC in TSC-deadline mode, armed at each move."""
    return to_and_fro("pc", engines, ["deadline"], f"{QEMU64},+tsc-deadline")


def saved_live():
    """To a file while it runs, and from there."""
    with tempfile.TemporaryDirectory() as folder:
        with Machine(folder) as here:
            here.alive()
            here.migrate(f"file:{folder}/state")
            here.ended("completed")
        with Machine(folder, incoming=f"file:{folder}/state") as there:
            there.alive()


def on_its_way(source, uri):
    """Begin a migration that takes minutes, and wait until it is under way."""
    source.migrate(uri, **{"max-bandwidth": 20000})
    source.wait("under way", lambda: source.info().get("ram", {}).get("transferred", 0) > 0)
    tap.equal(source.info()["status"], "active")
    tap.equal(source.qmp.command("query-status")["status"], "running")


def cancelled():
    with tempfile.TemporaryDirectory() as folder, Machine(folder) as here:
        here.alive()
        on_its_way(here, "exec:cat > /dev/null")
        here.alive()
        here.qmp.command("migrate_cancel")
        here.ended("cancelled")
        here.alive()
        here.migrate("exec:cat > /dev/null", **{"max-bandwidth": 0})
        here.ended("completed")


def destination_dies():
    with tempfile.TemporaryDirectory() as folder, Machine(folder) as here:
        here.alive()
        with Machine(folder, incoming=f"unix:{folder}/socket") as there:
            on_its_way(here, f"unix:{folder}/socket")
            there.kill()
        info = here.ended("failed")
        tap.equal("takes no more" in info["error-desc"], True, str(info))
        here.alive()


def file_is_full():
    with tempfile.TemporaryDirectory() as folder, Machine(folder) as here:
        here.alive()
        full = os.open("/dev/full", os.O_WRONLY)
        socket.send_fds(here.qmp.sock, [b'{"execute":"getfd","arguments":{"fdname":"full"}}\n'], [full])
        os.close(full)
        here.qmp.receive(10)
        here.migrate("fd:full")
        info = here.ended("failed")
        tap.equal(os.strerror(28) in info["error-desc"], True, str(info))
        here.alive()


def source_dies():
    with tempfile.TemporaryDirectory() as folder:
        with Machine(folder, incoming=f"unix:{folder}/socket") as there:
            with Machine(folder) as here:
                here.alive()
                on_its_way(here, f"unix:{folder}/socket")
                here.kill()
            tap.equal(there.process.wait(SECONDS), 1)
            tap.equal("the stream ends here, before the machine is whole" in there.errors(), True, there.errors())


def reset_meanwhile():
    """What a reset does to memory comes along, too."""
    with tempfile.TemporaryDirectory() as folder:
        with Machine(folder, incoming=f"unix:{folder}/socket") as there, Machine(folder) as here:
            here.alive()
            on_its_way(here, f"unix:{folder}/socket")
            here.qmp.command("system_reset")
            here.qmp.event("RESET")
            here.alive()
            here.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0})
            here.ended("completed")
            there.qmp.event("RESUME", timeout=SECONDS)
            there.alive()


def follows(*names):
    """Its memory follows, slowly: it waits for nearly all of it. The connection is lost in the middle. With the
    capabilities @names."""
    if not vm.memory_may_follow():
        raise tap.Skip("the host lets nobody wait for memory")
    on = [{"capability": name, "state": True} for name in ("postcopy-ram", "postcopy-blocktime", "events", *names)]
    with tempfile.TemporaryDirectory() as folder, Machine(folder) as here, Machine(folder, incoming="defer") as there:
        here.alive()
        for m in here, there:
            m.qmp.command("migrate-set-capabilities", capabilities=on)
        there.qmp.command("migrate-incoming", uri=f"unix:{folder}/socket")
        here.migrate(f"unix:{folder}/socket", **{"max-bandwidth": 20000, "max-postcopy-bandwidth": 4 << 20})
        here.qmp.command("migrate-start-postcopy")
        there.qmp.event("RESUME", timeout=SECONDS)
        there.qmp.command("migrate-pause")
        for m in here, there:
            m.qmp.event("MIGRATION", timeout=SECONDS, status="postcopy-paused")
        here.qmp.command("migrate", uri=f"unix:{folder}/socket", resume=True)
        there.qmp.event("MIGRATION", timeout=SECONDS, status="postcopy-recover")
        here.qmp.command("migrate-set-parameters", **{"max-postcopy-bandwidth": 0})
        there.alive()
        info, came = here.ended("completed"), there.ended("completed")
        there.alive()
        tap.equal(info["ram"]["postcopy-requests"] > 0, True, str(info))
        tap.equal(len(came["postcopy-vcpu-blocktime"]), 2, str(came))
        tap.equal(0 < max(came["postcopy-vcpu-blocktime"]), True, str(came))
        print(f"# {info['ram']['postcopy-requests']} requests, {came['postcopy-vcpu-blocktime']} ms waited for")


def follows_by_several():
    """Some of it has come over several connections, and what has come to the other end is given back."""
    follows("multifd", "release-ram")


def source_is_gone():
    """Its memory never follows: CPUs wait for ever. The monitor answers, and the program ends when it is told to."""
    if not vm.memory_may_follow():
        raise tap.Skip("the host lets nobody wait for memory")
    on = [{"capability": name, "state": True} for name in ("postcopy-ram", "events")]
    for way in "quit", signal.SIGTERM, signal.SIGINT:
        with tempfile.TemporaryDirectory() as folder, Machine(folder) as here, \
                Machine(folder, incoming=f"unix:{folder}/socket") as there:
            here.alive()
            for m in here, there:
                m.qmp.command("migrate-set-capabilities", capabilities=on)
            here.migrate(f"unix:{folder}/socket", **{"max-bandwidth": 20000, "max-postcopy-bandwidth": 100000})
            here.qmp.command("migrate-start-postcopy")
            there.qmp.event("RESUME", timeout=SECONDS)
            here.kill()
            there.qmp.event("MIGRATION", timeout=SECONDS, status="postcopy-paused")
            there.wait("a CPU that waits", lambda: "a CPU waits" in stop(there))
            tap.equal(there.info()["status"], "postcopy-paused")
            tap.equal(there.qmp.command("query-status")["status"], "running")
            if way == "quit":
                there.qmp.command("quit")
            else:
                there.process.send_signal(way)
            tap.equal(there.process.wait(SECONDS), 0, there.errors())
            tap.equal("pages of its memory are missing" in there.errors(), True, there.errors())


def stop(m):
    """What is said against it; if it stops, it goes on."""
    try:
        m.qmp.command("stop")
    except vm.QmpError as err:
        return err.desc
    m.qmp.command("cont")
    return ""


def differences():
    """Of pages that change again only what differs goes, and nothing of them is lost."""
    with tempfile.TemporaryDirectory() as folder:
        with Machine(folder, incoming=f"unix:{folder}/socket") as there, Machine(folder) as here:
            here.alive()
            here.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "xbzrle", "state": True}])
            here.migrate(f"unix:{folder}/socket", **{"max-bandwidth": 0, "downtime-limit": 0, "xbzrle-cache-size": 64 << 20})
            here.wait("differences", lambda: here.info()["status"] == "completed" or here.info().get("xbzrle-cache", {"pages": 0})["pages"] > 1000)
            here.qmp.command("migrate-set-parameters", **{"downtime-limit": 60000})
            info = here.ended("completed")
            there.qmp.event("RESUME", timeout=SECONDS)
            there.alive()
            tap.equal(info["xbzrle-cache"]["pages"] > 1000, True, str(info))
            print(f"# {info['xbzrle-cache']}")


def at_one_moment():
    """The machine goes on while it is written, slowly; what was written is whole, twice."""
    if not vm.memory_may_follow():
        raise tap.Skip("the host lets nobody wait for memory")
    with tempfile.TemporaryDirectory() as folder, Machine(folder) as here:
        here.alive()
        here.qmp.command("migrate-set-capabilities",
                         capabilities=[{"capability": name, "state": True} for name in ("background-snapshot", "events")])
        for number, rate in enumerate((8 << 20, 0)):
            here.migrate(f"file:{folder}/state{number}", **{"max-bandwidth": rate})
            here.qmp.event("RESUME", timeout=SECONDS)
            if rate:
                tap.equal(here.info()["status"], "active")
                here.alive()
            here.ended("completed")
            tap.equal(here.qmp.command("query-status")["status"], "running")
            here.alive()
            with Machine(folder, incoming=f"file:{folder}/state{number}") as there:
                there.alive()
        here.alive()


def limits():
    """A CPU changes no more memory than it may; the other one as much as it can."""
    def rates(m):
        m.qmp.command("calc-dirty-rate", **{"calc-time": 1, "mode": "dirty-ring"})
        m.wait("measured", lambda: m.qmp.command("query-dirty-rate")["status"] == "measured")
        info = m.qmp.command("query-dirty-rate")
        tap.equal(info["mode"], "dirty-ring")
        vcpus = info["vcpu-dirty-rate"]
        tap.equal([vcpu["id"] for vcpu in vcpus], [0, 1])
        tap.equal(info["dirty-rate"], sum(vcpu["dirty-rate"] for vcpu in vcpus))
        return [vcpu["dirty-rate"] for vcpu in vcpus]

    with tempfile.TemporaryDirectory() as folder, Machine(folder) as m:
        m.alive()
        m.wait("memory that changes", lambda: min(rates(m)) > 2)
        m.qmp.command("set-vcpu-dirty-limit", **{"cpu-index": 1, "dirty-rate": 1})
        for _ in range(3):
            tap.equal(rates(m)[1] <= 2, True, "CPU 1")
        m.wait("memory that CPU 0 changes", lambda: rates(m)[0] > 2)
        listed = m.qmp.command("query-vcpu-dirty-limit")
        tap.equal([(cpu["cpu-index"], cpu["limit-rate"], cpu["current-rate"] <= 2) for cpu in listed], [(1, 1, True)])
        m.alive()
        for arguments in {"cpu-index": 2, "dirty-rate": 1}, {"cpu-index": 77, "dirty-rate": 0}:
            try:
                m.qmp.command("set-vcpu-dirty-limit", **arguments)
                raise AssertionError(f"{arguments} was not refused")
            except vm.QmpError as err:
                tap.equal("no CPU of number" in err.desc, True, err.desc)
        m.qmp.command("set-vcpu-dirty-limit", **{"dirty-rate": 2})
        tap.equal([cpu["limit-rate"] for cpu in m.qmp.command("query-vcpu-dirty-limit")], [2, 2])
        said = m.qmp.command("human-monitor-command", **{"command-line": "info vcpu_dirty_limit"})
        tap.equal(said.startswith("vcpu[0], limit rate 2 (MB/s), current rate "), True, said)
        m.qmp.command("cancel-vcpu-dirty-limit", **{"cpu-index": 0})
        tap.equal([cpu["cpu-index"] for cpu in m.qmp.command("query-vcpu-dirty-limit")], [1])
        m.qmp.command("cancel-vcpu-dirty-limit")
        tap.equal(m.qmp.command("query-vcpu-dirty-limit"), [])
        m.wait("memory that changes again", lambda: min(rates(m)) > 2)
        m.qmp.command("calc-dirty-rate", **{"calc-time": 1, "mode": "dirty-bitmap"})
        m.wait("measured", lambda: m.qmp.command("query-dirty-rate")["status"] == "measured")
        info = m.qmp.command("query-dirty-rate")
        tap.equal(info["dirty-rate"] > 2 and "vcpu-dirty-rate" not in info, True, str(info))


def no_limits():
    """KVM does not tell which CPU changes memory."""
    with tempfile.TemporaryDirectory() as folder, Machine(folder) as m:
        for name, arguments in (("set-vcpu-dirty-limit", {"dirty-rate": 1}), ("calc-dirty-rate", {"calc-time": 1, "mode": "dirty-ring"})):
            try:
                m.qmp.command(name, **arguments)
                raise AssertionError(f"{name} was not refused")
            except vm.QmpError as err:
                tap.equal("does not tell which CPU" in err.desc, True, err.desc)


def goes_with_limits():
    """A guest that changes memory faster than it goes is held back until it goes, and not afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        with Machine(folder, incoming=f"unix:{folder}/socket") as there, Machine(folder) as here:
            here.alive()
            here.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "dirty-limit", "state": True}])
            here.migrate(f"unix:{folder}/socket",
                         **{"max-bandwidth": 12 << 20, "downtime-limit": 100, "vcpu-dirty-limit": 1, "x-vcpu-dirty-limit-period": 500})
            here.wait("limits", lambda: here.info()["status"] == "completed" or here.qmp.command("query-vcpu-dirty-limit"))
            if here.info()["status"] == "active":
                try:
                    here.qmp.command("cancel-vcpu-dirty-limit")
                except vm.QmpError as err:
                    tap.equal("being migrated" in err.desc, True, err.desc)
            info = here.ended("completed")
            there.qmp.event("RESUME", timeout=SECONDS)
            there.alive()
            tap.equal(here.qmp.command("query-vcpu-dirty-limit"), [])
            print(f"# {info['ram']['dirty-sync-count']} rounds")


def main():
    tests = [to_and_fro("pc", [ENGINE]), to_and_fro("q35", [ENGINE]), with_deadline([ENGINE])]
    if ENGINE == "kvm":
        chips = "kvm,kernel_irqchip=on"
        tests += [to_and_fro("pc", ["soft", "kvm"]), to_and_fro("q35", ["kvm", "soft"]),
                  to_and_fro("pc", [chips]), to_and_fro("q35", [chips, "kvm", "soft"]),
                  with_deadline(["kvm", "soft"]), with_deadline(["soft", chips])]
    tests += [(function.__name__, function) for function in (
        saved_live, follows, follows_by_several, source_is_gone, differences, at_one_moment, *([no_limits] if ENGINE == "kvm" else [limits, goes_with_limits]), cancelled, destination_dies, file_is_full, source_dies, reset_meanwhile)]
    tap.run([(name, lambda t=test: (test_bare.need_engine(), t())) for name, test in tests])


main()

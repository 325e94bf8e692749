#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs of programs.c in a Linux guest, by engine: programs.py BUILD-DIR [RUNS [ENGINE...]].
Engines are what -accel takes; "qemu" is qemu-system-x86_64's software CPU, "native" the host. Then how
much more two CPUs of a guest compute than one, in elapsed time: only a host with two idle processors tells. Figures
are seconds of processor time of the whole machine (so other load on the host does not count), medians
over RUNS (default 3), with the engines in turn; in brackets, times native."""
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(SOURCE, "../guest"))
import vm  # noqa: E402

PROGRAMS = ["integer", "sieve", "sort", "float", "memory", "calls", "faults"]
ENGINES = ["native", "soft,translate=off", "soft,translate=on", "qemu"]


def add_files(build, directory, root, names, kernel=None):
    """In @directory the guest of @build, with files of @root in its initrd; @kernel: another one than that of most tests."""
    suffix = f"-{kernel}" if kernel else ""
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "--owner=0:0"], cwd=root, input=names,
                             stdout=subprocess.PIPE, check=True).stdout
    with open(f"{build}/guest/initrd{suffix}", "rb") as file:
        initrd = file.read()
    with open(f"{directory}/initrd", "wb") as file:
        file.write(initrd + bytes(-len(initrd) % 4) + archive)
    os.symlink(os.path.abspath(f"{build}/guest/vmlinuz{suffix}"), f"{directory}/vmlinuz")


def guest_directory(build, directory):
    """The guest of @build with the programs in its initrd."""
    root = f"{directory}/root"
    os.mkdir(root)
    subprocess.run(["cc", "-O2", "-fno-tree-vectorize", "-static", "-o", f"{root}/programs",
                    f"{SOURCE}/programs.c"], check=True)
    add_files(build, directory, root, b"programs\n")
    return f"{root}/programs"


def processor_seconds(pid):
    """By the clock of the process, which counts nanoseconds: /proc has hundredths of a second."""
    return time.clock_gettime(~pid << 3 | 2)


def used_by_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def native(program):
    for name in PROGRAMS:
        before = used_by_children()
        subprocess.run([program, name], check=True, stdout=subprocess.DEVNULL)
        yield name, used_by_children() - before


def start(build, directory, engine, **options):
    """A guest with the files of @directory, run by @engine."""
    program, accel = ("qemu-system-x86_64", "tcg") if engine == "qemu" else (f"{build}/dimmable", engine)
    return vm.Vm(program, directory, accel=accel, append=vm.APPEND + " quiet", **options)


def in_guest(build, directory, engine):
    with start(build, directory, engine, memory="512M") as guest:
        guest.wait_ready()
        for name in PROGRAMS:
            before = processor_seconds(guest.process.pid)
            guest.run(f"/programs {name}", timeout=300)
            yield name, processor_seconds(guest.process.pid) - before


def scaling(build, directory, engine):
    """Twice the time of one program, by that of two at once on two CPUs."""
    with start(build, directory, engine, memory="512M", cpus=2) as guest:
        guest.wait_ready()
        times = []
        for command in "/programs integer", "/programs integer & /programs integer; wait":
            started = time.monotonic()
            guest.run(command, timeout=300)
            times.append(time.monotonic() - started)
    return 2 * times[0] / times[1]


def chosen():
    """BUILD-DIR, RUNS and engines, as the command line has them."""
    engines = sys.argv[3:] or [e for e in ENGINES if e != "qemu" or shutil.which("qemu-system-x86_64")]
    return sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3, engines


def row(seconds, engine, names, with_native):
    """An engine's medians of @seconds, {(engine, name): [...]}."""
    parts, ratios = [], []
    for name in names:
        value = statistics.median(seconds[engine, name])
        parts.append(f"{name} {value:.2f}")
        if engine != "native" and with_native:
            ratios.append(value / statistics.median(seconds["native", name]))
            parts[-1] += f" ({ratios[-1]:.1f})"
    mean = f"; geometric mean {math.prod(ratios) ** (1 / len(ratios)):.2f}" if ratios else ""
    return f"{engine}: {', '.join(parts)}{mean}"


def main():
    build, runs, engines = chosen()
    seconds = {}
    with tempfile.TemporaryDirectory() as directory:
        program = guest_directory(build, directory)
        for _ in range(runs):
            for engine in engines:
                results = native(program) if engine == "native" else in_guest(build, directory, engine)
                for name, value in results:
                    seconds.setdefault((engine, name), []).append(value)
                if engine != "native":
                    seconds.setdefault((engine, "two CPUs"), []).append(scaling(build, directory, engine))
    for engine in engines:
        two = "" if engine == "native" else f"; two CPUs {statistics.median(seconds[engine, 'two CPUs']):.2f} times one"
        print(row(seconds, engine, PROGRAMS, "native" in engines) + two, flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux on a software CPU with AVX2 and XSAVE: a program for x86-64-v3 (vectors.c) in the guest.
Usage: test_vectors.py BUILD-DIR PROGRAM"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD, PROGRAM = sys.argv[1:]
WANTED = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}


def host_features():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        return set(next((line for line in file if line.startswith("flags")), "").split())


def runs(model, cpus):
    if not WANTED <= host_features():
        raise tap.Skip(f"the host lacks {' '.join(sorted(WANTED - host_features()))}")
    with tempfile.TemporaryDirectory() as directory:
        vm.with_program(f"{BUILD}/guest", PROGRAM, directory)
        with vm.Vm(f"{BUILD}/dimmable", directory, accel="soft", cpus=cpus, memory="512M",
                   extra=["-cpu", model]) as guest:
            guest.wait_ready()
            flags = set(guest.run("grep -m1 ^flags /proc/cpuinfo").split())
            tap.equal(sorted(WANTED - flags), [], "features that the guest lacks")
            tap.equal(guest.run(f"/{os.path.basename(PROGRAM)}", timeout=120), "vectors: 0 wrong")
            tap.equal(guest.run("dmesg | grep -ciE 'bug:|oops|call trace|general protection'", check=False),
                      "0", "kernel complaints")
            tap.equal(guest.power_off(), 0, "exit status")


tap.run([("-cpu max, 2 CPUs", lambda: runs("max", 2)), ("-cpu Haswell", lambda: runs("Haswell,check=off", 1))])

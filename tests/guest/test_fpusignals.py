#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Exceptions of the FPU that an unprivileged program (fpusignals.c) makes in Linux are signals of that program: the machine
goes on. Usage: test_fpusignals.py BUILD-DIR PROGRAM"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD, PROGRAM = sys.argv[1:]


def runs(translate):
    with tempfile.TemporaryDirectory() as directory:
        vm.with_program(f"{BUILD}/guest", PROGRAM, directory)
        with vm.Vm(f"{BUILD}/dimmable", directory, accel=f"soft,translate={translate}", cpus=2, memory="128M") as guest:
            guest.wait_ready()
            name = os.path.basename(PROGRAM)
            tap.equal(guest.run(f"/{name} & /{name}; wait"), "\n".join(["fpusignals: 0 wrong"] * 2))
            tap.equal(guest.run("dmesg | grep -ciE 'bug:|oops|call trace'", check=False), "0", "kernel complaints")
            tap.equal(guest.power_off(), 0, "exit status")


tap.run([(f"translate={how}", lambda how=how: runs(how)) for how in ("on", "off")])

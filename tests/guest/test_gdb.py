#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""GDB and Linux: the real gdb on the machine's server while a DIMM is plugged, and a program that uses
the debug registers by ptrace (debugregs.c) in the guest.
Usage: test_gdb.py BUILD-DIR PROGRAM"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD, PROGRAM = sys.argv[1:]
GIB = 1 << 30


def symbols(guest, *names):
    """Addresses of the kernel's functions and variables."""
    text = guest.run(f"grep -wE '{'|'.join(names)}' /proc/kallsyms")
    found = {name: int(address, 16) for address, name in re.findall(r"(?m)^(\w+) \w (\w+)\r?$", text)}
    tap.equal(sorted(found), sorted(names))
    return found


def start_gdb(*commands):
    arguments = [word for command in commands for word in ("-ex", command)]
    return subprocess.Popen(["gdb", "-nx", "-batch", "-ex", "set pagination off", "-ex", "set width 0", *arguments],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def output(gdb):
    return gdb.communicate(timeout=vm.LONG)[0].decode(errors="replace")


def expect(text, *patterns):
    """These regular expressions, in this order."""
    at = 0
    for pattern in patterns:
        match = re.compile(pattern).search(text, at)
        if not match:
            raise AssertionError(f"no /{pattern}/ after {at} bytes of:\n{text}")
        at = match.end()


def gdb_on_linux():
    if not shutil.which("gdb"):
        raise tap.Skip("there is no gdb: install the package gdb")
    with tempfile.TemporaryDirectory() as directory:
        vm.with_program(f"{BUILD}/guest", PROGRAM, directory)
        path = f"{directory}/gdb"
        with vm.Vm(f"{BUILD}/dimmable", directory, accel="soft", cpus=2, append=vm.APPEND + " nokaslr",
                   extra=["-cpu", "max", "-gdb", f"unix:{path}"]) as guest:
            guest.wait_ready()
            tap.equal(guest.run(f"/{os.path.basename(PROGRAM)}", timeout=120), "debugregs: 0 wrong")
            at = symbols(guest, "add_memory_resource", "jiffies_64")
            function, variable = at["add_memory_resource"], at["jiffies_64"]
            guest.qmp.drain()
            guest.qmp.events.clear()

            gdb = start_gdb(f"target remote {path}", "info threads", f"hbreak *{function}", "continue",
                            "info registers rip cs cr0 cr4 efer gs_base", "x/2i $pc", "bt 1", "print/x $ymm0.v32_int8[31]",
                            "print $st0", "info threads", "stepi", "stepi", "print/x $pc", "delete",
                            f"watch *(unsigned long *){variable}", "continue", "delete", f"break *{function}",
                            f"print *(unsigned char *){function} != 0xcc", "monitor info status", "delete", "detach")
            guest.qmp.event("STOP")
            guest.qmp.event("RESUME")
            guest.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m", "size": GIB})
            guest.qmp.command("device_add", driver="pc-dimm", id="d", memdev="m")
            text = output(gdb)
            expect(text, r"Thread 1\.1 .*CPU 0", r"Thread 1\.2 .*CPU 1",
                   rf"rip +{function:#x}", r"cr0 +0x8005003[13b]", r"efer +0xd01", rf"=> {function:#x}", rf"#0 +{function:#018x}",
                   r"\$1 = 0x", r"\$2 = ", r"Thread 1\.2", r"\$3 = 0xffffffff8", r"atchpoint \d+: ", r"Old value = (\d+)",
                   r"New value = \d+", r"\$4 = 1", r"VM status: paused \(debug\)", r"detached")
            # The plug goes on where it stood.
            tap.equal(guest.qmp.event("ACPI_DEVICE_OST", device="d", source=1)["data"]["info"]["status"], 0)
            tap.equal(guest.run("dmesg | grep -ciE 'bug:|oops|call trace|general protection|stall'", check=False), "0",
                      "kernel complaints")

            text = output(start_gdb(f"target remote {path}", "info registers rip", "kill"))
            expect(text, "rip", "killed")
            tap.equal(guest.process.wait(vm.LONG), 0, "exit status")


tap.run([("gdb on Linux, 2 CPUs", gdb_on_linux)])

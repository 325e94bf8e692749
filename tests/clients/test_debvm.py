#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""debvm makes a Debian system and runs it, with the program first in PATH: test_debvm.py BUILD-DIR"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402
import terminal  # noqa: E402
import vm  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
NAME = "debvm-guest"
FOLDER = None


def create():
    """By mmdebstrap, of the packages of Debian 12."""
    done = subprocess.run(["debvm-create", "-o", "system.ext4", "-r", "bookworm", "-h", NAME], cwd=FOLDER, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    tap.equal(done.returncode, 0, done.stdout[-4000:])


def run():
    """Its console is the terminal, on which root is logged in. What is said behind -- is for hosts whose CPU has no
    virtualisation."""
    env = {**os.environ, "PATH": f"{FOLDER}/bin:{os.environ['PATH']}", "TERM": "dumb"}
    shown = terminal.Shown(terminal.Terminal(["debvm-run", "-i", "system.ext4", "--", "-machine", "accel=tcg", "-cpu", "max"],
                                             env=env, cwd=FOLDER))
    status = None
    try:
        shown.shell(f"root@{NAME}:~# ")
        shown.check_up()
        tap.equal(shown.run("hostname"), NAME)
        tap.equal(shown.run("findmnt -n -o SOURCE /"), "/dev/vda")
        vm.wait_until(lambda: "10.0.2.15" in shown.run("cat /proc/net/fib_trie"), "an address")
        shown.serial.send(b"poweroff\n")
        shown.rest()
        status = shown.terminal.ended()
    finally:
        if status is None:
            shown.terminal.close()
    tap.equal(status, 0)


def main():
    global FOLDER  # pylint: disable=global-statement
    if not shutil.which("debvm-run"):
        print("1..0 # SKIP not installed: Debian's debvm")
        return
    with tempfile.TemporaryDirectory(prefix="dimmable-debvm-") as FOLDER:
        os.mkdir(f"{FOLDER}/bin")
        os.symlink(f"{BUILD}/dimmable", f"{FOLDER}/bin/qemu-system-x86_64")
        tap.run([("debvm-create", create), ("debvm-run", run)])


main()

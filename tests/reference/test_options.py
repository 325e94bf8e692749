#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The options that the reference lists, run as a black box: each is taken, with an argument where the
reference wants one, or refused with a reason. Usage: test_options.py BUILD-DIR"""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402

PROGRAM = f"{sys.argv[1]}/dimmable"
REFERENCE = shutil.which("qemu-system-x86_64")
# Options whose argument the list of the reference does not show in the usual form.
SHOWN_OTHERWISE = {"h", "help", "version"}


def run(program, *args):
    result = subprocess.run([program, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=20, check=False)
    return result.returncode, result.stdout.decode(errors="replace")


def listed():
    """Names, with whether they take an argument: one blank, and not a description, follows."""
    found = {}
    for line in run(REFERENCE, "-help")[1].splitlines():
        match = re.match(r"--?([A-Za-z0-9][\w-]*)((?:/-\w+)*)( \S)?", line)
        if match:
            for name in (match.group(1), *re.findall(r"-(\w+)", match.group(2))):
                found[name] = found.get(name, False) or bool(match.group(3))
    found.pop("h", None)
    if len(found) < 90:
        raise AssertionError(f"only {sorted(found)} in the reference's -help")
    return found


def taken_or_refused(name, has_argument):
    """-version ends the program when all options were parsed."""
    args = [f"-{name}", "x", "-version"] if has_argument else [f"-{name}", "-version"]
    status, text = run(PROGRAM, *args)
    if status == 0:
        tap.equal("QEMU emulator version" in text or name in SHOWN_OTHERWISE | {"audio-help"}, True, text)
        return
    if not text.startswith(f"dimmable: -{name}: ") or len(text.split()) < 5:
        raise AssertionError(f"neither taken nor refused with a reason: {text}")


def main():
    if not REFERENCE:
        tap.run([("options", skip)])
        return
    tap.run([(f"-{name}", lambda n=name, a=argument: taken_or_refused(n, a))
             for name, argument in sorted(listed().items())])


def skip():
    raise tap.Skip("qemu-system-x86_64 is not there")


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt's probe finds, beside the reference where that is installed: docs/libvirt.md lists what is missing, and why.
test_libvirt_flags.py BUILD-DIR"""
import glob
import os
import re
import sys

import libvirtd
from libvirtd import tap

BUILD = os.path.abspath(sys.argv[1])
REFERENCE = "/usr/bin/qemu-system-x86_64"
DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/libvirt.md")


def flags(program):
    with libvirtd.Libvirt(program) as session:
        session.virsh("domcapabilities", "--virttype", "qemu", "--emulatorbin", session.emulator)
        path, = glob.glob(f"{session.dir}/**/capabilities/*.xml", recursive=True)
        with open(path, encoding="ascii") as file:
            return set(re.findall(r"<flag name='([^']+)'", file.read()))


def listed():
    """The flags in the table of the page, in backquotes."""
    with open(DOCS, encoding="ascii") as file:
        table = re.search(r"(?s)\| why not \| flags \|\n(.*?)\n\n", file.read()).group(1)
    return [flag for line in table.splitlines() for flag in re.findall("`([^`]+)`", line.split("|")[2])]


def beside_the_reference():
    if not os.access(REFERENCE, os.X_OK):
        raise tap.Skip("no reference here")
    ours, theirs, missing = flags(f"{BUILD}/dimmable"), flags(REFERENCE), listed()
    tap.equal(len(missing), len(set(missing)), "no flag is listed twice")
    tap.equal(sorted(theirs - ours), sorted(missing), "what is missing")
    tap.equal(ours - theirs, set(), "what is there beside that")


def main():
    try:
        libvirtd.need_programs()
        tap.run([("flags", beside_the_reference)])
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

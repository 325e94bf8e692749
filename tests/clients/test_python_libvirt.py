#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A script on python3-libvirt drives a guest that has Linux: test_python_libvirt.py BUILD-DIR"""
import os
import subprocess
import sys

import libvirtd
from libvirtd import tap
import domains
import vm

BUILD = os.path.abspath(sys.argv[1])
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's modules
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python_client.py")
NAME = "scripted"


def script(session):
    xml = session.write("domain.xml", domains.domain_xml(session, NAME, "q35"))
    dimm = session.write("dimm.xml", domains.DIMM_XML)
    client = subprocess.Popen([*session.prefix, PYTHON, SCRIPT, xml, dimm], env=session.env, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    guest = None

    def after(words, check):
        line = client.stdout.readline()
        tap.equal(line.strip(), words, line or client.stdout.read())
        check()
        client.stdin.write("\n")
        client.stdin.flush()

    def boots():
        nonlocal guest
        guest = domains.Guest(session, NAME)
        guest.wait_ready()

    def has(size):
        vm.wait_until(lambda: guest.mem_total() == total + size, f"{size} bytes more")

    with client:
        try:
            after("running", boots)
            total = guest.mem_total()
            after("attached", lambda: has(domains.DIMM))
            after("detached", lambda: has(0))
            tap.equal(client.stdout.read().strip(), "done")
        finally:
            client.kill()


def main():
    if subprocess.run([PYTHON, "-c", "import libvirt"], stderr=subprocess.DEVNULL, check=False).returncode:
        print("1..0 # SKIP not installed: Debian's python3-libvirt")
        return
    try:
        with libvirtd.Libvirt(f"{BUILD}/dimmable") as session:
            domains.make_guest(session, BUILD)
            tap.run([("a script", lambda: script(session))])
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of a disk, and jobs on it, by virsh, while a guest has it: test_libvirt_jobs.py BUILD-DIR."""
import os
import subprocess
import sys

import libvirtd
from libvirtd import tap
import domains
from domains import Guest


BUILD = os.path.abspath(sys.argv[1])
SESSION = None
NAME = "jobs"
DISK = """<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}/disk'/>
    <target dev='vda' bus='virtio'/></disk>"""


def path(name):
    return f"{SESSION.dir}/{name}"


class Jobs:
    """One domain. Its parts are tests that build on each other: a place that each of them writes to is checked at the end."""

    def __init__(self):
        self.guest, self.places = None, 0

    def tests(self):
        return [(part.__name__.replace("_", " "), part) for part in (
            self.start, self.with_memory, self.snapshots, self.commit, self.copy_top, self.pull, self.copy, self.copy_cancelled, self.contents, self.log)]

    def write(self):
        self.guest.run(f"printf place{self.places} | dd of=/dev/vda bs=64k seek={self.places} conv=notrunc,fsync 2>/dev/null")
        self.places += 1

    def source(self, name):
        tap.equal([words.split()[1] for words in SESSION.virsh("domblklist", NAME).splitlines() if "vda" in words], [path(name)])

    def start(self):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path("disk"), "64M"], check=True)
        domains.define(SESSION, NAME, domains.domain_xml(SESSION, NAME, "q35", changes={
            domains.NO_BALLOON: domains.NO_BALLOON + DISK.format(SESSION.dir)}))
        SESSION.virsh("start", NAME)
        self.guest = Guest(SESSION, NAME)
        self.guest.wait_ready()
        for module in (*domains.VIRTIO, "virtio_blk"):
            self.guest.run(f"insmod /lib/modules/{module}.ko")
        self.write()

    def with_memory(self):
        """The memory goes as a migration does: the disk is the machine's again after it."""
        SESSION.virsh("snapshot-create-as", NAME, "zero", "--no-metadata", "--memspec", f"file={path('memory')},snapshot=external",
                      "--diskspec", f"vda,file={path('zero')}")
        self.source("zero")
        tap.equal(SESSION.state(NAME), "running")
        self.write()

    def snapshots(self):
        for name in "one", "two", "three":
            SESSION.virsh("snapshot-create-as", NAME, name, "--disk-only", "--no-metadata", "--diskspec", f"vda,file={path(name)}")
            self.write()
        self.source("three")

    def commit(self):
        """The middle of the chain, and its top."""
        SESSION.virsh("blockcommit", NAME, "vda", "--top", path("two"), "--base", path("one"), "--wait")
        self.write()
        SESSION.virsh("blockcommit", NAME, "vda", "--active", "--pivot", "--shallow")
        self.source("one")
        self.write()

    def copy_top(self):
        """Only the top goes; the copy gets its backing file when it has that."""
        snapshots = SESSION.log().count('"type":"blockdev-snapshot"')
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", path("zero"), "-F", "qcow2", path("top")], check=True)
        SESSION.virsh("blockcopy", NAME, "vda", path("top"), "--shallow", "--reuse-external", "--transient-job", "--wait", "--pivot")
        self.source("top")
        tap.equal(SESSION.log().count('"type":"blockdev-snapshot"') > snapshots, True)
        self.write()

    def pull(self):
        SESSION.virsh("blockpull", NAME, "vda", "--wait")
        tap.equal("backing file" in subprocess.run(["qemu-img", "info", "-U", path("top")], check=True, stdout=subprocess.PIPE).stdout.decode(), False)
        self.write()

    def copy(self):
        SESSION.virsh("blockcopy", NAME, "vda", path("copy"), "--format", "qcow2", "--transient-job", "--wait", "--pivot")
        self.source("copy")
        self.write()

    def copy_cancelled(self):
        """The copy is of the moment, and the disk stays where it is."""
        SESSION.virsh("blockcopy", NAME, "vda", path("moment"), "--format", "raw", "--transient-job", "--wait")
        info = dict(line.split("=") for line in SESSION.virsh("blockjob", NAME, "vda", "--info", "--raw").replace(" ", "").splitlines())
        tap.equal((info["type"], info["cur"] == info["end"]), ("BlockCopy", True))
        self.write()
        SESSION.virsh("blockjob", NAME, "vda", "--abort")
        self.source("copy")
        with open(path("moment"), "rb") as file:
            tap.equal([os.pread(file.fileno(), 6, n << 16) for n in range(self.places)], [f"place{n}".encode()[:6] for n in range(self.places)])
        self.write()

    def contents(self):
        self.guest.run("echo 3 > /proc/sys/vm/drop_caches")
        for n in range(self.places):
            tap.equal(self.guest.run(f"dd if=/dev/vda bs=64k skip={n} count=1 2>/dev/null | head -c {len(f'place{n}')}"), f"place{n}")
        SESSION.virsh("destroy", NAME)
        for name in "disk", "one", "top", "copy":
            subprocess.run(["qemu-img", "check", "-q", path(name)], check=True)
        SESSION.virsh("undefine", NAME)
        self.guest.close()

    def log(self):
        """libvirtd minded no answer."""
        tap.equal(SESSION.refusals(), set())


def main():
    global SESSION  # pylint: disable=global-statement
    try:
        with libvirtd.Libvirt(f"{BUILD}/dimmable") as SESSION:
            domains.make_guest(SESSION, BUILD)
            tap.run(Jobs().tests())
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Backups by virsh, read by NBD and written to files, while a guest writes: test_libvirt_backup.py BUILD-DIR."""
import json
import os
import subprocess
import sys

import libvirtd
from libvirtd import tap
import domains
import vm
from domains import Guest


BUILD = os.path.abspath(sys.argv[1])
SESSION = None
NAME = "backup"
DISK = """<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}/disk'/>
    <target dev='vda' bus='virtio'/></disk>"""


def path(name):
    return f"{SESSION.dir}/{name}"


def xml(name, text):
    with open(path(name), "w", encoding="ascii") as file:
        file.write(text)
    return path(name)


def run(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, timeout=60).stdout.decode()


class Backups:
    """One domain. Its parts are tests that build on each other."""

    def __init__(self):
        self.guest = None

    def tests(self):
        return [(part.__name__.replace("_", " "), part) for part in (self.start, self.full, self.incremental, self.push, self.end, self.log)]

    def write(self, place, text):
        self.guest.run(f"printf {text} | dd of=/dev/vda bs=64k seek={place} conv=notrunc,fsync 2>/dev/null")

    def begin(self, what, *checkpoint):
        SESSION.virsh("backup-begin", NAME, xml("backup.xml", what), *checkpoint)

    def start(self):
        run("qemu-img", "create", "-q", "-f", "qcow2", path("disk"), "64M")
        domains.define(SESSION, NAME, domains.domain_xml(SESSION, NAME, "q35", changes={
            domains.NO_BALLOON: domains.NO_BALLOON + DISK.format(SESSION.dir)}))
        SESSION.virsh("start", NAME)
        self.guest = Guest(SESSION, NAME)
        self.guest.wait_ready()
        for module in (*domains.VIRTIO, "virtio_blk"):
            self.guest.run(f"insmod /lib/modules/{module}.ko")
        self.write(1, "before")

    def pull(self, since=""):
        return f"""<domainbackup mode='pull'>{since}<server transport='unix' socket='{path("nbd")}'/>
            <disks><disk name='vda' type='file' exportname='vda' exportbitmap='changes'><scratch file='{path("scratch")}'/></disk></disks></domainbackup>"""

    def full(self):
        """What the guest writes meanwhile is not in it."""
        checkpoint = xml("checkpoint.xml", "<domaincheckpoint><name>one</name></domaincheckpoint>")
        self.begin(self.pull(), checkpoint)
        self.write(1, "behind")
        self.write(2, "two")
        run("nbdcopy", f"nbd+unix:///vda?socket={path('nbd')}", path("full"))
        SESSION.virsh("domjobabort", NAME)
        with open(path("full"), "rb") as file:
            tap.equal((os.pread(file.fileno(), 6, 1 << 16), os.pread(file.fileno(), 3, 2 << 16)), (b"before", bytes(3)))

    def incremental(self):
        """The bitmap tells what is new since."""
        self.begin(self.pull("<incremental>one</incremental>"))
        self.write(3, "three")
        uri = f"nbd+unix:///vda?socket={path('nbd')}"
        found = json.loads(run("nbdinfo", "--json", "--map=qemu:dirty-bitmap:changes", uri))
        tap.equal([(e["offset"] >> 16, e["length"] >> 16) for e in found if e["type"]], [(1, 2)])
        run("nbdcopy", uri, path("second"))
        SESSION.virsh("domjobabort", NAME)
        with open(path("second"), "rb") as file:
            tap.equal((os.pread(file.fileno(), 6, 1 << 16), os.pread(file.fileno(), 3, 2 << 16), os.pread(file.fileno(), 5, 3 << 16)),
                      (b"behind", b"two", bytes(5)))

    def push(self):
        """Written by the machine itself."""
        self.begin(f"""<domainbackup mode='push'><disks><disk name='vda' type='file'><driver type='raw'/><target file='{path("pushed")}'/></disk></disks></domainbackup>""")
        vm.wait_until(lambda: "Backup" not in SESSION.virsh("domjobinfo", NAME), "the backup is over")
        with open(path("pushed"), "rb") as file:
            tap.equal((os.pread(file.fileno(), 6, 1 << 16), os.pread(file.fileno(), 5, 3 << 16)), (b"behind", b"three"))

    def end(self):
        SESSION.virsh("checkpoint-delete", NAME, "one")
        SESSION.virsh("destroy", NAME)
        run("qemu-img", "check", "-q", path("disk"))
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
            tap.run(Backups().tests())
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

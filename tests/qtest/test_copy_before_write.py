#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes that keep what was on a disk while a guest writes, and what reads it. Usage: test_copy_before_write.py BUILD-DIR"""
import json
import subprocess

import machine
import tap
from job_disk import MIB, SIZE, Disk, has, io, refused, tool

CHUNK = 65536


def named(node, **options):
    return {"node-name": node, **options}


class Fleece(Disk):
    """The disk "raw" has 1 everywhere, and is "top" with @attach(); @keep() puts the filter "cbw" above it, and "snap" on that."""

    def prepare(self, folder):
        super().prepare(folder)
        io(f"{folder}/raw", "write -P 1 0 8M", form="raw")

    def attach(self, drive=True):
        self.add("top", "raw", {"driver": "file", "filename": self.path("raw"), "node-name": "file"}, discard="unmap")
        if drive:
            self.drive("top")

    def keep(self, form="qcow2", drive=True, **options):
        if "target" not in options:
            self.add("target", form)
        self.qmp.command("blockdev-add", **named("cbw", **{"driver": "copy-before-write", "file": "top", "target": "target", "discard": "unmap",
                                                           **options}))
        if drive:
            self.drive("cbw")
        self.qmp.command("blockdev-add", **named("snap", driver="snapshot-access", file="cbw", discard="unmap"))

    def do(self, command, **arguments):
        return self.qmp.execute({"execute": command, "arguments": arguments})

    def hmp(self, line):
        return self.qmp.command("human-monitor-command", **{"command-line": line})

    def unexport(self, name="snap"):
        """The export, as far as there is one."""
        for _ in [e for e in self.qmp.command("query-block-exports") if e["id"] == name]:
            self.qmp.command("block-export-del", id=name, mode="hard")
            self.qmp.event("BLOCK_EXPORT_DELETED", id=name)

    def drive(self, node):
        self.qmp.command("qom-set", path="/machine/peripheral/disk", property="drive", value=node)

    def export(self, writable=False, name="snap", **options):
        if not self.qmp.command("query-block-exports"):
            self.qmp.command("nbd-server-start", addr={"type": "unix", "data": {"path": self.path("nbd")}})
        self.do("block-export-add", **named(name, type="nbd", id=name, name=name, writable=writable, **options))
        return f"nbd+unix:///{name}?socket={self.path('nbd')}"

    def drop(self, *nodes):
        self.unexport()
        self.qmp.command("blockdev-del", **named("snap"))
        self.drive("top")
        for node in nodes or ("cbw", "target"):
            self.qmp.command("blockdev-del", **named(node))

    def write_fails(self, sector, value):
        self.put(sector, value, check=False)
        machine.vm.wait_until(lambda: not self.read("b", 0x1f7) & 0x80, "it is written")
        tap.equal(self.read("b", 0x1f7) & 0x01, 1, "error")


def disk(drive=True):
    class Ready(Fleece):
        def __init__(self):
            super().__init__("null-co,node-name=none", node="none")
            self.attach(drive)

    return Ready()


def reads(uri, *commands):
    """What qemu-io says of them."""
    words = [word for command in commands for word in ("-c", command)]
    return subprocess.run(["timeout", "20", "qemu-io", "-r", "-f", "raw", *words, uri], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False).stdout.decode()


def all_right(text):
    tap.equal(("failed" in text, "rror" in text), (False, False), text)


def fleecing():
    """The moment by nbdcopy, by a backup, and by reads, whatever is written meanwhile; and all goes away again."""
    for form in "qcow2", "raw":
        with disk() as m:
            if form == "raw":
                tool("truncate", "-s", str(SIZE), m.path("target"))
            m.put(0, 5)
            tool("cp", m.path("raw"), m.path("before"))
            m.keep(form=form)
            tap.equal(m.node(), "cbw")
            tap.equal(m.qmp.command("qom-get", path="/machine/peripheral/disk", property="drive"), "cbw")
            uri = m.export()
            for sector, value in (0, 9), (127, 9), (128, 9), (SIZE // 512 - 1, 9), (5000, 9), (5001, 10):
                m.put(sector, value)
            all_right(reads(uri, "read -P 5 0 512", "read -P 1 512 8388096"))
            tool("nbdcopy", uri, m.path("copy"))
            tool("cmp", m.path("copy"), m.path("before"))
            tap.equal([e["length"] for e in json.loads(tool("nbdinfo", "--map", "--json", uri)) if e["type"] == 0], [SIZE])
            tool("qemu-img", "create", "-q", "-f", "qcow2", m.path("full"), str(SIZE))
            m.add("full")
            m.qmp.command("blockdev-backup", **{"job-id": "j", "device": "snap", "target": "full", "sync": "full", "speed": 1})
            m.put(9000, 11)
            m.qmp.command("block-job-set-speed", device="j", speed=0)
            m.ends()
            m.qmp.command("blockdev-del", **named("full"))
            tool("qemu-img", "compare", "-f", "qcow2", "-F", "raw", m.path("full"), m.path("before"))
            m.drop()
            tap.equal(m.node(), "top")
            m.put(10000, 12)
            m.power()
            for sector, value in (0, 9), (127, 9), (128, 9), (5000, 9), (5001, 10), (9000, 11), (10000, 12):
                has(m.path("raw"), value, sector * 512, 512, "raw")
            has(m.path("raw"), 1, 512, 512, "raw")


def overlay():
    """The target may have the disk as its backing file: what is not kept is read from there."""
    with disk() as m:
        tool("qemu-img", "create", "-q", "-f", "qcow2", m.path("over"), str(SIZE))
        m.add("target", file=m.file("over"), backing="top")
        m.keep(target="target")
        uri = m.export()
        m.put(0, 9)
        m.put(9000, 9)
        all_right(reads(uri, "read -P 1 0 8M"))
        m.drop()
        m.put(1, 9)
        m.power()
        tool("qemu-img", "check", "-q", m.path("over"))
        has(m.path("over"), 1, 0, CHUNK)


def from_the_start():
    """As -blockdev, and as the node below a raw one, by blockdev-reopen."""
    with Fleece("null-co,node-name=disk,size=8M,read-zeroes=on",
                "copy-before-write,node-name=top,file=disk,target.driver=null-co,target.size=8M",
                "snapshot-access,node-name=snap,file=top") as m:
        m.put(0, 9)
        tap.equal(m.node(), "top")
    with disk() as m:
        def file(name):
            m.qmp.command("blockdev-reopen", options=[named("top", driver="raw", file=name, discard="unmap")])

        m.add("target")
        m.qmp.command("blockdev-add", **named("cbw", driver="copy-before-write", file="file", target="target"))
        file("cbw")
        m.qmp.command("blockdev-add", **named("snap", driver="snapshot-access", file="cbw"))
        uri = m.export()
        m.put(0, 9)
        all_right(reads(uri, "read -P 1 0 8M"))
        for wrong in "top", "absent", "none":
            refused(lambda w=wrong: file(w), {"none": "as large", "absent": "absent", "top": "itself"}[wrong])
        refused(lambda: file("file"), "file", "cbw")
        m.put(1, 10)
        m.unexport()
        m.qmp.command("blockdev-del", **named("snap"))
        file("file")
        m.qmp.command("blockdev-del", **named("cbw"))
        m.put(2, 11)
        m.power()
        for sector, value in (0, 9), (1, 10), (2, 11):
            has(m.path("raw"), value, sector * 512, 512, "raw")


def bitmaps():
    """Only what a bitmap has at the beginning is kept, and can be read; and it may change or go after that."""
    with disk() as m:
        m.do("block-dirty-bitmap-add", node="top", name="b")
        m.put(0, 5)
        m.put(9000, 5)
        m.add("target")
        m.keep(target="target", bitmap={"node": "top", "name": "b"})
        m.do("block-dirty-bitmap-remove", node="top", name="b")
        uri = m.export()
        m.put(0, 9)
        m.put(3000, 9)
        all_right(reads(uri, "read -P 5 0 512", "read -P 1 512 65024", f"read -P 5 {9000 * 512} 512"))
        for where in "64k 512", "65024 1k", f"{3000 * 512} 512":
            tap.equal("read failed" in reads(uri, f"read {where}"), True, where)
        m.power()
        tap.equal([(e["start"], e["length"]) for e in json.loads(tool("qemu-img", "map", "--output=json", m.path("target"))) if e["data"]], [(0, CHUNK)])


def incremental():
    """What a bitmap of the moment has is copied from it, by a backup and by a client that asks for the bitmap."""
    with disk() as m:
        m.do("block-dirty-bitmap-add", node="top", name="b")
        m.put(0, 5)
        m.put(9000, 5)
        m.do("block-dirty-bitmap-disable", node="top", name="b")
        m.keep()
        uri = m.export(bitmaps=[{"node": "top", "name": "b"}])
        m.put(9000, 9)
        marked = [(e["offset"], e["length"]) for e in json.loads(tool("nbdinfo", "--map=qemu:dirty-bitmap:b", "--json", uri)) if e["type"] == 1]
        tap.equal(marked, [(0, CHUNK), (9000 * 512 // CHUNK * CHUNK, CHUNK)])
        m.do("block-dirty-bitmap-add", node="snap", name="s", disabled=True)
        m.do("block-dirty-bitmap-merge", node="snap", target="s", bitmaps=[{"node": "top", "name": "b"}])
        tool("qemu-img", "create", "-q", "-f", "qcow2", m.path("part"), str(SIZE))
        m.add("part")
        m.qmp.command("blockdev-backup", **{"job-id": "j", "device": "snap", "target": "part", "sync": "incremental", "bitmap": "s"})
        m.ends(len=2 * CHUNK)
        m.power()
        has(m.path("part"), 5, 9000 * 512, 512)


def discarded():
    """What a reader discards is not kept any longer, and takes no room; who only reads cannot."""
    with disk() as m:
        m.add("target", discard="unmap")
        m.keep(target="target")
        m.put(128, 9)
        uri = m.export(writable=True)
        text = tool("qemu-io", "-f", "raw", "-c", "discard 64k 128k", "-c", "discard 300k 100k", uri)
        tap.equal("failed" in text, False, text)
        all_right(reads(uri, "read -P 1 0 64k", "read -P 1 192k 128k", "read -P 1 384k 1M"))
        for where in "64k 512", "128k 64k", "190k 4k", "320k 512":
            tap.equal("read failed" in reads(uri, f"read {where}"), True, where)
        tap.equal("write failed" in subprocess.run(["qemu-io", "-f", "raw", "-c", "write 0 64k", uri], stdout=subprocess.PIPE, check=False)
                  .stdout.decode(), True)
        m.put(129, 10)  # not copied
        m.put(0, 10)
        all_right(reads(uri, "read -P 1 0 64k"))
        m.power()
        tap.equal([(e["start"], e["length"]) for e in json.loads(tool("qemu-img", "map", "--output=json", m.path("target"))) if e["data"]], [(0, CHUNK)])


def holes():
    """Zeros and discards are made after what was there is copied; zeros of the moment are told as such."""
    with disk(drive=False) as m:
        tool("qemu-io", "-f", "raw", "-c", "write -z -u 1M 1M", m.path("raw"))
        m.keep(drive=False)
        snap, cbw = m.export(), m.export(writable=True, name="cbw")
        text = tool("qemu-io", "-f", "raw", "-c", "write -z 0 100k", "-c", "write -z -u 200k 100k", "-c", "discard 3M 1M", "-c", "write -P 9 1M 512k", cbw)
        tap.equal("failed" in text, False, text)
        all_right(reads(snap, "read -P 1 0 1M", "read -P 0 1M 1M", "read -P 1 2M 6M"))
        all_right(reads(cbw, "read -P 0 0 100k", "read -P 0 200k 100k", "read -P 0 3M 1M", "read -P 9 1M 512k"))
        told = [(e["offset"], e["length"], e["type"] & 2) for e in json.loads(tool("nbdinfo", "--map", "--json", snap))]
        tap.equal(told, [(0, MIB, 0), (MIB, MIB, 2), (2 * MIB, 6 * MIB, 0)])


def failing(m, **options):
    """A target whose first write to sector 0 fails."""
    m.qmp.command("blockdev-add", **named("target", driver="blkdebug", image={"driver": "qcow2", "file": m.file("target")},
                                          **{"inject-error": [{"event": "none", "iotype": "write", "sector": 0, "once": True}]}))
    m.keep(target="target", **options)


def guest_fails():
    """The guest's write fails, and the moment stays."""
    for options in {}, {"on-cbw-error": "break-guest-write"}:
        with disk() as m:
            failing(m, **options)
            uri = m.export()
            m.write_fails(0, 9)
            all_right(reads(uri, "read -P 1 0 8M"))
            m.put(0, 10)
            all_right(reads(uri, "read -P 1 0 8M"))
            m.power()
            has(m.path("raw"), 10, 0, 512, "raw")


def snapshot_fails():
    """The guest goes on, and nothing can be read of the moment, nor a backup made of it."""
    with disk() as m:
        failing(m, **{"on-cbw-error": "break-snapshot"})
        uri = m.export()
        m.put(9000, 9)
        m.put(0, 9)
        m.put(1, 9)
        for where in "0 512", "9000k 512", "1M 1M":
            tap.equal("read failed" in reads(uri, f"read {where}"), True, where)
        m.qmp.command("blockdev-add", **named("out", driver="null-co", size=SIZE))
        m.qmp.command("blockdev-backup", **{"job-id": "j", "device": "snap", "target": "out", "sync": "full"})
        tap.equal(m.qmp.event("BLOCK_JOB_COMPLETED")["data"]["error"], "Permission denied")
        m.power()
        for sector in 0, 1, 9000:
            has(m.path("raw"), 9, sector * 512, 512, "raw")


def slow_target():
    """Who writes waits for the target no longer than cbw-timeout; what was begun ends."""
    for on_error in "break-guest-write", "break-snapshot":
        with disk() as m:
            m.hmp(f"drive_add 0 if=none,id=room,node-name=target,driver=blkdebug,image.driver=null-co,image.size={SIZE}")
            m.keep(target="target", **{"on-cbw-error": on_error, "cbw-timeout": 1})
            tap.equal(m.hmp('qemu-io room "break write_aio A"'), "")
            (m.put if on_error == "break-snapshot" else m.write_fails)(0, 9)
            tap.equal(m.hmp('qemu-io room "resume A"'), "")
            m.drop("cbw")
            m.put(1, 10)
            m.power()
            has(m.path("raw"), 9 if on_error == "break-snapshot" else 1, 0, 512, "raw")
            has(m.path("raw"), 10, 512, 512, "raw")


def not_possible():
    with disk() as m:
        tool("qemu-img", "create", "-q", "-f", "qcow2", m.path("small"), "1M")
        m.add("small")
        m.add("target")

        def add(**options):
            m.qmp.command("blockdev-add", **named("cbw", **{"driver": "copy-before-write", "file": "top", "target": "target", **options}))

        for wrong, words in (({"target": "small"}, ("1048576",)), ({"target": "top"}, ("itself",)), ({"target": "file"}, ("itself",)),
                             ({"target": "absent"}, ("absent",)), ({"file": "cbw"}, ("cbw",)), ({"bitmap": {"node": "top", "name": "b"}}, ("'b'",)),
                             ({"on-cbw-error": "stop"}, ("stop",)), ({"cbw-timeout": -1}, ("cbw-timeout",))):
            refused(lambda w=wrong: add(**w), *words)
        refused(lambda: m.qmp.command("blockdev-add", **named("snap", driver="snapshot-access", file="top")), "copy-before-write", "top")
        m.qmp.command("blockdev-del", **named("target"))
        m.keep()
        for wrong, words in ("absent", ("absent",)), ("top", ("top", "cbw")):
            refused(lambda w=wrong: m.drive(w), *words)
        for node in "cbw", "top", "file", "target", "snap":
            refused(lambda n=node: m.qmp.command("blockdev-del", **named(n)) if n != "snap" else m.qmp.command("block_resize", **named(n, size=MIB)), node)
        for node in "cbw", "top", "target", "snap":
            refused(lambda n=node: m.qmp.command("block_resize", **named(n, size=2 * SIZE)), node)
        refused(lambda: m.qmp.command("blockdev-reopen", options=[named("target", driver="qcow2", file="target", backing="cbw")]))
        m.put(0, 9)


def migrates():
    """Not with what is kept, as that would not go along; without it, yes."""
    with disk() as m:
        m.keep()
        m.put(0, 9)
        m.qmp.command("migrate", uri=f"exec:cat > {m.path('state')}")
        machine.vm.wait_until(lambda: m.qmp.command("query-migrate").get("status") in ("failed", "completed"), "it ends")
        info = m.qmp.command("query-migrate")
        tap.equal((info["status"], "'cbw'" in info.get("error-desc", "")), ("failed", True), info)
        m.put(1, 10)
        m.drop()
        m.put(2, 11)


def killed():
    with disk() as m:
        m.keep()
        m.put(0, 9)
        m.kill()
        tap.equal(subprocess.run(["qemu-img", "check", "-q", m.path("target")], check=False).returncode in (0, 3), True)
        has(m.path("raw"), 9, 0, 512, "raw")


def unplugged():
    """The device may go while there is a filter, and the moment is still there; so may another one come."""
    with disk(drive=False) as m:
        m.keep(drive=False)
        uri = m.export()
        for _ in range(2):
            m.qmp.command("device_add", driver="virtio-blk-pci", drive="cbw", id="plugged", addr="5")
            m.qmp.command("device_del", id="plugged")
            m.write("l", 0xae08, 1 << 5)  # the guest lets it go: docs/pci-hotplug.md
            m.qmp.event("DEVICE_DELETED", device="plugged")
            all_right(reads(uri, "read -P 1 0 8M"))
        m.unexport()
        for node in "snap", "cbw", "target", "top":
            m.qmp.command("blockdev-del", **named(node))


def replaced():
    """Another node takes the filter's place for the guest, by a snapshot or a mirror: the moment stays where it is."""
    for mirror in False, True:
        with disk() as m:
            m.keep()
            uri = m.export()
            m.put(0, 9)
            tool("qemu-img", "create", "-q", "-f", "qcow2", m.path("over"), str(SIZE))
            m.add("over", file=m.file("over"), backing=None)
            if mirror:
                m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "cbw", "target": "over", "sync": "full"})
                m.qmp.event("BLOCK_JOB_READY")
                m.qmp.command("job-complete", id="j")
                m.ends()
            else:
                m.qmp.command("blockdev-snapshot", node="cbw", overlay="over")
            tap.equal(m.node(), "over")
            m.put(1, 10)
            all_right(reads(uri, "read -P 1 0 8M"))
            m.unexport()
            m.qmp.command("blockdev-del", **named("snap"))
            if mirror:
                m.qmp.command("blockdev-del", **named("cbw"))
            m.power()
            has(m.path("over"), 10, 512, 512)
            has(m.path("raw"), 9, 0, 512, "raw")


def replaced_below():
    """Another node comes below the filter, and the one that was there goes: what was not copied is read from the new one."""
    with disk() as m:
        m.keep()
        uri = m.export()
        m.put(0, 9)
        tool("qemu-img", "create", "-q", "-f", "qcow2", m.path("over"), str(2 * SIZE))
        m.add("over", file=m.file("over"), backing=None)
        m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "top", "target": "over", "sync": "full"})
        m.qmp.event("BLOCK_JOB_READY")
        m.put(1, 10)
        m.qmp.command("job-complete", id="j")
        m.ends()
        m.qmp.command("blockdev-del", **named("top"))
        m.put(5000, 11)
        all_right(reads(uri, "read -P 1 0 8M"))
        json.loads(tool("nbdinfo", "--map", "--json", uri))
        m.power()
        for sector, value in (0, 9), (1, 10), (5000, 11):
            has(m.path("over"), value, sector * 512, 512)


def many():
    """Several readers while a guest writes all over it: the moment, and the disk, are right."""
    with disk() as m:
        m.keep()
        uri = m.export()
        clients = []
        for number in range(4):
            with open(m.path(f"copy{number}"), "wb"):
                pass
            clients.append(subprocess.Popen(["timeout", "60", "nbdcopy", uri, m.path(f"copy{number}")]))
            for k in range(25):
                m.put((number * 25 + k) * 163, 20 + number)
        for client in clients:
            tap.equal(client.wait(), 0)
        for number in range(4):
            has(m.path(f"copy{number}"), 1, 0, SIZE, "raw")
        m.power()
        for k in range(0, 100, 7):
            has(m.path("raw"), 20 + k // 25, k * 163 * 512, 512, "raw")


if __name__ == "__main__":
    tap.run([(f.__name__, f) for f in (fleecing, overlay, from_the_start, bitmaps, incremental, discarded, holes, guest_fails, snapshot_fails, slow_target,
                                       not_possible, migrates, killed, unplugged, replaced, replaced_below, many)])

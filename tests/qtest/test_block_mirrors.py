#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Mirrors with filters above, between and below images, while a guest writes. Usage: test_block_mirrors.py BUILD-DIR"""
import json

import machine
import tap
from job_disk import MIB, SIZE, Disk, checks, has, io, tool

KINDS = "throttle", "copy-on-read", "copy-before-write"
MODES = "background", "write-blocking"


class Graph(Disk):
    """A disk of nodes, each on the one before it: images, and filters of a kind, whose names begin with f. A copy-before-write
    node keeps what there was in `kept`."""

    def __init__(self, kind, *order):
        self.kind = kind
        words = [self.node_options(name, below) for name, below in zip(order, (None, *order))]
        super().__init__(*map(json.dumps, [self.node_options("kept")] + words), node=order[-1], objects=("throttle-group,id=g",))

    def node_options(self, name, below=None):
        if name.startswith("f"):
            more = {"throttle": {"throttle-group": "g"}, "copy-before-write": {"target": "kept"}}.get(self.kind, {})
            return {"driver": self.kind, "node-name": name, "file": below, **more}
        return {"driver": "qcow2", "node-name": name, "file": {"driver": "file", "filename": f"FOLDER/{name}"}, "backing": below}

    def add_node(self, name, below=None):
        options = self.node_options(name, below)
        if "filename" in options["file"]:
            options["file"] = self.file(name)
        self.qmp.command("blockdev-add", **options)

    def prepare(self, folder):
        super().prepare(folder)
        tool("qemu-img", "create", "-q", "-f", "qcow2", f"{folder}/kept", str(SIZE))
        tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{folder}/mid", "-F", "qcow2", f"{folder}/over")

    def mirror(self, device, target, sync="full", command="blockdev-mirror", **options):
        """The guest writes before and after it is ready, and when the job has ended."""
        self.qmp.command(command, **{"job-id": "j", "device": device, "target": target, "sync": sync, **options})
        self.put(3, 9)
        self.qmp.event("BLOCK_JOB_READY", device="j")
        self.put(2048, 10)
        self.qmp.command("job-complete", id="j")
        self.ends()
        self.put(5, 11)
        self.put(10000, 12)

    def holds(self, path, old):
        """The disk's new image has all of it; the old one what was written until the job ended."""
        checks(self, old)
        for offset, value in ((3 * 512, 9), (MIB, 10)):
            has(path, value, offset, 512)
            has(self.path(old), value, offset, 512)
        has(path, 11, 5 * 512, 512)
        has(path, 12, 10000 * 512, 512)
        has(self.path(old), 1, 5 * 512, 512)
        io(self.path(old), "write -P 11 2560 512", "write -P 12 5120000 512")
        tool("qemu-img", "compare", self.path(old), path)

    def kept_old(self):
        """What the guest has written over was kept, as it was."""
        for sector, value in ((3, 1), (2048, 1), (5, 1), (10000, 3)):
            has(self.path("kept"), value, sector * 512, 512)


class Drive(Graph):
    """The disk is a -drive, with these options, whose node is `top`."""

    def __init__(self, *options, file="file.driver=file,file.filename=FOLDER/top"):
        self.kind = None
        self.drive = ",".join(("if=none,id=d,driver=qcow2,node-name=top", file, *options))
        super(Graph, self).__init__(json.dumps(self.node_options("base")), json.dumps(self.node_options("mid", "base")), node="d",
                                    more=("-drive", self.drive))


def file_of(m, name):
    return {n["node-name"]: n["file"] for n in m.qmp.command("query-named-block-nodes")}[name]


def above():
    """A filter above the image that is mirrored stays, above the new one."""
    for kind in KINDS:
        for mode in MODES[:1 + (kind == "copy-before-write")]:
            with Graph(kind, "base", "mid", "top", "f") as m:
                m.add_node("target")
                m.mirror("top", "target", **{"copy-mode": mode})
                tap.equal((m.node(), file_of(m, "f")), ("f", m.path("target")), kind)
                m.qmp.command("blockdev-del", **{"node-name": "top"})
                m.power()
                checks(m, "target")
                m.holds(m.path("target"), "top")
                if kind == "copy-before-write":
                    m.kept_old()


def mirrored():
    """A filter that is mirrored itself goes; and stays, where the image below it is replaced."""
    for kind in KINDS:
        for replaces in None, "top":
            with Graph(kind, "base", "mid", "top", "f") as m:
                m.add_node("target")
                m.mirror("f", "target", **({"replaces": replaces} if replaces else {}))
                tap.equal(m.node(), "f" if replaces else "target", kind)
                m.qmp.command("blockdev-del", **{"node-name": "top" if replaces else "f"})
                m.power()
                checks(m, "target")
                m.holds(m.path("target"), "top")


def two_above():
    for kind, device, left in ("copy-on-read", "top", "f2"), ("throttle", "f1", "f2"), ("throttle", "f2", "target"):
        with Graph(kind, "base", "mid", "top", "f1", "f2") as m:
            m.add_node("target")
            m.mirror(device, "target")
            tap.equal(m.node(), left, (kind, device))
            m.power()
            checks(m, "target")
            m.holds(m.path("target"), "top")


def between():
    """Only what is above a filter is copied, onto the same backing file."""
    for kind, device in ("throttle", "top"), ("copy-on-read", "top"), ("throttle", "f2"):
        with Graph(kind, "base", "mid", "f1", "top", "f2") as m:
            m.add_node("over", "f1")
            m.mirror(device, "over", "top")
            m.power()
            checks(m, "over")
            m.holds(m.path("over"), "top")
            tap.equal([e["depth"] for e in json.loads(tool("qemu-img", "map", "--output=json", m.path("over"))) if e["start"] == 2 * MIB], [1])


def below():
    """The target is a filter above an image."""
    for kind in KINDS:
        for mode in MODES[kind == "throttle":]:
            with Graph(kind, "base", "mid", "top") as m:
                m.add_node("target")
                m.add_node("f", "target")
                m.mirror("top", "f", **{"copy-mode": mode})
                tap.equal(m.node(), "f", kind)
                m.power()
                checks(m, "target")
                m.holds(m.path("target"), "top")


def drive_mirrors():
    """Images that the command makes name the backing files below filters."""
    kinds = ("throttle", "copy-on-read") * 3
    for device, left in ("top", "f2"), ("f2", "new"):
        for sync, backing in ("full", None), ("top", "mid"), ("none", "top"):
            kind, *kinds = kinds
            with Graph(kind, "base", "mid", "f1", "top", "f2") as m:
                m.mirror(device, m.path("new"), sync, "drive-mirror", **{"node-name": "new"})
                tap.equal(m.node(), left, (kind, device, sync))
                m.power()
                checks(m, "new")
                info = json.loads(tool("qemu-img", "info", "--output=json", m.path("new")))
                tap.equal((info.get("backing-filename"), info.get("backing-filename-format")),
                          (m.path(backing), "qcow2") if backing else (None, None), (kind, device, sync))
                m.holds(m.path("new"), "top")


def drives():
    """The node that copies on read is a part of the drive: a mirror of that is one of its image, and what fails is named by it."""
    with Drive("copy-on-read=on", "backing=mid") as m:
        m.add("target")
        m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "d", "target": "target", "sync": "full"})
        m.put(3, 9)
        m.qmp.event("BLOCK_JOB_READY", device="j")
        m.put(2048, 10)
        m.qmp.command("job-complete", id="j")
        m.ends()
        m.put(5, 11)
        m.put(10000, 12)
        tap.equal(m.node(), "target")
        m.power()
        checks(m, "target")
        m.holds(m.path("target"), "top")
    with Drive("copy-on-read=on", "werror=report", file="file.driver=blkdebug,file.image.driver=file,file.image.filename=FOLDER/top,"
               "file.inject-error.0.event=none,file.inject-error.0.iotype=write") as m:
        m.put(3, 9, check=False)
        data = m.qmp.event("BLOCK_IO_ERROR")["data"]
        tap.equal((data["device"], data["node-name"]), ("d", "top"))
        m.power()


def cancelled():
    """Limits, by which the rest would take days, do not hold up a job that is cancelled, nor anybody else."""
    for command, source, target in ("blockdev-mirror", "f", "target"), ("blockdev-mirror", "top", "f"), ("blockdev-backup", "top", "f"):
        with Graph("throttle", "base", "mid", "top", *("f" for _ in range(source == "f"))) as m:
            m.add_node("target")
            if target == "f":
                m.add_node("f", "target")
            m.qmp.command("qom-set", path="/objects/g", property="limits", value={"bps-total": 1})
            m.qmp.command(command, **{"job-id": "j", "device": source, "target": target, "sync": "full"})
            machine.vm.wait_until(lambda m=m: m.job()["offset"] > 0, "the first part is copied")
            m.qmp.command("block-job-cancel", device="j")
            event = m.qmp.event("BLOCK_JOB_CANCELLED", device="j")["data"]
            tap.equal(event["offset"] < SIZE, True, event)
            m.qmp.command("qom-set", path="/objects/g", property="limits", value={"bps-total": 0})
            m.put(3, 9)
            m.power()
            checks(m, "target", "top")


def for_people():
    """What HMP says of drives, and does with all of them, looks through filters."""
    with Graph("throttle", "base", "mid", "f1", "top", "f2") as m:
        text = m.qmp.command("human-monitor-command", **{"command-line": "info block -v"})
        tap.equal([text.count(f"image: {m.path(name)}\n") for name in ("top", "mid", "base")], [1, 1, 1], text)
        m.put(3, 9)
        tap.equal(m.qmp.command("human-monitor-command", **{"command-line": "commit all"}), "")
        m.power()
        checks(m, "mid", "top")
        has(m.path("mid"), 9, 3 * 512, 512)
        has(m.path("mid"), 3, 4 * MIB, 2 * MIB)
        tap.equal([e for e in json.loads(tool("qemu-img", "map", "--output=json", m.path("top"))) if e["depth"] == 0], [])


tap.run([("above", above), ("mirrored", mirrored), ("two above", two_above), ("between", between), ("below", below), ("drive-mirror", drive_mirrors),
         ("drives", drives), ("cancelled", cancelled), ("for people", for_people)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Backups of disks while a guest writes, transactions, and new images. Usage: test_block_backup.py BUILD-DIR"""
import json
import os
import subprocess

import tap
from job_disk import MIB, SIZE, Disk, checks, go_on, has, io, refused, slow, tool


def copy_of(m, name="before"):
    """The image as it is now, as a raw file, by the reference's tool."""
    tool("qemu-img", "convert", "-U", "-O", "raw", m.path("top"), m.path(name))


def as_before(m, name, form):
    tool("qemu-img", "compare", "-f", "raw", "-F", form, m.path("before"), m.path(name))


# ---- backups ----

def moment():
    """What was there when the job began is in the target, whenever it was copied."""
    for target, form in ("target", "qcow2"), ("raw", "raw"):
        with Disk() as m:
            copy_of(m)
            m.add(target, form)
            slow(m, "blockdev-backup", target=target, sync="full")
            m.put(6, 9)       # that part is copied
            m.put(15000, 10)  # this is not: it is copied before it is written
            m.put(15001, 11)
            m.put(15000, 12)
            go_on(m)
            m.ends(len=SIZE, offset=SIZE)
            tap.equal(m.node(), "top")
            m.put(4000, 13)
            m.power()
            checks(m, "top", *(["target"] if form == "qcow2" else []))
            as_before(m, target, form)
            has(m.path("top"), 12, 15000 * 512, 512)


def compressed():
    """By commands and HMP; all clusters, also those that are written before they are copied, are small."""
    with Disk() as m:
        copy_of(m)
        m.add("target", "qcow2")
        slow(m, "blockdev-backup", target="target", sync="full", compress=True)
        m.put(15000, 10)
        go_on(m)
        m.ends(len=SIZE, offset=SIZE)
        m.qmp.command("blockdev-del", **{"node-name": "target"})
        as_before(m, "target", "qcow2")
        found = json.loads(tool("qemu-img", "check", "--output=json", m.path("target")))
        tap.equal((found["compressed-clusters"] > 0, found["compressed-clusters"]), (True, found["allocated-clusters"]))
        copy_of(m, "later")
        m.qmp.command("drive-backup", **{"job-id": "j", "device": "top", "target": m.path("new"), "format": "qcow2", "sync": "full", "compress": True})
        m.ends()
        refused(lambda: m.qmp.command("drive-backup", **{"job-id": "j", "device": "top", "target": m.path("flat"), "format": "raw", "sync": "full", "compress": True}),
                "no qcow2 image")
        m.power()
        checks(m, "top", "target", "new")
        tool("qemu-img", "compare", "-f", "raw", "-F", "qcow2", m.path("later"), m.path("new"))


def kinds():
    """Only the image; only what is written; and files that the command makes."""
    with Disk() as m:
        copy_of(m)
        m.qmp.command("drive-backup", **{"job-id": "j", "device": "top", "target": m.path("new"), "sync": "top", "speed": 1})
        m.put(0, 9)
        m.put(9000, 9)
        go_on(m)
        m.ends()
        tool("qemu-img", "compare", "-U", m.path("new"), m.path("before"))
        tap.equal(f"backing file: {m.path('mid')}" in tool("qemu-img", "info", m.path("new")), True)
        # From here on with sync=none: the target shows the moment through the source, while the job is there.
        m.qmp.command("drive-backup", **{"job-id": "j", "device": "top", "target": m.path("none"), "sync": "none"})
        m.put(0, 10)
        tap.equal(m.job()["offset"], 65536)
        m.qmp.command("block-job-cancel", device="j")
        m.qmp.event("BLOCK_JOB_CANCELLED")
        m.power()
        checks(m, "new", "none")
        has(m.path("none"), 9, 0, 512)
        has(m.path("none"), 1, 512, 65024)
        has(m.path("top"), 10, 0, 512)


def no_backing_file():
    """A raw image has no backing file: what is not copied would be missing in it. Refused, and the file is as it was; also
    in HMP, where only the image is copied unless -f says all. A source without a backing file is copied whole."""
    with Disk() as m:
        io(m.path("raw"), "write -P 9 1M 1M", form="raw")
        m.add("raw", "raw")
        kept = b"kept" * 1000
        with open(m.path("kept"), "wb") as file:
            file.write(kept)
        for command in "drive-backup", "drive-mirror":
            for device, sync, mode in (("top", "top", "absolute-paths"), ("top", "none", "absolute-paths"),
                                       ("raw", "none", "absolute-paths"), ("top", "none", "existing")):
                for form in {"format": "raw"}, {}:
                    if (not form and device == "top" and mode != "existing") or (command, mode) == ("drive-mirror", "existing"):
                        continue  # that makes a qcow2 image; it is for the user to see that all is there
                    options = {"job-id": "j", "device": device, "target": m.path("kept"), "sync": sync, "mode": mode, **form}
                    refused(lambda c=command, o=options: m.qmp.command(c, **o), f"sync={sync}", f"'{device}'", "format=qcow2", "sync=full")
        said = [m.qmp.command("human-monitor-command", **{"command-line": f"{line} top {m.path('kept')} raw"})
                for line in ("drive_backup", "drive_mirror")]
        tap.equal(["format=qcow2 or sync=full" in text for text in said], [True, True], said)
        with open(m.path("kept"), "rb") as file:
            tap.equal(file.read() == kept, True, "the file")
        m.qmp.command("drive-backup", **{"job-id": "j", "device": "raw", "target": m.path("kept"), "sync": "top", "format": "raw"})
        m.ends(len=SIZE)
        has(m.path("kept"), 9, MIB, MIB, form="raw")


def target_is_a_drive():
    """By its id, as the source."""
    with Disk() as m:
        copy_of(m)
        for name, kind in ("t", "disk"), ("e", "cdrom"):
            file = f",format=raw,file={m.path('raw')}" if kind == "disk" else ""
            said = m.qmp.command("human-monitor-command", **{"command-line": f"drive_add 0 if=none,id={name},media={kind}{file}"})
            tap.equal(said.strip(), "OK")
        for command in "blockdev-backup", "blockdev-mirror":
            refused(lambda c=command: m.qmp.command(c, **{"job-id": "j", "device": "top", "target": "e", "sync": "full"}), "'e'", "no medium")
            refused(lambda c=command: m.qmp.command(c, **{"job-id": "j", "device": "top", "target": "absent", "sync": "full"}), "'absent'")
        m.qmp.command("blockdev-backup", **{"job-id": "j", "device": "top", "target": "t", "sync": "full"})
        m.ends(len=SIZE)
        m.put(0, 9)
        m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "top", "target": "t", "sync": "full"})
        m.qmp.event("BLOCK_JOB_READY")
        m.qmp.command("block-job-cancel", device="j")
        m.qmp.event("JOB_STATUS_CHANGE", id="j", status="null")
        copy_of(m)
        m.power()
        as_before(m, "raw", "raw")


def target_fails():
    """The guest goes on when its data cannot be kept; the job does not."""
    with Disk() as m:
        m.qmp.command("blockdev-add", **{"driver": "blkdebug", "node-name": "raw", "image": m.file("raw"),
                                         "inject-error": [{"event": "write_aio", "sector": 15000}]})
        slow(m, "blockdev-backup", target="raw", sync="full", **{"on-target-error": "stop"})
        m.put(15000, 9)
        tap.equal(m.qmp.event("BLOCK_JOB_COMPLETED")["data"]["error"], "Input/output error")
        m.power()
        has(m.path("top"), 9, 15000 * 512, 512)


def source_fails():
    """By each policy; and what is tried again goes well."""
    for policy, action in ("report", "report"), ("ignore", "ignore"), ("stop", "stop"):
        with Disk() as m:
            io(m.path("raw"), "write -P 1 0 1M", form="raw")
            m.qmp.command("blockdev-add", **{"driver": "blkdebug", "node-name": "src", "image": m.file("raw"),
                                             "inject-error": [{"event": "read_aio", "once": True}]})
            m.add()
            m.qmp.command("blockdev-backup", **{"job-id": "j", "device": "src", "target": "target", "sync": "full",
                                                "on-source-error": policy})
            m.qmp.event("BLOCK_JOB_ERROR", operation="read", action=action)
            if action == "stop":
                m.qmp.event("JOB_STATUS_CHANGE", status="paused")
                m.qmp.command("job-resume", id="j")
            if action == "report":
                tap.equal(m.qmp.event("BLOCK_JOB_COMPLETED")["data"]["error"], "Input/output error")
            else:
                m.ends()


def no_backup():
    with Disk() as m:
        m.add()
        tool("qemu-img", "create", "-q", "-f", "qcow2", m.path("small"), "1M")
        m.add("small")
        for wrong, words in (({"target": "small"}, "1048576"), ({"sync": "bitmap", "bitmap": "b"}, "bitmap-mode"),
                             ({"sync": "bitmap", "bitmap-mode": "never"}, "'bitmap' missing"), ({"bitmap-mode": "never"}, "'bitmap' missing"),
                             ({"sync": "incremental", "bitmap": "b"}, "no 'b'"), ({"bitmap": "b"}, "bitmap-mode"),
                             ({"sync": "incremental", "bitmap": "b", "bitmap-mode": "always"}, "on-success"),
                             ({"bitmap": "b", "bitmap-mode": "never"}, "sync=full"), ({"sync": "none", "bitmap": "b", "bitmap-mode": "always"}, "sync=none"),
                             ({"sync": "incremental"}, "incremental"), ({"target": "top"}, "itself"), ({"target": "absent"}, "absent"),
                             ({"job-id": "?"}, "'?'"), ({"filter-node-name": "top"}, "top")):
            options = {"job-id": "j", "device": "top", "target": "target", "sync": "full", **wrong}
            refused(lambda o=options: m.qmp.command("blockdev-backup", **o), *words.split())
        refused(lambda: m.qmp.command("drive-backup", **{"job-id": "j", "device": "top", "target": m.path("new"), "sync": "full", "format": "vmdk"}),
                "vmdk")
        tap.equal(m.qmp.command("query-jobs"), [])


def killed():
    with Disk() as m:
        m.add()
        slow(m, "blockdev-backup", target="target", sync="full")
        m.put(15000, 9)
        m.kill()
        for image in "top", "target":
            tap.equal(subprocess.run(["qemu-img", "check", "-q", m.path(image)], check=False).returncode in (0, 3), True, image)
        has(m.path("top"), 9, 15000 * 512, 512)


# ---- transactions ----

def actions(*pairs):
    return [{"type": kind, "data": data} for kind, data in pairs]


def all_or_none():
    with Disk() as m:
        m.add()

        def nodes():
            return [(n["node-name"], n["file"], n["ro"], n.get("backing_file")) for n in m.qmp.command("query-named-block-nodes")]

        before = nodes()
        backup = ("blockdev-backup", {"job-id": "j", "device": "top", "target": "target", "sync": "full"})
        internal = ("blockdev-snapshot-internal-sync", {"device": "top", "name": "s"})
        overlay = ("blockdev-snapshot-sync", {"node-name": "target", "snapshot-file": m.path("over"), "snapshot-node-name": "over"})
        for wrong in ("abort", {}), ("blockdev-snapshot", {"node": "top", "overlay": "absent"}):
            refused(lambda w=wrong: m.qmp.command("transaction", actions=actions(internal, overlay, w)))
            tap.equal(nodes(), before, wrong)
            refused(lambda w=wrong: m.qmp.command("transaction", actions=actions(backup, w)))
            m.qmp.event("JOB_STATUS_CHANGE", id="j", status="created")
            m.qmp.event("JOB_STATUS_CHANGE", id="j", status="aborting")
            m.qmp.event("JOB_STATUS_CHANGE", id="j", status="null")
            tap.equal(m.qmp.command("query-jobs"), [])
        m.put(0, 9)
        m.power()
        checks(m, "top", "target")
        has(m.path("top"), 9, 0, 512)


def one_moment():
    """A snapshot and a backup: neither has what is written after that."""
    with Disk() as m:
        copy_of(m)
        m.add()
        m.qmp.command("transaction", actions=actions(
            ("blockdev-snapshot-internal-sync", {"device": "top", "name": "s"}),
            ("blockdev-backup", {"job-id": "j", "device": "top", "target": "target", "sync": "full"})))
        m.put(0, 9)
        m.ends()
        m.qmp.command("transaction", actions=actions(
            ("blockdev-snapshot-sync", {"node-name": "top", "snapshot-file": m.path("over"), "snapshot-node-name": "over"})))
        tap.equal(m.node(), "over")
        m.put(1, 10)
        m.power()
        checks(m, "top", "target", "over")
        as_before(m, "target", "qcow2")
        has(m.path("top"), 9, 0, 512)
        has(m.path("top"), 1, 512, 512)
        has(m.path("over"), 10, 512, 512)
        tool("qemu-img", "snapshot", "-a", "s", m.path("top"))
        as_before(m, "top", "qcow2")


def together():
    """Jobs of a group end together, or fail together."""
    for fails in False, True:
        with Disk() as m:
            m.add()
            m.qmp.command("blockdev-add", **{"driver": "null-co", "node-name": "src", "size": MIB, "read-zeroes": True})
            m.qmp.command("blockdev-add", **{"driver": "blkdebug", "node-name": "dst", "image": {"driver": "null-co", "size": MIB},
                                             "inject-error": [{"event": "write_aio"}] if fails else []})
            m.qmp.command("transaction", properties={"completion-mode": "grouped"}, actions=actions(
                ("blockdev-backup", {"job-id": "j", "device": "top", "target": "target", "sync": "full", "speed": 1}),
                ("blockdev-backup", {"job-id": "k", "device": "src", "target": "dst", "sync": "full"})))
            if fails:
                tap.equal(m.qmp.event("BLOCK_JOB_COMPLETED", device="k")["data"]["error"], "Input/output error")
                m.qmp.event("BLOCK_JOB_CANCELLED", device="j")
            else:
                m.qmp.event("JOB_STATUS_CHANGE", id="k", status="waiting")
                tap.equal([j["status"] for j in m.qmp.command("query-jobs") if j["id"] == "k"], ["waiting"])
                go_on(m)
                m.ends("j")
                m.ends("k")
            refused(lambda: m.qmp.command("transaction", properties={"completion-mode": "grouped"}, actions=actions(
                ("blockdev-snapshot-internal-sync", {"device": "top", "name": "s"}))), "grouped")


# ---- dirty bitmaps ----

def bitmap(m, name="b"):
    """Bytes that are marked, whether it records, and whether a job has it; None: it is not there."""
    node = next(n for n in m.qmp.command("query-named-block-nodes") if n["node-name"] == "top")
    return next(((b["count"], b["recording"], b["busy"]) for b in node.get("dirty-bitmaps", []) if b["name"] == name), None)


def named(name="b"):
    return {"node": "top", "name": name}


def change(m, what, name="b", **options):
    m.qmp.execute({"execute": f"block-dirty-bitmap-{what}", "arguments": {**named(name), **options}})


def target_over(m, name, below):
    """An empty image on top of another one, for what has changed."""
    tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", m.path(below), "-F", "qcow2", m.path(name))
    m.qmp.command("blockdev-add", driver="qcow2", file=m.file(name), backing=None, **{"node-name": name})


def incremental():
    """A full backup and a bitmap at one moment; then what was written since, again and again: each is the disk of its
    moment, and has only what had changed."""
    with Disk() as m:
        m.add()
        m.qmp.command("transaction", actions=actions(
            ("block-dirty-bitmap-add", named()),
            ("blockdev-backup", {"job-id": "j", "device": "top", "target": "target", "sync": "full"})))
        m.put(100, 9)  # perhaps while it goes on: it is not in the backup, and is marked
        m.ends(len=SIZE)
        below = "target"
        for number, sync in enumerate(({"sync": "incremental"}, {"sync": "bitmap", "bitmap-mode": "on-success"}, {"sync": "incremental"})):
            m.put(8000, 20 + number)
            name = f"i{number}"
            target_over(m, name, below)
            copy_of(m)
            marked = 2 * 65536  # sectors 8000, and 100 or, later, 9000
            tap.equal(bitmap(m), (marked, True, False))
            m.qmp.command("blockdev-backup", **{"job-id": "j", "device": "top", "target": name, "bitmap": "b", **sync})
            m.ends(len=marked, offset=marked)
            tap.equal(bitmap(m), (0, True, False))
            tool("qemu-img", "compare", "-U", m.path(name), m.path("before"))
            m.put(9000, 30 + number)
            below = name
        m.power()
        checks(m, "top", "i0", "i1", "i2")


def what_becomes_of_it():
    """By each mode, of a backup that goes well, and of one that fails when half of it is copied."""
    for mode, well, failed in (("on-success", 65536, 196608), ("never", 196608, 196608), ("always", 65536, 131072)):
        for fails in False, True:
            with Disk() as m:
                m.qmp.command("blockdev-add", **{"driver": "blkdebug", "node-name": "dst", "image": m.file("raw"),
                                                 "inject-error": [{"event": "write_aio", "sector": 8000}] if fails else []})
                change(m, "add")
                m.put(0, 9)
                m.put(8000, 9)
                slow(m, "blockdev-backup", target="dst", sync="bitmap", bitmap="b", **{"bitmap-mode": mode})
                tap.equal(bitmap(m)[2], True)
                refused(lambda: change(m, "clear"), "'b'", "job")
                refused(lambda: change(m, "remove"), "'b'", "job")
                m.put(16000, 9)
                go_on(m)
                if fails:
                    tap.equal(m.qmp.event("BLOCK_JOB_COMPLETED")["data"]["error"], "Input/output error")
                    m.qmp.event("JOB_STATUS_CHANGE", id="j", status="null")
                else:
                    m.ends()
                tap.equal(bitmap(m), (failed if fails else well, True, False), f"{mode}, {fails}")


def bitmaps_of_a_group():
    """If one job of a group fails, what the other one has copied is still marked."""
    with Disk() as m:
        m.add()
        m.qmp.command("blockdev-add", **{"driver": "null-co", "node-name": "src", "size": MIB, "read-zeroes": True})
        m.qmp.command("blockdev-add", **{"driver": "blkdebug", "node-name": "dst", "image": {"driver": "null-co", "size": MIB},
                                         "inject-error": [{"event": "write_aio"}]})
        change(m, "add")
        m.put(0, 9)
        m.qmp.command("transaction", properties={"completion-mode": "grouped"}, actions=actions(
            ("block-dirty-bitmap-add", named("other")),
            ("blockdev-backup", {"job-id": "j", "device": "top", "target": "target", "sync": "incremental", "bitmap": "b"}),
            ("blockdev-backup", {"job-id": "k", "device": "src", "target": "dst", "sync": "full"})))
        m.qmp.event("BLOCK_JOB_COMPLETED", device="k")
        m.qmp.event("BLOCK_JOB_CANCELLED", device="j")
        m.qmp.event("JOB_STATUS_CHANGE", id="j", status="null")
        tap.equal((bitmap(m), bitmap(m, "other")), ((65536, True, False), (0, True, False)))


def bitmaps_all_or_none():
    """What a transaction does to bitmaps is undone when it fails; also if the image keeps them."""
    for persistent in False, True:
        with Disk() as m:
            for name in "a", "b", "c":
                change(m, "add", name, persistent=persistent)
            m.put(0, 9)
            change(m, "disable", "c")
            m.put(8000, 9)
            tap.equal([bitmap(m, name) for name in "abc"], [(131072, True, False), (131072, True, False), (65536, False, False)])
            steps = [("block-dirty-bitmap-add", {"persistent": persistent, **named("d")}), ("block-dirty-bitmap-clear", named("a")),
                     ("block-dirty-bitmap-disable", named("b")), ("block-dirty-bitmap-enable", named("c")),
                     ("block-dirty-bitmap-merge", {"node": "top", "target": "d", "bitmaps": ["c", {"node": "top", "name": "b"}]}),
                     ("block-dirty-bitmap-remove", named("b"))]
            for wrong in ("abort", {}), ("block-dirty-bitmap-clear", named("absent")), ("block-dirty-bitmap-add", named("a")):
                refused(lambda w=wrong: m.qmp.command("transaction", actions=actions(*steps, w)))
                tap.equal([bitmap(m, name) for name in "abcd"],
                          [(131072, True, False), (131072, True, False), (65536, False, False), None])
            m.qmp.command("transaction", actions=actions(*steps))
            tap.equal([bitmap(m, name) for name in "abcd"],
                      [(0, True, False), None, (65536, True, False), (131072, True, False)])
            m.power()
            checks(m, "top")


# ---- new images ----

def create():
    with Disk() as m:
        def job(error=None, **options):
            m.qmp.command("blockdev-create", **{"job-id": "c", "options": options})
            m.qmp.event("JOB_STATUS_CHANGE", id="c", status="concluded")
            info = m.qmp.command("query-jobs")[0]
            tap.equal((info["type"], info["status"], error or "" if error is None else error in info["error"]),
                      ("create", "concluded", "" if error is None else True))
            m.qmp.command("job-dismiss", id="c")

        job(driver="file", filename=m.path("new"), size=0)
        m.qmp.command("blockdev-add", **{"driver": "file", "node-name": "new", "filename": m.path("new")})
        job(driver="qcow2", file="new", size=SIZE, **{"backing-file": m.path("top"), "backing-fmt": "qcow2", "cluster-size": 4096})
        info = tool("qemu-img", "info", m.path("new"))
        tap.equal([word for word in ("cluster_size: 4096", f"backing file: {m.path('top')}", "backing file format: qcow2") if word not in info], [])
        m.qmp.command("blockdev-add", **{"driver": "qcow2", "node-name": "over", "file": "new", "backing": None})
        m.qmp.command("blockdev-snapshot", node="top", overlay="over")
        m.put(0, 9)
        job(error="cluster_size", driver="qcow2", file="new", size=SIZE, **{"cluster-size": 1000})
        job(error="'over'", driver="qcow2", file="new", size=SIZE)
        job(error="absent", driver="qcow2", file="absent", size=SIZE)
        refused(lambda: m.qmp.command("blockdev-create", **{"job-id": "c", "options": {"driver": "null-co"}}), "null-co")
        for preallocation in "metadata", "full":
            job(driver="qcow2", file={"driver": "file", "filename": m.path("raw")}, size=SIZE, preallocation=preallocation)
            checks(m, "raw")
        # No room in the middle: the file takes none, and is no image.
        open(m.path("short"), "wb").close()
        job(error="No space", driver="qcow2", size=SIZE, preallocation="full",
            file={"driver": "blkdebug", "image": {"driver": "file", "filename": m.path("short")},
                  "inject-error": [{"event": "none", "iotype": "write", "sector": 1024, "errno": 28}]})
        tap.equal((os.stat(m.path("short")).st_size, os.stat(m.path("short")).st_blocks), (0, 0))
        m.power()
        checks(m, "top", "new")
        has(m.path("new"), 9, 0, 512)
        tap.equal(os.path.exists(m.path("new")), True)


def create_meanwhile():
    """The machine and the monitor go on while an image is made, and nobody takes what it is made in away. It can be cancelled; the end of the program does not wait for it."""
    with Disk() as m:
        def limit(**limits):
            m.qmp.command("qom-set", path="/objects/g", property="limits", value=limits)

        def start(name, size):
            limit(**{"bps-total": MIB})  # the clock of the limits stands still
            m.qmp.command("blockdev-create", **{"job-id": name, "options": {
                "driver": "qcow2", "file": "limited", "size": size, "preallocation": "full"}})
            tap.equal([(j["id"], j["status"]) for j in m.qmp.command("query-jobs")], [(name, "running")])

        def ends(name):
            limit(**{"bps-total": 0})
            m.qmp.event("JOB_STATUS_CHANGE", id=name, status="concluded")
            errors = [j.get("error") for j in m.qmp.command("query-jobs")]
            m.qmp.command("job-dismiss", id=name)
            return errors

        m.qmp.command("object-add", **{"qom-type": "throttle-group", "id": "g"})
        open(m.path("new"), "wb").close()
        m.qmp.command("blockdev-add", **{"driver": "file", "node-name": "new", "filename": m.path("new")})
        m.qmp.command("blockdev-add", **{"driver": "throttle", "node-name": "limited", "throttle-group": "g", "file": "new"})
        start("c", 256 * MIB)
        m.put(0, 9)
        m.qmp.command("query-named-block-nodes")
        for node in "new", "limited":
            refused(lambda n=node: m.qmp.command("block_resize", **{"node-name": n, "size": MIB}), "job 'c'")
            refused(lambda n=node: m.qmp.command("blockdev-del", **{"node-name": n}))
        m.qmp.command("job-cancel", id="c")
        tap.equal((ends("c"), os.stat(m.path("new")).st_size), (["Operation canceled"], 0))
        start("d", 2 * MIB)
        tap.equal(ends("d"), [None])
        checks(m, "new")
        start("e", 256 * MIB)
        m.power()


if __name__ == "__main__":
    tap.run([(f.__name__, f) for f in (moment, compressed, kinds, no_backing_file, target_is_a_drive, target_fails, source_fails, no_backup, killed, all_or_none, one_moment, together, incremental, what_becomes_of_it,
                                       bitmaps_of_a_group, bitmaps_all_or_none, create, create_meanwhile)])

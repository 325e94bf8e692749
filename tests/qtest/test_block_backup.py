#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Backups of disks while a guest writes, transactions, and new images. Usage: test_block_backup.py BUILD-DIR"""
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
        for wrong, words in (({"target": "small"}, "1048576"), ({"sync": "bitmap", "bitmap": "b"}, "bitmap"), ({"compress": True}, "compress"),
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
        m.power()
        checks(m, "top", "new")
        has(m.path("new"), 9, 0, 512)
        tap.equal(os.path.exists(m.path("new")), True)


if __name__ == "__main__":
    tap.run([(f.__name__, f) for f in (moment, kinds, target_fails, source_fails, no_backup, killed, all_or_none, one_moment, together, create)])

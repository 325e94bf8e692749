#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs on block nodes: what they copy while a guest writes, their verbs, errors, ends. Usage: test_block_jobs.py BUILD-DIR"""
import os
import subprocess

import machine
import tap
from job_disk import MIB, SIZE, Disk, checks, go_on, has, io, refused, slow, tool

# ---- mirror ----

def mirror_and_pivot():
    for mode in "background", "write-blocking":
        with Disk() as m:
            m.add()
            m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "top", "target": "target", "sync": "full", "copy-mode": mode})
            m.qmp.event("BLOCK_JOB_READY", device="j")
            m.put(3, 9)
            m.put(2048, 10)
            m.qmp.command("job-complete", id="j")
            m.ends()
            tap.equal(m.node(), "target")
            m.put(5, 11)
            m.qmp.command("blockdev-del", **{"node-name": "top"})
            m.power()
            checks(m, "top", "target")
            for name in "top", "target":
                has(m.path(name), 9, 3 * 512, 512)
                has(m.path(name), 10, MIB, 512)
            has(m.path("target"), 11, 5 * 512, 512)
            has(m.path("top"), 1, 5 * 512, 512)
            io(m.path("top"), "write -P 11 2560 512")
            tool("qemu-img", "compare", m.path("top"), m.path("target"))


def mirror_while_paused():
    """What the guest writes is copied by the job, which does not do so while it is paused; or by who writes."""
    for mode, there in ("background", 0), ("write-blocking", 9):
        with Disk() as m:
            m.add("raw", "raw")
            m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "top", "target": "raw", "sync": "full", "copy-mode": mode})
            m.qmp.event("BLOCK_JOB_READY", device="j")
            m.qmp.command("job-pause", id="j")
            m.qmp.event("JOB_STATUS_CHANGE", id="j", status="standby")
            m.put(16000, 9)
            with open(m.path("raw"), "rb") as file:
                tap.equal(os.pread(file.fileno(), 1, 16000 * 512)[0], there, mode)
            m.qmp.command("job-resume", id="j")
            m.qmp.command("block-job-cancel", device="j")  # ready: it ends well, without the last change
            m.ends()
            tap.equal(m.node(), "top")
            m.power()
            tool("qemu-img", "compare", m.path("top"), m.path("raw"))


def mirror_kinds():
    """sync=top onto the same backing file, none, and files that the command makes."""
    with Disk() as m:
        tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", m.path("mid"), "-F", "qcow2", m.path("over"))
        m.add("over")
        m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "top", "target": "over", "sync": "top"})
        m.qmp.event("BLOCK_JOB_READY", len=2 * MIB)
        m.qmp.command("job-complete", id="j")
        m.ends(len=2 * MIB, offset=2 * MIB)
        m.qmp.command("drive-mirror", **{"job-id": "j", "device": "over", "target": m.path("new"), "sync": "full",
                                         "node-name": "new"})
        m.qmp.event("BLOCK_JOB_READY")
        m.qmp.command("job-complete", id="j")
        m.ends()
        tap.equal(m.node(), "new")
        m.qmp.command("drive-mirror", **{"job-id": "j", "device": "new", "target": m.path("none"), "sync": "none",
                                         "node-name": "none"})
        m.qmp.event("BLOCK_JOB_READY", len=0)
        m.put(0, 7)
        m.qmp.command("job-complete", id="j")
        m.ends()
        m.power()
        checks(m, "over", "new", "none")
        tool("qemu-img", "compare", m.path("top"), m.path("over"))
        has(m.path("none"), 7, 0, 512)
        has(m.path("none"), 1, 512, 512)
        tap.equal(f"backing file: {m.path('new')}" in tool("qemu-img", "info", m.path("none")), True)


def mirror_with_late_backing():
    """A target of sync=top gets its backing file when the rest is there, as libvirt does it: also where the guest has written less than
    a cluster, which the target would else fill with zeros; and where a filter is above it."""
    for mode, target in ("background", "over"), ("write-blocking", "over"), ("background", "filter"):
        with Disk() as m:
            tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", m.path("mid"), "-F", "qcow2", m.path("over"))
            m.add("over", backing=None)
            m.qmp.command("object-add", **{"qom-type": "throttle-group", "id": "g"})
            if target == "filter":
                m.qmp.command("blockdev-add", **{"driver": "throttle", "node-name": target, "throttle-group": "g", "file": "over"})
            m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "top", "target": target, "sync": "top", "granularity": 512,
                                                "copy-mode": mode})
            m.qmp.event("BLOCK_JOB_READY")
            m.put(3 * 2048 + 1, 9)  # in a cluster that mid has
            m.add("again", file=m.file("mid"), **{"read-only": True})
            m.add(backing="again")
            refused(lambda m=m: m.qmp.command("blockdev-snapshot", node="again", overlay="over"), "over", "in use")
            m.qmp.command("blockdev-del", **{"node-name": "target"})
            m.qmp.command("transaction", actions=[{"type": "blockdev-snapshot", "data": {"node": "again", "overlay": "over"}}])
            m.put(3 * 2048 + 200, 10)
            m.qmp.command("job-complete", id="j")
            m.ends()
            tap.equal(m.node(), target)
            m.power()
            checks(m, "over")
            tool("qemu-img", "compare", m.path("top"), m.path("over"))
            has(m.path("over"), 9, 3 * MIB + 512, 512)
            has(m.path("over"), 2, 3 * MIB + 1024, 512)


def late_backing_undone():
    """A transaction that fails takes the backing file away again: the mirror goes on."""
    with Disk() as m:
        m.add(backing=None)
        m.add("again", file=m.file("mid"), **{"read-only": True})
        m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "top", "target": "target", "sync": "full"})
        m.qmp.event("BLOCK_JOB_READY")
        snapshot = {"type": "blockdev-snapshot", "data": {"node": "again", "overlay": "target"}}
        refused(lambda: m.qmp.command("transaction", actions=[snapshot, {"type": "abort", "data": {}}]), "abort")
        m.qmp.command("blockdev-del", **{"node-name": "again"})
        m.put(3, 9)
        m.qmp.command("job-complete", id="j")
        m.ends()
        m.power()
        checks(m, "target")
        tool("qemu-img", "compare", m.path("top"), m.path("target"))


def mirror_refused():
    with Disk() as m:
        m.add("raw", "raw")
        for wrong, words in (({"replaces": "base"}, "base"), ({"replaces": "raw"}, "raw top"), ({"granularity": 1000}, "granularity"),
                             ({"sync": "bitmap"}, "bitmap"), ({"target": "top"}, "itself"), ({"speed": -1}, "speed"), ({"buf-size": -1}, "buf-size"),
                             ({"job-id": "1"}, "'1'"), ({"target": "absent"}, "absent"), ({"device": "absent"}, "absent"),
                             ({"filter-node-name": "top"}, "top")):
            options = {"job-id": "j", "device": "top", "target": "raw", "sync": "full", **wrong}
            refused(lambda o=options: m.qmp.command("blockdev-mirror", **o), *words.split())
        tap.equal(m.qmp.command("query-jobs"), [])
        tool("qemu-img", "create", "-q", "-f", "qcow2", m.path("small"), "1M")
        m.add("small")
        refused(lambda: m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "top", "target": "small", "sync": "full"}), "small", "1048576")
        refused(lambda: m.qmp.command("blockdev-mirror", device="top", target="raw", sync="full"), "job ID")


# ---- stream and commit ----

def stream():
    for base in None, "base":
        with Disk() as m:
            slow(m, "block-stream", **({"base": m.path(base)} if base else {}))
            m.put(6, 9)      # that part is copied
            m.put(6000, 10)  # and this is not
            go_on(m)
            m.ends()
            m.power()
            checks(m, "top")
            text = tool("qemu-img", "info", m.path("top"))
            tap.equal(f"backing file: {m.path('base')}" in text if base else "backing file" not in text, True, text)
            for value, offset, size in ((9, 3072, 512), (10, 3072000, 512), (1, 4096, MIB), (2, 2 * MIB, MIB // 2),
                                        (3, 4 * MIB, 2 * MIB), (0, 6 * MIB, 2 * MIB)):
                has(m.path("top"), value, offset, size)
            if base:
                io(m.path("base"), f"write -P 0 0 {SIZE}")
                has(m.path("top"), 2, 2 * MIB, MIB // 2)


def nothing_to_stream():
    """An image without a backing file, or with the one that is to stay: there is nothing to do, and the job says so."""
    with Disk() as m:
        for node, options in ("target", {}), ("top", {"base": m.path("mid")}):
            if node == "target":
                m.add("target")
            m.qmp.command("block-stream", **{"job-id": "j", "device": node, **options})
            m.ends(len=0, offset=0)


def stream_below():
    """Into an image that is a backing file, and only read."""
    with Disk() as m:
        middle = next(n["node-name"] for n in m.qmp.command("query-named-block-nodes") if n["file"] == m.path("mid") and n["drv"] == "qcow2")
        m.qmp.command("block-stream", **{"job-id": "j", "device": middle})
        m.ends()
        nodes = {n["file"]: n["ro"] for n in m.qmp.command("query-named-block-nodes")}
        tap.equal((nodes.get(m.path("mid")), m.path("base") in nodes), (True, False))
        m.power()
        checks(m, "mid", "top")
        has(m.path("mid"), 1, 0, 2 * MIB)
        tap.equal("backing file" in tool("qemu-img", "info", m.path("mid")), False)


def commit_active():
    with Disk() as m:
        m.qmp.command("block-commit", **{"job-id": "j", "device": "top"})
        m.qmp.event("BLOCK_JOB_READY", type="commit")
        m.put(0, 9)
        m.put(12000, 10)
        m.qmp.command("job-complete", id="j")
        m.ends()
        m.put(1, 11)
        m.qmp.command("blockdev-del", **{"node-name": "top"})
        tap.equal([n["ro"] for n in m.qmp.command("query-named-block-nodes")], [False, False])
        m.power()
        checks(m, "base")
        for value, offset, size in ((9, 0, 512), (11, 512, 512), (1, 1024, MIB), (2, 2 * MIB, 2 * MIB), (3, 4 * MIB, MIB),
                                    (10, 6144000, 512)):
            has(m.path("base"), value, offset, size)


def commit_below():
    """Images between the top and the base go."""
    with Disk() as m:
        m.qmp.command("block-commit", **{"job-id": "j", "device": "top", "top": m.path("mid"), "base": m.path("base"), "speed": 1})
        m.put(6000, 9)
        go_on(m)
        m.ends()
        nodes = {n["file"]: n["ro"] for n in m.qmp.command("query-named-block-nodes")}
        tap.equal(nodes, {m.path("base"): True, m.path("top"): False})
        m.power()
        checks(m, "base", "top")
        tap.equal(f"backing file: {m.path('base')}" in tool("qemu-img", "info", m.path("top")), True)
        has(m.path("base"), 2, 2 * MIB, 3 * MIB)
        for value, offset, size in ((9, 3072000, 512), (1, 0, 2 * MIB), (2, 2 * MIB, MIB // 2), (3, 4 * MIB, 2 * MIB)):
            has(m.path("top"), value, offset, size)


def commit_cancelled():
    """The top has everything as before; the base, which was only read, is only read again."""
    with Disk() as m:
        m.qmp.command("block-commit", **{"job-id": "j", "device": "top"})
        m.qmp.event("BLOCK_JOB_READY", type="commit")
        m.put(0, 9)
        m.qmp.command("job-cancel", id="j")
        m.qmp.event("BLOCK_JOB_CANCELLED")
        tap.equal({n["file"]: n["ro"] for n in m.qmp.command("query-named-block-nodes")},
                  {m.path("base"): True, m.path("mid"): True, m.path("top"): False})
        m.put(1, 10)
        m.power()
        checks(m, "base", "mid", "top")
        has(m.path("top"), 9, 0, 512)
        has(m.path("top"), 10, 512, 512)


# ---- verbs, errors, ends ----

def errors():
    """What is done when the target fails, by each policy."""
    for policy, errno, action, nospace in (("report", 5, "report", False), ("ignore", 5, "ignore", False), ("stop", 5, "stop", False),
                                           ("enospc", 28, "stop", True), ("enospc", 5, "report", False)):
        with Disk() as m:
            m.qmp.command("blockdev-add", **{"driver": "blkdebug", "node-name": "raw", "image": m.file("raw"),
                                             "inject-error": [{"event": "write_aio", "errno": errno, "once": True}]})
            m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "top", "target": "raw", "sync": "full", "on-target-error": policy})
            m.qmp.event("BLOCK_JOB_ERROR", device="j", operation="write", action=action)
            if action == "report":
                event = m.qmp.event("BLOCK_JOB_COMPLETED", device="j")
                tap.equal(event["data"]["error"], "Input/output error")
                continue
            if action == "stop":
                m.qmp.event("JOB_STATUS_CHANGE", id="j", status="paused")
                tap.equal((m.job()["io-status"], m.job()["paused"]), ("nospace" if nospace else "failed", True))
                m.qmp.command("block-job-resume", device="j")
            m.qmp.event("BLOCK_JOB_READY", device="j")
            tap.equal(m.job()["io-status"], "ok")
            m.qmp.command("block-job-complete", device="j")
            m.ends()
            m.power()
            tool("qemu-img", "compare", m.path("top"), m.path("raw"))


def busy():
    """What would change the graph under a job is refused, with its name."""
    with Disk() as m:
        m.add()
        m.add("raw", "raw")
        m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "top", "target": "target", "sync": "full"})
        m.qmp.event("BLOCK_JOB_READY")
        for name, arguments in (
                ("blockdev-mirror", {"job-id": "k", "device": "raw", "target": "target", "sync": "full"}),
                ("block-stream", {"job-id": "k", "device": "top"}), ("block-commit", {"job-id": "k", "device": "top"}),
                ("block_resize", {"node-name": "top", "size": 2 * SIZE}),
                ("blockdev-snapshot-sync", {"node-name": "top", "snapshot-file": m.path("snap")}),
                ("blockdev-snapshot-internal-sync", {"device": "top", "name": "s"}),
                ("blockdev-del", {"node-name": "target"}),
                ("blockdev-reopen", {"options": [{"driver": "qcow2", "node-name": "top", "file": m.file("top"), "backing": None}]})):
            refused(lambda n=name, a=arguments: m.qmp.execute({"execute": n, "arguments": a}), "job 'j'")
        tap.equal(os.path.exists(m.path("snap")), False)
        refused(lambda: m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "raw", "target": "raw", "sync": "full"}), "itself")
        m.qmp.command("job-complete", id="j")
        m.ends()
        m.qmp.command("block_resize", **{"node-name": "target", "size": 2 * SIZE})


def migration():
    """The machine does not go while a job works: it comes back, and the job goes on."""
    with Disk() as m:
        m.add()
        m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "top", "target": "target", "sync": "full"})
        m.qmp.event("BLOCK_JOB_READY")
        m.qmp.command("migrate", uri=f"exec:cat > {m.path('state')}")
        machine.vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "failed", "it has failed")
        tap.equal("job 'j'" in m.qmp.command("query-migrate")["error-desc"], True)
        m.put(0, 9)
        m.qmp.command("job-complete", id="j")
        m.ends()
        m.qmp.command("migrate", uri=f"exec:cat > {m.path('state')}")
        machine.vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "completed", "it is saved")


def migration_of_each():
    """Nor while another kind of job works."""
    for command, words in (("blockdev-backup", {"device": "top", "target": "target", "sync": "none"}), ("block-stream", {"device": "top", "speed": 1}),
                           ("block-commit", {"device": "top", "speed": 1})):
        with Disk() as m:
            m.add()
            m.qmp.command(command, **{"job-id": "j", **words})
            m.qmp.command("migrate", uri=f"exec:cat > {m.path('state')}")
            machine.vm.wait_until(lambda machine_=m: machine_.qmp.command("query-migrate")["status"] == "failed", "it has failed")
            tap.equal("job 'j'" in m.qmp.command("query-migrate")["error-desc"], True, command)
            m.put(0, 9)
            m.qmp.command("job-cancel", id="j")
            m.qmp.event("JOB_STATUS_CHANGE", id="j", status="null")


def unplugged():
    """The disk goes in the middle: the job goes on with what it has."""
    with Disk() as m:
        m.add()
        m.add("raw", "raw")
        m.qmp.command("device_add", driver="virtio-scsi-pci", id="s")
        m.qmp.command("device_add", driver="scsi-hd", drive="raw", id="v")
        m.qmp.command("blockdev-mirror", **{"job-id": "j", "device": "raw", "target": "target", "sync": "full"})
        m.qmp.event("BLOCK_JOB_READY")
        m.qmp.command("system_reset")
        m.qmp.command("device_del", id="v")
        m.qmp.event("DEVICE_DELETED", device="v")
        m.qmp.command("job-complete", id="j")
        m.ends()
        m.qmp.command("blockdev-del", **{"node-name": "raw"})
        m.qmp.command("blockdev-del", **{"node-name": "target"})


def quits():
    """With jobs in different states: images are whole."""
    for name, arguments in (("block-stream", {}), ("block-commit", {}), ("blockdev-mirror", {"target": "target", "sync": "full"})):
        for pause in False, True:
            with Disk() as m:
                m.add()
                slow(m, name, **arguments)
                if pause:
                    m.qmp.command("job-pause", id="j")
                m.put(6000, 9)
                m.power()
                tap.equal(m.process.returncode, 0)
                checks(m, "base", "mid", "top", "target")
                has(m.path("top"), 9, 3072000, 512)
                has(m.path("top"), 1, 0, 2 * MIB)


def killed():
    for name, arguments in (("block-stream", {}), ("block-commit", {}), ("blockdev-mirror", {"target": "target", "sync": "full"})):
        with Disk() as m:
            m.add()
            slow(m, name, **arguments)
            m.put(6000, 9)
            m.kill()
            for image in "base", "mid", "top", "target":
                tap.equal(subprocess.run(["qemu-img", "check", "-q", m.path(image)], check=False).returncode in (0, 3), True, image)
            has(m.path("top"), 9, 3072000, 512)
            has(m.path("top"), 1, 0, 2 * MIB)
            has(m.path("top"), 3, 4 * MIB, 2 * MIB)


def states():
    """Each state in which a job can be held: what it is called, and which verbs it takes."""
    verbs = ("job-pause", "job-resume", "job-complete", "job-finalize", "job-dismiss")
    with Disk() as m:
        m.add()
        slow(m, "blockdev-mirror", target="target", sync="full", **{"auto-finalize": False, "auto-dismiss": False})

        def takes(state, *names):
            tap.equal(m.qmp.command("query-jobs")[0]["status"], state)
            for verb in set(verbs) - set(names):
                refused(lambda v=verb: m.qmp.command(v, id="j"), "'j'")

        takes("running", "job-pause")
        m.qmp.command("job-pause", id="j")
        m.qmp.event("JOB_STATUS_CHANGE", id="j", status="paused")
        takes("paused", "job-resume")
        go_on(m)
        m.qmp.command("job-resume", id="j")
        m.qmp.event("BLOCK_JOB_READY", device="j")
        takes("ready", "job-pause", "job-complete")
        m.qmp.command("job-pause", id="j")
        m.qmp.event("JOB_STATUS_CHANGE", id="j", status="standby")
        takes("standby", "job-resume", "job-complete")
        m.qmp.command("job-resume", id="j")
        m.qmp.command("job-complete", id="j")
        m.qmp.event("BLOCK_JOB_PENDING", id="j")
        takes("pending", "job-finalize")
        m.put(0, 9)  # also what is written now is copied
        m.qmp.command("job-finalize", id="j")
        m.qmp.event("JOB_STATUS_CHANGE", id="j", status="concluded")
        takes("concluded", "job-dismiss")
        refused(lambda: m.qmp.command("job-cancel", id="j"), "concluded", "cancel")
        m.qmp.command("job-dismiss", id="j")
        tap.equal(m.qmp.command("query-jobs"), [])
        tap.equal(refused(lambda: m.qmp.command("block-job-pause", device="j"), "'j'").cls, "DeviceNotActive")
        m.power()
        has(m.path("target"), 9, 0, 512)


def for_people():
    with Disk() as m:
        def hmp(line):
            return m.qmp.command("human-monitor-command", **{"command-line": line})

        tap.equal(hmp("info jobs"), "No active jobs\r\n" if "\r" in hmp("info jobs") else "No active jobs\n")
        m.qmp.command("block-stream", **{"job-id": "j", "device": "top", "speed": 1})
        tap.equal(hmp("info block-jobs").startswith("Streaming device j: Completed "), True)
        tap.equal("j: stream, running" in hmp("info jobs"), True)
        tap.equal(hmp("block_job_pause j"), "")
        tap.equal("Error" in hmp("block_job_pause j"), True)
        tap.equal(hmp("block_job_resume j") + hmp("block_job_set_speed j 1"), "")
        tap.equal(m.job()["speed"], MIB)
        tap.equal("Error" in hmp("block_job_complete j"), True)
        tap.equal(hmp("block_job_cancel j"), "")
        m.qmp.event("BLOCK_JOB_CANCELLED")


if __name__ == "__main__":
    tap.run([(f.__name__, f) for f in (
        mirror_and_pivot, mirror_while_paused, mirror_kinds, mirror_with_late_backing, late_backing_undone, mirror_refused, stream,
        nothing_to_stream, stream_below, commit_active, commit_below, commit_cancelled, errors, busy, migration, migration_of_each, unplugged, quits, killed, states, for_people)])

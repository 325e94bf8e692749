#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Several jobs on one disk, while a guest writes. Usage: test_block_many_jobs.py BUILD-DIR"""
import tap
from job_disk import SIZE, Disk, checks, has, io, refused, tool


def start(m, kind, job, target, **options):
    m.qmp.command(kind, **{"job-id": job, "device": "top", "target": target, "sync": "full", "speed": 1, **options})


def go_on(m, job):
    m.qmp.command("block-job-set-speed", device=job, speed=0)


def image(m, name):
    tool("qemu-img", "create", "-q", "-f", "qcow2", m.path(name), str(SIZE))
    m.add(name)


def moment(m, name):
    tool("qemu-img", "convert", "-U", "-O", "raw", m.path("top"), m.path(name))


def same(m, name, raw):
    tool("qemu-img", "compare", "-f", "qcow2", "-F", "raw", m.path(name), m.path(raw))


def gone(m, job, event="BLOCK_JOB_CANCELLED"):
    m.qmp.event(event, device=job)
    m.qmp.event("JOB_STATUS_CHANGE", id=job, status="null")


def backups():
    """Each is the disk of its own moment, also when another one is cancelled."""
    with Disk() as m:
        for number, name in enumerate(("a", "b", "c")):
            image(m, name)
            moment(m, f"then-{name}")
            start(m, "blockdev-backup", f"j-{name}", name)
            m.put(15000 + number, 10 + number)
            m.put(12000, 20 + number)
        refused(lambda: start(m, "blockdev-backup", "j-d", "b"), "'b'", "busy")
        m.qmp.command("block-job-cancel", device="j-b")
        gone(m, "j-b")
        m.put(15000, 30)
        for name in "a", "c":
            go_on(m, f"j-{name}")
            m.ends(f"j-{name}", len=SIZE)
        m.put(14000, 31)
        m.power()
        checks(m, "top", "a", "c")
        for name in "a", "c":
            same(m, name, f"then-{name}")
        for sector, value in (15000, 30), (15001, 11), (12000, 22), (14000, 31):
            has(m.path("top"), value, sector * 512, 512)


def backup_and_mirror():
    """A mirror takes the place of the disk, or is cancelled, while a backup goes on, that is still the moment."""
    for ends, mode in (("complete", "background"), ("cancel", "background"), ("complete", "write-blocking")):
        with Disk() as m:
            image(m, "a")
            image(m, "m")
            moment(m, "then")
            start(m, "blockdev-backup", "backup", "a")
            m.put(15000, 10)
            start(m, "blockdev-mirror", "mirror", "m", speed=0, **{"copy-mode": mode})
            m.qmp.event("BLOCK_JOB_READY", device="mirror")
            m.put(15001, 11)
            if ends == "complete":
                m.qmp.command("job-complete", id="mirror")
                m.ends("mirror")
            else:
                m.qmp.command("block-job-cancel", device="mirror", force=True)
                gone(m, "mirror")
            tap.equal(m.node(), "m" if ends == "complete" else "top")
            m.put(15002, 12)
            m.put(14000, 12)
            go_on(m, "backup")
            m.ends("backup", len=SIZE)
            for node in ["top"] if ends == "complete" else ["m"]:
                m.qmp.command("blockdev-del", **{"node-name": node})
            m.power()
            checks(m, "top", "a", "m")
            same(m, "a", "then")
            for sector, value in (15000, 10), (15001, 11), (15002, 12), (14000, 12):
                has(m.path("m" if ends == "complete" else "top"), value, sector * 512, 512)


def mirrors():
    """Both follow the guest; one that ends well is the moment; none takes the disk from the other."""
    with Disk() as m:
        for name in "a", "b", "c":
            image(m, name)
            start(m, "blockdev-mirror", f"j-{name}", name, speed=0, **({"copy-mode": "write-blocking"} if name == "b" else {}))
            m.qmp.event("BLOCK_JOB_READY", device=f"j-{name}")
            m.put(15000, 10)
        refused(lambda: m.qmp.command("job-complete", id="j-a"), "'top'", "too")
        m.put(15001, 11)
        m.qmp.command("block-job-cancel", device="j-c", force=True)
        gone(m, "j-c")
        moment(m, "then")
        m.qmp.command("block-job-cancel", device="j-b")
        gone(m, "j-b", "BLOCK_JOB_COMPLETED")
        m.put(15002, 12)
        m.qmp.command("job-complete", id="j-a")
        m.ends("j-a")
        tap.equal(m.node(), "a")
        m.put(15003, 13)
        m.power()
        checks(m, "top", "a", "b")
        same(m, "b", "then")
        for sector, value in (15000, 10), (15001, 11), (15002, 12), (15003, 13):
            has(m.path("a"), value, sector * 512, 512)


def about_to_end():
    """No other mirror begins of a disk that one is about to replace."""
    with Disk() as m:
        image(m, "a")
        image(m, "b")
        start(m, "blockdev-mirror", "j-a", "a", speed=0, **{"auto-finalize": False})
        m.qmp.event("BLOCK_JOB_READY")
        m.qmp.command("job-complete", id="j-a")
        m.qmp.event("BLOCK_JOB_PENDING")
        refused(lambda: start(m, "blockdev-mirror", "j-b", "b"), "'j-a'", "about to")
        start(m, "blockdev-backup", "j-b", "b")
        m.qmp.command("job-finalize", id="j-a")
        m.ends("j-a")
        go_on(m, "j-b")
        m.ends("j-b")
        m.power()
        checks(m, "top", "a", "b")


def streams():
    """Of two places in one chain: all is there, and the images between are not needed any more."""
    with Disk() as m:
        nodes = ["top"]
        for number in range(3):
            m.qmp.command("blockdev-snapshot-sync", **{"node-name": nodes[-1], "snapshot-file": m.path(f"s{number}"), "snapshot-node-name": f"s{number}",
                                                       "mode": "absolute-paths"})
            nodes.append(f"s{number}")
            for sector in 100, 12000, 14000:
                m.put(sector + 200 * number, 40 + number)  # a cluster each
        m.qmp.command("block-stream", **{"job-id": "low", "device": "s0", "speed": 1})
        m.qmp.command("block-stream", **{"job-id": "high", "device": "s2", "base-node": "s0", "speed": 1})
        for wrong in ({"device": "s1"}, {"device": "top"}, {"device": "s2"}):
            refused(lambda w=wrong: m.qmp.command("block-stream", **{"job-id": "no", **w}), "busy")
        m.put(103, 50)
        for job in "low", "high":
            go_on(m, job)
        m.ends("low")
        m.put(104, 51)
        m.ends("high")
        m.power()
        checks(m, "s0", "s2")
        tap.equal(f"backing file: {m.path('s0')}" in tool("qemu-img", "info", m.path("s2")), True)
        tap.equal("backing file" in tool("qemu-img", "info", m.path("s0")), False)
        for sector, value in (100, 40), (300, 41), (500, 42), (103, 50), (104, 51), (12200, 41), (14000, 40), (14400, 42):
            has(m.path("s2"), value, sector * 512, 512)
        has(m.path("s2"), 2, 3 << 20, 1 << 20)


def refusals():
    """What changes the disk as a whole waits for the last of them; what writes it is nobody's source."""
    with Disk() as m:
        for name in "a", "b", "c":
            image(m, name)
        start(m, "blockdev-backup", "j-a", "a")
        start(m, "blockdev-mirror", "j-b", "b")
        refused(lambda: start(m, "blockdev-backup", "j-a", "c"), "j-a", "already")
        refused(lambda: start(m, "blockdev-backup", "j-c", "c", device="a"), "'a'", "'j-a'")
        refused(lambda: start(m, "blockdev-mirror", "j-c", "top", device="c"), "'top'", "busy")
        for job in "j-a", "j-b", None:
            for name, arguments in (("block_resize", {"node-name": "top", "size": 2 * SIZE}), ("block-stream", {"job-id": "s", "device": "top"}),
                                    ("block-commit", {"job-id": "s", "device": "top"}),
                                    ("blockdev-snapshot", {"node": "top", "overlay": "c"})):
                if job:
                    refused(lambda n=name, a=arguments: m.qmp.command(n, **a), "'top'", "busy")
            if job:
                m.qmp.command("block-job-cancel", device=job, force=True)
                gone(m, job)
        m.qmp.command("block_resize", **{"node-name": "top", "size": 2 * SIZE})


def killed():
    with Disk() as m:
        for name, kind in ("a", "blockdev-backup"), ("b", "blockdev-mirror"), ("c", "blockdev-backup"):
            image(m, name)
            start(m, kind, f"j-{name}", name)
        m.put(15000, 9)
        m.kill()
        has(m.path("top"), 9, 15000 * 512, 512)
        io(m.path("top"), "read 0 8M")


if __name__ == "__main__":
    tap.run([(f.__name__, f) for f in (backups, backup_and_mirror, mirrors, about_to_end, streams, refusals, killed)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The program is killed (SIGKILL) within each job and each command that changes images, at any of its writes, while a guest
writes: the images are in order, and the guest's disk has what the guest was told to be written.
Usage: test_job_kills.py BUILD-DIR [NAME...]. $KILLS (1): at so many places of each, besides the last one."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import inject
import tap
from job_disk import SIZE, Disk, io, tool

BUILD = os.path.abspath(sys.argv[1])
IMG = f"{BUILD}/tools/img/dimmable-img"
KILLS = int(os.environ.get("KILLS", "1"))
GONE = EOFError, ConnectionError
# What the guest writes meanwhile: sectors, each with its byte.
WRITES = (3, 9), (2048, 10), (12000, 11), (16000, 12)


class Killed(Disk):
    """A Disk with the images of @images, which dies at its write number @at behind armed(); 0: they are only counted."""

    def __init__(self, images, at, injector):
        self.images, self.at, self.injector, self.rule = images, at, injector, None
        self.told, self.unsure = [], []  # of WRITES: those that are done, and the one that may be
        super().__init__()

    def prepare(self, folder):
        shutil.copytree(self.images, folder, dirs_exist_ok=True)

    def armed(self):
        self.rule = self.injector.fail("change", self.folder.name, skip=max(self.at - 1, 0), count=1 if self.at else 0,
                                       limit=(0, 512, 1 << 30)[self.at % 3], kill=True)

    def guest_writes(self, count=1):
        for write in WRITES[len(self.told):][:count]:
            self.unsure = [write]
            self.put(*write)
            self.told.append(write)
            self.unsure = []


def make(folder):
    """base, mid and top as those of a Disk, with names of backing files that are the same elsewhere: what is in the disk."""
    for name, below, value, at, size in (("base", None, 1, 0, 4), ("mid", "base", 2, 2, 3), ("top", "mid", 3, 4, 2)):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *(["-b", below, "-F", "qcow2"] if below else []), name,
                        *([] if below else [str(SIZE)])], check=True, cwd=folder)
        io(f"{folder}/{name}", f"write -P {value} {at}M {size}M")
    tool("qemu-img", "create", "-q", "-f", "qcow2", f"{folder}/target", str(SIZE))
    return disk(f"{folder}/top")


def disk(path):
    """The bytes of it."""
    with tempfile.NamedTemporaryFile() as raw:
        tool("qemu-img", "convert", "-U", "-f", "qcow2", "-O", "raw", path, raw.name)
        return raw.read()


def with_writes(was, writes):
    now = bytearray(was)
    for sector, value in writes:
        now[sector * 512:(sector + 1) * 512] = bytes([value]) * 512
    return bytes(now)


# ---- what is done ----

def job(name, pivots=False, **options):
    def steps(m):
        m.add()
        m.armed()
        m.qmp.command(name, **{"job-id": "j", "device": "top", **{
            key: value.format(folder=m.folder.name) if isinstance(value, str) else value for key, value in options.items()}})
        m.guest_writes(2)
        if pivots:
            m.qmp.event("BLOCK_JOB_READY", device="j")
            m.guest_writes()
            m.qmp.command("job-complete", id="j")
        m.ends()
        m.guest_writes()
    return steps


def incremental(m):
    """With a bitmap that is kept in the image."""
    m.qmp.execute({"execute": "block-dirty-bitmap-add", "arguments": {"node": "top", "name": "b", "persistent": True}})
    m.guest_writes()
    job("blockdev-backup", target="target", sync="incremental", bitmap="b")(m)
    m.qmp.command("quit")
    m.process.wait()


def created(m):
    m.armed()
    m.qmp.command("blockdev-create", **{"job-id": "f", "options": {"driver": "file", "filename": m.path("new"), "size": 0}})
    m.qmp.event("JOB_STATUS_CHANGE", id="f", status="concluded")
    m.qmp.command("blockdev-add", **{"driver": "file", "node-name": "new", "filename": m.path("new")})
    m.qmp.command("blockdev-create", **{"job-id": "q", "options": {"driver": "qcow2", "file": "new", "size": SIZE}})
    m.guest_writes()
    m.qmp.event("JOB_STATUS_CHANGE", id="q", status="concluded")
    m.guest_writes()


def on_top(m):
    m.armed()
    m.guest_writes()
    m.qmp.command("blockdev-snapshot-sync", **{"node-name": "top", "snapshot-file": m.path("over"), "snapshot-node-name": "over",
                                               "format": "qcow2"})
    m.guest_writes(2)


def within(m):
    m.armed()
    m.guest_writes()
    m.qmp.execute({"execute": "blockdev-snapshot-internal-sync", "arguments": {"device": "top", "name": "s"}})
    m.guest_writes(2)
    m.qmp.execute({"execute": "blockdev-snapshot-delete-internal-sync", "arguments": {"device": "top", "name": "s"}})
    m.guest_writes()


def resized(m):
    m.armed()
    m.guest_writes()
    m.qmp.command("block_resize", **{"node-name": "top", "size": 2 * SIZE})
    m.guest_writes()


def ordinary(m):
    m.armed()
    m.guest_writes(4)
    m.qmp.command("quit")
    m.process.wait()


# ---- what is there then ----

def in_order(path, where, flags):
    """Leaks are no fault; nor, with @flags, is what says of clusters whether they are shared, as test_killed.py has it."""
    for program in IMG, "qemu-img":
        done = subprocess.run([program, "check", "-U" if program == "qemu-img" else "-q", path], capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        wrong = [line for line in said.splitlines() if re.match("error|ERROR", line) and
                 not re.search("OFLAG_COPIED|the flag of cluster", line)]
        if done.returncode not in (0, 3) and not (flags and done.returncode == 2 and not wrong):
            raise AssertionError(f"{where}: {program} check {path}: {done.returncode}: {said}")


def look(m, was, where, ends_in, flags):
    """The disk is in top, or where the job has brought it."""
    wanted = [with_writes(was, m.told), with_writes(was, m.told + m.unsure)]
    for name in "base", "mid", "top", "target":
        in_order(m.path(name), where, flags)
    for name in ["top", *ends_in]:
        if os.path.exists(m.path(name)) and name != "top":
            done = subprocess.run(["qemu-img", "check", "-q", m.path(name)], check=False)
            if done.returncode not in (0, 3):
                continue  # it was being made
        if os.path.exists(m.path(name)) and disk(m.path(name))[:SIZE] in wanted:
            return
    raise AssertionError(f"{where}: what the guest wrote is nowhere: {m.told}, perhaps {m.unsure}")


def one(steps, images, was, at, ends_in, flags):
    """How many writes there were."""
    with inject.injecting(BUILD) as injector, Killed(images, at, injector) as m:
        try:
            steps(m)
            if m.process.poll() is None:
                m.kill()
        except GONE:
            m.process.wait()
            tap.equal(m.process.returncode, -9, "how it ended")
        injector.end()
        look(m, was, f"write {at}", ends_in, flags)
        return m.rule.seen


def killed(steps, *ends_in, flags=False):
    if not shutil.which("qemu-img"):
        raise tap.Skip("qemu-img is not installed")
    with tempfile.TemporaryDirectory() as images:
        was = make(images)
        total = one(steps, images, was, 0, ends_in, flags)
        for at in sorted({*([1] if KILLS > 1 else []), total, *(1 + total * n // (KILLS + 1) for n in range(1, KILLS + 1))}):
            one(steps, images, was, at, ends_in, flags)


TESTS = [
    ("block-stream", lambda: killed(job("block-stream"))),
    ("block-stream to a base", lambda: killed(job("block-stream", base="{folder}/base"))),
    ("block-commit of the top", lambda: killed(job("block-commit", True), "base")),
    ("block-commit below", lambda: killed(job("block-commit", top="{folder}/mid", base="{folder}/base"))),
    ("blockdev-mirror", lambda: killed(job("blockdev-mirror", True, target="target", sync="full"), "target")),
    ("blockdev-mirror, who writes waits", lambda: killed(
        job("blockdev-mirror", True, target="target", sync="full", **{"copy-mode": "write-blocking"}), "target")),
    ("drive-mirror", lambda: killed(job("drive-mirror", True, target="{folder}/new", sync="full", format="qcow2"), "new")),
    ("blockdev-backup", lambda: killed(job("blockdev-backup", target="target", sync="full"))),
    ("blockdev-backup, compressed", lambda: killed(job("blockdev-backup", target="target", sync="full", compress=True))),
    ("blockdev-backup, incremental", lambda: killed(incremental)),
    ("drive-backup", lambda: killed(job("drive-backup", target="{folder}/new", sync="top", format="qcow2"))),
    ("blockdev-create", lambda: killed(created)),
    ("blockdev-snapshot-sync", lambda: killed(on_top, "over")),
    ("blockdev-snapshot-internal-sync", lambda: killed(within, flags=True)),
    ("block_resize", lambda: killed(resized)),
    ("writes alone", lambda: killed(ordinary)),
]
tap.run([(name, function) for name, function in TESTS if not sys.argv[2:] or any(word in name for word in sys.argv[2:])])

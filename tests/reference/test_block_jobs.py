#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs on block nodes against the reference: the same commands get the same answers and events, in the same order, and
leave the same images. Usage: test_block_jobs.py BUILD-DIR"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402
import vm  # noqa: E402

PROGRAM = os.path.abspath(f"{sys.argv[1]}/dimmable")
REFERENCE = shutil.which("qemu-system-x86_64")
SIZE = 4 << 20


def tool(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()


def images(folder):
    for name, below, value, place in (("base", None, 1, "0 1M"), ("mid", "base", 2, "512k 1M"), ("top", "mid", 3, "1M 1M")):
        backing = ("-b", below, "-F", "qcow2") if below else ()
        tool("qemu-img", "create", "-q", "-f", "qcow2", *backing, f"{folder}/{name}", str(SIZE))
        tool("qemu-io", "-f", "qcow2", "-c", f"write -P {value} {place}", f"{folder}/{name}")
    tool("qemu-img", "create", "-q", "-f", "qcow2", f"{folder}/target", str(SIZE))


class Recorder:
    """A program, and what it answers and tells of."""

    def __init__(self, program, folder):
        self.lines = []
        self.folder = folder
        accel = "qtest" if program == PROGRAM else "tcg"
        self.vm = vm.Vm(program, accel=accel, serial=False, memory="128M", extra=["-S", "-nodefaults"])
        self.qmp = self.vm.qmp

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.vm.close()

    def take(self):
        """Events that are there, without what depends on the moment: the level pauses jobs while it changes its graph."""
        for event in self.qmp.events:
            line = (event["event"], tuple(sorted(event["data"].items())))
            status = event["data"].get("status")
            if "JOB" in event["event"] and status != "paused" and not (status == "running" and line in self.lines):
                self.lines.append(line)
        self.qmp.events.clear()

    def __call__(self, command, /, **arguments):
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        try:
            result = self.qmp.execute({"execute": command, "arguments": arguments})
            for job in result if isinstance(result, list) else []:
                job.pop("busy", None)
        except vm.QmpError as error:
            result = error.cls
        self.lines.append((command, str(sorted(map(str, map(sorted, (job.items() for job in result)))) if isinstance(result, list)
                                     else result)))

    def until(self, name, **data):
        """Events up to this one."""
        def is_there():
            return any(event["event"] == name and all(event["data"].get(k) == v for k, v in data.items()) for event in self.qmp.events)

        while not is_there():
            self.qmp.events.append(self.qmp.receive())
        self.take()

    def add(self, node, **more):
        self("blockdev-add", driver="qcow2", node_name=node,
             file={"driver": "file", "filename": f"{self.folder}/{node}"}, **more)

    def gone(self):
        self.until("JOB_STATUS_CHANGE", status="null")


def both(script, *left):
    """What @script does with both; images called @left are then the same."""
    if not REFERENCE:
        raise tap.Skip("the reference is not installed")
    found = []
    with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as theirs:
        for program, folder in (PROGRAM, ours), (REFERENCE, theirs):
            images(folder)
            with Recorder(program, folder) as r:
                r.add("top")
                script(r)
                r("quit")
                found.append(r.lines)
                r.vm.process.wait()
        for number, (mine, level) in enumerate(zip(*found)):
            tap.equal(mine, level, f"line {number}, after {found[1][max(number - 3, 0):number]}")
        tap.equal(len(found[0]), len(found[1]), "lines")
        for name in left:
            tool("qemu-img", "compare", f"{ours}/{name}", f"{theirs}/{name}")
            tool("qemu-img", "check", f"{ours}/{name}")


def mirror():
    def script(r):
        r.add("target")
        r("blockdev-mirror", device="top", target="target", sync="full")
        r("blockdev-mirror", job_id="j", device="top", target="target", sync="full")
        r.until("BLOCK_JOB_READY")
        for verb, key in (("job-finalize", "id"), ("job-dismiss", "id"), ("block-job-complete", "device"), ("block-job-pause", "device"),
                          ("job-complete", "id")):
            r(verb, **{key: "absent" if verb.startswith("block") else "j" if "complete" not in verb else "absent"})
        r("query-jobs")
        r("query-block-jobs")
        r("job-complete", id="j")
        r.gone()
        r("query-jobs")
        r("blockdev-del", node_name="top")
        r("blockdev-del", node_name="target")

    both(script, "target")


def by_hand():
    def script(r):
        r.add("target")
        r("blockdev-mirror", job_id="j", device="top", target="target", sync="full", auto_finalize=False, auto_dismiss=False)
        r.until("BLOCK_JOB_READY")
        r("job-complete", id="j")
        r.until("BLOCK_JOB_PENDING")
        r("query-jobs")
        r("job-complete", id="j")
        r("job-finalize", id="j")
        r.until("JOB_STATUS_CHANGE", status="concluded")
        r("query-jobs")
        r("query-block-jobs")
        r("job-cancel", id="j")
        r("job-dismiss", id="j")
        r("query-jobs")

    both(script, "target")


def cancelled():
    for force in False, True:
        def script(r, force=force):
            r.add("target")
            r("blockdev-mirror", job_id="j", device="top", target="target", sync="full")
            r.until("BLOCK_JOB_READY")
            r("block-job-cancel", device="j", force=force)
            r.gone()

        both(script, "top", *([] if force else ["target"]))


def cancelled_by_hand():
    def script(r):
        r.add("target")
        r("blockdev-mirror", job_id="j", device="top", target="target", sync="full", auto_dismiss=False)
        r.until("BLOCK_JOB_READY")
        r("job-cancel", id="j")
        r.until("JOB_STATUS_CHANGE", status="concluded")
        r("query-jobs")
        r("query-block-jobs")
        r("job-dismiss", id="j")

    both(script)


def stream():
    def script(r):
        r("block-stream", device="top", job_id="s", base=f"{r.folder}/base")
        r.gone()
        r("block-stream", device="top", job_id="s", base="absent")
        r("block-stream", device="top", job_id="s", base_node="top")
        r("block-stream", device="absent", job_id="s")
        r("block-stream", device="top", job_id="1s")
        r.add("target")
        r("block-stream", device="target", job_id="s")
        r.gone()
        r("block-stream", device="top", job_id="s", base=f"{r.folder}/base")
        r.gone()
        r("blockdev-mirror", job_id="s", device="top", target="target", sync="full", buf_size=-1)
        r("block-stream", device="top")
        r("block-stream", device="top", job_id="s", auto_finalize=False)
        r.until("BLOCK_JOB_PENDING")
        r("query-jobs")
        r("block-job-finalize", id="s")
        r.gone()

    both(script, "top")


def commit():
    def script(r):
        r("block-commit", device="absent", job_id="c")
        r("block-commit", device="top", job_id="c", top=f"{r.folder}/mid", base=f"{r.folder}/base")
        r.gone()
        r("block-commit", device="top", job_id="c", top=f"{r.folder}/base")
        r("block-commit", device="top", job_id="c")
        r.until("BLOCK_JOB_READY")
        r("query-block-jobs")
        r("block-job-complete", device="c")
        r.gone()

    both(script, "base")


def backup():
    def script(r):
        r.add("target")
        options = {"job_id": "j", "device": "top", "target": "target"}
        r("blockdev-backup", sync="full", **options)
        r.gone()
        r("blockdev-backup", sync="none", **options)
        r("query-block-jobs")
        r("block-job-cancel", device="j")
        r.gone()

    both(script, "target")


def raw_target():
    def script(r):
        r("drive-backup", job_id="j", device="top", target=f"{r.folder}/raw", sync="top", format="raw")
        r("drive-backup", job_id="j", device="top", target=f"{r.folder}/raw", sync="none", format="raw")
        r("drive-backup", job_id="j", device="top", target=f"{r.folder}/base", sync="none", format="raw", mode="existing")
        r("drive-mirror", job_id="j", device="top", target=f"{r.folder}/raw", sync="none", format="raw")
        r("drive-backup", job_id="j", device="top", target=f"{r.folder}/raw", sync="full", format="raw")
        r.gone()

    both(script)


def transaction():
    job = {"type": "blockdev-backup", "data": {"job-id": "j", "device": "top", "target": "target", "sync": "full"}}
    internal = {"type": "blockdev-snapshot-internal-sync", "data": {"device": "top", "name": "s"}}

    def script(r):
        r.add("target")
        r("transaction", actions=[])
        r("transaction", actions=[job, {"type": "abort", "data": {}}])
        r.take()
        r("transaction", actions=[internal, {"type": "abort", "data": {}}])
        r("transaction", actions=[internal], properties={"completion-mode": "grouped"})
        r("transaction", actions=[job], properties={"completion-mode": "grouped"})
        r.gone()
        r("query-jobs")

    both(script, "target", "top")


def create():
    def script(r):
        for options in ({"driver": "file", "filename": f"{r.folder}/new", "size": 0}, {"driver": "qcow2", "file": "absent", "size": 0}):
            r("blockdev-create", job_id="c", options=options)
            r.until("JOB_STATUS_CHANGE", status="concluded")
            r("query-block-jobs")
            r("job-dismiss", id="c")
        r("blockdev-create", job_id="c", options={"driver": "null-co"})
        r("query-jobs")

    both(script)


def fleecing():
    """What is kept of a disk that others write to, with a target that fails or does not, and what is shown of it."""
    def nbd(r, name, *commands):
        words = [word for command in commands for word in ("-c", command)]
        text = subprocess.run(["timeout", "20", "qemu-io", "-f", "raw", *words, f"nbd+unix:///{name}?socket={r.folder}/nbd"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False).stdout.decode()
        r.lines.append((name, commands, [line for line in text.splitlines() if "ops/sec" not in line]))

    def script(r, **options):
        fails = options.pop("fails", False)
        image = {"driver": "qcow2", "file": {"driver": "file", "filename": f"{r.folder}/target"}}
        errors = {"inject_error": [{"event": "none", "iotype": "write", "once": True}]} if fails else {}
        r("blockdev-add", driver="blkdebug", node_name="target", image=image, discard="unmap", **errors)
        if options.get("bitmap"):
            r("block-dirty-bitmap-add", node="top", name="b")
            r("nbd-server-start", addr={"type": "unix", "data": {"path": f"{r.folder}/nbd"}})
            r("block-export-add", type="nbd", id="top", node_name="top", name="top", writable=True)
            nbd(r, "top", "write -P 5 256k 64k")
            r("block-export-del", id="top", mode="hard")
            r.until("BLOCK_EXPORT_DELETED")
            r("nbd-server-stop")
        for wrong in {"target": "absent"}, {"file": "absent"}, {"bitmap": {"node": "top", "name": "absent"}}, {"on_cbw_error": "stop"}:
            r("blockdev-add", **{"driver": "copy-before-write", "node_name": "cbw", "file": "top", "target": "target", **wrong})
        r("blockdev-add", driver="copy-before-write", node_name="cbw", file="top", target="target", **options)
        r("nbd-server-start", addr={"type": "unix", "data": {"path": f"{r.folder}/nbd"}})
        r("block-export-add", type="nbd", id="cbw", node_name="cbw", name="cbw", writable=True)
        r("blockdev-add", driver="snapshot-access", node_name="snap", file="cbw", discard="unmap")
        r("block-export-add", type="nbd", id="snap", node_name="snap", name="snap", writable=True)
        nbd(r, "cbw", "write -P 9 256k 4k", "write -P 9 1M 100k", "read -P 9 256k 4k")
        nbd(r, "snap", "read -P 5 256k 64k", "read -P 1 260k 4k", "read -P 3 1M 1M", "read 0 4M", "write 0 4k")
        nbd(r, "snap", "discard 1M 128k", "read 1M 64k", "read -P 3 1152k 64k")
        nbd(r, "cbw", "write -P 10 1M 64k", "read -P 10 1M 64k", "discard 2M 64k")
        for node in "cbw", "top", "target", "snap":
            r("block_resize", node_name=node, size=2 * SIZE)
            r("blockdev-del", node_name=node)
        r("blockdev-reopen", options=[{"driver": "copy-before-write", "node-name": "cbw", "file": "top", "target": "top"}])
        for name in "snap", "cbw":
            r("block-export-del", id=name, mode="hard")
            r.until("BLOCK_EXPORT_DELETED")
        for node in "snap", "cbw", "target", "top":
            r("blockdev-del", node_name=node)

    for options in ({}, {"on_cbw_error": "break-guest-write", "fails": True}, {"on_cbw_error": "break-snapshot", "fails": True},
                    {"bitmap": {"node": "top", "name": "b"}}):
        both(lambda r, o=options: script(r, **o), "top", *([] if "fails" in options else ["target"]))


if __name__ == "__main__":
    tap.run([(f.__name__, f) for f in (mirror, by_hand, cancelled, cancelled_by_hand, stream, commit, backup, raw_target, transaction, create, fleecing)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which images savevm and loadvm take: disks of devices, and nodes that no device has; against the reference, if it is there."""
import shutil
import subprocess
import sys
import tempfile

import machine

import tap

IMG = f"{sys.argv[1]}/tools/img/dimmable-img"
REFERENCE = shutil.which("qemu-system-x86_64")


def node(name, driver="qcow2", read_only="off"):
    return ["-blockdev", f"driver=file,filename=@/{name},node-name=file-{name},read-only={read_only}",
            "-blockdev", f"driver={driver},file=file-{name},node-name={name},read-only={read_only}"]


def disk(name):
    return ["-device", f"virtio-blk-pci,drive={name}"]


RAW, RAW_RO = node("raw", "raw"), node("raw", "raw", "on")
# Options, and the images that have the snapshot then; None: it is refused.
CASES = {
    "a node": (node("a"), "a"),
    "a drive": (["-drive", "if=none,file=@/a,format=qcow2,id=d0"], "a"),
    "two nodes": (node("a") + node("b"), "ab"),
    "a disk and a node": (node("a") + node("b") + disk("b"), "ab"),
    "a node that cannot be written": (node("a") + node("b", read_only="on"), "a"),
    "none that can be written": (node("a", read_only="on"), None),
    "a raw disk": (node("a") + RAW + disk("raw"), None),
    "a raw node": (node("a") + RAW, None),
    "a disk, a raw node": (node("a") + disk("a") + RAW, None),
    "a raw node that cannot be written": (node("a") + RAW_RO, "a"),
    "a raw disk that cannot be written": (node("a") + RAW_RO + disk("raw"), "a"),
    "a raw drive": (node("a") + ["-drive", "if=none,file=@/raw,format=raw,id=d0"], None),
}


def hmp(m, line):
    return m.qmp.command("human-monitor-command", **{"command-line": line})


def with_images(check):
    with tempfile.TemporaryDirectory() as folder:
        for name in "ab":
            subprocess.run([IMG, "create", "-q", "-f", "qcow2", f"{folder}/{name}", "1M"], check=True)
        with open(f"{folder}/raw", "wb") as file:
            file.truncate(1 << 20)
        check(folder)


def snapshots(m, name):
    """Of the image of that node or drive."""
    nodes = {each["node-name"]: each for each in m.qmp.command("query-named-block-nodes")}
    found = [each for each in nodes.values() if each["image"]["filename"].endswith(f"/{name}") and each["drv"] == "qcow2"]
    return [each["name"] for image in found for each in image["image"].get("snapshots", [])]


def takes(options, wanted):
    def check(folder):
        with machine.Machine("16M", extra=[word.replace("@", folder) for word in options]) as m:
            answer = hmp(m, "savevm one")
            tap.equal(bool(answer), wanted is None, answer)
            if wanted is None:
                tap.equal("snapshots" in answer, True, answer)
                return
            tap.equal("".join(name for name in "ab" if snapshots(m, name) == ["one"]), wanted)
            m("writel 0x1000 0x12345678")
            tap.equal(hmp(m, "loadvm one"), "")
            tap.equal(m("readl 0x1000"), ["0x0000000000000000"])
            tap.equal(hmp(m, "delvm one"), "")
            tap.equal([snapshots(m, name) for name in wanted], [[]] * len(wanted))
    with_images(check)


def as_the_reference(options, wanted):
    if not REFERENCE:
        raise tap.Skip("qemu-system-x86_64 is not there")

    def check(folder):
        words = [REFERENCE, "-accel", "tcg", "-m", "16", "-S", "-nodefaults", "-display", "none", "-monitor", "stdio"]
        done = subprocess.run([*words, *[word.replace("@", folder) for word in options]], input="savevm one\nquit\n", text=True,
                              stdout=subprocess.PIPE, timeout=60, check=True)
        tap.equal("Error:" in done.stdout, wanted is None, done.stdout)
        for name in "ab":
            listed = subprocess.run([IMG, "snapshot", "-l", f"{folder}/{name}"], stdout=subprocess.PIPE, text=True, check=True)
            tap.equal("one" in listed.stdout, name in (wanted or ""), name)
    with_images(check)


def job(m, command, **arguments):
    """A job of that command, to its end: why it failed, or None."""
    m.qmp.command(command, **{"job-id": "j", **arguments})
    while m.qmp.event("JOB_STATUS_CHANGE")["data"] != {"id": "j", "status": "concluded"}:
        pass
    found, = m.qmp.command("query-jobs")
    tap.equal((found["type"], found["current-progress"], found["total-progress"]), (command, 1, 1))
    m.qmp.command("job-dismiss", id="j")
    return found.get("error")


def jobs():
    """snapshot-save, -load, -delete: disks by name; what is wrong is told by the job, and nothing has changed."""
    def check(folder):
        options = [word.replace("@", folder) for word in node("a") + node("b") + RAW]
        with machine.Machine("16M", extra=options) as m:
            m("writel 0x1000 1")
            both = {"vmstate": "b", "devices": ["a", "b"]}
            tap.equal(job(m, "snapshot-save", tag="one", **both), None)
            tap.equal([snapshots(m, name) for name in "ab"], [["one"], ["one"]])
            m("writel 0x1000 2")
            for wrong, said in (({"tag": "one"}, "already exists in one or more devices"),
                                ({"tag": "two", "vmstate": "raw"}, "which is none of 'devices'"),
                                ({"tag": "two", "devices": ["a", "b", "c"]}, "'c'"),
                                ({"tag": "two", "devices": ["a", "b", "raw"]}, "snapshots"),
                                ({"tag": "two", "devices": []}, "'devices' is empty")):
                why = job(m, "snapshot-save", **{**both, **wrong})
                tap.equal(said in str(why), True, why)
            tap.equal([snapshots(m, name) for name in "ab"], [["one"], ["one"]])
            for wrong, said in (({"tag": "two"}, "two"), ({"tag": "one", "vmstate": "a"}, "has no state of a machine")):
                why = job(m, "snapshot-load", **{**both, **wrong})
                tap.equal(said in str(why), True, why)
            tap.equal(m("readl 0x1000"), ["0x0000000000000002"])
            tap.equal(job(m, "snapshot-load", tag="one", **both), None)
            tap.equal(m("readl 0x1000"), ["0x0000000000000001"])
            tap.equal(m.qmp.command("query-status")["running"], True)
            tap.equal(job(m, "snapshot-delete", tag="one", devices=["a"]), None)
            tap.equal([snapshots(m, name) for name in "ab"], [[], ["one"]])
            tap.equal(job(m, "snapshot-delete", tag="one", devices=["a", "b"]), None)
            tap.equal([snapshots(m, name) for name in "ab"], [[], []])
    with_images(check)


tap.run([("jobs", jobs)] + [(f"{prefix}{title}", lambda t=test, c=case: t(*c)) for prefix, test in (("", takes), ("reference: ", as_the_reference))
         for title, case in CASES.items()])

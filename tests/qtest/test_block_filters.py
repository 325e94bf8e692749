#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs on chains of images with filters above and between them: they work as if those were not there, and what the disk holds is the same.
Usage: test_block_filters.py BUILD-DIR"""
import json
import subprocess
import tempfile

import machine
import tap

KIB, MIB = 1 << 10, 1 << 20
TOP, MID, BASE = [(MIB, MIB)], [(512 * KIB, MIB)], [(0, MIB)]


def img(*words):
    return subprocess.run(["qemu-img", *words], check=True, stdout=subprocess.PIPE).stdout


def own(path):
    """What an image has itself: runs of bytes."""
    runs = []
    for entry in json.loads(img("map", "--output=json", path)):
        if entry["depth"] == 0 and entry["data"]:
            if runs and sum(runs[-1]) == entry["start"]:
                runs[-1] = runs[-1][0], runs[-1][1] + entry["length"]
            else:
                runs.append((entry["start"], entry["length"]))
    return runs


def make(folder):
    below = []
    for name, at, byte in (("base", 0, 1), ("mid", 512 * KIB, 2), ("top", MIB, 3)):
        path = f"{folder}/{name}"
        img("create", "-q", "-f", "qcow2", *below, path, "4M")
        subprocess.run(["qemu-io", "-c", f"write -q -P {byte} {at} 1M", path], check=True)
        below = ["-b", path, "-F", "qcow2"]
    img("convert", "-O", "raw", f"{folder}/top", f"{folder}/before")


def nodes(folder, order, kind):
    """-blockdev for a chain: images, and filters, whose names begin with f, each on the one before it."""
    words, below = ["-object", "throttle-group,id=g"], None
    for name in order:
        if name.startswith("f"):
            words += ["-blockdev", f"{kind},node-name={name},file={below}{',throttle-group=g' if kind == 'throttle' else ''}"]
        else:
            words += ["-blockdev", f"qcow2,node-name={name},file.driver=file,file.filename={folder}/{name}{',backing=' + below if below else ''}"]
        below = name
    return [*words, "-device", f"virtio-blk-pci,drive={order[-1]}"]


def run(command, order, device, wanted, disk, kind="throttle", **arguments):
    """@wanted: {image: its backing file, or None; what it has}; @disk: the node that the device has then."""
    with tempfile.TemporaryDirectory() as folder:
        make(folder)
        with machine.Machine(extra=nodes(folder, order, kind)) as m:
            m.qmp.command(command, device=device, **{"job-id": "j"}, **{key.replace("_", "-"): value for key, value in arguments.items()})
            events = []
            while not events or events[-1] == "BLOCK_JOB_READY":
                event = m.qmp.events.pop(0) if m.qmp.events else m.qmp.receive()
                if event.get("event") in ("BLOCK_JOB_READY", "BLOCK_JOB_COMPLETED"):
                    tap.equal("error" in event["data"], False, event)
                    events.append(event["event"])
                    if events[-1] == "BLOCK_JOB_READY":
                        m.qmp.command("job-complete", id="j")
            inserted = m.qmp.command("query-block")[0]["inserted"]
            tap.equal(inserted["node-name"], disk)
            m.qmp.command("quit")
            m.process.wait(machine.vm.LONG)
        for name, (backing, has) in wanted.items():
            info = json.loads(img("info", "--output=json", f"{folder}/{name}"))
            tap.equal((info.get("backing-filename"), info.get("backing-filename-format")), (f"{folder}/{backing}", "qcow2") if backing else (None, None), name)
            tap.equal(own(f"{folder}/{name}"), has, name)
            img("check", "-q", f"{folder}/{name}")
        image = disk if disk in wanted else next(name for name in reversed(order) if not name.startswith("f") and name in wanted)
        img("compare", "-f", "raw", "-F", "qcow2", f"{folder}/before", f"{folder}/{image}")


def stream():
    above, between, low = ["base", "mid", "top", "f"], ["base", "mid", "f", "top"], ["base", "f", "mid", "top"]
    some = [(512 * KIB, 3 * 512 * KIB)]
    for kind in "throttle", "copy-on-read":
        run("block-stream", above, "f", {"top": (None, [(0, 2 * MIB)])}, "f", kind)
        run("block-stream", above, "f", {"top": ("base", some)}, "f", kind, base_node="base")
        run("block-stream", above, "top", {"top": ("base", some)}, "f", kind, bottom="mid")
    run("block-stream", between, "top", {"top": (None, [(0, 2 * MIB)])}, "top")
    run("block-stream", between, "top", {"top": ("base", some)}, "top", base_node="base")
    for key, name in (("base_node", "base"), ("base_node", "f"), ("bottom", "mid")):
        run("block-stream", low, "top", {"top": ("base", some), "mid": ("base", MID)}, "top", **{key: name})


def commit():
    between, low = ["base", "mid", "f", "top"], ["base", "f", "mid", "top"]
    wanted = {"top": ("base", TOP), "base": (None, [(0, 3 * 512 * KIB)])}
    run("block-commit", between, "top", wanted, "top", top_node="mid", base_node="base")
    run("block-commit", between, "top", wanted, "top", top_node="f", base_node="base")
    run("block-commit", low, "top", wanted, "top", top_node="mid", base_node="base")
    run("block-commit", low, "top", wanted, "top", top_node="mid", base_node="f")
    run("block-commit", low, "top", wanted, "top", top_node="mid")


def commit_of_what_is_written():
    above, between = ["base", "mid", "top", "f"], ["base", "mid", "f", "top"]
    for kind in "throttle", "copy-on-read":
        run("block-commit", above, "f", {"base": (None, [(0, 2 * MIB)])}, "base", kind)
        run("block-commit", above, "f", {"mid": ("base", [(512 * KIB, 3 * 512 * KIB)])}, "f", kind, top_node="top", base_node="mid")
    run("block-commit", between, "top", {"base": (None, [(0, 2 * MIB)])}, "base", base_node="base")


def names():
    """An image on top of a filter names the image below that, by its format."""
    with tempfile.TemporaryDirectory() as folder:
        make(folder)
        words = nodes(folder, ["base", "mid", "f"], "throttle")[:-2]
        words += ["-drive", f"if=none,id=d,node-name=top,driver=qcow2,file.driver=file,file.filename={folder}/top,backing=f"]
        with machine.Machine(extra=words) as m:
            m.qmp.command("blockdev-add", **{"driver": "throttle", "node-name": "fd", "throttle-group": "g", "file": "top"})
            m.qmp.command("change-backing-file", **{"device": "d", "image-node-name": "top", "backing-file": "mid"})
            for below, name in ("top", "one"), ("fd", "new"):  # `fd` is above `one` then
                m.qmp.command("blockdev-snapshot-sync", **{"node-name": below, "snapshot-file": f"{folder}/{name}", "snapshot-node-name": name})
            m.qmp.command("quit")
            m.process.wait(machine.vm.LONG)
        for name, backing in ("top", "mid"), ("one", f"{folder}/top"), ("new", f"{folder}/one"):
            info = json.loads(img("info", "--output=json", f"{folder}/{name}"))
            tap.equal((info["backing-filename"], info["backing-filename-format"]), (backing, "qcow2"), name)
        img("compare", "-f", "raw", "-F", "qcow2", f"{folder}/before", f"{folder}/new")


def refused():
    with tempfile.TemporaryDirectory() as folder:
        make(folder)
        with machine.Machine(extra=nodes(folder, ["base", "mid", "f", "top"], "throttle")) as m:
            for command, arguments, says in (("block-stream", {"bottom": "f"}, "is a filter"), ("block-commit", {"top-node": "f", "base-node": "mid"}, "not a backing file")):
                try:
                    m.qmp.command(command, device="top", **{"job-id": "j"}, **arguments)
                    raise AssertionError(command)
                except machine.vm.QmpError as err:
                    tap.equal(says in err.desc, True, err.desc)
        img("create", "-q", "-f", "qcow2", f"{folder}/kept", "4M")
        with machine.Machine(extra=nodes(folder, ["base", "mid", "top"], "")[:-2]) as m:
            m.qmp.command("blockdev-add", **{"driver": "qcow2", "node-name": "kept", "file": {"driver": "file", "filename": f"{folder}/kept"}})
            m.qmp.command("blockdev-add", **{"driver": "copy-before-write", "node-name": "c", "file": "top", "target": "kept"})
            try:  # what is written to the base at the end would not be kept
                m.qmp.command("block-commit", **{"device": "c", "job-id": "j"})
                raise AssertionError("block-commit")
            except machine.vm.QmpError as err:
                tap.equal("top-node=top" in err.desc, True, err.desc)
            m.qmp.command("block-commit", **{"device": "c", "job-id": "j", "top-node": "top"})
            m.qmp.event("BLOCK_JOB_READY")
            m.qmp.command("job-complete", id="j")
            tap.equal("error" in m.qmp.event("BLOCK_JOB_COMPLETED")["data"], False)
            tap.equal({n["node-name"]: n["file"] for n in m.qmp.command("query-named-block-nodes")}["c"], f"{folder}/base")


tap.run([("stream", stream), ("commit", commit), ("commit of what is written", commit_of_what_is_written), ("how images name others", names), ("what is refused", refused)])

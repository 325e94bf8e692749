#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Dirty bitmaps that clients of the NBD server read, by nbdinfo and others. Usage: test_nbd_bitmaps.py BUILD-DIR"""
import json
import os
import shutil
import subprocess
import tempfile

import machine
import nbd_client
import tap
import vm

KIB, MIB = 1 << 10, 1 << 20
TOOLS = os.path.join(os.path.dirname(machine.PROGRAM), "tools")
IMG, NBD = f"{TOOLS}/img/dimmable-img", f"{TOOLS}/nbd/dimmable-nbd"
NODES = ("-blockdev", "null-co,node-name=below,size=8M,read-zeroes=on")


def execute(m, command, **arguments):
    return m.qmp.execute({"execute": command, "arguments": nbd_client.dashed(arguments)})


def refused(m, says, command, **arguments):
    m.qmp.refused(says, command, **nbd_client.dashed(arguments))


def run(*words):
    if not shutil.which(words[0]):
        raise tap.Skip(f"{words[0]} is not installed")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=vm.LONG)
    tap.equal((done.returncode, done.stderr), (0, ""), words)
    return done.stdout


def uri(path, export):
    return f"nbd+unix:///{export}?socket={path}"


def marked(where, name):
    """By nbdinfo: [(offset, length)] of what is marked."""
    found = json.loads(run("nbdinfo", "--json", f"--map=qemu:dirty-bitmap:{name}", where))
    tap.equal(sum(e["length"] for e in found), 8 * MIB)
    return [(e["offset"], e["length"]) for e in found if e["type"] == 1]


def start(m, writes=((MIB, 64 * KIB), (5 * MIB - 1, 2), (8 * MIB - 512, 512))):
    """A server; what was written is in bitmap b of node "below", which is disabled."""
    m.path = f"{m.dir}/nbd"
    execute(m, "nbd-server-start", addr={"type": "unix", "data": {"path": m.path}})
    execute(m, "block-dirty-bitmap-add", node="below", name="b", granularity=64 * KIB)
    execute(m, "block-export-add", type="nbd", id="w", node_name="below", writable=True)
    with nbd_client.Client(m.path) as c:
        c.go("below")
        for offset, length in writes:
            tap.equal(c.error(nbd_client.WRITE, offset, length, b"x" * length), 0)
    execute(m, "block-dirty-bitmap-disable", node="below", name="b")


WRITTEN = [(MIB, 64 * KIB), (5 * MIB - 64 * KIB, 128 * KIB), (8 * MIB - 64 * KIB, 64 * KIB)]


def read_by_nbdinfo():
    with machine.Machine(extra=NODES) as m:
        start(m)
        execute(m, "block-export-add", type="nbd", id="e", name="e", node_name="below", bitmaps=["b"], allocation_depth=True)
        tap.equal(marked(uri(m.path, "e"), "b"), WRITTEN)
        tap.equal(sorted(json.loads(run("nbdinfo", "--json", uri(m.path, "e")))["exports"][0]["contexts"]),
                  ["base:allocation", "qemu:allocation-depth", "qemu:dirty-bitmap:b"])
        tap.equal(len(json.loads(run("nbdinfo", "--json", "--map=qemu:allocation-depth", uri(m.path, "e")))), 1)
        execute(m, "block-export-del", id="e")
        execute(m, "nbd-server-add", device="below", name="old", bitmap="b")
        tap.equal(marked(uri(m.path, "old"), "b"), WRITTEN)


def of_a_node_below():
    """As a backup needs it, that is read from another image on top; several, and all contexts at once."""
    top = ("-blockdev", "throttle,node-name=top,file=below,throttle-group=g", "-object", "throttle-group,id=g")
    with machine.Machine(extra=[*NODES, *top]) as m:
        start(m, ())
        for number in range(29):
            execute(m, "block-dirty-bitmap-add", node="below", name=f"b{number}", disabled=True)
        names = ["b", *(f"b{number}" for number in range(28)), {"node": "below", "name": "b28"}]
        execute(m, "block-export-add", type="nbd", id="e", name="e", node_name="top", bitmaps=names)
        with nbd_client.Client(m.path) as c:
            c.answers(nbd_client.STRUCTURED_REPLY)
            found = c.answers(nbd_client.LIST_CONTEXT, c.contexts("e", "qemu:"))
            tap.equal(sorted(data[4:].decode() for kind, data in found if kind == nbd_client.CONTEXT),
                      sorted(f"qemu:dirty-bitmap:{name}" for name in ("b", *(f"b{number}" for number in range(29)))))
            tap.equal(len(c.answers(nbd_client.LIST_CONTEXT, c.contexts("e", "qemu:dirty-bitmap:"))), 31)
            tap.equal(len(c.answers(nbd_client.LIST_CONTEXT, c.contexts("e", "qemu:dirty-bitmap:b1"))), 2)
            tap.equal(len(c.answers(nbd_client.LIST_CONTEXT, c.contexts("e", "qemu:dirty"))), 1)
            every = ["base:allocation", *(f"qemu:dirty-bitmap:b{number}" for number in range(29)), "qemu:dirty-bitmap:b"]
            tap.equal(len(c.answers(nbd_client.SET_CONTEXT, c.contexts("e", *every))), 32)
            c.answers(nbd_client.GO, c.name("e"))
            c.request(nbd_client.STATUS, 0, 8 * MIB)
            chunks = [c.chunk() for _ in every]
            tap.equal([flags for flags, *_ in chunks], [0] * 30 + [1], "the last one ends it")


def other_programs():
    with machine.Machine(extra=NODES) as m:
        start(m)
        execute(m, "block-export-add", type="nbd", id="e", name="e", node_name="below", bitmaps=["b"])
        name = json.dumps({"driver": "nbd", "export": "e", "server": {"type": "unix", "path": m.path}, "x-dirty-bitmap": "qemu:dirty-bitmap:b"})
        for program in (IMG, "qemu-img"):
            found = json.loads(run(program, "map", "--output=json", f"json:{name}"))
            tap.equal([(e["start"], e["length"]) for e in found if not e["data"]], WRITTEN, program)
        done = subprocess.run([IMG, "map", "json:" + name.replace("bitmap:b", "bitmap:c")], capture_output=True, text=True, check=False, timeout=vm.LONG)
        tap.equal((done.returncode, "does not tell" in done.stderr), (1, True), done.stderr)


def refusals():
    with machine.Machine(extra=NODES) as m:
        start(m)
        words = {"type": "nbd", "id": "e", "name": "e", "node_name": "below"}
        refused(m, "no bitmap 'c'", "block-export-add", bitmaps=["c"], **words)
        refused(m, "block node 'x'", "block-export-add", bitmaps=[{"node": "x", "name": "b"}], **words)
        refused(m, "named twice", "block-export-add", bitmaps=["b", "b"], **words)
        refused(m, "no bitmap 'c'", "nbd-server-add", device="below", name="n", bitmap="c")
        refused(m, "at most 30", "block-export-add", bitmaps=["b"] * 31, **words)
        execute(m, "migrate-set-parameters", block_bitmap_mapping=[])
        refused(m, "is not there", "migrate-set-parameters", block_bitmap_mapping=[{"node-name": "below", "alias": "x", "bitmaps": []}])
        execute(m, "block-dirty-bitmap-enable", node="below", name="b")
        refused(m, "is enabled", "block-export-add", bitmaps=["b"], **words)
        execute(m, "block-export-add", bitmaps=["b"], writable=True, **words)
        for command in ("remove", "clear", "enable", "disable"):
            refused(m, "in use", f"block-dirty-bitmap-{command}", node="below", name="b")
        refused(m, "in use", "block-export-add", **{**words, "id": "f", "name": "f"}, bitmaps=["b"], writable=True)
        refused(m, "in use", "blockdev-del", node_name="below")
        execute(m, "block-export-del", id="e")
        execute(m, "block-dirty-bitmap-clear", node="below", name="b")
        execute(m, "block-export-add", bitmaps=["b"], writable=True, **words)
        execute(m, "nbd-server-stop")
        execute(m, "block-dirty-bitmap-remove", node="below", name="b")
        execute(m, "blockdev-del", node_name="below")


def by_dimmable_nbd():
    with tempfile.TemporaryDirectory(prefix="dimmable-nbd-") as folder:
        run(IMG, "create", "-q", "-f", "qcow2", f"{folder}/q", "8M")
        run(IMG, "bitmap", "--add", f"{folder}/q", "b")
        for name, status in (("c", 1), ("b", 0)):
            with subprocess.Popen([NBD, "-r", "-f", "qcow2", "-k", f"{folder}/s", "-B", name, f"{folder}/q"], stderr=subprocess.DEVNULL) as process:
                vm.wait_until(lambda p=process: os.path.exists(f"{folder}/s") or p.poll() is not None, "dimmable-nbd")
                if not status:
                    tap.equal(marked(uri(f"{folder}/s", ""), "b"), [])
                tap.equal(process.wait(vm.LONG), status)


if __name__ == "__main__":
    tap.run([(function.__name__, function) for function in (read_by_nbdinfo, of_a_node_below, other_programs, refusals, by_dimmable_nbd)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What users have said of disks while a machine ran, when it goes elsewhere, or into a snapshot. Usage: test_block_moves.py
BUILD-DIR"""
import json
import subprocess
import tempfile

import machine
import tap

NONE = {name: 0 for name in ("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr")}
# Disks: of a -drive with limits, of nodes, and of a node with the limits of a group.
DISKS = ["-M", "pc", "-object", "throttle-group,id=g,x-iops-total=100", "-drive", "if=none,id=d,format=null-co,bps=1000",
         "-blockdev", "null-co,node-name=n", "-blockdev", "null-co,node-name=o", "-blockdev", "throttle,node-name=t,throttle-group=g,file.driver=null-co",
         "-device", "virtio-blk-pci,drive=d,id=vd", "-device", "virtio-blk-pci,drive=n,id=vn", "-device", "virtio-blk-pci,drive=o,id=vo",
         "-device", "virtio-blk-pci,drive=t,id=vt"]


def start(*extra):
    return machine.Machine("16M", extra=["-S", *extra])


def limit(m, disk, group=None, **limits):
    m.qmp.command("block_set_io_throttle", id=disk, **{**NONE, **limits}, **({"group": group} if group else {}))


def limits(m):
    """Of each disk what is not 0; and of the group."""
    found = {}
    for entry in m.qmp.command("query-block"):
        if entry.get("qdev", "").endswith("virtio-backend"):
            inserted = entry["inserted"]
            found[entry["qdev"].split("/")[3]] = {key: value for key, value in inserted.items() if key.split("_")[0] in ("bps", "iops", "group") and value}
    return found, m.qmp.command("qom-get", path="/objects/g", property="limits")["iops-total"]


def goes(m, path):
    m.qmp.command("migrate", uri=f"file:{path}")
    return machine.vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] in ("completed", "failed") and m.qmp.command("query-migrate"),
                                 "the migration ends")


def come(m):
    machine.vm.wait_until(lambda: m.qmp.command("query-status")["status"] == "paused", "it is there")


def refused(call, *words):
    try:
        call()
    except machine.vm.QmpError as error:
        tap.equal([word for word in words if word not in error.desc], [], error.desc)
        return
    raise AssertionError(f"not refused: {words}")


STARTED = {"vd": {"bps": 1000, "group": "d"}, "vn": {}, "vo": {}, "vt": {}}


def set_limits(m):
    limit(m, "vd")
    limit(m, "/machine/peripheral/vn/virtio-backend", group="mine", iops_rd=5, iops_rd_max=50, iops_rd_max_length=3, iops_size=4096)
    limit(m, "vo", group="mine", iops_rd=6, iops_rd_max=50, iops_rd_max_length=3, iops_size=4096)
    m.qmp.command("qom-set", path="/objects/g", property="limits", value={"iops-total": 7})


TOGETHER = {"iops_rd": 6, "iops_rd_max": 50, "iops_rd_max_length": 3, "iops_size": 4096, "group": "mine"}
CHANGED = {"vd": {}, "vn": TOGETHER, "vo": TOGETHER, "vt": {}}


def limits_go_along():
    """All that commands have changed, also to none; and from there again."""
    with tempfile.TemporaryDirectory() as folder:
        with start(*DISKS) as m:
            tap.equal(limits(m), (STARTED, 100))
            set_limits(m)
            tap.equal(limits(m), (CHANGED, 7))
            tap.equal(goes(m, f"{folder}/one")["status"], "completed")
        for there, further in ("one", "two"), ("two", "three"):
            with start(*DISKS, "-incoming", f"file:{folder}/{there}") as m:
                come(m)
                tap.equal(limits(m), (CHANGED, 7), there)
                tap.equal(goes(m, f"{folder}/{further}")["status"], "completed")


def what_was_said_there():
    """Limits that nobody has changed are those of the other end's options; and what a command has said there, stays."""
    with tempfile.TemporaryDirectory() as folder:
        with start(*DISKS) as m:
            tap.equal(goes(m, f"{folder}/one")["status"], "completed")
        other = [word.replace("bps=1000", "bps=2000").replace("total=100", "total=200") for word in DISKS]
        with start(*other, "-incoming", f"file:{folder}/one") as m:
            come(m)
            tap.equal(limits(m), ({**STARTED, "vd": {"bps": 2000, "group": "d"}}, 200))
            set_limits(m)
            tap.equal(goes(m, f"{folder}/two")["status"], "completed")
        with start(*DISKS, "-incoming", "defer") as m:
            limit(m, "vn", group="here", iops=9)
            m.qmp.command("qom-set", path="/objects/g", property="limits", value={"iops-total": 8})
            m.qmp.command("migrate-incoming", uri=f"file:{folder}/two")
            come(m)
            tap.equal(limits(m), ({**CHANGED, "vn": {"iops": 9, "group": "here"}}, 8))


def no_such_group():
    """What cannot be had at the other end is an error, not forgotten."""
    with tempfile.TemporaryDirectory() as folder:
        with start(*DISKS) as m:
            set_limits(m)
            tap.equal(goes(m, f"{folder}/one")["status"], "completed")
        words = [word.replace("id=g,", "id=h,").replace("group=g,", "group=h,") for word in DISKS]
        status, text = machine.run_program("-accel", "qtest", "-nodefaults", "-display", "none", "-m", "16M", "-S", *words, "-incoming", f"file:{folder}/one")
        tap.equal((status, [word for word in ("throttle group 'g'", "-object throttle-group,id=g") if word not in text]), (1, []), text)


def in_a_snapshot():
    """The machine's state has them; what a command has said since stays."""
    with tempfile.TemporaryDirectory() as folder:
        image = f"{folder}/image"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], check=True)
        words = [word.replace("format=null-co", f"format=qcow2,file={image}").replace("null-co", "null-co,read-only=on") for word in DISKS]

        def hmp(line):
            return m.qmp.command("human-monitor-command", **{"command-line": line})
        with start(*words) as m:
            set_limits(m)
            tap.equal(hmp("savevm one"), "")
            limit(m, "vn", group="here", iops=9)
            tap.equal(hmp("loadvm one"), "")
            tap.equal(limits(m), ({**CHANGED, "vn": {"iops": 9, "group": "here"}}, 7))
        with start(*words, "-loadvm", "one") as m:
            tap.equal(limits(m), (CHANGED, 7))


def bitmap(m, what, name, **options):
    m.qmp.execute({"execute": f"block-dirty-bitmap-{what}", "arguments": {"node": "n", "name": name, **options}})


def bitmaps():
    """One that no image keeps would be lost: the machine does not go, and says which. A snapshot loses none."""
    with tempfile.TemporaryDirectory() as folder:
        image = f"{folder}/image"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], check=True)
        words = ["-M", "pc", "-blockdev", f"qcow2,node-name=n,file.driver=file,file.filename={image}", "-device", "virtio-blk-pci,drive=n"]
        with start(*words) as m:
            bitmap(m, "add", "kept", persistent=True)
            bitmap(m, "add", "b")
            refused(lambda: m.qmp.command("migrate", uri=f"file:{folder}/one"), "'n'", "'b'", "capability dirty-bitmaps", "block-dirty-bitmap-remove")
            tap.equal(m.qmp.command("human-monitor-command", **{"command-line": "savevm one"}), "")
            node = next(node for node in m.qmp.command("query-named-block-nodes") if node["node-name"] == "n")
            tap.equal(sorted(b["name"] for b in node["dirty-bitmaps"]), ["b", "kept"])
            bitmap(m, "remove", "b")
            # One that comes while the machine goes: it stays here.
            m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 1 << 16})
            m.qmp.command("migrate", uri=f"exec:cat > {folder}/two")
            bitmap(m, "add", "late")
            m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0})
            info = machine.vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "failed" and m.qmp.command("query-migrate"), "it fails")
            tap.equal("'late'" in info["error-desc"], True, info)
            bitmap(m, "remove", "late")
            tap.equal(goes(m, f"{folder}/three")["status"], "completed")


def bitmaps_go_along():
    """With the capability: what is marked, whether it records, and it goes on there. The image's own stay with it."""
    def info(m):
        nodes = {n["node-name"]: n for n in m.qmp.command("query-named-block-nodes")}
        return sorted((b["name"], b["granularity"], b["count"], b["recording"], b["persistent"]) for b in nodes["n"].get("dirty-bitmaps", []))

    def put(m, place):
        m.qmp.command("human-monitor-command", **{"command-line": f'qemu-io n "write {place} 64k"'})

    with tempfile.TemporaryDirectory() as folder:
        image = f"{folder}/image"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64G"], check=True)
        words = ["-M", "pc", "-blockdev", f"qcow2,node-name=n,file.driver=file,file.filename={image}", "-device", "virtio-blk-pci,drive=n,id=n"]
        capability = [{"capability": "dirty-bitmaps", "state": True}]
        with start(*words) as m:
            for name, options in ("fine", {"granularity": 512}), ("off", {}), ("empty", {}), ("kept", {"persistent": True}):
                bitmap(m, "add", name, **options)
            for place in "0", "1M", "63G":
                put(m, place)
            bitmap(m, "disable", "off")
            bitmap(m, "clear", "empty")
            put(m, "33G")
            before = info(m)
            tap.equal(before, [("empty", 65536, 65536, True, False), ("fine", 512, 262144, True, False), ("kept", 65536, 262144, True, True),
                               ("off", 65536, 196608, False, False)])
            sums = [m.qmp.execute({"execute": "x-debug-block-dirty-bitmap-sha256", "arguments": {"node": "n", "name": name}})
                    for name in ("fine", "off", "empty", "kept")]
            m.qmp.command("migrate-set-capabilities", capabilities=capability)
            tap.equal(goes(m, f"{folder}/one")["status"], "completed")
        with start(*words, "-incoming", f"file:{folder}/one") as m:
            come(m)
            machine.vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "completed", "it has its images")
            tap.equal(info(m), before)
            tap.equal([m.qmp.execute({"execute": "x-debug-block-dirty-bitmap-sha256", "arguments": {"node": "n", "name": name}})
                       for name in ("fine", "off", "empty", "kept")], sums)
            put(m, "40G")
            tap.equal([count for _, _, count, _, _ in info(m)], [131072, 327680, 327680, 196608])
        # The other machine has a copy of the image, which knows nothing of "kept", or has it as it was; it keeps it then. A file keeps none.
        for how in "copy", "old", "raw":
            copy = f"{folder}/{how}"
            subprocess.run(["qemu-img", "create", "-q", "-f", "raw" if how == "raw" else "qcow2", copy, "64G"], check=True)
            if how == "old":
                subprocess.run(["qemu-img", "bitmap", "--add", copy, "kept"], check=True)
            other = [word.replace(f"filename={image}", f"filename={copy}").replace("qcow2", "raw" if how == "raw" else "qcow2") for word in words]
            with start(*other, "-incoming", f"file:{folder}/one") as m:
                come(m)
                machine.vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "completed", "it has its images")
                tap.equal(info(m), [entry if entry[0] != "kept" or how != "raw" else (*entry[:4], False) for entry in before], how)
                put(m, "40G")
                m.qmp.command("quit")
                m.process.wait(machine.vm.LONG)
                tap.equal("cannot keep dirty bitmap 'kept'" in m.errors(), how == "raw", how)
            if how != "raw":
                found = json.loads(subprocess.run(["qemu-img", "info", "--output=json", copy], stdout=subprocess.PIPE, check=True).stdout)
                tap.equal([(b["name"], b["flags"]) for b in found["format-specific"]["data"]["bitmaps"]], [("kept", ["auto"])], how)
        for wrong, text in ((["-blockdev", f"qcow2,node-name=m,file.driver=file,file.filename={image}", "-device", "virtio-blk-pci,drive=m,id=n"], "'n'"),
                            (["-blockdev", "null-co,node-name=n,size=64M", "-device", "virtio-blk-pci,drive=n,id=n"], "67108864")):
            status, said = machine.run_program("-accel", "qtest", "-nodefaults", "-display", "none", "-m", "16M", "-S", "-M", "pc", *wrong,
                                               "-incoming", f"file:{folder}/one")
            tap.equal((status, "dirty bitmap" in said and text in said), (1, True), said)


tap.run([("limits go along", limits_go_along), ("what was said at the other end", what_was_said_there), ("a group that is not there", no_such_group),
         ("limits in a snapshot", in_a_snapshot), ("dirty bitmaps", bitmaps), ("dirty bitmaps go along", bitmaps_go_along)])

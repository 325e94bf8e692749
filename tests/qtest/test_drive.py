#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-drive: the ways to say what a drive holds. Usage: test_drive.py BUILD-DIR"""
import json
import os
import subprocess
import tempfile

import machine
import tap
import vm

MIB = 1 << 20


def drives(*options):
    """(What query-block tells of each drive, by name; warnings.)"""
    with machine.Machine(extra=[word for o in options for word in ("-drive", o)]) as m:
        found = {entry["device"]: entry["inserted"] for entry in m.qmp.command("query-block")}
        return found, m.errors()


def one(option):
    found, errors = drives(option)
    tap.equal((len(found), errors), (1, ""), option)
    return next(iter(found.values()))


def raw(folder, size=MIB):
    path = f"{folder}/raw"
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def qcow2(folder):
    path = f"{folder}/image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "8M"], check=True)
    return path


def nothing_behind_it():
    for option in ("if=none,driver=null-co,read-zeroes=on,size=3M", "if=none,format=null-co,size=3M",
                   "if=none,format=raw,file=null-co://,file.read-zeroes=on,file.size=3M",
                   "if=none,format=raw,file.driver=null-co,file.size=3M", "if=none,file.driver=null-co,file.size=3M",
                   'if=none,format=raw,file=json:{"driver":"null-co",,"size":3145728}'):
        tap.equal(one(option)["image"]["virtual-size"], 3 * MIB, option)


def files():
    with tempfile.TemporaryDirectory() as folder:
        path = raw(folder)
        for option in (f"format=raw,file={path}", f"driver=raw,file.driver=file,file.filename={path}",
                       f"driver=raw,file.filename={path}", f"driver=file,filename={path}", f"format=file,file={path}",
                       f"format=raw,file=file:{path}", f"format=raw,file={path},file.locking=off,cache.no-flush=on"):
            tap.equal(one(f"if=none,{option}")["file"], path, option)
        tap.equal(one(f"if=none,format=raw,file={path},cache.no-flush=on")["cache"]["no-flush"], True)
        tap.equal(one(f"if=none,format=raw,file={path},node-name=top")["node-name"], "top")


def with_a_comma():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/a,file=b"
        os.rename(raw(folder), path)
        tap.equal(one(f"if=none,format=raw,file={path.replace(',', ',,')}")["file"], path)


def guessed():
    with tempfile.TemporaryDirectory() as folder:
        path = raw(folder)
        found, errors = drives(f"if=none,id=d,file={path}")
        tap.equal(found["d"]["drv"], "raw")
        tap.equal([word for word in ("warning", path, "format=raw") if word not in errors], [], errors)
        tap.equal(one(f"if=none,file={qcow2(folder)}")["drv"], "qcow2")
        tap.equal(one(f"if=none,file={qcow2(folder)},format=raw")["drv"], "raw", "what is said counts")


def foreign():
    """A format that is known, and that there is no driver of: it is not taken for raw, also not as a CD's medium."""
    with tempfile.TemporaryDirectory() as folder:
        path = raw(folder)
        with open(path, "r+b") as file:
            file.write(b"KDMV")
        status, text = machine.run_program("-drive", f"if=none,file={path}")
        tap.equal((status, [word for word in ("vmdk", "qemu-nbd", "format=raw") if word not in text]), (1, []), text)
        tap.equal(one(f"if=none,format=raw,file={path}")["drv"], "raw")
        with machine.Machine(extra=["-device", "ide-cd,id=c"]) as m:
            for words in ({}, {"format": "raw"}):
                try:
                    m.qmp.command("blockdev-change-medium", id="c", filename=path, **words)
                    tap.equal(words, {"format": "raw"})
                except vm.QmpError as err:
                    tap.equal(("vmdk" in str(err), words), (True, {}), err)


def options_of_the_backing_file():
    """As libguestfs has it, for a disk that it only looks at: an image on top, of whose backing file an option is said;
    each file need not say that it is one. An image that another program writes to is opened so."""
    with tempfile.TemporaryDirectory() as folder:
        base, top = qcow2(folder), f"{folder}/top"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top], check=True)
        option = f"file.file.filename={top},file.driver=qcow2,file.backing.file.locking=off,cache=unsafe"
        with machine.Machine(extra=["-drive", f"if=none,id=d,file={base}", "-device", "virtio-blk-pci,drive=d"]):
            tap.equal(one(f"{option},id=h,if=none")["image"]["virtual-size"], 8 * MIB)
        status, text = machine.run_program("-drive", f"if=none,driver=qcow2,file={base},backing.file.locking=off")
        tap.equal((status, "backing.driver= is missing" in text), (1, True), text)


def io():
    """HMP `qemu-io`: a drive is read and written beside its device."""
    with tempfile.TemporaryDirectory() as folder:
        path = raw(folder)
        with machine.Machine(extra=["-drive", f"if=none,id=d,format=raw,file={path}", "-device", "virtio-blk-pci,drive=d,id=v"]) as m:
            def do(line, *words):
                said = m.qmp.command("human-monitor-command", **{"command-line": f"qemu-io {line}"})
                tap.equal([word for word in words if word not in said], [], said)
                return said
            do('d "write -P 0xa5 1k 4k"', "wrote 4096/4096 bytes at offset 1024")
            with open(path, "rb") as file:
                tap.equal(file.read(8192), bytes(1024) + b"\xa5" * 4096 + bytes(3072))
            tap.equal(do('d "read -q -P 0xa5 1024 4096"'), "")
            do('-d v "read -P 165 0 4096"', "read 4096/4096 bytes at offset 0", "Pattern verification failed at offset 0, 4096 bytes")
            do('d "w -z 1k 512"', "wrote 512/512 bytes at offset 1024")
            tap.equal(do('d "r -q -P 0 1k 512"') + do('d flush') + do('d "discard -q 0 4k"'), "")
            for line, words in (('x "flush"', "no drive 'x'"), ('-d d "flush"', "device 'd'"), ('d "read 1"', "OFFSET and BYTES"),
                                ('d "read -P 256 0 1k"', "0 to 255"), ('d "read -x 0 1k"', "-x"), ('d "sleep"', "help"),
                                ('d "read 1T 1k"', "Error"), ('d "read 0 1G"', "67108864"), ('d "break read_aio A"', "blkdebug")):
                do(line, words)
            do('d "help"', "remove_break TAG")


def rules():
    """A file that says which requests fail (qtest-ahci.c has them fail)."""
    with tempfile.TemporaryDirectory() as folder:
        path, file = raw(folder), f"{folder}/rules"
        for name in f"blkdebug::{path}", f"blkdebug:{file}:{path}":
            with open(file, "w", encoding="ascii") as out:
                out.write("# a comment\n\n[inject-error]\nevent = \"read_aio\"\nonce = on\n")
            tap.equal(one(f"if=none,format=raw,file={name}")["file"], path)
        for text, words in (("event=1\n", "line 1 'event=1' [inject-error]"), ("[faults]\n", "[faults] [inject-error]"),
                            ("[inject-error]\nevent=\"flood\"\n", "event=flood read_aio")):
            with open(file, "w", encoding="ascii") as out:
                out.write(text)
            status, message = machine.run_program("-S", "-drive", f"if=none,format=raw,file=blkdebug:{file}:{path}")
            tap.equal((status, [w for w in words.split() if w not in message]), (1, []), message)
        for name, words in ((f"blkdebug:{folder}/none:{path}", "none No such"), (f"blkdebug:{path}", "RULES:IMAGE")):
            status, message = machine.run_program("-S", "-drive", f"if=none,format=raw,file={name}")
            tap.equal((status, [w for w in words.split() if w not in message]), (1, []), message)


def names():
    null = "format=null-co"
    found, _ = drives(f"if=virtio,{null}", f"if=virtio,index=3,{null}", f"if=virtio,{null}", f"if=none,unit=1,{null}")
    tap.equal(sorted(found), ["none1", "virtio0", "virtio1", "virtio3"])
    tap.equal(one(f"if=none,media=cdrom,{null}")["ro"], True)
    tap.equal(one(f"if=none,media=disk,{null}")["ro"], False)


EJECT = 0xae08  # docs/pci-hotplug.md


def goes_with_its_device():
    """What is unplugged takes its -drive with it, with devices within it, requests that wait and a job on its node; then the
    name is free, and so is the file. One that could not be plugged leaves its drive, and nodes of -blockdev stay."""
    with tempfile.TemporaryDirectory() as folder:
        path, image = raw(folder), qcow2(folder)
        with machine.Machine(extra=["-M", "pc", "-blockdev", "null-co,node-name=n", "-drive", f"if=none,id=d1,format=raw,file={path}"]) as m:
            def hmp(line):
                return m.qmp.command("human-monitor-command", **{"command-line": line}).strip()

            def drives():
                return [(d["device"], d.get("qdev")) for d in m.qmp.command("query-block")]

            def plug(driver, slot, **options):
                m.qmp.command("device_add", driver=driver, id=f"v{slot}", addr=str(slot), **options)

            def unplug(slot):
                m.qmp.command("device_del", id=f"v{slot}")
                m.write("l", EJECT, 1 << slot)
                m.qmp.event("DEVICE_DELETED", device=f"v{slot}", path=f"/machine/peripheral/v{slot}")

            plug("virtio-blk-pci", 4, drive="d1")
            plug("virtio-blk-pci", 5, drive="n")
            tap.equal(hmp("drive_add 0 if=none,id=d2,format=null-co"), "OK")
            for wrong in {"driver": "virtio-blk-pci", "logical_block_size": 1000}, {"driver": "virtio-blk-pci", "num-queues": 0}, \
                    {"driver": "nvme"}, {"driver": "virtio-blk-pci", "bus": "absent"}:
                try:
                    m.qmp.command("device_add", drive="d2", **wrong)
                except machine.vm.QmpError:
                    tap.equal(("d2", None) in drives(), True, f"{wrong}: the drive stays")
                else:
                    raise AssertionError(f"{wrong} is plugged")
            hmp("drive_del d2")
            unplug(5)
            tap.equal((drives(), [n["node-name"] for n in m.qmp.command("query-named-block-nodes") if n["node-name"] == "n"]),
                      ([("d1", "/machine/peripheral/v4/virtio-backend")], ["n"]))
            for _ in range(3):
                unplug(4)
                tap.equal(drives(), [])
                tap.equal(hmp(f"drive_add 0 if=none,id=d1,format=raw,file={path}"), "OK")
                plug("virtio-blk-pci", 4, drive="d1")
            # Disks on a controller, of which one is asked to go, and then all.
            plug("virtio-scsi-pci", 6)
            for name in "a", "b":
                tap.equal(hmp(f"drive_add 0 if=none,id={name},format=null-co"), "OK")
                m.qmp.command("device_add", driver="scsi-hd", id=f"s{name}", bus="v6.0", drive=name)
            m.qmp.command("device_del", id="sa")
            m.qmp.event("DEVICE_DELETED", device="sa")
            tap.equal([name for name, _ in drives()], ["d1", "b"])
            unplug(6)
            tap.equal([name for name, _ in drives()], ["d1"])
            # A job goes on with the node, and has it until it ends.
            tap.equal(hmp(f"drive_add 0 if=none,id=j,format=qcow2,file={image}"), "OK")
            plug("virtio-blk-pci", 7, drive="j")
            m.qmp.command("blockdev-mirror", **{"job-id": "job", "device": "j", "target": "n", "sync": "full"})
            m.qmp.event("BLOCK_JOB_READY")
            unplug(7)
            tap.equal([name for name, _ in drives()], ["d1"])
            m.qmp.command("block-job-cancel", device="job")
            m.qmp.event("JOB_STATUS_CHANGE", id="job", status="null")
            tap.equal(hmp(f"drive_add 0 if=none,id=j,format=qcow2,file={image}"), "OK")


def no_medium_is_left():
    """After drive_del of a disk or a CD in use nothing is in it, for whoever asks, and savevm does not want to save it."""
    with tempfile.TemporaryDirectory() as folder:
        image, path = qcow2(folder), raw(folder)
        with machine.Machine(extra=["-M", "pc", "-drive", f"if=none,id=kept,format=qcow2,file={image}", "-device", "virtio-blk-pci,drive=kept",
                                    "-drive", f"if=none,id=d,format=raw,file={path}", "-device", "virtio-blk-pci,drive=d,id=v",
                                    "-drive", "if=none,id=c,media=cdrom,format=null-co", "-device", "ide-cd,drive=c,id=cd"]) as m:
            def hmp(line):
                return m.qmp.command("human-monitor-command", **{"command-line": line})
            for name in "d", "c":
                tap.equal(hmp(f"drive_del {name}"), "")
            found = {entry["qdev"]: "inserted" in entry for entry in m.qmp.command("query-block")}
            tap.equal(found, {"/machine/peripheral/v/virtio-backend": False, "cd": False,
                              "/machine/peripheral-anon/device[0]/virtio-backend": True})
            tap.equal([n["drv"] for n in m.qmp.command("query-named-block-nodes")], ["file", "qcow2"])
            said = hmp("info block")
            tap.equal((said.count("[not inserted]"), "blkdebug" in said), (2, False), said)
            tap.equal(hmp("savevm one"), "")
            tap.equal(hmp("loadvm one"), "")
            m.qmp.command("blockdev-open-tray", id="cd")
            m.qmp.command("blockdev-add", **{"driver": "null-co", "node-name": "disc", "read-only": True})
            m.qmp.command("blockdev-insert-medium", id="cd", **{"node-name": "disc"})


def one_word_one_disk():
    """A node is not called as a drive is, nor a drive as a node, whoever makes it, and when."""
    with tempfile.TemporaryDirectory() as folder:
        path, image = raw(folder), qcow2(folder)
        with machine.Machine(extra=["-blockdev", "null-co,node-name=n", "-blockdev", "null-co,node-name=virtio0", "-blockdev",
                                    f"qcow2,node-name=q,file.driver=file,file.filename={image}",
                                    "-drive", "if=none,id=d,format=null-co", "-device", "virtio-blk-pci,drive=d"]) as m:
            def refused(name, *words, **arguments):
                try:
                    m.qmp.command(name, **{key.replace("_", "-"): value for key, value in arguments.items()})
                except machine.vm.QmpError as error:
                    tap.equal([word for word in words if word not in error.desc], [], error.desc)
                    return
                raise AssertionError(f"not refused: {name} {arguments}")

            def hmp(line):
                return m.qmp.command("human-monitor-command", **{"command-line": line})

            new = f"{folder}/new"
            refused("blockdev-add", "node-name=d", "drive", driver="null-co", node_name="d")
            refused("blockdev-add", "node-name=d", "drive", driver="raw", node_name="x", file={"driver": "null-co", "node-name": "d"})
            refused("blockdev-snapshot-sync", "node-name=d", "drive", node_name="q", snapshot_file=new, snapshot_node_name="d")
            refused("drive-mirror", "node-name=d", "drive", device="q", job_id="j", target=new, sync="full", node_name="d")
            refused("blockdev-mirror", "node-name=d", "drive", device="q", job_id="j", target="n", sync="full", filter_node_name="d")
            refused("blockdev-backup", "node-name=d", "drive", device="q", job_id="j", target="n", sync="full", filter_node_name="d")
            tap.equal(os.path.exists(new), False)
            for text, words in (("id=n,format=null-co", "id=n block node"), ("id=d,format=null-co", "id=d drive"),
                                ("id=n,media=cdrom", "id=n block node"), (f"id=y,format=raw,file={path},node-name=y", "id=y block node"),
                                (f"id=y,format=raw,file={path},file.node-name=y", "id=y block node")):
                said = hmp(f"drive_add 0 if=none,{text}")
                tap.equal([word for word in ["Error", *words.split()] if word not in said], [], said)
            nodes = sorted(n["node-name"] for n in m.qmp.command("query-named-block-nodes") if n["node-name"][0] != "#")
            tap.equal((nodes, [d["device"] for d in m.qmp.command("query-block")]), (["n", "q", "virtio0"], ["d"]))
            tap.equal(hmp("drive_add 0 if=none,id=y,format=null-co").strip(), "OK", "what was refused left nothing")
    node = ["-blockdev", "null-co,node-name=virtio0", "-drive", "if=virtio,format=null-co"]
    with machine.Machine(extra=node) as m:
        tap.equal([d["device"] for d in m.qmp.command("query-block")], ["virtio1"], "the first free name")
    for words, text in (([node[0], node[1], node[2], node[3] + ",index=0"], "index=0 'virtio0'"),
                        (["-blockdev", "null-co,node-name=ide0-hd0", "-drive", null(1)], "id=ide0-hd0 block node")):
        status, said = machine.run_program("-S", *words)
        tap.equal((status, [w for w in text.split() if w not in said]), (1, []), said)


# ---- IDE ----

def null(size, **more):
    """A drive that is @size MiB of nothing."""
    return ",".join(["format=null-co", f"size={size}M", *[f"{key}={value}" for key, value in more.items()]])


def identify(m, bus, unit):
    """Size in MiB of the disk at this place, as it tells the guest; None: there is none."""
    base = (0x1f0, 0x170)[bus]
    m.write("b", base + 6, 0xa0 | unit << 4)
    if m.read("b", base + 7) == 0:
        return None
    m.write("b", base + 7, 0xec)
    machine.vm.wait_until(lambda: m.read("b", base + 7) & 0x88 == 0x08, "there are data")
    words = [m.read("w", base) for _ in range(256)]
    return (words[61] << 16 | words[60]) * 512 // MIB


def disks(m):
    """The bus, the unit, and the drive of each disk of the board."""
    for child in m.qmp.command("qom-list", path="/machine/unattached"):
        if child["type"] == "child<ide-hd>":
            path = f"/machine/unattached/{child['name']}"
            serial, drive = (m.qmp.command("qom-get", path=path, property=name) for name in ("serial", "drive"))
            yield (*divmod(int(serial[2:]) - 1, 2), drive)


def ide(*words):
    """For each place with a disk, (bus, unit): (its drive, its size for the guest)."""
    with machine.Machine(extra=words) as m:
        places = {(bus, unit): (drive, identify(m, bus, unit)) for bus, unit, drive in disks(m)}
        tap.equal(sum(identify(m, bus, unit) is not None for bus in range(2) for unit in range(2)), len(places), "disks")
        return places


def ide_places():
    def drive(*options):
        return ide(*[word for o in options for word in ("-drive", o)])
    tap.equal(drive(null(3)), {(0, 0): ("ide0-hd0", 3)}, "the default")
    tap.equal(drive(null(1), null(2), null(3), null(4)),
              {(0, 0): ("ide0-hd0", 1), (0, 1): ("ide0-hd1", 2), (1, 0): ("ide1-hd0", 3), (1, 1): ("ide1-hd1", 4)})
    tap.equal(drive(null(1, index=3), null(2, bus=1), null(3, unit=1), null(4, id="d")),
              {(1, 1): ("ide1-hd1", 1), (1, 0): ("ide1-hd0", 2), (0, 1): ("ide0-hd1", 3), (0, 0): ("d", 4)})
    tap.equal(drive("if=ide," + null(5, bus=0, unit=1), null(6, bus=0), null(7, bus=0)),
              {(0, 1): ("ide0-hd1", 5), (0, 0): ("ide0-hd0", 6), (1, 0): ("ide1-hd0", 7)}, "a bus that is full")


def sata_places():
    def places(*words):
        with machine.Machine(extra=["-M", "q35", *words]) as m:
            return list(disks(m))
    with tempfile.TemporaryDirectory() as folder:
        path = raw(folder)
        tap.equal(places("-hdd", path), [(3, 0, "ide3-hd0")])
        tap.equal(places("-hdc", path, "-drive", null(1), "-drive", null(2, index=5), "-drive", null(3, bus=4)),
                  [(0, 0, "ide0-hd0"), (2, 0, "ide2-hd0"), (4, 0, "ide4-hd0"), (5, 0, "ide5-hd0")])


def removable(*words):
    """Drives whose media can be changed, of a machine with what it has by itself: name, whether there is one."""
    run = subprocess.run([machine.PROGRAM, "-S", "-accel", "qtest", "-display", "none", "-serial", "none", "-monitor", "none",
                          "-qmp", "stdio", *words], input='{"execute":"qmp_capabilities"}{"execute":"query-block"}'
                         '{"execute":"quit"}', capture_output=True, text=True, timeout=60)
    tap.equal((run.returncode, run.stderr), (0, ""), words)
    found = [json.loads(line)["return"] for line in run.stdout.splitlines() if '"return": [' in line][0]
    return [(drive["device"], "inserted" in drive) for drive in found if drive["removable"]]


def floppy_drives():
    """Drive A of a pc, unless a user says what floppy drives there are."""
    first = [("floppy0", False)]
    for words, drives in (
            (["-M", "pc"], first), (["-M", "pc-i440fx-2.8"], first), (["-M", "pc", "-device", "ES1370"], first),
            (["-M", "pc", "-nodefaults"], []), (["-M", "q35"], []), (["-M", "none"], []),
            (["-M", "pc", "-drive", "if=floppy," + null(1)], [("floppy0", True)]),
            (["-M", "pc", "-drive", "if=floppy," + null(1, index=1)], [*first, ("floppy1", True)]),
            (["-M", "pc", "-nodefaults", "-drive", "if=floppy," + null(1, index=1)], [("floppy1", True)]),
            (["-M", "q35", "-drive", "if=floppy," + null(1, index=1)], [("floppy1", True)]),
            (["-M", "pc", "-device", "floppy,id=mine,unit=1"], [("", False)]),
            (["-M", "pc", "-global", "isa-fdc.fallback=144"], []),
            (["-M", "pc", "-global", "driver=isa-fdc,property=fallback,value=144"], []),
            (["-M", "pc", "-global", "{'driver': 'isa-fdc', 'property': 'fallback', 'value': '144'}"], [])):
        found = [drive for drive in removable(*words) if "cd" not in drive[0]]
        tap.equal(sorted(found), drives, words)


def cd_drives():
    """The one that a machine has by itself, unless a user says where CDs, or disks, go; and those that are named."""
    def cds(*words):
        return [drive for drive in removable(*words) if drive[0] != "floppy0"]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/a,b"
        os.rename(raw(folder), path)
        for words, drive in (
                (["-M", "pc"], ("ide1-cd0", False)), (["-M", "q35"], ("ide2-cd0", False)),
                (["-M", "pc", "-cdrom", path], ("ide1-cd0", True)), (["-M", "q35", "-cdrom", path], ("ide2-cd0", True)),
                (["-M", "q35", "-drive", null(1), "-cdrom", path], ("ide2-cd0", True)),
                (["-M", "pc", "-drive", "media=cdrom,index=2,id=mine"], ("mine", False)),
                (["-M", "pc", "-drive", "if=none,id=d,media=cdrom", "-device", "ide-cd,drive=d"], ("d", False)),
                (["-M", "q35", "-device", "{\"driver\": \"ide-cd\", \"id\": \"alone\"}"], ("", False)),
                (["-M", "q35", "-nodefaults"], None), (["-M", "none"], None),
                (["-M", "pc", "-drive", null(1, index=2)], None)):
            tap.equal(cds(*words), [drive] if drive else [], words)
        tap.equal(cds("-M", "pc", "-drive", "media=cdrom", "-cdrom", path), [("ide0-cd0", False), ("ide1-cd0", True)])


def hard_disks():
    with tempfile.TemporaryDirectory() as folder:
        words, places = [], {}
        for number, letter in enumerate("dcba"):
            path = f"{folder}/{letter},x"  # a comma is a part of the name
            with open(path, "wb") as file:
                file.truncate((number + 1) * MIB)
            place = divmod(3 - number, 2)
            words += [f"-hd{letter}", path]
            places[place] = (f"ide{place[0]}-hd{place[1]}", number + 1)
            tap.equal(ide(f"-hd{letter}", path), {place: places[place]}, letter)
        tap.equal(ide(*words), places, "all")
        tap.equal(ide(path), {(0, 0): ("ide0-hd0", 4)}, "a file without an option")


def ide_refused():
    disk = ["-drive", null(1)]
    for options, words in (
            ([*disk, "-drive", null(1, index=0)], "bus=0 unit=0 'ide0-hd0'"),
            (["-hdb", "null-co://", "-drive", null(1, bus=0, unit=1)], "bus=0 unit=1 'ide0-hd1'"),
            ([*disk, "-device", "ide-hd,drive=d,bus=ide.0,unit=0", "-drive", null(1) + ",if=none,id=d"], "unit=0 'ide.0'"),
            (disk * 5, "4 index=0 buses"),
            (["-drive", null(1, index=4)], "4 index=0 buses"),
            (["-drive", null(1, index=4294967295)], "4 index=0 buses"),
            (["-drive", null(1, bus=2)], "4 index=0 buses"),
            (["-drive", null(1, bus=2147483648)], "4 index=0 buses"),
            (["-drive", null(1, bus=2147483647, unit=1)], "4 index=0 buses"),
            (["-drive", null(1, unit=2)], "unit=2 units"),
            (["-drive", null(1, unit=0, index=0)], "index= unit= bus="),
            (["-drive", null(1, bus=0, index=0)], "index= unit= bus="),
            (["-drive", null(1, id="a"), "-drive", null(1, id="a")], "id=a"),
            (["-cdrom", "null-co://", "-hdc", "null-co://"], "bus=1 unit=0 'ide1-cd0'"),
            (["-M", "none", "-cdrom", "null-co://"], "-cdrom no IDE bus"),
            (["-drive", null(1, readonly="on")], "if=ide ide0-hd0 virtio"),
            (["-drive", null(1, bus=0) + ",if=virtio"], "bus= if=ide"),
            (["-M", "q35", *disk * 7], "6 index=0 buses"),
            (["-M", "q35", "-drive", null(1, unit=1)], "unit=1 unit 0 only"),
            (["-M", "q35", "-hda", "null-co://", *disk, "-drive", null(1, index=0)], "bus=0 unit=0 'ide0-hd0'"),
            (["-M", "none", *disk], "if=ide none virtio pflash"),
            (["-M", "none", "-hda", "null-co://"], "-hda no IDE bus"),
            (["-hda", "null-co://", "null-co://"], "-hda bus=0 unit=0 'ide0-hd0'"),
            (["-"], "'-' -help"), ([""], "'' -help")):
        status, text = machine.run_program("-S", *options)
        tap.equal((status, [w for w in words.split() if w not in text]), (1, []), f"{options}: {text}")


def copy_on_read():
    """What is read of a backing file is in the image then, and what is written stays; a disk that is only read keeps nothing."""
    def own(path):
        found = json.loads(subprocess.run(["qemu-img", "map", "--output=json", path], stdout=subprocess.PIPE, check=True).stdout)
        return [(entry["start"], entry["length"]) for entry in found if entry["depth"] == 0 and entry["data"]]

    for read_only in False, True:
        with tempfile.TemporaryDirectory() as folder:
            base, top = f"{folder}/base", f"{folder}/top"
            with open(base, "wb") as file:
                file.write(b"\x11" * MIB)
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top], check=True)
            flag = ",read-only=on" if read_only else ""
            with machine.Machine(extra=["-device", "virtio-blk-pci,drive=cor,id=v", "-blockdev",
                                        f"copy-on-read,node-name=cor{flag},file.driver=qcow2,file.node-name=q,file.file.driver=file,file.file.filename={top}"]) as m:
                def do(line):
                    return m.qmp.command("human-monitor-command", **{"command-line": f"qemu-io -d v {line}"})

                tap.equal(do('"read -q -P 0x11 70000 512"'), "")
                if not read_only:
                    tap.equal(do('"write -q -P 0x22 256k 512"') + do('"read -q -P 0x22 256k 512"') + do('"read -q -P 0x11 393216 65537"'), "")
                m.qmp.command("quit")
                m.process.wait(vm.LONG)
            tap.equal(own(top), [] if read_only else [(65536, 65536), (262144, 65536), (393216, 131072)])
            subprocess.run(["qemu-img", "check", "-q", top], check=True)


def copy_on_read_of_a_drive():
    """copy-on-read=on: the same, and the drive is its image for all who name it, also for jobs and snapshots. One that is only read keeps
    nothing, and says so."""
    def own(path):
        found = json.loads(subprocess.run(["qemu-img", "map", "--output=json", path], stdout=subprocess.PIPE, check=True).stdout)
        return [(entry["start"], entry["length"]) for entry in found if entry["depth"] == 0 and entry["data"]]

    with tempfile.TemporaryDirectory() as folder:
        base, top, above = f"{folder}/base", f"{folder}/top", f"{folder}/above"
        with open(base, "wb") as file:
            file.write(b"\x11" * MIB)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top], check=True)
        drive = f"if=none,id=d,file={top},copy-on-read=on"
        with machine.Machine(extra=["-drive", drive, "-device", "virtio-blk-pci,drive=d"]) as m:
            def read(at):
                tap.equal(m.qmp.command("human-monitor-command", **{"command-line": f'qemu-io d "read -q -P 0x11 {at} 512"'}), "")

            inserted = m.qmp.command("query-block")[0]["inserted"]
            tap.equal((inserted["drv"], inserted["file"], inserted["backing_file"]), ("qcow2", top, base))
            tap.equal(m.qmp.command("query-blockstats")[0]["node-name"], inserted["node-name"])
            nodes = [node["drv"] for node in m.qmp.command("query-named-block-nodes", flat=True)]
            tap.equal(sorted(nodes), ["file", "file", "qcow2", "raw"])
            read(70000)
            m.qmp.command("blockdev-snapshot-sync", device="d", **{"snapshot-file": above, "format": "qcow2"})
            tap.equal(m.qmp.command("query-block")[0]["inserted"]["file"], above)
            read(270000)
            m.qmp.command("block-stream", device="d")
            m.qmp.event("BLOCK_JOB_COMPLETED", device="d")
            tap.equal("backing_file" in m.qmp.command("query-block")[0]["inserted"], False)
            m.qmp.command("block_resize", device="d", size=2 * MIB)
            m.qmp.command("quit")
            m.process.wait(vm.LONG)
        with machine.Machine(extra=["-drive", drive, "-device", "virtio-blk-pci,drive=d,share-rw=on"]) as m:
            m.qmp.command("nbd-server-start", addr={"type": "unix", "data": {"path": f"{folder}/nbd"}})
            m.qmp.command("block-export-add", **{"type": "nbd", "id": "read", "node-name": m.qmp.command("query-block")[0]["inserted"]["node-name"]})
            try:  # what is kept could replace what another one has just written
                m.qmp.command("nbd-server-add", device="d", writable=True)
                raise AssertionError("nbd-server-add")
            except vm.QmpError as err:
                tap.equal("does not allow" in err.desc, True, err.desc)
        tap.equal(own(top), [(65536, 65536)])
        tap.equal(sum(length for _, length in own(above)), MIB)
        for path in top, above:
            subprocess.run(["qemu-img", "check", "-q", path], check=True)
        found, errors = drives(f"{drive},readonly=on")
        tap.equal((found["d"]["drv"], "nothing is kept by copy-on-read=on" in errors), ("qcow2", True), errors)
        found, errors = drives(f"{drive},snapshot=on")
        tap.equal((found["d"]["drv"], found["d"]["backing_file"], errors), ("qcow2", top, ""))


def caches():
    """qcow2's caches of tables: sizes that go together are taken, others are not."""
    with tempfile.TemporaryDirectory() as folder:
        path = qcow2(folder)
        for words in "cache-size=1M", "l2-cache-size=64k,refcount-cache-size=0", "cache-size=2M,l2-cache-size=1M,l2-cache-entry-size=4096,cache-clean-interval=60":
            tap.equal(one(f"if=none,format=qcow2,file={path},{words}")["drv"], "qcow2", words)
        for words, wrong in (("cache-size=1M,l2-cache-size=1M,refcount-cache-size=0", "give two"), ("cache-size=1M,l2-cache-size=2M", "larger"),
                             ("cache-size=1M,refcount-cache-size=2M", "refcount-cache-size"), ("l2-cache-entry-size=256", "power of 2"),
                             ("l2-cache-entry-size=128k", "power of 2"), ("l2-cache-entry-size=5000", "power of 2")):
            status, text = machine.run_program("-S", "-drive", f"if=none,format=qcow2,file={path},{words}")
            tap.equal((status, wrong in text), (1, True), f"{words}: {text}")


def refused():
    for options, words in (
            (["if=none,format=null-co,bps=1000,throttling.bps-total=1000"], "throttling.bps-total older give"),
            (["if=none,format=null-co,iops=10,iops_max=20,throttling.iops-total-max=20"], "throttling.iops-total-max older"),
            (["if=none,format=null-co,iops=10,iops_size=20,throttling.iops-size=20"], "throttling.iops-size older"),
            (["if=none,format=raw,driver=null-co"], "driver=null-co format=raw"),
            (["if=scsi,format=null-co"], "if=none virtio-scsi-pci scsi-hd,drive="),
            (["if=sd,format=null-co"], "if=none sdhci-pci sd-card,drive="),
            (["if=none"], "file="),
            (["if=none,format=raw"], "file="),
            (["if=none,format=null-co,colour=red"], "'colour' 'latency-ns'"),
            (["if=none,file.driver=null-co,file.colour=red"], "'file.colour' 'latency-ns'"),
            (["if=none,format=raw,file=json:{"], "JSON"),
            (["if=virtio,index=2,format=null-co", "if=virtio,index=2,format=null-co"], "index=2 'virtio2'"),
            (["if=none,media=tape,format=null-co"], "media=tape cdrom")):
        status, text = machine.run_program("-S", *[word for o in options for word in ("-drive", o)])
        tap.equal((status, [w for w in words.split() if w not in text]), (1, []), f"{options}: {text}")


def of_devices():
    """How a disk's device is called: its id, or its path; that of virtio is a part of it, and has a path."""
    extra = [word for name, device in (("a", "virtio-blk-pci,id=v0"), ("b", "ide-cd,id=c0"), ("c", "ide-hd"),
                                       ("d", "virtio-blk-pci"))
             for word in ("-drive", f"if=none,id={name},format=null-co,size=3M", "-device", f"{device},drive={name}")]
    with machine.Machine(extra=extra) as m:
        wanted = {"a": "/machine/peripheral/v0/virtio-backend", "b": "c0", "c": "/machine/peripheral-anon/device[0]",
                  "d": "/machine/peripheral-anon/device[1]/virtio-backend"}
        for command in "query-block", "query-blockstats":
            tap.equal({entry["device"]: entry["qdev"] for entry in m.qmp.command(command)}, wanted, command)


tap.run([("copy-on-read", copy_on_read), ("copy-on-read=on of a drive", copy_on_read_of_a_drive), ("qcow2: caches", caches), ("how devices are called", of_devices), ("qemu-io", io), ("null-co, said in each way", nothing_behind_it), ("files", files), ("a name with commas", with_a_comma),
         ("a format that is guessed", guessed), ("a format without a driver", foreign),
         ("options of the backing file", options_of_the_backing_file), ("errors by a file", rules), ("names", names), ("names of drives and nodes", one_word_one_disk),
         ("what goes with its device", goes_with_its_device), ("drive_del leaves no medium", no_medium_is_left),
         ("IDE: where a drive goes", ide_places), ("SATA: where a drive goes", sata_places),
         ("floppy drives", floppy_drives), ("CD drives", cd_drives),
         ("IDE: -hda to -hdd", hard_disks), ("IDE: what is refused", ide_refused), ("what is refused", refused)])

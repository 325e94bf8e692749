#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-drive: the ways to say what a drive holds. Usage: test_drive.py BUILD-DIR"""
import os
import subprocess
import tempfile

import machine
import tap

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


def names():
    null = "format=null-co"
    found, _ = drives(f"if=virtio,{null}", f"if=virtio,index=3,{null}", f"if=virtio,{null}", f"if=none,unit=1,{null}")
    tap.equal(sorted(found), ["none1", "virtio0", "virtio1", "virtio3"])
    tap.equal(one(f"if=none,media=cdrom,{null}")["ro"], True)
    tap.equal(one(f"if=none,media=disk,{null}")["ro"], False)


def refused():
    for options, words in (
            (["if=none,format=raw,driver=null-co"], "driver=null-co format=raw"),
            (["if=none"], "file="),
            (["if=none,format=raw"], "file="),
            (["if=none,format=null-co,colour=red"], "'colour' 'latency-ns'"),
            (["if=none,file.driver=null-co,file.colour=red"], "'file.colour' 'latency-ns'"),
            (["if=none,format=raw,file=json:{"], "JSON"),
            (["if=virtio,index=2,format=null-co", "if=virtio,index=2,format=null-co"], "index=2 'virtio2'"),
            (["if=none,media=tape,format=null-co"], "media=tape cdrom")):
        status, text = machine.run_program("-S", *[word for o in options for word in ("-drive", o)])
        tap.equal((status, [w for w in words.split() if w not in text]), (1, []), f"{options}: {text}")


tap.run([("null-co, said in each way", nothing_behind_it), ("files", files), ("a name with commas", with_a_comma),
         ("a format that is guessed", guessed), ("names", names), ("what is refused", refused)])

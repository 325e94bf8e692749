#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-img: parts of images that are copied – snapshots, bitmaps, what can still be read – as the reference has it.
Usage: test_convert.py BUILD-DIR"""
import contextlib
import json
import os
import struct
import subprocess
import time

import img
import tap

from img import MIB


def content(path):
    with open(path, "rb") as file:
        return file.read()


# ---- snapshots ----

def with_snapshots(path):
    """Names that look like ids, and one that two have: the first byte says which state it is."""
    img.run("create", "-q", "-f", "qcow2", path, "1M")
    for value, name in enumerate(("twice", "1", "twice", "7"), 1):
        img.write(path, f"write -P {value} 0 64k", f"write -P {value} {value * 128}k 64k")
        img.run("snapshot", "-c", name, path)
    img.write(path, "write -P 9 0 1M")


def snapshots_as_by_the_reference():
    img.need_reference()
    with img.folder() as folder:
        with_snapshots(f"{folder}/a")
        for which, first in (("twice", 1), ("1", 1), ("2", 2), ("7", 4), ("snapshot.name=1", 2), ("snapshot.id=1", 1),
                             ("snapshot.name=twice", 1), ("snapshot.id=3,snapshot.name=twice", 3),
                             ("snapshot.name=twice,snapshot.id=1", 1)):
            for program, name in ((img.run, "ours"), (img.reference, "theirs")):
                program("convert", "-l", which, "-O", "raw", "a", name, cwd=folder)
            tap.equal((content(f"{folder}/ours")[0], content(f"{folder}/ours") == content(f"{folder}/theirs")), (first, True), which)
            for words in (["-O", "qcow2"], ["-O", "raw"], ["-O", "qcow2", "--output=json"]):
                tap.equal(img.run("measure", *words, "-l", which, "a", cwd=folder),
                          img.reference("measure", *words, "-l", which, "a", cwd=folder), (which, words))
        for which in ("none", "5", "snapshot.name=2", "snapshot.id=twice", "snapshot.id=1,snapshot.name=1", "snapshot.",
                      "snapshot.x=1", "snapshot.id=1,x=2", "snapshot.id.x=1", "snapshot.name=", "", "id=1"):
            for command, more in (("convert", ["out"]), ("measure", [])):
                for program in (img.PROGRAM, img.REFERENCE):
                    tap.equal(img.call(program, command, "-O", "raw", "-l", which, "a", *more, cwd=folder).status, 1, (program, which))
                tap.equal(os.path.exists(f"{folder}/out"), False, which)
        img.sound(f"{folder}/a")


def snapshots_with_backing_files():
    img.need_reference()
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", "base", "1M", cwd=folder)
        img.write(f"{folder}/base", "write -P 5 0 1M")
        img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", "top", cwd=folder)
        img.write(f"{folder}/top", "write -P 6 64k 64k")
        img.run("snapshot", "-c", "s", "top", cwd=folder)
        img.write(f"{folder}/top", "write -P 7 0 1M")
        for words in (["-O", "raw"], ["-c", "-O", "qcow2"], ["-O", "qcow2", "-B", "base", "-F", "qcow2"]):
            img.run("convert", "-l", "s", *words, "top", "ours", cwd=folder)
            img.reference("convert", "-l", "s", *words, "top", "theirs", cwd=folder)
            img.reference("compare", "ours", "theirs", cwd=folder)
            tap.equal(img.reference("map", "--output=json", "ours", cwd=folder) if "-B" in words else "",
                      img.reference("map", "--output=json", "theirs", cwd=folder) if "-B" in words else "")


def snapshots_of_other_sizes():
    """All of the disk as it was, and no more."""
    with img.folder() as folder:
        path = f"{folder}/a"
        img.run("create", "-q", "-f", "qcow2", path, "1M")
        img.run("snapshot", "-c", "small", path)
        img.run("resize", path, "600M")
        with open(f"{folder}/r", "wb") as file:
            file.truncate(600 * MIB)
            file.seek(599 * MIB)
            file.write(b"x" * MIB)
        img.run("convert", "-n", "-f", "raw", "-O", "qcow2", f"{folder}/r", path)
        img.run("snapshot", "-c", "large", path)
        img.run("resize", "--shrink", path, "2M")
        for which, size in (("small", 1), ("large", 600)):
            img.run("convert", "-l", which, "-O", "raw", path, f"{folder}/out")
            tap.equal(os.path.getsize(f"{folder}/out"), size * MIB)
            tap.equal(img.run("measure", "-l", which, "-O", "raw", path).split()[2], str(size * MIB))
        img.run("compare", "-f", "raw", f"{folder}/out", f"{folder}/r")
        img.sound(path)


def refused_snapshots():
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", "q", "1M", cwd=folder)
        img.run("create", "-q", "-f", "raw", "r", "1M", cwd=folder)
        for words, says in ((["-f", "raw", "r"], "images of format raw have no snapshots"), (["q"], "q has no snapshot with the name s"),
                            (["q", "q"], "one image")):
            img.fails("convert", "-l", "s", *words, "out", cwd=folder, says=says)
        img.fails("convert", "-l", "snapshot.x=1", "q", "out", cwd=folder, says="snapshot.id=ID")
        img.fails("measure", "-O", "qcow2", "-l", "s", "--size", "1M", says="needs a file")
        # An L1 table that is not there is no disk.
        img.run("snapshot", "-c", "s", "q", cwd=folder)
        with open(f"{folder}/q", "r+b") as file:
            head = file.read(72)
            file.seek(struct.unpack(">Q", head[64:72])[0] + 8)
            file.write(bytes(4))
        img.fails("convert", "-l", "s", "q", "out", cwd=folder, says="cannot be read")
        tap.equal(sorted(os.listdir(folder)), ["q", "r"])


# ---- bitmaps ----

def bitmaps(path, program=img.PROGRAM):
    return img.info(path, program)["format-specific"]["data"].get("bitmaps", [])


def marked(folder, name, bitmap):
    """Where it is marked, as the reference serves it."""
    sock = f"{folder}/sock"
    with subprocess.Popen(["qemu-nbd", "-r", "-f", "qcow2", "-k", sock, "-B", bitmap, f"{folder}/{name}"]) as server:
        try:
            while not os.path.exists(sock):
                time.sleep(0.005)
            found = json.loads(img.reference("map", "--output=json", "--image-opts",
                                             f"driver=nbd,server.type=unix,server.path={sock},x-dirty-bitmap=qemu:dirty-bitmap:{bitmap}"))
        finally:
            server.terminate()
    return [(e["start"], e["length"]) for e in found if not e["data"]]


def with_bitmaps(path):
    img.run("create", "-q", "-f", "qcow2", path, "10M")
    img.run("bitmap", "--add", path, "b0")
    img.run("bitmap", "--add", "-g", "32k", path, "b1")
    img.run("bitmap", "--add", "--disable", "-g", "1M", path, "b2")
    img.write(path, "write -P 1 1M 100k", "write -P 2 9M 1M")
    img.run("bitmap", "--disable", path, "b1")


def break_first(path):
    """It says that it is in use."""
    with open(path, "r+b") as file:
        head = file.read(4096)
        at = struct.unpack(">I", head[100:104])[0]
        while struct.unpack(">I", head[at:at + 4])[0] != 0x23852875:
            at += 8 + (struct.unpack(">I", head[at + 4:at + 8])[0] + 7) // 8 * 8
        file.seek(struct.unpack(">Q", head[at + 24:at + 32])[0] + 15)
        file.write(b"\3")


def bitmaps_go_along():
    img.need_reference()
    with img.folder() as folder:
        with_bitmaps(f"{folder}/a")
        for words in ([], ["-c"], ["-o", "cluster_size=512"], ["-o", "size=20M"], ["-o", "lazy_refcounts=on"]):
            img.run("convert", "--bitmaps", "-O", "qcow2", *words, "a", "ours", cwd=folder)
            img.sound(f"{folder}/ours")
            tap.equal(bitmaps(f"{folder}/ours"), bitmaps(f"{folder}/a"), words)
            img.run("compare", "a", "ours", cwd=folder)
        img.run("convert", "--bitmaps", "-O", "qcow2", "a", "ours", cwd=folder)
        img.reference("convert", "--bitmaps", "-O", "qcow2", "a", "theirs", cwd=folder)
        tap.equal(bitmaps(f"{folder}/ours", img.REFERENCE), bitmaps(f"{folder}/theirs", img.REFERENCE))
        for name in ("b0", "b1", "b2"):
            found = marked(folder, "ours", name)
            tap.equal(found, marked(folder, "theirs", name), name)
            tap.equal(bool(found), name != "b2")
        # Into an image that is there, too.
        img.run("create", "-q", "-f", "qcow2", f"{folder}/there", "12M")
        img.run("bitmap", "--add", f"{folder}/there", "other")
        img.run("convert", "--bitmaps", "-n", "-O", "qcow2", "a", "there", cwd=folder)
        tap.equal([b["name"] for b in bitmaps(f"{folder}/there")], ["other", "b0", "b1", "b2"])
        img.sound(f"{folder}/there")
        # And of the image, with the disk of a snapshot.
        img.run("snapshot", "-c", "s", "a", cwd=folder)
        img.run("convert", "--bitmaps", "-l", "s", "-O", "qcow2", "a", "ours", cwd=folder)
        tap.equal(bitmaps(f"{folder}/ours"), bitmaps(f"{folder}/a"))


def bitmaps_are_measured():
    img.need_reference()
    with img.folder() as folder:
        with_bitmaps(f"{folder}/a")
        for i in range(20):
            img.run("bitmap", "--add", "-g", 512 << i % 12, f"{folder}/a", "x" * (i + 1))
        for size in (512, "4k", "64k", "2M"):
            words = ["measure", "--output=json", "-O", "qcow2", "-o", f"cluster_size={size}", "a"]
            tap.equal(json.loads(img.run(*words, cwd=folder)), json.loads(img.reference(*words, cwd=folder)), size)
        break_first(f"{folder}/a")
        tap.equal(img.run("measure", "-O", "qcow2", "a", cwd=folder), img.reference("measure", "-O", "qcow2", "a", cwd=folder))


def bitmaps_that_nobody_can_copy():
    with img.folder() as folder:
        path = f"{folder}/a"
        img.run("create", "-q", "-f", "qcow2", path, "1M")
        for name in "xy":
            img.run("bitmap", "--add", path, name)
        img.run("create", "-q", "-f", "raw", f"{folder}/r", "1M")
        img.run("create", "-q", "-f", "qcow2", f"{folder}/q", "1M")
        img.run("bitmap", "--add", f"{folder}/q", "y")
        img.run("create", "-q", "-f", "qcow2", "-o", "compat=0.10", f"{folder}/old", "1M")
        for words, says in ((["--bitmaps", "a", "a", "out"], "one image"), (["--bitmaps", "-O", "raw", "a", "out"], "of format raw keeps no"),
                            (["--bitmaps", "-f", "raw", "-O", "qcow2", "r", "out"], "raw images keep no bitmaps"),
                            (["--bitmaps", "-O", "qcow2", "-o", "compat=0.10", "a", "out"], "compat=1.1"),
                            (["--bitmaps", "-n", "-O", "raw", "a", "r"], "raw images keep no bitmaps"),
                            (["--bitmaps", "-n", "-O", "qcow2", "a", "q"], "has a bitmap 'y' already"),
                            (["--bitmaps", "-n", "-O", "qcow2", "a", "old"], "version 2"),
                            (["--skip-broken-bitmaps", "-O", "qcow2", "a", "out"], "only of use with --bitmaps")):
            img.fails("convert", *words, cwd=folder, says=says)
            tap.equal(os.path.exists(f"{folder}/out"), False, words)
        tap.equal([b["name"] for b in bitmaps(f"{folder}/q")], ["y"])
        img.sound(f"{folder}/q")
        break_first(path)
        img.fails("convert", "--bitmaps", "-O", "qcow2", "a", "out", cwd=folder, says="--skip-broken-bitmaps")
        tap.equal(os.path.exists(f"{folder}/out"), False)
        result = img.call(img.PROGRAM, "convert", "--bitmaps", "--skip-broken-bitmaps", "-O", "qcow2", "a", "out", cwd=folder)
        tap.equal((result.status, "warning: a: bitmap 'x' is inconsistent" in result.errors), (0, True), result.errors)
        tap.equal([b["name"] for b in bitmaps(f"{folder}/out")], ["y"])
        img.sound(f"{folder}/out")


# ---- what can still be read ----

def rules(path, *sectors):
    """A disk on which these cannot be read; without one, none."""
    with open(path, "w", encoding="utf-8") as file:
        for sector in sectors or (None,):
            file.write('[inject-error]\nevent = "read_aio"\nerrno = "5"\n' + (f'sector = "{sector}"\n' if sector is not None else ""))


def salvaged():
    with img.folder() as folder:
        data = bytes(1 + at % 251 for at in range(3 * MIB + 700))
        with open(f"{folder}/r", "wb") as file:
            file.write(data)
        bad = (0, 1, 2, 100, 2047, 2048, 5000)
        rules(f"{folder}/rules", *bad)
        expected = bytearray(data)
        for sector in bad:
            expected[sector * 512:sector * 512 + 512] = bytes(512)
        for words in (["-O", "raw"], ["-O", "qcow2"], ["-c", "-O", "qcow2"], ["-m", "1", "-S", "0", "-O", "raw"]):
            result = img.call(img.PROGRAM, "convert", "--salvage", "-f", "raw", *words, "blkdebug:rules:r", "out", cwd=folder)
            told = result.errors.splitlines()
            tap.equal((result.status, all("warning: error while reading offset " in line for line in told)), (0, True), told)
            # One line for sectors that follow each other, but for requests that end between them.
            places = sorted((int(line.split("offset ")[1].split(":")[0]), int(line.split("(")[1].split()[0])) for line in told)
            tap.equal(places, [(0, 1536), (51200, 512), (2047 * 512, 512), (MIB, 512), (5000 * 512, 512)], words)
            img.run("convert", "-f", words[-1], "-O", "raw", "out", "flat", cwd=folder)
            tap.equal(content(f"{folder}/flat")[:len(data)] == expected, True, words)
        if img.REFERENCE:
            img.reference("convert", "--salvage", "-f", "raw", "-O", "raw", "blkdebug:rules:r", "theirs", cwd=folder)
            tap.equal(content(f"{folder}/theirs")[:len(data)] == expected, True)
        tap.equal(img.run("convert", "--salvage", "-q", "-f", "raw", "blkdebug:rules:r", "out", cwd=folder), "")
        rules(f"{folder}/rules")
        img.run("convert", "--salvage", "-q", "-f", "raw", "blkdebug:rules:r", "out", cwd=folder)
        tap.equal(any(content(f"{folder}/out")), False)
        img.fails("convert", "--salvage", "-C", "r", "out", cwd=folder, says="-C")


def tables_that_cannot_be_read():
    """What a broken table leads to is lost; the rest is not."""
    img.need_reference()
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", f"{folder}/q", "8M")
        img.write(f"{folder}/q", "write -P 1 0 8M")
        with open(f"{folder}/q", "r+b") as file:
            head = file.read(72)
            file.seek(struct.unpack(">Q", head[40:48])[0] + 8)
            file.write(struct.pack(">Q", 1 << 63 | 512))  # the second L2 table: not where one can be
        img.fails("convert", "-O", "raw", "q", "out", cwd=folder)
        result = img.call(img.PROGRAM, "convert", "--salvage", "-O", "raw", "q", "out", cwd=folder)
        tap.equal(result.status, 0, result.errors)
        tap.equal(content(f"{folder}/out") == b"\1" * 2 * MIB + bytes(2 * MIB) + b"\1" * 4 * MIB, True)


# ---- commit, rebase ----

def committed_not_too_fast():
    """A limit that is felt: the second is the least that it may take."""
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", "base", "2M", cwd=folder)
        img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", "top", cwd=folder)
        with open(f"{folder}/r", "wb") as file:
            file.write(os.urandom(2 * MIB))
        img.run("convert", "-n", "-f", "raw", "-O", "qcow2", "r", "top", cwd=folder)
        for rate in ("0", "x"):
            img.fails("commit", "-r", rate, "top", cwd=folder, says="bytes a second")
        start = time.monotonic()
        out = img.run("commit", "-p", "-r", "2M", "top", cwd=folder)
        tap.equal((time.monotonic() - start >= 1, "(100.00/100%)" in out), (True, True), out)
        img.run("compare", "base", "r", cwd=folder)


@contextlib.contextmanager
def writer(folder, name):
    """A program that writes to it."""
    with subprocess.Popen([img.WRITER, "-f", "qcow2", f"{folder}/{name}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        program.stdin.write(b"write 0 512\n")
        program.stdin.flush()
        program.stdout.readline()
        yield
        program.stdin.close()


def rebased_to_what_is_written():
    """-U is about the new backing file: nobody else may have the image itself."""
    img.need_reference()
    with img.folder() as folder:
        for name in ("base", "other"):
            img.run("create", "-q", "-f", "qcow2", name, "1M", cwd=folder)
        img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", "top", cwd=folder)
        for program in (img.PROGRAM, img.REFERENCE):
            for busy, words, status in (("other", [], 1), ("other", ["-U"], 0), ("top", ["-U"], 1), ("top", ["-U", "-u"], 1)):
                img.run("rebase", "-u", "-b", "base", "-F", "qcow2", "top", cwd=folder)
                with writer(folder, busy):
                    done = img.call(program, "rebase", *words, "-b", "other", "-F", "qcow2", "top", cwd=folder)
                    tap.equal(done.status, status, (program, busy, words, done.errors))


tap.run([(function.__name__.replace("_", "-"), function) for function in (
    snapshots_as_by_the_reference, snapshots_with_backing_files, snapshots_of_other_sizes, refused_snapshots, bitmaps_go_along,
    bitmaps_are_measured, bitmaps_that_nobody_can_copy, salvaged, tables_that_cannot_be_read, committed_not_too_fast,
    rebased_to_what_is_written)])

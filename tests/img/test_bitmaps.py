#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-img bitmap: bitmaps that are kept in qcow2 images, made and read by it and by the reference.
Usage: test_bitmaps.py BUILD-DIR"""
import struct

import img
import tap

from img import KIB, MIB

DIRECTORY = 0x23852875  # type of the header extension


def create(path, size="10M", options="cluster_size=64k"):
    img.run("create", "-q", "-f", "qcow2", "-o", options, path, size)


def bitmaps(path, program=img.PROGRAM):
    return img.info(path, program)["format-specific"]["data"].get("bitmaps", [])


def flags(path, name, program=img.PROGRAM):
    return [b["flags"] for b in bitmaps(path, program) if b["name"] == name][0]


def both_say(path, expected):
    tap.equal([(b["name"], b["granularity"], b["flags"]) for b in bitmaps(path)], expected)
    if img.REFERENCE:
        tap.equal(bitmaps(path, img.REFERENCE), bitmaps(path))
    img.sound(path)


def directory(path):
    """Where it is in the file, and how many entries there are."""
    with open(path, "rb") as file:
        head = file.read(4096)
    at = struct.unpack(">I", head[100:104])[0]
    while struct.unpack(">I", head[at:at + 4])[0] != DIRECTORY:
        at += 8 + (struct.unpack(">I", head[at + 4:at + 8])[0] + 7) // 8 * 8
    count, _, _, offset = struct.unpack(">IIQQ", head[at + 8:at + 32])
    return offset, count


def patch(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def added_and_removed():
    for options in ("cluster_size=512", "cluster_size=64k", "cluster_size=2M", "lazy_refcounts=on", "refcount_bits=1"):
        with img.folder() as folder:
            path = f"{folder}/a"
            create(path, "10M", options)
            img.run("bitmap", "--add", path, "b0")
            img.run("bitmap", "--add", "--disable", "-g", "32k", path, "b1")
            granularity = min(max(img.info(path)["cluster-size"], 4 * KIB), 64 * KIB)
            both_say(path, [("b0", granularity, ["auto"]), ("b1", 32 * KIB, [])])
            img.run("bitmap", "--disable", path, "b0")
            img.run("bitmap", "--enable", "--clear", path, "b1")
            both_say(path, [("b0", granularity, []), ("b1", 32 * KIB, ["auto"])])
            img.run("bitmap", "--remove", path, "b0")
            both_say(path, [("b1", 32 * KIB, ["auto"])])
            img.run("bitmap", "--remove", path, "b1")
            both_say(path, [])
            header = open(path, "rb").read(4096)
            tap.equal((header.find(struct.pack(">I", DIRECTORY)), header[88:96]), (-1, bytes(8)))


def told_as_by_the_reference():
    img.need_reference()
    with img.folder() as folder:
        path = f"{folder}/a"
        create(path)
        img.reference("bitmap", "--add", path, "b0")
        img.run("bitmap", "--add", "--disable", path, "b1")
        img.reference("bitmap", "--add", path, "b2")
        tap.equal(img.run("info", path), img.reference("info", path))
        tap.equal([b["name"] for b in bitmaps(path)], ["b0", "b1", "b2"])
        img.sound(path)


def dirty(path, name):
    """What is marked, as the file has it."""
    table_at = None
    with open(path, "rb") as file:
        offset, count = directory(path)
        file.seek(offset)
        for _ in range(count):
            head = file.read(24)
            table, size, _, _, bits, length, extra = struct.unpack(">QIIBBHI", head)
            file.read(extra)
            if file.read(length).decode() == name:
                table_at = (table, size, bits)
            file.read(-(24 + extra + length) % 8)
        table, size, bits = table_at
        file.seek(table)
        places = struct.unpack(f">{size}Q", file.read(8 * size))
        found, at = [], 0
        cluster = img.info(path)["cluster-size"]
        for place in places:
            file.seek(place & ~511)
            data = file.read(cluster) if place & ~511 else bytes([255 * (place & 1)]) * cluster
            for byte in data:
                found += [at + i for i in range(8) if byte >> i & 1]
                at += 8
    return [i << bits for i in found]


def marked_by_either():
    img.need_reference()
    with img.folder() as folder:
        path = f"{folder}/a"
        create(path)
        img.run("bitmap", "--add", "-g", "64k", path, "all")
        img.write(path, "write 1M 100k", "write 9M 1")  # by the reference: it marks what it writes
        tap.equal(dirty(path, "all"), [MIB, MIB + 64 * KIB, 9 * MIB])
        tap.equal(flags(path, "all"), ["auto"])
        img.run("bitmap", "--add", "--disable", "-g", "32k", "--merge", "all", path, "copy")
        tap.equal(dirty(path, "copy"), [MIB + i * 32 * KIB for i in range(4)] + [9 * MIB, 9 * MIB + 32 * KIB])
        img.run("bitmap", "--clear", path, "copy")
        tap.equal(dirty(path, "copy"), [])
        img.reference("bitmap", "--merge", "all", path, "copy")
        img.run("bitmap", "--clear", path, "all")
        img.run("bitmap", "--merge", "copy", path, "all")
        tap.equal(dirty(path, "all"), [MIB, MIB + 64 * KIB, 9 * MIB])
        img.sound(path)


def merged_from_another_image():
    with img.folder() as folder:
        for name in "ab":
            create(f"{folder}/{name}")
            img.run("bitmap", "--add", f"{folder}/{name}", "x")
        create(f"{folder}/c", "20M")
        img.run("bitmap", "--add", f"{folder}/c", "x")
        img.run("convert", "-n", "-f", "qcow2", "-O", "qcow2", f"{folder}/a", f"{folder}/b")
        img.run("bitmap", "--merge", "x", "-b", f"{folder}/b", "-F", "qcow2", f"{folder}/a", "x")
        tap.equal(dirty(f"{folder}/a", "x"), dirty(f"{folder}/b", "x"))
        img.fails("bitmap", "--merge", "x", "-b", f"{folder}/c", f"{folder}/a", "x", says="of another size")
        img.sound(f"{folder}/a")


def writes_are_marked():
    with img.folder() as folder:
        path = f"{folder}/a"
        create(path)
        img.run("bitmap", "--add", path, "x")
        with open(f"{folder}/r", "wb") as file:
            file.truncate(10 * MIB)
            file.seek(5 * MIB)
            file.write(b"x" * 100)
        img.run("convert", "-n", "--target-is-zero", "-f", "raw", "-O", "qcow2", f"{folder}/r", path)
        tap.equal(5 * MIB in dirty(path, "x"), True)
        tap.equal(4 * MIB in dirty(path, "x"), False)
        both_say(path, [("x", 64 * KIB, ["auto"])])


def resized():
    with img.folder() as folder:
        path = f"{folder}/a"
        create(path)
        img.run("bitmap", "--add", "-g", "512", path, "x")
        for size in ("200M", "1M", "3G"):
            img.run("resize", *(["--shrink"] if size == "1M" else []), path, size)
            both_say(path, [("x", 512, ["auto"])])


def inconsistent():
    with img.folder() as folder:
        path = f"{folder}/a"
        create(path)
        for name in "xy":
            img.run("bitmap", "--add", path, name)
        offset, _ = directory(path)
        patch(path, offset + 12, struct.pack(">I", 3))
        tap.equal(flags(path, "x"), ["in-use", "auto"])
        for action in (("--clear",), ("--enable",), ("--merge", "y")):
            img.fails("bitmap", *action, path, "x", says="is inconsistent")
        img.fails("bitmap", "--merge", "x", path, "y", says="is inconsistent")
        img.fails("resize", path, "20M")
        img.run("bitmap", "--clear", path, "y")
        both_say(path, [("x", 64 * KIB, ["in-use", "auto"]), ("y", 64 * KIB, ["auto"])])
        img.run("bitmap", "--remove", path, "x")
        both_say(path, [("y", 64 * KIB, ["auto"])])


def changed_by_who_knows_none():
    """Without the flag in the header the directory is not to be trusted."""
    with img.folder() as folder:
        path = f"{folder}/a"
        create(path)
        img.run("bitmap", "--add", path, "x")
        patch(path, 88, bytes(8))
        tap.equal(bitmaps(path), [])
        img.run("bitmap", "--add", path, "x")
        tap.equal(flags(path, "x"), ["auto"])
        img.run("check", "-q", "-r", "leaks", path)
        img.sound(path)


def made_to_do_harm():
    places = {"name of nothing": (18, struct.pack(">H", 0)), "long name": (18, struct.pack(">H", 65535)),
              "extra data": (20, struct.pack(">I", 0xffffffff))}
    for data in places.values():
        with img.folder() as folder:
            path = f"{folder}/a"
            create(path)
            img.run("bitmap", "--add", path, "x")
            patch(path, directory(path)[0] + data[0], data[1])
            img.fails("info", path, says="directory of bitmaps")
    kept = {"table beyond the file": (0, struct.pack(">Q", 1 << 50)), "large table": (8, struct.pack(">I", 0xffffffff)),
            "unknown flag": (12, struct.pack(">I", 0x80000002)), "unknown type": (16, b"\2"), "granularity": (17, b"\77")}
    for what, data in kept.items():
        with img.folder() as folder:
            path = f"{folder}/a"
            create(path)
            img.run("bitmap", "--add", path, "x")
            patch(path, directory(path)[0] + data[0], data[1])
            img.run("info", path)
            img.run("bitmap", "--add", path, "y")
            tap.equal(flags(path, "y"), ["auto"], what)
            tap.equal(img.call(img.PROGRAM, "check", path).status in (0, 1, 2, 3), True, what)


def refused():
    with img.folder() as folder:
        path = f"{folder}/a"
        create(path)
        img.fails("bitmap", path, "x", says="give at least one of")
        img.fails("bitmap", "--add", path, says="what is needed is")
        img.fails("bitmap", "--clear", path, "x", says="has no bitmap 'x'")
        img.fails("bitmap", "--clear", "-g", "4k", path, "x", says="-g goes only with --add")
        img.fails("bitmap", "--add", "-g", "1000", path, "x", says="power of 2")
        img.fails("bitmap", "--add", "-b", path, path, "x", says="-b goes only with --merge")
        img.run("bitmap", "--add", path, "x")
        img.fails("bitmap", "--add", path, "x", says="already")
        img.fails("snapshot", "-a", "s", path, says="dirty bitmaps")
        create(path, options="compat=0.10")
        img.fails("bitmap", "--add", path, "x", says="version 2")
        img.run("create", "-q", f"{folder}/r", "1M")
        img.fails("bitmap", "--add", "-f", "raw", f"{folder}/r", "x", says="keeps no bitmaps")


tap.run([(function.__name__.replace("_", "-"), function) for function in (
    added_and_removed, told_as_by_the_reference, marked_by_either, merged_from_another_image, writes_are_marked, resized,
    inconsistent, changed_by_who_knows_none, made_to_do_harm, refused)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-img amend: images become what the reference makes of them. Usage: test_amend.py BUILD-DIR"""
import os
import struct

import img
import tap


def facts(path, program=img.PROGRAM):
    data = img.info(path, program)["format-specific"]["data"]
    return data["compat"], data.get("lazy-refcounts"), data["refcount-bits"]


def to_version_3():
    for options in ("cluster_size=512", "cluster_size=64k", "cluster_size=2M"):
        with img.folder() as folder:
            img.run("create", "-q", "-f", "raw", "base", "1M", cwd=folder)
            img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", "-o", f"compat=0.10,{options}", "a", cwd=folder)
            img.run("create", "-q", "-f", "raw", "r", "1M", cwd=folder)
            with open(f"{folder}/r", "r+b") as file:
                file.write(os.urandom(300000))
            img.run("convert", "-n", "-f", "raw", "-O", "qcow2", "r", "a", cwd=folder)
            img.run("snapshot", "-c", "s", "a", cwd=folder)
            tap.equal(facts(f"{folder}/a"), ("0.10", None, 16))
            img.run("amend", "-o", "compat=1.1", "a", cwd=folder)
            tap.equal(facts(f"{folder}/a"), ("1.1", False, 16), options)
            tap.equal(img.info(f"{folder}/a")["backing-filename"], "base")
            img.sound(f"{folder}/a")
            img.run("compare", "-f", "qcow2", "-F", "raw", "a", "r", cwd=folder)
            # It can have now what only version 3 has.
            img.run("bitmap", "--add", "a", "b", cwd=folder)
            img.run("snapshot", "-d", "s", "a", cwd=folder)
            img.sound(f"{folder}/a")
            if img.REFERENCE:
                img.reference("compare", "-f", "qcow2", "-F", "raw", "a", "r", cwd=folder)
                tap.equal(facts(f"{folder}/a", img.REFERENCE), ("1.1", False, 16))
                tap.equal(img.run("info", "a", cwd=folder), img.reference("info", "a", cwd=folder))


def lazy_refcounts():
    with img.folder() as folder:
        for compat, options, expected in (("1.1", "lazy_refcounts=on", ("1.1", True, 16)), ("0.10", "compat=1.1,lazy_refcounts=on", ("1.1", True, 16)),
                                          ("1.1", "lazy_refcounts=off", ("1.1", False, 16)), ("0.10", "lazy_refcounts=off", ("0.10", None, 16)),
                                          ("0.10", "compat=0.10", ("0.10", None, 16)), ("1.1", "compat=v3,refcount_bits=16", ("1.1", False, 16))):
            found = []
            for program in (img.run, img.reference) if img.REFERENCE else (img.run,):
                img.run("create", "-q", "-f", "qcow2", "-o", f"compat={compat}", "a", "1M", cwd=folder)
                program("amend", "-f", "qcow2", "-o", options, "a", cwd=folder)
                img.sound(f"{folder}/a")
                found.append(facts(f"{folder}/a"))
            tap.equal(found, [expected] * len(found), options)
        img.run("amend", "-o", "lazy_refcounts=on", "-o", "compat=1.1", "a", cwd=folder)
        img.run("amend", "-o", "lazy_refcounts=off", "a", cwd=folder)
        tap.equal(facts(f"{folder}/a"), ("1.1", False, 16))


def short_snapshots():
    """Of version 2 they may not say how large the disk was."""
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", "-o", "compat=0.10", "a", "1M", cwd=folder)
        img.run("snapshot", "-c", "name", "a", cwd=folder)
        with open(f"{folder}/a", "r+b") as file:
            at = struct.unpack(">Q", file.read(72)[64:])[0]
            file.seek(at + 36)
            extra = struct.unpack(">I", file.read(4))[0]
            file.seek(at + 40 + extra)
            texts = file.read(5)
            file.seek(at + 36)
            file.write(bytes(4) + texts)
        tap.equal(img.info(f"{folder}/a")["snapshots"][0]["name"], "name")
        img.fails("amend", "-o", "compat=1.1", "a", cwd=folder, says="snapshot 'name'")
        tap.equal(facts(f"{folder}/a"), ("0.10", None, 16))
        img.run("snapshot", "-d", "name", "a", cwd=folder)
        img.run("amend", "-o", "compat=1.1", "a", cwd=folder)
        img.sound(f"{folder}/a")


def to_version_2():
    """Zeros are written above a backing file, and nothing without one; disks are the same as before, of each program."""
    for options in ("cluster_size=512", "cluster_size=64k,lazy_refcounts=on"):
        for backing in ((), ("-b", "base", "-F", "raw")):
            with img.folder() as folder:
                with open(f"{folder}/base", "wb") as file:
                    file.write(b"\x77" * 1000000)
                for program in (img.run, img.reference) if img.REFERENCE else (img.run,):
                    img.run("create", "-q", "-f", "qcow2", "-o", options, *backing, "a", "1000000", cwd=folder)
                    for command in "write -P 1 0 200k", "write -z 64k 64k", "write -z -u 100k 30k", "write -z 900000 100000":
                        img.write(f"{folder}/a", command)
                    img.run("convert", "-f", "qcow2", "-O", "raw", "a", "before", cwd=folder)
                    program("amend", "-f", "qcow2", "-o", "compat=0.10", "a", cwd=folder)
                    tap.equal(facts(f"{folder}/a"), ("0.10", None, 16))
                    img.sound(f"{folder}/a")
                    img.run("compare", "-f", "qcow2", "-F", "raw", "a", "before", cwd=folder)
                    if img.REFERENCE:
                        img.reference("compare", "-f", "qcow2", "-F", "raw", "a", "before", cwd=folder)
                        img.reference("check", "-q", "a", cwd=folder)
                    img.run("amend", "-o", "compat=1.1,lazy_refcounts=on", "a", cwd=folder)
                    img.sound(f"{folder}/a")
                    img.run("compare", "-f", "qcow2", "-F", "raw", "a", "before", cwd=folder)


def not_to_version_2():
    """What version 2 cannot have stays, and so does the image."""
    for words, says in ((("snapshot", "-c", "s", "a"), "delete them first"), (("bitmap", "--add", "a", "b"), "bitmap --remove")):
        with img.folder() as folder:
            img.run("create", "-q", "-f", "qcow2", "a", "1M", cwd=folder)
            img.run(*words, cwd=folder)
            img.fails("amend", "-o", "compat=0.10", "a", cwd=folder, says=says)
            tap.equal(facts(f"{folder}/a")[0], "1.1")
            img.sound(f"{folder}/a")


def size():
    """It becomes longer and shorter, also with other changes; a backing file that is said to be what it is may be said."""
    with img.folder() as folder:
        img.run("create", "-q", "-f", "raw", "base", "1M", cwd=folder)
        img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", "a", cwd=folder)
        for options, expected in (("size=6M", 6 << 20), ("size=3M,compat=0.10", 3 << 20), ("backing_file=base,backing_fmt=raw,size=1048576", 1 << 20)):
            img.run("amend", "-o", options, "a", cwd=folder)
            tap.equal(img.info(f"{folder}/a")["virtual-size"], expected)
            img.sound(f"{folder}/a")


def longer_than_before():
    """What the disk gets is zeros, and nothing of a backing file that is longer."""
    for compat in ("1.1", "0.10"):  # the reference refuses the latter
        with img.folder() as folder:
            with open(f"{folder}/base", "wb") as file:
                file.write(b"\x77" * (1 << 20))
            with open(f"{folder}/wanted", "wb") as file:
                file.write((b"\x77" * 300032).ljust(2 << 20, b"\0"))
            for program in (img.run, img.reference) if img.REFERENCE and compat == "1.1" else (img.run,):
                img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", "-o", f"compat={compat}", "a", "300032", cwd=folder)
                program("amend", "-f", "qcow2", "-o", "size=2M", "a", cwd=folder)
                img.run("compare", "-f", "qcow2", "-F", "raw", "a", "wanted", cwd=folder)
                img.sound(f"{folder}/a")


def refused():
    with img.folder() as folder:
        for compat, options, says in (("0.10", "lazy_refcounts=on", "needs compat=1.1"), ("1.1,refcount_bits=8", "compat=0.10", "convert -O qcow2 -o compat=0.10"), ("1.1,compression_type=zstd", "compat=0.10", "zstd"),
                                      ("1.1", "compat=0.10,lazy_refcounts=on", "needs compat=1.1"), ("1.1", "refcount_bits=8", "convert -O qcow2 -o refcount_bits=8"),
                                      ("1.1", "backing_file=x,backing_fmt=raw", "rebase"), ("1.1", "size=x", "size"), ("1.1", "size=9E", "bytes"), ("1.1", "cluster_size=4k", "convert"),
                                      ("1.1", "compat=2", "0.10 or 1.1"), ("1.1", "lazy_refcounts=x", "on or off"), ("1.1", "refcount_bits=x", "what the image has"),
                                      ("1.1", "x=1", "there is no option 'x'"), ("0.10", "compat=1.1,refcount_bits=8", "refcount_bits=16")):
            img.run("create", "-q", "-f", "qcow2", "-o", f"compat={compat}", "a", "1M", cwd=folder)
            with open(f"{folder}/a", "rb") as file:
                before = file.read()
            img.fails("amend", "-o", options, "a", cwd=folder, says=says)
            with open(f"{folder}/a", "rb") as file:
                tap.equal(file.read() == before, True, options)
        img.run("create", "-q", "-f", "raw", "r", "1M", cwd=folder)
        img.fails("amend", "-f", "raw", "-o", "compat=1.1", "r", cwd=folder, says="nothing can be amended")
        img.fails("amend", "a", cwd=folder, says="-o KEY=VALUE")
        tap.equal("lazy_refcounts=" in img.run("amend", "-o", "help", "a", cwd=folder), True)


tap.run([(function.__name__.replace("_", "-"), function) for function in (to_version_3, to_version_2, not_to_version_2, size, longer_than_before, lazy_refcounts, short_snapshots, refused)])

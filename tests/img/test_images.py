#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-img: images are made, told of, checked, mapped, measured, resized, and keep snapshots, as the reference has it.
Usage: test_images.py BUILD-DIR"""
import fcntl
import json
import os
import re
import struct

import img
import tap

from img import MIB

GEOMETRIES = ["cluster_size=512", "cluster_size=2M", "refcount_bits=1", "refcount_bits=64", "compat=0.10",
              "compat=1.1,lazy_refcounts=on", "preallocation=metadata", "preallocation=falloc", "preallocation=full",
              "compression_type=zstd", "cluster_size=4k,refcount_bits=2,preallocation=metadata"]


def same(*words, cwd=None, change=lambda text: text):
    """The same words to both: the same output."""
    tap.equal(change(img.run(*words, cwd=cwd)), change(img.reference(*words, cwd=cwd)), words)


def without_size(text):
    """What an image takes on the disk is up to the filesystem, and to who wrote it how."""
    return re.sub(r"disk size: .*|\"actual-size\": \d+", "", text)


def same_json(*words, cwd=None, ignore=("actual-size", "icount")):
    def plain(value):
        if isinstance(value, list):
            return [plain(v) for v in value]
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k not in ignore}
        return value
    tap.equal(plain(json.loads(img.run(*words, cwd=cwd))), plain(json.loads(img.reference(*words, cwd=cwd))), words)


# ---- create and info ----

def geometries():
    with img.folder() as folder:
        for options in GEOMETRIES:
            path = f"{folder}/a"
            img.run("create", "-q", "-f", "qcow2", "-o", options, path, "8M")
            img.sound(path)
            tap.equal(img.info(path)["virtual-size"], 8 * MIB)
            if "preallocation" in options:
                tap.equal(json.loads(img.run("check", "--output=json", path)).get("allocated-clusters"),
                          8 * MIB // img.info(path)["cluster-size"], options)


def told_as_by_the_reference():
    img.need_reference()
    with img.folder() as folder:
        for maker in (img.run, img.reference):
            for options in GEOMETRIES:
                maker("create", "-q", "-f", "qcow2", "-o", options, f"{folder}/a", "3M")
                same("info", "a", cwd=folder, change=without_size)
                same_json("info", "--output=json", "a", cwd=folder)
                if "preallocation" not in options:  # where it is up to the filesystem what is a hole
                    same("measure", "-O", "qcow2", "a", cwd=folder)
                    same("map", "--output=json", "a", cwd=folder)
            maker("create", "-q", "-f", "raw", f"{folder}/r", "1234k")
            same("info", "r", cwd=folder, change=without_size)
            same_json("info", "--output=json", "r", cwd=folder)


def formatting_line():
    img.need_reference()
    with img.folder() as folder:
        img.run("create", "-q", "-f", "raw", f"{folder}/base", "1M")
        for words in (["-f", "raw", "a", "1M"], ["a", "1M"], ["-f", "qcow2", "a", "1.5M"],
                      ["-f", "qcow2", "-b", "base", "-F", "raw", "a"],
                      ["-f", "qcow2", "-o", "compat=0.10,backing_file=base", "-F", "raw", "a", "2M"],
                      ["-f", "qcow2", "-o", "preallocation=metadata", "-o", "refcount_bits=8", "a", "513"],
                      ["-f", "raw", "-o", "preallocation=falloc", "a", "1M"]):
            same("create", *words, cwd=folder)


def a_chain():
    with img.folder() as folder:
        os.mkdir(f"{folder}/sub")
        img.run("create", "-q", "-f", "raw", f"{folder}/sub/base", "1M")
        img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", f"{folder}/sub/mid")
        img.run("create", "-q", "-f", "qcow2", "-b", "sub/mid", "-F", "qcow2", f"{folder}/top", "2M")
        chain = json.loads(img.run("info", "--output=json", "--backing-chain", "top", cwd=folder))
        tap.equal([(e["filename"], e["virtual-size"]) for e in chain],
                  [("top", 2 * MIB), ("sub/mid", MIB), ("sub/base", MIB)])
        if img.REFERENCE:
            same_json("info", "--output=json", "--backing-chain", "top", cwd=folder)
            same("info", "--backing-chain", "top", cwd=folder, change=without_size)
        os.rename(f"{folder}/sub/mid", f"{folder}/sub/lost")
        img.fails("info", "--backing-chain", "top", cwd=folder, says="sub/mid")
        img.run("info", "top", cwd=folder)


def an_image_chooses_no_drivers():
    """Who made an image may have written anything there: it is a file's name."""
    with img.folder() as folder:
        img.run("create", "-q", "-f", "raw", f"{folder}/base", "1M")
        for name in ('json:{"driver":"file","filename":"base"}', "null-co://", "file:base"):
            for top in ("top", f"{folder}/top"):
                img.run("create", "-q", "-f", "qcow2", "-u", "-b", name, "-F", "raw", top, "1M", cwd=folder)
                found = json.loads(img.run("info", "--output=json", top, cwd=folder))
                tap.equal(found["backing-filename"], name)
                for words in (["info", "--backing-chain", top], ["map", top],
                              ["create", "-f", "qcow2", "-b", name, "-F", "raw", "other"]):
                    img.fails(*words, cwd=folder, says="No such file")


# ---- map ----

def mapped_as_by_the_reference():
    img.need_reference()
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", f"{folder}/base", "1M")
        img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", f"{folder}/top", "2M")
        img.write(f"{folder}/base", "write 64k 100k", "write -z 512k 64k")
        img.write(f"{folder}/top", "write 256k 64k", "write -z 640k 64k", "write 1984k 64k", "write 1700k 10k")
        same("map", "--output=json", "base", cwd=folder)
        for words in ([], ["--start-offset=100k"], ["--start-offset=1M", "--max-length=700k"]):
            same("map", "--output=json", *words, "top", cwd=folder)
            same("map", *words, "top", cwd=folder)
        with open(f"{folder}/r", "wb") as file:
            file.write(b"x" * 5000)
            file.truncate(3 * MIB)
            file.seek(2 * MIB)
            file.write(b"y" * 4096)
        same("map", "-f", "raw", "--output=json", "r", cwd=folder)
        same("map", "-f", "raw", "r", cwd=folder)


def packed_clusters_are_in_no_file():
    img.need_reference()
    with img.folder() as folder:
        img.run("create", "-q", "-f", "raw", f"{folder}/r", "1M")
        img.write(f"{folder}/r", "write -P 7 0 256k", form="raw")
        img.reference("convert", "-c", "-O", "qcow2", f"{folder}/r", f"{folder}/c")
        same("map", "--output=json", "c", cwd=folder)
        same("check", "c", cwd=folder)
        img.fails("map", "c", cwd=folder, says="compressed")


# ---- check ----

def header(path, at, form):
    with open(path, "rb") as file:
        file.seek(at)
        return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def put(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def refcount_block(path):
    return header(path, header(path, 48, ">Q"), ">Q")


def faulty(folder):
    """An image of 6 clusters: 4 is the L2 table, 5 is data."""
    path = f"{folder}/a"
    img.run("create", "-q", "-f", "qcow2", path, "1M")
    img.write(path, "write 0 64k")
    return path


def leaks():
    img.need_reference()
    with img.folder() as folder:
        path = faulty(folder)
        os.truncate(path, 7 << 16)
        put(path, refcount_block(path) + 2 * 6, b"\0\1")
        tap.equal(img.fails("check", path, status=3).status, img.call(img.REFERENCE, "check", path).status)
        found = json.loads(img.call(img.PROGRAM, "check", "--output=json", path).out)
        tap.equal((found["leaks"], found.get("corruptions")), (1, None))
        repaired = img.call(img.PROGRAM, "check", "-r", "leaks", path)
        tap.equal(repaired.status, 0, repaired.errors)
        img.sound(path)


def clusters_that_count_as_free():
    img.need_reference()
    with img.folder() as folder:
        path = faulty(folder)
        put(path, refcount_block(path) + 2 * 5, b"\0\0")
        found = img.call(img.PROGRAM, "check", "--output=json", path)
        tap.equal((found.status, json.loads(found.out)["corruptions"]), (2, 1))
        tap.equal(img.call(img.PROGRAM, "check", "-r", "leaks", path).status, 2)
        repaired = json.loads(img.call(img.PROGRAM, "check", "-r", "all", "--output=json", path).out)
        tap.equal((repaired["corruptions-fixed"], repaired.get("corruptions")), (1, None))
        img.sound(path)


def entries_that_lead_nowhere():
    img.need_reference()
    with img.folder() as folder:
        path = faulty(folder)
        l2 = header(path, header(path, 40, ">Q"), ">Q") & 0x00fffffffffffe00
        put(path, l2, struct.pack(">Q", 1 << 63 | 1 << 40))
        tap.equal(img.call(img.PROGRAM, "check", path).status, 2)
        tap.equal(img.call(img.PROGRAM, "check", "-r", "all", path).status, 0)
        img.sound(path)
        put(path, l2, struct.pack(">Q", 1 << 63 | 4 << 16 | 0x200))
        tap.equal(img.call(img.PROGRAM, "check", path).status, 2)
        tap.equal(img.call(img.PROGRAM, "check", "-r", "all", path).status, 0)
        img.sound(path)


def marks_are_cleared():
    """One that is marked as dirty and corrupt, and is not."""
    img.need_reference()
    with img.folder() as folder:
        path = faulty(folder)
        put(path, 79, b"\3")
        tap.equal(img.info(path)["format-specific"]["data"]["corrupt"], True)
        if "cleanly shut down: no" not in img.run("info", path):
            raise AssertionError(img.run("info", path))
        img.fails("resize", path, "2M", says="corrupt")
        img.call(img.PROGRAM, "check", "-r", "all", path)
        tap.equal(header(path, 79, "B"), 0)
        img.sound(path)


def checks_of_raw():
    with img.folder() as folder:
        img.run("create", "-q", f"{folder}/r", "1M")
        img.fails("check", "-f", "raw", f"{folder}/r", status=63, says="qcow2")
        img.fails("check", "-r", "some", f"{folder}/r", says="leaks or all")


# ---- resize ----

def resized():
    with img.folder() as folder:
        path = f"{folder}/a"
        for form in ("raw", "qcow2"):
            img.run("create", "-q", "-f", form, path, "1M")
            for size, words, wanted in (("+1M", [], 2 * MIB), ("5M", [], 5 * MIB), ("-1M", ["--shrink"], 4 * MIB),
                                        ("1M", ["--shrink", "-q"], MIB)):
                out = img.run("resize", "-f", form, *words, path, size)
                tap.equal(out, "" if "-q" in words else "Image resized.\n")
                tap.equal(img.info(path)["virtual-size"], wanted, (form, size))
            img.fails("resize", "-f", form, path, "512k", says="--shrink")
            img.fails("resize", "-f", form, "--shrink", path, "-2M", says="cannot become")
            tap.equal(img.info(path)["virtual-size"], MIB)
        img.sound(path)


def new_ends_have_places():
    img.need_reference()
    with img.folder() as folder:
        path = f"{folder}/a"
        for mode in ("metadata", "falloc", "full"):
            img.run("create", "-q", "-f", "qcow2", path, "1M")
            img.write(path, "write -P 5 0 1M")
            img.run("resize", "-q", "--shrink", path, "64k")
            img.run("resize", "-q", f"--preallocation={mode}", path, "2M")
            img.sound(path)
            tap.equal(json.loads(img.run("check", "--output=json", path))["allocated-clusters"], 32, mode)
            img.write(path, "read -P 5 0 64k", "read -P 0 64k 1984k")


# ---- snapshots ----

def snapshots():
    img.need_reference()
    with img.folder() as folder:
        path = f"{folder}/a"
        img.run("create", "-q", "-f", "qcow2", path, "1M")
        tap.equal(img.run("snapshot", "-l", path), "")
        img.write(path, "write -P 1 0 1M")
        img.run("snapshot", "-c", "one", path)
        img.write(path, "write -P 2 0 512k")
        img.run("snapshot", "-c", "two", path)
        img.write(path, "write -P 3 0 64k")
        img.sound(path)
        for words in (["snapshot", "-l", "a"], ["info", "a"]):
            same(*words, cwd=folder, change=lambda text: re.sub(r" +0?\n", "\n", without_size(text)))
        same_json("info", "--output=json", "a", cwd=folder)
        img.run("snapshot", "-a", "one", path)
        img.write(path, "read -P 1 0 1M")
        img.run("snapshot", "-a", "two", path)
        img.write(path, "read -P 2 0 512k", "read -P 1 512k 512k")
        img.fails("snapshot", "-d", "1", path, says="1") # an id
        img.run("snapshot", "-d", "one", path)
        img.fails("snapshot", "-d", "one", path, says="one")
        img.fails("snapshot", "-a", "one", path, says="one")
        img.run("snapshot", "-c", "two", path) # as the reference allows
        tap.equal(len(img.info(path)["snapshots"]), 2)
        for words in ("-d", "2"), ("-d", "one"), ("-a", "one"), ("-c", ""):
            result = img.fails("snapshot", *words, path, says=path)
            tap.equal("#block" in result.errors, False, result.errors)
        img.run("snapshot", "-d", "two", path)
        tap.equal(len(img.info(path)["snapshots"]), 1)
        img.fails("snapshot", "-c", "x", "-f", "raw", path, says="cannot keep snapshots")
        img.fails("snapshot", "-c", "a", "-d", "two", path, says="one of")
        img.sound(path)


# ---- measure ----

def measured_as_by_the_reference():
    img.need_reference()
    for words in (["--size", "1G"], ["--size", "10G", "-o", "cluster_size=4k"], ["--size", "1G", "-o", "refcount_bits=1"],
                  ["--size", "1T", "-o", "refcount_bits=64,cluster_size=2M"], ["--size", "513"],
                  ["--size", "1G", "-o", "preallocation=metadata"], ["--size", "1G", "-o", "preallocation=full"]):
        same("measure", "-O", "qcow2", *words)
        same_json("measure", "--output=json", "-O", "qcow2", *words)
    same("measure", "-O", "raw", "--size", "5M")
    with img.folder() as folder:
        img.run("create", "-q", "-f", "raw", f"{folder}/r", "8M")
        img.write(f"{folder}/r", "write 5k 3k", "write 1M 65k", "write 2M 1M", form="raw")
        for size in ("512", "4k", "64k", "2M"):
            same("measure", "-f", "raw", "-O", "qcow2", "-o", f"cluster_size={size}", "r", cwd=folder)
    img.fails("measure", "-O", "qcow2", "--size", "1T", "-o", "cluster_size=512", says="cluster_size")


# ---- errors ----

def errors():
    with img.folder() as folder:
        path = f"{folder}/a"
        for words, says in ((["-f", "vmdk", path, "1M"], "raw and qcow2"), (["-f", "qcow2", path], "10G"),
                            (["-f", "qcow2", path, "1X"], "no size"), (["-f", "qcow2", path, "9E"], "no size"),
                            (["-f", "qcow2", "-o", "bad=1", path, "1M"], "cluster_size"),
                            (["-f", "raw", "-o", "cluster_size=4k", path, "1M"], "preallocation"),
                            (["-f", "qcow2", "-o", "cluster_size=1000", path, "1M"], "power of 2"),
                            (["-f", "qcow2", "-o", "refcount_bits=3", path, "1M"], "power of 2"),
                            (["-f", "qcow2", "-o", "compat=2", path, "1M"], "0.10 or 1.1"),
                            (["-f", "qcow2", "-o", "compat=0.10,lazy_refcounts=on", path, "1M"], "compat=1.1"),
                            (["-f", "qcow2", "-o", "extended_l2=on", path, "1M"], "off"),
                            (["-f", "qcow2", "-o", "data_file=x", path, "1M"], "refused"),
                            (["-f", "qcow2", "-o", "encrypt.format=luks", path, "1M"], "not encrypted"),
                            (["-f", "qcow2", "-o", "encryption=on", path, "1M"], "off"),
                            (["-f", "qcow2", "-o", "preallocation=some", path, "1M"], "falloc"),
                            (["-f", "raw", "-o", "preallocation=metadata", path, "1M"], "qcow2"),
                            (["-f", "qcow2", "-b", "x", path, "1M"], "-F raw"),
                            (["-f", "qcow2", "-F", "raw", path, "1M"], "-b"),
                            (["-f", "raw", "-b", "x", "-F", "raw", path, "1M"], "qcow2"),
                            (["-f", "qcow2", "-b", "a", "-F", "raw", path, "1M"], "its own"),
                            (["-f", "qcow2", "-b", "x", "-F", "raw", path, "1M"], "backing file"),
                            (["--object", "secret,id=a", path, "1M"], "object"), (["--bad", path, "1M"], "--help"),
                            (["-f"], "missing"), ([path, "1M", "2M"], "FILE")):
            img.fails("create", *words, says=says)
            tap.equal(os.path.exists(path), False, words)
        img.fails("create", f"{folder}/no/a", "1M", says="no/a")
        img.run("create", "-q", "-u", "-f", "qcow2", "-b", "x", "-F", "raw", path, "1M")
        img.fails("map", path, says="x")
        img.fails("info", f"{folder}/b", says="cannot open")
        img.fails("info", "--output=xml", path, says="human or json")
        img.fails("info", "-f", "qcow3", path, says="qcow3")
        img.fails("info", "--image-opts", "-f", "raw", f"driver=raw,file.filename={path}", says="driver=")
    img.fails(says="no command")
    img.fails("amend-all", says="--help")


def no_room():
    """A file can have no more than 50 KiB: what is made nevertheless goes again."""
    with img.folder() as folder:
        for words in (["-f", "raw", "a", "1M"], ["-f", "qcow2", "a", "1M"],
                      ["-f", "qcow2", "-o", "cluster_size=4k,preallocation=full", "a", "1M"]):
            result = img.call("/bin/sh", "-c", 'trap "" XFSZ; ulimit -f 100; exec "$@"', "sh", img.PROGRAM, "create",
                              *words, cwd=folder)
            tap.equal((result.status, "too large" in result.errors), (1, True), (words, result.errors))
            tap.equal(os.listdir(folder), [], words)


def cut_short(folder, kib, *words):
    """A command none of whose files can have more than so many KiB."""
    result = img.call("/bin/sh", "-c", f'trap "" XFSZ; ulimit -f {kib * 2}; exec "$@"', "sh", img.PROGRAM, *words,
                      cwd=folder)
    tap.equal(result.status, 1, (words, result.errors))
    return result.errors


def no_room_for_more():
    """A new end that cannot be allocated: the image is what it was."""
    img.need_reference()
    with img.folder() as folder:
        path = f"{folder}/a"
        for form, cluster in (("raw", None), ("qcow2", "64k"), ("qcow2", "512")):
            img.run("create", "-q", "-f", form, *(["-o", f"cluster_size={cluster}"] if cluster else []), path, "1M")
            img.write(path, "write -P 5 0 300k", form=form)
            before = os.stat(path).st_size, os.stat(path).st_blocks, img.info(path)["virtual-size"]
            for mode in ("falloc", "full") + (("metadata", ) if cluster else ()):
                tap.equal("too large" in cut_short(folder, 2048, "resize", "-f", form, f"--preallocation={mode}", "a",
                                                   "3M"), True, (form, mode))
                tap.equal((os.stat(path).st_size, os.stat(path).st_blocks, img.info(path)["virtual-size"]), before,
                          (form, cluster, mode))
                if cluster:
                    img.sound(path)
                img.write(path, "read -P 5 0 300k", "read -P 0 300k 724k", form=form)


def writes_fail():
    """One write of those that allocate: nothing of it is left."""
    with img.folder() as folder:
        path = f"{folder}/a"
        for mode in ("metadata", "falloc", "full"):
            for sector in (*range(0, 96, 8), 800):
                img.run("create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", path, "1M")
                before = os.stat(path).st_size
                name = (f"driver=qcow2,file.driver=blkdebug,file.image.driver=file,file.image.filename={path},"
                        f"file.inject-error.0.event=none,file.inject-error.0.iotype=write,"
                        f"file.inject-error.0.errno=28,file.inject-error.0.once=on,"
                        f"file.inject-error.0.sector={sector}")
                result = img.call(img.PROGRAM, "resize", "-q", f"--preallocation={mode}", "--image-opts", name, "4M")
                what = mode, sector, result.errors
                tap.equal(img.call(img.PROGRAM, "check", "-q", path).status, 0, what)
                tap.equal(img.info(path)["virtual-size"], (4 if result.status == 0 else 1) * MIB, what)
                if result.status:
                    tap.equal(os.stat(path).st_size - before in range(3 * 4096), True, what)


def other_names():
    with img.folder() as folder:
        path = f"{folder}/a"
        img.run("create", "-q", "-f", "qcow2", f"file:{path}", "1M")
        img.fails("create", "-f", "raw", "json:{}", "1M", says="in a file")
        for words in ([f"file:{path}"], ["--image-opts", f"driver=qcow2,file.driver=file,file.filename={path}"],
                      ["--image-opts", f"file.filename={path}"],
                      ['json:{"driver":"qcow2","file":{"driver":"file","filename":"%s"}}' % path]):
            found = json.loads(img.run("info", "--output=json", *words))
            tap.equal((found["format"], found["virtual-size"]), ("qcow2", MIB), words)
        found = json.loads(img.run("info", "-f", "raw", "--output=json", "null-co://"))
        tap.equal(found["virtual-size"], 1 << 30)


def images_in_use():
    """Byte 101 and 201 are those that a writer locks."""
    with img.folder() as folder:
        path = f"{folder}/a"
        img.run("create", "-q", "-f", "qcow2", path, "1M")
        with open(path, "rb") as file:
            for byte in (101, 201):
                fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0))  # F_OFD_SETLK
            for command in (["info"], ["check"], ["map"], ["snapshot", "-l"], ["measure", "-O", "raw"]):
                img.fails(*command, path, says="in use")
                img.run(*command, "-U", path)
            for words in (["resize", path, "2M"], ["snapshot", "-c", "x", path], ["check", "-r", "all", path],
                          ["create", "-q", "-f", "qcow2", path, "3M"]):
                img.fails(*words, says="in use")
        tap.equal(img.info(path)["virtual-size"], MIB)


def foreign():
    """What there is no driver of is not copied as it is, unless that is said."""
    img.need_reference()
    with img.folder() as folder:
        for form in ("vmdk", "vdi", "vhdx", "vpc", "qed", "parallels", "luks"):
            path, copy = f"{folder}/i.{form}", f"{folder}/copy"
            secret = ["--object", "secret,id=s,data=abc", "-o", "key-secret=s,iter-time=10"] if form == "luks" else []
            img.reference("create", "-q", *secret, "-f", form, path, "1M")
            for words in (["convert", "-O", "raw", path, copy], ["info", path], ["check", path],
                          ["convert", "--image-opts", "-O", "raw", f"file.filename={path}", copy],
                          ["compare", path, path], ["resize", path, "2M"],
                          ["create", "-f", "qcow2", "-b", path, copy]):
                result = img.call(img.PROGRAM, *words)
                tap.equal((result.status in (1, 2), form in result.errors, "qemu-nbd" in result.errors,
                           os.path.exists(copy)), (True, True, True, False), (words, result.errors))
            img.run("convert", "-f", "raw", "-O", "raw", path, copy)
            with open(path, "rb") as one, open(copy, "rb") as other:
                tap.equal(other.read(), one.read(), form)
            os.unlink(copy)


def guessed_raw():
    """What is not said to be raw cannot be made to look like something else."""
    with img.folder() as folder:
        img.run("create", "-q", f"{folder}/r", "1M")
        result = img.call(img.PROGRAM, "resize", f"{folder}/r", "2M")
        tap.equal((result.status, "-f raw" in result.errors), (0, True))


def errors_name_files():
    """And no nodes, of which users know nothing."""
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", "q", "1M", cwd=folder)
        img.run("create", "-q", "-f", "raw", "r", "1M", cwd=folder)
        img.run("snapshot", "-c", "s", "q", cwd=folder)
        img.run("bitmap", "--add", "q", "b", cwd=folder)
        for words, says in ((["bitmap", "-f", "raw", "--add", "r", "x"], "r (raw) keeps no bitmaps"), (["bitmap", "-f", "raw", "--remove", "r", "x"], "r has no bitmap"),
                            (["bitmap", "--add", "q", "b"], "q has a bitmap 'b' already"), (["bitmap", "--merge", "x", "q", "b"], "q has no bitmap 'x'"),
                            (["bitmap", "--merge", "x", "-b", "r", "-F", "raw", "q", "b"], "r has no bitmap 'x'"),
                            (["snapshot", "-a", "s", "q"], "q has dirty bitmaps"), (["snapshot", "-f", "raw", "-c", "s", "r"], "r (raw) cannot keep snapshots"),
                            (["bitmap", "--add", "--image-opts", "driver=raw,file.driver=file,file.filename=r", "x"], "r (raw) keeps no bitmaps"),
                            (["convert", "-n", "-f", "raw", "-O", "raw", "r", "r"], "r is in use")):
            result = img.fails(*words, cwd=folder, says=f"dimmable-img: {says}")
            tap.equal("#block" in result.errors, False, result.errors)


# ---- help ----

def options_of(text):
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", text))


def helps():
    commands = re.findall(r"^  (\w+) ", img.run("--help"), re.M)
    for command in commands:
        text = img.run(command, "--help")
        tap.equal(img.run(command, "-h"), text)
        for option in options_of(text.partition("\n\n")[2]) - {"-drive", "--help"}:
            if f"there is no option '{option}'" in img.call(img.PROGRAM, command, option, "/no").errors:
                raise AssertionError(f"{command} has no {option}")
    if img.REFERENCE:
        theirs = img.reference("--help")
        for command in commands:
            line = re.search(rf"^  {command} (.*)$", theirs, re.M).group(1)
            ours = options_of(img.run(command, "--help"))
            tap.equal(sorted(options_of(line) - ours), [], command)
    tap.equal(img.run("--version").startswith("qemu-img version 7.2"), True)
    tap.equal("compat=<str>" in img.run("create", "-f", "qcow2", "-o", "help"), True)


tap.run([(function.__name__.replace("_", "-"), function) for function in (
    geometries, told_as_by_the_reference, formatting_line, a_chain, an_image_chooses_no_drivers,
    mapped_as_by_the_reference, packed_clusters_are_in_no_file, leaks, clusters_that_count_as_free,
    entries_that_lead_nowhere, marks_are_cleared, checks_of_raw, resized, new_ends_have_places, snapshots,
    measured_as_by_the_reference, errors, no_room, no_room_for_more, writes_fail, other_names, images_in_use, guessed_raw, errors_name_files, helps)])

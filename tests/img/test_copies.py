#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-img: images are copied and compared, as the reference has it.
Usage: test_copies.py BUILD-DIR"""
import json
import os
import random
import re
import shutil
import time

import img
import tap

from img import KIB, MIB


def content(path):
    with open(path, "rb") as file:
        return file.read()


def sparse_file(path, size=16 * MIB):
    """Some data, written zeros, and holes; pieces begin and end anywhere."""
    numbers = random.Random(1)
    with open(path, "wb") as file:
        file.truncate(size)
        for at in (0, 3 * MIB + 512, 5 * MIB - 777, 9 * MIB):
            file.seek(at)
            file.write(numbers.randbytes(200 * KIB + 513))
        file.seek(7 * MIB)
        file.write(bytes(MIB))
        file.seek(size - 1)
        file.write(b"x")


def taken(path):
    return os.stat(path).st_blocks * 512


# ---- convert ----

def both_ways():
    with img.folder() as folder:
        sparse_file(f"{folder}/r")
        for words in (["-o", "cluster_size=512"], ["-o", "cluster_size=2M"], ["-o", "compat=0.10"],
                      ["-o", "preallocation=metadata"], ["-o", "lazy_refcounts=on,preallocation=full"], ["-m", "1"],
                      ["-W", "-m", "16"], ["-S", "0"], ["-S", "64k"], ["-t", "none", "-T", "none"]):
            img.run("convert", "-f", "raw", "-O", "qcow2", *words, "r", "q", cwd=folder)
            img.sound(f"{folder}/q")
            img.run("convert", "-O", "raw", "q", "r2", cwd=folder)
            tap.equal(content(f"{folder}/r2") == content(f"{folder}/r"), True, words)
            if img.REFERENCE:
                img.reference("compare", "r", "q", cwd=folder)


def holes_stay():
    with img.folder() as folder:
        sparse_file(f"{folder}/r")
        data = len([at for at in range(0, 16 * MIB, 4096) if any(content(f"{folder}/r")[at:at + 4096])]) * 4096
        img.run("convert", "-f", "raw", f"{folder}/r", f"{folder}/r2")
        tap.equal(taken(f"{folder}/r2") <= data + 64 * KIB, True, (taken(f"{folder}/r2"), data))
        img.run("convert", "-f", "raw", "-S", "0", f"{folder}/r", f"{folder}/r2")
        tap.equal(taken(f"{folder}/r2") >= 16 * MIB, True)
        # A terabyte of nothing is no work.
        img.run("create", "-q", "-f", "qcow2", f"{folder}/q", "1T")
        img.run("convert", "-O", "qcow2", f"{folder}/q", f"{folder}/q2")
        tap.equal((img.info(f"{folder}/q2")["virtual-size"], taken(f"{folder}/q2") < MIB), (1 << 40, True))


def over_a_backing_file():
    """Only what the image itself has is copied."""
    img.need_reference()
    with img.folder() as folder:
        img.run("create", "-q", "-f", "raw", f"{folder}/base", "1M")
        img.write(f"{folder}/base", "write -P 1 0 512k", form="raw")
        img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", f"{folder}/top", "2M")
        img.write(f"{folder}/top", "write -P 2 64k 64k", "write -z 128k 64k", "write -P 0 192k 64k", "write -P 3 1536k 1k")
        for words in (["-B", "base", "-F", "raw"], ["-o", "backing_file=base,backing_fmt=raw"]):
            img.run("convert", "-O", "qcow2", *words, "top", "ours", cwd=folder)
            img.reference("convert", "-O", "qcow2", *words, "top", "theirs", cwd=folder)
            img.sound(f"{folder}/ours")
            img.reference("compare", "top", "ours", cwd=folder)
            found = [[(e["start"], e["length"], e["depth"], e["zero"]) for e in json.loads(img.reference(
                "map", "--output=json", name, cwd=folder))] for name in ("ours", "theirs")]
            tap.equal(found[0], found[1], words)
        img.run("convert", "-O", "raw", "top", "flat", cwd=folder)
        img.reference("compare", "top", "flat", cwd=folder)


def to_what_is_there():
    img.need_reference()
    with img.folder() as folder:
        sparse_file(f"{folder}/r")
        for form in ("raw", "qcow2"):
            path = f"{folder}/a"
            img.run("create", "-q", "-f", form, path, "17M")
            img.write(path, "write -P 9 0 17M", form=form)
            img.run("convert", "-n", "-f", "raw", "-O", form, f"{folder}/r", path)
            tap.equal(img.info(path)["virtual-size"], 17 * MIB)
            img.write(path, "read -P 9 16M 1M", form=form)
            img.reference("convert", "-f", form, "-O", "raw", path, f"{folder}/b")
            tap.equal(content(f"{folder}/b")[:16 * MIB] == content(f"{folder}/r"), True, form)
            img.run("create", "-q", "-f", form, path, "16M")
            img.run("convert", "-n", "--target-is-zero", "-f", "raw", "-O", form, f"{folder}/r", path)
            img.reference("compare", f"{folder}/r", path)
        img.run("convert", "-n", "-f", "raw", "--target-image-opts", f"{folder}/r",
                f"driver=qcow2,file.driver=file,file.filename={folder}/a")
        img.sound(f"{folder}/a")
        img.fails("convert", "-n", "-O", "qcow2", "-B", "r", "-F", "raw", f"{folder}/r", f"{folder}/a", says="no backing file")
        img.run("create", "-q", "-f", "raw", f"{folder}/short", "1M")
        img.fails("convert", "-n", "-O", "raw", f"{folder}/r", f"{folder}/short", says="resize")


def one_behind_the_other():
    """Each begins with a sector."""
    with img.folder() as folder:
        for i, size in enumerate((1000, 65536, 513)):
            with open(f"{folder}/{i}", "wb") as file:
                file.write(bytes([65 + i]) * size)
        img.run("convert", "-f", "raw", "-O", "qcow2", "0", "1", "2", "q", cwd=folder)
        img.run("convert", "-O", "raw", "q", "r", cwd=folder)
        tap.equal(content(f"{folder}/r"), b"A" * 1000 + bytes(24) + b"B" * 65536 + b"C" * 513 + bytes(511))
        with open(f"{folder}/r", "wb") as file:
            file.write(b"x" * (1024 + 65536 + 1024))
        for program in (img.run, img.reference) if img.REFERENCE else (img.run,):
            program("convert", "-n", "-f", "raw", "-O", "raw", "0", "1", "2", "r", cwd=folder)
            tap.equal(content(f"{folder}/r"), b"A" * 1000 + bytes(24) + b"B" * 65536 + b"C" * 513 + bytes(511))


def compressed_ones_are_read():
    img.need_reference()
    with img.folder() as folder:
        sparse_file(f"{folder}/r")
        for kind in ("zlib", "zstd"):
            img.reference("convert", "-f", "raw", "-c", "-O", "qcow2", "-o", f"compression_type={kind}", "r", "q", cwd=folder)
            img.run("convert", "-O", "raw", "q", "r2", cwd=folder)
            tap.equal(content(f"{folder}/r2") == content(f"{folder}/r"), True, kind)


def compressed_ones_are_written():
    with img.folder() as folder:
        sparse_file(f"{folder}/r")
        with open(f"{folder}/r", "r+b") as file:
            file.seek(3 * MIB + 5000)
            file.write(b"abc" * 100000 + os.urandom(200000))
            file.truncate(os.path.getsize(f"{folder}/r") - 512)
        for options in ("compression_type=zlib", "compression_type=zstd", "cluster_size=2M", "cluster_size=512",
                        "refcount_bits=1", "lazy_refcounts=on", "refcount_bits=64,cluster_size=4k"):
            img.run("convert", "-f", "raw", "-c", "-O", "qcow2", "-o", options, "r", "q", cwd=folder)
            img.sound(f"{folder}/q")
            img.run("compare", "-f", "raw", "-F", "qcow2", f"{folder}/r", f"{folder}/q")
            if img.REFERENCE:
                img.reference("convert", "-O", "raw", "q", "r2", cwd=folder)
                tap.equal(content(f"{folder}/r2") == content(f"{folder}/r"), True, options)
        img.run("convert", "-f", "raw", "-O", "qcow2", "r", "plain", cwd=folder)
        img.run("convert", "-f", "qcow2", "-c", "-O", "qcow2", "plain", "q", cwd=folder)
        tap.equal(os.path.getsize(f"{folder}/q") < os.path.getsize(f"{folder}/plain"), True)
        # In an image that is there, and with zeros written: old ones go.
        img.run("convert", "-n", "-f", "raw", "-c", "-S", "0", "-O", "qcow2", "r", "q", cwd=folder)
        img.run("compare", "-f", "raw", "-F", "qcow2", f"{folder}/r", f"{folder}/q")
        img.sound(f"{folder}/q")
        img.run("create", "-q", f"{folder}/s", "1M")
        img.run("convert", "-f", "raw", "-c", "-O", "qcow2", "s", "r", "s", "t", cwd=folder)
        img.sound(f"{folder}/t")


def benches():
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", f"{folder}/q", "1M")
        out = img.run("bench", "-f", "qcow2", "-c", "500", "-d", "7", f"{folder}/q").splitlines()
        tap.equal(out[0], "Sending 500 read requests, 4096 bytes each, 7 in parallel (starting at offset 0, step size 4096)")
        tap.equal(bool(re.fullmatch(r"Run completed in \d+\.\d{3} seconds\.", out[1])), True, out)
        for words in (["-i", "threads"], ["-i", "io_uring"], ["-n", "-t", "none"], ["--no-drain", "--flush-interval", "8"],
                      ["--flush-interval", "8"]):
            if img.call(img.PROGRAM, "bench", "-q", "-f", "raw", "-c", "1", *words[:2] * (words[0] == "-i"), f"{folder}/q").status:
                continue  # this host has no such way
            img.run("bench", "-q", "-w", "--pattern", "65", "-f", "qcow2", "-c", "300", "-d", "5", "-s", "512", "-S", "1024",
                    "-o", "4096", *words, f"{folder}/q")
        img.run("convert", "-O", "raw", f"{folder}/q", f"{folder}/r")
        tap.equal(content(f"{folder}/r")[:6144], bytes(4096) + b"A" * 512 + bytes(512) + b"A" * 512 + bytes(512))
        img.sound(f"{folder}/q")
        for words, says in ((["-c", "x"], "no size"), (["-d", "0"], "1 to"), (["--flush-interval", "5"], "only with -w"),
                            (["-w", "-d", "9", "--flush-interval", "5"], "at least as large"), (["-o", "1M"], "do not fit"),
                            (["-s", "1G"], "too large"), (["--pattern", "256"], "0 to 255")):
            img.fails("bench", "-f", "qcow2", *words, f"{folder}/q", says=says)


def progress():
    with img.folder() as folder:
        sparse_file(f"{folder}/r")
        out = img.run("convert", "-p", "-f", "raw", f"{folder}/r", f"{folder}/a")
        tap.equal((out.startswith("    (0.00/100%)\n"), out.endswith("    (100.00/100%)\n")), (True, True), out)
        tap.equal(img.run("convert", "-p", "-q", "-f", "raw", f"{folder}/r", f"{folder}/a"), "")


def not_too_fast():
    """A limit that is felt: the second is the least that it may take."""
    with img.folder() as folder:
        sparse_file(f"{folder}/raw", size=4 * MIB)
        with open(f"{folder}/raw", "r+b") as file:
            file.write(os.urandom(2 * MIB))
        start = time.monotonic()
        img.run("convert", "-r", "2M", "-O", "qcow2", "raw", "copy", cwd=folder)
        tap.equal(time.monotonic() - start >= 1, True)
        img.run("compare", "raw", "copy", cwd=folder)


def refused_conversions():
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", f"{folder}/q", "1M")
        for words, says in ((["q"], "the new one"), (["-c", "-O", "raw", "q", "a"], "compressed"),
                            (["-S", "3", "q", "a"], "multiple of 512"), (["-S", "32M", "q", "a"], "16M"),
                            (["-m", "0", "q", "a"], "1 to 16"), (["-m", "17", "q", "a"], "1 to 16"),
                            (["-r", "0", "q", "a"], "bytes a second"), (["-r", "x", "q", "a"], "bytes a second"),
                            (["-O", "vmdk", "q", "a"], "raw and qcow2"), (["-t", "bad", "q", "a"], "cache mode"),
                            (["-T", "bad", "q", "a"], "cache mode"), (["--target-is-zero", "q", "a"], "-n"),
                            (["--target-image-opts", "q", "driver=raw"], "-n"), (["-n", "-o", "size=1M", "q", "a"], "-o"),
                            (["-n", "q", "a"], "No such file"), (["no", "a"], "No such file"),
                            (["-B", "no", "-F", "raw", "-O", "qcow2", "q", "a"], "No such file"),
                            (["-B", "q", "-O", "qcow2", "q", "a"], "-F qcow2"), (["-B", "q", "-F", "qcow2", "q", "a"], "qcow2 ones"),
                            (["-O", "qcow2", "-o", "size=512k", "q", "a"], "too small"),
                            (["-B", "q", "-F", "qcow2", "-O", "qcow2", "q", "q", "a"], "one image")):
            img.fails("convert", *words, cwd=folder, says=says)
            tap.equal(os.listdir(folder), ["q"], words)
        # Not to itself: what is there stays.
        img.fails("convert", "-O", "qcow2", "q", "q", cwd=folder)
        img.sound(f"{folder}/q")


def a_disk_that_fails():
    """What cannot be read ends it, and leaves no new image; one that was there stays."""
    with img.folder() as folder:
        sparse_file(f"{folder}/r")
        rules = f"{folder}/rules"
        with open(rules, "w", encoding="utf-8") as file:
            file.write('[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "0"\n')
        for words in ([], ["-m", "1"]):
            img.fails("convert", *words, "-f", "raw", "-O", "qcow2", f"blkdebug:{rules}:{folder}/r", f"{folder}/a",
                      says="cannot be read")
            tap.equal(os.path.exists(f"{folder}/a"), False)


# ---- compare ----

def told(program, *words, cwd):
    result = img.call(program, "compare", *words, cwd=cwd)
    return result.status, re.sub(r" +\(.*\n", "", result.out)


def compared_as_by_the_reference():
    with img.folder() as folder:
        img.run("create", "-q", "-f", "raw", f"{folder}/zeros", "1M")
        img.run("create", "-q", "-f", "raw", f"{folder}/long", "2M")
        img.run("create", "-q", "-f", "qcow2", f"{folder}/nothing", "1M")
        sparse_file(f"{folder}/r")
        img.run("convert", "-f", "raw", "-O", "qcow2", f"{folder}/r", f"{folder}/q")
        for name, size, at in (("first", MIB, 0), ("odd", MIB - 512, 700000), ("last", MIB, MIB - 1), ("tail", 2 * MIB, 1900000),
                               ("short", 1000, 999), ("sector", 1024, 999)):
            with open(f"{folder}/{name}", "wb") as file:
                file.truncate(size)
                file.seek(at)
                file.write(b"x")
        for pair, status, says in (
                (("zeros", "nothing"), 0, "Images are identical.\n"), (("r", "q"), 0, "Images are identical.\n"),
                (("zeros", "first"), 1, "Content mismatch at offset 0!\n"), (("first", "zeros"), 1, "Content mismatch at offset 0!\n"),
                (("nothing", "last"), 1, "Content mismatch at offset 1048064!\n"),
                (("zeros", "odd"), 1, "Content mismatch at offset 699904!\n"),
                (("zeros", "long"), 0, "Warning: Image size mismatch!\nImages are identical.\n"),
                (("zeros", "tail"), 1, "Warning: Image size mismatch!\nContent mismatch at offset 1899520!\n"),
                (("tail", "nothing"), 1, "Warning: Image size mismatch!\nContent mismatch at offset 1899520!\n"),
                (("first", "tail"), 1, "Content mismatch at offset 0!\n"), (("short", "sector"), 0, "Images are identical.\n"),
                (("-s", "zeros", "long"), 1, "Strict mode: Image size mismatch!\n"),
                (("-s", "zeros", "nothing"), 1, "Strict mode: Offset 0 block status mismatch!\n"),
                (("-s", "r", "r"), 0, "Images are identical.\n"), (("-q", "zeros", "first"), 1, ""), (("-q", "zeros", "nothing"), 0, ""),
                (("zeros", "no"), 2, ""), (("no", "zeros"), 2, ""), (("-T", "bad", "zeros", "zeros"), 2, ""),
                (("-F", "qcow2", "zeros", "zeros"), 2, ""), (("zeros",), 1, "")):
            tap.equal(told(img.PROGRAM, *pair, cwd=folder), (status, says), pair)
            if img.REFERENCE:
                tap.equal(told(img.REFERENCE, *pair, cwd=folder), (status, says), pair)
        out = img.run("compare", "-p", "r", "q", cwd=folder)
        tap.equal(("    (0.00/100%)\n" in out, "Images are identical.\n" in out, out.endswith("\n")), (True, True, True), out)


def what_cannot_be_read_is_no_difference():
    with img.folder() as folder:
        sparse_file(f"{folder}/r")
        with open(f"{folder}/rules", "w", encoding="utf-8") as file:
            file.write('[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "0"\n')
        img.fails("compare", f"{folder}/r", f"blkdebug:{folder}/rules:{folder}/r", status=4, says="cannot be read")


# ---- dd ----

def parts_of_disks():
    with img.folder() as folder:
        sparse_file(f"{folder}/r", size=12 * MIB)
        data = content(f"{folder}/r")
        for words, start, size in ((["bs=1000", "count=10"], 0, 10000), (["bs=1000", "count=10", "skip=5"], 5000, 5000),
                                   (["skip=10"], 5120, 12 * MIB - 5120), (["bs=1M", "skip=3", "count=100"], 3 * MIB, 9 * MIB),
                                   (["count=0"], 0, 0), (["bs=64k"], 0, 12 * MIB)):
            wanted = data[start:start + size] + bytes(-size % 512)
            for form in ("raw", "qcow2"):
                img.run("dd", "-f", "raw", "-O", form, *words, "if=r", "of=a", cwd=folder)
                tap.equal(img.info(f"{folder}/a")["virtual-size"], len(wanted), words)
                img.run("convert", "-f", form, "a", "b", cwd=folder)
                tap.equal(content(f"{folder}/b") == wanted, True, words)
            if img.REFERENCE:
                img.reference("dd", "-f", "raw", "-O", "raw", *words, "if=r", "of=b", cwd=folder)
                tap.equal(content(f"{folder}/b") == wanted, True, words)
        behind = img.call(img.PROGRAM, "dd", "-f", "raw", "skip=1M", "if=r", "of=a", cwd=folder)
        tap.equal((behind.status, "skip=" in behind.errors, os.path.getsize(f"{folder}/a")), (0, True, 0))
        os.unlink(f"{folder}/a")
        for words, says in ((["if=r"], "of="), (["of=a"], "if="), (["if=r", "of=a", "bs=0"], "bs="), (["if=r", "of=a", "x=1"], "skip="),
                            (["if=r", "of=a", "count=x"], "no size"), (["if=no", "of=a"], "No such file"), (["if=r", "a"], "'a'"),
                            (["-O", "vmdk", "if=r", "of=a"], "raw and qcow2")):
            img.fails("dd", *words, cwd=folder, says=says)
            tap.equal(os.path.exists(f"{folder}/a"), False, words)


# ---- rebase ----

def chain_of_two(folder):
    img.run("create", "-q", "-f", "raw", "old", "1M", cwd=folder)
    img.write(f"{folder}/old", "write -P 1 0 512k", "write -P 2 900k 30k", form="raw")
    img.run("create", "-q", "-f", "qcow2", "new", "700k", cwd=folder)
    img.write(f"{folder}/new", "write -P 1 0 200k", "write -P 3 600k 70k")
    img.run("create", "-q", "-f", "qcow2", "-b", "old", "-F", "raw", "top", "2M", cwd=folder)
    img.write(f"{folder}/top", "write -P 4 100k 64k", "write -z 320k 64k", "write -P 5 1500k 1k")
    img.run("convert", "-O", "raw", "top", "flat", cwd=folder)


def rebased():
    """The disk is the same, over another backing file, or none."""
    img.need_reference()
    with img.folder() as folder:
        for backing in (["-b", "new", "-F", "qcow2"], ["-b", ""]):
            chain_of_two(folder)
            out = img.run("rebase", "-p", *backing, "top", cwd=folder)
            tap.equal(out.endswith("(100.00/100%)\n"), True, out)
            tap.equal(img.info(f"{folder}/top").get("backing-filename", ""), backing[1])
            img.sound(f"{folder}/top")
            img.reference("compare", "flat", "top", cwd=folder)
            # Clusters that are the same below are not taken.
            found = json.loads(img.run("map", "--output=json", "top", cwd=folder))
            tap.equal(found[0]["depth"], 1 if backing[1] else 0)


def rebased_by_name_only():
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", "base", "1M", cwd=folder)
        img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", "top", cwd=folder)
        for backing, form in (("other", "raw"), ("sub/third", "qcow2")):
            tap.equal(img.run("rebase", "-u", "-b", backing, "-F", form, "top", cwd=folder), "")
            found = img.info(f"{folder}/top")
            tap.equal((found["backing-filename"], found["backing-filename-format"]), (backing, form))
        for words in (["-u", "-b", ""], ["-u"]):
            img.run("rebase", "-u", "-b", "base", "-F", "qcow2", "top", cwd=folder)
            img.run("rebase", *words, "top", cwd=folder)
            tap.equal(img.info(f"{folder}/top").get("backing-filename"), None)
        img.run("rebase", "-u", "-b", "base", "-F", "qcow2", "top", cwd=folder)
        for words, says in ((["top"], "-b"), (["-b", "no", "-F", "raw", "top"], "No such file"), (["-b", "base", "top"], "-F qcow2"),
                            (["-u", "-b", "base", "top"], "-F qcow2"), (["-b", "top", "-F", "qcow2", "top"], "its own"),
                            (["-f", "raw", "-b", "top", "-F", "qcow2", "base"], "raw"), (["-b", "base", "-F", "qcow2", "no"], "No such file")):
            img.fails("rebase", *words, cwd=folder, says=says)
            tap.equal(img.info(f"{folder}/top")["backing-filename"], "base", words)


# ---- commit ----

def committed():
    """To raw and qcow2, which may be shorter; the image is empty then, or with -d stays."""
    img.need_reference()
    with img.folder() as folder:
        for form in ("raw", "qcow2"):
            for words in ([], ["-d"], ["-q", "-b", "base"], ["-p", "-t", "none"]):
                img.run("create", "-q", "-f", form, "base", "1M", cwd=folder)
                img.write(f"{folder}/base", "write -P 1 0 512k", form=form)
                img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", form, "top", "2M", cwd=folder)
                img.write(f"{folder}/top", "write -P 2 100k 64k", "write -z 320k 64k", "write -P 5 1500k 1k", "write -P 6 2047k 1k")
                img.run("convert", "-O", "raw", "top", "flat", cwd=folder)
                out = img.run("commit", *words, "top", cwd=folder)
                tap.equal(out[out.find("Image"):] if "-q" not in words else out, "" if "-q" in words else "Image committed.\n")
                img.sound(f"{folder}/top")
                if form == "qcow2":
                    img.sound(f"{folder}/base")
                for name in ("top", "base"):
                    img.reference("compare", "-f", "qcow2" if name == "top" else form, "-F", "raw", name, "flat", cwd=folder)
                found = json.loads(img.run("map", "--output=json", "top", cwd=folder))
                tap.equal(any(e["depth"] == 0 for e in found), "-d" in words, (words, found))


def committed_further_down():
    """What is above an image further down goes there, as by the reference; the image stays as it is. An image between them
    that ends early has zeros behind its end."""
    img.need_reference()
    for mid in ("1536k", "1M", "512k"):
        with img.folder() as folder:
            img.run("create", "-q", "-f", "qcow2", "low", "1M", cwd=folder)
            img.run("create", "-q", "-f", "qcow2", "-b", "low", "-F", "qcow2", "base", "1M", cwd=folder)
            img.write(f"{folder}/base", "write -P 1 0 1M")
            img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", "mid", mid, cwd=folder)
            img.write(f"{folder}/mid", "write -P 2 100k 64k", "write -z 320k 64k")
            img.run("create", "-q", "-f", "qcow2", "-b", "mid", "-F", "qcow2", "top", "2M", cwd=folder)
            img.write(f"{folder}/top", "write -P 3 128k 64k", "write -P 4 1900k 1k")
            img.run("convert", "-O", "raw", "top", "flat", cwd=folder)
            for name in ("low", "base", "mid", "top"):
                os.makedirs(f"{folder}/peer", exist_ok=True)
                shutil.copyfile(f"{folder}/{name}", f"{folder}/peer/{name}")
            tap.equal(img.run("commit", "-b", "base", "top", cwd=folder), "Image committed.\n")
            for name in ("base", "top"):
                img.sound(f"{folder}/{name}")
            img.reference("compare", "-f", "qcow2", "-F", "raw", "base", "flat", cwd=folder)
            tap.equal(any(e["depth"] == 0 for e in json.loads(img.run("map", "--output=json", "top", cwd=folder))), True)
            if mid != "512k":
                img.reference("commit", "-q", "-b", "base", "top", cwd=f"{folder}/peer")
                img.reference("compare", "base", "peer/base", cwd=folder)
                img.reference("compare", "-U", "top", "peer/top", cwd=folder)
            img.run("commit", "-q", "-b", f"{folder}/low", "base", cwd=folder)
            img.reference("compare", "-f", "qcow2", "-F", "raw", "low", "flat", cwd=folder)


def refused_commits():
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", "base", "1M", cwd=folder)
        img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", "mid", cwd=folder)
        img.run("create", "-q", "-f", "qcow2", "-b", "mid", "-F", "qcow2", "top", cwd=folder)
        for words, says in ((["base"], "no backing file"), (["-b", "other", "top"], "-b other is not below top"), (["no"], "No such file")):
            img.fails("commit", *words, cwd=folder, says=says)
        img.run("rebase", "-u", "-b", "mid", "-F", "qcow2", "base", cwd=folder)
        img.fails("commit", "-b", "other", "top", cwd=folder, says="is not one of the 200 images")
        os.unlink(f"{folder}/mid")
        img.fails("commit", "top", cwd=folder, says="No such file")


def what_cannot_be_written_stays_in_the_image():
    with img.folder() as folder:
        img.run("create", "-q", "-f", "qcow2", "base", "1M", cwd=folder)
        img.run("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", "top", cwd=folder)
        with open(f"{folder}/r", "wb") as file:
            file.write(b"x" * MIB)
        img.run("convert", "-n", "-f", "raw", "-O", "qcow2", "r", "top", cwd=folder)
        # Nobody can write to what is marked as corrupt.
        with open(f"{folder}/base", "r+b") as file:
            file.seek(79)
            file.write(b"\2")
        img.fails("commit", "top", cwd=folder, says="corrupt")
        img.run("compare", "top", "r", cwd=folder)
        img.sound(f"{folder}/top")


tap.run([(function.__name__.replace("_", "-"), function) for function in (
    both_ways, holes_stay, over_a_backing_file, to_what_is_there, one_behind_the_other, compressed_ones_are_read, compressed_ones_are_written, benches, progress,
    not_too_fast, refused_conversions, a_disk_that_fails, compared_as_by_the_reference, what_cannot_be_read_is_no_difference,
    parts_of_disks, rebased, rebased_by_name_only, committed, committed_further_down, refused_commits,
    what_cannot_be_written_stays_in_the_image)])

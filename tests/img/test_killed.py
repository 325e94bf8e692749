#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-img is killed (SIGKILL) within each command that changes an image, before, in the middle of and behind any of its
writes, or a write fails: the disk is what it was, or what it was to become, and no cluster is anybody else's.
Usage: test_killed.py BUILD-DIR [NAME...]. $KILLS (1): after so many of its writes, besides the first and the last one; with
more than 1 each of them ends in each way."""
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f"{HERE}/../qtest")

import img  # noqa: E402
import inject  # noqa: E402
import tap  # noqa: E402

from img import MIB  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
KILLS = int(os.environ.get("KILLS", "1"))
SIZE = 2 * MIB
# How a write ends: so many bytes of it are in the file, and the program is killed; or it fails.
ENDS = [*({"limit": limit, "kill": True} for limit in (0, 512, 1 << 30)), {"err": "EIO"}, {"err": "ENOSPC"}]
FILES = "base", "other", "top"


def make(folder, *options):
    """base, and other with the same disk; top on base has some clusters, zeros, and a snapshot with others."""
    more = ["-o", ",".join(options)] if options else []
    for name in "base", "other":
        img.run("create", "-q", "-f", "qcow2", *more, f"{folder}/{name}", SIZE)
        img.write(f"{folder}/{name}", "write -P 1 0 700k")
    img.write(f"{folder}/other", "write -P 2 1M 64k")
    img.run("create", "-q", "-f", "qcow2", *more, "-b", "base", "-F", "qcow2", f"{folder}/top")
    img.write(f"{folder}/top", "write -P 3 64k 200k", "write -P 4 1536k 100k")
    img.run("snapshot", "-c", "before", f"{folder}/top")
    img.write(f"{folder}/top", "write -P 5 128k 300k", "write -P 6 1M 70k", "write -z 700k 4k")


def disk(path, program=img.PROGRAM):
    """Its bytes, as @program reads them."""
    target = f"{path}.raw"
    tap.equal(img.call(program, "convert", "-U", "-O", "raw", path, target).status, 0, path)
    with open(target, "rb") as file:
        return file.read()


def snapshots(path):
    """{name: the disk as it was then}."""
    found = {}
    for snapshot in img.info(path).get("snapshots", []):
        img.run("convert", "-l", f"snapshot.name={snapshot['name']}", "-O", "raw", path, f"{path}.raw")
        with open(f"{path}.raw", "rb") as file:
            found[snapshot["name"]] = file.read()
    return found


def in_order(path, where, flags):
    """Both programs find nothing wrong but leaks; with @flags, besides flags that say of clusters whether they are shared,
    which no write of one sector can change together with the counts of how often they are used."""
    for program in img.PROGRAM, img.REFERENCE:
        result = img.call(program, "check", path)
        wrong = [line for line in f"{result.out}{result.errors}".splitlines()
                 if re.match("error|ERROR", line) and not re.search("OFLAG_COPIED|the flag of cluster", line)]
        if result.status not in (0, 3) and not (flags and result.status == 2 and not wrong):
            raise AssertionError(f"{where}: {program} check {path}: {result.status}: {result.out} {result.errors}")


def one_of(found, wanted, where):
    if found not in wanted:
        at = [next((i for i, (a, b) in enumerate(zip(found, want)) if a != b), len(want)) for want in wanted]
        raise AssertionError(f"{where}: another disk, of {len(found)} bytes, at {at}")


def look(folder, wanted, then, where, flags):
    """Each image is in order, top is one of the disks @wanted, and its snapshots are as @then has them, also when something is
    written; so it is when what is left behind has been repaired. @wanted may be None: anything; and @then: its snapshots change
    with the images below."""
    for name in FILES:
        in_order(f"{folder}/{name}", where, flags)
    top = f"{folder}/top"
    for program in img.PROGRAM, img.REFERENCE:
        found = disk(top, program)
        if wanted:
            one_of(found, wanted, f"{where}: {program}")
    shutil.copyfile(top, f"{folder}/written")
    img.write(f"{folder}/written", f"write -P 9 0 {SIZE // 2}")
    for path in [top, f"{folder}/written"] if then else []:
        for name, was in snapshots(path).items():
            one_of(was, [then[name]], f"{where}: {path}, snapshot {name}")
    for name in FILES:
        img.call(img.PROGRAM, "check", "-q", "-r", "all", f"{folder}/{name}")
        img.sound(f"{folder}/{name}")
    one_of(disk(top), [found], f"{where}: repaired")


def again(folder, source):
    for name in FILES:
        shutil.copyfile(f"{source}/{name}", f"{folder}/{name}")


def killed(*words, options=(), prepare=(), grows=False, anything=False, flags=False, below=False):
    img.need_reference()
    with img.folder() as source, img.folder() as folder:
        make(source, *options)
        for step in prepare:
            img.run(*[str(word).format(folder=source) for word in step])
        line = [str(word).format(folder=folder) for word in words]
        again(folder, source)
        before, then = disk(f"{folder}/top"), snapshots(f"{folder}/top")
        img.run(*line)
        wanted, then = {before, disk(f"{folder}/top")}, {**snapshots(f"{folder}/top"), **then}
        if grows:
            wanted |= {want + bytes(max(map(len, wanted)) - len(want)) for want in wanted}
        with inject.injecting(BUILD) as injector:
            again(folder, source)
            count = injector.fail("change", folder, count=0)
            img.run(*line)
            total = count.seen
            injector.end()
        tap.equal(total > 0, True, f"{words}: it writes")
        chosen = {total * n // (KILLS + 1) for n in range(1, KILLS + 1)} | {0, total - 1}
        points = [(skip, end) for skip in sorted(chosen) for end in ENDS]
        for skip, end in points if KILLS > 1 else points[::4]:
            again(folder, source)
            with inject.injecting(BUILD) as injector:
                injector.fail("change", folder, skip=skip, count=1, **end)
                status = img.call(img.PROGRAM, *line).status
                injector.end()
            # Threads write in any order, and once in a while less often; what fails is not always needed.
            tap.equal(status in (0, -9 if "kill" in end else 1), True, f"{words}: {status}")
            look(folder, None if anything else wanted, None if below else then,
                 f"{words}: write {skip + 1} of {total}, {end}", flags)


TOP = "{folder}/top"
TESTS = [
    ("commit", lambda: killed("commit", "-q", TOP, below=True)),
    ("commit, the image stays", lambda: killed("commit", "-q", "-d", TOP, below=True)),
    ("rebase", lambda: killed("rebase", "-q", "-b", "other", "-F", "qcow2", TOP, below=True)),
    ("rebase to none", lambda: killed("rebase", "-q", "-b", "", TOP, below=True)),
    ("snapshot, taken", lambda: killed("snapshot", "-c", "now", TOP, flags=True)),
    ("snapshot, applied", lambda: killed("snapshot", "-a", "before", TOP, flags=True)),
    ("snapshot, deleted", lambda: killed("snapshot", "-d", "before", TOP, flags=True)),
    ("resize, longer", lambda: killed("resize", "-q", TOP, f"+{MIB}", options=("cluster_size=512",), grows=True)),
    ("resize, shorter", lambda: killed("resize", "-q", "--shrink", TOP, SIZE - MIB,
                                       prepare=[("snapshot", "-d", "before", TOP)], grows=True)),
    ("amend, another version", lambda: killed("amend", "-q", "-o", "compat=1.1", TOP, options=("compat=0.10",))),
    ("amend, lazy refcounts", lambda: killed("amend", "-q", "-o", "lazy_refcounts=on", TOP)),
    ("bitmap, made", lambda: killed("bitmap", "--add", TOP, "b")),
    ("bitmap, removed", lambda: killed("bitmap", "--remove", TOP, "b", prepare=[("bitmap", "--add", TOP, "b")])),
    ("bitmap, merged", lambda: killed("bitmap", "--merge", "a", TOP, "b",
                                      prepare=[("bitmap", "--add", TOP, "a"), ("bitmap", "--add", "--disable", TOP, "b")])),
    ("convert", lambda: killed("convert", "-n", "-O", "qcow2", "{folder}/base", TOP, anything=True)),
]
tap.run([(name, function) for name, function in TESTS if not sys.argv[2:] or any(word in name for word in sys.argv[2:])])

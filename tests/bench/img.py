#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-img beside qemu-img, where that is installed: img.py BUILD-DIR [RUNS [GIB [WORDS]]]. Seconds of copies of 4 GiB, of
other commands on images of a quarter of that, and of requests of `bench`: the best of RUNS (default 3), the two programs
in turn, and the median of the ratios of each turn, which says most on a host that does other things, too; short ones have
ten times as many turns. Lower is better. WORDS: only lines that have them."""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

CHUNK = 64 << 20


def seconds(program, words):
    start = time.monotonic()
    subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def copies(folder):
    """Name, words, and what is done before each run."""
    def remove():
        if os.path.exists(f"{folder}/copy"):
            os.unlink(f"{folder}/copy")

    for source, target in ("raw", "qcow2"), ("qcow2", "raw"):
        yield f"convert, {source} to {target}", ["convert", "-f", source, "-O", target, f"{folder}/{source}", f"{folder}/copy"], remove
    yield "dd, raw to qcow2, blocks of 1 MiB", ["dd", "-f", "raw", "-O", "qcow2", "bs=1M", f"if={folder}/part", f"of={folder}/copy"], remove


def others(folder):
    """The same of other commands. `top` is a qcow2 image of which each second cluster is its own."""
    def overlay():
        shutil.copyfile(f"{folder}/overlay", f"{folder}/top")

    def small():
        shutil.copyfile(f"{folder}/small-overlay", f"{folder}/small-top")

    yield "compare, raw and qcow2", ["compare", "-f", "raw", "-F", "qcow2", f"{folder}/part", f"{folder}/base"], None
    yield "map", ["map", "-f", "qcow2", "--output=json", f"{folder}/overlay"], None
    yield "check", ["check", "-f", "qcow2", f"{folder}/overlay"], None
    yield "rebase, to none", ["rebase", "-f", "qcow2", "-b", "", f"{folder}/top"], overlay
    yield "commit", ["commit", "-f", "qcow2", f"{folder}/small-top"], small


def requests(folder):
    for form in "raw", "qcow2":
        for cache in "none", "writeback":
            for depth, count in (1, 500), (64, 40000):
                for name, write in ("reads", []), ("writes", ["-w"]):
                    yield (f"bench, {form}, {count} {name} of 4 KiB, {depth} at once, cache={cache}",
                           ["bench", "-f", form, "-t", cache, "-c", str(count), "-d", str(depth), "-s", "4096", *write, f"{folder}/{form}"], None)


def make(program, folder, size):
    chunk = os.urandom(CHUNK)
    for name, end in ("raw", size), ("part", size // 4):
        with open(f"{folder}/{name}", "wb") as file:
            for _ in range(end // CHUNK):
                file.write(chunk)
    subprocess.run([program, "convert", "-f", "raw", "-O", "qcow2", f"{folder}/raw", f"{folder}/qcow2"], check=True)
    subprocess.run([program, "convert", "-f", "raw", "-O", "qcow2", f"{folder}/part", f"{folder}/base"], check=True)
    shutil.copyfile(f"{folder}/base", f"{folder}/small-base")
    for name, base in ("overlay", "base"), ("small-overlay", "small-base"):
        subprocess.run([program, "create", "-q", "-f", "qcow2", "-b", f"{folder}/{base}", "-F", "qcow2", f"{folder}/{name}"], check=True)
        subprocess.run([program, "bench", "-q", "-f", "qcow2", "-w", "-c", str(size // 4 >> 17), "-s", "64k", "-S", "128k", f"{folder}/{name}"], check=True)
    os.sync()


def main():
    build, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    size = (int(sys.argv[3]) if len(sys.argv) > 3 else 4) << 30
    only = sys.argv[4] if len(sys.argv) > 4 else ""
    programs = [f"{build}/tools/img/dimmable-img"] + [p for p in [shutil.which("qemu-img")] if p]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        make(programs[0], folder, size)
        print(f"{'':72}{'dimmable':>12}" + (f"{'QEMU':>12}{'ratio':>8}" if len(programs) > 1 else ""))
        for name, words, before in (*copies(folder), *others(folder), *requests(folder)):
            if only not in name:
                continue
            took = [[] for _ in programs]
            for turn in range(10 * runs if "500" in words else runs):
                for i, program in list(enumerate(programs))[::-1 if turn % 2 else 1]:
                    if before:
                        before()
                    took[i].append(seconds(program, words))
            line = f"{f'{name} (s)':72}" + "".join(f"{min(times):12.2f}" for times in took)
            print(line + (f"{statistics.median(a / b for a, b in zip(*took)):8.2f}" if len(took) > 1 else ""), flush=True)


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-img beside qemu-img, where that is installed: img.py BUILD-DIR [RUNS [GIB]]. Seconds of copies of 4 GiB, and
of requests of `bench`, the best of RUNS (default 3), the two programs in turn. Lower is better."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

CHUNK = 64 << 20


def seconds(program, words):
    start = time.monotonic()
    subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def jobs(folder):
    """Name, words, and a file that goes before each run."""
    for source, target in ("raw", "qcow2"), ("qcow2", "raw"):
        yield (f"convert, {source} to {target}",
               ["convert", "-f", source, "-O", target, f"{folder}/{source}", f"{folder}/copy"], f"{folder}/copy")
    for form in "raw", "qcow2":
        for depth, count in (1, 4000), (64, 40000):
            for name, write in ("reads", []), ("writes", ["-w"]):
                yield (f"bench, {form}, {count} {name} of 4 KiB, {depth} at once, past the host's cache",
                       ["bench", "-f", form, "-t", "none", "-c", str(count), "-d", str(depth), "-s", "4096", *write,
                        f"{folder}/{form}"], None)


def main():
    build, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    size = (int(sys.argv[3]) if len(sys.argv) > 3 else 4) << 30
    programs = [f"{build}/tools/img/dimmable-img"] + [p for p in [shutil.which("qemu-img")] if p]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        chunk = os.urandom(CHUNK)
        with open(f"{folder}/raw", "wb") as file:
            for _ in range(size // CHUNK):
                file.write(chunk)
        subprocess.run([programs[0], "convert", "-f", "raw", "-O", "qcow2", f"{folder}/raw", f"{folder}/qcow2"], check=True)
        os.sync()
        print(f"{'':72}{'dimmable':>12}" + (f"{'QEMU':>12}{'ratio':>8}" if len(programs) > 1 else ""))
        for name, words, new in jobs(folder):
            best = [float("inf")] * len(programs)
            for _ in range(runs):
                for i, program in enumerate(programs):
                    if new and os.path.exists(new):
                        os.unlink(new)
                    best[i] = min(best[i], seconds(program, words))
            line = f"{f'{name} (s)':72}" + "".join(f"{value:12.2f}" for value in best)
            print(line + (f"{best[0] / best[1]:8.2f}" if len(best) > 1 else ""), flush=True)


main()

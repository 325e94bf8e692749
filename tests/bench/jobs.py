#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs on block nodes, and NBD, beside qemu-system-x86_64 and qemu-nbd, where those are installed: jobs.py BUILD-DIR [RUNS [MIB]].
What each takes to copy a disk of so many MiB (1024) that the host has in its cache: time by the clock and of the processor,
for NBD nbdcopy's included; medians over RUNS (default 3), the two programs in turn. Lower is better."""
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import programs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import vm  # noqa: E402

CHUNK = 16 << 20


def make_disks(folder, img, mib):
    """raw: of random bytes; base, and top with each second MiB on top of it."""
    chunk = os.urandom(CHUNK)
    with open(f"{folder}/raw", "wb") as file:
        for _ in range((mib << 20) // CHUNK):
            file.write(chunk)
    subprocess.run([img, "convert", "-f", "raw", "-O", "qcow2", f"{folder}/raw", f"{folder}/base"], check=True)
    subprocess.run([img, "create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", f"{folder}/made"], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", *[word for n in range(0, mib, 2) for word in ("-c", f"write -q {n}M 1M")], f"{folder}/made"],
                   check=True)


class Machine(vm.Vm):
    """With no processor that runs: nodes alone."""

    def __init__(self, program, folder):
        super().__init__(program, accel="tcg", memory="64M", serial=False, extra=[
            "-M", "pc", "-S", "-blockdev", f"raw,node-name=raw,file.driver=file,file.filename={folder}/raw", "-blockdev",
            f"qcow2,node-name=top,file.driver=file,file.filename={folder}/top", "-blockdev",
            f"qcow2,node-name=target,file.driver=file,file.filename={folder}/target"])


def fresh(folder, img, mib):
    """What jobs write to is as it was."""
    shutil.copyfile(f"{folder}/made", f"{folder}/top")
    subprocess.run([img, "create", "-q", "-f", "qcow2", f"{folder}/target", f"{mib}M"], check=True)


JOBS = [("blockdev-mirror, raw to qcow2", "blockdev-mirror", {"device": "raw", "target": "target", "sync": "full"}, "READY"),
        ("blockdev-backup, raw to qcow2", "blockdev-backup", {"device": "raw", "target": "target", "sync": "full"}, "COMPLETED"),
        ("block-stream", "block-stream", {"device": "top"}, "COMPLETED")]


def jobs(program, folder, img, mib):
    for name, command, options, end in JOBS:
        fresh(folder, img, mib)
        with Machine(program, folder) as machine:
            before, start = programs.processor_seconds(machine.process.pid), time.monotonic()
            machine.qmp.command(command, timeout=10 * vm.LONG, **{"job-id": "j", **options})
            machine.qmp.event(f"BLOCK_JOB_{end}", timeout=10 * vm.LONG, device="j")
            yield name, time.monotonic() - start, programs.processor_seconds(machine.process.pid) - before


def children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def copied(name, pid, words):
    """nbdcopy with these words, of the server @pid."""
    before, start = programs.processor_seconds(pid) + children(), time.monotonic()
    subprocess.run(["nbdcopy", *words], check=True)
    return name, time.monotonic() - start, programs.processor_seconds(pid) + children() - before


def exports(program, folder, img, mib):
    """Of a machine: read and written."""
    fresh(folder, img, mib)
    uri = f"nbd+unix:///{{}}?socket={folder}/sock"
    with Machine(program, folder) as machine:
        machine.qmp.command("nbd-server-start", addr={"type": "unix", "data": {"path": f"{folder}/sock"}})
        for node, writable in ("raw", False), ("target", True):
            machine.qmp.execute({"execute": "block-export-add", "arguments": {
                "type": "nbd", "id": node, "node-name": node, "name": node, "writable": writable}})
        yield copied("an export, read", machine.process.pid, [uri.format("raw"), "null:"])
        yield copied("an export, a qcow2 image, written", machine.process.pid, [f"{folder}/raw", uri.format("target")])


def server(program, folder):
    """Of a program of its own."""
    path = f"{folder}/server"
    with subprocess.Popen([program, "-k", path, "-f", "raw", "-r", "-t", f"{folder}/raw"]) as process:
        try:
            vm.wait_until(lambda: os.path.exists(path), path)
            yield copied("a server by itself, read", process.pid,
                         [f"nbd+unix:///?socket={path}", "null:"])
        finally:
            process.terminate()
            process.wait()
            if os.path.exists(path):
                os.unlink(path)


def main():
    build, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    mib = int(sys.argv[3]) if len(sys.argv) > 3 else 1024
    sides = [(f"{build}/dimmable", f"{build}/tools/nbd/dimmable-nbd")]
    if shutil.which("qemu-system-x86_64") and shutil.which("qemu-nbd"):
        sides.append((shutil.which("qemu-system-x86_64"), shutil.which("qemu-nbd")))
    img, figures = f"{build}/tools/img/dimmable-img", {}
    if not shutil.which("qemu-io") or not shutil.which("nbdcopy"):
        print("no figures of jobs and NBD: there is no qemu-io, or no nbdcopy")
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        make_disks(folder, img, mib)
        for _ in range(runs):
            for side, (program, nbd) in enumerate(sides):
                for source in jobs(program, folder, img, mib), exports(program, folder, img, mib), server(nbd, folder):
                    for name, clock, processor in source:
                        for unit, value in (("s", clock), ("s of processor", processor)):
                            figures.setdefault((name, unit), [[], []])[side].append(value)
    print(f"{'':72}{'dimmable':>12}" + (f"{'QEMU':>12}{'ratio':>8}" if len(sides) > 1 else ""))
    for (name, unit), values in figures.items():
        ours = statistics.median(values[0])
        line = f"{f'{name}, {mib} MiB ({unit})':72}{ours:12.2f}"
        print(line + (f"{statistics.median(values[1]):12.2f}{ours / statistics.median(values[1]):8.2f}" if values[1] else ""))


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the fuzz targets of a build folder one after the other, each for $FUZZ_SECONDS (60):
run.py BUILD-DIR [TARGET...]

What is new is kept in BUILD-DIR/fuzz/corpus, what fails in BUILD-DIR/fuzz/findings. With
FUZZ_MERGE=1 the inputs that reach new code are copied to the corpus in the tree."""
import os
import pathlib
import re
import subprocess
import sys

TARGETS = ["qmp", "hmp", "options", "qtest", "registers", "stream", "virtqueue", "virtio", "requests", "vmem", "gpu", "ata", "nvme", "scsi", "hba", "e1000", "rtl8139", "nics", "isa", "usb", "iommu", "amdvi", "cxl", "vga", "cirrus", "vmware", "qxl", "nbd", "qcow2", "jobs", "p9", "misc", "sd", "vhost-user", "vhost-kernel",
           "devices-pc", "devices-q35", "pcihp-pc", "pcihp-q35", "gpu-gl"]
HERE = pathlib.Path(__file__).resolve().parent
# Per input: seconds, and MiB of memory.
LIMITS = ["-timeout=10", "-rss_limit_mb=2048"]


def command(build, target):
    program = [str(build / "tests/fuzz" / f"fuzz-{target}"), "-close_fd_mask=3", *LIMITS]
    dictionary = HERE / f"{target.split('-')[0]}.dict"
    return program + ([f"-dict={dictionary}"] if dictionary.exists() else [])


def folders(build, target):
    """New inputs, findings, inputs of the tree."""
    paths = [build / "fuzz/corpus" / target, build / "fuzz/findings" / target,
             HERE / "corpus" / target]
    for path in paths:
        path.mkdir(parents=True, exist_ok=True)
    return paths


def run(arguments, findings, log):
    # The targets refuse to write elsewhere; GLib's own allocator would hide leaks; the search for leaks
    # takes longer the more freed memory is kept.
    env = dict(os.environ, FUZZ_FINDINGS=f"{findings}/", G_SLICE="always-malloc",
               ASAN_OPTIONS="quarantine_size_mb=8")
    with open(log, "wb") as out:
        return subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                              cwd=findings, check=False).returncode


def fuzz(build, target, seconds):
    new, findings, tree = folders(build, target)
    log = build / "fuzz" / f"{target}.log"
    status = run([*command(build, target), f"-max_total_time={seconds}", "-print_final_stats=1",
                  f"-artifact_prefix={findings}/", str(new), str(tree)], findings, log)
    text = log.read_text(errors="replace")
    stats = dict(re.findall(r"stat::(\w+):\s+(\d+)", text))
    found = re.search(r"^SUMMARY: (.*)$", text, re.MULTILINE)
    what = found.group(1) if found else f"ended with status {status}"
    print(f"{target:11} {stats.get('number_of_executed_units', 0):>8} inputs, "
          f"{stats.get('average_exec_per_sec', 0):>5} a second, "
          + (f"FINDING: {what} (see {log})" if status else "nothing found"), flush=True)
    return status == 0


def merge(build, target):
    """Add short inputs that reach new code to the tree's corpus."""
    new, findings, tree = folders(build, target)
    return run([*command(build, target), "-max_len=600", "-use_counters=0", "-use_cmp=0",
                "-set_cover_merge=1", str(tree), str(new)], findings,
               build / "fuzz" / f"{target}-merge.log") == 0


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    targets = sys.argv[2:] or TARGETS
    seconds = int(os.environ.get("FUZZ_SECONDS", "60"))
    ok = all([fuzz(build, target, seconds) for target in targets])
    if os.environ.get("FUZZ_MERGE") == "1":
        ok = all([merge(build, target) for target in targets]) and ok
    return 0 if ok else 1


sys.exit(main())

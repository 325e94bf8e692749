#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's program crash reads dumps of a guest with DIMMs, of each format: test_crash_program.py BUILD-DIR. It needs the
kernel's debug symbols, which `make debug-kernel` downloads; without them it is skipped."""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MIB = 1 << 20
BLOCK = 128 * MIB  # of Linux
FORMATS = ("elf", "kdump-zlib", "kdump-lzo", "kdump-snappy")
BASE = 4 << 30
# Two nodes, 1 and 2, of a DIMM each.
DIMMS = {"d0": (BASE, 128 * MIB), "d1": (BASE + 512 * MIB, 256 * MIB)}
NODES = ["-object", "memory-backend-ram,id=ram0,size=256M", "-numa", "node,memdev=ram0,cpus=0-1", "-numa", "node", "-numa", "node"]
# What a program's pages are full of: 16 bytes.
MARK = b"what-is-in-DIMMs"
# Processes by the kernel's own list: crash 8.0 finds no others than those that run by the ids of 6.1's later versions, also in
# a dump of the reference.
COMMANDS = """sys
log
kmem -i
kmem -n
list task_struct.tasks -S task_struct.pid -h init_task
{reads}
exit
"""


def symbols():
    """The kernel with its debug symbols; of the kernel that the guest runs."""
    path = os.environ.get("DEBUG_KERNEL") or f"{BUILD}/guest/vmlinux-debug"
    if not shutil.which("crash"):
        raise tap.Skip("crash is not installed")
    if not os.path.exists(path):
        raise tap.Skip(f"there is no {path}: make debug-kernel downloads it, nearly 300 MB")
    return os.path.abspath(path)


def pages_with(guest, addr, size):
    """Addresses of pages in a DIMM that are full of the mark, as the monitor reads them: three of them at most."""
    with tempfile.TemporaryDirectory(dir=f"{BUILD}/guest") as folder:
        guest.qmp.command("pmemsave", val=addr, size=size, filename=f"{folder}/dimm")
        with open(f"{folder}/dimm", "rb") as file:
            data = file.read()
    found = [addr + n for n in range(0, size, 4096) if data[n:n + 4096] == MARK * 256]
    tap.equal(len(found) >= 3, True, f"{len(found)} pages of the mark at {addr:#x}")
    return [found[0], found[len(found) // 2], found[-1]]


def fill(guest):
    """Pages with the mark in both DIMMs, which are nodes: a file system in each."""
    found = {}
    for node, (name, place) in enumerate(DIMMS.items(), 1):
        guest.run(f"mkdir /{name}; mount -t tmpfs -o mpol=bind:{node} none /{name}")
        guest.run(f"yes {MARK.decode() * 2} | tr -d '\\n' | head -c {4 * MIB} > /{name}/f", timeout=300)
        found[name] = pages_with(guest, *place)
    return found


def says(text, pattern, what):
    if not re.search(pattern, text, re.M):
        raise AssertionError(f"{what}: no /{pattern}/ in\n{text[:1500]}\n...\n{text[-6000:]}")


def crash(kernel, path, pages):
    """What it says of a dump."""
    reads = "\n".join(f"rd -p -64 {addr:#x} 2" for addrs in pages.values() for addr in addrs)
    done = subprocess.run(["crash", "-s", kernel, path], input=COMMANDS.format(reads=reads), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    tap.equal(done.returncode, 0, f"{path}: {done.stdout[-3000:]}")
    return done.stdout


def check(name, text, pages, facts):
    """What crash has found in the dump is what the guest and the monitor have told."""
    for pattern in (rf"^ +RELEASE: {re.escape(facts['release'])}$", r"^ +CPUS: 2$", r"^ +MACHINE: x86_64 ", "it is in the log$",
                    rf"^ +pid = {facts['pid']},?$"):
        says(text, pattern, name)
    total = int(re.search(r"TOTAL MEM +(\d+) ", text).group(1)) * 4096
    tap.equal(total, facts["total"], f"{name}: MemTotal")
    for node, (addr, size) in enumerate(DIMMS.values(), 1):
        for n in range(addr // BLOCK, (addr + size) // BLOCK):
            says(text, rf"^ *[0-9a-f]{{16}} +memory{n} +{n * BLOCK:x} - {(n + 1) * BLOCK - 1:x} +{node} +ONLINE +{n} *$", name)
    words = [int.from_bytes(MARK[n:n + 8], "little") for n in (0, 8)]
    for addrs in pages.values():
        for addr in addrs:
            says(text, rf"^ *{addr:x}: +{words[0]:016x} {words[1]:016x} ", name)


def dumps():
    kernel = symbols()
    with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M,slots=4,maxmem=4G", cpus=2,
               extra=["-M", "q35", "-device", "vmcoreinfo", *NODES]) as guest, \
            tempfile.TemporaryDirectory(dir=f"{BUILD}/guest") as folder:
        guest.wait_ready()
        guest.run("insmod /lib/modules/qemu_fw_cfg.ko")
        for node, (name, (addr, size)) in enumerate(DIMMS.items(), 1):
            guest.plug(name, size, addr=addr, node=node)
        pages = fill(guest)
        guest.run("echo it is in the log >/dev/kmsg")
        pid = guest.run("sleep 100000 & echo; echo $!").split()[-1]
        facts = {"release": guest.run("uname -r"), "pid": pid, "total": guest.mem_total()}
        for name in FORMATS:
            guest.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{folder}/{name}", format=name)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            texts = list(pool.map(lambda name: crash(kernel, f"{folder}/{name}", pages), FORMATS))
        for name, text in zip(FORMATS, texts):
            check(name, text, pages, facts)
        guest.run(f"kill {pid}")


tap.run([("dumps with DIMMs, read by crash", dumps)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Words in errors and warnings that test suites of others search for: each situation is made, and its
words must be there. A message may say more, and better, but these words are an interface."""
import os
import tempfile

import machine
import vm

import tap

MIB = 1 << 20
BASE = ["-accel", "qtest", "-nodefaults", "-display", "none", "-m", "2G,slots=8,maxmem=16G", "-smp", "4"]
TABLES = ["-machine", "dump-acpi=FOLDER/tables"]  # makes the whole machine, and ends
TWO_NODES = ["-numa", "node,mem=1G,cpus=0-1", "-numa", "node,mem=1G,cpus=2-3"]
RAM = ["-object", "memory-backend-ram,id=m0,size=256M,reserve=off"]
MORE = ["-object", "memory-backend-ram,id=m1,size=256M,reserve=off"]
HUGE = "-object memory-backend-ram,id=m0,size=64T,prealloc=on".split()


def dimm(text, *more):
    return [*RAM, *more, "-device", f"pc-dimm,id=d0,memdev=m0,{text}"]


# (arguments, words in the error)
ERRORS = [
    *[(["-object", f"memory-backend-{kind},id=m0,size=0{more}"],
       f"property 'size' of memory-backend-{kind} doesn't take value '0'")
      for kind, more in (("ram", ""), ("file", ",mem-path=FOLDER"), ("memfd", ""))],
    *[(["-object", f"memory-backend-{kind},id=m0,size={size}{more}"], "memory size must be")
      for kind, more in (("ram", ""), ("file", ",mem-path=FOLDER"), ("memfd", "")) for size in (3, 4097, 1048577)],
    # A register's bytes are taken (a device's memory of 8 bytes), but not for a DIMM.
    *[(["-object", f"memory-backend-ram,id=m0,size={size}"], "memory size must be") for size in (1, 4, 6, 24, 4104)],
    (["-object", "memory-backend-ram,id=m0,size=8", "-device", "pc-dimm,memdev=m0"], "memory size must be a multiple of"),
    *[(["-object", f"memory-backend-file,id=m0,size={size},mem-path=FOLDER/{name}"],
       "must be multiples of page size 0x1000") for size, name in ((3, "short"), (3, "new"), (4096, "short"))],
    (["-object", "memory-backend-file,id=m0,size=1G,mem-path=FOLDER/half"],
     "backing store size 0x20000000 does not match 'size' option 0x40000000"),
    (["-object", "memory-backend-ram,id=m0,size=1048576T"], "m0"),
    (HUGE, "Cannot allocate memory"),
    (["-object", "memory-backend-memfd,id=m0,hugetlb=on,hugetlbsize=2M,size=1T"], "Cannot allocate memory"),
    *[(["-object", f"memory-backend-ram,id=m0,size=2M,policy={policy}"],
       f"host-nodes must be set for policy {policy}") for policy in ("bind", "preferred", "interleave")],
    (["-object", "memory-backend-ram,id=m0,size=2M,policy=bind,host-nodes=120"],
     "cannot bind memory to host NUMA nodes"),
    ([*RAM, "-device", "nvdimm,memdev=m0"], "nvdimm is not enabled: add 'nvdimm=on' to '-M'"),
    ([*TWO_NODES, *dimm("node=2")], "DIMM property node has value 2"),
    (dimm("addr=0x100001000"), "address must be aligned to"),
    (dimm("addr=0x1000"), "can't add memory"),
    (dimm("addr=0xffff00000000"), "can't add memory"),
    (["-object", "memory-backend-ram,id=m0,size=15G,reserve=off", "-device", "pc-dimm,memdev=m0"], "can't add memory"),
    (dimm("addr=0x100000000", *MORE, "-device", "pc-dimm,memdev=m1,addr=0x100000000"), "address range conflicts"),
    (["-numa", "node,mem=1G", "-numa", "node,mem=512M"],
     "total memory for NUMA nodes (0x60000000) should equal RAM size (0x80000000)"),
    ([*RAM, "-numa", "node,memdev=m0", "-numa", "node"],
     "total memory for NUMA nodes (0x10000000) should equal RAM size (0x80000000)"),
    (["-numa", "node,nodeid=0", "-numa", "node,nodeid=0"], "Duplicate NUMA nodeid: 0"),
    (["-numa", "node,cpus=0-3", "-numa", "node,cpus=3"], "CPU is already assigned to node-id: 0"),
    (["-numa", "node,cpus=0-3", "-numa", "node", "-numa", "cpu,node-id=1,core-id=3"],
     "CPU is already assigned to node-id: 0"),
    (["-object", "memory-backend-ram,id=m0,size=2M,discard-data=on"],
     "Property 'memory-backend-ram.discard-data' not found"),
    (["-object", "memory-backend-memfd,id=m0,size=2M,discard-data=on"],
     "Property 'memory-backend-memfd.discard-data' not found"),
]
# (arguments, words in the warning)
WARNINGS = [
    (["-numa", "node,mem=1G,cpus=0", "-numa", "node,mem=1G,cpus=1"], "CPU(s) not present in any NUMA nodes"),
    (["-numa", "node,cpus=0"], "CPU(s) not present in any NUMA nodes"),
]


def run(folder, args):
    return machine.run_program(*[arg.replace("FOLDER", folder) for arg in (*BASE, *args, *TABLES)])


def one(args, words, want_status):
    with tempfile.TemporaryDirectory() as folder:
        for name, size in (("short", 2), ("half", 512 * MIB)):
            with open(f"{folder}/{name}", "wb") as file:
                file.truncate(size)
        status, text = run(folder, args)
        tap.equal(status, want_status, f"status; it printed: {text}")
        if words not in text:
            raise AssertionError(f"'{words}' is not in: {text.strip()}")
        if want_status:
            tap.equal(sorted(os.listdir(folder)), ["half", "short"], "files after the failure")


def not_readable():
    with machine.Machine() as m:
        m.qmp.command("object-add", **{"qom-type": "thread-context", "id": "tc", "cpu-affinity": [0]})
        try:
            m.qmp.command("qom-get", path="/objects/tc", property="node-affinity")
        except vm.QmpError as err:
            tap.equal("Property 'thread-context.node-affinity' is not readable" in err.desc, True, err.desc)
        else:
            raise AssertionError("it was readable")


tap.run([*[(" ".join(args), lambda a=args, w=words: one(a, w, 1)) for args, words in ERRORS],
         *[(" ".join(args), lambda a=args, w=words: one(a, w, 0)) for args, words in WARNINGS],
         ("a write-only property", not_readable)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Latencies, bandwidths and memory-side caches of nodes (HMAT) as Debian's kernel shows them in /sys: test_hmat.py BUILD-DIR."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
NODES = "/sys/devices/system/node"
# By target: ns, ns, MiB/s, MiB/s; node 2 has no memory until a DIMM comes.
FIGURES = {0: (5, 6, 10240, 9216), 1: (20, 25, 5120, 4096), 2: (100, 150, 2048, 1024)}
KINDS = (("read-latency", "latency={}"), ("write-latency", "latency={}"), ("read-bandwidth", "bandwidth={}M"),
         ("write-bandwidth", "bandwidth={}M"))
# (size, associativity, policy, line) by level, and how Linux writes the two: 0 is direct and write-back, 1 complex and
# write-through, 2 something else.
CACHES = {1: (64 << 10, "direct", "write-back", 64), 2: (1 << 20, "complex", "write-through", 128),
          3: (16 << 20, "none", "none", 256)}
INDEXING = {"direct": 0, "complex": 1, "none": 2}
POLICY = {"write-back": 0, "write-through": 1, "none": 2}


def options():
    words = ["-object", "memory-backend-ram,id=a,size=256M", "-object", "memory-backend-ram,id=b,size=128M"]
    given = ["node,memdev=a,cpus=0-1", "node,memdev=b,initiator=0", "node,initiator=0"]
    for target, figures in FIGURES.items():
        for (kind, text), figure in zip(KINDS, figures):
            given.append(f"hmat-lb,initiator=0,target={target},hierarchy=memory,data-type={kind},{text.format(figure)}")
        # Levels of caches have figures of their own, which are for others than Linux.
        for level, name in enumerate(("first", "second", "third"), 1):
            given.append(f"hmat-lb,initiator=0,target={target},hierarchy={name}-level,data-type=access-latency,"
                         f"latency={level}")
            given.append(f"hmat-lb,initiator=0,target={target},hierarchy={name}-level,data-type=access-bandwidth,"
                         f"bandwidth={40 - 10 * level}G")
    for level, (size, associativity, policy, line) in CACHES.items():
        given.append(f"hmat-cache,node-id=1,size={size},level={level},associativity={associativity},policy={policy},"
                     f"line={line}")
    return words + [word for text in given for word in ("-numa", text)]


def shown(guest, node):
    """What is best, by the node with the nearest CPUs."""
    files = " ".join(name.replace("-", "_") for name, _ in KINDS)
    return tuple(int(n) for n in guest.run(f"cd {NODES}/node{node}/access0/initiators && cat {files}; cd /").split())


def read_back(board, firmware):
    words = ["-M", f"{board},hmat=on", *(["-machine", "firmware=on"] if firmware else [])]
    with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="384M,slots=4,maxmem=4G", cpus=2,
               extra=[*words, *options()]) as guest:
        guest.wait_ready()
        for node in (0, 1):
            tap.equal(shown(guest, node), FIGURES[node], f"node {node}")
            tap.equal(guest.run(f"ls {NODES}/node{node}/access0/initiators | grep node"), "node0")
        for level, (size, associativity, policy, line) in CACHES.items():
            found = guest.run(f"cd {NODES}/node1/memory_side_cache/index{level} && cat size indexing write_policy line_size; "
                              "cd /")
            tap.equal([int(n) for n in found.split()], [size, INDEXING[associativity], POLICY[policy], line], f"level {level}")
        tap.equal(guest.run(f"ls {NODES}/node0/memory_side_cache 2>/dev/null | grep index", check=False), "")
        # The node of the DIMM has its figures when it comes.
        guest.plug("d0", 128 << 20, node=2)
        tap.equal(shown(guest, 2), FIGURES[2], "node 2")


tap.run([("pc", lambda: read_back("pc", False)), ("q35", lambda: read_back("q35", False)),
         ("q35, by SeaBIOS", lambda: read_back("q35", True))])

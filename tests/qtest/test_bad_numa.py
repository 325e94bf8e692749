#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Garbage for NUMA and for DIMMs on nodes: one line that says what is wrong, and nothing half made.
What is refused for its meaning rather than its form is in test_numa.py."""
import machine

import tap

MIB = 1 << 20
BASE = ["-accel", "qtest", "-nodefaults", "-display", "none", "-m", "2G,slots=8,maxmem=16G", "-smp", "4"]
LB = "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency"
CACHE = "hmat-cache,node-id=0,associativity=none,policy=none,"

# (options of -numa, words that the message must have)
OPTIONS = [
    (["node,cpus=3-1"], "cpus=3-1"), (["node,cpus=a"], "cpus=a"), (["node,cpus=1-"], "cpus=1-"),
    (["node,cpus=-1"], "cpus=-1"), (["node,cpus="], "cpus="), (["node,cpus=0-99999999999"], "cpus="),
    (["node,mem=-1"], "mem -1"), (["node,mem=1Z"], "mem 1Z"), (["node,mem="], "mem"),
    (["node,mem=0"], "mem= 2048"), (["node,mem=1G", "node"], "1024 2048"), (["node,mem=3G"], "3072 2048"),
    (["node,nodeid=-1"], "nodeid=-1"), (["node,nodeid=x"], "nodeid=x"), (["node,nodeid=1"], "node 0 missing"),
    (["node,memdev="], "backend"), (["node,mem=1G,memdev=x"], "mem= memdev="), (["nodes"], "nodes node"),
    ([""], "node dist cpu"), (["node,bogus=1"], "bogus nodeid"), (["node"] * 129, "128"),
    (["node,initiator=-1"], "initiator=-1"),
    (["node", "node", "dist,src=7,dst=1,val=20"], "node 7"),
    (["node", "node", "dist,src=0,dst=1,val=0"], "val=0 11"),
    (["node", "node", "dist,src=0,dst=1,val=-5"], "val=-5"),
    (["node", "node", "dist,src=0,dst=1,val=256"], "val=256 254 255 reached"),
    (["node", "node", "dist,src=0,dst=1,val=99999999999999999999"], "val=99999999999999999999 254 255"),
    (["node", "node", "dist,src=0,dst=1,val=far"], "val=far 254 255"),
    (["node", "node", "dist,src=0,dst=0,val=255"], "val=255 10 itself"),
    (["node", "cpu,node-id=0,socket-id=9"], "cpu,node-id=0,socket-id=9:"),
    (["node", "cpu,node-id=0,socket-id=0,die-id=1,core-id=2,thread-id=3"],
     "cpu,node-id=0,socket-id=0,die-id=1,core-id=2,thread-id=3:"),
    (["node", "cpu,node-id=7,core-id=0"], "cpu,node-id=7,core-id=0:"),
    (["node", "node", "dist,dst=1,val=20"], "src="),
    (["node", "cpu,node-id=0"], "socket-id="), (["node", "cpu,socket-id=0"], "node-id="),
    (["node", "node", "cpu,node-id=0,socket-id=0", "cpu,node-id=1,socket-id=0"], "CPU 0 node 0"),
    (["node,cpus=0", "node", "cpu,node-id=1,socket-id=0,core-id=0,thread-id=0"], "CPU 0 node 0"),
    ([LB], "latency="), ([LB + ",latency=-1"], "latency=-1"),
    ([LB + ",latency=99999999999999999999"], "latency=9999"),
    ([LB.replace("memory", "disk") + ",latency=1"], "hierarchy=disk first-level"),
    ([LB.replace("access-latency", "x") + ",latency=1"], "data-type=x read-latency"),
    ([CACHE + "size=0,level=1,line=64"], "size=0"), ([CACHE + "size=1M,level=0,line=64"], "level=0"),
    ([CACHE + "size=1M,level=4,line=64"], "level=4"), ([CACHE + "size=1M,level=1,line=99999"], "line=99999"),
    ([CACHE.replace("=0", "=300") + "size=1M,level=1,line=64"], "node-id=300"),
]


def options():
    for given, words in OPTIONS:
        args = [word for option in given for word in ("-numa", option)]
        status, text = machine.run_program(*BASE, "-machine", "hmat=on", *args)
        missing = [word for word in words.split() if word not in text]
        if status != 1 or missing or len(text.strip().splitlines()) != 1:
            raise AssertionError(f"{given[-3:]}: status {status}, printed {text!r}, without {missing}")


def dimms_on_nodes():
    """Nodes that are not there; a machine without -numa has node 0."""
    with machine.Machine(cpus=2, extra=["-numa", "node,cpus=0-1,mem=2G", "-numa", "node"]) as box:
        box.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m0", "size": 128 * MIB})
        before = box.tree()
        for node, word in ((2, "node 2"), (127, "node 127"), (128, "128"), (-1, "-1"), (1 << 32, "4294967296"),
                           ("one", "node")):
            box.qmp.refused(word, "device_add", driver="pc-dimm", id="d0", memdev="m0", node=node)
            tap.equal(box.tree(), before, f"after node {node}")
        box.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m0", node=1)
        box.qmp.refused("-preconfig", "set-numa-node", type="node", nodeid=2)
    with machine.Machine() as box:
        box.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m0", "size": 128 * MIB})
        box.qmp.refused("node", "device_add", driver="pc-dimm", id="d0", memdev="m0", node=1)
        box.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m0", node=0)


tap.run([("options of -numa", options), ("DIMMs on nodes", dimms_on_nodes)])

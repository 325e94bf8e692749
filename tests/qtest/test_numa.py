#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""NUMA as users give it on the command line, in a file and by QMP; DIMMs with boot=on, and the
memory map that a kernel is given."""
import os
import struct
import tempfile

import machine
import vm

import tap

MIB = 1 << 20
GIB = 1 << 30
SELECT, FLAGS = 0xA00, 0xA14
INSERT_EVENT, EJECT = 2, 8
BASE = ["-accel", "qtest", "-nodefaults", "-display", "none"]
WINDOW = 4 * GIB


def backend(ident, size):
    return ["-object", f"memory-backend-ram,id={ident},size={size}"]


def numa(*options):
    return [word for option in options for word in ("-numa", option)]


LB = "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type="
BOTH = [LB + "access-latency,latency=5", LB + "access-bandwidth,bandwidth=5G"]
CACHE = "hmat-cache,node-id=0,associativity=none,policy=none,line=64,"
HMAT = ["-machine", "hmat=on"]

# (arguments after -m 2G,slots=8,maxmem=16G -smp 4, words that the message must have)
REFUSED = [
    (numa("node", "node,nodeid=0"), "nodeid=0 twice"),
    (numa("node", "node,nodeid=2"), "node 1 missing"),
    (numa("node,nodeid=128"), "nodeid=128 127"),
    (numa("node,cpus=0-2", "node,cpus=2"), "CPU 2 node 0"),
    (numa("node,cpus=4"), "CPU 4"),
    (numa("node,cpus=300"), "cpus=300 287"),
    (numa("node,mem=1G", "node,mem=512M"), "1536 2048"),
    (numa("node,memdev=nope"), "nope -object"),
    (backend("a", "1G") + numa("node,memdev=a", "node,memdev=a"), "'a' already"),
    (backend("a", "1G") + numa("node,memdev=a"), "2048 1024"),
    (backend("a", "2G") + ["-machine", "memory-backend=a"] + numa("node,memdev=a"), "memory-backend=a"),
    (backend("a", "1G") + ["-machine", "memory-backend=a"], "2048 1024"),
    (["-machine", "memory-backend=nope"], "nope"),
    (numa("node", "node", "dist,src=0,dst=1,val=9"), "val=9 11"),
    (numa("node", "node", "dist,src=0,dst=0,val=11"), "val=11 10"),
    (numa("node", "node", "dist,src=0,dst=2,val=20"), "node 2"),
    (numa("node", "node", "dist,src=0,dst=1"), "val="),
    (numa("node", "node", "dist,src=0,dst=1,val=256"), "256 255"),
    (numa("node", "node", "node", "dist,src=0,dst=1,val=20"), "0 and 2 missing"),
    (numa("node", "node", "node", "dist,src=0,dst=1,val=20", "dist,src=1,dst=0,val=21",
          "dist,src=0,dst=2,val=20", "dist,src=1,dst=2,val=20"), "2 to 0 missing"),
    (numa("node", "cpu,node-id=0,socket-id=9"), "no CPU -smp"),
    (numa("node", "cpu,node-id=1,socket-id=0"), "node-id=1"),
    (numa("cpu,node-id=0,socket-id=0"), "cpu: no nodes node,nodeid="),
    (numa("dist,src=0,dst=0,val=10"), "dist: no nodes node,nodeid="),
    (numa(*BOTH), "hmat=on"),
    (numa("node,initiator=0"), "hmat=on"),
    (HMAT + numa("node", "node,initiator=2"), "initiator=2 2"),
    (HMAT + numa("node,cpus=0-3", "node", "node,initiator=1"), "initiator=1 no CPUs"),
    (HMAT + numa("node,cpus=0-1", "node,cpus=2-3,initiator=0"), "nodeid=1 initiator=0"),
    (HMAT + numa(LB + "access-latency"), "latency= missing"),
    (HMAT + numa(LB + "access-latency,bandwidth=1G"), "bandwidth="),
    (HMAT + numa(LB + "access-bandwidth,bandwidth=1"), "bandwidth=1 MiB"),
    (HMAT + numa(BOTH[0], BOTH[0]), "twice"),
    (HMAT + numa("hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=read-latency,latency=1"),
     "target=1"),
    (HMAT + numa(CACHE + "size=1M,level=1"), "latency bandwidth"),
    (HMAT + numa(*BOTH, CACHE + "size=1M,level=2"), "level 1"),
    (HMAT + numa(*BOTH, CACHE + "size=1M,level=1", CACHE + "size=1M,level=2"), "size"),
    (numa("node") + backend("m0", "1G") + ["-device", "pc-dimm,memdev=m0,node=1"], "node 1"),
]


# A figure for each node makes a table of 128 by 128 for its kind: 32 KiB.
KINDS = [f"hierarchy={level},data-type={kind}-latency,latency=5"
         for level in ("memory", "first-level") for kind in ("access", "read", "write")]


def large_hmat(kinds):
    figures = [f"hmat-lb,initiator={n},target={n},{kind}" for kind in KINDS[:kinds] for n in range(128)]
    return [*BASE, "-m", "4G,slots=256,maxmem=300G", "-smp", "255", *HMAT,
            *numa(*[f"node,cpus={n}" for n in range(127)], "node,cpus=127-254", *figures)]


def hmat_too_large():
    """The room for tables is checked at the start, not when they are put there."""
    status, text = machine.run_program(*large_hmat(5))
    tap.equal(status, 1, text)
    tap.equal(text.count("hmat-lb"), 1, text)
    # The largest that is taken has room beside the largest of all others.
    with tempfile.TemporaryDirectory() as folder:
        status, text = machine.run_program(*large_hmat(3), "-machine", f"q35,dump-acpi={folder}")
        tap.equal((status, text), (0, ""))
        tap.equal(os.path.getsize(f"{folder}/hmat.dat") > 3 * 2 * 128 * 128, True)


def refused():
    for args, words in REFUSED:
        status, text = machine.run_program(*BASE, "-m", "2G,slots=8,maxmem=16G", "-smp", "4", *args)
        tap.equal(status, 1, f"{args}: {text}")
        for word in words.split():
            if word not in text:
                raise AssertionError(f"{args}: '{word}' is not in: {text}")


def nodes(box):
    """(CPUs, MiB, MiB plugged) of each node, from info numa."""
    lines = box.qmp.command("human-monitor-command", **{"command-line": "info numa"}).splitlines()
    return [(lines[i].split(":")[1].split(), int(lines[i + 1].split()[3]), int(lines[i + 2].split()[3]))
            for i in range(1, len(lines), 3)]


def node_ids(box):
    return [cpu["props"]["node-id"] for cpu in box.qmp.command("query-cpus-fast")]


def by_config_file():
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write("""
[object "r0"]
  qom-type = "memory-backend-ram"
  size = "2G"
[machine]
  hmat = "on"
[numa]
  type = "node"
  memdev = "r0"
  cpus = "0-3"
[numa]
  type = "node"
  initiator = "0"
[numa]
  type = "dist"
  src = "0"
  dst = "1"
  val = "40"
[numa]
  type = "hmat-lb"
  initiator = "0"
  target = "1"
  hierarchy = "memory"
  data-type = "access-latency"
  latency = "7"
""")
        file.flush()
        with machine.Machine(cpus=4, extra=["-readconfig", file.name]) as box:
            tap.equal(nodes(box), [(["0", "1", "2", "3"], 2048, 0), ([], 0, 0)])


def by_qmp():
    """All kinds that set-numa-node takes; what it refuses changes nothing."""
    with vm.Vm(machine.PROGRAM, memory="256M,slots=2,maxmem=4G", accel="qtest", serial=False,
               extra=["-preconfig", "-smp", "4", "-machine", "hmat=on"]) as box:
        def set_node(**arguments):
            arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
            box.qmp.execute({"execute": "set-numa-node", "arguments": arguments})

        def bad(word, **arguments):
            try:
                set_node(**arguments)
            except vm.QmpError as err:
                if word not in err.desc:
                    raise AssertionError(f"'{word}' is not in: {err.desc}") from None
            else:
                raise AssertionError(f"{arguments} was taken")

        bad("CPU", type="node", nodeid=0, cpus=[0, 1, 2, 300])
        set_node(type="node", nodeid=0, cpus=[0, 1], mem=256 * MIB)
        bad("CPU 1", type="node", nodeid=1, cpus=[2, 3, 1])
        set_node(type="node", nodeid=1, cpus=[2, 3], initiator=1)
        set_node(type="node", initiator=0)
        for src, dst in ((0, 1), (0, 2), (1, 2)):
            set_node(type="dist", src=src, dst=dst, val=20 + dst)
        lb = {"type": "hmat-lb", "initiator": 0, "target": 0, "hierarchy": "memory"}
        set_node(**lb, data_type="access-latency", latency=5)
        set_node(**lb, data_type="access-bandwidth", bandwidth=20 * GIB)
        bad("twice", **lb, data_type="access-latency", latency=5)
        bad("MiB", **lb, data_type="read-bandwidth", bandwidth=5)
        bad("latency", **lb, data_type="write-latency")
        bad("hierarchy", **{**lb, "hierarchy": "disk"}, data_type="write-latency", latency=1)
        cache = {"type": "hmat-cache", "node_id": 0, "associativity": "direct", "policy": "write-back"}
        set_node(**cache, size=MIB, level=1, line=64)
        bad("level=4", **cache, size=MIB, level=4, line=64)
        box.qmp.command("x-exit-preconfig")
        tap.equal(node_ids(box), [0, 0, 1, 1])
        tap.equal(nodes(box), [(["0", "1"], 256, 0), (["2", "3"], 0, 0), ([], 0, 0)])


def empty_nodes():
    """Nodes without CPUs and memory get DIMMs, and lose them."""
    with machine.Machine(cpus=2, extra=numa("node,mem=2G,cpus=0-1", "node", "node")) as box:
        tap.equal(nodes(box), [(["0", "1"], 2048, 0), ([], 0, 0), ([], 0, 0)])
        for number in (1, 2):
            box.plug(f"d{number}", 256 * MIB, online=False, node=number)
        tap.equal(nodes(box), [(["0", "1"], 2048, 0), ([], 256, 256), ([], 256, 256)])
        box.write("l", SELECT, 0)
        box.write("b", FLAGS, EJECT)
        tap.equal(nodes(box)[1], ([], 0, 0))


# ---- boot DIMMs ----

def fake_kernel(path):
    """The least that is taken for a bzImage."""
    image = bytearray(0x1000)
    image[0x1f1] = 1                                    # setup sectors
    struct.pack_into("<H", image, 0x1fe, 0xaa55)
    image[0x200:0x202] = b"\xeb\x66"
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x20f)
    image[0x211] = 1                                    # loaded high
    struct.pack_into("<I", image, 0x22c, 0x7fffffff)    # highest address of the initrd
    struct.pack_into("<I", image, 0x230, 0x200000)      # alignment
    image[0x234] = 1                                    # relocatable
    struct.pack_into("<H", image, 0x236, 1)             # 64-bit entry
    struct.pack_into("<I", image, 0x238, 255)           # command line
    struct.pack_into("<Q", image, 0x258, 0x1000000)     # preferred address
    struct.pack_into("<I", image, 0x260, 0x100000)      # memory that it needs
    with open(path, "wb") as file:
        file.write(image)


def e820_high(box):
    """(address, size) of the RAM from 4 GiB up in the boot parameters."""
    params = bytes.fromhex(box(f"read {0x10000:#x} 0x1000")[0][2:])
    entries = struct.iter_unpack("<QQI", params[0x2d0:0x2d0 + 20 * params[0x1e8]])
    return [(addr, size) for addr, size, kind in entries if addr >= WINDOW and kind == 1]


def reset(box):
    box.qmp.command("system_reset")
    box.qmp.event("RESET")


def boot_dimms():
    with tempfile.TemporaryDirectory() as folder:
        kernel = os.path.join(folder, "kernel")
        fake_kernel(kernel)
        extra = ["-kernel", kernel, *backend("r0", "256M"), *backend("r1", "512M"),
                 *backend("r2", "256M"), *numa("node,mem=2G", "node"),
                 "-device", "pc-dimm,id=d0,memdev=r0,node=1,boot=on",
                 "-device", "pc-dimm,id=d1,memdev=r1,node=1,boot=on",
                 "-device", "pc-dimm,id=d2,memdev=r2"]
        with machine.Machine(extra=extra) as box:
            both = [(WINDOW, 768 * MIB)]
            tap.equal(e820_high(box), both)
            for slot in range(3):
                box.write("l", SELECT, slot)
                tap.equal(box.read("b", FLAGS), 1, "enabled, without events")
            infos = {d["data"]["id"]: d["data"] for d in box.qmp.command("query-memory-devices")}
            tap.equal([infos[n].get("boot") for n in ("d0", "d1", "d2")], [True, True, None])
            tap.equal((infos["d0"]["state"], infos["d0"]["hotplugged"], infos["d0"]["hotpluggable"]),
                      ("inserted", False, True))
            text = box.qmp.command("human-monitor-command", **{"command-line": "info memory-devices"})
            tap.equal(text.count("boot: true"), 2)
            before = box.tree()
            box.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "r3", "size": GIB})
            try:
                box.qmp.command("device_add", driver="pc-dimm", id="d3", memdev="r3", boot=True)
                raise AssertionError("boot=on was taken while the machine runs")
            except vm.QmpError as err:
                tap.equal("boot=on" in err.desc, True, err.desc)
            box.qmp.command("object-del", id="r3")
            tap.equal(box.tree(), before, "what a refusal leaves")
            # A DIMM that comes now is none of the map, and a reset keeps what is there.
            box.plug("d4", 256 * MIB, online=False)
            reset(box)
            tap.equal(e820_high(box), both, "after a reset")
            box.write("l", SELECT, 0)
            box.write("b", FLAGS, EJECT)
            box.qmp.event("DEVICE_DELETED", device="d0")
            reset(box)
            tap.equal(e820_high(box), [(WINDOW + 256 * MIB, 512 * MIB)], "after d0 was ejected")


def one_tib():
    """A DIMM at the top of a window of 1 TiB."""
    size = 256 * MIB
    with machine.Machine(memory="2G,slots=8,maxmem=1026G", extra=["-cpu", "qemu64,phys-bits=46"]) as box:
        top = WINDOW + (1024 + 8) * GIB - size
        box.plug("d0", size, online=False, addr=top)
        tap.equal(box.qmp.command("query-memory-devices")[0]["data"]["addr"], top)
        box(f"writeq {top + size - 8:#x} 0x1122334455667788")
        tap.equal(int(box(f"readq {top + size - 8:#x}")[0], 0), 0x1122334455667788)


tap.run([("what is refused", refused), ("an HMAT that is too large", hmat_too_large), ("a configuration file", by_config_file),
         ("set-numa-node", by_qmp), ("nodes without memory", empty_nodes),
         ("DIMMs with boot=on", boot_dimms), ("a DIMM at the top of 1 TiB", one_tib)])

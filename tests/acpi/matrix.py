# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines whose tables are proven: each shape on each kind of machine."""
from dataclasses import dataclass, field, replace

MACHINES = ("pc", "q35")
MIB, GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Dimm:
    """@how: cold, boot (boot=on) or hot, which is plugged while the machine runs."""
    size: int = 256 * MIB
    node: int = 0
    how: str = "cold"
    props: str = ""


@dataclass(frozen=True)
class Config:
    name: str
    memory: str = "2G,slots=8,maxmem=16G"
    smp: str = "1"
    args: tuple = ()
    dimms: tuple = field(default=())
    firmware: bool = False  # the tables are linked by one
    machine: str = ""
    board: str = ""         # options of -machine
    golden: str = ""        # this machine's tables are kept as ASL
    only: tuple = MACHINES

    def arguments(self):
        """What follows -m and -smp. The options of DIMMs that are hot-plugged are not in it."""
        words = ["-M", self.machine + self.board, *self.args]
        for n, dimm in enumerate(self.dimms):
            if dimm.how != "hot":
                boot = ",boot=on" if dimm.how == "boot" else ""
                words += ["-object", f"memory-backend-ram,id=m{n},size={dimm.size},reserve=off", "-device",
                          f"pc-dimm,id=d{n},memdev=m{n},node={dimm.node}{dimm.props}{boot}"]
        return words


def numa(*options):
    return tuple(word for option in options for word in ("-numa", option))


def lb(initiator, target, kind, value, hierarchy="memory"):
    return f"hmat-lb,initiator={initiator},target={target},hierarchy={hierarchy},data-type={kind},{value}"


def nvdimm(n, options):
    return ("-object", f"memory-backend-ram,id=n{n},size=128M,reserve=off", "-device", f"nvdimm,memdev=n{n},{options}")


def nodes(count, cpus):
    """@count nodes, the first @cpus with a CPU each."""
    return numa(*[f"node,cpus={n}" if n < cpus else "node" for n in range(count)])


FAR = numa(*[f"dist,src={a},dst={b},val={20 + 10 * b + a}" for a in range(4) for b in range(a + 1, 4)],
           "dist,src=3,dst=0,val=77", *[f"dist,src={b},dst={a},val={21 + 10 * b + a}"
                                      for a in range(4) for b in range(a + 1, 4) if (a, b) != (0, 3)])
HMAT = numa("node,cpus=0-1,mem=1G", "node,cpus=2-3,mem=1G", "node,initiator=1",
            *[lb(i, t, "access-latency", f"latency={10 + 7 * t + 3 * i}") for i in range(2) for t in range(3)],
            *[lb(i, t, "access-bandwidth", f"bandwidth={20 + t + i}G") for i in range(2) for t in range(3)],
            lb(0, 1, "read-latency", "latency=150000", "first-level"),
            "hmat-cache,node-id=0,size=64K,level=1,associativity=direct,policy=write-back,line=64",
            "hmat-cache,node-id=0,size=1G,level=2,associativity=complex,policy=write-through,line=128")
TWO = numa("node,cpus=0,mem=1G", "node,cpus=1,mem=1G")
LAST_EMPTY = numa("node,cpus=0-1,mem=2G", "node")
THREE_EMPTY = numa("node,cpus=0-1,mem=2G", "node", "node", "node")

SHAPES = [
    Config("minimal", memory="128M", golden="pc q35"),
    Config("no-slots", memory="1G,maxmem=4G"),
    Config("1-slot", memory="512M,slots=1,maxmem=1G"),
    Config("8-slots", smp="2"),
    Config("256-slots", memory="2G,slots=256,maxmem=300G", smp="255"),
    Config("x2apic", memory="1G", smp="255,sockets=85,cores=3"),
    Config("cpus-to-come", memory="1G", smp="2,maxcpus=12,sockets=2,cores=3,threads=2"),
    Config("cpus-to-come-x2apic", memory="1G", smp="3,maxcpus=255,sockets=85,cores=3"),
    Config("threads", memory="1G", smp="12,sockets=2,cores=3,threads=2"),
    Config("split", memory="3584M,slots=8,maxmem=16G"),
    Config("unsplit", memory="2815M"),
    Config("large", memory="6G,slots=4,maxmem=32G"),
    Config("high", memory="2G,slots=2,maxmem=500G"),
    Config("no-hpet", board=",hpet=off"),
    Config("cold", smp="2", dimms=(Dimm(GIB), Dimm(512 * MIB))),
    Config("cold-apart", dimms=(Dimm(props=",addr=0x180000000"), Dimm(props=",slot=5,addr=0x120000000"))),
    Config("cold-full", memory="1G,slots=4,maxmem=2G", dimms=(Dimm(),) * 4),
    Config("hot", dimms=(Dimm(how="hot"), Dimm(128 * MIB, how="hot"))),
    Config("2-nodes", smp="2", args=TWO),
    Config("2-nodes-dimms", smp="2", args=TWO, golden="pc",
           dimms=(Dimm(node=1), Dimm(GIB), Dimm(512 * MIB, node=1))),
    Config("2-nodes-hot", smp="2", args=LAST_EMPTY,
           dimms=(Dimm(node=1), Dimm(node=1, how="hot"), Dimm(node=0, how="hot"))),
    Config("4-nodes-far", smp="4", args=nodes(4, 4) + FAR, dimms=(Dimm(node=2),)),
    Config("4-nodes-empty", smp="2", args=THREE_EMPTY),
    Config("4-nodes-empty-hot", smp="2", args=THREE_EMPTY,
           dimms=(Dimm(node=2, how="hot"), Dimm(node=3))),
    Config("boot", smp="2", args=LAST_EMPTY, dimms=(Dimm(node=1, how="boot"), Dimm(GIB, node=1, how="boot"))),
    Config("boot-cold-hot", smp="2", args=LAST_EMPTY,
           dimms=(Dimm(node=1, how="boot"), Dimm(node=1), Dimm(node=1, how="hot"))),
    Config("128-nodes", memory="4G,slots=8,maxmem=16G", smp="128", args=nodes(128, 128)),
    Config("128-nodes-x2apic", memory="4G,slots=256,maxmem=300G", smp="255,sockets=85,cores=3",
           args=numa("node,mem=4G") + numa(*["node"] * 127), dimms=(Dimm(128 * MIB, node=77),)),
    Config("hmat", smp="4", args=HMAT, board=",hmat=on"),
    Config("hmat-boot-dimms", smp="4", args=HMAT, board=",hmat=on", golden="q35",
           dimms=(Dimm(node=2, how="boot"), Dimm(GIB, node=2, how="boot"))),
    Config("firmware", memory="1G", firmware=True),
    Config("firmware-nodes", smp="4", firmware=True, args=nodes(4, 2) + FAR, dimms=(Dimm(node=3),)),
    Config("firmware-hot", smp="2", firmware=True, args=LAST_EMPTY,
           dimms=(Dimm(node=1, how="boot"), Dimm(node=1, how="hot"))),
    Config("nvdimm-none", memory="1G,slots=1,maxmem=2G", board=",nvdimm=on"),
    Config("nvdimms", memory="2G,slots=4,maxmem=16G", smp="2", board=",nvdimm=on,nvdimm-persistence=cpu",
           args=LAST_EMPTY + nvdimm(0, "label-size=128K,node=1") + nvdimm(1, "slot=3"), dimms=(Dimm(), Dimm(how="hot"))),
    Config("nvdimm-firmware", memory="1G,slots=256,maxmem=16G", firmware=True,
           board=",nvdimm=on,nvdimm-persistence=mem-ctrl", args=nvdimm(0, "slot=255,unarmed=on")),
    Config("vmgenid", memory="128M", args=("-device", "vmgenid")),
    Config("vmgenid-firmware", memory="128M", firmware=True, args=("-device", "vmgenid")),
    Config("erst", memory="128M", args=("-object", "memory-backend-ram,id=m,size=64K", "-device", "acpi-erst,memdev=m"), golden="q35"),
    Config("erst-pxb", memory="128M", args=("-object", "memory-backend-ram,id=m,size=1M", "-device", "acpi-erst,memdev=m,record_size=65536",
                                            "-device", "pxb,id=x0,bus_nr=80"), only=("pc",)),
    Config("ipmi", memory="128M", args=("-device", "ipmi-bmc-sim,id=b", "-device", "isa-ipmi-kcs,bmc=b"), golden="pc"),
    Config("ipmi-polled", memory="128M", args=("-device", "ipmi-bmc-sim,id=b", "-device", "isa-ipmi-bt,bmc=b,irq=0")),
    Config("parallel", memory="128M", args=("-chardev", "null,id=c0", "-chardev", "null,id=c1", "-device", "isa-parallel,chardev=c0",
                                            "-device", "isa-parallel,chardev=c1,irq=5")),
    Config("root-ports", args=("-device", "pcie-root-port,id=rp0,chassis=1", "-device",
                               "pcie-root-port,id=rp1,chassis=2"), only=("q35",)),
    Config("pxb", args=nodes(2, 2) + ("-device", "pxb-pcie,id=x0,bus_nr=80,numa_node=1", "-device",
                                      "pcie-root-port,id=rp0,bus=x0", "-device", "pxb-pcie,bus_nr=16"),
           smp="2", only=("q35",)),
    Config("pxb", args=nodes(2, 2) + ("-device", "pxb,id=x0,bus_nr=80,numa_node=1"), smp="2", only=("pc",)),
    Config("cxl", memory="1G,slots=2,maxmem=3G", board=",cxl=on", args=(
        "-M", "cxl-fmw.0.targets.0=x0,cxl-fmw.0.size=4G,cxl-fmw.1.targets.0=x0,cxl-fmw.1.targets.1=x1,cxl-fmw.1.size=1G,"
        "cxl-fmw.1.interleave-granularity=8k", "-device", "pxb-cxl,id=x0,bus_nr=80", "-device", "cxl-rp,bus=x0,id=p0",
        "-device", "pxb-cxl,id=x1,bus_nr=16"), only=("q35",), golden="q35"),
    Config("intel-iommu", memory="128M", args=("-device", "intel-iommu,device-iotlb=on,aw-bits=48"), only=("q35",), golden="q35"),
    Config("amd-iommu", memory="128M", args=("-device", "amd-iommu,intremap=on,device-iotlb=on"), only=("q35",)),
    Config("virtio-iommu", memory="128M", args=("-device", "virtio-iommu-pci,addr=7"), golden="pc"),
    Config("bridges", args=("-device", "ioh3420,id=rp0", "-device", "x3130-upstream,id=up,bus=rp0", "-device",
                            "xio3130-downstream,id=down,bus=up,chassis=1", "-device", "pcie-pci-bridge,id=b0,bus=down",
                            "-device", "i82801b11-bridge,id=b1", "-device", "pci-bridge,id=b2,bus=b1"), only=("q35",)),
]

CONFIGS = [replace(shape, machine=kind, name=f"{kind}-{shape.name}")
           for shape in SHAPES for kind in MACHINES if kind in shape.only]

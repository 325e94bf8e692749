#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""CXL memory with Debian's kernel and its cxl tool in the guest: test_cxl.py BUILD-DIR. Devices are found, regions made of
one and of two that take turns, and through a switch; what is in them, moves and is there after; a device comes and goes."""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MIB = 1 << 20
MODULES = ("libnvdimm", "nd_btt", "nd_pmem", "cxl_acpi", "cxl_pci", "cxl_mem", "cxl_pmem")


def initrd(folder):
    """The usual one, with the modules and tools behind it."""
    for name in MODULES:
        found = glob.glob(f"{BUILD}/guest/root/lib/modules/*-cloud-amd64/**/{name}.ko*", recursive=True)
        if not found:
            raise tap.Skip(f"the unpacked kernel has no {name}")
        if found[0].endswith(".xz"):
            with open(f"{folder}/{name}.ko", "wb") as file:
                subprocess.run(["xz", "-dc", found[0]], stdout=file, check=True)
        else:
            shutil.copy(found[0], folder)
    programs.initrd(f"{BUILD}/guest/initrd", folder, f"{folder}/initrd")


def device(n, bus):
    return ["-object", f"memory-backend-ram,id=m{n},size=256M", "-object", f"memory-backend-ram,id=l{n},size=1M", "-device",
            f"cxl-type3,id=c{n},bus={bus},persistent-memdev=m{n},lsa=l{n},sn={0x1000 + n}"]


# Two behind root ports of one host bridge; another host bridge with a switch, and with one behind it.
WORDS = ["-M", "q35,cxl=on,cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=2G,cxl-fmw.1.targets.0=cxl.2,cxl-fmw.1.size=1G",
         "-device", "pxb-cxl,id=cxl.1,bus_nr=12", "-device", "pxb-cxl,id=cxl.2,bus_nr=60,hdm_for_passthrough=on",
         *[word for n in range(3) for word in ("-device", f"cxl-rp,id=rp{n},bus=cxl.1,port={n},chassis=0,slot={n + 1}")],
         "-device", "cxl-rp,id=rp9,bus=cxl.2,port=0,chassis=0,slot=9", "-device", "cxl-upstream,id=us,bus=rp9",
         "-device", "cxl-downstream,id=ds,bus=us,port=3,chassis=0,slot=10", *device(0, "rp0"), *device(1, "rp1"), *device(2, "ds")]


def start(folder, *more):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M",
                 extra=[*WORDS, "-initrd", f"{folder}/initrd", *more])


def tool(guest, words, **options):
    return guest.run(words, timeout=180, **options)


def told(guest, words):
    text = tool(guest, f"cxl {words} 2>/dev/null")
    found = json.loads(text or "[]")
    return found if isinstance(found, list) else [found]


def wait_for(guest, path):
    guest.run(f"n=0; until [ -e {path} ]; do n=$((n + 1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done; true", timeout=120)


def memory_of(guest, serial):
    return next(m["memdev"] for m in told(guest, "list -M") if m["serial"] == serial)


def make_region(guest, devices, root, *more):
    """Its name. The decoder of the window under @root that leads there."""
    out = tool(guest, f"cxl create-region -d {root} -t pmem -m {' '.join(devices)} {' '.join(more)} 2>&1", check=False)
    try:
        return json.loads(out[out.index("{"):out.rindex("}") + 1])["region"]
    except ValueError:
        raise AssertionError(f"create-region: {out}\n" + tool(guest, "dmesg | grep -i cxl | tail -n 30")) from None


def namespace(guest, region):
    """The block device of all of it. The region has the same name for libnvdimm."""
    wait_for(guest, f"/sys/bus/nd/devices/{region}")
    out = tool(guest, f"ndctl create-namespace -f -m raw -r {region} 2>&1", check=False)
    if "blockdev" not in out:
        raise AssertionError(f"create-namespace: {out}\n" + tool(guest, "dmesg | tail -n 30"))
    return json.loads(out[out.index("{"):out.rindex("}") + 1])["blockdev"]


def write(guest, block, text):
    tool(guest, f"for n in 0 1 2 3 4 5 6 7; do echo {text} $n | dd of=/dev/{block} bs=4096 seek=$((n * 1001)) conv=sync 2>/dev/null; done; sync")


def check(guest, block, text):
    tool(guest, "echo 3 > /proc/sys/vm/drop_caches")
    found = tool(guest, f"for n in 0 1 2 3 4 5 6 7; do dd if=/dev/{block} bs=4096 skip=$((n * 1001)) count=1 2>/dev/null | head -n 1; done")
    tap.equal(found.split("\n"), [f"{text} {n}" for n in range(8)])


def ready(guest):
    guest.wait_ready()
    for module in MODULES:
        guest.run(f"insmod /{module}.ko")
    wait_for(guest, "/sys/bus/cxl/devices/mem2")


def ram_ranges(guest):
    """How much of devices' memory is in the memory map."""
    text = guest.qmp.command("human-monitor-command", **{"command-line": "info mtree -f"})
    return len({line.strip().split()[0] for line in text.splitlines() if any(f": m{n}" in line for n in range(4))})


def found_and_used(folder):
    with start(folder) as guest:
        ready(guest)
        mems = told(guest, "list -M")
        tap.equal(sorted((m["serial"], m["pmem_size"]) for m in mems), [(0x1000 + n, 256 * MIB) for n in range(3)])
        roots = {d["decoder"]: d["size"] for d in told(guest, "list -D -d root")}
        tap.equal(sorted(roots.values()), [1 << 30, 2 << 30])
        first = next(name for name, size in roots.items() if size == 2 << 30)
        names = [memory_of(guest, 0x1000 + n) for n in range(3)]

        region = make_region(guest, names[:1], first)
        block = namespace(guest, region)
        write(guest, block, "of one")
        check(guest, block, "of one")
        tap.equal(ram_ranges(guest), 1, "it is in the memory map")
        try:
            guest.qmp.command("device_del", id="c0")
            raise AssertionError("device_del of what the guest uses is not refused")
        except vm.QmpError as err:
            tap.equal("the guest uses its memory" in str(err), True, str(err))
        move(folder, guest, block)


def move(folder, guest, block):
    """The region and what is in it go to another program."""
    with start(folder, "-incoming", "defer") as there:
        uri = f"unix:{folder}/move"
        there.qmp.command("migrate-incoming", uri=uri)
        guest.qmp.command("migrate", uri=uri)
        for one in (guest, there):
            vm.wait_until(lambda one=one: one.qmp.command("query-migrate").get("status") == "completed", "it has moved")
        guest.kill()
        check(there, block, "of one")
        write(there, block, "there")
        check(there, block, "there")
        tap.equal(ram_ranges(there), 1)


def take_turns(folder):
    with start(folder) as guest:
        ready(guest)
        roots = {d["size"]: d["decoder"] for d in told(guest, "list -D -d root")}
        names = [memory_of(guest, 0x1000 + n) for n in range(3)]
        region = make_region(guest, names[:2], roots[2 << 30], "-w 2", "-g 1024")
        block = namespace(guest, region)
        write(guest, block, "of two")
        check(guest, block, "of two")
        tap.equal(ram_ranges(guest), 0, "they take turns")
        region = make_region(guest, names[2:], roots[1 << 30])
        other = namespace(guest, region)
        write(guest, other, "behind a switch")
        check(guest, other, "behind a switch")
        check(guest, block, "of two")
        tap.equal(ram_ranges(guest), 1)
        tap.equal(guest.run("dmesg | grep -i cxl | grep -iwE 'errors?|fail(ed|ure)?' || true"), "")


def comes_and_goes(folder):
    with start(folder) as guest:
        ready(guest)
        guest.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m3", "size": 256 * MIB})
        guest.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "l3", "size": MIB})
        guest.qmp.execute({"execute": "device_add", "arguments": {
            "driver": "cxl-type3", "id": "c3", "bus": "rp2", "persistent-memdev": "m3", "lsa": "l3", "sn": 0x1003}})
        wait_for(guest, "/sys/bus/cxl/devices/mem3")
        root = next(d["decoder"] for d in told(guest, "list -D -d root") if d["size"] == 2 << 30)
        region = make_region(guest, [memory_of(guest, 0x1003)], root)
        tap.equal(ram_ranges(guest), 1)
        out = tool(guest, f"cxl disable-region {region} 2>&1; cxl destroy-region {region} 2>&1", check=False)
        tap.equal(ram_ranges(guest), 0, out)
        guest.qmp.command("device_del", id="c3")
        guest.qmp.event("DEVICE_DELETED", timeout=120, device="c3")
        tap.equal(guest.run("ls /sys/bus/cxl/devices | grep -c '^mem'"), "3")
        guest.qmp.command("object-del", id="m3")


def with_tools(test):
    def run():
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(f"{folder}/initrd")
            programs.copy(("cxl", "ndctl"), f"{folder}/initrd")
            initrd(f"{folder}/initrd")
            test(f"{folder}/initrd")
    return run


tap.run([("a device is found and used, and moves", with_tools(found_and_used)), ("two take turns", with_tools(take_turns)),
         ("a device comes and goes", with_tools(comes_and_goes))])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel in the machine: test_linux.py BUILD-DIR GROUP [MACHINE]. The groups are in the table
at the end; each boots its own guests, on the default machine or the one named."""
import mmap
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

MIB = 1 << 20
GIB = 1 << 30
BLOCK = 128 * MIB  # what Linux adds and removes at a time in a guest of this size

BUILD = sys.argv[1]
# Where and how the guests run; tests/nested has another way.
SETUP = {"program": f"{BUILD}/dimmable", "guest_dir": f"{BUILD}/guest", "accel": "soft",
         "machine": sys.argv[3] if len(sys.argv) > 3 else "pc"}

MORE = {"initrd": "initrd-more"}  # with numactl and dmidecode


def machine(extra=(), **options):
    setup = {**SETUP, **options}
    return vm.Vm(extra=["-M", setup.pop("machine"), *extra], **setup)


def movable(guest):
    return guest.zones().get((0, "Movable"), 0)


def check_memory(guest, total, dimms):
    """MemTotal, zone Movable and the memory blocks agree with @dimms, a list of (address, size)."""
    plugged = sum(size for _, size in dimms)
    tap.equal(guest.mem_total(), total + plugged, "MemTotal")
    tap.equal(movable(guest), plugged, "present in zone Movable")
    blocks = guest.memory_blocks()
    wanted = {n for addr, size in dimms for n in range(addr // BLOCK, (addr + size) // BLOCK)}
    found = {n for n in blocks if n >= 4 * GIB // BLOCK}
    tap.equal(found, wanted, "memory blocks above 4 GiB")
    tap.equal({blocks[n] for n in found}, {"online"} if wanted else set(), "block states")


def dimms_of(guest):
    return [(d["data"]["addr"], d["data"]["size"]) for d in guest.qmp.command("query-memory-devices")]


def check_boot(cpus, model="qemu64"):
    with machine(cpus=cpus, extra=["-cpu", model]) as guest:
        guest.wait_ready()
        tap.equal(guest.run("nproc"), str(cpus), "processors")
        tap.equal(guest.run("cat /sys/devices/system/cpu/online"), "0" if cpus == 1 else f"0-{cpus - 1}")
        tap.equal(guest.run("dmesg | grep -ciE 'bug:|oops|call trace|general protection'", check=False),
                  "0", "kernel complaints")
        tap.equal(guest.run("dmesg | grep -ciE 'mtrrs? (disabled|all blank)|inconsistent MTRR'", check=False),
                  "0", "complaints about MTRRs")
        tap.equal(guest.run("dmesg | grep -c 'x86/PAT: Configuration.*WC'"), "1", "write-combining")
        tap.equal(guest.power_off(), 0, "exit status")


def boot_pvh():
    with machine(kernel="vmlinux") as guest:
        guest.wait_ready()
        tap.equal(guest.run("dmesg | grep -c 'Booting paravirtualized\\|Hypervisor detected'",
                            check=False) != "", True)
        total = guest.mem_total()
        guest.plug("d0", 256 * MIB)
        check_memory(guest, total, dimms_of(guest))


def busy_cpus():
    """Two CPUs that both write, fork and switch: atomics, IPIs and TLB shootdowns at work."""
    with machine(cpus=2) as guest:
        guest.wait_ready()
        guest.run("for i in 1 2 3 4; do (dd if=/dev/urandom bs=64k count=20 2>/dev/null | md5sum "
                  "> /tmp/$i) & done; wait", timeout=120)
        tap.equal(guest.run("cat /tmp/1 /tmp/2 /tmp/3 /tmp/4 | grep -cE '^[0-9a-f]{32} '"), "4")
        online = "/sys/devices/system/cpu/cpu1/online"
        guest.run(f"echo 0 > {online}; echo 1 > {online}")
        tap.equal(guest.run("nproc"), "2", "after CPU 1 was off and on")


def add_remove_ram():
    with machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        check_memory(guest, total, [])
        guest.plug("d0", GIB)
        check_memory(guest, total, dimms_of(guest))
        guest.unplug("d0")
        check_memory(guest, total, [])
        event = guest.qmp.event("ACPI_DEVICE_OST", source=3, status=0)
        tap.equal(event["data"]["info"]["slot"], "0")


def pages_of(path, byte):
    """How many pages of a file are full of @byte."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return sum(data[i:i + 4096] == byte * 4096 for i in range(0, len(data), 4096))


def add_file():
    with tempfile.TemporaryDirectory() as folder, machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        path = f"{folder}/dimm"
        guest.plug("d0", 256 * MIB, backend="memory-backend-file",
                   backend_props={"mem-path": path, "share": True})
        check_memory(guest, total, dimms_of(guest))
        # User pages are taken from zone Movable first, and that is the DIMM.
        guest.run("mount -t tmpfs -o size=200M none /tmp")
        guest.run("dd if=/dev/zero bs=1M count=32 2>/dev/null | tr '\\000' D > /tmp/f", timeout=120)
        pages = pages_of(path, b"D")
        if pages < 30 * 256:
            raise AssertionError(f"{pages} pages of the guest's file are in the DIMM's, of 8192")
        guest.run("umount /tmp")
        guest.unplug("d0")
        check_memory(guest, total, [])


def same_slot_again():
    with machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        for _ in range(20):
            guest.plug("d0", 256 * MIB, slot=3)
            tap.equal(guest.qmp.command("query-memory-devices")[0]["data"]["slot"], 3)
            guest.unplug("d0")
        check_memory(guest, total, [])
        tap.equal(guest.qmp.command("query-memory-devices"), [])


def three_dimms():
    with machine(cpus=2) as guest:
        guest.wait_ready()
        total = guest.mem_total()
        for n, size in enumerate((256, 512, 128)):
            guest.plug(f"d{n}", size * MIB)
            check_memory(guest, total, dimms_of(guest))
        for n in (1, 0, 2):
            guest.unplug(f"d{n}")
            check_memory(guest, total, dimms_of(guest))
        tap.equal(dimms_of(guest), [])


def refusal():
    """Memory in the kernel's zone and in use: the guest refuses, says why, and goes on."""
    with machine(append="console=ttyS0 memhp_default_state=online_kernel") as guest:
        guest.wait_ready()
        total = guest.mem_total()
        guest.plug("d0", 256 * MIB)
        tap.equal(guest.mem_total(), total + 256 * MIB, "MemTotal")
        tap.equal(movable(guest), 0, "nothing is Movable")
        # Directories are kernel objects; the kernel takes them from the highest zone, the DIMM's.
        guest.run("mount -t tmpfs none /tmp; cd /tmp; i=0; while [ $i -lt 400 ]; do "
                  "mkdir -p $i/a/b/c/d/e/f/g; i=$((i+1)); done; cd /", timeout=120)
        guest.qmp.command("device_del", id="d0")
        refused = guest.qmp.event("MEM_UNPLUG_ERROR", device="d0")
        guest.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="d0")
        status = guest.qmp.event("ACPI_DEVICE_OST", device="d0", source=3)["data"]["info"]["status"]
        while status == 0x84:
            status = guest.qmp.event("ACPI_DEVICE_OST", device="d0", source=3)["data"]["info"]["status"]
        if status == 0 or not refused["data"]["msg"]:
            raise AssertionError(f"status {status}, {refused}")
        tap.equal(len(dimms_of(guest)), 1, "the DIMM is still there")
        tap.equal(guest.mem_total(), total + 256 * MIB, "MemTotal")
        tap.equal(guest.run("ls -d /tmp/399/a/b/c/d/e/f/g"), "/tmp/399/a/b/c/d/e/f/g")
        try:
            guest.qmp.command("object-del", id="m-d0")
            raise AssertionError("the backend of a DIMM in use was deleted")
        except vm.QmpError:
            pass


def slots(guest):
    """What dmidecode says of the DIMM slots, by locator: their sizes."""
    text = guest.run("dmidecode -t 17")
    found = dict((locator, size) for size, locator in
                 re.findall(r"Memory Device\n(?:.*\n)*?\tSize: (.*)\n(?:.*\n)*?\tLocator: (.*)\n", text + "\n"))
    return {locator: size for locator, size in found.items() if locator.startswith("DIMM")}


def dmi_sum(guest, kind, field):
    """Bytes in all structures of a type."""
    text = guest.run(f"dmidecode -t {kind}")
    return sum(int(number) * {"MB": MIB, "GB": GIB}[unit]
               for number, unit in re.findall(rf"\t{field}: (\d+) (MB|GB)", text))


def reset_with_dimm():
    with machine(**MORE) as guest:
        guest.wait_ready()
        total = guest.mem_total()
        empty = {f"DIMM {n}": "No Module Installed" for n in range(8)}
        tap.equal(slots(guest), empty, "slots as dmidecode shows them")
        guest.plug("d0", 512 * MIB)
        guest.qmp.command("system_reset")
        guest.qmp.event("RESET")
        guest.wait_ready()
        del empty["DIMM 0"]
        tap.equal(slots(guest), empty | {"DIMM 0 (d0)": "512 MB"}, "slots after the reset")
        tap.equal((dmi_sum(guest, 17, "Size"), dmi_sum(guest, 19, "Range Size")), (2 * GIB + 512 * MIB,) * 2,
                  "modules, and the addresses that they are at")
        # The kernel counts what it found at boot as boot memory: pages for its own tables are
        # gone from MemTotal, but the range is there and online.
        blocks = guest.memory_blocks()
        tap.equal(sum(n >= 4 * GIB // BLOCK for n in blocks), 4, "blocks of the DIMM after the reset")
        if guest.mem_total() <= total:
            raise AssertionError("the DIMM's memory is not in MemTotal after the reset")
        guest.unplug("d0")
        tap.equal(guest.mem_total(), total, "MemTotal after the DIMM was removed")


def reset_by_guest():
    with machine(cpus=2) as guest:
        guest.wait_ready()
        guest.serial.send(b"reboot -f\n")
        event = guest.qmp.event("RESET")
        tap.equal(event["data"]["guest"], True)
        guest.wait_ready()
        tap.equal(guest.run("nproc"), "2")


def pending_request_and_reset():
    """device_del while the guest is stopped, then a reset: the request is forgotten."""
    with machine() as guest:
        guest.wait_ready()
        guest.plug("d0", 256 * MIB)
        guest.qmp.command("stop")
        guest.qmp.command("device_del", id="d0")
        guest.qmp.command("device_del", id="d0")  # harmless
        guest.qmp.command("system_reset")
        guest.qmp.command("cont")
        guest.wait_ready()
        time.sleep(1)
        tap.equal(len(dimms_of(guest)), 1, "the DIMM is there")
        guest.unplug("d0")


def answer(guest, ident):
    """How a request ended, with either of the two."""
    while True:
        for event in guest.qmp.events:
            if event["event"] in ("DEVICE_DELETED", "MEM_UNPLUG_ERROR") and event["data"]["device"] == ident:
                guest.qmp.events.remove(event)
                return event["event"]
        guest.qmp.events.append(guest.qmp.receive(60))


def before_acpi():
    """A DIMM and requests that come before the guest turns ACPI on: it is told all the same. Linux is told
    before it has looked for devices: it refuses, finds the DIMM then, and gives it when asked again."""
    with machine(extra=["-S"]) as guest:
        for ident in ("d0", "d1"):
            guest.plug(ident, 256 * MIB, online=False)
        guest.qmp.command("device_del", id="d0")
        guest.qmp.command("cont")
        first = answer(guest, "d0")
        guest.wait_ready()
        states = {d["data"]["id"]: d["data"]["state"] for d in guest.qmp.command("query-memory-devices")}
        tap.equal(states, {"d1": "noticed", **({"d0": "unplug-refused"} if first == "MEM_UNPLUG_ERROR" else {})})
        for ident in states:
            guest.unplug(ident)
        total = guest.mem_total()
        guest.plug("d2", 256 * MIB)
        guest.qmp.command("system_reset")
        guest.qmp.event("RESET")
        time.sleep(1.5)
        guest.qmp.command("device_del", id="d2")
        first = answer(guest, "d2")
        guest.wait_ready()
        if first == "MEM_UNPLUG_ERROR":
            guest.unplug("d2")
        check_memory(guest, total, [])


def misfit():
    """Linux reports success for a DIMM that it does not add."""
    with machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        for size in (130, 100):
            guest.plug("d0", size * MIB)
            tap.equal(guest.qmp.command("query-memory-devices")[0]["data"]["state"], "accepted")
            tap.equal(guest.mem_total(), total, f"MemTotal with {size} MiB")
            guest.unplug("d0")


def guest_ejects():
    """The guest gives a DIMM back that nobody asked for."""
    with machine() as guest:
        guest.wait_ready()
        total = guest.mem_total()
        guest.plug("d0", 256 * MIB)
        guest.run("for d in /sys/bus/acpi/devices/PNP0C80:*; do "
                  "[ \"$(cat $d/status 2>/dev/null)\" = 15 ] && echo 1 > $d/eject; done; true")
        guest.qmp.event("DEVICE_DELETED", device="d0")
        tap.equal(dimms_of(guest), [])
        tap.equal(guest.mem_total(), total, "MemTotal")


# ---- NUMA ----

def backend(ident, size):
    return ["-object", f"memory-backend-ram,id=m-{ident},size={size}"]


def boot_dimm(ident, size):
    return [*backend(ident, size), "-device", f"pc-dimm,id={ident},memdev=m-{ident},node=1,boot=on"]


def numactl(guest):
    """numactl --hardware: {node: (CPUs, MiB)}, and {node: distances}."""
    text = guest.run("numactl --hardware")
    cpus = {int(n): [int(c) for c in found.split()] for n, found in re.findall(r"node (\d+) cpus:(.*)", text)}
    sizes = {int(n): int(mib) for n, mib in re.findall(r"node (\d+) size: (\d+) MB", text)}
    rows = re.search(r"node distances:\n.*\n((?:.*\n?)*)", text).group(1)
    distances = {int(n): [int(d) for d in row.split()] for n, row in re.findall(r" *(\d+): +(.*)", rows)}
    tap.equal(set(cpus), set(sizes), text)
    return {n: (cpus[n], sizes[n]) for n in sizes}, distances


def check_nodes(guest, base, distances):
    """What the guest sees is what the objects say: node 0 as @base, the others by their DIMMs."""
    wanted = {0: base}
    for dimm in guest.qmp.command("query-memory-devices"):
        node, size = dimm["data"]["node"], dimm["data"]["size"] // MIB
        wanted[node] = ([], wanted.get(node, ([], 0))[1] + size)
    found, rows = numactl(guest)
    tap.equal(found, wanted, "nodes")
    order = sorted(wanted)
    tap.equal(rows, {n: [distances[n][m] for m in order] for n in order}, "distances")


def numactl_agrees():
    """Nodes 1 to 3 have neither CPUs nor memory at boot: they come and go with their DIMMs. Memory
    bound to one is in its DIMM."""
    options = ["-numa", "node,mem=2G,cpus=0-1", "-numa", "node", "-numa", "node", "-numa", "node"]
    distances = [[10, 21, 22, 23], [21, 10, 32, 33], [22, 32, 10, 43], [23, 33, 43, 10]]
    for src in range(4):
        for dst in range(src):
            options += ["-numa", f"dist,src={src},dst={dst},val={distances[src][dst]}"]
    with tempfile.TemporaryDirectory() as folder, machine(cpus=2, extra=options, **MORE) as guest:
        guest.wait_ready()
        base = numactl(guest)[0][0]
        tap.equal(base[0], [0, 1], "CPUs of node 0")
        check_nodes(guest, base, distances)
        path = f"{folder}/dimm"
        guest.plug("d1", 256 * MIB, backend="memory-backend-file", node=1,
                   backend_props={"mem-path": path, "share": True})
        check_nodes(guest, base, distances)
        guest.plug("d3", 128 * MIB, node=3)
        check_nodes(guest, base, distances)
        guest.plug("d2", 256 * MIB, node=2)
        check_nodes(guest, base, distances)

        fill = "dd if=/dev/zero bs=1M count=32 2>/dev/null | tr '\\000'"
        guest.run("mount -t tmpfs -o size=200M none /tmp")
        guest.run(f"{fill} A > /tmp/anywhere", timeout=120)
        guest.run(f"numactl --membind=1 sh -c \"{fill} B > /tmp/bound\"", timeout=120)
        tap.equal(pages_of(path, b"A"), 0, "pages in node 1 of what is not bound")
        if pages_of(path, b"B") < 32 * 256:
            raise AssertionError(f"{pages_of(path, b'B')} pages are in the DIMM, of 8192 bound to its node")
        guest.run("umount /tmp")
        for ident in ("d1", "d3", "d2"):
            guest.unplug(ident)
            check_nodes(guest, base, distances)


def boot_dimms_go():
    """Node 1 is made of DIMMs that were there at boot: with movable_node all of it is Movable, and it
    goes, one DIMM after the other."""
    options = ["-numa", "node,mem=1G,cpus=0-1", "-numa", "node",
               *boot_dimm("d0", "256M"), *boot_dimm("d1", "512M"), *boot_dimm("d2", "256M")]
    with machine(memory="1G,slots=8,maxmem=16G", cpus=2, extra=options, **MORE) as guest:
        guest.wait_ready()
        tap.equal({zone: size for (node, zone), size in guest.zones().items() if node == 1},
                  {"Movable": GIB}, "zones of node 1")
        tap.equal(guest.run("dmesg | grep -c 'BIOS-e820.*0x0000000100000000-0x000000013fffffff. usable'"), "1")
        guest.qmp.drain()
        tap.equal([e for e in guest.qmp.events if e["event"] == "ACPI_DEVICE_OST"], [], "insertions")
        left = 1024
        for ident, size in (("d1", 512), ("d0", 256), ("d2", 256)):
            guest.unplug(ident, timeout=120)
            left -= size
            found = numactl(guest)[0]
            del found[0]
            tap.equal(found, {1: ([], left)} if left else {}, f"without {ident}")
        tap.equal(guest.run("ls -d /sys/devices/system/node/node*"), "/sys/devices/system/node/node0")
        tap.equal(dimms_of(guest), [])


def boot_dimms_stay():
    """The same without movable_node: the kernel has its own data there, and refuses."""
    options = ["-numa", "node,mem=1G,cpus=0-1", "-numa", "node",
               *boot_dimm("d0", "256M"), *boot_dimm("d1", "256M")]
    with machine(memory="1G,slots=8,maxmem=16G", cpus=2, append="console=ttyS0", extra=options, **MORE) as guest:
        guest.wait_ready()
        if (1, "Normal") not in guest.zones():
            raise AssertionError(f"node 1 has no zone Normal: {guest.zones()}")
        refused = 0
        for ident in ("d0", "d1"):
            guest.qmp.command("device_del", id=ident)
            status = 0x84
            while status == 0x84:
                event = guest.qmp.event("ACPI_DEVICE_OST", 120, source=3)
                status = event["data"]["info"]["status"]
            if status:
                refused += 1
                guest.qmp.event("MEM_UNPLUG_ERROR", device=ident)
                guest.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device=ident)
        if not refused:
            raise AssertionError("the guest gave back all memory of node 1")
        tap.equal(len(dimms_of(guest)), refused, "DIMMs that are left")
        found = numactl(guest)[0]
        if 1 not in found or not 0 < found[1][1] <= refused * 256:
            raise AssertionError(f"nodes: {found}")
        tap.equal(guest.run("dmesg | grep -ciE 'bug:|oops|call trace'", check=False), "0")


def far_apart():
    """A DIMM at the top of a window of 1 TiB."""
    addr = 4 * GIB + (1024 + 8) * GIB - 256 * MIB
    with machine(memory="2G,slots=8,maxmem=1026G", extra=["-cpu", "qemu64,phys-bits=46"]) as guest:
        guest.wait_ready()
        total = guest.mem_total()
        guest.plug("d0", 256 * MIB, addr=addr)
        check_memory(guest, total, [(addr, 256 * MIB)])
        guest.unplug("d0")
        check_memory(guest, total, [])


def migrated(guest, uri):
    guest.qmp.command("migrate", uri=uri)
    while (info := guest.qmp.command("query-migrate"))["status"] not in ("completed", "failed"):
        time.sleep(0.01)
    tap.equal(info["status"], "completed", str(info))


HYPERV = ("-cpu", "qemu64,hv-relaxed,hv-vapic,hv-spinlocks=0x1fff,hv-vpindex,hv-runtime,hv-time,hv-reset,hv-frequencies,hv-crash")


def hyperv():
    """Linux finds Hyper-V, takes its clock and ends interrupts by its registers; a DIMM comes, it is moved, the DIMM leaves."""
    clock = "cat /sys/devices/system/clocksource/clocksource0/current_clocksource"
    dimm = ("-object", f"memory-backend-ram,id=m-d0,size={256 * MIB}", "-device", "pc-dimm,id=d0,memdev=m-d0,slot=0")
    with tempfile.TemporaryDirectory() as folder, machine(HYPERV, cpus=2) as guest:
        guest.wait_ready()
        tap.equal(guest.run("dmesg | grep -c 'Hypervisor detected: Microsoft Hyper-V'"), "1")
        tap.equal(guest.run("dmesg | grep -c 'Hyper-V: Host Build'"), "1")
        tap.equal(guest.run(clock), "hyperv_clocksource_tsc_page")
        total = guest.mem_total()
        guest.plug("d0", 256 * MIB)
        check_memory(guest, total, dimms_of(guest))
        with machine([*HYPERV, *dimm, "-incoming", f"unix:{folder}/s"], cpus=2) as there:
            migrated(guest, f"unix:{folder}/s")
            there.qmp.event("RESUME")
            before = float(there.run("cut -d' ' -f1 /proc/uptime"))
            there.run("sleep 1")
            tap.equal(float(there.run("cut -d' ' -f1 /proc/uptime")) > before, True)
            tap.equal(there.run(clock), "hyperv_clocksource_tsc_page")
            there.unplug("d0")
            check_memory(there, total, [])
            tap.equal(there.run("dmesg | grep -iE 'bug:|oops|call trace|unchecked MSR|stall|clocksource.*unstable'", check=False), "")


# So many MB in a file, no page of which is as another one. Random numbers and SHA-256 would be most of the test.
VARIED = "(n=0; while [ $n -lt {0} ]; do n=$((n + 1)); echo $n; cat /tmp/random; done) > /tmp/{1}"


def goes_and_comes():
    """Saved while it runs and writes to its memory, with a DIMM, and loaded twice; the DIMM leaves in the
    last one."""
    dimm = ("-object", f"memory-backend-ram,id=m-d0,size={256 * MIB}", "-device",
            "pc-dimm,id=d0,memdev=m-d0,slot=0")
    with tempfile.TemporaryDirectory() as folder:
        with machine(cpus=2, memory="512M,slots=4,maxmem=4G") as guest:
            guest.wait_ready()
            total = guest.mem_total()
            guest.plug("d0", 256 * MIB)
            guest.run("head -c 1000000 /dev/urandom > /tmp/random")
            guest.run(VARIED.format(150, "pattern"))
            sums = guest.run("md5sum /tmp/pattern")
            started = time.monotonic()
            uptime = float(guest.run("cut -d ' ' -f 1 /proc/uptime"))
            guest.run(f"(while :; do {VARIED.format(30, 'churn')}; done) & echo busy")
            migrated(guest, f"file:{folder}/first")
        for came, goes in (("first", "second"), ("second", None)):
            with machine(cpus=2, memory="512M,slots=4,maxmem=4G",
                         extra=[*dimm, "-incoming", f"file:{folder}/{came}"]) as guest:
                guest.qmp.event("RESUME", timeout=60)
                tap.equal(guest.run("md5sum /tmp/pattern"), sums, "the guest's memory")
                passed = float(guest.run("cut -d ' ' -f 1 /proc/uptime")) - uptime
                ours = time.monotonic() - started
                tap.equal(0 < passed < ours + 1, True, f"{passed} s of the guest's time, {ours} s of ours")
                if goes:
                    migrated(guest, f"file:{folder}/{goes}")
                    continue
                check_memory(guest, total, dimms_of(guest))
                guest.run("kill %1; rm -f /tmp/pattern /tmp/churn")
                guest.unplug("d0")
                check_memory(guest, total, [])
                tap.equal(guest.run("dmesg | grep -ciE 'bug:|oops|call trace|stall'", check=False), "0")


GROUPS = {
    "boot": [("boot with 1 CPU", lambda: check_boot(1)), ("boot with 2 CPUs", lambda: check_boot(2)),
             ("boot with all CPU features", lambda: check_boot(2, "max")),
             ("boot an ELF vmlinux (PVH)", boot_pvh), ("two busy CPUs", busy_cpus)],
    "hotplug": [("add and remove, ram backend", add_remove_ram),
                ("add, file backend, bytes in the file", add_file),
                ("the same slot 20 times", same_slot_again),
                ("three DIMMs, removed in another order", three_dimms)],
    "refuse": [("memory in use by the kernel", refusal), ("the guest ejects by itself", guest_ejects),
               ("a DIMM that Linux does not add", misfit)],
    "reset": [("reset with a DIMM plugged", reset_with_dimm), ("reset by the guest", reset_by_guest),
              ("a reset forgets a request", pending_request_and_reset),
              ("what comes before ACPI is on", before_acpi)],
    "migration": [("saved, loaded, saved, loaded", goes_and_comes), ("with Hyper-V's interface", hyperv)],
    "numa": [("numactl agrees with the objects", numactl_agrees),
             ("boot DIMMs with movable_node go", boot_dimms_go),
             ("boot DIMMs without movable_node stay", boot_dimms_stay),
             ("a DIMM at the top of 1 TiB", far_apart)],
}

if __name__ == "__main__":
    tap.run(GROUPS[sys.argv[2]])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory targets with Debian's kernel: test_memory_target.py BUILD-DIR [MACHINE [NAME]]. A guest that begins with 256 MiB
grows in steps that it can take, by DIMMs and by virtio-mem, and goes back; what its kernel uses, it refuses."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
# May be changed by who imports this: tests/nested.
SETUP = {"machine": sys.argv[2] if len(sys.argv) > 2 else "pc", "accel": "soft", "kernel": "vmlinuz", "place": vm.Here}
MIB = 1 << 20
GIB = 1 << 30
HANGS = 10 * vm.LONG
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_mem"]
POLICY = "/sys/devices/system/memory/auto_online_blocks"


def machine(state, *extra, slots=16):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", initrd="initrd-more", accel=SETUP["accel"], memory=f"256M,slots={slots},maxmem=16G",
                 append=f"console=ttyS0 memhp_default_state={state}", kernel=SETUP["kernel"], place=SETUP["place"],
                 extra=["-M", SETUP["machine"], *extra])


def target(guest, size, answer=HANGS):
    """Set it, and wait for the end: (status, actual size, steps: the sizes that the guest had at each)."""
    guest.qmp.command("set-memory-target", size=size, policy={"answer-timeout": answer})
    steps = []
    while True:
        data = guest.qmp.event("MEMORY_TARGET_CHANGE", HANGS)["data"]
        steps.append(data["actual"])
        if data["status"] != "running":
            return data["status"], data["actual"], steps


def devices(guest):
    return {d["data"]["id"]: d["data"]["size"] for d in guest.qmp.command("query-memory-devices")}


def by_dimms():
    """The first GiB goes to the kernel, which manages the others with it: to 12 GiB, and back to what the kernel does
    not use."""
    with machine("online_kernel") as guest:
        guest.wait_ready()
        total = guest.mem_total()
        tap.equal(target(guest, 1280 * MIB)[:2], ("reached", 1280 * MIB))
        tap.equal(guest.mem_total(), total + GIB, "MemTotal")
        guest.run("mount -t tmpfs none /tmp; cd /tmp; i=0; while [ $i -lt 400 ]; do "
                  "mkdir -p $i/a/b/c/d/e/f/g; i=$((i+1)); done; cd /", timeout=HANGS)
        guest.run(f"echo online_movable > {POLICY}")
        status, actual, steps = target(guest, 12 * GIB)
        tap.equal((status, actual), ("reached", 12 * GIB))
        tap.equal(steps, sorted(steps), "it only grows")
        tap.equal(sum(devices(guest).values()), 12 * GIB - 256 * MIB)
        tap.equal(guest.mem_total(), total + 12 * GIB - 256 * MIB, "MemTotal")
        status, actual, steps = target(guest, 256 * MIB)
        tap.equal((status, actual), ("unreached", 1280 * MIB))
        tap.equal(steps, sorted(steps, reverse=True), "it only shrinks")
        tap.equal(devices(guest), {"target0": GIB})
        tap.equal([m["id"] for m in guest.qmp.command("query-memdev") if m["id"].startswith("target")], ["target0-ram"])
        info = guest.qmp.command("query-memory-target")
        tap.equal(info["refused"], ["/machine/peripheral/target0"])
        tap.equal("does not give 'target0' back" in info["reason"], True, info["reason"])
        tap.equal(guest.mem_total(), total + GIB, "MemTotal")
        tap.equal(guest.run("dmesg | grep -iE 'out of memory|oom-kill|oops|bad page'", check=False), "", "complaints")


def by_virtio_mem(size=2 * GIB):
    with machine("online_movable", "-object", f"memory-backend-ram,id=m0,size={size * 3 // 2}",
                 "-device", "virtio-mem-pci,id=v0,memdev=m0") as guest:
        guest.wait_ready()
        for module in MODULES:
            guest.run(f"insmod /lib/modules/{module}.ko", timeout=HANGS)
        total = guest.mem_total()
        tap.equal(target(guest, size)[:2], ("reached", size))
        tap.equal(devices(guest), {"v0": size - 256 * MIB}, "no DIMM is needed")
        vm.wait_until(lambda: guest.mem_total() == total + size - 256 * MIB, "MemTotal", HANGS)
        tap.equal(target(guest, 256 * MIB)[:2], ("reached", 256 * MIB))
        vm.wait_until(lambda: guest.mem_total() == total, "MemTotal", HANGS)
        tap.equal(guest.run("dmesg | grep -iE 'out of memory|oom-kill|oops|bad page'", check=False), "", "complaints")


def no_complaints(guest):
    tap.equal(guest.run("dmesg | grep -iE 'out of memory|oom-kill|oops|bad page'", check=False), "", "complaints")


def fill(guest, left):
    """tmpfs takes what is free, but for so many MiB."""
    guest.run("mount -t tmpfs -o size=250M none /tmp")
    free = int(guest.run("grep MemFree /proc/meminfo").split()[1]) // 1024
    guest.run(f"dd if=/dev/zero of=/tmp/fill bs=1M count={free - left}", timeout=HANGS, check=False)


def with_statistics(guest):
    for module in [*MODULES[:-1], "virtio_balloon"]:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=HANGS)
    guest.qmp.command("qom-set", path="b0", property="guest-stats-polling-interval", value=1)
    vm.wait_until(lambda: guest.qmp.command("qom-get", path="b0", property="guest-stats")["last-update"], "statistics", HANGS)


def too_much(state, left, statistics, most):
    """The kernel cannot use DIMMs, and boot memory manages so much: it is given no more, and has what it is said to have."""
    def test():
        with machine(state, *(["-device", "virtio-balloon-pci,id=b0"] if statistics else []), slots=8) as guest:
            guest.wait_ready()
            total = guest.mem_total()
            if left:
                fill(guest, left)
            if statistics:
                with_statistics(guest)
            status, actual, steps = target(guest, 12 * GIB)
            print(f"# {[size // MIB for size in steps]} MiB", flush=True)
            tap.equal(status, "unreached")
            tap.equal(steps, sorted(steps), "it only grows")
            tap.equal(256 * MIB < actual <= most, True, actual)
            tap.equal("kernel has too little" in guest.qmp.command("query-memory-target")["reason"], True)
            tap.equal(guest.mem_total(), total + actual - 256 * MIB, "MemTotal")
            no_complaints(guest)
    return test


def left_offline():
    """The guest says that it took the DIMM, and uses nothing of it, as its statistics tell."""
    with machine("offline", "-device", "virtio-balloon-pci,id=b0") as guest:
        guest.wait_ready()
        with_statistics(guest)
        status, actual, steps = target(guest, 768 * MIB, answer=5)
        tap.equal((status, actual), ("unreached", 256 * MIB))
        reason = guest.qmp.command("query-memory-target")["reason"]
        tap.equal("said that it uses 'target0' of 512 MiB, and has 0 MiB more" in reason, True, reason)
        tap.equal(devices(guest), {})
        no_complaints(guest)


def at_once():
    """From 256 MiB to 12 GiB with few slots: what comes first manages what comes next, which is more."""
    with machine("online_kernel", slots=4) as guest:
        guest.wait_ready()
        total = guest.mem_total()
        status, actual, steps = target(guest, 12 * GIB)
        tap.equal((status, actual), ("reached", 12 * GIB))
        tap.equal(steps, sorted(steps), "it only grows")
        sizes = [devices(guest)[f"target{n}"] for n in range(len(devices(guest)))]
        print(f"# {[size // MIB for size in sizes]} MiB", flush=True)
        tap.equal(len(sizes) > 1 and sizes[0] < sizes[1], True, f"{sizes}")
        tap.equal(guest.mem_total(), total + 12 * GIB - 256 * MIB, "MemTotal")
        no_complaints(guest)


def another():
    """The DIMM that has least in it is asked for first, and refused, as it is the kernel's; then the other one."""
    with machine("online_movable") as guest:
        guest.wait_ready()
        guest.plug("d0", 512 * MIB)
        guest.run(f"echo online_kernel > {POLICY}")
        guest.plug("d1", 512 * MIB)
        guest.run("mount -t tmpfs none /tmp; cd /tmp; i=0; while [ $i -lt 100 ]; do mkdir -p $i/a/b/c/d; i=$((i+1)); done; "
                  "dd if=/dev/urandom of=fill bs=1M count=150 2>/dev/null; cd /", timeout=HANGS)
        there = {d["data"]["id"]: d["data"]["resident"] for d in guest.qmp.command("query-memory-devices")}
        tap.equal(there["d0"] > there["d1"] > 0, True, there)
        total, summed = guest.mem_total(), guest.run("md5sum /tmp/fill", timeout=HANGS)
        status, actual, steps = target(guest, 768 * MIB)
        tap.equal((status, actual), ("reached", 768 * MIB))
        tap.equal(steps, sorted(steps, reverse=True), "it only shrinks")
        tap.equal(devices(guest), {"d1": 512 * MIB})
        tap.equal(guest.qmp.command("query-memory-target")["refused"], ["/machine/peripheral/d1"])
        tap.equal(guest.mem_total(), total - 512 * MIB, "MemTotal")
        tap.equal(guest.run("md5sum /tmp/fill", timeout=HANGS), summed, "what was in the DIMM that has gone")
        no_complaints(guest)


def exchanged():
    """A DIMM that is larger than what is too much goes when a smaller one has come."""
    with machine("online_movable") as guest:
        guest.wait_ready()
        total = guest.mem_total()
        guest.plug("d0", GIB)
        guest.run("mount -t tmpfs none /tmp; dd if=/dev/urandom of=/tmp/fill bs=1M count=150 2>/dev/null", timeout=HANGS)
        summed = guest.run("md5sum /tmp/fill", timeout=HANGS)
        status, actual, steps = target(guest, 768 * MIB)
        tap.equal((status, actual), ("reached", 768 * MIB))
        tap.equal(max(steps), (1280 + 512) * MIB, "both are there between")
        tap.equal(devices(guest), {"target0": 512 * MIB})
        tap.equal(guest.mem_total(), total + 512 * MIB, "MemTotal")
        tap.equal(guest.run("md5sum /tmp/fill", timeout=HANGS), summed, "what was in the DIMM that has gone")
        no_complaints(guest)


def while_it_boots():
    """The target is set before the guest runs: what it says of the DIMM before it has looked at its devices is no answer."""
    with machine("online_movable", "-S") as guest:
        guest.qmp.command("set-memory-target", size=768 * MIB, policy={"answer-timeout": HANGS})
        tap.equal(guest.qmp.command("query-memory-target")["actual"], 256 * MIB)
        guest.qmp.command("cont")
        last = None
        while last is None or last["status"] == "running":
            last = guest.qmp.event("MEMORY_TARGET_CHANGE", HANGS)["data"]
        tap.equal((last["status"], last["actual"]), ("reached", 768 * MIB), last)
        guest.wait_ready()
        tap.equal(devices(guest), {"target0": 512 * MIB})
        vm.wait_until(lambda: guest.mem_total() > 640 * MIB, "MemTotal", HANGS)
        tap.equal(target(guest, 256 * MIB)[:2], ("reached", 256 * MIB))


TESTS = [("by DIMMs", by_dimms), ("by virtio-mem", by_virtio_mem), ("while it boots", while_it_boots),
         ("too much", too_much("online_movable", 0, False, 2304 * MIB)),
         ("too much, little is free, as it says", too_much("online_movable", 20, True, 1024 * MIB)),
         ("too much, as it says", too_much("online_movable", 0, True, 6 * GIB)), ("left offline", left_offline),
         ("at once", at_once), ("another DIMM", another), ("exchanged", exchanged)]

if __name__ == "__main__":
    tap.run([(f"{SETUP['machine']}: {name}", test) for name, test in TESTS if name in sys.argv[3:] or not sys.argv[3:]])

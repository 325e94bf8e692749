#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""NVDIMMs with Debian's ndctl and daxctl, of this machine, in the guest: test_ndctl.py BUILD-DIR MACHINE. Labels, health,
namespaces of each kind, and what is in them after the program was killed; and an NVDIMM as memory."""
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import programs  # noqa: E402
import tap  # noqa: E402
from nvdimm import DAX, MODULES, initrd, mount_dax, ready  # noqa: E402
import vm  # noqa: E402

BUILD, MACHINE = sys.argv[1:3]
MIB = 1 << 20
LABELS = 128 << 10
# One whose contents last, with room for two namespaces and for labels; one for memory; one that forgets.
SIZES = (130 * MIB, 514 * MIB, 16 * MIB)


def tool(guest, words, **options):
    return guest.run(words, timeout=180, **options)


def told(guest, words):
    """What a command says in JSON: always a list."""
    text = tool(guest, f"{words} 2>/dev/null")
    found = json.loads(text or "[]")
    return found if isinstance(found, list) else [found]


def start(folder):
    extra = ["-M", f"{MACHINE},nvdimm=on", "-initrd", f"{folder}/initrd/initrd",
             "-object", f"memory-backend-file,id=m0,mem-path={folder}/nvdimm0,size={SIZES[0]},share=on",
             "-object", f"memory-backend-ram,id=m1,size={SIZES[1]}", "-object", f"memory-backend-ram,id=m2,size={SIZES[2]}"]
    for n, more in enumerate((f"label-size={LABELS}", f"label-size={LABELS}", "unarmed=on")):
        extra += ["-device", f"nvdimm,id=nv{n},memdev=m{n},{more}"]
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M,slots=4,maxmem=4G", extra=extra)


def check_health(guest):
    found = {dimm["dev"]: dimm for dimm in told(guest, "ndctl list -D -H")}
    tap.equal({name: dimm["health"]["health_state"] for name, dimm in found.items()},
              {"nmem0": "ok", "nmem1": "ok", "nmem2": "fatal"})
    tap.equal([dimm.get("flag_failed_arm", False) for _, dimm in sorted(found.items())], [False, False, True])


def check_labels(guest):
    """They are made, checked, read, and damaged."""
    for n in (0, 1):
        tool(guest, f"ndctl disable-region region{n}")
        tap.equal("initialized 1 nmem" in tool(guest, f"ndctl init-labels -f nmem{n} 2>&1"), True)
        tap.equal("verified 1 nmem" in tool(guest, f"ndctl check-labels nmem{n} 2>&1"), True)
    tool(guest, "ndctl write-labels -i /dev/zero nmem0 2>&1")
    tap.equal("verified 0 nmem" in tool(guest, "ndctl check-labels nmem0 2>&1", check=False), True)
    tool(guest, "ndctl init-labels -f nmem0 2>&1")
    for n in (0, 1):
        found = told(guest, f"ndctl read-labels -j nmem{n}")[0]
        tap.equal([(index["signature"], index["nslot"]) for index in found["index"]], [("NAMESPACE_INDEX", 1020)] * 2)
        tool(guest, f"ndctl enable-region region{n}")
    tool(guest, f"ndctl read-labels -o /tmp/labels nmem0 2>/dev/null; [ $(wc -c < /tmp/labels) -eq {LABELS} ]")


def make(guest, region, mode, more=""):
    return told(guest, f"ndctl create-namespace -r region{region} -m {mode} {more}")[0]


def namespaces(guest):
    """{UUID: (mode, size)} of those that last."""
    return {found["uuid"]: (found["mode"], found["size"]) for found in told(guest, "ndctl list -N -r region0")}


def first_run(folder):
    with start(folder) as guest:
        ready(guest, (*MODULES, *DAX))
        check_health(guest)
        check_labels(guest)
        fsdax = make(guest, 0, "fsdax", "-s 32M")
        mount_dax(guest, f"/dev/{fsdax['blockdev']}")
        sector = make(guest, 0, "sector", "-s 32M -l 4096")
        tap.equal((fsdax["mode"], sector["mode"], sector["sector_size"]), ("fsdax", "sector", 4096))
        guest.run("echo what lasts > /mnt/file; sync")
        guest.run(f"echo also lasts > /tmp/s; dd if=/tmp/s of=/dev/{sector['blockdev']} bs=4096 seek=7 conv=sync 2>/dev/null; sync")
        found = namespaces(guest)
        tap.equal(sorted(mode for mode, _ in found.values()), ["fsdax", "sector"])

        before = guest.mem_total()
        guest.run("echo online > /sys/devices/system/memory/auto_online_blocks")
        dax = make(guest, 1, "devdax")["daxregion"]["devices"][0]["chardev"]
        tap.equal([d["mode"] for d in told(guest, f"daxctl list -d {dax}")], ["devdax"])
        tap.equal([d["mode"] for d in told(guest, f"daxctl reconfigure-device -f -m system-ram {dax}")], ["system-ram"])
        tap.equal(guest.mem_total() - before, 384 * MIB, "whole blocks of 128 MiB")
        tap.equal(guest.run("dmesg | grep -iE 'ACPI.*(error|exception)|nfit.*fail' | grep -v 'nmem2 flags: not_armed' || true"), "")
        guest.kill()
        return found


def second_run(folder, found):
    with start(folder) as guest:
        ready(guest)
        tap.equal("verified 1 nmem" in tool(guest, "ndctl check-labels nmem0 2>&1"), True)
        tap.equal(namespaces(guest), found)
        devices = {n["mode"]: n["blockdev"] for n in told(guest, "ndctl list -N -r region0")}
        guest.run(f"mkdir -p /mnt && mount -t ext4 -o dax /dev/{devices['fsdax']} /mnt")
        tap.equal(guest.run("cat /mnt/file"), "what lasts")
        tap.equal(guest.run(f"dd if=/dev/{devices['sector']} bs=4096 skip=7 count=1 2>/dev/null | head -n 1"), "also lasts")
        guest.run("umount /mnt")
        tap.equal("destroyed 2 namespaces" in tool(guest, "ndctl destroy-namespace -f -r region0 all 2>&1"), True)
        tap.equal(namespaces(guest), {})


def lasts():
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/initrd")
        programs.copy(("ndctl", "daxctl"), f"{folder}/initrd")
        initrd(BUILD, f"{folder}/initrd")
        second_run(folder, first_run(folder))


tap.run([(f"ndctl and daxctl, {MACHINE}", lasts)])

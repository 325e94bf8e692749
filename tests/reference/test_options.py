#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The options that the reference lists, run as a black box: each is taken, with an argument where the
reference wants one, or refused with a reason; and nested keys mean the same to both.
Usage: test_options.py BUILD-DIR"""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402

PROGRAM = f"{sys.argv[1]}/dimmable"
REFERENCE = shutil.which("qemu-system-x86_64")
# Options whose argument the list of the reference does not show in the usual form.
SHOWN_OTHERWISE = {"h", "help", "version"}
# Taken by both; the properties of /machine that are equal then, with those of their members.
SAME = [
    (["-M", "pc,smp.cpus=2,smp.maxcpus=8,smp.sockets=2"], "smp", None),
    (["-M", "pc,smp.cpus=0x2"], "smp", None),
    (["-M", "pc,smp.cpus=2,smp.cpus=3"], "smp", None),
    (["-M", "smp.cpus=2", "-M", "smp.cores=1"], "smp", None),
    (["-M", "pc,smp.maxcpus=8", "-smp", "2"], "smp", None),
    (["-smp", "cpus=2,cpus=3"], "smp", None),
    (["-M", "pc,memory.size=512M,memory.max-size=1G,memory.slots=2"], "memory", None),
    (["-M", "pc,memory.size=1.5G"], "memory", None),
    (["-M", "memory.size=1G", "-m", "512"], "memory", None),
    (["-m", "512M", "-M", "memory.size=1G"], "memory", None),
    (["-m", "size=512M,size=1G"], "memory", None),
    (["-M", "pc,boot.menu=on,boot.menu=off", "-boot", "once=d"], "boot", ["menu", "once"]),
    (["-M", "pc,boot.order=nc", "-M", "boot.reboot-timeout=5"], "boot", ["order", "reboot-timeout"]),
]
# Refused by both.
BAD = [
    ["-M", "pc,smp=2"], ["-M", "pc,memory=512"], ["-M", "pc,boot=c"], ["-M", "pc,smp.foo=1"],
    ["-M", "pc,smp.cpus.x=1"], ["-M", "pc,smp.cpus=x"], ["-M", "pc,boot.0=on"], ["-M", "pc,boot..order=c"],
    ["-M", "pc,boot.foo=1"], ["-M", "pc,smp.cpus=1,smp=1"], ["-smp", "2,foo=1"],
    ["-object", '{"qom-type":"memory-backend-ram","id":"a","size":4096,"size":8192}'],
    ["-object", '{"qom-type":"memory-backend-ram","id":"a","size":4096,}'],
    ["-object", '{"qom-type":"memory-backend-ram","id":"a","size":"1M"}'],
    ["-object", "memory-backend-ram,id=a,size=4096,size.x=1"],
    ["-device", "pc-dimm,slot.x=3"], ["-device", "{}"], ["-numa", "node,cpus.x=1"],
    ["-numa", "dist,src=0,dst=0,val=10,val=11"],
]
QUIET = ["-nodefaults", "-display", "none", "-S", "-qmp", "stdio"]


def run(program, *args):
    result = subprocess.run([program, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=20, check=False)
    return result.returncode, result.stdout.decode(errors="replace")


def listed():
    """Names, with whether they take an argument: one blank, and not a description, follows."""
    found = {}
    for line in run(REFERENCE, "-help")[1].splitlines():
        match = re.match(r"--?([A-Za-z0-9][\w-]*)((?:/-\w+)*)( \S)?", line)
        if match:
            for name in (match.group(1), *re.findall(r"-(\w+)", match.group(2))):
                found[name] = found.get(name, False) or bool(match.group(3))
    found.pop("h", None)
    if len(found) < 90:
        raise AssertionError(f"only {sorted(found)} in the reference's -help")
    return found


def taken_or_refused(name, has_argument):
    """-version ends the program when all options were parsed."""
    args = [f"-{name}", "x", "-version"] if has_argument else [f"-{name}", "-version"]
    status, text = run(PROGRAM, *args)
    if status == 0:
        tap.equal("QEMU emulator version" in text or name in SHOWN_OTHERWISE | {"audio-help"}, True, text)
        return
    if not text.startswith(f"dimmable: -{name}: ") or len(text.split()) < 5:
        raise AssertionError(f"neither taken nor refused with a reason: {text}")


def machine_property(program, args, name):
    """The machine's property, or None if the program refused the arguments."""
    commands = [{"execute": "qmp_capabilities"},
                {"execute": "qom-get", "arguments": {"path": "/machine", "property": name}},
                {"execute": "quit"}]
    result = subprocess.run([program, *QUIET, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            input="\n".join(map(json.dumps, commands)).encode(), timeout=60, check=False)
    for line in result.stdout.decode(errors="replace").splitlines():
        reply = json.loads(line) if line.startswith("{") else {}
        if reply.get("return"):
            return reply["return"]
    return None


def same_keys():
    for args, name, members in SAME:
        ours, theirs = (machine_property(program, args, name) for program in (PROGRAM, REFERENCE))
        if ours is None or theirs is None:
            raise AssertionError(f"{args}: {ours}, the reference {theirs}")
        members = members or theirs
        tap.equal({key: ours.get(key) for key in members}, {key: theirs.get(key) for key in members}, str(args))


def same_refusals():
    for args in BAD:
        for program in (PROGRAM, REFERENCE):
            tap.equal(machine_property(program, args, "smp"), None, f"{program} {args}")


def main():
    if not REFERENCE:
        tap.run([(name, skip) for name in ("options", "nested keys", "wrong keys")])
        return
    tap.run([(f"-{name}", lambda n=name, a=argument: taken_or_refused(n, a))
             for name, argument in sorted(listed().items())]
            + [("nested keys", same_keys), ("wrong keys", same_refusals)])


def skip():
    raise tap.Skip("qemu-system-x86_64 is not there")


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that guest memory is in: who may read them, what becomes of the data when the backend or the
program goes, and what a full file system says. And a start that fails leaves nothing behind."""
import os
import shutil
import signal
import subprocess
import tempfile

import machine
import huge_pages
import vm

import tap

MIB = 1 << 20
SIZE = 4 * MIB
BASE = ["-accel", "qtest", "-nodefaults", "-display", "none"]


def blocks(path):
    return os.stat(path).st_blocks


def file_object(path, more=""):
    return ["-object", f"memory-backend-file,id=m0,size={SIZE},mem-path={path},share=on,prealloc=on{more}"]


def modes():
    """Whatever the umask is: guest memory is for its owner."""
    old = os.umask(0)
    try:
        with tempfile.TemporaryDirectory() as folder:
            args = ["-m", "4M", "-mem-path", f"{folder}/boot", *file_object(f"{folder}/object")]
            with machine.Machine(memory="4M", extra=args) as m:
                m.qmp.command("object-add", **{"qom-type": "memory-backend-file", "id": "m1", "size": SIZE,
                                               "mem-path": f"{folder}/added"})
                for name in ("boot", "object", "added"):
                    tap.equal(os.stat(f"{folder}/{name}").st_mode & 0o777, 0o600, name)
    finally:
        os.umask(old)


# ---- discard-data ----

def quit_qmp(m):
    m.qmp.send(b'{"execute": "quit"}\n')


def power_off(m):
    m.qtest.send(b"outw 0x604 0x2000\n")


ENDS = {"quit": quit_qmp, "power-off": power_off, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT,
        "SIGHUP": signal.SIGHUP}
USES = {"an object": ("2G", []),
        "a DIMM": ("2G,slots=1,maxmem=4G", ["-device", "pc-dimm,memdev=m0"]),
        "boot memory": ("4M", ["-machine", "memory-backend=m0"]),
        "a node's memory": ("4M", ["-numa", "node,memdev=m0"])}


def end(m, how):
    if callable(how):
        how(m)
    else:
        m.process.send_signal(how)
    tap.equal(m.process.wait(vm.LONG), 0, "exit status")


def run_and_end(use, how, more):
    """The blocks of the file when the program has ended."""
    memory, args = USES[use]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/memory"
        with machine.Machine(memory=memory, extra=[*file_object(path, more), *args]) as m:
            tap.equal(blocks(path) * 512, SIZE, "bytes of the file in use")
            end(m, how)
        return blocks(path)


def discarded(use, how):
    tap.equal(run_and_end(use, how, ",discard-data=on"), 0, "blocks at the end")


def kept():
    tap.equal(run_and_end("a DIMM", signal.SIGTERM, "") * 512, SIZE, "bytes at the end")


def private_kept():
    """What the guest wrote never was in the file, and what was there is the user's."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/memory"
        with open(path, "wb") as file:
            file.write(b"x" * SIZE)
        with machine.Machine(extra=["-object", f"memory-backend-file,id=m0,size={SIZE},mem-path={path},discard-data=on"]) as m:
            end(m, quit_qmp)
        tap.equal(blocks(path) * 512, SIZE, "bytes at the end")


def discarded_by_object_del():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/memory"
        with machine.Machine(extra=[*file_object(path, ",discard-data=on"), "-device", "pc-dimm,id=d0,memdev=m0"]) as m:
            m.write("b", 0xA14, 8)  # the guest ejects it
            m.qmp.event("DEVICE_DELETED", device="d0")
            m.qmp.command("object-del", id="m0")
            tap.equal(blocks(path), 0, "blocks")


def discarded_by_daemon():
    with tempfile.TemporaryDirectory() as folder:
        status, text = machine.run_program(*BASE, *file_object(f"{folder}/memory", ",discard-data=on"),
                                           "-daemonize", "-pidfile", f"{folder}/pid")
        tap.equal(status, 0, text)
        with open(f"{folder}/pid", encoding="ascii") as file:
            pid = int(file.read())
        tap.equal(blocks(f"{folder}/memory") * 512, SIZE)
        os.kill(pid, signal.SIGTERM)
        vm.wait_until(lambda: not os.path.exists(f"{folder}/pid"), "the daemon ends")
        tap.equal(blocks(f"{folder}/memory"), 0, "blocks")


def discarded_by_failed_start():
    """A file that was there stays, without what it had."""
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/memory", "wb") as file:
            file.write(b"x" * SIZE)
        status, text = machine.run_program(*BASE, *file_object(f"{folder}/memory", ",discard-data=on"),
                                           "-device", "nosuch")
        tap.equal(status, 1, text)
        tap.equal(os.stat(f"{folder}/memory").st_size, SIZE)
        tap.equal(blocks(f"{folder}/memory"), 0, "blocks")


# ---- a start that fails ----

WRONG = ["-device", "nosuch"]
MAKERS = {
    "-mem-path": ["-m", "16M", "-mem-path", "F/new", *WRONG],
    "an object": [*file_object("F/new"), *WRONG],
    "an object in a folder": [*file_object("F/folder"), *WRONG],
    "an object in an empty file": [*file_object("F/empty"), *WRONG],
    "two objects": [*file_object("F/new"), "-object", f"memory-backend-file,id=m1,size={SIZE},mem-path=F/two",
                    "-object", "memory-backend-ram,id=m0,size=1M"],
    "a memory that is too large": ["-m", "4T,slots=1,maxmem=5T", "-mem-path", "F/new", "-mem-prealloc"],
    "sockets": ["-chardev", "socket,id=c0,path=F/new,server=on,wait=off", "-qmp", "unix:F/q,server=on,wait=off", *WRONG],
    "files": ["-chardev", "file,id=c0,path=F/new,logfile=F/log", "-serial", "file:F/serial", *WRONG],
    "logs": ["-D", "F/new", "-chardev", "null,id=c0", "-qtest", "chardev:c0", "-qtest-log", "F/log",
             "-mon", "chardev=nosuch"],
    "a log and no chardev": ["-chardev", "pipe,id=c0,path=F/nosuch,logfile=F/log"],
    "a file and no log": ["-chardev", "file,id=c0,path=F/new,logfile=/nonexistent/log"],
    "a pid file": ["-pidfile", "F/new", *WRONG],
    "a daemon": ["-daemonize", "-pidfile", "F/pid", *file_object("F/new"), *WRONG],
    "tables": ["-machine", "dump-acpi=F/new/nosuch/x"],
}


def failed_start(args):
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/folder")
        with open(f"{folder}/empty", "wb"):
            pass
        before = sorted(os.listdir(folder))
        status, text = machine.run_program(*BASE, *[a.replace("F/", f"{folder}/") for a in args])
        tap.equal(status, 1, f"status; it printed: {text}")
        tap.equal(sorted(os.listdir(folder)), before, f"files after: {text}")
        tap.equal(os.path.getsize(f"{folder}/empty"), 0, "the empty file")
        tap.equal("cannot be made as it was" in text, False, text)


def failed_command():
    """The same for commands of a machine that runs."""
    with tempfile.TemporaryDirectory() as folder, machine.Machine() as m:
        for name, arguments in (
                ("object-add", {"qom-type": "memory-backend-file", "id": "m0", "size": SIZE,
                                "mem-path": f"{folder}/new", "align": 3}),
                ("object-add", {"qom-type": "memory-backend-file", "id": "m0", "size": 1 << 50,
                                "mem-path": f"{folder}/new", "prealloc": True}),
                ("chardev-add", {"id": "c0", "backend": {"type": "file", "data": {
                    "out": f"{folder}/new", "logfile": "/nonexistent/log"}}}),
                ("chardev-add", {"id": "c0", "backend": {"type": "file", "data": {
                    "out": f"{folder}/new", "in": "/nonexistent/in", "logfile": f"{folder}/log"}}}),
                ("chardev-add", {"id": "c0", "backend": {"type": "pipe", "data": {
                    "device": "/nonexistent/pipe", "logfile": f"{folder}/log"}}})):
            try:
                m.qmp.command(name, **arguments)
            except vm.QmpError:
                tap.equal(os.listdir(folder), [], f"files after {name} {arguments}")
            else:
                raise AssertionError(f"{name} {arguments} was accepted")


def failed_start_keeps():
    """What was there before is not removed, nor is a log that says something."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("memory", "serial"):
            with open(f"{folder}/{name}", "wb") as file:
                file.write(b"x" * SIZE)
        status, text = machine.run_program(*BASE, *file_object(f"{folder}/memory"), "-chardev",
                                           f"file,id=c0,append=on,path={folder}/serial", *WRONG)
        tap.equal(status, 1, text)
        for name in ("memory", "serial"):
            with open(f"{folder}/{name}", "rb") as file:
                tap.equal(file.read() == b"x" * SIZE, True, name)


# ---- no space ----

def in_small_file_system(options, *args):
    """Status and output of the program with its own tmpfs at /mnt."""
    script = f"mount -t tmpfs -o {options} none /mnt && exec \"$@\""
    result = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", *args], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    text = result.stdout.decode()
    if "unshare" in text or "mount:" in text:
        raise tap.Skip(text.strip())
    return result.returncode, text


def no_space():
    for more in ("", ",prealloc-threads=4", ",share=on"):
        status, text = in_small_file_system("size=16M", machine.PROGRAM, *BASE, "-object",
                                            f"memory-backend-file,id=m0,size=64M,mem-path=/mnt/x,prealloc=on{more}")
        tap.equal((status, "file system" in text and "full" in text and "Bad address" not in text), (1, True), text)


def image_locked():
    """A disk's image is kept from Debian's qemu-img while the machine runs."""
    if not shutil.which("qemu-img"):
        raise tap.Skip("qemu-img is not there (package qemu-utils)")
    with tempfile.TemporaryDirectory() as folder:
        def resize():
            result = subprocess.run(["qemu-img", "resize", "-f", "raw", f"{folder}/image", "+1M"], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=vm.LONG, check=False)
            return result.returncode, "lock" in result.stdout.decode()
        with open(f"{folder}/image", "wb") as file:
            file.truncate(MIB)
        with machine.Machine(extra=["-drive", f"if=none,id=d0,file={folder}/image,format=raw",
                                    "-device", "virtio-blk-pci,drive=d0"]):
            tap.equal(resize(), (1, True))
        tap.equal((resize(), os.stat(f"{folder}/image").st_size), ((0, False), 2 * MIB))


def no_space_for_tables():
    status, text = in_small_file_system("size=4k", "sh", "-c", "\"$@\"; s=$?; ls /mnt; exit $s", "sh",
                                        machine.PROGRAM, *BASE, "-machine", "dump-acpi=/mnt/new")
    tap.equal((status, text.strip().splitlines()[1:]), (1, []), f"files after: {text}")


def reserved():
    """Huge pages are reserved when the backend is made, or not; and none is any more when it has gone; those of a DIMM are free
    again after it was unplugged."""
    if os.geteuid():
        raise tap.Skip("only root can reserve huge pages")
    there = huge_pages.number("nr_hugepages")
    try:
        huge_pages.set_number(there + 4)
        if huge_pages.number("nr_hugepages") < there + 4:
            raise tap.Skip("the host has no memory for huge pages")
        before = huge_pages.number("resv_hugepages")
        for reserve, count in ((True, 2), (False, 0)):
            with machine.Machine(memory="4M") as m:
                m.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "m0", "size": SIZE, "hugetlb": True,
                                               "hugetlbsize": 2 * MIB, "reserve": reserve})
                tap.equal(huge_pages.number("resv_hugepages") - before, count, f"reserve={reserve}")
                m.qmp.command("object-del", id="m0")
                tap.equal(huge_pages.number("resv_hugepages"), before, f"after reserve={reserve}")
        free = huge_pages.number("free_hugepages")
        with machine.Machine(memory="4M,slots=1,maxmem=1G") as m:
            m.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "m0", "size": SIZE, "hugetlb": True})
            m.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m0", addr=1 << 32)
            m(f"memset {1 << 32:#x} {SIZE:#x} 0x55")
            tap.equal(free - huge_pages.number("free_hugepages"), SIZE // (2 * MIB), "a DIMM that was written to")
            m.write("l", 0xa00, 0)
            m.write("b", 0xa14, 8)
            m.qmp.event("DEVICE_DELETED", device="d0")
            m.qmp.command("object-del", id="m0")
            tap.equal(huge_pages.number("free_hugepages"), free, "after the unplug")
    finally:
        huge_pages.set_number(there)


tap.run([("guest memory is nobody else's to read", modes),
         *[(f"discard-data: {how} with {use}", lambda u=use, h=how: discarded(u, ENDS[h]))
           for use in USES for how in (ENDS if use == "a DIMM" else ["quit"])],
         ("without discard-data the data stays", kept), ("a private mapping's file stays", private_kept),
         ("discard-data: object-del after an unplug", discarded_by_object_del),
         ("discard-data: a daemon", discarded_by_daemon),
         ("discard-data: a start that fails", discarded_by_failed_start),
         *[(f"a failed start removes what it made: {name}", lambda a=args: failed_start(a))
           for name, args in MAKERS.items()],
         ("a failed start keeps what was there", failed_start_keeps),
         ("a failed command removes what it made", failed_command),
         ("huge pages are reserved", reserved),
         ("a disk's image is locked", image_locked),
         ("a full file system", no_space), ("a full file system, and tables", no_space_for_tables)])

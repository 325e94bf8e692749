#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong command lines and commands: each gets an error that names what is wrong, exit status 1 or a
QMP error, and leaves nothing behind."""
import os
import re
import sys
import tempfile

import machine
import vm

import tap

BASE = ["-accel", "qtest", "-nodefaults", "-display", "none"]
ROOM = ["-m", "2G,slots=8,maxmem=16G"]
RAM = ["-object", "memory-backend-ram,id=m0,size=256M"]

# (arguments, words that the message must have)
COMMAND_LINES = [
    # -m
    (["-m", "2G,slots=8"], "slots maxmem"),
    (["-m", "2G,slots=8,maxmem=1G"], "maxmem 1024|1G"),
    (["-m", "2G,slots=8,maxmem=2G"], "maxmem slots"),
    (["-m", "2G,slots=257,maxmem=16G"], "slots 256"),
    (["-m", "2G,slots=8,maxmem=8192P"], "maxmem"),
    (["-m", "2G,slots=8,maxmem=4P", "-M", "pc"], "maxmem"),
    (["-m", "2X"], "2X"),
    (["-m", "size=banana"], "banana"),
    (["-m", "2G,slots=-1,maxmem=16G"], "slots -1"),
    (["-m", "2G,slots=x,maxmem=16G"], "slots x"),
    (["-m", "2G,spots=8"], "spots"),
    (["-m", ""], "-m"),
    # -smp
    (["-smp", "0"], "-smp"),
    (["-smp", "cpus=4,sockets=3"], "sockets"),
    (["-smp", "1000"], "1000 255"),
    (["-smp", "2,corse=2"], "corse"),
    # -object
    (["-object", "memory-backend-ram,size=1G"], "id"),
    (["-object", "memory-backend-ram,id=m0"], "size"),
    (["-object", "memory-backend-ram,id=m0,size=0"], "size"),
    (["-object", "memory-backend-ram,id=m0,size=1Q"], "1Q"),
    (["-object", "memory-backend-ram,id=m0,size=1G,colour=red"], "colour"),
    (["-object", "memory-backend-ram,id=m0,size=1G,share=maybe"], "share"),
    (["-object", "memory-backend-ram,id=0bad,size=1G"], "0bad"),
    (["-object", "memory-backend-disk,id=m0,size=1G"], "memory-backend-disk"),
    (["-object", "pc-dimm,id=m0"], "pc-dimm"),
    (["-object", "{\"qom-type\": \"memory-backend-ram\", \"id\": \"m0\", \"size\": \"1G\"}"], "size"),
    (["-object", "{\"qom-type\": \"memory-backend-ram\", \"id\": \"m0\""], "JSON"),
    (RAM + RAM, "m0"),
    (["-object", "memory-backend-file,id=m0,size=64M"], "mem-path"),
    (["-object", "memory-backend-file,id=m0,size=64M,mem-path=/nonexistent/x"], "/nonexistent/x"),
    (["-object", "memory-backend-file,id=m0,size=64M,mem-path=SMALL"], "SMALL|small"),
    (["-object", "memory-backend-ram,id=m0,size=64M,host-nodes=99,policy=bind"], "99|host-nodes"),
    (["-object", "memory-backend-ram,id=m0,size=64M,policy=sometimes"], "policy|sometimes"),
    (["-object", "memory-backend-file,id=m0,size=64M,mem-path=/dev/null"], "m0 memory"),
    (["-object", "memory-backend-ram,id=m0,size=64M,prealloc-threads=0"], "prealloc-threads"),
    (["-object", "memory-backend-ram,id=m0,size=64M,prealloc-context=t"], "'t' thread-context"),
    (["-object", "secret,id=s0,data=abc,keyid=k0"], "iv"),
    # -device isa-debugcon
    (["-serial", "null", "-chardev", "null,id=c0",
      "-device", "isa-debugcon,chardev=c0,iobase=0x3fd"], "0x3fd serial iobase"),
    (["-chardev", "null,id=c0", "-device", "isa-debugcon,chardev=c0,iobase=0x10000"], "0xffff"),
    # -device pc-dimm
    (ROOM + ["-device", "pc-dimm,id=d0"], "memdev"),
    (ROOM + ["-device", "pc-dimm,id=d0,memdev=nope"], "nope"),
    (ROOM + RAM + ["-device", "pc-dimm,id=d0,memdev=m0,slot=8"], "slot 8"),
    (ROOM + RAM + ["-device", "pc-dimm,id=d0,memdev=m0,slot=-2"], "slot"),
    (ROOM + RAM + ["-device", "pc-dimm,id=d0,memdev=m0,slot=x"], "slot"),
    (ROOM + RAM + ["-device", "pc-dimm,id=d0,memdev=m0,addr=0x1000"], "addr"),
    (ROOM + RAM + ["-device", "pc-dimm,id=d0,memdev=m0,addr=0x100001000"], "align"),
    (ROOM + RAM + ["-device", "pc-dimm,id=d0,memdev=m0,addr=0x10000000000"], "addr|range|window"),
    (ROOM + RAM + ["-device", "pc-dimm,id=d0,memdev=m0,node=1"], "node 1"),
    (ROOM + RAM + ["-device", "pc-dimm,id=d0,memdev=m0,volts=3"], "volts"),
    (ROOM + RAM + ["-device", "pc-dimm,id=d0,memdev=m0", "-device", "pc-dimm,id=d1,memdev=m0"], "m0"),
    (ROOM + RAM + ["-object", "memory-backend-ram,id=m1,size=256M", "-device",
                   "pc-dimm,id=d0,memdev=m0", "-device", "pc-dimm,id=d0,memdev=m1"], "d0"),
    (ROOM + RAM + ["-object", "memory-backend-ram,id=m1,size=256M",
                   "-device", "pc-dimm,memdev=m0,slot=1", "-device", "pc-dimm,memdev=m1,slot=1"],
     "slot 1"),
    (ROOM + RAM + ["-object", "memory-backend-ram,id=m1,size=256M",
                   "-device", "pc-dimm,memdev=m0,addr=0x100000000", "-device",
                   "pc-dimm,memdev=m1,addr=0x108000000"], "overlap|use"),
    (["-m", "2G,slots=1,maxmem=16G"] + RAM + ["-object", "memory-backend-ram,id=m1,size=256M",
     "-device", "pc-dimm,memdev=m0", "-device", "pc-dimm,memdev=m1"], "slot"),
    (["-m", "2G,slots=2,maxmem=2304M"] + RAM + ["-object", "memory-backend-ram,id=m1,size=256M",
     "-device", "pc-dimm,memdev=m0", "-device", "pc-dimm,memdev=m1"], "room|space|maxmem"),
    (["-m", "2G"] + RAM + ["-device", "pc-dimm,memdev=m0"], "slots maxmem"),
    (ROOM + ["-device", "dc-pimm"], "dc-pimm"),
    (ROOM + ["-device", "id=x"], "driver"),
    (ROOM + ["-device", "machine"], "machine"),
    # the rest
    (["-frobnicate"], "-frobnicate"),
    (["-drive", "file=x"], "-drive"),
    (["-M", "q36"], "q36 pc"),
    (["-M", "pc,colour=red"], "colour"),
    (["-cpu", "z80"], "z80 qemu64"),
    (["-cpu", "haswell"], "'Haswell'"),
    (["-M", "none", "-cpu", "haswell"], "'Haswell'"),
    (["-M", "none", "-cpu", "Haswell,+bogus"], "no CPU feature 'bogus'"),
    (["-M", "none", "-accel", "soft", "-cpu", "Haswell,+vmx,enforce"], "cannot offer on this host: vmx"),
    (["-cpu", "Skylake-Server,enforce"], "avx512f"),
    (["-M", "q35", "-device", "pcie-root-port,id=port"], "The name 'port' is taken"),
    (["-cpu", "qemu64,+frob"], "frob"),
    (["-accel", "kvm,kernel_irqchip=some"], "kernel-irqchip=some is not right: expects one of on, off, split"),
    (["-accel", "warp"], "warp"),
    (["-chardev", "socket,id=c0"], "path"),
    (["-chardev", "tube,id=c0"], "tube"),
    (["-chardev", "null"], "id"),
    (["-qmp", "unix:/nonexistent/dir/qmp,server=on,wait=off"], "/nonexistent/dir/qmp"),
    (["-mon", "chardev=none"], "none"),
    (["-serial", "smoke:signals"], "smoke"),
    (["-uuid", "12"], "uuid|UUID"),
    (["-d", "everything-else"], "everything-else"),
    (["-smp"], "-smp"),
    (["stray"], "stray"),
]

KERNELS = [
    (["-kernel", "/nonexistent/vmlinuz"], "/nonexistent/vmlinuz"),
    (["-kernel", "TEXT"], "kernel|magic|bzImage"),
    (["-kernel", "TRUNCATED"], "truncated|short|beyond|bytes"),
    (["-kernel", "KERNEL", "-initrd", "/nonexistent/initrd"], "/nonexistent/initrd"),
    (["-initrd", "TEXT"], "initrd kernel"),
    (["-append", "quiet"], "append kernel"),
]

DIMM = {"driver": "pc-dimm", "id": "d0", "memdev": "m0"}
# (command, arguments, error class, words)
QMP = [
    ("no-such-command", {}, "CommandNotFound", "no-such-command"),
    ("object-add", {"qom-type": "memory-backend-ram", "id": "m0"}, "GenericError", "size"),
    ("object-add", {"qom-type": "memory-backend-ram", "id": "m0", "size": "1G"}, "GenericError", "size"),
    ("object-add", {"qom-type": "memory-backend-ram", "size": 4096}, "GenericError", "id"),
    ("object-add", {"id": "m0", "size": 4096}, "GenericError", "qom-type"),
    ("object-add", {"qom-type": "unobtainium", "id": "m0"}, "GenericError", "unobtainium"),
    ("object-add", {"qom-type": "memory-backend-ram", "id": "used", "size": 4096}, "GenericError", "used"),
    ("object-add", {"qom-type": "memory-backend-ram", "id": "m0", "size": 1 << 62}, "GenericError", "m0|memory|size"),
    ("object-del", {"id": "nope"}, "GenericError", "nope"),
    ("object-del", {"id": "used"}, "GenericError", "used"),
    ("device_add", {"driver": "pc-dimm", "id": "d1"}, "GenericError", "memdev"),
    ("device_add", {"id": "d1"}, "GenericError", "driver"),
    ("device_add", {"driver": "pc-dimm", "id": "d1", "memdev": "nope"}, "DeviceNotFound", "nope"),
    ("device_add", {"driver": "pc-dimm", "id": "d1", "memdev": "used"}, "GenericError", "used"),
    ("device_add", {"driver": "pc-dimm", "id": "d0", "memdev": "free"}, "GenericError", "d0"),
    ("device_add", {"driver": "pc-dimm", "id": "d1", "memdev": "free", "slot": 0}, "GenericError", "slot 0"),
    ("device_add", {"driver": "pc-dimm", "id": "d1", "memdev": "free", "slot": 8}, "GenericError", "slot 8"),
    ("device_add", {"driver": "pc-dimm", "id": "d1", "memdev": "free", "node": 3}, "GenericError", "node 3"),
    ("device_add", {"driver": "pc-dimm", "id": "d1", "memdev": "free", "addr": 4 << 30}, "GenericError", "overlap|use"),
    ("device_add", {"driver": "pc-dimm", "id": "d1", "memdev": "free", "addr": 4097 << 20}, "GenericError", "align"),
    ("device_add", {"driver": "pc-dimm", "id": "d1", "memdev": "free", "addr": 1}, "GenericError", "addr"),
    ("device_add", {"driver": "pc-dimm", "id": "d1", "memdev": "big"}, "GenericError", "room|space|maxmem"),
    ("device_add", {"driver": "pc-dimm", "id": "bad id", "memdev": "free"}, "GenericError", "bad id"),
    ("device_add", {"driver": "pc-dimm", "id": "d1", "memdev": "free", "size": 5}, "GenericError", "size"),
    ("device_add", {"driver": "isa-serial", "id": "d1"}, "GenericError", "isa-serial"),
    ("device_del", {"id": "nope"}, "DeviceNotFound", "nope"),
    ("device_del", {}, "GenericError", "id"),
    ("qom-get", {"path": "/nope", "property": "x"}, "DeviceNotFound", "nope"),
    ("qom-get", {"path": "/machine/peripheral/d0", "property": "volts"}, "GenericError", "volts"),
    ("qom-set", {"path": "/machine/peripheral/d0", "property": "slot", "value": 3}, "GenericError", "slot"),
    ("qom-set", {"path": "/machine/peripheral/d0", "property": "size", "value": 3}, "GenericError", "size"),
    ("query-status", {"extra": 1}, "GenericError", "extra"),
    ("human-monitor-command", {"command-line": 5}, "GenericError", "command-line"),
    ("device-list-properties", {"typename": "nope"}, "DeviceNotFound", "nope"),
]


def check_words(text, words):
    for word in words.split():
        if not re.search(word, text, re.IGNORECASE):
            raise AssertionError(f"the message has no /{word}/: {text.strip()}")


def check_command_line(args, words):
    base = [] if "-accel" in args else BASE
    status, text = machine.run_program(*base, *args)
    tap.equal(status, 1, f"exit status; it printed: {text}")
    if not text.startswith("dimmable: ") or len(text.strip().splitlines()) > 6:
        raise AssertionError(f"not a clear error: {text}")
    check_words(text, words)


def command_line(args, words, folder):
    names = {"SMALL": f"{folder}/small", "TEXT": f"{folder}/text", "TRUNCATED": f"{folder}/truncated",
             "KERNEL": f"{sys.argv[1]}/guest/vmlinuz"}
    for name, path in names.items():
        args = [arg.replace(name, path) for arg in args]
    check_command_line(args, words)


def qmp(command, arguments, cls, words):
    before = MACHINE.tree()
    try:
        MACHINE.qmp.command(command, **arguments)
    except vm.QmpError as err:
        tap.equal(err.cls, cls, f"class of '{err}'")
        check_words(err.desc, words)
    else:
        raise AssertionError("it was accepted")
    tap.equal(MACHINE.tree(), before, "objects and devices after the error")


def names_can_be_used():
    """Who has a backend is named as device_del takes it, also without an id."""
    MACHINE.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "nb", "size": 128 << 20,
                                         "reserve": False})
    MACHINE.qmp.command("device_add", driver="pc-dimm", memdev="nb", node=0)
    for command, arguments in (("object-del", {"id": "nb"}),
                               ("device_add", {"driver": "pc-dimm", "memdev": "nb"})):
        try:
            MACHINE.qmp.command(command, **arguments)
        except vm.QmpError as err:
            name, = re.findall(r"by '([^']*)'", err.desc)
            tap.equal(MACHINE.qmp.command("qom-get", path=name, property="type"), "pc-dimm", err.desc)
        else:
            raise AssertionError(f"{command} of a backend that is in use")
    MACHINE.qmp.command("device_del", id=name)
    MACHINE.qmp.command("device_del", id=name, cancel=True)
    try:
        MACHINE.qmp.command("object-del", id="pc.ram")
    except vm.QmpError as err:
        tap.equal("boot memory" in err.desc, True, err.desc)
    else:
        raise AssertionError("boot memory was deleted")


def malformed_json():
    client = MACHINE.qmp
    for text in (b"{'execute' 'query-status'}\n", b"{]\n", b"}\n", b"[[[[\"\n]]]]\n",
                 b"{\"execute\": 5}\n", b"{\"execute\": \"query-status\", \"zzz\": 1}\n", b"[]\n",
                 b"{\"execute\": \"stop\", \"arguments\": []}\n", b"\"query-status\"\n",
                 b"[" * 5000 + b"\n", b"\xff\xfe\n", b"nonsense\n"):
        client.send(text)
        reply = client.receive()
        while "event" in reply:
            reply = client.receive()
        if "error" not in reply:
            raise AssertionError(f"{text!r}: {reply}")
        # A broken line may give more than one error; the next command must work all the same.
        client.send(b"\n{\"execute\": \"query-status\", \"id\": \"after\"}\n")
        while reply.get("id") != "after":
            reply = client.receive()
        tap.equal(reply["return"]["status"], "running", f"after {text!r}")


def main():
    global MACHINE  # pylint: disable=global-statement
    tests = []
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/small", "wb") as file:
            file.truncate(1 << 20)
        with open(f"{folder}/text", "w", encoding="ascii") as file:
            file.write("This is no kernel.\n" * 200)
        kernel = f"{sys.argv[1]}/guest/vmlinuz"
        for args, words in COMMAND_LINES:
            tests.append((" ".join(args).replace("#", ""),
                          lambda a=args, w=words: command_line(a, w, folder)))
        have_kernel = os.path.exists(kernel)
        if have_kernel:
            with open(kernel, "rb") as file, open(f"{folder}/truncated", "wb") as out:
                out.write(file.read(1 << 20))
        for args, words in KERNELS:
            def kernel_case(a=args, w=words):
                if not have_kernel and ("KERNEL" in a or "TRUNCATED" in a):
                    raise tap.Skip(f"{kernel} is not there: 'make guest' makes it")
                command_line(a, w, folder)
            tests.append((" ".join(args), kernel_case))
        with machine.Machine() as MACHINE:
            for ident, size in (("used", 256 << 20), ("free", 256 << 20), ("big", 15 << 30)):
                MACHINE.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": ident,
                                                     "size": size, "reserve": False})
            MACHINE.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="used")
            for command, arguments, cls, words in QMP:
                tests.append((f"QMP {command} {arguments}",
                              lambda c=command, a=arguments, k=cls, w=words: qmp(c, a, k, w)))
            tests.append(("malformed JSON", malformed_json))
            tests.append(("names in errors", names_can_be_used))
            tap.run(tests)


main()

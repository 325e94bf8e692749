#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""QMP commands about machines, CPU models, guest memory and dumps."""
import os
import random
import shutil
import socket
import struct
import subprocess

import kdump
import machine
import vm

import tap

MIB = 1 << 20
GIB = 1 << 30
DIMM = 2 * MIB  # small: the dumps are written
KDUMPS = {"kdump-zlib": 1, "kdump-lzo": 2, "kdump-snappy": 4}  # and their numbers in these files


def fill(m, address, data):
    m(f"write {address:#x} {len(data):#x} 0x{data.hex()}")


# ---- machines, CPUs ----

def machines():
    with machine.Machine(cpus=2) as m:
        found = {info["name"]: info for info in m.qmp.command("query-machines")}
        tap.equal(found["pc-i440fx-7.2"],
                  {"name": "pc-i440fx-7.2", "alias": "pc", "is-default": True, "cpu-max": 255,
                   "hotpluggable-cpus": True, "numa-mem-supported": False, "deprecated": False,
                   "default-cpu-type": "qemu64-x86_64-cpu", "default-ram-id": "pc.ram"})
        tap.equal(found["none"], {"name": "none", "cpu-max": 1, "hotpluggable-cpus": False,
                                  "numa-mem-supported": False, "deprecated": False, "default-ram-id": "ram"})
        tap.equal(m.qmp.command("query-current-machine"), {"wakeup-suspend-support": True})
        m.qmp.refused("not suspended", "system_wakeup")
        cpus = m.qmp.command("query-cpus-fast")
        tap.equal([(c["cpu-index"], c["props"], c["target"]) for c in cpus],
                  [(i, {"node-id": 0, "socket-id": 0, "core-id": i, "thread-id": 0}, "x86_64")
                   for i in range(2)])
        for cpu in cpus:
            tap.equal(m.qmp.execute({"execute": "qom-get", "arguments": {
                "path": cpu["qom-path"], "property": "core-id"}}), cpu["props"]["core-id"])


def hotpluggable_cpus():
    with machine.Machine(extra=["-smp", "2,maxcpus=8,sockets=1,dies=2,cores=2,threads=2",
                                "-cpu", "max,-nx"]) as m:
        places = m.qmp.command("query-hotpluggable-cpus")
        running = [c["qom-path"] for c in m.qmp.command("query-cpus-fast")]
        tap.equal(len(places), 8)
        tap.equal([p.get("qom-path") for p in places], [None] * 6 + running[::-1], "the last place comes first")
        tap.equal(places[0], {"type": "max-x86_64-cpu", "vcpus-count": 1, "props": {
            "node-id": 0, "socket-id": 0, "die-id": 1, "core-id": 1, "thread-id": 1}})


LAST_LEAVES = ("level", "xlevel", "xlevel2")


def cpu_models():
    with machine.Machine() as m:
        models = {d["name"]: d for d in m.qmp.command("query-cpu-definitions")}
        tap.equal(models["qemu64"],
                  {"name": "qemu64", "migration-safe": True, "static": False, "deprecated": False,
                   "unavailable-features": [], "typename": "qemu64-x86_64-cpu", "alias-of": "qemu64-v1"})
        tap.equal((models["Haswell-noTSX"]["alias-of"], "alias-of" in models["Haswell-v2"]), ("Haswell-v2", False))
        tap.equal("avx512f" in models["Skylake-Server"]["unavailable-features"], True)
        tap.equal((models["max"]["migration-safe"], models["base"]["static"]), (False, True))

        def expand(kind, name, **props):
            reply = m.qmp.execute({"execute": "query-cpu-model-expansion", "arguments": {
                "type": kind, "model": {"name": name, "props": props}}})
            return reply["model"]["name"], reply["model"]["props"]

        tap.equal(models["host"]["unavailable-features"], ["kvm"])
        for name in models.keys() - {"host"}:
            full_name, full = expand("full", name)
            tap.equal(full_name, name)
            static_name, static = expand("static", name)
            full.pop("host-cache-info", None)
            # Last leaves are not among them: they follow from the features.
            tap.equal((static_name, static), ("base", {prop: value for prop, value in full.items() if prop not in LAST_LEAVES}), name)
            tap.equal(expand("full", "base", **static), ("base", full), f"{name} as base")
        full = expand("full", "qemu64")[1]
        tap.equal((full["sse3"], full["avx512f"], full["lm"], full["family"]), (True, False, True, 15))
        tap.equal(expand("full", "qemu64", sse3=False)[1]["sse3"], False)
        tap.equal([name for name, value in expand("full", "base")[1].items() if value is True], ["full-cpuid-auto-level", "l3-cache"])

        def model(**members):
            return {"type": "full", "model": members}
        m.qmp.refused("'host' needs the kvm engine", "query-cpu-model-expansion", **model(name="host"))
        m.qmp.refused("no CPU model 'z80'", "query-cpu-model-expansion", **model(name="z80"))
        m.qmp.refused("is a name alone", "query-cpu-model-expansion", **model(name="max,-nx"))
        m.qmp.refused("no CPU feature 'warp'", "query-cpu-model-expansion",
                **model(name="max", props={"warp": False}))
        m.qmp.refused("true or false", "query-cpu-model-expansion",
                **model(name="max", props={"nx": [1]}))
        # What a model consists of, whether it can be had here or not.
        tap.equal(expand("full", "Skylake-Server")[1]["avx512f"], True)
        tap.equal(expand("full", "max", avx512f=True)[1]["avx512f"], True)
        m.qmp.refused("must be an object", "query-cpu-model-expansion", **model(name="max", props=[]))


def type_properties():
    with machine.Machine() as m:
        props = {p["name"]: p for p in m.qmp.command("qom-list-properties", typename="pc-dimm")}
        tap.equal(props["slot"]["type"], "int32")
        tap.equal(props["realized"]["type"], "bool")
        tap.equal("reserve" in {p["name"] for p in m.qmp.command(
            "qom-list-properties", typename="memory-backend-file")}, True)
        tap.equal("memory" in {p["name"] for p in m.qmp.command(
            "qom-list-properties", typename="none-machine")}, True)
        m.qmp.refused("no type 'warp'", "qom-list-properties", typename="warp")


# ---- actions ----

def actions():
    with machine.Machine() as m:
        m.qmp.command("set-action")
        m.qmp.command("set-action", shutdown="pause", panic="none", watchdog="inject-nmi")
        m.write("w", 0x604, 1 << 13)  # the guest switches itself off: S5
        m.qmp.event("SHUTDOWN", reason="guest-shutdown")
        tap.equal(m.qmp.command("query-status")["status"], "shutdown")
        m.qmp.refused("cannot go on", "cont")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(m.qmp.command("query-status"),
                  {"running": False, "singlestep": False, "status": "prelaunch"})
        m.qmp.command("cont")
        m.qmp.command("set-action", reboot="shutdown", shutdown="poweroff")
        m.qmp.refused("pause", "set-action", panic="run")
        m.write("b", 0x64, 0xFE)  # the guest resets itself
        m.qmp.event("SHUTDOWN", reason="guest-reset")
        tap.equal(m.process.wait(vm.LONG), 0)


def reset_then_cont():
    """What libvirt sends when a guest that it reboots has switched itself off: the reset has been done
    when the next command looks at the run state, however soon that comes."""
    with machine.Machine(extra=["-no-shutdown"]) as m:
        for _ in range(50):
            m.write("w", 0x604, 1 << 13)
            m.qmp.event("SHUTDOWN", reason="guest-shutdown")
            m.qmp.send(b'{"execute": "system_reset"}{"execute": "query-status"}{"execute": "cont"}')
            replies = []
            while len(replies) < 3:
                reply = m.qmp.receive()
                if "event" not in reply:
                    replies.append(reply)
            tap.equal([list(reply) for reply in replies], [["return"]] * 3, str(replies))
            tap.equal(replies[1]["return"]["status"], "prelaunch")
            tap.equal(m.qmp.command("query-status")["status"], "running")


def nmi():
    with machine.Machine() as m:
        m.qmp.command("inject-nmi")
    with machine.Machine(memory="0", extra=["-machine", "none"]) as m:
        m.qmp.refused("no CPU", "inject-nmi")
        m.qmp.refused("no CPU", "memsave", val=0, size=1, filename=f"{m.dir}/out")
        m.qmp.refused("no places for CPUs", "query-hotpluggable-cpus")
        m.qmp.refused("no RAM", "dump-guest-memory", paging=False, protocol=f"file:{m.dir}/out")
        tap.equal(os.path.exists(f"{m.dir}/out"), False)
        tap.equal(m.qmp.command("query-cpus-fast"), [])


# ---- memory to a file ----

def save():
    with machine.Machine(memory="1M", cpus=2) as m:
        out = f"{m.dir}/out"
        fill(m, 0x1FFE, b"\x01\x02\x03\x04")
        m.qmp.command("memsave", val=0x1FFF, size=2, filename=out, **{"cpu-index": 1})
        with open(out, "rb") as file:
            tap.equal(file.read(), b"\x02\x03")
        tap.equal(os.stat(out).st_mode & 0o777, 0o600)
        fill(m, MIB - 1, b"\x55")
        m.qmp.command("pmemsave", val=MIB - 1, size=4096, filename=out)
        with open(out, "rb") as file:
            tap.equal(file.read(), b"\x55" + bytes(4095), "zeros where no RAM is")
        os.unlink(out)
        with open(out, "wb") as file:
            socket.send_fds(m.qmp.sock, [b'{"execute": "add-fd"}'], [file.fileno()])
        number = m.qmp.receive()["return"]["fdset-id"]
        m.qmp.command("memsave", val=0x1FFE, size=4, filename=f"/dev/fdset/{number}")
        with open(out, "rb") as file:
            tap.equal(file.read(), b"\x01\x02\x03\x04", "into a descriptor that a client passed")
        m.qmp.refused("cannot write", "memsave", val=0, size=1, filename="/dev/fdset/77")
        os.unlink(out)
        # 1 TiB that has no RAM but the last 64 KiB below 4 GiB: a sparse file
        m.qmp.command("pmemsave", val=16 * MIB, size=1 << 40, filename=out)
        tap.equal(os.stat(out).st_size, 1 << 40)
        tap.equal(os.stat(out).st_blocks * 512 < MIB, True, "holes take no room")
        os.unlink(out)
        m.qmp.refused("no RAM is mapped at linear address 0x100000", "memsave", val=MIB - 16, size=32,
                filename=out)
        m.qmp.refused("no RAM is mapped at linear address 0xffffffff80000000", "memsave", val=-(1 << 31),
                size=1, filename=out)
        m.qmp.refused("from 0 to 1, not 2", "memsave", val=0, size=1, filename=out, **{"cpu-index": 2})
        m.qmp.refused("from 0 to 1, not -1", "memsave", val=0, size=1, filename=out, **{"cpu-index": -1})
        for command in ("memsave", "pmemsave"):
            m.qmp.refused("'size'", command, val=0, size=0, filename=out)
            m.qmp.refused("'size'", command, val=0, size=-1, filename=out)
            m.qmp.refused("No such file", command, val=0, size=1, filename=f"{m.dir}/none/out")
            os.mkfifo(f"{m.dir}/fifo")
            m.qmp.refused("nobody reads", command, val=0, size=1, filename=f"{m.dir}/fifo")
            os.unlink(f"{m.dir}/fifo")
            m.qmp.refused("has no places", command, val=0, size=1, filename="/dev/ptmx")
            m.qmp.command(command, val=0, size=4096, filename="/dev/null")
        m.qmp.refused("'val'", "pmemsave", val=-1, size=1, filename=out)
        m.qmp.refused("cannot make the file", "pmemsave", val=0, size=(1 << 63) - 1, filename=out)
        tap.equal(os.path.exists(out), False, "nothing is left of what failed")


# ---- dumps ----

class Elf:
    """A core file: segments [(type, offset, vaddr, paddr, filesz)], notes [(name, type, data)]."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        head = struct.unpack_from("<16sHHIQQQIHHHHHH", self.data)
        tap.equal((head[0][:7], head[1], head[2]), (b"\x7fELF\x02\x01\x01", 4, 62), "ELF64 core, x86-64")
        phoff, phnum = head[5], head[10]
        tap.equal(head[9], 56)
        self.loads = []
        for i in range(phnum):
            kind, _, offset, vaddr, paddr, filesz, memsz, _ = struct.unpack_from(
                "<IIQQQQQQ", self.data, phoff + 56 * i)
            tap.equal(filesz, memsz)
            if kind == 4:
                self.notes = self.parse_notes(self.data[offset:offset + filesz])
            else:
                self.loads.append((vaddr, paddr, filesz, offset))
        end = max(offset + size for _, _, size, offset in self.loads)
        tap.equal(len(self.data), end, "the file ends with its last segment")

    @staticmethod
    def parse_notes(data):
        notes = []
        while data:
            namesz, descsz, kind = struct.unpack_from("<III", data)
            desc = 12 + (namesz + 3 & ~3)
            notes.append((data[12:12 + namesz - 1].decode(), kind, data[desc:desc + descsz]))
            data = data[desc + (descsz + 3 & ~3):]
        return notes

    def at(self, address, length):
        for _, paddr, size, offset in self.loads:
            if paddr <= address < paddr + size:
                return self.data[offset + address - paddr:][:length]
        return None


def check_notes(elf, cpus):
    tap.equal([(name, kind, len(data)) for name, kind, data in elf.notes],
              [("CORE", 1, 336), ("QEMU", 0, 440), ("CORE", 2, 512)] * cpus)
    for i, (_, _, data) in enumerate(elf.notes[::3]):
        tap.equal(struct.unpack_from("<I", data, 32)[0], i + 1, "thread id")
        rip, cs = struct.unpack_from("<QQ", data, 112 + 16 * 8)
        tap.equal((rip, cs), (0xFFF0, 0xF000), "after a reset")


def dump():
    """All RAM, DIMMs too, and only RAM."""
    with machine.Machine(memory="2M,slots=4,maxmem=64G", cpus=2) as m:
        out = f"{m.dir}/core"
        for i, addr in ((0, None), (1, 32 * GIB)):
            m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": f"m{i}",
                                           "size": DIMM})
            m.qmp.command("device_add", driver="pc-dimm", id=f"d{i}", memdev=f"m{i}",
                          **({"addr": addr} if addr else {}))
        dimms = [d["data"]["addr"] for d in m.qmp.command("query-memory-devices")]
        fill(m, 0x1234, b"low")
        for i, address in enumerate(dimms):
            fill(m, address + 77, b"dimm%d" % i)
        m.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{out}")
        total = 2 * MIB + 2 * DIMM + 65536
        wanted = {"status": "completed", "completed": total, "total": total}
        tap.equal(m.qmp.event("DUMP_COMPLETED")["data"], {"result": wanted})
        tap.equal(m.qmp.command("query-dump"), wanted)
        tap.equal(os.stat(out).st_mode & 0o777, 0o600)
        elf = Elf(out)
        tap.equal([(p, s) for v, p, s, o in elf.loads],
                  [(0, 2 * MIB), (4 * GIB - 65536, 65536), (dimms[0], DIMM), (32 * GIB, DIMM)])
        tap.equal(all(v == p for v, p, s, o in elf.loads), True)
        tap.equal(elf.at(0x1234, 3), b"low")
        tap.equal([elf.at(a + 77, 5) for a in dimms], [b"dimm0", b"dimm1"])
        check_notes(elf, 2)
        if shutil.which("readelf"):
            text = subprocess.run(["readelf", "-lnW", out], stdout=subprocess.PIPE, check=True,
                                  stderr=subprocess.STDOUT).stdout.decode()
            tap.equal((text.count("LOAD "), text.count("NT_PRSTATUS"), "arning" in text), (4, 2, False))
        os.unlink(out)
        # the CPUs have paging off: nothing is mapped
        m.qmp.command("dump-guest-memory", paging=True, protocol=f"file:{out}")
        tap.equal([v for v, p, s, o in Elf(out).loads], [0] * 4)


def dump_part():
    with machine.Machine(memory="2M") as m:
        out = f"{m.dir}/core"
        m.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{out}", begin=0x1000,
                      length=0x2000, format="elf")
        tap.equal([x[:3] for x in Elf(out).loads], [(0x1000, 0x1000, 0x2000)])
        m.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{out}", begin=2 * MIB - 5,
                      length=(1 << 63) - 1)
        tap.equal([x[1:3] for x in Elf(out).loads], [(2 * MIB - 5, 5), (4 * GIB - 65536, 65536)])


def no_acpi():
    with machine.Machine(memory="64M,slots=2,maxmem=1G", extra=["-no-acpi"]) as m:
        m.qmp.refused("ACPI", "query-acpi-ospm-status")


def dump_errors():
    with machine.Machine(memory="2M") as m:
        out = f"{m.dir}/core"
        tap.equal(m.qmp.command("query-dump"), {"status": "none", "completed": 0, "total": 0})
        tap.equal(m.qmp.command("query-dump-guest-memory-capability"), {"formats": ["elf", *KDUMPS]})

        def wrong(text, protocol=f"file:{out}", paging=False, **arguments):
            m.qmp.refused(text, "dump-guest-memory", paging=paging, protocol=protocol, **arguments)
            tap.equal(os.path.exists(out), False, "nothing is left of what failed")
            tap.equal(m.qmp.command("query-status")["running"], True)
        wrong("file:PATH", protocol=out)
        wrong("nosuch", protocol="fd:nosuch")
        wrong("No such file", protocol=f"file:{m.dir}/none/core")
        wrong("'length' is missing", begin=0)
        wrong("'begin' is missing", length=1)
        wrong("need paging: false", paging=True, begin=0, length=1)
        wrong("from 1 on", begin=0, length=0)
        wrong("from 0 on", begin=-1, length=5)
        wrong("no RAM between", begin=16 * MIB, length=MIB)
        for name in KDUMPS:
            wrong("for format elf", format=name, paging=True)
            wrong("for format elf", format=name, begin=0, length=MIB)
            wrong("for format elf", format=name, length=MIB)
        wrong("Windows guest", format="win-dmp")
        wrong("elf", format="nosuch")
        with open(out, "w", encoding="ascii") as file:
            file.write("what was here")
        m.qmp.refused("no RAM between", "dump-guest-memory", paging=False, protocol=f"file:{out}", begin=16 * MIB, length=MIB)
        with open(out, encoding="ascii") as file:
            tap.equal(file.read(), "what was here")
        os.unlink(out)
        tap.equal("STOP" in [event["event"] for event in m.qmp.drain()], False, "it was stopped")
        wrong("No space left", protocol="file:/dev/full")
        event = m.qmp.event("DUMP_COMPLETED")["data"]
        tap.equal((event["result"]["status"], "No space left" in event["error"]), ("failed", True))
        tap.equal(m.qmp.command("query-dump")["status"], "failed")


def make_pages(m, address):
    """Six pages from there on: text, noise, zeros, one byte, zeros, noise."""
    noise = random.Random(1).randbytes(4096)
    for i, data in enumerate((b"text " * 800, noise, b"", b"!", b"", noise[::-1])):
        if data:
            fill(m, address + 4096 * i, data)


def compare_dumps(kdump_path, elf_path):
    """Every page of one is in the other, and equal. Returns the first, read."""
    read, elf = kdump.Kdump(kdump_path), Elf(elf_path)
    numbers = set()
    for _, address, size, _ in elf.loads:
        numbers |= set(range(address // 4096, (address + size) // 4096))
    tap.equal(set(read.pages) == numbers, True, "the same pages are there")
    tap.equal([hex(i) for i in sorted(numbers) if read.pages[i] != elf.at(i * 4096, 4096)], [], "pages that differ")
    tap.equal(Elf.parse_notes(read.notes), elf.notes)
    return read


def dump_kdump(name, method):
    """Read by a reader of our own, page by page; and by makedumpfile and libkdumpfile, if they are there."""
    with machine.Machine(memory="4M,slots=1,maxmem=64G", cpus=2) as m:
        elf, out, plain = (f"{m.dir}/{x}" for x in ("elf", "kdump", "plain"))
        m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m0", "size": DIMM})
        m.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m0", addr=32 * GIB)
        for address in (MIB, 32 * GIB):
            make_pages(m, address)
        m.qmp.command("stop")
        m.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{elf}")
        m.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{out}", format=name)
        total = 4 * MIB + DIMM + 65536
        tap.equal(m.qmp.command("query-dump"), {"status": "completed", "completed": total, "total": total})
        read = compare_dumps(out, elf)
        tap.equal((read.machine, read.method, read.cpus, read.max_mapnr), (b"x86_64", method, 2, (32 * GIB + DIMM) // 4096))
        pages = [256 + i for i in range(6)]
        tap.equal([read.flags[i] for i in pages], [method, 0, method, method, method, 0])
        tap.equal(read.places[pages[2]], read.places[pages[4]], "zeros are there once")
        if not shutil.which("makedumpfile"):
            raise tap.Skip("there is no makedumpfile")
        with open(out, "rb") as file:
            subprocess.run(["makedumpfile", "-R", plain], stdin=file, stdout=subprocess.DEVNULL, check=True)
        with open(plain, "rb") as file:
            tap.equal(file.read() == read.data, True, "makedumpfile makes the same file of it")
        if subprocess.run(["/usr/bin/python3", "-c", "import kdumpfile"], capture_output=True, check=False).returncode:
            raise tap.Skip("there is no libkdumpfile")
        code = ("import kdumpfile as k, sys; sys.stdout.buffer.write("
                "k.kdumpfile(sys.argv[1]).read(k.KDUMP_MACHPHYSADDR, int(sys.argv[2]), 4096 * 6))")
        for address in (MIB, 32 * GIB):
            got = subprocess.run(["/usr/bin/python3", "-c", code, plain, str(address)], capture_output=True, check=True)
            tap.equal(got.stdout == Elf(elf).at(address, 4096 * 6), True, "libkdumpfile reads it")


def dump_kdump_cut():
    """A backend's file that got shorter meanwhile is an error."""
    with machine.Machine(memory="4M,slots=1,maxmem=1G") as m:
        m.qmp.command("object-add", **{"qom-type": "memory-backend-file", "id": "m0", "size": DIMM,
                                       "mem-path": f"{m.dir}/memory", "share": True})
        m.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m0")
        os.truncate(f"{m.dir}/memory", DIMM // 2)
        for name in ("elf", *KDUMPS):
            m.qmp.refused("Bad address", "dump-guest-memory", paging=False, protocol=f"file:{m.dir}/out", format=name)
            tap.equal(os.path.exists(f"{m.dir}/out"), False, "nothing is left of what failed")
        tap.equal(m.qmp.command("query-status")["running"], True)


def dump_detached():
    """Into a pipe that is not read yet: the monitor goes on, the machine stands."""
    with machine.Machine(memory="8M,slots=1,maxmem=1G") as m:
        m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m0", "size": DIMM})
        m.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m0")
        address = m.qmp.command("query-memory-devices")[0]["data"]["addr"]
        fill(m, address, b"here")
        end, other_end = os.pipe()
        socket.send_fds(m.qmp.sock, [b'{"execute": "getfd", "arguments": {"fdname": "pipe"}}'], [other_end])
        os.close(other_end)
        m.qmp.receive()
        m.qmp.command("dump-guest-memory", paging=False, protocol="fd:pipe", detach=True)
        state = m.qmp.command("query-dump")
        tap.equal((state["status"], state["total"]), ("active", 8 * MIB + DIMM + 65536))
        tap.equal(state["completed"] < state["total"], True)
        tap.equal(m.qmp.command("query-status")["status"], "save-vm")
        m.qmp.refused("being written already", "dump-guest-memory", paging=False, protocol="file:/dev/null")
        m.qmp.refused("being written", "cont")
        m.qmp.refused("being written", "stop")
        # The guest gives the DIMM back meanwhile: it goes when its memory is in the dump.
        m.write("l", 0xA00, 0)
        m.write("b", 0xA14, 8)
        tap.equal(m.read("b", 0xA14), 0, "for the guest the slot is empty")
        m.qmp.refused("in use", "object-del", id="m0")
        m.qmp.refused("as soon as 'dump-guest-memory' is through", "device_del", id="d0", cancel=True)
        tap.equal([e for e in m.qmp.events if e["event"] == "DEVICE_DELETED"], [])
        with open(end, "rb") as pipe, open(f"{m.dir}/core", "wb") as file:
            shutil.copyfileobj(pipe, file)
        event = m.qmp.event("DUMP_COMPLETED")["data"]
        tap.equal((event["result"]["status"], "error" in event), ("completed", False))
        m.qmp.event("DEVICE_DELETED", device="d0")
        m.qmp.command("object-del", id="m0")
        tap.equal(Elf(f"{m.dir}/core").at(address, 4), b"here")
        tap.equal(m.qmp.command("query-status")["status"], "running")
        names = [e["event"] for e in m.qmp.events if e["event"] in ("STOP", "RESUME")]
        tap.equal(names[-2:], ["STOP", "RESUME"])
        # the reader vanishes
        end, other_end = os.pipe()
        socket.send_fds(m.qmp.sock, [b'{"execute": "getfd", "arguments": {"fdname": "pipe"}}'], [other_end])
        os.close(other_end)
        m.qmp.receive()
        m.qmp.command("dump-guest-memory", paging=False, protocol="fd:pipe", detach=True)
        os.close(end)
        event = m.qmp.event("DUMP_COMPLETED")["data"]
        tap.equal((event["result"]["status"], "Broken pipe" in event["error"]), ("failed", True))


def dump_and_reset(extra, before, after):
    """A reset waits until the dump is through, and then the machine is as a reset leaves it."""
    with machine.Machine(memory="8M", extra=extra) as m:
        fill(m, 0x1000, b"here")
        m.write("b", 0x70, 0x0f)
        end, other_end = os.pipe()
        socket.send_fds(m.qmp.sock, [b'{"execute": "getfd", "arguments": {"fdname": "pipe"}}'], [other_end])
        os.close(other_end)
        m.qmp.receive()
        m.qmp.command("dump-guest-memory", paging=False, protocol="fd:pipe", detach=True)
        m.qmp.command("system_reset")
        m.qmp.command("human-monitor-command", **{"command-line": "system_reset"})
        tap.equal(m.qmp.command("query-status")["status"], before)
        tap.equal([e for e in m.qmp.events if e["event"] == "RESET"], [])
        with open(end, "rb") as pipe, open(f"{m.dir}/core", "wb") as file:
            shutil.copyfileobj(pipe, file)
        tap.equal(m.qmp.event("DUMP_COMPLETED")["data"]["result"]["status"], "completed")
        m.qmp.event("RESET")
        tap.equal(Elf(f"{m.dir}/core").at(0x1000, 4), b"here")
        tap.equal(m.qmp.command("query-status")["status"], after)
        tap.equal(len([e for e in m.qmp.events if e["event"] == "RESET"]) <= 1, True, "resets")


# ---- -preconfig ----

def preconfig():
    with vm.Vm(machine.PROGRAM, memory="256M", accel="qtest", serial=False, extra=[
            "-preconfig", "-smp", "4,sockets=4"]) as m:
        tap.equal(m.qmp.command("query-status"),
                  {"running": False, "singlestep": False, "status": "prelaunch"})
        for command in ("query-cpus-fast", "stop", "cont", "system_reset", "query-machines",
                        "query-memory-devices"):
            m.qmp.refused("x-exit-preconfig", command)
        m.qmp.refused("no command 'warp'", "warp")
        places = m.qmp.command("query-hotpluggable-cpus")
        tap.equal([p["props"] for p in places],
                  [{"socket-id": i, "core-id": 0, "thread-id": 0} for i in reversed(range(4))])
        m.qmp.execute({"execute": "set-numa-node", "arguments": {
            "type": "node", "nodeid": 0, "cpus": [0, 3], "mem": 64 * MIB}})
        m.qmp.execute({"execute": "set-numa-node", "arguments": {
            "type": "node", "nodeid": 1, "mem": 192 * MIB}})
        m.qmp.execute({"execute": "set-numa-node", "arguments": {
            "type": "dist", "src": 0, "dst": 1, "val": 33}})
        m.qmp.execute({"execute": "set-numa-node", "arguments": {
            "type": "cpu", "node-id": 1, "socket-id": 2}})
        m.qmp.refused("nodeid=1", "set-numa-node", type="node", nodeid=1)
        m.qmp.refused("type", "set-numa-node", type="warp")
        m.qmp.refused("'nodeid'", "set-numa-node", type="node", nodeid="1")
        m.qmp.refused("'warp'", "set-numa-node", type="node", warp=1)
        m.qmp.command("x-exit-preconfig")
        m.qmp.event("RESUME")
        tap.equal(m.qmp.command("query-status")["status"], "running")
        tap.equal([c["props"]["node-id"] for c in m.qmp.command("query-cpus-fast")], [0, 0, 1, 0])
        m.qmp.refused("made already", "x-exit-preconfig")
        m.qmp.refused("-preconfig", "set-numa-node", type="node")


def preconfig_pipelined():
    """What follows x-exit-preconfig at once finds the machine made; -S holds."""
    with vm.Vm(machine.PROGRAM, memory="256M", accel="qtest", serial=False, extra=[
            "-preconfig", "-S"]) as m:
        m.qmp.send(b'{"execute": "x-exit-preconfig"}{"execute": "query-cpus-fast"}{"execute": "query-status"}')
        replies = [m.qmp.receive()["return"] for _ in range(3)]
        tap.equal((replies[0], len(replies[1]), replies[2]["status"]), ({}, 1, "prelaunch"))
        m.qmp.command("cont")


def preconfig_fails():
    with vm.Vm(machine.PROGRAM, memory="256M", accel="qtest", serial=False, extra=["-preconfig"]) as m:
        m.qmp.execute({"execute": "set-numa-node", "arguments": {"type": "node", "mem": MIB}})
        m.qmp.refused("add up to 1 MiB", "x-exit-preconfig")
        tap.equal(m.process.wait(vm.LONG), 1)
    for extra in (["-daemonize"], ["-machine", "dump-acpi=/nonexistent"]):
        status, text = machine.run_program("-preconfig", "-display", "none", *extra)
        tap.equal((status, "exclude each other" in text), (1, True), text)
    with vm.Vm(machine.PROGRAM, memory="256M", accel="qtest", serial=False, extra=["-preconfig"]) as m:
        m.qmp.command("quit")
        tap.equal(m.process.wait(vm.LONG), 0)


tap.run([
    ("machines", machines),
    ("places for CPUs", hotpluggable_cpus),
    ("CPU models", cpu_models),
    ("properties of types", type_properties),
    ("actions", actions),
    ("reset, then cont", reset_then_cont),
    ("NMI; a machine without CPUs", nmi),
    ("memsave and pmemsave", save),
    ("dump", dump),
    ("dump of a part", dump_part),
    *[(f"dump, {name}", lambda name=name, method=method: dump_kdump(name, method)) for name, method in KDUMPS.items()],
    ("dump of memory that is gone", dump_kdump_cut),
    ("no ACPI", no_acpi),
    ("dump: errors", dump_errors),
    ("dump, detached", dump_detached),
    ("dump, and a reset meanwhile", lambda: dump_and_reset([], "save-vm", "running")),
    ("dump and reset of a machine that stands", lambda: dump_and_reset(["-S"], "prelaunch", "prelaunch")),
    ("-preconfig", preconfig),
    ("-preconfig, pipelined", preconfig_pipelined),
    ("-preconfig fails", preconfig_fails),
])

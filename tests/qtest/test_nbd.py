#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The NBD server: clients of others (nbdinfo, nbdcopy, the reference's), and hostile ones. Usage: test_nbd.py BUILD-DIR"""
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import machine
import nbd_client
import tap
import vm

from nbd_client import Client

KIB, MIB = 1 << 10, 1 << 20
IMG = os.path.join(os.path.dirname(machine.PROGRAM), "tools/img/dimmable-img")


def execute(m, command, **arguments):
    return m.qmp.execute({"execute": command, "arguments": nbd_client.dashed(arguments)})


def refused(m, says, command, **arguments):
    m.qmp.refused(says, command, **nbd_client.dashed(arguments))


def hmp(m, line):
    return m.qmp.command("human-monitor-command", **{"command-line": line})


def content(path):
    with open(path, "rb") as file:
        return file.read()


@contextlib.contextmanager
def served(*extra, nodes=("null-co,node-name=n0,size=1M,read-zeroes=on",), **export):
    """A machine with a server at m.path, and its first node exported as "e"."""
    words = [word for node in nodes for word in ("-blockdev", node)]
    with machine.Machine(extra=[*words, *extra]) as m:
        m.path = f"{m.dir}/nbd"
        execute(m, "nbd-server-start", addr={"type": "unix", "data": {"path": m.path}})
        execute(m, "block-export-add", **{"type": "nbd", "id": "e", "name": "e", "node_name": "n0", **export})
        yield m


@contextlib.contextmanager
def image(size=8 * MIB):
    with tempfile.TemporaryDirectory(prefix="dimmable-nbd-") as folder:
        numbers = random.Random(3)
        with open(f"{folder}/disk", "wb") as file:
            file.truncate(size)
            for at in (0, size // 8 + 512, size // 2 - 777, size - 5000):
                file.seek(at)
                file.write(numbers.randbytes(5000))
        yield folder


def on_file(path):
    return f"raw,node-name=n0,discard=unmap,file.driver=file,file.filename={path}"


def uri(m, export="e"):
    return f"nbd+unix:///{export}?socket={m.path}"


def run(*words, status=0):
    """What it prints."""
    if not shutil.which(words[0]):
        raise tap.Skip(f"{words[0]} is not installed")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=vm.LONG)
    tap.equal(done.returncode, status, (words, done.stdout, done.stderr))
    return done.stdout


def alive(m):
    """The machine answers, and so does the server."""
    tap.equal(m.qmp.command("query-status")["status"], "running")
    with Client(m.path) as c:
        tap.equal(c.answers(nbd_client.ABORT), [(nbd_client.ACK, b"")])


# ---- commands ----

def commands():
    with machine.Machine(extra=["-blockdev", "null-co,node-name=n0", "-blockdev", "null-co,node-name=ro,read-only=on",
                                "-object", "iothread,id=t0"]) as m:
        path = f"{m.dir}/s"
        unix = {"type": "unix", "data": {"path": path}}
        refused(m, "no NBD server", "nbd-server-stop")
        refused(m, "no NBD server", "block-export-add", type="nbd", id="e", node_name="n0")
        refused(m, "no TLS credentials 't'", "nbd-server-start", addr=unix, tls_creds="t")
        refused(m, "cannot listen", "nbd-server-start", addr={"type": "unix", "data": {"path": "/nowhere/x"}})
        execute(m, "nbd-server-start", addr=unix)
        refused(m, "already", "nbd-server-start", addr=unix)
        for says, words in (("block node 'x'", {"id": "e", "node_name": "x"}), ("letters", {"id": "1 e", "node_name": "n0"}),
                            ("read-only", {"id": "e", "node_name": "ro", "writable": True}),
                            ("iothread 'x'", {"id": "e", "node_name": "n0", "iothread": "x"}),
                            ("fixed-iothread", {"id": "e", "node_name": "n0", "fixed_iothread": True}),
                            ("longer", {"id": "e", "node_name": "n0", "name": "x" * 4097})):
            refused(m, says, "block-export-add", **{"type": "nbd", **words})
        refused(m, "use nbd", "block-export-add", type="vhost-user-blk", id="e", node_name="n0")
        execute(m, "block-export-add", type="nbd", id="e", node_name="n0", name="a", iothread="t0", fixed_iothread=True)
        refused(m, "already", "block-export-add", type="nbd", id="e", node_name="n0", name="b")
        refused(m, "already", "block-export-add", type="nbd", id="f", node_name="n0", name="a")
        refused(m, "in use by export 'e'", "blockdev-del", node_name="n0")
        refused(m, "t0", "object-del", id="t0")
        execute(m, "nbd-server-add", device="n0", description="text", writable=True)
        tap.equal(execute(m, "query-block-exports"), [{"id": "e", "type": "nbd", "node-name": "n0", "shutting-down": False},
                                                      {"id": "n0", "type": "nbd", "node-name": "n0", "shutting-down": False}])
        tap.equal((execute(m, "query-block"), execute(m, "query-blockstats")), ([], []), "no drives")
        refused(m, "'x'", "block-export-del", id="x")
        refused(m, "'x'", "nbd-server-remove", name="x")
        execute(m, "nbd-server-remove", name="a")
        m.qmp.event("BLOCK_EXPORT_DELETED", id="e")
        execute(m, "object-del", id="t0")
        execute(m, "nbd-server-stop")
        m.qmp.event("BLOCK_EXPORT_DELETED", id="n0")
        tap.equal((execute(m, "query-block-exports"), os.path.exists(path)), ([], False))
        execute(m, "blockdev-del", node_name="n0")
        execute(m, "nbd-server-start", addr={"type": "inet", "data": {"host": "127.0.0.1", "port": "0"}})
        # The rest is the end of the program, with a server.


def by_hmp():
    with machine.Machine(extra=["-drive", "if=none,id=d0,driver=null-co,size=1M,read-zeroes=on", "-blockdev", "null-co,node-name=n0"]) as m:
        path = f"{m.dir}/s"
        tap.equal("no NBD server" in hmp(m, "nbd_server_add d0"), True)
        tap.equal("HOST:PORT" in hmp(m, "nbd_server_start x"), True)
        tap.equal("-a" in hmp(m, f"nbd_server_start -w unix:{path}"), True)
        tap.equal(hmp(m, f"nbd_server_start -a -w unix:{path}"), "")
        with Client(path) as c:
            tap.equal(c.go("d0")[1] & 2, 0, "it can be written")
            tap.equal("in use" in hmp(m, "nbd_server_remove d0"), True)
            tap.equal(hmp(m, "nbd_server_remove -f d0"), "")
            tap.equal(c.is_closed(), True)
        tap.equal(hmp(m, "nbd_server_add n0 other"), "")
        with Client(path) as c:
            tap.equal(c.go("other")[1] & 2, 2, "it cannot")
        tap.equal(hmp(m, "nbd_server_stop"), "")
        tap.equal("no NBD server" in hmp(m, "nbd_server_stop"), True)


def with_a_guests_disk():
    """Clients read what a guest writes; they may write only where the device shares."""
    with image() as folder, machine.Machine(extra=[
            "-blockdev", on_file(f"{folder}/disk"), "-device", "virtio-blk-pci,drive=n0,id=v0",
            "-blockdev", "null-co,node-name=n1", "-device", "virtio-blk-pci,drive=n1,share-rw=on"]) as m:
        m.path = f"{m.dir}/s"
        execute(m, "nbd-server-start", addr={"type": "unix", "data": {"path": m.path}})
        refused(m, "does not allow", "block-export-add", type="nbd", id="e", node_name="n0", writable=True)
        execute(m, "block-export-add", type="nbd", id="e", name="e", node_name="n0")
        execute(m, "block-export-add", type="nbd", id="f", node_name="n1", writable=True)
        run("nbdcopy", uri(m), f"{folder}/copy")
        tap.equal(content(f"{folder}/copy") == content(f"{folder}/disk"), True)
        tap.equal(len(execute(m, "query-block")), 2)


def without_a_medium():
    with machine.Machine(extra=["-drive", "if=none,id=cd,media=cdrom"]) as m:
        execute(m, "nbd-server-start", addr={"type": "unix", "data": {"path": f"{m.dir}/s"}})
        refused(m, "no medium", "nbd-server-add", device="cd")
        tap.equal(hmp(m, "nbd_server_start -a unix:x").count("already"), 1)


# ---- clients of others ----

def their_info():
    with image() as folder, contextlib.ExitStack() as stack:
        ours = json.loads(run(IMG, "map", "--output=json", "-f", "raw", f"{folder}/disk"))
        m = stack.enter_context(served(nodes=[on_file(f"{folder}/disk")], writable=True, name="disk", description="a text"))
        found = json.loads(run("nbdinfo", "--json", uri(m, "disk")))["exports"][0]
        tap.equal([found[key] for key in ("export-name", "description", "export-size", "is_read_only", "can_flush", "can_fua",
                                          "can_trim", "can_zero", "can_multi_conn", "can_df", "can_cache", "contexts",
                                          "block_size_minimum", "block_size_maximum")],
                  ["disk", "a text", 8 * MIB, False, True, True, True, True, True, True, True, ["base:allocation"], 1, 32 * MIB])
        tap.equal([e["export-name"] for e in json.loads(run("nbdinfo", "--json", "--list", uri(m, "")))["exports"]], ["disk"])
        theirs = json.loads(run("nbdinfo", "--map", "--json", uri(m, "disk")))
        tap.equal([(e["offset"], e["length"], e["type"]) for e in theirs],
                  [(e["start"], e["length"], 0 if e["data"] else 3) for e in ours])
        run("nbdinfo", uri(m, "other"), status=1)


def their_copies():
    for iothread in ((), ("-object", "iothread,id=t0")):
        with image() as folder:
            shutil.copy(f"{folder}/disk", f"{folder}/base")
            run(IMG, "create", "-q", "-f", "qcow2", "-b", f"{folder}/base", "-F", "raw", f"{folder}/q")
            node = f"qcow2,node-name=n0,discard=unmap,file.driver=file,file.filename={folder}/q"
            with served(*iothread, nodes=[node], writable=True, allocation_depth=True, **({"iothread": "t0"} if iothread else {})) as m:
                run("nbdcopy", uri(m), f"{folder}/copy")
                tap.equal(content(f"{folder}/copy") == content(f"{folder}/base"), True)
                tap.equal({e["type"] for e in json.loads(run("nbdinfo", "--map=qemu:allocation-depth", "--json", uri(m)))} <= {0, 2}, True)
                with open(f"{folder}/new", "wb") as file:
                    file.write(random.Random(9).randbytes(8 * MIB - MIB) + bytes(MIB))
                run("nbdcopy", "--flush", f"{folder}/new", uri(m))
                run("nbdcopy", uri(m), f"{folder}/back")
                tap.equal(content(f"{folder}/back") == content(f"{folder}/new"), True)
            run(IMG, "check", "-q", f"{folder}/q")
            run(IMG, "compare", "-f", "qcow2", "-F", "raw", f"{folder}/q", f"{folder}/new")


def the_references():
    with image() as folder, served(nodes=[on_file(f"{folder}/disk")], writable=True) as m:
        shutil.copy(f"{folder}/disk", f"{folder}/copy")
        run("qemu-img", "compare", "-f", "raw", uri(m), f"{folder}/copy")
        out = run("qemu-io", "-f", "raw", "-c", "write -P 5 0 1M", "-c", "write -z 1M 1M", "-c", "discard 2M 1M", "-c", "write -f -P 3 5M 64k",
                  "-c", "flush", "-c", "read -P 5 0 1M", "-c", "read -P 0 1M 1M", "-c", "read -P 3 5M 64k", uri(m))
        tap.equal("verification failed" in out, False, out)
        tap.equal((content(f"{folder}/disk")[:MIB], content(f"{folder}/disk")[MIB:2 * MIB]), (b"\5" * MIB, bytes(MIB)))
        run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", uri(m), uri(m))


def our_own():
    """One machine's disk is an export of another."""
    with image() as folder, served(nodes=[on_file(f"{folder}/disk")], writable=True) as m:
        shutil.copy(f"{folder}/disk", f"{folder}/copy")
        run(IMG, "compare", "-f", "raw", uri(m), f"{folder}/copy")
        with machine.Machine(extra=["-blockdev", f"nbd,node-name=x,server.type=unix,server.path={m.path},export=e",
                                    "-device", "virtio-blk-pci,drive=x"]) as other:
            tap.equal(execute(other, "query-block")[0]["inserted"]["image"]["virtual-size"], 8 * MIB)
            refused(m, "in use", "block-export-del", id="e")


# ---- byte by byte ----

def options():
    with served() as m, Client(m.path) as c:
        one = nbd_client
        tap.equal(c.answers(99)[0][0], one.UNSUPPORTED)
        tap.equal(c.answers(99, b"x" * 1000)[0][0], one.UNSUPPORTED)
        tap.equal(c.answers(one.TLS)[0][0], one.POLICY)
        tap.equal(c.answers(one.LIST, b"x")[0][0], one.INVALID)
        tap.equal(c.answers(one.LIST)[0], (one.SERVER, struct.pack(">I", 1) + b"e"))
        tap.equal(c.answers(one.STRUCTURED_REPLY, b"x")[0][0], one.INVALID)
        tap.equal(c.answers(one.SET_CONTEXT, c.contexts("e", "base:allocation"))[0][0], one.INVALID, "before structured replies")
        for data in (b"", b"\0\0\0", struct.pack(">I", 0xffffffff), struct.pack(">I", 1) + b"e", struct.pack(">I", 1) + b"e\0\2\0\1",
                     struct.pack(">I", 1) + b"e\0\0x", struct.pack(">I", 2) + b"e\0\0\0", struct.pack(">I", 5000) + b"e" * 5002):
            tap.equal(c.answers(one.GO, data)[-1][0], one.INVALID, data[:20])
        tap.equal(c.answers(one.GO, c.name("x"))[-1][0], one.UNKNOWN)
        tap.equal([kind for kind, _ in c.answers(one.INFO, c.name("e", *[3] * 1000, 77))], [one.INFO_REPLY] * 2 + [one.ACK])
        c.answers(one.STRUCTURED_REPLY)
        for data in (b"", c.contexts("e")[:-1], c.contexts("e", "base:")[:-1], struct.pack(">I", 1) + b"e" + struct.pack(">I", 0xffffffff)):
            tap.equal(c.answers(one.LIST_CONTEXT, data)[-1][0], one.INVALID, data)
        tap.equal(c.answers(one.LIST_CONTEXT, c.contexts("x"))[-1][0], one.UNKNOWN)
        for queries, count in (([], 1), (["base:"], 1), (["base:allocation"] * 500, 1), (["qemu:"], 0), (["x:y"], 0)):
            tap.equal(len(c.answers(one.LIST_CONTEXT, c.contexts("e", *queries))) - 1, count, queries)
        tap.equal(len(c.answers(one.SET_CONTEXT, c.contexts("e", "base:"))) - 1, 0, "a name is asked for")
        tap.equal(len(c.answers(one.SET_CONTEXT, c.contexts("e", "base:allocation"))) - 1, 1)
        tap.equal(c.go("e"), (MIB, 1 | 2 | 4 | 8 | 128 | 256 | 1024))
        c.request(nbd_client.DISCONNECT)
        tap.equal(c.is_closed(), True)


def old_ways():
    with served() as m:
        for flags, zeroes in ((0, 124), (1, 124), (3, 0)):
            with Client(m.path, flags) as c:
                c.option(nbd_client.EXPORT_NAME, b"e")
                tap.equal(struct.unpack(">QH", c.read(10))[0], MIB)
                tap.equal(c.read(zeroes), bytes(zeroes))
                c.request(nbd_client.READ, 0, 512, cookie=77)
                tap.equal(c.read(16 + 512), struct.pack(">IIQ", nbd_client.SIMPLE, 0, 77) + bytes(512))
                c.request(nbd_client.READ, MIB, 512, cookie=78)
                tap.equal(c.read(16), struct.pack(">IIQ", nbd_client.SIMPLE, 22, 78))
        with Client(m.path) as c:
            c.option(nbd_client.EXPORT_NAME, b"other")
            tap.equal(c.is_closed(), True)


def requests():
    with image() as folder, served(nodes=[on_file(f"{folder}/disk")], writable=True) as m, Client(m.path) as c:
        one, size = nbd_client, 8 * MIB
        c.go("e", context="base:allocation")
        data = content(f"{folder}/disk")
        c.request(one.READ, 1, 999, cookie=5)
        tap.equal(c.chunk(), (1, 1, 5, struct.pack(">Q", 1) + data[1:1000]))
        c.request(one.READ, 6000, 512)
        tap.equal(c.chunk(), (1, 2, 1, struct.pack(">QI", 6000, 512)), "zeros are a hole")
        c.request(one.READ, 6000, 512, flags=4)
        tap.equal(c.chunk(), (1, 1, 1, struct.pack(">Q", 6000) + bytes(512)), "not to be split")
        for number, words in ((22, (one.READ, size, 1)), (22, (one.READ, (1 << 64) - 1, 2)), (22, (one.READ, 0, 32 * MIB + 1)),
                              (28, (one.TRIM, size - 1, 2)), (28, (one.ZEROES, 0, 0xffffffff)), (22, (one.CACHE, size, 1)),
                              (22, (one.STATUS, 0, 0)), (22, (one.STATUS, size, 1)), (22, (99, 0, 0)), (22, (8, 0, 512))):
            tap.equal(c.error(*words), number, words)
        for command, flags in ((one.READ, 2), (one.WRITE, 4), (one.FLUSH, 2), (one.TRIM, 16), (one.ZEROES, 32), (one.WRITE, 16), (one.STATUS, 1), (one.READ, 0x8000)):
            tap.equal(c.error(command, 0, 512, data=bytes(512) if command == one.WRITE else b"", flags=flags), 22, (command, flags))
        tap.equal(c.error(one.WRITE, size - 1, 2, data=b"xx"), 28)
        for words, options in (((one.WRITE, 7, 3), {"data": b"abc"}), ((one.WRITE, 9000, 3), {"data": b"def", "flags": 1}), ((one.FLUSH,), {}),
                               ((one.TRIM, MIB, 64 * KIB), {}), ((one.ZEROES, 8, 1), {"flags": 2}), ((one.ZEROES, 9001, 1), {"flags": 1}),
                               ((one.CACHE, 0, size), {}), ((one.READ, 0, 0), {}), ((one.WRITE, 0, 0), {}), ((one.TRIM, size, 0), {})):
            tap.equal(c.error(*words, **options), 0, words)
        now = content(f"{folder}/disk")
        tap.equal((now[7:10], now[9000:9003], now[MIB:MIB + 64 * KIB]), (b"a\0c", b"d\0f", bytes(64 * KIB)))
        c.request(one.STATUS, 0, size)
        flags, kind, _, data = c.chunk()
        tap.equal((flags, kind, data[:4]), (1, 5, struct.pack(">I", 1)))
        tap.equal(sum(struct.unpack(f">{(len(data) - 4) // 4}I", data[4:])[::2]), size)
        c.request(one.STATUS, 0, size, flags=8)
        tap.equal(len(c.chunk()[3]), 12, "one extent is wanted")


def zeros_that_cost_less():
    """A client may want zeros only where they cost less than bytes: else nothing has changed."""
    fast = 16
    for options, backing, expected in (("compat=1.1", False, 0), ("compat=1.1", True, 0), ("compat=0.10", False, 0), ("compat=0.10", True, 95)):
        with image(MIB) as folder:
            run(IMG, "create", "-q", "-f", "qcow2", "-o", options, *(["-b", f"{folder}/disk", "-F", "raw"] if backing else []), f"{folder}/q", "1M")
            node = f"qcow2,node-name=n0,discard=unmap,file.driver=file,file.filename={folder}/q"
            with served(nodes=[node], writable=True) as m, Client(m.path) as c:
                tap.equal(c.go("e")[1] & 1 << 11, 1 << 11)
                tap.equal(c.error(nbd_client.WRITE, 0, 3 * 64 * KIB, data=b"x" * 3 * 64 * KIB), 0)
                for at, length, error in ((64 * KIB, 64 * KIB, expected), (64 * KIB, 128 * KIB, expected), (100, 512, 95)):
                    tap.equal(c.error(nbd_client.ZEROES, at, length, flags=fast), error, (options, backing, at, length))
                c.request(nbd_client.READ, 64 * KIB, 64 * KIB)
                data = c.chunk()
                tap.equal(data[1] if expected == 0 else data[3][8:] == b"x" * 64 * KIB, 2 if expected == 0 else True, (options, backing))
                c.request(nbd_client.READ, 0, 64 * KIB)
                tap.equal(c.chunk()[3][8:] == b"x" * 64 * KIB, True, "too little for that")
                tap.equal(c.error(nbd_client.ZEROES, 100, 512), 0)
    with served() as m, Client(m.path) as c:
        tap.equal(c.go("e")[1] & 1 << 11, 0, "it is only read")


def zeros_that_cost_less_while_a_job_copies():
    """What the job writes meanwhile to its own image is not meant."""
    with image(MIB) as folder:
        run(IMG, "create", "-q", "-f", "qcow2", f"{folder}/q", "1M")
        run(IMG, "create", "-q", "-f", "qcow2", "-o", "compat=0.10", "-b", f"{folder}/disk", "-F", "raw", f"{folder}/copy", "1M")
        nodes = [f"qcow2,node-name={name},file.driver=file,file.filename={folder}/{file}" for name, file in (("n0", "q"), ("n1", "copy"))]
        with served(nodes=nodes, writable=True) as m, Client(m.path) as c:
            c.go("e")
            execute(m, "blockdev-backup", job_id="j", device="n0", target="n1", sync="none")
            tap.equal(c.error(nbd_client.ZEROES, 0, MIB, flags=16), 0)
            tap.equal([job.get("error") for job in execute(m, "query-jobs")], [None])
            execute(m, "job-cancel", id="j")
        run(IMG, "compare", "-f", "qcow2", f"{folder}/q", f"{folder}/copy")


def what_is_not_allowed():
    """A read-only export is not written, a request beyond the end is not carried out, and the end stays where clients know it."""
    with served() as m, Client(m.path) as c:
        c.go("e")
        for words, data in (((nbd_client.WRITE, 0, 3), b"abc"), ((nbd_client.TRIM, 0, 512), b""), ((nbd_client.ZEROES, 0, 512), b"")):
            tap.equal(c.error(*words, data=data), 1, words)
        tap.equal(c.error(nbd_client.STATUS, 0, 512), 22, "nothing was negotiated")
    with image() as folder, served(nodes=[on_file(f"{folder}/disk")], writable=True) as m, Client(m.path) as c:
        c.go("e")
        size = os.path.getsize(f"{folder}/disk")
        refused(m, "export 'e'", "block_resize", node_name="n0", size=MIB)
        tap.equal(c.error(nbd_client.WRITE, size, 512, data=bytes(512)), 28)
        tap.equal(c.error(nbd_client.READ, size - 512, 1024), 22)
        tap.equal(os.path.getsize(f"{folder}/disk"), size)
        with Client(m.path) as other:
            tap.equal(other.go("e")[0], size)
    with image() as folder, served(nodes=[on_file(f"{folder}/disk")]) as m:
        execute(m, "block-export-del", id="e")
        execute(m, "block_resize", node_name="n0", size=MIB)
        tap.equal(os.path.getsize(f"{folder}/disk"), MIB)


def host_errors():
    """What the host refuses, the client hears of; it goes on."""
    rules = "inject-error.0.event=write_aio,inject-error.0.errno=28,inject-error.1.event=read_aio,inject-error.1.errno=5"
    with served(nodes=[f"blkdebug,node-name=n0,image.driver=null-co,image.size=1M,{rules}"], writable=True) as m, Client(m.path) as c:
        c.go("e", context="base:allocation")
        for _ in range(3):
            tap.equal(c.error(nbd_client.WRITE, 0, 512, data=bytes(512)), 28)
            tap.equal(c.error(nbd_client.READ, 0, 512), 5)
            tap.equal(c.error(nbd_client.ZEROES, 0, 512), 28)
            tap.equal(c.error(nbd_client.FLUSH), 0)


# ---- hostile ones ----

def garbage():
    """The server hangs up."""
    with served() as m:
        for data in (b"GET / HTTP/1.1\r\n\r\n" + bytes(64), bytes(4) + b"IHAVEOPX" + bytes(8), struct.pack(">I", 4), struct.pack(">I", 0xffffffff),
                     bytes(4) + b"IHAVEOPT" + struct.pack(">II", nbd_client.GO, 0xffffffff),
                     bytes(4) + b"IHAVEOPT" + struct.pack(">II", nbd_client.LIST, 65537)):
            with Client(m.path, None) as c:
                c.send(data)
                tap.equal(c.is_closed(), True, data[:20])
        for request in (struct.pack(">IHHQQI", 1, 0, 0, 0, 0, 0), struct.pack(">IHHQQI", nbd_client.REQUEST, 0, nbd_client.WRITE, 0, 0, 0xffffffff)):
            with Client(m.path) as c:
                c.go("e")
                c.send(request)
                tap.equal(c.is_closed(), True, request)
        alive(m)


def every_half_message():
    """Whoever leaves in the middle, at each place."""
    with image() as folder, served(nodes=[on_file(f"{folder}/disk")], writable=True) as m:
        go = struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", nbd_client.STRUCTURED_REPLY, 0)
        go += b"IHAVEOPT" + struct.pack(">II", nbd_client.GO, 7) + Client.name("e")
        whole = go + struct.pack(">IHHQQI", nbd_client.REQUEST, 0, nbd_client.WRITE, 1, 0, 64) + b"x" * 64
        for length in range(0, len(whole), 3):
            with Client(m.path, None) as c:
                c.send(whole[:length])
        alive(m)
        tap.equal(content(f"{folder}/disk")[:64] == b"x" * 64, False, "half a write is none")


def random_bytes():
    with image() as folder, served(nodes=[on_file(f"{folder}/disk")], writable=True) as m:
        numbers = random.Random(11)
        for _ in range(200):
            with Client(m.path) as c:
                if numbers.random() < 0.7:
                    c.go("e", structured=numbers.random() < 0.7, context=None)
                with contextlib.suppress(OSError):
                    for _ in range(numbers.randrange(1, 6)):
                        c.send(struct.pack(">IHHQQI", nbd_client.REQUEST, numbers.choice((0, 0, 1, 2, 4, 8, 255)), numbers.randrange(0, 10),
                                           1, numbers.choice((0, 512, 8 * MIB - 1, 1 << 63)), numbers.choice((0, 1, 512, 100000, 1 << 31))))
                        c.send(numbers.randbytes(numbers.randrange(0, 600)))
        alive(m)


def slow_readers():
    """Those who ask and do not read take a bounded memory, hold up nobody, and can be thrown out."""
    with image(64 * MIB) as folder, served(nodes=[on_file(f"{folder}/disk")]) as m:
        before = vm.resident(m.process.pid)
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(Client(m.path)) for _ in range(4)]
            for c in slow:
                c.go("e")
                c.sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        c.sock.send(struct.pack(">IHHQQI", nbd_client.REQUEST, 4, nbd_client.READ, 1, 0, 32 * MIB) * 100)
            with Client(m.path) as quick:
                quick.go("e")
                for _ in range(20):
                    tap.equal(quick.error(nbd_client.READ, 0, 4096), 0)
            alive(m)
            m.qmp.command("stop")
            m.qmp.command("cont")
            tap.equal((vm.resident(m.process.pid) - before) // KIB <= 4 * 64 + 64, True, (before, vm.resident(m.process.pid)))
            execute(m, "block-export-del", id="e", mode="hard")
        if machine.sanitizer() != "AddressSanitizer":  # which keeps what is freed for a while
            vm.wait_until(lambda: vm.resident(m.process.pid) - before < 40 * KIB, "memory comes back")


def many():
    """No more than there may be; others wait, until one goes."""
    with machine.Machine(extra=["-blockdev", "null-co,node-name=n0,size=1M"]) as m:
        m.path = f"{m.dir}/s"
        execute(m, "nbd-server-start", addr={"type": "unix", "data": {"path": m.path}}, max_connections=2)
        execute(m, "block-export-add", type="nbd", id="e", name="e", node_name="n0")
        with Client(m.path) as a, Client(m.path) as b, Client(m.path, None) as waits:
            a.go("e")
            b.go("e")
            waits.sock.settimeout(0.2)
            try:
                waits.read(18)
                raise AssertionError("a third one is served")
            except socket.timeout:
                pass
            a.sock.close()
            waits.sock.settimeout(vm.LONG)
            tap.equal(waits.read(8), b"NBDMAGIC")


def says_nothing():
    """A handshake that does not go on ends by itself; a client that has an export may be as silent as it likes."""
    with served() as m, Client(m.path) as quiet, Client(m.path) as c:
        quiet.go("e")
        tap.equal(c.is_closed(), True)
        tap.equal(quiet.error(nbd_client.READ, 0, 512), 0)


def killed():
    """kill -9 of a client that writes."""
    if not shutil.which("nbdcopy"):
        raise tap.Skip("nbdcopy is not installed")
    with image(64 * MIB) as folder:
        with open(f"{folder}/new", "wb") as file:
            file.write(random.Random(5).randbytes(MIB) * 64)
        run(IMG, "create", "-q", "-f", "qcow2", f"{folder}/q", "64M")
        with served(nodes=[f"qcow2,node-name=n0,discard=unmap,file.driver=file,file.filename={folder}/q"], writable=True) as m:
            for _ in range(5):
                with subprocess.Popen(["nbdcopy", f"{folder}/new", uri(m)], stderr=subprocess.DEVNULL) as copy:
                    vm.wait_until(lambda: os.stat(f"{folder}/q").st_blocks * 512 > MIB or copy.poll() is not None, "it writes")
                    copy.send_signal(signal.SIGKILL)
            alive(m)
            run("nbdcopy", f"{folder}/new", uri(m))
        run(IMG, "check", "-q", f"{folder}/q")
        run(IMG, "compare", "-f", "raw", "-F", "qcow2", f"{folder}/new", f"{folder}/q")


# ---- ends ----

def ends():
    """Requests that are under way are not lost when the export, the server or the program ends; clients are disconnected."""
    for end in ("block-export-del", "nbd-server-stop", "quit"):
        for iothread in (False, True):
            words = {"iothread": "t0"} if iothread else {}
            with served("-object", "iothread,id=t0", nodes=["null-co,node-name=n0,size=1M,latency-ns=200000000"], writable=True, **words) as m, \
                    contextlib.ExitStack() as stack:
                clients = [stack.enter_context(Client(m.path)) for _ in range(5)]
                for c in clients[1:]:
                    c.go("e")
                    for cookie in range(40):
                        c.request(nbd_client.WRITE, 0, 512, data=bytes(512), cookie=cookie)
                if end == "quit":
                    m.qmp.command("quit")
                    tap.equal(m.process.wait(vm.LONG), 0)
                else:
                    execute(m, end, **({"id": "e", "mode": "hard"} if end == "block-export-del" else {}))
                    m.qmp.event("BLOCK_EXPORT_DELETED", id="e")
                    execute(m, "blockdev-del", node_name="n0")
                for c in clients[1:]:
                    tap.equal(c.is_closed(), True, end)


def held():
    """The graph changes under a client that never stops asking."""
    with image() as folder:
        run(IMG, "create", "-q", "-f", "qcow2", f"{folder}/q", "8M")
        with served(nodes=[f"qcow2,node-name=n0,file.driver=file,file.filename={folder}/q"], writable=True) as m:
            with subprocess.Popen(["qemu-img", "bench", "-f", "raw", "-w", "-c", "2000000", "-d", "16", "-s", "4096", uri(m)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
                try:
                    for number in range(10):
                        execute(m, "blockdev-snapshot-sync", node_name="n0" if number == 0 else f"s{number - 1}",
                                snapshot_file=f"{folder}/s{number}", snapshot_node_name=f"s{number}")
                        m.qmp.command("stop")
                        m.qmp.command("cont")
                    tap.equal(client.poll(), None)
                finally:
                    client.kill()
            execute(m, "nbd-server-stop")
        run(IMG, "check", "-q", f"{folder}/s9")


def rounds():
    """Nothing is left of 100 servers and their clients."""
    with machine.Machine(extra=["-blockdev", "null-co,node-name=n0,size=1M", "-object", "iothread,id=t0"]) as m:
        path = f"{m.dir}/s"

        def one(number):
            execute(m, "nbd-server-start", addr={"type": "unix", "data": {"path": path}})
            execute(m, "block-export-add", type="nbd", id="e", name="e", node_name="n0", **({"iothread": "t0"} if number % 2 else {}))
            with Client(path) as a, Client(path):
                a.go("e")
                a.request(nbd_client.READ, 0, 4096)
                execute(m, "nbd-server-stop")

        def state():
            return len(os.listdir(f"/proc/{m.process.pid}/fd")), len(os.listdir(f"/proc/{m.process.pid}/task"))

        one(0)
        one(1)
        before = state()
        for number in range(100):
            one(number)
        vm.wait_until(lambda: state() <= before, f"descriptors and threads as before: {before}")


if __name__ == "__main__":
    tap.run([(function.__name__, function) for function in (
        commands, by_hmp, with_a_guests_disk, without_a_medium, their_info, their_copies, the_references, our_own, options, old_ways, requests,
        zeros_that_cost_less, zeros_that_cost_less_while_a_job_copies, what_is_not_allowed, host_errors, garbage, every_half_message, random_bytes, slow_readers, many, says_nothing, killed, ends,
        held, rounds)])

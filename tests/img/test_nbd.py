#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The NBD client, by dimmable-img: servers that are sound (nbdkit, the reference's), and others that are not.
Usage: test_nbd.py BUILD-DIR"""
import contextlib
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess

import certificates
import https_server
import img
import nbd_server
import tap
import vm

from img import MIB

NBDKIT, QEMU_NBD = (shutil.which(name) for name in ("nbdkit", "qemu-nbd"))


@contextlib.contextmanager
def nbdkit(folder, *words):
    """A server with these plugin and filters: the path of its socket."""
    if not NBDKIT:
        raise tap.Skip("nbdkit is not installed")
    path, pid = f"{folder}/socket", f"{folder}/pid"
    with subprocess.Popen([NBDKIT, "-f", "-U", path, "-P", pid, *words]) as server:
        try:
            vm.wait_until(lambda: os.path.exists(pid) or server.poll() is not None, "nbdkit")
            tap.equal(server.poll(), None, words)
            yield path
        finally:
            server.terminate()
            server.wait()
            for name in (path, pid):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)


def uri(path, export=""):
    return f"nbd+unix:///{export}?socket={path}"


def image(path, size=8 * MIB):
    numbers = random.Random(3)
    with open(path, "wb") as file:
        file.truncate(size)
        for at in (0, MIB + 512, 3 * MIB - 777, size - 5000):
            file.seek(at)
            file.write(numbers.randbytes(5000))


def content(path):
    with open(path, "rb") as file:
        return file.read()


# ---- sound servers ----

def names():
    with img.folder() as folder:
        image(f"{folder}/disk")
        with nbdkit(folder, "file", f"{folder}/disk") as path:
            for name, shown in ((uri(path), f"nbd+unix://?socket={path}"), (uri(path, "a%20b"), f"nbd+unix:///a%20b?socket={path}"),
                                (f"nbd:unix:{path}", f"nbd+unix://?socket={path}"),
                                (f"nbd:unix:{path}:exportname=x/y", f"nbd+unix:///x/y?socket={path}"),
                                (json.dumps({"driver": "nbd", "server": {"type": "unix", "path": path}, "export": "e"}).join(("json:", "")),
                                 f"nbd+unix:///e?socket={path}")):
                found = img.info(name)
                tap.equal((found["filename"], found["virtual-size"]), (shown, 8 * MIB), name)
        with socket.create_server(("localhost", 0)) as free:
            port = free.getsockname()[1]
        with subprocess.Popen([NBDKIT, "-f", "-i", "127.0.0.1", "-p", str(port), "-P", f"{folder}/pid", "null", "1M"]) as server:
            try:
                vm.wait_until(lambda: os.path.exists(f"{folder}/pid"), "nbdkit")
                for name in (f"nbd://127.0.0.1:{port}", f"nbd+tcp://127.0.0.1:{port}/x", f"nbd:127.0.0.1:{port}", f"nbd:127.0.0.1:{port}:exportname=x"):
                    tap.equal(img.info(name)["virtual-size"], MIB, name)
            finally:
                server.terminate()


def no_names():
    for name, says in (("nbd:", "nbd:HOST:PORT"), ("nbd:unix:", "path of a socket"), ("nbd:host", "nbd:HOST:PORT"),
                       ("nbd+unix:///x", "socket=PATH"), ("nbd+unix://host/x?socket=/y", "socket=PATH"),
                       ("nbd+unix:///x?sock=/y", "socket=PATH"), ("nbds://localhost/", "TLS takes options"), ("nbd://localhost:99999/", "no URI"),
                       ("nbd://localhost:1/?a=b", "nothing behind"), ("nbd+vsock://1:1/", "server.type=vsock"),
                       ("nbd://localhost:1/", "cannot connect to localhost:1"), (uri("/nowhere"), "cannot connect to '/nowhere': No such file"),
                       (uri("/" + "x" * 200), "too long")):
        img.fails("info", name, says=says)


def copies():
    """Data and holes, whatever the server can do, and whatever it cannot."""
    with img.folder() as folder:
        image(f"{folder}/disk")
        for words in ([], ["--filter=noextents"], ["--filter=nozero"], ["--filter=nozero", "zeromode=notrim"], ["--no-sr"],
                      ["--filter=blocksize-policy", "blocksize-minimum=4096", "blocksize-maximum=64K", "blocksize-error-policy=error"]):
            front = [word for word in words if word.startswith("--")]
            rest = [word for word in words if not word.startswith("--")]
            with nbdkit(folder, *front, "file", f"{folder}/disk", *rest) as path:
                img.run("convert", "-f", "raw", "-O", "qcow2", uri(path), f"{folder}/q")
            img.run("compare", "-f", "raw", "-F", "qcow2", f"{folder}/disk", f"{folder}/q")
            with open(f"{folder}/target", "wb") as file:
                file.truncate(8 * MIB)
            with nbdkit(folder, *front, "file", f"{folder}/target", *rest) as path:
                img.run("convert", "-n", "-f", "qcow2", "-O", "raw", f"{folder}/q", uri(path))
            tap.equal(content(f"{folder}/target") == content(f"{folder}/disk"), True, words)


def map_is_the_references():
    img.need_reference()
    with img.folder() as folder:
        image(f"{folder}/disk")
        with nbdkit(folder, "file", f"{folder}/disk") as path:
            tap.equal([{k: e[k] for k in ("start", "length", "zero", "data")} for e in
                       json.loads(img.run("map", "--output=json", uri(path)))],
                      [{k: e[k] for k in ("start", "length", "zero", "data")} for e in
                       json.loads(img.reference("map", "--output=json", uri(path)))])


def no_whole_blocks():
    """Requests of any place and length to a server that takes only whole blocks of 4 KiB."""
    with img.folder() as folder:
        image(f"{folder}/disk")
        wanted = bytearray(content(f"{folder}/disk"))
        numbers = random.Random(5)
        with nbdkit(folder, "--filter=blocksize-policy", "file", f"{folder}/disk", "blocksize-minimum=4096",
                    "blocksize-error-policy=error") as path:
            for _ in range(12):
                at, length = numbers.randrange(0, 8 * MIB - 70000), numbers.choice((512, 1024, 4096, 66048))
                data = numbers.randbytes(length)
                with open(f"{folder}/piece", "wb") as file:
                    file.write(data)
                wanted[at:at + length] = data
                img.run("convert", "-n", "-f", "raw", "--target-image-opts", f"{folder}/piece",
                        f"driver=raw,offset={at},size={length},file.driver=nbd,file.server.type=unix,file.server.path={path}")
        tap.equal(content(f"{folder}/disk") == bytes(wanted), True)


def reference_server():
    if not QEMU_NBD:
        raise tap.Skip("qemu-nbd is not installed")
    with img.folder() as folder:
        image(f"{folder}/disk")
        img.run("convert", "-f", "raw", "-O", "qcow2", f"{folder}/disk", f"{folder}/q")
        with subprocess.Popen([QEMU_NBD, "-k", f"{folder}/s", "-x", "name", "-t", "-f", "qcow2", "--discard=unmap", f"{folder}/q"]) as server:
            try:
                vm.wait_until(lambda: os.path.exists(f"{folder}/s"), "qemu-nbd")
                img.run("compare", "-f", "raw", f"{folder}/disk", uri(f"{folder}/s", "name"))
                img.fails("info", uri(f"{folder}/s", "other"), says="other")
            finally:
                server.terminate()


def read_only():
    with img.folder() as folder:
        image(f"{folder}/disk")
        with nbdkit(folder, "-r", "file", f"{folder}/disk") as path:
            img.fails("convert", "-n", "-f", "raw", "-O", "raw", f"{folder}/disk", uri(path), says="can only be read")
            tap.equal(img.info(uri(path))["virtual-size"], 8 * MIB)


# ---- servers that are not ----

class Garbage(nbd_server.Server):
    def talk(self):
        self.send(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)


class OldStyle(nbd_server.Server):
    def talk(self):
        self.send(b"NBDMAGIC", struct.pack(">QQI124x", 0x420281861253, self.size, 1))
        while self.request(*struct.unpack(">IHHQQI", self.read(28))):
            pass

    def do_read(self, cookie, offset, length, data):
        self.send(struct.pack(">IIQ", nbd_server.SIMPLE, 0, cookie), bytes(length))


class Hangs(nbd_server.Server):
    def talk(self):
        self.read(1)


class NoAnswer(nbd_server.Server):
    """Closes at the first request."""
    def request(self, *_words):
        return False


class HalfAnAnswer(nbd_server.Server):
    def do_read(self, cookie, offset, length, data):
        self.send(struct.pack(">IHHQI", nbd_server.STRUCTURED, 1, 1, cookie, length + 8), struct.pack(">Q", offset), bytes(length // 2))
        raise nbd_server.Gone


class OtherCookie(nbd_server.Server):
    def do_read(self, cookie, offset, length, data):
        super().do_read(cookie + 1, offset, length, data)


class Beyond(nbd_server.Server):
    """Data for another place."""
    def do_read(self, cookie, offset, length, data):
        self.chunk(cookie, 1, struct.pack(">Q", offset + length - 1) + b"x" * length)


class Before(nbd_server.Server):
    def do_read(self, cookie, offset, length, data):
        self.chunk(cookie, 1, struct.pack(">Q", (offset - 4096) % (1 << 64)) + b"x" * length)


class HugeChunk(nbd_server.Server):
    def do_read(self, cookie, offset, length, data):
        self.send(struct.pack(">IHHQIQ", nbd_server.STRUCTURED, 1, 1, cookie, 0xffffffff, offset))


class HugeHole(nbd_server.Server):
    def do_read(self, cookie, offset, length, data):
        self.chunk(cookie, 2, struct.pack(">QI", offset, 0xffffffff))


class WrongMagic(nbd_server.Server):
    def do_read(self, cookie, offset, length, data):
        self.send(struct.pack(">IIQ", 0x12345678, 0, cookie), bytes(length))


class Refuses(nbd_server.Server):
    def do_read(self, cookie, offset, length, data):
        self.chunk(cookie, 0x8001, struct.pack(">IH", 28, 0))


class Nothing(nbd_server.Server):
    """Says that it is done, without any data."""
    def do_read(self, cookie, offset, length, data):
        self.chunk(cookie, 0)


class Sized(nbd_server.Server):
    def __init__(self, path, size):
        self.size = size
        super().__init__(path)


class LongOption(nbd_server.Server):
    def export(self, option):
        self.send(struct.pack(">QIII", nbd_server.OPTION, option, 3, 0xfffffff0), bytes(100))


class Extents(nbd_server.Server):
    def __init__(self, path, data):
        self.data = data
        super().__init__(path)

    def do_status(self, cookie, offset, length, data):
        self.chunk(cookie, 5, self.data)


def refused_at_once():
    for make, says in ((Garbage, "agreement"), (Hangs, "does not answer"), (LongOption, "agreement"),
                       (lambda path: Sized(path, (1 << 64) - 1), ""), (lambda path: Sized(path, (1 << 63) - 1), "impossible size")):
        with img.folder() as folder, make(f"{folder}/s"):
            img.fails("info", uri(f"{folder}/s"), says=says)


def wrong_answers():
    """An error, and what is read is never more than there is."""
    for make in (NoAnswer, HalfAnAnswer, OtherCookie, Beyond, Before, HugeChunk, HugeHole, WrongMagic, Refuses):
        with img.folder() as folder, make(f"{folder}/s"):
            img.fails("convert", "-f", "raw", "-O", "raw", uri(f"{folder}/s"), f"{folder}/out", says="")


def old_style():
    with img.folder() as folder, OldStyle(f"{folder}/s"):
        img.run("convert", "-f", "raw", "-O", "raw", uri(f"{folder}/s"), f"{folder}/out")
        tap.equal(content(f"{folder}/out"), bytes(MIB))


def no_memory_of_ours():
    """What a server leaves out is zeros, or an error."""
    with img.folder() as folder, Nothing(f"{folder}/s"):
        if img.call(img.PROGRAM, "convert", "-f", "raw", "-O", "raw", uri(f"{folder}/s"), f"{folder}/out").status == 0:
            tap.equal(content(f"{folder}/out"), bytes(MIB))


def wrong_extents():
    one = struct.pack(">I", 1)
    for data in (one, one + struct.pack(">II", 0, 3), one + struct.pack(">II", 0xffffffff, 3), one + struct.pack(">II", 65536, 0xffffffff),
                 struct.pack(">III", 7, 4096, 3), one + struct.pack(">II", 4096, 0) * 2000, one + b"abc", b""):
        with img.folder() as folder, Extents(f"{folder}/s", data):
            result = img.call(img.PROGRAM, "map", "--output=json", uri(f"{folder}/s"))
            if result.status == 0:
                tap.equal(sum(entry["length"] for entry in json.loads(result.out)), MIB, data[:20])
            else:
                tap.equal((result.status, bool(result.errors)), (1, True), data[:20])


# ---- docs/nbd.md: other formats and places ----

def example(words, folder):
    """The line of the table that begins so, with our program, in @folder, where its files are."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/nbd.md"), encoding="utf-8") as file:
        line = next(line for line in file if line.startswith(f"| {words} | "))
    return [command.replace("dimmable-img", img.PROGRAM).replace("/run/", f"{folder}/") for command in re.findall(r"`([^`]*)`", line)]


def shell(command, folder):
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=vm.LONG)
    tap.equal(done.returncode, 0, (command, done.stdout, done.stderr))
    return done.stdout


def nbdkit_example(words, prepare, result="disk.raw", change=str):
    if not NBDKIT:
        raise tap.Skip("nbdkit is not installed")
    with img.folder() as folder:
        image(f"{folder}/disk.raw")
        wanted = prepare(folder) or content(f"{folder}/disk.raw")
        if result == "disk.raw":
            os.unlink(f"{folder}/disk.raw")
        shell(change(example(words, folder)[0]), folder)
        tap.equal(content(f"{folder}/{result}") == wanted, True, words)


def xz():
    nbdkit_example("xz", lambda folder: shell("xz -k disk.raw", folder) and None)


def gzip():
    nbdkit_example("gzip", lambda folder: shell("gzip -k disk.raw", folder) and None)


def tar():
    nbdkit_example("a file in a tar archive", lambda folder: shell("tar cf disks.tar disk.raw", folder) and None)


def partition():
    def prepare(folder):
        shell("printf 'label: dos\\nstart=2048,size=4096\\n' | /sbin/sfdisk -q disk.raw", folder)
        return content(f"{folder}/disk.raw")[MIB:3 * MIB]

    nbdkit_example("a partition", prepare, result="part.raw")


def copy_on_write():
    if not NBDKIT:
        raise tap.Skip("nbdkit is not installed")
    with img.folder() as folder:
        image(f"{folder}/disk.raw")
        tap.equal("8 MiB" in shell(example("what is written is kept nowhere", folder)[0], folder), True)


def by_curl(words, secure):
    if not NBDKIT:
        raise tap.Skip("nbdkit is not installed")
    with img.folder() as folder, img.folder() as remote:
        image(f"{remote}/disk.raw")
        if secure:
            certificates.make(f"{folder}/pki")
            shutil.copy(f"{folder}/pki/ca-cert.pem", f"{folder}/ca.pem")
        with https_server.serving(remote, [f"{folder}/pki/server-{part}.pem" for part in ("cert", "key")] if secure else None) as port:
            shell(example(words, folder)[0].replace("//localhost/", f"//localhost:{port}/"), folder)
        tap.equal(content(f"{folder}/disk.raw") == content(f"{remote}/disk.raw"), True)


def https():
    by_curl("https", True)


def http():
    by_curl("http", False)


def by_qemu_nbd(form):
    if not QEMU_NBD:
        raise tap.Skip("qemu-nbd is not installed")
    with img.folder() as folder:
        image(f"{folder}/source")
        shell(f"qemu-img convert -f raw -O {form} source disk.{form}", folder)
        serve, ours = example("vmdk", folder)
        with subprocess.Popen(serve.replace("vmdk", form).split(), cwd=folder) as server:
            try:
                vm.wait_until(lambda: os.path.exists(f"{folder}/disk.sock"), "qemu-nbd")
                shell(ours, folder)
            finally:
                server.terminate()
        tap.equal(content(f"{folder}/disk.raw")[:8 * MIB] == content(f"{folder}/source"), True, form)


def vmdk():
    by_qemu_nbd("vmdk")


def vdi():
    by_qemu_nbd("vdi")


# ---- dimmable-nbd ----

NBD = f"{os.path.dirname(os.path.dirname(img.PROGRAM))}/nbd/dimmable-nbd"


@contextlib.contextmanager
def serving(folder, *words):
    """It is there; a process."""
    with subprocess.Popen([NBD, "-k", f"{folder}/s", *words]) as process:
        try:
            vm.wait_until(lambda: os.path.exists(f"{folder}/s") or process.poll() is not None, "dimmable-nbd")
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def tool_serves():
    with img.folder() as folder:
        image(f"{folder}/disk")
        img.run("convert", "-f", "raw", "-O", "qcow2", f"{folder}/disk", f"{folder}/q")
        with serving(folder, "-t", "-e", "0", "-f", "qcow2", "-x", "a", "-D", "text", f"{folder}/q") as process:
            img.run("compare", "-f", "raw", uri(f"{folder}/s", "a"), f"{folder}/disk")
            with open(f"{folder}/new", "wb") as file:
                file.write(random.Random(1).randbytes(8 * MIB))
            img.run("convert", "-n", "-f", "raw", "-O", "raw", f"{folder}/new", uri(f"{folder}/s", "a"))
            if shutil.which("nbdcopy"):
                subprocess.run(["nbdcopy", uri(f"{folder}/s", "a"), f"{folder}/copy"], check=True, timeout=vm.LONG)
                tap.equal(content(f"{folder}/copy") == content(f"{folder}/new"), True)
            img.fails("info", f"{folder}/q", says="in use")
            process.terminate()
            tap.equal((process.wait(vm.LONG), os.path.exists(f"{folder}/s")), (0, False))
        img.run("compare", "-f", "qcow2", "-F", "raw", f"{folder}/q", f"{folder}/new")
        img.run("check", "-q", f"{folder}/q")
        with serving(folder, "-r", "--image-opts", f"driver=qcow2,file.driver=file,file.filename={folder}/q") as process:
            img.run("compare", "-f", "raw", uri(f"{folder}/s"), f"{folder}/new")
            tap.equal(process.wait(vm.LONG), 0, "it ends with its last client")


def on_the_disk():
    """What has to be on the disk when it is done is said so to the server, which then needs no flush; one that does not know that is told to
    flush, and so is a server of a qcow2 image, which writes more than one thing."""
    commands = ("write -f -P 1 0 4k", "write -z -f 64k 64k", "write -z -u -f 128k 64k", "write -P 2 1M 4k")
    for mode, form, words in (("native", "raw", {"Write": [("0x0", "1"), ("0x100000", "0")], "Zero": [("0x10000", "1"), ("0x20000", "1")], "Flush": 0}),
                              ("none", "raw", {"Write": [("0x0", "0"), ("0x100000", "0")], "Zero": [("0x10000", "0"), ("0x20000", "0")], "Flush": 3}),
                              ("native", "qcow2", {"Flush": 3})):
        with img.folder() as folder:
            log = f"{folder}/log"
            with nbdkit(folder, "--filter=log", "--filter=fua", "memory", "8M", f"logfile={log}", *(["fuamode=native"] if mode == "native" else [])) as path:
                if form == "qcow2":
                    img.run("create", "-f", "raw", f"{folder}/flat", "4M")
                    img.run("convert", "-f", "raw", "-O", "qcow2", f"{folder}/flat", f"{folder}/q")
                    img.run("convert", "-n", "-f", "raw", "-O", "raw", f"{folder}/q", uri(path))
                options = f"driver={form},file.driver=nbd,file.server.type=unix,file.server.path={path}"
                with serving(folder, "-t", "--image-opts", options) as process:
                    before = len(content(log))
                    subprocess.run(["qemu-io", "-t", "writeback", "-f", "raw", *[word for c in commands for word in ("-c", c)], uri(f"{folder}/s")], check=True,
                                   stdout=subprocess.DEVNULL, timeout=vm.LONG)
                    lines = [line for line in content(log)[before:].decode().splitlines() if " id=" in line]
                    process.terminate()
                    process.wait(vm.LONG)
            found = {name: [tuple(re.search(f"{key}=(\\w+)", line).group(1) for key in ("offset", "fua")) for line in lines if f" {name} id=" in line]
                     for name in ("Write", "Zero")}
            for name in words.keys() - {"Flush"}:
                tap.equal(found[name], words[name], f"{mode}, {form}: {lines}")
            flushes = [number for number, line in enumerate(lines) if " Flush id=" in line]
            last = max(number for number, line in enumerate(lines) if " Write id=" in line)
            tap.equal(len([number for number in flushes if number < last]) >= words["Flush"], True, lines)
            if not words["Flush"]:  # the one at the end of the client is not meant
                tap.equal([number for number in flushes if number < last], [], lines)


def copies_need_no_disk():
    """What is copied on the way of a write that has to be on the disk need not be there."""
    img.need_reference()
    with img.folder() as folder, img.folder() as other:
        log = f"{folder}/log"
        native = ("--filter=fua", "memory", "4M", "fuamode=native")
        with nbdkit(folder, "--filter=log", *native, f"logfile={log}") as path, nbdkit(other, "--filter=log", *native, f"logfile={other}/log") as disk:
            server = "{}.driver=raw,{}.file.driver=nbd,{}.file.server.type=unix,{}.file.server.path="
            options = "driver=copy-before-write," + ",".join(server.replace("{}", key) + at for key, at in (("file", disk), ("target", path)))
            with serving(folder, "-t", "--image-opts", options) as process:
                subprocess.run(["qemu-io", "-t", "writeback", "-f", "raw", "-c", "write -f -P 1 0 4k", uri(f"{folder}/s")], check=True,
                               stdout=subprocess.DEVNULL, timeout=vm.LONG)
                process.terminate()
                process.wait(vm.LONG)
        for where, fua in ((log, "0"), (f"{other}/log", "1")):
            found = re.findall(r" (?:Write|Zero) id=.* fua=(\w+)", content(where).decode())
            tap.equal(found, [fua], where)


def fast_zeros():
    """Who wants zeros only where they cost less than bytes is told so; a server behind it is asked, if it knows that."""
    img.need_reference()
    if not shutil.which("nbdinfo"):
        raise tap.Skip("nbdinfo is not installed")
    for mode in ("default", "none", "slow"):
        with img.folder() as folder:
            log = f"{folder}/log"
            with nbdkit(folder, "--filter=log", "--filter=nozero", "memory", "8M", f"logfile={log}", "zeromode=notrim", f"fastzeromode={mode}") as path:
                with serving(folder, "-t", "-e", "0", "--image-opts", f"driver=raw,file.driver=nbd,file.server.type=unix,file.server.path={path}") as process:
                    told = subprocess.run(["nbdinfo", "--json", uri(f"{folder}/s")], check=True, capture_output=True, timeout=vm.LONG).stdout
                    tap.equal(json.loads(told)["exports"][0]["can_fast_zero"], True)
                    for words, done in (("-n", mode == "default"), ("", True)):
                        img.write(uri(f"{folder}/s"), "write -P 1 0 1M", form="raw")
                        before = len(content(log))
                        result = img.call("qemu-io", "-f", "raw", "-c", f"write -z {words} 0 1M", uri(f"{folder}/s"))
                        tap.equal(result.status == 0, done, (mode, words, result.errors))
                        lines = [line for line in content(log)[before:].decode().splitlines() if " Zero id=" in line or " Write id=" in line]
                        tap.equal([" fast=1" in line for line in lines], [] if words and mode == "none" else [bool(words)], (mode, lines))
                        img.write(uri(f"{folder}/s"), f"read -P {0 if done else 1} 0 1M", form="raw")
                    process.terminate()
                    process.wait(vm.LONG)


def tool_in_the_background():
    with img.folder() as folder:
        image(f"{folder}/disk")
        words = [NBD, "--fork", "-t", "-f", "raw", "-k", f"{folder}/s", "--pid-file", f"{folder}/pid"]
        subprocess.run([*words, f"{folder}/disk"], check=True, timeout=vm.LONG)
        with open(f"{folder}/pid", encoding="ascii") as file:
            pid = int(file.read())
        try:
            tap.equal(img.info(uri(f"{folder}/s"))["virtual-size"], 8 * MIB)
        finally:
            os.kill(pid, 15)
        vm.wait_until(lambda: not os.path.exists(f"{folder}/pid"), "it ends")
        failed = subprocess.run([*words, f"{folder}/none"], capture_output=True, text=True, check=False, timeout=vm.LONG)
        tap.equal((failed.returncode, "No such file" in failed.stderr), (1, True), failed.stderr)


def tool_refuses():
    for words, says in (((), "IMAGE"), (("-f",), "-f"), (("--what", "x"), "--what"), (("-c", "/dev/nbd0", "x"), "nbd-client"), (("--tls-creds=x", "-f", "raw", "-r", img.PROGRAM), "no TLS credentials"), (("--object", "x", "y"), "TYPE,id=ID"),
                        (("-e", "x", "y"), "number"), (("--cache=x", "y"), "writeback"), (("-k", "/nowhere/s", "-r", "-f", "raw", img.PROGRAM), "cannot listen"),
                        (("-f", "qcow2", "-r", img.PROGRAM), "qcow2")):
        done = img.call(NBD, *words)
        tap.equal((done.status, says in done.errors), (1, True), (words, done.errors))
    tap.equal(img.call(NBD, "--version").out.startswith("qemu-nbd 7.2.0 (dimmable-nbd "), True)
    tap.equal("--export-name" in img.call(NBD, "--help").out, True)


if __name__ == "__main__":
    tap.run([(function.__name__, function) for function in (
        names, no_names, copies, map_is_the_references, no_whole_blocks, reference_server, read_only, refused_at_once,
        wrong_answers, old_style, no_memory_of_ours, wrong_extents, xz, gzip, tar, partition, copy_on_write, https, http, vmdk, vdi,
        tool_serves, on_the_disk, copies_need_no_disk, fast_zeros, tool_in_the_background, tool_refuses)])

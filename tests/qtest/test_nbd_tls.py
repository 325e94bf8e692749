#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS of NBD: certificates, keys and neither, with other programs at the other end. Usage: test_nbd_tls.py BUILD-DIR"""
import contextlib
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

import machine
import nbd_client
import tap
import vm

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../img"))
import certificates  # pylint: disable=wrong-import-position

MIB = 1 << 20
NBD = os.path.join(os.path.dirname(machine.PROGRAM), "tools/nbd/dimmable-nbd")


def call(*words):
    if not shutil.which(words[0]):
        raise tap.Skip(f"{words[0]} is not installed")
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=vm.LONG)


def works(*words):
    done = call(*words)
    tap.equal(done.returncode, 0, (words, done.stdout, done.stderr))
    return done.stdout


def fails(*words, says=""):
    done = call(*words)
    tap.equal((done.returncode != 0, says in done.stderr), (True, True), (words, done.stderr))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextlib.contextmanager
def folder():
    """With a disk of random bytes, certificates and keys."""
    with tempfile.TemporaryDirectory(prefix="dimmable-tls-") as name:
        with open(f"{name}/disk", "wb") as file:
            file.write(random.Random(5).randbytes(8 * MIB))
        certificates.make(f"{name}/pki")
        certificates.make(f"{name}/other")
        certificates.make_keys(f"{name}/keys.psk", "qemu", "alice")
        yield name


def same(path, other):
    with open(path, "rb") as one, open(other, "rb") as two:
        tap.equal(one.read() == two.read(), True, path)


@contextlib.contextmanager
def process(ready, *words):
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as server:
        try:
            vm.wait_until(lambda: ready() or server.poll() is not None, words[0])
            tap.equal(server.poll(), None, words)
            yield server
        finally:
            server.terminate()


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def credentials(kind, folder_, side, *more):
    return ",".join((f"tls-creds-{kind},id=t,dir={folder_},endpoint={side}", *more))


@contextlib.contextmanager
def our_server(name, kind, folder_, *more, port=None, objects=(), words=()):
    where = ("-p", str(port), "-b", "127.0.0.1") if port else ("-k", f"{name}/s")
    if not port:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{name}/s")
    with process((lambda: answers(port)) if port else (lambda: os.path.exists(f"{name}/s")),
                 NBD, "-t", "-e", "0", "-f", "raw", *where, "--object", credentials(kind, folder_, "server", *more), "--tls-creds", "t", *(word for text in objects for word in ("--object", text)), *words, f"{name}/disk") as server:
        yield server


# ---- our server ----

def certificates_for_our_server():
    with folder() as name:
        port = free_port()
        with our_server(name, "x509", f"{name}/pki", port=port):
            uri = f"nbds://localhost:{port}/?tls-certificates={name}/pki"
            tap.equal("with TLS" in works("nbdinfo", uri), True)
            works("nbdcopy", uri, f"{name}/copy")
            same(f"{name}/copy", f"{name}/disk")
            with open(f"{name}/new", "wb") as file:
                file.write(random.Random(6).randbytes(8 * MIB))
            works("nbdcopy", f"{name}/new", uri)
            works("nbdcopy", uri, f"{name}/copy")
            same(f"{name}/copy", f"{name}/new")
            fails("nbdinfo", f"nbd://localhost:{port}")
            fails("nbdinfo", f"nbds://localhost:{port}/?tls-certificates={name}/other")
            os.unlink(f"{name}/pki/client-cert.pem")
            fails("nbdinfo", uri)


def who_may_come():
    """tls-authz of our server, and of the program for images."""
    with folder() as name:
        certificates.client(f"{name}/pki", "other")
        certificates.folder_of(f"{name}/pki", "other", f"{name}/theirs")
        allowed, denied = (f"nbds+unix://localhost/?socket={name}/s&tls-certificates={name}/{who}&tls-hostname=localhost" for who in ("pki", "theirs"))
        rules = "authz-list,id=a,policy=deny,rules.0.match=CN=cl?ent,rules.0.policy=allow,rules.0.format=glob"
        with our_server(name, "x509", f"{name}/pki", objects=[rules], words=["--tls-authz", "a"]):
            works("nbdinfo", allowed)
            fails("nbdinfo", denied)
            works("nbdinfo", allowed)
        with machine.Machine(extra=["-object", credentials("x509", f"{name}/pki", "server"), "-object", rules, "-blockdev", f"raw,node-name=n0,file.driver=file,file.filename={name}/disk"]) as m:
            m.qmp.command("nbd-server-start", addr={"type": "unix", "data": {"path": f"{name}/s"}}, **{"tls-creds": "t", "tls-authz": "a"})
            m.qmp.execute({"execute": "block-export-add", "arguments": {"type": "nbd", "id": "e", "name": "", "node-name": "n0"}})
            works("nbdinfo", allowed)
            fails("nbdinfo", denied)
            tap.equal("the authorization 'a' does not let 'CN=other' in" in m.errors(), True, m.errors())


def any_client_may_come():
    with folder() as name:
        port = free_port()
        with our_server(name, "x509", f"{name}/pki", "verify-peer=off", port=port):
            for part in ("cert", "key"):
                os.unlink(f"{name}/pki/client-{part}.pem")
            works("nbdinfo", f"nbds://localhost:{port}/?tls-certificates={name}/pki")


def keys_for_our_server():
    with folder() as name:
        with our_server(name, "psk", name):
            works("nbdcopy", f"nbds+unix://alice@/?socket={name}/s&tls-psk-file={name}/keys.psk", f"{name}/copy")
            same(f"{name}/copy", f"{name}/disk")
            certificates.make_keys(f"{name}/wrong.psk", "alice")
            fails("nbdinfo", f"nbds+unix://alice@/?socket={name}/s&tls-psk-file={name}/wrong.psk")
            fails("nbdinfo", f"nbds+unix://bob@/?socket={name}/s&tls-psk-file={name}/keys.psk")


def the_references_clients():
    if not shutil.which("qemu-img"):
        raise tap.Skip("qemu-img is not installed")
    with folder() as name:
        for kind in ("x509", "psk", "anon"):
            port = free_port()
            files = f"{name}/pki" if kind == "x509" else name
            with our_server(name, kind, files, port=port):
                works("qemu-img", "convert", "--object", credentials(kind, files, "client"), "--image-opts", "-O", "raw",
                      f"driver=nbd,host=localhost,port={port},tls-creds=t", f"{name}/copy")
                same(f"{name}/copy", f"{name}/disk")


# ---- our client ----

def reads(blockdev, *objects):
    """What a machine has at the beginning of that node."""
    with machine.Machine(extra=[*(word for text in objects for word in ("-object", text)), "-blockdev", blockdev]) as m:
        copy = f"{m.dir}/copy"
        m.qmp.command("blockdev-create", **{"job-id": "c", "options": {"driver": "file", "filename": copy, "size": 8 * MIB}})
        vm.wait_until(lambda: m.qmp.command("query-jobs")[0]["status"] == "concluded", "a file")
        m.qmp.command("job-dismiss", id="c")
        m.qmp.command("blockdev-add", driver="file", filename=copy, **{"node-name": "to"})
        m.qmp.command("blockdev-backup", device="n0", target="to", sync="full", **{"job-id": "b"})
        m.qmp.event("BLOCK_JOB_COMPLETED", device="b")
        with open(copy, "rb") as file:
            return file.read()


def refuses(says, blockdev, *objects):
    words = [word for text in objects for word in ("-object", text)]
    done = subprocess.run([machine.PROGRAM, "-M", "none", "-display", "none", *words, "-blockdev", blockdev], capture_output=True, text=True, check=False, timeout=vm.LONG)
    tap.equal((done.returncode, says in done.stderr), (1, True), (says, done.stderr))


def node(port, *more, host="localhost"):
    return ",".join((f"nbd,node-name=n0,read-only=on,server.type=inet,server.host={host},server.port={port}", *more))


def nbdkit(name, port, *words):
    if not shutil.which("nbdkit"):
        raise tap.Skip("nbdkit is not installed")
    return process(lambda: answers(port), "nbdkit", "-f", "-i", "127.0.0.1", "-p", str(port), "--tls=require", *words, "file", f"{name}/disk")


def our_client_has_certificates():
    with folder() as name:
        port = free_port()
        with open(f"{name}/disk", "rb") as file:
            disk = file.read()
        with nbdkit(name, port, f"--tls-certificates={name}/pki", "--tls-verify-peer"):
            tap.equal(reads(node(port, "tls-creds=t", "tls-hostname=localhost"), credentials("x509", f"{name}/pki", "client")) == disk, True)
            refuses("TLS", node(port))
            refuses("", node(port, "tls-creds=t"), credentials("x509", f"{name}/other", "client"))
            refuses("libnbd looks", node(port, "tls-creds=t", "tls-hostname=x"), credentials("x509", f"{name}/pki", "client"))
            refuses("endpoint=client", node(port, "tls-creds=t"), credentials("x509", f"{name}/pki", "server"))
            refuses("no TLS credentials 'u'", node(port, "tls-creds=u"), credentials("x509", f"{name}/pki", "client"))
            refuses("anonymous", node(port, "tls-creds=t"), credentials("anon", name, "client"))
        certificates.make(f"{name}/named", host="elsewhere", address=False)
        port = free_port()
        with nbdkit(name, port, f"--tls-certificates={name}/named"):
            refuses("", node(port, "tls-creds=t"), credentials("x509", f"{name}/named", "client"))
            reads(node(port, "tls-creds=t"), credentials("x509", f"{name}/named", "client", "verify-peer=off"))


def our_client_has_a_key():
    with folder() as name:
        port = free_port()
        with open(f"{name}/disk", "rb") as file:
            disk = file.read()
        with nbdkit(name, port, f"--tls-psk={name}/keys.psk"):
            tap.equal(reads(node(port, "tls-creds=t"), credentials("psk", name, "client")) == disk, True)
            tap.equal(reads(node(port, "tls-creds=t"), credentials("psk", name, "client", "username=alice")) == disk, True)
            refuses("", node(port, "tls-creds=t"), credentials("psk", name, "client", "username=bob"))


def the_references_server():
    if not shutil.which("qemu-nbd"):
        raise tap.Skip("qemu-nbd is not installed")
    with folder() as name:
        port = free_port()
        with open(f"{name}/disk", "rb") as file:
            disk = file.read()
        with process(lambda: answers(port), "qemu-nbd", "-t", "-e", "0", "-f", "raw", "-b", "127.0.0.1", "-p", str(port), "-x", "",
                     "--object", credentials("x509", f"{name}/pki", "server"), "--tls-creds", "t", f"{name}/disk"):
            tap.equal(reads(node(port, "tls-creds=t"), credentials("x509", f"{name}/pki", "client")) == disk, True)


# ---- commands; who is not what he should be ----

def commands():
    with folder() as name, machine.Machine(extra=["-blockdev", "null-co,node-name=n0,size=1M,read-zeroes=on"]) as m:
        def refused(says, command, **arguments):
            try:
                m.qmp.command(command, **arguments)
            except vm.QmpError as error:
                tap.equal(says in error.desc, True, (says, error.desc))
            else:
                raise AssertionError(f"{command} {arguments} is taken")

        def add(kind, **more):
            m.qmp.command("object-add", **{"qom-type": f"tls-creds-{kind}", "id": "t", "dir": name, "endpoint": "server", **more})

        for says, words in (("No such file", {"qom-type": "tls-creds-x509", "dir": "/nowhere"}), ("dir=", {"qom-type": "tls-creds-psk"}),
                            ("priority", {"qom-type": "tls-creds-psk", "dir": name, "endpoint": "server", "priority": "WHAT"}),
                            ("no secret", {"qom-type": "tls-creds-x509", "dir": f"{name}/pki", "passwordid": "s"}),
                            ("username", {"qom-type": "tls-creds-psk", "dir": name, "endpoint": "server", "username": "x"})):
            refused(says, "object-add", id="t", **words)
        where = {"type": "unix", "data": {"path": f"{m.dir}/s"}}
        refused("no TLS credentials", "nbd-server-start", addr=where, **{"tls-creds": "t"})
        add("psk", priority="NORMAL:-VERS-TLS1.3")
        refused("no authorization 'x'", "nbd-server-start", addr=where, **{"tls-creds": "t", "tls-authz": "x"})
        refused("needs tls-creds", "nbd-server-start", addr=where, **{"tls-authz": "x"})
        m.qmp.command("nbd-server-start", addr=where, **{"tls-creds": "t"})
        refused("in use", "object-del", id="t")
        m.qmp.execute({"execute": "block-export-add", "arguments": {"type": "nbd", "id": "e", "name": "e", "node-name": "n0"}})
        uri = f"nbds+unix://alice@/e?socket={m.dir}/s&tls-psk-file={name}/keys.psk"
        tap.equal("1048576" in works("nbdinfo", uri), True)
        strangers(f"{m.dir}/s")
        works("nbdinfo", uri)
        m.qmp.command("nbd-server-stop")
        m.qmp.command("object-del", id="t")


def strangers(path):
    """Nothing but TLS is answered, and garbage in it harms nobody."""
    required = 1 << 31 | 5
    with nbd_client.Client(path) as c:
        for option, data in ((nbd_client.LIST, b""), (nbd_client.GO, c.name("e")), (nbd_client.STRUCTURED_REPLY, b""), (99, b"x")):
            tap.equal(c.answers(option, data)[0][0], required, option)
        tap.equal(c.answers(nbd_client.TLS, b"x")[0][0], nbd_client.INVALID)
        tap.equal(c.answers(nbd_client.TLS)[0][0], nbd_client.ACK)
        c.send(b"IHAVEOPT" + struct.pack(">II", nbd_client.LIST, 0) + random.Random(1).randbytes(1000))
        tap.equal(c.is_closed(), True)
    with nbd_client.Client(path) as c:
        c.option(nbd_client.EXPORT_NAME, b"e")
        tap.equal(c.is_closed(), True)
    with nbd_client.Client(path) as c:  # it goes in the middle
        tap.equal(c.answers(nbd_client.TLS)[0][0], nbd_client.ACK)
    with nbd_client.Client(path) as c:
        tap.equal(c.answers(nbd_client.ABORT)[0][0], nbd_client.ACK)


if __name__ == "__main__":
    tap.run([(function.__name__, function) for function in (
        certificates_for_our_server, who_may_come, any_client_may_come, keys_for_our_server, the_references_clients, our_client_has_certificates, our_client_has_a_key,
        the_references_server, commands)])

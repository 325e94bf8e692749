#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine goes by TLS, and its memory over several connections (multifd): what arrives, and what is refused."""
import contextlib
import fcntl
import os
import random
import socket
import struct
import sys
import tempfile
import termios
import threading
import zlib

import machine
import tap
import vm

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../img"))
import certificates  # pylint: disable=wrong-import-position

MIB = 1 << 20
DIMM = ["-object", "memory-backend-ram,id=m0,size=128M", "-device", "pc-dimm,id=d0,memdev=m0"]
MEMORY = "64M,slots=2,maxmem=1G"
AT_DIMM = 4 << 30
HELLO = struct.Struct("<8s16sII")
DEFER = ["-incoming", "defer"]


def start(extra=(), **options):
    return machine.Machine(memory=MEMORY, extra=["-S", *DIMM, *extra], **options)


def switch(m, *on):
    m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": name, "state": True} for name in on])


def params(m, **values):
    m.qmp.command("migrate-set-parameters", **{name.replace("_", "-"): value for name, value in values.items()})


def wait(m, *states):
    def info():
        found = m.qmp.command("query-migrate")
        return found.get("status") in states and found
    return vm.wait_until(info, f"the migration is {' or '.join(states)}")


def fails(call, *words):
    try:
        call()
    except vm.QmpError as error:
        tap.equal([word for word in words if word not in error.desc], [], error.desc)
        return
    raise AssertionError(f"it was not refused: {words}")


def fill(m, seed):
    """Pages that differ in both kinds of memory, beside those that are zero; where, and what."""
    rng, wanted = random.Random(seed), {}
    for base, size in ((MIB, 60 * MIB), (AT_DIMM, 128 * MIB)):
        m(f"memset {base:#x} {4 * MIB:#x} {seed & 0x7f | 1:#x}")
        for _ in range(60):
            at = base + rng.randrange(size // 8) * 8
            wanted[at] = rng.getrandbits(64) | 1
            m(f"writeq {at:#x} {wanted[at]:#x}")
    return wanted


def same(m, wanted):
    tap.equal({at: int(m(f"readq {at:#x}")[0], 0) for at in wanted}, wanted)


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="dimmable-mig-") as name:
        certificates.make(f"{name}/pki")
        certificates.client(f"{name}/pki", "other")
        certificates.folder_of(f"{name}/pki", "other", f"{name}/other")
        yield name


def creds(m, name, side, ident="t", **more):
    m.qmp.command("object-add", **{"qom-type": "tls-creds-x509", "id": ident, "dir": name, "endpoint": side, **more})


def moves(here, there, uri, wanted):
    here.qmp.command("migrate", uri=uri)
    info = wait(here, "completed", "failed")
    tap.equal(info["status"], "completed", str(info))
    wait(there, "completed")
    same(there, wanted)
    return info


@contextlib.contextmanager
def port():
    """Ours all the time: a program that says SO_REUSEADDR, too, can listen there."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


# ---- TLS ----

def follows(*names):
    """Memory that follows, with the capabilities @names, by TLS, over a connection that is lost at either end; who comes without a certificate gets nothing."""
    if not vm.memory_may_follow():
        raise tap.Skip("the host lets nobody wait for memory")
    with folder() as name, port() as number:
        uri = f"tcp:127.0.0.1:{number}"
        with start(DEFER) as there, start() as here:
            wanted = fill(here, 7)
            for m, side in (here, "client"), (there, "server"):
                creds(m, f"{name}/pki", side)
                params(m, tls_creds="t", tls_hostname="localhost")
                switch(m, "postcopy-ram", "events", *names)
            there.qmp.command("migrate-incoming", uri=uri)
            params(here, max_bandwidth=2 * MIB, max_postcopy_bandwidth=MIB)
            here.qmp.command("migrate", uri=uri)
            wait(here, "active")
            here.qmp.command("migrate-start-postcopy")
            wait(there, "postcopy-active")
            for end in here, there:
                end.qmp.command("migrate-pause")
                wait(here, "postcopy-paused")
                wait(there, "postcopy-paused")
                with socket.create_connection(("127.0.0.1", number), vm.LONG) as stranger:
                    stranger.sendall(b"DIMMABLE" * 100)
                    try:
                        tap.equal(b"DIMM" in stranger.recv(1000), False)
                    except ConnectionResetError:
                        pass
                here.qmp.command("migrate", uri=uri, resume=True)
                wait(here, "postcopy-active")
                wait(there, "postcopy-active")
            params(here, max_postcopy_bandwidth=0)
            wait(here, "completed")
            wait(there, "completed")
            same(there, wanted)



def by_tls():
    """tcp: with the host's name, unix: and a descriptor with tls-hostname; with and without an answer."""
    with folder() as name, port() as number:
        for uri, options, answer in ((f"tcp:127.0.0.1:{number}", {}, []), (f"unix:{name}/s", {"tls_hostname": "localhost"}, ["return-path"]),
                                     (f"tcp:127.0.0.1:{number}", {}, ["return-path", "multifd"]), (f"unix:{name}/s", {"tls_hostname": "localhost"}, ["multifd"])):
            with start(DEFER) as there, start() as here:
                for m, side in ((here, "client"), (there, "server")):
                    creds(m, f"{name}/pki", side)
                    params(m, tls_creds="t", multifd_channels=3)
                    switch(m, *answer)
                params(here, **options)
                wanted = fill(here, 1)
                there.qmp.command("migrate-incoming", uri=uri)
                info = moves(here, there, uri, wanted)
                tap.equal(info["ram"]["multifd-bytes"] > MIB, "multifd" in answer, str(info))
                there.qmp.command("cont")
                for m in (here, there):
                    params(m, tls_creds="")
                    m.qmp.command("object-del", id="t")


def by_descriptor():
    with folder() as name, start(DEFER) as there, start() as here:
        ends = socket.socketpair()
        for m, side, end in ((here, "client", ends[0]), (there, "server", ends[1])):
            creds(m, f"{name}/pki", side)
            params(m, tls_creds="t")
            tap.equal(machine.fd_command(m, "getfd", end.fileno(), fdname="f"), None)
            end.close()
        fails(lambda: here.qmp.command("migrate", uri="fd:f"), "tls-hostname")
        params(here, tls_hostname="localhost")
        wanted = fill(here, 2)
        there.qmp.command("migrate-incoming", uri="fd:f")
        moves(here, there, "fd:f", wanted)


def refused():
    """Who may not come does not end the one that waits: the next one may."""
    with folder() as name:
        certificates.make(f"{name}/strange")
        with start(DEFER) as there, start() as here, socket.socket(socket.AF_UNIX) as quiet, socket.socket(socket.AF_UNIX) as plain:
            uri = f"unix:{name}/s"
            creds(there, f"{name}/pki", "server")
            there.qmp.command("object-add", **{"qom-type": "authz-simple", "id": "a", "identity": "CN=client"})
            params(there, tls_creds="t", tls_authz="a")
            there.qmp.command("migrate-incoming", uri=uri)
            quiet.connect(f"{name}/s")
            plain.connect(f"{name}/s")
            plain.sendall(b"DIMMABLE" + bytes(100))
            params(here, tls_hostname="localhost")
            switch(here, "return-path")
            for ident, where, host, says in (("strange", f"{name}/strange", "localhost", "not accepted"), ("other", f"{name}/other", "localhost", "Access was denied"),
                                             ("named", f"{name}/pki", "elsewhere.example", "name in the certificate does not match")):
                creds(here, where, "client", ident=ident)
                params(here, tls_creds=ident, tls_hostname=host)
                here.qmp.command("migrate", uri=uri)
                info = wait(here, "failed")
                tap.equal(says in info["error-desc"], True, (says, info["error-desc"]))
            creds(here, f"{name}/pki", "client")
            params(here, tls_creds="t", tls_hostname="localhost")
            moves(here, there, uri, fill(here, 3))
            tap.equal("the authorization 'a' does not let 'CN=other' in" in there.errors(), True, there.errors())


def silent():
    """An end that says nothing holds up neither the machine nor QMP, and is left at once by migrate_cancel."""
    with folder() as name, start() as here, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{name}/s")
        listener.listen()
        creds(here, f"{name}/pki", "client")
        params(here, tls_creds="t", tls_hostname="localhost")
        here.qmp.command("cont")
        here.qmp.command("migrate", uri=f"unix:{name}/s")
        with listener.accept()[0] as quiet:
            quiet.recv(1)
            for _ in range(100):
                tap.equal(here.qmp.command("query-migrate")["status"], "setup")
                here("endianness")
            here.qmp.command("migrate_cancel")
            wait(here, "cancelled")
            with contextlib.suppress(ConnectionError):
                while quiet.recv(4096):
                    pass
        tap.equal(here.qmp.command("query-status")["status"], "running")


def quits_beside_silent_ones():
    """The end does not wait for those who have not said anything: where the machine would come, and where it would go."""
    with folder() as name, port() as number:
        for uri, multifd in ((f"unix:{name}/s", False), (f"tcp:127.0.0.1:{number}", True)):
            with start(DEFER) as there, start() as here, contextlib.ExitStack() as stack:
                for m, side in ((there, "server"), (here, "client")):
                    creds(m, f"{name}/pki", side)
                    params(m, tls_creds="t", tls_hostname="localhost")
                    switch(m, *(["multifd"] if multifd else []))
                there.qmp.command("migrate-incoming", uri=uri)
                for _ in range(3):
                    sock = stack.enter_context(socket.socket(socket.AF_INET if multifd else socket.AF_UNIX))
                    sock.connect(("127.0.0.1", number) if multifd else f"{name}/s")
                there.qmp.command("quit")
                tap.equal(there.process.wait(vm.LONG), 0)
                with socket.create_server(("127.0.0.1", 0)) as listener:
                    here.qmp.command("migrate", uri=f"tcp:127.0.0.1:{listener.getsockname()[1]}")
                    with listener.accept()[0]:
                        here.qmp.command("quit")
                        tap.equal(here.process.wait(vm.LONG), 0)


def bad_parameters():
    with folder() as name, start() as m, start(DEFER) as there:
        for values, words in (({"multifd_channels": 0}, ["1 to 255"]), ({"multifd_compression": "nosuch"}, ["zstd"]), ({"multifd_zlib_level": 10}, ["0 to 9"]),
                              ({"multifd_zstd_level": 21}, ["0 to 20"])):
            fails(lambda v=values: params(m, **v), *words)
        params(m, tls_creds="t", tls_hostname="x", tls_authz="a", multifd_channels=7, multifd_compression="zstd", multifd_zlib_level=0, multifd_zstd_level=20)
        found = m.qmp.command("query-migrate-parameters")
        tap.equal([found[key] for key in ("tls-creds", "tls-hostname", "tls-authz", "multifd-channels", "multifd-compression", "multifd-zlib-level", "multifd-zstd-level")],
                  ["t", "x", "a", 7, "zstd", 0, 20])
        fails(lambda: m.qmp.command("migrate", uri="tcp:127.0.0.1:1"), "no TLS credentials 't'")
        creds(m, f"{name}/pki", "client")
        fails(lambda: m.qmp.command("migrate", uri="exec:cat"), "no TLS over 'exec:cat'")
        params(m, tls_hostname="")
        fails(lambda: m.qmp.command("migrate", uri=f"unix:{name}/s"), "tls-hostname")
        params(m, tls_creds="")
        switch(m, "multifd")
        switch(there, "multifd")
        for uri in ("exec:cat", "fd:0", f"file:{name}/x"):
            fails(lambda u=uri: m.qmp.command("migrate", uri=u), "multifd", uri)
            fails(lambda u=uri: there.qmp.command("migrate-incoming", uri=u), "multifd", uri)
        tap.equal(os.path.exists(f"{name}/x"), False)
        params(there, tls_authz="a")
        fails(lambda: there.qmp.command("migrate-incoming", uri=f"unix:{name}/s"), "tls-creds")
        params(there, tls_creds="t")
        creds(there, f"{name}/pki", "server")
        fails(lambda: there.qmp.command("migrate-incoming", uri=f"unix:{name}/s"), "no authorization 'a'")


# ---- multifd ----

def packed():
    """What is there arrives, however it is packed, and is less."""
    for channels, method in ((4, "zlib"), (2, "zstd"), (16, "none")):
        with tempfile.TemporaryDirectory() as name, start(DEFER) as there, start() as here:
            for m in (here, there):
                switch(m, "multifd")
                params(m, multifd_channels=channels, multifd_compression=method)
            there.qmp.command("migrate-incoming", uri=f"unix:{name}/s")
            info = moves(here, there, f"unix:{name}/s", fill(here, 4))
            tap.equal(0 < info["ram"]["multifd-bytes"] < info["ram"]["transferred"], True, str(info))
            tap.equal(info["ram"]["multifd-bytes"] < info["ram"]["normal-bytes"] // 2, method != "none", str(info))


def rounds():
    """The guest changes its memory while it goes: what it has written last arrives."""
    with tempfile.TemporaryDirectory() as name, start(DEFER) as there, start() as here:
        for m in (here, there):
            switch(m, "multifd")
            params(m, multifd_channels=3)
        there.qmp.command("migrate-incoming", uri=f"unix:{name}/s")
        fill(here, 5)
        params(here, max_bandwidth=MIB)
        here.qmp.command("cont")
        here.qmp.command("migrate", uri=f"unix:{name}/s")
        wait(here, "active")
        for seed in range(6, 9):
            wanted = fill(here, seed)
        tap.equal(here.qmp.command("query-migrate")["ram"]["dirty-sync-count"], 0)
        params(here, max_bandwidth=0, downtime_limit=2000)
        info = wait(here, "completed", "failed")
        tap.equal(info["status"], "completed", str(info))
        tap.equal(info["ram"]["dirty-sync-count"] >= 2, True, str(info))
        wait(there, "completed")
        same(there, wanted)


def ends_differ():
    """One end without multifd, and other numbers of channels: each says so."""
    for ours, theirs, says in ((["multifd"], [], "the other end uses multifd"), ([], ["multifd"], "does not use multifd")):
        with tempfile.TemporaryDirectory() as name, start(DEFER) as there, start() as here:
            switch(here, *ours)
            switch(there, *theirs)
            there.qmp.command("migrate-incoming", uri=f"unix:{name}/s")
            with contextlib.suppress(vm.QmpError):
                here.qmp.command("migrate", uri=f"unix:{name}/s")
            tap.equal(there.process.wait(vm.LONG), 1)
            tap.equal(says in there.errors(), True, there.errors())
            wait(here, "failed")
            tap.equal(here.qmp.command("query-status")["running"], False)
    with tempfile.TemporaryDirectory() as name, start(DEFER) as there, start() as here:
        for m, count in ((here, 3), (there, 5)):
            switch(m, "multifd")
            params(m, multifd_channels=count)
        there.qmp.command("migrate-incoming", uri=f"unix:{name}/s")
        here.qmp.command("migrate", uri=f"unix:{name}/s")
        tap.equal(there.process.wait(vm.LONG), 1)
        tap.equal("has 3 connections for memory, and 5 are expected" in there.errors(), True, there.errors())
        wait(here, "failed")


class Between:
    """Passes connections on from SOURCE to TARGET, each by a thread; cuts one after some bytes."""
    def __init__(self, source, target, cut, after):
        self.target, self.cut, self.after = target, cut, after
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(source)
        self.listener.listen(20)
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                theirs = self.listener.accept()[0]
                ours = socket.socket(socket.AF_UNIX)
                ours.connect(self.target)
                thread = threading.Thread(target=self.carry, args=(theirs, ours, len(self.threads) - 1), daemon=True)
                self.threads.append(thread)
                thread.start()

    def carry(self, theirs, ours, number):
        passed = 0
        with theirs, ours, contextlib.suppress(OSError):
            while data := theirs.recv(65536):
                ours.sendall(data)
                passed += len(data)
                if number == self.cut and passed >= self.after:
                    break

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(vm.LONG)


def channel_dies():
    """In the midst: the source goes on, and the other end says which it was. Connection 0 is the first."""
    for cut in (0, 1, 3):
        with tempfile.TemporaryDirectory() as name, start(DEFER) as there, start() as here:
            for m in (here, there):
                switch(m, "multifd", "return-path")
                params(m, multifd_channels=3)
            there.qmp.command("migrate-incoming", uri=f"unix:{name}/t")
            between = Between(f"{name}/s", f"{name}/t", cut, 5000 if cut == 0 else 300000)
            wanted = fill(here, 9)
            params(here, max_bandwidth=5 * MIB, downtime_limit=0)
            here.qmp.command("cont")
            here.qmp.command("migrate", uri=f"unix:{name}/s")
            info = wait(here, "failed", "completed")
            tap.equal(info["status"], "failed", str(info))
            tap.equal(here.qmp.command("query-status")["status"], "running")
            tap.equal(there.process.wait(vm.LONG), 1)
            tap.equal(f"-incoming unix:{name}/t: {'multifd: connection' if cut else ''}" in there.errors(), True, there.errors())
            between.close()
            same(here, wanted)
            here.qmp.command("migrate-set-capabilities", capabilities=[{"capability": switched, "state": False} for switched in ("multifd", "return-path")])
            params(here, max_bandwidth=0, downtime_limit=2000)
            here.qmp.command("migrate", uri="exec:cat > /dev/null")
            wait(here, "completed")


def cancelled():
    with tempfile.TemporaryDirectory() as name, start(DEFER) as there, start() as here:
        for m in (here, there):
            switch(m, "multifd")
            params(m, multifd_channels=3)
        there.qmp.command("migrate-incoming", uri=f"unix:{name}/t")
        params(here, max_bandwidth=MIB)
        fill(here, 10)
        here.qmp.command("cont")
        here.qmp.command("migrate", uri=f"unix:{name}/t")
        wait(here, "active")
        here.qmp.command("migrate_cancel")
        wait(here, "cancelled")
        tap.equal(here.qmp.command("query-status")["status"], "running")
        tap.equal(there.process.wait(vm.LONG), 1)


def quits():
    """Both ends, in the midst."""
    for leaves in ("here", "there"):
        with tempfile.TemporaryDirectory() as name, start(DEFER) as there, start() as here:
            for m in (here, there):
                switch(m, "multifd")
            there.qmp.command("migrate-incoming", uri=f"unix:{name}/t")
            params(here, max_bandwidth=MIB)
            fill(here, 11)
            here.qmp.command("migrate", uri=f"unix:{name}/t")
            wait(here, "active")
            wait(there, "active")
            one, other = (here, there) if leaves == "here" else (there, here)
            one.qmp.command("quit")
            tap.equal(one.process.wait(vm.LONG), 0)
            if leaves == "here":
                tap.equal(other.process.wait(vm.LONG), 1)
            else:
                wait(here, "failed")


def hello(ident, index, count):
    text = HELLO.pack(b"DIMCHANL", ident, index, count)
    return text + struct.pack("<I", zlib.crc32(text))


def record(kind, name, data):
    head = struct.pack("<BBHI", kind, len(name), 0, len(data))
    return head + struct.pack("<I", zlib.crc32(name + data, zlib.crc32(head))) + name + data


HEADER = b"DIMMABLE" + struct.pack("<I", 2)
HEADER += struct.pack("<I", zlib.crc32(HEADER))
ONE, TWO = b"1" * 16, b"2" * 16


def strangers():
    """Connections that are not what they say: the first words."""
    for sent, says in (([hello(ONE, 0, 2), hello(TWO, 1, 2)], "of another migration"), ([hello(ONE, 1, 2), hello(ONE, 1, 2)], "has come twice"),
                       ([hello(ONE, 3, 2)], "cannot be a connection 3 of 2"), ([hello(ONE, 0, 0)], "connection 0 of 0"), ([hello(ONE, 0, 1 << 31)], "cannot be"),
                       ([hello(ONE, 0, 2)[:-1] + b"\0"], "sum is wrong"), ([HEADER + bytes(30)], "does not use multifd")):
        with tempfile.TemporaryDirectory() as name, start(DEFER) as there, contextlib.ExitStack() as stack:
            switch(there, "multifd")
            there.qmp.command("migrate-incoming", uri=f"unix:{name}/t")
            for number, text in enumerate([None, b"", *sent]):
                sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                sock.connect(f"{name}/t")
                if text is not None:
                    sock.sendall(text)
                if number == 1:  # one that goes at once, beside the one that is silent
                    sock.close()
            tap.equal(there.process.wait(vm.LONG), 1)
            tap.equal(says in there.errors(), True, (says, there.errors()))


def config_of(m, name):
    """The record of a machine such as @m, and the name of its RAM."""
    m.qmp.command("migrate", uri=f"file:{name}/state")
    wait(m, "completed")
    with open(f"{name}/state", "rb") as file:
        text = file.read()
    size, = struct.unpack_from("<I", text, 20)
    return text[16:16 + 12 + text[17] + size]


def hostile():
    """The first connection is right; the second lies."""
    with tempfile.TemporaryDirectory() as name, start() as m:
        config = config_of(m, name)
    sync = [record(30, b"", struct.pack("<Q", number)) for number in range(3)]
    page = struct.pack("<QII", 0, 1, 1) + bytes(4096)
    packed = zlib.compress(page)
    for sent, says in (
            (record(2, b"nosuch", page), "RAM 'nosuch' is not there"),
            (record(2, b"m0", struct.pack("<QII", 128 * MIB, 1, 1) + bytes(4096)), "cannot be"),
            (record(2, b"m0", struct.pack("<QII", 1, 1, 1) + bytes(4096)), "cannot be"),
            (record(2, b"m0", struct.pack("<QII", 0, 0xffffffff, 0)), "cannot be"),
            (record(2, b"m0", b"short"), "too short"),
            (record(31, b"m0", struct.pack("<II", 1, len(page) + 1) + packed), "damaged"),
            (record(31, b"m0", struct.pack("<II", 1, len(page) - 1) + packed), "damaged"),
            (record(31, b"m0", struct.pack("<II", 2, len(page)) + packed), "damaged"),
            (record(31, b"m0", struct.pack("<II", 1, 0xffffffff) + packed), "cannot be"),
            (record(31, b"m0", struct.pack("<II", 0, len(page)) + packed), "method 0"),
            (record(31, b"m0", struct.pack("<II", 77, len(page)) + packed), "method 77"),
            (record(31, b"m0", b"xy"), "packed"),
            (record(31, b"nosuch", struct.pack("<II", 1, len(page)) + packed), "RAM 'nosuch'"),
            (record(3, b"/machine", b""), "kind 3 does not belong here"),
            (sync[2], "sync 2 comes where 1 must"), (record(30, b"", b"x"), "a sync has 1 bytes"),
            (struct.pack("<BBHI", 2, 0, 0, 0xffffffff) + bytes(4), "cannot have 4294967295 bytes"),
            (record(5, b"end", struct.pack("<Q", 7)), "there were 0 records"),
            (record(5, b"end", struct.pack("<Q", 0)), "has ended before sync 1")):
        with tempfile.TemporaryDirectory() as name, start(DEFER) as there, socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
            switch(there, "multifd")
            params(there, multifd_channels=1)
            there.qmp.command("migrate-incoming", uri=f"unix:{name}/t")
            first.connect(f"{name}/t")
            second.connect(f"{name}/t")
            first.sendall(hello(ONE, 0, 1) + HEADER + config + sync[0] + (sync[1] if b"end" in sent else b""))
            second.sendall(hello(ONE, 1, 1) + HEADER + sent)
            tap.equal(there.process.wait(vm.LONG), 1)
            tap.equal(says in there.errors(), True, (says, there.errors()))
    # Before the machine is known to be the same nothing is taken; and a sync too many is one.
    for main, sent, says in ((record(1, b"config", b"{}"), record(2, b"m0", page), "start this one with the same"), (config + sync[0] + sync[2], b"", "sync 2 comes where 1 must"),
                             (sync[0], b"", "does not begin with a configuration")):
        with tempfile.TemporaryDirectory() as name, start(DEFER) as there, socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
            switch(there, "multifd")
            params(there, multifd_channels=1)
            there.qmp.command("migrate-incoming", uri=f"unix:{name}/t")
            second.connect(f"{name}/t")
            second.sendall(hello(ONE, 1, 1) + HEADER + sent)
            first.connect(f"{name}/t")
            first.sendall(hello(ONE, 0, 1) + HEADER + main)
            tap.equal(there.process.wait(vm.LONG), 1)
            tap.equal(says in there.errors(), True, (says, there.errors()))


def run_of(name):
    """The record of the clock in the file that config_of() left."""
    with open(f"{name}/state", "rb") as file:
        text = file.read()
    at = 16
    while text[at] != 4:
        at += 12 + text[at + 1] + struct.unpack_from("<I", text, at + 4)[0]
    return text[at:at + 12 + text[at + 1] + struct.unpack_from("<I", text, at + 4)[0]]


def quits_at_the_end():
    """The first connection has come to its end, and the second says nothing: the program ends all the same."""
    with tempfile.TemporaryDirectory() as name:
        with start() as m:
            text = config_of(m, name) + record(30, b"", struct.pack("<Q", 0)) + run_of(name)
        with start(DEFER) as there, socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
            switch(there, "multifd")
            params(there, multifd_channels=1)
            there.qmp.command("migrate-incoming", uri=f"unix:{name}/t")
            first.connect(f"{name}/t")
            second.connect(f"{name}/t")
            second.sendall(hello(ONE, 1, 1) + HEADER)
            first.sendall(hello(ONE, 0, 1) + HEADER + text + record(5, b"answer", struct.pack("<Q", 3)))
            wait(there, "active")
            vm.wait_until(lambda: struct.unpack("i", fcntl.ioctl(first, termios.TIOCOUTQ, bytes(4)))[0] == 0, "it has read that")
            there.qmp.command("quit")
            tap.equal(there.process.wait(vm.LONG), 0)


def quits_among_many():
    """There are more silent ones than are greeted at once: the end does not wait for one of them to be sent away."""
    with tempfile.TemporaryDirectory() as name, start(DEFER) as there, contextlib.ExitStack() as stack:
        switch(there, "multifd")
        there.qmp.command("migrate-incoming", uri=f"unix:{name}/t")
        for _ in range(65):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(f"{name}/t")
        vm.wait_until(lambda: len(os.listdir(f"/proc/{there.process.pid}/task")) > 64, "64 are greeted")
        there.qmp.command("quit")
        tap.equal(there.process.wait(vm.LONG), 0)
        tap.equal("says nothing" in there.errors(), False, there.errors())


def main():
    tap.run([(f"migration-tls/{name}", test) for name, test in (
        ("by TLS", by_tls), ("memory follows", follows), ("memory follows several connections", lambda: follows("multifd", "release-ram")), ("by descriptor", by_descriptor), ("refused", refused), ("silent", silent), ("quits beside silent ones", quits_beside_silent_ones), ("bad parameters", bad_parameters))] +
            [(f"multifd/{name}", test) for name, test in (
                ("packed", packed), ("rounds", rounds), ("ends differ", ends_differ), ("a channel dies", channel_dies), ("cancelled", cancelled), ("quits", quits), ("quits at the end", quits_at_the_end), ("quits among many", quits_among_many),
                ("strangers", strangers), ("hostile", hostile))])


if __name__ == "__main__":
    main()

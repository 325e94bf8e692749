#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine goes on at the other end, and its memory follows: what can come late, what is refused, connections
that are lost, other ends that lie. No CPU runs: qtest is who waits for memory."""
import os
import signal
import socket
import struct
import sys
import tempfile
import zlib

import gdb_client
import machine
import tap
import vm

MIB = 1 << 20
SLOW = 2 * MIB  # bytes a second
MEMORY = "32M,slots=4,maxmem=1G"


class Folder(tempfile.TemporaryDirectory):
    def __enter__(self):
        path = super().__enter__()
        return lambda name: f"{path}/{name}"


def start(words=(), memory=MEMORY):
    return machine.Machine(memory, ["-machine", "pc", "-S", *words])


def on(m, *names):
    m.qmp.command("migrate-set-capabilities",
                  capabilities=[{"capability": name, "state": True} for name in ("events", *names)])


def wait(m, *states):
    """For one of these, and nothing else that is an end."""
    def there():
        info = m.qmp.command("query-migrate")
        if info.get("status") in states:
            return info
        if info.get("status") in ("completed", "failed", "cancelled"):
            raise AssertionError(f"not {states}: {info} {m.errors()}")
        return None
    info = None
    while info is None:
        info = there()
        if info is None:
            vm.time.sleep(0.005)
    return info


def refused(m, words, name, **arguments):
    try:
        m.qmp.command(name, **arguments)
    except vm.QmpError as err:
        tap.equal(words in err.desc, True, err.desc)
    else:
        raise AssertionError(f"{name} {arguments}: not refused")


def fill(m, places):
    """Each page has its own number."""
    for base, size in places:
        for at in range(base, base + size, 4096):
            m(f"memset {at:#x} 0x1000 {at >> 12 & 0xff | 1:#x}")
            m(f"writeq {at:#x} {at:#x}")


def check(m, places):
    for base, size in places:
        for at in list(range(base + size - 4096, base, -16 * 4096)) + list(range(base, base + size, 4096)):
            tap.equal(int(m(f"readq {at:#x}")[0], 0), at, f"{at:#x}")
            if at & 0x7000 == 0x3000:
                tap.equal(int(m(f"readb {at + 4095:#x}")[0], 0), at >> 12 & 0xff | 1, f"{at:#x}")


BOOT = (16 * MIB, 4 * MIB)
DIMM = (0x100000000, 4 * MIB)


class Pair:
    """Two machines, and where they meet."""

    def __init__(self, at, words=(), there_words=None, places=(BOOT,), where=None):
        self.at, self.places = at, places
        self.uri = where or f"unix:{at('meet')}"
        self.here = start(words)
        try:
            self.there = start([*(words if there_words is None else there_words), "-incoming", self.uri])
        except BaseException:
            self.here.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        try:
            self.there.close()
        finally:
            self.here.close()

    def begin(self, *names, here=()):
        """Most of the memory is here when the machine is there. @here: capabilities of this end alone."""
        fill(self.here, self.places)
        on(self.here, "postcopy-ram", *names, *here)
        on(self.there, "postcopy-ram", *names)
        self.here.qmp.command("migrate-set-parameters", **{"max-bandwidth": SLOW, "max-postcopy-bandwidth": SLOW})
        self.here.qmp.command("migrate", uri=self.uri)
        wait(self.here, "active")
        self.here.qmp.command("migrate-start-postcopy")

    def follows(self):
        wait(self.there, "postcopy-active")
        return self

    def fast(self):
        self.here.qmp.command("migrate-set-parameters", **{"max-postcopy-bandwidth": 0})

    def done(self):
        self.fast()
        info = wait(self.here, "completed")
        wait(self.there, "completed")
        check(self.there, self.places)
        tap.equal(self.here.qmp.command("query-status")["status"], "postmigrate")
        return info


def dimm(backend, **props):
    words = ",".join(f"{name}={value}" for name, value in props.items())
    return ["-object", f"{backend},id=m0,size=4M{',' if words else ''}{words}", "-device", f"pc-dimm,id=d0,memdev=m0,addr={DIMM[0]:#x}"]


def moved(words):
    with Folder() as at, Pair(at, words, places=(BOOT, DIMM) if "-device" in words else (BOOT,)) as pair:
        pair.begin()
        pair.follows()
        check(pair.there, [(base, MIB) for base, _ in pair.places])  # who reads waits, and gets what is asked for
        wait(pair.here, "postcopy-active")
        refused(pair.here, "at the other end already", "migrate_cancel")
        refused(pair.here, "postcopy-paused", "migrate", uri=pair.uri, resume=True)
        refused(pair.here, "being migrated", "cont")
        refused(pair.there, "being migrated", "device_add", driver="virtio-rng-pci")
        refused(pair.here, "being migrated", "device_add", driver="virtio-rng-pci")
        refused(pair.there, "still on its way", "migrate", uri="exec:cat > /dev/null")
        info = pair.done()
        ram = info["ram"]
        tap.equal(ram["postcopy-requests"] > 0 and ram["postcopy-bytes"] > 0 and "downtime" in info, True, str(info))
        for m in pair.here, pair.there:
            for status in ("active", "postcopy-active", "completed"):
                m.qmp.event("MIGRATION", status=status)
        pair.there.qmp.command("device_add", driver="virtio-rng-pci")


def kept(m, shared):
    """Bytes of memory that the program has of the host's."""
    with open(f"/proc/{m.process.pid}/status", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines["RssShmem" if shared else "RssAnon"].split()[0]) << 10


RELEASED = (0x100000000, 16 * MIB)


def given_back(kind, release):
    """What has come to the other end is given back to the host, while the rest still follows, and over a connection that
    is lost; without the capability it stays."""
    words = ["-object", f"{kind},id=m0,size=16M", "-device", f"pc-dimm,id=d0,memdev=m0,addr={RELEASED[0]:#x}"]
    shared = kind != "memory-backend-ram"
    if not shared and machine.sanitizer() == "AddressSanitizer":
        raise tap.Skip("AddressSanitizer keeps memory of its own, which cannot be told from the machine's")
    with Folder() as at, Pair(at, words, places=(RELEASED,)) as pair:
        fill(pair.here, pair.places)
        full = kept(pair.here, shared)
        pair.begin(here=["release-ram"] if release else [])
        pair.follows()
        if release:
            def falls():
                tap.equal(pair.here.qmp.command("query-migrate")["status"], "postcopy-active")
                return full - kept(pair.here, shared) > 4 * MIB
            vm.wait_until(falls, "memory is given back")
        pair.there.qmp.command("migrate-pause")
        for m in pair.here, pair.there:
            wait(m, "postcopy-paused")
        pair.here.qmp.command("migrate", uri=pair.uri, resume=True)
        pair.done()
        less = full - kept(pair.here, shared)
        tap.equal(less > 15 * MIB, release, f"{full} - {less}")
        if release:
            refused(pair.here, "release-ram", "cont")
            refused(pair.here, "release-ram", "migrate", uri="exec:cat > /dev/null")
            pair.here.qmp.command("system_reset")  # firmware is gone, too
            vm.wait_until(lambda: pair.here.qmp.command("query-status")["status"] == "prelaunch", "the reset")
            refused(pair.here, "release-ram", "cont")
            refused(pair.here, "release-ram", "migrate", uri="exec:cat > /dev/null")
            says = pair.here.qmp.command("human-monitor-command", **{"command-line": "savevm x"})
            tap.equal("release-ram" in says, True, says)
        else:
            tap.equal(less < 2 * MIB, True, f"{full} - {less}")
            check(pair.here, [RELEASED])


def given_back_too_early():
    """What has gone stays until the machine runs there: it does not, and goes on here."""
    with Folder() as at, start() as m:
        fill(m, [BOOT])
        on(m, "postcopy-ram", "release-ram")
        m.qmp.command("migrate-set-parameters", **{"max-bandwidth": SLOW})
        with Liar(m, at("liar")) as liar:
            liar.until(ADVICE, b"release")
            liar.sock.sendall(record(ANSWER))
            m.qmp.command("migrate-start-postcopy")
            liar.until(END, b"postcopy")
            liar.until(END)  # all of it has come
            liar.sock.sendall(record(HAS, b"", struct.pack("<Q", 1024)) + record(REFUSAL, b"", b"why"))
            tap.equal("why" in wait(m, "failed")["error-desc"], True)
        check(m, [BOOT])
        m.qmp.command("cont")


SYNC = 30


class Several:
    """The other end of machine @m, by multifd: one connection for all but memory, which says that postcopy may be, and
    one for memory, of which nothing was read."""

    def __init__(self, m, path):
        socks = []
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            listener.settimeout(vm.LONG)
            m.qmp.command("migrate-set-parameters", **{"multifd-channels": 1})
            m.qmp.command("migrate", uri=f"unix:{path}")
            for number in range(2):
                socks.append(listener.accept()[0])
                socks[-1].settimeout(vm.LONG)
                hello = socks[-1].recv(36, socket.MSG_WAITALL)
                tap.equal((hello[:8], *struct.unpack("<II", hello[24:32])), (b"DIMCHANL", number, 1))
        self.main, self.pages = Received(socks[0]), Received(socks[1])
        self.main.until(ADVICE)
        self.main.sock.sendall(record(ANSWER))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.main.close()
        self.pages.close()


def cut(when):
    """The connection of multifd is cut after migrate-start-postcopy: the machine runs on here, with all of its memory."""
    with Folder() as at, Pair(at, where="defer") as pair:
        m = pair.here
        fill(m, pair.places)
        m.qmp.command("cont")
        on(m, "postcopy-ram", "release-ram", "multifd", *(["pause-before-switchover"] if when == "stopped" else []))
        with Several(m, at("liar")) as liar:
            if when == "stopped":
                liar.pages.until(SYNC)
                m.qmp.command("migrate-start-postcopy")
                wait(m, "pre-switchover")
                liar.pages.close()
                m.qmp.command("migrate-continue", state="pre-switchover")
            else:
                liar.pages.begin_of(MIB // 2)  # more than a socket takes: it is not written before it is read
                m.qmp.command("migrate-start-postcopy")
                tap.equal(m.qmp.command("query-status")["status"], "running")
                liar.pages.close()
            tap.equal("multifd" in wait(m, "failed")["error-desc"], True)
        tap.equal(m.qmp.command("query-status")["status"], "running")
        check(m, pair.places)
        pair.uri = f"unix:{at('meet')}"  # and it may go again
        for end in m, pair.there:
            end.qmp.command("migrate-set-parameters", **{"multifd-channels": 2})
            on(end, "postcopy-ram", "multifd")
        pair.there.qmp.command("migrate-incoming", uri=pair.uri)
        m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "pause-before-switchover", "state": False}])
        m.qmp.command("migrate", uri=pair.uri)
        m.qmp.command("migrate-start-postcopy")
        pair.done()


def cancelled(*names):
    """With the capabilities @names. Its state goes slowly, and the machine cannot run there before it is: so long it may be cancelled. What it
    would have gone to has ended, and nobody else may."""
    with Folder() as at, Pair(at, where="defer") as pair:
        m = pair.here
        pair.uri = f"unix:{at('meet')}"
        fill(m, pair.places)
        m.qmp.command("cont")
        for end in m, pair.there:
            on(end, "postcopy-ram", *names)
        pair.there.qmp.command("migrate-incoming", uri=pair.uri)
        m.qmp.command("migrate-set-parameters", **{"max-postcopy-bandwidth": 1})
        m.qmp.command("migrate", uri=pair.uri)
        m.qmp.command("migrate-start-postcopy")
        wait(m, "postcopy-active")  # its devices take more than a minute now
        m.qmp.command("migrate_cancel")
        wait(m, "cancelled")
        tap.equal(m.qmp.command("query-status")["status"], "running")
        tap.equal(pair.there.process.wait(vm.LONG), 1, pair.there.errors())
        check(m, pair.places)


def image_is_taken():
    """The connection is lost before the machine may run there, and its image was taken: it stands, and goes on by cont;
    nothing was given back."""
    with Folder() as at:
        with open(at("image"), "wb") as file:
            file.truncate(MIB)
        disk = ["-drive", f"if=none,id=d0,format=raw,file={at('image')}", "-device", "virtio-blk-pci,drive=d0"]
        with start(disk) as m:
            fill(m, [BOOT])
            m.qmp.command("cont")
            on(m, "postcopy-ram", "release-ram")
            m.qmp.command("migrate-set-parameters", **{"max-postcopy-bandwidth": 1})
            with Liar(m, at("liar")) as liar:
                liar.until(ADVICE)
                liar.sock.sendall(record(ANSWER))
                m.qmp.command("migrate-start-postcopy")
                wait(m, "postcopy-active")  # its devices take more than a minute now
                with start(disk):
                    liar.file.close()
                    liar.sock.close()
                    wait(m, "failed")
                    tap.equal(m.qmp.command("query-status")["status"], "postmigrate")
                    try:
                        m.qmp.command("cont")
                    except vm.QmpError as err:
                        tap.equal("release-ram" in err.desc, False, err.desc)
                    else:
                        raise AssertionError("the image is another machine's")
            m.qmp.command("cont")
            check(m, [BOOT])


def several(release, at_once):
    """Memory goes over several connections before, and what follows over one; one that is lost is replaced by one."""
    names = ["multifd", *(["release-ram"] if release else []), *([] if at_once else ["pause-before-switchover"])]
    with Folder() as at, Pair(at, [], there_words=[], places=(BOOT,), where="defer") as pair:
        pair.uri = f"unix:{at('meet')}"
        for m in pair.here, pair.there:
            on(m, "postcopy-ram", *names)
        pair.there.qmp.command("migrate-incoming", uri=pair.uri)
        pair.here.qmp.command("migrate-set-parameters", **{"max-bandwidth": SLOW // 4 if at_once else 0, "max-postcopy-bandwidth": SLOW // 2})
        if at_once:
            fill(pair.here, pair.places)
        else:
            pair.here(f"memset {BOOT[0]:#x} {BOOT[1]:#x} 0x77")
        pair.here.qmp.command("migrate", uri=pair.uri)
        wait(pair.here, "active" if at_once else "pre-switchover")
        pair.here.qmp.command("migrate-start-postcopy")
        if not at_once:  # pages change that have gone
            fill(pair.here, pair.places)
            pair.here.qmp.command("migrate-continue", state="pre-switchover")
        pair.follows()
        pair.there.qmp.command("migrate-pause")
        for m in pair.here, pair.there:
            wait(m, "postcopy-paused")
        pair.here.qmp.command("migrate", uri=pair.uri, resume=True)
        info = pair.done()
        tap.equal(info["ram"]["multifd-bytes"] > 0, True, str(info))


def large_pages():
    """Those of the host, where it has some: each comes as a whole."""
    try:
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", encoding="ascii") as file:
            free = int(file.read())
    except OSError:
        free = 0
    if free < 8:
        raise tap.Skip("the host has no large pages")
    moved(dimm("memory-backend-memfd", hugetlb="on"))


def cannot_come_late(words, *reasons):
    """The one to which it would go says so before any memory goes; the machine goes on here."""
    with Folder() as at:
        path = at("file")
        with Pair(at, [word.replace("FILE", path) for word in words], places=()) as pair:
            on(pair.here, "postcopy-ram")
            pair.here.qmp.command("cont")
            pair.here.qmp.command("migrate", uri=pair.uri)
            info = wait(pair.here, "failed")
            for reason in reasons:
                tap.equal(reason in info["error-desc"], True, str(info))
            tap.equal(pair.here.qmp.command("query-status")["status"], "running")
            tap.equal(info["ram"]["normal"], 0, str(info))


def capabilities():
    with Folder() as at, start() as m, start(["-incoming", "defer"]) as there:
        refused(m, "there is no migration", "migrate-start-postcopy")
        refused(m, "no connection", "migrate-pause")
        refused(m, "postcopy-paused", "migrate-recover", uri=f"unix:{at('x')}")
        refused(there, "postcopy-paused", "migrate-recover", uri=f"unix:{at('x')}")
        refused(m, "postcopy-paused", "migrate", uri=f"unix:{at('x')}", resume=True)
        refused(m, "pre-switchover", "migrate-continue", state="active")
        on(m, "postcopy-ram")
        m.qmp.command("migrate", uri="exec:cat > /dev/null")
        tap.equal("nobody can ask for memory" in wait(m, "failed")["error-desc"], True)
        m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "postcopy-ram", "state": False}])
        m("memset 0x100000 0x1000000 0x5a")
        m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 100000})
        m.qmp.command("migrate", uri="exec:cat > /dev/null")
        wait(m, "active")
        refused(m, "capability postcopy-ram is off", "migrate-start-postcopy")
        refused(m, "stays what it is", "migrate-set-capabilities",
                capabilities=[{"capability": "postcopy-ram", "state": True}])
        m.qmp.command("migrate_cancel")
        wait(m, "cancelled")


def too_late():
    """Who asks for it when the memory has just arrived cannot know: it is no error."""
    with Folder() as at, Pair(at) as pair:
        fill(pair.here, pair.places)
        on(pair.here, "postcopy-ram")
        on(pair.there, "postcopy-ram")
        pair.here.qmp.command("migrate", uri=pair.uri)
        wait(pair.here, "completed")
        pair.here.qmp.command("migrate-start-postcopy")
        pair.done()


def other_users():
    """A device whose memory others use, too."""
    with start(["-object", "memory-backend-ram,id=shm,size=1M,share=on", "-device", "ivshmem-plain,id=i0,memdev=shm,master=on"]) as m:
        on(m, "postcopy-ram")
        refused(m, "another machine uses the guest's memory", "migrate", uri="exec:cat > /dev/null")


def lost(where):
    """The connection is broken at one end, or both, again and again; nothing is lost."""
    with Folder() as at, Pair(at) as pair:
        pair.begin()
        pair.follows()
        pair.here.qmp.command("migrate-set-parameters", **{"max-postcopy-bandwidth": SLOW // 8})  # it is not to be over meanwhile
        for time in range(3):
            (pair.here if (time + where) % 2 else pair.there).qmp.command("migrate-pause")
            info = wait(pair.here, "postcopy-paused")
            tap.equal("error-desc" in info, True, str(info))
            wait(pair.there, "postcopy-paused")
            refused(pair.here, "being migrated", "cont")
            refused(pair.here, "is no socket", "migrate", uri="exec:sleep 1000", resume=True)
            refused(pair.there, "is no socket", "migrate-recover", uri=f"file:{at('x')}")
            uri = pair.uri
            if time:  # else it waits where it came from, without a word
                uri = f"unix:{at(f'again{time}')}"
                pair.there.qmp.command("migrate-recover", uri=uri)
            pair.here.qmp.command("migrate", uri=f"unix:{at('nowhere')}", resume=True)
            vm.wait_until(lambda: "nowhere" in pair.here.qmp.command("query-migrate").get("error-desc", ""), "an error")
            pair.here.qmp.command("migrate", uri=uri, resume=True)
            wait(pair.here, "postcopy-active")
            wait(pair.there, "postcopy-active")
            check(pair.there, [(BOOT[0] + time * 65536, 65536)])
        pair.done()
        for m in pair.here, pair.there:
            for status in ("postcopy-active", "postcopy-paused", "postcopy-recover", "postcopy-active", "completed"):
                m.qmp.event("MIGRATION", status=status)


def by_hmp():
    """The same by the commands of people, and by TCP."""
    def hmp(m, line):
        answer = m.qmp.command("human-monitor-command", **{"command-line": line})
        tap.equal(answer, "", line)

    with Folder() as at:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with Pair(at, where=f"tcp:127.0.0.1:{port}") as pair:
            fill(pair.here, pair.places)
            for m in pair.here, pair.there:
                hmp(m, "migrate_set_capability postcopy-ram on")
            hmp(pair.here, "migrate_set_parameter max-bandwidth 2M")
            hmp(pair.here, "migrate_set_parameter max-postcopy-bandwidth 2M")
            hmp(pair.here, f"migrate -d {pair.uri}")
            wait(pair.here, "active")
            hmp(pair.here, "migrate_start_postcopy")
            pair.follows()
            hmp(pair.here, "migrate_pause")
            wait(pair.here, "postcopy-paused")
            wait(pair.there, "postcopy-paused")
            hmp(pair.there, f"migrate_recover unix:{at('again')}")
            hmp(pair.here, f"migrate -r unix:{at('again')}")
            pair.done()


def waits_for_lost():
    """Who waits for memory while there is no connection goes on when there is one: the request is not lost."""
    with Folder() as at, Pair(at) as pair:
        pair.begin()
        pair.follows()
        pair.here.qmp.command("migrate-pause")
        wait(pair.here, "postcopy-paused")
        wait(pair.there, "postcopy-paused")
        pair.there.qtest.send(f"readq {BOOT[0] + BOOT[1] - 4096:#x}\n".encode())  # its main thread waits from now on
        pair.here.qmp.command("migrate", uri=pair.uri, resume=True)
        tap.equal(int(pair.there.qtest.line().split()[1], 0), BOOT[0] + BOOT[1] - 4096)
        pair.done()


def killed(which):
    with Folder() as at, Pair(at) as pair:
        pair.begin()
        pair.follows()
        getattr(pair, which).kill()
        other = pair.there if which == "here" else pair.here
        wait(other, "postcopy-paused")
        other.qmp.command("query-status")
        if which == "there":
            refused(other, "at the other end already", "migrate_cancel")


def ends_at_once(way, waits):
    """The source is gone, and with it memory. Whoever waits for some, the program ends when it is told to."""
    with Folder() as at, Pair(at, there_words=["-pidfile", at("pid")]) as pair:
        pair.begin()
        pair.follows()
        pair.here.kill()
        wait(pair.there, "postcopy-paused")
        if waits:
            pair.there.qtest.send(f"readq {BOOT[0] + BOOT[1] - 4096:#x}\n".encode())  # its main thread waits from now on
            vm.wait_until(lambda: waits_for_memory(pair.there), "the main thread waits")
        if way == "quit":
            pair.there.qmp.send(b'{"execute":"quit"}\n')
        else:
            pair.there.process.send_signal(way)
        tap.equal(pair.there.process.wait(vm.LONG), 0, pair.there.errors())
        tap.equal("pages of its memory are missing" in pair.there.errors(), True, pair.there.errors())
        tap.equal(os.path.exists(at("pid")), False, "the file with its number")


def waits_for_memory(m):
    """Is its main thread in the kernel's wait for a page?"""
    with open(f"/proc/{m.process.pid}/wchan", encoding="ascii") as file:
        return "userfault" in file.read()


def waits_before():
    """pause-before-switchover: it stands, and its images are still its own; by both ways, and cancelled."""
    for way in "precopy", "postcopy", "cancelled":
        with Folder() as at, Pair(at) as pair:
            fill(pair.here, pair.places)
            pair.here.qmp.command("cont")
            for m in pair.here, pair.there:
                on(m, "postcopy-ram", "pause-before-switchover")
            pair.here.qmp.command("migrate", uri=pair.uri)
            if way == "postcopy":
                pair.here.qmp.command("migrate-start-postcopy")
            wait(pair.here, "pre-switchover")
            tap.equal(pair.here.qmp.command("query-status")["status"], "finish-migrate")
            refused(pair.here, "no migration waits in state 'device'", "migrate-continue", state="device")
            if way == "cancelled":
                pair.here.qmp.command("migrate_cancel")
                wait(pair.here, "cancelled")
                tap.equal(pair.here.qmp.command("query-status")["status"], "running")
                continue
            pair.here.qmp.command("migrate-continue", state="pre-switchover")
            pair.done()
            for status in ("pre-switchover", "device", *(["postcopy-active"] if way == "postcopy" else []), "completed"):
                pair.here.qmp.event("MIGRATION", status=status)


HEADER = b"DIMMABLE" + struct.pack("<I", 2)
HEADER += struct.pack("<I", zlib.crc32(HEADER))
END, ANSWER, ADVICE, LACKS, REQUEST, RUNS, REFUSAL, RESUME, HAS = 5, 6, 20, 21, 22, 23, 24, 25, 26


def record(kind, name=b"", data=b""):
    head = struct.pack("<BBHI", kind, len(name), 0, len(data))
    return head + struct.pack("<I", zlib.crc32(head + name + data)) + name + data


class Received:
    """A stream that comes over the socket @sock."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(vm.LONG)
        self.file = self.sock.makefile("rb")
        tap.equal(self.file.read(16), HEADER)

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def next(self):
        _, name_len, _, size, _ = head = struct.unpack("<BBHII", self.file.read(12))
        return head[0], self.file.read(name_len), self.file.read(size)

    def until(self, kind, name=None):
        got = self.next()
        while got[0] != kind or name not in (None, got[1]):
            got = self.next()
        return got

    def begin_of(self, least):
        """Up to the contents of a record of at least so many bytes."""
        _, name_len, _, size, _ = struct.unpack("<BBHII", self.file.read(12))
        while size < least:
            self.file.read(name_len + size)
            _, name_len, _, size, _ = struct.unpack("<BBHII", self.file.read(12))


class Liar(Received):
    """The other end of machine @m, that goes to a socket at @path."""

    def __init__(self, m, path, **arguments):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            listener.settimeout(vm.LONG)
            m.qmp.command("migrate", uri=f"unix:{path}", **arguments)
            super().__init__(listener.accept()[0])


def source_is_told_lies():
    """A destination that says what cannot be: the source is in postcopy-paused, or goes on; it never crashes."""
    def request(data, name=None):
        return lambda ram: record(REQUEST, name or ram, data)

    lies = (  # what, status, words
        (request(struct.pack("<QQ", 0, 1), b"nosuch"), "postcopy-paused", "nosuch"),
        (request(struct.pack("<QQ", 1 << 50, 1)), "postcopy-paused", "it has no"),
        (request(struct.pack("<QQ", 1, 2 ** 64 - 1)), "postcopy-paused", "it has no"),
        (request(struct.pack("<QQ", 1, 0)), "postcopy-paused", "it has no"),
        (request(b"x"), "postcopy-paused", "has 1 bytes"),
        (lambda ram: record(ANSWER), "postcopy-paused", "and cannot"),
        (lambda ram: record(77), "postcopy-paused", "means nothing"),
        (lambda ram: b"x" * 100, "postcopy-paused", "damaged"),
        (None, "postcopy-paused", ""),
        (lambda ram: record(RUNS) + record(REFUSAL, b"", b"why"), "postcopy-paused", "and it does"),
        (lambda ram: record(REFUSAL, b"", b"why \xff"), "failed", "why"),
        (lambda ram: record(HAS, b"", struct.pack("<Q", 1 << 63)), "postcopy-paused", "it must be 0 to"),
        (lambda ram: record(HAS, b"", b"xyz"), "postcopy-paused", "has 3 bytes"),
    )
    with Folder() as at:
        for number, (lie, status, words) in enumerate(lies):
            with start() as m:
                m("memset 0x100000 0x400000 0x5a")
                on(m, "postcopy-ram", "release-ram")
                m.qmp.command("migrate-set-parameters", **{"max-bandwidth": SLOW, "max-postcopy-bandwidth": SLOW})
                with Liar(m, at(f"liar{number}")) as liar:
                    advice = liar.until(ADVICE)[2]
                    liar.sock.sendall(record(ANSWER))
                    m.qmp.command("migrate-start-postcopy")
                    liar.until(END, b"postcopy")
                    if lie:
                        liar.sock.sendall(lie(advice[25:25 + advice[24]]))
                        info = wait(m, status)
                if not lie:
                    info = wait(m, status)
                tap.equal(words in info["error-desc"], True, str(info))
                tap.equal(m.qmp.command("query-status")["status"], "prelaunch" if status == "failed" else "finish-migrate")
                if status == "failed":
                    continue
                again = at(f"again{number}")  # and it does not get better
                with Liar(m, again, resume=True) as liar:
                    liar.until(RESUME)
                    liar.sock.sendall(record(LACKS, advice[25:25 + advice[24]], struct.pack("<QQ", 0, 1 << 60)))
                    vm.wait_until(lambda: "it has no" in m.qmp.command("query-migrate").get("error-desc", ""), "an error")


def nothing_followed():
    """It was only said that memory may follow: all of it came before, and the machine goes on as any other."""
    with Folder() as at, Pair(at, dimm("memory-backend-ram")) as pair:
        on(pair.here, "postcopy-ram")
        pair.here.qmp.command("migrate", uri=pair.uri)
        wait(pair.here, "completed")
        wait(pair.there, "completed")
        on(pair.there, "postcopy-ram")
        refused(pair.there, "postcopy-paused", "migrate-recover", uri=pair.uri)
        pair.there.qmp.command("migrate", uri="exec:cat > /dev/null")
        wait(pair.there, "failed")


def stranger_connects():
    """Who does not know the number of the machine that is missing gets nothing of it, and the other end may still come."""
    with Folder() as at, Pair(at) as pair:
        pair.begin()
        pair.follows()
        pair.there.qmp.command("migrate-pause")
        for text in (HEADER + record(RESUME, b"", bytes(16)), HEADER + record(RESUME, b"", b"x"), b"x" * 64, b"", HEADER + record(END)):
            wait(pair.there, "postcopy-paused")
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.settimeout(vm.LONG)
                vm.wait_until(lambda: stranger.connect_ex(at("meet")) == 0, "a socket")
                stranger.sendall(text)
                stranger.shutdown(socket.SHUT_WR)
                try:
                    tap.equal(stranger.recv(100), b"")
                except ConnectionResetError:
                    pass  # it did not read all that it was sent
        wait(pair.here, "postcopy-paused")
        pair.here.qmp.command("migrate", uri=pair.uri, resume=True)
        pair.done()


def debugger_leaves():
    """GDB's detach where the machine came from does not make it run there, too; nor where it has not come yet."""
    with Folder() as at:
        with Pair(at, ["-gdb", f"unix:{at('gdb')},server=on,wait=off"], there_words=["-gdb", f"unix:{at('gdb2')},server=on,wait=off"]) as pair:
            gdb_client.Client(at("gdb2"), pair.there.process).ask("D")
            tap.equal(pair.there.qmp.command("query-status")["status"], "inmigrate")
            pair.begin()
            pair.follows()
            gdb_client.Client(at("gdb"), pair.here.process).ask("D")
            tap.equal(pair.here.qmp.command("query-status")["status"], "finish-migrate")
            pair.done()
            gdb_client.Client(at("gdb"), pair.here.process).ask("D")
            tap.equal(pair.here.qmp.command("query-status")["status"], "postmigrate")


def nobody_may():
    """The host lets nobody wait for memory, and that is what is said."""
    with start(["-incoming", "defer"]) as m:
        refused(m, "userfaultfd", "migrate-set-capabilities", capabilities=[{"capability": "postcopy-ram", "state": True}])
    raise tap.Skip("the host lets nobody wait for memory")


def main():
    shm = "/dev/shm"
    kinds = {
        "memory of its own": dimm("memory-backend-ram"),
        "shared memory": dimm("memory-backend-ram", share="on"),
        "a memfd": dimm("memory-backend-memfd"),
        "a file of tmpfs": dimm("memory-backend-file", share="on", **{"mem-path": shm}),
        "an NVDIMM, beside a virtio-mem": [
            "-machine", "nvdimm=on", "-object", "memory-backend-ram,id=m0,size=4M", "-device", f"nvdimm,id=d0,memdev=m0,addr={DIMM[0]:#x}",
            "-object", "memory-backend-ram,id=v0,size=64M", "-device", "virtio-mem-pci,memdev=v0,requested-size=32M"],
        "boot memory of a memfd": ["-object", "memory-backend-memfd,id=boot,size=32M", "-machine", "memory-backend=boot"],
    }
    tests = [(f"memory follows: {name}", lambda words=words: moved(words)) for name, words in kinds.items()]
    tests += [
        ("memory follows: large pages", large_pages),
        ("given back: memory of its own", lambda: given_back("memory-backend-ram", True)),
        ("given back: a memfd", lambda: given_back("memory-backend-memfd", True)),
        ("given back: not wanted", lambda: given_back("memory-backend-ram", False)),
        ("given back: it never ran there", given_back_too_early),
        ("several connections: at once", lambda: several(False, True)),
        ("several connections: after a round", lambda: several(False, False)),
        ("several connections: and given back", lambda: several(True, True)),
        ("several connections: one is cut, and it runs", lambda: cut("running")),
        ("several connections: one is cut, and it stands", lambda: cut("stopped")),
        ("cancelled before it may run there", cancelled),
        ("cancelled before it may run there: several connections", lambda: cancelled("multifd")),
        ("its image is taken meanwhile", image_is_taken),
        ("refused: a private copy of a file", lambda: cannot_come_late(
            dimm("memory-backend-file", **{"mem-path": shm}), "cannot do that", "m0", "private copy", "share=on")),
        ("refused: a file of a disk", lambda: cannot_come_late(
            dimm("memory-backend-file", share="on", **{"mem-path": "FILE"}), "cannot do that", "m0", "tmpfs")),
        ("refused: memory that others use", other_users),
        ("asked for too late", too_late),
        ("what there must be", capabilities),
        ("lost there first", lambda: lost(0)),
        ("lost here first", lambda: lost(1)),
        ("lost, and waited for", waits_for_lost),
        ("by people's commands", by_hmp),
        ("the destination is killed", lambda: killed("there")),
        ("the source is killed", lambda: killed("here")),
        ("the source is gone: quit", lambda: ends_at_once("quit", False)),
        ("the source is gone: SIGTERM", lambda: ends_at_once(signal.SIGTERM, False)),
        ("the source is gone, and who waits: SIGTERM", lambda: ends_at_once(signal.SIGTERM, True)),
        ("the source is gone, and who waits: SIGINT", lambda: ends_at_once(signal.SIGINT, True)),
        ("the source is gone, and who waits: quit", lambda: ends_at_once("quit", True)),
        ("waits before it goes", waits_before),
        ("the source is told lies", source_is_told_lies),
        ("a stranger connects", stranger_connects),
        ("nothing followed", nothing_followed),
        ("a debugger leaves", debugger_leaves),
    ]
    if not vm.memory_may_follow():
        tests = [("memory follows", nobody_may)]
    tap.run([test for test in tests if len(sys.argv) < 3 or sys.argv[2] in test[0]])


main()

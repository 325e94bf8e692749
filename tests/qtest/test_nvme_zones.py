#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Zoned namespaces of NVMe controllers, command by command. Usage: test_nvme_zones.py BUILD-DIR"""
import os
import struct
import tempfile

import machine
import nvme_driver
import tap

KIB, MIB = 1 << 10, 1 << 20
ZONE = 512  # blocks of a zone; 384 can be written
CLOSE, FINISH, OPEN, RESET, OFFLINE, EXTEND = 1, 2, 3, 4, 5, 0x10
EMPTY, IMPLICIT, EXPLICIT, CLOSED, FULL = 1, 2, 3, 4, 14
BAD_FIELD, BAD_LBA, BOUNDARY, IS_FULL, BAD_WRITE, ACTIVE, OPENED, TRANSITION = 2, 0x80, 0x1b8, 0x1b9, 0x1bc, 0x1bd, 0x1be, 0x1bf
ALL = 1 << 8
NAMESPACE = "zoned=on,zoned.zone_size=256k,zoned.zone_capacity=192k"


class Controller(nvme_driver.Controller):
    def __init__(self, m, sets=6):
        super().__init__(m, 4, sets)

    def status(self, *args, **options):
        return self.command(*args, **options) & 0x7ff  # without DNR

    def write(self, lba, count=1, opcode=1, byte=b"z"):
        self.put(byte * 4096)
        return self.status(1, opcode, 1, cdw10=lba, cdw12=count - 1)

    def append(self, lba, count=1):
        self.put(b"a" * 4096)
        self.submit(1, 0x7d, 1, cdw10=lba, cdw12=count - 1)
        status, result = self.completion(1)
        return (status & 0x7ff, result)

    def send(self, action, lba=0, more=0):
        return self.status(1, 0x79, 1, cdw10=lba, cdw13=action | more)

    def receive(self, lba=0, size=4096, report=0, kind=0, partial=False):
        return self.status(1, 0x7a, 1, cdw10=lba, cdw12=size // 4 - 1, cdw13=report | kind << 8 | partial << 16)

    def zones(self, lba=0, **options):
        """(How many it says, [(state, start, write pointer)])."""
        self.put(bytes(4096))
        tap.equal(self.receive(lba, **options), 0, "report")
        data = self.data(options.get("size", 4096))
        found = [(data[at + 1] >> 4, *struct.unpack_from("<QQ", data, at + 16)) for at in range(64, len(data) - 63, 64) if data[at]]
        return struct.unpack_from("<Q", data)[0], found

    def states(self):
        return [zone[0] for zone in self.zones()[1]]


def words(folder, more="", controller=""):
    path = f"{folder}/a"
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.truncate(MIB)
    return ["-device", f"nvme,id=n0,serial=abc,addr=4{controller}", "-drive", f"if=none,id=d,format=raw,file={path}",
            "-device", f"nvme-ns,drive=d,{NAMESPACE}{more}"]


def zoned(more="", controller=""):
    def decorate(test):
        def run():
            with tempfile.TemporaryDirectory() as folder, machine.Machine(memory="64M", extra=words(folder, more, controller)) as m:
                test(Controller(m))
        return run
    return decorate


@zoned(",zoned.max_active=3,zoned.max_open=2,zoned.descr_ext_size=64,uuid=auto", ",zoned.zasl=1")
def identified(n):
    def identify(cns, csi=0, nsid=0):
        status = n.status(0, 6, nsid, cdw10=cns, cdw11=csi << 24)
        return status or n.data()
    tap.equal(int(n.m(f"readl {n.bar + 4:#x}")[0], 0) & 0x1fe0, 0x820, "CAP.CSS")
    tap.equal(struct.unpack_from("<QQQ", identify(0, nsid=1)), (4 * ZONE, 4 * 384, 4 * 384), "NSZE, NCAP, NUSE")
    found = identify(3, nsid=1)
    tap.equal((found[0], found[20:25]), (3, b"\4\1\0\0\2"), "UUID and CSI")
    tap.equal(struct.unpack_from("<HHII", identify(5, 2, 1)), (0, 0, 2, 1), "MAR, MOR")
    tap.equal(struct.unpack_from("<QB", identify(5, 2, 1), 2816), (ZONE, 1), "ZSZE, ZDES")
    tap.equal((identify(5, 0, 1), identify(5, 2, 300), identify(5, 2, 2)), (BAD_FIELD, 0xb, bytes(4096)))
    tap.equal((identify(6, 2)[0], identify(6, 0), identify(6, 1)), (1, bytes(4096), BAD_FIELD), "ZASL")
    tap.equal([identify(7, csi)[:8] for csi in (0, 2)], [bytes(8), b"\1" + bytes(7)], "active, by command set")
    tap.equal((identify(7, 3), identify(0x1c)[:16]), (BAD_FIELD, b"\5" + bytes(15)), "combinations")
    tap.equal((n.status(0, 9, cdw10=0x19), n.status(0, 9, cdw10=0x19, cdw11=1), n.status(0, 10, cdw10=0x19)), (0, 0x12b, 0), "the profile")
    effects = []
    for csi in (0, 2):
        tap.equal(n.status(0, 2, cdw10=1023 << 16 | 5, cdw14=csi << 24), 0)
        effects.append([n.data()[1024 + 4 * opcode] for opcode in (1, 0x79, 0x7a, 0x7d)])
    tap.equal(effects, [[3, 0, 0, 0], [3, 3, 1, 3]], "effects")
    tap.equal(n.status(0, 2, cdw10=1023 << 16 | 5, cdw14=1 << 24), BAD_FIELD)
    # With the NVM command set alone there is no such namespace.
    n.sets = 0
    n.reset()
    tap.equal((n.write(0), n.send(RESET), identify(2)[:4], identify(0, nsid=1)), (0xb, 0xb, bytes(4), bytes(4096)))


@zoned()
def written(n):
    tap.equal(n.zones(), (4, [(EMPTY, at, at) for at in range(0, 4 * ZONE, ZONE)]))
    tap.equal((n.write(0, 8), n.write(8), n.write(8), n.write(10), n.write(0)), (0, 0, BAD_WRITE, BAD_WRITE, BAD_WRITE))
    tap.equal(n.write(9, opcode=8), 0, "zeros")
    tap.equal(n.zones()[1][0], (IMPLICIT, 0, 10))
    tap.equal((n.append(ZONE), n.append(ZONE, 3), n.append(ZONE)), ((0, ZONE), (0, ZONE + 1), (0, ZONE + 4)), "where it went")
    tap.equal((n.append(ZONE + 1), n.append(4 * ZONE), n.append(1 << 31)), ((BAD_FIELD, 0), (BAD_LBA, 0), (BAD_LBA, 0)))
    tap.equal((n.read(1, ZONE + 4), n.read(1, 9), n.read(1, 0)), (b"a" * 512, bytes(512), b"z" * 512))
    tap.equal(n.status(1, 8, 1, cdw10=10, cdw12=374), BOUNDARY, "more than there is")
    tap.equal((n.zones()[1][0], n.status(1, 8, 1, cdw10=10, cdw12=373)), ((IMPLICIT, 0, 10), 0))
    tap.equal((n.zones()[1][0], n.write(384), n.write(0), n.append(0)), ((FULL, 0, (1 << 64) - 1), IS_FULL, IS_FULL, (IS_FULL, 0)))
    tap.equal((n.write(ZONE + 400), n.write(ZONE - 1)), (BAD_WRITE, IS_FULL), "behind the capacity")
    tap.equal((n.status(1, 2, 1, cdw10=ZONE - 1, cdw12=1), n.status(1, 2, 1, cdw10=ZONE - 2, cdw12=1)), (BOUNDARY, 0), "a read of two zones")
    tap.equal((n.send(RESET, ZONE), n.zones()[1][1], n.read(1, ZONE)), (0, (EMPTY, ZONE, ZONE), bytes(512)), "its blocks are gone")
    tap.equal((n.send(RESET, 0, ALL), n.states(), n.read(1, 0)), (0, [EMPTY] * 4, bytes(512)))
    tap.equal(n.status(1, 1, 0, cdw10=0), 0xb, "no namespace")
    tap.equal(n.status(1, 1, 1, cdw10=4 * ZONE), BAD_LBA)


@zoned(",zoned.cross_read=on", ",zoned.zasl=1,mdts=2")
def sized(n):
    tap.equal(n.status(1, 2, 1, cdw10=ZONE - 1, cdw12=1), 0, "a read of two zones")
    tap.equal((n.append(0, 17)[0], n.append(0, 8)), (BAD_FIELD, (0, 0)), "ZASL")
    tap.equal(n.status(1, 1, 1, cdw10=8, cdw12=32), BAD_FIELD, "MDTS")
    tap.equal(n.receive(size=20 * KIB), BAD_FIELD, "a report of more than MDTS")
    tap.equal(n.status(1, 1, 1, cdw10=8, data=0xfff00000), 4, "data that are nowhere")
    tap.equal(n.zones()[1][0], (IMPLICIT, 0, 8), "what failed took no place")


@zoned(",zoned.descr_ext_size=64")
def managed(n):
    tap.equal((n.send(OPEN), n.send(OPEN), n.states()), (0, 0, [EXPLICIT] + [EMPTY] * 3))
    tap.equal((n.send(CLOSE), n.send(CLOSE), n.send(CLOSE, ZONE), n.states()), (0, 0, TRANSITION, [CLOSED] + [EMPTY] * 3))
    tap.equal((n.write(0), n.send(OPEN), n.states()[0], n.write(1), n.states()[0]), (0, 0, EXPLICIT, 0, EXPLICIT))
    tap.equal((n.send(FINISH), n.send(FINISH), n.send(OPEN), n.send(CLOSE), n.states()[0]), (0, 0, TRANSITION, TRANSITION, FULL))
    tap.equal((n.send(FINISH, ZONE), n.states()), (0, [FULL, FULL, EMPTY, EMPTY]))
    tap.equal((n.send(RESET), n.send(RESET), n.states()[0]), (0, 0, EMPTY))
    tap.equal((n.write(0), n.send(CLOSE, 0, ALL), n.send(OPEN, 0, ALL), n.states()), (0, 0, 0, [EXPLICIT, FULL, EMPTY, EMPTY]))
    tap.equal((n.send(FINISH, 0, ALL), n.states()), (0, [FULL, FULL, EMPTY, EMPTY]))
    tap.equal((n.send(OFFLINE), n.send(OFFLINE, 0, ALL)), (TRANSITION, 0), "none is read only")
    tap.equal([n.send(action) for action in (0, 6, 0x11, 0xff)], [BAD_FIELD] * 4)
    tap.equal([n.send(action, at) for action in (OPEN, RESET, EXTEND) for at in (1, 4 * ZONE)], [BAD_FIELD, BAD_LBA] * 3)
    n.put(b"e" * 64)
    tap.equal((n.send(EXTEND), n.send(EXTEND, 0, ALL), n.send(EXTEND, 2 * ZONE)), (TRANSITION, BAD_FIELD, 0))
    tap.equal(n.zones()[1][2], (CLOSED, 2 * ZONE, 2 * ZONE))
    tap.equal(n.receive(2 * ZONE, report=1), 0)
    data = n.data()
    tap.equal((data[66], data[128:192], data[194], data[256:320]), (0x80, b"e" * 64, 0, bytes(64)), "extensions")
    tap.equal((n.send(RESET, 2 * ZONE), n.receive(2 * ZONE, report=1), n.data()[128:192]), (0, 0, bytes(64)))


@zoned()
def reported(n):
    n.write(0)
    n.send(FINISH, ZONE)
    tap.equal([[zone[1] // ZONE for zone in n.zones(kind=kind)[1]] for kind in range(8)], [[0, 1, 2, 3], [2, 3], [0], [], [], [1], [], []], "by state")
    tap.equal((n.zones(ZONE + 7)[0], n.zones(3 * ZONE)[1]), (3, [(EMPTY, 3 * ZONE, 3 * ZONE)]))
    tap.equal([(found[0], len(found[1])) for found in (n.zones(size=200), n.zones(size=200, partial=True), n.zones(size=64), n.zones(size=64, partial=True))],
              [(4, 2), (2, 2), (4, 0), (0, 0)], "what fits")
    tap.equal((n.receive(size=60), n.receive(report=2), n.receive(report=1), n.receive(kind=8), n.receive(4 * ZONE)), (BAD_FIELD,) * 4 + (BAD_LBA,))


@zoned(",zoned.max_active=3,zoned.max_open=2")
def limited(n):
    tap.equal((n.write(0), n.write(ZONE), n.write(2 * ZONE), n.states()), (0, 0, 0, [CLOSED, IMPLICIT, IMPLICIT, EMPTY]), "the first was closed")
    tap.equal((n.write(3 * ZONE), n.send(OPEN, 3 * ZONE)), (ACTIVE, ACTIVE))
    tap.equal((n.send(OPEN), n.send(OPEN, ZONE), n.states()), (0, 0, [EXPLICIT, EXPLICIT, CLOSED, EMPTY]))
    tap.equal((n.write(2 * ZONE + 1), n.append(2 * ZONE), n.send(OPEN, 2 * ZONE), n.send(OPEN, 0, ALL), n.states()),
              (OPENED, (OPENED, 0), OPENED, OPENED, [EXPLICIT, EXPLICIT, CLOSED, EMPTY]))
    tap.equal((n.send(FINISH), n.write(2 * ZONE + 1), n.states()), (0, 0, [FULL, EXPLICIT, IMPLICIT, EMPTY]))
    n.m.qmp.command("system_reset")
    n.m.qmp.event("RESET")
    n.reset()
    tap.equal(n.states(), [FULL, CLOSED, CLOSED, EMPTY], "what was open is closed")


@zoned(",zoned.max_open=1", ",zoned.auto_transition=off")
def not_closed(n):
    tap.equal((n.write(0), n.write(ZONE), n.send(OPEN, ZONE), n.states()), (0, OPENED, OPENED, [IMPLICIT] + [EMPTY] * 3))


def other_namespaces():
    """One without zones has no commands for them; one that cannot be written to is not reset."""
    with tempfile.TemporaryDirectory() as folder:
        with machine.Machine(memory="64M", extra=["-device", "nvme,serial=a,addr=4", "-blockdev", "null-co,node-name=d", "-device", "nvme-ns,drive=d"]) as m:
            n = Controller(m)
            tap.equal((n.send(RESET), n.receive(), n.append(0), n.write(5)), (1, 1, (1, 0), 0))
        extra = words(folder)
        extra[3] += ",readonly=on"
        with machine.Machine(memory="64M", extra=extra) as m:
            n = Controller(m)
            tap.equal((n.send(RESET), n.append(0), n.states()), (0x20, (0x20, 0), [EMPTY] * 4))


def kept():
    """What the host cannot write stops the machine; when it goes on, what has its place in a zone gets there."""
    with tempfile.TemporaryDirectory() as folder:
        extra = ["-device", "nvme,id=n0,serial=a,addr=4", "-blockdev", f"raw,node-name=d,file.driver=blkdebug,file.image.driver=file,file.image.filename={folder}/a,"
                 "file.inject-error.0.event=write_aio,file.inject-error.0.once=on", "-device", f"nvme-ns,drive=d,werror=stop,{NAMESPACE}"]
        words(folder)
        with machine.Machine(memory="64M", extra=extra) as m:
            n = Controller(m)
            n.put(b"k" * 512)
            n.submit(1, 0x7d, 1, cdw10=ZONE)
            m.qmp.event("STOP")
            m.qmp.command("cont")
            tap.equal(n.completion(1), (0, ZONE))
            tap.equal((n.append(ZONE), n.read(1, ZONE)), ((0, ZONE + 1), b"k" * 512))


def under_way():
    """A reset of a zone, and a write, are under way when the controller is reset: what has its place in a zone keeps it, and the zone whose blocks are gone is empty."""
    with tempfile.TemporaryDirectory() as folder:
        extra = words(folder)
        extra[3] += ",throttling.bps-total=64"
        for all_of_it in False, True:
            with machine.Machine(memory="64M", extra=extra) as m:
                n = Controller(m)
                n.write(0)
                n.submit(1, 0x7d, 1, cdw10=ZONE)
                n.submit(1, 0x79, 1, cdw10=0, cdw13=RESET)
                tap.equal([zone["rd_bytes"] + zone["wr_bytes"] for zone in (m.qmp.command("query-blockstats")[0]["stats"],)], [512], "what is done")
                if all_of_it:
                    m.qmp.command("system_reset")
                    m.qmp.event("RESET")
                n.reset()
                tap.equal([(zone[0], zone[2] % ZONE) for zone in n.zones()[1]][:2], [(EMPTY, 0), (CLOSED if all_of_it else IMPLICIT, 1)])


def moved():
    with tempfile.TemporaryDirectory() as folder:
        extra = words(folder, ",zoned.max_active=3,zoned.max_open=2,zoned.descr_ext_size=64")
        with machine.Machine(memory="64M", extra=extra) as m:
            n = Controller(m)
            n.write(0, 3)
            n.send(OPEN, ZONE)
            n.put(b"m" * 64)
            n.send(EXTEND, 2 * ZONE)
            n.send(FINISH, 3 * ZONE)
            before = n.zones()
            m.qmp.command("migrate", uri=f"file:{folder}/state")
            machine.vm.wait_until(lambda: m.qmp.command("query-migrate").get("status") == "completed", "it has gone")
        with machine.Machine(memory="64M", extra=[*extra, "-incoming", f"file:{folder}/state"]) as m:
            machine.vm.wait_until(lambda: m.qmp.command("query-status")["running"], "it has come")
            n.m = m
            tap.equal(n.zones(), before)
            tap.equal((n.receive(report=1), n.data()[64 + 2 * 128 + 64:][:64]), (0, b"m" * 64))
            tap.equal((n.write(3), n.send(OPEN, 2 * ZONE), n.states()), (0, 0, [CLOSED, EXPLICIT, EXPLICIT, FULL]), "limits hold on")
        status, text = machine.run_program("-accel", "qtest", "-display", "none", "-nodefaults", "-m", "64M",
                                           *extra[:5], "nvme-ns,drive=d", "-incoming", f"file:{folder}/state")
        tap.equal((status != 0, "zoned" in text), (True, True), text)


def named():
    """Names of properties that have dots, by each way that sets them."""
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
        config.write('[device "n.s"]\ndriver = "nvme-ns"\ndrive = "d"\nzoned = "on"\nzoned.zone_size = "64k"\n')
        config.flush()
        device = ["-device", "nvme-ns,id=n.s,drive=d,zoned=on,zoned.zone_capacity=64k"]
        for words in (["-readconfig", config.name], [*device, "-set", "device.n.s.zoned.zone_size=64k"],
                      ["-global", "nvme-ns.zoned.zone_size=64k", *device], ["-global", "driver=nvme-ns,property=zoned.zone_size,value=64k", *device]):
            with machine.Machine(memory="64M", extra=["-device", "nvme,serial=a", "-blockdev", "null-co,node-name=d,size=1M", *words]) as m:
                tap.equal(m.qmp.command("qom-get", path="/machine/peripheral/n.s", property="zoned.zone_size"), 65536, words)


def refused():
    for more, says in ((",zoned.zone_size=1000", "multiple of the namespace's blocks"), (",zoned.zone_size=0", "multiple"), (",zoned.zone_capacity=2M", "at most zoned.zone_size"),
                       (",zoned.zone_capacity=100", "multiple"), (",zoned.max_active=2,zoned.max_open=3", "zoned.max_active=2"), (",zoned.descr_ext_size=65", "multiple of 64"),
                       (",zoned.descr_ext_size=16384", "up to 16320"), (",zoned.zone_size=4G", "less than one zone")):
        status, text = machine.run_program("-accel", "qtest", "-display", "none", "-nodefaults", "-device", "nvme,serial=a", "-blockdev",
                                           "null-co,node-name=d,size=1073741824", "-device", f"nvme-ns,drive=d,{NAMESPACE}{more}")
        tap.equal((status, says in text), (1, True), text)
    for more, says in ((",zoned.zone_size=512,zoned.zone_capacity=0", "there can be 1048576"), (",zoned.descr_ext_size=16320", "256 MiB")):
        status, text = machine.run_program("-accel", "qtest", "-display", "none", "-nodefaults", "-device", "nvme,serial=a", "-blockdev",
                                           "null-co,node-name=d,size=1099511627776", "-device", f"nvme-ns,drive=d,zoned=on,zoned.zone_size=1M{more}")
        tap.equal((status, says in text), (1, True), text)
    status, text = machine.run_program("-accel", "qtest", "-display", "none", "-nodefaults", "-device", "nvme,serial=a,zoned.zasl=8")
    tap.equal((status, "mdts=7" in text), (1, True), text)


tap.run([("what it is said to be", identified), ("writes, appends and resets", written), ("sizes", sized), ("states", managed), ("reports", reported),
         ("limits", limited), ("limits without closing", not_closed), ("other namespaces", other_namespaces), ("errors of the host", kept), ("what is under way at a reset", under_way), ("moved", moved), ("names with dots", named),
         ("what is refused", refused)])

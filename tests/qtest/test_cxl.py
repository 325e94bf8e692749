#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""CXL as a driver sees it (docs/cxl.md): capabilities, component registers, DOE, the mailbox, decoders and where they lead,
what is refused, hot-plug, a machine that moves, and guests that mean harm."""
import random
import struct

import machine
import tap
import vm

MIB, GIB = 1 << 20, 1 << 30
ECAM = 0xB0000000
BASE = ["-accel", "qtest", "-display", "none", "-m", "64M"]
ON = ["-M", "q35,cxl=on"]
ONES = 0xFFFFFFFFFFFFFFFF
# Where CXL begins on a machine with no window for DIMMs: host bridges' registers, and the first window.
REGISTERS, WINDOW = 4 * GIB, 4 * GIB + 256 * MIB
DVSEC_DEVICE, DVSEC_PORT, DVSEC_REGISTERS = 0, 3, 8
COMMIT, COMMITTED, ERROR, LOCK = 1 << 9, 1 << 10, 1 << 11, 1 << 8
LOGS = ("info", "warning", "failure", "fatal")


def backend(name, size=256 * MIB):
    return ["-object", f"memory-backend-ram,id={name},size={size},reserve=off"]


def type3(n, bus, more="", lsa=True):
    words = backend(f"m{n}") + (backend(f"l{n}", MIB) if lsa else [])
    labels = f",lsa=l{n}" if lsa else ""
    return words + ["-device", f"cxl-type3,id=c{n},bus={bus},persistent-memdev=m{n}{labels}{more}"]


def port(n, bus="cxl.1", more=""):
    return ["-device", f"cxl-rp,id=rp{n},port={n},bus={bus},chassis=0,slot={n + 1}{more}"]


PXB = ["-device", "pxb-cxl,id=cxl.1,bus_nr=12"]
ONE = [*ON, "-M", "cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G", *PXB, *port(0), *type3(0, "rp0", ",sn=0x1122334455667788")]
TWO = [*ON, "-M", "cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G", *PXB, *port(0), *type3(0, "rp0"), *port(1), *type3(1, "rp1")]
SWITCH = [*ON, "-M", "cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G", *PXB, *port(0), "-device", "cxl-upstream,id=us,bus=rp0",
          *[word for n in range(2) for word in (
              "-device", f"cxl-downstream,id=ds{n},port={n + 5},bus=us,chassis=0,slot={n + 9}", *type3(n, f"ds{n}"))]]


class Cxl(machine.Machine):
    def __init__(self, words, memory="64M", **options):
        super().__init__(memory, extra=words, **options)

    def set_up(self):
        """As a driver finds it: memory-mapped configuration space."""
        self.write("l", 0xCF8, 0x80000064)
        self.write("l", 0xCFC, ECAM >> 32)
        self.write("l", 0xCF8, 0x80000060)
        self.write("l", 0xCFC, ECAM & 0xFFFFFFFF | 1)
        return self

    def refuses(self, name, **arguments):
        try:
            self.qmp.command(name, **arguments)
        except vm.QmpError as err:
            return str(err)
        return "it was not refused"

    def get(self, at, size=4):
        return int(self(f"read{'?bw?l???q'[size]} {at:#x}")[0], 0)

    def put(self, at, value, size=4):
        self(f"write{'?bw?l???q'[size]} {at:#x} {value:#x}")

    def bytes(self, at, size):
        return bytes.fromhex(self(f"read {at:#x} {size:#x}")[0][2:]) if size else b""

    def put_bytes(self, at, data):
        if data:
            self(f"write {at:#x} {len(data):#x} 0x{data.hex()}")


class Function:
    """A function, by its place."""
    def __init__(self, m, bus, device=0):
        self.m, self.at = m, ECAM + (bus << 20) + (device << 15)

    def get(self, at, size=4):
        return self.m.get(self.at + at, size)

    def put(self, at, value, size=4):
        self.m.put(self.at + at, value, size)

    def bridge(self, secondary, subordinate, first, last):
        self.put(0x18, secondary << 8 | subordinate << 16)
        self.put(0x20, first >> 16 | last & 0xFFF00000)
        self.put(4, 6, 2)

    def extended(self):
        """[(ID, offset)] of extended capabilities."""
        found, at = [], 0x100
        while at:
            head = self.get(at)
            if not head:
                break
            found.append((head & 0xFFFF, at))
            at = head >> 20
        return found

    def dvsecs(self):
        """{ID: (offset, length)} of those of CXL."""
        found = {}
        for kind, at in self.extended():
            if kind == 0x23:
                tap.equal(self.get(at + 4) & 0xFFFF, 0x1E98)
                found[self.get(at + 8, 2)] = at, self.get(at + 4) >> 20
        return found

    def bar(self, n, address):
        self.put(0x10 + 4 * n, address & 0xFFFFFFFF)
        self.put(0x14 + 4 * n, address >> 32)

    def size_of(self, n):
        self.put(0x10 + 4 * n, 0xFFFFFFFF)
        return -(self.get(0x10 + 4 * n) & ~15) & 0xFFFFFFFF


class Decoders:
    """HDM decoders of the component registers at @at."""
    def __init__(self, m, at):
        self.m, self.at = m, at + 0x1000
        count = m.get(self.at) >> 24
        self.caps = {m.get(self.at + 4 * n) & 0xFFFF: m.get(self.at + 4 * n) >> 20 for n in range(1, count + 1)}
        self.first = self.at + self.caps.get(5, 0) + 0x10

    def set(self, n, base, size, ways=0, granularity=0, targets=0):
        at = self.first + 0x20 * n
        for offset, value in ((0, base), (8, size), (0x14, targets)):
            self.m.put(at + offset, value & 0xFFFFFFFF)
            self.m.put(at + offset + 4, value >> 32)
        self.m.put(at + 0x10, granularity | ways << 4)

    def commit(self, n, more=0):
        at = self.first + 0x20 * n + 0x10
        self.m.put(at, self.m.get(at) & 0xFF | COMMIT | more)
        return self.m.get(at) & (COMMITTED | ERROR)

    def release(self, n):
        at = self.first + 0x20 * n + 0x10
        self.m.put(at, self.m.get(at) & ~COMMIT)
        return self.m.get(at) & COMMITTED

    def enable(self, on=True):
        self.m.put(self.at + self.caps[5] + 4, 2 if on else 0)


class Type3(Function):
    def __init__(self, m, bus, place):
        super().__init__(m, bus)
        self.component, self.device = place, place + 0x10000
        self.bar(0, self.component)
        self.bar(2, self.device)
        self.put(0x20, place + 0x20000)
        self.put(4, 6, 2)
        self.dvsec = self.dvsecs()[DVSEC_DEVICE][0]
        self.decoders = Decoders(m, self.component)

    def enable(self, on=True):
        self.put(self.dvsec + 0xC, 6 if on else 2, 2)
        self.decoders.enable(on)

    def command(self, opcode, data=b"", length=None):
        """(return code, output)."""
        self.m.put_bytes(self.device + 0xA8, data)
        self.m.put(self.device + 0x90, opcode | (len(data) if length is None else length) << 16, 8)
        self.m.put(self.device + 0x8C, 1)
        tap.equal(self.m.get(self.device + 0x8C) & 1, 0)
        size = self.m.get(self.device + 0x90, 8) >> 16 & 0x1FFFFF
        return self.m.get(self.device + 0x98, 8) >> 32 & 0xFFFF, self.m.bytes(self.device + 0xA8, size)

    def good(self, opcode, data=b""):
        code, out = self.command(opcode, data)
        tap.equal(code, 0, f"command {opcode:#x}")
        return out


def doe(function, *words):
    """The reply to an object, or None."""
    at = dict(function.extended())[0x2E]
    function.put(at + 8, 1)
    for word in words:
        function.put(at + 0x10, word)
    function.put(at + 8, 1 << 31)
    reply = []
    if function.get(at + 0xC) & 4:
        function.put(at + 8, 1)
        return None
    while function.get(at + 0xC) >> 31:
        reply.append(function.get(at + 0x14))
        function.put(at + 0x14, 0)
    return reply


def table(function):
    """The CDAT: its header and structures as bytes."""
    found, handle = [], 0
    while handle != 0xFFFF:
        reply = doe(function, 0x00021E98, 3, handle << 16)
        tap.equal((reply[0], reply[1]), (0x00021E98, len(reply)))
        found.append(struct.pack(f"<{len(reply) - 3}I", *reply[3:]))
        handle = reply[2] >> 16
    data = b"".join(found)
    tap.equal((sum(data) & 0xFF, struct.unpack_from("<I", data)[0]), (0, len(data)))
    return found


def behind(m, rp, bus, n=0):
    """Set up root port @rp of bus 12, and the device behind it on @bus."""
    place = 0xE0000000 + n * 16 * MIB
    Function(m, 12, rp).bridge(bus, bus, place, place + MIB - 1)
    return Type3(m, bus, place)


# ---- what there is ----

def registers():
    with Cxl(ONE).set_up() as m:
        dev = behind(m, 0, 13)
        rp = Function(m, 12)
        tap.equal((rp.get(0), dev.get(0), dev.get(8) >> 8), (0x70758086, 0x0D938086, 0x050210))
        tap.equal(sorted(rp.dvsecs()), [3, 4, 7, 8])
        tap.equal(sorted(dev.dvsecs()), [0, 5, 7, 8])
        serial = dict((kind, at) for kind, at in dev.extended())[3]
        tap.equal((dev.get(serial + 4), dev.get(serial + 8)), (0x55667788, 0x11223344))
        at = dev.dvsecs()[DVSEC_DEVICE][0]
        tap.equal((dev.get(at + 0xA, 2), dev.get(at + 0x18), dev.get(at + 0x1C)), (0x1E, 0, 256 * MIB | 0x4B))
        at, length = dev.dvsecs()[DVSEC_REGISTERS]
        tap.equal([dev.get(at + n) for n in range(0xC, length, 4)], [0x100, 0, 0x302, 0])
        at, length = rp.dvsecs()[DVSEC_REGISTERS]
        tap.equal([rp.get(at + n) for n in range(0xC, length, 4)], [0x100, 0])
        tap.equal(any(m.bytes(dev.component, 0x1000)), False, "no registers of CXL.io")
        tap.equal(sorted(dev.decoders.caps), [2, 4, 5])
        rp.bar(0, 0xE8000000)
        tap.equal(sorted(Decoders(m, 0xE8000000).caps), [2, 4, 6, 8])
        tap.equal(sorted(Decoders(m, REGISTERS).caps), [2, 4], "one port: there is nothing to decode")
        ras = dev.decoders.at + dev.decoders.caps[2]
        tap.equal([m.get(ras + n) for n in range(0, 0x14, 4)], [0, 0x1CFFF, 0x1CFFF, 0, 0x7F])
        m.put(ras + 4, 0xFFFF0000)
        tap.equal(m.get(ras + 4), 0x10000)
        tap.equal([m.get(dev.device + n) for n in (0, 4, 0x10, 0x14, 0x18)], [0x10000, 3, 0x10001, 0x80, 8])
        tap.equal((m.get(dev.device + 0x88), m.get(dev.device + 0x8A8)), (11, 0x14))
    with Cxl([*ONE[:-1], ONE[-1].replace(",sn=0x1122334455667788", "")]).set_up() as m:
        tap.equal(3 in dict(behind(m, 0, 13).extended()), False)


def tables():
    with Cxl(TWO).set_up() as m:
        dev = behind(m, 0, 13)
        tap.equal(doe(dev, 1, 3, 0), [1, 3, 0x01000001])
        tap.equal(doe(dev, 1, 3, 1), [1, 3, 0x00021E98])
        tap.equal(doe(dev, 1, 3, 2), None)
        tap.equal(doe(dev, 1, 4, 0), None, "a length that is not so")
        tap.equal(doe(dev, 0x00031E98, 3, 0), None)
        tap.equal(doe(dev, 0x00021E98, 3, 0xFFFE0000), None)
        tap.equal(doe(dev, *[0x00021E98] * 40), None)
        found = table(dev)
        tap.equal([s[0] for s in found[1:]], [0, 1, 1, 1, 1, 4])
        tap.equal(struct.unpack("<BBHBBHQQ", found[1]), (0, 0, 24, 0, 4, 0, 0, 256 * MIB))
    with Cxl(SWITCH).set_up() as m:
        Function(m, 12).bridge(13, 16, 0xE0000000, 0xE1FFFFFF)
        found = table(Function(m, 13))
        tap.equal([s[0] for s in found[1:]], [5, 5])
        tap.equal(struct.unpack_from("<HHHH", found[1], 16), (0x100, 5, 1, 0))


def mailbox():
    with Cxl(ONE).set_up() as m:
        dev = behind(m, 0, 13)
        said = dev.good(0x4000)
        tap.equal(struct.unpack_from("<QQQ", said, 16), (1, 0, 1))
        tap.equal((len(said), struct.unpack_from("<I", said, 56)[0]), (67, MIB))
        logs = dev.good(0x400)
        cel = logs[8:24]
        size = struct.unpack_from("<I", logs, 24)[0]
        effects = dev.good(0x401, cel + struct.pack("<II", 0, size))
        opcodes = [struct.unpack_from("<H", effects, n)[0] for n in range(0, size, 4)]
        tap.equal({0x4000, 0x4102, 0x4103, 0x100} < set(opcodes), True)
        tap.equal(dev.command(0x401, cel + struct.pack("<II", size, 4))[0], 2)
        dev.good(0x4103, struct.pack("<II", 4096, 0) + b"labels")
        tap.equal(dev.good(0x4102, struct.pack("<II", 4094, 10)), bytes(2) + b"labels" + bytes(2))
        for offset, length in ((MIB, 1), (MIB - 1, 2), (0xFFFFFFFF, 1), (0, 2049), (0, 0xFFFFFFFF)):
            tap.equal(dev.command(0x4102, struct.pack("<II", offset, length)), (2, b""), f"{offset} {length}")
        tap.equal(dev.command(0x4103, struct.pack("<II", MIB - 1, 0) + b"ab"), (2, b""))
        tap.equal(dev.good(0x300), bytes(8))
        dev.good(0x301, struct.pack("<Q", 10 ** 18))
        m("clock_step 5000")
        tap.equal(struct.unpack("<Q", dev.good(0x300))[0], 10 ** 18 + 5000)
        tap.equal(len(dev.good(0x4200)), 18)
        tap.equal(struct.unpack("<QQQQ", dev.good(0x4100)), (0, 1, 0, 1))
        tap.equal(dev.good(0x200)[:2], b"\1\1")
        tap.equal(dev.command(0x9999), (3, b""))
        tap.equal(dev.command(0x4000, b"x"), (0x16, b""))
        tap.equal(dev.command(0x4103, b"", length=0x1FFFFF), (0x16, b""))
        tap.equal(dev.good(0x102), bytes(n << 4 for n in range(4)))
        dev.good(0x103, b"\1\0\0\1")
        tap.equal(dev.good(0x102), bytes([1, 0x10, 0x20, 0x31]))
        tap.equal(dev.command(0x103, b"\2\0\0\0")[0], 2)
        tap.equal(dev.good(0x100, b"\0")[20:22], bytes(2))
        tap.equal(dev.command(0x100, b"\4")[0], 2)
        tap.equal(dev.command(0x101, bytes([0, 0, 200, 0, 0, 0]))[0], 2)


def poison():
    with Cxl(ONE).set_up() as m:
        dev = behind(m, 0, 13)
        whole = struct.pack("<QQ", 0, 256 * MIB // 64)

        def listed():
            out = dev.good(0x4300, whole)
            return [struct.unpack_from("<QII", out, 32 + 16 * n)[:2] for n in range(struct.unpack_from("<H", out, 10)[0])]
        tap.equal(listed(), [])
        for at in (0x1000, 0x40, 0x1040):
            dev.good(0x4301, struct.pack("<Q", at))
        tap.equal(listed(), [(0x40 | 3, 1), (0x1000 | 3, 1), (0x1040 | 3, 1)])
        dev.good(0x4302, struct.pack("<Q", 0x1000) + bytes(64))
        tap.equal(listed(), [(0x40 | 3, 1), (0x1040 | 3, 1)])
        tap.equal(dev.command(0x4301, struct.pack("<Q", 1))[0], 2)
        tap.equal(dev.command(0x4301, struct.pack("<Q", 256 * MIB))[0], 0xF)
        tap.equal(dev.command(0x4301, struct.pack("<Q", ONES - 63))[0], 0xF)
        tap.equal(dev.command(0x4300, struct.pack("<QQ", 0, ONES))[0], 2)
        for n in range(118):
            dev.good(0x4301, struct.pack("<Q", 0x2000 + 128 * n))
        tap.equal(dev.command(0x4301, struct.pack("<Q", 0x100000))[0], 0x10)
        tap.equal(len(listed()), 120)


def events():
    """Each poisoned address is an event; the log has room for 15, and counts the others."""
    with Cxl(ONE).set_up() as m:
        dev = behind(m, 0, 13)

        def listed():
            out = dev.good(0x100, b"\0")
            flags, lost, count = out[0], *struct.unpack_from("<H16xH", out, 2)
            records = [out[32 + 128 * n:160 + 128 * n] for n in range(count)]
            return flags, lost, [(struct.unpack_from("<H", r, 0x14)[0], struct.unpack_from("<Q", r, 0x30)[0]) for r in records]
        tap.equal((listed(), m.get(dev.device + 0x80)), ((0, 0, []), 0))
        dev.good(0x301, struct.pack("<Q", 1000))
        for n in range(3):
            dev.good(0x4301, struct.pack("<Q", n * 64))
        tap.equal((listed(), m.get(dev.device + 0x80)), ((0, 0, [(1, 0), (2, 64), (3, 128)]), 1))
        record = dev.good(0x100, b"\0")[32:160]
        tap.equal((record[:4].hex(), record[0x10], record[0x3A], struct.unpack_from("<Q", record, 0x18)[0]), ("fbcd0a77", 128, 4, 1000))
        tap.equal(dev.command(0x101, struct.pack("<BBB3xH", 0, 0, 1, 2))[0], 0xE, "not the oldest")
        dev.good(0x101, struct.pack("<BBB3xHH", 0, 0, 2, 1, 2))
        tap.equal(listed(), (0, 0, [(3, 128)]))
        tap.equal(dev.command(0x101, struct.pack("<BBB3x", 0, 1, 0))[0], 2, "all, where none is lost")
        for n in range(3, 20):
            dev.good(0x4301, struct.pack("<Q", n * 64))
        flags, lost, records = listed()
        tap.equal((flags, lost, len(records)), (1, 3, 15))
        dev.good(0x101, struct.pack("<BBB3x", 0, 1, 0))
        tap.equal((listed(), m.get(dev.device + 0x80)), ((0, 0, []), 0))


# ---- decoders ----

def leads_to(m, backend_of, at, text):
    """@at of the address space is @text's place in a backend: written there, seen here, and the other way round."""
    m.put(at, 0x1234567890ABCDEF ^ at, 8)
    tap.equal(m.get(at, 8), 0x1234567890ABCDEF ^ at, f"{backend_of} {text}")


def ram(m):
    """What of the memory map is a CXL device's: [(first, last)]."""
    text = m.qmp.command("human-monitor-command", **{"command-line": "info mtree -f"})
    found = []
    for line in text.splitlines():
        words = line.split()
        if any(word in line for word in (": m0", ": m1", "m0 @", "m1 @")) and words and "-" in words[0]:
            found.append(tuple(int(word, 16) for word in words[0].split("-")))
    return sorted(set(found))


def one_way():
    with Cxl(ONE).set_up() as m:
        dev = behind(m, 0, 13)
        tap.equal(m.get(WINDOW, 8), ONES, "nothing is decoded")
        dev.decoders.set(0, WINDOW + GIB, 256 * MIB)
        tap.equal(dev.decoders.commit(0), COMMITTED)
        tap.equal(m.get(WINDOW + GIB, 8), ONES, "memory is not enabled")
        dev.enable()
        leads_to(m, "m0", WINDOW + GIB, "first")
        leads_to(m, "m0", WINDOW + GIB + 256 * MIB - 8, "last")
        tap.equal(m.get(WINDOW + GIB + 256 * MIB, 8), ONES)
        tap.equal(m.get(WINDOW + GIB - 8, 8), ONES)
        tap.equal(ram(m), [(WINDOW + GIB, WINDOW + GIB + 256 * MIB - 1)])
        for offset, value in ((0, 0x10000000), (4, 1), (8, 0), (0x14, ONES >> 32), (0x10, COMMIT | 0x22)):
            m.put(dev.decoders.first + offset, value)
        leads_to(m, "m0", WINDOW + GIB + 64, "a committed decoder does not change")
        express = next(at for at in range(0x40, 0x100, 4) if dev.get(at) & 0xFF == 0x10 and dev.get(at) >> 16 & 0xFF == 2)
        dev.put(express + 8, 1 << 15, 2)
        tap.equal((dev.get(express + 4) >> 28 & 1, dev.get(express + 8, 2)), (0, 0), "no reset of the function alone")
        leads_to(m, "m0", WINDOW + GIB + 64, "it was not reset")
        tap.equal(dev.decoders.release(0), 0)
        tap.equal((m.get(WINDOW + GIB, 8), ram(m)), (ONES, []))
        dev.decoders.set(0, WINDOW, 256 * MIB)
        tap.equal(dev.decoders.commit(0, LOCK), COMMITTED)
        tap.equal(m.get(WINDOW, 8), 0x1234567890ABCDEF ^ (WINDOW + GIB), "what was written stays")
        tap.equal(dev.decoders.release(0), COMMITTED, "locked")
        m.qmp.command("system_reset")
        m.set_up()
        tap.equal((m.get(WINDOW, 8), ram(m)), (ONES, []))


def two_ways():
    with Cxl(TWO).set_up() as m:
        devs = [behind(m, n, 13 + n, n) for n in range(2)]
        host = Decoders(m, REGISTERS)
        host.set(0, WINDOW, 512 * MIB, ways=1, granularity=2, targets=0x0100)
        tap.equal(host.commit(0), COMMITTED)
        for dev in devs:
            dev.decoders.set(0, WINDOW, 512 * MIB, ways=1, granularity=2)
            tap.equal(dev.decoders.commit(0), COMMITTED)
            dev.enable()
        tap.equal(ram(m), [], "they take turns")
        for n in range(8):
            m.put(WINDOW + n * 1024, n + 1, 8)
        m.put_bytes(WINDOW + 1020, bytes(range(8)))
        tap.equal(m.bytes(WINDOW + 1020, 8), bytes(range(8)), "across two of them")
        for n, dev in enumerate(devs):
            dev.decoders.release(0)
        host.release(0)
        host.set(0, WINDOW, 256 * MIB, targets=0)
        host.set(1, WINDOW + 256 * MIB, 256 * MIB, targets=1)
        tap.equal((host.commit(0), host.commit(1)), (COMMITTED, COMMITTED))
        for n, dev in enumerate(devs):
            dev.decoders.set(0, WINDOW + n * 256 * MIB, 256 * MIB)
            tap.equal(dev.decoders.commit(0), COMMITTED)
            tap.equal([m.get(WINDOW + n * 256 * MIB + 1024 * k, 8) & 0xFF for k in range(1, 4)],
                      [2 * k + n + 1 for k in range(1, 4)], "each has every second")
        tap.equal(len(ram(m)), 2)


def three_hosts():
    """And what each device has is seen by windows of their own."""
    windows = ["cxl-fmw.0.size=768M,cxl-fmw.0.interleave-granularity=8k", *[f"cxl-fmw.0.targets.{n}=cxl.{n + 1}" for n in range(3)],
               *[f"cxl-fmw.{n + 1}.size=256M,cxl-fmw.{n + 1}.targets.0=cxl.{n + 1}" for n in range(3)]]
    words = [*ON, "-M", ",".join(windows)]
    for n in range(3):
        words += ["-device", f"pxb-cxl,id=cxl.{n + 1},bus_nr={12 + 16 * n}", *port(n, f"cxl.{n + 1}"), *type3(n, f"rp{n}")]
    with Cxl(words).set_up() as m:
        devs = []
        for n in range(3):
            place = 0xE0000000 + n * 16 * MIB
            Function(m, 12 + 16 * n).bridge(13 + 16 * n, 13 + 16 * n, place, place + MIB - 1)
            dev = Type3(m, 13 + 16 * n, place)
            dev.decoders.set(0, WINDOW, 768 * MIB, ways=8, granularity=5)
            tap.equal(dev.decoders.commit(0), COMMITTED)
            dev.enable()
            devs.append(dev)
        for n in range(9):
            m.put(WINDOW + n * 8192 + 8 * n, n + 1, 8)
        tap.equal([m.get(WINDOW + n * 8192 + 8 * n, 8) for n in range(9)], list(range(1, 10)))
        tap.equal(ram(m), [])
        for n, dev in enumerate(devs):
            own = WINDOW + 768 * MIB + n * 256 * MIB
            dev.decoders.release(0)
            dev.decoders.set(0, own, 256 * MIB)
            tap.equal(dev.decoders.commit(0), COMMITTED)
            for k in range(9):
                target, place = (WINDOW // 8192 + k) % 3, own + k // 3 * 8192 + 8 * k
                tap.equal(m.get(place, 8), k + 1 if target == n else 0, f"granule {k} in device {n}")


def switch():
    with Cxl(SWITCH).set_up() as m:
        Function(m, 12).bridge(13, 16, 0xE0000000, 0xE2FFFFFF)
        up = Function(m, 13)
        up.bridge(14, 16, 0xE0000000, 0xE1FFFFFF)
        up.bar(0, 0xE2000000)
        decoders = Decoders(m, 0xE2000000)
        devs = []
        for n in range(2):
            place = 0xE0000000 + n * 16 * MIB
            Function(m, 14, n).bridge(15 + n, 15 + n, place, place + MIB - 1)
            devs.append(Type3(m, 15 + n, place))
        for n, dev in enumerate(devs):
            decoders.set(n, WINDOW + n * GIB, 256 * MIB, targets=6 - n)
            tap.equal(decoders.commit(n), COMMITTED)
            dev.decoders.set(0, WINDOW + (1 - n) * GIB, 256 * MIB)
            tap.equal(dev.decoders.commit(0), COMMITTED)
            dev.enable()
        leads_to(m, "m1", WINDOW + 8, "the one behind port 6")
        leads_to(m, "m0", WINDOW + GIB + 8, "the one behind port 5")
        tap.equal(len(ram(m)), 2)
        m.qmp.command("system_reset")
        tap.equal(ram(m), [])


def one_port():
    """A host bridge and a switch with a port each have nothing to choose from: as long as no decoder of theirs is committed,
    all goes there."""
    words = [*ON, "-M", "cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G", "-device", "pxb-cxl,id=cxl.1,bus_nr=12,hdm_for_passthrough=on",
             *port(0), "-device", "cxl-upstream,id=us,bus=rp0", "-device", "cxl-downstream,id=ds,port=7,bus=us,chassis=0,slot=9",
             *type3(0, "ds")]
    with Cxl(words).set_up() as m:
        Function(m, 12).bridge(13, 15, 0xE0000000, 0xE1FFFFFF)
        up = Function(m, 13)
        up.bridge(14, 15, 0xE0000000, 0xE0FFFFFF)
        up.bar(0, 0xE1000000)
        Function(m, 14).bridge(15, 15, 0xE0000000, 0xE00FFFFF)
        dev = Type3(m, 15, 0xE0000000)
        dev.decoders.set(0, WINDOW, 256 * MIB)
        tap.equal(dev.decoders.commit(0), COMMITTED)
        dev.enable()
        leads_to(m, "m0", WINDOW, "by no decoder but the device's")
        tap.equal(len(ram(m)), 1)
        for decoders, target in ((Decoders(m, REGISTERS), 0), (Decoders(m, 0xE1000000), 7)):
            decoders.set(0, WINDOW + GIB, 256 * MIB, targets=target)
            tap.equal(decoders.commit(0), COMMITTED)
            tap.equal((m.get(WINDOW, 8), ram(m)), (ONES, []), "now there is one, and it leads elsewhere")
            decoders.release(0)
            decoders.set(0, WINDOW, 256 * MIB, targets=target)
            tap.equal(decoders.commit(0), COMMITTED)
            leads_to(m, "m0", WINDOW, "by all of them")


def both_kinds():
    words = [*ON, "-M", "cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G", *PXB, *port(0), *backend("m0"), *backend("m1", 512 * MIB),
             *backend("l0", MIB), "-device", "cxl-type3,id=c0,bus=rp0,volatile-memdev=m0,persistent-memdev=m1,lsa=l0"]
    with Cxl(words).set_up() as m:
        dev = behind(m, 0, 13)
        tap.equal(struct.unpack_from("<QQQ", dev.good(0x4000), 16), (3, 1, 2))
        at = dev.dvsecs()[DVSEC_DEVICE][0]
        tap.equal((dev.get(at + 0xA, 2) >> 4 & 3, dev.get(at + 0x1C), dev.get(at + 0x2C)), (2, 256 * MIB | 0x4B, 512 * MIB | 0x4B))
        tap.equal([s[0] for s in table(dev)[1:]], [0, 1, 1, 1, 1, 4] * 2)
        dev.decoders.set(0, WINDOW, 768 * MIB)
        tap.equal(dev.decoders.commit(0), COMMITTED)
        dev.enable()
        leads_to(m, "m0", WINDOW + 256 * MIB - 8, "the end of what forgets")
        leads_to(m, "m1", WINDOW + 256 * MIB, "the beginning of what lasts")
        dev.decoders.release(0)
        dev.decoders.set(0, WINDOW, 256 * MIB, targets=512 * MIB)
        tap.equal(dev.decoders.commit(0), COMMITTED, "the first 512 MiB are skipped")
        dev.decoders.set(1, WINDOW + GIB, 256 * MIB)
        tap.equal(dev.decoders.commit(1), ERROR, "there is no more")


# ---- what is refused ----

def refused():
    fmw = "cxl-fmw.0.targets.0=cxl.1"
    for words, text in (
            (["-M", "q35", *PXB], "-M q35,cxl=on"),
            (["-M", "q35", "-M", f"{fmw},cxl-fmw.0.size=1G"], "add cxl=on"),
            ([*ON, "-M", f"{fmw},cxl-fmw.0.size=1G"], "must be the id of a host bridge"),
            ([*ON, "-M", f"{fmw},cxl-fmw.0.size=100M"], "multiple of 256 MiB"),
            ([*ON, "-M", f"{fmw},cxl-fmw.0.size=0"], "multiple of 256 MiB"),
            ([*ON, "-M", f"{fmw}"], "size"),
            ([*ON, "-M", f"{fmw},cxl-fmw.0.size=1G,cxl-fmw.0.interleave-granularity=3k"], "256, 512"),
            ([*ON, "-M", f"{fmw},cxl-fmw.0.size=1G,cxl-fmw.0.interleave-granularity=32k"], "256, 512"),
            ([*ON, "-M", "cxl-fmw.0.size=1280M," + ",".join(f"cxl-fmw.0.targets.{n}=x" for n in range(5))], "cannot take turns"),
            ([*ON, "-M", "cxl-fmw.0.size=256M,cxl-fmw.0.targets.0=x,cxl-fmw.0.targets.1=y"], "each of its 2 targets"),
            ([*ON, "-M", f"{fmw},cxl-fmw.0.size=1024P", *PXB], "ends beyond"),
            ([*ON, "-device", "pxb-cxl"], "'bus_nr' is 0"),
            ([*ON, "-device", "cxl-rp"], "not below a CXL host bridge"),
            ([*ON, *PXB, *port(0), "-device", "cxl-rp,bus=cxl.1,slot=9"], "give each its own"),
            ([*ON, *PXB, *type3(0, "cxl.1")], "put a 'cxl-rp' on it"),
            ([*ON, *type3(0, "pcie.0")], "not below a CXL host bridge"),
            ([*ON, *PXB, *port(0), "-device", "cxl-type3,bus=rp0"], "it has no memory"),
            ([*ON, *PXB, *port(0), *type3(0, "rp0", lsa=False)], "'lsa' is missing"),
            ([*ON, *PXB, *port(0), *type3(0, "rp0", ",memdev=m0")], "give one of them"),
            ([*ON, *PXB, *port(0), *type3(0, "rp0", ",volatile-memdev=m0")], "given twice"),
            ([*ON, *PXB, *port(0), *backend("x", 100 * MIB), "-device", "cxl-type3,bus=rp0,volatile-memdev=x"], "multiple of 256 MiB"),
            ([*ON, *PXB, *port(0), *port(1), *type3(0, "rp0"), "-device", "cxl-type3,bus=rp1,volatile-memdev=m0"], "m0"),
            ([*ON, *PXB, *port(0), *type3(0, "rp0", ",cdat=/dev/zero")], "cdat: '/dev/zero' is not a regular file"),
            ([*ON, *PXB, *port(0), *type3(0, "rp0", f",cdat={__file__}")], "no CDAT"),
            ([*ON, *PXB, *port(0), "-device", "cxl-downstream,bus=rp0,slot=5"], "not that of a CXL switch"),
            (["-M", "pc,cxl=on"], "cxl")):
        status, said = machine.run_program(*BASE, *words)
        tap.equal((status, text in said), (1, True), f"{words}: {said}")


def options():
    """The same window as key=value and as JSON, and how the machine tells."""
    json = '{"type":"q35","cxl":true,"cxl-fmw":[{"targets":["cxl.1"],"size":4294967296,"interleave-granularity":4096}]}'
    for words in (["-M", json], [*ON, "-M", "cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G,cxl-fmw.0.interleave-granularity=4k"]):
        with Cxl([*words, *PXB]) as m:
            tap.equal(m.qmp.command("qom-get", path="/machine", property="cxl-fmw"),
                      [{"size": 4 * GIB, "interleave-granularity": 4096, "targets": ["cxl.1"]}])


# ---- coming, going, moving ----

def plugging():
    words = [*ON, "-M", "cxl-fmw.0.targets.0=cxl.1,cxl-fmw.0.size=4G", *PXB, *port(0), *backend("m0"), *backend("l0", MIB)]
    with Cxl(words).set_up() as m:
        tap.equal(m.tree()[0] != [], True)
        before = m.tree()
        tap.equal("no memory" in m.refuses("device_add", driver="cxl-type3", id="c0", bus="rp0"), True)
        tap.equal(m.tree(), before)
        m.qmp.command("device_add", driver="cxl-type3", id="c0", bus="rp0", memdev="m0", lsa="l0")
        tap.equal("in use" in m.refuses("object-del", id="m0"), True)
        rp = Function(m, 12)
        slot = next(at for at in range(0x40, 0x100, 4) if rp.get(at) & 0xFF == 0x10) + 0x18
        tap.equal(rp.get(slot + 2, 2) & 0x41, 0x41, "present, and the button is pressed")
        rp.put(slot + 2, 0xFF, 2)
        rp.put(slot, 0x100, 2)  # powered, and it says so
        dev = behind(m, 0, 13)
        dev.decoders.set(0, WINDOW, 256 * MIB)
        tap.equal(dev.decoders.commit(0), COMMITTED)
        dev.enable()
        leads_to(m, "m0", WINDOW, "it was plugged")
        text = m.refuses("device_del", id="c0")
        tap.equal("the guest uses its memory, at 0x110000000 to 0x11fffffff (HDM decoder 0 is committed)" in text, True, text)
        dev.decoders.release(0)
        m.qmp.command("device_del", id="c0")
        tap.equal(rp.get(slot + 2, 2) & 1, 1, "asked for by the button")
        rp.put(slot + 2, 0xFF, 2)
        dev.decoders.set(0, WINDOW, 256 * MIB)  # a guest that does what it should not
        dev.decoders.commit(0)
        leads_to(m, "m0", WINDOW, "until it goes")
        rp.put(slot, 0x200, 2)
        rp.put(slot, 0x700, 2)
        tap.equal(m.qmp.event("DEVICE_DELETED", device="c0")["data"]["device"], "c0")
        tap.equal((m.get(WINDOW, 8), ram(m)), (ONES, []))
        m.qmp.command("object-del", id="m0")
        m.qmp.command("object-del", id="l0")


def moves():
    """A committed decoder, labels, a reply half read and what is in memory go along."""
    with Cxl([*ONE, "-incoming", "defer", "-S"]) as there, Cxl(ONE).set_up() as m:
        dev = behind(m, 0, 13)
        dev.decoders.set(0, WINDOW, 256 * MIB)
        dev.decoders.commit(0)
        dev.enable()
        leads_to(m, "m0", WINDOW + 4096, "before")
        dev.good(0x4103, struct.pack("<II", 0, 0) + b"labels")
        dev.good(0x4301, struct.pack("<Q", 0x40))
        at = dict(dev.extended())[0x2E]
        for word in (0x00021E98, 3, 0):
            dev.put(at + 0x10, word)
        dev.put(at + 8, 1 << 31)
        dev.get(at + 0x14)
        dev.put(at + 0x14, 0)
        second = dev.get(at + 0x14)
        uri = f"unix:{m.dir}/move"
        there.qmp.command("migrate-incoming", uri=uri)
        m.qmp.command("migrate", uri=uri)
        for one in (m, there):
            vm.wait_until(lambda one=one: one.qmp.command("query-migrate").get("status") == "completed", "it has moved")
        moved = Type3.__new__(Type3)
        Function.__init__(moved, there, 13)
        moved.component, moved.device = dev.component, dev.device
        tap.equal(there.get(WINDOW + 4096, 8), 0x1234567890ABCDEF ^ (WINDOW + 4096))
        tap.equal(len(ram(there)), 1)
        tap.equal(moved.good(0x4102, struct.pack("<II", 0, 6)), b"labels")
        tap.equal(moved.good(0x4300, struct.pack("<QQ", 0, 64))[10:12], b"\1\0")
        tap.equal(moved.get(at + 0x14), second)


# ---- guests that mean harm ----

def hostile():
    rng = random.Random(5)
    with Cxl(TWO).set_up() as m:
        devs = [behind(m, n, 13 + n, n) for n in range(2)]
        host = Decoders(m, REGISTERS)
        for decoders in (host, *[dev.decoders for dev in devs]):
            decoders.set(0, ONES & ~0xFFFFFFF, 512 * MIB)
            tap.equal(decoders.commit(0), ERROR, "beyond 2^64")
            decoders.set(0, WINDOW, 256 * MIB, granularity=7)
            tap.equal(decoders.commit(0), ERROR, "no such granularity")
            decoders.set(0, WINDOW, 256 * MIB, ways=5)
            tap.equal(decoders.commit(0), ERROR, "no such ways")
            decoders.set(1, WINDOW, 256 * MIB)
            tap.equal(decoders.commit(1), ERROR, "before the first")
            decoders.set(0, WINDOW + 256 * MIB, 256 * MIB)
            tap.equal(decoders.commit(0), COMMITTED)
            tap.equal(decoders.commit(0), COMMITTED, "twice")
            tap.equal(decoders.commit(1), ERROR, "below the one before")
            decoders.set(1, WINDOW + 512 * MIB, 0)
            tap.equal(decoders.commit(1), COMMITTED)
            decoders.release(0)
            decoders.set(0, WINDOW + GIB, 256 * MIB)
            tap.equal(decoders.commit(0), ERROR, "one behind it is committed")
            decoders.set(2, WINDOW + GIB, 0)
            tap.equal(decoders.commit(2), ERROR, "not all before it are committed")
            decoders.release(1)
            decoders.set(0, WINDOW + GIB, 256 * MIB)
            tap.equal(decoders.commit(0), COMMITTED)
            decoders.release(0)
        devs[0].decoders.set(0, WINDOW, 512 * MIB)
        tap.equal(devs[0].decoders.commit(0), ERROR, "more than there is")
        devs[0].decoders.set(0, WINDOW, 0)
        tap.equal(devs[0].decoders.commit(0), COMMITTED, "of no size, which leads nowhere")
        for dev in devs:
            dev.enable()
        for _ in range(3000):
            at = rng.choice([REGISTERS, devs[0].component, devs[1].component]) + 0x1000 + rng.randrange(0x100, 0x1A0, 4)
            m.put(at, rng.choice([0, 0x10, 0x110, 0x200, 0x600, 0x210, 0x10000000, 0x20000000, rng.getrandbits(32)]))
            if rng.randrange(8) == 0:
                m.get(WINDOW + rng.randrange(0, 4 * GIB, 8), 8)
                m.put(WINDOW + rng.randrange(0, 4 * GIB, 8), 1, 8)
        for _ in range(1500):
            dev = rng.choice(devs)
            opcode = rng.choice([0x100, 0x101, 0x103, 0x301, 0x401, 0x4102, 0x4103, 0x4300, 0x4301, 0x4302, rng.getrandbits(16)])
            dev.command(opcode, rng.randbytes(rng.choice([0, 1, 6, 8, 16, 24, 72])), rng.choice([None, None, 0x1FFFFF, 2048]))
        tap.equal(len(ram(m)) <= 8, True)
        m.qmp.command("system_reset")
        tap.equal(ram(m), [])


tap.run([("what is refused", refused), ("options", options), ("registers", registers), ("tables by DOE", tables),
         ("the mailbox", mailbox), ("poison", poison), ("events", events), ("a device alone", one_way), ("two that take turns", two_ways),
         ("three host bridges", three_hosts), ("a switch", switch), ("one port", one_port), ("both kinds of memory", both_kinds),
         ("hot-plug", plugging), ("moves", moves), ("guests that mean harm", hostile)])

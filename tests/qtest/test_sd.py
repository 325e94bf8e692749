#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SD cards and their controller, by its registers: test_sd.py BUILD-DIR."""
import base64
import contextlib
import os
import struct
import tempfile

import machine
import tap

SLOT, BAR, RAM = 5, 0xF0000000, 0x100000
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SDMA, BLOCK_SIZE, BLOCK_COUNT, ARGUMENT, MODE, COMMAND, RESPONSE, PORT, PRESENT = 0, 4, 6, 8, 0xC, 0xE, 0x10, 0x20, 0x24
CONTROL, POWER, CLOCK, RESET, STATUS, ERROR, STATUS_EN, ERROR_EN, STATUS_SIG, ERROR_SIG = (
    0x28, 0x29, 0x2C, 0x2F, 0x30, 0x32, 0x34, 0x36, 0x38, 0x3A)
AUTO_ERROR, CAPS, FORCE_ERROR, ADMA_ERROR, ADMA, SLOT_STATUS, VERSION = 0x3C, 0x40, 0x52, 0x54, 0x58, 0xFC, 0xFE
NONE, LONG, SHORT, BUSY, DATA = 0, 1, 2, 3, 0x20
DMA, COUNT, AUTO12, READ, MULTIPLE = 1, 2, 4, 16, 32
DONE, MOVED, DMA_INT, WRITE_READY, READ_READY, INSERTED, REMOVED, FAILED = 1, 2, 8, 16, 32, 64, 128, 1 << 15
TIMEOUT, DATA_TIMEOUT, ADMA_FAILED = 1, 16, 512
NO_ADDRESS = 0


class Host:
    """A driver of the controller in SLOT."""

    def __init__(self, m, slot=SLOT, bar=BAR):
        self.m, self.slot, self.bar, self.rca = m, slot, bar, 0
        self.config(0x10, bar)
        self.config(4, 6)

    def config(self, at, value):
        self.m.write("l", 0xCF8, 0x80000000 | self.slot << 11 | at)
        self.m.write("l", 0xCFC, value)

    def get(self, at, width="l"):
        return int(self.m(f"read{width} {self.bar + at:#x}")[0], 0)

    def set(self, at, value, width="l"):
        self.m(f"write{width} {self.bar + at:#x} {value:#x}")

    def put(self, addr, data):
        self.m(f"b64write {addr:#x} {len(data):#x} {base64.b64encode(data).decode()}")

    def fetch(self, addr, size):
        return base64.b64decode(self.m(f"b64read {addr:#x} {size:#x}")[0])

    def on(self):
        self.set(RESET, 1, "b")
        self.set(POWER, 0xF, "b")
        self.set(CLOCK, 1, "w")
        tap.equal(self.get(CLOCK, "w") & 2, 2, "the clock is stable")
        self.set(CLOCK, 5, "w")
        self.set(STATUS_EN, 0x1FF, "w")
        self.set(ERROR_EN, 0x3FF, "w")

    def command(self, index, argument=0, kind=SHORT, mode=0):
        """Give it; the status afterwards, cleared, and its errors."""
        self.set(STATUS, 0xFFFF, "w")
        self.set(ERROR, 0xFFFF, "w")
        self.set(ARGUMENT, argument)
        self.set(MODE, mode | (index << 8 | kind) << 16)
        return self.get(STATUS, "w"), self.get(ERROR, "w")

    def ok(self, index, argument=0, kind=SHORT, mode=0):
        status, error = self.command(index, argument, kind, mode)
        tap.equal((status & (DONE | FAILED), error), (DONE, 0), f"CMD{index}")
        return self.get(RESPONSE)

    def app(self, index, argument=0, kind=SHORT, mode=0):
        tap.equal(self.ok(55, self.rca << 16) & 0x20, 0x20, "an application's command is expected")
        return self.ok(index, argument, kind, mode)

    def long(self):
        return b"".join(struct.pack("<I", self.get(RESPONSE + 4 * n)) for n in range(4))[14::-1]

    def wait(self, bits):
        machine.vm.wait_until(lambda: self.get(STATUS, "w") & bits, f"status {bits:#x}")

    def start(self, large=False):
        """As far as the transfer state; CID and CSD."""
        self.on()
        self.rca = 0
        self.command(0, kind=NONE)
        tap.equal(self.ok(8, 0x1AA), 0x1AA)
        tap.equal(self.app(41) >> 31, 0, "an inquiry")
        tap.equal(self.app(41, 0x40FF8000) >> 30, 3 if large else 2)
        self.ok(2, kind=LONG)
        cid = self.long()
        self.rca = self.ok(3) >> 16
        self.ok(9, self.rca << 16, kind=LONG)
        csd = self.long()
        self.ok(7, self.rca << 16, kind=BUSY)
        tap.equal(self.state(), 4)
        return cid, csd

    def state(self):
        return self.ok(13, self.rca << 16) >> 9 & 15

    def port_read(self, size):
        data = b""
        while len(data) < size:
            self.wait(READ_READY)
            self.set(STATUS, READ_READY, "w")
            data += b"".join(struct.pack("<I", self.get(PORT)) for _ in range(min(size - len(data), 512) // 4))
        return data

    def port_write(self, data):
        for block in range(0, len(data), 512):
            self.wait(WRITE_READY)
            self.set(STATUS, WRITE_READY, "w")
            for (word,) in struct.iter_unpack("<I", data[block:block + 512]):
                self.set(PORT, word)

    def read_reply(self, index, size, argument=0, app=False):
        self.set(BLOCK_SIZE, size, "w")
        (self.app if app else self.ok)(index, argument, SHORT | DATA, READ)
        data = self.port_read(size)
        self.wait(MOVED)
        return data


def pattern(seed, size):
    return bytes((seed * 7 + n * 13 + (n >> 9) * 31) & 0xFF for n in range(size))


@contextlib.contextmanager
def card(size=4 * MIB, options="", extra=(), writes=True):
    """A machine with a card, whose file has a pattern at its beginning; and the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/card"
        with open(path, "wb") as file:
            file.truncate(size)
            file.write(pattern(1, 256 * KIB))
        with machine.Machine(memory="64M", extra=["-blockdev", f"file,node-name=d,filename={path},read-only={'off' if writes else 'on'}",
                                                  "-device", f"sdhci-pci,id=h,addr={SLOT}", "-device", f"sd-card,id=c,drive=d{options}",
                                                  *extra]) as m:
            yield Host(m), path


def contents(path, at, size):
    with open(path, "rb") as file:
        file.seek(at)
        return file.read(size)


def registers():
    with card() as (h, _):
        tap.equal((h.get(CAPS), h.get(VERSION, "w"), h.get(PRESENT)), (0x057834B4, 0x2401, 0x01FF0000))
        h.set(BLOCK_SIZE, 0xFFFF, "w")
        h.set(BLOCK_SIZE, 0x12, "b")
        tap.equal(h.get(BLOCK_SIZE, "w"), 0x7F12)
        h.set(CAPS, 0)
        tap.equal(h.get(CAPS), 0x057834B4, "read only")
        h.set(STATUS_EN, 0xFFFF, "w")
        h.set(ERROR_EN, 0x3FF, "w")
        h.set(FORCE_ERROR, 0x11, "w")
        tap.equal((h.get(STATUS, "w"), h.get(ERROR, "w")), (FAILED, 0x11))
        h.set(ERROR, 1, "w")
        tap.equal((h.get(STATUS, "w"), h.get(ERROR, "w")), (FAILED, 0x10))
        h.set(STATUS, FAILED, "w")
        tap.equal(h.get(STATUS, "w"), FAILED, "it is there as long as one")
        h.set(ERROR_SIG, 0x10, "w")
        tap.equal(h.get(SLOT_STATUS, "w"), 1)
        h.set(ERROR, 0x10, "w")
        tap.equal((h.get(STATUS, "w"), h.get(SLOT_STATUS, "w")), (0, 0))
        tap.equal(h.command(0, kind=NONE)[0], 0, "without power and clock")
        h.set(RESET, 1, "b")
        tap.equal((h.get(RESET, "b"), h.get(STATUS_EN, "w"), h.get(BLOCK_SIZE, "w")), (0, 0, 0))
    with card(extra=["-device", "sdhci-pci,sd-spec-version=3,capareg=0x1122334455,addr=6"]) as (h, _):
        other = Host(h.m, 6, BAR + MIB)
        tap.equal((other.get(CAPS), other.get(CAPS + 4), other.get(VERSION, "w"), other.get(PRESENT)), (0x22334455, 0x11, 0x2402, 0x01FA0000))
        other.on()
        tap.equal(other.command(8, 0x1AA), (FAILED, TIMEOUT), "there is no card")


def crc7(data):
    crc = 0
    for bit in "".join(f"{byte:08b}" for byte in data):
        crc = (crc << 1 ^ (0x89 if (crc >> 6 & 1) != int(bit) else 0)) & 0x7F
    return crc


def identified():
    """Sizes by CSD of each version, the other registers, and the states in which there are none."""
    for size in (512 * KIB, 4 * MIB, 1536 * MIB, 2 * GIB, 4 * GIB, 64 * GIB + 512 * KIB):
        large = size > 2 * GIB
        with card(size) as (h, _):
            cid, csd = h.start(large)
            tap.equal((cid[1:8], csd[0] >> 6), (b"DMDIMSD", int(large)), size)
            value = int.from_bytes(csd + b"\0", "big")
            if large:
                found = ((value >> 48 & 0x3FFFFF) + 1) * 512 * KIB
            else:
                found = ((value >> 62 & 0xFFF) + 1) << (value >> 47 & 7) + 2 + (value >> 80 & 15)
            tap.equal(found, size)
            scr = h.read_reply(51, 8, app=True)
            tap.equal(scr[:4], bytes([2, 0x35 if large else 0x25, 0, 0]))
            tap.equal(len(h.read_reply(13, 64, app=True)), 64)
    with card() as (h, _):
        h.on()
        tap.equal(h.command(17), (FAILED, TIMEOUT), "not in this state")
        tap.equal(h.command(8, 0x2AA), (FAILED, TIMEOUT), "no voltage of ours")
        h.start()
        tap.equal(h.read_reply(6, 64, 0x00FFFFF1)[:17], bytes([0, 100] + [0x80, 1] * 5 + [0x80, 3, 0, 0, 1]))
        tap.equal(h.read_reply(6, 64, 0x80FFFFF1)[16], 1, "high speed")
        tap.equal(h.read_reply(6, 64, 0x00FFFFFF)[16], 1, "it stays")
        tap.equal(h.read_reply(6, 64, 0x00FFFF2F)[16] >> 4, 15, "no such function")
        tap.equal(h.command(13, 0x99990000), (FAILED, TIMEOUT), "not its address")
        h.ok(7, 0, kind=NONE)
        tap.equal(h.state(), 3, "not selected")
        tap.equal(h.ok(13, h.rca << 16) >> 22 & 1, 0)
        h.command(24)
        tap.equal(h.ok(13, h.rca << 16) >> 22 & 1, 1, "illegal; it is told once")
        tap.equal(h.ok(13, h.rca << 16) >> 22 & 1, 0)
    for version, scr in ((1, (1, 0)), (3, (2, 0x80))):
        with card(options=f",spec_version={version}") as (h, _):
            if version == 1:
                h.on()
                h.command(0, kind=NONE)
                tap.equal(h.command(8, 0x1AA), (FAILED, TIMEOUT))
            else:
                h.start()
                data = h.read_reply(51, 8, app=True)
                tap.equal((data[0], data[2]), scr)


def by_port():
    with card() as (h, path):
        h.start()
        h.set(BLOCK_SIZE, 512, "w")
        h.ok(17, 1024, SHORT | DATA, READ)
        tap.equal(h.port_read(512), pattern(1, 2048)[1024:1536])
        h.wait(MOVED)
        h.set(BLOCK_COUNT, 3, "w")
        h.ok(18, 512, SHORT | DATA, READ | MULTIPLE | COUNT | AUTO12)
        tap.equal(h.get(PRESENT) & 0xFFF, 0xA06, "data come, and can be read")
        tap.equal(h.port_read(1536), pattern(1, 2048)[512:])
        h.wait(MOVED)
        tap.equal((h.state(), h.get(PRESENT) & 0xFFF), (4, 0))
        data = pattern(3, 2048)
        h.set(BLOCK_COUNT, 4, "w")
        h.ok(25, 8192, SHORT | DATA, MULTIPLE | COUNT | AUTO12)
        h.port_write(data)
        h.wait(MOVED)
        tap.equal(contents(path, 8192, 2048), data)
        tap.equal(struct.unpack(">I", h.read_reply(22, 4, app=True)), (4,), "blocks that were written")
        # Without a count, until it is stopped.
        h.set(BLOCK_SIZE, 512, "w")
        h.ok(18, 0, SHORT | DATA, READ | MULTIPLE)
        tap.equal(h.port_read(1024), pattern(1, 1024))
        h.ok(12, kind=BUSY)
        tap.equal((h.state(), h.get(PRESENT) & 0xFFF), (4, 0))


def by_sdma():
    with card() as (h, path):
        h.start()
        h.set(CONTROL, 0, "b")
        h.set(SDMA, RAM + 0xE00)
        h.set(BLOCK_SIZE, 512, "w")  # boundaries of 4 KiB
        h.set(BLOCK_COUNT, 16, "w")
        h.ok(18, 0, SHORT | DATA, DMA | READ | MULTIPLE | COUNT | AUTO12)
        for stop in (0x1000, 0x2000):
            h.wait(DMA_INT)
            tap.equal((h.get(SDMA), h.get(STATUS, "w") & MOVED), (RAM + stop, 0))
            h.set(STATUS, DMA_INT, "w")
            h.set(SDMA, RAM + stop)
        h.wait(MOVED)
        tap.equal(h.fetch(RAM + 0xE00, 8192), pattern(1, 8192))
        data = pattern(5, 128 * KIB)
        h.put(RAM, data)
        h.set(SDMA, RAM)
        h.set(BLOCK_SIZE, 512 | 4 << 12, "w")  # of 64 KiB: as much as is moved at once
        h.set(BLOCK_COUNT, 256, "w")
        h.ok(25, 0, SHORT | DATA, DMA | MULTIPLE | COUNT | AUTO12)
        h.wait(DMA_INT)
        tap.equal(h.get(SDMA), RAM + 64 * KIB)
        h.set(SDMA, RAM + 64 * KIB)
        h.wait(MOVED)
        tap.equal((contents(path, 0, 128 * KIB), h.state(), h.get(BLOCK_COUNT, "w")), (data, 4, 0))
        h.set(SDMA, 0xE0000000)
        h.set(BLOCK_COUNT, 1, "w")
        status, error = h.command(18, 0, SHORT | DATA, DMA | READ | MULTIPLE | COUNT)
        h.wait(FAILED)
        tap.equal(h.get(ERROR, "w"), DATA_TIMEOUT, f"no memory: {status} {error}")


def goes_on_early():
    """The guest goes on at a boundary while the card is still at what came before; and stops it."""
    with machine.Machine(memory="64M", extra=["-blockdev", "null-co,node-name=d,size=4194304,latency-ns=300000000", "-device",
                                              f"sdhci-pci,addr={SLOT}", "-device", "sd-card,drive=d"]) as m:
        h = Host(m)
        h.start()
        for stops in (False, True):
            h.set(SDMA, RAM)
            h.set(BLOCK_SIZE, 512 | 4 << 12, "w")
            h.set(BLOCK_COUNT, 256, "w")
            h.ok(25, 0, SHORT | DATA, DMA | MULTIPLE | COUNT | AUTO12)
            tap.equal(h.get(STATUS, "w") & (DMA_INT | MOVED), DMA_INT)
            h.set(SDMA, RAM + 64 * KIB)
            if stops:
                h.ok(12, kind=BUSY)
            else:
                h.wait(MOVED)
            tap.equal((h.state(), h.get(ERROR, "w"), h.get(PRESENT) & 0xFFF), (4, 0, 0))


def reset_meanwhile():
    """CMD0 while the card is at something: that ends, and is told."""
    with machine.Machine(memory="64M", extra=["-blockdev", "null-co,node-name=d,size=4194304,latency-ns=300000000", "-device",
                                              f"sdhci-pci,addr={SLOT}", "-device", "sd-card,drive=d"]) as m:
        h = Host(m)
        h.start()
        h.set(SDMA, RAM)
        h.set(BLOCK_SIZE, 512, "w")
        h.ok(17, 0, SHORT | DATA, DMA | READ)
        tap.equal(h.get(PRESENT) & 2, 2)
        status, error = h.command(0, kind=NONE)
        tap.equal((status & (DONE | FAILED | MOVED), error, h.get(PRESENT) & 0xFFF), (DONE | FAILED, DATA_TIMEOUT, 0))
        h.start()


def by_adma():
    def table(*lines):
        h.put(RAM, b"".join(struct.pack("<HHI", *line) for line in lines))
        h.set(ADMA, RAM)

    with card() as (h, path):
        h.start()
        h.set(CONTROL, 2 << 3, "b")
        h.set(BLOCK_SIZE, 512, "w")
        h.set(BLOCK_COUNT, 200, "w")
        table((0x21, 1000, RAM + 0x10000), (0x01, 5, 5), (0x31, 0, RAM + 0x100))
        h.put(RAM + 0x100, struct.pack("<HHIHHI", 0x25, 0, RAM + 0x20000, 0x23, 200 * 512 - 1000 - 65536, RAM + 0x40000))
        h.ok(18, 0, SHORT | DATA, DMA | READ | MULTIPLE | COUNT | AUTO12)
        h.wait(MOVED)
        tap.equal(h.get(STATUS, "w") & DMA_INT, DMA_INT)
        data = pattern(1, 200 * 512)
        tap.equal(h.fetch(RAM + 0x10000, 1000) + h.fetch(RAM + 0x20000, 65536) + h.fetch(RAM + 0x40000, 200 * 512 - 66536), data)
        table((0x23, 1024, RAM + 0x10000))
        h.set(BLOCK_COUNT, 2, "w")
        h.ok(25, 2 * MIB, SHORT | DATA, DMA | MULTIPLE | COUNT | AUTO12)
        h.wait(MOVED)
        tap.equal(contents(path, 2 * MIB, 1024), (data[:1000] + bytes(24)))
        # What makes no sense: a line that is not valid, one that is missing, no memory, and a circle of lines that move nothing.
        for lines in (((0x20, 1024, RAM),), ((0x23, 512, RAM + 0x10000),), ((0x23, 1024, 0xE0000000),), ((0x31, 0, RAM),)):
            table(*lines)
            h.set(BLOCK_COUNT, 2, "w")
            h.command(18, 0, SHORT | DATA, DMA | READ | MULTIPLE | COUNT)
            h.wait(FAILED)
            tap.equal((h.get(ERROR, "w"), h.get(ADMA_ERROR, "b") != 0), (ADMA_FAILED, True), lines)
            h.set(RESET, 6, "b")
            h.ok(12, kind=BUSY)
            tap.equal(h.state(), 4)


def without_an_end():
    """A table that goes in a circle, and no count: the machine answers, and the guest can stop it. The largest count does what it should."""
    with machine.Machine(memory="64M", extra=["-blockdev", f"null-co,node-name=d,size={2 << 40},read-zeroes=on", "-device",
                                              f"sdhci-pci,addr={SLOT}", "-device", "sd-card,drive=d"]) as m:
        h = Host(m)
        h.start(large=True)
        h.set(CONTROL, 2 << 3, "b")
        h.set(BLOCK_SIZE, 512, "w")
        h.put(RAM, struct.pack("<HHIHHI", 0x21, 0, RAM + 0x10000, 0x31, 0, RAM))
        for mode in (0, COUNT):
            h.set(ADMA, RAM)
            h.set(BLOCK_COUNT, 65535, "w")
            h.command(18, 0, SHORT | DATA, DMA | READ | MULTIPLE | mode)
            if mode:
                h.wait(FAILED | MOVED)
                tap.equal(h.get(STATUS, "w") & (FAILED | MOVED), MOVED)
            h.ok(12, kind=BUSY)
            tap.equal(h.state(), 4)


def refused_by_the_card():
    """The end of the card, addresses between blocks, what cannot be written; erasing."""
    with card() as (h, path):
        h.start()
        h.set(BLOCK_SIZE, 512, "w")
        for address, bit in ((4 * MIB, 31), (100, 30)):
            h.command(17, address, SHORT | DATA, READ)
            h.wait(FAILED)
            tap.equal((h.get(RESPONSE) >> bit & 1, h.get(ERROR, "w"), h.state()), (1, DATA_TIMEOUT, 4))
        h.set(BLOCK_COUNT, 3, "w")
        h.command(18, 4 * MIB - 1024, SHORT | DATA, READ | MULTIPLE | COUNT)
        h.port_read(1024)
        h.wait(FAILED)
        h.ok(12, kind=BUSY)
        h.command(38, kind=BUSY)
        tap.equal(h.get(RESPONSE) >> 28 & 1, 1, "erase what?")
        h.ok(32, 512)
        h.ok(33, 1024)
        h.ok(38, kind=BUSY)
        machine.vm.wait_until(lambda: h.state() == 4, "the erasure")
        tap.equal(contents(path, 0, 2048), pattern(1, 512) + bytes(1024) + pattern(1, 2048)[1536:])
        h.ok(32, 0)
        tap.equal(h.ok(16, 512) >> 13 & 1, 1, "that was forgotten")
    with card(writes=False) as (h, _):
        _, csd = h.start()
        tap.equal((csd[14] >> 4 & 1, h.get(PRESENT) >> 19 & 1), (1, 0))
        h.set(BLOCK_SIZE, 512, "w")
        h.command(24, 0, SHORT | DATA)
        tap.equal(h.get(RESPONSE) >> 26 & 1, 1)
        h.port_write(bytes(512))
        h.wait(FAILED)


def comes_and_goes():
    with card() as (h, path):
        h.start()
        h.set(STATUS, 0xFFFF, "w")
        h.m.qmp.command("device_del", id="c")
        h.m.qmp.event("DEVICE_DELETED", device="c")
        tap.equal((h.get(STATUS, "w"), h.get(PRESENT) >> 16 & 7), (REMOVED, 2))
        h.m.qmp.command("device_add", driver="sd-card", id="c2", drive="d")
        tap.equal((h.get(STATUS, "w"), h.get(PRESENT) >> 16 & 7), (REMOVED | INSERTED, 7))
        h.start()
        try:
            h.m.qmp.command("device_add", driver="sd-card", id="c3", drive="d", bus="sd-bus")
            raise AssertionError("a second card")
        except machine.vm.QmpError as err:
            tap.equal("sd-bus" in err.desc, True, err.desc)
        # In the midst of a transfer.
        h.set(BLOCK_SIZE, 512, "w")
        h.ok(17, 0, SHORT | DATA, READ)
        h.m.qmp.command("device_del", id="c2")
        h.m.qmp.event("DEVICE_DELETED", device="c2")
        tap.equal(h.get(ERROR, "w"), DATA_TIMEOUT)
        os.truncate(path, 1000)
    for size, options, text in ((1000, "", "512 KiB"), (MIB, ",spi=on", "spi=on"), (MIB, ",spec_version=4", "spec_version=4"),
                                (4 * GIB, ",spec_version=1", "spec_version=1")):
        status, said = machine.run_program("-accel", "qtest", "-display", "none", "-nodefaults", "-blockdev",
                                           f"null-co,node-name=d,size={size}", "-device", "sdhci-pci", "-device", f"sd-card,drive=d{options}")
        tap.equal((status, text in said), (1, True), said)
    status, said = machine.run_program("-accel", "qtest", "-display", "none", "-nodefaults", "-device", "sdhci-pci", "-device", "sd-card")
    tap.equal((status, "drive" in said), (1, True), said)


def moved():
    """Saved and loaded with a block half read by the port, and with SDMA at a boundary."""
    with tempfile.TemporaryDirectory() as folder:
        for dma in (False, True):
            with card() as (h, path):
                h.start()
                h.set(BLOCK_SIZE, 512, "w")
                h.set(BLOCK_COUNT, 16, "w")
                h.set(SDMA, RAM + 0xE00)
                h.ok(18, 0, SHORT | DATA, READ | MULTIPLE | COUNT | AUTO12 | dma)
                h.wait(DMA_INT if dma else READ_READY)
                if not dma:
                    h.set(STATUS, READ_READY, "w")
                data = b"" if dma else b"".join(struct.pack("<I", h.get(PORT)) for _ in range(10))
                h.m.qmp.command("migrate", uri=f"file:{folder}/state")
                machine.vm.wait_until(lambda h=h: h.m.qmp.command("query-migrate")["status"] == "completed", "the end")
                os.rename(path, f"{folder}/card")
            with machine.Machine(memory="64M", extra=["-blockdev", f"file,node-name=d,filename={folder}/card", "-device", f"sdhci-pci,id=h,addr={SLOT}",
                                                      "-device", "sd-card,id=c,drive=d", "-incoming", f"file:{folder}/state"]) as m:
                machine.vm.wait_until(lambda m=m: m.qmp.command("query-status")["status"] != "inmigrate", "the machine")
                rca, h = h.rca, object.__new__(Host)
                h.m, h.slot, h.bar, h.rca = m, SLOT, BAR, rca
                if dma:
                    for stop in (0x1000, 0x2000):
                        h.set(STATUS, DMA_INT, "w")
                        h.set(SDMA, RAM + stop)
                        if stop == 0x1000:
                            h.wait(DMA_INT)
                    h.wait(MOVED)
                    tap.equal(h.fetch(RAM + 0xE00, 8192), pattern(1, 8192))
                else:
                    data += b"".join(struct.pack("<I", h.get(PORT)) for _ in range(118))
                    tap.equal(data + h.port_read(15 * 512), pattern(1, 8192))
                    h.wait(MOVED)
                tap.equal(h.state(), 4)


tap.run([(function.__name__.replace("_", " "), function)
         for function in (registers, identified, by_port, by_sdma, goes_on_early, reset_meanwhile, by_adma, without_an_end, refused_by_the_card, comes_and_goes, moved)])

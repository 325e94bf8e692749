#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The SMBus controllers of both boards, and what memory modules say of themselves on it: test_smbus.py BUILD-DIR [NAME...]."""
import contextlib
import tempfile

import machine
import tap

BASE = 0xB100
PIIX4_PM, ICH9_SMB = 1 << 3 | 3, 0x1F << 3 | 3
STATUS, CONTROL, COMMAND, ADDRESS, DATA0, DATA1, BLOCK, PEC, AUX_STATUS, AUX = 0, 2, 3, 4, 5, 6, 7, 8, 12, 13
BUSY, INTR, DEV_ERR, FAILED, IN_USE, BYTE_DONE = 1, 2, 4, 16, 64, 128
ENABLE, KILL, LAST, START, CHECK = 1, 2, 32, 64, 128
QUICK, BYTE, BYTE_DATA, WORD, CALL, BLOCKS, I2C, BLOCK_CALL = (n << 2 for n in range(8))
GIB, MIB = 1 << 30, 1 << 20


def config(m, devfn, offset, value=None, width="b"):
    m.write("l", 0xCF8, 0x80000000 | devfn << 8 | offset & 0xFC)
    if value is None:
        return m.read(width, 0xCFC + (offset & 3))
    return m.write(width, 0xCFC + (offset & 3), value)


@contextlib.contextmanager
def board(name, memory="512M", extra=()):
    with machine.Machine(memory=memory, extra=["-M", name, *extra]) as m:
        if name.startswith("q35"):
            config(m, ICH9_SMB, 0x20, BASE, "l")
            config(m, ICH9_SMB, 4, 1, "w")
            config(m, ICH9_SMB, 0x40, 1)
        yield m


def get(m, register):
    return m.read("b", BASE + register)


def put(m, register, value):
    m.write("b", BASE + register, value)


def status(m):
    return get(m, STATUS) & ~IN_USE


def go(m, control, address, read=True, command=None, data=()):
    """A transfer; the status that it leaves."""
    put(m, STATUS, 0xFF)
    put(m, ADDRESS, address << 1 | read)
    if command is not None:
        put(m, COMMAND, command)
    for n, byte in enumerate(data):
        put(m, DATA0 + n, byte)
    put(m, CONTROL, control | START)
    return status(m)


def read_byte(m, address, offset):
    tap.equal(go(m, BYTE_DATA, address, command=offset), INTR)
    return get(m, DATA0)


def spd(m, address):
    return bytes(read_byte(m, address, n) for n in range(128))


def crc(data):
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value << 1 & 0xFF ^ (7 if value & 0x80 else 0)
    return value


def size_of(data):
    """Bytes of a module, by its SPD (JEDEC 21-C, 4.1.2.10), counted in two ways."""
    tap.equal((data[0], data[1], data[2], sum(data[:63]) & 0xFF), (128, 8, 8, data[63]))
    density = {32: 128 * MIB, 64: 256 * MIB, 128: 512 * MIB, **{1 << n: GIB << n for n in range(5)}}[data[31]]
    tap.equal((1 << data[3] + data[4]) * data[17] * data[6] // 8, density)
    return density * ((data[5] & 7) + 1)


def modules(name):
    for memory, sizes in (("64M", []), ("128M", [128 * MIB]), ("1664M", [GIB, 512 * MIB, 128 * MIB]), ("3G", [2 * GIB, GIB])):
        with board(name, memory=memory) as m:
            found = [a for a in range(128) if go(m, QUICK, a, read=False) == INTR]
            tap.equal(found, [0x50 + n for n in range(len(sizes))], memory)
            data = [spd(m, a) for a in found]
            tap.equal([size_of(d) for d in data], sizes, memory)
            tap.equal([d[95:99] for d in data], [bytes([0, 0, 0, n + 1]) for n in range(len(sizes))])
            tap.equal(all(d[73:91] == b"DIMMABLE          " for d in data), True)


def transfers(name):
    """What both controllers can do."""
    with board(name, memory="256M") as m:
        at = 0x50
        tap.equal((go(m, QUICK, at), go(m, QUICK, at, read=False), go(m, QUICK, 0x30)), (INTR, INTR, DEV_ERR))
        tap.equal(go(m, BYTE_DATA, at, read=False, command=200, data=[0x11]), INTR)
        tap.equal(go(m, WORD, at, read=False, command=201, data=[0x22, 0x33]), INTR)
        tap.equal([read_byte(m, at, 200 + n) for n in range(4)], [0x11, 0x22, 0x33, 0])
        tap.equal(go(m, WORD, at, command=201), INTR)
        tap.equal((get(m, DATA0), get(m, DATA1)), (0x22, 0x33))
        # A byte alone is where it goes on; it wraps.
        tap.equal(go(m, BYTE, at, read=False, command=255), INTR)
        tap.equal([(go(m, BYTE, at), get(m, DATA0)) for _ in range(3)], [(INTR, 0), (INTR, 128), (INTR, 8)])
        # Blocks in the buffer: it is written from its beginning after CONTROL was read.
        if name == "q35":
            put(m, AUX, 2)
        get(m, CONTROL)
        for n in range(32):
            put(m, BLOCK, 0xA0 + n)
        tap.equal(go(m, BLOCKS, at, read=False, command=128, data=[32]), INTR)
        tap.equal([read_byte(m, at, 128 + n) for n in (0, 1, 32, 33)], [32, 0xA0, 0xBF, 0])
        tap.equal(go(m, BLOCKS, at, command=128), INTR)
        tap.equal(get(m, DATA0), 32)
        get(m, CONTROL)
        tap.equal([get(m, BLOCK) for _ in range(33)], [*range(0xA0, 0xC0), 0xA0], "and wraps")
        for count in (0, 33, 255):
            tap.equal(go(m, BLOCKS, at, read=False, command=128, data=[count]), DEV_ERR, count)
            tap.equal(go(m, BYTE_DATA, at, read=False, command=240, data=[count]), INTR)
            tap.equal(go(m, BLOCKS, at, command=240), DEV_ERR, count)
        put(m, CONTROL, KILL)
        tap.equal(go(m, BYTE_DATA | KILL, at, command=2), 0, "nothing starts")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
    with board(name, memory="256M") as m:
        tap.equal(go(m, CALL, 0x50, data=[1, 2]), DEV_ERR if name == "pc" else INTR)


def ich9():
    """What only the newer one can: byte by byte, I2C reads, calls, checks, and the lock of the modules."""
    with board("q35", memory="256M") as m:
        at = 0x50
        # A block byte by byte: each is taken when its bit is cleared.
        tap.equal((put(m, BLOCK, 0x71), go(m, BLOCKS, at, read=False, command=160, data=[3]))[1], BUSY | BYTE_DONE)
        for byte in (0x72, 0x73):
            put(m, BLOCK, byte)
            put(m, STATUS, BYTE_DONE)
            tap.equal(status(m), BUSY | BYTE_DONE)
        put(m, STATUS, BYTE_DONE)
        tap.equal(status(m), INTR)
        tap.equal([read_byte(m, at, 160 + n) for n in range(5)], [3, 0x71, 0x72, 0x73, 0])
        tap.equal(go(m, BLOCKS, at, command=160), BUSY | BYTE_DONE)
        tap.equal((get(m, DATA0), get(m, BLOCK)), (3, 0x71))
        tap.equal(go(m, BYTE_DATA, at, command=2) & BUSY, BUSY, "another cannot start meanwhile")
        # That cleared BYTE_DONE, so it went on.
        tap.equal(get(m, BLOCK), 0x72)
        put(m, CONTROL, KILL)
        tap.equal(status(m) & (BUSY | FAILED), FAILED)
        put(m, CONTROL, 0)
        # As I2C has it: the command is in DATA1; it ends with the byte before which LAST was written.
        tap.equal(go(m, I2C, at, read=False, data=[0, 73]), BUSY | BYTE_DONE)
        text = [get(m, BLOCK)]
        for n in range(1, 40):
            put(m, STATUS, BYTE_DONE)
            text.append(get(m, BLOCK))
        tap.equal(bytes(text[:8]), b"DIMMABLE")
        put(m, CONTROL, I2C | LAST)
        put(m, STATUS, BYTE_DONE)
        tap.equal((status(m), get(m, BLOCK)), (BUSY | BYTE_DONE, 0), "the last one comes")
        put(m, STATUS, BYTE_DONE)
        tap.equal(status(m), INTR)
        tap.equal(go(m, I2C | LAST, at, read=False, data=[0, 74]), BUSY | BYTE_DONE)
        tap.equal(chr(get(m, BLOCK)), "I", "one byte")
        put(m, STATUS, BYTE_DONE)
        tap.equal(status(m), INTR)
        # Without the count.
        config(m, ICH9_SMB, 0x40, 5)
        put(m, BLOCK, 0x55)
        tap.equal(go(m, BLOCKS, at, read=False, command=170, data=[1]), BUSY | BYTE_DONE)
        put(m, STATUS, BYTE_DONE)
        tap.equal([read_byte(m, at, 170 + n) for n in range(2)], [0x55, 0])
        config(m, ICH9_SMB, 0x40, 1)
        # A check that is written is data to an EEPROM; read, it is what comes next.
        put(m, AUX, 1)
        tap.equal(go(m, BYTE_DATA | CHECK, at, read=False, command=180, data=[0x42]), INTR)
        check = crc([at << 1, 180, 0x42])
        tap.equal(go(m, BYTE_DATA | CHECK, at, command=180), DEV_ERR)
        tap.equal((get(m, DATA0), get(m, PEC), get(m, AUX_STATUS)), (0x42, check, 1))
        put(m, AUX_STATUS, 1)
        good = crc([at << 1, 190, at << 1 | 1, 0x42])
        put(m, AUX, 0)
        tap.equal(go(m, WORD, at, read=False, command=190, data=[0x42, good]), INTR)
        put(m, AUX, 1)
        tap.equal(go(m, BYTE_DATA | CHECK, at, command=190), INTR)
        tap.equal((get(m, PEC), get(m, AUX_STATUS)), (good, 0))
        put(m, AUX, 0)
        # The modules can be locked until the next reset; it can be read still.
        config(m, ICH9_SMB, 0x40, 0x11)
        config(m, ICH9_SMB, 0x40, 0x01)
        tap.equal(config(m, ICH9_SMB, 0x40), 0x11)
        tap.equal(go(m, BYTE_DATA, at, read=False, command=2, data=[9]), DEV_ERR)
        tap.equal(read_byte(m, at, 2), 8)
        # Who reads that it is free has it.
        put(m, STATUS, 0xFF)
        tap.equal([get(m, STATUS) & IN_USE for _ in range(2)], [0, IN_USE])
        config(m, ICH9_SMB, 0x40, 0)
        tap.equal(get(m, STATUS), 0xFF, "not enabled")


def heard(m, register, value):
    """What is said of interrupt lines when the register is written."""
    m.qtest.send(b"outb %#x %#x\n" % (BASE + register, value))
    lines = []
    while not lines or not lines[-1].startswith("OK"):
        lines.append(m.qtest.line().decode().strip())
    return lines[:-1]


def interrupts():
    for name, line in (("q35", 16), ("pc", 9)):
        with board(name) as m:
            m("irq_intercept_in ioapic")
            for address, end in ((0x50, INTR), (0x30, DEV_ERR)):
                put(m, ADDRESS, address << 1)
                tap.equal(heard(m, CONTROL, QUICK | START | ENABLE), [f"IRQ raise {line}"], name)
                tap.equal(status(m), end)
                if name == "q35":
                    tap.equal(config(m, ICH9_SMB, 6, width="w") & 8, 8, "PCI status")
                tap.equal(heard(m, STATUS, end), [f"IRQ lower {line}"], name)
            tap.equal(heard(m, CONTROL, QUICK | START), [], "they are off")
    with board("q35") as m:
        put(m, CONTROL, QUICK | START | ENABLE)
        config(m, ICH9_SMB, 0x40, 9)
        tap.equal((config(m, ICH9_SMB, 0x40), config(m, ICH9_SMB, 6, width="w") & 8, get(m, ADDRESS)), (1, 0, 0), "a reset of its own")
    with board("pc", extra=["-global", "PIIX4_PM.smb_io_base=0x700"]) as m:
        tap.equal((config(m, PIIX4_PM, 0x90, width="l"), m.read("b", 0x700), m.read("b", BASE)), (0x701, 0, 0xFF))
    result, text = machine.run_program("-accel", "qtest", "-display", "none", "-M", "pc", "-global", "PIIX4_PM.smb_io_base=0x708")
    tap.equal((result, "smb_io_base=0x708" in text), (1, True), text)
    with board("pc") as m:
        tap.equal(config(m, PIIX4_PM, 0x90, width="l"), BASE | 1)
        config(m, PIIX4_PM, 0x90, 0x5000, "l")
        tap.equal((config(m, PIIX4_PM, 0x90, width="l"), m.read("b", BASE), m.read("b", 0x5000)), (0x5001, 0xFF, 0), "it moves")
        config(m, PIIX4_PM, 0xD2, 8)
        tap.equal(m.read("b", 0x5000), 0xFF, "it is off")


def off():
    with board("q35,smbus=off") as m:
        tap.equal(config(m, ICH9_SMB, 0, width="l"), 0xFFFFFFFF)
        tap.equal(m.qmp.command("qom-get", path="/machine", property="smbus"), False)
    with board("pc,smbus=off") as m:
        tap.equal(go(m, QUICK, 0x50), DEV_ERR)
    status_, text = machine.run_program("-accel", "qtest", "-display", "none", "-M", "q35", "-device", "ICH9-SMB")
    tap.equal((status_, "ICH9-SMB" in text), (1, True), text)


def moved():
    """In the midst of a transfer, with what was written to a module."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("q35", "pc"):
            with board(name, memory="256M") as m:
                go(m, BYTE_DATA, 0x50, read=False, command=200, data=[0x99])
                put(m, DATA1, 0x77)
                if name == "q35":
                    tap.equal(go(m, I2C, 0x50, read=False, data=[0, 73]), BUSY | BYTE_DONE)
                m.qmp.command("migrate", uri=f"file:{folder}/{name}")
                machine.vm.wait_until(lambda m=m: m.qmp.command("query-migrate")["status"] == "completed", "the end")
            with machine.Machine(memory="256M", extra=["-M", name, "-incoming", f"file:{folder}/{name}"]) as m:
                machine.vm.wait_until(lambda m=m: m.qmp.command("query-status")["status"] != "inmigrate", "the machine")
                tap.equal(get(m, COMMAND), 200)
                tap.equal(get(m, DATA1), 73 if name == "q35" else 0x77)
                if name == "q35":
                    put(m, STATUS, BYTE_DONE)
                    tap.equal((chr(get(m, BLOCK)), status(m)), ("I", BUSY | BYTE_DONE))
                    put(m, CONTROL, I2C | LAST)
                    put(m, STATUS, BYTE_DONE)
                    put(m, STATUS, BYTE_DONE)
                tap.equal(read_byte(m, 0x50, 200), 0x99)


tap.run([(f"{function.__name__} of {name}", lambda function=function, name=name: function(name))
         for function in (modules, transfers) for name in ("pc", "q35")] +
        [(function.__name__, function) for function in (ich9, interrupts, off, moved)])

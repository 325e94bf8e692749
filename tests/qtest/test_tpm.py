#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-tpmdev and -device tpm-tis, tpm-crb: what guests see in their registers, what the emulator is told, and what becomes of
wrong answers. Without swtpm those that need a real TPM are skipped."""
import fcntl
import os
import select
import struct
import tempfile

import machine
import tap
import tpm_emulator
import vm
from tpm_emulator import CANCEL, GET_CAPABILITY, INIT, SET_BUFFER_SIZE, SET_LOCALITY, SET_STATE, STOP, Emulator, Swtpm

BASE, PAGE = 0xfed40000, 0x1000
# TPM2_Startup(CLEAR); TPM2_PCR_Extend(16, sha256: 32 times 0x5a); TPM2_PCR_Read(sha256: 16)
STARTUP = bytes.fromhex("8001 0000000c 00000144 0000")
EXTEND = bytes.fromhex("8002 00000041 00000182 00000010 00000009 40000009 0000 00 0000 00000001 000b" + "5a" * 32)
READ = bytes.fromhex("8001 00000014 0000017e 00000001 000b 03 000001")
GOOD = bytes.fromhex("80010000000a00000000")
ACCESS, INT_ENABLE, INT_STATUS, STS, FIFO = 0x00, 0x08, 0x10, 0x18, 0x24
LOC_STATE, LOC_CTRL, LOC_STS, REQ, CRB_STS, CRB_CANCEL, START, BUFFER = 0x00, 0x08, 0x0c, 0x40, 0x44, 0x48, 0x4c, 0x80


def start(emulator, model, *extra, **options):
    return machine.Machine("16M", extra=[
        "-chardev", f"socket,id=c,path={emulator.path}", "-tpmdev", "emulator,id=t,chardev=c",
        "-device", f"{model},tpmdev=t", *extra], **options)


def rd(m, reg, width="l"):
    return int(m(f"read{width} {BASE + reg:#x}")[0], 0)


def wr(m, reg, value, width="l"):
    m(f"write{width} {BASE + reg:#x} {value:#x}")


class Tis:
    """A driver of locality @loc."""

    def __init__(self, m, loc=0):
        self.m, self.page = m, loc * PAGE
        wr(m, self.page + ACCESS, 0x02, "b")
        tap.equal(rd(m, self.page + ACCESS, "b") & 0xa0, 0xa0, "the locality is given")

    def sts(self):
        return rd(self.m, self.page + STS)

    def send(self, command):
        wr(self.m, self.page + STS, 0x40)
        vm.wait_until(lambda: self.sts() & 0x40, "it is ready")
        for n, byte in enumerate(command):
            tap.equal(self.sts() & 0xff, 0x88 if n else 0x40)
            wr(self.m, self.page + FIFO, byte, "b")
        tap.equal(self.sts() & 0x88, 0x80, "it expects no more")
        wr(self.m, self.page + STS, 0x20)

    def answer(self):
        vm.wait_until(lambda: self.sts() & 0x90 == 0x90, "the answer is there")
        count, found = self.sts() >> 8 & 0xffff, b""
        while self.sts() & 0x10:
            found += bytes([rd(self.m, self.page + FIFO, "b")])
        tap.equal(len(found), count, "the burst count")
        return found

    def __call__(self, command):
        self.send(command)
        return self.answer()


class Crb:
    def __init__(self, m):
        self.m = m
        wr(m, LOC_CTRL, 1)
        tap.equal((rd(m, LOC_STATE), rd(m, LOC_STS)), (0x83, 1))
        wr(m, REQ, 1)
        tap.equal(rd(m, CRB_STS), 0)

    def send(self, command):
        self.m(f"write {BASE + BUFFER:#x} {len(command)} 0x{command.hex()}")
        wr(self.m, START, 1)

    def answer(self):
        vm.wait_until(lambda: not rd(self.m, START), "the answer is there")
        head = bytes.fromhex(self.m(f"read {BASE + BUFFER:#x} 10")[0][2:])
        return bytes.fromhex(self.m(f"read {BASE + BUFFER:#x} {struct.unpack('>I', head[2:6])[0]}")[0][2:])

    def __call__(self, command):
        self.send(command)
        return self.answer()


DRIVERS = {"tpm-tis": Tis, "tpm-crb": Crb}


def works(model):
    """A register of the TPM is extended; it is so after a migration to another emulator, too, and not after a reset."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        with Swtpm(one) as tpm, start(tpm, model) as m:
            driver = DRIVERS[model](m)
            tap.equal(driver(STARTUP), GOOD)
            before = driver(READ)
            tap.equal(driver(EXTEND)[6:10], bytes(4))
            after = driver(READ)
            tap.equal((len(before), before[-32:], before != after), (len(after), bytes(32), True))
            m.qmp.command("migrate", uri=f"file:{other}/state")
            vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "completed", "the state is saved")
        with Swtpm(other) as tpm, start(tpm, model, "-incoming", f"file:{other}/state") as m:
            vm.wait_until(lambda: m.qmp.command("query-status")["status"] == "running", "the state is loaded")
            driver = DRIVERS[model](m)
            tap.equal(driver(READ), after)
            m.qmp.command("system_reset")
            m.qmp.event("RESET")
            driver = DRIVERS[model](m)
            tap.equal(driver(READ)[6:10] != bytes(4), True, "a TPM wants to be started after a reset")
            tap.equal((driver(STARTUP), driver(READ)[-32:]), (GOOD, bytes(32)))


def version_1():
    with tempfile.TemporaryDirectory() as folder, Swtpm(folder, 1) as tpm, start(tpm, "tpm-tis") as m:
        tap.equal(rd(m, 0x14), 0x20000697)
        driver = Tis(m)
        tap.equal(driver.sts() >> 26, 0, "the family")
        tap.equal(driver(bytes.fromhex("00c1 0000000c 00000099 0001")), bytes.fromhex("00c40000000a00000000"))


def localities():
    """Who has it, who waits, who takes it away; a command that was going on is for nobody then."""
    with tempfile.TemporaryDirectory() as folder, Emulator(folder, answers=[None]) as tpm, start(tpm, "tpm-tis") as m:
        def access():
            return [rd(m, page * PAGE, "b") for page in range(5)]
        tap.equal(access(), [0x81] * 5)
        tap.equal(rd(m, STS), 0xffffffff, "without the TPM")
        driver = Tis(m, 1)
        wr(m, ACCESS, 0x02, "b")
        tap.equal(access(), [0x83, 0xa5, 0x85, 0x85, 0x85], "0 waits for it")
        driver.send(STARTUP)
        tpm.wait(lambda: len(tpm.commands) == 2, "the command")
        tap.equal(driver.sts() & 0xfffff0, 0, "no answer yet")
        wr(m, 3 * PAGE, 0x08, "b")
        tap.equal(access(), [0x83, 0x95, 0x85, 0xa5, 0x85], "3 has it")
        tpm.wait(lambda: (CANCEL, b"") in tpm.seen, "the cancel")
        wr(m, 3 * PAGE + STS, 0x40)
        tap.equal(rd(m, 3 * PAGE + STS) & 0xff, 0, "it is still busy")
        tpm.data.sendall(tpm_emulator.FAILURE)
        driver = Tis(m, 3)
        tap.equal(driver(STARTUP), tpm_emulator.FAILURE)
        tap.equal([data for command, data in tpm.seen if command == SET_LOCALITY], [b"\1", b"\3"])
        wr(m, 2 * PAGE, 0x08, "b")
        tap.equal(rd(m, 3 * PAGE, "b") & 0x20, 0x20, "a lower one cannot")
        wr(m, 3 * PAGE, 0x20, "b")
        tap.equal(access(), [0xa1, 0x91, 0x81, 0x81, 0x81], "0 had waited")
        wr(m, PAGE, 0x10, "b")
        tap.equal(access()[1], 0x81)


def interrupts():
    with tempfile.TemporaryDirectory() as folder, Emulator(folder) as tpm, start(tpm, "tpm-tis") as m:
        driver = Tis(m)
        wr(m, INT_STATUS, 0xffffffff)
        wr(m, INT_ENABLE, 0x80000081)
        tap.equal(rd(m, INT_ENABLE), 0x80000081)
        wr(m, STS, 0x40)
        tap.equal(rd(m, INT_STATUS), 0x80)
        wr(m, INT_STATUS, 0x80)
        driver.send(STARTUP)
        vm.wait_until(lambda: rd(m, INT_STATUS) & 1, "data")
        tap.equal(driver.answer(), tpm_emulator.FAILURE)


def told():
    """Power on, buffers, version; nothing that an emulator need not have."""
    for model, size in (("tpm-tis", 4096), ("tpm-crb", 3968)):
        with tempfile.TemporaryDirectory() as folder, Emulator(folder) as tpm, start(tpm, model):
            tap.equal([(command, data) for command, data in tpm.seen[-3:]],
                      [(STOP, b""), (SET_BUFFER_SIZE, struct.pack(">I", size)), (INIT, bytes(4))])


def failures():
    """The emulator goes, or makes no sense: the guest has errors, and the program lives; a TPM that is there again works
    after the next reset."""
    for model in DRIVERS:
        for answer in (b"", bytes.fromhex("80010000000900000000"), bytes.fromhex("8001ffffffff00000000"),
                       bytes.fromhex("80010000200000000000"), bytes(64)):
            with tempfile.TemporaryDirectory() as folder, Emulator(folder, answers=[answer or None]) as tpm, \
                    start(tpm, model) as m:
                driver = DRIVERS[model](m)
                driver.send(STARTUP)
                if not answer:
                    tpm.wait(lambda: len(tpm.commands) == 2, "the command")
                    tpm.data.shutdown(2)
                tap.equal(driver.answer(), tpm_emulator.FAILURE)
                tap.equal(driver(STARTUP), tpm_emulator.FAILURE, "and from then on")
                m.qmp.command("system_reset")
                m.qmp.event("RESET")
                tpm.wait(lambda: tpm.seen.count((INIT, bytes(4))) == 2, "another start")
                driver = DRIVERS[model](m)
                tpm.answers = [GOOD]
                tap.equal(driver(STARTUP), GOOD)
                if answer:
                    tap.equal("makes no sense" in m.errors(), True, m.errors())


def comes_again():
    """Another emulator at the same socket: it is the guest's from the next reset on."""
    with tempfile.TemporaryDirectory() as folder, Emulator(folder) as tpm, \
            machine.Machine("16M", extra=["-chardev", f"socket,id=c,path={tpm.path},reconnect=1", "-tpmdev",
                                          "emulator,id=t,chardev=c", "-device", "tpm-crb,tpmdev=t"]) as m:
        def there():
            name, = [info["filename"] for info in m.qmp.command("query-chardev") if info["label"] == "c"]
            return not name.startswith("disconnected")
        driver, first = Crb(m), tpm.sock
        first.shutdown(2)
        vm.wait_until(lambda: tpm.sock is not first and there(), "another connection")
        tap.equal(driver(STARTUP), tpm_emulator.FAILURE, "before a reset")
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tpm.answers = [GOOD]
        tap.equal(Crb(m)(STARTUP), GOOD)


def nonsense():
    """Commands whose lengths are wrong do not get to the emulator; registers take any value."""
    with tempfile.TemporaryDirectory() as folder, Emulator(folder, answers=[GOOD]) as tpm, start(tpm, "tpm-crb") as m:
        driver = Crb(m)
        for size in (0, 9, 3969, 0x7fffffff, 0xffffffff):
            driver.send(struct.pack(">HII", 0x8001, size, 0))
            tap.equal(driver.answer(), bytes.fromhex("80010000000a00000142"), f"{size}")
        tap.equal((driver(STARTUP), tpm.commands[1:]), (GOOD, [STARTUP]))
    for model in DRIVERS:
        with tempfile.TemporaryDirectory() as folder, Emulator(folder) as tpm, start(tpm, model) as m:
            for value in (0xffffffff, 0, 0x55555555, 0xaaaaaaaa):
                for reg in range(0, 5 * PAGE if model == "tpm-tis" else PAGE, 0x84):
                    wr(m, reg & ~3, value)
                    rd(m, reg)
            tap.equal(m.qmp.command("query-status")["status"], "running")


def refused():
    def said(*words):
        status, text = machine.run_program("-accel", "qtest", "-display", "none", *words)
        tap.equal(status, 1, text)
        return text
    with tempfile.TemporaryDirectory() as folder:
        chardev = ["-chardev", f"socket,id=c,path={folder}/emulator.sock"]
        tpmdev = ["-tpmdev", "emulator,id=t,chardev=c"]
        device = ["-device", "tpm-tis,tpmdev=t"]
        for words, text in (
                (["-tpmdev", "emulator,id=t"], "-chardev socket,id=ID,path=PATH"),
                (["-tpmdev", "emulator,id=t,chardev=c"], "chardev 'c' not found"),
                (["-tpmdev", "passthrough,id=t,path=/nowhere", *device], "cannot open the TPM '/nowhere'"),
                (["-tpmdev", "passthrough,id=t,path=/dev/null,cancel-path=/nowhere", *device], "cannot open '/nowhere'"),
                (["-tpmdev", "passthrough,id=t,chardev=c"], "passthrough has path="),
                (["-tpmdev", "emulator,id=t,path=/dev/tpm0"], "emulator has chardev="),
                (["-chardev", "null,id=c", *tpmdev], "is no plain socket"),
                ([*chardev, *tpmdev, *device], "emulator.sock"),
                (["-device", "tpm-tis"], "-tpmdev emulator,id=ID"),
                (["-device", "tpm-crb,tpmdev=x"], "-tpmdev 'x' not found")):
            tap.equal(text in said(*words), True, said(*words))
        with Emulator(folder, caps=1):
            tap.equal("abilities are 0x1" in said(*chardev, *tpmdev, *device), True)
    for wrong, text in (({GET_CAPABILITY: b""}, "has gone"),
                        ({tpm_emulator.SET_DATA_FD: bytes.fromhex("00000009")}, "by error 0x9")):
        with tempfile.TemporaryDirectory() as folder, Emulator(folder, wrong=wrong):
            found = said("-chardev", f"socket,id=c,path={folder}/emulator.sock", *tpmdev, *device)
            tap.equal(text in found, True, found)
    with tempfile.TemporaryDirectory() as folder, Emulator(folder) as tpm:
        found = said("-chardev", f"socket,id=c,path={tpm.path}", *tpmdev, *device, "-device", "tpm-crb,tpmdev=t")
        tap.equal("there is a TPM already" in found, True, found)


def not_saved():
    """An emulator that gives no state, or takes none."""
    with tempfile.TemporaryDirectory() as folder:
        with tempfile.TemporaryDirectory() as one, \
                Emulator(one, wrong={tpm_emulator.GET_STATE: bytes.fromhex("00000003")}) as tpm, start(tpm, "tpm-tis") as m:
            m.qmp.command("migrate", uri=f"file:{folder}/none")
            vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "completed", "the state is saved")
            tap.equal("is not saved" in m.errors(), True, m.errors())
        with tempfile.TemporaryDirectory() as one, Emulator(one) as tpm, start(tpm, "tpm-tis") as m:
            m.qmp.command("migrate", uri=f"file:{folder}/state")
            vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "completed", "the state is saved")
        for name, wrong, text in (("none", {}, "gave none"),
                                  ("state", {SET_STATE: bytes.fromhex("00000003")}, "command 0xd by error 0x3")):
            with tempfile.TemporaryDirectory() as one, Emulator(one, wrong=wrong) as tpm:
                status, found = machine.run_program(
                    "-accel", "qtest", "-display", "none", "-m", "16M", "-chardev", f"socket,id=c,path={tpm.path}",
                    "-tpmdev", "emulator,id=t,chardev=c", "-device", "tpm-tis,tpmdev=t", "-incoming",
                    f"file:{folder}/{name}", "-nodefaults")
                tap.equal((status, text in found), (1, True), found)


def asked():
    with tempfile.TemporaryDirectory() as folder, Emulator(folder) as tpm, start(tpm, "tpm-crb") as m:
        tap.equal(m.qmp.command("query-tpm"), [{"id": "t", "model": "tpm-crb",
                                                "options": {"type": "emulator", "data": {"chardev": "c"}}}])
        tap.equal((m.qmp.command("query-tpm-models"), m.qmp.command("query-tpm-types")),
                  (["tpm-crb", "tpm-tis"], ["emulator", "passthrough"]))
        tap.equal(m.qmp.command("human-monitor-command", **{"command-line": "info tpm"}),
                  "TPM device:\n tpm0: model=tpm-crb\n  \\ t: type=emulator,chardev=c\n")


def start_host(tpm, model, options=""):
    return machine.Machine("16M", extra=["-tpmdev", f"passthrough,id=t,path={tpm.path}{options}", "-device", f"{model},tpmdev=t"])


def of_host():
    """A TPM of the host, whose file a test has: commands and answers, which version it is; it is cancelled; what is refused."""
    for model in DRIVERS:
        with tpm_emulator.HostTpm([GOOD]) as tpm, start_host(tpm, model) as m:
            driver = DRIVERS[model](m)
            tap.equal((driver(STARTUP), tpm.commands[1:]), (GOOD, [STARTUP]))
            long = struct.pack(">HII", 0x8001, 1024, 0) + bytes(1014)
            tpm.answers = [long]
            tap.equal(driver(long), long)
            m.qmp.command("system_reset")
            m.qmp.event("RESET")
            tap.equal(DRIVERS[model](m)(STARTUP), tpm_emulator.FAILURE)
            tap.equal(m.qmp.command("query-tpm")[0]["options"], {"type": "passthrough", "data": {"path": tpm.path}})
            said = m.qmp.command("human-monitor-command", **{"command-line": "info tpm"})
            tap.equal(said.endswith(f"type=passthrough,path={tpm.path}\n"), True, said)
            reason, = m.qmp.command("query-migrate")["blocked-reasons"]
            tap.equal("stays there" in reason, True, reason)
    with tpm_emulator.HostTpm(first=bytes.fromhex("00c40000000a0000001e")) as tpm, start_host(tpm, "tpm-tis") as m:
        tap.equal(Tis(m).sts() >> 26, 0, "the family of a TPM 1.2")
    with tempfile.NamedTemporaryFile() as cancel, tpm_emulator.HostTpm([None]) as tpm, \
            start_host(tpm, "tpm-crb", f",cancel-path={cancel.name}") as m:
        driver = Crb(m)
        driver.send(STARTUP)
        vm.wait_until(lambda: len(tpm.commands) == 2, "the command")
        wr(m, CRB_CANCEL, 1)
        vm.wait_until(lambda: os.path.getsize(cancel.name) == 1, "it is cancelled")
        tap.equal(cancel.read(), b"-")
        os.write(tpm.ours, tpm_emulator.FAILURE)
        tap.equal(driver.answer(), tpm_emulator.FAILURE)


def host_waits():
    """The file that cancels takes nothing for a while, as the kernel's while the TPM works: nobody else waits for it."""
    with tempfile.TemporaryDirectory() as folder, tpm_emulator.HostTpm([None]) as tpm:
        path = f"{folder}/cancel"
        os.mkfifo(path)
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        full = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
        tap.equal(os.write(fd, bytes(full)), full)
        with start_host(tpm, "tpm-crb", f",cancel-path={path}") as m:
            driver = Crb(m)
            driver.send(STARTUP)
            vm.wait_until(lambda: len(tpm.commands) == 2, "the command")
            for _ in range(2):
                wr(m, CRB_CANCEL, 1)
                tap.equal(m.qmp.command("query-status")["running"], True)
            os.write(tpm.ours, tpm_emulator.FAILURE)
            tap.equal(driver.answer(), tpm_emulator.FAILURE)
            tap.equal(os.read(fd, full), bytes(full))
            vm.wait_until(lambda: select.select([fd], [], [], 0)[0], "it is cancelled")
            tap.equal(os.read(fd, 16), b"-")
            tpm.answers = [GOOD]
            tap.equal(driver(STARTUP), GOOD)
        os.close(fd)


def host_fails():
    """Answers that make no sense, too long ones, and a device that goes: the guest has errors, and the program lives."""
    for answer in (b"", bytes.fromhex("80010000000900000000"), bytes.fromhex("8001ffffffff00000000"), bytes.fromhex("80010000200000000000"),
                   GOOD + b"more"):
        for model in DRIVERS:
            with tpm_emulator.HostTpm([answer]) as tpm, start_host(tpm, model) as m:
                driver = DRIVERS[model](m)
                tap.equal(driver(STARTUP), tpm_emulator.FAILURE)
                if answer:
                    m.qmp.command("system_reset")
                    m.qmp.event("RESET")
                    tpm.answers = [GOOD]
                    tap.equal(DRIVERS[model](m)(STARTUP), GOOD, "after a reset")
    long = struct.pack(">HII", 0x8001, 4000, 0) + bytes(3990)
    for model, wanted in (("tpm-tis", long), ("tpm-crb", tpm_emulator.FAILURE)):
        with tpm_emulator.HostTpm([long]) as tpm, start_host(tpm, model) as m:
            tap.equal(DRIVERS[model](m)(STARTUP), wanted)


tap.run([("TIS", lambda: works("tpm-tis")), ("CRB", lambda: works("tpm-crb")), ("TPM 1.2", version_1),
         ("localities", localities), ("interrupts", interrupts), ("what is told", told), ("failures", failures), ("comes again", comes_again),
         ("nonsense", nonsense), ("refused", refused), ("not saved", not_saved), ("queries", asked),
         ("of the host", of_host), ("the host's waits", host_waits), ("the host's fails", host_fails)])

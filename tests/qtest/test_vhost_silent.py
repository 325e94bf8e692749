#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Back-ends of vhost-user that answer, and then fall silent at one request: who needs its answer waits, the machine, its
monitors and its other CPUs do not. What shows it is an order: they answer while the back-end still keeps its answer."""
import contextlib
import json
import os
import select
import socket
import struct
import sys
import tempfile

import machine
import tap
import vhost_backend as vhost
import virtio_driver
from vhost_machine import MIB, RAM, SLOT, disk, firmware, ready

SECOND = ["-chardev", "socket,id=second,path=PATH.second,server=on,wait=off", "-mon", "chardev=second,mode=control"]


class Overtaker(machine.vm.Qmp):
    """A monitor whose commands overtake those that wait."""

    def command(self, name, **arguments):
        if name == "qmp_capabilities":
            return super().command(name, enable=["oob"])
        return self.execute({"exec-oob": name, "arguments": arguments})


@contextlib.contextmanager
def silent_disk(**options):
    """A disk's back-end, its machine, a driver, and a second monitor."""
    with disk(extra=[*RAM, *options.pop("extra", ()), *SECOND], **options) as (end, m):
        driver = ready(m)
        tap.equal(driver.talk(0, b"before"), b"before")
        yield end, m, driver, Overtaker(f"{end.path}.second")


def send(monitor, command, **arguments):
    monitor.send(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")


def reply_of(monitor):
    reply = monitor.receive()
    while "event" in reply:
        monitor.events.append(reply)
        reply = monitor.receive()
    return reply


def mute(end, *requests):
    with end.lock:
        end.mute = requests


def lives(m, second, end, what, command=False):
    """The back-end has been asked, and keeps its answer; the machine and its monitors answer; where it is a @command that
    waits for it, what may overtake that."""
    end.wait(lambda: end.unsaid, what)
    second.command("query-yank")
    if not command:
        m.qmp.command("query-status")
    m("memset 0x1000 0x1000 0x5a")
    tap.equal([e for e in m.qmp.drain() if "event" not in e], [], f"{what}: a reply of who waits")
    tap.equal((bool(end.unsaid), end.told(0)), (True, []), f"{what}: what it keeps, and connections that ended")


def eject_dimm(m, name):
    m.qmp.command("device_del", id=name)
    m.write("l", 0xa00, 0)
    m.write("b", 0xa14, 8)
    m.qmp.event("DEVICE_DELETED", device=name)


def insert_event(m):
    """Is the guest told of a DIMM in slot 0?"""
    m.write("l", 0xa00, 0)
    return bool(m.read("b", 0xa14) & 2)


def commands():
    """A command that stops, continues, or changes the machine's memory waits for the back-end; it alone. The guest is told
    of a DIMM when the back-end has it, and its memory stays until the back-end has left it."""
    with silent_disk(protocol=vhost.DISK | vhost.MEM_SLOTS) as (end, m, driver, second):
        m.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "m-d1", "size": 128 * MIB})

        def waits(request, name, **arguments):
            mute(end, request)
            send(m.qmp, name, **arguments)
            lives(m, second, end, name, True)

        def ends(name):
            end.say()
            tap.equal("return" in reply_of(m.qmp), True, name)

        waits(vhost.GET_VRING_BASE, "stop")
        ends("stop")
        waits(vhost.SET_VRING_ADDR, "cont")
        ends("cont")
        waits(vhost.ADD_MEM_REG, "device_add", driver="pc-dimm", id="d1", memdev="m-d1", addr=1 << 32)
        tap.equal(insert_event(m), False, "the guest is told too early")
        ends("device_add")
        tap.equal(insert_event(m), True, "the guest is told")
        tap.equal(driver.talk(0, b"in the DIMM", buffers=(1 << 32) + 0x5000), b"in the DIMM")
        m.write("b", 0xa14, 2)
        mute(end, vhost.REM_MEM_REG)
        eject_dimm(m, "d1")
        lives(m, second, end, "the eject")
        send(m.qmp, "object-del", id="m-d1")
        lives(m, second, end, "object-del", True)
        ends("object-del")
        waits(vhost.GET_VRING_BASE, "human-monitor-command", **{"command-line": "stop"})
        ends("HMP's stop")
        m.qmp.command("cont")
        tap.equal(driver.talk(0, b"after"), b"after")
        tap.equal(end.told(0), [], "connections that ended")


def tables():
    """The same of a back-end that takes all memory in one table, and acknowledges nothing."""
    with silent_disk(protocol=vhost.DISK & ~vhost.REPLY_ACK) as (end, m, driver, second):
        m.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "m-d1", "size": 128 * MIB})
        with end.lock:
            end.mute_behind = vhost.SET_MEM_TABLE
        send(m.qmp, "device_add", driver="pc-dimm", id="d1", memdev="m-d1", addr=1 << 32)
        lives(m, second, end, "the table", True)
        tap.equal(insert_event(m), False, "the guest is told too early")
        end.say()
        tap.equal("return" in reply_of(m.qmp), True)
        tap.equal(insert_event(m), True, "the guest is told")
        tap.equal(driver.talk(0, b"in the DIMM", buffers=(1 << 32) + 0x5000), b"in the DIMM")


def nvdimm():
    """The guest is told of an NVDIMM, too, when the back-end has it."""
    def is_told():
        return bool(m.read("b", 0xafe0) & 1 << 4)

    with silent_disk(extra=["-machine", "nvdimm=on"], protocol=vhost.DISK | vhost.MEM_SLOTS) as (end, m, driver, second):
        m.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "m-n1", "size": 16 * MIB})
        mute(end, vhost.ADD_MEM_REG)
        send(m.qmp, "device_add", driver="nvdimm", id="n1", memdev="m-n1")
        lives(m, second, end, "device_add", True)
        tap.equal(is_told(), False, "the guest is told too early")
        end.say()
        tap.equal("return" in reply_of(m.qmp), True)
        tap.equal(is_told(), True, "the guest is told")


def memory_of_a_function():
    """And of a function of PCI with memory."""
    def is_told():
        m.write("l", 0xae10, 0)
        return bool(m.read("l", 0xae00) & 1 << 6)

    with silent_disk(protocol=vhost.DISK | vhost.MEM_SLOTS) as (end, m, driver, second):
        m.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "m-p1", "size": 128 * MIB})
        mute(end, vhost.ADD_MEM_REG)
        send(m.qmp, "device_add", driver="virtio-pmem-pci", id="p1", memdev="m-p1", addr="6")
        lives(m, second, end, "device_add", True)
        tap.equal(is_told(), False, "the guest is told too early")
        end.say()
        tap.equal("return" in reply_of(m.qmp), True)
        tap.equal(is_told(), True, "the guest is told")


def buttons():
    """The power button, and a guest that goes to sleep, do not take the rings from it."""
    with silent_disk() as (end, m, driver, second):
        mute(end, vhost.GET_FEATURES)
        m.qmp.command("system_powerdown")
        m.qmp.event("POWERDOWN")
        m.write("w", 0x604, 1 << 13 | 1 << 10)  # S3
        m.qmp.event("SUSPEND")
        tap.equal((end.told(vhost.GET_VRING_BASE), end.unsaid), ([], []), "rings, and questions")


def gone():
    """It goes in place of answering: who waits goes on, and so does the next one, where the last one was."""
    with silent_disk(protocol=vhost.DISK | vhost.MEM_SLOTS) as (end, m, driver, second):
        m.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "m-d1", "size": 128 * MIB})
        for n, (request, name, arguments) in enumerate((
                (vhost.GET_VRING_BASE, "stop", {}), (vhost.SET_VRING_KICK, "cont", {}),
                (vhost.ADD_MEM_REG, "device_add", {"driver": "pc-dimm", "id": "d1", "memdev": "m-d1"}))):
            mute(end, request)
            send(m.qmp, name, **arguments)
            lives(m, second, end, name, True) if not n else end.wait(lambda: end.unsaid, name)
            end.drop()
            tap.equal("return" in reply_of(m.qmp), True, name)
            end.wait(lambda n=n: len(end.told(vhost.SET_OWNER)) == n + 2, "the next connection")
        tap.equal(insert_event(m), True, "the guest is told")
        tap.equal(driver.talk(0, b"after"), b"after")


def wrong_later():
    """An acknowledgement that says no, or is none, for which nobody waits: the end of the connection."""
    for answer in (lambda request, flags, payload: (request, flags, struct.pack("<Q", 1)),
                   lambda request, flags, payload: (request + 1, flags, payload)):
        with silent_disk() as (end, m, driver, _):
            end.wrong = {vhost.SET_VRING_KICK: answer}
            m.qmp.command("stop")
            m.qmp.command("cont")
            end.wait(lambda end=end: len(end.told(0)) >= 1, "the end of the connection")
            end.wrong = {}
            tap.equal(driver.talk(0, b"by the next one"), b"by the next one")


def virtio_mem():
    """The guest has blocks when the back-end has them; the answer to its request comes no sooner."""
    block = 2 * MIB
    with silent_disk(extra=["-object", "memory-backend-memfd,id=vm0,size=1G"], protocol=vhost.DISK | vhost.MEM_SLOTS,
                     slots=9) as (end, m, driver, second):
        m.qmp.command("device_add", driver="virtio-mem-pci", id="v0", memdev="vm0", addr="5", memaddr=1 << 32,
                      **{"dynamic-memslots": True, "requested-size": 1 << 30, "block-size": block})
        mem = virtio_driver.Driver(m, 5, 0x200000)
        mem.begin(1 << 32 | 2)
        mem.queue(0)
        mem.ready()

        def ask(kind, at):
            return struct.pack("<H6xQH6x", kind, (1 << 32) + at, 1)

        mute(end, vhost.ADD_MEM_REG)
        mem.ask(0, ask(0, 0), 16)
        lives(m, second, end, "the first block")
        mem.ask(0, ask(3, 0), 16)
        m("clock_step")
        tap.equal(mem.used(0), 0, "answers")
        end.say()
        machine.vm.wait_until(lambda: mem.used(0) == 2, "both answers")
        tap.equal(len(end.regions), 2)
        # A driver that begins anew does not get it, and nothing of it is left.
        mute(end, vhost.ADD_MEM_REG)
        mem.ask(0, ask(0, 512 * MIB), 16)
        lives(m, second, end, "a block elsewhere")
        mem.begin(1 << 32 | 2)
        end.say()
        mem.queue(0)
        mem.ready()
        tap.equal(mem.talk(0, ask(1, 0), 16)[:2], b"\0\0", "ACK")
        mute(end, vhost.REM_MEM_REG)
        mem.talk(0, ask(1, 512 * MIB), 16)
        lives(m, second, end, "a block that goes")
        end.say()
        end.wait(lambda: len(end.regions) == 1, "the ranges")


MESSAGES = 0x200000  # where the messages of a device's vectors go, 16 bytes each


def begin_vectors(m, driver):
    """Two vectors, of which the ring has the first."""
    table = 0xfe000000
    driver.config(0x14, table)
    driver.config(0x04, 6)
    at = next(at for at in range(0x40, 0x100, 4) if cap(m, at) == 0x11)
    for n in range(2):
        m(f"writeq {table + 16 * n:#x} {MESSAGES + 16 * n:#x}")
        m(f"writeq {table + 16 * n + 8:#x} {0x1234 + n:#x}")
    m.write("l", 0xcf8, 0x80000000 | SLOT << 11 | at)
    m.write("w", 0xcfe, 0x8000)
    driver.set(22, 0, "w")
    driver.set(26, 0, "w")


def forget_messages(m):
    m(f"memset {MESSAGES:#x} 0x20 0")


def is_interrupted(m, n):
    return int(m(f"readl {MESSAGES + 16 * n:#x}")[0], 0) == 0x1234 + n


def vectors():
    """A driver that moves its interrupts to another vector, and back, stops nobody; none of them is lost."""
    with silent_disk() as (end, m, driver, second):
        begin_vectors(m, driver)
        for n, old in ((1, 0), (0, 1), (1, 0)):
            forget_messages(m)
            mute(end, vhost.SET_VRING_CALL)
            driver.set(26, n, "w")
            lives(m, second, end, "the vector")
            driver.set(26, old, "w")  # what is told later is only where it ends
            driver.set(26, n, "w")
            end.say()
            machine.vm.wait_until(lambda n=n: is_interrupted(m, n), "an interrupt, in case that one was lost")
            forget_messages(m)
            tap.equal(driver.talk(0, b"vector"), b"vector")
            machine.vm.wait_until(lambda n=n: is_interrupted(m, n), "the interrupt")


def stops_between():
    """Nor one at whose vector nobody looks any more, when the machine stops, or that a back-end had not sent when it
    died."""
    with silent_disk(extra=["-device", "pvpanic", "-action", "panic=pause"]) as (end, m, driver, second):
        begin_vectors(m, driver)
        tap.equal(driver.talk(0, b"vector"), b"vector")
        machine.vm.wait_until(lambda: is_interrupted(m, 0), "the interrupt")
        forget_messages(m)
        mute(end, vhost.SET_VRING_CALL)
        driver.set(26, 1, "w")
        m("outb 0x505 1")
        m.qmp.event("STOP")
        lives(m, second, end, "the stop")
        end.say()
        m.qmp.command("cont")
        machine.vm.wait_until(lambda: is_interrupted(m, 1), "an interrupt, in case that one was lost")
        with end.lock:
            end.rings[0].set_fd("call", None)
        tap.equal(driver.talk(0, b"without"), b"without")
        forget_messages(m)
        end.drop()
        machine.vm.wait_until(lambda: is_interrupted(m, 1), "the one that was not sent")


def configuration():
    """A notice that the configuration is another, again and again: it is asked once, and the guest sees the old one until it
    has answered; a stop that is no command's goes on."""
    def sectors():
        return driver.get(virtio_driver.DEVICE)

    with silent_disk() as (end, m, driver, second):
        before, _ = sectors(), driver.isr()
        asked = len(end.told(vhost.GET_CONFIG))
        mute(end, vhost.GET_CONFIG)
        for size in 4096, 8192, 16384:
            tap.equal(end.change_config(struct.pack("<Q", size)), 0)
            lives(m, second, end, "the notice")
            tap.equal((sectors(), driver.isr() & 2), (before, 0), "the guest's")
        tap.equal(len(end.told(vhost.GET_CONFIG)), asked + 1, "questions")
        end.say()
        machine.vm.wait_until(lambda: sectors() == 16384, "the last one")
        tap.equal(len(end.told(vhost.GET_CONFIG)), asked + 2, "questions")
        # Its connection ends before it has answered: the next one is asked anew.
        mute(end, vhost.GET_CONFIG)
        end.change_config(struct.pack("<Q", 4096))
        lives(m, second, end, "the notice")
        end.drop()
        machine.vm.wait_until(lambda: sectors() == 4096, "by the next one")
        tap.equal(driver.talk(0, b"after"), b"after")


def in_flight():
    """The back-end's record is asked for before it has the rings: the driver's write waits for that, nobody else."""
    with disk(extra=[*RAM, *SECOND], protocol=vhost.DISK | vhost.INFLIGHT) as (end, m):
        second = Overtaker(f"{end.path}.second")
        for anew in False, True:
            mute(end, vhost.GET_INFLIGHT_FD)
            driver = ready(m)
            lives(m, second, end, "the record")
            tap.equal(len(end.told(vhost.SET_VRING_KICK)), int(anew), "rings")
            if anew:  # the driver begins anew in between: that record was not for it
                driver = ready(m)
                lives(m, second, end, "the record")
            end.say()
            tap.equal(driver.talk(0, b"with a record"), b"with a record")
            tap.equal(len(end.told(vhost.GET_INFLIGHT_FD)), 1 + 2 * anew, "questions")
        send(m.qmp, "stop")
        tap.equal("return" in reply_of(m.qmp), True)
        mute(end, vhost.SET_INFLIGHT_FD)
        send(m.qmp, "cont")
        lives(m, second, end, "cont", True)
        end.say()
        tap.equal("return" in reply_of(m.qmp), True)
        tap.equal(len(end.told(vhost.GET_INFLIGHT_FD)), 3, "it is asked once")
        tap.equal(driver.talk(0, b"after"), b"after")


MEETING = (vhost.GET_FEATURES, vhost.GET_PROTOCOL_FEATURES, vhost.GET_QUEUE_NUM, vhost.GET_MAX_MEM_SLOTS, vhost.SET_OWNER,
           vhost.GET_CONFIG, vhost.SET_MEM_TABLE, vhost.ADD_MEM_REG)


def comes_again():
    """One that comes again, and is silent at one question or another: the machine is without it so long; it may go, too."""
    with silent_disk(protocol=vhost.DISK | vhost.MEM_SLOTS) as (end, m, driver, second):
        for request in MEETING[:-2]:
            for ends in False, True:
                with end.lock:
                    end.mute_next, before = (request,), end.seen.count((0, b""))
                end.drop()
                end.wait(lambda: end.unsaid, f"request {request}")
                second.command("query-yank")
                m.qmp.command("query-status")
                m("memset 0x1000 0x1000 0x5a")
                tap.equal((bool(end.unsaid), end.seen.count((0, b""))), (True, before + 1), "what it keeps")
                if ends:
                    end.drop()
                else:
                    end.say()
                tap.equal(driver.talk(0, b"again"), b"again")
        with end.lock:
            end.mute_next = (vhost.GET_QUEUE_NUM,)
        end.drop()
        end.wait(lambda: end.unsaid, "the meeting")
        m.qmp.command("device_del", id="d0")
        m.write("l", 0xae10, 0)
        m.write("l", 0xae08, 1 << SLOT)
        m.qmp.event("DEVICE_DELETED", device="d0")


def cap(m, at):
    m.write("l", 0xcf8, 0x80000000 | SLOT << 11 | at)
    return m.read("b", 0xcfc)


def resets():
    """A reset of the machine waits until the rings were given back: nobody writes to the guest's memory afterwards."""
    with silent_disk() as (end, m, driver, second):
        for ends in False, True:
            mute(end, vhost.GET_VRING_BASE)
            m("outb 0x64 0xfe")
            end.wait(lambda: end.unsaid, "the question")
            m.qmp.command("query-status")
            second.command("query-yank")
            tap.equal([e for e in m.qmp.drain() if e["event"] == "RESET"], [])
            if ends:
                end.drop()
            else:
                end.say()
            m.qmp.event("RESET", guest=True)
            end.wait(lambda ends=ends: len(end.told(vhost.SET_OWNER)) == 1 + ends, "the connection")
            driver = ready(m)
            tap.equal(driver.talk(0, b"anew"), b"anew")


def unplugs():
    """A device that goes with its rings: the guest's eject waits for nobody, the next one of the connection does."""
    with silent_disk(protocol=vhost.DISK | vhost.MEM_SLOTS) as (end, m, driver, second):
        for speaks in True, False:
            mute(end, vhost.GET_VRING_BASE)
            m.qmp.command("device_del", id="d0")
            m.write("l", 0xae10, 0)
            m.write("l", 0xae08, 1 << SLOT)
            m.qmp.event("DEVICE_DELETED", device="d0")
            lives(m, second, end, "the eject")
            send(m.qmp, "device_add", driver="vhost-user-blk-pci", id="d0", chardev="c0", addr=f"{SLOT}")
            lives(m, second, end, "device_add", True)
            if speaks:
                end.say()
                tap.equal("return" in reply_of(m.qmp), True)
                tap.equal(ready(m).talk(0, b"again"), b"again")
                tap.equal((len(end.told(vhost.ADD_MEM_REG)), end.told(0)), (1, []), "ranges, and connections that ended")
            else:
                end.drop()
                tap.equal("error" in reply_of(m.qmp), True)


def moves():
    """The last stop of a migration, and its beginning, wait for the back-end, and hold up nobody else."""
    with tempfile.TemporaryDirectory() as folder, \
            silent_disk(protocol=vhost.DISK | vhost.LOG_SHMFD, features=vhost.VERSION_1 | vhost.PROTOCOL | vhost.LOG_ALL) as (
                end, m, driver, second):
        def status():
            return m.qmp.command("query-migrate")["status"]

        mute(end, vhost.SET_LOG_BASE)
        send(m.qmp, "migrate", uri=f"file:{folder}/state")
        end.wait(lambda: end.unsaid, "the log")
        second.command("query-yank")
        m("memset 0x1000 0x1000 0x5a")
        tap.equal(os.path.getsize(f"{folder}/state") < 1 << 16, True, "nothing of the memory has gone")
        with end.lock:
            end.mute = (vhost.GET_VRING_BASE,)
            unsaid, end.unsaid = end.unsaid, []
            for reply, fds in unsaid:
                socket.send_fds(end.sock, [reply], fds)
        tap.equal("return" in reply_of(m.qmp), True)
        end.wait(lambda: end.unsaid, "the last stop")
        tap.equal(status(), "active")
        m("memset 0x1000 0x1000 0x5a")
        end.say()
        machine.vm.wait_until(lambda: status() == "completed", "it has gone")
        m.qmp.command("cont")
        tap.equal(driver.talk(0, b"here"), b"here")


def panics():
    """A stop that is no command's waits for nothing; what takes the machine's state does."""
    with tempfile.TemporaryDirectory() as folder, \
            silent_disk(protocol=vhost.DISK | vhost.LOG_SHMFD, features=vhost.VERSION_1 | vhost.PROTOCOL | vhost.LOG_ALL,
                        extra=["-device", "pvpanic", "-action", "panic=pause"]) as (end, m, driver, second):
        mute(end, vhost.GET_VRING_BASE)
        m("outb 0x505 1")
        m.qmp.event("STOP")
        lives(m, second, end, "the stop")
        send(m.qmp, "migrate", uri=f"file:{folder}/state")
        lives(m, second, end, "migrate", True)
        end.say()
        tap.equal("return" in reply_of(m.qmp), True)
        machine.vm.wait_until(lambda: m.qmp.command("query-migrate")["status"] == "completed", "it has gone")
        m.qmp.command("cont")
        tap.equal(driver.talk(0, b"after"), b"after")


def a_cpu_stands():
    """A CPU resets the device, and stands until the rings were given back; the monitor does not."""
    config, place = 0x80000000 | SLOT << 11, 0xc000
    status = place + 0x12
    writes = [(0xcf8, config | 0x10), (0xcfc, place | 1), (0xcf8, config | 4), (0xcfc, 5), (status, 1), (status, 3),
              (place + 8, 0x100), (status, 7), (0x3f8, ord("A")), (status, 0), (0x3f8, ord("B"))]
    with tempfile.TemporaryDirectory() as folder:
        end = vhost.Backend(f"{folder}/backend")
        firmware(f"{folder}/code", *writes)
        with machine.vm.Vm(machine.PROGRAM, memory="16M", accel="soft", extra=[
                *RAM, "-bios", f"{folder}/code", "-chardev", f"socket,id=c0,path={folder}/backend,reconnect=1", "-device",
                f"vhost-user-blk-pci-transitional,id=d0,chardev=c0,addr={SLOT}"]) as m:
            mute(end, vhost.GET_VRING_BASE)
            m.serial.send(b"x")
            tap.equal(m.serial.sock.recv(1), b"A")
            end.wait(lambda: end.unsaid, "the question")
            tap.equal(m.qmp.command("query-status")["running"], True)
            m.qmp.command("query-block")
            tap.equal(select.select([m.serial.sock], [], [], 0)[0], [], "what the CPU does behind it")
            end.say()
            tap.equal(m.serial.sock.recv(1), b"B")
        end.close()


if __name__ == "__main__":
    tap.run([(name, case) for name, case in [
        ("commands", commands),
        ("tables, and no acknowledgements", tables),
        ("an NVDIMM", nvdimm),
        ("a function with memory", memory_of_a_function),
        ("buttons", buttons),
        ("it goes", gone),
        ("wrong answers that nobody waits for", wrong_later),
        ("virtio-mem", virtio_mem),
        ("vectors", vectors),
        ("interrupts at a stop, and at an end", stops_between),
        ("the configuration", configuration),
        ("what is in flight", in_flight),
        ("it comes again", comes_again),
        ("a reset", resets),
        ("unplug", unplugs),
        ("a migration", moves),
        ("a panic", panics),
        ("a CPU", a_cpu_stands),
    ] if len(sys.argv) < 3 or sys.argv[2] in name])

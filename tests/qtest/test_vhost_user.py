#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices whose rings another program works on, with a back-end of our own (vhost_backend.py)."""
import contextlib
import fcntl
import json
import os
import struct
import sys
import tempfile
import threading

import machine
import tap
import vhost_backend as vhost
import virtio_driver
from vhost_machine import MIB, RAM, SLOT, disk, firmware, ready, setup


def refused(m, command, **arguments):
    try:
        m.qmp.command(command, **arguments)
    except machine.vm.QmpError as err:
        return err.desc
    raise AssertionError(f"{command} was accepted")


def fails(*words):
    """The message of a machine that does not start."""
    status, text = machine.run_program("-accel", "qtest", "-display", "none", "-nodefaults", *words)
    tap.equal(status, 1, text)
    return text


# ---- the network card ----

NET = vhost.MQ | vhost.LOG_SHMFD


def card(chardev="reconnect=1", **options):
    options.setdefault("protocol", NET)
    return setup("-netdev", "vhost-user,id=n0,chardev=c0,vhostforce=on,queues=2", "-device",
                 f"virtio-net-pci,netdev=n0,mq=on,addr={SLOT}", chardev=chardev, **options)


def table():
    """What is asked when they meet; the memory table of the guest's memory, in which both see the same; rings with their
    descriptors, of as many pairs as the driver uses."""
    features = vhost.VERSION_1 | vhost.PROTOCOL | 1 << 22 | 1 << 15
    with card(features=features) as (end, m):
        tap.equal([s[0] for s in end.seen], [vhost.GET_FEATURES, vhost.GET_PROTOCOL_FEATURES, vhost.SET_PROTOCOL_FEATURES,
                                             vhost.GET_QUEUE_NUM, vhost.SET_OWNER], "requests")
        tap.equal(end.agreed, NET, "features of the protocol")
        driver = virtio_driver.Driver(m, SLOT)
        offered = driver.offered()
        tap.equal(bool(offered & 1 << 15), True, "merged buffers")
        tap.equal(offered & 0x7f83, 0, "offloads that the back-end has not")
        tap.equal(offered >> 16 & 0b111 | (offered >> 22 & 1) << 3, 0b1111, "status, control, filters, pairs")
        m("memset 0x1000 0x1000 0x5a")
        driver.begin(1 << 32 | 1 << 15)
        for n in range(3):
            driver.queue(n)
        driver.ready()
        end.wait(lambda: len(end.regions) == 1 and 1 in end.rings and end.rings[1].enabled, "rings")
        tap.equal([(r.guest, r.size) for r in end.regions], [(0, 16 * MIB)], "regions")
        tap.equal(end.read(0x1000, 0x1000), b"\x5a" * 0x1000)
        tap.equal(end.accepted & ~vhost.LOG_ALL, 1 << 32 | 1 << 15 | vhost.PROTOCOL, "features")
        tap.equal(sorted(end.rings), [0, 1], "rings")
        tap.equal([end.rings[n].num for n in range(2)], [8, 8])
        tap.equal([end.guest_of(end.rings[n].addr[0]) for n in range(2)], [driver.queues[n][0] for n in range(2)])


def asked_about():
    """x-query-virtio-status and the others of a device with a back-end."""
    path = "/machine/peripheral/v0/virtio-backend"
    with setup("-netdev", "vhost-user,id=n0,chardev=c0,vhostforce=on", "-device", f"virtio-net-pci,netdev=n0,id=v0,addr={SLOT}", protocol=NET,
               features=vhost.VERSION_1 | vhost.PROTOCOL) as (end, m):
        said = m.qmp.command("x-query-virtio-status", path=path)
        tap.equal((said["vhost-started"], said["vhost-dev"]["log-enabled"], said["vhost-dev"]["log-size"]), (False, False, 0))
        tap.equal("VHOST_USER_F_PROTOCOL_FEATURES" in said["vhost-dev"]["features"]["transports"], True)
        tap.equal(said["vhost-dev"]["protocol-features"], {"protocols": ["VHOST_USER_PROTOCOL_F_LOG_SHMFD", "VHOST_USER_PROTOCOL_F_MQ"]})
        said = refused(m, "x-query-virtio-vhost-queue-status", path=path, queue=0)
        tap.equal("no back-end works on queue 0" in said, True, said)
        driver = ready(m, queues=2)
        end.wait(lambda: 1 in end.rings and end.rings[1].enabled, "rings")
        said = m.qmp.command("x-query-virtio-status", path=path)
        tap.equal((said["vhost-started"], said["vhost-dev"]["n-mem-sections"], said["vhost-dev"]["nvqs"]), (True, 1, 2))
        tap.equal(said["vhost-dev"]["acked-features"]["transports"], ["VIRTIO_F_VERSION_1"])
        queue = m.qmp.command("x-query-virtio-queue-status", path=path, queue=0)
        tap.equal(("last-avail-idx" in queue, queue["vring-desc"]), (False, driver.queues[0][0]), "which only the back-end knows")
        queue = m.qmp.command("x-query-virtio-vhost-queue-status", path=path, queue=1)
        at = driver.queues[1][0]
        tap.equal([queue[name] for name in ("name", "num", "desc-phys", "avail-phys", "used-phys", "desc-size", "avail-size", "used-size")],
                  ["virtio-net", 8, at, at + 0x1000, at + 0x2000, 128, 20, 68])
        tap.equal(queue["desc"], end.rings[1].addr[0], "where the back-end was told that it is")
        tap.equal("a back-end works on queue 0" in refused(m, "x-query-virtio-queue-element", path=path, queue=0), True)
        text = m.qmp.command("human-monitor-command", **{"command-line": f"info virtio-status {path}"})
        tap.equal("device_name:             virtio-net (vhost)" in text and "VHOST_USER_PROTOCOL_F_MQ\n" in text, True, text)
        text = m.qmp.command("human-monitor-command", **{"command-line": f"info virtio-vhost-queue-status {path} 1"})
        tap.equal(f"desc_phys:   {at:#018x}\n" in text, True, text)


def link():
    """The link goes down when the program dies, and up when it is there again. A netdev that goes takes it away for good."""
    with card() as (end, m):
        driver = ready(m, 1 << 32 | 1 << 16, 2)
        end.wait(lambda: 1 in end.rings and end.rings[1].enabled, "rings")
        tap.equal(driver.get(virtio_driver.DEVICE + 6, "w") & 1, 1)
        driver.isr()
        end.drop()
        machine.vm.wait_until(lambda: driver.isr() & 2, "an interrupt")
        end.wait(lambda: 1 in end.rings and end.rings[1].enabled, "rings again")
        machine.vm.wait_until(lambda: driver.get(virtio_driver.DEVICE + 6, "w") & 1, "the link")
        m.qmp.command("netdev_del", id="n0")
        tap.equal(driver.get(virtio_driver.DEVICE + 6, "w") & 1, 0)
        m.qmp.command("system_reset")
        m.qmp.event("RESET")


def listens():
    """We listen, the program connects: the machine waits for it."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"

        def backend():
            machine.vm.wait_until(lambda: os.path.exists(path), path)
            return vhost.Backend(path, listen=False, protocol=NET)

        ends = []
        thread = threading.Thread(target=lambda: ends.append(backend()))
        thread.start()
        with machine.Machine(memory="16M", extra=[*RAM, "-chardev", f"socket,id=c0,path={path},server=on,wait=off",
                                                  "-netdev", "vhost-user,id=n0,chardev=c0", "-device",
                                                  f"virtio-net-pci,netdev=n0,addr={SLOT}"]) as m:
            thread.join()
            ready(m, queues=2)
            ends[0].wait(lambda: 1 in ends[0].rings, "rings")
        ends[0].close()


# ---- the disk ----

def works():
    """Requests go and come; the configuration is the back-end's, and changes; stop and reset keep and forget the place."""
    with disk() as (end, m):
        driver = ready(m)
        tap.equal(driver.get(virtio_driver.DEVICE), 2048, "sectors")
        for n in range(20):
            tap.equal(driver.talk(0, b"request %d" % n), b"request %d" % n)
        tap.equal(driver.isr() & 1, 1, "interrupt")
        generation = driver.get(21, "b")
        tap.equal(end.change_config(struct.pack("<Q", 4096)), 0, "acknowledgement")
        machine.vm.wait_until(lambda: driver.get(virtio_driver.DEVICE) == 4096, "the new size")
        tap.equal(driver.get(21, "b") != generation, True, "generation")
        m.qmp.command("stop")
        tap.equal(len(end.told(vhost.GET_VRING_BASE)), 1)
        driver.ask(0, b"meanwhile")
        m.qmp.command("cont")
        machine.vm.wait_until(lambda: driver.used(0) == 21, "what came meanwhile")
        driver = ready(m)
        tap.equal(driver.talk(0, b"anew"), b"anew")
        m.qmp.command("device_del", id="d0")
        m.write("l", 0xae10, 0)
        m.write("l", 0xae08, 1 << SLOT)
        m.qmp.event("DEVICE_DELETED", device="d0")
        m.qmp.command("device_add", driver="vhost-user-blk-pci", id="d1", chardev="c0", addr=f"{SLOT}")
        tap.equal(ready(m).talk(0, b"another"), b"another")


def dies(inflight):
    """What the program had not answered when it died, the next one does, which is told to look: the driver said so to the first one."""
    with disk(protocol=vhost.DISK | (vhost.INFLIGHT if inflight else 0)) as (end, m):
        end.waits = True
        driver = ready(m)
        tap.equal(driver.talk(0, b"before"), b"before")
        with end.lock:
            end.hold, kicks = True, end.kicks
        driver.ask(0, b"kept")
        end.wait(lambda: end.kicks > kicks, "the notification", 20)
        end.drop()
        machine.vm.wait_until(lambda: driver.used(0) == 2, "the answer of the next one")
        tap.equal(driver.talk(0, b"after"), b"after")
        tap.equal(len(end.told(vhost.GET_INFLIGHT_FD)), inflight)
        tap.equal(len(end.told(vhost.SET_INFLIGHT_FD)), 2 * inflight)


def silent():
    """One that is there, and says nothing: the machine goes on, when a device is added and when it comes again."""
    for devices, add in (([], {"driver": "vhost-user-blk-pci", "id": "d0", "chardev": "c0", "addr": f"{SLOT}"}),
                         (["-netdev", "vhost-user,id=n0,chardev=c0"], {"driver": "virtio-net-pci", "id": "d0", "netdev": "n0", "addr": f"{SLOT}"})):
        with setup(*devices, protocol=vhost.DISK if not devices else NET) as (end, m):
            machine.vm.wait_until(lambda m=m: "disconnected" not in str(m.qmp.command("query-chardev")), "the connection")
            end.silent = True
            m.qmp.send(json.dumps({"execute": "device_add", "arguments": add}).encode() + b"\n")
            end.wait(lambda end=end: end.asked, "the question")
            m("memset 0x1000 0x1000 0x5a")
            tap.equal(end.told(0), [], "connections that ended")
            end.speak()
            tap.equal(m.qmp.receive(), {"return": {}})
            with end.lock:
                end.silent, end.asked = True, False
            end.drop()
            end.wait(lambda end=end: end.asked, "the question anew")
            tap.equal(m.qmp.command("query-status")["running"], True)
            end.speak()
            if not devices:
                tap.equal(ready(m).talk(0, b"it speaks"), b"it speaks")
            tap.equal(end.told(0), [b""], "connections that ended")
            # The device goes while it is asked.
            with end.lock:
                end.silent, end.asked = True, False
            end.drop()
            end.wait(lambda end=end: end.asked, "the question, once more")
            m.qmp.command("device_del", id="d0")
            m.write("l", 0xae10, 0)
            m.write("l", 0xae08, 1 << SLOT)
            m.qmp.event("DEVICE_DELETED", device="d0")


def falls_silent():
    """One that has worked, and says nothing any more: the machine goes on while commands and resets wait for it."""
    size = 128 * MIB
    commands = [("stop", {}), ("cont", {}), ("human-monitor-command", {"command-line": "stop"}), ("cont", {}),
                ("object-add", {"qom-type": "memory-backend-memfd", "id": "m1", "size": size}),
                ("device_add", {"driver": "pc-dimm", "id": "dimm", "memdev": "m1"}), ("migrate", {"uri": "fd:none"})]
    with disk() as (end, m):
        driver = ready(m)
        tap.equal(driver.talk(0, b"before"), b"before")
        for speaks in (True, False):
            for name, arguments in commands if speaks else commands[:1]:
                with end.lock:
                    end.silent, end.asked, ends = True, False, len([s for s in end.seen if s[0] == 0])
                m.qmp.send(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
                end.wait(lambda: end.asked, f"the question before {name}")
                m("memset 0x1000 0x1000 0x5a")
                tap.equal(len(end.told(0)), ends, "connections that ended")
                if speaks:
                    end.speak()
                else:
                    end.silent = False
                    end.drop()
                    end.wait(lambda: len(end.told(0)) > ends, "its end")
                reply = m.qmp.receive()
                while "event" in reply:
                    reply = m.qmp.receive()
                tap.equal("return" in reply, name != "migrate", f"{name}: {reply}")
            m.qmp.command("cont")
            tap.equal(driver.talk(0, b"after"), b"after")
        # A reset of the guest's, by the keyboard's controller.
        with end.lock:
            end.silent, end.asked = True, False
        m("outb 0x64 0xfe")
        end.wait(lambda: end.asked, "the question before a reset")
        tap.equal(m.qmp.command("query-status")["running"], True)
        tap.equal([event for event in m.qmp.events if event["event"] == "RESET"], [])
        end.speak()
        m.qmp.event("RESET", guest=True)
        tap.equal(ready(m).talk(0, b"anew"), b"anew")


def a_cpu_waits():
    """A CPU writes to the device's status, and the back-end says nothing: that CPU stands, the machine does not, and can be stopped. What was
    written is done when the back-end speaks, or has gone."""
    config, place = 0x80000000 | SLOT << 11, 0xc000
    status = place + 0x12
    writes = [(0xcf8, config | 0x10), (0xcfc, place | 1), (0xcf8, config | 4), (0xcfc, 5), (0x3f8, ord("A")), (status, 1), (status, 3), (status, 7), (0x3f8, ord("B"))]
    for ends in False, True:
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/backend"
            end = vhost.Backend(path)
            firmware(f"{folder}/code", *writes)
            with machine.vm.Vm(machine.PROGRAM, memory="16M", accel="soft", extra=[
                    *RAM, "-bios", f"{folder}/code", "-chardev", f"socket,id=c0,path={path},reconnect=1", "-device",
                    f"vhost-user-blk-pci-transitional,id=d0,chardev=c0,addr={SLOT}"]) as m:
                with end.lock:
                    end.silent, end.asked = True, False
                m.serial.send(b"x")
                end.wait(lambda end=end: end.asked, "the question")
                tap.equal(m.qmp.command("query-status")["running"], True)
                tap.equal(m.qmp.command("query-block"), [])
                tap.equal(end.told(vhost.SET_FEATURES), [], "what a driver that is ready has told")
                tap.equal(m.serial.sock.recv(1), b"A")
                if ends:
                    end.silent = False
                    end.drop()
                else:
                    end.speak()
                tap.equal(m.serial.sock.recv(1), b"B")
                end.wait(lambda end=end: end.told(vhost.SET_FEATURES), "the driver is ready")


def a_cpu_reads_back():
    """What comes behind such a write, in memory and in the same row of instructions, sees what it has done."""
    config, place = 0x80000000 | SLOT << 11, 0xd0000
    # mov ax, 0xd000; mov ds, ax; mov byte [0x14], 1; mov al, [0x14]; mov dx, 0x3f8; out dx, al
    more = bytes.fromhex("b8 00 d0 8e d8 c6 06 14 00 01 a0 14 00 ba f8 03 ee")
    with tempfile.TemporaryDirectory() as folder:
        end = vhost.Backend(f"{folder}/backend")
        firmware(f"{folder}/code", (0xcf8, config | 0x20), (0xcfc, place), (0xcf8, config | 4), (0xcfc, 6), more=more)
        with machine.vm.Vm(machine.PROGRAM, memory="16M", accel="soft", extra=[
                *RAM, "-bios", f"{folder}/code", "-chardev", f"socket,id=c0,path={folder}/backend", "-device",
                f"vhost-user-blk-pci,id=d0,chardev=c0,addr={SLOT}"]) as m:
            with end.lock:
                end.silent, end.asked = True, False
            m.serial.send(b"x")
            end.wait(lambda: end.asked, "the question")
            tap.equal(m.qmp.command("query-status")["running"], True)
            end.speak()
            tap.equal(m.serial.sock.recv(1), b"\1")


def answer_once(end):
    """Answer what was asked, and be silent when it is asked again."""
    with end.lock:
        end.asked = False
        end.answer(vhost.GET_FEATURES, struct.pack("<Q", end.features))


@contextlib.contextmanager
def two(**options):
    """Back-ends of two disks, and their machine."""
    with tempfile.TemporaryDirectory() as folder:
        ends = [vhost.Backend(f"{folder}/{n}") for n in range(2)]
        more = [word for n in range(2) for word in (
            "-chardev", f"socket,id=c{n},path={folder}/{n}", "-device",
            f"vhost-user-blk-pci-transitional,id=d{n},chardev=c{n},addr={SLOT + n}")]
        if "firmware" in options:
            firmware(f"{folder}/code", *options.pop("firmware"))
            more += ["-bios", f"{folder}/code"]
        with (machine.vm.Vm(machine.PROGRAM, memory="16M", extra=[*RAM, *more], **options) if options else
              machine.Machine(memory="16M", extra=[*RAM, *more])) as m:
            for end in ends:
                with end.lock:
                    end.silent, end.asked = True, False
            yield ends, m
            for end in ends:
                end.silent = False


def guest_keeps_asking():
    """What CPUs and resets of the guest ask again and again holds up no command and no reset."""
    config, place = 0x80000000 | SLOT << 11, 0xc000
    status = place + 0x12
    with two(accel="soft", firmware=[(0xcf8, config | 0x10), (0xcfc, place | 1), (0xcf8, config | 4), (0xcfc, 5),
                                     (status, 1), (status, 3)]) as ((one, other), m):
        m.serial.send(b"x")
        one.wait(lambda: one.asked, "the question before the first write")
        m.qmp.send(json.dumps({"execute": "human-monitor-command", "arguments": {"command-line": "info name"}}).encode() + b"\n")
        other.wait(lambda: other.asked, "the question before the command")
        answer_once(one)
        one.wait(lambda: one.asked, "the question before the second write")
        answer_once(other)
        tap.equal("return" in m.qmp.receive(), True)
        tap.equal(one.told(0), [], "connections that ended")
        answer_once(one)
    with two() as ((one, other), m):
        m("outb 0x64 0xfe")
        for end in one, other:
            end.wait(lambda end=end: end.asked, "the question before a reset")
        answer_once(one)
        m.qmp.command("query-status")
        questions = one.told(vhost.GET_FEATURES)
        m("outb 0x64 0xfe")
        answer_once(other)
        m.qmp.event("RESET", guest=True)
        tap.equal(one.told(vhost.GET_FEATURES), questions, "what was asked until the reset")


def gone():
    """No other can come: requests fail, those under way and new ones, and after a reset."""
    with tempfile.TemporaryDirectory() as folder:
        end = vhost.Backend(f"{folder}/s")
        with machine.Machine(memory="16M", extra=[*RAM, "-chardev", f"socket,id=c0,path={folder}/s", "-device",
                                                  f"vhost-user-blk-pci,chardev=c0,addr={SLOT}"]) as m:
            driver = ready(m)
            tap.equal(driver.talk(0, b"before"), b"before")
            end.hold = True
            driver.ask(0, b"kept", 1)
            end.drop()
            end.close()
            machine.vm.wait_until(lambda: driver.used(0) == 2, "its failure")
            tap.equal(driver.talk(0, b"new", 1), b"\x01", "status")
            driver = ready(m)
            tap.equal(driver.talk(0, b"new", 1), b"\x01", "status")


# ---- memory ----

def add_dimm(m, name, share=True, **more):
    m.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": f"m-{name}", "size": 128 * MIB, "share": share})
    m.qmp.command("device_add", driver="pc-dimm", id=name, memdev=f"m-{name}", **more)


def follows(slots):
    """A DIMM comes, its memory is used by rings, and it goes, while the program has the rings; what is not shared is
    refused."""
    with disk(protocol=vhost.DISK | (vhost.MEM_SLOTS if slots else 0)) as (end, m):
        driver = ready(m)
        tap.equal(driver.talk(0, b"before"), b"before")
        add_dimm(m, "d1", addr=1 << 32)
        tap.equal(sorted((r.guest, r.size) for r in end.regions), [(0, 16 * MIB), (1 << 32, 128 * MIB)])
        tap.equal(driver.talk(0, b"in the DIMM", buffers=(1 << 32) + 0x5000), b"in the DIMM")
        m.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "p", "size": 128 * MIB, "share": False})
        tap.equal("share=on" in refused(m, "device_add", driver="pc-dimm", memdev="p"), True)
        tap.equal(len(end.regions), 2)
        # As firmware does: slot 0 is ejected.
        m.qmp.command("device_del", id="d1")
        m.write("l", 0xa00, 0)
        m.write("b", 0xa14, 8)
        m.qmp.event("DEVICE_DELETED", device="d1")
        m.qmp.command("object-del", id="m-d1")  # waits until the program has given it back
        tap.equal([(r.guest, r.size) for r in end.regions], [(0, 16 * MIB)])
        tap.equal(driver.talk(0, b"after"), b"after")
        tap.equal(len(end.told(vhost.SET_MEM_TABLE)), 0 if slots else 3)
        tap.equal(len(end.told(vhost.ADD_MEM_REG)), 2 if slots else 0)


def idle():
    """A device that no driver has, and whose program knows of no memory, keeps none."""
    with disk(protocol=vhost.DISK) as (end, m):
        def mapped():
            with open(f"/proc/{m.process.pid}/maps", encoding="ascii") as file:
                return file.read().count("memfd:")

        alone = mapped()
        add_dimm(m, "d1", addr=1 << 32)
        add_dimm(m, "d2")
        m.qmp.command("device_del", id="d1")
        m.write("l", 0xa00, 0)
        m.write("b", 0xa14, 8)
        m.qmp.event("DEVICE_DELETED", device="d1")
        m.qmp.command("object-del", id="m-d1")
        tap.equal(mapped(), alone + 1, "what is left of two")
        tap.equal(end.regions, [])


def again():
    """What a device on a connection was told of memory, the next one need not be told again: a program has no room for it. What has
    come and gone meanwhile, it is told."""
    with disk(protocol=vhost.DISK | vhost.MEM_SLOTS, slots=4) as (end, m):
        def new(talk=True):
            m.qmp.command("device_add", driver="vhost-user-blk-pci", id="d0", chardev="c0", addr=str(SLOT))
            if talk:
                tap.equal(ready(m).talk(0, b"again"), b"again")

        def gone(name="d0", slot=SLOT):
            m.qmp.command("device_del", id=name)
            m.write("l", 0xae08, 1 << slot)  # as the guest does: an eject
            m.qmp.event("DEVICE_DELETED", device=name)

        tap.equal(ready(m).talk(0, b"first"), b"first")
        gone()
        for _ in range(6):
            new()
            gone()
        tap.equal((len(end.regions), len(end.told(vhost.ADD_MEM_REG))), (1, 1), "ranges")
        add_dimm(m, "d1", addr=1 << 32)
        new()
        tap.equal(len(end.regions), 2)
        gone()
        m.qmp.command("device_del", id="d1")
        m.write("l", 0xa00, 0)
        m.write("b", 0xa14, 8)
        m.qmp.event("DEVICE_DELETED", device="d1")
        new()
        tap.equal([(r.guest, r.size) for r in end.regions], [(0, 16 * MIB)])
        end.drop()
        end.wait(lambda: len(end.told(vhost.SET_OWNER)) == 10, "a connection more")
        end.wait(lambda: len(end.regions) == 1 and 0 in end.rings and end.rings[0].enabled, "ranges of a new connection")


def grows():
    """virtio-mem is pieces of what the program has room for; each is told when the guest plugs a block of it, and taken
    back when it has nothing of it."""
    block = 2 * MIB
    with disk(extra=[*RAM, "-object", "memory-backend-memfd,id=vm0,size=1G"], protocol=vhost.DISK | vhost.MEM_SLOTS,
              slots=9) as (end, m):
        disk_driver = ready(m)
        m.qmp.command("device_add", driver="virtio-mem-pci", id="v0", memdev="vm0", addr="5", memaddr=1 << 32,
                      **{"dynamic-memslots": True, "requested-size": 1 << 30, "block-size": block})
        mem = virtio_driver.Driver(m, 5, 0x200000)
        mem.begin(1 << 32 | 2)
        mem.queue(0)
        mem.ready()

        def ask(kind, at, size):
            tap.equal(mem.talk(0, struct.pack("<H6xQH6x", kind, (1 << 32) + at, size // block), 16)[:2], b"\0\0", "ACK")

        tap.equal(len(end.regions), 1)
        piece = 256 * MIB  # 4 of 8 ranges that are free
        ask(0, 0, block)
        tap.equal(sorted((r.guest, r.size) for r in end.regions), [(0, 16 * MIB), (1 << 32, piece)])
        ask(0, 3 * piece, 2 * block)
        tap.equal(len(end.regions), 3)
        tap.equal(disk_driver.talk(0, b"in virtio-mem", buffers=(1 << 32) + 3 * piece + 0x1000), b"in virtio-mem")
        ask(1, 0, block)  # what goes is not waited for
        end.wait(lambda: sorted((r.guest, r.size) for r in end.regions) == [(0, 16 * MIB), ((1 << 32) + 3 * piece, piece)],
                 "a piece that goes")
        ask(2, 0, 0)
        end.wait(lambda: len(end.regions) == 1, "all that go")


def beside_an_iommu():
    """Its program is told of no translations: with iommu_platform=on it is refused, and leaves nothing; without, it has
    physical addresses."""
    with setup("-device", "virtio-iommu-pci", protocol=vhost.DISK) as (_, m):
        before = m.tree()
        said = refused(m, "device_add", driver="vhost-user-blk-pci", chardev="c0", iommu_platform=True,
                       **{"disable-legacy": "on"})
        tap.equal("leave iommu_platform=on out" in said, True, said)
        tap.equal(m.tree(), before, "what a refused one leaves")
        m.qmp.command("device_add", driver="vhost-user-blk-pci", chardev="c0", id="d0", addr=f"{SLOT:x}")
        ready(m)


def limit(slots, most):
    """The program's limit of ranges is asked for, and no DIMM more is accepted."""
    with disk(protocol=vhost.DISK | (vhost.MEM_SLOTS if slots else 0), slots=most) as (end, m):
        ready(m)
        for n in range(most - 1):
            add_dimm(m, f"dimm{n}")
        m.qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "one", "size": 128 * MIB})
        before = m.tree()
        said = refused(m, "device_add", driver="pc-dimm", memdev="one")
        tap.equal(f"takes {most} ranges of memory at most" in said, True, said)
        tap.equal(m.tree(), before, "what a refused one leaves")
        tap.equal(len(end.regions), most)


def too_many():
    """One with less room than the machine needs is not taken, when it starts and when it comes again."""
    with tempfile.TemporaryDirectory() as folder:
        end = vhost.Backend(f"{folder}/s", protocol=vhost.DISK | vhost.MEM_SLOTS, slots=1)
        said = fails("-m", "16M,slots=2,maxmem=1G", *RAM, "-object", "memory-backend-memfd,id=m1,size=128M", "-device",
                     "pc-dimm,memdev=m1", "-chardev", f"socket,id=c0,path={folder}/s", "-device",
                     "vhost-user-blk-pci,chardev=c0")
        tap.equal("takes 1 ranges of memory at most" in said, True, said)
        said = fails("-m", "16M", "-chardev", f"socket,id=c0,path={folder}/s", "-device", "vhost-user-blk-pci,chardev=c0")
        tap.equal("share=on" in said, True, said)
        end.close()


# ---- what is wrong ----

WRONG = {
    "another request": lambda request, flags, payload: (request + 1, flags, payload),
    "no reply": lambda request, flags, payload: (request, 1, payload),
    "another version": lambda request, flags, payload: (request, flags | 2, payload),
    "too short": lambda request, flags, payload: (request, flags, payload[:-1]),
    "nothing in it": lambda request, flags, payload: (request, flags, b""),
    "too long": lambda request, flags, payload: (request, flags, payload + bytes(4096)),
    "the end": lambda request, flags, payload: None,
}


def hostile(name):
    """Each answer that makes no sense is an error of device_add, which leaves nothing; the same of one that comes while
    the machine runs is survived."""
    for request in (vhost.GET_FEATURES, vhost.GET_PROTOCOL_FEATURES, vhost.GET_QUEUE_NUM, vhost.GET_CONFIG,
                    vhost.SET_OWNER):
        with setup(wrong={request: WRONG[name]}) as (end, m):
            end.wait(lambda end=end: end.sock, "it is connected")
            said = refused(m, "device_add", driver="vhost-user-blk-pci", chardev="c0", id="d0")
            tap.equal("back-end" in said or "nobody" in said, True, said)
            tap.equal([p["name"] for p in m.qmp.command("qom-list", path="/machine/peripheral")], ["type"])
    with disk() as (end, m):
        driver = ready(m)
        tap.equal(driver.talk(0, b"before"), b"before")
        end.wrong = {vhost.GET_VRING_BASE: WRONG[name]}
        m.qmp.command("stop")
        end.wrong = {}
        m.qmp.command("cont")
        end.wait(lambda: 0 in end.rings and end.rings[0].enabled, "the rings, by the next connection")
        tap.equal(driver.talk(0, b"after"), b"after")


def descriptors():
    """Those that come with an answer, behind its header, are closed."""
    with setup(protocol=vhost.DISK, wrong={vhost.GET_CONFIG: lambda *reply: (*reply, [0] * 8)}) as (end, m):
        end.wait(lambda: end.sock, "it is connected")
        for _ in range(3):
            said = refused(m, "device_add", driver="vhost-user-blk-pci", chardev="c0", id="d0")
            tap.equal("came with 8 descriptors" in said or "nobody" in said, True, said)
            tap.equal(sum(os.readlink(f"/proc/{m.process.pid}/fd/{fd}") == os.readlink("/proc/self/fd/0")
                          for fd in os.listdir(f"/proc/{m.process.pid}/fd")), 1, "those of our standard input")


def waits():
    """Makes the descriptors of notifications and interrupts ones that wait, and fills one: nobody waits."""
    with disk() as (end, m):
        driver = ready(m)
        end.wait(lambda: 0 in end.rings and end.rings[0].enabled and end.rings[0].call is not None, "the ring")
        with end.lock:
            end.hold, ring = True, end.rings[0]
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(ring.kick)
            os.eventfd_write(ring.kick, (1 << 64) - 2)
            fcntl.fcntl(ring.kick, fcntl.F_SETFL, 0)
            fcntl.fcntl(ring.call, fcntl.F_SETFL, 0)
            end.rings = {}  # it does not look at it any more
        driver.set(virtio_driver.NOTIFY, 0, "w")
        m.qmp.command("stop")
        m.qmp.command("cont")


def flood():
    """Requests of its own that come faster than they can be served: the machine lives."""
    with disk() as (end, m):
        ready(m)
        end.wait(lambda: end.requests, "the socket for requests")
        ending = threading.Event()

        def send():
            with contextlib.suppress(OSError):
                while not ending.is_set():
                    end.requests.sendall(struct.pack("<III", 5, 1, 0) * 20000)

        thread = threading.Thread(target=send)
        thread.start()
        for _ in range(20):
            tap.equal(m.qmp.command("query-status")["running"], True)
        m.qmp.command("stop")
        m.qmp.command("cont")
        ending.set()
        thread.join()


def no_device():
    """What cannot be: errors that say why."""
    said = fails("-device", "vhost-user-blk-pci")
    tap.equal("chardev= is missing" in said, True, said)
    said = fails("-chardev", "null,id=c0", "-device", "vhost-user-blk-pci,chardev=c0")
    tap.equal("no plain socket" in said, True, said)
    said = fails("-device", "vhost-user-fs-pci,chardev=c0")
    tap.equal("tag=" in said, True, said)
    said = fails("-netdev", "vhost-user,id=n0,chardev=none")
    tap.equal("'none' not found" in said, True, said)
    with setup(protocol=vhost.MQ, queues=1) as (end, m):
        end.wait(lambda: end.sock, "it is connected")
        said = refused(m, "device_add", driver="vhost-user-blk-pci", chardev="c0")
        tap.equal("lacks features" in said, True, said)
        m.qmp.command("netdev_add", type="vhost-user", id="n0", chardev="c0", queues=2)
        said = refused(m, "device_add", driver="e1000", netdev="n0")
        tap.equal("virtio-net" in said, True, said)
        said = refused(m, "device_add", driver="virtio-net-pci", mq=True, netdev="n0")
        tap.equal("has 1 pairs" in said, True, said)


# ---- saved and loaded ----

def boot_order():
    """A folder and a disk in firmware's list, by the paths that it knows."""
    def firmware_file(m, name):
        def read(count):
            return bytes(m.read("b", 0x511) for _ in range(count))
        m.write("w", 0x510, 0x19)
        for entry in [read(64) for _ in range(int.from_bytes(read(4), "big"))]:
            if entry[8:].split(b"\0")[0] == name:
                found = entry
        m.write("w", 0x510, int.from_bytes(found[4:6], "big"))
        return read(int.from_bytes(found[:4], "big"))

    with setup("-device", "vhost-user-fs-pci,chardev=c0,tag=t,bootindex=2,addr=5", protocol=vhost.MQ) as (_, m):
        tap.equal(firmware_file(m, b"bootorder"), b"/pci@i0cf8/pci1af4,105a@5/filesystem@0\0")
        tap.equal("bootindex=2" in refused(m, "device_add", driver="virtio-net-pci", bootindex=2), True)
    with setup("-device", "vhost-user-blk-pci,chardev=c0,bootindex=1,addr=6") as (_, m):
        tap.equal(firmware_file(m, b"bootorder"), b"/pci@i0cf8/scsi@6/disk@0,0\0")


def no_module():
    """Sockets by the host's kernel, where that has not loaded its module: said, and nothing is left."""
    if os.path.exists("/dev/vhost-vsock"):
        raise tap.Skip("the host's kernel has vhost_vsock: tests/nested has machines with it")
    with machine.Machine(memory="16M") as m:
        for _ in range(2):
            text = refused(m, "device_add", driver="vhost-vsock-pci", id="v0", **{"guest-cid": 3})
            tap.equal("/dev/vhost-vsock" in text and "modprobe vhost_vsock" in text, True, text)


def moved():
    """The machine goes while the program writes to its memory: what it marks goes along, also if it dies meanwhile, and the
    rings go on where they were. One that cannot mark is refused."""
    with tempfile.TemporaryDirectory() as folder, \
            disk(protocol=vhost.DISK | vhost.LOG_SHMFD, features=vhost.VERSION_1 | vhost.PROTOCOL | vhost.LOG_ALL) as (end, m):
        def status():
            return m.qmp.command("query-migrate").get("status")

        driver = ready(m)
        tap.equal(driver.talk(0, b"first"), b"first")
        m("memset 0x800000 0x400000 0x11")
        m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "pause-before-switchover", "state": True}])
        m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 200000})
        m.qmp.command("migrate", uri=f"file:{folder}/state")
        end.wait(lambda: end.log and end.accepted & vhost.LOG_ALL, "the log")
        try:
            os.ftruncate(end.log_file, 0)
            raise AssertionError("the program made the log shorter")
        except PermissionError:
            pass
        machine.vm.wait_until(lambda: m.qmp.command("query-migrate").get("ram", {}).get("transferred", 0) > 100000,
                              "a part of the memory has gone")
        tap.equal(driver.talk(0, b"meanwhile", buffers=0x5000), b"meanwhile")
        with end.lock:
            end.write(0x9000, b"before its end")
            end.silent = True
        end.drop()
        end.wait(lambda: end.asked, "the question to the next one")
        m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 0})
        machine.vm.wait_until(lambda: status() == "pre-switchover", "all but the end has gone")
        end.speak()
        end.wait(lambda: len(end.told(vhost.SET_OWNER)) == 2, "the next one")
        m.qmp.command("migrate-continue", state="pre-switchover")
        machine.vm.wait_until(lambda: status() == "completed", "it has gone")
        other = vhost.Backend(f"{folder}/other", protocol=vhost.DISK)
        with machine.Machine(memory="16M,slots=32,maxmem=8G", extra=[
                *RAM, "-chardev", f"socket,id=c0,path={folder}/other", "-device",
                f"vhost-user-blk-pci,id=d0,chardev=c0,addr={SLOT}", "-incoming", f"file:{folder}/state"]) as there:
            machine.vm.wait_until(lambda: there.qmp.command("query-status")["status"] == "running", "it has come")
            driver.m = there
            tap.equal(driver.fetch(0x5100, 9), b"meanwhile", "what was written meanwhile")
            tap.equal(driver.fetch(0x9000, 14), b"before its end", "what the one that died had written")
            tap.equal(driver.used(0), 2)
            tap.equal(driver.talk(0, b"there"), b"there")
            said = refused(there, "migrate", uri=f"file:{folder}/again")
            tap.equal("cannot tell which memory it writes to" in said, True, said)
        other.close()


if __name__ == "__main__":
    tap.run([(name, case) for name, case in [
        ("net: the memory table, features and rings", table),
        ("net: what is told of it", asked_about),
        ("net: the link follows the program", link),
        ("net: we listen", listens),
        ("blk: requests, configuration, stop, reset, unplug", works),
        ("blk: the program dies, with a record of what is in flight", lambda: dies(True)),
        ("blk: the program dies, without one", lambda: dies(False)),
        ("blk: the program dies for good", gone),
        ("silent: nobody is held up", silent),
        ("silent later: nobody is held up", falls_silent),
        ("silent later: the CPU that asks waits", a_cpu_waits),
        ("silent later: it sees what it wrote", a_cpu_reads_back),
        ("silent now and then: the guest holds up nobody", guest_keeps_asking),
        ("memory follows, by slots", lambda: follows(True)),
        ("memory follows, by tables", lambda: follows(False)),
        ("memory that goes while nobody uses the device", idle),
        ("one device after another on a connection", again),
        ("virtio-mem", grows),
        ("beside an IOMMU", beside_an_iommu),
        ("limit of slots", lambda: limit(True, 3)),
        ("limit without slots", lambda: limit(False, 8)),
        ("too many ranges; memory that is not shared", too_many),
        *((f"wrong answers: {name}", lambda name=name: hostile(name)) for name in WRONG),
        ("wrong answers: descriptors", descriptors),
        ("descriptors that wait", waits),
        ("more requests than can be served", flood),
        ("what cannot be", no_device),
        ("in firmware's list", boot_order),
        ("vhost-vsock-pci without the kernel's module", no_module),
        ("moved, with a log of writes", moved),
    ] if len(sys.argv) < 3 or sys.argv[2] in name])

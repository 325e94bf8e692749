#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""NVMe subsystems: controllers that have namespaces in common. Usage: test_nvme_subsys.py BUILD-DIR"""
import os
import struct
import tempfile

import machine
import nvme_driver
import tap

MIB = 1 << 20
ATTACH, DETACH = 0, 1
ATTACHMENT, SET_FEATURES, EVENT, LOG = 0x15, 9, 0xc, 2
NAMESPACE, CONTROLLER, ACTIVE, ALLOCATED, ALLOCATED_NS, ATTACHED_TO, CONTROLLERS = 0, 1, 2, 0x10, 0x11, 0x12, 0x13


class Controller(nvme_driver.Controller):
    def numbers(self, cns, **options):
        data = self.identify(cns, **options)
        if cns in (ATTACHED_TO, CONTROLLERS):
            return list(struct.unpack_from(f"<{struct.unpack_from('<H', data)[0]}H", data, 2))
        return [n for n in struct.unpack("<1024I", data) if n]

    def attach(self, what, nsid, *controllers):
        self.put(struct.pack(f"<{1 + len(controllers)}H", len(controllers), *controllers).ljust(4096, b"\0"))
        return self.command(0, ATTACHMENT, nsid, cdw10=what)

    def write(self, nsid, block, data):
        self.put(data)
        return self.command(1, 1, nsid, cdw10=block)


def options(folder):
    words = ["-device", "nvme-subsys,id=s0,nqn=here", "-device", "nvme,id=n0,serial=abc,subsys=s0,addr=4", "-device", "nvme,id=n1,serial=abc,subsys=s0,addr=5"]
    for name, more in (("a", "bus=n0,bootindex=1"), ("b", "bus=n1,shared=off,bootindex=2"), ("c", "bus=n0,detached=on,nsid=7,eui64=5"), ("d", "bus=n0,shared=off,detached=on")):
        path = f"{folder}/{name}"
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.truncate(MIB)
        words += ["-drive", f"if=none,id={name},format=raw,file={path}", "-device", f"nvme-ns,drive={name},{more}"]
    return words


def shared():
    """What both see of the subsystem and of each other, and that they have the same namespace."""
    with tempfile.TemporaryDirectory() as folder, machine.Machine(memory="64M", extra=options(folder)) as m:
        controllers = [Controller(m, slot) for slot in (4, 5)]
        for number, n in enumerate(controllers):
            found = n.identify(CONTROLLER)
            tap.equal((found[76], struct.unpack_from("<H", found, 78)[0], found[256]), (2, number, 8), "CMIC, CNTLID, OACS")
            tap.equal(found[768:1024].rstrip(b"\0"), b"nqn.2019-08.org.qemu:here")
            tap.equal(n.numbers(ACTIVE), [1, 2][:1 + number], "active")
            tap.equal(n.numbers(ALLOCATED), [1, 2, 3, 7], "allocated")
            tap.equal(n.numbers(CONTROLLERS), [0, 1])
            tap.equal(n.numbers(CONTROLLERS, more=1), [1])
            tap.equal(n.numbers(ATTACHED_TO, nsid=1), [0, 1])
            tap.equal(n.numbers(ATTACHED_TO, nsid=2), [1])
            tap.equal([n.identify(NAMESPACE, nsid)[30] for nsid in (1,)], [1], "NMIC")
            tap.equal(n.identify(NAMESPACE, 7), bytes(4096), "one that is not active")
            tap.equal(struct.unpack_from("<Q", n.identify(ALLOCATED_NS, 7))[0], MIB // 512)
            tap.equal(n.identify(ATTACHED_TO, 9), 2, "of none")
        tap.equal(controllers[0].write(1, 3, b"\x5a" * 512), 0)
        tap.equal(controllers[1].read(1, 3), b"\x5a" * 512)
        tap.equal(controllers[0].read(2, 0), 0xb, "what another one has")
        m.qmp.command("block_resize", device="a", size=2 * MIB)
        for n in controllers:
            tap.equal(struct.unpack_from("<Q", n.identify(NAMESPACE, 1))[0], 2 * MIB // 512)


def attached():
    """The guest attaches and detaches them, and is told; so it stays over a reset, and over saving and loading."""
    with tempfile.TemporaryDirectory() as folder:
        with machine.Machine(memory="64M", extra=options(folder)) as m:
            first, second = (Controller(m, slot) for slot in (4, 5))
            tap.equal(second.command(0, SET_FEATURES, cdw10=0xb, cdw11=1 << 8), 0)
            second.submit(0, EVENT)
            tap.equal(first.attach(ATTACH, 7, 0, 1), 0)
            tap.equal(second.completion(0), (0, 2 | 4 << 16), "an event")
            tap.equal(second.command(0, LOG, cdw10=1023 << 16 | 4), 0)
            tap.equal(struct.unpack_from("<2I", second.data()), (7, 0), "changed")
            tap.equal((first.numbers(ACTIVE), second.numbers(ACTIVE)), ([1, 7], [1, 2, 7]))
            tap.equal(first.attach(ATTACH, 7, 1), 0x118, "it is already")
            tap.equal(first.attach(ATTACH, 3, 1), 0, "a private one")
            tap.equal(first.attach(ATTACH, 3, 0), 0x119, "for two")
            tap.equal(first.attach(DETACH, 1, 1), 0)
            tap.equal(first.attach(DETACH, 1, 1), 0x11a, "it is not")
            tap.equal([first.attach(ATTACH, 7), first.attach(ATTACH, 7, 9), first.attach(ATTACH, 7, 0xffff)], [0x11c] * 3, "no such controllers")
            tap.equal([first.attach(ATTACH, 9, 0), first.attach(5, 7, 0), first.attach(ATTACH, 300, 0), first.attach(ATTACH, 0xffffffff, 0)], [2, 2, 0xb, 0xb])
            tap.equal(second.read(1, 0), 0xb, "what was detached")
            m.qmp.command("system_reset")
            m.qmp.event("RESET")
            first.reset()
            second.reset()
            wanted = [1, 7], [2, 3, 7]
            tap.equal((first.numbers(ACTIVE), second.numbers(ACTIVE)), wanted, "after a reset")
            m.qmp.command("migrate", uri=f"file:{folder}/state")
            machine.vm.wait_until(lambda: m.qmp.command("query-migrate").get("status") == "completed", "it has gone")
        with machine.Machine(memory="64M", extra=[*options(folder), "-incoming", f"file:{folder}/state"]) as m:
            machine.vm.wait_until(lambda: m.qmp.command("query-status")["running"], "it has come")
            first.m = second.m = m
            tap.equal((first.numbers(ACTIVE), second.numbers(ACTIVE)), wanted, "elsewhere")


def boot_order(m):
    def read(count):
        return bytes(m.read("b", 0x511) for _ in range(count))
    m.write("w", 0x510, 0x19)
    for entry in [read(64) for _ in range(int.from_bytes(read(4), "big"))]:
        if entry[8:].split(b"\0")[0] == b"bootorder":
            found = entry
    m.write("w", 0x510, int.from_bytes(found[4:6], "big"))
    return read(int.from_bytes(found[:4], "big")).rstrip(b"\0").split(b"\n")


def unplugged():
    """A controller that goes leaves the others what they share, and nothing is booted by it; one that comes has it, too."""
    with tempfile.TemporaryDirectory() as folder, machine.Machine(memory="64M", extra=options(folder)) as m:
        Controller(m, 4)
        second = Controller(m, 5)
        ways = [b"/pci@i0cf8/pci8086,5845@4/namespace@1,0", b"/pci@i0cf8/pci8086,5845@5/namespace@2,0"]
        tap.equal(boot_order(m), ways)
        tap.equal(second.write(1, 3, b"\x5a" * 512), 0)
        m.qmp.command("device_del", id="n0")
        m.write("l", 0xae10, 0)
        m.write("l", 0xae08, 1 << 4)
        m.qmp.event("DEVICE_DELETED", device="n0")
        tap.equal(second.read(1, 3), b"\x5a" * 512)
        tap.equal(second.numbers(CONTROLLERS), [1])
        m.qmp.command("device_add", driver="nvme", id="n2", serial="abc", subsys="s0", addr="6")
        third = Controller(m, 6)
        tap.equal((third.numbers(CONTROLLERS), third.numbers(ACTIVE)), ([0, 1], [1]))
        tap.equal(third.read(1, 3), b"\x5a" * 512)
        m.qmp.command("system_reset")
        m.qmp.event("RESET")
        tap.equal(boot_order(m), ways[1:])
        m.qmp.command("device_add", driver="virtio-net-pci", bootindex=1, addr="7")


def refused():
    one = ["-device", "nvme-subsys,id=s0", "-device", "nvme,id=n0,serial=a,subsys=s0"]
    disks = [word for n in "de" for word in ("-blockdev", f"null-co,node-name={n}")]
    for words, says in ((["-device", "nvme-subsys"], "neither id= nor nqn="), (["-device", "nvme,serial=a,subsys=s9"], "s9"),
                        ([*one, "-device", "nvme,serial=b,subsys=s0"], "serial=a, which is the subsystem's"),
                        (["-device", "nvme-subsys,id=s0", "-device", "nvme,serial=a,subsys=s0,drive=d"], "nvme-ns"),
                        (["-device", "nvme,serial=a", "-device", "nvme-ns,drive=d,detached=on"], "in no subsystem"),
                        ([*one, "-device", "nvme-ns,drive=d,bus=s0"], "name one of its controllers"),
                        ([*one, "-device", "nvme-ns,drive=d,nsid=3", "-device", "nvme-ns,drive=e,nsid=3,shared=off"], "subsystem has a namespace of that number"),
                        ([*one, "-device", "nvme-ns,drive=d,uuid=x"], "no UUID")):
        status, text = machine.run_program("-accel", "qtest", "-display", "none", "-nodefaults", *disks, *words)
        tap.equal((status, says in text), (1, True), text)


tap.run([("shared and private namespaces", shared), ("attached by the guest", attached), ("controllers go and come", unplugged), ("what is refused", refused)])

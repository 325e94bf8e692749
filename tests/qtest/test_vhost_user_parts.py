#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices that are another program's altogether, with a back-end of our own (vhost_backend.py): test_vhost_user_parts.py BUILD-DIR."""
import struct
import tempfile

import machine
import tap
import vhost_backend as vhost
import virtio_driver
from vhost_machine import SLOT, ready, setup

OFFERS = vhost.VERSION_1 | vhost.PROTOCOL | 0xf
MOVES = vhost.DISK | vhost.LOG_SHMFD
# name: (id, queues that are the back-end's, those that are ours, features, bytes of the configuration)
PARTS = {
    "rng": (4, 1, 0, 0, 0),
    "input": (18, 2, 0, 0, 136),
    "vsock": (19, 2, 1, 2, 8),
    "i2c": (34, 1, 0, 1, 0),
    "gpio": (41, 2, 0, 1, 8),
    "scsi": (8, 3, 0, 6, 0),
}


def part(name, *more, options="", **backend):
    backend.setdefault("features", OFFERS)
    return setup("-device", f"vhost-user-{name}-pci,id=d0,chardev=c0,addr={SLOT}{options}", *more, **backend)


def works(name):
    """Its number, features and queues; requests go and come; it is lost and comes back; it is reset, unplugged, and plugged."""
    number, rings, ours, features, _ = PARTS[name]
    with part(name, options=",num_queues=1" if name == "scsi" else "") as (end, m):
        m.write("l", 0xcf8, 0x80000000 | SLOT << 11)
        tap.equal(m.read("w", 0xcfe), 0x1004 if name == "scsi" else 0x1005 if name == "rng" else 0x1040 + number)
        driver = ready(m, 1 << 32 | features, rings + ours)
        tap.equal(driver.offered() & 0xf, features)
        said = m.qmp.command("x-query-virtio-status", path="/machine/peripheral/d0/virtio-backend")
        tap.equal((said["device-id"], len(said["host-features"]["dev-features"])), (number, bin(features).count("1")))
        tap.equal(driver.get(18, "w"), rings + ours, "queues")
        end.wait(lambda: len(end.rings) == rings and all(r.enabled for r in end.rings.values()), "rings")
        tap.equal(end.accepted & 0xffffffff & ~(1 << 30), features)
        for n in range(rings):
            tap.equal(driver.talk(n, b"request %d" % n), b"request %d" % n)
        end.drop()
        end.wait(lambda: len(end.told(vhost.SET_OWNER)) == 2, "another connection")
        tap.equal(driver.talk(0, b"again"), b"again")
        driver = ready(m, 1 << 32, rings + ours)
        tap.equal(driver.talk(0, b"anew"), b"anew")
        m.qmp.command("device_del", id="d0")
        m.write("l", 0xae10, 0)
        m.write("l", 0xae08, 1 << SLOT)
        m.qmp.event("DEVICE_DELETED", device="d0")
        m.qmp.command("device_add", driver=f"vhost-user-{name}-pci", id="d1", chardev="c0", addr=f"{SLOT}")
        tap.equal(ready(m, queues=rings).talk(0, b"another"), b"another")


def configuration():
    """It is the back-end's, which may change it; an input device shows what the driver selects."""
    for name in ("gpio", "vsock"):
        with part(name) as (end, m):
            driver = ready(m, queues=2)
            tap.equal(driver.get(virtio_driver.DEVICE), 2048, name)
            tap.equal(end.change_config(struct.pack("<Q", 7)), 0, "acknowledgement")
            machine.vm.wait_until(lambda driver=driver: driver.get(virtio_driver.DEVICE) == 7, "the change")
    with part("input") as (end, m):
        driver = ready(m, queues=2)
        driver.set(virtio_driver.DEVICE, 0x11, "b")
        driver.set(virtio_driver.DEVICE + 1, 3, "b")
        tap.equal(driver.get(virtio_driver.DEVICE, "w"), 0x0311)
        end.wait(lambda: bytes(end.config[:2]) == b"\x11\x03", "what is selected")
        with end.lock:
            end.config[2:10] = b"\x04\0\0\0\0\0ab"
        driver.set(virtio_driver.DEVICE + 1, 4, "b")
        tap.equal((driver.get(virtio_driver.DEVICE + 2, "b"), driver.get(virtio_driver.DEVICE + 8, "w")), (4, 0x6261))
        count = len(end.told(vhost.SET_CONFIG))
        driver.set(virtio_driver.DEVICE + 8, 0, "b")
        tap.equal((len(end.told(vhost.SET_CONFIG)), driver.get(virtio_driver.DEVICE + 8, "b")), (count, 0x61), "the rest is read only")


def scsi():
    """The configuration is ours, from properties."""
    with part("scsi", options=",num_queues=2,virtqueue_size=64,max_sectors=99,cmd_per_lun=7,hotplug=off") as (end, m):
        driver = ready(m, 1 << 32 | 0xf, 4)
        tap.equal([driver.get(virtio_driver.DEVICE + 4 * n) for n in range(4)], [2, 62, 99, 7])
        tap.equal(driver.offered() & 0xf, 4)
        end.wait(lambda: len(end.rings) == 4, "rings")


def refused():
    """What is missing, or too much."""
    def add(end, m, name, **more):
        try:
            m.qmp.command("device_add", driver=f"vhost-user-{name}-pci", chardev="c0", addr="5", **more)
        except machine.vm.QmpError as err:
            return err.desc
        raise AssertionError(f"{name} was accepted")
    with setup(queues=1, protocol=vhost.DISK, features=OFFERS & ~0xf, chardev="reconnect=0") as (end, m):
        tap.equal("1 queues, and 2 are needed" in add(end, m, "gpio"), True)
        tap.equal("seqpacket" in add(end, m, "vsock", seqpacket="on"), True)
        for words in ({"num_queues": 0}, {"num_queues": 4}, {"virtqueue_size": 5}, {"boot_tpgt": 256}):
            tap.equal(next(iter(words)) in add(end, m, "scsi", **words), True, words)
    with setup(protocol=vhost.MQ, features=OFFERS, chardev="reconnect=0") as (end, m):
        text = add(end, m, "input")
        tap.equal("lacks features 0x200" in text, True, text)


def moved():
    """Each goes to a file and comes back; what is asked after is answered. A driver of vsock hears that its connections are gone."""
    for name, (_, rings, ours, features, _) in PARTS.items():
        options = ",num_queues=1" if name == "scsi" else ""
        with tempfile.TemporaryDirectory() as folder:
            with part(name, options=options, protocol=MOVES, features=OFFERS | vhost.LOG_ALL) as (end, m):
                driver = ready(m, 1 << 32 | features, rings + ours)
                tap.equal(driver.talk(0, b"before"), b"before")
                m.qmp.command("migrate", uri=f"file:{folder}/state")
                machine.vm.wait_until(lambda m=m: m.qmp.command("query-migrate")["status"] == "completed", "the end")
                queues = driver.queues
            with part(name, "-incoming", f"file:{folder}/state", options=options, protocol=MOVES, features=OFFERS | vhost.LOG_ALL) as (end, m):
                machine.vm.wait_until(lambda m=m: m.qmp.command("query-status")["status"] != "inmigrate", "the machine")
                driver = object.__new__(virtio_driver.Driver)
                driver.m, driver.slot, driver.ram, driver.bar, driver.queues = m, SLOT, 0x100000, virtio_driver.BAR + (SLOT << 20), queues
                tap.equal(driver.talk(0, b"after"), b"after", name)
                if ours:
                    tap.equal(driver.talk(rings, b"", room=4), bytes(4), "the event")


tap.run([(f"{name} works", lambda name=name: works(name)) for name in PARTS] +
        [(function.__name__, function) for function in (configuration, scsi, refused, moved)])

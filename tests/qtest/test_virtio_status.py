#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""x-query-virtio and what goes with it, and the same in HMP: devices, features by name, queues, and buffers of rings
that a driver has made, or made wrong."""
import struct

import machine
import virtio_driver

import tap

PATH = "/machine/peripheral/r/virtio-backend"
DEVICES = ("-device", "virtio-rng-pci,id=r,addr=4", "-device", "virtio-net-pci,id=n,addr=5",
           "-object", "iothread,id=io", "-blockdev", "null-co,node-name=b0", "-device", "virtio-blk-pci,id=b,addr=6,drive=b0,iothread=io")
CRYPTO = ("-object", "cryptodev-backend-builtin,id=c0", "-device", "virtio-crypto-pci,id=c,addr=7,cryptodev=c0")
RING = 0x100000


def hmp(m, line):
    return m.qmp.command("human-monitor-command", **{"command-line": line})


def devices():
    with machine.Machine("128M", extra=(*DEVICES, *CRYPTO)) as m:
        found = {entry["path"]: entry["name"] for entry in m.qmp.command("x-query-virtio")}
        tap.equal(found, {PATH: "virtio-rng", PATH.replace("/r/", "/n/"): "virtio-net", PATH.replace("/r/", "/b/"): "virtio-blk",
                          PATH.replace("/r/", "/c/"): "virtio-crypto"})
        tap.equal(sorted(hmp(m, "info virtio").splitlines()), sorted(f"{path} [{name}]" for path, name in found.items()))
        status = m.qmp.command("x-query-virtio-status", path=PATH)
        tap.equal((status["name"], status["device-id"], status["num-vqs"], status["started"], status["status"]["statuses"]),
                  ("virtio-rng", 4, 1, False, []))
        tap.equal("VIRTIO_F_VERSION_1" in status["host-features"]["transports"], True)
        names = m.qmp.command("x-query-virtio-status", path=PATH.replace("/r/", "/n/"))["host-features"]["dev-features"]
        tap.equal("VIRTIO_NET_F_MAC" in names and "VIRTIO_NET_F_CTRL_VQ" in names, True, str(names))
        for path in ("/machine/peripheral/r", "/machine", "nothing", ""):
            m.qmp.refused("no virtio device", "x-query-virtio-status", path=path)
            tap.equal(hmp(m, f"info virtio-status \"{path}\"")[:7], "Error: ")
        m.qmp.refused("no queue 1", "x-query-virtio-queue-status", path=PATH, queue=1)
        m.qmp.refused("not set up", "x-query-virtio-queue-element", path=PATH, queue=0)
        m.qmp.refused("no back-end", "x-query-virtio-vhost-queue-status", path=PATH, queue=0)
        m.qmp.command("device_del", id="r")


def queues():
    with machine.Machine("128M", extra=DEVICES) as m:
        driver = virtio_driver.Driver(m, 4)
        driver.begin((1 << 32) | (1 << 28))
        driver.queue(0)
        status = m.qmp.command("x-query-virtio-status", path=PATH)
        tap.equal(status["status"]["statuses"],
                  ["VIRTIO_CONFIG_S_FEATURES_OK", "VIRTIO_CONFIG_S_DRIVER", "VIRTIO_CONFIG_S_ACKNOWLEDGE"])
        tap.equal(status["guest-features"], {"transports": ["VIRTIO_F_VERSION_1", "VIRTIO_RING_F_INDIRECT_DESC"], "dev-features": []})
        queue = m.qmp.command("x-query-virtio-queue-status", path=PATH, queue=0)
        tap.equal([queue[name] for name in ("vring-num", "vring-desc", "vring-avail", "vring-used", "last-avail-idx", "inuse")],
                  [8, RING, RING + 0x1000, RING + 0x2000, 0, 0])
        # Entry 0: two descriptors, by the head 2; entry 1: an indirect one.
        driver.put(RING + 32, struct.pack("<QIHHQIHH", 0x5000, 16, 1, 3, 0x6000, 32, 2, 0))
        driver.put(RING, struct.pack("<QIHH", 0x7000, 32, 4, 0))
        driver.put(0x7000, struct.pack("<QIHHQIHH", 0x8000, 1, 3, 1, 0x9000, 2, 2, 0))
        driver.put(RING + 0x1000, struct.pack("<HHHH", 1, 2, 2, 0))
        element = m.qmp.command("x-query-virtio-queue-element", path=PATH, queue=0)
        tap.equal(element, {"name": "virtio-rng", "index": 2, "avail": {"flags": 1, "idx": 2, "ring": 2}, "used": {"flags": 0, "idx": 0},
                            "descs": [{"addr": 0x5000, "len": 16, "flags": ["next"]}, {"addr": 0x6000, "len": 32, "flags": ["write"]}]})
        element = m.qmp.command("x-query-virtio-queue-element", path=PATH, queue=0, index=1)
        tap.equal(element["descs"], [{"addr": 0x8000, "len": 1, "flags": ["next", "write"]}, {"addr": 0x9000, "len": 2, "flags": ["write"]}])
        tap.equal("addr 0x6000 len 32 (write)" in hmp(m, f"info virtio-queue-element {PATH} 0"), True)
        tap.equal("desc:         0x0000000000100000\n" in hmp(m, f"info virtio-queue-status {PATH} 0"), True)
        tap.equal("VIRTIO_CONFIG_S_DRIVER\n" in hmp(m, f"info virtio-status {PATH}"), True)
        for words in ("virtio-queue-status PATH x", "virtio-queue-status PATH 70000", "virtio-queue-element PATH 0 -1"):
            tap.equal(hmp(m, "info " + words.replace("PATH", PATH))[:7], "Error: ", words)


def nonsense():
    """Rings that lead in circles, out of the table, and out of memory: told of, and nothing is broken by it."""
    with machine.Machine("128M", extra=DEVICES) as m:
        driver = virtio_driver.Driver(m, 4)
        driver.begin()
        driver.queue(0)
        driver.put(RING, struct.pack("<QIHHQIHH", 0x5000, 16, 1, 1, 0x6000, 16, 1, 0))
        driver.put(RING + 0x1000, struct.pack("<HHHHH", 0, 3, 0, 9, 2))
        driver.put(RING + 32, struct.pack("<QIHH", 0xfff0000000000000, 0xffffffff, 4, 0))

        def ask(index):
            return m.qmp.command("x-query-virtio-queue-element", path=PATH, queue=0, index=index)
        tap.equal(len(ask(0)["descs"]), 8, "a circle ends")
        tap.equal((ask(1)["index"], ask(1)["descs"]), (9, []))
        tap.equal(ask(8)["index"], 0, "the ring goes round")
        m.qmp.refused("not in RAM", "x-query-virtio-queue-element", path=PATH, queue=0, index=2)
        driver.put(RING + 32, struct.pack("<QIHH", 0, 0xffffffff, 4, 0))
        driver.put(0, struct.pack("<QIHH", 0, 0, 1, 0) * 4)
        tap.equal(len(ask(2)["descs"]), 1024, "a long circle ends, too")
        tap.equal(m.qmp.command("x-query-virtio-status", path=PATH)["broken"], False)
        blk = PATH.replace("/r/", "/b/")
        other = virtio_driver.Driver(m, 6, ram=0x200000)
        other.begin()
        other.queue(0)
        other.ready()
        tap.equal(m.qmp.command("x-query-virtio-queue-status", path=blk, queue=0)["vring-desc"], 0x200000, "on a loop")
        tap.equal(m.qmp.command("x-query-virtio-queue-element", path=blk, queue=0)["descs"][0]["len"], 0)


tap.run([
    ("x-query-virtio, x-query-virtio-status: devices, features by name; what is none", devices),
    ("x-query-virtio-queue-status, x-query-virtio-queue-element: what a driver has set up", queues),
    ("rings that make no sense are told of, and stay as they are", nonsense),
])

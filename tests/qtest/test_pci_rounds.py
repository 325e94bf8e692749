#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI devices of each kind come and go many times: test_pci_rounds.py BUILD-DIR. The program does not grow."""
import os
import tempfile

import machine  # noqa: F401  (finds the modules below)
import tap
import vhost_backend
import vm

ROUNDS = 400
GROWTH = 256  # KiB that are no growth over half of them, 1000 devices: their configuration spaces alone would be 4000
# Those that come together, each PCI function with what it brings along on its own bus.
VIRTIO = [[{"driver": "virtio-blk-pci", "drive": "d0"}], [{"driver": "virtio-net-pci", "netdev": "u0"}],
          [{"driver": "virtio-rng-pci"}], [{"driver": "virtio-balloon-pci"}], [{"driver": "virtio-serial-pci"}]]
CONTROLLERS = [[{"driver": "virtio-scsi-pci"}, {"driver": "scsi-hd", "drive": "d0"}, {"driver": "scsi-cd"}],
               [{"driver": "nvme", "serial": "x", "drive": "d1"}], [{"driver": "e1000", "netdev": "u0"}],
               [{"driver": "e1000e", "netdev": "u1"}], [{"driver": "rtl8139", "netdev": "u2"}], [{"driver": "vmxnet3", "netdev": "u3"}],
               [{"driver": "pcnet", "netdev": "u4"}], [{"driver": "ne2k_pci", "netdev": "u5"}], [{"driver": "i82559c", "netdev": "u6"}], [{"driver": "tulip", "netdev": "u7"}], [{"driver": "virtio-9p-pci", "fsdev": "f0", "mount_tag": "x"}]]
VHOST = [[{"driver": "vhost-user-blk-pci", "chardev": "c0"}], [{"driver": "virtio-net-pci", "netdev": "v0"}],
         [{"driver": "vhost-user-fs-pci", "chardev": "c2", "tag": "x"}]]
# The registers of docs/pci-hotplug.md, and slots.
INSERTED, ASKED, EJECT, FIRST = 0xae00, 0xae04, 0xae08, 4


def one_round(m, kinds):
    slots = sum(1 << (FIRST + n) for n in range(len(kinds)))
    for n, (kind, *parts) in enumerate(kinds):
        m.qmp.execute({"execute": "device_add", "arguments": {**kind, "id": f"v{n}", "addr": f"{FIRST + n:x}"}})
        for part in parts:
            m.qmp.execute({"execute": "device_add", "arguments": {**part, "bus": f"v{n}.0"}})
    tap.equal(m.read("l", INSERTED), slots)
    for n in range(len(kinds)):
        m.qmp.command("device_del", id=f"v{n}")
    tap.equal(m.read("l", ASKED), slots)
    m.write("l", EJECT, slots)
    for n in range(len(kinds)):
        m.qmp.event("DEVICE_DELETED", device=f"v{n}")
    m.qmp.drain().clear()


def taken(m):
    return len(os.listdir(f"/proc/{m.process.pid}/fd")), vm.resident(m.process.pid)


def no_growth(kinds, *words, rounds=ROUNDS):
    with vm.small_quarantine(), machine.Machine("64M", words) as m:
        for number in range(rounds):
            if number == rounds // 2:
                half = taken(m)
            one_round(m, kinds)
        files, memory = taken(m)
    tap.equal(files, half[0], "open files")
    if not machine.sanitizer():  # which keeps what is freed for some time
        tap.equal(memory - half[1] < GROWTH, True, f"{half[1]} KiB, then {memory}")


def with_images(kinds):
    with tempfile.TemporaryDirectory() as folder:
        words = ["-M", "pc", "-fsdev", f"local,id=f0,path={folder},security_model=none"]
        for n in range(2):
            with open(f"{folder}/{n}", "wb") as image:
                image.truncate(1 << 20)
            words += ["-blockdev", f"raw,node-name=d{n},file.driver=file,file.filename={folder}/{n}"]
        for n in range(8):
            words += ["-netdev", f"user,id=u{n}"]
        no_growth(kinds, *words)


def with_back_ends(kinds):
    with tempfile.TemporaryDirectory() as folder:
        ends = [vhost_backend.Backend(f"{folder}/{name}", protocol=protocol) for name, protocol in (
            ("disk", vhost_backend.DISK), ("net", vhost_backend.MQ), ("folder", vhost_backend.MQ))]
        try:
            no_growth(kinds, "-object", "memory-backend-memfd,id=ram,size=64M", "-machine", "pc,memory-backend=ram",
                      "-chardev", f"socket,id=c0,path={folder}/disk", "-chardev", f"socket,id=c1,path={folder}/net",
                      "-chardev", f"socket,id=c2,path={folder}/folder",
                      "-netdev", "vhost-user,id=v0,chardev=c1")
        finally:
            for end in ends:
                end.close()


tap.run([(f"{ROUNDS} rounds of virtio devices", lambda: with_images(VIRTIO)),
         (f"{ROUNDS} rounds of controllers, cards and a folder", lambda: with_images(CONTROLLERS)),
         (f"{ROUNDS} rounds of devices of other programs", lambda: with_back_ends(VHOST))])

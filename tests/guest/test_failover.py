#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux's net_failover with a pair of network cards, which is moved: test_failover.py BUILD-DIR. $MOVES (2): how often."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MOVES = int(os.environ.get("MOVES", "2"))
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "failover", "net_failover",
           "e1000e", "virtio_net")
MAC = "52:54:00:11:22:33"
WORDS = ["-M", "q35", "-device", "pcie-root-port,id=rp1,chassis=1,slot=1", "-netdev", "user,id=u0", "-netdev",
         "hubport,id=h0,hubid=0,netdev=u0", "-netdev", "hubport,id=n1,hubid=0", "-netdev", "hubport,id=n2,hubid=0", "-device",
         f"virtio-net-pci,id=net0,netdev=n1,failover=on,mac={MAC}", "-device",
         f"e1000e,id=card0,netdev=n2,bus=rp1,failover_pair_id=net0,mac={MAC}"]


def machine(*words):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", kernel="vmlinuz-generic", initrd="initrd-generic", accel="soft",
                 memory="256M", extra=[*WORDS, *words])


def cards(guest):
    """The drivers of the cards that are below the pair."""
    return guest.run("for d in /sys/class/net/*/master; do basename $(readlink $(dirname $d)/device/driver); done 2>/dev/null",
                     check=False).split()


def both(guest):
    vm.wait_until(lambda: sorted(cards(guest)) == ["e1000e", "virtio_net"], "both cards", 300)


def reached(guest):
    guest.run("until ping -c 1 -W 1 10.0.2.2 >/dev/null; do :; done", timeout=300)


def moves():
    """The guest has the primary, is asked for it, goes on with the standby, and has another at the other end."""
    with tempfile.TemporaryDirectory() as folder:
        here = machine()
        try:
            here.wait_ready()
            tap.equal(here.run("grep -l 0x8086 /sys/bus/pci/devices/*/vendor | while read d; do cat $(dirname $d)/class; done |"
                               " grep -c 0x020000", check=False), "0", "the primary, before there is a driver")
            for module in MODULES:
                here.run(f"insmod /lib/modules/{module}.ko", timeout=120)
            here.qmp.event("FAILOVER_NEGOTIATED")
            here.run("ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up")
            both(here)
            reached(here)
            here.run("(while ping -c 1 -W 60 10.0.2.2 >/dev/null; do echo >> /tmp/pings; done; echo >> /tmp/ended) >/dev/null 2>&1 &")
            for number in range(MOVES):
                uri = f"unix:{folder}/{number}"
                there = machine("-incoming", uri)
                try:
                    here.qmp.drain()
                    here.qmp.events.clear()
                    here.qmp.command("migrate", uri=uri)
                    here.qmp.event("UNPLUG_PRIMARY", **{"device-id": "card0"})
                    here.qmp.event("DEVICE_DELETED", device="card0")
                    vm.wait_until(lambda m=here: m.qmp.command("query-migrate")["status"] == "completed", "it has gone", 300)
                finally:
                    here.close()
                    here = there
                both(here)
                reached(here)
            # One that fails: it comes again here.
            here.qmp.drain()
            here.qmp.events.clear()
            here.qmp.command("migrate", uri="exec:head -c 100000 > /dev/null")
            here.qmp.event("DEVICE_DELETED", device="card0")
            vm.wait_until(lambda: here.qmp.command("query-migrate")["status"] == "failed", "it fails", 300)
            both(here)
            reached(here)
            tap.equal(here.run("ls /tmp/ended 2>/dev/null | wc -l"), "0", "pings that were lost")
            tap.equal(here.run("dmesg | grep -E 'BUG|Oops|WARNING|hung task'", check=False), "")
        finally:
            here.close()


if __name__ == "__main__":
    tap.run([("a pair is moved", moves)])

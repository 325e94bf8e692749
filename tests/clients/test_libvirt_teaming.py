#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A pair of network cards (<teaming>) under libvirt: test_libvirt_teaming.py BUILD-DIR. No host has a card for the test: libvirt
knows of the standby; the primary is an emulated card, plugged beside libvirt."""
import os
import sys

import libvirtd
from libvirtd import tap
import domains
from domains import Guest, monitor
import vm

BUILD = os.path.abspath(sys.argv[1])
SESSION = None
NAME = "pair"
MAC = "52:54:00:11:22:33"
CARDS = f"""<controller type='pci' index='0' model='pcie-root'/><controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-root-port'/>
<controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-root-port'/>
<interface type='user'><mac address='{MAC}'/><model type='virtio'/><teaming type='persistent'/><alias name='ua-net0'/></interface>
{domains.NO_BALLOON}"""
MODULES = ("failover", "net_failover", "virtio_net", "vmxnet3")


def plug(session):
    """The primary, in a port that is free."""
    for n in range(1, 9):
        try:
            monitor(session, NAME, "device_add", driver="vmxnet3", id="card0", failover_pair_id="ua-net0", mac=MAC, bus=f"pci.{n}")
            return
        except KeyError:  # an error
            pass
    raise AssertionError("no port takes it")


def cards(guest):
    return sorted(guest.run("for d in /sys/class/net/*/master; do basename $(readlink $(dirname $d)/device/driver); done 2>/dev/null",
                            check=False).split())


def pair():
    """The guest has both cards; the machine goes to another daemon, and libvirt waits for the primary to leave; it can come there."""
    xml = domains.domain_xml(SESSION, NAME, "q35", changes={domains.NO_BALLOON: CARDS})
    domains.define(SESSION, NAME, xml)
    SESSION.virsh("start", NAME)
    guest = Guest(SESSION, NAME)
    guest.wait_ready()
    for module in (*(f"lib/modules/{name}" for name in domains.VIRTIO), *MODULES):
        guest.run(f"insmod /{module}.ko")
    vm.wait_until(lambda: cards(guest) == ["virtio_net"], "the standby")
    plug(SESSION)
    vm.wait_until(lambda: cards(guest) == ["virtio_net", "vmxnet3"], "both cards")
    with libvirtd.Libvirt(f"{BUILD}/dimmable") as other:
        text = SESSION.virsh("dumpxml", NAME, "--migratable")
        text = SESSION.write("target.xml", text.replace(f"{SESSION.dir}/{NAME}.serial", f"{other.dir}/{NAME}.serial"))
        SESSION.virsh("migrate", "--live", "--xml", text, "--persistent", "--undefinesource", NAME, other.uri(), "--migrateuri",
                      "tcp://127.0.0.1")
        guest.close()
        tap.equal('"UNPLUG_PRIMARY"' in SESSION.log() or "UNPLUG_PRIMARY" in SESSION.log(), True, "the guest was asked")
        guest = Guest(other, NAME)
        tap.equal(cards(guest), ["virtio_net"])
        plug(other)
        vm.wait_until(lambda: cards(guest) == ["virtio_net", "vmxnet3"], "both cards")
        guest.close()
        other.virsh("destroy", NAME)
        other.virsh("undefine", NAME)


def main():
    global SESSION  # pylint: disable=global-statement
    try:
        with libvirtd.Libvirt(f"{BUILD}/dimmable") as SESSION:
            domains.make_guest(SESSION, BUILD, modules=MODULES)
            tap.run([("a pair", pair), ("log", lambda: tap.equal(SESSION.refusals(), set()))])
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

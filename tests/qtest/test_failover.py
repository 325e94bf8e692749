#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Pairs of network cards: the primary comes when the driver of the standby knows of pairs, leaves before a migration, and
comes again where the machine goes on."""
import os
import sys
import tempfile

import machine
import tap
import vhost_machine
import virtio_driver
import vm

SLOT, PRIMARY = 4, 5
VERSION_1, STANDBY = 1 << 32, 1 << 62
CARDS = ["-device", f"virtio-net-pci,id=net0,failover=on,mac=52:54:00:11:22:33,addr={SLOT}", "-device",
         f"e1000,id=card0,failover_pair_id=net0,mac=52:54:00:11:22:33,addr={PRIMARY}"]


def start(*extra, cards=CARDS):
    return machine.Machine("64M", extra=["-M", "pc", *cards, *extra])


def there(m):
    return [p["name"] for p in m.qmp.command("qom-list", path="/machine/peripheral") if p["name"] != "type"]


def begin(m, features=VERSION_1 | STANDBY):
    driver = virtio_driver.Driver(m, SLOT)
    driver.begin(features)
    for n in range(3):
        driver.queue(n)
    driver.ready()
    return driver


def eject(m):
    """As the guest does when it is asked."""
    m.write("l", 0xae10, 0)
    tap.equal(m.read("l", 0xae04), 1 << PRIMARY, "what the guest is asked for")
    m.write("l", 0xae08, 1 << PRIMARY)


def came(m):
    m.qmp.event("FAILOVER_NEGOTIATED", **{"device-id": "net0"})
    vm.wait_until(lambda: "card0" in there(m), "the primary")


def status(m):
    return m.qmp.command("query-migrate")["status"]


def hidden():
    """A driver that knows nothing of pairs has the standby alone; one that does, both."""
    with start() as m:
        tap.equal(there(m), ["net0"])
        tap.equal(begin(m, VERSION_1).offered() & STANDBY, STANDBY)
        m.qmp.command("query-status")
        tap.equal(there(m), ["net0"])
        begin(m)
        came(m)
        m.write("l", 0xae10, 0)
        tap.equal(m.read("l", 0xae00) & 1 << PRIMARY, 1 << PRIMARY, "the guest is told")
        tap.equal(m.qmp.command("qom-get", path="card0", property="failover_pair_id"), "net0")
        begin(m)  # anew: it stays
        m.qmp.event("FAILOVER_NEGOTIATED")
        tap.equal(there(m), ["card0", "net0"] if there(m)[0] == "card0" else ["net0", "card0"])
        m.qmp.command("device_del", id="card0")
        eject(m)
        m.qmp.event("DEVICE_DELETED", device="card0")
        begin(m)
        m.qmp.event("FAILOVER_NEGOTIATED")
        tap.equal(there(m), ["net0"], "one that a user has taken away")
        m.qmp.command("device_add", driver="e1000", id="card0", failover_pair_id="net0", addr=f"{PRIMARY}")
        tap.equal("card0" in there(m), True, "it comes at once")


def wrong():
    """What cannot be is refused; a hidden one has its id, and can be taken away."""
    with start() as m:
        before = m.tree()
        m.qmp.refused("already", "device_add", driver="e1000", id="card0")
        m.qmp.refused("already", "device_add", driver="e1000", id="card0", failover_pair_id="net0")
        m.qmp.refused("needs an id", "device_add", driver="e1000", failover_pair_id="net0")
        m.qmp.refused("for network cards", "device_add", driver="virtio-rng-pci", id="r", failover_pair_id="net0")
        m.qmp.refused("e1000.nothing", "device_add", driver="e1000", id="e", failover_pair_id="net0", nothing=1)
        m.qmp.refused("needs an id", "device_add", driver="virtio-net-pci", failover=True)
        m.qmp.command("device_del", id="card0")
        m.qmp.event("DEVICE_DELETED", device="card0")
        m.qmp.refused("card0", "device_del", id="card0")
        begin(m)
        m.qmp.event("FAILOVER_NEGOTIATED")
        tap.equal(m.tree(), before)
        # It cannot be where another device is: that is said when it comes.
        m.qmp.command("device_add", driver="virtio-rng-pci", id="r", addr=f"{PRIMARY}")
        m.qmp.refused("", "device_add", driver="e1000", id="card0", failover_pair_id="net0", addr=f"{PRIMARY}")
        m.qmp.command("device_add", driver="e1000", id="card0", failover_pair_id="net0", addr="9")


def moves():
    """The guest gives it back first; it comes at the other end, and there and back again."""
    with tempfile.TemporaryDirectory() as folder, start() as m:
        begin(m)
        came(m)
        with start("-incoming", f"unix:{folder}/s") as other:
            tap.equal(there(other), ["net0"])
            vm.wait_until(lambda: os.path.exists(f"{folder}/s"), "the socket")
            m.qmp.command("migrate", uri=f"unix:{folder}/s")
            m.qmp.event("UNPLUG_PRIMARY", **{"device-id": "card0"})
            tap.equal(status(m), "wait-unplug")
            m("memset 0x1000 0x1000 0x5a")
            tap.equal("card0" in there(m), True)
            m.qmp.refused("migrated", "device_del", id="card0")
            eject(m)
            m.qmp.event("DEVICE_DELETED", device="card0")
            vm.wait_until(lambda: status(m) == "completed", "it has gone")
            came(other)
        m.qmp.command("cont")  # the other one has ended
        vm.wait_until(lambda: "card0" in there(m), "the primary, here")


def follows():
    """Where memory follows, devices stay what they are until all of it is there: only then it comes."""
    with tempfile.TemporaryDirectory() as folder, start() as m, start("-incoming", f"unix:{folder}/s") as other:
        begin(m)
        came(m)
        m("memset 0x1000000 0x1000000 0x5a")
        for one in m, other:
            one.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "postcopy-ram", "state": True}])
        m.qmp.command("migrate-set-parameters", **{"max-bandwidth": 1 << 20, "max-postcopy-bandwidth": 1 << 20})
        vm.wait_until(lambda: os.path.exists(f"{folder}/s"), "the socket")
        m.qmp.command("migrate", uri=f"unix:{folder}/s")
        m.qmp.event("UNPLUG_PRIMARY", **{"device-id": "card0"})
        m.qmp.command("migrate-start-postcopy")
        eject(m)
        m.qmp.event("DEVICE_DELETED", device="card0")
        vm.wait_until(lambda: status(other) == "postcopy-active", "it runs there")
        other.qmp.event("FAILOVER_NEGOTIATED", **{"device-id": "net0"})
        tap.equal(other.qmp.command("query-status")["status"], "running")
        tap.equal(there(other), ["net0"])
        m.qmp.command("migrate-set-parameters", **{"max-postcopy-bandwidth": 0})
        vm.wait_until(lambda: status(other) == "completed", "all of it is there")
        vm.wait_until(lambda: "card0" in there(other), "the primary")


def moment():
    """What a machine was at one moment has no primary either, which comes again when that is written."""
    with tempfile.TemporaryDirectory() as folder, start() as m:
        begin(m)
        came(m)
        m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "background-snapshot", "state": True}])
        m.qmp.command("migrate", uri=f"file:{folder}/state")
        m.qmp.event("UNPLUG_PRIMARY", **{"device-id": "card0"})
        tap.equal(status(m), "wait-unplug")
        eject(m)
        vm.wait_until(lambda: status(m) == "completed", "it is written")
        tap.equal(m.qmp.command("query-status")["status"], "running")
        vm.wait_until(lambda: "card0" in there(m), "the primary comes again")
        with start("-incoming", f"file:{folder}/state") as other:
            came(other)


def stays():
    """A guest that begins anew before it has given it back: the machine stays, and does not wait for ever; then it goes."""
    with tempfile.TemporaryDirectory() as folder, start() as m, machine.socket.socket(machine.socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/s")
        listener.listen()
        begin(m)
        came(m)
        m.qmp.command("migrate", uri=f"unix:{folder}/s")
        m.qmp.event("UNPLUG_PRIMARY", **{"device-id": "card0"})
        m.qmp.command("system_reset")
        m.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="card0")
        vm.wait_until(lambda: status(m) == "failed", "it fails")
        said = m.qmp.command("query-migrate")["error-desc"]
        tap.equal("card0" in said and "reset" in said, True, said)
        tap.equal("card0" in there(m), True)
        tap.equal(m.qmp.command("query-status")["status"], "running")
        with start("-incoming", f"unix:{folder}/t") as other:
            vm.wait_until(lambda: os.path.exists(f"{folder}/t"), "the socket")
            m.qmp.command("migrate", uri=f"unix:{folder}/t")
            m.qmp.event("UNPLUG_PRIMARY", **{"device-id": "card0"})
            eject(m)
            vm.wait_until(lambda: status(m) == "completed", "it has gone")
            vm.wait_until(lambda: status(other) == "completed", "it has come")
            tap.equal(there(other), ["net0"], "its driver has said nothing yet")
            begin(other)
            came(other)


def leaves_with_its_program():
    """A primary on which another program works goes before anybody could mind that, in postcopy, too, or that nothing of it
    can be saved."""
    pair = CARDS[:2] + ["-netdev", "vhost-user,id=n0,chardev=c0,vhostforce=on", "-device",
                        f"virtio-net-pci,netdev=n0,id=card0,failover_pair_id=net0,addr={PRIMARY}"]
    for names in [], ["postcopy-ram"]:
        with vhost_machine.setup(*pair, protocol=vhost_machine.vhost.MQ) as (_, m), tempfile.TemporaryDirectory() as folder, \
                machine.socket.socket(machine.socket.AF_UNIX) as listener:
            listener.bind(f"{folder}/s")
            listener.listen()
            m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": name, "state": True} for name in names])
            begin(m)
            came(m)
            m.qmp.command("migrate", uri=f"unix:{folder}/s")
            m.qmp.event("UNPLUG_PRIMARY", **{"device-id": "card0"})
            tap.equal(status(m), "wait-unplug")
            m.qmp.command("migrate_cancel")
            vm.wait_until(lambda m=m: status(m) == "cancelled", "it is cancelled")


def fails():
    """A migration that fails, is cancelled before or after the guest's answer, or that the program's end overtakes."""
    with tempfile.TemporaryDirectory() as folder, start() as m:
        begin(m)
        came(m)
        listener = machine.socket.socket(machine.socket.AF_UNIX)
        listener.bind(f"{folder}/s")
        listener.listen()
        m.qmp.command("migrate", uri=f"unix:{folder}/s")
        m.qmp.event("UNPLUG_PRIMARY")
        eject(m)
        m.qmp.event("DEVICE_DELETED", device="card0")
        listener.accept()[0].close()
        vm.wait_until(lambda: status(m) == "failed", "it fails")
        vm.wait_until(lambda: "card0" in there(m), "the primary comes again")
        m.write("l", 0xae10, 0)
        m.qmp.command("migrate", uri=f"unix:{folder}/s")
        m.qmp.event("UNPLUG_PRIMARY")
        tap.equal(status(m), "wait-unplug")
        m.qmp.command("migrate_cancel")
        vm.wait_until(lambda: status(m) == "cancelled", "it is cancelled")
        tap.equal("card0" in there(m), True, "it has stayed")
        m.qmp.command("migrate", uri=f"unix:{folder}/s")
        m.qmp.event("UNPLUG_PRIMARY")
        tap.equal(status(m), "wait-unplug")
        m.qmp.command("quit")
        m.process.wait(vm.LONG)


def cannot_leave():
    """What is saved, and goes on, keeps its cards: that is refused."""
    with start() as m:
        begin(m)
        came(m)
        said = m.qmp.command("human-monitor-command", **{"command-line": "savevm s"})
        tap.equal("primary of 'net0'" in said, True, said)


if __name__ == "__main__":
    tap.run([(name, case) for name, case in [
        ("hidden", hidden),
        ("what is wrong", wrong),
        ("moves", moves),
        ("moves that fail", fails),
        ("what cannot leave", cannot_leave),
        ("leaves with its program", leaves_with_its_program),
        ("what stays", stays),
    ] + ([("memory follows", follows), ("a moment", moment)] if vm.memory_may_follow() else []) if len(sys.argv) < 3 or sys.argv[2] in name])

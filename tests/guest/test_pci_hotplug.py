#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI devices come and go while Debian's kernel runs: test_pci_hotplug.py BUILD-DIR MACHINE. $ROUNDS (3): how often."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD, MACHINE = sys.argv[1], sys.argv[2]
ROUNDS = int(os.environ.get("ROUNDS", "3"))
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio-rng",
           "virtio_console")


def machine(*extra, append="", modules=MODULES):
    guest = vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", extra=["-M", MACHINE, *extra],
                  append=f"{vm.APPEND} {append}")
    try:
        guest.wait_ready()
        for module in modules:
            guest.run(f"insmod /lib/modules/{module}.ko")
    except BaseException:
        guest.close()
        raise
    return guest


def firmware():
    """SeaBIOS."""
    path = "/usr/share/seabios/bios-256k.bin"
    if not os.path.exists(path):
        raise tap.Skip(f"there is no {path}: Debian's package seabios is not installed")
    return ["-bios", path]


def wait(guest, condition):
    """Until the guest's shell finds it so."""
    guest.run(f"until {condition}; do sleep 0.02; done")


def plug(guest, bus, ident="r0", **props):
    guest.qmp.command("device_add", driver="virtio-rng-pci", id=ident, bus=bus, **props)


def asked(guest, ident="r0"):
    """Ask for it, unless the guest is busy with its slot."""
    try:
        guest.qmp.command("device_del", id=ident)
    except vm.QmpError as err:
        tap.equal("busy" in err.desc, True, err.desc)
        return False
    return True


def unplug(guest, ident="r0"):
    vm.wait_until(lambda: asked(guest, ident), "the guest is through with the insertion")
    guest.qmp.event("DEVICE_DELETED", device=ident)


def state(guest, bus):
    """{slot: what is known of the last request} of the bus at that path."""
    return {slot["slot"]: slot for slot in guest.qmp.command("qom-get", path=bus, property="slots")}


def bound(guest):
    """It gives random bytes."""
    wait(guest, "grep -q virtio_rng /sys/class/misc/hw_random/rng_current")
    guest.run("dd if=/dev/hwrng of=/tmp/bytes bs=512 count=1")


def rounds(guest, bus, path, others=0):
    before = guest.run("ls /sys/bus/pci/devices")
    for _ in range(ROUNDS):
        plug(guest, bus)
        bound(guest)
        unplug(guest)
        tap.equal(guest.run("ls /sys/bus/pci/devices"), before)
        tap.equal(guest.run("ls /sys/bus/virtio/devices | wc -l"), str(others))
    slot = max(state(guest, path).values(), key=lambda slot: slot.get("requested-ns", 0))
    tap.equal(slot["unplug"], "ejected")
    tap.equal(slot["requested-ns"] < slot["seen-ns"] <= slot["ejected-ns"], True, str(slot))


def root_bus():
    with machine() as guest:
        rounds(guest, "pci.0", "/machine/i440fx/pci.0")
        # One with ports, of which one is in use.
        guest.qmp.command("chardev-add", id="c0", backend={"type": "ringbuf", "data": {}})
        guest.qmp.command("device_add", driver="virtio-serial-pci", id="s0")
        guest.qmp.execute({"execute": "device_add", "arguments": {
            "driver": "virtserialport", "id": "p0", "bus": "s0.0", "chardev": "c0", "name": "org.test.0"}})
        wait(guest, "[ -c /dev/vport*p1 ]")
        guest.run("for port in /dev/vport*p1; do echo hello > $port; done")
        tap.equal(guest.qmp.command("ringbuf-read", device="c0", size=16), "hello\n")
        unplug(guest, "s0")
        guest.qmp.event("DEVICE_DELETED", device="p0")
        guest.qmp.command("chardev-remove", id="c0")
        # A guest that has restarted still has what was plugged, and gives it back.
        plug(guest, "pci.0", addr="7")
        bound(guest)
        guest.serial.send(b"reboot -f\n")
        guest.wait_ready()
        wait(guest, "[ -d /sys/bus/pci/devices/0000:00:07.0 ]")
        unplug(guest)
        guest.run("[ ! -e /sys/bus/pci/devices/0000:00:07.0 ]")


def bridge():
    """Behind a bridge of a bridge."""
    with machine("-device", "pci-bridge,id=b0,chassis_nr=1", "-device", "pci-bridge,id=b1,bus=b0,chassis_nr=2",
                 "-device", "virtio-serial-pci,id=s0,bus=b1,addr=9") as guest:
        unplug(guest, "s0")
        rounds(guest, "b1", "/machine/peripheral/b1/b1")


def never_answers():
    """A guest without ACPI never hears of a request, which is withdrawn; then it is a device as before."""
    with machine("-device", "virtio-rng-pci,id=r0", *firmware(), append="acpi=off") as guest:
        bound(guest)
        guest.qmp.execute({"execute": "device_del", "arguments": {"id": "r0", "timeout": 0.2}})
        guest.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="r0")
        guest.qmp.command("device_del", id="r0")
        guest.qmp.command("device_del", id="r0", cancel=True)
        guest.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="r0")
        (slot,) = state(guest, "/machine/i440fx/pci.0").values()
        tap.equal((slot["unplug"], "seen-ns" in slot), ("withdrawn", False))
        bound(guest)


def disk_and_card():
    """A disk that is being read, and a network card that is up."""
    bus = "pci.0" if MACHINE == "pc" else "rp2"
    with tempfile.NamedTemporaryFile() as image:
        image.truncate(512 << 20)
        with machine("-drive", f"if=none,id=d0,file={image.name},format=raw", "-netdev", "user,id=n0",
                     *(PORTS if MACHINE == "q35" else ()),
                     modules=MODULES[:5] + ("virtio_blk", "failover", "net_failover", "virtio_net")) as guest:
            for _ in range(ROUNDS):
                guest.qmp.command("device_add", driver="virtio-blk-pci", id="r0", bus=bus, drive="d0")
                wait(guest, "[ -b /dev/vda ]")
                guest.run("(while dd if=/dev/vda of=/dev/null bs=64k iflag=direct; do :; done) 2>/dev/null >&2 &")
                wait(guest, "[ $(awk '{ print $1 }' /sys/block/vda/stat) -gt 100 ]")
                unplug(guest)
                guest.run("wait; [ ! -e /dev/vda ]")
                guest.qmp.command("device_add", driver="virtio-net-pci", id="r0", bus=bus)
                wait(guest, "[ -e /sys/class/net/eth0 ]")
                guest.run("ifconfig eth0 up")
                unplug(guest)
                guest.run("[ ! -e /sys/class/net/eth0 ]")


PORTS = ("-device", "pcie-root-port,id=rp1,chassis=1,slot=1,addr=3,multifunction=on",
         "-device", "pcie-root-port,id=rp2,chassis=2,slot=2,addr=3.1")
NATIVE = ("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")
PORT_BUS = "/machine/peripheral/rp2/rp2"


def ports_by_acpi():
    with machine(*PORTS, "-device", "virtio-serial-pci,id=s0,bus=rp1") as guest:
        rounds(guest, "rp2", PORT_BUS, others=1)
        unplug(guest, "s0")


def ports_by_firmware():
    """SeaBIOS has numbered the buses, and left room for what comes."""
    with machine(*PORTS, *firmware()) as guest:
        rounds(guest, "rp2", PORT_BUS)


def ports_native():
    with machine(*PORTS, *NATIVE) as guest:
        guest.run("dmesg | grep -q 'pciehp: Slot #2 AttnBtn+ PwrCtrl+'")
        rounds(guest, "rp2", PORT_BUS)
        # Taken back while the indicator blinks, which is for 5 s.
        plug(guest, "rp2")
        bound(guest)
        vm.wait_until(lambda: asked(guest), "the guest is through with the insertion")
        vm.wait_until(lambda: state(guest, PORT_BUS)[0]["unplug"] == "in-progress", "the guest works on it")
        guest.qmp.command("device_del", id="r0", cancel=True)
        guest.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="r0")
        wait(guest, "dmesg | grep -q 'Button cancel\\|canceled due to button\\|cancelled'")
        bound(guest)
        # The guest gives it back of its own accord.
        guest.run("echo 0 > /sys/bus/pci/slots/2/power")
        guest.qmp.event("DEVICE_DELETED", device="r0")


TESTS = {"q35": [("root ports by ACPI", ports_by_acpi), ("root ports that SeaBIOS found", ports_by_firmware),
                 ("root ports, native", ports_native),
                 ("a disk and a network card", disk_and_card)],
         "pc": [("root bus", root_bus), ("bridges", bridge), ("a guest that never answers", never_answers),
                ("a disk and a network card", disk_and_card)]}

tap.run(TESTS[MACHINE])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI devices come and go while Debian's kernel runs: test_pci_hotplug.py BUILD-DIR MACHINE [NAME]. $ROUNDS (3): how often."""
import os
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402
from loopback import Receiver, sha256  # noqa: E402

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


def withdrawn(guest, path):
    """A request of which the guest never hears, or that it never heeds; then it is a device as before."""
    guest.qmp.execute({"execute": "device_del", "arguments": {"id": "r0", "timeout": 0.2}})
    guest.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="r0")
    for _ in range(2):
        guest.qmp.command("device_del", id="r0")
    guest.qmp.command("device_del", id="r0", cancel=True)
    guest.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="r0")
    tap.equal([event for event in guest.qmp.drain() if event["event"].startswith("DEVICE_")], [])
    (slot,) = state(guest, path).values()
    tap.equal((slot["unplug"], "seen-ns" in slot), ("withdrawn", False))


def never_answers(append, bus, path, *options):
    """A kernel without the driver that would answer."""
    with machine(*options, "-device", f"virtio-rng-pci,id=r0,bus={bus}", append=append) as guest:
        bound(guest)
        withdrawn(guest, path)
        bound(guest)


def in_firmware(bus, path, *options):
    """SeaBIOS, which knows of no request, and sleeps when it finds nothing to boot; and a reset while one is pending."""
    with vm.Vm(f"{BUILD}/dimmable", accel="soft", extra=[
            "-M", MACHINE, *firmware(), *options, "-device", f"virtio-rng-pci,id=r0,bus={bus}"]) as guest:
        guest.wait_for("No bootable device", 60)
        withdrawn(guest, path)
        guest.qmp.command("device_del", id="r0")
        guest.qmp.command("system_reset")
        guest.qmp.event("DEVICE_UNPLUG_GUEST_ERROR", device="r0")
        guest.wait_for("No bootable device", 60)
        (slot,) = state(guest, path).values()
        tap.equal((slot["unplug"], slot["devices"]), ("withdrawn", ["/machine/peripheral/r0"]))


def disk_and_card():
    """A disk that is being read, and a network card that is up."""
    bus = "pci.0" if MACHINE == "pc" else "rp2"
    with tempfile.NamedTemporaryFile() as image:
        image.truncate(512 << 20)
        with machine("-blockdev", f"raw,node-name=d0,file.driver=file,file.filename={image.name}", "-netdev", "user,id=n0",
                     *(PORTS if MACHINE == "q35" else ()),
                     modules=MODULES[:5] + ("virtio_blk", "failover", "net_failover", "virtio_net")) as guest:
            for _ in range(ROUNDS):
                guest.qmp.command("device_add", driver="virtio-blk-pci", id="r0", bus=bus, drive="d0")
                wait(guest, "(: < /dev/vda) 2> /dev/null")
                guest.run("(while dd if=/dev/vda of=/dev/null bs=64k iflag=direct; do :; done) 2>/dev/null >&2 &")
                wait(guest, "[ $(awk '{ print $1 }' /sys/block/vda/stat) -gt 100 ]")
                unplug(guest)
                guest.run("wait; [ ! -e /dev/vda ]")
                guest.qmp.command("device_add", driver="virtio-net-pci", id="r0", bus=bus)
                wait(guest, "[ -e /sys/class/net/eth0 ]")
                guest.run("ifconfig eth0 up")
                unplug(guest)
                guest.run("[ ! -e /sys/class/net/eth0 ]")


def stream():
    """A stream over TCP while the card goes; over the next one, a file arrives."""
    bus = "pci.0" if MACHINE == "pc" else "rp2"
    with socket.create_server(("127.0.0.1", 0)) as listener, machine(
            "-netdev", "user,id=n0", *(PORTS if MACHINE == "q35" else ()),
            modules=MODULES[:5] + ("failover", "net_failover", "virtio_net")) as guest:
        listener.settimeout(vm.LONG)
        digest = guest.run("head -c 1000000 /dev/urandom > /tmp/file; sha256sum < /tmp/file").split()[0]
        for _ in range(ROUNDS):
            guest.qmp.command("device_add", driver="virtio-net-pci", id="r0", bus=bus, netdev="n0")
            wait(guest, "[ -e /sys/class/net/eth0 ]")
            guest.run("ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up")
            with Receiver() as receiver:
                guest.run(f"nc 10.0.2.2 {receiver.port} < /tmp/file", timeout=120)
                tap.equal(sha256(receiver.data(vm.LONG)), digest)
            guest.run(f"setsid nc 10.0.2.2 {listener.getsockname()[1]} < /dev/zero > /dev/null 2>&1 &")
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(vm.LONG)
                received = 0
                while received < 1 << 20:
                    received += len(sock.recv(1 << 16))
                unplug(guest)
            guest.run("[ ! -e /sys/class/net/eth0 ]")
            guest.run("killall -9 nc; while pidof nc; do sleep 0.02; done")
            tap.equal(guest.run("dmesg | grep -E 'BUG|Oops|WARNING|hung task'", check=False), "")


def function_reset():
    """Linux resets a device behind a port by itself (FLR), and its driver takes it again."""
    with machine(*PORTS) as guest:
        plug(guest, "rp2")
        bound(guest)
        device = guest.run("for d in /sys/bus/pci/devices/*; do grep -q 0x1af4 $d/vendor && grep -q 0x1044 $d/device && echo $d; done")
        name = os.path.basename(device)
        guest.run(f"echo flr > {device}/reset_method")
        tap.equal(guest.run(f"cat {device}/reset_method"), "flr")
        for _ in range(3):
            guest.run(f"echo {name} > /sys/bus/pci/drivers/virtio-pci/unbind")
            guest.run(f"echo 1 > {device}/reset")
            guest.run(f"echo {name} > /sys/bus/pci/drivers/virtio-pci/bind")
            bound(guest)
        unplug(guest)


# In the order in which they come; the port last, as it is not on PCI and goes with its device.
ALL = [{"driver": "virtio-blk-pci", "id": "k0", "drive": "d0"}, {"driver": "virtio-net-pci", "id": "n0", "netdev": "u0"},
       {"driver": "virtio-rng-pci", "id": "r0"}, {"driver": "virtio-balloon-pci", "id": "b0"},
       {"driver": "virtio-serial-pci", "id": "s0"}]
PORT = {"driver": "virtserialport", "id": "p0", "bus": "s0.0", "chardev": "c0", "name": "org.test.0"}
# What the guest does with each until it goes.
LOADS = ("while dd if=/dev/vda of=/dev/null bs=64k count=64 iflag=direct; do sleep 0.01; done",
         "ifconfig eth0 10.0.2.15 up; while ping -c 1 -W 1 10.0.2.2; do :; done",
         "while dd if=/dev/hwrng of=/dev/null bs=512 count=8; do sleep 0.01; done",
         "exec 3>$(echo /dev/vport*p1); while echo hello >&3; do sleep 0.01; done")
BALLOON = 2040 << 20


def plug_all(guest, buses):
    for device, bus in zip(ALL, buses):
        guest.qmp.execute({"execute": "device_add", "arguments": {**device, "bus": bus}})
    guest.qmp.execute({"execute": "device_add", "arguments": PORT})
    wait(guest, "(: < /dev/vda) 2> /dev/null && [ -e /sys/class/net/eth0 ] && [ -c /dev/vport*p1 ] &&"
                " grep -q virtio_rng /sys/class/misc/hw_random/rng_current &&"
                " ls /sys/bus/virtio/drivers/virtio_balloon/ | grep -q virtio")


def start_load(guest):
    """Everything is in use, and has been used."""
    for load in LOADS:
        guest.run(f"({load}) >/dev/null 2>&1 &")
    guest.qmp.command("balloon", value=BALLOON)
    wait(guest, "[ $(awk '{ print $1 }' /sys/block/vda/stat) -gt 20 ]")
    wait(guest, "[ $(cat /sys/class/net/eth0/statistics/rx_packets) -gt 1 ]")
    vm.wait_until(lambda: guest.qmp.command("ringbuf-read", device="c0", size=65536), "the port is written to")
    vm.wait_until(lambda: guest.qmp.command("query-balloon")["actual"] == BALLOON, "the balloon is filled")


def unplug_all(guest):
    waiting = [device["id"] for device in ALL]
    while waiting:
        ident = waiting.pop(0)
        if asked(guest, ident):
            continue
        waiting.append(ident)
    for ident in ("p0", *(device["id"] for device in ALL)):
        guest.qmp.event("DEVICE_DELETED", device=ident)


def taken(guest):
    """What the program has open, and its memory in KiB, but for the guest's and what it made of the guest's code."""
    return (len(os.listdir(f"/proc/{guest.process.pid}/fd")), vm.resident(guest.process.pid) - vm.code_memory(guest))


# KiB in the second half of the rounds: what keeps account of the guest's code grows with that until there is no new code.
GROWTH = 4096


def every_device(buses, *options):
    """Each kind of device comes and goes $ROUNDS times, in every second round while it is in use. The program grows no more."""
    started, half = time.monotonic(), None
    with tempfile.NamedTemporaryFile() as image:
        image.truncate(64 << 20)
        with vm.small_quarantine(), machine(
                "-blockdev", f"raw,node-name=d0,file.driver=file,file.filename={image.name}", "-netdev", "user,id=u0", "-chardev",
                "ringbuf,id=c0,size=65536", *options,
                modules=MODULES + ("virtio_balloon", "virtio_blk", "failover", "net_failover", "virtio_net")) as guest:
            before = guest.run("ls /sys/bus/pci/devices")
            for number in range(max(ROUNDS, 4)):
                plug_all(guest, buses)
                if number % 2:
                    start_load(guest)
                unplug_all(guest)
                guest.run("wait")
                tap.equal(guest.run("ls /sys/bus/pci/devices"), before)
                tap.equal(guest.run("ls /sys/bus/virtio/devices"), "")
                guest.qmp.command("ringbuf-read", device="c0", size=65536)
                guest.qmp.drain().clear()
                if number + 1 == max(ROUNDS, 4) // 2:
                    half = taken(guest)
            files, memory = taken(guest)
            print(f"# {max(ROUNDS, 4)} rounds in {time.monotonic() - started:.0f} s; open files and KiB {half}, then {files, memory}",
                  flush=True)
            tap.equal(files, half[0], "open files")
            tap.equal(memory - half[1] < GROWTH, True, f"{half[1]} KiB, then {memory}")


FIVE_PORTS = [word for n in range(5) for word in ("-device", f"pcie-root-port,id=rp{n},chassis={n}")]
FIVE_BUSES = [f"rp{n}" for n in range(5)]


PORTS = ("-device", "pcie-root-port,id=rp1,chassis=1,slot=1,addr=3,multifunction=on",
         "-device", "pcie-root-port,id=rp2,chassis=2,slot=2,addr=3.1")
NATIVE = ("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")
ROOT_BUS = "/machine/i440fx/pci.0"
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


def ports_native_pins():
    """Without MSI, the slot's events come by the port's pin. Linux has to be told then to look after slots; and it can give
    a device up only if that does not have the line, for which the driver would wait in the line's own thread."""
    with machine(*PORTS, *NATIVE, append="pci=nomsi pcie_ports=native", modules=()) as guest:
        for _ in range(2):
            plug(guest, "rp2")
            wait(guest, "[ -e /sys/bus/pci/devices/0000:02:00.0 ]")
            unplug(guest)
            guest.run("[ ! -e /sys/bus/pci/devices/0000:02:00.0 ]")
        line = guest.run("grep pciehp /proc/interrupts")
        tap.equal(("IO-APIC" in line, int(line.split()[1]) > 4), (True, True), line)


def asleep(guest, change):
    """The guest sleeps, and @change happens."""
    guest.serial.send(b"echo mem >/sys/power/state; echo \"woken with $?\"\n")
    guest.qmp.event("SUSPEND")
    change()
    guest.qmp.command("system_wakeup")
    tap.equal(guest.wait_for(r"woken with (\d+)\r?\n", 60).group(1), b"0")


def ports_asleep():
    """What is asked for, or plugged, while the guest sleeps is seen when it is awake."""
    with machine(*PORTS, *NATIVE, "-device", "virtio-rng-pci,id=r0,bus=rp2") as guest:
        bound(guest)
        asleep(guest, lambda: guest.qmp.command("device_del", id="r0"))
        guest.qmp.event("DEVICE_DELETED", device="r0")
        asleep(guest, lambda: plug(guest, "rp2", "r1"))
        bound(guest)
        unplug(guest, "r1")


def indexes(guest):
    """{address: acpi-index} as Linux tells it, by which it names network cards."""
    lines = guest.run("cd /sys/bus/pci/devices; grep -H . */acpi_index").splitlines()
    return {line.split("/")[0]: int(line.split(":")[-1]) for line in lines}


def named(bus, cold, wanted, hot, *extra):
    """By `acpi-index`, of what was there and of what came."""
    with machine(*extra, *cold) as guest:
        tap.equal(indexes(guest), wanted)
        plug(guest, bus, addr=hot.split(":")[-1].split(".")[0], **{"acpi-index": 9})
        bound(guest)
        tap.equal(indexes(guest), {**wanted, hot: 9})
        unplug(guest)
        plug(guest, bus, addr=hot.split(":")[-1].split(".")[0])
        bound(guest)
        tap.equal(indexes(guest), wanted, "another device in that slot has none")


def named_pc():
    named("pci.0", ["-device", "virtio-rng-pci,addr=4,acpi-index=16383", "-device", "virtio-rng-pci,addr=5"],
          {"0000:00:04.0": 16383}, "0000:00:06.0")


def named_q35():
    """On a root bus without hot-plug, and functions that are not the first one of their slot, too."""
    named("rp2", ["-device", "virtio-rng-pci,addr=4,acpi-index=1,multifunction=on", "-device", "virtio-rng-pci,addr=4.3,acpi-index=2",
                  "-device", "virtio-rng-pci,bus=rp1,acpi-index=3"],
          {"0000:00:04.0": 1, "0000:00:04.3": 2, "0000:01:00.0": 3}, "0000:02:00.0", *PORTS)


TESTS = {"q35": [("root ports by ACPI", ports_by_acpi), ("root ports that SeaBIOS found", ports_by_firmware),
                 ("named by ACPI", named_q35), ("root ports, native", ports_native),
                 ("root ports, native by pins", ports_native_pins), ("root ports, native, asleep", ports_asleep),
                 ("no answer by ACPI", lambda: never_answers("acpi=off", "rp2", PORT_BUS, *PORTS, *firmware())),
                 ("no answer, native", lambda: never_answers("pcie_ports=compat", "rp2", PORT_BUS, *PORTS, *NATIVE)),
                 ("firmware, by ACPI", lambda: in_firmware("rp2", PORT_BUS, *PORTS)),
                 ("firmware, native", lambda: in_firmware("rp2", PORT_BUS, *PORTS, *NATIVE)),
                 ("a disk and a network card", disk_and_card), ("a stream", stream), ("function level reset", function_reset),
                 ("every device, by ACPI", lambda: every_device(FIVE_BUSES, *FIVE_PORTS)),
                 ("every device, native", lambda: every_device(FIVE_BUSES, *FIVE_PORTS, *NATIVE))],
         "pc": [("root bus", root_bus), ("named by ACPI", named_pc), ("bridges", bridge), ("no answer", lambda: never_answers("acpi=off", "pci.0", ROOT_BUS, *firmware())),
                ("firmware", lambda: in_firmware("pci.0", ROOT_BUS)),
                ("a disk and a network card", disk_and_card), ("a stream", stream),
                ("every device", lambda: every_device(["pci.0"] * 5))]}

if __name__ == "__main__":
    tap.run([(name, test) for name, test in TESTS[MACHINE] if name in sys.argv[3:] or not sys.argv[3:]])

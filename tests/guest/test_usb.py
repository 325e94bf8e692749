#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""USB devices as Debian's kernel sees them: test_usb.py BUILD-DIR [NAME...]."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import usbredir  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
SIZE = 384 << 10  # bytes that are written to a disk
USB = ("usb-common", "usbcore")
CRC = ("crct10dif_common", "crct10dif_generic", "crc-t10dif", "crc64", "crc64_rocksoft_generic", "crc64-rocksoft", "t10-pi")
DISK = ("scsi_common", *CRC, "scsi_mod", "sd_mod", "usb-storage")
SERIAL = ("usbserial", "ftdi_sio")
HID = ("hid", "hid-generic", "usbhid", "evdev")


def machine(modules, *extra):
    guest = vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", kernel="vmlinuz-generic", initrd="initrd-generic", accel=vm.engine("soft"),
                  memory="256M", extra=extra)
    guest.wait_ready()
    for module in modules:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
    return guest


def wait_for(guest, command, wanted):
    """Until the guest's @command prints @wanted."""
    return vm.wait_until(lambda: wanted in (said := guest.run(command, check=False)) and said, f"{wanted} of {command}")


def listen(guest, name):
    """The guest keeps what its input device @name tells; what there is of it, as (type, code, value)."""
    wait_for(guest, "cat /proc/bus/input/devices", name)
    event = guest.run(f"grep -A4 '\"{name}\"' /proc/bus/input/devices | grep -o 'event[0-9]*'").strip()
    wait_for(guest, "ls /dev/input", event)
    guest.run(f"(cat /dev/input/{event} > /tmp/{event}) > /dev/null 2>&1 &")
    wait_for(guest, f"ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c /dev/input/{event}", "1")

    def told():
        text = guest.run(f"hexdump -v -e '24/1 \"%02x\" \"\\n\"' /tmp/{event}")
        found = [bytes.fromhex(line) for line in text.split()]
        return [(int.from_bytes(e[16:18], "little"), int.from_bytes(e[18:20], "little"), int.from_bytes(e[20:24], "little", signed=True))
                for e in found if len(e) == 24]
    return told


def use_disk(guest, image, bus, port=None, speed=None):
    """A disk comes, is written to, and goes."""
    image.truncate(0)
    image.truncate(16 << 20)
    guest.qmp.command("blockdev-add", driver="raw", **{"node-name": "n"}, file={"driver": "file", "filename": image.name})
    guest.qmp.command("device_add", driver="usb-storage", id="d", drive="n", bus=bus, **({"port": port} if port else {}))
    wait_for(guest, "cat /proc/partitions", "sda")
    if speed:
        tap.equal(guest.run("cat /sys/block/sda/device/../../../../../speed").strip(), speed, "the speed")
    guest.run(f"dd if=/bin/busybox of=/dev/sda bs=64k count={SIZE >> 16} && sync", timeout=120)
    guest.qmp.command("device_del", id="d")
    vm.wait_until(lambda: "sda" not in guest.run("cat /proc/partitions"), "the disk has gone")
    guest.qmp.command("blockdev-del", **{"node-name": "n"})
    image.seek(0)
    with open(f"{BUILD}/guest/initramfs/bin/busybox", "rb") as wanted:
        tap.equal(image.read(SIZE) == wanted.read(SIZE), True, "what was written")


def people():
    """Keys by UHCI, places by xHCI; a mouse that comes and goes at each."""
    with tempfile.NamedTemporaryFile() as image, machine(
            (*USB, "xhci-hcd", "xhci-pci", "uhci-hcd", *HID, *DISK), "-M", "pc", "-usb", "-device", "qemu-xhci,id=x",
            "-device", "usb-kbd,bus=usb-bus.0", "-device", "usb-tablet,bus=x.0") as guest:
        keys, places = listen(guest, "QEMU QEMU USB Keyboard"), listen(guest, "QEMU QEMU USB Tablet")
        guest.qmp.command("send-key", keys=[{"type": "qcode", "data": "shift"}, {"type": "qcode", "data": "a"}])
        vm.wait_until(lambda: [e for e in keys() if e[0] == 1] == [(1, 42, 1), (1, 30, 1), (1, 30, 0), (1, 42, 0)], "Shift-A")
        guest.qmp.command("input-send-event", events=[
            {"type": "abs", "data": {"axis": "x", "value": 1234}}, {"type": "abs", "data": {"axis": "y", "value": 30000}},
            {"type": "btn", "data": {"button": "left", "down": True}}])
        vm.wait_until(lambda: {(3, 0, 1234), (3, 1, 30000), (1, 272, 1)} <= set(places()), "a place, and a button")
        for bus in ("x.0", "usb-bus.0"):
            use_disk(guest, image, bus)
            guest.qmp.command("device_add", driver="usb-mouse", id="m", bus=bus)
            moves = listen(guest, "QEMU QEMU USB Mouse")
            guest.qmp.command("human-monitor-command", **{"command-line": "mouse_move 5 -7"})
            vm.wait_until(lambda: {(2, 0, 5), (2, 1, -7)} <= set(moves()), "a move")
            guest.qmp.command("device_del", id="m")
            vm.wait_until(lambda: "USB Mouse" not in guest.run("cat /proc/bus/input/devices"), "the mouse has gone")


# libvirt's set for model='ich9-ehci1'.
ICH9 = [word for options in ("ehci1,id=e,addr=7.7", "uhci1,masterbus=e.0,firstport=0,addr=7.0,multifunction=on",
                                "uhci2,masterbus=e.0,firstport=2,addr=7.1", "uhci3,masterbus=e.0,firstport=4,addr=7.2")
        for word in ("-device", f"ich9-usb-{options}")]


def use_redirected(guest, path):
    """A serial port of another program comes, gives back what it was given, and goes; twice."""
    for text in ("hello", "once-more-" * 20):
        device = usbredir.Serial()
        peer = usbredir.Peer(path, device)
        wait_for(guest, "ls /dev", "ttyUSB0")
        guest.run("stty -F /dev/ttyUSB0 raw -echo")
        guest.run(f"exec 3<>/dev/ttyUSB0; echo {text} >&3; read line <&3; echo $line > /tmp/line; exec 3<&-", timeout=60)
        tap.equal(guest.run("cat /tmp/line").strip(), text)
        tap.equal(device.came, text.encode() + b"\n")
        peer.disconnect()
        vm.wait_until(lambda: "ttyUSB0" not in guest.run("echo /dev/tty*"), "the serial port has gone")
        peer.close()


def companions():
    """A set of an EHCI and three UHCI, and an OHCI: a tablet and a disk of high speed, a keyboard and a hub at companions, a mouse at the OHCI."""
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as image, machine(
            (*USB, "uhci-hcd", "ehci-hcd", "ehci-pci", "ohci-hcd", "ohci-pci", *SERIAL, *HID, *DISK), "-M", "pc", *ICH9, "-device", "usb-tablet,bus=e.0,port=1",
            "-device", "usb-kbd,bus=e.0,port=4,usb_version=1", "-device", "usb-hub,bus=e.0,port=5",
            "-device", "pci-ohci,id=o,addr=8", "-device", "usb-mouse,bus=o.0,port=2", "-chardev", f"socket,id=r,server=on,wait=off,path={folder}/redir",
            "-device", "usb-redir,chardev=r,bus=e.0,port=6") as guest:
        keys, places = listen(guest, "QEMU QEMU USB Keyboard"), listen(guest, "QEMU QEMU USB Tablet")
        moves = listen(guest, "QEMU QEMU USB Mouse")
        for wanted in ("QEMU USB Tablet at 480", "QEMU USB Keyboard at 12", "QEMU USB Hub at 12", "QEMU USB Mouse at 12"):
            wait_for(guest, "for d in /sys/bus/usb/devices/*; do test -e $d/speed && echo $(cat $d/product) at $(cat $d/speed); done", wanted)
        guest.qmp.command("send-key", keys=[{"type": "qcode", "data": "a"}])
        vm.wait_until(lambda: [e for e in keys() if e[0] == 1] == [(1, 30, 1), (1, 30, 0)], "a key")
        guest.qmp.command("input-send-event", events=[
            {"type": "abs", "data": {"axis": "x", "value": 1234}}, {"type": "abs", "data": {"axis": "y", "value": 30000}}])
        vm.wait_until(lambda: {(3, 0, 1234), (3, 1, 30000)} <= set(places()), "a place")
        guest.qmp.command("human-monitor-command", **{"command-line": "mouse_move 5 -7"})
        vm.wait_until(lambda: {(2, 0, 5), (2, 1, -7)} <= set(moves()), "a move")
        for bus, port, speed in ("e.0", "3", "480"), ("e.0", "5.1", "12"), ("o.0", "3", "12"):
            use_disk(guest, image, bus, port, speed)
        use_redirected(guest, f"{folder}/redir")
        tap.equal(guest.run("dmesg | grep -c 'reset .* USB device' || true").strip(), "0", "resets")


def bus_of_disks():
    """A SCSI bus by each transport, with a disk and a CD; one that is plugged, gets a disk, is attached, is written to, and goes."""
    with tempfile.NamedTemporaryFile() as image, machine(
            (*USB, "xhci-hcd", "xhci-pci", *DISK, "uas", "cdrom", "sr_mod"), "-M", "q35", "-device", "qemu-xhci,id=x", "-device", "usb-bot,id=b",
            "-device", "usb-uas,id=u", *[word for bus in "bu" for word in (
                "-blockdev", f"null-co,node-name=n{bus},size=16M,read-zeroes=on", "-device", f"scsi-hd,bus={bus}.0,drive=n{bus},serial=S{bus}",
                "-device", f"scsi-cd,bus={bus}.0,lun=1")]) as guest:
        wait_for(guest, "ls /sys/block", "sr1")
        wait_for(guest, "ls /sys/block", "sdb")
        drivers = guest.run("for d in /sys/bus/usb/devices/*:1.0; do basename $(readlink $d/driver); done").split()
        tap.equal({"uas", "usb-storage"} <= set(drivers), True, drivers)
        for name in "sda", "sdb":
            guest.run(f"dd if=/dev/{name} of=/dev/null bs=64k", timeout=120)
        for kind in "usb-uas", "usb-bot":
            image.truncate(0)
            image.truncate(16 << 20)
            guest.qmp.command("blockdev-add", driver="raw", **{"node-name": "n"}, file={"driver": "file", "filename": image.name})
            guest.qmp.command("device_add", driver=kind, id="c")
            guest.qmp.command("device_add", driver="scsi-hd", id="d", bus="c.0", drive="n")
            guest.qmp.command("qom-set", path="/machine/peripheral/c", property="attached", value=True)
            wait_for(guest, "cat /proc/partitions", "sdc")
            guest.run(f"dd if=/bin/busybox of=/dev/sdc bs=64k count={SIZE >> 16} && sync", timeout=120)
            guest.qmp.command("device_del", id="c")
            vm.wait_until(lambda: "sdc" not in guest.run("cat /proc/partitions"), "the disk has gone")
            guest.qmp.command("blockdev-del", **{"node-name": "n"})
            image.seek(0)
            with open(f"{BUILD}/guest/initramfs/bin/busybox", "rb") as wanted:
                tap.equal(image.read(SIZE) == wanted.read(SIZE), True, "what was written")
        tap.equal(guest.run("dmesg | grep -c 'reset .* USB device\\|uas_eh' || true").strip(), "0", "resets")


# Says so at the serial port, and stands.
BOOT = b"\xba\xf8\x03" + b"".join(bytes([0xb0, letter, 0xee]) for letter in b"USB-BOOTED") + b"\xfa\xf4\xeb\xfd"


def boots(*controller):
    """SeaBIOS starts what is on a disk."""
    with tempfile.NamedTemporaryFile() as image:
        image.write(BOOT.ljust(510, b"\0") + b"\x55\xaa")
        image.truncate(1 << 20)
        image.flush()
        said = b""
        with subprocess.Popen([f"{BUILD}/dimmable", "-accel", vm.engine("soft"), "-m", "64", "-nodefaults", "-display", "none", "-serial",
                               "stdio", *controller, "-drive", f"if=none,id=d,format=raw,file={image.name}", "-device",
                               "usb-storage,drive=d,bootindex=0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as program:
            while b"USB-BOOTED" not in said and (more := program.stdout.read1(4096)):
                said += more
            program.kill()
        tap.equal(b"USB-BOOTED" in said, True, said)


CASES = [
    ("SeaBIOS and UHCI", lambda: boots("-M", "pc", "-usb")),
    ("SeaBIOS and xHCI", lambda: boots("-M", "q35", "-device", "qemu-xhci")),
    ("SeaBIOS and EHCI", lambda: boots("-M", "q35", "-usb")),
    ("people", people),
    ("EHCI, companions and OHCI", companions),
    ("a bus of disks", bus_of_disks),
]


if __name__ == "__main__":
    tap.run([case for case in CASES if len(sys.argv) < 3 or case[0] in sys.argv[2:]])

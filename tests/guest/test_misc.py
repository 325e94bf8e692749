#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Small devices as Debian's kernel sees them: test_misc.py BUILD-DIR IPMI AFALG [NAME...], with the programs ipmi.c and afalg.c."""
import hashlib
import os
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD, IPMI_PROGRAM, AFALG = sys.argv[1:4]


def machine(folder, modules, *extra):
    guest = vm.Vm(f"{BUILD}/dimmable", folder, kernel="vmlinuz-generic", initrd="initrd-generic", accel=vm.engine("soft"),
                  memory="256M", extra=extra)
    guest.wait_ready()
    for module in modules:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
    return guest


# ---- IPMI ----

IPMI = ("ipmi_msghandler", "ipmi_si", "ipmi_devintf")
DEVICE_ID = "00 2a 83 01 02 02 8f 11 22 00 34 12"
BMC = ("-device", "ipmi-bmc-sim,id=b,device_id=0x2a,device_rev=3,fwrev1=1,fwrev2=2,mfg_id=0x2211,product_id=0x1234,"
       "guid=324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87")


def ipmi(*interface):
    """Linux finds it by its table or on its bus; identification, log, sensors and inventory are read."""
    with tempfile.TemporaryDirectory() as folder:
        vm.with_program(f"{BUILD}/guest", IPMI_PROGRAM, folder, "-generic")
        with machine(folder, IPMI, *BMC, *interface) as guest:
            vm.wait_until(lambda: guest.run("ls /dev | grep ipmi0", check=False), "/dev/ipmi0")
            tap.equal(guest.run("/ipmi 6 1").strip(), DEVICE_ID)
            tap.equal(guest.run("cat /sys/class/ipmi/ipmi0/device/bmc/guid 2>/dev/null || find /sys -name guid -path '*bmc*' | "
                                "xargs cat").strip(), "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87")
            tap.equal(guest.run("/ipmi 6 6f").split()[0], "c1")
            tap.equal(guest.run("/ipmi a 44 " + "0 0 2 0 0 0 0 41 0 4 12 34 6f a1 a2 a3").split(), ["00", "01", "00"])
            entry = guest.run("/ipmi a 43 0 0 0 0 0 ff").split()
            tap.equal(entry[:6] + entry[10:], "00 ff ff 01 00 02 41 00 04 12 34 6f a1 a2 a3".split())
            tap.equal(guest.run("/ipmi a 23 0 0 0 0 0 ff").split()[:8], "00 ff ff 01 00 51 02 23".split())
            tap.equal(guest.run("/ipmi a 12 0 8 0 d e a d").split(), ["00", "04"])
            tap.equal(guest.run("/ipmi a 11 0 7 0 6").split(), "00 06 00 0d 0e 0a 0d 00".split())
            tap.equal(guest.run("dmesg | grep -ciE 'ipmi.*(timed out|invalid|fail|error)'", check=False).strip(), "0",
                      guest.run("dmesg | grep -i ipmi"))
            yield guest


def ipmi_watchdog():
    """By KCS with an interrupt; what the watchdog does is a reset, after which it says that it was it."""
    for guest in ipmi("-device", "isa-ipmi-kcs,bmc=b"):
        for text in ("IPI0001", "via SMBIOS"):
            tap.equal(text in guest.run("dmesg | grep -i ipmi"), True, text)
        tap.equal(guest.run("grep -c ipmi_si /proc/interrupts").strip(), "1")
        tap.equal(guest.run("/ipmi 6 24 4 1 0 10 1 0").strip(), "00")
        guest.run("/ipmi 6 22")
        guest.qmp.event("RESET")
        guest.wait_ready()
        for module in IPMI:
            guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
        vm.wait_until(lambda: guest.run("ls /dev | grep ipmi0", check=False), "/dev/ipmi0")
        tap.equal(guest.run("/ipmi 6 25").split()[4], "10", "timers that have expired")
        tap.equal(guest.run("/ipmi a 43 0 0 ff ff 0 ff").split()[13:], "23 00 6f c1 04 ff".split())


def ipmi_pci():
    for guest in ipmi("-machine", "q35", "-device", "pci-ipmi-bt,bmc=b"):
        tap.equal("ipmi_si 0000:" in guest.run("dmesg | grep -i ipmi_si"), True)


# ---- ciphers ----

def crypto():
    """The kernel's cipher is the card's, and is right."""
    with tempfile.TemporaryDirectory() as folder:
        vm.with_program(f"{BUILD}/guest", AFALG, folder, "-generic")
        modules = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "crypto_engine", "virtio_crypto",
                   "af_alg", "algif_skcipher")
        with machine(folder, modules, "-object", "cryptodev-backend-builtin,id=c", "-device", "virtio-crypto-pci,cryptodev=c") as guest:
            tap.equal(guest.run("/afalg virtio_crypto_aes_cbc").split(), ["7649abac8119b246cee98e9b12e9197d", "same"])
            tap.equal("virtio_crypto_aes_cbc" in guest.run("cat /proc/crypto"), True)


# ---- a network card ----

def usb_net():
    """By CDC Ethernet, to the host's end of a network in user mode."""
    modules = ("usb-common", "usbcore", "xhci-hcd", "xhci-pci", "mii", "usbnet", "cdc_ether")
    with machine(f"{BUILD}/guest", modules, "-netdev", "user,id=n", "-device", "qemu-xhci", "-device",
                 "usb-net,netdev=n,mac=52:54:00:ab:cd:ef") as guest:
        card = vm.wait_until(lambda: guest.run("ls /sys/class/net | grep -v lo", check=False).strip(), "the card")
        tap.equal(guest.run(f"cat /sys/class/net/{card}/address").strip(), "52:54:00:ab:cd:ef")
        tap.equal(guest.run(f"basename $(readlink /sys/class/net/{card}/device/driver)").strip(), "cdc_ether")
        guest.run(f"ip addr add 10.0.2.15/24 dev {card}; ip link set {card} up")
        vm.wait_until(lambda: guest.run(f"cat /sys/class/net/{card}/carrier", check=False).strip() == "1", "a carrier")
        for size in (56, 456, 1458, 1472):
            guest.run(f"ping -c 2 -w 20 -s {size} 10.0.2.2")
        tap.equal(guest.run(f"cat /sys/class/net/{card}/statistics/rx_errors").strip(), "0")


# ---- a printer, and mice ----

def printer():
    """What goes to lp0 is in a file; Linux finds the port by its table, and uses its interrupt where it is told to."""
    with tempfile.TemporaryDirectory() as folder:
        with machine(f"{BUILD}/guest", ("parport", "parport_pc", "lp"), "-parallel", f"file:{folder}/printed") as guest:
            tap.equal("parport0: PC-style at 0x378" in guest.run("dmesg | grep parport"), True)
            guest.run("grep -q lp /proc/devices; [ -e /dev/lp0 ] || mknod /dev/lp0 c 6 0; seq 1 2000 > /tmp/text; cat /tmp/text > /dev/lp0", timeout=120)
            text = "".join(f"{n}\n" for n in range(1, 2001)).encode()

            def printed():
                with open(f"{folder}/printed", "rb") as file:
                    return file.read()
            vm.wait_until(lambda: len(printed()) >= len(text), "all is printed")
            tap.equal(printed(), text)


def send(guest, *events):
    guest.qmp.command("input-send-event", events=[{"type": kind, "data": data} for kind, data in events])


def moved(guest, name, kind, count, *events):
    """What the guest sees of @events by its device @name, which has axes of @kind: (type, code, value), but for the ends of reports."""
    found = vm.wait_until(lambda: guest.run(f"cd /sys/class/input; for e in event*; do grep -q '{name}' $e/device/name && "
                                            f"[ $(cat $e/device/capabilities/{kind}) != 0 ] && echo $e; done", check=False).split(), name)
    node = found[-1]
    guest.run(f"(dd if=/dev/input/{node} of=/tmp/events bs=24 count={count} 2>/dev/null; echo done > /tmp/read) >/dev/null 2>&1 & "
              f"until ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q {node}; do sleep 0.1; done")
    for group in events:
        send(guest, *group)
    vm.wait_until(lambda: guest.run("cat /tmp/read 2>/dev/null", check=False).strip() == "done", "events")
    data = bytes.fromhex("".join(guest.run("hexdump -v -e '24/1 \"%02x\" \"\\n\"' /tmp/events").split()))
    found = [struct.unpack_from("<HHi", data, at + 16) for at in range(0, len(data), 24)]
    return [event for event in found if event[0]]


def button(name, down):
    return ("btn", {"button": name, "down": down})


def mouse():
    """The PS/2 mouse, with its wheel and the buttons at the side."""
    with machine(f"{BUILD}/guest", ("evdev", "psmouse"), "-machine", "vmport=off") as guest:
        found = moved(guest, "Explorer Mouse", "rel", 9, [("rel", {"axis": "x", "value": 5}), ("rel", {"axis": "y", "value": -3})],
                      [button("left", True)], [button("left", False)], [button("wheel-up", True)])
        tap.equal(found, [(2, 0, 5), (2, 1, -3), (1, 0x110, 1), (1, 0x110, 0), (2, 8, 1)])


def vmware_mouse():
    """Linux takes the machine for VMware's, and then its mouse, which tells places."""
    with machine(f"{BUILD}/guest", ("evdev", "psmouse"), "-cpu", "qemu64,-hypervisor", "-smbios", "type=1,serial=VMware-0") as guest:
        tap.equal("Hypervisor detected: VMware" in guest.run("dmesg"), True)
        found = moved(guest, "VMware VMMouse", "abs", 5, [("abs", {"axis": "x", "value": 16384}), ("abs", {"axis": "y", "value": 100})],
                      [button("left", True)])
        tap.equal(found, [(3, 0, 32768), (3, 1, 200), (1, 0x110, 1)])
        tap.equal([m["name"] for m in guest.qmp.command("query-mice") if m["current"]], ["vmmouse"])


# ---- SMBus ----

def smbus(board, driver, adapter):
    """Linux reads by its adapter, in blocks, what the memory module says of itself, and writes to it."""
    with machine(f"{BUILD}/guest", ("i2c-smbus", driver, "at24"), "-machine", board) as guest:
        bus = guest.run(f"cd /sys/bus/i2c/devices; grep -l '{adapter}' */name | cut -d/ -f1 | head -n 1").strip()
        guest.run(f"echo spd 0x50 >/sys/bus/i2c/devices/{bus}/new_device")
        eeprom = f"/sys/bus/i2c/devices/{bus.removeprefix('i2c-')}-0050/eeprom"
        tap.equal(guest.run(f"dd if={eeprom} bs=1 skip=73 count=8 2>/dev/null"), "DIMMABLE")
        data = bytes(int(word, 16) for word in guest.run(f"od -An -v -tx1 {eeprom}").split())
        tap.equal((len(data), data[2], data[31], sum(data[:63]) & 0xff), (256, 8, 0x40, data[63]), "DDR2, 256 MiB")
        if driver == "i2c-i801":
            tap.equal("i801_smbus" in guest.run("cat /proc/interrupts"), True)
        guest.run(f"echo 0x50 >/sys/bus/i2c/devices/{bus}/delete_device; echo 24c02 0x50 >/sys/bus/i2c/devices/{bus}/new_device")
        guest.run(f"printf 'written by Linux' | dd of={eeprom} bs=16 seek=8 conv=notrunc 2>/dev/null")
        tap.equal(guest.run(f"dd if={eeprom} bs=16 skip=8 count=1 2>/dev/null"), "written by Linux")
        tap.equal(guest.run("dmesg | grep -ciE '(i801|piix4|at24|smbus).*(timeout|timed out|error|fail|conflict)'", check=False).strip(), "0",
                  guest.run("dmesg | grep -iE 'smbus|at24|i801|piix4'"))


def smbus_pc():
    smbus("pc", "i2c-piix4", "SMBus PIIX4")


def smbus_q35():
    smbus("q35", "i2c-i801", "SMBus I801")


# ---- SD cards ----

def sd_card():
    """Linux finds a card, reads what is on it and writes, also more than one request moves; another comes in its place."""
    size = 64 << 20
    with tempfile.TemporaryDirectory() as folder:
        for name in "ab":
            with open(f"{folder}/{name}", "wb") as file:
                file.truncate(size)
                file.write(name.encode() * 4096)
        with machine(f"{BUILD}/guest", ("mmc_core", "mmc_block", "cqhci", "sdhci", "sdhci-pci"),
                     *(word for name in "ab" for word in ("-blockdev", f"file,node-name={name},filename={folder}/{name}")),
                     "-device", "sdhci-pci", "-device", "sd-card,id=c,drive=a") as guest:
            def there():
                vm.wait_until(lambda: "mmcblk0" in guest.run("ls /sys/block", check=False), "the card", timeout=120)

            there()
            tap.equal(guest.run("cat /sys/block/mmcblk0/size").strip(), str(size // 512))
            tap.equal(guest.run("cat /sys/block/mmcblk0/device/name /sys/block/mmcblk0/device/type").split(), ["DIMSD", "SD"])
            tap.equal("ADMA" in guest.run("dmesg | grep mmc0"), True, guest.run("dmesg | grep mmc0"))
            tap.equal(guest.run("dd if=/dev/mmcblk0 bs=4096 count=1 2>/dev/null | tr -d a | wc -c").strip(), "0")
            guest.run("dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null")
            guest.run("dd if=/tmp/data of=/dev/mmcblk0 bs=1M seek=8 2>/dev/null; sync; echo 3 >/proc/sys/vm/drop_caches")
            tap.equal(guest.run("dd if=/dev/mmcblk0 bs=1M skip=8 count=4 2>/dev/null | cmp - /tmp/data && echo same").strip(), "same")
            wanted = guest.run("md5sum </tmp/data").split()[0]
            with open(f"{folder}/a", "rb") as file:
                file.seek(8 << 20)
                tap.equal(hashlib.md5(file.read(4 << 20)).hexdigest(), wanted)
            guest.qmp.command("device_del", id="c")
            guest.qmp.event("DEVICE_DELETED", device="c")
            vm.wait_until(lambda: "mmcblk0" not in guest.run("ls /sys/block"), "the card's going", timeout=120)
            guest.qmp.command("device_add", driver="sd-card", id="d", drive="b")
            there()
            tap.equal(guest.run("dd if=/dev/mmcblk0 bs=4096 count=1 2>/dev/null | tr -d b | wc -c").strip(), "0")
            tap.equal(guest.run("dmesg | grep -ciE '(mmc0|mmcblk0|sdhci).*(timeout|error|fail)'", check=False).strip(), "0",
                      guest.run("dmesg | grep -iE 'mmc|sdhci'"))


TESTS = [
    ("ipmi by KCS at ports, and a watchdog", ipmi_watchdog),
    ("ipmi by BT on PCI", ipmi_pci),
    ("a card with ciphers", crypto),
    ("a network card on USB", usb_net),
    ("a printer", printer),
    ("a mouse", mouse),
    ("VMware's mouse", vmware_mouse),
    ("memory modules by the SMBus of pc", smbus_pc),
    ("memory modules by the SMBus of q35", smbus_q35),
    ("an SD card", sd_card),
]
tap.run([test for test in TESTS if len(sys.argv) < 5 or any(name in test[0] for name in sys.argv[4:])])

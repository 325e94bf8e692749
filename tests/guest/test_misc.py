#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Small devices as Debian's kernel sees them: test_misc.py BUILD-DIR IPMI AFALG [NAME...], with the programs ipmi.c and afalg.c."""
import os
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


TESTS = [
    ("ipmi by KCS at ports, and a watchdog", ipmi_watchdog),
    ("ipmi by BT on PCI", ipmi_pci),
    ("a card with ciphers", crypto),
    ("a network card on USB", usb_net),
]
tap.run([test for test in TESTS if len(sys.argv) < 5 or any(name in test[0] for name in sys.argv[4:])])

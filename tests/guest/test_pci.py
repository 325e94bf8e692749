#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI as Debian's kernel sees it: test_pci.py BUILD-DIR. Root ports enumerate, pins interrupt."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

MIB = 1 << 20
BUILD = sys.argv[1]
# libvirt's way to write them; the second is function 1 of the first's slot.
ROOT_PORTS = ["-device", '{"driver":"pcie-root-port","port":8,"chassis":1,"id":"pci.1","bus":"pcie.0",'
              '"multifunction":true,"addr":"0x1"}',
              "-device", '{"driver":"pcie-root-port","port":9,"chassis":2,"id":"pci.2","bus":"pcie.0",'
              '"addr":"0x1.0x1"}']
OVMF = "/usr/share/ovmf/OVMF.fd"
SEABIOS = "/usr/share/seabios/bios-256k.bin"


def machine(**options):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", **options)


def root_ports():
    with machine(extra=["-M", "q35", *ROOT_PORTS]) as guest:
        guest.wait_ready()
        tap.equal(guest.run("ls -1 /sys/bus/pci/devices").split(),
                  ["0000:00:00.0", "0000:00:01.0", "0000:00:01.1", "0000:00:1f.0", "0000:00:1f.2", "0000:00:1f.3"])
        tap.equal(guest.run("cd /sys/bus/pci/devices; cat 0000:00:01.*/secondary_bus_number; cd /").split(),
                  ["1", "2"])
        tap.equal(guest.run("ls /sys/bus/pci/drivers/pcieport | grep -c :"), "2", "bound to pcieport")
        # All of the extended configuration space: it is read through memory.
        tap.equal(guest.run("wc -c < /sys/bus/pci/devices/0000:00:01.0/config"), "4096")
        guest.run("grep -q 'b0000000-bfffffff : PCI MMCONFIG' /proc/iomem")
        guest.run("dmesg | grep -q 'MMCONFIG at .*reserved in E820'")
        guest.run("grep -q 'MSI.*PCIe' /proc/interrupts")


def pins(append, wanted):
    """Without MSI the ports are on pins: INTA# of slot 1 is on PIRQF#. Hot-plug works as ever."""
    with machine(extra=["-M", "q35", *ROOT_PORTS], append=f"{vm.APPEND} pci=nomsi {append}") as guest:
        guest.wait_ready()
        tap.equal(guest.run("cd /sys/bus/pci/devices; cat 0000:00:01.*/irq; cd /").split(), [wanted] * 2)
        guest.plug("d0", 256 * MIB)
        guest.unplug("d0")


def device_pin(append, wanted, *options):
    """The interrupt of a device without MSI-X, in slot 5 of a pc: PIRQA#."""
    extra = ["-device", "virtio-rng-pci,vectors=0,addr=5", *options]
    with machine(extra=extra, append=f"{vm.APPEND} {append}") as guest:
        guest.wait_ready()
        load_rng(guest)
        guest.run("dd if=/dev/hwrng of=/tmp/bytes bs=4096 count=1")
        line = guest.run("grep virtio0 /proc/interrupts").split()
        tap.equal((line[0], line[2], int(line[1]) > 8), (*wanted, True), str(line))


def virt_install_ports():
    """14 root ports, as virt-install makes them for q35: functions of slots 2 and 3."""
    options = []
    for n in range(14):
        place = {"addr": f"0x{2 + n // 8:x}.0x{n % 8:x}"} if n % 8 else {"addr": f"0x{2 + n // 8:x}",
                                                                       "multifunction": True}
        options += ["-device", json.dumps({"driver": "pcie-root-port", "port": 16 + n, "chassis": n + 1,
                                           "id": f"pci.{n + 1}", "bus": "pcie.0", **place})]
    return options


def load_rng(guest):
    for module in ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
                   "virtio-rng"):
        guest.run(f"insmod /lib/modules/{module}.ko")


def windows(guest, port):
    """Sizes of the windows behind a bridge: I/O, memory, prefetchable memory."""
    lines = guest.run(f"cat /sys/bus/pci/devices/0000:{port}/resource").splitlines()[-4:-1]
    ranges = [[int(word, 16) for word in line.split()] for line in lines]
    return [last - first + 1 if flags else 0 for first, last, flags in ranges]


def many_ports(firmware, package):
    """All are numbered, and have room for what comes: without firmware, with SeaBIOS, with OVMF."""
    if firmware and not os.path.exists(firmware):
        raise tap.Skip(f"there is no {firmware}: Debian's package {package} is not installed")
    extra = ["-M", "q35", *virt_install_ports(), "-device", "pcie-root-port,id=big,chassis=20,addr=4,bus-reserve=4,"
             "mem-reserve=8M,pref64-reserve=32M", "-device", "virtio-rng-pci,bus=pci.14",
             *(["-bios", firmware] if firmware else [])]
    with machine(extra=extra) as guest:
        guest.wait_ready(240)
        load_rng(guest)
        ports = [f"00:{2 + n // 8:02x}.{n % 8}" for n in range(14)]
        tap.equal([guest.run(f"cat /sys/bus/pci/devices/0000:{port}/secondary_bus_number") for port in ports],
                  [str(n + 1) for n in range(14)], "numbers of buses")
        for port in ports:
            tap.equal(all(size >= wanted for size, wanted in zip(windows(guest, port), (0, MIB, MIB))), True,
                      f"{port}: {windows(guest, port)}")
        guest.run("[ -e /sys/bus/pci/drivers/virtio-pci/0000:0e:00.0 ]")
        for _ in range(2):
            guest.qmp.command("device_add", driver="virtio-rng-pci", id="r0", bus="pci.7")
            guest.run("until grep -q 'rng.*rng' /sys/class/misc/hw_random/rng_available; do sleep 0.02; done")
            guest.qmp.command("device_del", id="r0")
            guest.qmp.event("DEVICE_DELETED", device="r0")
        if firmware:  # which keeps free what the port asks for; Linux alone does not look
            _, memory, pref = windows(guest, "00:04.0")
            tap.equal((memory >= 8 * MIB, pref >= 32 * MIB), (True, True), f"{memory}, {pref}")
            last = guest.run("cat /sys/bus/pci/devices/0000:00:04.0/subordinate_bus_number")
            tap.equal(int(last) >= 15 + 4, True, last)


def bridges():
    """Devices at the ends of a switch and of bridges to conventional buses, by MSI-X and by pins."""
    extra = ["-M", "q35", "-device", "ioh3420,id=rp,addr=3", "-device", "x3130-upstream,id=up,bus=rp",
             "-device", "xio3130-downstream,id=d0,bus=up,chassis=1", "-device",
             "xio3130-downstream,id=d1,bus=up,chassis=2", "-device", "virtio-rng-pci,id=r0,bus=d0",
             "-device", "pcie-pci-bridge,id=b0,bus=d1", "-device", "virtio-rng-pci,id=r1,bus=b0,addr=2,vectors=0",
             "-device", "i82801b11-bridge,id=b1,addr=4", "-device", "pci-bridge,id=b2,bus=b1,addr=5", "-device",
             "virtio-rng-pci,id=r2,bus=b2,addr=6,vectors=0"]
    with machine(extra=extra) as guest:
        guest.wait_ready()
        load_rng(guest)
        for number in range(3):
            guest.run(f"echo virtio_rng.{number} > /sys/class/misc/hw_random/rng_current")
            guest.run("dd if=/dev/hwrng of=/tmp/bytes bs=512 count=1")
        guest.run("[ $(ls /sys/bus/pci/drivers/pcieport | grep -c :) = 4 ]")
        pins = guest.run("grep 'IO-APIC.*virtio[0-9]$' /proc/interrupts").splitlines()
        tap.equal([int(line.split()[1]) > 0 for line in pins], [True, True], str(pins))


def expander(board, firmware=None, package=None):
    """A root bus near node 1: what is there, and what comes, is near it too."""
    if firmware and not os.path.exists(firmware):
        raise tap.Skip(f"there is no {firmware}: Debian's package {package} is not installed")
    extra = ["-M", board, "-smp", "2", "-numa", "node,mem=1G,cpus=0", "-numa", "node,mem=1G,cpus=1",
             *(["-bios", firmware] if firmware else [])]
    if board == "pc":
        extra += ["-device", "pxb,id=px,bus_nr=80,numa_node=1", "-device", "virtio-rng-pci,bus=px,addr=1"]
        first, second, bus, addr = "51:01.0", "51:02.0", "px", "2"
    else:
        extra += ["-device", "pxb-pcie,id=px,bus_nr=80,numa_node=1", "-device", "pcie-root-port,id=rp,bus=px,chassis=1",
                  "-device", "pcie-root-port,id=rq,bus=px,chassis=2", "-device", "virtio-rng-pci,bus=rp"]
        first, second, bus, addr = "51:00.0", "52:00.0", "rq", "0"
    with machine(extra=extra, cpus=0) as guest:
        guest.wait_ready(240)
        load_rng(guest)
        guest.run("dd if=/dev/hwrng of=/tmp/bytes bs=512 count=1")
        tap.equal(guest.run(f"cat /sys/bus/pci/devices/0000:{first}/numa_node"), "1")
        tap.equal(guest.run("dmesg | grep -E 'ACPI.*(Error|AE_)|BAR .*failed|window .mem.*failed'", check=False), "")
        for _ in range(2):
            guest.qmp.command("device_add", driver="virtio-rng-pci", id="r0", bus=bus, addr=addr)
            guest.run("until grep -q 'rng.*rng' /sys/class/misc/hw_random/rng_available; do sleep 0.02; done")
            tap.equal(guest.run(f"cat /sys/bus/pci/devices/0000:{second}/numa_node"), "1")
            guest.qmp.command("device_del", id="r0")
            guest.qmp.event("DEVICE_DELETED", device="r0")


def by_firmware():
    """The routes that SeaBIOS has found, without those of ACPI."""
    if not os.path.exists(SEABIOS):
        raise tap.Skip(f"there is no {SEABIOS}: Debian's package seabios is not installed")
    device_pin("pci=noacpi", ("10:", "XT-PIC"), "-bios", SEABIOS)


tap.run([("root ports", root_ports),
         ("root ports as virt-install makes them", lambda: many_ports(None, None)),
         ("the same with SeaBIOS", lambda: many_ports(SEABIOS, "seabios")),
         ("the same with OVMF", lambda: many_ports(OVMF, "ovmf")),
         ("a switch and bridges", bridges),
         ("an expander", lambda: expander("q35")),
         ("an expander with SeaBIOS", lambda: expander("q35", SEABIOS, "seabios")),
         ("an expander with OVMF", lambda: expander("q35", OVMF, "ovmf")),
         ("an expander of a pc", lambda: expander("pc")),
         ("an expander of a pc with SeaBIOS", lambda: expander("pc", SEABIOS, "seabios")),
         ("pins with the I/O APIC", lambda: pins("", "21")),
         ("pins with the 8259s", lambda: pins("noapic", "10")),
         ("a device's pin with the I/O APIC", lambda: device_pin("", ("10:", "IO-APIC"))),
         ("a device's pin with the 8259s", lambda: device_pin("noapic", ("10:", "XT-PIC"))),
         ("a device's pin by firmware's tables", by_firmware)])

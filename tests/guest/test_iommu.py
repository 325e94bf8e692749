#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel with an IOMMU, which translates all DMA: test_iommu.py BUILD-DIR [NAME...]."""
import hashlib
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MIB = 1 << 20
SIZE = 16 * MIB
VIRTIO = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci")
BLOCK = ("virtio_blk",)
NET = ("failover", "net_failover", "virtio_net")
AHCI = ("crct10dif_common", "crct10dif_generic", "crc-t10dif", "crc64", "crc64_rocksoft_generic", "crc64-rocksoft", "t10-pi",
        "scsi_common", "scsi_mod", "sd_mod", "libata", "libahci", "ahci")
PLATFORM = ",iommu_platform=on,disable-legacy=on"
INTEL = ("-device", "intel-iommu,intremap=on,device-iotlb=on,aw-bits=48")


def disks(folder, count):
    """Drives d0 and on, whose contents is all the same, and its MD5."""
    data = os.urandom(MIB) * (SIZE // MIB)
    words = []
    for n in range(count):
        with open(f"{folder}/d{n}", "wb") as file:
            file.write(data)
        words += ["-drive", f"if=none,id=d{n},format=raw,file={folder}/d{n}"]
    return words, hashlib.md5(data).hexdigest()


def machine(words, board="q35", append=vm.APPEND + " intel_iommu=on", **options):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="512M,slots=2,maxmem=4G", cpus=2,
                 append=append, extra=["-M", board, *words], **options)


def begin(guest, modules):
    guest.wait_ready()
    for module in modules:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)


def no_faults(guest, word="DMAR"):
    log = guest.run("dmesg")
    bad = [line for line in log.splitlines() if word in line and ("fault" in line or "rror" in line)]
    tap.equal(bad, [], "faults")
    return log


def read_back(guest, disk, digest):
    guest.run(f"until (: < /dev/{disk}) 2> /dev/null; do sleep 0.1; done")
    tap.equal(guest.run(f"dd if=/dev/{disk} bs=2M iflag=direct 2>/dev/null | md5sum").split()[0], digest, disk)


def write(guest, disk, folder, name):
    guest.run(f"head -c 1000000 /dev/urandom > /tmp/new; dd if=/tmp/new of=/dev/{disk} bs=1000000 conv=fsync 2>/dev/null")
    digest = guest.run("md5sum < /tmp/new").split()[0]
    with open(f"{folder}/{name}", "rb") as file:
        tap.equal(hashlib.md5(file.read(1000000)).hexdigest(), digest, name)


def translated(guest, disk):
    """The function of the disk is in a group whose DMA the kernel maps."""
    kind = guest.run(f"d=$(readlink -f /sys/block/{disk}/device); until [ -e $d/iommu_group ]; do d=$(dirname $d); done; "
                     "cat $d/iommu_group/type")
    tap.equal(kind in ("DMA", "DMA-FQ"), True, f"{disk}: {kind}")


def address(guest):
    guest.run("ip link set eth0 up; udhcpc -i eth0 -n -q -s /bin/true", timeout=60)


def nvme_and_virtio():
    """NVMe, virtio disk and network; a DIMM comes; the machine is moved, and restarted."""
    with tempfile.TemporaryDirectory() as folder:
        words, digest = disks(folder, 2)
        words += [*INTEL, "-device", "nvme,drive=d0,serial=x", "-device", f"virtio-blk-pci,drive=d1{PLATFORM}",
                  "-netdev", "user,id=n0", "-device", f"virtio-net-pci,netdev=n0{PLATFORM}"]
        with machine(words) as guest:
            begin(guest, VIRTIO + BLOCK + NET)
            log = no_faults(guest)
            for line in ("DMAR: Using Queued invalidation", "DMAR-IR: Enabled IRQ remapping in x2apic mode"):
                tap.equal(line.split(": ")[-1] in log, True, line)
            for disk in ("nvme0n1", "vda"):
                translated(guest, disk)
                read_back(guest, disk, digest)
            guest.plug("d0", 512 * MIB)
            for disk in ("nvme0n1", "vda"):
                read_back(guest, disk, digest)
            address(guest)
            write(guest, "nvme0n1", folder, "d0")
            write(guest, "vda", folder, "d1")
            guest.run("grep -q -E '(IR-PCI-MSI|IR-IO-APIC)' /proc/interrupts")
            guest.unplug("d0")
            no_faults(guest)
            guest.qmp.command("migrate", uri=f"file:{folder}/state")
            vm.wait_until(lambda: guest.qmp.command("query-migrate")["status"] == "completed", "the state is saved")
        with machine([*words, "-incoming", f"file:{folder}/state"]) as guest:
            vm.wait_until(lambda: guest.qmp.command("query-status")["status"] == "running", "the state is loaded")
            write(guest, "nvme0n1", folder, "d0")
            write(guest, "vda", folder, "d1")
            address(guest)
            no_faults(guest)
            guest.serial.send(b"reboot -f\n")
            begin(guest, VIRTIO + BLOCK)
            write(guest, "nvme0n1", folder, "d0")
            write(guest, "vda", folder, "d1")
            no_faults(guest)


def ahci_and_e1000e():
    """The same with AHCI and e1000e, which Linux sets up once more after a sleep in S3."""
    with tempfile.TemporaryDirectory() as folder:
        words, digest = disks(folder, 1)
        words += [*INTEL, "-device", "ide-hd,drive=d0", "-netdev", "user,id=n0", "-device", "e1000e,netdev=n0"]
        with machine(words, kernel="vmlinuz-generic", initrd="initrd-generic") as guest:
            begin(guest, (*AHCI, "e1000e"))
            translated(guest, "sda")
            read_back(guest, "sda", digest)
            address(guest)
            write(guest, "sda", folder, "d0")
            no_faults(guest)
            guest.serial.send(b"echo mem >/sys/power/state; echo \"woken with $?\"\n")
            guest.qmp.event("SUSPEND", 60)
            guest.qmp.command("system_wakeup")
            guest.wait_for(r"woken with 0", 60)
            write(guest, "sda", folder, "d0")
            no_faults(guest)


def amd():
    """AMD's, with AHCI, e1000e and a virtio network; the machine is saved and loaded, sleeps, and is restarted."""
    with tempfile.TemporaryDirectory() as folder:
        words, digest = disks(folder, 1)
        words += ["-device", "amd-iommu,intremap=on", "-device", "ide-hd,drive=d0", "-netdev", "user,id=n0", "-device", "e1000e,netdev=n0",
                  "-netdev", "user,id=n1", "-device", f"virtio-net-pci,netdev=n1{PLATFORM}"]
        modules = (*AHCI, "e1000e", *VIRTIO, *NET)
        kernel = {"kernel": "vmlinuz-generic", "initrd": "initrd-generic", "append": vm.APPEND + " amd_iommu=on"}

        def works(guest):
            write(guest, "sda", folder, "d0")
            for card in ("eth0", "eth1"):
                guest.run(f"ip link set {card} up; udhcpc -i {card} -n -q -s /bin/true", timeout=60)
            no_faults(guest, "AMD-Vi")
        with machine(words, **kernel) as guest:
            begin(guest, modules)
            tap.equal("AMD-Vi: Interrupt remapping enabled" in no_faults(guest, "AMD-Vi"), True, "interrupts")
            translated(guest, "sda")
            read_back(guest, "sda", digest)
            works(guest)
            guest.run("grep -q IR-PCI-MSI /proc/interrupts && grep -q IR-IO-APIC /proc/interrupts")
            guest.qmp.command("migrate", uri=f"file:{folder}/state")
            vm.wait_until(lambda: guest.qmp.command("query-migrate")["status"] == "completed", "the state is saved")
        with machine([*words, "-incoming", f"file:{folder}/state"], **kernel) as guest:
            vm.wait_until(lambda: guest.qmp.command("query-status")["status"] == "running", "the state is loaded")
            works(guest)
            guest.serial.send(b"echo mem >/sys/power/state; echo \"woken with $?\"\n")
            guest.qmp.event("SUSPEND", 60)
            guest.qmp.command("system_wakeup")
            guest.wait_for(r"woken with 0", 60)
            works(guest)
            guest.serial.send(b"reboot -f\n")
            begin(guest, modules)
            works(guest)


TESTS = {"AMD's": amd, "NVMe, virtio, a DIMM": nvme_and_virtio, "AHCI, e1000e": ahci_and_e1000e}

tap.run([(name, test) for name, test in TESTS.items() if not sys.argv[2:] or name in sys.argv[2:]])

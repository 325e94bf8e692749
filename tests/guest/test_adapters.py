#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SCSI adapters as Debian's kernel drives them: test_adapters.py BUILD-DIR [ADAPTER...]. All in one machine, each with a
disk and a CD drive."""
import hashlib
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MIB = 1 << 20
SCSI = ["crct10dif_common", "crct10dif_generic", "crc-t10dif", "crc64", "crc64_rocksoft_generic", "crc64-rocksoft", "t10-pi",
        "scsi_common", "scsi_mod", "cdrom", "sd_mod", "sr_mod"]
# (adapter on pc, the one on q35, modules, the driver, whether it is told of units that come)
ADAPTERS = [
    ("pvscsi", "pvscsi", ["vmw_pvscsi"], "vmw_pvscsi", True),
    ("lsi53c895a", "lsi53c810", ["scsi_transport_spi", "sym53c8xx"], "sym53c8xx", False),
    ("megasas", "megasas-gen2", ["megaraid_sas"], "megaraid_sas", False),
    ("mptsas1068", "mptsas1068", ["scsi_transport_sas", "mptbase", "mptscsih", "mptsas"], "mptsas", True),
    ("am53c974", "dc390", ["scsi_transport_spi", "esp_scsi", "am53c974"], "am53c974", False),
]


def write_and_read(guest, disk, path):
    """2,000,000 bytes written, flushed, and read by the guest and by the host."""
    guest.run("head -c 2000000 /dev/urandom > /tmp/pattern", timeout=120)
    guest.run(f"dd if=/tmp/pattern of=/dev/{disk} bs=256k conv=fsync 2>&1", timeout=120)
    guest.run(f"echo 3 > /proc/sys/vm/drop_caches; head -c 2000000 /dev/{disk} | cmp - /tmp/pattern", timeout=120)
    expected = guest.run("md5sum < /tmp/pattern").split()[0]
    with open(path, "rb") as file:
        tap.equal(hashlib.md5(file.read(2000000)).hexdigest(), expected, "the host's file")


def host_of(guest, name):
    """The number of the host that the driver @name has, when it is there."""
    found = f"ls -d /sys/bus/pci/drivers/{name}/*/host*"
    guest.run(f"until {found} > /dev/null 2>&1; do sleep 0.1; done", timeout=120)
    return guest.run(found).strip().split("/host")[-1]


def block_of(guest, host, kind):
    """The name of its first disk ("sd") or CD drive ("sr"), when it is there."""
    found = f"ls -d /sys/class/scsi_device/{host}:*/device/block/{kind}*"
    guest.run(f"until {found} > /dev/null 2>&1; do sleep 0.1; done", timeout=120)
    return guest.run(found).split("/")[-1].strip()


def removed(guest, host):
    """Wait until Linux is through with the removal of a disk, and has nothing there but the disk and the CD drive that stay:
    before that it writes the old disk's cache, to the new one if that is there, and the driver of SAS adapters loses a
    disk that comes (docs/scsi.md)."""
    for what in (f"/sys/bus/scsi/devices/{host}:*", f"/sys/class/sas_port/port-{host}:*"):
        guest.run(f"while [ $(ls -d {what} 2> /dev/null | wc -l) -gt 2 ]; do sleep 0.1; done", timeout=120)


def come_and_go(guest, adapter, host, disk, path):
    others = f"ls /sys/class/scsi_device/ | grep '^{host}:' | while read i; do ls /sys/class/scsi_device/$i/device/block; done | grep '^sd' | grep -v '^{disk}$'"
    for _ in range(2):
        guest.qmp.command("blockdev-add", driver="file", **{"node-name": "more", "filename": path})
        guest.qmp.command("device_add", driver="scsi-hd", id="more", drive="more", bus=f"{adapter}.0", **{"scsi-id": 5})
        guest.run(f"until {others} > /tmp/new; do sleep 0.1; done 2> /dev/null", timeout=120)
        new = guest.run("cat /tmp/new").strip()
        guest.run(f"until head -c 512 /dev/{new} > /dev/null 2>&1; do sleep 0.1; done", timeout=120)
        guest.run(f"dd if=/tmp/pattern of=/dev/{new} bs=64k count=16 conv=fsync 2>&1", timeout=120)
        guest.qmp.command("device_del", id="more")
        guest.qmp.event("DEVICE_DELETED", device="more")
        removed(guest, host)
        guest.qmp.command("blockdev-del", **{"node-name": "more"})


def adapters(machine_type, wanted):
    with tempfile.TemporaryDirectory() as folder:
        extra = ["-M", machine_type]
        for adapter, *_ in wanted:
            for name, content in (("disk", b""), ("disc", adapter.encode())):
                with open(f"{folder}/{adapter}-{name}", "wb") as file:
                    file.write(content)
                    file.truncate((8 if name == "disk" else 1) * MIB)
            extra += ["-device", f"{adapter},id={adapter}",
                      "-drive", f"if=none,id={adapter}-d,file={folder}/{adapter}-disk,format=raw",
                      "-drive", f"if=none,id={adapter}-c,file={folder}/{adapter}-disc,format=raw,media=cdrom",
                      "-device", f"scsi-hd,bus={adapter}.0,drive={adapter}-d,scsi-id=0",
                      "-device", f"scsi-cd,bus={adapter}.0,drive={adapter}-c,scsi-id=2"]
        with open(f"{folder}/more", "wb") as file:
            file.truncate(4 * MIB)
        with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M", cpus=1, kernel="vmlinuz-generic",
                   initrd="initrd-generic", extra=extra) as guest:
            guest.wait_ready()
            for module in SCSI:
                guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
            for adapter, modules, driver, hotplug in wanted:
                for module in modules:
                    guest.run(f"grep -q '^{module} ' /proc/modules || insmod /lib/modules/{module}.ko", timeout=120)
                host = host_of(guest, driver)
                disk = block_of(guest, host, "sd")
                write_and_read(guest, disk, f"{folder}/{adapter}-disk")
                cd = block_of(guest, host, "sr")
                tap.equal(guest.run(f"head -c {len(adapter)} /dev/{cd}").strip(), adapter, "the disc")
                if hotplug:
                    come_and_go(guest, adapter, host, disk, f"{folder}/more")
            tap.equal(guest.run("dmesg | grep -i -E 'i/o error|timed? ?out|abort|reset|WARNING|call trace' "
                                "| grep -v -E 'rcu|PCI|Power-on or|sym0: SCSI BUS has been reset|megaraid_sas .*(OCR|TaskAbort)' || true").strip(), "")


def chosen(machine):
    """(adapter, modules, ...) of those that the command line names, or all."""
    all_of_them = [(adapter[machine == "q35"], *adapter[2:]) for adapter in ADAPTERS]
    return [adapter for adapter in all_of_them if adapter[0] in sys.argv[2:] or not sys.argv[2:]]


tap.run([(f"{', '.join(adapter[0] for adapter in chosen(machine))} on {machine}",
          lambda machine=machine: adapters(machine, chosen(machine))) for machine in ("pc", "q35") if chosen(machine)])

# SPDX-License-Identifier: GPL-2.0-or-later
"""vfio-pci: an outer machine with an IOMMU gives devices to the inner one, whose memory comes and goes meanwhile. A Cases is made of
the outer machine."""
import contextlib

import tap
import test_linux as linux
import vm

MIB = 1 << 20
OUTER_MODULES = ["drivers/vfio/vfio", "drivers/vfio/vfio_virqfd", "drivers/vfio/vfio_iommu_type1", "drivers/vfio/pci/vfio-pci-core",
                 "drivers/vfio/pci/vfio-pci"]
PAGE = 4096
DISK, DISK_MIB = "0000:01:00.0", 64


def outer_options(folder):
    """Options of outer.Outer. The disk's file goes with the folder; the emulator has it open."""
    with open(f"{folder}/disk", "wb") as file:
        file.truncate(DISK_MIB * MIB)
    return {"extra": ["-machine", "q35,kernel-irqchip=split", "-device", "intel-iommu,intremap=on",
                      "-device", "pcie-root-port,id=rp1,chassis=1,addr=10",
                      "-drive", f"file={folder}/disk,format=raw,if=none,id=disk", "-device", "nvme,drive=disk,serial=1,bus=rp1"],
            "append": " intel_iommu=on iommu=nopt"}


class Cases:
    def __init__(self, place, program):
        self.place, self.program = place, program

    def bind(self, device):
        """To vfio-pci, from whatever has it."""
        folder = f"/sys/bus/pci/devices/{device}"
        self.place.run(f"echo vfio-pci > {folder}/driver_override; [ ! -e {folder}/driver ] || echo {device} > {folder}/driver/unbind; "
                       f"echo {device} > /sys/bus/pci/drivers_probe")
        tap.equal(self.place.run(f"basename $(readlink {folder}/driver)").strip(), "vfio-pci", "the driver of the outer kernel")

    def fill(self, keep=False, node="/dev/nvme0n1"):
        """Random bytes on the disk, by the outer kernel, or what is there: their sum."""
        self.place.run(f"[ ! -e /sys/bus/pci/drivers/vfio-pci/{DISK} ] || echo {DISK} > /sys/bus/pci/drivers/vfio-pci/unbind; "
                       f"echo nvme > /sys/bus/pci/devices/{DISK}/driver_override; "
                       f"readlink /sys/bus/pci/devices/{DISK}/driver || echo {DISK} > /sys/bus/pci/drivers_probe; "
                       f"until [ -b {node} ]; do sleep 0.1; done", timeout=120)
        make = f"dd if=/dev/urandom of={node} bs=1M count={DISK_MIB} 2>/dev/null; sync; "
        return self.place.run(f"{'' if keep else make}sha256sum < {node}", timeout=300).split()[0]

    @contextlib.contextmanager
    def given(self, *options, **machine):
        with linux.machine(extra=["-device", "pcie-root-port,id=rp0,chassis=1,addr=10",
                                  "-device", f"vfio-pci,host={DISK},id=h0,bus=rp0", *options], **machine) as guest:
            guest.wait_ready()
            yield guest

    @staticmethod
    def read(guest):
        """Its sum, and how many pages of zone Movable are free while the device's bytes are in the reader's buffer."""
        said = guest.run("until (: < /dev/nvme0n1) 2> /dev/null; do sleep 0.1; done; "
                         f"dd if=/dev/nvme0n1 bs={DISK_MIB}M iflag=direct 2>/dev/null | {{ dd of=/tmp/first bs=1 count=1 2>/dev/null; "
                         "grep -A1 'zone  *Movable' /proc/zoneinfo; cat /tmp/first - | sha256sum; }", timeout=300)
        return said.split()[-2], said.split()

    def movable(self, guest, total, text):
        """What is read goes into memory that was plugged."""
        free = [int(guest.run("grep -A1 'zone  *Movable' /proc/zoneinfo").split()[-1])]
        found, words = self.read(guest)
        free.append(int(words[-3]))
        print(f"# free pages of zone Movable: {free}")
        tap.equal(found, total, text)
        tap.equal(free[0] - free[1] >= DISK_MIB * MIB // PAGE, True, f"{text}: the buffer is there: {free}")

    def untroubled(self):
        tap.equal(self.place.run("dmesg | grep -c 'DMAR.*fault'").strip(), "0", "accesses that the IOMMU refused")

    def disk(self):
        """Read, and written, by the guest; with a DIMM into which the device writes, and without; it goes and comes again, and is
        the outer kernel's at the end."""
        total = self.fill()
        self.bind(DISK)
        with self.given() as guest:
            tap.equal(self.read(guest)[0], total, "what the disk has")
            tap.equal("MSI" in guest.run("grep nvme0q1 /proc/interrupts"), True, "interrupts")
            for _ in range(2):
                guest.plug("d0", 128 * MIB)
                self.movable(guest, total, "with a DIMM")
                guest.unplug("d0")
                tap.equal(self.read(guest)[0], total, "without")
            self.refused(guest)
            guest.qmp.command("device_del", id="h0")
            guest.qmp.event("DEVICE_DELETED", device="h0")
            guest.run("[ ! -e /dev/nvme0n1 ]")
            guest.plug("d1", 128 * MIB)
            guest.qmp.command("device_add", driver="vfio-pci", host=DISK, id="h1", bus="rp0")
            self.movable(guest, total, "a disk that comes after a DIMM")
            guest.run(f"dd if=/dev/urandom of=/tmp/new bs=1M count={DISK_MIB} 2>/dev/null; dd if=/tmp/new of=/dev/nvme0n1 bs=4M 2>/dev/null; "
                      "sync", timeout=120)
            total = guest.run("sha256sum < /tmp/new", timeout=120).split()[0]
            guest.qmp.command("system_reset")
            guest.wait_ready()
            tap.equal(self.read(guest)[0], total, "what was written, after a reset")
            tap.equal(guest.power_off(), 0, "exit status")
        self.untroubled()
        tap.equal(self.fill(keep=True), total, "what the outer kernel finds there")

    @staticmethod
    def refused(guest):
        reasons = guest.qmp.command("query-migrate").get("blocked-reasons", [])
        tap.equal([DISK in reason for reason in reasons], [True], f"why the machine cannot be moved: {reasons}")

    def pin(self):
        """Interrupts by a pin, which the driver ends by looking at the device."""
        total = self.fill()
        self.bind(DISK)
        with self.given(append=f"{vm.APPEND} pci=nomsi") as guest:
            tap.equal(self.read(guest)[0], total, "what the disk has")
            said = guest.run("grep nvme /proc/interrupts")
            tap.equal("IO-APIC" in said and "MSI" not in said, True, said)
            guest.plug("d0", 128 * MIB)
            self.movable(guest, total, "with a DIMM")
            guest.qmp.command("stop")
            guest.qmp.command("cont")
            tap.equal(self.read(guest)[0], total, "after a stop")
            tap.equal(guest.power_off(), 0, "exit status")
        self.untroubled()

    def blocks(self):
        """virtio-mem: blocks that come can be written to by the device, and those that go are not pinned any more."""
        total = self.fill()
        self.bind(DISK)
        with self.given("-object", "memory-backend-ram,id=m0,size=512M", "-device", "pcie-root-port,id=rp1,chassis=2,addr=11",
                        "-device", "virtio-mem-pci,id=vm0,memdev=m0,requested-size=0,bus=rp1", initrd="initrd-more") as guest:
            for module in ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_mem"):
                guest.run(f"insmod /lib/modules/{module}.ko")
            locked = self.locked(guest)
            for _ in range(2):
                self.resize(guest, 256)
                tap.equal(self.locked(guest) - locked, 256 * 1024, "KiB that are locked more")
                self.movable(guest, total, "with blocks of virtio-mem")
                self.resize(guest, 0)
                tap.equal(self.locked(guest) - locked, 0, "KiB that are locked more")
                tap.equal(self.read(guest)[0], total, "without")
            tap.equal(guest.power_off(), 0, "exit status")
        self.untroubled()

    def node(self):
        """The controller is this program's own, as a block node (driver nvme): read and written by the guest, also by requests
        that are no whole pages; it goes and comes again, and is the outer kernel's at the end."""
        total = self.fill()
        self.bind(DISK)
        node = {"driver": "nvme", "node-name": "n0", "device": DISK, "namespace": 1}
        with linux.machine(extra=["-blockdev", f"nvme,node-name=n0,device={DISK},namespace=1", "-device", "pcie-root-port,id=rp0,chassis=1,addr=10",
                                  "-device", "nvme,id=d0,serial=9,drive=n0,bus=rp0"]) as guest:
            guest.wait_ready()
            size = int(guest.run("until (: < /dev/nvme0n1) 2> /dev/null; do sleep 0.1; done; cat /sys/block/nvme0n1/size", timeout=120))
            tap.equal(size * 512, DISK_MIB * MIB, "its size")
            tap.equal(guest.run("sha256sum < /dev/nvme0n1", timeout=300).split()[0], total, "what the disk has")
            guest.plug("m0", 128 * MIB)
            for block in ("512", "7k", "1M", "4M"):
                guest.run(f"dd if=/dev/urandom of=/tmp/new bs={block} count=9 2>/dev/null; "
                          f"dd if=/tmp/new of=/dev/nvme0n1 bs={block} seek=1 oflag=direct 2>/dev/null; echo 3 > /proc/sys/vm/drop_caches; "
                          f"dd if=/dev/nvme0n1 bs={block} skip=1 count=9 iflag=direct 2>/dev/null | cmp - /tmp/new", timeout=120)
            total = guest.run("sync; echo 3 > /proc/sys/vm/drop_caches; sha256sum < /dev/nvme0n1", timeout=300).split()[0]
            guest.qmp.command("device_del", id="d0")
            guest.qmp.event("DEVICE_DELETED", device="d0")
            guest.qmp.command("blockdev-del", **{"node-name": "n0"})
            for wrong, why in (({"namespace": 2}, "namespace=2"), ({"namespace": 0}, "1 to"), ({"namespace": 1 << 40}, "1 to"), ({"device": "0000:00:1f.2"}, "vfio-pci")):
                try:
                    guest.qmp.command("blockdev-add", **{**node, **wrong})
                    raise AssertionError(f"{wrong} was accepted")
                except vm.QmpError as err:
                    tap.equal(why in err.desc, True, err.desc)
            guest.qmp.command("blockdev-add", **node)
            guest.qmp.command("device_add", driver="nvme", id="d1", serial="9", drive="n0", bus="rp0")
            tap.equal(guest.run("until (: < /dev/nvme0n1) 2> /dev/null; do sleep 0.1; done; sha256sum < /dev/nvme0n1", timeout=300).split()[0], total,
                      "what it has, again")
            tap.equal(guest.power_off(), 0, "exit status")
        self.untroubled()
        tap.equal(self.fill(keep=True), total, "what the outer kernel finds there")

    def locked(self, guest):
        """KiB that the outer kernel counts as pinned for the program."""
        return int(self.place.run(f"grep VmLck /proc/{guest.process.pid}/status").split()[1])

    @staticmethod
    def resize(guest, mib):
        guest.qmp.command("qom-set", path="vm0", property="requested-size", value=mib * MIB)
        guest.run("true")
        while guest.qmp.command("qom-get", path="vm0", property="size") != mib * MIB:
            guest.qmp.event("MEMORY_DEVICE_SIZE_CHANGE", timeout=120)

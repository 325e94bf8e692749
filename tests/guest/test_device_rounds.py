#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Controllers, cards, folders, and devices of other programs come and go while Debian's kernel runs, and while they
are in use; the program grows no more: test_device_rounds.py BUILD-DIR pc|q35 [NAME...]. $ROUNDS (4): how often."""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../qtest"]
import tap  # noqa: E402
import vhost_backend  # noqa: E402
import vm  # noqa: E402
from test_pci_hotplug import GROWTH, asked, taken, wait  # noqa: E402

BUILD, MACHINE = sys.argv[1], sys.argv[2]
ROUNDS = max(4, int(os.environ.get("ROUNDS", "4")))
VIRTIO = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci")


class Kind:
    """A PCI device @words with @parts on its bus; @there: the guest has it, if perhaps not to be opened yet; @load: what is
    done with it until it goes, or None; @used: that has begun; @end: what the guest does before it goes."""

    def __init__(self, words, there, load=None, used="true", parts=(), end="true"):
        self.words, self.there, self.load, self.used, self.parts, self.end = words, there, load, used, parts, end


def disk(words, name, parts=()):
    read = f"dd if=/dev/{name} of=/dev/null bs=64k count=64 iflag=direct"
    # The disk may go while it is read for the first time.
    return Kind(words, f"[ -b /dev/{name} ]", f"until (: < /dev/{name}); do sleep 0.01; done; while {read}; do sleep 0.01; done",
                f"[ $(awk '{{ print $1 }}' /sys/block/{name}/stat) -gt 20 ]", parts)


def card(model, netdev, driver=None):
    """With the router of its own network. @driver: the guest's, if that is called otherwise."""
    number, device, model = netdev[1:], model, driver or model
    there = f"grep -l '^DRIVER={model}$' /sys/class/net/*/device/uevent >/dev/null 2>&1"
    name = f"$(basename $(dirname $(dirname $(grep -l '^DRIVER={model}$' /sys/class/net/*/device/uevent))))"
    return Kind({"driver": device, "netdev": netdev}, there,
                f"ifconfig {name} 10.0.{number}.15 netmask 255.255.255.0 up; peer=10.0.{number}.2; "
                "until ping -c 1 -W 1 $peer; do :; done; while ping -c 1 -W 1 $peer; do :; done",
                f"[ $(cat /sys/class/net/{name}/statistics/rx_packets) -gt 1 ]")


def shared(words, driver, options):
    """A folder that the guest's @driver mounts with @options."""
    return Kind(words, f"ls -d /sys/bus/virtio/drivers/{driver}/virtio* >/dev/null 2>&1",
                f"until mount {options} tag /mnt; do sleep 0.01; done; while [ ! -e /tmp/stop ]; do "
                "head -c 65536 /mnt/0 > /tmp/0; echo > /mnt/new; rm /mnt/new; done; umount /mnt",
                "[ -s /tmp/0 ]", end="touch /tmp/stop; while grep -q /mnt /proc/mounts; do sleep 0.02; done; rm /tmp/stop /tmp/0")


SETS = {
    "controllers": (("vmlinuz", "initrd-more"), (*VIRTIO, "scsi_common", "scsi_mod", "cdrom", "sd_mod", "sr_mod", "virtio_scsi"), [
        disk({"driver": "virtio-scsi-pci", "num_queues": 2}, "sda", [{"driver": "scsi-hd", "drive": "d0"}, {"driver": "scsi-cd"}]),
        disk({"driver": "nvme", "serial": "x", "drive": "d1"}, "nvme0n1")]),
    "cards and a folder": (("vmlinuz-generic", "initrd-generic"), (*VIRTIO, "netfs", "fscache", "9pnet", "9pnet_virtio", "9p", "e1000", "e1000e", "mii", "8139cp"), [
        card("e1000", "u2"), card("e1000e", "u3"), card("rtl8139", "u4", "8139cp"),
        shared({"driver": "virtio-9p-pci", "fsdev": "f0", "mount_tag": "tag"}, "9pnet_virtio", "-t 9p -o trans=virtio,version=9p2000.L")]),
    "more cards": (("vmlinuz-generic", "initrd-generic"), (*VIRTIO, "mii", "vmxnet3", "pcnet32", "8390", "ne2k-pci"), [
        card("vmxnet3", "u2"), card("pcnet", "u3", "pcnet32"), card("ne2k_pci", "u4", "ne2k-pci")]),
    "other programs' disks": (("vmlinuz", "initrd-more"), (*VIRTIO, "virtio_blk"), [
        disk({"driver": "vhost-user-blk-pci", "chardev": "c0"}, "vda")]),
    "other programs' folders": (("vmlinuz", "initrd-more"), (*VIRTIO, "fuse", "virtiofs"), [
        shared({"driver": "vhost-user-fs-pci", "chardev": "c0", "tag": "tag"}, "virtiofs", "-t virtiofs")]),
    "other programs' cards": (("vmlinuz", "initrd-more"), (*VIRTIO, "failover", "net_failover", "virtio_net"), [
        card("virtio-net-pci", "u9", "virtio_net")]),
}


def make_images(folder):
    for n in range(2):
        with open(f"{folder}/{n}", "wb") as image:
            image.write(os.urandom(1 << 16))
            image.truncate(64 << 20)


def program_of(folder, name, path):
    """The words of the program that has the disk or shows the folder."""
    if "disks" in name:
        program = shutil.which("qemu-storage-daemon")
        return [program, "--blockdev", f"driver=file,node-name=f0,filename={folder}/0", "--export",
                f"type=vhost-user-blk,id=e0,node-name=f0,writable=on,addr.type=unix,addr.path={path}"] if program else None
    program = next((p for p in ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd") if os.path.exists(p)), None)
    return [program, f"--socket-path={path}", "-o", f"source={folder}", "-o", "sandbox=chroot"] if program else None


@contextlib.contextmanager
def back_end(folder, name):
    """The images, and the other program with one of them, where it is asked for."""
    path = f"{folder}/back-end"
    make_images(folder)
    if "programs" not in name:
        yield []
        return
    chardev = ["-chardev", f"socket,id=c0,path={path}"]
    if "cards" in name:
        card_back_end = vhost_backend.Card(path)
        yield [*chardev, "-netdev", "vhost-user,id=u9,chardev=c0"]
        card_back_end.close()
        return
    words = program_of(folder, name, path)
    if not words:
        raise tap.Skip("there is no qemu-storage-daemon, or no virtiofsd")
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        vm.wait_until(lambda: os.path.exists(path) or process.poll() is not None, path)
        yield chardev
    finally:
        process.terminate()
        process.wait()


def machine(folder, kernel, more):
    words = ["-object", "memory-backend-memfd,id=ram,size=512M", "-M", f"{MACHINE},memory-backend=ram",
             "-fsdev", f"local,id=f0,path={folder},security_model=none", *more]
    for n in range(2):
        words += ["-blockdev", f"file,node-name=d{n},filename={folder}/{n}"]
    for n in range(2, 5):
        words += ["-netdev", f"user,id=u{n},net=10.0.{n}.0/24"]
    if MACHINE == "q35":
        words += [word for n in range(4) for word in ("-device", f"pcie-root-port,id=rp{n},chassis={n}")]
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", kernel=kernel[0], initrd=kernel[1], accel="soft", memory="512M", extra=words)


def one_round(guest, kinds, busy):
    for n, kind in enumerate(kinds):
        bus = {"bus": f"rp{n}"} if MACHINE == "q35" else {}
        guest.qmp.execute({"execute": "device_add", "arguments": {**kind.words, **bus, "id": f"x{n}"}})
        for part in kind.parts:
            guest.qmp.execute({"execute": "device_add", "arguments": {**part, "bus": f"x{n}.0"}})
    for kind in kinds:
        wait(guest, kind.there)
    if busy:
        for kind in kinds:
            guest.run(f"({kind.load}) >/dev/null 2>&1 &")
        for kind in kinds:
            wait(guest, kind.used)
            guest.run(kind.end)
    for n, _ in enumerate(kinds):
        vm.wait_until(lambda n=n: asked(guest, f"x{n}"), "the guest is through with the insertion")
    for n, _ in enumerate(kinds):
        guest.qmp.event("DEVICE_DELETED", device=f"x{n}")


def rounds(name):
    kernel, modules, kinds = SETS[name]
    with tempfile.TemporaryDirectory() as folder, back_end(folder, name) as more, vm.small_quarantine(), \
            machine(folder, kernel, more) as guest:
        guest.wait_ready()
        for module in modules:
            guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
        guest.run("mkdir -p /mnt")
        started, half = time.monotonic(), None
        before = guest.run("ls /sys/bus/pci/devices")
        for number in range(ROUNDS):
            one_round(guest, kinds, number % 2)
            guest.run("wait")
            tap.equal(guest.run("ls /sys/bus/pci/devices"), before)
            guest.qmp.drain().clear()
            if number + 1 == ROUNDS // 2:
                half = taken(guest)
        tap.equal(guest.run("dmesg | grep -E 'BUG|Oops|WARNING|hung task'", check=False), "")
        files, memory = taken(guest)
        print(f"# {ROUNDS} rounds in {time.monotonic() - started:.0f} s; open files and KiB {half}, then {files, memory}", flush=True)
        tap.equal(files, half[0], "open files")
        tap.equal(memory - half[1] < GROWTH, True, f"{half[1]} KiB, then {memory}")


tap.run([(f"{name} come and go", lambda name=name: rounds(name)) for name in SETS if name in sys.argv[3:] or not sys.argv[3:]])

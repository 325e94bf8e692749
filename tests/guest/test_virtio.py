#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Virtio devices as Debian's kernel sees them: test_virtio.py BUILD-DIR."""
import hashlib
import os
import shutil
import subprocess
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
BUS = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"]


def machine(*devices, machine_type="pc", chardevs=(), drives=(), netdevs=(), objects=(), **options):
    extra = ["-M", machine_type] + [word for chardev in chardevs for word in ("-chardev", chardev)]
    extra += [word for one in objects for word in ("-object", one)]
    extra += [word for drive in drives for word in ("-drive", drive)]
    extra += [word for netdev in netdevs for word in ("-netdev", netdev)]
    extra += [word for device in devices for word in ("-device", device)]
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", extra=extra, **options)


def load(guest, *modules):
    for module in [*BUS, *modules]:
        guest.run(f"insmod /lib/modules/{module}.ko")


def features(guest):
    """Numbers of the bits that the driver has accepted."""
    text = guest.run("cat /sys/bus/virtio/devices/virtio0/features").strip()
    return {bit for bit, char in enumerate(text) if char == "1"}


def check_random(guest):
    tap.equal(guest.run("cat /sys/class/misc/hw_random/rng_current").strip(), "virtio_rng.0")
    guest.run("dd if=/dev/hwrng of=/tmp/bytes bs=4096 count=16 2>/dev/null")
    tap.equal(guest.run("wc -c < /tmp/bytes").strip(), "65536")
    # 64 KiB of random bytes do not become less.
    packed = int(guest.run("gzip -c /tmp/bytes | wc -c"))
    if packed < 65536:
        raise AssertionError(f"what came can be packed into {packed} bytes")


def rng(machine_type, device, wanted, absent):
    with machine(device, machine_type=machine_type) as guest:
        guest.wait_ready()
        load(guest, "virtio-rng")
        there = features(guest)
        if not wanted <= there or there & absent:
            raise AssertionError(f"features {there}")
        check_random(guest)
        guest.run("grep -q 'virtio0-' /proc/interrupts")  # MSI-X
        # The driver goes and comes again.
        guest.run("rmmod virtio_rng && insmod /lib/modules/virtio-rng.ko")
        check_random(guest)


def serial():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/port"
        with machine("virtio-serial-pci", "virtserialport,chardev=c1,id=p1,name=org.test.1",
                     "virtconsole,chardev=c0",
                     chardevs=[f"socket,id=c1,path={path},server=on,wait=off",
                               f"socket,id=c0,path={path}-console,server=on,wait=off"]) as guest:
            guest.wait_ready()
            load(guest, "virtio_console")
            # The driver hears of ports after it was loaded.
            guest.run("until [ -e /sys/class/virtio-ports/vport0p1/name ] && [ -e /dev/hvc0 ]; do sleep 0.1; done")
            tap.equal(guest.run("cat /sys/class/virtio-ports/vport0p1/name").strip(), "org.test.1")
            port, console = vm.Stream(path), vm.Stream(f"{path}-console")
            # A write to a port whose other end is not open waits until it is.
            guest.run("echo to the host > /dev/vport0p1")
            guest.qmp.event("VSERPORT_CHANGE", id="p1", open=True)
            tap.equal(port.line(), b"to the host")
            port.send(b"to the guest\n")
            tap.equal(guest.run("head -n 1 /dev/vport0p1").strip(), "to the guest")
            # Enough to go around the ring several times.
            guest.run("dd if=/dev/urandom of=/tmp/data bs=64k count=32 2>/dev/null")
            wanted = guest.run("sha256sum < /tmp/data").split()[0]
            guest.run("(cat /tmp/data > /dev/vport0p1; echo sent) > /tmp/sent 2>&1 &")
            data = b""
            while len(data) < 32 << 16:
                data += port.sock.recv(65536)
            tap.equal(hashlib.sha256(data).hexdigest(), wanted)
            guest.run("echo shown > /dev/hvc0")
            text = b""
            while b"shown" not in text:
                text += console.sock.recv(4096)


def pci_serial():
    """Linux has it without a driver of its own; more than the FIFO goes each way, by its interrupt. And devices of people."""
    with tempfile.TemporaryDirectory() as folder:
        with machine("pci-serial,chardev=c1", "virtio-keyboard-pci", "virtio-mouse-pci", "virtio-tablet-pci",
                     chardevs=[f"socket,id=c1,path={folder}/port,server=on,wait=off"]) as guest:
            guest.wait_ready()
            port = vm.Stream(f"{folder}/port")
            tty = "/dev/" + guest.run("cd /sys/bus/pci/devices/*/tty && ls").strip()
            guest.run(f"[ -e {tty} ] || mknod {tty} c $(tr : ' ' < /sys/class/tty/{tty[5:]}/dev); stty -F {tty} raw -echo")
            line = "to and fro " * 300
            guest.run(f"echo {line} > {tty}")
            tap.equal(port.line().decode().strip(), line.strip())
            guest.run(f"exec 3<{tty}")  # opening it empties the FIFO
            port.send(line.encode() + b"\n")
            tap.equal(guest.run("head -n 1 <&3").strip(), line.strip())
            guest.run(f"grep -q {tty[5:]} /proc/interrupts")
            keys_and_pointers(guest)


def listen(guest, name):
    """The guest keeps what its input device @name tells; the (type, code, value) of it but for the ends of groups."""
    event = guest.run(f"grep -A4 '\"{name}\"' /proc/bus/input/devices | grep -o 'event[0-9]*'").strip()
    guest.run(f"(cat /dev/input/{event} > /tmp/{event}) > /dev/null 2>&1 &")
    vm.wait_until(lambda: guest.run(f"ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c /dev/input/{event} || true").strip() == "1", f"{event} is open")

    def told():
        lines = guest.run(f"hexdump -v -e '24/1 \"%02x\" \"\\n\"' /tmp/{event}").split()
        found = [struct.unpack("<16xHHi", bytes.fromhex(line)) for line in lines if len(line) == 48]
        return [what for what in found if what[0]]
    return told


def keys_and_pointers(guest):
    """By Linux's evdev: what the monitor does. The keyboard that the guest uses last gets the keys."""
    load(guest, "evdev", "virtio_input")
    keys, moves, places = (listen(guest, f"QEMU Virtio {name}") for name in ("Keyboard", "Mouse", "Tablet"))
    guest.qmp.command("send-key", keys=[{"type": "qcode", "data": name} for name in ("shift", "a", "right")])
    vm.wait_until(lambda: keys() == [(1, 42, 1), (1, 30, 1), (1, 106, 1), (1, 106, 0), (1, 30, 0), (1, 42, 0)], "three keys")
    guest.qmp.command("human-monitor-command", **{"command-line": "mouse_move 5 -7"})
    vm.wait_until(lambda: moves() == [(2, 0, 5), (2, 1, -7)], "a move")
    guest.qmp.command("input-send-event", events=[
        {"type": "abs", "data": {"axis": "x", "value": 1234}}, {"type": "abs", "data": {"axis": "y", "value": 32767}}])
    vm.wait_until(lambda: places() == [(3, 0, 1234), (3, 1, 32767)], "a place")
    tap.equal(guest.run("dmesg | grep -ciE 'input.*(error|fail)' || true").strip(), "0")


def shared_memory():
    """ivshmem-plain, plugged while it runs: Linux places it, and both sides see what the other writes. A driver would
    map BAR 2; here it is read and written at its address."""
    def word(value=""):
        return guest.run(f"busybox devmem {bar + 0x1234000:#x} 32 {value}").strip()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/shared"
        with open(path, "wb") as file:
            file.truncate(32 << 20)
        with machine(objects=[f"memory-backend-file,id=m0,size=32M,share=on,mem-path={path}"]) as guest:
            guest.wait_ready()
            guest.qmp.command("device_add", driver="ivshmem-plain", id="s0", memdev="m0")
            find = "grep -l 0x1110 /sys/bus/pci/devices/*/device"
            vm.wait_until(lambda: guest.run(f"{find} || true").strip(), "Linux finds it")
            there = os.path.dirname(guest.run(find).strip())
            tap.equal(guest.run(f"cat {there}/vendor {there}/class {there}/revision").split(), ["0x1af4", "0x050000", "0x01"])
            first, last = (int(word, 16) for word in guest.run(f"sed -n 3p {there}/resource").split()[:2])
            tap.equal(last - first + 1, 32 << 20)
            bar = first
            guest.run(f"echo 1 > {there}/enable")
            with open(path, "r+b") as file:
                file.seek(0x1234000)
                file.write(bytes.fromhex("78563412"))
                file.flush()
                tap.equal(word(), "0x12345678")
                word("0xcafef00d")
                file.seek(0x1234000)
                tap.equal(file.read(4).hex(), "0df0feca")
            guest.qmp.command("device_del", id="s0")
            guest.qmp.event("DEVICE_DELETED", device="s0")
            guest.qmp.command("object-del", id="m0")


def check_disk(guest, path):
    """Bytes both ways, compared with the host's file; then a file system."""
    size = 64 << 20
    tap.equal(guest.run("cat /sys/block/vda/size").strip(), str(size // 512))
    tap.equal(guest.run("cat /sys/block/vda/serial").strip(), "disk-1")
    with open(path, "r+b") as image:
        data = os.urandom(1 << 20)
        image.seek(3 << 20)
        image.write(data)
    wanted = hashlib.sha256(data).hexdigest()
    tap.equal(guest.run("dd if=/dev/vda bs=64k skip=48 count=16 2>/dev/null | sha256sum").split()[0], wanted)
    # In pieces of a sector, which Linux puts together, and around its cache.
    guest.run("dd if=/dev/urandom of=/tmp/data bs=64k count=32 2>/dev/null")
    wanted = guest.run("sha256sum < /tmp/data").split()[0]
    guest.run("dd if=/tmp/data of=/dev/vda bs=512 seek=16 conv=fsync 2>/dev/null")
    with open(path, "rb") as image:
        image.seek(16 * 512)
        tap.equal(hashlib.sha256(image.read(2 << 20)).hexdigest(), wanted)
    guest.run("dd if=/tmp/data of=/dev/vda bs=1M seek=8 oflag=direct 2>/dev/null")
    with open(path, "rb") as image:
        image.seek(8 << 20)
        tap.equal(hashlib.sha256(image.read(2 << 20)).hexdigest(), wanted)
    guest.run("mke2fs -F /dev/vda >/dev/null 2>&1 && mkdir -p /mnt && mount -t ext4 /dev/vda /mnt")
    guest.run("cp /tmp/data /mnt/one && cp /tmp/data /mnt/two && rm /mnt/one && sync && umount /mnt")
    guest.run("echo 3 > /proc/sys/vm/drop_caches; mount -t ext4 /dev/vda /mnt")
    tap.equal(guest.run("sha256sum < /mnt/two").split()[0], wanted)
    guest.run("umount /mnt")


def disk(machine_type, options, drive):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/image"
        with open(path, "wb") as image:
            image.truncate(64 << 20)
        with machine(f"virtio-blk-pci,drive=d0,serial=disk-1,{options}", machine_type=machine_type,
                     objects=["iothread,id=io0"], drives=[f"if=none,id=d0,format=raw,file={path},{drive}"]) as guest:
            guest.wait_ready()
            load(guest, "virtio_blk")
            guest.run("until (: < /dev/vda) 2> /dev/null; do sleep 0.1; done")
            check_disk(guest, path)
            stats = guest.qmp.command("query-blockstats")[0]["stats"]
            if stats["wr_bytes"] < 4 << 20 or stats["failed_wr_operations"]:
                raise AssertionError(stats)
            # Linux does not flush what has no cache.
            tap.equal(stats["flush_operations"] > 0, "write-cache=off" not in options, str(stats))
            # The driver goes and comes again.
            guest.run("rmmod virtio_blk && insmod /lib/modules/virtio_blk.ko")
            guest.run("until (: < /dev/vda) 2> /dev/null; do sleep 0.1; done; dd if=/dev/vda of=/dev/null bs=1M count=4 2>/dev/null")
        # What the guest has made is a file system to others as well.
        if shutil.which("e2fsck"):
            subprocess.run(["e2fsck", "-f", "-n", path], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)


MB = 1 << 20


def free_memory(guest):
    """In bytes."""
    return int(guest.run("sed -n 's/^MemFree: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")) << 10


def resident(guest):
    """Bytes that the machine takes of the host's memory."""
    with open(f"/proc/{guest.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def set_balloon(guest, megabytes):
    guest.qmp.command("balloon", value=megabytes * MB)
    vm.wait_until(lambda: guest.qmp.command("query-balloon")["actual"] == megabytes * MB, "the size of the balloon")


def guest_stats(guest):
    return guest.qmp.command("qom-get", path="/machine/peripheral/b0", property="guest-stats")["stats"]


def balloon():
    with machine("virtio-balloon,id=b0", memory="512M") as guest:
        guest.wait_ready()
        load(guest, "virtio_balloon")
        tap.equal(guest.qmp.command("query-balloon"), {"actual": 512 * MB})
        guest.run("dd if=/dev/zero of=/tmp/file bs=1M count=200 2>/dev/null && rm /tmp/file")
        free, before = free_memory(guest), resident(guest)
        set_balloon(guest, 256)
        guest.qmp.event("BALLOON_CHANGE", actual=256 * MB)
        # What the guest does beside it is far less than what is between these.
        less, after = free_memory(guest), resident(guest)
        if less > free - 200 * MB or after > before - 100 * MB:
            raise AssertionError(f"free in the guest {free}, then {less}; resident {before}, then {after}")
        guest.qmp.command("qom-set", path="/machine/peripheral/b0", property="guest-stats-polling-interval", value=1)
        # The first ones are of the time before.
        stats = vm.wait_until(lambda: (found := guest_stats(guest))["stat-total-memory"] < 256 * MB and found, "statistics")
        tap.equal(0 < stats["stat-free-memory"] < stats["stat-total-memory"], True, f"{stats}")
        # They are asked for again, and follow what the guest does.
        guest.run("dd if=/dev/zero of=/tmp/file bs=1M count=60 2>/dev/null")
        vm.wait_until(lambda: guest_stats(guest)["stat-free-memory"] < stats["stat-free-memory"] - 40 * MB, "less that is free")
        guest.run("rm /tmp/file")
        set_balloon(guest, 512)
        guest.run("dd if=/dev/zero of=/tmp/file bs=1M count=200 2>/dev/null && rm /tmp/file")


def short_of_memory(deflate):
    """A program takes more than the balloon has left: the guest takes pages out of it, or kills the program."""
    with machine(f"virtio-balloon-pci,id=b0,deflate-on-oom={deflate}", memory="512M") as guest:
        guest.wait_ready()
        load(guest, "virtio_balloon")
        set_balloon(guest, 192)
        # A buffer that is bigger than all there is must not be refused before it is touched.
        guest.run("echo 1 > /proc/sys/vm/overcommit_memory")
        status = guest.run("dd if=/dev/zero of=/dev/null bs=250M count=1 2>/dev/null; echo $?", timeout=vm.LONG * 5)
        killed = int(guest.run("dmesg | grep -c 'Out of memory: Killed process'", check=False))
        actual = guest.qmp.command("query-balloon")["actual"]
        if deflate == "on":
            tap.equal((status, killed), ("0", 0), "how the program ended, and programs killed")
            guest.qmp.event("BALLOON_CHANGE", actual=actual)
            tap.equal(250 * MB < actual < 512 * MB, True, f"{actual} bytes left to the guest")
        else:
            tap.equal((status, killed, actual), ("137", 1, 192 * MB), "how the program ended, programs killed, left to the guest")


def free_pages():
    """The guest tells which pages it has freed, by itself."""
    with machine("virtio-balloon-pci,id=b0,free-page-reporting=on,deflate-on-oom=on", memory="512M") as guest:
        guest.wait_ready()
        load(guest, "virtio_balloon")
        guest.run("dd if=/dev/zero of=/tmp/file bs=1M count=200 2>/dev/null")
        before = resident(guest)
        guest.run("rm /tmp/file")
        vm.wait_until(lambda: resident(guest) < before - 150 * MB, "pages that come back to the host")


VERSION_1, EVENT_IDX, INDIRECT, PACKED = 32, 29, 28, 34

tap.run([
    ("rng on pc", lambda: rng("pc", "virtio-rng-pci", {VERSION_1, EVENT_IDX, INDIRECT}, {PACKED})),
    ("rng on q35, packed", lambda: rng("q35", "virtio-rng-pci-non-transitional,packed=on",
                                       {VERSION_1, PACKED, EVENT_IDX}, set())),
    ("rng, legacy", lambda: rng("pc", "virtio-rng-pci,disable-modern=on,event_idx=off",
                                set(), {VERSION_1, EVENT_IDX})),
    ("serial", serial),
    ("a serial port of PCI, a keyboard, a mouse, a tablet", pci_serial),
    ("memory shared with the host", shared_memory),
    ("disk on pc", lambda: disk("pc", "num-queues=2", "cache=none,discard=unmap")),
    ("disk on q35, packed, on an iothread", lambda: disk("q35", "packed=on,write-cache=off,iothread=io0", "")),
    ("disk, legacy", lambda: disk("pc", "disable-modern=on", "cache=unsafe")),
    ("disk on pc with queues on an iothread", lambda: disk("pc", "num-queues=2,iothread=io0", "")),
    ("disk, legacy, INTx, on an iothread", lambda: disk("pc", "disable-modern=on,vectors=0,iothread=io0", "")),
    ("balloon", balloon),
    ("a guest short of memory, deflate-on-oom=on", lambda: short_of_memory("on")),
    ("a guest short of memory, deflate-on-oom=off", lambda: short_of_memory("off")),
    ("free pages", free_pages),
])

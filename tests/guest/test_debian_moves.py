#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian system moves from one program to another, and back, twice, while it writes to its disk, talks to another
guest, and DIMMs come and go: test_debian_moves.py BUILD-DIR"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import debian  # noqa: E402
import tap  # noqa: E402
import test_debian  # noqa: E402
import vm  # noqa: E402
from test_firmware import firmware  # noqa: E402
from test_moves import move  # noqa: E402

BUILD = sys.argv[1]
MIB = 1 << 20
MOVES = 4
# An address of this machine that no other test has.
HOST = f"127.{os.getpid() >> 16 & 127}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
SYSTEM, PEER = "10.1.1.1", "10.1.1.2"
DOWN, UP, FILE = 7001, 7002, 7003  # ports of the peer

# One connection each way, without an end, of a pattern of 1 MiB: how often it was sent, and came. The sender stops after a
# whole pattern, so that a byte too much or too few, anywhere, is seen as one that differs or as another number.
SEND = "(until [ -e /tmp/stop ]; do cat /tmp/pattern; echo >> /tmp/sent; done) | {nc} > /dev/null; touch /tmp/sent-all"
RECEIVE = ("{nc} < /dev/null | while dd bs=64k count=16 iflag=fullblock of=/tmp/part 2> /dev/null; [ -s /tmp/part ]; do "
           "cmp /tmp/part /tmp/pattern || touch /tmp/differs; echo >> /tmp/net-rounds; done; touch /tmp/received-all")


def lines(guest, name):
    return int(guest.run(f"cat /tmp/{name} 2> /dev/null | wc -l"))


class Peer(vm.Vm):
    """A small guest with a switch: two sockets, to each of which a program may connect, and its own card."""

    def __init__(self, folder):
        words = []
        for name in ("a", "b"):
            words += ["-netdev", f"stream,id={name},server=on,addr.type=unix,addr.path={folder}/{name}",
                      "-netdev", f"hubport,id=port-{name},hubid=0,netdev={name}"]
        super().__init__(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="128M",
                         extra=[*words, "-netdev", "hubport,id=port-card,hubid=0", "-device", "virtio-net-pci,netdev=port-card"])

    def begin(self):
        self.wait_ready()
        for driver in debian.Tools.drivers:
            self.run(f"insmod /lib/modules/{driver}.ko")
        self.run(f"ifconfig eth0 {PEER} netmask 255.255.255.0 up && head -c 1048576 /dev/urandom > /tmp/pattern")
        # A child that ends while busybox' shell reads its next command would end the shell: these are none of its.
        for load in (f"nc -l -p {FILE} < /tmp/pattern > /dev/null", SEND.format(nc=f"nc -l -p {DOWN}"),
                     RECEIVE.format(nc=f"nc -l -p {UP}")):
            self.run(f"(({load}) &)")
        self.run("until [ $(netstat -ltn | grep -c ':700[123] ') = 3 ]; do sleep 0.1; done")


def system(path, folder, socket, dimms=(), incoming=()):
    """The machine with the system, on one of the switch's sockets, and with these DIMMs of query-memory-devices."""
    words = ["-netdev", f"stream,id=n0,addr.type=unix,addr.path={folder}/{socket}",
             "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01"]
    for dimm in dimms:
        ident, size, slot, addr = (dimm[key] for key in ("id", "size", "slot", "addr"))
        words += ["-object", f"memory-backend-ram,id=m-{ident},size={size}",
                  "-device", f"pc-dimm,id={ident},memdev=m-{ident},slot={slot},addr={addr}"]
    return debian.Debian(BUILD, path, *words, *incoming, machine="q35", cpus=2, memory="384M,slots=4,maxmem=4G")


def begin(guest, peer):
    """The system is up, has an address, and both loads go."""
    guest.login()
    guest.run(f"printf '[Match]\\nType=ether\\n[Network]\\nAddress={SYSTEM}/24\\n' > /etc/systemd/network/0.network")
    guest.run("networkctl reload; networkctl reconfigure $(ls /sys/class/net | grep -v lo)", timeout=debian.BOOT)
    guest.run(f"until ping -c 1 -W 2 {PEER} > /dev/null; do :; done", timeout=debian.BOOT)
    guest.run(f"nc -d {PEER} {FILE} > /tmp/pattern", timeout=debian.BOOT)
    tap.equal(guest.run("sha256sum < /tmp/pattern"), peer.run("sha256sum < /tmp/pattern"))
    guest.run("echo online_movable > /sys/devices/system/memory/auto_online_blocks")
    guest.run(test_debian.DISK_LOAD.format(path="/root/file", size="512k"))
    for load in (SEND.format(nc=f"nc -N {PEER} {UP}"), RECEIVE.format(nc=f"nc {PEER} {DOWN}")):
        guest.run(f"({load}) &")


def all_go_on(guest, peer):
    """The disk's load, and each direction of the network's, has gone round since this was called."""
    came = lines(peer, "net-rounds")
    test_debian.both_go_on(guest)
    vm.wait_until(lambda: lines(peer, "net-rounds") > came + 1, "what the system sends", debian.BOOT)


def exchange_dimms(guest, peer, number):
    """A DIMM comes, all loads go on with it, and the one that has moved here leaves."""
    guest.plug(f"d{number}", 128 * MIB)
    all_go_on(guest, peer)
    tap.equal(test_debian.used_pages(guest, "Movable") > 256, True, "memory of DIMMs that is in use")
    if number:
        guest.unplug(f"d{number - 1}", debian.BOOT)
    return [info["data"] for info in guest.qmp.command("query-memory-devices")]


def end(guest, peer):
    """Both senders stop: what came is what was sent, and what is on the disk is what was written."""
    for each in (guest, peer):
        each.run("touch /tmp/stop")
    test_debian.stop_loads(guest)
    peer.run("until [ -e /tmp/sent-all ] && [ -e /tmp/received-all ]; do sleep 0.1; done", timeout=debian.BOOT)
    tap.equal(peer.run("ls /tmp/differs 2> /dev/null | wc -l"), "0")
    for sender, receiver in ((guest, peer), (peer, guest)):
        sent = lines(sender, "sent")
        tap.equal(lines(receiver, "net-rounds"), sent, "MiB that came, and that were sent")
        print(f"# {sent} MiB by a connection")
    print(f"# {lines(guest, 'disk-rounds')} times 512 KiB written and read")
    guest.qmp.command("system_powerdown")
    guest.wait_end()


def there_and_back_twice():
    firmware("bios-256k.bin", "seabios")
    with debian.image(BUILD, "qcow2") as path, tempfile.TemporaryDirectory() as folder, Peer(folder) as peer:
        peer.begin()
        here, downtimes = system(path, folder, "a"), []
        try:
            begin(here, peer)
            for number in range(MOVES):
                dimms = exchange_dimms(here, peer, number)
                uri = f"tcp:{HOST}:{7100 + number}" if number % 2 else f"unix:{folder}/{number}"
                there = system(path, folder, "ba"[number % 2], dimms, ["-incoming", uri])
                try:
                    _, info = move(here, there, uri)
                except BaseException:
                    there.close()
                    raise
                here.close()
                here = there
                downtimes.append(info["downtime"])
            all_go_on(here, peer)
            here.unplug(f"d{MOVES - 1}", debian.BOOT)
            end(here, peer)
        finally:
            here.close()
        print(f"# downtimes in ms: {' '.join(str(t) for t in downtimes)}")
        subprocess.run(["qemu-img", "check", "-q", path], check=True)
        raw = f"{path}.raw"
        subprocess.run(["qemu-img", "convert", "-O", "raw", path, raw], check=True)
        debian.check_raw(raw)


tap.run([("to another program and back, twice, under load of disk and network, with DIMMs that come and go", there_and_back_twice)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks as Debian's kernel uses them, with the host's side on loopback: test_net.py BUILD-DIR."""
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import own_network  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402
from loopback import Receiver, Server, sha256  # noqa: E402

BUILD = sys.argv[1]
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
           "failover", "net_failover", "virtio_net"]
SIZE = 3 << 20

# What udhcpc calls: takes what it is offered.
LEASE = r"""#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet
route add default gw $router
echo "ip=$ip router=$router dns=$dns hostname=$hostname domain=$domain" > /tmp/lease
"""


def machine(*words, machine_type="q35", cpus=1, kernel=""):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", cpus=cpus, extra=["-M", machine_type, *words],
                 kernel=f"vmlinuz{kernel}", initrd=f"initrd{kernel}")


def load(guest, modules=MODULES):
    guest.wait_ready()
    for module in modules:
        guest.run(f"insmod /lib/modules/{module}.ko")


def lease(guest):
    """Ask for an address by DHCP: what was given."""
    for line in LEASE.strip().split("\n"):
        guest.run(f"echo '{line}' >> /tmp/dhcp")
    guest.run("chmod 755 /tmp/dhcp && ifconfig eth0 up")
    guest.run("udhcpc -i eth0 -s /tmp/dhcp -q -n -t 10 -T 2 >/tmp/udhcpc 2>&1")
    return dict(word.split("=") for word in guest.run("cat /tmp/lease").split())


def forwarded_port(guest):
    """The host's port that hostfwd has got."""
    text = guest.qmp.command("human-monitor-command", **{"command-line": "info usernet"})
    return int(re.search(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", text).group(1))


def set_link(guest, up):
    guest.qmp.execute({"execute": "set_link", "arguments": {"name": "n0", "up": up}})


def files(card, netdev="user,id=n0,hostname=guest7,hostfwd=tcp:127.0.0.1:0-:80,guestfwd=tcp:10.0.2.100:7-cmd:cat",
          machine_type="q35", modules=MODULES, kernel="", carrier=True):
    """DHCP; a file over TCP to the guest, back, and out of a server in the guest. @carrier: the card knows whether there is a link."""
    data = os.urandom(SIZE)
    with tempfile.TemporaryDirectory() as folder, Server(folder) as server, Receiver() as receiver, \
            machine("-netdev", netdev, "-device", card, machine_type=machine_type, kernel=kernel) as guest:
        with open(f"{folder}/file", "wb") as file:
            file.write(data)
        load(guest, modules)
        given = lease(guest)
        tap.equal((given["ip"], given["router"], given["dns"], given["hostname"]),
                  ("10.0.2.15", "10.0.2.2", "10.0.2.3", "guest7"))
        guest.run(f"wget -q -O /tmp/file http://10.0.2.2:{server.port}/file", timeout=120)
        tap.equal(guest.run("sha256sum < /tmp/file").split()[0], sha256(data))

        guest.run(f"nc 10.0.2.2 {receiver.port} < /tmp/file", timeout=120)
        tap.equal(sha256(receiver.data(60)), sha256(data))

        guest.run("httpd -p 80 -h /tmp")
        with urllib.request.urlopen(f"http://127.0.0.1:{forwarded_port(guest)}/file", timeout=120) as reply:
            tap.equal(sha256(reply.read()), sha256(data))

        tap.equal(guest.run("echo through a command | nc 10.0.2.100 7").strip(), "through a command")
        guest.run("ping -c 3 -i 0.2 10.0.2.2 > /dev/null")
        if not carrier:
            return
        tap.equal(guest.run("cat /sys/class/net/eth0/carrier").strip(), "1")
        set_link(guest, False)
        guest.run("until [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do sleep 0.1; done")
        set_link(guest, True)
        guest.run("until [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do sleep 0.1; done")
        guest.run("ping -c 3 -i 0.2 10.0.2.2 > /dev/null")


def intel(model, machine_type):
    """The same with Intel's cards, by the kernel that has their drivers."""
    files(f"{model},netdev=n0", machine_type=machine_type, modules=[model], kernel="-generic")


def other(model, *modules, machine_type="pc", carrier=True):
    """The same by cards whose drivers go by another name."""
    files(f"{model},netdev=n0", machine_type=machine_type, modules=modules, kernel="-generic", carrier=carrier)


def serve_halves(listener, data, half_sent, resume):
    """HTTP: half of @data, and the rest when @resume is set."""
    sock, _ = listener.accept()
    with sock:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
        sock.sendall(data[:len(data) // 2])
        half_sent.set()
        resume.wait(vm.LONG * 10)
        sock.sendall(data[len(data) // 2:])


def interrupted():
    """The cable is out while half of a file comes: what is lost is sent again when it is in."""
    data = os.urandom(SIZE)
    half_sent, resume = threading.Event(), threading.Event()
    with socket.socket() as listener, machine("-nic", "user,id=n0,model=virtio") as guest:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        server = threading.Thread(target=serve_halves, args=(listener, data, half_sent, resume), daemon=True)
        server.start()
        load(guest)
        lease(guest)
        guest.run(f"wget -q -O /tmp/file http://10.0.2.2:{listener.getsockname()[1]}/ & echo begun")
        tap.equal(half_sent.wait(vm.LONG * 3), True)
        set_link(guest, False)
        guest.run("until [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do sleep 0.1; done")
        resume.set()
        set_link(guest, True)
        guest.run("wait", timeout=300)
        server.join(vm.LONG)
        tap.equal(guest.run("sha256sum < /tmp/file").split()[0], sha256(data))


def restricted():
    with tempfile.TemporaryDirectory() as folder, Server(folder) as server, \
            machine("-nic", "user,id=n0,model=virtio,restrict=on,net=192.168.76.0/24,dhcpstart=192.168.76.9,"
                    "guestfwd=tcp:192.168.76.100:7-cmd:cat,mac=52:54:00:00:00:07") as guest:
        load(guest)
        tap.equal(lease(guest)["ip"], "192.168.76.9")
        tap.equal(guest.run("cat /sys/class/net/eth0/address").strip(), "52:54:00:00:00:07")
        tap.equal(guest.run("echo this way | nc 192.168.76.100 7").strip(), "this way")
        tap.equal(guest.run(f"nc -w 3 192.168.76.2 {server.port} < /dev/null 2>/dev/null; echo $?").strip(), "1")


def rx_filter(guest):
    return guest.qmp.command("query-rx-filter")[0]


def seen_from_the_host():
    """What the host can ask of a card, and see of its packets, that Linux drives."""
    mac, address, router = bytes.fromhex("525400000009"), socket.inet_aton("10.0.2.15"), socket.inet_aton("10.0.2.2")
    with tempfile.TemporaryDirectory() as folder, machine(
            "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,id=net0,mac=52:54:00:00:00:07") as guest:

        def seen(name):
            with open(f"{folder}/{name}", "rb") as file:
                return file.read()

        for name, queue in (("all", "all"), ("sent", "rx"), ("received", "tx")):
            guest.qmp.command("object-add", **{"qom-type": "filter-dump", "id": name, "netdev": "n0", "queue": queue,
                                               "file": f"{folder}/{name}"})
        load(guest)
        guest.run("ifconfig eth0 hw ether 52:54:00:00:00:09 && ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up")
        # Linux is in the group of all hosts.
        vm.wait_until(lambda: "01:00:5e:00:00:01" in rx_filter(guest)["multicast-table"], "the groups that Linux is in")
        told = rx_filter(guest)
        tap.equal((told["main-mac"], told["promiscuous"], told["multicast"], told["broadcast-allowed"]),
                  ("52:54:00:00:00:09", False, "normal", True))
        for flag, member, wanted in (("promisc", "promiscuous", True), ("-promisc", "promiscuous", False),
                                     ("allmulti", "multicast", "all"), ("-allmulti", "multicast", "normal")):
            guest.run(f"ifconfig eth0 {flag}")
            vm.wait_until(lambda member=member, wanted=wanted: rx_filter(guest)[member] == wanted, f"what {flag} does")
            guest.qmp.event("NIC_RX_FILTER_CHANGED", path="/machine/peripheral/net0")

        guest.run("ping -c 1 10.0.2.2 > /dev/null")
        request, reply = address + router + b"\x08\0", router + address + b"\0\0"
        tap.equal([(request in seen(name), reply in seen(name)) for name in ("all", "sent", "received")],
                  [(True, True), (True, False), (False, True)], "where the ping's packets are")

        # The card itself says where it is, by RARP, and the driver, which knows its address, by ARP.
        arp = mac + bytes.fromhex("0806000108000604") + b"\0\1" + mac + address + bytes(6) + address
        rarp = mac + bytes.fromhex("8035000108000604") + b"\0\3" + mac + bytes(4) + mac
        tap.equal((arp in seen("sent"), rarp in seen("sent")), (False, False), "before anybody asks")
        guest.qmp.command("announce-self", initial=10, max=10, rounds=1, step=0)
        vm.wait_until(lambda: arp in seen("sent") and rarp in seen("sent"), "where the card is")


def received(counters, card):
    """Bytes and packets that @card has received, by @counters, which is /proc/net/dev."""
    return [int(number) for number in re.search(rf"{card}:\s*(\d+)\s+(\d+)", counters).groups()]


def received_here(card):
    with open("/proc/net/dev", encoding="ascii") as counters:
        return received(counters.read(), card)


def queues_of_tap():
    """A tap with two pairs of queues: Linux uses both, and large packets come and go whole."""
    data = os.urandom(SIZE)
    card = "virtio-net-pci,netdev=n0,mq=on"
    with tempfile.TemporaryDirectory() as folder, \
            machine("-netdev", "tap,id=n0,ifname=card0,queues=2,script=no,downscript=no", "-device", card, cpus=2) as guest:
        with open(f"{folder}/file", "wb") as file:
            file.write(data)
        for words in ("addr add 192.0.2.1/24 dev card0", "link set card0 up"):
            subprocess.run(["ip", *words.split()], check=True)
        load(guest)
        guest.run("ifconfig eth0 192.0.2.9 netmask 255.255.255.0 up")
        tap.equal(guest.run("echo /sys/class/net/eth0/queues/*").split(),
                  [f"/sys/class/net/eth0/queues/{name}" for name in ("rx-0", "rx-1", "tx-0", "tx-1")])
        features = guest.run("cat /sys/class/net/eth0/device/features").strip()
        # Checksums and segments, both ways; that they can be changed; several pairs.
        tap.equal([features[bit] for bit in (0, 1, 2, 7, 8, 11, 12, 15, 22)], ["1"] * 9, features)
        with Server(folder, "192.0.2.1") as server:
            guest.run(f"wget -q -O /tmp/file http://192.0.2.1:{server.port}/file", timeout=120)
            tap.equal(guest.run("sha256sum < /tmp/file").split()[0], sha256(data))
            total, count = received(guest.run("cat /proc/net/dev"), "eth0")
            tap.equal(total > 1514 * count, True, f"{total} bytes in {count} packets")
            before = received_here("card0")
            guest.run("httpd -p 80 -h /tmp")
            with urllib.request.urlopen("http://192.0.2.9/file", timeout=120) as reply:
                tap.equal(sha256(reply.read()), sha256(data))
            total, count = (now - then for now, then in zip(received_here("card0"), before))
            tap.equal(total > 1514 * count, True, f"{total} bytes in {count} packets")


if sys.argv[2:] == ["queues_of_tap"]:
    queues_of_tap()
    sys.exit(0)

TESTS = [
    ("files on q35", lambda: files("virtio-net-pci,netdev=n0")),
    ("files on pc, packed", lambda: files("virtio-net-pci,netdev=n0,packed=on,mrg_rxbuf=off", machine_type="pc")),
    ("files, legacy", lambda: files("virtio-net-pci,netdev=n0,disable-modern=on", machine_type="pc")),
    ("files by e1000", lambda: intel("e1000", "pc")),
    ("files by e1000e", lambda: intel("e1000e", "q35")),
    ("files by rtl8139", lambda: other("rtl8139", "mii", "8139cp")),
    ("files by vmxnet3", lambda: other("vmxnet3", "vmxnet3", machine_type="q35")),
    ("interrupted", interrupted),
    ("restricted", restricted),
    ("seen from the host", seen_from_the_host),
    ("queues of a tap", lambda: own_network.call("queues_of_tap")),
]
MORE = [
    ("files by pcnet", lambda: other("pcnet", "mii", "pcnet32")),
    ("files by ne2k_pci", lambda: other("ne2k_pci", "8390", "ne2k-pci", carrier=False)),
    ("files by i82559c", lambda: other("i82559c", "mii", "e100")),
    ("files by tulip", lambda: other("tulip", "tulip", carrier=False)),
    ("files by i82557b", lambda: other("i82557b", "mii", "e100")),
]
tap.run([test for test in TESTS + MORE if test[0] in sys.argv[2:]] if sys.argv[2:] else TESTS)

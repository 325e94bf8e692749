#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Cards under traffic in Linux, which is moved and saved, whose cable, netdev or peer fails, and whose program is
killed: test_cards.py BUILD-DIR CARD [NAME...]. The network is that of another program, a router, which stays.
$MOVES (3): how often it is moved."""
import contextlib
import os
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import own_network  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402
from loopback import Receiver, Server, sha256  # noqa: E402
from test_moves import move  # noqa: E402

BUILD, CARD = sys.argv[1], sys.argv[2]
MOVES = int(os.environ.get("MOVES", "3"))
# Those of PCI Express; the drivers of those that are called otherwise; those that tell nobody of their filter; those that take packets of 4000 bytes.
MACHINE = {"e1000e": "q35", "vmxnet3": "q35"}.get(CARD, "pc")
MODULES = {"rtl8139": ["mii", "8139cp"], "pcnet": ["mii", "pcnet32"], "i82559c": ["mii", "e100"], "ne2k_pci": ["8390", "ne2k-pci"]}.get(CARD, [CARD])
KNOWS_LINK = CARD not in ("ne2k_pci", "tulip")  # which looks once a minute
TELLS_FILTER = CARD in ("e1000", "e1000e", "vmxnet3")
TAKES_LARGE = CARD in ("e1000", "e1000e", "rtl8139", "vmxnet3")
SIZE = 1 << 20
UNIX = "addr.type=unix,addr.path"


@contextlib.contextmanager
def router(*netdevs, net=2):
    """A machine whose guest does nothing, and whose `user` is on a hub with @netdevs. It runs: so does the clock of TCP."""
    words = ["-netdev", f"user,id=u0,net=10.0.{net}.0/24", "-netdev", "hubport,id=h0,hubid=0,netdev=u0"]
    for n, netdev in enumerate(netdevs, 1):
        words += ["-netdev", f"{netdev},id=n{n}", "-netdev", f"hubport,id=h{n},hubid=0,netdev=n{n}"]
    with tempfile.NamedTemporaryFile() as firmware:
        firmware.write(b"\xf4" * 0xfff0 + b"\xfa\xf4\xeb\xfd" + bytes(12))  # cli; hlt; jmp
        firmware.flush()
        with vm.Vm(f"{BUILD}/dimmable", accel="soft", memory="16M", serial=False, extra=[*words, "-bios", firmware.name]) as here:
            try:
                yield here
            finally:
                here.process.send_signal(signal.SIGCONT)


def machine(netdev, *words):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", kernel="vmlinuz-generic", initrd="initrd-generic", accel="soft",
                 memory="256M", extra=["-M", MACHINE, "-netdev", f"{netdev},id=n0", "-device", f"{CARD},netdev=n0,id=net0", *words])


def begin(guest, address="10.0.2.15"):
    guest.wait_ready()
    for module in MODULES:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
    guest.run(f"ifconfig eth0 {address} netmask 255.255.255.0 up")


def reached(guest, address="10.0.2.2"):
    """Packets come and go."""
    guest.run(f"until ping -c 1 -W 1 {address} >/dev/null; do :; done", timeout=120)


@contextlib.contextmanager
def server(host="127.0.0.1"):
    """Has a file of random bytes for the loads."""
    with tempfile.TemporaryDirectory() as folder, Server(folder, host) as here:
        with open(f"{folder}/file", "wb") as file:
            file.write(os.urandom(SIZE))
        with open(f"{folder}/file", "rb") as file:
            here.sum = sha256(file.read())
        yield here


def start(guest, here, host="10.0.2.2"):
    """A file comes again and again, and is right each time; pings beside it."""
    guest.run(f"(while wget -q -O /tmp/file http://{host}:{here.port}/file; do sha256sum < /tmp/file >> /tmp/rounds; done; "
              "echo >> /tmp/ended) >/dev/null 2>&1 &")
    guest.run(f"(while :; do ping -c 100 -i 0.01 -s 1400 {host}; done) >/dev/null 2>&1 &")
    goes_on(guest, here)


def rounds(guest):
    return int(guest.run("cat /tmp/rounds 2>/dev/null | wc -l"))


def goes_on(guest, here, held_up=False):
    """Two more files come, and no transfer has ended badly yet; @held_up: nothing was sent for a time, which Linux may say."""
    before = rounds(guest)
    vm.wait_until(lambda: rounds(guest) > before + 1, "files come", 300)
    tap.equal(guest.run("sort -u /tmp/rounds").split()[0], here.sum, "what came")
    tap.equal(guest.run("ls /tmp/ended 2>/dev/null | wc -l"), "0", "transfers that ended")
    words = "BUG|Oops|hung task" if held_up else "BUG|Oops|WARNING|hung task|Tx Unit Hang|transmit queue|Reset adapter"
    tap.equal(guest.run(f"dmesg | grep -E '{words}'", check=False), "")


def send_back(guest, here):
    """The file goes the other way, as the guest has it."""
    with Receiver() as receiver:
        guest.run("sha256sum < /tmp/file; cp /tmp/file /tmp/copy; until [ $(wc -c < /tmp/copy) = "
                  f"{SIZE} ]; do cp /tmp/file /tmp/copy; done; nc 10.0.2.2 {receiver.port} < /tmp/copy", timeout=120)
        tap.equal(sha256(receiver.data(60)), here.sum, "what was sent")


def moves():
    """To and fro under traffic, and once through a file: connections live on, as the router does."""
    with tempfile.TemporaryDirectory() as folder, server() as files, \
            router(*[f"stream,server=on,{UNIX}={folder}/n{n}" for n in range(MOVES + 2)]):
        def start_machine(number, *words):
            return machine(f"stream,{UNIX}={folder}/n{number}", *words)

        here, downtimes = start_machine(0), []
        try:
            begin(here)
            start(here, files)
            for number in range(1, MOVES + 1):
                uri = f"unix:{folder}/{number}"
                there = start_machine(number, "-incoming", uri)
                try:
                    downtimes.append(move(here, there, uri)[1]["downtime"])
                finally:
                    here.close()
                    here = there
                goes_on(here, files)
            here.qmp.command("stop")
            here.qmp.command("migrate", uri=f"exec:cat > {folder}/state")
            vm.wait_until(lambda: here.qmp.command("query-migrate")["status"] == "completed", "it is saved", 60)
            here.close()
            here = start_machine(MOVES + 1, "-incoming", f"exec:cat {folder}/state")
            vm.wait_until(lambda: here.qmp.command("query-status")["status"] == "paused", "it is loaded", 60)
            here.qmp.command("cont")
            goes_on(here, files)
            send_back(here, files)
        finally:
            here.close()
        print(f"# downtimes in ms: {' '.join(str(t) for t in downtimes)}")


def link(guest, up):
    guest.qmp.execute({"execute": "set_link", "arguments": {"name": "net0", "up": up}})
    if KNOWS_LINK:
        guest.run(f"until [ $(cat /sys/class/net/eth0/carrier) = {int(up)} ]; do sleep 0.1; done")


def faults():
    """The cable goes and comes; the peer takes nothing for a time, and is full; the filter is changed meanwhile."""
    with tempfile.TemporaryDirectory() as folder, server() as files, router(f"stream,server=on,{UNIX}={folder}/n") as peer, \
            machine(f"stream,{UNIX}={folder}/n") as guest:
        begin(guest)
        start(guest, files)
        for _ in range(3):
            link(guest, False)
            link(guest, True)
            goes_on(guest, files)
        for flag, member, wanted in (("promisc", "promiscuous", True), ("-promisc", "promiscuous", False),
                                     ("allmulti", "multicast", "all"), ("-allmulti", "multicast", "normal")):
            guest.run(f"ifconfig eth0 {flag}")
            if not TELLS_FILTER:
                continue
            vm.wait_until(lambda member=member, wanted=wanted: guest.qmp.command("query-rx-filter")[0][member] == wanted, flag)
        for _ in range(2):
            peer.process.send_signal(signal.SIGSTOP)
            # More than the socket takes: what is left stays in the ring.
            guest.run("for n in 1 2 3 4 5 6 7 8; do ping -c 300 -i 0.001 -s 8000 10.0.2.2 >/dev/null 2>&1; done & sleep 2; echo")
            peer.process.send_signal(signal.SIGCONT)
            goes_on(guest, files, held_up=True)
        send_back(guest, files)


def killed():
    """The router is killed, and another one comes; then the machine is, and comes again at once."""
    with tempfile.TemporaryDirectory() as folder, server() as files:
        netdev = f"stream,server=on,{UNIX}={folder}/n"
        with machine(netdev) as guest:
            begin(guest)
            for number in range(3):
                with router(f"stream,{UNIX}={folder}/n") as peer:
                    reached(guest)
                    guest.run("rm -f /tmp/ended /tmp/rounds")
                    start(guest, files)
                    peer.kill()
                guest.qmp.event("NETDEV_STREAM_DISCONNECTED", timeout=60)
                # No reset comes from a peer that is no more.
                guest.run("kill $(pidof wget ping) 2>/dev/null; until [ -e /tmp/ended ]; do sleep 0.1; kill $(pidof wget) 2>/dev/null; "
                          f"done; echo {number}", timeout=120)
            with router(f"stream,{UNIX}={folder}/n"):
                reached(guest)
                guest.run("rm -f /tmp/ended /tmp/rounds")
                start(guest, files)
                guest.kill()
                with machine(netdev) as again, router(f"stream,{UNIX}={folder}/n"):
                    begin(again)
                    reached(again)
                    start(again, files)


def tap_gone():
    """In a network of its own: the host's card is taken away under traffic, and the guest's has no link any more in the end."""
    with server("0.0.0.0") as files, machine("tap,ifname=card0,script=no,downscript=no") as guest:
        for words in ("addr add 192.0.2.1/24 dev card0", "link set card0 up"):
            subprocess.run(["ip", *words.split()], check=True)
        begin(guest, "192.0.2.9")
        start(guest, files, "192.0.2.1")
        for _ in range(2):
            subprocess.run(["ip", "link", "set", "card0", "down"], check=True)
            guest.run("sleep 1")
            subprocess.run(["ip", "link", "set", "card0", "up"], check=True)
            goes_on(guest, files)
        subprocess.run(["ip", "link", "del", "card0"], check=True)
        guest.run("sleep 1")
        guest.qmp.command("netdev_del", id="n0")
        if KNOWS_LINK:
            guest.run("until [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do sleep 0.1; done")
        tap.equal(guest.run("dmesg | grep -E 'BUG|Oops|WARNING'", check=False), "")


def kinds():
    """A card on each kind of netdev, and each variant of e1000; vhost-user is for virtio alone."""
    variants = [CARD, "e1000-82544gc", "e1000-82545em"] if CARD == "e1000" else [CARD] * 3
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as all_routers:
        netdevs = ["user,net=10.0.2.0/24"]
        routers = [f"stream,server=on,{UNIX}={folder}/s", f"dgram,local.type=unix,local.path={folder}/r,remote.type=unix,remote.path={folder}/g",
                   f"stream,server=on,{UNIX}={folder}/h"]
        for net, netdev in enumerate(routers, 3):
            all_routers.enter_context(router(netdev, net=net))
        netdevs += [f"stream,{UNIX}={folder}/s",
                    f"dgram,local.type=unix,local.path={folder}/g,remote.type=unix,remote.path={folder}/r"]
        words = []
        for n, netdev in enumerate(netdevs[1:], 1):
            words += ["-netdev", f"{netdev},id=n{n}", "-device", f"{variants[n]},netdev=n{n}"]
        words += ["-netdev", f"stream,{UNIX}={folder}/h,id=n3", "-netdev", "hubport,id=p3,hubid=7,netdev=n3", "-netdev",
                  "hubport,id=p4,hubid=7", "-device", f"{CARD},netdev=p4"]
        words += ["-netdev", "socket,id=n5,listen=127.0.0.1:0", "-device", f"{CARD},netdev=n5"]
        with machine(netdevs[0], *words) as guest:
            begin(guest)
            for n in range(1, 4):
                guest.run(f"ifconfig eth{n} 10.0.{n + 2}.15 netmask 255.255.255.0 up")
            for n in range(4):
                reached(guest, f"10.0.{n + 2}.2")
            tap.equal(guest.run("ls -d /sys/class/net/eth* | wc -l"), "5")
    refused = subprocess.run([f"{BUILD}/dimmable", "-nodefaults", "-display", "none", "-accel", "qtest", "-chardev", "null,id=c0", "-netdev",
                              "vhost-user,id=n0,chardev=c0", "-device", f"{CARD},netdev=n0"], capture_output=True, timeout=60,
                             check=False)
    tap.equal((refused.returncode, b"vhost-user" in refused.stderr), (1, True), refused.stderr.decode())


def large_mtu():
    """With one, Linux's driver of e1000e takes split descriptors."""
    with server() as files, machine("user") as guest:
        begin(guest)
        guest.run("ifconfig eth0 mtu 4000")
        start(guest, files)
        send_back(guest, files)


if sys.argv[3:] == ["tap_gone"]:
    tap_gone()
    sys.exit(0)

TESTS = [(f"{MOVES} moves", moves), ("faults", faults), ("killed", killed), *[("large MTU", large_mtu)][:TAKES_LARGE], ("kinds of netdevs", kinds),
         ("tap that goes away", lambda: own_network.call("tap_gone", 2))]
tap.run([(name, test) for name, test in TESTS if name in sys.argv[3:] or not sys.argv[3:]])

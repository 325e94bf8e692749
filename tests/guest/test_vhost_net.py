#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux with network cards whose rings DPDK's testpmd works on: test_vhost_net.py BUILD-DIR [NAME]. Debian has it in
dpdk-dev, and what it needs for this in librte-net-vhost23; it needs neither huge pages nor rights."""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MIB = 1 << 20
TESTPMD = shutil.which("dpdk-testpmd")
CARD = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "failover", "net_failover",
        "virtio_net"]
HERE, THERE = "10.9.0.1", "10.9.0.2"


class Switch:
    """testpmd with a card's back-end at each of @paths. @mode: "icmpecho" answers ARP and pings by itself, "io" has the
    packets of one card come out of the other."""

    def __init__(self, folder, mode, *paths):
        self.paths, self.log = paths, f"{folder}/log"
        last = (os.cpu_count() or 1) - 1
        cpus = f"(0-{last})" if last else "0"
        self.words = [TESTPMD, "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m", "128", "--lcores",
                      f"0@{cpus},1@{cpus}"]
        for n, path in enumerate(paths):
            self.words += ["--vdev", f"net_vhost{n},iface={path},queues=1"]
        self.words += ["--", "--no-lsc-interrupt", "--total-num-mbufs=2048", f"--forward-mode={mode}", "--auto-start",
                       "--stats-period=3600"]
        self.process = None
        self.start()

    def start(self):
        for path in self.paths:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        vm.wait_until(lambda: all(os.path.exists(p) for p in self.paths) or self.process.poll() is not None, "testpmd is there")
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise tap.Skip(f"dpdk-testpmd does not start: {log.read()[-300:]!r}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()


def switch(folder, mode, *names):
    if not TESTPMD:
        raise tap.Skip("there is no dpdk-testpmd (Debian: dpdk-dev, librte-net-vhost23)")
    return Switch(folder, mode, *(f"{folder}/{name}" for name in names))


def machine(path, board="pc", mac="52:54:00:12:34:56"):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", initrd="initrd-more", accel="soft", memory="256M,slots=4,maxmem=2G",
                 extra=["-object", "memory-backend-memfd,id=ram,size=256M,share=on", "-machine", f"{board},memory-backend=ram",
                        "-chardev", f"socket,id=c0,path={path},reconnect=1", "-netdev", "vhost-user,id=n0,chardev=c0",
                        "-device", f"virtio-net-pci,netdev=n0,id=net0,mac={mac}"])


def up(guest, address):
    guest.wait_ready()
    for module in CARD:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
    guest.run(f"ifconfig eth0 {address} netmask 255.255.255.0 up")


def all_come_back(guest, count=20, size=1400):
    said = guest.run(f"ping -c {count} -i 0.05 -s {size} {THERE}", timeout=120)
    tap.equal(f"{count} packets received" in said, True, said)


def answers(board):
    """Packets both ways, before, with and after a DIMM, over a stop; the program is killed: the link is
    down, and with the next one it is up, and packets go both ways again."""
    with tempfile.TemporaryDirectory() as folder, switch(folder, "icmpecho", "a") as program:
        with machine(f"{folder}/a", board) as guest:
            up(guest, HERE)
            guest.run(f"until ping -c 1 -W 1 {THERE}; do :; done", timeout=60)
            all_come_back(guest)
            guest.plug("dimm0", 128 * MIB, backend="memory-backend-memfd", backend_props={"share": True})
            all_come_back(guest)
            guest.unplug("dimm0", timeout=120)
            guest.qmp.command("stop")
            guest.qmp.command("cont")
            all_come_back(guest)
            program.kill()
            guest.run("until [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do sleep 0.1; done", timeout=60)
            program.start()
            guest.run("until [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do sleep 0.1; done", timeout=60)
            guest.run(f"until ping -c 1 -W 1 {THERE}; do :; done", timeout=60)
            all_come_back(guest)


def stream():
    """A file from one machine to another, whose cards the program connects: it is the same there. The program is killed
    in the middle, and comes again: the connection goes on."""
    with tempfile.TemporaryDirectory() as folder, switch(folder, "io", "a", "b") as program, \
            machine(f"{folder}/a") as guest, machine(f"{folder}/b", mac="52:54:00:12:34:57") as other:
        up(guest, HERE)
        up(other, THERE)
        guest.run(f"until ping -c 1 -W 1 {THERE}; do :; done", timeout=60)
        guest.run("head -c 16000000 /dev/urandom > /tmp/data")
        wanted = guest.run("md5sum < /tmp/data").split()[0]
        other.run("mkfifo /tmp/open")
        for killed in (False, True):
            other.run("rm -f /tmp/data; nc -l -p 5000 <> /tmp/open > /tmp/data & sleep 0.2")
            guest.run(f"nc {THERE} 5000 < /tmp/data &")
            if killed:
                other.run("until [ -s /tmp/data ]; do :; done", timeout=60)
                program.kill()
                program.start()
            other.run("wait", timeout=120)
            tap.equal(other.run("md5sum < /tmp/data").split()[0], wanted, f"what has come, killed: {killed}")


if __name__ == "__main__":
    tap.run([(name, case) for name, case in [
        *((f"{board}: answers", lambda board=board: answers(board)) for board in ("pc", "q35")),
        ("stream", stream),
    ] if len(sys.argv) < 3 or sys.argv[2] in name])

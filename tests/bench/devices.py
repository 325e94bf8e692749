#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks and a network of a Linux guest, beside qemu-system-x86_64 where it is installed: devices.py BUILD-DIR [RUNS [KIND...]]
fio on a disk of each kind whose image the host has in its cache, then TCP to the host and from there, with the programs of
scripts/make-image.py's system. Each figure is the median over RUNS (default 3), the two programs in turn. Lower is better."""
import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time

import programs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import debian  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402

MIB = 1 << 20
DISK = 64 * MIB
SECONDS = 3  # of each job of fio
STREAM = 16 * MIB
# What fio does: name, kind, size of a request, how many at once.
JOBS = [("random 4 KiB reads", "randread", "4k", 1), ("random 4 KiB writes", "randwrite", "4k", 1),
        ("random 4 KiB reads, 16 at once", "randread", "4k", 16), ("random 4 KiB writes, 16 at once", "randwrite", "4k", 16),
        ("sequential 128 KiB reads, 4 at once", "read", "128k", 4), ("sequential 128 KiB writes, 4 at once", "write", "128k", 4)]
SCSI = ["scsi_common", "scsi_mod", "sd_mod"]
# The kinds of disks: name, its options, the guest's drivers and its name there.
KINDS = {"virtio": (["-device", "virtio-blk-pci,drive=d0"], [], "vdb"),
         "NVMe": (["-device", "nvme,serial=x,drive=d0"], [], "nvme0n1"),
         "SCSI": (["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=d0"], [*SCSI, "virtio_scsi"], "sda"),
         "IDE": (["-device", "ide-hd,drive=d0,bus=ide.0"], [*SCSI, "libata", "ata_piix"], "sda")}
FIO = ("fio --name=job --filename=/dev/{name} --rw={kind} --bs={size} --iodepth={depth} --ioengine=libaio --direct=1 --thread "
       f"--time_based --runtime={SECONDS} --output-format=json --output=/tmp/fio > /dev/null && cat /tmp/fio")


class Meter:
    """Processor time of the program since it was made: of all of it, and of all but the virtual CPU's thread."""

    def __init__(self, guest):
        self.process = guest.process.pid
        self.thread = guest.qmp.command("query-cpus-fast")[0]["thread-id"]
        self.before = self.read()

    def read(self):
        total = programs.processor_seconds(self.process)
        with open(f"/proc/{self.process}/task/{self.thread}/schedstat", encoding="ascii") as schedstat:
            return total, total - int(schedstat.read().split()[0]) / 1e9

    def seconds(self):
        return tuple(now - then for now, then in zip(self.read(), self.before))


def disk(guest, where, label):
    for name, kind, size, depth in JOBS:
        name = f"{label}{name}"
        meter = Meter(guest)
        said = guest.debian(FIO.format(name=where, kind=kind, size=size, depth=depth), timeout=10 * vm.LONG)
        done = json.loads(said[said.index("{"):])["jobs"][0]["write" if "write" in kind else "read"]
        yield name, "us each", done["runtime"] * 1000 / done["total_ios"]
        yield name, "us of the host's side each", meter.seconds()[1] / done["total_ios"] * 1e6


def send(listener, times):
    """To the first that connects; until it has read all, and closes."""
    sock, _ = listener.accept()
    with sock:
        times.append(time.monotonic())
        sock.sendall(bytes(STREAM))
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)
        times.append(time.monotonic())


def receive(listener, times):
    sock, _ = listener.accept()
    with sock:
        times.append(time.monotonic())
        left = STREAM
        while part := sock.recv(MIB):
            left -= len(part)
        times.append(time.monotonic())
    assert left == 0, f"{left} bytes are missing"


def network(guest):
    for name, end, command in (("TCP to the guest", send, "nc -N 10.0.2.2 {port} < /dev/null > /dev/null"),
                               ("TCP from the guest", receive, "head -c {size} /dev/zero | nc -N 10.0.2.2 {port}")):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            times = []
            thread = threading.Thread(target=end, args=(listener, times), daemon=True)
            thread.start()
            meter = Meter(guest)
            guest.debian(command.format(port=listener.getsockname()[1], size=STREAM), timeout=10 * vm.LONG)
            thread.join()
        total, outside = meter.seconds()
        yield name, "ms a MiB", (times[1] - times[0]) * 1000 * MIB / STREAM
        yield name, "ms of processor a MiB", total * 1000 * MIB / STREAM
        yield name, "ms of the host's side a MiB", outside * 1000 * MIB / STREAM


def measure(program, accel, build, figures, which="virtio"):
    options, modules, where = KINDS[which]
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/disk", "wb") as image:
            image.write(os.urandom(DISK))
        with debian.Tools(build, "-drive", f"if=none,id=d0,format=raw,file={folder}/disk", *options, "-nic",
                          "user,model=virtio-net-pci", program=program, accel=accel, initrd="initrd-more") as guest:
            guest.mount()
            for module in modules:
                guest.run(f"insmod /lib/modules/{module}.ko", timeout=10 * vm.LONG)
            guest.run(f"until [ -b /dev/{where} ]; do sleep 0.1; done")
            guest.run("ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up")
            for source in (disk(guest, where, "" if which == "virtio" else f"{which}: "), network(guest) if which == "virtio" else ()):
                for name, unit, value in source:
                    figures.setdefault((name, unit), []).append(value)


def main():
    build, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    ours, peers = {}, {}
    peer = shutil.which("qemu-system-x86_64")
    try:
        for which in sys.argv[3:] or KINDS:
            for _ in range(runs):
                measure(f"{build}/dimmable", "soft", build, ours, which)
                if peer:
                    measure(peer, "tcg", build, peers, which)
    except tap.Skip as reason:
        print(f"no figures of disks and networks: {reason}")
        return
    print(f"{'':72}{'dimmable':>12}" + (f"{'QEMU TCG':>12}{'ratio':>8}" if peer else ""))
    for key, values in ours.items():
        value = statistics.median(values)
        line = f"{f'{key[0]} ({key[1]})':72}{value:12.2f}"
        if peer:
            other = statistics.median(peers[key])
            line += f"{other:12.2f}{value / other:8.2f}"
        print(line)


main()

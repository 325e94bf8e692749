#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder of the host that a Linux guest has mounted by 9P, beside qemu-system-x86_64 where it is installed:
folders.py BUILD-DIR [RUNS]. Figures are processor time of the whole program, the guest's included, medians over RUNS
(default 3), the two programs in turn. Lower is better."""
import os
import shutil
import statistics
import sys
import tempfile

import programs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import vm  # noqa: E402

MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
           "netfs", "fscache", "9pnet", "9pnet_virtio", "9p"]
MIB = 64
FILES = 500
# Name, unit, command, how many of the unit it does.
JOBS = [("9P reads", "ms a MiB", f"dd if=/mnt/data of=/dev/null bs=256k count={MIB * 4} 2>/dev/null", MIB),
        ("9P writes", "ms a MiB", f"dd if=/dev/zero of=/mnt/new bs=256k count={MIB * 4} 2>/dev/null", MIB),
        ("9P files made", "ms each", f"mkdir /mnt/d; i=0; while [ $i -lt {FILES} ]; do : > /mnt/d/$i; i=$((i+1)); done", FILES),
        ("9P files listed with what they are like", "ms each", "ls -l /mnt/d > /dev/null", FILES),
        ("9P files removed", "ms each", "rm -r /mnt/d", FILES)]


def measure(program, accel, build, figures):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        with open(f"{folder}/data", "wb") as data:
            data.write(os.urandom(MIB << 20))
        with vm.Vm(program, f"{build}/guest", kernel="vmlinuz-generic", initrd="initrd-generic", accel=accel, memory="512M",
                   extra=["-virtfs", f"local,path={folder},mount_tag=share,security_model=mapped-xattr"]) as guest:
            guest.wait_ready()
            for module in MODULES:
                guest.run(f"insmod /lib/modules/{module}.ko", timeout=10 * vm.LONG)
            guest.run("mkdir -p /mnt && mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none share /mnt")
            for name, unit, command, times in JOBS:
                before = programs.processor_seconds(guest.process.pid)
                guest.run(command, timeout=20 * vm.LONG)
                figures.setdefault((name, unit), []).append((programs.processor_seconds(guest.process.pid) - before) * 1000 / times)


def main():
    build, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    ours, peers = {}, {}
    peer = shutil.which("qemu-system-x86_64")
    for _ in range(runs):
        measure(f"{build}/dimmable", "soft", build, ours)
        if peer:
            measure(peer, "tcg", build, peers)
    print(f"{'':72}{'dimmable':>12}" + (f"{'QEMU TCG':>12}{'ratio':>8}" if peer else ""))
    for key, values in ours.items():
        value = statistics.median(values)
        line = f"{f'{key[0]} ({key[1]})':72}{value:12.2f}"
        if peer:
            other = statistics.median(peers[key])
            line += f"{other:12.2f}{value / other:8.2f}"
        print(line)


main()

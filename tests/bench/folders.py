#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder of the host that a Linux guest has mounted by 9P, and by virtiofs with Debian's virtiofsd, beside
qemu-system-x86_64 where it is installed: folders.py BUILD-DIR [RUNS [9P|virtiofs...]]. Figures are processor time of the
whole program, the guest's and virtiofsd's included, and time by the clock; medians over RUNS (default 3), the two programs
in turn. Lower is better."""
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import programs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402
import vm  # noqa: E402

VIRTIO = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"]
VIRTIOFSD = next((p for p in ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd") if os.path.exists(p)), None)
MIB = 64
FILES = 500
# Name, unit, command, how many of the unit it does.
JOBS = [("reads", "a MiB", f"dd if=/mnt/data of=/dev/null bs=256k count={MIB * 4} 2>/dev/null", MIB),
        ("writes", "a MiB", f"dd if=/dev/zero of=/mnt/new bs=256k count={MIB * 4} 2>/dev/null", MIB),
        ("files made", "each", f"mkdir /mnt/d; i=0; while [ $i -lt {FILES} ]; do : > /mnt/d/$i; i=$((i+1)); done", FILES),
        ("files listed with what they are like", "each", "ls -l /mnt/d > /dev/null", FILES),
        ("files removed", "each", "rm -r /mnt/d", FILES)]
# Name: options, the guest's kernel, its modules, how it mounts; none keeps more in the guest's memory than it has to.
KINDS = {"9P": (["-virtfs", "local,path={folder}/shown,mount_tag=share,security_model=mapped-xattr"], ("vmlinuz-generic", "initrd-generic"),
                ["netfs", "fscache", "9pnet", "9pnet_virtio", "9p"], "-t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none"),
         "virtiofs": (["-object", "memory-backend-memfd,id=ram,size=512M,share=on", "-M", "pc,memory-backend=ram", "-chardev",
                       "socket,id=c0,path={folder}/sock", "-device", "vhost-user-fs-pci,chardev=c0,tag=share"], ("vmlinuz", "initrd-more"),
                      ["fuse", "virtiofs"], "-t virtiofs")}


@contextlib.contextmanager
def back_end(folder, which):
    """The number of virtiofsd's process, if it is used."""
    if which != "virtiofs":
        yield None
        return
    if not VIRTIOFSD:
        raise tap.Skip("there is no virtiofsd")
    with open(f"{folder}/said", "w+", encoding="utf-8") as said, \
            subprocess.Popen([VIRTIOFSD, f"--socket-path={folder}/sock", "-o", f"source={folder}/shown", "-o", "sandbox=chroot",
                              "-o", "xattr", "-o", "cache=none"], stdout=said, stderr=said) as process:
        try:
            vm.wait_until(lambda: os.path.exists(f"{folder}/sock"), "the socket of virtiofsd")
            yield process.pid
        finally:
            process.terminate()


def processor_seconds(pids):
    return sum(programs.processor_seconds(pid) for pid in pids if pid)


def measure(program, accel, build, figures, which):
    options, kernel, modules, mount = KINDS[which]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.mkdir(f"{folder}/shown")
        with open(f"{folder}/shown/data", "wb") as data:
            data.write(os.urandom(MIB << 20))
        with back_end(folder, which) as other, \
                vm.Vm(program, f"{build}/guest", kernel=kernel[0], initrd=kernel[1], accel=accel, memory="512M",
                      extra=[word.format(folder=folder) for word in options]) as guest:
            guest.wait_ready()
            for module in VIRTIO + modules:
                guest.run(f"insmod /lib/modules/{module}.ko", timeout=10 * vm.LONG)
            guest.run(f"mkdir -p /mnt && mount {mount} share /mnt")
            pids = guest.process.pid, other
            for name, unit, command, times in JOBS:
                before, start = processor_seconds(pids), time.monotonic()
                guest.run(command, timeout=20 * vm.LONG)
                name = f"{which} {name}"
                figures.setdefault((name, f"ms of processor {unit}"), []).append((processor_seconds(pids) - before) * 1000 / times)
                figures.setdefault((name, f"ms {unit}"), []).append((time.monotonic() - start) * 1000 / times)


def main():
    build, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    ours, peers = {}, {}
    peer = shutil.which("qemu-system-x86_64")
    for which in sys.argv[3:] or KINDS:
        try:
            for _ in range(runs):
                measure(f"{build}/dimmable", "soft", build, ours, which)
                if peer:
                    measure(peer, "tcg", build, peers, which)
        except tap.Skip as reason:
            print(f"no figures of {which}: {reason}")
    print(f"{'':72}{'dimmable':>12}" + (f"{'QEMU TCG':>12}{'ratio':>8}" if peer else ""))
    for key, values in ours.items():
        value = statistics.median(values)
        line = f"{f'{key[0]} ({key[1]})':72}{value:12.2f}"
        if peer:
            other = statistics.median(peers[key])
            line += f"{other:12.2f}{value / other:8.2f}"
        print(line)


main()

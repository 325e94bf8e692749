#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks and a network of a Linux guest, beside qemu-system-x86_64 where it is installed: devices.py BUILD-DIR [RUNS [KIND...]]
fio on a disk of each kind whose image the host has in its cache (that of vhost-user by qemu-storage-daemon, for both
programs), then TCP to the host and from there, with the programs of
scripts/make-image.py's system, and with Intel's and Realtek's cards. Each figure is the median over RUNS (default 3), the two programs in turn. Lower is better."""
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
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
CRC = ["crct10dif_common", "crct10dif_generic", "crc-t10dif", "crc64", "crc64-rocksoft", "crc64_rocksoft_generic", "t10-pi"]
DRIVE = ["-drive", "if=none,id=d0,format=raw,file={folder}/disk"]
# The kinds of disks: name, its options, the guest's drivers and its name there.
KINDS = {"virtio": ([*DRIVE, "-device", "virtio-blk-pci,drive=d0"], [], "vdb"),
         "NVMe": ([*DRIVE, "-device", "nvme,serial=x,drive=d0"], [], "nvme0n1"),
         "SCSI": ([*DRIVE, "-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=d0"], [*SCSI, "virtio_scsi"], "sda"),
         "IDE": ([*DRIVE, "-device", "ide-hd,drive=d0,bus=ide.0"], [*SCSI, "libata", "ata_piix"], "sda"),
         "AHCI": ([*DRIVE, "-device", "ahci,id=a", "-device", "ide-hd,drive=d0,bus=a.0"], [*CRC, *SCSI, "libata", "libahci", "ahci"], "sda"),
         "vhost-user": (["-object", "memory-backend-memfd,id=ram,size=512M,share=on", "-M", "pc,memory-backend=ram", "-chardev",
                         "socket,id=c0,path={folder}/sock", "-device", "vhost-user-blk-pci,chardev=c0"], [], "vdb")}
CARDS = {"e1000": ["e1000"], "e1000e": ["e1000e"], "rtl8139": ["mii", "8139cp"]}  # and their drivers
FIO = ("fio --name=job --filename=/dev/{name} --rw={kind} --bs={size} --iodepth={depth} --ioengine=libaio --direct=1 --thread "
       f"--time_based --runtime={SECONDS} --output-format=json --output=/tmp/fio > /dev/null && cat /tmp/fio")


class Generic(vm.Vm):
    """Debian's kernel for all machines, which has drivers that the one of clouds has not, with fio in its memory."""

    def __init__(self, build, *extra, program, accel):
        with tempfile.TemporaryDirectory() as folder:
            copy_program(build, f"{folder}/root", "/usr/bin/fio")
            names = subprocess.run(["find", ".", "-mindepth", "1"], cwd=f"{folder}/root", stdout=subprocess.PIPE, check=True).stdout
            programs.add_files(build, folder, f"{folder}/root", names, "generic")
            super().__init__(program, folder, accel=accel, memory="512M", extra=extra)
            self.wait_ready()

    def mount(self):
        """There is nothing to mount."""

    def debian(self, command, timeout=vm.LONG):
        return self.run(f"PATH=$PATH:/usr/bin; {command}", timeout)


def copy_out(image, names, root):
    """Copies the first of the files @names that @image has, links followed, to @root; its path there."""
    for name in names:
        path = name
        for _ in range(4):
            said = subprocess.run(["debugfs", "-R", f"stat {path}", image], capture_output=True, text=True, check=True).stdout
            link = re.search(r'Fast link dest: "(.*)"', said)
            if not link:
                break
            path = os.path.normpath(os.path.join(os.path.dirname(path), link[1]))
        if "Type: regular" in said:
            os.makedirs(os.path.dirname(f"{root}{name}"), exist_ok=True)
            subprocess.run(["debugfs", "-R", f"dump {path} {root}{name}", image], capture_output=True, check=True)
            os.chmod(f"{root}{name}", 0o755)
            return f"{root}{name}"
    raise tap.Skip(f"the system's image has none of {names}")


def copy_program(build, root, program):
    """Copies @program of the system's image, and the libraries that it needs, to @root."""
    image = f"{debian.image_of(build, 'raw')}?offset={debian.ROOT_OFFSET}"
    loader = "/usr/lib64/ld-linux-x86-64.so.2"
    wanted = [[program], [loader, "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"]]
    for names in wanted:  # which grows
        said = subprocess.run(["readelf", "-d", copy_out(image, names, root)], capture_output=True, text=True, check=True).stdout
        for name in re.findall(r"NEEDED.*\[(.*)\]", said):
            places = [f"/usr/lib/x86_64-linux-gnu/{folder}{name}" for folder in ("", "ceph/")]
            if places not in wanted and not name.startswith("ld-"):
                wanted.append(places)
    os.makedirs(f"{root}/lib64")
    there = next(name for name in wanted[1] if os.path.exists(f"{root}{name}"))
    os.symlink(there, f"{root}/lib64/ld-linux-x86-64.so.2")


@contextlib.contextmanager
def back_end(folder, which):
    """The program that has the disk, if that is another one."""
    if which != "vhost-user":
        yield
        return
    program = shutil.which("qemu-storage-daemon")
    if not program:
        raise tap.Skip("there is no qemu-storage-daemon")
    with subprocess.Popen([program, "--blockdev", f"driver=file,node-name=f0,filename={folder}/disk", "--export",
                           f"type=vhost-user-blk,id=e0,node-name=f0,writable=on,addr.type=unix,addr.path={folder}/sock"]) as process:
        try:
            vm.wait_until(lambda: os.path.exists(f"{folder}/sock"), "the socket of qemu-storage-daemon")
            yield
        finally:
            process.terminate()


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


def network(run, guest, label="", netcat="nc -N"):
    """@run: what runs a command in the guest, whose program to make a connection is @netcat."""
    for name, end, command in (("TCP to the guest", send, "{netcat} 10.0.2.2 {port} < /dev/null > /dev/null"),
                               ("TCP from the guest", receive, "head -c {size} /dev/zero | {netcat} 10.0.2.2 {port}")):
        name = f"{label}{name}"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            times = []
            thread = threading.Thread(target=end, args=(listener, times), daemon=True)
            thread.start()
            meter = Meter(guest)
            run(command.format(port=listener.getsockname()[1], size=STREAM, netcat=netcat), timeout=10 * vm.LONG)
            thread.join()
        total, outside = meter.seconds()
        yield name, "ms a MiB", (times[1] - times[0]) * 1000 * MIB / STREAM
        yield name, "ms of processor a MiB", total * 1000 * MIB / STREAM
        yield name, "ms of the host's side a MiB", outside * 1000 * MIB / STREAM


def machine(build, which, program, accel, words):
    if which == "AHCI":
        return Generic(build, *words, program=program, accel=accel)
    return debian.Tools(build, *words, "-nic", "user,model=virtio-net-pci", program=program, accel=accel, initrd="initrd-more")


def measure_card(program, accel, build, figures, model):
    with vm.Vm(program, f"{build}/guest", kernel="vmlinuz-generic", initrd="initrd-generic", accel=accel, memory="256M",
               extra=["-nic", f"user,model={model}"]) as guest:
        guest.wait_ready()
        for module in CARDS[model]:
            guest.run(f"insmod /lib/modules/{module}.ko", timeout=10 * vm.LONG)
        guest.run("ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up; until ping -c 1 -W 1 10.0.2.2 >/dev/null; do :; done", timeout=10 * vm.LONG)
        for name, unit, value in network(guest.run, guest, f"{model}: ", "nc"):
            figures.setdefault((name, unit), []).append(value)


def measure(program, accel, build, figures, which="virtio"):
    options, modules, where = KINDS[which]
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/disk", "wb") as image:
            image.write(os.urandom(DISK))
        words = [word.format(folder=folder) for word in options]
        with back_end(folder, which), machine(build, which, program, accel, words) as guest:
            guest.mount()
            for module in modules:
                guest.run(f"insmod /lib/modules/{module}.ko", timeout=10 * vm.LONG)
            guest.run(f"until [ -b /dev/{where} ]; do sleep 0.1; done")
            if which == "virtio":
                guest.run("ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up")
            for source in (disk(guest, where, "" if which == "virtio" else f"{which}: "), network(guest.debian, guest) if which == "virtio" else ()):
                for name, unit, value in source:
                    figures.setdefault((name, unit), []).append(value)


def main():
    build, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    ours, peers = {}, {}
    peer = shutil.which("qemu-system-x86_64")
    try:
        for which in sys.argv[3:] or [*KINDS, *CARDS]:
            one = measure_card if which in CARDS else measure
            for _ in range(runs):
                one(f"{build}/dimmable", "soft", build, ours, which)
                if peer:
                    one(peer, "tcg", build, peers, which)
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

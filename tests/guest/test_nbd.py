#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""NBD with Linux: a guest's disk on a server that is killed, and that stays while the guest moves; the kernel's client.
Usage: test_nbd.py BUILD-DIR NBDCLIENT"""
import contextlib
import glob
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
CLIENT = os.path.abspath(sys.argv[2])
SERVER = f"{BUILD}/tools/nbd/dimmable-nbd"
MIB = 1 << 20
BUS = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"]


def image(path, mib=64):
    with open(path, "wb") as file:
        file.truncate(mib * MIB)


def md5(path, size):
    with open(path, "rb") as file:
        return hashlib.md5(file.read(size)).hexdigest()


@contextlib.contextmanager
def server(*words):
    """dimmable-nbd, which stays when its clients go."""
    with subprocess.Popen([SERVER, "-t", "-e", "0", *words]) as process:
        try:
            yield process
        finally:
            process.kill()


def disk(path, *more):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M", extra=[
        "-M", "pc", "-blockdev", f"nbd,node-name=n0,discard=unmap,reconnect-delay=60,open-timeout=30,server.type=unix,server.path={path}",
        "-device", "virtio-blk-pci,drive=n0", *more])


def load(guest, *modules):
    guest.wait_ready()
    for module in [*BUS, *modules]:
        guest.run(f"insmod /lib/modules/{module}.ko")


def begin_writing(guest):
    """20,000,000 bytes, again and again."""
    guest.run("head -c 20000000 /dev/urandom > /tmp/pattern", timeout=120)
    guest.run("(while [ ! -e /tmp/stop ]; do dd if=/tmp/pattern of=/dev/vda bs=64k conv=fsync 2> /tmp/dd || echo $? >> /tmp/failed; "
              "echo >> /tmp/rounds; done) > /dev/null 2>&1 &")
    return guest.run("md5sum < /tmp/pattern").split()[0]


def goes_on(guest):
    """It has written all of it once more."""
    rounds = int(guest.run("cat /tmp/rounds 2>/dev/null | wc -l"))
    guest.run(f"until [ $(cat /tmp/rounds 2>/dev/null | wc -l) -gt {rounds + 1} ]; do sleep 0.1; done", timeout=120)


def end_writing(guest):
    guest.run("touch /tmp/stop; wait", timeout=120)
    tap.equal(guest.run("cat /tmp/failed 2>/dev/null; dmesg | grep -i 'i/o error' || true").strip(), "")
    guest.run("echo 3 > /proc/sys/vm/drop_caches; head -c 20000000 /dev/vda | cmp - /tmp/pattern", timeout=120)


def killed():
    """kill -9 of the server while the guest writes: it notices nothing but that it takes a while."""
    with tempfile.TemporaryDirectory() as folder:
        image(f"{folder}/disk")
        words = ("-k", f"{folder}/s", "-f", "raw", "--discard=unmap", f"{folder}/disk")
        with contextlib.ExitStack() as stack:
            process = stack.enter_context(server(*words))
            guest = stack.enter_context(disk(f"{folder}/s"))
            load(guest, "virtio_blk")
            expected = begin_writing(guest)
            for _ in range(3):
                goes_on(guest)
                process.kill()
                process.wait()
                process = stack.enter_context(server(*words))
            goes_on(guest)
            end_writing(guest)
            tap.equal(md5(f"{folder}/disk", 20000000), expected)
            before = os.stat(f"{folder}/disk").st_blocks
            guest.run(f"blkdiscard -o 0 -l {4 * MIB} /dev/vda")
            tap.equal(os.stat(f"{folder}/disk").st_blocks < before, True, "discards reach the server's file")


def moved():
    """The guest writes while it goes from one machine to the other; both have the export."""
    with tempfile.TemporaryDirectory() as folder:
        image(f"{folder}/disk")
        with server("-k", f"{folder}/s", "-f", "raw", f"{folder}/disk"), disk(f"{folder}/s") as here:
            load(here, "virtio_blk")
            expected = begin_writing(here)
            goes_on(here)
            with disk(f"{folder}/s", "-incoming", f"unix:{folder}/m") as there:
                here.qmp.command("migrate", uri=f"unix:{folder}/m")
                there.qmp.event("RESUME", timeout=120)
                goes_on(there)
                end_writing(there)
            tap.equal(md5(f"{folder}/disk", 20000000), expected)


def initrd(folder):
    """The usual one with the kernel's NBD driver and a program that sets it up."""
    found = glob.glob(f"{BUILD}/guest/root/lib/modules/*-cloud-amd64/**/nbd.ko*", recursive=True)
    if not found:
        raise tap.Skip("the unpacked kernel has no nbd")
    if found[0].endswith(".xz"):
        with open(f"{folder}/nbd.ko", "wb") as file:
            subprocess.run(["xz", "-dc", found[0]], stdout=file, check=True)
    else:
        shutil.copy(found[0], f"{folder}/nbd.ko")
    shutil.copy(CLIENT, f"{folder}/nbdclient")
    more = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=folder, input=b"nbd.ko\nnbdclient\n", check=True,
                          stdout=subprocess.PIPE).stdout
    with open(f"{BUILD}/guest/initrd", "rb") as first, open(f"{folder}/initrd", "wb") as out:
        head = first.read()
        out.write(head + bytes(-len(head) % 4) + more)
    return f"{folder}/initrd"


def kernels_client():
    """A guest's kernel uses an export of the host, over its network."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        image(f"{folder}/disk")
        port = free.getsockname()[1]
        free.close()
        with server("-b", "127.0.0.1", "-p", str(port), "-x", "e", "-f", "raw", "--discard=unmap", f"{folder}/disk"), \
                vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M", initrd=os.path.relpath(initrd(folder), f"{BUILD}/guest"),
                      extra=["-M", "pc", "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0"]) as guest:
            load(guest, "failover", "net_failover", "virtio_net")
            guest.run("insmod /nbd.ko && ifconfig eth0 10.0.2.15 && chmod 755 /nbdclient")
            guest.run(f"/nbdclient /dev/nbd0 10.0.2.2 {port} e > /tmp/client 2>&1 & "
                      "until grep -q connected /tmp/client; do sleep 0.1; done", timeout=60)
            tap.equal(guest.run("cat /sys/block/nbd0/size"), str(64 * MIB // 512))
            guest.run("head -c 8000000 /dev/urandom > /tmp/pattern", timeout=120)
            guest.run("dd if=/tmp/pattern of=/dev/nbd0 bs=64k conv=fsync 2>&1", timeout=120)
            guest.run("echo 3 > /proc/sys/vm/drop_caches; head -c 8000000 /dev/nbd0 | cmp - /tmp/pattern", timeout=120)
            tap.equal(md5(f"{folder}/disk", 8000000), guest.run("md5sum < /tmp/pattern").split()[0])
            before = os.stat(f"{folder}/disk").st_blocks
            guest.run(f"blkdiscard -o 0 -l {4 * MIB} /dev/nbd0")
            tap.equal(os.stat(f"{folder}/disk").st_blocks < before, True, "discards reach the server's file")


if __name__ == "__main__":
    tap.run([(function.__name__, function) for function in (killed, moved, kernels_client)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux with devices whose rings other programs work on: test_vhost_user.py BUILD-DIR [NAME]. The programs are Debian's:
qemu-storage-daemon has disks, virtiofsd shows folders."""
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MIB = 1 << 20
STORAGE = shutil.which("qemu-storage-daemon")
VIRTIOFSD = next((p for p in ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd") if os.path.exists(p)), None)
BASE = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"]
MEMORY = ["-object", "memory-backend-memfd,id=ram,size=256M,share=on", "-machine"]


def machine(board, *extra):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", initrd="initrd-more", accel="soft", memory="256M,slots=4,maxmem=2G",
                 extra=[*MEMORY, f"{board},memory-backend=ram", *extra])


def compile_check(folder):
    """The checks as a program that needs no libraries."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fs-check.c")
    subprocess.run([os.environ.get("CC", "cc"), "-O1", "-static", "-o", f"{folder}/fs-check", source], check=True)


def load(guest, *modules):
    for module in [*BASE, *modules]:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)


class Program:
    """A back-end that listens at @path; it is ended on the way out."""

    def __init__(self, path, *args, stderr=None):
        self.path, self.args, self.stderr, self.process = path, args, stderr, None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.process = subprocess.Popen(self.args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.stderr)
        vm.wait_until(lambda: os.path.exists(self.path) or self.process.poll() is not None, f"{self.path} is there")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def storage(folder, image, *more):
    if not STORAGE:
        raise tap.Skip("there is no qemu-storage-daemon")
    return Program(f"{folder}/disk.sock", STORAGE, "--blockdev", f"driver=file,node-name=file0,filename={image}",
                   "--export", f"type=vhost-user-blk,id=e0,node-name=file0,writable=on,addr.type=unix,"
                               f"addr.path={folder}/disk.sock,num-queues=2", *more)


def make_image(folder, size=64 * MIB):
    path = f"{folder}/disk.img"
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def md5(path, size):
    with open(path, "rb") as file:
        return hashlib.md5(file.read(size)).hexdigest()


def pattern(guest, mib):
    """Random bytes into the disk from its beginning on; their sum."""
    guest.run(f"dd if=/dev/urandom of=/tmp/data bs=1M count={mib} 2>/dev/null")
    guest.run("dd if=/tmp/data of=/dev/vda bs=64k conv=fsync 2>/dev/null", timeout=120)
    return guest.run("md5sum < /tmp/data").split()[0]


def disk(board):
    """What the guest writes is in the image; DIMMs come and go while the disk works with what is in them; the guest is
    reset."""
    with tempfile.TemporaryDirectory() as folder:
        image = make_image(folder)
        with storage(folder, image), machine(board, "-chardev", f"socket,id=c0,path={folder}/disk.sock",
                                             "-device", "vhost-user-blk-pci,id=d0,chardev=c0,num-queues=2") as guest:
            guest.wait_ready()
            load(guest, "virtio_blk")
            tap.equal(guest.run("cat /sys/block/vda/size"), str(64 * MIB // 512))
            wanted = pattern(guest, 4)
            tap.equal(md5(image, 4 * MIB), wanted, "the image")
            guest.plug("dimm0", 128 * MIB, backend="memory-backend-memfd", backend_props={"share": True})
            # All of it: pages of the cache are in the new memory.
            guest.run("echo 3 > /proc/sys/vm/drop_caches; cat /dev/vda > /dev/null", timeout=120)
            guest.run("mkdir -p /far; mount -t tmpfs -o size=120M far /far; cp /tmp/data /far/; "
                      "head -c 100000000 /dev/zero > /far/fill; rm /far/fill", timeout=120)
            tap.equal(guest.run("dd if=/dev/vda bs=64k count=64 iflag=direct 2>/dev/null | md5sum").split()[0], wanted,
                      "read past the cache")
            guest.run("umount /far; echo 3 > /proc/sys/vm/drop_caches")
            guest.unplug("dimm0", timeout=120)
            tap.equal(guest.run("dd if=/dev/vda bs=1M count=4 2>/dev/null | md5sum").split()[0], wanted, "after the DIMM")
            guest.qmp.command("system_reset")
            guest.qmp.event("RESET")
            guest.wait_ready()
            load(guest, "virtio_blk")
            tap.equal(guest.run("dd if=/dev/vda bs=1M count=4 2>/dev/null | md5sum").split()[0], wanted, "after the reset")
            guest.qmp.command("stop")
            guest.qmp.command("cont")
            wanted = pattern(guest, 2)
            tap.equal(md5(image, 2 * MIB), wanted, "after a stop")


# What POSIX says of names, as shell tests in the folder that is mounted: each must succeed.
CHECKS = """
mkdir a && [ -d a ]
! mkdir a 2>/dev/null
touch "a/with space" a/-dash && [ $(ls a | wc -l) = 2 ]
n=$(printf %0255d 0); touch $n && [ -f $n ] && rm $n
! touch $(printf %0256d 0) 2>/dev/null
rm a/* -- && ! rm a/none 2>/dev/null
echo one > f && chmod 640 f && [ $(stat -c %a f) = 640 ]
chmod 4755 f && [ $(stat -c %a f) = 4755 ]
chown 12:34 f && [ $(stat -c %u:%g f) = 12:34 ]
ln f g && [ $(stat -c %h f) = 2 ] && [ $(stat -c %i f) = $(stat -c %i g) ]
echo two >> g && [ $(wc -l < f) = 2 ]
rm f && [ $(stat -c %h g) = 1 ] && [ $(wc -l < g) = 2 ]
ln -s g s && [ $(readlink s) = g ] && [ $(wc -l < s) = 2 ]
ln -s nowhere t && ! cat t 2>/dev/null && [ -L t ] && rm s t
mv g h && [ ! -e g ] && [ $(wc -l < h) = 2 ]
echo x > i && mv i h && [ $(cat h) = x ] && [ ! -e i ]
mkdir b && mv b a/b && [ -d a/b ] && ! mv a a/b/c 2>/dev/null
touch a/b/full && ! rmdir a/b 2>/dev/null && rm a/b/full && rmdir a/b
! mv h a/none/h 2>/dev/null && [ -f h ]
truncate -s 100000 h && [ $(stat -c %s h) = 100000 ]
truncate -s 1 h && [ $(cat h) = x ]
touch -d "2001-02-03 04:05:06" h && [ "$(date -r h +%Y%m%d%H%M%S)" = 20010203040506 ]
mkfifo p && [ -p p ] && rm p
exec 5<>h && rm h && echo y >&5 && exec 5>&-
for i in $(seq 300); do echo $i > a/$i; done; [ $(ls a | wc -l) = 300 ] && rm -r a
head -c 3000000 /dev/urandom > big && cp big copy && cmp big copy
dd if=big of=hole bs=1000 seek=5000 count=1 2>/dev/null && [ $(stat -c %s hole) = 5001000 ]
""".strip().splitlines()


def served(folder):
    """virtiofsd for a folder, where this host lets it work: it confines itself only when somebody has connected, and not
    every container has the capabilities for that."""
    if not VIRTIOFSD:
        raise tap.Skip("there is no virtiofsd")
    os.mkdir(f"{folder}/shown")
    words = [VIRTIOFSD, f"--socket-path={folder}/fs.sock", "-o", f"source={folder}/shown", "-o", "sandbox=chroot",
             "-o", "xattr", "-o", "cache=auto"]
    with open(f"{folder}/said", "w+", encoding="utf-8") as said:
        with Program(f"{folder}/fs.sock", *words, stderr=said) as alone:
            if alone.process.poll() is None:
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(alone.path)
                    time.sleep(0.5)
                    alone.process.poll()
            if alone.process.returncode:
                said.seek(0)
                raise tap.Skip(f"virtiofsd cannot work here: {said.read().splitlines()[-1:]}")
    return Program(f"{folder}/fs.sock", *words)


def folder_checks(guest, shown):
    """All of fs-check, as with 9P."""
    compile_check(shown)
    os.mkdir(f"{shown}/work")
    guest.run("cp fs-check /tmp/ && chmod 755 /tmp/fs-check")
    said = guest.run("/tmp/fs-check /host/work mmap xattr waits", timeout=1200, check=False)
    tap.equal(said.endswith(" 0 failed"), True, said)
    tap.equal(os.listdir(f"{shown}/work"), [], "what is left")


def shared_folder(board):
    """Names, modes, links, renames, sizes and holes of a folder of the host; both see the same; DIMMs come and go; the
    back-end dies: the guest's programs get an error."""
    with tempfile.TemporaryDirectory() as folder:
        with served(folder) as server, machine(board, "-chardev", f"socket,id=c0,path={folder}/fs.sock", "-device",
                                               "vhost-user-fs-pci,id=f0,chardev=c0,tag=host,queue-size=256") as guest:
            guest.wait_ready()
            load(guest, "fuse", "virtiofs")
            guest.run("mkdir -p /host && mount -t virtiofs host /host && cd /host")
            folder_checks(guest, f"{folder}/shown")
            for check in CHECKS:
                try:
                    guest.run(check, timeout=120)
                except RuntimeError as err:
                    raise AssertionError(f"{check}: {err}") from None
            with open(f"{folder}/shown/big", "rb") as file:
                wanted = hashlib.md5(file.read()).hexdigest()
            tap.equal(guest.run("md5sum < big").split()[0], wanted, "what the host sees")
            with open(f"{folder}/shown/from-host", "w", encoding="ascii") as file:
                file.write("hello")
            tap.equal(guest.run("cat from-host"), "hello")
            guest.plug("dimm0", 128 * MIB, backend="memory-backend-memfd", backend_props={"share": True})
            guest.run("mkdir -p /far; mount -t tmpfs -o size=120M far /far; head -c 4000000 /dev/urandom > /far/data",
                      timeout=120)
            guest.run("cp /far/data far; umount /far; echo 3 > /proc/sys/vm/drop_caches", timeout=120)
            tap.equal(guest.run("md5sum < far", timeout=120).split()[0], md5(f"{folder}/shown/far", 1 << 30), "from the DIMM")
            guest.run("echo 3 > /proc/sys/vm/drop_caches")
            guest.unplug("dimm0", timeout=120)
            tap.equal(guest.run("cat from-host"), "hello", "without the DIMM")
            try:
                guest.qmp.command("migrate", uri=f"file:{folder}/saved")
                raise AssertionError("it was migrated")
            except vm.QmpError as err:
                tap.equal("open files cannot go along" in err.desc, True, err.desc)
            guest.run("(while ls; do :; done) > /dev/null 2>/tmp/said &")
            server.kill()
            guest.run("until [ -s /tmp/said ]; do sleep 0.1; done; ! ls", timeout=60)
            tap.equal("not connected" in guest.run("ls 2>&1", check=False), True)
            guest.run("cd /; umount -l /host; echo alive")


if __name__ == "__main__":
    tap.run([(name, case) for name, case in [
        *((f"{board}: disk", lambda board=board: disk(board)) for board in ("pc", "q35")),
        *((f"{board}: folder", lambda board=board: shared_folder(board)) for board in ("pc", "q35")),
    ] if len(sys.argv) < 3 or sys.argv[2] in name])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder of the host as Debian's kernel sees it, mounted by 9P: test_9p.py BUILD-DIR [NAME...]."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
           "netfs", "fscache", "9pnet", "9pnet_virtio", "9p"]


def check(right, what):
    if not right:
        raise AssertionError(what)


def compile_check(folder):
    """The checks as a program that needs no libraries."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fs-check.c")
    subprocess.run([os.environ.get("CC", "cc"), "-O1", "-static", "-o", f"{folder}/fs-check", source], check=True)


def machine(folder, options, board="pc", *more, program=None):
    guest = vm.Vm(program or f"{BUILD}/dimmable", f"{BUILD}/guest", kernel="vmlinuz-generic", initrd="initrd-generic",
                  accel="tcg" if program else "soft", memory="512M", extra=["-M", board, "-fsdev", f"local,id=f0,path={folder},{options}",
                                        "-device", "virtio-9p-pci,id=p0,fsdev=f0,mount_tag=share", *more])
    guest.wait_ready()
    for module in MODULES:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
    return guest


def mount(guest, options="cache=none", tag="share", where="/mnt"):
    guest.run(f"mkdir -p {where} && mount -t 9p -o trans=virtio,version=9p2000.L,{options} {tag} {where}")


def checks(board, options, words, mounting):
    """Everything that fs-check looks at; then an unmounted guest can be saved, a mounted one cannot."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        os.chmod(folder, 0o755)
        compile_check(folder)
        os.mkdir(f"{folder}/work")
        with machine(folder, options, board) as guest:
            mount(guest, mounting)
            guest.run("cp /mnt/fs-check /tmp/ && chmod 755 /tmp/fs-check")
            said = guest.run(f"/tmp/fs-check /mnt/work {words}", timeout=1200, check=False)
            check(said.endswith(" 0 failed"), said)
            tap.equal([name for name in os.listdir(f"{folder}/work") if name != ".virtfs_metadata"], [])
            try:
                guest.qmp.command("migrate", uri="exec:cat > /dev/null")
                check(False, "a mounted folder does not keep the machine from being moved")
            except vm.QmpError as err:
                check("the guest has mounted 'share'" in err.desc, err.desc)
            guest.run("umount /mnt")
            guest.qmp.command("migrate", uri="exec:cat > /dev/null")
            vm.wait_until(lambda: guest.qmp.command("query-migrate")["status"] == "completed", "it is saved")


def full():
    """A disk of the host that is full says so to the guest, and goes on when there is room."""
    if os.geteuid() != 0:
        raise tap.Skip("only root can mount a small file system")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M,mode=755", "small", folder], check=True)
        try:
            with machine(folder, "security_model=passthrough") as guest:
                mount(guest)
                said = guest.run("dd if=/dev/zero of=/mnt/f bs=64k count=100 2>&1", check=False)
                check("No space left" in said, said)
                check(os.stat(f"{folder}/f").st_size <= 1 << 20, "it is no larger than the disk")
                guest.run("rm /mnt/f && echo fits > /mnt/g && sync")
                tap.equal(open(f"{folder}/g", encoding="ascii").read(), "fits\n")
        finally:
            subprocess.run(["umount", folder], check=True)


def escapes():
    """What the guest does to names and links stays in its folder, whoever owns the files there."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as base:
        folder = f"{base}/shared"
        os.mkdir(folder)
        with open(f"{base}/secret", "w", encoding="ascii") as secret:
            secret.write("secret\n")
        os.symlink("../secret", f"{folder}/made-by-host")
        with machine(folder, "security_model=passthrough") as guest:
            mount(guest)
            for name in ("../secret", f"{base}/secret"):
                guest.run(f"ln -s {name} /mnt/link")
                tap.equal(os.readlink(f"{folder}/link"), name)
                guest.run("! cat /mnt/link && rm /mnt/link", check=False)
            guest.run("! cat /mnt/made-by-host")
            guest.run("echo changed > /mnt/made-by-host", check=False)
            guest.run("mknod /mnt/mem c 1 1 && ! echo > /mnt/../secret2 || rm -f /secret2", check=False)
            guest.run("ls -l /mnt/../ > /dev/null && cd /mnt && cd .. && cd ..")
            tap.equal(open(f"{base}/secret", encoding="ascii").read(), "secret\n")
            tap.equal(sorted(os.listdir(base)), ["secret", "shared"])


def plugs(rounds):
    """Devices come and go; two of the same folder see each other's files."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        with machine(folder, "security_model=none") as guest:
            mount(guest)
            for n in range(rounds):
                guest.qmp.command("device_add", driver="virtio-9p-pci", id="p1", fsdev="f0", mount_tag=f"more{n}")
                guest.run(f"until grep -q more{n} /sys/bus/virtio/drivers/9pnet_virtio/*/mount_tag; do sleep 0.1; done")
                mount(guest, tag=f"more{n}", where="/more")
                guest.run(f"echo {n} > /more/file && grep -q {n} /mnt/file && umount /more")
                guest.qmp.command("device_del", id="p1")
                guest.qmp.event("DEVICE_DELETED", device="p1")
            guest.qmp.command("system_reset")
            guest.qmp.event("RESET")
            guest.wait_ready()


def kept(folder):
    """What is kept of the guest's files beside them, by name."""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names + [""]:
            path = os.path.join(where, name)
            words = {key: os.getxattr(path, key) for key in os.listxattr(path) if key.startswith("user.virtfs.")}
            text = open(path, "rb").read() if name else b""
            if words or "metadata" in path or name == "link":
                found[os.path.relpath(path, folder)] = words, sorted(text.split(b"\n"))
    return found


def formats(model):
    """What another program keeps is what this one keeps, and each sees what the other's guest has made."""
    peer = shutil.which("qemu-system-x86_64")
    if not peer:
        raise tap.Skip("there is no other program")
    kinds, seen = [], []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as base:
        folders = f"{base}/ours", f"{base}/peer"
        for folder, program in zip(folders, (None, peer)):
            os.mkdir(folder)
            with machine(folder, f"security_model={model}", program=program) as guest:
                mount(guest)
                guest.run("cd /mnt && echo text > f && chmod 2640 f && chown 12:34 f && mkdir -m 711 d && chown 5:6 d && "
                          "ln -s d/none link && mknod c c 1 3 && mknod b b 8 260 && mkfifo -m 600 p && ln f d/hard && "
                          "echo > gone && rm gone && echo > old && mv old d/new && mkdir e && rmdir e")
            kinds.append(kept(folder))
        for folder, program in zip(folders, (peer, None)):
            with machine(folder, f"security_model={model}", program=program) as guest:
                mount(guest)
                seen.append(guest.run("cd /mnt && stat -c '%n %f %u %g %t %T %h %N' f d d/hard d/new link c b p"))
    tap.equal(kinds[0], kinds[1], "what is kept")
    tap.equal(seen[0], seen[1], "what the other one sees")


MODELS = [("passthrough", "pc", "security_model=passthrough", "mmap xattr waits", "cache=mmap"),
          ("none", "q35", "security_model=none,multidevs=remap", "xattr", "cache=none"),
          ("mapped-xattr", "q35", "security_model=mapped-xattr,writeout=immediate", "mmap xattr", "cache=loose"),
          ("mapped-file", "pc", "security_model=mapped-file", "", "cache=none,msize=262144")]
TESTS = ([(name, lambda rest=rest: checks(*rest)) for name, *rest in MODELS] +
         [(f"the other program's {model}", lambda model=model: formats(model)) for model in ("mapped-xattr", "mapped-file")] +
         [("full disk", full), ("escapes", escapes), ("plugs", lambda: plugs(int(os.environ.get("ROUNDS", "3"))))])
tap.run([(name, function) for name, function in TESTS if name in sys.argv[2:] or not sys.argv[2:]])

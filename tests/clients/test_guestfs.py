#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""libguestfs and its tools, and supermin, which makes its small system: test_guestfs.py BUILD-DIR."""
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import debian  # noqa: E402
import tap  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
PROGRAMS = {"supermin": "supermin", "guestfish": "guestfish", "virt-df": "guestfs-tools", "virt-customize": "guestfs-tools",
            "depmod": "kmod", "unshare": "util-linux"}
FOLDER = None
HANGS = 1200
INIT = """#!/bin/bash
echo "an appliance of supermin, Linux $(uname -r)"
ls /dev
mount -t proc none /proc
echo o > /proc/sysrq-trigger
sleep 3600
"""


def need_programs():
    missing = sorted({package for name, package in PROGRAMS.items()
                      if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")})
    if missing:
        raise tap.Skip(f"not installed: Debian's {' '.join(missing)}")
    if os.geteuid():
        raise tap.Skip("supermin is given a kernel's modules where it looks for them, which takes root")


def kernel():
    """(Its file, its version, the folder of its modules), as the tests' guests have them."""
    modules, = glob.glob(f"{BUILD}/guest/root/lib/modules/*-cloud-amd64")
    version = os.path.basename(modules)
    return f"{BUILD}/guest/root/boot/vmlinuz-{version}", version, modules


def give_modules():
    """A folder with lib/modules in it, and what depmod says of them."""
    _, version, modules = kernel()
    shutil.copytree(modules, f"{FOLDER}/lib/modules/{version}", symlinks=True)
    subprocess.run(["/sbin/depmod", "-b", FOLDER, version], check=True)


def environment():
    path, version, _ = kernel()
    return {**os.environ, "LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg",
            "LIBGUESTFS_HV": f"{BUILD}/dimmable", "LIBGUESTFS_CACHEDIR": FOLDER, "TMPDIR": FOLDER, "LC_ALL": "C.UTF-8",
            "SUPERMIN_KERNEL": path, "SUPERMIN_MODULES": f"{FOLDER}/lib/modules/{version}"}


def run(*args, **how):
    """A program, to which the kernel's modules are where a kernel that is installed has them; its output."""
    over = f"mount -t overlay none -o lowerdir={FOLDER}/lib:/usr/lib /usr/lib && exec \"$@\""
    done = subprocess.run(["unshare", "--mount", "sh", "-c", over, "sh", *args], env=environment(), cwd=FOLDER,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=HANGS, check=False, **how)
    tap.equal(done.returncode, 0, done.stdout[-4000:])
    return done.stdout


def guestfish():
    """A disk is parted, formatted, written to and read."""
    script = """sparse disk.img 64M
run
part-disk /dev/sda gpt
mkfs ext4 /dev/sda1 label:made
mount /dev/sda1 /
write /file "by guestfish"
checksum sha256 /file
umount /
fsck ext4 /dev/sda1
"""
    text = run("guestfish", input=script)
    tap.equal(text.splitlines(), [hashlib.sha256(b"by guestfish").hexdigest(), "0"], text)
    tap.equal(run("guestfish", "--ro", "-a", "disk.img", "-m", "/dev/sda1", "cat", "/file").strip(), "by guestfish")
    tap.equal(run("guestfish", "--ro", "-a", "disk.img", "run", ":", "vfs-label", "/dev/sda1").strip(), "made")


def system():
    """A system's image is looked at, and changed; other programs use it on top meanwhile."""
    shutil.copy(debian.image_of(BUILD, "qcow2"), f"{FOLDER}/system.qcow2")
    text = run("virt-df", "-a", "system.qcow2", "-h")
    tap.equal(re.findall(r"system.qcow2:(/dev/sda\d)", text), ["/dev/sda2", "/dev/sda3"], text)
    run("virt-customize", "-a", "system.qcow2", "--no-network", "--hostname", "customized", "--write", "/etc/made:by virt-customize",
        "--run-command", "uname -r > /etc/kernel-was")
    text = run("guestfish", "--ro", "-a", "system.qcow2", "-i", "cat", "/etc/hostname", ":", "cat", "/etc/made", ":",
               "cat", "/etc/kernel-was")
    tap.equal([line for line in text.splitlines() if line], ["customized", "by virt-customize", kernel()[1]], text)
    subprocess.run(["qemu-img", "check", "-q", f"{FOLDER}/system.qcow2"], check=True)


def supermin():
    """A small system is made of the host's packages, and started."""
    os.makedirs(f"{FOLDER}/prepared")
    run("supermin", "--prepare", "bash", "coreutils", "mount", "-o", "prepared")
    with open(f"{FOLDER}/init", "w", encoding="ascii") as file:
        file.write(INIT)
    os.chmod(f"{FOLDER}/init", 0o755)
    subprocess.run(["tar", "zcf", "prepared/init.tar.gz", "./init"], cwd=FOLDER, check=True)
    run("supermin", "--build", "--format", "ext2", "prepared", "-o", "appliance")
    done = subprocess.run([f"{BUILD}/dimmable", "-nodefaults", "-nographic", "-accel", "tcg", "-m", "512", "-no-reboot",
                           "-kernel", "appliance/kernel", "-initrd", "appliance/initrd", "-serial", "stdio",
                           "-drive", "file=appliance/root,format=raw,if=virtio", "-append", "console=ttyS0 root=/dev/vda"],
                          cwd=FOLDER, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=HANGS, check=False)
    tap.equal((done.returncode, f"an appliance of supermin, Linux {kernel()[1]}" in done.stdout), (0, True), done.stdout[-4000:])


def main():
    global FOLDER  # pylint: disable=global-statement
    try:
        need_programs()
        with tempfile.TemporaryDirectory(prefix="dimmable-guestfs-") as FOLDER:
            give_modules()
            tap.run([("guestfish", guestfish), ("virt-df and virt-customize", system), ("supermin", supermin)])
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

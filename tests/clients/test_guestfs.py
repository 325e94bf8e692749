#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""libguestfs and its tools, and supermin, which makes its small system: test_guestfs.py BUILD-DIR."""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import appliance  # noqa: E402
import debian  # noqa: E402
import tap  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
PROGRAMS = {"supermin": "supermin", "guestfish": "guestfish", "virt-df": "guestfs-tools", "virt-customize": "guestfs-tools",
            "depmod": "kmod", "unshare": "util-linux"}
FOLDER, run = None, None
INIT = """#!/bin/bash
echo "an appliance of supermin, Linux $(uname -r)"
ls /dev
mount -t proc none /proc
echo o > /proc/sysrq-trigger
sleep 3600
"""


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
    tap.equal([line for line in text.splitlines() if line], ["customized", "by virt-customize", appliance.kernel(BUILD)[1]], text)
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
                          timeout=appliance.HANGS, check=False)
    tap.equal((done.returncode, f"an appliance of supermin, Linux {appliance.kernel(BUILD)[1]}" in done.stdout), (0, True), done.stdout[-4000:])


def main():
    global FOLDER, run  # pylint: disable=global-statement
    try:
        appliance.need(PROGRAMS)
        with tempfile.TemporaryDirectory(prefix="dimmable-guestfs-") as FOLDER:
            run = appliance.Appliance(BUILD, FOLDER).run
            tap.run([("guestfish", guestfish), ("virt-df and virt-customize", system), ("supermin", supermin)])
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

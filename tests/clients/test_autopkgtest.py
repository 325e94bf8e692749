#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""autopkgtest-virt-qemu runs our Debian package's own tests, packaging/debian/tests, in a testbed that mmdebstrap and
guestfish make, as mmdebstrap's manual page has it: test_autopkgtest.py BUILD-DIR."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts"))
import appliance  # noqa: E402
import mmdebstrap  # noqa: E402
import tap  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PROGRAMS = {"autopkgtest": "autopkgtest", "mmdebstrap": "mmdebstrap", "guestfish": "guestfish", "extlinux": "extlinux",
            "depmod": "kmod", "dpkg-buildpackage": "dpkg-dev", "dh": "debhelper", "qemu-img": "qemu-utils"}
# Beside what the package and its tests depend on: a guest need not reach what the host has packages from.
PACKAGES = ["linux-image-amd64", "init", "udev", "dbus", "passwd", "login", "iproute2", "netcat-openbsd", "seabios", "man-db",
            "apt-utils"]
# Modules that no testbed needs here: the initrd, and the image, would be many times as large.
NOT_NEEDED = ["sound", *[f"drivers/{name}" for name in (
    "gpu", "media", "net/wireless", "net/ethernet", "infiniband", "staging", "iio", "usb", "scsi", "isdn", "hwmon", "input", "mtd")]]
SETUP = "/usr/share/autopkgtest/setup-commands/setup-testbed"
BOOT = """default linux
timeout 0

label linux
kernel /vmlinuz
append initrd=/initrd.img root=/dev/vda1 rw console=ttyS0
"""
FOLDER, DEB = None, None


def package():
    global DEB  # pylint: disable=global-statement
    DEB = mmdebstrap.run(f"{SOURCE}/scripts/make-deb.py", BUILD, f"{FOLDER}/deb").split()[-1]
    made_of, = glob.glob(f"{FOLDER}/deb/dimmable-*/debian")
    shutil.copytree(f"{SOURCE}/packaging/debian", f"{FOLDER}/source/debian")
    shutil.copy(f"{made_of}/changelog", f"{FOLDER}/source/debian")


def testbed():
    """A system, as a tar file."""
    depends = mmdebstrap.run("dpkg-deb", "--field", DEB, "Depends").strip().split(", ")
    wanted = [*PACKAGES, *[re.split(r"[ |]", name)[0] for name in depends]]
    mmdebstrap.run("mmdebstrap", "--variant=apt", f"--include={','.join(wanted)}", "--aptopt=Acquire::Languages \"none\"",
                   "--dpkgopt=force-unsafe-io", *[f"--dpkgopt=path-exclude=/lib/modules/*/kernel/{name}/*" for name in NOT_NEEDED],
                   "--customize-hook=chroot \"$1\" passwd --delete root",
                   "--customize-hook=chroot \"$1\" useradd --home-dir /home/user --create-home user",
                   "--customize-hook=chroot \"$1\" passwd --delete user",
                   "--customize-hook=echo host > \"$1/etc/hostname\"",
                   "--customize-hook=echo \"127.0.0.1 localhost host\" > \"$1/etc/hosts\"",
                   f"--customize-hook={SETUP}", mmdebstrap.RELEASE, f"{FOLDER}/testbed.tar", "-",
                   input="\n".join(mmdebstrap.sources()).encode(), env={**os.environ, "AUTOPKGTEST_KEEP_APT_SOURCES": "1"})


def image():
    """A disk of it, which boots by extlinux."""
    mmdebstrap.write(f"{FOLDER}/extlinux.conf", BOOT)
    steps = ["part-disk /dev/sda mbr", "part-set-bootable /dev/sda 1 true", "mkfs ext4 /dev/sda1", "mount /dev/sda1 /",
             "tar-in testbed.tar / xattrs:true", "upload /usr/lib/EXTLINUX/mbr.bin /boot/mbr.bin",
             "copy-file-to-device /boot/mbr.bin /dev/sda size:440", "extlinux /", "copy-in extlinux.conf /", "sync",
             "umount /", "shutdown"]
    appliance.Appliance(BUILD, FOLDER).run("guestfish", "-N", "testbed.img=disk:2G", "--", *" : ".join(steps).split())
    os.remove(f"{FOLDER}/testbed.tar")


def tests():
    """With --qemu-options for hosts whose CPU has no virtualisation."""
    os.symlink(f"{BUILD}/dimmable", f"{FOLDER}/qemu-system-x86_64")
    done = subprocess.run(["autopkgtest", "--no-built-binaries", f"--output-dir={FOLDER}/out", DEB, f"{FOLDER}/source/", "--",
                           "qemu", "--timeout-reboot=1200", f"--qemu-command={FOLDER}/qemu-system-x86_64",
                           "--qemu-options=-machine accel=tcg -cpu max", f"{FOLDER}/testbed.img"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          env={**os.environ, "TMPDIR": FOLDER})
    with open(f"{FOLDER}/out/summary", encoding="utf-8") as file:
        summary = [line.split() for line in file]
    tap.equal((done.returncode, summary), (0, [["programs", "PASS"], ["service", "PASS"]]), done.stdout[-8000:])


def main():
    global FOLDER  # pylint: disable=global-statement
    try:
        appliance.need(PROGRAMS)
        with tempfile.TemporaryDirectory(prefix="dimmable-autopkgtest-") as FOLDER:
            os.chmod(FOLDER, 0o755)
            tap.run([(part.__name__, part) for part in (package, testbed, image, tests)])
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

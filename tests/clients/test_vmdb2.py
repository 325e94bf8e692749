#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vmdb2 makes an image, which boots: test_vmdb2.py BUILD-DIR

It installs onto a loop device, as onto any other disk: kpartx, which it uses for files, takes the kernel's device mapper."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts"))
import debian  # noqa: E402
import mmdebstrap  # noqa: E402
import tap  # noqa: E402
import terminal  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
PROGRAMS = {"vmdb2": "vmdb2", "debootstrap": "debootstrap", "parted": "parted", "losetup": "mount", "unshare": "util-linux"}
NAME = "vmdb2-guest"
# GRUB's configuration names the root by its UUID only where udev has made /dev/disk/by-uuid, and else by the loop device: a label is found anyway.
LABEL = "vmdb2-root"
SPEC = """steps:
  - mklabel: msdos
    device: "{{{{ image }}}}"
  - mkpart: primary
    device: "{{{{ image }}}}"
    start: 1MiB
    end: 100%
    tag: root
  - mkfs: ext4
    partition: root
    options: -L {label}
  - mount: root
  - debootstrap: {release}
    mirror: {mirror}
    target: root
  - virtual-filesystems: root
  - apt: install
    packages: [linux-image-cloud-amd64, systemd-sysv]
    recommends: false
    tag: root
  - fstab: root
  - chroot: root
    shell: |
      echo {name} > /etc/hostname
      echo 'root:{password}' | chpasswd
      printf '[Match]\\nType=ether\\n[Network]\\nDHCP=yes\\n' > /etc/systemd/network/all.network
      systemctl enable systemd-networkd
      mkdir -p /etc/default/grub.d
      echo 'GRUB_CMDLINE_LINUX="root=LABEL={label}"' > /etc/default/grub.d/root.cfg
  - grub: bios
    tag: root
    console: serial
    timeout: 1
    image-dev: "{{{{ image }}}}"
"""
FOLDER, MADE = None, False


def device_for(path):
    """A loop device for the image, which shows its partitions."""
    done = subprocess.run(["losetup", "--find", "--show", "--partscan", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if done.returncode:
        raise tap.Skip(f"this host has no loop device for an image: {done.stdout.strip()}")
    return done.stdout.strip()


def made():
    global MADE  # pylint: disable=global-statement
    release = mmdebstrap.RELEASE
    mirror = next(words[1] for words in map(str.split, mmdebstrap.sources()) if words[2] == release)
    mmdebstrap.write(f"{FOLDER}/spec.vmdb", SPEC.format(release=release, mirror=mirror, name=NAME, label=LABEL, password=debian.PASSWORD))
    with open(f"{FOLDER}/disk.raw", "wb") as file:
        file.truncate(2 << 30)
    device = device_for(f"{FOLDER}/disk.raw")
    # What it runs in the system has its variables, but not this folder.
    environment = {key: value for key, value in os.environ.items() if key != "TMPDIR"}
    try:
        # What it mounts there is nobody else's.
        done = subprocess.run(["unshare", "--mount", "vmdb2", "--verbose", f"--image={device}", f"--log={FOLDER}/log", "spec.vmdb"],
                              cwd=FOLDER, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        with open(f"{FOLDER}/log", encoding="utf-8", errors="replace") as file:
            log = re.sub(r"(?m)^[\d.]+%\r?\n?", "", file.read())
        tap.equal(done.returncode, 0, f"{done.stdout[-3000:]}\n{log[-9000:]}")
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    MADE = True


def boots():
    """By GRUB on BIOS; root logs in on the serial line."""
    if not MADE:
        raise tap.Skip("there is no image")
    shown = terminal.Shown(terminal.Terminal([f"{BUILD}/dimmable", "-accel", "tcg", "-cpu", "max", "-m", "512M", "-nographic",
                                              "-drive", f"if=virtio,format=raw,file={FOLDER}/disk.raw",
                                              "-nic", "user,model=virtio"]))
    status = None
    try:
        shown.wait_for("GNU GRUB +version 2", debian.BOOT)
        shown.log_in(NAME)
        shown.check_up()
        tap.equal(shown.run("hostname"), NAME)
        tap.equal(shown.run("findmnt -n -o SOURCE /"), "/dev/vda1")
        shown.serial.send(b"poweroff\n")
        shown.rest()
        status = shown.terminal.ended()
    finally:
        if status is None:
            shown.terminal.close()
    tap.equal(status, 0)


def main():
    global FOLDER  # pylint: disable=global-statement
    missing = sorted({package for name, package in PROGRAMS.items() if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")})
    if missing or os.geteuid():
        print(f"1..0 # SKIP {'not installed: ' + ' '.join(missing) if missing else 'vmdb2 makes a system, which takes root'}")
        return
    with tempfile.TemporaryDirectory(prefix="dimmable-vmdb2-") as FOLDER:
        tap.run([("vmdb2", made), ("boots", boots)])


main()

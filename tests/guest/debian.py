# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian system that scripts/make-image.py makes, as a running machine."""
import contextlib
import json
import os
import subprocess
import tempfile

import tap
import vm

PASSWORD = "dimmable"
ROOT_OFFSET = 64 << 20  # of the system's ext4 in the image: scripts/make-image.py
# Seconds, on hosts under load and with sanitizers, too: a start that takes longer hangs.
BOOT = 600


def image_of(build, kind):
    """The path of the image, raw or qcow2."""
    path = f"{build}/guest/debian.{kind}"
    if not os.path.exists(path):
        raise tap.Skip(f"there is no {path}: scripts/make-image.py makes it")
    return path


@contextlib.contextmanager
def image(build, kind):
    """A copy of the image, of its own, in a folder for it."""
    source = image_of(build, kind)
    with tempfile.TemporaryDirectory(dir=f"{build}/guest") as folder:
        path = f"{folder}/disk.{kind}"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, path], check=True)
        yield path


class Agent(vm.Stream):
    """The guest agent by the other end of its port."""

    def start(self, name, **arguments):
        self.send(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")

    def command(self, name, **arguments):
        self.start(name, **arguments)
        return json.loads(self.line())["return"]


class Debian(vm.Vm):
    """It is started by firmware, and GRUB; use login() to get a shell."""

    def __init__(self, build, path, *extra, machine="pc", memory="512M", cpus=1, disk="virtio-blk-pci", controller=()):
        kind = path.rsplit(".", 1)[1]
        super().__init__(f"{build}/dimmable", accel="soft", memory=memory, cpus=cpus,
                         extra=["-machine", machine, "-drive", f"if=none,id=system,format={kind},file={path}",
                                *controller, "-device", f"{disk},drive=system,bootindex=0", *extra])

    def login(self):
        """As a user would, by the serial line, from the start on."""
        self.wait_for("GNU GRUB +version 2", BOOT)
        self.wait_for("debian login: ", BOOT)
        self.serial.send(b"root\n")
        self.wait_for("Password: ", vm.LONG)
        self.serial.send(f"{PASSWORD}\n".encode())
        self.wait_for(r"root@debian:~# ", vm.LONG)
        # A shell that repeats nothing of what it reads, for run().
        self.serial.send(b"stty -echo; exec env PS1= PS2= TERM=dumb sh\n")
        self.wait_for(r"TERM=dumb sh\r\n", vm.LONG)
        self.run("dmesg -n 1", check=False)  # the kernel's messages would come into what commands print

    def check_up(self):
        """All that is started at boot has started, and nothing has failed."""
        tap.equal(self.run("systemctl is-system-running --wait", timeout=BOOT, check=False), "running",
                  self.run("systemctl --failed --no-pager", check=False))
        tap.equal(self.run("systemctl is-active multi-user.target"), "active")
        tap.equal(self.run("systemctl --failed --no-legend"), "")

    def check_kernel(self):
        """Nothing that the kernel complains about; what it says of clocks on a host under load is not meant."""
        tap.equal(self.run("dmesg | grep -iE 'bug:|\\boops|call trace|rcu.*stall|i/o error'", check=False), "")

    def wait_end(self):
        """It ends by itself, as a guest's shutdown does."""
        event = self.qmp.event("SHUTDOWN", BOOT)
        tap.equal((event["data"]["guest"], event["data"]["reason"]), (True, "guest-shutdown"))
        tap.equal(self.process.wait(vm.LONG * self.place.patience), 0)


class Tools(vm.Vm):
    """Debian's kernel with our own initrd, which is there at once, and the system's programs, which debian() runs: its disk
    is mounted read-only. Disks of @extra come after it, /dev/vdb and so on."""
    drivers = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk",
               "failover", "net_failover", "virtio_net"]
    options = ["-drive", "if=none,id=tools,format=raw,readonly=on,file={image}", "-device", "virtio-blk-pci,drive=tools"]

    def __init__(self, build, *extra, program=None, guest_dir=None, accel="soft", memory="512M", **options):
        image_of(build, "raw")
        words = [word.format(image=f"{build}/guest/debian.raw") for word in self.options]
        super().__init__(program or f"{build}/dimmable", guest_dir or f"{build}/guest", accel=accel, memory=memory,
                         extra=[*words, *extra], **options)

    def mount(self):
        """Wait for the guest, and make the programs ready."""
        self.wait_ready()
        for driver in self.drivers:
            self.run(f"insmod /lib/modules/{driver}.ko")
        self.run("until (: < /dev/vda3) 2> /dev/null; do sleep 0.1; done; mkdir /debian && mount -t ext4 -o ro,noload /dev/vda3 /debian")
        for folder in ("dev", "proc", "sys", "tmp"):
            self.run(f"mount --bind /{folder} /debian/{folder}")

    def debian(self, command, timeout=vm.LONG, check=True):
        """Run a shell command in the system's tree."""
        return self.run(f"PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot /debian /bin/sh -c '{command}'", timeout, check)


def check_raw(path):
    """The system's file system was left in order: it is clean, and has no errors."""
    done = subprocess.run(["e2fsck", "-f", "-n", f"{path}?offset={ROOT_OFFSET}"], capture_output=True, text=True, check=False)
    tap.equal(done.returncode, 0, done.stdout)
    tap.equal("recovering journal" in done.stdout, False, done.stdout)

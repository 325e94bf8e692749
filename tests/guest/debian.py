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


@contextlib.contextmanager
def image(build, kind):
    """A copy of the image (raw or qcow2), of its own, in a folder for it."""
    source = f"{build}/guest/debian.{kind}"
    if not os.path.exists(source):
        raise tap.Skip(f"there is no {source}: scripts/make-image.py makes it")
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

    def __init__(self, build, path, *extra, machine="pc", memory="512M", cpus=1):
        kind = path.rsplit(".", 1)[1]
        super().__init__(f"{build}/dimmable", accel="soft", memory=memory, cpus=cpus,
                         extra=["-machine", machine, "-drive", f"if=none,id=system,format={kind},file={path}",
                                "-device", "virtio-blk-pci,drive=system,bootindex=0", *extra])

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
        tap.equal(self.run("dmesg | grep -iE 'bug:|oops|call trace|rcu.*stall|i/o error'", check=False), "")

    def wait_end(self):
        """It ends by itself, as a guest's shutdown does."""
        event = self.qmp.event("SHUTDOWN", BOOT)
        tap.equal((event["data"]["guest"], event["data"]["reason"]), (True, "guest-shutdown"))
        tap.equal(self.process.wait(vm.LONG * self.place.patience), 0)


def check_raw(path):
    """The system's file system was left in order: it is clean, and has no errors."""
    done = subprocess.run(["e2fsck", "-f", "-n", f"{path}?offset={ROOT_OFFSET}"], capture_output=True, text=True, check=False)
    tap.equal(done.returncode, 0, done.stdout)
    tap.equal("recovering journal" in done.stdout, False, done.stdout)

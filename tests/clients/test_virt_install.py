#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""virt-install, virt-xml and virsh with a Debian system, as their users type them: test_virt_install.py BUILD-DIR."""
import json
import os
import re
import shutil
import subprocess
import sys

import libvirtd
from libvirtd import tap
import debian
import domains
import terminal
import vm

BUILD = os.path.abspath(sys.argv[1])
SESSION = None
NAME = "debian"
MIB = 1 << 20
DETACH = b"\x1d"  # Ctrl-]


def need_programs():
    missing = [name for name in ("virt-install", "virt-xml") if not shutil.which(name)]
    if missing:
        raise tap.Skip(f"not installed: {' '.join(missing)} (Debian's virtinst)")


def words(*args):
    """A client of the session's daemon, as the same user."""
    return [*SESSION.prefix, shutil.which(args[0]), "--connect", "qemu:///session", *args[1:]]


def environment():
    """Clients find other programs, which the daemon does not."""
    return {**SESSION.env, "PATH": f"{SESSION.env['PATH']}:/usr/bin:/bin", "TERM": "dumb"}


def client(*args):
    done = subprocess.run(words(*args), env=environment(), cwd=SESSION.dir, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    tap.equal(done.returncode, 0, done.stdout)
    return done.stdout


def on_terminal(*args):
    return terminal.Shown(terminal.Terminal(words(*args), env=environment(), cwd=SESSION.dir))


def system():
    """What --osinfo is told: an older list of systems has no Debian 12."""
    return "debian12" if re.search(r"\bdebian12\b", client("virt-install", "--osinfo", "list")) else "debian11"


class Install:
    """One domain. Its parts are tests that build on each other."""

    def __init__(self):
        self.shown = None

    def tests(self):
        return [(part.__name__.replace("_", " "), part) for part in (
            self.virt_install, self.agent, self.a_disk_by_virt_xml, self.a_dimm_by_virt_xml, self.virsh_console,
            self.virsh_shutdown, self.cloud_init)] + [
                (f"a screen {how}", lambda words=words, scheme=scheme: self.a_screen(words, scheme)) for how, words, scheme in (
                    ("by default", (), "spice"), ("by VNC", ("--graphics", "vnc,listen=127.0.0.1"), "vnc"),
                    ("on a VGA", ("--graphics", "spice", "--video", "vga"), "spice"),
                    ("on a QXL card", ("--graphics", "spice", "--video", "qxl"), "spice"))] + [("log", self.log)]

    def virt_install(self):
        """With all of virt-install's default devices; it shows the console, on which root logs in."""
        shutil.copy(debian.image_of(BUILD, "qcow2"), f"{SESSION.dir}/disk.qcow2")
        self.shown = on_terminal(
            "virt-install", "--name", NAME, "--osinfo", system(), "--import", "--disk", f"{SESSION.dir}/disk.qcow2",
            "--network", "user", "--graphics", "none", "--virt-type", "qemu", "--boot", f"emulator={SESSION.emulator}",
            "--memory", "512,maxMemory=2048,maxMemory.slots=4", "--vcpus", "2",
            "--cpu", "cell0.id=0,cell0.cpus=0-1,cell0.memory=524288")
        self.shown.log_in()
        self.shown.check_up()
        self.shown.check_kernel()
        found = SESSION.dumpxml(NAME)
        tap.equal(found.findtext("devices/emulator"), SESSION.emulator)
        controllers = [(c.get("type"), c.get("model")) for c in found.iter("controller")]
        tap.equal(("usb", "qemu-xhci") in controllers, True, controllers)
        tap.equal(controllers.count(("pci", "pcie-root-port")), 14)
        tap.equal(self.shown.run("ip -4 -br address show scope global").split()[1:3], ["UP", "10.0.2.15/24"])

    def ask(self, name, **arguments):
        text = json.dumps({"execute": name, **({"arguments": arguments} if arguments else {})})
        return json.loads(SESSION.virsh("qemu-agent-command", NAME, text))["return"]

    def agent(self):
        tap.equal(self.ask("guest-ping"), {})
        tap.equal(self.ask("guest-get-host-name"), {"host-name": "debian"})
        tap.equal("10.0.2.15/24" in SESSION.virsh("domifaddr", NAME, "--source", "agent"), True)

    def a_disk_by_virt_xml(self):
        with open(f"{SESSION.dir}/more.raw", "wb") as file:
            file.truncate(16 * MIB)
        client("virt-xml", NAME, "--update", "--add-device", "--disk", f"{SESSION.dir}/more.raw,target.dev=vdb,driver.type=raw")
        self.shown.run("until [ -b /dev/vdb ]; do sleep 0.1; done; mkfs.ext4 -q /dev/vdb")
        client("virt-xml", NAME, "--update", "--remove-device", "--disk", "target.dev=vdb")
        self.shown.run("while [ -b /dev/vdb ]; do sleep 0.1; done")

    def a_dimm_by_virt_xml(self):
        before = self.shown.mem_total()
        client("virt-xml", NAME, "--update", "--add-device", "--memdev", "dimm,target.size=256,target.node=0")
        vm.wait_until(lambda: self.shown.run("cat /sys/devices/system/memory/auto_online_blocks; for block in "
                                             "/sys/devices/system/memory/memory*/online; do [ $(cat $block) = 1 ] || echo 1 > $block; done")
                      and self.shown.mem_total() - before == 256 * MIB, "256 MiB more")
        tap.equal([size for *_, size in domains.dimms(SESSION, NAME)], [256 * MIB])

    def virsh_console(self):
        """Left and opened again: the guest's shell is where it was. virt-install has done its work."""
        self.shown.run("kept=here")
        self.shown.serial.send(DETACH)
        tap.equal("Domain creation completed." in self.shown.rest(), True, self.shown.log)
        tap.equal(self.shown.terminal.ended(), 0)
        self.shown = on_terminal("virsh", "console", NAME)
        self.shown.wait_for(f"Connected to domain '{NAME}'", vm.LONG)
        self.shown.wait_for(r"Escape character is .*\n", vm.LONG)
        tap.equal(self.shown.run("echo $kept"), "here")

    def virsh_shutdown(self):
        client("virt-xml", NAME, "--edit", "--metadata", "title=edited")
        SESSION.virsh("shutdown", NAME)
        self.shown.rest()
        SESSION.wait_state(NAME, "shut off", debian.BOOT)
        self.shown.terminal.close()
        tap.equal(SESSION.virsh("desc", NAME, "--title"), "edited")
        SESSION.virsh("undefine", NAME)

    def cloud_init(self):
        """The guest finds the CD that virt-install makes, with the user's words on it. On pc that is IDE: Debian's cloud
        kernel has no driver for SATA."""
        user = SESSION.write("user-data", "#cloud-config\nhostname: by-cloud-init\n")
        self.shown = on_terminal(
            "virt-install", "--name", NAME, "--osinfo", system(), "--import", "--disk", f"{SESSION.dir}/disk.qcow2",
            "--network", "user", "--graphics", "none", "--virt-type", "qemu", "--boot", f"emulator={SESSION.emulator}",
            "--memory", "512", "--machine", "pc", "--cloud-init", f"user-data={user}")
        self.shown.log_in()
        self.shown.run("until [ -b /dev/sr0 ]; do sleep 0.1; done")
        tap.equal(self.shown.run("blkid -o value -s LABEL /dev/sr0"), "cidata")
        self.shown.run("mount -o ro /dev/sr0 /mnt")
        tap.equal(self.shown.run("cat /mnt/user-data").splitlines()[-1], "hostname: by-cloud-init")
        self.shown.serial.send(b"poweroff\n")
        text = self.shown.rest()
        tap.equal("Domain creation completed." in text, True, text[-2000:])
        self.shown.terminal.close()
        SESSION.wait_state(NAME, "shut off", debian.BOOT)
        SESSION.virsh("undefine", NAME)

    def a_screen(self, more, scheme):
        """What a desktop's user gets who says nothing else: firmware writes to the screen."""
        client("virt-install", "--name", NAME, "--osinfo", system(), "--import", "--disk", f"{SESSION.dir}/disk.qcow2",
               "--network", "user", "--virt-type", "qemu", "--boot", f"emulator={SESSION.emulator}", "--memory", "512",
               "--noautoconsole", *more)
        picture = f"{SESSION.dir}/picture"

        def shown():
            SESSION.virsh("screenshot", NAME, picture)
            return os.path.getsize(picture) > 2000
        try:
            tap.equal(SESSION.virsh("domdisplay", NAME).strip().split(":")[0], scheme)
            vm.wait_until(shown, "something on the screen")
        finally:
            SESSION.virsh("destroy", NAME)
            SESSION.virsh("undefine", NAME)

    def log(self):
        """Neither libvirtd minded an answer, nor the program anything."""
        tap.equal(SESSION.refusals(), set())
        with open(f"{SESSION.dir}/cache/libvirt/qemu/log/{NAME}.log", encoding="utf-8") as file:
            text = file.read()
        tap.equal([line for line in text.splitlines() if re.search("CRITICAL|WARNING|warning", line)], [])


def main():
    global SESSION  # pylint: disable=global-statement
    try:
        need_programs()
        debian.image_of(BUILD, "qcow2")
        with libvirtd.Libvirt(f"{BUILD}/dimmable") as SESSION:
            tap.run(Install().tests())
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()

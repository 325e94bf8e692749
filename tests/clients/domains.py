# SPDX-License-Identifier: GPL-2.0-or-later
"""Domains for tests with libvirt: their XML, their guest, and what libvirt and the program tell of them."""
import datetime
import glob
import json
import os
import re
import shutil
import subprocess
import time

import libvirtd
from libvirtd import tap
import vm

MIB = 1 << 20
BOOT = 512 * MIB
DIMM = 256 * MIB
APPEND = vm.APPEND + vm.kernel_words() + " driver=1"

DOMAIN = """<domain type='{kind}'>
  <name>{name}</name>
  <maxMemory slots='8' unit='GiB'>16</maxMemory>
  <memory unit='MiB'>512</memory>
  <vcpu>2</vcpu>
  <os><type arch='x86_64' machine='{machine}'>hvm</type>
    <kernel>{folder}/vmlinuz</kernel><initrd>{folder}/initrd</initrd><cmdline>{append}</cmdline></os>
  <features><acpi/><apic/></features>
  <cpu mode='custom' match='exact'><model>qemu64</model>
    <!-- libvirt's qemu64 has it, and a host need not -->
    <feature policy='disable' name='svm'/>
    <numa><cell id='0' cpus='0-1' memory='512' unit='MiB'/></numa></cpu>
  <clock offset='utc'><timer name='rtc' tickpolicy='catchup'/><timer name='pit' tickpolicy='delay'/>
    <timer name='hpet' present='no'/></clock>
  <pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>
  <devices><emulator>{emulator}</emulator>
    <serial type='unix'><source mode='bind' path='{folder}/{name}.serial'/></serial>
    <memballoon model='none'/></devices>
</domain>
"""
# What of it tests replace.
SLOTS = "<maxMemory slots='8' unit='GiB'>16</maxMemory>"
CPUS = "<vcpu>2</vcpu>"
CELL = "<cell id='0' cpus='0-1' memory='512' unit='MiB'/>"
PM = "<pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>"
NO_BALLOON = "<memballoon model='none'/>"

DIMM_XML = """<memory model='dimm'><target><size unit='MiB'>256</size><node>0</node></target></memory>
"""
# Modules of the initrd for machines with more than DIMMs, in the order in which they are loaded.
VIRTIO = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci")
# What the guest's acpid does when the power button is pressed.
POWER_BUTTON = "etc/acpi/PWRF/00000080"
ACPID = ("insmod /evdev.ko && insmod /button.ko && mkdir -p /var/log /var/run && acpid && "
         # It listens when it has opened them all.
         "until [ $(ls -l /proc/$(pidof acpid)/fd | grep -c /dev/input/event) = $(ls /dev/input/event* | wc -l) ]; "
         "do sleep 1; done")


class Guest(vm.Vm):
    """The shell of a domain's guest; the machine is libvirt's."""

    def __init__(self, session, domain):  # pylint: disable=super-init-not-called
        self.log, self.marks = b"", 0
        self.started = time.monotonic()
        self.serial = vm.Stream(f"{session.dir}/{domain}.serial", session.daemon)
        self.serial.send(b"\n")

    def errors(self):
        return ""

    def free(self):
        """The guest's free memory in bytes."""
        return int(re.search(r"MemFree: *(\d+) kB", self.run("cat /proc/meminfo")).group(1)) * 1024

    def close(self):
        self.serial.sock.close()


def make_guest(session, build, modules=(), files=()):
    """Kernel and initrd beside the domain, so that they can be read whoever runs it; with an acpid, @modules of the
    kernel, and @files: (path in the guest, path here)."""
    extra = f"{session.dir}/extra"
    os.makedirs(os.path.dirname(f"{extra}/{POWER_BUTTON}"))
    with open(f"{extra}/{POWER_BUTTON}", "w", encoding="ascii") as script:
        script.write("#!/bin/sh\npoweroff -f\n")
    os.chmod(f"{extra}/{POWER_BUTTON}", 0o755)
    for module in ("evdev", "button", *modules):
        path, = glob.glob(f"{build}/guest/root/lib/modules/*-cloud-amd64/**/{module}.ko", recursive=True)
        os.symlink(path, f"{extra}/{module}.ko")
    for name, path in files:
        os.makedirs(os.path.dirname(f"{extra}/{name}"), exist_ok=True)
        shutil.copy(path, f"{extra}/{name}")
    names = [os.path.relpath(os.path.join(folder, name), extra)
             for folder, folders, files in os.walk(extra) for name in sorted(folders) + sorted(files)]
    archive = subprocess.run(["cpio", "-o", "-L", "-H", "newc", "--quiet"], cwd=extra, check=True,
                             input="\n".join(names).encode(), stdout=subprocess.PIPE).stdout
    os.symlink(f"{build}/guest/vmlinuz", f"{session.dir}/vmlinuz")
    with open(f"{session.dir}/initrd", "wb") as initrd, open(f"{build}/guest/initrd", "rb") as first:
        head = first.read()
        initrd.write(head + bytes(-len(head) % 4) + archive)


def replaced(xml, changes):
    """Each key of @changes, of which there is one, by its value."""
    for old, new in changes.items():
        tap.equal(xml.count(old), 1, old)
        xml = xml.replace(old, new)
    return xml


def domain_xml(session, name, machine, kind="qemu", changes=None):
    return replaced(DOMAIN.format(kind=kind, name=name, machine=machine, folder=session.dir, append=APPEND,
                                  emulator=session.emulator), changes or {})


def define(session, name, xml):
    session.virsh("define", session.write(f"{name}.xml", xml))
    return name


def dimms(session, domain):
    """(alias, slot, base, size) of each, as dumpxml tells them."""
    return [memory[1:5] for memory in memories(session, domain) if memory[0] == "dimm"]


def memories(session, domain):
    """(model, alias, slot, base, size, current) of each memory device, as dumpxml tells them; None is what it does
    not tell."""
    found = []
    for memory in session.dumpxml(domain).iter("memory"):
        if memory.get("model"):
            place, current = memory.find("address"), memory.findtext("target/current")
            base = place.get("base")
            found.append((memory.get("model"), memory.find("alias").get("name"), place.get("slot") if base else None,
                          int(base, 0) if base else None, int(memory.findtext("target/size")) * 1024,
                          int(current) * 1024 if current else None))
    return found


def monitor(session, domain, command, **arguments):
    message = {"execute": command, **({"arguments": arguments} if arguments else {})}
    return json.loads(session.virsh("qemu-monitor-command", domain, json.dumps(message)))["return"]


def wait_text(path, words):
    """Until the file has all of @words, in this order."""
    def found():
        with open(path, encoding="utf-8") as file:
            return re.search(".*".join(words), file.read(), re.DOTALL)
    vm.wait_until(found, f"{words} in {path}")


def said(session, *args):
    """The error of virsh; None if it has none."""
    try:
        session.virsh(*args)
    except libvirtd.VirshError as err:
        return str(err)
    return None


def check_refusal(session, alias, heard):
    """What virsh has @heard of a device that the guest kept, None if nothing, is what libvirt's log of the monitor says that it
    could say: it waits five seconds for the guest. Who is first is open where both are within a second."""
    asked = answered = None
    for line in session.log().splitlines():
        if f'"id":"{alias}"' in line and '"device_del"' in line and "QEMU_MONITOR_SEND_MSG" in line:
            asked, answered = moment(line), None
        elif asked and not answered and "QEMU_MONITOR_RECV_EVENT" in line and alias in line and "DEVICE_UNPLUG_GUEST_ERROR" in line:
            answered = moment(line)
    if not asked or not answered:
        raise AssertionError(f"{alias}: the log has no request and refusal")
    if answered - asked < 4:
        tap.equal("unplug of device was rejected by the guest" in (heard or ""), True, f"{heard}; {answered - asked} s")
    elif answered - asked > 6:
        tap.equal(heard, None, f"{answered - asked} s")


def moment(line):
    """Seconds, of the time that begins a line of libvirt's log."""
    return datetime.datetime.strptime(line.split("+")[0].strip(), "%Y-%m-%d %H:%M:%S.%f").timestamp()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian system in the machine, as its users have it: test_debian.py BUILD-DIR bios|uefi|dimms|power"""
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import debian  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402
from loopback import Receiver, Server, sha256  # noqa: E402
from test_firmware import firmware  # noqa: E402

BUILD = sys.argv[1]
MIB = 1 << 20
AGENT = "org.qemu.guest_agent.0"


def agent_options(folder):
    return ["-device", "virtio-serial-pci,id=vs0",
            "-chardev", f"socket,id=agent,path={folder}/agent,server=on,wait=off",
            "-device", f"virtserialport,bus=vs0.0,id=agent0,chardev=agent,name={AGENT}"]


def connect_agent(guest, folder):
    guest.qmp.event("VSERPORT_CHANGE", debian.BOOT, id="agent0", open=True)
    return debian.Agent(f"{folder}/agent", guest.process, patience=guest.place.patience)


def check_agent(agent):
    tap.equal(agent.command("guest-ping"), {})
    system = agent.command("guest-get-osinfo")
    tap.equal((system["id"], system["version-id"], system["machine"]), ("debian", "12", "x86_64"))
    commands = {command["name"] for command in agent.command("guest-info")["supported_commands"]}
    tap.equal({"guest-shutdown", "guest-fsfreeze-freeze", "guest-exec"} <= commands, True, f"{commands}")


def check_files(guest, folder, server):
    """A file by TCP to the guest, and back."""
    data = os.urandom(4 * MIB)
    with open(f"{folder}/file", "wb") as file:
        file.write(data)
    guest.run(f"wget -q -O /tmp/file http://10.0.2.2:{server.port}/file")
    tap.equal(guest.run("sha256sum < /tmp/file").split()[0], sha256(data))
    with Receiver() as receiver:
        guest.run(f"nc -N 10.0.2.2 {receiver.port} < /tmp/file")
        tap.equal(sha256(receiver.data(vm.LONG)), sha256(data))


CONTROL = """Package: greeting
Version: 1.0
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: one file
"""


def make_repository(folder):
    """A mirror with one package in it."""
    tree = f"{folder}/greeting"
    for path, text in (("DEBIAN/control", CONTROL), ("usr/share/greeting/text", "hello by apt\n")):
        os.makedirs(os.path.dirname(f"{tree}/{path}"), exist_ok=True)
        with open(f"{tree}/{path}", "w", encoding="ascii") as file:
            file.write(text)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, f"{folder}/greeting_1.0_all.deb"], check=True,
                   stdout=subprocess.DEVNULL)
    with open(f"{folder}/greeting_1.0_all.deb", "rb") as file:
        package = file.read()
    with open(f"{folder}/Packages", "w", encoding="ascii") as file:
        file.write(f"{CONTROL}Filename: ./greeting_1.0_all.deb\nSize: {len(package)}\n"
                   f"SHA256: {hashlib.sha256(package).hexdigest()}\n")


def check_package(guest, folder, server):
    """apt installs a package from a mirror."""
    make_repository(folder)
    guest.run(f"echo 'deb [trusted=yes] http://10.0.2.2:{server.port} ./' > /etc/apt/sources.list.d/here.list")
    # apt hands what is typed to dpkg, so that it would eat the next line.
    for what in ("update", "-y install greeting"):
        guest.run(f"apt-get -q {what} < /dev/null > /tmp/apt 2>&1 || (cat /tmp/apt; false)", timeout=debian.BOOT)
    tap.equal(guest.run("cat /usr/share/greeting/text"), "hello by apt")


def bios():
    """SeaBIOS, pc, raw image: it comes up, has a network and an agent, and is shut down by its power button."""
    firmware("bios-256k.bin", "seabios")
    with debian.image(BUILD, "raw") as path, tempfile.TemporaryDirectory() as folder, Server(folder) as server:
        with debian.Debian(BUILD, path, *agent_options(folder), "-nic", "user,model=virtio") as guest:
            guest.login()
            guest.check_up()
            tap.equal(re.findall(r"inet (\S+) ", guest.run("ip -4 -o address show scope global")), ["10.0.2.15/24"])
            tap.equal(guest.run("[ -d /sys/firmware/efi ]; echo $?"), "1")
            check_files(guest, folder, server)
            check_package(guest, folder, server)
            check_agent(connect_agent(guest, folder))
            guest.check_kernel()
            guest.qmp.command("system_powerdown")
            guest.wait_end()
        debian.check_raw(path)


# Writes all of a file in a random order, with sums in each block, and reads all of it again.
VERIFY = ("fio --name=verify --filename={path} --size={size} --rw=randwrite --bs=4k --ioengine=libaio --iodepth=16 "
          "--direct=1 --verify=crc32c --verify_fatal=1 --group_reporting > /tmp/fio 2>&1 || (cat /tmp/fio; false)")


@contextlib.contextmanager
def spare_disks(*sizes):
    """Options for disks besides the system's: vdb and so on."""
    with tempfile.TemporaryDirectory(dir=f"{BUILD}/guest") as folder:
        options = []
        for number, size in enumerate(sizes):
            path = f"{folder}/{number}.raw"
            with open(path, "wb") as file:
                file.truncate(size)
            options += ["-drive", f"if=none,id=spare{number},format=raw,file={path},cache=none,discard=unmap",
                        "-device", f"virtio-blk-pci,drive=spare{number}"]
        yield options


def uefi():
    """OVMF, q35, qcow2 image, two more disks: what is written is there after a reboot, and in order; the agent ends it."""
    code = firmware("OVMF_CODE_4M.fd", "ovmf")
    with debian.image(BUILD, "qcow2") as path, tempfile.TemporaryDirectory() as folder, \
            spare_disks(128 * MIB, 320 * MIB) as spare:
        shutil.copy(firmware("OVMF_VARS_4M.fd", "ovmf"), f"{folder}/vars")
        flash = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
                 "-drive", f"if=pflash,format=raw,unit=1,file={folder}/vars"]
        with debian.Debian(BUILD, path, *flash, *agent_options(folder), *spare, machine="q35", cpus=2) as guest:
            guest.login()
            guest.check_up()
            tap.equal(guest.run("[ -d /sys/firmware/efi ]; echo $?"), "0")
            tap.equal(guest.run("nproc"), "2")
            sums = {}
            for disk, kind in (("vdb", "ext4"), ("vdc", "xfs")):
                guest.run(f"mkfs.{kind} -q /dev/{disk} && mkdir /{kind} && mount /dev/{disk} /{kind}")
                guest.run(VERIFY.format(path=f"/{kind}/file", size="8m"), timeout=debian.BOOT)
                guest.run(f"cp -r /usr/lib/grub/i386-pc /{kind} && fstrim /{kind}")
                sums[kind] = guest.run(f"cd /{kind} && find . -type f | sort | xargs sha256sum | sha256sum; cd /", timeout=debian.BOOT)
            guest.check_kernel()
            guest.serial.send(b"reboot\n")
            guest.qmp.event("RESET", debian.BOOT, guest=True)
            guest.login()
            guest.check_up()
            for disk, kind, check in (("vdb", "ext4", "e2fsck -f -n"), ("vdc", "xfs", "xfs_repair -n")):
                guest.run(f"{check} /dev/{disk}", timeout=debian.BOOT)
                guest.run(f"mount /dev/{disk} /{kind}")
                tap.equal(guest.run(f"cd /{kind} && find . -type f | sort | xargs sha256sum | sha256sum; cd /",
                                    timeout=debian.BOOT), sums[kind], kind)
                guest.run(f"umount /{kind}")
            guest.check_kernel()
            connect_agent(guest, folder).start("guest-shutdown")
            guest.wait_end()
        subprocess.run(["qemu-img", "check", "-q", path], check=True)


# Both go on until there is a file /tmp/stop. What they write and fetch lies in the memory that a DIMM has brought, if
# user space's memory comes from there: fio's buffers, to and from which the disk transfers, and the page cache.
DISK_LOAD = ("(until [ -e /tmp/stop ]; do " + VERIFY.replace("(cat /tmp/fio; false)", "touch /tmp/differs") +
             "; echo >> /tmp/disk-rounds; done) < /dev/null & echo")
NET_LOAD = ("(until [ -e /tmp/stop ]; do wget -q -O /tmp/copy {url} && cmp /tmp/copy /tmp/file || touch /tmp/differs; "
            "echo >> /tmp/net-rounds; done) < /dev/null & echo")


def rounds(guest):
    """How often each load has gone round."""
    return [int(guest.run(f"cat /tmp/{load}-rounds 2>/dev/null | wc -l")) for load in ("disk", "net")]


def both_go_on(guest):
    """Each load has begun a round, and ended it, since this was called."""
    before = rounds(guest)
    vm.wait_until(lambda: all(now > then + 1 for now, then in zip(rounds(guest), before)), "both loads", debian.BOOT)


def used_pages(guest, zone):
    """How many pages of the zone are in use."""
    text = guest.run(f"grep -A12 'zone *{zone}' /proc/zoneinfo")
    managed, free = (int(re.search(rf"{word} +(\d+)", text).group(1)) for word in ("managed", "pages free"))
    return managed - free


def start_loads(guest, folder, server):
    with open(f"{folder}/file", "wb") as file:
        file.write(os.urandom(MIB))
    url = f"http://10.0.2.2:{server.port}/file"
    guest.run(f"wget -q -O /tmp/file {url}")
    guest.run(DISK_LOAD.format(path="/root/file", size="4m"))
    guest.run(NET_LOAD.format(url=url))


def stop_loads(guest):
    """What was read is what was written, and sent."""
    guest.run("touch /tmp/stop; wait", timeout=debian.BOOT)
    tap.equal(guest.run("ls /tmp/differs; cat /tmp/fio", check=False).count("differs\n"), 0)
    guest.check_kernel()


def movable_rounds(guest, count):
    """DIMMs of movable memory come, are used by the loads, and leave them."""
    guest.run("echo online_movable > /sys/devices/system/memory/auto_online_blocks")
    for _ in range(count):
        guest.plug("d0", 128 * MIB)
        both_go_on(guest)
        tap.equal(used_pages(guest, "Movable") > 256, True, "memory of the DIMM that is in use")
        guest.unplug("d0", debian.BOOT)


def kernel_round(guest):
    """The kernel itself uses this one, and keeps it or lets it go: it is in order in both cases."""
    guest.run("echo online_kernel > /sys/devices/system/memory/auto_online_blocks")
    guest.plug("d1", 128 * MIB)
    both_go_on(guest)
    guest.qmp.command("device_del", id="d1")
    vm.wait_until(lambda: {event["event"] for event in guest.qmp.drain()} & {"MEM_UNPLUG_ERROR", "DEVICE_DELETED"},
                  "an answer", debian.BOOT)
    states = [info["data"]["state"] for info in guest.qmp.command("query-memory-devices")]
    refused = [event for event in guest.qmp.events if event["event"] == "MEM_UNPLUG_ERROR"]
    tap.equal(states, ["unplug-refused"] if refused else [])
    both_go_on(guest)


def dimms():
    """DIMMs come and go while a disk and a card transfer to and from them."""
    firmware("bios-256k.bin", "seabios")
    with debian.image(BUILD, "raw") as path, tempfile.TemporaryDirectory() as folder, Server(folder) as server, \
            debian.Debian(BUILD, path, "-nic", "user,model=virtio", memory="512M,slots=4,maxmem=4G") as guest:
        guest.login()
        start_loads(guest, folder, server)
        movable_rounds(guest, 2)
        kernel_round(guest)
        stop_loads(guest)


# Files of many sizes, each of which is told on the console once it is on the disk; and others that come and go all the time.
SYNCED = ("(cd /tmp/{kind}; n=0; while n=$((n + 1)); head -c $((n % 7 * 30000 + 999)) /dev/urandom > $n && sync $n; do "
          "echo SYNCED {kind} $n $(sha256sum < $n); done) & "
          "(cd /tmp/{kind}; while cp -r /usr/lib/grub/i386-pc new && mv new old; do rm -r old; done) &")


def files_on_disk(guest, least):
    """{file system: {file: sum}}, when each has told of so many."""
    found = {"ext4": {}, "xfs": {}}
    while min(len(files) for files in found.values()) < least:
        kind, name, value = (group.decode() for group in guest.wait_for(r"SYNCED (\w+) (\d+) (\w{64}) -\r\n", debian.BOOT).groups())
        found[kind][name] = value
    return found


def check_after_power_loss(guest, disk, kind, check, files):
    """The file system is recovered, has each file that was on the disk, and is in order."""
    guest.debian(f"mkdir /tmp/{kind} && mount /dev/{disk} /tmp/{kind}", timeout=debian.BOOT)
    guest.run(f"dmesg | grep -iq '{kind}.*({disk}).*recovery'")  # it was in use
    said = guest.debian(f"cd /tmp/{kind} && sha256sum {' '.join(files)}", timeout=debian.BOOT)
    tap.equal({name: value for value, name in re.findall(r"(\w{64})  (\d+)", said)}, files, kind)
    guest.debian(f"umount /tmp/{kind} && {check} /dev/{disk}", timeout=debian.BOOT)


def load_xfs(guest):
    """That of the kernel that runs; the system's own may be another version."""
    for module in ("libcrc32c", "xfs"):
        guest.run(f"insmod /lib/modules/{module}.ko")


def power_loss():
    """The program is killed while both file systems are written to."""
    with tempfile.TemporaryDirectory(dir=f"{BUILD}/guest") as folder:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", f"{folder}/0", "128M"], check=True)
        with open(f"{folder}/1", "wb") as file:
            file.truncate(320 * MIB)
        disks = []
        for number, kind in enumerate(("qcow2", "raw")):
            disks += ["-drive", f"if=none,id=d{number},format={kind},file={folder}/{number}",
                      "-device", f"virtio-blk-pci,drive=d{number}"]
        with debian.Tools(BUILD, *disks, initrd="initrd-more") as guest:
            guest.mount()
            load_xfs(guest)
            for disk, kind in (("vdb", "ext4"), ("vdc", "xfs")):
                guest.debian(f"mkdir /tmp/{kind} && mkfs.{kind} -q /dev/{disk} && mount /dev/{disk} /tmp/{kind}", timeout=debian.BOOT)
                guest.debian(SYNCED.format(kind=kind))
            files = files_on_disk(guest, 20)
            guest.kill()
        # Clusters that nobody uses may be left (3), but none that are used twice.
        tap.equal(subprocess.run(["qemu-img", "check", "-q", f"{folder}/0"], check=False).returncode in (0, 3), True)
        with debian.Tools(BUILD, *disks, initrd="initrd-more") as guest:
            guest.mount()
            load_xfs(guest)
            check_after_power_loss(guest, "vdb", "ext4", "e2fsck -f -n", files["ext4"])
            check_after_power_loss(guest, "vdc", "xfs", "xfs_repair -n", files["xfs"])


GROUPS = {
    "bios": [("SeaBIOS, raw, pc: network, a package, agent, power button", bios)],
    "uefi": [("OVMF, qcow2, q35: ext4 and xfs, reboot, shutdown by the agent", uefi)],
    "dimms": [("DIMMs come and go under load of disk and network", dimms)],
    "power": [("ext4 and xfs after a power loss", power_loss)],
}

if __name__ == "__main__":
    tap.run(GROUPS[sys.argv[2]])

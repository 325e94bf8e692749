# SPDX-License-Identifier: GPL-2.0-or-later
"""NVDIMMs in Debian's kernel: an initrd with the modules for them, and what tests do first."""
import glob
import shutil
import subprocess

import programs
import tap

MODULES = ("libnvdimm", "nd_btt", "nd_pmem", "nfit")
DAX = ("dax_pmem", "device_dax", "kmem")
FS_SIZE = 24 << 20


def initrd(build, folder):
    """The usual one, with another behind it, of what is in @folder, and into it: modules, and an empty file system."""
    for name in (*MODULES, *DAX):
        found = glob.glob(f"{build}/guest/root/lib/modules/*-cloud-amd64/**/{name}.ko*", recursive=True)
        if not found:
            raise tap.Skip(f"the unpacked kernel has no {name}")
        if found[0].endswith(".xz"):
            with open(f"{folder}/{name}.ko", "wb") as file:
                subprocess.run(["xz", "-dc", found[0]], stdout=file, check=True)
        else:
            shutil.copy(found[0], folder)
    with open(f"{folder}/ext4", "wb") as file:
        file.truncate(FS_SIZE)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", f"{folder}/ext4"], check=True)
    programs.initrd(f"{build}/guest/initrd", folder, f"{folder}/initrd")
    return f"{folder}/initrd"


def ready(guest, modules=MODULES):
    guest.wait_ready()
    for module in modules:
        guest.run(f"insmod /{module}.ko")


def wait_for(guest, path):
    guest.run(f"n=0; until [ -e {path} ]; do n=$((n + 1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done; true", timeout=120)


def mount_dax(guest, device):
    """The file system of the initrd goes to @device."""
    guest.run(f"dd if=/ext4 of={device} bs=1M 2>/dev/null; mkdir -p /mnt && mount -t ext4 -o dax {device} /mnt")
    tap.equal("dax" in guest.run("grep /mnt /proc/mounts"), True)

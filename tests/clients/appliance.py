# SPDX-License-Identifier: GPL-2.0-or-later
"""libguestfs with the program, and with the kernel of the tests' guests: its small system is made where no kernel is installed."""
import glob
import os
import shutil
import subprocess

import tap

HANGS = 1200


def need(programs):
    """@programs: {name: Debian's package}. They, and the rights that all this takes."""
    missing = sorted({package for name, package in programs.items()
                      if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")})
    if missing:
        raise tap.Skip(f"not installed: Debian's {' '.join(missing)}")
    if os.geteuid():
        raise tap.Skip("a kernel's modules are put where supermin looks for them, and systems made, which takes root")


def kernel(build):
    """(Its file, its version, the folder of its modules), as the tests' guests have them."""
    modules, = glob.glob(f"{build}/guest/root/lib/modules/*-cloud-amd64")
    version = os.path.basename(modules)
    return f"{build}/guest/root/boot/vmlinuz-{version}", version, modules


class Appliance:
    """What runs in @folder, where libguestfs keeps its system as well."""

    def __init__(self, build, folder):
        path, version, modules = kernel(build)
        self.folder = folder
        shutil.copytree(modules, f"{folder}/lib/modules/{version}", symlinks=True)
        subprocess.run(["/sbin/depmod", "-b", folder, version], check=True)
        self.environment = {
            **os.environ, "LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg",
            "LIBGUESTFS_HV": f"{build}/dimmable", "LIBGUESTFS_CACHEDIR": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8",
            "SUPERMIN_KERNEL": path, "SUPERMIN_MODULES": f"{folder}/lib/modules/{version}"}

    def run(self, *args, **how):
        """A program, to which the kernel's modules are where a kernel that is installed has them; its output."""
        over = f"mount -t overlay none -o lowerdir={self.folder}/lib:/usr/lib /usr/lib && exec \"$@\""
        done = subprocess.run(["unshare", "--mount", "sh", "-c", over, "sh", *args], env=self.environment, cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=HANGS, check=False, **how)
        tap.equal(done.returncode, 0, done.stdout[-4000:])
        return done.stdout

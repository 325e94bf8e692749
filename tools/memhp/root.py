# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's root: an archive as Linux unpacks it at boot, with busybox, our programs, and drivers."""
import gzip
import lzma
import os
import re
import shutil
import stat
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
PROGRAMS = ["holder", "asyncio", "kexec"]
# Drivers that scenarios load where they are not part of the kernel.
DRIVERS = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "button", "dax_hmem", "device_dax", "kmem"]


# How the kernel knows what it unpacks: archives, as they are (after padding or not) and compressed.
ARCHIVES = {b"070701": "cpio", b"070702": "cpio", b"\0": "padding", b"\x1f\x8b": "gzip", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd",
            b"BZh": "bzip2", b"\x5d\0\0": "lzma", b"\x02\x21\x4c\x18": "lz4", b"\x89LZO": "lzo"}


class RootError(Exception):
    """What is missing to make a root."""


def entry(number, name, mode, data=b""):
    """A file of a cpio archive of the format "newc"."""
    path = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def archive(files):
    """A cpio archive of @files, {path: contents}, with the folders that they are in; all can be executed."""
    folders = sorted({"/".join(path.split("/")[:n]) for path in files for n in range(1, path.count("/") + 1)})
    parts = [entry(n, path, 0o040755) for n, path in enumerate(folders, 1)]
    parts += [entry(n, path, 0o100755, data) for n, (path, data) in enumerate(files.items(), len(parts) + 1)]
    return b"".join(parts) + entry(0, "TRAILER!!!", 0)


def folder_archive(folder):
    """A cpio archive of a folder's files, folders and symbolic links, as they are."""
    parts = []

    def add(path, data):
        name = os.path.relpath(path, folder)
        parts.append(entry(len(parts) + 1, name, os.lstat(path).st_mode, data))
    for top, folders, names in os.walk(folder):
        for name in sorted(folders + names):
            path = os.path.join(top, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                add(path, os.readlink(path).encode())
            elif stat.S_ISDIR(mode):
                add(path, b"")
            elif stat.S_ISREG(mode):
                add(path, read(path))
    return b"".join(parts) + entry(0, "TRAILER!!!", 0)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def unpacked(path):
    """A kernel module's contents, as insmod wants them."""
    if path.endswith(".xz"):
        return lzma.decompress(read(path))
    if path.endswith(".gz"):
        return gzip.decompress(read(path))
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, check=True).stdout
    return read(path)


def normal(name):
    return re.sub(r"\.ko(\.\w+)?$", "", os.path.basename(name)).replace("-", "_")


class Modules:
    """Those of a kernel: a folder as /lib/modules/VERSION is, or one that has one such folder in it."""

    def __init__(self, folder):
        self.paths = {normal(name): os.path.join(top, name) for top, _, names in os.walk(folder)
                      for name in names if re.search(r"\.ko(\.\w+)?$", name)}
        if not self.paths:
            raise RootError(f"{folder} has no kernel modules (files *.ko, *.ko.xz, *.ko.gz or *.ko.zst)")

    def needed(self, name, found=None):
        """{name: contents} of the module and those that it needs, these first. Nothing of what is not there: it may be
        part of the kernel."""
        found = {} if found is None else found
        if name in self.paths and name not in found:
            data = unpacked(self.paths[name])
            depends = re.search(rb"\0depends=([^\0]*)\0", data)
            for other in filter(None, depends.group(1).decode().split(",") if depends else []):
                self.needed(normal(other), found)
            found[name] = data
        return found


def find_busybox():
    path = shutil.which("busybox")
    if not path:
        raise RootError("there is no busybox: install the package busybox-static, or name one with --busybox")
    return path


def busybox(path):
    """The program's contents; it has to run where there are no libraries."""
    data = read(path or find_busybox())
    if b"/lib64/ld-linux" in data[:4096]:
        raise RootError(f"{path or find_busybox()} needs libraries: install the package busybox-static, or name "
                        "one that is linked statically with --busybox")
    return data


def make(target, busybox_path=None, modules=None, base=None):
    """Write the initial RAM disk @target: our files, after those of the initial RAM disk or folder @base if there is one."""
    files = {"memhp/init": read(f"{HERE}/init"), "memhp/bin/busybox": busybox(busybox_path)}
    files |= {f"memhp/bin/{name}": read(f"{HERE}/{name}") for name in PROGRAMS}
    loaded = {}
    if modules:
        known = Modules(modules)
        for driver in DRIVERS:
            known.needed(driver, loaded)
    files |= {f"memhp/modules/{name}.ko": data for name, data in loaded.items()}
    files["memhp/modules/order"] = "".join(f"{name}\n" for name in loaded).encode()
    append(target, given(base) if base else b"", files)


def given(base):
    """What is unpacked before our files, of an initial RAM disk or a folder."""
    if os.path.isdir(base):
        return folder_archive(base)
    data = read(base)
    if not data.startswith(tuple(ARCHIVES)):
        raise RootError(f"{base} is no initial RAM disk: that is a cpio archive, compressed or not, as /boot/initrd.img-VERSION is")
    return data


def check_kernel(path):
    """It has to be a bzImage: no other is started by every emulator, and by kexec."""
    with open(path, "rb") as file:
        head = file.read(0x206)
    if head[0x202:] != b"HdrS":
        raise RootError(f"{path} is no bzImage, as /boot/vmlinuz-VERSION is")


def append(target, start, files):
    """Write the initial RAM disk @target, which is that with the contents @start and @files after it."""
    with open(target, "wb") as file:
        file.write(start + bytes(-len(start) % 4) + archive(files))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of this machine in a guest: an initrd with what is in a folder."""
import os
import re
import shutil
import subprocess

import tap


def copy(names, folder):
    """The programs, as they are on this machine, with their libraries, to where the guest looks for them."""
    for part in ("bin", "lib", "lib64"):
        os.makedirs(f"{folder}/{part}", exist_ok=True)
    for name in names:
        path = shutil.which(name)
        if not path:
            raise tap.Skip(f"{name} is not installed")
        shutil.copy(path, f"{folder}/bin")
        needed = subprocess.run(["ldd", path], stdout=subprocess.PIPE, check=True, text=True).stdout
        for library in re.findall(r"(/\S+)", needed):
            shutil.copy(library, f"{folder}/{'lib64' if library.startswith('/lib64/') else 'lib'}")


def initrd(first, folder, path):
    """Make @path of the initrd @first, with another behind it, of what is in @folder."""
    names = "".join(f"{os.path.relpath(os.path.join(at, name), folder)}\n"
                    for at, folders, files in os.walk(folder) for name in sorted(folders) + sorted(files))
    more = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=folder, input=names.encode(), check=True,
                          stdout=subprocess.PIPE).stdout
    more = subprocess.run(["gzip", "-1"], input=more, check=True, stdout=subprocess.PIPE).stdout
    with open(first, "rb") as file:
        head = file.read()
    with open(path, "wb") as out:
        out.write(head + bytes(-len(head) % 4) + more)

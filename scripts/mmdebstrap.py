# SPDX-License-Identifier: GPL-2.0-or-later
"""What the makers of Debian systems share: make-image.py, make-iso.py."""
import hashlib
import os
import shutil
import subprocess
import sys

RELEASE = "bookworm"


def run(*words, **how):
    """A program, whose output is only shown if it fails."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **how)
    if done.returncode:
        sys.exit(f"{done.stdout.decode(errors='replace')}\n{' '.join(words)}: status {done.returncode}")
    return done.stdout.decode()


def sources():
    """Where this machine has Debian's packages from, as lines for apt."""
    def known():
        text = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)",
                   "Created-By: Packages", "Origin: Debian")
        return sorted({f"deb {line}" for line in text.splitlines() if line.split()[1].startswith(RELEASE)})
    lines = known()
    if not lines:  # no package lists yet
        run("apt-get", "update")
        lines = known()
    if not lines:
        sys.exit(f"apt knows no packages of Debian's {RELEASE}: is this such a machine?")
    return lines


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


class Work:
    """A folder to make results in, which are moved to their place at the end, all or none; is_wanted is false while
    what was made by these sources is there."""

    def __init__(self, folder, name, made_by, results):
        self.folder, self.results, self.name = folder, results, name
        self.path, self.stamp_file = f"{folder}/{name}.tmp", f"{folder}/{name}.stamp"
        digest = hashlib.sha256()
        for path in made_by:
            with open(path, "rb") as file:
                digest.update(file.read())
        self.stamp = digest.hexdigest()
        self.is_wanted = not os.path.exists(self.stamp_file) or open(self.stamp_file, encoding="ascii").read() != self.stamp

    def __enter__(self):
        if self.is_wanted:
            if os.geteuid():
                sys.exit("mmdebstrap makes a system's files, of which most are root's: run this as root")
            print(f"Making {self.name} (mmdebstrap)", flush=True)
            shutil.rmtree(self.path, ignore_errors=True)
            os.makedirs(self.path)
        return self

    def __exit__(self, kind, error, trace):
        if self.is_wanted:
            if kind is None:
                for name in self.results:
                    os.replace(f"{self.path}/{name}", f"{self.folder}/{name}")
                write(self.stamp_file, self.stamp)
            shutil.rmtree(self.path, ignore_errors=True)

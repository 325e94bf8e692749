#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package in a Debian system, which mmdebstrap makes: apt installs it with what it depends on, its programs run
there, and it goes without a trace: test_deb_installed.py BUILD-DIR."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts"))
import mmdebstrap  # noqa: E402
import tap  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
# What packages of Debian's own leave behind: logs, caches, lists.
NOT_OURS = re.compile(r"^/(var/(log|cache|lib/(apt|dpkg|systemd))|etc/ld\.so\.cache|root|tmp|run|proc|sys|dev)(/|$)|^/usr/lib/python3.*__pycache__")
# Run with the system's folder as its argument, while apt can still reach its packages.
HOOK = """set -eu
cp package.deb programs "$1/tmp/"
files() { (cd "$1" && find . | sed 's/^\\.//' | sort); }
packages() { chroot "$1" dpkg-query --show --showformat='${db:Status-Abbrev} ${Package}\\n' | sort; }
files "$1" > files-before
packages "$1" > packages-before
export DEBIAN_FRONTEND=noninteractive
chroot "$1" apt-get install -y --no-install-recommends /tmp/package.deb
chroot "$1" dpkg --audit
chroot "$1" dpkg --verify dimmable
chroot "$1" sh -c 'mkdir /tmp/work && AUTOPKGTEST_TMP=/tmp/work /tmp/programs' > programs-said
chroot "$1" bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader dimmable || true; complete -p dimmable' > completion-said
chroot "$1" apt-get remove -y dimmable
packages "$1" > packages-removed
chroot "$1" apt-get autoremove -y --purge
files "$1" > files-after
packages "$1" > packages-after
"""
FOLDER, RUN = None, ""


def read(name):
    with open(f"{FOLDER}/{name}", encoding="utf-8", errors="replace") as file:
        return file.read()


def installed():
    global RUN  # pylint: disable=global-statement
    deb = mmdebstrap.run(f"{SOURCE}/scripts/make-deb.py", BUILD, f"{FOLDER}/deb").split()[-1]
    shutil.copy(deb, f"{FOLDER}/package.deb")
    shutil.copy(f"{SOURCE}/packaging/debian/tests/programs", FOLDER)
    mmdebstrap.write(f"{FOLDER}/hook", HOOK)
    done = subprocess.run(["mmdebstrap", "--mode=root", "--variant=apt", "--format=null", "--include=man-db,bash-completion",
                           "--aptopt=Acquire::Languages \"none\"", "--dpkgopt=force-unsafe-io",
                           "--customize-hook=sh -x ./hook \"$1\"", mmdebstrap.RELEASE, "-", "-"],
                          input="\n".join(mmdebstrap.sources()), cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    RUN = done.stdout
    tap.equal(done.returncode, 0, done.stdout[-8000:])


def programs():
    """They have run there."""
    said = read("programs-said")
    pages = [f"/usr/share/man/man1/{name}.1.gz" for name in ("dimmable", "dimmable-img", "dimmable-nbd", "dimmable-memhp-check")]
    tap.equal(said.splitlines()[:4], pages, said)
    tap.equal("plugged memory: 134217728" in said, True, said)
    tap.equal(re.findall(r"-F (\S+) dimmable", read("completion-said")), ["_dimmable"])


def removed():
    """By `remove` nothing of its configuration stays, as it has none; by `autoremove --purge` all packages go that came with it."""
    tap.equal([line for line in read("packages-removed").splitlines() if line.split()[1:] == ["dimmable"]], [])
    tap.equal(read("packages-after"), read("packages-before"))
    before, after = (set(read(f"files-{when}").splitlines()) for when in ("before", "after"))
    tap.equal(sorted(path for path in after - before if not NOT_OURS.search(path)), [])
    tap.equal(sorted(path for path in before - after if not NOT_OURS.search(path)), [])


def unwarned():
    """dpkg and apt have found nothing to say of it."""
    tap.equal([line for line in RUN.splitlines() if re.search("(?i)warning|error", line) and "dimmable" in line], [])


def main():
    global FOLDER  # pylint: disable=global-statement
    missing = [name for name in ("dpkg-buildpackage", "dh", "mmdebstrap") if not shutil.which(name)]
    if missing or os.geteuid():
        print(f"1..0 # SKIP {'not installed: ' + ' '.join(missing) if missing else 'mmdebstrap makes a system, which takes root'}")
        return
    with tempfile.TemporaryDirectory(prefix="dimmable-deb-") as FOLDER:
        tap.run([(part.__name__, part) for part in (installed, programs, removed, unwarned)])


main()

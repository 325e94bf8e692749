#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian package of what a build folder has: make-deb.py BUILD-DIR [DIR]   ->   DIR/dimmable_VERSION_amd64.deb

DIR is made anew; it is BUILD-DIR/deb if none is named."""
import json
import os
import re
import shutil
import subprocess
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(*args, **how):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **how)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{' '.join(args)}: status {done.returncode}")
    return done.stdout


def option(build, name):
    known = json.loads(run("meson", "introspect", "--buildoptions", build))
    return next(entry["value"] for entry in known if entry["name"] == name)


def changelog(version):
    """Its date is the last change's, where git knows that."""
    done = subprocess.run(["git", "-C", SOURCE, "log", "-1", "--format=%aD"], stdout=subprocess.PIPE, text=True, check=False)
    date = done.stdout.strip() or run("date", "-R").strip()
    maintainer = re.search("(?m)^Maintainer: (.*)$", open(f"{SOURCE}/packaging/debian/control", encoding="ascii").read()).group(1)
    return f"dimmable ({version}) unstable; urgency=medium\n\n  * Built from its sources.\n\n -- {maintainer}  {date}\n"


def main():
    build = os.path.abspath(sys.argv[1])
    version = json.loads(run("meson", "introspect", "--projectinfo", build))["version"]
    folder = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else f"{build}/deb"
    tree = f"{folder}/dimmable-{version}"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(tree)
    # Links are relative, and no path is in the programs: what was to be in another prefix can be in /usr.
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", f"{folder}/installed")
    os.rename(f"{folder}/installed{option(build, 'prefix')}", f"{tree}/tree")
    shutil.rmtree(f"{folder}/installed", ignore_errors=True)
    for name in ("packaging/debian", "packaging/examples", "docs"):
        shutil.copytree(f"{SOURCE}/{name}", f"{tree}/{os.path.basename(name)}")
    shutil.copy(f"{SOURCE}/README.md", tree)
    with open(f"{tree}/debian/changelog", "w", encoding="ascii") as file:
        file.write(changelog(version))
    run("dpkg-buildpackage", "--build=binary", "--no-sign", cwd=tree)
    print(f"{folder}/dimmable_{version}_amd64.deb")


main()

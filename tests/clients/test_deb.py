#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package, made, looked at, installed and removed: test_deb.py BUILD-DIR

It is unpacked by dpkg into a folder."""
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PROGRAMS = {"dimmable": "-help", "dimmable-img": "--help", "dimmable-nbd": "--help", "dimmable-memhp-check": "--help"}
FOLDER, PACKAGE = None, None


def run(*args, status=0, **how):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **how)
    tap.equal(done.returncode, status, f"{' '.join(args)}: {done.stdout[-4000:]}")
    return done.stdout


def made():
    global PACKAGE  # pylint: disable=global-statement
    PACKAGE = run(f"{SOURCE}/scripts/make-deb.py", BUILD).split()[-1]
    tap.equal(run("dpkg-deb", "--field", PACKAGE, "Package", "Architecture").splitlines(),
              ["Package: dimmable", "Architecture: amd64"])


def lintian():
    if not shutil.which("lintian"):
        raise tap.Skip("not installed: Debian's lintian")
    tap.equal(run("lintian", *["--allow-root"] * (os.geteuid() == 0), "--fail-on", "error,warning",
                  PACKAGE.replace(".deb", ".changes")), "")


def files():
    """Those of the package, without folders."""
    return {line.split(None, 5)[5].split(" -> ")[0][1:] for line in run("dpkg-deb", "--contents", PACKAGE).splitlines()
            if not line.startswith("d")}


def no_file_of_qemu():
    """Debian's own packages can be there as well; the name that tools look for is in a folder of ours."""
    tap.equal("/usr/libexec/dimmable/qemu-system-x86_64" in files(), True)
    there = run("sh", "-c", "dpkg-query --listfiles $(dpkg-query --show --showformat='${db:Status-Abbrev} ${Package}\\n' 'qemu*' | "
                "sed -n 's/^ii *//p') 2>/dev/null || true").splitlines()
    tap.equal(files() & set(there), set())


def unpacked():
    """By dpkg, into a folder: everything runs there, and nothing stays."""
    root = f"{FOLDER}/root"
    for name in ("updates", "info"):
        os.makedirs(f"{root}/var/lib/dpkg/{name}")
    open(f"{root}/var/lib/dpkg/status", "wb").close()
    dpkg = ["dpkg", f"--root={root}", f"--log={FOLDER}/log", "--force-depends", "--force-not-root"]
    run(*dpkg, "--install", PACKAGE)
    for name in ("bin/dimmable", "libexec/dimmable/qemu-system-x86_64"):
        text = run(f"{root}/usr/{name}", "-version")
        tap.equal(text.startswith("QEMU emulator version 7.2.0 (dimmable "), True, text)
    run(f"{root}/usr/bin/dimmable-img", "create", "-q", "-f", "qcow2", f"{FOLDER}/disk.qcow2", "1M")
    run(f"{root}/usr/bin/dimmable-memhp-check", "--list",
        env={key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"})
    pages(root)
    completion(root)
    example(root)
    run(*dpkg, "--purge", "dimmable")
    left = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]
    tap.equal([path for path in left if not path.startswith(f"{root}/var/lib/dpkg/")], [])
    tap.equal(os.path.exists(f"{root}/usr"), False, "usr is left")


def options_of(text):
    return set(re.findall(r"(?m)^  (?:-\w, )?(--?[\w-]+)", text))


def pages(root):
    """Each program has a page, of which man minds nothing, with every option that it lists."""
    for name, for_help in PROGRAMS.items():
        path = f"{root}/usr/share/man/man1/{name}.1.gz"
        with gzip.open(path, "rt") as file:
            text = file.read().replace("\\-", "-").replace("\\:", "")
        missing = [o for o in options_of(run(f"{root}/usr/bin/{name}", for_help)) if not re.search(rf"(?m)^\.B (-\w, )?{re.escape(o)}(?![\w-])", text)]
        tap.equal(missing, [], path)
        if shutil.which("man"):
            done = subprocess.run(["man", "--warnings", "--local-file", path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  text=True, env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}, check=False)
            tap.equal((done.returncode, done.stderr), (0, ""), path)


def complete(root, *typed):
    """What bash would offer for the last word."""
    name = typed[0]
    script = (f". {root}/usr/share/bash-completion/completions/{name}; COMP_WORDS=({root}/usr/bin/{name} \"${{@:2}}\"); "
              "COMP_CWORD=$(($# - 1)); _${1//-/_}; printf '%s\\n' \"${COMPREPLY[@]}\"")
    return sorted(run("bash", "-c", script, "bash", *typed).split())


def completion(root):
    tap.equal(complete(root, "dimmable", "-mem"), ["-mem-path", "-mem-prealloc"])
    tap.equal(complete(root, "dimmable", "-M", "q35"), ["q35"])
    tap.equal(complete(root, "dimmable", "-device", "pc-d"), ["pc-dimm"])
    tap.equal(complete(root, "dimmable", "-object", "memory-backend-"),
              [f"memory-backend-{kind}" for kind in ("file", "memfd", "ram")])
    tap.equal(complete(root, "dimmable", "-accel", "t"), ["tcg"])
    tap.equal(complete(root, "dimmable", "-cpu", "Nehalem"), ["Nehalem", "Nehalem-IBRS", "Nehalem-v1", "Nehalem-v2"])
    tap.equal(complete(root, "dimmable-img", "comp"), ["compare"])
    tap.equal(complete(root, "dimmable-img", "create", "--obj"), ["--object"])
    tap.equal(complete(root, "dimmable-memhp-check", "--mach"), ["--machine"])


def example(root):
    """The machine of the systemd example can be made."""
    folder = f"{root}/usr/share/doc/dimmable/examples"
    with open(f"{folder}/machine.conf", encoding="ascii") as file:
        text = file.read()
    for here in ("/var/lib/dimmable/web", "/run/dimmable-web"):
        text = text.replace(here, FOLDER)
    with open(f"{FOLDER}/machine.conf", "w", encoding="ascii") as file:
        file.write(text.replace("kvm:tcg", "qtest"))
    out = run(f"{root}/usr/bin/dimmable", "-nodefaults", "-display", "none", "-readconfig", f"{FOLDER}/machine.conf", "-S",
              "-monitor", "stdio", input="info memory_size_summary\nquit\n")
    tap.equal("base memory: 1073741824" in out, True, out)


def main():
    global FOLDER  # pylint: disable=global-statement
    missing = [name for name in ("dpkg-buildpackage", "dh") if not shutil.which(name)]
    if missing:
        print(f"1..0 # SKIP not installed: {' '.join(missing)} (Debian's dpkg-dev, debhelper)")
        return
    with tempfile.TemporaryDirectory(prefix="dimmable-deb-") as FOLDER:
        tap.run([(part.__name__.replace("_", " "), part) for part in (made, lintian, no_file_of_qemu, unpacked)])


main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-img and, where it is installed, the reference: the same words to both."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

import tap

PROGRAM = f"{os.path.abspath(sys.argv[1])}/tools/img/dimmable-img"
REFERENCE = shutil.which("qemu-img")
WRITER = shutil.which("qemu-io")
KIB, MIB = 1 << 10, 1 << 20


class Result:
    def __init__(self, done):
        self.status = done.returncode
        self.out, self.errors = done.stdout, done.stderr


def call(program, *words, cwd=None, env=None):
    return Result(subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False, cwd=cwd,
                                 env=env, timeout=300))


def run(*words, cwd=None):
    """What it prints, when it works without a word on stderr."""
    result = call(PROGRAM, *words, cwd=cwd)
    tap.equal((result.status, result.errors), (0, ""), words)
    return result.out


def fails(*words, cwd=None, status=1, says=""):
    result = call(PROGRAM, *words, cwd=cwd)
    tap.equal(result.status, status, (words, result.errors))
    if says not in result.errors:
        raise AssertionError(f"{words}: {says!r} is not in {result.errors!r}")
    return result


def need_reference():
    if not REFERENCE or not WRITER:
        raise tap.Skip("qemu-img and qemu-io are not installed")


def reference(*words, cwd=None):
    result = call(REFERENCE, *words, cwd=cwd)
    tap.equal(result.status, 0, (words, result.errors))
    return result.out


def write(path, *commands, form="qcow2"):
    """qemu-io's commands, such as "write -P 1 0 64k"."""
    words = [word for command in commands for word in ("-c", command)]
    tap.equal(call(WRITER, "-f", form, *words, path).status, 0, commands)


def sound(path):
    """Both find nothing wrong."""
    run("check", "-q", path)
    if REFERENCE:
        reference("check", "-q", path)


def info(path, program=PROGRAM):
    return json.loads(call(program, "info", "--output=json", path).out)


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="dimmable-img-") as name:
        yield name

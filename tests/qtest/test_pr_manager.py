#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Managers of persistent reservations, with Debian's qemu-pr-helper: what is told of them, and who uses them."""
import contextlib
import os
import shutil
import subprocess
import tempfile

import machine
import tap

PROGRAM = shutil.which("qemu-pr-helper")


@contextlib.contextmanager
def helper(path):
    if not PROGRAM:
        raise tap.Skip("there is no qemu-pr-helper (Debian's package qemu-system-common)")
    with subprocess.Popen([PROGRAM, "-k", path, "-f", f"{path}.pid"]) as process:
        machine.vm.wait_until(lambda: os.path.exists(path), "the helper's socket")
        try:
            yield process
        finally:
            process.kill()


def refused(m, command, **arguments):
    try:
        m.qmp.command(command, **arguments)
    except machine.vm.QmpError as err:
        return err.desc
    raise AssertionError(f"{command} was accepted")


def told():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        with open(f"{folder}/disk", "wb") as file:
            file.truncate(1 << 20)
        with helper(path) as process, machine.Machine(extra=[
                "-blockdev", f"file,node-name=n0,filename={folder}/disk,pr-manager=pr0", "-object",
                f"pr-manager-helper,id=pr0,path={path}"]) as m:
            tap.equal(m.qmp.command("query-pr-managers"), [{"id": "pr0", "connected": True}])
            said = refused(m, "object-del", id="pr0")
            tap.equal("in use" in said, True, said)
            process.kill()
            process.wait()
            machine.vm.wait_until(lambda: not m.qmp.command("query-pr-managers")[0]["connected"], "it has gone")
            event = m.qmp.event("PR_MANAGER_STATUS_CHANGED")
            tap.equal(event["data"], {"id": "pr0", "connected": False})
            m.qmp.command("blockdev-del", **{"node-name": "n0"})
            m.qmp.command("object-del", id="pr0")
            tap.equal(m.qmp.command("query-pr-managers"), [])
            said = refused(m, "object-add", **{"qom-type": "pr-manager-helper", "id": "pr0", "path": f"{folder}/none"})
            tap.equal("qemu-pr-helper should listen" in said, True, said)
            said = refused(m, "blockdev-add", driver="file", filename=f"{folder}/disk", **{"node-name": "n0", "pr-manager": "pr0"})
            tap.equal("pr-manager-helper,id=pr0" in said, True, said)


tap.run([("told", told)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-memhp-check reports what Debian's kernel does, and what an emulator or a kernel does wrong:
test_memhp_check.py BUILD-DIR [all]: every scenario, which takes long."""
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
TOOL = f"{BUILD}/tools/memhp/main.py"
GUEST = f"{BUILD}/guest"

# An emulator behind whose monitor somebody sits who answers device_add, and does not pass it on.
DROPS_PLUGS = f"""#!{sys.executable}
import os, signal, socket, subprocess, sys, threading, time
words = sys.argv[1:]
path = words[words.index("-qmp") + 1].removeprefix("unix:").split(",")[0]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
words[words.index("-qmp") + 1] = f"unix:{{path}}.real,server=on,wait=off"
emulator = subprocess.Popen(["{BUILD}/dimmable", *words])
def serve():
    ours, _ = server.accept()
    while True:
        try:
            real = socket.socket(socket.AF_UNIX)
            real.connect(path + ".real")
            break
        except OSError:
            time.sleep(0.01)
    def back():
        while data := real.recv(65536):
            ours.sendall(data)
        ours.shutdown(socket.SHUT_RDWR)
    threading.Thread(target=back, daemon=True).start()
    for line in ours.makefile("rb"):
        if b'"device_add"' in line:
            ours.sendall(b'{{"return": {{}}}}\\r\\n')
        else:
            real.sendall(line)
threading.Thread(target=serve, daemon=True).start()
signal.signal(signal.SIGTERM, lambda *_: emulator.terminate())
sys.exit(emulator.wait())
"""


def check(*words, emulator=f"{BUILD}/dimmable", status=0):
    """Run the tool; what it printed."""
    modules = f"{GUEST}/root/lib/modules"
    done = subprocess.run([sys.executable, TOOL, "--kernel", f"{GUEST}/vmlinuz", "--modules", modules, "--busybox",
                           f"{GUEST}/root/bin/busybox", "--emulator", emulator, "--accel", "soft", *words],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    tap.equal(done.returncode, status, done.stdout)
    return done.stdout


def lists():
    """What --list prints is what docs/memhp-check.md has."""
    names = [line.split()[0] for line in check("--list").splitlines()]
    with open(f"{os.path.dirname(os.path.abspath(__file__))}/../../docs/memhp-check.md", encoding="utf-8") as file:
        tap.equal(sorted(re.findall(r"^\| `(\w+/[\w-]+)` \|", file.read(), re.M)), sorted(names), "scenarios in the document")
    text = check("--list", "--only", "zones/*")
    tap.equal("zones/online_movable  " in text and "removal/" not in text, True, text)
    text = check("--only", "nothing", status=2)
    tap.equal("no scenario has such a name" in text, True, text)


def good():
    """Each line says what the kernel did, and so does the table."""
    text = check("--only", "zones/online_movable", "--only", "removal/tmpfs", "--only", "removal/page-cache")
    for what in (r"ok \d zones/online_movable: zone Movable after [\d.]+ s; gone after [\d.]+ s",
                 r"ok \d removal/tmpfs: moved 64 MiB of a tmpfs; gone after [\d.]+ s",
                 r"ok \d removal/page-cache: moved \d+ MiB of page cache; gone after [\d.]+ s",
                 r"# removal/tmpfs +ok +[\d.]+ s +[\d.]+ s  moved 64 MiB of a tmpfs; gone after [\d.]+ s"):
        tap.equal(bool(re.search(rf"^{what}$", text, re.M)), True, f"/{what}/ in\n{text}")
    tap.equal(text.splitlines()[1], "1..3")
    tap.equal(text.splitlines()[-1], "# 3 ok, 0 refused, 0 skip, 0 fail")


def refusals():
    """The kernel says why, and that is no failure. What happens to a DIMM at boot, and to a node, is seen as well."""
    text = check("--only", "refusal/slabs", "--only", "refusal/pinned", "--only", "removal/races", "--only", "removal/node",
                 "--only", "boot/movable_node")
    for what in (r"ok \d refusal/slabs: refused: \d+ KiB of Slab: _OST status 0x\w+, .*",
                 r"#   page dumped because: unmovable page",
                 r"ok \d refusal/pinned: refused: pinned pages: the kernel tries again and again; gone when they were free",
                 r"#   page dumped because: migration failure",
                 r"ok \d removal/races: .*gone after [\d.]+ s.*", r"ok \d removal/node: the node is gone [\d.]+ s after .*",
                 r"ok \d boot/movable_node: \d+ early allocations, .*Movable; gone after [\d.]+ s"):
        tap.equal(bool(re.search(rf"^{what}$", text, re.M)), True, f"/{what}/ in\n{text}")


def everything():
    """No scenario fails, and none is skipped."""
    text = check()
    print("".join(f"# {line}\n" for line in text.splitlines()), end="")
    tap.equal("# SKIP" in text, False, text)


def broken_emulator():
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/emulator", "w", encoding="ascii") as file:
            file.write(DROPS_PLUGS)
        os.chmod(f"{folder}/emulator", 0o700)
        found = json.loads(check("--json", "--only", "removal/empty", emulator=f"{folder}/emulator", status=1))
    tap.equal([(s["name"], s["outcome"], s["text"]) for s in found["scenarios"]],
              [("removal/empty", "fail", "the emulator has answered device_add with success, and has no DIMM d0")])


def broken_kernel():
    """One that panics is seen to, with its log; so is one that cannot be started at all."""
    text = check("--only", "removal/empty", "--append", "rdinit=/nothing root=/dev/nothing", status=1)
    tap.equal(bool(re.search(r"^not ok 1 removal/empty: Kernel panic - not syncing: .*VFS", text, re.M)), True, text)
    tap.equal("#   " in text, True, text)


def complaints():
    """A kernel's complaint of itself is a failure, whatever else it did."""
    sys.path.insert(0, f"{BUILD}/tools/memhp")
    import guest  # pylint: disable=import-outside-toplevel,import-error
    log = ["[ 1.2] all is well", "[ 1.3] WARNING: CPU: 0 PID: 1 at mm/memory_hotplug.c:1", "[ 1.3] Call Trace:", "[ 1.4] end"]
    tap.equal(guest.Guest.complaints(None, log), log[1:])
    tap.equal(guest.Guest.complaints(None, log[:1] + ["watchdog: BUG: soft lockup - CPU#0 stuck for 22s!"]), [])


tap.run([("every scenario", everything)] if sys.argv[2:] == ["all"] else [
    ("the list of scenarios", lists),
    ("what Debian's kernel did", good),
    ("what Debian's kernel refuses", refusals),
    ("an emulator that drops a plug", broken_emulator),
    ("a kernel that panics", broken_kernel),
    ("a kernel that complains", complaints),
])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-memhp-check reports what Debian's kernel does, and what an emulator or a kernel does wrong:
test_memhp_check.py BUILD-DIR [all]: every scenario, which takes long."""
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
sys.path.insert(0, f"{BUILD}/tools/memhp")
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


MODULES = ("--modules", f"{GUEST}/root/lib/modules")


def check(*words, emulator=f"{BUILD}/dimmable", status=0, modules=MODULES):
    """Run the tool; what it printed."""
    done = subprocess.run([sys.executable, TOOL, "--kernel", f"{GUEST}/vmlinuz", *modules, "--busybox",
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
    text = check("--only", "zones/online", "--only", "zones/online_movable", "--only", "zones/large-blocks",
                 "--only", "removal/tmpfs", "--only", "removal/page-cache")
    for what in (r"ok \d zones/online: zone Normal after [\d.]+ s; (gone|it does not give it back: .*) after [\d.]+ s .*",
                 r"ok \d zones/large-blocks: two blocks of 2048 MiB after [\d.]+ s; one of 2050 MiB is not used, and goes .*",
                 r"ok \d zones/online_movable: zone Movable after [\d.]+ s; gone after [\d.]+ s \[[\d.]+ s in all\]",
                 r"ok \d removal/tmpfs: moved 64 MiB of a tmpfs; gone after [\d.]+ s \[[\d.]+ s in all\]",
                 r"ok \d removal/page-cache: moved \d+ MiB of page cache; gone after [\d.]+ s \[[\d.]+ s in all\]",
                 r"# removal/tmpfs +ok +[\d.]+ s +[\d.]+ s  moved 64 MiB of a tmpfs; gone after [\d.]+ s"):
        tap.equal(bool(re.search(rf"^{what}$", text, re.M)), True, f"/{what}/ in\n{text}")
    tap.equal(text.splitlines()[1], "1..5")
    tap.equal(text.splitlines()[-1], "# 5 ok, 0 refused, 0 skip, 0 fail")


def refusals():
    """The kernel says why, and that is no failure. What happens to a DIMM at boot, and to a node, is seen as well."""
    text = check("--only", "refusal/slabs", "--only", "refusal/pinned", "--only", "removal/races", "--only", "removal/node",
                 "--only", "boot/movable_node")
    for what in (r"ok \d refusal/slabs: refused: \d+ KiB of Slab: _OST status 0x\w+, .*",
                 r"#   page dumped because: unmovable page",
                 r"ok \d refusal/pinned: refused: pinned pages: the kernel tries again and again; after [\d.]+ s they were freed, .*",
                 r"#   page dumped because: migration failure",
                 r"ok \d removal/races: .*gone after [\d.]+ s.*", r"ok \d removal/node: the node is gone [\d.]+ s after .*",
                 r"ok \d boot/movable_node: \d+ allocations before SRAT is read, from the bottom up; .*Movable; gone after .*"):
        tap.equal(bool(re.search(rf"^{what}$", text, re.M)), True, f"/{what}/ in\n{text}")


def placement():
    """Programs that choose where their memory is, pages that are pinned for long, huge pages of a tmpfs; and a DAX device."""
    text = check("--only", "view/mbind", "--only", "view/numactl", "--only", "removal/longterm", "--only", "removal/tmpfs-huge",
                 "--only", "dax/kmem")
    for what in (r"ok \d view/mbind: 16 MiB moved to the DIMM, back, and there again; .*",
                 r"ok \d view/numactl: sysfs agrees with the DIMM; \d+ of 4096 pages were in it by set_mempolicy .*",
                 r"ok \d removal/longterm: 1024 pages were taken out of it when they were pinned; .*",
                 r"ok \d removal/tmpfs-huge: moved 64 MiB of a tmpfs, of which \d+ MiB were huge pages; .*",
                 r"ok \d dax/kmem: 256 MiB came in [\d.]+ s and went in [\d.]+ s; then there is /dev/dax0\.0 .*"):
        tap.equal(bool(re.search(rf"^{what}$", text, re.M)), True, f"/{what}/ in\n{text}")


def second_kernel():
    """Another kernel is started in both of the ways that there are, and has the DIMM."""
    text = check("--only", "power/kexec", "--only", "power/kexec_load")
    for what in (r"ok \d power/kexec: the second kernel has the DIMM after [\d.]+ s, and gives it back after .*",
                 r"ok \d power/kexec_load: the second kernel has the DIMM after [\d.]+ s, Movable, and gives it back after .*"):
        tap.equal(bool(re.search(rf"^{what}$", text, re.M)), True, f"/{what}/ in\n{text}")


def programs(paths):
    """{path in a root: contents} of programs, and of the libraries that they need."""
    found = {}
    libraries = f"{GUEST}/root/usr/lib/x86_64-linux-gnu:{GUEST}/root/lib/x86_64-linux-gnu"
    for path in paths:
        needed = subprocess.run(["ldd", path], env={**os.environ, "LD_LIBRARY_PATH": libraries}, stdout=subprocess.PIPE, text=True,
                                check=True).stdout
        found[f"usr/bin/{os.path.basename(path)}"] = path
        found |= {f"usr/lib/{os.path.basename(name)}": name for name in re.findall(r"=> (/\S+)", needed)}
        found |= {f"usr/lib64/{os.path.basename(name)}": name for name in re.findall(r"^\s*(/lib64/\S+)", needed, re.M)}
    return found


def modules_of(folder):
    """The same of the kernel's modules that the tool's scenarios use, as modprobe wants them."""
    import root  # pylint: disable=import-outside-toplevel,import-error
    version, = os.listdir(folder)
    known, found, lines = root.Modules(folder), {}, []
    for driver in root.DRIVERS:
        known.needed(driver, found)
    for name in found:
        path = os.path.relpath(known.paths[name], f"{folder}/{version}")
        needed = [os.path.relpath(known.paths[other], f"{folder}/{version}")
                  for other in reversed(known.needed(name)) if other != name]
        lines.append(f"{path}: {' '.join(needed)}\n")
    files = {f"usr/lib/modules/{version}/{line.split(':')[0]}": f"{folder}/{version}/{line.split(':')[0]}" for line in lines}
    return files, {f"usr/lib/modules/{version}/modules.dep": "".join(lines).encode()}


def debian_initrd(path):
    """An initial RAM disk as Debian's are: microcode first, then a compressed archive with /lib a link, modules, and an /init."""
    import root  # pylint: disable=import-outside-toplevel,import-error
    paths, files = modules_of(MODULES[1])
    paths |= programs([f"{GUEST}/root/usr/bin/numactl", *filter(None, [shutil.which("lsmem")])])
    files |= {name: root.read(place) for name, place in paths.items()}
    files |= {"init": b"#!/memhp/bin/busybox sh\necho THE-ROOT-HAS-RUN > /dev/console\n", "usr/sbin/nothing": b""}
    links = b"".join(root.entry(1000 + n, name, 0o120777, f"usr/{name}".encode())
                     for n, name in enumerate(("bin", "lib", "lib64", "sbin")))
    with open(path, "wb") as file:
        file.write(root.archive({"kernel/x86/microcode/AuthenticAMD.bin": b""}) + gzip.compress(links + root.archive(files), 1))


def given_folder():
    """--initrd with a folder: its programs are used, by links as well."""
    with tempfile.TemporaryDirectory() as folder:
        for name, place in programs([f"{GUEST}/root/usr/bin/numactl"]).items():
            os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
            shutil.copy(place, f"{folder}/{name}")
        for name in ("bin", "lib", "lib64"):
            os.symlink(f"usr/{name}", f"{folder}/{name}")
        text = check("--initrd", folder, "--only", "view/numactl", modules=())
    tap.equal(" were in it by numactl --interleave; " in text, True, text)


def given_root():
    """--initrd: its drivers and programs are used, and its first program does not run."""
    with tempfile.TemporaryDirectory() as folder:
        debian_initrd(f"{folder}/initrd")
        text = check("--initrd", f"{folder}/initrd", "--consoles", folder, "--only", "view/numactl", "--only", "view/sysfs",
                     "--only", "removal/page-cache", modules=())
        consoles = {}
        for name in sorted(os.listdir(folder)):
            if name.endswith(".log"):
                with open(f"{folder}/{name}", encoding="utf-8", errors="replace") as file:
                    consoles[name] = file.read()
    for what in (r"ok \d removal/page-cache: moved \d+ MiB of page cache; .*",
                 r"ok \d view/numactl: sysfs agrees with the DIMM, and so does numactl -H; \d+ of 4096 pages were in it by numactl .*",
                 r"ok \d view/sysfs: all of them agree" + (", and so does lsmem, .*" if shutil.which("lsmem") else ".*")):
        tap.equal(bool(re.search(rf"^{what}$", text, re.M)), True, f"/{what}/ in\n{text}")
    tap.equal(sorted(consoles), ["removal-page-cache.log", "view-sysfs.log"])
    for said in consoles.values():
        tap.equal(("Linux version" in said, "GUEST-READY" in said, "THE-ROOT-HAS-RUN" in said), (True, True, False), said)


def everything():
    """No scenario fails, and none is skipped."""
    text = check()
    print("".join(f"# {line}\n" for line in text.splitlines()), end="")
    tap.equal("# SKIP" in text, False, text)


def wrong_words():
    """What is given is looked at before a guest is started."""
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/text", "w", encoding="ascii") as file:
            file.write("neither a kernel nor an initial RAM disk\n" * 20)
        for words, message in ((("--initrd", f"{folder}/text"), f"{folder}/text is no initial RAM disk: that is a cpio archive, "
                                "compressed or not, as /boot/initrd.img-VERSION is"),
                               (("--kernel", f"{folder}/text"), f"{folder}/text is no bzImage, as /boot/vmlinuz-VERSION is"),
                               (("--kernel", f"{folder}/none"), f"there is no {folder}/none"),
                               (("--kernel", folder), f"{folder} is a folder, and no bzImage"),
                               (("--modules", folder), f"{folder} has no kernel modules (files *.ko, *.ko.xz, *.ko.gz or *.ko.zst)"),
                               (("--consoles", f"{folder}/text"), f"{folder}/text is no folder")):
            text = check("--only", "removal/empty", *words, status=2)
            tap.equal(text.splitlines()[-1], f"dimmable-memhp-check: error: {message}")


def other_emulator():
    """The same scenarios in another emulator, that has the same options."""
    other = shutil.which("qemu-system-x86_64")
    if not other:
        raise tap.Skip("there is no qemu-system-x86_64")
    text = check("--only", "zones/online_movable", "--only", "removal/anonymous", "--accel", "tcg", emulator=other)
    tap.equal((text.count("\nok "), "not ok" in text), (2, False), text)


def broken_emulator():
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/emulator", "w", encoding="ascii") as file:
            file.write(DROPS_PLUGS)
        os.chmod(f"{folder}/emulator", 0o700)
        found = json.loads(check("--json", "--only", "removal/empty", emulator=f"{folder}/emulator", status=1))
    tap.equal([(s["name"], s["outcome"], s["text"]) for s in found["scenarios"]],
              [("removal/empty", "fail", "the emulator has answered device_add with success, and has no DIMM d0")])
    text = check("--only", "removal/empty", emulator="/bin/true", status=1)
    tap.equal("not ok 1 removal/empty: the emulator does not start such a machine: the program ended with status 0 [" in text, True, text)
    text = check("--only", "removal/empty", emulator="/nonexistent/x", status=2)
    tap.equal(text.splitlines()[-1], "dimmable-memhp-check: error: there is no program /nonexistent/x: name the emulator with --emulator")


def broken_kernel():
    """One that panics is seen to, with its log; so is one that cannot be started at all."""
    text = check("--only", "removal/empty", "--append", "rdinit=/nothing root=/dev/nothing", status=1)
    tap.equal(bool(re.search(r"^not ok 1 removal/empty: Kernel panic - not syncing: .*VFS", text, re.M)), True, text)
    tap.equal("#   " in text, True, text)


def complaints():
    """A kernel's complaint of itself is a failure, whatever else it did."""
    import guest  # pylint: disable=import-outside-toplevel,import-error
    log = ["[ 1.2] all is well", "[ 1.3] WARNING: CPU: 0 PID: 1 at mm/memory_hotplug.c:1", "[ 1.3] Call Trace:", "[ 1.4] end"]
    tap.equal(guest.Guest.complaints(None, log), log[1:])
    tap.equal(guest.Guest.complaints(None, log[:1] + ["watchdog: BUG: soft lockup - CPU#0 stuck for 22s!"]), [])


tap.run([("every scenario", everything)] if sys.argv[2:] == ["all"] else [
    ("the list of scenarios", lists),
    ("what Debian's kernel did", good),
    ("what Debian's kernel refuses", refusals),
    ("where programs and the kernel have memory", placement),
    ("a kernel that another one starts", second_kernel),
    ("an initial RAM disk that is given", given_root),
    ("a folder that is given", given_folder),
    ("a command line that is wrong", wrong_words),
    ("another emulator", other_emulator),
    ("an emulator that drops a plug", broken_emulator),
    ("a kernel that panics", broken_kernel),
    ("a kernel that complains", complaints),
])

# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt's daemon in session mode, started and ended by the test, with folders of its own; and virsh
on it. The emulator that it finds is build/dimmable, by the name that it looks for."""
import glob
import itertools
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402

PROGRAMS = ("libvirtd", "virsh", "unshare", "cpio")
NOBODY = "65534"
NUMBERS = itertools.count()  # of daemons


class VirshError(Exception):
    pass


def as_user():
    """What to put before a program so that it is not root: libvirtd is the system's daemon for root,
    and a session's for others. Root is mapped to another number, so that all files stay its own."""
    if os.geteuid() != 0:
        return []
    prefix = [shutil.which("unshare"), "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        raise tap.Skip("root may not make a user namespace here, and libvirtd has no session mode for root")
    return prefix


def need_programs():
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        raise tap.Skip(f"not installed: {' '.join(missing)} (Debian's libvirt-daemon, "
                       "libvirt-daemon-driver-qemu, libvirt-clients, cpio)")


def any_memory_locked():
    """Domains with <locked/> need it: libvirt sets their limit, and must not be above its own."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError:
        pass  # a user's limit stays


class Libvirt:
    """A context manager. What it started is ended on the way out: domains, then the daemon."""

    def __init__(self, program, huge_pages=False, config=""):
        """@config: more lines of qemu.conf."""
        need_programs()
        self.prefix = as_user()
        self.for_daemon = []  # what is before this prefix
        self.dir = tempfile.mkdtemp(prefix="dimmable-libvirt-")
        self.daemon = None
        self.helpers, self.watches = [], 0
        self.log_path = f"{self.dir}/libvirtd.log"
        self.emulator = f"{self.dir}/bin/qemu-system-x86_64"
        for name in ("bin", "home", "run", "config/libvirt", "cache"):
            os.makedirs(f"{self.dir}/{name}", 0o700)
        os.symlink(os.path.abspath(program), self.emulator)
        for name in ("swtpm", "swtpm_setup", "swtpm_ioctl", "swtpm_cert", "certtool"):
            if shutil.which(name):
                os.symlink(shutil.which(name), f"{self.dir}/bin/{name}")
        # No other emulator is in this PATH: it would be probed, too.
        self.env = {"HOME": f"{self.dir}/home", "XDG_RUNTIME_DIR": f"{self.dir}/run",
                    "XDG_CONFIG_HOME": f"{self.dir}/config", "XDG_CACHE_HOME": f"{self.dir}/cache",
                    "PATH": f"{self.dir}/bin:/usr/sbin", "LIBVIRT_AUTOSTART": "0", "LC_ALL": "C",
                    **{key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}}
        self.write("config/libvirt/libvirtd.conf",
                   f'log_filters="1:qemu.qemu_monitor 3:*"\nlog_outputs="1:file:{self.log_path}"\n'
                   f'host_uuid="{uuid.uuid4()}"\n')  # two daemons are two hosts
        # Daemons that know nothing of each other must not choose the same ports.
        number = (os.getpid() * 2 + next(NUMBERS)) % 1000
        first, display = 20000 + number * 10, 30000 + number * 20
        self.write("config/libvirt/qemu.conf", 'stdio_handler = "file"\n'
                   f"migration_port_min = {first}\nmigration_port_max = {first + 9}\n"
                   f"remote_display_port_min = {display}\nremote_display_port_max = {display + 19}\n"
                   + (self.huge_pages() if huge_pages else "") + config)

    def huge_pages(self):
        """A hugetlbfs which the daemon alone has, as root mounts it; returns what qemu.conf says of it."""
        os.mkdir(f"{self.dir}/huge")
        mount = f'{shutil.which("mount")} -t hugetlbfs -o pagesize=2M none {self.dir}/huge'
        self.for_daemon = [shutil.which("unshare"), "--mount", shutil.which("sh"), "-c", f'{mount} && exec "$@"', "sh"]
        return f'hugetlbfs_mount = "{self.dir}/huge"\n'

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc):
        self.close()

    def write(self, name, text):
        with open(f"{self.dir}/{name}", "w", encoding="ascii") as file:
            file.write(text)
        return f"{self.dir}/{name}"

    def popen(self, args, before=(), **options):
        """A program of libvirt's, which does not depend on what started the test."""
        return subprocess.Popen([*before, *self.prefix, shutil.which(args[0]), *args[1:]], env=self.env, cwd=self.dir,
                                stdin=subprocess.DEVNULL, **options)

    # ---- the daemon ----

    def start(self):
        with open(f"{self.dir}/stderr", "ab") as stderr:
            self.daemon = self.popen(["libvirtd"], self.for_daemon, stdout=stderr, stderr=stderr,
                                     preexec_fn=any_memory_locked)
        deadline = time.monotonic() + 60
        while True:
            with socket.socket(socket.AF_UNIX) as sock:
                try:
                    sock.connect(f"{self.dir}/run/libvirt/libvirt-sock")
                    return
                except (FileNotFoundError, ConnectionRefusedError):
                    pass
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                with open(f"{self.dir}/stderr", encoding="utf-8", errors="replace") as stderr:
                    raise RuntimeError(f"libvirtd did not start: {stderr.read()[-2000:]}")
            time.sleep(0.01)

    def stop(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            self.daemon.wait(60)

    def restart(self):
        self.stop()
        self.start()

    def log(self):
        """What libvirtd has logged."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def refusals(self):
        """What the emulator answered with an error that libvirt takes for one: the commands."""
        mark = "unable to execute QEMU command '"
        return {line.split(mark)[1].split("'")[0] for line in self.log().splitlines()
                if mark in line and ": error :" in line}

    def emulators(self):
        """{domain: process id} of those that run."""
        folder = f"{self.dir}/run/libvirt/qemu/run"
        found = {}
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if name.endswith(".pid") and name != "driver.pid":
                with open(f"{folder}/{name}", encoding="ascii") as file:
                    found[name[:-len(".pid")]] = int(file.read())
        return found

    def close(self):
        self.end_helpers()
        self.stop()
        for pid in self.emulators().values():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- virsh ----

    def begin(self, *args, timeout=120):
        """Start virsh; a function that waits for its end, and is as virsh()."""
        process = self.popen(["virsh", "-q", "-c", "qemu:///session", *args], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)

        def end():
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
            if process.returncode:
                raise VirshError(f"virsh {' '.join(args)}: {err.strip()}")
            return out.strip()

        return end

    def virsh(self, *args, timeout=120):
        """Its output, stripped; VirshError with its message if it fails."""
        return self.begin(*args, timeout=timeout)()

    def newest_domain_log(self):
        """Of the domain that was started last: what its emulator has said."""
        with open(max(glob.glob(f"{self.dir}/cache/libvirt/qemu/log/*.log"), key=os.path.getmtime), encoding="utf-8",
                  errors="replace") as file:
            return file.read().rpartition("starting up")[2]

    def refused(self, words, *args):
        """virsh fails, and its message has all of @words. If the emulator has ended before libvirt could connect to it, then
        virsh says only that, and the message is in the domain's log."""
        try:
            out = self.virsh(*args)
        except VirshError as err:
            text = str(err)
            if "failed to connect to monitor socket" in text:
                text += self.newest_domain_log()
            missing = [word for word in words.split() if word not in text]
            if missing:
                raise AssertionError(f"the message has no {missing}: {text}") from None
            return
        raise AssertionError(f"virsh {' '.join(args)} worked: {out}")

    def watch(self, *args):
        """A virsh that goes on, such as `event`; returns the path of its output."""
        self.watches += 1
        path = f"{self.dir}/watch-{self.watches}"
        with open(path, "wb") as out:
            self.helpers.append(self.popen(["virsh", "-q", "-c", "qemu:///session", *args], stdout=out,
                                           stderr=out))
        return path

    def end_helpers(self):
        """Those that watch: they do not outlive a daemon."""
        for helper in self.helpers:
            helper.terminate()
            helper.wait(60)
        self.helpers.clear()

    def uri(self):
        """For another daemon's virsh, or for a client of any kind."""
        return f"qemu+unix:///session?socket={self.dir}/run/libvirt/libvirt-sock"

    def dumpxml(self, domain, *args):
        return ElementTree.fromstring(self.virsh("dumpxml", domain, *args))

    def state(self, domain):
        return self.virsh("domstate", domain)

    def wait_state(self, domain, wanted, timeout=60):
        deadline = time.monotonic() + timeout
        while self.state(domain) != wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"{domain} is {self.state(domain)}, wanted {wanted}")
            time.sleep(0.1)

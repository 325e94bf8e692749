# SPDX-License-Identifier: GPL-2.0-or-later
"""Drive a virtual machine from a test: its process, its QMP monitor, and a shell on its serial
console. Works the same with build/dimmable and with qemu-system-x86_64."""
import ctypes
import json
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from unittest import mock

APPEND = "console=ttyS0 movable_node memhp_default_state=online_movable"


class Timeout(Exception):
    pass


# Seconds before something that has not come counts as hanging. It says nothing about speed, which is what
# tests/bench measures: hosts under load, and sanitizers, may take their time.
LONG = 60


# What sanitizers print; the program goes on after some of it, and ends with a status that nobody sees after others.
FINDINGS = ("WARNING: ThreadSanitizer", "ERROR: AddressSanitizer", "ERROR: LeakSanitizer", ": runtime error: ")


def engine(accel):
    """What -accel is told: the software CPU translates as TRANSLATE in the environment says (make check-translate)."""
    how = os.environ.get("TRANSLATE")
    return f"soft,translate={how}" if how and accel == "soft" else accel


def kernel_words():
    """What Linux is told where the engine is slower by nature: that a CPU on which nothing else runs for 20 s of real
    time is stuck would be a word on the host's load. It is reported after 120 s."""
    return " watchdog_thresh=60" if os.environ.get("TRANSLATE") else ""


def memory_may_follow():
    """Does the host let this user's programs wait for memory (userfaultfd)?"""
    fd = ctypes.CDLL(None).syscall(323, os.O_CLOEXEC | os.O_NONBLOCK)
    if fd >= 0:
        os.close(fd)
    return fd >= 0 or os.access("/dev/userfaultfd", os.R_OK | os.W_OK)


def wait_until(condition, what, timeout=LONG):
    """Ask again and again until @condition() gives something that is true: that."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Timeout(f"not in {timeout} s: {what}")
        time.sleep(0.002)
    return found


def small_quarantine():
    """While this context lasts, programs that start under AddressSanitizer keep little freed memory:
    what it keeps would count as growth."""
    options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1".lstrip(":")
    return mock.patch.dict(os.environ, ASAN_OPTIONS=options)


def resident(pid):
    """KiB that the program takes, but for guest memory that has large pages: there the host puts a large page in
    the place of small ones when it likes to, and what is resident grows by up to 2 MiB."""
    total = found = 0
    with open(f"/proc/{pid}/smaps", encoding="ascii") as smaps:
        for line in smaps:
            if line.startswith("Rss:"):
                found = int(line.split()[1])
            elif line.startswith("VmFlags:") and "hg" not in line.split():
                total += found
    return total


def code_memory(guest):
    """KiB of it that are decoded blocks, and translated code, which is mapped twice: the software CPU drops them when they
    reach their limits (docs/software-cpu.md), and until then they grow with whatever code the guest runs."""
    text = guest.qmp.command("x-query-jit")["human-readable-text"]
    return sum(times * int(value) for name, times in (("bytes of decoded blocks", 1), ("translated code, bytes", 2))
               for value in re.findall(rf"^ *{name} +([0-9]+)$", text, re.M)) // 1024


class QmpError(Exception):
    def __init__(self, error):
        super().__init__(f"{error['class']}: {error['desc']}")
        self.cls = error["class"]
        self.desc = error["desc"]


def connect_unix(path):
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


class Stream:
    """A connected socket, read up to a pattern or a line by a deadline. @path: of a socket, or an
    object whose connect() gives one, as soon as something listens there; @process: who will, if that can
    be asked. All waiting is @patience times as long as is asked for."""

    def __init__(self, path, process=None, timeout=LONG, patience=1):
        self.patience = patience
        deadline = self.deadline(timeout)
        while True:
            try:
                self.sock = connect_unix(path) if isinstance(path, str) else path.connect()
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if process and process.poll() is not None:
                    raise RuntimeError(f"the program ended with status {process.returncode}") from None
                if time.monotonic() > deadline:
                    raise Timeout(f"nothing listens at {path}") from None
                time.sleep(0.001)
        self.buffer = b""
        self.closed = False

    def deadline(self, timeout):
        return time.monotonic() + timeout * self.patience

    def fill(self, deadline):
        wait = deadline - time.monotonic()
        if wait <= 0 or not select.select([self.sock], [], [], wait)[0]:
            return False
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            raise EOFError("the other side closed the connection")
        self.buffer += data
        return True

    def line(self, timeout=LONG):
        """The next line, without its end."""
        return self.line_until(self.deadline(timeout))

    def line_until(self, deadline):
        while b"\n" not in self.buffer:
            if not self.fill(deadline):
                raise Timeout("no answer")
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def send(self, data):
        self.sock.sendall(data)


class Qmp(Stream):
    def __init__(self, path, process=None, patience=1):
        super().__init__(path, process, patience=patience)
        self.events = []
        self.greeting = self.receive()
        self.greeted = time.monotonic()
        self.command("qmp_capabilities")

    def receive(self, timeout=LONG):
        return self.receive_until(self.deadline(timeout))

    def receive_until(self, deadline):
        return json.loads(self.line_until(deadline))

    def command(self, name, timeout=LONG, **arguments):
        message = {"execute": name}
        if arguments:
            message["arguments"] = arguments
        return self.execute(message, timeout)

    def execute(self, message, timeout=LONG):
        """A command as a dictionary: for arguments that have the names of our parameters."""
        self.send(json.dumps(message).encode() + b"\n")
        while True:
            reply = self.receive(timeout)
            if "event" in reply:
                reply["arrived"] = time.monotonic()
                self.events.append(reply)
            elif "error" in reply:
                raise QmpError(reply["error"])
            else:
                reply = reply["return"]
                if message.get("execute") == "human-monitor-command":
                    reply = reply.replace("\r\n", "\n")
                return reply

    def refused(self, says, name, /, **arguments):
        """The command fails, with @says in the message."""
        try:
            found = self.execute({"execute": name, "arguments": arguments})
        except QmpError as error:
            if says not in error.desc:
                raise AssertionError(f"{name} {arguments}: '{says}' is not in: {error.desc}") from None
            return
        raise AssertionError(f"{name} {arguments} is taken: {found}")

    def drain(self):
        """Take in the events that are there."""
        while self.buffer or select.select([self.sock], [], [], 0)[0]:
            event = self.receive()
            event["arrived"] = time.monotonic()
            self.events.append(event)
        return self.events

    def event(self, name, timeout=LONG, **data):
        """Remove and return the first event of that name whose data has these members."""

        def matches(event):
            found = event.get("data", {})
            found = found.get("info", found) if name == "ACPI_DEVICE_OST" else found
            return event["event"] == name and all(found.get(k) == v for k, v in data.items())

        deadline = self.deadline(timeout)
        while True:
            for i, event in enumerate(self.events):
                if matches(event):
                    return self.events.pop(i)
            try:
                event = self.receive_until(deadline)
            except Timeout:
                seen = [e["event"] for e in self.events]
                raise Timeout(f"no event {name} {data} in {timeout} s; seen: {seen}") from None
            event["arrived"] = time.monotonic()
            self.events.append(event)


class Here:
    """Where programs run: on this machine. tests/nested has another such place."""
    patience = 3  # how much longer than is asked for to wait before something counts as hanging
    append = ""   # for the kernel's command line

    @staticmethod
    def folder():
        """A context manager: the path of a new folder, which goes with it."""
        return tempfile.TemporaryDirectory()

    @staticmethod
    def copy(source, target):
        shutil.copyfile(source, target)

    @staticmethod
    def read(path, start=0, size=-1):
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(size)

    @staticmethod
    def server(path, wait="off"):
        """The option of a character device that listens, and its address for Stream."""
        return f"unix:{path},server=on,wait={wait}", path

    @staticmethod
    def start(args, output):
        # What GLib calls critical is a fault of ours. A sandbox forbids the process that looks for leaks.
        env = {**os.environ, "G_DEBUG": "fatal-criticals"}
        if "-sandbox" in args:
            env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        return subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env)


class NotStarted(RuntimeError):
    """The program ended, or does not answer: @reason, what it said or else how it ended."""

    def __init__(self, args, reason):
        super().__init__(f"{' '.join(args)}: {reason}")
        self.reason = reason


class Vm:
    """A running machine. Use as a context manager: it is ended on the way out."""

    def __init__(self, program, guest_dir=None, memory="2G,slots=8,maxmem=16G", cpus=1, append=APPEND,
                 extra=(), kernel="vmlinuz", initrd="initrd", accel="tcg", serial=True, place=Here):
        self.dir = tempfile.mkdtemp(prefix="dimmable-vm-")
        self.log = b""
        self.serial = None
        self.marks = 0
        self.place = place
        qmp, qmp_address = place.server(f"{self.dir}/qmp")
        args = [program, "-accel", engine(accel), "-nodefaults", "-display", "none", "-qmp", qmp]
        if memory:
            args += ["-m", memory]
        if cpus:
            args += ["-smp", str(cpus)]
        if serial:
            # A guest must not print before somebody reads: a kernel without firmware has its first line out in a
            # few milliseconds.
            console, console_address = place.server(f"{self.dir}/serial", wait="on")
            args += ["-serial", console]
        if guest_dir:
            args += ["-kernel", f"{guest_dir}/{kernel}", "-initrd", f"{guest_dir}/{initrd}", "-append",
                     f"{append}{place.append}{kernel_words()} driver=1"]
        self.args = args + [word.replace("unix:QTEST", f"unix:{self.dir}/qtest") for word in extra]
        self.stderr = open(f"{self.dir}/stderr", "wb+")
        self.report = ""  # what close() has found
        self.started = time.monotonic()
        self.process = place.start(self.args, self.stderr)
        try:
            if serial:
                self.serial = Stream(console_address, self.process, patience=place.patience)
            self.qmp = Qmp(qmp_address, self.process, place.patience)
        except BaseException as err:
            message = self.errors()
            self.close()
            raise NotStarted(self.args, message or str(err)) from err

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
        if self.report and not exc[0]:
            raise AssertionError(self.report)

    def errors(self):
        self.process.poll()
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace").strip()

    def kill(self):
        """End it as a fault of the host would, which is no fault of the program's."""
        self.process.kill()
        self.process.wait()

    def close(self):
        """End it; what went wrong at that is in `report`: findings of sanitizers, and how it ended if not by itself."""
        asked = self.process.poll() is None
        if asked:
            self.process.terminate()
            try:
                self.process.wait(LONG * self.place.patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        said = self.errors()
        if any(finding in said for finding in FINDINGS):
            self.report = said
        elif asked and self.process.returncode and self.place is Here:
            self.report = f"status {self.process.returncode} after SIGTERM: {' '.join(self.args)}\n{said}"
        self.stderr.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- the serial console ----

    def wait_for(self, pattern, timeout):
        """Read the console up to a regular expression; returns the match."""
        deadline = self.serial.deadline(timeout)
        while True:
            match = re.search(pattern.encode(), self.serial.buffer)
            if match:
                self.log += self.serial.buffer[: match.end()]
                self.serial.buffer = self.serial.buffer[match.end():]
                return match
            try:
                got = self.serial.fill(deadline)
            except EOFError:
                got = False
            if not got:
                tail = self.serial.buffer[-1500:].decode(errors="replace")
                raise Timeout(f"the guest did not print /{pattern}/ in {timeout} s; it ended with:\n"
                              f"{tail}\n{self.errors()}")

    def wait_ready(self, timeout=120):
        """Until the guest's first user-space line; returns seconds since the start."""
        # A message of the kernel may have come between that and the line's end.
        self.wait_for(r"GUEST-READY \d+\.\d\d", timeout)
        ready = time.monotonic() - self.started
        self.run(":")  # what the shell greets with is read
        return ready

    def run(self, command, timeout=60, check=True):
        """Run a shell command in the guest; its output, stripped. Raises if it fails and @check."""
        self.marks += 1
        mark = f"done-{self.marks}"
        self.serial.send(f"{command}\nstatus=$?; echo; echo {mark} $status\n".encode())
        match = self.wait_for(rf"(?s)\A(.*?)\n?\r?\n{mark} (\d+)\r?\n", timeout)
        output = match.group(1).decode(errors="replace").replace("\r", "").strip()
        if check and match.group(2) != b"0":
            raise RuntimeError(f"'{command}' failed in the guest ({int(match.group(2))}): {output}")
        return output

    def mem_total(self):
        """The guest's MemTotal in bytes."""
        return int(re.search(r"MemTotal: *(\d+) kB", self.run("cat /proc/meminfo")).group(1)) * 1024

    def zones(self):
        """{(node, zone): present bytes} of the zones that have memory."""
        found = {}
        text = self.run("grep -E '^Node|present' /proc/zoneinfo")
        for node, zone, present in re.findall(r"Node (\d+), zone +(\w+)\n +present +(\d+)", text):
            if int(present):
                found[int(node), zone] = int(present) * 4096
        return found

    def memory_blocks(self):
        """{block number: state} of /sys/devices/system/memory."""
        text = self.run("cd /sys/devices/system/memory; grep . memory*/state; cd /")
        return {int(n): state for n, state in re.findall(r"memory(\d+)/state:(\w+)", text)}

    # ---- DIMMs ----

    def plug(self, ident, size, backend="memory-backend-ram", online=True, backend_props=None, **props):
        """object-add and device_add; returns seconds from device_add to the guest's _OST."""
        self.qmp.command("object-add", **{"qom-type": backend, "id": f"m-{ident}", "size": size,
                                          **(backend_props or {})})
        start = time.monotonic()
        self.qmp.command("device_add", driver="pc-dimm", id=ident, memdev=f"m-{ident}", **props)
        if not online:
            return 0
        event = self.qmp.event("ACPI_DEVICE_OST", device=ident, source=1)
        assert event["data"]["info"]["status"] == 0, event
        return event["arrived"] - start

    def unplug(self, ident, timeout=60):
        """device_del up to DEVICE_DELETED, then object-del; returns seconds."""
        start = time.monotonic()
        self.qmp.command("device_del", id=ident)
        event = self.qmp.event("DEVICE_DELETED", timeout, device=ident)
        self.qmp.command("object-del", id=f"m-{ident}")
        return event["arrived"] - start

    def power_off(self, timeout=60):
        """The guest's own poweroff; returns the exit status."""
        self.serial.send(b"poweroff -f\n")
        return self.process.wait(timeout * self.place.patience)


def connections(here, there, uri, several):
    """How a machine goes to the one that waits with -incoming defer: over so many connections, packed by that method; or by one (None)."""
    for m in (here, there):
        m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "postcopy-ram", "state": False},
                                                              {"capability": "multifd", "state": several is not None}])
        if several:
            m.qmp.command("migrate-set-parameters", **{"multifd-channels": several[0], "multifd-compression": several[1]})
    there.qmp.command("migrate-incoming", uri=uri)


def with_program(guest_dir, program, directory, kind=""):
    """Make @directory a guest like @guest_dir with a program of the host, as /NAME. @kind: "-generic", for that kernel."""
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=os.path.dirname(program) or ".",
                             input=os.path.basename(program).encode() + b"\n", stdout=subprocess.PIPE, check=True).stdout
    with open(f"{guest_dir}/initrd{kind}", "rb") as file:
        initrd = file.read()
    with open(f"{directory}/initrd{kind}", "wb") as file:
        file.write(initrd + bytes(-len(initrd) % 4) + archive)
    os.symlink(os.path.abspath(f"{guest_dir}/vmlinuz{kind}"), f"{directory}/vmlinuz{kind}")


def main_build():
    """The build folder, from the environment or beside the sources."""
    return os.environ.get("DIMMABLE_BUILD") or os.path.join(os.path.dirname(__file__), "../../build")

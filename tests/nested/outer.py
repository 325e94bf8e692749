# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with SVM, where this one has none: qemu-system-x86_64 emulates it, or with NESTED_OUTER=dimmable our own software CPU,
Debian's kernel in it loads kvm-amd, and programs run in it on demand. An Outer is a place for vm.Vm."""
import base64
import contextlib
import glob
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import vfio_cases
import vhost_cases
import vm

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = os.environ.get("NESTED_OUTER") == "dimmable"
EMULATOR = f"{os.path.abspath(sys.argv[1])}/dimmable" if OURS else "qemu-system-x86_64"
# XSETBV is not intercepted there, so KVM would not know of XCR0, and Linux would warn of the sizes in
# CPUID leaf 0xd.
CPU = "EPYC,-xsave,-xsavec,-avx,-avx2,-f16c,-fma"
# What it would warn of, since it does not emulate it.
CPU += ",-rdseed,-sha-ni,-fxsr-opt,-misalignsse,-3dnowprefetch,-osvw,-topoext,-nrip-save"
# Its TSC is this host's. Where the machine is busy, neither is a clock watched nor a timer tried.
APPEND = "console=ttyS0 quiet tsc=reliable no_timer_check panic=-1"
if OURS:
    CPU = "EPYC,check=off"
    # Of the software CPU (X86_SOFT_TSC_HZ). Where this machine is busy, Linux measures anything.
    APPEND += " tsc_early_khz=1000000"
# In the order of loading. KVM does not poll when a guest halts: that takes time, and saves none here.
MODULES = ["virt/lib/irqbypass", "arch/x86/kvm/kvm", "arch/x86/kvm/kvm-amd", "drivers/virtio/virtio_ring",
           "drivers/virtio/virtio", "drivers/virtio/virtio_pci_legacy_dev",
           "drivers/virtio/virtio_pci_modern_dev", "drivers/virtio/virtio_pci", "net/core/failover",
           "drivers/net/net_failover", "drivers/net/virtio_net", *vhost_cases.OUTER_MODULES,
           *vfio_cases.OUTER_MODULES]
OPTIONS = {"kvm": "halt_poll_ns=0"}


def libraries(program):
    """The files that the dynamic linker takes for @program."""
    text = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(", text)


def pack(root):
    """A folder as an initramfs; the kernel takes several, one after another."""
    names = subprocess.run(["find", "."], cwd=root, capture_output=True, check=True).stdout
    return subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "--owner=0:0"], cwd=root, input=names,
                          capture_output=True, check=True).stdout


def make_initrd(guest_dir, files, folder, generic=()):
    """An initramfs with the modules, busybox, and @files: {path there: path here}. Its name. @generic: the names of the modules,
    those of the generic kernel."""
    root = f"{folder}/root"
    modules = f"{guest_dir}/initramfs-generic/lib/modules" if generic else glob.glob(f"{guest_dir}/root/lib/modules/*-cloud-*/kernel")[0]
    for name in ("bin", "proc", "sys", "dev", "tmp", "modules"):
        os.makedirs(f"{root}/{name}")
    shutil.copy(f"{guest_dir}/root/bin/busybox", f"{root}/bin/busybox")
    shutil.copy(f"{HERE}/outer-init", f"{root}/init")
    os.chmod(f"{root}/init", 0o755)
    for name in generic or (*MODULES, *vhost_cases.LATER_MODULES):
        shutil.copy(f"{modules}/{name}.ko", f"{root}/modules/")
    with open(f"{root}/modules/order", "w", encoding="ascii") as order:
        order.writelines(f"{os.path.basename(name)}.ko {OPTIONS.get(os.path.basename(name), '')}\n" for name in generic or MODULES)
    for there, path in files.items():
        os.makedirs(os.path.dirname(root + there), exist_ok=True)
        shutil.copy(path, root + there)
    with open(f"{folder}/initrd", "wb") as out:
        out.write(pack(root))
    shutil.rmtree(root)
    return f"{folder}/initrd"


class Process:
    """A program in the outer machine, with what subprocess.Popen has."""

    def __init__(self, outer, args, output):
        quoted = " ".join("'" + arg.replace("'", "'\\''") + "'" for arg in args)
        self.outer, self.output, self.returncode = outer, output, None
        self.sock = outer.shell(f"G_DEBUG=fatal-criticals {quoted} </dev/null 2>&1 & pid=$!; echo $pid; "
                                "wait $pid; status=$?; echo; echo ended $status")
        self.buffer = b""
        while b"\n" not in self.buffer:
            self.buffer += self.receive()
        pid, self.buffer = self.buffer.split(b"\n", 1)
        self.pid = int(pid)

    def receive(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(f"the outer machine closed the connection; it says:\n{self.outer.log()[-2000:]}")
        return data

    def poll(self):
        if self.returncode is not None:
            return self.returncode
        self.sock.setblocking(False)
        try:
            while self.returncode is None:
                self.buffer += self.receive()
                self.look()
        except BlockingIOError:
            pass
        return self.returncode

    def look(self):
        """What came goes to @output, but for the last line."""
        end = re.search(rb"\nended (\d+)\n\Z", self.buffer)
        if end:
            status = int(end.group(1))
            self.returncode = status if status < 128 else 128 - status
            self.sock.close()
        text = self.buffer[:end.start()] if end else self.buffer
        self.output.seek(0)
        self.output.truncate()
        self.output.write(text)
        self.output.flush()

    def wait(self, timeout=None):
        deadline = time.monotonic() + (timeout or 1e9)
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("program in the outer machine", timeout)
            time.sleep(0.02)
        return self.returncode

    def signal(self, name):
        self.outer.run(f"kill -{name} {self.pid}")

    def terminate(self):
        self.signal("TERM")

    def kill(self):
        self.signal("KILL")


class Address:
    """A TCP port in the outer machine, for vm.Stream."""

    def __init__(self, outer, port):
        self.outer, self.port = outer, port

    def connect(self):
        """A socket that is connected, or ConnectionRefusedError. The program listens, or it is not
        asked: that a connection was refused could not be seen from here."""
        sock = self.outer.shell(f"if grep -q ' 0100007F:{self.port:04X} 00000000:0000 0A' "
                                f"/proc/net/tcp; then echo y; exec nc 127.0.0.1 {self.port}; fi; echo n")
        if sock.recv(2) != b"y\n":
            sock.close()
            time.sleep(0.05)
            raise ConnectionRefusedError
        return sock

    def __str__(self):
        return f"port {self.port} of the outer machine"


class Outer:
    """Use as a context manager."""
    # Waiting is for events; this is how long until something counts as hanging.
    patience = 10
    # To the serial console each character is some exits. Of lockups a kernel speaks whose processor is
    # not run for a while, and here there are two schedulers above it. For clocks.c: iomem=relaxed.
    append = " quiet nowatchdog rcupdate.rcu_cpu_stall_suppress=1 iomem=relaxed"

    def __init__(self, guest_dir, files, memory="3G", cpus=2, extra=(), append="", generic=()):
        self.dir = tempfile.mkdtemp(prefix="dimmable-outer-")
        self.next_port = 5000
        self.console = f"{self.dir}/console"
        initrd = make_initrd(guest_dir, files, self.dir, generic)
        self.messages = open(f"{self.dir}/messages", "wb")
        self.process = subprocess.Popen(
            [EMULATOR, "-accel", "tcg,thread=multi,tb-size=256", "-cpu", CPU, "-smp", str(cpus), "-m",
             memory, "-display", "none", "-nodefaults", "-no-reboot", "-serial", f"file:{self.console}",
             "-monitor", f"unix:{self.dir}/monitor,server=on,wait=off",
             "-nic", "user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:0-:4444",
             "-kernel", f"{guest_dir}/{'vmlinuz-generic' if generic else 'vmlinux'}", "-initrd", initrd, "-append", APPEND + append, *extra],
            stdin=subprocess.DEVNULL, stdout=self.messages, stderr=self.messages)
        try:
            self.port = self.forwarded()
            self.wait_ready()
            os.remove(initrd)
        except BaseException:
            self.close()
            raise

    def forwarded(self):
        """The port here that leads to port 4444 there."""
        monitor = vm.Stream(f"{self.dir}/monitor", self.process)
        monitor.send(b"info usernet\n")
        deadline = time.monotonic() + 30
        while True:
            found = re.search(rb"TCP\[HOST_FORWARD\] +\d+ +127\.0\.0\.1 +(\d+) ", monitor.buffer)
            if found:
                monitor.sock.close()
                return int(found.group(1))
            if not monitor.fill(deadline):
                raise vm.Timeout(f"no forwarded port: {monitor.buffer}")

    def monitor(self, line):
        """What QEMU's own monitor is told: the machine's user."""
        stream = vm.Stream(f"{self.dir}/monitor", self.process)
        with stream.sock:
            stream.send(f"{line}\n".encode())
            deadline = time.monotonic() + 30
            while stream.buffer.count(b"(dimmable) " if OURS else b"(qemu) ") < 2:
                if not stream.fill(deadline):
                    raise vm.Timeout(f"{line}: {stream.buffer}")
        return stream.buffer.decode(errors="replace").split("\n", 2)[2]

    def log(self):
        text = vm.Here.read(f"{self.dir}/messages") + vm.Here.read(self.console)
        return text.decode(errors="replace").replace("\r", "")

    def wait_ready(self, timeout=300):
        deadline = time.monotonic() + timeout
        while "OUTER-READY\n" not in self.log():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the outer machine did not start:\n{self.log()[-3000:]}")
            time.sleep(0.1)
        failed = re.findall("OUTER-FAILED .*", self.log())
        if failed:
            raise RuntimeError(f"{failed}\n{self.log()[-3000:]}")
        while not self.answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the outer machine does not answer:\n{self.log()[-3000:]}")
            time.sleep(0.1)

    def answers(self):
        """QEMU takes connections, and resets them as long as the network there is not up."""
        try:
            return self.run("echo yes") == "yes\n"
        except OSError:
            return False

    def close(self):
        self.process.kill()
        self.process.wait()
        self.messages.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def shell(self, line):
        """A connection on which the outer machine runs @line."""
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.sendall(line.encode() + b"\n")
        return sock

    def run(self, line, timeout=60):
        """What @line prints."""
        with self.shell(f"{{ {line}; }} </dev/null; exit") as sock:
            sock.settimeout(timeout)
            data = b""
            while True:
                more = sock.recv(65536)
                if not more:
                    return data.decode(errors="replace")
                data += more

    # ---- a place for vm.Vm ----

    def server(self, name, wait="off"):
        """An option of a character device that listens, and where to find it."""
        self.next_port += 1
        return f"tcp:127.0.0.1:{self.next_port},server=on,wait={wait}", Address(self, self.next_port)

    def start(self, args, output):
        return Process(self, args, output)

    @contextlib.contextmanager
    def folder(self):
        path = self.run("mktemp -d").strip()
        try:
            yield path
        finally:
            self.run(f"rm -rf {path}")

    def copy(self, source, target):
        self.run(f"cp {source} {target}")

    def read(self, path, start=0, size=-1):
        cut = f"tail -c +{start + 1} {path}" + (f" | head -c {size}" if size >= 0 else "")
        return base64.b64decode(self.run(f"{cut} | base64"))

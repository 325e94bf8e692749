#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The server for GDB (-gdb, gdbserver), packet by packet, on a few instructions in a ROM."""
import os
import random
import re
import socket
import struct
import subprocess
import tempfile
import tty

import gdb_client
import machine
import tap
import vm
from gdb_cases import (LOOP, PC, RIP, STORE, breakpoints, connect, debug_registers, linear, memory, number, rom, running,
                       status, steps, watchpoints)

SOFT = "soft,translate=on", "soft,translate=all", "soft,translate=off"
KVM = "kvm", "kvm,kernel-irqchip=off"


def interrupt_and_events():
    with running() as (guest, path):
        client = connect(guest, path)
        guest.qmp.event("STOP")
        tap.equal(status(guest), "paused")
        tap.equal(client.ask("?"), "T02thread:p01.01;")
        client.put("c")
        guest.qmp.event("RESUME")
        client.send(b"\x03")
        tap.equal(client.get(), "T02thread:p01.01;")
        guest.qmp.event("STOP")
        # Stopped by another: the client is told.
        client.put("vCont;c")
        guest.qmp.event("RESUME")
        guest.qmp.command("stop")
        tap.equal(client.get(), "T02thread:p01.01;")
        guest.qmp.event("STOP")
        tap.equal(client.ask("D;1"), "OK")
        guest.qmp.event("RESUME")
        client.sock.close()
        # A client that stopped it, set a breakpoint and goes away.
        client = connect(guest, path)
        guest.qmp.event("STOP")
        client.ask(f"Z0,{linear(LOOP):x},1")
        client.put("c")
        guest.qmp.event("RESUME")
        client.get()
        guest.qmp.event("STOP")
        client.sock.close()
        guest.qmp.event("RESUME")
        tap.equal(status(guest), "running")
        # One that goes away from a machine that waits for `cont` leaves it so.
        guest.qmp.command("stop")
        guest.qmp.event("STOP")
        client = connect(guest, path)
        client.sock.close()
        connect(guest, path)
        tap.equal(status(guest), "paused")


def gone_while_it_runs():
    """A CPU that a client held runs on with the others when it goes."""
    def count():
        return guest.qmp.command("human-monitor-command", **{"command-line": "xp /1hx 0x500"})

    with running(cpus=2) as (guest, path):
        client = connect(guest, path)
        guest.qmp.event("STOP")
        client.put("vCont;c:p1.2")  # which waits for SIPI
        guest.qmp.event("RESUME")
        tap.equal(count(), count())
        before = count()
        client.sock.close()
        vm.wait_until(lambda: count() != before, "the first CPU to run")
        tap.equal(status(guest), "running")


def kill():
    for packet in "k", "vKill;1":
        with running("soft", "-S") as (guest, path):
            connect(guest, path).put(packet)
            tap.equal(guest.process.wait(vm.LONG), 0)
    with running("soft") as (guest, path):
        client = connect(guest, path)
        client.no_ack()
        guest.qmp.command("quit")
        tap.equal(client.get(), "W00")


def threads():
    with running("soft", "-S", cpus=2) as (guest, path):
        client = gdb_client.Client(path, guest.process)
        tap.equal(client.ask("qC"), "QC01", "without multiprocess")
        client.ask("qSupported:multiprocess+")
        tap.equal(client.ask("qfThreadInfo"), "mp01.01,p01.02")
        tap.equal(client.ask("qsThreadInfo"), "l")
        tap.equal(bytes.fromhex(client.ask("qThreadExtraInfo,p1.2")), b"CPU 1, not started")
        tap.equal([client.ask(f"T{name}") for name in ("1", "p1.2", "p1.3", "3", "p2.1", "x")],
                  ["OK", "OK", "E22", "E22", "E22", "E22"])
        tap.equal(client.ask("Hgp1.2"), "OK")
        tap.equal((client.ask("qC"), number(client, PC)), ("QCp01.02", 0xfff0))
        tap.equal(client.ask("Hgp1.3"), "E22")
        # A step of one that waits to be started comes back at once; of the other, it holds that.
        tap.equal(client.ask("vCont;s:p1.2"), "T05thread:p01.02;")
        tap.equal(client.ask("vCont;s:p1.1"), "T05thread:p01.01;")
        tap.equal(number(client, PC), 0xe000)
        tap.equal(client.ask("vCont;s:p1.1;c:p1.-1"), "T05thread:p01.01;")
        tap.equal([client.ask(bad) for bad in ("vCont;x", "vCont;", "vCont;s:p1.9", "vCont;C", "vCont")],
                  ["E22"] * 4 + [""])


def threads_that_come_and_go():
    """A CPU that is plugged is a thread, whatever its number; when the chosen one goes, the first is it."""
    with running("soft", "-S", cpus="1,maxcpus=4") as (guest, path):
        client = connect(guest, path)
        guest.qmp.command("device_add", driver="qemu64-x86_64-cpu", id="c2", **{"apic-id": 2})
        tap.equal(client.ask("qfThreadInfo"), "mp01.01,p01.03")
        tap.equal([client.ask(f"T{name}") for name in ("p1.1", "p1.2", "p1.3", "p1.4")], ["OK", "E22", "OK", "E22"])
        tap.equal(client.ask("Hgp1.3"), "OK")
        tap.equal(client.ask("vCont;s:p1.1"), "T05thread:p01.01;")
        tap.equal(client.ask("Hgp1.3"), "OK")
        for line in "o/w 0xaf00 0", "o/w 0xaf00 2", "o/b 0xaf04 8":  # as the guest's AML ejects it
            hmp(guest, line)
        guest.qmp.event("DEVICE_DELETED", device="c2")
        tap.equal(client.ask("qfThreadInfo"), "mp01.01")
        tap.equal((client.ask("Tp1.3"), number(client, PC)), ("E22", 0xe000))
        tap.equal(client.ask("vCont;s:p1.1"), "T05thread:p01.01;")


def registers():
    with running("soft", "-S", "-cpu", "max") as (guest, path):
        client = connect(guest, path)
        xml = client.ask("qXfer:features:read:target.xml:0,4000")
        names = re.findall(r'<reg name="(\w+)" bitsize="(\d+)"', xml)
        every = client.ask("g")
        tap.equal(len(every), sum(int(bits) for _, bits in names) // 4)
        tap.equal(xml[0], "l")
        at = 0
        for n, (name, bits) in enumerate(names):
            tap.equal(client.ask(f"p{n:x}"), every[at:at + int(bits) // 4], name)
            at += int(bits) // 4
        tap.equal(client.ask(f"p{len(names):x}"), "E22")
        places = {name: n for n, (name, _) in enumerate(names)}
        for name in "rip", "eflags", "cs", "st7", "fop", "xmm15", "mxcsr", "fs_base", "gs_base", "cr0", "cr2", "cr3", \
                    "cr4", "cr8", "efer":
            assert name in places, name
        # In parts, as a client with small packets reads it.
        text = "".join(client.ask(f"qXfer:features:read:target.xml:{i * 512:x},200")[1:]
                       for i in range(len(xml) // 512 + 1))
        tap.equal(text, xml[1:])
        values = {"rbx": "efbeadde00000000", "st3": "0123456789abcdef0140", "xmm9": "00112233445566778899aabbccddeeff",
                  "eflags": "d70e0000", "mxcsr": "801f0000", "cr2": "7856341200000000", "fop": "23010000"}
        if "ymm9h" in places:
            values["ymm9h"] = "ffeeddccbbaa99887766554433221100"
        for name, value in values.items():
            tap.equal(client.ask(f"P{places[name]:x}={value}"), "OK", name)
        client.ask("s")
        for name, value in values.items():
            tap.equal(client.ask(f"p{places[name]:x}"), value, name)
        # What a debugger must not break is refused, unless it is as it was.
        tap.equal(client.ask(f"P{places['cr0']:x}={'ff' * 8}"), "E22")
        tap.equal(client.ask(f"P{places['rip']:x}={'ff' * 8}"), "E22")
        tap.equal(client.ask(f"P{places['rip']:x}=00"), "E22")
        every = client.ask("g")
        tap.equal(client.ask("G" + every), "OK")
        tap.equal(client.ask("g"), every)
    with running("soft", "-S", "-cpu", "pentium3") as (guest, path):
        xml = connect(guest, path).ask("qXfer:features:read:target.xml:0,4000")
        assert "<architecture>i386</architecture>" in xml and 'name="eip"' in xml and "rax" not in xml, xml


def queries():
    with running("soft", "-S") as (guest, path):
        client = connect(guest, path)
        tap.equal([client.ask(packet) for packet in ("vMustReplyEmpty", "qTStatus", "Z9,0,1", "b", "QNonStop:1", "")],
                  [""] * 6)
        tap.equal(client.ask("qAttached"), "1")
        tap.equal(client.ask("vCont?"), "vCont;c;C;s;S")
        tap.equal(client.ask("qqemu.sstepbits"), "ENABLE=1,NOIRQ=2,NOTIMER=4")
        tap.equal((client.ask("qqemu.sstep"), client.ask("Qqemu.sstep=0x1"), client.ask("qqemu.sstep")), ("0x7", "OK", "0x1"))
        tap.equal(client.ask("Qqemu.sstep=8"), "E22")
        assert "paused (prelaunch)" in client.monitor("info status")
        assert "there is no command" in client.monitor("nonsense")
        assert "cannot end the server" in client.monitor("gdbserver none")
        # A long answer comes in parts.
        tap.equal(client.monitor("help"), guest.qmp.command("human-monitor-command", **{"command-line": "help"}))
        client.no_ack()
        tap.equal(client.ask("?"), "T05thread:p01.01;")


def protocol():
    with running("soft", "-S") as (guest, path):
        client = connect(guest, path)
        client.send(b"$?#00")
        tap.equal(client.byte(), b"-", "a wrong checksum")
        client.send(b"$?#zz")
        tap.equal(client.byte(), b"-")
        client.send(b"$m600,$?#3f")
        tap.equal(client.byte() + client.get().encode(), b"+T05thread:p01.01;", "a packet that was broken off")
        client.send(b"-")
        tap.equal(client.get(), "T05thread:p01.01;", "once more")
        client.send(b"$" + b"m" * 100000 + b"#" + gdb_client.checksum(b"m" * 100000))
        tap.equal(client.byte(), b"-", "too long")
        tap.equal(client.ask("qC"), "QCp01.01")


def rubbish():
    """Whatever comes, the program lives and answers the next client."""
    words = [b"$", b"#", b"+", b"-", b"\x03", b"}", b"m", b"M", b"X", b"P", b"p", b"G", b"g", b"Z", b"z", b"vCont", b";s", b":p1.1",
             b"H", b"q", b"Q", b"qXfer:features:read:target.xml:", b"Rcmd,", b"ffffffffffffffff", b",", b"=", b"0", b"1", b"fe004",
             b"T", b"s", b"?", b"qqemu.sstep", b"qThreadExtraInfo,", b"p-1.-1", b"\x00", b"\xff"]
    with running("soft", cpus=2) as (guest, path):
        for seed in range(60):
            source = random.Random(seed)
            client = gdb_client.Client(path, guest.process)
            for _ in range(source.randrange(1, 60)):
                data = b"".join(source.choice(words) for _ in range(source.randrange(1, 8)))
                if source.random() < 0.8:
                    data = b"$" + data + b"#" + gdb_client.checksum(data)
                client.send(data)
            client.sock.close()
        client = connect(guest, path)
        tap.equal(client.ask("qC"), "QCp01.01")
        tap.equal(guest.process.poll(), None)


def hmp(guest, line):
    return guest.qmp.command("human-monitor-command", **{"command-line": line})


def refused(guest, command, **arguments):
    """The class of the error."""
    try:
        guest.qmp.command(command, **arguments)
    except vm.QmpError as err:
        return err.cls
    raise AssertionError(f"{command} {arguments} is no error")


def connect_again(guest, client, path):
    client.sock.close()
    return connect(guest, path).ask("qC")


def devices():
    with running("soft", "-S") as (guest, path):
        tap.equal(hmp(guest, "gdbserver none"), "There is no server for GDB any more\n")
        assert not os.path.exists(path)
        assert "waited for" in hmp(guest, f"gdbserver unix:{path}2")
        client = connect(guest, path + "2")
        tap.equal(client.ask("qC"), "QCp01.01")
        # What cannot be opened takes nothing away.
        with socket.create_server(("127.0.0.1", 0)) as taken:
            for device in "nonsense", f"tcp:127.0.0.1:{taken.getsockname()[1]}", f"unix:{path}/none", "chardev:none":
                assert "Error" in hmp(guest, f"gdbserver {device}"), device
                tap.equal(client.ask("qC"), "QCp01.01")
        tap.equal(connect_again(guest, client, path + "2"), "QCp01.01")
        assert "waited for" in hmp(guest, f"gdbserver unix:{path}2"), "the same once more"
        tap.equal(connect(guest, path + "2").ask("qC"), "QCp01.01")
        guest.qmp.command("chardev-add", id="c", backend={"type": "socket", "data": {
            "addr": {"type": "unix", "data": {"path": path + "3"}}, "server": True, "wait": False}})
        assert "waited for" in hmp(guest, "gdbserver chardev:c")
        tap.equal(connect(guest, path + "3").ask("qC"), "QCp01.01")
        # QMP's.
        guest.qmp.command("gdbserver", device=f"unix:{path}4")
        tap.equal(connect(guest, path + "4").ask("qC"), "QCp01.01")
        tap.equal(refused(guest, "gdbserver", device="nonsense"), "GenericError")
        guest.qmp.command("gdbserver", device="none")
        assert not os.path.exists(path + "4")
    with machine.Machine(extra=["-gdb", "none"]) as guest:
        tap.equal(hmp(guest, "gdbserver none"), "There is no server for GDB any more\n")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/gdb"
        with machine.Machine(extra=["-gdb", f"unix:{path}"]) as guest: # the engine qtest
            client = connect(guest, path)
            tap.equal(client.ask("M600,2:abcd"), "OK")
            tap.equal((client.ask("m600,2"), client.ask("Z0,0,1")), ("abcd", "E22"))


# The second CPU, at f000:0000, is started through the x2APIC's registers; both wait at SPIN to be sent to WRITE.
SECOND = b"\x31\xc0\x8e\xd8" b"\xc7\x06\x00\x06\x01\x00" b"\xeb\xfe"
FIRST = (b"\x66\xb9\x1b\x00\x00\x00\x0f\x32\x80\xcc\x0c\x0f\x30"       # IA32_APIC_BASE: x2APIC
         b"\x66\xb9\x30\x08\x00\x00\x66\xba\x01\x00\x00\x00"           # ICR, to APIC 1
         b"\x66\xb8\x00\x45\x00\x00\x0f\x30\x66\xb8\xf0\x46\x00\x00\x0f\x30" # INIT, SIPI
         b"\x31\xc0\x8e\xd8\xeb\xfe")
WRITE, WRITTEN = 0xd000, 0xd003


def two_at_once():
    with tempfile.TemporaryDirectory() as folder:
        image = bytearray(b"\xf4" * 65536)
        image[0:len(SECOND)] = SECOND
        image[0xe000:0xe000 + len(FIRST)] = FIRST
        image[WRITE:WRITE + 5] = b"\xa3\x00\x05\xeb\xfe"
        image[0xfff0:0xfff5] = b"\xea\x00\xe0\x00\xf0"
        with open(f"{folder}/rom", "wb") as file:
            file.write(image)
        path = f"{folder}/gdb"
        with vm.Vm(machine.PROGRAM, accel="soft", memory="64M", serial=False, cpus=2,
                   extra=["-cpu", "max", "-bios", f"{folder}/rom", "-gdb", f"unix:{path}"]) as guest:
            vm.wait_until(lambda: "0x00000001" in hmp(guest, "xp /1wx 0x600"), "the second CPU runs")
            client = connect(guest, path)
            for _ in range(20):
                for thread in 1, 2:
                    tap.equal(client.ask(f"Hgp1.{thread}"), "OK")
                    tap.equal(client.ask(f"P{PC:x}={struct.pack('<Q', WRITE).hex()}"), "OK")
                tap.equal(client.ask("Z2,500,2"), "OK")
                tap.equal(sorted(client.ask("vCont;c") for _ in range(2)),
                          [f"T05thread:p01.0{thread};watch:500;" for thread in (1, 2)])
                for thread in 1, 2:
                    client.ask(f"Hgp1.{thread}")
                    tap.equal(number(client, PC), WRITTEN)
                tap.equal(client.ask("z2,500,2"), "OK")


class Connected:
    """A socket that is connected already, for vm.Stream."""

    def __init__(self, sock):
        self.sock = sock

    def connect(self):
        return self.sock


class Terminal:
    """The other end of a pseudo-terminal, as vm.Stream wants a socket."""

    def __init__(self, name):
        self.fd = os.open(name, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd)

    def fileno(self):
        return self.fd

    def recv(self, size):
        return os.read(self.fd, size)

    def sendall(self, data):
        while data:
            data = data[os.write(self.fd, data):]

    def close(self):
        os.close(self.fd)


def pseudo_terminal():
    with tempfile.TemporaryDirectory() as folder:
        options = ["-bios", rom(folder), "-gdb", "pty"]
        with vm.Vm(machine.PROGRAM, accel="soft", memory="64M", serial=False, extra=options) as guest:
            name = next(chardev["filename"] for chardev in guest.qmp.command("query-chardev") if chardev["label"] == "gdb")
            tap.equal(name[:4], "pty:")
            for _ in range(2):
                client = gdb_client.Client(Connected(Terminal(name[4:])))
                guest.qmp.event("STOP")
                tap.equal(client.ask("?"), "T02thread:01;")
                tap.equal(client.ask(f"Z0,{linear(STORE):x},1"), "OK")
                tap.equal(client.ask("c"), "T05thread:01;")
                guest.qmp.event("RESUME")
                guest.qmp.event("STOP")
                tap.equal(number(client, PC), RIP[STORE])
                client.sock.close()
                guest.qmp.event("RESUME")


def standard_streams():
    with tempfile.TemporaryDirectory() as folder:
        ours, its = socket.socketpair()
        with ours, subprocess.Popen([machine.PROGRAM, "-accel", "soft", "-m", "64M", "-nodefaults", "-display", "none", "-S",
                                     "-bios", rom(folder), "-gdb", "stdio"], stdin=its, stdout=its) as process:
            its.close()
            try:
                client = gdb_client.Client(Connected(ours))
                tap.equal(client.ask("s"), "T05thread:01;")
                tap.equal(number(client, PC), 0xe000)
                client.put("k")
                tap.equal(process.wait(vm.LONG), 0)
            finally:
                process.kill()


def default_port():
    """-s, and gdbserver without a device: the machine's one port that has this number."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 1234))
        except OSError as err:
            raise tap.Skip(f"port 1234 is somebody else's: {err.strerror}") from None
    with tempfile.TemporaryDirectory() as folder:
        options = ["-bios", rom(folder), "-S", "-s"]
        with vm.Vm(machine.PROGRAM, accel="soft", memory="64M", serial=False, extra=options) as guest:
            for start in (None, lambda: guest.qmp.command("gdbserver"), lambda: hmp(guest, "gdbserver")):
                if start:
                    guest.qmp.command("gdbserver", device="none")
                    tap.equal([chardev["label"] for chardev in guest.qmp.command("query-chardev") if chardev["label"] == "gdb"], [])
                    start()
                with socket.create_connection(("127.0.0.1", 1234)) as sock:
                    tap.equal(gdb_client.Client(Connected(sock), guest.process).ask("qC"), "QC01")


tap.run([(f"{function.__name__.replace('_', ' ')}, {accel}", lambda function=function, accel=accel: function(accel))
         for function in (breakpoints, steps, watchpoints, memory)
         for accel in (SOFT if function == watchpoints else SOFT + KVM)] +
        [("debug registers, kvm", debug_registers), ("interrupt, events, clients that go", interrupt_and_events),
         ("gone while it runs", gone_while_it_runs), ("kill", kill), ("threads", threads),
         ("threads that come and go", threads_that_come_and_go),
         ("registers", registers), ("queries", queries), ("protocol", protocol), ("rubbish", rubbish), ("devices", devices),
         ("two at once", two_at_once), ("pty", pseudo_terminal), ("stdio", standard_streams), ("-s", default_port)])

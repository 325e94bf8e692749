#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""HMP on a machine: each info subcommand, guest memory and ports, and typing on a terminal."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time

import machine
import virtio_driver
import vm

import tap

MIB = 1 << 20
DIMM = ("-object", "memory-backend-ram,id=m0,size=256M", "-device", "pc-dimm,id=d0,memdev=m0,node=0",
        "-device", "vmgenid,guid=324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87", "-name", "dimmy", "-object", "iothread,id=io0", "-uuid", "12345678-9abc-def0-1234-56789abcdef0")

TOO_FEW = r"Error: too few arguments; usage: info \S+ "

# What people and programs look for.
# Those that say that something is not there:
REFUSED = ("balloon", "snapshots", "usb", "profile", "sgx")

INFO = {
    "balloon": r"Error: this machine has no balloon: ",
    "block": "",
    "block-jobs": "No active jobs",
    "blockstats": "",
    "capture": "",
    "chardev": r"(?m)^\S+: filename=unix:",
    "cpus": r"(?m)^\* CPU #0: thread_id=\d+\n  CPU #1: thread_id=\d+\n",
    "dump": r"Status: none\n",
    "history": "",
    "hotpluggable-cpus": r'Hotpluggable CPUs:\n  type: "qemu64-x86_64-cpu"\n  vcpus_count: "1"\n'
                         r'  qom_path: "/machine/.*"\n  CPUInstance Properties:\n    node-id: "0"\n'
                         r'    socket-id: "0"\n    core-id: "1"\n    thread-id: "0"\n',
    "iothreads": r"io0:\n  thread_id=\d+\n  poll-max-ns=32768\n  poll-grow=0\n  poll-shrink=0\n"
                 r"  aio-max-batch=0\n",
    "irq": r"IRQ statistics for ioapic:\n(.*\n)*IRQ statistics for isa-i8259:\n",
    "jobs": "No active jobs",
    "jit": r"Error: only the software CPU \(-accel soft\) .* engine is qtest\n|CPU 0:\n  blocks decoded  ",
    "kvm": r"kvm support: (enabled|disabled|not compiled)\n",
    "lapic": r"local APIC of CPU 0: id 0, xAPIC mode\n(.*\n)*LVT0 +0x00000700 .*ExtINT",
    "mem": "",
    "memdev": r"(?m)^memory backend: m0\n  size:  268435456\n",
    "memory-devices": r'Memory device \[dimm\]: "d0"\n  addr: 0x100000000\n  slot: 0\n  node: 0\n'
                      r"  size: 268435456\n  memdev: /objects/m0\n  hotplugged: false\n"
                      r"  hotpluggable: true\n  resident: 0\n  state: inserted since 20",
    "memory-target": r"status: none\nactual: 384 MiB\n$",
    "memory_size_summary": r"base memory: 134217728\nplugged memory: 268435456\n",
    "mice": r"\* Mouse #0: QEMU PS/2 Mouse",
    "migrate": r"no migration was started\n",
    "migrate_capabilities": r"events: off\nauto-converge: off\nlate-block-activate: off\nreturn-path: off\ndirty-bitmaps: off\n",
    "migrate_parameters": r"max-bandwidth: 134217728 bytes/second\nmax-postcopy-bandwidth: 0 bytes/second\ndowntime-limit: 300 ms\n"
                          r"cpu-throttle-initial: 20\ncpu-throttle-increment: 10\ncpu-throttle-tailslow: off\nmax-cpu-throttle: 99\n",
    "mtree": r"address-space: memory\n  0{16}-f{16} \(prio 0, container\): system\n(.*\n)*"
             r"address-space: I/O\n",
    "name": r"dimmy\n",
    "network": "",
    "vcpu_dirty_limit": "no CPU has a limit",
    "dirty_rate": r"Status: unstarted\n$",
    "numa": r"1 nodes\nnode 0 cpus: 0 1\nnode 0 size: 384 MB\nnode 0 plugged: 256 MB\n",
    "opcount": r"operations are not counted; ",
    "profile": r"Error: where time goes is not measured",
    "qdm": r'name "pc-dimm"',
    "rdma": "",
    "replay": r"nothing is recorded",
    "rocker": TOO_FEW,
    "rocker-of-dpa-flows": TOO_FEW,
    "rocker-of-dpa-groups": TOO_FEW,
    "rocker-ports": TOO_FEW,
    "sev": r"SEV is not enabled\n",
    "sgx": r"Error: there is no Intel SGX",
    "stats": TOO_FEW,
    "trace-events": r"handle_qmp_command : state 0\n",
    "virtio": r"No VirtIO devices\n",
    "virtio-queue-element": TOO_FEW,
    "virtio-queue-status": TOO_FEW,
    "virtio-status": TOO_FEW,
    "virtio-vhost-queue-status": TOO_FEW,
    "pci": r"  Bus  0, device   0, function 0:\n    Host bridge: PCI device 8086:1237\n(.*\n)*"
           r"  Bus  0, device   1, function 3:\n.*\n.*\n      IRQ 9, pin A\n      id \"\"\n",
    "pic": r"ioapic0: ver=0x20 (.*\n)*  pin 23 .*\n(.*\n)*pic1: irr=00 imr=00 isr=00 ",
    "qom-tree": r"/ \(container\)\n(.*\n)* +/d0 \(pc-dimm\)\n",
    "qtree": r'dev: pc-dimm, id "d0"\n(  .* = .*\n)*  memdev = "/objects/m0"\n',
    "ramblock": r" *Block Name +PSize +Resident +Total +HVA\n( +\S+ +\d+ KiB 0x[0-9a-f]{16} 0x[0-9a-f]{16} +0x[0-9a-f]+\n)+$",
    "registers": r"\nCPU#0\nRAX=0{16} (.*\n)*.*RIP=[0-9a-f]{16} ",
    "roms": "",
    "snapshots": r"Error: there is no disk image here that could keep snapshots",
    "status": r"VM status: (running|paused \(prelaunch\))\n",
    "sync-profile": r"Lock +Who waits +Wait Time \(s\) +Count +Average \(us\)\n",
    "tlb": "",
    "spice": r"Server: disabled\n",
    "tpm": r"this machine has no TPM\n",
    "usb": r"Error: this machine has no USB; ",
    "usbhost": "",
    "usernet": "",
    "uuid": r"12345678-9abc-def0-1234-56789abcdef0\n",
    "vnc": r"None\n",
    "vm-generation-id": r"324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87\n",
    "version": r"7\.2\.0 \(dimmable-.*\)\n",
}


def hmp(m, line, cpu=None):
    place = {} if cpu is None else {"cpu-index": cpu}
    return m.qmp.command("human-monitor-command", **{"command-line": line}, **place)


def says(m, line, pattern):
    out = hmp(m, line)
    if not re.match(pattern, out):
        raise AssertionError(f"'{line}' printed: {out}")
    return out


def check_info(m):
    listed = re.findall(r"(?m)^info (\S+)", hmp(m, "help info"))
    tap.equal(sorted(listed), sorted(INFO), "what `help info` lists")
    for name in listed:
        out = hmp(m, f"info {name}")
        refused = "Error" in out
        if (name != "jit" and refused != (name in REFUSED or INFO[name] == TOO_FEW)) or not re.search(INFO[name], out):
            raise AssertionError(f"'info {name}' printed: {out}")
    says(m, "info registers -a", r"\nCPU#0\n(.*\n)*CPU#1\n")
    says(m, "info registers 1", r"\nCPU#1\n")
    says(m, "info registers 2", r"Error: there is no CPU 2; the machine has 2\n")
    says(m, "info registers x", r"Error: CPU: 'x' is not a number\n")
    says(m, "info stats vm", "$")
    says(m, "info stats vcpu halt_poll kvm", "$")
    says(m, "info stats host", r"Error: TARGET: 'host' is neither vm nor vcpu\n")
    says(m, "info stats vm x xen", r"Error: PROVIDER: there is no 'xen'")
    says(m, "info rocker-ports sw1", r"Error: there is no switch 'sw1'")
    says(m, "info trace-events nothing", r"Error: there is no trace event 'nothing'")
    tap.equal("[disabled]" in hmp(m, "info mtree"), False, "regions that are off")
    says(m, "info mtree -f", r'FlatView #0\n AS "memory", root: system\n(.*\n)*'
                             r"  0000000100000000-000000010fffffff \(prio 0, ram\): \S+\n")
    says(m, "info mtree -d", r"(.*\n)*  0000000100000000-.* host:0x\S+ owner:/objects/m0\n")
    says(m, "info mtree -f -o", r"(.*\n)*  .*: ioapic owner:/machine/")
    says(m, "info mtree -fo", r"(.*\n)*  .*: ioapic owner:/machine/")
    says(m, "info lapic 1", r"local APIC of CPU 1: id 1,")
    says(m, "info lapic 0x1", r"local APIC of CPU 1: id 1,")
    for index in (-1, 2, 1 << 40):
        try:
            m.qmp.command("human-monitor-command", **{"command-line": "info status", "cpu-index": index})
        except vm.QmpError as err:
            tap.equal(str(index) in err.desc, True, err.desc)
        else:
            raise AssertionError(f"cpu-index {index}")
    says(m, "info lapic 7", r"Error: APIC-ID: ")
    says(m, "info lapic 10", r"Error: APIC-ID: there is no local APIC with the number 10\n")
    says(m, "info lapic -1", r"Error: APIC-ID: '-1' is not a number")
    says(m, "info qom-tree /objects", r"/objects \(container\)\n(.*\n)*  /m0 \(memory-backend-ram\)\n")
    tap.equal(hmp(m, "info registers", 1)[:7], "\nCPU#1\n")


def info_qtest():
    with machine.Machine("128M,slots=2,maxmem=1G", cpus=2, extra=DIMM) as m:
        check_info(m)


def info_soft():
    with vm.Vm(machine.PROGRAM, memory="128M,slots=2,maxmem=1G", cpus=2, accel="soft", serial=False,
               extra=("-S", *DIMM)) as m:
        check_info(m)


def drives():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/image"
        with open(path, "wb") as file:
            file.truncate(MIB)
        extra = ("-drive", f"if=none,id=d0,file={path},format=raw,cache=none,readonly=on", "-device", "virtio-blk,drive=d0,id=b0",
                 "-drive", "if=none,id=d1,file.driver=null-co,format=raw")
        with machine.Machine(extra=extra) as m:
            says(m, "info block", rf"d0 \(\S*\): {path} \(raw, read-only\)\n    Attached to:      /machine/peripheral/b0.*\n"
                 r"    Cache mode:       writeback, direct\n\nd1 \(\S*\): \S+ \(raw\)\n    Cache mode:       writeback\n$")
            tap.equal(hmp(m, "info block d1") in hmp(m, "info block"), True)
            says(m, "info block d2", "Error: there is no drive 'd2'")
            says(m, "info blockstats", r"d0: rd_bytes=0 wr_bytes=0 rd_operations=0 .*\nd1: rd_bytes=0 ")
            says(m, "block_resize d0 2", "Error: .*Read-only")


def images(folder):
    """Two qcow2 images of 4 MiB on others."""
    for name in "a", "b":
        for image, below in (f"{name}-base", ()), (name, ("-b", f"{folder}/{name}-base", "-F", "qcow2")):
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *below, f"{folder}/{image}", *([] if below else ["4M"])], check=True)


def drives_in_full():
    """-v with what images say, -n nodes; limits; names of those that have none."""
    with tempfile.TemporaryDirectory() as folder:
        images(folder)
        extra = ("-M", "pc", "-drive", f"if=none,id=d,file={folder}/a,format=qcow2,bps=1000,throttling.iops-read=5,throttling.iops-read-max=50,detect-zeroes=on",
                 "-device", "ide-hd,drive=d,id=hd", "-blockdev", f"file,node-name=f,filename={folder}/b", "-blockdev", "qcow2,node-name=n,file=f",
                 "-device", "virtio-blk-pci,drive=n,id=v", "-device", "ide-cd,id=cd")
        with machine.Machine(extra=extra) as m:
            d = (rf"d \(#block\d+\): {folder}/a \(qcow2\)\n    Attached to:      hd\n    Cache mode:       writeback\n"
                 rf"    Backing file:     {folder}/a-base \(chain depth: 1\)\n    Detect zeroes:    on\n    I/O throttling:   bps=1000 bps_rd=0 bps_wr=0 "
                 r"bps_max=0 bps_rd_max=0 bps_wr_max=0 iops=0 iops_rd=5 iops_wr=0 iops_max=0 iops_rd_max=50 iops_wr_max=0 iops_size=0 group=d\n")
            n = rf"n: {folder}/b \(qcow2\)\n(    Attached to:      \S+\n)?    Cache mode:       writeback\n    Backing file:     {folder}/b-base \(chain depth: 1\)\n"
            says(m, "info block", f"^{d}\n{n}\ncd: \\[not inserted\\]\n    Attached to:      cd\n    Removable device: not locked, tray closed\n$")
            for name, text in ("d", d), ("hd", d), ("n", n), ("/machine/peripheral/v/virtio-backend", n), ("f", rf"f: {folder}/b \(file\)\n"):
                says(m, f"info block {name}", f"^{text}")
            says(m, "info block -n n", f"^{n}$")
            nodes = hmp(m, "info block -n")
            tap.equal((len(nodes.split("\n\n")), len(m.qmp.command("query-named-block-nodes"))), (8, 8), nodes)
            for wrong, words in ("d2", "no drive 'd2'"), ("-n d", "no block node 'd'"), ("-v d2", "no drive 'd2'"):
                says(m, f"info block {wrong}", f"Error: there is {words}")
            says(m, "info block -v d", f"^{d}\nImages:\nimage: {folder}/a\nfile format: qcow2\nvirtual size: 4 MiB (.|\n)*Format specific information:\n"
                 f"(.|\n)*image: {folder}/a-base\nfile format: qcow2\n(.|\n)*extended l2: false\n$")
            for name in "a", "a-base":
                shown = subprocess.run(["qemu-img", "info", "-U", f"{folder}/{name}"], stdout=subprocess.PIPE, text=True, check=True).stdout
                shown = "".join(line for line in shown.splitlines(True) if not line.startswith("disk size"))
                said = "".join(line for line in hmp(m, "info block -v d").splitlines(True) if not line.startswith("disk size"))
                tap.equal(shown.strip() in said, True, f"{shown}{said}")


def committed():
    """What images have goes to their backing files, and they are empty; what is below stays read-only."""
    with tempfile.TemporaryDirectory() as folder:
        images(folder)
        extra = ("-drive", f"if=none,id=a,file={folder}/a,format=qcow2", "-device", "virtio-blk-pci,drive=a,id=v",
                 "-drive", f"if=none,id=b,file={folder}/b,format=qcow2", "-drive", "if=none,id=raw,format=null-co", "-device", "ide-cd,id=cd")

        def write(*drives):
            for number, (name, place) in enumerate(drives):
                says(m, f'qemu-io {name} "write -P {number + 1} {place} 64k"', "^wrote")
        with machine.Machine(extra=extra) as m:
            write(("a", "0"), ("b", "0"))
            tap.equal(hmp(m, "commit a"), "")
            write(("a", "1M"), ("b", "1M"), ("a", "2M"))
            tap.equal(hmp(m, "commit all"), "")
            says(m, 'qemu-io a "write -P 9 3M 64k"', "^wrote")
            for wrong, words in ("raw", "no backing file"), ("absent", "no drive 'absent'"), ("cd", "no medium"):
                says(m, f"commit {wrong}", f"Error: .*{words}")
            m.qmp.command("block-stream", **{"job-id": "j", "device": "b", "speed": 1, "auto-dismiss": False, "auto-finalize": False})
            says(m, "commit b", "Error: .*busy: job 'j'")
            tap.equal([node["ro"] for node in m.qmp.command("query-named-block-nodes") if node["file"].endswith("-base")], [True] * 4)
            m.qmp.command("quit")
            m.process.wait()
        for name, parts in ("a-base", ((1, "0"), (1, "1M"), (3, "2M"), (0, "3M"))), ("b-base", ((2, "0"), (2, "1M"))), ("a", ((9, "3M"),)):
            words = [word for value, place in parts for word in ("-c", f"read -P {value} {place} 64k")]
            said = subprocess.run(["qemu-io", "-f", "qcow2", *words, f"{folder}/{name}"], stdout=subprocess.PIPE, text=True, check=True).stdout
            tap.equal("failed" in said, False, f"{name}: {said}")
            subprocess.run(["qemu-img", "check", "-q", f"{folder}/{name}"], check=True)
        mapped = subprocess.run(["qemu-img", "map", f"{folder}/a"], stdout=subprocess.PIPE, text=True, check=True).stdout
        tap.equal([line.split()[0] for line in mapped.splitlines() if line.endswith("/a")], ["0x300000"], mapped)


def drives_come_and_go():
    with tempfile.TemporaryDirectory() as folder, machine.Machine() as m:
        path = f"{folder}/image"
        with open(path, "wb") as file:
            file.truncate(MIB)
        for number in range(3):
            tap.equal(hmp(m, f"drive_add 0:{number} file={path},format=raw,if=none,id=d0").strip(), "OK")
            says(m, f"drive_add 0 file={path},format=raw,if=none,id=d0", "Error: id=d0: there is a drive")
            says(m, "info block", rf"d0 \(\S*\): {path} \(raw\)")
            tap.equal(hmp(m, "drive_del d0"), "")
            tap.equal(hmp(m, "info block"), "")
            tap.equal(m.qmp.command("query-named-block-nodes"), [])
        says(m, "drive_add 0 if=virtio,driver=null-co", "Error: if=virtio .*if=none")
        says(m, "drive_add 0 if=none,file=/nonexistent,format=raw", "Error: .*/nonexistent")
        says(m, "drive_del d0", "Error: there is no drive 'd0'")
        tap.equal(hmp(m, f"drive_add -n 0 driver=file,node-name=f0,filename={path}").strip(), "OK")
        tap.equal(hmp(m, "drive_add -n 0 driver=raw,node-name=r0,file=f0").strip(), "OK")
        says(m, "drive_del f0", "Error: .*f0.*in use.*r0")
        for node in "r0", "f0":
            tap.equal(hmp(m, f"drive_del {node}"), "")
        tap.equal(m.qmp.command("query-named-block-nodes"), [])


def resized():
    with tempfile.NamedTemporaryFile() as file, \
            machine.Machine(extra=("-drive", f"if=none,id=d0,file={file.name},format=raw")) as m:
        for text, size in ("3", 3 * MIB), ("512k", MIB // 2), ("1G", 1024 * MIB):
            tap.equal(hmp(m, f"block_resize d0 {text}"), "")
            tap.equal(os.path.getsize(file.name), size, text)
        for wrong, words in ("d1 1", "d1"), ("d0 x", "x"), ("d0 1000000T", "too large|range|too big"), ("d0", "too few"):
            says(m, f"block_resize {wrong}", f"Error: .*({words})")
        tap.equal(os.path.getsize(file.name), 1024 * MIB)


def joined():
    """Two machines, the ends of one network."""
    with tempfile.TemporaryDirectory() as folder:
        def end(more):
            return machine.Machine(extra=("-netdev", f"stream,id=n0,addr.type=unix,addr.path={folder}/net{more}",
                                          "-device", "virtio-net-pci,netdev=n0,id=c0"))
        with end(",server=on") as here, end("") as there:
            here.qmp.event("NETDEV_STREAM_CONNECTED", **{"netdev-id": "n0"})
            for m in here, there:
                says(m, "info network", r"c0: .*\n \\ n0: .*")
            there.qmp.command("quit")
            here.qmp.event("NETDEV_STREAM_DISCONNECTED", **{"netdev-id": "n0"})


def help_for_each():
    with machine.Machine() as m:
        lines = hmp(m, "help").splitlines()
        for line in lines:
            tap.equal(line.count(" -- "), 1, line)
            tap.equal(hmp(m, f"help {line.split()[0]}").splitlines()[0],
                      hmp(m, "help info").splitlines()[0] if line.startswith("info") else line)
        says(m, "device_add help", r"(.*\n)*.*pc-dimm")
        says(m, "device_add pc-dimm,help", r"pc-dimm options:\n(.*\n)*  memdev=")
        says(m, "chardev-add help", r"(.*\n)*  pty  +\S")
        says(m, "chardev-add pipe,help", r"(.*\n)*  path=")
        says(m, "chardev-add tape,help", r"Error: .*'tape'.*pipe")
        says(m, "object_add memory-backend-ram,?", r"memory-backend-ram options:|Error: ")


def memory():
    with machine.Machine() as m:
        m("write 0x1000 0x10 0x00112233445566778899aabbccddeeff")
        tap.equal(hmp(m, "xp/4xb 0x1000"), "0000000000001000: 0x00 0x11 0x22 0x33\n")
        tap.equal(hmp(m, "xp /2xw 0xf00+0x100"), "0000000000001000: 0x33221100 0x77665544\n")
        tap.equal(hmp(m, "x/1xg 0x1000"), "0000000000001000: 0x7766554433221100\n")
        tap.equal(hmp(m, "x/2dh 0x1006"), "0000000000001006:  30566 -26232\n")
        tap.equal(hmp(m, "xp/3c 0x1003"), "0000000000001003: '3' 'D' 'U'\n")
        tap.equal(hmp(m, "xp/9xh 0x1000").count("\n"), 2)
        says(m, "xp/2xw 0x7ffffffc", r"000000007ffffffc: 0x00000000\nError: .* 0x80000000: no RAM")
        m("write 0x5000 0x1 0x01")
        says(m, "info ramblock", r"(.*\n)* +pc\.ram +4 KiB (?!0x0{16})0x00000000[0-9a-f]{8} 0x0000000080000000 +0x[0-9a-f]+\n")
        tap.equal(hmp(m, "gva2gpa 0x1234"), "gpa: 0x1234\n")
        says(m, "gpa2hva 0x1000", r"Host virtual address for 0x1000 \(\S+\) is 0x[0-9a-f]+\n")
        says(m, "gpa2hva 0xfec00000", r"Memory at address 0xfec00000 is not RAM: ioapic")
        says(m, "gpa2hva 0x100000000000", r"No memory is mapped")
        tap.equal(hmp(m, "p $pc"), "0xfffffff0\n")
        tap.equal(hmp(m, "p $rip & 0xff"), "0xf0\n")
        m("write 0x2000 0x6 0xb834129090f4")  # in real mode: 16 bits
        tap.equal(hmp(m, "xp/4i 0x2000"), "0x0000000000002000:  b8 34 12                mov $0x1234, %ax\n"
                                         "0x0000000000002003:  90                      nop\n"
                                         "0x0000000000002004:  90                      nop\n"
                                         "0x0000000000002005:  f4                      hlt\n")
        path = f"{m.dir}/saved"
        tap.equal(hmp(m, f"pmemsave 0x1000 4 {path}"), "")
        with open(path, "rb") as f:
            tap.equal(f.read(), bytes([0, 0x11, 0x22, 0x33]))
        tap.equal(hmp(m, f'memsave 0x1000 0x10 "{path}"'), "")
        tap.equal(os.path.getsize(path), 16)
        tap.equal(hmp(m, f"dump-guest-memory {path} 0x1000 4096"), "")
        with open(path, "rb") as f:
            tap.equal(f.read(4), b"\x7fELF")
        for flag in "zls":
            tap.equal(hmp(m, f"dump-guest-memory -{flag} {path}"), "")
            with open(path, "rb") as f:
                tap.equal(f.read(12), b"makedumpfile")
        says(m, f"dump-guest-memory -z -s {path}", r"Error: -z, -l, -s and -w are formats: one at a time")
        says(m, f"dump-guest-memory -w {path}", r"Error: .*Windows guest")
        says(m, f"dump-guest-memory -p -l {path}", r"Error: .*for format elf")
        says(m, "dump-guest-memory -x file", r"Error: the flag '-x'")
        says(m, "info dump", r"Status: completed\n")


def ports():
    with machine.Machine() as m:
        tap.equal(hmp(m, "o/b 0x70 0x0f"), "")
        tap.equal(hmp(m, "o 0x71 0x5a"), "")
        tap.equal(hmp(m, "i 0x71"), "portb[0x0071] = 0x5a\n")
        tap.equal(hmp(m, "i/d 0x70 0x0f"), "portb[0x0071] =   90\n")
        tap.equal(hmp(m, "i/xw 0xa00 "), f"portl[0x0a00] = {m.read('l', 0xa00):#010x}\n")
        tap.equal(hmp(m, "o/h 0x100000 1")[:12], "Error: PORT:")


def migration():
    with machine.Machine() as m:
        for line in ("migrate_set_parameter max-bandwidth 3", "migrate_set_parameter downtime-limit 77",
                     "migrate_set_parameter cpu-throttle-initial 5", "migrate_set_parameter cpu-throttle-increment 6",
                     "migrate_set_parameter cpu-throttle-tailslow on", "migrate_set_parameter announce-initial 60",
                     "migrate_set_parameter max-cpu-throttle 50", "migrate_set_parameter tls-hostname box",
                     "migrate_set_parameter multifd-channels 9", "migrate_set_parameter multifd-compression zstd",
                     "migrate_set_parameter xbzrle-cache-size 32", "migrate_set_parameter multifd-zstd-level 3", "migrate_set_capability auto-converge on"):
            tap.equal(hmp(m, line), "", line)
        says(m, "info migrate_parameters", r"max-bandwidth: 3145728 bytes/second\nmax-postcopy-bandwidth: 0 bytes/second\ndowntime-limit: 77 ms\n"
             r"cpu-throttle-initial: 5\ncpu-throttle-increment: 6\ncpu-throttle-tailslow: on\nmax-cpu-throttle: 50\nthrottle-trigger-threshold: 50\nxbzrle-cache-size: 33554432 bytes\n"
             r"x-vcpu-dirty-limit-period: 1000 ms\nvcpu-dirty-limit: 1 MB/s\nannounce-initial: 60 ms\nannounce-max: 550 ms\nannounce-rounds: 5\nannounce-step: 100 ms\n"
             r"tls-creds: ''\ntls-hostname: 'box'\ntls-authz: ''\nmultifd-channels: 9\nmultifd-compression: zstd\nmultifd-zlib-level: 1\nmultifd-zstd-level: 3\n\Z")
        says(m, "info migrate_capabilities", r"events: off\nauto-converge: on\nlate-block-activate: off\nreturn-path: off\ndirty-bitmaps: off\npostcopy-ram: off\npostcopy-blocktime: off\npause-before-switchover: off\nmultifd: off\n"
             r"xbzrle: off\nx-ignore-shared: off\nvalidate-uuid: off\nbackground-snapshot: off\ndirty-limit: off\nrelease-ram: off\n\Z")
        for line, word in (("migrate_set_parameter nosuch 1", "nosuch"), ("migrate_set_capability nosuch on", "nosuch"),
                           ("migrate_set_capability events maybe", "maybe"),
                           ("migrate_set_parameter downtime-limit 2000001", "2000000"),
                           ("migrate_set_parameter cpu-throttle-initial 0", "1 to 99"),
                           ("migrate_set_parameter cpu-throttle-initial 51", "max-cpu-throttle"),
                           ("migrate_set_parameter max-cpu-throttle 100", "1 to 99"),
                           ("migrate_set_parameter cpu-throttle-increment 256", "255"),
                           ("migrate_set_parameter multifd-channels 0", "1 to 255"), ("migrate_set_parameter multifd-compression x", "zlib"),
                           ("migrate_set_parameter block-bitmap-mapping 0", "block-bitmap-mapping"),
                           ("savevm", "no"), ("savevm x", "-incoming"), ("loadvm x", "-incoming"), ("delvm x", "-incoming")):
            says(m, line, f"Error: .*{word}")
        says(m, "info migrate_parameters", r"(.*\n)*cpu-throttle-initial: 5\n(.*\n)*max-cpu-throttle: 50\n")
        tap.equal(hmp(m, 'migrate "exec:cat > /dev/null"'), "")
        while "completed" not in hmp(m, "info migrate"):
            time.sleep(0.005)
        says(m, "info migrate", r"Migration status: completed\ntotal time: \d+ ms\ndowntime: \d+ ms\nsetup: \d+ ms\n"
             r"transferred: \d+ bytes\nmemory: \d+ bytes, 0 of them left\npages: \d+ written, \d+ zero\n"
             r"throughput: [\d.]+ mbps, \d+ pages/second\ndirty sync count: 2\ndirty pages rate: 0 pages/second\n\Z")


def cmos(m, index):
    m.write("b", 0x70, index)
    return m.read("b", 0x71)


def boot_set():
    """What firmware reads: at once, and after each reset that follows; not a -boot once= any more."""
    with machine.Machine(extra=("-boot", "order=n,once=d")) as m:
        tap.equal(cmos(m, 0x3d), 3, "-boot once=d")
        tap.equal(hmp(m, "boot_set ca"), "boot device list now set to ca\n")
        for _ in range(2):
            tap.equal((cmos(m, 0x3d), cmos(m, 0x38)), (0x12, 0))
            m.qmp.command("system_reset")
            m.qmp.event("RESET")
        order = m.qmp.command("qom-get", path="/machine", property="boot")
        tap.equal((order["order"], order.get("once", "")), ("ca", ""))
        for wrong in ("x", "cx", "cc", "acdn", "C"):
            says(m, f"boot_set {wrong}", f"Error: .*{wrong}")
        says(m, "boot_set", "Error: too few")
        tap.equal(cmos(m, 0x3d), 0x12, "after what was refused")


def no_boot_set():
    with machine.Machine("128M", extra=("-M", "none")) as m:
        says(m, "boot_set c", "Error: .*'none'")


def roms():
    """The files that firmware came from, once each, and what firmware will find."""
    with tempfile.TemporaryDirectory() as folder:
        tiny_kernel(f"{folder}/kernel")
        for name in ("one.bin", "two.bin"):
            with open(f"{folder}/{name}", "wb") as f:
                f.write(bytes(0x40000))
        with machine.Machine(extra=("-bios", f"{folder}/one.bin", "-kernel", f"{folder}/kernel")) as m:
            says(m, "info roms", r'fw=genroms/linuxboot_dma\.bin size=0x\w{6} name="linuxboot_dma\.bin"\n'
                                 r'addr=00000000fffc0000 size=0x040000 mem=rom name="one\.bin"\n$')
        flash = [f"if=pflash,format=raw,file={folder}/{name}" for name in ("one.bin", "two.bin")]
        with machine.Machine(extra=("-drive", flash[0], "-drive", flash[1])) as m:
            says(m, "info roms", r'addr=00000000fff80000 size=0x040000 mem=rom name="two\.bin"\n'
                                 r'addr=00000000fffc0000 size=0x040000 mem=rom name="one\.bin"\n$')
        with machine.Machine() as m:
            tap.equal(hmp(m, "info roms"), "", "a machine without firmware")


def devices():
    with machine.Machine() as m:
        tap.equal(hmp(m, "object_add memory-backend-ram,id=m0,size=128M"), "")
        tap.equal(hmp(m, "device_add pc-dimm,id=d0,memdev=m0"), "")
        says(m, "info memory-devices", r'Memory device \[dimm\]: "d0"\n(.*\n)*  hotplugged: true\n')
        says(m, "object_del m0", r"Error: .*'m0'")
        says(m, "device_add pc-dimm,id=d1,memdev=nobody", r"Error: .*'nobody'")
        says(m, "device_del -c d0", r"Error: .*no request")
        tap.equal(hmp(m, "device_del d0 5"), "")
        says(m, "info memory-devices", r"(.*\n)*  state: unplug-requested since ")
        tap.equal(hmp(m, "device_del -c d0"), "")
        says(m, "device_del d0 soon", r"Error: SECONDS: 'soon'")
        tap.equal(hmp(m, "chardev-add null,id=c0"), "")
        says(m, "info chardev", r"(.*\n)*c0: filename=null\n")
        says(m, "chardev-change c0 ringbuf,size=3", r"Error: .*size=3")
        tap.equal(hmp(m, "chardev-change c0 ringbuf,size=16"), "")
        says(m, "chardev-change c1 null", r"Error: .*'c1'")
        tap.equal(hmp(m, "chardev-send-break c0"), "")
        says(m, "chardev-send-break c1", r"Error: .*'c1'")
        tap.equal(hmp(m, 'ringbuf_write c0 "a b\\\\"'), "")
        tap.equal(hmp(m, "ringbuf_write c0 \x7f"), "")
        tap.equal(hmp(m, "ringbuf_read c0 2"), "a \n")
        tap.equal(hmp(m, "ringbuf_read c0 100"), "b\\\\\\u007F\n")
        says(m, "ringbuf_read c0 all", r"Error: SIZE: 'all'")
        says(m, "ringbuf_read c0 0", r"Error: .*at least 1")
        tap.equal(hmp(m, "chardev-remove c0"), "")
        says(m, "chardev-remove c0", r"Error: .*'c0'")
        says(m, "getfd x", "Error: ")
        tap.equal(hmp(m, "nmi"), "")
        m("irq_intercept_in ioapic")
        tap.equal(hmp(m, "stop"), "")
        says(m, "info status", "VM status: paused\n")
        tap.equal(hmp(m, "cont"), "")
        says(m, "info status", "VM status: running\n")
        tap.equal(hmp(m, "system_reset"), "")
        m.qmp.event("RESET")
        tap.equal(hmp(m, "system_powerdown"), "")
        m.qmp.event("POWERDOWN")


def networks():
    with machine.Machine(extra=["-netdev", "user,id=n0", "-device", "virtio-net-pci,id=net0,netdev=n0"]) as m:
        card = r"net0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\n"
        says(m, "info network", card + r" \\ n0: index=0,type=user,net=10.0.2.0,restrict=off\n$")
        says(m, "hostfwd_add tcp:127.0.0.1:0-:22", "$")
        port = re.search(r"HOST_FORWARD\] +\d+ +127.0.0.1 +(\d+) +10.0.2.15 +22 ", hmp(m, "info usernet")).group(1)
        says(m, "hostfwd_add n0 x", "Error: 'x' is not right")
        says(m, "hostfwd_add n1 tcp::0-:22", "Error: there is no netdev of kind user with this id")
        says(m, f"hostfwd_remove n0 tcp:127.0.0.1:{port}", "$")
        says(m, f"hostfwd_remove n0 tcp:127.0.0.1:{port}", "Error: nothing is forwarded")
        tap.equal("HOST_FORWARD" in hmp(m, "info usernet"), False)
        says(m, "netdev_add user,id=n1,net=192.168.9.0/24", "$")
        says(m, "netdev_add user,id=net0", "Error: there is a network card called 'net0'")
        says(m, "hostfwd_add tcp::0-:22", "Error: there are several")
        says(m, "info network", card + r" \\ n0: index=0,type=user,net=10.0.2.0,restrict=off\nn1: index=0,type=user,net=192.168.9.0,restrict=off\n$")
        says(m, "set_link net0 off", "$")
        says(m, "set_link net0 maybe", "Error: 'maybe'")
        says(m, "set_link net1 off", "Error: there is no netdev or network card 'net1'")
        says(m, "info network", r"net0: .*,link=off\n")
        says(m, "announce_self", "$")
        says(m, "announce_self net0,n0", "Error: there is no network card 'n0'")
        says(m, "announce_self net0 mine", "$")
        says(m, "netdev_del n0", "$")
        says(m, "netdev_del n0", "Error: there is no netdev 'n0'")
        says(m, "info network", r"net0: .*,link=off\nn1: index=0,type=user,net=192.168.9.0,restrict=off\n$")


def balloon():
    with machine.Machine(extra=["-device", "virtio-balloon"]) as m:
        says(m, "info balloon", r"balloon: actual=2048\n$")
        says(m, "balloon 1024", "$")
        says(m, "info balloon", r"balloon: actual=2048\n$")  # nobody is there who would do it
        says(m, "balloon 1x", "Error: MIB: '1x'")
        says(m, "device_add virtio-balloon", "Error: the machine has a balloon already")


def memory_target():
    with machine.Machine("256M,slots=4,maxmem=8G") as m:
        says(m, "memory target 0", "Error: 'size' is 0")
        says(m, "memory target 9G", "Error: 'size' is .*maxmem")
        says(m, "memory target 1x", "Error: .*1x")
        says(m, "memory target 1G x", "Error: SECONDS: 'x'")
        says(m, "memory target cancel", "Error: no memory target")
        says(m, "memory size 1G", "Error: 'size'")
        says(m, "memory target 512 100", "$")
        m.qmp.event("MEMORY_TARGET_CHANGE", device="target0")  # there is no guest that would take it
        says(m, "info memory-target", r"status: running\nactual: 256 MiB\ntarget: 512 MiB\nsteps: 1\nnow: add target0\n$")
        says(m, "memory target cancel", "$")
        says(m, "info memory-target", r"status: cancelled\nactual: 256 MiB\ntarget: 512 MiB\nsteps: 1\nreason: it was cancelled\n$")


def interrupt_counts():
    with machine.Machine() as m:
        m("set_irq_in isa-i8259 unnamed-gpio-in 4 1")
        m("set_irq_in isa-i8259 unnamed-gpio-in 4 0")
        m("set_irq_in isa-i8259 unnamed-gpio-in 4 1")
        says(m, "info irq", r"(.*\n)*IRQ statistics for isa-i8259:\n(.*\n)* 4: 2\n")
        says(m, "info pic", r"(.*\n)*pic0: irr=10 ")


# ---- a kernel that is entered in long mode, and does nothing ----

def tiny_kernel(path):
    image = bytearray(5 * 512 + 0x3000)
    image[0x1f1] = 4

    def put(offset, fmt, value):
        struct.pack_into("<" + fmt, image, offset, value)

    put(0x1f4, "I", 0x300)
    put(0x1fe, "H", 0xaa55)
    put(0x200, "H", 0x66eb)
    image[0x202:0x206] = b"HdrS"
    put(0x206, "H", 0x20f)
    image[0x211] = 1
    put(0x22c, "I", 0x7fffffff)
    put(0x230, "I", 2 * MIB)
    image[0x234] = 1
    put(0x236, "H", 1)
    put(0x238, "I", 2047)
    put(0x258, "Q", 16 * MIB)
    put(0x260, "I", 8 * MIB)
    image[5 * 512 + 0x200:5 * 512 + 0x203] = b"\xf4\xeb\xfd"  # hlt; jmp to it
    with open(path, "wb") as f:
        f.write(image)


def paging():
    with tempfile.TemporaryDirectory() as folder:
        tiny_kernel(f"{folder}/kernel")
        with vm.Vm(machine.PROGRAM, memory="64M", accel="soft", serial=False,
                   extra=("-kernel", f"{folder}/kernel")) as m:
            vm.wait_until(lambda: "HLT=1" in hmp(m, "info registers"), "the guest halts")
            tap.equal(hmp(m, "info mem"), "0000000000000000-0000000100000000 0000000100000000 -rw\n")
            pages = hmp(m, "info tlb").splitlines()
            tap.equal(len(pages), 2048)
            says(m, "info tlb", r"0000000000000000: 0000000000000000 --P---?.*W\n")
            tap.equal(hmp(m, "gva2gpa 0x1000200"), "gpa: 0x1000200\n")
            tap.equal(hmp(m, "gva2gpa 0x100000000"), "Unmapped: 0x100000000\n")
            says(m, "x 0x100000000", "Error: .*not mapped")
            says(m, "x/2i 0x1000200", r"0x0000000001000200:  f4 +hlt\n"
                                      r"0x0000000001000201:  eb fd +jmp 0x0*1000200\n")


# ---- a terminal ----

class Terminal:
    """The program with its monitor on a terminal of its own."""

    def __init__(self, *extra, columns=80):
        self.fd, slave = pty.openpty()
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = {**os.environ, "TERM": "vt100", "INPUTRC": "/dev/null", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            [machine.PROGRAM, "-accel", "qtest", "-m", "128M,slots=2,maxmem=1G", "-nodefaults",
             "-display", "none", "-monitor", "stdio", *extra],
            stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
        os.close(slave)
        self.buffer = ""
        self.expect(r"\(dimmable\) ")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(vm.LONG)
        os.close(self.fd)

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, timeout=vm.LONG):
        deadline = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.buffer)
            if match:
                self.buffer = self.buffer[match.end():]
                return match
            wait = deadline - time.monotonic()
            if wait <= 0 or not select.select([self.fd], [], [], wait)[0]:
                raise vm.Timeout(f"no /{pattern}/ on the terminal; it ended with {self.buffer!r}")
            data = os.read(self.fd, 65536).decode(errors="replace")
            self.buffer += data.replace("\r", "")

    def line(self, text):
        self.type(text + "\r")


def terminal():
    with Terminal("-object", "memory-backend-ram,id=first,size=128M",
                  "-object", "memory-backend-ram,id=second,size=128M") as t:
        t.line("info history")
        t.expect(r"\n0: 'info history'\n")
        t.type("info statu\t")
        t.expect("info status ")
        t.line("")
        t.expect(r"\nVM status: running\n\(dimmable\) ")
        t.type("\x10")  # Ctrl-P: the line before
        t.expect("info status ")
        t.line("\x08\x08\x08\x08\x08\x08\x08name")
        t.expect(r"\n\(dimmable\) ")
        t.type("dev\t")
        t.expect("device_")
        t.type("a\tpc-d\t")
        t.expect("device_add pc-dimm,|add pc-dimm,")
        t.type("memd\t")
        t.expect("memdev=")
        t.type("se\t")
        t.expect("second")
        t.line(",id=plugged")
        t.expect(r"\n\(dimmable\) ")
        t.type("info memory\t\t")
        t.expect("memory-devices +memory-target +memory_size_summary")
        t.line("-dev\t")
        t.expect(r'Memory device \[dimm\]: "plugged"\n')
        t.type("device_del pl\t")
        t.expect("device_del plugged ")
        t.line("")
        t.expect(r"\n\(dimmable\) ")
        t.line("info name \x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x0bversion")  # left, cut, other words
        t.expect(r"7\.2\.0 \(dimmable-")
        t.line("quit")
        tap.equal(t.process.wait(vm.LONG), 0, "exit status")


def narrow_terminal():
    """A line that is longer than the terminal is wide."""
    with Terminal(columns=30) as t:
        t.type("1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1")
        t.expect(r"1 \+ 1$")
        t.type("\x01")  # to the beginning, which is in the row above
        t.expect("\x1b\\[A")
        t.line("p ")
        t.expect(r"\n0xc\n")


def cpu_of_a_session():
    with Terminal("-smp", "2") as t:
        t.line("cpu 1")
        t.line("info cpus")
        t.expect(r"  CPU #0: .*\n\* CPU #1: ")
        t.line("info registers")
        t.expect(r"CPU#1\n")
        t.line("cpu 2")
        t.expect(r"Error: INDEX: there is no CPU 2; the machine has 2\n")


def looking_into():
    """sum, gpa2hpa, mce, watchdog_action, ..."""
    with machine.Machine("128M", extra=("-M", "q35", "-device", "pcie-root-port,id=p0")) as m:
        m("memset 0x1000 16 1")
        m("write 0x2000 4 0x61626364")
        says(m, "sum 0x1000 1", "00001\n$")
        says(m, "sum 0x2000 4", f"{bsd_sum(b'abcd'):05}\n$")
        says(m, "sum 0x1000 0x20000", f"{bsd_sum(bytes(16 * [1]) + bytes(0xff0) + b'abcd' + bytes(0x1effc)):05}\n$")
        says(m, "sum 0 0", "00000\n$")
        says(m, "sum 0x7ffffff 2", "Error: there is no RAM at 0x8000000\n")
        says(m, "sum 0x7ffffff 0x80000000", "Error: there is no RAM at 0x8000000\n")
        says(m, "sum 0 0xffffffffffffffff", "Error: SIZE: at most 2147483648 bytes ")
        says(m, "sum 0", "Error: too few arguments")
        says(m, "gpa2hpa 0x1000", r"Host physical address for 0x1000 \(\S+\) is 0x[0-9a-f]+000\n|Error: the host does not tell")
        says(m, "gpa2hpa 0xf000000000", "No memory is mapped at address 0xf000000000\n")
        says(m, "gpa2hpa 0xfec00000", "Memory at address 0xfec00000 is not RAM: ioapic\n")
        says(m, "mce -b 0 1 0xbd00000000000000 0 0 0", "Error: BANK: there is no bank 1: ")
        says(m, "mce 0 1 x 0 0 0", "Error: STATUS: ")
        says(m, "watchdog_action pause", "$")
        says(m, "watchdog_action bark", "Error: ACTION: 'bark' is nothing .*; there are reset, .* inject-nmi\n")
        says(m, "singlestep off", "$")
        says(m, "singlestep", "Error: the engine does not stop")
        says(m, "singlestep maybe", "Error: SWITCH: 'maybe' is neither on nor off\n")
        says(m, "exit_preconfig", "Error: the machine is made already")
        says(m, "dumpdtb /nonexistent/x", "Error: this machine has no device tree")
        for line in ("replay_break 5", "replay_seek 5", "replay_delete_break"):
            says(m, line, "Error: no recording is being played")
        says(m, "replay_break x", "Error: ICOUNT: ")
        says(m, "pcie_aer_inject_error nothing RCVR", "Error: DEVICE: there is no PCI device 'nothing'")
        says(m, "pcie_aer_inject_error -c p0 0x1 1 2 3 4", "Error: DEVICE: 'p0' cannot report errors")
        says(m, "x_colo_lost_heartbeat", "Error: COLO is not enabled")


def waits():
    """sync-profile: nothing is counted until it is on."""
    with machine.Machine() as m:
        empty = r"Lock .*\n$"
        says(m, "sync-profile", "sync-profile is off\n$")
        says(m, "info sync-profile", empty)
        says(m, "sync-profile on", "$")
        says(m, "sync-profile", "sync-profile is on\n$")
        for _ in range(3):
            m.read("b", 0x64)
        for line in ("info sync-profile", "info sync-profile -m", "info sync-profile -mn 1"):
            says(m, line, r"Lock .*\nmachine lock main loop +\d+\.\d{5} +\d+ +\d+\.\d\d\n")
        says(m, "info sync-profile 0", empty)
        says(m, "sync-profile off", "$")
        says(m, "sync-profile reset", "$")
        m.read("b", 0x64)
        says(m, "info sync-profile", empty)
        says(m, "info sync-profile x", "Error: MAX: 'x'")
        says(m, "sync-profile maybe", "Error: WHAT: 'maybe'")
    with machine.Machine(extra=("-enable-sync-profile",)) as m:
        says(m, "sync-profile", "sync-profile is on\n$")


def numa_of_virtio():
    """Memory devices of all kinds in info numa: the node's, each with what it has."""
    with machine.Machine("256M,maxmem=2G,slots=2", extra=(
            "-object", "memory-backend-ram,id=b0,size=128M", "-object", "memory-backend-ram,id=b1,size=128M", "-numa", "node,memdev=b0", "-numa", "node,memdev=b1",
            "-object", "memory-backend-ram,id=b2,size=256M", "-device", "virtio-mem-pci,memdev=b2,node=1,id=vm0",
            "-object", "memory-backend-ram,id=b3,size=128M", "-device", "virtio-pmem-pci,memdev=b3,id=vp0",
            "-object", "memory-backend-ram,id=b4,size=128M", "-device", "pc-dimm,memdev=b4,node=1,id=d0")) as m:
        says(m, "info numa", r"2 nodes\nnode 0 cpus: 0\nnode 0 size: 128 MB\nnode 0 plugged: 0 MB\n"
                             r"node 1 cpus:\nnode 1 size: 256 MB\nnode 1 plugged: 128 MB\n$")
        tap.equal(m.qmp.command("x-query-numa")["human-readable-text"], hmp(m, "info numa"))


def bsd_sum(data):
    total = 0
    for byte in data:
        total = ((total >> 1 | total << 15) + byte) & 0xffff
    return total


def traced():
    """trace-event, trace-event-set-state, -trace, -d trace: lines in the log."""
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/log"

        def lines(event):
            with open(log, encoding="utf-8") as file:
                return [line for line in file if re.match(rf"\d+@\d+\.\d{{6}}:{event} ", line)]
        with machine.Machine(extra=("-D", log, "-trace", "qdev_*", "-d", "trace:acpi_gpe_set", "-blockdev", "null-co,node-name=b0", "-device", "virtio-blk-pci,drive=b0,addr=4")) as m:
            def call(command, **arguments):
                return m.qmp.execute({"execute": command, "arguments": arguments})
            tap.equal(any("id 'd9'" in line for line in lines("qdev_realize")), False)
            hmp(m, "object_add memory-backend-ram,id=m9,size=128M")
            hmp(m, "device_add pc-dimm,id=d9,memdev=m9")
            tap.equal(any(line.endswith("pc-dimm id 'd9'\n") for line in lines("qdev_realize")), True)
            tap.equal(len(lines("acpi_gpe_set")) > 0, True, "-d trace:")
            says(m, "info trace-events qdev*", "qdev_realize : state 1\nqdev_unrealize : state 1\n$")
            says(m, "trace-event qdev_realize off", "$")
            says(m, "info trace-events qdev*", "qdev_realize : state 0\nqdev_unrealize : state 1\n$")
            says(m, "log trace:qdev_unrealize,nothing", "Error: There is no log item 'nothing'")
            says(m, "log trace:mhp_*,trace:nothing", "Error: there is no trace event 'nothing'")
            says(m, "info trace-events mhp_acpi_read", "mhp_acpi_read : state 0\n$")
            says(m, "trace-event nothing on", "Error: there is no trace event 'nothing'")
            says(m, "trace-event nothing* on", "$")
            says(m, "trace-event * maybe", "Error: SWITCH: ")
            says(m, "trace-event * on 0", "Error: VCPU: ")
            call("trace-event-set-state", name="*", enable=True)
            tap.equal({entry["state"] for entry in call("trace-event-get-state", name="*")}, {"enabled"})
            disk = virtio_driver.Driver(m, 4)
            disk.begin()
            disk.queue(0)
            disk.ready()
            disk.talk(0, struct.pack("<IIQ", 0, 0, 1), room=513)
            call("object-add", **{"qom-type": "secret", "id": "s0", "data": "hush"})
            hmp(m, "object_add secret,id=s1,data=hush")
            hmp(m, "set_password vnc hush")
            try:
                call("set_password", protocol="vnc", password="hush")
            except vm.QmpError:
                pass
            m.qmp.command("stop")
            m.qmp.command("cont")
            call("trace-event-set-state", name="*", enable=False)
            before = len(lines(".*"))
            m.qmp.command("query-status")
            tap.equal(len(lines(".*")), before, "what is written when all are off")
            tap.equal('"execute": "cont"' in lines("handle_qmp_command")[-2], True)
            tap.equal([line for line in lines("handle_qmp_command") if "hush" in line], [], "what is secret")
            tap.equal('"id": "s0"' in "".join(lines("handle_qmp_command")), True, "and what is not")
            tap.equal(lines("runstate_set")[-1].endswith(":runstate_set running\n"), True)
            tap.equal(len(lines("blk_request")), len(lines("blk_request_done")))
            tap.equal(" read offset 512 bytes 512 error 0\n" in lines("blk_request_done")[0], True)
            tap.equal('"RESUME"' in lines("monitor_protocol_event_emit")[-1], True)
            for name, more in (("nothing", {}), ("*", {"vcpu": 0})):
                for command in ("trace-event-get-state", "trace-event-set-state"):
                    arguments = {"enable": True} if "set" in command else {}
                    try:
                        call(command, name=name, **more, **arguments)
                    except vm.QmpError as err:
                        tap.equal("nothing" in err.desc or "vcpu=0" in err.desc, True, err.desc)
                    else:
                        raise AssertionError(command)


def absent_in_qmp():
    """What tools ask about what is not there."""
    with machine.Machine(extra=("-blockdev", "null-co,node-name=n0", "-object", "iothread,id=io", "-device", "virtio-blk,drive=n0,id=v0")) as m:
        tap.equal(m.qmp.command("query-sev"), {"enabled": False, "api-major": 0, "api-minor": 0, "build-id": 0, "policy": 0, "state": "uninit", "handle": 0})
        tap.equal(m.qmp.command("query-replay"), {"mode": "none", "icount": 0})
        tap.equal(m.qmp.command("query-colo-status"), {"mode": "none", "last-mode": "none", "reason": "none"})
        tap.equal(m.qmp.command("query-xen-replication-status"), {"error": False})
        for name in ("irq", "numa", "opcount", "ramblock", "roms"):
            tap.equal(m.qmp.command(f"x-query-{name}")["human-readable-text"], hmp(m, f"info {name}"), name)
        tap.equal(m.qmp.command("x-query-rdma"), {"human-readable-text": ""})
        tap.equal(m.qmp.command("x-blockdev-set-iothread", **{"node-name": "n0", "iothread": None}), {})
        for command, arguments, words in (
                ("x-query-usb", {}, "no USB"), ("x-query-profile", {}, "not measured"),
                ("dumpdtb", {"filename": "/x"}, "no device tree"), ("query-sev-launch-measure", {}, "SEV is not enabled"),
                ("query-sev-attestation-report", {"mnonce": "YQ=="}, "SEV is not enabled"),
                ("replay-break", {"icount": 1}, "no recording"), ("replay-seek", {"icount": 1}, "no recording"),
                ("replay-delete-break", {}, "no recording"), ("query-rocker", {"name": "s"}, "no switch 's'"),
                ("query-rocker-ports", {"name": "s"}, "no switch 's'"), ("query-rocker-of-dpa-flows", {"name": "s", "tbl-id": 1}, "no switch 's'"),
                ("query-rocker-of-dpa-groups", {"name": "s"}, "no switch 's'"), ("x-colo-lost-heartbeat", {}, "COLO"),
                ("xen-set-replication", {"enable": True, "primary": True}, "no Xen"), ("xen-colo-do-checkpoint", {}, "no Xen"),
                ("xen-save-devices-state", {"filename": "/x"}, "no Xen"), ("xen-load-devices-state", {"filename": "/x"}, "no Xen"),
                ("xen-set-global-dirty-log", {"enable": True}, "no Xen"),
                ("x-blockdev-change", {"parent": "none"}, "'none'"), ("x-blockdev-change", {"parent": "n0"}, "either child"),
                ("x-blockdev-change", {"parent": "n0", "child": "file"}, "no node 'file'"),
                ("x-blockdev-change", {"parent": "n0", "child": "a", "node": "n0"}, "either child"),
                ("x-blockdev-change", {"parent": "n0", "node": "n0"}, "of kind null-co"),
                ("x-blockdev-set-iothread", {"node-name": "n1", "iothread": None}, "'n1'"),
                ("x-blockdev-set-iothread", {"node-name": "n0", "iothread": "none"}, "no iothread 'none'"),
                ("x-blockdev-set-iothread", {"node-name": "n0", "iothread": 1}, "or null"),
                ("x-blockdev-set-iothread", {"node-name": "n0", "iothread": "io"}, "iothread=io"),
                ("x-blockdev-amend", {"job-id": "j", "node-name": "n0", "options": {"driver": "qcow2"}}, "stays so"),
                ("x-blockdev-amend", {"job-id": "j", "node-name": "n0", "options": {"driver": "null-co"}}, "dimmable-img amend")):
            try:
                m.qmp.execute({"execute": command, "arguments": arguments})
            except vm.QmpError as err:
                tap.equal((words in err.desc, err.cls), (True, "GenericError"), f"{command}: {err.desc}")
            else:
                raise AssertionError(f"{command} worked")


def block_graph():
    with tempfile.TemporaryDirectory() as folder:
        for name in ("base", "top"):
            subprocess.run([os.path.dirname(machine.PROGRAM) + "/tools/img/dimmable-img", "create", "-q", "-f", "qcow2", *(["-b", f"{folder}/base", "-F", "qcow2"] if name == "top" else []),
                            f"{folder}/{name}", "1M"], check=True)
        with machine.Machine(extra=("-blockdev", f"qcow2,node-name=base,file.driver=file,file.filename={folder}/base,file.node-name=basefile",
                                    "-blockdev", f"qcow2,node-name=top,backing=base,file.driver=file,file.filename={folder}/top,file.node-name=topfile",
                                    "-device", "virtio-blk,drive=top,id=v0")) as m:
            graph = m.qmp.command("x-debug-query-block-graph")
            names = {node["id"]: (node["type"], node["name"]) for node in graph["nodes"]}
            tap.equal(len(names), len(graph["nodes"]))
            tap.equal(sorted(name for kind, name in names.values() if kind == "block-driver"), ["base", "basefile", "top", "topfile"])
            edges = {(names[edge["parent"]][1], edge["name"], names[edge["child"]][1]): edge for edge in graph["edges"]}
            tap.equal({key for key in edges if key[1] != "root"}, {("top", "file", "topfile"), ("top", "backing", "base"), ("base", "file", "basefile")})
            roots = [(names[edge["parent"]][0], key[2]) for key, edge in edges.items() if key[1] == "root"]
            tap.equal(roots, [("block-backend", "top")])
            tap.equal("write" in edges["top", "file", "topfile"]["perm"], True)
            tap.equal("write" in edges["top", "backing", "base"]["perm"], False)


def warnings_reach_the_monitor():
    with machine.Machine() as m:
        hmp(m, "object_add memory-backend-ram,id=odd,size=100M")
        says(m, "device_add pc-dimm,id=odd,memdev=odd", "warning: |Error: ")
        tap.equal(m.errors(), "", "what went to stderr")


tap.run([(test.__name__, test) for test in (
    info_qtest, info_soft, help_for_each, memory, ports, migration, boot_set, no_boot_set, roms, devices, drives, drives_in_full, committed, drives_come_and_go, resized, networks, joined, balloon, memory_target, interrupt_counts, paging, terminal,
    narrow_terminal, looking_into, numa_of_virtio, waits, traced, absent_in_qmp, block_graph, cpu_of_a_session, warnings_reach_the_monitor)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Firmware files as ROM and flash: where they are seen, what is refused. No CPU runs and no package is
needed: the files are made here."""
import json
import os
import re
import socket
import subprocess
import tempfile

import machine
import vm

import tap

KIB = 1024
TOP = 1 << 32
BASE = ["-accel", "qtest", "-nodefaults", "-display", "none"]
SOFT = ["-accel", "soft", "-nodefaults", "-display", "none"]


def make(folder, name, size):
    """A file each of whose 4-KiB pages begins with its number, 32 bits wide, and has 0xa5 after it."""
    path = f"{folder}/{name}"
    with open(path, "wb") as file:
        for page in range((size + 4095) // 4096):
            file.write((page.to_bytes(4, "little") + b"\xa5" * 4092)[:size - 4096 * page])
    return path


def read(guest, addr, width="l"):
    return int(guest(f"read{width} {addr:#x}")[0], 0)


def write(guest, addr, value, width="b"):
    guest(f"write{width} {addr:#x} {value:#x}")


def rom_is_mapped():
    """The whole file ends at 4 GiB, its last 128 KiB at 1 MiB; nothing can be written."""
    with tempfile.TemporaryDirectory() as folder:
        for size in 64 * KIB, 256 * KIB, 16 * 1024 * KIB:
            low = min(size, 128 * KIB)
            with machine.Machine(extra=["-bios", make(folder, "rom", size)]) as guest:
                tap.equal(read(guest, TOP - size), 0, f"first page, {size} bytes")
                tap.equal(read(guest, TOP - 4096), size // 4096 - 1, "last page")
                tap.equal(read(guest, TOP - size - 4), 0xffffffff, "below it")
                tap.equal(read(guest, (1 << 20) - low), (size - low) // 4096, "first page below 1 MiB")
                tap.equal(read(guest, (1 << 20) - 4096), size // 4096 - 1, "last page below 1 MiB")
                for addr in TOP - 4096, (1 << 20) - 4096:
                    write(guest, addr, 0, "l")
                    tap.equal(read(guest, addr), size // 4096 - 1, "after a write")


def rom_makes_way_for_ram():
    """What firmware does first: RAM in the ROM's place (PAM5 and 6 of the i440FX). A reset undoes it."""
    with tempfile.TemporaryDirectory() as folder, \
            machine.Machine(extra=["-bios", make(folder, "rom", 128 * KIB)]) as guest:
        for register in range(0x58, 0x60, 4):
            guest.write("l", 0xcf8, 0x80000000 | register)
            guest.write("l", 0xcfc, 0x33333300 if register == 0x58 else 0x33333333)
        write(guest, 0xe0000, 0x12345678, "l")
        tap.equal(read(guest, 0xe0000), 0x12345678)
        guest.qmp.command("system_reset")
        guest.qmp.event("RESET")
        tap.equal(read(guest, 0xe1000), 1, "ROM after a reset")


def searched():
    """As given, then in -L, in their order."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/a")
        os.mkdir(f"{folder}/b")
        make(f"{folder}/a", "only-a", 64 * KIB)
        make(f"{folder}/b", "both", 64 * KIB)
        make(f"{folder}/a", "both", 128 * KIB)
        dirs = ["-L", f"{folder}/a", "-L", f"{folder}/b"]
        for name in "only-a", "both":
            with machine.Machine(extra=[*dirs, "-bios", name]) as guest:
                pages = read(guest, TOP - 4096) + 1
                tap.equal(pages, 16 if name == "only-a" else 32, name)
    status, text = machine.run_program("-L", "help")
    tap.equal(status, 0)
    tap.equal(text.splitlines()[0], "/usr/share/seabios", "the first of the usual places")


def property_is_bios():
    with tempfile.TemporaryDirectory() as folder:
        path = make(folder, "rom", 64 * KIB)
        with machine.Machine(extra=["-machine", f"firmware={path}"]) as guest:
            tap.equal(read(guest, TOP - 4096), 15)
            tap.equal(guest.qmp.command("qom-get", path="/machine", property="firmware"), path)
        with machine.Machine(extra=["-machine", "firmware=off"]) as guest:
            tap.equal(read(guest, TOP - 16) & 0xffff, 0xf4fa, "cli; hlt")


def has_rsdp(guest):
    """Is it where an operating system looks for it?"""
    return any(guest(f"read {addr:#x} 8")[0] == "0x" + b"RSD PTR ".hex()
               for addr in range(0xe0000, 0x100000, 16))


def nothing_without_cpus():
    """With -accel qtest no firmware is looked for, and the tables lie in memory."""
    with machine.Machine(extra=[]) as guest:
        tap.equal(has_rsdp(guest), True, "RSDP below 1 MiB")


def fw_cfg_files(guest):
    """Names in the directory of fw_cfg: be32 count, then size, selector and name, 64 bytes each."""
    guest.write("w", 0x510, 0x19)
    count = int.from_bytes(bytes(guest.read("b", 0x511) for _ in range(4)), "big")
    entries = [bytes(guest.read("b", 0x511) for _ in range(64)) for _ in range(count)]
    return {entry[8:].split(b"\0")[0].decode() for entry in entries}


def no_acpi():
    """No tables in memory, and none for firmware; no DIMMs."""
    acpi = {"etc/acpi/tables", "etc/acpi/rsdp", "etc/table-loader"}
    for name in "pc", "q35":
        with machine.Machine(extra=["-machine", name]) as guest:
            tap.equal(fw_cfg_files(guest) & acpi, acpi, name)
        for args in (["-machine", name, "-no-acpi"], ["-machine", f"{name},acpi=off"]):
            with machine.Machine(extra=args) as guest:
                tap.equal(has_rsdp(guest), False, f"RSDP, {args}")
                tap.equal(fw_cfg_files(guest) & acpi, set(), str(args))
                tap.equal(guest.qmp.command("qom-get", path="/machine", property="acpi"), "off")
                tap.equal([d for d in guest.qmp.command("query-pci")[0]["devices"]
                           if d["id"]["device"] == 0x7113], [], "PIIX4 power management")
                guest.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m", "size": 128 << 20})
                try:
                    guest.qmp.command("device_add", driver="pc-dimm", memdev="m")
                    raise AssertionError("a DIMM was plugged")
                except vm.QmpError as err:
                    if "no ACPI" not in err.desc:
                        raise


def flash_args(*files):
    args = []
    for unit, (path, *options) in enumerate(files):
        args += ["-drive", ",".join([f"if=pflash,format=raw,unit={unit},file={path}", *options])]
    return args


def flash_is_stacked():
    with tempfile.TemporaryDirectory() as folder:
        code, variables = make(folder, "code", 256 * KIB), make(folder, "vars", 132 * KIB)
        with machine.Machine(extra=flash_args((code, "readonly=on"), (variables,))) as guest:
            tap.equal(read(guest, TOP - 4096), 63, "code ends at 4 GiB")
            tap.equal(read(guest, TOP - 256 * KIB - 4096), 32, "variables end below")
            tap.equal(read(guest, (1 << 20) - 4096), 63, "and below 1 MiB")
            tap.equal(read(guest, TOP - 388 * KIB - 4), 0xffffffff, "below it")
        with machine.Machine(extra=["-pflash", code, "-pflash", variables]) as guest:
            tap.equal(read(guest, TOP - 256 * KIB - 4096), 32, "-pflash twice")


def flash_is_block_nodes():
    """As libvirt gives it."""
    with tempfile.TemporaryDirectory() as folder:
        args = ["-machine", "pc,pflash0=p0-format,pflash1=p1-format"]
        for unit, name, options in (0, "code", {"read-only": True}), (1, "vars", {}):
            path = make(folder, name, 64 * KIB)
            for node in ({"driver": "file", "filename": path, "node-name": f"p{unit}-storage",
                          "auto-read-only": True, "discard": "unmap"},
                         {"node-name": f"p{unit}-format", "driver": "raw", "file": f"p{unit}-storage",
                          **options}):
                args += ["-blockdev", json.dumps(node)]
        with machine.Machine(extra=args) as guest:
            for base, status in (TOP - 65536, 0x92), (TOP - 131072, 0x80):
                tap.equal(read(guest, base + 0x1000), 1, "an array")
                write(guest, base, 0x40)
                write(guest, base, 0)
                tap.equal(read(guest, base, "b"), status, "status after programming")


def flash_is_written():
    """Program, erase, status; the file has it at once. The read-only one refuses."""
    with tempfile.TemporaryDirectory() as folder:
        code, variables = make(folder, "code", 64 * KIB), make(folder, "vars", 64 * KIB)
        with machine.Machine(extra=flash_args((code, "readonly=on"), (variables,))) as guest:
            base = TOP - 128 * KIB
            write(guest, base + 0x1004, 0x40)
            write(guest, base + 0x1004, 0x05)
            tap.equal(read(guest, base, "b"), 0x80, "status")
            write(guest, base, 0xff)
            tap.equal(read(guest, base + 0x1004, "b"), 0x05, "programmed")
            write(guest, base + 0x2000, 0x20)
            write(guest, base + 0x2000, 0xd0)
            with open(variables, "rb") as file:
                data = file.read()
            tap.equal((data[0x1004], data[0x1fff], data[0x2000:0x3000], data[0x3000]),
                      (0x05, 0xa5, b"\xff" * 4096, 3), "in the file")
            write(guest, TOP - 4096, 0x40)
            write(guest, TOP - 4096, 0)
            tap.equal(read(guest, TOP - 4096, "b"), 0x92, "status of the read-only one")
            guest.qmp.command("system_reset")
            guest.qmp.event("RESET")
            tap.equal(read(guest, TOP - 4096), 15, "an array again")


# ---- refused ----

def assert_refused(args, words):
    status, text = machine.run_program(*args)
    missing = [word for word in words.split() if not re.search(word, text)]
    if status != 1 or missing or len(text.strip().splitlines()) != 1:
        raise AssertionError(f"{args}: status {status}, printed {text!r}, without {missing}")


def refused():
    with tempfile.TemporaryDirectory() as folder:
        good, odd = make(folder, "good", 64 * KIB), make(folder, "odd", 64 * KIB + 1)
        empty, huge = make(folder, "empty", 0), make(folder, "huge", 17 << 20)
        small = make(folder, "small", 4097)
        secboot = make(folder, "OVMF_CODE.secboot.fd", 64 * KIB)
        kernel = make(folder, "kernel", 4096)
        os.mkfifo(f"{folder}/fifo")
        cases = [
            (["-bios", "/nonexistent/x"], "/nonexistent/x -L seabios"),
            (["-bios", odd], "odd 65537 64.KiB 16.MiB"),
            (["-bios", empty], "empty 64.KiB"),
            (["-bios", huge], "huge 16.MiB"),
            (["-bios", folder], "regular"),
            (["-bios", f"{folder}/fifo"], "regular"),
            (["-bios", secboot], "secboot management.mode"),
            (["-pflash", secboot], "secboot management.mode"),
            (["-M", "q35,smm=off", "-pflash", secboot], "secboot management.mode smm=off"),
            (["-machine", "smm=1"], "smm=1"),
            (["-bios", good, "-pflash", good], "-bios pflash exclude"),
            (["-M", "none", "-bios", good], "none firmware"),
            (["-M", "none", "-pflash", good], "none firmware"),
            (["-pflash", "/nonexistent/x"], "/nonexistent/x No.such.file"),
            (["-pflash", small], "4097 4096"),
            (["-pflash", empty], "empty 4096"),
            (["-pflash", huge], "16777216"),
            (["-pflash", folder], "directory|regular"),
            (["-pflash", good, "-pflash", good], "another.program"),
            (["-pflash", good, "-pflash", secboot.replace("secboot", "other")], "No.such.file"),
            (["-drive", f"if=pflash,unit=1,file={good}"], "unit.1 unit.0"),
            (["-drive", f"if=pflash,unit=2,file={good}"], "unit=2 0.and.1"),
            (["-drive", f"if=pflash,unit=0,index=0,file={good}"], "unit= index="),
            (["-drive", f"if=pflash,format=qcow2,file={good}"], "format=qcow2 raw"),
            (["-drive", f"if=pflash,readonly=maybe,file={good}"], "readonly=maybe"),
            (["-drive", "if=pflash"], "file="),
            (["-drive", f"if=pflash,cache=none,file={good}"], "'cache' readonly"),
            (["-drive", f"if=pflash,file={good},file.locking=off"], "name.of.a.file"),
            (["-M", "none", "-drive", f"file={good}"], "if=ide none virtio pflash"),
            (["-drive", f"if=pflash,bus=0,file={good}"], "'bus' unit"),
            (["-drive", f"if=virtio,file={good},format=raw,unit=1,index=1"], "unit= index="),
            (["-drive", f"if=virtio,file={good},format=vmdk"], "vmdk raw"),
            (["-drive", f"if=virtio,file={good},aio=native"], "native threads"),
            (["-drive", f"if=virtio,file={good},rerror=enospc"], "rerror=enospc"),
            (["-drive", f"if=virtio,file={good},id=1d"], "id=1d letter"),
            (["-drive", f"if=virtio,format=raw,file={good},id=d", "-drive", f"if=virtio,format=raw,file={good},id=d"], "id=d there.is.a.drive"),
            (["-drive", f"if=virtio,format=raw,file={good}", "-drive", f"if=virtio,format=raw,file={good}"], "in.use.by.another"),
            (["-M", "pc", "-device", "virtio-blk-pci"], "drive= -drive -blockdev"),
            (["-M", "pc", "-device", "virtio-blk-pci,drive=d"], "'d' -drive"),
            *[(["-M", "pc", "-drive", "if=none,id=d,file.driver=null-co", "-device", f"virtio-blk-pci,drive=d,{wrong}"], words)
              for wrong, words in (("logical_block_size=500", "logical_block_size=500 512"),
                                   ("discard_granularity=700", "discard_granularity=700 multiple 512"),
                                   ("max-discard-sectors=0", "max-discard-sectors=0 1.to"),
                                   ("physical_block_size=512,logical_block_size=4096", "less"),
                                   ("num-queues=0", "num-queues=0"), ("queue-size=100", "queue-size=100 power"),
                                   ("serial=" + "x" * 21, "20.characters"), ("bootindex=-2", "negative"),
                                   ("min_io_size=100", "multiples"), ("scsi=on", "scsi=on off virtio-scsi-pci"))],
            (["-M", "pc", *[word for n in "ab" for word in (
                "-drive", f"if=none,id={n},file.driver=null-co", "-device", f"virtio-blk-pci,drive={n},id=v{n},bootindex=3")]],
             "bootindex=3 'va'"),
            (["-drive", f"if=pflash,unit=0,file={good},readonly=on", "-drive",
              f"if=pflash,unit=0,file={good},readonly=on"], "unit.0 already"),
            (["-machine", "pflash0=n"], "pflash0=n -blockdev"),
            (["-blockdev", f"file,node-name=a,filename={good}", "-machine", "pflash0=n"], "pflash0=n of:.a"),
            (["-blockdev", f"file,node-name=a,filename={good}", "-machine", "pflash1=a"], "unit.1 unit.0"),
            (["-blockdev", f"file,node-name=a,filename={small}", "-machine", "pflash0=a"], "pflash0=a 4097"),
            (["-blockdev", f"file,filename={good}"], "node-name"),
            (["-blockdev", "file,node-name=a"], "filename"),
            (["-blockdev", f"vmdk,node-name=a,filename={good}"], "vmdk raw"),
            (["-drive", f"if=virtio,file={good},format=qcow2"], "no.qcow2.image"),
            (["-blockdev", "raw,node-name=a,file=b"], "'b'"),
            (["-blockdev", "raw,node-name=a"], "file"),
            (["-blockdev", f"file,node-name=a,filename={good},x=1"], "'x'"),
            (["-blockdev", f"file,node-name=a,filename={good},read-only=maybe"], "read-only=maybe"),
            (["-blockdev", f"file,node-name={'a' * 32},filename={good}"], "31"),
            (["-blockdev", f"file,node-name=a,filename={good}", "-blockdev",
              f"file,node-name=a,filename={good}"], "'a' already"),
            (["-bios", good, "-kernel", kernel], "kernel"),
        ]
        for args, words in cases:
            assert_refused([*BASE, *args], words)
        if os.geteuid() != 0:
            os.chmod(good, 0)
            assert_refused([*BASE, "-bios", good], "[Pp]ermission")
            assert_refused([*BASE, "-pflash", good], "Permission readonly=on")


def smm_is_accepted():
    for value in "off", "auto", "on":
        with machine.Machine(extra=["-machine", f"smm={value}"]) as guest:
            tap.equal(guest.qmp.command("qom-get", path="/machine", property="smm"), value)


def smm_firmware():
    """What needs system management mode is taken where it is, on q35."""
    with tempfile.TemporaryDirectory() as folder:
        secboot = make(folder, "OVMF_CODE.secboot.fd", 64 * KIB)
        for value in "auto", "on":
            with machine.Machine(extra=["-M", f"q35,smm={value}", "-pflash", secboot]) as guest:
                tap.equal(guest.qmp.command("query-status")["status"], "running")


def secure_flash():
    """Nobody but a handler of SMIs gives it commands: here there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = make(folder, "flash", 64 * KIB)  # the first byte is 0
        at = (4 << 30) - 64 * KIB
        for words, answer in ((["-global", "driver=cfi.pflash01,property=secure,value=on"], 0), ([], 0x80)):
            with machine.Machine(extra=["-pflash", path, *words]) as guest:
                guest(f"writeb {at:#x} 0x70")
                tap.equal(int(guest(f"readb {at:#x}")[0], 0), answer, f"{words}: the status")
                for byte in 0x40, 0x00:
                    guest(f"writeb {at + 4:#x} {byte:#x}")
            with open(path, "rb") as file:
                tap.equal(file.read(5)[4], 0 if not words else 0xA5, f"{words}: programmed")


def nothing_to_boot():
    """A CPU that would have nothing to run: the message names what would help; with -S it starts."""
    assert_refused([*SOFT, "-machine", "firmware=off"], "firmware=off -kernel")
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = subprocess.Popen([machine.PROGRAM, *SOFT, "-S", "-machine", "firmware=off", "-pidfile",
                                        f"{folder}/pid", "-chardev", f"socket,id=q,fd={theirs.fileno()}",
                                        "-mon", "q,mode=control"], pass_fds=[theirs.fileno()],
                                       stdin=subprocess.DEVNULL)
            theirs.close()
            ours.settimeout(vm.LONG)
            with ours.makefile("rb") as reader:
                tap.equal(b"QMP" in reader.readline(), True, "greeting")
            process.terminate()
            tap.equal(process.wait(vm.LONG), 0, "exit status")


TESTS = [
    ("-bios is ROM at 4 GiB and 1 MiB", rom_is_mapped),
    ("RAM in its place", rom_makes_way_for_ram),
    ("-L", searched),
    ("-machine firmware=", property_is_bios),
    ("none without CPUs", nothing_without_cpus),
    ("-no-acpi", no_acpi),
    ("flash: two units", flash_is_stacked),
    ("flash: block nodes", flash_is_block_nodes),
    ("flash: program and erase", flash_is_written),
    ("refused", refused),
    ("-machine smm=", smm_is_accepted),
    ("firmware that needs SMM", smm_firmware),
    ("flash: secure", secure_flash),
    ("nothing to boot", nothing_to_boot),
]

if __name__ == "__main__":
    tap.run(TESTS)

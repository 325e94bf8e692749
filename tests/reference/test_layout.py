#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where boot memory, the window for DIMMs and PCI memory lie: what a guest reads of it, by this program and,
where it is installed, by the reference, run as a black box. Usage: test_layout.py BUILD-DIR"""
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402

PROGRAM = f"{sys.argv[1]}/dimmable"
REFERENCE = shutil.which("qemu-system-x86_64")
GIB, TIB = 1 << 30, 1 << 40
RAM, RESERVED = 1, 2
AMD = (0xfd00000000, TIB - 0xfd00000000, RESERVED)
DIMM = "-object memory-backend-ram,id=m,size=128M,reserve=off -device pc-dimm,memdev=m"


def memory(gib):
    """A machine with so much of it, of which the host need have nothing."""
    return f"-m {gib}G -object memory-backend-ram,id=r,size={gib}G,reserve=off -M memory-backend=r"


# arguments -> etc/e820, etc/reserved-memory-end, the window for 64-bit PCI memory, the first DIMM's address
LAYOUTS = [
    ("-M pc -m 2G", [(0, 2 * GIB, RAM), AMD], None, (4 * GIB, 6 * GIB), None),
    ("-M pc -m 2G -cpu Haswell", [(0, 2 * GIB, RAM)], None, (4 * GIB, 6 * GIB), None),
    ("-M pc-i440fx-7.0 -m 2G", [(0, 2 * GIB, RAM)], None, (4 * GIB, 6 * GIB), None),
    ("-M pc-i440fx-2.10 -m 2G", [(0, 2 * GIB, RAM)], None, (0, 0), None),
    ("-M q35 -m 4G -cpu Haswell", [(0, 2 * GIB, RAM), (4 * GIB, 2 * GIB, RAM)], None, (6 * GIB, 38 * GIB), None),
    (f"-M q35 -m 2G,slots=3,maxmem=5000M -cpu Haswell {DIMM}", [(0, 2 * GIB, RAM)], 0x280000000,
     (0x280000000, 0xa80000000), 4 * GIB),
    # max-ram-below-4g
    ("-M pc,max-ram-below-4g=1G -m 2G -cpu Haswell", [(0, GIB, RAM), (4 * GIB, GIB, RAM)], None,
     (5 * GIB, 7 * GIB), None),
    ("-M q35,max-ram-below-4g=1500M -m 8G -cpu Haswell", [(0, 1500 << 20, RAM), (4 * GIB, 6692 << 20, RAM)], None,
     (11 * GIB, 43 * GIB), None),
    ("-M pc,max-ram-below-4g=4G -m 3800M -cpu Haswell", [(0, 3800 << 20, RAM)], None, (4 * GIB, 6 * GIB), None),
    ("-M pc,max-ram-below-4g=0 -m 4G -cpu Haswell", [(0, 3 * GIB, RAM), (4 * GIB, GIB, RAM)], None,
     (5 * GIB, 7 * GIB), None),
    # pci-hole64-size
    ("-M pc -global i440FX-pcihost.pci-hole64-size=4G -m 2G -cpu Haswell", [(0, 2 * GIB, RAM)], None,
     (4 * GIB, 8 * GIB), None),
    ("-M pc -global i440FX-pcihost.pci-hole64-size=0 -m 2G -cpu Haswell", [(0, 2 * GIB, RAM)], None,
     (0, 0), None),
    ("-M q35 -global q35-pcihost.pci-hole64-size=1500M -m 2G -cpu Haswell", [(0, 2 * GIB, RAM)], None,
     (4 * GIB, 6 * GIB), None),
    # AMD's hole
    (f"-M q35 -cpu EPYC,phys-bits=48 -m 2G,slots=2,maxmem=976G {DIMM}", [(0, 2 * GIB, RAM), AMD], 0xf500000000,
     (0xf500000000, 0xfd00000000), 4 * GIB),
    (f"-M q35 -cpu EPYC,phys-bits=48 -m 2G,slots=2,maxmem=1100G {DIMM}", [(0, 2 * GIB, RAM), AMD], 0x21300000000,
     (0x21300000000, 0x21b00000000), TIB),
    (f"-M pc -cpu EPYC,phys-bits=48 -m 8G,slots=2,maxmem=1100G {DIMM}",
     [(0, 3 * GIB, RAM), AMD, (TIB, 5 * GIB, RAM)], 0x212c0000000, (0x212c0000000, 0x21340000000), TIB + 5 * GIB),
    (f"-M pc-q35-7.0 -cpu EPYC,phys-bits=48 -m 2G,slots=2,maxmem=1100G {DIMM}", [(0, 2 * GIB, RAM)], 0x11400000000,
     (0x11400000000, 0x11c00000000), 4 * GIB),
    (f"-M q35 -cpu EPYC,phys-bits=48 {memory(1010)}", [(0, 2 * GIB, RAM), AMD, (TIB, 1008 * GIB, RAM)], None,
     (TIB + 1008 * GIB, TIB + 1040 * GIB), None),
    ("-M q35 -cpu EPYC,phys-bits=48 -m 2G -global q35-pcihost.pci-hole64-size=1T", [(0, 2 * GIB, RAM), AMD], None,
     (TIB, 2 * TIB), None),
]

# Refused by both; words that ours says.
REFUSED = [
    ("-M q35 -cpu EPYC -m 2G,maxmem=1100G,slots=2", "40 physical phys-bits= maxmem=999424M"),
    ("-M q35 -m 2G,maxmem=990G,slots=2", "40 physical phys-bits= maxmem=999424M"),
    ("-M q35 -cpu Haswell -m 2G,maxmem=990G,slots=2", "40 physical maxmem=1011712M"),
    ("-M pc-q35-2.8 -m 2G,maxmem=1100G,slots=2", "40 physical maxmem=1011712M"),
    ("-M q35 -global q35-pcihost.pci-hole64-size=4T", "pci-hole64-size 40 physical"),
    ("-M q35 -global q35-pcihost.pci-hole64-size=15E", "pci-hole64-size 40 physical"),
    ("-M q35 -global q35-pcihost.pci-hole64-size=16E", "pci-hole64-size"),
    ("-M q35 -global q35-pcihost.pci-hole64-size=abc", "pci-hole64-size"),
    ("-M pc,max-ram-below-4g=5G", "max-ram-below-4g=5368709120 4G"),
    ("-M q35,max-ram-below-4g=abc", "max-ram-below-4g"),
]


class Machine:
    """One that stands, with its qtest protocol on stdin and stdout, and QMP."""

    def __init__(self, program, args):
        self.folder = tempfile.TemporaryDirectory()
        self.path = f"{self.folder.name}/qmp"
        accel = "tcg" if program == REFERENCE else "qtest"
        self.process = subprocess.Popen(
            [program, "-S", "-accel", accel, "-nodefaults", "-display", "none", "-qtest", "stdio", "-qtest-log", "none",
             "-qmp", f"unix:{self.path},server=on,wait=off", *args.split()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def __enter__(self):
        self("endianness")  # it is there, and so is its socket
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.folder.cleanup()

    def __call__(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def item(self, key, size):
        """@size bytes of an item of fw_cfg, by DMA: control (select, read), length and address, big endian."""
        self(f"write 0x1000 0x10 0x{struct.pack('>IIQ', key << 16 | 8 | 2, size, 0x2000).hex()}")
        self("outl 0x514 0")
        self("outl 0x518 0x100000")  # 0x1000, big endian
        return bytes.fromhex(self(f"read 0x2000 {size:#x}")[1][2:])

    def files(self):
        """The directory: be32 count, then size, selector and name, 64 bytes each."""
        count = int.from_bytes(self.item(0x19, 4), "big")
        entries = struct.iter_unpack(">IHH56s", self.item(0x19, 4 + 64 * count)[4:])
        return {name.rstrip(b"\0").decode(): (selector, size) for size, selector, _, name in entries}

    def file(self, name, files):
        return self.item(*files[name]) if name in files else None

    def qmp(self, *commands):
        """The answers; once."""
        found = []
        with socket.socket(socket.AF_UNIX) as sock, sock.makefile("rw", encoding="utf-8") as file:
            sock.connect(self.path)
            file.readline()
            for name, arguments in (("qmp_capabilities", {}), *commands):
                file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
                file.flush()
                found.append(json.loads(file.readline()))
        return [answer.get("return", answer) for answer in found[1:]]


def told(m):
    """What firmware is told, and what users are: e820, sorted; reserved-memory-end; the first DIMM's address."""
    files = m.files()
    e820 = m.file("etc/e820", files)
    end = m.file("etc/reserved-memory-end", files)
    devices, = m.qmp(("query-memory-devices", {}))
    return (sorted(struct.iter_unpack("<QQI", e820)), end and int.from_bytes(end, "little"),
            devices[0]["data"]["addr"] if devices else None)


def crs(args):
    """The QWord range of memory in the DSDT: first, and what follows its last address; (0, 0) without one."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PROGRAM, "-accel", "qtest", "-nodefaults", "-display", "none", *args.split(),
                        "-M", f"dump-acpi={folder}"], check=True, timeout=60)
        with open(f"{folder}/dsdt.dat", "rb") as file:
            found = re.findall(rb"\x8a\x2b\x00\x00(.{42})", file.read(), re.S)
    ranges = [struct.unpack_from("<QQ", text, 10) for text in found]
    ranges = [(first, last + 1) for first, last in ranges if first >= 4 * GIB]
    tap.equal(len(ranges) <= 1, True, f"{ranges}")
    return ranges[0] if ranges else (0, 0)


def host_bridge(m, args):
    """The same by the reference's properties."""
    path = "/machine/q35" if "q35" in args else "/machine/i440fx"
    start, end = m.qmp(*(("qom-get", {"path": path, "property": f"pci-hole64-{which}"}) for which in ("start", "end")))
    return (start, end) if start < end else (0, 0)


def ours(args, e820, end, window, dimm):
    with Machine(PROGRAM, args) as m:
        tap.equal(told(m), (sorted(e820), end, dimm))
    tap.equal(crs(args), window)


def theirs(args, e820, end, window, dimm):
    with Machine(REFERENCE, args) as m:
        tap.equal(told(m), (sorted(e820), end, dimm))
    with Machine(REFERENCE, args) as m:
        tap.equal(host_bridge(m, args), window)


def refused(program, args, words):
    accel = "tcg" if program == REFERENCE else "qtest"
    result = subprocess.run([program, "-S", "-accel", accel, "-nodefaults", "-display", "none", *args.split()],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=60, check=False)
    text = result.stdout.decode(errors="replace")
    tap.equal((result.returncode, [word for word in words.split() if word not in text]), (1, []), text)


def limits():
    """The limit that a board has, and that users gave."""
    for args, limit in (("-M pc", 3584 << 20), ("-M q35", 4 * GIB), ("-M pc,max-ram-below-4g=1G", GIB),
                        ("-M q35,max-ram-below-4g=0", 4 * GIB)):
        for program in filter(None, (PROGRAM, REFERENCE)):
            with Machine(program, args) as m:
                tap.equal(m.qmp(("qom-get", {"path": "/machine", "property": "max-ram-below-4g"})), [limit],
                          f"{program} {args}")


CASES = [(args, lambda row=(args, *rest): ours(*row)) for args, *rest in LAYOUTS]
CASES += [(f"refused: {args}", lambda args=args, words=words: refused(PROGRAM, args, words)) for args, words in REFUSED]
CASES += [("max-ram-below-4g as it is", limits),
          ("refused: a limit of nothing", lambda: refused(PROGRAM, "-M pc,max-ram-below-4g=512K", "1M 4G"))]
if REFERENCE:
    CASES += [(f"the reference: {args}", lambda row=(args, *rest): theirs(*row)) for args, *rest in LAYOUTS]
    CASES += [(f"the reference refuses: {args}", lambda args=args: refused(REFERENCE, args, "")) for args, _ in REFUSED]
tap.run(CASES)

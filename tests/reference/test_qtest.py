#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The qtest protocol: the same lines to this program and to the reference, run as a black box. Where
the reference has no qtest accelerator, its software CPU stands stopped instead, and lines about the
clock are left out. Usage: test_qtest.py BUILD-DIR"""
import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../qtest"))
import tap  # noqa: E402
from cirrus_blt import DWORDS, FROM_CPU, KINDS, PATTERN, Blt  # noqa: E402

PROGRAM = f"{sys.argv[1]}/dimmable"
REFERENCE = shutil.which("qemu-system-x86_64")

# Each access to the host bridge's IDs by ports, with every value of the address's lowest two bits.
CONFIG = [line for low in range(4) for port in range(4) for size, width in ((1, "b"), (2, "w"), (4, "l"))
          if (low | port) + size <= 4 and port % size == 0
          for line in (f"outl 0xcf8 {0x80000000 | low:#x}", "inl 0xcf8", f"in{width} {0xcfc + port:#x}")]
CONFIG += ["outl 0xcf8 0xffffffff", "inl 0xcf8", "inb 0xcf8", "inw 0xcf8", "inb 0xcfa", "outw 0xcf8 1",
           "outb 0xcfb 0", "inl 0xcf8", "outl 0xcf8 0x7ffffffe", "inl 0xcf8", "inl 0xcfc", "inb 0xcfd"]

# One machine for each group. "~" before a line: only the first word of the answer is compared.
GROUPS = {
    "ports": ["outb 0x80 0x12", "outb 0x80 0x1234", "outl 0xcf8 0x80000000", "inl 0xcf8", "inl 0xcfc",
              "inw 0xcfc", "inb 0xcfe", "inw 0xcfe", "outb 0x21 0x5a", "inb 0x21", "inb 33",
              "outl 0xcf8 0", "inl 0xcf8", "inb 0x5555", "inw 0x5555", "inl 0x5555"],
    "configuration ports": CONFIG,
    "memory": ["readb 0x1000", "writeb 0x1000 0x123", "readb 0x1000",
               "writeq 0x1000 0x1122334455667788", "readq 0x1000", "readl 0x1000", "readw 0x1001",
               "readb 010000", "read 0x1000 8", "read 0x1000 0x10", "write 0x1000 4 0x01020304",
               "write 0x1001 2 0xAbcD", "read 0x1000 8", "b64read 0x1000 8", "b64read 0x1000 7",
               "b64read 0x1000 0", "b64write 0x1000 4 AQIDBA==", "b64write 0x1000 6 //79/Pv6",
               "read 0x1000 8", "memset 0x1002 3 0x5a", "memset 0x1000 0 0x11",
               "memset 0x1007 1 0x15a", "read 0x1000 8", "writel 0x3fffffc 0xdeadbeef",
               "readl 0x3fffffc", "writew 0x1ffff 0xa1b2", "readl 0x1fffe"],
    "ISA DMA": ["outb 0xc 0", "outb 4 0x34", "outb 4 0x12", "outb 5 0x78", "outb 5 0x56", "inb 4", "inb 4", "inb 5", "inb 5", "inb 4",
                "outb 0xc 0", "inb 4", "outb 0x81 0x5a", "inb 0x81", "outb 0x8f 0x11", "inb 0x8f", "inb 0x84", "outb 0xd8 0", "outb 0xc4 0x21",
                "outb 0xc4 0x43", "inb 0xc4", "inb 0xc4", "outb 14 0", "inb 15", "outb 13 0", "inb 8"],
    "floppy": ["inb 0x3f0", "inb 0x3f1", "inb 0x3f2", "inb 0x3f3", "inb 0x3f4", "inb 0x3f6", "outb 0x3f2 0x1c", "inb 0x3f1", "inb 0x3f2",
               *[line for command in ("10", "14", "94", "14", "18", "8") for line in (f"outb 0x3f5 0x{command}", "inb 0x3f4", "inb 0x3f5", "inb 0x3f4")],
               "outb 0x3f5 0xf", "inb 0x3f4", "outb 0x3f5 0", "outb 0x3f5 0", "inb 0x3f4", "outb 0x3f5 8", "inb 0x3f5", "inb 0x3f5",
               "outb 0x3f5 3", "outb 0x3f5 0xaf", "outb 0x3f5 2", "inb 0x3f4"],
    "others": ["endianness", "~foo", "~INB 0x61", "~rtas 1 2 3 4 5", "module_load block foo",
               "~write 0x1000 0 0x", "~irq_intercept_in nope", "~irq_intercept_out nope",
               "~set_irq_in nope unnamed-gpio-in 5 1"],
    "interrupts in": ["irq_intercept_in ioapic", "irq_intercept_in ioapic",
                      "set_irq_in ioapic unnamed-gpio-in 5 1", "set_irq_in ioapic unnamed-gpio-in 5 1",
                      "set_irq_in ioapic unnamed-gpio-in 5 0", "set_irq_in ioapic unnamed-gpio-in 5 7",
                      "set_irq_in ioapic unnamed-gpio-in 0 1", "set_irq_in ioapic unnamed-gpio-in 23 1",
                      "writel 0xfec00000 1", "readl 0xfec00010", "writel 0xfec00000 0x10",
                      "readl 0xfec00010"],
    "wiring": ["irq_intercept_in ioapic", "outb 0x64 0x60", "outb 0x60 0x01", "outb 0x60 0xff",
               "outb 0x70 0x0b", "outb 0x71 0x02", "outb 0x92 0x02", "~inb 0x92"],
}


def config(offset, value=None, width="l"):
    """Lines that read or write a register of function 00:05.0."""
    access = f"out{width} {0xcfc + offset % 4:#x} {value:#x}" if value is not None else f"in{width} {0xcfc + offset % 4:#x}"
    return [f"outl 0xcf8 {0x80002800 | offset & 0xfc:#x}", access]


# The two words that let one write through.
UNLOCK = ["writew 0xe800000c 0x80", "writew 0xe800000c 0x86"]
# A group's devices.
DEVICES = {"a watchdog": ["-device", "i6300esb,addr=5"],
           "AHCI": ["-device", "ich9-ahci,addr=5,id=a", "-blockdev", "null-co,node-name=d,size=1048576,read-zeroes=on",
                    "-device", "ide-hd,drive=d,bus=a.0", "-device", "ide-cd,bus=a.1"],
           "e1000": ["-netdev", "user,id=n0", "-device", "e1000,netdev=n0,addr=5,romfile="],
           "e1000e": ["-netdev", "user,id=n0", "-device", "e1000e,netdev=n0,addr=5,romfile="]}
GROUPS["a watchdog"] = [
    *config(0), *config(8), *config(0x10, 0xffffffff), *config(0x10), *config(0x10, 0xe8000000), *config(4, 2, "w"),
    *config(0x60, 0x24, "w"), *config(0x60, width="w"), *config(0x68, 4, "b"), *config(0x68, width="b"),
    "readl 0xe8000008", "readw 0xe800000c", "writel 0xe8000000 0x123", *UNLOCK,
    "writel 0xe8000000 0x123", "writel 0xe8000004 0x456", *UNLOCK, "writel 0xe8000004 0x456", "writew 0xe800000c 0x80",
    "writel 0xe8000004 0x456", *UNLOCK, "writew 0xe800000c 0x100", "readw 0xe800000c",
    *config(0x68, 3, "b"), *config(0x68, width="b"), *config(0x68, 0, "b"), *config(0x68, width="b")]


def blts():
    """Of each kind, with the memory before and after; but for those that docs/screens.md says to be others there."""
    rand, lines, memory = random.Random(446), [], 0xe0000000
    for kind in [kind for kind in KINDS for _ in range(6)]:
        blt = Blt(rand, kind)
        while blt.rop in (0x90, 0xda) or blt.more & DWORDS or (kind & FROM_CPU and kind & PATTERN and blt.pixel == 3):
            blt = Blt(rand, kind)
        blt.source &= ~7 if kind & PATTERN else -1
        lines += [f"write {memory:#x} 0x3000 0x{rand.randbytes(0x3000).hex()}", *blt.lines(), "outb 0x3ce 0x31", "inb 0x3cf"]
        if blt.data:
            lines += [f"write {memory + 0x1000000:#x} {len(blt.data):#x} 0x{blt.data.hex()}", "inb 0x3cf"]
        lines += [f"read {memory:#x} 0x3000"]
    return lines


GROUPS["cirrus"] = [
    *config(0), *config(8), *config(0x2c), *config(0x10, 0xffffffff), *config(0x10), *config(0x14, 0xffffffff), *config(0x14),
    *config(0x10, 0xe0000000), *config(0x14, 0xe8000000), *config(4, 3, "w"), "outb 0x3c2 1", "outw 0x3c4 0x1206", "outw 0x3c4 0x1107",
    *[line for port, count in ((0x3c4, 0x20), (0x3ce, 0x18), (0x3d4, 0x1e)) for reg in range(count) if reg not in (6, 7)
      for line in (f"outb {port:#x} {reg}", f"inb {port + 1:#x}", f"outb {port + 1:#x} 0xff", f"inb {port + 1:#x}",
                   f"outb {port + 1:#x} 0", f"inb {port + 1:#x}")],
    "outw 0x3ce 0xff08", "outb 0x3d4 0x27", "inb 0x3d5", *blts()]
DEVICES["cirrus"] = ["-device", "cirrus-vga,addr=5"]
GROUPS["VMware"] = [
    *config(0), *config(8), *config(0xc), *config(0x2c), *config(0x10, 0xffffffff), *config(0x10), *config(0x14, 0xffffffff), *config(0x14),
    *config(0x18, 0xffffffff), *config(0x18), *config(0x10, 0xc001), *config(0x14, 0xe0000000), *config(0x18, 0xe8000000), *config(4, 3, "w"),
    *[line for reg in (*range(4), *range(6, 17), *range(18, 29), 2, 3, 12)
      for line in (f"outl 0xc000 {reg}", "inl 0xc001", *(["outl 0xc001 0x300", "inl 0xc001"] if reg in (2, 3) else []))]]
DEVICES["VMware"] = ["-device", "vmware-svga,addr=5"]
CARD = 0xe8000000
GROUPS["AHCI"] = [
    *[line for offset in range(0, 0xb0, 4) for line in config(offset)], *config(0x20, 0xffffffff), *config(0x20),
    *config(0x24, 0xffffffff), *config(0x24), *config(0x20, 0xc001), *config(0x24, CARD), *config(4, 0xffff, "w"),
    *config(4, width="w"), *config(4, 7, "w"),
    *[f"readl {CARD + offset:#x}" for offset in (*range(0, 0x2c, 4), *(0x100 + 0x80 * port + r for port in range(7)
                                                                       for r in range(0, 0x40, 4)))],
    *[line for offset in (0x100, 0x104, 0x108, 0x10c) for line in (f"writel {CARD + offset:#x} 0xfffffc00", f"readl {CARD + offset:#x}")],
    f"writel {CARD + 0x114:#x} 0xffffffff", f"readl {CARD + 0x114:#x}",
    f"writel {CARD + 4:#x} 2", f"readl {CARD + 4:#x}", "outl 0xc010 0", "inl 0xc014", "outl 0xc010 0x118", "inl 0xc014", "inl 0xc010",
    f"writel {CARD + 4:#x} 3", f"readl {CARD + 4:#x}", f"readl {CARD + 0x114:#x}", f"readl {CARD + 0x118:#x}"]
GROUPS["e1000"] = [
    *config(0), *config(8), *config(0x2c), *config(0x3c), *config(0x10, 0xffffffff), *config(0x10), *config(0x14, 0xffffffff),
    *config(0x14), *config(0x10, CARD), *config(0x14, 0xc000), *config(4, 0xffff, "w"), *config(4, width="w"), *config(4, 7, "w"),
    f"readl {CARD:#x}", f"readl {CARD + 0x5400:#x}", f"readl {CARD + 0x5404:#x}",
    # What can be written: rings, delays, filters; and what cannot.
    *[line for offset in (0x8, 0xc4, 0x2804, 0x2808, 0x2810, 0x2818, 0x2820, 0x282c, 0x3804, 0x3808, 0x3810, 0x382c, 0x5200, 0x53fc,
                          0x5600, 0x57fc, 0x3830, 0x5ffc)
      for line in (f"writel {CARD + offset:#x} 0xffffffff", f"{'~' if offset == 8 else ''}readl {CARD + offset:#x}", f"writel {CARD + offset:#x} 0")],
    # Words of the EEPROM, and registers of the PHY.
    *[line for word in (0, 1, 2, 0xb, 0xc, 0xd, 0xe)
      for line in (f"writel {CARD + 0x14:#x} {word << 8 | 1:#x}", f"readl {CARD + 0x14:#x}")],
    *[line for register in (0, 2, 3, 4, 7, 9, 31)
      for line in (f"writel {CARD + 0x20:#x} {2 << 26 | 1 << 21 | register << 16:#x}", f"readl {CARD + 0x20:#x}")],
    # Interrupts.
    f"~readl {CARD + 0xc0:#x}", f"writel {CARD + 0xd0:#x} 0x80", f"readl {CARD + 0xd0:#x}", f"writel {CARD + 0xc8:#x} 4", *config(6, width="w"),
    f"writel {CARD + 0xc8:#x} 0x80", *config(6, width="w"), f"writel {CARD + 0xd8:#x} 0x80", *config(6, width="w"),
    f"readl {CARD + 0xd0:#x}", f"writel {CARD + 0xc0:#x} 0x80", f"readl {CARD + 0xc0:#x}", f"readl {CARD + 0xc0:#x}"]
for variant in ("e1000-82544gc", "e1000-82545em"):  # IDs, also in the EEPROM and of the PHY; a register
    DEVICES[variant] = ["-netdev", "user,id=n0", "-device", f"{variant},netdev=n0,addr=5,romfile="]
    GROUPS[variant] = [
        *config(0), *config(8), *config(0x2c), *config(0x3c), *config(0x10, CARD), *config(4, 7, "w"), f"readl {CARD + 0x5400:#x}",
        *[line for word in (0xb, 0xd) for line in (f"writel {CARD + 0x14:#x} {word << 8 | 1:#x}", f"readl {CARD + 0x14:#x}")],
        *[line for register in (2, 3) for line in (f"writel {CARD + 0x20:#x} {2 << 26 | 1 << 21 | register << 16:#x}", f"readl {CARD + 0x20:#x}")]]
GROUPS["e1000e"] = [
    *config(0), *config(8), *config(0x2c), *config(0x3c), *config(0x10, 0xffffffff), *config(0x10), *config(0x14, 0xffffffff),
    *config(0x14), *config(0x18, 0xffffffff), *config(0x18),
    *config(0x10, CARD), *config(0x14, CARD + 0x20000), *config(0x18, 0xc000), *config(0x1c, CARD + 0x40000), *config(4, 7, "w"),
    # As they are after a reset.
    *[f"readl {CARD + offset:#x}" for offset in (0x38, 0x100, 0x410, 0xe00, 0x1000, 0x1008, 0x2170, 0x2828, 0x2928, 0x3828, 0x3840, 0x3940,
                                                 0x5000, 0x5008, 0x5400, 0x5404, 0x5818, 0x5b30, 0x5c00, 0x5c80, 0xb608)],
    # What can be written: rings of both kinds and numbers, filters, hashes, what wakes; and what cannot.
    *[line for offset in (0xc4, 0xe8, 0xf8, 0x2170, 0x2800, 0x2804, 0x2808, 0x2810, 0x2820, 0x282c, 0x2900, 0x2904, 0x2908, 0x2910, 0x2928,
                          0x3800, 0x3804, 0x3808, 0x3810, 0x3900, 0x3904, 0x3908, 0x3910, 0x5200, 0x53fc, 0x5408, 0x5600, 0x57fc, 0x5818,
                          0x5838, 0x5840, 0x5858, 0x5880, 0x588c, 0x5a00, 0x5a7c, 0x5c00, 0x5c7c, 0x5c80, 0x5ca4, 0x5f00, 0x5f18, 0x5ff4)
      for line in (f"writel {CARD + offset:#x} 0xffffffff", f"readl {CARD + offset:#x}", f"writel {CARD + offset:#x} 0")],
    # Words of the EEPROM, and registers of the PHY.
    *[line for word in (0, 1, 2, 0xd) for line in (f"writel {CARD + 0x14:#x} {word << 2 | 1:#x}", f"readl {CARD + 0x14:#x}")],
    *[line for register in (2, 3, 15) for line in (f"writel {CARD + 0x20:#x} {2 << 26 | 1 << 21 | register << 16:#x}", f"readl {CARD + 0x20:#x}")]]
CLOCK = ["clock_set 1000000", "clock_set 1", "clock_step 500", "~clock_step", "irq_intercept_in ioapic",
         "outb 0x43 0x34", "outb 0x40 0", "outb 0x40 0", "~clock_step 60000000", "~clock_step 60000000"]


def answers(program, accel, lines, devices):
    """For each line the answer and the IRQ lines before it."""
    args = [program, "-nodefaults", "-display", "none", "-M", "pc", "-m", "64", "-qtest", "stdio",
            "-qtest-log", "none", *accel, *devices]
    found = []
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        try:
            for line in lines:
                process.stdin.write(line.lstrip("~").encode() + b"\n")
                process.stdin.flush()
                irqs = []
                while (reply := process.stdout.readline().decode()).startswith("IRQ "):
                    irqs.append(reply.strip())
                if not reply:
                    raise EOFError(f"{program} ended at '{line}'")
                reply = reply.rstrip("\n")
                found.append((line, reply.split()[0] if line[0] == "~" else reply.strip(), irqs))
        finally:
            process.kill()
    return found


def reference_accel():
    if not REFERENCE:
        raise tap.Skip("qemu-system-x86_64 is not there")
    text = subprocess.run([REFERENCE, "-accel", "help"], capture_output=True, check=False).stdout
    return ["-accel", "qtest"] if b"qtest" in text.split() else ["-accel", "tcg", "-S"]


def compare(lines, devices=()):
    accel = reference_accel()
    wanted = answers(REFERENCE, accel, lines, devices)
    for ours, theirs in zip(answers(PROGRAM, ["-accel", "qtest"], lines, devices), wanted):
        tap.equal(ours, theirs)


def clock():
    if "qtest" not in reference_accel():
        raise tap.Skip("the reference has no qtest accelerator")
    compare(CLOCK)


tap.run([(name, lambda name=name, lines=lines: compare(lines, DEVICES.get(name, ()))) for name, lines in GROUPS.items()]
        + [("clock", clock)])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels of all boot protocols (docs/firmware.md): test_boot.py BUILD-DIR disks|discs|order|formats|images|i386. The first
are guests of tests/guest/bare, and what is refused; the others are from Debian's packages, downloaded by
scripts/make-guest.sh, and skipped where they could not be had."""
import collections
import os
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import iso  # noqa: E402
import tap  # noqa: E402
import vm  # noqa: E402
from test_firmware import firmware  # noqa: E402

BUILD = sys.argv[1]
PROGRAM = f"{BUILD}/dimmable"
GUESTS = f"{BUILD}/tests/guest/bare"
IMAGES = f"{BUILD}/guest/boot"
EXIT_OK = 1  # isa-debug-exit turns a 0 into this


def run(extra, expected=EXIT_OK, timeout=60):
    """The program until its guest ends it: what was printed to port 0xe9, and to stderr."""
    with tempfile.NamedTemporaryFile() as output:
        done = subprocess.run(
            [PROGRAM, "-accel", vm.engine("soft"), "-m", "64", "-nodefaults", "-display", "none", "-monitor", "none",
             "-no-reboot", "-debugcon", f"file:{output.name}",
             "-device", "isa-debug-exit,iobase=0xf4,iosize=4", *extra],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)
        text = output.read().decode(errors="replace")
    tap.equal(done.returncode, expected, f"exit status of {extra}, after:\n{text}\n{done.stderr}\n")
    return text, done.stderr


# ---- disks ----

# Reads the sector after itself, which is a text, by INT 13h; prints that to port 0xe9, and ends.
BOOT_SECTOR = bytes.fromhex("31c0 8ed8 8ec0 b80102 bb007e b90200 b600 cd13 be007e"
                            "ac 84c0 7404 e6e9 ebf7 6631c0 baf400 66ef").ljust(510, b"\0") + b"\x55\xaa"


def bios_disk(text):
    return BOOT_SECTOR + text.ljust(1 << 20, b"\0")


# The same for UEFI: prints the text behind it, and ends.
EFI_CODE = bytes.fromhex("488d3512000000 ac 84c0 7404 e6e9 ebf7 31c0 66baf400 ef ebfe")


def efi_application(text):
    """A PE32+ file with one section, which runs wherever it is loaded."""
    code = (EFI_CODE + text + b"\0").ljust(512, b"\0")
    optional = struct.pack("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", 0x20b, 0, 0, 512, 0, 0, 0x1000, 0x1000, 0, 0x1000, 512,
                           0, 0, 0, 0, 0, 0, 0, 0x2000, 512, 0, 10, 0, 0, 0, 0, 0, 0, 16) + bytes(16 * 8)
    section = struct.pack("<8sIIIIIIHHI", b".text", 512, 0x1000, 512, 512, 0, 0, 0, 0, 0xe0000020)
    header = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, len(optional), 0x22)
    return (b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + header + optional + section).ljust(512, b"\0") + code


def efi_disk(text):
    """A FAT12 file system with /EFI/BOOT/BOOTX64.EFI: clusters 2, 3 and 4 of 4 KiB are the folders and the file."""
    def entry(name, attributes, cluster, size=0):
        return struct.pack("<11sB14xHI", name, attributes, cluster, size)

    def folder(own, parent, *entries):
        return b"".join([entry(b".".ljust(11), 0x10, own), entry(b"..".ljust(11), 0x10, parent), *entries]).ljust(4096, b"\0")
    file = efi_application(text)
    boot = struct.pack("<3s8sHBHBHHBHHHIIBBBI11s8s", b"\xeb\x3c\x90", b"tests   ", 512, 8, 1, 2, 512, 4096, 0xf8, 6, 32, 64,
                       0, 0, 0x80, 0, 0x29, 1, b"TEST       ", b"FAT12   ").ljust(510, b"\0") + b"\x55\xaa"
    fat = b"\xf8\xff\xff\xff\xff\xff\xff\x0f".ljust(6 * 512, b"\0")
    root = entry(b"EFI        ", 0x10, 2).ljust(512 * 32, b"\0")
    return (boot + fat + fat + root + folder(2, 0, entry(b"BOOT       ", 0x10, 3))
            + folder(3, 2, entry(b"BOOTX64 EFI", 0x20, 4, len(file))) + file).ljust(2 << 20, b"\0")


def disks(wanted, *options, make=bios_disk, timeout=60):
    """Which of the disks a and b, nodes of these names, firmware boots from."""
    firmware("bios-256k.bin", "seabios")
    with tempfile.TemporaryDirectory() as folder:
        nodes = []
        for name in "ab":
            with open(f"{folder}/{name}", "wb") as file:
                file.write(make(f"disk {name}\n".encode()))
            nodes += ["-blockdev", f"file,node-name={name},filename={folder}/{name}"]
        text, _ = run([*nodes, *options], timeout=timeout)
    tap.equal(text, f"disk {wanted}\n")


def disks_by_uefi(wanted, *options):
    disks(wanted, "-bios", firmware("OVMF.fd", "ovmf"), "-m", "256", *options, make=efi_disk, timeout=240)


def hard_disk():
    """-hda; its channel's other one, and the other channel's, are blank."""
    firmware("bios-256k.bin", "seabios")
    with tempfile.NamedTemporaryFile() as disk:
        disk.write(bios_disk(b"disk a\n"))
        disk.flush()
        text, _ = run(["-drive", "bus=1,format=null-co,read-zeroes=on", "-drive", "format=null-co,read-zeroes=on,unit=1",
                       "-drive", f"index=0,format=raw,file={disk.name}"])
        tap.equal(text, "disk a\n", "-drive")
        text, _ = run(["-hda", disk.name])
    tap.equal(text, "disk a\n", "-hda")


# ---- CDs ----

def disc(text):
    """A CD that prints it and ends, by a BIOS and by UEFI. The BIOS loads more than one sector of 512 bytes."""
    code = bytes.fromhex("31c0 8ed8 be0080 ac 84c0 7404 e6e9 ebf7" + EXIT).ljust(0x400, b"\0")
    return iso.make("text", text, code + text + b"\0", efi_disk(text))


def discs(wanted, *options):
    """Which of the discs a and b, drives of these names, SeaBIOS boots from, and OVMF."""
    firmware("bios-256k.bin", "seabios")
    ovmf = ["-bios", firmware("OVMF.fd", "ovmf"), "-m", "256"]
    with tempfile.TemporaryDirectory() as folder:
        drives = []
        for name in "ab":
            with open(f"{folder}/{name}", "wb") as file:
                file.write(disc(f"disc {name}\n".encode()))
            drives += ["-drive", f"if=none,id={name},media=cdrom,format=raw,file={folder}/{name}"]
        for by in [], ovmf:
            text, _ = run([*by, *[word.replace("FOLDER", folder) for word in (*drives, *options)]], timeout=240)
            tap.equal(text, f"disc {wanted}\n", by)


# ---- in which order ----

def program(ending):
    """What a network card's ROM gets from the server: prints what is behind it, and goes on with @ending."""
    return bytes.fromhex("31c0 8ed8 8ec0 be307c ac 84c0 7404 e6e9 ebf7" + ending).ljust(0x30, b"\0") + b"network\n\0"


EXIT = "6631c0 baf400 66ef"
RESET = "baf90c b006 ee ebfe"
CARD = "virtio-net-pci,netdev=n0"


def network(wanted, *options, ending=EXIT, served=None, disk=bios_disk(b"disk a\n"), expected=EXIT_OK, timeout=120):
    """A disk a, and a network whose server has a program: what is printed."""
    firmware("bios-256k.bin", "seabios")
    firmware("efi-virtio.rom", "ipxe-qemu")
    with tempfile.TemporaryDirectory() as folder:
        for name, contents in ("a", disk), ("program", served or program(ending)):
            with open(f"{folder}/{name}", "wb") as file:
                file.write(contents)
        text, _ = run(["-netdev", f"user,id=n0,tftp={folder},bootfile=program", "-blockdev",
                       f"file,node-name=a,filename={folder}/a", *options], expected=expected, timeout=timeout)
    tap.equal(text, wanted)


def blank_disk_first(wanted, boot, expected=EXIT_OK):
    """The device with a bootindex has nothing to boot; the other has none."""
    network(wanted, "-device", f"{DISK}a,bootindex=0", "-device", CARD, "-boot", boot, disk=bytes(1 << 20), expected=expected)


def menu():
    """SeaBIOS on a serial port asks, and waits; the second one is chosen."""
    firmware("bios-256k.bin", "seabios")
    with tempfile.TemporaryDirectory() as folder:
        options = []
        for name in "ab":
            with open(f"{folder}/{name}", "wb") as file:
                file.write(bios_disk(f"disk {name}\n".encode()))
            options += ["-blockdev", f"file,node-name={name},filename={folder}/{name}",
                        "-device", f"{DISK}{name},bootindex={ord(name)}"]
        with open(f"{folder}/port", "wb") as file:
            file.write(struct.pack("<Q", 0x3f8))
        with start(*options, "-boot", "menu=on,splash-time=60000", "-fw_cfg", f"name=etc/sercon-port,file={folder}/port",
                   "-debugcon", f"file:{folder}/printed", "-device", "isa-debug-exit,iobase=0xf4,iosize=4") as guest:
            guest.wait_for(r"Press ESC for boot menu", 60)
            guest.serial.send(b"\x1b")
            guest.wait_for(r"2\. ", 60)
            guest.serial.send(b"2")
            tap.equal(guest.process.wait(60), EXIT_OK, "exit status")
        with open(f"{folder}/printed", "rb") as file:
            tap.equal(file.read(), b"disk b\n")


# ---- our own guests ----

def multiboot(guest, how, board):
    """What a multiboot kernel finds is the same without firmware and with a BIOS."""
    if "firmware=on" in how:
        firmware("bios-256k.bin", "seabios")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("a.bin", "module A"), ("b,c", "B")):
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        modules = f"{folder}/a.bin x y,{folder}/b,,c,{folder}/a.bin"
        text, _ = run(["-machine", f"{board}{how}", "-smp", "2", "-kernel", f"{GUESTS}/{guest}",
                       "-append", "one two=2", "-initrd", modules])
    if "FAILED" in text:
        raise AssertionError(text)
    tap.equal([line for line in text.splitlines() if not line.startswith("ok ")],
              ["multiboot", f"command line: {guest} one two=2", "CPUs: 2", "modules: 3",
               "module: a.bin x y", "8 bytes: module A", "module: b,c", "1 bytes: B", "module: a.bin",
               "8 bytes: module A", "end, 0 failures"], text)


def pvh_by_bios():
    """The PVH entry of a guest, by the option ROM: what test_bare.py runs without firmware."""
    firmware("bios-256k.bin", "seabios")
    text, _ = run(["-machine", "firmware=on", "-kernel", f"{GUESTS}/timing.elf"])
    if "FAILED" in text or "end, 0 failures" not in text:
        raise AssertionError(text)


def setup_code(version, segment, flags, heap):
    """Setup code of an old protocol: where it is, and what its header was told."""
    firmware("bios-256k.bin", "seabios")
    with tempfile.NamedTemporaryFile() as initrd:
        initrd.write(b"module o and more")
        initrd.flush()
        text, _ = run(["-kernel", f"{GUESTS}/setup-code-{version}.bin", "-append", "one two=2", "-initrd",
                       initrd.name])
    tap.equal(text.splitlines(),
              [f"code segment {segment}", "stack and data differ by 0000", f"loader and flags {flags}",
               f"heap {heap}", "command line one two=2", "kernel KERNEL! to END", "initrd 0011 module o",
               "end"])


def refused(words, *options):
    _, errors = run(options, expected=1)
    for word in words:
        if word not in errors:
            raise AssertionError(f"no '{word}' in: {errors}")


def wrong_firmware():
    """Each kernel with firmware that cannot start it."""
    firmware("bios-256k.bin", "seabios")
    ovmf = ["-bios", firmware("OVMF.fd", "ovmf")]
    old, multi = f"{GUESTS}/setup-code-0x203.bin", f"{GUESTS}/multiboot-elf.elf32"
    refused(["setup code", "needs a BIOS"], "-machine", "firmware=off", "-kernel", old)
    refused(["setup code", "needs a BIOS"], *ovmf, "-kernel", old)
    refused(["multiboot", "not started by UEFI"], *ovmf, "-kernel", multi)
    refused(["PVH", "not started by UEFI"], *ovmf, "-kernel", f"{GUESTS}/io.elf")


# ---- real ones ----

def image(name):
    path = f"{IMAGES}/{name}"
    if not os.path.exists(path):
        raise tap.Skip(f"there is no {path}: its package could not be downloaded")
    return path


def start(*extra, memory="128M"):
    return vm.Vm(PROGRAM, memory=memory, accel="soft", extra=list(extra))


def ipxe():
    """Protocol 2.07, 16-bit entry only, and its last paragraph is short."""
    firmware("bios-256k.bin", "seabios")
    path = image("ipxe.lkrn")
    with start("-kernel", path) as guest:
        guest.wait_for(r"iPXE \d.*Open Source Network Boot Firmware", 60)
        guest.wait_for(r"Features: ", 60)


def memtest(name):
    """It tests memory; the last two lines of its screen are also on the serial port."""
    with start("-kernel", image(name), "-append", "console=ttyS0,115200", memory="8M") as guest:
        no_errors(guest)
        # Without firmware and a card the screen's place is RAM.
        screen = guest.qmp.command("human-monitor-command", **{"command-line": "xp /8c 0xb8000"})
        tap.equal(re.findall(r"'(.)' '.'", screen), list("    "), "the screen's first characters")


def no_errors(guest):
    # It shows a test now and then: the quick ones may be over, and the one that waits for minutes has begun.
    guest.wait_for(r"#(?:[3-9] |10) \[", 120)
    tap.equal(guest.wait_for(r"Errors: *(\d+)", 60).group(1), b"0", "errors that it found")


def memtest_by_bios():
    """The chipset keeps the screen's place for handlers of system management mode, or a card."""
    firmware("bios-256k.bin", "seabios")
    path = f"{BUILD}/guest/memtest.ppm"
    with start("-kernel", image("memtest64.bin"), "-append", "console=ttyS0,115200", "-machine", "firmware=on",
               "-vga", "std", memory="8M") as guest:
        no_errors(guest)
        guest.qmp.command("screendump", filename=path)
    with open(path, "rb") as file:
        pixels = file.read().split(b"\n", 3)[3]
    os.unlink(path)
    colors = collections.Counter(pixels[at:at + 3] for at in range(0, len(pixels), 3)).most_common(2)
    tap.equal([color.hex() for color, _ in colors], ["0000aa", "aaaaaa"], "grey on blue")


def i386_kernel():
    """32-bit entry. It unpacks itself (xz), which takes more time than all the rest."""
    with start("-kernel", image("vmlinuz-686"), "-append", "console=ttyS0", memory="256M") as guest:
        guest.wait_for(r"Linux version [0-9.-]+-686 ", 480)
        guest.wait_for(r"BIOS-e820: \[mem 0x0000000000100000-0x000000000ffbffff\] usable", 60)
        guest.wait_for(r"Kernel command line: console=ttyS0\r?\n", 60)


def xen(*how):
    """Multiboot with two modules: Xen starts Linux as its first domain."""
    if how:
        firmware("bios-256k.bin", "seabios")
    modules = f"{BUILD}/guest/vmlinuz console=hvc0 earlyprintk=xen,{BUILD}/guest/initrd"
    with start("-kernel", image("xen"), "-append", "console=com1 com1=115200,8n1 noreboot", "-initrd", modules,
               *how, memory="512M") as guest:
        guest.wait_for(r"Xen version 4\.", 60)
        guest.wait_for(r"\*\*\* Building a PV Dom0 \*\*\*|Xen  kernel: 64-bit", 120)
        guest.wait_for(r"Linux version [0-9.-]+-cloud-amd64", 120)


def grub():
    """An EFI application: UEFI finds it in fw_cfg."""
    ovmf = firmware("OVMF.fd", "ovmf")
    with start("-bios", ovmf, "-kernel", image("grubx64.efi"), memory="256M") as guest:
        guest.wait_for(r"GNU GRUB +version 2", 120)
        guest.wait_for(r"grub> ", 60)
    firmware("bios-256k.bin", "seabios")
    for how in ([], ["-machine", "firmware=on"]):
        refused(["an EFI application", "needs UEFI firmware", "OVMF.fd"], "-kernel", image("grubx64.efi"), *how)


def compressed():
    refused(["compressed (gzip)", "unpack it"], "-kernel", image("xen.gz"))


DISK = "virtio-blk-pci,drive="
ADAPTERS = ["pvscsi", "mptsas1068"]  # from which SeaBIOS boots

GROUPS = {
    "disks": [
        ("an IDE disk", hard_disk),
        ("SATA disks", lambda: disks("b", "-M", "q35", "-device", "ide-hd,drive=a,bus=ide.1,bootindex=5", "-device",
                                     "ide-hd,drive=b,bus=ide.4,bootindex=1")),
        ("SATA disks by UEFI", lambda: disks_by_uefi("b", "-M", "q35", "-device", "ide-hd,drive=a,bus=ide.1,bootindex=5",
                                                     "-device", "ide-hd,drive=b,bus=ide.4,bootindex=1")),
        ("IDE disks by UEFI", lambda: disks_by_uefi("b", "-device", "ide-hd,drive=a,bus=ide.0,bootindex=5", "-device",
                                                    "ide-hd,drive=b,bus=ide.1,bootindex=1")),
        ("SCSI disks", lambda: disks("b", "-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=a,bootindex=5", "-device",
                                     "scsi-hd,drive=b,bootindex=1")),
        ("a SCSI disk by UEFI", lambda: disks_by_uefi("a", "-M", "q35", "-device", "virtio-scsi-pci", "-device",
                                                      "scsi-hd,drive=a")),
        *[(f"disks of {name}", lambda name=name: disks("b", "-device", f"{name}", "-device", "scsi-hd,drive=a,bootindex=5", "-device",
                                                       "scsi-hd,drive=b,bootindex=1")) for name in ADAPTERS],
        ("one on pc", lambda: disks("a", "-device", f"{DISK}a")),
        ("the first one on pc", lambda: disks("b", "-device", f"{DISK}a,bootindex=5", "-device", f"{DISK}b,bootindex=0")),
        ("one that is named on q35", lambda: disks(
            "b", "-M", "q35", "-device", f"{DISK}a", "-device", f"{DISK}b,bootindex=1")),
        ("one behind a root port", lambda: disks(
            "b", "-M", "q35", "-device", "pcie-root-port,id=p1,chassis=1,addr=3", "-device", f"{DISK}a,bootindex=7",
            "-device", f"{DISK}b,bus=p1,bootindex=1")),
        ("one on another root bus", lambda: disks(
            "b", "-M", "q35", "-device", "pxb-pcie,id=x0,bus_nr=80", "-device", "pxb-pcie,id=empty,bus_nr=40",
            "-device", "pxb-pcie,id=x1,bus_nr=60", "-device", "pcie-root-port,id=p1,bus=x1,chassis=1", "-device",
            "pcie-root-port,id=p0,bus=x0", "-device", f"{DISK}a,bootindex=7", "-device", f"{DISK}b,bus=p0,bootindex=1")),
        ("an SD card", lambda: disks("b", "-device", "sdhci-pci", "-device", "sd-card,drive=b", make=lambda text: bios_disk(text)[:1 << 20])),
        ("an NVMe disk", lambda: disks("b", "-device", f"{DISK}a,bootindex=2", "-device", "nvme,serial=x,drive=b,bootindex=1")),
        ("an NVMe namespace by UEFI", lambda: disks_by_uefi(
            "b", "-M", "q35", "-device", f"{DISK}a,bootindex=7", "-device", "nvme,serial=x", "-device",
            "nvme-ns,drive=b,bootindex=1")),
        *[(f"{name} by UEFI on pc", lambda name=name, a=a, b=b: disks_by_uefi(
            name, "-device", f"{DISK}a,bootindex={a}", "-device", f"{DISK}b,bootindex={b}"))
          for name, a, b in (("a", 0, 5), ("b", 5, 0))],
        ("one behind a root port by UEFI", lambda: disks_by_uefi(
            "b", "-M", "q35", "-device", "pcie-root-port,id=p1,chassis=1,addr=3", "-device", f"{DISK}a,bootindex=7",
            "-device", f"{DISK}b,bus=p1,bootindex=1"))],
    "discs": [
        ("an IDE drive", lambda: discs("a", "-device", "ide-cd,drive=a")),
        ("-cdrom on pc", lambda: discs("b", "-cdrom", "FOLDER/b", "-hda", "null-co://", "-boot", "d")),
        ("-cdrom on q35", lambda: discs("b", "-M", "q35", "-cdrom", "FOLDER/b")),
        ("SATA drives", lambda: discs("b", "-M", "q35", "-device", "ide-cd,drive=a,bus=ide.1,bootindex=5", "-device",
                                      "ide-cd,drive=b,bus=ide.4,bootindex=1")),
        ("a SCSI drive", lambda: discs("a", "-M", "q35", "-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=a"))],
    "order": [
        ("a network card by bootindex", lambda: network(
            "network\n", "-device", f"{DISK}a,bootindex=2", "-device", f"{CARD},bootindex=1")),
        ("a disk by bootindex", lambda: network(
            "disk a\n", "-device", f"{DISK}a,bootindex=1", "-device", f"{CARD},bootindex=2")),
        ("a modern card behind a root port", lambda: network(
            "network\n", "-M", "q35", "-device", "pcie-root-port,id=p1,chassis=1,addr=3", "-device", f"{DISK}a",
            "-device", f"{CARD},bus=p1,bootindex=1")),
        ("e1000", lambda: network("network\n", "-device", f"{DISK}a", "-device", "e1000,netdev=n0", "-boot", "n")),
        ("e1000e", lambda: network("network\n", "-M", "q35", "-device", f"{DISK}a", "-device", "e1000e,netdev=n0", "-boot", "n")),
        ("rtl8139", lambda: network("network\n", "-device", f"{DISK}a", "-device", "rtl8139,netdev=n0", "-boot", "n")),
        ("order=n", lambda: network("network\n", "-device", f"{DISK}a", "-device", CARD, "-boot", "n")),
        ("order=cn", lambda: network("disk a\n", "-device", f"{DISK}a", "-device", CARD, "-boot", "order=cn")),
        ("once=n, and a reset", lambda: network(
            "network\ndisk a\n", "-device", f"{DISK}a", "-device", CARD, "-boot", "order=c,once=n", "-action",
            "reboot=reset", ending=RESET)),
        ("a card without its ROM", lambda: network(
            "disk a\n", "-device", f"{DISK}a,bootindex=2", "-device", f"{CARD},rombar=0,bootindex=1")),
        ("a network card by UEFI", lambda: network(
            "network\n", "-bios", firmware("OVMF.fd", "ovmf"), "-m", "256", "-device", f"{DISK}a,bootindex=2", "-device",
            "virtio-net-pci,netdev=n0,bootindex=1", served=efi_application(b"network\n"), timeout=240)),
        ("e1000e by UEFI", lambda: network(
            "network\n", "-M", "q35", "-bios", firmware("OVMF.fd", "ovmf"), "-m", "256", "-device",
            "e1000e,netdev=n0,bootindex=1", served=efi_application(b"network\n"), timeout=240)),
        ("strict=off: the rest after the first one", lambda: blank_disk_first("network\n", "strict=off")),
        ("strict=on, and reboot-timeout", lambda: blank_disk_first("", "strict=on,reboot-timeout=1", expected=0)),
        ("menu=on", menu)],
    "cards": [(card, lambda card=card: network(
        "network\n", "-device", f"{DISK}a", "-device", f"{card},netdev=n0", "-boot", "n")) for card in ("vmxnet3", "pcnet", "i82557b", "i82551")],
    "formats": [(f"{guest} on {board}{how}", lambda g=guest, h=how, b=board: multiboot(g, h, b))
                for guest in ("multiboot-elf.elf32", "multiboot-flat.bin", "multiboot-kludge.elf64")
                for board, how in (("pc", ""), ("q35", ",firmware=on"))] + [
        ("a PVH kernel by a BIOS", pvh_by_bios),
        ("protocol 2.00, zImage", lambda: setup_code("0x200", "9020", "00ff", "1234")),
        ("protocol 2.01, bzImage", lambda: setup_code("0x201", "9020", "81ff", "9000")),
        ("protocol 2.02, zImage", lambda: setup_code("0x202", "9020", "80ff", "9000")),
        ("protocol 2.03, bzImage", lambda: setup_code("0x203", "1020", "81ff", "9000")),
        ("firmware that cannot start it", wrong_firmware)],
    "images": [("iPXE", ipxe), ("memtest86+, 64 bits", lambda: memtest("memtest64.bin")),
               ("memtest86+, 32 bits", lambda: memtest("memtest32.bin")),
               ("memtest86+, 64 bits, by SeaBIOS", memtest_by_bios),
               ("Xen", xen),
               ("Xen by SeaBIOS", lambda: xen("-machine", "firmware=on")),
               ("GRUB by OVMF", grub), ("a compressed kernel", compressed)],
    "i386": [("Debian's kernel for i386", i386_kernel)],
}

if __name__ == "__main__":
    tap.run(GROUPS[sys.argv[2]])

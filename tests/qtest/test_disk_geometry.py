#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Cylinders, heads and sectors of disks: what IDENTIFY DEVICE tells, what is in the CMOS RAM for a BIOS, and what
the file bios-geometry of fw_cfg says."""
import tempfile

import machine
import vm

import tap

MIB = 1 << 20
BUSY, DATA = 0x80, 8
NONE, LBA, LARGE = 0, 1, 2
CHANNELS = (0x1f0, 0x170)


def make(path, size, end=None, length=20000, signed=True):
    """A disk; end: (heads, sectors) of the geometry its only partition was made for."""
    sector = bytearray(512)
    if end:
        sector[446:462] = bytes([0x80, 1, 1, 0, 0x83, end[0] - 1, end[1], 100]) + (63).to_bytes(4, "little") + length.to_bytes(4, "little")
        sector[510:] = b"\x55\xaa" if signed else b"\0\0"
    with open(path, "wb") as file:
        file.write(sector)
        file.truncate(size)


def identify(m, place):
    base = CHANNELS[place // 2]
    m.write("b", base + 6, 0xa0 | place % 2 << 4)
    m.write("b", base + 7, 0xec)
    while m.read("b", base + 7) & (BUSY | DATA) != DATA:
        pass
    words = [m.read("w", base) for _ in range(256)]
    return words[1], words[3], words[6]


def cmos(m, index):
    m.write("b", 0x70, index)
    return m.read("b", 0x71)


def described(m, place):
    """None, or the geometry in the CMOS RAM of the first or second disk."""
    if not cmos(m, 0x12) & (0xf0, 0xf)[place]:
        tap.equal([cmos(m, 0x19 + place), *(cmos(m, 0x1b + 9 * place + i) for i in range(9))], [0] * 10)
        return None
    tap.equal(cmos(m, 0x19 + place), 47)
    b = [cmos(m, 0x1b + 9 * place + i) for i in range(9)]
    tap.equal((b[3], b[4], b[5], b[6:8]), (0xff, 0xff, 0xc0 | (8 if b[2] > 8 else 0), b[:2]))
    return b[0] | b[1] << 8, b[2], b[8]


def translation(m, place):
    return cmos(m, 0x39) >> place * 2 & 3


def start(*options, board="pc"):
    return machine.Machine(memory="16M", extra=["-machine", board, *options])


def ide(path, place, **props):
    more = "".join(f",{name.replace('_', '-')}={value}" for name, value in props.items())
    return ["-drive", f"if=none,id=p{place},format=raw,file={path}",
            "-device", f"ide-hd,id=d{place},drive=p{place},bus=ide.{place // 2},unit={place % 2}{more}"]


# (size, end of the partition, its length, signed): geometry, translation; as the reference has it.
USUAL_10M, USUAL_1G, LARGEST = (20, 16, 63), (2080, 16, 63), (16383, 16, 63)
GUESSED = [
    (10 * MIB, None, 0, True, USUAL_10M, NONE),
    (10 * MIB, (255, 63), 20000, True, USUAL_10M, LARGE),
    (10 * MIB, (8, 32), 5000, True, (80, 8, 32), NONE),
    (10 * MIB, (1, 1), 100, True, USUAL_10M, NONE),
    (10 * MIB, (16, 0), 100, True, USUAL_10M, NONE),
    (1024 * MIB, None, 0, True, USUAL_1G, LBA),
    (1024 * MIB, (16, 63), 20000, True, USUAL_1G, NONE),
    (1024 * MIB, (8, 32), 5000, True, (8192, 8, 32), NONE),
    (1024 * MIB, (255, 63), 20000, True, USUAL_1G, LARGE),
    (1024 * MIB, (255, 63), 0, True, USUAL_1G, LBA),
    (1024 * MIB, (255, 63), 20000, False, USUAL_1G, LBA),
    (9216 * MIB, (255, 63), 20000, True, LARGEST, LBA),
    (9216 * MIB, (8, 32), 5000, True, LARGEST, LBA),
]


def guessed():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/disk"
        for size, end, length, signed, geometry, trans in GUESSED:
            make(path, size, end, length, signed)
            with start("-drive", f"if=ide,format=raw,file={path}") as m:
                what = f"{size // MIB} MiB, {end}"
                tap.equal(identify(m, 0), geometry, what)
                tap.equal((described(m, 0), described(m, 1)), (geometry, None), what)
                tap.equal(translation(m, 0), trans, what)


def given():
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/disk{place}" for place in range(4)]
        for path in paths:
            make(path, 1024 * MIB, (255, 63))
        options = [word for place, props in enumerate((
            {"cyls": 100, "heads": 4, "secs": 20}, {"cyls": 2000, "heads": 16, "secs": 63, "bios_chs_trans": "large"},
            {"bios_chs_trans": "rechs"}, {"bios_chs_trans": "lba"})) for word in ide(paths[place], place, **props)]
        with start(*options) as m:
            tap.equal([identify(m, place) for place in range(4)], [(100, 4, 20), (2000, 16, 63), USUAL_1G, USUAL_1G])
            tap.equal([described(m, place) for place in range(2)], [(100, 4, 20), (2000, 16, 63)])
            tap.equal([translation(m, place) for place in range(4)], [NONE, LARGE, 3, LBA])
            tap.equal(m.qmp.command("qom-get", path="d3", property="bios-chs-trans"), "lba")
        with start(board="q35") as m:
            tap.equal((described(m, 0), described(m, 1), cmos(m, 0x39)), (None, None, 0))
        # A CD is no disk.
        with start("-drive", f"if=ide,media=cdrom,format=raw,readonly=on,file={paths[0]}") as m:
            tap.equal((described(m, 0), described(m, 1), cmos(m, 0x39)), (None, None, 0))


def file_of(m, name):
    m.write("w", 0x510, 0x19)
    count = int.from_bytes(bytes(m.read("b", 0x511) for _ in range(4)), "big")
    for _ in range(count):
        entry = bytes(m.read("b", 0x511) for _ in range(64))
        if entry[8:].split(b"\0")[0].decode() == name:
            m.write("w", 0x510, int.from_bytes(entry[4:6], "big"))
            return bytes(m.read("b", 0x511) for _ in range(int.from_bytes(entry[:4], "big")))
    raise AssertionError(f"no {name}")


def told():
    """By those that have lcyls= and the others, whether firmware boots from them or not."""
    chs = "lcyls={},lheads={},lsecs={}"
    with tempfile.TemporaryDirectory() as folder:
        make(f"{folder}/disk", MIB)
        options = ["-blockdev", "driver=null-co,node-name=n1,read-zeroes=on,size=1048576", "-blockdev", "driver=null-co,node-name=n2,size=1048576",
                   *ide(f"{folder}/disk", 1, lcyls=100, lheads=20, lsecs=30, bootindex=1),
                   "-device", f"virtio-blk-pci,id=v,drive=n1,addr=7,{chs.format(10000, 120, 30)}",
                   "-device", "virtio-scsi-pci,addr=8,id=s", "-device", f"scsi-hd,drive=n2,bus=s.0,bootindex=2,{chs.format(3, 4, 5)}"]
        with start(*options) as m:
            tap.equal(file_of(m, "bios-geometry"),
                      b"/pci@i0cf8/ide@1,1/drive@0/disk@1 100 20 30\n/pci@i0cf8/scsi@7/disk@0,0 10000 120 30\n"
                      b"/pci@i0cf8/scsi@8/channel@0/disk@0,0 3 4 5\0")
            tap.equal(file_of(m, "bootorder"), b"/pci@i0cf8/ide@1,1/drive@0/disk@1\n/pci@i0cf8/scsi@8/channel@0/disk@0,0\0")
            # What goes is told of no more, from the next boot on.
            m.qmp.command("device_del", id="v")
            m.write("l", 0xae08, 1 << 7)
            m.qmp.event("DEVICE_DELETED", device="v")
            m.qmp.command("system_reset")
            m.qmp.event("RESET")
            tap.equal(b"scsi@7" in file_of(m, "bios-geometry"), False)
        with start() as m:
            tap.equal(file_of(m, "bios-geometry"), b"")


def moves():
    """Where a machine goes, its disk may not have its contents yet: it stays as the guest knows it, and as firmware is told."""
    with tempfile.TemporaryDirectory() as folder:
        make(f"{folder}/here", 10 * MIB, (8, 32), 5000)
        make(f"{folder}/there", 10 * MIB)
        with start(*ide(f"{folder}/here", 0)) as m, start(*ide(f"{folder}/there", 0), "-incoming", "defer", "-S") as there:
            there.qmp.command("migrate-incoming", uri=f"unix:{folder}/move")
            m.qmp.command("migrate", uri=f"unix:{folder}/move")
            for one in (m, there):
                vm.wait_until(lambda one=one: one.qmp.command("query-migrate").get("status") == "completed", "it has moved")
            there.qmp.command("cont")
            for _ in range(2):
                tap.equal((identify(there, 0), described(there, 0), translation(there, 0)), ((80, 8, 32), (80, 8, 32), NONE))
                there.qmp.command("system_reset")
                there.qmp.event("RESET")


def refused():
    disk = ["-accel", "qtest", "-display", "none", "-blockdev", "driver=null-co,node-name=n,size=1048576", "-device"]
    for text, words in (("ide-hd,drive=n,lcyls=3", "lcyls=3, lheads=0, lsecs=0"), ("virtio-blk-pci,drive=n,lcyls=1,lheads=256,lsecs=1", "lheads=256"),
                        ("ide-hd,drive=n,bios-chs-trans=x", "none, lba, large, rechs, auto")):
        status, output = machine.run_program(*disk, text)
        tap.equal((status, words in output), (1, True), output)
    # Nothing is left behind of one that is refused.
    with start("-blockdev", "driver=null-co,node-name=n,size=1048576") as m:
        try:
            m.qmp.command("device_add", driver="virtio-blk-pci", drive="n", lcyls=1, lheads=1, lsecs=999)
        except vm.QmpError as err:
            tap.equal("lsecs=999" in err.desc, True, err.desc)
        else:
            raise AssertionError("taken")
        m.qmp.command("device_add", driver="virtio-blk-pci", drive="n", id="v", lcyls=1, lheads=1, lsecs=1)


tap.run([("what partitions say", guessed), ("what is given", given), ("what firmware is told", told), ("a disk that moves", moves), ("what is refused", refused)])

# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver of an NVMe controller, for tests."""
import base64
import struct

import machine
import tap

IDENTIFY = 6


class Controller:
    """The one in slot @slot of bus 0, with a queue for admin commands and one for the disks."""

    def __init__(self, m, slot, sets=0):
        self.sets = sets  # CC.CSS
        self.m, self.slot, self.bar, self.ram = m, slot, 0xe0000000 + (slot << 20), 0x100000 * slot
        self.reset()

    def reset(self):
        for at, value in ((0x10, self.bar), (0x14, 0), (4, 6)):
            self.m.write("l", 0xcf8, 0x80000000 | self.slot << 11 | at)
            self.m.write("l", 0xcfc, value)
        self.m(f"memset {self.ram:#x} 0x8000 0")
        for at, value in ((0x14, 0), (0x24, 7 << 16 | 7), (0x28, self.ram), (0x2c, 0), (0x30, self.ram + 0x1000), (0x34, 0), (0x14, 0x460001 | self.sets << 4)):
            self.m(f"writel {self.bar + at:#x} {value:#x}")
        self.queues = {0: (self.ram, [0, 0, 1]), 1: (self.ram + 0x2000, [0, 0, 1])}  # where; tail, head, phase
        tap.equal(self.command(0, 5, cdw10=7 << 16 | 1, cdw11=1, data=self.ram + 0x3000), 0, "completion queue")
        tap.equal(self.command(0, 1, cdw10=7 << 16 | 1, cdw11=1 << 16 | 1, data=self.ram + 0x2000), 0, "submission queue")

    def submit(self, queue, opcode, nsid=0, cdw10=0, cdw11=0, cdw12=0, cdw13=0, cdw14=0, data=None):
        at, place = self.queues[queue]
        entry = struct.pack("<IIQQQQ6I", opcode, nsid, 0, 0, self.ram + 0x4000 if data is None else data, 0, cdw10, cdw11, cdw12, cdw13, cdw14, 0)
        self.m(f"b64write {at + 64 * place[0]:#x} 64 {base64.b64encode(entry).decode()}")
        place[0] = (place[0] + 1) % 8
        self.m(f"writel {self.bar + 0x1000 + 8 * queue:#x} {place[0]:#x}")

    def completion(self, queue):
        """(Status, result)."""
        at, place = self.queues[queue]
        entry = at + 0x1000 + 16 * place[1]
        machine.vm.wait_until(lambda: int(self.m(f"readw {entry + 14:#x}")[0], 0) & 1 == place[2], "a completion")
        found = int(self.m(f"readw {entry + 14:#x}")[0], 0) >> 1 & 0x3fff, int(self.m(f"readq {entry:#x}")[0], 0)
        place[1] = (place[1] + 1) % 8
        place[2] ^= not place[1]
        self.m(f"writel {self.bar + 0x1004 + 8 * queue:#x} {place[1]:#x}")
        return found

    def command(self, *args, **options):
        self.submit(*args, **options)
        return self.completion(args[0])[0]

    def data(self, size=4096):
        return base64.b64decode(self.m(f"b64read {self.ram + 0x4000:#x} {size}")[0])

    def put(self, data):
        self.m(f"b64write {self.ram + 0x4000:#x} {len(data)} {base64.b64encode(data).decode()}")

    def identify(self, cns, nsid=0, more=0):
        status = self.command(0, IDENTIFY, nsid, cdw10=cns | more << 16)
        return self.data() if not status else status

    def read(self, nsid, block):
        status = self.command(1, 2, nsid, cdw10=block)
        return status or self.data(512)

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What memory hot-plug costs the host in the long run. What the registers do is in
qtest-hotplug.c."""
import machine
import vm

import tap

MIB = 1 << 20
SELECT, FLAGS = 0xA00, 0xA14
INSERT, EJECT = 2, 8


def loop(count):
    """Plug and eject again and again: no growth in file descriptors or mappings."""
    with machine.Machine() as m:
        def turn():
            m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m-d0",
                                           "size": 128 * MIB})
            m.qmp.command("device_add", driver="pc-dimm", id="d0", memdev="m-d0")
            m.write("l", SELECT, 0)
            m.write("b", FLAGS, INSERT | EJECT)
            m.qmp.event("DEVICE_DELETED")
            m.qmp.command("object-del", id="m-d0")

        def usage():
            with open(f"/proc/{m.process.pid}/maps", encoding="ascii") as maps:
                return len(maps.readlines()), len(vm.os.listdir(f"/proc/{m.process.pid}/fd"))
        for _ in range(10):
            turn()
        before = usage()
        for _ in range(count):
            turn()
        after = usage()
        mappings_grow = after[0] > before[0] + 4 and machine.sanitizer() != "ThreadSanitizer"  # which maps shadows
        if mappings_grow or after[1] > before[1]:
            raise AssertionError(f"(mappings, descriptors) went from {before} to {after}")


tap.run([("200 times in a loop", lambda: loop(200))])

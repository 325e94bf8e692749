# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines whose CPUs do not run, and their tables."""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import vm  # noqa: E402

import loader  # noqa: E402
import reader  # noqa: E402


class Box(vm.Vm):
    """A machine that qtest reaches. @accel: "qtest", or for a program without it "tcg", stopped."""

    def __init__(self, program, accel="qtest", extra=(), **options):
        extra = ["-S", "-qtest", "unix:QTEST,server=on,wait=off", "-qtest-log", "none", *extra]
        super().__init__(program, accel=accel, serial=False, extra=extra, **options)
        self.qtest = vm.Stream(f"{self.dir}/qtest", self.process)

    def __call__(self, line):
        self.qtest.send(line.encode() + b"\n")
        while b"\n" not in self.qtest.buffer:
            if not self.qtest.fill(vm.time.monotonic() + 20):
                raise vm.Timeout(f"qtest: no answer to {line}")
        answer, self.qtest.buffer = self.qtest.buffer.split(b"\n", 1)
        words = answer.decode().split()
        if words[0] != "OK":
            raise RuntimeError(f"qtest: {line}: {answer.decode()}")
        return words[1:]

    def read(self, address, size):
        return bytes.fromhex(self(f"read {address:#x} {size:#x}")[0][2:])


def start(program, config, firmware_file):
    """The machine of @config, with its hot DIMMs plugged and made known by a reset."""
    extra = config.arguments()
    if config.firmware:
        extra += ["-bios", firmware_file]
    box = Box(program, memory=config.memory, cpus=config.smp, extra=extra)
    try:
        hot = [(n, dimm) for n, dimm in enumerate(config.dimms) if dimm.how == "hot"]
        for n, dimm in hot:
            box.plug(f"d{n}", dimm.size, online=False, node=dimm.node, backend_props={"reserve": False})
        if hot:
            box.qmp.command("system_reset")
            box.qmp.event("RESET")
        if config.firmware and config.machine == "q35":
            set_up_mch(box)
    except BaseException:
        box.close()
        raise
    return box


def set_up_mch(box):
    """As firmware does it: configuration space at 0xb0000000, enabled (register PCIEXBAR)."""
    for register, value in ((0x64, 0), (0x60, 0xB0000001)):
        box(f"outl 0xcf8 {0x80000000 | register:#x}")
        box(f"outl 0xcfc {value:#x}")


def tables(box, firmware):
    """({signature: bytes}, {signature: address}), followed from the RSDP."""
    return reader.read_tables(loader.load(box) if firmware else box.read)


def dump(program, config):
    """{file name: bytes} of -machine dump-acpi. Without DIMMs that are hot-plugged."""
    with tempfile.TemporaryDirectory(prefix="test-acpi-") as folder:
        words = config.arguments()
        words[1] += f",dump-acpi={folder}"
        done = subprocess.run([program, "-accel", "qtest", "-nodefaults", "-display", "none", "-m",
                               config.memory, "-smp", config.smp, *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                              check=False)
        if done.returncode:
            raise AssertionError(f"dump-acpi: {done.stdout}")
        return {path.name: path.read_bytes() for path in pathlib.Path(folder).glob("*.dat")}

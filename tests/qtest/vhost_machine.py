# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines with devices of vhost-user, and a back-end of our own (vhost_backend.py)."""
import contextlib
import struct
import tempfile

import machine
import vhost_backend as vhost
import virtio_driver

MIB = 1 << 20
RAM = ["-object", "memory-backend-memfd,id=ram,size=16M", "-machine", "pc,memory-backend=ram"]
SLOT = 4


@contextlib.contextmanager
def setup(*devices, memory="16M,slots=32,maxmem=8G", chardev="reconnect=1", extra=RAM, **backend):
    """A back-end and a machine with its chardev c0."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/backend"
        end = vhost.Backend(path, **backend)
        words = [word.replace("PATH", path) for word in extra]
        try:
            with machine.Machine(memory=memory, extra=[*words, "-chardev", f"socket,id=c0,path={path},{chardev}",
                                                       *devices]) as m:
                yield end, m
        finally:
            end.close()


def disk(*more, **options):
    return setup("-device", f"vhost-user-blk-pci,id=d0,chardev=c0,addr={SLOT}", *more, **options)


def ready(m, features=1 << 32, queues=1):
    driver = virtio_driver.Driver(m, SLOT)
    driver.begin(features)
    for n in range(queues):
        driver.queue(n)
    driver.ready()
    return driver


def firmware(path, *writes, more=b""):
    """64 KiB of code: wait for a byte of the serial port, and then write to I/O ports: (port, value), a value of 32 bits for the
    ports of PCI's configuration, and where it is one; and then more."""
    code = bytes.fromhex("ba fd 03 ec a8 01 74 fb ba f8 03 ec")  # mov dx, LSR; in al, dx; test al, 1; jz; mov dx, RBR; in al, dx
    for port, value in writes:
        code += b"\xba" + struct.pack("<H", port)
        wide = port in (0xcf8, 0xcfc) or value > 0xff
        code += b"\x66\xb8" + struct.pack("<I", value) + b"\x66\xef" if wide else bytes([0xb0, value, 0xee])
    code += more + bytes.fromhex("f4 eb fd")  # hlt; jmp
    with open(path, "wb") as file:
        file.write((bytes(0xf000) + code).ljust(0xfff0, b"\0") + bytes.fromhex("e9 0d f0").ljust(16, b"\0"))

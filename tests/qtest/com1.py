# SPDX-License-Identifier: GPL-2.0-or-later
"""The first serial port as a guest without interrupts uses it, and what the other end reads."""
import time

import vm

COM1 = 0x3f8
LINE_STATUS = COM1 + 5
DATA_READY, BREAK = 0x01, 0x10


def guest_reads(m, count):
    text = b""
    deadline = time.monotonic() + vm.LONG
    while len(text) < count and time.monotonic() < deadline:
        status = m.read("b", LINE_STATUS)
        if status & BREAK:
            text += b"[break]"
            m.read("b", COM1)
        elif status & DATA_READY:
            text += bytes([m.read("b", COM1)])
    return text


def guest_writes(m, text):
    for byte in text:
        m.write("b", COM1, byte)


def receive(sock, size):
    """Exactly so many bytes from the other end."""
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise EOFError(f"after {data!r}")
        data += piece
    return data

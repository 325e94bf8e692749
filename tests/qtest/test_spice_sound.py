#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-audiodev spice: what the guest plays by HD audio is what a client of another project hears. The guest is a driver of ours,
by qtest."""
import ctypes
import struct
import tempfile

import machine
from machine import tap
from spice_client import Client, GObject

BAR, LIST, DATA = 0xe0000000, 0x202000, 0x210000
GCTL, ICOI, ICIS, OUT, CBL, LVI, FMT, BDPL = 8, 0x60, 0x68, 0x100, 8, 0xc, 0x12, 0x18
FORMAT_48K, RUN, RATE = 0x11, 2, 48000
FRAMES = [(n * 6 - 15000, 7 - n) for n in range(4800)]


class Hda:
    def __init__(self, m, slot, stream):
        self.m, self.out, self.tag = m, OUT + 0x20 * (stream - 1), stream
        self.bar = BAR + 0x10000 * slot
        for offset, value in ((0x10, self.bar), (4, 6)):
            m.write("l", 0xcf8, 0x80000000 | slot << 11 | offset)
            m.write("l", 0xcfc, value)
        self.put("l", GCTL, 1)

    def put(self, width, offset, value):
        self.m(f"write{width} {self.bar + offset:#x} {value:#x}")

    def play(self, frames, seconds, first=True):
        """@frames again and again, for so long."""
        data = b"".join(struct.pack("<hh", *frame) for frame in frames)
        self.m(f"write {DATA:#x} {len(data):#x} 0x{data.hex()}")
        for n in range(2):
            self.m(f"writeq {LIST + 16 * n:#x} {DATA + n * len(data) // 2:#x}")
            self.m(f"writeq {LIST + 16 * n + 8:#x} {len(data) // 2:#x}")
        for width, offset, value in (("l", self.out + CBL, len(data)), ("w", self.out + LVI, 1), ("w", self.out + FMT, FORMAT_48K), ("l", self.out + BDPL, LIST)):
            self.put(width, offset, value)
        self.put("l", ICOI, 0x270600 | self.tag << 4)  # the converter is at this stream
        self.put("w", ICIS, 1)
        self.put("l", self.out, self.tag << 20 | RUN)
        self.m(f"clock_step {int(seconds * 1e9)}")

    def end(self):
        self.put("l", self.out, 0)
        self.m("clock_step 20000000")


class Listener(Client):
    """@heard: what came, by the rates that were told."""

    def __init__(self, path):
        self.heard, self.rate, self.ends = {}, None, 0
        super().__init__(path)

    def channel_new(self, session, channel):
        if type(channel).__name__ == "PlaybackChannel":
            GObject.Object.connect(channel, "playback-start", self.begins)
            GObject.Object.connect(channel, "playback-data", self.sounds)
            GObject.Object.connect(channel, "playback-stop", self.stops)
        super().channel_new(session, channel)

    def begins(self, _channel, form, channels, rate):
        tap.equal((form, channels), (1, 2), "samples of 16 bits, two sides")
        self.rate = rate

    def sounds(self, _channel, data, size):
        self.heard[self.rate] = self.heard.get(self.rate, b"") + ctypes.string_at(data, size)

    def stops(self, _channel):
        self.ends += 1


def start(folder, *more):
    return machine.Machine(memory="64M", extra=["-M", "pc", "-spice", f"unix=on,addr={folder}/s,disable-ticketing=on,playback-compression=off", *more])


ONE = ("-audiodev", "spice,id=a", "-device", "intel-hda,id=h,addr=4", "-device", "hda-output,bus=h.0,audiodev=a")


def hears():
    """What is played before a client is there nobody hears; then it is whole; a second sound is one of its own."""
    with tempfile.TemporaryDirectory() as folder, start(folder, *ONE) as m:
        hda = Hda(m, 4, 1)
        hda.play(FRAMES, 0.5)
        hda.end()
        client = Listener(f"{folder}/s")
        client.wait(lambda: ("PlaybackChannel", "opened") in client.events, "its channel for sound")
        for times in (1, 2):
            client.heard = {}
            hda.play(FRAMES, 0.3)
            hda.end()
            client.wait(lambda: client.ends == times, "the end")  # pylint: disable=cell-var-from-loop
            tap.equal(list(client.heard), [RATE])
            found = list(struct.iter_unpack("<hh", client.heard[RATE]))
            at = found.index(FRAMES[0])
            tap.equal(len(found) >= 0.3 * RATE, True, f"{len(found)} frames")
            tap.equal(found[at:at + 2 * len(FRAMES)], 2 * FRAMES)
        client.close()


def two_devices():
    """Both are one sound."""
    with tempfile.TemporaryDirectory() as folder, start(folder, *ONE, "-audiodev", "spice,id=b", "-device", "intel-hda,id=i,addr=5",
                                                        "-device", "hda-output,bus=i.0,audiodev=b") as m:
        client = Listener(f"{folder}/s")
        client.wait(lambda: ("PlaybackChannel", "opened") in client.events, "its channel for sound")
        first, second = Hda(m, 4, 1), Hda(m, 5, 1)
        first.play([(1000, 2000)] * 4800, 0)
        second.play([(1000, 2000)] * 4800, 0.3)
        first.end()
        second.end()
        client.wait(lambda: client.ends, "the end")
        found = set(struct.iter_unpack("<hh", client.heard[RATE]))
        tap.equal((2000, 4000) in found and found <= {(0, 0), (1000, 2000), (2000, 4000)}, True, found)
        client.close()


def goes_amid():
    """A client that goes while something sounds, and another that comes."""
    with tempfile.TemporaryDirectory() as folder, start(folder, *ONE) as m:
        hda = Hda(m, 4, 1)
        for _ in range(3):
            client = Listener(f"{folder}/s")
            client.wait(lambda: ("PlaybackChannel", "opened") in client.events, "its channel for sound")  # pylint: disable=cell-var-from-loop
            hda.play(FRAMES, 0.1)
            client.wait(lambda: client.heard, "sound")  # pylint: disable=cell-var-from-loop
            client.close()
            m("clock_step 100000000")
        m.qmp.command("quit")
        tap.equal(m.process.wait(60), 0)


def ends_amid():
    """The program ends while something sounds."""
    with tempfile.TemporaryDirectory() as folder, start(folder, *ONE) as m:
        client = Listener(f"{folder}/s")
        client.wait(lambda: ("PlaybackChannel", "opened") in client.events, "its channel for sound")
        Hda(m, 4, 1).play(FRAMES, 0.1)
        client.wait(lambda: client.heard, "sound")
        m.qmp.command("quit")
        tap.equal(m.process.wait(60), 0)
        client.close()


tap.run([("a client hears what is played", hears), ("two devices", two_devices), ("a client goes amid a sound", goes_amid), ("the program ends amid a sound", ends_amid)])

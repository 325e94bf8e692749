#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sound as Debian's kernel makes it, and the file where it goes: test_sound.py BUILD-DIR."""
import os
import statistics
import struct
import sys
import tempfile
import wave

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
HDA = ("soundcore", "snd", "snd-timer", "snd-pcm", "snd-hwdep", "ledtrig-audio", "snd-hda-core", "snd-hda-codec", "snd-hda-codec-generic",
       "snd-intel-sdw-acpi", "snd-intel-dspcfg", "snd-hda-intel", "snd-mixer-oss", "snd-pcm-oss")


def periods(path):
    """Seconds between the moments at which the left side begins to be positive; and the file's length."""
    with wave.open(path) as file:
        tap.equal((file.getnchannels(), file.getsampwidth()), (2, 2))
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    left = struct.unpack(f"<{len(data) // 2}h", data)[::2]
    rises = [n for n in range(1, len(left)) if left[n - 1] <= 0 < left[n]]
    return [(b - a) / rate for a, b in zip(rises, rises[1:])], len(left) / rate


USB = ("usb-common", "usbcore", "uhci-hcd", "xhci-hcd", "xhci-pci", "mc", "snd-seq-device", "snd-rawmidi", "snd-usbmidi-lib", "snd-usb-audio")


def play(guest, path, card):
    """A tone of 500 Hz: eight samples up, eight down, of the 8000 a second that /dev/dsp has."""
    guest.run("printf '\\300\\300\\300\\300\\300\\300\\300\\300\\100\\100\\100\\100\\100\\100\\100\\100' > /tmp/a; "
              f"for n in 1 2 3 4 5 6 7 8 9 10; do cat /tmp/a /tmp/a > /tmp/b; mv /tmp/b /tmp/a; done; cat /tmp/a > /dev/{card}", timeout=60)
    found, length = periods(path)
    tap.equal(length > 1.9, True, f"{length} s")
    tap.equal(len(found) > 800, True, f"{len(found)} periods")
    tap.equal(abs(statistics.median(found) - 0.002) < 0.00005, True, f"{statistics.median(found)} s")


def cards():
    """AC97 and ES1370, whose mixer is silent until somebody says otherwise: by ports, as there is no program for it."""
    modules = ("ac97_bus", "soundcore", "snd", "snd-timer", "snd-pcm", "snd-ac97-codec", "gameport", "snd-seq-device", "snd-rawmidi", "snd-intel8x0", "snd-ens1370", "snd-mixer-oss", "snd-pcm-oss")
    with tempfile.TemporaryDirectory() as folder, vm.Vm(
            f"{BUILD}/dimmable", f"{BUILD}/guest", kernel="vmlinuz-generic", initrd="initrd-generic", accel=vm.engine("soft"), memory="256M",
            extra=("-M", "pc", "-audiodev", f"wav,id=a,path={folder}/a.wav,out.frequency=48000", "-audiodev", f"wav,id=b,path={folder}/b.wav",
                   "-device", "AC97,audiodev=a", "-device", "ES1370,audiodev=b")) as guest:
        guest.wait_ready()
        for module in modules:
            guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
        vm.wait_until(lambda: "dsp1" in guest.run("echo /dev/*"), "sound cards")
        found = guest.run("cat /proc/asound/cards")
        tap.equal(("ICH" in found, "ENS1370" in found), (True, True), found)
        for n in 0, 1:
            driver = guest.run(f"basename $(readlink -f /sys/class/sound/card{n}/device/driver)")
            card = "dsp" if n == 0 else "dsp1"
            if "intel8x0" in driver:
                port = int(guest.run(f"head -n 1 /sys/class/sound/card{n}/device/resource").split()[0], 16)
                for register, value in (0x02, 0), (0x18, 0x0808):
                    guest.run(f"printf '\\{value & 0xff:03o}\\{value >> 8:03o}' | dd of=/dev/port bs=1 seek={port + register} conv=notrunc 2>/dev/null")
                play(guest, f"{folder}/a.wav", card)
            else:
                play(guest, f"{folder}/b.wav", card)
            tap.equal(guest.run(f"dd if=/dev/{card} bs=1024 count=4 2>/dev/null | hexdump -v -e '1/1 \"%02x\\n\"' | sort -u", timeout=60).split(), ["80"])


def tones():
    """By HD audio, which records, too; and by USB, of UHCI and of xHCI."""
    with tempfile.TemporaryDirectory() as folder, vm.Vm(
            f"{BUILD}/dimmable", f"{BUILD}/guest", kernel="vmlinuz-generic", initrd="initrd-generic", accel=vm.engine("soft"), memory="256M",
            extra=("-M", "pc", "-usb", "-audiodev", f"wav,id=a,path={folder}/a.wav,out.frequency=48000", "-audiodev", f"wav,id=b,path={folder}/b.wav",
                   "-device", "ich9-intel-hda,id=s", "-device", "hda-duplex,bus=s.0,audiodev=a", "-device", "usb-audio,audiodev=b,bus=usb-bus.0",
                   "-device", "qemu-xhci,id=x", "-audiodev", f"wav,id=c,path={folder}/c.wav", "-device", "usb-audio,audiodev=c,bus=x.0")) as guest:
        guest.wait_ready()
        for module in HDA:
            guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
        vm.wait_until(lambda: "dsp" in guest.run("echo /dev/*"), "a sound card")
        cards = guest.run("cat /proc/asound/cards /proc/asound/card0/codec#0")
        tap.equal("HDA Intel" in cards, True, cards)
        play(guest, f"{folder}/a.wav", "dsp")
        tap.equal(guest.run("dd if=/dev/dsp bs=1024 count=4 2>/dev/null | hexdump -v -e '1/1 \"%02x\\n\"' | sort -u", timeout=60).split(), ["80"])
        for module in USB:
            guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
        vm.wait_until(lambda: "dsp2" in guest.run("echo /dev/*"), "two others")
        for card in ("dsp1", "dsp2"):  # of UHCI and of xHCI, in whichever order the kernel found them
            driver = guest.run(f"readlink -f /sys/class/sound/card{card[3:]}/device")
            play(guest, f"{folder}/{'b' if '/usb1/' in driver else 'c'}.wav", card)


if __name__ == "__main__":
    tap.run([("HD audio and USB", tones), ("AC97 and ES1370", cards)])

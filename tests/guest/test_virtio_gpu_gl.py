#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel with a virtio GPU that has 3D: its driver finds that, and a program has the GPU clear pictures, which are read back
and shown; after a reset again."""
import os
import shutil
import subprocess
import sys
import tempfile

import tap
import vm

BUILD, PROGRAM = (os.path.abspath(word) for word in sys.argv[1:3])
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "drm", "drm_kms_helper",
           "drm_shmem_helper", "virtio_dma_buf", "virtio-gpu")
WIDTH, HEIGHT = 640, 480


def initrd(folder):
    """The usual one, and the program."""
    shutil.copy(PROGRAM, f"{folder}/virglclear")
    more = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=folder, input=b"virglclear\n", check=True,
                          stdout=subprocess.PIPE).stdout
    with open(f"{BUILD}/guest/initrd-generic", "rb") as first, open(f"{folder}/initrd", "wb") as out:
        head = first.read()
        out.write(head + bytes(-len(head) % 4) + more)
    return os.path.relpath(f"{folder}/initrd", f"{BUILD}/guest")


def corners(guest, folder):
    """The colours of the picture's corners, or its size if that is another one."""
    guest.qmp.command("screendump", filename=f"{folder}/screen")
    with open(f"{folder}/screen", "rb") as file:
        kind, width, height, _, pixels = file.read().split(maxsplit=4)
    size = (int(width), int(height))
    if kind != b"P6" or size != (WIDTH, HEIGHT):
        return size
    return {pixels[3 * at:3 * at + 3].hex() for at in (0, WIDTH - 1, WIDTH * (HEIGHT - 1), WIDTH * HEIGHT - 1)}


def clears(guest, folder, colour):
    guest.run(f"/virglclear /dev/dri/card0 {' '.join(str(part) for part in bytes.fromhex(colour))} > /tmp/said & echo $! > /tmp/pid; "
              "until grep -q shown /tmp/said || ! kill -0 $!; do sleep 0.1; done", timeout=60)
    tap.equal(guest.run("cat /tmp/said").split("\n"), [f"3D 1, pixel {colour}", "shown"])
    vm.wait_until(lambda: corners(guest, folder) == {colour}, f"a screen of {colour}")
    guest.run("kill $(cat /tmp/pid)")


def start(guest):
    guest.wait_ready()
    for module in MODULES:
        guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
    vm.wait_until(lambda: "virtio_gpu" in guest.run("cat /proc/fb"), "the frame buffer")
    guest.run("[ -e /dev/dri/card0 ] || { mkdir -p /dev/dri && mknod /dev/dri/card0 c 226 0; }; chmod 755 /virglclear")
    said = guest.run("dmesg")
    for words in ("features: +virgl +edid", "number of cap sets: 2", "cap set 0: id 1, max-version 1", "cap set 1: id 2, max-version 2"):
        tap.equal(words in said, True, words)


def linux():
    with tempfile.TemporaryDirectory() as folder:
        with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", kernel="vmlinuz-generic", initrd=initrd(folder), accel=vm.engine("soft"),
                   memory="256M", extra=["-M", "pc", "-display", "egl-headless", "-device",
                                         f"virtio-gpu-gl-pci,xres={WIDTH},yres={HEIGHT}"]) as guest:
            start(guest)
            clears(guest, folder, "4080ff")
            clears(guest, folder, "ff0000")
            guest.qmp.command("system_reset")
            start(guest)
            clears(guest, folder, "00ff00")
            tap.equal([line for line in guest.run("dmesg").split("\n") if "ERROR" in line or "response 0x12" in line], [])


tap.run([("Linux", linux)])

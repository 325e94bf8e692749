#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel with a virtio GPU: a client of SPICE sees its console, and a picture, also after the machine was saved and
loaded."""
import os
import sys
import tempfile

import spice_client
import tap
import vm

BUILD = os.path.abspath(sys.argv[1])
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "drm", "drm_kms_helper",
           "drm_shmem_helper", "virtio_dma_buf", "virtio-gpu")
WIDTH, HEIGHT = 640, 480
BLUE = 0x0000aa


def machine(path, *extra):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", kernel="vmlinuz-generic", initrd="initrd-generic", accel=vm.engine("soft"),
                 memory="256M", extra=["-M", "pc", "-device", f"virtio-gpu-pci,xres={WIDTH},yres={HEIGHT}", "-spice",
                                       f"unix=on,addr={path},disable-ticketing=on", *extra])


def colours(client):
    return {client.pixel(x, y) for y in range(HEIGHT) for x in range(WIDTH)}


def pattern(client):
    """The picture that show() made: each half has a colour."""
    return client.size() == (WIDTH, HEIGHT) and [client.pixel(x, y) for x, y in (
        (0, 0), (WIDTH - 1, 0), (WIDTH - 1, HEIGHT // 2 - 1), (0, HEIGHT // 2), (WIDTH - 1, HEIGHT - 1))] == [0x434241] * 3 + [0x464544] * 2


def show(guest):
    """By one write: of one that ends with a line Linux 6.1 shows only what lies before that line."""
    half = 4 * WIDTH * HEIGHT // 2
    guest.run(f"(yes ABC | head -c {half}; yes DEF | head -c {half}) > /tmp/p; dd if=/tmp/p of=/dev/fb0 bs={2 * half} count=1 2>/dev/null")


def linux():
    with tempfile.TemporaryDirectory() as folder:
        with machine(f"{folder}/s") as guest:
            guest.wait_ready()
            client = spice_client.Client(f"{folder}/s")
            client.works()
            for module in MODULES:
                guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
            vm.wait_until(lambda: "virtio_gpu" in guest.run("cat /proc/fb"), "the frame buffer")
            client.wait(lambda: client.size() == (WIDTH, HEIGHT), "its size")
            guest.run("[ -e /dev/tty0 ] || mknod /dev/tty0 c 4 0")
            # White on blue: text, and what is around it. The cursor does not blink.
            guest.run(r"printf '\033[?25l\033[37;44m\033[2J\033[HDimmable\n' > /dev/tty0")
            client.wait(lambda: {BLUE, 0xaaaaaa} <= colours(client), "a text")
            show(guest)
            client.wait(lambda: pattern(client), "a picture")
            client.close()
            guest.qmp.command("migrate", uri=f"file:{folder}/state")
            vm.wait_until(lambda: guest.qmp.command("query-migrate")["status"] == "completed", "the state is saved")
        with machine(f"{folder}/t", "-incoming", f"file:{folder}/state") as guest:
            vm.wait_until(lambda: guest.qmp.command("query-status")["status"] == "running", "the state is loaded")
            client = spice_client.Client(f"{folder}/t")
            client.works()
            client.wait(lambda: pattern(client), "the same picture")
            guest.run(r"printf '\033[2J' > /dev/tty0")
            client.wait(lambda: BLUE in colours(client), "it shows more")
            client.close()


tap.run([("Linux", linux)])

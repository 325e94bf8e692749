#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel with a virtio GPU: a client of SPICE sees what it shows, its console among it, also after the machine was
saved and loaded."""
import os
import sys
import tempfile

import spice_client
import tap
import vm

BUILD = os.path.abspath(sys.argv[1])
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "drm", "drm_kms_helper",
           "drm_shmem_helper", "virtio_dma_buf", "virtio-gpu")
WIDTH, HEIGHT = 320, 200
BLUE = 0x0000aa


def machine(path, *extra):
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", kernel="vmlinuz-generic", initrd="initrd-generic", accel=vm.engine("soft"),
                 memory="256M", extra=["-M", "pc", "-device", f"virtio-gpu-pci,xres={WIDTH},yres={HEIGHT}", "-spice",
                                       f"unix=on,addr={path},disable-ticketing=on", *extra])


def colours(client):
    return {client.pixel(x, y) for y in range(HEIGHT) for x in range(WIDTH)}


def pattern(client):
    """The picture that show() made."""
    return client.size() == (WIDTH, HEIGHT) and all(
        client.pixel(x, y) == (y << 8 | 0x40) for x, y in ((0, 0), (WIDTH - 1, 0), (17, 100), (WIDTH - 1, HEIGHT - 1)))


def show(guest):
    """Each row has a colour of its own."""
    guest.run(f"y=0; while [ $y -lt {HEIGHT} ]; do printf \"\\\\x40\\\\x$(printf %02x $y)\\\\x00\\\\x00\" > /tmp/p; "
              f"for i in 1 2 3 4 5 6 7 8 9; do cat /tmp/p /tmp/p > /tmp/q; mv /tmp/q /tmp/p; done; head -c {4 * WIDTH} /tmp/p; "
              "y=$((y+1)); done > /tmp/picture; cat /tmp/picture > /dev/fb0", timeout=120)


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
            guest.run("[ -e /dev/tty0 ] || mknod /dev/tty0 c 4 0; [ -e /dev/fb0 ] || mknod /dev/fb0 c 29 0")
            # White on blue: text, and what is around it. The cursor does not blink.
            guest.run(r"printf '\033[?25l\033[37;44m\033[2J\033[HDimmable\n' > /dev/tty0")
            client.wait(lambda: {BLUE, 0xaaaaaa} <= colours(client), "a text")
            show(guest)
            client.wait(lambda: pattern(client), "a picture")
            tap.equal(guest.run("dmesg | grep -ciE 'drm.*(error|fail)|virtio_gpu.*error' || true").strip(), "0")
            client.close()
            guest.qmp.command("migrate", uri=f"file:{folder}/state")
            guest.qmp.event("STOP")
            vm.wait_until(lambda: guest.qmp.command("query-migrate")["status"] == "completed", "all of it")
        with machine(f"{folder}/t", "-incoming", f"file:{folder}/state") as guest:
            client = spice_client.Client(f"{folder}/t")
            client.works()
            client.wait(lambda: pattern(client), "the same picture")
            vm.wait_until(lambda: guest.qmp.command("query-status")["running"], "it goes on")
            guest.run(r"printf '\033[2J' > /dev/tty0")
            client.wait(lambda: BLUE in colours(client), "it shows more")
            client.close()


tap.run([("Linux", linux)])

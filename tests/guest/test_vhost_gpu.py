#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel with virtio GPUs that another program is, Debian's vhost-user-gpu: its console is in screendumps, and a
picture, of a card alone and of one that is a VGA as well. test_vhost_gpu.py BUILD-DIR"""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
PROGRAM = next((p for p in ("/usr/lib/qemu/vhost-user-gpu", "/usr/libexec/vhost-user-gpu") if os.path.exists(p)),
               shutil.which("vhost-user-gpu"))
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "drm", "drm_kms_helper",
           "drm_shmem_helper", "virtio_dma_buf", "virtio-gpu")
WIDTH, HEIGHT = 640, 480


@contextlib.contextmanager
def back_end(path):
    if not PROGRAM:
        raise tap.Skip("there is no vhost-user-gpu (Debian's package qemu-system-gui)")
    with subprocess.Popen([PROGRAM, "-s", path]) as process:
        while not os.path.exists(path):
            time.sleep(0.01)
        try:
            yield
        finally:
            process.kill()


def picture(guest, device):
    """(width, height, a function of x and y: the colour)"""
    path = f"{guest.dir}/picture"
    guest.qmp.command("screendump", filename=path, device=device)
    with open(path, "rb") as file:
        _, size, _, pixels = file.read().split(b"\n", 3)
    width, height = map(int, size.split())
    return width, height, lambda x, y: pixels[3 * (width * y + x):][:3].hex()


def colours(guest, device):
    width, height, pixel = picture(guest, device)
    return {pixel(x, y) for y in range(0, height, 2) for x in range(width)}


def pattern(guest, device):
    width, height, pixel = picture(guest, device)
    return (width, height) == (WIDTH, HEIGHT) and [pixel(x, y) for x, y in (
        (0, 0), (WIDTH - 1, 0), (WIDTH - 1, HEIGHT // 2 - 1), (0, HEIGHT // 2), (WIDTH - 1, HEIGHT - 1))] == ["434241"] * 3 + ["464544"] * 2


def linux():
    with tempfile.TemporaryDirectory() as folder, back_end(f"{folder}/a"), back_end(f"{folder}/b"):
        cards = []
        for name, kind in (("a", "vhost-user-gpu-pci"), ("b", "vhost-user-vga")):
            cards += ["-chardev", f"socket,id={name},path={folder}/{name}", "-device",
                      f"{kind},id=card-{name},chardev={name},xres={WIDTH},yres={HEIGHT}"]
        with vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", kernel="vmlinuz-generic", initrd="initrd-generic", accel="soft",
                   memory="256M", extra=["-object", "memory-backend-memfd,id=ram,size=256M", "-M", "pc,memory-backend=ram",
                                         *cards]) as guest:
            guest.wait_ready()
            for module in MODULES:
                guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
            vm.wait_until(lambda: guest.run("cat /proc/fb").count("virtio_gpu") == 2, "the frame buffers")
            guest.run("[ -e /dev/tty0 ] || mknod /dev/tty0 c 4 0")
            guest.run(r"printf '\033[?25l\033[37;44m\033[2J\033[HDimmable\n' > /dev/tty0")
            vm.wait_until(lambda: {"0000aa", "aaaaaa"} <= colours(guest, "card-a") | colours(guest, "card-b"), "a text")
            half = 4 * WIDTH * HEIGHT // 2
            guest.run(f"(yes ABC | head -c {half}; yes DEF | head -c {half}) > /tmp/p")
            for number in range(2):
                guest.run(f"dd if=/tmp/p of=/dev/fb{number} bs={2 * half} count=1 2>/dev/null")
            vm.wait_until(lambda: pattern(guest, "card-a") and pattern(guest, "card-b"), "pictures of both")
            text = guest.run("dmesg | grep -i 'virtio.*error' || true").strip()
            tap.equal(text, "")


tap.run([("Linux", linux)])

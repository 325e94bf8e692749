/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-vga-gl: as virtio-vga (virtio-vga.c), with 3D. */
#include "hw/virtio/virtio-gpu-gl.h"

static const ObjectType virtio_vga_gl_type = {
    .name = "virtio-vga-gl",
    .parent = "virtio-vga",
    .description = "Graphics card: a virtio GPU with 3D that is a VGA as well",
    .part = "virtio-backend",
    .part_type = TYPE_VIRTIO_GPU_GL,
};
OBJECT_TYPE_REGISTER(virtio_vga_gl_type)

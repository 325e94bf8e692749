/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-gpu (Virtio 1.2, section 5.7), 2D: pictures that the guest has the device keep
 * (resources), and which of them, or which part, each output (scanout) shows. virtio-gpu-cmd.c does
 * what the guest asks for, virtio-gpu-state.c saves it. Machine lock.
 *
 * A resource has pixels on the host, and a backing in the guest's memory out of which they are
 * transferred when the guest says so; flushing brings them to the surfaces of the scanouts that
 * show it. Consoles are told when they ask (console.h), as requests may come on the thread of a
 * vCPU.
 */
#ifndef HW_VIRTIO_VIRTIO_GPU_H
#define HW_VIRTIO_VIRTIO_GPU_H

#include <sys/uio.h>

#include "hw/virtio/virtio-gpu-regs.h"
#include "hw/virtio/virtio-pci.h"
#include "ui/console.h"

#define TYPE_VIRTIO_GPU "virtio-gpu-device"

#define VIRTIO_GPU_MAX_ENTRIES  16384       /* of one backing */
#define VIRTIO_GPU_MAX_RECORDS  (6u << 20)  /* bytes of what there is beside pixels */
#define VIRTIO_GPU_SAVED_PIXELS (48u << 20) /* bytes of pixels that a saved machine has */

typedef struct VirtioGpuResource {
    uint32_t id, format, width, height;
    pixman_image_t *image;   /* of its pixels, whose format is the resource's */
    VirtioGpuEntry *entries; /* the backing; owned */
    unsigned entry_count;
    unsigned last_entry;  /* where something was read last, */
    uint64_t last_offset; /* and the byte with which it begins */
    bool stale;           /* loaded without its pixels: they are in the backing */
    /* One that the renderer has (virtio-gpu-gl.h): it may be of any format, and its image is NULL
     * until it is shown. */
    bool gl;
    uint32_t target, bind, depth, array_size, last_level;
    uint64_t gl_size;        /* bytes that it has there, about */
    struct iovec *gl_pieces; /* where the renderer was told that its backing is; owned */
    unsigned gl_piece_count;
} VirtioGpuResource;

typedef struct VirtioGpuScanout {
    uint32_t resource_id;                   /* 0: it shows none */
    uint32_t x, y, width, height;           /* which part */
    uint32_t want_width, want_height;       /* what the viewer would like; 0: there is none */
    uint32_t cursor_resource, hot_x, hot_y; /* 0: no pointer */
    uint32_t cursor_x, cursor_y;
    /* wiring */
    struct VirtioGpu *gpu;
    unsigned number;
    Console *console;
    /* derived */
    uint32_t *cursor;        /* the pointer's pixels, as they were when it was defined; owned */
    pixman_image_t *surface; /* what was flushed; NULL: it shows none */
    pixman_box32_t dirty;    /* of it, that the console has not been told of */
    bool new_surface, new_cursor, cursor_moved; /* nor of these */
} VirtioGpuScanout;

/* What the first output shows while the driver has it show nothing. */
typedef struct VirtioGpuVga {
    void (*draw)(void *opaque);      /* as ConsoleSource's update() */
    void (*come_back)(void *opaque); /* before, if something else was shown */
    void (*ui_info)(void *opaque, unsigned width, unsigned height);
} VirtioGpuVga;

struct VirtioGpuGlOps;
typedef struct VirtioGpu {
    VirtioDevice parent;
    uint32_t events;
    VirtioGpuScanout *scanouts; /* max_outputs of them */
    GBytes *saved;              /* resources and pointers, while it is saved and loaded */
    /* configuration */
    uint32_t max_outputs, xres, yres;
    bool edid;
    uint64_t max_hostmem;
    /* wiring */
    const VirtioGpuVga *vga; /* NULL: there is none */
    void *vga_opaque;
    const struct VirtioGpuGlOps *gl; /* virtio-gpu-request.h; NULL: there is no 3D */
    uint32_t capset_count;
    /* derived */
    GTree *resources; /* VirtioGpuResource by id */
    uint64_t hostmem; /* bytes of pixels: of resources and surfaces */
    uint64_t records; /* bytes of all else */
    uint64_t work;    /* that the requests of this turn have made, about bytes */
    bool has_stale;   /* some resource is */
} VirtioGpu;
OBJECT_CAST_DEFINE(VirtioGpu, VIRTIO_GPU, TYPE_VIRTIO_GPU)

extern const StateTable virtio_gpu_state;

/* ---- virtio-gpu-cmd.c ---- */

/* The queues' functions. */
void virtio_gpu_handle_control(VirtioDevice *vdev, VirtQueue *vq);
void virtio_gpu_handle_cursor(VirtioDevice *vdev, VirtQueue *vq);

/* ---- virtio-gpu.c ---- */

/* What a VirtioDeviceClass of a type that is one has. */
bool virtio_gpu_realize(VirtioDevice *vdev, GError **errp);
void virtio_gpu_unrealize(VirtioDevice *vdev);
void virtio_gpu_reset(VirtioDevice *vdev);
void virtio_gpu_config_read(VirtioDevice *vdev, uint8_t *config);
void virtio_gpu_config_written(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                               unsigned size);

/* For a card that is more than that: @vga, or NULL; borrowed. */
void virtio_gpu_set_vga(VirtioGpu *s, const VirtioGpuVga *vga, void *opaque);
/* NULL: there is none. */
VirtioGpuResource *virtio_gpu_find(const VirtioGpu *s, uint32_t id);
/* A new one, of black pixels; NULL: there is no memory for it. The id must be free, and the size 1
 * to CONSOLE_SIZE_MAX in both directions. */
VirtioGpuResource *virtio_gpu_create(VirtioGpu *s, uint32_t id, uint32_t format, uint32_t width,
                                     uint32_t height);
/* The same of one that the renderer has, like @what, whose id is free; without an image. */
VirtioGpuResource *virtio_gpu_create_gl(VirtioGpu *s, const VirtioGpuResource *what);
/* See to it that @r, of a format that can be shown, has an image. False: there is no memory. */
bool virtio_gpu_need_image(VirtioGpu *s, VirtioGpuResource *r);
/* Scanouts do not show it any more. */
void virtio_gpu_destroy(VirtioGpu *s, VirtioGpuResource *r);
/* How pixman has pixels of @format; 0: there is no such format. */
pixman_format_code_t virtio_gpu_format(uint32_t format);
/* Is there room for a backing of @count entries beside what @r has? Then it is made, with entries
 * to be filled in; 0: it has none. */
bool virtio_gpu_set_entries(VirtioGpu *s, VirtioGpuResource *r, unsigned count);
/* Read @len bytes from byte @offset of the backing on. False: it does not have them, or they are no
 * RAM. */
bool virtio_gpu_read_backing(VirtioGpu *s, VirtioGpuResource *r, uint64_t offset, void *buf,
                             uint64_t len);
/* Where the backing is in memory, each byte once, from the lowest on: of VirtioGpuRange. Free with
 * g_array_unref(). */
typedef struct VirtioGpuRange {
    uint64_t addr, size;
} VirtioGpuRange;
GArray *virtio_gpu_ranges(const VirtioGpuResource *r);
/* Show that part of it, which has an image, from now on; it lies in it. False: there is no memory
 * for it. */
bool virtio_gpu_show(VirtioGpu *s, VirtioGpuScanout *scanout, const VirtioGpuResource *r,
                     const VirtioGpuRect *rect);
void virtio_gpu_hide(VirtioGpu *s, VirtioGpuScanout *scanout);
/* Bring these pixels, which lie in it, to those who show them, if it has an image. */
void virtio_gpu_flush(VirtioGpu *s, const VirtioGpuResource *r, const VirtioGpuRect *rect);
/* The pixels of a pointer, out of an image of its size. */
void virtio_gpu_copy_cursor(pixman_image_t *image, uint32_t *argb);
/* A surface of black pixels, in place of the one that it has. False: there is no memory for it. */
bool virtio_gpu_new_surface(VirtioGpu *s, VirtioGpuScanout *scanout, uint32_t width,
                            uint32_t height);
/* Pixels of the surface changed. */
void virtio_gpu_changed(VirtioGpuScanout *scanout, const pixman_box32_t *box);
/* Of a device whose properties are these: are they right; its scanouts with their consoles; they
 * show nothing, as after a reset; and they go. */
bool virtio_gpu_check(const VirtioGpu *s, GError **errp);
void virtio_gpu_make_scanouts(VirtioGpu *s);
void virtio_gpu_reset_scanouts(VirtioGpu *s);
void virtio_gpu_free_scanouts(VirtioGpu *s);
/* What viewers would like of each output. */
void virtio_gpu_display_info(const VirtioGpu *s, VirtioGpuDisplayInfo *info);
/* Pixels that were not in the saved machine are read from the backing. */
void virtio_gpu_freshen(VirtioGpu *s);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-user-gpu: a virtio GPU whose rings another program works on, which tells by a second socket
 * what outputs show (the specification of vhost-user's GPU protocol). The consoles are ours.
 *
 * Nothing that it says is trusted: what makes no sense ends the connection. Machine lock.
 */
#ifndef HW_VIRTIO_VHOST_USER_GPU_H
#define HW_VIRTIO_VHOST_USER_GPU_H

#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-gpu.h"

#define TYPE_VHOST_USER_GPU "vhost-user-gpu"

enum {
    VHOST_GPU_GET_PROTOCOL_FEATURES = 1,
    VHOST_GPU_SET_PROTOCOL_FEATURES,
    VHOST_GPU_GET_DISPLAY_INFO,
    VHOST_GPU_CURSOR_POS,
    VHOST_GPU_CURSOR_POS_HIDE,
    VHOST_GPU_CURSOR_UPDATE,
    VHOST_GPU_SCANOUT,
    VHOST_GPU_UPDATE,
    VHOST_GPU_DMABUF_SCANOUT,
    VHOST_GPU_DMABUF_UPDATE,
    VHOST_GPU_MESSAGES,
    VHOST_GPU_REPLY = 4, /* of flags */
};

typedef struct VhostGpuHeader {
    uint32_t request, flags, size; /* bytes behind it */
} VhostGpuHeader;

typedef struct VhostGpuPlace {
    uint32_t scanout, x, y;
} VhostGpuPlace;

typedef struct VhostGpuCursor {
    VhostGpuPlace place;
    uint32_t hot_x, hot_y;
    uint32_t argb[VIRTIO_GPU_CURSOR_SIZE * VIRTIO_GPU_CURSOR_SIZE];
} VhostGpuCursor;

typedef struct VhostGpuScanout {
    uint32_t scanout, width, height;
} VhostGpuScanout;

typedef struct VhostGpuUpdate { /* its pixels follow */
    uint32_t scanout, x, y, width, height;
} VhostGpuUpdate;

typedef struct VhostGpuDmabuf { /* of a scanout, that part; and what the descriptor has */
    uint32_t scanout, x, y, width, height;
    uint32_t fd_width, fd_height, fd_stride, fd_flags, fd_fourcc;
} VhostGpuDmabuf;

/* What a scanout shows of memory that is the other program's. */
typedef struct VhostGpuShared {
    void *map; /* NULL: nothing */
    size_t size, stride, first;
} VhostGpuShared;

typedef struct VhostUserGpu {
    VirtioGpu parent;
    /* configuration */
    char *chardev;
    /* wiring */
    CharFrontend fe;
    Vhost *vhost;
    /* the socket */
    int fd; /* -1: there is none */
    GSource *source;
    union {
        VhostGpuHeader header;
        uint8_t bytes[sizeof(VhostGpuHeader) + sizeof(VhostGpuCursor)];
    } message;
    size_t got;     /* bytes of `message` */
    int message_fd; /* that came with it; -1: none */
    VhostGpuUpdate update;
    pixman_image_t *pixels; /* that the rest of an update goes to; NULL: there is none */
    size_t pixels_got;      /* bytes of it */
    VhostGpuShared shared[VIRTIO_GPU_MAX_SCANOUTS];
    int copy_fd;   /* through which shared memory is read; -1: not yet */
    size_t copied; /* bytes of it, in this turn */
} VhostUserGpu;
OBJECT_CAST_DEFINE(VhostUserGpu, VHOST_USER_GPU, TYPE_VHOST_USER_GPU)

/* A socket for a back-end that is there: true, or an error. */
bool vhost_gpu_connect(VhostUserGpu *s, GError **errp);
/* It is closed, and outputs show nothing. Harmless without one. */
void vhost_gpu_disconnect(VhostUserGpu *s);
/* What has come is looked at, but for very much. */
void vhost_gpu_serve(VhostUserGpu *s);

#endif

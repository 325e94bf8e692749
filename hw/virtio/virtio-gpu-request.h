/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request to a virtio GPU, for those who carry them out: virtio-gpu-cmd.c, and virtio-gpu-gl.c
 * with its neighbours for cards with 3D. */
#ifndef HW_VIRTIO_VIRTIO_GPU_REQUEST_H
#define HW_VIRTIO_VIRTIO_GPU_REQUEST_H

#include "hw/virtio/virtio-gpu.h"

/* In place of the type of an answer: it comes later. */
#define VIRTIO_GPU_LATER 0

typedef struct VirtioGpuRequest {
    VirtqElement *element;
    VirtioGpuHeader header;
    union {
        uint8_t bytes[72];
        VirtioGpuGetEdid get_edid;
        VirtioGpuCreate create;
        VirtioGpuResourceId resource;
        VirtioGpuSetScanout scanout;
        VirtioGpuFlush flush;
        VirtioGpuTransfer transfer;
        VirtioGpuAttach attach;
        VirtioGpuGetCapsetInfo get_capset_info;
        VirtioGpuGetCapset get_capset;
        VirtioGpuCtxCreate ctx_create;
        VirtioGpuCreate3d create_3d;
        VirtioGpuTransfer3d transfer_3d;
        VirtioGpuSubmit submit;
        VirtioGpuCursorRequest cursor;
    };
    union {
        VirtioGpuDisplayInfo display;
        VirtioGpuEdid edid;
        VirtioGpuCapsetInfo capset_info;
    } answer;                /* what comes behind the header */
    const void *answer_data; /* or that, borrowed; NULL: `answer` */
    size_t answer_size;
} VirtioGpuRequest;

/* What a card with 3D does with requests before virtio-gpu-cmd.c does. */
typedef struct VirtioGpuGlOps {
    /* Carry out @q, of which @got bytes are there behind the header: *@type is that of the answer.
     * False: it is one of 2D. */
    bool (*control)(VirtioGpu *s, VirtioGpuRequest *q, size_t got, uint32_t *type);
    /* Carry out @q of the cursor queue, later. False: it is one of 2D. */
    bool (*cursor)(VirtioGpu *s, VirtioGpuRequest *q);
    /* Answer the request of @vq that is under way, if that can be done now. False: no other one can
     * be begun. */
    bool (*is_free)(VirtioGpu *s, VirtQueue *vq);
} VirtioGpuGlOps;

/* Give @q's element back, with an answer of @type. */
void virtio_gpu_answer(VirtQueue *vq, VirtioGpuRequest *q, uint32_t type);
/* What a request of the cursor queue asks for; @image: of its resource, or NULL. */
void virtio_gpu_move_cursor(VirtioGpu *s, const VirtioGpuRequest *q, pixman_image_t *image);
/* VIRTIO_GPU_ATTACH_BACKING: the type of the answer. */
uint32_t virtio_gpu_attach(VirtioGpu *s, VirtioGpuRequest *q);
bool virtio_gpu_rect_fits(const VirtioGpuRect *rect, const VirtioGpuResource *r);

#endif

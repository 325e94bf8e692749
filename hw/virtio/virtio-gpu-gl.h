/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-gpu with 3D: contexts, resources and commands that virglrenderer has (ui/gl.h), beside the
 * 2D of virtio-gpu.h. Resources that are made by requests of 2D stay there: the renderer does not
 * know them.
 *
 * A request that the renderer is needed for is a job on the GL thread; the next one of its queue
 * waits until it is answered, and one with a fence is answered when GL has done it. What this side
 * has of resources and contexts changes with the machine lock, when the job is given or when it is
 * answered; the GL thread sees nothing but the job. After a reset a job is nobody's, and the one
 * that clears the renderer comes behind it.
 *
 * The renderer has the backings of resources as addresses of the host. They are looked up when the
 * backing is attached, and anew after the memory map has changed. During a job, and only then, the
 * RAM that they are in is held: an ejection waits for that, and who looks next does not find it.
 * It stays mapped until the renderer, which reads some once more when it lets go, has been told.
 */
#ifndef HW_VIRTIO_VIRTIO_GPU_GL_H
#define HW_VIRTIO_VIRTIO_GPU_GL_H

#include "hw/virtio/virtio-gpu-request.h"
#include "ui/gl.h"

#define TYPE_VIRTIO_GPU_GL "virtio-gpu-gl-device"

#define VIRTIO_GPU_GL_CAPSETS  2
#define VIRTIO_GPU_GL_FORMATS  315        /* VIRGL_FORMAT_MAX */
#define VIRTIO_GPU_GL_CONTEXTS 64         /* at most */
#define VIRTIO_GPU_GL_COMMANDS (4u << 20) /* bytes of one VIRTIO_GPU_SUBMIT_3D at most */

typedef struct VirtioGpuCapset {
    VirtioGpuCapsetInfo info;
    void *data; /* info.max_size bytes; owned */
} VirtioGpuCapset;

typedef struct VirtioGpuMap {
    MemoryListener listener; /* first */
    struct VirtioGpuGl *gpu;
} VirtioGpuMap;

typedef struct VirtioGpuGl {
    VirtioGpu parent;
    /* wiring */
    VirtioGpuMap map;
    VirtioGpuCapset capsets[VIRTIO_GPU_GL_CAPSETS];
    /* derived */
    GHashTable *contexts;         /* ids */
    GHashTable *blocks;           /* of RamBlock *, references: all that backings are in */
    bool stale;                   /* the memory map has changed since they were looked up */
    guint look;                   /* a source that has it done soon; 0: none */
    struct VirtioGpuJob *jobs[2]; /* what is under way, by queue; NULL: nothing */
} VirtioGpuGl;
OBJECT_CAST_DEFINE(VirtioGpuGl, VIRTIO_GPU_GL, TYPE_VIRTIO_GPU_GL)

/* The backing of @resource is there from now on; NULL: it has none. */
typedef struct VirtioGpuBacking {
    uint32_t resource;
    struct iovec *pieces; /* owned: by the renderer, once it has been told */
    unsigned count;
} VirtioGpuBacking;

typedef struct VirtioGpuJob {
    GlJob job;
    /* machine lock */
    VirtioGpuGl *gpu; /* NULL: a reset came in between */
    unsigned queue;
    bool finished;
    VirtioGpuRequest q; /* q.element NULL: its queue was reset */
    /* What to do: the type of the answer. On the GL thread. */
    uint32_t (*run)(struct VirtioGpuJob *job);
    /* What to do then, with the machine lock, before it is answered; may be NULL. */
    void (*then)(VirtioGpuGl *s, struct VirtioGpuJob *job);
    uint32_t answer;
    GArray *backings; /* of VirtioGpuBacking, told to the renderer before; NULL: none */
    GPtrArray *holds; /* of RamHold *, until it is done; NULL: none */
    GHashTable *old;  /* of RamBlock *, that backings were in; until it is done; NULL: none */
    uint32_t *commands;
    pixman_image_t *image; /* that pixels are read back to; a reference; NULL: none */
    VirtioGpuRect rect;    /* which; in both */
} VirtioGpuJob;

/* ---- virtio-gpu-gl.c: life, and jobs ---- */

/* A job for @q; @run and @then as above. */
VirtioGpuJob *virtio_gpu_job_new(VirtioGpuGl *s, unsigned queue, const VirtioGpuRequest *q,
                                 uint32_t (*run)(VirtioGpuJob *job),
                                 void (*then)(VirtioGpuGl *s, VirtioGpuJob *job));
/* Give it to the GL thread: VIRTIO_GPU_LATER. */
uint32_t virtio_gpu_job_start(VirtioGpuJob *job);

/* ---- virtio-gpu-gl-cmd.c ---- */

/* Those of VirtioGpuGlOps. */
bool virtio_gpu_gl_control(VirtioGpu *gpu, VirtioGpuRequest *q, size_t got, uint32_t *type);
bool virtio_gpu_gl_cursor(VirtioGpu *gpu, VirtioGpuRequest *q);

/* ---- virtio-gpu-gl-stream.c ---- */

/* Can the renderer have these @count words of commands? Some become others, without need of which
 * the same is drawn. */
bool virtio_gpu_gl_check_commands(const VirtioGpu *s, uint32_t *words, unsigned count);

/* ---- virtio-gpu-gl-memory.c ---- */

void virtio_gpu_gl_listen(VirtioGpuGl *s);
void virtio_gpu_gl_unlisten(VirtioGpuGl *s);
/* @r has another backing, or none: @job, which holds then, tells the renderer. */
void virtio_gpu_gl_set_backing(VirtioGpuGl *s, VirtioGpuJob *job, VirtioGpuResource *r);
/* @job reaches backings: it tells the renderer where they are, if that has changed, and the RAM
 * they are in is held until it is done. */
void virtio_gpu_gl_hold(VirtioGpuGl *s, VirtioGpuJob *job);
/* There are no resources any more, once @job is done: it keeps the RAM that they were in. */
void virtio_gpu_gl_forget(VirtioGpuGl *s, VirtioGpuJob *job);
/* The renderer has written to the backing of @r. */
void virtio_gpu_gl_written(VirtioGpuGl *s, const VirtioGpuResource *r);
/* On the GL thread: tell the renderer. */
void virtio_gpu_gl_tell(VirtioGpuJob *job);
/* Free what @resource's backing was, of which the renderer does not know any more. GL thread. */
void virtio_gpu_gl_drop_backing(uint32_t resource);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver of a virtio GPU, for tests on libqtest. */
#ifndef TESTS_QTEST_GPU_H
#define TESTS_QTEST_GPU_H

#include "hw/virtio/virtio-gpu-regs.h"
#include "tests/qtest/virtio.h"

#define QGPU_DEVFN 0x20u   /* where it is: addr=4 */
#define QGPU_ROOM  0x42000 /* bytes of a request */
enum { QGPU_B8G8R8X8 = 2 };

typedef struct QGpu {
    QTest *qt;
    QVirtio v;
    QVirtQueue control, cursor;
    uint64_t request, answer; /* where they are; the second has a page */
    uint32_t context;         /* of 3D: what headers say */
    uint32_t flags;           /* the same */
} QGpu;

/* Reset the device of g->qt and begin anew, with EDID, if that is offered, and @features. */
void qgpu_drive(QGpu *g, uint64_t features);
/* Ask for @type with the @size bytes @body, and @more of them that are in memory; the type of the
 * answer. */
uint32_t qgpu_ask_more(QGpu *g, uint32_t type, const void *body, uint32_t size, uint32_t more);
uint32_t qgpu_ask(QGpu *g, uint32_t type, const void *body, uint32_t size);
#define QGPU_ASK(g, type, kind, ...) qgpu_ask(g, type, &(kind){ __VA_ARGS__ }, sizeof(kind))

/* Each is one request: the type of the answer. */
uint32_t qgpu_create(QGpu *g, uint32_t id, uint32_t format, uint32_t width, uint32_t height);
uint32_t qgpu_unref(QGpu *g, uint32_t id);
uint32_t qgpu_attach(QGpu *g, uint32_t id, uint32_t count, const VirtioGpuEntry *entries);
uint32_t qgpu_detach(QGpu *g, uint32_t id);
uint32_t qgpu_transfer(QGpu *g, uint32_t id, VirtioGpuRect rect, uint64_t offset);
uint32_t qgpu_flush(QGpu *g, uint32_t id, VirtioGpuRect rect);
uint32_t qgpu_show(QGpu *g, uint32_t scanout, uint32_t id, VirtioGpuRect rect);
/* It is not broken, and answers. */
void qgpu_assert_works(QGpu *g);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/gpu.h"

void qgpu_drive(QGpu *g, uint64_t features)
{
    qvirtio_open(&g->v, g->qt, QGPU_DEVFN, true);
    qvirtio_start(&g->v,
                  QVIRTIO_VERSION_1 | features | (qvirtio_offered(&g->v) & 1 << VIRTIO_GPU_F_EDID));
    qvirtio_queue(&g->v, &g->control, VIRTIO_GPU_CONTROL);
    qvirtio_queue(&g->v, &g->cursor, VIRTIO_GPU_CURSOR);
    qvirtio_driver_ok(&g->v);
    g->request = qvirtio_alloc(&g->v, QGPU_ROOM);
    g->answer = qvirtio_alloc(&g->v, 0x1000);
}

uint32_t qgpu_ask_more(QGpu *g, uint32_t type, const void *body, uint32_t size, uint32_t more)
{
    const VirtioGpuHeader header = { .type = type, .flags = g->flags, .ctx_id = g->context };

    qtest_memwrite(g->qt, g->request, &header, sizeof(header));
    qtest_memwrite(g->qt, g->request + sizeof(header), body, size);
    qvirtq_ask(&g->control, g->request, (uint32_t)sizeof(header) + size + more, g->answer, 0x1000);
    return qtest_readl(g->qt, g->answer);
}

uint32_t qgpu_ask(QGpu *g, uint32_t type, const void *body, uint32_t size)
{
    return qgpu_ask_more(g, type, body, size, 0);
}

uint32_t qgpu_create(QGpu *g, uint32_t id, uint32_t format, uint32_t width, uint32_t height)
{
    return QGPU_ASK(g, VIRTIO_GPU_RESOURCE_CREATE_2D, VirtioGpuCreate, id, format, width, height);
}

uint32_t qgpu_unref(QGpu *g, uint32_t id)
{
    return QGPU_ASK(g, VIRTIO_GPU_RESOURCE_UNREF, VirtioGpuResourceId, id);
}

uint32_t qgpu_attach(QGpu *g, uint32_t id, uint32_t count, const VirtioGpuEntry *entries)
{
    const VirtioGpuAttach body = { id, count };
    const uint32_t size = count * (uint32_t)sizeof(*entries);

    qtest_memwrite(g->qt, g->request + sizeof(VirtioGpuHeader) + sizeof(body), entries, size);
    return qgpu_ask_more(g, VIRTIO_GPU_ATTACH_BACKING, &body, sizeof(body), size);
}

uint32_t qgpu_detach(QGpu *g, uint32_t id)
{
    return QGPU_ASK(g, VIRTIO_GPU_DETACH_BACKING, VirtioGpuResourceId, id);
}

uint32_t qgpu_transfer(QGpu *g, uint32_t id, VirtioGpuRect rect, uint64_t offset)
{
    return QGPU_ASK(g, VIRTIO_GPU_TRANSFER_TO_HOST_2D, VirtioGpuTransfer, rect, offset, id);
}

uint32_t qgpu_flush(QGpu *g, uint32_t id, VirtioGpuRect rect)
{
    return QGPU_ASK(g, VIRTIO_GPU_RESOURCE_FLUSH, VirtioGpuFlush, rect, id);
}

uint32_t qgpu_show(QGpu *g, uint32_t scanout, uint32_t id, VirtioGpuRect rect)
{
    return QGPU_ASK(g, VIRTIO_GPU_SET_SCANOUT, VirtioGpuSetScanout, rect, scanout, id);
}

void qgpu_assert_works(QGpu *g)
{
    g_assert_cmphex(qvirtio_status(&g->v) & QVIRTIO_NEEDS_RESET, ==, 0);
    g_assert_cmphex(qgpu_ask(g, VIRTIO_GPU_GET_DISPLAY_INFO, "", 0), ==,
                    VIRTIO_GPU_OK_DISPLAY_INFO);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-gpu by a driver of our own: each request, right and wrong; what it may keep; outputs. */
#include "tests/qtest/gpu.h"

#define RAM_SIZE 0x4000000ull
enum { MAX_ENTRIES = 16384 };

static void start(QGpu *g, const char *options)
{
    *g = (QGpu){ .qt = qtest_start("-M pc -m 64 -device virtio-gpu-pci,id=g0,addr=4%s", options) };
    qgpu_drive(g, 0);
}

/* ---- outputs ---- */

static void test_outputs(void)
{
    VirtioGpuDisplayInfo info;
    VirtioGpuEdid edid;
    uint8_t sum = 0;
    QGpu g;

    start(&g, ",max_outputs=3,xres=1024,yres=768");
    g_assert_cmphex(qpci_read(g.qt, QGPU_DEVFN, 0, 4), ==, 0x10501af4);
    g_assert_cmphex(qpci_read(g.qt, QGPU_DEVFN, 8, 4) >> 16, ==, 0x0380);
    g_assert_cmphex(qvirtio_offered(&g.v) & 3, ==, 1 << VIRTIO_GPU_F_EDID);
    g_assert_cmpuint(qvirtio_config(&g.v, 0, 4), ==, 0);
    g_assert_cmpuint(qvirtio_config(&g.v, 8, 4), ==, 3);
    g_assert_cmpuint(qvirtio_config(&g.v, 12, 4), ==, 0);
    qgpu_assert_works(&g);
    qtest_memread(g.qt, g.answer + sizeof(VirtioGpuHeader), &info, sizeof(info));
    g_assert_cmpuint(info.modes[0].rect.width, ==, 1024);
    g_assert_cmpuint(info.modes[0].rect.height, ==, 768);
    for (unsigned i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
        g_assert_cmpuint(info.modes[i].enabled, ==, i == 0);
    }
    g_assert_cmphex(QGPU_ASK(&g, VIRTIO_GPU_GET_EDID, VirtioGpuGetEdid, 0), ==, VIRTIO_GPU_OK_EDID);
    qtest_memread(g.qt, g.answer + sizeof(VirtioGpuHeader), &edid, sizeof(edid));
    g_assert_cmpuint(edid.size, ==, 256);
    for (unsigned i = 0; i < 128; i++) {
        sum = (uint8_t)(sum + edid.edid[i]);
    }
    g_assert_cmphex(sum, ==, 0);
    g_assert_cmpuint(edid.edid[56] | (edid.edid[58] & 0xf0) << 4, ==, 1024);
    g_assert_cmpuint(edid.edid[59] | (edid.edid[61] & 0xf0) << 4, ==, 768);
    g_assert_cmphex(QGPU_ASK(&g, VIRTIO_GPU_GET_EDID, VirtioGpuGetEdid, 2), ==, VIRTIO_GPU_OK_EDID);
    g_assert_cmphex(QGPU_ASK(&g, VIRTIO_GPU_GET_EDID, VirtioGpuGetEdid, 3), ==,
                    VIRTIO_GPU_ERR_SCANOUT_ID);
    qtest_quit(g.qt);

    start(&g, ",edid=off");
    g_assert_cmphex(qvirtio_offered(&g.v) & 3, ==, 0);
    g_assert_cmphex(QGPU_ASK(&g, VIRTIO_GPU_GET_EDID, VirtioGpuGetEdid, 0), ==,
                    VIRTIO_GPU_ERR_UNSPEC);
    qtest_quit(g.qt);
}

/* ---- resources ---- */

static const VirtioGpuRect all = { 0, 0, 64, 64 };

static void test_resources(void)
{
    const VirtioGpuEntry entries[] = { { 0x100000, 0x1000 }, { 0x103000, 0x3000 } };
    const VirtioGpuEntry nowhere = { RAM_SIZE, 0x4000 }, wraps = { UINT64_MAX - 1, 0x4000 };
    const uint32_t ok = VIRTIO_GPU_OK_NODATA, no_resource = VIRTIO_GPU_ERR_RESOURCE_ID,
                   wrong = VIRTIO_GPU_ERR_PARAMETER;
    QGpu g;

    start(&g, "");
    g_assert_cmphex(qgpu_create(&g, 0, QGPU_B8G8R8X8, 64, 64), ==, no_resource);
    g_assert_cmphex(qgpu_create(&g, 1, 99, 64, 64), ==, wrong);
    g_assert_cmphex(qgpu_create(&g, 1, QGPU_B8G8R8X8, 0, 64), ==, wrong);
    g_assert_cmphex(qgpu_create(&g, 1, QGPU_B8G8R8X8, 64, 16385), ==, wrong);
    g_assert_cmphex(qgpu_create(&g, 1, QGPU_B8G8R8X8, 64, 64), ==, ok);
    g_assert_cmphex(qgpu_create(&g, 1, QGPU_B8G8R8X8, 64, 64), ==, no_resource);

    g_assert_cmphex(qgpu_transfer(&g, 1, all, 0), ==, wrong); /* no backing */
    g_assert_cmphex(qgpu_attach(&g, 2, 2, entries), ==, no_resource);
    g_assert_cmphex(qgpu_attach(&g, 1, 0, entries), ==, wrong);
    g_assert_cmphex(qgpu_attach(&g, 1, 1, &wraps), ==, wrong);
    g_assert_cmphex(QGPU_ASK(&g, VIRTIO_GPU_ATTACH_BACKING, VirtioGpuAttach, 1, 5), ==,
                    wrong); /* where? */
    g_assert_cmphex(qgpu_attach(&g, 1, 2, entries), ==, ok);
    g_assert_cmphex(qgpu_attach(&g, 1, 2, entries), ==, wrong); /* there is one */
    g_assert_cmphex(qgpu_transfer(&g, 1, all, 0), ==, ok);
    g_assert_cmphex(qgpu_transfer(&g, 2, all, 0), ==, no_resource);
    g_assert_cmphex(qgpu_transfer(&g, 1, all, 4), ==, wrong); /* beyond the backing */
    g_assert_cmphex(qgpu_transfer(&g, 1, (VirtioGpuRect){ 32, 63, 32, 1 }, 0x4000 - 128), ==, ok);
    g_assert_cmphex(qgpu_transfer(&g, 1, (VirtioGpuRect){ 32, 63, 32, 1 }, 0x4000 - 124), ==,
                    wrong);
    g_assert_cmphex(qgpu_transfer(&g, 1, (VirtioGpuRect){ 0, 0, 1, 64 }, UINT64_MAX - 255), ==,
                    wrong);
    g_assert_cmphex(qgpu_transfer(&g, 1, (VirtioGpuRect){ 1, 0, 64, 1 }, 0), ==, wrong);
    g_assert_cmphex(qgpu_transfer(&g, 1, (VirtioGpuRect){ 0, 0, 64, UINT32_MAX }, 0), ==, wrong);
    g_assert_cmphex(qgpu_transfer(&g, 1, (VirtioGpuRect){ UINT32_MAX, 1, 2, 1 }, 0), ==, wrong);

    g_assert_cmphex(qgpu_show(&g, 0, 2, all), ==, no_resource);
    g_assert_cmphex(qgpu_show(&g, 1, 1, all), ==, VIRTIO_GPU_ERR_SCANOUT_ID);
    g_assert_cmphex(qgpu_show(&g, 0, 1, (VirtioGpuRect){ 1, 0, 64, 64 }), ==, wrong);
    g_assert_cmphex(qgpu_show(&g, 0, 1, (VirtioGpuRect){ 0, 0, 0, 64 }), ==, wrong);
    g_assert_cmphex(qgpu_show(&g, 0, 1, all), ==, ok);
    g_assert_cmphex(qgpu_flush(&g, 1, all), ==, ok);
    g_assert_cmphex(qgpu_flush(&g, 1, (VirtioGpuRect){ 0, 1, 64, 64 }), ==, wrong);
    g_assert_cmphex(qgpu_flush(&g, 2, all), ==, no_resource);

    g_assert_cmphex(qgpu_detach(&g, 2), ==, no_resource);
    g_assert_cmphex(qgpu_detach(&g, 1), ==, ok);
    g_assert_cmphex(qgpu_attach(&g, 1, 1, &nowhere), ==, ok);
    g_assert_cmphex(qgpu_transfer(&g, 1, all, 0), ==, wrong); /* no RAM */
    g_assert_cmphex(qgpu_unref(&g, 2), ==, no_resource);
    g_assert_cmphex(qgpu_unref(&g, 1), ==, ok); /* while it is shown */
    g_assert_cmphex(qgpu_flush(&g, 1, all), ==, no_resource);
    g_assert_cmphex(qgpu_show(&g, 0, 0, all), ==, ok);
    qgpu_assert_works(&g);
    qtest_quit(g.qt);
}

/* ---- limits ---- */

static void test_limits(void)
{
    const uint32_t full = VIRTIO_GPU_ERR_OUT_OF_MEMORY, ok = VIRTIO_GPU_OK_NODATA;
    g_autofree VirtioGpuEntry *entries = g_new0(VirtioGpuEntry, MAX_ENTRIES + 1);
    uint32_t id = 1, answer;
    QGpu g;

    start(&g, ",max_hostmem=1M,max_outputs=2");
    g_assert_cmphex(qgpu_create(&g, 1, QGPU_B8G8R8X8, 512, 513), ==, full);
    g_assert_cmphex(qgpu_create(&g, 1, QGPU_B8G8R8X8, 16384, 16384), ==, full);
    g_assert_cmphex(qgpu_create(&g, 1, QGPU_B8G8R8X8, 512, 256), ==, ok);
    g_assert_cmphex(qgpu_create(&g, 2, QGPU_B8G8R8X8, 512, 257), ==, full);
    /* What is shown counts, too; and another of the same size takes its place. */
    g_assert_cmphex(qgpu_show(&g, 0, 1, (VirtioGpuRect){ 0, 0, 512, 200 }), ==, ok);
    g_assert_cmphex(qgpu_show(&g, 1, 1, (VirtioGpuRect){ 0, 0, 512, 57 }), ==, full);
    g_assert_cmphex(qgpu_show(&g, 0, 1, (VirtioGpuRect){ 0, 0, 512, 256 }), ==, ok);
    g_assert_cmphex(qgpu_create(&g, 2, QGPU_B8G8R8X8, 1, 1), ==, full);
    g_assert_cmphex(qgpu_show(&g, 0, 0, all), ==, ok);
    g_assert_cmphex(qgpu_create(&g, 2, QGPU_B8G8R8X8, 512, 256), ==, ok);
    g_assert_cmphex(qgpu_unref(&g, 1), ==, ok);
    g_assert_cmphex(qgpu_unref(&g, 2), ==, ok);
    /* So do small ones, and their backings. */
    g_assert_cmphex(qgpu_create(&g, id, QGPU_B8G8R8X8, 1, 1), ==, ok);
    g_assert_cmphex(qgpu_attach(&g, id, MAX_ENTRIES + 1, entries), ==, VIRTIO_GPU_ERR_PARAMETER);
    while ((answer = qgpu_attach(&g, id, MAX_ENTRIES, entries)) == ok) {
        g_assert_cmpuint(id, <, 100);
        g_assert_cmphex(qgpu_create(&g, ++id, QGPU_B8G8R8X8, 1, 1), ==, ok);
    }
    g_assert_cmphex(answer, ==, full);
    while ((answer = qgpu_create(&g, ++id, QGPU_B8G8R8X8, 1, 1)) == ok) {
        g_assert_cmpuint(id, <, 1000);
    }
    g_assert_cmphex(answer, ==, full);
    /* A reset gives all of it back. */
    qgpu_drive(&g, 0);
    g_assert_cmphex(qgpu_create(&g, 1, QGPU_B8G8R8X8, 512, 512), ==, ok);
    qgpu_assert_works(&g);
    qtest_quit(g.qt);
}

/* ---- the queues ---- */

static void test_fence(void)
{
    const VirtioGpuHeader header = { .type = VIRTIO_GPU_GET_DISPLAY_INFO,
                                     .flags = 0xffffffff,
                                     .fence_id = 0x123456789abcdef0,
                                     .ctx_id = 7 };
    VirtioGpuHeader answer;
    QGpu g;

    start(&g, "");
    qtest_memwrite(g.qt, g.request, &header, sizeof(header));
    g_assert_cmpuint(qvirtq_ask(&g.control, g.request, sizeof(header), g.answer, 0x1000), ==,
                     sizeof(header) + sizeof(VirtioGpuDisplayInfo));
    qtest_memread(g.qt, g.answer, &answer, sizeof(answer));
    g_assert_cmphex(answer.flags, ==, VIRTIO_GPU_FLAG_FENCE);
    g_assert_cmphex(answer.fence_id, ==, header.fence_id);
    g_assert_cmphex(answer.ctx_id, ==, 7);
    /* What there is no room for is left out. */
    g_assert_cmpuint(qvirtq_ask(&g.control, g.request, sizeof(header), g.answer, 30), ==, 30);
    qtest_quit(g.qt);
}

/* Requests that there are not, and those that are too short. */
static void test_unknown(void)
{
    QGpu g;

    start(&g, "");
    for (uint32_t type = 0; type < 0x400; type++) {
        const uint32_t answer = qgpu_ask(&g, type, "", 0);

        if (type == VIRTIO_GPU_GET_DISPLAY_INFO) {
            g_assert_cmphex(answer, ==, VIRTIO_GPU_OK_DISPLAY_INFO);
        } else if ((type > VIRTIO_GPU_GET_DISPLAY_INFO && type <= VIRTIO_GPU_DETACH_BACKING) ||
                   type == VIRTIO_GPU_GET_EDID) {
            g_assert_cmphex(answer, ==, VIRTIO_GPU_ERR_PARAMETER);
        } else {
            g_assert_cmphex(answer, ==, VIRTIO_GPU_ERR_UNSPEC);
        }
    }
    qtest_quit(g.qt);
}

/* Those that break the queue. */
static void test_broken(void)
{
    const struct {
        unsigned queue;
        uint32_t type, out, in;
    } cases[] = {
        { VIRTIO_GPU_CONTROL, VIRTIO_GPU_GET_DISPLAY_INFO, 23, 0x1000 },
        { VIRTIO_GPU_CONTROL, VIRTIO_GPU_GET_DISPLAY_INFO, 24, 23 },
        { VIRTIO_GPU_CURSOR, VIRTIO_GPU_MOVE_CURSOR, 55, 24 },
        { VIRTIO_GPU_CURSOR, VIRTIO_GPU_GET_DISPLAY_INFO, 56, 24 },
    };
    QGpu g;

    start(&g, "");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        QVirtQueue *queue = cases[i].queue == VIRTIO_GPU_CURSOR ? &g.cursor : &g.control;

        qtest_writel(g.qt, g.request, cases[i].type);
        qvirtq_add_pair(queue, g.request, cases[i].out, g.answer, cases[i].in);
        qvirtq_kick(queue);
        g_assert_cmphex(qvirtio_status(&g.v) & QVIRTIO_NEEDS_RESET, !=, 0);
        qgpu_drive(&g, 0);
        qgpu_assert_works(&g);
    }
    qtest_quit(g.qt);
}

/* ---- saved machines ---- */

static void test_saved(void)
{
    static const char *const device = "-M pc -m 64 -device virtio-gpu-pci,id=g0,addr=4";
    const VirtioGpuEntry entry = { 0x100000, 0x4000 };
    const uint32_t ok = VIRTIO_GPU_OK_NODATA;
    QGpu g;

    start(&g, "");
    g_assert_cmphex(qgpu_create(&g, 7, QGPU_B8G8R8X8, 64, 64), ==, ok);
    g_assert_cmphex(qgpu_attach(&g, 7, 1, &entry), ==, ok);
    g_assert_cmphex(qgpu_show(&g, 0, 7, all), ==, ok);
    g_assert_cmphex(qgpu_create(&g, 9, QGPU_B8G8R8X8, 4096, 4096), ==,
                    ok); /* more than goes along */
    g_assert_cmphex(qgpu_attach(&g, 9, 1, &entry), ==, ok);
    g_autofree char *file = qtest_temp_path(g.qt, "state");
    qtest_save(g.qt, file);
    QTest *to = qtest_start("%s -incoming file:%s", device, file);
    qtest_wait_running(to);
    qtest_quit(g.qt);
    g.qt = g.v.qt = to;
    g_assert_cmphex(qgpu_create(&g, 7, QGPU_B8G8R8X8, 64, 64), ==, VIRTIO_GPU_ERR_RESOURCE_ID);
    g_assert_cmphex(qgpu_transfer(&g, 7, all, 0), ==, ok);
    g_assert_cmphex(qgpu_flush(&g, 7, all), ==, ok);
    g_assert_cmphex(qgpu_unref(&g, 9), ==, ok);
    g_assert_cmphex(qgpu_unref(&g, 7), ==, ok);
    qtest_quit(to);
}

static const QTestRefused refused_cases[] = {
    { "-device virtio-gpu-pci,max_outputs=17", "'max_outputs' is 17: it must be 1 to 16" },
    { "-device virtio-gpu-pci,xres=0", "each must be 1 to 16384" },
    { "-device virtio-gpu-pci,yres=16385", "each must be 1 to 16384" },
    { "-device virtio-gpu-pci,max_hostmem=4k", "'max_hostmem' must be 1 MiB or more" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-gpu/outputs", test_outputs);
    g_test_add_func("/virtio-gpu/resources", test_resources);
    g_test_add_func("/virtio-gpu/limits", test_limits);
    g_test_add_func("/virtio-gpu/fence", test_fence);
    g_test_add_func("/virtio-gpu/unknown", test_unknown);
    g_test_add_func("/virtio-gpu/broken", test_broken);
    g_test_add_func("/virtio-gpu/saved", test_saved);
    qtest_add_refused("/virtio-gpu/refused", refused_cases, G_N_ELEMENTS(refused_cases));
    return g_test_run();
}

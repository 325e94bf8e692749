/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-gpu with 3D by a driver of our own: the renderer, which draws in memory, clears pictures
 * with the commands of virgl's protocol; what is shown and read back; requests that are wrong; a
 * DIMM with a backing in it that goes.
 */
#include <string.h>

#include "tests/qtest/gpu.h"

#define RAM_SIZE 0x4000000ull
#define PIXELS   0x100000u /* a backing, in RAM */
#define DIMM     0x100000000ull

/* Of virgl's protocol. */
enum { TEXTURE_2D = 2, BUFFER = 0, RENDER_TARGET = 2, SCANOUT = 1 << 18 };
enum { CREATE_OBJECT = 1, SET_FRAMEBUFFER = 5, CLEAR = 7, SURFACE = 8 };

static const VirtioGpuRect all = { 0, 0, 64, 32 };
static const uint32_t ok = VIRTIO_GPU_OK_NODATA, wrong = VIRTIO_GPU_ERR_PARAMETER,
                      no_resource = VIRTIO_GPU_ERR_RESOURCE_ID,
                      no_context = VIRTIO_GPU_ERR_CONTEXT_ID, full = VIRTIO_GPU_ERR_OUT_OF_MEMORY;

static void start(QGpu *g, const char *options)
{
    *g = (QGpu){ .qt = qtest_start("-M pc -m 64M,slots=2,maxmem=1G -display egl-headless "
                                   "-device virtio-gpu-gl-pci,id=g0,addr=4%s",
                                   options),
                 .context = 1 };
    qgpu_drive(g, 1 << VIRTIO_GPU_F_VIRGL);
}

static uint32_t of_context(QGpu *g, uint32_t type, uint32_t id)
{
    return QGPU_ASK(g, type, VirtioGpuResourceId, id);
}

static uint32_t new_context(QGpu *g)
{
    return QGPU_ASK(g, VIRTIO_GPU_CTX_CREATE, VirtioGpuCtxCreate, 4, 0, "test");
}

static VirtioGpuCreate3d texture(uint32_t id)
{
    return (VirtioGpuCreate3d){ .resource_id = id,
                                .target = TEXTURE_2D,
                                .format = QGPU_B8G8R8X8,
                                .bind = RENDER_TARGET | SCANOUT,
                                .width = 64,
                                .height = 32,
                                .depth = 1,
                                .array_size = 1 };
}

static uint32_t create(QGpu *g, VirtioGpuCreate3d what)
{
    return qgpu_ask(g, VIRTIO_GPU_RESOURCE_CREATE_3D, &what, sizeof(what));
}

static uint32_t submit(QGpu *g, const uint32_t *commands, unsigned count)
{
    const VirtioGpuSubmit body = { .size = 4 * count };

    qtest_memwrite(g->qt, g->request + sizeof(VirtioGpuHeader) + sizeof(body), commands, body.size);
    return qgpu_ask_more(g, VIRTIO_GPU_SUBMIT_3D, &body, sizeof(body), body.size);
}

static uint32_t transfer(QGpu *g, bool to_host, uint32_t id, VirtioGpuBox box, uint64_t offset)
{
    return QGPU_ASK(g, to_host ? VIRTIO_GPU_TRANSFER_TO_HOST_3D : VIRTIO_GPU_TRANSFER_FROM_HOST_3D,
                    VirtioGpuTransfer3d, .box = box, .offset = offset, .resource_id = id,
                    .stride = 64 * 4);
}

/* A context, with resource 7 as what it draws to. */
static void begin(QGpu *g)
{
    const uint32_t target[] = { CREATE_OBJECT | SURFACE << 8 | 5 << 16,
                                11,
                                7,
                                QGPU_B8G8R8X8,
                                0,
                                0,
                                SET_FRAMEBUFFER | 3 << 16,
                                1,
                                0,
                                11 };

    g_assert_cmphex(new_context(g), ==, ok);
    g_assert_cmphex(create(g, texture(7)), ==, ok);
    g_assert_cmphex(of_context(g, VIRTIO_GPU_CTX_ATTACH_RESOURCE, 7), ==, ok);
    g_assert_cmphex(submit(g, target, G_N_ELEMENTS(target)), ==, ok);
}

static uint32_t clear(QGpu *g, float red, float green, float blue)
{
    const float colour[] = { red, green, blue, 1 };
    uint32_t command[9] = { CLEAR | 8 << 16, 4 };

    memcpy(&command[2], colour, sizeof(colour));
    return submit(g, command, G_N_ELEMENTS(command));
}

/* What a picture of output @head has at @x, @y, which is @width pixels wide: 0xRRGGBB. */
static uint32_t seen(QGpu *g, int head, unsigned width, unsigned x, unsigned y)
{
    g_autofree char *file = qtest_temp_path(g->qt, "screen"), *picture = NULL;
    g_autofree char *size = g_strdup_printf("P6\n%u ", width);
    g_autoptr(GError) err = NULL;
    gsize length;

    qtest_qmp_ok(g->qt, "screendump", "{'filename': %s, 'device': 'g0', 'head': %d}", file, head);
    g_file_get_contents(file, &picture, &length, &err);
    g_assert_no_error(err);
    g_assert_true(g_str_has_prefix(picture, size));
    const uint8_t *pixels = (const uint8_t *)strstr(picture, "\n255\n") + 5;
    const uint8_t *at = pixels + 3 * (width * y + x);
    g_assert_true((const char *)at + 3 <= picture + length);
    return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

/* ---- capabilities ---- */

static void test_capsets(void)
{
    VirtioGpuCapsetInfo info[2];
    uint32_t version;
    QGpu g;

    start(&g, "");
    g_assert_cmphex(qvirtio_offered(&g.v) & 3, ==, 3);
    g_assert_cmpuint(qvirtio_config(&g.v, 12, 4), ==, 2);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmphex(QGPU_ASK(&g, VIRTIO_GPU_GET_CAPSET_INFO, VirtioGpuGetCapsetInfo, i), ==,
                        VIRTIO_GPU_OK_CAPSET_INFO);
        qtest_memread(g.qt, g.answer + sizeof(VirtioGpuHeader), &info[i], sizeof(info[i]));
        g_assert_cmpuint(info[i].id, ==, i + 1);
        g_assert_cmphex(QGPU_ASK(&g, VIRTIO_GPU_GET_CAPSET, VirtioGpuGetCapset, info[i].id,
                                 info[i].max_version),
                        ==, VIRTIO_GPU_OK_CAPSET);
        qtest_memread(g.qt, g.answer + sizeof(VirtioGpuHeader), &version, sizeof(version));
        g_assert_cmpuint(version, ==, info[i].max_version);
        g_assert_cmphex(QGPU_ASK(&g, VIRTIO_GPU_GET_CAPSET, VirtioGpuGetCapset, info[i].id,
                                 info[i].max_version + 1),
                        ==, wrong);
    }
    g_assert_cmphex(QGPU_ASK(&g, VIRTIO_GPU_GET_CAPSET_INFO, VirtioGpuGetCapsetInfo, 2), ==, wrong);
    g_assert_cmphex(QGPU_ASK(&g, VIRTIO_GPU_GET_CAPSET, VirtioGpuGetCapset, 3, 0), ==, wrong);
    qgpu_assert_works(&g);
    qtest_quit(g.qt);
}

/* ---- drawing ---- */

static void test_clear(void)
{
    const VirtioGpuEntry entry = { PIXELS, 64 * 32 * 4 };
    const uint32_t red[2] = { 0xff0000, 0xff0000 };
    uint32_t pixels[3];
    QGpu g;

    start(&g, "");
    begin(&g);
    g.flags = VIRTIO_GPU_FLAG_FENCE;
    g_assert_cmphex(clear(&g, 0, 0.5, 1), ==, ok);
    g_assert_cmphex(qtest_readl(g.qt, g.answer + 4), ==, VIRTIO_GPU_FLAG_FENCE);
    g.flags = 0;
    g_assert_cmphex(qgpu_show(&g, 0, 7, all), ==, ok);
    g_assert_cmphex(seen(&g, 0, 64, 0, 0), ==, 0x0080ff);
    g_assert_cmphex(seen(&g, 0, 64, 63, 31), ==, 0x0080ff);
    /* Nothing is seen before it is flushed, and then that part. */
    g_assert_cmphex(clear(&g, 0, 1, 0), ==, ok);
    g_assert_cmphex(seen(&g, 0, 64, 0, 0), ==, 0x0080ff);
    g_assert_cmphex(qgpu_flush(&g, 7, (VirtioGpuRect){ 8, 8, 16, 16 }), ==, ok);
    g_assert_cmphex(seen(&g, 0, 64, 7, 8), ==, 0x0080ff);
    g_assert_cmphex(seen(&g, 0, 64, 8, 8), ==, 0x00ff00);
    g_assert_cmphex(seen(&g, 0, 64, 23, 23), ==, 0x00ff00);
    g_assert_cmphex(seen(&g, 0, 64, 24, 23), ==, 0x0080ff);
    /* To the guest's memory, and from there. */
    g_assert_cmphex(qgpu_attach(&g, 7, 1, &entry), ==, ok);
    qtest_memset(g.qt, PIXELS, 0x55, entry.length);
    g_assert_cmphex(transfer(&g, false, 7, (VirtioGpuBox){ 1, 0, 0, 1, 1, 1 }, 4), ==, ok);
    qtest_memread(g.qt, PIXELS, pixels, sizeof(pixels));
    g_assert_cmphex(pixels[0], ==, 0x55555555);
    g_assert_cmphex(pixels[1] & 0xffffff, ==, 0x00ff00);
    g_assert_cmphex(pixels[2], ==, 0x55555555);
    qtest_memwrite(g.qt, PIXELS + 4, red, sizeof(red));
    g_assert_cmphex(transfer(&g, true, 7, (VirtioGpuBox){ 1, 0, 0, 2, 1, 1 }, 4), ==, ok);
    g_assert_cmphex(qgpu_flush(&g, 7, all), ==, ok);
    g_assert_cmphex(seen(&g, 0, 64, 0, 0), ==, 0x00ff00);
    g_assert_cmphex(seen(&g, 0, 64, 2, 0), ==, 0xff0000);
    g_assert_cmphex(seen(&g, 0, 64, 3, 0), ==, 0x00ff00);
    /* A part of it; the same by 2D; none. */
    g_assert_cmphex(qgpu_show(&g, 0, 7, (VirtioGpuRect){ 2, 0, 8, 8 }), ==, ok);
    g_assert_cmphex(seen(&g, 0, 8, 0, 0), ==, 0xff0000);
    g_assert_cmphex(qgpu_create(&g, 8, QGPU_B8G8R8X8, 16, 16), ==, ok);
    g_assert_cmphex(qgpu_show(&g, 0, 8, (VirtioGpuRect){ 0, 0, 16, 16 }), ==, ok);
    g_assert_cmphex(seen(&g, 0, 16, 0, 0), ==, 0);
    g_assert_cmphex(qgpu_show(&g, 0, 7, all), ==, ok);
    g_assert_cmphex(qgpu_unref(&g, 7), ==, ok);
    g_assert_cmphex(seen(&g, 0, 640, 0, 0), ==, 0);
    qgpu_assert_works(&g);
    qtest_quit(g.qt);
}

/* A pointer that the renderer has. */
static void test_cursor(void)
{
    VirtioGpuCreate3d pointer = texture(3);
    struct {
        VirtioGpuHeader header;
        VirtioGpuCursorRequest ask;
    } request = { { .type = VIRTIO_GPU_UPDATE_CURSOR }, { .resource_id = 3 } };
    QGpu g;

    start(&g, "");
    begin(&g);
    pointer.height = 64;
    pointer.format = 1;
    g_assert_cmphex(create(&g, pointer), ==, ok);
    for (unsigned i = 0; i < 3; i++) {
        qtest_memwrite(g.qt, g.request, &request, sizeof(request));
        g_assert_cmpuint(qvirtq_ask(&g.cursor, g.request, sizeof(request), g.answer, 24), ==, 0);
        request.ask.resource_id = i ? 99 : 7; /* not of a pointer's size; none */
    }
    qgpu_assert_works(&g);
    qtest_quit(g.qt);
}

/* A reset takes all of it away; what was asked for before is answered nobody. */
static void test_reset(void)
{
    uint32_t command[9] = { CLEAR | 8 << 16, 4 };
    QGpu g;

    start(&g, "");
    for (unsigned i = 0; i < 3; i++) {
        begin(&g);
        g_assert_cmphex(qgpu_show(&g, 0, 7, all), ==, ok);
        if (i == 1) { /* under way */
            const struct {
                VirtioGpuHeader header;
                VirtioGpuSubmit body;
            } request = { { .type = VIRTIO_GPU_SUBMIT_3D, .ctx_id = 1 }, { sizeof(command) } };

            qtest_memwrite(g.qt, g.request, &request, sizeof(request));
            qtest_memwrite(g.qt, g.request + sizeof(request), command, sizeof(command));
            qvirtq_add_pair(&g.control, g.request, sizeof(request) + sizeof(command), g.answer, 24);
            qvirtq_kick(&g.control);
        }
        qgpu_drive(&g, 1 << VIRTIO_GPU_F_VIRGL);
        g_assert_cmphex(qgpu_flush(&g, 7, all), ==, no_resource);
        g_assert_cmphex(clear(&g, 1, 1, 1), ==, no_context);
    }
    qtest_qmp_ok(g.qt, "system_reset", "{}");
    qgpu_drive(&g, 1 << VIRTIO_GPU_F_VIRGL);
    begin(&g);
    /* Without the feature there is no 3D. */
    qgpu_drive(&g, 0);
    g_assert_cmphex(new_context(&g), ==, VIRTIO_GPU_ERR_UNSPEC);
    g_assert_cmphex(create(&g, texture(7)), ==, VIRTIO_GPU_ERR_UNSPEC);
    g_assert_cmphex(qgpu_create(&g, 7, QGPU_B8G8R8X8, 16, 16), ==, ok);
    qtest_quit(g.qt);
}

/* Two outputs. */
static void test_outputs(void)
{
    QGpu g;

    start(&g, ",max_outputs=2");
    begin(&g);
    g_assert_cmphex(clear(&g, 1, 0, 1), ==, ok);
    g_assert_cmphex(qgpu_show(&g, 1, 7, (VirtioGpuRect){ 8, 8, 32, 16 }), ==, ok);
    g_assert_cmphex(qgpu_show(&g, 2, 7, all), ==, VIRTIO_GPU_ERR_SCANOUT_ID);
    g_assert_cmphex(seen(&g, 0, 640, 0, 0), ==, 0);
    g_assert_cmphex(seen(&g, 1, 32, 31, 15), ==, 0xff00ff);
    qtest_quit(g.qt);
}

/* Ask for a context, without waiting for an answer. */
static void want_context(QGpu *g)
{
    const struct {
        VirtioGpuHeader header;
        VirtioGpuCtxCreate body;
    } request = { { .type = VIRTIO_GPU_CTX_CREATE, .ctx_id = 1 }, { 0 } };

    qtest_memwrite(g->qt, g->request, &request, sizeof(request));
    qvirtq_add_pair(&g->control, g->request, sizeof(request), g->answer, 24);
    qvirtq_kick(&g->control);
}

/* The renderer is busy: resets of a card of which it has nothing cost nothing, and those of one of
 * which it has something come to an end. */
static void reset_again_and_again(QGpu *g)
{
    for (unsigned i = 0; i < 20; i++) {
        qgpu_drive(g, 1 << VIRTIO_GPU_F_VIRGL);
        g_assert_cmphex(qgpu_create(g, 7, QGPU_B8G8R8X8, 16, 16), ==, ok);
    }
    for (unsigned i = 0; i < 20; i++) {
        qgpu_drive(g, 1 << VIRTIO_GPU_F_VIRGL);
        want_context(g);
        g_assert_true(i || !qvirtq_has_used(&g->control));
    }
    qgpu_drive(g, 1 << VIRTIO_GPU_F_VIRGL);
    g_assert_cmphex(new_context(g), ==, full);
    g_assert_cmphex(create(g, texture(7)), ==, full);
}

/* What takes long the guest waits for, but not the machine, which is looked at, reset and ended. */
static void test_busy(void)
{
    enum { COPY_REGION = 17, COPY = 14, COPIES = 4500 };
    const uint32_t copy[COPY] = {
        COPY_REGION | (COPY - 1) << 16, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 4096, 4096, 1
    };
    const struct {
        VirtioGpuHeader header;
        VirtioGpuSubmit body;
    } request = { { .type = VIRTIO_GPU_SUBMIT_3D, .flags = VIRTIO_GPU_FLAG_FENCE, .ctx_id = 1 },
                  { COPIES * sizeof(copy) } };
    g_autoptr(GByteArray) copies = g_byte_array_new();
    VirtioGpuCreate3d what = texture(1);
    QGpu g;

    start(&g, "");
    what.width = what.height = 4096;
    g_assert_cmphex(new_context(&g), ==, ok);
    for (what.resource_id = 1; what.resource_id <= 2; what.resource_id++) {
        g_assert_cmphex(create(&g, what), ==, ok);
        g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_ATTACH_RESOURCE, what.resource_id), ==, ok);
    }
    g_byte_array_append(copies, (const void *)&request, sizeof(request));
    for (unsigned i = 0; i < COPIES; i++) {
        g_byte_array_append(copies, (const void *)copy, sizeof(copy));
    }
    g_assert_cmpuint(copies->len, <=, QGPU_ROOM);
    qtest_memwrite(g.qt, g.request, copies->data, copies->len);
    qvirtq_add_pair(&g.control, g.request, copies->len, g.answer, 24);
    qvirtq_kick(&g.control);
    g_assert_cmphex(seen(&g, 0, 640, 0, 0), ==, 0);
    g_assert_false(qvirtq_has_used(&g.control));
    qtest_qmp_ok(g.qt, "system_reset", "{}");
    qgpu_drive(&g, 1 << VIRTIO_GPU_F_VIRGL);
    qgpu_assert_works(&g);
    reset_again_and_again(&g);
    qgpu_assert_works(&g);
    qtest_quit(g.qt); /* status 0 */
}

/* ---- what is refused ---- */

static void test_contexts(void)
{
    QGpu g;

    start(&g, "");
    g_assert_cmphex(clear(&g, 1, 1, 1), ==, no_context);
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_DESTROY, 0), ==, no_context);
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_ATTACH_RESOURCE, 7), ==, no_context);
    g.context = 0;
    g_assert_cmphex(new_context(&g), ==, no_context);
    g.context = 1;
    begin(&g);
    g_assert_cmphex(new_context(&g), ==, no_context);
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_ATTACH_RESOURCE, 8), ==, no_resource);
    g_assert_cmphex(qgpu_create(&g, 8, QGPU_B8G8R8X8, 16, 16), ==, ok);
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_ATTACH_RESOURCE, 8), ==, ok);
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_DETACH_RESOURCE, 8), ==, ok);
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_DETACH_RESOURCE, 7), ==, ok);
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_DESTROY, 0), ==, ok);
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_DESTROY, 0), ==, no_context);
    for (g.context = 1; g.context <= 64; g.context++) {
        g_assert_cmphex(new_context(&g), ==, ok);
    }
    g_assert_cmphex(new_context(&g), ==, full);
    qgpu_assert_works(&g);
    qtest_quit(g.qt);
}

static void test_resources(void)
{
    static const VirtioGpuBox boxes[] = {
        { 0, 0, 0, 65, 1, 1 },         { 1, 0, 0, 64, 1, 1 },         { 0, 0, 0, 1, 33, 1 },
        { 0, 0, 1, 1, 1, 1 },          { 0, 0, 0, 1, 1, 2 },          { 0, 0, 0, 0, 1, 1 },
        { UINT32_MAX, 0, 0, 2, 1, 1 }, { 0, UINT32_MAX, 0, 1, 2, 1 }, { 0, 0, UINT32_MAX, 1, 1, 2 },
        { 0, 0, 0, UINT32_MAX, 1, 1 }, { 1, 0, 0, UINT32_MAX, 1, 1 },
    };
    const VirtioGpuEntry entry = { PIXELS, 0x1000 }, nowhere = { RAM_SIZE, 0x2000 };
    const VirtioGpuBox line = { 0, 0, 0, 64, 1, 1 };
    QGpu g;

    start(&g, "");
    begin(&g);
    g_assert_cmphex(create(&g, texture(0)), ==, no_resource);
    g_assert_cmphex(create(&g, texture(7)), ==, no_resource);
    g_assert_cmphex(create(&g, texture(UINT32_MAX)), ==, no_resource);
    g_assert_cmphex(qgpu_create(&g, 7, QGPU_B8G8R8X8, 16, 16), ==, no_resource);
    for (unsigned i = 0; i < sizeof(VirtioGpuCreate3d) / 4 - 1; i++) {
        VirtioGpuCreate3d what = texture(9);

        ((uint32_t *)&what)[i] = 0xfffffff0;
        if (i && create(&g, what) == ok) { /* flags mean little */
            g_assert_cmphex(qgpu_unref(&g, 9), ==, ok);
        }
    }
    g_assert_cmphex(transfer(&g, true, 7, line, 0), ==, wrong); /* no backing */
    g_assert_cmphex(transfer(&g, true, 8, line, 0), ==, no_resource);
    g_assert_cmphex(qgpu_attach(&g, 7, 1, &nowhere), ==, ok);
    g_assert_cmphex(transfer(&g, true, 7, line, 0), ==, wrong); /* no RAM */
    g_assert_cmphex(qgpu_detach(&g, 7), ==, ok);
    g_assert_cmphex(qgpu_attach(&g, 7, 1, &entry), ==, ok);
    g_assert_cmphex(qgpu_attach(&g, 7, 1, &entry), ==, wrong);
    g_assert_cmphex(transfer(&g, true, 7, line, 0), ==, ok);
    g_assert_cmphex(transfer(&g, false, 7, line, 0x1000 - 256), ==, ok);
    g_assert_cmphex(transfer(&g, false, 7, line, 0x1000 - 252), ==, wrong);
    g_assert_cmphex(transfer(&g, true, 7, line, UINT64_MAX), ==, wrong);
    for (unsigned i = 0; i < G_N_ELEMENTS(boxes); i++) {
        g_assert_cmphex(transfer(&g, true, 7, boxes[i], 0), ==, wrong);
        g_assert_cmphex(transfer(&g, false, 7, boxes[i], 0), ==, wrong);
    }
    g_assert_cmphex(qgpu_transfer(&g, 7, all, 0), ==, wrong); /* of 2D */
    g_assert_cmphex(qgpu_show(&g, 1, 7, all), ==, VIRTIO_GPU_ERR_SCANOUT_ID);
    g_assert_cmphex(qgpu_show(&g, 0, 7, (VirtioGpuRect){ 0, 0, 64, 33 }), ==, wrong);
    g_assert_cmphex(qgpu_flush(&g, 7, (VirtioGpuRect){ 1, 0, 64, 1 }), ==, wrong);
    qgpu_assert_works(&g);
    qtest_quit(g.qt);
}

static void test_limits(void)
{
    VirtioGpuCreate3d what = texture(1), buffer = { .resource_id = 2,
                                                    .target = BUFFER,
                                                    .format = 64,
                                                    .bind = 1 << 4,
                                                    .width = 0x80000,
                                                    .height = 1,
                                                    .depth = 1,
                                                    .array_size = 1 };
    QGpu g;

    start(&g, ",max_hostmem=1M");
    g_assert_cmphex(new_context(&g), ==, ok);
    what.width = 512;
    what.height = 513;
    g_assert_cmphex(create(&g, what), ==, full);
    what.height = 256;
    what.array_size = UINT32_MAX;
    g_assert_cmphex(create(&g, what), ==, wrong);
    what.array_size = 1;
    g_assert_cmphex(create(&g, what), ==, ok);
    g_assert_cmphex(create(&g, buffer), ==, ok);
    buffer.resource_id = 3;
    g_assert_cmphex(create(&g, buffer), ==, full);
    /* To show it takes more. */
    g_assert_cmphex(qgpu_show(&g, 0, 1, all), ==, full);
    g_assert_cmphex(qgpu_unref(&g, 2), ==, ok);
    g_assert_cmphex(qgpu_show(&g, 0, 1, all), ==, full); /* its image, and no surface */
    g_assert_cmphex(qgpu_unref(&g, 1), ==, ok);
    what.height = 64;
    g_assert_cmphex(create(&g, what), ==, ok);
    g_assert_cmphex(qgpu_show(&g, 0, 1, all), ==, ok);
    qgpu_assert_works(&g);
    qtest_quit(g.qt);
}

/* Commands of a context that make no sense, in any number; the next ones are done. */
static void test_commands(void)
{
    static const VirtioGpuSubmit sizes[] = { { 0 }, { 2 }, { 0x42000 }, { UINT32_MAX - 3 } };
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    uint32_t words[64];
    QGpu g;

    start(&g, "");
    begin(&g);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_assert_cmphex(qgpu_ask_more(&g, VIRTIO_GPU_SUBMIT_3D, &sizes[i], sizeof(sizes[i]), 4), ==,
                        wrong);
    }
    words[0] = 0xdeadbeef;
    g_assert_cmphex(submit(&g, words, 1), ==, wrong);
    for (unsigned i = 0; i < 300; i++) {
        const unsigned count = 1 + i % (G_N_ELEMENTS(words) - 1);

        for (unsigned n = 0; n < G_N_ELEMENTS(words); n++) {
            words[n] = g_rand_int(random) & (n % 3 ? 0xf : 0xffff);
        }
        words[0] = i % 56 | (words[1] & 15) << 8 | (count - 1) << 16;
        submit(&g, words, count);
    }
    qgpu_assert_works(&g);
    /* Another context is as it was made. */
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_DESTROY, 0), ==, ok);
    g_assert_cmphex(qgpu_unref(&g, 7), ==, ok);
    g.context = 2;
    begin(&g);
    g_assert_cmphex(clear(&g, 1, 0, 0), ==, ok);
    g_assert_cmphex(qgpu_show(&g, 0, 7, all), ==, ok);
    g_assert_cmphex(seen(&g, 0, 64, 0, 0), ==, 0xff0000);
    qtest_quit(g.qt);
}

/* What drivers make before they draw; the same with formats that there are not; queries. */
static void test_objects(void)
{
    enum { SAMPLER_VIEW = 6 << 8, SAMPLER = 7 << 8, VERTEX_ELEMENTS = 5 << 8, IMAGES = 35 };
    static const struct {
        uint32_t words[12];
        unsigned format; /* which of them is one; 0: none */
    } objects[] = {
        { { CREATE_OBJECT | SURFACE << 8 | 5 << 16, 21, 7, 1, 0, 0 }, 3 },
        { { CREATE_OBJECT | SAMPLER_VIEW | 6 << 16, 22, 7, QGPU_B8G8R8X8 | TEXTURE_2D << 24, 0, 0,
            0x688 },
          3 },
        { { CREATE_OBJECT | SAMPLER | 9 << 16, 23, 0, 0x3fc00000, 0, 0x447a0000, 0, 0, 0, 0 }, 0 },
        { { CREATE_OBJECT | VERTEX_ELEMENTS | 9 << 16, 24, 0, 0, 0, 31, 16, 0, 0, 29 }, 9 },
        { { IMAGES | 7 << 16, 1, 0, 1, 1, 0, 0, 0 }, 3 },
    };
    const VirtioGpuEntry entry = { PIXELS, 4096 };
    const uint32_t query[] = {
        CREATE_OBJECT | 9 << 8 | 4 << 16, 40, 0, 0, 9, 19 | 1 << 16, 40, 20 | 1 << 16, 40
    };
    const uint32_t link[] = { 52 | 6 << 16, 1, 2, 3, 4, 5, 6 };
    uint32_t result[] = { 42 | 6 << 16, 40, 7, 1, 0, 0, 0 };
    VirtioGpuCreate3d what = texture(7), buffer = { .target = BUFFER,
                                                    .format = 64,
                                                    .bind = 1 << 4,
                                                    .width = 4096,
                                                    .height = 1,
                                                    .depth = 1,
                                                    .array_size = 1 };
    QGpu g;

    start(&g, "");
    g_assert_cmphex(new_context(&g), ==, ok);
    what.bind |= 1 << 3; /* it can be sampled */
    g_assert_cmphex(create(&g, what), ==, ok);
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_ATTACH_RESOURCE, 7), ==, ok);
    for (unsigned i = 0; i < G_N_ELEMENTS(objects); i++) {
        const unsigned count = 1 + (objects[i].words[0] >> 16), format = objects[i].format;
        uint32_t words[12];

        memcpy(words, objects[i].words, sizeof(words));
        g_assert_cmphex(submit(&g, words, count), ==, ok);
        words[1]++;
        for (unsigned n = 0; format && n < 2; n++) {
            words[format] = (words[format] & 0xff000000) | (n ? 0xffffff : 315);
            g_assert_cmphex(submit(&g, words, count), ==, wrong);
        }
    }
    /* Results go to buffers of GL; a link is no more than good advice. */
    buffer.resource_id = 8;
    g_assert_cmphex(create(&g, buffer), ==, ok);
    buffer.resource_id = 9;
    buffer.bind = 1 << 17;
    g_assert_cmphex(create(&g, buffer), ==, ok);
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_ATTACH_RESOURCE, 8), ==, ok);
    g_assert_cmphex(of_context(&g, VIRTIO_GPU_CTX_ATTACH_RESOURCE, 9), ==, ok);
    g_assert_cmphex(qgpu_attach(&g, 9, 1, &entry), ==, ok);
    g_assert_cmphex(submit(&g, query, G_N_ELEMENTS(query)), ==, ok);
    for (result[2] = 7; result[2] <= 10; result[2]++) {
        g_assert_cmphex(submit(&g, result, G_N_ELEMENTS(result)), ==, result[2] == 8 ? ok : wrong);
    }
    g_assert_cmphex(submit(&g, link, G_N_ELEMENTS(link)), ==, ok);
    /* The context goes on: the renderer has not seen them. */
    g_assert_cmphex(submit(&g, (uint32_t[]){ 0 }, 1), ==, ok);
    qtest_quit(g.qt);
}

/* ---- memory ---- */

static void assert_dimms(QTest *qt, unsigned count)
{
    struct json_object *list = qtest_qmp(qt, "query-memory-devices", "{}");

    g_assert_cmpuint(json_object_array_length(list), ==, count);
    json_object_put(list);
}

/* A DIMM with a backing in it is ejected: the backing is nowhere then, and in the next one. */
static void test_dimm(void)
{
    const VirtioGpuEntry entry = { DIMM, 64 * 32 * 4 };
    const VirtioGpuBox line = { 0, 0, 0, 64, 1, 1 };
    const uint32_t blue = 0x0000ff;
    QGpu g;

    start(&g, "");
    begin(&g);
    g_assert_cmphex(qgpu_show(&g, 0, 7, all), ==, ok);
    for (unsigned round = 0; round < 2; round++) {
        json_object_put(
            qtest_qmp(g.qt, "object-add",
                      "{'qom-type': 'memory-backend-ram', 'id': 'm0', 'size': 134217728}"));
        json_object_put(
            qtest_qmp(g.qt, "device_add", "{'driver': 'pc-dimm', 'id': 'd0', 'memdev': 'm0'}"));
        if (round == 0) {
            g_assert_cmphex(qgpu_attach(&g, 7, 1, &entry), ==, ok);
        }
        qtest_memwrite(g.qt, DIMM, &blue, sizeof(blue));
        g_assert_cmphex(transfer(&g, true, 7, line, 0), ==, ok);
        g_assert_cmphex(qgpu_flush(&g, 7, all), ==, ok);
        g_assert_cmphex(seen(&g, 0, 64, 0, 0), ==, blue);
        qtest_qmp_ok(g.qt, "device_del", "{'id': 'd0'}");
        qtest_outl(g.qt, 0xa00, 0); /* slot 0: */
        qtest_outb(g.qt, 0xa14, 8); /* eject */
        assert_dimms(g.qt, 0);
        qtest_qmp_ok(g.qt, "object-del", "{'id': 'm0'}");
        g_assert_cmphex(transfer(&g, true, 7, line, 0), ==, wrong);
        g_assert_cmphex(transfer(&g, false, 7, line, 0), ==, wrong);
        g_assert_cmphex(clear(&g, 1, 1, 1), ==, ok);
    }
    g_assert_cmphex(qgpu_detach(&g, 7), ==, ok);
    qgpu_assert_works(&g);
    qtest_quit(g.qt);
}

/* ---- the machine ---- */

/* @command with its one argument is refused, and the message has @words. */
static void assert_refused(QGpu *g, const char *command, const char *argument, const char *words)
{
    struct json_object *error, *text;

    error = qtest_qmp_error(
        g->qt, command, strcmp(command, "migrate") == 0 ? "{'uri': %s}" : "{'id': %s}", argument);
    g_assert_true(json_object_object_get_ex(error, "desc", &text));
    g_test_message("%s", json_object_get_string(text));
    g_assert_nonnull(strstr(json_object_get_string(text), words));
    json_object_put(error);
}

static void test_saved(void)
{
    QGpu g;

    start(&g, "");
    g_autofree char *file = qtest_temp_path(g.qt, "state");
    g_autofree char *uri = g_strconcat("file:", file, NULL);
    assert_refused(&g, "migrate", uri, "a machine with virtio-gpu-pci or virtio-vga can be saved");
    assert_refused(&g, "device_del", "g0", "g0");
    struct json_object *display = qtest_qmp(g.qt, "query-display-options", "{}"), *type;
    g_assert_true(json_object_object_get_ex(display, "type", &type));
    g_assert_cmpstr(json_object_get_string(type), ==, "egl-headless");
    json_object_put(display);
    qgpu_assert_works(&g);
    qtest_quit(g.qt);
}

static const QTestRefused refused_cases[] = {
    { "-device virtio-gpu-gl-pci", "which is there with -display egl-headless" },
    { "-device virtio-vga-gl", "which is there with -display egl-headless" },
    { "-display egl-headless -device virtio-vga-gl -device virtio-gpu-gl-pci",
      "has 3D already: there is one card with it" },
    { "-display egl-headless -device virtio-gpu-gl-pci,iommu_platform=on",
      "leave iommu_platform=on out" },
    { "-display egl-headless,window=on", "'window'" },
    { "-display egl-headless,rendernode=/nowhere/renderD128", "rendernode=/nowhere/renderD128" },
    { "-display egl-headless,rendernode=/dev/null", "/dev/dri/renderD128" },
    { "-display gtk", "use sdl" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-gpu-gl/capsets", test_capsets);
    g_test_add_func("/virtio-gpu-gl/clear", test_clear);
    g_test_add_func("/virtio-gpu-gl/cursor", test_cursor);
    g_test_add_func("/virtio-gpu-gl/reset", test_reset);
    g_test_add_func("/virtio-gpu-gl/outputs", test_outputs);
    g_test_add_func("/virtio-gpu-gl/busy", test_busy);
    g_test_add_func("/virtio-gpu-gl/contexts", test_contexts);
    g_test_add_func("/virtio-gpu-gl/resources", test_resources);
    g_test_add_func("/virtio-gpu-gl/limits", test_limits);
    g_test_add_func("/virtio-gpu-gl/commands", test_commands);
    g_test_add_func("/virtio-gpu-gl/objects", test_objects);
    g_test_add_func("/virtio-gpu-gl/dimm", test_dimm);
    g_test_add_func("/virtio-gpu-gl/saved", test_saved);
    qtest_add_refused("/virtio-gpu-gl/refused", refused_cases, G_N_ELEMENTS(refused_cases));
    return g_test_run();
}

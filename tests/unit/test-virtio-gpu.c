/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the console of a virtio GPU shows: pixels of each format, parts of resources, pointers, what
 * viewers are told, and what is shown after the device was saved and loaded.
 */
#include <inttypes.h>
#include <string.h>

#include "accel/choose.h"
#include "hw/core/machine.h"
#include "hw/i386/x86.h"
#include "hw/virtio/virtio-gpu.h"
#include "memory/address-space.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/main-loop.h"

#define RAM 0x100000u
enum { B8G8R8A8 = 1, B8G8R8X8 = 2, CURSOR = VIRTIO_GPU_CURSOR_SIZE };

static VirtioGpu *gpu;
static Console *console;
static Device *vga; /* another one, which is a VGA as well */

/* What the listener has heard. */
static struct {
    unsigned surfaces, updates, cursors, moves;
    VirtioGpuRect last;
    int x, y;
    bool visible;
} heard;

static void surface(void *opaque, Console *c, pixman_image_t *image)
{
    heard.surfaces++;
}

static void update(void *opaque, Console *c, unsigned x, unsigned y, unsigned w, unsigned h)
{
    heard.updates++;
    heard.last = (VirtioGpuRect){ x, y, w, h };
}

static void cursor(void *opaque, Console *c, const ConsoleCursor *shape)
{
    heard.cursors++;
}

static void cursor_move(void *opaque, Console *c, int x, int y, bool visible)
{
    heard.moves++;
    heard.x = x;
    heard.y = y;
    heard.visible = visible;
}

static const ConsoleListener listener = { surface, update, cursor, cursor_move, NULL };

static Device *add(const char *options)
{
    g_autoptr(GError) err = NULL;
    struct json_object *props = keyval_parse(options, "driver", NULL);
    Device *dev = device_add(props, &err);

    g_assert_no_error(err);
    json_object_put(props);
    return dev;
}

static void set_up(void)
{
    Machine *machine;
    g_autoptr(GError) err = NULL;

    machine = machine_new(machine_type_find("pc", &err), &err);
    g_assert_no_error(err);
    machine->firmware = g_strdup("off");
    machine_parse_memory(machine, "64M", &err);
    g_assert_no_error(err);
    machine_init(machine, &err);
    g_assert_no_error(err);
    gpu = VIRTIO_GPU(VIRTIO_PCI(OBJECT(add("virtio-gpu-pci,id=g0,max_outputs=2")))->vdev);
    vga = add("virtio-vga,id=v0");
    console = console_by_device(OBJECT(gpu)->parent, 0);
    g_assert_nonnull(console);
    g_assert_nonnull(console_by_device(OBJECT(gpu)->parent, 1));
}

static void begin(void)
{
    virtio_device_reset(&gpu->parent.parent);
    console_refresh(console);
    console_remove_listener(console, &listener);
    console_add_listener(console, &listener);
    memset(&heard, 0, sizeof(heard));
}

static uint32_t *pixels(const VirtioGpuResource *r)
{
    return pixman_image_get_data(r->image);
}

static uint32_t seen(unsigned x, unsigned y)
{
    pixman_image_t *image = console_surface(console);

    g_assert_cmpuint(x, <, pixman_image_get_width(image));
    g_assert_cmpuint(y, <, pixman_image_get_height(image));
    return pixman_image_get_data(image)[y * pixman_image_get_stride(image) / 4 + x] & 0xffffff;
}

/* A resource whose pixels are their numbers. */
static VirtioGpuResource *numbered(uint32_t id, unsigned width, unsigned height)
{
    VirtioGpuResource *r = virtio_gpu_create(gpu, id, B8G8R8X8, width, height);

    for (unsigned i = 0; i < width * height; i++) {
        pixels(r)[i] = i;
    }
    return r;
}

static void show(const VirtioGpuResource *r, VirtioGpuRect rect)
{
    g_assert_true(virtio_gpu_show(gpu, &gpu->scanouts[0], r, &rect));
    console_refresh(console);
}

/* Red 0x11, green 0x22, blue 0x33, in the bytes of each format. */
static void test_formats(void)
{
    static const struct {
        uint32_t format;
        uint8_t bytes[4];
    } formats[] = {
        { 1, { 0x33, 0x22, 0x11, 0xff } },   { 2, { 0x33, 0x22, 0x11, 0 } },
        { 3, { 0xff, 0x11, 0x22, 0x33 } },   { 4, { 0, 0x11, 0x22, 0x33 } },
        { 67, { 0x11, 0x22, 0x33, 0xff } },  { 68, { 0, 0x33, 0x22, 0x11 } },
        { 121, { 0xff, 0x33, 0x22, 0x11 } }, { 134, { 0x11, 0x22, 0x33, 0 } },
    };

    begin();
    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        VirtioGpuResource *r = virtio_gpu_create(gpu, i + 1, formats[i].format, 16, 16);

        memcpy(pixels(r), formats[i].bytes, 4);
        show(r, (VirtioGpuRect){ 0, 0, 16, 16 });
        g_assert_cmphex(seen(0, 0), ==, 0x112233);
        g_assert_cmphex(seen(1, 0), ==, 0);
    }
    g_assert_cmpuint(heard.surfaces, ==, 1); /* all of them are of one size */
    g_assert_cmpuint(heard.updates, ==, G_N_ELEMENTS(formats) - 1);
}

/* A part of a resource is shown; what is flushed is seen, and nothing else. */
static void test_parts(void)
{
    VirtioGpuResource *r;

    begin();
    r = numbered(1, 100, 50);
    show(r, (VirtioGpuRect){ 20, 10, 40, 30 });
    g_assert_cmphex(seen(0, 0), ==, 10 * 100 + 20);
    g_assert_cmphex(seen(39, 29), ==, 39 * 100 + 59);
    for (unsigned i = 0; i < 100 * 50; i++) {
        pixels(r)[i] = 0xabcdef;
    }
    virtio_gpu_flush(gpu, r, &(VirtioGpuRect){ 0, 0, 30, 20 });
    virtio_gpu_flush(gpu, r, &(VirtioGpuRect){ 50, 39, 50, 11 });
    virtio_gpu_flush(gpu, r, &(VirtioGpuRect){ 60, 0, 40, 50 }); /* beside it */
    g_assert_cmpuint(heard.updates, ==, 0);
    console_refresh(console);
    g_assert_cmpuint(heard.updates, ==, 1);
    g_assert_cmpuint(heard.last.x, ==, 0);
    g_assert_cmpuint(heard.last.y, ==, 0);
    g_assert_cmpuint(heard.last.width, ==, 40);
    g_assert_cmpuint(heard.last.height, ==, 30);
    g_assert_cmphex(seen(9, 9), ==, 0xabcdef);
    g_assert_cmphex(seen(10, 9), ==, 19 * 100 + 30);
    g_assert_cmphex(seen(29, 29), ==, 39 * 100 + 49);
    g_assert_cmphex(seen(30, 29), ==, 0xabcdef);
    g_assert_cmphex(seen(30, 28), ==, 38 * 100 + 50);
    console_refresh(console);
    g_assert_cmpuint(heard.updates, ==, 1);
    virtio_gpu_destroy(gpu, r);
    console_refresh(console);
    g_assert_cmpuint(heard.surfaces, ==, 2);
    g_assert_cmphex(seen(CONSOLE_WIDTH - 1, CONSOLE_HEIGHT - 1), ==, 0);
    g_assert_cmpuint(gpu->hostmem, ==, 0);
    g_assert_cmpuint(gpu->records, ==, 0);
}

/* A backing of many pieces, read from anywhere. */
static void test_backing(void)
{
    uint8_t bytes[300], expected;
    VirtioGpuResource *r;

    begin();
    r = numbered(1, 16, 16);
    g_assert_true(virtio_gpu_set_entries(gpu, r, 64));
    for (unsigned i = 0; i < 64; i++) { /* 0, 1, 2, 3, 0, ... bytes, a page apart */
        r->entries[i] = (VirtioGpuEntry){ RAM + i * 0x1000, i % 4 };
        for (unsigned n = 0; n < 4; n++) {
            address_space_store(&address_space_memory, RAM + i * 0x1000 + n, i * 4 + n, 1);
        }
    }
    for (unsigned offset = 0; offset < 96; offset += 7) {
        for (unsigned len = 1; offset + len <= 96; len++) {
            g_assert_true(virtio_gpu_read_backing(gpu, r, offset, bytes, len));
            for (unsigned at = offset, entry, n; at < offset + len; at++) {
                entry = at / 6 * 4 + (at % 6 ? at % 6 < 3 ? 2 : 3 : 1);
                n = at % 6 < 1 ? 0 : at % 6 < 3 ? at % 6 - 1 : at % 6 - 3;
                expected = (uint8_t)(entry * 4 + n);
                g_assert_cmphex(bytes[at - offset], ==, expected);
            }
        }
        g_assert_false(virtio_gpu_read_backing(gpu, r, offset, bytes, 97 - offset));
    }
    g_assert_false(virtio_gpu_read_backing(gpu, r, UINT64_MAX, bytes, 2));
}

static void test_cursor(void)
{
    VirtioGpuScanout *scanout = &gpu->scanouts[0];
    VirtioGpuResource *r;

    begin();
    r = virtio_gpu_create(gpu, 1, B8G8R8A8, CURSOR, CURSOR);
    pixels(r)[CURSOR + 1] = 0x80112233;
    virtio_gpu_copy_cursor(r->image, scanout->cursor);
    scanout->cursor_resource = 1;
    scanout->hot_x = 3;
    scanout->cursor_x = 100;
    scanout->cursor_y = 50;
    scanout->new_cursor = true;
    console_refresh(console);
    g_assert_cmpuint(heard.cursors, ==, 1);
    g_assert_cmphex(console_cursor(console)->argb[CURSOR + 1], ==, 0x80112233);
    g_assert_cmpuint(console_cursor(console)->hot_x, ==, 3);
    g_assert_cmpint(heard.x, ==, 100);
    g_assert_cmpint(heard.y, ==, 50);
    g_assert_true(heard.visible);
    virtio_device_reset(&gpu->parent.parent);
    console_refresh(console);
    g_assert_null(console_cursor(console));
    g_assert_false(heard.visible);
}

/* The guest is told of a size that a viewer would like. */
static void test_ui_info(void)
{
    Console *second = console_by_device(OBJECT(gpu)->parent, 1);

    begin();
    g_assert_true(console_has_ui_info(console));
    console_ui_info(console, 800, 600);
    g_assert_cmpuint(gpu->events, ==, VIRTIO_GPU_EVENT_DISPLAY);
    g_assert_cmpuint(gpu->scanouts[0].want_width, ==, 800);
    virtio_config_store(&gpu->parent, 4, VIRTIO_GPU_EVENT_DISPLAY, 4);
    g_assert_cmpuint(gpu->events, ==, 0);
    console_ui_info(console, 800, 600);
    g_assert_cmpuint(gpu->events, ==, 0);
    console_ui_info(console, 0, 0);
    g_assert_cmpuint(gpu->scanouts[0].want_width, ==, 800); /* the first one stays */
    console_ui_info(second, 640, 480);
    g_assert_cmpuint(gpu->scanouts[1].want_height, ==, 480);
    console_ui_info(second, 640, 0);
    g_assert_cmpuint(gpu->scanouts[1].want_width, ==, 0);
    console_ui_info(console, 1280, 800);
}

/* The GPU of a VGA in no mode shows something, and then nothing: that is seen of it. */
static void test_vga_off(void)
{
    VirtioGpu *of_vga = VIRTIO_GPU(VIRTIO_PCI(OBJECT(vga))->vdev);
    Console *c = console_by_device(OBJECT(vga), 0);
    VirtioGpuResource *r = virtio_gpu_create(of_vga, 1, B8G8R8X8, 16, 16);

    console_refresh(c);
    g_assert_true(
        virtio_gpu_show(of_vga, &of_vga->scanouts[0], r, &(VirtioGpuRect){ 0, 0, 16, 16 }));
    console_refresh(c);
    g_assert_cmpint(pixman_image_get_width(console_surface(c)), ==, 16);
    virtio_device_reset(&of_vga->parent.parent);
    console_refresh(c);
    g_assert_cmpint(pixman_image_get_width(console_surface(c)), ==, CONSOLE_WIDTH);
}

static GByteArray *save(void)
{
    GByteArray *bytes = g_byte_array_new();

    state_save(&virtio_gpu_state, gpu, bytes);
    return bytes;
}

static bool load(const GByteArray *bytes)
{
    virtio_device_reset(&gpu->parent.parent);
    return state_load(&virtio_gpu_state, gpu, bytes->data, bytes->len, NULL);
}

static void test_saved(void)
{
    g_autoptr(GByteArray) saved = NULL, again = NULL;
    VirtioGpuResource *r, *big;

    begin();
    r = numbered(5, 64, 64);
    show(r, (VirtioGpuRect){ 8, 8, 32, 32 });
    g_assert_true(virtio_gpu_set_entries(gpu, r, 1));
    r->entries[0] = (VirtioGpuEntry){ RAM, 0x4000 };
    virtio_gpu_copy_cursor(r->image, gpu->scanouts[1].cursor);
    gpu->scanouts[1].cursor_resource = 5;
    big = virtio_gpu_create(gpu, 3, B8G8R8X8, 4096, 3584); /* more than goes along */
    g_assert_true(virtio_gpu_set_entries(gpu, big, 1));
    big->entries[0] = (VirtioGpuEntry){ RAM, 4 };
    pixels(big)[0] = 0x123456;
    saved = save();
    g_assert_true(load(saved));
    again = save();
    g_assert_cmpmem(saved->data, saved->len, again->data, again->len);
    console_refresh(console);
    g_assert_cmphex(seen(0, 0), ==, 8 * 64 + 8);
    g_assert_cmphex(gpu->scanouts[1].cursor[77], ==, 0xff000000 | 77); /* it has no alpha */
    big = virtio_gpu_find(gpu, 3);
    g_assert_true(big->stale);
    virtio_gpu_set_entries(gpu, big, 1);
    big->entries[0] = (VirtioGpuEntry){ RAM, 0x3800000 };
    address_space_store(&address_space_memory, RAM, 0x654321, 4);
    virtio_gpu_freshen(gpu);
    g_assert_false(big->stale);
    g_assert_cmphex(pixels(big)[0], ==, 0x654321);
}

/* What is saved may be anything. */
static void test_damaged(void)
{
    g_autoptr(GByteArray) saved = NULL;
    VirtioGpuResource *r;
    unsigned taken = 0;

    begin();
    r = numbered(5, 16, 16);
    show(r, (VirtioGpuRect){ 0, 0, 16, 16 });
    g_assert_true(virtio_gpu_set_entries(gpu, r, 2));
    saved = save();
    for (unsigned i = 0; i < saved->len; i++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            saved->data[i] ^= (uint8_t)(1u << bit);
            taken += load(saved);
            saved->data[i] ^= (uint8_t)(1u << bit);
            g_assert_cmpuint(gpu->hostmem, <=, gpu->max_hostmem);
            g_assert_cmpuint(gpu->records, <=, VIRTIO_GPU_MAX_RECORDS);
        }
    }
    g_assert_cmpuint(taken, >, 0);
    g_assert_cmpuint(taken, <, 2 * saved->len);
    g_assert_true(load(saved));
}

/* ---- where a backing is ---- */

static void test_ranges(void)
{
    VirtioGpuEntry entries[] = { { 0x5000, 0x1000 }, { 0x1000, 0x2000 }, { 0x2000, 0x2000 },
                                 { 0x1000, 0x2000 }, { 0x1800, 0x100 },  { 0x9000, 0 },
                                 { 0x6000, 0x10 },   { UINT64_MAX, 0 } };
    const VirtioGpuResource r = { .entries = entries, .entry_count = G_N_ELEMENTS(entries) };
    const VirtioGpuResource none = { 0 };
    g_autoptr(GArray) ranges = virtio_gpu_ranges(&r);
    g_autoptr(GArray) empty = virtio_gpu_ranges(&none);
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < ranges->len; i++) {
        const VirtioGpuRange *range = &g_array_index(ranges, VirtioGpuRange, i);

        if (range->size) {
            g_string_append_printf(text, "%" PRIx64 "+%" PRIx64 " ", range->addr, range->size);
        }
    }
    g_assert_cmpstr(text->str, ==, "1000+2000 3000+1000 5000+1000 6000+10 ");
    g_assert_cmpuint(empty->len, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_assert_true(accel_choose("qtest", NULL));
    set_up();
    g_test_add_func("/virtio-gpu/formats", test_formats);
    g_test_add_func("/virtio-gpu/parts", test_parts);
    g_test_add_func("/virtio-gpu/backing", test_backing);
    g_test_add_func("/virtio-gpu/ranges", test_ranges);
    g_test_add_func("/virtio-gpu/cursor", test_cursor);
    g_test_add_func("/virtio-gpu/ui-info", test_ui_info);
    g_test_add_func("/virtio-gpu/vga-off", test_vga_off);
    g_test_add_func("/virtio-gpu/saved", test_saved);
    g_test_add_func("/virtio-gpu/damaged", test_damaged);
    return g_test_run();
}

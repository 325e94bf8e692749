/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-gpu.h"

#include <string.h>

#include "util/error.h"
#include "util/units.h"

enum {
    CONTROL_SIZE = 64, /* of queues */
    CURSOR_SIZE = 16,
    RECORD = 512, /* bytes that a resource takes, beside its pixels and its backing; about */
    WORK_OF_A_PIECE = 128,
};

/* ---- resources ---- */

/* As the bytes lie in memory, which pixman names from the highest one on. */
pixman_format_code_t virtio_gpu_format(uint32_t format)
{
    switch (format) {
    case 1:
        return PIXMAN_a8r8g8b8; /* B8G8R8A8 */
    case 2:
        return PIXMAN_x8r8g8b8; /* B8G8R8X8 */
    case 3:
        return PIXMAN_b8g8r8a8; /* A8R8G8B8 */
    case 4:
        return PIXMAN_b8g8r8x8; /* X8R8G8B8 */
    case 67:
        return PIXMAN_a8b8g8r8; /* R8G8B8A8 */
    case 68:
        return PIXMAN_r8g8b8x8; /* X8B8G8R8 */
    case 121:
        return PIXMAN_r8g8b8a8; /* A8B8G8R8 */
    case 134:
        return PIXMAN_x8b8g8r8; /* R8G8B8X8 */
    default:
        return 0;
    }
}

VirtioGpuResource *virtio_gpu_find(const VirtioGpu *s, uint32_t id)
{
    return g_tree_lookup(s->resources, GUINT_TO_POINTER(id));
}

static uint64_t image_size(pixman_image_t *image)
{
    return image ? (uint64_t)pixman_image_get_stride(image) * pixman_image_get_height(image) : 0;
}

/* Of @width times @height black pixels, instead of @before; NULL: there is no memory for it. */
static pixman_image_t *new_image(VirtioGpu *s, pixman_format_code_t format, unsigned width,
                                 unsigned height, pixman_image_t *before)
{
    const uint64_t size = 4ull * width * height, free_now = s->max_hostmem - s->hostmem;
    pixman_image_t *image = NULL;

    if (size <= free_now + image_size(before)) {
        image = pixman_image_create_bits(format, (int)width, (int)height, NULL, 0);
    }
    if (image) {
        s->hostmem += size;
    }
    return image;
}

static void free_image(VirtioGpu *s, pixman_image_t **image)
{
    s->hostmem -= image_size(*image);
    g_clear_pointer(image, pixman_image_unref);
}

VirtioGpuResource *virtio_gpu_create(VirtioGpu *s, uint32_t id, uint32_t format, uint32_t width,
                                     uint32_t height)
{
    pixman_image_t *image = NULL;
    VirtioGpuResource *r;

    if (s->records + RECORD <= VIRTIO_GPU_MAX_RECORDS) {
        image = new_image(s, virtio_gpu_format(format), width, height, NULL);
    }
    if (!image) {
        return NULL;
    }
    r = g_new(VirtioGpuResource, 1);
    *r = (VirtioGpuResource){
        .id = id, .format = format, .width = width, .height = height, .image = image
    };
    s->records += RECORD;
    g_tree_insert(s->resources, GUINT_TO_POINTER(id), r);
    return r;
}

VirtioGpuResource *virtio_gpu_create_gl(VirtioGpu *s, const VirtioGpuResource *what)
{
    VirtioGpuResource *r;

    if (s->records + RECORD > VIRTIO_GPU_MAX_RECORDS ||
        what->gl_size > s->max_hostmem - s->hostmem) {
        return NULL;
    }
    r = g_new(VirtioGpuResource, 1);
    *r = *what;
    s->records += RECORD;
    s->hostmem += r->gl_size;
    g_tree_insert(s->resources, GUINT_TO_POINTER(r->id), r);
    return r;
}

bool virtio_gpu_need_image(VirtioGpu *s, VirtioGpuResource *r)
{
    if (!r->image) {
        r->image = new_image(s, virtio_gpu_format(r->format), r->width, r->height, NULL);
    }
    return r->image;
}

static void free_resource(VirtioGpu *s, VirtioGpuResource *r)
{
    virtio_gpu_set_entries(s, r, 0);
    free_image(s, &r->image);
    g_free(r->gl_pieces);
    s->hostmem -= r->gl_size;
    s->records -= RECORD;
    g_free(r);
}

void virtio_gpu_destroy(VirtioGpu *s, VirtioGpuResource *r)
{
    for (unsigned i = 0; i < s->max_outputs; i++) {
        if (s->scanouts[i].resource_id == r->id) {
            virtio_gpu_hide(s, &s->scanouts[i]);
        }
    }
    g_tree_remove(s->resources, GUINT_TO_POINTER(r->id));
    free_resource(s, r);
}

bool virtio_gpu_set_entries(VirtioGpu *s, VirtioGpuResource *r, unsigned count)
{
    const size_t before = r->entry_count * sizeof(*r->entries);
    const size_t size = count * sizeof(*r->entries);

    if (s->records - before + size > VIRTIO_GPU_MAX_RECORDS) {
        return false;
    }
    s->records += size - before;
    g_free(r->entries);
    r->entries = count ? g_malloc0(size) : NULL;
    r->entry_count = count;
    r->last_entry = 0;
    r->last_offset = 0;
    return true;
}

/* Find the entry that has byte @offset: rows are asked for one after the other, so that the walk
 * goes on where it was. */
static bool seek(VirtioGpu *s, VirtioGpuResource *r, uint64_t offset)
{
    if (offset < r->last_offset) {
        r->last_entry = 0;
        r->last_offset = 0;
    }
    while (r->last_entry < r->entry_count &&
           offset - r->last_offset >= r->entries[r->last_entry].length) {
        r->last_offset += r->entries[r->last_entry++].length;
        s->work++;
    }
    return r->last_entry < r->entry_count;
}

bool virtio_gpu_read_backing(VirtioGpu *s, VirtioGpuResource *r, uint64_t offset, void *buf,
                             uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        if (offset > UINT64_MAX - len || !seek(s, r, offset + done)) {
            return false;
        }
        const VirtioGpuEntry *entry = &r->entries[r->last_entry];
        const uint64_t skip = offset + done - r->last_offset;
        const uint64_t now = MIN(len - done, entry->length - skip);

        if (!dma_read_ram(&s->parent.dma, entry->addr + skip, (uint8_t *)buf + done, now)) {
            return false;
        }
        done += now;
        s->work += now + WORK_OF_A_PIECE;
    }
    return true;
}

static gint compare_ranges(gconstpointer a, gconstpointer b)
{
    const VirtioGpuRange *first = a, *second = b;

    return first->addr < second->addr ? -1 : first->addr > second->addr;
}

GArray *virtio_gpu_ranges(const VirtioGpuResource *r)
{
    GArray *ranges = g_array_sized_new(FALSE, FALSE, sizeof(VirtioGpuRange), r->entry_count);
    uint64_t end = 0;

    for (unsigned i = 0; i < r->entry_count; i++) {
        const VirtioGpuRange range = { r->entries[i].addr, r->entries[i].length };

        g_array_append_val(ranges, range);
    }
    g_array_sort(ranges, compare_ranges);
    for (unsigned i = 0; i < ranges->len; i++) { /* the ends do not wrap: read_entries() */
        VirtioGpuRange *range = &g_array_index(ranges, VirtioGpuRange, i);
        const uint64_t range_end = range->addr + range->size;

        range->addr = MAX(range->addr, end);
        range->size = range_end > range->addr ? range_end - range->addr : 0;
        end = MAX(end, range_end);
    }
    return ranges;
}

static void copy(const VirtioGpuResource *r, const VirtioGpuScanout *scanout,
                 const pixman_box32_t *box)
{
    pixman_image_composite32(PIXMAN_OP_SRC, r->image, NULL, scanout->surface, box->x1, box->y1, 0,
                             0, box->x1 - (int)scanout->x, box->y1 - (int)scanout->y,
                             box->x2 - box->x1, box->y2 - box->y1);
}

void virtio_gpu_copy_cursor(pixman_image_t *image, uint32_t *argb)
{
    pixman_image_t *to =
        pixman_image_create_bits(PIXMAN_a8r8g8b8, VIRTIO_GPU_CURSOR_SIZE, VIRTIO_GPU_CURSOR_SIZE,
                                 argb, VIRTIO_GPU_CURSOR_SIZE * 4);

    pixman_image_composite32(PIXMAN_OP_SRC, image, NULL, to, 0, 0, 0, 0, 0, 0,
                             VIRTIO_GPU_CURSOR_SIZE, VIRTIO_GPU_CURSOR_SIZE);
    pixman_image_unref(to);
}

/* ---- scanouts ---- */

/* What is around both. */
static void add_box(pixman_box32_t *to, const pixman_box32_t *box)
{
    if (to->x1 >= to->x2) {
        *to = *box;
        return;
    }
    to->x1 = MIN(to->x1, box->x1);
    to->y1 = MIN(to->y1, box->y1);
    to->x2 = MAX(to->x2, box->x2);
    to->y2 = MAX(to->y2, box->y2);
}

void virtio_gpu_changed(VirtioGpuScanout *scanout, const pixman_box32_t *box)
{
    add_box(&scanout->dirty, box);
}

bool virtio_gpu_new_surface(VirtioGpu *s, VirtioGpuScanout *scanout, uint32_t width,
                            uint32_t height)
{
    pixman_image_t *surface = new_image(s, PIXMAN_x8r8g8b8, width, height, scanout->surface);

    if (!surface) {
        return false;
    }
    free_image(s, &scanout->surface);
    scanout->surface = surface;
    scanout->new_surface = true;
    scanout->dirty = (pixman_box32_t){ 0 };
    return true;
}

static void flush_to(VirtioGpu *s, VirtioGpuScanout *scanout, const VirtioGpuResource *r,
                     const VirtioGpuRect *rect)
{
    const pixman_box32_t box = {
        .x1 = (int)MAX(rect->x, scanout->x),
        .y1 = (int)MAX(rect->y, scanout->y),
        .x2 = (int)MIN(rect->x + rect->width, scanout->x + scanout->width),
        .y2 = (int)MIN(rect->y + rect->height, scanout->y + scanout->height),
    };

    if (box.x1 < box.x2 && box.y1 < box.y2) {
        const pixman_box32_t seen = { box.x1 - (int)scanout->x, box.y1 - (int)scanout->y,
                                      box.x2 - (int)scanout->x, box.y2 - (int)scanout->y };

        copy(r, scanout, &box);
        add_box(&scanout->dirty, &seen);
        s->work += 4ull * (unsigned)(box.x2 - box.x1) * (unsigned)(box.y2 - box.y1);
    }
}

void virtio_gpu_flush(VirtioGpu *s, const VirtioGpuResource *r, const VirtioGpuRect *rect)
{
    for (unsigned i = 0; i < s->max_outputs; i++) {
        if (r->image && s->scanouts[i].resource_id == r->id) {
            flush_to(s, &s->scanouts[i], r, rect);
        }
    }
}

bool virtio_gpu_show(VirtioGpu *s, VirtioGpuScanout *scanout, const VirtioGpuResource *r,
                     const VirtioGpuRect *rect)
{
    bool fits =
        scanout->surface && scanout->width == rect->width && scanout->height == rect->height;

    if (!fits && !virtio_gpu_new_surface(s, scanout, rect->width, rect->height)) {
        return false;
    }
    scanout->resource_id = r->id;
    scanout->x = rect->x;
    scanout->y = rect->y;
    scanout->width = rect->width;
    scanout->height = rect->height;
    flush_to(s, scanout, r, rect);
    return true;
}

void virtio_gpu_hide(VirtioGpu *s, VirtioGpuScanout *scanout)
{
    free_image(s, &scanout->surface);
    scanout->resource_id = 0;
    scanout->x = scanout->y = scanout->width = scanout->height = 0;
    scanout->dirty = (pixman_box32_t){ 0 };
    scanout->new_surface = true;
}

static gboolean freshen(gpointer key, gpointer value, gpointer opaque)
{
    VirtioGpuResource *r = value;
    VirtioGpu *s = opaque;

    if (r->stale) {
        r->stale = false;
        virtio_gpu_read_backing(s, r, 0, pixman_image_get_data(r->image), image_size(r->image));
        virtio_gpu_flush(s, r, &(VirtioGpuRect){ 0, 0, r->width, r->height });
    }
    return false;
}

void virtio_gpu_freshen(VirtioGpu *s)
{
    if (s->has_stale) {
        s->has_stale = false;
        g_tree_foreach(s->resources, freshen, s);
    }
}

/* ---- consoles ---- */

static void tell_cursor(const VirtioGpuScanout *scanout)
{
    const ConsoleCursor cursor = { VIRTIO_GPU_CURSOR_SIZE, VIRTIO_GPU_CURSOR_SIZE, scanout->hot_x,
                                   scanout->hot_y, scanout->cursor };

    console_define_cursor(scanout->console, scanout->cursor_resource ? &cursor : NULL);
}

void virtio_gpu_set_vga(VirtioGpu *s, const VirtioGpuVga *vga, void *opaque)
{
    s->vga = vga;
    s->vga_opaque = opaque;
}

/* Does the VGA, if there is one, show it? */
static bool draw_vga(VirtioGpuScanout *scanout)
{
    VirtioGpu *s = scanout->gpu;

    if (scanout->number || scanout->surface || !s->vga) {
        return false;
    }
    if (scanout->new_surface) {
        scanout->new_surface = false;
        s->vga->come_back(s->vga_opaque);
    }
    s->vga->draw(s->vga_opaque);
    return true;
}

static void show_picture(VirtioGpuScanout *scanout)
{
    const pixman_box32_t dirty = scanout->dirty;

    scanout->dirty = (pixman_box32_t){ 0 };
    if (scanout->new_surface) {
        scanout->new_surface = false;
        console_set_surface(scanout->console, scanout->surface);
    } else if (dirty.x1 < dirty.x2) {
        console_update(scanout->console, dirty.x1, dirty.y1, dirty.x2 - dirty.x1,
                       dirty.y2 - dirty.y1);
    }
}

static void update(void *opaque)
{
    VirtioGpuScanout *scanout = opaque;
    const bool new_cursor = scanout->new_cursor, moved = scanout->cursor_moved || new_cursor;

    scanout->new_cursor = scanout->cursor_moved = false;
    if (!draw_vga(scanout)) {
        show_picture(scanout);
    }
    if (new_cursor) {
        tell_cursor(scanout);
    }
    if (moved) {
        console_move_cursor(scanout->console, (int)MIN(scanout->cursor_x, CONSOLE_SIZE_MAX),
                            (int)MIN(scanout->cursor_y, CONSOLE_SIZE_MAX),
                            scanout->cursor_resource);
    }
}

/* The first output is always there. */
static void ui_info(void *opaque, unsigned width, unsigned height)
{
    VirtioGpuScanout *scanout = opaque;
    VirtioGpu *s = scanout->gpu;

    width = height ? MIN(width, CONSOLE_SIZE_MAX) : 0;
    height = width ? MIN(height, CONSOLE_SIZE_MAX) : 0;
    if ((!width && !scanout->number) ||
        (width == scanout->want_width && height == scanout->want_height)) {
        return;
    }
    scanout->want_width = width;
    scanout->want_height = height;
    s->events |= VIRTIO_GPU_EVENT_DISPLAY;
    if (s->vga && !scanout->number) {
        s->vga->ui_info(s->vga_opaque, width, height);
    }
    virtio_config_changed(&s->parent);
}

static const ConsoleSource source = { update, ui_info };

/* ---- life ---- */

void virtio_gpu_config_read(VirtioDevice *vdev, uint8_t *config)
{
    const VirtioGpu *s = VIRTIO_GPU(vdev);
    const VirtioGpuConfig now = { .events_read = s->events,
                                  .num_scanouts = s->max_outputs,
                                  .num_capsets = s->capset_count };

    memcpy(config, &now, sizeof(now));
}

void virtio_gpu_config_written(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                               unsigned size)
{
    VirtioGpuConfig now;

    memcpy(&now, config, sizeof(now));
    VIRTIO_GPU(vdev)->events &= ~now.events_clear;
}

static gboolean free_one(gpointer key, gpointer value, gpointer opaque)
{
    free_resource(opaque, value);
    return false;
}

static gint compare_ids(gconstpointer a, gconstpointer b, gpointer opaque)
{
    const guint first = GPOINTER_TO_UINT(a), second = GPOINTER_TO_UINT(b);

    return first < second ? -1 : first > second;
}

static void free_resources(VirtioGpu *s)
{
    g_tree_foreach(s->resources, free_one, s);
    g_tree_unref(s->resources);
    s->resources = g_tree_new_full(compare_ids, NULL, NULL, NULL);
}

/* What viewers would like stays. */
void virtio_gpu_reset_scanouts(VirtioGpu *s)
{
    for (unsigned i = 0; i < s->max_outputs; i++) {
        VirtioGpuScanout *scanout = &s->scanouts[i];

        virtio_gpu_hide(s, scanout);
        scanout->cursor_resource = scanout->hot_x = scanout->hot_y = 0;
        scanout->cursor_x = scanout->cursor_y = 0;
        scanout->new_cursor = true;
    }
    s->events = 0;
}

void virtio_gpu_reset(VirtioDevice *vdev)
{
    VirtioGpu *s = VIRTIO_GPU(vdev);

    virtio_gpu_reset_scanouts(s);
    free_resources(s);
    s->has_stale = false;
}

bool virtio_gpu_check(const VirtioGpu *s, GError **errp)
{
    if (!s->max_outputs || s->max_outputs > VIRTIO_GPU_MAX_SCANOUTS) {
        error_set(errp, "'max_outputs' is %u: it must be 1 to %u", s->max_outputs,
                  VIRTIO_GPU_MAX_SCANOUTS);
        return false;
    }
    if (!s->xres || s->xres > CONSOLE_SIZE_MAX || !s->yres || s->yres > CONSOLE_SIZE_MAX) {
        error_set(errp, "'xres' and 'yres' are %u and %u: each must be 1 to %u", s->xres, s->yres,
                  CONSOLE_SIZE_MAX);
        return false;
    }
    if (s->max_hostmem < MIB) {
        error_set(errp, "'max_hostmem' must be 1 MiB or more: pictures need it");
        return false;
    }
    return true;
}

void virtio_gpu_make_scanouts(VirtioGpu *s)
{
    s->scanouts = g_new0(VirtioGpuScanout, s->max_outputs);
    for (unsigned i = 0; i < s->max_outputs; i++) {
        VirtioGpuScanout *scanout = &s->scanouts[i];

        scanout->gpu = s;
        scanout->number = i;
        scanout->cursor = g_malloc0(VIRTIO_GPU_CURSOR_BYTES);
        scanout->console = console_new(OBJECT(s)->parent, i, &source, scanout);
    }
    s->scanouts[0].want_width = s->xres;
    s->scanouts[0].want_height = s->yres;
}

void virtio_gpu_free_scanouts(VirtioGpu *s)
{
    for (unsigned i = 0; i < s->max_outputs; i++) {
        free_image(s, &s->scanouts[i].surface);
        console_free(s->scanouts[i].console);
        g_free(s->scanouts[i].cursor);
    }
    g_clear_pointer(&s->scanouts, g_free);
}

bool virtio_gpu_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioGpu *s = VIRTIO_GPU(vdev);

    if (!virtio_gpu_check(s, errp)) {
        return false;
    }
    if (s->edid) {
        virtio_offer(vdev, VIRTIO_GPU_F_EDID);
    }
    virtio_add_queue(vdev, CONTROL_SIZE, virtio_gpu_handle_control);
    virtio_add_queue(vdev, CURSOR_SIZE, virtio_gpu_handle_cursor);
    s->resources = g_tree_new_full(compare_ids, NULL, NULL, NULL);
    virtio_gpu_make_scanouts(s);
    return true;
}

void virtio_gpu_unrealize(VirtioDevice *vdev)
{
    VirtioGpu *s = VIRTIO_GPU(vdev);

    virtio_gpu_free_scanouts(s);
    g_clear_pointer(&s->resources, g_tree_unref);
    g_clear_pointer(&s->saved, g_bytes_unref);
}

#define PROP(NAME, KIND, member, DEFAULT, TEXT)                                \
    {                                                                          \
        .name = (NAME), .kind = (KIND), .offset = offsetof(VirtioGpu, member), \
        .description = (TEXT), .has_default = true, .default_int = (DEFAULT)   \
    }
static const Property gpu_properties[] = {
    PROP("max_outputs", PROP_UINT32, max_outputs, 1, "outputs, up to 16"),
    PROP("xres", PROP_UINT32, xres, 1280, "pixels in a row that the first output would like"),
    PROP("yres", PROP_UINT32, yres, 800, "rows that the first output would like"),
    PROP("edid", PROP_BOOL, edid, true, "outputs have an EDID"),
    PROP("max_hostmem", PROP_SIZE, max_hostmem, 256 * MIB,
         "bytes of pictures that the device keeps"),
    { 0 },
};
#undef PROP

static const VirtioDeviceClass gpu_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &virtio_gpu_state },
    .id = VIRTIO_ID_GPU,
    .config_size = sizeof(VirtioGpuConfig),
    .realize = virtio_gpu_realize,
    .unrealize = virtio_gpu_unrealize,
    .reset = virtio_gpu_reset,
    .config_read = virtio_gpu_config_read,
    .config_written = virtio_gpu_config_written,
};

static const ObjectType gpu_type = {
    .name = TYPE_VIRTIO_GPU,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "pictures that the guest makes",
    .instance_size = sizeof(VirtioGpu),
    .properties = gpu_properties,
    .ops = &gpu_ops,
};
OBJECT_TYPE_REGISTER(gpu_type)

static const VirtioPciClass gpu_pci = VIRTIO_PCI_CLASS("display", 0x0380, 0);
VIRTIO_PCI_MODERN_TYPE(gpu, "virtio-gpu", TYPE_VIRTIO_GPU, &gpu_pci, "a graphics card, 2D")

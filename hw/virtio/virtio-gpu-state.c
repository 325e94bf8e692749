/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of a virtio GPU. Resources and pointers are one blob: each resource as a Record, the
 * entries of its backing, and its pixels, deflated; then the pointers of outputs that have one.
 *
 * There may be more pixels than a saved machine has room for. Those that are shown come first; of
 * what is left over there is only the backing, out of which the pixels are read again: drivers
 * transfer before they show.
 */
#include <string.h>
#include <zlib.h>

#include "hw/virtio/virtio-gpu.h"
#include "util/error.h"

typedef struct Record {
    uint32_t id, format, width, height, entry_count;
    uint32_t packed; /* bytes of deflated pixels; 0: they are in the backing */
} Record;

/* ---- save ---- */

/* The bytes that it became, which the length says first if @length. */
static uint32_t put_packed(GByteArray *out, const void *data, size_t size)
{
    const guint at = out->len;
    uLongf packed = compressBound(size);

    g_byte_array_set_size(out, at + (guint)packed);
    compress2(out->data + at, &packed, data, size, Z_BEST_SPEED);
    g_byte_array_set_size(out, at + (guint)packed);
    return (uint32_t)packed;
}

typedef struct Saving {
    const VirtioGpu *gpu;
    GByteArray *out;
    uint64_t left; /* bytes of pixels that it has room for */
} Saving;

static size_t pixels_size(const VirtioGpuResource *r)
{
    return 4 * (size_t)r->width * r->height;
}

static bool is_shown(const VirtioGpu *s, const VirtioGpuResource *r)
{
    for (unsigned i = 0; i < s->max_outputs; i++) {
        if (s->scanouts[i].resource_id == r->id) {
            return true;
        }
    }
    return false;
}

static void put_resource(Saving *saving, const VirtioGpuResource *r)
{
    GByteArray *out = saving->out;
    const guint at = out->len;
    Record record = { r->id, r->format, r->width, r->height, r->entry_count, 0 };

    g_byte_array_append(out, (void *)&record, sizeof(record));
    g_byte_array_append(out, (void *)r->entries, r->entry_count * sizeof(*r->entries));
    if (!r->stale && pixels_size(r) <= saving->left) {
        saving->left -= pixels_size(r);
        record.packed = put_packed(out, pixman_image_get_data(r->image), pixels_size(r));
        memcpy(out->data + at, &record, sizeof(record));
    }
}

static gboolean put_shown(gpointer key, gpointer value, gpointer opaque)
{
    if (is_shown(((Saving *)opaque)->gpu, value)) {
        put_resource(opaque, value);
    }
    return false;
}

static gboolean put_hidden(gpointer key, gpointer value, gpointer opaque)
{
    if (!is_shown(((Saving *)opaque)->gpu, value)) {
        put_resource(opaque, value);
    }
    return false;
}

static void pre_save(void *obj)
{
    static const Record end;
    VirtioGpu *s = obj;
    Saving saving = { s, g_byte_array_new(), VIRTIO_GPU_SAVED_PIXELS };

    g_tree_foreach(s->resources, put_shown, &saving);
    g_tree_foreach(s->resources, put_hidden, &saving);
    g_byte_array_append(saving.out, (void *)&end, sizeof(end));
    for (unsigned i = 0; i < s->max_outputs; i++) {
        if (s->scanouts[i].cursor_resource) {
            g_byte_array_append(saving.out, (void *)s->scanouts[i].cursor, VIRTIO_GPU_CURSOR_BYTES);
        }
    }
    g_clear_pointer(&s->saved, g_bytes_unref);
    s->saved = g_byte_array_free_to_bytes(saving.out);
}

/* ---- load ---- */

typedef struct Loading {
    const uint8_t *at;
    size_t left;
} Loading;

static bool get(Loading *loading, void *to, size_t size)
{
    if (size > loading->left) {
        return false;
    }
    memcpy(to, loading->at, size);
    loading->at += size;
    loading->left -= size;
    return true;
}

static bool get_entries(Loading *loading, VirtioGpu *s, VirtioGpuResource *r, unsigned count)
{
    if (count > VIRTIO_GPU_MAX_ENTRIES || !virtio_gpu_set_entries(s, r, count) ||
        (count && !get(loading, r->entries, count * sizeof(*r->entries)))) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (r->entries[i].addr > UINT64_MAX - r->entries[i].length || r->entries[i].padding) {
            return false;
        }
    }
    return true;
}

static bool get_pixels(Loading *loading, VirtioGpu *s, VirtioGpuResource *r, uint32_t packed)
{
    uLongf size = pixels_size(r);
    uLong used = packed;

    if (!packed) {
        r->stale = s->has_stale = true;
        return true;
    }
    if (packed > loading->left ||
        uncompress2((void *)pixman_image_get_data(r->image), &size, loading->at, &used) != Z_OK) {
        return false;
    }
    loading->at += packed;
    loading->left -= packed;
    return size == pixels_size(r) && used == packed;
}

static bool get_resources(Loading *loading, VirtioGpu *s)
{
    VirtioGpuResource *r;
    Record record = { .id = 1 };

    while (get(loading, &record, sizeof(record)) && record.id) {
        if (virtio_gpu_find(s, record.id) || !virtio_gpu_format(record.format) || !record.width ||
            record.width > CONSOLE_SIZE_MAX || !record.height || record.height > CONSOLE_SIZE_MAX) {
            return false;
        }
        r = virtio_gpu_create(s, record.id, record.format, record.width, record.height);
        if (!r || !get_entries(loading, s, r, record.entry_count) ||
            !get_pixels(loading, s, r, record.packed)) {
            return false;
        }
    }
    return !record.id;
}

static bool get_scanout(Loading *loading, VirtioGpu *s, VirtioGpuScanout *scanout)
{
    const VirtioGpuRect rect = { scanout->x, scanout->y, scanout->width, scanout->height };
    const VirtioGpuResource *r = virtio_gpu_find(s, scanout->resource_id);

    scanout->new_surface = scanout->new_cursor = true;
    if (scanout->cursor_resource && !get(loading, scanout->cursor, VIRTIO_GPU_CURSOR_BYTES)) {
        return false;
    }
    if (!scanout->resource_id) {
        return !rect.x && !rect.y && !rect.width && !rect.height;
    }
    return r && rect.width && rect.height && rect.x < r->width && rect.width <= r->width - rect.x &&
           rect.y < r->height && rect.height <= r->height - rect.y &&
           virtio_gpu_show(s, scanout, r, &rect);
}

static bool post_load(void *obj, GError **errp)
{
    VirtioGpu *s = obj;
    Loading loading = { 0 };
    bool ok;

    if (s->saved) {
        loading.at = g_bytes_get_data(s->saved, &loading.left);
    }
    ok = get_resources(&loading, s);
    for (unsigned i = 0; ok && i < s->max_outputs; i++) {
        ok = get_scanout(&loading, s, &s->scanouts[i]);
    }
    ok = ok && !loading.left;
    g_clear_pointer(&s->saved, g_bytes_unref);
    if (!ok) {
        error_set(errp, "the resources and outputs of a GPU make no sense, or need more than its "
                        "'max_hostmem'");
    }
    return ok;
}

static const StateField scanout_fields[] = {
    STATE_UINT(VirtioGpuScanout, resource_id),
    STATE_UINT(VirtioGpuScanout, x),
    STATE_UINT(VirtioGpuScanout, y),
    STATE_UINT(VirtioGpuScanout, width),
    STATE_UINT(VirtioGpuScanout, height),
    STATE_UINT_MAX(VirtioGpuScanout, want_width, CONSOLE_SIZE_MAX),
    STATE_UINT_MAX(VirtioGpuScanout, want_height, CONSOLE_SIZE_MAX),
    STATE_UINT(VirtioGpuScanout, cursor_resource),
    STATE_UINT(VirtioGpuScanout, hot_x),
    STATE_UINT(VirtioGpuScanout, hot_y),
    STATE_UINT(VirtioGpuScanout, cursor_x),
    STATE_UINT(VirtioGpuScanout, cursor_y),
    {},
};
static const StateTable scanout_state = { .name = "virtio-gpu-scanout",
                                          .version = 1,
                                          .fields = scanout_fields };

static const StateField gpu_fields[] = {
    STATE_STRUCT(VirtioGpu, parent, &virtio_device_state),
    STATE_UINT(VirtioGpu, events),
    STATE_ARRAY(VirtioGpu, scanouts, max_outputs, &scanout_state),
    STATE_BLOB(VirtioGpu, saved),
    {},
};
const StateTable virtio_gpu_state = { .name = "virtio-gpu",
                                      .version = 1,
                                      .fields = gpu_fields,
                                      .pre_save = pre_save,
                                      .post_load = post_load };

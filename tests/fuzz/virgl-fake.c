/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/virgl-fake.h"

#include <glib.h>
#include <string.h>
#include <sys/uio.h>
#include <virgl/virglrenderer.h>

#define REFUSED 0x40000000u /* a bind with it: the library does not take the resource */

typedef struct Resource {
    uint32_t width, height;
    struct iovec *pieces;
    unsigned count;
} Resource;

struct virgl_box {
    uint32_t x, y, z, w, h, d;
};

static GHashTable *resources, *contexts;
static struct virgl_renderer_callbacks callbacks;
static uint32_t fence;

unsigned virgl_fake_resources(void)
{
    return resources ? g_hash_table_size(resources) : 0;
}

unsigned virgl_fake_contexts(void)
{
    return contexts ? g_hash_table_size(contexts) : 0;
}

static Resource *find(uint32_t id)
{
    return g_hash_table_lookup(resources, GUINT_TO_POINTER(id));
}

static void use(const struct iovec *pieces, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        volatile uint8_t *bytes = pieces[i].iov_base;

        g_assert_cmpuint(pieces[i].iov_len, >, 0);
        bytes[0] = bytes[0];
        bytes[pieces[i].iov_len - 1] = bytes[pieces[i].iov_len - 1];
    }
}

static void use_all(void)
{
    GHashTableIter iter;
    gpointer r;

    g_hash_table_iter_init(&iter, resources);
    while (g_hash_table_iter_next(&iter, NULL, &r)) {
        use(((Resource *)r)->pieces, ((Resource *)r)->count);
    }
}

/* ---- life ---- */

int virgl_renderer_init(void *cookie, int flags, struct virgl_renderer_callbacks *cb)
{
    callbacks = *cb;
    resources = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    contexts = g_hash_table_new(NULL, NULL);
    return 0;
}

void virgl_renderer_cleanup(void *cookie)
{
    g_clear_pointer(&resources, g_hash_table_unref);
    g_clear_pointer(&contexts, g_hash_table_unref);
}

virgl_debug_callback_type virgl_set_debug_callback(virgl_debug_callback_type cb)
{
    return NULL;
}

void virgl_renderer_get_cap_set(uint32_t set, uint32_t *version, uint32_t *size)
{
    *version = set;
    *size = 100 * set;
}

void virgl_renderer_fill_caps(uint32_t set, uint32_t version, void *caps)
{
    memset(caps, (int)set, 100 * set);
}

int virgl_renderer_create_fence(int id, uint32_t context)
{
    fence = (uint32_t)id;
    return 0;
}

int virgl_renderer_get_poll_fd(void)
{
    return -1;
}

void virgl_renderer_poll(void)
{
    callbacks.write_fence(NULL, fence);
}

/* ---- contexts ---- */

int virgl_renderer_context_create(uint32_t id, uint32_t length, const char *name)
{
    g_assert_true(id && length < 64);
    g_assert_true(g_hash_table_add(contexts, GUINT_TO_POINTER(id)));
    return 0;
}

void virgl_renderer_context_destroy(uint32_t id)
{
    g_assert_true(g_hash_table_remove(contexts, GUINT_TO_POINTER(id)));
}

static void assert_both(int context, int resource)
{
    g_assert_true(g_hash_table_contains(contexts, GUINT_TO_POINTER((uint32_t)context)));
    g_assert_nonnull(find((uint32_t)resource));
}

void virgl_renderer_ctx_attach_resource(int context, int resource)
{
    assert_both(context, resource);
}

void virgl_renderer_ctx_detach_resource(int context, int resource)
{
    assert_both(context, resource);
}

int virgl_renderer_submit_cmd(void *buffer, int context, int words)
{
    const uint32_t *commands = buffer;

    g_assert_true(g_hash_table_contains(contexts, GUINT_TO_POINTER((uint32_t)context)));
    for (int at = 0; at < words; at += 1 + (int)(commands[at] >> 16)) {
        g_assert_cmpint((int)(commands[at] >> 16), <, words - at);
    }
    use_all();
    return (int)(commands[0] >> 8 & 1);
}

/* ---- resources ---- */

int virgl_renderer_resource_create(struct virgl_renderer_resource_create_args *args,
                                   struct iovec *pieces, uint32_t count)
{
    Resource *r = g_new0(Resource, 1);

    g_assert_true(args->handle && !find(args->handle));
    g_assert_true(args->width && args->height && args->depth && args->array_size);
    g_assert_true(args->target < 9 && args->last_level < 16 && args->nr_samples <= 32);
    if (args->bind & REFUSED) {
        g_free(r);
        return 1;
    }
    r->width = args->width;
    r->height = args->height;
    g_hash_table_insert(resources, GUINT_TO_POINTER(args->handle), r);
    return 0;
}

void virgl_renderer_resource_unref(uint32_t id)
{
    g_assert_true(!find(id) || !find(id)->pieces);
    g_hash_table_remove(resources, GUINT_TO_POINTER(id));
}

int virgl_renderer_resource_attach_iov(int id, struct iovec *pieces, int count)
{
    Resource *r = find((uint32_t)id);

    if (!r) {
        return 1;
    }
    g_assert_true(!r->pieces && count);
    r->pieces = pieces;
    r->count = (unsigned)count;
    use_all();
    return 0;
}

void virgl_renderer_resource_detach_iov(int id, struct iovec **pieces, int *count)
{
    Resource *r = find((uint32_t)id);

    if (r) {
        use_all(); /* the library reads some */
        *pieces = g_steal_pointer(&r->pieces);
        *count = (int)r->count;
        r->count = 0;
    }
}

int virgl_renderer_transfer_write_iov(uint32_t id, uint32_t context, int level, uint32_t stride,
                                      uint32_t layer_stride, struct virgl_box *box, uint64_t offset,
                                      struct iovec *pieces, unsigned count)
{
    g_assert_true(!context || g_hash_table_contains(contexts, GUINT_TO_POINTER(context)));
    g_assert_true(find(id)->pieces && !pieces);
    use_all();
    return 0;
}

/* With @pieces: rows of four bytes a pixel, of level 0. */
int virgl_renderer_transfer_read_iov(uint32_t id, uint32_t context, uint32_t level, uint32_t stride,
                                     uint32_t layer_stride, struct virgl_box *box, uint64_t offset,
                                     struct iovec *pieces, int count)
{
    const Resource *r = find(id);

    g_assert_true(!context || g_hash_table_contains(contexts, GUINT_TO_POINTER(context)));
    if (!r) {
        g_assert_nonnull(pieces); /* a pointer's, which another queue has done away with */
        return 1;
    }
    g_assert_true(pieces || r->pieces);
    use_all();
    for (uint32_t y = 0; pieces && y < box->h; y++) {
        g_assert_cmpuint(box->y + box->h, <=, r->height);
        g_assert_cmpuint(offset + (uint64_t)y * stride + 4ull * box->w, <=, pieces->iov_len);
        memset((uint8_t *)pieces->iov_base + offset + (uint64_t)y * stride, 0x5a, 4ull * box->w);
    }
    return 0;
}

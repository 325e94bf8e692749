/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/export.h"

#include <string.h>

#include "block/nbd-connection.h"
#include "block/nbd-server.h"
#include "qapi/qapi-events.h"
#include "util/error.h"

static GMutex mutex;
static GPtrArray *exports; /* of BlockExport, a reference each; under the mutex */

/* ---- the list ---- */

static BlockExport *find(const char *text, bool by_id)
{
    BlockExport *found = NULL;

    g_mutex_lock(&mutex);
    for (unsigned i = 0; !found && exports && i < exports->len; i++) {
        BlockExport *e = exports->pdata[i];

        if (strcmp(by_id ? e->id : e->name, text) == 0) {
            found = e;
            g_atomic_ref_count_inc(&e->refs);
        }
    }
    g_mutex_unlock(&mutex);
    return found;
}

BlockExport *block_export_get(const char *name)
{
    return find(name, false);
}

GPtrArray *block_export_list(void)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)block_export_unref);

    g_mutex_lock(&mutex);
    for (unsigned i = 0; exports && i < exports->len; i++) {
        BlockExport *e = exports->pdata[i];

        g_atomic_ref_count_inc(&e->refs);
        g_ptr_array_add(list, e);
    }
    g_mutex_unlock(&mutex);
    return list;
}

void block_export_foreach(void (*fn)(const BlockExport *export, void *opaque), void *opaque)
{
    g_autoptr(GPtrArray) list = block_export_list();

    for (unsigned i = 0; i < list->len; i++) {
        fn(list->pdata[i], opaque);
    }
}

void block_export_unref(BlockExport *e)
{
    if (g_atomic_ref_count_dec(&e->refs)) {
        g_ptr_array_unref(e->connections);
        g_ptr_array_unref(e->bitmaps);
        g_ptr_array_unref(e->contexts);
        g_free(e->id);
        g_free(e->name);
        g_free(e->description);
        g_free(e->node_name);
        g_free(e);
    }
}

/* ---- adding ---- */

static void resized(void *opaque)
{
    BlockExport *e = opaque;
    int64_t length = block_node_length(block_backend_node(e->backend));

    e->size = length < 0 ? 0 : (uint64_t)length;
}

static const BlockBackendOps backend_ops = { .resized = resized };

static bool check_bitmaps(const BlockExportConfig *config, GError **errp)
{
    if (config->bitmaps && config->bitmaps->len > BLOCK_EXPORT_MAX_BITMAPS) {
        error_set(errp, "an export has at most %d bitmaps", BLOCK_EXPORT_MAX_BITMAPS);
        return false;
    }
    for (unsigned i = 0; config->bitmaps && i < config->bitmaps->len; i++) {
        const BlockDirtyBitmap *bitmap = config->bitmaps->pdata[i];

        if (!block_dirty_bitmap_check(bitmap, BLOCK_DIRTY_BITMAP_READ, errp)) {
            return false;
        }
        if (bitmap->busy) {
            error_set(errp, "bitmap '%s' is in use by a job or an export", bitmap->name);
            return false;
        }
        if (bitmap->enabled && !bitmap->node->read_only && !config->writable) {
            error_set(errp,
                      "bitmap '%s' is enabled: it would change while clients read what does not; "
                      "disable it, or use writable=on",
                      bitmap->name);
            return false;
        }
        for (unsigned j = 0; j < i; j++) {
            const BlockDirtyBitmap *other = config->bitmaps->pdata[j];

            if (strcmp(other->name, bitmap->name) == 0) {
                error_set(errp, "bitmap '%s' is named twice", bitmap->name);
                return false;
            }
        }
    }
    return true;
}

static bool check(const BlockExportConfig *config, const BlockNode *node, GError **errp)
{
    BlockExport *same_id = find(config->id, true), *same_name = find(config->name, false);
    bool ok = false;

    if (!nbd_server_loop()) {
        error_set(errp, "there is no NBD server: start it with nbd-server-start");
    } else if (same_id) {
        error_set(errp, "there is an export with id '%s' already", config->id);
    } else if (same_name) {
        error_set(errp, "there is an NBD export called '%s' already", config->name);
    } else if (strlen(config->name) > BLOCK_EXPORT_MAX_TEXT ||
               (config->description && strlen(config->description) > BLOCK_EXPORT_MAX_TEXT)) {
        error_set(errp, "the name or the description of an export is longer than %d bytes",
                  BLOCK_EXPORT_MAX_TEXT);
    } else if (config->writable && node->read_only) {
        error_set(errp, "block node '%s' is read-only: it cannot be exported with writable=on",
                  node->name);
    } else {
        ok = check_bitmaps(config, errp);
    }
    g_clear_pointer(&same_id, block_export_unref);
    g_clear_pointer(&same_name, block_export_unref);
    return ok;
}

static BlockBackend *take(const BlockExportConfig *config, BlockNode *node, GError **errp)
{
    g_autofree char *user = g_strdup_printf("export '%s'", config->id);
    BlockBackend *backend;

    node->refs++;
    backend = block_backend_new(NULL, node, errp);
    return backend && block_backend_take_for_export(backend, user, !config->writable, errp)
               ? backend
               : NULL;
}

/* Nobody changes or frees them from now on. */
static void take_bitmaps(BlockExport *e, const GPtrArray *bitmaps)
{
    e->bitmaps = g_ptr_array_new();
    e->contexts = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; bitmaps && i < bitmaps->len; i++) {
        BlockDirtyBitmap *bitmap = bitmaps->pdata[i];

        bitmap->node->refs++;
        block_dirty_bitmap_set_busy(bitmap, true);
        g_ptr_array_add(e->bitmaps, bitmap);
        g_ptr_array_add(e->contexts, g_strconcat("qemu:dirty-bitmap:", bitmap->name, NULL));
    }
}

static void give_bitmaps_back(BlockExport *e)
{
    for (unsigned i = 0; i < e->bitmaps->len; i++) {
        BlockDirtyBitmap *bitmap = e->bitmaps->pdata[i];

        block_dirty_bitmap_set_busy(bitmap, false);
        block_node_unref(bitmap->node);
    }
}

bool block_export_add(const BlockExportConfig *config, BlockNode *node, GError **errp)
{
    BlockBackend *backend = check(config, node, errp) ? take(config, node, errp) : NULL;
    BlockExport *e;

    if (!backend) {
        return false;
    }
    e = g_new0(BlockExport, 1);
    g_atomic_ref_count_init(&e->refs);
    e->id = g_strdup(config->id);
    e->name = g_strdup(config->name);
    e->description = g_strdup(config->description);
    e->node_name = g_strdup(node->name);
    e->writable = config->writable;
    e->writethrough = config->writethrough;
    e->depth = config->depth;
    e->loop = config->loop ? config->loop : nbd_server_loop();
    e->loop_owner = config->loop_owner ? object_ref(config->loop_owner) : NULL;
    e->backend = backend;
    take_bitmaps(e, config->bitmaps);
    e->connections = g_ptr_array_new();
    resized(e);
    block_backend_connect(backend, e->loop, &backend_ops, e);
    g_mutex_lock(&mutex);
    exports = exports ? exports : g_ptr_array_new();
    g_ptr_array_add(exports, e);
    g_mutex_unlock(&mutex);
    return true;
}

/* ---- removing ---- */

/* From the export's loop. */
static void disconnect(void *opaque)
{
    BlockExport *e = opaque;

    while (e->connections->len) {
        nbd_connection_close(e->connections->pdata[e->connections->len - 1]);
    }
}

static void nothing(void *opaque)
{
}

static void remove_now(BlockExport *e)
{
    e->removed = true;
    g_mutex_lock(&mutex);
    g_ptr_array_remove(exports, e);
    g_mutex_unlock(&mutex);
    loop_run(e->loop, disconnect, e); /* no more requests from here on */
    block_drain(e->backend);
    loop_run(e->loop, nothing, NULL); /* those that have ended are forgotten */
    give_bitmaps_back(e);
    block_backend_release(e->backend);
    e->backend = NULL;
    g_clear_pointer(&e->loop_owner, object_unref);
    qapi_event_send_block_export_deleted(e->id);
    block_export_unref(e);
}

bool block_export_remove(const char *id, bool hard, GError **errp)
{
    BlockExport *e = find(id, true);
    bool ok = e && (hard || !e->users);

    if (!e) {
        error_set(errp, "there is no export with id '%s'", id);
    } else if (!ok) {
        error_set(errp, "export '%s' is in use; mode=hard disconnects its clients", id);
    } else {
        remove_now(e);
    }
    g_clear_pointer(&e, block_export_unref);
    return ok;
}

void block_export_remove_all(void)
{
    while (exports && exports->len) {
        remove_now(exports->pdata[0]);
    }
}

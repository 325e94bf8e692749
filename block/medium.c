/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/medium.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/error.h"

/* ---- no medium ---- */

BlockNode *block_medium_none(int64_t bytes, GError **errp)
{
    static const char *const refused[] = { "event=read_aio", "event=write_aio",
                                           "event=none,inject-error.2.iotype=discard" };
    g_autoptr(GString) text = g_string_new("driver=blkdebug,image.driver=null-co");
    g_autoptr(BlockdevOptions) options = NULL;

    g_string_append_printf(text, ",image.size=%" PRId64, MAX(bytes, 0));
    for (unsigned i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_string_append_printf(text, ",inject-error.%u.%s,inject-error.%u.errno=%d", i, refused[i],
                               i, ENOMEDIUM);
    }
    options = qapi_from_option(&BlockdevOptions_type, text->str, "driver", errp);
    return options ? block_node_open(options, errp) : NULL;
}

BlockBackend *block_medium_empty_drive(const char *name, GError **errp)
{
    BlockNode *node = block_medium_none(0, errp);
    BlockBackend *backend = node ? block_backend_new(name, node, errp) : NULL;

    if (backend) {
        backend->empty = true;
    }
    return backend;
}

/* ---- finding ---- */

typedef struct Search {
    const char *id;
    BlockBackend *found;
} Search;

static void match(BlockBackend *backend, void *opaque)
{
    Search *search = opaque;
    const char *path = backend->device, *last = path ? strrchr(path, '/') : NULL;

    if (path && (!strcmp(path, search->id) || (last && !strcmp(last + 1, search->id)))) {
        search->found = backend;
    }
}

BlockBackend *block_medium_find(const char *device, const char *id, GError **errp)
{
    Search search = { id, NULL };

    if (!device == !id) {
        error_set(errp, "give one of 'device' and 'id'");
        return NULL;
    }
    if (device) {
        search.found = block_backend_find(device);
    } else {
        block_backend_foreach(match, &search);
    }
    if (!search.found) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "there is no drive '%s'",
                        device ? device : id);
        return NULL;
    }
    if (!block_medium_tray(search.found)) {
        error_set(errp, "'%s' is no drive with a tray: its medium cannot be changed",
                  device ? device : id);
        return NULL;
    }
    return search.found;
}

/* ---- the tray ---- */

bool block_medium_open_tray(BlockBackend *backend, bool force)
{
    const BlockTrayOps *tray = block_medium_tray(backend);

    if (!block_medium_has_tray(backend)) {
        return true;
    }
    if (!tray->is_open(backend->opaque) && tray->is_locked(backend->opaque)) {
        tray->ask_eject(backend->opaque);
        if (!force) {
            return false;
        }
    }
    tray->move(backend->opaque, true);
    return true;
}

void block_medium_close_tray(BlockBackend *backend)
{
    if (block_medium_has_tray(backend)) {
        block_medium_tray(backend)->move(backend->opaque, false);
    }
}

/* ---- changes ---- */

static bool check_open(BlockBackend *backend, GError **errp)
{
    if (block_medium_has_tray(backend) && !block_medium_tray(backend)->is_open(backend->opaque)) {
        error_set(errp, "the tray of device %s is closed: use blockdev-open-tray first",
                  backend->device);
        return false;
    }
    return true;
}

/* Let the device have @node, and write to it, if it does and @node can be written. */
static bool attach(BlockBackend *backend, BlockNode *node, GError **errp)
{
    g_autofree char *user = g_strdup_printf("device %s", backend->device);
    bool writes = block_medium_tray(backend)->writes && !node->read_only;
    bool ok = block_edge_attach(&backend->edge, node, user,
                                BLOCK_PERM_READ | (writes ? BLOCK_PERM_WRITE : 0),
                                BLOCK_PERM_ALL & ~BLOCK_PERM_WRITE, errp);

    backend->writable = ok ? writes : backend->writable;
    return ok;
}

/* @node instead of what is there; on failure, that stays. */
static bool exchange(BlockBackend *backend, BlockNode *node, bool empty, GError **errp)
{
    BlockNode *before = block_backend_node(backend);
    bool ok;

    if (!block_node_check_idle(before, errp)) {
        return false;
    }
    if (block_medium_tray(backend)->leaves) {
        block_medium_tray(backend)->leaves(backend->opaque);
    }
    before->refs++;
    block_hold_all();
    block_edge_detach(&backend->edge);
    ok = attach(backend, node, errp);
    if (ok) {
        backend->empty = empty;
    } else {
        attach(backend, before, NULL);
    }
    block_resume_all();
    block_node_unref(before);
    if (ok) {
        block_medium_tray(backend)->changed(backend->opaque);
    }
    return ok;
}

bool block_medium_remove(BlockBackend *backend, GError **errp)
{
    BlockNode *none;
    bool ok;

    if (!check_open(backend, errp)) {
        return false;
    }
    if (backend->empty) {
        return true;
    }
    none = block_medium_none(0, errp);
    ok = none && exchange(backend, none, true, errp);
    block_node_unref(none);
    return ok;
}

bool block_medium_insert(BlockBackend *backend, BlockNode *node, GError **errp)
{
    if (!check_open(backend, errp)) {
        return false;
    }
    if (!backend->empty) {
        error_set(errp, "there is a medium in device %s: use blockdev-remove-medium first",
                  backend->device);
        return false;
    }
    return exchange(backend, node, false, errp);
}

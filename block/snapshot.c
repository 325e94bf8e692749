/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/snapshot.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "block/backend.h"
#include "block/commit.h"
#include "block/create.h"
#include "block/driver.h"
#include "util/error.h"

/* Its user never looks at what is there: a mirror. */
static bool only_writes(const BlockEdge *edge)
{
    return edge->uses && !(edge->uses & BLOCK_PERM_READ);
}

/* Users of @from but for @except, over to @to; those that an overlay has had before stay. */
static void move_edges(BlockNode *from, BlockNode *to, const BlockEdge *except)
{
    for (unsigned i = from->edges->len; i-- > 0;) {
        BlockEdge *edge = from->edges->pdata[i];

        if (edge != except && !edge->stays && !only_writes(edge)) {
            block_edge_move(edge, to);
        }
    }
}

/* A user of @overlay's for whom it may not change; NULL: there is none. */
static const BlockEdge *reader_of(const BlockNode *node, const BlockNode *overlay)
{
    for (unsigned i = 0; i < overlay->edges->len; i++) {
        const BlockEdge *edge = overlay->edges->pdata[i];

        if (!only_writes(edge) || node->edges->len) {
            return edge;
        }
    }
    return NULL;
}

static bool check_overlay(const BlockNode *node, const BlockNode *overlay, GError **errp)
{
    const BlockEdge *reader = reader_of(node, overlay);

    if (!overlay->driver->set_backing_name) {
        error_set(errp, "block node '%s' (%s) has no backing file: overlays are qcow2",
                  overlay->name, BlockdevDriver_str(overlay->driver->id));
    } else if (overlay->backing.node) {
        error_set(errp, "block node '%s' has a backing file: make it with 'backing': null",
                  overlay->name);
    } else if (reader) {
        error_set(errp, "block node '%s' is in use by %s", overlay->name, reader->user);
    } else if (block_node_is_below(overlay, node)) {
        error_set(errp, "block node '%s' is below '%s' already", node->name, overlay->name);
    } else if (!block_node_is_active()) {
        error_set(errp, "the images of a machine that migrates are not written here");
    } else {
        return true;
    }
    return false;
}

static void tell_resized(BlockBackend *backend, void *opaque)
{
    if (backend->ops && backend->ops->resized) {
        backend->ops->resized(backend->opaque);
    }
}

/* There are no requests. */
static bool put_on_top(BlockNode *node, BlockNode *overlay, GError **errp)
{
    int err = block_node_flush(node);

    if (err) {
        error_set_errno(errp, err, "block node '%s' cannot be flushed", node->name);
        return false;
    }
    node->refs++; /* while its users change */
    block_edge_link(&overlay->backing, overlay, node);
    move_edges(node, overlay, &overlay->backing);
    if (!block_node_update_perms(overlay, errp)) {
        move_edges(overlay, node, NULL);
        block_edge_detach(&overlay->backing);
        block_node_update_perms(overlay, NULL);
        block_node_unref(node);
        return false;
    }
    block_node_unref(node);
    return true;
}

bool block_snapshot(BlockNode *node, BlockNode *overlay, GError **errp)
{
    bool ok;

    if (!block_node_check_idle(node, errp) || !check_overlay(node, overlay, errp)) {
        return false;
    }
    block_hold_all();
    ok = put_on_top(node, overlay, errp);
    block_resume_all();
    if (ok) {
        block_backend_foreach(tell_resized, NULL);
    }
    return ok;
}

void block_snapshot_undo(BlockNode *node, BlockNode *overlay, bool made)
{
    overlay->refs++; /* while its users go */
    move_edges(overlay, node, NULL);
    block_edge_detach(&overlay->backing);
    block_node_update_perms(overlay, NULL);
    block_node_update_perms(node, NULL); /* they went together */
    if (made && overlay->listed) {
        overlay->listed = false;
        block_node_unref(overlay);
    }
    block_node_unref(overlay);
}

/* ---- by files ---- */

static void set_bool(struct json_object *json, const char *key, bool value)
{
    json_object_object_add(json, key, json_object_new_boolean(value));
}

static void set_text(struct json_object *json, const char *key, const char *value)
{
    json_object_object_add(json, key, json_object_new_string(value));
}

/* Options of the overlay in @file: those of @node, as far as they are not of its image. */
static struct json_object *overlay_options(const BlockNode *node, const BlockSnapshotFile *file,
                                           bool no_flush)
{
    struct json_object *json = json_object_new_object(), *below = json_object_new_object(),
                       *cache = json_object_new_object();

    set_text(below, "driver", "file");
    set_text(below, "filename", file->path);
    set_text(json, "driver", "qcow2");
    if (file->node_name) {
        set_text(json, "node-name", file->node_name);
    }
    json_object_object_add(json, "file", below);
    set_text(json, "backing", "");
    set_text(json, "discard", node->unmap ? "unmap" : "ignore");
    set_text(json, "detect-zeroes", BlockdevDetectZeroesOptions_str(node->detect_zeroes));
    set_bool(cache, "direct", node->direct && !no_flush);
    set_bool(cache, "no-flush", node->no_flush || no_flush);
    json_object_object_add(json, "cache", cache);
    return json;
}

static BlockNode *open_overlay(struct json_object *json, GError **errp)
{
    g_autoptr(BlockdevOptions) options = BlockdevOptions_from_json(json, NULL, errp);
    BlockNode *node = options ? block_node_open(options, errp) : NULL;

    json_object_put(json);
    return node;
}

static bool make_image(BlockNode *node, const char *path, GError **errp)
{
    int64_t length = block_node_length(node);
    g_autofree char *full = NULL, *cwd = NULL;

    if (length < 0) {
        error_set_errno(errp, (int)-length, "the size of block node '%s' is not known", node->name);
        return false;
    }
    if (!node->filename) {
        error_set(errp, "block node '%s' has no file that an image could name as its backing file",
                  node->name);
        return false;
    }
    cwd = g_get_current_dir();
    full = g_canonicalize_filename(node->filename, cwd);
    const BlockQcow2Create create = { BLOCK_QCOW2_DEFAULTS, .size = (uint64_t)length,
                                      .backing = full, .backing_format = block_chain_format(node) };
    return block_create_qcow2(path, &create, errp);
}

BlockNode *block_snapshot_to_file(BlockNode *node, const BlockSnapshotFile *file, GError **errp)
{
    BlockNode *overlay;
    bool ok;

    if (file->node_name && !block_node_check_name(file->node_name, errp)) {
        return NULL;
    }
    if (!block_node_is_active()) {
        error_set(errp, "the images of a machine that migrates are not written here");
        return NULL;
    }
    if (!block_node_check_idle(node, errp)) {
        return NULL;
    }
    if (!file->existing && !make_image(node, file->path, errp)) {
        return NULL;
    }
    overlay = open_overlay(overlay_options(node, file, false), errp);
    ok = overlay && block_snapshot(node, overlay, errp);
    if (ok && node->listed) { /* a user may take it away too */
        overlay->listed = true;
        overlay->refs++;
    }
    block_node_unref(overlay); /* its users have it */
    return ok ? overlay : NULL;
}

BlockNode *block_snapshot_temporary(BlockNode *node, GError **errp)
{
    g_autofree char *path = NULL;
    int64_t length = block_node_length(node);
    BlockNode *overlay = NULL;
    int fd = g_file_open_tmp(NULL, &path, errp);

    if (fd < 0) {
        block_node_unref(node);
        return NULL;
    }
    close(fd);
    const BlockSnapshotFile file = { .path = path };
    const BlockQcow2Create create = { BLOCK_QCOW2_DEFAULTS, .size = (uint64_t)MAX(length, 0) };
    if (block_create_qcow2(path, &create, errp)) {
        overlay = open_overlay(overlay_options(node, &file, true), errp);
    }
    g_unlink(path); /* who has it open has it */
    if (overlay && !block_snapshot(node, overlay, errp)) {
        block_node_unref(overlay);
        overlay = NULL;
    }
    block_node_unref(node);
    return overlay;
}

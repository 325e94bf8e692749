/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "block/backend.h"
#include "util/error.h"

typedef struct Resize {
    const BlockNode *node;
    const char *user; /* the export that has it; NULL: none */
} Resize;

static bool is_above(BlockBackend *backend, const Resize *resize)
{
    return block_node_is_below(block_backend_node(backend), resize->node);
}

static void look_for_export(BlockBackend *backend, void *opaque)
{
    Resize *resize = opaque;

    if (backend->exported && is_above(backend, resize)) {
        resize->user = backend->edge.user;
    }
}

/* Clients were told a size. */
static bool check_exports(Resize *resize, GError **errp)
{
    block_backend_foreach(look_for_export, resize);
    if (resize->user) {
        error_set(errp,
                  "block node '%s': %s has it, whose clients know its size; remove that first",
                  resize->node->name, resize->user);
    }
    return !resize->user;
}

static void note_shrunk(BlockBackend *backend, void *opaque)
{
    backend->shrunk |= is_above(backend, opaque);
}

static void tell(BlockBackend *backend, void *opaque)
{
    if (backend->ops && backend->ops->resized && is_above(backend, opaque)) {
        backend->ops->resized(backend->opaque);
    }
}

bool block_resize(BlockNode *node, uint64_t size, GError **errp)
{
    int64_t before = block_node_length(node);
    Resize resize = { .node = node };
    int err;

    if (size > BLOCK_MAX_SIZE) {
        error_set(errp, "size=%" PRIu64 " is too large", size);
        return false;
    }
    if (!block_node_check_idle(node, errp) || !block_node_check_resize(node, errp) ||
        !check_exports(&resize, errp)) {
        return false;
    }
    block_hold_all();
    err = block_node_truncate(node, size);
    if (!err && (before < 0 || size < (uint64_t)before)) {
        block_backend_foreach(note_shrunk, &resize);
    }
    block_resume_all();
    if (err) {
        error_set_errno(errp, err, "block node '%s' cannot have %" PRIu64 " bytes", node->name,
                        size);
        return false;
    }
    block_backend_foreach(tell, &resize);
    return true;
}

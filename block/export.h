/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exports: nodes that clients of the NBD server (block/nbd-server.h) use. Each has a backend, whose
 * requests are those of its clients; a loop of its own, never the main loop, serves them.
 *
 * Main thread with the machine lock, but for what says otherwise.
 */
#ifndef BLOCK_EXPORT_H
#define BLOCK_EXPORT_H

#include <stdatomic.h>

#include "block/backend.h"
#include "block/dirty-bitmap.h"
#include "qom/object.h"

#define BLOCK_EXPORT_MAX_TEXT    4096 /* bytes of a name and of a description */
#define BLOCK_EXPORT_MAX_BITMAPS 30

typedef struct BlockExportConfig {
    const char *id;
    const char *name;        /* by which clients find it; "" is one, too */
    const char *description; /* for people; NULL: none */
    bool writable;
    bool writethrough;  /* writes are done when they are on the disk */
    bool depth;         /* clients may ask which image of a chain has what */
    GPtrArray *bitmaps; /* of BlockDirtyBitmap, which clients can read; NULL: none. Borrowed */
    Loop *loop;         /* that serves it; NULL: the server's */
    Object *loop_owner; /* a reference is kept; NULL: none */
} BlockExportConfig;

typedef struct BlockExport {
    gatomicrefcount refs; /* the list's, and those of connections */
    /* constant: */
    char *id, *name, *description, *node_name;
    bool writable, writethrough, depth;
    Loop *loop;
    Object *loop_owner;
    GPtrArray *bitmaps;     /* of BlockDirtyBitmap, which are there as long as the backend */
    GPtrArray *contexts;    /* what clients call those: "qemu:dirty-bitmap:NAME" */
    BlockBackend *backend;  /* until it is removed; then nobody touches it */
    _Atomic uint64_t size;  /* bytes */
    GPtrArray *connections; /* of NbdConnection, borrowed; the loop's */
    _Atomic unsigned users; /* how many those are */
    _Atomic bool removed;
} BlockExport;

/* Export @node, which stays the caller's. Errors: the id or name is taken, the node is used in a
 * way that does not go together with that, there is no server. */
bool block_export_add(const BlockExportConfig *config, BlockNode *node, GError **errp);
/* End the export called @id. One that clients use only if @hard: they are disconnected. Waits for
 * requests under way. Sends BLOCK_EXPORT_DELETED. */
bool block_export_remove(const char *id, bool hard, GError **errp);
/* All of them, hard. */
void block_export_remove_all(void);
/* Call @fn for each, in the order in which they were added. */
void block_export_foreach(void (*fn)(const BlockExport *export, void *opaque), void *opaque);

/* ---- for the server: any thread ---- */

/* The one that clients call so, or NULL: a reference. */
BlockExport *block_export_get(const char *name);
/* All of them: references; g_ptr_array_unref. */
GPtrArray *block_export_list(void);
void block_export_unref(BlockExport *export);

#endif

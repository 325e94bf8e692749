/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Media that users put into drives and take out of them, while a device has the drive. A backend
 * without a medium has a node that fails whatever is asked with ENOMEDIUM. Machine lock for
 * everything.
 */
#ifndef BLOCK_MEDIUM_H
#define BLOCK_MEDIUM_H

#include "block/backend.h"

/* What a device whose medium can be changed does, with its BlockBackendOps' opaque. */
typedef struct BlockTrayOps {
    bool (*is_open)(void *opaque);   /* NULL: there is no tray: the medium is always at hand */
    bool (*is_locked)(void *opaque); /* by the guest */
    void (*move)(void *opaque, bool open);
    void (*ask_eject)(void *opaque); /* the guest, which has locked it */
    void (*changed)(void *opaque);   /* another medium is there, or none; the tray is open */
    /* The medium is about to go: requests that are under way end. NULL: they may go on with the one
     * that comes. */
    void (*leaves)(void *opaque);
    bool writes; /* it writes to what is not read-only */
} BlockTrayOps;

/* Those of @backend, or NULL: its medium stays. Of one without a tray there are is_locked and
 * changed only. */
static inline const BlockTrayOps *block_medium_tray(const BlockBackend *backend)
{
    return backend->ops ? backend->ops->tray : NULL;
}
static inline bool block_medium_has_tray(const BlockBackend *backend)
{
    return block_medium_tray(backend) && block_medium_tray(backend)->is_open;
}

/* A node of @bytes that stands for no medium: a reference. Flushes of it, which has nothing, go
 * well, also when the machine stops. */
BlockNode *block_medium_none(int64_t bytes, GError **errp);
/* A backend without a medium, which is called @name (NULL: it goes with its device). */
BlockBackend *block_medium_empty_drive(const char *name, GError **errp);

/* The backend of the drive @device, or of the device with this @id or path; one of the two is
 * given. Errors: none such, its medium stays. */
BlockBackend *block_medium_find(const char *device, const char *id, GError **errp);
/* Open the tray. One that the guest has locked only with @force; else the guest is asked: false. */
bool block_medium_open_tray(BlockBackend *backend, bool force);
void block_medium_close_tray(BlockBackend *backend);
/* The tray is open, and then: take out what is there, if anything; put @node in. Errors: it is
 * closed, there is a medium, the node is used by others. */
bool block_medium_remove(BlockBackend *backend, GError **errp);
bool block_medium_insert(BlockBackend *backend, BlockNode *node, GError **errp);

#endif

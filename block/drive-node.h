/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -drive: options of its own, and, between them, those of the block node that it makes. Machine
 * lock.
 */
#ifndef BLOCK_DRIVE_NODE_H
#define BLOCK_DRIVE_NODE_H

#include "block/node.h"

typedef struct DriveArg {
    DriveOptions *options;    /* owned */
    struct json_object *node; /* every other option: of the node, or with "file" of the one below;
                                 a reference */
} DriveArg;

/* @text as the command line has it. `file` is a text and may have options as well
 * ("file=x,file.locking=off"). Free with drive_arg_free(). */
DriveArg *drive_parse(const char *text, GError **errp);
void drive_arg_free(DriveArg *arg); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DriveArg, drive_arg_free)

static inline bool drive_is_read_only(const DriveOptions *drive)
{
    return drive->readonly || drive->read_only ||
           (drive->has_media && drive->media == DRIVE_MEDIA_CDROM);
}

/* A drive without a medium: media=cdrom or if=floppy, and nothing that it holds. */
bool drive_is_empty(const DriveArg *arg);
/* The node: a reference, or NULL. @temporary: it is only read, as what is on top of it has what is
 * written. Without a format its file is looked at: with qcow2's first bytes it is that, else raw,
 * with a warning, and the guest cannot make it look like another (block/raw.h). */
BlockNode *drive_node_open(const DriveArg *arg, bool temporary, GError **errp);
/* A copy-on-read node above @node, whose reference it takes: a reference, or NULL. */
BlockNode *drive_node_copy_on_read(const DriveArg *arg, BlockNode *node, GError **errp);

#endif

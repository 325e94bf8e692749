/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty bitmaps as clients name them. Machine lock. */
#ifndef MONITOR_BITMAP_H
#define MONITOR_BITMAP_H

#include "block/dirty-bitmap.h"

/* That of a node, or of the node of a drive; borrowed. Errors: no such node, no such bitmap. */
BlockDirtyBitmap *bitmap_find(const char *node_name, const char *name, GError **errp);

#endif

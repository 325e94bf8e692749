/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What there is to tell of an image, for people: `dimmable-img info`, HMP `info block -v`. */
#ifndef BLOCK_IMAGE_TEXT_H
#define BLOCK_IMAGE_TEXT_H

#include "block/node.h"

/* The table of @list (SnapshotInfo). */
void block_snapshots_text(GString *out, const GPtrArray *list);
/* @info is the block_image_info() of @node, which is open. Main thread. */
void block_image_text(GString *out, BlockNode *node, const ImageInfo *info);

#endif

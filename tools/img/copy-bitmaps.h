/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bitmaps of what was written, that go along with the disk to another image. */
#ifndef TOOLS_IMG_COPY_BITMAPS_H
#define TOOLS_IMG_COPY_BITMAPS_H

#include "block/create.h"
#include "block/node.h"

/* Can those of @from be copied? Inconsistent ones are an error unless they are to be left out
 * (@skip). */
bool img_bitmaps_check(BlockNode *from, bool skip, GError **errp);
/* Could an image of @format, which is about to be made, keep bitmaps? */
bool img_bitmaps_check_new(const char *format, const BlockQcow2Create *create, GError **errp);
/* Can @to, which is there, have those of @from? */
bool img_bitmaps_check_target(BlockNode *from, BlockNode *to, GError **errp);
/* Let @to, which is open for writing, have them in its file; a warning tells of each that is left
 * out. */
bool img_bitmaps_copy(BlockNode *from, BlockNode *to, GError **errp);
/* Bytes of the file that those of @from take in an image as @create says. */
uint64_t img_bitmaps_measure(BlockNode *from, const BlockQcow2Create *create);

#endif

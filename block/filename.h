/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What users write as the name of a file that holds an image: -drive's file=, dimmable-img. */
#ifndef BLOCK_FILENAME_H
#define BLOCK_FILENAME_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

/* Put into @json, the options of a node, what @name says: a file or block device ("file:NAME" too),
 * "json:{...}", "null-co://", "blkdebug:RULES:IMAGE" (block/blkdebug-file.h), an export of an NBD
 * server (block/nbd-uri.h). What is there already stays. Errors: what is not JSON, no file with
 * rules, no such place. */
bool block_filename_options(struct json_object *json, const char *name, GError **errp);
/* @name, which an image at @base has, for this program: relative names are so to the image. It is
 * a file's name, whatever it looks like: an image, which anybody may have made, does not choose
 * drivers, and so "json:..." becomes "./json:...". g_free. */
char *block_filename_relative(const char *name, const char *base);

#endif

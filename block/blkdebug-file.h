/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that say what blkdebug has fail: "blkdebug:RULES:IMAGE" as the name of an image. */
#ifndef BLOCK_BLKDEBUG_FILE_H
#define BLOCK_BLKDEBUG_FILE_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

/* Put into @json, the options of a blkdebug node, the errors that the file at @path has: sections
 * [inject-error] with lines `KEY = "VALUE"`. A state that an error has is one that a section
 * [set-state] of its event ends: it meets the first request then, as with once=on. Errors: it
 * cannot be read, or says what there is not. */
bool blkdebug_read_file(struct json_object *json, const char *path, GError **errp);

#endif

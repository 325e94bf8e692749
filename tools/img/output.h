/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands print, in the forms that scripts know. */
#ifndef TOOLS_IMG_OUTPUT_H
#define TOOLS_IMG_OUTPUT_H

#include <json-c/json.h>

#include "tools/img/img.h"

/* Is --output=json wanted? False with @errp: it is neither that nor human. */
bool img_output_is_json(const ImgArgs *args, bool *json, GError **errp);
/* Print @json, whose reference it takes, by lines. */
void img_print_json(struct json_object *json);
void img_add_number(struct json_object *json, const char *key, uint64_t value);
/* -p: a line that says how much of @total is done; @done reaches it at the end. */
void img_progress(const ImgArgs *args, uint64_t done, uint64_t total);
void img_progress_end(const ImgArgs *args);

#endif

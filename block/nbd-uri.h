/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How users write where an NBD export is. */
#ifndef BLOCK_NBD_URI_H
#define BLOCK_NBD_URI_H

#include <json-c/json.h>
#include <stdbool.h>

#include "qapi/qapi-types.h"

#define NBD_PORT "10809" /* where nothing else is said */

/* Does @name begin as one of those that nbd_uri_options() takes? */
bool nbd_uri_is(const char *name);
/* Put into @json, options of a node, what @name says: "nbd://HOST:PORT/EXPORT" (nbd+tcp),
 * "nbd+unix:///EXPORT?socket=PATH", "nbd:unix:PATH", "nbd:HOST:PORT", the last two perhaps with
 * ":exportname=NAME". What is there already stays. Errors say what is wrong. */
bool nbd_uri_options(struct json_object *json, const char *name, GError **errp);
/* The other way around; g_free. */
char *nbd_uri_of(const BlockdevOptionsNbd *options);

#endif

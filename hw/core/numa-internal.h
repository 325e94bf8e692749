/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of -numa and set-numa-node: private to hw/core. A value is text or a JSON number.
 */
#ifndef HW_CORE_NUMA_INTERNAL_H
#define HW_CORE_NUMA_INTERNAL_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* A number from 0 to @max (< 2^63); -1 if the key is not there. */
bool numa_get_number(struct json_object *props, const char *key, uint64_t max, int64_t *out,
                     GError **errp);

/* A size in bytes; text without a suffix is in @unit. An error if the key is not there. */
bool numa_get_size(struct json_object *props, const char *key, uint64_t unit, uint64_t *out,
                   GError **errp);

#endif

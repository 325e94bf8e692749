/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values as people type them: sizes, numbers, truth values.
 */
#ifndef UTIL_PARSE_H
#define UTIL_PARSE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Sizes: digits with an optional suffix B k M G T P E (1024-based, fraction allowed: "1.5G").
 * A bare number is multiplied by @default_unit. */
bool parse_size(const char *text, uint64_t default_unit, uint64_t *out, GError **errp);
bool parse_bool(const char *text, bool *out);                   /* on/off yes/no true/false y/n */
bool parse_uint(const char *text, uint64_t max, uint64_t *out); /* decimal or 0x, at most @max */

#endif

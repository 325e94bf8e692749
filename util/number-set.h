/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of small numbers (CPUs, NUMA nodes) as users write them: "3", "0-3", "0-1,4", the same in
 * JSON as a number or a string, or a list of these. Of a text (util/keyval.h) all that was given
 * for its key counts.
 */
#ifndef UTIL_NUMBER_SET_H
#define UTIL_NUMBER_SET_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* Words for numbers from 0 to @max: bit n % 64 of word n / 64. */
#define NUMBER_SET_WORDS(max) ((max) / 64 + 1)

static inline bool number_set_has(const uint64_t *set, unsigned n)
{
    return set[n / 64] >> (n % 64) & 1;
}

/* Add what @value names to @set, of NUMBER_SET_WORDS(@max). All or, with an error that calls the
 * value
 * @name, nothing. An empty list adds nothing. */
bool number_set_add(uint64_t *set, unsigned max, const char *name, struct json_object *value,
                    GError **errp);

#endif

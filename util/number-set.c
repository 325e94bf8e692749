/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/number-set.h"

#include <string.h>

#include "util/error.h"
#include "util/keyval.h"
#include "util/parse.h"

/* A set that is being read. */
typedef struct Reader {
    uint64_t *set;
    unsigned max;
    const char *name;
} Reader;

/* "3" or "0-3". */
static bool parse_range(const char *text, uint64_t max, uint64_t *first, uint64_t *last)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 2);

    if (!ends[0] || !parse_uint(ends[0], max, first)) {
        return false;
    }
    *last = *first;
    return !ends[1] || (parse_uint(ends[1], max, last) && *last >= *first);
}

static bool add_text(const Reader *reader, const char *text, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    bool ok = parts[0] != NULL;

    for (char **part = parts; ok && *part; part++) {
        uint64_t first = 0, last = 0;

        ok = parse_range(*part, reader->max, &first, &last);
        for (uint64_t n = first; ok && n <= last; n++) {
            reader->set[n / 64] |= UINT64_C(1) << (n % 64);
        }
    }
    if (!ok) {
        error_set(
            errp,
            "%s=%s is not right: give a number from 0 to %u, a range as in 0-3, the lower one "
            "first, or several of these, separated by commas",
            reader->name, text, reader->max);
    }
    return ok;
}

static bool add_item(const Reader *reader, struct json_object *item, GError **errp)
{
    const char *const *texts = keyval_texts(item);

    for (; texts && texts[1]; texts++) { /* the last one is the item itself */
        if (!add_text(reader, *texts, errp)) {
            return false;
        }
    }
    if (!json_object_is_type(item, json_type_string) && !json_object_is_type(item, json_type_int)) {
        error_set(errp, "%s must be a list of numbers, got %s", reader->name,
                  json_object_to_json_string_ext(item, JSON_C_TO_STRING_PLAIN));
        return false;
    }
    return add_text(reader, json_object_get_string(item), errp);
}

bool number_set_add(uint64_t *set, unsigned max, const char *name, struct json_object *value,
                    GError **errp)
{
    unsigned words = NUMBER_SET_WORDS(max);
    g_autofree uint64_t *copy = g_memdup2(set, words * sizeof(*set));
    const Reader reader = { copy, max, name };
    bool is_list = json_object_is_type(value, json_type_array);
    size_t n = is_list ? json_object_array_length(value) : 1;

    for (size_t i = 0; i < n; i++) {
        if (!add_item(&reader, is_list ? json_object_array_get_idx(value, i) : value, errp)) {
            return false;
        }
    }
    memcpy(set, copy, words * sizeof(*set));
    return true;
}

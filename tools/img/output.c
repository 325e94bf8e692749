/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/img/output.h"

#include <stdio.h>
#include <string.h>

#include "util/error.h"

enum { INDENT = 4, JSON_INDENT = 2 }; /* ours, and json-c's */

bool img_output_is_json(const ImgArgs *args, bool *json, GError **errp)
{
    *json = g_strcmp0(args->output, "json") == 0;
    if (*json || !args->output || strcmp(args->output, "human") == 0) {
        return true;
    }
    error_set(errp, "--output=%s is not there: use human or json", args->output);
    return false;
}

void img_print_json(struct json_object *json)
{
    const char *text = json_object_to_json_string_ext(
        json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (unsigned i = 0; lines[i]; i++) {
        size_t spaces = strspn(lines[i], " ");

        printf("%*s%s\n", (int)(spaces / JSON_INDENT * INDENT), "", lines[i] + spaces);
    }
    json_object_put(json);
}

void img_add_number(struct json_object *json, const char *key, uint64_t value)
{
    json_object_object_add(json, key, json_object_new_uint64(value));
}

void img_progress(const ImgArgs *args, uint64_t done, uint64_t total)
{
    static int last = -1;
    int now = total ? (int)((double)done / (double)total * 10000) : 10000;

    if (args->progress && !args->quiet && now != last) {
        last = now;
        printf("    (%d.%02d/100%%)\r", now / 100, now % 100);
        fflush(stdout);
    }
}

void img_progress_end(const ImgArgs *args)
{
    if (args->progress && !args->quiet) {
        printf("\n");
    }
}

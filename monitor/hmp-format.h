/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The /FMT of HMP's x, xp, p, i and o: a count, a format letter and a size letter, each may be left
 * out: "/16xb".
 */
#ifndef MONITOR_HMP_FORMAT_H
#define MONITOR_HMP_FORMAT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define HMP_MAX_COUNT 65536

typedef struct HmpFormat {
    unsigned count; /* 1 to HMP_MAX_COUNT */
    char format;    /* x d u o c, i (instructions) */
    unsigned size;  /* bytes: 1, 2, 4, 8 */
} HmpFormat;

/* Parse @text ("/4xb", or NULL) over the defaults that *@out has. Errors: unknown or repeated
 * letters, a count out of range. */
bool hmp_format_parse(const char *text, HmpFormat *out, GError **errp);
/* The same for one value: neither a count nor instructions. */
bool hmp_format_parse_single(const char *text, HmpFormat *out, GError **errp);

/* Append the low @size bytes of @value, as @format says, each of the same width if @pad. */
void hmp_format_value(GString *out, const HmpFormat *format, uint64_t value, bool pad);

#endif

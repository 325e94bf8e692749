/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/hmp-format.h"

#include <inttypes.h>
#include <string.h>

#include "util/error.h"

static const char size_letters[] = "bhwg"; /* 1, 2, 4, 8 bytes */

static bool parse_count(const char **p, HmpFormat *out, GError **errp)
{
    uint64_t count = g_ascii_strtoull(*p, (char **)p, 10);

    if (count < 1 || count > HMP_MAX_COUNT) {
        error_set(errp, "the count in the format must be from 1 to %d", HMP_MAX_COUNT);
        return false;
    }
    out->count = (unsigned)count;
    return true;
}

bool hmp_format_parse(const char *text, HmpFormat *out, GError **errp)
{
    bool format_given = false, size_given = false;

    if (!text) {
        return true;
    }
    text++; /* the slash */
    if (g_ascii_isdigit(*text) && !parse_count(&text, out, errp)) {
        return false;
    }
    for (; *text; text++) {
        const char *size = strchr(size_letters, *text);

        if (size && !size_given) {
            out->size = 1u << (size - size_letters);
            size_given = true;
        } else if (strchr("xduoci", *text) && !format_given) {
            out->format = *text;
            format_given = true;
        } else {
            error_set(errp,
                      "'%c' is wrong in the format; it is a count, one of x d u o c i and one of "
                      "b h w g, for example /4xb",
                      *text);
            return false;
        }
    }
    if (out->format == 'c' && !size_given) {
        out->size = 1;
    }
    return true;
}

bool hmp_format_parse_single(const char *text, HmpFormat *out, GError **errp)
{
    out->count = 1;
    if (!hmp_format_parse(text, out, errp)) {
        return false;
    }
    if (out->format == 'i' || out->count != 1) {
        error_set(errp, "the format %s is for memory; one value is one of x d u o c", text);
        return false;
    }
    return true;
}

static void append_char(GString *out, uint8_t c)
{
    static const char escapes[][2] = {
        { '\'', '\'' }, { '\\', '\\' }, { '\n', 'n' }, { '\r', 'r' }, { '\t', 't' },
    };

    g_string_append_c(out, '\'');
    for (size_t i = 0; i < G_N_ELEMENTS(escapes); i++) {
        if (escapes[i][0] == (char)c) {
            g_string_append_printf(out, "\\%c'", escapes[i][1]);
            return;
        }
    }
    g_string_append_printf(out, c >= 0x20 && c < 0x7f ? "%c'" : "\\x%02x'", c);
}

void hmp_format_value(GString *out, const HmpFormat *format, uint64_t value, bool pad)
{
    static const int octal_digits[] = { [1] = 3, [2] = 6, [4] = 11, [8] = 22 };
    static const int decimal_digits[] = { [1] = 3, [2] = 5, [4] = 10, [8] = 20 };
    unsigned size = format->size, unused = 64 - 8 * size;
    int width;

    value = value << unused >> unused;
    switch (format->format) {
    case 'd':
        width = pad ? decimal_digits[size] + 1 : 0;
        g_string_append_printf(out, "%*" PRId64, width, (int64_t)(value << unused) >> unused);
        return;
    case 'u':
        g_string_append_printf(out, "%*" PRIu64, pad ? decimal_digits[size] : 0, value);
        return;
    case 'o':
        g_string_append_printf(out, "0%0*" PRIo64, pad ? octal_digits[size] : 0, value);
        return;
    case 'c':
        append_char(out, (uint8_t)value);
        return;
    default:
        g_string_append_printf(out, "0x%0*" PRIx64, pad ? (int)(2 * size) : 0, value);
    }
}

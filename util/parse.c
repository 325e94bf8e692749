/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/parse.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

bool parse_bool(const char *text, bool *out)
{
    static const char *const words[2][4] = { { "off", "no", "false", "n" },
                                             { "on", "yes", "true", "y" } };

    for (size_t i = 0; i < 8; i++) {
        if (strcmp(text, words[i / 4][i % 4]) == 0) {
            *out = i / 4;
            return true;
        }
    }
    return false;
}

bool parse_uint(const char *text, uint64_t max, uint64_t *out)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = hex ? text + 2 : text;
    guint64 value;

    if (*digits == '-' || *digits == '+' ||
        !g_ascii_string_to_unsigned(digits, hex ? 16 : 10, 0, max, &value, NULL)) {
        return false;
    }
    *out = value;
    return true;
}

/* Bytes in the unit that @suffix names; 0 if it is none. */
static uint64_t size_unit(const char *suffix, uint64_t default_unit)
{
    static const char units[] = "BKMGTPE";
    const char *unit;

    if (!*suffix) {
        return default_unit;
    }
    unit = strchr(units, g_ascii_toupper(*suffix));
    return unit && !suffix[1] ? 1ULL << (10 * (unit - units)) : 0;
}

/* @text without its suffix: *@whole "." *@fraction / *@scale. */
static const char *take_number(const char *text, uint64_t *whole, uint64_t *fraction,
                               uint64_t *scale)
{
    char *end = NULL;

    *fraction = 0;
    *scale = 1;
    if (!g_ascii_isdigit(*text)) {
        return NULL;
    }
    errno = 0;
    *whole = g_ascii_strtoull(text, &end, 10);
    if (errno) {
        return NULL;
    }
    if (*end == '.') {
        if (!g_ascii_isdigit(*++end)) {
            return NULL;
        }
        for (; g_ascii_isdigit(*end); end++) {
            if (*scale < 1000000000000000000ULL) { /* later digits are less than a byte of 1E */
                *scale *= 10;
                *fraction = *fraction * 10 + (uint64_t)(*end - '0');
            }
        }
    }
    return end;
}

bool parse_size(const char *text, uint64_t default_unit, uint64_t *out, GError **errp)
{
    uint64_t whole, fraction, scale, unit;
    const char *suffix;
    unsigned __int128 bytes;

    if (g_ascii_strncasecmp(text, "0x", 2) == 0 && parse_uint(text, UINT64_MAX, &whole)) {
        *out = whole;
        return true;
    }
    suffix = take_number(text, &whole, &fraction, &scale);
    unit = suffix ? size_unit(suffix, default_unit) : 0;
    if (!unit || (unit == 1 && fraction)) {
        error_set(errp,
                  "'%s' is not a size: expects a number below 16E of bytes, or one followed "
                  "by k, M, G, T, P or E, like 512M or 1.5G",
                  text);
        return false;
    }
    bytes = (unsigned __int128)whole * unit + (unsigned __int128)fraction * unit / scale;
    if (bytes > UINT64_MAX) {
        error_set(errp, "The size '%s' is too large: expects less than 16E", text);
        return false;
    }
    *out = (uint64_t)bytes;
    return true;
}

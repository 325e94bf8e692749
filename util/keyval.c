/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/keyval.h"

#include <string.h>

#include "util/error.h"
#include "util/json.h"

/* ---- key=value ---- */

/* The value at *@text, up to a single comma or the end; *@text moves behind it. */
static char *take_value(const char **text)
{
    GString *value = g_string_new(NULL);
    const char *p = *text;

    while (*p && (*p != ',' || p[1] == ',')) {
        p += *p == ','; /* the first of two */
        g_string_append_c(value, *p++);
    }
    *text = p + (*p == ',');
    return g_string_free(value, FALSE);
}

static bool key_wellformed(const char *key)
{
    return *key && strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "-_./[]") == strlen(key);
}

/* Keys whose values are lists of numbers and ranges. */
static const char *const list_keys[] = { "host-nodes", "cpu-affinity", "node-affinity", NULL };

static void add_value(struct json_object *obj, const char *key, const char *value)
{
    g_autofree char *joined = NULL;
    struct json_object *before;

    if (g_strv_contains(list_keys, key) && json_object_object_get_ex(obj, key, &before)) {
        value = joined = g_strdup_printf("%s,%s", json_object_get_string(before), value);
    }
    json_object_object_add(obj, key, json_object_new_string(value));
}

struct json_object *keyval_parse(const char *text, const char *implied_key, GError **errp)
{
    struct json_object *obj = json_object_new_object();
    const char *p = text;

    while (*p) {
        size_t key_len = strcspn(p, "=,");
        g_autofree char *key = NULL;
        g_autofree char *value = NULL;

        if (p[key_len] == '=') {
            key = g_strndup(p, key_len);
            p += key_len + 1;
            value = take_value(&p);
        } else if (p == text && implied_key) {
            key = g_strdup(implied_key);
            value = take_value(&p);
        } else {
            key = g_strndup(p, key_len);
            p += key_len + (p[key_len] == ',');
            value = g_strdup("on");
        }
        if (!key_wellformed(key)) {
            error_set(errp, "'%s' is not a key (in '%s'); expects key=value,key=value,...", key,
                      text);
            json_object_put(obj);
            return NULL;
        }
        add_value(obj, key, value);
    }
    return obj;
}

bool keyval_add_nested(struct json_object *obj, const char *key, const char *text, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(key, ".", -1);
    struct json_object *member;
    char **part = parts;

    if (!*parts || g_strv_contains((const char *const *)parts, "")) {
        error_set(errp, "'%s' is not a key: nothing is before, behind or between its dots", key);
        return false;
    }
    for (; part[0] && part[1]; part++) {
        if (!json_object_object_get_ex(obj, *part, &member)) {
            member = json_object_new_object();
            json_object_object_add(obj, *part, member);
        } else if (!json_object_is_type(member, json_type_object)) {
            error_set(errp, "'%s' is given both as %s= and as %s=", *part, *part, key);
            return false;
        }
        obj = member;
    }
    if (json_object_object_get_ex(obj, *part, &member) &&
        json_object_is_type(member, json_type_object)) {
        error_set(errp, "'%s' is given both as %s= and as %s.KEY=", key, key, key);
        return false;
    }
    json_object_object_add(obj, *part, json_object_new_string(text));
    return true;
}

/* ---- JSON ---- */

struct json_object *keyval_or_json_parse(const char *text, const char *implied_key, bool *from_text,
                                         GError **errp)
{
    *from_text = *text != '{';
    return *from_text ? keyval_parse(text, implied_key, errp) : json_parse_object(text, errp);
}

/* ---- values ---- */

bool uint_parse(const char *text, uint64_t max, uint64_t *out)
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

bool bool_parse(const char *text, bool *out)
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

bool size_parse(const char *text, uint64_t default_unit, uint64_t *out, GError **errp)
{
    uint64_t whole, fraction, scale, unit;
    const char *suffix;
    unsigned __int128 bytes;

    if (g_ascii_strncasecmp(text, "0x", 2) == 0 && uint_parse(text, UINT64_MAX, &whole)) {
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libqtest: JSON made from formats, and looking into it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/qtest/libqtest.h"

/* A va_list that can be handed on by address on every ABI. */
typedef struct Args {
    va_list ap;
} Args;

static int64_t take_signed(Args *args, unsigned longs)
{
    return longs == 0   ? va_arg(args->ap, int)
           : longs == 1 ? va_arg(args->ap, long)
                        : va_arg(args->ap, long long);
}

static uint64_t take_unsigned(Args *args, unsigned longs)
{
    return longs == 0   ? va_arg(args->ap, unsigned)
           : longs == 1 ? va_arg(args->ap, unsigned long)
                        : va_arg(args->ap, unsigned long long);
}

/* The value of the conversion at *@p, which is behind its '%'; moves *@p behind it. */
static json_object *take_value(const char **p, Args *args, const char *fmt)
{
    unsigned longs = 0;
    const char *text;

    for (; **p == 'l' || **p == 'z'; ++*p) {
        longs++;
    }
    switch (*(*p)++) {
    case 's':
        text = va_arg(args->ap, const char *);
        return text ? json_object_new_string(text) : NULL;
    case 'd':
    case 'i':
        return json_object_new_int64(take_signed(args, longs));
    case 'u':
        return json_object_new_uint64(take_unsigned(args, longs));
    case 'f':
        return json_object_new_double(va_arg(args->ap, double));
    case 'p':
        return va_arg(args->ap, json_object *);
    default:
        g_error("qtest_json: a conversion that is not known in: %s", fmt);
    }
}

json_object *qtest_vjson(const char *fmt, va_list ap)
{
    g_autoptr(GString) text = g_string_new(NULL);
    enum json_tokener_error error;
    char quote = '\0';
    Args args;

    va_copy(args.ap, ap);
    for (const char *p = fmt; *p;) {
        if (*p == '%' && p[1] == '%') {
            g_string_append_c(text, '%');
            p += 2;
        } else if (*p == '%') {
            if (quote) {
                g_error("qtest_json: a conversion inside of quotes in: %s", fmt);
            }
            p++;
            g_autoptr(json_object) value = take_value(&p, &args, fmt);
            g_string_append(text, json_object_to_json_string(value));
        } else {
            if (quote ? *p == quote : (*p == '\'' || *p == '"')) {
                quote = quote ? '\0' : *p;
            }
            g_string_append_c(text, *p++);
        }
    }
    va_end(args.ap);
    json_object *object = json_tokener_parse_verbose(text->str, &error);
    if (error != json_tokener_success) {
        g_error("qtest_json: %s: %s", json_tokener_error_desc(error), text->str);
    }
    return object;
}

json_object *qtest_json(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    json_object *object = qtest_vjson(fmt, ap);
    va_end(ap);
    return object;
}

json_object *qtest_get(json_object *object, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, ".", -1);

    for (char **name = names; *name && object; name++) {
        json_object *inner = NULL;
        if (json_object_is_type(object, json_type_array)) {
            inner = json_object_array_get_idx(object, strtoul(*name, NULL, 10));
        } else if (json_object_is_type(object, json_type_object)) {
            json_object_object_get_ex(object, *name, &inner);
        }
        object = inner;
    }
    return object;
}

static json_object *get_typed(json_object *object, const char *path, json_type type)
{
    json_object *value = qtest_get(object, path);

    if (!json_object_is_type(value, type)) {
        g_error("no %s '%s' in %s", json_type_to_name(type), path,
                json_object_to_json_string(object));
    }
    return value;
}

const char *qtest_get_str(json_object *object, const char *path)
{
    return json_object_get_string(get_typed(object, path, json_type_string));
}

int64_t qtest_get_int(json_object *object, const char *path)
{
    return json_object_get_int64(get_typed(object, path, json_type_int));
}

bool qtest_get_bool(json_object *object, const char *path)
{
    return json_object_get_boolean(get_typed(object, path, json_type_boolean));
}

void qtest_assert_json(json_object *object, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autoptr(json_object) wanted = qtest_vjson(fmt, ap);
    va_end(ap);
    if (!json_object_equal(object, wanted)) {
        g_autofree char *text = g_strdup(json_object_to_json_string(wanted));
        g_error("JSON is %s, not %s", json_object_to_json_string(object), text);
    }
}

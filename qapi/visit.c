/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/visit.h"

#include <inttypes.h>
#include <string.h>

#include "util/error.h"
#include "util/json.h"
#include "util/keyval.h"
#include "util/number-set.h"
#include "util/parse.h"

static void destroy_any(void *value)
{
    json_object_put(value);
}

#define INT_TYPE(name, c, lo, hi, ...)                           \
    const QapiType qapi_##name##_type = {                        \
        #name, QAPI_KIND_INT, sizeof(c), (lo), (hi), __VA_ARGS__ \
    };

INT_TYPE(int, int64_t, INT64_MIN, INT64_MAX)
INT_TYPE(int8, int8_t, INT8_MIN, INT8_MAX)
INT_TYPE(int16, int16_t, INT16_MIN, INT16_MAX)
INT_TYPE(int32, int32_t, INT32_MIN, INT32_MAX)
INT_TYPE(int64, int64_t, INT64_MIN, INT64_MAX)
INT_TYPE(uint8, uint8_t, 0, UINT8_MAX)
INT_TYPE(uint16, uint16_t, 0, UINT16_MAX)
INT_TYPE(uint32, uint32_t, 0, UINT32_MAX)
INT_TYPE(uint64, uint64_t, 0, UINT64_MAX)
INT_TYPE(size, uint64_t, 0, UINT64_MAX, .suffixes = true)

const QapiType qapi_bool_type = { "bool", QAPI_KIND_BOOL, sizeof(bool) };
const QapiType qapi_number_type = { "number", QAPI_KIND_NUMBER, sizeof(double) };
const QapiType qapi_str_type = { "str", QAPI_KIND_STR, sizeof(char *), .destroy = g_free };
const QapiType qapi_any_type = { "any", QAPI_KIND_ANY, sizeof(void *), .destroy = destroy_any };
QAPI_DEFINE_LIST(qapi_int_list_type, "int", qapi_int_type)
QAPI_DEFINE_LIST(qapi_uint8_list_type, "uint8", qapi_uint8_type)
QAPI_DEFINE_LIST(qapi_uint16_list_type, "uint16", qapi_uint16_type)
QAPI_DEFINE_LIST(qapi_uint32_list_type, "uint32", qapi_uint32_type)
QAPI_DEFINE_LIST(qapi_uint64_list_type, "uint64", qapi_uint64_type)
QAPI_DEFINE_LIST(qapi_str_list_type, "str", qapi_str_type)
QAPI_DEFINE_LIST(qapi_any_list_type, "any", qapi_any_type)

const QapiType *qapi_builtin_find(const char *name)
{
    static const QapiType *const builtins[] = {
        &qapi_int_type,   &qapi_int8_type,   &qapi_int16_type,  &qapi_int32_type,  &qapi_int64_type,
        &qapi_uint8_type, &qapi_uint16_type, &qapi_uint32_type, &qapi_uint64_type, &qapi_size_type,
        &qapi_bool_type,  &qapi_number_type, &qapi_str_type,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(builtins); i++) {
        if (strcmp(builtins[i]->name, name) == 0) {
            return builtins[i];
        }
    }
    return NULL;
}

/* ---- facts about types ---- */

static bool in_place(const QapiType *type)
{
    return type->kind <= QAPI_KIND_ENUM;
}

/* Deep-first clean-up of what a member holds. */
static void clear_struct(const QapiType *type, void *value)
{
    for (const QapiMember *m = type->members; m->name; m++) {
        if (!in_place(m->type)) {
            qapi_free(m->type, *(void **)((char *)value + m->offset));
        }
    }
}

static const QapiType *variant_type(const QapiType *type, const void *value)
{
    return type->variants ? type->variants[*(const int *)((const char *)value + type->tag_offset)]
                          : NULL;
}

static void **variant_slot(const QapiType *type, const void *value)
{
    return (void **)((char *)(uintptr_t)value + type->variant_offset);
}

void qapi_free(const QapiType *type, void *value)
{
    if (!value) {
        return;
    }
    switch (type->kind) {
    case QAPI_KIND_LIST:
        if (in_place(type->element)) {
            g_array_unref(value);
        } else {
            g_ptr_array_unref(value);
        }
        break;
    case QAPI_KIND_STRUCT:
        if (variant_type(type, value)) {
            qapi_free(variant_type(type, value), *variant_slot(type, value));
        }
        clear_struct(type, value);
        g_free(value);
        break;
    case QAPI_KIND_ANY:
        json_object_put(value);
        break;
    default:
        g_free(value);
    }
}

void *qapi_list_new(const QapiType *element)
{
    if (in_place(element)) {
        return g_array_new(FALSE, TRUE, element->size);
    }
    return g_ptr_array_new_with_free_func(element->destroy);
}

int qapi_enum_parse(const char *const *lookup, const char *name)
{
    for (int i = 0; lookup[i]; i++) {
        if (strcmp(lookup[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

bool qapi_enum_parse_full(const char *const *lookup, const char *name, const char *what, int *out,
                          GError **errp)
{
    int value = qapi_enum_parse(lookup, name);

    if (value < 0) {
        g_autofree char *names = g_strjoinv("', '", (char **)(uintptr_t)lookup);

        error_set(errp, "%s expects %s'%s', got '%s'", what, lookup[1] ? "one of " : "", names,
                  name);
        return false;
    }
    *out = value;
    return true;
}

/* ---- JSON to C ---- */

static const char *const expected_text[] = {
    [QAPI_KIND_INT] = "an integer",   [QAPI_KIND_BOOL] = "true or false",
    [QAPI_KIND_NUMBER] = "a number",  [QAPI_KIND_ENUM] = "a string",
    [QAPI_KIND_STR] = "a string",     [QAPI_KIND_ANY] = "a value",
    [QAPI_KIND_STRUCT] = "an object", [QAPI_KIND_LIST] = "an array",
};

static const json_type expected_json[] = {
    [QAPI_KIND_INT] = json_type_int,       [QAPI_KIND_BOOL] = json_type_boolean,
    [QAPI_KIND_NUMBER] = json_type_double, [QAPI_KIND_ENUM] = json_type_string,
    [QAPI_KIND_STR] = json_type_string,    [QAPI_KIND_STRUCT] = json_type_object,
    [QAPI_KIND_LIST] = json_type_array,
};

static const char *describe(const char *path)
{
    return path ? path : "arguments";
}

static void set_expected(GError **errp, const char *path, const char *expected,
                         struct json_object *value)
{
    const char *got = json_object_to_json_string(value);

    error_set(errp, "'%s' expects %s, got %.60s%s", describe(path), expected, got,
              strlen(got) > 60 ? "..." : "");
}

/* What a value of @type must be, for messages; with the range of every integer if @range. */
static char *expected(const QapiType *type, bool range)
{
    if (type->kind == QAPI_KIND_INT && (range || type->size < sizeof(int64_t))) {
        return g_strdup_printf("an integer from %" PRId64 " to %" PRIu64, type->min, type->max);
    }
    if (type->kind == QAPI_KIND_INT && type->min == 0) {
        return g_strdup("an integer of 0 or more");
    }
    return g_strdup(expected_text[type->kind]);
}

static bool check_kind(const QapiType *type, struct json_object *value, const char *path,
                       GError **errp)
{
    json_type got = json_object_get_type(value);
    g_autofree char *text = NULL;

    if (type->kind == QAPI_KIND_ANY || got == expected_json[type->kind] ||
        (type->kind == QAPI_KIND_NUMBER && got == json_type_int)) {
        return true;
    }
    text = expected(type, json_is_long_integer(value));
    set_expected(errp, path, text, value);
    return false;
}

static bool int_from_json(const QapiType *type, struct json_object *value, const char *path,
                          void *out, GError **errp)
{
    int64_t s = json_object_get_int64(value);
    uint64_t u = json_object_get_uint64(value); /* 0 for a negative value */

    if (s < 0 ? s < type->min : u > type->max) {
        g_autofree char *text = expected(type, s >= 0);

        set_expected(errp, path, text, value);
        return false;
    }
    u = s < 0 ? (uint64_t)s : u;
    memcpy(out, &u, type->size); /* little-endian: the low bytes */
    return true;
}

/* ---- texts to C ---- */

/* What users may type for @type. */
static char *expected_typed(const QapiType *type)
{
    g_autofree char *names = NULL;

    switch (type->kind) {
    case QAPI_KIND_BOOL:
        return g_strdup("on or off");
    case QAPI_KIND_ENUM:
        names = g_strjoinv(", ", (char **)(uintptr_t)type->lookup);
        return g_strdup_printf(type->lookup[0] && type->lookup[1] ? "one of %s" : "%s", names);
    case QAPI_KIND_STRUCT:
        return g_strdup("more keys, with a dot in between");
    default:
        return type->suffixes ? g_strdup("a size, as in 2G") : expected(type, true);
    }
}

/* True, with an error: @name is one that @type could have, and has not. */
static bool is_absent(const QapiType *type, const char *path, const char *name, GError **errp)
{
    for (const QapiAbsent *at = type->absent; at && at->name; at++) {
        if (strcmp(at->name, name) == 0) {
            error_set(errp, "%s=%s is not possible: %s", describe(path), name, at->why);
            return true;
        }
    }
    return false;
}

static bool set_wrong_text(GError **errp, const QapiType *type, const char *path, const char *text)
{
    g_autofree char *what = expected_typed(type);

    error_set(errp, "%s=%.60s%s is not right: expects %s", describe(path), text,
              strlen(text) > 60 ? "..." : "", what);
    return false;
}

static bool int_from_text(const QapiType *type, const char *text, const char *path, void *out,
                          GError **errp)
{
    gint64 negative = 0;
    uint64_t u = 0;

    if (type->suffixes) {
        if (!parse_size(text, 1, &u, errp)) {
            g_prefix_error(errp, "%s: ", describe(path));
            return false;
        }
    } else if (*text == '-') {
        if (type->min == 0 || !g_ascii_string_to_signed(text, 10, type->min, -1, &negative, NULL)) {
            return set_wrong_text(errp, type, path, text);
        }
        u = (uint64_t)negative;
    } else if (!parse_uint(text, type->max, &u)) {
        return set_wrong_text(errp, type, path, text);
    }
    memcpy(out, &u, type->size); /* little-endian: the low bytes */
    return true;
}

static bool number_from_text(const QapiType *type, const char *text, const char *path, double *out,
                             GError **errp)
{
    char *end;

    *out = g_ascii_strtod(text, &end);
    return (*text && !*end && strchr("0123456789-.", *text)) ||
           set_wrong_text(errp, type, path, text);
}

static bool place_from_text(const QapiType *type, struct json_object *value, const char *path,
                            void *out, GError **errp)
{
    const char *text = json_object_get_string(value);

    switch (type->kind) {
    case QAPI_KIND_INT:
        return int_from_text(type, text, path, out, errp);
    case QAPI_KIND_BOOL:
        return parse_bool(text, out) || set_wrong_text(errp, type, path, text);
    case QAPI_KIND_ENUM:
        *(int *)out = qapi_enum_parse(type->lookup, text);
        return *(int *)out >= 0 ||
               (!is_absent(type, path, text, errp) && set_wrong_text(errp, type, path, text));
    default:
        return number_from_text(type, text, path, out, errp);
    }
}

/* @text as an element of a list; where that is a structure of one string, the text is the string.
 */
static struct json_object *element_from_text(const QapiType *element, const char *text)
{
    struct json_object *value = keyval_text_new(text), *object;
    const QapiMember *only = element->kind == QAPI_KIND_STRUCT ? element->members : NULL;

    if (!only || !only->name || only->type->kind != QAPI_KIND_STR || only[1].name) {
        return value;
    }
    object = json_object_new_object();
    json_object_object_add(object, only->name, value);
    return object;
}

/* All texts of a key as a list: the elements each, or numbers and ranges of them. */
static void *list_from_texts(const QapiType *type, struct json_object *value, const char *path,
                             GError **errp)
{
    const QapiType *element = type->element;
    struct json_object *list = json_object_new_array();
    unsigned most = (unsigned)MIN(element->max, UINT16_MAX);
    uint64_t numbers[NUMBER_SET_WORDS(UINT16_MAX)] = { 0 };
    void *out = NULL;

    if (element->kind != QAPI_KIND_INT) {
        for (const char *const *text = keyval_texts(value); *text; text++) {
            json_object_array_add(list, element_from_text(element, *text));
        }
    } else if (number_set_add(numbers, most, describe(path), value, errp)) {
        for (unsigned i = 0; i <= most; i++) {
            if (number_set_has(numbers, i)) {
                json_object_array_add(list, json_object_new_int((int)i));
            }
        }
    } else {
        json_object_put(list);
        return NULL;
    }
    out = qapi_from_json(type, list, path, errp);
    json_object_put(list);
    return out;
}

/* ---- JSON to C, and texts within it ---- */

bool qapi_place_from_json(const QapiType *type, struct json_object *value, const char *path,
                          void *out, GError **errp)
{
    if (in_place(type) && keyval_texts(value)) {
        return place_from_text(type, value, path, out, errp);
    }
    if (in_place(type) && !check_kind(type, value, path, errp)) {
        return false;
    }
    switch (type->kind) {
    case QAPI_KIND_INT:
        return int_from_json(type, value, path, out, errp);
    case QAPI_KIND_BOOL:
        *(bool *)out = json_object_get_boolean(value);
        return true;
    case QAPI_KIND_NUMBER:
        *(double *)out = json_object_get_double(value);
        return true;
    case QAPI_KIND_ENUM: {
        g_autofree char *what = g_strdup_printf("'%s'", describe(path));

        return !is_absent(type, path, json_object_get_string(value), errp) &&
               qapi_enum_parse_full(type->lookup, json_object_get_string(value), what, out, errp);
    }
    default:
        *(void **)out = qapi_from_json(type, value, path, errp);
        return *(void **)out || type->kind == QAPI_KIND_ANY;
    }
}

static void *list_from_json(const QapiType *type, struct json_object *value, const char *path,
                            GError **errp)
{
    const QapiType *element = type->element;
    void *list = qapi_list_new(element);

    for (size_t i = 0; i < json_object_array_length(value); i++) {
        g_autofree char *sub = g_strdup_printf("%s[%zu]", describe(path), i);
        uint64_t item = 0; /* room for every type in place, and for a pointer */

        if (!qapi_place_from_json(element, json_object_array_get_idx(value, i), sub, &item, errp)) {
            qapi_free(type, list);
            return NULL;
        }
        if (in_place(element)) {
            g_array_append_vals(list, &item, 1);
        } else {
            g_ptr_array_add(list, (void *)(uintptr_t)item);
        }
    }
    return list;
}

static bool has_member(const QapiType *type, const char *name)
{
    for (const QapiMember *m = type ? type->members : NULL; m && m->name; m++) {
        if (strcmp(m->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_known(const QapiType *type, const QapiType *variant, struct json_object *value,
                        const char *path, GError **errp)
{
    json_object_object_foreach(value, name, member)
    {
        (void)member;
        if (!has_member(type, name) && !has_member(variant, name)) {
            g_autoptr(GString) known = g_string_new(NULL);

            for (int pass = 0; pass < 2; pass++) {
                const QapiType *t = pass ? variant : type;

                for (const QapiMember *m = t ? t->members : NULL; m && m->name; m++) {
                    g_string_append_printf(known, "%s'%s'", known->len ? ", " : "", m->name);
                }
            }
            error_set(errp, "'%s%s%s' is not known here; there %s %s", path ? path : "",
                      path ? "." : "", name, strchr(known->str, ',') ? "are" : "is",
                      known->len ? known->str : "nothing");
            return false;
        }
    }
    return true;
}

static char *member_path(const char *path, const char *name)
{
    return path ? g_strconcat(path, ".", name, NULL) : g_strdup(name);
}

/* Did a user type @value, an object, as key=value? */
static bool is_typed(struct json_object *value)
{
    json_object_object_foreach(value, name, member)
    {
        (void)name;
        if (keyval_texts(member)) {
            return true;
        }
    }
    return false;
}

static void set_missing(const QapiMember *member, const char *path, bool is_typed, GError **errp)
{
    g_autofree char *text = is_typed || member->type->kind == QAPI_KIND_ENUM
                                ? expected_typed(member->type)
                                : expected(member->type, false);

    if (is_typed) {
        error_set(errp, "%s= is missing: expects %s (%s)", path, text, member->doc);
    } else {
        error_set(errp, "'%s' is missing; it expects %s", path, text);
    }
}

/* Users who typed a wrong value are told what it is for. */
static void append_doc(const QapiMember *member, GError **errp)
{
    if (errp && *errp && member->doc) {
        g_autofree char *message = (*errp)->message;

        (*errp)->message = g_strdup_printf("%s (%s)", message, member->doc);
    }
}

static bool members_from_json(const QapiType *type, struct json_object *value, const char *path,
                              void *out, GError **errp)
{
    for (const QapiMember *m = type->members; m->name; m++) {
        g_autofree char *sub = member_path(path, m->name);
        struct json_object *member;

        if (!json_object_object_get_ex(value, m->name, &member)) {
            if (!m->optional) {
                set_missing(m, sub, is_typed(value), errp);
                return false;
            }
            continue;
        }
        if (!qapi_place_from_json(m->type, member, sub, (char *)out + m->offset, errp)) {
            if (keyval_texts(member)) {
                append_doc(m, errp);
            }
            return false;
        }
        if (m->optional && in_place(m->type)) {
            *((bool *)out + m->has_offset) = true;
        } else if (m->optional && !member) { /* null, not left out */
            *(struct json_object **)((char *)out + m->offset) = json_object_new_string("");
        }
    }
    return true;
}

static void *struct_from_json(const QapiType *type, struct json_object *value, const char *path,
                              GError **errp)
{
    void *out = g_malloc0(type->size);
    const QapiType *variant = NULL;

    if (!members_from_json(type, value, path, out, errp)) {
        clear_struct(type, out);
        g_free(out);
        return NULL;
    }
    variant = variant_type(type, out);
    if (variant) {
        void *sub = g_malloc0(variant->size);

        *variant_slot(type, out) = sub;
        if (!members_from_json(variant, value, path, sub, errp)) {
            qapi_free(type, out);
            return NULL;
        }
    }
    if (!check_known(type, variant, value, path, errp)) {
        qapi_free(type, out);
        return NULL;
    }
    return out;
}

void *qapi_from_json(const QapiType *type, struct json_object *value, const char *path,
                     GError **errp)
{
    if (type->kind == QAPI_KIND_LIST && keyval_texts(value)) {
        return list_from_texts(type, value, path, errp);
    }
    if (type->kind == QAPI_KIND_STRUCT && keyval_texts(value)) {
        set_wrong_text(errp, type, path, json_object_get_string(value));
        return NULL;
    }
    if (!check_kind(type, value, path, errp)) {
        return NULL;
    }
    switch (type->kind) {
    case QAPI_KIND_STR:
        return g_strdup(json_object_get_string(value));
    case QAPI_KIND_LIST:
        return list_from_json(type, value, path, errp);
    case QAPI_KIND_STRUCT:
        return struct_from_json(type, value, path, errp);
    default:
        return json_object_get(value);
    }
}

void *qapi_from_option(const QapiType *type, const char *text, const char *implied_key,
                       GError **errp)
{
    struct json_object *json = keyval_or_json_parse(text, implied_key, errp);
    void *value = json ? qapi_from_json(type, json, NULL, errp) : NULL;

    json_object_put(json);
    return value;
}

bool qapi_check_free_form(const QapiType *type, struct json_object *value, GError **errp)
{
    if (json_object_get_type(value) != json_type_object) {
        set_expected(errp, NULL, expected_text[QAPI_KIND_STRUCT], value);
        return false;
    }
    for (const QapiMember *m = type ? type->members : NULL; m && m->name; m++) {
        struct json_object *member;

        if (!json_object_object_get_ex(value, m->name, &member)) {
            if (!m->optional) {
                set_missing(m, m->name, false, errp);
                return false;
            }
        } else if (!check_kind(m->type, member, m->name, errp)) {
            return false;
        }
    }
    return true;
}

bool qapi_check_no_members(struct json_object *value, GError **errp)
{
    if (json_object_get_type(value) != json_type_object) {
        set_expected(errp, NULL, expected_text[QAPI_KIND_STRUCT], value);
        return false;
    }
    json_object_object_foreach(value, name, member)
    {
        (void)member;
        error_set(errp, "'%s' is not known here; the command takes no arguments", name);
        return false;
    }
    return true;
}

/* ---- C to JSON ---- */

static struct json_object *int_to_json(const QapiType *type, const void *value)
{
    uint64_t u = 0;

    memcpy(&u, value, type->size);
    if (type->min < 0) {
        unsigned shift = 64 - 8 * type->size;

        return json_object_new_int64((int64_t)(u << shift) >> shift);
    }
    return u <= INT64_MAX ? json_object_new_int64((int64_t)u) : json_object_new_uint64(u);
}

struct json_object *qapi_place_to_json(const QapiType *type, const void *value)
{
    switch (type->kind) {
    case QAPI_KIND_INT:
        return int_to_json(type, value);
    case QAPI_KIND_BOOL:
        return json_object_new_boolean(*(const bool *)value);
    case QAPI_KIND_NUMBER:
        return json_object_new_double(*(const double *)value);
    case QAPI_KIND_ENUM:
        return json_object_new_string(type->lookup[*(const int *)value]);
    default:
        return qapi_to_json(type, *(void *const *)value);
    }
}

static bool member_is_there(const QapiMember *m, const void *value)
{
    return !m->optional ||
           (in_place(m->type) ? *((const bool *)value + m->has_offset)
                              : *(void *const *)((const char *)value + m->offset) != NULL);
}

static void members_to_json(const QapiType *type, const void *value, struct json_object *out)
{
    for (const QapiMember *m = type->members; m->name; m++) {
        if (member_is_there(m, value)) {
            json_object_object_add(out, m->name,
                                   qapi_place_to_json(m->type, (const char *)value + m->offset));
        }
    }
}

void qapi_update(const QapiType *type, void *into, const void *from)
{
    for (const QapiMember *m = type->members; m->name; m++) {
        const void *source = (const char *)from + m->offset;
        void *target = (char *)into + m->offset;

        if (!member_is_there(m, from)) {
            continue;
        }
        if (in_place(m->type)) {
            memcpy(target, source, m->type->size);
            if (m->optional) {
                *((bool *)into + m->has_offset) = true;
            }
        } else {
            struct json_object *copy = qapi_place_to_json(m->type, source);

            qapi_free(m->type, *(void **)target);
            *(void **)target = qapi_from_json(m->type, copy, m->name, NULL);
            json_object_put(copy);
        }
    }
}

static struct json_object *list_to_json(const QapiType *type, const void *value)
{
    struct json_object *out = json_object_new_array();
    const QapiType *element = type->element;

    if (in_place(element)) {
        const GArray *list = value;

        for (size_t i = 0; list && i < list->len; i++) {
            json_object_array_add(out, qapi_place_to_json(element, list->data + i * element->size));
        }
    } else {
        const GPtrArray *list = value;

        for (size_t i = 0; list && i < list->len; i++) {
            json_object_array_add(out, qapi_to_json(element, list->pdata[i]));
        }
    }
    return out;
}

struct json_object *qapi_to_json(const QapiType *type, const void *value)
{
    struct json_object *out;

    switch (type->kind) {
    case QAPI_KIND_STR: /* a string that code left out is empty, as QMP knows no null there */
        return json_object_new_string(value ? value : "");
    case QAPI_KIND_ANY:
        return json_object_get((struct json_object *)(uintptr_t)value);
    case QAPI_KIND_LIST:
        return list_to_json(type, value);
    default:
        out = json_object_new_object();
        if (value) {
            const QapiType *variant = variant_type(type, value);

            members_to_json(type, value, out);
            if (variant && *variant_slot(type, value)) {
                members_to_json(variant, *variant_slot(type, value), out);
            }
        }
        return out;
    }
}

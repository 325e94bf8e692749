/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Schema types as tables, and the three things done with them: JSON to C, C to JSON, free.
 *
 * In C a schema type is:
 *   int, int8..uint64, size   (u)intN_t (int: int64_t, size: uint64_t)
 *   bool, number              bool, double
 *   str                       char *
 *   any                       struct json_object *
 *   enum E                    E; names in E_lookup[], E_str(value), qapi_enum_parse()
 *   struct or union S         S *; S_free() (and g_autoptr), S_to_json(), S_from_json()
 *   ["T"], T in place         GArray * of T's C type; T_list_new() or qapi_T_list_new()
 *   ["T"], T a pointer        GPtrArray * that owns its elements; the same
 * Structures are made with g_new0(); they own what they point to. A union's variant is the pointer
 * u.CASE, chosen by the discriminator. An optional member in place has a `has_NAME` before it, an
 * optional pointer is NULL. An optional `any` that is given as null is an empty string.
 */
#ifndef QAPI_VISIT_H
#define QAPI_VISIT_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum QapiKind {
    QAPI_KIND_INT,
    QAPI_KIND_BOOL,
    QAPI_KIND_NUMBER,
    QAPI_KIND_ENUM,
    QAPI_KIND_STR,
    QAPI_KIND_ANY,
    QAPI_KIND_STRUCT,
    QAPI_KIND_LIST,
} QapiKind;

typedef struct QapiType QapiType;

/* A name that an enum might have, and has not: why, and what there is instead. */
typedef struct QapiAbsent {
    const char *name, *why;
} QapiAbsent;

typedef struct QapiMember {
    const char *name; /* NULL ends a table */
    const QapiType *type;
    size_t offset;
    bool optional;
    size_t has_offset; /* of has_NAME: for optional members whose type lies in place */
    const char *doc;   /* one line for users */
} QapiMember;

struct QapiType {
    const char *name;
    QapiKind kind;
    size_t size; /* in place: of the value; struct: of the structure */
    int64_t min; /* integers */
    uint64_t max;
    bool suffixes;                   /* integers: as text they may have k, M, G, ... */
    const char *const *lookup;       /* enums: names, ends with NULL */
    const QapiAbsent *absent;        /* enums: ends with a NULL name; NULL: nothing is said */
    const QapiMember *members;       /* structs and unions, base members first */
    const QapiType *const *variants; /* unions: by the tag's value; NULL: nothing more */
    size_t num_variants, tag_offset, variant_offset;
    const QapiType *element;      /* lists */
    void (*destroy)(void *value); /* pointer types */
};

/* @value as C: a struct pointer or list (caller owns), a char *, a new JSON reference. @path is
 * how messages name the value; NULL for the arguments of a command, whose members are named alone.
 * Not for types that lie in place. Members that are unknown, missing or of a wrong type set @errp.
 * What is a text in the sense of util/keyval.h, is read as users type values: sizes with a suffix,
 * on and off, lists of integers as numbers and ranges. This is the one place where that is done.
 */
void *qapi_from_json(const QapiType *type, struct json_object *value, const char *path,
                     GError **errp);
/* New reference. @value points to the structure, the list, the string or the JSON value. */
struct json_object *qapi_to_json(const QapiType *type, const void *value);
void qapi_free(const QapiType *type, void *value); /* NULL is fine */
/* Every member of the structure @from that is there becomes, as a copy, that of @into. No unions.
 */
void qapi_update(const QapiType *type, void *into, const void *from);
/* Only that the mandatory members are there and declared ones have the right kind of JSON; enums
 * may be any string, more members are fine. */
bool qapi_check_free_form(const QapiType *type, struct json_object *value, GError **errp);
/* That @value is an object with no members: the arguments of a command that takes none. */
bool qapi_check_no_members(struct json_object *value, GError **errp);

/* What users type as an option: @text is key=value,... or JSON (keyval_or_json_parse()), of which a
 * structure of @type is made, as above. */
void *qapi_from_option(const QapiType *type, const char *text, const char *implied_key,
                       GError **errp);

/* The same for one value at @out resp. @value, of any type: what a member of that type holds. */
bool qapi_place_from_json(const QapiType *type, struct json_object *value, const char *path,
                          void *out, GError **errp);
struct json_object *qapi_place_to_json(const QapiType *type, const void *value);

/* Index of @name in @lookup, or -1. */
int qapi_enum_parse(const char *const *lookup, const char *name);
/* The same for messages: the error lists the names there are; @what is "Property 'x'", ... */
bool qapi_enum_parse_full(const char *const *lookup, const char *name, const char *what, int *out,
                          GError **errp);

extern const QapiType qapi_int_type, qapi_int8_type, qapi_int16_type, qapi_int32_type,
    qapi_int64_type, qapi_uint8_type, qapi_uint16_type, qapi_uint32_type, qapi_uint64_type,
    qapi_size_type, qapi_bool_type, qapi_number_type, qapi_str_type, qapi_any_type;
extern const QapiType qapi_int_list_type, qapi_uint8_list_type, qapi_uint16_list_type,
    qapi_uint32_list_type, qapi_uint64_list_type, qapi_str_list_type, qapi_any_list_type;

/* The type that is called @name ("uint16", "bool", ...); NULL if none of those above is. */
const QapiType *qapi_builtin_find(const char *name);

/* An empty list of @element: GArray for types in place, else GPtrArray. */
void *qapi_list_new(const QapiType *element);
static inline GArray *qapi_uint16_list_new(void)
{
    return qapi_list_new(&qapi_uint16_type);
}
static inline GPtrArray *qapi_str_list_new(void)
{
    return qapi_list_new(&qapi_str_type);
}

/* ---- what generated code is made of ---- */

#define QAPI_DECLARE_STRUCT(T)                                                                 \
    extern const QapiType T##_type;                                                            \
    extern const QapiType T##_list_type;                                                       \
    static inline void T##_free(T *value)                                                      \
    {                                                                                          \
        qapi_free(&T##_type, value);                                                           \
    }                                                                                          \
    static inline struct json_object *T##_to_json(const T *value)                              \
    {                                                                                          \
        return qapi_to_json(&T##_type, value);                                                 \
    }                                                                                          \
    static inline T *T##_from_json(struct json_object *value, const char *path, GError **errp) \
    {                                                                                          \
        return qapi_from_json(&T##_type, value, path, errp);                                   \
    }                                                                                          \
    static inline GPtrArray *T##_list_new(void)                                                \
    {                                                                                          \
        return qapi_list_new(&T##_type);                                                       \
    }                                                                                          \
    G_DEFINE_AUTOPTR_CLEANUP_FUNC(T, T##_free)

#define QAPI_DEFINE_LIST(symbol, label, element_type)                           \
    const QapiType symbol = { "list of " label, QAPI_KIND_LIST, sizeof(void *), \
                              .element = &(element_type) };

#define QAPI_DEFINE_ENUM(T, ...)                                                     \
    const QapiType T##_type = { #T, QAPI_KIND_ENUM, sizeof(T), .lookup = T##_lookup, \
                                ##__VA_ARGS__ };                                     \
    QAPI_DEFINE_LIST(T##_list_type, #T, T##_type)

#define QAPI_DEFINE_STRUCT(T, ...)                                                                 \
    static void T##_destroy(void *value)                                                           \
    {                                                                                              \
        qapi_free(&T##_type, value);                                                               \
    }                                                                                              \
    const QapiType T##_type = {                                                                    \
        #T,           QAPI_KIND_STRUCT, sizeof(T), .members = T##_members, .destroy = T##_destroy, \
        ##__VA_ARGS__                                                                              \
    };                                                                                             \
    QAPI_DEFINE_LIST(T##_list_type, #T, T##_type)

#define QAPI_ARGS(c)                                                          \
    {                                                                         \
#c, QAPI_KIND_STRUCT, sizeof(struct c##_args), .members = c##_members \
    }

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects: types, typed properties, and the composition tree.
 *
 * A type is a constant table (ObjectType) that names its parent, its instance size, its functions
 * and its properties; it registers itself with OBJECT_TYPE_REGISTER. Everything a user can see or
 * set is a property, and every setter is reached through object_property_set(): from the command
 * line, QMP and HMP alike (DESIGN decision 1).
 *
 * Values are json-c objects. The tree, and every object in it, is protected by the machine lock.
 */
#ifndef QOM_OBJECT_H
#define QOM_OBJECT_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qapi/visit.h"

typedef struct Object Object;
typedef struct ObjectType ObjectType;
typedef struct Property Property;

typedef enum PropertyKind {
    PROP_BOOL,   /* bool */
    PROP_UINT8,  /* uint8_t */
    PROP_UINT16, /* uint16_t */
    PROP_UINT32, /* uint32_t */
    PROP_UINT64, /* uint64_t */
    PROP_INT32,  /* int32_t */
    PROP_INT64,  /* int64_t */
    PROP_SIZE,   /* uint64_t, bytes; text takes k M G T P E suffixes */
    PROP_STRING, /* char *, owned by the instance */
    PROP_ENUM,   /* int, index into enum_names; text outside */
    PROP_LINK,   /* Object *, of link_type; a strong reference; text outside: id or path */
    PROP_CUSTOM, /* get and/or set functions; custom_type names the type for users */
    PROP_STRUCT, /* a structure of the schema: struct_type, get_struct, set_struct */
} PropertyKind;

/* The value of a PROP_UINT32 that nobody has set, where the object then chooses one. Where a number
 * has a sign, it is -1. */
#define PROP_UNSET UINT32_MAX

struct Property {
    const char *name;
    PropertyKind kind;
    size_t offset;           /* of the field in the instance; unused for PROP_CUSTOM */
    const char *description; /* one line for users */
    bool has_default;        /* default_int or default_str is shown and set */
    int64_t default_int;     /* for bool, integers, sizes and enums */
    const char *default_str;
    const char *const *enum_names; /* NULL-terminated */
    const char *link_type;
    const QapiType *struct_type;
    const char *custom_type; /* "int", "str", "size", "struct tm", ... */
    bool text_only;          /* PROP_CUSTOM: set gets a text as it was typed, whatever the type */
    bool read_only;          /* for users; code writes the field */
    bool live; /* may be set after realize/complete; others then answer with an error */

    /* PROP_CUSTOM, or to override the plain field access. get returns a new reference. */
    struct json_object *(*get)(Object *obj, const Property *prop, GError **errp);
    bool (*set)(Object *obj, const Property *prop, struct json_object *value, GError **errp);
    /* PROP_STRUCT: a new structure; and set what @value has (borrowed), all of it or nothing. */
    void *(*get_struct)(Object *obj);
    bool (*set_struct)(Object *obj, const void *value, GError **errp);
    /* Called before a plain field is set; false refuses the value. @obj is NULL for a default of
     * -global, which is checked before there are objects. */
    bool (*check)(Object *obj, const Property *prop, struct json_object *value, GError **errp);
};

struct ObjectType {
    const char *name;
    const char *parent;      /* NULL only for "object" */
    const char *description; /* one line for users */
    size_t instance_size;    /* 0: the parent's */
    bool abstract;
    bool user_creatable;        /* by -object/object-add; devices say it in DeviceClass */
    const Property *properties; /* ends with a NULL name; adds to the parent's */
    /* A child that is made with each instance, before `init`, and its type: what properties the
     * child has beside the instance's own are the instance's, too. Not inherited; NULL: none. */
    const char *part, *part_type;
    const void *ops;           /* what subclasses of "device", "machine", ... define; see those */
    void (*init)(Object *obj); /* parent's runs first; defaults are set already */
    void (*finalize)(Object *obj); /* own runs first; string and link properties free themselves */
    /* User-creatable types: called when all properties are set; may fail. */
    bool (*complete)(Object *obj, GError **errp);
    /* User-creatable types: false with an error while in use. */
    bool (*can_be_deleted)(Object *obj, GError **errp);
};

/* The head of every instance (first member of an instance structure). Private to object.c, but
 * for reading @type. */
struct Object {
    const ObjectType *type;
    unsigned refs;
    Object *parent;      /* in the composition tree, or NULL */
    char *name;          /* within the parent */
    GPtrArray *children; /* of Object *, each a reference, in order of addition; or NULL */
    bool settled;        /* completed or realized: only `live` properties may be set */
};

#define OBJECT(x) ((Object *)(x))

/*
 * Checked casts: from here on NAME(obj) is @obj, any pointer to an object, as a Type *, the
 * structure of instances of @type_name. It aborts with a message unless @obj is one; NULL stays
 * NULL. Each source file remembers the last type that was right; the tables are constant, so the
 * order does not matter (relaxed). Any thread.
 */
#define OBJECT_CAST_DEFINE(Type, NAME, type_name)                                              \
    static inline __attribute__((no_instrument_function, unused)) Type *NAME(const void *obj)  \
    {                                                                                          \
        static const ObjectType *right;                                                        \
        if (obj && ((const Object *)obj)->type != __atomic_load_n(&right, __ATOMIC_RELAXED)) { \
            __atomic_store_n(&right, object_check_type(obj, type_name), __ATOMIC_RELAXED);     \
        }                                                                                      \
        return (Type *)(uintptr_t)obj;                                                         \
    }
/* The type of @obj, which is @type or a subtype; else it aborts. */
const ObjectType *object_check_type(const Object *obj, const char *type);

/* Registers at start-up, before main(). */
void object_type_register(const ObjectType *type);
#define OBJECT_TYPE_REGISTER(type)                                 \
    static void __attribute__((constructor)) type##_register(void) \
    {                                                              \
        object_type_register(&type);                               \
    }

const ObjectType *object_type_find(const char *name); /* NULL if none */
const ObjectType *object_type_parent(const ObjectType *type);
bool object_type_is_a(const ObjectType *type, const char *ancestor); /* itself included */
/* The nearest non-NULL ops of the type or its ancestors. */
const void *object_type_ops(const ObjectType *type);
/* All types, sorted by name; free the array only. */
GPtrArray *object_types(void);
/* All properties, own first, then the ancestors'; const Property *; free the array only. */
GPtrArray *object_type_properties(const ObjectType *type);

/* New instance with one reference, defaults set, init run. An unknown or abstract type sets
 * @errp. */
Object *object_new(const char *type, GError **errp);
Object *object_ref(Object *obj);
void object_unref(Object *obj); /* NULL is fine */
bool object_is_a(const Object *obj, const char *type);
const void *object_ops(const Object *obj);
static inline const char *object_typename(const Object *obj)
{
    return obj->type->name;
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Object, object_unref)

/* ---- properties ---- */

const Property *object_property_find(const Object *obj, const char *name);
/* New reference, or NULL with @errp (the value may also be JSON null: see object_property_find). */
struct json_object *object_property_get(Object *obj, const char *name, GError **errp);
/* @value is borrowed. It has the property's type, or is a text (util/keyval.h), of which that is
 * made; any other string for a property that is none is an error. */
bool object_property_set(Object *obj, const char *name, struct json_object *value, GError **errp);
/* The same with @text, as typed on a command line. */
bool object_property_parse(Object *obj, const char *name, const char *text, GError **errp);
/* Set every member of @props (JSON object), but for those named in @skip (NULL-terminated, may be
 * NULL). */
bool object_set_properties(Object *obj, struct json_object *props, const char *const *skip,
                           GError **errp);
/* What its values are in the schema, for users who list what there is to set: NULL if they cannot
 * set it, or it is a structure. */
const QapiType *object_property_value_type(const Property *prop);
/* How users see the type: "bool", "uint64", "size", "string", "link<T>", "child<T>", enum's. */
char *object_property_type_name(const Property *prop);

/* Mark as completed/realized: properties that are not `live` become constant. */
void object_settle(Object *obj, bool settled);

/* ---- the composition tree ---- */

Object *object_root(void); /* "/"; made on first use, of type "container" */
/* The container at @path ("/machine/peripheral"), made where missing. */
Object *object_container(const char *path);
/* @parent takes its own reference. The name must be free. "name[*]" picks the first free number. */
bool object_add_child(Object *parent, const char *name, Object *child, GError **errp);
/* Out of the tree; drops the parent's reference. Children go with their parent's finalize. */
void object_unparent(Object *obj);
char *object_path(const Object *obj); /* canonical, g_free; NULL if not in the tree */
/* An absolute path, or a partial one ("dimm0") if unique. @ambiguous may be NULL. Borrowed. */
Object *object_resolve(const char *path, bool *ambiguous);
Object *object_child(const Object *parent, const char *name); /* borrowed or NULL */
/* The first of @type or a subtype in the tree, in the order of object_foreach(): borrowed, or NULL.
 */
Object *object_find_type(const char *type);
/* All of them (each a reference), in that order; to be unreferenced. */
GPtrArray *object_list_type(const char *type);
/* Depth first, children after their parent; stops and returns false when @fn does. */
bool object_foreach(Object *top, bool (*fn)(Object *obj, void *opaque), void *opaque);

/* ---- defaults of a machine, and the user's (-global) ---- */

/* The same for a machine that has other defaults than the newest: what the user gives wins, and of
 * several the last. @type has the property @prop, and all three stay. An object for which @text is
 * wrong is not made. */
void object_default_add(const char *type, const char *prop, const char *text);
/* Each object of @type or a subtype that is made from now on gets @text as its property @prop; what
 * is given for one object wins. A warning, for an unknown type. Refused: properties that no such
 * type has or that cannot be set, and text that is no value of the property's kind. */
bool object_global_add(const char *type, const char *prop, const char *text, GError **errp);
/* Call @fn for each that no object has used yet. */
void object_globals_foreach_unused(void (*fn)(const char *type, const char *prop,
                                              const char *text));

/* Letters, digits, '-', '.', '_', beginning with a letter. */
bool object_id_wellformed(const char *id);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The composition tree: children, paths, walks. */
#include <string.h>

#include "qom/internal.h"
#include "util/error.h"

Object *object_root(void)
{
    static Object *root;

    if (!root) {
        root = object_new("container", NULL);
    }
    return root;
}

Object *object_child(const Object *parent, const char *name)
{
    for (size_t i = 0; parent->children && i < parent->children->len; i++) {
        Object *child = parent->children->pdata[i];

        if (strcmp(child->name, name) == 0) {
            return child;
        }
    }
    return NULL;
}

Object *object_container(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    Object *obj = object_root();

    for (char **part = parts; *part; part++) {
        Object *child = **part ? object_child(obj, *part) : obj;

        if (!child) {
            child = object_new("container", NULL);
            object_add_child(obj, *part, child, NULL);
            object_unref(child); /* the parent has it */
        }
        obj = child;
    }
    return obj;
}

/* The name for a new child: @name, or with "[*]" at its end the first that is free. */
static char *pick_name(const Object *parent, const char *name)
{
    size_t stem;

    if (!g_str_has_suffix(name, "[*]")) {
        return g_strdup(name);
    }
    stem = strlen(name) - strlen("[*]");
    for (unsigned i = 0;; i++) {
        char *numbered = g_strdup_printf("%.*s[%u]", (int)stem, name, i);

        if (!object_child(parent, numbered)) {
            return numbered;
        }
        g_free(numbered);
    }
}

bool object_add_child(Object *parent, const char *name, Object *child, GError **errp)
{
    g_autofree char *own = pick_name(parent, name);

    if (child->parent) {
        error_set(errp, "'%s' is in the tree already, as '%s'", name, child->name);
        return false;
    }
    if (!*own || strchr(own, '/')) {
        error_set(errp, "'%s' cannot name a child: expects a name without '/'", own);
        return false;
    }
    if (object_child(parent, own) || object_property_find(parent, own)) {
        error_set(errp, "The name '%s' is taken in '%s'; expects one that is free", own,
                  parent->name ? parent->name : "/");
        return false;
    }
    if (!parent->children) {
        parent->children = g_ptr_array_new();
    }
    g_ptr_array_add(parent->children, object_ref(child));
    child->parent = parent;
    g_free(child->name);
    child->name = g_steal_pointer(&own);
    return true;
}

void object_unparent(Object *obj)
{
    Object *parent = obj->parent;

    if (parent) {
        g_ptr_array_remove(parent->children, obj);
        obj->parent = NULL;
        object_unref(obj);
    }
}

void tree_drop_children(Object *obj)
{
    while (obj->children && obj->children->len) { /* last first: later ones may use earlier ones */
        object_unparent(obj->children->pdata[obj->children->len - 1]);
    }
    if (obj->children) {
        g_ptr_array_unref(obj->children);
    }
}

/* ---- paths ---- */

char *object_path(const Object *obj)
{
    g_autoptr(GString) path = g_string_new(NULL);

    for (; obj->parent; obj = obj->parent) {
        g_string_prepend(path, obj->name);
        g_string_prepend_c(path, '/');
    }
    if (obj != object_root()) {
        return NULL;
    }
    return g_strdup(path->len ? path->str : "/");
}

/* From @obj down along @parts, through children and links. Empty parts ("//") count for nothing. */
static Object *walk(Object *obj, char **parts)
{
    for (; obj && *parts; parts++) {
        if (**parts) {
            Object *child = object_child(obj, *parts);

            obj = child ? child : property_link_target(obj, *parts);
        }
    }
    return obj;
}

typedef struct PartialSearch {
    char **parts;
    Object *found;
    bool ambiguous;
} PartialSearch;

static bool try_from(Object *obj, void *opaque)
{
    PartialSearch *search = opaque;
    Object *found = walk(obj, search->parts);

    if (found && search->found && found != search->found) {
        search->ambiguous = true;
        return false;
    }
    search->found = found ? found : search->found;
    return true;
}

Object *object_resolve(const char *path, bool *ambiguous)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    PartialSearch search = { .parts = parts };

    if (ambiguous) {
        *ambiguous = false;
    }
    if (*path == '/' || !*path) {
        return *path ? walk(object_root(), parts) : NULL;
    }
    object_foreach(object_root(), try_from, &search);
    if (ambiguous) {
        *ambiguous = search.ambiguous;
    }
    return search.ambiguous ? NULL : search.found;
}

bool object_foreach(Object *top, bool (*fn)(Object *obj, void *opaque), void *opaque)
{
    g_autoptr(GPtrArray) children = NULL;

    object_ref(top); /* @fn may take it out of the tree */
    if (!fn(top, opaque)) {
        object_unref(top);
        return false;
    }
    children = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    for (size_t i = 0; top->children && i < top->children->len; i++) {
        g_ptr_array_add(children, object_ref(top->children->pdata[i]));
    }
    object_unref(top);
    for (size_t i = 0; i < children->len; i++) {
        if (!object_foreach(children->pdata[i], fn, opaque)) {
            return false;
        }
    }
    return true;
}

typedef struct TypeSearch {
    const char *type;
    GPtrArray *list; /* of references; NULL: one is enough */
    Object *first;
} TypeSearch;

static bool has_type(Object *obj, void *opaque)
{
    TypeSearch *search = opaque;

    if (object_is_a(obj, search->type)) {
        search->first = search->first ? search->first : obj;
        if (!search->list) {
            return false;
        }
        g_ptr_array_add(search->list, object_ref(obj));
    }
    return true;
}

Object *object_find_type(const char *type)
{
    TypeSearch search = { .type = type };

    object_foreach(object_root(), has_type, &search);
    return search.first;
}

GPtrArray *object_list_type(const char *type)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);

    object_foreach(object_root(), has_type, &(TypeSearch){ .type = type, .list = list });
    return list;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/ospm/aml-namespace.h"

#include <string.h>

#include "util/error.h"

static void node_free(void *opaque)
{
    AmlNode *node = opaque;

    g_clear_pointer(&node->children, g_ptr_array_unref);
    aml_cell_unref(node->cell);
    g_free(node);
}

static AmlNode *node_new(AmlNode *parent, const char *name, AmlObject *value)
{
    AmlNode *node = g_new0(AmlNode, 1);

    memcpy(node->name, name, 4);
    node->parent = parent;
    node->cell = aml_cell_new(value);
    if (parent) {
        if (!parent->children) {
            parent->children = g_ptr_array_new_with_free_func(node_free);
        }
        g_ptr_array_add(parent->children, node);
    }
    return node;
}

AmlNode *aml_namespace_new(void)
{
    static const char *const scopes[] = { "_GPE", "_PR_", "_SI_", "_TZ_" };
    AmlNode *root = node_new(NULL, "\\\0\0\0", NULL);

    node_new(root, "_SB_", aml_path_object(AML_DEVICE, "\\_SB_"));
    for (unsigned i = 0; i < G_N_ELEMENTS(scopes); i++) {
        node_new(root, scopes[i], NULL);
    }
    node_new(root, "_GL_", aml_object_new(AML_MUTEX));
    node_new(root, "_REV", aml_integer(2));
    node_new(root, "_OS_", aml_string_new("Dimmable test", strlen("Dimmable test")));
    return root;
}

/* References in packages may form circles through the cells of names: break them. */
static void clear_cells(AmlNode *node)
{
    aml_cell_set(node->cell, NULL);
    for (unsigned i = 0; node->children && i < node->children->len; i++) {
        clear_cells(node->children->pdata[i]);
    }
}

void aml_namespace_free(AmlNode *root)
{
    if (root) {
        clear_cells(root);
        node_free(root);
    }
}

AmlNode *aml_node_child(const AmlNode *node, const char name[4])
{
    for (unsigned i = 0; node->children && i < node->children->len; i++) {
        AmlNode *child = node->children->pdata[i];

        if (memcmp(child->name, name, 4) == 0) {
            return child;
        }
    }
    return NULL;
}

/* Where the prefixes lead; NULL: above the root. */
static AmlNode *name_start(AmlNode *scope, const AmlName *name)
{
    while (name->absolute && scope->parent) {
        scope = scope->parent;
    }
    for (unsigned i = 0; scope && i < name->parents; i++) {
        scope = scope->parent;
    }
    return scope;
}

static AmlNode *walk(AmlNode *node, const AmlName *name, unsigned segments)
{
    for (unsigned i = 0; node && i < segments; i++) {
        node = aml_node_child(node, name->seg[i]);
    }
    return node;
}

AmlNode *aml_node_find(AmlNode *scope, const AmlName *name)
{
    AmlNode *found = NULL;

    if (name->absolute || name->parents || name->segments != 1) {
        return walk(name_start(scope, name), name, name->segments);
    }
    for (; scope && !found; scope = scope->parent) {
        found = aml_node_child(scope, name->seg[0]);
    }
    return found;
}

AmlNode *aml_node_find_text(AmlNode *scope, const char *path)
{
    AmlName name;

    return aml_parse_name(path, &name) ? aml_node_find(scope, &name) : NULL;
}

AmlNode *aml_node_add(AmlNode *scope, const AmlName *name, AmlObject *value, GError **errp)
{
    g_autoptr(AmlObject) owned = value;
    g_autofree char *text = aml_name_text(name);
    AmlNode *parent;

    if (name->segments == 0) {
        error_set(errp, "'%s' cannot be declared: it is no name", text);
        return NULL;
    }
    parent = walk(name_start(scope, name), name, name->segments - 1);
    if (!parent) {
        error_set(errp, "'%s' cannot be declared: the scope around it does not exist", text);
        return NULL;
    }
    if (aml_node_child(parent, name->seg[name->segments - 1])) {
        error_set(errp, "'%s' is declared twice", text);
        return NULL;
    }
    return node_new(parent, name->seg[name->segments - 1], g_steal_pointer(&owned));
}

void aml_node_remove(AmlNode *node)
{
    unsigned index;

    if (g_ptr_array_find(node->parent->children, node, &index)) {
        g_ptr_array_steal_index(node->parent->children, index);
    }
    clear_cells(node);
}

char *aml_node_path(const AmlNode *node)
{
    g_autofree char *above = NULL;

    if (!node->parent) {
        return g_strdup("\\");
    }
    above = aml_node_path(node->parent);
    return g_strconcat(above, node->parent->parent ? "." : "", node->name, NULL);
}

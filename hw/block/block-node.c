/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/block/block-node.h"

#include <string.h>

#include "util/error.h"

#define NODE_NAME_MAX 31 /* characters, as QMP's schema has it */

static GPtrArray *nodes; /* of BlockNode, in the order of their making; they stay */

static BlockNode *find(const char *name)
{
    for (unsigned i = 0; nodes && i < nodes->len; i++) {
        BlockNode *node = nodes->pdata[i];

        if (strcmp(node->name, name) == 0) {
            return node;
        }
    }
    return NULL;
}

const BlockNode *block_node_find(const char *name, GError **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);
    const BlockNode *node = find(name);

    for (unsigned i = 0; !node && nodes && i < nodes->len; i++) {
        g_string_append_printf(names, "%s%s", i ? ", " : "", ((BlockNode *)nodes->pdata[i])->name);
    }
    if (!node) {
        error_set(errp, "there is no block node '%s'; make it with -blockdev%s%s", name,
                  names->len ? ", or use one of: " : "", names->str);
    }
    return node;
}

void block_node_foreach(void (*fn)(const BlockNode *node, void *opaque), void *opaque)
{
    for (unsigned i = 0; nodes && i < nodes->len; i++) {
        fn(nodes->pdata[i], opaque);
    }
}

/* ---- making ---- */

static const BlockNode *node_new(const BlockdevOptions *options, GError **errp);

static bool file_node(BlockNode *node, const BlockdevOptions *options, GError **errp)
{
    node->filename = g_strdup(options->u.file->filename);
    return true;
}

/* The node that is named, or whose options are there. */
static const BlockNode *node_below(struct json_object *file, GError **errp)
{
    g_autoptr(BlockdevOptions) options = NULL;

    if (json_object_is_type(file, json_type_string)) {
        return block_node_find(json_object_get_string(file), errp);
    }
    options = BlockdevOptions_from_json(file, "file", errp);
    return options ? node_new(options, errp) : NULL;
}

static bool raw_node(BlockNode *node, const BlockdevOptions *options, GError **errp)
{
    const BlockNode *below = node_below(options->u.raw->file, errp);

    if (!below) {
        return false;
    }
    node->filename = g_strdup(below->filename);
    node->read_only = below->read_only;
    return true;
}

static bool check_name(const char *name, GError **errp)
{
    if (!*name || strlen(name) > NODE_NAME_MAX) {
        error_set(errp, "node-name is empty, or longer than %d characters", NODE_NAME_MAX);
        return false;
    }
    if (find(name)) {
        error_set(errp, "there is a block node '%s' already", name);
        return false;
    }
    return true;
}

/* Those that a user gives no name have one that no user can give. */
static char *new_name(void)
{
    static unsigned count;

    return g_strdup_printf("#block%u", count++);
}

static void node_free(void *data)
{
    BlockNode *node = data;

    g_free(node->name);
    g_free(node->filename);
    g_free(node);
}

/* With the nodes below it; those stay if it fails. */
static const BlockNode *node_new(const BlockdevOptions *options, GError **errp)
{
    static bool (*const set[])(BlockNode * node, const BlockdevOptions *options, GError **errp) = {
        [BLOCKDEV_DRIVER_FILE] = file_node,
        [BLOCKDEV_DRIVER_RAW] = raw_node,
    };
    BlockNode *node = g_new0(BlockNode, 1);

    node->driver = BlockdevDriver_str(options->driver);
    if (!set[options->driver](node, options, errp) ||
        (options->node_name && !check_name(options->node_name, errp))) {
        node_free(node);
        return NULL;
    }
    node->name = options->node_name ? g_strdup(options->node_name) : new_name();
    node->read_only = options->has_read_only ? options->read_only : node->read_only;
    g_ptr_array_add(nodes, node);
    return node;
}

bool block_node_add(const BlockdevOptions *options, GError **errp)
{
    if (!options->node_name) {
        error_set(errp, "node-name is missing: the name by which others use the node");
        return false;
    }
    if (!nodes) {
        nodes = g_ptr_array_new_with_free_func(node_free);
    }
    const unsigned before = nodes->len;
    if (!node_new(options, errp)) {
        g_ptr_array_set_size(nodes, before);
        return false;
    }
    return true;
}

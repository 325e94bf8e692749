/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/block/block-node.h"

#include <string.h>

#include "hw/core/opts.h"
#include "util/error.h"
#include "util/keyval.h"

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

static bool parse_switch(struct json_object *opts, const char *key, bool *on, GError **errp)
{
    const char *text = opts_get(opts, key);

    if (text && !bool_parse(text, on)) {
        error_set(errp, "%s=%s is not right: use on or off", key, text);
        return false;
    }
    return true;
}

static bool file_node(BlockNode *node, struct json_object *opts, GError **errp)
{
    /* The others tune what flash does not do. */
    static const char *const keys[] = { "driver",  "node-name",      "filename", "read-only",
                                        "discard", "auto-read-only", "cache",    NULL };
    bool automatic = false;

    if (!opts_check_keys(opts, keys, errp) ||
        !parse_switch(opts, "auto-read-only", &automatic, errp)) {
        return false;
    }
    node->filename = g_strdup(opts_get(opts, "filename"));
    if (!node->filename) {
        error_set(errp, "filename is missing: the file that the node is");
    }
    return node->filename;
}

static bool raw_node(BlockNode *node, struct json_object *opts, GError **errp)
{
    static const char *const keys[] = { "driver",  "node-name",      "file",  "read-only",
                                        "discard", "auto-read-only", "cache", NULL };
    const char *file = opts_get(opts, "file");

    if (!opts_check_keys(opts, keys, errp)) {
        return false;
    }
    if (!file) {
        error_set(errp, "file is missing: the name of the node below");
        return false;
    }
    const BlockNode *below = block_node_find(file, errp);
    if (!below) {
        return false;
    }
    node->filename = g_strdup(below->filename);
    node->read_only = below->read_only;
    return true;
}

static bool node_parse(BlockNode *node, struct json_object *opts, GError **errp)
{
    static const struct {
        const char *driver;
        bool (*parse)(BlockNode *node, struct json_object *opts, GError **errp);
    } drivers[] = { { "file", file_node }, { "raw", raw_node } };
    const char *driver = opts_get(opts, "driver"), *name = opts_get(opts, "node-name");

    if (!name || !*name || strlen(name) > NODE_NAME_MAX) {
        error_set(errp, "node-name is missing, or longer than %d characters", NODE_NAME_MAX);
        return false;
    }
    if (find(name)) {
        error_set(errp, "there is a block node '%s' already", name);
        return false;
    }
    for (size_t i = 0; driver && i < G_N_ELEMENTS(drivers); i++) {
        if (strcmp(driver, drivers[i].driver) == 0) {
            node->name = g_strdup(name);
            node->driver = drivers[i].driver;
            return drivers[i].parse(node, opts, errp) &&
                   parse_switch(opts, "read-only", &node->read_only, errp);
        }
    }
    error_set(errp, "driver '%s' is not there: file and raw are, for flash", driver ? driver : "");
    return false;
}

bool block_node_add(struct json_object *opts, GError **errp)
{
    BlockNode *node = g_new0(BlockNode, 1);

    if (!node_parse(node, opts, errp)) {
        g_free(node->name);
        g_free(node->filename);
        g_free(node);
        return false;
    }
    if (!nodes) {
        nodes = g_ptr_array_new();
    }
    g_ptr_array_add(nodes, node);
    return true;
}

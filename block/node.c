/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The graph: names, making and ending, permissions. Requests are in node-io.c. */
#include "block/node.h"

#include <string.h>

#include "block/backend.h"
#include "block/dirty-bitmap.h"
#include "block/driver.h"
#include "util/error.h"

#define NODE_NAME_MAX 31 /* characters, as QMP's schema has it */
#define DEPTH_MAX     64 /* nodes on top of each other, made by one option */

static GPtrArray *drivers; /* of BlockDriver; complete before main() */
static GPtrArray *nodes;   /* of BlockNode, in the order of their making: those below come first */
static bool inactive;

void block_driver_register(const BlockDriver *driver)
{
    drivers = drivers ? drivers : g_ptr_array_new();
    g_ptr_array_add(drivers, (void *)(uintptr_t)driver);
}

static const BlockDriver *find_driver(BlockdevDriver id)
{
    unsigned i = 0;

    while (((const BlockDriver *)drivers->pdata[i])->id != id) { /* the schema knows no other */
        i++;
    }
    return drivers->pdata[i];
}

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

BlockNode *block_node_find(const char *name, GError **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);
    BlockNode *node = find(name);

    for (unsigned i = 0; !node && nodes && i < nodes->len; i++) {
        g_string_append_printf(names, "%s%s", i ? ", " : "", ((BlockNode *)nodes->pdata[i])->name);
    }
    if (!node) {
        error_set(errp, "there is no block node '%s'; make it with -blockdev%s%s", name,
                  names->len ? ", or use one of: " : "", names->str);
    }
    return node;
}

void block_node_foreach(void (*fn)(BlockNode *node, void *opaque), void *opaque)
{
    for (unsigned i = 0; nodes && i < nodes->len; i++) {
        fn(nodes->pdata[i], opaque);
    }
}

void block_node_foreach_down(void (*fn)(BlockNode *node, void *opaque), void *opaque)
{
    for (unsigned i = nodes ? nodes->len : 0; i-- > 0;) {
        fn(nodes->pdata[i], opaque);
    }
}

const char *block_node_plain_file(const BlockNode *node)
{
    while (node->driver->id == BLOCKDEV_DRIVER_RAW && !node->options->u.raw->offset &&
           !node->options->u.raw->has_size) {
        node = node->file.node;
    }
    return node->driver->id == BLOCKDEV_DRIVER_FILE ? node->filename : NULL;
}

/* ---- permissions ---- */

static const char *const perm_names[] = { "reads", "writes", "writes the same", "resizes" };

static const char *lowest_name(unsigned perms)
{
    return perm_names[__builtin_ctz(perms)];
}

static bool set_perms(BlockNode *node, GError **errp);

/* What is done with a filter is done with the node below. */
static bool pass_perms(BlockNode *node, unsigned uses, unsigned shares, GError **errp)
{
    if (!node->file.node) {
        return true;
    }
    node->file.uses = uses;
    node->file.shares = shares;
    return set_perms(node->file.node, errp);
}

static bool check_edges(const BlockNode *node, GError **errp)
{
    for (unsigned i = 0; i < node->edges->len; i++) {
        const BlockEdge *edge = node->edges->pdata[i];

        if (node->read_only && edge->uses & (BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE)) {
            error_set(errp, "block node '%s' is read-only, and %s writes to it", node->name,
                      edge->user);
            return false;
        }
        for (unsigned j = 0; j < node->edges->len; j++) {
            const BlockEdge *other = node->edges->pdata[j];
            unsigned clash = i == j ? 0 : edge->uses & ~other->shares;

            if (clash) {
                error_set(errp, "block node '%s': %s %s it, which %s does not allow", node->name,
                          edge->user, lowest_name(clash), other->user);
                return false;
            }
        }
    }
    return true;
}

/* From the edges to @node down. */
static bool set_perms(BlockNode *node, GError **errp)
{
    unsigned uses = 0, shares = BLOCK_PERM_ALL;

    if (!check_edges(node, errp)) {
        return false;
    }
    for (unsigned i = 0; i < node->edges->len; i++) {
        const BlockEdge *edge = node->edges->pdata[i];

        uses |= edge->uses;
        shares &= edge->shares;
    }
    if (inactive) {
        uses &= BLOCK_PERM_READ;
        shares = BLOCK_PERM_ALL;
    }
    return (node->driver->set_perms ? node->driver->set_perms : pass_perms)(node, uses, shares,
                                                                            errp);
}

bool block_node_is_below(const BlockNode *top, const BlockNode *node)
{
    while (top && top != node) {
        if ((top->backing.node && block_node_is_below(top->backing.node, node)) ||
            (top->target.node && block_node_is_below(top->target.node, node))) {
            return true;
        }
        top = top->file.node;
    }
    return top;
}

bool block_node_update_perms(BlockNode *node, GError **errp)
{
    return set_perms(node, errp);
}

bool block_node_is_active(void)
{
    return !inactive;
}

void block_node_set_active(bool active)
{
    inactive = !active;
}

bool block_edge_change(BlockEdge *edge, unsigned uses, unsigned shares, GError **errp)
{
    edge->uses = uses;
    edge->shares = shares;
    return set_perms(edge->node, errp);
}

static bool check_free(const BlockNode *node, const char *user, GError **errp)
{
    if (user) {
        error_set(errp, "block node '%s' is busy: %s has it; wait for it, or cancel it", node->name,
                  user);
    }
    return !user;
}

bool block_node_check_readable(const BlockNode *node, GError **errp)
{
    return check_free(node, node->busy, errp);
}

bool block_node_check_idle(const BlockNode *node, GError **errp)
{
    return check_free(node,
                      node->busy      ? node->busy
                      : node->readers ? node->readers->pdata[0]
                                      : NULL,
                      errp);
}

bool block_node_check_resize(const BlockNode *node, GError **errp)
{
    for (unsigned i = 0; i < node->edges->len; i++) {
        const BlockEdge *edge = node->edges->pdata[i];

        if (!(edge->shares & BLOCK_PERM_RESIZE)) {
            error_set(errp, "block node '%s' cannot be resized: %s does not allow it", node->name,
                      edge->user);
            return false;
        }
    }
    return true;
}

/* ---- edges ---- */

/* With no uses yet. Takes the reference. */
static void edge_link(BlockEdge *edge, BlockNode *node, const char *user)
{
    edge->node = node;
    edge->user = g_strdup(user);
    edge->uses = 0;
    edge->shares = BLOCK_PERM_ALL;
    g_ptr_array_add(node->edges, edge);
}

bool block_edge_attach(BlockEdge *edge, BlockNode *node, const char *user, unsigned uses,
                       unsigned shares, GError **errp)
{
    g_assert(!edge->node);
    node->refs++;
    edge_link(edge, node, user);
    edge->uses = uses;
    edge->shares = shares;
    if (!set_perms(node, errp)) {
        block_edge_detach(edge);
        return false;
    }
    return true;
}

void block_edge_link(BlockEdge *edge, BlockNode *from, BlockNode *node)
{
    g_autofree char *user = g_strdup_printf("block node '%s'", from->name);

    node->refs++;
    edge_link(edge, node, user);
    edge->from = from;
}

/* Nodes are called after the one below, which is another one now. */
static void follow_name(const BlockEdge *edge)
{
    BlockNode *from = edge->from;

    if (from && edge == &from->file) {
        g_free(from->filename);
        from->filename = g_strdup(edge->node->filename);
        for (unsigned i = 0; i < from->edges->len; i++) {
            follow_name(from->edges->pdata[i]);
        }
    }
}

void block_edge_move(BlockEdge *edge, BlockNode *node)
{
    BlockNode *old = edge->node;

    node->refs++;
    g_ptr_array_remove(old->edges, edge);
    g_ptr_array_add(node->edges, edge);
    edge->node = node;
    follow_name(edge);
    block_node_unref(old);
}

void block_edge_detach(BlockEdge *edge)
{
    BlockNode *node = edge->node;

    if (!node) {
        return;
    }
    g_ptr_array_remove(node->edges, edge);
    set_perms(node, NULL); /* fewer than before go together */
    g_clear_pointer(&edge->user, g_free);
    edge->node = NULL;
    block_node_unref(node);
}

/* ---- making ---- */

static BlockNode *node_new(const BlockdevOptions *options, bool may_wait, GError **errp);

bool block_node_check_name(const char *name, GError **errp)
{
    if (!*name || strlen(name) > NODE_NAME_MAX) {
        error_set(errp, "node-name is empty, or longer than %d characters", NODE_NAME_MAX);
        return false;
    }
    if (find(name)) {
        error_set(errp, "there is a block node '%s' already", name);
        return false;
    }
    if (block_backend_find(name)) {
        error_set(errp, "node-name=%s: there is a drive with this id; use another name", name);
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

BlockdevOptions *block_options_copy(const BlockdevOptions *options)
{
    struct json_object *json = BlockdevOptions_to_json(options);
    BlockdevOptions *copy = BlockdevOptions_from_json(json, NULL, NULL);

    json_object_put(json);
    return copy;
}

static void node_free(BlockNode *node)
{
    g_ptr_array_remove(nodes, node);
    if (node->driver->close) {
        node->driver->close(node);
    }
    block_dirty_bitmap_free_all(node);
    g_mutex_clear(&node->bitmaps_mutex);
    block_edge_detach(&node->target);
    block_edge_detach(&node->backing);
    block_edge_detach(&node->file);
    g_ptr_array_unref(node->edges);
    g_free(node->name);
    g_free(node->filename);
    BlockdevOptions_free(node->options);
    g_free(node);
}

void block_node_unref(BlockNode *node)
{
    if (node && !--node->refs) {
        node_free(node);
    }
}

/* Those made within another's options have these of its, if nothing else is said. */
static void inherit(const BlockNode *node, BlockdevOptions *below)
{
    if (node->options->has_read_only && !below->has_read_only) {
        below->has_read_only = true;
        below->read_only = node->options->read_only;
    }
    if (node->options->has_auto_read_only && !below->has_auto_read_only) {
        below->has_auto_read_only = true;
        below->auto_read_only = node->options->auto_read_only;
    }
    if (node->options->has_discard && !below->has_discard) {
        below->has_discard = true;
        below->discard = node->options->discard;
    }
    if (node->options->cache && !below->cache) {
        below->cache = g_memdup2(node->options->cache, sizeof(*below->cache));
    }
}

void block_node_set_flags(BlockNode *node, const BlockdevOptions *options)
{
    node->read_only = options->read_only;
    node->unmap = options->has_discard && options->discard == BLOCKDEV_DISCARD_OPTIONS_UNMAP;
    node->detect_zeroes = options->detect_zeroes; /* 0: off */
    node->direct = options->cache && options->cache->direct;
    node->no_flush = options->cache && options->cache->no_flush;
}

bool block_ref_is_none(struct json_object *ref)
{
    return json_object_is_type(ref, json_type_string) && !*json_object_get_string(ref);
}

/* Text that users write nests as deep as they like; this calls itself. */
static BlockNode *below_new(const BlockNode *node, struct json_object *ref, const char *key,
                            GError **errp)
{
    static __thread unsigned depth; /* a task's, too */
    g_autoptr(BlockdevOptions) options = BlockdevOptions_from_json(ref, key, errp);
    BlockNode *below;

    if (!options) {
        return NULL;
    }
    if (depth >= DEPTH_MAX) {
        error_set(errp, "more than %d block nodes are on top of each other", DEPTH_MAX);
        return NULL;
    }
    inherit(node, options);
    depth++;
    below = node_new(options, node->may_wait, errp);
    depth--;
    return below;
}

/* What is on top of a node that is read-only is so too; a file that is, is not written. */
static bool adopt_file(BlockNode *node, const BlockNode *below, GError **errp)
{
    node->filename = g_strdup(below->filename);
    if (!node->options->has_read_only || node->options->auto_read_only) {
        node->read_only |= below->read_only;
    } else if (below->read_only && !node->read_only) {
        error_set(errp,
                  "block node '%s' is read-only, and what is on top of it is not: use "
                  "read-only=on",
                  below->name);
        return false;
    }
    return true;
}

bool block_node_open_below(BlockNode *node, BlockEdge *edge, struct json_object *ref,
                           const char *key, GError **errp)
{
    g_autofree char *user = g_strdup_printf("block node '%s'", node->name);
    BlockNode *below;

    if (json_object_is_type(ref, json_type_string)) {
        below = block_node_find(json_object_get_string(ref), errp);
        if (below) {
            below->refs++;
        }
    } else {
        below = below_new(node, ref, key, errp);
    }
    if (!below) {
        return false;
    }
    edge_link(edge, below, user);
    edge->from = node;
    return edge != &node->file || adopt_file(node, below, errp);
}

/* A reference. It is in the list once it works, so that it cannot be below itself. */
static BlockNode *node_new(const BlockdevOptions *options, bool may_wait, GError **errp)
{
    BlockNode *node;

    if (options->node_name && !block_node_check_name(options->node_name, errp)) {
        return NULL;
    }
    nodes = nodes ? nodes : g_ptr_array_new();
    node = g_new0(BlockNode, 1);
    node->driver = find_driver(options->driver);
    node->refs = 1;
    node->may_wait = may_wait;
    g_mutex_init(&node->bitmaps_mutex);
    node->edges = g_ptr_array_new();
    node->name = options->node_name ? g_strdup(options->node_name) : new_name();
    node->options = block_options_copy(options);
    block_node_set_flags(node, options);
    if (!node->driver->open(node, errp) ||
        (options->node_name &&
         !block_node_check_name(options->node_name, errp))) { /* one below has it */
        block_node_unref(node);
        return NULL;
    }
    g_ptr_array_add(nodes, node);
    return node;
}

BlockNode *block_node_open(const BlockdevOptions *options, GError **errp)
{
    return node_new(options, false, errp);
}

BlockNode *block_node_add(const BlockdevOptions *options, GError **errp)
{
    BlockNode *node;

    if (!options->node_name) {
        error_set(errp, "node-name is missing: the name by which others use the node");
        return NULL;
    }
    node = node_new(options, true, errp);
    if (node) {
        node->listed = true;
    }
    return node;
}

bool block_node_del(const char *name, GError **errp)
{
    BlockNode *node = block_node_find(name, errp);

    if (!node) {
        return false;
    }
    if (!node->listed) {
        error_set(errp, "block node '%s' was not made by blockdev-add: it goes with what uses it",
                  name);
        return false;
    }
    if (node->edges->len) {
        error_set(errp, "block node '%s' is in use by %s", name,
                  ((BlockEdge *)node->edges->pdata[0])->user);
        return false;
    }
    node->listed = false;
    block_node_unref(node);
    return true;
}

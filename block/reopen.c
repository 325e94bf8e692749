/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/reopen.h"

#include <string.h>

#include "block/backend.h"
#include "block/driver.h"
#include "util/error.h"

typedef struct Change {
    BlockNode *node;
    BlockdevOptions
        *options;           /* those that it does not have: first the new ones, then the old ones */
    BlockNode *old_backing; /* a reference; NULL: there was none, or it stays */
    BlockNode *old_file;    /* the same */
    bool moved;             /* the backing edge leads elsewhere now */
} Change;

/* ---- what may change ---- */

/* All that may not, as JSON. A node below that was made with it may be named. */
static struct json_object *fixed_options(const BlockdevOptions *options, const BlockNode *node)
{
    static const char *const free_keys[] = { "read-only",     "auto-read-only", "discard",
                                             "detect-zeroes", "cache",          "backing",
                                             "node-name" };
    struct json_object *json = BlockdevOptions_to_json(options), *file;

    for (unsigned i = 0; i < G_N_ELEMENTS(free_keys); i++) {
        json_object_object_del(json, free_keys[i]);
    }
    if (node->file.node && json_object_object_get_ex(json, "file", &file) &&
        json_object_is_type(file, json_type_string) &&
        (node->driver->moves || strcmp(json_object_get_string(file), node->file.node->name) == 0)) {
        json_object_object_del(json, "file");
    }
    return json;
}

static bool check_fixed(const BlockNode *node, const BlockdevOptions *options, GError **errp)
{
    struct json_object *before = fixed_options(node->options, node),
                       *after = fixed_options(options, node);
    bool same;

    if (!json_object_object_get_ex(after, "file", NULL)) { /* the one that there is, by its name */
        json_object_object_del(before, "file");
    }
    if (node->driver->moves && !json_object_object_get_ex(after, "file", NULL)) {
        json_object_object_del(before, "file");
    }
    same = json_object_equal(before, after);
    json_object_put(before);
    json_object_put(after);
    if (!same) {
        error_set(errp,
                  "block node '%s': only read-only, auto-read-only, discard, detect-zeroes, cache, "
                  "backing and, of raw and throttle, the name of file can change; the other "
                  "options must be as they are",
                  node->name);
    }
    return same;
}

static struct json_object *backing_of(const BlockdevOptions *options)
{
    return options->driver == BLOCKDEV_DRIVER_QCOW2 ? options->u.qcow2->backing : NULL;
}

/* The node that is to be its backing file; NULL and no error: none. */
static BlockNode *new_backing(const BlockNode *node, struct json_object *ref, GError **errp)
{
    BlockNode *to;

    if (block_ref_is_none(ref)) {
        return NULL;
    }
    if (!json_object_is_type(ref, json_type_string)) {
        error_set(errp, "'backing' of block node '%s' is the name of a node, or null", node->name);
        return NULL;
    }
    to = block_node_find(json_object_get_string(ref), errp);
    if (to && block_node_is_below(to, node)) {
        error_set(errp, "block node '%s' would be below itself", node->name);
        return NULL;
    }
    return to;
}

/* The node that is to be below it; NULL and no error: the one that is. */
static BlockNode *new_file(const BlockNode *node, const BlockdevOptions *options, GError **errp)
{
    struct json_object *json = BlockdevOptions_to_json(options), *ref = NULL;
    BlockNode *to = NULL, *file = node->file.node;

    json_object_object_get_ex(json, "file", &ref);
    if (node->driver->moves && json_object_is_type(ref, json_type_string)) {
        to = block_node_find(json_object_get_string(ref), errp);
    }
    json_object_put(json);
    if (!to || to == file) {
        return NULL;
    }
    if (block_node_is_below(to, node)) {
        error_set(errp, "block node '%s' would be below itself", node->name);
    } else if (block_node_length(to) != block_node_length(file)) {
        error_set(errp, "'file': block node '%s' is not as large as '%s'", to->name, file->name);
    } else if (block_node_check_idle(node, errp) && block_node_check_idle(file, errp) &&
               block_node_check_idle(to, errp)) {
        return to;
    }
    return NULL;
}

static bool check_one(const BlockdevOptions *options, GError **errp)
{
    GError *err = NULL;
    BlockNode *node;

    if (!options->node_name) {
        error_set(errp, "node-name is missing: the node whose options change");
        return false;
    }
    node = block_node_find(options->node_name, errp);
    if (!node || !check_fixed(node, options, errp)) {
        return false;
    }
    new_file(node, options, &err);
    if (!err && backing_of(options)) {
        const BlockNode *to = new_backing(node, backing_of(options), &err);

        if (!err && to != node->backing.node) {
            block_node_check_idle(node, &err);
        }
    }
    if (err) {
        g_propagate_error(errp, err);
    }
    return !err;
}

/* ---- changing, and back ---- */

/* The node has the options that the change holds, and that those of before. */
static void swap_options(Change *c)
{
    BlockdevOptions *other = c->node->options;

    c->node->options = c->options;
    c->options = other;
    block_node_set_flags(c->node, c->node->options);
}

/* What is on top of a node that is read-only is so too, if it may be. */
static bool follow_below(BlockNode *node, GError **errp)
{
    const BlockNode *below = node->file.node;

    if (below && below->read_only && !node->read_only) {
        if (node->options->has_read_only && !node->options->auto_read_only) {
            error_set(errp, "block node '%s' is read-only, and '%s' on top of it is not",
                      below->name, node->name);
            return false;
        }
        node->read_only = true;
    }
    return true;
}

static void set_backing(Change *c)
{
    struct json_object *ref = backing_of(c->node->options);
    BlockNode *to = ref ? new_backing(c->node, ref, NULL) : NULL;
    BlockEdge *edge = &c->node->backing;

    if (!ref || to == edge->node) {
        return;
    }
    c->moved = true;
    c->old_backing = edge->node;
    if (c->old_backing) {
        c->old_backing->refs++;
        block_edge_detach(edge);
    }
    if (to) {
        block_edge_link(edge, c->node, to);
    }
}

static void undo_backing(Change *c)
{
    if (c->moved) {
        block_edge_detach(&c->node->backing);
        if (c->old_backing) {
            block_edge_link(&c->node->backing, c->node, c->old_backing);
        }
    }
}

static void set_file(Change *c)
{
    BlockNode *to = new_file(c->node, c->node->options, NULL);

    if (to) {
        c->old_file = c->node->file.node;
        c->old_file->refs++;
        block_edge_move(&c->node->file, to);
        if (!block_node_update_perms(c->node, NULL)) { /* what is below both is used all the time */
            block_node_update_perms(c->old_file, NULL);
        }
    }
}

static void undo_file(Change *c)
{
    if (c->old_file) {
        block_edge_move(&c->node->file, c->old_file);
    }
}

typedef struct Walk {
    GArray *changes; /* of Change */
    bool ok;
    GError **errp;
} Walk;

static void reopen_one(BlockNode *node, void *opaque)
{
    Walk *walk = opaque;

    for (unsigned i = 0; walk->ok && i < walk->changes->len; i++) {
        if (g_array_index(walk->changes, Change, i).node == node) {
            walk->ok = follow_below(node, walk->errp) &&
                       (!node->driver->reopen || node->driver->reopen(node, walk->errp));
        }
    }
}

static void update_perms(BlockNode *node, void *opaque)
{
    Walk *walk = opaque;

    walk->ok = walk->ok && block_node_update_perms(node, walk->errp);
}

/* Those below come first. */
static bool carry_out(GArray *changes, GError **errp)
{
    Walk walk = { changes, true, errp };

    block_node_foreach(reopen_one, &walk);
    block_node_foreach(update_perms, &walk);
    return walk.ok;
}

/* What is kept until nobody writes any more goes below now to what is only read from now on. */
static bool settle_all(const GPtrArray *list, GError **errp)
{
    for (unsigned i = 0; i < list->len; i++) {
        const BlockdevOptions *options = list->pdata[i];
        BlockNode *node = block_node_find(options->node_name, NULL);
        bool ends = options->read_only && !node->read_only && block_node_is_active();
        int err = ends && node->driver->settle ? node->driver->settle(node) : 0;

        if (err) {
            error_set_errno(errp, err, "block node '%s' cannot be finished", options->node_name);
            return false;
        }
    }
    return true;
}

static bool flush_all(const GPtrArray *list, GError **errp)
{
    for (unsigned i = 0; i < list->len; i++) {
        const BlockdevOptions *options = list->pdata[i];
        int err = block_node_flush(block_node_find(options->node_name, NULL));

        if (err) {
            error_set_errno(errp, err, "block node '%s' cannot be flushed", options->node_name);
            return false;
        }
    }
    return true;
}

static void change_clear(void *change)
{
    Change *c = change;

    BlockdevOptions_free(c->options);
    block_node_unref(c->old_file);
    block_node_unref(c->old_backing);
}

/* There are no requests. */
static bool change_all(const GPtrArray *list, GError **errp)
{
    g_autoptr(GArray) changes = g_array_new(FALSE, TRUE, sizeof(Change));
    bool ok;

    if (!settle_all(list, errp) || !flush_all(list, errp)) {
        return false;
    }
    g_array_set_clear_func(changes, change_clear);
    for (unsigned i = 0; i < list->len; i++) {
        const BlockdevOptions *options = list->pdata[i];
        Change c = { .node = block_node_find(options->node_name, NULL),
                     .options = block_options_copy(options) };

        swap_options(&c);
        set_backing(&c);
        set_file(&c);
        g_array_append_val(changes, c);
    }
    ok = carry_out(changes, errp);
    if (!ok) {
        for (unsigned i = changes->len; i-- > 0;) {
            Change *c = &g_array_index(changes, Change, i);

            swap_options(c);
            undo_file(c);
            undo_backing(c);
        }
        carry_out(changes, NULL); /* they went together */
    }
    return ok;
}

bool block_reopen(const GPtrArray *list, GError **errp)
{
    bool ok;

    for (unsigned i = 0; i < list->len; i++) {
        if (!check_one(list->pdata[i], errp)) {
            return false;
        }
    }
    block_hold_all();
    ok = change_all(list, errp);
    block_resume_all();
    return ok;
}

/* ---- for jobs ---- */

static bool set_one(BlockNode *node, bool read_only, GError **errp)
{
    bool before = node->read_only;

    node->read_only = read_only;
    if (node->driver->reopen && !node->driver->reopen(node, errp)) {
        node->read_only = before;
        return false;
    }
    if (node->read_only != read_only) { /* auto-read-only: the host says so */
        error_set(errp, "block node '%s' (%s) cannot be written", node->name, node->filename);
        return false;
    }
    return true;
}

bool block_node_set_read_only(BlockNode *node, bool read_only, GError **errp)
{
    BlockNode *file = node->file.node;

    if (read_only) {
        block_node_flush(node);
        return set_one(node, true, errp) && (!file || block_node_set_read_only(file, true, errp));
    }
    if (file && file->read_only && !block_node_set_read_only(file, false, errp)) {
        return false;
    }
    if (!node->read_only || set_one(node, false, errp)) {
        return true;
    }
    if (file) {
        block_node_set_read_only(file, true, NULL);
    }
    return false;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the graph of images as a whole (qapi/block-graph.json). */
#include <string.h>

#include "backends/iothread.h"
#include "block/backend.h"
#include "block/node.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* ---- x-debug-query-block-graph ---- */

typedef struct Walk {
    XDbgBlockGraph *graph;
    GHashTable *ids; /* of nodes by themselves, of other users by what they are called */
    GHashTable *users;
} Walk;

static uint64_t add_point(Walk *walk, XDbgBlockGraphNodeType type, const char *name)
{
    XDbgBlockGraphNode *point = g_new0(XDbgBlockGraphNode, 1);

    point->id = walk->graph->nodes->len + 1;
    point->type = type;
    point->name = g_strdup(name);
    g_ptr_array_add(walk->graph->nodes, point);
    return point->id;
}

static void add_node(BlockNode *node, void *opaque)
{
    Walk *walk = opaque;
    uint64_t id = add_point(walk, X_DBG_BLOCK_GRAPH_NODE_TYPE_BLOCK_DRIVER, node->name);

    g_hash_table_insert(walk->ids, node, GUINT_TO_POINTER((guint)id));
}

static uint64_t id_of(const Walk *walk, const BlockNode *node)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(walk->ids, node));
}

/* Of who is no node: a drive, a device, an export, a job. */
static uint64_t id_of_user(Walk *walk, const char *user)
{
    uint64_t id = GPOINTER_TO_UINT(g_hash_table_lookup(walk->users, user));

    if (!id) {
        id = add_point(walk,
                       g_str_has_prefix(user, "job") ? X_DBG_BLOCK_GRAPH_NODE_TYPE_BLOCK_JOB
                                                     : X_DBG_BLOCK_GRAPH_NODE_TYPE_BLOCK_BACKEND,
                       user);
        g_hash_table_insert(walk->users, g_strdup(user), GUINT_TO_POINTER((guint)id));
    }
    return id;
}

static GArray *permissions(unsigned bits)
{
    static const struct {
        unsigned bit;
        BlockPermission permission;
    } table[] = {
        { BLOCK_PERM_READ, BLOCK_PERMISSION_CONSISTENT_READ },
        { BLOCK_PERM_WRITE, BLOCK_PERMISSION_WRITE },
        { BLOCK_PERM_SAME, BLOCK_PERMISSION_WRITE_UNCHANGED },
        { BLOCK_PERM_RESIZE, BLOCK_PERMISSION_RESIZE },
    };
    GArray *list = g_array_new(FALSE, FALSE, sizeof(BlockPermission));

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (bits & table[i].bit) {
            g_array_append_val(list, table[i].permission);
        }
    }
    return list;
}

static const char *name_of_edge(const BlockEdge *edge)
{
    const BlockNode *from = edge->from;

    return !from                    ? "root"
           : edge == &from->file    ? "file"
           : edge == &from->backing ? "backing"
                                    : "target";
}

static void add_edges(BlockNode *node, void *opaque)
{
    Walk *walk = opaque;

    for (guint i = 0; node->edges && i < node->edges->len; i++) {
        const BlockEdge *edge = node->edges->pdata[i];
        XDbgBlockGraphEdge *entry = g_new0(XDbgBlockGraphEdge, 1);

        entry->parent =
            edge->from ? id_of(walk, edge->from) : id_of_user(walk, edge->user ? edge->user : "");
        entry->child = id_of(walk, node);
        entry->name = g_strdup(name_of_edge(edge));
        entry->perm = permissions(edge->uses);
        entry->shared_perm = permissions(edge->shares);
        g_ptr_array_add(walk->graph->edges, entry);
    }
}

XDbgBlockGraph *qmp_x_debug_query_block_graph(GError **errp)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) users = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Walk walk = { g_new0(XDbgBlockGraph, 1), ids, users };

    walk.graph->nodes = XDbgBlockGraphNode_list_new();
    walk.graph->edges = XDbgBlockGraphEdge_list_new();
    block_node_foreach(add_node, &walk);
    block_node_foreach(add_edges, &walk);
    return walk.graph;
}

/* ---- what no kind of nodes here can do ---- */

/* A node by its name, or that of a drive. */
static BlockNode *find_node(const char *name, GError **errp)
{
    const BlockBackend *backend = block_backend_find(name);

    return backend && block_backend_node(backend) ? block_backend_node(backend)
                                                  : block_node_find(name, errp);
}

static bool has_child(const BlockNode *node, const char *name)
{
    return (node->file.node && !strcmp(name, "file")) ||
           (node->backing.node && !strcmp(name, "backing")) ||
           (node->target.node && !strcmp(name, "target"));
}

bool qmp_x_blockdev_change(const char *parent, const char *child, const char *node, GError **errp)
{
    const BlockNode *above = find_node(parent, errp);

    if (!above) {
        return false;
    }
    if (!child == !node) {
        error_set(errp, "either child, to take a node away, or node, to add one, has to be given");
    } else if (child && !has_child(above, child)) {
        error_set(errp, "the node '%s' has no node '%s' below it", parent, child);
    } else if (!node || block_node_find(node, errp)) {
        error_set(errp,
                  "the node '%s' is of kind %s, which has as many nodes below it as it was made "
                  "with; only quorum, which is not there, could have more or fewer",
                  parent, BlockdevDriver_str(above->options->driver));
    }
    return false;
}

static bool is_iothread(const char *id)
{
    Object *found = object_resolve(id, NULL);

    return found && object_is_a(found, TYPE_IOTHREAD);
}

bool qmp_x_blockdev_set_iothread(const char *node_name, struct json_object *iothread,
                                 bool has_force, bool force, GError **errp)
{
    const char *id = iothread ? json_object_get_string(iothread) : NULL;

    if (!block_node_find(node_name, errp)) {
        return false;
    }
    if (!iothread) {
        return true; /* as it is: a node is in no thread */
    }
    if (!json_object_is_type(iothread, json_type_string)) {
        error_set(errp, "'iothread' must be the id of an iothread, or null");
    } else if (!is_iothread(id)) {
        error_set(errp, "there is no iothread '%s'; object-add makes one", id);
    } else {
        error_set(errp,
                  "requests of the node '%s' are made where its device wants it; give the device "
                  "the thread: -device virtio-blk,iothread=%s",
                  node_name, id);
    }
    return false;
}

bool qmp_x_blockdev_amend(const char *job_id, const char *node_name,
                          const BlockdevAmendOptions *options, bool has_force, bool force,
                          GError **errp)
{
    const BlockNode *node = block_node_find(node_name, errp);

    if (!node) {
        return false;
    }
    if (options->driver != node->options->driver) {
        error_set(errp, "the node '%s' is of kind %s, and stays so", node_name,
                  BlockdevDriver_str(node->options->driver));
    } else {
        error_set(errp,
                  "only how an image is encrypted could be amended while it is used, and none "
                  "is here; dimmable-img amend changes an image that is not used");
    }
    return false;
}

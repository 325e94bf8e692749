/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/job-block.h"

#include <errno.h>
#include <stdlib.h>

#include "block/backend.h"
#include "block/driver.h"
#include "block/reopen.h"
#include "block/status.h"
#include "util/error.h"

#define BUFFER_ALIGN 4096 /* so that requests may go past the host's page cache */

/* ---- finding ---- */

BlockNode *block_job_node(const char *device, GError **errp)
{
    const BlockBackend *backend = block_backend_find(device);
    BlockNode *node;

    if (backend && backend->empty) {
        error_set(errp, "drive '%s' has no medium", device);
        return NULL;
    }
    node = backend ? block_backend_image(backend) : block_node_find(device, NULL);
    if (!node) {
        error_set(errp, "there is no drive or block node '%s'", device);
    }
    return node;
}

typedef struct Search {
    const BlockNode *node;
    const char *name;
} Search;

static void match(BlockBackend *backend, void *opaque)
{
    Search *search = opaque;

    if (backend->name && block_skip_filters(block_backend_node(backend)) == search->node) {
        search->name = backend->name;
    }
}

static const char *drive_of(const BlockNode *node)
{
    Search search = { block_skip_filters((BlockNode *)(uintptr_t)node), NULL };

    block_backend_foreach(match, &search);
    return search.name;
}

/* ---- life ---- */

bool block_job_init(BlockJob *b, const BlockJobOptions *options, const JobDriver *driver,
                    const BlockNode *node, GError **errp)
{
    const char *id = options->id ? options->id : drive_of(node);

    if (!id) {
        error_set(errp,
                  "An explicit job ID is required for this node: block node '%s' is that of "
                  "no drive with a name",
                  node->name);
        return false;
    }
    if (options->speed < 0) {
        error_set(errp, "'speed' is negative: 0 is no limit");
        return false;
    }
    if (!block_node_is_active()) {
        error_set(errp, "the images of a machine that migrates are not written here");
        return false;
    }
    b->job = job_new(id, driver, options->auto_finalize, options->auto_dismiss,
                     (uint64_t)options->speed, options->transaction, errp);
    if (!b->job) {
        return false;
    }
    b->user = g_strdup_printf("job '%s' (%s)", id, JobType_str(driver->type));
    b->edges = g_ptr_array_new();
    b->nodes = g_ptr_array_new();
    b->read = g_ptr_array_new();
    b->buf = block_job_buffer();
    return true;
}

bool block_job_keep(BlockJob *b, BlockNode *node, GError **errp)
{
    if (node->busy != b->user) {
        if (!block_node_check_idle(node, errp)) {
            return false;
        }
        node->busy = b->user;
        node->refs++;
        g_ptr_array_add(b->nodes, node);
    }
    return true;
}

static bool attach(BlockJob *b, BlockNode *node, unsigned uses, unsigned shares, GError **errp)
{
    BlockEdge *edge = g_new0(BlockEdge, 1);

    edge->stays = true;
    if (!block_edge_attach(edge, node, b->user, uses, shares, errp)) {
        g_free(edge);
        return false;
    }
    g_ptr_array_add(b->edges, edge);
    return true;
}

bool block_job_use(BlockJob *b, BlockNode *node, unsigned uses, unsigned shares, GError **errp)
{
    if (!block_job_keep(b, node, errp)) {
        return false;
    }
    return attach(b, node, uses, shares, errp);
}

bool block_job_read(BlockJob *b, BlockNode *node, GError **errp)
{
    if (!block_node_check_readable(node, errp)) {
        return false;
    }
    node->readers = node->readers ? node->readers : g_ptr_array_new();
    g_ptr_array_add(node->readers, b->user);
    node->refs++;
    g_ptr_array_add(b->read, node);
    return attach(b, node, BLOCK_PERM_READ, BLOCK_PERM_ALL, errp);
}

static void unread(BlockJob *b, BlockNode *node)
{
    g_ptr_array_remove(node->readers, b->user);
    if (!node->readers->len) {
        g_clear_pointer(&node->readers, g_ptr_array_unref);
    }
    block_node_unref(node);
}

void block_job_let_go(BlockJob *b)
{
    for (unsigned i = 0; i < b->edges->len; i++) {
        block_edge_detach(b->edges->pdata[i]);
        g_free(b->edges->pdata[i]);
    }
    g_ptr_array_set_size(b->edges, 0);
}

void block_job_clear(BlockJob *b)
{
    block_job_let_go(b);
    for (unsigned i = 0; i < b->nodes->len; i++) {
        BlockNode *node = b->nodes->pdata[i];

        node->busy = NULL;
        block_node_unref(node);
    }
    for (unsigned i = 0; i < b->read->len; i++) {
        unread(b, b->read->pdata[i]);
    }
    g_ptr_array_unref(b->edges);
    g_ptr_array_unref(b->nodes);
    g_ptr_array_unref(b->read);
    free(b->buf);
    g_free(b->user);
}

/* ---- copying ---- */

void *block_job_buffer(void)
{
    void *buf = NULL;

    if (posix_memalign(&buf, BUFFER_ALIGN, BLOCK_JOB_CHUNK)) {
        g_error("no memory for a job's buffer");
    }
    return buf;
}

static int copy_part(BlockNode *from, BlockNode *to, const BlockStatus *status, uint64_t offset,
                     void *buf, bool *read)
{
    int err;

    *read = false;
    if (status->zero) {
        return block_node_write_zeroes(to, offset, status->bytes, BLOCK_UNMAP);
    }
    err = block_node_pread(from, offset, buf, status->bytes);
    *read = err;
    return err ? err : block_node_pwrite(to, offset, buf, status->bytes);
}

int block_job_copy(BlockNode *from, BlockNode *to, uint64_t offset, uint64_t bytes, void *buf,
                   bool *read)
{
    int err = 0;

    while (bytes && !err) {
        BlockStatus status = { 0 };

        *read = true;
        err = block_status_chain(from, NULL, offset, MIN(bytes, BLOCK_JOB_CHUNK), &status);
        err = err ? err : copy_part(from, to, &status, offset, buf, read);
        offset += status.bytes;
        bytes -= status.bytes;
    }
    return err;
}

/* ---- the graph ---- */

void block_job_set_live(BlockNode *top, BlockNode *node, bool live)
{
    for (unsigned i = 0; i < node->edges->len; i++) {
        BlockEdge *edge = node->edges->pdata[i];
        BlockNode *from = edge->from;

        if (from && from->driver->filter && edge == &from->file && from != top) {
            block_job_set_live(top, from, live);
        } else if (from && edge == &from->backing && block_node_is_below(top, from)) {
            edge->live = live;
            if (!block_node_update_perms(from, NULL)) { /* somebody goes on writing to it */
                edge->live = true;
                block_node_update_perms(from, NULL);
            }
        }
    }
}

bool block_job_move_users(BlockNode *from, BlockNode *to, GError **errp)
{
    g_autoptr(GPtrArray) moved = g_ptr_array_new();
    bool ok;

    for (unsigned i = from->edges->len; i-- > 0;) {
        BlockEdge *edge = from->edges->pdata[i];

        if (!edge->stays && (!edge->from || !block_node_is_below(to, edge->from))) {
            g_ptr_array_add(moved, edge);
        }
    }
    for (unsigned i = 0; i < moved->len; i++) {
        block_edge_move(moved->pdata[i], to);
    }
    ok = block_node_update_perms(to, errp);
    for (unsigned i = 0; i < moved->len && !ok; i++) {
        block_edge_move(moved->pdata[i], from);
    }
    if (!ok) {
        block_node_update_perms(to, NULL);
    }
    block_node_update_perms(from, NULL); /* fewer than before, or as they were */
    return ok;
}

bool block_job_let_write(BlockNode *node, GPtrArray *opened, GError **errp)
{
    if (node->driver->filter && !block_job_let_write(node->file.node, opened, errp)) {
        return false;
    }
    if (node->read_only) {
        if (!block_node_set_read_only(node, false, errp)) {
            return false;
        }
        g_ptr_array_add(opened, node);
    }
    return true;
}

void block_job_end_write(GPtrArray *opened)
{
    for (unsigned i = opened->len; i-- > 0;) {
        block_node_set_read_only(opened->pdata[i], true, NULL);
    }
    g_ptr_array_set_size(opened, 0);
}

static void tell_resized(BlockBackend *backend, void *opaque)
{
    if (backend->ops && backend->ops->resized) {
        backend->ops->resized(backend->opaque);
    }
}

void block_job_tell_resized(void)
{
    block_backend_foreach(tell_resized, NULL);
}

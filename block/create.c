/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New images: files that hold them. */
#include "block/create.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "block/create-file.h"
#include "block/filename.h"
#include "block/qcow2.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/units.h"

#define ZERO_CHUNK (1 * MIB)

const char *const block_preallocation_names[] = { "off", "metadata", "falloc", "full", NULL };

static BlockNode *open_new(const char *path, GError **errp)
{
    struct json_object *json = json_object_new_object();
    g_autoptr(BlockdevOptions) options = NULL;

    if (block_filename_options(json, path, errp)) {
        options = BlockdevOptions_from_json(json, NULL, errp);
    }
    json_object_put(json);
    return options ? block_node_open(options, errp) : NULL;
}

void block_create_lock(const BlockCreateWatch *watch)
{
    if (watch) {
        machine_lock();
    }
}

void block_create_unlock(const BlockCreateWatch *watch)
{
    if (watch) {
        machine_unlock();
    }
}

bool block_create_in_node(BlockNode *file, const char *name, BlockCreateFill *fill,
                          const void *opaque, BlockCreateWatch *watch, GError **errp)
{
    const unsigned writes = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;
    BlockEdge edge = { 0 };
    bool ok;
    int err;

    block_create_lock(watch);
    ok = block_edge_attach(&edge, file, "a new image", BLOCK_PERM_READ | writes,
                           BLOCK_PERM_ALL & ~writes, errp);
    block_create_unlock(watch);
    if (!ok) {
        return false;
    }
    err = fill(file, opaque);
    if (err) {
        error_set_errno(errp, err, "cannot make an image in %s", name);
    }
    block_create_lock(watch);
    block_edge_detach(&edge);
    block_create_unlock(watch);
    return !err;
}

bool block_create_in_file(const char *path, BlockCreateFill *fill, const void *opaque,
                          BlockCreateWatch *watch, GError **errp)
{
    BlockNode *file;
    bool made, ok;
    int fd;

    path += g_str_has_prefix(path, "file:") ? strlen("file:") : 0;
    if (g_str_has_prefix(path, "json:") || strstr(path, "://")) {
        error_set(errp,
                  "%s: an image is made in a file, or on a block device, and given by its name",
                  path);
        return false;
    }
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    made = fd >= 0;
    if (fd < 0 && errno != EEXIST) {
        error_set_errno(errp, errno, "cannot make %s", path);
        return false;
    }
    if (made) {
        close(fd);
    }
    block_create_lock(watch);
    file = open_new(path, errp);
    block_create_unlock(watch);
    ok = file && block_create_in_node(file, path, fill, opaque, watch, errp);
    block_create_lock(watch);
    block_node_unref(file);
    block_create_unlock(watch);
    if (made && !ok) {
        unlink(path);
    }
    return ok;
}

int block_create_allocate(BlockNode *file, uint64_t offset, uint64_t bytes,
                          BlockPreallocation preallocation, BlockCreateWatch *watch)
{
    g_autofree void *zeros = NULL;
    int err = 0;

    if (preallocation == BLOCK_PREALLOCATION_FALLOC) {
        err = block_node_write_zeroes(file, offset, bytes, 0);
    } else if (preallocation == BLOCK_PREALLOCATION_FULL) {
        zeros = g_malloc0(ZERO_CHUNK);
        while (bytes && !err) {
            uint64_t some = MIN(bytes, ZERO_CHUNK);

            err = watch && !watch->go_on(watch) ? ECANCELED
                                                : block_node_pwrite(file, offset, zeros, some);
            offset += some;
            bytes -= some;
        }
    }
    return err;
}

typedef struct RawCreate {
    uint64_t size;
    BlockPreallocation preallocation;
    BlockCreateWatch *watch;
} RawCreate;

static int fill_raw(BlockNode *file, const void *opaque)
{
    const RawCreate *create = opaque;
    int err = block_node_truncate(file, 0); /* nothing of what was there stays */

    err = err ? err : block_node_truncate(file, create->size);
    return err ? err
               : block_create_allocate(file, 0, create->size, create->preallocation, create->watch);
}

bool block_create_raw(const char *path, uint64_t size, BlockPreallocation preallocation,
                      BlockCreateWatch *watch, GError **errp)
{
    const RawCreate create = { size, preallocation, watch };

    if (preallocation == BLOCK_PREALLOCATION_METADATA) {
        error_set(errp, "preallocation=metadata is for qcow2: raw has off, falloc and full");
        return false;
    }
    return block_create_in_file(path, fill_raw, &create, watch, errp);
}

bool block_preallocation_parse(const char *text, BlockPreallocation *preallocation, GError **errp)
{
    for (unsigned i = 0; block_preallocation_names[i]; i++) {
        if (!text || strcmp(text, block_preallocation_names[i]) == 0) {
            *preallocation = (BlockPreallocation)i;
            return true;
        }
    }
    error_set(errp, "preallocation=%s is not there: use off, metadata, falloc or full", text);
    return false;
}

/* ---- longer disks ---- */

/* Would the file take @bytes more, of which @places have places? It has what it had afterwards. */
static int try_room(BlockNode *file, uint64_t length, uint64_t bytes, uint64_t places)
{
    int err = block_node_truncate(file, length + bytes), undo;

    if (err == ENOTSUP) { /* a device, whose end does not move */
        return 0;
    }
    err = err || !places ? err : block_node_write_zeroes(file, length, places, 0);
    undo = block_node_truncate(file, length);
    return err ? err : undo;
}

static int try_qcow2(Qcow2 *s, uint64_t length, uint64_t size, BlockPreallocation preallocation)
{
    uint64_t tables, bytes = qcow2_growth(s, length, size, &tables);

    if (preallocation == BLOCK_PREALLOCATION_OFF) { /* nobody knows what will be written */
        return 0;
    }
    return try_room(s->node->file.node, length, bytes,
                    preallocation == BLOCK_PREALLOCATION_METADATA ? tables : bytes);
}

static int allocate(BlockNode *node, Qcow2 *s, uint64_t old, uint64_t size,
                    BlockPreallocation preallocation)
{
    return preallocation == BLOCK_PREALLOCATION_OFF ? 0
           : s ? qcow2_preallocate(s, old, size, preallocation, false, NULL)
               : block_create_allocate(node, old, size - old, preallocation, NULL);
}

bool block_grow(BlockNode *node, uint64_t old, uint64_t size, BlockPreallocation preallocation,
                GError **errp)
{
    Qcow2 *s = node->options->driver == BLOCKDEV_DRIVER_QCOW2 ? node->state : NULL;
    int64_t length = s ? block_node_length(s->node->file.node) : 0;
    int err = length < 0 ? (int)-length : 0, failed;

    if (!s && preallocation == BLOCK_PREALLOCATION_METADATA) {
        error_set(errp, "preallocation=metadata is for qcow2: raw has off, falloc and full");
        return false;
    }
    failed = err || !s ? err : try_qcow2(s, (uint64_t)length, size, preallocation);
    if (!failed) {
        err = block_node_truncate(node, size);
        failed = err ? err : allocate(node, s, old, size, preallocation);
        if (failed && (block_node_truncate(node, old) || (s && qcow2_trim(s, (uint64_t)length)))) {
            error_warn("%s: not all that was allocated could be given back", node->filename);
        }
    }
    if (err) {
        error_set_errno(errp, err, "%s cannot have %" PRIu64 " bytes%s", node->filename, size,
                        err == ENOTSUP ? " (an image of version 2 with snapshots, or a device)"
                                       : "");
    } else if (failed) {
        error_set_errno(errp, failed, "%s: its new end cannot be allocated (preallocation=%s)",
                        node->filename, block_preallocation_names[preallocation]);
    }
    return !failed;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New qcow2 images: a header, the refcount table, its blocks, the L1 table; and clusters that have
 * their places from the beginning on. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "block/create-file.h"
#include "block/qcow2.h"
#include "util/error.h"
#include "util/units.h"

enum { MIN_CLUSTER = 512, MAX_CLUSTER = 2 << 20, MAX_HEADER = 4096, MAX_TABLE = 8 << 20 };
#define RUN_MAX (64 * MIB) /* of clusters that get their places at once */

static uint64_t div_up(uint64_t value, uint64_t by)
{
    return value / by + (value % by != 0);
}

/* @create's numbers, as an image has them. */
static Qcow2 geometry(const BlockQcow2Create *create)
{
    Qcow2 s = { .version = create->version, .size = create->size, .cluster = create->cluster_size };

    s.cluster_bits = (unsigned)__builtin_ctzll(create->cluster_size);
    s.refcount_order = (unsigned)__builtin_ctz(create->refcount_bits);
    s.l2_bits = s.cluster_bits - 3;
    s.block_bits = s.cluster_bits + 3 - s.refcount_order;
    s.incompatible = create->zstd ? QCOW2_COMPRESSION : 0;
    s.compatible = create->lazy_refcounts ? QCOW2_LAZY : 0;
    return s;
}

void block_qcow2_layout(const BlockQcow2Create *create, uint64_t clusters, BlockQcow2Layout *layout)
{
    const Qcow2 s = geometry(create);
    uint64_t blocks = 0, tables = 0, total;

    layout->l1_size = qcow2_l1_needed(&s, s.size);
    layout->l1_clusters = div_up(layout->l1_size * 8, s.cluster);
    layout->blocks = layout->table_clusters = 1;
    while (blocks != layout->blocks || tables != layout->table_clusters) {
        blocks = layout->blocks;
        tables = layout->table_clusters;
        total = 1 + tables + blocks + layout->l1_clusters + clusters;
        layout->blocks = div_up(total, UINT64_C(1) << s.block_bits);
        layout->table_clusters = div_up(layout->blocks * 8, s.cluster);
    }
}

uint64_t block_qcow2_measure(const BlockQcow2Create *create, uint64_t data)
{
    const Qcow2 s = geometry(create);
    uint64_t l2 = qcow2_l1_needed(&s, s.size), clusters = div_up(data, s.cluster);
    BlockQcow2Layout layout;

    block_qcow2_layout(create, l2 + clusters, &layout);
    return (1 + layout.table_clusters + layout.blocks + layout.l1_clusters + l2 + clusters) *
           s.cluster;
}

static bool is_power(uint64_t value, uint64_t min, uint64_t max)
{
    return value >= min && value <= max && !(value & (value - 1));
}

bool block_qcow2_possible(const BlockQcow2Create *create, GError **errp)
{
    if (create->version != 2 && create->version != 3) {
        error_set(errp, "compat is 0.10 (version 2) or 1.1 (version 3)");
    } else if (!is_power(create->cluster_size, MIN_CLUSTER, MAX_CLUSTER)) {
        error_set(errp, "cluster_size=%" PRIu64 " is not possible: it is a power of 2, 512 to 2M",
                  create->cluster_size);
    } else if (!is_power(create->refcount_bits, 1, 64)) {
        error_set(errp, "refcount_bits=%u is not possible: it is a power of 2, 1 to 64",
                  create->refcount_bits);
    } else if (create->version == 2 &&
               (create->refcount_bits != 16 || create->lazy_refcounts || create->zstd)) {
        error_set(errp, "%s is not possible with compat=0.10: use compat=1.1",
                  create->lazy_refcounts ? "lazy_refcounts=on"
                  : create->zstd         ? "compression_type=zstd"
                                         : "refcount_bits other than 16");
    } else if (create->size > BLOCK_MAX_SIZE) {
        error_set(errp, "a disk of %" PRIu64 " bytes is too large", create->size);
    } else if (create->backing && create->preallocation >= BLOCK_PREALLOCATION_FALLOC) {
        error_set(errp,
                  "preallocation=%s does not go with a backing file, which would not be seen: use "
                  "off or metadata",
                  block_preallocation_names[create->preallocation]);
    } else {
        const Qcow2 s = geometry(create);

        if (qcow2_l1_needed(&s, s.size) <= QCOW2_MAX_L1 / 8) {
            return true;
        }
        error_set(errp,
                  "a disk of %" PRIu64 " bytes is too large for clusters of %" PRIu64
                  ": use a larger cluster_size",
                  create->size, create->cluster_size);
    }
    return false;
}

/* Each cluster up to @used is used once. */
static void fill_blocks(uint8_t *blocks, const Qcow2 *s, uint64_t used)
{
    unsigned bits = 1u << s->refcount_order;

    for (uint64_t i = 0; i < used; i++) {
        if (bits >= 8) {
            blocks[(i + 1) * bits / 8 - 1] = 1;
        } else {
            blocks[i * bits / 8] |= (uint8_t)(1u << i * bits % 8);
        }
    }
}

static int write_table(BlockNode *file, const Qcow2 *s, uint64_t blocks)
{
    g_autofree uint64_t *table = g_new(uint64_t, blocks);

    for (uint64_t i = 0; i < blocks; i++) {
        table[i] = GUINT64_TO_BE(s->table_offset + (s->table_size * 8) + (i << s->cluster_bits));
    }
    return block_node_pwrite(file, s->table_offset, table, blocks * 8);
}

/* The header comes last: before it, the file is no image. */
static int fill_qcow2(BlockNode *file, const void *opaque)
{
    const BlockQcow2Create *create = opaque;
    Qcow2 s = geometry(create);
    unsigned header_size = (unsigned)MIN(s.cluster, MAX_HEADER);
    g_autofree uint8_t *header = g_malloc0(MAX_HEADER), *blocks = NULL;
    BlockQcow2Layout layout;
    uint64_t used;
    int err;

    block_qcow2_layout(create, 0, &layout);
    used = 1 + layout.table_clusters + layout.blocks + layout.l1_clusters;
    s.table_offset = s.cluster;
    s.table_size = layout.table_clusters * s.cluster / 8;
    s.l1_size = layout.l1_size;
    s.l1_offset = (1 + layout.table_clusters + layout.blocks) * s.cluster;
    if (layout.table_clusters * s.cluster > MAX_TABLE) {
        return EFBIG;
    }
    if (!qcow2_header_fill(header, header_size, &s, create->backing, create->backing_format)) {
        return ENAMETOOLONG;
    }
    blocks = g_malloc0(layout.blocks * s.cluster);
    fill_blocks(blocks, &s, used);
    err = block_node_truncate(file, 0); /* nothing of what was there stays */
    err = err ? err : block_node_truncate(file, used * s.cluster);
    if (!err && file->options->driver == BLOCKDEV_DRIVER_HOST_DEVICE) { /* where that stays */
        err = block_node_write_zeroes(file, 0, used * s.cluster, 0);
    }
    err = err ? err
              : block_node_pwrite(file, s.table_offset + layout.table_clusters * s.cluster, blocks,
                                  layout.blocks * s.cluster);
    err = err ? err : write_table(file, &s, layout.blocks);
    return err ? err : block_node_pwrite(file, 0, header, header_size);
}

/* ---- clusters with places ---- */

/* @count clusters from @place on were allocated for the guest's from @offset on: those that these
 * do not name are let go. */
static void give_back(Qcow2 *s, uint64_t offset, uint64_t count, uint64_t place)
{
    for (uint64_t end = offset + (count << s->cluster_bits); offset < end; offset += s->cluster) {
        uint64_t entry;

        if (qcow2_get_entry(s, offset, &entry) == 0 && (entry & QCOW2_OFFSET) != place) {
            qcow2_cluster_release(s, place, s->cluster);
        }
        place += s->cluster;
    }
}

/* The next of them, *@count at most; the first of them has its place at *@place. `lock` for
 * writing.
 */
static int preallocate_run(Qcow2 *s, uint64_t offset, uint64_t *place, uint64_t *count,
                           BlockPreallocation preallocation, bool fresh, BlockCreateWatch *watch)
{
    BlockNode *file = s->node->file.node;
    uint64_t wanted = *count, bytes;
    int err = qcow2_begin_writing(s);

    *count = 0;
    err = err ? err : qcow2_run_alloc(s, wanted, place, count);
    if (err) {
        return err;
    }
    bytes = *count << s->cluster_bits;
    if (!fresh) { /* others may have had them */
        err = block_node_write_zeroes(file, *place, bytes, 0);
    }
    err = err ? err : block_create_allocate(file, *place, bytes, preallocation, watch);
    err = err ? err : qcow2_map_run(s, offset, *count, *place);
    if (err) {
        give_back(s, offset, *count, *place);
    }
    return err;
}

/* Between runs others may have the lock. */
int qcow2_preallocate(Qcow2 *s, uint64_t from, uint64_t to, BlockPreallocation preallocation,
                      bool fresh, BlockCreateWatch *watch)
{
    BlockNode *file = s->node->file.node;
    uint64_t end = 0, offset = (from + s->cluster - 1) & ~(s->cluster - 1);
    int err = 0;

    while (offset < to && !err) {
        uint64_t place = 0, count = div_up(MIN(to - offset, RUN_MAX), s->cluster);

        g_rw_lock_writer_lock(&s->lock);
        err = preallocate_run(s, offset, &place, &count, preallocation, fresh, watch);
        g_rw_lock_writer_unlock(&s->lock);
        err = !err && watch && !watch->go_on(watch) ? ECANCELED : err;
        end = MAX(end, place + (count << s->cluster_bits));
        offset += count << s->cluster_bits;
    }
    if (!err && block_node_length(file) < (int64_t)end) {
        err = block_node_truncate(file, end);
    }
    g_rw_lock_writer_lock(&s->lock);
    err = err ? err : qcow2_settle(s);
    g_rw_lock_writer_unlock(&s->lock);
    return err;
}

uint64_t qcow2_growth(const Qcow2 *s, uint64_t length, uint64_t size, uint64_t *tables)
{
    uint64_t per_block = UINT64_C(1) << s->block_bits, had = div_up(length, s->cluster);
    uint64_t data = div_up(size, s->cluster) - (s->size >> s->cluster_bits);
    uint64_t l1 = qcow2_l1_needed(s, size), l2 = l1 - (s->size >> s->cluster_bits >> s->l2_bits);
    uint64_t rest = l2 + div_up(l1 * 8, s->cluster), blocks = div_up(had + data + rest, per_block);

    if (blocks > s->table_size) {
        rest += div_up(MAX(blocks, s->table_size + s->table_size / 2) * 8, s->cluster);
    }
    rest += blocks - had / per_block;
    *tables = rest << s->cluster_bits;
    return (data + rest) << s->cluster_bits;
}

int qcow2_trim(Qcow2 *s, uint64_t length)
{
    BlockNode *file = s->node->file.node;
    int64_t now = block_node_length(file);
    uint64_t end = now < 0 ? 0 : div_up((uint64_t)now, s->cluster) << s->cluster_bits, count = 0;
    int err = now < 0 ? (int)-now : 0;

    g_rw_lock_writer_lock(&s->lock);
    while (!err && !count && end > length) {
        end -= s->cluster;
        err = qcow2_cluster_count(s, end, &count);
    }
    end = MAX(count ? end + s->cluster : end, length);
    if (!err && end < (uint64_t)now) {
        err = block_node_truncate(file, end);
    }
    g_rw_lock_writer_unlock(&s->lock);
    return err;
}

/* The image just made, in the node that @file names or describes (a reference, taken). */
static BlockNode *open_image(struct json_object *file, GError **errp)
{
    struct json_object *json = json_object_new_object();
    g_autoptr(BlockdevOptions) options = NULL;

    json_object_object_add(json, "driver", json_object_new_string("qcow2"));
    json_object_object_add(json, "backing", json_object_new_string(""));
    json_object_object_add(json, "file", file);
    options = BlockdevOptions_from_json(json, NULL, errp);
    json_object_put(json);
    return options ? block_node_open(options, errp) : NULL;
}

static bool preallocate_image(const char *path, struct json_object *file,
                              const BlockQcow2Create *create, GError **errp)
{
    BlockEdge edge = { 0 };
    BlockNode *node;
    int err = 0;
    bool ok;

    block_create_lock(create->watch);
    node = open_image(file, errp);
    ok = node && block_edge_attach(&edge, node, "a new image", BLOCK_PERM_READ | BLOCK_PERM_WRITE,
                                   BLOCK_PERM_READ, errp);
    block_create_unlock(create->watch);
    if (ok) {
        Qcow2 *s = node->state;

        err = qcow2_preallocate(s, 0, s->size, create->preallocation, true, create->watch);
    }
    if (err) {
        error_set_errno(errp, err, "%s: its clusters cannot be allocated", path);
    }
    block_create_lock(create->watch);
    block_edge_detach(&edge);
    block_node_unref(node);
    block_create_unlock(create->watch);
    return ok && !err;
}

/* A file that has nothing, and is as long as it was. */
static int fill_nothing(BlockNode *file, const void *opaque)
{
    int err = block_node_truncate(file, 0);

    return err ? err : block_node_truncate(file, *(const uint64_t *)opaque);
}

bool block_create_qcow2_in_node(BlockNode *file, const BlockQcow2Create *create, GError **errp)
{
    const char *name = file->filename ? file->filename : file->name;
    int64_t length = block_node_length(file);
    uint64_t old = (uint64_t)MAX(length, 0);

    if (!block_qcow2_possible(create, errp)) {
        return false;
    }
    if (block_create_in_node(file, name, fill_qcow2, create, create->watch, errp) &&
        (create->preallocation == BLOCK_PREALLOCATION_OFF ||
         preallocate_image(name, json_object_new_string(file->name), create, errp))) {
        return true;
    }
    block_create_in_node(file, name, fill_nothing, &old, create->watch,
                         NULL); /* it takes no room */
    return false;
}

/* The options of a file. */
static struct json_object *file_ref(const char *path)
{
    struct json_object *file = json_object_new_object();

    json_object_object_add(file, "driver", json_object_new_string("file"));
    json_object_object_add(file, "filename", json_object_new_string(path));
    return file;
}

bool block_create_qcow2(const char *path, const BlockQcow2Create *create, GError **errp)
{
    bool there = g_file_test(path, G_FILE_TEST_EXISTS);

    if (!block_qcow2_possible(create, errp) ||
        !block_create_in_file(path, fill_qcow2, create, create->watch, errp)) {
        return false;
    }
    if (create->preallocation == BLOCK_PREALLOCATION_OFF ||
        preallocate_image(path, file_ref(path), create, errp)) {
        return true;
    }
    if (!there) {
        unlink(path);
    }
    return false;
}

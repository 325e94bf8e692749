/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The format qcow2, versions 2 and 3: what its two halves share. The file's clusters are counted in
 * refcount blocks, which the refcount table lists (qcow2-refcount.c); the guest's are found by L1
 * and L2 tables (qcow2.c). Everything is big endian. The image may be made to do harm: each number
 * in it is checked before it is used.
 *
 * Locks: requests that only look hold `lock` for reading, also while they read or write data in
 * place; those that change tables hold it for writing. `cache_mutex` is for the cache, below it.
 * Tables are written through, in an order in which a program that is killed leaves at worst
 * clusters that nobody uses. With lazy refcounts, only the other tables are: the image is marked as
 * dirty before the first change, counts stay in the cache, and are written at the end of writing.
 * What a program that is killed leaves is then counted anew when it is opened (qcow2-repair.c).
 */
#ifndef BLOCK_QCOW2_H
#define BLOCK_QCOW2_H

#include "block/check.h"
#include "block/create.h"
#include "block/driver.h"
#include "block/image-info.h"
#include "block/node.h"
#include "block/status.h"

#define QCOW2_MAGIC  0x514649fbu
#define QCOW2_COPIED (UINT64_C(1) << 63) /* nobody else uses the cluster */
#define QCOW2_PACKED (UINT64_C(1) << 62) /* it is compressed */
#define QCOW2_ZERO   UINT64_C(1)         /* of version 3 */
#define QCOW2_OFFSET UINT64_C(0x00fffffffffffe00)
#define QCOW2_SLOTS  64          /* clusters with tables that are cached, at most */
#define QCOW2_MAX_L1 (32u << 20) /* bytes */
/* Features without which nobody can read the image, or write to it. */
#define QCOW2_DIRTY       (UINT64_C(1) << 0) /* clusters may not be counted right */
#define QCOW2_CORRUPT     (UINT64_C(1) << 1)
#define QCOW2_COMPRESSION (UINT64_C(1) << 3) /* clusters are compressed by zstd, not zlib */
/* Features that a writer who does not know them takes away. */
#define QCOW2_BITMAPS (UINT64_C(1) << 0) /* bitmaps are as the directory says */
/* One that others need not know. */
#define QCOW2_LAZY (UINT64_C(1) << 0) /* refcounts are lazy, if nothing else is said */

typedef struct Qcow2Slot {
    uint64_t offset; /* in the file; 0: empty */
    uint64_t used;   /* when it was used last */
    uint8_t *data;   /* a cluster */
    bool late;       /* the file does not have it yet: a refcount block */
} Qcow2Slot;

typedef struct Qcow2 {
    BlockNode *node;
    /* From the header; constant. */
    unsigned version, cluster_bits, refcount_order, header_length;
    uint64_t compatible;
    bool lazy; /* refcounts are; constant */
    /* The same; under `lock`. */
    uint64_t size; /* bytes of the guest's disk */
    uint64_t incompatible;
    uint64_t autoclear; /* features that a writer has to take away */
    uint64_t snapshots_offset;
    uint32_t snapshot_count;
    uint32_t bitmap_count; /* 0: there is no directory */
    uint64_t bitmaps_offset, bitmaps_bytes;
    bool stale; /* another program may have written since it was read. Main thread */
    char *backing, *backing_format; /* as they are written there; NULL: none. Main thread */
    /* derived */
    uint64_t cluster;
    unsigned l2_bits,
        block_bits; /* entries of an L2 table and of a refcount block, as powers of 2 */
    GRWLock lock;
    /* Under `lock`; as in the file, but in our byte order. */
    uint64_t *l1, *table; /* l1_size and table_size of them */
    uint64_t l1_offset, l1_size, table_offset, table_size;
    uint64_t pack_at;    /* where the next compressed cluster may begin; 0: in a free one */
    uint64_t free_hint;  /* no cluster before it is free */
    GPtrArray *bitmaps;  /* of Qcow2Bitmap, as the directory has them (block/qcow2-bitmap.h) */
    bool bitmaps_in_use; /* each of them says so */
    bool counts_late;    /* counts are only changed in the cache; the image is marked as dirty */
    /* Under `cache_mutex`. */
    GMutex cache_mutex;
    uint64_t data_from, data_to; /* of the file: known to be no hole; under cache_mutex */
    Qcow2Slot slots[QCOW2_SLOTS];
    unsigned slot_count; /* that are used; constant */
    uint64_t clock;
} Qcow2;

/* Entries of an L1 table for a disk of @size bytes. */
static inline uint64_t qcow2_l1_needed(const Qcow2 *s, uint64_t size)
{
    unsigned bits = s->cluster_bits + s->l2_bits;

    return (size >> bits) + ((size & ((UINT64_C(1) << bits) - 1)) != 0);
}

/* The backing file's name, for open(): relative ones are so to the image. g_free. */
char *qcow2_backing_path(const Qcow2 *s);

/* ---- the header ---- */

/* Fill @s from it; errors say what is not possible, or not there. */
bool qcow2_header_read(Qcow2 *s, GError **errp);
/* 0 or a positive errno value; `lock` for writing. */
int qcow2_header_set_incompatible(Qcow2 *s, uint64_t bits);
int qcow2_header_set_autoclear(Qcow2 *s, uint64_t bits);
/* Let it name a directory of @count bitmaps; 0: none. */
/* @version is 2 or 3, and the image can be of it. It has no bitmaps. */
int qcow2_header_set_version(Qcow2 *s, unsigned version);
int qcow2_header_set_compatible(Qcow2 *s, uint64_t bits);
int qcow2_header_set_bitmaps(Qcow2 *s, uint32_t count, uint64_t offset, uint64_t bytes);
/* Let it name another backing file, or none (NULL). There are no requests. */
bool qcow2_header_set_backing(Qcow2 *s, const char *name, const char *format, GError **errp);
/* The driver's amend. */
bool qcow2_amend(BlockNode *node, const BlockAmend *amend, GError **errp);
/* Fill the header, @size bytes that are 0, of an image with @s's version, size, places and
 * features, and this backing file (NULL: none). False: the names are too long. */
bool qcow2_header_fill(uint8_t *header, unsigned size, const Qcow2 *s, const char *backing,
                       const char *format);

/* ---- tables, through the cache; 0 or a positive errno value ---- */

/* Copy @len bytes at @at of the cluster at @offset of the file. */
int qcow2_table_read(Qcow2 *s, uint64_t offset, uint64_t at, void *buf, size_t len);
/* The same without waiting. False: the cache does not have it, or is in use. */
bool qcow2_table_peek(Qcow2 *s, uint64_t offset, uint64_t at, void *buf, size_t len);
/* Copy to it, and to the file; `lock` for writing. */
int qcow2_table_write(Qcow2 *s, uint64_t offset, uint64_t at, const void *buf, size_t len);
/* Forget the cluster: it is no table any more, or was written otherwise. */
void qcow2_table_forget(Qcow2 *s, uint64_t offset);

/* ---- clusters of the file; `lock` for writing ---- */

/* Before anything of the image changes: what this program does not keep up is taken away; from now
 * on counts may be late, if they are lazy. */
int qcow2_begin_writing(Qcow2 *s);
/* Let the file have all counts; it is not dirty then. */
int qcow2_settle(Qcow2 *s);

/* A cluster that was free, and is used once now. */
int qcow2_cluster_alloc(Qcow2 *s, uint64_t *offset);
/* @count of them, one behind the other. */
int qcow2_clusters_alloc(Qcow2 *s, uint64_t count, uint64_t *offset);
/* At least one that was free, and up to @max that follow it: *@count of them. */
int qcow2_run_alloc(Qcow2 *s, uint64_t max, uint64_t *offset, uint64_t *count);
/* How many users the cluster at @offset has; let it have @count. */
int qcow2_cluster_set_count(Qcow2 *s, uint64_t offset, uint64_t count);
int qcow2_cluster_count(Qcow2 *s, uint64_t offset, uint64_t *count);
/* One user more of each cluster that [@offset, @offset + @bytes) touches, all of them or none.
 * ERANGE: the image cannot count so many. */
int qcow2_cluster_share(Qcow2 *s, uint64_t offset, uint64_t bytes);
/* One user less of each cluster that [@offset, @offset + @bytes) touches. */
int qcow2_cluster_release(Qcow2 *s, uint64_t offset, uint64_t bytes);

/* Write @data to the @bytes at @offset, which were just allocated, and then @name, which names
 * them, to the @len bytes at @at, where @old is. If that fails they are free again. */
int qcow2_cluster_use(Qcow2 *s, uint64_t offset, const void *data, uint64_t bytes, uint64_t at,
                      const void *name, const void *old, size_t len);

/* ---- the guest's clusters; `lock` for writing ---- */

/* The L2 entry of the guest's byte @offset, 0 if there is no table. `lock`. */
int qcow2_get_entry(Qcow2 *s, uint64_t offset, uint64_t *entry);
/* The same without waiting. EAGAIN: the table is not in the cache. */
int qcow2_peek_entry(Qcow2 *s, uint64_t offset, uint64_t *entry);
/* It stands for zeros. */
bool qcow2_is_zero(const Qcow2 *s, uint64_t entry);
/* As block_qcow2_facts(). */
bool qcow2_facts(const BlockNode *node, BlockQcow2Facts *facts);
/* The driver's read_now (qcow2-run.c). */
bool qcow2_read_now(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt);
/* The driver's status (qcow2-status.c). */
int qcow2_status(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status);
/* Where a compressed cluster is, and how many bytes it has at most. */
void qcow2_packed_place(const Qcow2 *s, uint64_t entry, uint64_t *offset, uint64_t *bytes);
/* Let the L1 entry for @offset name a table that is this image's alone. */
int qcow2_own_l2(Qcow2 *s, uint64_t offset);
/* Replace the L2 entry @old of @offset by @entry, and let go of what @old named. */
int qcow2_set_entry(Qcow2 *s, uint64_t offset, uint64_t old, uint64_t entry);
/* Let @count of the guest's clusters from @offset on be those at @place of the file, one behind the
 * other, and let go of what they were (qcow2-run.c). */
int qcow2_map_run(Qcow2 *s, uint64_t offset, uint64_t count, uint64_t place);
/* Write to whole clusters from @offset on that have no place yet, one behind the other: *@done
 * bytes of @iov; 0: there are not two of them. `lock` for writing. */
int qcow2_write_run(Qcow2 *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                    size_t *done);
/* The bytes of [@offset, @offset + @max) that the file has one behind the other, as they are, from
 * *@place on: *@bytes, which may be 0. `lock`. */
int qcow2_find_run(Qcow2 *s, uint64_t offset, size_t max, uint64_t *place, size_t *bytes);
/* Let the clusters of [@from, @to), which begin there and have no place yet, have one. @fresh:
 * nobody has used any cluster that is free. @watch may be NULL. No lock. */
int qcow2_preallocate(Qcow2 *s, uint64_t from, uint64_t to, BlockPreallocation preallocation,
                      bool fresh, BlockCreateWatch *watch);
/* By how many bytes a file of @length may become longer when the disk has @size, and what is new
 * has places; *@tables: of them those that are no data. At most, but for some clusters. */
uint64_t qcow2_growth(const Qcow2 *s, uint64_t length, uint64_t size, uint64_t *tables);
/* Let the file end where its last used cluster ends, but not before @length. No lock. */
int qcow2_trim(Qcow2 *s, uint64_t length);
/* Let there be @entries of L1, at least: those that are new are empty. */
int qcow2_l1_grow(Qcow2 *s, uint64_t entries);
/* Carry requests out without regard to the disk's size, but not beyond what L1 has: EIO. */
int qcow2_write_anywhere(Qcow2 *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt);
int qcow2_read_anywhere(Qcow2 *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt);
/* Whole clusters in [@offset, @offset + @bytes) are used no more. */
int qcow2_forget_clusters(Qcow2 *s, uint64_t offset, uint64_t bytes);
/* Change the disk's size. */
int qcow2_resize(Qcow2 *s, uint64_t size);

/* ---- trees: an L1 table and all that it leads to; `lock` for writing ---- */

/* Called of each part of the file that is used; what it returns, if not 0, ends the walk. */
typedef int Qcow2Visit(Qcow2 *s, uint64_t offset, uint64_t bytes, void *opaque);
int qcow2_walk_tree(Qcow2 *s, const uint64_t *l1, uint64_t size, Qcow2Visit *visit, void *opaque);
/* All that snapshots use, with what describes them. */
int qcow2_walk_snapshots(Qcow2 *s, Qcow2Visit *visit, void *opaque);
/* The snapshots' L1 tables, one after the other, and the place of the table that lists them. */
typedef void Qcow2VisitSnapshot(Qcow2 *s, uint64_t l1_offset, const uint64_t *l1, uint64_t size,
                                void *opaque);
bool qcow2_snapshots_foreach(Qcow2 *s, Qcow2VisitSnapshot *visit, void *opaque, uint64_t *offset,
                             uint64_t *bytes, GError **errp);
/* Set QCOW2_COPIED where a cluster is counted once, and nowhere else. */
int qcow2_flag_tree(Qcow2 *s);
/* Count all clusters anew, of an image that is marked as dirty; it is not so any more. Nobody else
 * has it. */
bool qcow2_repair(Qcow2 *s, GError **errp);

/* The driver's check (qcow2-check.c). */
bool qcow2_check(BlockNode *node, unsigned fix, void (*tell)(const char *text), BlockCheck *check,
                 GError **errp);

/* ---- internal snapshots (qcow2-snapshot.c); no requests ---- */

bool qcow2_snapshot_create(BlockNode *node, const BlockSnapshot *snapshot, GError **errp);
bool qcow2_snapshot_delete(BlockNode *node, const char *id, GError **errp);
bool qcow2_snapshot_goto(BlockNode *node, const char *id, GError **errp);
/* Do they say what those of version 3 have to? */
bool qcow2_snapshots_are_full(Qcow2 *s, GError **errp);
bool qcow2_snapshot_load(BlockNode *node, const char *id, const char *name, GError **errp);
GPtrArray *qcow2_snapshot_list(BlockNode *node, GError **errp);
/* What is behind the disk is used no more. `lock` for writing. */
int qcow2_drop_vm_state(Qcow2 *s);
int qcow2_vm_state_write(BlockNode *node, uint64_t at, const void *buf, size_t len);
int qcow2_vm_state_read(BlockNode *node, const char *id, uint64_t at, void *buf, size_t len);

/* ---- compression ---- */

/* The driver's write_packed (qcow2-pack.c). */
int qcow2_write_packed(BlockNode *node, uint64_t offset, const void *data);

/* Unpack @in to @out, a whole cluster. EIO: it is not one. */
int qcow2_unpack(bool zstd, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len);

#endif

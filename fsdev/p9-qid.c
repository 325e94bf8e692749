/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of files. A qid has 64 bits for what on the host is an inode number, of 64 bits, and a
 * file system. With multidevs=remap the first file systems get a number that goes into the upper
 * 16 bits; an inode number that is too large for the lower 48, or of one of more file systems than
 * that, gets a number of its own, from a table.
 */
#include <errno.h>

#include "fsdev/p9-internal.h"
#include "util/error.h"

#define INODE_BITS  48
#define MAX_DEVS    0xfffe    /* 0: the shared folder's own */
#define OWN_NUMBERS 0xffffull /* upper bits of what is in the table */
#define MAX_OWN     (1u << 20)

typedef struct FileId {
    uint64_t dev, ino;
} FileId;

struct P9Qids {
    GHashTable *devs; /* dev to number */
    GHashTable *own;  /* FileId to number */
    bool warned;
};

static guint file_id_hash(gconstpointer key)
{
    const FileId *id = key;

    return g_int64_hash(&id->ino) ^ g_int64_hash(&id->dev) * 31;
}

static gboolean file_id_equal(gconstpointer a, gconstpointer b)
{
    const FileId *x = a, *y = b;

    return x->dev == y->dev && x->ino == y->ino;
}

P9Qids *p9_qids_new(void)
{
    P9Qids *qids = g_new0(P9Qids, 1);

    qids->devs = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    qids->own = g_hash_table_new_full(file_id_hash, file_id_equal, g_free, NULL);
    return qids;
}

void p9_qids_free(P9Qids *qids)
{
    g_hash_table_unref(qids->devs);
    g_hash_table_unref(qids->own);
    g_free(qids);
}

/* The file system's number; more than MAX_DEVS: it has none. */
static uint64_t dev_number(P9Server *s, uint64_t dev)
{
    gpointer number;
    guint count = g_hash_table_size(s->qids->devs);

    if (dev == s->root->dev) {
        return 0;
    }
    if (g_hash_table_lookup_extended(s->qids->devs, &dev, NULL, &number)) {
        return GPOINTER_TO_UINT(number);
    }
    if (count >= MAX_DEVS) {
        return MAX_DEVS + 1;
    }
    g_hash_table_insert(s->qids->devs, g_memdup2(&dev, sizeof(dev)), GUINT_TO_POINTER(count + 1));
    return count + 1;
}

/* 0, or ENFILE: the table is full. */
static int own_number(P9Qids *qids, const FileId *id, uint64_t *path)
{
    gpointer number;
    guint count = g_hash_table_size(qids->own);

    if (!g_hash_table_lookup_extended(qids->own, id, NULL, &number)) {
        if (count >= MAX_OWN) {
            return ENFILE;
        }
        number = GUINT_TO_POINTER(count);
        g_hash_table_insert(qids->own, g_memdup2(id, sizeof(*id)), number);
    }
    *path = OWN_NUMBERS << INODE_BITS | GPOINTER_TO_UINT(number);
    return 0;
}

static int remap(P9Server *s, const struct stat *st, uint64_t *path)
{
    uint64_t dev = dev_number(s, st->st_dev);

    if (st->st_ino >> INODE_BITS || dev > MAX_DEVS) {
        return own_number(s->qids, &(FileId){ st->st_dev, st->st_ino }, path);
    }
    *path = dev << INODE_BITS | st->st_ino;
    return 0;
}

static int check_dev(P9Server *s)
{
    if (s->dev->multidevs == FSDEV_MULTIDEVS_FORBID) {
        return ENODEV;
    }
    if (!s->qids->warned) {
        s->qids->warned = true;
        error_warn("-fsdev %s: there is more than one file system below %s, whose files may look "
                   "the same to the guest; multidevs=remap gives each a number of its own",
                   s->dev->id, s->dev->path);
    }
    return 0;
}

int p9_qid_make(P9Server *s, const struct stat *st, P9Qid *qid)
{
    *qid = (P9Qid){
        .type = S_ISDIR(st->st_mode)   ? P9_QID_DIR
                : S_ISLNK(st->st_mode) ? P9_QID_SYMLINK
                                       : P9_QID_FILE,
        .version = (uint32_t)((uint64_t)st->st_mtim.tv_sec << 8 ^ (uint64_t)st->st_size),
        .path = st->st_ino,
    };
    if (s->dev->multidevs == FSDEV_MULTIDEVS_REMAP) {
        return remap(s, st, &qid->path);
    }
    return st->st_dev == s->root->dev ? 0 : check_dev(s);
}

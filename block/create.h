/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New images. What was in the file is gone; a file that was not there is not there either if that
 * fails. Nobody else may have the file in use. Main thread, or that of a BlockCreateWatch.
 */
#ifndef BLOCK_CREATE_H
#define BLOCK_CREATE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "block/node.h"

/* What of the disk takes place on the host's from the beginning on. */
typedef enum BlockPreallocation {
    BLOCK_PREALLOCATION_OFF,
    BLOCK_PREALLOCATION_METADATA, /* clusters have their places */
    BLOCK_PREALLOCATION_FALLOC,   /* and the filesystem keeps them */
    BLOCK_PREALLOCATION_FULL,     /* zeros are written there */
} BlockPreallocation;
extern const char *const block_preallocation_names[]; /* ends with NULL */
/* By its name; NULL is off. */
bool block_preallocation_parse(const char *text, BlockPreallocation *preallocation, GError **errp);
/* Let the disk @node have @size bytes, more than its @old ones, of which the new ones are allocated
 * so. There are no requests. If it fails, for want of room most often, the image is as it was. */
bool block_grow(BlockNode *node, uint64_t old, uint64_t size, BlockPreallocation preallocation,
                GError **errp);

/* Who makes an image in a thread of its own, without the machine lock, which is taken where the
 * graph changes. */
typedef struct BlockCreateWatch BlockCreateWatch;
struct BlockCreateWatch {
    bool (*go_on)(BlockCreateWatch *watch); /* between two parts of the work. False: ECANCELED */
};

typedef struct BlockQcow2Create {
    uint64_t size;                        /* of the disk */
    const char *backing, *backing_format; /* NULL: none */
    unsigned version;                     /* 2 or 3 */
    uint64_t cluster_size;                /* 512 to 2 MiB, a power of 2 */
    unsigned refcount_bits;               /* 1 to 64, a power of 2; 16 in version 2 */
    bool lazy_refcounts, zstd;            /* not in version 2 */
    BlockPreallocation preallocation;
    BlockCreateWatch *watch; /* NULL: it is made with the machine lock */
} BlockQcow2Create;
/* All but `size` as it is where nobody says otherwise. */
#define BLOCK_QCOW2_DEFAULTS .version = 3, .cluster_size = 65536, .refcount_bits = 16

/* Can there be such an image? An error says why not. */
bool block_qcow2_possible(const BlockQcow2Create *create, GError **errp);
/* A qcow2 image in the file (or block device, which is large enough) @path. Errors: what is not
 * possible, the host's. */
bool block_create_qcow2(const char *path, const BlockQcow2Create *create, GError **errp);
/* The same in @file, a node that nobody writes to. */
bool block_create_qcow2_in_node(BlockNode *file, const BlockQcow2Create *create, GError **errp);
/* A file of @size bytes, all 0; or a block device that has as many. METADATA is an error. */
bool block_create_raw(const char *path, uint64_t size, BlockPreallocation preallocation,
                      BlockCreateWatch *watch, GError **errp);

/* Clusters that are in use before a disk has any, of an image with these numbers; its tables are as
 * large as @clusters clusters of data need them to be. */
typedef struct BlockQcow2Layout {
    uint64_t table_clusters, blocks, l1_size, l1_clusters;
} BlockQcow2Layout;
void block_qcow2_layout(const BlockQcow2Create *create, uint64_t clusters,
                        BlockQcow2Layout *layout);

/* Bytes of the host's that an image (which is possible) needs if @data bytes of the disk have
 * clusters. */
uint64_t block_qcow2_measure(const BlockQcow2Create *create, uint64_t data);

#endif

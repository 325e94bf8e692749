/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drivers of block nodes: tables. A driver without a function for something passes it to the node
 * below, if it has one.
 */
#ifndef BLOCK_DRIVER_H
#define BLOCK_DRIVER_H

#include "block/aio.h"
#include "block/check.h"
#include "block/node.h"
#include "block/status.h"

/* A request that a file's kernel may carry out by itself. */
typedef struct BlockLocation {
    AioRequest request; /* op, offset (in the node), iov and iovcnt are set; fd is found */
    uint64_t bytes;     /* of iov */
    BlockdevAioOptions aio;
} BlockLocation;

/* What is to become another one of an image. */
typedef struct BlockAmend {
    unsigned version, refcount_bits; /* 0: as it is */
    bool has_lazy, lazy;             /* refcounts */
    bool has_size;
    uint64_t size;                /* of the disk */
    const char *backing, *format; /* what it says already; NULL: nothing is said of it */
} BlockAmend;

struct BlockDriver {
    BlockdevDriver id;
    /* Options are node->options. Opens what is below it, sets node->filename and ->state. May leave
     * things behind on failure: `close` is called. */
    bool (*open)(BlockNode *node, GError **errp);
    void (*close)(BlockNode *node); /* may be NULL */
    /* What users do with it has changed: all of them together do @uses, and let others do @shares.
     * NULL: whatever is done with it, is done with the node below. */
    bool (*set_perms)(BlockNode *node, unsigned uses, unsigned shares, GError **errp);
    /* Requests: 0 or a positive errno value. Zeros and discards may say ENOTSUP: zeros are then
     * written, and discards forgotten. */
    int (*read)(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt);
    int (*write)(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                 unsigned flags);
    /* As block_node_write_packed(); NULL: nothing is compressed. */
    int (*write_packed)(BlockNode *node, uint64_t offset, const void *data);
    int (*write_zeroes)(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags);
    int (*discard)(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags);
    int (*flush)(BlockNode *node);
    /* Does it know what to do about BLOCK_FUA? NULL: no, and it is never given that. */
    bool (*can_fua)(BlockNode *node);
    /* Where in a file the bytes of a read or write are, as they are, or what a flush is of: @at,
     * which block_node_locate() has checked. False: only read, write and flush above know. Any
     * thread that may make requests; it does not wait. NULL: false. */
    bool (*locate)(BlockNode *node, BlockLocation *at);
    /* Read without waiting, of what there is in memory. False: that is not all, and @iov may have
     * anything now. Threads as of locate. NULL: false. */
    bool (*read_now)(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt);
    /* What there is in [@offset, @offset + @bytes), which lies within the node, from its beginning
     * on: more may be said than was asked for. NULL: what the node below has, or, if that is of
     * another length, data. */
    int (*status)(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status);
    int64_t (*length)(BlockNode *node); /* or a negative errno value */
    int (*truncate)(BlockNode *node, uint64_t size);
    int64_t (*allocated)(BlockNode *node);
    uint64_t (*cluster_size)(BlockNode *node); /* bytes; NULL: it has no clusters */
    /* node->read_only, ->direct and so on are others now: work by them, or go on by those of
     * before. There are no requests. NULL: nothing depends on them. */
    bool (*reopen)(BlockNode *node, GError **errp);
    /* Internal snapshots; NULL: there are none. There are no requests. A snapshot is found by its
     * id or, if none has it, its name. The machine's state belongs to the snapshot that is made
     * next, and is read of one that is there. */
    bool (*snapshot_create)(BlockNode *node, const BlockSnapshot *snapshot, GError **errp);
    bool (*snapshot_delete)(BlockNode *node, const char *id, GError **errp);
    bool (*snapshot_goto)(BlockNode *node, const char *id, GError **errp);
    GPtrArray *(*snapshot_list)(BlockNode *node, GError **errp); /* of SnapshotInfo */
    /* As block_snapshot_load(). */
    bool (*snapshot_load)(BlockNode *node, const char *id, const char *name, GError **errp);
    int (*vm_state_write)(BlockNode *node, uint64_t at, const void *buf, size_t len);
    int (*vm_state_read)(BlockNode *node, const char *id, uint64_t at, void *buf, size_t len);
    /* As block_check(); NULL: nothing can be wrong. */
    bool (*check)(BlockNode *node, unsigned fix, void (*tell)(const char *text), BlockCheck *check,
                  GError **errp);
    /* What there is to tell of the image; NULL: nothing. */
    void (*tell)(BlockNode *node, ImageInfo *info);
    /* Let the image name another backing file; NULL: it has none. */
    bool (*set_backing_name)(BlockNode *node, const char *name, const char *format, GError **errp);
    /* Let the image be so, or nothing changes; there are no requests. NULL: nothing can be amended.
     */
    bool (*amend)(BlockNode *node, const BlockAmend *amend, GError **errp);
    /* Another program may have changed what is below: read it again (block/activate.h). Nothing of
     * the node changes on failure. NULL: the driver knows nothing of the contents. */
    bool (*activate)(BlockNode *node, GError **errp);
    /* Another program may read it from now on: leave it as that finds it best. NULL: it is so. */
    int (*inactivate)(BlockNode *node);
    /* Let what is below have what is kept until nobody writes any more. There are no requests.
     * NULL: there is nothing. */
    int (*settle)(BlockNode *node);
    /* May it keep a new bitmap of that name? NULL: it keeps none. */
    bool (*bitmap_possible)(BlockNode *node, const char *name, uint32_t granularity, GError **errp);
    /* Keep it no more. There are no requests. */
    bool (*bitmap_remove)(BlockNode *node, const char *name, GError **errp);
    bool filter;  /* what it has, and what is written to it, is that of the node below */
    bool injects; /* the same, but for errors that it makes: none are for us */
    bool moves;   /* another node may come in the place of the one below */
    bool stays;   /* what it knows does not go along when its images go to another machine */
};

/* Write a whole cluster of the driver's at @offset, compressed if that makes it shorter. What is
 * beyond the end of the node is not written. ENOTSUP: it compresses nothing. */
int block_node_write_packed(BlockNode *node, uint64_t offset, const void *data);
/* Bytes of such a cluster, and otherwise those that are written as a whole; 0: it has none. */
uint64_t block_node_cluster_size(BlockNode *node);

/* For can_fua, of drivers that give the node below the flags that they are given. */
bool block_node_can_fua_below(BlockNode *node);

/* The driver's locate, if nothing is to be done about the request here. */
bool block_node_locate(BlockNode *node, BlockLocation *at);
/* The driver's read_now. */
bool block_node_read_now(BlockNode *node, uint64_t offset, const struct iovec *iov,
                         unsigned iovcnt);

/* Known from now on; before main(). */
void block_driver_register(const BlockDriver *driver);
#define BLOCK_DRIVER_REGISTER(driver)                                \
    static void __attribute__((constructor)) driver##_register(void) \
    {                                                                \
        block_driver_register(&driver);                              \
    }

#endif

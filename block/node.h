/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block nodes: a graph of images. Each node has a driver (block/driver.h) and a name; those with
 * nodes below them use them over an edge, as devices and drives use the node at the top
 * (block/backend.h). An edge says what its user does, and what others may do meanwhile: two that do
 * not go together are refused when the second one comes.
 *
 * The graph belongs to the main thread with the machine lock. Requests are carried out by threads
 * of a pool, which go down the graph by plain calls: nothing of a node changes while it has some.
 */
#ifndef BLOCK_NODE_H
#define BLOCK_NODE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "qapi/qapi-types.h"

#define BLOCK_SECTOR   512
#define BLOCK_MAX_SIZE (INT64_MAX - BLOCK_SECTOR) /* bytes of a node */

/* What an edge's user does, or lets others do. The numbers are those of the places in files that
 * are locked for them (block/file-lock.h). */
enum {
    BLOCK_PERM_READ = 1 << 0,
    BLOCK_PERM_WRITE = 1 << 1,
    BLOCK_PERM_SAME = 1 << 2, /* write what is there already */
    BLOCK_PERM_RESIZE = 1 << 3,
    BLOCK_PERM_ALL = (1 << 4) - 1,
};

/* What is written about an internal snapshot. */
typedef struct BlockSnapshot {
    const char *name;
    int64_t date_ns, clock_ns; /* when it was: host's real time, the machine's clock */
    uint64_t vm_state_size;    /* bytes of the machine's state that were written; 0: none */
} BlockSnapshot;

typedef struct BlockDriver BlockDriver;
typedef struct BlockNode BlockNode;

typedef struct BlockEdge {
    BlockNode *node; /* that is used: a reference; NULL: none */
    BlockNode *from; /* the node that uses it, or NULL */
    char *user;      /* for messages: "device 'd0'" */
    unsigned uses, shares;
    bool stays; /* it does not go along when users of its node get another one */
    bool live;  /* to a backing file which a job may write to meanwhile: it knows where */
} BlockEdge;

/* Who wants to know of each write to a node, whoever makes it: also of zeros and discards, but not
 * of changes of its size. Threads of the pool call it, several at once. */
typedef struct BlockWriteHook BlockWriteHook;
struct BlockWriteHook {
    /* Before [@offset, @offset + @bytes) changes; may wait. An error, a positive errno value, is
     * that of the write, which is then not made. NULL: it has nothing to do before. */
    int (*before)(BlockWriteHook *hook, uint64_t offset, uint64_t bytes);
    /* It has changed, or, with an error, may have in parts. Called if all have agreed before;
     * before whoever wrote is told. NULL: nothing. */
    void (*after)(BlockWriteHook *hook, uint64_t offset, uint64_t bytes, int err);
};

struct BlockNode {
    char *name;
    const BlockDriver *driver;
    BlockdevOptions *options; /* as it was made */
    bool read_only, unmap, direct, no_flush;
    BlockdevDetectZeroesOptions detect_zeroes;
    bool implicit;      /* a part of a drive: who names that means the node below it */
    bool listed;        /* the user's, until blockdev-del: that is a reference */
    bool may_wait;      /* what its making waits for, it may wait for in a task */
    unsigned refs;      /* edges to it, and that */
    BlockEdge file;     /* to the node below */
    BlockEdge backing;  /* and to the one that has what is not in this one; formats with backing */
    BlockEdge target;   /* and to the one that gets what was in this one; copy-before-write */
    GPtrArray *edges;   /* of BlockEdge: who uses it; borrowed */
    GPtrArray *hooks;   /* of BlockWriteHook, borrowed; NULL: nobody wants to know of writes */
    const char *busy;   /* by what: a job has it for itself, borrowed; NULL: nothing */
    GPtrArray *readers; /* of char, borrowed: jobs that copy it; NULL: none */
    char *filename;     /* of the file at the bottom */
    void *state;        /* the driver's */
    uint64_t write_threshold; /* atomic: 0: none */
    /* block/dirty-bitmap.c's: */
    GMutex bitmaps_mutex;
    GPtrArray *bitmaps; /* of BlockDirtyBitmap, the newest first; NULL: there were none yet */
    unsigned recording; /* those that are enabled; atomic */
};

/* ---- making ---- */

/* Make the node that @options describes, which has to have a name, and those below whose options
 * are there too. Nothing is left if it fails. In a task, a server is waited for without the
 * machine lock. Borrowed. */
BlockNode *block_node_add(const BlockdevOptions *options, GError **errp);
/* The same without a name needed, for one user: a reference. */
BlockNode *block_node_open(const BlockdevOptions *options, GError **errp);
void block_node_unref(BlockNode *node); /* NULL is fine */
/* Undo block_node_add(). Errors: none such, in use, no user's. */
bool block_node_del(const char *name, GError **errp);

/* Borrowed; an error lists the nodes that there are. */
BlockNode *block_node_find(const char *name, GError **errp);
/* May a new node be called @name? Errors: too long, a node or a drive is called so: who names one
 * of them means one image. */
bool block_node_check_name(const char *name, GError **errp);
/* The file whose bytes those of @node are, all of them; borrowed. NULL: there is none. */
const char *block_node_plain_file(const BlockNode *node);
/* Call @fn for each, in the order of their making. */
void block_node_foreach(void (*fn)(BlockNode *node, void *opaque), void *opaque);
/* The other way around: those above come before those below. */
void block_node_foreach_down(void (*fn)(BlockNode *node, void *opaque), void *opaque);

/* ---- edges ---- */

/* Use @node over @edge, which is empty, for @user. Errors: read-only, somebody uses it in a way
 * that does not go together with that, a file that another program uses. */
bool block_edge_attach(BlockEdge *edge, BlockNode *node, const char *user, unsigned uses,
                       unsigned shares, GError **errp);
/* Harmless if it is empty. */
void block_edge_detach(BlockEdge *edge);
/* For drivers: the node below @node, which @ref names or describes, by @edge, which is node->file,
 * ->backing or ->target, with no uses yet. @key is how users call it. Main thread. */
bool block_node_open_below(BlockNode *node, BlockEdge *edge, struct json_object *ref,
                           const char *key, GError **errp);
/* For drivers' set_perms: @edge has these uses from now on, or an error. */
bool block_edge_change(BlockEdge *edge, unsigned uses, unsigned shares, GError **errp);

/* From now on, or no longer, @hook is told of writes to @node. There are no requests
 * (block_hold_all()). */
void block_node_add_hook(BlockNode *node, BlockWriteHook *hook);
void block_node_remove_hook(BlockNode *node, BlockWriteHook *hook);
/* An error if a job has @node for itself. */
bool block_node_check_readable(const BlockNode *node, GError **errp);
/* An error if a job has @node, whose place, size and contents as a whole are then its. */
bool block_node_check_idle(const BlockNode *node, GError **errp);

/* An error if one of its users does not let others change its size. */
bool block_node_check_resize(const BlockNode *node, GError **errp);

/* ---- for block/activate.c, reopen.c and snapshot.c ---- */

/* Is @node @top, or below it? */
bool block_node_is_below(const BlockNode *top, const BlockNode *node);
/* Let @edge, which is empty, lead from @from to @node, with no uses yet: permissions do not change.
 */
void block_edge_link(BlockEdge *edge, BlockNode *from, BlockNode *node);
/* Let @edge lead to @node instead. Follow it with block_node_update_perms() of both. */
void block_edge_move(BlockEdge *edge, BlockNode *node);
/* Take node->read_only and so on from @options, whose driver is the node's. */
void block_node_set_flags(BlockNode *node, const BlockdevOptions *options);
BlockdevOptions *block_options_copy(const BlockdevOptions *options);
/* Is an option that names or describes a node given as null, or empty: no node? */
bool block_ref_is_none(struct json_object *ref);

/* May nodes be written? If not, files are only read, and kept from nobody. Changes when there are
 * no requests. */
bool block_node_is_active(void);
/* Follow it with block_node_update_perms() of each node. */
void block_node_set_active(bool active);
bool block_node_update_perms(BlockNode *node, GError **errp);

/* ---- requests: threads of the pool, or nobody else uses the node; they wait ---- */

/* What there is to say of a write, of zeros, or of a discard. */
enum {
    BLOCK_UNMAP =
        1 << 0,         /* zeros: the place may go back to the host, if the node's options let it */
    BLOCK_FUA = 1 << 1, /* done when it is on the disk, without a flush: block_node_can_fua() */
    BLOCK_FAST = 1 << 2, /* zeros: ENOTSUP where they take as long as bytes; then what was there may
                            have changed */
};

/* 0 or a positive errno value. [@offset, @offset + bytes of @iov) may be anywhere below
 * BLOCK_MAX_SIZE: zeros are read beyond the end, and a write there makes the node longer, or fails.
 * Nothing is written to nodes that are not active: EPERM. */
int block_node_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt);
int block_node_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                     unsigned flags);
int block_node_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags);
int block_node_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags);
int block_node_flush(BlockNode *node);
/* May BLOCK_FUA be said of it? */
bool block_node_can_fua(BlockNode *node);
/* The same of plain memory. */
int block_node_pread(BlockNode *node, uint64_t offset, void *buf, size_t len);
int block_node_pwrite(BlockNode *node, uint64_t offset, const void *buf, size_t len);

/* Send BLOCK_WRITE_THRESHOLD, once, when what is beyond @threshold is written; 0: never. There are
 * no requests. */
void block_node_set_write_threshold(BlockNode *node, uint64_t threshold);
/* For node-io.c: something that ends at @end is written. */
void block_node_check_threshold(BlockNode *node, uint64_t end);

/* Bytes; or a negative errno value. */
int64_t block_node_length(BlockNode *node);
/* No requests are there. 0 or a positive errno value. */
int block_node_truncate(BlockNode *node, uint64_t size);
/* Bytes that it takes on the host's disk, or negative: nobody knows. */
int64_t block_node_allocated(BlockNode *node);

#endif

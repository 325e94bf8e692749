/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Backends: what a device has its requests carried out by. One has a node at the top of a graph,
 * perhaps the name of a -drive, statistics, and what is to be done about errors.
 *
 * Requests are asynchronous: threads of a pool carry them out, in any order, and a loop tells the
 * device: the main loop, with the machine lock, or the one that the device's queues run on. That
 * one has the lock of the device instead, and hands requests that failed to the main loop.
 * Everything here is called with the machine lock but for what says that it may be called from the
 * loop.
 */
#ifndef BLOCK_BACKEND_H
#define BLOCK_BACKEND_H

#include "block/latency.h"
#include "block/node.h"
#include "block/throttle-group.h"
#include "util/loop.h"

typedef enum BlockOp {
    BLOCK_READ,
    BLOCK_WRITE,
    BLOCK_FLUSH,
    BLOCK_DISCARD,
    BLOCK_WRITE_ZEROES,
    BLOCK_CALL, /* what `call` does */
} BlockOp;
#define BLOCK_OP_COUNT 6

typedef struct BlockBackend BlockBackend;
typedef struct BlockRequest BlockRequest;

/* Its memory, and what @iov points to, are the caller's until `done` is called. */
struct BlockRequest {
    BlockOp op;
    uint64_t offset, bytes; /* of reads and writes: those of @iov */
    const struct iovec *iov;
    unsigned iovcnt;
    bool unmap;     /* BLOCK_WRITE_ZEROES: the place may go back to the host */
    bool fast;      /* BLOCK_WRITE_ZEROES: ENOTSUP if it takes as long as a write */
    bool and_flush; /* all that changes something: done when it is on the host's disk */
    int (*call)(BlockNode *node, BlockRequest *request); /* BLOCK_CALL: as those of block/node.h */
    void (*done)(BlockRequest *request);
    void *opaque;
    int error; /* for `done`: 0 or a positive errno value */
    /* block/backend.c's */
    BlockBackend *backend;
    GList link; /* in the list in which it is now, if any */
    int64_t start_ns, end_ns;
    ThrottleWaiter waiter;
    bool limits_passed;         /* it has waited for the backend's limits, */
    const BlockNode *throttled; /* and for those of the throttle nodes above this one */
    bool flushing;              /* `and_flush`, in the host's kernel: it is written */
};

/* Kinds of requests whose latencies are counted by themselves; zeros are writes. */
typedef enum BlockLatency {
    BLOCK_LATENCY_READ,
    BLOCK_LATENCY_WRITE,
    BLOCK_LATENCY_FLUSH,
} BlockLatency;
#define BLOCK_LATENCY_COUNT 3

typedef struct BlockStatistics {
    uint64_t operations[BLOCK_OP_COUNT], bytes[BLOCK_OP_COUNT], failed[BLOCK_OP_COUNT],
        invalid[BLOCK_OP_COUNT];
    int64_t ns[BLOCK_OP_COUNT];
    uint64_t written_end; /* of the highest byte that was written */
} BlockStatistics;

/* What a device is told. Each may be NULL. */
typedef struct BlockBackendOps {
    void (*resized)(void *opaque); /* its size has changed. Machine lock */
    /* Before and after `done` is called of some requests. In the loop, or with the machine lock,
     * and both may be at it at once: what the two share is the device's to lock. */
    void (*begin)(void *opaque);
    void (*end)(void *opaque);
    const struct BlockTrayOps *tray; /* of one whose medium can be removed (block/medium.h) */
} BlockBackendOps;

struct BlockBackend {
    char *name; /* of -drive; NULL: made for a device, of a node */
    BlockEdge edge;
    ThrottleMember *limits; /* NULL: none; changes when there are no requests */
    ThrottleOrigin limits_origin;
    BlockdevOnError on_read_error, on_write_error;
    bool writable;
    bool exported;     /* an export has it (block/export.h), and no device */
    bool shrunk;       /* requests may be older than its size */
    bool empty;        /* it has no medium: its node fails whatever is asked (block/medium.h) */
    bool writethrough; /* cache=writethrough, directsync: what a device begins with */
    char *device;      /* path of the device that has it; NULL: none */
    const BlockBackendOps *ops; /* the device's; NULL: there is none */
    void *opaque;
    Loop *loop;            /* that tells the device; never NULL */
    bool failed, no_space; /* how the last request went that was reported */
    /* Requests that the host's kernel has (block/backend-aio.h). The loop's; of the main loop,
     * machine lock. */
    struct AioQueue *aio; /* NULL: there was none yet */
    GSource *aio_watch;
    unsigned aio_pending;
    bool aio_failed;  /* there can be no queue */
    bool aio_waiting; /* some were added, and not submitted */
    /* Under the mutex: */
    GMutex mutex;
    GCond ended;
    unsigned waiters; /* for that */
    BlockStatistics stats;
    LatencyHistogram *latencies[BLOCK_LATENCY_COUNT]; /* NULL: they are not counted */
    unsigned pending; /* requests whose `done` was not called, but for those held back */
    GQueue done;      /* requests that the pool is through with */
    GQueue failures;  /* those of them that failed, of a loop: for the main loop */
    bool scheduled, failures_scheduled; /* the loop, the main loop will look there */
    bool held;                          /* block_hold_all() */
    GQueue held_back;                   /* requests that came meanwhile */
};

/* May a new drive be called @name? Errors: a drive or a block node is called so. */
bool block_backend_check_name(const char *name, GError **errp);
/* A backend with @name (NULL: none), for @node (whose reference it takes, also on failure). Errors:
 * as block_backend_check_name() has them. */
BlockBackend *block_backend_new(const char *name, BlockNode *node, GError **errp);
/* The one that is called @name; or, for a node of that name, a new one without name. Errors: none
 * such, a device has it. */
BlockBackend *block_backend_get(const char *name, GError **errp);
/* Take it for the device at @path, which writes to it unless @read_only; others may write to its
 * nodes too if @share. Errors as block_edge_attach() has them. One without a name is gone then. */
bool block_backend_take(BlockBackend *backend, const char *path, bool read_only, bool share,
                        GError **errp);
/* Take it, which has no name, for an export, that @user names in messages; others may do with its
 * nodes whatever they like. It is gone if that fails. */
bool block_backend_take_for_export(BlockBackend *backend, const char *user, bool read_only,
                                   GError **errp);
/* Let it have @node in place of its own, while the device goes on. Errors: it has no medium, a job
 * has one of the two, others use them in a way that does not go together with that. */
bool block_backend_set_node(BlockBackend *backend, BlockNode *node, GError **errp);
/* From now on @loop, the main loop or another one, tells the device by @ops with @opaque. Instead
 * of the main loop a thread with the machine lock may do it, while the main loop sleeps. */
void block_backend_connect(BlockBackend *backend, Loop *loop, const BlockBackendOps *ops,
                           void *opaque);
/* It has no name from now on, and goes with its device; at once if it has none. */
void block_backend_forget(BlockBackend *backend);
/* The device is through with it, and has no requests pending. Goes if it has no name. */
void block_backend_release(BlockBackend *backend);
/* The device at @path is about to go for good: drives of it, and of devices within it, go too. */
void block_backend_leave(const char *path);
/* Call @fn for each. */
void block_backend_foreach(void (*fn)(BlockBackend *backend, void *opaque), void *opaque);
/* The one called @name, or NULL. */
BlockBackend *block_backend_find(const char *name);

/* Its node, and the bytes that a device sees: whole sectors. */
static inline BlockNode *block_backend_node(const BlockBackend *backend)
{
    return backend->edge.node;
}
/* What commands that name the drive mean: its node, or what is below nodes that are a part of it.
 */
static inline BlockNode *block_backend_image(const BlockBackend *backend)
{
    BlockNode *node = backend->edge.node;

    while (node->implicit) {
        node = node->file.node;
    }
    return node;
}
uint64_t block_backend_size(BlockBackend *backend);

/* Let it have @config, with the other members of this group; without any limit it is in none. An
 * error if they do not go together. */
bool block_backend_set_limits(BlockBackend *backend, const ThrottleConfig *config,
                              const char *group, GError **errp);

/* Carry @request out, which lies within the disk; where that has become smaller since the device
 * looked, it fails with EIO. True: that was quick, it is done, without an
 * error, and `done` is not called. Else that is called later, never from here. From the loop, too,
 * as the next. */
bool block_submit(BlockBackend *backend, BlockRequest *request);
/* After some of those: none of them waits for others to be submitted with. */
void block_submitted(BlockBackend *backend);
/* Count a request that made no sense, and was not submitted. From the loop, too. */
void block_count_invalid(BlockBackend *backend, BlockOp op);
/* Wait until no request is pending, which ends, and have `done` called of each. A device on a loop
 * of its own submits none meanwhile. */
void block_drain(BlockBackend *backend);
/* The same of all backends; and none has requests until block_resume_all(): those that devices on
 * loops of their own submit meanwhile wait. For changes of the graph. May be nested: the outermost
 * counts. */
void block_hold_all(void);
void block_resume_all(void);
/* What there is now. */
BlockStatistics block_backend_statistics(BlockBackend *backend);

/* Count from now on in @histogram, which is taken, or, NULL, nowhere. */
void block_backend_set_latency(BlockBackend *backend, BlockLatency kind,
                               LatencyHistogram *histogram);
/* What was counted, the caller's; NULL: it is not. */
LatencyHistogram *block_backend_latency(BlockBackend *backend, BlockLatency kind);

/* What to do about @request's error, by rerror= and werror=: REPORT, IGNORE or STOP. Sends
 * BLOCK_IO_ERROR. */
BlockErrorAction block_error_action(const BlockRequest *request);

/* block_resize. Errors: no such, in use, exported, the host refuses. */
bool block_resize(BlockNode *node, uint64_t size, GError **errp);

/* The program ends: everything written goes to the host's disk, and files are closed. */
void block_finish(void);

#endif

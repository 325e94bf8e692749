/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that the host's kernel carries out by itself: io_uring (by liburing) and Linux AIO (by
 * libaio). A queue belongs to one thread, or to whoever holds a lock.
 */
#ifndef BLOCK_AIO_H
#define BLOCK_AIO_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "qapi/qapi-types.h"

typedef enum AioOp { AIO_READ, AIO_WRITE, AIO_FLUSH } AioOp;

/* One request. What @iov points to stays until it has ended. */
typedef struct AioRequest {
    AioOp op;
    int fd;
    uint64_t offset;         /* in the file */
    const struct iovec *iov; /* not of flushes */
    unsigned iovcnt;
    void *token; /* by which its end is known; not NULL */
} AioRequest;

typedef struct AioQueue AioQueue;

/* What kinds do. */
typedef struct AioOps {
    BlockdevAioOptions kind;
    const char *hint;             /* for an error: why it may not be there */
    int (*new)(AioQueue **queue); /* 0 or a positive errno value */
    void (*free)(AioQueue *queue);
    int (*fd)(const AioQueue *queue);
    bool (*add)(AioQueue *queue, const AioRequest *request);
    void (*submit)(AioQueue *queue);
    void *(*reap)(AioQueue *queue, int *result);
    void (*wait)(AioQueue *queue);
} AioOps;
struct AioQueue {
    const AioOps *ops;
};
extern const AioOps aio_uring, aio_native;

/* Can this host do it? @kind is not THREADS. Errors say why not. Any thread. */
bool aio_is_there(BlockdevAioOptions kind, GError **errp);
/* A queue without requests. Errors: as above, no more memory or files. */
AioQueue *aio_queue_new(BlockdevAioOptions kind, GError **errp);
/* No request is left. NULL is fine. */
void aio_queue_free(AioQueue *queue);

/* Add a request, which aio_queue_submit() gives to the kernel together with others, or which goes
 * at once. False: there is no room now, and nothing has changed. */
bool aio_queue_add(AioQueue *queue, const AioRequest *request);
void aio_queue_submit(AioQueue *queue);
/* The token of one that has ended; *@result is the bytes that were read or written, or a negative
 * errno value. NULL: none has. */
void *aio_queue_reap(AioQueue *queue, int *result);
/* Wait until one has ended; there are some, and they were submitted. */
void aio_queue_wait(AioQueue *queue);
/* It can be read from when one has ended: for poll(). */
int aio_queue_fd(const AioQueue *queue);

#endif

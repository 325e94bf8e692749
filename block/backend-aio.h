/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of a backend that need no thread, for backend.c: what the host has in its page cache,
 * and what its kernel carries out by itself (block/aio.h). In the backend's loop; if that is the
 * main loop, with the machine lock.
 */
#ifndef BLOCK_BACKEND_AIO_H
#define BLOCK_BACKEND_AIO_H

#include "block/backend.h"
#include "util/trace.h"

typedef enum BackendAio {
    BACKEND_AIO_NO,      /* a thread has to do it */
    BACKEND_AIO_STARTED, /* backend_request_ended() will be called */
    BACKEND_AIO_DONE,
} BackendAio;

/* Start @r. */
BackendAio backend_aio_start(BlockBackend *backend, BlockRequest *r);
/* Those that were started are the kernel's from now on. */
void backend_aio_submit(BlockBackend *backend);
/* Wait until one that was started ends; there are some. */
void backend_aio_wait(BlockBackend *backend);
/* None is under way: forget the queue. */
void backend_aio_end(void *backend);

/* backend.c has these: @r ended with @err, 0 or a positive errno value, and will be told of by
 * backend_tell(); a thread has to do it. */
void backend_request_ended(BlockRequest *r, int err);
void backend_request_by_thread(BlockRequest *r);
void backend_tell(BlockBackend *backend);
/* @event is of @r, which is under way: its backend is there. */
void backend_trace(TraceEvent event, const BlockRequest *r);

#endif

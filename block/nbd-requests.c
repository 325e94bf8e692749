/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of the NBD server's clients. */
#include <errno.h>
#include <string.h>

#include "block/iov.h"
#include "block/nbd-connection.h"
#include "block/nbd-protocol.h"
#include "block/status.h"
#include "util/bytes.h"
#include "util/units.h"

#define HEADER      28
#define SIMPLE      16 /* bytes of a reply's header */
#define CHUNK       20
#define MAX_EXTENTS 512
#define EXTENT      8          /* bytes of one */
#define MAX_MEMORY  (32 * MIB) /* of a connection; one request may be beyond */
#define RANGE       (32 * MIB) /* of a request without data that is carried out at a time, so */
                               /* that a change of the graph does not wait long */
#define CACHE       (1 * MIB)  /* the same of CACHE */
#define MAX_RUNNING 32         /* of all clients: the pool's other threads are the guest's */

typedef struct NbdRequest {
    BlockRequest block;
    NbdConnection *connection; /* a reference */
    unsigned command, flags;
    uint64_t cookie, offset;
    uint32_t length;
    uint64_t done; /* bytes of it; for those that are carried out in pieces */
    bool started;  /* block/backend.h has it, or has had */
    int error;
    struct iovec iov;
    uint8_t *data; /* READ, WRITE; BLOCK_STATUS: extents of the contexts, one after the other */
    unsigned extents[NBD_CONTEXT_MAX];
} NbdRequest;

/* Requests that are being carried out, of all connections, and those that wait for others to end.
 */
static GMutex slots_mutex;
static unsigned slots_taken;
static GQueue slots_wanted = G_QUEUE_INIT;

static void on_header(NbdConnection *c);
static void look(void *opaque);

static void request_free(NbdRequest *r)
{
    g_free(r->data);
    nbd_connection_unref(r->connection);
    g_free(r);
}

static bool has_memory(const NbdRequest *r)
{
    return r->command == NBD_CMD_READ || r->command == NBD_CMD_WRITE;
}

bool nbd_requests_have_room(const NbdConnection *c)
{
    return c->requests < NBD_MAX_REQUESTS && c->memory < MAX_MEMORY;
}

/* ---- replies ---- */

/* What went out belongs to the request, which is over. */
static void sent(void *opaque)
{
    NbdRequest *r = opaque;
    NbdConnection *c = r->connection;

    c->requests--;
    c->memory -= has_memory(r) ? r->length : 0;
    request_free(r);
}

static uint32_t wire_error(int err)
{
    switch (err) {
    case EPERM:
    case EROFS:
        return 1;
    case ENOMEM:
        return 12;
    case EINVAL:
    case EACCES: /* snapshot-access: the protocol has no such error */
        return 22;
    case ENOSPC:
    case EFBIG:
    case EDQUOT:
        return 28;
    case EOVERFLOW:
        return 75;
    case ENOTSUP:
        return 95;
    default:
        return 5;
    }
}

static void put_chunk(NbdRequest *r, unsigned flags, unsigned type, const void *head,
                      size_t head_len, size_t data_len)
{
    uint8_t *out = g_malloc(CHUNK + head_len);

    bytes_put_be(out, NBD_STRUCTURED_MAGIC, 4);
    bytes_put_be(out + 4, flags, 2);
    bytes_put_be(out + 6, type, 2);
    bytes_put_be(out + 8, r->cookie, 8);
    bytes_put_be(out + 16, head_len + data_len, 4);
    if (head_len) {
        memcpy(out + CHUNK, head, head_len);
    }
    nbd_connection_send(r->connection, out, CHUNK + head_len);
}

static void put_read_chunk(NbdRequest *r)
{
    uint8_t head[12];

    bytes_put_be(head, r->offset, 8);
    bytes_put_be(head + 8, r->length, 4);
    if (!(r->flags & NBD_CMD_FLAG_DF) && iov_is_zero(&r->iov, 1)) {
        put_chunk(r, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_OFFSET_HOLE, head, 12, 0);
        nbd_connection_send_shared(r->connection, r->data, 0, sent, r);
    } else {
        put_chunk(r, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_OFFSET_DATA, head, 8, r->length);
        nbd_connection_send_shared(r->connection, r->data, r->length, sent, r);
    }
}

static void put_status_chunks(NbdRequest *r)
{
    NbdConnection *c = r->connection;
    uint32_t left = c->contexts;
    const uint8_t *data = r->data;

    for (unsigned i = 0; left; i++) {
        size_t len = (size_t)r->extents[i] * EXTENT;
        uint8_t id[4];

        if (!(left & UINT32_C(1) << i)) {
            continue;
        }
        left &= ~(UINT32_C(1) << i);
        bytes_put_be(id, i + 1, 4);
        put_chunk(r, left ? 0 : NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_BLOCK_STATUS, id, 4, len);
        nbd_connection_send(c, g_memdup2(data, len), len);
        data += (size_t)MAX_EXTENTS * EXTENT;
    }
    nbd_connection_send_shared(c, r->data, 0, sent, r);
}

static void put_structured(NbdRequest *r)
{
    uint8_t error[6] = { 0 };

    if (r->error) {
        bytes_put_be(error, wire_error(r->error), 4);
        put_chunk(r, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_ERROR, error, sizeof(error), 0);
        nbd_connection_send_shared(r->connection, NULL, 0, sent, r);
    } else if (r->command == NBD_CMD_READ && r->length) {
        put_read_chunk(r);
    } else if (r->command == NBD_CMD_BLOCK_STATUS) {
        put_status_chunks(r);
    } else {
        put_chunk(r, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_NONE, NULL, 0, 0);
        nbd_connection_send_shared(r->connection, NULL, 0, sent, r);
    }
}

static void put_simple(NbdRequest *r)
{
    uint8_t *out = g_malloc(SIMPLE);
    bool data = r->command == NBD_CMD_READ && !r->error;

    bytes_put_be(out, NBD_SIMPLE_MAGIC, 4);
    bytes_put_be(out + 4, r->error ? wire_error(r->error) : 0, 4);
    bytes_put_be(out + 8, r->cookie, 8);
    nbd_connection_send(r->connection, out, SIMPLE);
    nbd_connection_send_shared(r->connection, r->data, data ? r->length : 0, sent, r);
}

/* It is over: the client hears of it, if it is still there. */
static void answer(NbdRequest *r, int err)
{
    NbdConnection *c = r->connection;

    r->error = err;
    if (c->fd < 0) {
        sent(r);
    } else if (c->structured) {
        put_structured(r);
    } else {
        put_simple(r);
    }
}

/* ---- what is where: in a thread of the pool ---- */

static uint32_t flags_of(unsigned context, const BlockStatus *status)
{
    if (context == NBD_CONTEXT_DEPTH) {
        return status->allocated ? status->depth + 1 : 0;
    }
    return (status->data ? 0 : NBD_STATE_HOLE) | (status->zero ? NBD_STATE_ZERO : 0);
}

/* What is to be told of @offset, and for how many of @bytes that goes. */
static int find_extent(BlockNode *node, const BlockExport *export, unsigned context,
                       uint64_t offset, uint64_t *bytes, uint32_t *flags)
{
    uint64_t at = offset, marked;
    BlockStatus status;
    int err;

    if (context < NBD_CONTEXT_BITMAP) {
        err = block_status_chain(node, NULL, offset, *bytes, &status);
        *bytes = err ? 0 : status.bytes;
        *flags = err ? 0 : flags_of(context, &status);
        return err;
    }
    if (block_dirty_bitmap_next(export->bitmaps->pdata[context - NBD_CONTEXT_BITMAP], &at,
                                offset + *bytes, UINT64_MAX, &marked)) {
        *flags = at == offset ? NBD_STATE_DIRTY : 0;
        *bytes = at == offset ? marked : at - offset;
    } else {
        *flags = 0;
    }
    return 0;
}

/* Extents of one context to @out, at most MAX_EXTENTS; how many. */
static int find_extents(BlockNode *node, const NbdRequest *r, unsigned context, uint8_t *out,
                        unsigned *count)
{
    uint64_t offset = r->offset, end = r->offset + r->length;
    unsigned max = r->flags & NBD_CMD_FLAG_REQ_ONE ? 1 : MAX_EXTENTS;
    uint64_t bytes = 0; /* of the last one */
    uint32_t flags = 0;

    *count = 0;
    while (offset < end) {
        uint64_t piece = end - offset;
        uint32_t now;
        int err = find_extent(node, r->connection->export, context, offset, &piece, &now);

        if (err) {
            return err;
        }
        if (!*count || now != flags) {
            if (*count == max) {
                return 0;
            }
            ++*count;
            bytes = 0;
            flags = now;
        }
        bytes += piece;
        offset += piece;
        bytes_put_be(out + (*count - 1) * EXTENT, bytes, 4);
        bytes_put_be(out + (*count - 1) * EXTENT + 4, flags, 4);
    }
    return 0;
}

static int find_status(BlockNode *node, BlockRequest *block)
{
    NbdRequest *r = block->opaque;
    uint8_t *out = r->data;
    int err = 0;

    for (unsigned i = 0; !err && i < NBD_CONTEXT_MAX; i++) {
        if (r->connection->contexts & UINT32_C(1) << i) {
            err = find_extents(node, r, i, out, &r->extents[i]);
            out += (size_t)MAX_EXTENTS * EXTENT;
        }
    }
    return err;
}

/* Read, so that the host has it in its page cache. */
static int find_in_advance(BlockNode *node, BlockRequest *block)
{
    g_autofree void *data = g_try_malloc(block->bytes);

    return data ? block_node_pread(node, block->offset, data, block->bytes) : ENOMEM;
}

/* ---- carrying out ---- */

static void free_slot(void)
{
    NbdRequest *next;

    g_mutex_lock(&slots_mutex);
    slots_taken--;
    next = g_queue_pop_head(&slots_wanted);
    slots_taken += next ? 1 : 0;
    if (next) { /* within the mutex: nbd_requests_forget() finds it, or the loop has the call */
        NbdConnection *c = next->connection;

        g_mutex_lock(&c->mutex);
        next->block.error = 0;
        g_queue_push_tail(&c->ended, next);
        if (!c->called) {
            c->called = true;
            loop_call(c->loop, look, nbd_connection_ref(c));
        }
        g_mutex_unlock(&c->mutex);
    }
    g_mutex_unlock(&slots_mutex);
}

static bool take_slot(NbdRequest *r)
{
    bool taken;

    g_mutex_lock(&slots_mutex);
    taken = slots_taken < MAX_RUNNING;
    if (taken) {
        slots_taken++;
    } else {
        g_queue_push_tail(&slots_wanted, r);
    }
    g_mutex_unlock(&slots_mutex);
    return taken;
}

/* Another thread may be at it: only what is locked. */
static void on_done(BlockRequest *block)
{
    NbdRequest *r = block->opaque;
    NbdConnection *c = r->connection;

    g_mutex_lock(&c->mutex);
    g_queue_push_tail(&c->ended, r);
    if (!c->called) {
        c->called = true;
        loop_call(c->loop, look, nbd_connection_ref(c));
    }
    g_mutex_unlock(&c->mutex);
}

/* Its next piece. */
static void prepare(NbdRequest *r)
{
    BlockRequest *b = &r->block;
    const BlockExport *e = r->connection->export;
    uint64_t left = r->length - r->done;

    *b = (BlockRequest){ .done = on_done, .opaque = r, .offset = r->offset + r->done };
    b->and_flush = r->flags & NBD_CMD_FLAG_FUA || (e->writethrough && e->writable);
    switch (r->command) {
    case NBD_CMD_READ:
    case NBD_CMD_WRITE:
        b->op = r->command == NBD_CMD_READ ? BLOCK_READ : BLOCK_WRITE;
        b->and_flush = b->and_flush && b->op == BLOCK_WRITE;
        b->iov = &r->iov;
        b->iovcnt = 1;
        b->bytes = r->length;
        break;
    case NBD_CMD_FLUSH:
        b->op = BLOCK_FLUSH;
        b->and_flush = false;
        break;
    case NBD_CMD_TRIM:
        b->op = BLOCK_DISCARD;
        b->bytes = MIN(left, RANGE);
        break;
    case NBD_CMD_WRITE_ZEROES:
        b->op = BLOCK_WRITE_ZEROES;
        b->unmap = !(r->flags & NBD_CMD_FLAG_NO_HOLE);
        b->fast = r->flags & NBD_CMD_FLAG_FAST_ZERO;
        b->bytes = MIN(left, RANGE);
        break;
    default:
        b->op = BLOCK_CALL;
        b->and_flush = false;
        b->call = r->command == NBD_CMD_CACHE ? find_in_advance : find_status;
        b->bytes = r->command == NBD_CMD_CACHE ? MIN(left, CACHE) : r->length;
        break;
    }
}

/* A piece has ended, well or not. False: there is another one, which is started. */
static bool is_over(NbdRequest *r)
{
    r->done += r->block.bytes;
    return r->block.error || r->done >= r->length || r->command == NBD_CMD_FLUSH ||
           r->connection->fd < 0;
}

/* It has a slot. False: it is over. */
static bool starts(NbdRequest *r)
{
    do {
        prepare(r);
        if (!block_submit(r->connection->export->backend, &r->block)) {
            return true;
        }
        r->block.error = 0;
    } while (!is_over(r));
    return false;
}

static void start(NbdRequest *r)
{
    BlockBackend *backend = r->connection->export->backend;

    if (!take_slot(r)) {
        return;
    }
    r->started = true;
    if (!starts(r)) {
        free_slot();
        answer(r, 0);
    }
    block_submitted(backend);
}

/* In the loop: requests have ended, or have a slot. */
static void look(void *opaque)
{
    NbdConnection *c = opaque;
    NbdRequest *r;
    GQueue ended;

    g_mutex_lock(&c->mutex);
    ended = c->ended;
    g_queue_init(&c->ended);
    c->called = false;
    g_mutex_unlock(&c->mutex);
    while ((r = g_queue_pop_head(&ended))) {
        bool over = r->started ? is_over(r) : c->fd < 0;

        r->started = true;
        if (over || !starts(r)) {
            int err = r->block.error;

            free_slot();
            answer(r, err);
        }
    }
    if (c->fd >= 0) {
        block_submitted(c->export->backend);
        nbd_connection_go_on(c);
    }
    nbd_connection_unref(c);
}

void nbd_requests_forget(NbdConnection *c)
{
    GQueue mine = G_QUEUE_INIT;
    NbdRequest *r;

    g_mutex_lock(&slots_mutex);
    for (GList *item = slots_wanted.head, *next; item; item = next) {
        next = item->next;
        r = item->data;
        if (r->connection == c) {
            g_queue_delete_link(&slots_wanted, item);
            g_queue_push_tail(&mine, r);
        }
    }
    g_mutex_unlock(&slots_mutex);
    while ((r = g_queue_pop_head(&mine))) {
        sent(r);
    }
    if (c->incoming) {
        sent(g_steal_pointer(&c->incoming));
    }
}

/* ---- what clients send ---- */

/* Flags that each kind of request may have. */
static const unsigned known_flags[] = {
    [NBD_CMD_READ] = NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_DF,
    [NBD_CMD_WRITE] = NBD_CMD_FLAG_FUA,
    [NBD_CMD_FLUSH] = NBD_CMD_FLAG_FUA,
    [NBD_CMD_TRIM] = NBD_CMD_FLAG_FUA,
    [NBD_CMD_CACHE] = NBD_CMD_FLAG_FUA,
    [NBD_CMD_WRITE_ZEROES] = NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO,
    [NBD_CMD_BLOCK_STATUS] = NBD_CMD_FLAG_REQ_ONE,
};

static bool changes(unsigned command)
{
    return command == NBD_CMD_WRITE || command == NBD_CMD_TRIM || command == NBD_CMD_WRITE_ZEROES;
}

/* 0, or why it is refused. */
static int check(const NbdRequest *r)
{
    const NbdConnection *c = r->connection;
    uint64_t size = MIN(c->size, c->export->size); /* it may have become shorter */

    if (r->command >= G_N_ELEMENTS(known_flags) || r->flags & ~known_flags[r->command] ||
        (r->flags & NBD_CMD_FLAG_DF && !c->structured)) {
        return EINVAL;
    }
    if (r->command == NBD_CMD_FLUSH) {
        return 0;
    }
    if (changes(r->command) && !c->export->writable) {
        return EPERM;
    }
    if (r->offset > size || r->length > size - r->offset) {
        return changes(r->command) ? ENOSPC : EINVAL;
    }
    if (r->command == NBD_CMD_READ && r->length > NBD_MAX_PAYLOAD) {
        return EOVERFLOW;
    }
    return r->command == NBD_CMD_BLOCK_STATUS && (!c->contexts || !r->length) ? EINVAL : 0;
}

/* All of it is there. */
static void run(NbdRequest *r)
{
    int err = check(r);

    if (!err && r->command == NBD_CMD_BLOCK_STATUS) {
        r->data =
            g_malloc((size_t)__builtin_popcount(r->connection->contexts) * MAX_EXTENTS * EXTENT);
    } else if (!err && r->command == NBD_CMD_READ) {
        r->data = g_try_malloc(MAX(r->length, 1));
        err = r->data ? 0 : ENOMEM;
    }
    r->iov = (struct iovec){ r->data, r->length };
    if (err || (!r->length && r->command != NBD_CMD_FLUSH)) {
        answer(r, err);
    } else {
        start(r);
    }
}

static void on_data(NbdConnection *c)
{
    run(g_steal_pointer(&c->incoming));
    if (c->fd >= 0) {
        nbd_connection_expect(c, c->small, HEADER, on_header);
    }
}

static NbdRequest *request_new(NbdConnection *c)
{
    NbdRequest *r = g_new0(NbdRequest, 1);

    r->connection = nbd_connection_ref(c);
    r->flags = bytes_get_be16(c->small + 4);
    r->command = bytes_get_be16(c->small + 6);
    r->cookie = bytes_get_be64(c->small + 8);
    r->offset = bytes_get_be64(c->small + 16);
    r->length = bytes_get_be32(c->small + 24);
    c->requests++;
    c->memory += has_memory(r) ? r->length : 0;
    return r;
}

/* A write's data are taken whatever is wrong with it, but not more than there may be. */
static void on_header(NbdConnection *c)
{
    NbdRequest *r;

    if (bytes_get_be32(c->small) != NBD_REQUEST_MAGIC ||
        bytes_get_be16(c->small + 6) == NBD_CMD_DISC) {
        c->last = true;
        return;
    }
    r = request_new(c);
    if (r->command == NBD_CMD_WRITE && r->length) {
        r->data = r->length <= NBD_MAX_PAYLOAD ? g_try_malloc(r->length) : NULL;
        c->last = !r->data;
        c->incoming = r;
        nbd_connection_expect(c, r->data, r->length, on_data);
    } else {
        run(r);
        if (c->fd >= 0) {
            nbd_connection_expect(c, c->small, HEADER, on_header);
        }
    }
}

void nbd_requests_begin(NbdConnection *c)
{
    nbd_connection_expect(c, c->small, HEADER, on_header);
}

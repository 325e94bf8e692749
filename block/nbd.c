/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver "nbd": an export of a server (docs/nbd.md). The connection is in nbd-client.c. */
#include <errno.h>
#include <string.h>

#include "block/driver.h"
#include "block/iov.h"
#include "block/nbd-client.h"
#include "block/nbd-uri.h"
#include "crypto/tls-creds.h"
#include "chardev/socket-address.h"
#include "util/error.h"
#include "util/units.h"

#define MAX_NAME 4096      /* bytes of an export's name, as the protocol has it */
#define PIECE    (4 * MIB) /* of a request whose memory has to be copied */
#define RANGE    (1 * GIB) /* zeros and discards at a time: their length has 32 bits */

typedef struct NbdState {
    NbdClient *client;
    TlsCreds *tls; /* NULL: none */
    GRWLock lock; /* for writing: something is read, changed and written, as it is no whole block */
} NbdState;

/* ---- opening ---- */

static bool check_options(const BlockdevOptionsNbd *options, GError **errp)
{
    const SocketAddress *server = options->server;
    const char *host = server->type == SOCKET_ADDRESS_TYPE_INET ? server->u.inet->host : NULL;

    if (options->tls_hostname && !options->tls_creds) {
        error_set(errp, "tls-hostname goes with tls-creds");
        return false;
    }
    if (options->tls_hostname && g_strcmp0(options->tls_hostname, host) != 0) {
        error_set(errp,
                  "tls-hostname=%s: libnbd looks in the certificate for the name by which it "
                  "connects: server.host has to be that",
                  options->tls_hostname);
        return false;
    }
    if (options->export && strlen(options->export) > MAX_NAME) {
        error_set(errp, "export= is longer than %d bytes", MAX_NAME);
        return false;
    }
    return true;
}

/* Certificates have the server's name: libnbd connects by it, and looks for it there. */
static bool set_tls(NbdTarget *target, const TlsCreds *tls, GError **errp)
{
    target->tls = tls_creds_client_config(tls, errp);
    target->by_name = target->tls && target->tls->certificates && target->place->host;
    if (target->by_name && (target->place->ipv4 || target->place->ipv6 || target->place->mptcp)) {
        error_set(errp, "ipv4, ipv6 and mptcp do not go with certificates: libnbd looks up the "
                        "server's name by itself");
        return false;
    }
    return target->tls;
}

static NbdTarget *target_of(const BlockNode *node, const TlsCreds *tls, GError **errp)
{
    const BlockdevOptionsNbd *options = node->options->u.nbd;
    g_autoptr(NbdTarget) target = g_new0(NbdTarget, 1);

    target->place = g_new0(SocketPlace, 1);
    if (!socket_place_set(target->place, options->server, errp) ||
        !socket_place_check(target->place, errp)) {
        return NULL;
    }
    target->place->nodelay = target->place->client_only = true;
    target->export = g_strdup(options->export ? options->export : "");
    target->context = g_strdup(options->x_dirty_bitmap);
    target->label = g_strdup(node->filename);
    target->read_only = node->read_only;
    target->auto_read_only = node->options->auto_read_only;
    target->delay = options->reconnect_delay;
    target->first_delay = options->open_timeout;
    target->may_wait = node->may_wait;
    if (tls && !set_tls(target, tls, errp)) {
        return NULL;
    }
    return g_steal_pointer(&target);
}

static bool nbd_open(BlockNode *node, GError **errp)
{
    const BlockdevOptionsNbd *options = node->options->u.nbd;
    NbdState *s = node->state = g_new0(NbdState, 1);
    NbdTarget *target;

    g_rw_lock_init(&s->lock);
    if (!check_options(options, errp)) {
        return false;
    }
    node->filename = nbd_uri_of(options);
    if (options->tls_creds && !(s->tls = tls_creds_get(options->tls_creds, false, errp))) {
        return false;
    }
    target = target_of(node, s->tls, errp);
    s->client = target ? nbd_client_new(target, errp) : NULL;
    if (!s->client) {
        return false;
    }
    node->read_only |= nbd_client_export(s->client)->read_only;
    return true;
}

static void nbd_close_node(BlockNode *node)
{
    NbdState *s = node->state;

    nbd_client_free(s->client);
    tls_creds_unref(s->tls);
    g_rw_lock_clear(&s->lock);
    g_free(s);
}

/* A server that lets nobody write, does not later. */
static bool nbd_reopen(BlockNode *node, GError **errp)
{
    const NbdState *s = node->state;

    if (nbd_client_export(s->client)->read_only && !node->read_only) {
        if (!node->options->auto_read_only) {
            error_set(errp, "%s: the export can only be read", node->filename);
            return false;
        }
        node->read_only = true;
    }
    return true;
}

/* Other programs are the server's to keep out. */
static bool nbd_set_perms(BlockNode *node, unsigned uses, unsigned shares, GError **errp)
{
    return true;
}

/* ---- reads and writes ---- */

/* [@offset, @offset + @len) of the export: whole blocks, at most the largest payload. */
static int transfer(const NbdState *s, NbdOp op, uint64_t offset, void *buf, size_t len,
                    unsigned flags)
{
    NbdCommand command = { .op = op, .offset = offset, .bytes = len, .buf = buf };

    command.fua = flags & BLOCK_FUA;
    return nbd_client_run(s->client, &command);
}

static bool is_aligned(const NbdState *s, uint64_t offset, uint64_t bytes)
{
    return ((offset | bytes) & (nbd_client_export(s->client)->align - 1)) == 0;
}

/* Blocks that [@offset, @offset + @len) touches, by memory of our own. */
static int transfer_around(NbdState *s, bool write, uint64_t offset, const struct iovec *iov,
                           unsigned iovcnt, size_t skip, size_t len, unsigned flags)
{
    const NbdExport *e = nbd_client_export(s->client);
    uint64_t begin = offset & ~(e->align - 1);
    uint64_t end = MIN((offset + len + e->align - 1) & ~(e->align - 1), e->size);
    g_autofree uint8_t *buf = g_try_malloc0(end - begin);
    int err = buf ? 0 : ENOMEM;

    if (!err && (!write || !is_aligned(s, offset, len))) {
        err = transfer(s, NBD_OP_READ, begin, buf, end - begin, 0);
    }
    if (!err && write) {
        iov_to_buf(iov, iovcnt, skip, buf + (offset - begin), len);
        err = transfer(s, NBD_OP_WRITE, begin, buf, end - begin, flags);
    } else if (!err) {
        iov_from_buf(iov, iovcnt, skip, buf + (offset - begin), len);
    }
    return err;
}

/* [@skip, @skip + @len) of @iov. */
static int move(NbdState *s, bool write, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                size_t skip, size_t len, unsigned flags)
{
    const NbdExport *e = nbd_client_export(s->client);
    size_t max = iovcnt == 1 ? e->max_payload : MIN(e->max_payload, PIECE);
    bool aligned = is_aligned(s, offset, len);
    int err = 0;

    /* A piece that is not aligned touches one block more at most. */
    max = aligned || max <= 2 * e->align ? max : max - 2 * e->align;
    while (!err && len) {
        size_t piece = MIN(len, max);

        if (iovcnt == 1 && aligned) {
            err = transfer(s, write ? NBD_OP_WRITE : NBD_OP_READ, offset,
                           (uint8_t *)iov->iov_base + skip, piece, flags);
        } else {
            err = transfer_around(s, write, offset, iov, iovcnt, skip, piece, flags);
        }
        offset += piece;
        skip += piece;
        len -= piece;
    }
    return err;
}

static int nbd_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    NbdState *s = node->state;
    uint64_t size = nbd_client_export(s->client)->size;
    size_t bytes = iov_size(iov, iovcnt), inside = offset < size ? MIN(bytes, size - offset) : 0;

    iov_clear(iov, iovcnt, inside);
    return move(s, false, offset, iov, iovcnt, 0, inside, 0);
}

static int nbd_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                     unsigned flags)
{
    NbdState *s = node->state;
    uint64_t size = nbd_client_export(s->client)->size;
    size_t bytes = iov_size(iov, iovcnt);
    bool whole = is_aligned(s, offset, bytes);
    int err;

    if (offset > size || bytes > size - offset) {
        return ENOSPC;
    }
    if (whole) {
        g_rw_lock_reader_lock(&s->lock);
    } else {
        g_rw_lock_writer_lock(&s->lock);
    }
    err = move(s, true, offset, iov, iovcnt, 0, bytes, flags);
    if (whole) {
        g_rw_lock_reader_unlock(&s->lock);
    } else {
        g_rw_lock_writer_unlock(&s->lock);
    }
    return err;
}

/* ---- the rest ---- */

/* Zeros and discards of whole blocks. */
static int range(BlockNode *node, NbdOp op, uint64_t offset, uint64_t bytes, unsigned flags)
{
    NbdState *s = node->state;
    uint64_t size = nbd_client_export(s->client)->size;
    int err = 0;

    if (offset > size || bytes > size - offset) {
        return ENOSPC;
    }
    g_rw_lock_reader_lock(&s->lock);
    while (!err && bytes) {
        NbdCommand command = {
            .op = op, .offset = offset, .bytes = MIN(bytes, RANGE), .unmap = flags & BLOCK_UNMAP
        };

        command.fua = flags & BLOCK_FUA;
        command.fast = flags & BLOCK_FAST;
        err = nbd_client_run(s->client, &command);
        offset += command.bytes;
        bytes -= command.bytes;
    }
    g_rw_lock_reader_unlock(&s->lock);
    return err == EOPNOTSUPP ? ENOTSUP : err;
}

static int nbd_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    const NbdState *s = node->state;
    const NbdExport *e = nbd_client_export(s->client);

    if (!e->can_zero || (flags & BLOCK_FAST && !e->can_fast_zero) ||
        !is_aligned(s, offset, bytes)) {
        return ENOTSUP;
    }
    return range(node, NBD_OP_ZERO, offset, bytes, flags);
}

/* What is no whole block stays. */
static int nbd_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    const NbdState *s = node->state;
    const NbdExport *e = nbd_client_export(s->client);
    uint64_t begin = (offset + e->align - 1) & ~(e->align - 1);
    uint64_t end = (offset + bytes) & ~(e->align - 1);

    if (!e->can_trim) {
        return ENOTSUP;
    }
    return begin < end ? range(node, NBD_OP_TRIM, begin, end - begin, flags | BLOCK_UNMAP) : 0;
}

static int nbd_flush_node(BlockNode *node)
{
    const NbdState *s = node->state;
    NbdCommand command = { .op = NBD_OP_FLUSH };

    return nbd_client_export(s->client)->can_flush ? nbd_client_run(s->client, &command) : 0;
}

static bool nbd_can_fua_node(BlockNode *node)
{
    const NbdState *s = node->state;

    return nbd_client_export(s->client)->can_fua;
}

static int nbd_status(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status)
{
    const NbdState *s = node->state;
    const NbdExport *e = nbd_client_export(s->client);
    uint64_t begin = offset & ~(e->align - 1);
    uint64_t end = MIN((offset + bytes + e->align - 1) & ~(e->align - 1), e->size);
    NbdCommand command = {
        .op = NBD_OP_STATUS, .offset = begin, .bytes = MIN(end - begin, RANGE), .status = status
    };
    int err;

    *status = (BlockStatus){ .data = true };
    err = e->can_status ? nbd_client_run(s->client, &command) : 0;
    if (!err && status->bytes <= offset - begin) { /* it said nothing */
        status->data = true;
        status->zero = false;
        status->bytes = bytes;
    } else {
        status->bytes -= offset - begin;
    }
    status->allocated = status->has_at = true;
    status->at = offset;
    status->filename = node->filename;
    return err;
}

static int64_t nbd_length(BlockNode *node)
{
    const NbdState *s = node->state;

    return (int64_t)nbd_client_export(s->client)->size;
}

/* The size is the server's. */
static int nbd_truncate(BlockNode *node, uint64_t size)
{
    return size > (uint64_t)nbd_length(node) ? ENOTSUP : 0;
}

static int64_t nbd_allocated(BlockNode *node)
{
    return -ENOTSUP;
}

static const BlockDriver nbd_driver = {
    .id = BLOCKDEV_DRIVER_NBD,
    .open = nbd_open,
    .close = nbd_close_node,
    .reopen = nbd_reopen,
    .set_perms = nbd_set_perms,
    .read = nbd_read,
    .write = nbd_write,
    .write_zeroes = nbd_write_zeroes,
    .discard = nbd_discard,
    .flush = nbd_flush_node,
    .can_fua = nbd_can_fua_node,
    .status = nbd_status,
    .length = nbd_length,
    .truncate = nbd_truncate,
    .allocated = nbd_allocated,
};
BLOCK_DRIVER_REGISTER(nbd_driver)

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "memory/ram-block.h"
#include "migration/multifd.h"
#include "util/error.h"

typedef struct ReceiveChannel {
    MultifdReceive *receive;
    Channel channel;
    Stream *stream; /* its thread's, but for stream_cancel() */
    GThread *thread;
    MultifdPacker *packer; /* its thread's */
} ReceiveChannel;

struct MultifdReceive {
    Stream *main;
    unsigned count;
    ReceiveChannel *channels;

    GMutex lock; /* of the rest */
    GCond changed;
    uint64_t allowed; /* syncs that the main stream has had: what comes after them may be read */
    uint64_t next;    /* the number of the one that is to come */
    unsigned reached; /* channels that have had the next one */
    unsigned ended;   /* channels that have come to their end */
    bool cancelled;
    bool finished; /* the main stream has come to its end */
    GError *err;   /* the first one */
};

/* ---- all wait for each other ---- */

/* With the lock. */
static bool check(const MultifdReceive *r, GError **errp)
{
    if (r->cancelled) {
        if (r->err) {
            g_propagate_error(errp, g_error_copy(r->err));
        } else {
            error_set(errp, "it was cancelled");
        }
    }
    return !r->cancelled;
}

static void cancel_all(MultifdReceive *r)
{
    r->cancelled = true;
    stream_cancel(r->main);
    for (unsigned i = 0; i < r->count; i++) {
        if (r->channels[i].stream) {
            stream_cancel(r->channels[i].stream);
        }
    }
    g_cond_broadcast(&r->changed);
}

/* A channel has had @number syncs: go on when the main stream has, too. */
static bool wait_allowed(MultifdReceive *r, uint64_t number, GError **errp)
{
    bool ok;

    g_mutex_lock(&r->lock);
    r->reached += number > 0;
    g_cond_broadcast(&r->changed);
    while ((ok = check(r, errp)) && r->allowed <= number && !r->finished) {
        g_cond_wait(&r->changed, &r->lock);
    }
    if (ok && r->allowed <= number) {
        error_set(errp, "sync %" PRIu64 " did not come over the first connection", number);
        ok = false;
    }
    g_mutex_unlock(&r->lock);
    return ok;
}

static bool read_number(const Record *record, uint64_t wanted, GError **errp)
{
    uint64_t number;

    if (record->size != sizeof(number)) {
        error_set(errp, "a sync has %zu bytes instead of %zu", record->size, sizeof(number));
        return false;
    }
    memcpy(&number, record->data, sizeof(number));
    if (number != wanted) {
        error_set(errp, "sync %" PRIu64 " comes where %" PRIu64 " must", number, wanted);
        return false;
    }
    return true;
}

bool multifd_receive_sync(MultifdReceive *r, const Record *record, GError **errp)
{
    bool ok;

    g_mutex_lock(&r->lock);
    ok = read_number(record, r->next, errp);
    /* Number 0 comes over this one alone. */
    while (ok && (ok = check(r, errp)) && r->next && r->reached < r->count) {
        if (r->ended) {
            error_set(errp, "a connection has ended before sync %" PRIu64, r->next);
            ok = false;
        } else {
            g_cond_wait(&r->changed, &r->lock);
        }
    }
    if (ok) {
        r->reached = 0;
        r->next++;
        r->allowed++;
        g_cond_broadcast(&r->changed);
    }
    g_mutex_unlock(&r->lock);
    return ok;
}

/* ---- a channel's thread ---- */

/* *@syncs: how many it has had. */
static bool take_record(ReceiveChannel *c, Record *record, const GPtrArray *blocks, uint64_t *syncs,
                        GError **errp)
{
    switch (record->kind) {
    case RECORD_PACKED:
        return multifd_unpack(c->packer, record, errp) && ram_load(blocks, record, errp);
    case RECORD_RAM:
        return ram_load(blocks, record, errp);
    case RECORD_SYNC:
        return read_number(record, ++*syncs, errp) && wait_allowed(c->receive, *syncs, errp);
    case RECORD_END:
        return true;
    default:
        error_set(errp, "a record of kind %u does not belong here", record->kind);
        return false;
    }
}

static bool read_all(ReceiveChannel *c, GError **errp)
{
    g_autoptr(GPtrArray) blocks = NULL;
    Record record = { 0 };
    uint64_t syncs = 0;

    /* Until then it is not known that this is the same machine. */
    if (!stream_get_header(c->stream, errp) || !wait_allowed(c->receive, 0, errp)) {
        return false;
    }
    blocks = ram_blocks_list_used();
    while (record.kind != RECORD_END) {
        if (!stream_get_record(c->stream, &record, errp) ||
            !take_record(c, &record, blocks, &syncs, errp)) {
            return false;
        }
    }
    return true;
}

static gpointer channel_thread(gpointer opaque)
{
    ReceiveChannel *c = opaque;
    MultifdReceive *r = c->receive;
    GError *err = NULL;
    bool ok = read_all(c, &err);

    g_mutex_lock(&r->lock);
    r->ended++;
    if (!ok && !r->cancelled) {
        channel_explain(&c->channel, &err);
        r->err = g_steal_pointer(&err);
        g_prefix_error(&r->err, "multifd: connection %u: ", (unsigned)(c - r->channels) + 1);
        cancel_all(r);
    }
    g_cond_broadcast(&r->changed);
    g_mutex_unlock(&r->lock);
    g_clear_error(&err);
    return NULL;
}

/* ---- life ---- */

void multifd_receive_free(MultifdReceive *r)
{
    if (!r) {
        return;
    }
    for (unsigned i = 0; i < r->count; i++) {
        ReceiveChannel *c = &r->channels[i];

        stream_free(c->stream);
        channel_close(&c->channel, NULL);
        multifd_packer_free(c->packer);
    }
    g_free(r->channels);
    g_clear_error(&r->err);
    g_mutex_clear(&r->lock);
    g_cond_clear(&r->changed);
    g_free(r);
}

static void join(MultifdReceive *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        g_clear_pointer(&r->channels[i].thread, g_thread_join);
    }
}

MultifdReceive *multifd_receive_new(Arrivals *arrivals, unsigned channels, Stream *main,
                                    GError **errp)
{
    MultifdReceive *r = g_new0(MultifdReceive, 1);
    bool ok = true;

    r->main = main;
    r->count = channels;
    r->channels = g_new0(ReceiveChannel, channels);
    g_mutex_init(&r->lock);
    g_cond_init(&r->changed);
    for (unsigned i = 0; i < channels; i++) {
        ReceiveChannel *c = &r->channels[i];

        c->receive = r;
        c->channel.listener = -1;
        arrivals_take(arrivals, i + 1, &c->channel);
        c->stream = stream_new(channel_take_fd(&c->channel));
        c->packer = multifd_packer_new(MULTI_FD_COMPRESSION_NONE, 0);
    }
    for (unsigned i = 0; ok && i < channels; i++) {
        ReceiveChannel *c = &r->channels[i];
        c->thread = g_thread_try_new("multifd", channel_thread, c, errp);
        ok = c->thread;
    }
    if (!ok) {
        multifd_receive_cancel(r);
        join(r);
        multifd_receive_free(r);
        return NULL;
    }
    return r;
}

void multifd_receive_cancel(MultifdReceive *r)
{
    g_mutex_lock(&r->lock);
    cancel_all(r);
    g_mutex_unlock(&r->lock);
}

bool multifd_receive_finish(MultifdReceive *r, bool ok, GError **errp)
{
    g_mutex_lock(&r->lock);
    r->finished = true;
    if (!ok && !r->cancelled) {
        cancel_all(r);
    }
    g_cond_broadcast(&r->changed);
    g_mutex_unlock(&r->lock);
    join(r);
    if (r->err) { /* it was the first, so what the main stream says is a consequence */
        g_clear_error(errp);
        g_propagate_error(errp, g_steal_pointer(&r->err));
        ok = false;
    } else if (ok) {
        ok = check(r, errp);
    }
    return ok;
}

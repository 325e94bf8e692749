/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdatomic.h>

#include "migration/hello.h"
#include "migration/multifd.h"
#include "util/error.h"
#include "util/machine-lock.h"

typedef struct Extent {
    uint64_t page, count;
} Extent;

/* Pages of a block, or with @block NULL a record of the kind @kind. */
typedef struct Job {
    RamSource *source;
    const RamBlock *block;
    GArray *extents; /* of Extent, in order */
    RecordKind kind;
} Job;

typedef struct SendChannel {
    MultifdSend *send;
    Channel channel;
    Stream *stream; /* its thread's, but for stream_cancel(), _bytes() and _set_limit() */
    GThread *thread;
    bool busy; /* with the lock: it has the job */
    Job job;
    /* its thread's */
    GByteArray *out;
    MultifdPacker *packer;
} SendChannel;

struct MultifdSend {
    MultifdConfig config; /* uri: a copy */
    Stream *main;
    uint64_t round; /* the caller's thread's */
    SendChannel channels[ARRIVALS_MAX];

    GMutex lock; /* of what follows, of busy, and of each channel's tls and stream */
    GCond changed;
    bool cancelled, ended;
    uint64_t limit;
    GError *err; /* the first one */
};

/* ---- a channel's thread ---- */

/* The same form as a RECORD_RAM of migration/ram.c. */
static bool send_pages(SendChannel *c, GError **errp)
{
    const Job *job = &c->job;
    const Extent *first = &g_array_index(job->extents, Extent, 0);
    uint64_t offset = first->page * RAM_PAGE, next = first->page;
    size_t packed;

    g_byte_array_set_size(c->out, 0);
    g_byte_array_append(c->out, (const uint8_t *)&offset, sizeof(offset));
    for (unsigned i = 0; i < job->extents->len; i++) {
        const Extent *extent = &g_array_index(job->extents, Extent, i);

        ram_put_gap(extent->page - next, c->out);
        ram_put_runs(job->source, job->block, extent->page, extent->count, c->out);
        next = extent->page + extent->count;
    }
    const uint8_t *less = multifd_pack(c->packer, c->out->data, c->out->len, &packed);
    return less ? stream_put_record(c->stream, RECORD_PACKED, job->block->name, less, packed, errp)
                : stream_put_record(c->stream, RECORD_RAM, job->block->name, c->out->data,
                                    c->out->len, errp);
}

static bool do_job(SendChannel *c, GError **errp)
{
    if (c->job.block) {
        return send_pages(c, errp);
    }
    if (c->job.kind == RECORD_END) {
        return stream_put_end(c->stream, false, errp);
    }
    return stream_put_record(c->stream, RECORD_SYNC, "", &c->send->round, sizeof(c->send->round),
                             errp);
}

/* With the lock. */
static void cancel_all(MultifdSend *send)
{
    send->cancelled = true;
    stream_cancel(send->main);
    for (unsigned i = 0; i < send->config.channels; i++) {
        if (send->channels[i].stream) {
            stream_cancel(send->channels[i].stream);
        }
    }
    g_cond_broadcast(&send->changed);
}

/* With the lock: @err, which is taken, of the channel @c is why all fails, if nothing was before.
 */
static void fail(MultifdSend *send, const SendChannel *c, GError *err)
{
    if (!send->cancelled) {
        channel_explain(&c->channel, &err);
        send->err = err;
        g_prefix_error(&send->err, "multifd: ");
        cancel_all(send);
    } else {
        g_error_free(err);
    }
}

static gpointer channel_thread(gpointer opaque)
{
    SendChannel *c = opaque;
    MultifdSend *send = c->send;
    GError *err = NULL;
    bool more = stream_put_header(c->stream, &err);

    g_mutex_lock(&send->lock);
    while (more) {
        while (!c->busy && !send->cancelled) {
            g_cond_wait(&send->changed, &send->lock);
        }
        if (send->cancelled) {
            break;
        }
        g_mutex_unlock(&send->lock);
        more = do_job(c, &err);
        bool last = !c->job.block && c->job.kind == RECORD_END;
        g_mutex_lock(&send->lock);
        c->busy = false;
        g_cond_broadcast(&send->changed);
        more = more && !last;
    }
    if (err) {
        fail(send, c, err);
    }
    g_mutex_unlock(&send->lock);
    return NULL;
}

/* ---- beginning ---- */

MultifdSend *multifd_send_new(const MultifdConfig *config, Stream *main)
{
    MultifdSend *send = g_new0(MultifdSend, 1);

    send->config = *config;
    send->config.uri = g_strdup(config->uri);
    send->config.tls = config->tls ? tls_setup_ref(config->tls) : NULL;
    send->main = main;
    g_mutex_init(&send->lock);
    g_cond_init(&send->changed);
    for (unsigned i = 0; i < config->channels; i++) {
        SendChannel *c = &send->channels[i];

        c->send = send;
        c->channel = (Channel){ .fd = -1, .listener = -1 };
        c->out = g_byte_array_new();
        c->packer = multifd_packer_new(config->method, config->level);
        c->job.extents = g_array_new(FALSE, FALSE, sizeof(Extent));
    }
    return send;
}

static bool connect_one(SendChannel *c, const uint8_t *id, unsigned index, GError **errp)
{
    MultifdSend *send = c->send;
    Channel channel;

    if (!channel_open_out(&channel, send->config.uri, NULL, errp)) {
        return false;
    }
    machine_lock();
    c->channel = channel;
    machine_unlock();
    if ((send->config.tls && !channel_secure(&c->channel, send->config.tls, errp)) ||
        !hello_send(c->channel.fd, id, index, send->config.channels, errp)) {
        return false;
    }
    g_mutex_lock(&send->lock);
    c->stream = stream_new(channel_take_fd(&c->channel));
    stream_set_total(c->stream, send->main);
    stream_set_limit(c->stream, send->limit ? MAX(send->limit / send->config.channels, 1) : 0);
    bool cancelled = send->cancelled;
    g_mutex_unlock(&send->lock);
    if (cancelled) {
        error_set(errp, "it was cancelled");
        return false;
    }
    c->thread = g_thread_try_new("multifd", channel_thread, c, errp);
    return c->thread;
}

bool multifd_send_connect(MultifdSend *send, int fd, GError **errp)
{
    uint8_t id[HELLO_ID];

    hello_make_id(id);
    if (!hello_send(fd, id, 0, send->config.channels, errp)) {
        return false;
    }
    for (unsigned i = 0; i < send->config.channels; i++) {
        if (!connect_one(&send->channels[i], id, i + 1, errp)) {
            g_prefix_error(errp, "multifd: connection %u: ", i + 1);
            return false;
        }
    }
    return true;
}

/* ---- rounds ---- */

/* With the lock: false with an error if it was cancelled, or one failed. */
static bool check(const MultifdSend *send, GError **errp)
{
    if (send->cancelled) {
        if (send->err) {
            g_propagate_error(errp, g_error_copy(send->err));
        } else {
            error_set(errp, "it was cancelled");
        }
    }
    return !send->cancelled;
}

/* A channel that has nothing to do; NULL with an error. It is not given to others. */
static SendChannel *idle_channel(MultifdSend *send, GError **errp)
{
    SendChannel *found = NULL;

    g_mutex_lock(&send->lock);
    while (!found && check(send, errp)) {
        for (unsigned i = 0; !found && i < send->config.channels; i++) {
            found = send->channels[i].busy ? NULL : &send->channels[i];
        }
        if (!found) {
            g_cond_wait(&send->changed, &send->lock);
        }
    }
    g_mutex_unlock(&send->lock);
    return found;
}

static void start(SendChannel *c)
{
    g_mutex_lock(&c->send->lock);
    c->busy = true;
    g_cond_broadcast(&c->send->changed);
    g_mutex_unlock(&c->send->lock);
}

static bool wait_idle(MultifdSend *send, GError **errp)
{
    bool ok = true, busy = true;

    g_mutex_lock(&send->lock);
    while (busy && (ok = check(send, errp))) {
        busy = false;
        for (unsigned i = 0; i < send->config.channels; i++) {
            busy |= send->channels[i].busy;
        }
        if (busy) {
            g_cond_wait(&send->changed, &send->lock);
        }
    }
    g_mutex_unlock(&send->lock);
    return ok;
}

static bool send_block(MultifdSend *send, RamSource *source, unsigned n, GError **errp)
{
    uint64_t page = 0, count;
    SendChannel *c = NULL;
    uint64_t pages = 0;

    while (!atomic_load_explicit(&source->stop, memory_order_relaxed) &&
           ram_source_next(source, n, &page, &count)) {
        Extent extent = { page, count };
        Extent *last = NULL;

        if (!c) {
            c = idle_channel(send, errp);
            if (!c) {
                return false;
            }
            g_array_set_size(c->job.extents, 0);
            c->job.source = source;
            c->job.block = source->blocks->pdata[n];
            pages = 0;
        }
        if (c->job.extents->len) {
            last = &g_array_index(c->job.extents, Extent, c->job.extents->len - 1);
        }
        if (last && last->page + last->count == page) {
            last->count += count;
        } else {
            g_array_append_val(c->job.extents, extent);
        }
        pages += count;
        page += count;
        if (pages + RAM_NEXT_MAX > MULTIFD_JOB_PAGES) {
            start(g_steal_pointer(&c));
        }
    }
    if (c) {
        start(c);
    }
    return true;
}

/* All channels are idle: each sends a record of @kind. */
static bool send_mark(MultifdSend *send, RecordKind kind, GError **errp)
{
    for (unsigned i = 0; i < send->config.channels; i++) {
        send->channels[i].job.block = NULL;
        send->channels[i].job.kind = kind;
        start(&send->channels[i]);
    }
    return wait_idle(send, errp);
}

/* The others may begin with what they have after the sync of this number. */
static bool sync_main(MultifdSend *send, GError **errp)
{
    return stream_put_record(send->main, RECORD_SYNC, "", &send->round, sizeof(send->round), errp);
}

bool multifd_send_round(MultifdSend *send, RamSource *source, GError **errp)
{
    if (send->round == 0 && !sync_main(send, errp)) {
        return false;
    }
    for (unsigned i = 0; i < source->blocks->len; i++) {
        if (!send_block(send, source, i, errp)) {
            return false;
        }
    }
    if (!wait_idle(send, errp)) {
        return false;
    }
    send->round++;
    return send_mark(send, RECORD_SYNC, errp) && sync_main(send, errp);
}

/* ---- the end ---- */

bool multifd_send_end(MultifdSend *send, GError **errp)
{
    if (send->round == 0 && !sync_main(send, errp)) { /* there was none: nobody reads before it */
        return false;
    }
    return send_mark(send, RECORD_END, errp);
}

void multifd_send_set_limit(MultifdSend *send, uint64_t bytes)
{
    g_mutex_lock(&send->lock);
    send->limit = bytes;
    for (unsigned i = 0; i < send->config.channels; i++) {
        if (send->channels[i].stream) {
            stream_set_limit(send->channels[i].stream,
                             bytes ? MAX(bytes / send->config.channels, 1) : 0);
        }
    }
    g_mutex_unlock(&send->lock);
}

void multifd_send_cancel(MultifdSend *send)
{
    g_mutex_lock(&send->lock);
    if (!send->cancelled) {
        cancel_all(send);
    }
    g_mutex_unlock(&send->lock);
    for (unsigned i = 0; i < send->config.channels; i++) {
        channel_stop(&send->channels[i].channel);
    }
}

uint64_t multifd_send_bytes(MultifdSend *send)
{
    uint64_t bytes = 0;

    g_mutex_lock(&send->lock);
    for (unsigned i = 0; i < send->config.channels; i++) {
        bytes += send->channels[i].stream ? stream_bytes(send->channels[i].stream) : 0;
    }
    g_mutex_unlock(&send->lock);
    return bytes;
}

bool multifd_send_join(MultifdSend *send, GError **errp)
{
    bool ok = true;

    for (unsigned i = 0; i < send->config.channels; i++) {
        SendChannel *c = &send->channels[i];

        g_clear_pointer(&c->thread, g_thread_join);
    }
    for (unsigned i = 0; i < send->config.channels; i++) {
        SendChannel *c = &send->channels[i];

        g_mutex_lock(&send->lock);
        Stream *stream = g_steal_pointer(&c->stream);
        g_mutex_unlock(&send->lock);
        stream_free(stream);
        channel_wait(&c->channel);
        if (ok) {
            GError *why = NULL;
            channel_explain(&c->channel, &why);
            if (why) {
                g_propagate_error(errp, why);
                ok = false;
            }
        }
    }
    g_mutex_lock(&send->lock);
    if (send->err) { /* the first one */
        g_clear_error(errp);
        g_propagate_error(errp, g_error_copy(send->err));
        ok = false;
    }
    g_mutex_unlock(&send->lock);
    return ok;
}

void multifd_send_free(MultifdSend *send)
{
    if (!send) {
        return;
    }
    for (unsigned i = 0; i < send->config.channels; i++) {
        SendChannel *c = &send->channels[i];

        channel_close(&c->channel, NULL);
        g_byte_array_unref(c->out);
        multifd_packer_free(c->packer);
        g_array_unref(c->job.extents);
    }
    g_clear_error(&send->err);
    tls_setup_unref(send->config.tls);
    g_free((char *)(uintptr_t)send->config.uri);
    g_mutex_clear(&send->lock);
    g_cond_clear(&send->changed);
    g_free(send);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/postcopy-source.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "migration/postcopy-release.h"
#include "migration/postcopy.h"
#include "util/clock.h"
#include "util/error.h"

#define AT_ONCE      32u    /* pages that are written before the next look at requests */
#define REQUESTS_MAX 65536u /* more than these have to wait with the other end */

typedef struct Request {
    unsigned n; /* of the block */
    PageRange range;
} Request;

struct PostcopySource {
    RamSource *ram;
    uint8_t id[POSTCOPY_ID_SIZE];
    unsigned n; /* where the rest goes on: block, page */
    uint64_t page;
    PostcopyRelease *release;  /* NULL: all stays here */
    _Atomic uint64_t requests; /* relaxed: a number alone */
    _Atomic int64_t runs_since;

    Stream *stream; /* of the thread that listens */
    GMutex lock;    /* of what follows */
    GCond changed;
    GQueue queue; /* of Request *, owned */
    bool over;    /* nobody listens any more */
    bool ends;    /* all was written, but the end */
    bool answered;
    char *refusal;
    GError *err;
};

PostcopySource *postcopy_source_new(RamSource *ram, bool release)
{
    PostcopySource *source = g_new0(PostcopySource, 1);

    source->ram = ram;
    source->release = release ? postcopy_release_new(ram->blocks) : NULL;
    g_mutex_init(&source->lock);
    g_cond_init(&source->changed);
    g_queue_init(&source->queue);
    if (getrandom(source->id, sizeof(source->id), 0) != sizeof(source->id)) {
        g_error("the host has no random numbers");
    }
    return source;
}

void postcopy_source_free(PostcopySource *source)
{
    if (source) {
        g_queue_clear_full(&source->queue, g_free);
        g_mutex_clear(&source->lock);
        g_cond_clear(&source->changed);
        postcopy_release_free(source->release);
        g_free(source->refusal);
        g_clear_error(&source->err);
        g_free(source);
    }
}

static unsigned block_count(const PostcopySource *source)
{
    return source->ram->blocks->len;
}

static const RamBlock *block_at(const PostcopySource *source, unsigned n)
{
    return source->ram->blocks->pdata[n];
}

/* Pages that go together: one of the host's. */
static uint64_t unit_of(const RamBlock *block)
{
    return block->page_size / RAM_PAGE;
}

/* ---- before ---- */

static char *refusal_of(const Record *record)
{
    g_autofree char *text = g_strndup((const char *)record->data, MIN(record->size, 4096));

    return g_utf8_make_valid(text, -1);
}

bool postcopy_source_advise(PostcopySource *source, Stream *stream, GError **errp)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    Record answer;

    g_byte_array_append(out, source->id, sizeof(source->id));
    for (unsigned i = 0; i < block_count(source); i++) {
        const RamBlock *block = block_at(source, i);
        const uint8_t len = (uint8_t)strlen(block->name);

        g_byte_array_append(out, (const uint8_t *)&block->page_size, sizeof(block->page_size));
        g_byte_array_append(out, &len, 1);
        g_byte_array_append(out, (const uint8_t *)block->name, len);
    }
    if (!stream_put_record(stream, RECORD_ADVICE, source->release ? POSTCOPY_TELL_ME : "",
                           out->data, out->len, errp) ||
        !stream_get_record(stream, &answer, errp)) {
        g_prefix_error(errp, "capability postcopy-ram: ");
        return false;
    }
    if (answer.kind != RECORD_ANSWER) {
        g_autofree char *why = answer.kind == RECORD_REFUSAL ? refusal_of(&answer)
                                                             : g_strdup("it says something else");
        error_set(errp, "capability postcopy-ram: the other end cannot do that: %s", why);
        return false;
    }
    return true;
}

/* Whole pages of the host of what is written of block @n and that the guest has. */
static GArray *take_ranges(PostcopySource *source, unsigned n)
{
    const RamBlock *block = block_at(source, n);
    const uint64_t unit = unit_of(block);
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(PageRange));
    uint64_t page = 0, count;

    while (ram_source_next(source->ram, n, &page, &count)) {
        const uint64_t end = (page + count + unit - 1) / unit * unit;
        PageRange range = { .first = page - page % unit };
        PageRange *last = ranges->len ? &g_array_index(ranges, PageRange, ranges->len - 1) : NULL;

        if (last && range.first <= last->first + last->count) {
            last->count = MAX(end, last->first + last->count) - last->first;
        } else {
            range.count = end - range.first;
            g_array_append_val(ranges, range);
        }
        page += count;
    }
    return ranges;
}

/* The rest of block @n went before. */
static void release_others(PostcopySource *source, unsigned n, const GArray *ranges)
{
    PageRange has = { 0 };

    for (guint i = 0; i <= ranges->len; i++) {
        const PageRange end = { block_at(source, n)->size / RAM_PAGE, 0 };
        const PageRange *next = i < ranges->len ? &g_array_index(ranges, PageRange, i) : &end;

        has.count = next->first - has.first;
        if (has.count) {
            postcopy_release_has(source->release, n, &has);
        }
        has.first = next->first + next->count;
    }
}

bool postcopy_source_begin(PostcopySource *source, Stream *stream, GError **errp)
{
    for (unsigned n = 0; n < block_count(source); n++) {
        g_autoptr(GArray) ranges = take_ranges(source, n);

        for (guint i = 0; i < ranges->len; i++) {
            const PageRange *range = &g_array_index(ranges, PageRange, i);
            dirty_tracker_add(source->ram->tracker, n, range->first, range->count);
        }
        if (source->release) {
            release_others(source, n, ranges);
        }
        if (!postcopy_put_lacks(stream, block_at(source, n), ranges, errp)) {
            return false;
        }
    }
    return true;
}

/* ---- the thread that listens ---- */

static bool take_request(PostcopySource *source, const Record *record, GError **errp)
{
    Request request;

    if (!postcopy_read_request(source->ram->blocks, record, &request.n, &request.range, errp)) {
        return false;
    }
    atomic_fetch_add_explicit(&source->requests, 1, memory_order_relaxed);
    g_mutex_lock(&source->lock);
    while (source->queue.length >= REQUESTS_MAX && !source->over) {
        g_cond_wait(&source->changed, &source->lock);
    }
    g_queue_push_tail(&source->queue, g_memdup2(&request, sizeof(request)));
    g_mutex_unlock(&source->lock);
    return true;
}

/* The machine runs there. */
static void take_runs(PostcopySource *source)
{
    if (!source->runs_since) {
        source->runs_since = clock_host_ns();
        if (source->release) {
            postcopy_release_runs(source->release);
        }
    }
}

static bool take_has(PostcopySource *source, const Record *record, GError **errp)
{
    uint64_t pages;

    if (!source->release) {
        error_set(errp, "the other end tells which pages it has, and was not asked");
        return false;
    }
    return postcopy_read_has(record, &pages, errp) &&
           postcopy_release_arrived(source->release, pages, errp);
}

/* False: it was the last one. */
static bool take_record(PostcopySource *source, const Record *record, GError **errp)
{
    switch (record->kind) {
    case RECORD_REQUEST:
        return take_request(source, record, errp);
    case RECORD_HAS:
        return take_has(source, record, errp);
    case RECORD_RUNS:
        take_runs(source);
        return true;
    case RECORD_ANSWER:
        g_mutex_lock(&source->lock);
        source->answered = source->ends;
        g_mutex_unlock(&source->lock);
        if (!source->answered) {
            error_set(errp, "the other end says that it has all memory, and cannot");
        }
        return false;
    case RECORD_REFUSAL:
        if (source->runs_since) {
            error_set(errp, "the other end says that the machine does not run there, and it does");
            return false;
        }
        g_mutex_lock(&source->lock);
        source->refusal = refusal_of(record);
        g_mutex_unlock(&source->lock);
        return false;
    default:
        error_set(errp, "the other end says what means nothing here (kind %u)", record->kind);
        return false;
    }
}

static gpointer listen_thread(gpointer opaque)
{
    PostcopySource *source = opaque;
    GError *err = NULL;
    Record record;

    while (stream_get_record(source->stream, &record, &err) && take_record(source, &record, &err)) {
    }
    g_mutex_lock(&source->lock);
    source->over = true;
    source->err = err;
    if (!source->answered) { /* who writes waits for nothing that comes */
        stream_cancel(source->stream);
    }
    g_cond_broadcast(&source->changed);
    g_mutex_unlock(&source->lock);
    return NULL;
}

/* ---- the thread that writes ---- */

static bool next_request(PostcopySource *source, Request *request)
{
    g_mutex_lock(&source->lock);
    Request *first = g_queue_pop_head(&source->queue);
    g_cond_broadcast(&source->changed);
    g_mutex_unlock(&source->lock);
    if (first) {
        *request = *first;
        g_free(first);
    }
    return first;
}

static bool write_pages(PostcopySource *source, unsigned n, uint64_t page, uint64_t count,
                        GError **errp)
{
    if (source->release) {
        postcopy_release_sent(source->release, n, &(PageRange){ page, count });
    }
    return ram_source_write_pages(source->ram, n, page, count, source->stream, errp);
}

/* Whole pages of the host that are still to be written. What follows goes next. */
static bool write_request(PostcopySource *source, const Request *request, GError **errp)
{
    DirtyTracker *tracker = source->ram->tracker;
    const uint64_t unit = unit_of(block_at(source, request->n));
    const uint64_t end = request->range.first + request->range.count;

    for (uint64_t page = request->range.first - request->range.first % unit; page < end;
         page += unit) {
        bool wanted = false;

        for (uint64_t i = page; i < page + unit && !wanted; i++) {
            wanted = dirty_tracker_gives(tracker, request->n, i);
        }
        if (wanted) {
            dirty_tracker_drop(tracker, request->n, page, unit);
            source->n = request->n;
            source->page = page + unit;
            if (!write_pages(source, request->n, page, unit, errp)) {
                return false;
            }
        }
    }
    return true;
}

/* A part of the rest, of which there is some; and a part of what is there is given back. */
static bool write_next(PostcopySource *source, GError **errp)
{
    uint64_t count;

    if (source->release) {
        (void)postcopy_release_step(source->release);
    }
    for (;; source->n++, source->page = 0) {
        source->n %= block_count(source);
        const uint64_t most = MAX(AT_ONCE, unit_of(block_at(source, source->n)));
        if (dirty_tracker_next(source->ram->tracker, source->n, &source->page, most, &count)) {
            const uint64_t page = source->page;
            source->page += count;
            return write_pages(source, source->n, page, count, errp);
        }
    }
}

static bool write_all(PostcopySource *source, GError **errp)
{
    while (dirty_tracker_left(source->ram->tracker)) {
        Request request;
        bool ok = next_request(source, &request) ? write_request(source, &request, errp)
                                                 : write_next(source, errp);
        if (!ok) {
            return false;
        }
    }
    g_mutex_lock(&source->lock);
    source->ends = true;
    g_mutex_unlock(&source->lock);
    return stream_put_end(source->stream, true, errp);
}

/* All was written; requests that are still to come were done before they came. */
static void wait_over(PostcopySource *source)
{
    g_mutex_lock(&source->lock);
    while (!source->over) {
        g_queue_clear_full(&source->queue, g_free);
        g_cond_broadcast(&source->changed);
        g_cond_wait(&source->changed, &source->lock);
    }
    g_mutex_unlock(&source->lock);
}

/* Nobody listens or writes any more. */
static PostcopyResult result(PostcopySource *source, bool written, GError *err, GError **errp)
{
    g_autoptr(GError) written_err = err, listened_err = g_steal_pointer(&source->err);

    if (source->refusal) {
        error_set(errp, "the machine does not run at the other end: %s", source->refusal);
        return POSTCOPY_REFUSED;
    }
    if (written && source->answered) {
        if (source->release) {
            take_runs(source); /* it has all, and what it said of that may not have come */
            postcopy_release_all(source->release);
            while (postcopy_release_step(source->release)) {
            }
        }
        return POSTCOPY_DONE;
    }
    if (listened_err) {
        g_propagate_error(errp, g_steal_pointer(&listened_err));
    } else {
        g_propagate_error(errp, g_steal_pointer(&written_err));
    }
    return POSTCOPY_LOST;
}

PostcopyResult postcopy_source_run(PostcopySource *source, Stream *stream, bool first,
                                   GError **errp)
{
    GError *err = NULL;

    source->stream = stream;
    source->over = source->ends = source->answered = false;
    GThread *listener = g_thread_try_new("postcopy-return", listen_thread, source, errp);
    if (!listener) {
        return first ? POSTCOPY_REFUSED : POSTCOPY_LOST;
    }
    const bool written = (!first || stream_put_postcopy(stream, &err)) && write_all(source, &err);
    if (written) {
        wait_over(source);
    }
    stream_cancel(stream);
    g_mutex_lock(&source->lock);
    source->over = true; /* for one that waits with a request */
    g_cond_broadcast(&source->changed);
    g_mutex_unlock(&source->lock);
    g_thread_join(listener);
    g_queue_clear_full(&source->queue, g_free);
    return result(source, written, err, errp);
}

/* ---- a new connection ---- */

static bool add_lacking(void *opaque, unsigned n, const PageRange *range, GError **errp)
{
    PostcopySource *source = opaque;

    dirty_tracker_add(source->ram->tracker, n, range->first, range->count);
    return true;
}

/* All that is not lacking is there. */
static void release_what_came(PostcopySource *source)
{
    for (unsigned n = 0; n < block_count(source); n++) {
        const uint64_t pages = block_at(source, n)->size / RAM_PAGE;
        g_autoptr(GArray) lacks = g_array_new(FALSE, FALSE, sizeof(PageRange));
        PageRange range = { 0 };

        while (dirty_tracker_next(source->ram->tracker, n, &range.first, pages, &range.count)) {
            g_array_append_val(lacks, range);
            range.first += range.count;
        }
        for (guint i = 0; i < lacks->len; i++) {
            const PageRange *lack = &g_array_index(lacks, PageRange, i);
            dirty_tracker_add(source->ram->tracker, n, lack->first, lack->count);
        }
        release_others(source, n, lacks);
    }
}

bool postcopy_source_resume(PostcopySource *source, Stream *stream, GError **errp)
{
    Record record;

    if (!stream_put_header(stream, errp) || !postcopy_put_resume(stream, source->id, errp)) {
        return false;
    }
    if (source->release) {
        postcopy_release_lost(source->release);
    }
    for (unsigned n = 0; n < block_count(source); n++) {
        dirty_tracker_drop(source->ram->tracker, n, 0, block_at(source, n)->size / RAM_PAGE);
    }
    do {
        if (!stream_get_record(stream, &record, errp) ||
            (record.kind == RECORD_LACKS &&
             !postcopy_read_lacks(source->ram->blocks, &record, add_lacking, source, errp))) {
            return false;
        }
    } while (record.kind == RECORD_LACKS);
    if (!postcopy_check_resume(&record, source->id, errp)) {
        return false;
    }
    if (source->release) {
        release_what_came(source);
    }
    return true;
}

/* ---- for others ---- */

uint64_t postcopy_source_requests(const PostcopySource *source)
{
    return atomic_load_explicit(&source->requests, memory_order_relaxed);
}

int64_t postcopy_source_runs_since(const PostcopySource *source)
{
    return source->runs_since;
}

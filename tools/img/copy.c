/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/img/copy.h"

#include <inttypes.h>
#include <string.h>

#include "block/driver.h"
#include "block/status.h"
#include "tools/img/output.h"
#include "util/error.h"

/* CACHED_CHUNK: what is read is still in the processor's cache when it is written. */
enum { ALIGN = 4096, CACHED_CHUNK = 1 << 18 };

typedef enum PartKind { PART_DATA, PART_ZERO, PART_BACKING } PartKind;

/* Of the image that is read. */
typedef struct Part {
    PartKind kind;
    uint64_t offset, bytes;
} Part;

typedef struct Work {
    const ImgCopy *copy;
    uint64_t chunk; /* bytes that are read at once, at most */
    bool cached;    /* it writes to a file by the host's cache */
    GMutex writes;  /* held while it does */
    GMutex mutex;
    /* Under it. */
    Part rest; /* what is known, and nobody has taken yet: it begins where the next one begins */
    uint64_t done, moved; /* moved: those of it that are data */
    GError *err;
    int64_t began; /* g_get_monotonic_time() */
} Work;

/* How many of @len bytes from the first on are alike, in blocks of @block, but for the last one:
 * *@zero says whether they are zeros. */
static size_t zero_run(const uint8_t *p, size_t len, size_t block, bool *zero)
{
    size_t run = 0;

    while (run < len) {
        size_t some = MIN(block, len - run);
        bool is = !p[run] && !memcmp(p + run, p + run + 1, some - 1);

        if (run && is != *zero) {
            break;
        }
        *zero = is;
        run += some;
    }
    return run;
}

/* ---- what is to be done ---- */

static bool look(Work *work)
{
    const ImgCopy *copy = work->copy;
    uint64_t at = work->rest.offset, bytes = copy->start + copy->bytes - at;
    BlockStatus s;
    int err = copy->above ? block_status(copy->from, at, bytes, &s)
                          : block_status_chain(copy->from, NULL, at, bytes, &s);

    if (err && copy->salvage) { /* reading it tells more */
        work->rest.bytes = MIN(bytes, IMG_COPY_CHUNK - at % IMG_COPY_CHUNK);
        work->rest.kind = PART_DATA;
        return true;
    }
    if (err) {
        error_set_errno(&work->err, err, "%s: the bytes from %" PRIu64 " on are not known",
                        copy->from->filename, at);
        return false;
    }
    work->rest.bytes = s.bytes;
    work->rest.kind = copy->above && !s.allocated ? PART_BACKING
                      : s.zero || !s.data         ? PART_ZERO
                                                  : PART_DATA;
    return true;
}

/* The host lets one at a time write to a file by its cache, and others burn processor time until
 * it is their turn: they had better sleep. */
static bool is_cached_file(const BlockNode *node)
{
    while (node->file.node) {
        node = node->file.node;
    }
    return !node->direct && node->options->driver == BLOCKDEV_DRIVER_FILE;
}

static uint64_t chunk_of(const ImgCopy *copy, bool cached)
{
    uint64_t cluster = block_node_cluster_size(copy->to);

    return MAX(MAX(copy->packed, cluster), cached ? CACHED_CHUNK : IMG_COPY_CHUNK);
}

/* Clusters are compressed as a whole: what lies within a chunk is read, whatever it is. */
static void take_chunks(Work *work, Part *part)
{
    const ImgCopy *copy = work->copy;
    uint64_t chunk = work->chunk, end = copy->start + copy->bytes;
    uint64_t next = MIN(end, part->offset - part->offset % chunk + chunk);

    if (part->offset + part->bytes < next || !copy->sparse) {
        part->kind = PART_DATA;
    } else if (part->kind == PART_ZERO) { /* several, perhaps */
        next += (part->offset + part->bytes - next) / chunk * chunk;
    }
    part->bytes = next - part->offset;
    work->rest.offset += part->bytes;
    work->rest.bytes = 0; /* what is known may end within the chunk */
}

/* False: nothing is left, or something failed. */
static bool take(Work *work, Part *part)
{
    const ImgCopy *copy = work->copy;
    bool ok;

    g_mutex_lock(&work->mutex);
    ok = !work->err && work->rest.offset < copy->start + copy->bytes;
    if (ok && !work->rest.bytes) {
        ok = look(work);
    }
    if (ok) {
        *part = work->rest;
    }
    if (ok && copy->packed) {
        take_chunks(work, part);
    } else if (ok) {
        if (part->kind == PART_DATA || !copy->sparse) { /* bytes go through a buffer */
            part->bytes = MIN(part->bytes, work->chunk - part->offset % work->chunk);
        }
        work->rest.offset += part->bytes;
        work->rest.bytes -= part->bytes;
    }
    g_mutex_unlock(&work->mutex);
    return ok;
}

/* ---- doing it ---- */

static int write_zeros(const ImgCopy *copy, uint64_t at, uint64_t bytes)
{
    return copy->is_zero && !copy->above
               ? 0
               : block_node_write_zeroes(copy->to, at, bytes, BLOCK_UNMAP);
}

/* Whole clusters, and the last one, which may be shorter; @p has room for the rest of that. */
static int write_clusters(const ImgCopy *copy, uint64_t at, uint8_t *p, size_t len, bool end)
{
    int err = 0;

    while (len && !err) {
        uint64_t in = at % copy->packed;
        size_t some = MIN(len, copy->packed - in);
        bool zero = !p[0] && !memcmp(p, p + 1, some - 1);

        if (zero && copy->sparse) {
            err = write_zeros(copy, at, some);
        } else if (in || (some < copy->packed && !end)) {
            err = block_node_pwrite(copy->to, at, p, some);
        } else {
            memset(p + some, 0, copy->packed - some);
            err = block_node_write_packed(copy->to, at, p);
        }
        at += some;
        p += some;
        len -= some;
    }
    return err;
}

static int write_data(const ImgCopy *copy, uint64_t at, const uint8_t *p, size_t len)
{
    int err = 0;

    if (!copy->sparse) {
        return block_node_pwrite(copy->to, at, p, len);
    }
    while (len && !err) {
        size_t block = copy->sparse - at % copy->sparse, run = MIN(block, len);
        bool zero;

        /* First to the end of a block, if it begins within one. */
        run = block == copy->sparse ? zero_run(p, len, copy->sparse, &zero)
                                    : zero_run(p, run, run, &zero);
        err = zero ? write_zeros(copy, at, run) : block_node_pwrite(copy->to, at, p, run);
        at += run;
        p += run;
        len -= run;
    }
    return err;
}

/* What cannot be read of @copy->from, one piece behind the other. */
typedef struct Lost {
    uint64_t from, to;
    int err;
} Lost;

static void tell_lost(const ImgCopy *copy, Lost *lost)
{
    if (lost->to > lost->from && !copy->args->quiet) {
        img_error("warning: error while reading offset %" PRIu64 ": %s (%" PRIu64
                  " bytes of %s, which become zeros)",
                  lost->from, g_strerror(lost->err), lost->to - lost->from, copy->from->filename);
    }
}

/* [@at, @at + @len), which cannot be read as a whole: halves of it, and of them, down to sectors.
 */
static void salvage(const ImgCopy *copy, uint64_t at, uint8_t *buf, size_t len, int err, Lost *lost)
{
    size_t half = MAX(len / 2 / BLOCK_SECTOR * BLOCK_SECTOR, BLOCK_SECTOR);

    if (len > BLOCK_SECTOR) {
        for (unsigned i = 0; i < 2; i++) {
            size_t some = i ? len - half : half;
            uint8_t *to = buf + (i ? half : 0);
            uint64_t from = at + (i ? half : 0);

            err = block_node_pread(copy->from, from, to, some);
            if (err) {
                salvage(copy, from, to, some, err, lost);
            }
        }
        return;
    }
    memset(buf, 0, len);
    if (lost->to != at || lost->err != err) {
        tell_lost(copy, lost);
        *lost = (Lost){ .from = at, .err = err };
    }
    lost->to = at + len;
}

/* 0, or an errno value. */
static int read_data(const ImgCopy *copy, const Part *part, uint8_t *buf)
{
    Lost lost = { 0 };
    int err = block_node_pread(copy->from, part->offset, buf, part->bytes);

    if (err && copy->salvage) {
        salvage(copy, part->offset, buf, part->bytes, err, &lost);
        tell_lost(copy, &lost);
        err = 0;
    }
    return err;
}

/* @p has room for a whole cluster, where it compresses. */
static int write_part(Work *work, uint64_t at, uint8_t *p, size_t len)
{
    const ImgCopy *copy = work->copy;
    int err;

    if (copy->packed) {
        return write_clusters(copy, at, p, len, at + len == (uint64_t)block_node_length(copy->to));
    }
    if (work->cached) {
        g_mutex_lock(&work->writes);
    }
    err = write_data(copy, at, p, len);
    if (work->cached) {
        g_mutex_unlock(&work->writes);
    }
    return err;
}

static bool carry_out(Work *work, const Part *part, uint8_t *buf, GError **errp)
{
    const ImgCopy *copy = work->copy;
    uint64_t at = part->offset - copy->start + copy->at;
    int err = 0;

    if (part->kind == PART_DATA) {
        err = read_data(copy, part, buf);
        if (err) {
            error_set_errno(errp, err, "%s: %" PRIu64 " bytes at %" PRIu64 " cannot be read",
                            copy->from->filename, part->bytes, part->offset);
            return false;
        }
        err = write_part(work, at, buf, part->bytes);
    } else if (part->kind == PART_ZERO && !copy->sparse) {
        memset(buf, 0, part->bytes);
        err = write_part(work, at, buf, part->bytes);
    } else if (part->kind == PART_ZERO) {
        err = write_zeros(copy, at, part->bytes);
    }
    if (err) {
        error_set_errno(errp, err, "%s: %" PRIu64 " bytes at %" PRIu64 " cannot be written",
                        copy->to->filename, part->bytes, at);
    }
    return !err;
}

/* So long that no more than `rate` bytes a second were copied. */
static void wait_for_rate(Work *work)
{
    double due;

    g_mutex_lock(&work->mutex);
    due = (double)work->moved / (double)work->copy->rate * G_USEC_PER_SEC -
          (double)(g_get_monotonic_time() - work->began);
    g_mutex_unlock(&work->mutex);
    if (due > 0) {
        g_usleep((gulong)MIN(due, G_USEC_PER_SEC * 60.0));
    }
}

static gpointer run(gpointer opaque)
{
    Work *work = opaque;
    uint8_t *buf = g_aligned_alloc(2, work->chunk, ALIGN);
    Part part;

    while (take(work, &part)) {
        GError *err = NULL;
        bool ok = carry_out(work, &part, buf, &err);

        g_mutex_lock(&work->mutex);
        work->done += part.bytes;
        work->moved += part.kind == PART_DATA ? part.bytes : 0;
        if (!ok && !work->err) {
            work->err = g_steal_pointer(&err);
        }
        img_progress(work->copy->args, work->copy->before + work->done, work->copy->total);
        g_mutex_unlock(&work->mutex);
        g_clear_error(&err);
        if (work->copy->rate) {
            wait_for_rate(work);
        }
    }
    g_aligned_free(buf);
    return NULL;
}

bool img_copy(const ImgCopy *copy, GError **errp)
{
    const bool cached = is_cached_file(copy->to);
    Work work = { .copy = copy,
                  .cached = cached,
                  .chunk = chunk_of(copy, cached),
                  .rest = { .offset = copy->start },
                  .began = g_get_monotonic_time() };
    g_autofree GThread **threads = g_new0(GThread *, copy->threads);

    g_mutex_init(&work.mutex);
    g_mutex_init(&work.writes);
    for (unsigned i = 1; i < copy->threads; i++) { /* this one works, too */
        threads[i] = g_thread_new("copy", run, &work);
    }
    run(&work);
    for (unsigned i = 1; i < copy->threads; i++) {
        g_thread_join(threads[i]);
    }
    g_mutex_clear(&work.mutex);
    g_mutex_clear(&work.writes);
    if (work.err) {
        g_propagate_error(errp, work.err);
        return false;
    }
    return true;
}

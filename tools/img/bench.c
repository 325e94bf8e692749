/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img bench: how long requests take, as a device of a machine would have them. */
#include <inttypes.h>
#include <string.h>

#include "block/backend.h"
#include "tools/img/open.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"
#include "util/units.h"

enum { COUNT = 75000, DEPTH = 64, DEPTH_MAX = 65536, ALIGN = 4096 };
#define BUFFER_MAX (1 * GIB)

typedef struct Numbers {
    uint64_t count, depth, interval, offset, pattern, buffer, step;
} Numbers;

typedef struct Bench {
    BlockBackend *backend;
    Numbers n;
    bool write, drain;
    uint64_t begin, end; /* of the disk: where requests begin, and what they stay below */
    uint64_t since_flush;
    GQueue idle; /* of BlockRequest */
    unsigned busy;
    bool flush_waits, flushing; /* all others wait for it */
    BlockRequest flush;
    int error;
} Bench;

/* ---- requests ---- */

static void ended(Bench *b, const BlockRequest *r)
{
    b->error = b->error ? b->error : r->error;
    b->busy--;
}

static void done(BlockRequest *r)
{
    Bench *b = r->opaque;

    ended(b, r);
    g_queue_push_tail(&b->idle, r);
}

static void flushed(BlockRequest *r)
{
    Bench *b = r->opaque;

    ended(b, r);
    b->flushing = false;
}

static void start_flush(Bench *b)
{
    b->flush = (BlockRequest){ .op = BLOCK_FLUSH, .done = flushed, .opaque = b };
    b->flush_waits = false;
    b->flushing = true;
    b->busy++;
    if (block_submit(b->backend, &b->flush)) {
        flushed(&b->flush);
    }
}

static void start_one(Bench *b)
{
    BlockRequest *r = g_queue_pop_head(&b->idle);

    if (b->n.offset >= b->end) {
        b->n.offset = b->begin;
    }
    r->offset = b->n.offset;
    b->n.offset += b->n.step;
    b->n.count--;
    b->busy++;
    if (b->n.interval && ++b->since_flush == b->n.interval) {
        b->since_flush = 0;
        b->flush_waits = true;
    }
    if (block_submit(b->backend, r)) {
        done(r);
    }
}

/* Those that may start, do. */
static void start(Bench *b)
{
    bool more = true;

    while (more && !b->error) {
        more = false;
        if (b->flush_waits && !b->flushing && (!b->drain || !b->busy)) {
            start_flush(b);
            more = true;
        }
        while (b->n.count && b->idle.length && !b->error &&
               (!b->drain || (!b->flush_waits && !b->flushing))) {
            start_one(b);
            more = b->flush_waits;
        }
    }
    block_submitted(b->backend);
}

static void carry_out(Bench *b, uint8_t *memory)
{
    g_autofree BlockRequest *requests = g_new0(BlockRequest, b->n.depth);
    g_autofree struct iovec *parts = g_new(struct iovec, b->n.depth);

    for (uint64_t i = 0; i < b->n.depth; i++) {
        parts[i] = (struct iovec){ memory + i * b->n.buffer, b->n.buffer };
        requests[i] = (BlockRequest){ .op = b->write ? BLOCK_WRITE : BLOCK_READ,
                                      .bytes = b->n.buffer,
                                      .iov = &parts[i],
                                      .iovcnt = 1,
                                      .done = done,
                                      .opaque = b };
        g_queue_push_tail(&b->idle, &requests[i]);
    }
    start(b);
    while (b->busy) {
        main_loop_iterate(true);
        start(b);
    }
    g_queue_clear(&b->idle);
}

/* ---- the command ---- */

static bool take(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *number,
                 GError **errp)
{
    if (!text) {
        return true;
    }
    if (!img_parse_size(what, text, number, errp)) {
        return false;
    }
    if (*number < min || *number > max) {
        error_set(errp, "%s '%s' is not possible: %" PRIu64 " to %" PRIu64, what, text, min, max);
        return false;
    }
    return true;
}

static bool numbers_of(const ImgArgs *args, Numbers *n, GError **errp)
{
    *n = (Numbers){ .count = COUNT, .depth = DEPTH, .buffer = 4096 };
    if (!take("bench: -c", args->count, 1, INT32_MAX, &n->count, errp) ||
        !take("bench: -d", args->depth, 1, DEPTH_MAX, &n->depth, errp) ||
        !take("bench: -s", args->buffer, 1, BUFFER_MAX, &n->buffer, errp) ||
        !take("bench: -o", args->offset, 0, BLOCK_MAX_SIZE, &n->offset, errp) ||
        !take("bench: --pattern", args->pattern, 0, 255, &n->pattern, errp) ||
        !take("bench: --flush-interval", args->interval, 1, INT32_MAX, &n->interval, errp)) {
        return false;
    }
    n->step = n->buffer;
    if (!take("bench: -S", args->step, 1, BLOCK_MAX_SIZE, &n->step, errp)) {
        return false;
    }
    if (n->buffer > BUFFER_MAX / n->depth) {
        error_set(errp, "bench: requests of %" PRIu64 " bytes, %" PRIu64 " at once, are too large",
                  n->buffer, n->depth);
    } else if (!args->write && (args->interval || args->no_drain)) {
        error_set(errp, "bench: --flush-interval and --no-drain go only with -w");
    } else if (args->interval && n->interval < n->depth) {
        error_set(errp, "bench: --flush-interval is at least as large as -d");
    } else {
        return true;
    }
    return false;
}

static int measure(const ImgArgs *args, Bench *b, GError **errp)
{
    g_autofree uint8_t *raw = g_malloc(b->n.depth * b->n.buffer + ALIGN);
    uint8_t *memory = raw + (ALIGN - (uintptr_t)raw % ALIGN);
    int64_t from;

    memset(memory, (int)b->n.pattern, b->n.depth * b->n.buffer);
    img_say(args,
            "Sending %" PRIu64 " %s requests, %" PRIu64 " bytes each, %" PRIu64
            " in parallel (starting at offset %" PRIu64 ", step size %" PRIu64 ")\n",
            b->n.count, b->write ? "write" : "read", b->n.buffer, b->n.depth, b->n.offset,
            b->n.step);
    if (b->n.interval) {
        img_say(args, "Sending flush every %" PRIu64 " %srequests\n", b->n.interval,
                b->drain ? "" : "non-draining ");
    }
    from = clock_host_ns();
    carry_out(b, memory);
    if (b->error) {
        error_set_errno(errp, b->error, "bench: a request failed");
        return IMG_FAILED;
    }
    img_say(args, "Run completed in %3.3f seconds.\n",
            (double)(clock_host_ns() - from) / (double)NS_PER_SEC);
    return IMG_OK;
}

/* Takes the reference. */
static int bench_node(const ImgArgs *args, const Numbers *n, BlockNode *node, GError **errp)
{
    BlockBackend *backend = block_backend_new(NULL, node, errp);
    Bench b = { .backend = backend, .n = *n, .write = args->write, .drain = !args->no_drain };
    uint64_t size;
    int status = IMG_FAILED;

    if (!backend ||
        !block_backend_take(backend, "dimmable-img", !args->write, args->force_share, errp)) {
        return IMG_FAILED;
    }
    size = block_backend_size(backend);
    if (size < n->buffer || n->offset > size - n->buffer) {
        error_set(errp,
                  "bench: requests of %" PRIu64 " bytes from %" PRIu64
                  " on do not fit into a disk of %" PRIu64 " bytes",
                  n->buffer, n->offset, size);
    } else {
        b.begin = n->offset;
        b.end = size - n->buffer + 1;
        status = measure(args, &b, errp);
    }
    block_backend_release(backend);
    return status;
}

static int run(ImgArgs *args)
{
    g_auto(ImgImage) image = { 0 };
    GError *err = NULL;
    Numbers n;
    const ImgOpen how = { .name = args->files[0],
                          .format = args->format,
                          .cache = args->cache,
                          .aio = args->native ? "native" : args->aio,
                          .flags = (args->write ? IMG_OPEN_WRITE : 0) |
                                   (args->force_share ? IMG_OPEN_SHARE : 0) |
                                   (args->image_opts ? IMG_OPEN_OPTIONS : 0) };
    BlockNode *node;
    int status;

    if (!numbers_of(args, &n, &err) || !img_open(&image, &how, &err)) {
        return img_fail(err);
    }
    machine_unlock();
    main_loop_init();
    node = image.edge.node;
    node->refs++;
    block_edge_detach(&image.edge);
    status = bench_node(args, &n, node, &err);
    return err ? img_fail(err) : status;
}

static const ImgOption options[] = {
    IMG_OPTION('c', NULL, IMG_TEXT, "COUNT", count, "so many requests: 75000"),
    IMG_OPTION('d', NULL, IMG_TEXT, "DEPTH", depth, "so many at once: 64"),
    IMG_OPTION('s', NULL, IMG_TEXT, "SIZE", buffer, "bytes of each: 4096"),
    IMG_OPTION('S', NULL, IMG_TEXT, "SIZE", step, "from one to the next: as -s"),
    IMG_OPTION('o', NULL, IMG_TEXT, "OFFSET", offset, "where the first one is: 0"),
    IMG_OPTION('w', NULL, IMG_FLAG, NULL, write, "write"),
    IMG_OPTION(0, "pattern", IMG_TEXT, "BYTE", pattern, "what is written: 0"),
    IMG_OPTION(0, "flush-interval", IMG_TEXT, "COUNT", interval, "flush after so many writes"),
    IMG_OPTION(0, "no-drain", IMG_FLAG, NULL, no_drain, "others do not wait for a flush"),
    IMG_OPTION('i', NULL, IMG_TEXT, "AIO", aio, "how the host is asked: threads, native, io_uring"),
    IMG_OPTION('n', NULL, IMG_FLAG, NULL, native, "as -i native"),
    IMG_OPTION_FORMAT,
    IMG_OPTION_CACHE,
    IMG_OPTION_QUIET,
    IMG_OPTION_SHARE,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_bench = {
    "bench", "FILE", "Measure how long reads or writes take", options, 1, 1, false, run,
};

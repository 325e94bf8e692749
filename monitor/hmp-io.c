/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP `qemu-io`: what tests let a drive do beside its device. */
#include <inttypes.h>
#include <string.h>

#include "block/backend.h"
#include "block/blkdebug.h"
#include "monitor/hmp.h"
#include "util/error.h"
#include "util/parse.h"
#include "util/units.h"

#define BYTES_MAX (64 * MIB) /* of one request */

/* ---- requests ---- */

static void set_done(BlockRequest *r)
{
    *(bool *)r->opaque = true;
}

/* Carry @r out, and wait for it and all others of the drive. */
static bool do_request(BlockBackend *backend, BlockRequest *r, GError **errp)
{
    bool done = false;

    if (backend->loop != loop_main()) {
        error_set(errp, "the drive's requests are an I/O thread's");
        return false;
    }
    r->done = set_done;
    r->opaque = &done;
    if (!block_submit(backend, r)) {
        block_submitted(backend);
        block_drain(backend);
        g_assert(done);
    }
    if (r->error) {
        error_set(errp, "%s", g_strerror(r->error));
    }
    return !r->error;
}

typedef struct Transfer {
    BlockOp op;
    bool quiet, fills; /* -q, -P */
    uint64_t pattern;
    uint64_t offset, bytes;
} Transfer;

/* [-q] [-z] [-u] [-P PATTERN] OFFSET BYTES */
static bool parse_transfer(Transfer *t, BlockRequest *r, char **words, GError **errp)
{
    for (; *words && **words == '-'; words++) {
        switch ((*words)[1]) {
        case 'q':
            t->quiet = true;
            break;
        case 'u':
            r->unmap = true;
            break;
        case 'z':
            t->op = t->op == BLOCK_WRITE ? BLOCK_WRITE_ZEROES : t->op;
            break;
        case 'P':
            t->fills = words[1] && parse_uint(words[1], UINT8_MAX, &t->pattern);
            words += t->fills;
            if (t->fills) {
                break;
            }
            error_set(errp, "-P takes a byte, 0 to 255");
            return false;
        default:
            error_set(errp, "there is no option %s, but -q, -z, -u and -P BYTE", *words);
            return false;
        }
    }
    if (g_strv_length(words) != 2) {
        error_set(errp, "OFFSET and BYTES are wanted");
        return false;
    }
    if (!parse_size(words[0], 1, &t->offset, errp) || !parse_size(words[1], 1, &t->bytes, errp)) {
        return false;
    }
    if (!t->bytes || t->bytes > BYTES_MAX) {
        error_set(errp, "%" PRIu64 " bytes: 1 to %" PRIu64 " are possible", t->bytes,
                  (uint64_t)BYTES_MAX);
    }
    return t->bytes && t->bytes <= BYTES_MAX;
}

static bool check_place(const Transfer *t, BlockBackend *backend, GError **errp)
{
    uint64_t size = block_backend_size(backend);

    if (t->offset > size || t->bytes > size - t->offset) {
        error_set(errp, "the drive has %" PRIu64 " bytes", size);
        return false;
    }
    return true;
}

static void say_wrong(Hmp *hmp, const Transfer *t, const uint8_t *data)
{
    for (uint64_t i = 0; i < t->bytes; i++) {
        if (data[i] != t->pattern) {
            hmp_printf(hmp,
                       "Pattern verification failed at offset %" PRIu64 ", %" PRIu64 " bytes\n",
                       t->offset, t->bytes);
            return;
        }
    }
}

static bool transfer(Hmp *hmp, BlockBackend *backend, BlockOp op, char **words, GError **errp)
{
    static const char *const verbs[] = {
        [BLOCK_READ] = "read",
        [BLOCK_WRITE] = "wrote",
        [BLOCK_WRITE_ZEROES] = "wrote",
        [BLOCK_DISCARD] = "discard",
    };
    Transfer t = { .op = op, .pattern = op == BLOCK_WRITE ? 0xcd : 0 };
    BlockRequest r = { 0 };

    if (!parse_transfer(&t, &r, words, errp) || !check_place(&t, backend, errp)) {
        return false;
    }
    g_autofree uint8_t *data = g_malloc(t.bytes);
    const struct iovec iov = { data, t.bytes };
    memset(data, (int)t.pattern, t.bytes);
    r.op = t.op;
    r.offset = t.offset;
    r.bytes = t.bytes;
    r.iov = &iov;
    r.iovcnt = 1;
    if (!do_request(backend, &r, errp)) {
        return false;
    }
    if (t.op == BLOCK_READ && t.fills) {
        say_wrong(hmp, &t, data);
    }
    if (!t.quiet) {
        hmp_printf(hmp, "%s %" PRIu64 "/%" PRIu64 " bytes at offset %" PRIu64 "\n", verbs[t.op],
                   t.bytes, t.bytes, t.offset);
    }
    return true;
}

/* ---- commands ---- */

typedef struct IoCommand {
    const char *name, *arguments, *what;
    unsigned count; /* of arguments; 0: any */
    bool (*run)(Hmp *hmp, BlockBackend *backend, char **words, GError **errp);
} IoCommand;

static bool do_read(Hmp *hmp, BlockBackend *backend, char **words, GError **errp)
{
    return transfer(hmp, backend, BLOCK_READ, words, errp);
}

static bool do_write(Hmp *hmp, BlockBackend *backend, char **words, GError **errp)
{
    return transfer(hmp, backend, BLOCK_WRITE, words, errp);
}

static bool do_discard(Hmp *hmp, BlockBackend *backend, char **words, GError **errp)
{
    return transfer(hmp, backend, BLOCK_DISCARD, words, errp);
}

static bool do_flush(Hmp *hmp, BlockBackend *backend, char **words, GError **errp)
{
    BlockRequest r = { .op = BLOCK_FLUSH };

    return do_request(backend, &r, errp);
}

static Breakpoints *breakpoints_of(const BlockBackend *backend, GError **errp)
{
    Breakpoints *b = blkdebug_breakpoints(block_backend_node(backend));

    if (!b) {
        error_set(errp, "the drive has no node of driver 'blkdebug', whose breakpoints there are");
    }
    return b;
}

static bool do_break(Hmp *hmp, BlockBackend *backend, char **words, GError **errp)
{
    Breakpoints *b = breakpoints_of(backend, errp);
    int event;

    if (b && !qapi_enum_parse_full(BlkdebugEvent_lookup, words[0], "event", &event, errp)) {
        return false;
    }
    if (b) {
        breakpoints_add(b, (BlkdebugEvent)event, words[1]);
    }
    return b != NULL;
}

static bool do_remove_break(Hmp *hmp, BlockBackend *backend, char **words, GError **errp)
{
    Breakpoints *b = breakpoints_of(backend, errp);

    if (b && !breakpoints_remove(b, words[0])) {
        error_set(errp, "there is no breakpoint '%s'", words[0]);
        return false;
    }
    return b != NULL;
}

static bool do_resume(Hmp *hmp, BlockBackend *backend, char **words, GError **errp)
{
    Breakpoints *b = breakpoints_of(backend, errp);

    if (b && !breakpoints_resume(b, words[0])) {
        error_set(errp, "no request waits as '%s'", words[0]);
        return false;
    }
    return b != NULL;
}

static const IoCommand commands[] = {
    { "read|r", "[-q] [-P BYTE] OFFSET BYTES", "read; -P: and compare", 0, do_read },
    { "write|w", "[-q] [-z] [-u] [-P BYTE] OFFSET BYTES", "write BYTE, 0xcd; -z: zeros", 0,
      do_write },
    { "discard|d", "[-q] OFFSET BYTES", "give the place back", 0, do_discard },
    { "flush|f", "", "flush", 0, do_flush },
    { "break", "EVENT TAG", "let the next request that meets an event of blkdebug wait", 2,
      do_break },
    { "resume", "TAG", "let it go on", 1, do_resume },
    { "remove_break", "TAG", "let it go on, and no other wait", 1, do_remove_break },
};

static bool has_name(const char *names, const char *name)
{
    g_auto(GStrv) list = g_strsplit(names, "|", -1);

    return g_strv_contains((const char *const *)list, name);
}

static void list_commands(Hmp *hmp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        hmp_printf(hmp, "%s %s -- %s\n", commands[i].name, commands[i].arguments, commands[i].what);
    }
}

static bool run_command(Hmp *hmp, BlockBackend *backend, char **words, GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        const IoCommand *c = &commands[i];

        if (!has_name(c->name, words[0])) {
            continue;
        }
        if (c->count && g_strv_length(words) != c->count + 1) {
            error_set(errp, "`%s` takes %s", words[0], c->arguments);
            return false;
        }
        return c->run(hmp, backend, words + 1, errp);
    }
    error_set(errp, "there is no command '%s'; `help` lists them", words[0]);
    return false;
}

/* ---- drives ---- */

typedef struct Search {
    const char *name;
    bool is_device;
    BlockBackend *found;
} Search;

static void look(BlockBackend *backend, void *opaque)
{
    Search *s = opaque;
    const char *id = backend->device ? strrchr(backend->device, '/') : NULL;
    const char *node = block_backend_image(backend)->name;

    if (s->is_device ? id && (!strcmp(id + 1, s->name) || !strcmp(backend->device, s->name))
                     : g_strcmp0(backend->name, s->name) == 0 || g_strcmp0(node, s->name) == 0) {
        s->found = backend;
    }
}

/* qemu-io [-d] DRIVE COMMAND */
void hmp_io(Hmp *hmp, char **argv)
{
    g_auto(GStrv) split = g_strsplit_set(argv[2], " \t", -1);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    Search s = { argv[1], argv[0] != NULL, NULL };
    GError *err = NULL;

    for (char **word = split; *word; word++) {
        if (**word) {
            g_ptr_array_add(words, *word);
        }
    }
    g_ptr_array_add(words, NULL);
    block_backend_foreach(look, &s);
    if (words->len == 1 || strcmp(words->pdata[0], "help") == 0) {
        list_commands(hmp);
    } else if (!s.found) {
        error_set(&err, "there is no %s '%s'; `info block` lists the drives",
                  s.is_device ? "drive of a device" : "drive", argv[1]);
    } else {
        run_command(hmp, s.found, (char **)words->pdata, &err);
    }
    hmp_error(hmp, err);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs on block nodes: what a management program asks of a disk with two backing files and of
 * targets, right or wrong, at any moment, while a guest writes and requests to some targets fail.
 * Whatever is asked, the disk has what the guest wrote, and all jobs end. Only a mirror that is
 * told not to copy all may let it have something else.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "block/backend.h"
#include "block/create.h"
#include "block/job.h"
#include "monitor/monitor.h"
#include "tests/fuzz/guest.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/units.h"

#define SIZE    (2 * MIB)
#define SECTORS (SIZE / BLOCK_SECTOR)
#define RUN_MAX 64 /* sectors that the guest writes at once */
#define DEVICE  "/machine/disk"

enum { BASE, MID, TOP, TARGET, OVER, RAW, IMAGES };
static const char *const names[IMAGES] = { "base", "mid", "top", "target", "over", "raw" };

static GByteArray *templates[IMAGES]; /* the images as each input finds them */
static uint8_t first_model[SECTORS];
static int fds[IMAGES];
static uint8_t model[SECTORS]; /* the byte of which each sector of the guest's disk is full */
static bool known;             /* that is right */
static BlockBackend *disk;
static FuzzClient *client;

/* ---- nodes ---- */

static char *path_of(int fd)
{
    return g_strdup_printf("/proc/self/fd/%d", fd);
}

static bool add_node(const char *text)
{
    g_autoptr(BlockdevOptions) options =
        qapi_from_option(&BlockdevOptions_type, text, "driver", NULL);

    return options && block_node_add(options, NULL);
}

static bool add_image(unsigned n, const char *backing)
{
    g_autofree char *file = path_of(fds[n]);
    g_autofree char *text =
        n == RAW
            ? g_strdup_printf("raw,node-name=raw,file.driver=file,file.filename=%s,"
                              "file.locking=off",
                              file)
            : g_strdup_printf("qcow2,node-name=%s,file.driver=file,file.filename=%s,"
                              "file.locking=off%s%s",
                              names[n], file, backing ? ",backing=" : "", backing ? backing : "");

    return add_node(text);
}

static void keep_template(unsigned n)
{
    const off_t size = lseek(fds[n], 0, SEEK_END);

    templates[n] = g_byte_array_new();
    g_byte_array_set_size(templates[n], (guint)size);
    g_assert_cmpint(pread(fds[n], templates[n]->data, (size_t)size, 0), ==, size);
}

static void open_images(void)
{
    for (unsigned n = 0; n < IMAGES; n++) {
        fds[n] = memfd_create(names[n], MFD_CLOEXEC);
        if (templates[n]) {
            g_assert_cmpint(write(fds[n], templates[n]->data, templates[n]->len), ==,
                            templates[n]->len);
        }
    }
}

static void close_images(void)
{
    for (unsigned n = 0; n < IMAGES; n++) {
        close(fds[n]);
    }
}

static void fill(const char *name, unsigned from, unsigned count, uint8_t value)
{
    g_autofree uint8_t *bytes = g_malloc(count * BLOCK_SECTOR);

    memset(bytes, value, count * BLOCK_SECTOR);
    memset(first_model + from, value, count);
    g_assert_cmpint(block_node_pwrite(block_node_find(name, NULL), from * BLOCK_SECTOR, bytes,
                                      count * BLOCK_SECTOR),
                    ==, 0);
}

static void add_chain(void)
{
    g_assert_true(add_image(BASE, NULL) && add_image(MID, "base") && add_image(TOP, "mid"));
}

/* Users go before what they use. */
static void del_all(void)
{
    for (unsigned round = 0; round < IMAGES; round++) {
        for (unsigned n = 0; n < IMAGES; n++) {
            block_node_del(names[n], NULL);
        }
        block_node_del("bad", NULL);
    }
}

/* base, mid and top each have something, and the disk is all three of them. */
static void make_templates(void)
{
    open_images();
    for (unsigned n = 0; n < IMAGES; n++) {
        const BlockQcow2Create create = { BLOCK_QCOW2_DEFAULTS, .size = SIZE };
        g_autofree char *path = path_of(fds[n]);

        g_assert_true(n == RAW ? ftruncate(fds[n], SIZE) == 0
                               : block_create_qcow2(path, &create, NULL));
    }
    add_chain();
    fill("base", 0, 2048, 1);
    fill("mid", 1024, 1500, 2);
    fill("top", 2000, 700, 3);
    del_all();
    for (unsigned n = 0; n < IMAGES; n++) {
        keep_template(n);
    }
    close_images();
}

/* ---- the guest ---- */

static void done(BlockRequest *request)
{
    *(bool *)request->opaque = true;
}

static void ask(BlockOp op, void *bytes, unsigned from, unsigned count)
{
    const struct iovec iov = { bytes, count * BLOCK_SECTOR };
    bool ended = false;
    BlockRequest request = { .op = op,
                             .offset = from * BLOCK_SECTOR,
                             .bytes = iov.iov_len,
                             .iov = &iov,
                             .iovcnt = 1,
                             .done = done,
                             .opaque = &ended };

    if (!block_submit(disk, &request)) {
        block_submitted(disk);
        while (!ended) {
            main_loop_iterate(true);
        }
    }
    g_assert_cmpint(request.error, ==, 0);
}

static void check_disk(void)
{
    static uint8_t bytes[SIZE];

    ask(BLOCK_READ, bytes, 0, SECTORS);
    for (unsigned i = 0; known && i < SECTORS; i++) {
        const uint8_t *sector = bytes + i * BLOCK_SECTOR;

        if (sector[0] != model[i] || memcmp(sector, sector + 1, BLOCK_SECTOR - 1) != 0) {
            g_error("sector %u is 0x%02x, and was written as 0x%02x", i, sector[0], model[i]);
        }
    }
}

/* ---- steps ---- */

static void command(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void command(const char *format, ...)
{
    g_autofree char *line = NULL;
    va_list ap;

    va_start(ap, format);
    line = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_strdelimit(line, "'", '"');
    fuzz_client_send(client, (const uint8_t *)line, strlen(line));
}

static const char *take_name(FuzzInput *in)
{
    static const char *const all[] = { "top", "target", "raw", "mid", "base", "over", "bad", "x" };

    return all[fuzz_take(in, 1) % G_N_ELEMENTS(all)];
}

/* Not what is put on top of the disk, which has to be empty. */
static const char *take_target(FuzzInput *in)
{
    static const char *const all[] = { "target", "raw", "mid", "base", "bad", "top", "x" };

    return all[fuzz_take(in, 1) % G_N_ELEMENTS(all)];
}

static const char *take_one(FuzzInput *in, const char *const *all, unsigned count)
{
    return all[fuzz_take(in, 1) % count];
}
#define TAKE_ONE(in, all) take_one(in, all, G_N_ELEMENTS(all))

static void step_write(FuzzInput *in)
{
    static uint8_t bytes[RUN_MAX * BLOCK_SECTOR];
    const unsigned count = 1 + (unsigned)fuzz_take(in, 1) % RUN_MAX;
    const unsigned from = (unsigned)fuzz_take(in, 2) % (SECTORS - count);
    const uint8_t value = (uint8_t)fuzz_take(in, 1);

    memset(bytes, value, sizeof(bytes));
    ask(BLOCK_WRITE, bytes, from, count);
    memset(model + from, value, count);
}

static void step_zeros(FuzzInput *in)
{
    const unsigned count = 1 + (unsigned)fuzz_take(in, 2) % (SECTORS / 2);
    const unsigned from = (unsigned)fuzz_take(in, 2) % (SECTORS - count);
    ask(BLOCK_WRITE_ZEROES, NULL, from, count);
    memset(model + from, 0, count);
}

/* What begins a job: which, on what, to where, how, and what becomes of it. */
static void step_job(FuzzInput *in)
{
    static const char *const kinds[] = { "block-stream", "block-commit", "blockdev-mirror",
                                         "blockdev-backup" };
    static const char *const ends[] = { "", ", 'auto-finalize': false", ", 'auto-dismiss': false",
                                        ", 'auto-finalize': false, 'auto-dismiss': false" };
    static const char *const syncs[] = { "full", "top", "none", "incremental" };
    static const char *const errors[] = { "report", "ignore", "stop", "enospc" };
    static const char *const places[] = { "", ", 'base-node': 'base'", ", 'base-node': 'mid'",
                                          ", 'top-node': 'mid'" };
    const unsigned kind = (unsigned)fuzz_take(in, 1) % G_N_ELEMENTS(kinds);
    const unsigned id = (unsigned)fuzz_take(in, 1) % 4;
    const char *device = take_name(in), *end = TAKE_ONE(in, ends);
    const unsigned how = (unsigned)fuzz_take(in, 1);
    const bool all = kind == 2 && !(how & 0x80 && how & 3); /* of a mirror */
    g_autofree char *more = NULL;

    if (kind < 2) {
        more = g_strdup_printf("%s, 'on-error': '%s'", places[how & 3],
                               kind ? "report" : errors[how >> 2 & 3]);
    } else {
        /* One that is tried again for ever would have to be waited for. */
        more = g_strdup_printf(", 'target': '%s', 'sync': '%s', 'on-target-error': '%s'%s%s",
                               take_target(in), all ? "full" : syncs[how & 3],
                               (how & 12) == 4 ? "stop" : errors[how >> 2 & 3],
                               !all && (how & 3) == 3 ? ", 'bitmap': 'b0'" : "",
                               kind == 2 && how & 16 ? ", 'copy-mode': 'write-blocking'" : "");
    }
    known = known && (kind != 2 || all);
    command("{'execute': '%s', 'arguments': {'job-id': 'j%u', 'device': '%s'%s%s%s}}\n",
            kinds[kind], id, device, more, end, how & 0x40 ? ", 'speed': 65536" : "");
}

static void step_verb(FuzzInput *in)
{
    static const char *const verbs[] = { "job-complete", "job-cancel",  "job-pause",   "job-resume",
                                         "job-finalize", "job-dismiss", "job-complete" };

    command("{'execute': '%s', 'arguments': {'id': 'j%u'}}\n", TAKE_ONE(in, verbs),
            (unsigned)fuzz_take(in, 1) % 4);
}

static void step_block_verb(FuzzInput *in)
{
    static const char *const verbs[] = { "'block-job-cancel'", "'block-job-resume'",
                                         "'block-job-complete'" };
    const unsigned id = (unsigned)fuzz_take(in, 1) % 4, how = (unsigned)fuzz_take(in, 1);

    if (how & 1) {
        command("{'execute': 'block-job-set-speed', 'arguments': {'device': 'j%u', 'speed': %u}}\n",
                id, how & 2 ? 0 : how << 12);
    } else {
        command("{'execute': %s, 'arguments': {'device': 'j%u'}}\n",
                verbs[how / 2 % G_N_ELEMENTS(verbs)], id);
    }
}

static void step_bitmap(FuzzInput *in)
{
    static const char *const verbs[] = { "add", "remove", "clear", "enable", "disable", "add" };
    const char *verb = TAKE_ONE(in, verbs);

    command("{'execute': 'block-dirty-bitmap-%s', 'arguments': {'node': '%s', 'name': 'b%u'}}\n",
            verb, take_name(in), (unsigned)fuzz_take(in, 1) % 2);
}

/* Two backups at once, which end together or not. */
static void step_transaction(FuzzInput *in)
{
    const char *first = take_target(in), *second = take_target(in);
    const unsigned how = (unsigned)fuzz_take(in, 1);

    command(
        "{'execute': 'transaction', 'arguments': {'properties': {'completion-mode': '%s'}, "
        "'actions': [{'type': 'blockdev-backup', 'data': {'job-id': 'j0', 'device': 'top', "
        "'target': '%s', 'sync': 'full'}}, {'type': 'blockdev-backup', 'data': {'job-id': 'j1', "
        "'device': '%s', 'target': '%s', 'sync': 'none'}}%s]}}\n",
        how & 1 ? "grouped" : "individual", first, how & 2 ? "top" : "mid", second,
        how & 4 ? ", {'type': 'abort', 'data': {}}" : "");
}

static void step_graph(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);

    switch (how % 4) {
    case 0:
        command("{'execute': 'blockdev-del', 'arguments': {'node-name': '%s'}}\n", take_name(in));
        break;
    case 1:
        command(
            "{'execute': 'blockdev-snapshot', 'arguments': {'node': 'top', 'overlay': 'over'}}\n");
        break;
    case 2:
        command("{'execute': 'block_resize', 'arguments': {'node-name': '%s', 'size': %" PRIu64
                "}}\n",
                how & 4 ? "target" : "raw", SIZE);
        break;
    default:
        command("{'execute': 'query-block-jobs'}\n{'execute': 'query-jobs'}\n"
                "{'execute': 'query-named-block-nodes'}\n");
    }
}

/* Threads go on. */
static void step_wait(FuzzInput *in)
{
    g_usleep((gulong)fuzz_take(in, 1) * 8);
    fuzz_settle();
}

static void step_check(FuzzInput *in)
{
    check_disk();
}

/* New ones come behind the others, so that the corpus keeps its meaning. */
static FuzzStep *const steps[FUZZ_STEPS] = {
    fuzz_step_settle, step_write,  step_job,         step_verb,  step_block_verb, step_bitmap,
    step_transaction, step_graph,  step_wait,        step_check, step_zeros,      step_job,
    step_verb,        step_wait,   step_write,       step_job,   step_verb,       step_write,
    step_graph,       step_wait,   step_block_verb,  step_job,   step_verb,       step_wait,
    step_write,       step_bitmap, step_transaction, step_job,   step_verb,       step_wait,
    step_zeros,       step_verb,
};

/* ---- an input ---- */

static void begin(void)
{
    if (!client) {
        fuzz_machine();
        make_templates();
        client = fuzz_client_new("qmp");
        g_assert_true(monitor_new(fuzz_client_chardev(client), true, false, NULL));
    }
    open_images();
    memcpy(model, first_model, sizeof(model));
    known = true;
    add_chain();
    g_assert_true(add_image(TARGET, NULL) && add_image(OVER, "") && add_image(RAW, NULL));
    g_assert_true(add_node("blkdebug,node-name=bad,image.driver=null-co,image.size=2M,"
                           "image.read-zeroes=on,inject-error.0.event=write_aio,"
                           "inject-error.0.sector=2304"));
    disk = block_backend_get("top", NULL);
    g_assert_true(block_backend_take(disk, DEVICE, false, false, NULL));
    block_backend_connect(disk, loop_main(), NULL, NULL);
    fuzz_client_reconnect(client);
    command("{'execute': 'qmp_capabilities'}\n");
}

static void end(void)
{
    const GString *output;

    check_disk();
    jobs_finish();
    fuzz_settle();
    g_assert_null(job_next(NULL));
    check_disk();
    block_backend_release(disk);
    del_all();
    fuzz_settle();
    for (unsigned n = 0; n < IMAGES; n++) {
        g_assert_null(block_node_find(names[n], NULL));
    }
    close_images();
    output = fuzz_client_output(client);
    g_assert_true(g_utf8_validate(output->str, (gssize)output->len, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    fuzz_run_steps(steps, data, size);
    end();
    return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/image.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "block/driver.h"
#include "block/snapshot-internal.h"
#include "util/keyval.h"
#include "util/main-loop.h"

static char *dir;

bool image_tests_begin(int *argc, char **argv[])
{
    g_autofree char *program = g_find_program_in_path("qemu-img");

    g_test_init(argc, argv, NULL);
    if (!program) {
        g_print("1..0 # SKIP qemu-img is not there (package qemu-utils)\n");
        return false;
    }
    main_loop_init();
    dir = g_dir_make_tmp(NULL, NULL);
    return true;
}

int image_tests_run(void)
{
    int result = g_test_run();

    image_run(0, "rm -f *");
    g_rmdir(dir);
    g_free(dir);
    return result;
}

char *image_at(const char *name)
{
    return g_build_filename(dir, name, NULL);
}

int image_run(unsigned allowed, const char *fmt, ...)
{
    g_autofree char *text = NULL, *command = NULL, *out = NULL, *errors = NULL;
    int status;
    va_list args;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    command = g_strdup_printf("sh -c 'cd %s && %s'", dir, text);
    g_assert_true(g_spawn_command_line_sync(command, &out, &errors, &status, NULL));
    g_assert_true(WIFEXITED(status));
    status = WEXITSTATUS(status);
    if (status && (status > 31 || !(allowed >> status & 1))) {
        g_error("%s: status %d\n%s%s", text, status, out, errors);
    }
    return status;
}

BlockNode *image_open(const char *name, const char *options, GError **errp)
{
    g_autofree char *text =
        g_strdup_printf("qcow2,node-name=q,discard=unmap%s,file.driver=file,file.filename=%s/%s",
                        options, dir, name);
    g_autoptr(BlockdevOptions) parsed =
        qapi_from_option(&BlockdevOptions_type, text, "driver", errp);

    return parsed ? block_node_add(parsed, errp) : NULL;
}

void image_close(void)
{
    GError *err = NULL;

    block_node_del("q", &err);
    g_assert_no_error(err);
}

void image_assert_contents(const char *name, const uint8_t *want, size_t size, bool leaks)
{
    enum { LEAKS = 3 }; /* exit status of qemu-img check */
    g_autofree char *path = image_at("out.raw"), *got = NULL;
    size_t len;

    image_run(leaks ? 1u << LEAKS : 0, "qemu-img check -q -T unsafe %s", name);
    image_run(0, "qemu-img convert -t unsafe -f qcow2 -O raw %s out.raw", name);
    g_assert_true(g_file_get_contents(path, &got, &len, NULL));
    g_assert_cmpmem(got, len, want, size);
}

bool image_is_dirty(const char *name)
{
    enum { AT_INCOMPATIBLE = 79, DIRTY = 1 };
    g_autofree char *path = image_at(name), *bytes = NULL;

    g_assert_true(g_file_get_contents(path, &bytes, NULL, NULL));
    return bytes[7] == 3 && bytes[AT_INCOMPATIBLE] & DIRTY;
}

void image_check(const char *name)
{
    enum { LEAKS = 3 };
    GError *err = NULL;

    if (image_is_dirty(name)) {
        image_open(name, "", &err);
        g_assert_no_error(err);
        image_close();
    }
    image_run(1u << LEAKS, "qemu-img check -q -T unsafe %s", name);
}

/* ---- operations ---- */

ImageStep image_step(GRand *rand, size_t size)
{
    static const ImageOp ops[] = { IMAGE_WRITE, IMAGE_WRITE,   IMAGE_WRITE, IMAGE_WRITE,
                                   IMAGE_ZERO,  IMAGE_DISCARD, IMAGE_FLUSH, IMAGE_SNAPSHOT };
    size_t from = (size_t)g_rand_int_range(rand, 0, (gint32)size);
    size_t most = g_rand_int_range(rand, 0, 8) ? MIN(size - from, 20000) : size - from;

    return (ImageStep){
        .op = ops[g_rand_int_range(rand, 0, G_N_ELEMENTS(ops))],
        .offset = from,
        .bytes = (size_t)g_rand_int_range(rand, 1, (gint32)most + 1),
        .byte = (uint8_t)g_rand_int_range(rand, 1, 256),
        .unmap = g_rand_boolean(rand),
    };
}

/* An image that cannot count two users of a cluster can have none. */
static int toggle_snapshot(BlockNode *node)
{
    const BlockSnapshot snapshot = { .name = "step", .date_ns = 1 };
    SnapshotInfo *there = block_snapshot_find(node, "step", NULL);
    g_autoptr(GError) err = NULL;

    if (there) {
        block_snapshot_delete(node, "step", &err);
        SnapshotInfo_free(there);
    } else {
        block_snapshot_create(node, &snapshot, &err);
    }
    return err && !strstr(err->message, "refcount_bits") ? ENOSPC : 0;
}

int image_step_do(const ImageStep *step, BlockNode *node)
{
    g_autofree uint8_t *data = NULL;

    switch (step->op) {
    case IMAGE_WRITE:
        data = g_malloc(step->bytes);
        memset(data, step->byte, step->bytes);
        return block_node_pwrite(node, step->offset, data, step->bytes);
    case IMAGE_ZERO:
        return block_node_write_zeroes(node, step->offset, step->bytes,
                                       step->unmap ? BLOCK_UNMAP : 0);
    case IMAGE_DISCARD:
        return block_node_discard(node, step->offset, step->bytes, 0);
    case IMAGE_SNAPSHOT:
        return toggle_snapshot(node);
    default:
        return block_node_flush(node);
    }
}

bool image_step_writes(const ImageStep *step)
{
    return step->op != IMAGE_FLUSH && step->op != IMAGE_SNAPSHOT;
}

void image_step_expect(const ImageStep *step, uint8_t *want)
{
    if (step->op == IMAGE_WRITE || step->op == IMAGE_ZERO) {
        memset(want + step->offset, step->op == IMAGE_WRITE ? step->byte : 0, step->bytes);
    }
}

bool image_matches(const uint8_t *got, uint8_t *want, const bool *discarded, size_t size,
                   const ImageStep *open)
{
    for (size_t i = 0; i < size; i++) {
        bool in =
            open && image_step_writes(open) && i >= open->offset && i - open->offset < open->bytes;
        uint8_t other = in && open->op == IMAGE_WRITE ? open->byte : 0;

        if (got[i] != want[i] && !(in && got[i] == other) && !(discarded[i] && !got[i])) {
            return false;
        }
        want[i] = got[i];
    }
    return true;
}

/* ---- trouble below ---- */

static ImageTrouble *trouble;
static const BlockDriver *below; /* that of the file */

static int meet(bool read)
{
    bool now;

    if (read && !trouble->reads) {
        return 0;
    }
    trouble->count++;
    now = trouble->at &&
          (trouble->count == trouble->at || (trouble->lasting && trouble->count > trouble->at));
    if (now && !trouble->error) {
        raise(SIGKILL);
    }
    return now ? trouble->error : 0;
}

static int trouble_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    int err = meet(true);

    return err ? err : below->read(node, offset, iov, iovcnt);
}

static int trouble_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                         unsigned flags)
{
    int err = meet(false);

    return err ? err : below->write(node, offset, iov, iovcnt, flags);
}

static int trouble_flush(BlockNode *node)
{
    int err = meet(false);

    return err ? err : below->flush(node);
}

static int trouble_truncate(BlockNode *node, uint64_t size)
{
    int err = meet(false);

    return err ? err : below->truncate(node, size);
}

void image_trouble(BlockNode *node, ImageTrouble *it)
{
    static BlockDriver driver;
    BlockNode *file = node->file.node;

    trouble = it;
    below = file->driver;
    driver = *below;
    driver.read = trouble_read;
    driver.write = trouble_write;
    driver.flush = trouble_flush;
    driver.truncate = trouble_truncate;
    file->driver = &driver;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block layer: nodes made by options, permissions, requests on every driver, errors. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <seccomp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/backend.h"
#include "block/driver.h"
#include "block/guess.h"
#include "block/iov.h"
#include "block/raw.h"
#include "block/status.h"
#include "qapi/event.h"
#include "util/keyval.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"
#include "util/units.h"

static char *dir;

static char *make_file(const char *name, size_t size)
{
    g_autofree uint8_t *data = g_malloc(size);
    char *path = g_build_filename(dir, name, NULL);

    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(i / 512 + 1);
    }
    g_assert_true(g_file_set_contents(path, (char *)data, (gssize)size, NULL));
    return path;
}

static BlockNode *add(GError **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static BlockNode *add(GError **errp, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    g_autoptr(BlockdevOptions) options =
        qapi_from_option(&BlockdevOptions_type, text, "driver", errp);
    return options ? block_node_add(options, errp) : NULL;
}

static void del(const char *name)
{
    GError *err = NULL;

    block_node_del(name, &err);
    g_assert_no_error(err);
}

#define assert_refused(what, part)                       \
    do {                                                 \
        GError *err_ = NULL;                             \
        GError **errp = &err_;                           \
        g_assert_false(!!(what));                        \
        g_assert_nonnull(err_);                          \
        if (!strstr(err_->message, part)) {              \
            g_error("'%s' in: %s", part, err_->message); \
        }                                                \
        g_error_free(err_);                              \
    } while (0)

static uint8_t byte_at(BlockNode *node, uint64_t offset)
{
    uint8_t byte = 0xee;

    g_assert_cmpint(block_node_pread(node, offset, &byte, 1), ==, 0);
    return byte;
}

static unsigned count_nodes(void);

/* ---- options ---- */

static void test_options(void)
{
    g_autofree char *path = make_file("options", 4 * KIB), *none = g_build_filename(dir, "x", NULL);

    assert_refused(add(errp, "file,filename=%s", path), "node-name");
    assert_refused(add(errp, "file,node-name=a"), "filename");
    assert_refused(add(errp, "file,node-name=a,filename=%s", none), "No such file");
    assert_refused(add(errp, "file,node-name=a,filename=%s", dir), "irectory");
    assert_refused(add(errp, "file,node-name=a,filename=/dev/null"), "no regular file");
    assert_refused(add(errp, "host_device,node-name=a,filename=%s", path), "driver file");
    assert_refused(add(errp, "raw,node-name=a,file=b"), "'b'");
    assert_refused(add(errp, "raw,node-name=a,file=a"), "'a'");
    assert_refused(
        add(errp, "raw,node-name=a,file.driver=file,file.filename=%s,file.node-name=a", path),
        "already");
    assert_refused(add(errp, "raw,node-name=a,offset=5k,file.driver=file,file.filename=%s", path),
                   "beyond the end");
    assert_refused(add(errp, "file,node-name=a,filename=%s,aio=uring", path), "threads");
    assert_refused(add(errp, "file,node-name=a,filename=%s,aio=native", path), "cache.direct=on");
    assert_refused(add(errp, "null-co,node-name=a,size=8E"), "too large");
    assert_refused(add(errp, "blkdebug,node-name=a,image.driver=null-co,inject-error.0.event=none,"
                             "inject-error.0.errno=0"),
                   "errno");
    g_assert_cmpuint(count_nodes(), ==, 0);

    BlockNode *node = add(NULL, "raw,node-name=a,file.driver=file,file.filename=%s", path);
    g_assert_nonnull(node);
    g_assert_cmpuint(count_nodes(), ==, 2);
    assert_refused(add(errp, "null-co,node-name=a"), "already");
    g_assert_cmpstr(block_node_plain_file(node), ==, path);
    g_assert_cmpint(block_node_length(node), ==, 4 * KIB);
    del("a");
    g_assert_cmpuint(count_nodes(), ==, 0);
}

static void count_one(BlockNode *node, void *opaque)
{
    ++*(unsigned *)opaque;
}

static unsigned count_nodes(void)
{
    unsigned count = 0;

    block_node_foreach(count_one, &count);
    return count;
}

static const char *guess(const char *path, GError **errp)
{
    const char *driver = "?";

    return block_guess_format(path, &driver, errp) ? driver : "?";
}

/* An image that is raw as nobody said what it is: no write makes it another next time. */
static void test_guessed(void)
{
    g_autofree char *path = make_file("guessed", 4 * KIB);
    uint8_t header[512] = { 'Q', 'F', 'I', 0xfb };
    BlockNode *node = add(NULL, "raw,node-name=a,file.driver=file,file.filename=%s", path);

    g_assert_null(guess(path, NULL));
    g_assert_cmpint(block_node_pwrite(node, 0, header, sizeof(header)), ==, 0);
    g_assert_cmpstr(guess(path, NULL), ==, "qcow2");
    header[0] = 0;
    g_assert_cmpint(block_node_pwrite(node, 0, header, sizeof(header)), ==, 0);

    raw_forbid_formats(node);
    g_assert_cmpint(block_node_pwrite(node, 512, "QFI\xfb", 4), ==, 0);
    g_assert_cmpint(block_node_pwrite(node, 0, header, sizeof(header)), ==, 0);
    header[0] = 'Q';
    g_assert_cmpint(block_node_pwrite(node, 0, header, sizeof(header)), ==, EPERM);
    g_assert_cmpint(block_node_pwrite(node, 0, "Q", 1), ==, EPERM); /* the rest is there */
    g_assert_cmpint(block_node_pwrite(node, 64, "\x7f\x10\xda", 3), ==, 0);
    g_assert_cmpint(block_node_pwrite(node, 66, "\xda\xbe", 2), ==, EPERM);
    g_assert_null(guess(path, NULL));
    BlockLocation at = { .request = { .op = AIO_WRITE }, .bytes = 512 };
    g_assert_false(block_node_locate(node, &at)); /* nor past the driver */
    at.request.offset = 64;
    g_assert_false(block_node_locate(node, &at));
    del("a");
}

/* What there is no driver of is not taken for raw. */
static void test_foreign(void)
{
    static const struct {
        const char *format, *bytes;
        unsigned count, at;
    } images[] = {
        { "vmdk", "KDMV\1", 5, 0 },
        { "vmdk", "COWD\1", 5, 0 },
        { "vmdk", "# Disk DescriptorFile\nversion=1\n", 32, 0 },
        { "vdi", "\x7f\x10\xda\xbe\1", 5, 64 },
        { "vhdx", "vhdxfile", 8, 0 },
        { "vpc", "conectix", 8, 0 },
        { "qed", "QED", 4, 0 },
        { "parallels", "WithoutFreeSpace", 16, 0 },
        { "parallels", "WithouFreSpacExt", 16, 0 },
        { "luks", "LUKS\xba\xbe\0\1", 8, 0 },
        { "bochs", "Bochs Virtual HD Image", 22, 0 },
        { "cloop", "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0", 45, 0 },
        { "dmg", "koly\0\0\0\4\0\0\2", 12, 4 * KIB - 512 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(images); i++) {
        g_autofree char *plain = make_file("foreign", 4 * KIB);
        g_autofree char *path = g_strdup_printf("%s.dmg", plain);
        int fd = open(plain, O_RDWR | O_CLOEXEC);

        g_assert_cmpint(pwrite(fd, images[i].bytes, images[i].count, images[i].at), ==,
                        images[i].count);
        close(fd);
        if (strcmp(images[i].format, "dmg") == 0) { /* there the name has to say it, too */
            g_assert_null(guess(plain, NULL));
        }
        g_assert_cmpint(rename(plain, path), ==, 0);
        assert_refused(strcmp(guess(path, errp), "?") != 0, images[i].format);
        unlink(path);
    }
}

/* Nodes that are used stay; those made within one option go with it. */
static void test_references(void)
{
    g_autofree char *path = make_file("references", 4 * KIB);

    g_assert_nonnull(add(NULL, "file,node-name=f,filename=%s", path));
    g_assert_nonnull(add(NULL, "raw,node-name=r,file=f"));
    g_assert_nonnull(add(NULL, "raw,node-name=s,file.driver=null-co,file.node-name=n"));
    assert_refused(block_node_del("f", errp), "in use by block node 'r'");
    assert_refused(block_node_del("n", errp), "not made by blockdev-add");
    assert_refused(block_node_del("z", errp), "no block node 'z'");
    del("r");
    del("f");
    del("s");
    g_assert_cmpuint(count_nodes(), ==, 0);
}

static void test_read_only(void)
{
    g_autofree char *path = make_file("read-only", 4 * KIB);
    BlockEdge edge = { 0 };
    BlockNode *node = add(NULL, "file,node-name=f,filename=%s,read-only=on", path), *top;

    g_assert_cmpint(block_node_pwrite(node, 0, "x", 1), ==, EROFS);
    g_assert_cmpint(block_node_write_zeroes(node, 0, 1, BLOCK_UNMAP), ==, EROFS);
    g_assert_cmpint(block_node_discard(node, 0, 512, 0), ==, EROFS);
    g_assert_cmpint(block_node_truncate(node, 512), ==, EROFS);
    top = add(NULL, "raw,node-name=r,file=f");
    g_assert_true(top->read_only);
    assert_refused(block_edge_attach(&edge, top, "me", BLOCK_PERM_WRITE, BLOCK_PERM_ALL, errp),
                   "read-only, and me writes");
    g_assert_null(edge.node);
    assert_refused(add(errp, "raw,node-name=w,file=f,read-only=off"), "read-only");
    del("r");
    del("f");
    if (geteuid() != 0) { /* who may write everything */
        g_assert_cmpint(chmod(path, 0400), ==, 0);
        assert_refused(add(errp, "file,node-name=f,filename=%s", path), "Permission");
        node = add(NULL, "file,node-name=f,filename=%s,auto-read-only=on", path);
        g_assert_true(node->read_only);
        del("f");
    }
}

/* ---- permissions ---- */

static void test_permissions(void)
{
    enum { ALONE = BLOCK_PERM_ALL & ~BLOCK_PERM_WRITE };
    g_autofree char *path = make_file("permissions", 4 * KIB);
    BlockEdge one = { 0 }, two = { 0 };
    BlockNode *file = add(NULL, "file,node-name=f,filename=%s", path);
    BlockNode *again = add(NULL, "file,node-name=g,filename=%s", path);
    BlockNode *raw = add(NULL, "raw,node-name=r,file=f");
    BlockNode *second = add(NULL, "raw,node-name=s,file=f");
    const unsigned writes = BLOCK_PERM_READ | BLOCK_PERM_WRITE;

    g_assert_true(block_edge_attach(&one, raw, "one", writes, ALONE, NULL));
    /* On the same node, on the one below, by another node on top, by another open file. */
    assert_refused(block_edge_attach(&two, raw, "two", writes, BLOCK_PERM_ALL, errp),
                   "two writes it, which one does not allow");
    assert_refused(block_edge_attach(&two, file, "two", writes, BLOCK_PERM_ALL, errp),
                   "two writes it, which block node 'r' does not allow");
    assert_refused(block_edge_attach(&two, second, "two", writes, BLOCK_PERM_ALL, errp),
                   "does not allow");
    assert_refused(block_edge_attach(&two, again, "two", writes, BLOCK_PERM_ALL, errp),
                   "in use by another program");
    assert_refused(block_edge_attach(&two, again, "two", BLOCK_PERM_READ, ALONE, errp),
                   "in use by another program");
    g_assert_null(two.node);
    /* Who reads, and lets others write, may. */
    g_assert_true(block_edge_attach(&two, again, "two", BLOCK_PERM_READ, BLOCK_PERM_ALL, NULL));
    block_edge_detach(&two);
    block_edge_detach(&one);
    g_assert_true(block_edge_attach(&two, again, "two", writes, ALONE, NULL));
    assert_refused(block_edge_attach(&one, second, "one", writes, ALONE, errp),
                   "in use by another");
    block_edge_detach(&two);
    g_assert_true(block_edge_attach(&one, second, "one", writes, ALONE, NULL));
    block_edge_detach(&one);
    del("r");
    del("s");
    del("f");
    del("g");
}

/* ---- requests ---- */

static void check_contents(BlockNode *node)
{
    g_autofree uint8_t *want = g_malloc0(64 * KIB), *got = g_malloc(64 * KIB);
    g_autoptr(GRand) rand = g_rand_new_with_seed(12);
    uint64_t size = (uint64_t)block_node_length(node);

    g_assert_cmpuint(size, ==, 64 * KIB);
    g_assert_cmpint(block_node_write_zeroes(node, 0, size, 0), ==, 0);
    for (unsigned i = 0; i < 500; i++) {
        uint64_t at = (uint64_t)g_rand_int_range(rand, 0, 64 * KIB);
        uint64_t len = (uint64_t)g_rand_int_range(rand, 1, (gint32)(64 * KIB - at) + 1);
        struct iovec iov[3] = { { got, len / 3 },
                                { got + len / 3, 0 },
                                { got + len / 3, len - len / 3 } };

        if (i % 8 == 0) { /* whole pages, too */
            at &= ~UINT64_C(4095);
            len = MAX(len & ~UINT64_C(4095), 4096);
        }
        switch (g_rand_int_range(rand, 0, 4)) {
        case 0:
            memset(want + at, 0, len);
            g_assert_cmpint(block_node_write_zeroes(node, at, len, i % 2 ? BLOCK_UNMAP : 0), ==, 0);
            break;
        case 1:
            memset(want + at, 0, len); /* of a file a discard leaves zeros */
            g_assert_cmpint(block_node_discard(node, at, len, 0), ==, 0);
            break;
        case 2:
            memset(want + at, (int)i, len);
            g_assert_cmpint(block_node_pwrite(node, at, want + at, len), ==, 0);
            break;
        default:
            len = iov_size(iov, 3);
            g_assert_cmpint(block_node_read(node, at, iov, 3), ==, 0);
            g_assert_cmpmem(got, len, want + at, len);
        }
    }
    g_assert_cmpint(block_node_flush(node), ==, 0);
    g_assert_cmpint(block_node_pread(node, 0, got, size), ==, 0);
    g_assert_cmpmem(got, size, want, size);
}

static void test_contents(void)
{
    static const char *const ways[] = {
        "file,node-name=n,discard=unmap,filename=",
        "file,node-name=n,discard=unmap,detect-zeroes=unmap,filename=",
        "file,node-name=n,discard=unmap,locking=off,cache.direct=on,filename=",
        "raw,node-name=n,discard=unmap,file.driver=file,file.discard=unmap,file.filename=",
        "raw,node-name=n,discard=unmap,offset=4k,size=64k,file.driver=file,file.discard=unmap,"
        "file.filename=",
        "blkdebug,node-name=n,discard=unmap,image.driver=file,image.discard=unmap,"
        "image.filename=",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree char *path = make_file("contents", (i == 4 ? 72 : 64) * KIB);
        g_autofree char *data = NULL;
        g_autoptr(GError) err = NULL;

        BlockNode *node = add(&err, "%s%s", ways[i], path);
        if (err && strstr(err->message, "cache.direct")) {
            g_test_message("no O_DIRECT here: %s", err->message);
            continue;
        }
        g_assert_no_error(err);
        check_contents(node);
        del("n");
        if (i == 4) { /* what is around the part is as it was */
            g_assert_true(g_file_get_contents(path, &data, NULL, NULL));
            g_assert_cmpint(data[4 * KIB - 1], ==, 8);
            g_assert_cmpint((uint8_t)data[68 * KIB], ==, 68 * 2 + 1);
        }
    }
}

static void test_ends(void)
{
    g_autofree char *path = make_file("ends", 1000);
    BlockNode *file = add(NULL, "file,node-name=f,filename=%s", path);
    BlockNode *part = add(NULL, "raw,node-name=p,file=f,offset=512,size=100");
    uint8_t buf[200];

    g_assert_cmpint(byte_at(file, 999), ==, 2);
    g_assert_cmpint(byte_at(file, 1000), ==, 0);
    g_assert_cmpint(block_node_pread(file, UINT64_MAX - 3, buf, 8), ==, EINVAL);
    g_assert_cmpint(block_node_pwrite(file, INT64_MAX, buf, 8), ==, EINVAL);
    memset(buf, 0xee, sizeof(buf));
    g_assert_cmpint(block_node_pread(part, 50, buf, 100), ==, 0);
    g_assert_cmpint(buf[49], ==, 2);
    g_assert_cmpint(buf[50], ==, 0);
    g_assert_cmpint(block_node_pwrite(part, 50, buf, 51), ==, ENOSPC);
    g_assert_cmpint(block_node_pwrite(part, 50, buf, 50), ==, 0);
    g_assert_cmpint(block_node_truncate(part, 50), ==, ENOTSUP);
    g_assert_cmpint(block_node_truncate(file, 2000), ==, 0);
    g_assert_cmpint(block_node_length(file), ==, 2000);
    g_assert_cmpint(block_node_length(part), ==, 100);
    del("p");
    del("f");
}

/* ---- errors that are asked for ---- */

static void test_inject(void)
{
    BlockNode *node = add(NULL, "blkdebug,node-name=d,image.driver=null-co,image.read-zeroes=on,"
                                "inject-error.0.event=read_aio,inject-error.0.sector=8,"
                                "inject-error.1.event=none,inject-error.1.iotype=write,"
                                "inject-error.1.errno=28,inject-error.1.once=on,"
                                "inject-error.2.event=flush_to_disk");
    uint8_t buf[1024] = { 0 };

    g_assert_cmpint(block_node_pread(node, 7 * 512, buf, 512), ==, 0);
    g_assert_cmpint(block_node_pread(node, 7 * 512, buf, 513), ==, EIO);
    g_assert_cmpint(block_node_pread(node, 9 * 512, buf, 512), ==, 0);
    g_assert_cmpint(block_node_pread(node, 9 * 512 - 1, buf, 1), ==, EIO);
    g_assert_cmpint(block_node_write_zeroes(node, 0, 512, 0), ==, 0);
    g_assert_cmpint(block_node_pwrite(node, 0, buf, 512), ==, ENOSPC);
    g_assert_cmpint(block_node_pwrite(node, 0, buf, 512), ==, 0);
    g_assert_cmpint(block_node_flush(node), ==, EIO);
    del("d");
}

static void test_latency(void)
{
    enum { LATENCY_US = 5000 };
    BlockNode *node = add(NULL, "null-co,node-name=n,read-zeroes=on,latency-ns=5000000");
    gint64 start = g_get_monotonic_time();

    g_assert_cmpint(byte_at(node, 0), ==, 0);
    g_assert_cmpint(block_node_pwrite(node, 0, "x", 1), ==, 0);
    g_assert_cmpint(block_node_flush(node), ==, 0);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 3 * LATENCY_US);
    del("n");
}

/* ---- backends ---- */

#define COUNT 100 /* requests */

static unsigned completed;

static void count_done(BlockRequest *r)
{
    completed++;
    g_assert_cmpint(r->error, ==, GPOINTER_TO_INT(r->opaque));
}

static void test_requests(gconstpointer options)
{
    g_autofree char *path = make_file("requests", COUNT * 512);
    static uint8_t data[COUNT][512], back[COUNT][512];
    BlockRequest requests[COUNT];
    struct iovec iov[COUNT];
    BlockBackend *backend;

    if (!add(NULL, "file,node-name=f,filename=%s,%s", path, (const char *)options)) {
        g_test_skip("this host does not have it");
        return;
    }
    assert_refused(block_backend_get("g", errp), "no drive or block node 'g'");
    backend = block_backend_get("f", NULL);
    g_assert_true(block_backend_take(backend, "/a/disk", false, false, NULL));
    assert_refused(block_node_del("f", errp), "in use by device /a/disk");
    g_assert_cmpuint(block_backend_size(backend), ==, COUNT * 512);
    for (unsigned round = 0; round < 2; round++) {
        completed = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            memset(data[i], (int)i, 512);
            iov[i] = (struct iovec){ round ? back[i] : data[i], 512 };
            requests[i] = (BlockRequest){ .op = round ? BLOCK_READ : BLOCK_WRITE,
                                          .bytes = 512,
                                          .offset = i * 512,
                                          .iov = &iov[i],
                                          .iovcnt = 1,
                                          .and_flush = i % 10 == 0,
                                          .done = count_done };
            if (block_submit(backend, &requests[i])) {
                count_done(&requests[i]);
            }
        }
        block_submitted(backend);
        g_assert_true(round || !completed); /* writes are never done at once */
        if (round) {
            block_drain(backend);
        } else { /* as the main loop gets them */
            while (completed < COUNT) {
                main_loop_iterate(true);
            }
        }
        g_assert_cmpuint(completed, ==, COUNT);
    }
    g_assert_cmpmem(back, sizeof(back), data, sizeof(data));
    g_assert_cmpuint(backend->stats.operations[BLOCK_WRITE], ==, COUNT);
    g_assert_cmpuint(backend->stats.bytes[BLOCK_READ], ==, COUNT * 512);
    g_assert_cmpuint(backend->stats.written_end, ==, COUNT * 512);
    block_backend_release(backend);
    del("f");
}

/* A host that forbids both: an error says what is possible. */
static void test_no_aio(void)
{
    g_autofree char *path = NULL;

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
        return;
    }
    path = make_file("no-aio", 4 * KIB);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    g_assert_cmpint(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0),
                    ==, 0);
    g_assert_cmpint(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_setup), 0), ==, 0);
    g_assert_cmpint(seccomp_load(filter), ==, 0);
    seccomp_release(filter);
    assert_refused(add(errp, "file,node-name=a,filename=%s,aio=io_uring", path),
                   "aio=io_uring is not possible here");
    assert_refused(add(errp, "file,node-name=a,filename=%s,aio=native,cache.direct=on", path),
                   "aio=native is not possible here");
    g_assert_cmpuint(count_nodes(), ==, 0);
}

/* ---- a device on a loop ---- */

typedef struct LoopDevice {
    BlockBackend *backend;
    Loop *loop;
    BlockRequest requests[COUNT];
    uint8_t data[COUNT][512];
    struct iovec iov[COUNT];
    unsigned completed, batches, failed; /* told between begin and end */
    GMutex lock;                         /* from begin to end: the loop's and the main thread's */
    bool open;
} LoopDevice;

static void loop_begin(void *opaque)
{
    LoopDevice *dev = opaque;

    g_mutex_lock(&dev->lock);
    g_assert_false(dev->open);
    dev->open = true;
}

static void loop_end(void *opaque)
{
    LoopDevice *dev = opaque;

    g_assert_true(dev->open);
    dev->open = false;
    dev->batches++;
    g_mutex_unlock(&dev->lock);
}

static void loop_done(BlockRequest *r)
{
    LoopDevice *dev = r->opaque;

    g_assert_true(dev->open);
    if (r->error) {
        g_assert_true(machine_lock_held());
        dev->failed++;
    } else {
        dev->completed++;
    }
}

static void loop_submit(void *opaque)
{
    LoopDevice *dev = opaque;

    for (unsigned i = 0; i < COUNT; i++) {
        dev->iov[i] = (struct iovec){ dev->data[i], sizeof(dev->data[i]) };
        dev->requests[i] = (BlockRequest){ .op = i % 4 ? BLOCK_READ : BLOCK_WRITE,
                                           .bytes = 512,
                                           .offset = i * 512,
                                           .iov = &dev->iov[i],
                                           .iovcnt = 1,
                                           .done = loop_done,
                                           .opaque = dev };
        g_assert_false(block_submit(dev->backend, &dev->requests[i])); /* blkdebug has its say */
    }
    block_submitted(dev->backend);
}

static void nothing(void *opaque)
{
}

/* Each request ends once, in the loop while the main thread does other things, or where that waits
 * for it; those that fail, in the main thread. Held back, they wait. */
static void test_on_loop(void)
{
    static const BlockBackendOps ops = { .begin = loop_begin, .end = loop_end };
    g_autofree char *path = make_file("loop", COUNT * 512);
    LoopDevice *dev = g_new0(LoopDevice, 1);

    g_mutex_init(&dev->lock);
    dev->loop = loop_new("IO test", NULL);
    add(NULL,
        "blkdebug,node-name=f,image.driver=file,image.filename=%s,"
        "inject-error.0.event=read_aio,inject-error.0.sector=7",
        path);
    dev->backend = block_backend_get("f", NULL);
    g_assert_true(block_backend_take(dev->backend, "/a/disk", false, false, NULL));
    block_backend_connect(dev->backend, dev->loop, &ops, dev);
    loop_run(dev->loop, loop_submit, dev);
    block_drain(dev->backend);
    g_assert_cmpuint(dev->completed, ==, COUNT - 1);
    g_assert_cmpuint(dev->failed, ==, 1);
    g_assert_cmpuint(dev->batches, >=, 1);
    block_hold_all();
    loop_run(dev->loop, loop_submit, dev);
    block_drain(dev->backend);
    g_assert_cmpuint(dev->completed, ==, COUNT - 1);
    block_resume_all();
    while (dev->failed < 2) { /* the main loop is told, without anybody who waits */
        main_loop_iterate(true);
    }
    block_drain(dev->backend);
    loop_run(dev->loop, nothing, NULL);
    g_assert_cmpuint(dev->completed, ==, 2 * (COUNT - 1));
    g_assert_cmpuint(block_backend_statistics(dev->backend).operations[BLOCK_READ] +
                         block_backend_statistics(dev->backend).operations[BLOCK_WRITE],
                     ==, 2 * (COUNT - 1));
    block_backend_release(dev->backend);
    loop_free(dev->loop);
    g_mutex_clear(&dev->lock);
    g_free(dev);
    del("f");
}

static void keep_error(BlockRequest *r)
{
    *(int *)r->opaque = r->error;
}

/* What is written at the sectors 0 and 6, while all is held back: what becomes of it after @shrink,
 * and of the same that is submitted then. */
static void assert_shrinks(BlockBackend *backend, void (*shrink)(BlockBackend *backend))
{
    uint8_t data[512] = { 0x77 };
    struct iovec iov = { data, sizeof(data) };
    BlockRequest requests[4];
    int errors[4] = { -1, -1, -1, -1 };

    block_hold_all();
    for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++) {
        if (i == 2) {
            shrink(backend);
            block_resume_all();
        }
        requests[i] = (BlockRequest){ .op = BLOCK_WRITE,
                                      .bytes = 512,
                                      .offset = i % 2 * 6 * 512,
                                      .iov = &iov,
                                      .iovcnt = 1,
                                      .done = keep_error,
                                      .opaque = &errors[i] };
        g_assert_false(block_submit(backend, &requests[i]));
    }
    block_submitted(backend);
    block_drain(backend);
    for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_assert_cmpint(errors[i], ==, i % 2 ? EIO : 0);
    }
    g_assert_cmpint(block_node_length(block_backend_node(backend)), ==, 2 * KIB);
    g_assert_cmphex(byte_at(block_backend_node(backend), 0), ==, 0x77);
}

static void shrink_node(BlockBackend *backend)
{
    g_assert_true(block_resize(block_backend_node(backend), 2 * KIB, NULL));
}

static void take_smaller(BlockBackend *backend)
{
    g_assert_true(block_backend_set_node(backend, block_node_find("small", NULL), NULL));
}

/* Requests that are older than the disk's size do not go past its end. */
static void test_shrinks(void)
{
    g_autofree char *path = make_file("shrinks", 4 * KIB), *other = make_file("whole", 4 * KIB),
                    *small = make_file("small", 2 * KIB);
    static void (*const shrink[])(BlockBackend * backend) = { shrink_node, take_smaller };

    add(NULL, "file,node-name=small,filename=%s", small);
    for (unsigned i = 0; i < G_N_ELEMENTS(shrink); i++) {
        add(NULL, "file,node-name=f,filename=%s", i ? other : path);
        BlockBackend *backend = block_backend_get("f", NULL);

        g_assert_true(block_backend_take(backend, "/a/disk", false, false, NULL));
        assert_shrinks(backend, shrink[i]);
        block_backend_release(backend);
        del("f");
    }
    del("small");
}

/* Requests that wait until they may end. */
typedef struct Gate {
    GMutex mutex;
    GCond changed;
    bool open;
    unsigned told, by_main; /* how many, and by which thread */
    GThread *main;
} Gate;

static int pass_gate(BlockNode *node, BlockRequest *r)
{
    Gate *gate = r->opaque;

    g_mutex_lock(&gate->mutex);
    while (!gate->open) {
        g_cond_wait(&gate->changed, &gate->mutex);
    }
    g_mutex_unlock(&gate->mutex);
    return 0;
}

static void gate_done(BlockRequest *r)
{
    Gate *gate = r->opaque;

    g_assert_true(machine_lock_held());
    g_mutex_lock(&gate->mutex);
    gate->told++;
    gate->by_main += g_thread_self() == gate->main;
    g_cond_broadcast(&gate->changed);
    g_mutex_unlock(&gate->mutex);
}

/* One request of a device ends without the main loop, if the machine lock is free; of several the
 * main loop tells, at once, and of those that no device has made. */
static void test_only_one(void)
{
    static const BlockBackendOps ops;
    Gate gate = { .main = g_thread_self() };
    BlockBackend *backend;
    BlockRequest requests[2];

    g_mutex_init(&gate.mutex);
    g_cond_init(&gate.changed);
    add(NULL, "null-co,node-name=n");
    backend = block_backend_get("n", NULL);
    g_assert_true(block_backend_take(backend, "/a/disk", false, false, NULL));
    for (unsigned n = 0; n < 3; n++) {
        unsigned count = n == 1 ? G_N_ELEMENTS(requests) : 1;

        block_backend_connect(backend, loop_main(), n == 2 ? NULL : &ops, NULL);
        gate.told = gate.by_main = 0;
        for (unsigned i = 0; i < count; i++) {
            requests[i] = (BlockRequest){
                .op = BLOCK_CALL, .call = pass_gate, .done = gate_done, .opaque = &gate
            };
            g_assert_false(block_submit(backend, &requests[i]));
        }
        machine_unlock();
        g_mutex_lock(&gate.mutex);
        gate.open = true;
        g_cond_broadcast(&gate.changed);
        while (n == 0 && !gate.told) {
            g_cond_wait(&gate.changed, &gate.mutex);
        }
        g_mutex_unlock(&gate.mutex);
        g_mutex_lock(&backend->mutex);
        backend->waiters++;
        while (n > 0 && backend->done.length < count) {
            g_cond_wait(&backend->ended, &backend->mutex);
        }
        backend->waiters--;
        g_mutex_unlock(&backend->mutex);
        machine_lock();
        while (gate.told < count) {
            main_loop_iterate(true);
        }
        g_assert_cmpuint(gate.by_main, ==, n == 0 ? 0 : count);
        gate.open = false;
    }
    block_drain(backend);
    block_backend_release(backend);
    g_mutex_clear(&gate.mutex);
    g_cond_clear(&gate.changed);
    del("n");
}

/* What is data, from @offset on? */
static uint64_t data_at(BlockNode *node, uint64_t offset)
{
    BlockStatus status;

    g_assert_cmpint(block_status(node, offset, MIB - offset, &status), ==, 0);
    return status.data ? MIN(status.bytes, MIB - offset) : 0;
}

/* Holes that come later are seen, also within what was known as data. */
static void test_status(void)
{
    g_autofree char *path = make_file("status", MIB);
    BlockNode *node;

    add(NULL, "file,node-name=n,filename=%s,discard=unmap", path);
    node = block_node_find("n", NULL);
    g_assert_cmpuint(data_at(node, 0), ==, MIB);
    g_assert_cmpuint(data_at(node, 64 * KIB), ==, MIB - 64 * KIB);
    g_assert_cmpint(block_node_discard(node, 512 * KIB, 64 * KIB, 0), ==, 0);
    g_assert_cmpuint(data_at(node, 0), ==, 512 * KIB);
    g_assert_cmpuint(data_at(node, 512 * KIB), ==, 0);
    g_assert_cmpuint(data_at(node, 576 * KIB), ==, MIB - 576 * KIB);
    g_assert_cmpint(block_node_write_zeroes(node, 768 * KIB, 64 * KIB, BLOCK_UNMAP), ==, 0);
    g_assert_cmpuint(data_at(node, 576 * KIB), ==, 192 * KIB);
    g_assert_cmpint(block_node_truncate(node, 64 * KIB), ==, 0);
    g_assert_cmpint(block_node_truncate(node, MIB), ==, 0);
    g_assert_cmpuint(data_at(node, 0), ==, 64 * KIB);
    g_assert_cmpuint(data_at(node, 128 * KIB), ==, 0);
    del("n");
}

static GString *events;

static void record_event(const char *name, struct json_object *event)
{
    struct json_object *data = json_object_object_get(event, "data");

    g_string_append_printf(events, "%s %s %s;", name,
                           json_object_get_string(json_object_object_get(data, "operation")),
                           json_object_get_string(json_object_object_get(data, "action")));
}

static void test_error_actions(void)
{
    static const struct {
        BlockdevOnError read, write;
        BlockOp op;
        int error;
        BlockErrorAction action;
    } cases[] = {
        { BLOCKDEV_ON_ERROR_REPORT, BLOCKDEV_ON_ERROR_ENOSPC, BLOCK_READ, EIO,
          BLOCK_ERROR_ACTION_REPORT },
        { BLOCKDEV_ON_ERROR_REPORT, BLOCKDEV_ON_ERROR_ENOSPC, BLOCK_WRITE, EIO,
          BLOCK_ERROR_ACTION_REPORT },
        { BLOCKDEV_ON_ERROR_REPORT, BLOCKDEV_ON_ERROR_ENOSPC, BLOCK_WRITE, ENOSPC,
          BLOCK_ERROR_ACTION_STOP },
        { BLOCKDEV_ON_ERROR_STOP, BLOCKDEV_ON_ERROR_IGNORE, BLOCK_READ, EIO,
          BLOCK_ERROR_ACTION_STOP },
        { BLOCKDEV_ON_ERROR_STOP, BLOCKDEV_ON_ERROR_IGNORE, BLOCK_FLUSH, EIO,
          BLOCK_ERROR_ACTION_IGNORE },
    };
    BlockBackend *backend;

    events = g_string_new(NULL);
    qapi_event_set_emitter(record_event);
    add(NULL, "null-co,node-name=n");
    backend = block_backend_get("n", NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const BlockRequest r = { .backend = backend, .op = cases[i].op, .error = cases[i].error };

        backend->on_read_error = cases[i].read;
        backend->on_write_error = cases[i].write;
        g_assert_cmpint(block_error_action(&r), ==, cases[i].action);
    }
    g_assert_cmpstr(events->str, ==,
                    "BLOCK_IO_ERROR read report;BLOCK_IO_ERROR write report;"
                    "BLOCK_IO_ERROR write stop;BLOCK_IO_ERROR read stop;"
                    "BLOCK_IO_ERROR write ignore;");
    qapi_event_set_emitter(NULL);
    g_string_free(events, TRUE);
    block_backend_release(backend);
    del("n");
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    dir = g_dir_make_tmp(NULL, NULL);
    g_test_add_func("/block/options", test_options);
    g_test_add_func("/block/guessed", test_guessed);
    g_test_add_func("/block/foreign", test_foreign);
    g_test_add_func("/block/references", test_references);
    g_test_add_func("/block/read-only", test_read_only);
    g_test_add_func("/block/permissions", test_permissions);
    g_test_add_func("/block/contents", test_contents);
    g_test_add_func("/block/ends", test_ends);
    g_test_add_func("/block/inject", test_inject);
    g_test_add_func("/block/latency", test_latency);
    g_test_add_data_func("/block/requests/threads", "aio=threads", test_requests);
    g_test_add_data_func("/block/requests/io_uring", "aio=io_uring", test_requests);
    g_test_add_data_func("/block/requests/native", "aio=native,cache.direct=on", test_requests);
    g_test_add_func("/block/no-aio", test_no_aio);
    g_test_add_func("/block/on-loop", test_on_loop);
    g_test_add_func("/block/shrinks", test_shrinks);
    g_test_add_func("/block/status", test_status);
    g_test_add_func("/block/only-one", test_only_one);
    g_test_add_func("/block/error-actions", test_error_actions);
    int result = g_test_run();
    block_finish();
    g_autoptr(GDir) list = g_dir_open(dir, 0, NULL);
    for (const char *name; (name = g_dir_read_name(list));) {
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_unlink(path);
    }
    g_rmdir(dir);
    g_free(dir);
    return result;
}

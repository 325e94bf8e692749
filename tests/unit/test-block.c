/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block layer: nodes made by options, permissions, contents on every driver, errors that are
 * asked for. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/driver.h"
#include "block/guess.h"
#include "block/iov.h"
#include "block/raw.h"
#include "block/status.h"
#include "tests/unit/block-test.h"

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

/* ---- holes ---- */

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

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
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
    g_test_add_func("/block/status", test_status);
    return block_test_run();
}

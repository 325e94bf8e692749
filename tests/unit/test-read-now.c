/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads of what the host has in memory end at once, without a thread; all others as ever. */
#include <errno.h>
#include <string.h>

#include "block/backend.h"
#include "block/qcow2.h"
#include "tests/unit/image.h"
#include "util/units.h"

enum { CLUSTER = 64 * KIB, SIZE = 8 * CLUSTER, BELOW = 5 * CLUSTER + 1024 };
enum { DATA, ZEROS, PACKED_AT, BACKED = 4, BACKED_END }; /* clusters */

static BlockBackend *backend;
static unsigned told;

static void done(BlockRequest *r)
{
    g_assert_cmpint(r->error, ==, 0);
    told++;
}

/* They are @byte; was that known at once? */
static bool at_once(uint64_t offset, size_t bytes, uint8_t byte)
{
    g_autofree uint8_t *buf = g_malloc(bytes);
    struct iovec iov[2] = { { buf, bytes / 2 }, { buf + bytes / 2, bytes - bytes / 2 } };
    BlockRequest r = {
        .op = BLOCK_READ, .offset = offset, .bytes = bytes, .iov = iov, .iovcnt = 2, .done = done
    };
    bool now;

    memset(buf, 0xee, bytes);
    told = 0;
    now = block_submit(backend, &r);
    block_submitted(backend);
    block_drain(backend);
    g_assert_cmpuint(told, ==, !now);
    for (size_t i = 0; i < bytes; i++) {
        g_assert_cmpint(buf[i], ==, byte);
    }
    return now;
}

static BlockNode *open_with(const char *options)
{
    BlockNode *node = image_open("q", options, NULL);

    g_assert_nonnull(node);
    backend = block_backend_get("q", NULL);
    g_assert_true(block_backend_take(backend, "/a/disk", false, false, NULL));
    return node;
}

static void close_all(void)
{
    block_backend_release(backend);
    image_close();
}

/* Cluster BACKED and the next are only in what is below, which ends there. */
static void make_image(void)
{
    g_autofree uint8_t *data = g_malloc(SIZE);
    BlockNode *node;

    image_run(0, "rm -f b q && head -c %d /dev/zero | tr \"\\\\0\" b >b", BELOW);
    image_run(0, "qemu-img create -q -f qcow2 -b b -F raw q %d", SIZE);
    node = image_open("q", "", NULL);
    memset(data, 'q', SIZE);
    g_assert_cmpint(block_node_pwrite(node, DATA * CLUSTER, data, CLUSTER), ==, 0);
    g_assert_cmpint(block_node_write_zeroes(node, ZEROS * CLUSTER, CLUSTER, 0), ==, 0);
    g_assert_cmpint(block_node_write_packed(node, PACKED_AT * CLUSTER, data), ==, 0);
    image_close();
}

/* The file's system may be one that cannot. */
static bool host_can(void)
{
    open_with("");
    at_once(0, 512, 'q');
    bool can = at_once(0, 512, 'q');
    close_all();
    return can;
}

static void test_clusters(void)
{
    make_image();
    if (!host_can()) {
        g_test_skip("the host's file system does not read without waiting");
        return;
    }
    open_with("");
    g_assert_false(at_once(DATA * CLUSTER + 512, 512, 'q')); /* the table has to be read */
    g_assert_true(at_once(DATA * CLUSTER + 512, 512, 'q'));
    g_assert_true(at_once(DATA * CLUSTER, CLUSTER, 'q'));
    g_assert_true(at_once(ZEROS * CLUSTER + 512, 4096, 0));
    g_assert_false(at_once(PACKED_AT * CLUSTER, 512, 'q')); /* unpacking takes its time */
    g_assert_true(at_once(BACKED * CLUSTER, 4096, 'b'));
    g_assert_true(at_once(BACKED * CLUSTER, CLUSTER, 'b'));
    g_assert_true(at_once(BACKED_END * CLUSTER, 1024, 'b'));
    g_assert_false(at_once(BACKED_END * CLUSTER + 1024, 512, 0)); /* beyond its end */
    g_assert_false(at_once(BACKED * CLUSTER - 512, 1024, 'b'));   /* two clusters */
    g_assert_false(at_once(SIZE, 512, 0));
    g_assert_false(at_once(SIZE - 512, 1024, 0));
    close_all();
}

/* Nobody waits for who uses the tables. */
static void test_busy(void)
{
    struct iovec iov;
    uint8_t buf[512];
    BlockNode *node;
    Qcow2 *s;

    make_image();
    node = open_with("");
    s = node->state;
    at_once(0, 512, 'q');
    iov = (struct iovec){ buf, sizeof(buf) };
    g_rw_lock_writer_lock(&s->lock);
    g_assert_false(qcow2_read_now(node, 0, &iov, 1));
    g_rw_lock_writer_unlock(&s->lock);
    g_mutex_lock(&s->cache_mutex);
    g_assert_false(qcow2_read_now(node, 0, &iov, 1));
    g_mutex_unlock(&s->cache_mutex);
    close_all();
}

/* Past the host's cache there is nothing in memory. */
static void test_direct(void)
{
    make_image();
    open_with(",cache.direct=on");
    for (unsigned i = 0; i < 3; i++) {
        g_autofree uint8_t *raw = g_malloc(2 * 4096);
        struct iovec iov = { raw + (4096 - (uintptr_t)raw % 4096), 4096 };

        g_assert_false(qcow2_read_now(block_backend_node(backend), 0, &iov, 1));
    }
    close_all();
}

int main(int argc, char *argv[])
{
    if (!image_tests_begin(&argc, &argv)) {
        return 0;
    }
    g_test_add_func("/read-now/clusters", test_clusters);
    g_test_add_func("/read-now/busy", test_busy);
    g_test_add_func("/read-now/direct", test_direct);
    return image_tests_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty bitmaps: sets of bits beside a plain model, what requests mark, jobs' freezing. */
#include <errno.h>
#include <string.h>

#include "block/dirty-bitmap.h"
#include "tests/unit/refused.h"
#include "util/keyval.h"
#include "util/main-loop.h"
#include "util/units.h"

static BlockNode *add(const char *text)
{
    GError *err = NULL;
    g_autoptr(BlockdevOptions) options =
        qapi_from_option(&BlockdevOptions_type, text, "driver", &err);
    BlockNode *node;

    g_assert_no_error(err);
    node = block_node_add(options, &err);
    g_assert_no_error(err);
    return node;
}

static BlockDirtyBitmap *make(BlockNode *node, const char *name, uint32_t granularity)
{
    GError *err = NULL;
    BlockDirtyBitmap *bitmap = block_dirty_bitmap_new(node, name, granularity, &err);

    g_assert_no_error(err);
    return bitmap;
}

/* ---- sets ---- */

#define MODEL 100000 /* bits: several chunks, the last of them and its last word not whole */

static void assert_like(const DirtyBits *bits, const bool *model, uint64_t size)
{
    uint64_t count = 0, at = 0;

    g_assert_cmpuint(bits->size, ==, size);
    for (uint64_t i = 0; i < size; i++) {
        count += model[i];
        g_assert_cmpint(dirty_bits_get(bits, i), ==, model[i]);
    }
    g_assert_cmpuint(bits->count, ==, count);
    for (bool set = true; at < size; set = !set) {
        uint64_t next = dirty_bits_next(bits, at, set);

        for (; at < next; at++) {
            g_assert_cmpint(model[at], ==, !set);
        }
    }
    g_assert_cmpuint(dirty_bits_next(bits, size, true), ==, size);
}

static void test_bits_like_model(void)
{
    g_autofree bool *model = g_new0(bool, MODEL);
    g_autoptr(DirtyBits) bits = dirty_bits_new(MODEL);

    for (unsigned step = 0; step < 400; step++) {
        uint64_t first = (uint64_t)g_test_rand_int_range(0, MODEL), n;
        bool set = g_test_rand_bit();

        n = (uint64_t)g_test_rand_int_range(0, g_test_rand_bit() ? 200 : MODEL / 2);
        n = MIN(n, MODEL - first);
        (set ? dirty_bits_set : dirty_bits_reset)(bits, first, n);
        memset(model + first, set, n);
        if (step % 20 == 0) {
            g_autoptr(DirtyBits) copy = dirty_bits_copy(bits);

            assert_like(bits, model, MODEL);
            assert_like(copy, model, MODEL);
        }
    }
}

static void test_bits_resized(void)
{
    g_autofree bool *model = g_new0(bool, MODEL);
    g_autoptr(DirtyBits) bits = dirty_bits_new(0);
    uint64_t size = 0;

    assert_like(bits, model, 0);
    for (unsigned step = 0; step < 100; step++) {
        uint64_t to = (uint64_t)g_test_rand_int_range(0, MODEL), first = MIN(size, to) / 2;

        if (to < size) {
            memset(model + to, 0, size - to);
        }
        size = to;
        dirty_bits_resize(bits, size);
        dirty_bits_set(bits, first, size - first);
        memset(model + first, 1, size - first);
        assert_like(bits, model, size);
    }
}

static void test_bits_of_a_large_disk_take_little(void)
{
    g_autoptr(DirtyBits) bits = dirty_bits_new(DIRTY_BITS_MAX);

    dirty_bits_set(bits, DIRTY_BITS_MAX - 1, 1);
    g_assert_cmpuint(dirty_bits_next(bits, 0, true), ==, DIRTY_BITS_MAX - 1);
    dirty_bits_reset(bits, 0, DIRTY_BITS_MAX);
    g_assert_cmpuint(bits->count, ==, 0);
}

/* ---- names and granularities ---- */

static void test_refused(void)
{
    BlockNode *node = add("null-co,node-name=n,size=4E");
    g_autofree char *longest = g_strnfill(BLOCK_DIRTY_BITMAP_NAME_MAX, 'x');
    g_autofree char *longer = g_strnfill(BLOCK_DIRTY_BITMAP_NAME_MAX + 1, 'x');

    assert_refused(block_dirty_bitmap_new(node, "b", 0, errp), "is too small for a disk");
    assert_refused(block_dirty_bitmap_new(node, "b", 256, errp), "power of 2, and at least 512");
    assert_refused(block_dirty_bitmap_new(node, "b", 1000, errp), "power of 2");
    assert_refused(block_dirty_bitmap_new(node, "", 1u << 31, errp), "cannot be empty");
    assert_refused(block_dirty_bitmap_new(node, longer, 1u << 31, errp), "at most 1023 bytes");
    make(node, longest, 1u << 31);
    assert_refused(block_dirty_bitmap_new(node, longest, 1u << 31, errp), "already");
    assert_refused(block_dirty_bitmap_find(node, "b", errp), "has no bitmap 'b'");
    make(node, NULL, 1u << 31);
    make(node, NULL, 1u << 31); /* nobody asks for their name */
    block_node_del("n", NULL);
}

static void test_default_granularity(void)
{
    BlockNode *node = add("null-co,node-name=n,size=1M");

    g_assert_cmpuint(make(node, "b", 0)->granularity, ==, 64 * KIB);
    block_node_del("n", NULL);
}

/* ---- what is marked ---- */

static void assert_marked(BlockDirtyBitmap *bitmap, const char *expected)
{
    g_autoptr(GString) found = g_string_new(NULL);
    uint64_t offset = 0, bytes;

    while (block_dirty_bitmap_next(bitmap, &offset, UINT64_MAX, UINT64_MAX, &bytes)) {
        g_string_append_printf(found, "%s%" PRIu64 "+%" PRIu64, found->len ? " " : "", offset / 512,
                               bytes / 512);
        offset += bytes;
    }
    g_assert_cmpstr(found->str, ==, expected);
}

static void test_requests_mark(void)
{
    BlockNode *node = add("null-co,node-name=n,size=1000k,discard=unmap");
    BlockDirtyBitmap *fine = make(node, "fine", 512), *coarse = make(node, "coarse", 64 * KIB);
    uint8_t buf[1024] = { 0 };

    g_assert_cmpint(block_node_pread(node, 0, buf, 1024), ==, 0);
    assert_marked(fine, "");
    g_assert_cmpint(block_node_pwrite(node, 511, buf, 2), ==, 0);
    assert_marked(fine, "0+2");
    assert_marked(coarse, "0+128");
    g_assert_cmpint(block_node_write_zeroes(node, 128 * KIB, 512, 0), ==, 0);
    assert_marked(fine, "0+2 256+1");
    g_assert_cmpint(block_node_pwrite(node, 1000 * KIB - 1, buf, 1), ==, 0);
    assert_marked(coarse, "0+128 256+128 1920+80"); /* as far as the node goes */
    g_assert_cmpuint(block_dirty_bitmap_count(coarse), ==, 3 * 64 * KIB);
    block_dirty_bitmap_set_enabled(fine, false);
    g_assert_cmpint(block_node_pwrite(node, 64 * KIB, buf, 1), ==, 0);
    assert_marked(fine, "0+2 256+1 1999+1");
    assert_marked(coarse, "0+384 1920+80");
    block_dirty_bitmap_set_enabled(coarse, false);
    g_assert_false(block_dirty_bitmap_records(node));
    block_dirty_bitmap_free(coarse);
    block_dirty_bitmap_set_enabled(fine, true);
    g_assert_true(block_dirty_bitmap_records(node));
    block_dirty_bitmap_free(fine);
    g_assert_false(block_dirty_bitmap_records(node));
    block_node_del("n", NULL);
}

static void test_failed_writes_mark(void)
{
    BlockNode *node = add("{'driver': 'blkdebug', 'node-name': 'n', 'inject-error': "
                          "[{'event': 'write_aio'}], 'image': {'driver': 'null-co'}}");
    BlockDirtyBitmap *bitmap = make(node, "b", 512);

    g_assert_cmpint(block_node_pwrite(node, 512, "x", 1), ==, EIO);
    assert_marked(bitmap, "1+1");
    block_node_del("n", NULL);
}

static void test_reset(void)
{
    BlockNode *node = add("null-co,node-name=n,size=9k");
    BlockDirtyBitmap *bitmap = make(node, "b", 2048);

    block_dirty_bitmap_set(bitmap, 0, 9 * KIB);
    assert_marked(bitmap, "0+18");
    block_dirty_bitmap_reset(bitmap, 1, 4096); /* one lies within as a whole */
    assert_marked(bitmap, "0+4 8+10");
    block_dirty_bitmap_reset(bitmap, 6000, 3216); /* and the last, which is shorter */
    assert_marked(bitmap, "0+4 8+4");
    block_dirty_bitmap_clear(bitmap);
    assert_marked(bitmap, "");
    block_dirty_bitmap_set(bitmap, 8 * KIB + 1000, 5 * KIB); /* as far as it goes */
    block_dirty_bitmap_set(bitmap, 100 * KIB, KIB);
    assert_marked(bitmap, "16+2");
    g_assert_true(block_dirty_bitmap_get(bitmap, 8 * KIB));
    g_assert_false(block_dirty_bitmap_get(bitmap, 8 * KIB - 1));
    block_node_del("n", NULL);
}

static void test_next_and_take(void)
{
    BlockNode *node = add("null-co,node-name=n,size=9k");
    BlockDirtyBitmap *bitmap = make(node, "b", 1024);
    uint64_t offset = 1500, bytes;

    block_dirty_bitmap_set(bitmap, 1024, 5 * KIB);
    g_assert_true(block_dirty_bitmap_next(bitmap, &offset, 9 * KIB, 600, &bytes));
    g_assert_cmpuint(offset, ==, 1500);
    g_assert_cmpuint(bytes, ==, 600);
    offset = 0;
    g_assert_false(block_dirty_bitmap_next(bitmap, &offset, 1024, KIB, &bytes));
    g_assert_true(block_dirty_bitmap_next(bitmap, &offset, 1025, KIB, &bytes));
    g_assert_cmpuint(bytes, ==, 1);
    offset = 2500; /* whole granules are taken */
    g_assert_true(block_dirty_bitmap_take(bitmap, &offset, 9 * KIB, 2500, &bytes));
    g_assert_cmpuint(offset, ==, 2048);
    g_assert_cmpuint(bytes, ==, 2048);
    assert_marked(bitmap, "2+2 8+4");
    block_node_del("n", NULL);
}

static void test_merge(void)
{
    BlockNode *a = add("null-co,node-name=a,size=100k"), *b = add("null-co,node-name=b,size=60k");
    BlockDirtyBitmap *fine = make(a, "x", 512), *coarse = make(b, "x", 4096);
    DirtyBits *before;

    block_dirty_bitmap_set(fine, 5000, 1);
    block_dirty_bitmap_set(fine, 99 * KIB, KIB);
    block_dirty_bitmap_merge(coarse, fine); /* what is beyond its end is not there */
    assert_marked(coarse, "8+8");
    block_dirty_bitmap_set(coarse, 16 * KIB, 1);
    before = block_dirty_bitmap_save(fine);
    block_dirty_bitmap_merge(fine, coarse);
    assert_marked(fine, "8+8 32+8 198+2");
    block_dirty_bitmap_restore(fine, before);
    assert_marked(fine, "9+1 198+2");
    block_dirty_bitmap_merge(fine, fine);
    assert_marked(fine, "9+1 198+2");
    block_node_del("a", NULL);
    block_node_del("b", NULL);
}

static void test_resized(void)
{
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "dirty-bitmap-XXXXXX", NULL);
    g_autofree char *option = NULL;
    BlockNode *node;
    BlockDirtyBitmap *bitmap;

    close(g_mkstemp(path));
    option = g_strdup_printf("file,node-name=n,filename=%s", path);
    node = add(option);
    bitmap = make(node, "b", 512);
    g_assert_cmpint(block_node_pwrite(node, 0, "x", 1), ==, 0);
    assert_marked(bitmap, "0+0"); /* of a file of one byte */
    g_assert_cmpuint(block_dirty_bitmap_count(bitmap), ==, 512);
    g_assert_cmpint(block_node_pwrite(node, 1023, "x", 1), ==, 0);
    assert_marked(bitmap, "0+2");
    g_assert_cmpint(block_node_truncate(node, 4096), ==, 0);
    assert_marked(bitmap, "0+2");
    g_assert_cmpint(block_node_pwrite(node, 4000, "x", 1), ==, 0);
    assert_marked(bitmap, "0+2 7+1");
    g_assert_cmpint(block_node_truncate(node, 1024), ==, 0);
    g_assert_cmpint(block_node_truncate(node, 4096), ==, 0);
    assert_marked(bitmap, "0+2");
    block_node_del("n", NULL);
    unlink(path);
}

/* ---- jobs ---- */

static void test_frozen(void)
{
    BlockNode *node = add("null-co,node-name=n,size=9k");
    BlockDirtyBitmap *bitmap = make(node, "b", 1024);

    for (unsigned well = 0; well < 2; well++) {
        block_dirty_bitmap_clear(bitmap);
        block_dirty_bitmap_set(bitmap, 0, 2048);
        block_dirty_bitmap_set_busy(bitmap, true);
        block_dirty_bitmap_freeze(bitmap);
        assert_refused(block_dirty_bitmap_check(bitmap, BLOCK_DIRTY_BITMAP_CHANGE, errp), "job");
        assert_refused(block_dirty_bitmap_check(bitmap, BLOCK_DIRTY_BITMAP_REMOVE, errp), "job");
        g_assert_true(block_dirty_bitmap_check(bitmap, BLOCK_DIRTY_BITMAP_READ, NULL));
        g_assert_cmpint(block_node_pwrite(node, 4096, "x", 1), ==, 0);
        assert_marked(bitmap, "0+4");
        block_dirty_bitmap_reset(bitmap, 0, 1024); /* the job's */
        (well ? block_dirty_bitmap_thaw_done : block_dirty_bitmap_thaw_failed)(bitmap);
        block_dirty_bitmap_set_busy(bitmap, false);
        assert_marked(bitmap, well ? "8+2" : "2+2 8+2");
        g_assert_true(block_dirty_bitmap_check(bitmap, BLOCK_DIRTY_BITMAP_CHANGE, NULL));
    }
    block_dirty_bitmap_set_enabled(bitmap, false);
    block_dirty_bitmap_freeze(bitmap);
    g_assert_cmpint(block_node_pwrite(node, 6000, "x", 1), ==, 0);
    block_dirty_bitmap_thaw_failed(bitmap);
    assert_marked(bitmap, "8+2");
    block_dirty_bitmap_freeze(bitmap);
    block_node_del("n", NULL);
}

/* Threads write, and one takes what they wrote: in the end nothing was missed. */
#define THREADS 3
#define ROUNDS  3000

static BlockNode *shared;
static bool written[64];

static gpointer writer(gpointer data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(GPOINTER_TO_UINT(data));

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned place = g_rand_int_range(rand, 0, 64);

        __atomic_store_n(&written[place], true, __ATOMIC_SEQ_CST);
        g_assert_cmpint(block_node_pwrite(shared, place * 512, "x", 1), ==, 0);
    }
    return NULL;
}

static void take_all(BlockDirtyBitmap *bitmap)
{
    uint64_t offset = 0, bytes;

    while (block_dirty_bitmap_take(bitmap, &offset, UINT64_MAX, 4096, &bytes)) {
        for (uint64_t at = offset; at < offset + bytes; at += 512) {
            __atomic_store_n(&written[at / 512], false, __ATOMIC_SEQ_CST);
        }
        offset += bytes;
    }
}

static void test_threads(void)
{
    BlockDirtyBitmap *bitmap;
    GThread *threads[THREADS];

    shared = add("null-co,node-name=n,size=32k");
    bitmap = make(shared, "b", 512);
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = g_thread_new("writer", writer, GUINT_TO_POINTER(i + 1));
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        take_all(bitmap);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        g_thread_join(threads[i]);
    }
    take_all(bitmap);
    for (unsigned i = 0; i < G_N_ELEMENTS(written); i++) {
        g_assert_false(written[i]);
    }
    block_node_del("n", NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/dirty-bitmap/bits/like-model", test_bits_like_model);
    g_test_add_func("/dirty-bitmap/bits/resized", test_bits_resized);
    g_test_add_func("/dirty-bitmap/bits/large", test_bits_of_a_large_disk_take_little);
    g_test_add_func("/dirty-bitmap/refused", test_refused);
    g_test_add_func("/dirty-bitmap/default-granularity", test_default_granularity);
    g_test_add_func("/dirty-bitmap/requests-mark", test_requests_mark);
    g_test_add_func("/dirty-bitmap/failed-writes-mark", test_failed_writes_mark);
    g_test_add_func("/dirty-bitmap/reset", test_reset);
    g_test_add_func("/dirty-bitmap/next-and-take", test_next_and_take);
    g_test_add_func("/dirty-bitmap/merge", test_merge);
    g_test_add_func("/dirty-bitmap/resized", test_resized);
    g_test_add_func("/dirty-bitmap/frozen", test_frozen);
    g_test_add_func("/dirty-bitmap/threads", test_threads);
    return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RAM blocks: mapping, alignment, sharing, preallocation, bad sizes. */
#include "memory/ram-block.h"
#include "memory/ram-parts.h"
#include "memory/ram-resident.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/error.h"
#include "util/interrupt.h"
#include "util/units.h"

static RamBlock *new_ok(uint64_t size, int fd, bool shared, uint64_t align)
{
    g_autoptr(GError) err = NULL;
    RamBlock *block = ram_block_new("test", size, fd, shared, true, align, &err);

    g_assert_no_error(err);
    g_assert_nonnull(block);
    return block;
}

static void assert_refused(uint64_t size, uint64_t align, const char *why)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(ram_block_new("test", size, -1, false, true, align, &err));
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(err->message, "'test'"));
    g_assert_nonnull(strstr(err->message, why));
}

static void test_anonymous(void)
{
    RamBlock *block = new_ok(4 * MIB, -1, false, 0);

    g_assert_cmpint(block->fd, ==, -1);
    g_assert_cmpuint(block->page_size, ==, (uint64_t)sysconf(_SC_PAGESIZE));
    g_assert_cmpuint((uintptr_t)block->host % (2 * MIB), ==, 0);
    g_assert_cmpint(block->host[0], ==, 0);
    block->host[4 * MIB - 1] = 1;
    g_assert_true(ram_block_ref(block) == block);
    ram_block_unref(block);
    block->host[0] = 1;
    ram_block_unref(block);
    ram_block_unref(NULL);
}

static void test_align(void)
{
    for (uint64_t align = 4096; align <= 64 * MIB; align <<= 2) {
        RamBlock *block = new_ok(8192, -1, true, align);

        g_assert_cmpuint((uintptr_t)block->host % align, ==, 0);
        block->host[8191] = 1;
        ram_block_unref(block);
    }
}

static void test_file(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    RamBlock *shared, *private;
    uint8_t byte = 7;

    g_assert_cmpint(ftruncate(fd, 8192), ==, 0);
    shared = new_ok(8192, fd, true, 0);
    private = new_ok(8192, dup(fd), false, 0);
    shared->host[5000] = 7;
    g_assert_cmpint(pread(fd, &byte, 1, 5000), ==, 1);
    g_assert_cmpint(byte, ==, 7);
    private->host[5000] = 8;
    g_assert_cmpint(shared->host[5000], ==, 7);
    ram_block_unref(private);
    ram_block_unref(shared); /* closes fd */
    g_assert_cmpint(ftruncate(fd, 0), ==, -1);
}

static void test_prealloc(void)
{
    g_autoptr(GError) err = NULL;
    RamBlock *block = new_ok(MIB, -1, false, 0);
    unsigned char present[256] = { 0 };

    block->host[4096] = 9;
    g_assert_true(ram_block_prealloc(block, 1, NULL, NULL, &err));
    g_assert_no_error(err);
    g_assert_cmpint(block->host[4096], ==, 9);
    g_assert_cmpint(mincore(block->host, MIB, present), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(present); i++) {
        g_assert_cmpint(present[i] & 1, ==, 1);
    }
    ram_block_unref(block);
}

static atomic_uint spawned;

static GThread *count_spawn(void *opaque, GThreadFunc fn, void *data, GError **errp)
{
    unsigned most = *(unsigned *)opaque;

    if (atomic_fetch_add(&spawned, 1) >= most) {
        error_set(errp, "no more threads");
        return NULL;
    }
    return g_thread_new("count", fn, data);
}

static void assert_resident(const RamBlock *block)
{
    uint64_t pages = block->size / block->page_size;
    g_autofree unsigned char *present = g_malloc0(pages);

    g_assert_cmpint(mincore(block->host, block->size, present), ==, 0);
    for (uint64_t i = 0; i < pages; i++) {
        g_assert_cmpint(present[i] & 1, ==, 1);
    }
}

/* As many threads as asked for, no more than pages; together they touch all. */
static void test_prealloc_threads(void)
{
    static const struct {
        uint64_t pages;
        unsigned threads, expected;
    } cases[] = { { 256, 3, 3 }, { 7, 3, 3 }, { 5, 16, 5 }, { 300, 1000, 256 }, { 4, 0, 1 } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        RamBlock *block = new_ok(cases[i].pages * 4096, -1, false, 0);
        unsigned most = UINT_MAX;

        spawned = 0;
        g_assert_true(ram_block_prealloc(block, cases[i].threads, count_spawn, &most, &err));
        g_assert_no_error(err);
        g_assert_cmpuint(spawned, ==, cases[i].expected);
        assert_resident(block);
        ram_block_unref(block);
        block = new_ok(cases[i].pages * 4096, -1, false, 0);
        g_assert_true(ram_block_prealloc(block, cases[i].threads, NULL, NULL, &err));
        assert_resident(block);
        ram_block_unref(block);
    }
}

static void test_prealloc_no_thread(void)
{
    g_autoptr(GError) err = NULL;
    RamBlock *block = new_ok(MIB, -1, false, 0);
    unsigned most = 2;

    spawned = 0;
    g_assert_false(ram_block_prealloc(block, 4, count_spawn, &most, &err));
    g_assert_nonnull(strstr(err->message, "'test': cannot start 4 threads"));
    g_assert_nonnull(strstr(err->message, "no more threads"));
    ram_block_unref(block);
}

/* Ordinary files are not in persistent memory: a warning, and they work. */
static void warned(void *opaque, const char *text)
{
    g_string_append(opaque, text);
}

static void test_persistent(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    int fd = memfd_create("test", MFD_CLOEXEC);
    RamBlockOptions options = {
        .name = "test", .size = 8192, .fd = fd, .shared = true, .reserve = true, .persistent = true
    };
    RamBlock *block;
    uint8_t byte = 0;

    g_assert_cmpint(ftruncate(fd, 8192), ==, 0);
    error_redirect(warned, text);
    block = ram_block_map(&options, &err);
    error_redirect(NULL, NULL);
    g_assert_no_error(err);
    g_assert_nonnull(strstr(text->str, "persistent memory"));
    block->host[8191] = 5;
    g_assert_cmpint(pread(fd, &byte, 1, 8191), ==, 1);
    g_assert_cmpint(byte, ==, 5);
    ram_block_unref(block);
}

/* A file that ends too early: SIGBUS becomes an error. */
static void test_prealloc_fails(void)
{
    g_autoptr(GError) err = NULL;
    int fd = memfd_create("test", MFD_CLOEXEC);
    RamBlock *block;

    g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
    block = new_ok(64 * 1024, fd, true, 0);
    g_assert_false(ram_block_prealloc(block, 1, NULL, NULL, &err));
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(err->message, "preallocate"));
    g_clear_error(&err);
    g_assert_false(ram_block_prealloc(block, 4, NULL, NULL, &err));
    g_assert_nonnull(strstr(err->message, "preallocate"));
    ram_block_unref(block);
}

/* A signal that ends the program ends this too. */
static void test_prealloc_interrupted(void)
{
    g_autoptr(GError) err = NULL;
    RamBlock *block = new_ok(4 * MIB, -1, false, 0);

    interrupt_raise();
    g_assert_false(ram_block_prealloc(block, 1, NULL, NULL, &err));
    g_assert_nonnull(strstr(err->message, "'test': preallocation: interrupted"));
    interrupt_clear();
    g_assert_true(ram_block_prealloc(block, 1, NULL, NULL, NULL));
    ram_block_unref(block);
}

static void test_bad(void)
{
    g_autoptr(GError) err = NULL;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    assert_refused(0, 0, "multiple");
    assert_refused(4097, 0, "multiple");
    assert_refused(8192, 12288, "power of 2");
    assert_refused(UINT64_MAX & ~4095ull, 0, "more than the host can map");
    assert_refused(1ull << 62, 0, "cannot map");
    g_assert_null(ram_block_new("test", 8192, null, true, true, 0, &err));
    g_assert_nonnull(strstr(err->message, "no memory"));
    close(null);
}

/* Does the host know that large pages are wanted at @host (VmFlags, proc(5))? */
static bool wants_large_pages(const uint8_t *host)
{
    g_autofree char *text = NULL;
    uint64_t start, end;
    bool here = false;

    g_assert_true(g_file_get_contents("/proc/self/smaps", &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (sscanf(*line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2) {
            here = start <= (uintptr_t)host && (uintptr_t)host < end;
        } else if (here && g_str_has_prefix(*line, "VmFlags:")) {
            return strstr(*line, " hg");
        }
    }
    g_assert_not_reached();
}

/* Of what is there when guest code first runs, of what comes later, and of what is touched as a
 * whole; not of what is too small, shared, or a file. */
static void test_large_pages(void)
{
    if (!g_file_test("/sys/kernel/mm/transparent_hugepage", G_FILE_TEST_IS_DIR)) {
        g_test_skip("the host's kernel has no transparent large pages");
        return;
    }
    int fd = memfd_create("test", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, 4 * MIB), ==, 0);
    RamBlock *early = new_ok(4 * MIB, -1, false, 0), *touched = new_ok(4 * MIB, -1, false, 0);
    RamBlock *small = new_ok(MIB, -1, false, 0), *shared = new_ok(4 * MIB, -1, true, 0);
    RamBlock *file = new_ok(4 * MIB, fd, false, 0);

    g_assert_false(wants_large_pages(early->host));
    g_assert_true(ram_block_prealloc(touched, 1, NULL, NULL, NULL));
    g_assert_true(wants_large_pages(touched->host));
    ram_blocks_use_large_pages();
    RamBlock *late = new_ok(4 * MIB, -1, false, 0);
    g_assert_true(wants_large_pages(early->host));
    g_assert_true(wants_large_pages(late->host));
    g_assert_false(wants_large_pages(small->host));
    g_assert_false(wants_large_pages(shared->host));
    g_assert_false(wants_large_pages(file->host));
    RamBlock *all[] = { early, touched, small, shared, file, late };
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        ram_block_unref(all[i]);
    }
}

/* Pages of the host; a hugetlbfs page counts whole. */
static void check_resident(int fd, bool shared)
{
    const uint64_t size = 64 * MIB, page = (uint64_t)sysconf(_SC_PAGESIZE);
    RamBlock *block = new_ok(size, fd, shared, 0);
    uint64_t touched = 0;

    madvise(block->host, size, MADV_NOHUGEPAGE); /* whatever the host does by itself */
    g_assert_cmpuint(ram_block_resident(block, block->size), ==, 0);
    /* In the first and the last window, and on both sides of a border of theirs. */
    const uint64_t places[] = { 0, 5 * page, 32 * MIB - page, 32 * MIB, size - page };
    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        block->host[places[i]] = 1;
        touched += page;
        g_assert_cmpuint(ram_block_resident(block, block->size), ==, touched);
    }
    if (fd < 0 && !shared) { /* what was only read is nobody's */
        g_assert_cmpint(*(volatile uint8_t *)&block->host[MIB], ==, 0);
        g_assert_cmpuint(ram_block_resident(block, block->size), ==, touched);
    }
    if (fd < 0 || shared) { /* else the file has the page, too */
        g_assert_cmpint(madvise(block->host, page, shared ? MADV_REMOVE : MADV_DONTNEED), ==, 0);
        g_assert_cmpuint(ram_block_resident(block, block->size), ==, touched - page);
    }
    g_assert_true(ram_block_prealloc(block, 1, NULL, NULL, NULL));
    g_assert_cmpuint(ram_block_resident(block, block->size), ==, size);
    ram_block_unref(block);
}

/* What is there is what was read or written to, whether it is zero or not. */
static void test_untouched(void)
{
    const uint64_t size = 16 * MIB, page = (uint64_t)sysconf(_SC_PAGESIZE);
    RamBlock *block = new_ok(size, -1, false, 0), *shared = new_ok(size, -1, true, 0);

    madvise(block->host, size, MADV_NOHUGEPAGE);
    g_assert_true(ram_block_all_untouched(block, 0, size));
    g_assert_cmpint(*(volatile uint8_t *)&block->host[size - page], ==, 0);
    block->host[page] = 1;
    g_assert_false(ram_block_all_untouched(block, 0, size));
    g_assert_false(ram_block_all_untouched(block, 0, 2 * page));
    g_assert_false(ram_block_all_untouched(block, size - page, page));
    g_assert_true(ram_block_all_untouched(block, 0, page));
    g_assert_true(ram_block_all_untouched(block, 2 * page, size - 3 * page));
    g_assert_cmpint(madvise(block->host, size, MADV_DONTNEED), ==, 0);
    g_assert_true(ram_block_all_untouched(block, 0, size));
    g_assert_false(ram_block_all_untouched(shared, 0, size)); /* others may have written to it */
    ram_block_unref(block);
    ram_block_unref(shared);
}

static int new_memfd(unsigned flags, uint64_t size)
{
    int fd = memfd_create("test", flags);

    g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
    return fd;
}

static void test_resident(void)
{
    check_resident(-1, false);
    check_resident(-1, true);
    check_resident(new_memfd(0, 64 * MIB), true);
    check_resident(new_memfd(0, 64 * MIB), false);
}

static void test_resident_huge(void)
{
    g_autoptr(GError) err = NULL;
    int fd = memfd_create("test", MFD_HUGETLB | 21u << 26 /* of 2 MiB */);

    if (fd < 0 || ftruncate(fd, 4 * MIB) < 0) {
        g_test_skip("the host's kernel has no huge pages of 2 MiB");
        return;
    }
    RamBlock *block = ram_block_new("test", 4 * MIB, fd, true, true, 0, &err);
    if (!block) {
        close(fd);
        g_test_skip("the host has no two free huge pages of 2 MiB");
        return;
    }
    g_assert_cmpuint(ram_block_resident(block, block->size), ==, 0);
    block->host[3 * MIB] = 1;
    g_assert_cmpuint(ram_block_resident(block, block->size), ==, 2 * MIB);
    ram_block_unref(block);
}

/* ---- parts ---- */

/* What ram_parts_next() tells, against @there, a byte a part of a MiB. */
static void check_parts(const RamBlock *block, const uint8_t *there, unsigned count)
{
    uint64_t at = 0, size, bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned end = i;

        while (end < count && there[end]) {
            end++;
        }
        if (end == i) {
            continue;
        }
        g_assert_true(ram_parts_next(block, &at, &size));
        g_assert_cmpuint(at, ==, i * MIB);
        g_assert_cmpuint(size, ==, (end - i) * MIB);
        g_assert_true(ram_parts_all(block, at, size, true));
        g_assert_false(ram_parts_all(block, at, size, false));
        bytes += size;
        at += size;
        i = end;
    }
    g_assert_false(ram_parts_next(block, &at, &size));
    g_assert_cmpuint(ram_parts_bytes(block), ==, bytes);
}

static void test_parts(void)
{
    enum { PARTS = 200 };
    RamBlock *block = new_ok(PARTS * MIB, -1, false, 0);
    uint8_t there[PARTS] = { 0 };
    uint64_t at = 5, size;

    g_assert_true(ram_parts_next(block, &at, &size)); /* it has none: all of it is there */
    g_assert_cmpuint(at, ==, 5);
    g_assert_cmpuint(size, ==, PARTS * MIB - 5);
    ram_parts_begin(block, MIB);
    check_parts(block, there, PARTS);
    for (unsigned round = 0; round < 200; round++) {
        unsigned first = (unsigned)g_test_rand_int_range(0, PARTS);
        unsigned end = (unsigned)g_test_rand_int_range((int)first + 1, PARTS + 1);
        bool value = g_test_rand_bit();

        memset(there + first, value, end - first);
        ram_parts_set(block, first * MIB, (end - first) * MIB, value);
        check_parts(block, there, PARTS);
    }
    ram_parts_set(block, 0, PARTS * MIB, false);
    ram_parts_set(block, 3 * MIB, 2 * MIB, true);
    at = 4 * MIB + 4096; /* from the middle of a piece on */
    g_assert_true(ram_parts_next(block, &at, &size));
    g_assert_cmpuint(at, ==, 4 * MIB + 4096);
    g_assert_cmpuint(size, ==, MIB - 4096);
    g_assert_true(ram_parts_all(block, 5 * MIB, 195 * MIB, false));
    g_assert_false(ram_parts_all(block, 4 * MIB, 2 * MIB, true));
    ram_parts_end(block);
    g_assert_cmpuint(ram_parts_bytes(block), ==, PARTS * MIB);
    ram_parts_begin(block, MIB); /* again, and with other parts */
    g_assert_cmpuint(ram_parts_bytes(block), ==, 0);
    ram_parts_begin(block, 2 * MIB);
    ram_parts_set(block, 198 * MIB, 2 * MIB, true);
    g_assert_cmpuint(ram_parts_bytes(block), ==, 2 * MIB);
    ram_block_unref(block);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram-block/anonymous", test_anonymous);
    g_test_add_func("/ram-block/align", test_align);
    g_test_add_func("/ram-block/file", test_file);
    g_test_add_func("/ram-block/prealloc", test_prealloc);
    g_test_add_func("/ram-block/prealloc-threads", test_prealloc_threads);
    g_test_add_func("/ram-block/prealloc-no-thread", test_prealloc_no_thread);
    g_test_add_func("/ram-block/persistent", test_persistent);
    g_test_add_func("/ram-block/prealloc-fails", test_prealloc_fails);
    g_test_add_func("/ram-block/prealloc-interrupted", test_prealloc_interrupted);
    g_test_add_func("/ram-block/bad", test_bad);
    g_test_add_func("/ram-block/untouched", test_untouched);
    g_test_add_func("/ram-block/resident", test_resident);
    g_test_add_func("/ram-block/resident-huge", test_resident_huge);
    g_test_add_func("/ram-block/parts", test_parts);
    g_test_add_func("/ram-block/large-pages", test_large_pages);
    return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RAM blocks: mapping, alignment, sharing, preallocation, bad sizes. */
#include "memory/ram-block.h"

#include <sys/mman.h>
#include <unistd.h>

#include "util/error.h"
#include "util/interrupt.h"

#define MIB (1ull << 20)

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
    g_assert_true(ram_block_prealloc(block, &err));
    g_assert_no_error(err);
    g_assert_cmpint(block->host[4096], ==, 9);
    g_assert_cmpint(mincore(block->host, MIB, present), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(present); i++) {
        g_assert_cmpint(present[i] & 1, ==, 1);
    }
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
    g_assert_false(ram_block_prealloc(block, &err));
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(err->message, "preallocate"));
    ram_block_unref(block);
}

/* A signal that ends the program ends this too. */
static void test_prealloc_interrupted(void)
{
    g_autoptr(GError) err = NULL;
    RamBlock *block = new_ok(4 * MIB, -1, false, 0);

    interrupt_raise();
    g_assert_false(ram_block_prealloc(block, &err));
    g_assert_nonnull(strstr(err->message, "'test': preallocation: interrupted"));
    interrupt_clear();
    g_assert_true(ram_block_prealloc(block, NULL));
    ram_block_unref(block);
}

static void test_bad(void)
{
    assert_refused(0, 0, "multiple");
    assert_refused(4097, 0, "multiple");
    assert_refused(8192, 12288, "power of 2");
    assert_refused(UINT64_MAX & ~4095ull, 0, "more than the host can map");
    assert_refused(1ull << 62, 0, "cannot map");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram-block/anonymous", test_anonymous);
    g_test_add_func("/ram-block/align", test_align);
    g_test_add_func("/ram-block/file", test_file);
    g_test_add_func("/ram-block/prealloc", test_prealloc);
    g_test_add_func("/ram-block/prealloc-fails", test_prealloc_fails);
    g_test_add_func("/ram-block/prealloc-interrupted", test_prealloc_interrupted);
    g_test_add_func("/ram-block/bad", test_bad);
    return g_test_run();
}

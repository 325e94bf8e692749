/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flash: commands, what reaches the file, and files that are not right. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "hw/block/pflash-cfi01.h"
#include "memory/address-space.h"
#include "memory/dirty.h"
#include "tests/unit/chip-test.h"

enum { BASE = 0x10000000, SIZE = 4 * PFLASH_BLOCK };

static char *dir, *path;
static Device *flash;

/* A file of @size bytes 0x5a. */
static void write_file(size_t size)
{
    g_autofree char *data = g_strnfill(size, 0x5a);

    g_assert_true(g_file_set_contents(path, data, (gssize)size, NULL));
}

static uint8_t file_byte(size_t at)
{
    g_autofree char *data = NULL;
    size_t len;

    g_assert_true(g_file_get_contents(path, &data, &len, NULL));
    g_assert_cmpuint(len, ==, SIZE);
    return (uint8_t)data[at];
}

static void plug(bool readonly)
{
    g_autoptr(GError) err = NULL;

    write_file(SIZE);
    flash = pflash_cfi01_create("flash", path, readonly, SIZE, &err);
    g_assert_no_error(err);
    memory_region_add(memory_system(), BASE, pflash_cfi01_region(flash));
    devices_reset();
}

static void unplug(void)
{
    device_unplug(flash);
    flash = NULL;
}

static uint8_t rd(hwaddr at)
{
    return (uint8_t)address_space_load(&address_space_memory, BASE + at, 1);
}

static void wr(hwaddr at, uint8_t value)
{
    address_space_store(&address_space_memory, BASE + at, value, 1);
}

static bool executable(void)
{
    return address_space_host(&address_space_memory, BASE, SIZE);
}

static void test_array(void)
{
    plug(false);
    g_assert_true(executable());
    g_assert_cmphex(rd(7), ==, 0x5a);
    wr(0, 0x70);
    g_assert_false(executable());
    g_assert_cmphex(rd(0), ==, 0x80);
    g_assert_cmphex(address_space_load(&address_space_memory, BASE + 100, 4), ==, 0x80808080);
    wr(0, 0xff);
    g_assert_true(executable());
    wr(0, 0x50); /* by this, OVMF knows flash */
    wr(0, 0x70);
    g_assert_cmphex(rd(0), ==, 0);
    wr(0, 0xf0);
    g_assert_true(executable());
    wr(0, 0x20);
    devices_reset(); /* in the middle of a command */
    wr(0, 0xff);
    g_assert_cmphex(rd(0), ==, 0x5a);
    unplug();
}

static void test_ids(void)
{
    plug(false);
    wr(0, 0x90);
    g_assert_cmphex(rd(0), ==, 0x89);
    g_assert_cmphex(rd(1), ==, 0x18);
    g_assert_cmphex(rd(PFLASH_BLOCK + 2), ==, 0);
    wr(0, 0x98);
    g_assert_cmphex(address_space_load(&address_space_memory, BASE + 0x10, 4) & 0xffffff, ==,
                    'Q' | 'R' << 8 | 'Y' << 16);
    g_assert_cmpint(1 << rd(0x27), ==, SIZE);
    g_assert_cmpint(rd(0x2c), ==, 1);
    g_assert_cmpint(rd(0x2d) + (rd(0x2e) << 8) + 1, ==, SIZE / PFLASH_BLOCK);
    g_assert_cmpint((rd(0x2f) + (rd(0x30) << 8)) * 256, ==, PFLASH_BLOCK);
    g_assert_cmpint(rd(0x15), ==, 0x31);
    g_assert_cmpint(rd(0x31), ==, 'P');
    g_assert_cmpint(rd(SIZE - 1), ==, 0);
    unplug();
}

static void test_program(void)
{
    plug(false);
    wr(0x123, 0x40);
    wr(0x123, 0xf0);
    g_assert_cmphex(rd(0), ==, 0x80);
    g_assert_cmphex(file_byte(0x123), ==, 0x50); /* at once; bits are only cleared */
    address_space_store(&address_space_memory, BASE + 0x200, 0x10, 1);
    address_space_store(&address_space_memory, BASE + 0x200, 0x11223344, 4);
    wr(0, 0xff);
    g_assert_cmphex(rd(0x123), ==, 0x50);
    g_assert_cmphex(address_space_load(&address_space_memory, BASE + 0x200, 4), ==,
                    0x11223344 & 0x5a5a5a5a);
    unplug();
}

static void test_erase(void)
{
    plug(false);
    wr(PFLASH_BLOCK + 5, 0x20);
    wr(PFLASH_BLOCK + 5, 0xd0);
    g_assert_cmphex(rd(0), ==, 0x80);
    g_assert_cmphex(file_byte(PFLASH_BLOCK - 1), ==, 0x5a);
    g_assert_cmphex(file_byte(PFLASH_BLOCK), ==, 0xff);
    g_assert_cmphex(file_byte(2 * PFLASH_BLOCK - 1), ==, 0xff);
    g_assert_cmphex(file_byte(2 * PFLASH_BLOCK), ==, 0x5a);
    wr(0, 0x20); /* not confirmed */
    wr(0, 0x00);
    g_assert_cmphex(rd(0), ==, 0xb0);
    g_assert_cmphex(file_byte(0), ==, 0x5a);
    wr(0, 0x60); /* unlocking is accepted */
    wr(0, 0xd0);
    wr(0, 0x50);
    wr(0, 0xff);
    unplug();
}

static void test_buffer(void)
{
    plug(false);
    wr(0x40, 0xe8);
    g_assert_cmphex(rd(0) & 0x80, ==, 0x80);
    wr(0x40, 5); /* six bytes */
    address_space_store(&address_space_memory, BASE + 0x40, 0x03020100, 4);
    address_space_store(&address_space_memory, BASE + 0x44, 0x0a08, 2);
    g_assert_cmphex(file_byte(0x40), ==, 0x5a);
    wr(0x40, 0xd0);
    g_assert_cmphex(rd(0), ==, 0x80);
    g_assert_cmphex(file_byte(0x40), ==, 0);
    g_assert_cmphex(file_byte(0x45), ==, 0x0a);
    g_assert_cmphex(file_byte(0x46), ==, 0x5a);
    unplug();
}

/* What is not right ends the command with an error, and changes nothing. */
/* What the guest stores is a write to memory like others: whoever saves the machine is told. */
static void test_dirty(void)
{
    uint64_t page = 0, count;

    plug(false);
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();
    g_ptr_array_add(blocks, pflash_cfi01_region(flash)->ram);
    DirtyTracker *tracker = dirty_tracker_new(blocks);
    g_assert_true(dirty_tracker_next(tracker, 0, &page, UINT64_MAX, &count));
    wr(0x3123, 0x40);
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 0);
    wr(0x3123, 0xf0);
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 1);
    page = 0;
    g_assert_true(dirty_tracker_next(tracker, 0, &page, UINT64_MAX, &count));
    g_assert_cmpuint(page, ==, 3);
    wr(PFLASH_BLOCK, 0x20);
    wr(PFLASH_BLOCK, 0xd0);
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, PFLASH_BLOCK / DIRTY_PAGE);
    dirty_tracker_free(tracker);
    unplug();
}

static void test_buffer_misuse(void)
{
    static const struct {
        uint8_t count;
        hwaddr first, second;
        unsigned size;
    } cases[] = {
        { 0xff, 0, 0, 0 },                        /* more than there is room for */
        { 3, 0x40, 0x42, 1 },                     /* a gap */
        { 1, 0x40, 0x41, 2 },                     /* too much data */
        { 3, PFLASH_BLOCK - 1, PFLASH_BLOCK, 1 }, /* two blocks */
        { 3, SIZE - 1, 0, 1 },                    /* beyond the end */
    };

    plug(false);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        wr(0, 0xe8);
        wr(0, cases[i].count);
        if (cases[i].size) {
            wr(cases[i].first, 0);
            address_space_store(&address_space_memory, BASE + cases[i].second, 0, cases[i].size);
        }
        g_assert_cmphex(rd(0), ==, 0xb0);
        wr(0, 0x50);
        wr(0, 0xff);
        g_assert_true(executable());
    }
    wr(0, 0xe8);
    wr(0, 0);
    wr(0, 0);
    wr(0, 0x55); /* not the confirmation */
    g_assert_cmphex(rd(0), ==, 0xb0);
    for (size_t at = 0; at < SIZE; at += 0x41) {
        g_assert_cmphex(file_byte(at), ==, 0x5a);
    }
    unplug();
}

static void test_readonly(void)
{
    plug(true);
    wr(0, 0x40);
    wr(0, 0);
    g_assert_cmphex(rd(0), ==, 0x92);
    wr(0, 0x50);
    wr(0, 0x20);
    wr(0, 0xd0);
    g_assert_cmphex(rd(0), ==, 0xa2);
    wr(0, 0x90);
    g_assert_cmphex(rd(2), ==, 1);
    wr(0, 0xff);
    g_assert_cmphex(rd(0), ==, 0x5a);
    g_assert_cmphex(file_byte(0), ==, 0x5a);
    unplug();
}

/* Any bytes anywhere: the file changes, its size does not, and a reset gives an array. */
static void test_random(void)
{
    static const uint8_t commands[] = { 0x10, 0x40, 0x20, 0x50, 0x60, 0x70,
                                        0x90, 0x98, 0xd0, 0xe8, 0xff };

    plug(false);
    for (unsigned i = 0; i < 3000; i++) {
        hwaddr at = g_test_rand_int_range(0, SIZE);
        unsigned size = 1u << g_test_rand_int_range(0, 4);
        uint64_t value = g_test_rand_bit() ? (uint64_t)g_test_rand_int_range(0, 256)
                                           : commands[g_test_rand_int_range(0, sizeof(commands))];

        address_space_store(&address_space_memory, BASE + at, value, MIN(size, SIZE - at));
        address_space_load(&address_space_memory, BASE + at, MIN(size, SIZE - at));
    }
    devices_reset();
    g_assert_true(executable());
    for (size_t at = 0; at < SIZE; at += 0x101) {
        g_assert_cmphex(file_byte(at), ==, rd(at));
    }
    unplug();
}

static void assert_refused(bool readonly, const char *message)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(pflash_cfi01_create("flash", path, readonly, SIZE, &err));
    g_assert_nonnull(err);
    if (!strstr(err->message, message)) {
        g_error("'%s' does not say: %s", err->message, message);
    }
}

static void test_files(void)
{
    write_file(SIZE + PFLASH_BLOCK);
    assert_refused(false, "there is room for 16384 bytes");
    write_file(PFLASH_BLOCK + 1);
    assert_refused(true, "must be a multiple of 4096 bytes");
    write_file(0);
    assert_refused(false, "0 bytes is not possible");
    g_unlink(path);
    assert_refused(false, "No such file");
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    assert_refused(true, "not a regular file");
    g_rmdir(path);
    write_file(SIZE);
    g_chmod(path, 0400);
    if (geteuid() != 0) {
        assert_refused(false, "use readonly=on");
    }
    g_unlink(path);
    plug(false);
    assert_refused(false, "another program uses it");
    assert_refused(true, "may write to it");
    unplug();
    plug(true);
    assert_refused(false, "another program uses it");
    unplug();
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    dir = g_dir_make_tmp("pflash-XXXXXX", NULL);
    path = g_build_filename(dir, "flash", NULL);
    g_test_add_func("/pflash/array", test_array);
    g_test_add_func("/pflash/ids", test_ids);
    g_test_add_func("/pflash/program", test_program);
    g_test_add_func("/pflash/erase", test_erase);
    g_test_add_func("/pflash/buffer", test_buffer);
    g_test_add_func("/pflash/dirty", test_dirty);
    g_test_add_func("/pflash/buffer-misuse", test_buffer_misuse);
    g_test_add_func("/pflash/readonly", test_readonly);
    g_test_add_func("/pflash/random", test_random);
    g_test_add_func("/pflash/files", test_files);
    int status = g_test_run();
    g_unlink(path);
    g_rmdir(dir);
    g_free(path);
    g_free(dir);
    return status;
}

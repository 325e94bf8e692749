/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of loaders of kernels: files that are made here, and RAM to load them into. */
#ifndef TESTS_UNIT_BOOT_TEST_H
#define TESTS_UNIT_BOOT_TEST_H

#include <glib/gstdio.h>
#include <stdlib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hw/i386/boot-protocol.h"
#include "hw/i386/e820.h"
#include "hw/i386/linux-boot.h"
#include "memory/address-space.h"
#include "util/units.h"

#define RAM_SIZE (64 * MIB)
#define RSDP     0xe0010

static char *tmp_dir; /* boot_test_run() */

/* A file in tmp_dir; its path, g_free. */
static inline char *make_file(const char *name, const void *data, size_t size)
{
    char *path = g_build_filename(tmp_dir, name, NULL);

    g_unlink(path); /* it may be mapped */
    g_assert_true(
        g_file_set_contents_full(path, data, (gssize)size, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    return path;
}

/* Little endian numbers of up to 8 bytes. */
static inline void put(uint8_t *p, uint64_t value, unsigned size)
{
    memcpy(p, &value, size);
}

static inline uint64_t get(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, p, size);
    return value;
}

/* KiB of the mapping that begins at @start which are in memory; proc(5). */
static inline unsigned resident_kib(const void *start)
{
    g_autofree char *smaps = NULL;
    g_autofree char *head = g_strdup_printf("%" PRIxPTR "-", (uintptr_t)start);
    unsigned kib;

    g_assert_true(g_file_get_contents("/proc/self/smaps", &smaps, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(smaps, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, head)) {
            while (*++line && sscanf(*line, "Rss: %u kB", &kib) != 1) {
            }
            g_assert_nonnull(*line);
            return kib;
        }
    }
    g_assert_not_reached();
}

/* Does the program's work from linux_boot_plan() on, with @ram of RAM_SIZE bytes. */
static inline void boot_into(LinuxBoot *boot, uint8_t *ram, X86Cpu *cpu)
{
    g_autoptr(GArray) e820 = e820_build(RAM_SIZE, FOUR_GIB, 0);
    RamBlock *block = ram_block_new("ram", RAM_SIZE, -1, false, true, 0, NULL);
    MemoryRegion region = { 0 };
    AddressSpace as;
    BootRam boot_ram = { &as, RAM_SIZE - ACPI_AREA };
    g_autoptr(GError) err = NULL;
    bool ok = linux_boot_plan(boot, boot_ram.size, &err);

    g_assert_no_error(err);
    g_assert_true(ok);
    memory_region_init_ram(&region, "ram", block);
    memcpy(block->host, ram, RAM_SIZE);
    address_space_init(&as, &region, "test");
    g_assert_cmpuint(resident_kib(boot->kernel), >, 0);
    linux_boot_load(boot, &boot_ram, e820, RSDP);
    g_assert_cmpuint(resident_kib(boot->kernel), ==, 0); /* the guest has a copy */
    linux_boot_start(boot, cpu);
    memcpy(ram, block->host, RAM_SIZE);
    address_space_destroy(&as);
    memory_region_destroy(&region);
    ram_block_unref(block);
}

/* The file @data is refused, when it is opened or when it is placed, and the error has @word. */
static inline void expect_error(const void *data, size_t size, const char *initrd, const char *word)
{
    g_autofree char *kernel = make_file("bad", data, size);
    g_autoptr(GError) err = NULL;
    g_autoptr(LinuxBoot) boot = linux_boot_open(kernel, initrd, NULL, &err);

    if (boot) {
        g_assert_false(linux_boot_plan(boot, RAM_SIZE - ACPI_AREA, &err));
    }
    g_assert_nonnull(err);
    g_test_message("%s", err->message);
    if (!strstr(err->message, word)) {
        g_error("no '%s' in: %s", word, err->message);
    }
}

/* @rounds times: @good with random changes in its first @header bytes, perhaps cut, is opened,
 * placed and loaded, or refused. */
static inline void mutate(const uint8_t *good, size_t size, size_t header, unsigned rounds)
{
    static const uint32_t edges[] = { 0, 1, 0x7fffffff, 0x80000000, UINT32_MAX };
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);
    g_autofree uint8_t *file = g_malloc(size);
    g_autoptr(GArray) e820 = e820_build(RAM_SIZE, FOUR_GIB, 0);
    RamBlock *block = ram_block_new("ram", RAM_SIZE, -1, false, true, 0, NULL);
    MemoryRegion region = { 0 };
    AddressSpace as;
    BootRam ram = { &as, RAM_SIZE - ACPI_AREA };
    unsigned loaded = 0;

    memory_region_init_ram(&region, "ram", block);
    address_space_init(&as, &region, "test");
    for (unsigned i = 0; i < rounds; i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(LinuxBoot) boot = NULL;
        g_autofree char *kernel = NULL;

        memcpy(file, good, size);
        for (int n = g_rand_int_range(rand, 1, 5); n > 0; n--) {
            uint32_t value = g_rand_boolean(rand) ? edges[g_rand_int(rand) % 5] : g_rand_int(rand);

            put(file + g_rand_int_range(rand, 0, (int)header - 3), value, 1 + g_rand_int(rand) % 4);
        }
        kernel = make_file("bad", file,
                           g_rand_int(rand) % 8 ? size : (size_t)g_rand_int(rand) % size + 1);
        boot = linux_boot_open(kernel, NULL, NULL, &err);
        if (boot && linux_boot_plan(boot, ram.size, &err) &&
            linux_boot_check_starter(boot, BOOT_DIRECTLY, &err)) {
            linux_boot_load(boot, &ram, e820, RSDP);
            loaded++;
        } else {
            g_assert_nonnull(err);
        }
    }
    g_test_message("%u of %u are loaded", loaded, rounds);
    g_assert_cmpuint(loaded, >, 0);
    g_assert_cmpuint(loaded, <, rounds);
    address_space_destroy(&as);
    memory_region_destroy(&region);
    ram_block_unref(block);
}

/* g_test_run() with tmp_dir, which is removed. */
static inline int boot_test_run(void)
{
    g_autoptr(GDir) dir = NULL;
    const char *name;
    int ret;

    tmp_dir = g_dir_make_tmp("test-boot-XXXXXX", NULL);
    ret = g_test_run();
    dir = g_dir_open(tmp_dir, 0, NULL);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(tmp_dir, name, NULL);

        g_unlink(path);
    }
    g_rmdir(tmp_dir);
    g_free(tmp_dir);
    return ret;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/e820.h"
#include "hw/i386/pc.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static uint64_t e820_sum(const GArray *map, uint32_t type)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < map->len; i++) {
        const E820Entry *entry = &g_array_index(map, E820Entry, i);
        sum += entry->type == type ? entry->size : 0;
    }
    return sum;
}

/* Ascending, without overlaps, nothing empty. */
static void e820_check(const GArray *map)
{
    uint64_t at = 0;

    for (unsigned i = 0; i < map->len; i++) {
        const E820Entry *entry = &g_array_index(map, E820Entry, i);
        g_assert_cmpuint(entry->addr, >=, at);
        g_assert_cmpuint(entry->size, >, 0);
        at = entry->addr + entry->size;
    }
}

static void test_sizes(void)
{
    static const struct {
        uint64_t below, above;
    } sizes[] = { { LEAST_RAM, 0 },        { 128 * MIB, 0 },       { 2 * GIB, 0 },
                  { 3 * GIB, GIB },        { 3 * GIB, 512 * MIB }, { 3 * GIB, 61 * GIB },
                  { 3584 * MIB - 4096, 0 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GArray) map = e820_build(sizes[i].below, sizes[i].above);

        e820_check(map);
        g_assert_cmpuint(e820_sum(map, E820_RAM), ==,
                         sizes[i].below + sizes[i].above - (HIGH_RAM - LOW_RAM_END) - ACPI_AREA);
        g_assert_cmpuint(e820_sum(map, E820_ACPI) + e820_sum(map, E820_NVS), ==, ACPI_AREA);
        g_assert_cmpuint(e820_sum(map, E820_NVS), ==, ACPI_NVS);
    }
}

static uint64_t pc_below_4g(uint64_t size)
{
    return x86_ram_below_4g(object_type_find(TYPE_PC_MACHINE)->ops, size);
}

static void test_split(void)
{
    g_assert_cmpuint(pc_below_4g(128 * MIB), ==, 128 * MIB);
    g_assert_cmpuint(pc_below_4g(3584 * MIB - 1), ==, 3584 * MIB - 1);
    g_assert_cmpuint(pc_below_4g(3584 * MIB), ==, 3 * GIB);
    g_assert_cmpuint(pc_below_4g(64 * GIB), ==, 3 * GIB);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/e820/sizes", test_sizes);
    g_test_add_func("/e820/split", test_split);
    return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/e820.h"
#include "hw/i386/pc.h"
#include "hw/i386/x86.h"
#include "hw/mem/pc-dimm.h"
#include "util/units.h"

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

static Object *boot_dimm(Machine *machine, uint64_t addr, uint64_t size, bool boot)
{
    Object *backend = object_new("memory-backend-ram", NULL);
    Object *dimm = object_new(TYPE_PC_DIMM, NULL);

    MEMORY_BACKEND(backend)->size = size;
    g_assert_true(object_type_find(TYPE_MEMORY_BACKEND)->complete(backend, NULL));
    PC_DIMM(dimm)->memdev = backend;
    PC_DIMM(dimm)->addr = addr;
    PC_DIMM(dimm)->boot = boot;
    g_assert_true(object_add_child(OBJECT(machine), "dimm[*]", dimm, NULL));
    memory_device_list_add(machine, DEVICE(dimm));
    return dimm;
}

static void check_high(Machine *machine, unsigned count, const uint64_t expected[][2])
{
    g_autoptr(GArray) map = e820_of_machine(machine);
    unsigned n = 0;

    e820_check(map);
    for (unsigned i = 0; i < map->len; i++) {
        const E820Entry *entry = &g_array_index(map, E820Entry, i);

        if (entry->addr < FOUR_GIB) {
            continue;
        }
        g_assert_cmpuint(n, <, count);
        g_assert_cmpuint(entry->type, ==, E820_RAM);
        g_assert_cmphex(entry->addr, ==, expected[n][0]);
        g_assert_cmphex(entry->size, ==, expected[n][1]);
        n++;
    }
    g_assert_cmpuint(n, ==, count);
}

/* Boot DIMMs are RAM as long as they are there, others are not in the map; neighbours are one
 * entry. */
static void test_dimms(void)
{
    static const uint64_t with[][2] = { { 4 * GIB, 3 * GIB }, { 8 * GIB, GIB } };
    static const uint64_t without[][2] = { { 4 * GIB, 2 * GIB }, { 8 * GIB, GIB } };
    Machine *machine = MACHINE(object_new("pc-i440fx-7.2-machine", NULL));
    Object *dimms[4];

    X86_MACHINE(machine)->below_4g = 3 * GIB;
    X86_MACHINE(machine)->above_4g = GIB;
    dimms[0] = boot_dimm(machine, 8 * GIB, GIB, true);
    dimms[1] = boot_dimm(machine, 5 * GIB, GIB, true);
    dimms[2] = boot_dimm(machine, 6 * GIB, GIB, true);
    dimms[3] = boot_dimm(machine, 7 * GIB, GIB, false);
    check_high(machine, G_N_ELEMENTS(with), with);
    for (int i = 2; i >= 0; i -= 2) {
        memory_device_list_remove(machine, DEVICE(dimms[i]));
        object_unparent(dimms[i]);
        object_unref(dimms[i]);
        if (i == 2) {
            check_high(machine, G_N_ELEMENTS(without), without);
        }
    }
    check_high(machine, 1, without);
    for (int i = 1; i < 4; i += 2) {
        memory_device_list_remove(machine, DEVICE(dimms[i]));
        object_unparent(dimms[i]);
        object_unref(dimms[i]);
    }
    object_unref(OBJECT(machine));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/e820/sizes", test_sizes);
    g_test_add_func("/e820/split", test_split);
    g_test_add_func("/e820/dimms", test_dimms);
    return g_test_run();
}

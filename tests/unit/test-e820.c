/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/e820.h"

#include <inttypes.h>
#include <string.h>

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
        uint64_t below, at, above;
    } sizes[] = { { LEAST_RAM, FOUR_GIB, 0 },        { 128 * MIB, FOUR_GIB, 0 },
                  { 2 * GIB, FOUR_GIB, 0 },          { 3 * GIB, FOUR_GIB, GIB },
                  { 3 * GIB, FOUR_GIB, 512 * MIB },  { 3 * GIB, AMD_HIGH_BASE, 61 * GIB },
                  { 3584 * MIB - 4096, FOUR_GIB, 0 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GArray) map = e820_build(sizes[i].below, sizes[i].at, sizes[i].above);

        e820_check(map);
        g_assert_cmpuint(e820_sum(map, E820_RAM), ==,
                         sizes[i].below + sizes[i].above - (HIGH_RAM - LOW_RAM_END) - ACPI_AREA);
        g_assert_cmpuint(e820_sum(map, E820_ACPI) + e820_sum(map, E820_NVS), ==, ACPI_AREA);
        g_assert_cmpuint(e820_sum(map, E820_NVS), ==, ACPI_NVS);
    }
}

/* What the reference has with the same options, where it does not abort. limit 0: the board's. */
static void test_split(void)
{
    static const struct {
        const char *machine;
        uint64_t limit, size, below;
    } splits[] = {
        { "pc-i440fx-7.2", 0, 128 * MIB, 128 * MIB },
        { "pc-i440fx-7.2", 0, 3584 * MIB - 4096, 3584 * MIB - 4096 },
        { "pc-i440fx-7.2", 0, 3584 * MIB, 3 * GIB },
        { "pc-i440fx-7.2", 0, 64 * GIB, 3 * GIB },
        { "pc-i440fx-7.2", GIB, 2 * GIB, GIB },
        { "pc-i440fx-7.2", 1500 * MIB, 2 * GIB, 1500 * MIB },
        { "pc-i440fx-7.2", 3584 * MIB, 8 * GIB, 3 * GIB },
        { "pc-i440fx-7.2", 4 * GIB, 3800 * MIB, 3800 * MIB },
        { "pc-i440fx-7.2", 4 * GIB, 4 * GIB, 3 * GIB },
        { "pc-i440fx-7.2", 4 * GIB, 4090 * MIB, 3 * GIB }, /* which leaves PCI nothing */
        { "pc-i440fx-7.2", 4 * GIB - 1, 8 * GIB, 3 * GIB },
        { "pc-i440fx-7.2", GIB + 1, 2 * GIB, GIB }, /* whole pages */
        { "pc-q35-7.2", 0, 2815 * MIB, 2815 * MIB },
        { "pc-q35-7.2", 0, 2816 * MIB, 2 * GIB },
        { "pc-q35-7.2", GIB, 512 * MIB, 512 * MIB },
        { "pc-q35-7.2", GIB, 2 * GIB, GIB },
        { "pc-q35-7.2", 1500 * MIB, 8 * GIB, 1500 * MIB },
        { "pc-q35-7.2", 4 * GIB, 8 * GIB, 2 * GIB },
        { "pc-q35-7.2", 2816 * MIB, 2800 * MIB, 2800 * MIB },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(splits); i++) {
        g_autofree char *type = g_strconcat(splits[i].machine, "-machine", NULL);
        g_autoptr(Object) machine = object_new(type, NULL);

        if (splits[i].limit) {
            g_autofree char *limit = g_strdup_printf("%" PRIu64, splits[i].limit);

            g_assert_true(object_property_parse(machine, "max-ram-below-4g", limit, NULL));
        }
        g_assert_cmpuint(x86_ram_below_4g(X86_MACHINE(machine), splits[i].size), ==,
                         splits[i].below);
    }
}

/* -m, -cpu, pci-hole64-size -> where RAM above 4 GiB, or the window, begins; or an error. Addresses
 * are the reference's. */
static void test_layout(void)
{
    static const struct {
        const char *machine, *cpu;
        uint64_t size, max_size, slots, hole, base;
        const char *error;
    } layouts[] = {
        { "pc-q35-7.2", "EPYC,phys-bits=48", 2, 976, 2, 32, FOUR_GIB, NULL },
        { "pc-q35-7.2", "EPYC,phys-bits=48", 2, 977, 2, 32, AMD_HIGH_BASE, NULL },
        { "pc-q35-7.2", "EPYC,phys-bits=42", 2, 1100, 2, 32, AMD_HIGH_BASE, NULL },
        { "pc-q35-7.1", "EPYC,phys-bits=48", 2, 1100, 2, 32, AMD_HIGH_BASE, NULL },
        { "pc-q35-7.0", "EPYC,phys-bits=48", 2, 1100, 2, 32, FOUR_GIB, NULL },
        { "pc-q35-7.2", "EPYC,phys-bits=48", 2, 0, 0, 1008, FOUR_GIB, NULL },
        { "pc-q35-7.2", "EPYC,phys-bits=48", 2, 0, 0, 1009, AMD_HIGH_BASE, NULL },
        { "pc-q35-7.2", "EPYC,phys-bits=48", 1010, 0, 0, 32, AMD_HIGH_BASE, NULL },
        { "pc-q35-7.2", "Haswell,vendor=AuthenticAMD,phys-bits=48", 2, 1100, 2, 32, AMD_HIGH_BASE,
          NULL },
        { "pc-q35-7.2", "Haswell,phys-bits=48", 2, 1100, 2, 32, FOUR_GIB, NULL },
        { "pc-q35-7.2", "Dhyana,phys-bits=48", 2, 1009, 2, 32, FOUR_GIB, NULL },
        { "pc-i440fx-7.2", "EPYC,phys-bits=48", 8, 980, 20, 2, FOUR_GIB, NULL },
        { "pc-i440fx-7.2", "EPYC,phys-bits=48", 8, 1015, 2, 2, AMD_HIGH_BASE, NULL },
        /* what the CPU cannot address */
        { "pc-q35-7.2", "EPYC", 2, 1100, 2, 32, 0,
          "*maxmem=1126400M*40 physical*'EPYC'*32768 MiB for PCI*0xfd00000000*largest*=999424M" },
        { "pc-q35-7.2", "EPYC", 2, 976, 2, 32, FOUR_GIB, NULL },
        { "pc-q35-7.2", "EPYC", 2, 977, 2, 32, 0, "*largest possible is maxmem=999424M" },
        { "pc-q35-7.0", "EPYC", 2, 989, 2, 32, 0,
          "*40 physical*largest possible is maxmem=1011712M" },
        { "pc-q35-7.0", "EPYC", 2, 988, 2, 32, FOUR_GIB, NULL },
        { "pc-q35-7.2", "Haswell", 2, 989, 2, 32, 0, "*largest possible is maxmem=1011712M" },
        { "pc-q35-7.2", "EPYC", 2, 0, 0, 1024, 0,
          "pci-hole64-size*1048576 MiB*'EPYC'*most 1032192 MiB*" },
        { "pc-q35-7.2", "EPYC", 1010, 0, 0, 32, 0, "-m: 1034240 MiB of RAM*most 1001472 MiB*" },
        { "pc-i440fx-7.2", "EPYC", 2, 4, 256, 900, 0, "*256 slots*use fewer slots" },
        /* of 32 bits: PCI gets what is left */
        { "pc-q35-7.2", "pentium3", 2, 60, 2, 32, FOUR_GIB, NULL },
        { "pc-q35-7.2", "pentium3", 2, 70, 2, 32, 0,
          "*36 physical*largest possible is maxmem=61440M" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(layouts); i++) {
        g_autofree char *type = g_strconcat(layouts[i].machine, "-machine", NULL);
        g_autofree char *hole = g_strdup_printf("%" PRIu64 "G", layouts[i].hole);
        g_autoptr(GError) err = NULL;
        X86CpuModel model;

        g_autoptr(Object) machine = object_new(type, NULL);
        X86Machine *x86 = X86_MACHINE(machine);

        g_assert_true(object_global_add(x86_machine_ops(&x86->parent)->host_type, "pci-hole64-size",
                                        hole, &err));
        x86->amd_hole = strstr(layouts[i].machine, "7.0") == NULL;
        x86->parent.ram.size = layouts[i].size * GIB;
        x86->parent.ram.max_size = MAX(layouts[i].max_size, layouts[i].size) * GIB;
        x86->parent.ram.slots = layouts[i].slots;
        g_assert_true(x86_cpu_model_parse(&model, layouts[i].cpu, NULL));
        g_assert_cmpint(x86_lay_out(x86, &model, &err), ==, layouts[i].error == NULL);
        if (layouts[i].error) {
            g_assert_true(g_pattern_match_simple(layouts[i].error, err->message));
        } else {
            g_assert_cmphex(x86->high_base, ==, layouts[i].base);
        }
    }
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

static void check_high(Machine *machine, unsigned count, const uint64_t expected[][3])
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
        g_assert_cmpuint(entry->type, ==, expected[n][2] ? expected[n][2] : E820_RAM);
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
    static const uint64_t with[][3] = { { 4 * GIB, 3 * GIB }, { 8 * GIB, GIB } };
    static const uint64_t without[][3] = { { 4 * GIB, 2 * GIB }, { 8 * GIB, GIB } };
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

/* AMD's range is in its place, whatever lies on its sides. */
static void test_reserved(void)
{
    static const uint64_t low[][3] = { { 4 * GIB, GIB },
                                       { 8 * GIB, GIB },
                                       { AMD_HT_START, 12 * GIB, E820_RESERVED } };
    static const uint64_t high[][3] = { { AMD_HT_START, 12 * GIB, E820_RESERVED },
                                        { AMD_HIGH_BASE, GIB } };
    Machine *machine = MACHINE(object_new("pc-i440fx-7.2-machine", NULL));
    X86Machine *x86 = X86_MACHINE(machine);
    Object *dimm = boot_dimm(machine, 8 * GIB, GIB, true);

    x86->below_4g = 3 * GIB;
    x86->above_4g = GIB;
    x86->ht_reserved = true;
    check_high(machine, G_N_ELEMENTS(low), low);
    memory_device_list_remove(machine, DEVICE(dimm));
    object_unparent(dimm);
    object_unref(dimm);
    x86->high_base = AMD_HIGH_BASE;
    check_high(machine, G_N_ELEMENTS(high), high);
    object_unref(OBJECT(machine));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/e820/sizes", test_sizes);
    g_test_add_func("/e820/split", test_split);
    g_test_add_func("/e820/dimms", test_dimms);
    g_test_add_func("/e820/reserved", test_reserved);
    g_test_add_func("/e820/layout", test_layout);
    return g_test_run();
}

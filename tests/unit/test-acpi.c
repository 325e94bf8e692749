/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI tables as an operating system finds them: linked, then read from a copy of guest memory
 * by a parser that shares nothing with the builder.
 *
 * With DIMMABLE_ACPI_DUMP=DIR each configuration's tables are also written to DIR/<name>/, which
 * tests/acpi/run.py gives to iasl.
 */
#include <string.h>

#include "backends/host-memory-backend.h"
#include "hw/core/numa.h"
#include "hw/i386/acpi-build.h"
#include "hw/i386/cpu.h"
#include "hw/i386/e820.h"
#include "hw/i386/pc.h"
#include "hw/mem/pc-dimm.h"
#include "util/units.h"

/* A machine that was never initialised: just the state that the tables are made of. */
typedef struct Config {
    const char *name;
    uint64_t ram, maxram;
    unsigned slots, cpus, nodes;
    uint32_t apic_id_step;
} Config;

static const Config configs[] = {
    { "small", 128 * MIB, 128 * MIB, 0, 1, 1, 1 },      { "issue", 2 * GIB, 16 * GIB, 8, 2, 1, 1 },
    { "one-slot", 2 * GIB, 4 * GIB, 1, 1, 1, 1 },       { "nodes", 8 * GIB, 16 * GIB, 3, 4, 2, 1 },
    { "most", 64 * GIB, 1024 * GIB, 256, 255, 128, 2 },
};

typedef struct Fixture {
    Machine *machine;
    uint8_t *low, *top; /* guest memory: the BIOS area, and the ACPI area */
    uint64_t top_base;
} Fixture;

static Machine *machine_make(const Config *config)
{
    Machine *machine = MACHINE(object_new("pc-i440fx-7.2-machine", NULL));
    X86Machine *pc = X86_MACHINE(machine);

    machine->ram.size = config->ram;
    machine->ram.max_size = config->maxram;
    machine->ram.slots = config->slots;
    machine->numa.num_nodes = config->nodes;
    for (unsigned i = 0; i < config->nodes; i++) {
        machine->numa.nodes[i].present = true;
        machine->numa.nodes[i].mem = config->ram / config->nodes;
        for (unsigned j = 0; j < config->nodes; j++) {
            machine->numa.nodes[i].distance[j] = i == j ? 10 : 20;
        }
    }
    cpu_slots_arrange(&machine->cpu_slots,
                      &(SmpTopology){ config->cpus, config->cpus, config->cpus, 1, 1, 1 });
    for (unsigned i = 0; i < config->cpus; i++) {
        X86CpuDevice *dev = X86_CPU_DEVICE(object_new("qemu64" X86_CPU_SUFFIX, NULL));

        dev->cpu = g_aligned_alloc0(1, sizeof(X86Cpu), 64);
        dev->cpu->index = i;
        dev->cpu->apic_id = machine->cpu_slots.list[i].arch_id = i * config->apic_id_step;
        machine->cpu_slots.list[i].device = DEVICE(dev);
        machine->numa.cpu_node[i] = i % config->nodes;
    }
    machine->serial[0] = (void *)machine; /* only that there is one matters */
    pc->below_4g = x86_ram_below_4g(pc, config->ram);
    pc->above_4g = config->ram - pc->below_4g;
    if (config->maxram > config->ram) {
        machine->device_memory.base =
            pc->above_4g ? (FOUR_GIB + pc->above_4g + GIB - 1) / GIB * GIB : FOUR_GIB;
        machine->device_memory.size = config->maxram - config->ram + config->slots * GIB;
    }
    return machine;
}

static void machine_free(Machine *machine)
{
    for (unsigned i = 0; i < machine->cpu_slots.count; i++) {
        g_aligned_free(x86_cpu_at(machine, i));
        object_unref(OBJECT(machine->cpu_slots.list[i].device));
    }
    machine->serial[0] = NULL;
    object_unref(OBJECT(machine));
}

static void fixture_load(Fixture *f)
{
    g_autoptr(AcpiTables) tables = acpi_build(f->machine);
    g_autoptr(GError) err = NULL;
    bool ok = acpi_link_direct(tables, X86_MACHINE(f->machine)->below_4g, &err);

    g_assert_no_error(err);
    g_assert_true(ok);
    memset(f->low, 0, HIGH_RAM - BIOS_BASE);
    for (unsigned i = 0; i < tables->blobs->len; i++) {
        const AcpiBlob *blob = tables->blobs->pdata[i];
        uint8_t *at = blob->address < HIGH_RAM ? f->low + blob->address - BIOS_BASE
                                               : f->top + blob->address - f->top_base;
        memcpy(at, blob->data->data, blob->data->len);
    }
}

static void fixture_init(Fixture *f, const Config *config)
{
    f->machine = machine_make(config);
    f->low = g_malloc0(HIGH_RAM - BIOS_BASE);
    f->top = g_malloc0(ACPI_AREA);
    f->top_base = X86_MACHINE(f->machine)->below_4g - ACPI_AREA;
    fixture_load(f);
}

static void fixture_clear(Fixture *f)
{
    machine_free(f->machine);
    g_free(f->low);
    g_free(f->top);
}

/* ---- the parser ---- */

static uint64_t get(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)p[i] << (8 * i);
    }
    return value;
}

static void check_sum(const uint8_t *p, uint32_t len)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < len; i++) {
        sum += p[i];
    }
    g_assert_cmpuint(sum, ==, 0);
}

static const uint8_t *at(const Fixture *f, uint64_t addr, uint32_t len)
{
    g_assert_cmpuint(addr, >=, f->top_base);
    g_assert_cmpuint(addr + len, <=, f->top_base + ACPI_AREA);
    return f->top + (addr - f->top_base);
}

static const uint8_t *table_at(const Fixture *f, uint64_t addr, const char *signature)
{
    const uint8_t *p = at(f, addr, 36);
    uint32_t len = get(p + 4, 4);

    g_assert_cmpmem(p, 4, signature, 4);
    g_assert_cmpuint(len, >=, 36);
    check_sum(at(f, addr, len), len);
    return p;
}

static const uint8_t *find_rsdp(const Fixture *f)
{
    for (unsigned i = 0; i < HIGH_RAM - BIOS_BASE; i += 16) {
        if (!memcmp(f->low + i, "RSD PTR ", 8)) {
            check_sum(f->low + i, 20);
            check_sum(f->low + i, 36);
            g_assert_cmpuint(f->low[i + 15], ==, 2);
            g_assert_cmpuint(get(f->low + i + 20, 4), ==, 36);
            return f->low + i;
        }
    }
    g_assert_not_reached();
}

/* The table named in the XSDT, or NULL. */
static const uint8_t *find_table(const Fixture *f, const char *signature)
{
    uint64_t addr = get(find_rsdp(f) + 24, 8);
    const uint8_t *xsdt = table_at(f, addr, "XSDT");

    for (uint32_t i = 36; i < get(xsdt + 4, 4); i += 8) {
        uint64_t entry = get(xsdt + i, 8);
        if (!memcmp(at(f, entry, 4), signature, 4)) {
            return table_at(f, entry, signature);
        }
    }
    return NULL;
}

/* ---- tests ---- */

static void test_links(gconstpointer data)
{
    const Config *config = data;
    Fixture f;
    const uint8_t *fadt, *facs;

    fixture_init(&f, config);
    fadt = find_table(&f, "FACP");
    g_assert_nonnull(fadt);
    g_assert_cmpuint(get(fadt + 4, 4), ==, 276); /* revision 6 */
    table_at(&f, get(fadt + 40, 4), "DSDT");
    g_assert_cmpuint(get(fadt + 140, 8), ==, get(fadt + 40, 4));
    g_assert_cmpuint(get(fadt + 132, 8), ==, 0);
    facs = at(&f, get(fadt + 36, 4), 64);
    g_assert_cmpmem(facs, 4, "FACS", 4);
    g_assert_cmpuint(get(fadt + 36, 4) % 64, ==, 0);
    g_assert_nonnull(find_table(&f, "APIC"));
    g_assert_nonnull(find_table(&f, "SRAT"));
    g_assert_true((find_table(&f, "SLIT") != NULL) == (config->nodes > 1));
    fixture_clear(&f);
}

static void test_fadt(void)
{
    Fixture f;
    const uint8_t *fadt;
    static const struct {
        unsigned offset, size, value;
    } fields[] = {
        { 46, 2, 9 },       { 48, 4, 0xb2 },    { 52, 1, 0xf1 },   { 53, 1, 0xf0 },
        { 56, 4, 0x600 },   { 64, 4, 0x604 },   { 76, 4, 0x608 },  { 80, 4, 0xafe0 },
        { 88, 1, 4 },       { 89, 1, 2 },       { 91, 1, 4 },      { 92, 1, 4 },
        { 108, 1, 0x32 },   { 116, 1, 1 },      { 117, 1, 8 },     { 120, 4, 0xcf9 },
        { 128, 1, 0x0f },   { 148, 2, 0x2001 }, { 152, 4, 0x600 }, { 172, 2, 0x1001 },
        { 176, 4, 0x604 },  { 208, 2, 0x2001 }, { 212, 4, 0x608 }, { 220, 2, 0x2001 },
        { 224, 4, 0xafe0 },
    };

    fixture_init(&f, &configs[1]);
    fadt = find_table(&f, "FACP");
    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_test_message("field at %u", fields[i].offset);
        g_assert_cmphex(get(fadt + fields[i].offset, fields[i].size), ==, fields[i].value);
    }
    fixture_clear(&f);
}

/* Count the MADT's entries by type; every length must lead to the next. */
static void madt_count(const uint8_t *madt, unsigned counts[16])
{
    uint32_t len = get(madt + 4, 4), i;

    memset(counts, 0, 16 * sizeof(counts[0]));
    for (i = 44; i < len; i += madt[i + 1]) {
        g_assert_cmpuint(madt[i], <, 16);
        g_assert_cmpuint(madt[i + 1], >, 0);
        counts[madt[i]]++;
    }
    g_assert_cmpuint(i, ==, len);
}

static void test_madt(void)
{
    Fixture f;
    unsigned counts[16];

    fixture_init(&f, &configs[1]);
    madt_count(find_table(&f, "APIC"), counts);
    g_assert_cmpuint(counts[0], ==, 2);
    g_assert_cmpuint(counts[1], ==, 1);
    g_assert_cmpuint(counts[2], ==, 2);
    g_assert_cmpuint(counts[4], ==, 1);
    g_assert_cmpuint(counts[9], ==, 0);
    fixture_clear(&f);

    /* APIC IDs 0, 2, ..., 508: from 256 up they need the wide form. */
    fixture_init(&f, &configs[4]);
    madt_count(find_table(&f, "APIC"), counts);
    g_assert_cmpuint(counts[0], ==, 128);
    g_assert_cmpuint(counts[9], ==, 127);
    g_assert_cmpuint(counts[10], ==, 1);
    fixture_clear(&f);
}

typedef struct SratRange {
    uint64_t base, end;
    uint32_t node, flags;
} SratRange;

static void check_srat(const Fixture *f, const SratRange *expected, unsigned count)
{
    const uint8_t *srat = find_table(f, "SRAT");
    unsigned n = 0, i;

    for (i = 48; i < get(srat + 4, 4); i += srat[i + 1]) {
        const uint8_t *p = srat + i;

        g_assert_cmpuint(p[1], >, 0);
        if (p[0] != 1) {
            continue;
        }
        g_assert_cmpuint(n, <, count);
        g_test_message("range %u", n);
        g_assert_cmphex(get(p + 8, 8), ==, expected[n].base);
        g_assert_cmphex(get(p + 8, 8) + get(p + 16, 8), ==, expected[n].end);
        g_assert_cmphex(get(p + 2, 4), ==, expected[n].node);
        g_assert_cmphex(get(p + 28, 4), ==, expected[n].flags);
        n++;
    }
    g_assert_cmpuint(i, ==, get(srat + 4, 4));
    g_assert_cmpuint(n, ==, count);
}

static void test_srat(void)
{
    static const SratRange issue[] = {
        { 0, 0xa0000, 0, 1 },
        { 0x100000, 0x80000000, 0, 1 },
        { 0x100000000, 0x680000000, 0, 3 },
    };
    static const SratRange nodes[] = {
        { 0, 0xa0000, 0, 1 },
        { 0x100000, 0xc0000000, 0, 1 },
        { 0x100000000, 0x140000000, 0, 1 },
        { 0x140000000, 0x240000000, 1, 1 },
        { 0x240000000, 0x500000000, 1, 3 },
    };
    Fixture f;

    fixture_init(&f, &configs[1]);
    check_srat(&f, issue, G_N_ELEMENTS(issue));
    fixture_clear(&f);
    fixture_init(&f, &configs[3]);
    check_srat(&f, nodes, G_N_ELEMENTS(nodes));
    fixture_clear(&f);
}

static Object *plug(Machine *machine, const char *name, uint64_t addr, uint64_t size, uint32_t node)
{
    Object *backend = object_new("memory-backend-ram", NULL);
    Object *dimm = object_new(TYPE_PC_DIMM, NULL);

    MEMORY_BACKEND(backend)->size = size;
    g_assert_true(object_type_find(TYPE_MEMORY_BACKEND)->complete(backend, NULL));
    PC_DIMM(dimm)->memdev = backend; /* takes the reference, as the property does */
    PC_DIMM(dimm)->addr = addr;
    PC_DIMM(dimm)->node = node;
    g_assert_true(object_add_child(OBJECT(machine), name, dimm, NULL));
    memory_device_list_add(machine, DEVICE(dimm));
    return dimm;
}

/* The tables follow what is plugged, at once and both ways. */
static void test_srat_dimms(void)
{
    static const SratRange plugged[] = {
        { 0, 0xa0000, 0, 1 },
        { 0x100000, 0xc0000000, 0, 1 },
        { 0x100000000, 0x140000000, 0, 1 },
        { 0x240000000, 0x280000000, 0, 3 },
        { 0x140000000, 0x240000000, 1, 1 },
        { 0x280000000, 0x300000000, 1, 3 },
        { 0x300000000, 0x320000000, 1, 3 },
        { 0x320000000, 0x500000000, 1, 3 },
    };
    Fixture f;
    Object *dimms[2];

    fixture_init(&f, &configs[3]);
    dimms[0] = plug(f.machine, "b", 0x300000000, 512 * MIB, 1);
    dimms[1] = plug(f.machine, "a", 0x240000000, GIB, 0);
    fixture_load(&f);
    check_srat(&f, plugged, G_N_ELEMENTS(plugged));
    for (unsigned i = 0; i < G_N_ELEMENTS(dimms); i++) {
        memory_device_list_remove(f.machine, DEVICE(dimms[i]));
        object_unparent(dimms[i]);
        object_unref(dimms[i]);
    }
    fixture_load(&f);
    {
        static const SratRange empty[] = {
            { 0, 0xa0000, 0, 1 },
            { 0x100000, 0xc0000000, 0, 1 },
            { 0x100000000, 0x140000000, 0, 1 },
            { 0x140000000, 0x240000000, 1, 1 },
            { 0x240000000, 0x500000000, 1, 3 },
        };
        check_srat(&f, empty, G_N_ELEMENTS(empty));
    }
    fixture_clear(&f);
}

/* Nodes without memory each have a place, at the end of the last free range; the last node has the
 * rest, and needs none. */
static void test_srat_places(void)
{
    static const Config config = { "places", 2 * GIB, 4 * GIB, 2, 4, 4, 1 };
    static const SratRange empty[] = {
        { 0, 0xa0000, 0, 1 },
        { 0x100000, 0x80000000, 0, 1 },
        { 0x1ffc00000, 0x1ffe00000, 1, 3 },
        { 0x1ffe00000, 0x200000000, 2, 3 },
        { 0x100000000, 0x1ffc00000, 3, 3 },
    };
    static const SratRange plugged[] = {
        { 0, 0xa0000, 0, 1 },
        { 0x100000, 0x80000000, 0, 1 },
        { 0x1bfe00000, 0x1c0000000, 1, 3 },
        { 0x1c0000000, 0x200000000, 2, 3 },
        { 0x100000000, 0x1bfe00000, 3, 3 },
    };
    Fixture f;
    Object *dimm;

    fixture_init(&f, &config);
    f.machine->numa.nodes[0].mem = 2 * GIB;
    f.machine->numa.nodes[1].mem = f.machine->numa.nodes[2].mem = f.machine->numa.nodes[3].mem = 0;
    f.machine->device_memory.size = 4 * GIB;
    fixture_load(&f);
    check_srat(&f, empty, G_N_ELEMENTS(empty));
    /* A DIMM is its node's memory. It is in the way of the place at the end of the window. */
    dimm = plug(f.machine, "top", 0x1c0000000, GIB, 2);
    fixture_load(&f);
    check_srat(&f, plugged, G_N_ELEMENTS(plugged));
    memory_device_list_remove(f.machine, DEVICE(dimm));
    object_unparent(dimm);
    object_unref(dimm);
    fixture_clear(&f);
}

static void test_hmat(void)
{
    static const char *const lines[] = {
        "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency,latency=10",
        "hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-latency,latency=200000",
        "hmat-lb,initiator=1,target=1,hierarchy=memory,data-type=access-bandwidth,bandwidth=3G",
        "hmat-cache,node-id=1,size=1M,level=1,associativity=complex,policy=write-through,line=64",
        "hmat-cache,node-id=1,size=4M,level=2,associativity=direct,policy=write-back,line=128",
    };
    static const struct {
        unsigned offset, size;
        uint64_t value;
    } fields[] = {
        { 4, 4, 40 + 2 * 40 + (32 + 4 + 8 + 4) + (32 + 4 + 4 + 2) + 2 * 32 },
        { 8, 1, 2 },
        /* node 0: its own initiator */
        { 40, 2, 0 },
        { 44, 4, 40 },
        { 48, 2, 1 },
        { 52, 4, 0 },
        { 56, 4, 0 },
        /* node 1 */
        { 88, 2, 1 },
        { 92, 4, 1 },
        { 96, 4, 1 },
        /* latency in units of 10 ns, which is 10000 ps */
        { 120, 2, 1 },
        { 124, 4, 48 },
        { 128, 1, 0 },
        { 129, 1, 0 },
        { 132, 4, 1 },
        { 136, 4, 2 },
        { 144, 8, 10000 },
        { 152, 4, 0 },
        { 156, 4, 0 },
        { 160, 4, 1 },
        { 164, 2, 1 },
        { 166, 2, 20000 },
        /* bandwidth in MiB/s */
        { 168, 2, 1 },
        { 172, 4, 42 },
        { 177, 1, 3 },
        { 180, 4, 1 },
        { 184, 4, 1 },
        { 192, 8, 1 },
        { 200, 4, 1 },
        { 204, 4, 1 },
        { 208, 2, 3072 },
        /* caches: 2 levels, level, associativity, policy, line */
        { 210, 2, 2 },
        { 214, 4, 32 },
        { 218, 4, 1 },
        { 226, 8, MIB },
        { 234, 4, 2 | 1 << 4 | 2 << 8 | 2 << 12 | 64 << 16 },
        { 258, 8, 4 * MIB },
        { 266, 4, 2 | 2 << 4 | 1 << 8 | 1 << 12 | 128 << 16 },
    };
    Fixture f;
    const uint8_t *hmat;

    fixture_init(&f, &configs[3]);
    f.machine->smp.maxcpus = configs[3].cpus;
    g_assert_null(find_table(&f, "HMAT"));
    f.machine->numa.hmat = true;
    for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_assert_true(numa_parse(&f.machine->numa, lines[i], NULL));
    }
    fixture_load(&f);
    hmat = find_table(&f, "HMAT");
    g_assert_nonnull(hmat);
    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_test_message("field at %u", fields[i].offset);
        g_assert_cmphex(get(hmat + fields[i].offset, fields[i].size), ==, fields[i].value);
    }
    fixture_clear(&f);
}

static void test_slit(void)
{
    Fixture f;
    const uint8_t *slit;

    fixture_init(&f, &configs[3]);
    slit = find_table(&f, "SLIT");
    g_assert_cmpuint(get(slit + 4, 4), ==, 36 + 8 + 4);
    g_assert_cmpuint(get(slit + 36, 8), ==, 2);
    g_assert_cmpmem(slit + 44, 4, "\x0a\x14\x14\x0a", 4);
    fixture_clear(&f);
}

/* Building twice gives the same: nothing is kept. */
static void test_pure(void)
{
    Fixture f;
    g_autofree uint8_t *first = NULL;

    fixture_init(&f, &configs[1]);
    first = g_memdup2(f.top, ACPI_AREA);
    fixture_load(&f);
    g_assert_cmpmem(first, ACPI_AREA, f.top, ACPI_AREA);
    fixture_clear(&f);
}

/* No slots: no trace of memory hot-plug. */
static void test_no_slots(void)
{
    for (unsigned i = 0; i < 2; i++) {
        Machine *machine = machine_make(&configs[i]);
        g_autoptr(AcpiTables) tables = acpi_build(machine);
        const AcpiBlob *dsdt = acpi_blob_find(tables, "dsdt");

        g_assert_true((memmem(dsdt->data->data, dsdt->data->len, "MHPC", 4) != NULL) ==
                      (configs[i].slots > 0));
        machine_free(machine);
    }
}

static void test_area_too_small(void)
{
    Machine *machine = machine_make(&configs[4]);
    g_autoptr(AcpiTables) tables = acpi_build(machine);
    const AcpiArea areas[ACPI_ZONES] = { { 0xe0000, 0x1000 }, { 0x100000, 0x1000 }, { 0, 64 } };
    g_autoptr(GError) err = NULL;

    g_assert_false(acpi_tables_link(tables, areas, &err));
    g_assert_nonnull(err);
    machine_free(machine);
}

/* As x86_machine_dump_tables(), which needs a whole board. */
static bool dump(Machine *machine, const char *path, GError **errp)
{
    g_autoptr(AcpiTables) tables = acpi_build(machine);

    return acpi_link_direct(tables, X86_MACHINE(machine)->below_4g, errp) &&
           acpi_tables_dump(tables, path, errp);
}

static void test_dump(void)
{
    const char *dir = g_getenv("DIMMABLE_ACPI_DUMP");
    g_autoptr(GError) err = NULL;

    for (unsigned i = 0; dir && i < G_N_ELEMENTS(configs); i++) {
        Machine *machine = machine_make(&configs[i]);
        g_autofree char *path = g_build_filename(dir, configs[i].name, NULL);

        g_assert_true(dump(machine, path, &err));
        g_assert_no_error(err);
        machine_free(machine);
    }
    {
        Machine *machine = machine_make(&configs[0]);

        g_assert_false(dump(machine, "/nonexistent/dir", &err));
        g_assert_nonnull(strstr(err->message, "/nonexistent/dir"));
        machine_free(machine);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(configs); i++) {
        g_autofree char *path = g_strconcat("/acpi/links/", configs[i].name, NULL);
        g_test_add_data_func(path, &configs[i], test_links);
    }
    g_test_add_func("/acpi/fadt", test_fadt);
    g_test_add_func("/acpi/madt", test_madt);
    g_test_add_func("/acpi/srat", test_srat);
    g_test_add_func("/acpi/srat-dimms", test_srat_dimms);
    g_test_add_func("/acpi/srat-places", test_srat_places);
    g_test_add_func("/acpi/slit", test_slit);
    g_test_add_func("/acpi/hmat", test_hmat);
    g_test_add_func("/acpi/pure", test_pure);
    g_test_add_func("/acpi/no-slots", test_no_slots);
    g_test_add_func("/acpi/area-too-small", test_area_too_small);
    g_test_add_func("/acpi/dump", test_dump);
    return g_test_run();
}

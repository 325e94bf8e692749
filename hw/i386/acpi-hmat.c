/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How fast memory is: HMAT (ACPI 6.4 section 5.2.27). */
#include "hw/i386/acpi-build.h"

#include "hw/core/numa-hmat.h"
#include "util/error.h"

enum {
    HMAT_PROXIMITY = 0,
    HMAT_LATENCY_BANDWIDTH = 1,
    HMAT_CACHE = 2,

    PROXIMITY_INITIATOR_VALID = 1 << 0,
    PROXIMITY_SIZE = 40,
    LATENCY_BANDWIDTH_SIZE = 32, /* and the lists that follow */
    CACHE_SIZE = 32,

    PS_PER_NS = 1000,
};

static void begin_structure(AcpiBlob *hmat, uint16_t type, uint32_t length)
{
    acpi_u16(hmat, type);
    acpi_u16(hmat, 0);
    acpi_u32(hmat, length);
}

/* Table 5.147: which processors are at the memory of @n. */
static void proximity(AcpiBlob *hmat, const Machine *machine, unsigned n)
{
    const NumaNode *node = &machine->numa.nodes[n];
    bool own = numa_node_has_cpus(&machine->numa, n);

    begin_structure(hmat, HMAT_PROXIMITY, PROXIMITY_SIZE);
    acpi_u16(hmat, own || node->initiator_given ? PROXIMITY_INITIATOR_VALID : 0);
    acpi_u16(hmat, 0);
    acpi_u32(hmat, own ? n : node->initiator);
    acpi_u32(hmat, n);
    acpi_zeros(hmat, 4 + 8 + 8);
}

/* The nodes in the figures of one kind, ascending: as initiators resp. as targets. */
typedef struct NodeList {
    unsigned count;
    uint8_t nodes[MAX_NODES];
} NodeList;

static NodeList nodes_of(const Machine *machine, HmatLBMemoryHierarchy hierarchy,
                         HmatLBDataType data_type, bool targets)
{
    bool has[MAX_NODES] = { false };
    NodeList list = { 0 };

    for (unsigned i = 0; i < machine->numa.hmat_lbs->len; i++) {
        const HmatLb *lb = &g_array_index(machine->numa.hmat_lbs, HmatLb, i);

        if (lb->hierarchy == hierarchy && lb->data_type == data_type) {
            has[targets ? lb->target : lb->initiator] = true;
        }
    }
    for (unsigned node = 0; node < MAX_NODES; node++) {
        if (has[node]) {
            list.nodes[list.count++] = node;
        }
    }
    return list;
}

static void write_list(AcpiBlob *hmat, const NodeList *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        acpi_u32(hmat, list->nodes[i]);
    }
}

/* The entries, initiators as rows. 0 says: not known. */
static void write_entries(AcpiBlob *hmat, const Machine *machine, const HmatLb *kind, uint64_t unit,
                          const NodeList *from, const NodeList *to)
{
    g_autofree uint16_t *entries = g_new0(uint16_t, MAX_NODES * MAX_NODES);

    for (unsigned i = 0; i < machine->numa.hmat_lbs->len; i++) {
        const HmatLb *lb = &g_array_index(machine->numa.hmat_lbs, HmatLb, i);

        if (lb->hierarchy == kind->hierarchy && lb->data_type == kind->data_type) {
            entries[lb->initiator * MAX_NODES + lb->target] = lb->value / unit;
        }
    }
    for (unsigned i = 0; i < from->count; i++) {
        for (unsigned j = 0; j < to->count; j++) {
            acpi_u16(hmat, entries[from->nodes[i] * MAX_NODES + to->nodes[j]]);
        }
    }
}

/* Table 5.148. */
static void latency_bandwidth(AcpiBlob *hmat, const Machine *machine,
                              HmatLBMemoryHierarchy hierarchy, HmatLBDataType data_type)
{
    uint64_t unit = numa_hmat_unit(&machine->numa, hierarchy, data_type);
    NodeList from, to;

    if (unit == 0) {
        return;
    }
    from = nodes_of(machine, hierarchy, data_type, false);
    to = nodes_of(machine, hierarchy, data_type, true);
    begin_structure(hmat, HMAT_LATENCY_BANDWIDTH,
                    LATENCY_BANDWIDTH_SIZE + 4 * (from.count + to.count) +
                        2 * from.count * to.count);
    acpi_u8(hmat, hierarchy);
    acpi_u8(hmat, data_type);
    acpi_u8(hmat, 0); /* least transfer size: any */
    acpi_u8(hmat, 0);
    acpi_u32(hmat, from.count);
    acpi_u32(hmat, to.count);
    acpi_u32(hmat, 0);
    acpi_u64(hmat, numa_hmat_is_latency(data_type) ? unit * PS_PER_NS : unit);
    write_list(hmat, &from);
    write_list(hmat, &to);
    write_entries(hmat, machine, &(HmatLb){ .hierarchy = hierarchy, .data_type = data_type }, unit,
                  &from, &to);
}

/* Table 5.149. */
static void cache(AcpiBlob *hmat, const Machine *machine, const HmatCache *c)
{
    unsigned levels = 0;

    for (unsigned i = 0; i < machine->numa.hmat_caches->len; i++) {
        levels += g_array_index(machine->numa.hmat_caches, HmatCache, i).node == c->node;
    }
    begin_structure(hmat, HMAT_CACHE, CACHE_SIZE);
    acpi_u32(hmat, c->node);
    acpi_u32(hmat, 0);
    acpi_u64(hmat, c->size);
    acpi_u32(hmat, levels | c->level << 4 | c->associativity << 8 | c->policy << 12 |
                       (uint32_t)c->line << 16);
    acpi_u16(hmat, 0);
    acpi_u16(hmat, 0); /* SMBIOS handles */
}

AcpiBlob *acpi_build_hmat(AcpiTables *tables, Machine *machine)
{
    AcpiBlob *hmat = acpi_table_begin(tables, "HMAT", NULL, 2);

    acpi_u32(hmat, 0);
    for (unsigned node = 0; node < machine->numa.num_nodes; node++) {
        /* A Linux guest throws the whole table away for a node without memory in SRAT. */
        if (acpi_srat_has_memory(machine, node)) {
            proximity(hmat, machine, node);
        }
    }
    for (unsigned h = 0; h < HMAT_LB_MEMORY_HIERARCHY__MAX; h++) {
        for (unsigned t = 0; t < HMAT_LB_DATA_TYPE__MAX; t++) {
            latency_bandwidth(hmat, machine, h, t);
        }
    }
    for (unsigned i = 0; machine->numa.hmat_caches && i < machine->numa.hmat_caches->len; i++) {
        cache(hmat, machine, &g_array_index(machine->numa.hmat_caches, HmatCache, i));
    }
    acpi_table_end(tables, hmat);
    return hmat;
}

bool acpi_check_hmat(Machine *machine, GError **errp)
{
    g_autoptr(AcpiTables) tables = acpi_tables_new();
    unsigned size = machine->numa.hmat ? acpi_build_hmat(tables, machine)->data->len : 0;

    if (size > ACPI_HMAT_MOST) {
        error_set(errp,
                  "-numa hmat-lb: the HMAT would have %u bytes, and may have %u: it has two for "
                  "each pair of the initiators and targets of each hierarchy and data-type; give "
                  "figures for fewer of them",
                  size, ACPI_HMAT_MOST);
        return false;
    }
    return true;
}

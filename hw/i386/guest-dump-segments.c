/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pieces of RAM a dump describes, and at which linear addresses. */
#include "hw/i386/cpu.h"
#include "hw/i386/debug.h"
#include "hw/i386/guest-dump-internal.h"
#include "util/error.h"

/* Page tables are the guest's to write: enough for kernels, and no more than some ten megabytes. */
#define MAX_MAPPINGS (1u << 20)

GArray *dump_segments_physical(const GArray *ranges)
{
    GArray *segments = g_array_new(FALSE, FALSE, sizeof(DumpSegment));

    for (unsigned i = 0; i < ranges->len; i++) {
        const DumpRange *r = &g_array_index(ranges, DumpRange, i);
        DumpSegment segment = { r->addr, r->addr, r->size };
        g_array_append_val(segments, segment);
    }
    return segments;
}

/* ---- mappings ---- */

static bool add_mapping(const X86Mapping *mapping, void *opaque)
{
    GArray *mappings = opaque;
    DumpSegment *last =
        mappings->len ? &g_array_index(mappings, DumpSegment, mappings->len - 1) : NULL;
    DumpSegment new = { mapping->va, mapping->pa, mapping->size };

    if (last && last->va + last->size == new.va && last->pa + last->size == new.pa) {
        last->size += new.size;
        return true;
    }
    if (mappings->len == MAX_MAPPINGS) {
        return false;
    }
    g_array_append_val(mappings, new);
    return true;
}

static bool has_earlier_twin(const Machine *machine, unsigned index)
{
    const X86Cpu *own = x86_cpu_at(machine, index), *cpu;

    for (unsigned i = 0; (cpu = x86_cpu_next(machine, &i)) != own; i++) {
        if (cpu->cr3 == own->cr3 && cpu->cr4 == own->cr4 && cpu->efer == own->efer &&
            x86_paging_enabled(cpu)) {
            return true;
        }
    }
    return false;
}

static int compare_mappings(const void *a, const void *b)
{
    const DumpSegment *x = a, *y = b;

    if (x->va != y->va) {
        return x->va < y->va ? -1 : 1;
    }
    if (x->pa != y->pa) {
        return x->pa < y->pa ? -1 : 1;
    }
    return (x->size > y->size) - (x->size < y->size);
}

static void drop_doubles(GArray *mappings)
{
    unsigned kept = 0;

    g_array_sort(mappings, compare_mappings);
    for (unsigned i = 0; i < mappings->len; i++) {
        const DumpSegment *m = &g_array_index(mappings, DumpSegment, i);
        if (i == 0 || compare_mappings(m, &g_array_index(mappings, DumpSegment, kept - 1)) != 0) {
            g_array_index(mappings, DumpSegment, kept++) = *m;
        }
    }
    g_array_set_size(mappings, kept);
}

/* What the CPUs' page tables map, each once, by linear address; NULL if that is too much. */
static GArray *collect_mappings(const Machine *machine, GError **errp)
{
    g_autoptr(GArray) mappings = g_array_new(FALSE, FALSE, sizeof(DumpSegment));
    X86Cpu *cpu;

    for (unsigned i = 0; (cpu = x86_cpu_next(machine, &i)); i++) {
        if (has_earlier_twin(machine, i)) {
            continue;
        }
        if (!x86_debug_foreach_mapping(cpu, add_mapping, mappings)) {
            error_set(errp,
                      "the page tables of CPU %u describe too many mappings (more than %u, or more "
                      "than %u tables); use paging: false",
                      i, MAX_MAPPINGS, X86_PAGE_WALK_MAX_TABLES);
            return NULL;
        }
    }
    drop_doubles(mappings);
    return g_steal_pointer(&mappings);
}

/* ---- segments ---- */

static int compare_physical(const void *a, const void *b)
{
    const DumpSegment *x = a, *y = b;

    return (x->pa > y->pa) - (x->pa < y->pa);
}

/* Index of the first range that ends after @pa. */
static unsigned first_range(const GArray *ranges, uint64_t pa)
{
    unsigned low = 0, high = ranges->len;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const DumpRange *r = &g_array_index(ranges, DumpRange, middle);
        if (r->addr + (r->size - 1) < pa) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The parts of mapping @m that are RAM. False: too many. */
static bool add_ram_of(GArray *segments, const GArray *ranges, const DumpSegment *m)
{
    uint64_t m_last = m->pa + (m->size - 1);

    for (unsigned i = first_range(ranges, m->pa); i < ranges->len; i++) {
        const DumpRange *r = &g_array_index(ranges, DumpRange, i);
        uint64_t first = MAX(r->addr, m->pa), last = MIN(r->addr + (r->size - 1), m_last);

        if (r->addr > m_last) {
            break;
        }
        if (segments->len == MAX_MAPPINGS) {
            return false;
        }
        DumpSegment segment = { m->va + (first - m->pa), first, last - first + 1 };
        g_array_append_val(segments, segment);
    }
    return true;
}

/* RAM of @r from @first to before @end that no linear address leads to. */
static void add_unmapped(GArray *segments, uint64_t first, uint64_t end)
{
    if (first < end) {
        DumpSegment segment = { 0, first, end - first };
        g_array_append_val(segments, segment);
    }
}

/* Append what @segments, sorted by physical address, leaves out of @ranges. */
static void add_all_unmapped(GArray *segments, const GArray *ranges)
{
    unsigned next = 0, mapped = segments->len;

    for (unsigned i = 0; i < ranges->len; i++) {
        const DumpRange *r = &g_array_index(ranges, DumpRange, i);
        uint64_t at = r->addr;

        for (; next < mapped; next++) {
            DumpSegment s = g_array_index(segments, DumpSegment, next);
            if (s.pa - r->addr >= r->size) {
                break;
            }
            add_unmapped(segments, at, s.pa);
            at = MAX(at, s.pa + s.size);
        }
        add_unmapped(segments, at, r->addr + r->size);
    }
}

GArray *dump_segments_paging(const Machine *machine, const GArray *ranges, GError **errp)
{
    g_autoptr(GArray) mappings = collect_mappings(machine, errp);
    g_autoptr(GArray) segments = g_array_new(FALSE, FALSE, sizeof(DumpSegment));

    if (!mappings) {
        return NULL;
    }
    for (unsigned i = 0; i < mappings->len; i++) {
        if (!add_ram_of(segments, ranges, &g_array_index(mappings, DumpSegment, i))) {
            error_set(errp, "the page tables map more than %u pieces of RAM; use paging: false",
                      MAX_MAPPINGS);
            return NULL;
        }
    }
    g_array_sort(segments, compare_physical);
    add_all_unmapped(segments, ranges);
    return g_steal_pointer(&segments);
}

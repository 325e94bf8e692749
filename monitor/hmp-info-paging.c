/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `info tlb` and `info mem`: what the page tables of a CPU say.
 */
#include <inttypes.h>

#include "hw/i386/debug.h"
#include "monitor/hmp.h"

/* Page tables may point to themselves: what they describe is far more than they are. */
#define MAX_LINES 65536u

typedef struct Listing {
    Hmp *hmp;
    unsigned lines;
    /* info mem: the range so far; size 0: none */
    uint64_t va, size;
    bool write, user;
} Listing;

/* False: there may be no more lines. */
static bool line_allowed(Listing *list)
{
    return list->lines++ < MAX_LINES;
}

static bool tlb_page(const X86Mapping *m, void *opaque)
{
    static const struct {
        uint64_t bit;
        char letter;
    } bits[] = {
        { PTE_NX, 'X' }, { PTE_G, 'G' }, { PTE_PS, 'P' }, { PTE_D, 'D' },  { PTE_A, 'A' },
        { 0x10, 'C' },   { 0x8, 'T' },   { PTE_US, 'U' }, { PTE_RW, 'W' },
    };
    Listing *list = opaque;
    char letters[G_N_ELEMENTS(bits) + 1] = "";

    if (!line_allowed(list)) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bits); i++) {
        bool large = bits[i].bit != PTE_PS || m->size > 4096; /* else it is the PAT bit */

        letters[i] = m->entry & bits[i].bit && large ? bits[i].letter : '-';
    }
    hmp_printf(list->hmp, "%016" PRIx64 ": %016" PRIx64 " %s\n", m->va, m->pa, letters);
    return true;
}

static bool mem_flush(Listing *list)
{
    if (!list->size) {
        return true;
    }
    if (!line_allowed(list)) {
        return false;
    }
    hmp_printf(list->hmp, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %cr%c\n", list->va,
               list->va + list->size, list->size, list->user ? 'u' : '-', list->write ? 'w' : '-');
    list->size = 0;
    return true;
}

static bool mem_page(const X86Mapping *m, void *opaque)
{
    Listing *list = opaque;
    bool joins = list->size && list->va + list->size == m->va && list->write == m->write &&
                 list->user == m->user;

    if (!joins) {
        if (!mem_flush(list)) {
            return false;
        }
        list->va = m->va;
        list->write = m->write;
        list->user = m->user;
    }
    list->size += m->size;
    return true;
}

static void list_pages(Hmp *hmp, X86PageVisit *visit)
{
    Listing list = { .hmp = hmp };
    X86Cpu *cpu = hmp_cpu(hmp);
    bool whole;

    if (!cpu) {
        return;
    }
    if (!x86_paging_enabled(cpu)) {
        hmp_printf(hmp, "PG disabled\n");
        return;
    }
    whole = x86_debug_foreach_mapping(cpu, visit, &list);
    if (visit == mem_page) {
        whole &= mem_flush(&list);
    }
    if (!whole) {
        hmp_printf(hmp, "... and more: the list ends after %u lines or %u page tables\n", MAX_LINES,
                   X86_PAGE_WALK_MAX_TABLES);
    }
}

void hmp_info_tlb(Hmp *hmp, char **argv)
{
    list_pages(hmp, tlb_page);
}

void hmp_info_mem(Hmp *hmp, char **argv)
{
    list_pages(hmp, mem_page);
}

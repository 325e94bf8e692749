/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A walk of the guest's page tables that changes nothing, for debugging: 32-bit, PAE and 4-level
 * paging (SDM vol. 3 chapter 4). The software CPU has its own, which faults, checks rights and sets
 * accessed and dirty bits (accel/soft/page-walk.c).
 */
#ifndef TARGET_I386_PAGE_WALK_H
#define TARGET_I386_PAGE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "target/i386/cpu.h"

/* Tables may point to themselves, so that a few pages describe 2^36 mappings: a walk over all of
 * them ends after this many tables. Enough for 128 GiB in pages of 4 KiB. */
#define X86_PAGE_WALK_MAX_TABLES 65536u

/* One page. */
typedef struct X86Mapping {
    uint64_t va;    /* linear address of the page, canonical */
    uint64_t pa;    /* guest-physical address of the page */
    uint64_t size;  /* bytes: 4 KiB, 2 MiB, 4 MiB or 1 GiB */
    uint64_t entry; /* the last entry as it is in memory: PTE_* of regs.h */
    /* as all levels together allow */
    bool write, user, execute;
} X86Mapping;

/* Read a page-table entry: 4 or 8 bytes of guest-physical memory, little endian. False: no RAM is
 * there. */
typedef bool X86PageRead(uint64_t pa, void *buf, unsigned size, void *opaque);
/* Where a page is; false: stop. */
typedef bool X86PageVisit(const X86Mapping *mapping, void *opaque);

static inline bool x86_paging_enabled(const X86Cpu *cpu)
{
    return cpu->cr0 & CR0_PG;
}

/* Find the page of linear address @va. Paging must be on. False: not mapped, or not canonical. */
bool x86_page_find(const X86Cpu *cpu, uint64_t va, X86PageRead *read, void *opaque,
                   X86Mapping *mapping);
/* Visit every page, by ascending linear address as a number without sign extension. Paging must be
 * on. False: stopped by @visit or by the limit above. */
bool x86_page_foreach(const X86Cpu *cpu, X86PageRead *read, X86PageVisit *visit, void *opaque);

#endif

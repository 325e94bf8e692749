/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translation look-aside buffer: what the MMU, the blocks and the pages with code need of it
 * besides soft.h. All by the vCPU's own thread.
 */
#ifndef ACCEL_SOFT_TLB_H
#define ACCEL_SOFT_TLB_H

#include "accel/soft/uop.h"

/* Low bits of SoftTlbEntry.phys. */
enum {
    SOFT_TLB_RAM = 1 << 0,      /* addend is valid: RAM or ROM */
    SOFT_TLB_READONLY = 1 << 1, /* ROM or flash: writes are the memory map's business */
    SOFT_TLB_GLOBAL = 1 << 2,
    SOFT_TLB_LARGE = 1 << 3,   /* part of a 2 MiB, 4 MiB or 1 GiB page */
    SOFT_TLB_ALIGNED = 1 << 4, /* of SOFT_MMU_USER_ALIGNED: never fast */
};

/* Which page (linear) an entry is for: any one of its tags tells; SOFT_TLB_NO_PAGE: it is empty. */
#define SOFT_TLB_NO_PAGE (~(uint64_t)(SOFT_PAGE - 1))
static inline uint64_t soft_tlb_page(const SoftTlbEntry *e)
{
    return e->read_tag & e->write_tag & e->fetch_tag & ~(uint64_t)(SOFT_PAGE - 1);
}

/* Make the TLB of @mode, which takes no memory before. */
void soft_tlb_make(SoftCpu *s, SoftMmuMode mode);
/* To be called before entries of @mode are looked for. */
static inline void soft_tlb_need(SoftCpu *s, SoftMmuMode mode)
{
    if (SOFT_UNLIKELY(!s->tlb_made[mode])) {
        soft_tlb_make(s, mode);
    }
}
/* The entry for @page (linear, of a page), if it is in its second place or among the victims: then
 * it is back in its first place. */
bool soft_tlb_recall(SoftCpu *s, SoftMmuMode mode, uint64_t page);
/* The place of @page, to be filled with @entry; what was there goes to its second place. */
SoftTlbEntry *soft_tlb_insert(SoftCpu *s, SoftMmuMode mode, uint64_t page, SoftTlbEntry entry);
/* What the guest-physical addresses from @first to @last mean has changed, or who may write there:
 * @s drops its entries for them before it runs guest code in a new read section. Blocks stay valid:
 * what a RIP translates to is the same. Any thread. */
void soft_tlb_request_drop(SoftCpu *s, hwaddr first, hwaddr last);
/* Own thread, in the read section: drop what was requested. */
void soft_tlb_drop_requested(SoftCpu *s);
/* Registers that entries depend on were written by somebody else: flush if they are others now. */
void soft_tlb_follow_registers(SoftCpu *s);
/* Writes to the guest-physical page @phys go the slow way from now on. */
void soft_tlb_slow_writes(SoftCpu *s, hwaddr phys);
/* Code of the current mode was found at linear address @addr by way of @e: blocks that say so with
 * tlb_gen are valid until a flush that concerns @e. */
void soft_tlb_used_for_code(SoftCpu *s, uint64_t addr, const SoftTlbEntry *e);
/* No block is valid until it is found again. */
void soft_tlb_forget_code(SoftCpu *s);
/* tlb_gen becomes that of the current mmu_mode. */
void soft_tlb_select_gen(SoftCpu *s);

#endif

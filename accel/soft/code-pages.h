/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which guest-physical pages hold decoded code, over all vCPUs: so that writes to them are noticed.
 * Any thread; one mutex inside.
 */
#ifndef ACCEL_SOFT_CODE_PAGES_H
#define ACCEL_SOFT_CODE_PAGES_H

#include "accel/soft/soft.h"

/* Whoever keeps decoded code: what it is asked for, in the vCPU's own thread. */
typedef struct SoftCodeUser {
    /* Drop the vCPU's blocks that have bytes in [phys, phys + len), within one page and not empty.
     * @op: the running micro-operation, whose block stops after its instruction if it is among
     * them; NULL: none. */
    void (*invalidate)(SoftCpu *s, const Uop *op, hwaddr phys, unsigned len);
    /* Has this vCPU blocks on the page of @phys? */
    bool (*page_used)(SoftCpu *s, hwaddr phys);
} SoftCodeUser;

/* A vCPU comes and goes (soft_blocks_init(), soft_blocks_destroy()). @user is constant. */
void soft_code_register(SoftCpu *s, const SoftCodeUser *user);
void soft_code_unregister(SoftCpu *s);

/* Does the page of @phys hold decoded code of any vCPU? mmu.c asks before it makes writes to a page
 * fast, after translation. */
bool soft_code_page_has(hwaddr phys);

/* The vCPU is about to decode code on the page of @phys. Returns true if writes to the page are
 * watched already; false if other vCPUs had to be told and waited for: the read section was left
 * meanwhile, so everything looked up is stale; look up again and call again. */
bool soft_code_page_add(SoftCpu *s, hwaddr phys);
/* The vCPU decoded [phys, phys + len), within one page: writes to these bytes matter. To be called
 * before the decoded copy is compared with memory for the last time. */
void soft_code_page_lines(SoftCpu *s, hwaddr phys, unsigned len);
/* The lines of the page of @phys that still hold code of the vCPU; not between the call above and
 * the block's entry into the page's list. */
void soft_code_page_set_lines(SoftCpu *s, hwaddr phys, uint64_t lines);
/* Bits of the lines of 64 bytes of [phys, phys + len), which is within one page and not empty; bit
 * 0: the page's bytes 0-63. */
static inline uint64_t soft_code_lines(hwaddr phys, unsigned len)
{
    unsigned first = phys % SOFT_PAGE / 64, last = (unsigned)((phys + len - 1) % SOFT_PAGE / 64);
    return (UINT64_MAX >> (63 - last)) & (UINT64_MAX << first);
}
/* The vCPU has no more blocks on that page. */
void soft_code_page_remove(SoftCpu *s, hwaddr phys);
/* Nor on any other. */
void soft_code_page_remove_all(SoftCpu *s);

/* How many pages the vCPU was to decode code of, and how many of them others have written to since
 * it looked last: never more, whatever was written. Any thread. */
unsigned soft_code_page_count(const SoftCpu *s);
unsigned soft_code_dirty_count(const SoftCpu *s);

/* @s itself is about to write to [phys, phys + len), within one page and not empty, with its
 * running micro-operation @op (may be NULL), and does so before it calls this again or enters a
 * block. Own blocks are dropped at once, those of other vCPUs before they enter their next block.
 * Returns whether the page still holds code (then keep the TLB entry slow). */
bool soft_code_invalidate(SoftCpu *s, const Uop *op, hwaddr phys, unsigned len);
/* A device wrote to [phys, phys + len), of any length, or other memory is there now: blocks of all
 * vCPUs are dropped before they enter their next one. Any thread. */
void soft_code_written(hwaddr phys, uint64_t len);

/* Of all vCPUs: soft_tlb_request_drop(). Any thread. */
void soft_code_drop_pages(hwaddr first, hwaddr last);

/* Own thread: drop the blocks that others have written to. Call before running a block, and
 * whenever the memory read section is entered again in the middle of an instruction, like
 * soft_tlb_drop_requested(). */
void soft_code_sync(SoftCpu *s);

#endif

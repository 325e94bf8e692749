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
    /* Drop the vCPU's blocks that have bytes in [phys, phys + len), which is not empty. @op: the
     * running micro-operation, whose block stops after its instruction if it is among them; NULL:
     * none. */
    void (*invalidate)(SoftCpu *s, const Uop *op, hwaddr phys, uint64_t len);
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
/* The vCPU has no more blocks on that page. */
void soft_code_page_remove(SoftCpu *s, hwaddr phys);
/* Nor on any other. */
void soft_code_page_remove_all(SoftCpu *s);

/* Guest memory [phys, phys + len) was written or is about to be: by @s itself with its running
 * micro-operation @op (may be NULL), or by a device (@s NULL, after it wrote). Own blocks are
 * dropped at once, those of other vCPUs before they enter their next block. Returns whether the
 * page still holds code (then keep the TLB entry slow). Without @s the range may have any length.
 */
bool soft_code_invalidate(SoftCpu *s, const Uop *op, hwaddr phys, uint64_t len);

/* Own thread: process what other threads queued. Call before running a block, and whenever the
 * memory read section is entered again in the middle of an instruction, like flush_request. */
void soft_code_sync(SoftCpu *s);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address translation: what mmu.c offers besides the calls in soft.h.
 */
#ifndef ACCEL_SOFT_MMU_H
#define ACCEL_SOFT_MMU_H

#include "accel/soft/soft.h"
#include "memory/smm.h"

typedef struct SoftTranslation {
    uint64_t phys;           /* of the 4 KiB page */
    bool read, write, fetch; /* allowed; write only if the dirty bit is set already */
    bool global, large;
} SoftTranslation;

/* Walk the guest's page tables for @addr (SDM vol. 3 chapter 4), setting accessed and, for a write,
 * dirty bits. False: *@error is the error code of the #PF. Read section open. */
bool soft_page_walk(SoftCpu *s, uint64_t addr, SoftAccess access, SoftMmuMode mode,
                    SoftTranslation *out, uint32_t *error);

/* For walks. Where @size bytes of a table lie in host memory; NULL if that is no RAM. */
void *soft_table_host(const SoftCpu *s, hwaddr addr, unsigned size, bool *readonly);
/* An entry of 4 or 8 bytes. */
uint64_t soft_entry_load(const void *host, unsigned size);
/* Set @bits in an entry that was @old. False: another CPU changed it; start again. */
bool soft_entry_set(void *host, unsigned size, uint64_t old, uint64_t bits);

/* #AC if an operand of @len bytes at @addr is not aligned, where @mode asks for that. All accesses
 * but masked ones do it themselves. */
void soft_check_alignment(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len, SoftMmuMode mode);
/* Fault now if a system access (soft_load_system(), soft_store_system()) to [addr, addr + len)
 * would fault; @len is at most a page. */
void soft_probe_system(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len, SoftAccess access);

/* What the CPU's guest-physical addresses mean now. */
static inline AddressSpace *soft_memory(const SoftCpu *s)
{
    return s->cpu.smm ? &address_space_smm : &address_space_memory;
}

/* The page at @phys, RAM, is about to be written, in the read section that is open. */
void soft_mark_dirty(const SoftCpu *s, hwaddr phys);

/* Leave the memory read section and take the machine lock, around a call into the machine; and
 * back, dropping what became stale meanwhile. In between no host pointer into guest memory is
 * valid. */
void soft_machine_enter(SoftCpu *s);
void soft_machine_leave(SoftCpu *s);
/* In the read section: drop what became stale while it was not open. */
void soft_catch_up(SoftCpu *s);
/* @size bytes (1 to 8) at @addr of the machine's @as, memory or ports, with both around them. */
uint64_t soft_machine_load(SoftCpu *s, AddressSpace *as, hwaddr addr, unsigned size);
void soft_machine_store(SoftCpu *s, AddressSpace *as, hwaddr addr, uint64_t value, unsigned size);

#endif

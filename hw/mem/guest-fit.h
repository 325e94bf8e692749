/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Would a guest be able to use a DIMM? Where a Linux guest would not, users get a warning; the DIMM
 * is plugged all the same, since other guests have other rules. Machine lock.
 */
#ifndef HW_MEM_GUEST_FIT_H
#define HW_MEM_GUEST_FIT_H

#include "hw/mem/pc-dimm.h"

/* The blocks, in bytes, in which a Linux guest adds memory: 128 MiB, and with 64 GiB or more at
 * boot the largest power of 2 from there to 2 GiB of which its boot memory ends at a multiple. */
uint64_t guest_memory_block_size(void);

/* Whether a Linux guest can use @dimm, which has a memdev and an address: it is whole blocks. One
 * with boot=on is part of the memory map, and usable in any case. */
bool guest_fit_usable(const PcDimm *dimm);

/* Why a Linux guest would not use @dimm, which has a memdev and an address: char * each, without
 * "warning: " and newline; NULL if there is no reason. g_ptr_array_unref.
 *  - its size or its address is no multiple of the block size, without boot=on;
 *  - what Linux needs to manage it (1/64 of its size, at once) is more than half of all other
 *    memory of the machine. How much of that is free the guest does not tell. Of DIMMs that are
 *    there at its start none is memory yet: all together are to be managed in what it boots with,
 *    unless it has begun elsewhere. */
GPtrArray *guest_fit_warnings(Machine *machine, const PcDimm *dimm);

#endif

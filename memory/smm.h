/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address space of system management mode: what a CPU sees in that mode. It is everything that
 * memory_system() shows, and over it what lies in memory_smram(): memory that is hidden from
 * everybody else, devices too. There is one for the machine, and none where the machine has no such
 * mode.
 */
#ifndef MEMORY_SMM_H
#define MEMORY_SMM_H

#include "memory/address-space.h"

extern AddressSpace address_space_smm; /* after memory_smm_init() */

/* Make it; again: nothing. After memory_init(), before there are CPUs. Machine lock. */
void memory_smm_init(void);
/* A container of 2^64 bytes; NULL: there is no system management mode. */
MemoryRegion *memory_smram(void);

#endif

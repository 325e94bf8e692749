/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a BIOS leaves in low memory, for a boot without one. Kernels of old protocols look there
 * without asking whether there is a BIOS: Xen takes the end of low memory from the BIOS data area,
 * and calls services, whose failure it knows to handle. Machine lock.
 */
#ifndef HW_I386_BIOS_DATA_H
#define HW_I386_BIOS_DATA_H

#include "memory/address-space.h"
#include "memory/memory.h"

#define BIOS_DATA_PARALLELS 3 /* that it has room for; the fourth word is the extension's */

/* Write to @as: the BIOS data area at 0x400, with @serial[i] for COM1 to COM4, their ports, and
 * the ports @parallel of LPT1 to LPT3 (0: none); its extension at LOW_RAM_END, as the map of memory
 * says (e820.h); and interrupt vectors, of which services return with the carry flag set, and
 * hardware interrupts just return. */
void bios_data_load(AddressSpace *as, const bool serial[4],
                    const uint16_t parallel[BIOS_DATA_PARALLELS]);

#endif

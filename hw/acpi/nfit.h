/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The structures of the NVDIMM Firmware Interface Table (ACPI 6.4, 5.2.25): what NFIT has after its
 * header, and _FIT gives. A pure function of what is plugged. Machine lock.
 */
#ifndef HW_ACPI_NFIT_H
#define HW_ACPI_NFIT_H

#include "hw/core/machine.h"

/* Bits of the platform capabilities structure, 5.2.25.9: at power loss what is in the CPUs' caches,
 * or only what is in the memory controller, gets to the NVDIMMs. */
enum { NFIT_CPU_FLUSH = 1 << 0, NFIT_CONTROLLER_FLUSH = 1 << 1 };

/* The handle of the NVDIMM in a slot; 0 is no NVDIMM's. */
static inline uint32_t nfit_handle(uint32_t slot)
{
    return slot + 1;
}

/* For each plugged NVDIMM a range of addresses, its place in it, and a control region; and the
 * platform's @capabilities if there is an NVDIMM and they are not 0. Empty if there is none.
 * g_byte_array_unref(). */
GByteArray *nfit_structures(const Machine *machine, uint32_t capabilities);

#endif

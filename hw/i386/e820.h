/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The map of physical memory that an operating system is given at boot ("E820", ACPI 6.4 chapter
 * 15), and the layout of low memory that it describes.
 */
#ifndef HW_I386_E820_H
#define HW_I386_E820_H

#include <glib.h>
#include <stdint.h>

#include "hw/core/machine.h"

typedef enum E820Type {
    E820_RAM = 1,
    E820_RESERVED = 2,
    E820_ACPI = 3, /* reclaimable: tables */
    E820_NVS = 4,
} E820Type;

typedef struct E820Entry {
    uint64_t addr, size; /* bytes, size > 0 */
    uint32_t type;       /* E820Type */
} E820Entry;

#define LOW_RAM_END 0x9fc00 /* the extended BIOS data area follows */
#define BIOS_BASE   0xe0000 /* to 1 MiB; the RSDP is here */
#define HIGH_RAM    0x100000
#define FOUR_GIB    (UINT64_C(1) << 32)
#define ACPI_AREA   0x40000    /* bytes for ACPI tables, at the end of RAM below 4 GiB */
#define ACPI_NVS    0x1000     /* the first of them, for the FACS */
#define LEAST_RAM   (2u << 20) /* bytes of RAM with which a kernel and tables can be placed */

/* The map for @below_4g bytes of RAM from 0 (at least LEAST_RAM) and @above_4g from @high_base,
 * which is FOUR_GIB or more: GArray of E820Entry, ascending, without overlaps, and no two RAM
 * entries side by side. */
GArray *e820_build(uint64_t below_4g, hwaddr high_base, uint64_t above_4g);

/* The same for @machine (an X86Machine) as it is now, with those of its DIMMs that have boot=on, as
 * RAM, and memory-mapped configuration space and AMD's HyperTransport range reserved. ACPI
 * announces the others. A function of object state: build it anew at each reset, and whenever a
 * firmware asks. Machine lock. */
GArray *e820_of_machine(Machine *machine);

#endif

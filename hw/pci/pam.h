/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programmable attribute maps: 13 segments of 0xc0000-0xfffff, each with a bit that lets reads
 * reach RAM and one that lets writes reach it; what does not goes to what is behind (ROM, PCI).
 * Used by the 82441FX (registers 0x59-0x5f) and the Q35 MCH (0x90-0x96), whose layout is the same
 * (82441FX data sheet section 3.2.11; Q35 data sheet section 5.1.14). Machine lock.
 */
#ifndef HW_PCI_PAM_H
#define HW_PCI_PAM_H

#include "memory/address-space.h"
#include "memory/memory.h"

#define PAM_BASE      0xc0000u
#define PAM_SIZE      0x40000u
#define PAM_REGISTERS 7
#define PAM_SEGMENTS  13

/* Bits that the guest may write: register 0 has only the high half (0xf0000-0xfffff). */
#define PAM0_WMASK 0x30
#define PAM_WMASK  0x33

/* How a segment can be, other than RAM for reads and writes. */
enum {
    PAM_BEHIND, /* reads and writes go to what is behind */
    PAM_READ,   /* reads give RAM, writes are dropped */
    PAM_WRITE,  /* reads give what is behind, writes go to RAM */
    PAM_MODES,
};

typedef struct Pam {
    MemoryRegion area;             /* all segments; the owner maps it at PAM_BASE */
    AddressSpace ram;              /* boot RAM alone */
    MemoryRegion views[PAM_MODES]; /* the whole area in each mode; not mapped themselves */
    MemoryRegion behind, nothing;  /* what there is when it is not RAM */
    MemoryRegion writer;           /* and where its writes go */
    MemoryRegion segments[PAM_SEGMENTS][PAM_MODES]; /* aliases of parts of the views */
} Pam;

/* Make the segments, for system memory at PAM_BASE, above RAM. @ram is boot RAM, of 1 MiB at
 * least, whose offset is the guest-physical address. @behind covers the area at the same addresses:
 * a host's bus->memory, where the machine has mapped the firmware's last part. All segments are as
 * after a reset: PAM_BEHIND. All arguments live as long as @pam. */
void pam_init(Pam *pam, MemoryRegion *ram, MemoryRegion *behind);

/* The registers are now @regs (PAM_REGISTERS of them). */
void pam_update(Pam *pam, const uint8_t *regs);

/* For a boot without firmware, after a reset: set @regs and the segments so that all is RAM. */
void pam_show_ram(Pam *pam, uint8_t *regs);

#endif

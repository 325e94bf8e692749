/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMRAM: parts of boot RAM that only processors in system management mode see, as the 82441FX and
 * the Q35 MCH have them (their data sheets, sections 3.2.19 and 5.1.29 on). To others there is
 * nothing, or, at 0xa0000, the display; but for the time in which it is open. Machine lock.
 */
#ifndef HW_PCI_SMRAM_H
#define HW_PCI_SMRAM_H

#include "memory/memory.h"

/* The register SMRAM. C_BASE_SEG reads as 2: the legacy window is at 0xa0000. */
#define SMRAM_C_BASE_SEG 0x02u
#define SMRAM_G_SMRAME   0x08u /* there is SMRAM */
#define SMRAM_D_LCK      0x10u /* nothing of it can be changed until a reset; D_OPEN is clear */
#define SMRAM_D_CLS      0x20u /* kept, and means nothing */
#define SMRAM_D_OPEN     0x40u /* everybody sees it, but for what is around SMBASE */

/* ESMRAMC of the MCH. */
#define ESMRAMC_T_EN     0x01u
#define ESMRAMC_TSEG_SZ  0x06u
#define ESMRAMC_H_SMRAME 0x80u /* the legacy window is at 0xfeda0000 instead */

#define SMRAM_LEGACY_BASE 0xa0000u
#define SMRAM_LEGACY_HIGH 0xfeda0000u
#define SMRAM_LEGACY_SIZE 0x20000u
/* The window around the SMBASE that processors have after a reset. */
#define SMRAM_SMBASE_BASE 0x30000u
#define SMRAM_SMBASE_SIZE 0x20000u

/* What there is now. */
typedef struct SmramView {
    bool legacy; /* at 0xa0000 or, with high, at 0xfeda0000 */
    bool high;
    bool open;          /* that and TSEG, to everybody */
    uint64_t tseg_size; /* bytes at the end of boot RAM below 4 GiB; 0: none */
    bool smbase;
} SmramView;

typedef struct Smram {
    MemoryRegion *ram; /* borrowed; NULL: the machine has no system management mode */
    /* Seen by all: the window while it is open, and holes over what is hidden. */
    MemoryRegion open_low, open_high, legacy_hole, tseg_hole, smbase_hole;
    /* Seen in system management mode. */
    MemoryRegion low, high, tseg, smbase;
} Smram;

/* For boot RAM @ram, which lies at 0 of @memory and is all there is below 4 GiB; nothing is hidden
 * yet. Does nothing where there is no system management mode (memory_smram()). All arguments live
 * as long as @smram. */
void smram_init(Smram *smram, MemoryRegion *memory, MemoryRegion *ram);
static inline bool smram_exists(const Smram *smram)
{
    return smram->ram;
}
void smram_update(Smram *smram, const SmramView *view);

#endif

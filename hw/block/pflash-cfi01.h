/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parallel NOR flash with Intel's command set, 8 bits wide ("Common Flash Interface", JEDEC JESD68;
 * command set 0001, Intel 28F640 data sheet), in which UEFI firmware and its variables lie. It is
 * read and executed in place; programming and erasing go to the file behind it at once. Machine
 * lock.
 *
 * Properties: "file", its contents; "readonly", true: it cannot be changed, and the file is only
 * read.
 */
#ifndef HW_BLOCK_PFLASH_CFI01_H
#define HW_BLOCK_PFLASH_CFI01_H

#include "hw/core/device.h"
#include "memory/memory.h"

#define TYPE_PFLASH_CFI01 "cfi.pflash01"

#define PFLASH_BLOCK 0x1000u /* bytes that are erased together */

/* The file, and what was done with it. It is read once, when it is opened. */
typedef struct PflashUse {
    const char *file;
    bool readonly;
    uint64_t read_bytes;
    int64_t read_ns; /* that it took */
    uint64_t writes, written_bytes, failed_writes;
    int64_t write_ns;     /* of all of them, those that failed too */
    uint64_t written_end; /* end of the highest byte that was written */
} PflashUse;

/* Make the on-board device for @file and realize it: the file is read, and locked against other
 * programs that would write to it. Its RAM block is @name (borrowed, a literal), of its own among
 * all blocks: a machine that is saved or migrated tells its contents apart by that. Errors: cannot
 * be opened (for writing, unless @readonly), empty, not a multiple of PFLASH_BLOCK, larger than
 * @max bytes, in use. Borrowed. */
Device *pflash_cfi01_create(const char *name, const char *file, bool readonly, uint64_t max,
                            GError **errp);

/* What to map; its size is the flash's. */
MemoryRegion *pflash_cfi01_region(Device *dev);
/* Its file, without folders; g_free. */
char *pflash_cfi01_name(Device *dev);

/* Borrowed. */
const PflashUse *pflash_cfi01_use(Device *dev);

#endif

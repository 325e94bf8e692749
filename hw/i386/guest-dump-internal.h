/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of guest dumps share. */
#ifndef HW_I386_GUEST_DUMP_INTERNAL_H
#define HW_I386_GUEST_DUMP_INTERNAL_H

#include "hw/core/machine.h"
#include "memory/ram-hold.h"

/* RAM, sorted by address. */
typedef struct DumpRange {
    uint64_t addr, size; /* guest-physical, bytes */
    const uint8_t *host;
    RamHold *hold;   /* of its block */
    uint64_t offset; /* of its data in the file, from the first range's */
} DumpRange;

/* A PT_LOAD, within one range. */
typedef struct DumpSegment {
    uint64_t va, pa, size;
} DumpSegment;

/* The GArray of DumpSegment for @ranges (GArray of DumpRange). */
GArray *dump_segments_physical(const GArray *ranges);
GArray *dump_segments_paging(const Machine *machine, const GArray *ranges, GError **errp);

/* All @len bytes; waits where @fd would not. @buf may be guest memory: what cannot be read is an
 * error too. */
bool dump_write_all(int fd, const uint8_t *buf, uint64_t len, GError **errp);

#endif

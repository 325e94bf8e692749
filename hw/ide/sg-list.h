/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scatter lists: where in its memory a guest has the bytes of a transfer, as a table of addresses
 * and lengths that it wrote, in the format of a bus master (SFF-8038i, section 1.2) or of AHCI
 * (AHCI 1.3.1, section 4.2.3.3). The table is read as the list is used, and may be anything: each
 * entry has at least one byte, and the table ends. Machine lock.
 */
#ifndef HW_IDE_SG_LIST_H
#define HW_IDE_SG_LIST_H

#include <sys/uio.h>

#include "memory/dma.h"

typedef enum SgFormat { SG_BUS_MASTER, SG_AHCI } SgFormat;

typedef struct SgList {
    SgFormat format;
    const DmaSpace *space; /* borrowed */
    hwaddr table;
    uint32_t entries, index; /* that the table has; the next one */
    hwaddr addr, left;       /* what is left of the one before */
    uint64_t used;           /* bytes, from the beginning of the list */
    bool broken;             /* the table cannot be read */
} SgList;

#define SG_BUS_MASTER_ENTRIES 8192 /* a table has 64 KiB at most */

SgList sg_list(SgFormat format, const DmaSpace *space, hwaddr table, uint32_t entries);
/* Is there nothing left of it? */
bool sg_at_end(SgList *list);
/* Copy at most @size bytes from there, or to there, and go on behind them. How many; less than
 * @size: the list has ended, or (*@failed, else untouched) something is no memory. */
uint64_t sg_copy(SgList *list, void *buf, uint64_t size, bool to_guest, bool *failed);
/* Map for @holder the next at most @size bytes, cut to whole units of @unit, in at most @max
 * pieces,
 * @holds and their bytes in use @iov, and go on behind them. How many bytes, in how many *@pieces.
 * 0: the list has ended, or (*@failed, else untouched) something is no memory. The device writes to
 * them if @to_guest. */
uint64_t sg_map(SgList *list, uint64_t size, unsigned unit, bool to_guest, const char *holder,
                DmaHold *holds, struct iovec *iov, unsigned max, unsigned *pieces, bool *failed);

#endif

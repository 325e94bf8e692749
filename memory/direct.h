/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O regions that are somewhere in this program as well: plain accesses there do what the region's
 * functions do. An engine may let the guest reach them in place. Machine lock.
 */
#ifndef MEMORY_DIRECT_H
#define MEMORY_DIRECT_H

#include "memory/memory.h"

/* @mr, before it is in a tree, is at @host; NULL: nowhere any more, before it is destroyed. */
void memory_region_set_direct(MemoryRegion *mr, uint8_t *host);
/* Where it is; NULL: nowhere, as most are. */
uint8_t *memory_region_direct(const MemoryRegion *mr);

#endif

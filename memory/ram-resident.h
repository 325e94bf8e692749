/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of a RAM block exists on the host.
 */
#ifndef MEMORY_RAM_RESIDENT_H
#define MEMORY_RAM_RESIDENT_H

#include "memory/ram-block.h"

/* Bytes of the first @size of @block, whole pages of what backs it, that are in the host's memory
 * now: what was written to and is neither given back nor swapped out; of a file also what else of
 * it the host has in its cache. A page of zeros that was only read is shared by all, and not
 * counted. What was merged with equal pages (KSM) is not counted either, as far as it is anonymous.
 * 0 if the host does not tell. The cost grows with the size: about a millisecond for 16 GiB of
 * which nothing is there. Any thread. */
uint64_t ram_block_resident(const RamBlock *block, uint64_t size);

/* Is [@offset, @offset + @size) of @block, whole pages, memory that nobody has read or written?
 * Then it is zero, and who does not look at it saves the host a page of its tables for each 2 MiB,
 * and the time to fill them. True only for private anonymous memory, and if the host tells. A guest
 * that runs may write to it meanwhile. Any thread. */
bool ram_block_all_untouched(const RamBlock *block, uint64_t offset, uint64_t size);

#endif

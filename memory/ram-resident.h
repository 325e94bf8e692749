/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of a RAM block exists on the host.
 */
#ifndef MEMORY_RAM_RESIDENT_H
#define MEMORY_RAM_RESIDENT_H

#include "memory/ram-block.h"

/* Bytes of @block, whole pages of what backs it, that are in the host's memory now: what was
 * written to and is neither given back nor swapped out; of a file also what else of it the host has
 * in its cache. A page of zeros that was only read is shared by all, and not counted. What was
 * merged with equal pages (KSM) is not counted either, as far as it is anonymous. 0 if the host
 * does not tell. The cost grows with the size: about a millisecond for 16 GiB of which nothing is
 * there. Any thread. */
uint64_t ram_block_resident(const RamBlock *block);

#endif

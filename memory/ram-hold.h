/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holds of RAM blocks: who uses a block's memory outside of the memory map, and by what name users
 * know it. A held block stays mapped into the program whatever becomes of the guest's view of it,
 * and who wants to take it out of the machine asks first: a block that is closed cannot be held
 * anew, so that the holds that end by themselves do end.
 */
#ifndef MEMORY_RAM_HOLD_H
#define MEMORY_RAM_HOLD_H

#include "memory/ram-block.h"

/* Hold @block for @holder, a name for messages such as a device's id, borrowed until the release.
 * @lasting: the hold does not end by itself. NULL: the block is closed. Any thread. */
RamHold *ram_hold_new(RamBlock *block, const char *holder, bool lasting);
/* The same of [@offset, @offset + @size) of it; the hold is for what ends by itself. */
RamHold *ram_hold_part(RamBlock *block, uint64_t offset, uint64_t size, const char *holder);
/* Any thread; NULL is fine. */
void ram_hold_release(RamHold *hold);

typedef enum RamClose {
    RAM_CLOSED,       /* nobody holds it */
    RAM_CLOSE_WAITS,  /* somebody does, and will let go */
    RAM_CLOSE_IN_USE, /* somebody holds it for good: it was not closed */
} RamClose;

/* Close @block. If that waits, @done(@opaque) is called from the main loop, with the machine lock,
 * when the last hold has ended; unless the block was opened again before. If it is in use, *@holder
 * is the name of who holds it; g_free. Machine lock; not while it is closed. */
RamClose ram_block_close(RamBlock *block, void (*done)(void *opaque), void *opaque, char **holder);
/* From now on it can be held again. Machine lock; harmless if it is not closed. */
void ram_block_open(RamBlock *block);
bool ram_block_is_closed(RamBlock *block);

/* The name of one that holds @block, of those that last if @lasting; NULL: nobody. g_free. */
char *ram_block_holder(RamBlock *block, bool lasting);
/* Does anybody hold something of [@offset, @offset + @size)? */
bool ram_block_part_is_held(RamBlock *block, uint64_t offset, uint64_t size);

#endif

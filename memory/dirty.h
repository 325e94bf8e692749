/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dirty pages: which pages of RAM blocks were written to.
 *
 * A client (a migration) makes a DirtyTracker of the blocks that it wants to know about. From then
 * on whoever writes to them says so, with dirty_mark(): address_space_write() and its
 * kin, devices that have RAM of their own, and engines for what guests write. Now and then the
 * client takes what was marked: dirty_tracker_sync(). What it reads of those pages afterwards is at
 * least as new as the writes that it was told of, and later writes are told by the next sync.
 *
 * A tracker costs a bit a page of its blocks, twice; without one nothing is kept.
 *
 * The marks are atomic words, without order of their own (relaxed). The order comes from
 * memory_synchronize(): a vCPU's section in which a page was marked has ended when sync returns,
 * and with it the writes; devices write with the machine lock, which sync has as well.
 */
#ifndef MEMORY_DIRTY_H
#define MEMORY_DIRTY_H

#include "memory/ram-block.h"

#define DIRTY_PAGE 4096u /* what one bit stands for, whatever the block's own pages are */

typedef struct DirtyTracker DirtyTracker;

/* Track @blocks (of RamBlock *; references are taken). At first every page counts as written and
 * taken. Machine lock, no read section open. */
DirtyTracker *dirty_tracker_new(const GPtrArray *blocks);
/* The same for one who looks at @block alone, and often, as at what is on a screen: engines take
 * note of no other for it, and nobody else does. */
DirtyTracker *dirty_tracker_new_watch(RamBlock *block);
/* As dirty_tracker_new(), and pages that are new to it are counted: dirty_set_counter(). */
DirtyTracker *dirty_tracker_new_counting(const GPtrArray *blocks);
/* Is there such a tracker of @block? Machine lock. */
bool dirty_is_watched(const RamBlock *block);
/* As above; NULL is fine. */
void dirty_tracker_free(DirtyTracker *tracker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirtyTracker, dirty_tracker_free)

/* Take the marks since the last call: their pages are added to those that dirty_tracker_next()
 * gives. Returns how many pages were marked. Machine lock, no read section open; the client's
 * thread. */
uint64_t dirty_tracker_sync(DirtyTracker *tracker);

/* Pages of block @n, by its place among the tracker's blocks, that were written. The first of them
 * at or after page *@page, with those that follow it without a gap, at most @max: false: there is
 * none; else *@page is the first one, *@count how many, and they are taken out. The client's
 * thread. */
bool dirty_tracker_next(DirtyTracker *tracker, unsigned n, uint64_t *page, uint64_t max,
                        uint64_t *count);
/* @count pages of block @n from @page on need not be given. The client's thread. */
void dirty_tracker_drop(DirtyTracker *tracker, unsigned n, uint64_t page, uint64_t count);
/* @count pages of block @n from @page on are to be given, once more if they were. The client's
 * thread. */
void dirty_tracker_add(DirtyTracker *tracker, unsigned n, uint64_t page, uint64_t count);
/* Would dirty_tracker_next() give this one? The client's thread. */
bool dirty_tracker_gives(const DirtyTracker *tracker, unsigned n, uint64_t page);
/* How many pages dirty_tracker_next() has still to give. Any thread. */
uint64_t dirty_tracker_left(const DirtyTracker *tracker);

/* [@offset, @offset + @size) of @block, not empty, is about to be written in this read section, or
 * was just written with the machine lock held. Any thread. */
void dirty_mark(RamBlock *block, uint64_t offset, uint64_t size);
/* How many pages a thread has marked that a counting tracker did not know of since its last sync.
 */
typedef struct DirtyCounter DirtyCounter;
struct DirtyCounter {
    _Atomic uint64_t pages; /* the thread alone changes it; relaxed: a number of its own */
    /* The thread has marked so many more: in its read section. NULL: nobody is told. */
    void (*noted)(DirtyCounter *counter, unsigned pages);
};
/* From now on what this thread marks is counted; NULL: no more. */
void dirty_set_counter(DirtyCounter *counter);
/* Count @pages that an engine has heard of otherwise. The machine lock, or the counter's thread. */
void dirty_count(DirtyCounter *counter, unsigned pages);

/* Would dirty_mark() of one byte there change anything? If not, an engine need not call
 * it again before the next MemoryListener.dirty_protect. In a read section or with the machine
 * lock. */
bool dirty_wanted(const RamBlock *block, uint64_t offset);

#endif

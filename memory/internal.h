/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of memory/ share with each other and with their unit tests.
 */
#ifndef MEMORY_INTERNAL_H
#define MEMORY_INTERNAL_H

#include "memory/address-space.h"
#include "memory/memory.h"

typedef unsigned __int128 u128;

/* Size in bytes; UINT64_MAX stands for 2^64. */
static inline u128 memory_region_bytes(const MemoryRegion *mr)
{
    return mr->size == UINT64_MAX ? (u128)1 << 64 : mr->size;
}

/* The top of the tree that @mr is in. */
const MemoryRegion *memory_region_root(const MemoryRegion *mr);

/* Flatten the tree below @root. g_free(). @roots, which may be NULL, gets the tops of the trees
 * whose changes may change the view: @root, and those that aliases led to. */
FlatView *flat_view_new(const MemoryRegion *root, GPtrArray *roots);
bool flat_range_equal(const FlatRange *a, const FlatRange *b);
/* Index of the first range that ends after @addr, or view->count. */
unsigned flat_view_lower_bound(const FlatView *view, hwaddr addr);

/* [@addr, @addr + @len), in one range of RAM, was written to: tell the listeners. Machine lock or a
 * read section (access.c). */
void address_space_written(AddressSpace *as, hwaddr addr, uint64_t len);

/* Tell the listeners of all address spaces of an event of @mr (MemoryListener.event). */
void address_spaces_tell_event(const MemoryRegion *mr, const MemoryEvent *event, bool on);

/* Rebuild the view of each address space that one of the tops of trees @changed may show in, tell
 * listeners, wait for readers (address-space.c). */
void address_spaces_update(const GPtrArray *changed);

/* The listeners' functions of these names, of every address space (address-space.c). Machine lock.
 */
void memory_dirty_start(void);
void memory_dirty_stop(void);
void memory_dirty_watch(void);
void memory_dirty_collect(void);
void memory_dirty_protect(void);

#endif

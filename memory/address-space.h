/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address spaces: access to what a tree of regions shows, and listeners to its changes.
 */
#ifndef MEMORY_ADDRESS_SPACE_H
#define MEMORY_ADDRESS_SPACE_H

#include <stdatomic.h>

#include "memory/flat-view.h"

/* ---- listeners ---- */

typedef struct MemoryListener MemoryListener;
struct MemoryListener {
    /* Each range that is new or gone, compared with the last view; del before add. May be NULL. */
    void (*region_del)(MemoryListener *listener, const FlatRange *range);
    void (*region_add)(MemoryListener *listener, const FlatRange *range);
    /* After the new view is published, before memory_synchronize(): make engines drop what they
     * cached of the old view. May be NULL. */
    void (*commit)(MemoryListener *listener);
    /* @range, which there is, has one event of its region's more, or (@on false) less; those that
     * it has when it comes and goes are not told of. May be NULL. */
    void (*event)(MemoryListener *listener, const FlatRange *range, const MemoryEvent *event,
                  bool on);
    /* RAM in [addr, addr + len) was written by a device or a monitor, after the fact: decoded code
     * may be stale. May be NULL. */
    void (*written)(MemoryListener *listener, hwaddr addr, uint64_t len);
    /* For engines: tell of RAM that guests write to (memory/dirty.h), from start to stop. May be
     * NULL, like the next two. */
    void (*dirty_start)(MemoryListener *listener);
    void (*dirty_stop)(MemoryListener *listener);
    /* For engines: which blocks are watched has changed; of those they tell, too, whatever start
     * and stop said (dirty_is_watched()). May be NULL. */
    void (*dirty_watch)(MemoryListener *listener);
    /* Mark what was not marked when it was written. */
    void (*dirty_collect)(MemoryListener *listener);
    /* Marks were taken: what is written from now on has to be marked again. It takes effect with
     * the memory_synchronize() that follows. */
    void (*dirty_protect)(MemoryListener *listener);
};

/* ---- address spaces ---- */

typedef struct AddressSpace {
    const char *name;
    MemoryRegion *root;
    _Atomic(FlatView *) view; /* published with release, read with acquire */
    /* Immutable, published like the view: who writes tells them, with or without the lock. */
    GPtrArray *_Atomic listeners;
    /* Machine lock: the tops of the trees that the view was made from, never looked into; and how
     * often one was made. */
    GPtrArray *roots;
    unsigned builds;
} AddressSpace;

/* What is seen from @root, which must outlive @as, as @name. Machine lock. */
void address_space_init(AddressSpace *as, MemoryRegion *root, const char *name);
void address_space_destroy(AddressSpace *as);
/* On registration region_add is called for each range there is. */
void address_space_add_listener(AddressSpace *as, MemoryListener *listener);
void address_space_remove_listener(AddressSpace *as, MemoryListener *listener);

static inline const FlatView *address_space_view(AddressSpace *as)
{
    return atomic_load_explicit(&as->view, memory_order_acquire);
}

typedef enum MemTxResult {
    MEMTX_OK = 0,
    MEMTX_DECODE_ERROR = 1, /* nothing there: reads gave all ones, writes were dropped */
} MemTxResult;

/* Any length, across ranges; machine lock held. */
MemTxResult address_space_read(AddressSpace *as, hwaddr addr, void *buf, uint64_t len);
MemTxResult address_space_write(AddressSpace *as, hwaddr addr, const void *buf, uint64_t len);
/* One access of 1, 2, 4 or 8 bytes as a device sees it; machine lock held. */
uint64_t address_space_load(AddressSpace *as, hwaddr addr, unsigned size);
void address_space_store(AddressSpace *as, hwaddr addr, uint64_t value, unsigned size);
/* Fill with @byte. */
MemTxResult address_space_set(AddressSpace *as, hwaddr addr, uint8_t byte, uint64_t len);
/* All of its RAM may have been written to, and nobody told of it (a machine was loaded). */
void address_space_rewritten(AddressSpace *as);
/* Host address of [addr, addr+len) if that is RAM in one piece, else NULL. Valid under the machine
 * lock or in a read section. */
void *address_space_host(AddressSpace *as, hwaddr addr, uint64_t len);

/* The two address spaces of a PC; made by memory_init() (main thread, once). */
extern AddressSpace address_space_memory;
extern AddressSpace address_space_io;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory regions, flat views and address spaces.
 *
 * The map is a tree of regions. Each address space keeps a FlatView of its tree: an immutable,
 * sorted array of ranges without overlaps. A change to the tree publishes a new view; readers use
 * the current one without a lock (memory/reader.h). No structure's size depends on the size of a
 * region or of a hole (DESIGN decision 4).
 *
 * Tree changes, listeners and MMIO accesses need the machine lock.
 */
#ifndef MEMORY_MEMORY_H
#define MEMORY_MEMORY_H

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory/ram-block.h"

typedef uint64_t hwaddr; /* guest-physical address or port number */

/* Access functions of a device region. @addr is relative to the region; @size is 1, 2, 4 or 8.
 * Values are little endian. Called with the machine lock held. */
typedef struct MemoryRegionOps {
    uint64_t (*read)(void *opaque, hwaddr addr, unsigned size);
    void (*write)(void *opaque, hwaddr addr, uint64_t value, unsigned size);
    /* What the functions above take; other sizes are split, or done wider and cut. 0: 1 and 8. */
    unsigned min_access, max_access;
} MemoryRegionOps;

/* Writes to a region that signal an eventfd and do not reach the region's functions: an engine may
 * do it without leaving the guest, else whoever carries out the write does. */
typedef struct MemoryEvent {
    hwaddr offset;  /* in the region */
    unsigned size;  /* of the write: 1, 2, 4 or 8 bytes; 0: any */
    bool match;     /* only of @value */
    uint64_t value; /* 0 if not @match */
    int fd;         /* borrowed */
} MemoryEvent;

typedef enum MemoryRegionKind {
    REGION_CONTAINER,
    REGION_IO,
    REGION_RAM,
    REGION_ALIAS,
    REGION_ROM_DEVICE,
} MemoryRegionKind;

typedef struct MemoryRegion MemoryRegion;
struct MemoryRegion {
    MemoryRegionKind kind;
    char *name;
    uint64_t size; /* bytes; UINT64_MAX means the whole 2^64 */
    const MemoryRegionOps *ops;
    void *opaque;
    RamBlock *ram;       /* REGION_RAM, REGION_ROM_DEVICE: a reference */
    bool readonly;       /* RAM: writes are dropped (ROM) */
    bool commands;       /* REGION_ROM_DEVICE: reads go to the device, too */
    MemoryRegion *alias; /* REGION_ALIAS: its target, from alias_offset */
    hwaddr alias_offset;
    MemoryRegion *writer; /* REGION_IO that takes the writes to what is seen through this one */
    /* REGION_IO: writes to these bytes do nothing before the next access to any device; an engine
     * may carry them out only then. Size 0: none. Set before the region is added. */
    hwaddr coalesced_at;
    unsigned coalesced_size;
    GArray *events; /* of MemoryEvent; NULL: none */
    /* place in the tree */
    MemoryRegion *container;
    hwaddr addr;
    int priority; /* higher wins where siblings overlap */
    bool enabled;
    GPtrArray *subregions;
};

/* A region that only holds others. @name is copied, as in all that follow. */
void memory_region_init_container(MemoryRegion *mr, const char *name, uint64_t size);
/* Registers: accesses are calls of @ops with @opaque, machine lock held. @ops is borrowed. */
void memory_region_init_io(MemoryRegion *mr, const MemoryRegionOps *ops, void *opaque,
                           const char *name, uint64_t size);
/* Takes its own reference to @ram. */
void memory_region_init_ram(MemoryRegion *mr, const char *name, RamBlock *ram);
/* Memory that is read and executed in place, while each write goes to a device: flash. @ops are as
 * for I/O; takes its own reference to @ram. */
void memory_region_init_rom_device(MemoryRegion *mr, const MemoryRegionOps *ops, void *opaque,
                                   const char *name, RamBlock *ram);
/* While @on, reads go to the device, too, and nothing can be executed. The device may change the
 * contents of @ram only in this time: it is the change of map that makes engines forget decoded
 * code. */
void memory_region_rom_device_set_commands(MemoryRegion *mr, bool on);
/* @target must outlive @mr. */
void memory_region_init_alias(MemoryRegion *mr, const char *name, MemoryRegion *target,
                              hwaddr offset, uint64_t size);
/* From now on writes to what is seen through @mr, an alias or a container, go to the I/O region @io
 * at the same offset, wherever something is seen; reads stay as they are. Memory can still be
 * executed in place. Before @mr is in a tree; @io is in none, and outlives @mr. */
void memory_region_set_writer(MemoryRegion *mr, MemoryRegion *io);
/* Must be out of every tree. Frees what the region owns, not the region. */
void memory_region_destroy(MemoryRegion *mr);

/* Changes of the tree: machine lock. The view of each address space that shows the tree is
 * made anew at once, or at the end of a transaction. @container does not own @mr. Where siblings
 * overlap the higher priority wins, among equals the one added last; memory_region_add() is
 * priority 0. */
void memory_region_add(MemoryRegion *container, hwaddr addr, MemoryRegion *mr);
void memory_region_add_overlap(MemoryRegion *container, hwaddr addr, MemoryRegion *mr,
                               int priority);
void memory_region_remove(MemoryRegion *mr); /* from its container */
void memory_region_set_enabled(MemoryRegion *mr, bool enabled);
void memory_region_set_address(MemoryRegion *mr, hwaddr addr);

/* From now on writes that fit @event, whose fd must stay open, signal it; and with del, of the same
 * event, no more. For I/O regions, in a tree or not. */
void memory_region_add_event(MemoryRegion *mr, const MemoryEvent *event);
void memory_region_del_event(MemoryRegion *mr, const MemoryEvent *event);

/* Changes between begin and the outermost commit publish one view. When commit (or a lone change)
 * returns, no reader uses an old view any more. */
void memory_transaction_begin(void);
void memory_transaction_commit(void);

/* ---- flat views ---- */

typedef struct FlatRange {
    hwaddr addr;
    uint64_t size; /* bytes, > 0; addr + size may be 2^64 (then 0) */
    MemoryRegion *mr;
    hwaddr offset;        /* of addr within mr */
    uint8_t *host;        /* RAM: host address of addr; else NULL */
    bool readonly;        /* writes are dropped; of a REGION_ROM_DEVICE: go to the device */
    MemoryRegion *writer; /* writes go to this I/O region; NULL: as usual */
    hwaddr writer_offset; /* of addr within writer */
} FlatRange;

typedef struct FlatView {
    unsigned count;
    FlatRange ranges[]; /* sorted by addr */
} FlatView;

/* Binary search; NULL where nothing is. */
const FlatRange *flat_view_find(const FlatView *view, hwaddr addr);

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
/* Host address of [addr, addr+len) if that is RAM in one piece, else NULL. Valid under the machine
 * lock or in a read section. */
void *address_space_host(AddressSpace *as, hwaddr addr, uint64_t len);

/* The two address spaces of a PC; made by memory_init() (main thread, once). */
extern AddressSpace address_space_memory;
extern AddressSpace address_space_io;
void memory_init(void);
MemoryRegion *system_memory(void); /* root of address_space_memory, 2^64 */
MemoryRegion *system_io(void);     /* root of address_space_io, 64 KiB */

#endif

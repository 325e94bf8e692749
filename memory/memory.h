/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory regions.
 *
 * The map is a tree of regions. Each address space (memory/address-space.h) keeps a FlatView of its
 * tree: an immutable,
 * sorted array of ranges without overlaps. A change to the tree publishes a new view; readers use
 * the current one without a lock (memory/reader.h). No structure's size depends on the size of a
 * region or of a hole (DESIGN decision 4).
 *
 * Tree changes, listeners and MMIO accesses need the machine lock.
 */
#ifndef MEMORY_MEMORY_H
#define MEMORY_MEMORY_H

#include <glib.h>
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
/* Writes to the RAM in it, or that it leads to, are dropped from now on, or not. */
void memory_region_set_readonly(MemoryRegion *mr, bool readonly);
void memory_region_set_address(MemoryRegion *mr, hwaddr addr);

/* From now on writes that fit @event, whose fd must stay open, signal it; and with del, of the same
 * event, no more. For I/O regions, in a tree or not. */
void memory_region_add_event(MemoryRegion *mr, const MemoryEvent *event);
void memory_region_del_event(MemoryRegion *mr, const MemoryEvent *event);

/* Changes between begin and the outermost commit publish one view. When commit (or a lone change)
 * returns, no reader uses an old view any more. */
void memory_transaction_begin(void);
void memory_transaction_commit(void);

/* Make the two address spaces of a PC (memory/address-space.h); main thread, once. */
void memory_init(void);
MemoryRegion *memory_system(void); /* root of address_space_memory, 2^64 */
MemoryRegion *memory_io(void);     /* root of address_space_io, 64 KiB */

#endif

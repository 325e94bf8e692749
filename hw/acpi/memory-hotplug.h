/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory hot-plug register block: what the guest reads and writes. What it sets off is in
 * memory-unplug.h.
 * docs/memory-hotplug-registers.md is the specification. Machine lock for everything.
 */
#ifndef HW_ACPI_MEMORY_HOTPLUG_H
#define HW_ACPI_MEMORY_HOTPLUG_H

#include "hw/acpi/memory-unplug.h"
#include "hw/core/machine.h"
#include "memory/memory.h"

#define TYPE_MEMORY_HOTPLUG "acpi-memory-hotplug"

/* I/O ports */
#define MEMHP_IO_BASE 0x0a00
#define MEMHP_IO_SIZE 0x20

/* Registers: offsets from MEMHP_IO_BASE */
#define MEMHP_REG_ADDR_LO    0x00 /* R */
#define MEMHP_REG_ADDR_HI    0x04 /* R */
#define MEMHP_REG_SIZE_LO    0x08 /* R */
#define MEMHP_REG_SIZE_HI    0x0c /* R */
#define MEMHP_REG_PXM        0x10 /* R */
#define MEMHP_REG_FLAGS      0x14 /* R, W; one byte */
#define MEMHP_REG_NEXT       0x18 /* R: next slot with a pending event, or MEMHP_NO_SLOT */
#define MEMHP_REG_IDENT      0x1c /* R: MEMHP_IDENT_VERSION << 16 | number of slots */
#define MEMHP_REG_SELECT     0x00 /* W */
#define MEMHP_REG_OST_EVENT  0x04 /* W */
#define MEMHP_REG_OST_STATUS 0x08 /* W: reports the pair */

#define MEMHP_NO_SLOT       0xffffffffu
#define MEMHP_IDENT_VERSION 1

/* Bits of MEMHP_REG_FLAGS. The event bits are cleared by writing one to them. */
#define MEMHP_ENABLED (1u << 0)
#define MEMHP_INSERT  (1u << 1)
#define MEMHP_REMOVE  (1u << 2)
#define MEMHP_EJECT   (1u << 3) /* W */

typedef struct MemoryHotplug MemoryHotplug;
OBJECT_CAST_DEFINE(MemoryHotplug, MEMORY_HOTPLUG, TYPE_MEMORY_HOTPLUG)

struct MemoryHotplug {
    Device parent;
    /* wiring */
    MemoryRegion region;
    Machine *machine;
    /* state */
    MemoryHotplugSlots slots;
    uint32_t selector;
    uint32_t ost_event, ost_status; /* registers that are being written */
};

/* Make, realize and map the block at @base in @io (memory_io()), for @machine's ram.slots, which
 * are @machine's from then on. @notify: as MemoryHotplugSlots.notify. Owned by
 * /machine/unattached. */
MemoryHotplug *memory_hotplug_create(Machine *machine, MemoryRegion *io, hwaddr base,
                                     void (*notify)(void *opaque, bool pending), void *opaque);

/* ---- what management asks ---- */

/* Slot @n (< slots.count), for query-acpi-ospm-status and the unplug record. Borrowed. */
const MemoryHotplugSlot *memory_hotplug_slot(const MemoryHotplug *mh, unsigned n);
/* The slot that @dev is in, or NULL. Borrowed. */
const MemoryHotplugSlot *memory_hotplug_slot_of(const MemoryHotplug *mh, const Device *dev);
/* The machine's block, or NULL. */
MemoryHotplug *memory_hotplug_of(const Machine *machine);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory hot-plug register block: what the guest reads and writes
 * (docs/memory-hotplug-registers.md). The transactions are in memory-unplug.c.
 */
#include "hw/acpi/memory-hotplug.h"

#include <inttypes.h>

#include "hw/mem/pc-dimm.h"
#include "util/error.h"
#include "util/log.h"
#include "util/trace.h"

/* The selected slot, or NULL: then reads give ones and writes do nothing. */
static MemoryHotplugSlot *selected_slot(MemoryHotplug *mh)
{
    return mh->selector < mh->slots.count ? &mh->slots.list[mh->selector] : NULL;
}

/* ---- reading ---- */

static bool has_insert_event(const MemoryHotplugSlot *slot)
{
    return slot->insert_event && !slot->unsettled;
}

static uint32_t slot_flags(const MemoryHotplugSlot *slot)
{
    return (slot->dimm && !slot->ejecting ? MEMHP_ENABLED : 0) |
           (has_insert_event(slot) ? MEMHP_INSERT : 0) | (slot->remove_event ? MEMHP_REMOVE : 0);
}

/* The 4-byte register at @offset (a multiple of 4) of @slot. An empty slot has no place. */
static uint32_t read_slot_reg(const MemoryHotplugSlot *slot, hwaddr offset)
{
    const PcDimm *dimm = slot->dimm && !slot->ejecting ? PC_DIMM(slot->dimm) : NULL;
    uint64_t addr = dimm ? dimm->addr : 0;
    uint64_t size = dimm ? pc_dimm_size(dimm) : 0;

    switch (offset) {
    case MEMHP_REG_ADDR_LO:
        return (uint32_t)addr;
    case MEMHP_REG_ADDR_HI:
        return (uint32_t)(addr >> 32);
    case MEMHP_REG_SIZE_LO:
        return (uint32_t)size;
    case MEMHP_REG_SIZE_HI:
        return (uint32_t)(size >> 32);
    case MEMHP_REG_PXM:
        return dimm ? dimm->node : 0;
    case MEMHP_REG_FLAGS:
        return slot_flags(slot);
    default:
        return 0;
    }
}

static uint32_t next_event_slot(const MemoryHotplug *mh)
{
    for (unsigned n = 0; n < mh->slots.count; n++) {
        if (has_insert_event(&mh->slots.list[n]) || mh->slots.list[n].remove_event) {
            return n;
        }
    }
    return MEMHP_NO_SLOT;
}

static uint32_t read_reg(MemoryHotplug *mh, hwaddr offset)
{
    MemoryHotplugSlot *slot = selected_slot(mh);

    if (offset == MEMHP_REG_NEXT) {
        return next_event_slot(mh);
    }
    if (offset == MEMHP_REG_IDENT) {
        return MEMHP_IDENT_VERSION << 16 | mh->slots.count;
    }
    if (slot && offset < MEMHP_REG_PXM) {
        memory_unplug_place_read(slot);
    }
    return slot ? read_slot_reg(slot, offset) : UINT32_MAX;
}

static uint64_t memhp_read(void *opaque, hwaddr addr, unsigned size)
{
    hwaddr reg = addr & ~(hwaddr)3;
    uint64_t value = read_reg(opaque, reg) >> ((addr - reg) * 8);

    trace(TRACE_MHP_READ, "slot %u offset 0x%02x/%u value 0x%" PRIx64,
          MEMORY_HOTPLUG(opaque)->selector, (unsigned)addr, size, value);
    return value;
}

/* ---- writing ---- */

static void write_flags(MemoryHotplugSlot *slot, uint8_t value)
{
    if (value & MEMHP_INSERT) {
        memory_unplug_insert_acked(slot);
    }
    if (value & MEMHP_REMOVE) {
        memory_unplug_remove_acked(slot);
    }
    if (value & MEMHP_EJECT) {
        memory_unplug_eject(slot);
    }
}

/* Write those bits of the 4-byte register at @reg that are set in @mask. */
static void write_reg(MemoryHotplug *mh, hwaddr reg, uint32_t value, uint32_t mask)
{
    MemoryHotplugSlot *slot = selected_slot(mh);

    if (reg == MEMHP_REG_SELECT) {
        mh->selector = (mh->selector & ~mask) | value;
        return;
    }
    if (!slot) {
        return;
    }
    switch (reg) {
    case MEMHP_REG_OST_EVENT:
        mh->ost_event = (mh->ost_event & ~mask) | value;
        break;
    case MEMHP_REG_OST_STATUS:
        mh->ost_status = (mh->ost_status & ~mask) | value;
        /* Byte by byte, the lowest byte comes last. */
        if (mask & 0xff) {
            uint32_t status = mh->ost_status;

            mh->ost_status = 0;
            memory_unplug_ost(slot, mh->ost_event, status);
        }
        break;
    case MEMHP_REG_FLAGS:
        write_flags(slot, (uint8_t)value);
        break;
    default:
        break;
    }
}

static void memhp_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    hwaddr reg = addr & ~(hwaddr)3;
    unsigned shift = (unsigned)(addr - reg) * 8;
    uint32_t mask = (uint32_t)(((1ull << (size * 8)) - 1) << shift);

    trace(TRACE_MHP_WRITE, "slot %u offset 0x%02x/%u value 0x%x", MEMORY_HOTPLUG(opaque)->selector,
          (unsigned)addr, size, (unsigned)value);
    if (log_enabled(LOG_MEM_HOTPLUG)) {
        log_printf("memory-hotplug: slot %u: write 0x%02x/%u = 0x%x\n",
                   MEMORY_HOTPLUG(opaque)->selector, (unsigned)addr, size, (unsigned)value);
    }
    write_reg(opaque, reg, (uint32_t)(value << shift) & mask, mask);
}

static const MemoryRegionOps memhp_ops = {
    .read = memhp_read,
    .write = memhp_write,
    .max_access = 4, /* aligned: an access never spans two registers */
};

/* ---- the device ---- */

static void memhp_reset(Device *dev)
{
    MemoryHotplug *mh = MEMORY_HOTPLUG(dev);

    mh->selector = 0;
    mh->ost_event = 0;
    mh->ost_status = 0;
    for (unsigned n = 0; n < mh->slots.count; n++) {
        memory_unplug_reset(&mh->slots.list[n]);
    }
}

static bool memhp_realize(Device *dev, GError **errp)
{
    MemoryHotplug *mh = MEMORY_HOTPLUG(dev);

    memory_unplug_init(&mh->slots);
    memory_region_init_io(&mh->region, &memhp_ops, mh, TYPE_MEMORY_HOTPLUG, MEMHP_IO_SIZE);
    machine_add_slot_keeper(mh->machine, dev);
    return true;
}

static void memhp_unrealize(Device *dev)
{
    MemoryHotplug *mh = MEMORY_HOTPLUG(dev);

    machine_remove_slot_keeper(mh->machine, dev);
    memory_region_destroy(&mh->region);
    memory_unplug_clear(&mh->slots);
}

MemoryHotplug *memory_hotplug_create(Machine *machine, MemoryRegion *io, hwaddr base,
                                     void (*notify)(void *opaque, bool pending), void *opaque)
{
    MemoryHotplug *mh = MEMORY_HOTPLUG(device_new_onboard(TYPE_MEMORY_HOTPLUG));

    mh->machine = machine;
    mh->slots.count = (unsigned)MIN(machine->ram.slots, MAX_RAM_SLOTS);
    mh->slots.notify = notify;
    mh->slots.notify_opaque = opaque;
    device_realize(&mh->parent, NULL); /* cannot fail */
    device_map(&mh->parent, io, base, &mh->region, 0);
    return mh;
}

const MemoryHotplugSlot *memory_hotplug_slot(const MemoryHotplug *mh, unsigned n)
{
    return &mh->slots.list[n];
}

const MemoryHotplugSlot *memory_hotplug_slot_of(const MemoryHotplug *mh, const Device *dev)
{
    return memory_unplug_slot_of(&mh->slots, dev);
}

MemoryHotplug *memory_hotplug_of(const Machine *machine)
{
    Device *keeper = machine_slot_keeper(machine, TYPE_MEMORY_HOTPLUG);

    return keeper ? MEMORY_HOTPLUG(keeper) : NULL;
}

/* ---- the type ---- */

static struct json_object *slots_get(Object *obj, const Property *prop, GError **errp)
{
    const MemoryHotplug *mh = MEMORY_HOTPLUG(obj);
    struct json_object *list = json_object_new_array();

    for (unsigned n = 0; n < mh->slots.count; n++) {
        json_object_array_add(list, memory_unplug_to_json(&mh->slots.list[n]));
    }
    return list;
}

static const Property memhp_properties[] = {
    { .name = "slots",
      .kind = PROP_CUSTOM,
      .custom_type = "list",
      .read_only = true,
      .get = slots_get,
      .description = "each slot: its device, the device's state, and how far the last unplug came, "
                     "with times" },
    { 0 },
};

static const StateField memhp_fields[] = {
    STATE_UINT(MemoryHotplug, selector),
    STATE_UINT(MemoryHotplug, ost_event),
    STATE_UINT(MemoryHotplug, ost_status),
    STATE_ARRAY(MemoryHotplug, slots.list, slots.count, &memory_unplug_slot_state),
    {},
};

static const StateTable memhp_state = { .name = "acpi-memory-hotplug",
                                        .version = 2,
                                        .fields = memhp_fields };

static const DeviceClass memhp_device_ops = {
    .category = "misc",
    .realize = memhp_realize,
    .unrealize = memhp_unrealize,
    .reset = memhp_reset,
    .wake = device_keep,
    .state = &memhp_state,
};

static const ObjectType memhp_type = {
    .name = TYPE_MEMORY_HOTPLUG,
    .parent = TYPE_DEVICE,
    .description = "registers through which the guest learns of DIMMs and gives them back",
    .instance_size = sizeof(MemoryHotplug),
    .properties = memhp_properties,
    .ops = &memhp_device_ops,
};
OBJECT_TYPE_REGISTER(memhp_type)

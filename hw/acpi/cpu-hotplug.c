/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/acpi/cpu-hotplug.h"

#include "util/log.h"

/* The selected place, or NULL: then reads give 0 and writes do nothing. */
static CpuHotplugSlot *selected_slot(const CpuHotplug *ch)
{
    return ch->selector < ch->slots.count ? &ch->slots.list[ch->selector] : NULL;
}

static bool is_there(const CpuHotplugSlot *slot)
{
    return slot->cpu && !slot->ejecting;
}

/* ---- the bitmap ---- */

/* Four bytes, from APIC ID @offset * 8 on. */
static uint32_t read_bitmap(const CpuHotplug *ch, hwaddr offset)
{
    uint32_t bits = 0;

    for (unsigned n = 0; n < ch->slots.count; n++) {
        uint32_t bit = ch->machine->cpu_slots.list[n].arch_id - (uint32_t)offset * 8;

        if (is_there(&ch->slots.list[n]) && bit < 32) {
            bits |= 1u << bit;
        }
    }
    return bits;
}

/* ---- the registers ---- */

static uint32_t read_flags(const CpuHotplugSlot *slot)
{
    return (is_there(slot) ? CPUHP_ENABLED : 0) | (slot->insert_event ? CPUHP_INSERT : 0) |
           (slot->remove_event ? CPUHP_REMOVE : 0) |
           (slot->firmware_remove ? CPUHP_FIRMWARE_REMOVE : 0);
}

/* What the 4 bytes at @reg (a multiple of 4) read as. */
static uint32_t read_reg(const CpuHotplug *ch, hwaddr reg)
{
    const CpuHotplugSlot *slot = selected_slot(ch);

    if (!slot) {
        return 0;
    }
    if (reg == CPUHP_REG_FLAGS) {
        return read_flags(slot);
    }
    if (reg != CPUHP_REG_DATA) {
        return 0; /* no APIC ID has an upper half */
    }
    return ch->command == CPUHP_NEXT_EVENT ? ch->selector
           : ch->command == CPUHP_ARCH_ID  ? ch->machine->cpu_slots.list[ch->selector].arch_id
                                           : 0;
}

static uint64_t cphp_read(void *opaque, hwaddr addr, unsigned size)
{
    const CpuHotplug *ch = opaque;
    hwaddr reg = addr & ~(hwaddr)3;
    uint32_t value = !ch->modern        ? read_bitmap(ch, reg)
                     : reg < CPUHP_SIZE ? read_reg(ch, reg)
                                        : UINT32_MAX;

    return value >> ((addr - reg) * 8);
}

/* From the selected one on, and around. What firmware is to remove is for it to find; where there
 * is none that does it, such a processor would only stand in the way of the others. */
static void select_next_event(CpuHotplug *ch)
{
    bool firmware = ch->firmware_ejects && ch->firmware_ejects(ch->machine);

    for (unsigned i = 0; i < ch->slots.count; i++) {
        unsigned n = (ch->selector + i) % ch->slots.count;
        const CpuHotplugSlot *slot = &ch->slots.list[n];

        if (slot->insert_event || slot->remove_event || (firmware && slot->firmware_remove)) {
            ch->selector = n;
            return;
        }
    }
}

static void write_flags(CpuHotplugSlot *slot, uint8_t value)
{
    if (value & CPUHP_INSERT) {
        cpu_unplug_insert_acked(slot);
    }
    if (value & CPUHP_REMOVE) {
        cpu_unplug_remove_acked(slot);
    }
    if (value & CPUHP_FIRMWARE_REMOVE && is_there(slot)) {
        slot->firmware_remove = !slot->firmware_remove;
    }
    if (value & CPUHP_EJECT) {
        cpu_unplug_eject(slot);
    }
}

/* Those bits of CPUHP_REG_DATA that are set in @mask; byte by byte, the lowest byte comes last. */
static void write_data(CpuHotplug *ch, CpuHotplugSlot *slot, uint32_t value, uint32_t mask)
{
    if (ch->command == CPUHP_OST_EVENT) {
        ch->ost_event = (ch->ost_event & ~mask) | value;
    } else if (ch->command == CPUHP_OST_STATUS) {
        ch->ost_status = (ch->ost_status & ~mask) | value;
        if (mask & 0xff) {
            uint32_t status = ch->ost_status;

            ch->ost_status = 0;
            cpu_unplug_ost(slot, ch->ost_event, status);
        }
    }
}

/* Write those bits of the 4 bytes at @reg that are set in @mask. */
static void write_reg(CpuHotplug *ch, hwaddr reg, uint32_t value, uint32_t mask)
{
    CpuHotplugSlot *slot;

    if (reg == CPUHP_REG_SELECT) {
        ch->selector = (ch->selector & ~mask) | value;
    } else if ((slot = selected_slot(ch))) {
        if (reg == CPUHP_REG_DATA) {
            write_data(ch, slot, value, mask);
        } else if (reg == CPUHP_REG_FLAGS) {
            if (mask & 0xff) {
                write_flags(slot, (uint8_t)value);
            }
            if (mask & 0xff00) {
                ch->command = (uint8_t)(value >> 8);
                if (ch->command == CPUHP_NEXT_EVENT) {
                    select_next_event(ch);
                }
            }
        }
    }
}

static void cphp_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    CpuHotplug *ch = opaque;
    hwaddr reg = addr & ~(hwaddr)3;
    unsigned shift = (unsigned)(addr - reg) * 8;
    uint32_t mask = (uint32_t)(((1ull << (size * 8)) - 1) << shift);

    if (ch->modern) {
        write_reg(ch, reg, (uint32_t)(value << shift) & mask, mask);
    } else if (addr == CPUHP_REG_SELECT && value == 0) {
        ch->modern = true;
    }
}

static const MemoryRegionOps cphp_ops = {
    .read = cphp_read,
    .write = cphp_write,
    .max_access = 4, /* aligned: an access never spans two registers */
};

/* ---- the device ---- */

static void cphp_reset(Device *dev)
{
    CpuHotplug *ch = CPU_HOTPLUG(dev);

    ch->selector = ch->ost_event = ch->ost_status = 0;
    ch->command = 0;
    for (unsigned n = 0; n < ch->slots.count; n++) {
        cpu_unplug_reset(&ch->slots.list[n]);
    }
}

static bool cphp_realize(Device *dev, GError **errp)
{
    CpuHotplug *ch = CPU_HOTPLUG(dev);

    ch->slots.count = ch->machine->cpu_slots.count;
    cpu_unplug_init(&ch->slots);
    for (unsigned n = 0; n < ch->slots.count; n++) { /* those that came before */
        if (ch->machine->cpu_slots.list[n].device) {
            cpu_unplug_plugged(&ch->slots, n, ch->machine->cpu_slots.list[n].device);
        }
    }
    memory_region_init_io(&ch->region, &cphp_ops, ch, TYPE_CPU_HOTPLUG, CPUHP_BITMAP_SIZE);
    machine_add_slot_keeper(ch->machine, dev);
    return true;
}

static void cphp_unrealize(Device *dev)
{
    CpuHotplug *ch = CPU_HOTPLUG(dev);

    machine_remove_slot_keeper(ch->machine, dev);
    memory_region_destroy(&ch->region);
    cpu_unplug_clear(&ch->slots);
    ch->modern = false;
}

CpuHotplug *cpu_hotplug_create(Machine *machine, MemoryRegion *io, uint16_t port,
                               void (*notify)(void *opaque, bool pending), void *opaque)
{
    CpuHotplug *ch = CPU_HOTPLUG(device_new_onboard(TYPE_CPU_HOTPLUG));

    ch->machine = machine;
    ch->slots.notify = notify;
    ch->slots.notify_opaque = opaque;
    device_realize(&ch->parent, NULL); /* cannot fail */
    device_map(&ch->parent, io, port, &ch->region, 0);
    return ch;
}

CpuHotplug *cpu_hotplug_of(const Machine *machine)
{
    Device *keeper = machine_slot_keeper(machine, TYPE_CPU_HOTPLUG);

    return keeper ? CPU_HOTPLUG(keeper) : NULL;
}

/* ---- the type ---- */

static struct json_object *slots_get(Object *obj, const Property *prop, GError **errp)
{
    const CpuHotplug *ch = CPU_HOTPLUG(obj);
    struct json_object *list = json_object_new_array();

    for (unsigned n = 0; n < ch->slots.count; n++) {
        json_object_array_add(list, cpu_unplug_to_json(&ch->slots.list[n]));
    }
    return list;
}

static const Property cphp_properties[] = {
    { .name = "slots",
      .kind = PROP_CUSTOM,
      .custom_type = "list",
      .read_only = true,
      .get = slots_get,
      .description = "each place for a CPU: the CPU, its state, and how far the last unplug came, "
                     "with times" },
    { 0 },
};

static const StateField cphp_fields[] = {
    STATE_BOOL(CpuHotplug, modern),
    STATE_UINT(CpuHotplug, selector),
    STATE_UINT(CpuHotplug, command),
    STATE_UINT(CpuHotplug, ost_event),
    STATE_UINT(CpuHotplug, ost_status),
    STATE_ARRAY(CpuHotplug, slots.list, slots.count, &cpu_unplug_slot_state),
    {},
};

static const StateTable cphp_state = { .name = "acpi-cpu-hotplug",
                                       .version = 1,
                                       .fields = cphp_fields };

static const DeviceClass cphp_device_ops = {
    .category = "misc",
    .realize = cphp_realize,
    .unrealize = cphp_unrealize,
    .reset = cphp_reset,
    .wake = device_keep,
    .state = &cphp_state,
};

static const ObjectType cphp_type = {
    .name = TYPE_CPU_HOTPLUG,
    .parent = TYPE_DEVICE,
    .description = "registers through which the guest learns of CPUs and gives them back",
    .instance_size = sizeof(CpuHotplug),
    .properties = cphp_properties,
    .ops = &cphp_device_ops,
};
OBJECT_TYPE_REGISTER(cphp_type)

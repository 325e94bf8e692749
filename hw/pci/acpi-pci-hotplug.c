/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/acpi-pci-hotplug.h"

#include "hw/acpi/ost.h"

/* ---- events ---- */

static bool any_event(const AcpiPciHotplug *hp)
{
    bool any = false;

    for (unsigned i = 0; i < hp->buses->len; i++) {
        const PciBus *bus = hp->buses->pdata[i];

        for (unsigned n = 0; n < bus->slot_count; n++) {
            any |= bus->slots[n].insert_event || bus->slots[n].remove_event;
        }
    }
    return any;
}

static void update(AcpiPciHotplug *hp)
{
    hp->notify(hp->notify_opaque, any_event(hp));
}

static void inserted(void *opaque, PciSlot *slot)
{
    slot->insert_event = true;
    update(opaque);
}

static void ask(void *opaque, PciSlot *slot)
{
    slot->remove_event = true;
    update(opaque);
}

static void withdraw(void *opaque, PciSlot *slot)
{
    slot->remove_event = false;
    update(opaque);
}

static void removed(void *opaque, PciSlot *slot)
{
    slot->insert_event = false;
    withdraw(opaque, slot);
}

static const char *reason(uint32_t status)
{
    return ost_status_text(OST_EVENT_EJECT_REQUEST, status);
}

static void bus_added(void *opaque, PciBus *bus)
{
    AcpiPciHotplug *hp = opaque;

    g_ptr_array_add(hp->buses, bus);
}

static void bus_gone(void *opaque, PciBus *bus)
{
    AcpiPciHotplug *hp = opaque;

    g_ptr_array_remove(hp->buses, bus);
}

static const PciHotplugOps ops = {
    .inserted = inserted,
    .ask = ask,
    .withdraw = withdraw,
    .removed = removed,
    .reason = reason,
    .bus_added = bus_added,
    .bus_gone = bus_gone,
};

int acpi_pci_hotplug_number(const AcpiPciHotplug *hp, const PciBus *bus)
{
    guint number;

    return g_ptr_array_find(hp->buses, bus, &number) && number < PCIHP_MAX_BUSES ? (int)number : -1;
}

/* ---- registers ---- */

/* NULL: reads give 0 then, and writes do nothing. */
static PciBus *selected_bus(const AcpiPciHotplug *hp)
{
    return hp->selector < MIN(hp->buses->len, PCIHP_MAX_BUSES) ? hp->buses->pdata[hp->selector]
                                                               : NULL;
}

/* What of each kind is pending, which it is not any more then. */
static uint32_t take_inserted(PciSlot *slot)
{
    bool event = slot->insert_event;

    slot->insert_event = false;
    return event;
}

static uint32_t take_asked(PciSlot *slot)
{
    bool event = slot->remove_event;

    slot->remove_event = false;
    if (event) {
        pci_slot_seen(slot);
    }
    return event;
}

static uint32_t is_removable(PciSlot *slot)
{
    return !pci_slot_in_use(slot) || pci_slot_removable(slot);
}

/* Of what is in the lowest of @slots. */
static uint32_t acpi_index_of(const PciBus *bus, uint32_t slots)
{
    unsigned slot = slots ? (unsigned)__builtin_ctz(slots) : bus->slot_count;
    const PciDevice *dev = slot < bus->slot_count ? bus->devices[PCI_DEVFN(slot, 0)] : NULL;

    return dev ? dev->acpi_index : 0;
}

static uint64_t pcihp_read(void *opaque, hwaddr addr, unsigned size)
{
    AcpiPciHotplug *hp = opaque;
    const PciBus *bus = selected_bus(hp);
    uint32_t (*bit)(PciSlot * slot) = addr == PCIHP_INSERTED    ? take_inserted
                                      : addr == PCIHP_ASKED     ? take_asked
                                      : addr == PCIHP_REMOVABLE ? is_removable
                                                                : NULL;
    uint32_t value = 0;

    if (addr == PCIHP_SELECT) {
        return hp->selector;
    }
    if (addr == PCIHP_INDEX) {
        return bus ? acpi_index_of(bus, hp->index_slot) : 0;
    }
    for (unsigned n = 0; bus && bit && n < bus->slot_count; n++) {
        value |= bit(&bus->slots[n]) << n;
    }
    update(hp);
    return value;
}

static void report(PciSlot *slot, uint32_t event, uint32_t status)
{
    if (ost_is_refusal(event, status)) {
        slot->remove_event = false;
        pci_slot_refused(slot, status);
    } else if (ost_is_ejection(event) && status == OST_STATUS_IN_PROGRESS) {
        slot->remove_event = false;
        pci_slot_in_progress(slot);
    }
}

/* Each slot of @bus that has a bit in @slots. */
static void write_slots(AcpiPciHotplug *hp, PciBus *bus, uint32_t slots, bool eject,
                        uint32_t status)
{
    for (unsigned n = 0; n < bus->slot_count; n++) {
        if (slots >> n & 1 && eject) {
            pci_slot_eject(&bus->slots[n]);
        } else if (slots >> n & 1) {
            report(&bus->slots[n], hp->ost_event, status);
        }
    }
    update(hp);
}

static void pcihp_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    AcpiPciHotplug *hp = opaque;
    PciBus *bus = selected_bus(hp);

    switch (addr) {
    case PCIHP_SELECT:
        hp->selector = (uint32_t)value;
        break;
    case PCIHP_INDEX:
        hp->index_slot = (uint32_t)value;
        break;
    case PCIHP_OST_SLOTS:
        hp->ost_slots = (uint32_t)value;
        break;
    case PCIHP_OST_EVENT:
        hp->ost_event = (uint32_t)value;
        break;
    case PCIHP_OST_STATUS:
    case PCIHP_EJECT:
        if (bus) {
            bool eject = addr == PCIHP_EJECT;

            write_slots(hp, bus, eject ? (uint32_t)value : hp->ost_slots, eject, (uint32_t)value);
        }
        break;
    default:
        break;
    }
}

static const MemoryRegionOps pcihp_ops = { pcihp_read, pcihp_write, 4, 4 };

/* ---- the device ---- */

static void pcihp_reset(Device *dev)
{
    AcpiPciHotplug *hp = ACPI_PCI_HOTPLUG(dev);

    hp->selector = hp->index_slot = hp->ost_slots = hp->ost_event = 0;
    for (unsigned i = 0; i < hp->buses->len; i++) {
        PciBus *bus = hp->buses->pdata[i];

        for (unsigned n = 0; n < bus->slot_count; n++) {
            pci_slot_reset(&bus->slots[n]);
        }
    }
    update(hp);
}

static bool pcihp_realize(Device *dev, GError **errp)
{
    AcpiPciHotplug *hp = ACPI_PCI_HOTPLUG(dev);

    memory_region_init_io(&hp->region, &pcihp_ops, hp, TYPE_ACPI_PCI_HOTPLUG, PCIHP_SIZE);
    return true;
}

static void pcihp_unrealize(Device *dev)
{
    memory_region_destroy(&ACPI_PCI_HOTPLUG(dev)->region);
}

AcpiPciHotplug *acpi_pci_hotplug_create(PciBus *root, const AcpiPciHotplugConfig *config,
                                        MemoryRegion *io, uint16_t port,
                                        void (*notify)(void *opaque, bool pending), void *opaque)
{
    AcpiPciHotplug *hp = ACPI_PCI_HOTPLUG(device_new_onboard(TYPE_ACPI_PCI_HOTPLUG));

    hp->notify = notify;
    hp->notify_opaque = opaque;
    device_realize(&hp->parent, NULL); /* cannot fail */
    device_map(&hp->parent, io, port, &hp->region, 0);
    if (config->root) {
        pci_hotplug_enable(root, &ops, hp);
    }
    if (config->bridges) {
        pci_hotplug_enable_below(root, &ops, hp);
    }
    return hp;
}

/* ---- the type ---- */

static void pcihp_init(Object *obj)
{
    ACPI_PCI_HOTPLUG(obj)->buses = g_ptr_array_new();
}

static void pcihp_finalize(Object *obj)
{
    g_ptr_array_unref(ACPI_PCI_HOTPLUG(obj)->buses);
}

static const StateField pcihp_fields[] = {
    STATE_UINT(AcpiPciHotplug, selector),
    STATE_UINT_MAX_SINCE(AcpiPciHotplug, index_slot, 0, 2),
    STATE_UINT(AcpiPciHotplug, ost_slots),
    STATE_UINT(AcpiPciHotplug, ost_event),
    {},
};
static const StateTable pcihp_state = { .name = "acpi-pci-hotplug",
                                        .version = 2,
                                        .fields = pcihp_fields };

static const DeviceClass pcihp_device_ops = {
    .category = "misc",
    .realize = pcihp_realize,
    .unrealize = pcihp_unrealize,
    .reset = pcihp_reset,
    .wake = device_keep,
    .state = &pcihp_state,
};

static const ObjectType pcihp_type = {
    .name = TYPE_ACPI_PCI_HOTPLUG,
    .parent = TYPE_DEVICE,
    .description = "registers by which the guest learns of PCI devices and gives them back",
    .instance_size = sizeof(AcpiPciHotplug),
    .ops = &pcihp_device_ops,
    .init = pcihp_init,
    .finalize = pcihp_finalize,
};
OBJECT_TYPE_REGISTER(pcihp_type)

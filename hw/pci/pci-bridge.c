/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pci-bridge.h"

#include "hw/pci/pci-hotplug.h"
#include "hw/pci/pci-internal.h"
#include "util/error.h"

#define WINDOW_IO_LOW        0xfffu /* granularity: 4 KiB of I/O, 1 MiB of memory */
#define WINDOW_MEMORY_LOW    0xfffffu
#define SUBTRACTIVE_PRIORITY (-1) /* below all else on the primary bus */

/* ---- windows ---- */

void pci_bridge_window(const PciDevice *dev, PciWindowKind kind, uint64_t *first, uint64_t *last)
{
    switch (kind) {
    case PCI_WINDOW_IO:
        *first = (dev->config[PCI_IO_BASE] & 0xf0) << 8;
        *last = (dev->config[PCI_IO_LIMIT] & 0xf0) << 8 | WINDOW_IO_LOW;
        break;
    case PCI_WINDOW_MEMORY:
        *first = (uint64_t)(pci_get_word(dev, PCI_MEMORY_BASE) & 0xfff0) << 16;
        *last = (uint64_t)(pci_get_word(dev, PCI_MEMORY_LIMIT) & 0xfff0) << 16 | WINDOW_MEMORY_LOW;
        break;
    default:
        *first = (uint64_t)pci_get_long(dev, PCI_PREF_BASE_UPPER) << 32 |
                 (uint64_t)(pci_get_word(dev, PCI_PREF_BASE) & 0xfff0) << 16;
        *last = (uint64_t)pci_get_long(dev, PCI_PREF_LIMIT_UPPER) << 32 |
                (uint64_t)(pci_get_word(dev, PCI_PREF_LIMIT) & 0xfff0) << 16 | WINDOW_MEMORY_LOW;
    }
}

bool pci_bridge_window_open(const PciDevice *dev, PciWindowKind kind, uint64_t *first,
                            uint64_t *last)
{
    uint16_t needed = kind == PCI_WINDOW_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

    pci_bridge_window(dev, kind, first, last);
    return pci_get_word(dev, PCI_COMMAND) & needed && *first <= *last;
}

static void update_rest(const PciBridge *bridge, MemoryRegion *rest, uint16_t needed)
{
    const PciDevice *dev = &bridge->parent;

    memory_region_set_enabled(rest, dev->config[PCI_CLASS_PROG] == PCI_BRIDGE_SUBTRACTIVE &&
                                        pci_get_word(dev, PCI_COMMAND) & needed);
}

/* Show the parts of the secondary bus's regions that the registers say. */
static void update_windows(PciBridge *bridge)
{
    memory_transaction_begin();
    for (PciWindowKind kind = 0; kind < PCI_WINDOWS; kind++) {
        MemoryRegion *window = &bridge->windows[kind];
        PciBus *bus = pci_bus_of(&bridge->parent);
        uint64_t first, last;
        bool open = pci_bridge_window_open(&bridge->parent, kind, &first, &last);

        memory_region_remove(window);
        window->enabled = open;
        window->alias_offset = first;
        window->size = open ? last - first + (last - first < UINT64_MAX) : 0;
        memory_region_add(kind == PCI_WINDOW_IO ? &bus->io : &bus->memory, first, window);
    }
    update_rest(bridge, &bridge->rest_io, PCI_COMMAND_IO);
    update_rest(bridge, &bridge->rest_memory, PCI_COMMAND_MEMORY);
    memory_transaction_commit();
}

/* ---- the secondary bus ---- */

static char *secondary_name(const PciBridge *bridge, const char *bus_type)
{
    const char *id = bridge->bus_name ? bridge->bus_name : bridge->parent.parent.id;

    if (id) {
        return g_strdup(id);
    }
    for (unsigned n = 1;; n++) {
        g_autofree char *lower = g_ascii_strdown(bus_type, -1);
        g_autofree char *name = g_strdup_printf("%s.%u", lower, n);

        if (!pci_bus_find(name, NULL)) {
            return g_steal_pointer(&name);
        }
    }
}

/* All windows, closed. */
static void add_windows(PciBridge *bridge)
{
    static const char *const names[PCI_WINDOWS] = { "io-window", "memory-window",
                                                    "prefetchable-window" };
    PciBus *bus = pci_bus_of(&bridge->parent), *secondary = bridge->secondary;

    for (PciWindowKind kind = 0; kind < PCI_WINDOWS; kind++) {
        bool io = kind == PCI_WINDOW_IO;
        MemoryRegion *window = &bridge->windows[kind];

        memory_region_init_alias(window, names[kind], io ? &secondary->io : &secondary->memory, 0,
                                 0);
        memory_region_add(io ? &bus->io : &bus->memory, 0, window);
    }
    memory_region_init_alias(&bridge->rest_io, "subtractive-io", &secondary->io, 0,
                             secondary->io.size);
    memory_region_add_overlap(&bus->io, 0, &bridge->rest_io, SUBTRACTIVE_PRIORITY);
    memory_region_init_alias(&bridge->rest_memory, "subtractive-memory", &secondary->memory, 0,
                             secondary->memory.size);
    memory_region_add_overlap(&bus->memory, 0, &bridge->rest_memory, SUBTRACTIVE_PRIORITY);
}

bool pci_bridge_realize(PciBridge *bridge, const char *bus_type, bool hotplug, GError **errp)
{
    g_autofree char *name = secondary_name(bridge, bus_type);
    PciBus *bus = pci_bus_of(&bridge->parent);

    bridge->secondary =
        pci_bus_create(bus_type, name, &bridge->parent.parent.parent, &bridge->parent, errp);
    if (!bridge->secondary) {
        return false;
    }
    memory_transaction_begin();
    add_windows(bridge);
    update_windows(bridge);
    memory_transaction_commit();
    /* CXL knows only the way of PCI Express itself. */
    if (pci_bus_root(bus)->below && hotplug && !pci_bus_is_below_cxl(bus)) {
        pci_hotplug_enable(bridge->secondary, pci_bus_root(bus)->below,
                           pci_bus_root(bus)->below_opaque);
    }
    return true;
}

static void drop_window(MemoryRegion *window)
{
    memory_region_remove(window);
    memory_region_destroy(window);
}

void pci_bridge_unrealize(PciDevice *dev)
{
    PciBridge *bridge = PCI_BRIDGE(dev);

    memory_transaction_begin();
    for (PciWindowKind kind = 0; kind < PCI_WINDOWS; kind++) {
        drop_window(&bridge->windows[kind]);
    }
    drop_window(&bridge->rest_io);
    drop_window(&bridge->rest_memory);
    memory_transaction_commit();
    object_unparent(&bridge->secondary->parent.parent);
    bridge->secondary = NULL;
}

void pci_bridge_reset_secondary(PciBridge *bridge)
{
    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        PciDevice *dev = bridge->secondary->devices[i];
        PciBus *below = dev ? pci_secondary_bus(dev) : NULL;

        if (dev) {
            pci_device_reset(&dev->parent);
        }
        if (below) {
            pci_bridge_reset_secondary(PCI_BRIDGE(dev));
        }
    }
}

void pci_bridge_reset(PciDevice *dev)
{
    update_windows(PCI_BRIDGE(dev));
}

void pci_bridge_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    PciBridge *bridge = PCI_BRIDGE(dev);

    if (pci_touches(offset, size, PCI_COMMAND, 2) || pci_touches(offset, size, PCI_IO_BASE, 2) ||
        pci_touches(offset, size, PCI_MEMORY_BASE, PCI_PREF_LIMIT_UPPER + 4 - PCI_MEMORY_BASE)) {
        update_windows(bridge);
    }
    if (pci_touches(offset, size, PCI_BRIDGE_CONTROL, 1) &&
        dev->config[PCI_BRIDGE_CONTROL] & PCI_BRIDGE_CTL_BUS_RESET) {
        pci_bridge_reset_secondary(bridge);
    }
}

/* ---- state ---- */

static const StateField bridge_fields[] = {
    STATE_STRUCT(PciBridge, parent, &pci_device_state),
    STATE_POINTER(PciBridge, secondary, &pci_bus_state),
    {},
};
const StateTable pci_bridge_state = { .name = "pci-bridge", .version = 1, .fields = bridge_fields };

/* ---- the type ---- */

/* The windows are closed at first: base above limit. */
static const PciRegister bridge_registers[] = {
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
          PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_CLASS_DEVICE, 2, 0x0604 },
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_HEADER_TYPE, 1, PCI_HEADER_BRIDGE },
    { PCI_PRIMARY_BUS, 1, 0, 0xff },
    { PCI_SECONDARY_BUS, 1, 0, 0xff },
    { PCI_SUBORDINATE_BUS, 1, 0, 0xff },
    { PCI_IO_BASE, 1, 0xf0, 0xf0 },
    { PCI_IO_LIMIT, 1, 0x00, 0xf0 },
    { PCI_SECONDARY_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_MEMORY_BASE, 2, 0xfff0, 0xfff0 },
    { PCI_MEMORY_LIMIT, 2, 0x0000, 0xfff0 },
    { PCI_PREF_BASE, 2, 0xfff1, 0xfff0 }, /* 64-bit */
    { PCI_PREF_LIMIT, 2, 0x0001, 0xfff0 },
    { PCI_PREF_BASE_UPPER, 4, 0, 0xffffffff },
    { PCI_PREF_LIMIT_UPPER, 4, 0, 0xffffffff },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_BRIDGE_CONTROL, 2, 0, 0x0003 | PCI_BRIDGE_CTL_BUS_RESET }, /* parity, SERR# */
};

static void bridge_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), bridge_registers, G_N_ELEMENTS(bridge_registers));
}

static const ObjectType bridge_type = {
    .name = TYPE_PCI_BRIDGE_BASE,
    .parent = TYPE_PCI_DEVICE,
    .description = "A PCI-to-PCI bridge",
    .instance_size = sizeof(PciBridge),
    .abstract = true,
    .init = bridge_init,
};
OBJECT_TYPE_REGISTER(bridge_type)

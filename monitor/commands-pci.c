/* SPDX-License-Identifier: GPL-2.0-or-later */
/* query-pci (qapi/pci.json): the buses as the guest has set them up. */
#include "hw/pci/pci-bridge.h"
#include "qapi/qapi-commands.h"

static PciMemoryRange *window_info(const PciDevice *dev, PciWindowKind kind)
{
    PciMemoryRange *range = g_new0(PciMemoryRange, 1);
    uint64_t first, last;

    pci_bridge_window(dev, kind, &first, &last);
    range->base = (int64_t)first;
    range->limit = (int64_t)last;
    return range;
}

static GPtrArray *devices_info(const PciBus *bus);

static PciBridgeInfo *bridge_info(const PciDevice *dev, const PciBus *secondary)
{
    PciBridgeInfo *info = g_new0(PciBridgeInfo, 1);

    info->bus = g_new0(PciBusInfo, 1);
    info->bus->number = dev->config[PCI_PRIMARY_BUS];
    info->bus->secondary = dev->config[PCI_SECONDARY_BUS];
    info->bus->subordinate = dev->config[PCI_SUBORDINATE_BUS];
    info->bus->io_range = window_info(dev, PCI_WINDOW_IO);
    info->bus->memory_range = window_info(dev, PCI_WINDOW_MEMORY);
    info->bus->prefetchable_range = window_info(dev, PCI_WINDOW_PREF);
    info->devices = devices_info(secondary);
    return info;
}

static GPtrArray *regions_info(const PciDevice *dev)
{
    GPtrArray *list = PciMemoryRegion_list_new();

    for (unsigned n = 0; n < PCI_REGIONS; n++) {
        const PciBar *bar = &dev->bars[n];
        PciMemoryRegion *info;
        uint64_t addr;

        if (!bar->region) {
            continue;
        }
        info = g_new0(PciMemoryRegion, 1);
        info->bar = n;
        info->type = g_strdup(bar->flags & PCI_BAR_IO ? "io" : "memory");
        info->address = pci_bar_address(dev, n, &addr) ? (int64_t)addr : -1;
        info->size = (int64_t)bar->region->size;
        info->has_prefetch = info->has_mem_type_64 = !(bar->flags & PCI_BAR_IO);
        info->prefetch = bar->flags & PCI_BAR_PREFETCH;
        info->mem_type_64 = bar->flags & PCI_BAR_MEM64;
        g_ptr_array_add(list, info);
    }
    return list;
}

static PciDeviceId *id_info(const PciDevice *dev, bool bridge)
{
    PciDeviceId *id = g_new0(PciDeviceId, 1);

    id->vendor = pci_get_word(dev, PCI_VENDOR_ID);
    id->device = pci_get_word(dev, PCI_DEVICE_ID);
    id->has_subsystem = id->has_subsystem_vendor =
        !bridge && pci_get_long(dev, PCI_SUBSYSTEM_VENDOR_ID);
    if (id->has_subsystem) {
        id->subsystem = pci_get_word(dev, PCI_SUBSYSTEM_ID);
        id->subsystem_vendor = pci_get_word(dev, PCI_SUBSYSTEM_VENDOR_ID);
    }
    return id;
}

static PciDeviceInfo *device_info(const PciDevice *dev)
{
    PciDeviceInfo *info = g_new0(PciDeviceInfo, 1);
    const PciBus *secondary = pci_secondary_bus(dev);

    info->bus = pci_bus_number(pci_bus_of(dev));
    info->slot = PCI_SLOT(dev->devfn);
    info->function = PCI_FUNC(dev->devfn);
    info->class_info = g_new0(PciDeviceClass, 1);
    info->class_info->desc = g_strdup(pci_class_name(dev));
    info->class_info->class = pci_get_word(dev, PCI_CLASS_DEVICE);
    info->id = id_info(dev, secondary != NULL);
    info->irq_pin = dev->config[PCI_INTERRUPT_PIN];
    info->has_irq = info->irq_pin != 0;
    info->irq = dev->config[PCI_INTERRUPT_LINE];
    info->qdev_id = g_strdup(dev->parent.id ? dev->parent.id : "");
    info->pci_bridge = secondary ? bridge_info(dev, secondary) : NULL;
    info->regions = regions_info(dev);
    return info;
}

static GPtrArray *devices_info(const PciBus *bus)
{
    GPtrArray *list = PciDeviceInfo_list_new();

    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        if (bus->devices[i]) {
            g_ptr_array_add(list, device_info(bus->devices[i]));
        }
    }
    return list;
}

static void add_root(GPtrArray *list, const PciBus *root)
{
    PciInfo *info = g_new0(PciInfo, 1);

    info->bus = pci_bus_number(root);
    info->devices = devices_info(root);
    g_ptr_array_add(list, info);
}

GPtrArray *qmp_query_pci(GError **errp)
{
    GPtrArray *list = PciInfo_list_new();
    const PciBus *root = pci_root_bus();

    if (root) {
        add_root(list, root);
    }
    for (guint i = 0; root && i < root->extra_roots->len; i++) {
        add_root(list, root->extra_roots->pdata[i]);
    }
    return list;
}

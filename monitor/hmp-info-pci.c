/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `info pci`: what query-pci says, in words. */
#include <inttypes.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"

static void print_bridge(Hmp *hmp, const PciBusInfo *bus)
{
    hmp_printf(hmp, "      BUS %" PRId64 ".\n", bus->number);
    hmp_printf(hmp, "      secondary bus %" PRId64 ".\n", bus->secondary);
    hmp_printf(hmp, "      subordinate bus %" PRId64 ".\n", bus->subordinate);
    hmp_printf(hmp, "      IO range [0x%04" PRIx64 ", 0x%04" PRIx64 "]\n", bus->io_range->base,
               bus->io_range->limit);
    hmp_printf(hmp, "      memory range [0x%08" PRIx64 ", 0x%08" PRIx64 "]\n",
               bus->memory_range->base, bus->memory_range->limit);
    hmp_printf(hmp, "      prefetchable memory range [0x%08" PRIx64 ", 0x%08" PRIx64 "]\n",
               bus->prefetchable_range->base, bus->prefetchable_range->limit);
}

static void print_region(Hmp *hmp, const PciMemoryRegion *region)
{
    int64_t last = region->address + region->size - 1;

    hmp_printf(hmp, "      BAR%" PRId64 ": ", region->bar);
    if (region->has_prefetch) {
        hmp_printf(hmp, "%d bit%s memory", region->mem_type_64 ? 64 : 32,
                   region->prefetch ? " prefetchable" : "");
    } else {
        hmp_printf(hmp, "I/O");
    }
    if (region->address == -1) {
        hmp_printf(hmp, " of 0x%" PRIx64 " bytes, not mapped.\n", region->size);
    } else {
        hmp_printf(hmp, " at 0x%0*" PRIx64 " [0x%0*" PRIx64 "].\n", region->has_prefetch ? 8 : 4,
                   region->address, region->has_prefetch ? 8 : 4, last);
    }
}

static void print_device(Hmp *hmp, const PciDeviceInfo *dev)
{
    const PciDeviceId *id = dev->id;

    hmp_printf(hmp, "  Bus %2" PRId64 ", device %3" PRId64 ", function %" PRId64 ":\n", dev->bus,
               dev->slot, dev->function);
    if (dev->class_info->desc) {
        hmp_printf(hmp, "    %s", dev->class_info->desc);
    } else {
        hmp_printf(hmp, "    Class %04" PRId64, dev->class_info->class);
    }
    hmp_printf(hmp, ": PCI device %04" PRIx64 ":%04" PRIx64 "\n", id->vendor, id->device);
    if (id->has_subsystem) {
        hmp_printf(hmp, "      PCI subsystem %04" PRIx64 ":%04" PRIx64 "\n", id->subsystem_vendor,
                   id->subsystem);
    }
    if (dev->has_irq) {
        hmp_printf(hmp, "      IRQ %" PRId64 ", pin %c\n", dev->irq, 'A' + (char)dev->irq_pin - 1);
    }
    if (dev->pci_bridge) {
        print_bridge(hmp, dev->pci_bridge->bus);
    }
    for (guint i = 0; i < dev->regions->len; i++) {
        print_region(hmp, dev->regions->pdata[i]);
    }
    hmp_printf(hmp, "      id \"%s\"\n", dev->qdev_id);
    for (guint i = 0; dev->pci_bridge && i < dev->pci_bridge->devices->len; i++) {
        print_device(hmp, dev->pci_bridge->devices->pdata[i]);
    }
}

void hmp_info_pci(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) buses = qmp_query_pci(NULL);

    for (guint i = 0; i < buses->len; i++) {
        const PciInfo *info = buses->pdata[i];

        for (guint n = 0; n < info->devices->len; n++) {
            print_device(hmp, info->devices->pdata[n]);
        }
    }
    if (!buses->len) {
        hmp_printf(hmp, "This machine has no PCI bus.\n");
    }
}

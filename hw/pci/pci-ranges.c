/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pci-ranges.h"

#include "hw/pci/pci-bridge.h"

static void append(GArray *ranges, uint64_t first, uint64_t last)
{
    if (first <= last) {
        g_array_append_val(ranges, ((PciRange){ first, last }));
    }
}

static void append_bars(GArray *ranges, const PciDevice *dev, bool io)
{
    for (unsigned n = 0; n < PCI_REGIONS; n++) {
        const PciBar *bar = &dev->bars[n];
        uint64_t addr;

        if (bar->region && io == !!(bar->flags & PCI_BAR_IO) && pci_bar_address(dev, n, &addr)) {
            append(ranges, addr, addr + bar->region->size - 1);
        }
    }
}

static void append_windows(GArray *ranges, const PciDevice *bridge, bool io)
{
    for (PciWindowKind kind = 0; kind < PCI_WINDOWS; kind++) {
        uint64_t first, last;

        if (io == (kind == PCI_WINDOW_IO) && pci_bridge_window_open(bridge, kind, &first, &last)) {
            append(ranges, first, last);
        }
    }
}

static gint by_first(gconstpointer a, gconstpointer b)
{
    const PciRange *one = a, *other = b;

    return one->first < other->first ? -1 : one->first > other->first;
}

/* @ranges are in order. */
static void merge(GArray *ranges)
{
    PciRange *range = (PciRange *)ranges->data;
    unsigned kept = 0;

    for (unsigned i = 1; i < ranges->len; i++) {
        if (range[i].first <= range[kept].last || range[i].first - range[kept].last == 1) {
            range[kept].last = MAX(range[kept].last, range[i].last);
        } else {
            range[++kept] = range[i];
        }
    }
    g_array_set_size(ranges, ranges->len ? kept + 1 : 0);
}

GArray *pci_bus_ranges(const PciBus *bus, bool io)
{
    GArray *ranges = g_array_new(false, false, sizeof(PciRange));

    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        const PciDevice *dev = bus->devices[i];

        if (dev) {
            append_bars(ranges, dev, io);
            if (pci_secondary_bus(dev)) {
                append_windows(ranges, dev, io);
            }
        }
    }
    g_array_sort(ranges, by_first);
    merge(ranges);
    return ranges;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pci-iommu.h"

#include "hw/pci/pci-internal.h"
#include "util/error.h"

static const PciIommu *iommu_of(const PciDevice *dev)
{
    const PciBus *root = pci_bus_root(pci_bus_of(dev));

    return root->bypass_iommu ? NULL : root->iommu;
}

bool pci_has_iommu(const PciDevice *dev)
{
    return iommu_of(dev) != NULL;
}

/* By which ID accesses of @dev are known: its own, or of the last bridge above it that takes them
 * for its own (PCI Express to PCI/PCI-X Bridge 1.0, section 2.3). */
static uint16_t source_id(const PciDevice *dev)
{
    const PciBus *bus = pci_bus_of(dev);
    uint16_t id = (uint16_t)(pci_bus_number(bus) << 8 | dev->devfn);

    for (; bus->bridge; bus = pci_bus_of(bus->bridge)) {
        const PciBus *above = pci_bus_of(bus->bridge);

        if (pci_bus_is_express(bus)) {
            continue; /* ports pass the ID on */
        }
        id = bus->bridge->express_cap ? (uint16_t)(pci_bus_number(bus) << 8)
                                      : (uint16_t)(pci_bus_number(above) << 8 | bus->bridge->devfn);
    }
    return id;
}

static bool translate(void *opaque, hwaddr addr, bool write, hwaddr *to, uint64_t *size)
{
    const PciDevice *dev = opaque;
    const PciIommu *iommu = iommu_of(dev);

    return iommu->translate(iommu->opaque, source_id(dev), addr, write, to, size);
}

void pci_iommu_attach(PciDevice *dev)
{
    const PciIommu *iommu = iommu_of(dev);

    dev->iommu =
        (DmaIommu){ .translate = iommu && iommu->translate ? translate : NULL, .opaque = dev };
}

static void attach_all(PciBus *bus)
{
    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        PciBus *below = bus->devices[i] ? pci_secondary_bus(bus->devices[i]) : NULL;

        if (bus->devices[i]) {
            pci_iommu_attach(bus->devices[i]);
        }
        if (below) {
            attach_all(below);
        }
    }
}

static bool check_own_dma(Device *dev, void *errp)
{
    if (object_is_a(OBJECT(dev), TYPE_PCI_DEVICE) && pci_function_class(PCI_DEVICE(dev))->own_dma) {
        g_autofree char *name = device_describe(dev);

        error_set(errp,
                  "%s would not go through an IOMMU of the machine: leave one of them out, or let "
                  "its bus bypass the IOMMU",
                  name);
        return false;
    }
    return true;
}

bool pci_iommu_check(const PciBus *root, GError **errp)
{
    if (root->iommu) {
        error_set(errp, "the machine has an IOMMU already; it can have one");
        return false;
    }
    return root->bypass_iommu || devices_foreach(check_own_dma, errp);
}

void pci_iommu_set(PciBus *root, const PciIommu *iommu)
{
    root->iommu = iommu;
    attach_all(root);
    for (guint i = 0; i < root->extra_roots->len; i++) {
        attach_all(root->extra_roots->pdata[i]);
    }
    pci_iommu_remap_changed(root);
}

static void update_messages(PciBus *bus)
{
    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        if (bus->devices[i]) {
            pci_msix_update(bus->devices[i]); /* and those below */
        }
    }
}

void pci_iommu_remap_changed(PciBus *root)
{
    update_messages(root);
    for (guint i = 0; i < root->extra_roots->len; i++) {
        update_messages(root->extra_roots->pdata[i]);
    }
}

bool pci_iommu_remap(const PciDevice *dev, uint64_t *addr, uint32_t *data, bool tell)
{
    const PciIommu *iommu = iommu_of(dev);

    return !iommu || !iommu->remap || iommu->remap(iommu->opaque, source_id(dev), addr, data, tell);
}

void pci_send_msi(const PciDevice *dev, uint64_t addr, uint32_t data)
{
    const PciBus *root = pci_way_to_memory(dev);

    if (root && root->deliver_msi && pci_iommu_remap(dev, &addr, &data, true)) {
        root->deliver_msi(addr, data);
    }
}

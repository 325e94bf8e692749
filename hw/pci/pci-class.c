/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of classes and subclasses (PCI Code and ID Assignment 1.9, chapter 1). */
#include "hw/pci/pci.h"

static const struct {
    uint16_t class;
    const char *name;
} classes[] = {
    { 0x0100, "SCSI controller" },
    { 0x0101, "IDE controller" },
    { 0x0106, "SATA controller" },
    { 0x0108, "Non-volatile memory controller" },
    { 0x0108, "NVMe controller" },
    { 0x0200, "Ethernet controller" },
    { 0x0300, "VGA controller" },
    { 0x0380, "Display controller" },
    { 0x0500, "RAM controller" },
    { 0x0502, "CXL memory" },
    { 0x0600, "Host bridge" },
    { 0x0601, "ISA bridge" },
    { 0x0604, "PCI bridge" },
    { 0x0680, "Bridge" },
    { 0x0880, "System peripheral" },
    { 0x0c03, "USB controller" },
    { 0x0c05, "SMBus" },
};

const char *pci_class_name(const PciDevice *dev)
{
    uint16_t class = pci_get_word(dev, PCI_CLASS_DEVICE);

    for (unsigned i = 0; i < G_N_ELEMENTS(classes); i++) {
        if (classes[i].class == class) {
            return classes[i].name;
        }
    }
    return NULL;
}

/* ---- for firmware ---- */

static void append_bridges(GString *path, const PciBus *bus)
{
    if (bus->bridge) {
        append_bridges(path, pci_bus_of(bus->bridge));
        g_string_append_printf(path, "/pci-bridge@%x", PCI_SLOT(bus->bridge->devfn));
        if (PCI_FUNC(bus->bridge->devfn)) {
            g_string_append_printf(path, ",%x", PCI_FUNC(bus->bridge->devfn));
        }
    }
}

/* Which of the extra roots it is, from 1 on, of those that firmware finds: which have something on
 * them. Nothing for the machine's root bus. */
static void append_root(GString *path, const PciBus *bus)
{
    const GPtrArray *extra = pci_bus_root(bus)->extra_roots;
    unsigned index = 0;

    while (bus->bridge) {
        bus = pci_bus_of(bus->bridge);
    }
    for (guint i = 0; bus->expander && i < extra->len; i++) {
        const PciBus *root = extra->pdata[i];

        index += root->number <= bus->number && root->parent.children->len;
    }
    if (index) {
        g_string_append_printf(path, ",%x", index);
    }
}

char *pci_firmware_path(const PciDevice *dev, const char *kind)
{
    GString *path = g_string_new("/pci@i0cf8");

    append_root(path, pci_bus_of(dev));
    append_bridges(path, pci_bus_of(dev));
    g_string_append_printf(path, "/%s@%x", kind, PCI_SLOT(dev->devfn));
    if (PCI_FUNC(dev->devfn)) {
        g_string_append_printf(path, ",%x", PCI_FUNC(dev->devfn));
    }
    return g_string_free(path, FALSE);
}

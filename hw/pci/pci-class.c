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
    { 0x0108, "NVMe controller" },
    { 0x0200, "Ethernet controller" },
    { 0x0300, "VGA controller" },
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

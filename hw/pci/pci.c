/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pci.h"

#include <string.h>

void pci_set_registers(PciDevice *dev, const PciRegister *regs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        for (unsigned byte = 0; byte < regs[i].size; byte++) {
            unsigned at = (regs[i].offset + byte) % PCI_CONFIG_SIZE;

            dev->config[at] = regs[i].value >> (8 * byte);
            dev->wmask[at] = regs[i].wmask >> (8 * byte);
        }
    }
}

PciDevice *pci_create(PciBus *bus, uint8_t devfn, const char *type)
{
    PciDevice *dev = (PciDevice *)device_new_onboard(type);

    dev->devfn = devfn;
    memcpy(dev->initial, dev->config, sizeof dev->initial);
    bus->devices[devfn] = dev;
    device_realize(&dev->parent, NULL);
    return dev;
}

uint32_t pci_config_read(const PciBus *bus, uint8_t devfn, uint8_t offset, unsigned size)
{
    const PciDevice *dev = bus->devices[devfn];
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = dev ? dev->config[(offset + i) % PCI_CONFIG_SIZE] : 0xff;

        value |= (uint32_t)byte << (8 * i);
    }
    return value;
}

void pci_config_write(PciBus *bus, uint8_t devfn, uint8_t offset, uint32_t value, unsigned size)
{
    PciDevice *dev = bus->devices[devfn];

    for (unsigned i = 0; dev && i < size; i++) {
        unsigned at = (offset + i) % PCI_CONFIG_SIZE;
        uint8_t byte = value >> (8 * i), mask = dev->wmask[at];

        dev->config[at] = (dev->config[at] & ~mask) | (byte & mask);
        dev->config[at] &= ~(byte & dev->w1cmask[at]);
    }
}

static void pci_device_reset(Device *device)
{
    PciDevice *dev = (PciDevice *)device;

    memcpy(dev->config, dev->initial, sizeof dev->config);
}

static struct json_object *pci_get_addr(Object *obj, const Property *prop, GError **errp)
{
    uint8_t devfn = ((PciDevice *)obj)->devfn;
    g_autofree char *text = g_strdup_printf("%02x.%x", devfn >> 3, devfn & 7);

    return json_object_new_string(text);
}

static const Property pci_device_properties[] = {
    { .name = "addr",
      .kind = PROP_CUSTOM,
      .custom_type = "str",
      .description = "slot and function on bus 0, as \"01.3\"",
      .read_only = true,
      .get = pci_get_addr },
    { 0 },
};

static const DeviceOps pci_device_ops = {
    .category = "bridge",
    .reset = pci_device_reset,
};

static const ObjectType pci_device_type = {
    .name = TYPE_PCI_DEVICE,
    .parent = TYPE_DEVICE,
    .description = "A function on the PCI bus",
    .instance_size = sizeof(PciDevice),
    .abstract = true,
    .properties = pci_device_properties,
    .ops = &pci_device_ops,
};
OBJECT_TYPE_REGISTER(pci_device_type)

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/i440fx.h"

#include "hw/pci/pci-host.h"

/* 82441FX data sheet, chapter 3. */
static const PciRegister i440fx_registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 }, { PCI_DEVICE_ID, 2, 0x1237 }, { PCI_COMMAND, 2, 0x0006, 0x0102 },
    { PCI_STATUS, 2, 0x0280 },    { PCI_REVISION_ID, 1, 0x02 }, { PCI_CLASS_DEVICE, 2, 0x0600 },
    { 0x59, 1, 0x00, 0xf0 },    /* PAM0 */
    { 0x5a, 4, 0, 0xffffffff }, /* PAM1-4 */
    { 0x5e, 2, 0, 0xffff },     /* PAM5-6 */
    { 0x72, 1, 0x02, 0x70 },    /* SMRAM */
};

static void i440fx_init(Object *obj)
{
    pci_set_registers((PciDevice *)obj, i440fx_registers, G_N_ELEMENTS(i440fx_registers));
}

static const ObjectType i440fx_type = {
    .name = TYPE_I440FX,
    .parent = TYPE_PCI_DEVICE,
    .description = "Host bridge",
    .init = i440fx_init,
};
OBJECT_TYPE_REGISTER(i440fx_type)

static const ObjectType host_type = {
    .name = TYPE_I440FX_HOST,
    .parent = TYPE_PCI_HOST,
    .description = "PCI host: configuration ports and bus 0",
};
OBJECT_TYPE_REGISTER(host_type)

PciBus *i440fx_create(MemoryRegion *io)
{
    PciHost *host = pci_host_create(TYPE_I440FX_HOST, TYPE_PCI_BUS, "pci.0", system_memory(), io);

    pci_create(host->bus, PCI_DEVFN(0, 0), TYPE_I440FX);
    return host->bus;
}

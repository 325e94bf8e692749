/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/i440fx.h"

#include "hw/pci/smram.h"
#include "util/units.h"

#define I440FX_PAM 0x59
#define SMRAM      0x72

typedef struct I440fx {
    PciDevice parent;
    /* derived from the register */
    Smram smram;
} I440fx;
OBJECT_CAST_DEFINE(I440fx, I440FX, TYPE_I440FX)

/* 82441FX data sheet, chapter 3. */
static const PciRegister i440fx_registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_DEVICE_ID, 2, 0x1237 },
    { PCI_COMMAND, 2, 0x0006, 0x0102 },
    { PCI_STATUS, 2, 0x0280 },
    { PCI_REVISION_ID, 1, 0x02 },
    { PCI_CLASS_DEVICE, 2, 0x0600 },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { I440FX_PAM, 1, 0, PAM0_WMASK },
    { I440FX_PAM + 1, 4, 0, PAM_WMASK * 0x01010101u },
    { I440FX_PAM + 5, 2, 0, PAM_WMASK * 0x0101u },
    { SMRAM, 1, SMRAM_C_BASE_SEG, SMRAM_D_OPEN | SMRAM_D_CLS | SMRAM_D_LCK },
};

static void i440fx_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), i440fx_registers, G_N_ELEMENTS(i440fx_registers));
}

static void i440fx_update_smram(PciDevice *dev)
{
    Smram *smram = &I440FX(dev)->smram;
    uint8_t *reg = &dev->config[SMRAM];

    if (!smram_exists(smram)) {
        return;
    }
    bool locked = *reg & SMRAM_D_LCK;
    *reg &= (uint8_t)(locked ? ~SMRAM_D_OPEN : 0xff);
    dev->wmask[SMRAM] =
        locked ? SMRAM_D_CLS : SMRAM_D_OPEN | SMRAM_D_CLS | SMRAM_D_LCK | SMRAM_G_SMRAME;
    const SmramView view = { .legacy = *reg & SMRAM_G_SMRAME, .open = *reg & SMRAM_D_OPEN };
    smram_update(smram, &view);
}

static void i440fx_reset(PciDevice *dev)
{
    i440fx_update_smram(dev);
    pci_host_update_pam(pci_host_of(pci_bus_of(dev)));
}

/* It keeps memory over S3, and by PAM firmware finds itself again in the RAM that shadows it; but
 * SMRAM is as after a reset. */
static void i440fx_wake(Device *dev)
{
    PciDevice *pci = PCI_DEVICE(dev);

    pci->config[SMRAM] = pci->initial[SMRAM];
    i440fx_update_smram(pci);
}

static void i440fx_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, SMRAM, 1)) {
        i440fx_update_smram(dev);
    }
    if (pci_touches(offset, size, I440FX_PAM, PAM_REGISTERS)) {
        pci_host_update_pam(pci_host_of(pci_bus_of(dev)));
    }
}

static const PciFunctionClass i440fx_ops = {
    .device = { PCI_DEVICE_CLASS_BASE, .wake = i440fx_wake, .category = "bridge" },
    .reset = i440fx_reset,
    .config_written = i440fx_config_written,
};

static const ObjectType i440fx_type = {
    .name = TYPE_I440FX,
    .parent = TYPE_PCI_DEVICE,
    .description = "Host bridge",
    .instance_size = sizeof(I440fx),
    .ops = &i440fx_ops,
    .init = i440fx_init,
};
OBJECT_TYPE_REGISTER(i440fx_type)

static const Property i440fx_host_properties[] = { PCI_HOST_HOLE64(2 * GIB), { 0 } };

static const ObjectType host_type = {
    .name = TYPE_I440FX_HOST,
    .parent = TYPE_PCI_HOST,
    .description = "PCI host: configuration ports and bus 0",
    .properties = i440fx_host_properties,
};
OBJECT_TYPE_REGISTER(host_type)

PciHost *i440fx_create(MemoryRegion *memory, MemoryRegion *io, MemoryRegion *ram)
{
    PciHost *host = pci_host_create(TYPE_I440FX_HOST, "i440fx", TYPE_PCI_BUS, "pci.0", memory, io);
    PciDevice *dev = pci_create(host->bus, PCI_DEVFN(0, 0), TYPE_I440FX);

    pci_host_init_pam(host, dev->config + I440FX_PAM, memory, ram);
    smram_init(&I440FX(dev)->smram, memory, ram);
    return host;
}

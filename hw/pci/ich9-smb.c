/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/ich9-smb.h"

#include "hw/i2c/smbus-host.h"
#include "util/error.h"

/* Chapter 20.1. */
enum {
    SMB_BASE_BAR = 4,
    SMB_BASE = PCI_BASE_ADDRESS_0 + 4 * SMB_BASE_BAR,
    HOSTC = 0x40,
    HOSTC_HST_EN = 1 << 0,
    HOSTC_SMI_EN = 1 << 1,
    HOSTC_I2C_EN = 1 << 2,
    HOSTC_SSRESET = 1 << 3, /* reads as 0 */
    HOSTC_SPD_WD = 1 << 4,  /* stays until the next reset */
};

typedef struct Ich9Smb {
    PciDevice parent;
    SmbusHost host;
    /* wiring */
    MemoryRegion bar; /* where the registers are while they are enabled */
} Ich9Smb;
OBJECT_CAST_DEFINE(Ich9Smb, ICH9_SMB, TYPE_ICH9_SMB)

static const PciRegister smb_registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_DEVICE_ID, 2, 0x2930 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0x0280 },
    { PCI_REVISION_ID, 1, 0x02 },
    { PCI_CLASS_DEVICE, 2, 0x0c05 },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
    { HOSTC, 1, 0, HOSTC_HST_EN | HOSTC_SMI_EN | HOSTC_I2C_EN | HOSTC_SSRESET | HOSTC_SPD_WD },
};

/* Interrupts are SMIs instead where the guest says so, which are not given here. */
static void smb_set_irq(void *opaque, int n, int level)
{
    PciDevice *dev = opaque;

    pci_set_irq(dev, level && !(dev->config[HOSTC] & HOSTC_SMI_EN));
}

static void smb_update(Ich9Smb *smb)
{
    uint8_t hostc = smb->parent.config[HOSTC];

    memory_region_set_enabled(&smb->host.region, hostc & HOSTC_HST_EN);
    smb->host.i2c_mode = hostc & HOSTC_I2C_EN;
    smb->host.spd_locked = hostc & HOSTC_SPD_WD;
}

static void smb_reset(PciDevice *dev)
{
    Ich9Smb *smb = ICH9_SMB(dev);

    smbus_host_reset(&smb->host);
    smb_update(smb);
}

static void smb_loaded(PciDevice *dev)
{
    smb_update(ICH9_SMB(dev));
}

static void smb_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    Ich9Smb *smb = ICH9_SMB(dev);

    if (pci_touches(offset, size, HOSTC, 1)) {
        if (dev->config[HOSTC] & HOSTC_SSRESET) {
            dev->config[HOSTC] &= (uint8_t)~HOSTC_SSRESET;
            smbus_host_reset(&smb->host);
        }
        if (smb->host.spd_locked) {
            dev->config[HOSTC] |= HOSTC_SPD_WD;
        }
        smb_update(smb);
    }
}

static bool smb_realize(PciDevice *dev, GError **errp)
{
    Ich9Smb *smb = ICH9_SMB(dev);

    if (PCI_FUNC(dev->devfn)) { /* of the south bridge, as the others say too */
        dev->config[PCI_HEADER_TYPE] |= PCI_HEADER_MULTIFUNCTION;
    }
    if (!smbus_host_realize(&smb->host, &smbus_host_ich9, &dev->parent.parent, errp)) {
        return false;
    }
    smb->host.irq = (Irq){ smb_set_irq, dev, 0 };
    memory_region_init_container(&smb->bar, "ich9-smb", smb->host.region.size);
    memory_region_add(&smb->bar, 0, &smb->host.region);
    pci_add_bar(dev, SMB_BASE_BAR, PCI_BAR_IO, &smb->bar);
    return true;
}

static void smb_unrealize(PciDevice *dev)
{
    Ich9Smb *smb = ICH9_SMB(dev);

    memory_region_remove(&smb->host.region);
    memory_region_destroy(&smb->bar);
    smbus_host_unrealize(&smb->host);
}

static void smb_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), smb_registers, G_N_ELEMENTS(smb_registers));
}

static const StateField smb_fields[] = {
    STATE_STRUCT(Ich9Smb, host, &smbus_host_state),
    STATE_STRUCT(Ich9Smb, parent, &pci_device_state),
    {},
};
static const StateTable smb_state = { .name = "ich9-smb", .version = 1, .fields = smb_fields };

static const PciFunctionClass smb_ops = {
    /* Over S3 it keeps where it is: SeaBIOS does not say it again when it resumes. */
    .device = { PCI_DEVICE_CLASS_CORE, .wake = device_keep, .category = "misc",
                .state = &smb_state },
    .realize = smb_realize,
    .unrealize = smb_unrealize,
    .reset = smb_reset,
    .loaded = smb_loaded,
    .config_written = smb_config_written,
};

static const ObjectType smb_type = {
    .name = TYPE_ICH9_SMB,
    .parent = TYPE_PCI_DEVICE,
    .description = "SMBus controller of the ICH9",
    .instance_size = sizeof(Ich9Smb),
    .ops = &smb_ops,
    .init = smb_init,
};
OBJECT_TYPE_REGISTER(smb_type)

I2cBus *ich9_smb_create(PciBus *bus)
{
    return ICH9_SMB(pci_create(bus, ICH9_SMB_DEVFN, TYPE_ICH9_SMB))->host.bus;
}

void ich9_smb_set_up(PciBus *bus)
{
    pci_config_write(bus, 0, ICH9_SMB_DEVFN, SMB_BASE, ICH9_SMB_BASE, 4);
    pci_config_write(bus, 0, ICH9_SMB_DEVFN, HOSTC, HOSTC_HST_EN, 1);
    pci_config_write(bus, 0, ICH9_SMB_DEVFN, PCI_COMMAND, PCI_COMMAND_IO, 2);
}

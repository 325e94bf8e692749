/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/i440fx.h"

#include "hw/core/runstate.h"

#define CONFIG_ENABLE   0x80000000u
#define CONFIG_WRITABLE 0x80fffffcu /* PCI Local Bus 3.0 section 3.2.2.3.2 */

/* Offsets in the port region at 0xcf8. */
enum {
    CONFIG_ADDRESS = 0,
    RESET_CONTROL = 1,
    CONFIG_DATA = 4,
};

enum {
    RESET_HARD = 1 << 1, /* a hard reset rather than a soft one: the same here */
    RESET_CPU = 1 << 2,  /* 0 to 1: reset */
};

typedef struct I440fxHost {
    Device parent;
    PciBus bus;
    uint32_t config_address;
    uint8_t reset_control;
    MemoryRegion ports;
} I440fxHost;

/* ---- configuration mechanism #1 ---- */

/* Whether the data port names a place on bus 0 now. */
static bool host_selected(const I440fxHost *s)
{
    return s->config_address & CONFIG_ENABLE && !(s->config_address >> 16 & 0xff);
}

static uint8_t host_devfn(const I440fxHost *s)
{
    return s->config_address >> 8;
}

static uint64_t host_read(void *opaque, hwaddr addr, unsigned size)
{
    I440fxHost *s = opaque;

    if (addr >= CONFIG_DATA) {
        uint8_t offset = (s->config_address & 0xfc) | (addr & 3);

        return host_selected(s) ? pci_config_read(&s->bus, host_devfn(s), offset, size)
                                : UINT32_MAX >> (32 - 8 * size);
    }
    if (addr == CONFIG_ADDRESS && size == 4) {
        return s->config_address;
    }
    return addr == RESET_CONTROL && size == 1 ? s->reset_control : UINT32_MAX >> (32 - 8 * size);
}

static void host_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    I440fxHost *s = opaque;

    if (addr >= CONFIG_DATA) {
        if (host_selected(s)) {
            uint8_t offset = (s->config_address & 0xfc) | (addr & 3);

            pci_config_write(&s->bus, host_devfn(s), offset, value, size);
        }
    } else if (addr == CONFIG_ADDRESS && size == 4) {
        s->config_address = value & CONFIG_WRITABLE;
    } else if (addr == RESET_CONTROL && size == 1) {
        bool reset = value & RESET_CPU && !(s->reset_control & RESET_CPU);

        s->reset_control = value & (RESET_HARD | RESET_CPU);
        if (reset) {
            system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        }
    }
}

static const MemoryRegionOps host_ops = { host_read, host_write, 1, 4 };

/* ---- function 00:00.0 (82441FX data sheet) ---- */

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

/* ---- the host ---- */

static void host_reset(Device *dev)
{
    I440fxHost *s = (I440fxHost *)dev;

    s->config_address = 0;
    s->reset_control = 0;
}

static const DeviceOps host_device_ops = {
    .category = "bridge",
    .reset = host_reset,
};

static const ObjectType host_type = {
    .name = TYPE_I440FX_HOST,
    .parent = TYPE_DEVICE,
    .description = "PCI host: configuration ports and bus 0",
    .instance_size = sizeof(I440fxHost),
    .ops = &host_device_ops,
};
OBJECT_TYPE_REGISTER(host_type)

PciBus *i440fx_create(MemoryRegion *io)
{
    I440fxHost *s = (I440fxHost *)device_new_onboard(TYPE_I440FX_HOST);

    memory_region_init_io(&s->ports, &host_ops, s, "pci-conf", 8);
    memory_region_add(io, 0xcf8, &s->ports);
    device_realize(&s->parent, NULL);
    pci_create(&s->bus, PCI_DEVFN(0, 0), TYPE_I440FX);
    return &s->bus;
}

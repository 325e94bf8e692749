/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/mch.h"

#include <inttypes.h>
#include <json-c/json.h>

#include "util/error.h"
#include "util/units.h"

#define EXT_TSEG 0x50
#define PCIEXBAR 0x60
#define MCH_PAM  0x90

/* PCIEXBAR (section 5.1.13): bit 0 enables, bits 2:1 are the length, 35:26 the base, of which those
 * below the length count as 0. */
#define PCIEXBAR_ENABLE 0x1u
#define PCIEXBAR_LENGTH 0x6u
#define PCIEXBAR_BASE   0xffc000000ull

/* Firmware that needs TSEG, memory of system management mode, writes EXT_TSEG_QUERY and reads how
 * many MiB it can have beyond the chipset's own sizes; the query read back says: none. */
#define EXT_TSEG_QUERY 0xffffu
#define EXT_TSEG_MAX   0xfffu

typedef struct Mch {
    PciDevice parent;
    /* configuration */
    uint16_t ext_tseg_mbytes; /* property; 0: none */
} Mch;
OBJECT_CAST_DEFINE(Mch, MCH, TYPE_MCH)

static const PciRegister mch_registers[] = {
    { EXT_TSEG, 2, 0, 0xffff },
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_DEVICE_ID, 2, 0x29c0 },
    { PCI_COMMAND, 2, 0x0006, 0x0100 },
    { PCI_STATUS, 2, 0x0080 },
    { PCI_REVISION_ID, 1, 0x02 },
    { PCI_CLASS_DEVICE, 2, 0x0600 },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCIEXBAR, 4, 0, (uint32_t)PCIEXBAR_BASE | PCIEXBAR_LENGTH | PCIEXBAR_ENABLE },
    { PCIEXBAR + 4, 4, 0, PCIEXBAR_BASE >> 32 },
    { MCH_PAM, 1, 0, PAM0_WMASK },
    { MCH_PAM + 1, 4, 0, PAM_WMASK * 0x01010101u },
    { MCH_PAM + 5, 2, 0, PAM_WMASK * 0x0101u },
    { 0x9d, 1, 0x02, 0x70 }, /* SMRAM */
    { 0x9e, 1, 0x38, 0x00 }, /* ESMRAMC: no TSEG */
};

/* Buses in the window; 0: a reserved length. */
static unsigned mch_buses(uint32_t pciexbar)
{
    static const unsigned buses[] = { 256, 128, 64, 0 };

    return buses[(pciexbar & PCIEXBAR_LENGTH) >> 1];
}

static bool mch_window(const PciDevice *mch, hwaddr *base, unsigned *buses)
{
    uint32_t low = pci_get_long(mch, PCIEXBAR);
    uint64_t address = ((uint64_t)pci_get_long(mch, PCIEXBAR + 4) << 32 | low) & PCIEXBAR_BASE;
    unsigned count = mch_buses(low);

    if (!(low & PCIEXBAR_ENABLE) || !count) {
        return false;
    }
    *base = address & ~(((uint64_t)count << 20) - 1);
    *buses = count;
    return true;
}

static void mch_update_ecam(PciDevice *mch)
{
    hwaddr base = 0;
    unsigned buses = 1;
    bool enabled = mch_window(mch, &base, &buses);

    pci_host_set_ecam(pci_host_of(pci_bus_of(mch)), enabled, base, buses);
}

static void mch_reset(PciDevice *mch)
{
    mch_update_ecam(mch);
    pci_host_update_pam(pci_host_of(pci_bus_of(mch)));
}

static void mch_answer_tseg(PciDevice *mch)
{
    uint16_t mbytes = MCH(mch)->ext_tseg_mbytes;

    if (mbytes) {
        pci_set_word(mch, EXT_TSEG, pci_get_word(mch, EXT_TSEG) == EXT_TSEG_QUERY ? mbytes : 0);
    }
}

static void mch_config_written(PciDevice *mch, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, EXT_TSEG, 2)) {
        mch_answer_tseg(mch);
    }
    if (pci_touches(offset, size, PCIEXBAR, 8)) {
        mch_update_ecam(mch);
    }
    if (pci_touches(offset, size, MCH_PAM, PAM_REGISTERS)) {
        pci_host_update_pam(pci_host_of(pci_bus_of(mch)));
    }
}

static void mch_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), mch_registers, G_N_ELEMENTS(mch_registers));
}

static bool check_tseg(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    if (json_object_get_uint64(value) > EXT_TSEG_MAX) {
        error_set(errp,
                  "extended-tseg-mbytes=%" PRIu64 " is too much: it is %u at most, and 0: none",
                  json_object_get_uint64(value), EXT_TSEG_MAX);
        return false;
    }
    return true;
}

static const Property mch_properties[] = {
    { .name = "extended-tseg-mbytes",
      .kind = PROP_UINT16,
      .offset = offsetof(Mch, ext_tseg_mbytes),
      .check = check_tseg,
      .has_default = true,
      .default_int = 16,
      .description =
          "what firmware is told of a TSEG of its own size, in MiB; there is no SMM, and so "
          "it is never enabled" },
    { 0 },
};

static const PciFunctionClass mch_ops = {
    /* It keeps memory over S3, and by it firmware finds itself again in the RAM that shadows it. */
    .device = { PCI_DEVICE_CLASS_BASE, .wake = device_keep, .category = "bridge" },
    .reset = mch_reset,
    .config_written = mch_config_written,
};

static const ObjectType mch_type = {
    .name = TYPE_MCH,
    .parent = TYPE_PCI_DEVICE,
    .description = "Host bridge",
    .instance_size = sizeof(Mch),
    .properties = mch_properties,
    .ops = &mch_ops,
    .init = mch_init,
};
OBJECT_TYPE_REGISTER(mch_type)

static const Property mch_host_properties[] = { PCI_HOST_HOLE64(32 * GIB), { 0 } };

static const ObjectType q35_host_type = {
    .name = TYPE_Q35_HOST,
    .parent = TYPE_PCI_HOST,
    .description = "PCI Express host: configuration accesses and bus 0",
    .properties = mch_host_properties,
};
OBJECT_TYPE_REGISTER(q35_host_type)

PciHost *mch_create(MemoryRegion *memory, MemoryRegion *io, MemoryRegion *ram)
{
    PciHost *host = pci_host_create(TYPE_Q35_HOST, "q35", TYPE_PCIE_BUS, "pcie.0", memory, io);
    PciDevice *mch = pci_create(host->bus, PCI_DEVFN(0, 0), TYPE_MCH);

    pci_host_init_pam(host, mch->config + MCH_PAM, memory, ram);
    return host;
}

bool mch_ecam(const PciHost *host, hwaddr *base, unsigned *buses)
{
    return mch_window(host->bus->devices[PCI_DEVFN(0, 0)], base, buses);
}

void mch_enable_ecam(PciHost *host)
{
    pci_config_write(host->bus, 0, PCI_DEVFN(0, 0), PCIEXBAR, MCH_ECAM_BASE | PCIEXBAR_ENABLE, 4);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/mch.h"

#include <inttypes.h>
#include <json-c/json.h>

#include "hw/pci/smram.h"
#include "util/error.h"
#include "util/units.h"

#define EXT_TSEG 0x50
#define GGC      0x52
#define PCIEXBAR 0x60
#define MCH_PAM  0x90
#define SMBASE   0x9c
#define SMRAM    0x9d
#define ESMRAMC  0x9e
#define GBSM     0xa4
#define BGSM     0xa8
#define TSEGMB   0xac
#define TOLUD    0xb0

/* PCIEXBAR (section 5.1.13): bit 0 enables, bits 2:1 are the length, 35:26 the base, of which those
 * below the length count as 0. */
#define PCIEXBAR_ENABLE 0x1u
#define PCIEXBAR_LENGTH 0x6u
#define PCIEXBAR_BASE   0xffc000000ull

/* Firmware that needs TSEG, memory of system management mode, writes EXT_TSEG_QUERY and reads how
 * many MiB it can have beyond the chipset's own sizes; the query read back says: none. TSEG_SZ 3
 * asks for them. */
#define EXT_TSEG_QUERY 0xffffu
#define EXT_TSEG_MAX   0xfffu

/* Firmware that wants the memory around the first SMBASE hidden writes SMBASE_QUERY, reads
 * SMBASE_IN_RAM if that can be, and sets SMBASE_LOCK, which lasts until a reset. */
#define SMBASE_QUERY  0xffu
#define SMBASE_IN_RAM 0x01u
#define SMBASE_LOCK   0x02u

typedef struct Mch {
    PciDevice parent;
    /* configuration */
    uint16_t ext_tseg_mbytes; /* property; 0: none */
    bool smbase_smram;        /* property */
    /* derived from the registers */
    Smram smram;
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
    { SMBASE, 1, 0 },
    { SMRAM, 1, SMRAM_C_BASE_SEG, SMRAM_D_OPEN | SMRAM_D_CLS | SMRAM_D_LCK },
    { ESMRAMC, 1, 0x38 }, /* caches are on */
};

/* Where firmware notes how it has divided the memory below 4 GiB: whoever knows TSEG by TSEGMB must
 * find what firmware wrote. */
static const PciRegister division[] = {
    { GGC, 2, 0, 0x0ff2 },        { GBSM, 4, 0, 0xfff00000 }, { BGSM, 4, 0, 0xfff00000 },
    { TSEGMB, 4, 0, 0xfff00000 }, { TOLUD, 2, 0, 0xfff0 },
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

/* ---- system management RAM: sections 5.1.29 and 5.1.30, but for EXT_TSEG and SMBASE ---- */

static uint64_t tseg_size(const PciDevice *dev)
{
    enum { EXTENDED = 3 };
    static const unsigned mbytes[] = { 1, 2, 8, 0 };
    unsigned esmramc = dev->config[ESMRAMC], which = (esmramc & ESMRAMC_TSEG_SZ) >> 1;

    if (!(esmramc & ESMRAMC_T_EN)) {
        return 0;
    }
    return (which == EXTENDED ? MCH(dev)->ext_tseg_mbytes : mbytes[which]) * MIB;
}

/* Little endian. */
static void set_wmask(PciDevice *dev, const PciRegister *r, bool locked)
{
    for (unsigned i = 0; i < r->size; i++) {
        dev->wmask[r->offset + i] = locked ? 0 : (uint8_t)(r->wmask >> 8 * i);
    }
}

/* What the guest may still change. */
static void update_locks(PciDevice *dev)
{
    bool locked = dev->config[SMRAM] & SMRAM_D_LCK, smbase = MCH(dev)->smbase_smram;

    if (locked) {
        dev->config[SMRAM] &= (uint8_t)~SMRAM_D_OPEN;
    }
    dev->wmask[SMRAM] =
        locked ? SMRAM_D_CLS : SMRAM_D_OPEN | SMRAM_D_CLS | SMRAM_D_LCK | SMRAM_G_SMRAME;
    dev->wmask[ESMRAMC] = locked ? 0 : ESMRAMC_H_SMRAME | ESMRAMC_TSEG_SZ | ESMRAMC_T_EN;
    dev->wmask[EXT_TSEG] = dev->wmask[EXT_TSEG + 1] = locked ? 0 : 0xff;
    for (size_t i = 0; i < G_N_ELEMENTS(division); i++) {
        set_wmask(dev, &division[i], locked);
    }
    dev->wmask[SMBASE] = smbase && !(dev->config[SMBASE] & SMBASE_LOCK) ? 0xff : 0;
}

static void mch_update_smram(PciDevice *dev)
{
    Mch *mch = MCH(dev);

    if (!smram_exists(&mch->smram)) {
        return;
    }
    update_locks(dev);
    uint8_t smram = dev->config[SMRAM];
    bool on = smram & SMRAM_G_SMRAME;
    const SmramView view = {
        .legacy = on,
        .high = dev->config[ESMRAMC] & ESMRAMC_H_SMRAME,
        .open = smram & SMRAM_D_OPEN,
        .tseg_size = on ? tseg_size(dev) : 0,
        .smbase = dev->config[SMBASE] & SMBASE_LOCK,
    };
    smram_update(&mch->smram, &view);
}

/* What firmware writes is a question, or the lock. */
static void mch_answer_smbase(PciDevice *dev)
{
    uint8_t *reg = &dev->config[SMBASE];

    if (dev->wmask[SMBASE]) {
        *reg = *reg == SMBASE_QUERY ? SMBASE_IN_RAM : *reg & SMBASE_LOCK;
    }
}

static void mch_reset(PciDevice *mch)
{
    mch_update_ecam(mch);
    mch_update_smram(mch);
    pci_host_update_pam(pci_host_of(pci_bus_of(mch)));
}

/* It keeps memory over S3, and by PAM firmware finds itself again in the RAM that shadows it. What
 * is locked is open again: firmware, which runs first, locks it anew. */
static void mch_wake(Device *dev)
{
    static const uint8_t forgotten[] = { EXT_TSEG, EXT_TSEG + 1, SMBASE, SMRAM, ESMRAMC };
    PciDevice *mch = PCI_DEVICE(dev);

    for (size_t i = 0; i < G_N_ELEMENTS(forgotten); i++) {
        mch->config[forgotten[i]] = mch->initial[forgotten[i]];
    }
    mch_update_smram(mch);
}

static void mch_answer_tseg(PciDevice *mch)
{
    uint16_t mbytes = MCH(mch)->ext_tseg_mbytes;

    if (mbytes && mch->wmask[EXT_TSEG]) {
        pci_set_word(mch, EXT_TSEG, pci_get_word(mch, EXT_TSEG) == EXT_TSEG_QUERY ? mbytes : 0);
    }
}

static void mch_config_written(PciDevice *mch, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, EXT_TSEG, 2)) {
        mch_answer_tseg(mch);
    }
    if (pci_touches(offset, size, SMBASE, 1)) {
        mch_answer_smbase(mch);
    }
    if (pci_touches(offset, size, SMBASE, ESMRAMC + 1 - SMBASE)) {
        mch_update_smram(mch);
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
    pci_set_registers(PCI_DEVICE(obj), division, G_N_ELEMENTS(division));
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
          "size of the TSEG that firmware can have besides those of 1, 2 and 8 MiB, in MiB" },
    { .name = "smbase-smram",
      .kind = PROP_BOOL,
      .offset = offsetof(Mch, smbase_smram),
      .has_default = true,
      .default_int = true,
      .description = "firmware can hide the memory around the first SMBASE, 0x30000" },
    { 0 },
};

static const PciFunctionClass mch_ops = {
    .device = { PCI_DEVICE_CLASS_BASE, .wake = mch_wake, .category = "bridge" },
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
    smram_init(&MCH(mch)->smram, memory, ram);
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/ich9-lpc.h"

#include "hw/core/smi.h"

/* Chapter 13.1. */
enum {
    PMBASE = 0x40,
    ACPI_CNTL = 0x44,
    GEN_PMCON_1 = 0xa0,
    RCBA = 0xf0,
};

#define PMBASE_ADDRESS   0xff80u
#define ACPI_CNTL_ENABLE 0x80u
#define SMI_LOCK         0x10u
#define RCBA_ENABLE      0x1u
#define RCBA_ADDRESS     0xffffc000u

static const PciRegister lpc_registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_DEVICE_ID, 2, 0x2918 },
    { PCI_COMMAND, 2, 0x0007, 0x0100 },
    { PCI_STATUS, 2, 0x0200 },
    { PCI_REVISION_ID, 1, 0x02 },
    { PCI_CLASS_DEVICE, 2, 0x0601 },
    { PCI_HEADER_TYPE, 1, PCI_HEADER_MULTIFUNCTION },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PMBASE, 4, 0x00000001, PMBASE_ADDRESS },
    { ACPI_CNTL, 1, 0x00, ACPI_CNTL_ENABLE }, /* SCI is IRQ 9, and stays it */
    { PIRQ_A, 4, 0x80808080, 0x8f8f8f8f },
    { 0x64, 1, 0x10, 0xff }, /* serial IRQ control */
    { PIRQ_E, 4, 0x80808080, 0x8f8f8f8f },
    { 0x80, 4, 0x00000000, 0x030f1377 }, /* ranges that go to LPC, and are enabled */
    { GEN_PMCON_1, 2, 0x0000, SMI_LOCK },
    { 0xa4, 1, 0x00, 0x01 }, /* GEN_PMCON_3 */
    { RCBA, 4, 0, RCBA_ADDRESS | RCBA_ENABLE },
};

/* ---- interrupts ---- */

unsigned ich9_pirq(uint8_t slot, unsigned pin)
{
    return slot > ICH9_LAST_ROTATE ? pin : ICH9_PIRQS / 2 + (slot + pin) % 4;
}

static unsigned lpc_map(void *opaque, uint8_t slot, unsigned pin)
{
    return ich9_pirq(slot, pin);
}

static void lpc_set_pirq(void *opaque, unsigned pirq, int level)
{
    Ich9Lpc *lpc = opaque;

    pirq_set(&lpc->pirqs, &lpc->parent, pirq, level);
    irq_set(&lpc->pins[pirq], level);
}

/* ---- chipset configuration registers: chapter 10.1 ---- */

static uint64_t rcrb_read(void *opaque, hwaddr addr, unsigned size)
{
    /* D31IR to D25IR: the fixed routes that ich9_pirq() follows. */
    static const uint16_t routes[] = { 0x3140, 0x3142, 0x3144, 0x3146, 0x3148, 0x314c, 0x3150 };
    const Ich9Lpc *lpc = opaque;
    uint64_t value = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(routes); i++) {
        if (routes[i] / 4 == addr / 4) {
            value |= 0x3210u << (routes[i] & 2) * 8;
        }
    }
    return addr == ICH9_GCS ? ich9_tco_gcs(&lpc->tco) : value;
}

static void rcrb_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ich9Lpc *lpc = opaque;

    if (addr == ICH9_GCS) {
        ich9_tco_set_gcs(&lpc->tco, (uint32_t)value);
    }
}

static const MemoryRegionOps rcrb_ops = { rcrb_read, rcrb_write, 4, 4 };

/* ---- the function ---- */

static void lpc_update_pm(Ich9Lpc *lpc)
{
    uint16_t base = pci_get_word(&lpc->parent, PMBASE) & PMBASE_ADDRESS;
    bool enabled = base && lpc->parent.config[ACPI_CNTL] & ACPI_CNTL_ENABLE;

    memory_transaction_begin();
    acpi_pm_map(lpc->pm, enabled, base);
    memory_region_set_address(&lpc->tco.region, base + ICH9_TCO_OFFSET);
    memory_region_set_enabled(&lpc->tco.region, enabled && lpc->tco.enabled);
    memory_transaction_commit();
}

/* ---- SMIs ---- */

/* GEN_PMCON_1: once set, SMI_LOCK and GBL_SMI_EN stay until a reset. */
static void lpc_update_smi_lock(Ich9Lpc *lpc)
{
    bool locked = lpc->parent.config[GEN_PMCON_1] & SMI_LOCK;

    lpc->parent.wmask[GEN_PMCON_1] = locked ? 0 : SMI_LOCK;
}

static uint32_t lpc_smi_locked(void *opaque)
{
    const Ich9Lpc *lpc = opaque;

    return (lpc->parent.config[GEN_PMCON_1] & SMI_LOCK ? ACPI_SMI_GBL_EN : 0) |
           (ich9_tco_locked(&lpc->tco) ? ACPI_SMI_TCO_EN : 0);
}

/* What happened is @event of SMI_STS, and is enabled by the same bit of SMI_EN (sections 13.8.3.8
 * and 13.8.3.9). */
static void lpc_raise_smi(const Ich9Lpc *lpc, uint32_t event)
{
    AcpiPm *pm = lpc->pm;

    if (!(pm->smi_en & event)) {
        return;
    }
    pm->smi_events |= event;
    if (!(pm->smi_en & ACPI_SMI_GBL_EN)) {
        return;
    }
    if (lpc->broadcasts && lpc->broadcasts(lpc->broadcasts_opaque)) {
        smi_raise_all();
    } else {
        smi_raise_current();
    }
}

static void lpc_commanded(void *opaque)
{
    lpc_raise_smi(opaque, ACPI_SMI_APMC_EN);
}

static void lpc_tco_asks(void *opaque)
{
    lpc_raise_smi(opaque, ACPI_SMI_TCO_EN);
}

/* ---- the registers ---- */

static void lpc_update_rcrb(Ich9Lpc *lpc)
{
    uint32_t rcba = pci_get_long(&lpc->parent, RCBA);

    memory_transaction_begin();
    memory_region_set_address(&lpc->rcrb, rcba & RCBA_ADDRESS);
    memory_region_set_enabled(&lpc->rcrb, rcba & RCBA_ENABLE);
    memory_transaction_commit();
}

static void lpc_reset(PciDevice *dev)
{
    Ich9Lpc *lpc = ICH9_LPC(dev);

    ich9_tco_reset(&lpc->tco);
    lpc_update_pm(lpc);
    lpc_update_rcrb(lpc);
    lpc_update_smi_lock(lpc);
    pirq_update(&lpc->pirqs, dev);
}

/* Over S3 it keeps where the PM block is: SeaBIOS does not say it again when it resumes. Of SMIs
 * nothing is kept. */
static void lpc_wake(Device *dev)
{
    Ich9Lpc *lpc = ICH9_LPC(dev);

    lpc->parent.config[GEN_PMCON_1] &= (uint8_t)~SMI_LOCK;
    lpc_update_smi_lock(lpc);
}

static void lpc_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    Ich9Lpc *lpc = ICH9_LPC(dev);

    if (pci_touches(offset, size, PMBASE, ACPI_CNTL + 1 - PMBASE)) {
        lpc_update_pm(lpc);
    }
    if (pci_touches(offset, size, PIRQ_A, PIRQ_E + 4 - PIRQ_A)) {
        pirq_update(&lpc->pirqs, dev);
    }
    if (pci_touches(offset, size, GEN_PMCON_1, 2)) {
        lpc_update_smi_lock(lpc);
    }
    if (pci_touches(offset, size, RCBA, 4)) {
        lpc_update_rcrb(lpc);
    }
}

static bool lpc_realize(PciDevice *dev, GError **errp)
{
    ich9_tco_init(&ICH9_LPC(dev)->tco);
    return true;
}

static void lpc_unrealize(PciDevice *dev)
{
    ich9_tco_destroy(&ICH9_LPC(dev)->tco);
}

static void lpc_init(Object *obj)
{
    PciDevice *dev = PCI_DEVICE(obj);

    dev->multifunction = true; /* the other functions of 00:1f come after it */
    pci_set_registers(dev, lpc_registers, G_N_ELEMENTS(lpc_registers));
}

static const StateField lpc_fields[] = {
    STATE_STRUCT(Ich9Lpc, pirqs, &pirq_router_state),
    STATE_STRUCT(Ich9Lpc, parent, &pci_device_state),
    STATE_STRUCT_SINCE(Ich9Lpc, tco, &ich9_tco_state, 3),
    {},
};
static const StateTable lpc_state = {
    .name = "ich9-lpc", .version = 3, .oldest = 2, .fields = lpc_fields
};

static const PciFunctionClass lpc_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .wake = lpc_wake, .category = "bridge",
                .state = &lpc_state },
    .realize = lpc_realize,
    .unrealize = lpc_unrealize,
    .reset = lpc_reset,
    .config_written = lpc_config_written,
};

/* What firmware may ask for (hw/i386/smi.h). */
#define SMI_FEATURE(text, field, what)                                                            \
    {                                                                                             \
        .name = text, .kind = PROP_BOOL, .offset = offsetof(Ich9Lpc, field), .has_default = true, \
        .default_int = true, .description = what                                                  \
    }

static const Property lpc_properties[] = {
    ACPI_PM_SLEEP_PROPERTIES(offsetof(Ich9Lpc, sleep)),
    ACPI_PCI_HOTPLUG_BRIDGES(offsetof(Ich9Lpc, hotplug)),
    PROPERTY_ALWAYS("memory-hotplug-support", Ich9Lpc, fixed, ACPI_PM_MEMORY_HOTPLUG),
    { .name = "enable_tco",
      .kind = PROP_BOOL,
      .offset = offsetof(Ich9Lpc, tco.enabled),
      .has_default = true,
      .default_int = true,
      .description = "there is a TCO watchdog" },
    { .name = "noreboot",
      .kind = PROP_BOOL,
      .offset = offsetof(Ich9Lpc, tco.strap),
      .has_default = true,
      .default_int = true,
      .description = "the TCO watchdog never fires, and the guest can see it" },
    SMI_FEATURE("x-smi-broadcast", smi_broadcast,
                "SMIs of the command port can go to all processors"),
    SMI_FEATURE("x-smi-cpu-hotplug", smi_cpu_hotplug, "an SMI can tell of a new processor"),
    SMI_FEATURE("x-smi-cpu-hotunplug", smi_cpu_hotunplug, "an SMI can tell of one that goes"),
    { 0 },
};

static const ObjectType lpc_type = {
    .name = TYPE_ICH9_LPC,
    .parent = TYPE_PCI_DEVICE,
    .description = "ICH9 LPC bridge",
    .instance_size = sizeof(Ich9Lpc),
    .properties = lpc_properties,
    .ops = &lpc_ops,
    .init = lpc_init,
};
OBJECT_TYPE_REGISTER(lpc_type)

Ich9Lpc *ich9_lpc_create(PciBus *bus, AcpiPm *pm, const Irq pins[ICH9_PIRQS],
                         const Irq pic[ISA_IRQS])
{
    Ich9Lpc *lpc = ICH9_LPC(pci_create(bus, ICH9_LPC_DEVFN, TYPE_ICH9_LPC));
    const PciInterrupts interrupts = { lpc_map, lpc_set_pirq, lpc };

    lpc->pm = pm;
    pm->sleep = &lpc->sleep;
    pm->commanded = lpc_commanded;
    pm->smi_locked = lpc_smi_locked;
    pm->chip_opaque = lpc;
    lpc->tco.asks_smi = lpc_tco_asks;
    lpc->tco.smi_opaque = lpc;
    for (unsigned i = 0; i < ICH9_PIRQS; i++) {
        lpc->pins[i] = pins[i];
    }
    for (unsigned i = 0; i < ISA_IRQS; i++) {
        lpc->pirqs.irqs[i] = pic[i];
    }
    memory_region_init_io(&lpc->rcrb, &rcrb_ops, lpc, "lpc-rcrb", ICH9_RCBA_SIZE);
    memory_region_set_enabled(&lpc->rcrb, false);
    device_map(&lpc->parent.parent, &bus->memory, 0, &lpc->rcrb, 1);
    device_map(&lpc->parent.parent, pm->io, 0, &lpc->tco.region, 1); /* over the PM block */
    pci_bus_set_interrupts(bus, &interrupts);
    return lpc;
}

void ich9_lpc_set_up(Ich9Lpc *lpc)
{
    static const PciRegister values[] = {
        { PMBASE, 4, ACPI_PM_BASE },
        { ACPI_CNTL, 1, ACPI_CNTL_ENABLE },
        { PIRQ_A, 4, 0x0b0b0a0a },
        { PIRQ_E, 4, 0x0b0b0a0a },
        { RCBA, 4, ICH9_RCBA_BASE | RCBA_ENABLE },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        pci_config_write(pci_bus_of(&lpc->parent), 0, ICH9_LPC_DEVFN, values[i].offset,
                         values[i].value, values[i].size);
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The unit: its registers, its function, and its life. */
#include "hw/iommu/amdvi.h"

#include <string.h>

#include "accel/accel.h"
#include "accel/notify.h"
#include "hw/intc/apic.h"
#include "hw/pci/pci-cap.h"
#include "hw/virtio/virtio-device.h"
#include "util/error.h"

/* Values of intremap. */
enum { MODE_AUTO, MODE_ON, MODE_OFF };

/* ---- registers ---- */

/* What is more to do once the lock is given back. */
enum { THEN_COMMANDS = 1 << 0, THEN_REMAP = 1 << 1 };

/* A part that is switched on begins to run; one that is off does not. */
static void switch_run(Amdvi *s, uint64_t before, uint64_t now, uint32_t enables, uint32_t runs)
{
    uint64_t *status = amdvi_reg(s, AMDVI_STATUS);
    uint64_t all = AMDVI_ENABLED | enables;

    if ((now & all) != all) {
        *status &= ~(uint64_t)runs;
    } else if ((before & all) != all) {
        *status |= runs;
    }
}

static void control_written(Amdvi *s, uint64_t before)
{
    uint64_t now = *amdvi_reg(s, AMDVI_CONTROL);

    switch_run(s, before, now, AMDVI_COMMANDS, AMDVI_COMMANDS_RUN);
    switch_run(s, before, now, AMDVI_EVENT_LOG, AMDVI_EVENTS_RUN);
    if ((before ^ now) & AMDVI_ENABLED) {
        iommu_tlb_flush_all(&s->tlb);
    }
    atomic_store_explicit(&s->translates, now & AMDVI_ENABLED, memory_order_release);
}

static void command_base_written(Amdvi *s, uint64_t before)
{
    *amdvi_reg(s, AMDVI_COMMAND_HEAD) = *amdvi_reg(s, AMDVI_COMMAND_TAIL) = 0;
}

static void event_base_written(Amdvi *s, uint64_t before)
{
    *amdvi_reg(s, AMDVI_EVENT_HEAD) = *amdvi_reg(s, AMDVI_EVENT_TAIL) = 0;
}

#define RING_BASE (AMDVI_ADDRESS | 0xfull << AMDVI_LENGTH_SHIFT)

static const struct {
    uint16_t offset;
    uint64_t writable, cleared;                 /* bits; the latter by writing 1 */
    void (*written)(Amdvi *s, uint64_t before); /* locked; may be NULL */
    unsigned then;
} registers[] = {
    { AMDVI_DEVICE_TABLE, AMDVI_ADDRESS | 0x1ff, 0, NULL, THEN_REMAP },
    { AMDVI_COMMAND_BASE, RING_BASE, 0, command_base_written, 0 },
    { AMDVI_EVENT_BASE, RING_BASE, 0, event_base_written, 0 },
    { AMDVI_CONTROL, 0x3fffffff, 0, control_written, THEN_COMMANDS | THEN_REMAP },
    { AMDVI_EXCLUSION_BASE, AMDVI_ADDRESS | 3, 0, NULL, 0 },
    { AMDVI_EXCLUSION_LIMIT, AMDVI_ADDRESS, 0, NULL, 0 },
    { AMDVI_COMMAND_HEAD, AMDVI_RING_OFFSET, 0, NULL, 0 },
    { AMDVI_COMMAND_TAIL, AMDVI_RING_OFFSET, 0, NULL, THEN_COMMANDS },
    { AMDVI_EVENT_HEAD, AMDVI_RING_OFFSET, 0, NULL, 0 },
    { AMDVI_EVENT_TAIL, AMDVI_RING_OFFSET, 0, NULL, 0 },
    { AMDVI_STATUS, 0, AMDVI_STATUS_CLEARED, NULL, 0 },
};

static bool is_register(unsigned offset)
{
    const Amdvi *s = NULL;

    return offset < sizeof(s->low) ||
           (offset >= AMDVI_HIGH && offset < AMDVI_HIGH + sizeof(s->high));
}

/* The bits @mask of the register at @offset. */
static void write_register(Amdvi *s, unsigned offset, uint64_t value, uint64_t mask)
{
    unsigned then = 0;

    amdvi_lock(s);
    for (unsigned i = 0; i < G_N_ELEMENTS(registers); i++) {
        uint64_t *reg = amdvi_reg(s, registers[i].offset), before = *reg;
        uint64_t writable = registers[i].writable & mask;

        if (registers[i].offset != offset) {
            continue;
        }
        *reg = (*reg & ~writable) | (value & writable);
        *reg &= ~(value & registers[i].cleared & mask);
        if (registers[i].written) {
            registers[i].written(s, before);
        }
        then = registers[i].then;
    }
    amdvi_unlock(s);
    if (then & THEN_REMAP) {
        amdvi_remap_changed(s);
    }
    if (then & THEN_COMMANDS) {
        amdvi_run_commands(s);
    }
}

/* Accesses are of 4 or 8 bytes, aligned to that. */
static void unit_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    unsigned offset = (unsigned)addr & ~7u, shift = (unsigned)(addr & 4) * 8;

    if (is_register(offset)) {
        write_register(opaque, offset, value << shift,
                       size == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << shift);
    }
}

static uint64_t unit_read(void *opaque, hwaddr addr, unsigned size)
{
    Amdvi *s = opaque;
    unsigned offset = (unsigned)addr & ~7u;
    uint64_t value = 0;

    if (is_register(offset)) {
        amdvi_lock(s);
        value = *amdvi_reg(s, offset) >> (addr & 4) * 8;
        amdvi_unlock(s);
    }
    return size == 8 ? value : (uint32_t)value;
}

static const MemoryRegionOps unit_ops = { unit_read, unit_write, 4, 8 };

/* ---- the function ---- */

enum { CAP_SECURE = 0x0f, CAP_SIZE = 0x14, CAP_AT = 0x40 };

/* The capability of an IOMMU (section 3.2): the kind, what it has, and where its registers are. */
static void amdvi_pci_init(Object *obj)
{
    static const PciRegister pci_registers[] = {
        { PCI_VENDOR_ID, 2, 0x1022 },
        { PCI_COMMAND, 2, 0,
          PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
              PCI_COMMAND_INTX_DISABLE },
        { PCI_CLASS_DEVICE, 2, 0x0806 }, /* an IOMMU */
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    };

    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

static bool amdvi_pci_realize(PciDevice *dev, GError **errp)
{
    static const PciRegister capability[] = {
        { CAP_AT + 2, 2,
          3 << 0 | 1 << 3 | 1 << 11 },     /* of revision 1, with the features' register */
        { CAP_AT + 4, 4, AMDVI_BASE | 1 }, /* they are there */
        { CAP_AT + 0x10, 4, 64u << 15 | 48 << 8 | 40 }, /* bits of addresses: virtual, physical, */
    };
    uint8_t at = pci_add_capability(dev, CAP_SECURE, CAP_SIZE);

    g_assert(at == CAP_AT);
    pci_set_registers(dev, capability, G_N_ELEMENTS(capability));
    pci_add_msi_unmasked(dev, 1);
    return true;
}

static const PciFunctionClass amdvi_pci_class = {
    .device = { PCI_DEVICE_CLASS_BASE, .category = "misc" },
    .realize = amdvi_pci_realize,
};

static const ObjectType amdvi_pci_type = {
    .name = TYPE_AMDVI_PCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "PCI function of amd-iommu",
    .instance_size = sizeof(PciDevice),
    .ops = &amdvi_pci_class,
    .init = amdvi_pci_init,
};
OBJECT_TYPE_REGISTER(amdvi_pci_type)

/* In the first slot that is free. */
static bool create_function(Amdvi *s, GError **errp)
{
    Device *dev = device_new_onboard(TYPE_AMDVI_PCI);

    dev->bus = &s->root_bus->parent;
    if (!device_realize(dev, errp)) {
        object_unparent(OBJECT(dev));
        return false;
    }
    s->function = PCI_DEVICE(dev);
    return true;
}

/* ---- life ---- */

static void amdvi_reset(Device *dev)
{
    Amdvi *s = AMDVI(dev);

    amdvi_drop_events(s);
    amdvi_lock(s);
    memset(s->low, 0, sizeof(s->low));
    memset(s->high, 0, sizeof(s->high));
    *amdvi_reg(s, AMDVI_FEATURES) = AMDVI_FEATURES_VALUE;
    atomic_store_explicit(&s->translates, false, memory_order_release);
    iommu_tlb_flush_all(&s->tlb);
    amdvi_unlock(s);
    amdvi_remap_changed(s);
}

static bool choose_remapping(Amdvi *s, GError **errp)
{
    bool can = !accel_chips(); /* the kernel's I/O APIC asks nobody */

    if (s->intremap == MODE_ON && !can) {
        error_set(errp, "'intremap' is on, but the kernel has the I/O APIC: it needs -machine "
                        "kernel-irqchip=split (or off)");
        return false;
    }
    s->remaps = s->intremap != MODE_OFF && can;
    return true;
}

static bool amdvi_realize(Device *dev, GError **errp)
{
    Amdvi *s = AMDVI(dev);
    PciBus *root = pci_root_bus();
    Object *ioapic = object_find_type(TYPE_IOAPIC);

    if (!root || !pci_bus_is_express(root) || !ioapic) {
        error_set(errp, "it is part of the machine q35 only: use that, or virtio-iommu-pci");
        return false;
    }
    if (!pci_iommu_check(root, errp) || !choose_remapping(s, errp) ||
        !(root->bypass_iommu || virtio_check_iommu_all(errp))) {
        return false;
    }
    s->root_bus = root;
    s->ioapic = IOAPIC(ioapic);
    if (!create_function(s, errp)) {
        return false;
    }
    memory_region_init_io(&s->region, &unit_ops, s, TYPE_AMD_IOMMU, AMDVI_SIZE);
    device_map(dev, memory_system(), AMDVI_BASE, &s->region, 0);
    amdvi_reset(dev);
    s->ops = (PciIommu){ .translate = amdvi_translate,
                         .remap = s->remaps ? amdvi_remap_msi : NULL,
                         .opaque = s };
    pci_iommu_set(root, &s->ops);
    if (s->remaps) {
        ioapic_set_remap(s->ioapic, amdvi_remap_pin, s);
        accel_set_msi_sender(apic_deliver_msi);
    }
    return true;
}

static void amdvi_unrealize(Device *dev)
{
    Amdvi *s = AMDVI(dev);

    amdvi_reset(dev);
    pci_iommu_set(s->root_bus, NULL);
    if (s->remaps) {
        ioapic_set_remap(s->ioapic, NULL, NULL);
        accel_set_msi_sender(NULL);
    }
    amdvi_drop_events(s);
    device_unplug(&s->function->parent);
    s->function = NULL;
    memory_region_destroy(&s->region);
}

static void amdvi_init(Object *obj)
{
    g_mutex_init(&AMDVI(obj)->lock);
}

static void amdvi_finalize(Object *obj)
{
    g_mutex_clear(&AMDVI(obj)->lock);
}

const Amdvi *amdvi_find(void)
{
    Object *found = object_find_type(TYPE_AMD_IOMMU);

    return found && DEVICE(found)->realized ? AMDVI(found) : NULL;
}

/* ---- state ---- */

static bool amdvi_loaded(void *obj, GError **errp)
{
    Amdvi *s = obj;
    const unsigned offsets[] = { AMDVI_COMMAND_HEAD, AMDVI_COMMAND_TAIL, AMDVI_EVENT_HEAD,
                                 AMDVI_EVENT_TAIL };

    for (unsigned i = 0; i < G_N_ELEMENTS(offsets); i++) {
        if (*amdvi_reg(s, offsets[i]) & ~(uint64_t)AMDVI_RING_OFFSET) {
            error_set(errp, "a ring of the " TYPE_AMD_IOMMU " is not at an entry");
            return false;
        }
    }
    *amdvi_reg(s, AMDVI_FEATURES) = AMDVI_FEATURES_VALUE;
    atomic_store_explicit(&s->translates, *amdvi_reg(s, AMDVI_CONTROL) & AMDVI_ENABLED,
                          memory_order_release);
    iommu_tlb_flush_all(&s->tlb);
    amdvi_remap_changed(s);
    return true;
}

static void amdvi_saving(void *obj)
{
    Amdvi *s = obj;

    amdvi_lock(s); /* what the main loop has not written yet is written by the end of this */
    amdvi_unlock(s);
}

static const StateField amdvi_fields[] = {
    STATE_UINTS(Amdvi, low),
    STATE_UINTS(Amdvi, high),
    {},
};
static const StateTable amdvi_state = { .name = TYPE_AMD_IOMMU,
                                        .version = 1,
                                        .fields = amdvi_fields,
                                        .pre_save = amdvi_saving,
                                        .post_load = amdvi_loaded };

/* ---- the type ---- */

static const char *const modes[] = { "auto", "on", "off", NULL }; /* by MODE_ */

static const Property amdvi_properties[] = {
    { .name = "intremap",
      .kind = PROP_ENUM,
      .enum_names = modes,
      .custom_type = "OnOffAuto",
      .offset = offsetof(Amdvi, intremap),
      .has_default = true,
      .default_int = MODE_AUTO,
      .description = "interrupt remapping; auto: unless the kernel has the I/O APIC" },
    { .name = "device-iotlb",
      .kind = PROP_BOOL,
      .offset = offsetof(Amdvi, device_iotlb),
      .has_default = true,
      .description = "functions may have translations themselves (ATS)" },
    { .name = "pt",
      .kind = PROP_BOOL,
      .offset = offsetof(Amdvi, pt),
      .has_default = true,
      .default_int = true,
      .description = "accepted: the tables can let any function pass" },
    { 0 },
};

static const DeviceClass amdvi_ops = {
    .category = "misc",
    .flags = DEVICE_USER_CREATABLE,
    .realize = amdvi_realize,
    .unrealize = amdvi_unrealize,
    .reset = amdvi_reset,
    .state = &amdvi_state,
};

static const ObjectType amdvi_type = {
    .name = TYPE_AMD_IOMMU,
    .parent = TYPE_DEVICE,
    .description = "AMD IOMMU: DMA and interrupt remapping",
    .instance_size = sizeof(Amdvi),
    .properties = amdvi_properties,
    .ops = &amdvi_ops,
    .init = amdvi_init,
    .finalize = amdvi_finalize,
};
OBJECT_TYPE_REGISTER(amdvi_type)

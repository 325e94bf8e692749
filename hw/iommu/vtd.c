/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The unit: its registers, and its life. */
#include "hw/iommu/vtd.h"

#include <string.h>

#include "accel/accel.h"
#include "accel/notify.h"
#include "hw/intc/apic.h"
#include "hw/virtio/virtio-device.h"
#include "util/error.h"

/* Values of intremap and eim. */
enum { MODE_AUTO, MODE_ON, MODE_OFF };

/* ---- registers ---- */

static void set_root(Vtd *s)
{
    s->root = vtd_reg64(s, VTD_RTADDR) & VTD_RTADDR_TABLE;
}

static void set_remap_table(Vtd *s)
{
    s->remap_table = vtd_reg64(s, VTD_IRTA);
}

/* A command sets or clears one bit, which GSTS shows when it is done: at once. */
static void command(Vtd *s, uint32_t value)
{
    const uint32_t held = (s->dma_translation ? VTD_TRANSLATION : 0) | VTD_QUEUE |
                          (s->remaps ? VTD_REMAPPING | VTD_COMPATIBLE : 0);
    uint32_t *status = vtd_reg(s, VTD_GSTS), before = *status;

    *status = (*status & ~held) | (value & held);
    if (value & VTD_ROOT_TABLE) {
        set_root(s);
        *status |= VTD_ROOT_TABLE;
    }
    if (value & VTD_REMAP_TABLE && s->remaps) {
        set_remap_table(s);
        *status |= VTD_REMAP_TABLE;
    }
    if (*status & ~before & VTD_QUEUE) {
        *vtd_reg(s, VTD_IQH) = 0;
    }
    if ((*status ^ before) & VTD_TRANSLATION) {
        iommu_tlb_flush_all(&s->tlb);
    }
    atomic_store_explicit(&s->translates, *status & VTD_TRANSLATION, memory_order_release);
}

static void gcmd_written(Vtd *s)
{
    uint32_t value = *vtd_reg(s, VTD_GCMD);

    *vtd_reg(s, VTD_GCMD) = 0; /* write-only */
    command(s, value);
}

/* What is more to do once the lock is given back. */
enum { THEN_QUEUE = 1 << 0, THEN_REMAP = 1 << 1 };

static const struct {
    uint16_t offset;
    uint32_t writable, cleared; /* bits; the latter by writing 1 */
    void (*written)(Vtd *s);    /* locked; may be NULL */
    unsigned then;
} registers[] = {
    { VTD_GCMD, UINT32_MAX, 0, gcmd_written, THEN_QUEUE | THEN_REMAP },
    { VTD_RTADDR, 0xfffff000, 0, NULL, 0 },
    { VTD_RTADDR + 4, UINT32_MAX, 0, NULL, 0 },
    { VTD_CCMD, UINT32_MAX, 0, NULL, 0 },
    { VTD_CCMD + 4, 0xe0000003, 0, vtd_context_command, 0 },
    { VTD_FSTS, 0, VTD_FSTS_CLEARED, vtd_events_written, THEN_QUEUE },
    { VTD_FECTL, VTD_EVENT_MASKED, 0, vtd_events_written, 0 },
    { VTD_FEDATA, UINT32_MAX, 0, NULL, 0 },
    { VTD_FEADDR, 0xfffffffc, 0, NULL, 0 },
    { VTD_FEUADDR, UINT32_MAX, 0, NULL, 0 },
    { VTD_IQT, 0x7fff0, 0, NULL, THEN_QUEUE },
    { VTD_IQA, 0xfffff007, 0, NULL, 0 },
    { VTD_IQA + 4, UINT32_MAX, 0, NULL, 0 },
    { VTD_ICS, 0, VTD_ICS_COMPLETE, vtd_events_written, 0 },
    { VTD_IECTL, VTD_EVENT_MASKED, 0, vtd_events_written, 0 },
    { VTD_IEDATA, UINT32_MAX, 0, NULL, 0 },
    { VTD_IEADDR, 0xfffffffc, 0, NULL, 0 },
    { VTD_IEUADDR, UINT32_MAX, 0, NULL, 0 },
    { VTD_IRTA, 0xfffff80f, 0, NULL, 0 },
    { VTD_IRTA + 4, UINT32_MAX, 0, NULL, 0 },
    { VTD_IVA, 0xfffff07f, 0, NULL, 0 },
    { VTD_IVA + 4, UINT32_MAX, 0, NULL, 0 },
    { VTD_IOTLB + 4, 0xb003ffff, 0, vtd_iotlb_command, 0 },
    { VTD_FRCD + 12, 0, VTD_FRCD_FAULT, vtd_events_written, 0 },
};

static void write_word(Vtd *s, unsigned offset, uint32_t value)
{
    unsigned then = 0;

    vtd_lock(s);
    for (unsigned i = 0; i < G_N_ELEMENTS(registers); i++) {
        uint32_t *reg = vtd_reg(s, registers[i].offset), writable = registers[i].writable;

        if (registers[i].offset != offset) {
            continue;
        }
        if (offset == VTD_IRTA && !s->has_eim) {
            writable &= ~VTD_IRTA_EIM;
        }
        *reg = (*reg & ~writable) | (value & writable);
        *reg &= ~(value & registers[i].cleared);
        if (registers[i].written) {
            registers[i].written(s);
        }
        then = registers[i].then;
    }
    vtd_unlock(s);
    if (then & THEN_REMAP) {
        vtd_remap_changed(s);
    }
    if (then & THEN_QUEUE) {
        vtd_run_queue(s);
    }
}

static void unit_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    for (unsigned at = 0; at < size && addr + at < VTD_REGISTERS; at += 4) {
        write_word(opaque, (unsigned)addr + at, (uint32_t)(value >> 8 * at));
    }
}

static uint64_t unit_read(void *opaque, hwaddr addr, unsigned size)
{
    Vtd *s = opaque;
    uint64_t value = 0;

    vtd_lock(s);
    for (unsigned at = 0; at < size && addr + at < VTD_REGISTERS; at += 4) {
        value |= (uint64_t)*vtd_reg(s, (unsigned)addr + at) << 8 * at;
    }
    vtd_unlock(s);
    return value;
}

static const MemoryRegionOps unit_ops = { unit_read, unit_write, 4, 8 };

static void set_reg64(Vtd *s, unsigned offset, uint64_t value)
{
    *vtd_reg(s, offset) = (uint32_t)value;
    *vtd_reg(s, offset + 4) = (uint32_t)(value >> 32);
}

static void set_capabilities(Vtd *s)
{
    uint64_t width = VTD_CAP_39_BITS | (s->aw_bits == 48 ? VTD_CAP_48_BITS : 0);

    *vtd_reg(s, VTD_VER) = VTD_VERSION;
    set_reg64(s, VTD_CAP,
              VTD_CAP_FIXED | width | (uint64_t)(s->aw_bits - 1) << VTD_CAP_MGAW_SHIFT |
                  (s->caching_mode ? VTD_CAP_CACHING_MODE : 0) |
                  (s->dma_drain ? VTD_CAP_DRAIN : 0));
    set_reg64(s, VTD_ECAP,
              VTD_ECAP_FIXED | (s->device_iotlb ? VTD_ECAP_DEVICE_IOTLB : 0) |
                  (s->remaps ? VTD_ECAP_REMAPPING : 0) | (s->has_eim ? VTD_ECAP_EIM : 0) |
                  (s->pt ? VTD_ECAP_PASS_THROUGH : 0) | (s->snoop_control ? VTD_ECAP_SNOOP : 0));
}

/* ---- life ---- */

static void vtd_reset(Device *dev)
{
    Vtd *s = VTD(dev);

    vtd_drop_events(s);
    vtd_lock(s);
    memset(s->regs, 0, sizeof(s->regs));
    set_capabilities(s);
    *vtd_reg(s, VTD_FECTL) = *vtd_reg(s, VTD_IECTL) = VTD_EVENT_MASKED;
    s->root = s->remap_table = 0;
    atomic_store_explicit(&s->translates, false, memory_order_release);
    iommu_tlb_flush_all(&s->tlb);
    vtd_unlock(s);
    vtd_remap_changed(s);
}

static bool choose_remapping(Vtd *s, GError **errp)
{
    bool can = !accel_chips(); /* the kernel's I/O APIC asks nobody */

    if (s->intremap == MODE_ON && !can) {
        error_set(errp, "'intremap' is on, but the kernel has the I/O APIC: it needs -machine "
                        "kernel-irqchip=split (or off)");
        return false;
    }
    s->remaps = s->intremap == MODE_ON || (s->intremap == MODE_AUTO && can);
    if (s->eim == MODE_ON && !s->remaps) {
        error_set(errp, "'eim' is on without interrupt remapping: it needs intremap=on");
        return false;
    }
    s->has_eim = s->remaps && s->eim != MODE_OFF;
    return true;
}

/* Can what is below it be below one? */
static bool check_below(const PciBus *root, GError **errp)
{
    return root->bypass_iommu || virtio_check_iommu_all(errp);
}

static bool vtd_realize(Device *dev, GError **errp)
{
    Vtd *s = VTD(dev);
    PciBus *root = pci_root_bus();
    Object *ioapic = object_find_type(TYPE_IOAPIC);

    if (!root || !pci_bus_is_express(root) || !ioapic) {
        error_set(errp, "it is part of the machine q35 only: use that, or virtio-iommu-pci");
        return false;
    }
    if (!pci_iommu_check(root, errp)) {
        return false;
    }
    if (s->aw_bits != 39 && s->aw_bits != 48) {
        error_set(errp, "'aw-bits' is %u: it must be 39 or 48", s->aw_bits);
        return false;
    }
    if (!choose_remapping(s, errp) || !check_below(root, errp)) {
        return false;
    }
    s->root_bus = root;
    s->ioapic = IOAPIC(ioapic);
    memory_region_init_io(&s->region, &unit_ops, s, TYPE_INTEL_IOMMU, VTD_SIZE);
    device_map(dev, memory_system(), VTD_BASE, &s->region, 0);
    vtd_reset(dev);
    s->ops = (PciIommu){ .translate = s->dma_translation ? vtd_translate : NULL,
                         .remap = s->remaps ? vtd_remap_msi : NULL,
                         .opaque = s };
    pci_iommu_set(root, &s->ops);
    if (s->remaps) {
        ioapic_set_remap(s->ioapic, vtd_remap_pin, s);
        accel_set_msi_sender(apic_deliver_msi);
    }
    return true;
}

static void vtd_unrealize(Device *dev)
{
    Vtd *s = VTD(dev);

    vtd_reset(dev);
    pci_iommu_set(s->root_bus, NULL);
    if (s->remaps) {
        ioapic_set_remap(s->ioapic, NULL, NULL);
        accel_set_msi_sender(NULL);
    }
    vtd_drop_events(s);
    memory_region_destroy(&s->region);
}

static void vtd_init(Object *obj)
{
    g_mutex_init(&VTD(obj)->lock);
}

static void vtd_finalize(Object *obj)
{
    g_mutex_clear(&VTD(obj)->lock);
}

const Vtd *vtd_find(void)
{
    Object *found = object_find_type(TYPE_INTEL_IOMMU);

    return found && DEVICE(found)->realized ? VTD(found) : NULL;
}

/* ---- state ---- */

/* What it is able to do is the user's, and must be the same. */
static bool vtd_loaded(void *obj, GError **errp)
{
    Vtd *s = obj;
    uint64_t caps = vtd_reg64(s, VTD_CAP), more = vtd_reg64(s, VTD_ECAP);
    uint32_t *status = vtd_reg(s, VTD_GSTS);

    set_capabilities(s);
    if (caps != vtd_reg64(s, VTD_CAP) || more != vtd_reg64(s, VTD_ECAP)) {
        error_set(errp, "the " TYPE_INTEL_IOMMU " has other capabilities here: its properties must "
                        "be the same");
        return false;
    }
    if ((*vtd_reg(s, VTD_IQH) | *vtd_reg(s, VTD_IQT)) % VTD_DESC_SIZE) {
        error_set(errp, "the queue of the " TYPE_INTEL_IOMMU " is not at a descriptor");
        return false;
    }
    if (!s->dma_translation) {
        *status &= ~VTD_TRANSLATION;
    }
    atomic_store_explicit(&s->translates, *status & VTD_TRANSLATION, memory_order_release);
    iommu_tlb_flush_all(&s->tlb);
    vtd_remap_changed(s);
    return true;
}

static void vtd_saving(void *obj)
{
    Vtd *s = obj;

    vtd_lock(s); /* what the main loop has not sent yet is sent by the end of this */
    vtd_unlock(s);
}

static const StateField vtd_fields[] = {
    STATE_UINTS(Vtd, regs),
    STATE_UINT(Vtd, root),
    STATE_UINT(Vtd, remap_table),
    {},
};
static const StateTable vtd_state = { .name = TYPE_INTEL_IOMMU,
                                      .version = 1,
                                      .fields = vtd_fields,
                                      .pre_save = vtd_saving,
                                      .post_load = vtd_loaded };

/* ---- the type ---- */

#define FLAG(NAME, member, initial, text)                                                        \
    {                                                                                            \
        .name = (NAME), .kind = PROP_BOOL, .offset = offsetof(Vtd, member), .has_default = true, \
        .default_int = (initial), .description = (text)                                          \
    }
#define MODE(NAME, member, text)                                                            \
    {                                                                                       \
        .name = (NAME), .kind = PROP_ENUM, .enum_names = modes, .custom_type = "OnOffAuto", \
        .offset = offsetof(Vtd, member), .has_default = true, .default_int = MODE_AUTO,     \
        .description = (text)                                                               \
    }

static const char *const modes[] = { "auto", "on", "off", NULL }; /* by MODE_ */

static const Property vtd_properties[] = {
    { .name = "aw-bits",
      .kind = PROP_UINT32,
      .offset = offsetof(Vtd, aw_bits),
      .has_default = true,
      .default_int = 39,
      .description = "bits of addresses that it translates: 39 or 48" },
    MODE("intremap", intremap, "interrupt remapping; auto: unless the kernel has the I/O APIC"),
    MODE("eim", eim, "interrupts to x2APIC IDs; auto: with interrupt remapping"),
    FLAG("caching-mode", caching_mode, false,
         "the guest tells of mappings that are new, too, as those who shadow them need"),
    FLAG("device-iotlb", device_iotlb, false, "functions may have translations themselves (ATS)"),
    FLAG("pt", pt, true, "the guest may let functions pass untranslated"),
    FLAG("snoop-control", snoop_control, false, "the guest may ask that accesses are coherent"),
    FLAG("dma-drain", dma_drain, true, "the guest may ask that accesses under way come to an end"),
    FLAG("dma-translation", dma_translation, true, "DMA is translated; off: only interrupts are"),
    { 0 },
};

static const DeviceClass vtd_ops = {
    .category = "misc",
    .flags = DEVICE_USER_CREATABLE,
    .realize = vtd_realize,
    .unrealize = vtd_unrealize,
    .reset = vtd_reset,
    .state = &vtd_state,
};

static const ObjectType vtd_type = {
    .name = TYPE_INTEL_IOMMU,
    .parent = TYPE_DEVICE,
    .description = "Intel IOMMU (VT-d): DMA and interrupt remapping",
    .instance_size = sizeof(Vtd),
    .properties = vtd_properties,
    .ops = &vtd_ops,
    .init = vtd_init,
    .finalize = vtd_finalize,
};
OBJECT_TYPE_REGISTER(vtd_type)

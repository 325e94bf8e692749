/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The function: BARs, capabilities, interrupts. Its two interfaces are virtio-pci-modern.c and
 * virtio-pci-legacy.c. */
#include "hw/virtio/virtio-pci.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/mem/memory-device.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-iommu.h"
#include "hw/pci/pci-msix.h"
#include "hw/virtio/virtio-pci-internal.h"
#include "util/error.h"

/* Values of disable-legacy. */
enum { MODE_AUTO, MODE_ON, MODE_OFF };

/* ---- interrupts ---- */

static void update_intx(VirtioPci *s)
{
    pci_set_irq(&s->parent, s->isr && !pci_msix_enabled(&s->parent));
}

static void interrupt(VirtioPci *s, uint8_t bit, uint16_t vector)
{
    s->isr |= bit;
    update_intx(s);
    if (vector != VIRTIO_NO_VECTOR) {
        pci_msix_notify(&s->parent, vector);
    }
}

static void queue_interrupt(void *opaque, unsigned queue)
{
    VirtioPci *s = opaque;

    interrupt(s, VIRTIO_PCI_ISR_QUEUE, s->vdev->queues[queue].vector);
}

static void config_interrupt(void *opaque)
{
    VirtioPci *s = opaque;

    interrupt(s, VIRTIO_PCI_ISR_CONFIG, s->config_vector);
}

uint8_t virtio_pci_take_isr(VirtioPci *s)
{
    uint8_t isr = s->isr;

    s->isr = 0;
    update_intx(s);
    return isr;
}

void virtio_pci_set_vector(const VirtioPci *s, uint16_t *vector, uint16_t value)
{
    *vector = value < s->parent.msix_vectors ? value : VIRTIO_NO_VECTOR;
    virtio_transport_changed(s->vdev);
}

/* One for each vector that a queue on a loop uses. */
static int queue_eventfd(void *opaque, unsigned queue)
{
    VirtioPci *s = opaque;
    PciDevice *dev = &s->parent;
    uint16_t vector = s->vdev->queues[queue].vector;

    if (!pci_msix_enabled(dev) || vector >= dev->msix_vectors) {
        return -1;
    }
    if (!s->vector_fds) {
        s->vector_fds = g_new(int, dev->msix_vectors);
        memset(s->vector_fds, 0xff, dev->msix_vectors * sizeof(int));
    }
    if (s->vector_fds[vector] < 0) {
        s->vector_fds[vector] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        pci_msix_set_eventfd(dev, vector, s->vector_fds[vector]);
    }
    return s->vector_fds[vector];
}

static void close_eventfds(VirtioPci *s)
{
    for (unsigned i = 0; s->vector_fds && i < s->parent.msix_vectors; i++) {
        if (s->vector_fds[i] >= 0) {
            pci_msix_set_eventfd(&s->parent, i, -1);
            close(s->vector_fds[i]);
        }
    }
    g_clear_pointer(&s->vector_fds, g_free);
}

static void flush_interrupts(void *opaque)
{
    pci_msix_flush(&VIRTIO_PCI(opaque)->parent);
}

void virtio_pci_event(VirtioPci *s, MemoryRegion *bar, unsigned n, unsigned offset, bool match,
                      bool on)
{
    const MemoryEvent event = { .offset = offset,
                                .size = match ? 2 : 0,
                                .match = match,
                                .value = match ? n : 0,
                                .fd = virtio_kick_fd(s->vdev, n) };

    if (event.fd >= 0 && s->ioeventfd) {
        (on ? memory_region_add_event : memory_region_del_event)(bar, &event);
    }
}

/* ---- what the virtio device asks of its transport ---- */

static bool can_dma(void *opaque)
{
    return pci_can_dma(&VIRTIO_PCI(opaque)->parent);
}

static void forget(VirtioPci *s)
{
    s->device_feature_select = s->driver_feature_select = 0;
    s->queue_select = 0;
    s->config_vector = VIRTIO_NO_VECTOR;
    virtio_pci_take_isr(s);
}

static void device_reset(void *opaque)
{
    forget(opaque);
}

static const DmaSpace *dma(void *opaque)
{
    return &VIRTIO_PCI(opaque)->parent.dma;
}

static const VirtioTransport transport = { queue_interrupt, config_interrupt, can_dma, device_reset,
                                           queue_eventfd,   flush_interrupts, dma };

/* ---- life ---- */

/* Of the devices that there were before Virtio 1.0: no others can have the legacy interface. */
static const uint16_t legacy_ids[VIRTIO_ID_MAX + 1] = {
    [VIRTIO_ID_NET] = 0x1000,     [VIRTIO_ID_BLOCK] = 0x1001, [VIRTIO_ID_BALLOON] = 0x1002,
    [VIRTIO_ID_CONSOLE] = 0x1003, [VIRTIO_ID_SCSI] = 0x1004,  [VIRTIO_ID_RNG] = 0x1005,
    [VIRTIO_ID_9P] = 0x1009,
};

static bool choose_interfaces(VirtioPci *s, GError **errp)
{
    const PciBus *bus = pci_bus_of(&s->parent);
    bool behind_port = bus->bridge && pci_bus_is_express(bus); /* ports are scarce there */

    if (s->kind == VIRTIO_PCI_AS_ASKED) {
        s->legacy = legacy_ids[virtio_device_class(s->vdev)->id] &&
                    (s->disable_legacy == MODE_AUTO ? !behind_port : s->disable_legacy == MODE_OFF);
        s->modern = !s->disable_modern;
    } else {
        s->legacy = s->kind == VIRTIO_PCI_TRANSITIONAL;
        s->modern = true;
    }
    if (!s->legacy && !s->modern) {
        error_set(errp, "%s",
                  legacy_ids[virtio_device_class(s->vdev)->id]
                      ? "it has no interface left: give one of disable-legacy=off and "
                        "disable-modern=off"
                      : "it has no legacy interface: leave disable-modern=on out");
        return false;
    }
    if (s->legacy && s->vdev->iommu_platform) {
        error_set(errp, "the legacy interface has no iommu_platform=on: it is for devices with "
                        "disable-legacy=on, or of the kind -non-transitional");
        return false;
    }
    return true;
}

/* Section 4.1.2; the class is what users expect of the device. */
static void set_ids(VirtioPci *s)
{
    const VirtioPciClass *class = object_ops(&s->parent.parent.parent);
    uint16_t id = virtio_device_class(s->vdev)->id;
    const PciRegister regs[] = {
        { PCI_VENDOR_ID, 2, VIRTIO_PCI_VENDOR },
        { PCI_DEVICE_ID, 2, s->legacy ? legacy_ids[id] : VIRTIO_PCI_MODERN_ID + id },
        { PCI_REVISION_ID, 1, s->legacy ? 0 : VIRTIO_PCI_MODERN_REVISION },
        { PCI_CLASS_DEVICE, 2, class->pci_class },
        { PCI_SUBSYSTEM_VENDOR_ID, 2, VIRTIO_PCI_VENDOR },
        { PCI_SUBSYSTEM_ID, 2, s->legacy ? id : VIRTIO_PCI_MODERN_SUBSYSTEM },
    };

    g_assert(!s->legacy || legacy_ids[id]);
    pci_set_registers(&s->parent, regs, G_N_ELEMENTS(regs));
}

static void add_msix(VirtioPci *s)
{
    const VirtioPciClass *class = object_ops(&s->parent.parent.parent);
    uint32_t wanted = s->vectors != PROP_UNSET ? s->vectors
                      : class->vectors         ? class->vectors
                                               : s->vdev->queue_count + 1;

    if (wanted) {
        pci_add_msix(&s->parent, MIN(wanted, PCI_MSIX_MAX_VECTORS), 1);
    }
}

static bool realize_device(VirtioPci *s, GError **errp)
{
    s->bus = virtio_bus_new(&s->parent.parent.parent, &transport, s);
    s->vdev->parent.bus = &s->bus->parent;
    if (device_class(&s->vdev->parent)->memory) {
        s->bus->parent.hotplug = &memory_device_hotplug;
    }
    if (!device_realize(&s->vdev->parent, errp)) {
        object_unparent(&s->bus->parent.parent);
        s->bus = NULL;
        return false;
    }
    if (pci_has_iommu(&s->parent) && !virtio_check_iommu(s->vdev, errp)) {
        device_unrealize(&s->vdev->parent);
        object_unparent(&s->bus->parent.parent);
        s->bus = NULL;
        return false;
    }
    return true;
}

bool virtio_pci_realize(PciDevice *dev, GError **errp)
{
    VirtioPci *s = VIRTIO_PCI(dev);

    s->vdev = VIRTIO_DEVICE(object_child(&dev->parent.parent, "virtio-backend"));
    if (s->vectors != PROP_UNSET && s->vectors > PCI_MSIX_MAX_VECTORS) {
        error_set(errp, "'vectors' is %u: MSI-X has at most %u", s->vectors, PCI_MSIX_MAX_VECTORS);
        return false;
    }
    if (!choose_interfaces(s, errp) || !realize_device(s, errp)) {
        return false;
    }
    set_ids(s);
    if (pci_bus_of(dev)->bridge && pci_bus_is_express(pci_bus_of(dev))) {
        pci_add_express(dev, PCIE_ENDPOINT, 0);
        if (s->ats) {
            pci_add_ats(dev);
        }
    }
    add_msix(s);
    if (s->modern) {
        virtio_pci_add_modern(s);
    }
    if (s->legacy) {
        virtio_pci_add_legacy(s);
    }
    forget(s);
    return true;
}

void virtio_pci_unrealize(PciDevice *dev)
{
    VirtioPci *s = VIRTIO_PCI(dev);

    if (s->modern) {
        virtio_pci_modern_events(s, false);
    }
    if (s->legacy) {
        virtio_pci_legacy_events(s, false);
    }
    device_unrealize(&s->vdev->parent);
    close_eventfds(s);
    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
    s->access_cap = 0;
    if (s->modern) {
        memory_region_destroy(&s->modern_bar);
    }
    if (s->legacy) {
        memory_region_destroy(&s->legacy_bar);
    }
}

void virtio_pci_reset(PciDevice *dev)
{
    virtio_device_reset(&VIRTIO_PCI(dev)->vdev->parent);
}

bool virtio_pci_check_unplug(Device *dev, GError **errp)
{
    Device *vdev = &VIRTIO_PCI(dev)->vdev->parent;

    return !device_class(vdev)->check_unplug || device_class(vdev)->check_unplug(vdev, errp);
}

void virtio_pci_loaded(PciDevice *dev)
{
    /* The virtio device is loaded before. */
}

void virtio_pci_config_reading(PciDevice *dev, unsigned offset, unsigned size)
{
    VirtioPci *s = VIRTIO_PCI(dev);

    if (s->access_cap && pci_touches(offset, size, s->access_cap + VIRTIO_CAP_DATA, 4)) {
        virtio_pci_access_read(s);
    }
}

void virtio_pci_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    VirtioPci *s = VIRTIO_PCI(dev);

    update_intx(s); /* MSI-X may be on or off now */
    if (s->access_cap && pci_touches(offset, size, s->access_cap + VIRTIO_CAP_DATA, 4)) {
        virtio_pci_access_write(s);
    }
    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        virtio_run_queues(s->vdev); /* what came while the bus master was off */
    } else {
        virtio_transport_changed(s->vdev);
    }
}

/* ---- state ---- */

static const StateField fields[] = {
    STATE_STRUCT(VirtioPci, parent, &pci_device_state),
    STATE_UINT(VirtioPci, device_feature_select),
    STATE_UINT(VirtioPci, driver_feature_select),
    STATE_UINT(VirtioPci, queue_select),
    STATE_UINT(VirtioPci, config_vector),
    STATE_UINT(VirtioPci, isr),
    {},
};
const StateTable virtio_pci_state = { .name = "virtio-pci", .version = 1, .fields = fields };

/* ---- the type ---- */

static void virtio_pci_init(Object *obj)
{
    static const PciRegister regs[] = {
        { PCI_COMMAND, 2, 0,
          PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
              PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE },
        { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
        { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },
        { PCI_INTERRUPT_PIN, 1, 1 },
    };

    pci_set_registers(PCI_DEVICE(obj), regs, G_N_ELEMENTS(regs));
}

void virtio_pci_init_transitional(Object *obj)
{
    VIRTIO_PCI(obj)->kind = VIRTIO_PCI_TRANSITIONAL;
}

void virtio_pci_init_modern(Object *obj)
{
    VIRTIO_PCI(obj)->kind = VIRTIO_PCI_MODERN;
}

static const char *const modes[] = { "auto", "on", "off", NULL }; /* by MODE_ */

const Property virtio_pci_mode_properties[] = {
    { .name = "disable-legacy",
      .kind = PROP_ENUM,
      .enum_names = modes,
      .custom_type = "OnOffAuto",
      .offset = offsetof(VirtioPci, disable_legacy),
      .description = "no legacy interface; auto: none behind a PCI Express port",
      .has_default = true,
      .default_int = MODE_AUTO },
    { .name = "disable-modern",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtioPci, disable_modern),
      .description = "only the legacy interface",
      .has_default = true },
    { 0 },
};

static const Property properties[] = {
    { .name = "vectors",
      .kind = PROP_UINT32,
      .offset = offsetof(VirtioPci, vectors),
      .description = "MSI-X vectors; 0: no MSI-X, 4294967295: as the device needs",
      .has_default = true,
      .default_int = PROP_UNSET },
    { .name = "page-per-vq",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtioPci, page_per_vq),
      .description = "each queue's notification register has a page of its own",
      .has_default = true },
    { .name = "ioeventfd",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtioPci, ioeventfd),
      .description = "notifications of queues on an iothread need no exit to the program (KVM)",
      .has_default = true,
      .default_int = true },
    { .name = "ats",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtioPci, ats),
      .description = "behind a PCI Express port: a capability Address Translation Services",
      .has_default = true },
    { 0 },
};

static const ObjectType type = {
    .name = TYPE_VIRTIO_PCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "virtio over PCI",
    .instance_size = sizeof(VirtioPci),
    .abstract = true,
    .properties = properties,
    .init = virtio_pci_init,
};
OBJECT_TYPE_REGISTER(type)

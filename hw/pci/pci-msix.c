/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pci-msix.h"

#include <string.h>

#include "accel/notify.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-internal.h"
#include "hw/pci/pci-iommu.h"
#include "util/shared-event.h"

enum {
    MSIX_CONTROL = 2,
    MSIX_TABLE = 4,
    MSIX_PENDING = 8,
    MSIX_SIZE = 12,
};

enum {
    MSIX_CONTROL_MASK_ALL = 1 << 14,
    MSIX_CONTROL_ENABLE = 1 << 15,
};

#define ENTRY_SIZE    16u
#define ENTRY_CONTROL 3 /* word of an entry; bit 0: masked */
#define MIN_BAR_SIZE  0x1000u

/* ---- who sends ---- */

bool pci_msix_enabled(const PciDevice *dev)
{
    return dev->msix_cap && pci_get_word(dev, dev->msix_cap + MSIX_CONTROL) & MSIX_CONTROL_ENABLE;
}

static bool is_masked(const PciDevice *dev, const PciMsixVector *vector)
{
    return pci_get_word(dev, dev->msix_cap + MSIX_CONTROL) & MSIX_CONTROL_MASK_ALL ||
           vector->entry[ENTRY_CONTROL] & 1;
}

static uint64_t address_of(const PciMsixVector *vector)
{
    return vector->entry[0] | (uint64_t)vector->entry[1] << 32;
}

static void msix_send(const PciDevice *dev, const PciMsixVector *vector)
{
    pci_send_msi(dev, address_of(vector), vector->entry[2]);
}

void pci_msix_notify(PciDevice *dev, unsigned n)
{
    if (!pci_msix_enabled(dev) || n >= dev->msix_vectors) {
        return;
    }
    if (is_masked(dev, &dev->msix[n])) {
        dev->msix[n].pending = true;
    } else {
        msix_send(dev, &dev->msix[n]);
    }
}

/* ---- eventfds ---- */

/* A signal that nobody sent becomes a pending bit. */
static void take_signal(PciMsixVector *vector)
{
    if (vector->fd >= 0 && !vector->route && shared_event_take(vector->fd)) {
        vector->pending = true;
    }
}

static void stop_route(PciMsixVector *vector)
{
    g_clear_pointer(&vector->route, accel_msi_route_free);
}

/* Let the engine send it, or not, as the registers say. */
static void update_route(PciDevice *dev, PciMsixVector *vector)
{
    uint64_t addr = address_of(vector);
    uint32_t message = vector->entry[2];
    bool send = vector->fd >= 0 && pci_msix_enabled(dev) && !is_masked(dev, vector) &&
                pci_way_to_memory(dev) && pci_iommu_remap(dev, &addr, &message, false);

    if (!send) {
        stop_route(vector);
    } else if (vector->route) {
        accel_msi_route_change(vector->route, addr, message);
    } else {
        vector->route = accel_msi_route_new(addr, message);
        accel_irqfd_add(vector->route, vector->fd);
    }
}

static void update_vector(PciDevice *dev, PciMsixVector *vector)
{
    update_route(dev, vector);
    if (vector->pending && pci_msix_enabled(dev) && !is_masked(dev, vector)) {
        vector->pending = false;
        msix_send(dev, vector);
    }
}

void pci_msix_update(PciDevice *dev)
{
    PciBus *below = pci_secondary_bus(dev);

    for (unsigned i = 0; i < dev->msix_vectors; i++) {
        update_vector(dev, &dev->msix[i]);
    }
    for (unsigned i = 0; below && i < PCI_DEVFN_MAX; i++) {
        if (below->devices[i]) {
            pci_msix_update(below->devices[i]);
        }
    }
}

void pci_msix_written(PciDevice *dev, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, PCI_COMMAND, 2) ||
        (dev->msix_cap && pci_touches(offset, size, dev->msix_cap, MSIX_SIZE))) {
        pci_msix_update(dev);
    }
}

void pci_msix_set_eventfd(PciDevice *dev, unsigned n, int fd)
{
    PciMsixVector *vector = &dev->msix[n];

    g_assert(n < dev->msix_vectors);
    stop_route(vector);
    take_signal(vector);
    vector->fd = fd;
    update_vector(dev, vector);
}

void pci_msix_flush(PciDevice *dev)
{
    for (unsigned i = 0; i < dev->msix_vectors; i++) {
        if (dev->msix[i].route) {
            accel_irqfd_flush(dev->msix[i].route);
        }
    }
}

/* ---- the BAR ---- */

static uint64_t table_read(PciDevice *dev, hwaddr addr)
{
    return dev->msix[addr / ENTRY_SIZE].entry[addr % ENTRY_SIZE / 4];
}

uint32_t pci_msix_pending(PciDevice *dev, unsigned first)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < 32 && first + i < dev->msix_vectors; i++) {
        take_signal(&dev->msix[first + i]);
        bits |= (uint32_t)dev->msix[first + i].pending << i;
    }
    return bits;
}

static uint64_t bar_read(void *opaque, hwaddr addr, unsigned size)
{
    PciDevice *dev = opaque;
    hwaddr half = dev->msix_bar.size / 2;

    if (addr < dev->msix_vectors * ENTRY_SIZE) {
        return table_read(dev, addr);
    }
    return addr >= half ? pci_msix_pending(dev, (unsigned)(addr - half) * 8) : 0;
}

static void bar_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    static const uint32_t writable[] = { 0xfffffffc, 0xffffffff, 0xffffffff, 1 };
    PciDevice *dev = opaque;
    unsigned n = (unsigned)(addr / ENTRY_SIZE), word = addr % ENTRY_SIZE / 4;

    if (n < dev->msix_vectors) {
        dev->msix[n].entry[word] = (uint32_t)value & writable[word];
        update_vector(dev, &dev->msix[n]);
    }
}

static const MemoryRegionOps bar_ops = { bar_read, bar_write, 4, 4 };

/* ---- coming and going ---- */

static uint64_t adopted_read(void *opaque, hwaddr addr, unsigned size)
{
    return table_read(opaque, addr);
}

static const MemoryRegionOps adopted_ops = { adopted_read, bar_write, 4, 4 };

static void make_vectors(PciDevice *dev, unsigned vectors)
{
    dev->msix_vectors = vectors;
    dev->msix = g_new0(PciMsixVector, vectors);
    for (unsigned i = 0; i < vectors; i++) {
        dev->msix[i].fd = -1;
    }
}

void pci_adopt_msix(PciDevice *dev, unsigned at)
{
    const uint16_t control = pci_get_word(dev, at + MSIX_CONTROL);
    const unsigned vectors = (control & (PCI_MSIX_MAX_VECTORS - 1)) + 1;
    const PciRegister reg = { MSIX_CONTROL, 2, vectors - 1,
                              MSIX_CONTROL_MASK_ALL | MSIX_CONTROL_ENABLE };

    pci_set_capability_registers(dev, (uint8_t)at, &reg, 1);
    dev->msix_cap = (uint8_t)at;
    make_vectors(dev, vectors);
    memory_region_init_io(&dev->msix_bar, &adopted_ops, dev, "msix-table",
                          (uint64_t)vectors * ENTRY_SIZE);
    pci_msix_reset(dev);
}

void pci_add_msix(PciDevice *dev, unsigned vectors, unsigned bar)
{
    uint64_t size = MIN_BAR_SIZE;
    const PciRegister regs[] = {
        { MSIX_CONTROL, 2, vectors - 1, MSIX_CONTROL_MASK_ALL | MSIX_CONTROL_ENABLE },
    };

    g_assert(vectors >= 1 && vectors <= PCI_MSIX_MAX_VECTORS && !dev->msix_cap);
    while (size / 2 < vectors * ENTRY_SIZE) {
        size *= 2;
    }
    dev->msix_cap = pci_add_capability(dev, PCI_CAP_ID_MSIX, MSIX_SIZE);
    pci_set_capability_registers(dev, dev->msix_cap, regs, G_N_ELEMENTS(regs));
    pci_set_long(dev, dev->msix_cap + MSIX_TABLE, bar);
    pci_set_long(dev, dev->msix_cap + MSIX_PENDING, (uint32_t)(size / 2) | bar);
    make_vectors(dev, vectors);
    memory_region_init_io(&dev->msix_bar, &bar_ops, dev, "msix", size);
    pci_add_bar(dev, bar, 0, &dev->msix_bar);
    pci_msix_reset(dev);
}

void pci_drop_msix(PciDevice *dev)
{
    for (unsigned i = 0; i < dev->msix_vectors; i++) {
        stop_route(&dev->msix[i]);
    }
    g_clear_pointer(&dev->msix, g_free);
    memory_region_destroy(&dev->msix_bar);
    dev->msix_cap = 0;
    dev->msix_vectors = 0;
}

void pci_msix_reset(PciDevice *dev)
{
    for (unsigned i = 0; i < dev->msix_vectors; i++) {
        PciMsixVector *vector = &dev->msix[i];

        stop_route(vector);
        take_signal(vector);
        memset(vector->entry, 0, sizeof(vector->entry));
        vector->entry[ENTRY_CONTROL] = 1;
        vector->pending = false;
    }
}

void pci_msix_save(PciDevice *dev)
{
    for (unsigned i = 0; i < dev->msix_vectors; i++) {
        take_signal(&dev->msix[i]);
    }
}

static const StateField vector_fields[] = {
    STATE_UINTS(PciMsixVector, entry),
    STATE_BOOL(PciMsixVector, pending),
    {},
};
const StateTable pci_msix_vector_state = { .name = "msix-vector",
                                           .version = 1,
                                           .fields = vector_fields };

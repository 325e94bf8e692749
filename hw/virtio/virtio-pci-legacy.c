/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The legacy interface: I/O ports, as devices had before Virtio 1.0. */
#include "hw/pci/pci-msix.h"
#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-pci-internal.h"

#define QUEUE_ALIGN 4096u /* of the used ring; the unit of addresses */

/* Where the three parts are (section 2.7.2). */
static void place_ring(VirtQueue *vq, uint32_t page)
{
    uint64_t size = vq->size;

    vq->desc = (uint64_t)page * QUEUE_ALIGN;
    vq->driver = vq->desc + 16 * size;
    vq->device = (vq->driver + 6 + 2 * size + QUEUE_ALIGN - 1) & ~(uint64_t)(QUEUE_ALIGN - 1);
}

static void write_page(VirtioPci *s, uint32_t page)
{
    VirtioQueue *queue = virtio_pci_selected(s);

    if (!queue) {
        return;
    }
    if (!page) {
        uint16_t vector = queue->vector;

        virtio_reset_queue(s->vdev, s->queue_select);
        queue->vector = vector;
    } else if (!queue->ring.enabled) {
        place_ring(&queue->ring, page);
        virtio_enable_queue(s->vdev, s->queue_select);
    }
}

/* Of the device's configuration. */
static unsigned config_at(const VirtioPci *s)
{
    return pci_msix_enabled(&s->parent) ? VIRTIO_LEGACY_CONFIG_MSIX : VIRTIO_LEGACY_CONFIG;
}

static uint32_t header_read(VirtioPci *s, unsigned offset)
{
    VirtioQueue *queue = virtio_pci_selected(s);

    switch (offset) {
    case VIRTIO_LEGACY_DEVICE_FEATURES:
        return (uint32_t)s->vdev->offered;
    case VIRTIO_LEGACY_DRIVER_FEATURES:
        return (uint32_t)s->vdev->features;
    case VIRTIO_LEGACY_QUEUE_PAGE:
        return queue && queue->ring.enabled ? (uint32_t)(queue->ring.desc / QUEUE_ALIGN) : 0;
    case VIRTIO_LEGACY_QUEUE_SIZE:
        return queue ? queue->ring.size : 0;
    case VIRTIO_LEGACY_QUEUE_SELECT:
        return s->queue_select;
    case VIRTIO_LEGACY_STATUS:
        return s->vdev->status;
    case VIRTIO_LEGACY_ISR:
        return virtio_pci_take_isr(s);
    case VIRTIO_LEGACY_CONFIG_VECTOR:
        return s->config_vector;
    case VIRTIO_LEGACY_QUEUE_VECTOR:
        return queue ? queue->vector : VIRTIO_NO_VECTOR;
    default:
        return 0;
    }
}

static void header_write(VirtioPci *s, unsigned offset, uint32_t value)
{
    VirtioQueue *queue = virtio_pci_selected(s);

    switch (offset) {
    case VIRTIO_LEGACY_DRIVER_FEATURES:
        virtio_accept_features(s->vdev, value & s->vdev->offered);
        break;
    case VIRTIO_LEGACY_QUEUE_PAGE:
        write_page(s, value);
        break;
    case VIRTIO_LEGACY_QUEUE_SELECT:
        s->queue_select = value;
        break;
    case VIRTIO_LEGACY_QUEUE_NOTIFY:
        if (value < s->vdev->queue_count) {
            virtio_driver_notified(s->vdev, value);
        }
        break;
    case VIRTIO_LEGACY_STATUS:
        virtio_write_status(s->vdev, value);
        break;
    case VIRTIO_LEGACY_CONFIG_VECTOR:
        virtio_pci_set_vector(s, &s->config_vector, value);
        break;
    case VIRTIO_LEGACY_QUEUE_VECTOR:
        if (queue) {
            virtio_pci_set_vector(s, &queue->vector, value);
        }
        break;
    default:
        break;
    }
}

static uint64_t bar_read(void *opaque, hwaddr addr, unsigned size)
{
    VirtioPci *s = opaque;
    unsigned config = config_at(s);

    return addr < config ? header_read(s, (unsigned)addr)
                         : virtio_config_load(s->vdev, (unsigned)addr - config, size);
}

static void write_now(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    VirtioPci *s = opaque;
    unsigned config = config_at(s);

    if (addr < config) {
        header_write(s, (unsigned)addr, (uint32_t)value);
    } else {
        virtio_config_store(s->vdev, (unsigned)addr - config, (uint32_t)value, size);
    }
}

static void bar_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    const VirtioPci *s = opaque;
    bool concerns =
        addr == VIRTIO_LEGACY_STATUS || addr == VIRTIO_LEGACY_QUEUE_PAGE || addr >= config_at(s);

    if (!concerns || !vhost_write_later(s->vdev->vhost, write_now, opaque, addr, value, size)) {
        write_now(opaque, addr, value, size);
    }
}

static const MemoryRegionOps bar_ops = { bar_read, bar_write, 1, 4 };

void virtio_pci_legacy_events(VirtioPci *s, bool on)
{
    for (unsigned n = 0; n < s->vdev->queue_count; n++) {
        virtio_pci_event(s, &s->legacy_bar, n, VIRTIO_LEGACY_QUEUE_NOTIFY, true, on);
    }
}

void virtio_pci_add_legacy(VirtioPci *s)
{
    unsigned used = VIRTIO_LEGACY_CONFIG_MSIX + virtio_device_class(s->vdev)->config_size;
    uint64_t size = 32;

    while (size < used) {
        size *= 2;
    }
    memory_region_init_io(&s->legacy_bar, &bar_ops, s, "virtio-legacy", size);
    pci_add_bar(&s->parent, 0, PCI_BAR_IO, &s->legacy_bar);
    virtio_pci_legacy_events(s, true);
}

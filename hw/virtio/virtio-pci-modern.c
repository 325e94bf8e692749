/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modern interface: four structures in BAR 4, a page each; that of notifications is the last
 * one, and as many pages as there are queues with page-per-vq. */
#include "hw/pci/pci-cap.h"
#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-pci-internal.h"

#define MODERN_BAR 4
#define PAGE       0x1000u

/* ---- the common configuration ---- */

/* A register of it: what is read of the device, or of its selected queue, which is there. */
typedef struct CommonRegister {
    uint8_t offset, size; /* 4-byte ones may be halves of 8 */
    bool of_queue;        /* reads 0, and writes do nothing, if there is no such queue */
    uint32_t (*read)(VirtioPci *s, VirtioQueue *queue, unsigned offset);
    void (*write)(VirtioPci *s, VirtioQueue *queue, unsigned offset, uint32_t value); /* or NULL */
} CommonRegister;

static uint32_t read_select(VirtioPci *s, VirtioQueue *queue, unsigned offset)
{
    return offset == VIRTIO_COMMON_DEVICE_FEATURE_SELECT   ? s->device_feature_select
           : offset == VIRTIO_COMMON_DRIVER_FEATURE_SELECT ? s->driver_feature_select
                                                           : s->queue_select;
}

static void write_select(VirtioPci *s, VirtioQueue *queue, unsigned offset, uint32_t value)
{
    if (offset == VIRTIO_COMMON_DEVICE_FEATURE_SELECT) {
        s->device_feature_select = value;
    } else if (offset == VIRTIO_COMMON_DRIVER_FEATURE_SELECT) {
        s->driver_feature_select = value;
    } else {
        s->queue_select = value;
    }
}

static uint32_t half_of(uint64_t features, uint32_t select)
{
    return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

/* What only the legacy interface has is not offered here. */
static uint32_t read_device_feature(VirtioPci *s, VirtioQueue *queue, unsigned offset)
{
    return half_of(virtio_modern_features(s->vdev), s->device_feature_select);
}

static uint32_t read_driver_feature(VirtioPci *s, VirtioQueue *queue, unsigned offset)
{
    return half_of(s->vdev->features, s->driver_feature_select);
}

static void write_driver_feature(VirtioPci *s, VirtioQueue *queue, unsigned offset, uint32_t value)
{
    unsigned shift = 32 * s->driver_feature_select;

    if (s->driver_feature_select < 2) {
        virtio_accept_features(s->vdev, (s->vdev->features & ~((uint64_t)UINT32_MAX << shift)) |
                                            (uint64_t)value << shift);
    }
}

static uint32_t read_vector(VirtioPci *s, VirtioQueue *queue, unsigned offset)
{
    return offset == VIRTIO_COMMON_CONFIG_VECTOR ? s->config_vector : queue->vector;
}

static void write_vector(VirtioPci *s, VirtioQueue *queue, unsigned offset, uint32_t value)
{
    virtio_pci_set_vector(
        s, offset == VIRTIO_COMMON_CONFIG_VECTOR ? &s->config_vector : &queue->vector, value);
}

static uint32_t read_num_queues(VirtioPci *s, VirtioQueue *queue, unsigned offset)
{
    return s->vdev->queue_count;
}

static uint32_t read_status(VirtioPci *s, VirtioQueue *queue, unsigned offset)
{
    return offset == VIRTIO_COMMON_STATUS ? s->vdev->status : s->vdev->generation;
}

static void write_status(VirtioPci *s, VirtioQueue *queue, unsigned offset, uint32_t value)
{
    virtio_write_status(s->vdev, value);
}

static uint32_t read_queue_size(VirtioPci *s, VirtioQueue *queue, unsigned offset)
{
    return queue->ring.size;
}

/* Whether a ring can have this size is checked when the queue is enabled. */
static void write_queue_size(VirtioPci *s, VirtioQueue *queue, unsigned offset, uint32_t value)
{
    if (!queue->ring.enabled) {
        queue->ring.size = value <= queue->ring.max_size ? value : 0;
    }
}

static uint32_t read_queue_enable(VirtioPci *s, VirtioQueue *queue, unsigned offset)
{
    return queue->ring.enabled;
}

static void write_queue_enable(VirtioPci *s, VirtioQueue *queue, unsigned offset, uint32_t value)
{
    if (value == 1) {
        virtio_enable_queue(s->vdev, s->queue_select);
    }
}

static uint32_t read_notify(VirtioPci *s, VirtioQueue *queue, unsigned offset)
{
    return s->queue_select;
}

/* Always done by the time that the driver reads it back. */
static uint32_t read_queue_reset(VirtioPci *s, VirtioQueue *queue, unsigned offset)
{
    return 0;
}

static void write_queue_reset(VirtioPci *s, VirtioQueue *queue, unsigned offset, uint32_t value)
{
    if (value == 1 && virtio_has(s->vdev, VIRTIO_F_RING_RESET)) {
        virtio_reset_queue(s->vdev, s->queue_select);
    }
}

/* One of the three addresses, and in *@shift where in it the half at @offset is. */
static uint64_t *address_at(VirtioQueue *queue, unsigned offset, unsigned *shift)
{
    *shift = offset & 4 ? 32 : 0;
    offset &= ~4u;
    return offset == VIRTIO_COMMON_QUEUE_DESC     ? &queue->ring.desc
           : offset == VIRTIO_COMMON_QUEUE_DRIVER ? &queue->ring.driver
                                                  : &queue->ring.device;
}

static uint32_t read_address(VirtioPci *s, VirtioQueue *queue, unsigned offset)
{
    unsigned shift;
    const uint64_t *addr = address_at(queue, offset, &shift);

    return (uint32_t)(*addr >> shift);
}

static void write_address(VirtioPci *s, VirtioQueue *queue, unsigned offset, uint32_t value)
{
    unsigned shift;
    uint64_t *addr = address_at(queue, offset, &shift);

    if (!queue->ring.enabled) {
        *addr = (*addr & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
    }
}

static const CommonRegister common[] = {
    { VIRTIO_COMMON_DEVICE_FEATURE_SELECT, 4, false, read_select, write_select },
    { VIRTIO_COMMON_DEVICE_FEATURE, 4, false, read_device_feature, NULL },
    { VIRTIO_COMMON_DRIVER_FEATURE_SELECT, 4, false, read_select, write_select },
    { VIRTIO_COMMON_DRIVER_FEATURE, 4, false, read_driver_feature, write_driver_feature },
    { VIRTIO_COMMON_CONFIG_VECTOR, 2, false, read_vector, write_vector },
    { VIRTIO_COMMON_NUM_QUEUES, 2, false, read_num_queues, NULL },
    { VIRTIO_COMMON_STATUS, 1, false, read_status, write_status },
    { VIRTIO_COMMON_GENERATION, 1, false, read_status, NULL },
    { VIRTIO_COMMON_QUEUE_SELECT, 2, false, read_select, write_select },
    { VIRTIO_COMMON_QUEUE_SIZE, 2, true, read_queue_size, write_queue_size },
    { VIRTIO_COMMON_QUEUE_VECTOR, 2, true, read_vector, write_vector },
    { VIRTIO_COMMON_QUEUE_ENABLE, 2, true, read_queue_enable, write_queue_enable },
    { VIRTIO_COMMON_QUEUE_NOTIFY_OFF, 2, true, read_notify, NULL },
    { VIRTIO_COMMON_QUEUE_DESC, 4, true, read_address, write_address },
    { VIRTIO_COMMON_QUEUE_DESC + 4, 4, true, read_address, write_address },
    { VIRTIO_COMMON_QUEUE_DRIVER, 4, true, read_address, write_address },
    { VIRTIO_COMMON_QUEUE_DRIVER + 4, 4, true, read_address, write_address },
    { VIRTIO_COMMON_QUEUE_DEVICE, 4, true, read_address, write_address },
    { VIRTIO_COMMON_QUEUE_DEVICE + 4, 4, true, read_address, write_address },
    { VIRTIO_COMMON_QUEUE_NOTIFY_DATA, 2, true, read_notify, NULL },
    { VIRTIO_COMMON_QUEUE_RESET, 2, true, read_queue_reset, write_queue_reset },
};

static const CommonRegister *find_register(unsigned offset)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(common); i++) {
        if (common[i].offset == offset) {
            return &common[i];
        }
    }
    return NULL;
}

/* Drivers access each register as a whole (section 4.1.3.1); but iPXE of 2019 takes the features'
 * words by reads of 16 bits. Other accesses find nothing. */
static uint32_t common_read(VirtioPci *s, unsigned offset, unsigned size)
{
    const CommonRegister *reg = find_register(offset);
    VirtioQueue *queue = virtio_pci_selected(s);

    if (!reg || size > reg->size || (!queue && reg->of_queue)) {
        return 0;
    }
    return reg->read(s, queue, offset) & UINT32_MAX >> (32 - 8 * size);
}

static void common_write(VirtioPci *s, unsigned offset, unsigned size, uint32_t value)
{
    const CommonRegister *reg = find_register(offset);
    VirtioQueue *queue = virtio_pci_selected(s);

    if (reg && size == reg->size && reg->write && (queue || !reg->of_queue)) {
        reg->write(s, queue, offset, value);
    }
}

/* ---- the other structures ---- */

static uint32_t isr_read(VirtioPci *s, unsigned offset, unsigned size)
{
    return offset == 0 ? virtio_pci_take_isr(s) : 0;
}

static void isr_write(VirtioPci *s, unsigned offset, unsigned size, uint32_t value)
{
}

static uint32_t device_read(VirtioPci *s, unsigned offset, unsigned size)
{
    return virtio_config_load(s->vdev, offset, size);
}

static void device_write(VirtioPci *s, unsigned offset, unsigned size, uint32_t value)
{
    virtio_config_store(s->vdev, offset, value, size);
}

/* Bytes from one queue's notification register to the next. */
static unsigned notify_step(const VirtioPci *s)
{
    return s->page_per_vq ? PAGE : 4;
}

static uint32_t notify_read(VirtioPci *s, unsigned offset, unsigned size)
{
    return 0;
}

static void notify_write(VirtioPci *s, unsigned offset, unsigned size, uint32_t value)
{
    if (offset / notify_step(s) < s->vdev->queue_count) {
        virtio_driver_notified(s->vdev, offset / notify_step(s));
    }
}

static const struct {
    uint8_t kind;
    uint32_t (*read)(VirtioPci *s, unsigned offset, unsigned size);
    void (*write)(VirtioPci *s, unsigned offset, unsigned size, uint32_t value);
} structures[] = {
    { VIRTIO_CAP_COMMON, common_read, common_write },
    { VIRTIO_CAP_ISR, isr_read, isr_write },
    { VIRTIO_CAP_DEVICE, device_read, device_write },
    { VIRTIO_CAP_NOTIFY, notify_read, notify_write },
};

/* Which structure it is; *@offset is in that. */
static unsigned structure_at(hwaddr addr, unsigned *offset)
{
    unsigned n = (unsigned)MIN(addr / PAGE, G_N_ELEMENTS(structures) - 1);

    *offset = (unsigned)(addr - n * PAGE);
    return n;
}

static uint64_t bar_read(void *opaque, hwaddr addr, unsigned size)
{
    unsigned offset, n = structure_at(addr, &offset);

    return structures[n].read(opaque, offset, size);
}

/* Does a back-end that is another program have to do something about it? */
static bool concerns_backend(unsigned kind, unsigned offset)
{
    return kind == VIRTIO_CAP_DEVICE ||
           (kind == VIRTIO_CAP_COMMON &&
            (offset == VIRTIO_COMMON_STATUS || offset == VIRTIO_COMMON_QUEUE_ENABLE));
}

static void write_now(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    unsigned offset, n = structure_at(addr, &offset);

    structures[n].write(opaque, offset, size, (uint32_t)value);
}

static void bar_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    const VirtioPci *s = opaque;
    unsigned offset, n = structure_at(addr, &offset);

    if (!concerns_backend(structures[n].kind, offset) ||
        !vhost_write_later(s->vdev->vhost, write_now, opaque, addr, value, size)) {
        write_now(opaque, addr, value, size);
    }
}

static const MemoryRegionOps bar_ops = { bar_read, bar_write, 1, 4 };

/* The structures' places are their numbers' pages. */
static unsigned place_of(uint8_t kind)
{
    unsigned i = 0;

    while (structures[i].kind != kind) {
        i++;
    }
    return i * PAGE;
}

void virtio_pci_modern_events(VirtioPci *s, bool on)
{
    for (unsigned n = 0; n < s->vdev->queue_count; n++) {
        virtio_pci_event(s, &s->modern_bar, n, place_of(VIRTIO_CAP_NOTIFY) + n * notify_step(s),
                         false, on);
    }
}

/* ---- by configuration space ---- */

/* What the driver wrote into the capability; false: an access that there cannot be. */
static bool get_access(const VirtioPci *s, unsigned *offset, unsigned *size)
{
    const PciDevice *dev = &s->parent;

    *offset = pci_get_long(dev, s->access_cap + VIRTIO_CAP_OFFSET);
    *size = pci_get_long(dev, s->access_cap + VIRTIO_CAP_SIZE_OF);
    return dev->config[s->access_cap + VIRTIO_CAP_BAR] == MODERN_BAR &&
           (*size == 1 || *size == 2 || *size == 4) && *offset < s->modern_bar.size &&
           *offset % *size == 0;
}

void virtio_pci_access_read(VirtioPci *s)
{
    unsigned offset, size;

    if (get_access(s, &offset, &size)) {
        pci_set_long(&s->parent, s->access_cap + VIRTIO_CAP_DATA,
                     (uint32_t)bar_read(s, offset, size));
    }
}

void virtio_pci_access_write(VirtioPci *s)
{
    unsigned offset, size;

    if (get_access(s, &offset, &size)) {
        bar_write(s, offset, pci_get_long(&s->parent, s->access_cap + VIRTIO_CAP_DATA), size);
    }
}

/* ---- coming ---- */

static uint8_t add_capability(VirtioPci *s, uint8_t kind, uint8_t size, uint32_t at, uint32_t len)
{
    PciDevice *dev = &s->parent;
    uint8_t cap = pci_add_capability(dev, PCI_CAP_ID_VENDOR, size);

    dev->config[cap + VIRTIO_CAP_LENGTH] = size;
    dev->config[cap + VIRTIO_CAP_KIND] = kind;
    dev->config[cap + VIRTIO_CAP_BAR] = len ? MODERN_BAR : 0;
    pci_set_long(dev, cap + VIRTIO_CAP_OFFSET, at);
    pci_set_long(dev, cap + VIRTIO_CAP_SIZE_OF, len);
    return cap;
}

static void add_access(VirtioPci *s)
{
    uint8_t cap = add_capability(s, VIRTIO_CAP_ACCESS, VIRTIO_CAP_LONG_SIZE, 0, 0);
    const PciRegister regs[] = {
        { cap + VIRTIO_CAP_BAR, 1, 0, 0xff },
        { cap + VIRTIO_CAP_OFFSET, 4, 0, 0xffffffff },
        { cap + VIRTIO_CAP_SIZE_OF, 4, 0, 0xffffffff },
        { cap + VIRTIO_CAP_DATA, 4, 0, 0xffffffff },
    };

    s->access_cap = cap;
    pci_set_registers(&s->parent, regs, G_N_ELEMENTS(regs));
}

void virtio_pci_add_modern(VirtioPci *s)
{
    uint32_t notify_size = s->page_per_vq ? s->vdev->queue_count * PAGE : PAGE;
    uint64_t size = G_N_ELEMENTS(structures) * PAGE;

    while (size < (G_N_ELEMENTS(structures) - 1) * PAGE + notify_size) {
        size *= 2;
    }
    memory_region_init_io(&s->modern_bar, &bar_ops, s, "virtio-modern", size);
    pci_add_bar(&s->parent, MODERN_BAR, PCI_BAR_MEM64 | PCI_BAR_PREFETCH, &s->modern_bar);
    add_access(s);
    virtio_pci_modern_events(s, true);
    for (unsigned i = G_N_ELEMENTS(structures); i-- > 0;) { /* the last one is the list's first */
        uint8_t kind = structures[i].kind;
        bool notify = kind == VIRTIO_CAP_NOTIFY;
        uint8_t cap = add_capability(s, kind, notify ? VIRTIO_CAP_LONG_SIZE : VIRTIO_CAP_SIZE,
                                     i * PAGE, notify ? notify_size : PAGE);

        if (notify) {
            pci_set_long(&s->parent, cap + VIRTIO_CAP_NOTIFY_MULTIPLIER, notify_step(s));
        }
    }
}

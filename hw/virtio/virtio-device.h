/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices (Virtio 1.2, chapter 2): status, features, configuration space and queues, without
 * the transport that shows them to a guest. A device type is a Device with parent "virtio-device",
 * whose ops are a VirtioDeviceClass; it sits on a virtio-bus, which its transport owns
 * (hw/virtio/virtio-pci.h). Machine lock for everything, unless the queues run on a loop:
 *
 * Then the queues' functions are called by that loop, without the machine lock, but with the
 * device's own lock and in a read section, as is whatever else the loop does between virtio_enter()
 * and virtio_leave(). Whoever has the machine lock and touches rings, or what the queues' functions
 * use, enters too. Who waits for the loop must not have entered. The driver's notifications are
 * signals of an eventfd, which need no lock; interrupts are, where MSI-X sends them, and the main
 * loop's to send, where not.
 *
 * A queue's function is called when the driver notified, when the driver is ready (DRIVER_OK), and
 * when the machine starts to run, be it for the first time or after it was loaded; never while it
 * stands, or may not reach memory. So nothing is lost if a function that cannot do its work now
 * just returns, and what comes from the host looks at virtio_device_runs() first.
 */
#ifndef HW_VIRTIO_VIRTIO_DEVICE_H
#define HW_VIRTIO_VIRTIO_DEVICE_H

#include "hw/core/bus.h"
#include "hw/core/device.h"
#include "hw/virtio/virtqueue.h"
#include "util/loop.h"

#define TYPE_VIRTIO_DEVICE "virtio-device"
#define TYPE_VIRTIO_BUS    "virtio-bus"

/* Device IDs (chapter 5). */
enum {
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLOCK = 2,
    VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_RNG = 4,
    VIRTIO_ID_BALLOON = 5,
    VIRTIO_ID_SCSI = 8,
    VIRTIO_ID_9P = 9,
    VIRTIO_ID_GPU = 16,
    VIRTIO_ID_INPUT = 18,
    VIRTIO_ID_VSOCK = 19,
    VIRTIO_ID_CRYPTO = 20,
    VIRTIO_ID_IOMMU = 23,
    VIRTIO_ID_MEM = 24,
    VIRTIO_ID_FS = 26,
    VIRTIO_ID_PMEM = 27,
    VIRTIO_ID_I2C = 34,
    VIRTIO_ID_GPIO = 41,
    VIRTIO_ID_MAX = VIRTIO_ID_GPIO,
};

/* Bits of the status (section 2.1). */
enum {
    VIRTIO_STATUS_ACKNOWLEDGE = 1,
    VIRTIO_STATUS_DRIVER = 2,
    VIRTIO_STATUS_DRIVER_OK = 4,
    VIRTIO_STATUS_FEATURES_OK = 8,
    VIRTIO_STATUS_NEEDS_RESET = 64,
    VIRTIO_STATUS_FAILED = 128,
};

/* Feature bits of all devices (chapter 6), beside those of rings (virtqueue.h). */
enum {
    VIRTIO_F_ANY_LAYOUT = 27, /* legacy */
    VIRTIO_F_VERSION_1 = 32,
    VIRTIO_F_ACCESS_PLATFORM = 33,
    VIRTIO_F_RING_RESET = 40,
};

#define VIRTIO_NO_VECTOR  0xffff
#define VIRTIO_MAX_QUEUES 1024
#define VIRTIO_MAX_CONFIG 256 /* bytes of a configuration space */

typedef struct VirtioDevice VirtioDevice;
OBJECT_CAST_DEFINE(VirtioDevice, VIRTIO_DEVICE, TYPE_VIRTIO_DEVICE)

/* Do what can be done with the buffers in @vq. */
typedef void VirtioQueueFn(VirtioDevice *vdev, VirtQueue *vq);

typedef struct VirtioQueue {
    VirtQueue ring;
    uint16_t vector; /* the transport's number of its interrupt, or VIRTIO_NO_VECTOR */
    /* wiring */
    VirtioQueueFn *handle;
    /* wiring, of queues on a loop, or, of kick_fd, that another program works on */
    VirtioDevice *vdev;
    int kick_fd;    /* an eventfd that lets the loop look at the queue; -1: it has none */
    GSource *watch; /* of it; the loop's */
    int call_fd;    /* an eventfd that interrupts the driver; -1: main loop. Device's lock */
    bool call;      /* the main loop has to interrupt the driver. Device's lock */
    bool resetting; /* the loop leaves it alone. Device's lock */
} VirtioQueue;

struct VirtioDevice {
    Device parent;
    uint8_t status;
    uint64_t features;   /* that the driver has accepted */
    uint8_t generation;  /* of the configuration space */
    VirtioQueue *queues; /* queue_count of them, made by realize */
    /* configuration */
    bool event_idx, indirect_desc, packed, queue_reset, any_layout, iommu_platform;
    /* wiring */
    uint64_t offered; /* features; settled by realize */
    uint64_t needed;  /* those without which no driver is taken; settled by realize */
    unsigned queue_count;
    DmaSpace dma;
    char *name;          /* for messages and holds; owned */
    GSource *again;      /* calls the queues' functions from the main loop; NULL: not asked for */
    uint64_t *again_for; /* a bit for each queue; owned */
    struct Vhost *vhost; /* of one whose queues another program works on (vhost.h); else NULL */
    /* wiring, of one whose queues run on a loop (virtio-loop.c) */
    Loop *loop;         /* NULL: they do not */
    GMutex lock;        /* the device's */
    bool live;          /* the loop may use the queues. Device's lock */
    int attention_fd;   /* an eventfd that lets the main loop look at `call` and broken rings */
    GSource *attention; /* of it */
};

/* What device types define. Write `.device = { VIRTIO_DEVICE_CLASS_BASE, .state = ... }`; the
 * state's table has virtio_device_state of its VirtioDevice. */
typedef struct VirtioDeviceClass {
    DeviceClass device;
    uint16_t id;              /* VIRTIO_ID_* */
    uint16_t config_size;     /* bytes of the configuration space, up to VIRTIO_MAX_CONFIG */
    uint64_t legacy_features; /* that only the legacy interface offers, beside ANY_LAYOUT */
    /* Offer features and make queues. Leaves nothing behind on failure; queues and features go by
     * themselves. */
    bool (*realize)(VirtioDevice *vdev, GError **errp);
    void (*unrealize)(VirtioDevice *vdev); /* after a reset; may be NULL */
    /* Give back, by virtq_drop(), what of @vq is in flight, and forget it; the queue is reset then.
     * NULL: nothing stays in flight. */
    void (*queue_reset)(VirtioDevice *vdev, VirtQueue *vq);
    /* After a reset of everything, or of the device by its driver. May be NULL. */
    void (*reset)(VirtioDevice *vdev);
    /* The machine stands, and queues are not run any more: wait for what is under way. May be NULL.
     */
    void (*stopped)(VirtioDevice *vdev);
    /* The driver wrote the status; @before is what it was. May be NULL. */
    void (*status_written)(VirtioDevice *vdev, uint8_t before);
    /* Fill the configuration space, which is zeros; and after the driver wrote to bytes [@offset,
     * @offset + @size) of it: @config has all of it. May be NULL. */
    void (*config_read)(VirtioDevice *vdev, uint8_t *config);
    void (*config_written)(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                           unsigned size);
} VirtioDeviceClass;

#define VIRTIO_DEVICE_CLASS_BASE                              \
    .bus = TYPE_VIRTIO_BUS, .realize = virtio_device_realize, \
    .unrealize = virtio_device_unrealize, .reset = virtio_device_reset, .category = "misc"
bool virtio_device_realize(Device *dev, GError **errp);
void virtio_device_unrealize(Device *dev);
void virtio_device_reset(Device *dev);
extern const StateTable virtio_device_state;

static inline const VirtioDeviceClass *virtio_device_class(const VirtioDevice *vdev)
{
    return object_ops(&vdev->parent.parent);
}

/* ---- for devices ---- */

/* In realize: offer feature @bit. */
void virtio_offer(VirtioDevice *vdev, unsigned bit);
/* In realize: one more queue, of at most @size entries. Borrowed until the next one is added. */
VirtQueue *virtio_add_queue(VirtioDevice *vdev, uint16_t size, VirtioQueueFn *handle);
/* By number; stays where it is once the device is realized. */
static inline VirtQueue *virtio_queue(VirtioDevice *vdev, unsigned n)
{
    return &vdev->queues[n].ring;
}
/* The number of @vq. */
unsigned virtio_queue_number(const VirtioDevice *vdev, const VirtQueue *vq);
/* In realize, before all else: queues run on @loop, if it is not NULL. */
void virtio_use_loop(VirtioDevice *vdev, Loop *loop);
/* See above; of a device without a loop they do nothing. Not nested. */
void virtio_enter(VirtioDevice *vdev);
void virtio_leave(VirtioDevice *vdev);
/* What the modern interface offers. */
static inline uint64_t virtio_modern_features(const VirtioDevice *vdev)
{
    return vdev->offered &
           ~(virtio_device_class(vdev)->legacy_features | 1ull << VIRTIO_F_ANY_LAYOUT);
}
/* Did the driver accept @bit? */
static inline bool virtio_has(const VirtioDevice *vdev, unsigned bit)
{
    return vdev->features >> bit & 1;
}
/* May buffers be used now? The driver is ready, the machine runs, and the bus lets it. */
bool virtio_device_runs(const VirtioDevice *vdev);
/* Tell the driver of buffers that were given back, if it wants to know; entered. */
void virtio_notify(VirtioDevice *vdev, VirtQueue *vq);
/* Call the function of @vq once more, soon: for one that has done its share. */
void virtio_queue_again(VirtioDevice *vdev, VirtQueue *vq);
/* The configuration space has changed. */
void virtio_config_changed(VirtioDevice *vdev);
/* The driver broke the rules, as @why says: it has to reset the device. */
void virtio_needs_reset(VirtioDevice *vdev, const char *why);

/* ---- for transports ---- */

typedef struct VirtioTransport {
    /* Interrupts. Which queue's, or of a change of the configuration. */
    void (*queue_interrupt)(void *opaque, unsigned queue);
    void (*config_interrupt)(void *opaque);
    /* May the device reach memory now? */
    bool (*can_dma)(void *opaque);
    /* The device was reset, by whomever: forget what the driver has told. */
    void (*device_reset)(void *opaque);
    /* An eventfd, borrowed, that is as good as queue_interrupt() until the queue's vector or the
     * way of interrupts changes; -1: there is none now. */
    int (*queue_eventfd)(void *opaque, unsigned queue);
    /* Send what was signalled by eventfds until now. */
    void (*flush_interrupts)(void *opaque);
    /* How the transport gets at memory, borrowed: that of a device with iommu_platform=on. */
    const DmaSpace *(*dma)(void *opaque);
} VirtioTransport;

typedef struct VirtioBus {
    Bus parent;
    /* wiring */
    const VirtioTransport *transport;
    void *opaque;
} VirtioBus;
OBJECT_CAST_DEFINE(VirtioBus, VIRTIO_BUS, TYPE_VIRTIO_BUS)

/* A bus for one device, as a child of @owner. Borrowed. */
VirtioBus *virtio_bus_new(Object *owner, const VirtioTransport *transport, void *opaque);

/* Can its addresses be translated, if they are to be (iommu_platform=on)? Realized. */
bool virtio_check_iommu(const VirtioDevice *vdev, GError **errp);
/* The same of all that there are: an IOMMU is to come. */
bool virtio_check_iommu_all(GError **errp);

/* What the driver does: accept features (ignored once FEATURES_OK is set); write the status, where
 * 0 is a reset; set up a queue, whose size and addresses are in its VirtQueue, or reset it; say
 * that there are buffers; read and write [@offset, @offset + @size), 1, 2 or 4 bytes, of the
 * configuration space. @n below queue_count. */
void virtio_accept_features(VirtioDevice *vdev, uint64_t features);
void virtio_write_status(VirtioDevice *vdev, uint8_t status);
void virtio_enable_queue(VirtioDevice *vdev, unsigned n);
void virtio_reset_queue(VirtioDevice *vdev, unsigned n);
void virtio_driver_notified(VirtioDevice *vdev, unsigned n);
uint32_t virtio_config_load(VirtioDevice *vdev, unsigned offset, unsigned size);
void virtio_config_store(VirtioDevice *vdev, unsigned offset, uint32_t value, unsigned size);
/* Call the functions of all queues, if they may be called now. */
void virtio_run_queues(VirtioDevice *vdev);
/* Whether the device may reach memory, or how it interrupts, may have changed. */
void virtio_transport_changed(VirtioDevice *vdev);
/* The eventfd that is signalled in place of virtio_driver_notified(@n); -1: there is none. From
 * realize to unrealize, borrowed. */
static inline int virtio_kick_fd(const VirtioDevice *vdev, unsigned n)
{
    return vdev->queues[n].kick_fd;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-scsi: a controller with a SCSI bus (Virtio 1.2, section 5.6). virtio-scsi.c has requests
 * and life, virtio-scsi-ctrl.c the control queue and events. What of the structure is not
 * configuration belongs to whoever has entered the device (hw/virtio/virtio-device.h).
 */
#ifndef HW_VIRTIO_VIRTIO_SCSI_H
#define HW_VIRTIO_VIRTIO_SCSI_H

#include "backends/iothread.h"
#include "hw/scsi/scsi-bus.h"
#include "hw/virtio/virtio-device.h"
#include "hw/virtio/virtio-retry.h"
#include "hw/virtio/virtio-scsi-regs.h"

#define TYPE_VIRTIO_SCSI "virtio-scsi-device"

typedef struct VirtioScsi {
    VirtioDevice parent;
    uint32_t sense_size, cdb_size; /* bytes; the driver may choose */
    bool missed;                   /* events that could not be told */
    VirtioRetry retry;
    /* configuration */
    Iothread *iothread; /* whose loop the queues run on: a reference; NULL: main loop */
    uint32_t num_queues, queue_size, max_sectors, cmd_per_lun;
    bool hotplug, param_change;
    /* wiring */
    ScsiBus *bus;
    GQueue active;              /* of VirtioScsiRequest: under way */
    const VirtQueue *resetting; /* what is in it goes nowhere */
} VirtioScsi;
OBJECT_CAST_DEFINE(VirtioScsi, VIRTIO_SCSI, TYPE_VIRTIO_SCSI)

/* A task management function that waits for requests. */
typedef struct VirtioScsiWait {
    VirtqElement *element;
    unsigned left; /* requests */
} VirtioScsiWait;

typedef struct VirtioScsiRequest {
    ScsiRequest scsi;
    VirtioScsi *s;
    VirtQueue *vq;
    VirtqElement *element;
    ScsiDevice *dev;
    uint64_t id; /* the driver's */
    GList link;  /* in `active` */
    /* Functions that cancel it and wait for that (of VirtioScsiWait, borrowed), and what the first
     * of them wants to be answered. */
    GPtrArray *waits;
    uint8_t cancelled;
    struct iovec iov[]; /* the data */
} VirtioScsiRequest;

/* @r is gone: functions that waited for it may be done. */
void virtio_scsi_request_gone(VirtioScsi *s, VirtioScsiRequest *r);
/* The control queue's function, and the one of events. */
void virtio_scsi_handle_control(VirtioDevice *vdev, VirtQueue *vq);
void virtio_scsi_handle_events(VirtioDevice *vdev, VirtQueue *vq);
/* Tell the driver of @dev; not entered. For ScsiBusOps. */
void virtio_scsi_plugged(ScsiBus *bus, ScsiDevice *dev);
void virtio_scsi_unplugged(ScsiBus *bus, ScsiDevice *dev);
void virtio_scsi_resized(ScsiBus *bus, ScsiDevice *dev);
/* The device that @lun of a request means, as scsi_bus_find() has it. */
ScsiDevice *virtio_scsi_find(const VirtioScsi *s, const uint8_t lun[8], ScsiDevice **other);
/* Show the driver what was given back. */
void virtio_scsi_flush(VirtioScsi *s);
/* Try again what failed. */
void virtio_scsi_retry(VirtioScsi *s);
static inline VirtioScsi *virtio_scsi_of(const ScsiBus *bus)
{
    return VIRTIO_SCSI(bus->parent.parent.parent);
}

#endif

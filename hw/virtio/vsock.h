/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all kinds of virtio-vsock are to the guest (Virtio 1.2, section 5.10), whoever works on what
 * is sent and received. Machine lock.
 */
#ifndef HW_VIRTIO_VSOCK_H
#define HW_VIRTIO_VSOCK_H

#include "hw/virtio/virtio-device.h"

enum { VIRTIO_VSOCK_F_SEQPACKET = 1 };

/* Property "seqpacket". */
enum { SEQPACKET_AUTO, SEQPACKET_ON, SEQPACKET_OFF };
extern const char *const vsock_seqpacket_names[]; /* for PROP_ENUM */

/* To handle @vq, the queue of events: if *@due, and the driver has a buffer there, it is told that
 * all connections are lost, and *@due is false. */
void vsock_tell_reset(VirtioDevice *vdev, VirtQueue *vq, bool *due);

#endif

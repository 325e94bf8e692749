/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices whose queues run on a loop (virtio-device.h), for virtio-device.c. Each function
 * does nothing, or says false, for one without a loop. Machine lock, not entered.
 */
#ifndef HW_VIRTIO_VIRTIO_LOOP_H
#define HW_VIRTIO_VIRTIO_LOOP_H

#include "hw/virtio/virtio-device.h"

/* After its queues were added: the loop watches for notifications. Errors: no more files. */
bool virtio_loop_start(VirtioDevice *vdev, GError **errp);
/* Undo it. The queues are reset. Harmless if it was not started. */
void virtio_loop_end(VirtioDevice *vdev);

/* From now on the loop runs queues if the device runs, else not; interrupts go by eventfds where
 * they can. When it returns, the loop is not in a queue's function that it may not be in. */
void virtio_loop_update(VirtioDevice *vdev);
/* From now on the loop runs no queues, whatever the state of the device; resp. not @queue. */
void virtio_loop_pause(VirtioDevice *vdev);
void virtio_loop_pause_queue(VirtioDevice *vdev, VirtioQueue *queue, bool pause);
/* Let the loop look at @queue. False: there is no loop. Any thread. */
bool virtio_loop_kick(VirtioQueue *queue);
/* virtio_notify(); entered. */
bool virtio_loop_notify(VirtioDevice *vdev, VirtioQueue *queue);
/* All interrupts that the loop asked for are sent when this returns. */
void virtio_loop_flush(VirtioDevice *vdev);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a vhost back-end is told, it does later: until it has answered, no more of the same kind is
 * told, so that one that is silent has no more before it than was true once. Who has to know that
 * it has done it waits here: the CPU that caused it stands, memory that goes is kept, memory that
 * comes is not shown to the guest (memory_device_when_settled()). Nobody else waits. Machine lock.
 */
#ifndef HW_VIRTIO_VHOST_WAIT_H
#define HW_VIRTIO_VHOST_WAIT_H

#include "hw/virtio/vhost.h"

/* Has it not done all that it was told? What it is only asked, whether it answers at all, does not
 * count. */
bool vhost_is_busy(const Vhost *vhost);
/* Not now: vhost_tell() is called when it has. */
void vhost_tell_later(Vhost *vhost);
/* It was told something: there is to be an answer behind it. In a CPU's thread, that CPU stands
 * until it is there. */
void vhost_told(Vhost *vhost);
/* The connection ends: nobody waits for it any more. */
void vhost_wait_over(Vhost *vhost);
/* The device is there, with a back-end that is another program, and goes. */
void vhost_wait_begin(Vhost *vhost);
void vhost_wait_end(Vhost *vhost);
/* The device was reset: writes that waited are not done. */
void vhost_drop_writes(Vhost *vhost);

/* ---- of vhost.c ---- */

/* Whatever it has not been told. */
void vhost_tell(Vhost *vhost);
/* It gives the rings back, whatever the state of the device. */
void vhost_stop(Vhost *vhost);

#endif

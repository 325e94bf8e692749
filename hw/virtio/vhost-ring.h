/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rings of a vhost device, for vhost.c: how they are given to the back-end and taken back.
 * Machine lock.
 */
#ifndef HW_VIRTIO_VHOST_RING_H
#define HW_VIRTIO_VHOST_RING_H

#include "hw/virtio/vhost.h"

/* Features of the protocol that are of use, and can be done without. */
#define VHOST_OPTIONAL_PROTOCOL (1ull << VHOST_USER_PROTOCOL_F_LOG_SHMFD)

/* What the driver has accepted, as far as it is the back-end's. */
bool vhost_send_features(Vhost *vhost, GError **errp);
/* Where ring @n is, and whether it is logged. */
bool vhost_ring_send_addr(Vhost *vhost, unsigned n, GError **errp);
/* Ring @n is enabled, used or interrupts otherwise than the back-end knows: tell it. */
bool vhost_ring_update(Vhost *vhost, unsigned n, GError **errp);
/* The back-end has done all that it was told: it looks at a ring that it was given, and what it
 * signalled meanwhile where the driver did not look any more, that is told anew. */
void vhost_ring_settled(VhostRing *ring);
/* The back-end gives it back, now or later: VhostRing.stopping. */
bool vhost_ring_stop(Vhost *vhost, unsigned n, GError **errp);
/* The back-end has gone: the ring is where the driver knows it to be. */
void vhost_ring_recover(Vhost *vhost, unsigned n);
/* Is it where the back-end has it? */
bool vhost_ring_is_mapped(Vhost *vhost, unsigned n);
void vhost_ring_free(VhostRing *ring);

/* Memory in which the back-end notes what it has in flight, so that another can go on: it gives it
 * when it is asked, later, and is told before it has a ring. Is there nothing to ask? */
bool vhost_inflight_is_known(const Vhost *vhost);
bool vhost_inflight_ask(Vhost *vhost, GError **errp);
bool vhost_inflight_send(Vhost *vhost, GError **errp);
void vhost_inflight_forget(Vhost *vhost);

/* Rings are ours that were the back-end's, or the other way: the main loop hears of notifications
 * of ours. */
void vhost_watch_ours(Vhost *vhost);
/* No back-end will come: all that is in the rings is answered by errors. */
void vhost_fail_all(Vhost *vhost);

#endif

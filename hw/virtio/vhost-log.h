/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages a vhost back-end writes to, while somebody wants to know (memory/dirty.h): it
 * marks them in memory that it shares with us. Machine lock.
 */
#ifndef HW_VIRTIO_VHOST_LOG_H
#define HW_VIRTIO_VHOST_LOG_H

#include "hw/virtio/vhost.h"

/* Can the back-end that is there do it? */
bool vhost_log_is_possible(const Vhost *vhost);
/* Listen to who wants to know; and no more. */
void vhost_log_init(Vhost *vhost);
void vhost_log_fini(Vhost *vhost);
/* Tell the back-end where to mark, if that is wanted; before its rings are started. */
bool vhost_log_send(Vhost *vhost, GError **errp);

/* Bytes of what it marks in; 0: it does not now. */
uint64_t vhost_log_size(const Vhost *vhost);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names that the specification of virtio gives to kinds of devices and to bits.
 */
#ifndef MONITOR_VIRTIO_NAMES_H
#define MONITOR_VIRTIO_NAMES_H

#include "hw/virtio/virtio-device.h"

/* "virtio-net" for 1; NULL: no name is known. */
const char *virtio_name_of_id(unsigned id);
/* Names of bits of @bits, the highest first, as GPtrArrays of char * that own them. Those of all
 * devices; those of a kind; of the status; of the protocol of vhost-user. A bit whose name is told
 * is taken out of *@bits. */
GPtrArray *virtio_names_of_transport(uint64_t *bits);
GPtrArray *virtio_names_of_features(unsigned id, uint64_t *bits);
GPtrArray *virtio_names_of_status(uint8_t *status);
GPtrArray *virtio_names_of_protocol(uint64_t *bits);

#endif

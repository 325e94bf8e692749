/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev tap with vhost=on, for the card whose rings the host's kernel works on: packets of the
 * tap do not come through us while the card has it. Machine lock.
 */
#ifndef NET_NET_TAP_H
#define NET_NET_TAP_H

#include "net/net.h"

/* /dev/vhost-net for the pair of queues of @nc, and the tap's descriptor; borrowed; -1: @nc is no
 * tap with vhost=on. */
int net_tap_vhost_fd(const NetClient *nc);
int net_tap_fd(const NetClient *nc);
/* Have packets of the tap headers (vnet_hdr)? */
bool net_tap_has_header(const NetClient *nc);
/* The kernel takes packets of @nc, or we do again. */
void net_tap_give(NetClient *nc, bool given);
/* Headers before packets have @size bytes from now on, where there are some. */
bool net_tap_set_header(NetClient *nc, int size, GError **errp);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /dev/vhost-net of the host, whose kernel module moves packets between a tap and a card's rings.
 */
#ifndef NET_TAP_VHOST_H
#define NET_TAP_VHOST_H

#include "qapi/qapi-types.h"

/* Are the options of it that a user gives for @pairs pairs of queues right? */
bool tap_vhost_check(const NetdevTapOptions *o, unsigned pairs, GError **errp);
/* The descriptors for @pairs pairs as @o says: g_free, and close each. NULL without an error: there
 * is none, and a user who wanted it was warned. */
int *tap_vhost_open(const NetdevTapOptions *o, unsigned pairs, GError **errp);
/* All of @fds, NULL or @pairs descriptors, which are freed. */
void tap_vhost_close(int *fds, unsigned pairs);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Network cards say where they are, so that switches learn the way to a machine that has moved:
 * RARP packets (RFC 903), as their contents matter to nobody, and what each card has beside that.
 * Machine lock; rounds go by the machine's clock.
 */
#ifndef HW_NET_ANNOUNCE_H
#define HW_NET_ANNOUNCE_H

#include "hw/net/nic.h"

/* Begin: the first round is now. No rounds end those of the same name. False with an error if a
 * parameter is out of range, or an interface is no card. */
bool announce_self(const AnnounceParameters *parameters, GError **errp);
/* The same for a machine that has just come: the first round is when it runs. The parameters were
 * checked. */
void announce_arrival(const AnnounceParameters *parameters);

#endif

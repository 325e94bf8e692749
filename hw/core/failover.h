/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pairs of network cards, by which a machine with a card of the host's is migrated (Virtio 1.2,
 * 5.1.3, VIRTIO_NET_F_STANDBY): the guest uses the primary, a PCI card with failover_pair_id=, and
 * where that is not, the standby, a virtio-net with failover=on and that id. Both have one address,
 * so the primary is hidden, that is, not made at all, until the guest's driver has said that it
 * knows of such pairs. A migration asks the guest to give it back, and waits for that; it comes
 * again where the machine goes on. Machine lock.
 */
#ifndef HW_CORE_FAILOVER_H
#define HW_CORE_FAILOVER_H

#include "hw/core/device.h"

/* device_add() for users: a primary that is to be hidden is only noted, if it can be made at all.
 */
bool failover_device_add(struct json_object *props, GError **errp);
/* device_del() of a primary that is hidden: it is forgotten. False: there is no such. */
bool failover_forget(const char *id);
/* Is a hidden primary called so? */
bool failover_has(const char *id);

/* ---- of devices ---- */

/* There is a standby @id, or none any more. */
void failover_add_standby(const char *id);
void failover_remove_standby(const char *id);
/* Its driver knows of pairs, or begins anew: FAILOVER_NEGOTIATED; the primary comes soon. */
void failover_negotiate(const char *id, bool on);
/* Does @dev, or the card that it is a part of, leave before a migration? And of which standby the
 * card is the primary; NULL: of none. */
bool failover_is_primary(const Device *dev);
const char *failover_pair_of(const Device *dev);
/* The guest was asked for @dev, and refuses, or the request was withdrawn. */
void failover_stays(const Device *dev);
/* @dev is taken out of the tree. */
void failover_device_gone(const Device *dev);

/* ---- of migrations ---- */

/* Ask for all primaries back: UNPLUG_PRIMARY; and let none come before failover_return(). @changed
 * is called when failover_has_left() says something else. Whether there are any. */
bool failover_leave(void (*changed)(void));
/* Have they all gone? Error: one of them cannot. */
bool failover_has_left(GError **errp);
/* Let none come before failover_return(), and ask for none back: all devices stay what they are. */
void failover_hold(void);
/* The migration is over, however it ended: where the machine runs, they come again. */
void failover_return(void);
/* For what saves the machine and lets it go on: an error if there is a primary. */
bool failover_check_none(GError **errp);

#endif

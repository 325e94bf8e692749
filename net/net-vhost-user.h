/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev vhost-user: the card's rings are worked on by another program, at the other end of a
 * chardev. This holds the chardev; the card speaks with the program. Machine lock.
 */
#ifndef NET_NET_VHOST_USER_H
#define NET_NET_VHOST_USER_H

#include "chardev/char.h"
#include "net/net.h"

/* The chardev of the netdev that @nc is, raw and attached, borrowed; NULL: it is none of these. */
CharFrontend *net_vhost_user_chardev(const NetClient *nc);

#endif

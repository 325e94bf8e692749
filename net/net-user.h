/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev user: a network that libslirp makes of the host's sockets. Machine lock. */
#ifndef NET_NET_USER_H
#define NET_NET_USER_H

#include "net/netdev.h"

/* The netdev @id, or without one the only netdev of this kind; NULL with an error. */
NetBackend *net_user_find(const char *id, GError **errp);
/* As in hostfwd=; and what is before the dash in that. */
bool net_user_hostfwd_add(NetBackend *netdev, const char *text, GError **errp);
bool net_user_hostfwd_remove(NetBackend *netdev, const char *text, GError **errp);
/* Its connections, for people; g_free. NULL: it is of another kind. */
char *net_user_connections(NetBackend *netdev);

#endif

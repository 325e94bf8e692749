/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev socket: other words for what -netdev stream and dgram do. */
#ifndef NET_NET_SOCKET_H
#define NET_NET_SOCKET_H

#include "qapi/qapi-types.h"

/* What @options, of the kind socket, mean: a stream or a dgram of the same id; Netdev_free(). NULL
 * with an error. A descriptor that it names is found, and no name any more. */
Netdev *net_socket_options(const Netdev *options, GError **errp);

#endif

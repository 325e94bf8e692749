/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of sockets as the schema has them, and as sockets do. */
#ifndef CHARDEV_SOCKET_ADDRESS_H
#define CHARDEV_SOCKET_ADDRESS_H

#include "chardev/socket-place.h"
#include "qapi/qapi-types.h"

/* Fill in @place, which is zeros, with what @addr says; a descriptor that has a name (getfd) is
 * found. False: there is none of that name. */
bool socket_place_set(SocketPlace *place, const SocketAddress *addr, GError **errp);
/* Free what socket_place_set() has filled in. */
void socket_place_clear(SocketPlace *place);

/* Finds the descriptor of this name and takes it; -1 with an error. */
typedef int SocketTakeFd(const char *name, GError **errp);
/* Who does that; without one there are no names. */
void socket_set_take_fd(SocketTakeFd *take);
/* The descriptor that @text, a number or a name, is; -1 with an error if it is not open. It is the
 * caller's, and gets CLOEXEC. */
int socket_fd_of(const char *text, GError **errp);

/* "HOST:PORT", "[HOST]:PORT", or ":PORT" (then "0.0.0.0") as an address; free with
 * SocketAddress_free(). NULL with an error that names @key. */
SocketAddress *socket_address_inet(const char *key, const char *text, GError **errp);

#endif

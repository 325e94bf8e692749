/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netdevs: the host's ends of networks (-netdev, netdev_add), in /netdevs/ID. A kind is an
 * ObjectType "netdev-KIND" with parent "netdev", whose ops are a NetdevClass. Machine lock.
 */
#ifndef NET_NETDEV_H
#define NET_NETDEV_H

#include "net/net.h"
#include "qapi/qapi-types.h"
#include "qom/object.h"

#define TYPE_NETDEV "netdev"

typedef struct NetBackend {
    Object parent;
    NetClient client;
    /* By `open`: pairs of queues, 0 is as good as 1. */
    unsigned queues;
    NetClient *more; /* of the pairs but the first; owned */
} NetBackend;
OBJECT_CAST_DEFINE(NetBackend, NET_BACKEND, TYPE_NETDEV)

typedef struct NetdevClass {
    NetClientOps client; /* `opaque` is the object */
    /* Open it as @options say. Its client is not there yet. The finalizer undoes what was done. */
    bool (*open)(NetBackend *netdev, const Netdev *options, GError **errp);
    /* The client is there, packets may come. May be NULL. */
    void (*start)(NetBackend *netdev);
} NetdevClass;

/* Make one, which nothing is joined to yet; borrowed. Nothing is left behind on failure. */
NetBackend *netdev_add(const Netdev *options, GError **errp);
/* Away with it; a card that is joined to it loses its link. */
bool netdev_del(const char *id, GError **errp);
NetBackend *netdev_find(const char *id); /* NULL: there is none */

#endif

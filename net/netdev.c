/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/netdev.h"

#include "net/net-socket.h"
#include "net/tap-host.h"
#include "util/error.h"

#define NETDEVS "/netdevs"

NetBackend *netdev_find(const char *id)
{
    Object *obj = object_child(object_container(NETDEVS), id);

    return obj ? NET_BACKEND(obj) : NULL;
}

static bool check_id(const char *id, GError **errp)
{
    if (!object_id_wellformed(id)) {
        error_set(errp,
                  "netdev id '%s' is not valid: a letter, then letters, digits, '-', '.' or '_'",
                  id);
        return false;
    }
    if (net_client_find(id)) {
        error_set(errp, "there is a %s called '%s' already; choose another id",
                  netdev_find(id) ? "netdev" : "network card", id);
        return false;
    }
    return true;
}

static NetBackend *add(const Netdev *options, GError **errp)
{
    g_autofree char *type = g_strconcat(TYPE_NETDEV "-", NetClientDriver_str(options->type), NULL);
    g_autoptr(Object) obj = NULL;

    obj = object_new(type, errp);
    if (!obj) {
        return NULL;
    }
    NetBackend *netdev = NET_BACKEND(obj);
    const NetdevClass *class = object_ops(obj);
    if (!class->open(netdev, options, errp)) {
        g_prefix_error(errp, "netdev '%s': ", options->id);
        return NULL;
    }
    /* Opening may have waited, and others went on. */
    if (!check_id(options->id, errp)) {
        return NULL;
    }
    if (!object_add_child(object_container(NETDEVS), options->id, obj, errp)) {
        return NULL;
    }
    object_settle(obj, true);
    net_client_init(&netdev->client, options->id, &class->client, netdev);
    netdev->more = g_new0(NetClient, MAX(netdev->queues, 1) - 1);
    for (unsigned i = 1; i < netdev->queues; i++) {
        net_client_add_queue(&netdev->client, &netdev->more[i - 1]);
    }
    if (class->start) {
        class->start(netdev);
    }
    return netdev;
}

/* A bridge is a tap that a helper makes. */
static NetBackend *add_bridge(const Netdev *options, GError **errp)
{
    const NetdevBridgeOptions *o = options->u.bridge;
    NetdevTapOptions tap = { .br = o->br ? o->br : (char *)(uintptr_t)TAP_BRIDGE,
                             .helper = o->helper };

    return add(&(Netdev){ .id = options->id, .type = NET_CLIENT_DRIVER_TAP, .u.tap = &tap }, errp);
}

NetBackend *netdev_add(const Netdev *options, GError **errp)
{
    g_autoptr(Netdev) meant = NULL;

    if (!check_id(options->id, errp)) {
        return NULL;
    }
    if (options->type == NET_CLIENT_DRIVER_BRIDGE) {
        return add_bridge(options, errp);
    }
    if (options->type == NET_CLIENT_DRIVER_SOCKET) {
        meant = net_socket_options(options, errp);
        if (!meant) {
            g_prefix_error(errp, "netdev '%s': ", options->id);
            return NULL;
        }
    }
    return add(meant ? meant : options, errp);
}

bool netdev_del(const char *id, GError **errp)
{
    NetBackend *netdev = netdev_find(id);

    if (!netdev) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "there is no netdev '%s'", id);
        return false;
    }
    net_client_cleanup(&netdev->client);
    object_unparent(&netdev->parent);
    return true;
}

/* One that could not be opened, or put into the tree, has no client. */
static void netdev_finalize(Object *obj)
{
    net_client_cleanup(&NET_BACKEND(obj)->client);
    g_free(NET_BACKEND(obj)->more);
}

static const ObjectType netdev_type = {
    .name = TYPE_NETDEV,
    .parent = "object",
    .description = "the host's end of a network",
    .instance_size = sizeof(NetBackend),
    .abstract = true,
    .finalize = netdev_finalize,
};
OBJECT_TYPE_REGISTER(netdev_type)

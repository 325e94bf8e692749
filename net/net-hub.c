/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev hubport: the ports of a hub. What comes in at one goes out at all others of the same
 * hub; a port that is slower than the rest loses what is beyond what may wait for its peer.
 */
#include "net/netdev.h"
#include "util/error.h"

typedef struct HubPort {
    NetBackend parent;
    uint32_t hub;
    NetClient *plugged; /* a netdev, until it is joined; borrowed */
} HubPort;
OBJECT_CAST_DEFINE(HubPort, HUB_PORT, "netdev-hubport")

static GPtrArray *ports; /* of HubPort *, borrowed: all that are started */

static bool port_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    const HubPort *from = HUB_PORT(nc->opaque);

    for (guint i = 0; i < ports->len; i++) {
        HubPort *to = ports->pdata[i];

        if (to != from && to->hub == from->hub) {
            net_send(&to->parent.client, packet, size);
        }
    }
    return true;
}

static char *port_describe(NetClient *nc)
{
    return g_strdup_printf("hubport,hub=%u", HUB_PORT(nc->opaque)->hub);
}

static bool port_open(NetBackend *netdev, const Netdev *options, GError **errp)
{
    HubPort *port = HUB_PORT(netdev);
    const char *id = options->u.hubport->netdev;
    NetBackend *plugged = id ? netdev_find(id) : NULL;

    port->hub = options->u.hubport->hubid;
    if (id && (!plugged || plugged->client.peer)) {
        error_set(errp,
                  plugged ? "netdev '%s' is used already; each port needs one of its own"
                          : "there is no netdev '%s'; make it before its port",
                  id);
        return false;
    }
    /* In a circle of hubs a packet would go round for ever. */
    if (plugged && object_is_a(&plugged->parent, "netdev-hubport")) {
        error_set(errp, "netdev '%s' is a port of a hub: hubs cannot be joined", id);
        return false;
    }
    port->plugged = plugged ? &plugged->client : NULL;
    return true;
}

static void port_start(NetBackend *netdev)
{
    HubPort *port = HUB_PORT(netdev);

    if (!ports) {
        ports = g_ptr_array_new();
    }
    g_ptr_array_add(ports, port);
    if (port->plugged) {
        net_join(&netdev->client, port->plugged);
    }
}

static void port_finalize(Object *obj)
{
    if (ports) {
        g_ptr_array_remove(ports, HUB_PORT(obj));
    }
}

static const NetdevClass port_ops = {
    .client = { .receive = port_receive, .describe = port_describe },
    .open = port_open,
    .start = port_start,
};

static const ObjectType port_type = {
    .name = "netdev-hubport",
    .parent = TYPE_NETDEV,
    .description = "a port of a hub",
    .instance_size = sizeof(HubPort),
    .ops = &port_ops,
    .finalize = port_finalize,
};
OBJECT_TYPE_REGISTER(port_type)

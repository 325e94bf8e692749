/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/net/nic.h"

#include <string.h>

#include "net/net-vhost-user.h"
#include "net/netdev.h"
#include "qapi/qapi-events.h"
#include "util/error.h"

static GPtrArray *nics; /* of Nic *, borrowed */

Nic *nic_of(const NetClient *client)
{
    for (guint i = 0; nics && i < nics->len; i++) {
        Nic *nic = nics->pdata[i];

        if (&nic->client == client) {
            return nic;
        }
    }
    return NULL;
}

static bool mac_is_used(const uint8_t mac[NET_MAC_SIZE])
{
    for (guint i = 0; nics && i < nics->len; i++) {
        if (memcmp(((const Nic *)nics->pdata[i])->mac, mac, NET_MAC_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

/* 52:54:00:12:34:56 and those after it. */
static void choose_mac(Nic *nic)
{
    const uint8_t first[NET_MAC_SIZE] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

    memcpy(nic->mac, first, NET_MAC_SIZE);
    while (mac_is_used(nic->mac)) {
        for (unsigned i = NET_MAC_SIZE - 1; i > 2 && !++nic->mac[i]; i--) {
        }
    }
    nic->mac_text = net_mac_text(nic->mac);
}

static bool set_mac(Nic *nic, GError **errp)
{
    if (!nic->mac_text) {
        choose_mac(nic);
        return true;
    }
    if (!net_mac_parse(nic->mac_text, nic->mac)) {
        error_set(errp, "mac=%s is not right: expects six bytes, as in 52:54:00:12:34:56",
                  nic->mac_text);
        return false;
    }
    if (nic->mac[0] & 1) {
        error_set(errp, "mac=%s is the address of a group: the first byte must be even",
                  nic->mac_text);
        return false;
    }
    return true;
}

static NetClient *find_peer(const Nic *nic, const NicOps *ops, GError **errp)
{
    NetBackend *netdev = netdev_find(nic->netdev);

    if (!netdev) {
        error_set(errp, "there is no netdev '%s'; make it with -netdev KIND,id=%s", nic->netdev,
                  nic->netdev);
        return NULL;
    }
    if (netdev->client.peer) {
        error_set(errp, "netdev '%s' is used by '%s' already; each card needs one of its own",
                  nic->netdev, netdev->client.peer->name);
        return NULL;
    }
    if (net_vhost_user_chardev(&netdev->client) && !ops->vhost) {
        error_set(errp, "netdev '%s' is vhost-user, which only virtio-net cards can have",
                  nic->netdev);
        return NULL;
    }
    return &netdev->client;
}

/* Its id, or its type with a number. */
static char *client_name(const Device *device)
{
    if (device->id) {
        return g_strdup(device->id);
    }
    for (unsigned n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("%s.%u", object_typename(&device->parent), n);

        if (!net_client_find(name)) {
            return g_steal_pointer(&name);
        }
    }
}

static unsigned count_queues(const NetClient *nc)
{
    unsigned count = 0;

    for (; nc; nc = nc->next) {
        count++;
    }
    return count;
}

bool nic_realize(Nic *nic, const Device *device, const NicOps *ops, void *opaque, unsigned most,
                 GError **errp)
{
    g_autofree char *name = client_name(device);
    NetClient *peer = NULL;

    if (net_client_find(name)) {
        error_set(errp, "there is a netdev called '%s' already; choose another id", name);
        return false;
    }
    if ((nic->netdev && !(peer = find_peer(nic, ops, errp))) || !set_mac(nic, errp)) {
        return false;
    }
    nic->ops = ops;
    nic->device = device;
    if (!nics) {
        nics = g_ptr_array_new();
    }
    g_ptr_array_add(nics, nic);
    net_client_init(&nic->client, name, &ops->client, opaque);
    nic->queues = MIN(MAX(count_queues(peer), 1), most);
    nic->more = g_new0(NetClient, nic->queues - 1);
    for (unsigned i = 1; i < nic->queues; i++) {
        net_client_add_queue(&nic->client, &nic->more[i - 1]);
    }
    if (peer) {
        net_join(&nic->client, peer);
    }
    return true;
}

void nic_unrealize(Nic *nic)
{
    net_client_cleanup(&nic->client);
    g_clear_pointer(&nic->more, g_free);
    g_ptr_array_remove(nics, nic);
}

/* ---- what cards say of themselves ---- */

void nic_send_rarp(Nic *nic, const uint8_t mac[NET_MAC_SIZE])
{
    /* To all; type RARP; Ethernet, IPv4, the sizes of their addresses; a request. */
    uint8_t packet[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [12] = 0x80, 0x35,
                           0,    1,    0x08, 0x00, 6,    4,    0,           3 };

    memcpy(packet + 6, mac, NET_MAC_SIZE);
    memcpy(packet + 22, mac, NET_MAC_SIZE);
    memcpy(packet + 32, mac, NET_MAC_SIZE);
    net_send(&nic->client, packet, sizeof(packet));
}

void nic_filter_changed(Nic *nic)
{
    if (!nic->filter_was_told) {
        g_autofree char *path = object_path(&nic->device->parent);

        nic->filter_was_told = true;
        qapi_event_send_nic_rx_filter_changed(nic->device->id, path);
    }
}

RxFilterInfo *nic_query_filter(Nic *nic)
{
    RxFilterInfo *info = nic->ops->query_filter ? nic->ops->query_filter(nic) : NULL;

    if (info) {
        info->name = g_strdup(nic->client.name);
        nic->filter_was_told = false;
    }
    return info;
}

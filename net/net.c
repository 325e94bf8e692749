/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/net.h"

#include <string.h>

static GPtrArray *clients; /* of NetClient *, borrowed */

/* ---- clients ---- */

void net_client_init(NetClient *nc, const char *name, const NetClientOps *ops, void *opaque)
{
    nc->ops = ops;
    nc->opaque = opaque;
    nc->name = g_strdup(name);
    g_queue_init(&nc->waiting);
    if (!clients) {
        clients = g_ptr_array_new();
    }
    g_ptr_array_add(clients, nc);
}

void net_client_cleanup(NetClient *nc)
{
    if (nc->ops) {
        net_part(nc);
        while (nc->watchers) {
            net_unwatch(nc->watchers->data);
        }
        g_ptr_array_remove(clients, nc);
        g_clear_pointer(&nc->name, g_free);
        nc->ops = NULL;
    }
}

const GPtrArray *net_clients(void)
{
    static const GPtrArray none;

    return clients ? clients : &none;
}

NetClient *net_client_find(const char *name)
{
    for (guint i = 0; i < net_clients()->len; i++) {
        NetClient *nc = net_clients()->pdata[i];

        if (strcmp(nc->name, name) == 0) {
            return nc;
        }
    }
    return NULL;
}

/* ---- links ---- */

bool net_link_is_up(const NetClient *nc)
{
    return nc->peer && !nc->link_down && !nc->peer->link_down;
}

static void tell_link(NetClient *nc)
{
    bool up = net_link_is_up(nc);

    if (nc->was_up != up) {
        nc->was_up = up;
        if (nc->ops->link_changed) {
            nc->ops->link_changed(nc);
        }
    }
}

/* Who waited to send to @nc may do so. */
static void tell_sender(NetClient *nc)
{
    if (nc->peer && nc->peer->ops->can_send_again && net_can_send(nc->peer)) {
        nc->peer->ops->can_send_again(nc->peer);
    }
}

void net_join(NetClient *a, NetClient *b)
{
    a->peer = b;
    b->peer = a;
    tell_link(a);
    tell_link(b);
}

void net_part(NetClient *nc)
{
    NetClient *peer = nc->peer;

    if (!peer) {
        return;
    }
    nc->peer = peer->peer = NULL;
    net_client_purge(nc);
    net_client_purge(peer);
    tell_link(nc);
    tell_link(peer);
    if (peer->ops->can_send_again) {
        peer->ops->can_send_again(peer); /* into nothing */
    }
}

void net_set_link(NetClient *nc, bool up)
{
    nc->link_down = !up;
    if (!up) {
        net_client_purge(nc);
    }
    tell_link(nc);
    if (nc->peer) {
        if (!up) {
            net_client_purge(nc->peer);
        }
        tell_link(nc->peer);
    }
}

/* ---- watchers ---- */

void net_watch(NetClient *nc, NetWatcher *watcher)
{
    watcher->client = nc;
    nc->watchers = g_slist_append(nc->watchers, watcher);
}

void net_unwatch(NetWatcher *watcher)
{
    if (watcher->client) {
        watcher->client->watchers = g_slist_remove(watcher->client->watchers, watcher);
        watcher->client = NULL;
    }
}

static void show(const NetClient *nc, bool sent, const uint8_t *packet, size_t size)
{
    for (const GSList *at = nc->watchers; at; at = at->next) {
        NetWatcher *watcher = at->data;

        watcher->packet(watcher->opaque, sent, packet, size);
    }
}

/* ---- packets ---- */

static void free_packet(gpointer packet)
{
    g_bytes_unref(packet);
}

void net_client_purge(NetClient *nc)
{
    if (!g_queue_is_empty(&nc->waiting)) {
        g_queue_clear_full(&nc->waiting, free_packet);
        nc->waiting_bytes = 0;
        tell_sender(nc);
    }
}

bool net_can_send(const NetClient *from)
{
    return !net_link_is_up(from) ||
           (g_queue_is_empty((GQueue *)(uintptr_t)&from->peer->waiting) && !from->peer->receiving);
}

static bool receive(NetClient *nc, const uint8_t *packet, size_t size)
{
    nc->receiving = true;
    bool taken = nc->ops->receive(nc, packet, size);
    nc->receiving = false;
    return taken;
}

/* Give @nc what waits, until it has no room or is not there any more to take it. */
static void flush(NetClient *nc)
{
    while (!g_queue_is_empty(&nc->waiting) && net_link_is_up(nc)) {
        g_autoptr(GBytes) packet = g_queue_pop_head(&nc->waiting);
        size_t size;
        const uint8_t *data = g_bytes_get_data(packet, &size);

        nc->waiting_bytes -= size;
        if (!receive(nc, data, size)) {
            nc->waiting_bytes += size;
            g_queue_push_head(&nc->waiting, g_steal_pointer(&packet));
            return;
        }
    }
}

static void keep(NetClient *nc, const uint8_t *packet, size_t size)
{
    if (size <= NET_WAITING_MAX_BYTES - nc->waiting_bytes) {
        g_queue_push_tail(&nc->waiting, g_bytes_new(packet, size));
        nc->waiting_bytes += size;
    }
}

void net_send(NetClient *from, const uint8_t *packet, size_t size)
{
    NetClient *to = from->peer;

    if (!net_link_is_up(from) || !size || size > NET_PACKET_MAX) {
        return;
    }
    show(from, true, packet, size);
    show(to, false, packet, size);
    if (to->receiving || !g_queue_is_empty(&to->waiting)) {
        keep(to, packet, size);
        return;
    }
    if (!receive(to, packet, size)) {
        keep(to, packet, size);
    } else {
        flush(to); /* what came from within */
    }
}

static void send_segment(void *from, const uint8_t *segment, size_t size)
{
    net_send(from, segment, size);
}

void net_send_offloaded(NetClient *from, const NetOffload *o, uint8_t *packet, size_t size)
{
    bool large = from->peer && from->peer->ops->takes_large;

    if (o->type && !large) {
        net_offload_cut(o, packet, size, send_segment, from);
    } else if (!(o->flags & NET_OFFLOAD_CSUM) || net_offload_complete(o, packet, size)) {
        net_send(from, packet, size);
    }
}

void net_client_ready(NetClient *nc)
{
    if (nc->receiving) {
        return; /* whoever gave it a packet goes on */
    }
    flush(nc);
    tell_sender(nc);
}

/* ---- addresses ---- */

char *net_mac_text(const uint8_t mac[NET_MAC_SIZE])
{
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                           mac[5]);
}

bool net_mac_parse(const char *text, uint8_t mac[NET_MAC_SIZE])
{
    for (unsigned i = 0; i < NET_MAC_SIZE; i++) {
        if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1])) {
            return false;
        }
        mac[i] = (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
        text += 2;
        if (i + 1 < NET_MAC_SIZE && *text++ != ':') {
            return false;
        }
    }
    return !*text;
}

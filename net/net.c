/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/net.h"

#include <string.h>

static GPtrArray *clients; /* of NetClient *, borrowed */

/* A packet that waits, and what is left to do of it. */
typedef struct Waiting {
    NetOffload offload;
    size_t size;
    uint8_t data[];
} Waiting;

/* ---- clients ---- */

void net_client_init(NetClient *nc, const char *name, const NetClientOps *ops, void *opaque)
{
    nc->ops = ops;
    nc->opaque = opaque;
    nc->name = g_strdup(name);
    nc->takes = ops->takes;
    g_queue_init(&nc->waiting);
    if (!clients) {
        clients = g_ptr_array_new();
    }
    g_ptr_array_add(clients, nc);
}

void net_client_add_queue(NetClient *first, NetClient *nc)
{
    NetClient *last = first;

    while (last->next) {
        last = last->next;
    }
    last->next = nc;
    nc->ops = first->ops;
    nc->opaque = first->opaque;
    nc->name = g_strdup(first->name);
    nc->takes = nc->ops->takes;
    nc->queue = last->queue + 1;
    g_queue_init(&nc->waiting);
}

void net_client_cleanup(NetClient *nc)
{
    if (nc->ops) {
        net_part(nc);
        while (nc->watchers) {
            net_unwatch(nc->watchers->data);
        }
        while (nc->filters) {
            net_filter_remove(nc->filters->data);
        }
        g_ptr_array_remove(clients, nc);
        for (NetClient *next; nc; nc = next) {
            next = nc->next;
            nc->next = NULL;
            g_clear_pointer(&nc->name, g_free);
            nc->ops = NULL;
        }
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

static void tell_peer_changed(NetClient *nc)
{
    if (nc && nc->ops->peer_changed) {
        nc->ops->peer_changed(nc);
    }
}

void net_client_set(NetClient *nc, unsigned takes, bool unused)
{
    if (nc->takes != takes || nc->unused != unused) {
        nc->takes = takes;
        nc->unused = unused;
        tell_peer_changed(nc->peer);
    }
}

void net_join(NetClient *a, NetClient *b)
{
    for (; a && b; a = a->next, b = b->next) {
        a->peer = b;
        b->peer = a;
        tell_peer_changed(a);
        tell_peer_changed(b);
        tell_link(a);
        tell_link(b);
    }
}

static void part_queue(NetClient *nc)
{
    NetClient *peer = nc->peer;

    if (!peer) {
        return;
    }
    nc->peer = peer->peer = NULL;
    tell_peer_changed(nc);
    tell_peer_changed(peer);
    net_client_purge(nc);
    net_client_purge(peer);
    tell_link(nc);
    tell_link(peer);
    if (peer->ops->can_send_again) {
        peer->ops->can_send_again(peer); /* into nothing */
    }
}

void net_part(NetClient *nc)
{
    for (; nc; nc = nc->next) {
        part_queue(nc);
    }
}

static void set_queue_link(NetClient *nc, bool up)
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

void net_set_link(NetClient *nc, bool up)
{
    for (; nc; nc = nc->next) {
        set_queue_link(nc, up);
    }
}

/* ---- watchers ---- */

void net_watch(NetClient *nc, NetWatcher *watcher)
{
    watcher->client = nc;
    for (; nc; nc = nc->next) {
        nc->watchers = g_slist_append(nc->watchers, watcher);
    }
}

void net_unwatch(NetWatcher *watcher)
{
    for (NetClient *nc = watcher->client; nc; nc = nc->next) {
        nc->watchers = g_slist_remove(nc->watchers, watcher);
    }
    watcher->client = NULL;
}

static void show(const NetClient *nc, bool sent, const uint8_t *packet, size_t size)
{
    for (const GSList *at = nc->watchers; at; at = at->next) {
        NetWatcher *watcher = at->data;

        watcher->packet(watcher->opaque, sent, packet, size);
    }
}

/* ---- filters ---- */

void net_filter_add(NetClient *nc, NetFilter *filter, int place)
{
    filter->client = nc;
    for (; nc; nc = nc->next) {
        nc->filters = g_slist_insert(nc->filters, filter, place);
    }
}

void net_filter_remove(NetFilter *filter)
{
    for (NetClient *nc = filter->client; nc; nc = nc->next) {
        nc->filters = g_slist_remove(nc->filters, filter);
    }
    filter->client = NULL;
}

/* Those of @nc, in the direction of the packet, from behind @after on (NULL: all). True: one has
 * it. */
static bool filtered(NetClient *nc, bool sent, const NetFilter *after, const NetOffload *o,
                     const uint8_t *packet, size_t size)
{
    int count = (int)g_slist_length(nc->filters), step = sent ? 1 : -1, at = sent ? 0 : count - 1;

    if (after) {
        at = g_slist_index(nc->filters, after) + step;
    }
    for (; at >= 0 && at < count; at += step) {
        NetFilter *filter = g_slist_nth_data(nc->filters, (guint)at);

        if (filter->packet(filter->opaque, nc->queue, sent, o, packet, size)) {
            return true;
        }
    }
    return false;
}

/* ---- packets ---- */

void net_client_purge(NetClient *nc)
{
    if (!g_queue_is_empty(&nc->waiting)) {
        g_queue_clear_full(&nc->waiting, g_free);
        nc->waiting_bytes = 0;
        tell_sender(nc);
    }
}

bool net_can_send(const NetClient *from)
{
    return !net_link_is_up(from) ||
           (g_queue_is_empty((GQueue *)(uintptr_t)&from->peer->waiting) && !from->peer->receiving);
}

static bool receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    nc->receiving = true;
    bool taken = nc->ops->receive(nc, o, packet, size);
    nc->receiving = false;
    return taken;
}

/* Segments that come without CSUM to who takes none of that have their sums. */
static bool takes(const NetClient *nc, const NetOffload *o)
{
    return !(net_offload_needs(o) & ~nc->takes);
}

/* Give @nc what waits, until it has no room or is not there any more to take it. What it does not
 * take any more is lost. */
static void flush(NetClient *nc)
{
    while (!g_queue_is_empty(&nc->waiting) && net_link_is_up(nc)) {
        g_autofree Waiting *packet = g_queue_pop_head(&nc->waiting);

        nc->waiting_bytes -= packet->size;
        if (takes(nc, &packet->offload) &&
            !receive(nc, &packet->offload, packet->data, packet->size)) {
            nc->waiting_bytes += packet->size;
            g_queue_push_head(&nc->waiting, g_steal_pointer(&packet));
            return;
        }
    }
}

static void keep(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    if (size <= NET_WAITING_MAX_BYTES - nc->waiting_bytes) {
        Waiting *kept = g_malloc(sizeof(*kept) + size);

        kept->offload = *o;
        kept->size = size;
        memcpy(kept->data, packet, size);
        g_queue_push_tail(&nc->waiting, kept);
        nc->waiting_bytes += size;
    }
}

/* Where a packet comes from: a client, or a filter that passes it, on one of the two ends. */
typedef struct Origin {
    NetClient *from;
    const NetFilter *after; /* NULL: none */
    bool sent;              /* which is `from`'s, or else its peer's */
} Origin;

static bool may_pass(const Origin *origin, const NetOffload *o, const uint8_t *packet, size_t size)
{
    NetClient *from = origin->from, *to = from->peer;
    const NetFilter *after = origin->after;

    if (!after) {
        show(from, true, packet, size);
        show(to, false, packet, size);
    }
    if ((!after || origin->sent) && from->filters && filtered(from, true, after, o, packet, size)) {
        return false;
    }
    return !to->filters || !filtered(to, false, origin->sent ? NULL : after, o, packet, size);
}

static void deliver(const Origin *origin, const NetOffload *o, const uint8_t *packet, size_t size)
{
    NetClient *from = origin->from, *to = from->peer;

    if (!net_link_is_up(from) || !size || size > NET_PACKET_MAX ||
        !may_pass(origin, o, packet, size)) {
        return;
    }
    if (to->receiving || !g_queue_is_empty(&to->waiting)) {
        keep(to, o, packet, size);
        return;
    }
    if (!receive(to, o, packet, size)) {
        keep(to, o, packet, size);
    } else {
        flush(to); /* what came from within */
    }
}

void net_send(NetClient *from, const uint8_t *packet, size_t size)
{
    const NetOffload nothing = { 0 };

    deliver(&(Origin){ .from = from, .sent = true }, &nothing, packet, size);
}

static void send_segment(void *origin, const uint8_t *segment, size_t size)
{
    const NetOffload nothing = { 0 };

    deliver(origin, &nothing, segment, size);
}

static void send_from(Origin *origin, const NetOffload *o, uint8_t *packet, size_t size)
{
    const NetClient *from = origin->from;
    unsigned peer_takes = from->peer ? from->peer->takes : 0;
    NetOffload left = *o;

    if (o->type && net_offload_needs(o) & ~peer_takes & ~(unsigned)NET_TAKES_CSUM) {
        net_offload_cut(o, packet, size, send_segment, origin);
        return;
    }
    if (!(peer_takes & NET_TAKES_CSUM)) {
        if (o->flags & NET_OFFLOAD_CSUM && !net_offload_complete(o, packet, size)) {
            return;
        }
        left.flags = 0;
    }
    if (left.flags & NET_OFFLOAD_CSUM && !net_offload_has_field(o, size)) {
        return;
    }
    deliver(origin, &left, packet, size);
}

void net_send_offloaded(NetClient *from, const NetOffload *o, uint8_t *packet, size_t size)
{
    send_from(&(Origin){ .from = from, .sent = true }, o, packet, size);
}

void net_filter_pass(const NetFilter *filter, unsigned queue, bool sent, const NetOffload *o,
                     uint8_t *packet, size_t size)
{
    NetClient *nc = filter->client;

    while (nc && queue--) {
        nc = nc->next;
    }
    if (nc && nc->peer) {
        send_from(&(Origin){ .from = sent ? nc : nc->peer, .after = filter, .sent = sent }, o,
                  packet, size);
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

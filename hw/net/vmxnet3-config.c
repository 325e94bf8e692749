/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the driver shares with the card. All of it is copied before it is checked. */
#include <string.h>

#include "hw/net/vmxnet3.h"
#include "memory/dma.h"

#define MAGIC 0xbabefee1u

enum {
    QUEUE_DESCRIPTOR = 256, /* bytes */
    COUNTERS = 88,          /* where they are in it */
};

/* Offsets in the memory that is shared. */
enum {
    SHARED_RX_MODE = 8 + 112,
    SHARED_RSS = 8 + 640,
    SHARED_EVENTS = 8 + 688,
};

typedef struct SharedMisc {
    uint32_t version, guest, revisions, uptv;
    uint64_t features;
    uint64_t driver_data, queues;
    uint32_t driver_data_size, queues_size;
    uint32_t mtu;
    uint16_t most_pieces;
    uint8_t tx_count, rx_count;
    uint32_t reserved[4];
} SharedMisc;

typedef struct SharedInterrupts {
    uint8_t auto_mask, count, event_vector;
    uint8_t levels[VMXNET3_VECTORS];
    uint32_t control, reserved[2];
} SharedInterrupts;

typedef struct SharedFilter {
    uint32_t mode;
    uint16_t size; /* of the table of groups, in bytes */
    uint16_t reserved;
    uint64_t groups;
    uint32_t vlans[128];
} SharedFilter;

/* What is elsewhere, such as the keys of RSS. */
typedef struct SharedPart {
    uint32_t version, size;
    uint64_t place;
} SharedPart;

typedef struct Shared {
    uint32_t magic, reserved;
    SharedMisc misc;
    SharedInterrupts interrupts;
    SharedFilter filter;
    SharedPart rss, power, plugin;
    uint32_t events, more[5];
} Shared;
G_STATIC_ASSERT(offsetof(Shared, filter) == SHARED_RX_MODE);
G_STATIC_ASSERT(offsetof(Shared, rss) == SHARED_RSS);
G_STATIC_ASSERT(offsetof(Shared, events) == SHARED_EVENTS);

/* Of a queue that sends. */
typedef struct TxDescriptor {
    uint32_t deferred, threshold;
    uint64_t reserved;
    uint64_t ring, data, done, driver_data, more;
    uint32_t ring_size, data_size, done_size, driver_data_size;
    uint8_t vector, rest[7];
} TxDescriptor;

typedef struct RxDescriptor {
    uint8_t ask, reserved[15];
    uint64_t rings[2], done, driver_data, more;
    uint32_t ring_sizes[2], done_size, driver_data_size;
    uint8_t vector, rest[7];
} RxDescriptor;

typedef struct RssConfig {
    uint16_t types, function, key_size, table_size;
    uint8_t key[40];
    uint8_t table[VMXNET3_RSS_TABLE];
} RssConfig;

enum { RSS_TOEPLITZ = 1, RSS_TYPES = 15 };

static bool read_part(const Vmxnet3 *s, size_t at, void *to, size_t size)
{
    return dma_read_ram(&s->parent.dma, s->shared + at, to, size);
}

/* ---- the filter, and RSS ---- */

static void take_groups(Vmxnet3 *s, const SharedFilter *filter)
{
    uint32_t count = filter->size / NET_MAC_SIZE;

    s->group_count = 0;
    if (count > VMXNET3_GROUPS) {
        s->group_count = VMXNET3_GROUPS + 1;
    } else if (count &&
               dma_read_ram(&s->parent.dma, filter->groups, s->groups, count * NET_MAC_SIZE)) {
        s->group_count = count;
    }
}

void vmxnet3_update_mode(Vmxnet3 *s)
{
    uint32_t mode;

    if (read_part(s, SHARED_RX_MODE, &mode, sizeof(mode))) {
        s->rx_mode = mode;
        nic_filter_changed(&s->card.nic);
    }
}

void vmxnet3_update_groups(Vmxnet3 *s)
{
    SharedFilter filter;

    if (read_part(s, SHARED_RX_MODE, &filter, sizeof(filter))) {
        take_groups(s, &filter);
        nic_filter_changed(&s->card.nic);
    }
}

void vmxnet3_update_vlans(Vmxnet3 *s)
{
    SharedFilter filter;

    if (read_part(s, SHARED_RX_MODE, &filter, sizeof(filter))) {
        memcpy(s->vlans, filter.vlans, sizeof(s->vlans));
        nic_filter_changed(&s->card.nic);
    }
}

/* What is wrong with it spreads nothing. */
static void take_rss(Vmxnet3 *s, const SharedPart *part)
{
    RssConfig config;

    s->rss.types = 0;
    if (!(s->features & VMXNET3_RSS) || part->size < sizeof(config) ||
        !dma_read_ram(&s->parent.dma, part->place, &config, sizeof(config)) ||
        config.function != RSS_TOEPLITZ || config.key_size != sizeof(config.key) ||
        !config.table_size || config.table_size > VMXNET3_RSS_TABLE) {
        return;
    }
    s->rss.types = config.types & RSS_TYPES;
    s->rss.table_size = config.table_size;
    memcpy(s->rss.key, config.key, sizeof(s->rss.key));
    memcpy(s->rss.table, config.table, sizeof(s->rss.table));
}

void vmxnet3_update_rss(Vmxnet3 *s)
{
    SharedPart part;

    if (read_part(s, SHARED_RSS, &part, sizeof(part))) {
        take_rss(s, &part);
    }
}

void vmxnet3_update_features(Vmxnet3 *s)
{
    Shared shared;

    if (read_part(s, 0, &shared, sizeof(shared))) {
        s->features = shared.misc.features;
        take_rss(s, &shared.rss);
    }
}

/* ---- queues ---- */

static bool set_ring(Vmxnet3Ring *ring, uint64_t base, uint32_t size, uint32_t most)
{
    *ring = (Vmxnet3Ring){ .base = base, .size = size, .turn = true };
    return size <= most;
}

static bool take_tx(const Vmxnet3 *s, Vmxnet3Queue *q, uint64_t at)
{
    TxDescriptor d;

    if (!dma_read_ram(&s->parent.dma, at, &d, sizeof(d)) || !d.ring_size || !d.done_size ||
        d.vector >= VMXNET3_VECTORS) {
        return false;
    }
    *q = (Vmxnet3Queue){ .vector = d.vector, .shared = at };
    return set_ring(&q->work[0], d.ring, d.ring_size, VMXNET3_RING_MAX) &&
           set_ring(&q->done, d.done, d.done_size, VMXNET3_DONE_MAX);
}

static bool take_rx(const Vmxnet3 *s, Vmxnet3Queue *q, uint64_t at)
{
    RxDescriptor d;

    if (!dma_read_ram(&s->parent.dma, at, &d, sizeof(d)) || !d.ring_sizes[0] || !d.done_size ||
        d.vector >= VMXNET3_VECTORS) {
        return false;
    }
    *q = (Vmxnet3Queue){ .vector = d.vector, .shared = at };
    return set_ring(&q->work[0], d.rings[0], d.ring_sizes[0], VMXNET3_RING_MAX) &&
           set_ring(&q->work[1], d.rings[1], d.ring_sizes[1], VMXNET3_RING_MAX) &&
           set_ring(&q->done, d.done, d.done_size, VMXNET3_DONE_MAX);
}

bool vmxnet3_activate(Vmxnet3 *s)
{
    Vmxnet3Queue tx[VMXNET3_QUEUES] = { 0 }, rx[VMXNET3_QUEUES] = { 0 };
    Shared shared;
    unsigned total;

    if (!read_part(s, 0, &shared, sizeof(shared)) || shared.magic != MAGIC ||
        !shared.misc.tx_count || shared.misc.tx_count > VMXNET3_QUEUES || !shared.misc.rx_count ||
        shared.misc.rx_count > VMXNET3_QUEUES ||
        shared.interrupts.event_vector >= VMXNET3_VECTORS) {
        return false;
    }
    total = shared.misc.tx_count;
    for (unsigned i = 0; i < total; i++) {
        if (!take_tx(s, &tx[i], shared.misc.queues + i * QUEUE_DESCRIPTOR)) {
            return false;
        }
    }
    for (unsigned i = 0; i < shared.misc.rx_count; i++) {
        if (!take_rx(s, &rx[i], shared.misc.queues + (total + i) * QUEUE_DESCRIPTOR)) {
            return false;
        }
    }
    memcpy(s->tx, tx, sizeof(tx));
    memcpy(s->rx, rx, sizeof(rx));
    s->tx_count = shared.misc.tx_count;
    s->rx_count = shared.misc.rx_count;
    s->features = shared.misc.features;
    s->mtu = shared.misc.mtu;
    s->auto_mask = shared.interrupts.auto_mask;
    s->event_vector = shared.interrupts.event_vector;
    s->rx_mode = shared.filter.mode;
    memcpy(s->vlans, shared.filter.vlans, sizeof(s->vlans));
    take_groups(s, &shared.filter);
    take_rss(s, &shared.rss);
    return true;
}

static void write_counters(const Vmxnet3 *s, const Vmxnet3Queue *q)
{
    dma_write_ram(&s->parent.dma, q->shared + COUNTERS, q->counters, sizeof(q->counters));
}

void vmxnet3_write_stats(Vmxnet3 *s)
{
    for (unsigned i = 0; i < s->tx_count; i++) {
        write_counters(s, &s->tx[i]);
    }
    for (unsigned i = 0; i < s->rx_count; i++) {
        write_counters(s, &s->rx[i]);
    }
}

void vmxnet3_events(Vmxnet3 *s, uint32_t set, uint32_t clear)
{
    uint32_t events;

    if (read_part(s, SHARED_EVENTS, &events, sizeof(events))) {
        events = (events & ~clear) | set;
        dma_write_ram(&s->parent.dma, s->shared + SHARED_EVENTS, &events, sizeof(events));
    }
}

/* ---- what users are told of the filter ---- */

RxFilterInfo *vmxnet3_query_filter(Nic *nic)
{
    const Vmxnet3 *s = nic->client.opaque;
    RxFilterInfo *info = g_new0(RxFilterInfo, 1);
    bool all = s->rx_mode & VMXNET3_PROMISCUOUS, many = s->group_count > VMXNET3_GROUPS;

    info->promiscuous = all;
    info->multicast = all || many || s->rx_mode & VMXNET3_ALL_MULTI ? RX_STATE_ALL
                      : s->rx_mode & VMXNET3_MULTICAST              ? RX_STATE_NORMAL
                                                                    : RX_STATE_NONE;
    info->unicast = all                            ? RX_STATE_ALL
                    : s->rx_mode & VMXNET3_UNICAST ? RX_STATE_NORMAL
                                                   : RX_STATE_NONE;
    info->vlan = all ? RX_STATE_ALL : RX_STATE_NORMAL;
    info->broadcast_allowed = s->rx_mode & (VMXNET3_BROADCAST | VMXNET3_PROMISCUOUS);
    info->multicast_overflow = many;
    info->main_mac = net_mac_text(s->mac);
    info->vlan_table = qapi_list_new(&qapi_int_type);
    info->unicast_table = qapi_str_list_new();
    info->multicast_table = qapi_str_list_new();
    for (unsigned i = 0; !many && i < s->group_count; i++) {
        g_ptr_array_add(info->multicast_table, net_mac_text(s->groups + i * NET_MAC_SIZE));
    }
    for (int64_t vlan = 0; vlan < 4096; vlan++) {
        if (s->vlans[vlan / 32] >> vlan % 32 & 1) {
            g_array_append_val(info->vlan_table, vlan);
        }
    }
    return info;
}

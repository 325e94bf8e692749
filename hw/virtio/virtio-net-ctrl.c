/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the driver controls: which packets it gets, and its address. */
#include <string.h>

#include "hw/virtio/virtio-net.h"

#define ETHERNET_HEADER 14
#define TYPE_VLAN       0x8100
#define OK              0
#define ERR             1

/* ---- the filter ---- */

void virtio_net_filter_reset(VirtioNet *s)
{
    s->filter = (VirtioNetFilter){ .promisc = true };
    memcpy(s->filter.mac, s->nic.mac, NET_MAC_SIZE);
}

static bool table_has(const VirtioNetTable *table, const uint8_t *mac)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (memcmp(table->macs + i * NET_MAC_SIZE, mac, NET_MAC_SIZE) == 0) {
            return true;
        }
    }
    return table->overflow;
}

static bool takes_vlan(const VirtioNet *s, const uint8_t *packet, size_t size)
{
    unsigned vlan;

    if (!virtio_has(&s->parent, VIRTIO_NET_F_CTRL_VLAN) || size < ETHERNET_HEADER + 2 ||
        (packet[12] << 8 | packet[13]) != TYPE_VLAN) {
        return true;
    }
    vlan = (packet[14] << 8 | packet[15]) & (VIRTIO_NET_VLANS - 1);
    return s->filter.vlans[vlan / 64] >> vlan % 64 & 1;
}

bool virtio_net_filter_takes(const VirtioNet *s, const uint8_t *packet, size_t size)
{
    static const uint8_t broadcast[NET_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    const VirtioNetFilter *f = &s->filter;

    if (size < ETHERNET_HEADER) {
        return false;
    }
    if (f->promisc) {
        return true;
    }
    if (!takes_vlan(s, packet, size)) {
        return false;
    }
    if (memcmp(packet, broadcast, NET_MAC_SIZE) == 0) {
        return !f->nobcast;
    }
    if (packet[0] & 1) {
        return !f->nomulti && (f->allmulti || table_has(&f->multicast, packet));
    }
    return !f->nouni && (f->alluni || memcmp(packet, f->mac, NET_MAC_SIZE) == 0 ||
                         table_has(&f->unicast, packet));
}

/* ---- query-rx-filter ---- */

static RxState state_of(bool none, bool all)
{
    return none ? RX_STATE_NONE : all ? RX_STATE_ALL : RX_STATE_NORMAL;
}

static GPtrArray *list_table(const VirtioNetTable *table)
{
    GPtrArray *list = qapi_str_list_new();

    for (uint32_t i = 0; i < table->count; i++) {
        g_ptr_array_add(list, net_mac_text(table->macs + i * NET_MAC_SIZE));
    }
    return list;
}

static GArray *list_vlans(const VirtioNetFilter *f)
{
    GArray *list = qapi_list_new(&qapi_int_type);

    for (int64_t vlan = 0; vlan < VIRTIO_NET_VLANS; vlan++) {
        if (f->vlans[vlan / 64] >> vlan % 64 & 1) {
            g_array_append_val(list, vlan);
        }
    }
    return list;
}

RxFilterInfo *virtio_net_query_filter(Nic *nic)
{
    const VirtioNet *s = nic->client.opaque;
    const VirtioNetFilter *f = &s->filter;
    RxFilterInfo *info = g_new0(RxFilterInfo, 1);

    info->promiscuous = f->promisc;
    info->multicast = state_of(f->nomulti, f->allmulti);
    info->unicast = state_of(f->nouni, f->alluni);
    info->vlan = virtio_has(&s->parent, VIRTIO_NET_F_CTRL_VLAN) ? RX_STATE_NORMAL : RX_STATE_ALL;
    info->broadcast_allowed = !f->nobcast;
    info->multicast_overflow = f->multicast.overflow;
    info->unicast_overflow = f->unicast.overflow;
    info->main_mac = net_mac_text(f->mac);
    info->vlan_table = list_vlans(f);
    info->unicast_table = list_table(&f->unicast);
    info->multicast_table = list_table(&f->multicast);
    return info;
}

/* ---- commands ---- */

/* What the driver gave, from byte @at on. */
typedef struct Args {
    const VirtqElement *element;
    uint64_t at;
} Args;

static bool take(Args *args, void *buf, size_t len)
{
    bool all = virtq_read(args->element, args->at, buf, len) == len;

    args->at += len;
    return all;
}

static bool is_at_end(const Args *args)
{
    return args->at == args->element->out_size;
}

/* The same, and nothing may be behind it. */
static bool take_last(Args *args, void *buf, size_t len)
{
    return take(args, buf, len) && is_at_end(args);
}

static bool set_mode(VirtioNet *s, unsigned command, Args *args)
{
    VirtioNetFilter *f = &s->filter;
    bool *const modes[] = { &f->promisc, &f->allmulti, &f->alluni,
                            &f->nomulti, &f->nouni,    &f->nobcast };
    uint8_t on;

    if (!virtio_has(&s->parent, command < 2 ? VIRTIO_NET_F_CTRL_RX : VIRTIO_NET_F_CTRL_RX_EXTRA) ||
        command >= G_N_ELEMENTS(modes) || !take_last(args, &on, 1)) {
        return false;
    }
    *modes[command] = on != 0;
    return true;
}

static bool take_table(Args *args, VirtioNetTable *table)
{
    uint32_t count; /* little-endian, as we are */

    if (!take(args, &count, sizeof(count)) ||
        count > (args->element->out_size - args->at) / NET_MAC_SIZE) {
        return false;
    }
    if (count > VIRTIO_NET_TABLE_SIZE) {
        *table = (VirtioNetTable){ .overflow = true };
        args->at += (uint64_t)count * NET_MAC_SIZE;
        return true;
    }
    *table = (VirtioNetTable){ .count = count };
    return take(args, table->macs, count * NET_MAC_SIZE);
}

static bool set_tables(VirtioNet *s, Args *args)
{
    VirtioNetTable unicast, multicast;

    if (!take_table(args, &unicast) || !take_table(args, &multicast) || !is_at_end(args)) {
        return false;
    }
    s->filter.unicast = unicast;
    s->filter.multicast = multicast;
    return true;
}

enum { MAC_TABLE_SET, MAC_ADDR_SET };

static bool set_mac(VirtioNet *s, unsigned command, Args *args)
{
    uint8_t mac[NET_MAC_SIZE];

    if (command == MAC_TABLE_SET) {
        return virtio_has(&s->parent, VIRTIO_NET_F_CTRL_RX) && set_tables(s, args);
    }
    if (command != MAC_ADDR_SET || !virtio_has(&s->parent, VIRTIO_NET_F_CTRL_MAC_ADDR) ||
        !take_last(args, mac, NET_MAC_SIZE)) {
        return false;
    }
    memcpy(s->filter.mac, mac, NET_MAC_SIZE);
    return true;
}

enum { VLAN_ADD, VLAN_DEL };

static bool set_vlan(VirtioNet *s, unsigned command, Args *args)
{
    uint16_t vlan;

    if (!virtio_has(&s->parent, VIRTIO_NET_F_CTRL_VLAN) || command > VLAN_DEL ||
        !take_last(args, &vlan, sizeof(vlan)) || vlan >= VIRTIO_NET_VLANS) {
        return false;
    }
    if (command == VLAN_ADD) {
        s->filter.vlans[vlan / 64] |= UINT64_C(1) << vlan % 64;
    } else {
        s->filter.vlans[vlan / 64] &= ~(UINT64_C(1) << vlan % 64);
    }
    return true;
}

/* The driver has announced itself. */
static bool acknowledge(VirtioNet *s, unsigned command, Args *args)
{
    if (!virtio_has(&s->parent, VIRTIO_NET_F_GUEST_ANNOUNCE) || command != 0 || !is_at_end(args)) {
        return false;
    }
    s->announce = false;
    return true;
}

/* Of that class, 0 is the only command that is offered: no hash chooses queues. */
static bool set_pairs(VirtioNet *s, unsigned command, Args *args)
{
    uint16_t pairs;

    if (!virtio_has(&s->parent, VIRTIO_NET_F_MQ) || command != 0 ||
        !take_last(args, &pairs, sizeof(pairs)) || pairs < 1 || pairs > s->nic.queues) {
        return false;
    }
    s->pairs = pairs;
    virtio_net_settle(s);
    return true;
}

static bool set_offloads(VirtioNet *s, unsigned command, Args *args)
{
    uint64_t offloads;

    if (!virtio_has(&s->parent, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) || command != 0 ||
        !take_last(args, &offloads, sizeof(offloads)) ||
        offloads & ~(s->parent.features & VIRTIO_NET_OFFLOADS)) {
        return false;
    }
    s->offloads = offloads;
    virtio_net_settle(s);
    return true;
}

/* By class (section 5.1.6.5). */
static bool (*const classes[])(VirtioNet *s, unsigned command,
                               Args *args) = { set_mode,    set_mac,   set_vlan,
                                               acknowledge, set_pairs, set_offloads };

/* Classes up to this one change what query-rx-filter tells. */
#define CLASS_FILTER_LAST 2

static uint8_t carry_out(VirtioNet *s, const VirtqElement *element)
{
    Args args = { .element = element };
    uint8_t header[2];

    if (!take(&args, header, sizeof(header)) || header[0] >= G_N_ELEMENTS(classes) ||
        !classes[header[0]](s, header[1], &args)) {
        return ERR;
    }
    if (header[0] <= CLASS_FILTER_LAST) {
        nic_filter_changed(&s->nic);
    }
    return OK;
}

void virtio_net_announce(Nic *nic)
{
    VirtioNet *s = nic->client.opaque;

    nic_send_rarp(nic, s->filter.mac);
    if (virtio_has(&s->parent, VIRTIO_NET_F_GUEST_ANNOUNCE) &&
        s->parent.status & VIRTIO_STATUS_DRIVER_OK && !s->announce) {
        s->announce = true;
        virtio_config_changed(&s->parent);
    }
}

void virtio_net_handle_control(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtqElement *element = NULL;

    for (unsigned n = 0; n < vq->size && (element = virtq_pop(vq)); n++) {
        if (!element->in_size) {
            virtq_drop(vq, element);
            virtq_break(vq, "a command has no room for its answer");
            break;
        }
        uint8_t ack = carry_out(VIRTIO_NET(vdev), element);

        virtq_push(vq, element, (uint32_t)virtq_write(element, 0, &ack, 1));
    }
    virtio_notify(vdev, vq);
    if (element && !virtq_error(vq)) {
        virtio_queue_again(vdev, vq);
    }
}

/* ---- state ---- */

static const StateField table_fields[] = {
    STATE_UINT_MAX(VirtioNetTable, count, VIRTIO_NET_TABLE_SIZE),
    STATE_BOOL(VirtioNetTable, overflow),
    STATE_UINTS(VirtioNetTable, macs),
    {},
};
static const StateTable table_state = { .name = "virtio-net-table",
                                        .version = 1,
                                        .fields = table_fields };

static const StateField filter_fields[] = {
    STATE_BOOL(VirtioNetFilter, promisc),
    STATE_BOOL(VirtioNetFilter, allmulti),
    STATE_BOOL(VirtioNetFilter, alluni),
    STATE_BOOL(VirtioNetFilter, nomulti),
    STATE_BOOL(VirtioNetFilter, nouni),
    STATE_BOOL(VirtioNetFilter, nobcast),
    STATE_UINTS(VirtioNetFilter, mac),
    STATE_STRUCT(VirtioNetFilter, unicast, &table_state),
    STATE_STRUCT(VirtioNetFilter, multicast, &table_state),
    STATE_UINTS(VirtioNetFilter, vlans),
    {},
};
const StateTable virtio_net_filter_state = { .name = "virtio-net-filter",
                                             .version = 1,
                                             .fields = filter_fields };

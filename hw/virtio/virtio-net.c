/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The card: what it sends and receives, its configuration, its life. */
#include "hw/virtio/virtio-net.h"

#include <inttypes.h>
#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/core/failover.h"
#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-pci.h"
#include "util/error.h"

#define QUEUE_SIZE_MIN     256
#define PAIRS_MAX          ((VIRTIO_MAX_QUEUES - 1) / 2)
#define CONTROL_QUEUE_SIZE 64
#define MTU_MIN            68 /* section 5.1.4.1 */
#define CONFIG_SIZE        17

/* Bits of the configuration's status. */
enum { STATUS_LINK_UP = 1, STATUS_ANNOUNCE = 2 };

/* ---- configuration ---- */

static bool tells_speed(const VirtioNet *s)
{
    return s->speed >= 0 || s->duplex != VIRTIO_NET_DUPLEX_UNKNOWN;
}

static void config_read(VirtioDevice *vdev, uint8_t *config)
{
    static const uint8_t duplexes[] = { [VIRTIO_NET_DUPLEX_UNKNOWN] = 0xff,
                                        [VIRTIO_NET_DUPLEX_HALF] = 0,
                                        [VIRTIO_NET_DUPLEX_FULL] = 1 };
    const VirtioNet *s = VIRTIO_NET(vdev);
    bool up = net_link_is_up(&s->nic.client) && (!s->vhost || vhost_is_up(s->vhost));
    uint16_t status = (up ? STATUS_LINK_UP : 0) | (s->announce ? STATUS_ANNOUNCE : 0);
    uint16_t pairs = (uint16_t)s->nic.queues;

    memcpy(config, s->filter.mac, NET_MAC_SIZE);
    memcpy(config + 6, &status, sizeof(status));
    memcpy(config + 8, &pairs, sizeof(pairs));
    memcpy(config + 10, &s->host_mtu, sizeof(s->host_mtu));
    if (tells_speed(s)) {
        memcpy(config + 12, &s->speed, sizeof(s->speed)); /* all bits: unknown */
        config[16] = duplexes[s->duplex];
    }
}

/* Legacy drivers set their address so. */
static void config_written(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                           unsigned size)
{
    VirtioNet *s = VIRTIO_NET(vdev);

    if (!virtio_has(vdev, VIRTIO_F_VERSION_1) && !virtio_has(vdev, VIRTIO_NET_F_CTRL_MAC_ADDR)) {
        memcpy(s->filter.mac, config, NET_MAC_SIZE);
    }
}

static void net_link_changed(NetClient *nc)
{
    VirtioNet *s = VIRTIO_NET(nc->opaque);

    if (s->vhost) {
        virtio_net_settle(s);
    }
    virtio_config_changed(&s->parent);
}

static char *net_describe(NetClient *nc)
{
    const VirtioNet *s = nc->opaque;
    g_autofree char *mac = net_mac_text(s->filter.mac);

    return g_strdup_printf("model=virtio-net-pci,macaddr=%s", mac);
}

/* ---- queues ---- */

static void handle_queue(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioNet *s = VIRTIO_NET(vdev);
    unsigned n = virtio_queue_number(vdev, vq);

    if (n == (virtio_has(vdev, VIRTIO_NET_F_MQ) ? s->nic.queues * 2 : 2)) {
        virtio_net_handle_control(vdev, vq);
    } else if (n / 2 < s->pairs) {
        (n % 2 ? virtio_net_handle_tx : virtio_net_handle_rx)(s, n / 2);
    }
}

void virtio_net_settle(VirtioNet *s)
{
    static const struct {
        unsigned feature, takes;
    } all[] = {
        { VIRTIO_NET_F_GUEST_CSUM, NET_TAKES_CSUM }, { VIRTIO_NET_F_GUEST_TSO4, NET_TAKES_TCP4 },
        { VIRTIO_NET_F_GUEST_TSO6, NET_TAKES_TCP6 }, { VIRTIO_NET_F_GUEST_ECN, NET_TAKES_ECN },
        { VIRTIO_NET_F_GUEST_UFO, NET_TAKES_UDP },
    };
    unsigned takes = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        takes |= s->offloads >> all[i].feature & 1 ? all[i].takes : 0;
    }
    /* Segments are without sums (section 5.1.6.4). */
    takes = takes & NET_TAKES_CSUM ? takes : 0;
    for (unsigned i = 0; i < s->nic.queues; i++) {
        net_client_set(nic_client(&s->nic, i), takes, i >= s->pairs);
    }
    if (s->vhost) {
        /* Without MQ the control queue is where the second pair would be. */
        vhost_use_rings(s->vhost,
                        2u * (virtio_has(&s->parent, VIRTIO_NET_F_MQ) ? s->nic.queues : 1),
                        net_link_is_up(&s->nic.client) ? 2u * s->pairs : 0);
    }
}

/* ---- life ---- */

/* From here on features do not change. */
static void negotiate(const VirtioNet *s)
{
    if (s->failover) {
        failover_negotiate(s->nic.device->id, s->parent.status & VIRTIO_STATUS_DRIVER_OK &&
                                                  virtio_has(&s->parent, VIRTIO_NET_F_STANDBY));
    }
}

static void net_status_written(VirtioDevice *vdev, uint8_t before)
{
    VirtioNet *s = VIRTIO_NET(vdev);

    if (vdev->status & ~before & VIRTIO_STATUS_DRIVER_OK) {
        s->offloads = vdev->features & VIRTIO_NET_OFFLOADS;
        virtio_net_settle(s);
        negotiate(s);
    }
}

static void net_reset(VirtioDevice *vdev)
{
    VirtioNet *s = VIRTIO_NET(vdev);

    negotiate(s);
    virtio_net_filter_reset(s);
    s->announce = false;
    s->pairs = 1;
    s->offloads = 0;
    timer_del(s->tx_timer);
    virtio_net_settle(s);
    for (unsigned i = 0; i < s->nic.queues; i++) {
        net_client_purge(nic_client(&s->nic, i));
    }
}

static bool check_queue_size(const char *name, uint16_t size, GError **errp)
{
    if (size < QUEUE_SIZE_MIN || size > VIRTIO_NET_QUEUE_SIZE_MAX || (size & (size - 1))) {
        error_set(errp, "'%s' is %u: it must be a power of two from %u to %u", name, size,
                  QUEUE_SIZE_MIN, VIRTIO_NET_QUEUE_SIZE_MAX);
        return false;
    }
    return true;
}

/* Properties of cards that this one is not. */
static bool check_absent(const VirtioNet *s, GError **errp)
{
    const struct {
        bool on;
        const char *name, *why;
    } absent[] = {
        { s->rss, "rss", "queues are chosen by the host's card; mq=on with several pairs" },
        { s->hash, "hash", "no hash of packets is told" },
        { s->guest_rsc_ext, "guest_rsc_ext", "no netdev tells which segments were joined" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(absent); i++) {
        if (absent[i].on) {
            error_set(errp, "%s=on is not possible: %s; leave it off", absent[i].name,
                      absent[i].why);
            return false;
        }
    }
    return true;
}

static bool check_properties(const VirtioNet *s, GError **errp)
{
    if (!check_queue_size("rx_queue_size", s->rx_queue_size, errp) ||
        !check_queue_size("tx_queue_size", s->tx_queue_size, errp) || !check_absent(s, errp)) {
        return false;
    }
    if (s->host_mtu && s->host_mtu < MTU_MIN) {
        error_set(errp, "'host_mtu' is %u: it must be %u or more, or 0 for none", s->host_mtu,
                  MTU_MIN);
    } else if (s->boot_index < -1) {
        error_set(errp, "bootindex=%d is negative", s->boot_index);
    } else if (!s->tx_burst) {
        error_set(errp, "x-txburst=0 sends nothing: it must be 1 or more");
    } else if (s->speed < -1) {
        error_set(errp, "speed=%d is negative: it is in Mbit/s, or -1 for unknown", s->speed);
    } else {
        return true;
    }
    return false;
}

static void offer_features(VirtioNet *s)
{
    const struct {
        bool on;
        unsigned bit;
    } features[] = {
        { true, VIRTIO_NET_F_MAC },
        { s->csum, VIRTIO_NET_F_CSUM },
        { s->csum && s->host_tso4, VIRTIO_NET_F_HOST_TSO4 },
        { s->csum && s->host_tso6, VIRTIO_NET_F_HOST_TSO6 },
        { s->csum && s->host_ecn && (s->host_tso4 || s->host_tso6), VIRTIO_NET_F_HOST_ECN },
        { s->csum && s->host_ufo, VIRTIO_NET_F_HOST_UFO },
        { s->csum && s->gso && s->host_tso4 && s->host_tso6 && s->host_ecn, VIRTIO_NET_F_GSO },
        { s->guest_csum, VIRTIO_NET_F_GUEST_CSUM },
        { s->guest_csum && s->guest_tso4, VIRTIO_NET_F_GUEST_TSO4 },
        { s->guest_csum && s->guest_tso6, VIRTIO_NET_F_GUEST_TSO6 },
        { s->guest_csum && s->guest_ecn && (s->guest_tso4 || s->guest_tso6),
          VIRTIO_NET_F_GUEST_ECN },
        { s->guest_csum && s->guest_ufo, VIRTIO_NET_F_GUEST_UFO },
        { s->host_mtu != 0, VIRTIO_NET_F_MTU },
        { tells_speed(s), VIRTIO_NET_F_SPEED_DUPLEX },
        { s->failover, VIRTIO_NET_F_STANDBY },
        { s->mrg_rxbuf, VIRTIO_NET_F_MRG_RXBUF },
        { s->link_status, VIRTIO_NET_F_STATUS },
        { s->ctrl_vq, VIRTIO_NET_F_CTRL_VQ },
        { s->ctrl_vq && s->ctrl_rx, VIRTIO_NET_F_CTRL_RX },
        { s->ctrl_vq && s->ctrl_vlan, VIRTIO_NET_F_CTRL_VLAN },
        { s->ctrl_vq && s->ctrl_rx && s->ctrl_rx_extra, VIRTIO_NET_F_CTRL_RX_EXTRA },
        { s->ctrl_vq && s->ctrl_mac_addr, VIRTIO_NET_F_CTRL_MAC_ADDR },
        { s->ctrl_vq && s->guest_csum && s->ctrl_guest_offloads, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS },
        { s->ctrl_vq && s->mq, VIRTIO_NET_F_MQ },
        { s->ctrl_vq && s->link_status && s->guest_announce, VIRTIO_NET_F_GUEST_ANNOUNCE },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        if (features[i].on) {
            virtio_offer(&s->parent, features[i].bit);
        }
    }
}

static const NicOps nic_ops = {
    .client = { .receive = virtio_net_receive,
                .can_send_again = virtio_net_can_send_again,
                .link_changed = net_link_changed,
                .peer_changed = virtio_net_vhost_peer_changed,
                .describe = net_describe },
    .query_filter = virtio_net_query_filter,
    .announce = virtio_net_announce,
    .vhost = true,
};

static void net_unrealize(VirtioDevice *vdev)
{
    VirtioNet *s = VIRTIO_NET(vdev);

    if (s->failover) {
        failover_remove_standby(s->nic.device->id);
    }
    boot_order_remove(DEVICE(vdev->parent.bus->parent.parent));
    g_clear_pointer(&s->vhost, vhost_free);
    nic_unrealize(&s->nic);
    g_clear_pointer(&s->tx_timer, timer_free);
    g_clear_pointer(&s->packet, g_free);
}

static bool check_failover(const VirtioNet *s, const Device *card, GError **errp)
{
    if (s->failover && !card->id) {
        error_set(errp,
                  "failover=on needs an id=, which failover_pair_id= of the other card names");
    }
    return !s->failover || card->id;
}

static bool net_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioNet *s = VIRTIO_NET(vdev);
    Device *card = DEVICE(vdev->parent.bus->parent.parent);

    if (!check_properties(s, errp) || !check_failover(s, card, errp) ||
        !boot_order_add(card, s->boot_index, card, "ethernet", "/ethernet-phy@0", errp)) {
        return false;
    }
    if (!nic_realize(&s->nic, card, &nic_ops, s, s->mq && s->ctrl_vq ? PAIRS_MAX : 1, errp)) {
        boot_order_remove(card);
        return false;
    }
    virtio_net_filter_reset(s);
    s->packet = g_malloc(NET_PACKET_MAX);
    s->tx_timer = timer_new(virtio_net_tx_timer_due, s);
    s->pairs = 1;
    if (!virtio_net_vhost_meet(s, errp)) {
        net_unrealize(vdev);
        return false;
    }
    virtio_net_settle(s);
    offer_features(s);
    for (unsigned i = 0; i < s->nic.queues; i++) {
        virtio_add_queue(vdev, s->rx_queue_size, handle_queue);
        virtio_add_queue(vdev, s->tx_queue_size, handle_queue);
    }
    if (s->ctrl_vq) {
        virtio_add_queue(vdev, CONTROL_QUEUE_SIZE, handle_queue);
    }
    if (!virtio_net_vhost_begin(s, errp)) {
        net_unrealize(vdev);
        return false;
    }
    if (s->failover) {
        failover_add_standby(card->id);
    }
    return true;
}

/* What they are is checked by virtio_net_settle()'s callers, and here. */
static bool net_post_load(void *obj, GError **errp)
{
    VirtioNet *s = obj;

    if (s->pairs < 1 || s->pairs > s->nic.queues) {
        error_set(errp, "%u pairs of queues are in use, and this card has %u", s->pairs,
                  s->nic.queues);
        return false;
    }
    if (s->offloads & ~(s->parent.features & VIRTIO_NET_OFFLOADS)) {
        error_set(errp, "offloads 0x%" PRIx64 " are in use that the driver has not accepted",
                  s->offloads);
        return false;
    }
    virtio_net_settle(s);
    negotiate(s);
    return true;
}

static const StateField net_fields[] = {
    STATE_STRUCT(VirtioNet, parent, &virtio_device_state),
    STATE_STRUCT(VirtioNet, filter, &virtio_net_filter_state),
    STATE_BOOL(VirtioNet, announce),
    STATE_UINT_MAX_SINCE(VirtioNet, pairs, 0, 2),
    STATE_UINT_MAX_SINCE(VirtioNet, offloads, 0, 2),
    {},
};
static const StateTable net_state = { .name = "virtio-net",
                                      .version = 2,
                                      .oldest = 1,
                                      .fields = net_fields,
                                      .post_load = net_post_load };

#define PROP(NAME, type, member, initial, text)                                \
    {                                                                          \
        .name = (NAME), .kind = (type), .offset = offsetof(VirtioNet, member), \
        .has_default = true, .default_int = (initial), .description = (text)   \
    }
#define FLAG(name, member, text)      PROP(name, PROP_BOOL, member, true, text)
#define ABSENT(member)                PROP(#member, PROP_BOOL, member, false, "only off")
#define NUMBER(member, initial, text) PROP(#member, PROP_UINT16, member, initial, text)

static const char *const duplex_names[] = { [VIRTIO_NET_DUPLEX_UNKNOWN] = "unknown",
                                            [VIRTIO_NET_DUPLEX_HALF] = "half",
                                            [VIRTIO_NET_DUPLEX_FULL] = "full",
                                            NULL };

static const char *const tx_names[] = {
    [VIRTIO_NET_TX_BH] = "bh", [VIRTIO_NET_TX_TIMER] = "timer", NULL
};

static const Property net_properties[] = {
    NIC_PROPERTIES(VirtioNet, nic),
    NUMBER(host_mtu, 0, "largest packet, without its header, that the driver is told; 0: none is"),
    NUMBER(rx_queue_size, 256, "buffers of the ring that receives"),
    NUMBER(tx_queue_size, 256, "buffers of the ring that sends"),
    FLAG("gso", gso, "offer a legacy driver all of host_tso4, host_tso6 and host_ecn by one bit"),
    FLAG("host_ufo", host_ufo, "and to cut what is sent by UDP into fragments"),
    FLAG("guest_csum", guest_csum, "offer to leave checksums of what is received to the driver"),
    FLAG("guest_tso4", guest_tso4, "and segments of TCP over IPv4 in one"),
    FLAG("guest_tso6", guest_tso6, "over IPv6"),
    FLAG("guest_ecn", guest_ecn, "with notes of congestion"),
    FLAG("guest_ufo", guest_ufo, "and fragments of UDP in one"),
    FLAG("ctrl_guest_offloads", ctrl_guest_offloads, "let the driver change which of these"),
    PROP("mq", PROP_BOOL, mq, false, "offer as many pairs of queues as the netdev has"),
    { .name = "tx",
      .kind = PROP_ENUM,
      .offset = offsetof(VirtioNet, tx),
      .enum_names = tx_names,
      .has_default = true,
      .default_int = VIRTIO_NET_TX_BH,
      .description = "send at once (bh), or what has come in x-txtimer together (timer)" },
    PROP("x-txtimer", PROP_UINT32, tx_timer_ns, 150000, "nanoseconds, for tx=timer"),
    PROP("x-txburst", PROP_UINT32, tx_burst, 256, "packets that are sent in one turn"),
    PROP("bootindex", PROP_INT32, boot_index, -1, "place in the order in which firmware boots"),
    PROP("speed", PROP_INT32, speed, -1, "Mbit/s that the driver is told; -1: it is not"),
    { .name = "duplex",
      .kind = PROP_ENUM,
      .offset = offsetof(VirtioNet, duplex),
      .enum_names = duplex_names,
      .has_default = true,
      .default_int = VIRTIO_NET_DUPLEX_UNKNOWN,
      .description = "the same of both directions at once: half or full" },
    FLAG("csum", csum, "offer to compute checksums of what is sent"),
    FLAG("host_tso4", host_tso4, "and to cut what is sent by TCP over IPv4 into segments"),
    FLAG("host_tso6", host_tso6, "over IPv6"),
    FLAG("host_ecn", host_ecn, "with notes of congestion"),
    FLAG("mrg_rxbuf", mrg_rxbuf, "offer to spread a packet over several buffers"),
    FLAG("status", link_status, "tell whether there is a link"),
    FLAG("ctrl_vq", ctrl_vq, "offer the control queue"),
    FLAG("ctrl_rx", ctrl_rx, "and by it, which packets are received"),
    FLAG("ctrl_vlan", ctrl_vlan, "of which VLANs"),
    FLAG("ctrl_rx_extra", ctrl_rx_extra, "and more finely"),
    FLAG("ctrl_mac_addr", ctrl_mac_addr, "and to change the address"),
    FLAG("guest_announce", guest_announce, "let the driver say where it is after a migration"),
    ABSENT(hash),
    ABSENT(rss),
    ABSENT(guest_rsc_ext),
    PROP("failover", PROP_BOOL, failover, false,
         "the standby of a card with failover_pair_id=, which a migration leaves behind"),
    { 0 },
};

static const VirtioDeviceClass net_class = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, VHOST_DEVICE_CLASS, .state = &net_state },
    .id = VIRTIO_ID_NET,
    .config_size = CONFIG_SIZE,
    .realize = net_realize,
    .unrealize = net_unrealize,
    .reset = net_reset,
    .status_written = net_status_written,
    .legacy_features = 1ull << VIRTIO_NET_F_GSO,
    .config_read = config_read,
    .config_written = config_written,
};

static const ObjectType net_type = {
    .name = TYPE_VIRTIO_NET,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "a network card",
    .instance_size = sizeof(VirtioNet),
    .properties = net_properties,
    .ops = &net_class,
};
OBJECT_TYPE_REGISTER(net_type)

static const VirtioPciClass net_pci =
    VIRTIO_PCI_CLASS("network", 0x0200, 0, .rom = "efi-virtio.rom");
VIRTIO_PCI_TYPES(net, "virtio-net", TYPE_VIRTIO_NET, &net_pci, "a network card")

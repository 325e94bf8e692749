/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The card: what it sends and receives, its configuration, its life. */
#include "hw/virtio/virtio-net.h"

#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/virtio/virtio-pci.h"
#include "util/error.h"

#define QUEUE_SIZE_MIN     256
#define QUEUE_SIZE_MAX     1024
#define CONTROL_QUEUE_SIZE 64
#define MTU_MIN            68 /* section 5.1.4.1 */
#define CONFIG_SIZE        17

enum { RX, TX, CONTROL };

/* Bits of the configuration's status. */
enum { STATUS_LINK_UP = 1, STATUS_ANNOUNCE = 2 };

/* What is before each packet (section 5.1.6). */
typedef struct Header {
    NetOffload offload;
    uint16_t num_buffers; /* not for legacy drivers that do not merge buffers */
} Header;

static size_t header_size(const VirtioNet *s)
{
    return virtio_has(&s->parent, VIRTIO_NET_F_MRG_RXBUF) ||
                   virtio_has(&s->parent, VIRTIO_F_VERSION_1)
               ? sizeof(Header)
               : offsetof(Header, num_buffers);
}

/* ---- to the driver ---- */

/* Take buffers for @size bytes out of the ring: how many, in @elements. 0: there are not enough
 * now; *@hopeless: and there never will be. */
static unsigned take_buffers(VirtioNet *s, VirtQueue *vq, size_t size, VirtqElement **elements,
                             bool *hopeless)
{
    unsigned most = virtio_has(&s->parent, VIRTIO_NET_F_MRG_RXBUF) ? vq->size : 1, count = 0;
    uint64_t room = 0;

    while (room < size && count < most && (elements[count] = virtq_pop(vq))) {
        room += elements[count++]->in_size;
    }
    if (room >= size && elements[0]->in_size >= header_size(s)) {
        return count;
    }
    *hopeless = count == most || room >= size || virtq_error(vq);
    if (count && elements[0]->in_size < header_size(s)) {
        virtq_break(vq, "a buffer to receive into has no room for the header");
    }
    while (count) {
        virtq_unpop(vq, elements[--count]);
    }
    return 0;
}

static bool net_receive(NetClient *nc, const uint8_t *packet, size_t size)
{
    VirtioNet *s = nc->opaque;
    VirtQueue *vq = virtio_queue(&s->parent, RX);
    VirtqElement *elements[QUEUE_SIZE_MAX];
    size_t header_len = header_size(s), done = 0;
    Header header = { 0 };
    bool hopeless = false;

    if (!(s->parent.status & VIRTIO_STATUS_DRIVER_OK) ||
        !virtio_net_filter_takes(s, packet, size)) {
        return true;
    }
    if (!virtio_device_runs(&s->parent)) {
        return false;
    }
    header.num_buffers = (uint16_t)take_buffers(s, vq, header_len + size, elements, &hopeless);
    if (!header.num_buffers) {
        virtio_notify(&s->parent, vq); /* it may be broken now */
        return hopeless;
    }
    for (unsigned i = 0; i < header.num_buffers; i++) {
        size_t before = i ? 0 : virtq_write(elements[i], 0, &header, header_len);
        size_t len = virtq_write(elements[i], before, packet + done, size - done);

        virtq_fill(vq, elements[i], (uint32_t)(before + len));
        done += len;
    }
    virtq_flush(vq);
    virtio_notify(&s->parent, vq);
    return true;
}

static void handle_rx(VirtioDevice *vdev, VirtQueue *vq)
{
    net_client_ready(&VIRTIO_NET(vdev)->nic.client);
}

/* ---- from the driver ---- */

/* Does the driver ask only for what it has accepted? Segments are without sums (section
 * 5.1.6.2.1). */
static bool is_accepted(const VirtioNet *s, const NetOffload *o)
{
    static const struct {
        uint8_t type;
        unsigned feature;
    } types[] = {
        { NET_OFFLOAD_TCP4, VIRTIO_NET_F_HOST_TSO4 },
        { NET_OFFLOAD_TCP6, VIRTIO_NET_F_HOST_TSO6 },
    };
    unsigned type = o->type & ~(unsigned)NET_OFFLOAD_ECN;

    if ((o->flags & NET_OFFLOAD_CSUM && !virtio_has(&s->parent, VIRTIO_NET_F_CSUM)) ||
        (o->type & NET_OFFLOAD_ECN && !virtio_has(&s->parent, VIRTIO_NET_F_HOST_ECN))) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        if (type == types[i].type) {
            return o->flags & NET_OFFLOAD_CSUM && virtio_has(&s->parent, types[i].feature);
        }
    }
    return !o->type;
}

static void send_packet(VirtioNet *s, VirtQueue *vq, const VirtqElement *element)
{
    size_t header_len = header_size(s);
    uint64_t size = element->out_size - header_len;
    Header header = { 0 };

    if (virtq_read(element, 0, &header, header_len) < header_len) {
        virtq_break(vq, "a packet to send has no whole header");
        return;
    }
    if (size > NET_PACKET_MAX || !is_accepted(s, &header.offload)) {
        return; /* no netdev would take it */
    }
    virtq_read(element, header_len, s->packet, size);
    net_send_offloaded(&s->nic.client, &header.offload, s->packet, size);
}

static void handle_tx(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioNet *s = VIRTIO_NET(vdev);
    VirtqElement *element = NULL;
    unsigned n = 0;

    while (n++ < vq->size && net_can_send(&s->nic.client) && (element = virtq_pop(vq))) {
        send_packet(s, vq, element);
        virtq_push(vq, element, 0);
    }
    virtio_notify(vdev, vq);
    if (n > vq->size && element) {
        virtio_queue_again(vdev, vq);
    }
}

static void net_can_send_again(NetClient *nc)
{
    VirtioNet *s = nc->opaque;

    virtio_queue_again(&s->parent, virtio_queue(&s->parent, TX));
}

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
    uint16_t status =
        (net_link_is_up(&s->nic.client) ? STATUS_LINK_UP : 0) | (s->announce ? STATUS_ANNOUNCE : 0);
    uint16_t pairs = 1;

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
    virtio_config_changed(&VIRTIO_NET(nc->opaque)->parent);
}

static char *net_describe(NetClient *nc)
{
    const VirtioNet *s = nc->opaque;
    g_autofree char *mac = net_mac_text(s->filter.mac);

    return g_strdup_printf("model=virtio-net-pci,macaddr=%s", mac);
}

/* ---- life ---- */

static void net_reset(VirtioDevice *vdev)
{
    VirtioNet *s = VIRTIO_NET(vdev);

    virtio_net_filter_reset(s);
    s->announce = false;
    net_client_purge(&s->nic.client);
}

static bool check_queue_size(const char *name, uint16_t size, GError **errp)
{
    if (size < QUEUE_SIZE_MIN || size > QUEUE_SIZE_MAX || (size & (size - 1))) {
        error_set(errp, "'%s' is %u: it must be a power of two from %u to %u", name, size,
                  QUEUE_SIZE_MIN, QUEUE_SIZE_MAX);
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
        { s->failover, "failover", "there is no second card that could take over" },
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
        { s->host_mtu != 0, VIRTIO_NET_F_MTU },
        { tells_speed(s), VIRTIO_NET_F_SPEED_DUPLEX },
        { s->mrg_rxbuf, VIRTIO_NET_F_MRG_RXBUF },
        { s->link_status, VIRTIO_NET_F_STATUS },
        { s->ctrl_vq, VIRTIO_NET_F_CTRL_VQ },
        { s->ctrl_vq && s->ctrl_rx, VIRTIO_NET_F_CTRL_RX },
        { s->ctrl_vq && s->ctrl_vlan, VIRTIO_NET_F_CTRL_VLAN },
        { s->ctrl_vq && s->ctrl_rx && s->ctrl_rx_extra, VIRTIO_NET_F_CTRL_RX_EXTRA },
        { s->ctrl_vq && s->ctrl_mac_addr, VIRTIO_NET_F_CTRL_MAC_ADDR },
        { s->ctrl_vq && s->link_status && s->guest_announce, VIRTIO_NET_F_GUEST_ANNOUNCE },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        if (features[i].on) {
            virtio_offer(&s->parent, features[i].bit);
        }
    }
}

static const NicOps nic_ops = {
    .client = { .receive = net_receive,
                .can_send_again = net_can_send_again,
                .link_changed = net_link_changed,
                .describe = net_describe },
    .query_filter = virtio_net_query_filter,
    .announce = virtio_net_announce,
};

static bool net_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioNet *s = VIRTIO_NET(vdev);
    Device *card = DEVICE(vdev->parent.bus->parent.parent);

    if (!check_properties(s, errp) ||
        !boot_order_add(card, s->boot_index, "ethernet", "/ethernet-phy@0", errp)) {
        return false;
    }
    if (!nic_realize(&s->nic, card, &nic_ops, s, errp)) {
        boot_order_remove(card);
        return false;
    }
    virtio_net_filter_reset(s);
    s->packet = g_malloc(NET_PACKET_MAX);
    offer_features(s);
    virtio_add_queue(vdev, s->rx_queue_size, handle_rx);
    virtio_add_queue(vdev, s->tx_queue_size, handle_tx);
    if (s->ctrl_vq) {
        virtio_add_queue(vdev, CONTROL_QUEUE_SIZE, virtio_net_handle_control);
    }
    return true;
}

static void net_unrealize(VirtioDevice *vdev)
{
    VirtioNet *s = VIRTIO_NET(vdev);

    boot_order_remove(DEVICE(vdev->parent.bus->parent.parent));
    nic_unrealize(&s->nic);
    g_clear_pointer(&s->packet, g_free);
}

static const StateField net_fields[] = {
    STATE_STRUCT(VirtioNet, parent, &virtio_device_state),
    STATE_STRUCT(VirtioNet, filter, &virtio_net_filter_state),
    STATE_BOOL(VirtioNet, announce),
    {},
};
static const StateTable net_state = { .name = "virtio-net", .version = 1, .fields = net_fields };

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

static const Property net_properties[] = {
    NIC_PROPERTIES(VirtioNet, nic),
    NUMBER(host_mtu, 0, "largest packet, without its header, that the driver is told; 0: none is"),
    NUMBER(rx_queue_size, 256, "buffers of the ring that receives"),
    NUMBER(tx_queue_size, 256, "buffers of the ring that sends"),
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
    ABSENT(failover),
    { 0 },
};

static const VirtioDeviceClass net_class = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &net_state },
    .id = VIRTIO_ID_NET,
    .config_size = CONFIG_SIZE,
    .realize = net_realize,
    .unrealize = net_unrealize,
    .reset = net_reset,
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

static const VirtioPciClass net_pci = VIRTIO_PCI_CLASS("network", 0x0200, 0);
VIRTIO_PCI_TYPES(net, "virtio-net", TYPE_VIRTIO_NET, &net_pci, "a network card")

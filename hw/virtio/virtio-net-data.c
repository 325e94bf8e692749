/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packets of the card: to the driver, and from it. */
#include <string.h>

#include "hw/virtio/virtio-net.h"
#include "util/clock.h"

/* What is before each packet (section 5.1.6). */
typedef struct Header {
    NetOffload offload;
    uint16_t num_buffers; /* not for legacy drivers that do not merge buffers */
} Header;

enum { RX, TX };

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

/* A netdev may use more pairs than the driver does now. */
bool virtio_net_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    VirtioNet *s = nc->opaque;
    VirtQueue *vq = virtio_queue(&s->parent, nc->queue % s->pairs * 2 + RX);
    VirtqElement *elements[VIRTIO_NET_QUEUE_SIZE_MAX];
    size_t header_len = header_size(s), done = 0;
    Header header = { .offload = *o };
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

void virtio_net_handle_rx(VirtioNet *s, unsigned pair)
{
    for (unsigned i = pair; i < s->nic.queues; i += s->pairs) {
        net_client_ready(nic_client(&s->nic, i));
    }
}

/* ---- from the driver ---- */

/* Does the driver ask only for what it has accepted? Segments are without sums (section
 * 5.1.6.2.1). Who accepted GSO may ask for those of all kinds. */
static bool is_accepted(const VirtioNet *s, const NetOffload *o)
{
    static const struct {
        uint8_t type;
        unsigned feature;
    } types[] = {
        { NET_OFFLOAD_TCP4, VIRTIO_NET_F_HOST_TSO4 },
        { NET_OFFLOAD_TCP6, VIRTIO_NET_F_HOST_TSO6 },
        { NET_OFFLOAD_UDP, VIRTIO_NET_F_HOST_UFO },
    };
    unsigned type = o->type & ~(unsigned)NET_OFFLOAD_ECN;
    bool all = virtio_has(&s->parent, VIRTIO_NET_F_GSO);

    if ((o->flags & NET_OFFLOAD_CSUM && !virtio_has(&s->parent, VIRTIO_NET_F_CSUM)) ||
        (o->type & NET_OFFLOAD_ECN && !all && !virtio_has(&s->parent, VIRTIO_NET_F_HOST_ECN))) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        if (type == types[i].type) {
            return o->flags & NET_OFFLOAD_CSUM && (all || virtio_has(&s->parent, types[i].feature));
        }
    }
    return !o->type;
}

static void send_packet(VirtioNet *s, NetClient *nc, VirtQueue *vq, const VirtqElement *element)
{
    size_t header_len = header_size(s);
    uint64_t size = element->out_size - header_len;
    Header header = { 0 };

    if (virtq_read(element, 0, &header, header_len) < header_len) {
        virtq_break(vq, "a packet to send has no whole header");
        return;
    }
    header.offload.flags &= NET_OFFLOAD_CSUM;
    if (size > NET_PACKET_MAX || !is_accepted(s, &header.offload)) {
        return; /* no netdev would take it */
    }
    virtq_read(element, header_len, s->packet, size);
    net_send_offloaded(nc, &header.offload, s->packet, size);
}

static void wait_to_send(VirtioNet *s)
{
    if (!timer_pending(s->tx_timer)) {
        timer_mod(s->tx_timer, clock_ns() + s->tx_timer_ns);
    }
}

static void send_packets(VirtioNet *s, unsigned pair)
{
    VirtQueue *vq = virtio_queue(&s->parent, pair * 2 + TX);
    NetClient *nc = nic_client(&s->nic, pair);
    unsigned most = MIN(vq->size, s->tx_burst), n = 0;
    VirtqElement *element = NULL;

    while (n++ < most && net_can_send(nc) && (element = virtq_pop(vq))) {
        send_packet(s, nc, vq, element);
        virtq_push(vq, element, 0);
    }
    virtio_notify(&s->parent, vq);
    if (n > most && element) {
        if (s->tx == VIRTIO_NET_TX_BH) {
            virtio_queue_again(&s->parent, vq);
        } else {
            wait_to_send(s);
        }
    }
}

/* tx=timer: what the driver puts into the rings meanwhile goes with it. */
void virtio_net_handle_tx(VirtioNet *s, unsigned pair)
{
    if (s->tx == VIRTIO_NET_TX_BH) {
        send_packets(s, pair);
    } else {
        wait_to_send(s);
    }
}

void virtio_net_tx_timer_due(void *opaque)
{
    VirtioNet *s = opaque;

    if (virtio_device_runs(&s->parent)) {
        for (unsigned pair = 0; pair < s->pairs; pair++) {
            send_packets(s, pair);
        }
    }
}

void virtio_net_can_send_again(NetClient *nc)
{
    VirtioNet *s = nc->opaque;

    if (nc->queue < s->pairs) {
        virtio_queue_again(&s->parent, virtio_queue(&s->parent, nc->queue * 2 + TX));
    }
}

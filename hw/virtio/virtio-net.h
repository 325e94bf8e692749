/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net: a network card (Virtio 1.2, section 5.1). Queues: of pair N, 2 N receives and 2 N + 1
 * sends; the one for control is behind all pairs, or behind the first one for a driver that knows
 * only that. Machine lock.
 *
 * A packet is copied on its way, so that nothing that was looked at can change. What the netdev
 * cannot take stays in the ring, and what the ring has no room for waits in front of it
 * (net/net.h).
 */
#ifndef HW_VIRTIO_VIRTIO_NET_H
#define HW_VIRTIO_VIRTIO_NET_H

#include "hw/net/nic.h"
#include "hw/virtio/virtio-device.h"
#include "util/timer.h"

#define TYPE_VIRTIO_NET "virtio-net-device"

/* Features (section 5.1.3). */
enum {
    VIRTIO_NET_F_CSUM = 0,
    VIRTIO_NET_F_GUEST_CSUM = 1,
    VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 2,
    VIRTIO_NET_F_MTU = 3,
    VIRTIO_NET_F_MAC = 5,
    VIRTIO_NET_F_GSO = 6, /* legacy */
    VIRTIO_NET_F_GUEST_TSO4 = 7,
    VIRTIO_NET_F_GUEST_TSO6 = 8,
    VIRTIO_NET_F_GUEST_ECN = 9,
    VIRTIO_NET_F_GUEST_UFO = 10,
    VIRTIO_NET_F_HOST_TSO4 = 11,
    VIRTIO_NET_F_HOST_TSO6 = 12,
    VIRTIO_NET_F_HOST_ECN = 13,
    VIRTIO_NET_F_HOST_UFO = 14,
    VIRTIO_NET_F_MRG_RXBUF = 15,
    VIRTIO_NET_F_STATUS = 16,
    VIRTIO_NET_F_CTRL_VQ = 17,
    VIRTIO_NET_F_CTRL_RX = 18,
    VIRTIO_NET_F_CTRL_VLAN = 19,
    VIRTIO_NET_F_CTRL_RX_EXTRA = 20,
    VIRTIO_NET_F_GUEST_ANNOUNCE = 21,
    VIRTIO_NET_F_MQ = 22,
    VIRTIO_NET_F_CTRL_MAC_ADDR = 23,
    VIRTIO_NET_F_STANDBY = 62,
    VIRTIO_NET_F_SPEED_DUPLEX = 63,
};

/* The property duplex. */
/* The property tx. */
enum { VIRTIO_NET_TX_BH, VIRTIO_NET_TX_TIMER };

#define VIRTIO_NET_QUEUE_SIZE_MAX 1024

enum { VIRTIO_NET_DUPLEX_UNKNOWN, VIRTIO_NET_DUPLEX_HALF, VIRTIO_NET_DUPLEX_FULL };

#define VIRTIO_NET_TABLE_SIZE 64   /* addresses that a filter can name */
#define VIRTIO_NET_VLANS      4096 /* numbers of VLANs */

/* Addresses of one kind; all packets of the kind are taken where there were too many. */
typedef struct VirtioNetTable {
    uint32_t count;
    bool overflow;
    uint8_t macs[VIRTIO_NET_TABLE_SIZE * NET_MAC_SIZE];
} VirtioNetTable;

/* What the driver wants to receive (section 5.1.6.5.1). */
typedef struct VirtioNetFilter {
    bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
    uint8_t mac[NET_MAC_SIZE];
    VirtioNetTable unicast, multicast;
    uint64_t vlans[VIRTIO_NET_VLANS / 64]; /* a bit for each; for drivers that know VLANs */
} VirtioNetFilter;

typedef struct VirtioNet {
    VirtioDevice parent;
    VirtioNetFilter filter;
    bool announce;     /* the driver is to say where it is */
    uint16_t pairs;    /* of queues that the driver uses, from 1 on */
    uint64_t offloads; /* that it takes now: bits of VIRTIO_NET_OFFLOADS */
    /* configuration */
    bool csum, gso, host_tso4, host_tso6, host_ecn, host_ufo, guest_csum, guest_tso4, guest_tso6,
        guest_ecn, guest_ufo, mrg_rxbuf, link_status, ctrl_vq, ctrl_rx, ctrl_vlan, ctrl_rx_extra,
        ctrl_mac_addr, ctrl_guest_offloads, guest_announce, mq;
    int tx; /* VIRTIO_NET_TX_* */
    uint32_t tx_timer_ns, tx_burst;
    bool failover;                 /* hw/core/failover.h */
    bool hash, rss, guest_rsc_ext; /* must be off */
    int32_t boot_index;            /* -1: firmware does not boot from it */
    int32_t speed;                 /* in Mbit/s; -1: nothing is said of it */
    int duplex;                    /* VIRTIO_NET_DUPLEX_* */
    uint16_t host_mtu;             /* 0: nothing is said of it */
    uint16_t rx_queue_size, tx_queue_size;
    /* wiring */
    Nic nic;
    struct Vhost *vhost; /* of one with a netdev vhost-user; else NULL */
    uint8_t *packet;     /* NET_PACKET_MAX bytes, for one that is sent; owned */
    Timer
        *tx_timer; /* of tx=timer. Not kept: all queues are looked at when the machine runs again */
} VirtioNet;
OBJECT_CAST_DEFINE(VirtioNet, VIRTIO_NET, TYPE_VIRTIO_NET)

/* What a driver can accept, and take back (section 5.1.6.5.6). */
#define VIRTIO_NET_OFFLOADS                                              \
    (1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 | \
     1ull << VIRTIO_NET_F_GUEST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_ECN |  \
     1ull << VIRTIO_NET_F_GUEST_UFO)

/* `pairs` or `offloads` has changed: the netdev is told. */
void virtio_net_settle(VirtioNet *s);

/* ---- virtio-net-vhost.c ---- */

/* In realize, in place of what a card with another netdev does there: nothing if it has one. */
bool virtio_net_vhost_meet(VirtioNet *s, GError **errp);
bool virtio_net_vhost_begin(VirtioNet *s, GError **errp);
/* For NetClientOps.peer_changed: a netdev that goes takes its chardev with it. */
void virtio_net_vhost_peer_changed(NetClient *nc);

/* ---- virtio-net-data.c ---- */

/* For NetClientOps. */
bool virtio_net_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size);
void virtio_net_can_send_again(NetClient *nc);
/* There are buffers in the queues of @pair. */
void virtio_net_handle_rx(VirtioNet *s, unsigned pair);
void virtio_net_handle_tx(VirtioNet *s, unsigned pair);
void virtio_net_tx_timer_due(void *opaque); /* the VirtioNet */

/* ---- virtio-net-ctrl.c ---- */

extern const StateTable virtio_net_filter_state;
/* As after a reset: all packets, and its own address. */
void virtio_net_filter_reset(VirtioNet *s);
/* Does the driver want this packet? */
bool virtio_net_filter_takes(const VirtioNet *s, const uint8_t *packet, size_t size);
/* For query-rx-filter. */
RxFilterInfo *virtio_net_query_filter(Nic *nic);
/* By a packet, and by the driver, which knows the addresses of the guest (section 5.1.6.5.4). */
void virtio_net_announce(Nic *nic);
/* The function of the control queue. */
void virtio_net_handle_control(VirtioDevice *vdev, VirtQueue *vq);

#endif

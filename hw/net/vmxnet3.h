/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmxnet3: VMware's card for guests that know they are guests, revision 1 of its interface, as the
 * drivers of Linux and the BSDs say it. What the driver wants is in memory that it shares with the
 * card: that is copied when a command says so, and checked then; nothing of it is looked at twice.
 *
 * vmxnet3.c has the registers, interrupts and life, vmxnet3-config.c what is in the shared memory,
 * vmxnet3-tx.c and vmxnet3-rx.c the rings. Machine lock for everything.
 */
#ifndef HW_NET_VMXNET3_H
#define HW_NET_VMXNET3_H

#include "hw/net/nic-card.h"
#include "hw/pci/pci.h"

#define TYPE_VMXNET3 "vmxnet3"

enum {
    VMXNET3_QUEUES = 8,   /* each way, at most */
    VMXNET3_VECTORS = 25, /* interrupts */
    VMXNET3_RING_MAX = 4096,
    VMXNET3_DONE_MAX = 8192, /* entries of a ring of what is done */
    VMXNET3_GROUPS = 256,    /* addresses of a filter */
    VMXNET3_DESCRIPTOR = 16, /* bytes, of each kind */
    VMXNET3_RSS_TABLE = 128,
    VMXNET3_COUNTERS = 10,
};

/* Features that the driver asks for. */
enum { VMXNET3_RXCSUM = 1, VMXNET3_RSS = 2, VMXNET3_RXVLAN = 4 };
/* What it receives. */
enum {
    VMXNET3_UNICAST = 1,
    VMXNET3_MULTICAST = 2,
    VMXNET3_BROADCAST = 4,
    VMXNET3_ALL_MULTI = 8,
    VMXNET3_PROMISCUOUS = 16,
};
/* Events. */
enum { VMXNET3_EVENT_LINK = 4 };

/* Entries are the owner's whose turn bit they have, which changes at the end of each round. */
typedef struct Vmxnet3Ring {
    uint64_t base;
    uint32_t size, next; /* size 0: there is none */
    bool turn;
} Vmxnet3Ring;

/* Sent: `work` is one ring. Received: buffers for the heads of packets, and for their rest. */
typedef struct Vmxnet3Queue {
    Vmxnet3Ring work[2], done;
    uint8_t vector;
    uint64_t counters[VMXNET3_COUNTERS];
    uint64_t shared;  /* where its descriptor is in the guest's memory */
    bool asked_ready; /* the driver is to say when there are buffers */
} Vmxnet3Queue;

/* Of counters: those of segments first, then packets and bytes of each kind of address. */
enum {
    VMXNET3_COUNT_SEGMENTS = 0,
    VMXNET3_COUNT_UNICAST = 2,
    VMXNET3_COUNT_MULTICAST = 4,
    VMXNET3_COUNT_BROADCAST = 6,
    VMXNET3_COUNT_ERROR = 8, /* received: no buffer */
    VMXNET3_COUNT_DISCARD = 9,
};

typedef struct Vmxnet3Rss {
    uint16_t types; /* 1 IPv4, 2 TCP in it, 4 IPv6, 8 TCP in it; 0: nothing is spread */
    uint16_t table_size;
    uint8_t key[40];
    uint8_t table[VMXNET3_RSS_TABLE];
} Vmxnet3Rss;

typedef struct Vmxnet3 {
    PciDevice parent;
    /* state */
    uint64_t shared; /* where the memory is that the driver shares */
    uint32_t answer; /* to the last command */
    uint8_t mac[NET_MAC_SIZE];
    bool active;
    uint64_t features;
    uint32_t mtu;
    uint8_t tx_count, rx_count;
    Vmxnet3Queue tx[VMXNET3_QUEUES], rx[VMXNET3_QUEUES];
    bool auto_mask; /* an interrupt that was sent is masked by that */
    uint8_t event_vector;
    bool link_untold; /* it changed while the machine stood */
    bool pending[VMXNET3_VECTORS], masked[VMXNET3_VECTORS];
    uint32_t rx_mode;
    uint32_t group_count; /* beyond VMXNET3_GROUPS: all are taken */
    uint8_t groups[VMXNET3_GROUPS * NET_MAC_SIZE];
    uint32_t vlans[128]; /* bits */
    Vmxnet3Rss rss;
    /* configuration */
    bool disable_pcie;
    /* wiring */
    NicCard card;
    MemoryRegion fast, slow;
} Vmxnet3;
OBJECT_CAST_DEFINE(Vmxnet3, VMXNET3, TYPE_VMXNET3)

/* May it get at memory, and work, now? */
bool vmxnet3_runs(const Vmxnet3 *s);
void vmxnet3_interrupt(Vmxnet3 *s, unsigned vector);
/* If the link has changed: tell the driver. */
void vmxnet3_tell_link(Vmxnet3 *s);
/* Count a packet by its address. */
void vmxnet3_count(Vmxnet3Queue *q, const uint8_t *packet, uint64_t size);

static inline uint64_t vmxnet3_place(const Vmxnet3Ring *ring)
{
    return ring->base + (uint64_t)ring->next * VMXNET3_DESCRIPTOR;
}

static inline void vmxnet3_advance(Vmxnet3Ring *ring)
{
    if (++ring->next >= ring->size) {
        ring->next = 0;
        ring->turn = !ring->turn;
    }
}

/* Write an entry of what is done: the word with the turn bit comes last. */
void vmxnet3_done(Vmxnet3 *s, Vmxnet3Ring *ring, uint32_t entry[4]);

/* ---- vmxnet3-config.c ---- */

/* Take over all that the driver shares; false: it makes no sense, and nothing has changed. */
bool vmxnet3_activate(Vmxnet3 *s);
/* The same of a part, while it is active. */
void vmxnet3_update_mode(Vmxnet3 *s);
void vmxnet3_update_groups(Vmxnet3 *s);
void vmxnet3_update_vlans(Vmxnet3 *s);
void vmxnet3_update_features(Vmxnet3 *s);
void vmxnet3_update_rss(Vmxnet3 *s);
void vmxnet3_write_stats(Vmxnet3 *s);
/* Set, and clear, bits of the word of events. */
void vmxnet3_events(Vmxnet3 *s, uint32_t set, uint32_t clear);
/* For NicOps. */
RxFilterInfo *vmxnet3_query_filter(Nic *nic);

/* ---- the rings ---- */

void vmxnet3_transmit(void *opaque);
bool vmxnet3_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size);
/* There may be buffers of queue @n. */
void vmxnet3_buffers(Vmxnet3 *s, unsigned n);

#endif

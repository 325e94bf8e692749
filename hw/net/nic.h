/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all network cards have: an address, and a netdev at the other end of the cable. Machine
 * lock. */
#ifndef HW_NET_NIC_H
#define HW_NET_NIC_H

#include "hw/core/device.h"
#include "net/net.h"
#include "qapi/qapi-types.h"

typedef struct Nic Nic;

typedef struct NicOps {
    NetClientOps client; /* `opaque` is the Nic's */
    /* What it receives: all but the name; NULL: it has no filter. */
    RxFilterInfo *(*query_filter)(Nic *nic);
    /* Say where it is: nic_send_rarp(), and what it can beside that. May be NULL. */
    void (*announce)(Nic *nic);
    bool vhost; /* its rings can be another program's: it may have a netdev vhost-user */
} NicOps;

struct Nic {
    NetClient client;
    /* properties */
    char *netdev;   /* id; NULL: no cable */
    char *mac_text; /* NULL: the next one of ours */
    /* from the realization on */
    uint8_t mac[NET_MAC_SIZE]; /* that it was made with */
    const NicOps *ops;
    unsigned queues;      /* pairs of queues, 1 or more */
    NetClient *more;      /* of the pairs but the first; owned */
    const Device *device; /* what users know as the card; borrowed */
    bool filter_was_told; /* NIC_RX_FILTER_CHANGED waits for query-rx-filter */
};

/* The properties of a card whose structure is @Type with the Nic @member. */
#define NIC_PROPERTIES(Type, member)                                                   \
    { .name = "netdev",                                                                \
      .kind = PROP_STRING,                                                             \
      .offset = offsetof(Type, member.netdev),                                         \
      .description = "the netdev at the other end; without it there is no link" },     \
    {                                                                                  \
        .name = "mac", .kind = PROP_STRING, .offset = offsetof(Type, member.mac_text), \
        .description = "address; without it 52:54:00:12:34:56, or the next one"        \
    }

/* Settle the address, and join it to its netdev. @device is what users know as the card; @ops'
 * functions may be called from now on. It gets as many pairs of queues as its netdev has, but at
 * most @most. */
bool nic_realize(Nic *nic, const Device *device, const NicOps *ops, void *opaque, unsigned most,
                 GError **errp);
/* The client of pair @n. */
static inline NetClient *nic_client(Nic *nic, unsigned n)
{
    return n ? &nic->more[n - 1] : &nic->client;
}
void nic_unrealize(Nic *nic);
/* A packet from @mac to all, which says only where that is (RFC 903). */
void nic_send_rarp(Nic *nic, const uint8_t mac[NET_MAC_SIZE]);
/* What query_filter() tells is another: NIC_RX_FILTER_CHANGED. */
void nic_filter_changed(Nic *nic);
/* Ask query_filter(); NULL: it has none. What it says is with its name. */
RxFilterInfo *nic_query_filter(Nic *nic);
/* The card that @client is; NULL: it is none. */
Nic *nic_of(const NetClient *client);

#endif

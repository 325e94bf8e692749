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
} NicOps;

struct Nic {
    NetClient client;
    /* properties */
    char *netdev;   /* id; NULL: no cable */
    char *mac_text; /* NULL: the next one of ours */
    /* from the realization on */
    uint8_t mac[NET_MAC_SIZE]; /* that it was made with */
    const NicOps *ops;
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

/* Settle the address, and join it to its netdev. @device is what users know as the card; @client's
 * functions may be called from now on. */
bool nic_realize(Nic *nic, const Device *device, const NicOps *ops, void *opaque, GError **errp);
void nic_unrealize(Nic *nic);
/* The card that @client is; NULL: it is none. */
Nic *nic_of(const NetClient *client);

#endif

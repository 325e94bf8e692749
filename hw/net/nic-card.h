/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the simpler cards have beside their Nic: a place in the order of booting, a buffer in which
 * a packet is put together, and turns: what is left to send goes when others had theirs, when the
 * other end takes packets again, and when the machine goes on. Machine lock.
 */
#ifndef HW_NET_NIC_CARD_H
#define HW_NET_NIC_CARD_H

#include "hw/core/device.h"
#include "hw/net/nic.h"
#include "util/timer.h"

#define NIC_CARD_TURN  256 /* packets, after which others have their turn */
#define NIC_PACKET_MIN 60  /* without the sum; a shorter one gets zeros, as on its way */

typedef struct NicCard {
    Nic nic;
    /* property */
    int32_t boot_index; /* -1: firmware does not boot from it */
    /* wiring */
    uint8_t *packet;                /* NET_PACKET_MAX bytes; owned */
    void (*transmit)(void *opaque); /* what there is to send, for at most NIC_CARD_TURN packets */
    void *opaque;
    GSource *again; /* owned */
    Timer *soon;
    bool sending;
} NicCard;

/* The properties of a card whose structure is @Type with the NicCard @member. */
#define NIC_CARD_PROPERTIES(Type, member)                                                     \
    NIC_PROPERTIES(Type, member.nic),                                                         \
    {                                                                                         \
        .name = "bootindex", .kind = PROP_INT32, .offset = offsetof(Type, member.boot_index), \
        .has_default = true, .default_int = -1,                                               \
        .description = "place in the order in which firmware boots"                           \
    }

/* Of @dev, with the functions @ops; @transmit may be called from now on, all with @opaque. */
bool nic_card_realize(NicCard *card, Device *dev, const NicOps *ops, void (*transmit)(void *opaque),
                      void *opaque, GError **errp);
/* The link goes: the device must not be told anything more that it would tell the guest. */
void nic_card_unrealize(NicCard *card, Device *dev);
/* Call transmit(), unless it is what calls: what is sent may come back, and do anything. */
void nic_card_transmit(NicCard *card);
/* The same, when others had their turn. */
void nic_card_transmit_later(NicCard *card);
/* The same a millisecond later: for lists that need not have an end. */
void nic_card_transmit_soon(NicCard *card);

/* The bit of @address, 0 to 63, in a table of multicasts by the sum of Ethernet, as many chips have
 * it: its upper six bits; @reflected: those of the sum whose bits go the other way. */
unsigned nic_card_hash(const uint8_t address[NET_MAC_SIZE], bool reflected);
bool nic_card_is_broadcast(const uint8_t address[NET_MAC_SIZE]);
/* A copy of @packet, which may be there already, in @copy of at least @size and NIC_PACKET_MIN
 * bytes, filled up to that; its size. */
size_t nic_card_pad(uint8_t *copy, const uint8_t *packet, size_t size);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcnet: AMD's PCnet-PCI II, Am79C970A (its data sheet), a card of 10 Mbit/s: registers behind an
 * address and a data port, and two rings of descriptors, in one of three forms. pcnet.c has the
 * registers and life, pcnet-data.c the rings. Machine lock for everything.
 */
#ifndef HW_NET_PCNET_H
#define HW_NET_PCNET_H

#include "hw/net/nic-card.h"
#include "hw/pci/pci.h"

#define TYPE_PCNET "pcnet"

enum { PCNET_CSRS = 128, PCNET_BCRS = 32 };

/* CSR0. */
enum {
    PCNET_INIT = 0x0001,
    PCNET_STRT = 0x0002,
    PCNET_STOP = 0x0004,
    PCNET_TDMD = 0x0008,
    PCNET_TXON = 0x0010,
    PCNET_RXON = 0x0020,
    PCNET_IENA = 0x0040,
    PCNET_INTR = 0x0080,
    PCNET_IDON = 0x0100,
    PCNET_TINT = 0x0200,
    PCNET_RINT = 0x0400,
    PCNET_MERR = 0x0800,
    PCNET_MISS = 0x1000,
    PCNET_CAUSES = 0x7f00,
};
enum { PCNET_SUSPEND = 1 }; /* CSR5 */
/* CSR15, the mode. */
enum {
    PCNET_NO_RX = 0x0001,
    PCNET_NO_TX = 0x0002,
    PCNET_LOOP = 0x0004,
    PCNET_NO_ADDRESS = 0x2000,
    PCNET_NO_BROADCAST = 0x4000,
    PCNET_PROMISCUOUS = 0x8000,
};
/* Registers by number. */
enum {
    PCNET_CSR_BLOCK = 1, /* two: where the initialization block is */
    PCNET_CSR_MASKS = 3,
    PCNET_CSR_FEATURES = 4,
    PCNET_CSR_CONTROL = 5,
    PCNET_CSR_GROUPS = 8,   /* four */
    PCNET_CSR_ADDRESS = 12, /* three */
    PCNET_CSR_MODE = 15,
    PCNET_CSR_RX_RING = 24, /* two */
    PCNET_CSR_TX_RING = 30, /* two */
    PCNET_CSR_STYLE = 58,   /* that of BCR20 */
    PCNET_CSR_RX_COUNTER = 72,
    PCNET_CSR_TX_COUNTER = 74,
    PCNET_CSR_RX_LENGTH = 76, /* as 65536 less that */
    PCNET_CSR_TX_LENGTH = 78,
    PCNET_CSR_CHIP = 88, /* two */
    PCNET_CSR_MISSED = 112,
    PCNET_BCR_LINK = 4,
    PCNET_BCR_BUS = 18,
    PCNET_BCR_STYLE = 20,
};
enum { PCNET_WIDE = 0x100 }; /* BCR20: structures are of 32 bits */

typedef struct Pcnet {
    PciDevice parent;
    /* state */
    uint16_t rap;
    uint16_t csr[PCNET_CSRS], bcr[PCNET_BCRS];
    uint32_t tx_at, rx_at; /* in the rings */
    /* wiring */
    NicCard card;
    MemoryRegion io, memory;
} Pcnet;
OBJECT_CAST_DEFINE(Pcnet, PCNET, TYPE_PCNET)

static inline uint32_t pcnet_csr32(const Pcnet *s, unsigned n)
{
    return s->csr[n] | (uint32_t)s->csr[n + 1] << 16;
}

/* Entries of a ring, by PCNET_CSR_RX_LENGTH or _TX_LENGTH. */
static inline uint32_t pcnet_length(const Pcnet *s, unsigned n)
{
    return s->csr[n] ? 65536u - s->csr[n] : 65536u;
}

/* May it get at memory, and work, now? */
bool pcnet_runs(const Pcnet *s);
void pcnet_interrupt(Pcnet *s, uint16_t causes);

/* ---- pcnet-data.c ---- */

/* Take over the initialization block. */
void pcnet_initialize(Pcnet *s);
void pcnet_transmit(void *opaque);
bool pcnet_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size);

#endif

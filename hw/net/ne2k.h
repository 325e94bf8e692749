/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NE2000: National's DP8390 (its data sheet) with 32 KiB of memory of its own, which the driver
 * reads and writes through one port. It has no DMA. ne2k-isa.c and ne2k-pci.c have the cards.
 * Machine lock for everything.
 */
#ifndef HW_NET_NE2K_H
#define HW_NET_NE2K_H

#include "hw/net/nic-card.h"

enum {
    NE2K_PORTS = 32,
    NE2K_RAM = 0x4000, /* where it is in the chip's memory, */
    NE2K_RAM_SIZE = 0x8000,
};

typedef struct Ne2k {
    /* state */
    uint8_t command, status, mask, tx_status, rx_status;
    uint8_t rx_config, tx_config, data_config;
    uint8_t first, end; /* pages of the ring: from, and before */
    uint8_t boundary, current;
    uint8_t tx_page;
    bool unseen; /* a packet came since the driver last looked where the ring ends */
    uint16_t tx_count;
    uint16_t dma_at, dma_count;
    uint8_t mac[NET_MAC_SIZE], groups[8];
    uint8_t ram[NE2K_RAM_SIZE];
    /* wiring */
    NicCard card;
    MemoryRegion ports;
    const char *model;
    void (*set_irq)(struct Ne2k *s, int level);
} Ne2k;

/* Of all but the card; card's own state comes first. */
extern const StateTable ne2k_state;

/* @dev is the card; @size of its region, at least NE2K_PORTS. */
bool ne2k_realize(Ne2k *s, Device *dev, const char *model, void (*set_irq)(Ne2k *s, int level),
                  uint64_t size, GError **errp);
void ne2k_unrealize(Ne2k *s, Device *dev);
void ne2k_reset(Ne2k *s);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tulip: DEC's (Intel's) 21143, a card of 100 Mbit/s (its hardware reference manual): sixteen
 * registers, two lists of descriptors, addresses in a setup frame that is sent like a packet, a
 * serial ROM and a PHY, which the driver reads bit by bit. tulip.c has the registers and life,
 * tulip-data.c the lists, tulip-serial.c ROM and PHY. Machine lock for everything.
 */
#ifndef HW_NET_TULIP_H
#define HW_NET_TULIP_H

#include "hw/net/nic-card.h"
#include "hw/net/nvm-93c46.h"
#include "hw/pci/pci.h"
#include "util/timer.h"

#define TYPE_TULIP "tulip"

enum {
    TULIP_CSR_BUS = 0,
    TULIP_CSR_TX_POLL = 1,
    TULIP_CSR_RX_POLL = 2,
    TULIP_CSR_RX_LIST = 3,
    TULIP_CSR_TX_LIST = 4,
    TULIP_CSR_STATUS = 5,
    TULIP_CSR_MODE = 6,
    TULIP_CSR_MASKS = 7,
    TULIP_CSR_MISSED = 8,
    TULIP_CSR_SERIAL = 9,
    TULIP_CSR_TIMER = 11,
    TULIP_CSR_SIA = 12,
    TULIP_CSRS = 16,
};

/* CSR5, and CSR7. */
enum {
    TULIP_TI = 1 << 0,   /* a packet was sent, */
    TULIP_TPS = 1 << 1,  /* sending stands, */
    TULIP_TU = 1 << 2,   /* there is nothing to send */
    TULIP_RI = 1 << 6,   /* a packet has come, */
    TULIP_RU = 1 << 7,   /* there is no buffer, */
    TULIP_RPS = 1 << 8,  /* receiving stands */
    TULIP_GTE = 1 << 11, /* the timer has expired */
    TULIP_FBE = 1 << 13, /* memory was not there */
    TULIP_AIS = 1 << 15,
    TULIP_NIS = 1 << 16,
    TULIP_RS_SHIFT = 17, /* what receiving does, */
    TULIP_TS_SHIFT = 20, /* and sending */
};
enum { TULIP_RX_STOPPED = 0, TULIP_RX_WAITS = 3, TULIP_RX_SUSPENDED = 4 };
enum { TULIP_TX_STOPPED = 0, TULIP_TX_RUNS = 1, TULIP_TX_SUSPENDED = 6 };

/* CSR6. */
enum {
    TULIP_HASH = 1 << 0, /* of the setup frame, and so are the next but one and the fourth */
    TULIP_SR = 1 << 1,
    TULIP_HASH_ONLY = 1 << 2,
    TULIP_INVERSE = 1 << 4,
    TULIP_PROMISCUOUS = 1 << 6,
    TULIP_ALL_MULTICAST = 1 << 7,
    TULIP_LOOP = 3 << 10,
    TULIP_ST = 1 << 13,
    TULIP_FILTERS = TULIP_HASH | TULIP_HASH_ONLY | TULIP_INVERSE,
};

enum { TULIP_SETUP_SIZE = 192, TULIP_PHY = 1, TULIP_PHY_REGISTERS = 32 };

typedef struct Tulip {
    PciDevice parent;
    /* state */
    uint32_t csr[TULIP_CSRS];
    uint32_t rx_at, tx_at; /* addresses of the next descriptors */
    uint8_t setup[TULIP_SETUP_SIZE];
    uint32_t nvm_bits, nvm_clocks;
    uint32_t mii_word, mii_bits; /* of the frame of the PHY's wire: what came, and how much */
    uint16_t phy[TULIP_PHY_REGISTERS];
    Timer *timer;
    /* wiring */
    NicCard card;
    MemoryRegion io, memory;
} Tulip;
OBJECT_CAST_DEFINE(Tulip, TULIP, TYPE_TULIP)

/* May it get at memory, and work, now? */
bool tulip_runs(const Tulip *s);
/* These of CSR5 happened. */
void tulip_interrupt(Tulip *s, uint32_t causes);
/* What the part of it at @shift of CSR5 does from now on. */
void tulip_set_process(Tulip *s, unsigned shift, uint32_t process);
static inline uint32_t tulip_process(const Tulip *s, unsigned shift)
{
    return s->csr[TULIP_CSR_STATUS] >> shift & 7;
}

/* ---- tulip-data.c ---- */

void tulip_transmit(void *opaque);
bool tulip_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size);

/* ---- tulip-serial.c ---- */

void tulip_serial_reset(Tulip *s);
/* CSR9 is written. */
void tulip_serial_write(Tulip *s, uint32_t value);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver of Intel's gigabit cards; the other end of the cable is a stream socket. */
#ifndef TESTS_QTEST_E1000_H
#define TESTS_QTEST_E1000_H

#include "tests/qtest/virtio.h"
#include "tests/qtest/wire.h"

#define DEVFN   0x20u /* slot 4 */
#define BAR     0xe0000000u
#define FLASH   0xe0020000u /* of e1000e */
#define VECTORS 0xe0040000u
#define IO      0xc000u
#define TX_RING 0x200000u
#define RX_RING 0x210000u
#define BUFFERS 0x300000u
#define PAGE    0x1000u
#define RING    8u /* descriptors: the smallest ring */

enum {
    CTRL = 0x0,
    STATUS = 0x8,
    EECD = 0x10,
    EERD = 0x14,
    MDIC = 0x20,
    VET = 0x38,
    ICR = 0xc0,
    ITR = 0xc4,
    ICS = 0xc8,
    IMS = 0xd0,
    IMC = 0xd8,
    RCTL = 0x100,
    TCTL = 0x400,
    RDBAL = 0x2800,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    GPRC = 0x4074,
    GPTC = 0x4080,
    TOTL = 0x40c8,
    PTC255 = 0x40e0,
    PTC1522 = 0x40ec,
    RXCSUM = 0x5000,
    MTA = 0x5200,
    RAL = 0x5400,
    RAH = 0x5404,
    VFTA = 0x5600,
};

/* RCTL: enabled, without the sum, broadcasts. */
#define RECEIVE 0x04008002u

enum { EOP = 1 << 24, RS = 1 << 27, DEXT = 1 << 29, VLE = 1 << 30, TSE = 1 << 26, DATA = 1 << 20 };
enum { TXDW = 1, TXQE = 2, LSC = 4, RXDMT0 = 0x10, RXO = 0x40, RXT0 = 0x80 };

enum { TXOFF = 0x10 }; /* of STATUS */

typedef struct Net {
    QTest *qt;
    int fd; /* the other end */
    unsigned tx, rx;
} Net;

extern const uint8_t own_mac[6], other_mac[6];

uint32_t net_get(const Net *n, unsigned offset);
void net_set(const Net *n, unsigned offset, uint32_t value);
/* Does its wire interrupt? */
bool net_interrupted(const Net *n);
/* Memory for packet @i, of PAGE bytes. */
uint64_t net_page(unsigned i);
/* Its BARs get addresses, and it may work. */
void net_enable(Net *n);
/* Rings of RING descriptors; nothing is in them. */
void net_set_up(Net *n);
/* A machine with the card @model in slot 4, ready. */
void net_start(Net *n, const char *model, const char *more);
void net_stop(Net *n);
/* A descriptor, and the ring ends behind it when TDT is set. */
void net_add_tx(Net *n, uint64_t addr, uint32_t lower, uint32_t upper);
void net_send(Net *n, const uint8_t *packet, uint32_t size, uint32_t flags);
/* Buffers for @count packets: buffer i is page 8 + i. */
void net_give_buffers(Net *n, unsigned count);
/* Wait for the bit DD in the status of a descriptor, which is at @at; the status. */
uint8_t net_wait_status(Net *n, uint64_t at);
/* The same of descriptor @i, a legacy one. */
uint8_t net_wait_rx(Net *n, unsigned i);
void net_expect_received(Net *n, unsigned i, const uint8_t *packet, size_t size);
/* What register @reg of the PHY says, as MDIC does. */
uint32_t net_phy(const Net *n, unsigned reg);

#endif

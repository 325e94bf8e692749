/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139: Realtek's RTL8139C+ (its data sheet), a card of 100 Mbit/s: with the registers of the
 * RTL8139, four buffers to send and a ring to receive into, or with rings of descriptors.
 * rtl8139.c has the registers and life, rtl8139-data.c the packets. Machine lock for everything.
 */
#ifndef HW_NET_RTL8139_H
#define HW_NET_RTL8139_H

#include "hw/net/nic.h"
#include "hw/pci/pci.h"
#include "util/timer.h"

#define TYPE_RTL8139 "rtl8139"

enum {
    RTL_IDR = 0x00,  /* the address */
    RTL_MAR = 0x08,  /* the filter of multicasts */
    RTL_TSD = 0x10,  /* four: status of what is sent */
    RTL_TSAD = 0x20, /* four: where it is; or rings of descriptors of two priorities */
    RTL_TNPDS = 0x20,
    RTL_THPDS = 0x28,
    RTL_RBSTART = 0x30,
    RTL_CR = 0x37,
    RTL_CAPR = 0x38, /* where the driver reads, less 16 */
    RTL_CBR = 0x3a,  /* where the card writes */
    RTL_IMR = 0x3c,
    RTL_ISR = 0x3e,
    RTL_TCR = 0x40,
    RTL_RCR = 0x44,
    RTL_TCTR = 0x48, /* counts */
    RTL_MPC = 0x4c,  /* packets that were missed */
    RTL_9346CR = 0x50,
    RTL_CONFIG1 = 0x52,
    RTL_TIMER = 0x54,
    RTL_MSR = 0x58,
    RTL_CONFIG3 = 0x59,
    RTL_CONFIG4 = 0x5a,
    RTL_RERID = 0x5e,
    RTL_TSAD_STATUS = 0x60,
    RTL_BMCR = 0x62,
    RTL_BMSR = 0x64,
    RTL_ANAR = 0x66,
    RTL_ANLPAR = 0x68,
    RTL_ANER = 0x6a,
    RTL_CONFIG5 = 0xd8,
    RTL_TPPOLL = 0xd9,
    RTL_CPCR = 0xe0,
    RTL_RDSAR = 0xe4,
    RTL_REGISTERS = 0x100,
};

enum {
    RTL_CR_RST = 0x10,
    RTL_CR_RE = 0x08,
    RTL_CR_TE = 0x04,
    RTL_CR_BUFE = 0x01,
    RTL_ISR_ROK = 0x01,
    RTL_ISR_TOK = 0x04,
    RTL_ISR_RXOVW = 0x10, /* or no descriptor */
    RTL_ISR_LINK = 0x20,
    RTL_ISR_TDU = 0x80, /* no descriptor to send */
    RTL_ISR_TIMEOUT = 0x4000,
    RTL_ISR_BITS = 0xe1ff,
    RTL_RCR_AAP = 0x01,
    RTL_RCR_APM = 0x02,
    RTL_RCR_AM = 0x04,
    RTL_RCR_AB = 0x08,
    RTL_RCR_WRAP = 0x80,
    RTL_TCR_LOOPBACK = 0x60000,
    RTL_CPCR_TX = 0x01,
    RTL_CPCR_RX = 0x02,
    RTL_CPCR_VLAN = 0x40,
    RTL_TSD_OWN = 1 << 13, /* the card's part is done */
    RTL_TSD_TOK = 1 << 15,
    RTL_TPPOLL_NORMAL = 0x40,
    RTL_TPPOLL_HIGH = 0x80,
};

typedef struct Rtl8139 {
    PciDevice parent;
    uint8_t reg[RTL_REGISTERS];
    uint32_t tx_at[2], rx_at; /* in rings of descriptors: normal, high priority */
    uint32_t write_at;        /* CBR, of all bits */
    uint32_t eeprom_bits, eeprom_clocks;
    int64_t counted_from; /* ns, for TCTR */
    Timer *timer;
    /* configuration */
    Nic nic;
    int32_t boot_index;
    /* wiring */
    MemoryRegion io, memory;
    GSource *again;
    Timer *soon;     /* what is left to send goes then */
    uint8_t *packet; /* NET_PACKET_MAX, to put one together */
    bool sending;
} Rtl8139;
OBJECT_CAST_DEFINE(Rtl8139, RTL8139, TYPE_RTL8139)

uint16_t rtl8139_get16(const Rtl8139 *s, unsigned at);
uint32_t rtl8139_get32(const Rtl8139 *s, unsigned at);
void rtl8139_set16(Rtl8139 *s, unsigned at, uint16_t value);
void rtl8139_set32(Rtl8139 *s, unsigned at, uint32_t value);
void rtl8139_interrupt(Rtl8139 *s, uint16_t causes);
/* May it get at memory, and work, now? */
bool rtl8139_runs(const Rtl8139 *s);

/* ---- rtl8139-data.c ---- */

/* Send buffer @n, by TSD. */
void rtl8139_send(Rtl8139 *s, unsigned n);
/* Send what is in the rings of descriptors. */
void rtl8139_transmit(Rtl8139 *s);
/* Is there nothing for the driver in the ring? */
bool rtl8139_is_empty(const Rtl8139 *s);
/* For NetClientOps. */
bool rtl8139_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size);
void rtl8139_can_send_again(NetClient *nc);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Intel's gigabit cards have in common: registers in memory, an EEPROM, a PHY, a ring of
 * descriptors each way (hw/net/e1000-regs.h). Machine lock for everything.
 *
 * A packet is copied on its way, so that nothing that was looked at can change. What the netdev
 * cannot take stays in the ring, and what the ring has no room for waits in front of it
 * (net/net.h).
 */
#ifndef HW_NET_E1000_CORE_H
#define HW_NET_E1000_CORE_H

#include "hw/net/e1000-regs.h"
#include "hw/net/nic.h"
#include "hw/net/rss.h"
#include "hw/pci/pci.h"
#include "util/timer.h"

#define TYPE_E1000_BASE "e1000-base"

#define E1000_MEMORY_SIZE 0x20000 /* bytes that its registers have */
#define E1000_NVM_WORDS   64
#define E1000_ADDRESSES   16  /* pairs RAL, RAH */
#define E1000_STORED      640 /* registers of a card, at most */
#define E1000_QUEUES      2   /* rings each way, at most */

/* What a context descriptor says (section 3.3.6). */
typedef struct E1000Context {
    uint8_t ip_start, ip_sum, tcp_start, tcp_sum;
    uint16_t ip_end, tcp_end; /* the last byte; 0: the packet's */
    uint16_t mss;
    bool tcp, ipv4;
} E1000Context;

typedef struct E1000 {
    PciDevice parent;
    /* state */
    uint32_t regs[E1000_STORED]; /* e1000_reg() */
    uint16_t phy[E1000_PHY_COUNT];
    E1000Context contexts[2 * E1000_QUEUES]; /* of each ring: for checksums, and for segments */
    Timer *itr;                              /* pending: it is too early for another interrupt */
    bool asserted;                           /* the interrupt was raised, and is not over */
    uint16_t nvm_command;                    /* what the EEPROM has got bit by bit: section 5.3 */
    uint8_t nvm_count;                       /* bits of that */
    uint16_t nvm_bit;                        /* that it gives next */
    uint32_t io_addr;                        /* the register that the I/O window shows */
    /* derived */
    uint16_t places[E1000_END / 4]; /* by offset / 4: where in `regs` */
    /* configuration */
    int32_t boot_index; /* -1: firmware does not boot from it */
    bool mitigation;    /* ITR holds interrupts back */
    /* wiring */
    Nic nic;
    MemoryRegion memory, io;
    GSource *again;  /* what is left in the ring is sent when others had their turn; owned */
    uint8_t *packet; /* NET_PACKET_MAX bytes and room for a tag: what is sent; owned */
} E1000;
OBJECT_CAST_DEFINE(E1000, E1000_CARD, TYPE_E1000_BASE)

/* A register, or @count of them one after the other, @stride bytes apart (0: 4). */
typedef struct E1000Register {
    uint16_t offset;
    uint16_t count;
    uint8_t stride;
    uint32_t mask;    /* what the guest may write */
    uint32_t initial; /* after a reset */
    /* Instead of the plain value; may be NULL. */
    uint32_t (*read)(E1000 *s, unsigned offset);
    /* After @value was written through the mask. May be NULL. */
    void (*written)(E1000 *s, unsigned offset, uint32_t value);
} E1000Register;

/* What is told of a packet that was received, and the ring that it goes to. */
typedef struct E1000Told {
    unsigned ring;
    uint32_t status; /* with what only extended descriptors have */
    uint8_t errors;
    uint16_t vlan;
    /* Of extended descriptors. */
    uint32_t type; /* of the hash, and its ring */
    uint32_t hash;
    uint16_t
        header; /* bytes of the headers, which are in the first buffer alone; 0: they are not */
} E1000Told;

typedef struct E1000Class E1000Class;

/* What makes a card the one it is. */
struct E1000Class {
    PciFunctionClass pci;
    const char *model;
    const E1000Register *registers; /* before those of all cards; ends with a count of 0 */
    const uint16_t *nvm;            /* E1000_NVM_WORDS words; address and sum are filled in */
    uint16_t phy_id2;
    uint32_t causes; /* of interrupts, that it has: E1000_ICR_* */
    unsigned queues; /* rings each way */
    /* Raise or lower what interrupts the guest without MSI-X. NULL: INTx. */
    void (*signal)(E1000 *s, bool level);
    /* These causes are there, some of them perhaps anew, or are let through; does the card send
     * messages of its own for them? NULL: it has none. */
    bool (*send)(E1000 *s, uint32_t causes);
    /* Where does a packet go, and what is told of its hash? NULL: to the first ring. */
    void (*spread)(E1000 *s, const RssPacket *p, const uint8_t *packet, E1000Told *told);
};

static inline const E1000Class *e1000_class(const E1000 *s)
{
    return object_ops(&s->parent.parent.parent);
}

/* The register at @offset, which is one of the card's; else one that is always 0. */
static inline uint32_t *e1000_reg(E1000 *s, unsigned offset)
{
    return &s->regs[s->places[offset / 4]];
}

/* ---- e1000-core.c ---- */

extern const StateTable e1000_state;

bool e1000_realize(PciDevice *dev, GError **errp);
void e1000_unrealize(PciDevice *dev);
void e1000_reset(PciDevice *dev);
void e1000_loaded(PciDevice *dev);
/* Accesses to memory, of 4 bytes. */
uint64_t e1000_read(void *opaque, hwaddr addr, unsigned size);
void e1000_write(void *opaque, hwaddr addr, uint64_t value, unsigned size);
/* These causes of an interrupt are there, too; E1000_ICR_*, of which those count that the card has.
 */
void e1000_interrupt(E1000 *s, uint32_t causes);
/* May it get at memory now? */
bool e1000_runs(const E1000 *s);
/* Only RAM: what devices did then could come back here. False: it is not all RAM. */
bool e1000_dma_read(const E1000 *s, uint64_t addr, void *buf, size_t len);
bool e1000_dma_write(const E1000 *s, uint64_t addr, const void *buf, size_t len);
/* Add @n to a counter, or to one of 64 bits whose lower half is at @offset. */
void e1000_count(E1000 *s, unsigned offset, uint32_t n);
void e1000_count64(E1000 *s, unsigned offset, uint64_t n);
/* Add @n to the counter of packets of @size bytes with the sum, of the six that begin at @offset.
 */
void e1000_count_size(E1000 *s, unsigned offset, size_t size, uint32_t n);

/* STATUS of every card. */
uint32_t e1000_status_read(E1000 *s, unsigned offset);
/* There may be buffers again. */
void e1000_rx_tail_written(E1000 *s, unsigned offset, uint32_t value);
/* A write of 1 takes a cause back. */
void e1000_icr_written(E1000 *s, unsigned offset, uint32_t value);

/* ---- e1000-window.c ---- */

/* Of realize: the registers in memory, and the I/O window of @io_size bytes, as these BARs. */
void e1000_add_bars(E1000 *s, unsigned memory_bar, unsigned io_bar, uint64_t io_size);
/* Of unrealize. */
void e1000_drop_bars(E1000 *s);

/* ---- e1000-phy.c: the EEPROM and the PHY ---- */

void e1000_phy_reset(E1000 *s);
uint16_t e1000_nvm_word(const E1000 *s, unsigned n);
uint32_t e1000_eecd_read(E1000 *s, unsigned offset);
void e1000_eecd_written(E1000 *s, unsigned offset, uint32_t value);
void e1000_eerd_written(E1000 *s, unsigned offset, uint32_t value);
/* The same where the bits of EERD are as the 82574L's. */
void e1000_eerd_large_written(E1000 *s, unsigned offset, uint32_t value);
void e1000_mdic_written(E1000 *s, unsigned offset, uint32_t value);

/* ---- e1000-tx.c, e1000-rx.c ---- */

/* Send what is in the rings. */
void e1000_transmit(E1000 *s);
void e1000_can_send_again(NetClient *nc);
bool e1000_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size);
/* Does what is sent come back in? */
bool e1000_loops_back(E1000 *s);
/* For query-rx-filter. */
RxFilterInfo *e1000_query_filter(Nic *nic);
/* Address @n of the receive address registers; false: it is not in use. */
bool e1000_address(E1000 *s, unsigned n, uint8_t mac[NET_MAC_SIZE]);

#endif

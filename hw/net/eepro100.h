/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel's cards of 100 Mbit/s, 82557 to 82562 (the 8255x software developer manual): a list of
 * commands, by which packets are sent, and a list of frames, into which they are received; an
 * EEPROM, a PHY. They differ in their IDs. eepro100.c has registers and life, eepro100-types.c the
 * types, eepro100-data.c the lists. Machine lock for everything.
 */
#ifndef HW_NET_EEPRO100_H
#define HW_NET_EEPRO100_H

#include "hw/net/nic-card.h"
#include "hw/pci/pci.h"

#define TYPE_EEPRO100 "eepro100-base"

enum {
    EEPRO_REGISTERS = 64,
    EEPRO_CONFIG = 22,   /* bytes of a configuration */
    EEPRO_COUNTERS = 20, /* words of statistics */
    EEPRO_PHY = 1,       /* its address */
    EEPRO_PHY_REGISTERS = 32,
};

/* Registers. */
enum {
    EEPRO_STATUS = 0x00, /* of both units */
    EEPRO_CAUSES = 0x01, /* of interrupts */
    EEPRO_COMMAND = 0x02,
    EEPRO_MASK = 0x03,
    EEPRO_POINTER = 0x04,
    EEPRO_PORT = 0x08,
    EEPRO_EEPROM = 0x0e,
    EEPRO_MDI = 0x10,
};
/* Causes. */
enum {
    EEPRO_CX = 0x80,  /* a command that asks for it is done */
    EEPRO_FR = 0x40,  /* a packet came */
    EEPRO_CNA = 0x20, /* the unit of commands stands */
    EEPRO_RNR = 0x10, /* the unit of frames stands */
    EEPRO_MDI_DONE = 0x08,
    EEPRO_SWI = 0x04,
};

typedef enum EeproUnit { EEPRO_IDLE, EEPRO_SUSPENDED, EEPRO_NO_RESOURCES, EEPRO_ACTIVE } EeproUnit;

/* Words of statistics that are counted. */
enum { EEPRO_COUNT_TX = 0, EEPRO_COUNT_RX = 9, EEPRO_COUNT_NO_RESOURCES = 12 };

typedef struct Eepro100 {
    PciDevice parent;
    /* state */
    uint8_t reg[EEPRO_REGISTERS];
    uint8_t cu, ru; /* EeproUnit */
    uint32_t cu_base, cu_at, ru_base, ru_at;
    uint32_t dump_at; /* where statistics go */
    uint32_t counters[EEPRO_COUNTERS];
    uint8_t config[EEPRO_CONFIG];
    uint8_t mac[NET_MAC_SIZE], groups[8];
    uint16_t phy[EEPRO_PHY_REGISTERS];
    uint32_t nvm_bits, nvm_clocks;
    /* wiring */
    NicCard card;
    MemoryRegion memory, io, flash;
} Eepro100;
OBJECT_CAST_DEFINE(Eepro100, EEPRO100, TYPE_EEPRO100)

extern const StateTable eepro100_state;

/* For the classes of the types. */
bool eepro100_realize(PciDevice *dev, GError **errp);
void eepro100_unrealize(PciDevice *dev);
void eepro100_reset(PciDevice *dev);
void eepro100_loaded(PciDevice *dev);

/* May it get at memory, and work, now? */
bool eepro100_runs(const Eepro100 *s);
void eepro100_interrupt(Eepro100 *s, uint8_t causes);
uint32_t eepro100_get32(const Eepro100 *s, unsigned at);

/* ---- eepro100-data.c ---- */

/* What the driver writes as a command; 0: nothing. */
void eepro100_command(Eepro100 *s, uint8_t value);
/* What it writes into PORT, but for resets. */
void eepro100_self_test(Eepro100 *s, uint32_t at);
void eepro100_transmit(void *opaque);
bool eepro100_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size);

#endif

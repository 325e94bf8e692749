/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A channel of two devices as a PC has it: the command block and the control block of ATA, at I/O
 * ports, an interrupt line, and a bus master (SFF-8038i 1.0). For PCI functions that have some.
 * Machine lock.
 */
#ifndef HW_IDE_IDE_CHANNEL_H
#define HW_IDE_IDE_CHANNEL_H

#include "hw/core/irq.h"
#include "hw/ide/ide-bus.h"
#include "hw/pci/pci.h"

#define IDE_BUS_MASTER_PORTS 8 /* of a channel */

typedef struct IdeChannel {
    uint8_t control;    /* device control */
    uint8_t bm_command; /* bus master */
    uint8_t bm_status;
    uint32_t bm_table;
    bool line; /* level of the interrupt line */
    /* wiring */
    PciDevice *card;
    IdeBus *bus;
    Irq irq;
    MemoryRegion command_block, control_block;
} IdeChannel;

extern const StateTable ide_channel_state;

/* Where a channel is, by old custom. */
typedef struct IdeChannelPlace {
    uint16_t command_port, control_port;
    uint8_t irq;
} IdeChannelPlace;

/* Make channel @number of @card, with its bus, at @place. Nothing is left behind on failure. */
bool ide_channel_realize(IdeChannel *c, PciDevice *card, unsigned number,
                         const IdeChannelPlace *place, GError **errp);
/* Its devices and regions are out of use. */
void ide_channel_unrealize(IdeChannel *c);
void ide_channel_reset(IdeChannel *c);

/* The bus master's registers: an access of @size bytes at @offset, below IDE_BUS_MASTER_PORTS. */
uint32_t ide_channel_read_bm(IdeChannel *c, unsigned offset, unsigned size);
void ide_channel_write_bm(IdeChannel *c, unsigned offset, uint32_t value, unsigned size);

#endif

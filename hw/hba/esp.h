/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMD's PCI SCSI controller (Am53C974 PCscsi data sheet): esp.c is its chip of the ESP family,
 * am53c974.c its DMA engine and PCI function. Its bus has targets that never disconnect while they
 * have a command, and agree to no faster transfers.
 *
 * The driver gives a command to the chip, which does a step of the bus and interrupts. Machine lock
 * for everything.
 */
#ifndef HW_HBA_ESP_H
#define HW_HBA_ESP_H

#include "hw/hba/scsi-port.h"
#include "hw/pci/pci.h"

#define TYPE_ESP_BASE "am53c974-base"

enum { ESP_FIFO_BYTES = 16, ESP_REGISTERS = 16 };

enum {
    DMA_TO_MEMORY = 0x80,
    DMA_WHAT = 0x03,
    DMA_BLAST = 0x01,
    DMA_START = 0x03,
    DMA_DONE = 0x08,
    DMA_SCSI = 0x10,
    DMA_BLASTED = 0x20,
};

enum {
    PHASE_DATA_OUT = 0,
    PHASE_DATA_IN = 1,
    PHASE_COMMAND = 2,
    PHASE_STATUS = 3,
    PHASE_MESSAGE_OUT = 6,
    PHASE_MESSAGE_IN = 7,
    PHASE_WAIT, /* the target has not said */
    PHASE_FREE,
};
/* What the chip is at. */
typedef enum EspWait {
    WAITS_FOR_NOTHING,
    WAITS_FOR_DMA,   /* a command with DMA, which has not been started */
    WAITS_FOR_PHASE, /* to tell the driver which one comes */
    WAITS_TO_MOVE,   /* for the target, to go on moving data */
} EspWait;

typedef struct Esp {
    PciDevice parent;
    ScsiPort port;
    uint8_t reg[ESP_REGISTERS]; /* what was written */
    uint8_t status, interrupt, step;
    uint32_t count; /* that is left */
    bool identified;
    bool shows_id; /* the upper byte of the count is the chip's ID, until it is written */
    uint8_t fifo[ESP_FIFO_BYTES], fifo_count;
    uint8_t command, wait;
    uint8_t told; /* causes to interrupt with, when the phase is known */
    uint32_t dma_count, dma_address, dma_left, dma_at;
    uint8_t dma_command, dma_status;
    /* the bus */
    bool connected;
    uint8_t phase, target, lun, message;
    uint8_t cdb[SCSI_PORT_CDB], cdb_count;
    uint32_t eeprom_bits, eeprom_clocks; /* of the card */
    /* wiring */
    MemoryRegion io;
    ScsiBus *bus;
    bool at_work;
} Esp;
OBJECT_CAST_DEFINE(Esp, ESP, TYPE_ESP_BASE)

/* ---- esp.c ---- */

uint8_t esp_read(Esp *s, unsigned n);
void esp_write(Esp *s, unsigned n, uint8_t value);
/* As after the command of that name. */
void esp_reset_chip(Esp *s);
/* Go on with what waits, if it need not any more. */
void esp_go_on(Esp *s);
/* For ScsiPort, ScsiBusOps. */
void esp_ready(ScsiPort *port);
void esp_unplugged(ScsiBus *bus, ScsiDevice *dev);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sdhci-pci: an SD host controller (SD Host Controller Simplified Specification 2.00, 3.00) as a
 * PCI function with one slot. Sections are of 3.00. sdhci.c has its registers, commands and the
 * device, sdhci-data.c moves the data. Machine lock for everything.
 */
#ifndef HW_SD_SDHCI_H
#define HW_SD_SDHCI_H

#include "hw/pci/pci.h"
#include "hw/sd/sd-card.h"

#define TYPE_SDHCI_PCI "sdhci-pci"

enum { SDHCI_REGISTERS = 256, SDHCI_BUFFER = 64 * 1024 };

/* Registers (2.2). */
enum {
    SDHCI_SDMA_ADDRESS = 0x00,
    SDHCI_BLOCK_SIZE = 0x04,
    SDHCI_BLOCK_COUNT = 0x06,
    SDHCI_ARGUMENT = 0x08,
    SDHCI_TRANSFER_MODE = 0x0c,
    SDHCI_COMMAND = 0x0e,
    SDHCI_RESPONSE = 0x10,
    SDHCI_DATA_PORT = 0x20,
    SDHCI_PRESENT_STATE = 0x24,
    SDHCI_HOST_CONTROL = 0x28,
    SDHCI_POWER = 0x29,
    SDHCI_BLOCK_GAP = 0x2a,
    SDHCI_WAKEUP = 0x2b,
    SDHCI_CLOCK = 0x2c,
    SDHCI_TIMEOUT = 0x2e,
    SDHCI_RESET = 0x2f,
    SDHCI_STATUS = 0x30,
    SDHCI_ERROR = 0x32,
    SDHCI_STATUS_ENABLE = 0x34,
    SDHCI_ERROR_ENABLE = 0x36,
    SDHCI_STATUS_SIGNAL = 0x38,
    SDHCI_ERROR_SIGNAL = 0x3a,
    SDHCI_AUTO_ERROR = 0x3c,
    SDHCI_CONTROL_2 = 0x3e,
    SDHCI_CAPABILITIES = 0x40,
    SDHCI_MAX_CURRENT = 0x48,
    SDHCI_FORCE_AUTO = 0x50,
    SDHCI_FORCE_ERROR = 0x52,
    SDHCI_ADMA_ERROR = 0x54,
    SDHCI_ADMA_ADDRESS = 0x58,
    SDHCI_SLOT_STATUS = 0xfc,
    SDHCI_VERSION = 0xfe,
};

/* Bits of the normal and of the error interrupt status. */
enum {
    SDHCI_COMMAND_COMPLETE = 1 << 0,
    SDHCI_TRANSFER_COMPLETE = 1 << 1,
    SDHCI_DMA_INTERRUPT = 1 << 3,
    SDHCI_WRITE_READY = 1 << 4,
    SDHCI_READ_READY = 1 << 5,
    SDHCI_INSERTED = 1 << 6,
    SDHCI_REMOVED = 1 << 7,
    SDHCI_ANY_ERROR = 1 << 15,

    SDHCI_COMMAND_TIMEOUT = 1 << 0,
    SDHCI_COMMAND_INDEX = 1 << 3,
    SDHCI_DATA_TIMEOUT = 1 << 4,
    SDHCI_AUTO_FAILED = 1 << 8,
    SDHCI_ADMA_FAILED = 1 << 9,
};

/* Where the data of a command are. */
typedef enum SdhciPhase {
    SDHCI_IDLE,
    SDHCI_FROM_CARD, /* the next of them come into the buffer */
    SDHCI_TO_HOST,   /* and go on */
    SDHCI_FROM_HOST,
    SDHCI_TO_CARD,
    SDHCI_PHASES,
} SdhciPhase;

typedef struct Sdhci {
    PciDevice parent;
    /* configuration */
    uint8_t spec, uhs, vendor;          /* properties "sd-spec-version", "uhs", "vendor" */
    uint64_t capabilities, max_current; /* properties "capareg", "maxcurr" */
    /* state */
    uint8_t regs[SDHCI_REGISTERS];
    uint8_t phase;       /* SdhciPhase */
    bool endless;        /* there is no count of blocks: until it is stopped */
    bool waits;          /* at a boundary of SDMA, for the guest */
    uint32_t left;       /* blocks that did not come into the buffer yet */
    uint32_t block;      /* bytes of one */
    uint32_t have, used; /* bytes in the buffer; of them, those that went on */
    uint64_t adma;       /* where the next descriptor is */
    uint64_t adma_data;  /* of the one that is under way */
    uint32_t adma_left;
    uint8_t adma_flags;
    GBytes *saved; /* the buffer, in a saved machine */
    /* wiring */
    MemoryRegion bar;
    SdBus *bus;
    bool asked;      /* the card is at the buffer; a saved machine's is not */
    uint8_t *buffer; /* SDHCI_BUFFER bytes */
} Sdhci;
OBJECT_CAST_DEFINE(Sdhci, SDHCI, TYPE_SDHCI_PCI)

uint32_t sdhci_get(const Sdhci *s, unsigned at, unsigned size);
void sdhci_set(Sdhci *s, unsigned at, unsigned size, uint32_t value);

/* ---- sdhci.c, for sdhci-data.c ---- */

/* These bits of the status are set, if they are enabled. */
void sdhci_raise(Sdhci *s, uint16_t status);
void sdhci_fail(Sdhci *s, uint16_t error);
/* The command that ends a transfer by itself, where the guest asked for it. */
void sdhci_auto_stop(Sdhci *s);

/* ---- sdhci-data.c ---- */

/* A command with data was answered: they begin. */
void sdhci_data_begin(Sdhci *s);
/* Go on as far as it goes. */
void sdhci_data_run(Sdhci *s);
/* Nothing is moved any more. */
void sdhci_data_stop(Sdhci *s);
/* The guest has written an address: SDMA goes on, where it waits. */
void sdhci_data_go_on(Sdhci *s);
/* One access to the data port. */
uint32_t sdhci_data_read(Sdhci *s, unsigned size);
void sdhci_data_write(Sdhci *s, uint32_t value, unsigned size);
/* Bits 0 to 11 of the present state that are of data. */
uint32_t sdhci_data_state(const Sdhci *s);

#endif

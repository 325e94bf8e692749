/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AHCI controllers (AHCI 1.3.1): registers in memory, ports with a device each, whose commands lie
 * in lists in the guest's memory, and what devices answer, in frames (FIS) that go there, too.
 *
 * ahci.c has the function and the registers of all, ahci-port.c those of a port and the way of a
 * command, ahci-fis.c what a port receives, ahci-ncq.c queued commands. Machine lock.
 */
#ifndef HW_IDE_AHCI_H
#define HW_IDE_AHCI_H

#include "hw/ide/ata-transfer.h"
#include "hw/ide/ide-bus.h"
#include "hw/pci/pci.h"

#define TYPE_AHCI  "ich9-ahci"
#define AHCI_DEVFN PCI_DEVFN(31, 2)
#define AHCI_PORTS 6
#define AHCI_SLOTS 32 /* commands of a list */

typedef struct Ahci Ahci;

typedef struct AhciPort {
    /* Registers (section 3.3). What is not there is made of others when it is read. */
    uint32_t clb, clbu, fb, fbu, is, ie, cmd, tfd, sig, sctl, serr, sact, ci, sntf;
    uint8_t slot;   /* of the command that the device is at; AHCI_SLOTS: none */
    bool first_fis; /* what the device says after a reset waits for PxCMD.FRE */
    bool resetting; /* between the two frames of a software reset */
    bool stopped;   /* no more commands until PxCMD.ST is cleared: one went wrong */
    uint32_t kept;  /* queued commands that are done again when the machine goes on: by tag */
    /* wiring */
    Ahci *ahci;
    IdeBus *bus;
    unsigned number;
    AtaTransfer *queue[AHCI_SLOTS]; /* that are under way, by tag */
    SgList list;                    /* of the command that the device is at */
    bool running;                   /* ahci_port_run() is */
} AhciPort;

struct Ahci {
    PciDevice parent;
    uint32_t ghc, is;
    uint32_t told;  /* bits of `is` that a message was sent for */
    uint32_t index; /* of the index-data pair */
    AhciPort ports[AHCI_PORTS];
    /* wiring */
    MemoryRegion registers, pair;
};

/* PxIS */
enum {
    AHCI_IS_D2H = 1 << 0,
    AHCI_IS_PIO = 1 << 1,
    AHCI_IS_DMA = 1 << 2,
    AHCI_IS_SDB = 1 << 3,
    AHCI_IS_CONNECT = 1 << 6,
    AHCI_IS_PHY = 1 << 22,
    AHCI_IS_OVERFLOW = 1 << 24,
    AHCI_IS_INTERFACE = 1 << 27, /* what is to be sent is no frame */
    AHCI_IS_BUS = 1 << 29,       /* an address is no memory */
    AHCI_IS_TASK_FILE = 1 << 30, /* a command has failed */
};

/* PxCMD */
enum {
    AHCI_CMD_START = 1 << 0,
    AHCI_CMD_FIS = 1 << 4, /* frames are received */
};

/* A command of the list (section 4.2.2). */
typedef struct AhciHeader {
    uint16_t flags;
    uint16_t entries; /* of the table of addresses */
    uint64_t table;   /* where the command and that table are */
} AhciHeader;

#define AHCI_FIS_BYTES    20   /* of a command's frame */
#define AHCI_TABLE_PACKET 0x40 /* offset of an ATAPI packet */
#define AHCI_TABLE_LIST   0x80 /* of addresses */

/* ---- ahci.c ---- */

/* Have the interrupt as the ports' registers say. */
void ahci_update(Ahci *ahci);

/* ---- ahci-port.c ---- */

extern const StateTable ahci_port_state;
extern const AtaPortOps ahci_port_ops;

uint32_t ahci_port_read(AhciPort *p, unsigned offset);
/* The bits of @mask. */
void ahci_port_write(AhciPort *p, unsigned offset, uint32_t value, uint32_t mask);
/* PxIS, with what follows from other registers. */
uint32_t ahci_port_interrupts(const AhciPort *p);
/* As when the whole controller is reset; where lists are, stays unless @all. */
void ahci_port_reset(AhciPort *p, bool all);
/* What is under way leads to nothing; waits for it. */
void ahci_port_cancel(AhciPort *p);
/* Give the device what it can take of the list. */
void ahci_port_run(AhciPort *p);
/* Read command @slot: its header, and the frame with it. False: they are no memory. */
bool ahci_port_command(AhciPort *p, unsigned slot, AhciHeader *header, uint8_t fis[AHCI_FIS_BYTES]);
/* Something of the guest's is no memory: no more commands. */
void ahci_port_bus_error(AhciPort *p);
/* The guest's table has less room, or data, than the command moves. */
void ahci_port_overflow(AhciPort *p);
static inline AtaDevice *ahci_port_device(const AhciPort *p)
{
    return p->bus->units[0];
}

/* ---- ahci-fis.c: frames from the device, into memory and registers ---- */

/* The device's registers; with @interrupt. */
void ahci_fis_registers(AhciPort *p, bool interrupt);
/* The same after a reset: what kind of device it is. */
void ahci_fis_signature(AhciPort *p);
/* @bytes go by PIO. */
void ahci_fis_pio_setup(AhciPort *p, uint32_t bytes, bool to_guest, bool interrupt);
/* @bytes of the queued command @tag go. */
void ahci_fis_dma_setup(AhciPort *p, unsigned tag, uint32_t bytes, bool to_guest);
/* Queued commands, bits of @done, are through; @error of one that failed, or 0. */
void ahci_fis_device_bits(AhciPort *p, uint32_t done, uint8_t error);

/* ---- ahci-ncq.c ---- */

static inline bool ahci_is_queued(uint8_t command)
{
    return command == ATA_READ_FPDMA_QUEUED || command == ATA_WRITE_FPDMA_QUEUED;
}
/* Begin with the command of @slot, whose parts are @header and @fis. */
void ahci_queue_start(AhciPort *p, unsigned slot, const AhciHeader *header,
                      const uint8_t fis[AHCI_FIS_BYTES]);
/* Is one under way, or kept? */
bool ahci_queue_busy(const AhciPort *p);
/* Do again what was kept. */
void ahci_queue_again(AhciPort *p);
void ahci_queue_cancel(AhciPort *p);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LSI 53C895A and 53C810 (LSI53C895A PCI to Ultra2 SCSI Controller Technical Manual): lsi.c has the
 * registers and life, lsi-bus.c what is behind them, a bus of targets that never disconnect while
 * they have a command, lsi-scripts.c the processor of SCRIPTS.
 *
 * SCRIPTS run when the driver starts them, some instructions at a time. Machine lock for
 * everything.
 */
#ifndef HW_HBA_LSI_H
#define HW_HBA_LSI_H

#include <string.h>

#include "hw/hba/lsi-regs.h"
#include "hw/hba/scsi-port.h"
#include "hw/pci/pci.h"
#include "memory/dma.h"
#include "util/loop.h"
#include "util/timer.h"

#define TYPE_LSI_BASE "lsi53c8xx"
#define LSI_RAM_SIZE  8192u
#define LSI_MESSAGE   16 /* bytes of messages out that are kept */

typedef enum LsiRun {
    LSI_STOPPED,
    LSI_RUNNING,
    LSI_WAITS_TARGET,   /* for the next phase */
    LSI_WAITS_RESELECT, /* or SIGP: there is no reselection */
} LsiRun;

typedef struct Lsi {
    PciDevice parent;
    uint8_t reg[LSI_REGISTERS];
    uint8_t ram[LSI_RAM_SIZE];
    uint8_t run; /* LsiRun */
    bool carry;
    bool unanswered; /* a target was selected that is not there */
    /* a block move under way */
    bool moving;
    uint8_t move_phase;
    uint32_t left, move_entry, move_at;
    uint32_t move_top; /* upper byte of the count */
    uint64_t move_addr;
    Timer *timer; /* general purpose */
    /* the bus */
    ScsiPort port;
    bool connected, atn;
    bool identified; /* IDENTIFY has come */
    uint8_t target, lun;
    uint8_t phase; /* unless the port says it */
    uint8_t out[LSI_MESSAGE], out_count;
    uint8_t in[2], in_count, in_used; /* messages of the target */
    uint8_t cdb[SCSI_PORT_CDB], cdb_count;
    /* wiring */
    MemoryRegion io, registers, ram_region;
    ScsiBus *bus;
    bool executing;
    GSource *later;
} Lsi;
OBJECT_CAST_DEFINE(Lsi, LSI, TYPE_LSI_BASE)

static inline uint32_t lsi_get(const Lsi *s, unsigned at)
{
    uint32_t value;

    memcpy(&value, s->reg + at, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static inline void lsi_set(Lsi *s, unsigned at, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(s->reg + at, &value, sizeof(value));
}

/* ---- lsi.c ---- */

/* As the processor of SCRIPTS and the driver do it, a byte at a time. */
uint8_t lsi_read(Lsi *s, unsigned at);
void lsi_write(Lsi *s, unsigned at, uint8_t value);
/* Interrupts of DMA (DSTAT) or SCSI (SIST0 and, above, SIST1): SCRIPTS stop. */
void lsi_dma_interrupt(Lsi *s, uint8_t cause);
void lsi_scsi_interrupt(Lsi *s, uint16_t cause);
void lsi_update_interrupt(Lsi *s);
/* Memory as the adapter sees it on its bus: RAM, its own RAM and registers. */
bool lsi_dma_read(Lsi *s, uint64_t addr, void *buf, uint32_t size);
bool lsi_dma_write(Lsi *s, uint64_t addr, const void *buf, uint32_t size);

/* ---- lsi-scripts.c ---- */

/* Run, until SCRIPTS wait or stop, or others have their turn. */
void lsi_execute(Lsi *s);
/* The same, from the main loop. */
void lsi_execute_later(Lsi *s);

/* ---- lsi-bus.c ---- */

/* What the target asks for. */
unsigned lsi_phase(Lsi *s);
/* Select a target; false: there is none. */
bool lsi_select(Lsi *s, unsigned target, bool atn);
/* Move up to @size bytes in the phase that lsi_phase() says: how many. */
uint32_t lsi_bus_take(Lsi *s, uint8_t *buf, uint32_t size);
uint32_t lsi_bus_give(Lsi *s, const uint8_t *buf, uint32_t size);
/* A block move in phase @phase is through: what came is a whole message, or a command. */
void lsi_bus_moved(Lsi *s, unsigned phase);
/* The initiator has acknowledged the last byte of a message. */
void lsi_bus_ack(Lsi *s);
/* The bus is free. */
void lsi_bus_free(Lsi *s);
/* RST. */
void lsi_bus_reset(Lsi *s);
/* For ScsiPort, ScsiBusOps. */
void lsi_bus_ready(ScsiPort *port);
void lsi_bus_unplugged(ScsiBus *bus, ScsiDevice *dev);

#endif

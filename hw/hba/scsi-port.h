/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What adapters have in common that see the phases of a SCSI bus: one command at a time, whose data
 * go through a buffer, a piece at a time. While the unit is at a piece, the bus waits.
 *
 * A command of a saved machine, or one that failed where rerror= or werror= stop the machine, goes
 * on with the piece that was to come. Machine lock for everything.
 */
#ifndef HW_HBA_SCSI_PORT_H
#define HW_HBA_SCSI_PORT_H

#include "hw/scsi/scsi-bus.h"

#define SCSI_PORT_BUFFER (64 * 1024)
#define SCSI_PORT_CDB    16

typedef enum ScsiPortPhase {
    SCSI_PORT_FREE, /* there is no command */
    SCSI_PORT_WAIT, /* the unit is at it; ready() is called */
    SCSI_PORT_IN,   /* it has data for the initiator */
    SCSI_PORT_OUT,  /* it wants some */
    SCSI_PORT_STATUS,
} ScsiPortPhase;

typedef struct ScsiPort ScsiPort;
struct ScsiPort {
    GBytes *saved; /* the buffer, in a saved machine */
    bool active;   /* there is a command */
    bool open;     /* the unit is at it still */
    bool moving;   /* a piece is to be moved, or the command without data to be done */
    bool to_guest;
    uint8_t status;
    uint8_t target, lun;
    uint8_t cdb[SCSI_PORT_CDB];
    uint64_t moved;             /* bytes of the request, in pieces that are done */
    uint32_t piece, have, used; /* of the buffer */
    /* wiring */
    ScsiBus *bus;
    void (*ready)(ScsiPort *port);
    ScsiRequest request;
    ScsiDevice *dev; /* of `request` */
    bool begun;      /* `request` is the command's */
    bool busy;       /* and a piece of it under way */
    struct iovec iov;
    uint8_t buffer[SCSI_PORT_BUFFER];
};
extern const StateTable scsi_port_state;

/* For an adapter on @bus, which has sense data asked for. @ready is called when the bus has waited,
 * and may not any more. */
void scsi_port_realize(ScsiPort *port, ScsiBus *bus, void (*ready)(ScsiPort *port));
void scsi_port_unrealize(ScsiPort *port);
/* Is there a unit of that target? */
bool scsi_port_has(const ScsiPort *port, unsigned target);
/* Begin a command of a target that there is, when there is none. */
void scsi_port_begin(ScsiPort *port, unsigned target, unsigned lun, const uint8_t *cdb,
                     size_t size);
ScsiPortPhase scsi_port_phase(const ScsiPort *port);
/* Take at most @size bytes to @buf, or give some, in that phase: how many. */
uint32_t scsi_port_take(ScsiPort *port, void *buf, uint32_t size);
uint32_t scsi_port_give(ScsiPort *port, const void *buf, uint32_t size);
/* Whoever wants it has the status; or the command leads to nothing any more. It is waited for. */
void scsi_port_end(ScsiPort *port);
/* For ScsiBusOps.unplugged: true if the command was @dev's, and is gone. */
bool scsi_port_unplugged(ScsiPort *port, const ScsiDevice *dev);
/* All units, or those of a target that is not negative, are as after a reset. */
void scsi_port_reset_units(ScsiPort *port, int target);

#endif

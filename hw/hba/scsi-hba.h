/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What adapters have in common whose drivers say where all the data of a command are: a SCSI bus,
 * and requests that move between its units and guest memory.
 *
 * A request has a frame, a few bytes by which the adapter knows it. One that failed, where rerror=
 * or werror= stop the machine, is nothing but its frame until the machine goes on: then it begins
 * anew. So a saved machine has frames only. Machine lock for everything.
 */
#ifndef HW_HBA_SCSI_HBA_H
#define HW_HBA_SCSI_HBA_H

#include "hw/pci/pci.h"
#include "hw/scsi/scsi-bus.h"

#define SCSI_HBA_PIECES_MAX   65536 /* of a request's data */
#define SCSI_HBA_REQUESTS_MAX 4096

typedef struct ScsiHba ScsiHba;
typedef struct ScsiHbaRequest ScsiHbaRequest;

/* How a request ended, beside what the unit says. */
typedef enum ScsiHbaEnd {
    SCSI_HBA_ENDED,      /* the unit has a status */
    SCSI_HBA_CANCELLED,  /* by scsi_hba_cancel() */
    SCSI_HBA_OVERRUN,    /* it would move more than there is room for; nothing was moved */
    SCSI_HBA_BAD_MEMORY, /* where the data should be is no memory; nothing was moved */
    SCSI_HBA_NO_DEVICE,  /* there is no such target */
} ScsiHbaEnd;

/* What an adapter does. */
typedef struct ScsiHbaOps {
    ScsiBusOps bus; /* scsi_hba_bus_enter and so on */
    size_t frame;   /* bytes */
    /* @r has ended; it goes when this returns. */
    void (*done)(ScsiHba *hba, ScsiHbaRequest *r);
    /* The machine goes on: begin the request of @frame again, or let the driver know that it
     * failed. */
    void (*again)(ScsiHba *hba, const void *frame);
    /* After all those; and whenever the machine goes on, or scsi_hba_run_later() was called. May be
     * NULL. */
    void (*run)(ScsiHba *hba);
} ScsiHbaOps;

struct ScsiHba {
    GBytes *kept_state; /* `kept` in a saved machine */
    /* wiring */
    const ScsiHbaOps *ops;
    PciDevice *dev;
    ScsiBus *bus;
    GQueue running; /* of ScsiHbaRequest */
    bool cancelling;
    GPtrArray *kept; /* of frames */
    GSource *later;
};
extern const StateTable scsi_hba_state;

struct ScsiHbaRequest {
    ScsiRequest scsi;
    ScsiHba *hba;
    ScsiDevice *dev; /* NULL: there is none */
    ScsiHbaEnd end;
    uint64_t room;  /* bytes that all pieces have */
    uint64_t moved; /* that were moved */
    GList link;
    GArray *pieces;      /* of where and how many bytes */
    GArray *holds, *iov; /* NULL: it was not mapped */
    uint8_t frame[];
};

/* The bus of @hba, part of the function @dev; see scsi_bus_new(). Nothing is left on failure. */
bool scsi_hba_realize(ScsiHba *hba, PciDevice *dev, const ScsiHbaOps *ops, unsigned max_channel,
                      unsigned max_target, unsigned max_lun, GError **errp);
void scsi_hba_unrealize(ScsiHba *hba);
/* Requests under way lead to nothing, and are waited for; those that were kept are forgotten. */
void scsi_hba_cancel_all(ScsiHba *hba);
/* All units are as after a reset of their bus; of the target @target, if it is not negative. */
void scsi_hba_reset_units(ScsiHba *hba, int target);
/* May it get at memory, and work, now? */
bool scsi_hba_runs(const ScsiHba *hba);
/* Requests that have not been answered. */
unsigned scsi_hba_pending(const ScsiHba *hba);
/* ops->run() is called, when others had their turn. */
void scsi_hba_run_later(ScsiHba *hba);

/* A request, for scsi_hba_start(). */
ScsiHbaRequest *scsi_hba_request(ScsiHba *hba, const void *frame);
/* Its next data are at [@addr, @addr + @size). False: it has too many pieces. */
bool scsi_hba_add_piece(ScsiHbaRequest *r, hwaddr addr, uint64_t size);
/* Carry out @cdb at a place of the bus; ops->done() is called, from here or later. */
void scsi_hba_start(ScsiHbaRequest *r, unsigned channel, unsigned target, unsigned lun,
                    const uint8_t *cdb, size_t size);
/* One that was not started. */
void scsi_hba_drop(ScsiHbaRequest *r);
/* End all requests for which @match is true, of frames, as soon as they can; ops->done() is called
 * of those under way. The number of those that were kept, and are forgotten. */
unsigned scsi_hba_cancel(ScsiHba *hba, bool (*match)(const void *frame, const void *what),
                         const void *what);

/* For ScsiHbaOps.bus. */
void scsi_hba_bus_enter(ScsiBus *bus);
void scsi_hba_bus_leave(ScsiBus *bus);

/* Guest memory that is RAM, and nothing else. */
bool scsi_hba_read(const PciDevice *dev, hwaddr addr, void *buf, uint64_t size);
bool scsi_hba_write(const PciDevice *dev, hwaddr addr, const void *buf, uint64_t size);

#endif

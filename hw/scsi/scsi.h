/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI commands, without what carries them: a logical unit (a disk, a CD) carries out what is in a
 * command descriptor block (CDB), for whoever brought it, a virtio-scsi controller or an IDE one
 * with ATAPI packets.
 *
 * The controller has a ScsiRequest, with the CDB in it, and calls
 *   1. scsi_begin(): the command is checked, and `direction` and `bytes` say what is to be moved;
 *   2. scsi_move() with memory for all of it, or for a first piece; also if there is nothing to be
 *      moved. `done` is called, from within or later, with SCSI_MOVED: then the next piece follows,
 *      or with another end.
 * Status and sense are in the request when it has ended. A command that fails in its first step has
 * nothing to be moved, so that a controller need not look in between.
 *
 * Threads: everything here is called with what protects the controller's requests: the machine
 * lock, or the lock of a device whose queues run on a loop (hw/virtio/virtio-device.h), which its
 * BlockBackendOps take around `done`, too. A unit's state has the same lock.
 */
#ifndef HW_SCSI_SCSI_H
#define HW_SCSI_SCSI_H

#include "hw/block/block-conf.h"
#include "hw/scsi/scsi-defs.h"
#include "util/state.h"

#define SCSI_CDB_BYTES        32  /* at most; those of 16 and less are followed by zeros */
#define SCSI_SENSE_BYTES      18  /* of sense data, in fixed format */
#define SCSI_MAX_UNMAP_RANGES 255 /* of one UNMAP */
#define SCSI_PIECE            512 /* bytes: what is moved at once is a multiple, but for the last piece */

typedef struct ScsiUnit ScsiUnit;
typedef struct ScsiRequest ScsiRequest;

typedef enum ScsiDirection {
    SCSI_NO_DATA,
    SCSI_IN,  /* to the guest */
    SCSI_OUT, /* from it */
} ScsiDirection;

typedef enum ScsiEnd {
    SCSI_MOVED,     /* the piece was moved, and some bytes are left */
    SCSI_ENDED,     /* that was all: status and sense say how it went */
    SCSI_CANCELLED, /* as scsi_cancel() wanted */
    /* It failed, and rerror= or werror= stop the machine, which is under way. Call scsi_move()
     * again with the same piece, when it goes on; or scsi_forget(), and perhaps begin anew. */
    SCSI_RETRY,
} ScsiEnd;

/* Its memory is the controller's, which sets it to zeros but for what is said here. */
struct ScsiRequest {
    /* the controller's, before scsi_begin() */
    ScsiUnit *unit;
    uint8_t cdb[SCSI_CDB_BYTES];
    void (*done)(ScsiRequest *r, ScsiEnd end);
    void *opaque;
    bool absent; /* the LUN that is meant is not there: `unit` is another one of its target */
    /* after scsi_begin() */
    ScsiDirection direction;
    uint64_t asked; /* bytes that the CDB says there is room for, or has */
    uint64_t bytes; /* that will be moved, at most `asked` */
    uint64_t moved; /* that were moved */
    /* at its end */
    uint8_t status; /* SCSI_GOOD, SCSI_CHECK_CONDITION */
    ScsiSense sense;
    /* hw/scsi/'s */
    const struct ScsiCommand *command;
    GByteArray *data; /* what is moved, if it is not blocks; of no direction: memory for steps */
    BlockRequest io;  /* the next one, if has_io */
    uint64_t next;    /* byte at which blocks begin; for commands of steps: the next one's */
    uint64_t end;     /* for those: where they end */
    struct iovec own; /* for those: what `io` moves */
    bool has_io, under_way, cancelled;
    uint8_t *bounce;      /* for those that a device of the host carries out: what is moved */
    uint8_t other_status; /* and what it said of a command that did not fail */
    bool failed;          /* `sense` says why */
    uint64_t piece;       /* bytes that are being moved */
};

/* What a kind of command is: a row of a table by operation code. */
typedef struct ScsiCommand {
    /* Check the CDB, and say what to do: set direction, asked and bytes, and fill `data`, or set
     * `io` and has_io. False: scsi_fail() was called. NULL: there is no such command. */
    bool (*begin)(ScsiRequest *r);
    /* All of `data` came from the guest. Like begin; may be NULL. */
    bool (*received)(ScsiRequest *r);
    /* A request went well, or there is none: set `io` to the next one and return true; false: that
     * is all, or scsi_fail() was called. May be NULL. */
    bool (*step)(ScsiRequest *r);
    /* A unit attention waits for others, and the LUN need not be there (SAM-5, 5.14). */
    bool before_attention;
    bool needs_medium;
} ScsiCommand;

/* What happened to a unit, of which the next command is told; bits of `attention`, the first one
 * first. */
enum {
    SCSI_ATTENTION_RESET = 1 << 0,
    SCSI_ATTENTION_MEDIUM = 1 << 1,   /* another one may be in it */
    SCSI_ATTENTION_CAPACITY = 1 << 2, /* its size is another */
    SCSI_ATTENTION_LUNS = 1 << 3,     /* its target has other units */
    SCSI_ATTENTION_ALL = (1 << 4) - 1,
};

/* A page of MODE SENSE and MODE SELECT, as its kind of unit has it. */
typedef struct ScsiModePage {
    uint8_t page, size; /* bytes that follow the first two */
    /* Fill @p, which is zeros, with them; @changeable: with ones where bits can be changed. */
    void (*get)(const ScsiUnit *unit, uint8_t *p, bool changeable);
    /* Other values, which differ at changeable bits only. NULL: nothing can be changed. */
    void (*set)(ScsiUnit *unit, const uint8_t *p);
} ScsiModePage;

/* A kind of unit: disks (scsi-disk.c), CDs (scsi-cd.c). */
typedef struct ScsiKind {
    uint8_t device_type;         /* SPC-4, 6.6.2 */
    uint8_t version;             /* of SPC that it claims, in INQUIRY */
    const char *product;         /* unless the user says another */
    const ScsiCommand *commands; /* 256 of them */
    const ScsiCommand *other;    /* for those that are not there; NULL: there are no others */
    const ScsiModePage *pages;   /* the last one has no `get` */
    uint8_t (*mode_flags)(const ScsiUnit *unit); /* the device-specific byte of MODE SENSE */
    bool block_descriptor;                       /* MODE SENSE has one */
    bool has_tray; /* its medium can be removed: `tray_open` and so on */
} ScsiKind;

/* What happened to a medium, for GET EVENT STATUS NOTIFICATION; the lowest is told first. */
enum {
    SCSI_EVENT_EJECT_ASKED = 1 << 0, /* somebody wants it, and the guest has prevented that */
    SCSI_EVENT_REMOVED = 1 << 1,
    SCSI_EVENT_NEW = 1 << 2,
    SCSI_EVENT_ALL = (1 << 3) - 1,
};

/* A logical unit: part of a device, which sets what is its own before it is used. */
struct ScsiUnit {
    uint32_t attention; /* SCSI_ATTENTION_ */
    bool write_cache;   /* writes are done before they are on the host's disk */
    bool prevented;     /* the guest does not want the medium to be removed */
    bool tray_open;     /* of kinds that have one; and so the next */
    uint8_t events;     /* SCSI_EVENT_ */
    uint8_t sense[3];   /* of the last command, for REQUEST SENSE: key, asc, ascq */
    /* configuration */
    const ScsiKind *kind;
    char *vendor, *product, *version; /* NULL: those of its kind */
    char *device_id;                  /* of VPD page 0x83; NULL: the serial number */
    uint64_t wwn, port_wwn;           /* 0: none */
    uint16_t rotation_rate, port_index;
    bool removable, dpofua;
    uint64_t max_unmap, max_io; /* bytes of one UNMAP, of one READ or WRITE */
    /* Append the LUNs of its target, 8 bytes each, to @list. NULL: it is the only one, 0. */
    void (*luns)(const void *opaque, GByteArray *list);
    const void *opaque;
    const char *drive, *id; /* for DEVICE_TRAY_MOVED; borrowed */
    /* Does the controller have sense data along with the status? Else REQUEST SENSE asks. */
    bool autosense;
    /* wiring */
    BlockConf *conf; /* the device's; realized */
    uint64_t blocks; /* of conf->logical bytes, that there are */
    bool present;    /* there is a medium, be the tray open or not */
};
extern const StateTable scsi_unit_state;
extern const ScsiKind scsi_disk_kind, scsi_cd_kind, scsi_block_kind;

/* ---- for controllers ---- */

/* The device of @unit is realized, `kind`, `conf` and what was configured are set. Errors: texts
 * that are too long. */
bool scsi_unit_realize(ScsiUnit *unit, GError **errp);
/* As after power-up, or another reset: the next command is told. None is under way. */
void scsi_unit_reset(ScsiUnit *unit);
/* Its backend has another size. */
void scsi_unit_resized(ScsiUnit *unit);
void scsi_unit_attention(ScsiUnit *unit, uint32_t what);
/* Can it be read now? */
static inline bool scsi_unit_is_ready(const ScsiUnit *unit)
{
    return unit->present && !unit->tray_open;
}
/* Open or close the tray; DEVICE_TRAY_MOVED if that is new. A guest that does it itself needs no
 * unit attention; one whose tray somebody else opens, prevents that no more. */
void scsi_unit_move_tray(ScsiUnit *unit, bool open, bool by_guest);
/* Another medium is in it, or none any more. */
void scsi_unit_medium_changed(ScsiUnit *unit);
/* Somebody would like the guest to open the tray. */
void scsi_unit_ask_eject(ScsiUnit *unit);

/* See above. */
void scsi_begin(ScsiRequest *r);
/* Move the next iov_size(@iov) bytes, which are no more than are left, and a multiple of SCSI_PIECE
 * or all that are left. @iov is borrowed until `done`. */
void scsi_move(ScsiRequest *r, const struct iovec *iov, unsigned iovcnt);
/* A request that is being moved: it ends as soon as it can. Until `done` is called, its memory is
 * in use. */
void scsi_cancel(ScsiRequest *r);
/* One that is not being moved, and will not be: what it has is freed, and `done` not called. */
void scsi_forget(ScsiRequest *r);
/* @sense in fixed format (SPC-4, 4.5.3). */
void scsi_sense_data(ScsiSense sense, uint8_t data[SCSI_SENSE_BYTES]);

/* ---- for commands ---- */

/* The command fails; false. */
bool scsi_fail(ScsiRequest *r, ScsiSense sense);
/* It moves @size bytes of @data to the guest, or the first @asked of them; true. */
bool scsi_answer(ScsiRequest *r, const void *data, size_t size, uint64_t asked);
/* It gets @size bytes of parameters, for `received`. Fails if they are more than @most. */
bool scsi_expect(ScsiRequest *r, uint64_t size, uint64_t most);

/* Commands of every unit (scsi-primary.c, scsi-mode.c), for tables. */
bool scsi_request_sense(ScsiRequest *r);
bool scsi_inquiry(ScsiRequest *r);
bool scsi_report_luns(ScsiRequest *r);
bool scsi_mode_sense(ScsiRequest *r);
bool scsi_mode_select(ScsiRequest *r);
bool scsi_mode_selected(ScsiRequest *r);
bool scsi_nothing(ScsiRequest *r); /* has no data, and nothing to do */
/* Those of disks that CDs have, too (scsi-disk.c). */
bool scsi_read(ScsiRequest *r);
bool scsi_read_capacity_10(ScsiRequest *r);
bool scsi_seek(ScsiRequest *r);
#define SCSI_PRIMARY_COMMANDS                                                              \
    [SCSI_REQUEST_SENSE] = { scsi_request_sense, .before_attention = true },               \
    [SCSI_INQUIRY] = { scsi_inquiry, .before_attention = true },                           \
    [SCSI_REPORT_LUNS] = { scsi_report_luns, .before_attention = true },                   \
    [SCSI_MODE_SENSE_6] = { scsi_mode_sense }, [SCSI_MODE_SENSE_10] = { scsi_mode_sense }, \
    [SCSI_MODE_SELECT_6] = { scsi_mode_select, scsi_mode_selected },                       \
    [SCSI_MODE_SELECT_10] = { scsi_mode_select, scsi_mode_selected }
/* The unit attention that is next is told by @sense; false: there is none. */
bool scsi_take_attention(ScsiUnit *unit, ScsiSense *sense);
/* Vital product data (scsi-vpd.c): the answer to an INQUIRY for @page. */
bool scsi_vpd(ScsiRequest *r, uint8_t page, uint16_t asked);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What USB devices have in common that carry SCSI commands: one command at a time at a unit, whose
 * data go through a buffer, a piece of the SCSI request at a time; and a SCSI bus, if the units are
 * devices of their own. How commands come and what is told of them is the transport's: bulk-only
 * (hw/usb/usb-bulk-only.h) or UAS (hw/usb/usb-uas.c).
 *
 * Machine lock for everything.
 */
#ifndef HW_USB_USB_SCSI_H
#define HW_USB_USB_SCSI_H

#include "hw/scsi/scsi-bus.h"
#include "hw/usb/usb-bus.h"

#define USB_SCSI_BUFFER (64 * 1024)
#define USB_SCSI_CDB    16 /* bytes of a CDB, at most */

typedef struct UsbScsi UsbScsi;

/* What transport and type do. */
typedef struct UsbScsiOps {
    /* The unit with the number @lun; or another one, and *@absent: it is not there. NULL: nothing
     * is. */
    ScsiUnit *(*unit)(UsbScsi *s, unsigned lun, bool *absent);
    /* A piece was moved, or the command ended (`open` is false): s->request says how. */
    void (*moved)(UsbScsi *s, ScsiEnd how);
    /* A command that was given up is no more under way. */
    void (*dropped)(UsbScsi *s);
    /* The unit of the command goes, which was dropped. For those with a bus. */
    void (*lost)(UsbScsi *s);
    /* The machine goes on, or a unit has changed. May be NULL. */
    void (*run)(UsbScsi *s);
} UsbScsiOps;

struct UsbScsi {
    UsbDevice parent;
    uint8_t cdb[USB_SCSI_CDB];
    uint8_t lun;
    bool to_host;        /* data go there */
    bool open;           /* the unit is at the command still */
    bool moving;         /* a piece is to be moved, or the command without data to be done */
    uint64_t moved;      /* bytes of the SCSI request */
    uint32_t have, used; /* bytes in the buffer; and that the host has taken of them */
    GBytes *saved;       /* the buffer, in a saved machine */
    bool attached;       /* the host sees it; of types with a bus */
    /* wiring */
    const UsbScsiOps *ops;
    ScsiRequest request;
    bool begun; /* `request` is the command's; one of a saved machine is begun anew */
    bool busy;  /* and a piece of it under way */
    struct iovec iov;
    ScsiBus *bus; /* NULL: it has one unit of its own */
    uint8_t buffer[USB_SCSI_BUFFER];
};
OBJECT_CAST_DEFINE(UsbScsi, USB_SCSI, TYPE_USB_DEVICE)

/* For the table of a type's state. usb-storage, whose streams are older, has its own rows, and what
 * pre_save and post_load call. */
extern const StateTable usb_scsi_state;
void usb_scsi_pre_save(void *obj);
bool usb_scsi_post_load(void *obj, GError **errp);

/* Begin the command in s->cdb for s->lun; `moved` of its bytes were moved before, by a machine that
 * was saved. False: it has ended, since there is no unit for it, or that has another idea of it. */
bool usb_scsi_begin(UsbScsi *s);
/* Move the next piece, if one is to be moved. */
void usb_scsi_go_on(UsbScsi *s);
/* The command goes no further; ops->dropped() is called later if it is under way (`busy`). */
void usb_scsi_drop(UsbScsi *s);
/* Bytes that the next piece has, of a command that is begun. */
static inline uint32_t usb_scsi_piece(const UsbScsi *s)
{
    return (uint32_t)MIN(s->request.bytes - s->moved, (uint64_t)USB_SCSI_BUFFER);
}

/* For `realize` and `unrealize` of types; `ops` is set. */
void usb_scsi_realize(UsbScsi *s);
void usb_scsi_unrealize(UsbScsi *s);

/* ---- with a bus (usb-scsi-bus.c) ---- */

/* It has a bus with LUNs up to @max_lun; an error if there is one of its name. One that is plugged
 * while the machine runs is not seen by the guest before its property "attached" is set, so that it
 * can get its units first. @asks_sense: see ScsiBus. */
bool usb_scsi_bus_realize(UsbScsi *s, unsigned max_lun, bool asks_sense, GError **errp);
void usb_scsi_bus_unrealize(UsbScsi *s);
/* UsbScsiOps.unit. */
ScsiUnit *usb_scsi_bus_unit(UsbScsi *s, unsigned lun, bool *absent);
/* The highest LUN that is there; 0 if there is none. */
unsigned usb_scsi_bus_last_lun(const UsbScsi *s);
/* After a reset: no command is under way. */
void usb_scsi_bus_drain(UsbScsi *s);
/* A row of a table of properties. */
#define USB_SCSI_ATTACHED_PROPERTY                                                               \
    {                                                                                            \
        .name = "attached", .kind = PROP_CUSTOM, .custom_type = "bool", .live = true,            \
        .description = "the guest sees it; off at first if it is plugged in a running machine, " \
                       "so that it can get its disks before",                                    \
        .get = usb_scsi_get_attached, .set = usb_scsi_set_attached                               \
    }
struct json_object *usb_scsi_get_attached(Object *obj, const Property *prop, GError **errp);
bool usb_scsi_set_attached(Object *obj, const Property *prop, struct json_object *value,
                           GError **errp);

#endif

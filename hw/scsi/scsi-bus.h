/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A SCSI bus: a controller's, with disks and CDs at channels, targets (scsi-id) and LUNs. It is
 * called ID.0 after the controller, or scsi.0 and so on.
 *
 * Machine lock. But a controller whose requests run on a loop (hw/virtio/virtio-device.h) has a
 * lock of its own for them, which its ops take and give back: that is "entered" here. `units`, and
 * what units have that commands use, change with both locks, and may be read with either.
 */
#ifndef HW_SCSI_SCSI_BUS_H
#define HW_SCSI_SCSI_BUS_H

#include "hw/core/bus.h"
#include "hw/scsi/scsi.h"

#define TYPE_SCSI_BUS    "SCSI"
#define TYPE_SCSI_DEVICE "scsi-device"

typedef struct ScsiBus ScsiBus;
typedef struct ScsiDevice ScsiDevice;
OBJECT_CAST_DEFINE(ScsiBus, SCSI_BUS, TYPE_SCSI_BUS)
OBJECT_CAST_DEFINE(ScsiDevice, SCSI_DEVICE, TYPE_SCSI_DEVICE)

/* What the controller does. */
typedef struct ScsiBusOps {
    void (*enter)(ScsiBus *bus);
    void (*leave)(ScsiBus *bus); /* requests may have ended meanwhile: show the guest */
    /* @dev has come, can be found and is told to the guest; is going, cannot be found any more, and
     * has no requests; has another size. Machine lock, not entered. May be NULL. */
    void (*plugged)(ScsiBus *bus, ScsiDevice *dev);
    void (*unplugged)(ScsiBus *bus, ScsiDevice *dev);
    void (*resized)(ScsiBus *bus, ScsiDevice *dev);
} ScsiBusOps;

struct ScsiBus {
    Bus parent;
    /* wiring */
    const ScsiBusOps *ops;
    Device *card; /* that firmware finds the controller by; borrowed */
    /* The name that firmware has for it ("scsi"), borrowed for good, and its place below the card's
     * ("/storage@1"; NULL: it is the card). A controller that is at another bus sets them. */
    const char *kind;
    char *place;
    Loop *loop; /* that requests run on */
    unsigned max_channel, max_target, max_lun;
    bool asks_sense;  /* its drivers ask for sense data by REQUEST SENSE; the controller sets it */
    GPtrArray *units; /* of ScsiDevice *, in order of their places */
};

struct ScsiDevice {
    Device parent;
    ScsiUnit unit;
    /* configuration */
    BlockConf conf;
    uint32_t channel, target, lun; /* the latter two PROP_UNSET until it has a place */
    /* wiring */
    char *below; /* its place, for firmware: "/channel@0/disk@0,0" */
};

/* What types define, as their ops. */
typedef struct ScsiDeviceClass {
    DeviceClass device;
    const ScsiKind *kind;
    uint32_t block; /* bytes of a block, unless the user says how many */
    bool read_only;
    bool passes; /* its contents are a device of the host, which gets commands (scsi-pass.h) */
} ScsiDeviceClass;

/* The bus of @controller, which is @card or part of it, and whose requests run on @loop; with
 * channels, targets and LUNs up to those given. Borrowed. An error if there is one of its name. */
ScsiBus *scsi_bus_new(Object *controller, Device *card, Loop *loop, const ScsiBusOps *ops,
                      unsigned max_channel, unsigned max_target, unsigned max_lun, GError **errp);
/* The device at a place. NULL: there is none, but @other of the same target, or NULL. Entered. */
ScsiDevice *scsi_bus_find(const ScsiBus *bus, unsigned channel, unsigned target, unsigned lun,
                          ScsiDevice **other);
/* Wait until no device of it has requests. Machine lock. */
void scsi_bus_drain(const ScsiBus *bus);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floppy drives, and the formats of their disks. Machine lock for everything. */
#ifndef HW_FLOPPY_FLOPPY_H
#define HW_FLOPPY_FLOPPY_H

#include "hw/block/block-conf.h"
#include "hw/core/bus.h"

#define TYPE_FLOPPY_BUS "floppy-bus"
#define TYPE_FLOPPY     "floppy"

#define FLOPPY_SECTOR 512u
#define FDC_DRIVES    2u

typedef enum FloppyType {
    FLOPPY_144, /* 3.5", 1440 KiB */
    FLOPPY_288, /* 3.5", 2880 KiB */
    FLOPPY_120, /* 5.25", 1200 KiB */
    FLOPPY_NONE,
    FLOPPY_AUTO, /* as its disk is */
} FloppyType;
extern const char *const floppy_type_names[];

typedef struct FloppyFormat {
    uint8_t type; /* FloppyType of the drives that are made for it */
    uint8_t sectors, cylinders, heads;
    uint8_t rate; /* as the controller's rate registers have it */
} FloppyFormat;

typedef struct Floppy {
    Device parent;
    uint8_t cylinder; /* where the heads are */
    bool changed;     /* the disk was, and no step was made since */
    /* configuration */
    BlockConf conf;
    uint32_t unit;
    int drive_type; /* FloppyType */
    /* wiring */
    struct IsaFdc *fdc;
    uint8_t type; /* FloppyType, not auto */
    /* derived */
    const FloppyFormat *format; /* of the disk; NULL: there is none that can be used */
} Floppy;
OBJECT_CAST_DEFINE(Floppy, FLOPPY, TYPE_FLOPPY)

typedef struct FloppyBus {
    Bus parent;
    Floppy *drives[FDC_DRIVES]; /* borrowed; NULL: none */
} FloppyBus;
OBJECT_CAST_DEFINE(FloppyBus, FLOPPY_BUS, TYPE_FLOPPY_BUS)

/* Its heads go to @cylinder, as far as they can. */
void floppy_seek(Floppy *floppy, unsigned cylinder);
bool floppy_can_write(const Floppy *floppy);
/* Where on the disk a sector is, bytes; false: it has none there. */
bool floppy_place(const Floppy *floppy, unsigned head, unsigned sector, uint64_t *offset);

#endif

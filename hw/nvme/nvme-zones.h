/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The zones of a zoned namespace: their states, write pointers and limits (NVM Express Zoned
 * Namespace Command Set 1.1; sections are its). Nothing here asks a backend for anything. Machine
 * lock for everything.
 *
 * Zones are as the program left them only within one run, and in a machine that is saved or moved:
 * an image keeps none of it, and a program that starts has empty zones.
 */
#ifndef HW_NVME_NVME_ZONES_H
#define HW_NVME_NVME_ZONES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/nvme/nvme-regs.h"

#define NVME_ZONES_MAX           (1u << 20)   /* of a namespace */
#define NVME_ZONE_EXTENSIONS_MAX (256u << 20) /* bytes, of all its zones */

/* What the user says of the zones. */
typedef struct NvmeZoneConf {
    bool zoned;
    uint64_t size, capacity;       /* bytes; capacity 0: the size */
    uint32_t max_active, max_open; /* zones; 0: no limit */
    uint32_t extension;            /* bytes of a zone's descriptor that are the guest's */
    bool cross_read;               /* a read may go on in the next zone */
} NvmeZoneConf;

/* Section 2.2.3; the values are the ZS field of a zone's descriptor. */
typedef enum NvmeZoneState {
    NVME_ZONE_EMPTY = 0x1,
    NVME_ZONE_IMPLICITLY_OPEN = 0x2,
    NVME_ZONE_EXPLICITLY_OPEN = 0x3,
    NVME_ZONE_CLOSED = 0x4,
    NVME_ZONE_FULL = 0xe,
} NvmeZoneState;

/* Zone Send Action (section 3.4.3) and what Zone Management Receive tells (section 3.4.2). */
enum {
    NVME_ZONE_CLOSE = 0x01,
    NVME_ZONE_FINISH = 0x02,
    NVME_ZONE_OPEN = 0x03,
    NVME_ZONE_RESET = 0x04,
    NVME_ZONE_OFFLINE = 0x05,
    NVME_ZONE_SET_EXTENSION = 0x10,
    NVME_ZONE_REPORT = 0x00,
    NVME_ZONE_REPORT_EXTENDED = 0x01,
};

typedef struct NvmeZone {
    uint8_t state;  /* NvmeZoneState */
    bool extended;  /* its descriptor's extension was set */
    uint64_t wp;    /* blocks from its start; the capacity if it is full */
    GList implicit; /* in the list of those that are implicitly open; data: the zone */
} NvmeZone;

typedef struct NvmeZones {
    /* configuration: blocks of a zone; of those, that can be written */
    uint64_t size, capacity;
    uint32_t max_active, max_open, extension;
    bool cross_read;
    unsigned count;
    /* state */
    NvmeZone *zones;
    uint8_t *extensions; /* of all of them; NULL: there are none */
    uint32_t active, open;
    GQueue implicit; /* the one that was opened first is the head */
} NvmeZones;

/* Zones, all empty, of the @blocks blocks of @block bytes of a namespace; what is no whole zone at
 * the end is left out. @blocks 0: the image comes later, and nvme_zones_load() with it. NULL with
 * an error: the configuration makes no sense. */
NvmeZones *nvme_zones_new(const NvmeZoneConf *conf, uint64_t blocks, uint64_t block, GError **errp);
void nvme_zones_free(NvmeZones *zones);

/* The zone that begins at block @lba; NULL: none does. */
NvmeZone *nvme_zones_at(NvmeZones *zones, uint64_t lba);
/* The block that @zone begins at. */
uint64_t nvme_zones_start(const NvmeZones *zones, const NvmeZone *zone);

/* May @count blocks, which are in the namespace, be read from @lba on? */
NvmeStatus nvme_zones_check_read(const NvmeZones *zones, uint64_t lba, uint64_t count);
/* @count (1 to 65536) blocks are written at @lba, in the namespace, and their place is taken, if it
 * is NVME_OK; else nothing has changed. @make_room: another zone that is implicitly open may be
 * closed for it. */
NvmeStatus nvme_zones_write(NvmeZones *zones, uint64_t lba, uint64_t count, bool make_room);
/* The same, but at the write pointer of the zone that begins at *@lba, which gets the place. */
NvmeStatus nvme_zones_append(NvmeZones *zones, uint64_t *lba, uint64_t count, bool make_room);

/* Close, finish, open or offline: @zone, or (NULL) all for which the action makes sense. Nothing
 * has changed if it is not NVME_OK. */
NvmeStatus nvme_zones_send(NvmeZones *zones, unsigned action, NvmeZone *zone, bool make_room);
/* Give @zone, which is empty, an extension of its descriptor, zones->extension bytes. */
NvmeStatus nvme_zones_extend(NvmeZones *zones, NvmeZone *zone, const uint8_t *data);
/* The next zone from number @from on that a reset makes empty; NULL: there is none. */
NvmeZone *nvme_zones_to_reset(NvmeZones *zones, unsigned from);
/* Its blocks are gone. */
void nvme_zones_reset(NvmeZones *zones, NvmeZone *zone);
/* The power goes: what is open is closed, or empty if it was never written. */
void nvme_zones_power_off(NvmeZones *zones);

/* Bytes of a report (NVME_ZONE_REPORT or NVME_ZONE_REPORT_EXTENDED) of all zones from @lba, in the
 * namespace, on. */
uint64_t nvme_zones_report_size(const NvmeZones *zones, unsigned report, uint64_t lba);
/* Fill @size (64 or more) bytes, all zero, with as much of it as fits: zones of all states, or of
 * that which ZRASF @filter means. @partial: the number that is told is of those that fit.
 * BAD_FIELD: there is no such filter. */
NvmeStatus nvme_zones_report(const NvmeZones *zones, unsigned report, uint64_t lba, unsigned filter,
                             bool partial, uint8_t *buf, uint64_t size);

/* Zones as bytes, for a machine that is saved, and back; false: they are not what zones can be. */
GBytes *nvme_zones_save(const NvmeZones *zones);
bool nvme_zones_load(NvmeZones *zones, GBytes *saved, GError **errp);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state machine of zones (section 2.2 of the Zoned Namespace Command Set 1.1). */
#include "hw/nvme/nvme-zones.h"

#include <inttypes.h>
#include <string.h>

#include "util/error.h"

#define EXTENSION_UNIT 64
#define EXTENSION_MAX  (255 * EXTENSION_UNIT)
#define DESCRIPTOR     64 /* bytes of a report's head, and of each zone in it */
#define SEQUENTIAL     2  /* ZT: sequential write required */
#define EXTENDED       (1 << 7)

#define BIT(state)  (1u << (state))
#define EMPTY_BIT   BIT(NVME_ZONE_EMPTY)
#define OPEN_BITS   (BIT(NVME_ZONE_IMPLICITLY_OPEN) | BIT(NVME_ZONE_EXPLICITLY_OPEN))
#define ACTIVE_BITS (OPEN_BITS | BIT(NVME_ZONE_CLOSED))
#define FULL_BIT    BIT(NVME_ZONE_FULL)

/* ---- life ---- */

static bool check(const NvmeZoneConf *conf, uint64_t blocks, uint64_t block, GError **errp)
{
    uint64_t capacity = conf->capacity ? conf->capacity : conf->size, count;

    if (!conf->size || conf->size % block) {
        error_set(errp,
                  "zoned.zone_size=%" PRIu64 " is not a multiple of the namespace's blocks of "
                  "%" PRIu64 " bytes",
                  conf->size, block);
    } else if (capacity > conf->size || capacity % block) {
        error_set(errp,
                  "zoned.zone_capacity=%" PRIu64 ": it is at most zoned.zone_size=%" PRIu64
                  ", and a multiple of the namespace's blocks of %" PRIu64 " bytes",
                  capacity, conf->size, block);
    } else if (conf->max_active && conf->max_open > conf->max_active) {
        error_set(errp,
                  "zoned.max_open=%u: what is open is active, too, and zoned.max_active=%u zones "
                  "can be",
                  conf->max_open, conf->max_active);
    } else if (conf->extension % EXTENSION_UNIT || conf->extension > EXTENSION_MAX) {
        error_set(errp, "zoned.descr_ext_size=%u: it is a multiple of %u, up to %u",
                  conf->extension, EXTENSION_UNIT, EXTENSION_MAX);
    } else if (blocks && blocks < conf->size / block) {
        error_set(errp,
                  "the drive has %" PRIu64 " bytes, which is less than one zone: "
                  "zoned.zone_size=%" PRIu64,
                  blocks * block, conf->size);
    } else if ((count = blocks / (conf->size / block)) > NVME_ZONES_MAX) {
        error_set(errp,
                  "zoned.zone_size=%" PRIu64 " makes %" PRIu64 " zones of the drive: there can be "
                  "%u; give a larger one",
                  conf->size, count, NVME_ZONES_MAX);
    } else if (count * conf->extension > NVME_ZONE_EXTENSIONS_MAX) {
        error_set(errp,
                  "zoned.descr_ext_size=%u of %" PRIu64 " zones is more than %u MiB: give a "
                  "smaller one, or larger zones",
                  conf->extension, count, NVME_ZONE_EXTENSIONS_MAX >> 20);
    } else {
        return true;
    }
    return false;
}

static void make(NvmeZones *zones, unsigned count)
{
    zones->count = count;
    zones->zones = g_new0(NvmeZone, count);
    zones->extensions = zones->extension && count ? g_malloc0_n(count, zones->extension) : NULL;
    for (unsigned i = 0; i < count; i++) {
        zones->zones[i].state = NVME_ZONE_EMPTY;
        zones->zones[i].implicit.data = &zones->zones[i];
    }
}

NvmeZones *nvme_zones_new(const NvmeZoneConf *conf, uint64_t blocks, uint64_t block, GError **errp)
{
    NvmeZones *zones;

    if (!check(conf, blocks, block, errp)) {
        return NULL;
    }
    zones = g_new0(NvmeZones, 1);
    zones->size = conf->size / block;
    zones->capacity = conf->capacity ? conf->capacity / block : zones->size;
    zones->max_active = conf->max_active;
    zones->max_open = conf->max_open ? conf->max_open : conf->max_active;
    zones->extension = conf->extension;
    zones->cross_read = conf->cross_read;
    g_queue_init(&zones->implicit);
    make(zones, (unsigned)(blocks / zones->size));
    return zones;
}

void nvme_zones_free(NvmeZones *zones)
{
    if (zones) { /* the list's links are in the zones */
        g_free(zones->extensions);
        g_free(zones->zones);
        g_free(zones);
    }
}

/* ---- places ---- */

NvmeZone *nvme_zones_at(NvmeZones *zones, uint64_t lba)
{
    uint64_t number = lba / zones->size;

    return number < zones->count && lba % zones->size == 0 ? &zones->zones[number] : NULL;
}

uint64_t nvme_zones_start(const NvmeZones *zones, const NvmeZone *zone)
{
    return (uint64_t)(zone - zones->zones) * zones->size;
}

/* ---- states ---- */

static void set_state(NvmeZones *zones, NvmeZone *zone, NvmeZoneState state)
{
    zones->active -= BIT(zone->state) & ACTIVE_BITS ? 1 : 0;
    zones->open -= BIT(zone->state) & OPEN_BITS ? 1 : 0;
    if (zone->state == NVME_ZONE_IMPLICITLY_OPEN) {
        g_queue_unlink(&zones->implicit, &zone->implicit);
    }
    zone->state = state;
    zones->active += BIT(state) & ACTIVE_BITS ? 1 : 0;
    zones->open += BIT(state) & OPEN_BITS ? 1 : 0;
    if (state == NVME_ZONE_IMPLICITLY_OPEN) {
        g_queue_push_tail_link(&zones->implicit, &zone->implicit);
    }
    if (state == NVME_ZONE_EMPTY) {
        zone->wp = 0;
        zone->extended = false;
    } else if (state == NVME_ZONE_FULL) {
        zone->wp = zones->capacity;
    }
}

/* May @active and @open more zones be so (section 2.2.2)? With @make_room as many that are
 * implicitly open are closed as it takes, if that helps. */
static NvmeStatus take(NvmeZones *zones, uint32_t active, uint32_t open, bool make_room)
{
    uint32_t over;

    if (zones->max_active && active > zones->max_active - zones->active) {
        return NVME_TOO_MANY_ACTIVE;
    }
    if (!zones->max_open || open <= zones->max_open - zones->open) {
        return NVME_OK;
    }
    over = open - (zones->max_open - zones->open);
    if (!make_room || over > zones->implicit.length) {
        return NVME_TOO_MANY_OPEN;
    }
    while (over--) {
        set_state(zones, g_queue_peek_head(&zones->implicit), NVME_ZONE_CLOSED);
    }
    return NVME_OK;
}

void nvme_zones_power_off(NvmeZones *zones)
{
    for (unsigned i = 0; i < zones->count && zones->active; i++) {
        NvmeZone *zone = &zones->zones[i];

        if (BIT(zone->state) & ACTIVE_BITS) {
            set_state(zones, zone, zone->wp || zone->extended ? NVME_ZONE_CLOSED : NVME_ZONE_EMPTY);
        }
    }
}

/* ---- reading and writing (sections 3.3 and 3.5) ---- */

NvmeStatus nvme_zones_check_read(const NvmeZones *zones, uint64_t lba, uint64_t count)
{
    return zones->cross_read || lba / zones->size == (lba + count - 1) / zones->size
               ? NVME_OK
               : NVME_ZONE_BOUNDARY;
}

/* @count blocks at the place @at of @zone. */
static NvmeStatus write_zone(NvmeZones *zones, NvmeZone *zone, uint64_t at, uint64_t count,
                             bool make_room)
{
    bool opens = !(BIT(zone->state) & OPEN_BITS);
    NvmeStatus status;

    if (zone->state == NVME_ZONE_FULL) {
        return NVME_ZONE_IS_FULL;
    }
    if (at != zone->wp) {
        return NVME_BAD_WRITE;
    }
    if (count > zones->capacity - at) {
        return NVME_ZONE_BOUNDARY;
    }
    status = take(zones, zone->state == NVME_ZONE_EMPTY, opens, make_room);
    if (status != NVME_OK) {
        return status;
    }
    if (opens) {
        set_state(zones, zone, NVME_ZONE_IMPLICITLY_OPEN);
    }
    zone->wp += count;
    if (zone->wp == zones->capacity) {
        set_state(zones, zone, NVME_ZONE_FULL);
    }
    return NVME_OK;
}

NvmeStatus nvme_zones_write(NvmeZones *zones, uint64_t lba, uint64_t count, bool make_room)
{
    uint64_t at = lba % zones->size;
    NvmeZone *zone = nvme_zones_at(zones, lba - at);

    return zone ? write_zone(zones, zone, at, count, make_room) : NVME_BAD_LBA;
}

NvmeStatus nvme_zones_append(NvmeZones *zones, uint64_t *lba, uint64_t count, bool make_room)
{
    NvmeZone *zone = nvme_zones_at(zones, *lba);
    NvmeStatus status;
    uint64_t at;

    if (!zone) {
        return NVME_BAD_FIELD;
    }
    at = zone->wp;
    status = write_zone(zones, zone, at, count, make_room);
    *lba += status == NVME_OK ? at : 0;
    return status;
}

/* ---- Zone Management Send (section 3.4.3) ---- */

/* From which states an action leads to which, for one zone, and for all at once; in those of `same`
 * there is nothing to do. */
static const struct {
    uint8_t action;
    uint32_t from, from_all, same;
    NvmeZoneState to;
} actions[] = {
    { NVME_ZONE_CLOSE, OPEN_BITS, OPEN_BITS, BIT(NVME_ZONE_CLOSED), NVME_ZONE_CLOSED },
    { NVME_ZONE_FINISH, EMPTY_BIT | ACTIVE_BITS, ACTIVE_BITS, FULL_BIT, NVME_ZONE_FULL },
    { NVME_ZONE_OPEN, EMPTY_BIT | BIT(NVME_ZONE_CLOSED) | BIT(NVME_ZONE_IMPLICITLY_OPEN),
      BIT(NVME_ZONE_CLOSED), BIT(NVME_ZONE_EXPLICITLY_OPEN), NVME_ZONE_EXPLICITLY_OPEN },
    { NVME_ZONE_OFFLINE, 0, 0, 0, NVME_ZONE_FULL }, /* for zones that are read only, as none is */
};

static NvmeStatus send_one(NvmeZones *zones, unsigned i, NvmeZone *zone, bool make_room)
{
    uint32_t state = BIT(zone->state);
    bool opens = actions[i].to == NVME_ZONE_EXPLICITLY_OPEN;
    NvmeStatus status = NVME_OK;

    if (state & actions[i].same) {
        return NVME_OK;
    }
    if (!(state & actions[i].from)) {
        return NVME_BAD_TRANSITION;
    }
    if (opens) {
        status = take(zones, !(state & ACTIVE_BITS), !(state & OPEN_BITS), make_room);
    }
    if (status == NVME_OK) {
        set_state(zones, zone, actions[i].to);
    }
    return status;
}

static NvmeStatus send_all(NvmeZones *zones, unsigned i)
{
    /* Open zones stay open: what is closed now must fit beside them. */
    if (actions[i].to == NVME_ZONE_EXPLICITLY_OPEN) {
        NvmeStatus status = take(zones, 0, zones->active - zones->open, false);

        if (status != NVME_OK) {
            return status;
        }
    }
    for (unsigned j = 0; j < zones->count && zones->active; j++) {
        if (BIT(zones->zones[j].state) & actions[i].from_all) {
            set_state(zones, &zones->zones[j], actions[i].to);
        }
    }
    return NVME_OK;
}

NvmeStatus nvme_zones_send(NvmeZones *zones, unsigned action, NvmeZone *zone, bool make_room)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (actions[i].action == action) {
            return zone ? send_one(zones, i, zone, make_room) : send_all(zones, i);
        }
    }
    return NVME_BAD_FIELD;
}

NvmeStatus nvme_zones_extend(NvmeZones *zones, NvmeZone *zone, const uint8_t *data)
{
    NvmeStatus status;

    if (zone->state != NVME_ZONE_EMPTY) {
        return NVME_BAD_TRANSITION;
    }
    status = take(zones, 1, 0, false);
    if (status == NVME_OK) {
        memcpy(zones->extensions + (size_t)(zone - zones->zones) * zones->extension, data,
               zones->extension);
        set_state(zones, zone, NVME_ZONE_CLOSED);
        zone->extended = true;
    }
    return status;
}

NvmeZone *nvme_zones_to_reset(NvmeZones *zones, unsigned from)
{
    for (unsigned i = from; i < zones->count; i++) {
        if (zones->zones[i].state != NVME_ZONE_EMPTY) {
            return &zones->zones[i];
        }
    }
    return NULL;
}

void nvme_zones_reset(NvmeZones *zones, NvmeZone *zone)
{
    set_state(zones, zone, NVME_ZONE_EMPTY);
}

/* ---- Zone Management Receive (section 3.4.2) ---- */

/* By ZRASF; those that there never are have no bits. */
static const uint32_t filters[] = {
    EMPTY_BIT | ACTIVE_BITS | FULL_BIT,
    EMPTY_BIT,
    BIT(NVME_ZONE_IMPLICITLY_OPEN),
    BIT(NVME_ZONE_EXPLICITLY_OPEN),
    BIT(NVME_ZONE_CLOSED),
    FULL_BIT,
    0, /* read only */
    0, /* offline */
};

static size_t entry_size(const NvmeZones *zones, unsigned report)
{
    return DESCRIPTOR + (report == NVME_ZONE_REPORT_EXTENDED ? zones->extension : 0);
}

uint64_t nvme_zones_report_size(const NvmeZones *zones, unsigned report, uint64_t lba)
{
    return DESCRIPTOR + (zones->count - lba / zones->size) * entry_size(zones, report);
}

static void describe(const NvmeZones *zones, unsigned number, bool extended, uint8_t *to)
{
    const NvmeZone *zone = &zones->zones[number];
    uint64_t start = number * zones->size;
    uint64_t wp = zone->state == NVME_ZONE_FULL ? UINT64_MAX : start + zone->wp;

    to[0] = SEQUENTIAL;
    to[1] = (uint8_t)(zone->state << 4);
    to[2] = zone->extended ? EXTENDED : 0;
    memcpy(to + 8, &zones->capacity, 8);
    memcpy(to + 16, &start, 8);
    memcpy(to + 24, &wp, 8);
    if (extended && zone->extended) {
        memcpy(to + DESCRIPTOR, zones->extensions + (size_t)number * zones->extension,
               zones->extension);
    }
}

NvmeStatus nvme_zones_report(const NvmeZones *zones, unsigned report, uint64_t lba, unsigned filter,
                             bool partial, uint8_t *buf, uint64_t size)
{
    size_t entry = entry_size(zones, report);
    uint64_t found = 0, at = DESCRIPTOR;

    if (filter >= G_N_ELEMENTS(filters)) {
        return NVME_BAD_FIELD;
    }
    for (unsigned i = (unsigned)(lba / zones->size); i < zones->count; i++) {
        bool fits = entry <= size - at;

        if (!(BIT(zones->zones[i].state) & filters[filter])) {
            continue;
        }
        if (fits) {
            describe(zones, i, report == NVME_ZONE_REPORT_EXTENDED, buf + at);
            at += entry;
        } else if (partial) {
            break;
        }
        found++;
    }
    memcpy(buf, &found, sizeof(found));
    return NVME_OK;
}

/* ---- saving ---- */

typedef struct Saved {
    uint64_t wp;
    uint8_t state, extended, reserved[6];
} Saved;

GBytes *nvme_zones_save(const NvmeZones *zones)
{
    size_t entry = sizeof(Saved) + zones->extension;
    uint8_t *bytes = g_malloc0_n(zones->count, entry);

    for (unsigned i = 0; i < zones->count; i++) {
        const NvmeZone *zone = &zones->zones[i];
        const Saved saved = { zone->wp, zone->state, zone->extended, { 0 } };

        memcpy(bytes + i * entry, &saved, sizeof(saved));
        if (zone->extended) {
            memcpy(bytes + i * entry + sizeof(saved),
                   zones->extensions + (size_t)i * zones->extension, zones->extension);
        }
    }
    return g_bytes_new_take(bytes, zones->count * entry);
}

static bool load_zone(NvmeZones *zones, unsigned number, const uint8_t *from)
{
    NvmeZone *zone = &zones->zones[number];
    Saved saved;

    memcpy(&saved, from, sizeof(saved));
    if (saved.state >= 32 || !(BIT(saved.state) & filters[0]) ||
        (saved.state == NVME_ZONE_EMPTY && (saved.wp || saved.extended)) ||
        (saved.state != NVME_ZONE_FULL && saved.wp >= zones->capacity) ||
        (saved.extended && !zones->extension)) {
        return false;
    }
    set_state(zones, zone, NVME_ZONE_EMPTY);
    if (take(zones, BIT(saved.state) & ACTIVE_BITS ? 1 : 0, BIT(saved.state) & OPEN_BITS ? 1 : 0,
             false) != NVME_OK) {
        return false;
    }
    zone->wp = saved.wp;
    set_state(zones, zone, saved.state);
    zone->extended = saved.extended;
    if (saved.extended) {
        memcpy(zones->extensions + (size_t)number * zones->extension, from + sizeof(saved),
               zones->extension);
    }
    return true;
}

bool nvme_zones_load(NvmeZones *zones, GBytes *saved, GError **errp)
{
    size_t size, entry = sizeof(Saved) + zones->extension;
    const uint8_t *bytes = g_bytes_get_data(saved, &size);
    uint64_t count = size / entry;

    if (size % entry || count > NVME_ZONES_MAX ||
        count * zones->extension > NVME_ZONE_EXTENSIONS_MAX ||
        (zones->count && count != zones->count)) {
        error_set(errp, "%zu bytes are no state of %u zones with %u bytes each of the guest's",
                  size, zones->count, zones->extension);
        return false;
    }
    if (!zones->count) {
        g_free(zones->zones);
        make(zones, (unsigned)count);
    }
    for (unsigned i = 0; i < zones->count; i++) { /* those that there are count no more */
        set_state(zones, &zones->zones[i], NVME_ZONE_EMPTY);
    }
    for (unsigned i = 0; i < zones->count; i++) {
        if (!load_zone(zones, i, bytes + i * entry)) {
            error_set(errp, "zone %u is not what a zone can be", i);
            return false;
        }
    }
    return true;
}

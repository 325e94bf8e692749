/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of CD drives (MMC-6), with one track of data, and the tray. */
#include <string.h>

#include "hw/scsi/scsi.h"
#include "util/bytes.h"

#define CD_BLOCKS     405000u /* more than that is a DVD: 90 minutes */
#define TRACK_IS_DATA 0x14    /* control and address of a track (MMC-6, 6.26.3.2.4) */
#define LEAD_OUT      0xaa    /* its number */

/* ---- contents ---- */

/* Minute, second, frame (MMC-6, 6.26.1), or a block number. */
static void put_address(uint8_t *to, uint64_t lba, bool msf)
{
    enum { FRAMES = 75, LEAD_IN = 150 };

    bytes_put_be(to, lba, 4);
    if (msf) {
        lba += LEAD_IN;
        to[0] = 0;
        to[1] = (uint8_t)(lba / FRAMES / 60);
        to[2] = (uint8_t)(lba / FRAMES % 60);
        to[3] = (uint8_t)(lba % FRAMES);
    }
}

/* Format 0: the track from @first on, and the lead-out. */
static size_t toc_tracks(const ScsiUnit *unit, uint8_t *data, uint8_t first, bool msf)
{
    uint8_t *p = data + 4;

    data[2] = data[3] = 1;
    if (first <= 1) {
        p[1] = TRACK_IS_DATA;
        p[2] = 1;
        put_address(p + 4, 0, msf);
        p += 8;
    }
    p[1] = TRACK_IS_DATA;
    p[2] = LEAD_OUT;
    put_address(p + 4, unit->blocks, msf);
    return (size_t)(p + 8 - data);
}

/* Format 1: the only session. */
static size_t toc_session(const ScsiUnit *unit, uint8_t *data, bool msf)
{
    data[2] = data[3] = 1;
    data[5] = TRACK_IS_DATA;
    data[6] = 1;
    put_address(data + 8, 0, msf);
    return 12;
}

/* Format 2: first track, last track, lead-out, track 1, as the disc has them. */
static size_t toc_full(const ScsiUnit *unit, uint8_t *data)
{
    static const uint8_t points[] = { 0xa0, 0xa1, 0xa2, 1 };
    uint8_t *p = data + 4, address[4];

    data[2] = data[3] = 1;
    for (unsigned i = 0; i < G_N_ELEMENTS(points); i++, p += 11) {
        p[0] = 1;
        p[1] = TRACK_IS_DATA;
        p[3] = points[i];
        p[8] = 1; /* the number of first and last track */
        if (i >= 2) {
            put_address(address, i == 2 ? unit->blocks : 0, true);
            memcpy(p + 8, address + 1, 3);
        }
    }
    return (size_t)(p - data);
}

static bool cd_read_toc(ScsiRequest *r)
{
    uint8_t data[48] = { 0 }, first = r->cdb[6];
    uint8_t format = r->cdb[2] & 0xf ? r->cdb[2] & 0xf : r->cdb[9] >> 6;
    bool msf = r->cdb[1] & 2;
    size_t size;

    if (format > 2 || (format == 0 && first > 1 && first != LEAD_OUT)) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    size = format == 0   ? toc_tracks(r->unit, data, first, msf)
           : format == 1 ? toc_session(r->unit, data, msf)
                         : toc_full(r->unit, data);
    bytes_put_be(data, size - 2, 2);
    return scsi_answer(r, data, size, bytes_get_be16(r->cdb + 7));
}

static bool cd_disc_information(ScsiRequest *r)
{
    enum { COMPLETE = 0x0e, UNRESTRICTED = 0x20 };
    const uint8_t data[34] = { 0, 32, COMPLETE, 1, 1, 1, 1, UNRESTRICTED };

    if (r->cdb[1] & 7) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    return scsi_answer(r, data, sizeof(data), bytes_get_be16(r->cdb + 7));
}

/* Blocks of 2048 bytes, by their contents only. */
static bool cd_read_cd(ScsiRequest *r)
{
    enum { USER_DATA = 0x10, KIND = 0x1c, MODE_1 = 2 << 2 };
    ScsiUnit *unit = r->unit;
    uint64_t lba = bytes_get_be32(r->cdb + 2), blocks = bytes_get_be24(r->cdb + 6);

    if (r->cdb[1] & KIND && (r->cdb[1] & KIND) != MODE_1) {
        return scsi_fail(r, SCSI_SENSE_WRONG_TRACK_MODE);
    }
    if (lba > unit->blocks || blocks > unit->blocks - lba) {
        return scsi_fail(r, SCSI_SENSE_LBA_OUT_OF_RANGE);
    }
    if (!blocks || !r->cdb[9]) {
        return true;
    }
    if (r->cdb[9] != USER_DATA || blocks * unit->conf->logical > unit->max_io) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    r->next = lba * unit->conf->logical;
    r->asked = r->bytes = blocks * unit->conf->logical;
    r->direction = SCSI_IN;
    return true;
}

/* ---- what the drive can do ---- */

enum { PROFILE_CD = 0x08, PROFILE_DVD = 0x10 };

static uint16_t profile(const ScsiUnit *unit)
{
    return !scsi_unit_is_ready(unit) ? 0 : unit->blocks > CD_BLOCKS ? PROFILE_DVD : PROFILE_CD;
}

/* Features, with their numbers, and which profile has them (MMC-6, 5.3): what follows the first
 * four bytes. */
static const struct {
    uint16_t number, profile; /* 0: always */
    uint8_t flags, size;      /* version, persistent (2), current (1, or as the profile is) */
    uint8_t data[8];
} features[] = {
    { 0x0000, 0, 3, 8, { 0, PROFILE_DVD, 0, 0, 0, PROFILE_CD, 0, 0 } },
    { 0x0001, 0, 0xb, 8, { 0, 0, 0, 1, 1, 0, 0, 0 } }, /* core, by SCSI */
    { 0x0002, 0, 7, 4, { 2, 0, 0, 0 } },               /* events are polled */
    { 0x0003, 0, 3, 4, { 0x29, 0, 0, 0 } },            /* a tray that ejects and locks */
    { 0x0010, 0, 0, 8, { 0, 0, 8, 0, 0, 16, 0, 0 } },  /* 16 blocks of 2048 bytes */
    { 0x001e, PROFILE_CD, 8, 4, { 0, 0, 0, 0 } },
    { 0x001f, PROFILE_DVD, 0, 4, { 0, 0, 0, 0 } },
};

static bool is_current(unsigned i, uint16_t now)
{
    return features[i].flags & 1 || (now && (!features[i].profile || features[i].profile == now));
}

static bool cd_configuration(ScsiRequest *r)
{
    enum { ALL, CURRENT, ONE };
    uint16_t from = bytes_get_be16(r->cdb + 2), now = profile(r->unit);
    uint8_t data[128] = { 0 }, *p = data + 8, which = r->cdb[1] & 3;

    if (which > ONE) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    bytes_put_be(data + 6, now, 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        bool current = is_current(i, now);

        if (which == ONE ? features[i].number != from
                         : features[i].number < from || (which == CURRENT && !current)) {
            continue;
        }
        bytes_put_be(p, features[i].number, 2);
        p[2] = (uint8_t)(features[i].flags | current);
        p[3] = features[i].size;
        memcpy(p + 4, features[i].data, features[i].size);
        if (!features[i].number) { /* the list of profiles: which is it? */
            p[6] = now == PROFILE_DVD;
            p[10] = now == PROFILE_CD;
        }
        p += 4 + features[i].size;
    }
    bytes_put_be(data, (uint64_t)(p - data - 4), 4);
    return scsi_answer(r, data, (size_t)(p - data), bytes_get_be16(r->cdb + 7));
}

static void errors_get(const ScsiUnit *unit, uint8_t *p, bool changeable)
{
    p[1] = changeable ? 0 : 5; /* tries */
}

static void capabilities_get(const ScsiUnit *unit, uint8_t *p, bool changeable)
{
    enum {
        READS_CD_R_AND_DVD = 0x0b,
        MODE_2 = 0x30,
        TRAY = 0x20,
        EJECTS = 8,
        LOCKED = 2,
        LOCKS = 1
    };
    enum { SPEED = 706 }; /* KB/s: 4x */

    if (!changeable) {
        p[0] = READS_CD_R_AND_DVD;
        p[2] = MODE_2;
        p[4] = TRAY | EJECTS | LOCKS | (unit->prevented ? LOCKED : 0);
        bytes_put_be(p + 6, SPEED, 2);
        bytes_put_be(p + 12, SPEED, 2);
    }
}

static const ScsiModePage pages[] = {
    { 0x01, 10, errors_get, NULL },
    { 0x2a, 20, capabilities_get, NULL },
    { 0 },
};

static uint8_t mode_flags(const ScsiUnit *unit)
{
    return 0;
}

/* ---- the tray ---- */

static bool cd_start_stop(ScsiRequest *r)
{
    enum { START = 1, LOAD_EJECT = 2, POWER = 0xf0 };
    bool open = !(r->cdb[4] & START);

    if (r->cdb[4] & POWER || !(r->cdb[4] & LOAD_EJECT)) {
        return true; /* the motor */
    }
    if (open && !r->unit->tray_open && r->unit->prevented) {
        return scsi_fail(r, SCSI_SENSE_REMOVAL_PREVENTED);
    }
    scsi_unit_move_tray(r->unit, open, true);
    return true;
}

static bool cd_prevent(ScsiRequest *r)
{
    r->unit->prevented = r->cdb[4] & 1;
    return true;
}

/* What happened to the medium since this was asked last (MMC-6, 6.7.2.5). */
static bool cd_event_status(ScsiRequest *r)
{
    enum { POLLED = 1, MEDIA = 4, MEDIA_BIT = 1 << MEDIA, NONE = 0x80 };
    enum { EJECT_ASKED = 1, NEW_MEDIUM = 2, REMOVED = 3 };
    enum { IS_OPEN = 1, IS_PRESENT = 2 };
    ScsiUnit *unit = r->unit;
    uint8_t data[8] = { 0, 2, NONE, MEDIA_BIT };
    uint16_t asked = bytes_get_be16(r->cdb + 7);

    if (!(r->cdb[1] & POLLED)) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    if (!(r->cdb[4] & MEDIA_BIT) || asked <= 4) {
        return scsi_answer(r, data, 4, asked);
    }
    data[1] = 6;
    data[2] = MEDIA;
    data[4] = unit->events & SCSI_EVENT_EJECT_ASKED ? EJECT_ASKED
              : unit->events & SCSI_EVENT_REMOVED   ? REMOVED
              : unit->events & SCSI_EVENT_NEW       ? NEW_MEDIUM
                                                    : 0;
    unit->events &= unit->events - 1; /* that was the lowest of its bits */
    data[5] =
        (unit->tray_open ? IS_OPEN : 0) | (unit->present && !unit->tray_open ? IS_PRESENT : 0);
    return scsi_answer(r, data, sizeof(data), asked);
}

static bool cd_mechanism(ScsiRequest *r)
{
    enum { DOOR_OPEN = 0x10 };
    const uint8_t data[8] = { 0, r->unit->tray_open ? DOOR_OPEN : 0, 0, 0, 0, 1, 0, 0 };

    return scsi_answer(r, data, sizeof(data), bytes_get_be16(r->cdb + 8));
}

/* ---- the table ---- */

static const ScsiCommand commands[256] = {
    SCSI_PRIMARY_COMMANDS,
    [SCSI_TEST_UNIT_READY] = { scsi_nothing, .needs_medium = true },
    [SCSI_START_STOP_UNIT] = { cd_start_stop },
    [SCSI_PREVENT_ALLOW] = { cd_prevent },
    [SCSI_READ_CAPACITY_10] = { scsi_read_capacity_10, .needs_medium = true },
    [SCSI_READ_10] = { scsi_read, .needs_medium = true },
    [SCSI_READ_12] = { scsi_read, .needs_medium = true },
    [SCSI_SEEK_10] = { scsi_seek, .needs_medium = true },
    [SCSI_SYNCHRONIZE_CACHE_10] = { scsi_nothing },
    [SCSI_SET_CD_SPEED] = { scsi_nothing },
    [SCSI_READ_TOC] = { cd_read_toc, .needs_medium = true },
    [SCSI_READ_DISC_INFORMATION] = { cd_disc_information, .needs_medium = true },
    [SCSI_READ_CD] = { cd_read_cd, .needs_medium = true },
    [SCSI_GET_CONFIGURATION] = { cd_configuration, .before_attention = true },
    [SCSI_GET_EVENT_STATUS] = { cd_event_status, .before_attention = true },
    [SCSI_MECHANISM_STATUS] = { cd_mechanism },
};

const ScsiKind scsi_cd_kind = {
    .device_type = 5,
    .version = 5,
    .product = "QEMU CD-ROM",
    .commands = commands,
    .pages = pages,
    .mode_flags = mode_flags,
    .has_tray = true,
};

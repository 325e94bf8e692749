/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of disks (SBC-3). */
#include <inttypes.h>
#include <string.h>

#include "block/iov.h"
#include "hw/scsi/scsi-pass.h"
#include "util/bytes.h"
#include "util/units.h"

#define STEP (64 * KIB) /* bytes that a command of several steps reads or writes at once */

/* ---- where ---- */

/* First block, and number of blocks, by the length of the CDB (SPC-4, 4.2.5). */
static void place(const ScsiRequest *r, uint64_t *lba, uint32_t *blocks)
{
    const uint8_t *cdb = r->cdb;

    switch (cdb[0] >> 5) {
    case 0:
        *lba = bytes_get_be24(cdb + 1) & 0x1fffff;
        *blocks = cdb[4] ? cdb[4] : 256;
        break;
    case 4:
        *lba = bytes_get_be64(cdb + 2);
        *blocks = bytes_get_be32(cdb + 10);
        break;
    case 5:
        *lba = bytes_get_be32(cdb + 2);
        *blocks = bytes_get_be32(cdb + 6);
        break;
    default:
        *lba = bytes_get_be32(cdb + 2);
        *blocks = bytes_get_be16(cdb + 7);
        break;
    }
}

static bool is_on_disk(const ScsiUnit *unit, uint64_t lba, uint64_t blocks)
{
    return lba <= unit->blocks && blocks <= unit->blocks - lba;
}

/* The range that the CDB names, as bytes from r->next on; false: it is not on the disk, or longer
 * than what is done at once. */
static bool range(ScsiRequest *r, uint64_t *bytes)
{
    const ScsiUnit *unit = r->unit;
    uint64_t lba;
    uint32_t blocks;

    place(r, &lba, &blocks);
    *bytes = (uint64_t)blocks * unit->conf->logical;
    if (!is_on_disk(unit, lba, blocks)) {
        return scsi_fail(r, SCSI_SENSE_LBA_OUT_OF_RANGE);
    }
    if (*bytes > unit->max_io) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    r->next = lba * unit->conf->logical;
    return true;
}

static bool check_writable(ScsiRequest *r)
{
    return r->unit->conf->backend->writable || scsi_fail(r, SCSI_SENSE_WRITE_PROTECTED);
}

/* ---- reading and writing ---- */

#define PROTECT 0xe0 /* protection information, in CDBs of more than 6 bytes: there is none */
#define FUA     0x08

static bool is_6(const ScsiRequest *r)
{
    return !(r->cdb[0] >> 5);
}

static bool begin_blocks(ScsiRequest *r, ScsiDirection direction)
{
    uint64_t bytes;

    if (!is_6(r) && r->cdb[1] & PROTECT) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    if (!range(r, &bytes)) {
        return false;
    }
    r->direction = bytes ? direction : SCSI_NO_DATA;
    r->asked = r->bytes = bytes;
    return true;
}

bool scsi_read(ScsiRequest *r)
{
    r->io.op = BLOCK_READ;
    return begin_blocks(r, SCSI_IN);
}

static bool disk_write(ScsiRequest *r)
{
    r->io.op = BLOCK_WRITE;
    r->io.and_flush = !r->unit->write_cache || (!is_6(r) && r->cdb[1] & FUA);
    return check_writable(r) && begin_blocks(r, SCSI_OUT);
}

/* What is on the host's disk is as good as verified. */
static bool disk_write_and_verify(ScsiRequest *r)
{
    if (r->cdb[1] & 0x06) { /* byte by byte */
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    r->io.op = BLOCK_WRITE;
    r->io.and_flush = true;
    return check_writable(r) && begin_blocks(r, SCSI_OUT);
}

static bool disk_flush(ScsiRequest *r)
{
    uint64_t lba;
    uint32_t blocks;

    place(r, &lba, &blocks);
    if (!is_on_disk(r->unit, lba, blocks)) {
        return scsi_fail(r, SCSI_SENSE_LBA_OUT_OF_RANGE);
    }
    r->io.op = BLOCK_FLUSH;
    r->has_io = true;
    return true;
}

/* ---- commands of several steps ---- */

/* Memory of @bytes for them. */
static uint8_t *step_memory(ScsiRequest *r, uint64_t bytes)
{
    g_clear_pointer(&r->data, g_byte_array_unref);
    r->data = g_byte_array_new();
    g_byte_array_set_size(r->data, (guint)bytes);
    return r->data->data;
}

/* The next step of [next, end) reads or writes what is in r->data. */
static bool next_step(ScsiRequest *r)
{
    uint64_t bytes = r->next < r->end ? MIN(r->end - r->next, r->data->len) : 0;

    if (!bytes) {
        return false;
    }
    r->own = (struct iovec){ r->data->data, bytes };
    r->io.iov = &r->own;
    r->io.iovcnt = 1;
    r->io.offset = r->next;
    r->io.bytes = bytes;
    r->next += bytes;
    return true;
}

/* Can it be read? */
static bool disk_verify(ScsiRequest *r)
{
    uint64_t bytes;

    if (r->cdb[1] & (PROTECT | 0x06)) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    if (!range(r, &bytes)) {
        return false;
    }
    r->io.op = BLOCK_READ;
    r->end = r->next + bytes;
    step_memory(r, MIN(bytes, STEP));
    return true;
}

#define ANCHOR  0x10
#define UNMAP   0x08
#define NO_DATA 0x01 /* WRITE SAME (16) only: blocks of zeros */

static bool write_zeroes(ScsiRequest *r, uint64_t bytes)
{
    r->io.op = BLOCK_WRITE_ZEROES;
    r->io.offset = r->next;
    r->io.bytes = bytes;
    r->io.unmap = r->cdb[1] & UNMAP;
    r->io.and_flush = !r->unit->write_cache;
    r->next = r->end;
    r->has_io = true;
    return true;
}

static bool disk_write_same(ScsiRequest *r)
{
    bool no_data = r->cdb[0] == SCSI_WRITE_SAME_16 && r->cdb[1] & NO_DATA;
    uint64_t bytes;

    if (r->cdb[1] & (PROTECT | ANCHOR) ||
        (r->cdb[0] == SCSI_WRITE_SAME_10 && r->cdb[1] & NO_DATA)) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    if (!check_writable(r) || !range(r, &bytes)) {
        return false;
    }
    if (!bytes) { /* all up to the end: as page 0xb0 says, no */
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    r->end = r->next + bytes;
    return no_data ? write_zeroes(r, bytes)
                   : scsi_expect(r, r->unit->conf->logical, r->unit->conf->logical);
}

static bool write_same_received(ScsiRequest *r)
{
    uint32_t block = r->unit->conf->logical;
    g_autofree uint8_t *pattern = g_memdup2(r->data->data, block);
    const struct iovec iov = { pattern, block };
    uint64_t lba, bytes;
    uint8_t *to;

    place(r, &lba, &(uint32_t){ 0 });
    r->next = lba * block;
    bytes = r->end - r->next;
    if (iov_is_zero(&iov, 1)) {
        return write_zeroes(r, bytes);
    }
    to = step_memory(r, MAX(STEP, block));
    for (uint32_t i = 0; i < r->data->len; i += block) {
        memcpy(to + i, pattern, block);
    }
    r->io.op = BLOCK_WRITE;
    r->io.and_flush = !r->unit->write_cache;
    return true;
}

static bool disk_unmap(ScsiRequest *r)
{
    if (r->cdb[1] & 1) { /* anchored blocks: there are none */
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    return check_writable(r) && scsi_expect(r, bytes_get_be16(r->cdb + 7), UINT16_MAX);
}

#define UNMAP_HEADER 8  /* bytes before the ranges (SBC-3, 5.28.2) */
#define UNMAP_RANGE  16 /* bytes of one */

/* All of them are on the disk, and together not too long? */
static bool check_ranges(ScsiRequest *r, const uint8_t *p, size_t count)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++, p += UNMAP_RANGE) {
        uint32_t blocks = bytes_get_be32(p + 8);

        bytes += (uint64_t)blocks * r->unit->conf->logical;
        if (!is_on_disk(r->unit, bytes_get_be64(p), blocks)) {
            return scsi_fail(r, SCSI_SENSE_LBA_OUT_OF_RANGE);
        }
    }
    return (count <= SCSI_MAX_UNMAP_RANGES && bytes <= r->unit->max_unmap) ||
           scsi_fail(r, SCSI_SENSE_INVALID_PARAMETER);
}

static bool unmap_received(ScsiRequest *r)
{
    size_t size = r->data->len, given;

    r->next = r->end = 0;
    if (!size) {
        return true;
    }
    if (size < UNMAP_HEADER) {
        return scsi_fail(r, SCSI_SENSE_PARAMETER_LENGTH);
    }
    given = bytes_get_be16(r->data->data + 2);
    if (given > size - UNMAP_HEADER || given % UNMAP_RANGE) {
        return scsi_fail(r, SCSI_SENSE_INVALID_PARAMETER);
    }
    r->next = UNMAP_HEADER;
    r->end = UNMAP_HEADER + given;
    return check_ranges(r, r->data->data + UNMAP_HEADER, given / UNMAP_RANGE);
}

static bool unmap_step(ScsiRequest *r)
{
    while (r->next < r->end) {
        const uint8_t *p = r->data->data + r->next;
        uint64_t block = r->unit->conf->logical;

        r->next += UNMAP_RANGE;
        r->io.op = BLOCK_DISCARD;
        r->io.offset = bytes_get_be64(p) * block;
        r->io.bytes = bytes_get_be32(p + 8) * block;
        if (r->io.bytes) {
            return true;
        }
    }
    return false;
}

/* ---- what it is ---- */

bool scsi_read_capacity_10(ScsiRequest *r)
{
    const ScsiUnit *unit = r->unit;
    uint8_t data[8];

    if (!(r->cdb[8] & 1) && bytes_get_be32(r->cdb + 2)) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    bytes_put_be(data, MIN(unit->blocks - 1, UINT32_MAX), 4);
    bytes_put_be(data + 4, unit->conf->logical, 4);
    return scsi_answer(r, data, sizeof(data), sizeof(data));
}

static bool service_action_in(ScsiRequest *r)
{
    enum { PROVISIONED = 0x80 };
    const ScsiUnit *unit = r->unit;
    uint8_t data[32] = { 0 };

    if ((r->cdb[1] & 0x1f) != SCSI_SERVICE_READ_CAPACITY_16) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    bytes_put_be(data, unit->blocks - 1, 8);
    bytes_put_be(data + 8, unit->conf->logical, 4);
    data[13] = (uint8_t)__builtin_ctzll(unit->conf->physical / unit->conf->logical);
    data[14] = PROVISIONED;
    return scsi_answer(r, data, sizeof(data), bytes_get_be32(r->cdb + 10));
}

bool scsi_seek(ScsiRequest *r)
{
    return bytes_get_be32(r->cdb + 2) < r->unit->blocks ||
           scsi_fail(r, SCSI_SENSE_LBA_OUT_OF_RANGE);
}

static bool disk_prevent(ScsiRequest *r)
{
    r->unit->prevented = r->cdb[4] & 1;
    return true;
}

/* ---- mode pages ---- */

enum { PAGE_ERRORS = 0x01, PAGE_GEOMETRY = 0x04, PAGE_CACHING = 0x08 };

static void errors_get(const ScsiUnit *unit, uint8_t *p, bool changeable)
{
    enum { REALLOCATE_WRITES = 0x80 };

    p[0] = changeable ? 0 : REALLOCATE_WRITES;
}

/* As PCs see it: 16 heads of 63 sectors. */
static void geometry_get(const ScsiUnit *unit, uint8_t *p, bool changeable)
{
    enum { HEADS = 16, SECTORS = 63, RPM = 5400 };

    if (!changeable) {
        bytes_put_be(p, MIN(unit->blocks / (HEADS * SECTORS), 0xffffff), 3);
        p[3] = HEADS;
        bytes_put_be(p + 18, unit->rotation_rate > 1 ? unit->rotation_rate : RPM, 2);
    }
}

#define WRITE_CACHE 0x04

static void caching_get(const ScsiUnit *unit, uint8_t *p, bool changeable)
{
    p[0] = changeable || unit->write_cache ? WRITE_CACHE : 0;
}

static void caching_set(ScsiUnit *unit, const uint8_t *p)
{
    unit->write_cache = p[0] & WRITE_CACHE;
}

static const ScsiModePage pages[] = {
    { PAGE_ERRORS, 10, errors_get, NULL },
    { PAGE_GEOMETRY, 22, geometry_get, NULL },
    { PAGE_CACHING, 18, caching_get, caching_set },
    { 0 },
};

static uint8_t mode_flags(const ScsiUnit *unit)
{
    enum { WRITE_PROTECTED = 0x80, DPO_FUA = 0x10 };

    return (unit->conf->backend->writable ? 0 : WRITE_PROTECTED) | (unit->dpofua ? DPO_FUA : 0);
}

/* ---- the table ---- */

/* What the block layer does for every kind of disk. */
#define MEDIUM_COMMANDS                                                                            \
    [SCSI_READ_6] = { scsi_read }, [SCSI_READ_10] = { scsi_read }, [SCSI_READ_12] = { scsi_read }, \
    [SCSI_READ_16] = { scsi_read }, [SCSI_WRITE_6] = { disk_write },                               \
    [SCSI_WRITE_10] = { disk_write }, [SCSI_WRITE_12] = { disk_write },                            \
    [SCSI_WRITE_16] = { disk_write }, [SCSI_WRITE_AND_VERIFY_10] = { disk_write_and_verify },      \
    [SCSI_WRITE_AND_VERIFY_12] = { disk_write_and_verify },                                        \
    [SCSI_WRITE_AND_VERIFY_16] = { disk_write_and_verify },                                        \
    [SCSI_VERIFY_10] = { disk_verify, .step = next_step },                                         \
    [SCSI_VERIFY_12] = { disk_verify, .step = next_step },                                         \
    [SCSI_VERIFY_16] = { disk_verify, .step = next_step },                                         \
    [SCSI_WRITE_SAME_10] = { disk_write_same, write_same_received, next_step },                    \
    [SCSI_WRITE_SAME_16] = { disk_write_same, write_same_received, next_step },                    \
    [SCSI_UNMAP] = { disk_unmap, unmap_received, unmap_step },                                     \
    [SCSI_SYNCHRONIZE_CACHE_10] = { disk_flush }, [SCSI_SYNCHRONIZE_CACHE_16] = { disk_flush }

static const ScsiCommand commands[256] = {
    SCSI_PRIMARY_COMMANDS,
    [SCSI_TEST_UNIT_READY] = { scsi_nothing },
    [SCSI_START_STOP_UNIT] = { scsi_nothing },
    [SCSI_SEND_DIAGNOSTIC] = { scsi_nothing },
    [SCSI_RESERVE_6] = { scsi_nothing },
    [SCSI_RELEASE_6] = { scsi_nothing },
    [SCSI_PREVENT_ALLOW] = { disk_prevent },
    MEDIUM_COMMANDS,
    [SCSI_READ_CAPACITY_10] = { scsi_read_capacity_10 },
    [SCSI_SERVICE_ACTION_IN_16] = { service_action_in },
    [SCSI_SEEK_10] = { scsi_seek },
};

const ScsiKind scsi_disk_kind = {
    .device_type = 0,
    .version = 5,
    .product = "QEMU HARDDISK",
    .commands = commands,
    .pages = pages,
    .mode_flags = mode_flags,
    .block_descriptor = true,
};

/* A disk of the host: what is not about blocks it does itself. */
static const ScsiCommand block_commands[256] = {
    MEDIUM_COMMANDS,
    [SCSI_REQUEST_SENSE] = { scsi_request_sense, .before_attention = true },
    [SCSI_REPORT_LUNS] = { scsi_report_luns, .before_attention = true },
    [SCSI_READ_CAPACITY_10] = { scsi_read_capacity_10 },
    [SCSI_SEEK_10] = { scsi_seek },
};

const ScsiKind scsi_block_kind = {
    .device_type = 0,
    .version = 5,
    .product = "",
    .commands = block_commands,
    .other = &scsi_pass_command,
    .pages = pages,
    .mode_flags = mode_flags,
    .block_descriptor = true,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/scsi/scsi-pass.h"

#include <errno.h>
#include <linux/fs.h>
#include <scsi/sg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "block/host-device.h"
#include "block/iov.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/units.h"

#define DATA_MAX   (4 * MIB) /* of one command; blocks are not moved this way */
#define TIMEOUT_MS 60000
#define SENSE_MAX  64
#define TYPE_MASK  0x1f /* of the first byte of INQUIRY data: what kind of device it is */

/* ---- what commands move (SPC-4, SBC-3) ---- */

typedef struct Shape {
    uint8_t code;
    ScsiDirection direction;
    uint8_t at, size; /* where the CDB says how many bytes; size 0: `fixed` */
    uint8_t fixed;
} Shape;

static const Shape shapes[] = {
    { SCSI_TEST_UNIT_READY, SCSI_NO_DATA },
    { SCSI_INQUIRY, SCSI_IN, 3, 2 },
    { SCSI_MODE_SELECT_6, SCSI_OUT, 4, 1 },
    { SCSI_RESERVE_6, SCSI_NO_DATA },
    { SCSI_RELEASE_6, SCSI_NO_DATA },
    { SCSI_MODE_SENSE_6, SCSI_IN, 4, 1 },
    { SCSI_START_STOP_UNIT, SCSI_NO_DATA },
    { 0x1c, SCSI_IN, 3, 2 }, /* RECEIVE DIAGNOSTIC RESULTS */
    { SCSI_SEND_DIAGNOSTIC, SCSI_OUT, 3, 2 },
    { SCSI_PREVENT_ALLOW, SCSI_NO_DATA },
    { 0x37, SCSI_IN, 7, 2 },  /* READ DEFECT DATA */
    { 0x3c, SCSI_IN, 6, 3 },  /* READ BUFFER */
    { 0x4c, SCSI_OUT, 7, 2 }, /* LOG SELECT */
    { 0x4d, SCSI_IN, 7, 2 },  /* LOG SENSE */
    { SCSI_MODE_SELECT_10, SCSI_OUT, 7, 2 },
    { 0x56, SCSI_NO_DATA }, /* RESERVE(10), RELEASE(10) */
    { 0x57, SCSI_NO_DATA },
    { SCSI_MODE_SENSE_10, SCSI_IN, 7, 2 },
    { 0x5e, SCSI_IN, 7, 2 },  /* PERSISTENT RESERVE IN */
    { 0x5f, SCSI_OUT, 5, 4 }, /* PERSISTENT RESERVE OUT */
    { SCSI_SERVICE_ACTION_IN_16, SCSI_IN, 10, 4 },
    { 0xa2, SCSI_IN, 6, 4 },  /* SECURITY PROTOCOL IN */
    { 0xa3, SCSI_IN, 6, 4 },  /* MAINTENANCE IN */
    { 0xa4, SCSI_OUT, 6, 4 }, /* MAINTENANCE OUT */
    { 0xb5, SCSI_OUT, 6, 4 }, /* SECURITY PROTOCOL OUT */
};

static const Shape *shape_of(uint8_t code)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(shapes); i++) {
        if (shapes[i].code == code) {
            return &shapes[i];
        }
    }
    return NULL;
}

static uint64_t bytes_of(const Shape *shape, const uint8_t *cdb)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < shape->size; i++) {
        bytes = bytes << 8 | cdb[shape->at + i];
    }
    return shape->size ? bytes : shape->fixed;
}

/* By its group (SPC-4, 4.2.5.1). */
static unsigned cdb_bytes(uint8_t code)
{
    static const uint8_t sizes[8] = { 6, 10, 10, 0, 16, 12, 0, 0 };

    return sizes[code >> 5];
}

/* ---- the device ---- */

/* In fixed or descriptor format (SPC-4, 4.5). */
static ScsiSense sense_from(const uint8_t *data, unsigned size)
{
    const bool fixed = (data[0] & 0x7e) == 0x70, described = (data[0] & 0x7e) == 0x72;

    if (fixed && size >= 14) {
        return SCSI_SENSE(data[2] & 0xf, data[12], data[13]);
    }
    if (described && size >= 4) {
        return SCSI_SENSE(data[1] & 0xf, data[2], data[3]);
    }
    return SCSI_SENSE_TARGET_FAILURE;
}

static void run(ScsiRequest *r, int fd)
{
    static const int directions[] = {
        [SCSI_NO_DATA] = SG_DXFER_NONE, [SCSI_IN] = SG_DXFER_FROM_DEV, [SCSI_OUT] = SG_DXFER_TO_DEV
    };
    uint8_t sense[SENSE_MAX] = { 0 };
    struct sg_io_hdr io = { .interface_id = 'S',
                            .dxfer_direction = directions[r->direction],
                            .cmd_len = (unsigned char)cdb_bytes(r->cdb[0]),
                            .mx_sb_len = sizeof(sense),
                            .dxfer_len = (unsigned)r->bytes,
                            .dxferp = r->bounce,
                            .cmdp = r->cdb,
                            .sbp = sense,
                            .timeout = TIMEOUT_MS };

    if (fd < 0 || ioctl(fd, SG_IO, &io) < 0 || io.host_status) {
        scsi_fail(r, SCSI_SENSE_TARGET_FAILURE);
    } else if (io.status == SCSI_CHECK_CONDITION) {
        scsi_fail(r, sense_from(sense, io.sb_len_wr));
    } else {
        r->other_status = io.status;
    }
}

/* A persistent reservation, by another program. */
static void reserve(ScsiRequest *r, int fd, PrManager *manager)
{
    uint8_t cdb[PR_MANAGER_CDB], sense[PR_MANAGER_SENSE];
    int status;

    memcpy(cdb, r->cdb, sizeof(cdb));
    status = fd < 0 ? -1 : pr_manager_run(manager, fd, cdb, r->bounce, r->bytes, sense);
    if (status < 0) {
        scsi_fail(r, SCSI_SENSE_TARGET_FAILURE);
    } else if (status == SCSI_CHECK_CONDITION) {
        scsi_fail(r, sense_from(sense, sizeof(sense)));
    } else {
        r->other_status = (uint8_t)status;
    }
}

/* One piece, in a thread of the pool: the first one that the guest gets has the device work, and
 * the last one that it gives. Memory is allocated here, as guests may have many commands wait. */
static int pass(BlockNode *node, BlockRequest *io)
{
    ScsiRequest *r = io->opaque;
    const bool first = !r->bounce, last = r->moved + r->piece == r->bytes;

    if (first && r->direction == SCSI_OUT && r->moved) { /* the rest has stayed elsewhere */
        scsi_fail(r, SCSI_SENSE_TARGET_FAILURE);
        return 0;
    }
    if (first && r->bytes) {
        r->bounce = g_malloc0(r->bytes);
    }
    if (r->direction == SCSI_OUT && r->piece) {
        iov_to_buf(io->iov, io->iovcnt, 0, r->bounce + r->moved, r->piece);
    }
    if (r->direction == SCSI_IN ? first : last) {
        PrManager *manager = pr_manager_takes(r->cdb) ? block_host_device_pr_manager(node) : NULL;

        if (manager) {
            reserve(r, block_host_device_fd(node), manager);
        } else {
            run(r, block_host_device_fd(node));
        }
    }
    if (r->direction == SCSI_IN && r->piece && !r->failed) {
        iov_from_buf(io->iov, io->iovcnt, 0, r->bounce + r->moved, r->piece);
    }
    if (last) {
        g_clear_pointer(&r->bounce, g_free);
    }
    return 0;
}

static bool begin(ScsiRequest *r)
{
    const Shape *shape = shape_of(r->cdb[0]);
    ScsiSense sense;

    if (r->absent) {
        return r->cdb[0] == SCSI_INQUIRY ? scsi_inquiry(r)
                                         : scsi_fail(r, SCSI_SENSE_LUN_NOT_SUPPORTED);
    }
    if (r->cdb[0] != SCSI_INQUIRY && scsi_take_attention(r->unit, &sense)) {
        return scsi_fail(r, sense);
    }
    if (!shape) {
        return scsi_fail(r, SCSI_SENSE_INVALID_OPCODE);
    }
    const uint64_t bytes = bytes_of(shape, r->cdb);
    if (bytes > DATA_MAX) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    r->direction = bytes ? shape->direction : SCSI_NO_DATA;
    r->asked = r->bytes = bytes;
    r->next = 0;
    r->io = (BlockRequest){ .op = BLOCK_CALL, .call = pass };
    r->has_io = !bytes;
    return true;
}

const ScsiCommand scsi_pass_command = { begin, .before_attention = true };

/* ---- which devices ---- */

static bool inquire(int fd, uint8_t *data, unsigned size)
{
    uint8_t cdb[6] = { SCSI_INQUIRY, 0, 0, 0, (uint8_t)size }, sense[SENSE_MAX];
    struct sg_io_hdr io = { .interface_id = 'S',
                            .dxfer_direction = SG_DXFER_FROM_DEV,
                            .cmd_len = sizeof(cdb),
                            .mx_sb_len = sizeof(sense),
                            .dxfer_len = size,
                            .dxferp = data,
                            .cmdp = cdb,
                            .sbp = sense,
                            .timeout = TIMEOUT_MS };

    return ioctl(fd, SG_IO, &io) == 0 && !io.status && !io.host_status;
}

bool scsi_pass_check(const BlockConf *conf, GError **errp)
{
    const int fd = block_host_device_fd(block_backend_node(conf->backend));
    uint8_t data[36] = { 0 };
    int block;

    if (fd < 0 || !inquire(fd, data, sizeof(data))) {
        error_set(errp,
                  "drive '%s' is no SCSI device of the host: it must be one, with the driver "
                  "host_device, such as -blockdev host_device,node-name=ID,filename=/dev/sda",
                  conf->drive);
        return false;
    }
    if ((data[0] & TYPE_MASK) != 0) {
        error_set(errp, "drive '%s' is a SCSI device of type %u, and no disk", conf->drive,
                  data[0] & TYPE_MASK);
        return false;
    }
    if (ioctl(fd, BLKSSZGET, &block) == 0 && (uint64_t)block != conf->logical) {
        error_set(errp, "drive '%s' has blocks of %d bytes: logical_block_size=%d is right for it",
                  conf->drive, block, block);
        return false;
    }
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sections are of the Bulk-Only Transport 1.0. */
#include "hw/usb/usb-bulk-only.h"

#include <string.h>

enum { IN_ENDPOINT = 0x81, OUT_ENDPOINT = 0x02 };
enum { CBW_BYTES = 31, CSW_BYTES = 13, CBW_SIGNATURE = 0x43425355, CSW_SIGNATURE = 0x53425355 };
enum { STATUS_GOOD = 0, STATUS_FAILED = 1, STATUS_PHASE_ERROR = 2 };
enum { GET_MAX_LUN = 0xfe, RESET = 0xff };

typedef enum Stage {
    STAGE_COMMAND,
    STAGE_DATA,
    STAGE_STATUS,
    STAGE_BROKEN, /* what came was no command: until a reset (6.6.1) */
} Stage;

static const UsbEndpoint full_endpoints[] = { { IN_ENDPOINT, USB_BULK, 64, 0 },
                                              { OUT_ENDPOINT, USB_BULK, 64, 0 } };
static const UsbEndpoint high_endpoints[] = { { IN_ENDPOINT, USB_BULK, 512, 0 },
                                              { OUT_ENDPOINT, USB_BULK, 512, 0 } };
/* SCSI commands, by bulk-only transport. */
static const UsbInterface full_interface = {
    .class = 8, .subclass = 6, .protocol = 0x50, .endpoints = full_endpoints, .endpoint_count = 2
};
static const UsbInterface high_interface = {
    .class = 8, .subclass = 6, .protocol = 0x50, .endpoints = high_endpoints, .endpoint_count = 2
};
const UsbConfiguration usb_bulk_only_full_speed = { 8, USB_SELF_POWERED, 0, &full_interface, 1 };
const UsbConfiguration usb_bulk_only_high_speed = { 64, USB_SELF_POWERED, 0, &high_interface, 1 };

static void put_long(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

static uint32_t get_long(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return GUINT32_FROM_LE(value);
}

/* ---- the unit's side ---- */

static void tell(UsbBulkOnly *s)
{
    usb_device_ready(&s->parent.parent,
                     s->parent.to_host || s->stage == STAGE_STATUS ? IN_ENDPOINT : OUT_ENDPOINT);
}

void usb_bulk_only_moved(UsbScsi *scsi, ScsiEnd how)
{
    UsbBulkOnly *s = USB_BULK_ONLY(scsi);

    if (how != SCSI_MOVED) {
        s->status =
            how == SCSI_ENDED && scsi->request.status == SCSI_GOOD ? STATUS_GOOD : STATUS_FAILED;
    }
    tell(s);
}

void usb_bulk_only_dropped(UsbScsi *scsi)
{
    tell(USB_BULK_ONLY(scsi));
}

void usb_bulk_only_lost(UsbScsi *scsi)
{
    USB_BULK_ONLY(scsi)->status = STATUS_FAILED;
    tell(USB_BULK_ONLY(scsi));
}

/* Begin the command, or go on with one of a saved machine. False: it has ended. */
static bool begin(UsbBulkOnly *s)
{
    if (usb_scsi_begin(&s->parent)) {
        return true;
    }
    s->status = STATUS_FAILED;
    return false;
}

/* ---- the host's side ---- */

/* Do host and unit agree about the data (6.7)? A unit that has less than the host wants is fine. */
static bool agree(const UsbBulkOnly *s)
{
    const UsbScsi *scsi = &s->parent;
    const ScsiRequest *r = &scsi->request;

    return !r->bytes || (r->bytes <= s->left && (r->direction == SCSI_IN) == scsi->to_host);
}

static UsbStatus take_command(UsbBulkOnly *s, const uint8_t *p, unsigned size)
{
    UsbScsi *scsi = &s->parent;

    if (size != CBW_BYTES || get_long(p) != CBW_SIGNATURE || (p[13] & 0xf && !scsi->bus) ||
        !(p[14] & 0x1f) || (p[14] & 0x1f) > USB_SCSI_CDB) {
        s->stage = STAGE_BROKEN;
        usb_device_halt(&scsi->parent, IN_ENDPOINT);
        return USB_STALL;
    }
    s->tag = get_long(p + 4);
    s->left = get_long(p + 8);
    scsi->to_host = p[12] & 0x80;
    scsi->lun = p[13] & 0xf;
    memset(scsi->cdb, 0, sizeof(scsi->cdb));
    memcpy(scsi->cdb, p + 15, p[14] & 0x1f);
    s->status = STATUS_GOOD;
    scsi->moved = 0;
    scsi->have = scsi->used = 0;
    scsi->open = true;
    s->stage = s->left ? STAGE_DATA : STAGE_STATUS;
    if (begin(s)) {
        if (agree(s)) {
            scsi->moving = scsi->to_host || !scsi->request.bytes;
            usb_scsi_go_on(scsi);
        } else {
            usb_scsi_drop(scsi);
            s->status = STATUS_PHASE_ERROR;
        }
    }
    return USB_OK;
}

/* From the host: until a piece is there. What the unit does not want is dropped. */
static UsbStatus take_data(UsbBulkOnly *s, const uint8_t *data, unsigned *size)
{
    UsbScsi *scsi = &s->parent;
    uint32_t piece = 0;

    if (*size > s->left) {
        return USB_STALL;
    }
    if (scsi->moving) {
        return USB_NAK;
    }
    if (scsi->open && (scsi->begun || begin(s))) { /* begun anew: of a saved machine */
        piece = usb_scsi_piece(scsi);
    }
    if (piece) {
        *size = MIN(*size, (unsigned)(piece - MIN(scsi->have, piece)));
        if (!*size) {
            return USB_NAK;
        }
        memcpy(scsi->buffer + scsi->have, data, *size);
        scsi->have += *size;
    }
    s->left -= *size;
    s->stage = s->left ? STAGE_DATA : STAGE_STATUS;
    if (piece && scsi->have == piece) {
        scsi->moving = true;
        usb_scsi_go_on(scsi);
    }
    return USB_OK;
}

/* To the host. When there is no more than it had, and it could not see that by a short packet, it
 * is told by a stall (6.7.2). */
static UsbStatus give_data(UsbBulkOnly *s, unsigned packet, uint8_t *data, unsigned *size)
{
    UsbScsi *scsi = &s->parent;

    if (scsi->have == scsi->used && scsi->open) {
        scsi->moving = true;
        usb_scsi_go_on(scsi);
        if (scsi->have == scsi->used && scsi->open) {
            return USB_NAK;
        }
    }
    *size = MIN(*size, MIN(scsi->have - scsi->used, s->left));
    if (!*size) {
        s->stage = STAGE_STATUS;
        return USB_STALL;
    }
    memcpy(data, scsi->buffer + scsi->used, *size);
    scsi->used += *size;
    s->left -= *size;
    if (!s->left || *size % packet) {
        s->stage = STAGE_STATUS;
    }
    return USB_OK;
}

static UsbStatus give_status(UsbBulkOnly *s, uint8_t *data, unsigned *size)
{
    UsbScsi *scsi = &s->parent;

    if (scsi->moving || scsi->busy) {
        usb_scsi_go_on(scsi);
        if (scsi->moving || scsi->busy) {
            return USB_NAK;
        }
    }
    if (*size < CSW_BYTES) {
        return USB_STALL;
    }
    if (scsi->open) { /* the host has moved less than the unit wanted */
        usb_scsi_drop(scsi);
        s->status = STATUS_PHASE_ERROR;
    }
    put_long(data, CSW_SIGNATURE);
    put_long(data + 4, s->tag);
    put_long(data + 8, s->left);
    data[12] = s->status;
    *size = CSW_BYTES;
    s->stage = STAGE_COMMAND;
    return USB_OK;
}

UsbStatus usb_bulk_only_data(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data,
                             unsigned *size)
{
    UsbBulkOnly *s = USB_BULK_ONLY(dev);
    const UsbScsi *scsi = &s->parent;
    bool in = endpoint->address == IN_ENDPOINT;

    switch (s->stage) {
    case STAGE_COMMAND:
        return in || scsi->busy ? USB_NAK : take_command(s, data, *size);
    case STAGE_DATA:
        if (in != scsi->to_host) {
            return USB_STALL;
        }
        return in ? give_data(s, endpoint->max_packet, data, size) : take_data(s, data, size);
    case STAGE_STATUS:
        return in ? give_status(s, data, size) : USB_NAK;
    default:
        return USB_STALL;
    }
}

void usb_bulk_only_reset(UsbDevice *dev)
{
    UsbBulkOnly *s = USB_BULK_ONLY(dev);
    UsbScsi *scsi = &s->parent;

    usb_scsi_drop(scsi);
    s->stage = STAGE_COMMAND;
    s->left = s->tag = s->status = 0;
    scsi->to_host = false;
    memset(scsi->cdb, 0, sizeof(scsi->cdb));
}

int usb_bulk_only_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    if (setup->request == USB_REQUEST(USB_TO_HOST | USB_CLASS | USB_INTERFACE, GET_MAX_LUN)) {
        const UsbScsi *scsi = USB_SCSI(dev);

        data[0] = scsi->bus ? (uint8_t)usb_scsi_bus_last_lun(scsi) : 0;
        return 1;
    }
    if (setup->request == USB_REQUEST(USB_CLASS | USB_INTERFACE, RESET)) {
        usb_bulk_only_reset(dev);
        return 0;
    }
    return -1;
}

/* What was no command is forgotten by a reset only. */
void usb_bulk_only_unhalted(UsbDevice *dev, uint8_t address)
{
    if (USB_BULK_ONLY(dev)->stage == STAGE_BROKEN) {
        usb_device_halt(dev, address);
    }
}

static const StateField fields[] = {
    STATE_STRUCT(UsbBulkOnly, parent, &usb_scsi_state),
    STATE_UINT_MAX(UsbBulkOnly, stage, USB_BULK_ONLY_STAGES - 1),
    STATE_UINT(UsbBulkOnly, tag),
    STATE_UINT(UsbBulkOnly, left),
    STATE_UINT_MAX(UsbBulkOnly, status, USB_BULK_ONLY_STATUSES - 1),
    {},
};
const StateTable usb_bulk_only_state = { .name = "usb-bulk-only", .version = 1, .fields = fields };

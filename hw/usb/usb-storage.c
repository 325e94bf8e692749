/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-storage: a SCSI disk by USB (Mass Storage Class, Bulk-Only Transport 1.0). The host sends a
 * command in a wrapper (CBW), then moves data, then asks how that went (CSW). Data go through a
 * buffer, a piece of the SCSI request at a time; while one is under way the device answers NAK.
 *
 * Sections are of the Bulk-Only Transport. Machine lock for everything.
 */
#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/core/runstate.h"
#include "hw/scsi/scsi.h"
#include "hw/usb/usb-bus.h"
#include "util/error.h"
#include "util/units.h"

#define TYPE_USB_STORAGE "usb-storage"

enum { IN_ENDPOINT = 0x81, OUT_ENDPOINT = 0x02, BUFFER = 64 * 1024 };
enum {
    CBW_BYTES = 31,
    CSW_BYTES = 13,
    CDB_MAX = 16,
    CBW_SIGNATURE = 0x43425355,
    CSW_SIGNATURE = 0x53425355
};
enum { STATUS_GOOD = 0, STATUS_FAILED = 1, STATUS_PHASE_ERROR = 2 };
enum { GET_MAX_LUN = 0xfe, RESET = 0xff };

typedef enum Stage {
    STAGE_COMMAND,
    STAGE_DATA,
    STAGE_STATUS,
    STAGE_BROKEN, /* what came was no command: until a reset (6.6.1) */
} Stage;

typedef struct UsbStorage {
    UsbDevice parent;
    ScsiUnit unit;
    uint8_t stage;
    uint32_t tag;
    uint32_t left; /* bytes that the host still wants to move */
    bool to_host;
    uint8_t status;
    uint8_t cdb[CDB_MAX];
    bool open;           /* the unit is at the command still */
    bool moving;         /* a piece is to be moved, or the command without data to be done */
    uint64_t moved;      /* bytes of the SCSI request */
    uint32_t have, used; /* bytes in the buffer; and that the host has taken of them */
    GBytes *saved;       /* the buffer, in a saved machine */
    /* configuration */
    BlockConf conf;
    bool removable;
    /* wiring */
    ScsiRequest request;
    bool begun; /* `request` is the command's; one of a saved machine is begun anew */
    bool busy;  /* and a piece of it under way */
    struct iovec iov;
    char *below; /* its place, for firmware */
    uint8_t buffer[BUFFER];
} UsbStorage;
OBJECT_CAST_DEFINE(UsbStorage, USB_STORAGE, TYPE_USB_STORAGE)

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
static const UsbConfiguration full_speed = { 8, USB_SELF_POWERED, 0, &full_interface, 1 };
static const UsbConfiguration high_speed = { 64, USB_SELF_POWERED, 0, &high_interface, 1 };
static const UsbDescription description = {
    .vendor = 0x46f4,
    .product = 0x0001,
    .maker = "QEMU",
    .name = "QEMU USB HARDDRIVE",
    .serial = "1",
    .speeds = { [USB_SPEED_FULL] = &full_speed, [USB_SPEED_HIGH] = &high_speed },
};

static const UsbDescription *describe(const UsbDevice *dev)
{
    return &description;
}

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

static void move_piece(UsbStorage *s);

static void tell(UsbStorage *s)
{
    usb_device_ready(&s->parent,
                     s->to_host || s->stage == STAGE_STATUS ? IN_ENDPOINT : OUT_ENDPOINT);
}

static void done(ScsiRequest *r, ScsiEnd how)
{
    UsbStorage *s = r->opaque;
    bool cancelled = !s->begun; /* by a reset, which goes on without it */

    s->busy = false;
    if (how == SCSI_RETRY) { /* when the machine goes on, anew */
        scsi_forget(r);
        s->begun = false;
        return;
    }
    if (cancelled) {
        tell(s);
        return;
    }
    s->moving = false;
    if (how != SCSI_MOVED) {
        s->begun = s->open = false;
        s->status = how == SCSI_ENDED && r->status == SCSI_GOOD ? STATUS_GOOD : STATUS_FAILED;
    }
    if (s->to_host) {
        s->have = s->status == STATUS_GOOD ? (uint32_t)s->iov.iov_len : 0;
        s->used = 0;
    } else {
        s->have = 0;
    }
    s->moved += s->iov.iov_len;
    tell(s);
}

/* Begin the command, or go on with one of a saved machine. False: it has ended. */
static bool begin(UsbStorage *s)
{
    ScsiRequest *r = &s->request;

    *r = (ScsiRequest){ .unit = &s->unit, .done = done, .opaque = s };
    memcpy(r->cdb, s->cdb, CDB_MAX);
    scsi_begin(r);
    s->begun = true;
    if (s->moved > r->bytes || s->moved % SCSI_PIECE) {
        scsi_forget(r);
        s->begun = s->open = s->moving = false;
        s->status = STATUS_FAILED;
        return false;
    }
    r->moved = s->moved;
    return true;
}

static void move_piece(UsbStorage *s)
{
    const ScsiRequest *r = &s->request;

    if (s->busy || !s->moving || !runstate_is_running() || (!s->begun && !begin(s))) {
        return;
    }
    s->iov = (struct iovec){ s->buffer, MIN(r->bytes - s->moved, (uint64_t)BUFFER) };
    s->busy = true;
    scsi_move(&s->request, &s->iov, s->iov.iov_len ? 1 : 0);
    if (s->busy) {
        block_submitted(s->conf.backend);
    }
}

/* The command goes no further. */
static void drop(UsbStorage *s)
{
    if (s->busy) {
        s->begun = false;
        scsi_cancel(&s->request);
    } else if (s->begun) {
        scsi_forget(&s->request);
    }
    s->begun = s->open = s->moving = false;
    s->have = s->used = 0;
    s->moved = 0;
}

/* ---- the host's side ---- */

/* Do host and unit agree about the data (6.7)? A unit that has less than the host wants is fine. */
static bool agree(const UsbStorage *s)
{
    const ScsiRequest *r = &s->request;

    return !r->bytes || (r->bytes <= s->left && (r->direction == SCSI_IN) == s->to_host);
}

static UsbStatus take_command(UsbStorage *s, const uint8_t *p, unsigned size)
{
    if (size != CBW_BYTES || get_long(p) != CBW_SIGNATURE || p[13] & 0xf || !(p[14] & 0x1f) ||
        (p[14] & 0x1f) > CDB_MAX) {
        s->stage = STAGE_BROKEN;
        usb_device_halt(&s->parent, IN_ENDPOINT);
        return USB_STALL;
    }
    s->tag = get_long(p + 4);
    s->left = get_long(p + 8);
    s->to_host = p[12] & 0x80;
    memset(s->cdb, 0, sizeof(s->cdb));
    memcpy(s->cdb, p + 15, p[14] & 0x1f);
    s->status = STATUS_GOOD;
    s->moved = 0;
    s->have = s->used = 0;
    s->open = true;
    s->stage = s->left ? STAGE_DATA : STAGE_STATUS;
    if (begin(s)) {
        if (agree(s)) {
            s->moving = s->to_host || !s->request.bytes;
            move_piece(s);
        } else {
            drop(s);
            s->status = STATUS_PHASE_ERROR;
        }
    }
    return USB_OK;
}

/* From the host: until a piece is there. What the unit does not want is dropped. */
static UsbStatus take_data(UsbStorage *s, const uint8_t *data, unsigned *size)
{
    uint64_t piece = 0;

    if (*size > s->left) {
        return USB_STALL;
    }
    if (s->open && s->begun) {
        piece = MIN(s->request.bytes - s->moved, (uint64_t)BUFFER);
    }
    if (s->moving) {
        return USB_NAK;
    }
    if (s->open && !s->begun) { /* of a saved machine */
        if (!begin(s)) {
            return USB_NAK;
        }
        piece = MIN(s->request.bytes - s->moved, (uint64_t)BUFFER);
    }
    if (piece) {
        *size = MIN(*size, (unsigned)(piece - MIN(s->have, piece)));
        if (!*size) {
            return USB_NAK;
        }
        memcpy(s->buffer + s->have, data, *size);
        s->have += *size;
    }
    s->left -= *size;
    s->stage = s->left ? STAGE_DATA : STAGE_STATUS;
    if (piece && s->have == piece) {
        s->moving = true;
        move_piece(s);
    }
    return USB_OK;
}

/* To the host. When there is no more than it had, and it could not see that by a short packet, it
 * is told by a stall (6.7.2). */
static UsbStatus give_data(UsbStorage *s, unsigned packet, uint8_t *data, unsigned *size)
{
    if (s->have == s->used && s->open) {
        s->moving = true;
        move_piece(s);
        if (s->have == s->used && s->open) {
            return USB_NAK;
        }
    }
    *size = MIN(*size, MIN(s->have - s->used, s->left));
    if (!*size) {
        s->stage = STAGE_STATUS;
        return USB_STALL;
    }
    memcpy(data, s->buffer + s->used, *size);
    s->used += *size;
    s->left -= *size;
    if (!s->left || *size % packet) {
        s->stage = STAGE_STATUS;
    }
    return USB_OK;
}

static UsbStatus give_status(UsbStorage *s, uint8_t *data, unsigned *size)
{
    if (s->moving || s->busy) {
        move_piece(s);
        if (s->moving || s->busy) {
            return USB_NAK;
        }
    }
    if (*size < CSW_BYTES) {
        return USB_STALL;
    }
    if (s->open) { /* the host has moved less than the unit wanted */
        drop(s);
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

static UsbStatus storage_data(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data,
                              unsigned *size)
{
    UsbStorage *s = USB_STORAGE(dev);
    bool in = endpoint->address == IN_ENDPOINT;

    switch (s->stage) {
    case STAGE_COMMAND:
        return in || s->busy ? USB_NAK : take_command(s, data, *size);
    case STAGE_DATA:
        if (in != s->to_host) {
            return USB_STALL;
        }
        return in ? give_data(s, endpoint->max_packet, data, size) : take_data(s, data, size);
    case STAGE_STATUS:
        return in ? give_status(s, data, size) : USB_NAK;
    default:
        return USB_STALL;
    }
}

static void storage_reset(UsbDevice *dev)
{
    UsbStorage *s = USB_STORAGE(dev);

    drop(s);
    s->stage = STAGE_COMMAND;
    s->left = s->tag = s->status = 0;
    s->to_host = false;
    memset(s->cdb, 0, sizeof(s->cdb));
}

static int storage_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    if (setup->request == USB_REQUEST(USB_TO_HOST | USB_CLASS | USB_INTERFACE, GET_MAX_LUN)) {
        data[0] = 0;
        return 1;
    }
    if (setup->request == USB_REQUEST(USB_CLASS | USB_INTERFACE, RESET)) {
        storage_reset(dev);
        return 0;
    }
    return -1;
}

/* What was no command is forgotten by a reset only. */
static void storage_unhalted(UsbDevice *dev, uint8_t address)
{
    if (USB_STORAGE(dev)->stage == STAGE_BROKEN) {
        usb_device_halt(dev, address);
    }
}

/* ---- life ---- */

static void machine_starts(void *opaque)
{
    move_piece(opaque);
}

static void resized(void *opaque)
{
    scsi_unit_resized(&USB_STORAGE(opaque)->unit);
}

static void device_reset(Device *obj)
{
    usb_device_reset(obj);
    block_drain(USB_STORAGE(obj)->conf.backend);
    scsi_unit_reset(&USB_STORAGE(obj)->unit);
}

static bool start_unit(UsbStorage *s, GError **errp)
{
    ScsiUnit *unit = &s->unit;
    g_autofree char *place = usb_port_firmware_path(s->parent.port, "storage");

    unit->kind = &scsi_disk_kind;
    unit->conf = &s->conf;
    unit->removable = s->removable;
    unit->max_io = INT32_MAX;
    unit->max_unmap = GIB;
    unit->opaque = s;
    unit->drive = s->conf.backend->name ? s->conf.drive : "";
    unit->id = s->parent.parent.id ? s->parent.parent.id : s->conf.backend->device;
    s->below = g_strconcat(place, "/channel@0/disk@0,0", NULL);
    return scsi_unit_realize(unit, errp) &&
           boot_order_add(&s->parent.parent, s->conf.boot_index, s->parent.port->bus->card, "usb",
                          s->below, errp);
}

static bool storage_realize(UsbDevice *dev, GError **errp)
{
    enum { MAX_SERIAL = 36 };
    static const BlockBackendOps ops = { .resized = resized };
    UsbStorage *s = USB_STORAGE(dev);

    if (!block_conf_realize(&s->conf, &dev->parent, BLOCK_SECTOR, MAX_SERIAL, false, loop_main(),
                            &ops, s, errp)) {
        return false;
    }
    if (!start_unit(s, errp)) {
        g_clear_pointer(&s->below, g_free);
        block_conf_unrealize(&s->conf);
        return false;
    }
    g_free(dev->serial);
    dev->serial = g_strdup(s->conf.serial);
    runstate_add_start(machine_starts, s);
    return true;
}

static void storage_unrealize(UsbDevice *dev)
{
    UsbStorage *s = USB_STORAGE(dev);

    runstate_remove_start(machine_starts, s);
    drop(s);
    block_drain(s->conf.backend);
    boot_order_remove(&dev->parent);
    g_clear_pointer(&s->below, g_free);
    g_clear_pointer(&dev->serial, g_free);
    block_conf_unrealize(&s->conf);
}

static void storage_finalize(Object *obj)
{
    g_clear_pointer(&USB_STORAGE(obj)->saved, g_bytes_unref);
}

static void save_buffer(void *obj)
{
    UsbStorage *s = obj;

    g_clear_pointer(&s->saved, g_bytes_unref);
    s->saved = g_bytes_new(s->buffer, s->have);
}

static bool load_buffer(void *obj, GError **errp)
{
    UsbStorage *s = obj;
    gsize size = 0;
    const void *bytes = s->saved ? g_bytes_get_data(s->saved, &size) : NULL;

    if (size != s->have || s->have > BUFFER || s->used > s->have) {
        error_set(errp, "saved: %zu bytes, of which there are %u, and %u were taken", size, s->have,
                  s->used);
        return false;
    }
    if (size) {
        memcpy(s->buffer, bytes, size);
    }
    g_clear_pointer(&s->saved, g_bytes_unref);
    return true;
}

static const StateField storage_fields[] = {
    STATE_STRUCT(UsbStorage, parent, &usb_device_state),
    STATE_STRUCT(UsbStorage, unit, &scsi_unit_state),
    STATE_UINT_MAX(UsbStorage, stage, STAGE_BROKEN),
    STATE_UINT(UsbStorage, tag),
    STATE_UINT(UsbStorage, left),
    STATE_BOOL(UsbStorage, to_host),
    STATE_UINT_MAX(UsbStorage, status, STATUS_PHASE_ERROR),
    STATE_UINTS(UsbStorage, cdb),
    STATE_BOOL(UsbStorage, open),
    STATE_BOOL(UsbStorage, moving),
    STATE_UINT(UsbStorage, moved),
    STATE_UINT(UsbStorage, have),
    STATE_UINT(UsbStorage, used),
    STATE_BLOB(UsbStorage, saved),
    {},
};
static const StateTable storage_state = { .name = TYPE_USB_STORAGE,
                                          .version = 1,
                                          .fields = storage_fields,
                                          .pre_save = save_buffer,
                                          .post_load = load_buffer };

static const UsbDeviceClass storage_ops = {
    .device = { .category = "storage",
                .bus = TYPE_USB_BUS,
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG,
                .realize = usb_device_realize,
                .unrealize = usb_device_unrealize,
                .reset = device_reset,
                .wake = usb_device_wake,
                .state = &storage_state },
    .describe = describe,
    .realize = storage_realize,
    .unrealize = storage_unrealize,
    .reset = storage_reset,
    .control = storage_control,
    .data = storage_data,
    .unhalted = storage_unhalted,
};

static const Property storage_properties[] = {
    { .name = "removable",
      .kind = PROP_BOOL,
      .offset = offsetof(UsbStorage, removable),
      .has_default = true,
      .description = "the guest sees a removable disk" },
    BLOCK_CONF_PROPERTIES(offsetof(UsbStorage, conf)),
    { 0 },
};

static const ObjectType storage_type = {
    .name = TYPE_USB_STORAGE,
    .parent = TYPE_USB_DEVICE,
    .description = "USB disk",
    .instance_size = sizeof(UsbStorage),
    .properties = storage_properties,
    .ops = &storage_ops,
    .finalize = storage_finalize,
};
OBJECT_TYPE_REGISTER(storage_type)

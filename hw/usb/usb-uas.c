/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-uas: a SCSI bus by USB Attached SCSI, with disks and CDs as LUNs 0 to 255. Commands and task
 * management come by a pipe of their own, and what is told of them goes by another one: that data
 * can be moved now (READ READY, WRITE READY), and how it ended. Without streams, as at high speed.
 *
 * The host may send many commands; they are carried out one after the other, in their order.
 *
 * Sections are of UAS, T10/2095-D revision 4. Machine lock for everything.
 */
#include <string.h>

#include "hw/core/runstate.h"
#include "hw/usb/usb-scsi.h"
#include "util/error.h"

#define TYPE_USB_UAS "usb-uas"
#define MAX_LUN      255

enum { COMMAND = 0x01, STATUS = 0x82, DATA_IN = 0x83, DATA_OUT = 0x04 }; /* endpoints */
enum { TASKS = 64, STATUSES = 64, STATUS_BYTES = 16 + SCSI_SENSE_BYTES };
enum { ROOM = 4 }; /* information units that may come of what is done next */

/* Information units (6.2). */
enum {
    IU_COMMAND = 0x01,
    IU_SENSE = 0x03,
    IU_RESPONSE = 0x04,
    IU_TASK_MANAGEMENT = 0x05,
    IU_READ_READY = 0x06,
    IU_WRITE_READY = 0x07
};
enum { COMMAND_BYTES = 32, MANAGEMENT_BYTES = 16, READY_BYTES = 4, RESPONSE_BYTES = 8 };
enum {
    RESPONSE_COMPLETE = 0x00,
    RESPONSE_INVALID = 0x02,
    RESPONSE_NOT_SUPPORTED = 0x04,
    RESPONSE_SUCCEEDED = 0x08,
    RESPONSE_INCORRECT_LUN = 0x09,
    RESPONSE_OVERLAPPED = 0x0a
};
enum {
    ABORT_TASK = 0x01,
    ABORT_TASK_SET = 0x02,
    CLEAR_TASK_SET = 0x04,
    LOGICAL_UNIT_RESET = 0x08,
    NEXUS_RESET = 0x10,
    QUERY_TASK = 0x80,
    QUERY_TASK_SET = 0x81
};

typedef struct UasTask {
    uint16_t tag;
    uint8_t lun;
    uint8_t cdb[USB_SCSI_CDB];
} UasTask;

/* For the status pipe. */
typedef struct UasStatus {
    uint8_t size;
    uint8_t bytes[STATUS_BYTES];
} UasStatus;

typedef struct UsbUas {
    UsbScsi parent;
    UasTask tasks[TASKS]; /* the first one is carried out, if `active` */
    uint8_t task_count;
    UasStatus statuses[STATUSES];
    uint8_t status_count;
    bool active;
    bool told;  /* that it can move data */
    bool ended; /* the unit is done; the host may have data to take */
    uint8_t status;
    uint8_t sense[SCSI_SENSE_BYTES];
    bool zero; /* if the host wants more than there was, it is told by an empty packet */
    /* wiring */
    bool running;
} UsbUas;
OBJECT_CAST_DEFINE(UsbUas, USB_UAS, TYPE_USB_UAS)

/* ---- descriptors: each pipe says what it is for (5.2.3.5) ---- */

#define PIPE_USAGE(id)   \
    (const uint8_t[])    \
    {                    \
        4, 0x24, (id), 0 \
    }
#define PIPES(packet)                                                                \
    {                                                                                \
        { COMMAND, USB_BULK, packet, .extra = PIPE_USAGE(1), .extra_size = 4 },      \
            { STATUS, USB_BULK, packet, .extra = PIPE_USAGE(2), .extra_size = 4 },   \
            { DATA_IN, USB_BULK, packet, .extra = PIPE_USAGE(3), .extra_size = 4 },  \
            { DATA_OUT, USB_BULK, packet, .extra = PIPE_USAGE(4), .extra_size = 4 }, \
    }
#define INTERFACE(pipes)                                                   \
    {                                                                      \
        .class = 8, .subclass = 6, .protocol = 0x62, .endpoints = (pipes), \
        .endpoint_count = G_N_ELEMENTS(pipes)                              \
    }

static const UsbEndpoint full_pipes[] = PIPES(64), high_pipes[] = PIPES(512);
static const UsbInterface full_interface = INTERFACE(full_pipes);
static const UsbInterface high_interface = INTERFACE(high_pipes);
static const UsbConfiguration full_speed = { 8, USB_SELF_POWERED, 0, &full_interface, 1 };
static const UsbConfiguration high_speed = { 64, USB_SELF_POWERED, 0, &high_interface, 1 };
static const UsbDescription description = {
    .vendor = 0x46f4,
    .product = 0x0003,
    .maker = "QEMU",
    .name = "USB Attached SCSI HBA",
    .serial = "27842",
    .speeds = { [USB_SPEED_FULL] = &full_speed, [USB_SPEED_HIGH] = &high_speed },
};

static const UsbDescription *describe(const UsbDevice *dev)
{
    return &description;
}

static void put_word(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint16_t get_word(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void tell(UsbUas *s, uint8_t endpoint)
{
    usb_device_ready(USB_DEVICE(s), endpoint);
}

/* ---- what is told ---- */

/* There is room: nothing is begun without. */
static uint8_t *add_status(UsbUas *s, uint8_t id, uint16_t tag, unsigned size)
{
    UasStatus *iu = &s->statuses[s->status_count];

    g_assert(s->status_count < STATUSES);
    s->status_count++;
    memset(iu, 0, sizeof(*iu));
    iu->size = (uint8_t)size;
    iu->bytes[0] = id;
    put_word(iu->bytes + 2, tag);
    return iu->bytes;
}

static bool has_room(const UsbUas *s)
{
    return s->status_count <= STATUSES - ROOM;
}

static void remove_status(UsbUas *s, unsigned index)
{
    s->status_count--;
    memmove(&s->statuses[index], &s->statuses[index + 1],
            (s->status_count - index) * sizeof(UasStatus));
}

static void respond(UsbUas *s, uint16_t tag, uint8_t code)
{
    add_status(s, IU_RESPONSE, tag, RESPONSE_BYTES)[7] = code;
    tell(s, STATUS);
}

static void remove_task(UsbUas *s, unsigned index)
{
    s->task_count--;
    memmove(&s->tasks[index], &s->tasks[index + 1], (s->task_count - index) * sizeof(UasTask));
}

/* ---- the task that is carried out ---- */

static void end(UsbUas *s, uint8_t status, ScsiSense sense)
{
    s->ended = true;
    s->status = status;
    scsi_sense_data(sense, s->sense);
}

static void start(UsbUas *s)
{
    UsbScsi *scsi = &s->parent;

    s->active = true;
    s->told = s->ended = false;
    memcpy(scsi->cdb, s->tasks[0].cdb, sizeof(scsi->cdb));
    scsi->lun = s->tasks[0].lun;
    scsi->moved = 0;
    scsi->have = scsi->used = 0;
    scsi->open = true;
    if (!usb_scsi_begin(scsi)) {
        end(s, SCSI_CHECK_CONDITION, SCSI_SENSE_LUN_NOT_SUPPORTED);
        return;
    }
    scsi->to_host = scsi->request.direction == SCSI_IN;
    scsi->moving = scsi->to_host || !scsi->request.bytes;
    if (scsi->moving) {
        usb_scsi_go_on(scsi);
    } else {
        add_status(s, IU_WRITE_READY, s->tasks[0].tag, READY_BYTES);
        s->told = true;
        tell(s, STATUS);
    }
}

static void finish(UsbUas *s)
{
    bool sense = s->status == SCSI_CHECK_CONDITION;
    uint8_t *iu = add_status(s, IU_SENSE, s->tasks[0].tag, sense ? STATUS_BYTES : 16);

    iu[6] = s->status;
    if (sense) {
        put_word(iu + 14, SCSI_SENSE_BYTES);
        memcpy(iu + 16, s->sense, SCSI_SENSE_BYTES);
    }
    s->active = s->told = s->ended = false;
    remove_task(s, 0);
    tell(s, STATUS);
    tell(s, COMMAND);
}

static bool step(UsbUas *s)
{
    const UsbScsi *scsi = &s->parent;

    if (s->active && s->ended && scsi->have == scsi->used) {
        finish(s);
        return true;
    }
    /* Not while the machine stands: what the unit said of a task that it began is not saved. */
    if (!s->active && s->task_count && has_room(s) && !scsi->busy && runstate_is_running()) {
        start(s);
        return true;
    }
    return false;
}

static void run(UsbScsi *scsi)
{
    UsbUas *s = USB_UAS(scsi);

    if (s->running) {
        return; /* who runs looks again */
    }
    s->running = true;
    while (step(s)) {
    }
    s->running = false;
}

static void moved(UsbScsi *scsi, ScsiEnd how)
{
    UsbUas *s = USB_UAS(scsi);

    if (how != SCSI_MOVED) {
        end(s, scsi->request.status, scsi->request.sense);
    }
    if (scsi->have && !s->told) {
        add_status(s, IU_READ_READY, s->tasks[0].tag, READY_BYTES);
        s->told = true;
        tell(s, STATUS);
    }
    tell(s, scsi->to_host ? DATA_IN : DATA_OUT);
    run(scsi);
}

static void dropped(UsbScsi *scsi)
{
    tell(USB_UAS(scsi), STATUS);
    run(scsi);
}

static void lost(UsbScsi *scsi)
{
    end(USB_UAS(scsi), SCSI_CHECK_CONDITION, SCSI_SENSE_LUN_NOT_SUPPORTED);
    run(scsi);
}

/* ---- task management (6.2.6) ---- */

/* No more is heard of the task. */
static void abort_task(UsbUas *s, unsigned index)
{
    uint16_t tag = s->tasks[index].tag;

    for (unsigned i = s->status_count; i-- > 0;) {
        if (get_word(s->statuses[i].bytes + 2) == tag && s->statuses[i].bytes[0] >= IU_READ_READY) {
            remove_status(s, i);
        }
    }
    if (index == 0 && s->active) {
        usb_scsi_drop(&s->parent);
        s->active = s->told = s->ended = false;
    }
    remove_task(s, index);
}

static int find_task(const UsbUas *s, uint16_t tag)
{
    for (unsigned i = 0; i < s->task_count; i++) {
        if (s->tasks[i].tag == tag) {
            return (int)i;
        }
    }
    return -1;
}

/* Those of @lun; negative: all. How many they were. */
static unsigned count_tasks(const UsbUas *s, int lun)
{
    unsigned count = 0;

    for (unsigned i = 0; i < s->task_count; i++) {
        count += lun < 0 || s->tasks[i].lun == lun;
    }
    return count;
}

static void abort_tasks(UsbUas *s, int lun)
{
    for (unsigned i = s->task_count; i-- > 0;) {
        if (lun < 0 || s->tasks[i].lun == lun) {
            abort_task(s, i);
        }
    }
}

/* A LUN (SAM-4, 4.6) of one level; -1: there are no such ones. */
static int lun_of(const uint8_t *p)
{
    static const uint8_t rest[6] = { 0 };

    return (p[0] == 0 || p[0] == 0x40) && memcmp(p + 2, rest, sizeof(rest)) == 0 ? p[1] : -1;
}

static uint8_t manage(UsbUas *s, const uint8_t *iu)
{
    int lun = lun_of(iu + 8), task = find_task(s, get_word(iu + 6));
    bool absent = true;
    ScsiUnit *unit = lun < 0 ? NULL : usb_scsi_bus_unit(&s->parent, (unsigned)lun, &absent);

    if (iu[4] == NEXUS_RESET) {
        abort_tasks(s, -1);
        return RESPONSE_COMPLETE;
    }
    if (absent) {
        return RESPONSE_INCORRECT_LUN;
    }
    switch (iu[4]) {
    case ABORT_TASK:
        if (task >= 0 && s->tasks[task].lun == lun) {
            abort_task(s, (unsigned)task);
        }
        return RESPONSE_COMPLETE;
    case LOGICAL_UNIT_RESET:
        abort_tasks(s, lun);
        scsi_unit_reset(unit);
        return RESPONSE_COMPLETE;
    case ABORT_TASK_SET:
    case CLEAR_TASK_SET:
        abort_tasks(s, lun);
        return RESPONSE_COMPLETE;
    case QUERY_TASK:
        return task >= 0 && s->tasks[task].lun == lun ? RESPONSE_SUCCEEDED : RESPONSE_COMPLETE;
    case QUERY_TASK_SET:
        return count_tasks(s, lun) ? RESPONSE_SUCCEEDED : RESPONSE_COMPLETE;
    default:
        return RESPONSE_NOT_SUPPORTED;
    }
}

/* ---- pipes ---- */

static void take_task(UsbUas *s, const uint8_t *iu)
{
    int lun = lun_of(iu + 8);
    UasTask *task = &s->tasks[s->task_count];

    if (find_task(s, get_word(iu + 2)) >= 0) {
        respond(s, get_word(iu + 2), RESPONSE_OVERLAPPED);
    } else if (lun < 0) {
        respond(s, get_word(iu + 2), RESPONSE_INCORRECT_LUN);
    } else {
        task->tag = get_word(iu + 2);
        task->lun = (uint8_t)lun;
        memcpy(task->cdb, iu + 16, sizeof(task->cdb));
        s->task_count++;
        run(&s->parent);
    }
}

static UsbStatus take_command(UsbUas *s, const uint8_t *iu, unsigned size)
{
    if (s->task_count == TASKS || !has_room(s)) {
        return USB_NAK;
    }
    if (size < 4) {
        return USB_STALL;
    }
    if (iu[0] == IU_COMMAND && size == COMMAND_BYTES && !(iu[6] >> 2)) {
        take_task(s, iu);
    } else if (iu[0] == IU_TASK_MANAGEMENT && size == MANAGEMENT_BYTES) {
        if (find_task(s, get_word(iu + 2)) >= 0) {
            respond(s, get_word(iu + 2), RESPONSE_OVERLAPPED);
        } else {
            uint8_t code = manage(s, iu);

            respond(s, get_word(iu + 2), code);
            run(&s->parent);
        }
    } else {
        respond(s, get_word(iu + 2), RESPONSE_INVALID);
    }
    return USB_OK;
}

/* Nothing while a task that was aborted is under way still: that it is, would not be true. */
static UsbStatus give_status(UsbUas *s, uint8_t *data, unsigned *size)
{
    UasStatus *iu = &s->statuses[0];

    if (!s->status_count || (s->parent.busy && !s->parent.begun)) {
        return USB_NAK;
    }
    if (*size < iu->size) {
        return USB_STALL;
    }
    *size = iu->size;
    memcpy(data, iu->bytes, iu->size);
    if (iu->bytes[0] == IU_READ_READY) {
        s->zero = false; /* what the host asks for from now on is of this task */
    }
    remove_status(s, 0);
    tell(s, COMMAND);
    run(&s->parent);
    return USB_OK;
}

static UsbStatus give_data(UsbUas *s, unsigned packet, uint8_t *data, unsigned *size)
{
    UsbScsi *scsi = &s->parent;

    if (s->zero) {
        s->zero = false;
        *size = 0;
        return USB_OK;
    }
    if (!s->active || !s->told || !scsi->to_host) {
        return USB_NAK;
    }
    if (scsi->have == scsi->used) {
        scsi->moving = scsi->open;
        usb_scsi_go_on(scsi);
        if (scsi->have == scsi->used) {
            return USB_NAK;
        }
    }
    *size = MIN(*size, scsi->have - scsi->used);
    memcpy(data, scsi->buffer + scsi->used, *size);
    scsi->used += *size;
    if (s->ended && scsi->have == scsi->used) {
        s->zero = *size % packet == 0;
    }
    run(scsi);
    return USB_OK;
}

static UsbStatus take_data(UsbUas *s, const uint8_t *data, unsigned *size)
{
    UsbScsi *scsi = &s->parent;
    uint32_t piece;

    if (!s->active || !s->told || scsi->to_host || !scsi->open || scsi->moving) {
        return USB_NAK;
    }
    if (!scsi->begun && !usb_scsi_begin(scsi)) { /* of a saved machine */
        end(s, SCSI_CHECK_CONDITION, SCSI_SENSE_LUN_NOT_SUPPORTED);
        scsi->have = scsi->used = 0;
        run(scsi);
        return USB_NAK;
    }
    piece = usb_scsi_piece(scsi);
    *size = MIN(*size, piece - MIN(scsi->have, piece));
    memcpy(scsi->buffer + scsi->have, data, *size);
    scsi->have += *size;
    if (scsi->have >= piece) {
        scsi->moving = true;
        usb_scsi_go_on(scsi);
    }
    return USB_OK;
}

static UsbStatus uas_data(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data,
                          unsigned *size)
{
    UsbUas *s = USB_UAS(dev);

    switch (endpoint->address) {
    case COMMAND:
        return take_command(s, data, *size);
    case STATUS:
        return give_status(s, data, size);
    case DATA_IN:
        return give_data(s, endpoint->max_packet, data, size);
    default:
        return take_data(s, data, size);
    }
}

/* ---- life ---- */

/* All tasks are forgotten, and nothing is told of them. */
static void uas_reset(UsbDevice *dev)
{
    UsbUas *s = USB_UAS(dev);

    usb_scsi_drop(&s->parent);
    s->task_count = s->status_count = 0;
    s->active = s->told = s->ended = s->zero = false;
}

static const UsbScsiOps scsi_ops = {
    .unit = usb_scsi_bus_unit, .moved = moved, .dropped = dropped, .lost = lost, .run = run
};

static bool uas_realize(UsbDevice *dev, GError **errp)
{
    UsbScsi *s = USB_SCSI(dev);

    s->ops = &scsi_ops;
    return usb_scsi_bus_realize(s, MAX_LUN, false, errp);
}

static void uas_unrealize(UsbDevice *dev)
{
    uas_reset(dev);
    usb_scsi_bus_unrealize(USB_SCSI(dev));
}

static void device_reset(Device *obj)
{
    usb_device_reset(obj);
    usb_scsi_bus_drain(USB_SCSI(obj));
}

/* ---- state ---- */

static bool post_load(void *obj, GError **errp)
{
    UsbUas *s = obj;

    for (unsigned i = 0; i < s->status_count; i++) {
        if (s->statuses[i].size < READY_BYTES) {
            error_set(errp, "statuses: one has %u bytes", s->statuses[i].size);
            return false;
        }
    }
    if (s->active ? !s->task_count : s->parent.open || s->parent.moving || s->ended) {
        error_set(errp, "active: there is no task, or one that is not active");
        return false;
    }
    if (s->ended && (s->parent.open || s->parent.moving)) {
        error_set(errp, "ended: the unit is at the command still");
        return false;
    }
    if (s->active && s->status_count + (s->told ? 1 : 2) > STATUSES) {
        error_set(errp, "status_count: %u, and no room for what comes of the task",
                  s->status_count);
        return false;
    }
    return true;
}

static const StateField task_fields[] = {
    STATE_UINT(UasTask, tag),
    STATE_UINT(UasTask, lun),
    STATE_UINTS(UasTask, cdb),
    {},
};
static const StateTable task_state = { .name = "uas-task", .version = 1, .fields = task_fields };

static const StateField status_fields[] = {
    STATE_UINT_MAX(UasStatus, size, STATUS_BYTES),
    STATE_UINTS(UasStatus, bytes),
    {},
};
static const StateTable status_state = { .name = "uas-status",
                                         .version = 1,
                                         .fields = status_fields };

static const StateField uas_fields[] = {
    STATE_STRUCT(UsbUas, parent, &usb_scsi_state),
    STATE_STRUCTS(UsbUas, tasks, &task_state),
    STATE_UINT_MAX(UsbUas, task_count, TASKS),
    STATE_STRUCTS(UsbUas, statuses, &status_state),
    STATE_UINT_MAX(UsbUas, status_count, STATUSES - 1),
    STATE_BOOL(UsbUas, active),
    STATE_BOOL(UsbUas, told),
    STATE_BOOL(UsbUas, ended),
    STATE_UINT(UsbUas, status),
    STATE_UINTS(UsbUas, sense),
    STATE_BOOL(UsbUas, zero),
    {},
};
static const StateTable uas_state = {
    .name = TYPE_USB_UAS, .version = 1, .fields = uas_fields, .post_load = post_load
};

static const UsbDeviceClass uas_ops = {
    .device = { .category = "storage",
                .bus = TYPE_USB_BUS,
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG,
                .realize = usb_device_realize,
                .unrealize = usb_device_unrealize,
                .reset = device_reset,
                .wake = usb_device_wake,
                .state = &uas_state },
    .describe = describe,
    .realize = uas_realize,
    .unrealize = uas_unrealize,
    .reset = uas_reset,
    .data = uas_data,
};

static const Property uas_properties[] = {
    USB_SERIAL_PROPERTY,
    USB_SCSI_ATTACHED_PROPERTY,
    { 0 },
};

static const ObjectType uas_type = {
    .name = TYPE_USB_UAS,
    .parent = TYPE_USB_DEVICE,
    .description = "SCSI bus by USB (USB Attached SCSI)",
    .instance_size = sizeof(UsbUas),
    .properties = uas_properties,
    .ops = &uas_ops,
};
OBJECT_TYPE_REGISTER(uas_type)

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way of a request, from its CDB to its status. */
#include "hw/scsi/scsi.h"

#include <errno.h>
#include <string.h>

#include "block/iov.h"
#include "qapi/qapi-events.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"

/* ---- what commands say ---- */

bool scsi_fail(ScsiRequest *r, ScsiSense sense)
{
    r->failed = true;
    r->sense = sense;
    r->has_io = false;
    return false;
}

bool scsi_answer(ScsiRequest *r, const void *data, size_t size, uint64_t asked)
{
    r->direction = SCSI_IN;
    r->asked = asked;
    r->bytes = MIN(size, asked);
    r->data = g_byte_array_new();
    g_byte_array_append(r->data, data, (guint)r->bytes);
    return true;
}

bool scsi_expect(ScsiRequest *r, uint64_t size, uint64_t most)
{
    if (size > most) {
        return scsi_fail(r, SCSI_SENSE_PARAMETER_LENGTH);
    }
    r->direction = SCSI_OUT;
    r->asked = r->bytes = size;
    r->data = g_byte_array_new();
    g_byte_array_set_size(r->data, (guint)size);
    return true;
}

bool scsi_nothing(ScsiRequest *r)
{
    return true;
}

/* ---- the end ---- */

static void free_data(ScsiRequest *r)
{
    g_clear_pointer(&r->data, g_byte_array_unref);
    g_clear_pointer(&r->bounce, g_free);
    r->has_io = r->under_way = false;
}

static void end(ScsiRequest *r, ScsiEnd how)
{
    r->under_way = false;
    if (how != SCSI_MOVED && how != SCSI_RETRY) {
        free_data(r);
    }
    r->done(r, how);
}

static void finish(ScsiRequest *r)
{
    ScsiUnit *unit = r->unit;

    r->status = r->failed ? SCSI_CHECK_CONDITION : r->other_status;
    if (r->failed && !unit->autosense) {
        unit->sense[0] = r->sense.key;
        unit->sense[1] = r->sense.asc;
        unit->sense[2] = r->sense.ascq;
    }
    end(r, SCSI_ENDED);
}

void scsi_forget(ScsiRequest *r)
{
    g_assert(!r->under_way);
    free_data(r);
}

void scsi_cancel(ScsiRequest *r)
{
    r->cancelled = r->under_way;
}

/* ---- requests of the backend ---- */

static ScsiSense sense_of(const BlockRequest *io)
{
    switch (io->error) {
    case ENOMEDIUM:
        return SCSI_SENSE_NO_MEDIUM;
    case ENOSPC:
        return SCSI_SENSE_NO_SPACE;
    case EPERM:
    case EROFS:
        return SCSI_SENSE_WRITE_PROTECTED;
    case ENOMEM:
        return SCSI_SENSE_TARGET_FAILURE;
    default:
        return io->op == BLOCK_READ ? SCSI_SENSE_READ_ERROR : SCSI_SENSE_WRITE_ERROR;
    }
}

static bool moves_blocks(const ScsiRequest *r)
{
    return r->direction != SCSI_NO_DATA && !r->data;
}

/* One has ended, somehow: true if the command goes on. */
static bool io_ended(ScsiRequest *r)
{
    BlockErrorAction action;

    if (r->cancelled) {
        end(r, SCSI_CANCELLED);
        return false;
    }
    action = r->io.error ? block_conf_failed(&r->io) : BLOCK_ERROR_ACTION_IGNORE;
    if (action == BLOCK_ERROR_ACTION_STOP) {
        r->moved -= moves_blocks(r) ? 0 : r->piece;
        end(r, SCSI_RETRY);
        return false;
    }
    if (action == BLOCK_ERROR_ACTION_REPORT) {
        scsi_fail(r, sense_of(&r->io));
        finish(r);
        return false;
    }
    r->has_io = false;
    if (!moves_blocks(r) || r->failed) {
        return true;
    }
    r->moved += r->piece;
    if (r->moved < r->bytes) {
        end(r, SCSI_MOVED);
        return false;
    }
    return true;
}

static void go_on(ScsiRequest *r);

static void io_done(BlockRequest *io)
{
    ScsiRequest *r = io->opaque;

    if (io_ended(r)) {
        go_on(r);
    }
}

/* What is left of the command, as far as it goes at once. */
static void go_on(ScsiRequest *r)
{
    do {
        if (!r->has_io) {
            r->has_io = !r->failed && r->command->step && r->command->step(r);
        }
        if (!r->has_io) {
            finish(r);
            return;
        }
        r->io.done = io_done;
        r->io.opaque = r;
        if (!block_submit(r->unit->conf->backend, &r->io)) {
            return;
        }
    } while (io_ended(r));
}

/* ---- the beginning ---- */

/* Which of what happened is told first, and how (SPC-4, D.2). */
static const struct {
    uint32_t bit;
    uint8_t asc, ascq;
} attentions[] = {
    { SCSI_ATTENTION_RESET, 0x29, 0x00 },
    { SCSI_ATTENTION_MEDIUM, 0x28, 0x00 },
    { SCSI_ATTENTION_CAPACITY, 0x2a, 0x09 },
    { SCSI_ATTENTION_LUNS, 0x3f, 0x0e },
};

bool scsi_take_attention(ScsiUnit *unit, ScsiSense *sense)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(attentions); i++) {
        if (unit->attention & attentions[i].bit) {
            unit->attention &= ~attentions[i].bit;
            *sense = SCSI_SENSE(SCSI_KEY_UNIT_ATTENTION, attentions[i].asc, attentions[i].ascq);
            return true;
        }
    }
    return false;
}

/* What every command has to get past. */
static bool check(ScsiRequest *r)
{
    ScsiUnit *unit = r->unit;
    ScsiSense sense;

    if (!r->command->begin) {
        return scsi_fail(r, SCSI_SENSE_INVALID_OPCODE);
    }
    if (r->absent && !r->command->before_attention) {
        return scsi_fail(r, SCSI_SENSE_LUN_NOT_SUPPORTED);
    }
    if (!r->command->before_attention && scsi_take_attention(unit, &sense)) {
        return scsi_fail(r, sense);
    }
    if (r->command->needs_medium && !scsi_unit_is_ready(unit)) {
        return scsi_fail(r,
                         unit->tray_open ? SCSI_SENSE_TRAY_OPEN : SCSI_SENSE_TRAY_CLOSED_NO_MEDIUM);
    }
    return true;
}

void scsi_begin(ScsiRequest *r)
{
    ScsiUnit *unit = r->unit;

    r->command = &unit->kind->commands[r->cdb[0]];
    if (!r->command->begin && unit->kind->other) {
        r->command = unit->kind->other;
    }
    r->other_status = SCSI_GOOD;
    r->direction = SCSI_NO_DATA;
    r->asked = r->bytes = r->moved = 0;
    r->io = (BlockRequest){ .op = BLOCK_READ };
    r->has_io = r->failed = r->cancelled = false;
    r->sense = SCSI_SENSE_NONE;
    if (!check(r) || !r->command->begin(r)) {
        g_assert(r->failed && !r->data);
        r->direction = SCSI_NO_DATA;
        r->asked = r->bytes = 0;
    }
    if (r->cdb[0] != SCSI_REQUEST_SENSE) {
        memset(unit->sense, 0, sizeof(unit->sense));
    }
}

/* The next piece of what is in `data`; true: it was the last one. */
static bool move_data(ScsiRequest *r, const struct iovec *iov, unsigned iovcnt)
{
    if (r->piece && r->direction == SCSI_IN) {
        iov_from_buf(iov, iovcnt, 0, r->data->data + r->moved, r->piece);
    } else if (r->piece) { /* else there may be no memory at all */
        iov_to_buf(iov, iovcnt, 0, r->data->data + r->moved, r->piece);
    }
    r->moved += r->piece;
    return r->moved == r->bytes;
}

void scsi_move(ScsiRequest *r, const struct iovec *iov, unsigned iovcnt)
{
    g_assert(!r->under_way);
    r->piece = iov_size(iov, iovcnt);
    g_assert(r->piece <= r->bytes - r->moved);
    r->under_way = true;
    if (moves_blocks(r) && r->piece) {
        r->io.iov = iov;
        r->io.iovcnt = iovcnt;
        r->io.offset = r->next + r->moved;
        r->io.bytes = r->piece;
        r->has_io = true;
    } else if (r->has_io) { /* again: the parameters are known, and `own` is what they made */
        r->moved += r->piece;
    } else if (r->data && r->direction != SCSI_NO_DATA) {
        if (!move_data(r, iov, iovcnt)) {
            end(r, SCSI_MOVED);
            return;
        }
        if (r->direction == SCSI_OUT && !r->command->received(r)) {
            finish(r);
            return;
        }
    }
    go_on(r);
}

/* ---- sense data ---- */

void scsi_sense_data(ScsiSense sense, uint8_t data[SCSI_SENSE_BYTES])
{
    memset(data, 0, SCSI_SENSE_BYTES);
    data[0] = 0x70; /* current, fixed format */
    data[2] = sense.key;
    data[7] = SCSI_SENSE_BYTES - 8;
    data[12] = sense.asc;
    data[13] = sense.ascq;
}

/* ---- units ---- */

static bool check_text(const char *name, const char *text, size_t most, GError **errp)
{
    if (text && strlen(text) > most) {
        error_set(errp, "%s=%s is longer than %zu characters", name, text, most);
        return false;
    }
    return true;
}

/* What it holds now. */
static void look(ScsiUnit *unit)
{
    unit->present = !unit->conf->backend->empty;
    unit->blocks = block_backend_size(unit->conf->backend) / unit->conf->logical;
}

bool scsi_unit_realize(ScsiUnit *unit, GError **errp)
{
    if (!check_text("vendor", unit->vendor, 8, errp) ||
        !check_text("product", unit->product, 16, errp) ||
        !check_text("ver", unit->version, 4, errp) ||
        !check_text("device_id", unit->device_id, 255 - 8, errp)) {
        return false;
    }
    unit->tray_open = false;
    look(unit);
    scsi_unit_reset(unit);
    return true;
}

void scsi_unit_reset(ScsiUnit *unit)
{
    unit->attention = SCSI_ATTENTION_RESET;
    unit->write_cache = block_conf_writeback(unit->conf);
    unit->prevented = false;
    unit->events = 0;
    memset(unit->sense, 0, sizeof(unit->sense));
}

void scsi_unit_attention(ScsiUnit *unit, uint32_t what)
{
    unit->attention |= what;
}

void scsi_unit_resized(ScsiUnit *unit)
{
    uint64_t before = unit->blocks;

    look(unit);
    if (unit->blocks != before) {
        scsi_unit_attention(unit, SCSI_ATTENTION_CAPACITY);
    }
}

/* ---- the tray ---- */

typedef struct Moved {
    char *drive, *id;
    bool open;
} Moved;

/* With the machine lock. */
static void tell_moved(void *opaque)
{
    Moved *moved = opaque;

    qapi_event_send_device_tray_moved(moved->drive, moved->id, moved->open);
    g_free(moved->drive);
    g_free(moved->id);
    g_free(moved);
}

void scsi_unit_move_tray(ScsiUnit *unit, bool open, bool by_guest)
{
    Moved *moved;

    if (unit->tray_open == open) {
        return;
    }
    unit->tray_open = open;
    unit->events &= ~SCSI_EVENT_EJECT_ASKED;
    if (unit->present) {
        unit->events |= open ? SCSI_EVENT_REMOVED : SCSI_EVENT_NEW;
        scsi_unit_attention(unit, open || by_guest ? 0 : SCSI_ATTENTION_MEDIUM);
    }
    if (open && !by_guest) { /* whatever it has said */
        unit->prevented = false;
    }
    moved = g_new(Moved, 1);
    *moved = (Moved){ g_strdup(unit->drive), g_strdup(unit->id), open };
    if (machine_lock_held()) {
        tell_moved(moved);
    } else {
        main_loop_schedule(tell_moved, moved);
    }
}

void scsi_unit_medium_changed(ScsiUnit *unit)
{
    look(unit); /* the tray is open */
    scsi_unit_attention(unit, unit->present ? SCSI_ATTENTION_MEDIUM : 0);
}

void scsi_unit_ask_eject(ScsiUnit *unit)
{
    unit->events |= SCSI_EVENT_EJECT_ASKED;
}

static bool post_load(void *obj, GError **errp)
{
    ScsiUnit *unit = obj;

    if (unit->attention & ~(uint32_t)SCSI_ATTENTION_ALL) {
        error_set(errp, "attention 0x%x has bits that nothing sets", unit->attention);
        return false;
    }
    if (unit->events & ~SCSI_EVENT_ALL || (unit->tray_open && !unit->kind->has_tray)) {
        error_set(errp, "there is no such event, or no tray");
        return false;
    }
    return true;
}

static const StateField unit_fields[] = {
    STATE_UINT(ScsiUnit, attention),
    STATE_BOOL(ScsiUnit, write_cache),
    STATE_BOOL(ScsiUnit, prevented),
    STATE_BOOL(ScsiUnit, tray_open),
    STATE_UINT(ScsiUnit, events),
    STATE_UINTS(ScsiUnit, sense),
    {},
};
const StateTable scsi_unit_state = {
    .name = "scsi-unit", .version = 1, .fields = unit_fields, .post_load = post_load
};

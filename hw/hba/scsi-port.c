/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/hba/scsi-port.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "util/error.h"

static void move_piece(ScsiPort *p);

/* The next piece that is to come from the initiator, or from the unit. */
static void next_piece(ScsiPort *p)
{
    p->piece = (uint32_t)MIN(p->request.bytes - p->moved, (uint64_t)SCSI_PORT_BUFFER);
    p->have = p->used = 0;
    p->moving = p->to_guest || !p->piece;
}

static void done(ScsiRequest *r, ScsiEnd how)
{
    ScsiPort *p = r->opaque;

    p->busy = false;
    if (how == SCSI_RETRY) { /* when the machine goes on, anew */
        scsi_forget(r);
        p->begun = false;
        return;
    }
    if (!p->begun) { /* cancelled; whoever did it waits */
        return;
    }
    p->moving = false;
    p->moved += p->iov.iov_len;
    p->have = p->to_guest && (how == SCSI_MOVED || r->status == SCSI_GOOD) ? p->piece : 0;
    p->used = 0;
    if (how != SCSI_MOVED) {
        p->begun = p->open = false;
        p->status = how == SCSI_ENDED ? r->status : SCSI_BUSY;
        p->piece = 0;
    } else if (!p->to_guest) {
        next_piece(p);
    }
    p->ready(p);
}

/* Begin the command, or go on with one of a saved machine. False: it has ended. */
static bool begin(ScsiPort *p)
{
    ScsiRequest *r = &p->request;
    ScsiDevice *other;

    p->dev = scsi_bus_find(p->bus, 0, p->target, p->lun, &other);
    if (p->dev || other) {
        *r = (ScsiRequest){ .done = done, .opaque = p, .absent = !p->dev };
        p->dev = p->dev ? p->dev : other;
        r->unit = &p->dev->unit;
        memcpy(r->cdb, p->cdb, sizeof(p->cdb));
        scsi_begin(r);
        if (p->moved <= r->bytes && !(p->moved % SCSI_PIECE && p->moved < r->bytes)) {
            r->moved = p->moved;
            p->begun = true;
            return true;
        }
        scsi_forget(r);
    }
    p->open = p->moving = false;
    p->have = p->used = p->piece = 0;
    p->status = SCSI_BUSY;
    return false;
}

static void move_piece(ScsiPort *p)
{
    if (p->busy || !p->moving || !runstate_is_running()) {
        return;
    }
    if (!p->begun) {
        if (!begin(p)) {
            p->ready(p);
            return;
        }
        p->piece = (uint32_t)MIN(p->request.bytes - p->moved, (uint64_t)SCSI_PORT_BUFFER);
    }
    p->iov = (struct iovec){ p->buffer, p->piece };
    p->busy = true;
    scsi_move(&p->request, &p->iov, p->piece ? 1 : 0);
    if (p->busy) {
        block_submitted(p->dev->conf.backend);
    }
}

bool scsi_port_has(const ScsiPort *p, unsigned target)
{
    ScsiDevice *other;

    return scsi_bus_find(p->bus, 0, target, 0, &other) || other;
}

void scsi_port_begin(ScsiPort *p, unsigned target, unsigned lun, const uint8_t *cdb, size_t size)
{
    g_assert(!p->active);
    p->active = p->open = true;
    p->target = (uint8_t)target;
    p->lun = (uint8_t)lun;
    memset(p->cdb, 0, sizeof(p->cdb));
    memcpy(p->cdb, cdb, MIN(size, sizeof(p->cdb)));
    p->moved = 0;
    p->have = p->used = p->piece = 0;
    p->moving = false;
    if (begin(p)) {
        p->to_guest = p->request.direction == SCSI_IN;
        next_piece(p);
        move_piece(p);
    }
}

ScsiPortPhase scsi_port_phase(const ScsiPort *p)
{
    if (!p->active) {
        return SCSI_PORT_FREE;
    }
    if (p->moving) {
        return SCSI_PORT_WAIT;
    }
    if (p->used < p->have && p->to_guest) {
        return SCSI_PORT_IN;
    }
    return p->open ? SCSI_PORT_OUT : SCSI_PORT_STATUS;
}

uint32_t scsi_port_take(ScsiPort *p, void *buf, uint32_t size)
{
    size = MIN(size, p->have - p->used);
    memcpy(buf, p->buffer + p->used, size);
    p->used += size;
    if (p->used == p->have && p->open) {
        p->moving = true;
        if (p->begun) {
            next_piece(p);
        }
        move_piece(p);
    }
    return size;
}

uint32_t scsi_port_give(ScsiPort *p, const void *buf, uint32_t size)
{
    size = MIN(size, p->piece - p->have);
    memcpy(p->buffer + p->have, buf, size);
    p->have += size;
    if (p->have == p->piece) {
        p->moving = true;
        move_piece(p);
    }
    return size;
}

void scsi_port_end(ScsiPort *p)
{
    bool begun = p->begun;

    p->active = p->begun = p->open = p->moving = false;
    p->have = p->used = p->piece = 0;
    p->moved = 0;
    if (p->busy) {
        scsi_cancel(&p->request);
        block_drain(p->dev->conf.backend);
    } else if (begun) {
        scsi_forget(&p->request);
    }
    p->dev = NULL;
}

bool scsi_port_unplugged(ScsiPort *p, const ScsiDevice *dev)
{
    if (!p->active || (p->begun ? p->dev != dev : p->target != dev->target)) {
        return false;
    }
    scsi_port_end(p);
    return true;
}

void scsi_port_reset_units(ScsiPort *p, int target)
{
    for (unsigned i = 0; i < p->bus->units->len; i++) {
        ScsiDevice *dev = p->bus->units->pdata[i];

        if (target < 0 || dev->target == (unsigned)target) {
            scsi_unit_reset(&dev->unit);
        }
    }
}

/* ---- life ---- */

static void machine_starts(void *opaque)
{
    move_piece(opaque);
}

void scsi_port_realize(ScsiPort *p, ScsiBus *bus, void (*ready)(ScsiPort *port))
{
    p->bus = bus;
    p->bus->asks_sense = true;
    p->ready = ready;
    runstate_add_start(machine_starts, p);
}

void scsi_port_unrealize(ScsiPort *p)
{
    runstate_remove_start(machine_starts, p);
    scsi_port_end(p);
    g_clear_pointer(&p->saved, g_bytes_unref);
    p->bus = NULL;
}

/* ---- state ---- */

static void save_buffer(void *obj)
{
    ScsiPort *p = obj;

    g_clear_pointer(&p->saved, g_bytes_unref);
    p->saved = g_bytes_new(p->buffer, p->have);
}

static bool load_buffer(void *obj, GError **errp)
{
    ScsiPort *p = obj;
    gsize size = 0;
    const void *bytes = p->saved ? g_bytes_get_data(p->saved, &size) : NULL;
    bool wants = p->active && p->open && !p->moving && !p->to_guest;

    if (size != p->have || p->have > SCSI_PORT_BUFFER || p->used > p->have ||
        p->piece > SCSI_PORT_BUFFER || (!p->active && (p->have || p->open || p->moving)) ||
        (p->moving && !p->open) || (wants && p->have >= p->piece) ||
        (p->active && p->open && !p->moving && p->to_guest && p->used >= p->have)) {
        error_set(errp, "saved: %zu bytes, of which there are %u of %u, and %u were taken", size,
                  p->have, p->piece, p->used);
        return false;
    }
    if (size) {
        memcpy(p->buffer, bytes, size);
    }
    g_clear_pointer(&p->saved, g_bytes_unref);
    return true;
}

static const StateField fields[] = {
    STATE_BLOB(ScsiPort, saved),    STATE_BOOL(ScsiPort, active),
    STATE_BOOL(ScsiPort, open),     STATE_BOOL(ScsiPort, moving),
    STATE_BOOL(ScsiPort, to_guest), STATE_UINT(ScsiPort, status),
    STATE_UINT(ScsiPort, target),   STATE_UINT(ScsiPort, lun),
    STATE_UINTS(ScsiPort, cdb),     STATE_UINT(ScsiPort, moved),
    STATE_UINT(ScsiPort, piece),    STATE_UINT(ScsiPort, have),
    STATE_UINT(ScsiPort, used),     {},
};
const StateTable scsi_port_state = { .name = "scsi-port",
                                     .version = 1,
                                     .fields = fields,
                                     .pre_save = save_buffer,
                                     .post_load = load_buffer };

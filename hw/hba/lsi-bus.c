/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bus: phases, as a target goes through them, and messages (SPI-3, clause 16). */
#include <string.h>

#include "hw/hba/lsi.h"

enum {
    MESSAGE_COMPLETE = 0x00,
    MESSAGE_EXTENDED = 0x01,
    MESSAGE_ABORT = 0x06,
    MESSAGE_REJECT = 0x07,
    MESSAGE_NOTHING = 0x08,
    MESSAGE_BUS_DEVICE_RESET = 0x0c,
    MESSAGE_ABORT_TAG = 0x0d,
    MESSAGE_CLEAR_QUEUE = 0x0e,
    MESSAGE_TAGS = 0x20, /* and two more: with a byte behind them */
    MESSAGE_IDENTIFY = 0x80,
};

unsigned lsi_phase(Lsi *s)
{
    static const uint8_t phases[] = {
        [SCSI_PORT_FREE] = LSI_NO_PHASE, [SCSI_PORT_WAIT] = LSI_WAIT_PHASE,
        [SCSI_PORT_IN] = LSI_DATA_IN,    [SCSI_PORT_OUT] = LSI_DATA_OUT,
        [SCSI_PORT_STATUS] = LSI_STATUS,
    };

    if (!s->connected) {
        return LSI_NO_PHASE;
    }
    if (s->phase == LSI_MESSAGE_IN) {
        return s->phase;
    }
    if (s->atn) {
        return LSI_MESSAGE_OUT;
    }
    return s->phase == LSI_WAIT_PHASE ? phases[scsi_port_phase(&s->port)] : s->phase;
}

bool lsi_select(Lsi *s, unsigned target, bool atn)
{
    if (s->connected) { /* the last message was not acknowledged, and need not be any more */
        lsi_bus_free(s);
    }
    if (!scsi_port_has(&s->port, target)) {
        return false;
    }
    s->connected = true;
    s->atn = atn;
    s->identified = false;
    s->target = (uint8_t)target;
    s->lun = 0;
    s->phase = LSI_MESSAGE_OUT;
    s->out_count = s->cdb_count = s->in_count = s->in_used = 0;
    return true;
}

void lsi_bus_free(Lsi *s)
{
    scsi_port_end(&s->port);
    s->connected = s->atn = false;
    s->phase = LSI_NO_PHASE;
    s->out_count = s->cdb_count = s->in_count = s->in_used = 0;
}

void lsi_bus_reset(Lsi *s)
{
    lsi_bus_free(s);
    scsi_port_reset_units(&s->port, -1);
}

static void say(Lsi *s, uint8_t message)
{
    s->in[0] = message;
    s->in_count = 1;
    s->in_used = 0;
    s->phase = LSI_MESSAGE_IN;
}

/* Where the target goes on when a message was dealt with. */
static void go_on(Lsi *s)
{
    if (s->port.active) {
        s->phase = LSI_WAIT_PHASE; /* the port says it */
    } else {
        s->phase = LSI_COMMAND;
    }
}

/* ---- moves ---- */

uint32_t lsi_bus_take(Lsi *s, uint8_t *buf, uint32_t size)
{
    switch (lsi_phase(s)) {
    case LSI_DATA_IN:
        return scsi_port_take(&s->port, buf, size);
    case LSI_STATUS:
        buf[0] = s->port.status;
        scsi_port_end(&s->port);
        say(s, MESSAGE_COMPLETE);
        return 1;
    case LSI_MESSAGE_IN:
        if (s->in_used == s->in_count) { /* it was not acknowledged */
            lsi_bus_ack(s);
            return 0;
        }
        buf[0] = s->in[s->in_used++];
        return 1;
    default:
        return 0;
    }
}

uint32_t lsi_bus_give(Lsi *s, const uint8_t *buf, uint32_t size)
{
    uint32_t count = 0;

    switch (lsi_phase(s)) {
    case LSI_DATA_OUT:
        return scsi_port_give(&s->port, buf, size);
    case LSI_MESSAGE_OUT:
        for (; count < size; count++) {
            if (s->out_count < LSI_MESSAGE) { /* what is longer is no message */
                s->out[s->out_count++] = buf[count];
            }
        }
        return size;
    case LSI_COMMAND:
        count = MIN(size, (uint32_t)(SCSI_PORT_CDB - s->cdb_count));
        memcpy(s->cdb + s->cdb_count, buf, count);
        s->cdb_count = (uint8_t)(s->cdb_count + count);
        if (!count) {
            lsi_bus_moved(s, LSI_COMMAND);
        }
        return count;
    default:
        return 0;
    }
}

/* ---- messages of the initiator ---- */

/* One at @at: how many bytes it has; 0: the target has let go of the bus. */
static unsigned take_message(Lsi *s, unsigned at, bool *rejected)
{
    uint8_t message = s->out[at];

    if (message & MESSAGE_IDENTIFY) {
        s->lun = message & 7;
        s->identified = true;
        return 1;
    }
    switch (message) {
    case MESSAGE_BUS_DEVICE_RESET:
        scsi_port_end(&s->port);
        scsi_port_reset_units(&s->port, s->target);
        lsi_bus_free(s);
        return 0;
    case MESSAGE_ABORT:
    case MESSAGE_ABORT_TAG:
    case MESSAGE_CLEAR_QUEUE:
        lsi_bus_free(s);
        return 0;
    case MESSAGE_EXTENDED: /* what they would have the target agree to, it does not */
        *rejected = true;
        return 2 + (at + 1 < s->out_count ? s->out[at + 1] : 0);
    default:
        return (message & 0xf0) == MESSAGE_TAGS ? 2 : 1;
    }
}

static void take_messages(Lsi *s)
{
    bool rejected = false;
    unsigned at = 0, size = 1;

    while (at < s->out_count && size) {
        size = take_message(s, at, &rejected);
        at += size;
    }
    s->out_count = 0;
    if (!s->connected) {
        return;
    }
    if (rejected) {
        say(s, MESSAGE_REJECT);
    } else {
        go_on(s);
    }
}

void lsi_bus_moved(Lsi *s, unsigned phase)
{
    if (phase == LSI_MESSAGE_OUT) {
        s->atn = false;
        take_messages(s);
    } else if (phase == LSI_COMMAND && s->phase == LSI_COMMAND) {
        s->phase = LSI_WAIT_PHASE;
        if (scsi_port_has(&s->port, s->target)) {
            scsi_port_begin(&s->port, s->target, s->lun, s->cdb, s->cdb_count);
        } else {
            lsi_bus_free(s);
        }
        s->cdb_count = 0;
    }
}

void lsi_bus_ack(Lsi *s)
{
    if (s->phase != LSI_MESSAGE_IN || s->in_used < s->in_count) {
        return;
    }
    if (s->in[0] == MESSAGE_COMPLETE) {
        lsi_bus_free(s);
    } else {
        go_on(s);
    }
}

/* ---- what happens meanwhile ---- */

/* Not from here, where the unit's request has not quite ended: SCRIPTS may have it begin the next
 * one and let go of it, which is waited for. */
void lsi_bus_ready(ScsiPort *port)
{
    Lsi *s = LSI(port->bus->card);

    if (s->run == LSI_WAITS_TARGET) {
        s->run = LSI_RUNNING;
        lsi_execute_later(s);
    }
}

void lsi_bus_unplugged(ScsiBus *bus, ScsiDevice *dev)
{
    Lsi *s = LSI(bus->card);

    if (scsi_port_unplugged(&s->port, dev)) {
        lsi_bus_free(s);
        lsi_scsi_interrupt(s, LSI_SIST0_UDC);
    }
}

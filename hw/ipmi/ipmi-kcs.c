/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KCS (section 9): a state machine that takes and gives a byte at a time. */
#include "hw/ipmi/ipmi-ports.h"

#include <string.h>

enum { DATA, COMMAND, PORTS };

/* Status (section 9.6). The guest never sees IBF: what it writes is taken at once. */
enum {
    OBF = 0x01,
    SMS_ATN = 0x04,
    COMMAND_WRITTEN = 0x08,
    STATE_MASK = 0xc0,
    IDLE_STATE = 0x00,
    READ_STATE = 0x40,
    WRITE_STATE = 0x80,
    ERROR_STATE = 0xc0,
};

/* Control codes (section 9.10). */
enum { GET_STATUS_ABORT = 0x60, WRITE_START = 0x61, WRITE_END = 0x62, READ_BYTE = 0x68 };

/* Status codes (section 9.12). */
enum { NO_ERROR = 0, ABORTED = 1, ILLEGAL_CODE = 2, LENGTH_ERROR = 6 };

static void set_state(IpmiPorts *s, uint8_t state)
{
    s->control = (s->control & ~STATE_MASK) | state;
}

static void fail(IpmiPorts *s, uint8_t error)
{
    s->error = error;
    s->in_len = s->out_len = s->out_pos = 0;
    s->ending = false;
    set_state(s, ERROR_STATE);
}

static void interrupt(IpmiPorts *s)
{
    if (IPMI_BMC(s->bmc)->interrupts) {
        ipmi_ports_set_pending(s, true);
    }
}

static void give(IpmiPorts *s, uint8_t byte)
{
    s->data = byte;
    s->control |= OBF;
    interrupt(s);
}

static void give_next(IpmiPorts *s)
{
    if (s->out_pos < s->out_len) {
        give(s, s->out[s->out_pos++]);
    } else { /* a byte of no meaning: the guest waits for one */
        set_state(s, IDLE_STATE);
        give(s, 0);
    }
}

static void kcs_answer(void *opaque, const uint8_t *message, unsigned len)
{
    IpmiPorts *s = opaque;

    if ((s->control & STATE_MASK) != READ_STATE || s->abort || s->out_len) {
        return; /* it comes late, and nobody waits for it any more */
    }
    memcpy(s->out, message, len);
    s->out_len = (uint16_t)len;
    s->out_pos = 0;
    set_state(s, READ_STATE);
    give_next(s);
}

static void kcs_attention(void *opaque, bool on)
{
    IpmiPorts *s = opaque;

    if (on && !(s->control & SMS_ATN)) {
        s->control |= SMS_ATN;
        interrupt(s);
    } else if (!on) {
        s->control &= ~SMS_ATN;
    }
}

static void kcs_command(IpmiPorts *s, uint8_t value)
{
    bool begun = (s->control & STATE_MASK) == WRITE_STATE && !s->ending && !s->abort;

    s->control |= COMMAND_WRITTEN;
    if (value == WRITE_START) {
        s->in_len = s->out_len = s->out_pos = 0;
        s->ending = false;
        s->abort = 0;
        set_state(s, WRITE_STATE);
    } else if (value == WRITE_END && begun) {
        s->ending = true;
    } else if (value == GET_STATUS_ABORT) {
        s->error = s->error ? s->error : ABORTED;
        s->abort = 1;
        set_state(s, WRITE_STATE);
    } else {
        fail(s, ILLEGAL_CODE);
    }
}

static void request(IpmiPorts *s)
{
    s->ending = false;
    if (s->in_len < 2 || s->in_len > IPMI_MESSAGE_MAX) {
        fail(s, LENGTH_ERROR);
        return;
    }
    set_state(s, READ_STATE);
    s->out_len = s->out_pos = 0;
    ipmi_request(s->bmc, s->in, s->in_len);
}

/* Section 9.14: the error is read, and then nothing more. */
static void abort_step(IpmiPorts *s, uint8_t value)
{
    if (s->abort == 1) {
        s->abort = 2;
        set_state(s, READ_STATE);
        give(s, s->error);
        s->error = NO_ERROR;
    } else if (value == READ_BYTE) {
        s->abort = 0;
        s->in_len = s->out_len = s->out_pos = 0;
        give_next(s);
    } else {
        s->abort = 0;
        fail(s, ILLEGAL_CODE);
    }
}

static void kcs_data(IpmiPorts *s, uint8_t value)
{
    s->control &= ~COMMAND_WRITTEN;
    if (s->abort) {
        abort_step(s, value);
        return;
    }
    switch (s->control & STATE_MASK) {
    case WRITE_STATE:
        if (s->in_len < sizeof(s->in)) {
            s->in[s->in_len++] = value;
        }
        if (s->ending) {
            request(s);
        }
        break;
    case READ_STATE:
        if (value == READ_BYTE && s->out_len) {
            give_next(s);
        } else {
            fail(s, ILLEGAL_CODE);
        }
        break;
    default:
        fail(s, ILLEGAL_CODE);
        break;
    }
}

static void kcs_write(IpmiPorts *s, unsigned port, uint8_t value)
{
    ipmi_ports_set_pending(s, false);
    s->control &= ~OBF;
    if (port == DATA) {
        kcs_data(s, value);
    } else {
        kcs_command(s, value);
    }
}

static uint8_t kcs_read(IpmiPorts *s, unsigned port)
{
    if (port == DATA) {
        s->control &= ~OBF;
        ipmi_ports_set_pending(s, false);
        return s->data;
    }
    return s->control;
}

const IpmiPortsOps ipmi_kcs_ops = {
    .kind = IPMI_KCS,
    .ports = PORTS,
    .isa_port = 0xca2,
    .read = kcs_read,
    .write = kcs_write,
    .controller = { kcs_answer, kcs_attention },
};

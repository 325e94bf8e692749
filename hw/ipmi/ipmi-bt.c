/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BT (section 11): whole messages by a buffer. */
#include "hw/ipmi/ipmi-ports.h"

#include <string.h>

enum { CONTROL, BUFFER, MASK, PORTS };

/* Control (section 11.6.1). */
enum {
    CLEAR_WRITE = 0x01,
    CLEAR_READ = 0x02,
    H2B_ATN = 0x04,
    B2H_ATN = 0x08,
    SMS_ATN = 0x10,
    OEM0 = 0x20,
    H_BUSY = 0x40,
    B_BUSY = 0x80,
};

/* Interrupt mask (section 11.6.3). */
enum { B2H_IRQ_ENABLE = 0x01, B2H_IRQ = 0x02, HARD_RESET = 0x80 };

/* In the buffer a message has a sequence number behind the network function, and its length before
 * it. */
enum { BT_LENGTH = 0, BT_NETFN = 1, BT_SEQUENCE = 2, BT_COMMAND = 3, BT_DATA = 4 };

static void interrupt(IpmiPorts *s)
{
    if (s->data & B2H_IRQ_ENABLE) {
        s->data |= B2H_IRQ;
        ipmi_ports_set_pending(s, true);
    }
}

/* Longer than the buffer is none that has a place for the two bytes more. */
static void bt_answer(void *opaque, const uint8_t *message, unsigned len)
{
    IpmiPorts *s = opaque;

    if (!(s->control & B_BUSY)) {
        return; /* it comes late, and nobody waits for it any more */
    }
    len = MIN(len, sizeof(s->out) - 2);
    s->out[BT_LENGTH] = (uint8_t)(len + 1);
    s->out[BT_NETFN] = message[IPMI_NETFN];
    s->out[BT_SEQUENCE] = s->sequence;
    memcpy(s->out + BT_COMMAND, message + IPMI_COMMAND, len - 1);
    s->out_len = (uint16_t)(len + 2);
    s->out_pos = 0;
    s->control &= ~B_BUSY;
    s->control |= B2H_ATN;
    interrupt(s);
}

static void bt_attention(void *opaque, bool on)
{
    IpmiPorts *s = opaque;

    if (on && !(s->control & SMS_ATN)) {
        s->control |= SMS_ATN;
        interrupt(s);
    } else if (!on) {
        s->control &= ~SMS_ATN;
    }
}

/* What makes no sense is not answered: the guest sends it again in the end. */
static void request(IpmiPorts *s)
{
    unsigned len = s->in[BT_LENGTH];
    uint8_t message[IPMI_MESSAGE_MAX];

    if (len < BT_COMMAND || s->in_len < len + 1) {
        return;
    }
    s->sequence = s->in[BT_SEQUENCE];
    message[IPMI_NETFN] = s->in[BT_NETFN];
    memcpy(message + IPMI_COMMAND, s->in + BT_COMMAND, len - 2);
    s->control |= B_BUSY;
    ipmi_request(s->bmc, message, len - 1);
}

static void bt_control(IpmiPorts *s, uint8_t value)
{
    if (value & CLEAR_WRITE) {
        s->in_len = 0;
    }
    if (value & CLEAR_READ) {
        s->out_pos = 0;
    }
    s->control &= ~(value & (B2H_ATN | SMS_ATN));
    s->control ^= value & (H_BUSY | OEM0);
    if (value & H2B_ATN && !(s->control & B_BUSY)) {
        request(s);
    }
}

static void bt_mask(IpmiPorts *s, uint8_t value)
{
    if (value & HARD_RESET) {
        bool attention = IPMI_BMC(s->bmc)->attention;

        ipmi_ports_reset(s);
        s->control = attention ? SMS_ATN : 0;
        return;
    }
    s->data = (value & B2H_IRQ_ENABLE) | (s->data & ~value & B2H_IRQ);
    ipmi_ports_set_pending(s, (s->data & B2H_IRQ) && (s->data & B2H_IRQ_ENABLE));
}

static void bt_write(IpmiPorts *s, unsigned port, uint8_t value)
{
    if (port == CONTROL) {
        bt_control(s, value);
    } else if (port == MASK) {
        bt_mask(s, value);
    } else if (s->in_len < sizeof(s->in)) {
        s->in[s->in_len++] = value;
    }
}

static uint8_t bt_read(IpmiPorts *s, unsigned port)
{
    if (port == CONTROL) {
        return s->control;
    }
    if (port == MASK) {
        return s->data;
    }
    return s->out_pos < s->out_len ? s->out[s->out_pos++] : 0xff;
}

const IpmiPortsOps ipmi_bt_ops = {
    .kind = IPMI_BT,
    .ports = PORTS,
    .isa_port = 0xe4,
    .read = bt_read,
    .write = bt_write,
    .controller = { bt_answer, bt_attention },
};

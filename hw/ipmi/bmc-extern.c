/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipmi-bmc-extern: a management controller that is another program, at a character device, by the
 * protocol of OpenIPMI's ipmi_sim ("serial, mode VM"). A frame is bytes up to an end: that of a
 * message (a sequence number, the message, and a byte that makes their sum 0), or that of a
 * command, which has no sum. The bytes of both ends and of the escape itself are escaped. The other
 * side may send anything.
 */
#include <string.h>

#include "chardev/char.h"
#include "chardev/chardev.h"
#include "hw/core/runstate.h"
#include "hw/intc/apic.h"
#include "hw/ipmi/ipmi.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/timer.h"

#define TYPE_IPMI_BMC_EXTERN "ipmi-bmc-extern"

enum { MESSAGE_END = 0xa0, COMMAND_END = 0xa1, ESCAPE = 0xaa, ESCAPED = 0x10 };

/* Commands. From it: */
enum {
    NO_ATTENTION = 0x00,
    ATTENTION = 0x01,
    ATTENTION_IRQ = 0x02,
    POWER_OFF = 0x03,
    RESET = 0x04, /* and to it: there was one */
    ENABLE_IRQ = 0x05,
    DISABLE_IRQ = 0x06,
    SEND_NMI = 0x07,
    GRACEFUL_SHUTDOWN = 0x09,
    /* to it: */
    CAPABILITIES = 0x08,
    VERSION = 0xff,
    VERSION_1 = 1,
    /* power, reset, interrupts, NMI, attention, graceful shutdown */
    CAN_ALL = 0x3f,
};

#define TIMEOUT (4 * NS_PER_SEC)

enum { FRAME_MAX = IPMI_MESSAGE_MAX + 2 };

typedef struct IpmiExtern {
    IpmiBmc parent;
    /* configuration */
    char *chardev;
    /* wiring */
    CharFrontend fe;
    bool connected;
    /* derived: what comes. It begins anew with each connection */
    uint8_t frame[FRAME_MAX];
    unsigned len;
    bool escape, too_long;
    /* state */
    uint8_t sequence, netfn, command; /* of the request */
    bool waiting;
    Timer *timeout;
} IpmiExtern;
OBJECT_CAST_DEFINE(IpmiExtern, IPMI_EXTERN, TYPE_IPMI_BMC_EXTERN)

/* ---- to it ---- */

static void append_escaped(GByteArray *out, const uint8_t *data, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        const uint8_t escaped[2] = { ESCAPE, data[i] | ESCAPED };
        bool special = data[i] == MESSAGE_END || data[i] == COMMAND_END || data[i] == ESCAPE;

        g_byte_array_append(out, special ? escaped : data + i, special ? 2 : 1);
    }
}

static void send_frame(IpmiExtern *s, const uint8_t *data, unsigned len, uint8_t end)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    append_escaped(out, data, len);
    g_byte_array_append(out, &end, 1);
    char_write(&s->fe, out->data, out->len);
}

static void greet(IpmiExtern *s)
{
    const uint8_t version[] = { VERSION, VERSION_1 }, capabilities[] = { CAPABILITIES, CAN_ALL };

    send_frame(s, version, sizeof(version), COMMAND_END);
    send_frame(s, capabilities, sizeof(capabilities), COMMAND_END);
}

static void answer_error(IpmiExtern *s, uint8_t code)
{
    const uint8_t message[] = { s->netfn | 1 << 2, s->command, code };

    s->waiting = false;
    timer_del(s->timeout);
    ipmi_answer(&s->parent, message, sizeof(message));
}

static void timed_out(void *opaque)
{
    IpmiExtern *s = opaque;

    if (s->waiting) {
        answer_error(s, IPMI_TIMEOUT);
    }
}

/* One that comes while another is waited for takes its place. */
static void extern_request(IpmiBmc *bmc, const uint8_t *message, unsigned len)
{
    IpmiExtern *s = IPMI_EXTERN(bmc);
    uint8_t frame[FRAME_MAX], sum = 0;

    s->netfn = message[IPMI_NETFN];
    s->command = message[IPMI_COMMAND];
    s->sequence++;
    if (!s->connected) {
        answer_error(s, IPMI_UNSPECIFIED);
        return;
    }
    frame[0] = s->sequence;
    memcpy(frame + 1, message, len);
    for (unsigned i = 0; i < len + 1; i++) {
        sum += frame[i];
    }
    frame[len + 1] = -sum;
    s->waiting = true;
    timer_mod(s->timeout, clock_ns() + TIMEOUT);
    send_frame(s, frame, len + 2, MESSAGE_END);
}

/* ---- from it ---- */

static void take_message(IpmiExtern *s)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < s->len; i++) {
        sum += s->frame[i];
    }
    if (sum || s->len < 1 + IPMI_CODE + 1 + 1 || !s->waiting || s->frame[0] != s->sequence ||
        s->frame[1 + IPMI_COMMAND] != s->command) {
        return;
    }
    s->waiting = false;
    timer_del(s->timeout);
    ipmi_answer(&s->parent, s->frame + 1, s->len - 2);
}

static void take_command(IpmiExtern *s)
{
    switch (s->len ? s->frame[0] : VERSION) {
    case NO_ATTENTION:
        ipmi_set_attention(&s->parent, false);
        break;
    case ATTENTION:
    case ATTENTION_IRQ:
        ipmi_set_attention(&s->parent, true);
        break;
    case POWER_OFF:
        runstate_request_shutdown(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        break;
    case RESET:
        runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
        break;
    case ENABLE_IRQ:
    case DISABLE_IRQ:
        s->parent.interrupts = s->frame[0] == ENABLE_IRQ;
        break;
    case SEND_NMI:
        apic_nmi();
        break;
    case GRACEFUL_SHUTDOWN:
        runstate_request_powerdown();
        break;
    default: /* one of another version */
        break;
    }
}

static void take_byte(IpmiExtern *s, uint8_t byte)
{
    if (byte == MESSAGE_END || byte == COMMAND_END) {
        if (s->too_long || s->escape) {
            /* not a frame of ours */
        } else if (byte == MESSAGE_END) {
            take_message(s);
        } else {
            take_command(s);
        }
        s->len = 0;
        s->escape = s->too_long = false;
    } else if (byte == ESCAPE) {
        s->escape = true;
    } else if (s->len == FRAME_MAX) {
        s->too_long = true;
    } else {
        s->frame[s->len++] = s->escape ? byte & ~ESCAPED : byte;
        s->escape = false;
    }
}

/* While the machine stands nothing of it changes: what comes waits. */
static int can_receive(void *opaque)
{
    return runstate_is_running() ? FRAME_MAX : 0;
}

static void receive(void *opaque, const uint8_t *buf, int len)
{
    IpmiExtern *s = opaque;

    for (int i = 0; i < len; i++) {
        take_byte(s, buf[i]);
    }
}

static void event(void *opaque, CharEvent what)
{
    IpmiExtern *s = opaque;

    if (what == CHAR_EVENT_OPENED) {
        s->connected = true;
        s->len = 0;
        s->escape = s->too_long = false;
        greet(s);
    } else if (what == CHAR_EVENT_CLOSED) {
        s->connected = false;
        if (s->waiting && runstate_is_running()) {
            answer_error(s, IPMI_UNSPECIFIED);
        } /* else its time-out comes */
    }
}

static void started(void *opaque)
{
    IpmiExtern *s = opaque;

    char_accept_input(&s->fe);
}

/* ---- the device ---- */

static bool extern_realize(Device *dev, GError **errp)
{
    IpmiExtern *s = IPMI_EXTERN(dev);
    Chardev *chr = s->chardev ? chardev_find(s->chardev) : NULL;

    if (!chr) {
        error_set(errp, "chardev '%s' not found; ipmi-bmc-extern needs one: -chardev ...,id=ID",
                  s->chardev ? s->chardev : "");
        return false;
    }
    s->fe = (CharFrontend){
        .can_receive = can_receive, .receive = receive, .event = event, .opaque = s
    };
    s->timeout = timer_new(timed_out, s);
    if (!char_attach(chr, &s->fe, errp)) {
        g_clear_pointer(&s->timeout, timer_free);
        return false;
    }
    runstate_add_start(started, s);
    return true;
}

static void extern_unrealize(Device *dev)
{
    IpmiExtern *s = IPMI_EXTERN(dev);

    runstate_remove_start(started, s);
    char_detach(&s->fe);
    s->connected = false;
    g_clear_pointer(&s->timeout, timer_free);
}

/* It is told, and says itself what it wants then. */
static void extern_reset(Device *dev)
{
    IpmiExtern *s = IPMI_EXTERN(dev);
    const uint8_t command = RESET;

    s->waiting = false;
    timer_del(s->timeout);
    s->parent.interrupts = false;
    ipmi_set_attention(&s->parent, false);
    if (s->connected) {
        send_frame(s, &command, 1, COMMAND_END);
    }
}

static const StateField extern_fields[] = {
    STATE_STRUCT(IpmiExtern, parent, &ipmi_bmc_state),
    STATE_UINT(IpmiExtern, sequence),
    STATE_UINT(IpmiExtern, netfn),
    STATE_UINT(IpmiExtern, command),
    STATE_BOOL(IpmiExtern, waiting),
    STATE_TIMER(IpmiExtern, timeout),
    {},
};
static const StateTable extern_state = { .name = TYPE_IPMI_BMC_EXTERN,
                                         .version = 1,
                                         .fields = extern_fields };

static const IpmiBmcClass extern_class = {
    .device = { .category = "misc",
                .flags = DEVICE_USER_CREATABLE,
                .realize = extern_realize,
                .unrealize = extern_unrealize,
                .reset = extern_reset,
                .state = &extern_state },
    .request = extern_request,
};

static const Property extern_properties[] = {
    IPMI_BMC_PROPERTIES,
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(IpmiExtern, chardev),
      .description = "id of the character device at whose other end it is" },
    { 0 },
};

static const ObjectType extern_type = {
    .name = TYPE_IPMI_BMC_EXTERN,
    .parent = TYPE_IPMI_BMC,
    .description = "A management controller that is another program (OpenIPMI)",
    .instance_size = sizeof(IpmiExtern),
    .properties = extern_properties,
    .ops = &extern_class,
};
OBJECT_TYPE_REGISTER(extern_type)

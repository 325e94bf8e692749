/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/input/ps2-mouse.h"

#include <string.h>

#include "util/error.h"

enum { MODE_SCALING = 0x10, MODE_REPORTING = 0x20, MODE_REMOTE = 0x40 };

enum {
    SCALE_1 = 0xe6,
    SCALE_2 = 0xe7,
    SET_RESOLUTION = 0xe8,
    STATUS_REQUEST = 0xe9,
    SET_STREAM = 0xea,
    READ_DATA = 0xeb,
    RESET_WRAP = 0xec,
    SET_WRAP = 0xee,
    SET_REMOTE = 0xf0,
    READ_ID = 0xf2,
    SET_RATE = 0xf3,
    ENABLE = 0xf4,
    DISABLE = 0xf5,
    SET_DEFAULTS = 0xf6,
    RESET = 0xff,
};

enum { ACK = 0xfa, RESEND = 0xfe, PASSED = 0xaa };
enum { ID_PLAIN = 0, ID_WHEEL = 3, ID_FIVE_BUTTONS = 4 };

#define STEP_MAX     255 /* of x and y in a packet, which has 9 bits of each */
#define PACKET_MAX   4
#define MAX_MOVE     INPUT_AXIS_MAX
#define BIT(button_) (1u << (button_))
#define BUTTONS                                                                    \
    (BIT(INPUT_BUTTON_LEFT) | BIT(INPUT_BUTTON_MIDDLE) | BIT(INPUT_BUTTON_RIGHT) | \
     BIT(INPUT_BUTTON_SIDE) | BIT(INPUT_BUTTON_EXTRA))

/* ---- to the guest ---- */

static void push(Ps2Mouse *s, uint8_t byte)
{
    if (s->count < PS2_MOUSE_BUFFER) {
        s->bytes[(s->head + s->count++) % PS2_MOUSE_BUFFER] = byte;
    }
}

static void forget_packets(Ps2Mouse *s)
{
    s->head = s->count = 0;
}

static uint8_t wheel_byte(const Ps2Mouse *s, int32_t dz)
{
    if (s->id == ID_WHEEL) {
        return (uint8_t)dz;
    }
    return (uint8_t)((dz & 0xf) | (s->buttons & BIT(INPUT_BUTTON_SIDE) ? 0x10 : 0) |
                     (s->buttons & BIT(INPUT_BUTTON_EXTRA) ? 0x20 : 0));
}

/* As much of the move as a packet has room for. */
static void send_packet(Ps2Mouse *s)
{
    int32_t dx = CLAMP(s->dx, -STEP_MAX, STEP_MAX), dy = CLAMP(s->dy, -STEP_MAX, STEP_MAX);
    int32_t dz = s->id == ID_FIVE_BUTTONS ? CLAMP(s->dz, -7, 7) : CLAMP(s->dz, -127, 127);

    push(s, (uint8_t)(0x08 | (s->buttons & BIT(INPUT_BUTTON_LEFT) ? 1 : 0) |
                      (s->buttons & BIT(INPUT_BUTTON_RIGHT) ? 2 : 0) |
                      (s->buttons & BIT(INPUT_BUTTON_MIDDLE) ? 4 : 0) | (dx < 0 ? 0x10 : 0) |
                      (dy < 0 ? 0x20 : 0)));
    push(s, (uint8_t)dx);
    push(s, (uint8_t)dy);
    if (s->id != ID_PLAIN) {
        push(s, wheel_byte(s, dz));
    }
    s->dx -= dx;
    s->dy -= dy;
    s->dz = s->id == ID_PLAIN ? 0 : s->dz - dz;
    s->told = s->buttons;
}

static bool has_news(const Ps2Mouse *s)
{
    return s->dx || s->dy || s->dz || s->buttons != s->told;
}

static bool may_send(const Ps2Mouse *s)
{
    return s->modes & MODE_REPORTING && !(s->modes & MODE_REMOTE) && !s->wrap && !s->pending &&
           s->count + PACKET_MAX <= PS2_MOUSE_BUFFER;
}

/* What there is no room for stays, and goes with what comes later. */
static void send_news(Ps2Mouse *s)
{
    while (has_news(s) && may_send(s)) {
        send_packet(s);
    }
}

bool ps2_mouse_take(Ps2Mouse *s, uint8_t *byte)
{
    if (!s->count) {
        send_news(s);
    }
    if (!s->count) {
        return false;
    }
    *byte = s->bytes[s->head];
    s->head = (s->head + 1) % PS2_MOUSE_BUFFER;
    s->count--;
    return true;
}

void ps2_mouse_put_back(Ps2Mouse *s, uint8_t byte)
{
    if (s->count < PS2_MOUSE_BUFFER) {
        s->head = (s->head + PS2_MOUSE_BUFFER - 1) % PS2_MOUSE_BUFFER;
        s->bytes[s->head] = byte;
        s->count++;
    }
}

void ps2_mouse_nudge(Ps2Mouse *s)
{
    if (may_send(s)) {
        send_packet(s);
        s->has_bytes(s->opaque);
    }
}

/* ---- from the guest ---- */

static void set_defaults(Ps2Mouse *s)
{
    s->modes = 0;
    s->resolution = 2;
    s->rate = 100;
    s->wrap = false;
    s->dx = s->dy = s->dz = 0;
    s->told = s->buttons;
}

/* A driver that knows the wheel sets the rates 200, 100, 80; and then 200, 200, 80 for the buttons
 * at the side. */
static void set_rate(Ps2Mouse *s, uint8_t rate)
{
    if (s->rates[0] == 200 && rate == 80) {
        if (s->rates[1] == 100) {
            s->id = ID_WHEEL;
        } else if (s->rates[1] == 200 && s->id == ID_WHEEL) {
            s->id = ID_FIVE_BUTTONS;
        }
    }
    s->rates[0] = s->rates[1];
    s->rates[1] = rate;
    s->rate = rate;
}

static uint8_t status(const Ps2Mouse *s)
{
    return (uint8_t)(s->modes | (s->buttons & BIT(INPUT_BUTTON_LEFT) ? 4 : 0) |
                     (s->buttons & BIT(INPUT_BUTTON_MIDDLE) ? 2 : 0) |
                     (s->buttons & BIT(INPUT_BUTTON_RIGHT) ? 1 : 0));
}

static void command(Ps2Mouse *s, uint8_t cmd)
{
    push(s, ACK);
    switch (cmd) {
    case SCALE_1:
        s->modes &= ~MODE_SCALING;
        break;
    case SCALE_2:
        s->modes |= MODE_SCALING;
        break;
    case SET_RESOLUTION:
    case SET_RATE:
        s->pending = cmd;
        break;
    case STATUS_REQUEST:
        push(s, status(s));
        push(s, s->resolution);
        push(s, s->rate);
        break;
    case SET_STREAM:
        s->modes &= ~MODE_REMOTE;
        break;
    case READ_DATA:
        send_packet(s);
        break;
    case RESET_WRAP:
        s->wrap = false;
        break;
    case SET_WRAP:
        s->wrap = true;
        break;
    case SET_REMOTE:
        s->modes |= MODE_REMOTE;
        break;
    case READ_ID:
        push(s, s->id);
        break;
    case ENABLE:
        s->modes |= MODE_REPORTING;
        break;
    case DISABLE:
        s->modes &= ~MODE_REPORTING;
        break;
    case SET_DEFAULTS:
        set_defaults(s);
        break;
    case RESET:
        set_defaults(s);
        s->id = ID_PLAIN;
        push(s, PASSED);
        push(s, ID_PLAIN);
        break;
    default:
        forget_packets(s);
        push(s, RESEND);
    }
}

/* Whatever it gets, the packets that were not read yet are gone before its answer. */
void ps2_mouse_write(Ps2Mouse *s, uint8_t value)
{
    uint8_t cmd = s->pending;

    forget_packets(s);
    s->pending = 0;
    if (cmd) {
        push(s, ACK);
        if (cmd == SET_RATE) {
            set_rate(s, value);
        } else {
            s->resolution = value;
        }
    } else if (s->wrap && value != RESET_WRAP && value != RESET) {
        push(s, value);
    } else {
        command(s, value);
    }
    s->has_bytes(s->opaque);
}

/* ---- the user ---- */

static void event(void *opaque, const InputPointerEvent *event)
{
    Ps2Mouse *s = opaque;

    if (event->kind != INPUT_POINTER_BUTTON) {
        int32_t *to = event->axis == INPUT_AXIS_X ? &s->dx : &s->dy;

        *to = CLAMP((int64_t)*to +
                        (event->axis == INPUT_AXIS_X ? event->value : -(int64_t)event->value),
                    -MAX_MOVE, MAX_MOVE);
    } else if (event->button == INPUT_BUTTON_WHEEL_UP || event->button == INPUT_BUTTON_WHEEL_DOWN) {
        if (event->down) {
            s->dz = CLAMP(s->dz + (event->button == INPUT_BUTTON_WHEEL_UP ? -1 : 1), -MAX_MOVE,
                          MAX_MOVE);
        }
    } else if (BUTTONS & BIT(event->button)) {
        s->buttons = (uint8_t)(event->down ? s->buttons | BIT(event->button)
                                           : s->buttons & ~BIT(event->button));
    }
}

/* What happened while it does not report is forgotten, but for the buttons. */
static void sync_events(void *opaque)
{
    Ps2Mouse *s = opaque;

    if (!(s->modes & (MODE_REPORTING | MODE_REMOTE))) {
        s->dx = s->dy = s->dz = 0;
        s->told = s->buttons;
        return;
    }
    if (has_news(s)) {
        send_news(s);
        s->has_bytes(s->opaque);
    }
}

void ps2_mouse_reset(Ps2Mouse *s)
{
    s->buttons = 0;
    set_defaults(s);
    s->id = ID_PLAIN;
    s->pending = 0;
    memset(s->rates, 0, sizeof(s->rates));
    memset(s->bytes, 0, sizeof(s->bytes));
    forget_packets(s);
}

void ps2_mouse_init(Ps2Mouse *s)
{
    ps2_mouse_reset(s);
    s->input = (InputPointer){
        .name = "QEMU PS/2 Mouse", .event = event, .sync = sync_events, .opaque = s
    };
    input_pointer_add(&s->input);
}

void ps2_mouse_destroy(Ps2Mouse *s)
{
    input_pointer_remove(&s->input);
}

static const StateField mouse_fields[] = {
    STATE_UINT_MAX(Ps2Mouse, id, ID_FIVE_BUTTONS),
    STATE_UINT(Ps2Mouse, modes),
    STATE_UINT(Ps2Mouse, resolution),
    STATE_UINT(Ps2Mouse, rate),
    STATE_UINTS(Ps2Mouse, rates),
    STATE_UINT(Ps2Mouse, pending),
    STATE_BOOL(Ps2Mouse, wrap),
    STATE_UINT(Ps2Mouse, buttons),
    STATE_UINT(Ps2Mouse, told),
    STATE_INT(Ps2Mouse, dx),
    STATE_INT(Ps2Mouse, dy),
    STATE_INT(Ps2Mouse, dz),
    STATE_UINTS(Ps2Mouse, bytes),
    STATE_UINT_MAX(Ps2Mouse, head, PS2_MOUSE_BUFFER - 1),
    STATE_UINT_MAX(Ps2Mouse, count, PS2_MOUSE_BUFFER),
    {},
};

static bool mouse_loaded(void *opaque, GError **errp)
{
    const Ps2Mouse *s = opaque;
    const int32_t moves[] = { s->dx, s->dy, s->dz };

    for (unsigned i = 0; i < G_N_ELEMENTS(moves); i++) {
        if (moves[i] < -MAX_MOVE || moves[i] > MAX_MOVE) {
            error_set(errp, "a move of %d: it is -%d to %d", moves[i], MAX_MOVE, MAX_MOVE);
            return false;
        }
    }
    return true;
}

const StateTable ps2_mouse_state = {
    .name = "ps2-mouse", .version = 1, .fields = mouse_fields, .post_load = mouse_loaded
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev msmouse: a mouse at a serial port, in the protocol of Microsoft's, with the third button
 * of Logitech's. It lives on the port's outputs: when the driver raises one of them it says what it
 * is ("M3", and its ID of Plug and Play); while both are low it is off.
 *
 * Three bytes, of 7 bits, are a move and two buttons; a fourth follows when the middle one changes:
 *   1 L R y7 y6 x7 x6 | 0 x5..x0 | 0 y5..y0 | 0 M 0 0 0 0 0
 *
 * The guest writes on the thread of a vCPU; what goes to it does so from the main loop.
 */
#include <stdio.h>
#include <string.h>

#include "chardev/char-backend.h"
#include "hw/core/runstate.h"
#include "hw/input/input.h"

#define TYPE_CHAR_MSMOUSE "chardev-msmouse"

enum { SYNC = 0x40, LEFT = 0x20, RIGHT = 0x10, MIDDLE = 0x20, STEP_MAX = 127, QUEUE = 128 };

/* Of the specification of external COM devices: version 1.0, in characters of 6 bits. */
#define PNP_BEGIN "\x08\x01\x24" /* "(", version */
#define PNP_TEXT  "DIM0001\\\\MOUSE\\PNP0F0C\\SERIAL MOUSE"
#define PNP_SHIFT 0x20

typedef struct CharMsmouse {
    Chardev parent;
    InputPointer pointer;
    bool dtr, rts;
    uint8_t queue[QUEUE]; /* what the guest has not taken yet */
    unsigned count;
    int32_t dx, dy;   /* moves that it was not told of */
    unsigned buttons; /* 1 << InputButton */
    unsigned told;    /* of them */
    guint sending;    /* a source that gives what waits; 0: nothing waits */
} CharMsmouse;
OBJECT_CAST_DEFINE(CharMsmouse, CHAR_MSMOUSE, TYPE_CHAR_MSMOUSE)

static bool is_on(const CharMsmouse *m)
{
    return m->dtr || m->rts;
}

/* ---- to the guest ---- */

/* The move and the buttons as they are, if they changed, as a packet. */
static void add_packet(CharMsmouse *m)
{
    int32_t dx = CLAMP(m->dx, -STEP_MAX, STEP_MAX), dy = CLAMP(m->dy, -STEP_MAX, STEP_MAX);
    unsigned changed = m->buttons ^ m->told, middle = 1u << INPUT_BUTTON_MIDDLE;

    if (!dx && !dy && !changed) {
        return;
    }
    m->queue[m->count++] = (uint8_t)(SYNC | (m->buttons & 1u << INPUT_BUTTON_LEFT ? LEFT : 0) |
                                     (m->buttons & 1u << INPUT_BUTTON_RIGHT ? RIGHT : 0) |
                                     (dy >> 6 & 3) << 2 | (dx >> 6 & 3));
    m->queue[m->count++] = (uint8_t)(dx & 0x3f);
    m->queue[m->count++] = (uint8_t)(dy & 0x3f);
    if (changed & middle) {
        m->queue[m->count++] = m->buttons & middle ? MIDDLE : 0;
    }
    m->dx -= dx;
    m->dy -= dy;
    m->told = m->buttons;
}

static gboolean give(gpointer opaque)
{
    CharMsmouse *m = opaque;
    CharFrontend *fe = m->parent.fe;

    m->sending = 0;
    for (;;) {
        int room;

        if (!m->count) {
            add_packet(m);
        }
        room = m->count && fe && fe->can_receive ? fe->can_receive(fe->opaque) : 0;
        if (room <= 0) {
            return G_SOURCE_REMOVE;
        }
        room = MIN(room, (int)m->count);
        fe->receive(fe->opaque, m->queue, room);
        m->count -= (unsigned)room;
        memmove(m->queue, m->queue + room, m->count);
    }
}

static void give_later(CharMsmouse *m)
{
    if (!m->sending) {
        m->sending = g_idle_add_full(G_PRIORITY_DEFAULT, give, m, NULL);
    }
}

static void accept_input(Chardev *chr, CharFrontend *fe)
{
    CharMsmouse *m = CHAR_MSMOUSE(chr);

    if (m->count || m->dx || m->dy || m->buttons != m->told) {
        give_later(m);
    }
}

/* ---- on and off ---- */

static void forget(CharMsmouse *m)
{
    m->count = 0;
    m->dx = m->dy = 0;
    m->told = m->buttons;
}

/* Each character less @shift; they are added to *@sum. */
static void add_text(CharMsmouse *m, const char *text, uint8_t shift, uint8_t *sum)
{
    for (; *text; text++) {
        uint8_t byte = (uint8_t)(*text - shift);

        m->queue[m->count++] = byte;
        *sum = (uint8_t)(*sum + byte);
    }
}

/* "M3", and the ID in parentheses with the sum of all of it in hexadecimal digits. */
static void say_what_it_is(CharMsmouse *m)
{
    char digits[3];
    uint8_t sum = 0;

    forget(m);
    add_text(m, "M3", 0, &sum);
    sum = ')' - PNP_SHIFT;
    add_text(m, PNP_BEGIN, 0, &sum);
    add_text(m, PNP_TEXT, PNP_SHIFT, &sum);
    snprintf(digits, sizeof(digits), "%02X", sum);
    add_text(m, digits, PNP_SHIFT, &sum);
    add_text(m, ")", PNP_SHIFT, &sum);
    give_later(m);
}

static void set_modem(Chardev *chr, bool dtr, bool rts)
{
    CharMsmouse *m = CHAR_MSMOUSE(chr);
    bool was_on = is_on(m), asked = (rts && !m->rts) || (dtr && !was_on);

    m->dtr = dtr;
    m->rts = rts;
    if (asked && runstate_is_running()) { /* a driver, and no saved machine */
        say_what_it_is(m);
    }
    if (is_on(m) && !was_on) {
        input_pointer_activate(&m->pointer);
    } else if (!is_on(m) && was_on) {
        forget(m);
        input_pointer_deactivate(&m->pointer);
    }
}

/* ---- from the user ---- */

static void pointer_event(void *opaque, const InputPointerEvent *event)
{
    CharMsmouse *m = opaque;

    if (event->kind == INPUT_POINTER_BUTTON) {
        unsigned bit = 1u << event->button;

        m->buttons = event->down ? m->buttons | bit : m->buttons & ~bit;
        m->buttons &=
            1u << INPUT_BUTTON_LEFT | 1u << INPUT_BUTTON_RIGHT | 1u << INPUT_BUTTON_MIDDLE;
        if (is_on(m) && m->count + 4 <= QUEUE) { /* pressed and released at once counts */
            add_packet(m);
        }
    } else if (is_on(m)) {
        int32_t *at = event->axis == INPUT_AXIS_X ? &m->dx : &m->dy;

        *at = CLAMP((int64_t)*at + event->value, -INPUT_AXIS_MAX, INPUT_AXIS_MAX);
    }
}

static void pointer_sync(void *opaque)
{
    CharMsmouse *m = opaque;

    if (is_on(m)) {
        give_later(m);
    } else {
        m->told = m->buttons;
    }
}

/* ---- the object ---- */

static bool msmouse_complete(Object *obj, GError **errp)
{
    CharMsmouse *m = CHAR_MSMOUSE(obj);

    m->pointer = (InputPointer){
        .name = "Serial Mouse", .event = pointer_event, .sync = pointer_sync, .opaque = m
    };
    input_pointer_add(&m->pointer);
    chardev_connected(CHARDEV(obj), -1, -1);
    return true;
}

static void msmouse_finalize(Object *obj)
{
    CharMsmouse *m = CHAR_MSMOUSE(obj);

    if (m->pointer.opaque) {
        input_pointer_remove(&m->pointer);
    }
    if (m->sending) {
        g_source_remove(m->sending);
    }
}

static const ChardevOps msmouse_ops = {
    .set_modem = set_modem,
    .accept_input = accept_input,
};

static const ObjectType msmouse_type = {
    .name = TYPE_CHAR_MSMOUSE,
    .parent = TYPE_CHARDEV,
    .description = "a mouse at a serial port, as Microsoft's",
    .instance_size = sizeof(CharMsmouse),
    .ops = &msmouse_ops,
    .finalize = msmouse_finalize,
    .complete = msmouse_complete,
};
OBJECT_TYPE_REGISTER(msmouse_type)

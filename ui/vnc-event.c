/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What clients of VNC servers do, on its way to the machine. */
#include "qapi/qapi-events.h"
#include "ui/keysym.h"
#include "ui/vnc-internal.h"
#include "util/main-loop.h"

static const VncHost *host;

void vnc_event_init(const VncHost *from)
{
    host = from;
}

bool vnc_event_absolute(void)
{
    return host->absolute();
}

/* ---- keys ---- */

static bool is_held(const VncClient *c, uint8_t number)
{
    return c->held[number / 8] & 1u << number % 8;
}

/* What it does not hold is not released. */
static void key(VncClient *c, uint8_t number, bool down)
{
    if (!number || (!down && !is_held(c, number))) {
        return;
    }
    if (down) {
        c->held[number / 8] |= (uint8_t)(1u << number % 8);
    } else {
        c->held[number / 8] &= (uint8_t) ~(1u << number % 8);
    }
    host->key(number, down);
}

static void key_event(VncClient *c, const VncEvent *event)
{
    key(c, event->code < 0x100 ? (uint8_t)event->code : 0, event->down);
}

static void keysym_event(VncClient *c, const VncEvent *event)
{
    QKeyCode code = keysym_to_key(event->code);

    key(c, code == Q_KEY_CODE_UNMAPPED ? 0 : host->key_number(code), event->down);
}

/* ---- pointers ---- */

static void buttons(VncClient *c, unsigned now)
{
    static const InputButton names[] = { INPUT_BUTTON_LEFT, INPUT_BUTTON_MIDDLE, INPUT_BUTTON_RIGHT,
                                         INPUT_BUTTON_WHEEL_UP, INPUT_BUTTON_WHEEL_DOWN };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if ((now ^ c->buttons) >> i & 1) {
            host->button(names[i], now >> i & 1);
        }
    }
    c->buttons = now;
}

/* @place of @size pixels. */
static int axis(int place, unsigned size)
{
    int64_t most = MAX(size, 2) - 1;

    return (int)(CLAMP(place, 0, most) * VNC_AXIS_MAX / most);
}

static void set_absolute(VncClient *c)
{
    bool absolute = host->absolute();

    g_mutex_lock(&c->server->lock);
    if (c->absolute != absolute) {
        c->absolute = absolute;
        vnc_client_wake(c);
    }
    g_mutex_unlock(&c->server->lock);
}

static void pointer_event(VncClient *c, const VncEvent *event)
{
    set_absolute(c);
    if (c->absolute) {
        host->move(INPUT_AXIS_X, axis(event->x, c->server->width), true);
        host->move(INPUT_AXIS_Y, axis(event->y, c->server->height), true);
    } else if (c->x >= 0) {
        host->move(INPUT_AXIS_X, event->x - c->x, false);
        host->move(INPUT_AXIS_Y, event->y - c->y, false);
    }
    c->x = event->x;
    c->y = event->y;
    buttons(c, event->buttons);
    host->sync();
}

static void move_event(VncClient *c, const VncEvent *event)
{
    set_absolute(c);
    if (!c->absolute) {
        host->move(INPUT_AXIS_X, event->x, false);
        host->move(INPUT_AXIS_Y, event->y, false);
    }
    buttons(c, event->buttons);
    host->sync();
}

void vnc_event_release_all(VncClient *c)
{
    for (unsigned number = 1; number < 0x100; number++) {
        key(c, (uint8_t)number, false);
    }
    if (c->buttons) {
        buttons(c, 0);
        host->sync();
    }
}

/* ---- the rest ---- */

static void size_event(VncClient *c, const VncEvent *event)
{
    if (c->server->console) {
        console_ui_info(c->server->console, (unsigned)event->x, (unsigned)event->y);
    }
}

static void cut_event(VncClient *c, const VncEvent *event)
{
    vnc_clipboard_take(c);
}

static void power_event(VncClient *c, const VncEvent *event)
{
    host->power((VncPower)event->code);
}

static void initialized_event(VncClient *c, const VncEvent *event)
{
    c->initialized = true;
    qapi_event_send_vnc_initialized(c->server_info, c->info);
}

static void alone_event(VncClient *c, const VncEvent *event)
{
    vnc_server_leave_alone(c->server, c);
}

static void gone_event(VncClient *c, const VncEvent *event)
{
    vnc_client_gone(c);
}

static void deliver(void *opaque)
{
    static void (*const handlers[])(VncClient *, const VncEvent *) = {
        [VNC_EVENT_KEYSYM] = keysym_event,
        [VNC_EVENT_KEY] = key_event,
        [VNC_EVENT_POINTER] = pointer_event,
        [VNC_EVENT_MOVE] = move_event,
        [VNC_EVENT_SIZE] = size_event,
        [VNC_EVENT_POWER] = power_event,
        [VNC_EVENT_CUT] = cut_event,
        [VNC_EVENT_ALONE] = alone_event,
        [VNC_EVENT_INITIALIZED] = initialized_event,
        [VNC_EVENT_GONE] = gone_event,
    };
    g_autofree VncEvent *event = opaque;
    VncClient *c = event->client;

    if (c->orphan) {
        c->events--;
        vnc_client_free(c);
        return;
    }
    g_mutex_lock(&c->server->lock);
    c->events--;
    g_cond_signal(&c->room);
    g_mutex_unlock(&c->server->lock);
    handlers[event->kind](c, event);
}

void vnc_event_send(const VncEvent *event)
{
    VncClient *c = event->client;

    g_mutex_lock(&c->server->lock);
    while (c->events >= VNC_EVENTS_MAX && !c->closing) {
        g_cond_wait(&c->room, &c->server->lock);
    }
    c->events++;
    g_mutex_unlock(&c->server->lock);
    main_loop_schedule(deliver, g_memdup2(event, sizeof(*event)));
}

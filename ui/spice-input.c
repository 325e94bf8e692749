/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What clients of SPICE do, on its way to the machine. */
#include "ui/spice-internal.h"

static const SpiceHost *host;
static SpiceServer *server;

/* ---- keys: bytes as a PC's keyboard sends them, of set 1 ---- */

enum { EXTENDED = 0xe0, PAUSE = 0xe1, RELEASED = 0x80, PAUSE_KEY = 0xc6, PAUSE_LAST = 0x45 };

static struct {
    uint8_t prefix; /* that came last, or 0 */
    uint8_t first;  /* behind PAUSE: the byte before, or 0 */
} keys;

static void push_scan(SpiceKbdInstance *sin, uint8_t byte)
{
    const bool down = !(byte & RELEASED);

    if (byte == EXTENDED || byte == PAUSE) {
        keys.prefix = byte;
        keys.first = 0;
    } else if (keys.prefix == PAUSE && !keys.first) {
        keys.first = byte;
    } else if (keys.prefix == PAUSE) {
        keys.prefix = 0;
        if ((byte & ~RELEASED) == PAUSE_LAST) {
            host->key(PAUSE_KEY, down);
        }
    } else {
        byte = (uint8_t)((byte & ~RELEASED) | (keys.prefix ? RELEASED : 0));
        keys.prefix = 0;
        host->key(byte, down);
    }
}

static uint8_t get_leds(SpiceKbdInstance *sin)
{
    return 0;
}

static const SpiceKbdInterface keyboard_ops = {
    .base = { .type = SPICE_INTERFACE_KEYBOARD,
              .description = "keyboard",
              .major_version = SPICE_INTERFACE_KEYBOARD_MAJOR,
              .minor_version = SPICE_INTERFACE_KEYBOARD_MINOR },
    .push_scan_freg = push_scan,
    .get_leds = get_leds,
};

/* ---- pointers ---- */

static struct {
    uint32_t buttons;
    unsigned width, height; /* of places */
} pointer;

static const struct {
    uint32_t bit;
    InputButton button;
} buttons[] = {
    { 1, INPUT_BUTTON_LEFT },
    { 2, INPUT_BUTTON_RIGHT },
    { 4, INPUT_BUTTON_MIDDLE },
};

static void set_buttons(uint32_t now)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(buttons); i++) {
        if ((now ^ pointer.buttons) & buttons[i].bit) {
            host->button(buttons[i].button, now & buttons[i].bit);
        }
    }
    pointer.buttons = now;
    host->sync();
}

static void turn_wheel(int by, uint32_t now)
{
    const InputButton wheel = by < 0 ? INPUT_BUTTON_WHEEL_UP : INPUT_BUTTON_WHEEL_DOWN;

    if (by) {
        host->button(wheel, true);
        host->sync();
        host->button(wheel, false);
    }
    set_buttons(now);
}

/* Clients may say any number. */
static int distance(int by)
{
    return CLAMP(by, -SPICE_AXIS_MAX, SPICE_AXIS_MAX);
}

static void mouse_motion(SpiceMouseInstance *sin, int dx, int dy, int dz, uint32_t now)
{
    host->move(INPUT_AXIS_X, distance(dx), false);
    host->move(INPUT_AXIS_Y, distance(dy), false);
    turn_wheel(dz, now);
}

static void mouse_buttons(SpiceMouseInstance *sin, uint32_t now)
{
    set_buttons(now);
}

static const SpiceMouseInterface mouse_ops = {
    .base = { .type = SPICE_INTERFACE_MOUSE,
              .description = "mouse",
              .major_version = SPICE_INTERFACE_MOUSE_MAJOR,
              .minor_version = SPICE_INTERFACE_MOUSE_MINOR },
    .motion = mouse_motion,
    .buttons = mouse_buttons,
};

static void tablet_size(SpiceTabletInstance *sin, int width, int height)
{
    pointer.width = (unsigned)CLAMP(width, 2, 1 << 16);
    pointer.height = (unsigned)CLAMP(height, 2, 1 << 16);
}

static int place(int at, unsigned size)
{
    const int last = (int)size - 1;

    return (int)((int64_t)CLAMP(at, 0, last) * SPICE_AXIS_MAX / last);
}

static void tablet_position(SpiceTabletInstance *sin, int x, int y, uint32_t now)
{
    host->move(INPUT_AXIS_X, place(x, pointer.width), true);
    host->move(INPUT_AXIS_Y, place(y, pointer.height), true);
    set_buttons(now);
}

static void tablet_wheel(SpiceTabletInstance *sin, int by, uint32_t now)
{
    turn_wheel(by, now);
}

static void tablet_buttons(SpiceTabletInstance *sin, uint32_t now)
{
    set_buttons(now);
}

static const SpiceTabletInterface tablet_ops = {
    .base = { .type = SPICE_INTERFACE_TABLET,
              .description = "tablet",
              .major_version = SPICE_INTERFACE_TABLET_MAJOR,
              .minor_version = SPICE_INTERFACE_TABLET_MINOR },
    .set_logical_size = tablet_size,
    .position = tablet_position,
    .wheel = tablet_wheel,
    .buttons = tablet_buttons,
};

/* ---- life ---- */

static SpiceKbdInstance keyboard = { .base.sif = &keyboard_ops.base };
static SpiceMouseInstance mouse = { .base.sif = &mouse_ops.base };
static SpiceTabletInstance tablet = { .base.sif = &tablet_ops.base };
static bool has_tablet;

void spice_input_check(void)
{
    if (has_tablet == host->absolute()) {
        return;
    }
    has_tablet = !has_tablet;
    if (has_tablet) {
        spice_server_add_interface(server, &tablet.base);
    } else {
        spice_server_remove_interface(&tablet.base);
    }
}

void spice_input_start(SpiceServer *of, const SpiceHost *from)
{
    server = of;
    host = from;
    pointer.width = pointer.height = 2;
    spice_server_add_interface(server, &keyboard.base);
    spice_server_add_interface(server, &mouse.base);
    spice_input_check();
}

void spice_input_stop(void)
{
    if (has_tablet) {
        spice_server_remove_interface(&tablet.base);
        has_tablet = false;
    }
}

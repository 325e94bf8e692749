/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * input-linux: a keyboard or a mouse of the host (evdev), whose keys and moves go to the guest's
 * while the program has it for itself (it is grabbed). Keys that are pressed together give it back
 * to the host, and take it again. Machine lock.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "hw/input/evdev.h"
#include "hw/input/input.h"
#include "hw/input/key-codes.h"
#include "qom/object.h"
#include "util/error.h"

#define TYPE_INPUT_LINUX "input-linux"

enum { AXES = 2 };

typedef struct InputLinux {
    Object parent;
    /* configuration */
    char *evdev;
    bool grab_all, repeat;
    int toggle_keys; /* GrabToggleKeys */
    /* wiring */
    Evdev file;
    bool toggles; /* as soon as no key is held */
    unsigned held;
    uint8_t down[EVDEV_KEY_BYTES];
    struct input_absinfo axes[AXES];
} InputLinux;
OBJECT_CAST_DEFINE(InputLinux, INPUT_LINUX, TYPE_INPUT_LINUX)

static GPtrArray *all; /* of InputLinux *, borrowed */

static bool is_down(const InputLinux *s, unsigned key)
{
    return s->down[key / 8] & 1 << key % 8;
}

/* ---- to the guest ---- */

static void send_button(InputButton button, bool down)
{
    const InputPointerEvent event = { .kind = INPUT_POINTER_BUTTON,
                                      .button = button,
                                      .down = down };

    input_pointer_event(&event);
}

/* To the guest: a key, or the button of a mouse. */
static void send_key(unsigned key, bool down)
{
    static const struct {
        uint16_t key;
        InputButton button;
    } buttons[] = {
        { BTN_LEFT, INPUT_BUTTON_LEFT },   { BTN_TOUCH, INPUT_BUTTON_LEFT },
        { BTN_RIGHT, INPUT_BUTTON_RIGHT }, { BTN_MIDDLE, INPUT_BUTTON_MIDDLE },
        { BTN_SIDE, INPUT_BUTTON_SIDE },   { BTN_EXTRA, INPUT_BUTTON_EXTRA },
    };
    uint8_t number = key_code_of_evdev(key);

    for (unsigned i = 0; i < G_N_ELEMENTS(buttons); i++) {
        if (buttons[i].key == key) {
            send_button(buttons[i].button, down);
            return;
        }
    }
    if (number) {
        input_key(number, down);
    }
}

/* ---- whose it is ---- */

static void grab(InputLinux *s, bool on)
{
    g_autoptr(GError) err = NULL;

    for (unsigned key = 0; s->file.grabbed && !on && key < KEY_CNT; key++) {
        if (is_down(s, key)) {
            send_key(key, false); /* the guest would not hear of it */
        }
    }
    if (!evdev_grab(&s->file, on, &err)) {
        error_warn("input-linux: %s", err->message);
    }
}

static void toggle(InputLinux *s)
{
    s->toggles = false;
    grab(s, !s->file.grabbed);
    for (unsigned i = 0; s->grab_all && i < all->len; i++) {
        grab(all->pdata[i], s->file.grabbed);
    }
}

static bool are_toggle_keys(const InputLinux *s)
{
    static const struct {
        uint16_t one, other, third; /* the first two, or the first and the third */
    } keys[GRAB_TOGGLE_KEYS__MAX] = {
        [GRAB_TOGGLE_KEYS_CTRL_CTRL] = { KEY_LEFTCTRL, KEY_RIGHTCTRL, KEY_RIGHTCTRL },
        [GRAB_TOGGLE_KEYS_ALT_ALT] = { KEY_LEFTALT, KEY_RIGHTALT, KEY_RIGHTALT },
        [GRAB_TOGGLE_KEYS_SHIFT_SHIFT] = { KEY_LEFTSHIFT, KEY_RIGHTSHIFT, KEY_RIGHTSHIFT },
        [GRAB_TOGGLE_KEYS_META_META] = { KEY_LEFTMETA, KEY_RIGHTMETA, KEY_RIGHTMETA },
        [GRAB_TOGGLE_KEYS_SCROLLLOCK] = { KEY_SCROLLLOCK, KEY_SCROLLLOCK, KEY_SCROLLLOCK },
        [GRAB_TOGGLE_KEYS_CTRL_SCROLLLOCK] = { KEY_SCROLLLOCK, KEY_LEFTCTRL, KEY_RIGHTCTRL },
    };

    return is_down(s, keys[s->toggle_keys].one) &&
           (is_down(s, keys[s->toggle_keys].other) || is_down(s, keys[s->toggle_keys].third));
}

/* ---- what happens ---- */

/* @key is down now, or not any more. */
static void change(InputLinux *s, unsigned key, bool down)
{
    if (is_down(s, key) == down) {
        return;
    }
    s->down[key / 8] ^= (uint8_t)(1 << key % 8);
    s->held += down ? 1 : UINT_MAX;
    if (s->file.grabbed) {
        send_key(key, down);
    }
    s->toggles |= down && are_toggle_keys(s);
    if (s->toggles && !s->held) {
        toggle(s);
    }
}

static void take_key(InputLinux *s, unsigned key, int32_t value)
{
    enum { REPEATED = 2 };

    if (key >= KEY_CNT) {
        return;
    }
    if (value == REPEATED) {
        if (s->repeat && s->file.grabbed && is_down(s, key)) {
            send_key(key, true);
        }
    } else {
        change(s, key, value);
    }
}

static void take_move(unsigned code, int32_t value)
{
    InputPointerEvent event = { .kind = INPUT_POINTER_RELATIVE, .value = value };
    InputButton button;

    if (code == REL_X || code == REL_Y) {
        event.axis = code == REL_X ? INPUT_AXIS_X : INPUT_AXIS_Y;
        input_pointer_event(&event);
    } else if ((code == REL_WHEEL || code == REL_HWHEEL) && value) {
        button = code == REL_WHEEL
                     ? (value > 0 ? INPUT_BUTTON_WHEEL_UP : INPUT_BUTTON_WHEEL_DOWN)
                     : (value > 0 ? INPUT_BUTTON_WHEEL_RIGHT : INPUT_BUTTON_WHEEL_LEFT);
        send_button(button, true);
        send_button(button, false);
    }
}

static void take_place(const InputLinux *s, unsigned code, int32_t value)
{
    const struct input_absinfo *axis = code < AXES ? &s->axes[code] : NULL;

    if (axis && axis->maximum > axis->minimum) {
        const int64_t range = (int64_t)axis->maximum - axis->minimum;
        const int64_t at = CLAMP((int64_t)value - axis->minimum, 0, range);
        const InputPointerEvent event = { .kind = INPUT_POINTER_ABSOLUTE,
                                          .axis = code == ABS_X ? INPUT_AXIS_X : INPUT_AXIS_Y,
                                          .value = (int32_t)(at * INPUT_AXIS_MAX / range) };

        input_pointer_event(&event);
    }
}

/* Some events were lost: what is held the kernel knows. */
static void look_at_keys(InputLinux *s)
{
    uint8_t now[EVDEV_KEY_BYTES];

    bool known = evdev_keys(&s->file, now);

    for (unsigned key = 0; known && key < KEY_CNT; key++) {
        change(s, key, now[key / 8] & 1 << key % 8);
    }
}

static void take(void *opaque, const struct input_event *event)
{
    InputLinux *s = opaque;

    if (event->type == EV_KEY) {
        take_key(s, event->code, event->value);
    } else if (event->type == EV_SYN && event->code == SYN_DROPPED) {
        look_at_keys(s);
    } else if (!s->file.grabbed) {
        return;
    } else if (event->type == EV_SYN && event->code == SYN_REPORT) {
        input_sync();
    } else if (event->type == EV_REL) {
        take_move(event->code, event->value);
    } else if (event->type == EV_ABS) {
        take_place(s, event->code, event->value);
    }
}

/* ---- life ---- */

/* The guest has what was held no more. */
static void release_all(void *opaque)
{
    InputLinux *s = opaque;

    for (unsigned key = 0; s->held && key < KEY_CNT; key++) {
        if (is_down(s, key)) {
            s->toggles = false;
            change(s, key, false);
        }
    }
}

static bool linux_complete(Object *obj, GError **errp)
{
    InputLinux *s = INPUT_LINUX(obj);

    if (!s->evdev) {
        error_set(errp, "'evdev' is missing: the device, /dev/input/eventN");
        return false;
    }
    s->file.event = take;
    s->file.gone = release_all;
    s->file.opaque = s;
    if (!evdev_open(&s->file, s->evdev, errp)) {
        return false;
    }
    for (unsigned i = 0; i < AXES; i++) { /* where it has none, nothing is told */
        if (ioctl(s->file.fd, EVIOCGABS(i), &s->axes[i]) < 0) {
            memset(&s->axes[i], 0, sizeof(s->axes[i]));
        }
    }
    if (!all) {
        all = g_ptr_array_new();
    }
    g_ptr_array_add(all, s);
    look_at_keys(s); /* the Enter by which the program was started */
    s->toggles = true;
    if (!s->held) {
        s->toggles = false;
        grab(s, true);
    }
    evdev_read(&s->file, true);
    return true;
}

static void linux_finalize(Object *obj)
{
    InputLinux *s = INPUT_LINUX(obj);

    if (all) {
        g_ptr_array_remove(all, s);
    }
    release_all(s);
    evdev_close(&s->file);
}

static const Property linux_properties[] = {
    { .name = "evdev",
      .kind = PROP_STRING,
      .offset = offsetof(InputLinux, evdev),
      .description = "the device: /dev/input/eventN" },
    { .name = "grab_all",
      .kind = PROP_BOOL,
      .offset = offsetof(InputLinux, grab_all),
      .description = "the keys that switch between host and guest do so for all such objects" },
    { .name = "repeat",
      .kind = PROP_BOOL,
      .offset = offsetof(InputLinux, repeat),
      .description = "the guest sees that keys are repeated" },
    { .name = "grab-toggle",
      .kind = PROP_ENUM,
      .offset = offsetof(InputLinux, toggle_keys),
      .enum_names = GrabToggleKeys_lookup,
      .has_default = true,
      .default_int = GRAB_TOGGLE_KEYS_CTRL_CTRL,
      .description = "the keys that switch between host and guest" },
    { 0 },
};

static const ObjectType linux_type = {
    .name = TYPE_INPUT_LINUX,
    .parent = "object",
    .description = "a keyboard or a mouse of the host",
    .instance_size = sizeof(InputLinux),
    .user_creatable = true,
    .properties = linux_properties,
    .complete = linux_complete,
    .finalize = linux_finalize,
};
OBJECT_TYPE_REGISTER(linux_type)

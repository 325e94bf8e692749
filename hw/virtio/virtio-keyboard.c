/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-keyboard: a keyboard whose keys have the numbers of Linux's evdev. */
#include <string.h>

#include "hw/input/input.h"
#include "hw/input/key-codes.h"
#include "hw/virtio/virtio-input.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/timer.h"

#define TYPE_VIRTIO_KEYBOARD "virtio-keyboard-device"

typedef struct VirtioKeyboard {
    VirtioInput parent;
    uint16_t
        held[INPUT_KEYS_MAX]; /* keys of evdev that the monitor holds until `release` expires */
    unsigned held_count;
    Timer *release;
    /* wiring */
    InputKeyboard input;
} VirtioKeyboard;
OBJECT_CAST_DEFINE(VirtioKeyboard, VIRTIO_KEYBOARD, TYPE_VIRTIO_KEYBOARD)

/* Keys up to F10 have the numbers of scan code set 1, and so those of key-codes.h. */
#define SAME_LAST KEY_KPDOT
#define X(code)   (KEY_CODE_EXTENDED | (code))
static const struct {
    uint8_t number;
    uint16_t key;
} others[] = {
    { 0x54, KEY_SYSRQ },
    { 0x56, KEY_102ND },
    { 0x57, KEY_F11 },
    { 0x58, KEY_F12 },
    { 0x5b, KEY_LINEFEED },
    { 0x64, KEY_OPEN },
    { 0x65, KEY_PASTE },
    { 0x70, KEY_KATAKANAHIRAGANA },
    { 0x73, KEY_RO },
    { 0x79, KEY_HENKAN },
    { 0x7b, KEY_MUHENKAN },
    { 0x7d, KEY_YEN },
    { 0x7e, KEY_KPCOMMA },
    { X(0x05), KEY_AGAIN },
    { X(0x06), KEY_PROPS },
    { X(0x07), KEY_UNDO },
    { X(0x0c), KEY_FRONT },
    { X(0x10), KEY_PREVIOUSSONG },
    { X(0x19), KEY_NEXTSONG },
    { X(0x1c), KEY_KPENTER },
    { X(0x1d), KEY_RIGHTCTRL },
    { X(0x1e), KEY_MENU },
    { X(0x20), KEY_MUTE },
    { X(0x21), KEY_CALC },
    { X(0x22), KEY_PLAYPAUSE },
    { X(0x24), KEY_STOPCD },
    { X(0x2e), KEY_VOLUMEDOWN },
    { X(0x30), KEY_VOLUMEUP },
    { X(0x32), KEY_HOMEPAGE },
    { X(0x35), KEY_KPSLASH },
    { X(0x37), KEY_SYSRQ },
    { X(0x38), KEY_RIGHTALT },
    { X(0x3c), KEY_CUT },
    { X(0x41), KEY_FIND },
    { X(0x46), KEY_PAUSE },
    { X(0x47), KEY_HOME },
    { X(0x48), KEY_UP },
    { X(0x49), KEY_PAGEUP },
    { X(0x4b), KEY_LEFT },
    { X(0x4d), KEY_RIGHT },
    { X(0x4f), KEY_END },
    { X(0x50), KEY_DOWN },
    { X(0x51), KEY_PAGEDOWN },
    { X(0x52), KEY_INSERT },
    { X(0x53), KEY_DELETE },
    { X(0x5b), KEY_LEFTMETA },
    { X(0x5c), KEY_RIGHTMETA },
    { X(0x5d), KEY_COMPOSE },
    { X(0x5e), KEY_POWER },
    { X(0x5f), KEY_SLEEP },
    { X(0x63), KEY_WAKEUP },
    { X(0x66), KEY_BOOKMARKS },
    { X(0x67), KEY_REFRESH },
    { X(0x68), KEY_STOP },
    { X(0x69), KEY_FORWARD },
    { X(0x6a), KEY_BACK },
    { X(0x6b), KEY_COMPUTER },
    { X(0x6c), KEY_MAIL },
    { X(0x6d), KEY_MEDIA },
    { X(0x75), KEY_HELP },
    { X(0x78), KEY_COPY },
};

/* Of evdev; 0: it has none. */
static uint16_t key_of(uint8_t number)
{
    if (number <= SAME_LAST) {
        return number;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        if (others[i].number == number) {
            return others[i].key;
        }
    }
    return 0;
}

/* Made of both when the first keyboard is. */
static uint16_t keys[SAME_LAST + G_N_ELEMENTS(others)];

static const uint16_t leds[] = { LED_NUML, LED_CAPSL, LED_SCROLLL };
static const VirtioInputCodes keyboard_codes[] = {
    { EV_KEY, keys, G_N_ELEMENTS(keys) },
    { EV_REP, NULL, 0 },
    { EV_LED, leds, G_N_ELEMENTS(leds) },
    { 0 },
};

static void __attribute__((constructor)) fill_keys(void)
{
    for (unsigned i = 0; i < SAME_LAST; i++) {
        keys[i] = (uint16_t)(i + 1);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        keys[SAME_LAST + i] = others[i].key;
    }
}

/* ---- the user ---- */

static void send(VirtioKeyboard *s, uint16_t key, bool down)
{
    if (key) {
        virtio_input_event(&s->parent, EV_KEY, key, down);
        virtio_input_sync(&s->parent);
    }
}

/* The last that was pressed is the first that is released. */
static void release_held(void *opaque)
{
    VirtioKeyboard *s = opaque;

    timer_del(s->release);
    while (s->held_count) {
        send(s, s->held[--s->held_count], false);
    }
}

static bool press(void *opaque, const uint8_t *numbers, unsigned count, int64_t hold_ms,
                  GError **errp)
{
    VirtioKeyboard *s = opaque;

    if (!virtio_input_has_room(&s->parent, 2 * (s->held_count + 2 * count))) {
        error_set(errp, "the guest does not read its keyboard: the keys that were pressed before "
                        "are still there");
        return false;
    }
    release_held(s);
    for (unsigned i = 0; i < count; i++) {
        s->held[s->held_count++] = key_of(numbers[i]);
        send(s, key_of(numbers[i]), true);
    }
    timer_mod(s->release, clock_ns() + hold_ms * NS_PER_MS);
    return true;
}

static void press_or_release(void *opaque, uint8_t number, bool down)
{
    send(opaque, key_of(number), down);
}

/* ---- life ---- */

static void keyboard_used(VirtioInput *input, bool used)
{
    VirtioKeyboard *s = VIRTIO_KEYBOARD(input);

    if (used) {
        input_keyboard_activate(&s->input);
    } else {
        input_keyboard_deactivate(&s->input);
        timer_del(s->release);
        s->held_count = 0;
        memset(s->held, 0, sizeof(s->held));
    }
}

static bool keyboard_realize(VirtioDevice *vdev, GError **errp);

static void keyboard_unrealize(VirtioDevice *vdev)
{
    VirtioKeyboard *s = VIRTIO_KEYBOARD(vdev);

    input_keyboard_remove(&s->input);
    g_clear_pointer(&s->release, timer_free);
}

static const StateField keyboard_fields[] = {
    STATE_STRUCT(VirtioKeyboard, parent, &virtio_input_state),
    STATE_UINTS(VirtioKeyboard, held),
    STATE_UINT_MAX(VirtioKeyboard, held_count, INPUT_KEYS_MAX),
    STATE_TIMER(VirtioKeyboard, release),
    {},
};
static const StateTable keyboard_state = { .name = "virtio-keyboard",
                                           .version = 1,
                                           .fields = keyboard_fields };

static const VirtioInputClass keyboard_ops = {
    .virtio = { VIRTIO_INPUT_CLASS_BASE(&keyboard_state), .realize = keyboard_realize,
                .unrealize = keyboard_unrealize },
    .name = "QEMU Virtio Keyboard",
    .product = 1,
    .codes = keyboard_codes,
    .used = keyboard_used,
};

static bool keyboard_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioKeyboard *s = VIRTIO_KEYBOARD(vdev);

    virtio_input_realize(&s->parent);
    s->release = timer_new(release_held, s);
    s->input = (InputKeyboard){ keyboard_ops.name, press, press_or_release, s };
    input_keyboard_add(&s->input);
    return true;
}

static const ObjectType keyboard_type = {
    .name = TYPE_VIRTIO_KEYBOARD,
    .parent = TYPE_VIRTIO_INPUT,
    .description = "a keyboard",
    .instance_size = sizeof(VirtioKeyboard),
    .ops = &keyboard_ops,
};
OBJECT_TYPE_REGISTER(keyboard_type)

static const VirtioPciClass keyboard_pci = VIRTIO_PCI_CLASS("input", 0x0900, 2);
VIRTIO_PCI_TYPE(keyboard, "virtio-keyboard", "", TYPE_VIRTIO_KEYBOARD, &keyboard_pci, "a keyboard",
                NULL, virtio_pci_mode_properties)

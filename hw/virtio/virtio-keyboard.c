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

static uint16_t keys[UINT8_MAX]; /* those that a keyboard can have */

static const uint16_t leds[] = { LED_NUML, LED_CAPSL, LED_SCROLLL };
static VirtioInputCodes keyboard_codes[] = {
    { EV_KEY, keys, 0 },
    { EV_REP, NULL, 0 },
    { EV_LED, leds, G_N_ELEMENTS(leds) },
    { 0 },
};

static void __attribute__((constructor)) fill_keys(void)
{
    for (unsigned number = 1; number <= UINT8_MAX; number++) {
        uint16_t key = key_code_evdev((uint8_t)number);

        if (key) {
            keys[keyboard_codes[0].count++] = key;
        }
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
        s->held[s->held_count++] = key_code_evdev(numbers[i]);
        send(s, key_code_evdev(numbers[i]), true);
    }
    timer_mod(s->release, clock_ns() + hold_ms * NS_PER_MS);
    return true;
}

static void press_or_release(void *opaque, uint8_t number, bool down)
{
    send(opaque, key_code_evdev(number), down);
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

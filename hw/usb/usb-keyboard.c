/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb-kbd: a keyboard with the report of HID 1.11, appendix B.1, which firmware knows. */
#include <string.h>

#include "hw/input/input.h"
#include "hw/input/key-codes.h"
#include "hw/usb/usb-hid.h"
#include "util/clock.h"
#include "util/error.h"

#define TYPE_USB_KEYBOARD "usb-kbd"

enum { QUEUE = 128, PRESSED = 6, FIRST_MODIFIER = 0xe0, TOO_MANY = 1, KEY_UP = 0x100 };

typedef struct UsbKeyboard {
    UsbHid parent;
    uint16_t queue[QUEUE]; /* usages of keys that were pressed, or with KEY_UP released */
    unsigned head, count;
    uint8_t modifiers, leds;
    uint8_t pressed[INPUT_KEYS_MAX]; /* usages of the others, in order */
    unsigned pressed_count;
    uint8_t held[INPUT_KEYS_MAX]; /* usages that the monitor holds until `release` expires */
    unsigned held_count;
    Timer *release;
    /* wiring */
    InputKeyboard input;
} UsbKeyboard;
OBJECT_CAST_DEFINE(UsbKeyboard, USB_KEYBOARD, TYPE_USB_KEYBOARD)

static const uint8_t report_descriptor[] = {
    0x05, 0x01, 0x09, 0x06,                                     /* generic desktop: keyboard */
    0xa1, 0x01,                                                 /* an application: */
    0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0x00, 0x25, 0x01, /* modifiers, a bit each */
    0x75, 0x01, 0x95, 0x08, 0x81, 0x02,                         /* */
    0x95, 0x01, 0x75, 0x08, 0x81, 0x01,                         /* a byte that is 0 */
    0x95, 0x05, 0x75, 0x01, 0x05, 0x08, 0x19, 0x01, 0x29, 0x05, /* five LEDs, which are set */
    0x91, 0x02, 0x95, 0x01, 0x75, 0x03, 0x91, 0x01,             /* */
    0x95, 0x06, 0x75, 0x08, 0x15, 0x00, 0x25, 0xff, 0x05, 0x07, /* six keys by number */
    0x19, 0x00, 0x29, 0xff, 0x81, 0x00,                         /* */
    0xc0,
};

static const uint8_t hid_descriptor[] = USB_HID_EXTRA(sizeof(report_descriptor));

/* One that is asked each 10 ms, or at high speed 8. */
#define KEYBOARD(speed, interval_)                                                             \
    static const UsbEndpoint speed##_endpoints[] = { { 0x81, USB_INTERRUPT, 8, interval_ } };  \
    static const UsbInterface speed##_interfaces[] = {                                         \
        { .class = 3,                                                                          \
          .subclass = 1,                                                                       \
          .protocol = 1,                                                                       \
          .extra = hid_descriptor,                                                             \
          .extra_size = sizeof(hid_descriptor),                                                \
          .endpoints = speed##_endpoints,                                                      \
          .endpoint_count = 1 },                                                               \
    };                                                                                         \
    static const UsbConfiguration speed##_configuration = { speed##_max_packet, USB_WAKES, 50, \
                                                            speed##_interfaces, 1 };
enum { full_max_packet = 8, high_max_packet = 64 };
KEYBOARD(full, 10)
KEYBOARD(high, 7)

#define KEYBOARD_DESCRIPTION                                                           \
    .vendor = 0x0627, .product = 0x0001, .maker = "QEMU", .name = "QEMU USB Keyboard", \
    .serial = "68284", .speeds[USB_SPEED_FULL] = &full_configuration
static const UsbDescription full_description = { KEYBOARD_DESCRIPTION };
static const UsbDescription description = { KEYBOARD_DESCRIPTION,
                                            .speeds[USB_SPEED_HIGH] = &high_configuration };

/* ---- reports ---- */

static void change(UsbKeyboard *s, uint16_t event)
{
    uint8_t usage = (uint8_t)event;
    bool down = !(event & KEY_UP);
    unsigned at = 0;

    if (usage >= FIRST_MODIFIER) {
        uint8_t bit = (uint8_t)(1 << (usage - FIRST_MODIFIER));

        s->modifiers = down ? s->modifiers | bit : s->modifiers & ~bit;
        return;
    }
    while (at < s->pressed_count && s->pressed[at] != usage) {
        at++;
    }
    if (at < s->pressed_count && !down) {
        memmove(&s->pressed[at], &s->pressed[at + 1], s->pressed_count - at - 1);
        s->pressed_count--;
    } else if (at == s->pressed_count && down && at < INPUT_KEYS_MAX) {
        s->pressed[s->pressed_count++] = usage;
    }
}

static bool advance(UsbHid *hid)
{
    UsbKeyboard *s = USB_KEYBOARD(hid);

    if (!s->count) {
        return false;
    }
    change(s, s->queue[s->head]);
    s->head = (s->head + 1) % QUEUE;
    s->count--;
    return true;
}

static unsigned report(UsbHid *hid, uint8_t *data)
{
    const UsbKeyboard *s = USB_KEYBOARD(hid);

    memset(data, 0, USB_HID_REPORT);
    data[0] = s->modifiers;
    for (unsigned i = 0; i < PRESSED && i < s->pressed_count; i++) {
        data[2 + i] = s->pressed_count > PRESSED ? TOO_MANY : s->pressed[i];
    }
    return USB_HID_REPORT;
}

static void set_leds(UsbHid *hid, const uint8_t *data, unsigned size)
{
    if (size) {
        USB_KEYBOARD(hid)->leds = data[0];
    }
}

static void clear(UsbHid *hid)
{
    UsbKeyboard *s = USB_KEYBOARD(hid);

    memset(s->queue, 0, sizeof(s->queue));
    memset(s->pressed, 0, sizeof(s->pressed));
    memset(s->held, 0, sizeof(s->held));
    s->head = s->count = s->pressed_count = s->held_count = 0;
    s->modifiers = s->leds = 0;
    timer_del(s->release);
}

/* ---- the user ---- */

/* A key that the guest cannot hear of is lost, as is one for which there is no room. */
static void push(UsbKeyboard *s, uint8_t usage, bool down)
{
    if (usage && s->parent.parent.configuration && s->count < QUEUE) {
        s->queue[(s->head + s->count++) % QUEUE] = usage | (down ? 0 : KEY_UP);
    }
}

/* The last that was pressed is the first that is released. */
static void release_held(UsbKeyboard *s)
{
    timer_del(s->release);
    while (s->held_count) {
        push(s, s->held[--s->held_count], false);
    }
}

static void release_expired(void *opaque)
{
    UsbKeyboard *s = opaque;

    release_held(s);
    usb_hid_happened(&s->parent);
}

static bool press(void *opaque, const uint8_t *keys, unsigned count, int64_t hold_ms, GError **errp)
{
    UsbKeyboard *s = opaque;

    if (s->count + s->held_count + 2 * count > QUEUE) {
        error_set(errp, "the guest does not read its keyboard: the keys that were pressed before "
                        "are still there");
        return false;
    }
    release_held(s);
    for (unsigned i = 0; i < count; i++) {
        uint8_t usage = key_code_usage(keys[i]);

        push(s, usage, true);
        s->held[s->held_count++] = usage;
    }
    timer_mod(s->release, clock_ns() + hold_ms * (NS_PER_SEC / 1000));
    usb_hid_happened(&s->parent);
    return true;
}

static void key(void *opaque, uint8_t number, bool down)
{
    UsbKeyboard *s = opaque;

    push(s, key_code_usage(number), down);
    usb_hid_happened(&s->parent);
}

static void configured(UsbDevice *dev)
{
    if (dev->configuration) {
        input_keyboard_activate(&USB_KEYBOARD(dev)->input);
    }
}

/* ---- life ---- */

static bool keyboard_realize(UsbDevice *dev, GError **errp)
{
    UsbKeyboard *s = USB_KEYBOARD(dev);

    if (!usb_hid_realize(&s->parent, errp)) {
        return false;
    }
    s->release = timer_new(release_expired, s);
    s->input = (InputKeyboard){ description.name, press, key, s };
    input_keyboard_add(&s->input);
    return true;
}

static void keyboard_unrealize(UsbDevice *dev)
{
    UsbKeyboard *s = USB_KEYBOARD(dev);

    input_keyboard_remove(&s->input);
    g_clear_pointer(&s->release, timer_free);
    usb_hid_unrealize(&s->parent);
}

static const StateField keyboard_fields[] = {
    STATE_STRUCT(UsbKeyboard, parent, &usb_hid_state),
    STATE_UINTS(UsbKeyboard, queue),
    STATE_UINT_MAX(UsbKeyboard, head, QUEUE - 1),
    STATE_UINT_MAX(UsbKeyboard, count, QUEUE),
    STATE_UINT(UsbKeyboard, modifiers),
    STATE_UINT(UsbKeyboard, leds),
    STATE_UINTS(UsbKeyboard, pressed),
    STATE_UINT_MAX(UsbKeyboard, pressed_count, INPUT_KEYS_MAX),
    STATE_UINTS(UsbKeyboard, held),
    STATE_UINT_MAX(UsbKeyboard, held_count, INPUT_KEYS_MAX),
    STATE_TIMER(UsbKeyboard, release),
    {},
};
static const StateTable keyboard_state = { .name = TYPE_USB_KEYBOARD,
                                           .version = 1,
                                           .fields = keyboard_fields };

static const UsbHidClass keyboard_ops = {
    .usb = { USB_HID_CLASS_BASE(&keyboard_state), .realize = keyboard_realize,
             .unrealize = keyboard_unrealize, .configured = configured },
    .description = &description,
    .full_speed = &full_description,
    .report_descriptor = report_descriptor,
    .report_descriptor_size = sizeof(report_descriptor),
    .advance = advance,
    .report = report,
    .set_report = set_leds,
    .clear = clear,
};

static const ObjectType keyboard_type = {
    .name = TYPE_USB_KEYBOARD,
    .parent = TYPE_USB_HID,
    .description = "USB keyboard",
    .instance_size = sizeof(UsbKeyboard),
    .ops = &keyboard_ops,
};
OBJECT_TYPE_REGISTER(keyboard_type)

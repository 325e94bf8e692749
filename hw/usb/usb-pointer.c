/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-mouse, which tells how far it moved (HID 1.11, appendix B.2), and usb-tablet, which tells
 * where it is: 0 to 32767 of each axis, whatever the screen's size.
 */
#include <string.h>

#include "hw/input/input.h"
#include "hw/usb/usb-hid.h"
#include "util/error.h"

#define TYPE_USB_POINTER "usb-pointer"

enum { QUEUE = 16, STEP_MAX = 127, TABLET_REPORT = 6, MOUSE_REPORT = 4 };

/* What happened at once. */
typedef struct Move {
    int32_t x, y; /* where it is, or how far it moved */
    int32_t wheel;
    uint8_t buttons;
} Move;

typedef struct UsbPointer {
    UsbHid parent;
    Move queue[QUEUE];
    unsigned head, count;
    Move next; /* what goes into the queue next */
    bool changed;
    Move shown; /* what is reported */
    /* wiring */
    InputPointer input;
} UsbPointer;
OBJECT_CAST_DEFINE(UsbPointer, USB_POINTER, TYPE_USB_POINTER)

#define FIVE_BUTTONS                                                                       \
    0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0x09, 0x01, 0xa1, 0x00,     /* mouse: a pointer */ \
        0x05, 0x09, 0x19, 0x01, 0x29, 0x05, 0x15, 0x00, 0x25, 0x01, /* a bit each */       \
        0x95, 0x05, 0x75, 0x01, 0x81, 0x02, 0x95, 0x01, 0x75, 0x03, 0x81, 0x01
#define WHEEL 0x05, 0x01, 0x09, 0x38, 0x15, 0x81, 0x25, 0x7f, 0x75, 0x08, 0x95, 0x01, 0x81, 0x06

static const uint8_t mouse_report_descriptor[] = {
    FIVE_BUTTONS, 0x05, 0x01, 0x09, 0x30, 0x09, 0x31,  0x15, 0x81,
    0x25,         0x7f, /* x, y: -127 to 127 */
    0x75,         0x08, 0x95, 0x02, 0x81, 0x06, WHEEL, 0xc0, 0xc0,
};

static const uint8_t tablet_report_descriptor[] = {
    FIVE_BUTTONS, 0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x15, 0x00, 0x26, 0xff, 0x7f, /* x, y: 0 to
                                                                                       32767 */
    0x35,         0x00, 0x46, 0xff, 0x7f, 0x75, 0x10, 0x95, 0x02, 0x81, 0x02, WHEEL, 0xc0, 0xc0,
};

static const uint8_t mouse_hid[] = USB_HID_EXTRA(sizeof(mouse_report_descriptor));
static const uint8_t tablet_hid[] = USB_HID_EXTRA(sizeof(tablet_report_descriptor));

/* Asked each 10 ms, or at high speed 8 (mouse), or 4. */
static const UsbEndpoint endpoints[] = {
    { 0x81, USB_INTERRUPT, 4, 10 },
    { 0x81, USB_INTERRUPT, 4, 7 },
    { 0x81, USB_INTERRUPT, 8, 10 },
    { 0x81, USB_INTERRUPT, 8, 4 },
};
static const UsbInterface interfaces[] = {
    { .class = 3,
      .subclass = 1,
      .protocol = 2,
      .extra = mouse_hid,
      .extra_size = sizeof(mouse_hid),
      .endpoints = &endpoints[0],
      .endpoint_count = 1 },
    { .class = 3,
      .subclass = 1,
      .protocol = 2,
      .extra = mouse_hid,
      .extra_size = sizeof(mouse_hid),
      .endpoints = &endpoints[1],
      .endpoint_count = 1 },
    { .class = 3,
      .extra = tablet_hid,
      .extra_size = sizeof(tablet_hid),
      .endpoints = &endpoints[2],
      .endpoint_count = 1 },
    { .class = 3,
      .extra = tablet_hid,
      .extra_size = sizeof(tablet_hid),
      .endpoints = &endpoints[3],
      .endpoint_count = 1 },
};
static const UsbConfiguration configurations[] = {
    { 8, USB_WAKES, 50, &interfaces[0], 1 },
    { 64, USB_WAKES, 50, &interfaces[1], 1 },
    { 8, USB_WAKES, 50, &interfaces[2], 1 },
    { 64, USB_WAKES, 50, &interfaces[3], 1 },
};

#define POINTER_DESCRIPTION(name_, serial_, full)                                               \
    .vendor = 0x0627, .product = 0x0001, .maker = "QEMU", .name = (name_), .serial = (serial_), \
    .speeds[USB_SPEED_FULL] = (full)
static const UsbDescription mouse_full = { POINTER_DESCRIPTION("QEMU USB Mouse", "89126",
                                                               &configurations[0]) };
static const UsbDescription mouse_description = { POINTER_DESCRIPTION("QEMU USB Mouse", "89126",
                                                                      &configurations[0]),
                                                  .speeds[USB_SPEED_HIGH] = &configurations[1] };
static const UsbDescription tablet_full = { POINTER_DESCRIPTION("QEMU USB Tablet", "28754",
                                                                &configurations[2]) };
static const UsbDescription tablet_description = { POINTER_DESCRIPTION("QEMU USB Tablet", "28754",
                                                                       &configurations[2]),
                                                   .speeds[USB_SPEED_HIGH] = &configurations[3] };

/* ---- reports ---- */

/* As far as a report can tell; the rest stays. */
static int32_t take(int32_t *from)
{
    int32_t step = CLAMP(*from, -STEP_MAX, STEP_MAX);

    *from -= step;
    return step;
}

static bool advance(UsbHid *hid)
{
    UsbPointer *s = USB_POINTER(hid);

    s->shown.wheel = 0;
    if (!s->input.absolute) {
        s->shown.x = s->shown.y = 0;
    }
    if (!s->count) {
        return false;
    }
    Move *move = &s->queue[s->head];
    s->shown.buttons = move->buttons;
    s->shown.wheel = take(&move->wheel);
    s->shown.x = s->input.absolute ? move->x : take(&move->x);
    s->shown.y = s->input.absolute ? move->y : take(&move->y);
    if (!move->wheel && (s->input.absolute || (!move->x && !move->y))) {
        s->head = (s->head + 1) % QUEUE;
        s->count--;
    }
    return true;
}

static unsigned tablet_report(UsbHid *hid, uint8_t *data)
{
    const Move *shown = &USB_POINTER(hid)->shown;
    const uint8_t report[TABLET_REPORT] = { shown->buttons,           (uint8_t)shown->x,
                                            (uint8_t)(shown->x >> 8), (uint8_t)shown->y,
                                            (uint8_t)(shown->y >> 8), (uint8_t)shown->wheel };

    memcpy(data, report, sizeof(report));
    return sizeof(report);
}

/* That of the boot has no wheel. */
static unsigned mouse_report(UsbHid *hid, uint8_t *data)
{
    const Move *shown = &USB_POINTER(hid)->shown;
    const uint8_t report[MOUSE_REPORT] = { shown->buttons, (uint8_t)shown->x, (uint8_t)shown->y,
                                           (uint8_t)shown->wheel };

    memcpy(data, report, sizeof(report));
    return hid->protocol ? MOUSE_REPORT : MOUSE_REPORT - 1;
}

static void clear(UsbHid *hid)
{
    UsbPointer *s = USB_POINTER(hid);

    memset(s->queue, 0, sizeof(s->queue));
    s->head = s->count = 0;
    s->next = s->shown = (Move){ 0 };
    s->changed = false;
}

/* ---- the user ---- */

static void button(UsbPointer *s, InputButton which, bool down)
{
    static const uint8_t bits[] = { [INPUT_BUTTON_LEFT] = 1,
                                    [INPUT_BUTTON_RIGHT] = 2,
                                    [INPUT_BUTTON_MIDDLE] = 4,
                                    [INPUT_BUTTON_SIDE] = 8,
                                    [INPUT_BUTTON_EXTRA] = 16 };

    if (which == INPUT_BUTTON_WHEEL_UP || which == INPUT_BUTTON_WHEEL_DOWN) {
        if (down) {
            s->next.wheel += which == INPUT_BUTTON_WHEEL_UP ? 1 : -1;
            s->next.wheel = CLAMP(s->next.wheel, -STEP_MAX, STEP_MAX);
            s->changed = true;
        }
    } else if ((unsigned)which < G_N_ELEMENTS(bits) && !(s->next.buttons & bits[which]) == down) {
        s->next.buttons ^= bits[which];
        s->changed = true;
    }
}

static void event(void *opaque, const InputPointerEvent *event)
{
    UsbPointer *s = opaque;
    int32_t *axis = event->axis == INPUT_AXIS_X ? &s->next.x : &s->next.y;

    if (event->kind == INPUT_POINTER_BUTTON) {
        button(s, event->button, event->down);
    } else {
        int32_t value = s->input.absolute ? event->value : *axis + event->value;

        s->changed |= value != *axis;
        *axis = CLAMP(value, -INPUT_AXIS_MAX, INPUT_AXIS_MAX);
    }
}

/* With the queue full what comes is one with the last that is there. */
static void sync_events(void *opaque)
{
    UsbPointer *s = opaque;

    if (!s->changed || !s->parent.parent.configuration) {
        return;
    }
    if (s->count < QUEUE) {
        s->queue[(s->head + s->count++) % QUEUE] = s->next;
    } else {
        Move *last = &s->queue[(s->head + s->count - 1) % QUEUE];
        bool absolute = s->input.absolute;

        last->x =
            absolute ? s->next.x : CLAMP(last->x + s->next.x, -INPUT_AXIS_MAX, INPUT_AXIS_MAX);
        last->y =
            absolute ? s->next.y : CLAMP(last->y + s->next.y, -INPUT_AXIS_MAX, INPUT_AXIS_MAX);
        last->wheel = CLAMP(last->wheel + s->next.wheel, -STEP_MAX, STEP_MAX);
        last->buttons = s->next.buttons;
    }
    s->changed = false;
    s->next.wheel = 0;
    if (!s->input.absolute) {
        s->next.x = s->next.y = 0;
    }
    usb_hid_happened(&s->parent);
}

static void configured(UsbDevice *dev)
{
    if (dev->configuration) {
        input_pointer_activate(&USB_POINTER(dev)->input);
    }
}

/* ---- life ---- */

static bool pointer_realize(UsbPointer *s, const char *name, bool absolute, GError **errp)
{
    if (!usb_hid_realize(&s->parent, errp)) {
        return false;
    }
    s->input = (InputPointer){
        .name = name, .absolute = absolute, .event = event, .sync = sync_events, .opaque = s
    };
    input_pointer_add(&s->input);
    return true;
}

static bool mouse_realize(UsbDevice *dev, GError **errp)
{
    return pointer_realize(USB_POINTER(dev), "QEMU HID Mouse", false, errp);
}

static bool tablet_realize(UsbDevice *dev, GError **errp)
{
    return pointer_realize(USB_POINTER(dev), "QEMU HID Tablet", true, errp);
}

static void pointer_unrealize(UsbDevice *dev)
{
    UsbPointer *s = USB_POINTER(dev);

    input_pointer_remove(&s->input);
    usb_hid_unrealize(&s->parent);
}

static const StateField move_fields[] = {
    STATE_INT(Move, x), STATE_INT(Move, y), STATE_INT(Move, wheel), STATE_UINT(Move, buttons), {},
};
static bool move_loaded(void *obj, GError **errp)
{
    const Move *move = obj;

    if (move->x < -INPUT_AXIS_MAX || move->x > INPUT_AXIS_MAX || move->y < -INPUT_AXIS_MAX ||
        move->y > INPUT_AXIS_MAX || move->wheel < -STEP_MAX || move->wheel > STEP_MAX) {
        error_set(errp, "a move of %d, %d, %d is too large", move->x, move->y, move->wheel);
        return false;
    }
    return true;
}

static const StateTable move_state = {
    .name = "move", .version = 1, .fields = move_fields, .post_load = move_loaded
};

static const StateField pointer_fields[] = {
    STATE_STRUCT(UsbPointer, parent, &usb_hid_state), STATE_STRUCTS(UsbPointer, queue, &move_state),
    STATE_UINT_MAX(UsbPointer, head, QUEUE - 1),      STATE_UINT_MAX(UsbPointer, count, QUEUE),
    STATE_STRUCT(UsbPointer, next, &move_state),      STATE_BOOL(UsbPointer, changed),
    STATE_STRUCT(UsbPointer, shown, &move_state),     {},
};
static const StateTable pointer_state = { .name = TYPE_USB_POINTER,
                                          .version = 1,
                                          .fields = pointer_fields };

static const ObjectType pointer_type = {
    .name = TYPE_USB_POINTER,
    .parent = TYPE_USB_HID,
    .description = "a USB mouse or tablet",
    .instance_size = sizeof(UsbPointer),
    .abstract = true,
};
OBJECT_TYPE_REGISTER(pointer_type)

#define POINTER_CLASS(realize_)                                                                    \
    {                                                                                              \
        USB_HID_CLASS_BASE(&pointer_state), .realize = (realize_), .unrealize = pointer_unrealize, \
                                            .configured = configured                               \
    }

static const UsbHidClass mouse_ops = {
    .usb = POINTER_CLASS(mouse_realize),
    .description = &mouse_description,
    .full_speed = &mouse_full,
    .report_descriptor = mouse_report_descriptor,
    .report_descriptor_size = sizeof(mouse_report_descriptor),
    .advance = advance,
    .report = mouse_report,
    .clear = clear,
};

static const ObjectType mouse_type = {
    .name = "usb-mouse",
    .parent = TYPE_USB_POINTER,
    .description = "USB mouse",
    .ops = &mouse_ops,
};
OBJECT_TYPE_REGISTER(mouse_type)

static const UsbHidClass tablet_ops = {
    .usb = POINTER_CLASS(tablet_realize),
    .description = &tablet_description,
    .full_speed = &tablet_full,
    .report_descriptor = tablet_report_descriptor,
    .report_descriptor_size = sizeof(tablet_report_descriptor),
    .advance = advance,
    .report = tablet_report,
    .clear = clear,
};

static const ObjectType tablet_type = {
    .name = "usb-tablet",
    .parent = TYPE_USB_POINTER,
    .description = "USB tablet: a mouse that tells where it is",
    .ops = &tablet_ops,
};
OBJECT_TYPE_REGISTER(tablet_type)

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-mouse, which tells how far it moved, and virtio-tablet, which tells where it is. */
#include "hw/input/input.h"
#include "hw/virtio/virtio-input.h"

#define TYPE_VIRTIO_POINTER "virtio-pointer-device"

typedef struct VirtioPointer {
    VirtioInput parent;
    /* wiring */
    InputPointer input;
    bool changed; /* something that the guest does not know to be complete */
} VirtioPointer;
OBJECT_CAST_DEFINE(VirtioPointer, VIRTIO_POINTER, TYPE_VIRTIO_POINTER)

static const uint16_t buttons[] = { BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA };
static const uint16_t moves[] = { REL_X, REL_Y, REL_WHEEL, REL_HWHEEL };
static const uint16_t wheels[] = { REL_WHEEL, REL_HWHEEL };
static const uint16_t places[] = { ABS_X, ABS_Y };

static const VirtioInputCodes mouse_codes[] = {
    { EV_KEY, buttons, G_N_ELEMENTS(buttons) },
    { EV_REL, moves, G_N_ELEMENTS(moves) },
    { 0 },
};
static const VirtioInputCodes tablet_codes[] = {
    { EV_KEY, buttons, G_N_ELEMENTS(buttons) },
    { EV_REL, wheels, G_N_ELEMENTS(wheels) },
    { EV_ABS, places, G_N_ELEMENTS(places) },
    { 0 },
};

/* What a button is; a wheel turns when it is pressed. */
static const struct {
    uint16_t type, code;
    int32_t value;
} button_events[INPUT_BUTTON__MAX] = {
    [INPUT_BUTTON_LEFT] = { EV_KEY, BTN_LEFT, 1 },
    [INPUT_BUTTON_MIDDLE] = { EV_KEY, BTN_MIDDLE, 1 },
    [INPUT_BUTTON_RIGHT] = { EV_KEY, BTN_RIGHT, 1 },
    [INPUT_BUTTON_WHEEL_UP] = { EV_REL, REL_WHEEL, 1 },
    [INPUT_BUTTON_WHEEL_DOWN] = { EV_REL, REL_WHEEL, -1 },
    [INPUT_BUTTON_SIDE] = { EV_KEY, BTN_SIDE, 1 },
    [INPUT_BUTTON_EXTRA] = { EV_KEY, BTN_EXTRA, 1 },
    [INPUT_BUTTON_WHEEL_LEFT] = { EV_REL, REL_HWHEEL, -1 },
    [INPUT_BUTTON_WHEEL_RIGHT] = { EV_REL, REL_HWHEEL, 1 },
};

/* ---- the user ---- */

static void pointer_event(void *opaque, const InputPointerEvent *event)
{
    VirtioPointer *s = opaque;
    uint16_t type, code;
    int32_t value = event->value;

    if (event->kind == INPUT_POINTER_BUTTON) {
        type = button_events[event->button].type;
        code = button_events[event->button].code;
        value = event->down ? button_events[event->button].value : 0;
        if (type == EV_REL && !event->down) {
            return;
        }
    } else {
        type = event->kind == INPUT_POINTER_ABSOLUTE ? EV_ABS : EV_REL;
        code = event->axis == INPUT_AXIS_X ? REL_X : REL_Y; /* ABS_X and ABS_Y are the same */
    }
    /* One place is kept for the end. */
    if (virtio_input_has_room(&s->parent, 2)) {
        virtio_input_event(&s->parent, type, code, value);
        s->changed = true;
    }
}

static void pointer_sync(void *opaque)
{
    VirtioPointer *s = opaque;

    if (s->changed) {
        s->changed = false;
        virtio_input_sync(&s->parent);
    }
}

/* ---- life ---- */

static void pointer_used(VirtioInput *input, bool used)
{
    VirtioPointer *s = VIRTIO_POINTER(input);

    if (used) {
        input_pointer_activate(&s->input);
    } else {
        input_pointer_deactivate(&s->input);
        s->changed = false;
    }
}

static bool pointer_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioPointer *s = VIRTIO_POINTER(vdev);
    const VirtioInputClass *class = object_ops(OBJECT(vdev));

    virtio_input_realize(&s->parent);
    s->input = (InputPointer){ .name = class->name,
                               .absolute = class->axis_max != 0,
                               .event = pointer_event,
                               .sync = pointer_sync,
                               .opaque = s };
    input_pointer_add(&s->input);
    return true;
}

static void pointer_unrealize(VirtioDevice *vdev)
{
    input_pointer_remove(&VIRTIO_POINTER(vdev)->input);
}

static const StateField pointer_fields[] = {
    STATE_STRUCT(VirtioPointer, parent, &virtio_input_state),
    {},
};
static const StateTable pointer_state = { .name = "virtio-pointer",
                                          .version = 1,
                                          .fields = pointer_fields };

static const ObjectType pointer_type = {
    .name = TYPE_VIRTIO_POINTER,
    .parent = TYPE_VIRTIO_INPUT,
    .description = "a pointer",
    .instance_size = sizeof(VirtioPointer),
    .abstract = true,
};
OBJECT_TYPE_REGISTER(pointer_type)

#define POINTER(symbol, NAME, PCI_CLASS, ...)                                            \
    static const VirtioInputClass symbol##_ops = {                                       \
        .virtio = { VIRTIO_INPUT_CLASS_BASE(&pointer_state), .realize = pointer_realize, \
                    .unrealize = pointer_unrealize },                                    \
        .codes = symbol##_codes,                                                         \
        .used = pointer_used,                                                            \
        __VA_ARGS__                                                                      \
    };                                                                                   \
    static const ObjectType symbol##_type = { .name = "virtio-" NAME "-device",          \
                                              .parent = TYPE_VIRTIO_POINTER,             \
                                              .description = "a " NAME,                  \
                                              .ops = &symbol##_ops };                    \
    OBJECT_TYPE_REGISTER(symbol##_type)                                                  \
    static const VirtioPciClass symbol##_pci = VIRTIO_PCI_CLASS("input", PCI_CLASS, 2);  \
    VIRTIO_PCI_TYPE(symbol, "virtio-" NAME, "", "virtio-" NAME "-device", &symbol##_pci, \
                    "a " NAME, NULL, virtio_pci_mode_properties)

POINTER(mouse, "mouse", 0x0902, .name = "QEMU Virtio Mouse", .product = 2)
POINTER(tablet, "tablet", 0x0980, .name = "QEMU Virtio Tablet", .product = 3,
        .axis_max = INPUT_AXIS_MAX)

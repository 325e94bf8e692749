/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/misc/vmmouse.h"

#include <string.h>

#include "hw/input/input.h"
#include "hw/misc/vmport.h"
#include "target/i386/regs.h"
#include "util/error.h"

#define TYPE_VMMOUSE "vmmouse"

/* In EBX with VMPORT_MOUSE_COMMAND. */
enum {
    COMMAND_DISABLE = 0x000000f5,
    COMMAND_ENABLE = 0x45414552,   /* "REAE": and tell the version */
    COMMAND_RELATIVE = 0x4c455252, /* "RREL" */
    COMMAND_ABSOLUTE = 0x53424152, /* "RABS" */
};
#define VERSION 0x3442554au /* "JUB4" */

enum { FLAG_MIDDLE = 0x08, FLAG_RIGHT = 0x10, FLAG_LEFT = 0x20, FLAG_RELATIVE = 0x10000 };
enum { STATUS_OFF = 0xffff, QUEUE = 1024, PACKET = 4, WORDS_MAX = 6, MOVE_MAX = INPUT_AXIS_MAX };

typedef struct Vmmouse {
    Device parent;
    /* configuration */
    Object *i8042; /* whose mouse sends something when there is news */
    /* wiring */
    InputPointer input;
    bool listens; /* `input` is known */
    /* state */
    bool absolute;   /* the driver wants places; else moves */
    bool wanted;     /* it wants them at all */
    uint16_t status; /* 0, or STATUS_OFF */
    uint32_t queue[QUEUE];
    unsigned count;
    int32_t x, y, dz;
    uint32_t buttons; /* FLAG_* */
    bool changed;     /* since the last packet */
} Vmmouse;
OBJECT_CAST_DEFINE(Vmmouse, VMMOUSE, TYPE_VMMOUSE)

/* ---- the user ---- */

static uint32_t flag_of(InputButton button)
{
    switch (button) {
    case INPUT_BUTTON_LEFT:
        return FLAG_LEFT;
    case INPUT_BUTTON_RIGHT:
        return FLAG_RIGHT;
    case INPUT_BUTTON_MIDDLE:
        return FLAG_MIDDLE;
    default:
        return 0;
    }
}

static void press(Vmmouse *s, InputButton button, bool down)
{
    uint32_t flag = flag_of(button);

    if (button == INPUT_BUTTON_WHEEL_UP || button == INPUT_BUTTON_WHEEL_DOWN) {
        if (down) {
            s->dz = CLAMP(s->dz + (button == INPUT_BUTTON_WHEEL_UP ? -1 : 1), -MOVE_MAX, MOVE_MAX);
            s->changed = true;
        }
    } else if (flag) {
        s->buttons = down ? s->buttons | flag : s->buttons & ~flag;
        s->changed = true;
    }
}

static void event(void *opaque, const InputPointerEvent *event)
{
    Vmmouse *s = opaque;
    int32_t *axis = event->axis == INPUT_AXIS_X ? &s->x : &s->y;

    if (event->kind == INPUT_POINTER_BUTTON) {
        press(s, event->button, event->down);
        return;
    }
    *axis = s->absolute ? CLAMP(event->value, 0, INPUT_AXIS_MAX)
                        : (int32_t)CLAMP((int64_t)*axis + event->value, -MOVE_MAX, MOVE_MAX);
    s->changed = true;
}

/* With the queue full what comes waits, and is one with what comes then. */
static void sync_events(void *opaque)
{
    Vmmouse *s = opaque;

    if (!s->changed || s->count + PACKET > QUEUE) {
        return;
    }
    /* Places have 16 bits. The way up is positive, in moves. */
    s->queue[s->count++] = s->buttons | (s->absolute ? 0 : FLAG_RELATIVE);
    s->queue[s->count++] = s->absolute ? (uint32_t)s->x << 1 : (uint32_t)s->x;
    s->queue[s->count++] = s->absolute ? (uint32_t)s->y << 1 : (uint32_t)-s->y;
    s->queue[s->count++] = (uint32_t)s->dz;
    s->dz = 0;
    if (!s->absolute) {
        s->x = s->y = 0;
    }
    s->changed = false;
    i8042_nudge_mouse(I8042_DEVICE(s->i8042));
}

static void listen_to_user(Vmmouse *s, bool on)
{
    if (s->listens) {
        input_pointer_remove(&s->input);
    }
    s->listens = on;
    if (on) {
        s->input = (InputPointer){ .name = "vmmouse",
                                   .absolute = s->absolute,
                                   .event = event,
                                   .sync = sync_events,
                                   .opaque = s };
        input_pointer_add(&s->input);
        input_pointer_activate(&s->input);
    }
}

/* ---- the guest ---- */

static void want(Vmmouse *s, bool wanted, bool absolute)
{
    if (wanted != s->wanted || absolute != s->absolute) {
        s->x = s->y = s->dz = 0;
        s->changed = false;
    }
    s->wanted = wanted;
    s->absolute = absolute;
    listen_to_user(s, wanted);
}

static uint32_t command(void *opaque, X86Cpu *cpu)
{
    Vmmouse *s = opaque;

    switch ((uint32_t)cpu->regs[X86_RBX]) {
    case COMMAND_DISABLE:
        want(s, false, false);
        s->status = STATUS_OFF;
        break;
    case COMMAND_ENABLE:
        if (s->count < QUEUE) {
            s->queue[s->count++] = VERSION;
            s->status = 0;
        }
        break;
    case COMMAND_RELATIVE:
        want(s, true, false);
        break;
    case COMMAND_ABSOLUTE:
        want(s, true, true);
        break;
    }
    return (uint32_t)cpu->regs[X86_RAX];
}

static uint32_t status(void *opaque, X86Cpu *cpu)
{
    const Vmmouse *s = opaque;

    return (uint32_t)s->status << 16 | s->count;
}

/* EBX words, one a register. To ask for more than there are is an error, which enabling ends. */
static uint32_t data(void *opaque, X86Cpu *cpu)
{
    static const uint8_t places[WORDS_MAX] = {
        X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI
    };
    Vmmouse *s = opaque;
    uint32_t count = (uint32_t)cpu->regs[X86_RBX];

    if (!count || count > WORDS_MAX || count > s->count) {
        s->status = STATUS_OFF;
        return (uint32_t)cpu->regs[X86_RAX];
    }
    for (unsigned i = 0; i < count; i++) {
        cpu->regs[places[i]] = s->queue[i];
    }
    s->count -= count;
    memmove(s->queue, s->queue + count, s->count * sizeof(s->queue[0]));
    return (uint32_t)cpu->regs[X86_RAX];
}

static const struct {
    unsigned command;
    VmportCommand *fn;
} commands[] = { { VMPORT_MOUSE_DATA, data },
                 { VMPORT_MOUSE_STATUS, status },
                 { VMPORT_MOUSE_COMMAND, command } };

/* ---- life ---- */

static void vmmouse_reset(Device *dev)
{
    Vmmouse *s = VMMOUSE(dev);

    want(s, false, false);
    memset(s->queue, 0, sizeof(s->queue));
    s->count = 0;
    s->buttons = 0;
    s->status = STATUS_OFF;
}

static bool vmmouse_realize(Device *dev, GError **errp)
{
    Vmmouse *s = VMMOUSE(dev);

    if (!s->i8042) {
        error_set(errp,
                  "'i8042' is not set: a board makes its own VMware mouse (-machine vmport=on)");
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        vmport_set_command(commands[i].command, commands[i].fn, s);
    }
    vmmouse_reset(dev);
    return true;
}

static void vmmouse_unrealize(Device *dev)
{
    Vmmouse *s = VMMOUSE(dev);

    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        vmport_set_command(commands[i].command, NULL, NULL);
    }
    listen_to_user(s, false);
}

static bool vmmouse_loaded(void *obj, GError **errp)
{
    Vmmouse *s = VMMOUSE(obj);
    const int32_t moves[] = { s->x, s->y, s->dz };

    for (unsigned i = 0; i < G_N_ELEMENTS(moves); i++) {
        if (moves[i] < -MOVE_MAX || moves[i] > MOVE_MAX) {
            error_set(errp, "a move of %d: it is -%d to %d", moves[i], MOVE_MAX, MOVE_MAX);
            return false;
        }
    }
    listen_to_user(s, s->wanted);
    return true;
}

static const Property vmmouse_properties[] = {
    { .name = "i8042",
      .kind = PROP_LINK,
      .offset = offsetof(Vmmouse, i8042),
      .link_type = TYPE_I8042,
      .description = "the controller whose mouse says that there is something to read" },
    { 0 },
};

static const StateField vmmouse_fields[] = {
    STATE_BOOL(Vmmouse, absolute),
    STATE_BOOL(Vmmouse, wanted),
    STATE_UINT(Vmmouse, status),
    STATE_UINTS(Vmmouse, queue),
    STATE_UINT_MAX(Vmmouse, count, QUEUE),
    STATE_INT(Vmmouse, x),
    STATE_INT(Vmmouse, y),
    STATE_INT(Vmmouse, dz),
    STATE_UINT(Vmmouse, buttons),
    STATE_BOOL(Vmmouse, changed),
    {},
};

static const StateTable vmmouse_state = {
    .name = "vmmouse", .version = 1, .fields = vmmouse_fields, .post_load = vmmouse_loaded
};

static const DeviceClass vmmouse_class = {
    .category = "input",
    .realize = vmmouse_realize,
    .unrealize = vmmouse_unrealize,
    .reset = vmmouse_reset,
    .state = &vmmouse_state,
};

static const ObjectType vmmouse_type = {
    .name = TYPE_VMMOUSE,
    .parent = TYPE_DEVICE,
    .description = "VMware's mouse",
    .instance_size = sizeof(Vmmouse),
    .properties = vmmouse_properties,
    .ops = &vmmouse_class,
};
OBJECT_TYPE_REGISTER(vmmouse_type)

Device *vmmouse_create(I8042 *i8042)
{
    Vmmouse *s = VMMOUSE(device_new_onboard(TYPE_VMMOUSE));

    s->i8042 = object_ref(OBJECT(i8042));
    device_realize(&s->parent, NULL);
    return &s->parent;
}

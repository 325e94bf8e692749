/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev qemu-vdagent: who speaks to SPICE's agent in the guest, without a client of SPICE. What
 * the agent can do is a clipboard (ui/vdagent.c), and a pointer that takes places, which is there
 * while the agent is.
 *
 * The guest writes on the thread of a vCPU; what goes to it does so from the main loop.
 */
#include "chardev/char-backend.h"
#include "hw/input/input.h"
#include "ui/console.h"
#include "ui/vdagent.h"

#define TYPE_CHAR_VDAGENT "chardev-qemu-vdagent"

typedef struct CharVdagent {
    Chardev parent;
    bool mouse, clipboard; /* properties */
    char *name;            /* property: libvirt gives it, as to spicevmc; says nothing */
    VdAgentHost host;
    VdAgent *agent; /* owned */
    guint sending;  /* a source that gives the guest what waits; 0: nothing waits */
    InputPointer pointer;
    bool points;      /* it is there */
    int32_t x, y;     /* places */
    unsigned buttons; /* 1 << InputButton */
    bool changed;
} CharVdagent;
OBJECT_CAST_DEFINE(CharVdagent, CHAR_VDAGENT, TYPE_CHAR_VDAGENT)

/* ---- bytes ---- */

static gboolean give(gpointer opaque)
{
    CharVdagent *c = opaque;
    CharFrontend *fe = c->parent.fe;
    size_t size;
    int room;

    c->sending = 0;
    for (;;) {
        const uint8_t *data = vdagent_output(c->agent, &size);

        room = size && fe && fe->can_receive ? fe->can_receive(fe->opaque) : 0;
        if (room <= 0) {
            break;
        }
        room = (int)MIN((size_t)room, size);
        fe->receive(fe->opaque, data, room);
        vdagent_output_taken(c->agent, (size_t)room);
    }
    return G_SOURCE_REMOVE;
}

static void give_later(void *opaque)
{
    CharVdagent *c = opaque;

    if (!c->sending) {
        c->sending = g_idle_add_full(G_PRIORITY_DEFAULT, give, c, NULL);
    }
}

static void accept_input(Chardev *chr, CharFrontend *fe)
{
    size_t size;

    vdagent_output(CHAR_VDAGENT(chr)->agent, &size);
    if (size) {
        give_later(CHAR_VDAGENT(chr));
    }
}

static void take(Chardev *chr, const uint8_t *buf, size_t len)
{
    vdagent_input(CHAR_VDAGENT(chr)->agent, buf, len);
}

static void set_open(Chardev *chr, bool open)
{
    vdagent_set_open(CHAR_VDAGENT(chr)->agent, open);
}

/* ---- the pointer ---- */

static uint32_t pixel(int32_t place, int size)
{
    return (uint32_t)((int64_t)CLAMP(place, 0, INPUT_AXIS_MAX) * (size - 1) / INPUT_AXIS_MAX);
}

static void tell_state(CharVdagent *c)
{
    const Console *console = console_first();
    pixman_image_t *surface = console ? console_surface(console) : NULL;
    int width = surface ? pixman_image_get_width(surface) : CONSOLE_WIDTH;
    int height = surface ? pixman_image_get_height(surface) : CONSOLE_HEIGHT;

    c->changed = false;
    vdagent_move(c->agent, pixel(c->x, width), pixel(c->y, height), c->buttons);
}

static void pointer_event(void *opaque, const InputPointerEvent *event)
{
    CharVdagent *c = opaque;

    if (event->kind == INPUT_POINTER_BUTTON) {
        unsigned bit = 1u << event->button;

        c->buttons = event->down ? c->buttons | bit : c->buttons & ~bit;
    } else if (event->axis == INPUT_AXIS_X) {
        c->x = event->value;
    } else {
        c->y = event->value;
    }
    c->changed = true;
    if (event->kind == INPUT_POINTER_BUTTON) { /* one that is pressed and released at once counts */
        tell_state(c);
    }
}

static void pointer_sync(void *opaque)
{
    CharVdagent *c = opaque;

    if (c->changed) {
        tell_state(c);
    }
}

static void set_pointer(void *opaque, bool takes)
{
    CharVdagent *c = opaque;

    if (takes == c->points) {
        return;
    }
    c->points = takes;
    c->buttons = 0;
    if (takes) {
        input_pointer_add(&c->pointer);
        input_pointer_activate(&c->pointer);
    } else {
        input_pointer_remove(&c->pointer);
    }
}

/* ---- life ---- */

static bool vdagent_complete(Object *obj, GError **errp)
{
    CharVdagent *c = CHAR_VDAGENT(obj);

    c->host = (VdAgentHost){ give_later, set_pointer, c };
    c->pointer = (InputPointer){ .name = "vdagent",
                                 .absolute = true,
                                 .event = pointer_event,
                                 .sync = pointer_sync,
                                 .opaque = c };
    c->agent = vdagent_new(c->mouse, c->clipboard, &c->host);
    chardev_connected(CHARDEV(obj), -1, -1);
    return true;
}

static void vdagent_finalize(Object *obj)
{
    CharVdagent *c = CHAR_VDAGENT(obj);

    vdagent_free(c->agent);
    if (c->sending) {
        g_source_remove(c->sending);
    }
}

static const ChardevOps vdagent_ops = {
    .write = take,
    .set_open = set_open,
    .accept_input = accept_input,
};

static const Property vdagent_properties[] = {
    { .name = "mouse",
      .kind = PROP_BOOL,
      .offset = offsetof(CharVdagent, mouse),
      .has_default = true,
      .default_int = true,
      .description = "the agent moves the guest's pointer" },
    { .name = "name",
      .kind = PROP_STRING,
      .offset = offsetof(CharVdagent, name),
      .description = "accepted: there is one kind of agent, vdagent" },
    { .name = "clipboard",
      .kind = PROP_BOOL,
      .offset = offsetof(CharVdagent, clipboard),
      .has_default = true,
      .description = "the guest's clipboard is that of VNC and D-Bus clients" },
    { 0 },
};

static const ObjectType vdagent_type = {
    .name = TYPE_CHAR_VDAGENT,
    .parent = TYPE_CHARDEV,
    .description = "the agent of SPICE in the guest, for the clipboard and pointers",
    .instance_size = sizeof(CharVdagent),
    .properties = vdagent_properties,
    .ops = &vdagent_ops,
    .finalize = vdagent_finalize,
    .complete = vdagent_complete,
};
OBJECT_TYPE_REGISTER(vdagent_type)

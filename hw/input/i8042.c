/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/input/i8042.h"

#include <string.h>

#include "hw/core/irq-lines.h"
#include "hw/core/runstate.h"
#include "hw/input/key-codes.h"
#include "hw/input/ps2-keyboard.h"
#include "hw/input/ps2-mouse.h"

enum {
    STATUS_OUTPUT_FULL = 0x01,
    STATUS_SYSTEM = 0x04,  /* the self-test passed */
    STATUS_COMMAND = 0x08, /* the last write was to 0x64 */
    STATUS_UNLOCKED = 0x10,
    STATUS_OF_MOUSE = 0x20, /* what is in the output buffer */
};

enum {
    CONFIG_IRQ1 = 0x01,
    CONFIG_IRQ12 = 0x02,
    CONFIG_SYSTEM = 0x04,
    CONFIG_NO_KEYBOARD = 0x10,
    CONFIG_NO_MOUSE = 0x20,
    CONFIG_TRANSLATE = 0x40,
};

enum {
    CMD_READ_RAM = 0x20, /* to 0x3f; byte 0 is the configuration */
    CMD_WRITE_RAM = 0x60,
    CMD_DISABLE_MOUSE = 0xa7,
    CMD_ENABLE_MOUSE = 0xa8,
    CMD_DISABLE_KEYBOARD = 0xad,
    CMD_ENABLE_KEYBOARD = 0xae,
    CMD_READ_OUTPUT_PORT = 0xd0,
    CMD_WRITE_OUTPUT_PORT = 0xd1,
    CMD_ECHO_KEYBOARD = 0xd2,
    CMD_ECHO_MOUSE = 0xd3,
    CMD_TO_MOUSE = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_PULSE = 0xf0, /* to 0xff; a bit that is 0 is pulsed */
};

enum {
    OUTPUT_NOT_RESET = 0x01,
    OUTPUT_A20 = 0x02,
};

enum {
    KEYBOARD_SET = 0xf0,
    KEYBOARD_ENABLE = 0xf4,
    KEYBOARD_DISABLE = 0xf5,
    KEYBOARD_DEFAULTS = 0xf6,
    KEYBOARD_RESET = 0xff,
};

enum {
    KEYBOARD_ACK = 0xfa,
    KEYBOARD_RESEND = 0xfe,
    KEYBOARD_PASSED = 0xaa,
};

#define QUEUE_SIZE 16

struct I8042 {
    Device parent;
    uint8_t ram[32];
    uint8_t output_port;
    bool self_tested, last_was_command;
    uint8_t pending; /* the controller command that waits for its data byte, or 0 */
    uint8_t keyboard_pending;
    uint8_t queue[QUEUE_SIZE];
    unsigned queued;
    uint8_t last; /* what an empty buffer reads */
    Ps2Keyboard keyboard;
    Ps2Mouse mouse;
    bool first_is_key;   /* the first in the queue is of a key */
    bool first_is_mouse; /* it is of the mouse, or said to be */
    bool break_seen; /* the prefix of a key's release, which translation makes a bit of the next */
    /* wiring */
    Irq irqs[2]; /* of the keyboard, of the mouse */
    MemoryRegion data_port, command_port;
    InputKeyboard input;
};

/* Commands that just answer. */
static const struct {
    uint8_t cmd, answer;
} i8042_answers[] = {
    { 0xa4, 0xf1 }, /* no password */
    { 0xa9, 0x00 }, /* mouse port test: passed */
    { 0xab, 0x00 }, /* keyboard port test: passed */
    { 0xc0, 0x80 }, /* input port: keyboard not inhibited */
};

/* What the keyboard answers to a command; `data`: one data byte follows. */
static const struct {
    uint8_t cmd, count, answer[3];
    bool data;
} keyboard_answers[] = {
    { 0xed, 1, { KEYBOARD_ACK }, true },         /* LEDs */
    { 0xee, 1, { 0xee } },                       /* echo */
    { KEYBOARD_SET, 1, { KEYBOARD_ACK }, true }, /* scan code set */
    { 0xf2, 3, { KEYBOARD_ACK, 0xab, 0x83 } },   /* identify */
    { 0xf3, 1, { KEYBOARD_ACK }, true },         /* repeat rate */
    { KEYBOARD_ENABLE, 1, { KEYBOARD_ACK } },
    { KEYBOARD_DISABLE, 1, { KEYBOARD_ACK } }, /* and defaults */
    { KEYBOARD_DEFAULTS, 1, { KEYBOARD_ACK } },
    { KEYBOARD_RESET, 2, { KEYBOARD_ACK, KEYBOARD_PASSED } }, /* and self-test */
};

enum { BREAK_PREFIX = 0xf0, BREAK_BIT = 0x80 };

/* The next byte of the keyboard, as the guest is to see it. */
static bool i8042_take_key(I8042 *s, uint8_t *byte)
{
    bool translate = s->ram[0] & CONFIG_TRANSLATE;

    while (ps2_keyboard_take(&s->keyboard, byte)) {
        if (!translate) {
            return true;
        }
        if (*byte != BREAK_PREFIX) {
            *byte = key_code_set1(*byte) | (s->break_seen ? BREAK_BIT : 0);
            s->break_seen = false;
            return true;
        }
        s->break_seen = true;
    }
    return false;
}

static void i8042_set_irqs(I8042 *s)
{
    irq_set(&s->irqs[0], s->queued && !s->first_is_mouse && s->ram[0] & CONFIG_IRQ1);
    irq_set(&s->irqs[1], s->queued && s->first_is_mouse && s->ram[0] & CONFIG_IRQ12);
}

/* A byte of a key or the mouse goes into the buffer when nothing else is there, and if the guest
 * wants it. */
static void i8042_update(I8042 *s)
{
    if (!s->queued && !s->keyboard_pending && !(s->ram[0] & CONFIG_NO_KEYBOARD)) {
        s->first_is_key = i8042_take_key(s, &s->queue[0]);
        s->queued = s->first_is_key;
    }
    if (!s->queued && !(s->ram[0] & CONFIG_NO_MOUSE)) {
        s->first_is_mouse = ps2_mouse_take(&s->mouse, &s->queue[0]);
        s->queued = s->first_is_mouse;
    }
    i8042_set_irqs(s);
}

/* The mouse's byte that is in the buffer comes later. */
static void i8042_put_back(I8042 *s)
{
    if (s->queued && s->first_is_mouse) {
        ps2_mouse_put_back(&s->mouse, s->queue[0]);
        s->queued = 0;
    }
    s->first_is_mouse = false;
    i8042_set_irqs(s);
}

static void i8042_push(I8042 *s, uint8_t value)
{
    i8042_put_back(s);
    if (s->queued < QUEUE_SIZE) {
        s->queue[s->queued++] = value;
    }
    i8042_update(s);
}

/* An answer of the controller goes before the keyboard's, which are lost; a key is not. */
static void i8042_answer(I8042 *s, uint8_t value)
{
    i8042_put_back(s);
    uint8_t key = s->queue[0];
    bool keep = s->queued && s->first_is_key;

    s->first_is_key = false;
    s->queue[0] = value;
    s->queued = 1;
    if (keep) {
        s->queue[s->queued++] = key;
    }
    i8042_update(s);
}

static void i8042_write_output_port(I8042 *s, uint8_t value)
{
    s->output_port = value | OUTPUT_NOT_RESET;
    if (!(value & OUTPUT_NOT_RESET)) {
        runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static void i8042_self_test(I8042 *s)
{
    s->self_tested = true;
    s->ram[0] |= CONFIG_SYSTEM;
    i8042_answer(s, 0x55);
}

static void i8042_command(I8042 *s, uint8_t cmd)
{
    s->pending = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(i8042_answers); i++) {
        if (i8042_answers[i].cmd == cmd) {
            i8042_answer(s, i8042_answers[i].answer);
            return;
        }
    }
    switch (cmd) {
    case CMD_READ_RAM ... CMD_READ_RAM + 0x1f:
        i8042_answer(s, s->ram[cmd & 0x1f]);
        break;
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + 0x1f:
    case CMD_WRITE_OUTPUT_PORT:
    case CMD_ECHO_KEYBOARD:
    case CMD_ECHO_MOUSE:
    case CMD_TO_MOUSE:
        s->pending = cmd;
        break;
    case CMD_DISABLE_MOUSE:
        s->ram[0] |= CONFIG_NO_MOUSE;
        break;
    case CMD_ENABLE_MOUSE:
        s->ram[0] &= ~CONFIG_NO_MOUSE;
        i8042_update(s);
        break;
    case 0xaa:
        i8042_self_test(s);
        break;
    case CMD_DISABLE_KEYBOARD:
        s->ram[0] |= CONFIG_NO_KEYBOARD;
        break;
    case CMD_ENABLE_KEYBOARD:
        s->ram[0] &= ~CONFIG_NO_KEYBOARD;
        i8042_update(s);
        break;
    case CMD_READ_OUTPUT_PORT:
        i8042_answer(s, s->output_port);
        break;
    case CMD_A20_OFF:
        s->output_port &= ~OUTPUT_A20;
        break;
    case CMD_A20_ON:
        s->output_port |= OUTPUT_A20;
        break;
    case CMD_PULSE ... 0xff:
        if (!(cmd & OUTPUT_NOT_RESET)) {
            runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
        }
        break;
    }
}

/* What a command does, but for the answer. */
static void keyboard_command(Ps2Keyboard *keyboard, uint8_t cmd)
{
    switch (cmd) {
    case KEYBOARD_ENABLE:
        ps2_keyboard_set_scanning(keyboard, true);
        break;
    case KEYBOARD_DISABLE:
        ps2_keyboard_set_scanning(keyboard, false);
        break;
    case KEYBOARD_DEFAULTS:
    case KEYBOARD_RESET:
        ps2_keyboard_reset(keyboard);
        break;
    }
}

/* The data byte of a command. */
static void keyboard_parameter(I8042 *s, uint8_t cmd, uint8_t value)
{
    i8042_push(s, KEYBOARD_ACK);
    if (cmd != KEYBOARD_SET) {
        return;
    }
    if (!value) {
        i8042_push(s, s->keyboard.set); /* asked which */
    } else if (value <= 2) {
        s->keyboard.set = value;
    }
}

static void keyboard_write(I8042 *s, uint8_t value)
{
    s->ram[0] &= ~CONFIG_NO_KEYBOARD; /* sending to it enables it */
    if (s->keyboard_pending) {
        uint8_t cmd = s->keyboard_pending;

        s->keyboard_pending = 0;
        keyboard_parameter(s, cmd, value);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(keyboard_answers); i++) {
        if (keyboard_answers[i].cmd == value) {
            keyboard_command(&s->keyboard, value);
            for (unsigned n = 0; n < keyboard_answers[i].count; n++) {
                i8042_push(s, keyboard_answers[i].answer[n]);
            }
            s->keyboard_pending = keyboard_answers[i].data ? value : 0;
            return;
        }
    }
    i8042_push(s, KEYBOARD_RESEND);
}

/* What the mouse said before it gets a command is not to be taken for the answer. */
static void i8042_forget_mouse(I8042 *s)
{
    if (s->queued && s->first_is_mouse) {
        s->queued = 0;
    }
    s->first_is_mouse = false;
    i8042_set_irqs(s);
}

static void i8042_data(I8042 *s, uint8_t value)
{
    uint8_t cmd = s->pending;

    s->pending = 0;
    switch (cmd) {
    case 0:
        keyboard_write(s, value);
        break;
    case CMD_WRITE_OUTPUT_PORT:
        i8042_write_output_port(s, value);
        break;
    case CMD_ECHO_KEYBOARD:
        i8042_answer(s, value);
        break;
    case CMD_ECHO_MOUSE:
        i8042_answer(s, value);
        s->first_is_mouse = true;
        i8042_set_irqs(s);
        break;
    case CMD_TO_MOUSE:
        s->ram[0] &= ~CONFIG_NO_MOUSE; /* as for the keyboard */
        i8042_forget_mouse(s);
        ps2_mouse_write(&s->mouse, value);
        break;
    default:
        s->ram[cmd & 0x1f] = value;
        i8042_update(s);
    }
}

static uint64_t i8042_read_data(void *opaque, hwaddr addr, unsigned size)
{
    I8042 *s = opaque;

    if (s->queued) {
        s->last = s->queue[0];
        memmove(s->queue, s->queue + 1, --s->queued);
        s->first_is_key = s->first_is_mouse = false;
        irq_set(&s->irqs[0], 0); /* an edge for each byte */
        irq_set(&s->irqs[1], 0);
        i8042_update(s);
    }
    return s->last;
}

static void i8042_write_data(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    I8042 *s = opaque;

    s->last_was_command = false;
    i8042_data(s, value);
}

static uint64_t i8042_read_status(void *opaque, hwaddr addr, unsigned size)
{
    I8042 *s = opaque;

    return STATUS_UNLOCKED | (s->queued ? STATUS_OUTPUT_FULL : 0) |
           (s->queued && s->first_is_mouse ? STATUS_OF_MOUSE : 0) |
           (s->ram[0] & CONFIG_SYSTEM || s->self_tested ? STATUS_SYSTEM : 0) |
           (s->last_was_command ? STATUS_COMMAND : 0);
}

static void i8042_write_command(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    I8042 *s = opaque;

    s->last_was_command = true;
    i8042_command(s, value);
}

static const MemoryRegionOps i8042_data_ops = { i8042_read_data, i8042_write_data, 1, 1 };
static const MemoryRegionOps i8042_command_ops = { i8042_read_status, i8042_write_command, 1, 1 };

static void i8042_reset(Device *dev)
{
    I8042 *s = I8042_DEVICE(dev);

    memset(s->ram, 0, sizeof s->ram);
    /* As firmware leaves it. */
    s->ram[0] = CONFIG_IRQ1 | CONFIG_SYSTEM | CONFIG_NO_MOUSE | CONFIG_TRANSLATE;
    s->output_port = OUTPUT_NOT_RESET | OUTPUT_A20;
    s->self_tested = s->last_was_command = false;
    s->pending = s->keyboard_pending = s->last = 0;
    s->queued = 0;
    s->first_is_key = s->first_is_mouse = s->break_seen = false;
    ps2_keyboard_reset(&s->keyboard);
    ps2_mouse_reset(&s->mouse);
    i8042_update(s);
}

static void i8042_has_bytes(void *opaque)
{
    i8042_update(opaque);
}

static bool press_keys(void *opaque, const uint8_t *keys, unsigned count, int64_t hold_ms,
                       GError **errp)
{
    I8042 *s = opaque;

    return ps2_keyboard_press(&s->keyboard, keys, count, hold_ms, errp);
}

static void send_key(void *opaque, uint8_t key, bool down)
{
    I8042 *s = opaque;

    ps2_keyboard_key(&s->keyboard, key, down);
}

static bool i8042_realize(Device *dev, GError **errp)
{
    I8042 *s = I8042_DEVICE(dev);

    s->keyboard.has_bytes = i8042_has_bytes;
    s->keyboard.opaque = s;
    ps2_keyboard_init(&s->keyboard);
    s->input = (InputKeyboard){ "PS/2 keyboard", press_keys, send_key, s };
    input_keyboard_add(&s->input);
    s->mouse.has_bytes = i8042_has_bytes;
    s->mouse.opaque = s;
    ps2_mouse_init(&s->mouse);
    i8042_reset(dev);
    return true;
}

static void i8042_unrealize(Device *dev)
{
    ps2_mouse_destroy(&I8042_DEVICE(dev)->mouse);
    input_keyboard_remove(&I8042_DEVICE(dev)->input);
    ps2_keyboard_destroy(&I8042_DEVICE(dev)->keyboard);
}

static const StateField i8042_fields[] = {
    STATE_UINTS(I8042, ram),
    STATE_UINT(I8042, output_port),
    STATE_BOOL(I8042, self_tested),
    STATE_BOOL(I8042, last_was_command),
    STATE_UINT(I8042, pending),
    STATE_UINT(I8042, keyboard_pending),
    STATE_UINTS(I8042, queue),
    STATE_UINT_MAX(I8042, queued, QUEUE_SIZE),
    STATE_UINT(I8042, last),
    STATE_BOOL_SINCE(I8042, first_is_key, 2),
    STATE_BOOL_SINCE(I8042, break_seen, 2),
    STATE_STRUCT_SINCE(I8042, keyboard, &ps2_keyboard_state, 2),
    STATE_BOOL_SINCE(I8042, first_is_mouse, 3),
    STATE_STRUCT_SINCE(I8042, mouse, &ps2_mouse_state, 3),
    {},
};

static const StateTable i8042_state = {
    .name = "i8042", .version = 3, .oldest = 1, .fields = i8042_fields
};

static const DeviceClass i8042_device_ops = {
    .category = "input",
    .realize = i8042_realize,
    .unrealize = i8042_unrealize,
    .reset = i8042_reset,
    .state = &i8042_state,
};

static const ObjectType i8042_type = {
    .name = TYPE_I8042,
    .parent = TYPE_DEVICE,
    .description = "8042 keyboard controller",
    .instance_size = sizeof(I8042),
    .ops = &i8042_device_ops,
};
OBJECT_TYPE_REGISTER(i8042_type)

static const IrqLines i8042_lines[] = {
    { .type = TYPE_I8042, .out = true, .offset = offsetof(I8042, irqs), .count = 2 },
    {},
};
IRQ_LINES_REGISTER(i8042_lines)

void i8042_nudge_mouse(I8042 *s)
{
    ps2_mouse_nudge(&s->mouse);
}

I8042 *i8042_create(MemoryRegion *io, Irq keyboard, Irq mouse)
{
    I8042 *s = I8042_DEVICE(device_new_onboard(TYPE_I8042));

    s->irqs[0] = keyboard;
    s->irqs[1] = mouse;
    memory_region_init_io(&s->data_port, &i8042_data_ops, s, "i8042-data", 1);
    memory_region_init_io(&s->command_port, &i8042_command_ops, s, "i8042-cmd", 1);
    device_map(&s->parent, io, 0x60, &s->data_port, 0);
    device_map(&s->parent, io, 0x64, &s->command_port, 0);
    device_realize(&s->parent, NULL);
    return s;
}

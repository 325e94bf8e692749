/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/input/ps2-keyboard.h"

#include <string.h>

#include "hw/input/key-codes.h"
#include "util/clock.h"
#include "util/error.h"

enum { EXTENDED_PREFIX = 0xe0, BREAK_PREFIX = 0xf0, BREAK_BIT = 0x80, MOST_BYTES_OF_A_KEY = 3 };

static void push(Ps2Keyboard *s, uint8_t byte)
{
    s->bytes[(s->head + s->count++) % PS2_KEYBOARD_BUFFER] = byte;
}

static void send(Ps2Keyboard *s, uint8_t key, bool down)
{
    uint8_t code = key & ~KEY_CODE_EXTENDED;

    if (!s->scanning || s->count + MOST_BYTES_OF_A_KEY > PS2_KEYBOARD_BUFFER) {
        return;
    }
    if (key & KEY_CODE_EXTENDED) {
        push(s, EXTENDED_PREFIX);
    }
    if (s->set == 1) {
        push(s, code | (down ? 0 : BREAK_BIT));
        return;
    }
    if (!down) {
        push(s, BREAK_PREFIX);
    }
    push(s, key_code_set2(code));
}

/* The last that was pressed is the first that is released. */
static void release_held(Ps2Keyboard *s)
{
    timer_del(s->release);
    while (s->held_count) {
        send(s, s->held[--s->held_count], false);
    }
}

static void release_expired(void *opaque)
{
    Ps2Keyboard *s = opaque;

    release_held(s);
    s->has_bytes(s->opaque);
}

bool ps2_keyboard_press(Ps2Keyboard *s, const uint8_t *keys, unsigned count, int64_t hold_ms,
                        GError **errp)
{
    unsigned bytes = (s->held_count + 2 * count) * MOST_BYTES_OF_A_KEY;

    if (s->scanning && s->count + bytes > PS2_KEYBOARD_BUFFER) {
        error_set(errp, "the guest does not read its keyboard: the keys that were pressed before "
                        "are still there");
        return false;
    }
    release_held(s);
    for (unsigned i = 0; i < count; i++) {
        send(s, keys[i], true);
        s->held[s->held_count++] = keys[i];
    }
    timer_mod(s->release, clock_ns() + hold_ms * (NS_PER_SEC / 1000));
    s->has_bytes(s->opaque);
    return true;
}

void ps2_keyboard_key(Ps2Keyboard *s, uint8_t key, bool down)
{
    send(s, key, down);
    s->has_bytes(s->opaque);
}

bool ps2_keyboard_take(Ps2Keyboard *s, uint8_t *byte)
{
    if (!s->count) {
        return false;
    }
    *byte = s->bytes[s->head];
    s->head = (s->head + 1) % PS2_KEYBOARD_BUFFER;
    s->count--;
    return true;
}

void ps2_keyboard_set_scanning(Ps2Keyboard *s, bool on)
{
    s->scanning = on;
    s->head = s->count = 0;
}

void ps2_keyboard_reset(Ps2Keyboard *s)
{
    timer_del(s->release);
    s->held_count = 0;
    s->set = 2;
    memset(s->bytes, 0, sizeof(s->bytes));
    memset(s->held, 0, sizeof(s->held));
    ps2_keyboard_set_scanning(s, true);
}

void ps2_keyboard_init(Ps2Keyboard *s)
{
    s->release = timer_new(release_expired, s);
    ps2_keyboard_reset(s);
}

void ps2_keyboard_destroy(Ps2Keyboard *s)
{
    g_clear_pointer(&s->release, timer_free);
}

static const StateField keyboard_fields[] = {
    STATE_BOOL(Ps2Keyboard, scanning),
    STATE_UINT_MAX(Ps2Keyboard, set, 2),
    STATE_UINTS(Ps2Keyboard, bytes),
    STATE_UINT_MAX(Ps2Keyboard, head, PS2_KEYBOARD_BUFFER - 1),
    STATE_UINT_MAX(Ps2Keyboard, count, PS2_KEYBOARD_BUFFER),
    STATE_UINTS(Ps2Keyboard, held),
    STATE_UINT_MAX(Ps2Keyboard, held_count, INPUT_KEYS_MAX),
    STATE_TIMER(Ps2Keyboard, release),
    {},
};

const StateTable ps2_keyboard_state = { .name = "ps2-keyboard",
                                        .version = 1,
                                        .fields = keyboard_fields };

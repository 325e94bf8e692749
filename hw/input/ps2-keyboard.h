/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PS/2 keyboard, as a part of its controller (hw/input/i8042.h): the keys that are pressed by the
 * monitor, as the bytes that it sends; scan code sets 1 and 2. Machine lock for everything.
 */
#ifndef HW_INPUT_PS2_KEYBOARD_H
#define HW_INPUT_PS2_KEYBOARD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/input/input.h"
#include "util/state.h"
#include "util/timer.h"

#define PS2_KEYBOARD_BUFFER 256 /* bytes of keys that the guest has not read */

typedef struct Ps2Keyboard {
    /* wiring */
    void (*has_bytes)(void *opaque); /* there are more to take */
    void *opaque;
    /* state */
    bool scanning; /* it tells of keys */
    uint8_t set;   /* of scan codes: 1 or 2 */
    uint8_t bytes[PS2_KEYBOARD_BUFFER];
    unsigned head, count;
    uint8_t held[INPUT_KEYS_MAX]; /* key codes, until `release` expires */
    unsigned held_count;
    Timer *release;
} Ps2Keyboard;

/* @has_bytes and @opaque are set. */
void ps2_keyboard_init(Ps2Keyboard *s);
void ps2_keyboard_destroy(Ps2Keyboard *s);
/* As after power-on. */
void ps2_keyboard_reset(Ps2Keyboard *s);
/* The guest turns it on or off: what was pressed and not read yet is forgotten. */
void ps2_keyboard_set_scanning(Ps2Keyboard *s, bool on);
/* Take the oldest byte; false: there is none. */
bool ps2_keyboard_take(Ps2Keyboard *s, uint8_t *byte);

/* As an InputKeyboard does. */
void ps2_keyboard_key(Ps2Keyboard *s, uint8_t key, bool down);
bool ps2_keyboard_press(Ps2Keyboard *s, const uint8_t *keys, unsigned count, int64_t hold_ms,
                        GError **errp);

/* For state tables. */
extern const StateTable ps2_keyboard_state;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a user does, and who gets it: keyboards and pointers make themselves known, and keys, moves
 * and buttons go to the one that its guest began to use last. Machine lock for everything.
 */
#ifndef HW_INPUT_INPUT_H
#define HW_INPUT_INPUT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "qapi/qapi-types.h"

#define INPUT_AXIS_MAX    32767 /* of places: 0 is left, or at the top */
#define INPUT_KEYS_MAX    16    /* that can be pressed together */
#define INPUT_MAX_HOLD_MS (60 * 1000)

/* Keys are numbers of hw/input/key-codes.h. */
typedef struct InputKeyboard {
    const char *name;
    /* Press @count keys, up to INPUT_KEYS_MAX, one after the other, and release them after @hold_ms
     * milliseconds of the guest's time; what is still held is released before. False: the guest has
     * not read what was pressed before. */
    bool (*press)(void *opaque, const uint8_t *keys, unsigned count, int64_t hold_ms,
                  GError **errp);
    void (*key)(void *opaque, uint8_t key, bool down);
    void *opaque;
} InputKeyboard;

typedef enum InputPointerKind {
    INPUT_POINTER_RELATIVE, /* it was moved by `value` along `axis` */
    INPUT_POINTER_ABSOLUTE, /* it is at `value` of `axis` now, 0 to INPUT_AXIS_MAX */
    INPUT_POINTER_BUTTON,   /* `button` is `down` now, or not */
} InputPointerKind;

typedef struct InputPointerEvent {
    InputPointerKind kind;
    InputAxis axis;
    int32_t value;
    InputButton button;
    bool down;
} InputPointerEvent;

typedef struct InputPointer {
    const char *name;
    bool absolute; /* it takes places, and no moves; else the other way round */
    void (*event)(void *opaque, const InputPointerEvent *event);
    void (*sync)(void *opaque); /* what came since the last time was done at once */
    void *opaque;
    unsigned index; /* set by input_pointer_add(): it is known by that */
} InputPointer;

/* ---- for devices ---- */

/* @keyboard, borrowed until it is removed, is there, behind those that are. */
void input_keyboard_add(InputKeyboard *keyboard);
void input_keyboard_remove(InputKeyboard *keyboard);
/* The guest uses it: it comes first. */
void input_keyboard_activate(InputKeyboard *keyboard);
/* It does not any more: it comes last. */
void input_keyboard_deactivate(InputKeyboard *keyboard);
/* The same. */
void input_pointer_add(InputPointer *pointer);
void input_pointer_remove(InputPointer *pointer);
void input_pointer_activate(InputPointer *pointer);
void input_pointer_deactivate(InputPointer *pointer);

/* Call @fn from now on when a pointer comes, goes, or another one becomes the first. Any thread
 * with the machine lock; once. */
void input_pointers_watch(void (*fn)(void));

/* ---- for monitors ---- */

/* Of the first keyboard: its press(), with @count and @hold_ms checked. An error if there is none.
 */
bool input_press_keys(const uint8_t *keys, unsigned count, int64_t hold_ms, GError **errp);
/* To the first keyboard; false: there is none. */
bool input_key(uint8_t key, bool down);
/* To the first pointer that takes @event; false: there is none. */
bool input_pointer_event(const InputPointerEvent *event);
/* What was sent since the last time was all of it. */
void input_sync(void);
/* The pointers, the one that comes first first: of InputPointer *. Borrowed; never NULL. */
const GPtrArray *input_pointers(void);

#endif

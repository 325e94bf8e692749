/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/input/input.h"

#include "util/error.h"

static GPtrArray *keyboards; /* of InputKeyboard *, borrowed, the one that gets keys first */
static GPtrArray *pointers;  /* of InputPointer *, the same */
static unsigned pointers_made;
static void (*pointers_changed)(void); /* or NULL */

static void add(GPtrArray **list, void *item)
{
    if (!*list) {
        *list = g_ptr_array_new();
    }
    g_ptr_array_add(*list, item);
}

static void bring_forward(GPtrArray *list, void *item)
{
    if (g_ptr_array_remove(list, item)) {
        g_ptr_array_insert(list, 0, item);
    }
}

static void bring_back(GPtrArray *list, void *item)
{
    if (list && g_ptr_array_remove(list, item)) {
        g_ptr_array_add(list, item);
    }
}

void input_keyboard_add(InputKeyboard *keyboard)
{
    add(&keyboards, keyboard);
}

void input_keyboard_remove(InputKeyboard *keyboard)
{
    g_ptr_array_remove(keyboards, keyboard);
}

void input_keyboard_activate(InputKeyboard *keyboard)
{
    bring_forward(keyboards, keyboard);
}

void input_keyboard_deactivate(InputKeyboard *keyboard)
{
    bring_back(keyboards, keyboard);
}

void input_pointers_watch(void (*fn)(void))
{
    pointers_changed = fn;
}

static void tell_pointers(void)
{
    if (pointers_changed) {
        pointers_changed();
    }
}

void input_pointer_add(InputPointer *pointer)
{
    pointer->index = pointers_made++;
    add(&pointers, pointer);
    tell_pointers();
}

void input_pointer_remove(InputPointer *pointer)
{
    g_ptr_array_remove(pointers, pointer);
    tell_pointers();
}

void input_pointer_activate(InputPointer *pointer)
{
    bring_forward(pointers, pointer);
    tell_pointers();
}

void input_pointer_deactivate(InputPointer *pointer)
{
    bring_back(pointers, pointer);
    tell_pointers();
}

const GPtrArray *input_pointers(void)
{
    static GPtrArray none;

    return pointers ? pointers : &none;
}

/* ---- what is done ---- */

static const InputKeyboard *first_keyboard(void)
{
    return keyboards && keyboards->len ? keyboards->pdata[0] : NULL;
}

bool input_press_keys(const uint8_t *keys, unsigned count, int64_t hold_ms, GError **errp)
{
    const InputKeyboard *keyboard = first_keyboard();

    if (!keyboard) {
        error_set(errp, "this machine has no keyboard");
        return false;
    }
    if (count > INPUT_KEYS_MAX) {
        error_set(errp, "%u keys are too many: up to %d can be pressed together", count,
                  INPUT_KEYS_MAX);
        return false;
    }
    if (hold_ms < 0 || hold_ms > INPUT_MAX_HOLD_MS) {
        error_set(errp, "'hold-time' must be 0 to %d milliseconds", INPUT_MAX_HOLD_MS);
        return false;
    }
    return keyboard->press(keyboard->opaque, keys, count, hold_ms, errp);
}

bool input_key(uint8_t key, bool down)
{
    const InputKeyboard *keyboard = first_keyboard();

    if (keyboard) {
        keyboard->key(keyboard->opaque, key, down);
    }
    return keyboard;
}

bool input_pointer_event(const InputPointerEvent *event)
{
    for (unsigned i = 0; i < input_pointers()->len; i++) {
        const InputPointer *pointer = input_pointers()->pdata[i];

        if (event->kind == INPUT_POINTER_BUTTON ||
            pointer->absolute == (event->kind == INPUT_POINTER_ABSOLUTE)) {
            pointer->event(pointer->opaque, event);
            return true;
        }
    }
    return false;
}

void input_sync(void)
{
    for (unsigned i = 0; i < input_pointers()->len; i++) {
        const InputPointer *pointer = input_pointers()->pdata[i];

        pointer->sync(pointer->opaque);
    }
}

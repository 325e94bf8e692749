/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keyboards and mice in QMP and HMP. */
#include <inttypes.h>
#include <string.h>

#include "hw/core/runstate.h"
#include "hw/input/input.h"
#include "hw/input/key-codes.h"
#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/parse.h"

#define DEFAULT_HOLD_MS 100

static bool key_number(const KeyValue *value, uint8_t *key, GError **errp)
{
    if (value->type == KEY_VALUE_KIND_QCODE) {
        *key = key_code_of(value->u.qcode->data);
        if (!*key) {
            error_set(errp, "the keyboard has no key '%s'", QKeyCode_str(value->u.qcode->data));
        }
        return *key;
    }
    int64_t number = value->u.number->data;
    if (number <= 0 || number > 0xff || !(number & ~KEY_CODE_EXTENDED)) {
        error_set(errp,
                  "%" PRId64
                  " is no number of a key; it is a scan code of set 1, 1 to 127, and 128 "
                  "more where a prefix goes before it",
                  number);
        return false;
    }
    *key = (uint8_t)number;
    return true;
}

bool qmp_send_key(GPtrArray *keys, bool has_hold_time, int64_t hold_time, GError **errp)
{
    g_autofree uint8_t *numbers = g_new(uint8_t, keys->len + 1);

    for (unsigned i = 0; i < keys->len; i++) {
        if (!key_number(keys->pdata[i], &numbers[i], errp)) {
            return false;
        }
    }
    return input_press_keys(numbers, keys->len, has_hold_time ? hold_time : DEFAULT_HOLD_MS, errp);
}

/* One of "ctrl-alt-f1": a name, "<" for `less`, or a number. */
static KeyValue *parse_key(const char *text, GError **errp)
{
    g_autoptr(KeyValue) value = g_new0(KeyValue, 1);
    uint64_t number;

    if (g_str_has_prefix(text, "0x") && parse_uint(text, 0xff, &number)) {
        value->type = KEY_VALUE_KIND_NUMBER;
        value->u.number = g_new0(KeyNumber, 1);
        value->u.number->data = (int64_t)number;
        return g_steal_pointer(&value);
    }
    value->type = KEY_VALUE_KIND_QCODE;
    value->u.qcode = g_new0(KeyName, 1);
    for (unsigned i = 0; QKeyCode_lookup[i]; i++) {
        if (strcmp(strcmp(text, "<") ? text : "less", QKeyCode_lookup[i]) == 0) {
            value->u.qcode->data = (QKeyCode)i;
            return g_steal_pointer(&value);
        }
    }
    error_set(errp, "there is no key '%s'; keys are names such as ctrl-alt-f1, or numbers (0x1e)",
              text);
    return NULL;
}

void hmp_sendkey(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) keys = KeyValue_list_new();
    g_auto(GStrv) words = g_strsplit(argv[0], "-", -1);
    GError *err = NULL; /* hmp_error() takes it */
    uint64_t hold = DEFAULT_HOLD_MS;

    if (argv[1] && !parse_uint(argv[1], INT32_MAX, &hold)) {
        hmp_printf(hmp, "Error: '%s' is no number of milliseconds\n", argv[1]);
        return;
    }
    for (unsigned i = 0; words[i]; i++) {
        KeyValue *key = parse_key(words[i], &err);

        if (!key) {
            break;
        }
        g_ptr_array_add(keys, key);
    }
    if (err || !qmp_send_key(keys, true, (int64_t)hold, &err)) {
        hmp_error(hmp, err);
    }
}

/* ---- what a user does, one by one ---- */

/* A move or a button, for pointers. */
static InputPointerEvent pointer_event(const InputEvent *from)
{
    if (from->type == INPUT_EVENT_KIND_BTN) {
        const InputBtnEvent *button = from->u.btn->data;

        return (InputPointerEvent){ .kind = INPUT_POINTER_BUTTON,
                                    .button = button->button,
                                    .down = button->down };
    }
    bool absolute = from->type == INPUT_EVENT_KIND_ABS;
    const InputMoveEvent *move = absolute ? from->u.abs->data : from->u.rel->data;
    int64_t least = absolute ? 0 : -INPUT_AXIS_MAX;

    return (InputPointerEvent){ .kind = absolute ? INPUT_POINTER_ABSOLUTE : INPUT_POINTER_RELATIVE,
                                .axis = move->axis,
                                .value = (int32_t)CLAMP(move->value, least, INPUT_AXIS_MAX) };
}

/* What nobody takes is lost, as if there were no mouse on the user's table. */
bool qmp_input_send_event(const char *device, bool has_head, int64_t head, GPtrArray *events,
                          GError **errp)
{
    g_autofree uint8_t *keys = g_new0(uint8_t, events->len + 1);

    if (device) {
        error_set(errp, "'device' names a screen, and there is no '%s'; leave it out", device);
        return false;
    }
    if (!runstate_is_running()) {
        error_set(errp, "the machine stands: 'cont' lets it run");
        return false;
    }
    for (unsigned i = 0; i < events->len; i++) {
        const InputEvent *event = events->pdata[i];

        if (event->type == INPUT_EVENT_KIND_KEY &&
            !key_number(event->u.key->data->key, &keys[i], errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < events->len; i++) {
        const InputEvent *event = events->pdata[i];

        if (event->type == INPUT_EVENT_KIND_KEY) {
            input_key(keys[i], event->u.key->data->down);
        } else {
            InputPointerEvent pointer = pointer_event(event);

            input_pointer_event(&pointer);
        }
    }
    input_sync();
    return true;
}

GPtrArray *qmp_query_mice(GError **errp)
{
    const GPtrArray *pointers = input_pointers();
    GPtrArray *list = MouseInfo_list_new();

    for (unsigned i = 0; i < pointers->len; i++) {
        const InputPointer *pointer = pointers->pdata[i];
        MouseInfo *info = g_new0(MouseInfo, 1);

        info->name = g_strdup(pointer->name);
        info->index = pointer->index;
        info->current = !i;
        info->absolute = pointer->absolute;
        g_ptr_array_add(list, info);
    }
    return list;
}

/* ---- HMP ---- */

void hmp_info_mice(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_mice(NULL);

    for (unsigned i = 0; i < list->len; i++) {
        const MouseInfo *info = list->pdata[i];

        hmp_printf(hmp, "%c Mouse #%" PRId64 ": %s%s\n", info->current ? '*' : ' ', info->index,
                   info->name, info->absolute ? " (absolute)" : "");
    }
    if (!list->len) {
        hmp_printf(hmp, "No mouse devices connected\n");
    }
}

static bool parse_number(Hmp *hmp, const char *text, int64_t least, int64_t most, int64_t *value)
{
    uint64_t number;
    bool negative = text[0] == '-';

    if (!parse_uint(text + negative, INT32_MAX, &number) ||
        (negative ? -(int64_t)number : (int64_t)number) < least ||
        (!negative && (int64_t)number > most)) {
        hmp_printf(hmp, "Error: '%s' is no number from %" PRId64 " to %" PRId64 "\n", text, least,
                   most);
        return false;
    }
    *value = negative ? -(int64_t)number : (int64_t)number;
    return true;
}

static void turn_wheel(int64_t steps)
{
    InputPointerEvent event = { .kind = INPUT_POINTER_BUTTON,
                                .button =
                                    steps < 0 ? INPUT_BUTTON_WHEEL_UP : INPUT_BUTTON_WHEEL_DOWN,
                                .down = true };

    input_pointer_event(&event);
    event.down = false;
    input_pointer_event(&event);
}

void hmp_mouse_move(Hmp *hmp, char **argv)
{
    int64_t moves[3] = { 0 };

    for (unsigned i = 0; i < 3 && argv[i]; i++) {
        if (!parse_number(hmp, argv[i], -INPUT_AXIS_MAX, INPUT_AXIS_MAX, &moves[i])) {
            return;
        }
    }
    for (unsigned axis = 0; axis < 2; axis++) {
        InputPointerEvent event = { .kind = INPUT_POINTER_RELATIVE,
                                    .axis = axis ? INPUT_AXIS_Y : INPUT_AXIS_X,
                                    .value = (int32_t)moves[axis] };

        input_pointer_event(&event);
    }
    if (moves[2]) {
        turn_wheel(moves[2]);
    }
    input_sync();
}

void hmp_mouse_button(Hmp *hmp, char **argv)
{
    static const InputButton buttons[] = { INPUT_BUTTON_LEFT, INPUT_BUTTON_MIDDLE,
                                           INPUT_BUTTON_RIGHT };
    static const unsigned bits[] = { 1, 2, 4 };
    int64_t state;

    if (!parse_number(hmp, argv[0], 0, 7, &state)) {
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(buttons); i++) {
        InputPointerEvent event = { .kind = INPUT_POINTER_BUTTON,
                                    .button = buttons[i],
                                    .down = state & bits[i] };

        input_pointer_event(&event);
    }
    input_sync();
}

void hmp_mouse_set(Hmp *hmp, char **argv)
{
    const GPtrArray *pointers = input_pointers();
    int64_t index;

    if (!parse_number(hmp, argv[0], 0, INT32_MAX, &index)) {
        return;
    }
    for (unsigned i = 0; i < pointers->len; i++) {
        InputPointer *pointer = pointers->pdata[i];

        if (pointer->index == index) {
            input_pointer_activate(pointer);
            return;
        }
    }
    hmp_printf(hmp, "Error: there is no mouse %" PRId64 "; 'info mice' lists those there are\n",
               index);
}

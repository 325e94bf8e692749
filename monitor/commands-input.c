/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyboard in QMP and HMP. */
#include <inttypes.h>
#include <string.h>

#include "hw/core/machine.h"
#include "hw/input/i8042.h"
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
    Object *keyboard = object_find_type(TYPE_I8042);
    g_autofree uint8_t *numbers = g_new(uint8_t, keys->len + 1);

    if (!keyboard) {
        error_set(errp, "this machine has no keyboard");
        return false;
    }
    for (unsigned i = 0; i < keys->len; i++) {
        if (!key_number(keys->pdata[i], &numbers[i], errp)) {
            return false;
        }
    }
    return i8042_press_keys(I8042_DEVICE(keyboard), numbers, keys->len,
                            has_hold_time ? hold_time : DEFAULT_HOLD_MS, errp);
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
    g_autoptr(GError) err = NULL;
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

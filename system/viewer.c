/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/viewer.h"

#include <string.h>

#include "crypto/secret.h"
#include "hw/core/runstate.h"
#include "hw/input/input.h"
#include "util/error.h"

void viewer_key(uint8_t number, bool down)
{
    if (runstate_is_running()) {
        input_key(number, down);
    }
}

bool viewer_absolute(void)
{
    const GPtrArray *pointers = input_pointers();

    return pointers->len && ((const InputPointer *)pointers->pdata[0])->absolute;
}

static void send(const InputPointerEvent *event)
{
    if (runstate_is_running()) {
        input_pointer_event(event);
    }
}

void viewer_move(InputAxis axis, int value, bool place)
{
    InputPointerEvent event = { .kind = place ? INPUT_POINTER_ABSOLUTE : INPUT_POINTER_RELATIVE,
                                .axis = axis,
                                .value = value };

    send(&event);
}

void viewer_button(InputButton which, bool down)
{
    InputPointerEvent event = { .kind = INPUT_POINTER_BUTTON, .button = which, .down = down };

    send(&event);
}

void viewer_sync(void)
{
    if (runstate_is_running()) {
        input_sync();
    }
}

char *viewer_password(const char *secret, GError **errp)
{
    size_t size;
    const uint8_t *data = secret_lookup(secret, &size, errp);

    if (data && (!size || memchr(data, 0, size))) {
        error_set(errp, "secret '%s' is no password: it must be text of 1 byte or more", secret);
        data = NULL;
    }
    return data ? g_strndup((const char *)data, size) : NULL;
}

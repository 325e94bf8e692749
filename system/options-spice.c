/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -spice: a SPICE server, and what its clients do to the machine. */
#include <string.h>

#include "backends/secret.h"
#include "hw/core/runstate.h"
#include "hw/input/input.h"
#include "system/options-more.h"
#include "ui/spice.h"
#include "util/error.h"

static void press(uint8_t number, bool down)
{
    if (runstate_is_running()) {
        input_key(number, down);
    }
}

static bool absolute(void)
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

static void move(InputAxis axis, int value, bool place)
{
    InputPointerEvent event = { .kind = place ? INPUT_POINTER_ABSOLUTE : INPUT_POINTER_RELATIVE,
                                .axis = axis,
                                .value = value };

    send(&event);
}

static void button(InputButton which, bool down)
{
    InputPointerEvent event = { .kind = INPUT_POINTER_BUTTON, .button = which, .down = down };

    send(&event);
}

static void sync_pointers(void)
{
    if (runstate_is_running()) {
        input_sync();
    }
}

static const SpiceHost host = { press, absolute, move, button, sync_pointers };

/* ---- the option ---- */

static char *password_of(const SpiceOptions *o, GError **errp)
{
    size_t size;
    const uint8_t *data;

    if (o->password) {
        return g_strdup(o->password);
    }
    data = secret_lookup(o->password_secret, &size, errp);
    if (data && (!size || memchr(data, 0, size))) {
        error_set(errp, "secret '%s' is no password: it must be text of 1 byte or more",
                  o->password_secret);
        data = NULL;
    }
    return data ? g_strndup((const char *)data, size) : NULL;
}

bool option_apply_spice(Startup *startup, const void *parsed, GError **errp)
{
    const SpiceOptions *o = parsed;
    g_autofree char *password = NULL;

    if (o->password && o->password_secret) {
        error_set(errp, "password= and password-secret= are two passwords; leave out the first");
        return false;
    }
    if (o->password || o->password_secret) {
        password = password_of(o, errp);
        if (!password) {
            return false;
        }
    }
    return spice_start(o, password, startup->machine->guest_name, &host, errp);
}

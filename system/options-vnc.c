/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -vnc: a VNC server, and what its clients do to the machine. */
#include <string.h>

#include "hw/core/runstate.h"
#include "hw/input/key-codes.h"
#include "system/options-more.h"
#include "system/viewer.h"
#include "ui/vnc.h"
#include "util/error.h"
#include "util/keyval.h"

/* ---- what clients do ---- */

static void power(VncPower what)
{
    if (what == VNC_POWER_RESET) {
        runstate_request_reset(SHUTDOWN_CAUSE_HOST_UI);
    } else {
        runstate_request_powerdown();
    }
}

static const VncHost host = {
    .key_number = key_code_of,
    .key = viewer_key,
    .absolute = viewer_absolute,
    .move = viewer_move,
    .button = viewer_button,
    .sync = viewer_sync,
    .power = power,
};

/* ---- the option ---- */

/* What the interface has, and this server not. */
static const struct {
    const char *name, *why;
} absent[] = {
    { "sasl", "clients say who they are by a password; use password-secret" },
    { "sasl-authz", "clients say who they are by a password; use password-secret" },
    { "acl", "clients say who they are by a password; use password-secret" },
};

static bool check_absent(struct json_object *given, GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(absent); i++) {
        struct json_object *value = json_object_object_get(given, absent[i].name);

        if (value && strcmp(json_object_get_string(value), "off") != 0) {
            error_set(errp, "%s: %s", absent[i].name, absent[i].why);
            return false;
        }
        json_object_object_del(given, absent[i].name);
    }
    json_object_object_del(given, "audiodev"); /* libvirt gives it always; clients hear nothing */
    return true;
}

static bool check_display(const VncOptions *o, GError **errp)
{
    Object *device = o->display ? object_resolve(o->display, NULL) : NULL;

    if (o->display && !device) {
        error_set(errp, "display=%s: there is no device with this id", o->display);
        return false;
    }
    return true;
}

bool option_do_vnc(Startup *startup, const char *arg, GError **errp)
{
    static bool ready;
    struct json_object *given = keyval_or_json_parse(arg, "vnc", errp);
    g_autoptr(VncOptions) o = NULL;
    g_autofree char *password = NULL;

    if (given && check_absent(given, errp)) {
        o = VncOptions_from_json(given, NULL, errp);
    }
    json_object_put(given);
    if (!o || !check_display(o, errp)) {
        return false;
    }
    if (o->password_secret) {
        if (o->has_password && o->password) {
            error_set(errp, "password=on waits for set_password, and password-secret has it "
                            "already; leave out one of them");
            return false;
        }
        password = viewer_password(o->password_secret, errp);
        if (!password) {
            return false;
        }
    }
    if (!ready) {
        vnc_init(&host, startup->machine->guest_name);
        ready = true;
    }
    return vnc_server_new(o, password, errp);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -spice: a SPICE server, and what its clients do to the machine. */
#include "system/options-more.h"
#include "system/viewer.h"
#include "ui/spice.h"
#include "util/error.h"

static const SpiceHost host = { viewer_key, viewer_absolute, viewer_move, viewer_button,
                                viewer_sync };

/* ---- the option ---- */

static char *password_of(const SpiceOptions *o, GError **errp)
{
    return o->password ? g_strdup(o->password) : viewer_password(o->password_secret, errp);
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

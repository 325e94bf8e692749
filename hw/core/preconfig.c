/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/preconfig.h"

#include "hw/core/runstate.h"
#include "qapi/dispatch.h"
#include "util/error.h"
#include "util/main-loop.h"

static bool (*finish_fn)(void *opaque, GError **errp);
static void *finish_opaque;
static bool active;

void preconfig_enter(bool (*finish)(void *opaque, GError **errp), void *opaque)
{
    finish_fn = finish;
    finish_opaque = opaque;
    active = true;
    qmp_set_preconfig(true);
}

bool preconfig_active(void)
{
    return active;
}

bool preconfig_exit(GError **errp)
{
    g_autoptr(GError) err = NULL;

    if (!finish_fn(finish_opaque, &err)) {
        error_report("%s", err->message);
        g_propagate_error(errp, g_steal_pointer(&err));
        runstate_set_exit_status(1);
        main_loop_quit();
        return false;
    }
    active = false;
    qmp_set_preconfig(false);
    return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/save-check.h"

typedef struct SaveCheck {
    SaveCheckFn *fn;
    void *opaque;
} SaveCheck;

static GList *checks; /* of SaveCheck *, owned */

void save_check_add(SaveCheckFn *fn, void *opaque)
{
    SaveCheck *check = g_new(SaveCheck, 1);

    *check = (SaveCheck){ fn, opaque };
    checks = g_list_append(checks, check);
}

void save_check_remove(SaveCheckFn *fn, void *opaque)
{
    for (GList *at = checks; at; at = at->next) {
        SaveCheck *check = at->data;

        if (check->fn == fn && check->opaque == opaque) {
            g_free(check);
            checks = g_list_delete_link(checks, at);
            return;
        }
    }
}

static bool ask(const SaveCheck *check, GError **errp)
{
    if (!check->fn(check->opaque, errp)) {
        g_prefix_error(errp, "the machine cannot be saved: ");
        return false;
    }
    return true;
}

bool save_check(GError **errp)
{
    for (GList *at = checks; at; at = at->next) {
        if (!ask(at->data, errp)) {
            return false;
        }
    }
    return true;
}

void save_check_list(GPtrArray *reasons)
{
    for (GList *at = checks; at; at = at->next) {
        g_autoptr(GError) err = NULL;

        if (!ask(at->data, &err)) {
            g_ptr_array_add(reasons, g_strdup(err->message));
        }
    }
}

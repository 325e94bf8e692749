/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/save-leave.h"

#include <glib.h>

typedef struct Leaver {
    void (*fn)(void *opaque);
    void *opaque;
} Leaver;

static GList *leavers; /* of Leaver *, owned */

void save_leave_add(void (*fn)(void *opaque), void *opaque)
{
    Leaver *leaver = g_new(Leaver, 1);

    *leaver = (Leaver){ fn, opaque };
    leavers = g_list_append(leavers, leaver);
}

void save_leave_remove(void (*fn)(void *opaque), void *opaque)
{
    for (GList *at = leavers; at; at = at->next) {
        Leaver *leaver = at->data;

        if (leaver->fn == fn && leaver->opaque == opaque) {
            g_free(leaver);
            leavers = g_list_delete_link(leavers, at);
            return;
        }
    }
}

bool save_leave(void)
{
    for (GList *at = leavers; at; at = at->next) {
        const Leaver *leaver = at->data;

        leaver->fn(leaver->opaque);
    }
    return leavers != NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/monitor.h"

#include "monitor/monitor-internal.h"

static GPtrArray *qmp_monitors, *hmp_monitors;

static bool keep(GPtrArray **list, void *mon, GDestroyNotify destroy)
{
    if (!mon) {
        return false;
    }
    if (!*list) {
        *list = g_ptr_array_new_with_free_func(destroy);
    }
    g_ptr_array_add(*list, mon);
    return true;
}

/* ---- holding back ---- */

static unsigned holds;

void monitors_hold(void)
{
    holds++;
}

bool monitors_held(void)
{
    return holds > 0;
}

void monitors_release(void)
{
    if (--holds > 0) {
        return;
    }
    for (guint i = 0; qmp_monitors && i < qmp_monitors->len; i++) {
        qmp_monitor_resume(g_ptr_array_index(qmp_monitors, i));
    }
    for (guint i = 0; hmp_monitors && i < hmp_monitors->len; i++) {
        hmp_monitor_resume(g_ptr_array_index(hmp_monitors, i));
    }
}

/* ---- making ---- */

bool monitor_new(Chardev *chr, bool qmp, bool pretty, GError **errp)
{
    if (qmp) {
        return keep(&qmp_monitors, qmp_monitor_new(chr, pretty, errp),
                    (GDestroyNotify)qmp_monitor_free);
    }
    return keep(&hmp_monitors, hmp_monitor_new(chr, errp), (GDestroyNotify)hmp_monitor_free);
}

bool monitor_quit_waits(void)
{
    return monitors_sent_quit(qmp_monitors, hmp_monitors);
}

void monitor_cleanup(void)
{
    g_clear_pointer(&qmp_monitors, g_ptr_array_unref);
    g_clear_pointer(&hmp_monitors, g_ptr_array_unref);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace events, in QMP (qapi/trace.json) and HMP. */
#include <inttypes.h>
#include <string.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/trace.h"

static bool check_vcpu(bool has_vcpu, int64_t vcpu, GError **errp)
{
    if (has_vcpu) {
        error_set(errp, "vcpu=%" PRId64 ": no event can be chosen for one CPU; leave it out", vcpu);
    }
    return !has_vcpu;
}

GPtrArray *qmp_trace_event_get_state(const char *name, bool has_vcpu, int64_t vcpu, GError **errp)
{
    GPtrArray *list;

    if (!trace_check(name, errp) || !check_vcpu(has_vcpu, vcpu, errp)) {
        return NULL;
    }
    list = TraceEventInfo_list_new();
    for (unsigned i = 0; i < TRACE_EVENT_COUNT; i++) {
        if (trace_matches(i, name)) {
            TraceEventInfo *info = g_new0(TraceEventInfo, 1);

            info->name = g_strdup(trace_name(i));
            info->state = trace_enabled(i) ? TRACE_EVENT_STATE_ENABLED : TRACE_EVENT_STATE_DISABLED;
            g_ptr_array_add(list, info);
        }
    }
    return list;
}

bool qmp_trace_event_set_state(const char *name, bool enable, bool has_ignore_unavailable,
                               bool ignore_unavailable, bool has_vcpu, int64_t vcpu, GError **errp)
{
    return check_vcpu(has_vcpu, vcpu, errp) && trace_set(name, enable, errp);
}

/* ---- HMP ---- */

void hmp_trace_event(Hmp *hmp, char **argv)
{
    bool on = !strcmp(argv[1], "on");
    GError *err = NULL;

    if (!on && strcmp(argv[1], "off")) {
        hmp_printf(hmp, "Error: SWITCH: '%s' is neither on nor off\n", argv[1]);
    } else if (argv[2]) {
        hmp_printf(hmp, "Error: VCPU: no event can be chosen for one CPU; leave it out\n");
    } else {
        trace_set(argv[0], on, &err);
        hmp_error(hmp, err);
    }
}

void hmp_info_trace_events(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    g_autoptr(GPtrArray) list =
        qmp_trace_event_get_state(argv[0] ? argv[0] : "*", argv[1], 0, &err);

    hmp_error(hmp, err);
    for (guint i = 0; list && i < list->len; i++) {
        const TraceEventInfo *info = list->pdata[i];

        hmp_printf(hmp, "%s : state %d\n", info->name,
                   info->state == TRACE_EVENT_STATE_ENABLED ? 1 : 0);
    }
}

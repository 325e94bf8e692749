/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/memory-text.h"

#include <inttypes.h>

/* Microseconds since 1970 as local time. */
static char *time_text(int64_t us)
{
    g_autoptr(GDateTime) when = g_date_time_new_from_unix_local(us / G_USEC_PER_SEC);
    g_autofree char *seconds = when ? g_date_time_format(when, "%F %T") : NULL;

    return g_strdup_printf("%s.%06d", seconds ? seconds : "?", (int)(us % G_USEC_PER_SEC));
}

char *memory_state_text(const PCDIMMDeviceInfo *info)
{
    GString *text = g_string_new(NULL);

    if (info->has_state) {
        g_autofree char *since = time_text(info->state_since);

        g_string_append_printf(text, "  state: %s since %s\n", MemoryDeviceState_str(info->state),
                               since);
    }
    if (info->has_status) {
        g_string_append_printf(text, "  status: 0x%" PRIx64 " (%s)\n", (uint64_t)info->status,
                               info->meaning);
    }
    for (guint i = 0; info->warnings && i < info->warnings->len; i++) {
        g_string_append_printf(text, "  warning: %s\n",
                               (const char *)g_ptr_array_index(info->warnings, i));
    }
    return g_string_free(text, FALSE);
}

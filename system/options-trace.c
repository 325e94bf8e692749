/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -trace, -enable-sync-profile. */
#include "system/options-more.h"
#include "util/error.h"
#include "util/file-read.h"
#include "util/lock-profile.h"
#include "util/log.h"
#include "util/trace.h"

/* A line of a file, and what others have in theirs: a name that no event has is no error there. */
static void enable_line(const char *line)
{
    bool on = *line != '-';
    g_autoptr(GError) err = NULL;

    if (!trace_set(line + !on, on, &err)) {
        error_warn("-trace: %s", err->message);
    }
}

/* A file with a pattern in each line. */
static bool trace_events(const char *path, GError **errp)
{
    g_autofree char *text = NULL;

    if (!file_read(path, FILE_READ_SMALL, &text, NULL, errp)) {
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (*g_strstrip(*line) && **line != '#') {
            enable_line(*line);
        }
    }
    return true;
}

bool option_apply_trace(Startup *startup, const void *parsed, GError **errp)
{
    const TraceOptions *trace = parsed;

    if (trace->file && !log_set_file(trace->file, errp)) {
        return false;
    }
    if (trace->enable) {
        enable_line(trace->enable);
    }
    return !trace->events || trace_events(trace->events, errp);
}

bool option_do_sync_profile(Startup *startup, const char *arg, GError **errp)
{
    lock_profile_set(true);
    return true;
}

char *option_text_trace(const char *what, GError **errp)
{
    return trace_list();
}

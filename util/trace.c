/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/trace.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/log.h"

uint8_t trace_on[TRACE_EVENT_COUNT];

#define TRACE_ROW(constant, name, help) [constant] = { name, help },
static const struct {
    const char *name, *help;
} events[] = { TRACE_EVENTS(TRACE_ROW) };
#undef TRACE_ROW

const char *trace_name(TraceEvent event)
{
    return events[event].name;
}

bool trace_matches(TraceEvent event, const char *pattern)
{
    return g_pattern_match_simple(pattern, events[event].name);
}

bool trace_check(const char *pattern, GError **errp)
{
    bool found = strpbrk(pattern, "*?");

    for (unsigned i = 0; i < TRACE_EVENT_COUNT && !found; i++) {
        found = trace_matches(i, pattern);
    }
    if (!found) {
        error_set(errp, "there is no trace event '%s'; -trace help and the pattern * list them all",
                  pattern);
    }
    return found;
}

bool trace_set(const char *pattern, bool on, GError **errp)
{
    if (!trace_check(pattern, errp)) {
        return false;
    }
    for (unsigned i = 0; i < TRACE_EVENT_COUNT; i++) {
        if (trace_matches(i, pattern)) {
            __atomic_store_n(&trace_on[i], on, __ATOMIC_RELAXED);
        }
    }
    return true;
}

void trace_print(TraceEvent event, const char *fmt, ...)
{
    int64_t now = g_get_real_time();
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++) { /* one line, whatever is in it */
        *p = g_ascii_iscntrl(*p) ? ' ' : *p;
    }
    log_printf("%d@%" PRId64 ".%06" PRId64 ":%s %s\n", (int)getpid(), now / G_USEC_PER_SEC,
               now % G_USEC_PER_SEC, events[event].name, text);
}

char *trace_list(void)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < TRACE_EVENT_COUNT; i++) {
        g_string_append_printf(text, "%-28s %s\n", events[i].name, events[i].help);
    }
    return g_string_free(text, FALSE);
}

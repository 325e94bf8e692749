/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What clients of monitors have sent, and nobody has read, as the main thread stands. */
#include <sys/socket.h>

#include "monitor/monitor-internal.h"
#include "monitor/monitor.h"

#define LOOK_SIZE 65536u

/* A command, or a line of people's, in the text of a client. Within a JSON string quotes are behind
 * a backslash. */
#define QMP_QUIT \
    "(\"(execute|exec-oob)\"\\s*:\\s*\"quit\")|(\"command-line\"\\s*:\\s*\"\\s*(q|quit)\\s*\")"
#define HMP_QUIT "^\\s*(q|quit)\\s*$"

static bool has_sent(const CharFrontend *fe, const char *pattern)
{
    const int fd = fe->chr && char_can_be_raw(fe->chr) ? char_fd(fe) : -1;
    g_autofree char *text = g_malloc(LOOK_SIZE + 1);
    const ssize_t n = fd >= 0 ? recv(fd, text, LOOK_SIZE, MSG_PEEK | MSG_DONTWAIT) : -1;

    if (n <= 0) {
        return false;
    }
    text[n] = 0;
    return g_regex_match_simple(pattern, text, G_REGEX_RAW | G_REGEX_MULTILINE, 0);
}

bool monitors_sent_quit(const GPtrArray *qmp, const GPtrArray *hmp)
{
    for (guint i = 0; qmp && i < qmp->len; i++) {
        if (has_sent(qmp_monitor_frontend(qmp->pdata[i]), QMP_QUIT)) {
            return true;
        }
    }
    for (guint i = 0; hmp && i < hmp->len; i++) {
        if (has_sent(hmp_monitor_frontend(hmp->pdata[i]), HMP_QUIT)) {
            return true;
        }
    }
    return false;
}

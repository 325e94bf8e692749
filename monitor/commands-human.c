/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands whose answer is text for people (qapi/human.json): that of HMP. */
#include <string.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

#define ERROR "Error: "

/* Takes @text. */
static HumanReadableText *text_new(char *text)
{
    HumanReadableText *reply = g_new0(HumanReadableText, 1);

    reply->human_readable_text = text;
    return reply;
}

/* What `info @line` prints. */
static HumanReadableText *info_text(const char *line, GError **errp)
{
    Hmp hmp = { .out = g_string_new(NULL) };
    g_autofree char *text = NULL;

    hmp_run_line(&hmp, hmp_info_commands, "info ", line);
    text = g_string_free(hmp.out, FALSE);
    if (g_str_has_prefix(text, ERROR)) {
        error_set(errp, "%s", g_strchomp(text) + strlen(ERROR));
        return NULL;
    }
    return text_new(g_steal_pointer(&text));
}

HumanReadableText *qmp_x_query_irq(GError **errp)
{
    return info_text("irq", errp);
}

HumanReadableText *qmp_x_query_numa(GError **errp)
{
    return info_text("numa", errp);
}

HumanReadableText *qmp_x_query_ramblock(GError **errp)
{
    return info_text("ramblock", errp);
}

HumanReadableText *qmp_x_query_roms(GError **errp)
{
    return info_text("roms", errp);
}

HumanReadableText *qmp_x_query_usb(GError **errp)
{
    return info_text("usb", errp);
}

/* ---- what is not counted ---- */

HumanReadableText *qmp_x_query_opcount(GError **errp)
{
    return text_new(g_strdup("operations are not counted; info jit tells of the code\n"));
}

HumanReadableText *qmp_x_query_profile(GError **errp)
{
    error_set(errp, "where time goes is not measured; perf(1) of the host does that");
    return NULL;
}

HumanReadableText *qmp_x_query_rdma(GError **errp)
{
    return text_new(g_strdup(""));
}

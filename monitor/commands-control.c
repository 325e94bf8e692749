/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the session and the program itself (qapi/control.json, introspect.json). */
#include "hw/core/runstate.h"
#include "monitor/monitor-internal.h"
#include "qapi/dispatch.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

bool qmp_qmp_capabilities(GArray *enable, GError **errp)
{
    bool oob = false;

    for (guint i = 0; enable && i < enable->len; i++) {
        oob |= g_array_index(enable, QMPCapability, i) == QMP_CAPABILITY_OOB;
    }
    return qmp_session_negotiated(oob, errp);
}

VersionInfo *qmp_query_version(GError **errp)
{
    VersionInfo *info = g_new0(VersionInfo, 1);

    /* The version of the interface that tools expect, not ours. */
    info->qemu = g_new0(VersionTriple, 1);
    info->qemu->major = 7;
    info->qemu->minor = 2;
    info->package = g_strdup("dimmable-" DIMMABLE_VERSION);
    return info;
}

static void add_command(const QmpCommand *cmd, void *list)
{
    CommandInfo *info = g_new0(CommandInfo, 1);

    info->name = g_strdup(cmd->name);
    g_ptr_array_add(list, info);
}

GPtrArray *qmp_query_commands(GError **errp)
{
    GPtrArray *list = CommandInfo_list_new();

    qmp_for_each_command(add_command, list);
    return list;
}

struct json_object *qmp_query_qmp_schema(GError **errp)
{
    return qmp_introspect();
}

bool qmp_quit(GError **errp)
{
    runstate_request_shutdown(SHUTDOWN_CAUSE_HOST_QMP_QUIT);
    return true;
}

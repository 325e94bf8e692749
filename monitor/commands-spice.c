/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SPICE server in QMP and HMP. */
#include <inttypes.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "ui/spice.h"

SpiceInfo *qmp_query_spice(GError **errp)
{
    return spice_info();
}

static void print_address(Hmp *hmp, const SpiceInfo *info, const char *what, int64_t port)
{
    hmp_printf(hmp, "     address: %s:%" PRId64 "%s\n", info->host, port, what);
}

void hmp_info_spice(Hmp *hmp, char **argv)
{
    g_autoptr(SpiceInfo) info = spice_info();

    if (!info->enabled) {
        hmp_printf(hmp, "Server: disabled\n");
        return;
    }
    hmp_printf(hmp, "Server:\n");
    if (info->has_port) {
        print_address(hmp, info, "", info->port);
    }
    if (info->has_tls_port) {
        print_address(hmp, info, " [tls]", info->tls_port);
    }
    hmp_printf(hmp, "        auth: %s\n    compiled: %s\n  mouse-mode: %s\n", info->auth,
               info->compiled_version, SpiceQueryMouseMode_str(info->mouse_mode));
    for (unsigned i = 0; i < info->channels->len; i++) {
        const SpiceChannel *channel = info->channels->pdata[i];

        hmp_printf(hmp,
                   "Channel:\n     address: %s:%s%s\n     session: %" PRId64
                   "\n     channel: %" PRId64 ":%" PRId64 "\n",
                   channel->host, channel->port, channel->tls ? " [tls]" : "",
                   channel->connection_id, channel->channel_type, channel->channel_id);
    }
    if (!info->channels->len) {
        hmp_printf(hmp, "Channels: none\n");
    }
}

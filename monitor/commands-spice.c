/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SPICE server in QMP and HMP. */
#include <inttypes.h>
#include <string.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "ui/spice.h"
#include "util/error.h"

#define PORT_MAX 65535

static bool check_port(const char *name, bool has, int64_t port, GError **errp)
{
    if (has && (port < 1 || port > PORT_MAX)) {
        error_set(errp, "%s: it must be 1 to %d", name, PORT_MAX);
        return false;
    }
    return true;
}

bool qmp_client_migrate_info(const char *protocol, const char *hostname, bool has_port,
                             int64_t port, bool has_tls_port, int64_t tls_port,
                             const char *cert_subject, GError **errp)
{
    if (strcmp(protocol, "spice") != 0) {
        error_set(errp, "protocol '%s': only clients of spice go along", protocol);
        return false;
    }
    if (!spice_is_active()) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE, "SPICE is not in use");
        return false;
    }
    return check_port("port", has_port, port, errp) &&
           check_port("tls-port", has_tls_port, tls_port, errp) &&
           spice_migrate_to(hostname, has_port ? (int)port : -1, has_tls_port ? (int)tls_port : -1,
                            cert_subject, errp);
}

SpiceInfo *qmp_query_spice(GError **errp)
{
    return spice_info();
}

static void print_address(Hmp *hmp, const SpiceInfo *info, const char *what, int64_t port)
{
    hmp_printf(hmp, "     address: %s:%" PRId64 "%s\n", info->host, port, what);
}

void hmp_client_migrate_info(Hmp *hmp, char **argv)
{
    const char *port = argv[2], *tls_port = port ? argv[3] : NULL;
    GError *err = NULL;

    qmp_client_migrate_info(argv[0], argv[1], port, port ? g_ascii_strtoll(port, NULL, 10) : 0,
                            tls_port, tls_port ? g_ascii_strtoll(tls_port, NULL, 10) : 0,
                            tls_port ? argv[4] : NULL, &err);
    hmp_error(hmp, err);
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

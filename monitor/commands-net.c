/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about networks (qapi/net.json). */
#include <string.h>

#include "hw/net/announce.h"
#include "monitor/monitor-internal.h"
#include "net/netdev.h"
#include "chardev/socket-address.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* A descriptor can be one that the session has a name for. */
bool qmp_netdev_add(const Netdev *args, GError **errp)
{
    socket_set_take_fd(qmp_session_take_named_fd);
    bool ok = netdev_add(args, errp) != NULL;
    socket_set_take_fd(NULL);
    return ok;
}

bool qmp_netdev_del(const char *id, GError **errp)
{
    return netdev_del(id, errp);
}

bool qmp_set_link(const char *name, bool up, GError **errp)
{
    NetClient *nc = net_client_find(name);

    if (!nc) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "there is no netdev or network card '%s'", name);
        return false;
    }
    net_set_link(nc, up);
    return true;
}

GPtrArray *qmp_query_rx_filter(const char *name, GError **errp)
{
    g_autoptr(GPtrArray) list = RxFilterInfo_list_new();
    NetClient *wanted = name ? net_client_find(name) : NULL;

    if (name && (!wanted || !nic_of(wanted))) {
        error_set(errp, wanted ? "'%s' is no network card" : "there is no network card '%s'", name);
        return NULL;
    }
    for (guint i = 0; i < net_clients()->len; i++) {
        NetClient *nc = net_clients()->pdata[i];
        Nic *nic = nic_of(nc);
        RxFilterInfo *info = nic && (!name || nc == wanted) ? nic_query_filter(nic) : NULL;

        if (info) {
            g_ptr_array_add(list, info);
        }
    }
    return g_steal_pointer(&list);
}

bool qmp_announce_self(const AnnounceParameters *args, GError **errp)
{
    return announce_self(args, errp);
}

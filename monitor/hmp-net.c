/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks in HMP. */
#include <string.h>

#include "hw/net/nic.h"
#include "migration/migration.h"
#include "monitor/hmp.h"
#include "net/net-user.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

void hmp_netdev_add(Hmp *hmp, char **argv)
{
    g_autoptr(Netdev) options = NULL;
    GError *err = NULL;

    options = qapi_from_option(&Netdev_type, argv[0], "type", &err);
    if (options) {
        qmp_netdev_add(options, &err);
    }
    hmp_error(hmp, err);
}

void hmp_netdev_del(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_netdev_del(argv[0], &err);
    hmp_error(hmp, err);
}

void hmp_set_link(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    bool up = strcmp(argv[1], "on") == 0;

    if (!up && strcmp(argv[1], "off") != 0) {
        hmp_printf(hmp, "Error: '%s' is neither on nor off\n", argv[1]);
        return;
    }
    qmp_set_link(argv[0], up, &err);
    hmp_error(hmp, err);
}

/* argv: [NETDEV] FORWARD, of which the first may be left out. */
static void change_forward(Hmp *hmp, char **argv,
                           bool (*change)(NetBackend *netdev, const char *text, GError **errp))
{
    const char *id = argv[1] ? argv[0] : NULL, *text = argv[1] ? argv[1] : argv[0];
    GError *err = NULL;
    NetBackend *netdev = net_user_find(id, &err);

    if (netdev) {
        change(netdev, text, &err);
    }
    hmp_error(hmp, err);
}

void hmp_hostfwd_add(Hmp *hmp, char **argv)
{
    change_forward(hmp, argv, net_user_hostfwd_add);
}

void hmp_hostfwd_remove(Hmp *hmp, char **argv)
{
    change_forward(hmp, argv, net_user_hostfwd_remove);
}

/* argv: [CARD,CARD... [ID]]. */
void hmp_announce_self(Hmp *hmp, char **argv)
{
    AnnounceParameters p = migration_announce_parameters();
    g_auto(GStrv) names = argv[0] ? g_strsplit(argv[0], ",", -1) : NULL;
    g_autoptr(GPtrArray) interfaces = g_ptr_array_new();
    GError *err = NULL;

    for (char **name = names; name && *name; name++) {
        g_ptr_array_add(interfaces, *name);
    }
    p.interfaces = interfaces;
    p.id = argv[0] ? argv[1] : NULL;
    qmp_announce_self(&p, &err);
    hmp_error(hmp, err);
}

static void print_client(Hmp *hmp, const char *before, NetClient *nc)
{
    g_autofree char *text = nc->ops->describe(nc);
    unsigned queues = 0;

    for (const NetClient *at = nc; at; at = at->next) {
        queues++;
    }
    hmp_printf(hmp, "%s%s: index=0,type=%s%s", before, nc->name, nic_of(nc) ? "nic," : "", text);
    if (queues > 1) {
        hmp_printf(hmp, ",queues=%u", queues);
    }
    hmp_printf(hmp, "%s\n", nc->link_down ? ",link=off" : "");
}

/* Is @nc without a card, and the first of its pair, or alone? */
static bool is_first_without_card(const GPtrArray *all, const NetClient *nc)
{
    for (guint i = 0; all->pdata[i] != nc; i++) {
        if (all->pdata[i] == nc->peer) {
            return false;
        }
    }
    return !nic_of(nc) && !(nc->peer && nic_of(nc->peer));
}

static void print_pair(Hmp *hmp, NetClient *nc)
{
    print_client(hmp, "", nc);
    if (nc->peer) {
        print_client(hmp, " \\ ", nc->peer);
    }
}

/* Each card, and under it its netdev; then the netdevs without a card, those that are plugged into
 * a hub with their port. */
void hmp_info_network(Hmp *hmp, char **argv)
{
    const GPtrArray *all = net_clients();

    for (guint i = 0; i < all->len; i++) {
        NetClient *nc = all->pdata[i];

        if (nic_of(nc)) {
            print_pair(hmp, nc);
        }
    }
    for (guint i = 0; i < all->len; i++) {
        NetClient *nc = all->pdata[i];

        if (is_first_without_card(all, nc)) {
            print_pair(hmp, nc);
        }
    }
}

void hmp_info_usernet(Hmp *hmp, char **argv)
{
    for (guint i = 0; i < net_clients()->len; i++) {
        const NetClient *nc = net_clients()->pdata[i];
        NetBackend *netdev = netdev_find(nc->name);
        g_autofree char *text = netdev ? net_user_connections(netdev) : NULL;

        if (text) {
            hmp_printf(hmp, "%s:\n%s", nc->name, text);
        }
    }
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev, -nic, -net. */
#include <string.h>

#include "hw/core/device.h"
#include "hw/core/help.h"
#include "net/netdev.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/keyval.h"

bool option_apply_netdev(Startup *startup, const void *parsed, GError **errp)
{
    return netdev_add(parsed, errp) != NULL;
}

/* ---- -nic ---- */

/* Move the text @key of @from, if it is there, to @to, as @name. */
static void move_text(struct json_object *from, const char *key, struct json_object *to,
                      const char *name)
{
    struct json_object *value;

    if (json_object_object_get_ex(from, key, &value)) {
        json_object_object_add(to, name, json_object_get(value));
        json_object_object_del(from, key);
    }
}

static void add_default(struct json_object *to, const char *key, const char *text)
{
    if (!json_object_object_get_ex(to, key, NULL)) {
        json_object_object_add(to, key, json_object_new_string(text));
    }
}

/* A name that nothing has: @stem with a number. */
static char *free_id(const char *stem)
{
    for (unsigned n = 0;; n++) {
        g_autofree char *id = g_strdup_printf("%s%u", stem, n);

        if (!net_client_find(id)) {
            return g_steal_pointer(&id);
        }
    }
}

static bool add_nic(struct json_object *netdev, struct json_object *card, GError **errp)
{
    g_autoptr(Netdev) backend = Netdev_from_json(netdev, NULL, errp);

    if (!backend || !netdev_add(backend, errp)) {
        return false;
    }
    json_object_object_add(card, "netdev", json_object_new_string(backend->id));
    if (!device_add(card, errp)) {
        netdev_del(backend->id, NULL);
        return false;
    }
    return true;
}

/* Is @name that of a type of cards that users can have? */
static bool check_model(const char *name, GError **errp)
{
    g_autofree char *names = help_devices_of("network");
    const ObjectType *type = device_type_called(name);

    g_auto(GStrv) all = g_strsplit(g_strchomp(names), "\n", 0);
    if (!type || !g_strv_contains((const char *const *)all, type->name)) {
        g_autofree char *list = g_strjoinv(", ", all);

        error_set(errp, "model=%s is no network card that there is; these are: virtio, %s", name,
                  list);
        return false;
    }
    return true;
}

/* The names that users know a card by; without one it is the machine's. */
static bool name_card(const Startup *startup, struct json_object *card, GError **errp)
{
    const char *model = json_object_get_string(json_object_object_get(card, "driver"));
    const MachineOps *ops = machine_ops(startup->machine);
    const char *type = !model                         ? ops->default_nic
                       : strcmp(model, "virtio") == 0 ? "virtio-net-pci"
                                                      : model;

    if (!type) {
        error_set(errp, "the machine '%s' has no network cards", ops->name);
        return false;
    }
    if (!check_model(type, errp)) {
        return false;
    }
    if (type != model) {
        json_object_object_add(card, "driver", json_object_new_string(type));
    }
    return true;
}

/* A card and its netdev at once: the keys of -netdev, and model= and mac= of the card. */
bool option_do_nic(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *netdev = keyval_or_json_parse(arg, "type", errp), *card;
    const char *type = json_object_get_string(json_object_object_get(netdev, "type"));
    g_autofree char *id = free_id("nic");
    bool ok = false;

    if (netdev && g_strcmp0(type, "none") == 0) {
        ok = json_object_object_length(netdev) == 1;
        if (!ok) {
            error_set(errp, "none is for no card at all: nothing can be said of it");
        }
    } else if (netdev) {
        card = json_object_new_object();
        move_text(netdev, "model", card, "driver");
        move_text(netdev, "mac", card, "mac");
        add_default(netdev, "type", "user");
        add_default(netdev, "id", id);
        ok = name_card(startup, card, errp) && add_nic(netdev, card, errp);
        json_object_put(card);
    }
    json_object_put(netdev);
    return ok;
}

/* ---- -net: everything is plugged into hub 0 ---- */

/* A new port of it, with @netdev, which may be NULL, in it: its id; NULL with an error. */
static char *add_port(const char *netdev, GError **errp)
{
    g_autofree char *id = free_id("hub0port");
    NetdevHubPortOptions port = { .hubid = 0, .netdev = (char *)(uintptr_t)netdev };
    const Netdev netdev_port = { .id = id, .type = NET_CLIENT_DRIVER_HUBPORT, .u.hubport = &port };

    return netdev_add(&netdev_port, errp) ? g_steal_pointer(&id) : NULL;
}

/* A card; netdev= is one that it is joined to instead of the hub. */
static bool add_hub_card(Startup *startup, struct json_object *card, GError **errp)
{
    g_autofree char *port = NULL;

    json_object_object_del(card, "type");
    move_text(card, "model", card, "driver");
    move_text(card, "macaddr", card, "mac");
    move_text(card, "name", card, "id");
    if (!name_card(startup, card, errp)) {
        return false;
    }
    if (!json_object_object_get_ex(card, "netdev", NULL)) {
        port = add_port(NULL, errp);
        if (!port) {
            return false;
        }
        json_object_object_add(card, "netdev", json_object_new_string(port));
    }
    return device_add(card, errp);
}

static bool add_hub_netdev(struct json_object *netdev, GError **errp)
{
    g_autofree char *id = free_id("hub0net"), *port = NULL;
    g_autoptr(Netdev) backend = NULL;

    move_text(netdev, "name", netdev, "id");
    add_default(netdev, "id", id);
    backend = Netdev_from_json(netdev, NULL, errp);
    if (!backend || !netdev_add(backend, errp)) {
        return false;
    }
    port = add_port(backend->id, errp);
    return port != NULL;
}

bool option_do_net(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *words = keyval_or_json_parse(arg, "type", errp);
    const char *type = json_object_get_string(json_object_object_get(words, "type"));
    bool ok = false;

    if (words && g_strcmp0(type, "none") == 0) {
        ok = true;
    } else if (words && g_strcmp0(type, "hubport") == 0) {
        error_set(errp, "hubport is for -netdev: what -net makes is plugged into hub 0");
    } else if (words) {
        ok = g_strcmp0(type, "nic") == 0 ? add_hub_card(startup, words, errp)
                                         : add_hub_netdev(words, errp);
    }
    json_object_put(words);
    return ok;
}

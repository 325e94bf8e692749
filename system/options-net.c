/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev, -nic, -net. */
#include <string.h>

#include "hw/core/device.h"
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

/* A name that nothing has: "nic0", "nic1", ... */
static char *free_id(void)
{
    for (unsigned n = 0;; n++) {
        g_autofree char *id = g_strdup_printf("nic%u", n);

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

/* A card and its netdev at once: the keys of -netdev, and model= and mac= of the card. */
bool option_do_nic(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *netdev = keyval_or_json_parse(arg, "type", errp), *card;
    const char *type = json_object_get_string(json_object_object_get(netdev, "type"));
    g_autofree char *id = free_id();
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
        add_default(card, "driver", "virtio-net-pci");
        add_default(netdev, "type", "user");
        add_default(netdev, "id", id);
        ok = add_nic(netdev, card, errp);
        json_object_put(card);
    }
    json_object_put(netdev);
    return ok;
}

bool option_do_net(Startup *startup, const char *arg, GError **errp)
{
    if (strcmp(arg, "none") == 0) {
        return true;
    }
    error_set(errp, "only none is possible: use -nic, or -netdev and -device");
    return false;
}

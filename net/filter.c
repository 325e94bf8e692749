/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/filter.h"

#include <string.h>

#include "net/net-tap.h"
#include "net/net-vhost-user.h"
#include "net/netdev.h"
#include "util/error.h"

enum { QUEUE_ALL, QUEUE_RX, QUEUE_TX };
static const char *const queue_names[] = { "all", "rx", "tx", NULL };
static const char *const status_names[] = { "on", "off", NULL };
enum { INSERT_BEFORE, INSERT_BEHIND };
static const char *const insert_names[] = { "before", "behind", NULL };

/* queue=rx is what the netdev gets to receive from the guest. */
bool filter_has_direction(const Filter *filter, bool sent)
{
    return filter->queue != (sent ? QUEUE_RX : QUEUE_TX);
}

static bool filter_packet(void *opaque, unsigned queue, bool sent, const NetOffload *o,
                          const uint8_t *packet, size_t size)
{
    Filter *filter = opaque;
    const FilterClass *ops = filter->parent.type->ops;

    return filter->status == 0 && filter_has_direction(filter, sent) &&
           ops->packet(filter, queue, sent, o, packet, size);
}

/* Where it goes among those of @nc; -1: at the end, -2: nowhere. */
static int place_of(const Filter *filter, const NetClient *nc, GError **errp)
{
    const char *position = filter->position, *id;
    int place = 0;

    if (strcmp(position, "tail") == 0) {
        return -1;
    }
    if (strcmp(position, "head") == 0) {
        return 0;
    }
    id = g_str_has_prefix(position, "id=") ? position + 3 : "";
    for (const GSList *at = nc->filters; at; at = at->next, place++) {
        const Filter *other = ((const NetFilter *)at->data)->opaque;

        if (strcmp(other->parent.name, id) == 0) {
            return place + (filter->insert == INSERT_BEHIND);
        }
    }
    error_set(errp,
              "position=%s is none: it is head, tail, or id= and the id of a filter of this netdev",
              position);
    return -2;
}

bool filter_complete(Object *obj, GError **errp)
{
    Filter *filter = FILTER(obj);
    const FilterClass *ops = obj->type->ops;
    NetBackend *netdev = filter->netdev ? netdev_find(filter->netdev) : NULL;
    int place;

    if (!netdev) {
        error_set(errp,
                  filter->netdev ? "there is no netdev '%s'; netdev= must name one"
                                 : "netdev=ID is missing: the netdev whose packets are filtered",
                  filter->netdev);
        return false;
    }
    if (net_vhost_user_chardev(&netdev->client) || net_tap_vhost_fd(&netdev->client) >= 0) {
        error_set(errp,
                  "netdev '%s' %s, whose packets do not come by here; filters are for other "
                  "netdevs",
                  filter->netdev,
                  net_vhost_user_chardev(&netdev->client) ? "is vhost-user" : "has vhost=on");
        return false;
    }
    place = place_of(filter, &netdev->client, errp);
    if (place == -2 || !ops->open(filter, errp)) {
        return false;
    }
    filter->net.packet = filter_packet;
    filter->net.opaque = filter;
    net_filter_add(&netdev->client, &filter->net, place);
    return true;
}

static void filter_finalize(Object *obj)
{
    net_filter_remove(&FILTER(obj)->net);
}

static const Property filter_properties[] = {
    { .name = "netdev",
      .kind = PROP_STRING,
      .offset = offsetof(Filter, netdev),
      .description = "the netdev" },
    { .name = "queue",
      .kind = PROP_ENUM,
      .offset = offsetof(Filter, queue),
      .enum_names = queue_names,
      .description = "which packets: rx, those to the netdev; tx, those from it; all",
      .has_default = true,
      .default_int = QUEUE_ALL },
    { .name = "status",
      .kind = PROP_ENUM,
      .offset = offsetof(Filter, status),
      .enum_names = status_names,
      .description = "off: packets go by for now",
      .has_default = true,
      .live = true,
      .default_int = 0 },
    { .name = "position",
      .kind = PROP_STRING,
      .offset = offsetof(Filter, position),
      .description = "among the netdev's filters: head, tail, or id=FILTER",
      .has_default = true,
      .default_str = "tail" },
    { .name = "insert",
      .kind = PROP_ENUM,
      .offset = offsetof(Filter, insert),
      .enum_names = insert_names,
      .description = "before or behind that one",
      .has_default = true,
      .default_int = INSERT_BEHIND },
    { 0 },
};

static const ObjectType filter_type = {
    .name = TYPE_FILTER,
    .parent = "object",
    .description = "decides what becomes of packets",
    .instance_size = sizeof(Filter),
    .abstract = true,
    .properties = filter_properties,
    .finalize = filter_finalize,
};
OBJECT_TYPE_REGISTER(filter_type)

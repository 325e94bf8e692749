/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters of netdevs: objects of a type with parent "net-filter" that decide what becomes of
 * packets (NetFilter). What all have: the netdev, the direction, whether it works now, and its
 * place among others. Machine lock.
 */
#ifndef NET_FILTER_H
#define NET_FILTER_H

#include "net/net.h"
#include "qom/object.h"

#define TYPE_FILTER "net-filter"

typedef struct Filter {
    Object parent;
    /* properties */
    char *netdev;
    char *position; /* "head", "tail", or "id=FILTER" */
    int queue;      /* of all, rx, tx */
    int status;     /* 0: it works */
    int insert;     /* before or behind FILTER */
    /* wiring */
    NetFilter net;
} Filter;
OBJECT_CAST_DEFINE(Filter, FILTER, TYPE_FILTER)

/* What a type gives as `ops`. */
typedef struct FilterClass {
    /* Its own properties are right, and what they name is there. */
    bool (*open)(Filter *filter, GError **errp);
    /* As NetFilter.packet, for packets of its direction while it works. */
    bool (*packet)(Filter *filter, unsigned queue, bool sent, const NetOffload *o,
                   const uint8_t *packet, size_t size);
} FilterClass;

/* Is that direction its? */
bool filter_has_direction(const Filter *filter, bool sent);
/* For the types' `complete`. */
bool filter_complete(Object *obj, GError **errp);

#endif

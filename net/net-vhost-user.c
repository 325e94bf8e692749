/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/net-vhost-user.h"

#include <inttypes.h>

#include "chardev/chardev.h"
#include "net/netdev.h"
#include "util/error.h"

#define TYPE_NETDEV_VHOST_USER "netdev-vhost-user"
#define QUEUES_MAX             256

typedef struct NetVhostUser {
    NetBackend parent;
    CharFrontend fe;
} NetVhostUser;
OBJECT_CAST_DEFINE(NetVhostUser, NET_VHOST_USER, TYPE_NETDEV_VHOST_USER)

/* What comes this way, such as announcements, has no way on. */
static bool receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    return true;
}

static char *describe(NetClient *nc)
{
    const NetVhostUser *s = NET_VHOST_USER(nc->opaque);
    g_autofree char *where = s->fe.chr ? chardev_filename(s->fe.chr) : g_strdup("");

    return g_strdup_printf("vhost-user,vhost-user to %s", where);
}

static bool vhost_user_open(NetBackend *netdev, const Netdev *options, GError **errp)
{
    const NetdevVhostUserOptions *o = options->u.vhost_user;
    NetVhostUser *s = NET_VHOST_USER(netdev);
    Chardev *chr = chardev_find(o->chardev);

    if (!chr) {
        error_set(errp, "chardev '%s' not found; make it with -chardev socket,id=%s,path=PATH",
                  o->chardev, o->chardev);
        return false;
    }
    if (!char_can_be_raw(chr)) {
        error_set(errp,
                  "chardev '%s' is no plain socket: make it with -chardev socket,id=%s,path=PATH",
                  o->chardev, o->chardev);
        return false;
    }
    if (o->has_queues && (!o->queues || o->queues > QUEUES_MAX)) {
        error_set(errp, "queues=%" PRId64 ": there are 1 to %d pairs", o->queues, QUEUES_MAX);
        return false;
    }
    netdev->queues = o->has_queues ? (unsigned)o->queues : 1;
    s->fe = (CharFrontend){ .raw = true };
    return char_attach(chr, &s->fe, errp) && char_wait_connected(&s->fe, errp);
}

static void vhost_user_finalize(Object *obj)
{
    char_detach(&NET_VHOST_USER(obj)->fe);
}

static const NetdevClass vhost_user_ops = {
    .client = { .receive = receive, .describe = describe },
    .open = vhost_user_open,
};

CharFrontend *net_vhost_user_chardev(const NetClient *nc)
{
    return nc->ops == &vhost_user_ops.client ? &NET_VHOST_USER(nc->opaque)->fe : NULL;
}

static const ObjectType vhost_user_type = {
    .name = TYPE_NETDEV_VHOST_USER,
    .parent = TYPE_NETDEV,
    .description = "another program, which works on the card's rings",
    .instance_size = sizeof(NetVhostUser),
    .ops = &vhost_user_ops,
    .finalize = vhost_user_finalize,
};
OBJECT_TYPE_REGISTER(vhost_user_type)

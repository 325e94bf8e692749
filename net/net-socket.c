/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/net-socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include "chardev/socket-address.h"
#include "util/error.h"

static Netdev *new_netdev(const char *id, NetClientDriver type)
{
    Netdev *netdev = g_new0(Netdev, 1);

    netdev->id = g_strdup(id);
    netdev->type = type;
    return netdev;
}

/* @addr is the netdev's from now on. */
static Netdev *stream(const char *id, SocketAddress *addr, bool server)
{
    Netdev *netdev;

    if (!addr) {
        return NULL;
    }
    netdev = new_netdev(id, NET_CLIENT_DRIVER_STREAM);
    netdev->u.stream = g_new0(NetdevStreamOptions, 1);
    netdev->u.stream->addr = addr;
    netdev->u.stream->has_server = true;
    netdev->u.stream->server = server;
    return netdev;
}

static Netdev *dgram(const char *id, SocketAddress *local, SocketAddress *remote)
{
    Netdev *netdev = new_netdev(id, NET_CLIENT_DRIVER_DGRAM);

    netdev->u.dgram = g_new0(NetdevDgramOptions, 1);
    netdev->u.dgram->local = local;
    netdev->u.dgram->remote = remote;
    return netdev;
}

static Netdev *of_fd(const char *id, const char *text, GError **errp)
{
    int fd = socket_fd_of(text, errp), type = 0;
    socklen_t len = sizeof(type);
    SocketAddress *addr;

    if (fd < 0) {
        return NULL;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
        (type != SOCK_STREAM && type != SOCK_DGRAM)) {
        error_set(errp, "fd=%s is no socket of streams or datagrams", text);
        close(fd);
        return NULL;
    }
    addr = g_new0(SocketAddress, 1);
    addr->type = SOCKET_ADDRESS_TYPE_FD;
    addr->u.fd = g_new0(String, 1);
    addr->u.fd->str = g_strdup_printf("%d", fd);
    return type == SOCK_STREAM ? stream(id, addr, false) : dgram(id, addr, NULL);
}

/* @local: the address, or NULL. */
static Netdev *of_group(const char *id, const char *group, const char *local, GError **errp)
{
    g_autoptr(SocketAddress) remote = socket_address_inet("mcast", group, errp);
    SocketAddress *addr = NULL;

    if (!remote) {
        return NULL;
    }
    if (local) {
        addr = g_new0(SocketAddress, 1);
        addr->type = SOCKET_ADDRESS_TYPE_INET;
        addr->u.inet = g_new0(InetSocketAddress, 1);
        addr->u.inet->host = g_strdup(local);
        addr->u.inet->port = g_strdup("0");
    }
    return dgram(id, addr, g_steal_pointer(&remote));
}

static Netdev *of_udp(const char *id, const char *to, const char *at, GError **errp)
{
    g_autoptr(SocketAddress) remote = socket_address_inet("udp", to, errp);
    SocketAddress *local;

    if (!remote) {
        return NULL;
    }
    if (!at) {
        error_set(errp, "udp= needs localaddr=ADDRESS:PORT, which datagrams come to");
        return NULL;
    }
    local = socket_address_inet("localaddr", at, errp);
    return local ? dgram(id, local, g_steal_pointer(&remote)) : NULL;
}

Netdev *net_socket_options(const Netdev *options, GError **errp)
{
    const NetdevSocketOptions *o = options->u.socket;
    int ways = !!o->fd + !!o->listen + !!o->connect + !!o->mcast + !!o->udp;

    if (ways != 1) {
        error_set(errp, "%s of fd=, listen=, connect=, mcast= and udp= must be given",
                  ways ? "only one" : "one");
        return NULL;
    }
    if (o->localaddr && !o->mcast && !o->udp) {
        error_set(errp, "localaddr= goes with mcast= and udp= only");
        return NULL;
    }
    return o->fd       ? of_fd(options->id, o->fd, errp)
           : o->listen ? stream(options->id, socket_address_inet("listen", o->listen, errp), true)
           : o->connect
               ? stream(options->id, socket_address_inet("connect", o->connect, errp), false)
           : o->mcast ? of_group(options->id, o->mcast, o->localaddr, errp)
                      : of_udp(options->id, o->udp, o->localaddr, errp);
}

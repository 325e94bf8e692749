/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/socket-address.h"

#include <fcntl.h>
#include <string.h>

#include "util/error.h"
#include "util/parse.h"

static SocketTakeFd *take_fd;

void socket_set_take_fd(SocketTakeFd *take)
{
    take_fd = take;
}

int socket_fd_of(const char *text, GError **errp)
{
    uint64_t fd;

    if (take_fd && !g_ascii_isdigit(text[0])) {
        return take_fd(text, errp);
    }
    if (!parse_uint(text, INT_MAX, &fd) || fcntl((int)fd, F_GETFD) < 0) {
        error_set(errp, "fd=%s: must be the number of an open descriptor", text);
        return -1;
    }
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    return (int)fd;
}

static void set_inet(SocketPlace *place, const InetSocketAddress *inet)
{
    place->host = g_strdup(inet->host);
    place->port = g_strdup(inet->port);
    place->numeric = inet->numeric;
    place->to = inet->to;
    place->keep_alive = inet->keep_alive;
    place->mptcp = inet->mptcp;
    place->ipv4 = !inet->has_ipv4 ? AUTO : inet->ipv4 ? ON : OFF;
    place->ipv6 = !inet->has_ipv6 ? AUTO : inet->ipv6 ? ON : OFF;
}

bool socket_place_set(SocketPlace *place, const SocketAddress *addr, GError **errp)
{
    int fd;

    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        set_inet(place, addr->u.inet);
        break;
    case SOCKET_ADDRESS_TYPE_UNIX:
        place->path = g_strdup(addr->u.q_unix->path);
        place->abstract = addr->u.q_unix->abstract;
        place->tight = !addr->u.q_unix->has_tight || addr->u.q_unix->tight;
        break;
    case SOCKET_ADDRESS_TYPE_VSOCK:
        place->cid = g_strdup(addr->u.vsock->cid);
        place->port = g_strdup(addr->u.vsock->port);
        break;
    default:
        fd = socket_fd_of(addr->u.fd->str, errp);
        place->fd = fd < 0 ? NULL : g_strdup_printf("%d", fd);
        return fd >= 0;
    }
    return true;
}

void socket_place_clear(SocketPlace *place)
{
    g_free(place->path);
    g_free(place->host);
    g_free(place->port);
    g_free(place->cid);
    g_free(place->fd);
}

SocketAddress *socket_address_inet(const char *key, const char *text, GError **errp)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    SocketAddress *addr;
    uint64_t port;

    if (!colon || !parse_uint(colon + 1, UINT16_MAX, &port)) {
        error_set(errp, "%s=%s is not right: expects HOST:PORT, as in 127.0.0.1:1234", key, text);
        return NULL;
    }
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    addr = g_new0(SocketAddress, 1);
    addr->type = SOCKET_ADDRESS_TYPE_INET;
    addr->u.inet = g_new0(InetSocketAddress, 1);
    addr->u.inet->host = len ? g_strndup(text, len) : g_strdup("0.0.0.0");
    addr->u.inet->port = g_strdup(colon + 1);
    return addr;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where VNC servers listen, and what the ends of their connections are called. */
#include "ui/vnc-listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "chardev/socket-address.h"
#include "ui/vnc-internal.h"
#include "util/error.h"
#include "util/parse.h"

#define PORT           5900
#define PORT_WEBSOCKET 5700
#define BACKLOG        4

/* ---- names of ends ---- */

static void name_end(const struct sockaddr_storage *addr, socklen_t len, VncBasicInfo *info)
{
    char host[NI_MAXHOST] = "", service[NI_MAXSERV] = "";

    if (addr->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const void *)addr;

        info->family = NETWORK_ADDRESS_FAMILY_UNIX;
        info->host = g_strdup("");
        info->service = len > offsetof(struct sockaddr_un, sun_path)
                            ? g_strndup(un->sun_path, sizeof(un->sun_path))
                            : g_strdup("");
        return;
    }
    info->family = addr->ss_family == AF_INET    ? NETWORK_ADDRESS_FAMILY_IPV4
                   : addr->ss_family == AF_INET6 ? NETWORK_ADDRESS_FAMILY_IPV6
                                                 : NETWORK_ADDRESS_FAMILY_UNKNOWN;
    (void)getnameinfo((const struct sockaddr *)addr, len, host, sizeof(host), service,
                      sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV);
    info->host = g_strdup(host);
    info->service = g_strdup(service);
}

typedef int NameOfSocket(int fd, struct sockaddr *addr, socklen_t *len);

static void name_socket(int fd, NameOfSocket *name, VncBasicInfo *info)
{
    struct sockaddr_storage addr = { 0 };
    socklen_t len = sizeof(addr);

    if (name(fd, (struct sockaddr *)&addr, &len) < 0) {
        addr.ss_family = AF_UNSPEC;
    }
    name_end(&addr, len, info);
}

VncServerInfo *vnc_server_info(const VncServer *server, int fd, bool websocket)
{
    VncServerInfo *info = g_new0(VncServerInfo, 1);
    VncBasicInfo end = { 0 };

    name_socket(fd, getsockname, &end);
    info->host = end.host;
    info->service = end.service;
    info->family = end.family;
    info->websocket = websocket;
    info->auth = g_strdup(vnc_server_auth_text(server, websocket));
    return info;
}

VncClientInfo *vnc_client_info(int fd, bool websocket)
{
    VncClientInfo *info = g_new0(VncClientInfo, 1);
    VncBasicInfo end = { 0 };

    name_socket(fd, getpeername, &end);
    info->host = end.host;
    info->service = end.service;
    info->family = end.family;
    info->websocket = websocket;
    return info;
}

/* ---- listening ---- */

static void close_from(GArray *fds, unsigned first)
{
    while (fds->len > first) {
        close(g_array_index(fds, VncListen, fds->len - 1).fd);
        g_free(g_array_index(fds, VncListen, fds->len - 1).path);
        g_array_set_size(fds, fds->len - 1);
    }
}

void vnc_listen_free(GArray *fds)
{
    close_from(fds, 0);
    g_array_unref(fds);
}

static int bind_one(const struct addrinfo *ai, unsigned port)
{
    struct sockaddr_storage addr;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, err;

    if (fd < 0) {
        return -1;
    }
    memcpy(&addr, ai->ai_addr, ai->ai_addrlen);
    if (ai->ai_family == AF_INET6) {
        ((struct sockaddr_in6 *)&addr)->sin6_port = htons((uint16_t)port);
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    } else {
        ((struct sockaddr_in *)&addr)->sin_port = htons((uint16_t)port);
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        return fd;
    }
    err = errno;
    close(fd);
    errno = err;
    return -1;
}

/* All addresses of @list at @port. An address that this host has not is left out, unless it is the
 * only one; one whose port is in use is an error. */
static bool bind_all(const struct addrinfo *list, unsigned port, bool websocket, GArray *fds)
{
    unsigned first = fds->len;
    int err = EADDRNOTAVAIL;

    for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        VncListen one = { bind_one(ai, port), websocket, NULL };

        if (one.fd >= 0) {
            g_array_append_val(fds, one);
            continue;
        }
        err = errno;
        if (err == EADDRINUSE || err == EACCES) {
            close_from(fds, first);
            break;
        }
    }
    errno = err;
    return fds->len > first;
}

/* The first port from @first to @last that is free; 0 with an error. */
static unsigned listen_tcp(const VncOptions *o, const char *host, unsigned first, unsigned last,
                           bool websocket, GArray *fds, GError **errp)
{
    int ipv4 = !o->has_ipv4 ? AUTO : o->ipv4 ? ON : OFF;
    int ipv6 = !o->has_ipv6 ? AUTO : o->ipv6 ? ON : OFF;
    struct addrinfo *list =
        socket_place_lookup(host, "0", SOCK_STREAM, ipv4, ipv6, AI_PASSIVE, errp);
    unsigned port = first;

    if (!list) {
        return 0;
    }
    while (port <= last && !bind_all(list, port, websocket, fds)) {
        if (errno != EADDRINUSE || port == last) {
            error_set_errno(errp, errno, "cannot listen on %s:%u%s", host, port,
                            errno == EADDRINUSE ? " (to=N tries others, up to N)" : "");
            port = last;
        }
        port++;
    }
    freeaddrinfo(list);
    return port <= last ? port : 0;
}

static bool listen_unix(const char *path, GArray *fds, GError **errp)
{
    SocketPlace place = { .path = (char *)path, .server = true };
    VncListen one = { socket_place_open(&place, NULL, errp), false, g_strdup(path) };

    if (one.fd < 0) {
        g_free(one.path);
        return false;
    }
    g_array_append_val(fds, one);
    return true;
}

/* "HOST:NUMBER", "[HOST]:NUMBER"; *@host is g_free. */
static bool split(const char *text, char **host, uint64_t *number, uint64_t most, GError **errp)
{
    const char *colon = strrchr(text, ':');

    if (!colon || !parse_uint(colon + 1, most, number)) {
        error_set(
            errp,
            "vnc=%s: give [HOST]:N, with N from 0 to %u, for TCP port %d + N; unix:PATH; or none",
            text, (unsigned)most, PORT);
        return false;
    }
    *host = text[0] == '[' && colon > text + 1 && colon[-1] == ']'
                ? g_strndup(text + 1, (size_t)(colon - text) - 2)
                : g_strndup(text, (size_t)(colon - text));
    return true;
}

/* websocket=on or [HOST:]PORT, where the other socket is at @host and @display. */
static bool listen_websocket(const VncOptions *o, const char *host, unsigned display, GArray *fds,
                             GError **errp)
{
    const char *text = o->websocket, *colon = strrchr(text, ':');
    g_autofree char *other = colon ? g_strndup(text, (size_t)(colon - text)) : NULL;
    uint64_t port = PORT_WEBSOCKET + display;

    if (strcmp(text, "off") == 0) {
        return true;
    }
    if (strcmp(text, "on") != 0 && (!parse_uint(colon ? colon + 1 : text, 65535, &port) || !port)) {
        error_set(errp, "websocket=%s: give on, off or [HOST:]PORT", text);
        return false;
    }
    return listen_tcp(o, other ? other : host, (unsigned)port, (unsigned)port, true, fds, errp) !=
           0;
}

static bool listen_display(const VncOptions *o, GArray *fds, GError **errp)
{
    g_autofree char *host = NULL;
    uint64_t display;
    unsigned port, first, last;

    if (!split(o->vnc, &host, &display, 65535 - PORT, errp)) {
        return false;
    }
    if (o->has_to && (o->to < display || o->to > 65535 - PORT)) {
        error_set(errp, "to=%u: give a number from %u, that of '%s', to %d", (unsigned)o->to,
                  (unsigned)display, o->vnc, 65535 - PORT);
        return false;
    }
    first = PORT + (unsigned)display;
    last = o->has_to ? PORT + (unsigned)o->to : first;
    port = listen_tcp(o, host, first, last, false, fds, errp);
    return port && (!o->websocket || listen_websocket(o, host, port - PORT, fds, errp));
}

GArray *vnc_listen(const VncOptions *o, GError **errp)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(VncListen));
    bool is_unix = g_str_has_prefix(o->vnc, "unix:");
    bool ok = true;

    if (o->has_ipv4 && o->has_ipv6 && !o->ipv4 && !o->ipv6) {
        error_set(errp, "ipv4=off and ipv6=off leave no way to listen; leave one out");
        ok = false;
    } else if (is_unix && (o->websocket || o->has_to)) {
        error_set(errp, "unix:PATH has no ports; leave out websocket and to");
        ok = false;
    } else if (is_unix) {
        ok = listen_unix(o->vnc + strlen("unix:"), fds, errp);
    } else if (strcmp(o->vnc, "none") != 0) {
        ok = listen_display(o, fds, errp);
    }
    if (!ok) {
        vnc_listen_free(fds);
        return NULL;
    }
    return fds;
}

GArray *vnc_listen_at(const GPtrArray *addresses, GError **errp)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(VncListen));
    bool ok = true;

    for (unsigned i = 0; ok && i < addresses->len; i++) {
        SocketPlace place = { 0 };
        VncListen one = { -1, false, NULL };

        ok = socket_place_set(&place, addresses->pdata[i], errp);
        place.server = true;
        ok = ok && socket_place_check(&place, errp) &&
             (one.fd = socket_place_open(&place, NULL, errp)) >= 0;
        if (ok) {
            one.path = place.path && !place.abstract ? g_strdup(place.path) : NULL;
            g_array_append_val(fds, one);
        }
        socket_place_clear(&place);
    }
    if (!ok) {
        vnc_listen_free(fds);
        return NULL;
    }
    return fds;
}

int vnc_connect(const VncOptions *o, GError **errp)
{
    SocketPlace place = { 0 };
    g_autofree char *host = NULL, *port = NULL;
    uint64_t number;

    if (g_str_has_prefix(o->vnc, "unix:")) {
        place.path = o->vnc + strlen("unix:");
    } else if (!split(o->vnc, &host, &number, 65535, errp)) {
        return -1;
    } else {
        place.host = host;
        place.port = port = g_strdup_printf("%u", (unsigned)number);
    }
    return socket_place_open(&place, NULL, errp);
}

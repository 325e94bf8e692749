/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/socket-place.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* after sys/socket.h, which it needs */
#include <linux/vm_sockets.h>

#include "util/error.h"
#include "util/interrupt.h"
#include "util/parse.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define ACCEPT_MS 30000 /* a server that accepts nobody is given up; TCP has limits of its own */
#define AGAIN_MS  50    /* before a queue that was full is looked at again */

const char *const on_off_auto_names[] = { "auto", "on", "off", NULL };

/* Until @fd (or nothing, where its queue is full) is connected. 0, or an errno value. */
static int wait_for_connection(const SocketPlace *place, int fd, bool full, gint64 end_us)
{
    struct pollfd p[] = { { .fd = full ? -1 : fd, .events = POLLOUT },
                          { .fd = interrupt_fd(), .events = POLLIN },
                          { .fd = place->cancel_fd ? place->cancel_fd : -1, .events = POLLIN } };
    const gint64 left = end_us ? (end_us - g_get_monotonic_time()) / 1000 : INT_MAX;
    const int ms = left <= 0 ? 0 : full ? AGAIN_MS : end_us ? (int)left + 1 : -1;
    int n = poll(p, G_N_ELEMENTS(p), ms), err = 0;
    socklen_t len = sizeof(err);

    if (n > 0 && (p[1].revents || p[2].revents)) {
        return ECANCELED;
    }
    if (left <= 0) {
        return ETIMEDOUT;
    }
    if (n <= 0 || full) {
        return EAGAIN;
    }
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? errno : err;
}

/* connect(), which can be broken off. */
static int connect_to(const SocketPlace *place, int fd, const void *addr, socklen_t len)
{
    const gint64 end_us = place->host || (place->port && !place->cid)
                              ? 0
                              : g_get_monotonic_time() + ACCEPT_MS * G_GINT64_CONSTANT(1000);
    const int flags = fcntl(fd, F_GETFL);
    int err;

    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    err = connect(fd, addr, len) < 0 ? errno : 0;
    while (err == EAGAIN || err == EINPROGRESS || err == EINTR) {
        const bool full = err == EAGAIN;

        err = wait_for_connection(place, fd, full, end_us);
        if (err == EAGAIN) {
            err = full && connect(fd, addr, len) == 0 ? 0 : full ? errno : EINPROGRESS;
        }
    }
    fcntl(fd, F_SETFL, flags);
    errno = err;
    return err ? -1 : 0;
}

/* Bound or connected as @place says, or -1 and errno, and @fd is closed. */
static int settle(const SocketPlace *place, int fd, const void *addr, socklen_t len)
{
    int rc = place->server ? bind(fd, addr, len) : connect_to(place, fd, addr, len);

    if (rc == 0 && place->server) {
        rc = listen(fd, 1);
    }
    if (rc < 0) {
        int err = errno;

        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

/* ---- unix ---- */

/* Abstract names (unix(7)) begin with a zero byte, and are as long as said; tight=off pads them. */
static bool unix_address(const SocketPlace *place, struct sockaddr_un *addr, socklen_t *len,
                         GError **errp)
{
    size_t size = strlen(place->path);

    *addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
    *len = sizeof(*addr);
    if (size >= sizeof(addr->sun_path)) {
        error_set(errp, "path '%s' is too long for a socket: it may have %zu bytes", place->path,
                  sizeof(addr->sun_path) - 1);
        return false;
    }
    strcpy(addr->sun_path + place->abstract, place->path);
    if (place->abstract && place->tight) {
        *len = offsetof(struct sockaddr_un, sun_path) + 1 + size;
    }
    return true;
}

static int unix_open(const SocketPlace *place, GError **errp)
{
    struct sockaddr_un addr;
    socklen_t len;
    struct stat st;
    int fd;

    if (!unix_address(place, &addr, &len, errp)) {
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error_set_errno(errp, errno, "cannot make a socket");
        return -1;
    }
    /* A socket that an earlier run has left is in the way of bind(). */
    if (place->server && !place->abstract && lstat(place->path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        unlink(place->path);
    }
    fd = settle(place, fd, &addr, len);
    if (fd < 0) {
        error_set_errno(errp, errno,
                        place->server ? "cannot listen on '%s'"
                        : place->client_only
                            ? "cannot connect to '%s'"
                            : "cannot connect to '%s' (to listen there instead, say server=on)",
                        place->path);
    }
    return fd;
}

/* ---- TCP ---- */

/* With one family asked for, or the other refused, only that one. */
static int inet_family(int ipv4, int ipv6)
{
    bool four = ipv4 == ON || (ipv4 == AUTO && ipv6 != ON);
    bool six = ipv6 == ON || (ipv6 == AUTO && ipv4 != ON);

    return four == six ? AF_UNSPEC : four ? AF_INET : AF_INET6;
}

static bool parse_port(const char *text, uint64_t *port, GError **errp)
{
    if (!text || !parse_uint(text, 65535, port)) {
        error_set(errp, "port=%s: must be a number from 0 to 65535", text ? text : "");
        return false;
    }
    return true;
}

struct addrinfo *socket_place_lookup(const char *host, const char *port, int type, int ipv4,
                                     int ipv6, int flags, GError **errp)
{
    struct addrinfo hints = { .ai_family = inet_family(ipv4, ipv6),
                              .ai_socktype = type,
                              .ai_flags = flags | AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    g_autofree char *decimal = NULL;
    uint64_t number;
    int rc;

    if (!parse_port(port, &number, errp)) {
        return NULL;
    }
    decimal = g_strdup_printf("%u", (unsigned)number); /* it may have been written as 0x... */
    rc = getaddrinfo(host && *host ? host : NULL, decimal, &hints, &list);
    if (rc) {
        error_set(errp, "host=%s: %s", host ? host : "",
                  rc == EAI_SYSTEM ? g_strerror(errno) : gai_strerror(rc));
        return NULL;
    }
    return list;
}

/* The port is where IPv4 and IPv6 both have it. */
static void set_port(struct addrinfo *ai, unsigned port)
{
    if (ai->ai_family == AF_INET6) {
        ((struct sockaddr_in6 *)ai->ai_addr)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)ai->ai_addr)->sin_port = htons((uint16_t)port);
    }
}

/* A server asked for port 0 has been given one. */
static char *bound_port(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    char port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0 ||
        getnameinfo((struct sockaddr *)&addr, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV)) {
        return NULL;
    }
    return g_strdup(port);
}

static int tcp_socket(const SocketPlace *place, const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC,
                    place->mptcp ? IPPROTO_MPTCP : ai->ai_protocol);
    int one = 1;

    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (place->server && place->ipv6 == ON && place->ipv4 == OFF) {
        /* IPv6 sockets take IPv4 clients otherwise. */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    }
    return settle(place, fd, ai->ai_addr, ai->ai_addrlen);
}

static int tcp_open(const SocketPlace *place, char **bound, GError **errp)
{
    struct addrinfo *list = socket_place_lookup(
        place->host, place->port, SOCK_STREAM, place->ipv4, place->ipv6,
        (place->server ? AI_PASSIVE : 0) | (place->numeric ? AI_NUMERICHOST : 0), errp);
    uint64_t first;
    int fd = -1;

    if (!list || !parse_port(place->port, &first, errp)) {
        return -1;
    }
    for (unsigned port = (unsigned)first; fd < 0 && port <= MAX(first, place->to); port++) {
        for (struct addrinfo *ai = list; fd < 0 && ai; ai = ai->ai_next) {
            set_port(ai, port);
            fd = tcp_socket(place, ai);
        }
    }
    if (fd < 0) {
        error_set_errno(errp, errno,
                        place->server ? "cannot listen on %s:%s" : "cannot connect to %s:%s",
                        place->host ? place->host : "", place->port);
    } else if (place->server && bound) {
        *bound = bound_port(fd);
    }
    freeaddrinfo(list);
    return fd;
}

/* ---- vsock(7) and descriptors ---- */

static int vsock_open(const SocketPlace *place, GError **errp)
{
    struct sockaddr_vm addr = { .svm_family = AF_VSOCK };
    uint64_t cid, port;
    int fd;

    if (!parse_uint(place->cid, UINT32_MAX, &cid)) {
        error_set(errp, "cid=%s: must be the number of a machine (1: this host)", place->cid);
        return -1;
    }
    if (!place->port || !parse_uint(place->port, UINT32_MAX, &port)) {
        error_set(errp, "port=%s: must be a number from 0 to %u", place->port ? place->port : "",
                  UINT32_MAX);
        return -1;
    }
    addr.svm_cid = (unsigned)cid;
    addr.svm_port = (unsigned)port;
    fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        fd = settle(place, fd, &addr, sizeof(addr));
    }
    if (fd < 0) {
        error_set_errno(errp, errno,
                        place->server ? "cannot listen on vsock:%s:%s"
                                      : "cannot connect to vsock:%s:%s",
                        place->cid, place->port);
    }
    return fd;
}

static int inherited_open(const SocketPlace *place, GError **errp)
{
    struct stat st;
    uint64_t fd;
    int listening = 0;
    socklen_t len = sizeof(listening);

    if (!parse_uint(place->fd, INT_MAX, &fd) || fstat((int)fd, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        error_set(errp, "fd=%s: must be the number of an open socket", place->fd);
        return -1;
    }
    /* A descriptor that is no bound socket cannot be listened on: say it here, not at a client. */
    if (place->server && (getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 ||
                          (!listening && listen((int)fd, 1) < 0))) {
        error_set_errno(errp, errno, "cannot listen on fd:%s", place->fd);
        return -1;
    }
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    return (int)fd;
}

/* ---- all ---- */

/* What only servers, or only some families, take. */
static bool check_families(const SocketPlace *place, GError **errp)
{
    uint64_t first;

    if (place->abstract && !place->path) {
        error_set(errp, "abstract=on is for unix sockets: it needs path=NAME");
        return false;
    }
    if (place->mptcp && !place->host) {
        error_set(errp, "mptcp=on is for TCP: it needs host=HOST,port=PORT");
        return false;
    }
    if (place->ipv4 == OFF && place->ipv6 == OFF) {
        error_set(errp, "ipv4=off and ipv6=off leave nothing; leave one of them out");
        return false;
    }
    if (place->path || place->fd || place->cid) {
        return true;
    }
    if (!parse_port(place->port, &first, errp)) {
        return false;
    }
    if (place->to && (!place->server || place->to < first)) {
        error_set(errp, "to=%u is the last of the ports that a server tries: %s", place->to,
                  place->server ? "it cannot be below port=" : "say server=on, or leave it out");
        return false;
    }
    return true;
}

bool socket_place_check(const SocketPlace *place, GError **errp)
{
    int ways =
        !!place->path + !!place->cid + (place->host || (place->port && !place->cid)) + !!place->fd;

    if (ways != 1) {
        error_set(errp,
                  "backend socket needs %s of path=PATH, host=HOST,port=PORT, "
                  "cid=CID,port=PORT (vsock) and fd=N",
                  ways ? "only one" : "one");
        return false;
    }
    if (place->path && !*place->path) {
        error_set(errp, "path= is empty; it must name a socket");
        return false;
    }
    return check_families(place, errp);
}

int socket_place_open(const SocketPlace *place, char **bound, GError **errp)
{
    return place->fd     ? inherited_open(place, errp)
           : place->path ? unix_open(place, errp)
           : place->cid  ? vsock_open(place, errp)
                         : tcp_open(place, bound, errp);
}

int socket_place_accept(int listen_fd, const char *kind, const char *name, bool *said, bool *wait)
{
    int client = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

    *wait = client < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
    if (*wait && !*said) {
        error_warn("%s '%s': a client has to wait: %s", kind, name, g_strerror(errno));
    }
    *said = client < 0 && (*wait || *said);
    return client;
}

void socket_place_set_options(const SocketPlace *place, int fd)
{
    int one = 1;

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (place->nodelay) {
        /* Fails on a unix socket, which has no delay. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    if (place->keep_alive) {
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    }
}

char *socket_place_describe(const SocketPlace *place, const char *protocol)
{
    const char *host = place->host ? place->host : "";
    bool brackets = strchr(host, ':');

    if (place->fd) {
        return g_strdup_printf("fd:%s", place->fd);
    }
    if (place->path) {
        return g_strdup_printf("unix:%s%s", place->path,
                               !place->abstract ? ""
                               : place->tight   ? ",abstract=on,tight=on"
                                                : ",abstract=on,tight=off");
    }
    if (place->cid) {
        return g_strdup_printf("vsock:%s:%s", place->cid, place->port);
    }
    return g_strdup_printf("%s:%s%s%s:%s", protocol, brackets ? "[" : "", host, brackets ? "]" : "",
                           place->port);
}

SocketPlace *socket_place_copy(const SocketPlace *place)
{
    SocketPlace *copy = g_new(SocketPlace, 1);

    *copy = *place;
    copy->path = g_strdup(place->path);
    copy->host = g_strdup(place->host);
    copy->port = g_strdup(place->port);
    copy->cid = g_strdup(place->cid);
    copy->fd = g_strdup(place->fd);
    copy->cancel_fd = 0;
    return copy;
}

void socket_place_free(SocketPlace *place)
{
    g_free(place->path);
    g_free(place->host);
    g_free(place->port);
    g_free(place->cid);
    g_free(place->fd);
    g_free(place);
}

char *socket_place_describe_peer(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (fd < 0 || getpeername(fd, (struct sockaddr *)&addr, &len) < 0 ||
        (addr.ss_family != AF_INET && addr.ss_family != AF_INET6) ||
        getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV)) {
        return g_strdup("");
    }
    return g_strdup_printf(addr.ss_family == AF_INET6 ? " <-> [%s]:%s" : " <-> %s:%s", host, port);
}

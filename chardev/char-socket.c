/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev socket: one client at a time on a unix or TCP socket, which we listen on (server=on), or
 * connect to, or get as a descriptor (fd=).
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/keyval.h"

enum OnOffAuto { AUTO, ON, OFF };
static const char *const on_off_auto_names[] = { "auto", "on", "off", NULL };

typedef struct CharSocket {
    Chardev parent;
    /* properties */
    char *path, *host, *port, *fd;
    bool server, wait, nodelay, abstract, tight, numeric, keep_alive;
    int ipv4, ipv6; /* OnOffAuto */
    uint16_t to;    /* last port to try; 0: only @port */

    int listen_fd, client_fd;
    int passed_fd; /* the client sent it and nobody took it yet; or -1 */
    GSource *listen_source;
    char *bound_path; /* to remove at the end */
} CharSocket;

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* ---- descriptors that come with the bytes ---- */

/* Keep the first of those in @msg, instead of one that was kept. */
static void keep_passed(CharSocket *sock, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        close_fd(&sock->passed_fd);
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (i == 0) {
                sock->passed_fd = fd;
            } else {
                close(fd);
            }
        }
    }
}

static ssize_t socket_read(Chardev *chr, void *buf, size_t len)
{
    CharSocket *sock = (CharSocket *)chr;
    /* What does not fit the kernel closes. */
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(16 * sizeof(int))];
    } control;
    struct iovec iov = { .iov_base = buf, .iov_len = len };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    ssize_t n = recvmsg(sock->client_fd, &msg, MSG_CMSG_CLOEXEC);

    if (n > 0) {
        keep_passed(sock, &msg);
    }
    return n;
}

static int socket_take_fd(Chardev *chr)
{
    CharSocket *sock = (CharSocket *)chr;
    int fd = sock->passed_fd;

    sock->passed_fd = -1;
    return fd;
}

/* ---- clients ---- */

static void socket_listen(CharSocket *sock);

static void socket_use(CharSocket *sock, int fd)
{
    int one = 1;

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (sock->nodelay) {
        /* Fails on a unix socket, which has no delay. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    if (sock->keep_alive) {
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    }
    sock->client_fd = fd;
    chardev_connected(CHARDEV(sock), fd, fd);
}

static gboolean socket_accept(gint fd, GIOCondition condition, gpointer opaque)
{
    CharSocket *sock = opaque;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

    if (client < 0) {
        return G_SOURCE_CONTINUE; /* it went away again, or descriptors ran out */
    }
    chardev_source_end(&sock->listen_source); /* others wait their turn in the backlog */
    socket_use(sock, client);
    return G_SOURCE_REMOVE;
}

static void socket_listen(CharSocket *sock)
{
    if (sock->listen_fd >= 0 && !sock->listen_source) {
        sock->listen_source = chardev_fd_source(sock->listen_fd, G_IO_IN, socket_accept, sock);
    }
}

static void socket_hangup(Chardev *chr)
{
    CharSocket *sock = (CharSocket *)chr;

    chardev_disconnected(chr);
    close_fd(&sock->client_fd);
    close_fd(&sock->passed_fd);
    socket_listen(sock);
}

/* ---- addresses ---- */

/* Abstract names (unix(7)) begin with a zero byte, and are as long as said; tight=off pads them. */
static bool unix_address(const CharSocket *sock, struct sockaddr_un *addr, socklen_t *len,
                         GError **errp)
{
    const char *path = sock->path;
    size_t size = strlen(path);

    *addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
    *len = sizeof(*addr);
    if (size >= sizeof(addr->sun_path)) {
        error_set(errp, "path '%s' is too long for a socket: it may have %zu bytes", path,
                  sizeof(addr->sun_path) - 1);
        return false;
    }
    strcpy(addr->sun_path + sock->abstract, path);
    if (sock->abstract && sock->tight) {
        *len = offsetof(struct sockaddr_un, sun_path) + 1 + size;
    }
    return true;
}

static int unix_open(CharSocket *sock, GError **errp)
{
    struct sockaddr_un addr;
    socklen_t len;
    struct stat st;
    int fd;

    if (!unix_address(sock, &addr, &len, errp)) {
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error_set_errno(errp, errno, "cannot make a socket");
        return -1;
    }
    if (!sock->server) {
        if (connect(fd, (struct sockaddr *)&addr, len) == 0) {
            return fd;
        }
        error_set_errno(errp, errno,
                        "cannot connect to '%s' (to listen there instead, say server=on)",
                        sock->path);
        close(fd);
        return -1;
    }
    /* A socket that an earlier run has left is in the way of bind(). */
    if (!sock->abstract && lstat(sock->path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        unlink(sock->path);
    }
    if (bind(fd, (struct sockaddr *)&addr, len) < 0) {
        error_set_errno(errp, errno, "cannot listen on '%s'", sock->path);
        close(fd);
        return -1;
    }
    sock->bound_path = sock->abstract ? NULL : g_strdup(sock->path);
    return fd;
}

/* A server asked for port 0 has been given one: show it. */
static void learn_port(CharSocket *sock, int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    char port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0 &&
        getnameinfo((struct sockaddr *)&addr, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV) ==
            0) {
        g_free(sock->port);
        sock->port = g_strdup(port);
    }
}

/* With one family asked for, or the other refused, only that one. */
static int tcp_family(const CharSocket *sock)
{
    bool four = sock->ipv4 == ON || (sock->ipv4 == AUTO && sock->ipv6 != ON);
    bool six = sock->ipv6 == ON || (sock->ipv6 == AUTO && sock->ipv4 != ON);

    return four == six ? AF_UNSPEC : four ? AF_INET : AF_INET6;
}

static struct addrinfo *tcp_lookup(const CharSocket *sock, GError **errp)
{
    struct addrinfo hints = { .ai_family = tcp_family(sock),
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = (sock->server ? AI_PASSIVE : 0) | AI_NUMERICSERV |
                                          (sock->numeric ? AI_NUMERICHOST : 0) };
    const char *host = sock->host && *sock->host ? sock->host : NULL;
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(host, sock->port, &hints, &list);

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

/* A socket of @ai that is bound or connected, or -1 and errno. */
static int tcp_socket(const CharSocket *sock, const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
    int one = 1, rc, err;

    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (sock->server && sock->ipv6 == ON && sock->ipv4 == OFF) {
        /* IPv6 sockets take IPv4 clients otherwise. */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    }
    rc = sock->server ? bind(fd, ai->ai_addr, ai->ai_addrlen)
                      : connect(fd, ai->ai_addr, ai->ai_addrlen);
    if (rc < 0) {
        err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

static int tcp_open(CharSocket *sock, GError **errp)
{
    struct addrinfo *list;
    uint64_t first;
    int fd = -1;

    if (!sock->port || !uint_parse(sock->port, 65535, &first)) {
        error_set(errp, "port=%s: must be a number from 0 to 65535", sock->port ? sock->port : "");
        return -1;
    }
    if (sock->to && (!sock->server || sock->to < first)) {
        error_set(errp, "to=%u is the last of the ports that a server tries: %s", sock->to,
                  sock->server ? "it cannot be below port=" : "say server=on, or leave it out");
        return -1;
    }
    list = tcp_lookup(sock, errp);
    if (!list) {
        return -1;
    }
    for (unsigned port = (unsigned)first; fd < 0 && port <= MAX(first, sock->to); port++) {
        for (struct addrinfo *ai = list; fd < 0 && ai; ai = ai->ai_next) {
            set_port(ai, port);
            fd = tcp_socket(sock, ai);
        }
    }
    if (fd < 0) {
        error_set_errno(errp, errno,
                        sock->server ? "cannot listen on %s:%s" : "cannot connect to %s:%s",
                        sock->host ? sock->host : "", sock->port);
    } else if (sock->server) {
        learn_port(sock, fd);
    }
    freeaddrinfo(list);
    return fd;
}

static int inherited_fd(CharSocket *sock, GError **errp)
{
    struct stat st;
    uint64_t fd;

    if (!uint_parse(sock->fd, INT_MAX, &fd) || fstat((int)fd, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        error_set(errp, "fd=%s: must be the number of an open socket", sock->fd);
        return -1;
    }
    return (int)fd;
}

/* ---- opening ---- */

static char *describe(const CharSocket *sock)
{
    if (sock->fd) {
        return g_strdup_printf("fd:%s", sock->fd);
    }
    if (sock->path) {
        return g_strdup_printf("unix:%s", sock->path);
    }
    return g_strdup_printf("tcp:%s:%s", sock->host ? sock->host : "", sock->port);
}

static bool wait_for_client(CharSocket *sock, GError **errp)
{
    g_autofree char *where = describe(sock);
    int client;

    fprintf(stderr, "dimmable: chardev '%s' waits for a client on %s (wait=off does not)\n",
            sock->parent.parent.name, where);
    do {
        struct pollfd p[] = { { .fd = sock->listen_fd, .events = POLLIN },
                              { .fd = interrupt_fd(), .events = POLLIN } };

        if (poll(p, G_N_ELEMENTS(p), -1) < 0 && errno != EINTR) {
            error_set_errno(errp, errno, "cannot wait for a client on %s", where);
            return false;
        }
        if (interrupt_check(errp)) {
            g_prefix_error(errp, "waiting for a client on %s: ", where);
            return false;
        }
        client = accept4(sock->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    } while (client < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED));
    if (client < 0) {
        error_set_errno(errp, errno, "cannot accept a client on %s", where);
        return false;
    }
    socket_use(sock, client);
    return true;
}

static bool check_options(const CharSocket *sock, GError **errp)
{
    int ways = !!sock->path + (sock->host || sock->port) + !!sock->fd;

    if (ways != 1) {
        error_set(errp, "backend socket needs %s of path=PATH, host=HOST,port=PORT and fd=N",
                  ways ? "only one" : "one");
        return false;
    }
    if (sock->path && !*sock->path) {
        error_set(errp, "path= is empty; it must name a socket");
        return false;
    }
    if (sock->abstract && !sock->path) {
        error_set(errp, "abstract=on is for unix sockets: it needs path=NAME");
        return false;
    }
    if (sock->ipv4 == OFF && sock->ipv6 == OFF) {
        error_set(errp, "ipv4=off and ipv6=off leave nothing; leave one of them out");
        return false;
    }
    return true;
}

static bool socket_complete(Object *obj, GError **errp)
{
    CharSocket *sock = (CharSocket *)obj;
    int fd, listening = 0;
    socklen_t len = sizeof(listening);

    if (!check_options(sock, errp)) {
        return false;
    }
    fd = sock->fd     ? inherited_fd(sock, errp)
         : sock->path ? unix_open(sock, errp)
                      : tcp_open(sock, errp);
    if (fd < 0) {
        return false;
    }
    if (!sock->server) {
        socket_use(sock, fd);
        return true;
    }
    sock->listen_fd = fd;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    /* A descriptor that is no bound socket cannot be listened on: say it here, not at a client. */
    if ((sock->fd && (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)) ||
        (!listening && listen(fd, 1) < 0)) {
        g_autofree char *where = describe(sock);

        error_set_errno(errp, errno, "cannot listen on %s", where);
        if (sock->fd) {
            sock->listen_fd = -1; /* remains the giver's */
        }
        return false;
    }
    if (sock->wait) {
        return wait_for_client(sock, errp);
    }
    socket_listen(sock);
    return true;
}

/* ---- the type ---- */

static void socket_init(Object *obj)
{
    CharSocket *sock = (CharSocket *)obj;

    sock->listen_fd = sock->client_fd = sock->passed_fd = -1;
}

static void remove_path(CharSocket *sock)
{
    if (sock->bound_path) {
        unlink(sock->bound_path);
        g_clear_pointer(&sock->bound_path, g_free);
    }
}

static void socket_finalize(Object *obj)
{
    CharSocket *sock = (CharSocket *)obj;

    chardev_source_end(&sock->listen_source);
    close_fd(&sock->client_fd);
    close_fd(&sock->passed_fd);
    close_fd(&sock->listen_fd);
    remove_path(sock);
}

static void socket_cleanup(Chardev *chr)
{
    remove_path((CharSocket *)chr);
}

static char *socket_filename(const Chardev *chr)
{
    const CharSocket *sock = (const CharSocket *)chr;
    g_autofree char *where = describe(sock);

    return g_strconcat(chr->connected ? "" : "disconnected:", where,
                       sock->server ? ",server=on" : "", NULL);
}

/* The hang-up that the main loop sees next does the rest. */
static void socket_yank(Chardev *chr)
{
    CharSocket *sock = (CharSocket *)chr;

    if (sock->client_fd >= 0) {
        shutdown(sock->client_fd, SHUT_RDWR);
    }
}

/* "nowait" and "nowait=on" are the old spelling of wait=off. */
static bool nowait_set(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    ((CharSocket *)obj)->wait = !json_object_get_boolean(value);
    return true;
}

static struct json_object *nowait_get(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_boolean(!((CharSocket *)obj)->wait);
}

#define STRING(n, field, text)                                                                     \
    {                                                                                              \
        .name = n, .kind = PROP_STRING, .offset = offsetof(CharSocket, field), .description = text \
    }
#define ON_OFF_AUTO(n, field, text)                                                \
    {                                                                              \
        .name = n, .kind = PROP_ENUM, .offset = offsetof(CharSocket, field),       \
        .enum_names = on_off_auto_names, .has_default = true, .default_int = AUTO, \
        .description = text                                                        \
    }
#define BOOL(n, field, on, text)                                                                  \
    {                                                                                             \
        .name = n, .kind = PROP_BOOL, .offset = offsetof(CharSocket, field), .has_default = true, \
        .default_int = on, .description = text                                                    \
    }

static const Property socket_properties[] = {
    STRING("path", path, "unix socket"),
    STRING("host", host, "TCP: name or address; empty is every one of ours"),
    STRING("port", port, "TCP: port number"),
    STRING("fd", fd, "number of a socket that was inherited"),
    BOOL("server", server, false, "listen, instead of connecting"),
    BOOL("wait", wait, true, "server: the machine starts when a client is there"),
    { .name = "nowait",
      .kind = PROP_BOOL,
      .get = nowait_get,
      .set = nowait_set,
      .description = "the opposite of wait" },
    BOOL("nodelay", nodelay, false, "TCP: send small pieces at once"),
    BOOL("keep-alive", keep_alive, false, "TCP: notice that the other end has gone"),
    BOOL("numeric", numeric, false, "TCP: host is an address, do not look up names"),
    ON_OFF_AUTO("ipv4", ipv4, "TCP: use IPv4"),
    ON_OFF_AUTO("ipv6", ipv6, "TCP: use IPv6"),
    { .name = "to",
      .kind = PROP_UINT16,
      .offset = offsetof(CharSocket, to),
      .has_default = true,
      .description = "TCP server: if port is taken, try those up to this" },
    BOOL("abstract", abstract, false, "unix: path is a name in the abstract namespace"),
    BOOL("tight", tight, true, "unix, abstract: the name is not padded with zeros"),
    { NULL },
};

static const ChardevOps socket_ops = {
    .read = socket_read,
    .take_fd = socket_take_fd,
    .filename = socket_filename,
    .yank = socket_yank,
    .hangup = socket_hangup,
    .cleanup = socket_cleanup,
};

static const ObjectType socket_type = {
    .name = "chardev-socket",
    .parent = TYPE_CHARDEV,
    .description = "unix or TCP socket",
    .instance_size = sizeof(CharSocket),
    .properties = socket_properties,
    .ops = &socket_ops,
    .init = socket_init,
    .finalize = socket_finalize,
    .complete = socket_complete,
};
OBJECT_TYPE_REGISTER(socket_type)

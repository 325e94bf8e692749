/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev socket: one client at a time on a unix, TCP or vsock socket, which we listen on
 * (server=on), or connect to (again and again with reconnect=), or get as a descriptor (fd=). What
 * is on the wire are the bytes themselves, telnet or WebSocket.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "chardev/chardev.h"
#include "chardev/socket-attempt.h"
#include "chardev/socket-place.h"
#include "chardev/telnet.h"
#include "chardev/websocket.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/task.h"

#define HANDSHAKE_SECONDS 10  /* then a WebSocket client that did not ask makes room for others */
#define ACCEPT_AGAIN      200 /* ms to wait where descriptors or memory ran out */

typedef struct CharSocket {
    Chardev parent;
    /* properties */
    SocketPlace place;
    char *tls_creds, *tls_authz;
    bool wait, telnet, tn3270, websocket;
    uint32_t reconnect; /* seconds; 0: never */

    int listen_fd, client_fd;
    int yank_fd;   /* eventfd that ends the wait for the first client; -1 when there is none */
    int passed_fd; /* the client sent it and nobody took it yet; or -1 */
    GSource *listen_source; /* for the next client, or for the time to look for it again */
    bool cannot_accept;     /* it was said, once */
    char *bound_path;       /* to remove at the end, if it is this file still: */
    dev_t bound_dev;
    ino_t bound_ino;

    SocketAttempt *attempt;    /* we are connecting */
    GSource *reconnect_source; /* we are waiting before that */
    bool complained;           /* since we were connected last */

    Telnet telnet_state;       /* with telnet or tn3270 */
    WebSocket websocket_state; /* with websocket */
    GByteArray *request;       /* the client's, before it is connected */
    GSource *request_source, *request_timeout;
} CharSocket;
OBJECT_CAST_DEFINE(CharSocket, CHAR_SOCKET, "chardev-socket")

static void socket_listen(CharSocket *sock);
static void reconnect_later(CharSocket *sock);

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

static ssize_t receive(CharSocket *sock, void *buf, size_t len)
{
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
    CharSocket *sock = CHAR_SOCKET(chr);
    int fd = sock->passed_fd;

    sock->passed_fd = -1;
    return fd;
}

/* ---- protocols ---- */

static bool speaks_telnet(const CharSocket *sock)
{
    return sock->telnet || sock->tn3270;
}

/* Breaks are told before the text they came with, which is read together. */
static size_t decode_telnet(CharSocket *sock, void *buf, size_t len, GByteArray *answer)
{
    unsigned breaks = 0;
    size_t kept = telnet_decode(&sock->telnet_state, buf, len, answer, &breaks);

    for (unsigned i = 0; i < breaks; i++) {
        chardev_send_break(CHARDEV(sock));
    }
    return kept;
}

/* When Close has come, the last bytes are delivered, and then the input ends. */
static size_t decode_websocket(CharSocket *sock, void *buf, size_t len, GByteArray *answer)
{
    size_t kept = websocket_decode(&sock->websocket_state, buf, len, answer);

    if (sock->websocket_state.closed && kept) {
        shutdown(sock->client_fd, SHUT_RD);
    }
    return kept;
}

static ssize_t socket_read(Chardev *chr, void *buf, size_t len)
{
    CharSocket *sock = CHAR_SOCKET(chr);
    g_autoptr(GByteArray) answer = NULL;
    ssize_t n = receive(sock, buf, len);
    size_t kept;

    if (n <= 0 || (!speaks_telnet(sock) && !sock->websocket)) {
        return n;
    }
    answer = g_byte_array_new();
    kept = sock->websocket ? decode_websocket(sock, buf, n, answer)
                           : decode_telnet(sock, buf, n, answer);
    chardev_answer(chr, answer->data, answer->len);
    if (kept || (sock->websocket && sock->websocket_state.closed)) {
        return kept;
    }
    errno = EAGAIN; /* nothing for the front end, but no end of the input either */
    return -1;
}

static bool socket_encode(Chardev *chr, const uint8_t *buf, size_t len, GByteArray *out)
{
    CharSocket *sock = CHAR_SOCKET(chr);

    if (sock->websocket) {
        websocket_encode(buf, len, out);
    } else if (speaks_telnet(sock)) {
        telnet_encode(&sock->telnet_state, buf, len, out);
    } else {
        return false;
    }
    return true;
}

/* ---- clients ---- */

static void forget_request(CharSocket *sock)
{
    chardev_source_end(&sock->request_source);
    chardev_source_end(&sock->request_timeout);
    g_clear_pointer(&sock->request, g_byte_array_unref);
}

static void socket_hangup(Chardev *chr)
{
    CharSocket *sock = CHAR_SOCKET(chr);

    forget_request(sock);
    chardev_disconnected(chr);
    close_fd(&sock->client_fd);
    close_fd(&sock->passed_fd);
    socket_listen(sock);
    reconnect_later(sock);
}

/* The protocol's first words; a socket that does not even take these is gone. */
static bool send_first(CharSocket *sock, const GByteArray *text)
{
    return send(sock->client_fd, text->data, text->len, MSG_DONTWAIT | MSG_NOSIGNAL) ==
           (ssize_t)text->len;
}

static void socket_ready(CharSocket *sock)
{
    if (speaks_telnet(sock)) {
        g_autoptr(GByteArray) text = g_byte_array_new();

        telnet_start(&sock->telnet_state, sock->place.server, sock->tn3270, text);
        if (text->len && !send_first(sock, text)) {
            socket_hangup(CHARDEV(sock));
            return;
        }
    }
    sock->complained = false;
    chardev_connected(CHARDEV(sock), sock->client_fd, sock->client_fd);
}

/* Take what belongs to the request, and no more, off the socket. True when it is whole. */
static bool read_request(CharSocket *sock, bool *gone)
{
    static const char end[] = "\r\n\r\n";
    GByteArray *request = sock->request;
    guint before = request->len;
    ssize_t n;
    char *found;

    g_byte_array_set_size(request, WEBSOCKET_REQUEST_MAX);
    n = recv(sock->client_fd, request->data + before, request->len - before, MSG_PEEK);
    *gone = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    g_byte_array_set_size(request, before + (n > 0 ? n : 0));
    if (n <= 0) {
        return false;
    }
    found = memmem(request->data, request->len, end, strlen(end));
    if (found) {
        g_byte_array_set_size(request, found + strlen(end) - (char *)request->data);
    }
    *gone = recv(sock->client_fd, request->data + before, request->len - before, 0) < 0 ||
            (!found && request->len == WEBSOCKET_REQUEST_MAX);
    return found;
}

static gboolean request_readable(gint fd, GIOCondition condition, gpointer opaque)
{
    g_autoptr(Object) hold = object_ref(opaque);
    CharSocket *sock = CHAR_SOCKET(hold);
    g_autoptr(GByteArray) answer = g_byte_array_new();
    bool gone, whole = read_request(sock, &gone), accepted;

    if (!whole && !gone) {
        return G_SOURCE_CONTINUE;
    }
    accepted =
        whole && websocket_answer((const char *)sock->request->data, sock->request->len, answer);
    if (!send_first(sock, answer) || !accepted) {
        socket_hangup(CHARDEV(sock));
        return G_SOURCE_REMOVE;
    }
    forget_request(sock);
    websocket_start(&sock->websocket_state);
    socket_ready(sock);
    return G_SOURCE_REMOVE;
}

static gboolean request_is_late(gpointer opaque)
{
    g_autoptr(Object) hold = object_ref(opaque);

    socket_hangup(CHARDEV(hold));
    return G_SOURCE_REMOVE;
}

static void socket_use(CharSocket *sock, int fd)
{
    socket_place_set_options(&sock->place, fd);
    sock->client_fd = fd;
    if (!sock->websocket) {
        socket_ready(sock);
        return;
    }
    sock->request = g_byte_array_new();
    sock->request_source =
        chardev_fd_source(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, request_readable, sock);
    sock->request_timeout = chardev_timeout_source(HANDSHAKE_SECONDS * 1000, request_is_late, sock);
}

static gboolean listen_again(gpointer opaque)
{
    CharSocket *sock = opaque;

    chardev_source_end(&sock->listen_source);
    socket_listen(sock);
    return G_SOURCE_REMOVE;
}

static int accept_client(CharSocket *sock, bool *wait)
{
    return socket_place_accept(sock->listen_fd, "chardev", sock->parent.parent.name,
                               &sock->cannot_accept, wait);
}

static gboolean socket_accept(gint fd, GIOCondition condition, gpointer opaque)
{
    CharSocket *sock = opaque;
    bool wait;
    int client = accept_client(sock, &wait);

    if (client < 0) {
        if (!wait) {
            return G_SOURCE_CONTINUE; /* it went away again */
        }
        chardev_source_end(&sock->listen_source);
        sock->listen_source = chardev_timeout_source(ACCEPT_AGAIN, listen_again, sock);
        return G_SOURCE_REMOVE;
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

/* ---- connecting again ---- */

static void attempt_done(void *opaque, int fd, const GError *err)
{
    CharSocket *sock = opaque;

    sock->attempt = NULL;
    if (fd >= 0) {
        socket_use(sock, fd);
        return;
    }
    if (!sock->complained) {
        sock->complained = true;
        error_warn("chardev '%s': %s; trying again every %u s", sock->parent.parent.name,
                   err->message, sock->reconnect);
    }
    reconnect_later(sock);
}

static gboolean reconnect_now(gpointer opaque)
{
    CharSocket *sock = opaque;

    chardev_source_end(&sock->reconnect_source);
    sock->attempt = socket_attempt_start(&sock->place, attempt_done, sock);
    return G_SOURCE_REMOVE;
}

static void reconnect_later(CharSocket *sock)
{
    if (sock->reconnect && !sock->reconnect_source) {
        guint ms = MIN(sock->reconnect, G_MAXUINT / 1000) * 1000;

        sock->reconnect_source = chardev_timeout_source(ms, reconnect_now, sock);
    }
}

/* ---- opening ---- */

static char *describe(const CharSocket *sock)
{
    return socket_place_describe(&sock->place, sock->telnet      ? "telnet"
                                               : sock->websocket ? "websocket"
                                                                 : "tcp");
}

/* A client that has come to listen_fd, or -1. */
static bool was_yanked(const CharSocket *sock)
{
    uint64_t count;

    return read(sock->yank_fd, &count, sizeof(count)) == sizeof(count);
}

static int wait_for_client(CharSocket *sock, GError **errp)
{
    g_autofree char *where = describe(sock);
    bool pause = false;
    int client = -1;

    fprintf(stderr, "dimmable: chardev '%s' waits for a client on %s (wait=off does not)\n",
            sock->parent.parent.name, where);
    do {
        struct pollfd p[] = { { .fd = pause ? -1 : sock->listen_fd, .events = POLLIN },
                              { .fd = interrupt_fd(), .events = POLLIN },
                              { .fd = sock->yank_fd, .events = POLLIN } };

        if (poll(p, G_N_ELEMENTS(p), pause ? ACCEPT_AGAIN : -1) < 0 && errno != EINTR) {
            error_set_errno(errp, errno, "cannot wait for a client on %s", where);
            return -1;
        }
        if (interrupt_check(errp)) {
            g_prefix_error(errp, "waiting for a client on %s: ", where);
            return -1;
        }
        if (was_yanked(sock)) {
            error_set(errp, "waiting for a client on %s was broken off by 'yank'", where);
            return -1;
        }
        client = accept_client(sock, &pause);
    } while (client < 0);
    return client;
}

static bool check_protocol(const CharSocket *sock, GError **errp)
{
    if (sock->tls_creds || sock->tls_authz) {
        error_set(errp,
                  "there is no object '%s' for TLS of character devices: only NBD has it; leave "
                  "tls-creds and tls-authz out, and let a tunnel (ssh -L) to a unix socket encrypt",
                  sock->tls_creds ? sock->tls_creds : sock->tls_authz);
        return false;
    }
    if (sock->websocket && speaks_telnet(sock)) {
        error_set(errp, "websocket=on and telnet=on or tn3270=on exclude each other: choose one");
        return false;
    }
    if (sock->websocket && !sock->place.server) {
        error_set(errp, "websocket=on needs server=on: there is only the server's side of it");
        return false;
    }
    if (sock->reconnect && (sock->place.server || sock->place.fd)) {
        error_set(errp, "reconnect=%u is for those who connect: leave out %s", sock->reconnect,
                  sock->place.server ? "server=on" : "fd=");
        return false;
    }
    return true;
}

/* A file of this name that another has made meanwhile is not ours to remove. */
static void remember_path(CharSocket *sock)
{
    struct stat st;

    if (sock->place.path && !sock->place.abstract && lstat(sock->place.path, &st) == 0) {
        sock->bound_path = g_strdup(sock->place.path);
        sock->bound_dev = st.st_dev;
        sock->bound_ino = st.st_ino;
    }
}

/* What looks up names, connects and waits, and so may take long. */
typedef struct Opening {
    CharSocket *sock;
    GError *err;
    char *port;             /* that a TCP server got */
    SocketAttempt *attempt; /* that is under way, claimed; or NULL */
    int fd;
} Opening;

static void open_place(void *opaque)
{
    Opening *o = opaque;

    o->fd = socket_place_open(&o->sock->place, &o->port, &o->err);
}

static void accept_first(void *opaque)
{
    Opening *o = opaque;

    o->fd = wait_for_client(o->sock, &o->err);
}

/* A descriptor from @fn, or -1. Holds @o's socket, since other code may run meanwhile. */
static int run_opening(void (*fn)(void *opaque), Opening *o, GError **errp)
{
    object_ref(OBJECT(o->sock));
    task_wait(fn, o);
    object_unref(OBJECT(o->sock));
    if (o->err) {
        g_propagate_error(errp, o->err);
    }
    return o->fd;
}

/* The first client, or -1. */
static int run_waiting(Opening *o, GError **errp)
{
    int fd;

    o->sock->yank_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (o->sock->yank_fd < 0) {
        error_set_errno(errp, errno, "cannot make a descriptor to end the wait for a client");
        return -1;
    }
    chardev_set_waiting(&o->sock->parent);
    fd = run_opening(accept_first, o, errp);
    chardev_set_waiting(NULL);
    close_fd(&o->sock->yank_fd);
    return fd;
}

/* Connect, again and again; or -1. */
static void connect_until(void *opaque)
{
    Opening *o = opaque;
    CharSocket *sock = o->sock;
    const guint ms = MIN(sock->reconnect, G_MAXINT / 1000) * 1000;

    if (o->attempt && (o->fd = socket_attempt_wait(o->attempt)) >= 0) {
        return;
    }
    while ((o->fd = socket_place_open(&sock->place, NULL, &o->err)) < 0) {
        struct pollfd p = { .fd = interrupt_fd(), .events = POLLIN };

        if (!sock->complained) {
            sock->complained = true;
            error_warn("chardev '%s': %s; trying again every %u s", sock->parent.parent.name,
                       o->err->message, sock->reconnect);
        }
        g_clear_error(&o->err);
        poll(&p, 1, (int)ms);
        if (interrupt_check(&o->err)) {
            return;
        }
    }
}

static bool socket_wait_connected(Chardev *chr, GError **errp)
{
    CharSocket *sock = CHAR_SOCKET(chr);
    Opening opening = { .sock = sock, .fd = -1 };
    int fd;

    if (sock->listen_fd < 0 && !sock->reconnect) {
        error_set(errp,
                  "chardev '%s' has lost its connection, and without reconnect= gets no other",
                  chr->parent.name);
        return false;
    }
    if (sock->listen_fd >= 0) {
        chardev_source_end(&sock->listen_source);
        fd = run_waiting(&opening, errp);
    } else {
        opening.attempt = sock->attempt ? socket_attempt_claim(sock->attempt) : NULL;
        sock->attempt = NULL;
        chardev_source_end(&sock->reconnect_source);
        fd = run_opening(connect_until, &opening, errp);
    }
    if (fd < 0) {
        socket_listen(sock);
        reconnect_later(sock);
        return false;
    }
    socket_use(sock, fd);
    return true;
}

static bool socket_can_reconnect(const Chardev *chr)
{
    const CharSocket *sock = CHAR_SOCKET(chr);

    return sock->listen_fd >= 0 || sock->reconnect;
}

static bool socket_has_protocol(const Chardev *chr)
{
    const CharSocket *sock = CHAR_SOCKET(chr);

    return speaks_telnet(sock) || sock->websocket;
}

static bool socket_complete(Object *obj, GError **errp)
{
    CharSocket *sock = CHAR_SOCKET(obj);
    Opening opening = { .sock = sock, .fd = -1 };
    int fd;

    if (!socket_place_check(&sock->place, errp) || !check_protocol(sock, errp)) {
        return false;
    }
    if (sock->reconnect) {
        sock->attempt = socket_attempt_start(&sock->place, attempt_done, sock);
        return true;
    }
    fd = run_opening(open_place, &opening, errp);
    if (fd < 0) {
        return false;
    }
    if (opening.port) {
        g_free(sock->place.port);
        sock->place.port = opening.port;
    }
    if (!sock->place.server) {
        socket_use(sock, fd);
        return true;
    }
    sock->listen_fd = fd;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    remember_path(sock);
    if (!sock->wait) {
        socket_listen(sock);
        return true;
    }
    fd = run_waiting(&opening, errp);
    if (fd < 0) {
        return false;
    }
    socket_use(sock, fd);
    return true;
}

/* ---- the type ---- */

static void socket_init(Object *obj)
{
    CharSocket *sock = CHAR_SOCKET(obj);

    sock->listen_fd = sock->client_fd = sock->passed_fd = sock->yank_fd = -1;
}

static void remove_path(CharSocket *sock)
{
    struct stat st;

    if (sock->bound_path && lstat(sock->bound_path, &st) == 0 && st.st_dev == sock->bound_dev &&
        st.st_ino == sock->bound_ino) {
        unlink(sock->bound_path);
    }
    g_clear_pointer(&sock->bound_path, g_free);
}

static void socket_finalize(Object *obj)
{
    CharSocket *sock = CHAR_SOCKET(obj);

    if (sock->attempt) {
        socket_attempt_cancel(sock->attempt);
    }
    forget_request(sock);
    chardev_source_end(&sock->reconnect_source);
    chardev_source_end(&sock->listen_source);
    close_fd(&sock->client_fd);
    close_fd(&sock->passed_fd);
    remove_path(sock);
    close_fd(&sock->listen_fd);
}

static void socket_cleanup(Chardev *chr)
{
    remove_path(CHAR_SOCKET(chr));
}

/* " <-> HOST:PORT" of a TCP client, or "". */
static char *describe_peer(const CharSocket *sock)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (sock->client_fd < 0 || getpeername(sock->client_fd, (struct sockaddr *)&addr, &len) < 0 ||
        (addr.ss_family != AF_INET && addr.ss_family != AF_INET6) ||
        getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV)) {
        return g_strdup("");
    }
    return g_strdup_printf(addr.ss_family == AF_INET6 ? " <-> [%s]:%s" : " <-> %s:%s", host, port);
}

static char *socket_filename(const Chardev *chr)
{
    const CharSocket *sock = CHAR_SOCKET(chr);
    g_autofree char *where = describe(sock), *peer = describe_peer(sock);

    return g_strconcat(chr->connected ? "" : "disconnected:", where,
                       sock->place.server ? ",server=on" : "", chr->connected ? peer : "", NULL);
}

/* The hang-up that the main loop sees next does the rest. */
static void socket_yank(Chardev *chr)
{
    CharSocket *sock = CHAR_SOCKET(chr);

    if (sock->yank_fd >= 0) {
        eventfd_write(sock->yank_fd, 1);
    }
    if (sock->client_fd >= 0) {
        shutdown(sock->client_fd, SHUT_RDWR);
    }
}

/* Options that say the opposite of another: "nowait", "nowait=on" is the old spelling of wait=off.
 */
static bool opposite_set(Object *obj, const Property *prop, struct json_object *value,
                         GError **errp)
{
    G_STRUCT_MEMBER(bool, obj, prop->offset) = !json_object_get_boolean(value);
    return true;
}

static struct json_object *opposite_get(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_boolean(!G_STRUCT_MEMBER(bool, obj, prop->offset));
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
#define OPPOSITE(n, field, opposite)                                                              \
    {                                                                                             \
        .name = n, .kind = PROP_BOOL, .offset = offsetof(CharSocket, field), .get = opposite_get, \
        .set = opposite_set, .description = "the opposite of " opposite                           \
    }

static const Property socket_properties[] = {
    STRING("path", place.path, "unix socket"),
    STRING("host", place.host, "TCP: name or address; empty is every one of ours"),
    STRING("port", place.port, "TCP, vsock: port number"),
    STRING("cid", place.cid, "vsock: number of the machine"),
    STRING("fd", place.fd, "number of a socket that was inherited"),
    BOOL("server", place.server, false, "listen, instead of connecting"),
    BOOL("wait", wait, true, "server: the machine starts when a client is there"),
    OPPOSITE("nowait", wait, "wait"),
    { .name = "reconnect",
      .kind = PROP_UINT32,
      .offset = offsetof(CharSocket, reconnect),
      .has_default = true,
      .description = "seconds until we connect again; 0 is never" },
    BOOL("telnet", telnet, false, "speak the telnet protocol"),
    BOOL("tn3270", tn3270, false, "speak telnet as 3270 terminals do"),
    BOOL("websocket", websocket, false, "server: speak the WebSocket protocol"),
    STRING("tls-creds", tls_creds, "id of TLS credentials, of which there are none"),
    STRING("tls-authz", tls_authz, "id of a TLS authorization, of which there are none"),
    BOOL("nodelay", place.nodelay, false, "TCP: send small pieces at once"),
    OPPOSITE("delay", place.nodelay, "nodelay"),
    BOOL("keep-alive", place.keep_alive, false, "TCP: notice that the other end has gone"),
    BOOL("mptcp", place.mptcp, false, "TCP: use several paths (RFC 8684)"),
    BOOL("numeric", place.numeric, false, "TCP: host is an address, do not look up names"),
    ON_OFF_AUTO("ipv4", place.ipv4, "TCP: use IPv4"),
    ON_OFF_AUTO("ipv6", place.ipv6, "TCP: use IPv6"),
    { .name = "to",
      .kind = PROP_UINT16,
      .offset = offsetof(CharSocket, place.to),
      .has_default = true,
      .description = "TCP server: if port is taken, try those up to this" },
    BOOL("abstract", place.abstract, false, "unix: path is a name in the abstract namespace"),
    BOOL("tight", place.tight, true, "unix, abstract: the name is not padded with zeros"),
    { NULL },
};

static const ChardevOps socket_ops = {
    .read = socket_read,
    .encode = socket_encode,
    .take_fd = socket_take_fd,
    .filename = socket_filename,
    .yank = socket_yank,
    .wait_connected = socket_wait_connected,
    .can_reconnect = socket_can_reconnect,
    .has_protocol = socket_has_protocol,
    .hangup = socket_hangup,
    .cleanup = socket_cleanup,
};

static const ObjectType socket_type = {
    .name = "chardev-socket",
    .parent = TYPE_CHARDEV,
    .description = "unix, TCP or vsock socket",
    .instance_size = sizeof(CharSocket),
    .properties = socket_properties,
    .ops = &socket_ops,
    .init = socket_init,
    .finalize = socket_finalize,
    .complete = socket_complete,
};
OBJECT_TYPE_REGISTER(socket_type)

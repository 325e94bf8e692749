/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev socket: one client at a time on a unix, TCP or vsock socket, which we listen on
 * (server=on), or connect to (again and again with reconnect=), or get as a descriptor (fd=). What
 * is on the wire are the bytes themselves, telnet or WebSocket; or each of them within TLS.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chardev/char-socket.h"
#include "chardev/chardev.h"
#include "chardev/passed-fd.h"
#include "util/error.h"

#define HANDSHAKE_SECONDS 10   /* then a WebSocket client that did not ask makes room for others */
#define LAST_MS           1000 /* at the end of the program, for a client of TLS to take the rest */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
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
    ssize_t n = passed_fd_receive(sock->client_fd, buf, len, &sock->passed_fd);
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

/* What went wrong in it is said once, until there is a connection again. */
static void complain(CharSocket *sock, const GError *err)
{
    if (err && !sock->complained) {
        sock->complained = true;
        error_warn("chardev '%s': %s", sock->parent.parent.name, err->message);
    }
}

static void forget_tls(CharSocket *sock)
{
    g_autoptr(GError) err = sock->tls ? tls_relay_error(sock->tls) : NULL;

    complain(sock, err);
    g_clear_pointer(&sock->tls, tls_relay_unref);
}

static void socket_hangup(Chardev *chr)
{
    CharSocket *sock = CHAR_SOCKET(chr);

    forget_request(sock);
    chardev_disconnected(chr);
    close_fd(&sock->client_fd);
    forget_tls(sock);
    close_fd(&sock->passed_fd);
    char_socket_listen(sock);
    char_socket_reconnect(sock);
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

/* Both ends understand each other. */
static void begin_protocol(CharSocket *sock, int fd)
{
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

static void tls_done(void *opaque, int fd, const GError *err)
{
    g_autoptr(Object) hold = object_ref(opaque);

    if (fd < 0) {
        socket_hangup(CHARDEV(hold));
    } else {
        begin_protocol(CHAR_SOCKET(hold), fd);
    }
}

void char_socket_use(CharSocket *sock, int fd, TlsRelay *tls)
{
    g_autoptr(GError) err = NULL;

    sock->tls = tls;
    socket_place_set_options(&sock->place, tls ? tls_relay_fd(tls) : fd);
    if (!sock->secure || tls) {
        begin_protocol(sock, fd);
        return;
    }
    sock->tls = tls_relay_new(sock->secure, fd, TLS_RELAY_WAIT_MS, tls_done, sock, &err);
    if (!sock->tls) {
        complain(sock, err);
        socket_hangup(CHARDEV(sock));
    }
}

static gboolean listen_again(gpointer opaque)
{
    CharSocket *sock = opaque;

    chardev_source_end(&sock->listen_source);
    char_socket_listen(sock);
    return G_SOURCE_REMOVE;
}

static gboolean socket_accept(gint fd, GIOCondition condition, gpointer opaque)
{
    CharSocket *sock = opaque;
    bool wait;
    int client = char_socket_accept(sock, &wait);

    if (client < 0) {
        if (!wait) {
            return G_SOURCE_CONTINUE; /* it went away again */
        }
        chardev_source_end(&sock->listen_source);
        sock->listen_source = chardev_timeout_source(CHAR_SOCKET_AGAIN, listen_again, sock);
        return G_SOURCE_REMOVE;
    }
    chardev_source_end(&sock->listen_source); /* others wait their turn in the backlog */
    char_socket_use(sock, client, NULL);
    return G_SOURCE_REMOVE;
}

void char_socket_listen(CharSocket *sock)
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
        char_socket_use(sock, fd, NULL);
        return;
    }
    if (!sock->complained) {
        sock->complained = true;
        error_warn("chardev '%s': %s; trying again every %u s", sock->parent.parent.name,
                   err->message, sock->reconnect);
    }
    char_socket_reconnect(sock);
}

static gboolean reconnect_now(gpointer opaque)
{
    CharSocket *sock = opaque;

    chardev_source_end(&sock->reconnect_source);
    sock->attempt = socket_attempt_start(&sock->place, attempt_done, sock);
    return G_SOURCE_REMOVE;
}

void char_socket_reconnect(CharSocket *sock)
{
    if (sock->reconnect && !sock->reconnect_source) {
        guint ms = MIN(sock->reconnect, G_MAXUINT / 1000) * 1000;

        sock->reconnect_source = chardev_timeout_source(ms, reconnect_now, sock);
    }
}

/* ---- opening ---- */

static bool check_protocol(const CharSocket *sock, GError **errp)
{
    if (sock->tls_authz && !sock->tls_creds) {
        error_set(errp, "tls-authz=%s needs tls-creds: without TLS clients have no names",
                  sock->tls_authz);
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

static bool set_up_tls(CharSocket *sock, GError **errp)
{
    const TlsSetupOptions options = {
        .creds = sock->tls_creds,
        .server = sock->place.server,
        .authz = sock->tls_authz,
        .hostname = sock->place.server ? NULL : sock->place.host,
    };

    sock->secure = sock->tls_creds ? tls_setup_new(&options, errp) : NULL;
    return sock->secure || !sock->tls_creds;
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

static bool socket_can_reconnect(const Chardev *chr)
{
    const CharSocket *sock = CHAR_SOCKET(chr);

    return sock->listen_fd >= 0 || sock->reconnect;
}

static bool socket_has_protocol(const Chardev *chr)
{
    const CharSocket *sock = CHAR_SOCKET(chr);

    return speaks_telnet(sock) || sock->websocket || sock->secure;
}

static bool socket_complete(Object *obj, GError **errp)
{
    CharSocket *sock = CHAR_SOCKET(obj);

    if (!socket_place_check(&sock->place, errp) || !check_protocol(sock, errp) ||
        !set_up_tls(sock, errp)) {
        return false;
    }
    if (sock->reconnect) {
        sock->attempt = socket_attempt_start(&sock->place, attempt_done, sock);
        return true;
    }
    if (!char_socket_open(sock, errp)) {
        return false;
    }
    if (sock->place.server) {
        remember_path(sock);
    }
    if (sock->place.server && sock->wait) {
        return char_socket_wait_client(sock, errp);
    }
    char_socket_listen(sock);
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
    g_clear_pointer(&sock->tls, tls_relay_unref);
    tls_setup_unref(sock->secure);
    remove_path(sock);
    close_fd(&sock->listen_fd);
}

/* What was written to TLS last is still to go. */
static void socket_cleanup(Chardev *chr)
{
    CharSocket *sock = CHAR_SOCKET(chr);

    remove_path(sock);
    if (sock->tls && sock->client_fd >= 0) {
        shutdown(sock->client_fd, SHUT_WR);
        tls_relay_linger(sock->tls, LAST_MS);
    }
}

static char *socket_filename(const Chardev *chr)
{
    const CharSocket *sock = CHAR_SOCKET(chr);
    g_autofree char *where = char_socket_describe(sock),
                    *peer = socket_place_describe_peer(sock->tls ? tls_relay_fd(sock->tls)
                                                                 : sock->client_fd);

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
    if (sock->tls) {
        tls_relay_stop(sock->tls);
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
    STRING("tls-creds", tls_creds, "id of TLS credentials"),
    STRING("tls-authz", tls_authz, "server: id of an authorization: who may be a client"),
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
    .wait_connected = char_socket_wait_connected,
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/nbd-server.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "block/nbd-connection.h"
#include "chardev/socket-place.h"
#include "util/error.h"
#include "util/units.h"

#define HANDSHAKE_SECONDS 10
#define PAUSE_MS          1000       /* where the host has no descriptors left */
#define MAX_OUT           (64 * KIB) /* bytes that wait to be sent: nothing is read meanwhile */
#define BACKLOG           16
#define STEPS             16 /* of one connection before another has its turn */

typedef struct NbdPiece {
    const uint8_t *data;
    size_t len;
    GDestroyNotify free_fn;
    void *opaque;
} NbdPiece;

typedef struct NbdServer {
    Loop *loop;
    int fd;
    unsigned max;
    char *path;
    TlsSetup *tls; /* NULL: none */
    /* The loop's: */
    GSource *watch; /* NULL: it does not listen now */
    GSource *pause;
    GPtrArray *fresh; /* of NbdConnection in their handshake, borrowed */
    bool said;
    _Atomic bool stops;
    _Atomic unsigned connections;
} NbdServer;

static NbdServer *server;
static void (*on_disconnect)(bool used);

/* ---- the life of a connection ---- */

NbdConnection *nbd_connection_ref(NbdConnection *c)
{
    g_atomic_ref_count_inc(&c->refs);
    return c;
}

void nbd_connection_unref(NbdConnection *c)
{
    if (g_atomic_ref_count_dec(&c->refs)) {
        g_mutex_clear(&c->mutex);
        g_clear_pointer(&c->export, block_export_unref);
        g_clear_pointer(&c->contexts_of, block_export_unref);
        g_free(c->option);
        g_free(c);
    }
}

static void piece_free(void *data)
{
    NbdPiece *piece = data;

    piece->free_fn(piece->opaque);
    g_free(piece);
}

static void end_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void listen_again(void *opaque);

/* It is in no list. */
static void drop(NbdConnection *c)
{
    end_source(&c->source);
    end_source(&c->deadline);
    close(c->fd);
    c->fd = -1;
    c->want = 0;
    g_clear_pointer(&c->tls, gnutls_deinit);
    g_queue_clear_full(&c->out, piece_free);
    server->connections--;
    if (!server->stops) {
        loop_call(server->loop, listen_again, server);
    }
    if (on_disconnect) {
        on_disconnect(c->export != NULL);
    }
    nbd_connection_unref(c);
}

void nbd_connection_close(NbdConnection *c)
{
    if (c->fd < 0) {
        return;
    }
    if (c->export) {
        g_ptr_array_remove(c->export->connections, c);
        c->export->users--;
        nbd_requests_forget(c);
    } else {
        g_ptr_array_remove(server->fresh, c);
    }
    if (c->entered) {
        c->entered->users--;
        block_export_unref(g_steal_pointer(&c->entered));
    }
    drop(c);
}

/* ---- bytes ---- */

void nbd_connection_expect(NbdConnection *c, void *in, size_t want, NbdStep *step)
{
    c->in = in;
    c->want = want;
    c->have = 0;
    c->step = step;
}

void nbd_connection_send_shared(NbdConnection *c, const void *data, size_t len,
                                GDestroyNotify free_fn, void *opaque)
{
    NbdPiece *piece = g_new(NbdPiece, 1);

    *piece = (NbdPiece){ data, len, free_fn, opaque };
    g_queue_push_tail(&c->out, piece);
    c->out_bytes += len;
}

void nbd_connection_send(NbdConnection *c, void *data, size_t len)
{
    nbd_connection_send_shared(c, data, len, g_free, data);
}

/* As send(): what of @piece is left, or some of it. */
static ssize_t put(NbdConnection *c, const NbdPiece *piece)
{
    size_t left = piece->len - c->sent;
    int more = c->out_bytes > left ? MSG_MORE : 0;
    ssize_t n;

    if (!left) { /* it only says that something is over */
        return 0;
    }
    if (!c->secure) {
        return send(c->fd, piece->data + c->sent, left, MSG_NOSIGNAL | MSG_DONTWAIT | more);
    }
    n = gnutls_record_send(c->tls, piece->data + c->sent, left);
    errno = n < 0 && !gnutls_error_is_fatal((int)n) ? EAGAIN : EIO;
    return n;
}

/* As recv(). */
static ssize_t get(NbdConnection *c)
{
    uint8_t *at = c->in + c->have;
    ssize_t n;

    if (!c->secure) {
        return recv(c->fd, at, c->want - c->have, MSG_DONTWAIT);
    }
    n = gnutls_record_recv(c->tls, at, c->want - c->have);
    errno = n < 0 && !gnutls_error_is_fatal((int)n) ? EAGAIN : EIO;
    return n;
}

/* False: the connection is lost. */
static bool write_some(NbdConnection *c)
{
    NbdPiece *piece;

    while ((piece = g_queue_peek_head(&c->out))) {
        ssize_t n = put(c, piece);

        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        c->sent += (size_t)n;
        c->out_bytes -= (size_t)n;
        if (c->sent == piece->len) {
            g_queue_pop_head(&c->out);
            c->sent = 0;
            piece_free(piece);
        }
    }
    return true;
}

static bool may_read(const NbdConnection *c)
{
    return c->want && !c->last && !c->tls == !c->secure && c->out_bytes <= MAX_OUT &&
           (!c->export || c->have || c->incoming || nbd_requests_have_room(c));
}

/* False: the connection is lost. */
static bool read_some(NbdConnection *c, bool *more)
{
    ssize_t n = get(c);

    *more = n > 0;
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    c->have += (size_t)n;
    if (c->have == c->want) {
        c->want = 0;
        c->step(c);
    }
    return true;
}

/* ---- TLS ---- */

bool nbd_connection_needs_tls(const NbdConnection *c)
{
    return server->tls && !c->secure;
}

bool nbd_connection_start_tls(NbdConnection *c)
{
    c->tls = tls_setup_session(server->tls, c->fd, NULL);
    return c->tls;
}

static bool agrees(NbdConnection *c)
{
    return c->tls && !c->secure && g_queue_is_empty(&c->out);
}

/* False: the two sides do not agree. */
static bool agree(NbdConnection *c)
{
    int ret = gnutls_handshake(c->tls);
    g_autoptr(GError) err = NULL;

    if (ret < 0) {
        return !gnutls_error_is_fatal(ret);
    }
    c->secure = tls_setup_authorize(server->tls, c->tls, &err);
    if (!c->secure) {
        error_warn("NBD: %s", err->message);
    }
    return c->secure;
}

static void set_conditions(NbdConnection *c)
{
    bool read = may_read(c), write = !g_queue_is_empty(&c->out);

    if (agrees(c)) {
        write = gnutls_record_get_direction(c->tls);
        read = !write;
    }
    if (c->source) {
        g_source_modify_unix_fd(c->source, c->tag, (read ? G_IO_IN : 0) | (write ? G_IO_OUT : 0));
        /* What GnuTLS has is not seen at the descriptor. */
        g_source_set_ready_time(c->source,
                                c->secure && read && gnutls_record_check_pending(c->tls) ? 0 : -1);
    }
}

static void leave(NbdConnection *c);

void nbd_connection_go_on(NbdConnection *c)
{
    bool ok = c->fd >= 0, more = true;

    nbd_connection_ref(c);
    for (unsigned i = 0; ok && more && !c->entered && i < STEPS; i++) {
        ok = write_some(c) && (!agrees(c) || agree(c));
        if (ok && agrees(c)) {
            break; /* the other side has its turn */
        }
        more = ok && may_read(c);
        ok = ok && (!more || read_some(c, &more)) && c->fd >= 0;
    }
    ok = ok && (agrees(c) || write_some(c)) && !(c->last && g_queue_is_empty(&c->out));
    if (ok && c->entered) {
        leave(c);
    } else if (ok) {
        set_conditions(c);
    } else {
        nbd_connection_close(c);
    }
    nbd_connection_unref(c);
}

/* ---- its source ---- */

typedef struct ConnectionSource {
    GSource parent;
    NbdConnection *connection;
} ConnectionSource;

static gboolean source_dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
    NbdConnection *c = ((ConnectionSource *)source)->connection;

    /* A client that has gone is heard of also while nothing is to be read or written. */
    if (g_source_query_unix_fd(source, c->tag) & (G_IO_HUP | G_IO_ERR) && !may_read(c) &&
        g_queue_is_empty(&c->out)) {
        nbd_connection_close(c);
    } else {
        nbd_connection_go_on(c);
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = { .dispatch = source_dispatch };

/* In c->loop. */
static void watch(NbdConnection *c)
{
    c->source = g_source_new(&source_funcs, sizeof(ConnectionSource));
    ((ConnectionSource *)c->source)->connection = c;
    g_source_set_name(c->source, "NBD client");
    c->tag = g_source_add_unix_fd(c->source, c->fd, G_IO_IN);
    loop_attach(c->loop, c->source);
    nbd_connection_go_on(c);
}

/* ---- from the server's loop to that of its export ---- */

/* In the latter. */
static void arrive(void *opaque)
{
    NbdConnection *c = opaque;

    if (c->export->removed) {
        c->export->users--;
        drop(c);
        return;
    }
    g_ptr_array_add(c->export->connections, c);
    nbd_requests_begin(c);
    watch(c);
}

void nbd_connection_enter(NbdConnection *c, BlockExport *export)
{
    c->entered = export;
    export->users++; /* from when the client is told on */
}

/* Nobody touches it here any more. */
static void leave(NbdConnection *c)
{
    end_source(&c->deadline);
    end_source(&c->source);
    g_ptr_array_remove(server->fresh, c);
    c->export = g_steal_pointer(&c->entered);
    c->loop = c->export->loop;
    loop_call(c->loop, arrive, c);
}

/* ---- listening; the loop ---- */

static gboolean too_late(gpointer opaque)
{
    nbd_connection_close(opaque);
    return G_SOURCE_REMOVE;
}

static void begin(int fd)
{
    NbdConnection *c = g_new0(NbdConnection, 1);
    const int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* unix sockets have no delay */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    g_atomic_ref_count_init(&c->refs);
    g_mutex_init(&c->mutex);
    g_queue_init(&c->out);
    g_queue_init(&c->ended);
    c->fd = fd;
    c->loop = server->loop;
    g_ptr_array_add(server->fresh, c);
    server->connections++;
    c->deadline = g_timeout_source_new_seconds(HANDSHAKE_SECONDS);
    g_source_set_callback(c->deadline, too_late, c, NULL);
    loop_attach(c->loop, c->deadline);
    nbd_options_begin(c);
    watch(c);
}

static gboolean pause_is_over(gpointer opaque)
{
    end_source(&server->pause);
    listen_again(server);
    return G_SOURCE_REMOVE;
}

static gboolean on_client(gint fd, GIOCondition condition, gpointer opaque)
{
    bool wait;
    int client = socket_place_accept(fd, "the NBD server at", server->path ? server->path : "TCP",
                                     &server->said, &wait);

    if (client >= 0) {
        begin(client);
    }
    if (wait || server->connections >= server->max) {
        end_source(&server->watch);
    }
    if (wait) {
        server->pause = g_timeout_source_new(PAUSE_MS);
        g_source_set_callback(server->pause, pause_is_over, NULL, NULL);
        loop_attach(server->loop, server->pause);
    }
    return G_SOURCE_CONTINUE;
}

static void listen_again(void *opaque)
{
    if (server->watch || server->pause || server->stops || server->connections >= server->max) {
        return;
    }
    server->watch = g_unix_fd_source_new(server->fd, G_IO_IN);
    g_source_set_callback(server->watch, G_SOURCE_FUNC(on_client), NULL, NULL);
    loop_attach(server->loop, server->watch);
}

/* ---- the server ---- */

bool nbd_server_start(int fd, unsigned max, const char *path, TlsSetup *tls, GError **errp)
{
    Loop *loop = NULL;

    if (server) {
        error_set(errp, "there is an NBD server already; nbd-server-stop ends it");
    } else {
        loop = loop_new("NBD server", errp);
    }
    if (!loop || !g_unix_set_fd_nonblocking(fd, TRUE, errp)) {
        loop_free(loop);
        close(fd);
        tls_setup_unref(tls);
        return false;
    }
    listen(fd, BACKLOG); /* whoever made it may have thought of a single client */
    server = g_new0(NbdServer, 1);
    server->loop = loop;
    server->fd = fd;
    server->max = max ? max : NBD_DEFAULT_CONNECTIONS;
    server->path = g_strdup(path);
    server->tls = tls;
    server->fresh = g_ptr_array_new();
    return true;
}

void nbd_server_accept(void)
{
    loop_run(server->loop, listen_again, server);
}

static void begin_given(void *opaque)
{
    begin(GPOINTER_TO_INT(opaque));
}

void nbd_server_take(int fd)
{
    loop_run(server->loop, begin_given, GINT_TO_POINTER(fd));
}

/* In the loop: nobody comes any more, and those who have not chosen an export go. */
static void stop(void *opaque)
{
    server->stops = true;
    end_source(&server->watch);
    end_source(&server->pause);
    while (server->fresh->len) {
        nbd_connection_close(server->fresh->pdata[server->fresh->len - 1]);
    }
}

bool nbd_server_stop(GError **errp)
{
    NbdServer *s = server;

    if (!s) {
        error_set(errp, "there is no NBD server: start it with nbd-server-start");
        return false;
    }
    loop_run(s->loop, stop, NULL);
    block_export_remove_all();
    loop_free(s->loop);
    close(s->fd);
    if (s->path) {
        unlink(s->path);
    }
    g_ptr_array_unref(s->fresh);
    g_free(s->path);
    tls_setup_unref(s->tls);
    g_free(s);
    server = NULL;
    return true;
}

Loop *nbd_server_loop(void)
{
    return server ? server->loop : NULL;
}

unsigned nbd_server_max(void)
{
    return server->max;
}

unsigned nbd_server_connections(void)
{
    return server ? server->connections : 0;
}

void nbd_server_on_disconnect(void (*fn)(bool used))
{
    on_disconnect = fn;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/tls-relay.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/error.h"
#include "util/main-loop.h"

#define PIECE     16384 /* the most that a record of TLS has */
#define LINGER_MS 1000  /* for the other end to read why it was refused */

/* What was read at one end, and not yet written at the other. */
typedef struct Piece {
    uint8_t data[PIECE];
    size_t at, end;
} Piece;

struct TlsRelay {
    gint refs;       /* atomic: the owner's, the thread's, and that of a call of the main loop */
    TlsSetup *setup; /* NULL: the handshake is over */
    int fd;          /* the other end's */
    int wait_ms;
    bool tells;     /* there was an fn at the beginning */
    TlsRelayFn *fn; /* the main loop's, as is opaque */
    void *opaque;

    GMutex lock; /* of what follows */
    GCond changed;
    bool shaken, ended; /* the handshake is over; so is everything */
    bool stopped;
    int user; /* the descriptor for who uses it, until he takes it; -1 */
    GError *err;

    /* the thread's */
    gnutls_session_t session;
    int plain;     /* its end of the plain socket */
    Piece in, out; /* from the other end, and to it */
    bool hung_up;  /* the user has closed his end: what he wrote before is left */
};

static void relay_unref(TlsRelay *relay)
{
    if (!g_atomic_int_dec_and_test(&relay->refs)) {
        return;
    }
    if (relay->session) {
        gnutls_deinit(relay->session);
    }
    if (relay->user >= 0) {
        close(relay->user);
    }
    close(relay->fd);
    g_clear_error(&relay->err);
    tls_setup_unref(relay->setup);
    g_mutex_clear(&relay->lock);
    g_cond_clear(&relay->changed);
    g_free(relay);
}

/* Takes @err; the first one counts. */
static void fail(TlsRelay *relay, GError *err)
{
    g_mutex_lock(&relay->lock);
    if (relay->err) {
        g_error_free(err);
    } else {
        relay->err = err;
    }
    g_mutex_unlock(&relay->lock);
}

static void fail_by(TlsRelay *relay, int code)
{
    GError *err = NULL;

    tls_setup_explain(relay->session, code, &err);
    fail(relay, err);
}

/* ---- the handshake ---- */

static bool is_stopped(TlsRelay *relay)
{
    g_mutex_lock(&relay->lock);
    bool stopped = relay->stopped;
    g_mutex_unlock(&relay->lock);
    return stopped;
}

static bool shake_hands(TlsRelay *relay, GError **errp)
{
    int64_t end = g_get_monotonic_time() + relay->wait_ms * INT64_C(1000);
    int ret;

    while ((ret = gnutls_handshake(relay->session)) < 0 && !gnutls_error_is_fatal(ret)) {
        struct pollfd fd = { .fd = relay->fd,
                             .events =
                                 gnutls_record_get_direction(relay->session) ? POLLOUT : POLLIN };
        int64_t left = (end - g_get_monotonic_time()) / 1000;

        if (is_stopped(relay)) {
            error_set(errp, "TLS: it was broken off");
            return false;
        }
        if (left <= 0 || (poll(&fd, 1, (int)left) < 0 && errno != EINTR)) {
            error_set(errp, "TLS: the other end did not shake hands within %d ms", relay->wait_ms);
            return false;
        }
    }
    if (ret < 0) {
        (void)gnutls_alert_send_appropriate(relay->session, ret);
        tls_setup_explain(relay->session, ret, errp);
    }
    return ret == GNUTLS_E_SUCCESS;
}

/* It is told why: what it has sent meanwhile must not make the kernel throw that away. */
static void linger(TlsRelay *relay)
{
    int64_t end = g_get_monotonic_time() + LINGER_MS * INT64_C(1000), left;
    struct pollfd fd = { .fd = relay->fd, .events = POLLIN };

    shutdown(relay->fd, SHUT_WR);
    while ((left = (end - g_get_monotonic_time()) / 1000) > 0 && poll(&fd, 1, (int)left) > 0 &&
           recv(relay->fd, relay->in.data, PIECE, 0) > 0) {
    }
}

static bool agree(TlsRelay *relay, GError **errp)
{
    int ends[2];

    relay->session = tls_setup_session(relay->setup, relay->fd, errp);
    if (!relay->session) {
        return false;
    }
    if (!shake_hands(relay, errp) || !tls_setup_authorize(relay->setup, relay->session, errp)) {
        return false;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        error_set_errno(errp, errno, "TLS: no descriptors");
        return false;
    }
    relay->plain = ends[0];
    g_mutex_lock(&relay->lock);
    relay->user = ends[1];
    g_mutex_unlock(&relay->lock);
    return true;
}

/* ---- carrying ---- */

static bool is_empty(const Piece *piece)
{
    return piece->at == piece->end;
}

/* Each: false, if that end says nothing more, or takes no more. */

static bool read_other(TlsRelay *relay)
{
    ssize_t n = gnutls_record_recv(relay->session, relay->in.data, PIECE);

    if (n > 0) {
        relay->in.at = 0;
        relay->in.end = (size_t)n;
    } else if (n == GNUTLS_E_PREMATURE_TERMINATION || n == GNUTLS_E_PULL_ERROR) {
        return false; /* many programs end like that; whether all was there the user has to know */
    } else if (n < 0 && gnutls_error_is_fatal((int)n)) {
        fail_by(relay, (int)n);
        return false;
    }
    return n != 0;
}

static bool write_other(TlsRelay *relay)
{
    ssize_t n = gnutls_record_send(relay->session, relay->out.data + relay->out.at,
                                   relay->out.end - relay->out.at);

    if (n > 0) {
        relay->out.at += (size_t)n;
    } else if (gnutls_error_is_fatal((int)n)) {
        fail_by(relay, (int)n);
        return false;
    }
    return true;
}

static bool read_plain(TlsRelay *relay)
{
    ssize_t n = recv(relay->plain, relay->out.data, PIECE, 0);

    if (n > 0) {
        relay->out.at = 0;
        relay->out.end = (size_t)n;
    }
    return n > 0 || (n < 0 && errno == EAGAIN && !relay->hung_up);
}

static void write_plain(TlsRelay *relay)
{
    ssize_t n = send(relay->plain, relay->in.data + relay->in.at, relay->in.end - relay->in.at,
                     MSG_NOSIGNAL);

    if (n > 0) {
        relay->in.at += (size_t)n;
    } else if (n < 0 && errno != EAGAIN) {
        relay->hung_up = true;
    }
}

static bool carry(TlsRelay *relay)
{
    if (!relay->hung_up && is_empty(&relay->in) && !read_other(relay)) {
        return false;
    }
    if (!relay->hung_up && !is_empty(&relay->in)) {
        write_plain(relay);
    }
    if (is_empty(&relay->out) && !read_plain(relay)) {
        return false;
    }
    return is_empty(&relay->out) || write_other(relay);
}

/* An end of which nothing is wanted is left out: that it hung up would be told again and again. */
static struct pollfd watched(int fd, int events)
{
    return (struct pollfd){ .fd = events ? fd : -1, .events = (short)events };
}

/* Until there may be something to do. False: the user hung up, and the other end does not take the
 * rest for so long. */
static bool wait_for_either(TlsRelay *relay)
{
    bool in = !is_empty(&relay->in), out = !is_empty(&relay->out);
    struct pollfd fds[] = {
        watched(relay->fd, (in || relay->hung_up ? 0 : POLLIN) | (out ? POLLOUT : 0)),
        { .fd = relay->hung_up ? -1 : relay->plain,
          .events = (short)((out ? 0 : POLLIN) | (in ? POLLOUT : 0)) },
    };

    /* The rest of what the user wrote is there to be read, or its end; or decrypted already. */
    if (relay->hung_up ? !out : !in && gnutls_record_check_pending(relay->session)) {
        return true;
    }
    int rc = poll(fds, G_N_ELEMENTS(fds), relay->hung_up ? relay->wait_ms : -1);
    if (rc > 0 && fds[1].revents & POLLHUP) {
        relay->hung_up = true;
    }
    if (rc == 0) {
        fail(relay, g_error_new(error_quark(), ERROR_CLASS_GENERIC,
                                "TLS: the other end does not take what was sent last"));
    }
    return rc > 0 || (rc < 0 && errno == EINTR);
}

/* shutdown() does not wake who waits in select() for room to write; room does. */
static void end_plain(TlsRelay *relay)
{
    bool lost = !is_empty(&relay->out);

    shutdown(relay->plain, SHUT_RDWR);
    while (recv(relay->plain, relay->out.data, PIECE, 0) > 0) {
        lost = true;
    }
    close(relay->plain);
    if (lost) {
        fail(relay, g_error_new(error_quark(), ERROR_CLASS_GENERIC,
                                "TLS: the other end has gone before it had everything"));
    }
}

/* ---- the thread ---- */

static void tell(void *opaque)
{
    TlsRelay *relay = opaque;

    if (relay->fn) {
        g_mutex_lock(&relay->lock);
        int fd = relay->user;
        relay->user = -1;
        g_autoptr(GError) err = fd < 0 ? g_error_copy(relay->err) : NULL;
        g_mutex_unlock(&relay->lock);
        relay->fn(relay->opaque, fd, err);
    }
    relay_unref(relay);
}

static void set_shaken(TlsRelay *relay)
{
    g_mutex_lock(&relay->lock);
    relay->shaken = true;
    g_cond_broadcast(&relay->changed);
    g_mutex_unlock(&relay->lock);
}

static atomic_uint running; /* threads */

static gpointer relay_thread(gpointer opaque)
{
    TlsRelay *relay = opaque;
    GError *err = NULL;
    bool agreed = agree(relay, &err);

    if (relay->session) {
        gnutls_credentials_clear(relay->session); /* nobody shakes hands twice */
    }
    tls_setup_unref(g_steal_pointer(&relay->setup));
    if (!agreed) {
        fail(relay, err);
    }
    if (relay->tells) {
        g_atomic_int_inc(&relay->refs);
        main_loop_schedule(tell, relay);
    }
    set_shaken(relay);
    if (agreed) {
        while (carry(relay) && wait_for_either(relay)) {
        }
        (void)gnutls_bye(relay->session, GNUTLS_SHUT_WR);
        end_plain(relay);
    } else if (relay->session) {
        linger(relay);
    }
    shutdown(relay->fd, SHUT_RDWR);
    g_mutex_lock(&relay->lock);
    relay->ended = true;
    g_cond_broadcast(&relay->changed);
    g_mutex_unlock(&relay->lock);
    relay_unref(relay);
    atomic_fetch_sub(&running, 1); /* the last that this thread does */
    return NULL;
}

/* ---- users ---- */

TlsRelay *tls_relay_new(TlsSetup *setup, int fd, int wait_ms, TlsRelayFn *fn, void *opaque,
                        GError **errp)
{
    TlsRelay *relay = g_new0(TlsRelay, 1);

    relay->refs = 2;
    relay->setup = tls_setup_ref(setup);
    relay->fd = fd;
    relay->wait_ms = wait_ms;
    relay->tells = fn != NULL;
    relay->fn = fn;
    relay->opaque = opaque;
    relay->user = relay->plain = -1;
    g_mutex_init(&relay->lock);
    g_cond_init(&relay->changed);
    atomic_fetch_add(&running, 1);
    GThread *thread = g_thread_try_new("tls", relay_thread, relay, errp);
    if (!thread) {
        atomic_fetch_sub(&running, 1);
        g_prefix_error(errp, "TLS: ");
        relay->refs = 1;
        relay_unref(relay);
        return NULL;
    }
    g_thread_unref(thread);
    return relay;
}

void tls_relay_stop(TlsRelay *relay)
{
    g_mutex_lock(&relay->lock);
    relay->stopped = true;
    g_mutex_unlock(&relay->lock);
    shutdown(relay->fd, SHUT_RDWR);
}

void tls_relay_unref(TlsRelay *relay)
{
    if (!relay) {
        return;
    }
    relay->fn = NULL;
    g_mutex_lock(&relay->lock);
    bool pending = !relay->shaken || relay->user >= 0;
    g_mutex_unlock(&relay->lock);
    if (pending) {
        tls_relay_stop(relay);
    }
    relay_unref(relay);
}

int tls_relay_wait(TlsRelay *relay, GError **errp)
{
    g_mutex_lock(&relay->lock);
    while (!relay->shaken) {
        g_cond_wait(&relay->changed, &relay->lock);
    }
    int fd = relay->user;
    relay->user = -1;
    if (fd < 0) {
        g_propagate_error(errp, g_error_copy(relay->err));
    }
    g_mutex_unlock(&relay->lock);
    return fd;
}

bool tls_relay_join(TlsRelay *relay, GError **errp)
{
    g_mutex_lock(&relay->lock);
    while (!relay->ended) {
        g_cond_wait(&relay->changed, &relay->lock);
    }
    bool ok = !relay->err;
    if (!ok) {
        g_propagate_error(errp, g_error_copy(relay->err));
    }
    g_mutex_unlock(&relay->lock);
    return ok;
}

void tls_relay_linger(TlsRelay *relay, int wait_ms)
{
    int64_t end = g_get_monotonic_time() + wait_ms * INT64_C(1000);

    g_mutex_lock(&relay->lock);
    while (!relay->ended && g_cond_wait_until(&relay->changed, &relay->lock, end)) {
    }
    g_mutex_unlock(&relay->lock);
}

GError *tls_relay_error(TlsRelay *relay)
{
    g_mutex_lock(&relay->lock);
    GError *err = relay->err ? g_error_copy(relay->err) : NULL;
    g_mutex_unlock(&relay->lock);
    return err;
}

int tls_relay_fd(const TlsRelay *relay)
{
    return relay->fd;
}

bool tls_relays_are_over(void)
{
    return atomic_load(&running) == 0;
}

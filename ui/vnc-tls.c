/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/vnc-tls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 16384 /* the most that a record of TLS has */

/* What was read at one end, and not yet written at the other. */
typedef struct Piece {
    uint8_t data[PIECE];
    size_t at, end;
} Piece;

struct VncTls {
    int fd, plain; /* the client's, and this object's end of the plain socket */
    int wait_ms;
    gnutls_session_t session;
    GThread *thread;
    /* its thread */
    Piece in, out; /* from the client, and to it */
    bool hung_up;  /* LibVNCServer has closed its end: what it wrote before is left */
};

static short wanted(const VncTls *tls)
{
    return gnutls_record_get_direction(tls->session) ? POLLOUT : POLLIN;
}

static bool shake_hands(VncTls *tls)
{
    int64_t end = g_get_monotonic_time() + tls->wait_ms * INT64_C(1000);
    int ret;

    while ((ret = gnutls_handshake(tls->session)) < 0 && !gnutls_error_is_fatal(ret)) {
        struct pollfd fd = { .fd = tls->fd, .events = wanted(tls) };
        int64_t left = (end - g_get_monotonic_time()) / 1000;

        if (left <= 0 || (poll(&fd, 1, (int)left) < 0 && errno != EINTR)) {
            return false;
        }
    }
    return ret == GNUTLS_E_SUCCESS;
}

/* ---- carrying, on a thread of its own ---- */

static bool is_empty(const Piece *piece)
{
    return piece->at == piece->end;
}

/* Each: false, if that end says nothing more, or takes no more. */

static bool read_client(VncTls *tls)
{
    ssize_t n = gnutls_record_recv(tls->session, tls->in.data, PIECE);

    if (n > 0) {
        tls->in.at = 0;
        tls->in.end = (size_t)n;
    }
    return n > 0 || (n < 0 && !gnutls_error_is_fatal((int)n));
}

static bool write_client(VncTls *tls)
{
    ssize_t n =
        gnutls_record_send(tls->session, tls->out.data + tls->out.at, tls->out.end - tls->out.at);

    if (n > 0) {
        tls->out.at += (size_t)n;
    }
    return n > 0 || !gnutls_error_is_fatal((int)n);
}

static bool read_plain(VncTls *tls)
{
    ssize_t n = recv(tls->plain, tls->out.data, PIECE, 0);

    if (n > 0) {
        tls->out.at = 0;
        tls->out.end = (size_t)n;
    }
    return n > 0 || (n < 0 && errno == EAGAIN && !tls->hung_up);
}

static void write_plain(VncTls *tls)
{
    ssize_t n = send(tls->plain, tls->in.data + tls->in.at, tls->in.end - tls->in.at, MSG_NOSIGNAL);

    if (n > 0) {
        tls->in.at += (size_t)n;
    } else if (n < 0 && errno != EAGAIN) {
        tls->hung_up = true;
    }
}

static bool carry(VncTls *tls)
{
    if (!tls->hung_up && is_empty(&tls->in) && !read_client(tls)) {
        return false;
    }
    if (!tls->hung_up && !is_empty(&tls->in)) {
        write_plain(tls);
    }
    if (is_empty(&tls->out) && !read_plain(tls)) {
        return false;
    }
    return is_empty(&tls->out) || write_client(tls);
}

/* An end of which nothing is wanted is left out: that it hung up would be told again and again. */
static struct pollfd watched(int fd, int events)
{
    return (struct pollfd){ .fd = events ? fd : -1, .events = (short)events };
}

/* Until there may be something to do. False: LibVNCServer hung up, and the client does not take
 * the rest for so long. */
static bool wait_for_either(VncTls *tls)
{
    bool in = !is_empty(&tls->in), out = !is_empty(&tls->out);
    struct pollfd fds[] = {
        watched(tls->fd, (in || tls->hung_up ? 0 : POLLIN) | (out ? POLLOUT : 0)),
        { .fd = tls->hung_up ? -1 : tls->plain,
          .events = (short)((out ? 0 : POLLIN) | (in ? POLLOUT : 0)) },
    };

    /* The rest of what LibVNCServer wrote is there to be read, or its end; or decrypted already. */
    if (tls->hung_up ? !out : !in && gnutls_record_check_pending(tls->session)) {
        return true;
    }
    int rc = poll(fds, G_N_ELEMENTS(fds), tls->hung_up ? tls->wait_ms : -1);
    if (rc > 0 && fds[1].revents & POLLHUP) {
        tls->hung_up = true;
    }
    return rc > 0 || (rc < 0 && errno == EINTR);
}

/* shutdown() does not wake who waits in select() for room to write; room does. */
static void end_plain(VncTls *tls)
{
    shutdown(tls->plain, SHUT_RDWR);
    while (recv(tls->plain, tls->out.data, PIECE, 0) > 0) {
    }
}

static gpointer carry_thread(gpointer opaque)
{
    VncTls *tls = opaque;

    while (carry(tls) && wait_for_either(tls)) {
    }
    (void)gnutls_bye(tls->session, GNUTLS_SHUT_WR);
    end_plain(tls);
    shutdown(tls->fd, SHUT_RDWR);
    return NULL;
}

/* ---- life ---- */

static bool set_up(VncTls *tls, const TlsCreds *creds, int *plain)
{
    int ends[2];

    if (fcntl(tls->fd, F_SETFL, O_NONBLOCK) < 0) {
        return false;
    }
    tls->session = tls_creds_server_session(creds, tls->fd);
    if (!tls->session || !shake_hands(tls) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        return false;
    }
    tls->plain = ends[0];
    *plain = ends[1];
    if (*plain < FD_SETSIZE) { /* LibVNCServer waits by select() */
        tls->thread = g_thread_try_new("vnc-tls", carry_thread, tls, NULL);
    }
    if (!tls->thread) {
        close(*plain);
    }
    return tls->thread;
}

VncTls *vnc_tls_new(const TlsCreds *creds, int fd, int wait_ms, int *plain)
{
    VncTls *tls = g_new0(VncTls, 1);

    tls->fd = fd;
    tls->plain = -1;
    tls->wait_ms = wait_ms;
    if (!set_up(tls, creds, plain)) {
        g_clear_pointer(&tls, vnc_tls_free);
    }
    return tls;
}

void vnc_tls_free(VncTls *tls)
{
    if (!tls) {
        return;
    }
    if (tls->thread) {
        g_thread_join(tls->thread);
    }
    if (tls->session) {
        gnutls_deinit(tls->session);
    }
    if (tls->plain >= 0) {
        close(tls->plain);
    }
    close(tls->fd);
    g_free(tls);
}

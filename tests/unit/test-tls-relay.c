/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLS between the other end and the socket that a user gets: both ends, and how they end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qom/user-object.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "crypto/tls-relay.h"

#define WAIT_MS   20000
#define LEFT_OVER 65536 /* more than goes at once, and less than the socket has room for */

typedef struct Pair {
    TlsSetup *setup;
    TlsRelay *relay;
    int plain; /* the user's end */
    int fd;    /* the client's */
    gnutls_session_t client;
    bool lost; /* not all that was written has gone */
} Pair;

static gpointer shake_hands(gpointer opaque)
{
    const Pair *p = opaque;
    int ret;

    do {
        ret = gnutls_handshake(p->client);
    } while (ret < 0 && !gnutls_error_is_fatal(ret));
    g_assert_cmpint(ret, ==, GNUTLS_E_SUCCESS);
    return NULL;
}

static void set_up(Pair *p, gconstpointer data)
{
    struct json_object *props = json_object_new_object();
    gnutls_anon_client_credentials_t anon;
    const char *at;
    int ends[2];

    json_object_object_add(props, "endpoint", json_object_new_string("server"));
    g_assert_nonnull(user_object_add("tls-creds-anon", "t", props, NULL));
    json_object_put(props);
    p->setup = tls_setup_new(&(TlsSetupOptions){ "t", true, NULL, NULL }, NULL);
    g_assert_nonnull(p->setup);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    p->fd = ends[0];
    /* little room: what the client does not read stays where it was written */
    g_assert_cmpint(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &(int){ 4096 }, sizeof(int)), ==, 0);
    gnutls_anon_allocate_client_credentials(&anon);
    gnutls_init(&p->client, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
    gnutls_priority_set_direct(p->client, "NORMAL:-VERS-ALL:+VERS-TLS1.2:+ANON-ECDH", &at);
    gnutls_credentials_set(p->client, GNUTLS_CRD_ANON, anon);
    gnutls_transport_set_int(p->client, p->fd);
    GThread *thread = g_thread_new("client", shake_hands, p);
    p->relay = tls_relay_new(p->setup, ends[1], WAIT_MS, NULL, NULL, NULL);
    g_assert_nonnull(p->relay);
    p->plain = tls_relay_wait(p->relay, NULL);
    g_thread_join(thread);
    g_assert_cmpint(p->plain, >=, 0);
    gnutls_credentials_clear(p->client);
    gnutls_anon_free_client_credentials(anon);
}

static void tear_down(Pair *p, gconstpointer data)
{
    g_assert_true(tls_relay_join(p->relay, NULL) == !p->lost);
    tls_relay_unref(p->relay);
    gnutls_deinit(p->client);
    tls_setup_unref(p->setup);
    while (!user_object_del("t", NULL)) { /* the thread gives it back by the main loop */
        main_loop_iterate(true);
    }
}

/* What was written before the end goes to a client that is slow, all of it, and the end at once. */
static void test_rest(Pair *p, gconstpointer data)
{
    g_autofree char *rest = g_malloc0(LEFT_OVER), *got = g_malloc(LEFT_OVER);
    ssize_t n, count = 0;

    memset(rest, 'r', LEFT_OVER);
    g_assert_cmpint(write(p->plain, rest, LEFT_OVER), ==, LEFT_OVER);
    g_assert_cmpint(close(p->plain), ==, 0);
    while ((n = gnutls_record_recv(p->client, got, LEFT_OVER)) > 0) {
        count += n;
    }
    g_assert_cmpint(n, ==, 0); /* it says that it is over */
    g_assert_cmpint(count, ==, LEFT_OVER);
    close(p->fd);
}

/* Who waits for room to write, as the library of VNC does, is woken when the client goes. */
static void test_room(Pair *p, gconstpointer data)
{
    static const char piece[4096];
    bool gone = false;

    while (true) {
        ssize_t n = write(p->plain, piece, sizeof(piece));
        fd_set room;

        if (n < 0 && errno != EAGAIN) {
            break;
        }
        if (n < 0 && !gone) {
            gone = true;
            close(p->fd);
        }
        if (n < 0) {
            FD_ZERO(&room);
            FD_SET(p->plain, &room);
            g_assert_cmpint(select(p->plain + 1, NULL, &room, NULL, NULL), ==, 1);
        }
    }
    p->lost = true;
    g_assert_true(gone);
    g_assert_cmpint(errno, ==, EPIPE);
    close(p->plain);
}

/* A client that goes is seen. */
static void test_client_goes(Pair *p, gconstpointer data)
{
    char text[8];

    g_assert_cmpint(gnutls_record_send(p->client, "key", 3), ==, 3);
    gnutls_bye(p->client, GNUTLS_SHUT_WR);
    close(p->fd);
    g_assert_cmpint(fcntl(p->plain, F_SETFL, 0), ==, 0);
    g_assert_cmpint(recv(p->plain, text, sizeof(text), 0), ==, 3);
    g_assert_cmpint(recv(p->plain, text, sizeof(text), 0), ==, 0);
    close(p->plain);
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    signal(SIGPIPE, SIG_IGN);
#define CASE(name, test) g_test_add("/tls-relay/" name, Pair, NULL, set_up, test, tear_down)
    CASE("rest", test_rest);
    CASE("room", test_room);
    CASE("client-goes", test_client_goes);
    return g_test_run();
}

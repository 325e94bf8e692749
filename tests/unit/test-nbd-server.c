/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NBD server: who comes before there is an export waits for it. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "block/nbd-server.h"
#include "util/main-loop.h"

/* A socket that listens at an address without a name, and one that is connected to it. */
static void make_sockets(int *server, int *client)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    socklen_t size = sizeof(addr);

    *server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(*server, (struct sockaddr *)&addr, sizeof(sa_family_t)), ==, 0);
    g_assert_cmpint(listen(*server, 1), ==, 0);
    g_assert_cmpint(getsockname(*server, (struct sockaddr *)&addr, &size), ==, 0);
    g_assert_cmpint(connect(*client, (struct sockaddr *)&addr, size), ==, 0);
}

static void nothing(void *opaque)
{
}

static void test_waits(void)
{
    GError *err = NULL;
    char greeting[8];
    int server, client;

    make_sockets(&server, &client);
    nbd_server_start(server, 0, NULL, NULL, &err);
    g_assert_no_error(err);
    for (unsigned i = 0; i < 100; i++) { /* the loop looks at what there is each time */
        loop_run(nbd_server_loop(), nothing, NULL);
    }
    g_assert_cmpuint(nbd_server_connections(), ==, 0);
    g_assert_cmpint(recv(client, greeting, sizeof(greeting), MSG_DONTWAIT), ==, -1);
    nbd_server_accept();
    g_assert_cmpint(recv(client, greeting, sizeof(greeting), MSG_WAITALL), ==, sizeof(greeting));
    g_assert_cmpint(memcmp(greeting, "NBDMAGIC", sizeof(greeting)), ==, 0);
    close(client);
    nbd_server_stop(&err);
    g_assert_no_error(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/nbd-server/waits", test_waits);
    return g_test_run();
}

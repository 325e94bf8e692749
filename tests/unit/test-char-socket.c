/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket character devices: protocols on the wire, and connecting again. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>

#include "chardev/chardev.h"
#include "tests/unit/client.h"
#include "tests/unit/front.h"
#include "util/main-loop.h"

static void expect_got(Client *client, const char *bytes, size_t len)
{
    client_settle(client);
    g_assert_cmpmem(client->got->str, client->got->len, bytes, len);
    g_string_set_size(client->got, 0);
}

#define EXPECT_GOT(client, text) expect_got(client, text, sizeof(text) - 1)
#define SEND(client, text)       client_send_len(client, text, sizeof(text) - 1)

/* A unix server socket @id with more options in @options, and a client of it. */
static Client server_new(const char *id, const char *options)
{
    static int count;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    g_autofree char *name = g_strdup_printf("test-char-socket-%d-%d", (int)getpid(), count++);
    g_autofree char *text =
        g_strdup_printf("socket,id=%s,path=%s,abstract=on,server=on,wait=off%s", id, name, options);
    Client client = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                      .got = g_string_new(NULL) };
    GError *err = NULL;

    chardev_new_from_opts(text, &err);
    g_assert_no_error(err);
    strcpy(addr.sun_path + 1, name);
    g_assert_cmpint(connect(client.fd, (struct sockaddr *)&addr,
                            offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)),
                    ==, 0);
    fcntl(client.fd, F_SETFL, O_NONBLOCK);
    return client;
}

static void finish(const char *id, Front *front, Client *client)
{
    client_free(client);
    front_free(front);
    client_remove_chardev(id);
}

/* ---- telnet ---- */

static void test_telnet(void)
{
    Client client = server_new("t", ",telnet=on");
    Front *front = front_new("t");

    EXPECT_GOT(&client, "\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00\xff\xfd\x00");
    expect_text(front->events, "O");
    SEND(&client, "a\xff");
    expect_text(front->input, "a");
    SEND(&client, "\xfd\x22");
    SEND(&client, "b\xff\xf3\r\0");
    expect_text(front->input, "b\r");
    expect_text(front->events, "B");
    EXPECT_GOT(&client, "\xff\xfc\x22");
    char_write(&front->fe, "x\xff", 2);
    EXPECT_GOT(&client, "x\xff\xff");
    close(client.fd);
    client.fd = -1;
    client_settle(&client);
    expect_text(front->events, "C");
    finish("t", front, &client);
}

/* A room of one byte is enough. */
static void test_telnet_no_room(void)
{
    Client client = server_new("t", ",telnet=on");
    Front *front = front_new("t");

    front->room = 1;
    SEND(&client, "\xff\xff\xff\xf1\xff\xffz");
    for (int i = 0; i < 3; i++) {
        g_assert_cmpuint(front->input->len, ==, i + 1);
        front->room = 1;
        char_accept_input(&front->fe);
        client_settle(&client);
    }
    expect_text(front->input, "\xff\xffz");
    finish("t", front, &client);
}

/* ---- WebSocket ---- */

#define REQUEST                                                                  \
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

/* Everything arrives byte by byte, and what follows the request at once counts already. */
static void test_websocket(void)
{
    static const char text[] = REQUEST "\x82\x82\0\0\0\0hi";
    Client client = server_new("w", ",websocket=on");
    Front *front = front_new("w");

    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        g_assert_cmpuint(front->events->len, ==, i >= strlen(REQUEST));
        client_send_len(&client, text + i, 1);
    }
    expect_text(front->events, "O");
    expect_text(front->input, "hi");
    g_assert_true(g_str_has_prefix(client.got->str, "HTTP/1.1 101"));
    g_assert_true(g_str_has_suffix(client.got->str, "\r\n\r\n"));
    g_string_set_size(client.got, 0);

    char_write(&front->fe, "output", 6);
    EXPECT_GOT(&client, "\x82\x06output");
    SEND(&client, "\x89\x81\0\0\0\0p");
    EXPECT_GOT(&client, "\x8a\x01p");
    SEND(&client, "\x81\x83\0\0\0\0end\x88\x82\0\0\0\0\x03\xe8");
    expect_text(front->input, "end");
    expect_text(front->events, "C");
    EXPECT_GOT(&client, "\x88\x02\x03\xe8");
    g_assert_true(client.closed);
    finish("w", front, &client);
}

/* Request and frame come in one piece. */
static void test_websocket_at_once(void)
{
    Client client = server_new("w", ",websocket=on");
    Front *front = front_new("w");

    SEND(&client, REQUEST "\x82\x82\0\0\0\0hi\x82\x81\x01\x01\x01\x01 ");
    expect_text(front->events, "O");
    expect_text(front->input, "hi!");
    finish("w", front, &client);
}

/* What is no request, or none in time, or not the whole of it: answered and hung up, and the next
 * client is served. */
static void test_websocket_bad_request(void)
{
    g_autofree char *endless = g_strnfill(20000, 'x');
    const char *const texts[] = { "GET / HTTP/1.1\r\n\r\n", "\r\n\r\n", endless };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        Client client = server_new("w", ",websocket=on");
        Front *front = front_new("w");

        (void)!write(client.fd, texts[i], strlen(texts[i]));
        for (int turn = 0; turn < 20; turn++) {
            main_loop_iterate(false);
        }
        g_assert_cmpuint(front->events->len, ==, 0);
        g_assert_cmpint(poll(&(struct pollfd){ .fd = client.fd }, 1, 0), ==, 1); /* hung up */
        finish("w", front, &client);
    }
}

static void test_websocket_violation(void)
{
    Client client = server_new("w", ",websocket=on");
    Front *front = front_new("w");

    SEND(&client, REQUEST);
    g_string_set_size(client.got, 0);
    SEND(&client, "\x82\x81\0\0\0\0a\x82\x01"
                  "b");
    expect_text(front->input, "a");
    expect_text(front->events, "OC");
    EXPECT_GOT(&client, "\x88\x02\x03\xea");
    g_assert_true(client.closed);
    finish("w", front, &client);
}

/* It vanishes in the middle of the request, and later in the middle of a frame. */
static void test_websocket_vanishes(void)
{
    static const char *const texts[] = { "GET / HTT", REQUEST "\x82\xfe\x10" };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        Client client = server_new("w", ",websocket=on");
        Front *front = front_new("w");

        client_send(&client, texts[i]);
        close(client.fd);
        client.fd = -1;
        client_settle(&client);
        expect_text(front->events, i ? "OC" : "");
        finish("w", front, &client);
    }
}

/* Pings of a client that reads nothing cost no more than 1 MiB, and output is never cut in a frame.
 */
static void test_websocket_slow(void)
{
    static const char ping[] = "\x89\xfd\0\0\0\0";
    char message[131];
    g_autofree uint8_t *block = g_malloc0(700 * 1024);
    Client client = server_new("w", ",websocket=on");
    Front *front = front_new("w");
    size_t pos = 0;

    SEND(&client, REQUEST);
    g_string_set_size(client.got, 0);
    memcpy(message, ping, 6);
    memset(message + 6, 'x', 125);
    message[1] = (char)0xfd;
    for (int i = 0; i < 20000; i++) {
        while (write(client.fd, message, sizeof(message)) < 0) {
            main_loop_iterate(false);
        }
    }
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpuint(char_unsent(&front->fe), <=, 1 << 20);
    client_settle(&client);
    g_string_set_size(client.got, 0);

    for (int i = 0; i < 4; i++) {
        char_write(&front->fe, block, 700 * 1024);
    }
    g_assert_cmpuint(char_unsent(&front->fe), <, (1 << 20) + 20);
    client_settle(&client);
    while (pos < client.got->len) { /* whole frames, of 64-bit lengths here */
        const uint8_t *frame = (const uint8_t *)client.got->str + pos;
        uint64_t len;

        g_assert_cmpint(frame[0], ==, 0x82);
        g_assert_cmpint(frame[1], ==, 127);
        memcpy(&len, frame + 2, 8);
        pos += 10 + GUINT64_FROM_BE(len);
    }
    g_assert_cmpuint(pos, ==, client.got->len);
    finish("w", front, &client);
}

/* ---- connecting again ---- */

static int listen_at(const char *name)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(addr.sun_path + 1, name);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr,
                         offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)),
                    ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    return fd;
}

static char *filename_of(const char *id)
{
    return chardev_filename(chardev_find(id));
}

/* The server is away at first, comes, drops us, and we come again. */
static void test_reconnect(void)
{
    g_autofree char *name = g_strdup_printf("test-char-reconnect-%d", (int)getpid());
    g_autofree char *text = g_strdup_printf("socket,id=r,path=%s,abstract=on,reconnect=1", name);
    g_autofree char *before = NULL;
    GError *err = NULL;
    Front *front;
    int server, client;

    chardev_new_from_opts(text, &err);
    g_assert_no_error(err);
    front = front_new("r");
    before = filename_of("r");
    g_assert_true(g_str_has_prefix(before, "disconnected:unix:"));
    char_write(&front->fe, "nobody", 6);
    while (main_loop_iterate(false)) {
    }
    main_loop_iterate(true); /* the first attempt's end */
    server = listen_at(name);
    for (int i = 0; i < 2; i++) {
        front_wait(front_has_events, front);
        expect_text(front->events, "O");
        client = accept(server, NULL, NULL);
        g_assert_cmpint(client, >=, 0);
        g_assert_cmpint(write(client, "hi", 2), ==, 2);
        front_wait(front_has_input, front);
        expect_text(front->input, "hi");
        close(client);
        front_wait(front_has_events, front);
        expect_text(front->events, "C");
    }
    close(server);
    front_free(front);
    client_remove_chardev("r");
}

/* Removed while it connects, or waits to. */
static void test_reconnect_removed(void)
{
    for (int turns = 0; turns < 2; turns++) {
        GError *err = NULL;

        chardev_new_from_opts("socket,id=r,path=/nonexistent/s,reconnect=100", &err);
        g_assert_no_error(err);
        for (int i = 0; i < turns * 100; i++) {
            main_loop_iterate(false);
            g_usleep(100);
        }
        client_remove_chardev("r");
        for (int i = 0; i < 100; i++) {
            main_loop_iterate(false);
            g_usleep(100);
        }
    }
}

/* ---- addresses ---- */

/* A client that goes while nobody uses the device makes room for the next. */
static void test_nobody_uses_it(void)
{
    Client client = server_new("n", "");
    Chardev *chr = chardev_find("n");
    g_autofree char *before = NULL, *during = NULL, *after = NULL;
    Front *front;

    before = chardev_filename(chr);
    client_settle(&client);
    during = chardev_filename(chr);
    client_send_len(&client, "kept", 4);
    front = front_new("n");
    front_wait(front_has_input, front);
    expect_text(front->input, "kept");
    front_free(front);
    client_free(&client);
    while (main_loop_iterate(false)) {
    }
    after = chardev_filename(chr);
    g_assert_true(g_str_has_prefix(before, "disconnected:"));
    g_assert_true(g_str_has_prefix(during, "unix:"));
    g_assert_cmpstr(before, ==, after);
    client_remove_chardev("n");
}

static void test_filename(void)
{
    static const struct {
        const char *text, *pattern;
    } cases[] = {
        { "telnet:127.0.0.1:0,server=on,wait=off", "disconnected:telnet:127.0.0.1:*,server=on" },
        { "websocket:127.0.0.1:0,server,nowait", "disconnected:websocket:127.0.0.1:*,server=on" },
        { "tn3270:127.0.0.1:0,server,nowait", "disconnected:tcp:127.0.0.1:*,server=on" },
        { "udp:127.0.0.1:9@127.0.0.1:0", "udp" },
        { "udp::9", "udp" },
        { "udp:127.0.0.1:9@:0", "udp" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GError *err = NULL;
        g_autofree char *name = NULL;

        chardev_new_from_short("f", cases[i].text, false, &err);
        g_assert_no_error(err);
        name = filename_of("f");
        g_assert_true(g_pattern_match_simple(cases[i].pattern, name));
        client_remove_chardev("f");
    }
}

/* Where the kernel has a loopback for it. */
static void test_vsock(void)
{
    GError *err = NULL;
    Front *server, *client;

    chardev_new_from_opts("socket,id=v,cid=1,port=65533,server=on,wait=off", &err);
    if (err) {
        g_assert_nonnull(strstr(err->message, "cannot listen on vsock:1:65533"));
        g_clear_error(&err);
        g_test_skip("no vsock here");
        return;
    }
    chardev_new_from_opts("socket,id=c,cid=1,port=65533", &err);
    g_assert_no_error(err);
    server = front_new("v");
    client = front_new("c");
    front_wait(front_has_events, server);
    char_write(&client->fe, "over vsock", 10);
    front_wait(front_has_input, server);
    expect_text(server->input, "over vsock");
    front_free(server);
    front_free(client);
    client_remove_chardev("v");
    client_remove_chardev("c");
}

/* A server's file that another has replaced is not removed with it. */
static void test_path_taken_over(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-char-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *one = g_strdup_printf("socket,id=a,path=%s,server=on,wait=off", path);
    g_autofree char *two = g_strdup_printf("socket,id=b,path=%s,server=on,wait=off", path);

    g_assert_nonnull(chardev_new_from_opts(one, NULL));
    g_assert_nonnull(chardev_new_from_opts(two, NULL));
    client_remove_chardev("a");
    g_assert_cmpint(access(path, F_OK), ==, 0);
    client_remove_chardev("b");
    g_assert_cmpint(access(path, F_OK), <, 0);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/char/socket/telnet", test_telnet);
    g_test_add_func("/char/socket/telnet/no-room", test_telnet_no_room);
    g_test_add_func("/char/socket/websocket", test_websocket);
    g_test_add_func("/char/socket/websocket/at-once", test_websocket_at_once);
    g_test_add_func("/char/socket/websocket/bad-request", test_websocket_bad_request);
    g_test_add_func("/char/socket/websocket/violation", test_websocket_violation);
    g_test_add_func("/char/socket/websocket/vanishes", test_websocket_vanishes);
    g_test_add_func("/char/socket/websocket/slow", test_websocket_slow);
    g_test_add_func("/char/socket/reconnect", test_reconnect);
    g_test_add_func("/char/socket/reconnect/removed", test_reconnect_removed);
    g_test_add_func("/char/socket/nobody-uses-it", test_nobody_uses_it);
    g_test_add_func("/char/socket/filename", test_filename);
    g_test_add_func("/char/socket/vsock", test_vsock);
    g_test_add_func("/char/socket/path-taken-over", test_path_taken_over);
    return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character devices: options, sockets that come and go, bounded output, files, mux escapes. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "chardev/chardev.h"
#include "tests/unit/client.h"
#include "tests/unit/front.h"
#include "util/main-loop.h"

/* ---- options ---- */

static void test_bad_options(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "bogus,id=x",
          "*no chardev backend 'bogus'*file, memory, null, pipe, pty, ringbuf, serial, "
          "socket, stdio, udp*" },
        { "parallel,id=x,path=/dev/parport0", "*'parallel': a parallel port has its own printer*" },
        { "parport,id=x,path=/dev/parport0", "*'parport': a parallel port has its own printer*" },
        { "vc,id=x", "*'vc': there is no font*" },
        { "wctablet,id=x", "*'wctablet': *usb-tablet*" },
        { "braille,id=x", "*'braille': *BRLTTY*" },
        { "", "*needs a backend*" },
        { "null", "*needs an id*" },
        { "null,id=1x", "*id '1x' is not valid*" },
        { "null,id=x,mux=maybe", "*mux=maybe*on or off*" },
        { "null,id=x,bogus=1", "*bogus*" },
        { "file,id=x", "*path=FILE*" },
        { "file,id=x,path=/nonexistent/y", "*/nonexistent/y*" },
        { "file,id=x,path=/dev/null,append=perhaps", "*append*" },
        { "file,id=x,path=/dev/null,input-path=/nonexistent/y", "*'/nonexistent/y' for reading*" },
        { "file,id=x,path=/dev/null,input-path=/", "*'/' is a directory*" },
        { "pipe,id=x", "*path=PATH*" },
        { "pipe,id=x,path=/nonexistent/y", "*'/nonexistent/y', nor*mkfifo*" },
        { "serial,id=x", "*path=DEVICE*" },
        { "tty,id=x,path=/nonexistent/y", "*cannot open '/nonexistent/y'*" },
        { "serial,id=x,path=/dev/null", "*'/dev/null' is no terminal*" },
        { "ringbuf,id=x,size=100", "*size=100*power of two*" },
        { "ringbuf,id=x,size=0", "*size=0*power of two*" },
        { "memory,id=x,size=2G", "*1 GiB at most*" },
        { "udp,id=x", "*port=PORT*" },
        { "udp,id=x,port=none", "*port=none*0 to 65535*" },
        { "udp,id=x,port=7,host=here,numeric=on", "*host=here*" },
        { "udp,id=x,port=7,host=127.0.0.1,localaddr=192.0.2.1", "*local address 192.0.2.1:0*" },
        { "udp,id=x,port=7,host=127.0.0.1,localaddr=::1", "*local address*" },
        { "udp,id=x,port=7,ipv4=off,ipv6=off", "*leave nothing*" },
        { "socket,id=x,host=127.0.0.1,port=7,websocket=on", "*needs server=on*" },
        { "socket,id=x,host=127.0.0.1,port=0,server=on,websocket=on,telnet=on", "*choose one*" },
        { "socket,id=x,host=127.0.0.1,port=0,server=on,reconnect=1", "*leave out server=on*" },
        { "socket,id=x,fd=1,reconnect=1", "*leave out fd=*" },
        { "socket,id=x,host=127.0.0.1,port=7,reconnect=-1", "*reconnect*" },
        { "socket,id=x,host=127.0.0.1,port=7,tls-creds=t0", "*no TLS credentials 't0'*" },
        { "socket,id=x,host=127.0.0.1,port=7,tls-authz=a0", "*tls-authz=a0 needs tls-creds*" },
        { "socket,id=x,cid=1", "*port=*" },
        { "socket,id=x,cid=me,port=1", "*cid=me*number of a machine*" },
        { "socket,id=x,cid=1,port=1,path=/a", "*only one of*" },
        { "socket,id=x,path=/a,mptcp=on", "*mptcp=on is for TCP*" },
        { "null,id=x,logfile=/nonexistent/y", "*logfile '/nonexistent/y'*" },
        { "socket,id=x", "*needs one of path=*" },
        { "socket,id=x,path=/a,port=1", "*only one of*" },
        { "socket,id=x,path=/nonexistent/s", "*cannot connect to '/nonexistent/s'*server=on*" },
        { "socket,id=x,path=/nonexistent/s,server=on,wait=off", "*cannot listen*" },
        { "socket,id=x,path=,server=on", "*path= is empty*" },
        { "socket,id=x,host=localhost,port=99999", "*port=99999*0 to 65535*" },
        { "socket,id=x,host=localhost,port=http", "*port=http*0 to 65535*" },
        { "socket,id=x,host=localhost", "*port=*" },
        { "socket,id=x,fd=77777", "*fd=77777*open socket*" },
        { "socket,id=x,fd=nine", "*fd=nine*open socket*" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(chardev_new_from_opts(cases[i].text, &err));
        g_assert_nonnull(err);
        if (!g_pattern_match_simple(cases[i].message, err->message)) {
            g_error("'%s' gave: %s", cases[i].text, err->message);
        }
        g_assert_null(chardev_find("x"));
    }
}

static void test_long_path(void)
{
    g_autofree char *name = g_strnfill(200, 'a');
    g_autofree char *text = g_strdup_printf("socket,id=x,server=on,path=/tmp/%s", name);
    g_autoptr(GError) err = NULL;

    g_assert_null(chardev_new_from_opts(text, &err));
    g_assert_nonnull(strstr(err->message, "too long"));
}

static void test_short_forms(void)
{
    static const char *const bad[] = {
        "bogus",     "chardev:none",  "tcp:localhost", "tcp::",    "stdio:",
        "mon:bogus", "unix:",         "file:",         "telnet::", "websocket:x",
        "udp:",      "udp:1",         "udp::7@",       "udp::7@x", "pipe:",
        "/dev/null", "/dev/parport0", "ringbuf",       "con:",     "websocket:127.0.0.1:0"
    };
    GError *err = NULL;
    Chardev *chr = chardev_new_from_short("s0", "null", false, &err);

    g_assert_no_error(err);
    g_assert(chr == chardev_find("s0"));
    g_assert(chardev_new_from_short("s1", "chardev:s0", false, &err) == chr);
    g_assert_null(chardev_new_from_short("s0", "null", false, &err));
    g_assert_nonnull(strstr(err->message, "already"));
    g_clear_error(&err);
    chr = chardev_new_from_short("m0", "mon:null", false, &err);
    g_assert(chardev_is_mux(chr));
    g_assert_nonnull(chardev_find("m0-base"));
    client_remove_chardev("s0");
    client_remove_chardev("m0");
    client_remove_chardev("m0-base");
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_null(chardev_new_from_short("s2", bad[i], false, &err));
        g_assert_nonnull(err);
        g_clear_error(&err);
        g_assert_null(chardev_find("s2"));
        g_assert_null(chardev_find("s2-base"));
    }
}

static void test_one_user(void)
{
    CharFrontend second = { 0 };
    g_autoptr(GError) err = NULL;
    Front *front;

    chardev_new_from_opts("null,id=n", NULL);
    front = front_new("n");
    g_assert_false(char_attach(chardev_find("n"), &second, &err));
    g_assert_nonnull(strstr(err->message, "mux=on"));
    front_free(front);
    client_remove_chardev("n");
}

/* ---- files ---- */

static void test_file(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-char-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "out", NULL);
    g_autofree char *log = g_build_filename(dir, "log", NULL);
    static const char *const expected[] = { "one", "onetwo" };

    for (int i = 0; i < 2; i++) {
        g_autofree char *text =
            g_strdup_printf("file,id=f,path=%s,append=on,logfile=%s", path, log);
        g_autofree char *contents = NULL;
        Front *front;

        g_assert_nonnull(chardev_new_from_opts(text, NULL));
        front = front_new("f");
        char_write(&front->fe, i ? "two" : "one", 3);
        front_free(front);
        client_remove_chardev("f");
        g_assert(g_file_get_contents(path, &contents, NULL, NULL));
        g_assert_cmpstr(contents, ==, expected[i]);
        g_clear_pointer(&contents, g_free);
        g_assert(g_file_get_contents(log, &contents, NULL, NULL));
        g_assert_cmpstr(contents, ==, i ? "two" : "one");
    }
    unlink(path);
    unlink(log);
    rmdir(dir);
}

/* ---- sockets ---- */

static Client connect_to(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    Client client = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                      .got = g_string_new(NULL) };

    strcpy(addr.sun_path, path);
    g_assert(connect(client.fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
    fcntl(client.fd, F_SETFL, O_NONBLOCK);
    client_settle(&client);
    return client;
}

static void test_server(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-char-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "sock", NULL);
    g_autofree char *text = g_strdup_printf("unix:%s,server,nowait", path);
    GError *err = NULL;
    Front *front;
    Client a, b;

    /* A socket that an earlier run left is no obstacle. */
    for (int i = 0; i < 2; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        struct sockaddr_un addr = { .sun_family = AF_UNIX };

        strcpy(addr.sun_path, path);
        g_assert(i || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
        close(fd);
    }
    chardev_new_from_short("srv", text, false, &err);
    g_assert_no_error(err);
    front = front_new("srv");
    char_write(&front->fe, "nobody hears", 12);
    a = connect_to(path);
    expect_text(front->events, "O");
    client_send(&a, "hello");
    expect_text(front->input, "hello");
    char_write(&front->fe, "hi", 2);
    client_expect(&a, "hi");

    /* The second waits until the first has gone. */
    b = connect_to(path);
    client_send(&b, "me too");
    expect_text(front->input, "");
    close(a.fd);
    a.fd = -1;
    client_settle(&b);
    expect_text(front->events, "CO");
    expect_text(front->input, "me too");
    char_write(&front->fe, "yes", 3);
    client_expect(&b, "yes");

    /* It vanishes while we write. */
    close(b.fd);
    b.fd = -1;
    for (int i = 0; i < 100; i++) {
        char_write(&front->fe, "xxxxxxxx", 8);
    }
    client_settle(&b);
    expect_text(front->events, "C");

    client_free(&a);
    client_free(&b);
    front_free(front);
    client_remove_chardev("srv");
    g_assert(access(path, F_OK) < 0);
    rmdir(dir);
}

static void test_tcp(void)
{
    GError *err = NULL;
    Chardev *server =
        chardev_new_from_short("t0", "tcp:127.0.0.1:0,server=on,wait=off", false, &err);
    struct json_object *port;
    g_autofree char *text = NULL;
    Client none = { .fd = -1, .got = g_string_new(NULL) };
    Front *front, *client;

    g_assert_no_error(err);
    front = front_new("t0");
    port = object_property_get(OBJECT(server), "port", &err);
    text = g_strdup_printf("socket,id=t1,host=127.0.0.1,port=%s,nodelay=on",
                           json_object_get_string(port));
    json_object_put(port);
    chardev_new_from_opts(text, &err);
    g_assert_no_error(err);
    client = front_new("t1");
    client_settle(&none);
    char_write(&client->fe, "over tcp", 8);
    front_wait(front_has_input, front);
    expect_text(front->input, "over tcp");
    client_free(&none);
    front_free(front);
    front_free(client);
    client_remove_chardev("t0");
    client_remove_chardev("t1");
}

/* Two servers on one port: the second takes the next that is free. Clients of a family, of a name.
 */
static void test_socket_addresses(void)
{
    static const char *const bad[] = {
        "socket,id=x,host=localhost,port=1,numeric=on",
        "socket,id=x,host=127.0.0.1,port=1,ipv4=off",
        "socket,id=x,host=127.0.0.1,port=1,ipv4=off,ipv6=off",
        "socket,id=x,host=127.0.0.1,port=7,to=6,server=on,wait=off",
        "socket,id=x,host=127.0.0.1,port=7,to=8",
        "socket,id=x,host=127.0.0.1,port=1,abstract=on",
    };
    g_autofree char *name = g_strdup_printf("char-test-%d", (int)getpid());
    g_autofree char *served =
        g_strdup_printf("socket,id=a,path=%s,abstract=on,server=on,wait=off", name);
    g_autofree char *joined = g_strdup_printf("socket,id=b,path=%s,abstract=on", name);
    g_autofree char *padded = g_strdup_printf("socket,id=x,path=%s,abstract=on,tight=off", name);
    g_autofree char *again = NULL, *client = NULL;
    GError *err = NULL;
    Chardev *chr;
    struct json_object *first, *second;
    int last;

    chr = chardev_new_from_opts(
        "socket,id=s0,host=127.0.0.1,port=0,server=on,wait=off,ipv4=on,keep-alive=on", &err);
    g_assert_no_error(err);
    first = object_property_get(OBJECT(chr), "port", &err);
    last = MIN(json_object_get_int(first) + 50, 65535);
    again = g_strdup_printf("socket,id=s1,host=127.0.0.1,port=%s,to=%d,server=on,wait=off",
                            json_object_get_string(first), last);
    chr = chardev_new_from_opts(again, &err);
    g_assert_no_error(err);
    second = object_property_get(OBJECT(chr), "port", &err);
    g_assert_cmpint(json_object_get_int(second), >, json_object_get_int(first));
    g_assert_cmpint(json_object_get_int(second), <=, last);
    client = g_strdup_printf("socket,id=c1,host=127.0.0.1,port=%s,numeric=on,keep-alive=on",
                             json_object_get_string(second));
    g_assert_nonnull(chardev_new_from_opts(client, &err));
    json_object_put(first);
    json_object_put(second);

    g_assert_nonnull(chardev_new_from_opts(served, &err));
    g_assert_nonnull(chardev_new_from_opts(joined, &err));
    g_assert_null(chardev_new_from_opts(padded, &err)); /* another name */
    g_clear_error(&err);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_null(chardev_new_from_opts(bad[i], &err));
        g_assert_nonnull(err);
        g_clear_error(&err);
    }
    client_remove_chardev("b");
    client_remove_chardev("a");
    client_remove_chardev("c1");
    client_remove_chardev("s1");
    client_remove_chardev("s0");
}

static void test_flow_control(void)
{
    Client client = client_new("c", "");
    Front *front = front_new("c");

    front->room = 3;
    client_send(&client, "abcdef");
    expect_text(front->input, "abc");
    front->room = 10;
    char_accept_input(&front->fe);
    client_settle(&client);
    expect_text(front->input, "def");

    client_free(&client);
    front_free(front);
    client_remove_chardev("c");
}

/* A client that does not read costs 1 MiB, or as much as is said where nothing may be lost. */
static void test_slow_reader(void)
{
    for (int keep = 0; keep < 2; keep++) {
        Client client = client_new("c", "");
        Front *front = front_new("c");
        g_autofree uint8_t *block = g_malloc0(1 << 20);

        front->fe.keep_output = keep;
        for (int i = 0; i < 4; i++) {
            char_write(&front->fe, block, 1 << 20);
        }
        if (keep) {
            g_assert_cmpuint(char_unsent(&front->fe), >, 2 << 20);
        } else {
            g_assert_cmpuint(char_unsent(&front->fe), ==, 1 << 20);
        }
        client_settle(&client);
        g_assert_cmpuint(char_unsent(&front->fe), ==, 0);
        if (keep) {
            g_assert_cmpuint(client.got->len, ==, 4 << 20);
        }
        client_free(&client);
        front_free(front);
        client_remove_chardev("c");
    }
}

/* A client that shuts down its side after its last question still gets the answer. */
static void test_half_closed(void)
{
    Client client = client_new("c", "");
    Front *front = front_new("c");
    g_autofree uint8_t *block = g_malloc0(2 << 20);

    client_settle(&client);
    front->fe.keep_output = true;
    char_write(&front->fe, block, 2 << 20);
    shutdown(client.fd, SHUT_WR);
    for (int i = 0; i < 10; i++) {
        main_loop_iterate(false);
    }
    client_settle(&client);
    g_assert_cmpuint(client.got->len, ==, 2 << 20);
    g_assert_true(client.closed);
    expect_text(front->events, "OC");
    client_free(&client);
    front_free(front);
    client_remove_chardev("c");
}

/* ---- pty ---- */

/* The backend prints the terminal's name, which would be noise in this program's output. */
static Chardev *new_pty_quietly(GError **errp)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC), out;
    Chardev *chr;

    fflush(stdout);
    out = dup(STDOUT_FILENO);
    dup2(null, STDOUT_FILENO);
    chr = chardev_new_from_opts("pty,id=p", errp);
    dup2(out, STDOUT_FILENO);
    close(out);
    close(null);
    return chr;
}

static void test_pty(void)
{
    GError *err = NULL;
    Chardev *chr = new_pty_quietly(&err);
    Client client = { .got = g_string_new(NULL) };
    struct json_object *path;
    Front *front;

    g_assert_no_error(err);
    front = front_new("p");
    char_write(&front->fe, "dropped", 7);
    path = object_property_get(OBJECT(chr), "pty", &err);
    client.fd = open(json_object_get_string(path), O_RDWR | O_NOCTTY | O_NONBLOCK);
    json_object_put(path);
    g_assert_cmpint(client.fd, >=, 0);
    front_wait(front_has_events, front);
    expect_text(front->events, "O");
    char_write(&front->fe, "out\n", 4);
    client_expect(&client, "out\n");
    client_send(&client, "in\x03");
    expect_text(front->input, "in\x03");
    close(client.fd);
    client.fd = -1;
    client_settle(&client);
    expect_text(front->events, "C");
    client_free(&client);
    front_free(front);
    client_remove_chardev("p");
}

/* ---- mux ---- */

static int quits;

static void count_quit(void)
{
    quits++;
}

static void test_mux(void)
{
    Client client = client_new("m", ",mux=on");
    Front *monitor = front_new("m"), *serial = front_new("m");

    client_settle(&client);
    expect_text(monitor->events, "IUO");
    expect_text(serial->events, "IO");
    client_send(&client, "to serial");
    expect_text(serial->input, "to serial");

    client_send(&client, "a\001cb\001");
    client_send(&client, "cc");
    expect_text(serial->input, "ac");
    expect_text(monitor->input, "b");
    expect_text(serial->events, "UI");
    expect_text(monitor->events, "IU");

    client_send(&client, "\001\001x\001s\001b");
    expect_text(serial->input, "\001x");
    expect_text(serial->events, "B");
    /* With the shift key, too. */
    client_send(&client, "\001Cd\001C\001B");
    expect_text(monitor->input, "d");
    expect_text(serial->events, "UIB");
    expect_text(monitor->events, "IU");

    client_send(&client, "\001h");
    client_settle(&client);
    g_assert_nonnull(strstr(client.got->str, "Ctrl-A c"));
    g_assert_nonnull(strstr(client.got->str, "Ctrl-A x"));
    g_string_set_size(client.got, 0);

    chardev_set_quit_handler(count_quit);
    client_send(&client, "\001x");
    g_assert_cmpint(quits, ==, 1);
    g_string_set_size(client.got, 0);

    char_write(&monitor->fe, "M", 1);
    char_write(&serial->fe, "S", 1);
    client_expect(&client, "MS");

    front_free(serial);
    client_send(&client, "z");
    expect_text(monitor->input, "z");
    front_free(monitor);
    client_free(&client);
    client_remove_chardev("m");
    client_remove_chardev("m-base");
}

/* The console does not read: the user still gets to the monitor, and nothing typed is lost. */
static void test_mux_full(void)
{
    Client client = client_new("m", ",mux=on");
    Front *monitor = front_new("m"), *serial = front_new("m");

    serial->room = 0;
    client_send(&client, "typed\001cinfo");
    expect_text(serial->input, "");
    expect_text(monitor->input, "info");
    serial->room = 100;
    char_accept_input(&serial->fe);
    expect_text(serial->input, "typed");

    front_free(serial);
    front_free(monitor);
    client_free(&client);
    client_remove_chardev("m");
    client_remove_chardev("m-base");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/char/options/bad", test_bad_options);
    g_test_add_func("/char/options/long-path", test_long_path);
    g_test_add_func("/char/options/short", test_short_forms);
    g_test_add_func("/char/one-user", test_one_user);
    g_test_add_func("/char/file", test_file);
    g_test_add_func("/char/socket/server", test_server);
    g_test_add_func("/char/socket/tcp", test_tcp);
    g_test_add_func("/char/socket/addresses", test_socket_addresses);
    g_test_add_func("/char/socket/flow-control", test_flow_control);
    g_test_add_func("/char/socket/slow-reader", test_slow_reader);
    g_test_add_func("/char/socket/half-closed", test_half_closed);
    g_test_add_func("/char/pty", test_pty);
    g_test_add_func("/char/mux/escapes", test_mux);
    g_test_add_func("/char/mux/full", test_mux_full);
    return g_test_run();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pipes, datagrams, ring buffers, terminals, files to read from; changing a backend; breaks. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>

#include "chardev/char-ringbuf.h"
#include "chardev/char-serial.h"
#include "chardev/chardev.h"
#include "tests/unit/client.h"
#include "tests/unit/front.h"
#include "util/main-loop.h"

static Front *open_front(const char *id, char *text)
{
    g_autofree char *options = text;
    GError *err = NULL;

    chardev_new_from_opts(options, &err);
    g_assert_no_error(err);
    return front_new(id);
}

static void finish(const char *id, Front *front)
{
    front_free(front);
    client_remove_chardev(id);
}

/* ---- pipe ---- */

/* Nobody holds the other ends at first; one comes, goes and comes again. */
static void test_pipe(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-char-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "p", NULL);
    g_autofree char *in = g_strconcat(path, ".in", NULL), *out = g_strconcat(path, ".out", NULL);
    char buf[16];
    Front *front;
    int fd;

    g_assert_cmpint(mkfifo(in, 0600), ==, 0);
    g_assert_cmpint(mkfifo(out, 0600), ==, 0);
    front = open_front("p", g_strdup_printf("pipe,id=p,path=%s", path));
    for (int i = 0; i < 2; i++) {
        fd = open(in, O_WRONLY | O_NONBLOCK);
        g_assert_cmpint(write(fd, "in", 2), ==, 2);
        close(fd);
        front_wait(front_has_input, front);
        expect_text(front->input, "in");
    }
    expect_text(front->events, "O");
    char_write(&front->fe, "out", 3);
    fd = open(out, O_RDONLY | O_NONBLOCK);
    g_assert_cmpint(read(fd, buf, sizeof(buf)), ==, 3);
    close(fd);
    char_write(&front->fe, "again", 5);
    fd = open(out, O_RDONLY | O_NONBLOCK);
    g_assert_cmpint(read(fd, buf, sizeof(buf)), ==, 5);
    close(fd);
    finish("p", front);
    unlink(in);
    unlink(out);
    rmdir(dir);
}

/* ---- udp ---- */

static int udp_peer(struct sockaddr_in *addr)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(*addr);

    *addr = (struct sockaddr_in){ .sin_family = AF_INET };
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    g_assert_cmpint(bind(fd, (struct sockaddr *)addr, len), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)addr, &len), ==, 0);
    return fd;
}

/* Datagrams that are longer than the room, empty ones, and a peer that is not there for a while. */
static void test_udp(void)
{
    struct sockaddr_in addr, from;
    socklen_t len = sizeof(from);
    char buf[16];
    int peer = udp_peer(&addr);
    Front *front = open_front(
        "u", g_strdup_printf("udp,id=u,host=127.0.0.1,port=%d,localaddr=127.0.0.1,localport=0",
                             ntohs(addr.sin_port)));

    char_write(&front->fe, "hello", 5);
    g_assert_cmpint(recvfrom(peer, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len), ==, 5);
    g_assert_cmpint(connect(peer, (struct sockaddr *)&from, len), ==, 0);
    front->room = 3;
    send(peer, "abcdef", 6, 0);
    send(peer, "", 0, 0);
    send(peer, "gh", 2, 0);
    front_wait(front_has_input, front);
    expect_text(front->input, "abc");
    front->room = 100;
    char_accept_input(&front->fe);
    while (front->input->len < 5) {
        main_loop_iterate(true);
    }
    expect_text(front->input, "defgh");

    /* The port stays the peer's, which listens to another: it is as if nobody were there. */
    g_assert_cmpint(connect(peer, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    for (int i = 0; i < 3; i++) {
        char_write(&front->fe, "lost", 4); /* ECONNREFUSED comes back */
        while (main_loop_iterate(false)) {
        }
    }
    g_assert_cmpint(connect(peer, (struct sockaddr *)&from, len), ==, 0);
    char_write(&front->fe, "found", 5); /* an error that waits is told here, once */
    char_write(&front->fe, "found", 5);
    g_assert_cmpint(recv(peer, buf, sizeof(buf), 0), ==, 5);
    expect_text(front->events, "O");
    close(peer);
    finish("u", front);
}

/* ---- ringbuf ---- */

static void expect_ring(Chardev *chr, size_t max, const char *text)
{
    g_autoptr(GByteArray) bytes = char_ringbuf_read(chr, max);

    g_assert_cmpmem(bytes->data, bytes->len, text, strlen(text));
}

static void test_ringbuf(void)
{
    Front *front = open_front("b", g_strdup("memory,id=b,size=8"));
    Chardev *chr = chardev_find("b");
    g_autofree char *name = chardev_filename(chr);

    g_assert_cmpstr(name, ==, "ringbuf");
    expect_ring(chr, 100, "");
    char_write(&front->fe, "abc", 3);
    char_ringbuf_write(chr, (const uint8_t *)"de", 2);
    expect_ring(chr, 2, "ab");
    expect_ring(chr, 100, "cde");
    char_write(&front->fe, "0123456789", 10);
    expect_ring(chr, 100, "23456789");
    char_write(&front->fe, "0123456789", 10);
    char_write(&front->fe, "ab", 2);
    expect_ring(chr, 1, "4");
    expect_ring(chr, SIZE_MAX, "56789ab");
    expect_ring(chr, 100, "");
    finish("b", front);
}

/* ---- serial ---- */

/* A pseudo-terminal is a terminal: it is raw while we have it, and gets its modes back. */
static void test_serial(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios before, during, after;
    char name[64], buf[16];
    Front *front;
    int slave;

    g_assert_cmpint(grantpt(master) | unlockpt(master), ==, 0);
    g_assert_cmpint(ptsname_r(master, name, sizeof(name)), ==, 0);
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    g_assert_cmpint(tcgetattr(slave, &before), ==, 0);
    g_assert_true(before.c_lflag & ICANON);

    front = open_front("t", g_strdup_printf("tty,id=t,path=%s", name));
    g_assert_cmpint(tcgetattr(slave, &during), ==, 0);
    g_assert_false(during.c_lflag & (ICANON | ECHO | ISIG));
    g_assert_cmpint(write(master, "\x03in", 3), ==, 3);
    front_wait(front_has_input, front);
    expect_text(front->input, "\x03in");
    char_write(&front->fe, "out\n", 4);
    g_assert_cmpint(read(master, buf, sizeof(buf)), ==, 4);
    expect_text(front->events, "O");
    finish("t", front);
    g_assert_cmpint(tcgetattr(slave, &after), ==, 0);
    g_assert_cmpmem(&after.c_lflag, sizeof(after.c_lflag), &before.c_lflag, sizeof(before.c_lflag));

    /* The line is pulled. */
    front = open_front("t", g_strdup_printf("serial,id=t,path=%s", name));
    front_wait(front_has_events, front);
    expect_text(front->events, "O");
    close(slave);
    close(master);
    front_wait(front_has_events, front);
    expect_text(front->events, "C");
    finish("t", front);
}

/* What the guest's port is set to is what the host's is set to; a pseudo-terminal knows speed and
 * stop bits only. */
static void test_serial_line(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
    CharLine line = { .speed = 9600, .data_bits = 8, .stop_bits = 2 };
    struct termios modes;
    char name[64];
    Front *front;

    g_assert_cmpint(grantpt(master) | unlockpt(master), ==, 0);
    g_assert_cmpint(ptsname_r(master, name, sizeof(name)), ==, 0);
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    front = open_front("t", g_strdup_printf("serial,id=t,path=%s,mux=on", name));
    g_assert_cmpint(tcgetattr(slave, &modes), ==, 0);
    g_assert_cmpint(cfgetospeed(&modes), ==, B115200);
    char_set_line(&front->fe, &line);
    char_set_break(&front->fe, true);
    g_assert_cmpint(tcgetattr(slave, &modes), ==, 0);
    g_assert_cmpint(cfgetospeed(&modes), ==, B9600);
    g_assert_true(modes.c_cflag & CSTOPB);
    g_assert_true(modes.c_cflag & CLOCAL);
    front_free(front);
    client_remove_chardev("t");
    client_remove_chardev("t-base");
    close(slave);
    close(master);
}

static void test_serial_modes(void)
{
    static const struct {
        CharLine line;
        speed_t speed;
        tcflag_t flags;
    } cases[] = {
        { { 115200, 8, 1, CHAR_PARITY_NONE }, B115200, CS8 },
        { { 57600, 7, 1, CHAR_PARITY_EVEN }, B57600, CS7 | PARENB },
        { { 300, 6, 2, CHAR_PARITY_ODD }, B300, CS6 | PARENB | PARODD | CSTOPB },
        { { 1200, 5, 1, CHAR_PARITY_MARK }, B1200, CS5 | PARENB | PARODD | CMSPAR },
        { { 1200, 8, 1, CHAR_PARITY_SPACE }, B1200, CS8 | PARENB | CMSPAR },
        { { 1, 8, 1, CHAR_PARITY_NONE }, B50, CS8 },
        { { 28800, 8, 1, CHAR_PARITY_NONE }, B19200, CS8 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct termios modes = { .c_cflag = ~(tcflag_t)CBAUD };

        char_serial_modes(&modes, &cases[i].line);
        g_assert_cmpint(cfgetospeed(&modes), ==, cases[i].speed);
        g_assert_cmphex(modes.c_cflag & (CSIZE | CSTOPB | PARENB | PARODD | CMSPAR), ==,
                        cases[i].flags);
        g_assert_true(modes.c_cflag & CREAD);
    }
}

/* ---- file ---- */

static void test_file_input(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-char-XXXXXX", NULL);
    g_autofree char *in = g_build_filename(dir, "in", NULL);
    g_autofree char *out = g_build_filename(dir, "out", NULL), *contents = NULL;
    Front *front;

    g_assert_true(g_file_set_contents(in, "from a file", -1, NULL));
    front = open_front("f", g_strdup_printf("file,id=f,path=%s,input-path=%s", out, in));
    front_wait(front_has_input, front);
    while (main_loop_iterate(false)) { /* the end of the file, after which nothing spins */
    }
    expect_text(front->input, "from a file");
    char_write(&front->fe, "out", 3);
    expect_text(front->events, "O");
    finish("f", front);
    g_assert_true(g_file_get_contents(out, &contents, NULL, NULL));
    g_assert_cmpstr(contents, ==, "out");
    unlink(in);
    unlink(out);
    rmdir(dir);
}

/* ---- changing ---- */

static void test_change(void)
{
    GError *err = NULL;
    Client old = client_new("c", ""), new = { .got = g_string_new(NULL) };
    g_autofree char *text = NULL;
    Front *front = front_new("c");
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    new.fd = fds[0];
    text = g_strdup_printf("socket,fd=%d", fds[1]);
    client_settle(&old);
    expect_text(front->events, "O");

    /* The user is none who can; then he can. */
    g_assert_null(chardev_change_from_opts("c", text, &err));
    g_assert_nonnull(strstr(err->message, "cannot be given another"));
    g_clear_error(&err);
    front->fe.can_change = true;
    g_assert_nonnull(chardev_change_from_opts("c", text, &err));
    g_assert_no_error(err);
    client_settle(&new);
    client_settle(&old);
    expect_text(front->events, "CO");
    g_assert_true(old.closed);
    client_send(&new, "hi");
    expect_text(front->input, "hi");
    char_write(&front->fe, "ho", 2);
    client_expect(&new, "ho");

    /* What cannot be opened changes nothing. */
    g_assert_null(chardev_change_from_opts("c", "file,path=/nonexistent/f", &err));
    g_clear_error(&err);
    client_send(&new, "still");
    expect_text(front->input, "still");
    expect_text(front->events, "");
    front_free(front);
    g_assert_nonnull(chardev_change_from_opts("c", "null", &err)); /* nobody has it */
    client_remove_chardev("c");
    client_free(&old);
    client_free(&new);
}

static void test_change_refused(void)
{
    static const struct {
        const char *id, *text, *message;
    } cases[] = {
        { "none", "null", "*no chardev 'none'*" },
        { "m", "null", "*'m' is a mux*" },
        { "m-base", "null", "*cannot be given another*" },
        { "n", "mux,chardev=m-base", "*cannot become a mux*" },
        { "n", "", "*backend is missing*" },
        { "n", "null,id=x", "*cannot be changed*" },
        { "n", "null,mux=on", "*cannot be changed*" },
        { "n", "bogus", "*no chardev backend 'bogus'*" },
        { "n", "null,bogus=1", "*bogus*" },
    };

    g_assert_nonnull(chardev_new_from_opts("null,id=m,mux=on", NULL));
    g_assert_nonnull(chardev_new_from_opts("null,id=n", NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(chardev_change_from_opts(cases[i].id, cases[i].text, &err));
        g_assert_nonnull(err);
        if (!g_pattern_match_simple(cases[i].message, err->message)) {
            g_error("'%s' gave: %s", cases[i].text, err->message);
        }
    }
    client_remove_chardev("m");
    client_remove_chardev("m-base");
    client_remove_chardev("n");
}

/* A unix server in the place of another at the same path. */
static void test_change_same_path(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-char-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *text = g_strdup_printf("socket,path=%s,server=on,wait=off", path);

    g_assert_nonnull(chardev_new_from_opts("null,id=s", NULL));
    for (int i = 0; i < 2; i++) {
        g_assert_nonnull(chardev_change_from_opts("s", text, NULL));
        g_assert_cmpint(access(path, F_OK), ==, 0);
    }
    client_remove_chardev("s");
    rmdir(dir);
}

/* ---- breaks ---- */

static void test_break(void)
{
    Front *plain = open_front("n", g_strdup("null,id=n"));
    Front *monitor = open_front("m", g_strdup("null,id=m,mux=on")), *console = front_new("m");

    while (main_loop_iterate(false)) {
    }
    g_string_set_size(monitor->events, 0);
    g_string_set_size(console->events, 0);
    expect_text(plain->events, "O");
    chardev_send_break(chardev_find("n"));
    expect_text(plain->events, "B");
    chardev_send_break(chardev_find("m"));
    chardev_send_break(chardev_find("m-base"));
    expect_text(console->events, "BB");
    expect_text(monitor->events, "");
    front_free(console);
    finish("m", monitor);
    client_remove_chardev("m-base");
    finish("n", plain);
    chardev_new_from_opts("null,id=n", NULL);
    chardev_send_break(chardev_find("n")); /* to nobody */
    client_remove_chardev("n");
}

/* Each kind that has no other side writes a log. */
static void test_logfile(void)
{
    static const char *const kinds[] = { "null", "ringbuf", "udp,port=9" };
    g_autofree char *dir = g_dir_make_tmp("test-char-XXXXXX", NULL);
    g_autofree char *log = g_build_filename(dir, "log", NULL), *contents = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        Front *front =
            open_front("l", g_strdup_printf("%s,id=l,logfile=%s,logappend=on", kinds[i], log));

        char_write(&front->fe, "x", 1);
        finish("l", front);
    }
    g_assert_true(g_file_get_contents(log, &contents, NULL, NULL));
    g_assert_cmpstr(contents, ==, "xxx");
    unlink(log);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/char/pipe", test_pipe);
    g_test_add_func("/char/udp", test_udp);
    g_test_add_func("/char/ringbuf", test_ringbuf);
    g_test_add_func("/char/serial", test_serial);
    g_test_add_func("/char/serial/line", test_serial_line);
    g_test_add_func("/char/serial/modes", test_serial_modes);
    g_test_add_func("/char/file/input", test_file_input);
    g_test_add_func("/char/change", test_change);
    g_test_add_func("/char/change/refused", test_change_refused);
    g_test_add_func("/char/change/same-path", test_change_same_path);
    g_test_add_func("/char/break", test_break);
    g_test_add_func("/char/logfile", test_logfile);
    return g_test_run();
}

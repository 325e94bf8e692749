/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libqtest: the program as a child, with a socket pair each for the qtest protocol and QMP. */
#include "tests/qtest/libqtest-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Descriptors in the program. */
enum { CHILD_QTEST = 3, CHILD_QMP = 4 };

/* ---- failure ---- */

static char *printed(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = g_malloc0(size + 1);

    if (size > 0 && pread(fd, text, size, 0) != size) {
        g_error("cannot read what the program printed: %s", g_strerror(errno));
    }
    return text;
}

void libqtest_die(QTest *qt, const char *fmt, ...)
{
    va_list ap;
    g_autofree char *output = printed(qt->output);

    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_error("%s; the program printed: '%s'", text, output);
}

/* ---- streams ---- */

void libqtest_send_line(QTest *qt, Stream *stream, const char *line)
{
    g_autofree char *text = g_strconcat(line, "\n", NULL);
    const char *rest = text;

    while (*rest) {
        ssize_t n = send(stream->fd, rest, strlen(rest), MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            libqtest_die(qt, "cannot send '%.200s' to the program: %s", rest, g_strerror(errno));
        }
        rest += MAX(n, 0);
    }
}

typedef enum Filled { FILLED, FILL_TIMEOUT, FILL_END } Filled;

/* Wait until @deadline (g_get_monotonic_time()) for more input. */
static Filled stream_fill(Stream *stream, int64_t deadline)
{
    char buf[4096];

    for (;;) {
        int64_t left = (deadline - g_get_monotonic_time() + 999) / 1000;
        struct pollfd p = { .fd = stream->fd, .events = POLLIN };
        int rc = poll(&p, 1, MAX(left, 0));
        if (rc == 0) {
            return FILL_TIMEOUT;
        }
        ssize_t n = rc < 0 ? -1 : recv(stream->fd, buf, sizeof(buf), 0);
        if (n > 0) {
            g_string_append_len(stream->input, buf, n);
            return FILLED;
        }
        if (n == 0 || errno == ECONNRESET) {
            return FILL_END;
        }
        if (errno != EINTR) {
            g_error("cannot wait for the program: %s", g_strerror(errno));
        }
    }
}

char *libqtest_line(QTest *qt, Stream *stream, int64_t deadline)
{
    size_t seen = 0;

    for (;;) {
        char *newline = memchr(stream->input->str + seen, '\n', stream->input->len - seen);
        if (newline) {
            size_t len = newline - stream->input->str;
            char *line = g_strndup(stream->input->str, len);
            g_strchomp(line);
            g_string_erase(stream->input, 0, len + 1);
            return line;
        }
        seen = stream->input->len;
        switch (stream_fill(stream, deadline)) {
        case FILLED:
            break;
        case FILL_TIMEOUT:
            return NULL;
        case FILL_END:
            libqtest_die(qt, "the program closed its side where it should have answered");
        }
    }
}

int64_t libqtest_deadline(int ms)
{
    return g_get_monotonic_time() + ms * INT64_C(1000);
}

/* ---- the child ---- */

static const char *program(void)
{
    const char *path = g_getenv("DIMMABLE_PROGRAM");

    if (!path) {
        g_error("the environment variable DIMMABLE_PROGRAM must name the program to test");
    }
    return path;
}

static void G_GNUC_NORETURN run_child(char **argv, int output, int qtest, int qmp)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    /* Out of the way of the numbers that they get. */
    int high_qtest = qtest < 0 ? -1 : fcntl(qtest, F_DUPFD_CLOEXEC, 10);
    int high_qmp = qmp < 0 ? -1 : fcntl(qmp, F_DUPFD_CLOEXEC, 10);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
        (qtest >= 0 && dup2(high_qtest, CHILD_QTEST) < 0) ||
        (qmp >= 0 && dup2(high_qmp, CHILD_QMP) < 0)) {
        _exit(126);
    }
    execv(argv[0], argv);
    dprintf(2, "cannot run %s: %s\n", argv[0], g_strerror(errno));
    _exit(127);
}

static pid_t start_child(GPtrArray *argv, int output, int qtest, int qmp)
{
    pid_t pid = fork();

    if (pid < 0) {
        g_error("cannot fork: %s", g_strerror(errno));
    }
    if (pid == 0) {
        run_child((char **)argv->pdata, output, qtest, qmp);
    }
    return pid;
}

static int wait_child(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            g_error("cannot wait for the program: %s", g_strerror(errno));
        }
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int new_output(void)
{
    int fd = memfd_create("output", MFD_CLOEXEC);

    if (fd < 0) {
        g_error("cannot make a memory file: %s", g_strerror(errno));
    }
    return fd;
}

/* A word of the command line and those after it. */
static GPtrArray *new_argv(const char *const *more)
{
    static const char *const first[] = { "-accel", "qtest", "-nodefaults", "-display", "none" };
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(argv, g_strdup(program()));
    for (size_t i = 0; i < G_N_ELEMENTS(first); i++) {
        g_ptr_array_add(argv, g_strdup(first[i]));
    }
    for (; *more; more++) {
        g_ptr_array_add(argv, g_strdup(*more));
    }
    return argv;
}

static char **G_GNUC_PRINTF(1, 0) split_words(const char *fmt, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    g_autoptr(GError) err = NULL;
    char **words = NULL;

    if (!g_shell_parse_argv(text, NULL, &words, &err)) {
        if (!g_error_matches(err, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING)) {
            g_error("arguments '%s': %s", text, err->message);
        }
        words = g_new0(char *, 1);
    }
    return words;
}

static void stream_open(Stream *stream, int *other)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        g_error("cannot make a socket pair: %s", g_strerror(errno));
    }
    *stream = (Stream){ fds[0], g_string_new(NULL) };
    *other = fds[1];
}

static void stream_close(Stream *stream)
{
    close(stream->fd);
    g_string_free(stream->input, TRUE);
}

QTest *qtest_startv(const char *const *args)
{
    static const char *const channels[] = {
        "-chardev",   "socket,id=libqtest-qtest,fd=3",
        "-qtest",     "chardev:libqtest-qtest",
        "-qtest-log", "none",
        "-chardev",   "socket,id=libqtest-qmp,fd=4",
        "-mon",       "chardev=libqtest-qmp,mode=control",
    };
    g_autoptr(GPtrArray) argv = new_argv(args);
    QTest *qt = g_new0(QTest, 1);
    int qtest, qmp;

    for (size_t i = 0; i < G_N_ELEMENTS(channels); i++) {
        g_ptr_array_add(argv, g_strdup(channels[i]));
    }
    g_ptr_array_add(argv, NULL);
    g_queue_init(&qt->events);
    qt->output = new_output();
    stream_open(&qt->qtest, &qtest);
    stream_open(&qt->qmp, &qmp);
    qt->pid = start_child(argv, qt->output, qtest, qmp);
    close(qtest);
    close(qmp);
    g_autofree char *greeting = libqtest_line(qt, &qt->qmp, libqtest_deadline(QTEST_TIMEOUT_MS));
    if (!greeting || !strstr(greeting, "\"QMP\"")) {
        libqtest_die(qt, "no QMP greeting: '%s'", greeting ? greeting : "");
    }
    qtest_qmp_ok(qt, "qmp_capabilities", NULL);
    return qt;
}

QTest *qtest_start(const char *args, ...)
{
    va_list ap;

    va_start(ap, args);
    g_auto(GStrv) words = split_words(args, ap);
    va_end(ap);
    return qtest_startv((const char *const *)words);
}

char *qtest_output(QTest *qt)
{
    return printed(qt->output);
}

pid_t qtest_pid(QTest *qt)
{
    return qt->pid;
}

void qtest_allow_stderr(QTest *qt)
{
    qt->allow_output = true;
}

int qtest_wait_exit(QTest *qt)
{
    if (qt->pid) {
        int64_t deadline = libqtest_deadline(QTEST_TIMEOUT_MS);
        Filled filled;

        while ((filled = stream_fill(&qt->qmp, deadline)) == FILLED) {
        }
        if (filled == FILL_TIMEOUT) {
            libqtest_die(qt, "the program does not end");
        }
        qt->status = wait_child(qt->pid);
        qt->pid = 0;
    }
    return qt->status;
}

static void remove_folder(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_unlink(file);
    }
    g_rmdir(path);
}

void qtest_quit(QTest *qt)
{
    if (!qt) {
        return;
    }
    if (qt->pid) {
        libqtest_send_line(qt, &qt->qmp, "{\"execute\": \"quit\"}");
        if (qtest_wait_exit(qt) != 0) {
            libqtest_die(qt, "the program ended with status %d", qt->status);
        }
    }
    g_autofree char *output = printed(qt->output);
    if (*output && !qt->allow_output) {
        libqtest_die(qt, "there should be no messages");
    }
    if (qt->folder) {
        remove_folder(qt->folder);
        g_free(qt->folder);
    }
    qtest_events_clear(qt);
    stream_close(&qt->qtest);
    stream_close(&qt->qmp);
    close(qt->output);
    g_free(qt);
}

int qtest_run_program(char **output, const char *args, ...)
{
    va_list ap;
    int fd = new_output();

    va_start(ap, args);
    g_auto(GStrv) words = split_words(args, ap);
    va_end(ap);
    g_autoptr(GPtrArray) argv = new_argv((const char *const *)words);
    g_ptr_array_add(argv, NULL);
    int status = wait_child(start_child(argv, fd, -1, -1));
    if (output) {
        *output = printed(fd);
    }
    close(fd);
    return status;
}

static void test_refused(gconstpointer data)
{
    const QTestRefused *r = data;
    g_autofree char *output = NULL;

    g_assert_cmpint(qtest_run_program(&output, "%s", r->args), ==, 1);
    g_test_message("%s", output);
    g_assert_nonnull(strstr(output, r->message));
}

void qtest_add_refused(const char *path, const QTestRefused *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("%s/%zu", path, i);

        g_test_add_data_func(name, &cases[i], test_refused);
    }
}

char *qtest_temp_path(QTest *qt, const char *name)
{
    if (!qt->folder) {
        g_autoptr(GError) err = NULL;
        qt->folder = g_dir_make_tmp("qtest-XXXXXX", &err);
        if (!qt->folder) {
            g_error("cannot make a folder: %s", err->message);
        }
    }
    return g_build_filename(qt->folder, name, NULL);
}

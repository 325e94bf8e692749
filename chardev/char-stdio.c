/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev stdio: standard input and output; a terminal is put in raw mode until we exit.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "util/error.h"

typedef struct CharStdio {
    Chardev parent;
    bool signal;
    int in, out;
} CharStdio;
OBJECT_CAST_DEFINE(CharStdio, CHAR_STDIO, "chardev-stdio")

static bool in_use;
static bool terminal; /* stdin is one, and these are its modes */
static struct termios old_modes, raw_modes;

static void terminal_restore(void)
{
    if (terminal) {
        terminal = false;
        tcsetattr(STDIN_FILENO, TCSANOW, &old_modes);
    }
}

/* Back in the foreground: the shell has given the terminal its own modes meanwhile. */
static void terminal_continue(int sig)
{
    int saved = errno;

    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSANOW, &raw_modes);
    }
    errno = saved;
}

static void terminal_raw(bool signals)
{
    struct sigaction sa = { .sa_handler = terminal_continue, .sa_flags = SA_RESTART };

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &old_modes) < 0) {
        return;
    }
    raw_modes = old_modes;
    cfmakeraw(&raw_modes);
    raw_modes.c_oflag |= OPOST; /* our messages on stderr end in a bare newline */
    if (signals) {
        raw_modes.c_lflag |= ISIG;
    }
    terminal = true;
    atexit(terminal_restore);
    at_quick_exit(terminal_restore);
    sigaction(SIGCONT, &sa, NULL);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw_modes);
}

/*
 * A descriptor of our own for @fd that does not block. O_NONBLOCK belongs to the open file, which
 * the shell and our stderr share: a terminal or pipe is opened once more, others never block long.
 */
static int private_fd(int fd, int flags)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    struct stat st;
    int own = -1;

    if (fstat(fd, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))) {
        own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void stdio_init(Object *obj)
{
    CharStdio *stdio = CHAR_STDIO(obj);

    stdio->in = stdio->out = -1;
}

static void stdio_finalize(Object *obj)
{
    CharStdio *stdio = CHAR_STDIO(obj);

    if (stdio->in >= 0) {
        close(stdio->in);
        terminal_restore();
        in_use = false;
    }
    if (stdio->out >= 0) {
        close(stdio->out);
    }
}

static bool stdio_complete(Object *obj, GError **errp)
{
    CharStdio *stdio = CHAR_STDIO(obj);
    int in;

    if (in_use) {
        error_set(errp, "stdio can be used once; to share it, use one -chardev stdio,id=ID,mux=on "
                        "and name it with chardev:ID");
        return false;
    }
    in = private_fd(STDIN_FILENO, O_RDONLY);
    if (in < 0) {
        error_set_errno(errp, errno, "cannot use standard input");
        return false;
    }
    stdio->in = in;
    in_use = true;
    stdio->out = private_fd(STDOUT_FILENO, O_WRONLY);
    if (stdio->out < 0) {
        error_set_errno(errp, errno, "cannot use standard output");
        return false;
    }
    terminal_raw(stdio->signal);
    chardev_connected(CHARDEV(stdio), stdio->in, stdio->out);
    return true;
}

static void stdio_cleanup(Chardev *chr)
{
    terminal_restore();
}

static const Property stdio_properties[] = {
    { .name = "signal",
      .kind = PROP_BOOL,
      .offset = offsetof(CharStdio, signal),
      .has_default = true,
      .default_int = true,
      .description = "Ctrl-C ends this program, instead of being input" },
    { NULL },
};

static const ChardevOps stdio_ops = {
    .cleanup = stdio_cleanup,
};

static const ObjectType stdio_type = {
    .name = "chardev-stdio",
    .parent = TYPE_CHARDEV,
    .description = "standard input and output",
    .instance_size = sizeof(CharStdio),
    .properties = stdio_properties,
    .ops = &stdio_ops,
    .init = stdio_init,
    .finalize = stdio_finalize,
    .complete = stdio_complete,
};
OBJECT_TYPE_REGISTER(stdio_type)

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev pty: a new pseudo-terminal, whose name is printed at the start.
 *
 * The kernel does not say when somebody opens the terminal, so we look once a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "util/error.h"

typedef struct CharPty {
    Chardev parent;
    char *path;
    int fd;
    GSource *look;
} CharPty;
OBJECT_CAST_DEFINE(CharPty, CHAR_PTY, "chardev-pty")

static gboolean pty_look(gpointer opaque);

static void pty_look_again(CharPty *pty)
{
    pty->look = chardev_timeout_source(1000, pty_look, pty);
}

static gboolean pty_look(gpointer opaque)
{
    CharPty *pty = opaque;
    struct pollfd p = { .fd = pty->fd };

    if (poll(&p, 1, 0) == 1 && (p.revents & POLLHUP)) {
        return G_SOURCE_CONTINUE;
    }
    chardev_source_end(&pty->look);
    chardev_connected(CHARDEV(pty), pty->fd, pty->fd);
    return G_SOURCE_REMOVE;
}

static void pty_hangup(Chardev *chr)
{
    chardev_disconnected(chr);
    pty_look_again(CHAR_PTY(chr));
}

static void pty_init(Object *obj)
{
    CHAR_PTY(obj)->fd = -1;
}

static void pty_finalize(Object *obj)
{
    CharPty *pty = CHAR_PTY(obj);

    chardev_source_end(&pty->look);
    if (pty->fd >= 0) {
        close(pty->fd);
    }
}

static bool pty_complete(Object *obj, GError **errp)
{
    CharPty *pty = CHAR_PTY(obj);
    struct termios modes;
    char name[64];
    int slave;

    pty->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (pty->fd < 0 || grantpt(pty->fd) < 0 || unlockpt(pty->fd) < 0 ||
        ptsname_r(pty->fd, name, sizeof(name)) != 0) {
        error_set_errno(errp, errno, "cannot make a pseudo-terminal");
        return false;
    }
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || tcgetattr(slave, &modes) < 0) {
        error_set_errno(errp, errno, "cannot set up pseudo-terminal '%s'", name);
        if (slave >= 0) {
            close(slave);
        }
        return false;
    }
    cfmakeraw(&modes);
    tcsetattr(slave, TCSANOW, &modes);
    close(slave); /* from now on the other end reads "hung up" until somebody opens it */
    fcntl(pty->fd, F_SETFL, fcntl(pty->fd, F_GETFL) | O_NONBLOCK);
    pty->path = g_strdup(name);
    /* Tools read the name from this line. */
    printf("char device redirected to %s (label %s)\n", name, obj->name);
    fflush(stdout);
    pty_look_again(pty);
    return true;
}

static const Property pty_properties[] = {
    { .name = "pty",
      .kind = PROP_STRING,
      .offset = offsetof(CharPty, path),
      .read_only = true,
      .description = "the terminal's name" },
    { NULL },
};

static char *pty_filename(const Chardev *chr)
{
    return g_strconcat("pty:", CHAR_PTY(chr)->path, NULL);
}

static const ChardevOps pty_ops = {
    .filename = pty_filename,
    .hangup = pty_hangup,
};

static const ObjectType pty_type = {
    .name = "chardev-pty",
    .parent = TYPE_CHARDEV,
    .description = "a new pseudo-terminal",
    .instance_size = sizeof(CharPty),
    .properties = pty_properties,
    .ops = &pty_ops,
    .init = pty_init,
    .finalize = pty_finalize,
    .complete = pty_complete,
};
OBJECT_TYPE_REGISTER(pty_type)

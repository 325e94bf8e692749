/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev pipe: input from the FIFO PATH.in, output to PATH.out; without these both through PATH.
 *
 * We hold both ends of each (fifo(7)), so that opening waits for nobody, and others may come and
 * go.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "util/error.h"

typedef struct CharPipe {
    Chardev parent;
    char *path;
    int in, out;
} CharPipe;
OBJECT_CAST_DEFINE(CharPipe, CHAR_PIPE, "chardev-pipe")

static int open_end(const char *path, const char *suffix)
{
    g_autofree char *name = g_strconcat(path, suffix, NULL);

    return open(name, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static void close_end(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static bool pipe_complete(Object *obj, GError **errp)
{
    CharPipe *pipe = CHAR_PIPE(obj);

    if (!pipe->path || !*pipe->path) {
        error_set(errp, "backend pipe needs path=PATH: the FIFOs PATH.in and PATH.out");
        return false;
    }
    pipe->in = open_end(pipe->path, ".in");
    pipe->out = pipe->in < 0 ? -1 : open_end(pipe->path, ".out");
    if (pipe->out >= 0) {
        chardev_connected(CHARDEV(pipe), pipe->in, pipe->out);
        return true;
    }
    if (errno != ENOENT) {
        error_set_errno(errp, errno, "cannot open '%s.%s'", pipe->path,
                        pipe->in < 0 ? "in" : "out");
        return false;
    }
    close_end(pipe->in);
    pipe->in = open_end(pipe->path, "");
    if (pipe->in < 0) {
        error_set_errno(errp, errno,
                        "cannot open '%s', nor %s.in and %s.out (make them with mkfifo)",
                        pipe->path, pipe->path, pipe->path);
        return false;
    }
    chardev_connected(CHARDEV(pipe), pipe->in, pipe->in);
    return true;
}

static void pipe_init(Object *obj)
{
    CharPipe *pipe = CHAR_PIPE(obj);

    pipe->in = pipe->out = -1;
}

static void pipe_finalize(Object *obj)
{
    CharPipe *pipe = CHAR_PIPE(obj);

    close_end(pipe->in);
    close_end(pipe->out);
}

static const Property pipe_properties[] = {
    { .name = "path",
      .kind = PROP_STRING,
      .offset = offsetof(CharPipe, path),
      .description = "the FIFOs' names, without .in and .out" },
    { NULL },
};

static const ObjectType pipe_type = {
    .name = "chardev-pipe",
    .parent = TYPE_CHARDEV,
    .description = "a pair of FIFOs",
    .instance_size = sizeof(CharPipe),
    .properties = pipe_properties,
    .init = pipe_init,
    .finalize = pipe_finalize,
    .complete = pipe_complete,
};
OBJECT_TYPE_REGISTER(pipe_type)

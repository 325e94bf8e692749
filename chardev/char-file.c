/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev file: output goes to a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "util/error.h"
#include "util/fdset.h"

typedef struct CharFile {
    Chardev parent;
    char *path;
    bool append;
    int fd;
} CharFile;

static void file_init(Object *obj)
{
    ((CharFile *)obj)->fd = -1;
}

static void file_finalize(Object *obj)
{
    CharFile *file = (CharFile *)obj;

    if (file->fd >= 0) {
        close(file->fd);
    }
}

static bool file_complete(Object *obj, GError **errp)
{
    CharFile *file = (CharFile *)obj;

    if (!file->path || !*file->path) {
        error_set(errp, "backend file needs path=FILE");
        return false;
    }
    file->fd = path_open(
        file->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (file->append ? O_APPEND : O_TRUNC),
        0666);
    if (file->fd < 0) {
        error_set_errno(errp, errno, "cannot open '%s' for writing", file->path);
        return false;
    }
    /* FIFOs and terminals can be files too. */
    fcntl(file->fd, F_SETFL, fcntl(file->fd, F_GETFL) | O_NONBLOCK);
    chardev_connected(CHARDEV(file), -1, file->fd);
    return true;
}

static const Property file_properties[] = {
    { .name = "path",
      .kind = PROP_STRING,
      .offset = offsetof(CharFile, path),
      .description = "the file" },
    { .name = "append",
      .kind = PROP_BOOL,
      .offset = offsetof(CharFile, append),
      .has_default = true,
      .description = "add to the file instead of replacing what is in it" },
    { NULL },
};

static const ObjectType file_type = {
    .name = "chardev-file",
    .parent = TYPE_CHARDEV,
    .description = "output to a file",
    .instance_size = sizeof(CharFile),
    .properties = file_properties,
    .init = file_init,
    .finalize = file_finalize,
    .complete = file_complete,
};
OBJECT_TYPE_REGISTER(file_type)

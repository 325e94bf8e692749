/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev file: output goes to a file, input comes from another or nowhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/made-files.h"

typedef struct CharFile {
    Chardev parent;
    char *path, *input_path;
    bool append;
    int in, out;
} CharFile;
OBJECT_CAST_DEFINE(CharFile, CHAR_FILE, "chardev-file")

static void file_init(Object *obj)
{
    CharFile *file = CHAR_FILE(obj);

    file->in = file->out = -1;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static void file_finalize(Object *obj)
{
    CharFile *file = CHAR_FILE(obj);

    close_fd(file->in);
    close_fd(file->out);
}

static bool open_input(CharFile *file, GError **errp)
{
    struct stat st;

    file->in = fdset_open_path(file->input_path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (file->in < 0) {
        error_set_errno(errp, errno, "cannot open '%s' for reading", file->input_path);
        return false;
    }
    if (fstat(file->in, &st) == 0 && S_ISDIR(st.st_mode)) {
        error_set(errp, "'%s' is a directory; the input must be a file", file->input_path);
        return false;
    }
    return true;
}

static bool file_complete(Object *obj, GError **errp)
{
    CharFile *file = CHAR_FILE(obj);

    if (!file->path || !*file->path) {
        error_set(errp, "backend file needs path=FILE");
        return false;
    }
    if (file->input_path && !open_input(file, errp)) {
        return false;
    }
    file->out = made_files_open(
        file->path, O_WRONLY | O_CLOEXEC | O_NOCTTY | (file->append ? O_APPEND : O_TRUNC), 0666,
        MADE_TEXT);
    if (file->out < 0) {
        error_set_errno(errp, errno, "cannot open '%s' for writing", file->path);
        return false;
    }
    /* FIFOs and terminals can be files too. */
    fcntl(file->out, F_SETFL, fcntl(file->out, F_GETFL) | O_NONBLOCK);
    chardev_connected(CHARDEV(file), file->in, file->out);
    return true;
}

static const Property file_properties[] = {
    { .name = "path",
      .kind = PROP_STRING,
      .offset = offsetof(CharFile, path),
      .description = "the file" },
    { .name = "input-path",
      .kind = PROP_STRING,
      .offset = offsetof(CharFile, input_path),
      .description = "where input comes from" },
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

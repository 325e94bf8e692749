/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/made-files.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fdset.h"

typedef struct Made {
    char *path; /* absolute: a daemon changes its directory */
    MadeFile kind;
    dev_t dev;
    ino_t ino;
} Made;

static GArray *files; /* of Made, in order */
static unsigned depth;

static void made_clear(void *opaque)
{
    g_free(((Made *)opaque)->path);
}

unsigned made_files_begin(void)
{
    if (!files) {
        files = g_array_new(FALSE, FALSE, sizeof(Made));
        g_array_set_clear_func(files, made_clear);
    }
    depth++;
    return files->len;
}

void made_files_note(const char *path, MadeFile kind)
{
    struct stat st;

    if (depth && lstat(path, &st) == 0) {
        Made made = { g_canonicalize_filename(path, NULL), kind, st.st_dev, st.st_ino };

        g_array_append_val(files, made);
    }
}

static void undo(const Made *made)
{
    struct stat st;
    bool same = lstat(made->path, &st) == 0 && st.st_dev == made->dev && st.st_ino == made->ino;

    if (!same || (made->kind == MADE_TEXT && st.st_size > 0)) {
        return;
    }
    if ((made->kind == MADE_SIZE ? truncate(made->path, 0) : remove(made->path)) < 0) {
        error_warn("'%s' cannot be made as it was before: %s", made->path, g_strerror(errno));
    }
}

void made_files_end(unsigned mark, bool ok)
{
    for (unsigned i = files->len; !ok && i > mark; i--) {
        undo(&g_array_index(files, Made, i - 1));
    }
    /* What is part of something larger may still have to be undone. */
    depth--;
    if (!ok || depth == 0) {
        g_array_set_size(files, mark);
    }
}

/* A FIFO is opened for reading, too, where nobody else does yet: what is written waits in it. */
static int open_existing(const char *path, int flags, mode_t mode)
{
    struct stat st;
    int fd;

    if (fdset_is_path(path)) {
        return fdset_open_path(path, flags, mode);
    }
    fd = open(path, flags | O_NONBLOCK, mode);
    if (fd < 0 && errno == ENXIO && !(flags & O_NONBLOCK) && stat(path, &st) == 0 &&
        S_ISFIFO(st.st_mode)) {
        fd = open(path, (flags & ~O_ACCMODE) | O_RDWR | O_NONBLOCK, mode);
    }
    if (fd >= 0 && !(flags & O_NONBLOCK) && (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    }
    return fd;
}

int made_files_open(const char *path, int flags, mode_t mode, MadeFile kind)
{
    int fd = fdset_open_path(path, flags | O_CREAT | O_EXCL, mode);

    if (fd >= 0) {
        made_files_note(path, kind);
    } else if (errno == EEXIST) {
        fd = open_existing(path, flags | O_CREAT, mode); /* O_CREAT: it may have gone meanwhile */
    }
    return fd;
}

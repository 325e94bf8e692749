/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/file-read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/units.h"

#define PIECE (64u << 10)

static gint started; /* atomic: a flag on its own */

void file_read_started(void)
{
    g_atomic_int_set(&started, 1);
}

static bool check_size(const char *path, uint64_t size, uint64_t most, GError **errp)
{
    const bool in_mib = most >= MIB;

    if (size <= most) {
        return true;
    }
    error_set(errp, "'%s' is too large: it may have %" PRIu64 " %s", path,
              most / (in_mib ? MIB : KIB), in_mib ? "MiB" : "KiB");
    return false;
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a directory"
           : S_ISFIFO(mode) ? "a pipe, which may never end"
           : S_ISCHR(mode)  ? "a device, which may never end"
           : S_ISBLK(mode)  ? "a block device"
                            : "no file";
}

/* -1: an error. A FIFO that nobody has open is not waited for. */
static int open_checked(const char *path, bool pipes, uint64_t most, struct stat *st, GError **errp)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, st) < 0) {
        error_set_errno(errp, errno, "cannot open '%s'", path);
    } else if (!S_ISREG(st->st_mode) && !(pipes && S_ISFIFO(st->st_mode))) {
        error_set(errp, "'%s' is not a regular file, but %s", path, kind_of(st->st_mode));
    } else if (!S_ISREG(st->st_mode) || check_size(path, (uint64_t)st->st_size, most, errp)) {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

/* It may grow meanwhile. */
static bool read_all(int fd, const char *path, uint64_t most, GByteArray *bytes, GError **errp)
{
    ssize_t n;

    do {
        const guint had = bytes->len;

        if (!check_size(path, had, most, errp)) {
            return false;
        }
        g_byte_array_set_size(bytes, had + PIECE);
        n = read(fd, bytes->data + had, PIECE);
        g_byte_array_set_size(bytes, had + (guint)MAX(n, 0));
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0) {
        error_set_errno(errp, errno, "cannot read '%s'", path);
    }
    return n == 0;
}

bool file_read(const char *path, uint64_t most, char **contents, gsize *size, GError **errp)
{
    g_autoptr(GByteArray) bytes = NULL;
    struct stat st;
    int fd = open_checked(path, !g_atomic_int_get(&started), most, &st, errp);
    bool ok;

    g_assert(most <= FILE_READ_MOST);
    if (fd < 0) {
        return false;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    bytes = g_byte_array_sized_new((guint)st.st_size + PIECE); /* 0 of a pipe */
    ok = read_all(fd, path, most, bytes, errp);
    close(fd);
    if (ok && S_ISFIFO(st.st_mode) && !bytes->len) {
        error_set(errp, "'%s' is a pipe into which nobody has written", path);
        ok = false;
    }
    if (ok) {
        if (size) {
            *size = bytes->len;
        }
        g_byte_array_append(bytes, (const guint8 *)"", 1); /* for those who take it for text */
        *contents = (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
    }
    return ok;
}

GMappedFile *file_map(const char *path, uint64_t most, GError **errp)
{
    g_autoptr(GError) err = NULL;
    struct stat st;
    int fd = open_checked(path, false, most, &st, errp);
    GMappedFile *map;

    if (fd < 0) {
        return NULL;
    }
    map = g_mapped_file_new_from_fd(fd, FALSE, &err);
    close(fd);
    if (!map) {
        error_set(errp, "cannot map '%s': %s", path, err->message);
    }
    return map;
}
